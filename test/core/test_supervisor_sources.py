"""Sources: what they may send, who wins, how they lose their standing, and that no refusal needs a person."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from machines import Machine
from other_kinematics import link_frames
from rig import HOME, Rig

from safety_supervisor.core.act_events import StopRequested
from safety_supervisor.core.effects import Actuate
from safety_supervisor.core.events import CommandUnreadable, SourceEndpoints, SourceLiveliness
from safety_supervisor.core.settings import CommandKind

Rigs = Callable[..., Rig]
NAN, INF = float("nan"), float("inf")


class Sine:
    """A good agent: a set-point every 10 ms of 0.1 rad (1 - cos), a quintic's way into it."""

    def __init__(self, rig: Rig, amplitude: float = 0.3, over: float = 3.0) -> None:
        self.rig, self.amplitude, self.over = rig, amplitude, over
        self.start = rig.output
        self.cycles = self.sent = 0

    def goal(self) -> np.ndarray:
        u = min(1.0, self.sent * 0.01 / self.over)
        goal = self.start.copy()
        goal[0] += self.amplitude * u**3 * (10 - 15 * u + 6 * u * u)
        return goal

    def __call__(self, _: int) -> None:
        self.cycles += 1
        if self.cycles * 4 >= self.sent * 10:
            self.rig.stream(self.goal())
            self.sent += 1


def resume(rig: Rig) -> None:
    """A good stream from where the robot is commanded to be."""
    flow = Sine(rig)
    rig.seconds(0.3, flow)
    assert rig.state == "AUTO/MOVING", rig.decisions()[-1]


def trajectory_of(count: int, times: list[float], value: float | None = None) -> Callable[[Rig], Any]:
    """Way-points at home, or with one value for all joints."""

    def send(rig: Rig) -> None:
        row = rig.home if value is None else np.full(len(rig.home), value)
        rig.trajectory(times, np.tile(row, (count, 1)))

    return send


def renamed(index: int, name: Callable[[tuple[str, ...]], str]) -> Callable[[Rig], Any]:
    def send(rig: Rig) -> None:
        names = list(rig.names)
        names[index] = name(rig.names)
        rig.stream(rig.home, names=tuple(names))

    return send


def look_alike(names: tuple[str, ...]) -> str:
    """The first joint with a letter of another alphabet."""
    latin = next(letter for letter in names[0] if letter in "ae")
    return names[0].replace(latin, {"a": "\u0430", "e": "\u0435"}[latin], 1)


def valued(value: float) -> Callable[[Rig], Any]:
    return lambda rig: rig.stream([*rig.home[:2], value, *rig.home[3:]])


