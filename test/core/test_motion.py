"""The motion of all joints: steps that were verified, groups beside each other, and the kept stop."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from rig import HOME, Rig, panda

from safety_supervisor.core.act_events import StopRequested
from safety_supervisor.core.effects import Actuate
from safety_supervisor.core.errors import Code
from safety_supervisor.core.geometry.robot import RobotModel
from safety_supervisor.core.intake.results import SetPoint
from safety_supervisor.core.motion.mover import Motion
from safety_supervisor.core.motion.trajectory import PlannedTrajectory
from safety_supervisor.core.settings import CommandKind, Configuration, ReducedSettings
from safety_supervisor.core.verifier import Rules, Verifier

DT = 0.004
SHIPPED = panda()
RULES = Rules()


def two_groups() -> Configuration:
    """The same arm, its shoulder and its wrist commanded apart, so that two sources can move at once."""
    robot = replace(SHIPPED.robot, groups={"shoulder": (0, 1, 2, 3), "wrist": (4, 5, 6)})
    sources = (
        replace(SHIPPED.source("planner"), groups=("shoulder",)),
        replace(SHIPPED.source("joystick"), groups=("wrist",), commands=frozenset(CommandKind)),
    )
    return replace(SHIPPED, robot=robot, sources=sources)


def make(configuration: Configuration = SHIPPED) -> Motion:
    motion = Motion(configuration, Verifier(configuration))
    motion.place(HOME)
    return motion


def quintic(motion: Motion, group: str, offset: float, duration: float) -> PlannedTrajectory:
    indices = motion.lanes[group].indices
    here = motion.state[:, indices]
    goal = here[:1].copy()
    goal[0, 0] += offset
    path = PlannedTrajectory(here, np.array([duration]), goal, np.zeros_like(goal), np.zeros_like(goal))
    for order in (1, 2, 3):
        path.bound_derivative(order)
    return path


def set_point(motion: Motion, group: str, values: np.ndarray, kind: CommandKind, source: str = "planner") -> SetPoint:
    return SetPoint(source, f"{source}-x", kind, (group,), motion.lanes[group].indices, values)


def keeps_envelope(rows: list[np.ndarray]) -> None:
    limits, q = SHIPPED.envelope.joints, np.array(rows)
    for order, limit in ((1, limits.velocity), (2, limits.acceleration), (3, limits.jerk)):
        assert (np.abs(np.diff(q, n=order, axis=0)) / DT**order <= limit * (1 + 1e-6) + 1e-14 / DT**order).all()


def run(motion: Motion, cycles: int) -> tuple[list[np.ndarray], list[Code]]:
    rows, codes = [], []
    for _ in range(cycles):
        codes += [note.code for note in motion.advance(RULES)]
        rows.append(motion.state[0].copy())
    return rows, codes


def test_at_rest_it_repeats_its_set_point_and_has_no_horizon() -> None:
    motion = make()
    rows, codes = run(motion, 20)
    assert codes == []
    assert (np.array(rows) == HOME).all()
    assert motion.at_rest
    assert motion.horizon() == ()
    assert motion.distance_to_limit() == pytest.approx(
        np.minimum(HOME - SHIPPED.envelope.joints.lower, SHIPPED.envelope.joints.upper - HOME).min()
    )


@pytest.mark.requirement("SR-050")
@pytest.mark.redteam(30)
def test_two_groups_move_at_once_and_one_that_breaks_a_rule_stops_alone() -> None:
    motion = make(two_groups())
    motion.begin_trajectory({"shoulder": quintic(motion, "shoulder", 0.4, 1.5)}, motion.tick, "planner", "a")
    jump = quintic(motion, "wrist", 0.5, 1.5)
    motion.begin_trajectory({"wrist": jump}, motion.tick, "joystick", "b")
    rows, codes = run(motion, 100)
    assert codes == []
    assert abs(rows[-1][0] - HOME[0]) > 0.01
    assert abs(rows[-1][4] - HOME[4]) > 0.01
    # The wrist's path now makes a leap: its joint is the offender, the shoulder goes on.
    jump._coefficients[:, 0, 0] += 0.01
    more, codes = run(motion, 300)
    assert codes.count(Code.ENDED) == 1
    assert len([code for code in codes if code in (Code.ACCELERATION_LIMIT, Code.JERK_LIMIT)]) == 1
    assert more[-1][0] == pytest.approx(HOME[0] + 0.4, abs=1e-12), "the other group arrives"
    assert abs(more[-1][4] - HOME[4]) < 0.45
    assert motion.at_rest
    keeps_envelope(rows + more)


@pytest.mark.requirement("SR-031")
def test_what_one_command_moves_in_two_groups_ends_together() -> None:
    """It is told once that it has ended: then nothing of it goes on."""
    motion = make(two_groups())
    jump = quintic(motion, "wrist", 0.5, 1.5)
    parts = {"shoulder": quintic(motion, "shoulder", 0.4, 1.5), "wrist": jump}
    motion.begin_trajectory(parts, motion.tick, "planner", "a")
    rows, codes = run(motion, 100)
    assert codes == []
    jump._coefficients[:, 0, 0] += 0.01
    more, codes = run(motion, 100)
    assert codes in ([Code.ACCELERATION_LIMIT], [Code.JERK_LIMIT])
    assert motion.at_rest
    assert all(abs(more[-1][joint] - HOME[joint]) < 0.35 for joint in (0, 4)), "neither arrives"
    keeps_envelope(rows + more)


@pytest.mark.requirement("SR-026")
@pytest.mark.requirement("SR-054")
def test_a_stream_that_ends_is_followed_by_the_stop_of_its_last_step() -> None:
    motion = make()
    rows: list[np.ndarray] = []
    for k in range(60):
        values = HOME.copy()
        values[0] += 0.2 * (1 - np.cos(np.pi * 0.01 * k))
        outcome = motion.offer(set_point(motion, "arm", values, CommandKind.POSITION), 0.01, 2, motion.play_time)
        assert isinstance(outcome, bool), outcome
        for _ in range(2 if k % 2 else 3):
            assert motion.advance(RULES) == ()
            rows.append(motion.state[0].copy())
    speed = motion.state[1, 0]
    assert speed > 0.3
    more, codes = run(motion, 200)
    assert codes == [Code.LATE]
    assert motion.at_rest
    keeps_envelope(rows + more)
    a, j = SHIPPED.envelope.joints.acceleration[0], SHIPPED.envelope.joints.jerk[0]
    assert more[-1][0] - rows[-1][0] < 2 * 0.01 * 0.6 + 0.6**2 / (2 * a) + 0.6 * a / (2 * j) + 0.01


@pytest.mark.requirement("SR-054")
def test_after_a_late_set_point_a_good_one_resumes_and_a_bad_one_changes_nothing() -> None:
    motion = make()
    for k in range(40):
        values = HOME.copy()
        values[0] += 0.2 * (1 - np.cos(np.pi * 0.01 * k))
        motion.offer(set_point(motion, "arm", values, CommandKind.POSITION), 0.01, 2, motion.play_time)
        motion.advance(RULES)
        motion.advance(RULES)
        if k % 2:
            motion.advance(RULES)
    rows, codes = run(motion, 1)
    while Code.LATE not in codes:
        more, codes = run(motion, 1)
        rows += more
    assert not motion.at_rest, "still in the stop"
    kept, stopped_at = motion.kept, motion.tick - motion.kept_tick
    far = set_point(motion, "arm", HOME + 0.5, CommandKind.POSITION)
    assert not isinstance(motion.offer(far, 0.01, 2, motion.play_time), bool)
    more, codes = run(motion, 60)
    rows += more
    assert codes == []
    for k, row in enumerate(more, start=1):
        assert np.allclose(row, kept.state((stopped_at + k) * DT)[0], rtol=0, atol=1e-12), (
            "a refused one changes nothing"
        )
    assert motion.at_rest
    for k in range(60):
        values = kept.end.copy()
        values[0] += 0.05 * (1 - np.cos(np.pi * 0.01 * k))
        outcome = motion.offer(set_point(motion, "arm", values, CommandKind.POSITION), 0.01, 2, motion.play_time)
        assert isinstance(outcome, bool), outcome
        more, codes = run(motion, 3 if k % 2 else 2)
        rows += more
        assert codes == []
    assert rows[-1][0] > kept.end[0] + 0.03
    keeps_envelope(rows)


@pytest.mark.requirement("SR-025")
@pytest.mark.redteam(6)
def test_degrees_sent_as_radians_are_refused_and_move_nothing() -> None:
    rig = Rig().auto()
    start = rig.output
    rig.stream(np.degrees(HOME))
    rig.seconds(0.2)
    assert rig.decisions("REJECT")[0].code in ("E_POSITION_LIMIT", "E_VELOCITY_LIMIT", "E_ACCELERATION_LIMIT")
    assert np.array_equal(rig.output, start)
    rig.clear()
    rig.trajectory([2.0], np.degrees(HOME)[None, :], np.zeros((1, 7)), np.zeros((1, 7)))
    rig.seconds(0.2)
    assert rig.decisions("REJECT")[0].code == "E_POSITION_LIMIT"
    assert np.array_equal(rig.output, start)


@pytest.mark.redteam(28)
def test_oscillation_at_the_edge_of_the_envelope_ends_in_holding() -> None:
    """A full-scale shaking of joint 7: refused, held, and after too many refusals the source is quarantined."""
    rig = Rig().auto()
    base = rig.output

    def shake(i: int) -> None:
        if i % 5 in (0, 2):
            rig.stream(base + np.array([0, 0, 0, 0, 0, 0, 0.02 * (-1) ** (i // 2)]))

    rig.seconds(1.5, shake)
    limits = SHIPPED.envelope.joints
    q = np.array(rig.outputs)
    assert (np.abs(np.diff(q, n=2, axis=0)) / DT**2 <= limits.acceleration * (1 + 1e-6) + 1e-9).all()
    assert "E_REFUSALS" in {rig.status.cause, *rig.codes()}
    assert "E_QUARANTINED" in rig.codes() or "E_NOT_MOVING_STATE" in rig.codes()
    assert not rig.state.startswith("AUTO")


@pytest.mark.requirement("SR-015")
def test_the_way_back_to_the_measured_pose_is_slow_and_smooth() -> None:
    motion = make()
    target = HOME + np.array([0.1, -0.05, 0, 0.02, 0, 0, 0.08])
    assert motion.glide_to(target)
    rows, codes = run(motion, 500)
    assert codes == []
    assert np.allclose(rows[-1], target, rtol=0, atol=1e-15)
    assert motion.at_rest
    limits, q = SHIPPED.envelope.joints, np.array([HOME] * 3 + rows)
    for order, limit in ((1, limits.velocity), (2, limits.acceleration), (3, limits.jerk)):
        assert (np.abs(np.diff(q, n=order, axis=0)) / DT**order <= 0.101 * limit).all()
    assert not motion.glide_to(target), "it is there"


@pytest.mark.requirement("SR-013")
def test_a_stop_forgets_what_was_queued() -> None:
    motion = make()
    path = quintic(motion, "arm", 0.4, 1.5)
    motion.begin_trajectory({"arm": path}, motion.tick, "planner", "a")
    motion.begin_trajectory({"arm": path}, motion.tick + 1000, "planner", "b")
    run(motion, 50)
    notes = motion.stop_all()
    assert [(note.command, note.code) for note in notes] == [("a", Code.PURGED), ("b", Code.PURGED)]
    rows, codes = run(motion, 1500)
    assert codes == []
    assert motion.at_rest
    assert motion.mover == ""
    assert (np.array(rows[200:]) == rows[-1]).all(), "the second one never begins"


@pytest.mark.requirement("SR-026")
@pytest.mark.requirement("SR-048")
@pytest.mark.parametrize("kind", ["stream", "trajectory"])
def test_each_set_point_carries_the_stop_that_would_follow(kind: str) -> None:
    """Wherever the motion is cut, what then comes out is what the last message told the controller."""
    for cut in (60, 110, 160, 240):
        rig = Rig().auto()
        if kind == "trajectory":
            goal = rig.output + np.array([0.5, 0.1, 0, 0.3, 0, 0, 0.2])
            rig.trajectory([1.5], goal[None, :], np.zeros((1, 7)), np.zeros((1, 7)))
            rig.cycle(cut)
        else:
            base = rig.output

            def each(i: int, rig: Rig = rig, base: np.ndarray = base) -> None:
                if i % 5 in (0, 2):
                    k = i // 5 * 2 + (i % 5 == 2)
                    rig.stream(base + np.array([0.2, 0, 0, 0, 0, 0, 0.1]) * (1 - np.cos(np.pi * k / 100)))

            rig.cycle(cut, each)
        sent = [e for e in rig.effects if isinstance(e, Actuate)][-1]
        assert sent.moving
        assert sent.horizon
        rig.send(StopRequested(rig.now, "panel", "test"))
        count = len(rig.outputs)
        rig.seconds(1.2)
        out = np.array(rig.outputs[count:])
        assert np.allclose(out[-1], sent.horizon[-1].positions, rtol=0, atol=1e-12)
        for point in sent.horizon:
            cycle = point.time / rig.period
            if abs(cycle - round(cycle)) < 1e-6 and 1 <= round(cycle) <= len(out):
                assert np.allclose(out[round(cycle) - 1], point.positions, rtol=0, atol=1e-9)
        after = [e for e in rig.effects if isinstance(e, Actuate)][-len(out)]
        assert after.horizon[-1].positions == sent.horizon[-1].positions
        assert after.horizon[-1].time == sent.horizon[-1].time - rig.period


@pytest.mark.requirement("SR-036")
def test_following_blindly_goes_on_where_the_last_set_point_was() -> None:
    motion = make()
    motion.begin_trajectory({"arm": quintic(motion, "arm", 0.4, 1.5)}, motion.tick, "planner", "a")
    rows, _ = run(motion, 120)
    kept, tick = motion.kept, motion.tick
    for i in range(1, 200):
        motion.follow_kept_blindly(tick + i)
        rows.append(motion.state[0].copy())
        assert np.array_equal(motion.state, kept.state(i * DT))
    assert not motion.state[1:].any()
    keeps_envelope(rows)


@pytest.mark.requirement("SR-037")
def test_missed_periods_are_bridged_along_the_stop() -> None:
    motion = make()
    motion.begin_trajectory({"arm": quintic(motion, "arm", 0.4, 1.5)}, motion.tick, "planner", "a")
    run(motion, 120)
    kept, tick = motion.kept, motion.tick
    motion.bridge(5, 0.02)
    assert motion.tick == tick + 5
    assert np.array_equal(motion.state, kept.state(5 * DT))
    assert np.array_equal(motion.history, np.stack([kept.state(i * DT)[0] for i in (3, 4, 5)]))
    rows = [kept.state(i * DT)[0] for i in range(6)]
    more, _ = run(motion, 300)
    keeps_envelope(rows + more)
    motion.bridge(0, 0.0)
    assert motion.at_rest


def test_what_is_to_come_is_known_except_of_a_stream() -> None:
    motion = make(two_groups())
    motion.begin_trajectory({"shoulder": quintic(motion, "shoulder", 0.4, 1.5)}, motion.tick, "planner", "a")
    run(motion, 50)
    predicted = [motion.predict(("shoulder",), motion.tick + 30), motion.predict(("wrist",), motion.tick + 30)]
    assert predicted[0] is not None
    values = HOME[4:].copy()
    motion.offer(set_point(motion, "wrist", values, CommandKind.POSITION, "joystick"), 0.02, 2, motion.play_time)
    assert motion.predict(("wrist",), motion.tick + 30) is None
    beside = motion.predict(("shoulder",), motion.tick + 30)
    assert beside is not None
    motion.stop_lanes(("wrist",), "joystick", Code.CANCELLED, "")
    run(motion, 30)
    assert np.allclose(motion.state[:, :4], predicted[0][:, :4], rtol=0, atol=1e-12)
    assert np.allclose(motion.state[:, :4], beside[:, :4], rtol=0, atol=1e-12)


@pytest.mark.requirement("SR-021")
@pytest.mark.requirement("SR-033")
@pytest.mark.parametrize(
    "rules", [Rules(reduced=ReducedSettings(0.3, 1.0)), Rules(frame_speed=0.3)], ids=["reduced", "manual"]
)
def test_where_speed_is_lowered_no_kept_stop_speeds_up_along_its_path(rules: Rules) -> None:
    """A path stop from a slow part of a path follows the path, which grows faster."""
    motion = make()
    here = motion.state
    times = np.array([0.25, 0.85, 1.45, 3.0])
    goal = np.repeat(HOME[None], 4, axis=0)
    goal[:, 0] += [0.1875, 1.0875, 1.5375, 1.5375]
    speeds, still = np.zeros((4, 7)), np.zeros((4, 7))
    speeds[:2, 0] = 1.5
    path = PlannedTrajectory(here, times, goal, speeds, still)
    for order in (1, 2, 3):
        path.bound_derivative(order)
    path.choose_path_stop(SHIPPED.envelope.joints, DT)
    assert path.stop_from(0.05) is not None, "there is a stop along the path"
    motion.begin_trajectory({"arm": path}, motion.tick, "planner", "a")
    poses, codes = [motion.state[0]], []
    for _ in range(400):
        codes += [note.code for note in motion.advance(rules)]
        poses.append(motion.state[0])
    assert codes in ([Code.REDUCED], [Code.FRAME_SPEED])
    assert motion.at_rest
    model = RobotModel(SHIPPED.robot)
    places = np.array([model.frame_positions(q) for q in poses])
    fastest = np.linalg.norm(np.diff(places, axis=0), axis=2).max() / DT
    assert fastest < 0.3
