"""A G1 that stands, through the whole core: what would tip it is refused, and unknown balance stops it.

What was sent is judged by other code: centre of mass by Pinocchio on the robot's own tree, the pelvis where its legs
hold it, accelerations as differences of positions, the polygon by brute force.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pinocchio
import pytest
from numpy.typing import NDArray
from rig import Rig
from test_support_polygon import brute
from upright import ARMS, LEFT, MS, RIGHT, Upright, g1, leaned, smooth

from safety_supervisor.boot_script import BootScript
from safety_supervisor.core.effects import Actuate
from safety_supervisor.core.events import BalanceEndpoints, FootContact, Imu
from safety_supervisor.core.supervisor import Supervisor

pytestmark = pytest.mark.requirement("SR-034")

Array = NDArray[np.float64]
BALANCE = g1().balance
assert BALANCE is not None
MARGIN = BALANCE.margin
FORWARD = {"left_shoulder_pitch_joint": -1.1, "right_shoulder_pitch_joint": -1.1}
BACKWARD = {name: -way for name, way in FORWARD.items()}


class Judge:
    """Zero-moment point of a robot whose legs stand still, without anything of the supervisor's."""

    def __init__(self) -> None:
        self.model = pinocchio.buildModelFromXML(g1().robot.urdf)
        self.data = self.model.createData()
        names = list(self.model.names)[1:]
        self.order = [g1().robot.joints.index(name) for name in names]

    def centre(self, q: Array) -> Array:
        """Centre of mass in the pelvis' frame: Pinocchio leaves out what is fixed to the root."""
        pinocchio.centerOfMass(self.model, self.data, q[self.order])
        root = self.model.inertias[0]
        moved = sum(inertia.mass for inertia in list(self.model.inertias)[1:])
        total: Array = (moved * self.data.com[0] + root.mass * root.lever) / (moved + root.mass)
        return total

    def margins(self, poses: Array, period: float) -> Array:
        """Least distance of each pose's zero-moment point from the edge of both soles, shape (m - 2,), [m]."""
        centres = np.array([self.centre(q) for q in poses])
        pinocchio.framesForwardKinematics(self.model, self.data, poses[0][self.order])
        assert BALANCE is not None
        corners = np.array(
            [
                self.data.oMf[self.model.getFrameId(sole.foot)].act(np.array(corner))
                for sole in BALANCE.soles
                for corner in sole.corners
            ]
        )
        heights = centres[1:-1, 2:] - corners[:, 2].min()
        acceleration = (centres[2:] - 2.0 * centres[1:-1] + centres[:-2])[:, :2] / period**2
        points = centres[1:-1, :2] - acceleration * heights / 9.81
        return np.array([brute(corners[:, :2], point) for point in points])

    def corners(self, q: Array, foot: str, seen_from: str) -> Array:
        """Corners of a sole in the frame of another one, shape (k, 3), [m]."""
        pinocchio.framesForwardKinematics(self.model, self.data, q[self.order])
        there, here = (self.data.oMf[self.model.getFrameId(name)] for name in (foot, seen_from))
        assert BALANCE is not None
        sole = next(sole for sole in BALANCE.soles if sole.foot == foot)
        return np.array([here.actInv(there.act(np.array(corner))) for corner in sole.corners])


JUDGE = Judge()


def wanted(joints: dict[str, float], duration: float) -> Array:
    """The poses that `Upright.swing` asks for, every 4 ms."""
    names = g1().robot.joints
    start = np.array(g1().robot.start)
    way = np.zeros(len(names))
    for name, angle in joints.items():
        way[names.index(name)] = angle
    times = np.arange(-2, round(duration / 0.004) + 3) * 0.004
    shares = [smooth(duration)(max(0.0, float(t))) for t in times]
    return start + np.array(shares)[:, None] * way


def test_a_good_motion_passes_unchanged_and_keeps_the_margin() -> None:
    """To the bit what a G1 whose pelvis is fixed is sent."""
    fast = Upright().auto()
    fast.swing(1.2, FORWARD, smooth(1.0))
    assert fast.rig.state == "AUTO/MOVING", fast.rig.decisions()[-2:]
    assert fast.rig.decisions("REJECT") == fast.rig.decisions("STOP") == []
    free = Upright(replace(g1(), balance=None)).auto()
    free.swing(1.2, FORWARD, smooth(1.0))
    assert fast.rig.outputs == free.rig.outputs
    assert JUDGE.margins(np.array(fast.rig.outputs), 0.004).min() > MARGIN
    assert 0.08 < float(fast.rig.status.balance.removesuffix(" m")) < 0.11
    assert free.rig.status.balance == "not watched"