BAD: list[tuple[int, str, str, Callable[[Rig], Any]]] = [
    (1, "NaN", "E_NOT_FINITE", valued(NAN)),
    (1, "infinity", "E_NOT_FINITE", valued(INF)),
    (1, "-infinity", "E_NOT_FINITE", valued(-INF)),
    (1, "1e308", "E_NOT_FINITE", valued(1e308)),
    (1, "NaN velocity", "E_NOT_FINITE", lambda r: r.stream([NAN] * len(r.names), "joystick", velocity=True)),
    (1, "NaN way-point", "E_NOT_FINITE", trajectory_of(1, [1.0], NAN)),
    (2, "empty", "E_EMPTY", lambda r: r.stream([], names=())),
    (2, "names only", "E_EMPTY", lambda r: r.stream([])),
    (2, "too few values", "E_RAGGED", lambda r: r.stream(r.home[:-1])),
    (2, "too many values", "E_RAGGED", lambda r: r.stream([*r.home, 0.0])),
    (2, "ragged way-points", "E_RAGGED", lambda r: r.trajectory([1.0], r.rest[:, :-1])),
    (4, "a joint twice", "E_DUPLICATE_JOINT", renamed(1, lambda names: names[0])),
    (4, "an unknown joint", "E_UNKNOWN_JOINT", renamed(-1, lambda names: names[0] + "8")),
    (4, "a finger", "E_UNKNOWN_JOINT", renamed(-1, lambda _: "panda_finger_joint1")),
    (4, "a joint missing", "E_MISSING_JOINT", lambda r: r.stream(r.home[:-1], names=r.names[:-1])),
    (5, "look-alike", "E_JOINT_NAME", renamed(0, look_alike)),
    (5, "zero width", "E_JOINT_NAME", renamed(0, lambda names: names[0] + "\u200b")),
    (5, "bidirectional", "E_JOINT_NAME", renamed(0, lambda names: names[0] + "\u202e")),
    (5, "newline", "E_JOINT_NAME", renamed(0, lambda names: names[0] + "\n")),
    (6, "degrees", "E_", lambda r: r.stream(np.degrees(r.home))),
    (9, "old stamp", "E_STAMP", lambda r: r.stream(r.home, stamp=r.now - 10**10)),
    (9, "future stamp", "E_STAMP", lambda r: r.stream(r.home, stamp=r.now + 10**10)),
    (
        9,
        "far future start",
        "E_STAMP",
        lambda r: r.trajectory([1.0], r.home[None, :], r.rest, r.rest, stamp=r.now + 10**14),
    ),
    (10, "equal times", "E_TIME_ORDER", trajectory_of(2, [1.0, 1.0])),
    (10, "times backwards", "E_TIME_ORDER", trajectory_of(2, [2.0, 1.0])),
    (10, "negative time", "E_TIME_ORDER", trajectory_of(1, [-1.0])),
    (26, "1e9", "E_", trajectory_of(1, [1.0], 1e9)),
    (26, "huge time", "E_TOO_LONG", trajectory_of(1, [1e9])),
    (
        26,
        "too many points",
        "E_TOO_MANY_POINTS",
        trajectory_of(20_001, [0.01 * k for k in range(20_001)]),
    ),
    (2, "effort", "E_EFFORT_COMMAND", lambda r: r.stream(r.home, efforts=len(r.names))),
    (4, "kind that is off", "E_COMMAND_KIND", lambda r: r.stream(r.rest[0], velocity=True)),
    (4, "unknown source", "E_UNKNOWN_SOURCE", lambda r: r.stream(r.home, source="stranger")),
]


@pytest.mark.requirement("SR-024")
@pytest.mark.requirement("SR-031")
@pytest.mark.requirement("SR-030")
@pytest.mark.requirement("SR-054")
@pytest.mark.redteam(1)
@pytest.mark.redteam(2)
@pytest.mark.redteam(4)
@pytest.mark.redteam(5)
@pytest.mark.redteam(6)
@pytest.mark.redteam(9)
@pytest.mark.redteam(10)
@pytest.mark.redteam(26)
@pytest.mark.parametrize(
    ("code", "send"),
    [pytest.param(code, send, id=f"row {row}: {name}") for row, name, code, send in BAD],
)
def test_what_is_malformed_is_refused_whole_and_needs_no_person(
    rigs: Rigs, code: str, send: Callable[[Rig], Any]
) -> None:
    rig = rigs().auto()
    here = rig.output
    rig.clear()
    send(rig)
    rig.cycle(10)
    decision = rig.decisions()[-1]
    assert decision.verdict == "REJECT"
    assert decision.code.startswith(code)
    assert decision.command, "a correlation id"
    assert (rig.output == here).all(), "nothing partial is forwarded"
    assert rig.state == "AUTO/HOLDING"
    resume(rig)


@pytest.mark.redteam(3)
@pytest.mark.requirement("SR-024")
def test_joints_are_mapped_by_name(rigs: Rigs) -> None:
    rig = rigs().auto()
    flow = Sine(rig)
    order = np.random.default_rng(5).permutation(len(rig.names))

    def shuffled(i: int) -> None:
        flow.cycles += 1
        if flow.cycles * 4 >= flow.sent * 10:
            rig.stream(flow.goal()[order], names=tuple(rig.names[k] for k in order))
            flow.sent += 1

    rig.seconds(1.5, shuffled)
    moved = np.ptp(rig.outputs, axis=0)
    assert moved[0] > 0.05
    assert moved[1:].max() < 1e-12


