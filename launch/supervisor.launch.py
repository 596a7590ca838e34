"""Start the supervisor for one robot.

ros2 launch safety_supervisor supervisor.launch.py config_file:=/path/to/robot.yaml
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node


def generate_launch_description() -> LaunchDescription:
    """One lifecycle node that configures and activates itself; it is not respawned, a person finds out why it ended."""
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                "config_file", description="configuration of the robot, YAML; has no default on purpose"
            ),
            DeclareLaunchArgument("namespace", default_value="", description="ROS namespace of the robot"),
            DeclareLaunchArgument(
                "log_directory", default_value="", description="logs and latches; empty: as configured"
            ),
            DeclareLaunchArgument(
                "officers_file",
                default_value="",
                description="whose signatures of configurations count; empty: /etc/safety_supervisor/officers.json",
            ),
            DeclareLaunchArgument("log_level", default_value="info", description="debug, info, warn or error"),
            Node(
                package="safety_supervisor",
                executable="supervisor",
                name="supervisor",
                namespace=LaunchConfiguration("namespace"),
                parameters=[
                    {
                        "config_file": LaunchConfiguration("config_file"),
                        "log_directory": LaunchConfiguration("log_directory"),
                        "officers_file": LaunchConfiguration("officers_file"),
                        "autostart": True,
                    }
                ],
                ros_arguments=["--log-level", LaunchConfiguration("log_level")],
                output="screen",
                emulate_tty=True,
            ),
        ]
    )
