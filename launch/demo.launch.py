"""Start the simulated cell, the supervisor and the agent that plays a scenario; all ends when the agent is through.

ros2 launch safety_supervisor demo.launch.py [robot:=panda] [scenario:=/path/to/scenario.yaml]

`safety-supervisor demo` starts the same nodes and judges what happened; this file is for a look at them with ROS tools.
"""

import os

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction, Shutdown
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

PACKAGE = "safety_supervisor"


def share(*path: str) -> str:
    """A file of the installed package."""
    return os.path.join(get_package_share_directory(PACKAGE), *path)


def play(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """The agent of the robot that was asked for."""

    def asked(name: str) -> str:
        return str(LaunchConfiguration(name).perform(context))

    robot = asked("robot")
    return [
        Node(
            package=PACKAGE,
            executable="sim_agent",
            parameters=[
                {
                    "scenario_file": asked("scenario") or share("scenarios", f"{robot}_demo.yaml"),
                    "config_file": asked("config_file") or share("config", f"{robot}.yaml"),
                    "seconds": float(asked("seconds")),
                }
            ],
            output={"stdout": "log", "stderr": "screen"},  # its progress is for programs
            on_exit=Shutdown(reason="the agent is through"),
        )
    ]


def generate_launch_description() -> LaunchDescription:
    """Three nodes; the end of the agent or of the cell ends the launch."""
    return LaunchDescription(
        [
            DeclareLaunchArgument("scenario", default_value="", description="YAML; empty: the robot's demonstration"),
            DeclareLaunchArgument(
                "seconds", default_value="0.0", description="play so long at most; 0: the whole scenario"
            ),
            IncludeLaunchDescription(PythonLaunchDescriptionSource(share("launch", "simulation.launch.py"))),
            OpaqueFunction(function=play),
        ]
    )