@pytest.mark.requirement("SR-054")
@pytest.mark.requirement("SR-029")
def test_silence_runs_the_kept_stop_and_the_next_command_resumes(rigs: Rigs) -> None:
    rig = rigs().auto()
    rig.seconds(1.5, Sine(rig, over=2.0))
    assert rig.state == "AUTO/MOVING"
    rig.seconds(0.5)
    assert (rig.state, rig.status.cause) == ("AUTO/HOLDING", "E_LATE")
    assert "E_LATE" in [d.code for d in rig.decisions("STOP")]
    assert np.abs(np.diff(rig.outputs[-3:], axis=0)).max() == 0.0
    resume(rig)


@pytest.mark.requirement("SR-054")
@pytest.mark.parametrize("spoil", ["silence", "NaN", "jump"])
def test_a_good_command_resumes_in_the_middle_of_the_kept_stop(panda_rigs: Rigs, spoil: str) -> None:
    """No person, and no standstill needed either: the new stream begins from the stop as it runs.

    The Panda's stop brakes evenly for long enough; the G1's jerk is so limited that it never does.
    """
    rig = panda_rigs().auto()
    rig.seconds(1.0, Sine(rig, over=2.0, amplitude=1.0))
    if spoil == "NaN":
        rig.stream([NAN] * 7)
    elif spoil == "jump":
        rig.stream(rig.output + 0.5)
    for _ in range(20):
        if rig.state == "AUTO/HOLDING":
            break
        rig.cycle()
    assert rig.state == "AUTO/HOLDING"
    rig.cycle(3)
    speed = np.abs(np.diff(rig.outputs[-2:], axis=0)).max() / 0.004
    assert speed > 0.3, "still moving"
    # A new plan from where the stop, braking evenly, will be in three cycles, to rest one second later.
    cycle = next(e for e in reversed(rig.history) if isinstance(e, Actuate))
    begin, a = 0.012, cycle.accelerations[0]
    q = cycle.positions[0] + cycle.velocities[0] * begin + a * begin * begin / 2
    v = cycle.velocities[0] + a * begin
    goal = q + 0.5 * v
    c = np.linalg.solve(np.array([[1, 1, 1], [3, 4, 5], [6, 12, 20]], dtype=float), [goal - q - v - a / 2, -v - a, -a])
    sent = 0

    def plan(i: int) -> None:
        nonlocal sent
        if i * 4 >= sent * 10:
            u = min(1.0, 0.024 + sent * 0.01 - begin)
            value = q + v * u + a * u * u / 2 + c @ np.array([u**3, u**4, u**5])
            rig.stream([value, *HOME[1:]])
            sent += 1

    rig.clear()
    before = len(rig.ticks)
    rig.seconds(0.5, plan)
    assert {d.verdict for d in rig.decisions()} == {"PASS"}, rig.decisions()[-1]
    assert {after for _, after, _ in rig.ticks[before + 1 :]} == {"AUTO/MOVING"}


@pytest.mark.redteam(13)
@pytest.mark.requirement("SR-030")
def test_the_same_key_moves_once(rigs: Rigs) -> None:
    rig = rigs().auto()
    goal = rig.home.copy()
    goal[0] += 0.2
    same = {"frame_id": "cid:a1;key:k1", "body": "b"}
    rig.trajectory([1.0], goal[None, :], rig.rest, rig.rest, **same)
    rig.seconds(1.3)
    assert rig.output[0] == pytest.approx(goal[0], abs=1e-6)
    back = rig.home[None, :]
    rig.trajectory([1.0], back, rig.rest, rig.rest)
    rig.seconds(1.3)
    assert rig.output[0] == pytest.approx(rig.home[0], abs=1e-6)
    rig.clear()
    rig.trajectory([1.0], goal[None, :], rig.rest, rig.rest, **same)
    assert [(d.verdict, d.code) for d in rig.decisions()] == [("PASS", "")]
    rig.seconds(1.3)
    assert rig.output[0] == pytest.approx(rig.home[0], abs=1e-6), "no second motion"


@pytest.mark.redteam(14)
def test_the_same_key_with_another_body_is_a_conflict(rigs: Rigs) -> None:
    rig = rigs().auto()
    rig.stream(rig.home, frame_id="cid:a;key:k", body="one")
    rig.stream(rig.home + 0.001, frame_id="cid:b;key:k", body="two")
    assert rig.decisions()[-1].code == "E_KEY_CONFLICT"


