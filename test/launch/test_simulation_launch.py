"""`simulation.launch.py robot:=g1` under a real launch: the robot stands, and the supervisor knows its balance.

Run by `make launch-test` where launch is installed; everywhere else `test/conftest.py` lists it as not run.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
import unittest
from pathlib import Path
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
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_msgs.msg import String

SHARE = get_package_share_directory("safety_supervisor")
LOGS = tempfile.TemporaryDirectory(prefix="simulation_launch_")  # latches of its own; gone when the run ends
REPORT = Path(LOGS.name) / "report.json"
PATIENCE = 60.0  # [s], for discovery and start-up on a loaded machine


@pytest.mark.launch_test  # read by launch_testing's plugin of pytest; `launch_test` needs none
def generate_test_description() -> launch.LaunchDescription:
    simulation = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(os.path.join(SHARE, "launch", "simulation.launch.py")),
        launch_arguments={"robot": "g1", "log_directory": LOGS.name, "report_file": str(REPORT)}.items(),
    )
    return launch.LaunchDescription([simulation, launch_testing.actions.ReadyToTest()])


class TestWhileItRuns(unittest.TestCase):
    def setUp(self) -> None:
        rclpy.init()
        self.node = rclpy.create_node("watcher")

    def tearDown(self) -> None:
        self.node.destroy_node()
        rclpy.shutdown()

    def test_it_stands_and_the_supervisor_knows_how(self) -> None:
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        told: dict[str, str] = {}
        margins: dict[str, Any] = {}

        def hear(message: DiagnosticArray) -> None:
            told.update((value.key, value.value) for value in message.status[0].values)

        self.node.create_subscription(DiagnosticArray, "/supervisor/status", hear, latched)
        self.node.create_subscription(
            String, "/sim_cell/margins", lambda message: margins.update(json.loads(message.data)), 10
        )
        deadline = time.monotonic() + PATIENCE
        while not (told.get("balance", "").endswith(" m") and margins) and time.monotonic() < deadline:
            rclpy.spin_once(self.node, timeout_sec=0.1)
        assert float(told["balance"].removesuffix(" m")) > 0.03, told
        assert margins["standing"]["height"] > 0.77
        assert margins["standing"]["hoisted"]


@launch_testing.post_shutdown_test()
class TestAfterTheEnd(unittest.TestCase):
    def test_exit_status_and_report(self, proc_info: Any) -> None:
        launch_testing.asserts.assertExitCodes(proc_info, allowable_exit_codes=[0])
        report = json.loads(REPORT.read_text(encoding="utf-8"))
        assert report["violations"] == []
        assert report["standing"]["fell_in"] == []
