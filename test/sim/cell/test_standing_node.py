"""A G1 that stands in the simulation, behind a real supervisor: real nodes, judged by the cell's oracle alone."""

from __future__ import annotations

import json
import math
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

rclpy = pytest.importorskip("rclpy")

from geometry_msgs.msg import WrenchStamped  # noqa: E402
from ros_rig import LATCHED, PATIENT, REPOSITORY, SIMULATED_ESTOP, Client, Process, Rig, merge, running_rig  # noqa: E402
from sensor_msgs.msg import Imu, JointState  # noqa: E402
from std_msgs.msg import Bool, String  # noqa: E402
from trajectory_msgs.msg import JointTrajectory  # noqa: E402

from safety_supervisor_sim.demo.unchanged import Output, find  # noqa: E402
from safety_supervisor_sim.lab.stand import load_stand  # noqa: E402
from safety_supervisor_sim.oracle.trace import TraceTouch, judge_trace  # noqa: E402

pytestmark = [pytest.mark.requirement("SR-034"), pytest.mark.timeout(600)]

CELL = REPOSITORY / "sim" / "cells" / "g1_standing.yaml"
G1: dict[str, Any] = yaml.safe_load((REPOSITORY / "config" / "g1.yaml").read_text(encoding="utf-8"))
NAMES: list[str] = G1["robot"]["joints"]
ARMS: list[str] = [*G1["robot"]["groups"]["left_arm"], *G1["robot"]["groups"]["right_arm"]]
LEGS: list[str] = [*G1["robot"]["groups"]["legs"], *G1["robot"]["groups"]["waist"]]
PERIOD = 0.01
BEAT = 0.02
"""Between two set-points of either agent, [s]."""
PATIENCE = 60.0
"""Of whatever has to come at last on a machine that is shared, [s]."""
TRIES = 6
"""A late cycle stops a good motion as it should; its agent begins again."""
STOOD = 0.78  # height of the pelvis, [m]


def write(directory: Path) -> Path:
    """The shipped file for a slow machine: 100 cycles a second, and patient with what is late."""
    changes = {
        "timing": {"period": PERIOD},
        "sources": {"planner": {"period": BEAT}},
        "balance": {"contact_timeout": 0.5, "base_timeout": 0.5},
        "estop": SIMULATED_ESTOP,
        "evidence": {"log_directory": str(directory / "log")},
    }
    path = directory / "g1.yaml"
    path.write_text(yaml.safe_dump(merge(merge(G1, PATIENT), changes)), encoding="utf-8")
    return path


