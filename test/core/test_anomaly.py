"""The watch of behaviour: each feature, the frozen baseline, and what a score leads to."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest
from rig import HOME, Rig, panda
from test_policy_gate import cel

from safety_supervisor.core.anomaly.baseline import (
    FEATURES,
    SLOT,
    WINDOW,
    AnomalySettings,
    Baseline,
    Scale,
    Usual,
    learn,
)
from safety_supervisor.core.anomaly.watch import HOLD, AnomalyWatch
from safety_supervisor.core.anomaly.windows import Windows
from safety_supervisor.core.effects import Decision, Status
from safety_supervisor.core.errors import Code, Violation
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.units import Matrix

JOINTS = panda().robot.joints
N = len(JOINTS)
PERIOD = panda().timing.period
DT = PERIOD * 1e-9
PER_SECOND = round(1.0 / DT)

HIGH = {"speed": 0.3, "acceleration": 0.5, "oscillation": 2.0, "hurry": 0.2, "dithering": 2.0, "creeping": 0.5}
HIGH |= {"frozen": 0.5, "rate": 1.0, "starts": 2.0, "takeovers": 0.0, "cancels": 0.0, "refusals": 1.0}


def baseline(**high: float) -> Baseline:
    """Good work around HOME: nothing is typical but rest, and so much is usual."""
    usual = {}
    for feature in FEATURES:
        if feature.name == "position":
            usual[feature.name] = Usual(HOME - 0.5, HOME, HOME + 0.5)
        else:
            edge = np.full(N if feature.joints else 1, {**HIGH, **high}[feature.name])
            usual[feature.name] = Usual(edge * 0.0, edge * 0.0, edge)
    return Baseline(JOINTS, usual)


def settings(stop_at: float | None = 3.0, **high: float) -> AnomalySettings:
    return AnomalySettings(baseline(**high), stop_at)


def watched(stop_at: float | None = 3.0, **changes: Any) -> Configuration:
    """The Panda, whose planner is watched."""
    sources = panda().sources
    return panda(
        sources=tuple(replace(one, anomaly=settings(stop_at)) if one.name == "planner" else one for one in sources),
        **changes,
    )


@dataclass
class Bench:
    """A watch by itself, given cycles."""

    watch: AnomalyWatch
    now: int = 1_000_000_000
    owner: str = "planner"
    streams: bool = True

    def cycle(self, state: Matrix, permitted: bool = True) -> None:
        self.now += PERIOD
        lane = SimpleNamespace(source=self.owner, stream=object() if self.streams else None)
        self.watch.cycle(self.now, state, [lane], permitted)  # type: ignore[list-item]

    def play(
        self, seconds: float, state: Callable[[float], Matrix], each: Callable[[int], object] | None = None
    ) -> None:
        for k in range(round(seconds / DT)):
            if each is not None:
                each(k)
            self.cycle(state(k * DT))

    @property
    def told(self) -> tuple[float, str]:
        ((_, score, why),) = self.watch.reasons
        return score, why


def bench(stop_at: float | None = None) -> Bench:
    return Bench(AnomalyWatch(watched(stop_at)))


def rest(_: float = 0.0) -> Matrix:
    return np.stack([HOME, np.zeros(N), np.zeros(N)])


def swing(joint: int, size: float, hertz: float) -> Callable[[float], Matrix]:
    omega = 2.0 * math.pi * hertz

    def at(time: float) -> Matrix:
        state = rest()
        state[:, joint] += size * np.array(
            [math.sin(omega * time), omega * math.cos(omega * time), -omega * omega * math.sin(omega * time)]
        )
        return state

    return at


def cruise(joint: int, speed: float, start: float = 0.0, acceleration: float = 0.0) -> Callable[[float], Matrix]:
    def at(time: float) -> Matrix:
        state = rest()
        state[:, joint] += (start + speed * time, speed, acceleration)
        return state

    return at


SPEED = panda().envelope.joints.velocity
ACCELERATION = panda().envelope.joints.acceleration
COUNTS: dict[str, Callable[[AnomalyWatch], None]] = {
    "starts": lambda watch: watch.began("planner"),
    "cancels": lambda watch: watch.cancelled("planner"),
    "refusals": lambda watch: watch.refused("planner", Violation(Code.VELOCITY_LIMIT, "joint.velocity"), 1),
}


@pytest.mark.parametrize(
    ("feature", "good", "bad", "joint"),
    [
        ("position", cruise(1, 0.1, 0.35), cruise(1, 0.1, 0.6), 1),
        ("position", cruise(1, -0.1, -0.35), cruise(1, -0.1, -0.6), 1),
        ("speed", cruise(3, 0.15 * SPEED[3], -0.2), cruise(3, 0.46 * SPEED[3], -0.4), 3),
        (
            "acceleration",
            cruise(2, 0.1 * SPEED[2], -0.1, 0.7 * ACCELERATION[2]),
            cruise(2, 0.1 * SPEED[2], -0.1, 0.8 * ACCELERATION[2]),
            2,
        ),
        ("oscillation", swing(4, 0.04, 0.8), swing(4, 0.04, 2.5), 4),
        ("hurry", cruise(6, 0.25 * SPEED[6], -0.4), cruise(6, 0.32 * SPEED[6], -0.4), None),
        ("dithering", swing(5, 0.02, 0.7), swing(5, 0.02, 1.9), None),
        ("creeping", cruise(0, 0.011 * SPEED[0]), cruise(0, 0.009 * SPEED[0]), None),
    ],
)
def test_motion_is_strange(
    feature: str, good: Callable[[float], Matrix], bad: Callable[[float], Matrix], joint: int | None
) -> None:
    name = "" if joint is None else JOINTS[joint]
    assert scored(good)[feature, name] < 1.0
    scores = scored(bad)
    assert scores[feature, name] >= 1.0
    if name:
        others = {key for key, score in scores.items() if score >= 1.0 and key[1] not in ("", name)}
        assert not others, "no other joint did anything"


def scored(state: Callable[[float], Matrix]) -> dict[tuple[str, str], float]:
    """Highest score of each feature and joint over 1.5 s; what is told is the highest of all."""
    one, windows = bench(), []
    held = one.watch._watched["planner"]
    held.settings = replace(held.settings, listener=windows.append)
    one.streams = False
    one.play(1.5, state)
    found: dict[tuple[str, str], float] = {}
    for window in windows:
        for entry, score in zip(held.scale.entries, held.scale.scores(window), strict=True):
            key = (entry.feature.name, entry.joint)
            found[key] = max(found.get(key, -math.inf), float(score))
    assert (one.told[0] >= 1.0) == (max(found.values()) >= 1.0)
    return found


def test_the_reason_is_a_sentence_with_numbers() -> None:
    one = bench()
    one.play(1.5, swing(3, 0.004, 4.9))
    assert one.told[1] == f"oscillation of {JOINTS[3]}: 10 reversals/s, usually up to 2"


@pytest.mark.parametrize(("feature", "good", "bad"), [("starts", 2, 3), ("cancels", 1, 2), ("refusals", 2, 3)])
def test_what_is_counted_is_strange(feature: str, good: int, bad: int) -> None:
    def counted(number: int) -> Bench:
        one = bench()
        one.owner, one.streams = "", False
        for _ in range(3):
            for _ in range(number):
                COUNTS[feature](one.watch)
            one.play(1.0, rest)
        return one

    assert counted(good).told[0] < 1.0
    score, why = counted(bad).told
    assert score >= 1.0
    assert why.startswith(feature)


def test_set_points_that_are_too_many_and_streams_that_hold_still_are_strange() -> None:
    one = bench()
    every = round(0.01 / DT)  # the declared period, in cycles: 2.5
    one.play(1.5, cruise(0, 0.1), lambda k: one.watch.command("planner") if k % max(1, every) == 0 else None)
    assert one.told[0] < 1.0
    twice = bench()
    twice.play(1.5, cruise(0, 0.1), lambda _: twice.watch.command("planner"))
    assert twice.told[0] >= 1.0
    assert twice.told[1].startswith("rate")
    frozen = bench()
    frozen.play(0.6, rest)
    assert frozen.told[0] < 1.0
    frozen.play(0.7, rest)
    assert frozen.told[0] >= 1.0
    assert frozen.told[1].startswith("frozen")


def test_taking_the_arm_from_another_source_again_and_again_is_strange() -> None:
    one = bench()

    def turns(k: int) -> None:
        one.owner = "planner" if k * DT % 0.4 < 0.2 else "joystick"

    one.play(2.0, cruise(0, 0.1), turns)
    assert one.told[1].startswith("takeovers")
    alone = bench()
    alone.play(2.0, cruise(0, 0.1), lambda k: setattr(alone, "owner", "planner" if k * DT % 0.4 < 0.2 else ""))
    assert not alone.told[1].startswith("takeovers")


def test_motion_of_others_and_motion_that_is_not_permitted_is_not_the_source_s() -> None:
    one = bench()
    one.owner = "joystick"
    one.play(2.0, swing(3, 0.04, 5.0))
    assert one.told == (0.0, "")
    one.owner = "planner"
    for k in range(PER_SECOND):
        one.cycle(swing(3, 0.04, 5.0)(k * DT), permitted=False)
    assert one.told == (0.0, "")


def test_denials_of_a_policy_do_not_keep_a_score_up() -> None:
    one = bench()
    for _ in range(50):
        one.watch.refused("planner", Violation(Code.POLICY, "policy"), 1)
        one.watch.refused("planner", Violation(Code.POLICY_ERROR, "policy"), 1)
    one.play(1.0, rest)
    assert "refusals" not in one.told[1]


def test_a_score_is_held_and_then_falls() -> None:
    one = bench()
    one.play(1.5, swing(3, 0.04, 5.0))
    high = one.told[0]
    one.owner, one.streams = "", False
    one.play(HOLD * 1e-9 - 1.0, rest)
    assert one.told[0] == high, "whoever pauses is not trusted at once"
    one.play(WINDOW * 1e-9 + 1.5, rest)
    assert one.told == (0.0, "")


def test_an_alarm_is_rounded_up_and_what_is_none_down() -> None:
    seen = []
    for hertz in np.linspace(0.6, 2.0, 15):
        one = bench()
        windows: list[Any] = []
        held = one.watch._watched["planner"]
        held.settings = replace(held.settings, listener=windows.append)
        one.play(1.3, swing(4, 0.04, float(hertz)))
        scores = [float(held.scale.scores(window).max()) for window in windows]
        seen.append((max(scores), one.told[0]))
    for exact, told in seen:
        assert (exact >= 1.0) == (told >= 1.0)
        assert told * 4.0 == round(told * 4.0)
    assert {told >= 1.0 for _, told in seen} == {True, False}


def test_nothing_is_learned_and_no_memory_grows() -> None:
    """REDTEAM 42: an hour of slow drift changes neither the baseline nor what is strange."""
    one = bench()
    scale = one.watch._watched["planner"].scale
    before = [(array.copy(), array) for array in (scale._middle, scale._spread)]
    strange = swing(3, 0.04, 5.0)
    one.play(1.5, strange)
    first = one.told

    def size() -> int:
        arrays = [one.watch._states, one.watch._owners, one.watch._streams]
        arrays += [value for value in vars(one.watch._watched["planner"].windows).values() if hasattr(value, "nbytes")]
        return sum(array.nbytes for array in arrays)

    used = size()
    one.play(60.0, strange)
    for minute in range(10):  # ever a little farther out, as slowly as anybody may
        one.play(1.5, cruise(0, 0.009 * SPEED[0], 0.05 * minute))
    one.play(1.5, strange)
    assert one.told == first
    assert size() == used
    assert len(one.watch._findings) == 0
    for copy, array in before:
        assert np.array_equal(copy, array)
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1.0


def test_the_same_cycles_give_the_same_scores() -> None:
    def once() -> list[tuple[str, float, str]]:
        one, random = bench(), np.random.default_rng(3)
        seen = []
        for _ in range(2000):
            state = rest()
            state += random.normal(0.0, 0.3, state.shape)
            if random.random() < 0.1:
                one.watch.began("planner")
            one.cycle(state)
            seen += one.watch.reasons
        return seen

    assert once() == once()


def test_what_is_not_finite_is_as_strange_as_can_be() -> None:
    one = bench(stop_at=3.0)
    state = rest()
    state[1, 2] = math.nan
    one.play(0.6, lambda _: state)
    assert one.told[0] == 100.0
    assert [finding.source for finding in one.watch.take()] == ["planner"]


def test_missed_cycles_and_bunches_of_cycles_break_nothing() -> None:
    one = bench()
    for k in range(500):
        one.now += (0, 40, 300)[k % 3] * 1_000_000
        one.cycle(rest())
    one.now += 3600 * 10**9
    for _ in range(3 * PER_SECOND):
        one.now -= PERIOD  # ticks of one time: the slot is full
        one.cycle(rest())
    assert math.isfinite(one.told[0])


def test_a_baseline_is_what_most_windows_are() -> None:
    """A few strange windows among thousands widen nothing."""
    one, windows = bench(), []
    held = one.watch._watched["planner"]
    held.settings = replace(held.settings, listener=windows.append)
    one.streams = False
    one.play(30.0, swing(3, 0.3, 0.4))
    rows = np.array(windows)
    rows[~np.isfinite(rows)] = 0.0
    rows = np.repeat(rows, 40, axis=0)
    usual = learn(rows, JOINTS)
    # 0.4 Hz turns 0.8 times a second: no window of a second sees more than one turn.
    assert usual["oscillation"].high[3] == 1.0
    assert usual["position"].low[3] == pytest.approx(HOME[3] - 0.3, abs=1e-3)
    assert usual["position"].high[3] == pytest.approx(HOME[3] + 0.3, abs=1e-3)
    index = next(i for i, entry in enumerate(Scale(baseline()).entries) if entry.feature.name == "oscillation") + 3
    rows[:3, index] = 50.0
    assert learn(rows, JOINTS)["oscillation"].high[3] == 1.0
    with pytest.raises(ValueError, match="never moved"):
        learn(np.full((4, rows.shape[1]), -np.inf), JOINTS)


def test_a_turn_between_two_slots_counts_and_one_after_others_moved_does_not() -> None:
    limits = panda().envelope.joints
    windows = Windows(np.arange(N), limits, PERIOD, 10_000_000)

    def slot(speed: float, mine: bool = True) -> float:
        states = np.repeat(cruise(2, speed)(0.0)[None], 10, axis=0)
        windows.close(states, np.full((10, N), mine), np.zeros(10, dtype=np.bool_))
        return float(windows.window()[4 * N + 2])

    assert [slot(0.1), slot(-0.1), slot(0.1)] == [0.0, 1.0, 2.0]
    slot(0.1, mine=False)
    assert slot(-0.1) == 2.0, "whoever moved it in between has turned it"


def test_slots_and_windows_fit() -> None:
    assert WINDOW % SLOT == 0
    assert len(Scale(baseline()).entries) == 5 * N + 9


# --- in the supervisor


def go_strange(rig: Rig, seconds: float, hertz: float = 4.0) -> None:
    """Stream joint 5 to and fro, inside all limits."""
    start, home, sent = rig.now, rig.output.copy(), 0
    size = 0.4 * ACCELERATION[4] / (2.0 * math.pi * hertz) ** 2

    def each(_: int) -> None:
        nonlocal sent
        if (rig.now - start) * 1e-9 >= sent * 0.01:
            sent += 1
            time = sent * 0.01
            fade = min(1.0, time / 0.3)
            goal = home.copy()
            goal[4] += size * fade**3 * (10 - 15 * fade + 6 * fade**2) * math.sin(2.0 * math.pi * hertz * time)
            rig.stream(goal)

    rig.seconds(seconds, each)


def told(rig: Rig, verdict: str) -> list[Decision]:
    return [one for one in rig.decisions() if one.verdict == verdict]


def score(rig: Rig) -> tuple[str, float, str]:
    return rig.status.anomalies[0]


def test_a_source_that_is_strange_enough_is_cut_off(panda_rigs: Callable[..., Rig]) -> None:
    rig = panda_rigs(watched(stop_at=2.0)).auto()
    rig.clear()
    go_strange(rig, 2.5)
    (first, *_) = [one for one in told(rig, "STOP") if one.code == "E_ANOMALY" and one.detail.startswith("osc")]
    assert first.source == "planner"
    assert JOINTS[4] in first.detail
    assert first.value >= first.limit == 2.0
    assert {one.code for one in told(rig, "REJECT")} <= {"E_QUARANTINED", "E_NOT_MOVING_STATE"}
    rig.seconds(1.0)
    assert rig.state == "LOCKED"
    assert score(rig)[1] >= 2.0, "its score stands until a person resets"
    rig.seconds(HOLD * 1e-9 + 2.0)
    assert score(rig)[1] >= 2.0
    assert rig.act("reset").ok
    rig.seconds(0.2)
    assert score(rig) == ("planner", 0.0, "")
    assert rig.act("start", "auto").ok
    rig.clear()
    rig.move(by=0.2)
    assert not told(rig, "REJECT")


def test_without_stop_at_it_is_only_told(panda_rigs: Callable[..., Rig]) -> None:
    rig = panda_rigs(watched(stop_at=None)).auto()
    go_strange(rig, 2.0)
    assert rig.state == "AUTO/MOVING"
    source, value, why = score(rig)
    assert (source, why.partition(":")[0]) == ("planner", f"oscillation of {JOINTS[4]}")
    assert value > 2.0


def test_a_source_that_moves_nothing_is_cut_off_without_a_stop(panda_rigs: Callable[..., Rig]) -> None:
    """Probing what is refused, below `refusals`: whoever moves the robot meanwhile has done nothing wrong."""
    rig = panda_rigs(watched(stop_at=3.0)).auto()
    rig.clear()

    def each(i: int) -> None:
        if i % (PER_SECOND // 9) == 0:
            rig.stream(rig.output + 1.0)

    rig.seconds(2.0, each)
    assert rig.state == "AUTO/HOLDING"
    assert [one.detail.partition(":")[0] for one in told(rig, "STOP") if one.code == "E_ANOMALY"] == ["refusals"]
    rig.seconds(0.3)
    rig.clear()
    rig.trajectory([1.0], (rig.output + rig.unit(0, 0.1))[None, :], rig.rest, rig.rest)
    assert [one.code for one in told(rig, "REJECT")] == ["E_QUARANTINED"]


def test_slow_jogging_in_recovery_and_manual_is_nobody_s_business(panda_rigs: Callable[..., Rig]) -> None:
    sources = tuple(replace(one, anomaly=settings(1.0)) for one in panda().sources)
    rig = panda_rigs(panda(sources=sources)).manual()
    rig.clear()
    rig.jog(2.0, rig.unit(0, 0.005 * SPEED[0]))
    assert rig.state == "MANUAL"
    assert not told(rig, "STOP")
    assert rig.status.anomalies[1] == ("joystick", 0.0, "")


def test_the_policy_is_told_and_its_verdict_turns(panda_rigs: Callable[..., Rig]) -> None:
    policy = cel('anomaly >= 1.0 ? deny("E_POLICY_LATER") : allow')
    rig = panda_rigs(watched(stop_at=None, policy=policy)).auto()
    rig.clear()
    go_strange(rig, 1.5)
    refused = told(rig, "REJECT")
    assert refused
    assert refused[0].code == "E_POLICY_LATER"
    assert rig.state == "AUTO/HOLDING"


def test_good_work_is_not_strange(panda_rigs: Callable[..., Rig]) -> None:
    rig = panda_rigs(watched(stop_at=1.0)).auto()
    for sign in (1.0, -1.0, 1.0):
        rig.trajectory([2.5], (rig.output + rig.unit(0, 0.3 * sign))[None, :], rig.rest, rig.rest)
        rig.seconds(3.2)
    assert rig.state == "AUTO/HOLDING"
    assert score(rig)[1] < 1.0, score(rig)


def test_a_source_that_is_not_watched_has_no_score(rig: Rig) -> None:
    rig.auto()
    go_strange(rig, 1.5)
    assert rig.status.anomalies == ()
    assert rig.state == "AUTO/MOVING"


def test_the_status_goes_into_the_record(panda_rigs: Callable[..., Rig]) -> None:
    rig = panda_rigs(watched()).auto()
    status = rig.status
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(status), type=Status) == status
    assert status.anomalies == (("planner", 0.0, ""),)
