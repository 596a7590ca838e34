"""A G1 that stands, on the real topics: its arms move, and a silent or an untrue sensor stops it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import yaml
from geometry_msgs.msg import WrenchStamped
from ros_rig import PATIENT, REPOSITORY, STREAM, Client, Rig, merge
from sensor_msgs.msg import Imu, JointState
from trajectory_msgs.msg import JointTrajectory

pytestmark = pytest.mark.requirement("SR-034")

G1: dict[str, Any] = yaml.safe_load((REPOSITORY / "config" / "g1.yaml").read_text(encoding="utf-8"))
NAMES: list[str] = G1["robot"]["joints"]
ARMS: list[str] = [*G1["robot"]["groups"]["left_arm"], *G1["robot"]["groups"]["right_arm"]]
LEFT, RIGHT = "left_ankle_roll_link", "right_ankle_roll_link"
ELBOWS = ("left_elbow_joint", "right_elbow_joint")


def write(directory: Path, node: str) -> Path:
    """The shipped file for a slow machine; one node is robot, IMU and feet."""
    states = [{"node": node, "joints": NAMES}]
    changes = {
        "robot": {"joint_states": states}, "evidence": {"log_directory": str(directory / "log")},
        "balance": {"contact_timeout": 0.5, "base_timeout": 0.5, "fall": None, "ladder": None},  # it stays as it stands
    }  # fmt: skip
    path = directory / "g1.yaml"
    path.write_text(yaml.safe_dump(merge(merge(G1, PATIENT), changes)), encoding="utf-8")
    return path


class Robot(Client):
    """Controller, joint states, IMU and feet of a G1 that stands where it is told to, 100 times a second."""

    def __init__(self, domain: int) -> None:
        super().__init__(domain, "g1", estop=False)
        self.pose_now = {name: float(G1["robot"]["start"][name]) for name in NAMES}
        self.home = dict(self.pose_now)
        self.length, self.speaks = 1.0, True
        self._states = self.node.create_publisher(JointState, "/joint_states", STREAM)
        self._imu = self.node.create_publisher(Imu, "/imu", STREAM)
        self._feet = {
            foot: self.node.create_publisher(WrenchStamped, topic, STREAM)
            for foot, topic in ((LEFT, "/left_foot/wrench"), (RIGHT, "/right_foot/wrench"))
        }
        self.node.create_subscription(JointTrajectory, "/g1_controller/joint_trajectory", self._follow, STREAM)
        self.node.create_timer(0.01, self._tell)
        self.bears = {LEFT: True, RIGHT: True}
        self.streams = False
        self._turn = 0

    def _hear_states(self, message: JointState) -> None:
        """Nobody looks at what this node says itself."""

    def _follow(self, message: JointTrajectory) -> None:
        self.pose_now.update(zip(message.joint_names, message.points[0].positions, strict=True))

    def _tell(self) -> None:
        stamp = self.node.get_clock().now().to_msg()
        states = JointState(name=NAMES, position=[self.pose_now[name] for name in NAMES], velocity=[0.0] * len(NAMES))
        states.header.stamp = stamp
        self._states.publish(states)
        if self.speaks:
            imu = Imu()
            imu.header.stamp, imu.header.frame_id = stamp, "imu_in_pelvis"
            imu.orientation.w = self.length
            self._imu.publish(imu)
        for foot, publisher in self._feet.items():
            wrench = WrenchStamped()
            wrench.header.stamp, wrench.header.frame_id = stamp, foot
            wrench.wrench.force.z = 170.0 if self.bears[foot] else 0.0
            publisher.publish(wrench)
        if self.streams:
            self._turn += 1
            swing = 0.1 * (1.0 - math.cos(self._turn * 0.01))
            q = [self.home[name] - (swing if name in ELBOWS else 0.0) for name in ARMS]
            self.stream(q, names=ARMS)

    def causes(self) -> str:
        return self.status.get("active_causes", "")


@pytest.mark.long
@pytest.mark.requirement("SR-036")
def test_a_standing_g1_moves_its_arms_and_stops_when_its_balance_is_not_known(rig: Rig, tmp_path: Path) -> None:
    robot = Robot(rig.domain)
    rig._clients.append(robot)
    robot.speaks = False
    process = rig.start("safety_supervisor.ros.main", f"config_file:={write(tmp_path, '/g1')}", name="supervisor")
    robot.wait_for(lambda: robot.state == "LOCKED", "a supervisor that waits", 90.0)
    assert "E_BALANCE_UNKNOWN" in robot.call("/supervisor/reset").message
    robot.wait_for(lambda: "the IMU" in robot.status["next_step"], "the reason")
    robot.speaks = True
    robot.wait_for(lambda: "E_BALANCE_UNKNOWN" not in robot.causes(), "balance known")
    assert 0.05 < float(robot.status["balance"].removesuffix(" m")) < 0.12

    moved = False
    for _ in range(5):  # a shared machine stops the robot for reasons of its own
        robot.publisher(JointState, "/supervisor/sources/planner/joint_command")
        robot.trajectory_publisher()
        robot.spin(0.3)
        robot.home = dict(robot.pose_now)
        robot.arm()
        robot.streams, robot._turn = True, 0
        robot.spin(2.0)
        moved = abs(robot.pose_now[ELBOWS[0]] - robot.home[ELBOWS[0]]) > 0.02
        if moved and robot.state == "AUTO/MOVING":
            break
        robot.streams = False
        robot.call("/supervisor/stop")
        robot.wait_state("LOCKED", "PROTECTIVE_STOP", timeout=20.0)
        robot.spin(1.0)
    assert moved, robot.decisions[-3:]
    assert "E_BALANCE" not in robot.codes()

    robot.speaks = False
    robot.wait_for(lambda: "E_BALANCE_UNKNOWN" in robot.causes(), "silence is no balance")
    robot.wait_state("LOCKED", "PROTECTIVE_STOP", timeout=20.0)
    robot.streams = False
    robot.speaks = True
    robot.wait_for(lambda: "E_BALANCE" not in robot.causes(), "known again")

    robot.length = 1.1
    robot.wait_for(lambda: "E_BALANCE_UNKNOWN" in robot.causes(), "no orientation")
    robot.wait_for(lambda: "E_ORIENTATION" in robot.codes(), "the refusal")
    robot.length = 1.0
    robot.wait_for(lambda: "E_BALANCE" not in robot.causes(), "known again")

    robot.bears[LEFT] = False
    robot.wait_for(lambda: "E_BALANCE" in robot.causes().split(), "on one foot")
    robot.bears[LEFT] = True
    robot.wait_for(lambda: "E_BALANCE" not in robot.causes(), "on both again")

    other = rig.client("rogue")
    other.publisher(Imu, "/imu", STREAM)
    robot.wait_for(lambda: robot.status["balance"] == "unknown: the IMU has 2 publishers", "two publishers")
    other.close()
    robot.wait_for(lambda: "E_BALANCE" not in robot.causes(), "one again", 30.0)
    assert process.process.poll() is None
