"""Every cause of a stop, from every state that moves, against the table of causes as the interface states it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
from machines import Machine
from rig import MS, Rig

from safety_supervisor.core.act_events import OperatorAct, StopRequested
from safety_supervisor.core.effects import Actuate
from safety_supervisor.core.events import (
    AdapterFault,
    CommandUnreadable,
    ConfigurationChanged,
    IncompatibleEndpoint,
    JointStateEndpoints,
    JointStates,
    OutputEndpoints,
    RobotDescription,
    SourceEndpoints,
)
from safety_supervisor.core.states.causes import CAUSES

Rigs = Callable[..., Rig]


@dataclass(frozen=True)
class Row:
    """One cause: how it comes about, how it goes, and what the interface says of it (written by hand)."""

    code: str
    cause: Callable[[Rig], object]
    target: str
    category: int
    lasts: bool = False
    """Whether it holds until the world changes, and a reset says so meanwhile."""
    end: Callable[[Rig], object] = lambda rig: None
    states: tuple[str, ...] = ("AUTO/HOLDING", "AUTO/MOVING", "MANUAL", "READY")
    act: str = ""
    """State that its act or device needs."""


def estop(word: str) -> Callable[[Rig], object]:
    return lambda rig: setattr(rig, "estop", word)


def push(rig: Rig, by: float = 0.3) -> None:
    rig.offset[-1] = by


def late(rig: Rig, cycles: int = 1) -> None:
    for _ in range(cycles):
        rig.late = 13_000_000
        rig.cycle()
        rig.late = 0
        rig.now += 3 * rig.period  # the controller ran on into the kept stop meanwhile
        rig.skips = True
        rig.cycle()


def broken_state(rig: Rig) -> None:
    nan = (float("nan"),) * len(rig.names)
    rig.send(JointStates(rig.now, rig.names, nan, (), rig.now + 1, rig.now))


def fast(rig: Rig) -> None:
    rig.measured_velocity = tuple(rig.unit(-1, 1.4 * rig.configuration.envelope.joints.velocity[-1]).tolist())


def slow(rig: Rig) -> None:
    rig.measured_velocity = ()


def refuse(rig: Rig) -> None:
    source = "joystick" if rig.state == "MANUAL" else "planner"
    for _ in range(51):
        rig.send(CommandUnreadable(rig.now, source, "E_TOO_LARGE", 1e6, 1e5, "bytes"))


def drivers(rig: Rig) -> tuple[str, ...]:
    return tuple(publisher.node for publisher in rig.configuration.robot.state_publishers)


def key(word: str) -> Callable[[Rig], object]:
    def turn(rig: Rig) -> None:
        rig.estop_extra = {**rig.estop_extra, "mode_key": word}

    return turn


def fault(code: str) -> Callable[[Rig], object]:
    return lambda rig: rig.send(AdapterFault(rig.now, code, "it broke"))


P, L, F, E = "PROTECTIVE_STOP", "LOCKED", "FAULT", "EMERGENCY_STOP"
MOVES = ("AUTO/HOLDING", "AUTO/MOVING", "MANUAL")
ROWS = [
    Row("E_ESTOP", estop("stop"), E, 1, True, estop("run")),
    Row("E_ESTOP_SILENT", estop("unknown"), E, 1, True, estop("run")),
    Row("E_INTERNAL", fault("E_INTERNAL"), F, 1),
    Row("E_NOT_FINITE_RESULT", fault("E_NOT_FINITE_RESULT"), F, 1, states=("AUTO/MOVING", "READY")),
    Row("E_SECOND_SUPERVISOR", fault("E_SECOND_SUPERVISOR"), F, 1, states=("AUTO/MOVING", "READY")),
    Row("E_SELF_TEST", fault("E_SELF_TEST"), F, 1, states=("AUTO/MOVING", "READY")),
    Row("E_TRACKING", push, F, 1),
    Row(
        "E_OUTPUT_PUBLISHER",
        lambda rig: rig.send(OutputEndpoints(rig.now, ("/rogue",))),
        F,
        1,
        True,
        lambda rig: rig.send(OutputEndpoints(rig.now, ())),
    ),
    Row("E_CONFIGURATION_CHANGED", lambda rig: rig.send(RobotDescription(rig.now, "0" * 64)), F, 1, True),
    Row("E_CONFIGURATION_CHANGED", lambda rig: rig.send(ConfigurationChanged(rig.now, "panda.yaml")), F, 1, True),
    Row("E_LOG", lambda rig: setattr(rig, "log_ok", False), P, 2, True, lambda rig: setattr(rig, "log_ok", True)),
    Row("E_MEASURED_VELOCITY", fast, P, 2, True, slow),
    Row("E_STATE_NOT_FINITE", broken_state, P, 2),
    Row(
        "E_STATE_PUBLISHER",
        lambda rig: rig.send(JointStateEndpoints(rig.now, (*drivers(rig), "/spoof"))),
        P,
        2,
        True,
        lambda rig: rig.send(JointStateEndpoints(rig.now, drivers(rig))),
    ),
    Row(
        "E_INCOMPATIBLE_QOS",
        lambda rig: rig.send(IncompatibleEndpoint(rig.now, "joint_states", "DURABILITY", True)),
        P,
        2,
        True,
    ),
    Row("E_OVERRUN", late, P, 2),
    Row("E_OVERRUNS", lambda rig: late(rig, 3), F, 2, states=("AUTO/MOVING", "MANUAL")),
    Row("E_MODE_CHANGE", lambda rig: rig.act("mode", "auto"), P, 2),
    Row("E_MODE_CHANGE", key("none"), P, 2, act="key"),
    Row(
        "E_ENDPOINT_REPLACED",
        lambda rig: rig.send(SourceEndpoints(rig.now, "planner", 2)),
        P,
        2,
        True,
        lambda rig: rig.send(SourceEndpoints(rig.now, "planner", 1)),
    ),
    Row("E_STOP_REQUEST", lambda rig: rig.send(StopRequested(rig.now, "visitor", "smoke")), P, 2),
    Row("E_REFUSALS", refuse, P, 2, states=MOVES),
    Row(
        "E_ENABLING_SWITCH",
        lambda rig: rig.estop_extra.update(enabling_switch="released"),
        L,
        2,
        states=("MANUAL",),
    ),
    Row(
        "E_ENABLING_SWITCH",
        lambda rig: rig.estop_extra.update(enabling_switch="panicked"),
        L,
        2,
        states=("MANUAL",),
    ),
]
# Where the cause is a course of things, or needs a robot that is outside, it has tests of its own.
ELSEWHERE = {
    "E_COMMISSION",
    "E_SEPARATION",
    "E_BALANCE",
    "E_BALANCE_UNKNOWN",
    "E_BALANCE_BLIND",
    "E_FALL",
    "E_PEOPLE_UNKNOWN",
    "E_BASE_UNKNOWN",
    "E_BASE_JUMP",
    "E_OBSERVED_MOVES",
    "E_ANOMALY",
    "E_RAMP_MISSED",
    "E_STANDSTILL_LEFT",
    "E_MEASURED_POSITION",
    "E_MEASURED_WORKSPACE",
    "E_STATE_STALE",
    "E_HOLD_TO_RUN",
    "E_READY_TIMEOUT",
    "E_IDLE",
    "E_RECOVERY_ENDED",
}


def bring_to(rig: Rig, state: str, act: str) -> Rig:
    """Into one of the states that move or may start to."""
    if act == "key":
        rig.estop_extra = {"mode_key": "manual" if state == "MANUAL" else "auto"}
    if state == "MANUAL":
        rig.estop_extra |= {"enabling_switch": "released", "integrity": "high"}
        rig.ready()
        assert rig.act("start", "manual").ok
        rig.cycle()
        rig.estop_extra = {**rig.estop_extra, "enabling_switch": "middle"}
        rig.cycle(2)
        rig.jog(0.3, rig.unit(0, 0.1))
    elif state == "READY":
        rig.ready()
    else:
        rig.auto()
        if state == "AUTO/MOVING":
            rig.move()
    assert rig.state == state
    return rig


def test_every_cause_has_a_row() -> None:
    device = {rule.code.value for rule in CAUSES if rule.code.value.startswith("E_ESTOP_")}  # test_supervisor_device.py
    assert {row.code for row in ROWS} | ELSEWHERE | device == {rule.code.value for rule in CAUSES}


CASES = [(row, state) for row in ROWS for state in row.states]


@pytest.mark.requirement("SR-012")
@pytest.mark.requirement("SR-013")
@pytest.mark.requirement("SR-036")
@pytest.mark.parametrize(("row", "state"), CASES, ids=[f"{i}-{r.code}-{s}" for i, (r, s) in enumerate(CASES)])
def test_cause(rigs: Rigs, row: Row, state: str) -> None:
    rig = bring_to(rigs(), state, row.act)
    before = len(rig.history)
    row.cause(rig)
    rig.cycle()
    # At rest the standstill is confirmed within the same cycle.
    resting = () if state in ("AUTO/MOVING", "MANUAL") else (row.target, L)
    assert rig.state in ("STOPPING", *resting), (rig.state, rig.status.cause)
    assert rig.status.cause == row.code
    hard = row.category == 1 or row.target in (E, F)
    assert rig.relays_open is hard, "category 1, EMERGENCY_STOP and FAULT demand STOP of the relays at once"
    latched = {E: (True, ""), F: (False, row.code)}.get(row.target, (False, ""))
    assert rig.latches == latched
    if rig.state == "STOPPING":
        assert not rig.act("reset").ok, "requests made while stopping are dropped"
    if rig.state == "STOPPING":
        rig.until(row.target)
    rig.cycle(3)
    assert rig.state == {P: L}.get(row.target, row.target), "PROTECTIVE_STOP ends in LOCKED at standstill"
    assert rig.status.cause == row.code
    sent = [one.positions for _, _, effects in rig.ticks[-3:] for one in effects if isinstance(one, Actuate)]
    assert len(set(sent)) <= 1, "at standstill nothing moves"
    assert rig.relays_open is (row.target in (E, F))
    # What reset says meanwhile, and the way out.
    reply = rig.act("reset")
    if row.target in (E, F):
        assert (reply.ok, reply.code) == (False, "E_ACT_STATE")
    elif row.lasts:
        assert (reply.ok, reply.code) == (False, "E_ACT_CAUSE")
        assert row.code in reply.message
        row.end(rig)
        rig.cycle(3)
        assert rig.act("reset").ok or row.code == "E_INCOMPATIBLE_QOS"
    else:
        assert reply.ok, reply
    if row.target == F:
        row.end(rig)
        rig.cycle(2)
        assert rig.act("maintainer").ok
        assert rig.state == "INIT"
    assert all(type(effect).__name__ != "Actuate" or state != "INIT" for effect in rig.history[before:])


# One of each kind: category, target, lasting or not.
SECOND = [
    row
    for row in ROWS
    if row.code
    in ("E_ESTOP", "E_SELF_TEST", "E_TRACKING", "E_OUTPUT_PUBLISHER", "E_LOG", "E_STATE_NOT_FINITE", "E_OVERRUNS")
]


@pytest.mark.requirement("SR-009")
@pytest.mark.parametrize("second", SECOND, ids=lambda row: row.code)
@pytest.mark.parametrize("first", ["E_STOP_REQUEST", "E_ESTOP", "E_INTERNAL"])
def test_severity_never_decreases(rigs: Rigs, first: str, second: Row) -> None:
    """A second cause in the middle of a stop: the harder target and the harder category hold."""
    rig = rigs().auto().move()
    row = next(r for r in ROWS if r.code == first)
    row.cause(rig)
    rig.cycle(2)
    assert rig.state == "STOPPING"
    demanded = rig.relays_open
    second.cause(rig)
    rig.cycle(2)
    order = (L, P, E, F)
    hardest = max(row.target, second.target, key=order.index)
    assert rig.relays_open or not demanded
    rig.until(hardest)
    # Silence during an emergency stop, and the like, never lead to anything softer.
    seen = [e.state for e in rig.history if type(e).__name__ == "Status"]
    after = seen[seen.index("STOPPING") :]
    assert "AUTO/MOVING" not in after
    assert "READY" not in after


@pytest.mark.requirement("SR-006")
@pytest.mark.parametrize("order", ["stop first", "start first"])
def test_a_stop_beats_a_start_of_the_same_cycle(rigs: Rigs, order: str) -> None:
    rig = rigs().ready()
    start = OperatorAct(rig.now, "start", "technician", "auto", -1, "go")
    stop = StopRequested(rig.now, "visitor", "", "halt")
    for event in (stop, start) if order == "stop first" else (start, stop):
        rig.send(event)
    assert rig.state == "STOPPING"
    rig.stream(rig.home + 0.001)
    assert rig.decisions()[-1].code == "E_NOT_MOVING_STATE"
    rig.until(L)
    assert np.ptp(rig.outputs, axis=0).max() == 0.0


@pytest.mark.requirement("SR-006")
@pytest.mark.requirement("SR-001")
def test_an_e_stop_beats_a_start_of_the_same_cycle(rigs: Rigs) -> None:
    rig = rigs().ready()
    rig.act("start", "auto")
    rig.estop = "stop"
    rig.cycle()
    assert (rig.state, rig.status.cause) == (E, "E_ESTOP")
    assert rig.relays_open


@pytest.mark.requirement("SR-013")
@pytest.mark.requirement("SR-014")
def test_a_stop_purges_what_waits_and_drops_what_comes(rigs: Rigs) -> None:
    rig = rigs().auto()
    goal = rig.home.copy()
    goal[0] += 0.5
    rig.trajectory([2.0], goal[None, :], rig.rest, rig.rest, frame_id="cid:waiting")
    rig.send(StopRequested(rig.now, "visitor", ""))
    purged = [d for d in rig.decisions("REJECT") if d.command == "waiting"]
    assert [d.code for d in purged] == ["E_PURGED"], "a trajectory under verification is told"
    rig.stream(rig.home, frame_id="cid:late")
    assert rig.decisions()[-1].code == "E_NOT_MOVING_STATE"
    for act in ("reset", "start", "recover", "maintainer"):
        assert not rig.act(act, "auto").ok
    rig.until(L)
    assert rig.act("reset").ok
    assert rig.act("start", "auto").ok
    rig.seconds(1.0)
    assert np.ptp(rig.outputs, axis=0).max() == 0.0, "old commands are gone for good"


@pytest.mark.redteam(52)
def test_a_flood_of_stops_acts_and_costs_nothing(rigs: Rigs) -> None:
    rig = rigs().auto().move()
    rig.clear()
    for i in range(500):
        rig.send(StopRequested(rig.now, "anyone", "x", f"s{i}"))
    assert rig.state == "STOPPING"
    assert len(rig.effects) < 10, "repeats change nothing and say nothing"
    rig.cycle()
    replies = [e for e in rig.effects if type(e).__name__ == "Reply"]
    assert [r.request for r in replies] == [f"s{i}" for i in range(500)]
    assert all(r.ok for r in replies)
    rig.until(L)
    again = len(rig.history)
    for _ in range(100):
        rig.send(StopRequested(rig.now, "anyone", "x"))
    told = [type(effect).__name__ for effect in rig.history[again:]]
    assert sorted(told) == ["Decision", "Status"], "once a second: acts that were signed before are old"
    assert rig.act("reset").ok
    rig.send(StopRequested(rig.now, "anyone", "x"))
    assert rig.state == "STOPPING", "the next one stops again"


def test_the_answer_to_a_stop_follows_the_set_point(rigs: Rigs) -> None:
    rig = rigs().auto().move()
    at_once = rig.send(StopRequested(rig.now, "panel", "", "s"))
    assert "Reply" not in [type(e).__name__ for e in at_once]
    rig.cycle()
    kinds = [type(e).__name__ for e in rig.ticks[-1][2]]
    assert kinds.index("Actuate") < kinds.index("Reply")


@pytest.mark.requirement("SR-007")
def test_every_stop_ends_in_bounded_time(rigs: Rigs) -> None:
    """From 2 rad/s: the ramp, the lag, the window of the standstill."""
    for part in (0.3, 0.7, 1.0, 1.5):
        rig = rigs().auto().move(part)
        rig.send(StopRequested(rig.now, "panel", ""))
        rig.until(P, limit=0.2 + 0.3 + 0.05)


@pytest.mark.requirement("SR-007")
@pytest.mark.parametrize("runs_on", [False, True])
def test_a_ramp_that_nobody_could_watch_is_missed_only_by_a_robot_that_still_moves(rigs: Rigs, runs_on: bool) -> None:
    rig = rigs().auto().move(1.0)
    rig.send(StopRequested(rig.now, "panel", ""))
    rig.cycle(1)
    # No cycle for 1.5 s; meanwhile the controller ran on along the kept stop.
    rig._pipeline.clear()
    rig.robot = rig.supervisor._motion.kept.end.copy()
    rig.skips = True
    rig.late = 1500 * MS
    rig.now += rig.late
    rig.send(JointStates(rig.now, rig.names, tuple(rig.robot.tolist()), (), rig.now, rig.now))
    rig.estop_received = rig.now
    rig.now -= rig.late
    rig.measure = False
    rig.cycle(1)
    rig.measure, rig.estop_received = True, None
    rig.now += rig.late
    rig.late = 0
    assert rig.relays_open, "the standstill is overdue"

    def creep(_: int) -> None:
        rig.offset[-1] += 0.0004 * runs_on

    rig.seconds(0.7, creep)
    assert rig.latches == (False, "E_RAMP_MISSED" if runs_on else "")
    assert rig.state == ("STOPPING" if runs_on else "LOCKED")
    assert rig.relays_open is runs_on


@pytest.mark.requirement("SR-007")
def test_a_robot_that_runs_on_misses_the_ramp(rigs: Rigs) -> None:
    rig = rigs().auto().move()
    rig.send(StopRequested(rig.now, "panel", ""))
    rig.cycle()
    assert not rig.relays_open

    def creep(_: int) -> None:
        rig.offset[-1] += 0.0004

    for _ in range(300):
        rig.cycle(1, creep)
        if rig.relays_open:
            break
    assert rig.latches == (False, "E_RAMP_MISSED")
    assert rig.state == "STOPPING", "the robot still moves: no state says that it rests"
    rig.until(F)
    assert rig.relays_open


@pytest.mark.requirement("SR-007")
@pytest.mark.requirement("SR-036")
def test_a_stop_that_nobody_measures_is_never_confirmed(rigs: Rigs) -> None:
    rig = rigs().auto().move()
    rig.send(StopRequested(rig.now, "panel", ""))
    rig.measure = False
    rig.seconds(3.0)
    assert rig.state == "STOPPING"
    assert rig.relays_open
    assert rig.latches == (False, "")
    assert "E_STATE_STALE" in rig.status.active_causes
    rig.measure = True
    rig.until(L)
    assert rig.act("reset").ok


@pytest.mark.requirement("SR-029")
def test_stale_joint_states_stop(rigs: Rigs) -> None:
    rig = rigs().auto().move()
    rig.measure = False
    rig.cycle(24)
    assert rig.state == "AUTO/MOVING", "100 ms are allowed"
    rig.cycle(2)
    assert (rig.state, rig.status.cause) == ("STOPPING", "E_STATE_STALE")
    assert "E_STATE_STALE" in rig.status.active_causes
    rig.measure = True
    rig.until(L)
    rig.measure = False
    rig.cycle(30)
    reply = rig.act("reset")
    assert (reply.ok, reply.code) == (False, "E_ACT_CAUSE")
    assert "E_STATE_STALE" in reply.message


@pytest.mark.requirement("SR-038")
@pytest.mark.redteam(49)
def test_the_third_overrun_within_an_hour_is_a_fault(rigs: Rigs) -> None:
    rig = rigs().auto()
    for _ in range(2):
        late(rig)
        rig.until(L)
        assert rig.status.cause == "E_OVERRUN"
        assert rig.act("reset").ok
        assert rig.act("start", "auto").ok
        rig.cycle(2)
    late(rig)
    rig.until(F)
    assert rig.latches == (False, "E_OVERRUNS")


@pytest.mark.requirement("SR-031")
@pytest.mark.requirement("SR-038")
def test_the_decision_on_an_overrun_says_how_late_and_how_much_is_allowed(rigs: Rigs) -> None:
    def stopped(code: str) -> tuple[float, float, float]:
        decision = rig.decisions("STOP")[-1]
        assert decision.code == code
        return decision.value, decision.limit, decision.margin

    rig = rigs().auto()
    for milliseconds in (13, 20):
        rig.move()
        rig.late = milliseconds * 1_000_000
        rig.cycle()
        rig.late = 0
        rig.now += milliseconds // 4 * rig.period
        rig.skips = True
        assert stopped("E_OVERRUN") == pytest.approx((milliseconds / 1000, 0.012, 0.012 - milliseconds / 1000))
        rig.until(L)
        assert rig.act("reset").ok
        assert rig.act("start", "auto").ok
        rig.cycle(2)
    rig.move()
    late(rig)
    assert stopped("E_OVERRUNS") == (3.0, 2.0, -1.0)


@pytest.mark.requirement("SR-038")
def test_two_overruns_an_hour_apart_and_short_lateness_are_no_fault(rigs: Rigs) -> None:
    rig = rigs().auto()
    rig.late = 3_900_000
    rig.cycle(50)
    assert rig.state == "AUTO/HOLDING"
    rig.late = 0
    for _ in range(3):
        late(rig)
        rig.until(L)
        rig.now += 1_801_000_000_000
        rig.cycle(60)
        rig.until(L)
        assert rig.act("reset").ok
        assert rig.act("start", "auto").ok
        rig.cycle(2)
    assert rig.latches == (False, "")


@pytest.mark.requirement("SR-016")
def test_a_ready_robot_that_nobody_starts_is_locked(rigs: Rigs, machine: Machine) -> None:
    rig = rigs(timing=replace(machine.configuration.timing, ready_timeout=400_000_000)).ready()
    rig.seconds(0.38)
    assert rig.state == "READY"
    rig.seconds(0.03)
    assert (rig.state, rig.status.cause) == (L, "E_READY_TIMEOUT")
    assert not rig.act("start", "auto").ok


def test_idle_locks(rigs: Rigs, machine: Machine) -> None:
    timing = replace(machine.configuration.timing, idle=400_000_000, manual_idle=400_000_000)
    rig = rigs(timing=timing).auto()
    rig.move(0.5, duration=0.9)
    rig.seconds(0.7)
    assert rig.state == "AUTO/HOLDING"
    rig.seconds(0.2)
    assert (rig.state, rig.status.cause) == (L, "E_IDLE")
    person = rigs(timing=timing).manual()
    person.jog(0.3, rig.unit(0, 0.05))
    person.seconds(0.3)
    assert person.state == "MANUAL"
    person.seconds(0.3)
    person.until(L)
    assert person.status.cause == "E_IDLE"