@pytest.mark.redteam(15)
def test_a_flood_of_keys_is_bounded(rigs: Rigs) -> None:
    rig = rigs().auto()
    room = rig.configuration.source("planner").idempotency_keys
    rig.send(StopRequested(rig.now, "panel", ""))
    rig.until("LOCKED")
    for i in range(room + 5):
        rig.stream(rig.home, frame_id=f"cid:c{i};key:k{i}", body="b")
    assert rig.decisions()[-1].code == "E_KEYS_FULL"


@pytest.mark.redteam(13)
@pytest.mark.requirement("SR-013")
def test_a_key_from_before_a_stop_moves_nothing_after_it(rigs: Rigs) -> None:
    rig = rigs().auto()
    goal = rig.home.copy()
    goal[0] += 0.2
    same = {"frame_id": "cid:a1;key:k1", "body": "b"}
    rig.trajectory([1.0], goal[None, :], rig.rest, rig.rest, **same)
    rig.send(StopRequested(rig.now, "panel", ""))
    rig.until("LOCKED")
    assert rig.act("reset").ok
    assert rig.act("start", "auto").ok
    rig.clear()
    rig.trajectory([1.0], goal[None, :], rig.rest, rig.rest, **same)
    assert [(d.verdict, d.code) for d in rig.decisions()] == [("REJECT", "E_PURGED")]
    rig.seconds(0.5)
    assert np.ptp(rig.outputs, axis=0).max() == 0.0


@pytest.mark.requirement("SR-013")
@pytest.mark.redteam(40)
def test_a_set_point_that_was_received_before_the_start_moves_nothing(rigs: Rigs) -> None:
    rig = rigs().auto()
    rig.clear()
    started = rig.now
    rig.stream(rig.home, received=started - 1_000_000_000)
    assert [(d.verdict, d.code) for d in rig.decisions()] == [("REJECT", "E_PURGED")]
    rig.clear()
    rig.stream(rig.home, received=started)
    assert [d.verdict for d in rig.decisions()] == ["PASS"]


@pytest.mark.requirement("SR-030")
def test_repeated_and_reordered_stamps_are_refused(rigs: Rigs) -> None:
    rig = rigs().auto()
    first = rig.now
    rig.stream(rig.home, stamp=first)
    rig.cycle(2)
    rig.stream(rig.home, stamp=first)
    assert rig.decisions()[-1].code == "E_OUT_OF_ORDER"
    rig.stream(rig.home, stamp=first - 1)
    assert rig.decisions()[-1].code == "E_OUT_OF_ORDER"


@pytest.mark.requirement("SR-030")
@pytest.mark.requirement("SR-013")
def test_a_stop_does_not_make_an_old_stamp_new(rigs: Rigs) -> None:
    rig = rigs().auto()
    goal = rig.home.copy()
    goal[0] += 0.2
    stamp = rig.now + 1_900_000_000
    rig.trajectory([1.0], goal[None, :], rig.rest, rig.rest, stamp=stamp)
    rig.send(StopRequested(rig.now, "panel", ""))
    rig.until("LOCKED")
    assert rig.act("reset").ok
    assert rig.act("start", "auto").ok
    rig.trajectory([1.0], goal[None, :], rig.rest, rig.rest, stamp=stamp)
    assert rig.decisions()[-1].code == "E_OUT_OF_ORDER"


@pytest.mark.redteam(25)
def test_a_flood_is_folded_stops_the_source_and_delays_no_stop(rigs: Rigs) -> None:
    rig = rigs().auto().move()
    rig.clear()
    for _ in range(10):
        rig.send(CommandUnreadable(rig.now, "planner", "E_RATE", 10_000.0, 400.0, "", 100))
        rig.cycle()
    assert rig.status.cause == "E_REFUSALS"
    told = [d for d in rig.decisions() if d.code == "E_RATE"]
    assert len(told) == 1
    assert told[0].count == 100
    rig.estop = "stop"
    rig.cycle()
    assert rig.relays_open
    rig.estop = "run"


