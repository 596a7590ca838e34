"""The supervisor as on ROS 2 Humble, without EventsExecutor: `single_threaded.py --ros-args -p config_file:=FILE`."""

from __future__ import annotations

import sys
from typing import Any

from safety_supervisor.ros.main import main


def make_executor_of_humble() -> Any:
    """Make the executor that the node itself takes where there is no other one, and say which that is."""
    from safety_supervisor.ros.cycle import make_executor

    sys.modules["rclpy.experimental"] = None  # type: ignore[assignment]
    executor = make_executor()
    print("executor", type(executor).__name__, flush=True)
    return executor


if __name__ == "__main__":
    sys.exit(main(sys.argv, make_executor_of_humble))
