"""Start a simulated robot and the supervisor in front of it; agent, e-stop device and person are yours.

ros2 launch safety_supervisor simulation.launch.py robot:=g1

`robot` has a configuration, `config/ROBOT.yaml`, and a cell, `cells/ROBOT.yaml` or, on its feet, `ROBOT_standing.yaml`.
"""

import os

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import (
    DeclareLaunchArgument,
    IncludeLaunchDescription,
    OpaqueFunction,
    SetEnvironmentVariable,
    Shutdown,
)
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import EnvironmentVariable, LaunchConfiguration
from launch_ros.actions import Node

PACKAGE = "safety_supervisor"


def share(*path: str) -> str:
    """A file of the installed package."""
    return os.path.join(get_package_share_directory(PACKAGE), *path)


def start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Cell and supervisor of the robot that was asked for."""

    def asked(name: str) -> str:
        return str(LaunchConfiguration(name).perform(context))

    robot = asked("robot")
    config = asked("config_file") or share("config", f"{robot}.yaml")
    cells = [share("cells", f"{robot}.yaml"), share("cells", f"{robot}_standing.yaml")]
    found = [path for path in cells if os.path.isfile(path)]
    cell = asked("cell_file") or (found[0] if found else "")
    missing = [path or " and ".join(cells) for path in (config, cell) if not os.path.isfile(path)]
    if missing:
        raise RuntimeError(f"there is no {', no '.join(missing)}")
    return [
        Node(
            package=PACKAGE,
            executable="sim_cell",
            parameters=[
                {
                    "cell_file": cell,
                    "controller": asked("controller"),
                    "report_file": asked("report_file"),
                    "trace_file": asked("trace_file"),
                }
            ],
            output="screen",
            on_exit=Shutdown(reason="the cell ended"),
        ),
        IncludeLaunchDescription(
            PythonLaunchDescriptionSource(share("launch", "supervisor.launch.py")),
            launch_arguments={
                "config_file": config,
                "log_directory": asked("log_directory"),
                "log_level": asked("log_level"),
            }.items(),
        ),
    ]


def generate_launch_description() -> LaunchDescription:
    """Two nodes; the end of the cell ends the launch."""
    return LaunchDescription(
        [
            DeclareLaunchArgument("robot", default_value="panda", description="panda, g1, talos"),
            DeclareLaunchArgument("config_file", default_value="", description="YAML; empty: that of the robot"),
            DeclareLaunchArgument("cell_file", default_value="", description="YAML; empty: that of the robot"),
            DeclareLaunchArgument(
                "controller",
                default_value="joint_trajectory_controller",
                description="double of the controller, as output.type of the configuration needs it",
            ),
            DeclareLaunchArgument("report_file", default_value="", description="where the oracle writes what it saw"),
            DeclareLaunchArgument("trace_file", default_value="", description="the true motion, .npz"),
            DeclareLaunchArgument(
                "log_directory", default_value="", description="logs and latches; empty: as configured"
            ),
            DeclareLaunchArgument("log_level", default_value="info", description="debug, info, warn or error"),
            # Without shared memory, by which a participant that joins holds up the others; who set a profile keeps it.
            *(
                SetEnvironmentVariable(name, EnvironmentVariable(name, default_value=share("config", "fastdds.xml")))
                for name in ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
            ),
            OpaqueFunction(function=start),
        ]
    )