@pytest.mark.redteam(25)
@pytest.mark.requirement("SR-054")
def test_quarantine_is_lifted_by_a_reset_and_is_one_sources_own(rigs: Rigs) -> None:
    rig = rigs().auto()
    for _ in range(50):
        rig.stream([NAN] * len(rig.names))
    assert rig.state == "AUTO/HOLDING"
    rig.stream([NAN] * len(rig.names))
    rig.until("LOCKED")
    assert rig.status.cause == "E_REFUSALS"
    assert rig.act("reset").ok
    assert rig.act("start", "auto").ok
    resume(rig)


@pytest.mark.requirement("SR-050")
@pytest.mark.redteam(30)
def test_a_person_takes_the_robot_from_the_agent_and_not_the_other_way(rigs: Rigs) -> None:
    rig = rigs().auto()
    flow = Sine(rig, over=6.0)
    rig.seconds(1.0, flow)
    rig.clear()

    def both(i: int) -> None:
        flow(i)
        if i % 5 == 0:
            rig.stream(rig.unit(0, 0.05), "joystick", velocity=True)

    rig.seconds(2.0, both)
    assert rig.state == "AUTO/MOVING", "an agent that waits its turn is no fault"
    assert rig.status.source == "joystick"
    assert "E_PRIORITY" in rig.codes()
    refused = [d for d in rig.decisions("REJECT") if d.code == "E_PRIORITY"]
    assert {d.source for d in refused} == {"planner"}


@pytest.mark.requirement("SR-050")
def test_a_second_publisher_of_a_source_stops_and_voids_it(rigs: Rigs) -> None:
    rig = rigs().auto().move()
    epoch = rig.status.epoch
    rig.send(SourceEndpoints(rig.now, "planner", 2))
    assert (rig.state, rig.status.cause) == ("STOPPING", "E_ENDPOINT_REPLACED")
    rig.until("LOCKED")
    assert rig.status.epoch > epoch
    assert "E_ENDPOINT_REPLACED" in rig.act("reset").message
    short = rigs().auto().move()
    short.send(SourceEndpoints(short.now, "planner", 2))
    short.send(SourceEndpoints(short.now, "planner", 1))
    short.cycle()
    assert short.state == "STOPPING", "however short it was"


@pytest.mark.redteam(56)
@pytest.mark.requirement("SR-029")
def test_an_agent_that_dies_while_its_trajectory_plays(rigs: Rigs) -> None:
    rig = rigs().auto().move(0.8)
    at = rig.output[0]
    rig.send(SourceLiveliness(rig.now, "planner", False))
    assert (rig.state, rig.status.cause) == ("AUTO/HOLDING", "E_SOURCE_DIED")
    rig.seconds(0.5)
    assert rig.output[0] < at + 0.1, "far from the goal"
    assert np.abs(np.diff(rig.outputs[-3:], axis=0)).max() == 0.0
    rig.trajectory([1.0], rig.home[None, :], rig.rest, rig.rest)
    assert rig.decisions()[-1].code == "E_SOURCE_NOT_ALIVE"
    rig.send(SourceLiveliness(rig.now, "planner", True))
    rig.move(0.5, by=0.1)


@pytest.mark.redteam(56)
@pytest.mark.requirement("SR-031")
def test_an_agent_that_dies_while_its_trajectory_is_verified_is_told(rigs: Rigs) -> None:
    rig = rigs().auto()
    goal = rig.home.copy()
    goal[0] += 0.2
    rig.trajectory([1.0], goal[None, :], rig.rest, rig.rest, frame_id="cid:last;key:k", body="b")
    rig.send(SourceLiveliness(rig.now, "planner", False))
    rig.seconds(0.3)
    ruled = [d for d in rig.decisions() if d.command == "last"]
    assert [(d.verdict, d.code) for d in ruled] == [("REJECT", "E_SOURCE_NOT_ALIVE")]
    assert np.ptp(rig.outputs, axis=0).max() == 0.0


