"""Start the simulated cell, the supervisor and the agent that plays a scenario; all ends when the agent is through.

ros2 launch safety_supervisor demo.launch.py [scenario:=/path/to/scenario.yaml]

`safety-supervisor demo` starts the same nodes and judges what happened; this file is for a look at them with ROS tools.
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, SetEnvironmentVariable, Shutdown
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import EnvironmentVariable, LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare

PACKAGE = "safety_supervisor"


def share(*path: str) -> PathJoinSubstitution:
    """A file of the installed package."""
    return PathJoinSubstitution([FindPackageShare(PACKAGE), *path])


def generate_launch_description() -> LaunchDescription:
    """Three nodes; the end of the agent or of the cell ends the launch."""
    config_file = LaunchConfiguration("config_file")
    return LaunchDescription(
        [
            DeclareLaunchArgument("scenario", default_value=share("scenarios", "panda_demo.yaml"), description="YAML"),
            DeclareLaunchArgument("config_file", default_value=share("config", "panda.yaml"), description="YAML"),
            DeclareLaunchArgument("cell_file", default_value=share("cells", "panda.yaml"), description="YAML"),
            DeclareLaunchArgument(
                "controller",
                default_value="joint_trajectory_controller",
                description="double of the controller, as output.type of the configuration needs it",
            ),
            DeclareLaunchArgument(
                "seconds", default_value="0.0", description="play so long at most; 0: the whole scenario"
            ),
            DeclareLaunchArgument(
                "log_directory", default_value="", description="logs and latches; empty: as configured"
            ),
            DeclareLaunchArgument("log_level", default_value="info", description="debug, info, warn or error"),
            # Without shared memory, by which a participant that joins holds up the others; who set a profile keeps it.
            *(
                SetEnvironmentVariable(name, EnvironmentVariable(name, default_value=share("config", "fastdds.xml")))
                for name in ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
            ),
            Node(
                package=PACKAGE,
                executable="sim_cell",
                parameters=[
                    {"cell_file": LaunchConfiguration("cell_file"), "controller": LaunchConfiguration("controller")}
                ],
                output="screen",
                on_exit=Shutdown(reason="the cell ended"),
            ),
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(share("launch", "supervisor.launch.py")),
                launch_arguments={
                    "config_file": config_file,
                    "log_directory": LaunchConfiguration("log_directory"),
                    "log_level": LaunchConfiguration("log_level"),
                }.items(),
            ),
            Node(
                package=PACKAGE,
                executable="sim_agent",
                parameters=[
                    {
                        "scenario_file": LaunchConfiguration("scenario"),
                        "config_file": config_file,
                        "seconds": LaunchConfiguration("seconds"),
                    }
                ],
                output={"stdout": "log", "stderr": "screen"},  # its progress is for programs
                on_exit=Shutdown(reason="the agent is through"),
            ),
        ]
    )