def test_a_reach_that_would_tip_the_robot_is_refused_in_time_to_stop() -> None:
    """Both arms backwards: to stop them would take the zero-moment point over the heels."""
    assert (
        JUDGE.margins(wanted(BACKWARD, 0.9), 0.004).min() < 0.05
    )  # near the heels all the same: no refusal for nothing
    upright = Upright().auto()
    upright.rig.clear()
    upright.swing(1.1, BACKWARD, smooth(0.9))
    first = next(decision for decision in upright.rig.decisions() if decision.verdict != "PASS")
    assert (first.verdict, first.code, first.rule) == ("STOP", "E_BALANCE", "balance.zero_moment_point")
    assert first.value < first.limit == pytest.approx(MARGIN + 1e-3)
    # It is the stop behind the step that would tip it, not the step.
    assert float(first.detail.split(", ")[1].split()[0]) > 0.004
    assert 0.1 < upright.rig.output[upright.joint("left_shoulder_pitch_joint")] - upright.home[15] < 1.0
    margins = JUDGE.margins(np.array(upright.rig.outputs), 0.004)
    # What was sent keeps the margin to standstill, but for what differences over 4 ms round off jerks: and barely so.
    assert MARGIN - 1e-3 < margins.min() < 0.03
    assert upright.rig.state == "AUTO/HOLDING"


@pytest.mark.requirement("SR-054")
def test_going_on_after_missed_cycles_may_tip_it_which_is_nobody_s_bad_command() -> None:
    """The controller ran on into the stop: to catch up with the agent takes more than the feet hold."""
    upright = Upright().auto()
    backward = dict.fromkeys(BACKWARD, 0.8)
    upright.swing(0.5, backward, smooth(1.6))
    upright.rig.clear()
    upright.miss(upright.rig.period)
    upright.cycle(3)
    (stop,) = upright.rig.decisions("STOP")
    assert (stop.code, stop.value, stop.limit) == ("E_OVERRUN", 0.004, 0.004), stop
    assert stop.detail.endswith("would break balance.zero_moment_point")
    assert upright.rig.state == "AUTO/HOLDING"


def test_a_stream_leads_no_foot_away_though_every_step_is_small() -> None:
    """A leg is turned by 0.12 rad in 3 s: each step is nothing, and the foot would be drawn 3 cm along the ground."""
    assert BALANCE is not None
    legs = tuple(name for name in g1().robot.groups if "leg" in name)
    sources = tuple(replace(one, groups=legs) if one.name == "planner" else one for one in g1().sources)
    upright = Upright(replace(g1(), sources=sources)).auto()
    upright.swing(3.0, {"left_hip_yaw_joint": 0.12}, smooth(3.0), legs)
    first = next(decision for decision in upright.rig.decisions() if decision.verdict != "PASS")
    assert (first.code, first.rule) == ("E_BALANCE", "balance.feet_move"), first
    way = [JUDGE.corners(q, LEFT, RIGHT) for q in (upright.home, np.array(upright.rig.output))]
    assert 0.5 * BALANCE.slip < np.linalg.norm(way[1] - way[0], axis=1).max() < BALANCE.slip


@pytest.mark.parametrize(("way", "codes"), [(-1.1, []), (1.1, ["E_BALANCE"])])
def test_a_trajectory_is_judged_as_it_runs(way: float, codes: list[str]) -> None:
    upright = Upright().auto()
    names = upright.names(*ARMS)
    goal = upright.home.copy()
    for name in FORWARD:
        goal[upright.joint(name)] += way
    rest = np.zeros((1, len(names)))
    upright.rig.clear()
    upright.rig.trajectory([0.9], goal[None, [upright.joint(name) for name in names]], rest, rest, names=names)
    upright.cycle(400)
    assert [d.code for d in upright.rig.decisions() if d.verdict in ("REJECT", "STOP")] == codes
    assert upright.rig.decisions("PASS")
    assert JUDGE.margins(np.array(upright.rig.outputs), 0.004).min() > MARGIN - 1e-3


# --- what is not known


def silent(what: str) -> Callable[[Upright], None]:
    return lambda upright: upright.speaks.discard(what)


def orientation(*value: float) -> Callable[[Upright], None]:
    return lambda upright: upright.imu.update(orientation=value)


