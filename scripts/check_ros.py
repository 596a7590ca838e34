"""Fit the environment to ROS 2, called by scripts/setup.sh.

`lock FILE`, run by the Python of a ROS that is sourced (`ROS_DISTRO` set): print the lock file without what it brings.
`use`, run by the new environment: prove that rclpy and its messages work beside the installed packages.
"""

from __future__ import annotations

import importlib
import os
import re
import sys

MESSAGES = (
    "action_msgs",
    "builtin_interfaces",
    "diagnostic_msgs",
    "geometry_msgs",
    "lifecycle_msgs",
    "nav_msgs",
    "rcl_interfaces",
    "sensor_msgs",
    "std_msgs",
    "std_srvs",
    "trajectory_msgs",
    "visualization_msgs",
)


def fail(*lines: str) -> int:
    """Say what is wrong and what to do about it."""
    print(*(f"ROS: {line}" for line in lines), sep="\n", file=sys.stderr)
    return 1


def import_all() -> int:
    """Import rclpy and every message package; name what is missing with its cure."""
    distro = os.environ.get("ROS_DISTRO", "")
    try:
        importlib.import_module("rclpy")
    except ImportError as error:
        if not distro:
            return fail(f"the wheels' rclpy can not be imported ({error})", "make clean, then try again")
        return fail(
            f"ROS_DISTRO={distro}, but {sys.executable} can not import rclpy ({error})",
            f"source /opt/ros/{distro}/setup.bash again, or: sudo apt-get install ros-{distro}-rclpy",
            "to work without that ROS, with rclpy from wheels: unset ROS_DISTRO PYTHONPATH, in a new shell",
        )
    missing = []
    for name in MESSAGES:
        try:
            importlib.import_module(f"{name}.srv" if name == "std_srvs" else f"{name}.msg")
        except ImportError:
            missing.append(name)
    if missing:
        packages = " ".join(f"ros-{distro}-{name.replace('_', '-')}" for name in missing)
        cure = f"sudo apt-get install {packages}" if distro else "make clean, then try again"
        return fail(f"message packages are missing: {', '.join(missing)}", cure)
    return 0


def print_lock(path: str) -> int:
    """Print the lock file without the ROS wheels, and without numpy when ROS was built for another major version.

    Compiled message code fits one ABI of numpy: major version 1 or 2. The system's numpy is the one it was built for.
    """
    if import_all():
        return 1
    with open(path, encoding="utf-8") as file:
        blocks = re.split(r"^(?=\S)", file.read(), flags=re.MULTILINE)
    locked = next(block for block in blocks if block.startswith("numpy=="))
    import numpy

    unwanted = ["ros-"]
    if numpy.__version__.split(".")[0] != locked.split("==")[1].split(".")[0]:
        unwanted.append("numpy==")
        print(f"ROS: keeping its numpy {numpy.__version__}, its messages are compiled for it", file=sys.stderr)
    print("".join(block for block in blocks if not block.startswith(tuple(unwanted))))
    return 0


def use() -> int:
    """Send one message of each kind that touches numpy through serialisation, beside the installed packages."""
    if import_all():
        return 1
    try:
        import numpy
        import pinocchio  # noqa: F401  compiled against numpy, too
        from geometry_msgs.msg import PoseWithCovariance
        from rclpy.serialization import deserialize_message, serialize_message
        from sensor_msgs.msg import Imu, JointState

        for message in (JointState(name=["a"], position=[1.0]), Imu(), PoseWithCovariance()):
            if deserialize_message(serialize_message(message), type(message)) != message:
                return fail(f"{type(message).__name__} does not survive serialisation with numpy {numpy.__version__}")
    except Exception as error:
        return fail(
            f"{type(error).__name__}: {error}",
            "ROS and the packages of .venv do not fit together, most often by numpy's major version",
            "where a ROS is sourced, to work without it: unset ROS_DISTRO PYTHONPATH, in a new shell",
        )
    return 0


if __name__ == "__main__":
    sys.exit(print_lock(sys.argv[2]) if sys.argv[1] == "lock" else use())
