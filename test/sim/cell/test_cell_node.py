"""The node `sim_cell` as a process, spoken to over real ROS 2."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

rclpy = pytest.importorskip("rclpy")

from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.qos import DurabilityPolicy, QoSProfile, qos_profile_sensor_data  # noqa: E402
from sensor_msgs.msg import JointState  # noqa: E402
from std_msgs.msg import Float64MultiArray, String  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint  # noqa: E402

from safety_supervisor_sim.cell.cell_file import load_cell  # noqa: E402
from safety_supervisor_sim.cell.robot import urdf_path  # noqa: E402

CELL_PATH = Path(__file__).parents[3] / "sim" / "cells" / "panda.yaml"
HOME = np.array([0.0, -0.785, 0.0, -2.356, 0.0, 1.571, 0.785])
JOINTS = [f"panda_joint{n}" for n in range(1, 8)]
DOMAIN = int(os.environ.get("SIM_CELL_TEST_DOMAIN", "20"))
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


def environment(domain: int) -> dict[str, str]:
    """For a process of its own: the bootstrap marks of the wheels are not inherited."""
    kept = {k: v for k, v in os.environ.items() if k != "_ROS_WHEELS_BOOTSTRAP_COMPLETE"}
    if "_ROS_WHEELS_BOOTSTRAP_COMPLETE" in os.environ:
        kept.pop("LD_LIBRARY_PATH", None)
    kept["ROS_DOMAIN_ID"] = str(domain)
    kept["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    kept["PYTHONPATH"] = os.pathsep.join(entry for entry in sys.path if entry)
    return kept


class Cell:
    """A running `sim_cell` and a node beside it."""

    def __init__(self, domain: int, controller: str, report: Path, **parameters: Any) -> None:
        given = {"cell_file": CELL_PATH, "controller": controller, "report_file": report}
        arguments = [f"{k}:={v}" for k, v in {**given, **parameters}.items()]
        command = [sys.executable, "-m", "safety_supervisor_sim.cell.main", "--ros-args"]
        for argument in arguments:
            command += ["-p", argument]
        self.report_path = report
        self.process = subprocess.Popen(command, env=environment(domain))
        self.context = rclpy.Context()
        os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
        self.context.init(domain_id=domain)
        self.node = rclpy.create_node("beside", context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.states: list[JointState] = []
        self.node.create_subscription(JointState, "joint_states", self.states.append, qos_profile_sensor_data)
        self.mark = self.node.create_publisher(String, "/sim_cell/mark", 10)

    def until(self, condition: Callable[[], Any], seconds: float = 20.0) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "waited in vain"
            self.executor.spin_once(timeout_sec=0.02)

    def publisher(self, kind: Any, topic: str) -> Any:
        publisher = self.node.create_publisher(kind, topic, 10)
        self.until(lambda: publisher.get_subscription_count() == 1)
        return publisher

    def position(self) -> np.ndarray:
        seen = len(self.states)
        self.until(lambda: len(self.states) > seen)
        return np.array(self.states[-1].position[:7])

    def call(self, service: str) -> Any:
        client = self.node.create_client(Trigger, service)
        self.until(client.service_is_ready)
        answer = client.call_async(Trigger.Request())
        self.until(answer.done)
        return answer.result()

    def stop(self, number: int = signal.SIGTERM) -> dict[str, Any]:
        self.process.send_signal(number)
        assert self.process.wait(timeout=10) == 0
        report: dict[str, Any] = json.loads(self.report_path.read_text(encoding="utf-8"))
        return report

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.executor.shutdown()
        self.node.destroy_node()
        self.context.try_shutdown()


def stamp(state: JointState) -> int:
    """When a state was taken [ns]."""
    return int(state.header.stamp.sec * 10**9 + state.header.stamp.nanosec)


Start = Callable[..., Cell]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    cells: list[Cell] = []

    def begin(domain: int, controller: str, **parameters: Any) -> Cell:
        cells.append(Cell(domain, controller, tmp_path / "out" / "report.json", **parameters))
        return cells[-1]

    yield begin
    for cell in cells:
        cell.close()


def test_a_trajectory_is_played_judged_and_reported(start: Start, tmp_path: Path) -> None:
    trace = tmp_path / "trace.npz"
    cell = start(DOMAIN, "joint_trajectory_controller", trace_file=trace)
    descriptions: list[String] = []
    cell.node.create_subscription(String, "robot_description", descriptions.append, LATCHED)
    margins: list[String] = []
    cell.node.create_subscription(String, "/sim_cell/margins", margins.append, 10)
    cell.until(lambda: descriptions and cell.states)
    urdf = urdf_path(load_cell(CELL_PATH).robot).read_text(encoding="utf-8")
    assert descriptions[0].data == urdf
    assert "package://" in urdf

    first = cell.states[0]
    assert list(first.name) == [*JOINTS, "panda_finger_joint1", "panda_finger_joint2"]
    assert cell.position() == pytest.approx(HOME, abs=1e-3)
    age = cell.node.get_clock().now().nanoseconds - stamp(first)
    assert 0 <= age < 60 * 10**9

    motors = cell.publisher(JointTrajectory, "/panda_arm_controller/joint_trajectory")
    cell.until(lambda: cell.mark.get_subscription_count() == 1)
    cell.mark.publish(String(data="wave"))
    goal = HOME + np.array([0.3, 0, 0, 0, 0, 0, 0])
    message = JointTrajectory(joint_names=JOINTS[::-1])
    point = JointTrajectoryPoint(positions=goal[::-1].tolist(), velocities=[0.0] * 7)
    point.time_from_start.nanosec = 600_000_000
    message.points = [point]
    motors.publish(message)
    cell.until(lambda: abs(cell.position()[0] - 0.3) < 2e-3)
    motors.publish(JointTrajectory())  # cancels nothing: refused, as by the real one
    cell.until(lambda: margins and json.loads(margins[-1].data)["violations"])

    answer = json.loads(cell.call("/sim_cell/write_report").message)
    assert answer == json.loads(cell.report_path.read_text(encoding="utf-8"))
    asked = cell.node.get_clock().now().nanoseconds
    cell.until(lambda: stamp(cell.states[-1]) > asked)  # it went on after it had answered
    report = cell.stop()
    assert report["samples"] > answer["samples"] > 0
    assert report["samples"] == report["lateness"]["steps"]
    assert {found["kind"] for found in report["violations"]} == {"command_malformed"}
    assert report["controller"]["refused"] == {"partial joints": 1}
    wave = report["acts"][-1]
    assert wave["name"] == "wave"
    assert wave["moved"]
    assert wave["end_pose"] == pytest.approx(goal, abs=1e-3)
    # 0.3 rad in 0.6 s by a cubic: 0.75 rad/s at its middle
    assert wave["peak_speed"][0] == pytest.approx(0.75, abs=0.1)
    with np.load(trace) as data:
        assert data["position"][-1] == pytest.approx(goal, abs=1e-3)


@pytest.mark.requirement("SR-048")
def test_a_dead_velocity_publisher_is_braked_and_measured(start: Start) -> None:
    cell = start(DOMAIN + 1, "forward_velocity")
    motors = cell.publisher(Float64MultiArray, "/forward_velocity_controller/commands")
    measure = cell.publisher(String, "/sim_cell/measure_after")
    cell.until(lambda: cell.states)
    for _ in range(100):
        motors.publish(Float64MultiArray(data=[0.4] + [0.0] * 6))
        cell.executor.spin_once(timeout_sec=0.0)
        time.sleep(0.004)
    died = time.monotonic_ns()
    measure.publish(String(data=json.dumps({"name": "death", "time_ns": died})))
    measure.publish(String(data="{}"))  # refused, harmless
    cell.until(lambda: time.monotonic_ns() > died + 500_000_000)
    report = cell.stop(signal.SIGINT)
    death = report["measured"]["death"]
    assert death["speed"][0] == pytest.approx(0.4, abs=0.05)
    assert death["standstill_after"] is not None
    # 0.1 s of deadman and the brake's ramp: 0.04 + 0.0114 rad, less what was late
    assert 0.02 < death["travelled"][0] < 0.06
    assert report["controller"]["accepted"] == 100


def test_a_flood_on_the_motor_topic_moves_nothing_and_power_can_be_cut(start: Start) -> None:
    cell = start(DOMAIN + 2, "forward_position", home="[0.0,-0.5,0.0,-2.0,0.0,1.571,0.785]")
    motors = cell.publisher(Float64MultiArray, "/forward_position_controller/commands")
    pose = np.array([0.0, -0.5, 0.0, -2.0, 0.0, 1.571, 0.785])
    assert cell.position() == pytest.approx(pose, abs=1e-3)
    message = Float64MultiArray(data=pose.tolist())
    for index in range(2000):
        motors.publish(message)
        if index % 5 == 0:
            time.sleep(0.001)
    motors.publish(Float64MultiArray(data=[float("nan")] * 7))
    seen = len(cell.states)
    cell.until(lambda: len(cell.states) > seen + 20)
    assert cell.call("/sim_cell/cut_power").success
    motors.publish(Float64MultiArray(data=(pose + 0.2).tolist()))
    cell.until(lambda: len(cell.states) > seen + 120)
    assert cell.position() == pytest.approx(pose, abs=2e-3)
    assert cell.call("/sim_cell/restore_power").success
    report = cell.stop()
    assert report["controller"]["accepted"] > 1000
    kinds = {found["kind"] for found in report["violations"]}
    assert "command_not_finite" in kinds
    assert report["acts"][0]["farthest"] == pytest.approx([0.0] * 7, abs=2e-3)


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        (["cell_file:=/nowhere/cell.yaml"], "/nowhere/cell.yaml"),
        ([f"cell_file:={CELL_PATH}", "controller:=telepathy"], "telepathy"),
    ],
)
def test_wrong_parameters_end_with_status_2_and_say_why(parameters: list[str], told: str) -> None:
    command = [sys.executable, "-m", "safety_supervisor_sim.cell.main", "--ros-args"]
    for parameter in parameters:
        command += ["-p", parameter]
    ended = subprocess.run(command, env=environment(DOMAIN + 3), capture_output=True, text=True, timeout=60)
    assert ended.returncode == 2
    assert told in ended.stderr + ended.stdout