def force(foot: str, value: tuple[float, float, float]) -> Callable[[Upright], None]:
    return lambda upright: upright.forces.update({foot: value})


def publishers(foot: str, *nodes: str) -> Callable[[Upright], None]:
    def change(upright: Upright) -> None:
        upright.rig.send(BalanceEndpoints(upright.rig.now, foot, nodes))

    return change


def stranger(upright: Upright) -> None:
    now = upright.rig.now
    upright.rig.send(FootContact(now, "torso_link", "torso_link", (0.0, 0.0, 170.0), now, now, received=now))


UNKNOWN: list[tuple[str, Callable[[Upright], None], str, str]] = [
    ("the IMU is silent", silent("imu"), "", "base's pose was not told in time"),
    ("a foot is silent", silent(LEFT), "", LEFT),
    ("no foot bears", lambda u: u.forces.update({LEFT: (0.0, 0.0, 1.0), RIGHT: (0.0, 0.0, 1.0)}), "", "no foot"),
    ("a longer quaternion", orientation(*leaned(length=1.1)), "E_ORIENTATION", "1.1000 long"),
    ("no quaternion", orientation(0.0, 0.0, 0.0, 0.0), "E_ORIENTATION", "0.0000 long"),
    ("not finite", orientation(0.0, float("nan"), 0.0, 1.0), "E_NOT_FINITE", "the IMU"),
    ("spins without end", lambda u: u.imu.update(angular=(float("inf"), 0.0, 0.0)), "E_NOT_FINITE", "the IMU"),
    ("spins as no robot does", lambda u: u.imu.update(angular=(0.0, 101.0, 0.0)), "E_NOT_FINITE", "101 rad/s"),
    ("another IMU's frame", lambda u: u.imu.update(frame_id="imu_in_torso"), "E_BALANCE_FRAME", "imu_in_pelvis"),
    (
        "an IMU without orientation",
        lambda u: u.imu.update(code="E_ORIENTATION", detail="none"),
        "E_ORIENTATION",
        "none",
    ),
    ("a force that is not finite", force(LEFT, (0.0, 0.0, float("nan"))), "E_NOT_FINITE", LEFT),
    ("a force in another frame", lambda u: u.frames.update({LEFT: "pelvis"}), "E_BALANCE_FRAME", LEFT),
    ("the contact of an unknown foot", stranger, "E_BALANCE_FRAME", "torso_link"),
    ("nobody tells of a foot", publishers(RIGHT), "", RIGHT),
    ("two tell of the base", publishers("", "/driver", "/other"), "", "the IMU has 2 publishers"),
    ("feet that are tilted", orientation(*leaned(roll=0.12)), "", "does not lie flat"),
]


@pytest.mark.sampled(2)
@pytest.mark.requirement("SR-036")
@pytest.mark.parametrize(("change", "refused", "why"), [row[1:] for row in UNKNOWN], ids=[row[0] for row in UNKNOWN])
def test_a_robot_of_unknown_balance_stops_and_is_not_reset(
    change: Callable[[Upright], None], refused: str, why: str
) -> None:
    upright = Upright().auto()
    upright.swing(0.3, FORWARD, smooth(2.0))
    assert upright.rig.state == "AUTO/MOVING"
    upright.rig.clear()
    change(upright)
    began = upright.rig.now
    upright.cycle(14)  # the longer timeout and a cycle
    stopped = next(effect for effect in upright.rig.history if getattr(effect, "cause", "") == "E_BALANCE_UNKNOWN")
    assert stopped.at - began <= 13 * 4 * MS
    assert [d.code for d in upright.rig.decisions("REJECT") if d.source != "planner"] == ([refused] if refused else [])
    upright.cycle(300)
    assert upright.rig.state in ("PROTECTIVE_STOP", "LOCKED")
    assert why in upright.rig.status.next_step, upright.rig.status
    for act in ("reset", "recover"):
        reply = upright.rig.act(act)
        assert not reply.ok
        assert "E_BALANCE_UNKNOWN" in reply.message
    sent = len(upright.rig.outputs)
    upright.swing(0.1, FORWARD, smooth(2.0))
    assert np.ptp(np.array(upright.rig.outputs[sent:]), axis=0).max() == 0.0


@pytest.mark.requirement("SR-036")
def test_who_was_never_told_of_his_feet_is_never_armed() -> None:
    upright = Upright(told=False)
    upright.cycle(150)
    assert upright.rig.state == "LOCKED"
    assert "the IMU has 0 publishers" in upright.rig.status.next_step
    assert not upright.rig.act("reset").ok