@pytest.mark.requirement("SR-031")
def test_a_trajectory_cancelled_while_it_is_verified_is_told(rigs: Rigs) -> None:
    rig = rigs().auto()
    goal = rig.home.copy()
    goal[0] += 0.2
    rig.trajectory([1.0], goal[None, :], rig.rest, rig.rest, frame_id="cid:first")
    rig.trajectory([], rig.rest[:0], names=(), frame_id="cid:cancel", position_counts=())
    rig.seconds(0.3)
    assert [(d.verdict, d.code) for d in rig.decisions() if d.command == "first"] == [("REJECT", "E_CANCELLED")]
    assert np.ptp(rig.outputs, axis=0).max() == 0.0


@pytest.mark.redteam(30)
@pytest.mark.redteam(56)
def test_a_queued_trajectory_of_a_dead_agent_does_not_play(rigs: Rigs, machine: Machine) -> None:
    """Two sources with trajectories: the higher one is queued behind the lower one's motion when its agent dies."""
    configuration = machine.configuration
    planner = configuration.source("planner")
    chief = replace(planner, name="chief", priority=30, commands=frozenset({CommandKind.TRAJECTORY}))
    rig = rigs(sources=(*configuration.sources, chief)).auto().move(0.6)
    goal = rig.home.copy()
    goal[0] -= 0.3
    rig.trajectory([3.0], goal[None, :], rig.rest, rig.rest, source="chief", frame_id="cid:chief")
    for _ in range(60):
        rig.cycle()
        if any(d.command == "chief" and d.verdict == "PASS" for d in rig.decisions()):
            break
    else:
        raise AssertionError("it was never accepted")
    rig.send(SourceLiveliness(rig.now, "chief", False))
    rig.seconds(3.5)
    assert rig.output[0] > rig.home[0] - 0.1, "it never went there"


@pytest.mark.redteam(30)
def test_a_second_trajectory_while_one_is_verified_waits_its_turn(rigs: Rigs) -> None:
    rig = rigs().auto()
    goal = rig.home.copy()
    goal[0] += 0.2
    rig.trajectory([1.0], goal[None, :], rig.rest, rig.rest)
    rig.trajectory([1.0], goal[None, :], rig.rest, rig.rest)
    assert rig.decisions()[-1].code == "E_BUSY"


@pytest.mark.redteam(27)
def test_tiny_steps_toward_the_cabinet_end_before_it(panda_rigs: Rigs, tmp_path: Path) -> None:  # its cabinet
    """The hand drifts toward the keep-out box by steps that are all harmless; PyBullet says where it really got."""
    start = HOME.copy()
    start[0] = np.pi / 4  # toward the corner of the cabinet
    rig = panda_rigs(start=start).auto()
    cycles = sent = 0

    def drift(_: int) -> None:
        nonlocal cycles, sent
        cycles += 1
        if cycles * 4 >= sent * 10:
            t = sent * 0.01
            goal = start.copy()
            goal[[1, 3]] += 0.1 * t * t if t < 1 else 0.2 * t - 0.1
            sent += 1
            rig.stream(goal)

    rig.seconds(5.0, drift)
    assert "E_WORKSPACE" in rig.codes()
    cabinet = next(zone for zone in rig.configuration.zones if zone.name == "cabinet")
    low, high = np.array([0.4, 0.4, 0.0]), np.array([0.9, 0.9, 0.8])
    frames = link_frames(rig.configuration, rig.outputs[::5] + rig.outputs[-200:], tmp_path)
    outside = np.linalg.norm(np.maximum(np.maximum(low - frames, frames - high), 0.0), axis=2)
    assert outside.min() >= cabinet.margin, "origins of links; of their bodies the tests of the scene tell"
    assert outside.min() < 0.15, "and it came near"


@pytest.mark.redteam(28)
def test_hammering_at_the_edge_of_the_envelope_ends_in_quarantine(rigs: Rigs, machine: Machine) -> None:
    start = machine.beyond(-0.0073)
    rig = rigs(start=start).auto()

    def hammer(i: int) -> None:
        if i % 5 in (0, 2):
            rig.stream(start + machine.unit(machine.free, 0.02 * (i % 2 * 2 - 1)))

    rig.seconds(2.0, hammer)
    assert rig.state == "LOCKED"
    assert rig.status.cause == "E_REFUSALS"
    assert max(row[machine.free] for row in rig.outputs) <= machine.limits.upper[machine.free]
