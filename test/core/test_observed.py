"""Joints that another controller commands: the arm moves beside them while they are quiet, and stops when not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import msgspec
import numpy as np
import pytest
import yaml
from judges import judge_output, judge_replay
from numpy.typing import NDArray
from rig import BARE, CONFIGURATION, HOME, Rig, panda

from safety_supervisor.config import load_config
from safety_supervisor.core.checks.frame_speed import FrameSpeed, carried_speed
from safety_supervisor.core.effects import Effect
from safety_supervisor.core.events import Event, JointStates
from safety_supervisor.core.geometry.robot import RobotModel
from safety_supervisor.core.geometry.scene import Scene
from safety_supervisor.core.output_settings import VELOCITY_SHARE, ObservedSettings
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.units import seconds

OTHERS = (0, 1)
"""The first two joints of the Panda carry all others, and are not ours here."""
BAND, VELOCITY = 0.01, 0.02


@cache
def configuration() -> Configuration:
    shipped = panda()
    robot = replace(shipped.robot, groups={"base": OTHERS, "arm": tuple(range(2, 7))}, observed=OTHERS)
    timing, tracking = shipped.timing, shipped.tracking
    part = np.isin(np.arange(7), OTHERS)
    until = seconds(timing.joint_state_timeout + timing.period + timing.overrun + tracking.delay) + 0.5
    beside = np.where(part, BAND + VELOCITY_SHARE * VELOCITY * until, 0.0)
    observed = ObservedSettings(("base",), OTHERS, BAND * part, VELOCITY * part, beside)
    return replace(
        shipped,
        robot=robot,
        sources=tuple(replace(source, groups=("arm",)) for source in shipped.sources),
        tracking=replace(
            tracking,
            bound=np.where(part, np.inf, tracking.bound),
            path_error=tracking.path_error + beside,
        ),
        outputs=(replace(shipped.outputs[0], groups=("arm",), joints=tuple(range(2, 7))),),
        geometry=BARE,
        zones=(),
        observed=observed,
    )


class Shared(Rig):
    """A rig whose observed joints somebody else moves: they are measured where `others` says."""

    def __init__(self, configuration: Configuration, start: NDArray[np.float64] = HOME) -> None:
        self.part = list(configuration.robot.observed)
        self.others = start[self.part].copy()
        self.speeds = np.zeros(len(self.part))
        super().__init__(configuration, start)

    def send(self, event: Event) -> tuple[Effect, ...]:
        if isinstance(event, JointStates):
            positions = np.array(event.positions)
            positions[self.part] = self.others
            velocities = np.zeros(len(positions))
            velocities[self.part] = self.speeds
            event = msgspec.structs.replace(
                event, positions=tuple(positions.tolist()), velocities=tuple(velocities.tolist())
            )
        return super().send(event)

    def goal(self, by: float = 0.4) -> None:
        """Turn the last joint by a smooth trajectory of 2 s."""
        there = self.output[2:].copy()
        there[-1] += by
        rest = np.zeros((1, 5))
        self.trajectory([2.0], there[None, :], rest, rest, names=self.names[2:])


@pytest.fixture
def shared() -> Iterator[Shared]:
    rig = Shared(configuration()).auto()
    yield rig
    judge_output(rig)
    judge_replay(rig)


def stops(rig: Rig) -> list[str]:
    return [decision.code for decision in rig.decisions("STOP")]


@pytest.mark.requirement("SR-028")
def test_the_arm_moves_beside_joints_that_are_quiet_and_no_set_point_moves_them(shared: Shared) -> None:
    before = shared.output.copy()
    shared.goal()
    shared.seconds(0.5, lambda i: shared.others.__setitem__(0, HOME[0] + 0.45 * BAND * np.sin(0.05 * i)))
    assert shared.state == "AUTO/MOVING"
    shared.seconds(2.0)
    assert shared.output[6] == pytest.approx(before[6] + 0.4, abs=1e-6)
    assert stops(shared) == []


@pytest.mark.requirement("SR-028")
@pytest.mark.parametrize(("joint", "name"), [(0, "panda_joint1"), (1, "panda_joint2")])
def test_one_that_leaves_its_band_while_the_arm_moves_is_a_stop_that_names_it(
    shared: Shared, joint: int, name: str
) -> None:
    shared.goal()
    shared.seconds(0.5)
    shared.others[joint] += 1.5 * BAND
    shared.cycle()
    assert (shared.state, shared.status.cause) == ("STOPPING", "E_OBSERVED_MOVES")
    (told,) = (one for one in shared.decisions("REJECT") if one.source == "observed")
    assert (told.joint, told.rule) == (name, "observed.base.band")
    assert told.value == pytest.approx(1.5 * BAND)
    assert told.limit == pytest.approx(BAND)
    shared.until("PROTECTIVE_STOP")
    shared.until("LOCKED")
    # At rest they may be anywhere; a person goes on.
    assert shared.act("reset").ok
    assert shared.act("start", "auto").ok
    shared.cycle(2)
    shared.goal(-0.1)
    shared.seconds(0.5)
    assert shared.state == "AUTO/MOVING"


@pytest.mark.requirement("SR-028")
def test_one_that_is_too_fast_while_the_arm_moves_is_a_stop(shared: Shared) -> None:
    shared.goal()
    shared.seconds(0.5)
    shared.speeds[1] = 1.3 * VELOCITY
    shared.cycle()
    assert (shared.state, shared.status.cause) == ("STOPPING", "E_OBSERVED_MOVES")
    (told,) = (one for one in shared.decisions("REJECT") if one.source == "observed")
    assert (told.joint, told.rule) == ("panda_joint2", "observed.base.velocity")


@pytest.mark.requirement("SR-028")
def test_at_rest_they_go_where_they_like_and_the_motion_relies_on_where_they_are_when_it_begins(
    shared: Shared,
) -> None:
    home, rested = shared.others.copy(), shared.output[2:].copy()
    shared.speeds[0] = 1.0  # walking
    for step in range(200):
        shared.others[0] = home[0] + 0.004 * step
        shared.cycle()
    assert shared.state == "AUTO/HOLDING", shared.status
    assert (shared.output[2:] == rested).all()
    shared.goal()
    shared.cycle(10)
    (refused,) = shared.decisions("REJECT")
    assert (refused.source, refused.code, refused.joint) == ("planner", "E_OBSERVED_MOVES", "panda_joint1")
    assert shared.state == "AUTO/HOLDING"
    shared.speeds[0] = 0.0
    shared.cycle(2)
    assert shared.output[0] == pytest.approx(shared.others[0])
    shared.goal()
    shared.seconds(2.5)
    assert shared.state == "AUTO/HOLDING"
    assert shared.output[6] == pytest.approx(rested[4] + 0.4, abs=1e-6)
    assert shared.output[0] == pytest.approx(shared.others[0]), "not where they were at the start"
    assert stops(shared) == []


@pytest.mark.requirement("SR-029")
def test_one_that_is_not_measured_is_a_stop(shared: Shared) -> None:
    shared.goal()
    shared.seconds(0.5)
    timeout = shared.configuration.timing.joint_state_timeout
    ours = tuple(shared.names[2:])

    def only_ours(_: int) -> None:
        measured = tuple(shared.robot[2:].tolist())
        Rig.send(shared, JointStates(shared.now - 50_000, ours, measured, (), shared.now, shared.now))

    shared.measure = False
    shared.cycle(2 + timeout // shared.period, only_ours)
    assert shared.status.cause == "E_STATE_STALE"
    assert shared.status.unmeasured in ("panda_joint1", "panda_joint2")


@pytest.mark.requirement("SR-024")
def test_a_command_that_names_one_is_refused_by_name(shared: Shared) -> None:
    shared.stream(shared.output)
    shared.cycle(20)
    (refused,) = shared.decisions("REJECT")
    assert (refused.code, refused.joint) == ("E_OBSERVED_JOINT", "panda_joint1")


@pytest.mark.requirement("SR-008")
def test_their_motion_is_no_standstill_that_was_left_and_keeps_nobody_from_starting() -> None:
    rig = Shared(configuration())
    rig.seconds(0.6, lambda i: rig.others.__setitem__(0, HOME[0] + 0.01 * i))
    assert rig.state == "LOCKED"
    rig.seconds(0.5, lambda i: rig.others.__setitem__(1, HOME[1] + 0.002 * i))
    assert rig.state == "LOCKED", rig.status
    assert rig.act("reset").ok
    judge_replay(rig)


@pytest.mark.requirement("SR-026")
def test_every_place_that_they_can_reach_until_the_stop_has_ended_is_kept_clear() -> None:
    """Poses of others within `beside`, tried against the shipped volumes: none comes nearer than the margin."""
    shipped = panda()
    several = replace(configuration(), geometry=shipped.geometry, zones=shipped.zones)
    model = RobotModel(several.robot, several.geometry.bodies)
    scene = Scene(model, several.geometry, several.zones, several.tracking.path_error)
    whole = Scene(model, several.geometry, several.zones, shipped.tracking.path_error)
    assert len(scene.pairs) == len(whole.pairs)
    assert several.observed is not None
    rng, q = np.random.default_rng(7), HOME.copy()
    rooms = scene.distances(q) - scene.margins
    for _ in range(300):
        moved = q + several.observed.beside * rng.choice([-1.0, 1.0, rng.uniform(-1.0, 1.0)], 7)
        left = whole.distances(moved) - whole.margins
        assert (left >= rooms - 1e-6).all()
    # And a margin that did not know of them would not do.
    bare = whole.distances(q) - whole.margins
    ends = [whole.distances(q + sign * several.observed.beside) - whole.margins for sign in (-1, 1)]
    assert min(float((end - bare).min()) for end in ends) < -1e-3


@pytest.mark.requirement("SR-021", "SR-026")
def test_what_they_add_to_the_speed_of_a_point_is_not_given_to_commands() -> None:
    several = configuration()
    assert several.observed is not None
    model = RobotModel(several.robot, panda().geometry.volumes)
    period = several.timing.period
    alone, beside = FrameSpeed(model, period), FrameSpeed(model, period, observed=several.observed)
    carried = carried_speed(model, several.observed, np.arange(len(model.frame_names)))
    assert carried > 0.01
    rng = np.random.default_rng(5)
    for _ in range(200):
        own, other = np.zeros(7), np.zeros(7)
        own[2:] = rng.uniform(-0.4, 0.4, 5)
        other[:2] = rng.choice([-1.0, 1.0], 2) * VELOCITY_SHARE * VELOCITY
        limit = 0.25
        if beside.exceeds(HOME, HOME + own * seconds(period), limit, "frame.speed") is None:
            both = (own + other) * seconds(period)
            # Points that no commanded joint moves are not ours.
            rows = model.frame_reach[:, 2:].any(axis=1)
            assert FrameSpeed(model, period, np.flatnonzero(rows)).fastest(HOME, HOME + both) <= limit + 1e-9
    own = np.array([0.0, 0.0, 0.0, 0.45, 0.0, 0.0, 0.0]) * seconds(period)
    edge = 1.001 * alone.fastest(HOME, HOME + own)
    assert alone.exceeds(HOME, HOME + own, edge, "frame.speed") is None
    assert beside.exceeds(HOME, HOME + own, edge, "frame.speed") is not None


@pytest.mark.requirement("SR-026", "SR-032")
def test_the_arms_of_a_humanoid_work_while_its_makers_controller_sways_the_legs(tmp_path: Path) -> None:
    """G1: the arms reach forward; a hand goes no nearer to the thigh than the thigh could come to it."""
    keys = yaml.load(CONFIGURATION.with_name("g1.yaml").read_text(encoding="utf-8"), yaml.CSafeLoader)
    output = keys.pop("output")
    keys["balance"] = None
    del keys["sources"]["walker"]
    keys["sources"]["joystick"]["groups"] = ["left_arm", "right_arm"]
    keys["outputs"] = {
        side: {**output, "topic": f"/{side}/joint_trajectory", "groups": [f"{side}_arm"]} for side in ("left", "right")
    }
    keys["observed"] = {"legs": {"band": 0.02, "velocity": 0.05}, "waist": {"band": 0.01, "velocity": 0.02}}
    keys["timing"]["joint_state_timeout"] = 0.03
    wide = {"left_shoulder_roll_joint": 0.5, "right_shoulder_roll_joint": -0.5}
    keys["robot"]["start"] |= wide | {"left_elbow_joint": 0.6, "right_elbow_joint": 0.6}
    path = tmp_path / "robot.yaml"
    path.write_text(yaml.dump(keys, Dumper=yaml.CSafeDumper), encoding="utf-8")
    loaded = load_config(path)
    start = np.array(loaded.robot.start)
    rig = Shared(loaded, start).auto()
    arms = [i for i in range(len(start)) if i not in loaded.robot.observed]
    names = tuple(rig.names[i] for i in arms)
    still = np.zeros((1, len(arms)))

    def reach(joint: str, by: float) -> None:
        goal = rig.output[arms]
        goal[names.index(joint)] += by
        rig.trajectory([2.0], goal[None], still, still, names=names)
        rig.seconds(2.5, lambda i: rig.others.__setitem__(3, start[3] + 0.008 * np.sin(0.02 * i)))

    reach("left_elbow_joint", 0.5)
    assert [one.code for one in rig.decisions("REJECT")] == stops(rig) == []
    assert rig.output[rig.names.index("left_elbow_joint")] == pytest.approx(1.1, abs=1e-6)
    reach("left_elbow_joint", -0.5)
    reach("left_shoulder_roll_joint", -0.3)
    (refused,) = rig.decisions("REJECT")
    assert (refused.code, refused.joint) == ("E_SELF_COLLISION", "left_hip_yaw_link and left_rubber_hand")
    assert 0.09 < refused.value < refused.limit, "the margin of this robot is 2 mm: the rest is for its legs"
    judge_output(rig)
    judge_replay(rig)