class Person(Client):
    """Agents of arms and legs, a person, and who looks on."""

    cell: Process
    trace: Path

    def __init__(self, domain: int) -> None:
        self.now: dict[str, float] = {}
        self.modes: list[str] = []
        self.output: list[JointTrajectory] = []
        self.imu: list[Imu] = []
        self.margins: dict[str, Any] = {}
        super().__init__(domain, "person", estop=True)
        subscribe = self.node.create_subscription
        subscribe(String, "/supervisor/locomotion_mode", self._hear_mode, LATCHED)
        subscribe(JointTrajectory, G1["output"]["topic"], self.output.append, 100)
        subscribe(Imu, "/imu", self.imu.append, 10)
        subscribe(String, "/sim_cell/margins", self._hear_margins, 10)

    def _hear_states(self, message: JointState) -> None:
        self.now = dict(zip(message.name, message.position, strict=True))

    def _hear_mode(self, message: String) -> None:
        if not self.modes or self.modes[-1] != message.data:
            self.modes.append(message.data)

    def _hear_margins(self, message: String) -> None:
        self.margins = json.loads(message.data)

    @property
    def standing(self) -> dict[str, Any]:
        """What the cell tells of itself now."""
        told: dict[str, Any] = self.margins.get("standing", {})
        return told

    def end_cell(self) -> Path:
        """End the cell; return its trace."""
        self.cell.send(signal.SIGINT)
        assert self.wait_end(self.cell) == 0, self.cell.text
        return self.trace

    def causes(self) -> set[str]:
        return set(self.status.get("active_causes", "").split())

    def wait_for(self, condition: Callable[[], Any], what: str, timeout: float = 10.0) -> None:
        """As ever, but at once when the machine was too busy for this boot: conftest repeats the test then."""

        def ended() -> bool:
            return "E_OVERRUNS" in self.causes()

        super().wait_for(lambda: condition() or ended(), what, timeout)
        assert not ended(), "the machine is too busy: E_OVERRUNS"

    def mark(self, name: str) -> None:
        publisher = self.publisher(String, "/sim_cell/mark", 10)
        self.wait_for(publisher.get_subscription_count, "the cell hears marks")
        publisher.publish(String(data=name))
        self.wait_for(lambda: self.margins.get("act") == name, "the act has begun", PATIENCE)

    def push(self, force: float) -> None:
        publisher = self.publisher(WrenchStamped, "/sim_cell/push", 10)
        self.wait_for(publisher.get_subscription_count, "the cell hears pushes")
        message = WrenchStamped()
        message.wrench.force.x = force
        publisher.publish(message)

    def lead(self) -> None:
        """Into AUTO, from LOCKED or from a stop that lateness caused."""
        for _ in range(TRIES):
            self.wait_state("LOCKED", "PROTECTIVE_STOP", "AUTO/HOLDING", "EMERGENCY_STOP", timeout=PATIENCE)
            if self.state == "AUTO/HOLDING":
                return
            if self.state == "EMERGENCY_STOP":  # this process was starved: E_ESTOP_SILENT
                self.raise_up()
            if self.state == "LOCKED" and self.call("/supervisor/reset", timeout=PATIENCE).success:
                self.call("/supervisor/start", timeout=PATIENCE)
            self.spin(0.5)
        raise AssertionError(f"never in AUTO: {self.status}")

    def raise_up(self) -> None:
        """Put the robot back on its feet, press and release the e-stop."""
        assert self.call("/sim_cell/stand_up", timeout=PATIENCE).success
        self.estop_word = "stop"
        self.spin(0.5)
        self.estop_word = "run"
        self.wait_for(lambda: self.state == "LOCKED", "a released e-stop", PATIENCE)

    def go(self, joints: dict[str, float], source: str, names: list[str], seconds: float) -> np.ndarray | None:
        """Stream a smooth way to a pose; return the set-points, or None where it was stopped."""
        publisher = self.publisher(JointState, f"/supervisor/sources/{source}/joint_command")
        self.wait_for(publisher.get_subscription_count, "the supervisor hears the agent")
        last = self.output[-1]
        place = dict(zip(last.joint_names, last.points[0].positions, strict=True))
        start = np.array([place[name] for name in names])
        goal = np.array([joints.get(name, place[name]) for name in names])
        count = round(seconds / BEAT)
        rows = []
        for index in range(1, count + 1):
            share = index / count
            rows.append(start + (goal - start) * share**3 * (10.0 - 15.0 * share + 6.0 * share**2))
        self.output.clear()
        begin, told = time.monotonic(), len(self.decisions)
        for index, row in enumerate(rows):
            while time.monotonic() < begin + index * BEAT:
                self.executor.spin_once(timeout_sec=0.001)
            if len(self.decisions) > told and self.refusals(told):
                break
            self.stream(row.tolist(), source, names)
        self.wait_for(lambda: self.state != "AUTO/MOVING" and self.still(), "an end of the motion", PATIENCE)
        return None if self.refusals(told) or self.state != "AUTO/HOLDING" else np.array(rows)

    def refusals(self, since: int) -> list[dict[str, str]]:
        return [one for one in self.decisions[since:] if one["verdict"] in ("REJECT", "STOP")]

    def still(self) -> bool:
        """Whether the supervisor commands no motion."""
        return bool(self.output) and not any(np.abs(self.output[-1].points[0].velocities) > 1e-9)

    def go_until_it_passes(self, joints: dict[str, float], source: str, names: list[str], seconds: float) -> np.ndarray:
        """`go`, again after each stop that lateness caused."""
        for _ in range(TRIES):
            self.lead()
            rows = self.go(joints, source, names, seconds)
            if rows is not None:
                return rows
        raise AssertionError(f"stopped again and again: {self.decisions[-4:]}")


Stand = Callable[..., Person]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with running_rig(tmp_path) as running:
        yield running


@pytest.fixture
def stand(rig: Rig, tmp_path: Path) -> Stand:
    """Start cell and supervisor; wait until both run."""

    def start(cell: Path = CELL) -> Person:
        person = Person(rig.domain)
        person.trace = tmp_path / "trace.npz"
        rig._clients.append(person)
        person.cell = rig.start(
            "safety_supervisor_sim.cell.main",
            f"cell_file:={cell}",
            f"report_file:={rig.report_file}",
            f"trace_file:={person.trace}",
            name="cell",
        )
        supervisor = rig.start("safety_supervisor.ros.main", f"config_file:={write(tmp_path)}", name="supervisor")
        ended = supervisor.process.poll
        person.wait_for(lambda: ended() is not None or (person.now and person.state), "both nodes", PATIENCE)
        assert ended() is None, supervisor.text
        return person

    return start


