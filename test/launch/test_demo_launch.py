"""`demo.launch.py` under a real launch: cell, supervisor and agent find each other, the robot moves, all end cleanly.

Run by `make launch-test` where launch is installed; everywhere else `test/conftest.py` lists it as not run.
"""

from __future__ import annotations

import os
import tempfile
import unittest
from typing import Any

import launch
import launch_testing
import launch_testing.actions
import pytest
from ament_index_python.packages import get_package_share_directory
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource

SHARE = get_package_share_directory("safety_supervisor")
LOGS = tempfile.TemporaryDirectory(prefix="demo_launch_")  # latches of its own; gone when the run ends
PATIENCE = 60.0  # [s], for discovery and start-up on a loaded machine
PROFILES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")


@pytest.mark.launch_test  # read by launch_testing's plugin of pytest; `launch_test` needs none
def generate_test_description() -> launch.LaunchDescription:
    for name in PROFILES:
        os.environ.pop(name, None)  # the launch file's own is what is asked for
    demo = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(os.path.join(SHARE, "launch", "demo.launch.py")),
        launch_arguments={"log_directory": LOGS.name}.items(),
    )
    return launch.LaunchDescription([demo, launch_testing.actions.ReadyToTest()])


class TestWhileItRuns(unittest.TestCase):
    def test_the_robot_moves(self, proc_output: Any) -> None:
        proc_output.assertWaitFor("AUTO/MOVING", timeout=PATIENCE)

    def test_the_installed_profile_keeps_shared_memory_out(self, proc_output: Any) -> None:
        proc_output.assertWaitFor("INIT", timeout=PATIENCE)  # the warning would come before
        text = "".join(
            line.text.decode(errors="replace") for name in proc_output.process_names() for line in proc_output[name]
        )
        assert "shared memory of the middleware in use" not in text


@launch_testing.post_shutdown_test()
class TestAfterTheEnd(unittest.TestCase):
    def test_exit_status(self, proc_info: Any) -> None:
        codes = {info.process_name.rpartition("-")[0]: info.returncode for info in proc_info}
        interrupted = 130  # what an agent that is interrupted in its play says
        assert codes == {"sim_cell": 0, "supervisor": 0, "sim_agent": interrupted}
