"""A robot of two controllers: each hears its own joints, every stop reaches both, and one that is lost is named."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rclpy.serialization import deserialize_message
from ros_rig import HOME, JOINTS, Client, Process, Rig, running_rig
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory

from safety_supervisor.config import load_config
from safety_supervisor.core.effects import Actuate, HorizonPoint
from safety_supervisor.core.output_settings import OutputType
from safety_supervisor.core.settings import Configuration
from safety_supervisor.ros.enact import Enactor
from safety_supervisor.ros.outputs import find_outputs

GROUPS = {"arm": JOINTS[:4], "wrist": JOINTS[4:]}
TOPICS = {name: f"/{name}_controller/joint_trajectory" for name in GROUPS}
CAUSE = "E_INCOMPATIBLE_QOS"
VALUES = tuple(0.1 * number for number in range(1, 8))
SPEEDS = tuple(-0.01 * number for number in range(1, 8))


def divided(kind: OutputType = OutputType.JOINT_TRAJECTORY_HORIZON) -> Configuration:
    """The shipped Panda with two outputs, the wrist's first."""
    shipped = load_config("config/panda.yaml")
    (output,) = shipped.outputs
    parts = {"wrist": (4, 5, 6), "arm": (0, 1, 2, 3)}
    outputs = tuple(
        replace(output, name=name, topic=TOPICS[name], type=kind, groups=(name,), joints=joints)
        for name, joints in parts.items()
    )
    return replace(shipped, outputs=outputs, robot=replace(shipped.robot, groups=dict(parts)))


def set_point(moving: bool = True) -> Actuate:
    now, zero = time.monotonic_ns(), (0.0,) * 7
    before = HorizonPoint(-4_000_000, tuple(value - 0.001 for value in VALUES), SPEEDS, zero)
    stop = (HorizonPoint(50_000_000, tuple(value + 0.01 for value in VALUES), zero, zero),)
    return Actuate(now, 1, VALUES, SPEEDS, zero, stop, moving, now, before)


def test_every_output_sends_its_joints_and_no_others() -> None:
    wrist, arm = (
        deserialize_message(output.encode(set_point()), JointTrajectory) for output in find_outputs(divided())
    )
    for message, names, part in ((wrist, JOINTS[4:], slice(4, 7)), (arm, JOINTS[:4], slice(0, 4))):
        assert list(message.joint_names) == names
        before, step, stop, rest = message.points
        assert tuple(before.positions) == tuple(value - 0.001 for value in VALUES)[part]
        assert tuple(step.positions) == VALUES[part]
        assert tuple(step.velocities) == SPEEDS[part]
        assert tuple(stop.positions) == tuple(rest.positions) == tuple(value + 0.01 for value in VALUES)[part]
        assert not any(stop.velocities)
        assert len(step.accelerations) == len(names)


@pytest.mark.parametrize(
    ("kind", "read"),
    [
        (OutputType.JOINT_POSITION, lambda data: tuple(deserialize_message(data, Float64MultiArray).data)),
        (OutputType.JOINT_VELOCITY, lambda data: tuple(deserialize_message(data, Float64MultiArray).data)),
        (OutputType.JOINT_STATE, lambda data: tuple(deserialize_message(data, JointState).position)),
    ],
)
def test_so_do_outputs_without_the_horizon(kind: OutputType, read: Callable[[bytes], tuple[float, ...]]) -> None:
    values = SPEEDS if kind is OutputType.JOINT_VELOCITY else VALUES
    wrist, arm = (read(output.encode(set_point())) for output in find_outputs(divided(kind)))
    assert (wrist, arm) == (values[4:], values[:4])