def test_known_again_it_is_reset_by_a_person() -> None:
    upright = Upright().auto()
    upright.speaks.remove("imu")
    upright.cycle(200)
    assert upright.rig.state in ("PROTECTIVE_STOP", "LOCKED")
    upright.speaks.add("imu")
    upright.cycle(50)
    assert upright.rig.status.active_causes == ()
    assert upright.rig.act("reset").ok


def lost(upright: Upright) -> None:
    """The left foot lifts off for one message within a cycle."""
    now = upright.rig.now
    upright.rig.send(FootContact(now, LEFT, LEFT, (0.0, 0.0, 0.0), now, now, received=now))


@pytest.mark.parametrize(
    ("change", "once"),
    [
        (force(LEFT, (0.0, 0.0, 0.0)), False),
        (lost, True),
        (lambda u: u.imu.update(angular=(0.0, 1.5, 0.0)), False),
        (lambda u: u.imu.update(angular=(0.0, -1.0, 0.0)), False),
    ],
    ids=["a foot lifts off", "a foot lifts off for a moment", "pushed forward", "pushed backward"],
)
def test_a_robot_that_loses_its_balance_stops(change: Callable[[Upright], None], once: bool) -> None:
    upright = Upright().auto()
    upright.swing(0.3, FORWARD, smooth(2.0))
    upright.rig.clear()
    change(upright)
    upright.cycle(2)
    assert upright.rig.state in ("STOPPING", "PROTECTIVE_STOP")
    assert upright.rig.status.cause == "E_BALANCE"
    if not once:
        upright.cycle(200)
        for act in ("reset", "recover"):
            assert "E_BALANCE" in upright.rig.act(act).message


def test_a_gentle_sway_is_none() -> None:
    upright = Upright().auto()
    upright.imu["angular"] = (0.0, 0.05, 0.0)
    upright.swing(0.5, FORWARD, smooth(2.0))
    assert upright.rig.state == "AUTO/MOVING"


@pytest.mark.requirement("SR-030")
def test_a_frozen_driver_is_silent() -> None:
    upright = Upright().auto()
    upright.cycle(5)
    now, upright.speaks = upright.rig.now, {LEFT, RIGHT}
    frozen: dict[str, Any] = {**upright.imu, "stamp": now - MS}

    def repeat(_: int) -> None:
        upright.rig.send(Imu(upright.rig.now, clock=upright.rig.now, **frozen))

    upright.cycle(20, repeat)
    assert upright.rig.status.cause == "E_BALANCE_UNKNOWN"
    assert "E_OUT_OF_ORDER" in [d.code for d in upright.rig.decisions("REJECT")]


@pytest.mark.requirement("SR-042")
def test_a_driver_whose_stamps_jump_to_and_fro_fills_no_log() -> None:
    upright = Upright().cycle(100)
    upright.speaks.remove("imu")
    upright.rig.clear()

    def each(index: int) -> None:
        now = upright.rig.now
        upright.rig.send(Imu(now, stamp=now - MS - 8 * MS * (index % 2), clock=now, received=now, **upright.imu))

    upright.cycle(500, each)  # 2 s
    refused = [d.code for d in upright.rig.decisions("REJECT")]
    assert refused == ["E_OUT_OF_ORDER"] * 2, len(refused)


def test_a_robot_without_the_section_knows_nothing_of_it() -> None:
    rig = Rig()
    rig.send(Imu(rig.now, "x", (9.0, 9.0, 9.0, 9.0), (0.0, 0.0, 0.0), 0, 0))
    rig.send(FootContact(rig.now, LEFT, LEFT, (0.0, 0.0, 0.0), 0, 0))
    rig.auto()
    rig.move()
    assert any(isinstance(effect, Actuate) for effect in rig.effects)
    assert rig.status.balance == "not watched"


def test_an_invented_robot_stands_too() -> None:
    """What `explain`, the warm-up and the laboratory tell of base and feet is enough to start."""
    script, now = BootScript(g1(), "script"), 1_000_000_000
    supervisor = Supervisor(g1())
    for event in script.begin(now):
        supervisor.handle(event)
    assert g1().robot.start is not None
    for _ in range(200):
        now += g1().timing.period
        act = script.act(now, supervisor.state)
        for event in (script.measure(now, g1().robot.start), *script.surroundings(now), script.tick(now)):
            supervisor.handle(event)
        if act is not None:
            supervisor.handle(act)
    assert supervisor.state == "AUTO/HOLDING"