def judged(trace: Path) -> TraceTouch:
    """What the meshes touched while the robot was held."""
    judge = load_stand("g1").judge()
    try:
        return judge_trace(trace, judge)
    finally:
        judge.close()


def act(rig: Rig, person: Person, name: str) -> dict[str, Any]:
    """What the oracle says of how it stood in one act."""
    found: dict[str, Any] = next(one for one in rig.report(person)["standing"]["acts"] if one["name"] == name)
    return found


@pytest.mark.long
def test_a_good_motion_of_the_arms_passes_unchanged_and_the_robot_follows(rig: Rig, stand: Stand) -> None:
    person = stand()
    person.lead()
    person.wait_for(lambda: person.standing.get("hoisted") is False, "a start takes it out of its hoist", PATIENCE)
    assert person.modes == ["hold"]
    goal = {"left_elbow_joint": 0.2, "right_elbow_joint": 0.3, "left_shoulder_pitch_joint": -0.4}
    person.mark("reach")
    rows = person.go_until_it_passes(goal, "planner", ARMS, 2.0)

    person.wait_for(
        lambda: all(abs(person.now[name] - value) < 0.02 for name, value in goal.items()), "it follows", PATIENCE
    )
    output = list(person.output)
    person.mark("rest")  # what is computed now starves the e-stop's publisher
    report = rig.report(person)
    assert report["violations"] == []
    assert report["controller"]["refused"] == {}
    reach = next(one for one in report["acts"] if one["name"] == "reach")
    assert reach["farthest"][NAMES.index("left_shoulder_pitch_joint")] > 0.5
    stood = act(rig, person, "reach")
    assert not stood["fell"]
    assert stood["modes"] == []
    assert abs(stood["lowest"] - STOOD) < 0.02
    assert 0.0 < stood["least"]["capture point"] < 0.12

    order = [output[0].joint_names.index(name) for name in ARMS]
    points = [message.points[0] for message in output]
    sent = [np.array([getattr(point, key) for point in points])[:, order] for key in ("positions", "velocities")]
    moments = np.array([point.accelerations for point in points])[:, order]
    arrival = find(rows, BEAT, Output(sent[0], sent[1], moments, PERIOD))
    assert arrival.missing == 0, arrival
    touch = judged(person.end_cell())
    assert touch.samples > 500
    assert touch.touched == []


@pytest.mark.long
def test_an_e_stop_while_it_leans_brings_it_down_and_it_is_put_up_again(rig: Rig, stand: Stand) -> None:
    person = stand()
    person.lead()
    reach = {"left_shoulder_pitch_joint": -0.9, "right_shoulder_pitch_joint": -0.9}
    person.go_until_it_passes(reach, "planner", ARMS, 3.0)
    person.go_until_it_passes({"waist_pitch_joint": 0.15}, "walker", LEGS, 2.0)
    before = list(person.modes)
    person.mark("e-stop")
    person.estop_word = "stop"
    person.wait_for(lambda: "damp" in person.modes, "the ladder's end", PATIENCE)
    person.wait_for(lambda: person.standing["mode"] == "damp", "the motors give way", PATIENCE)
    assert person.modes[len(before) - 1 :][:3] == ["hold", "lower", "damp"]
    person.wait_for(lambda: person.standing["height"] < 0.5 * STOOD, "it lies", PATIENCE)
    down = act(rig, person, "e-stop")
    assert [one["mode"] for one in down["modes"]][:2] == ["lower", "damp"]
    damped = down["modes"][1]["at"]
    assert damped - down["modes"][0]["at"] > 1.4, "it lowered itself"
    assert down["let_go_at"] == damped
    assert not down["fell_held"], "it kept its balance until it was let go"
    assert down["lowest"] < 0.5 * STOOD

    person.wait_state("EMERGENCY_STOP", timeout=PATIENCE)
    assert person.call("/sim_cell/stand_up").success
    person.mark("up again")
    person.wait_for(lambda: person.standing["hoisted"] and person.standing["height"] > STOOD - 0.01, "up", PATIENCE)
    person.estop_word = "run"
    person.lead()
    person.wait_for(lambda: not person.standing["hoisted"], "the start takes it out of its hoist", PATIENCE)
    person.spin(1.0)
    assert not any(one["kind"] == "link_speed" for one in rig.report(person)["violations"]), "nobody is thrown up"
    stood = act(rig, person, "up again")
    assert not stood["fell"]
    assert stood["lowest"] > STOOD - 0.02
    assert judged(person.end_cell()).touched == [], "not on its way down either"