class Line:
    """A publisher that keeps what it is given, or fails."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.broken = False

    def publish(self, data: bytes) -> None:
        if self.broken:
            raise RuntimeError("the middleware has lost the writer")
        self.sent.append(data)


@pytest.mark.parametrize("lost", ["wrist", "arm"])
def test_a_controller_that_can_not_be_told_keeps_the_stop_from_no_other(lost: str) -> None:
    configuration = divided()
    lines: dict[str, Line] = {}

    def advertise(kind: type[Any], topic: str, *_: Any, **__: Any) -> Line:
        return lines.setdefault(topic, Line())

    nothing = SimpleNamespace()
    node = SimpleNamespace(get_logger=lambda: nothing, get_fully_qualified_name=lambda: "/supervisor")
    endpoints = SimpleNamespace(advertise=advertise, misfits={})
    enactor = Enactor(
        node, configuration, endpoints, find_outputs(configuration), nothing, print, print, tuple,  # type: ignore[arg-type]
    )  # fmt: skip
    other = next(name for name in TOPICS if name != lost)
    enactor.drive([set_point()])
    assert [len(lines[topic].sent) for topic in TOPICS.values()] == [1, 1]

    lines[TOPICS[lost]].broken = True
    for _ in range(3):
        with pytest.raises(RuntimeError, match="lost the writer"):
            enactor.drive([set_point(moving=False)])
    assert len(lines[TOPICS[other]].sent) == 4, "the same cycle, not the next one"
    message = deserialize_message(lines[TOPICS[other]].sent[-1], JointTrajectory)
    assert list(message.joint_names) == GROUPS[other]
    assert not any(message.points[-1].velocities)
    assert not enactor.moving, "what was told is what counts"


# --- with real processes


def begin(rig: Rig, name: str) -> Process:
    """Start a controller process."""
    home = dict(zip(JOINTS, HOME, strict=True))
    joints = [f"{joint}={home[joint]}" for joint in GROUPS[name]]
    return rig.script(
        "controller_process.py", f"{name}_controller", TOPICS[name], str(rig.directory / f"{name}.json"), *joints
    )


class Robot:
    """Two controllers, a supervisor, and a client."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.controllers = {name: begin(rig, name) for name in GROUPS}
        self.client = Joined(rig.client())
        output = {"type": "joint_trajectory_horizon", "simulated": True, "on_loss": "hold"}
        fingers = ["panda_finger_joint1", "panda_finger_joint2"]
        self.supervisor = rig.supervisor(
            robot={
                "groups": {name: [*joints] for name, joints in GROUPS.items()},
                "joint_states": [
                    {"node": "/arm_controller", "joints": GROUPS["arm"] + fingers},
                    {"node": "/wrist_controller", "joints": [*GROUPS["wrist"]]},
                ],
            },
            sources={name: {"groups": [*GROUPS]} for name in ("planner", "joystick")},
            output=None,
            outputs={name: {**output, "topic": topic, "groups": [name]} for name, topic in TOPICS.items()},
        )

    def told(self, name: str) -> dict[str, Any]:
        """What a controller heard, and where its joints are."""
        told: dict[str, Any] = json.loads((self.rig.directory / f"{name}.json").read_text())
        return told

    def pose(self) -> list[float]:
        place = {**self.told("arm")["place"], **self.told("wrist")["place"]}
        return [place[joint] for joint in JOINTS]

    def move(self) -> None:
        """Turn a joint of each controller, for 4 s, and come into the middle of it."""
        client, end = self.client.client, self.pose()
        client.spin(0.3)
        end[0], end[6] = end[0] + 0.8, end[6] + 0.8
        for _ in range(3):
            here = self.pose()
            client.publish_trajectory(4.0, end)
            try:
                client.wait_for(lambda here=here: abs(self.pose()[6] - here[6]) > 0.1, "motion of the wrist", 4.0)
            except AssertionError:  # a late cycle of a busy machine ended it: a good agent sends another one
                continue
            assert abs(self.pose()[0] - here[0]) > 0.05
            return
        raise AssertionError("stopped again and again")

    def rested(self) -> list[float]:
        """Wait until nothing moves any more; return where."""
        here = self.pose()
        for _ in range(20):
            self.client.client.spin(0.3)
            before, here = here, self.pose()
            if max(abs(a - b) for a, b in zip(here, before, strict=True)) < 1e-4:
                return here
        raise AssertionError("it does not come to rest")


class Joined:
    """The client of this robot: joint states come in parts, which the usual client does not know."""

    def __init__(self, client: Client) -> None:
        self.client: Any = client

        def publish(seconds: float, positions: list[float]) -> None:
            from ros_rig import make_trajectory

            publisher = client.trajectory_publisher()
            client.wait_for(publisher.get_subscription_count, "the supervisor hears the trajectory's publisher")
            client.spin(0.3)
            publisher.publish(make_trajectory([(seconds, positions)]))

        self.client.publish_trajectory = publish


@pytest.fixture
def robot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Robot]:
    monkeypatch.setattr(Client, "_hear_states", lambda self, message: None)
    with running_rig(tmp_path) as rig:
        yield Robot(rig)


def test_both_controllers_play_their_part_and_a_stop_reaches_both(robot: Robot) -> None:
    client = robot.client.client
    client.arm()
    robot.move()
    assert client.call("/supervisor/stop").success
    client.wait_state("PROTECTIVE_STOP", "LOCKED")
    here = robot.rested()
    client.spin(1.0)
    assert robot.pose() == pytest.approx(here, abs=1e-6)
    for name, joints in GROUPS.items():
        told = robot.told(name)
        assert told["names"] == joints, "its own joints and no others"
        assert told["heard"] > 100


@pytest.mark.redteam(57)
@pytest.mark.parametrize(
    ("number", "cause"), [(signal.SIGINT, CAUSE), pytest.param(signal.SIGKILL, "E_STATE_STALE", marks=pytest.mark.long)]
)
def test_when_a_controller_is_lost_the_other_one_stops_and_who_left_is_named(
    robot: Robot, number: signal.Signals, cause: str
) -> None:
    """One that ends takes its leave; one that is killed is silent first, and goes with its lease of 20 s."""
    client = robot.client.client
    client.arm()
    robot.move()
    lost = robot.controllers["wrist"]
    if number is signal.SIGKILL:
        robot.rig.kill(lost)
    else:
        lost.send(number)
    client.wait_state("STOPPING", "PROTECTIVE_STOP", "LOCKED")
    assert client.status["cause"] in (cause, "E_STATE_STALE")
    there = robot.rested()
    assert abs(there[0] - HOME[0]) < 0.79, "the arm stopped on its way"
    if number is signal.SIGKILL:
        return
    client.wait_for(lambda: CAUSE in client.status["active_causes"], "the cause", 40.0)
    named = f"{TOPICS['wrist']}: output wrist: no controller listens"
    assert named in client.status["incompatible_endpoints"]
    assert "arm_controller" not in client.status["incompatible_endpoints"]
    assert not client.call("/supervisor/reset").success


@pytest.mark.long
@pytest.mark.redteam(57)
def test_a_controller_of_the_wrong_type_is_named_with_its_output_and_nothing_is_armed(robot: Robot) -> None:
    client = robot.client.client
    client.wait_state("LOCKED", timeout=60.0)
    robot.controllers["wrist"].end()
    client.node.create_subscription(Float64MultiArray, TOPICS["wrist"], lambda message: None, 1)
    said = "/client does not fit in TYPE: subscribe as trajectory_msgs/msg/JointTrajectory"
    fits = f"{TOPICS['wrist']}: output wrist: {said}"
    client.wait_for(lambda: fits in client.status["incompatible_endpoints"], "the misfit", 40.0)
    refused = client.call("/supervisor/reset")
    assert not refused.success
