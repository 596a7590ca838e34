"""`supervisor.launch.py` under a real launch: the node comes up active in its namespace, says its state, ends cleanly.

Run by `make launch-test` where launch is installed; everywhere else `test/conftest.py` lists it as not run.
"""

from __future__ import annotations

import os
import tempfile
import time
import unittest
from typing import Any

import launch
import launch_testing
import launch_testing.actions
import launch_testing.asserts
import pytest
import rclpy
from ament_index_python.packages import get_package_share_directory
from diagnostic_msgs.msg import DiagnosticArray
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from lifecycle_msgs.msg import State
from lifecycle_msgs.srv import GetState
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

SHARE = get_package_share_directory("safety_supervisor")
LOGS = tempfile.TemporaryDirectory(prefix="supervisor_launch_")  # latches of its own; gone when the run ends
PATIENCE = 30.0  # [s], for discovery and start-up on a loaded machine


@pytest.mark.launch_test  # read by launch_testing's plugin of pytest; `launch_test` needs none
def generate_test_description() -> launch.LaunchDescription:
    supervisor = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(os.path.join(SHARE, "launch", "supervisor.launch.py")),
        launch_arguments={
            "config_file": os.path.join(SHARE, "config", "panda.yaml"),
            "log_directory": LOGS.name,
            "namespace": "cell_7",
            "log_level": "info",
        }.items(),
    )
    return launch.LaunchDescription([supervisor, launch_testing.actions.ReadyToTest()])


class TestWhileItRuns(unittest.TestCase):
    def setUp(self) -> None:
        rclpy.init()
        self.node = rclpy.create_node("watcher")

    def tearDown(self) -> None:
        self.node.destroy_node()
        rclpy.shutdown()

    def test_lifecycle_is_active(self) -> None:
        client = self.node.create_client(GetState, "/cell_7/supervisor/get_state")
        assert client.wait_for_service(PATIENCE), "no /cell_7/supervisor/get_state"
        deadline = time.monotonic() + PATIENCE
        state = None
        while state != State.PRIMARY_STATE_ACTIVE and time.monotonic() < deadline:
            future = client.call_async(GetState.Request())
            rclpy.spin_until_future_complete(self.node, future, timeout_sec=5.0)
            state = future.result().current_state.id if future.result() else None
        assert state == State.PRIMARY_STATE_ACTIVE

    def test_status_says_that_it_does_not_arm_without_joint_states(self) -> None:
        received: list[DiagnosticArray] = []
        profile = QoSProfile(
            depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
        )
        self.node.create_subscription(DiagnosticArray, "/cell_7/supervisor/status", received.append, profile)
        deadline = time.monotonic() + PATIENCE
        while len(received) < 3 and time.monotonic() < deadline:
            rclpy.spin_once(self.node, timeout_sec=0.1)
        assert len(received) >= 3, "no status on /cell_7/supervisor/status"
        values = {value.key: value.value for value in received[-1].status[0].values}
        assert "E_STATE_STALE" in values["active_causes"], values
        # A machine too busy for the control period is told so, and that latches.
        assert values["state"] == "INIT" or values["cause"] == "E_OVERRUNS", values


@launch_testing.post_shutdown_test()
class TestAfterTheEnd(unittest.TestCase):
    def test_exit_status(self, proc_info: Any) -> None:
        launch_testing.asserts.assertExitCodes(proc_info, allowable_exit_codes=[0])