def test_a_push_that_fells_it_is_a_fall_and_it_is_damped_before_it_hits_the_ground(rig: Rig, stand: Stand) -> None:
    person = stand()
    person.lead()
    person.wait_for(lambda: person.standing.get("hoisted") is False, "it stands by itself", PATIENCE)
    person.mark("push")
    person.push(150.0)
    person.wait_for(lambda: "E_FALL" in person.codes(), "a fall", PATIENCE)
    person.wait_for(lambda: person.standing["down"], "it is down", PATIENCE)
    assert person.modes[-1] in ("damp", "off")
    pushed = act(rig, person, "push")
    assert [one["force"] for one in pushed["pushes"]] == [[150.0, 0.0, 0.0]]
    assert pushed["modes"][0]["mode"] == "damp"
    assert pushed["modes"][0]["at"] < pushed["fell_at"], "not after it hit the ground"
    assert pushed["fell_held"]
    assert rig.report(person)["standing"]["fell_in"] == ["push"]


def test_modes_and_relays_reach_its_motors_and_a_wrong_push_does_not(rig: Rig) -> None:
    """No supervisor: the topics alone."""
    person = Person(rig.domain)
    rig._clients.append(person)
    rig.start(
        "safety_supervisor_sim.cell.main",
        f"cell_file:={CELL}",
        f"report_file:={rig.report_file}",
        "relays_topic:=/relays",
        name="cell",
    )
    person.wait_for(lambda: person.standing, "the cell", PATIENCE)
    mode = person.publisher(String, "/supervisor/locomotion_mode", LATCHED)
    relays = person.publisher(Bool, "/relays", 10)
    closed = True
    person.node.create_timer(0.02, lambda: relays.publish(Bool(data=closed)))
    mode.publish(String(data="damp"))  # whoever comes late hears it
    report: dict[str, Any] = {}

    def told() -> bool:
        report.update(rig.report(person)["controller"])
        return report["told"] == "damp" and report["powered"]

    person.wait_for(told, "both are heard", PATIENCE)
    assert (report["mode"], report["hoisted"]) == ("hold", True)
    mode.publish(String(data="hold"))
    person.wait_for(lambda: not person.standing["hoisted"], "out of its hoist", PATIENCE)

    person.mark("relays")
    wrong = WrenchStamped()
    wrong.wrench.force.x, wrong.wrench.torque.z = 150.0, 1.0
    person.publisher(WrenchStamped, "/sim_cell/push", 10).publish(wrong)
    mode.publish(String(data="sit"))
    person.spin(1.0)
    assert person.standing["mode"] == "hold"
    closed = False
    person.wait_for(lambda: person.standing["mode"] == "damp", "open relays", PATIENCE)
    person.wait_for(lambda: person.standing["height"] < 0.5 * STOOD, "it sinks", PATIENCE)
    seen = act(rig, person, "relays")
    assert seen["pushes"] == []
    assert [one["mode"] for one in seen["modes"]] == ["damp"]
    assert not seen["fell_held"]
    assert rig.report(person)["controller"]["unknown_modes"] == {"sit": 1}


@pytest.mark.parametrize("parameter", ["controller:=forward_position", "home:=[0.0]", "push_seconds:=0.0"])
def test_what_only_another_cell_has_is_refused(rig: Rig, parameter: str) -> None:
    cell = rig.start("safety_supervisor_sim.cell.main", f"cell_file:={CELL}", parameter, name="cell")
    assert cell.wait(PATIENCE) == 2
    assert f"parameter {parameter.partition(':')[0]}" in cell.text


@pytest.mark.requirement("SR-036")
def test_without_an_imu_it_is_never_armed(stand: Stand, tmp_path: Path) -> None:
    file = yaml.safe_load(CELL.read_text(encoding="utf-8"))
    file["node"]["imu"]["topic"] = "/another_imu"
    path = tmp_path / "g1_standing.yaml"
    path.write_text(yaml.safe_dump(file), encoding="utf-8")
    person = stand(path)
    person.wait_for(lambda: "E_BALANCE_UNKNOWN" in person.causes(), "the reason", PATIENCE)
    person.wait_state("LOCKED", timeout=PATIENCE)
    refused = person.call("/supervisor/reset")
    assert not refused.success
    assert "E_BALANCE_UNKNOWN" in refused.message
    assert "the IMU" in person.status["next_step"]
    assert math.isclose(person.standing["height"], STOOD, abs_tol=0.02), "it stands all the same"
