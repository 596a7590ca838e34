"""Every state with every call, against a table written by hand from the interface description."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from transitions import Machine, MachineError

from safety_supervisor.core.errors import Code
from safety_supervisor.core.settings import SourceKind
from safety_supervisor.core.states.causes import CAUSE_OF, CAUSES
from safety_supervisor.core.states.safety_state import NO_STOP, SafetyState
from safety_supervisor.core.states.state_table import TRANSITIONS, State, Trigger

Act = Callable[[SafetyState, int], bool]


def stop(code: Code) -> Act:
    return lambda safety, now: safety.stop(CAUSE_OF[code], now)


ACTS: dict[str, Act] = {
    "stop estop": stop(Code.ESTOP),
    "stop estop silent": stop(Code.ESTOP_SILENT),
    "stop tracking": stop(Code.TRACKING),
    "stop overruns": stop(Code.OVERRUNS),
    "stop state stale": stop(Code.STATE_STALE),
    "stop request": stop(Code.STOP_REQUEST),
    "stop hold-to-run": stop(Code.HOLD_TO_RUN),
    "standstill": lambda safety, now: safety.standstill(now),
    "reset": lambda safety, now: safety.reset(now),
    "start auto": lambda safety, now: safety.start("auto", now),
    "start manual": lambda safety, now: safety.start("manual", now),
    "start unknown": lambda safety, now: safety.start("AUTO", now),  # type: ignore[arg-type]
    "moving": lambda safety, now: safety.moving(now),
    "holding": lambda safety, now: safety.holding(now, Code.LATE),
    "reduce": lambda safety, now: safety.reduce(now),
    "restore": lambda safety, now: safety.restore(now),
    "expire": lambda safety, now: safety.expire(now, Code.IDLE),
    "estop released": lambda safety, now: safety.estop_released(now),
    "maintained": lambda safety, now: safety.maintained(now),
    "recover": lambda safety, now: safety.recover(now),
    "initialised": lambda safety, now: safety.initialised(now, False, None),
    "initialised, e-stop": lambda safety, now: safety.initialised(now, True, None),
    "initialised, fault": lambda safety, now: safety.initialised(now, False, Code.RAMP_MISSED),
    "initialised, both": lambda safety, now: safety.initialised(now, True, Code.RAMP_MISSED),
}

READY = ["initialised", "reset"]
AUTO = [*READY, "start auto"]
MOVING = [*AUTO, "moving"]

# The way to each situation, from INIT.
ROUTES: dict[str, list[str]] = {
    "INIT": [],
    "LOCKED": ["initialised"],
    "READY": READY,
    "MANUAL": [*READY, "start manual"],
    "AUTO/MOVING": MOVING,
    "AUTO/HOLDING": AUTO,
    "AUTO/REDUCED": [*MOVING, "reduce"],
    "STOPPING 2 LOCKED": [*MOVING, "stop hold-to-run"],
    "STOPPING 2 PROTECTIVE_STOP": [*MOVING, "stop request"],
    "STOPPING 2 FAULT": [*MOVING, "stop overruns"],
    "STOPPING 1 EMERGENCY_STOP": [*MOVING, "stop estop"],
    "STOPPING 1 FAULT": [*MOVING, "stop tracking"],
    "PROTECTIVE_STOP": [*MOVING, "stop request", "standstill"],
    "EMERGENCY_STOP": [*MOVING, "stop estop", "standstill"],
    "FAULT": [*MOVING, "stop tracking", "standstill"],
    "RECOVERY": ["initialised", "recover"],
}

# Expectations: state (while STOPPING also category and target), then the cause. What is not listed changes nothing.
FROM_MOTION = {
    "stop estop": "STOPPING 1 EMERGENCY_STOP E_ESTOP",
    "stop estop silent": "STOPPING 1 EMERGENCY_STOP E_ESTOP_SILENT",
    "stop tracking": "STOPPING 1 FAULT E_TRACKING",
    "stop overruns": "STOPPING 2 FAULT E_OVERRUNS",
    "stop state stale": "STOPPING 2 PROTECTIVE_STOP E_STATE_STALE",
    "stop request": "STOPPING 2 PROTECTIVE_STOP E_STOP_REQUEST",
    "stop hold-to-run": "STOPPING 2 LOCKED E_HOLD_TO_RUN",
}
FROM_REST = {
    "stop estop": "EMERGENCY_STOP E_ESTOP",
    "stop estop silent": "EMERGENCY_STOP E_ESTOP_SILENT",
    "stop tracking": "FAULT E_TRACKING",
    "stop overruns": "FAULT E_OVERRUNS",
}
EXPECTED: dict[str, dict[str, str]] = {
    "INIT": {
        **FROM_REST,
        "initialised": "LOCKED E_RESTARTED",
        "initialised, e-stop": "EMERGENCY_STOP E_ESTOP",
        "initialised, fault": "FAULT E_RAMP_MISSED",
        "initialised, both": "FAULT E_RAMP_MISSED",
    },
    "LOCKED": {**FROM_REST, "reset": "READY", "recover": "RECOVERY E_RESTARTED"},
    "READY": {**FROM_MOTION, "start auto": "AUTO/HOLDING", "start manual": "MANUAL", "expire": "LOCKED E_IDLE"},
    "MANUAL": {**FROM_MOTION},
    "AUTO/MOVING": {**FROM_MOTION, "holding": "AUTO/HOLDING E_LATE", "reduce": "AUTO/REDUCED"},
    "AUTO/HOLDING": {**FROM_MOTION, "moving": "AUTO/MOVING", "reduce": "AUTO/REDUCED", "expire": "LOCKED E_IDLE"},
    "AUTO/REDUCED": {
        **FROM_MOTION,
        "restore": "AUTO/MOVING",
        "expire": "LOCKED E_IDLE",
    },
    "STOPPING 2 LOCKED": {
        "stop estop": "STOPPING 1 EMERGENCY_STOP E_ESTOP",
        "stop estop silent": "STOPPING 1 EMERGENCY_STOP E_ESTOP_SILENT",
        "stop tracking": "STOPPING 1 FAULT E_TRACKING",
        "stop overruns": "STOPPING 2 FAULT E_OVERRUNS",
        "stop state stale": "STOPPING 2 PROTECTIVE_STOP E_STATE_STALE",
        "stop request": "STOPPING 2 PROTECTIVE_STOP E_STOP_REQUEST",
        "standstill": "LOCKED E_HOLD_TO_RUN",
    },
    "STOPPING 2 PROTECTIVE_STOP": {
        "stop estop": "STOPPING 1 EMERGENCY_STOP E_ESTOP",
        "stop estop silent": "STOPPING 1 EMERGENCY_STOP E_ESTOP_SILENT",
        "stop tracking": "STOPPING 1 FAULT E_TRACKING",
        "stop overruns": "STOPPING 2 FAULT E_OVERRUNS",
        "standstill": "PROTECTIVE_STOP E_STOP_REQUEST",
    },
    "STOPPING 2 FAULT": {
        # The e-stop makes the stop harder, but never takes a fault away from the maintainer.
        "stop estop": "STOPPING 1 FAULT E_OVERRUNS",
        "stop estop silent": "STOPPING 1 FAULT E_OVERRUNS",
        "stop tracking": "STOPPING 1 FAULT E_TRACKING",
        "standstill": "FAULT E_OVERRUNS",
    },
    "STOPPING 1 EMERGENCY_STOP": {
        "stop tracking": "STOPPING 1 FAULT E_TRACKING",
        "stop overruns": "STOPPING 1 FAULT E_OVERRUNS",
        "standstill": "EMERGENCY_STOP E_ESTOP",
    },
    "STOPPING 1 FAULT": {"standstill": "FAULT E_TRACKING"},
    "PROTECTIVE_STOP": {**FROM_REST, "standstill": "LOCKED E_STOP_REQUEST", "recover": "RECOVERY E_STOP_REQUEST"},
    "EMERGENCY_STOP": {
        "stop tracking": "FAULT E_TRACKING",
        "stop overruns": "FAULT E_OVERRUNS",
        "estop released": "LOCKED E_ESTOP",
    },
    "FAULT": {"maintained": "INIT"},
    "RECOVERY": {**FROM_MOTION},
}


def reach(situation: str) -> SafetyState:
    """Walk the route, one act each 10 ns, every one of which must be taken."""
    safety = SafetyState()
    for step, name in enumerate(ROUTES[situation], start=1):
        assert ACTS[name](safety, 10 * step), (situation, name)
    return safety


def snapshot(safety: SafetyState) -> tuple[object, ...]:
    return (
        safety.state,
        safety.cause,
        safety.category,
        safety.target,
        safety.epoch,
        safety.since,
        safety.permits_motion,
    )


def spell(safety: SafetyState) -> str:
    """State, what stops and the cause, as in EXPECTED."""
    words = [safety.state.value]
    if safety.state is State.STOPPING:
        words += [str(safety.category), safety.target.value]
    else:
        assert (safety.category, safety.target) == (NO_STOP, safety.state)
    return " ".join([*words, safety.cause.value] if safety.cause else words)


def test_the_table_below_speaks_of_every_state_and_only_of_known_calls() -> None:
    assert {situation.split()[0] for situation in ROUTES} == {state.value for state in State}
    assert EXPECTED.keys() == ROUTES.keys()
    assert set().union(*EXPECTED.values()) <= ACTS.keys()


@pytest.mark.requirement("SR-001")
@pytest.mark.requirement("SR-009")
@pytest.mark.requirement("SR-014")
@pytest.mark.parametrize("situation", ROUTES)
@pytest.mark.parametrize("act", ACTS)
def test_every_state_with_every_call(situation: str, act: str) -> None:
    safety = reach(situation)
    before = snapshot(safety)
    epoch = safety.epoch
    taken = ACTS[act](safety, 1_000)
    wanted = EXPECTED[situation].get(act)
    assert taken is (wanted is not None)
    if wanted is None:
        assert snapshot(safety) == before
    else:
        assert spell(safety) == wanted
        assert (safety.epoch, safety.since) == (epoch + 1, 1_000)


# --- what the table means --------------------------------------------------------------------------------------


@pytest.mark.requirement("SR-001")
@pytest.mark.parametrize("situation", ROUTES)
def test_after_an_estop_nothing_permits_motion_and_the_way_ends_latched(situation: str) -> None:
    safety = reach(situation)
    safety.stop(CAUSE_OF[Code.ESTOP], 1_000)
    assert not safety.permits_motion
    assert safety.target in (State.EMERGENCY_STOP, State.FAULT)
    if safety.state is State.STOPPING:
        safety.standstill(1_001)
    assert safety.state is safety.target


@pytest.mark.requirement("SR-006")
@pytest.mark.parametrize("code", [rule.code for rule in CAUSES])
@pytest.mark.parametrize("mode", ["start auto", "start manual"])
def test_a_start_in_the_cycle_of_a_stop_is_refused(code: Code, mode: str) -> None:
    safety = reach("READY")
    assert safety.stop(CAUSE_OF[code], 1_000)
    after_stop = snapshot(safety)
    assert not ACTS[mode](safety, 1_000)
    assert not safety.reset(1_000)
    assert not safety.moving(1_000)
    assert snapshot(safety) == after_stop


@pytest.mark.requirement("SR-010")
@pytest.mark.requirement("SR-016")
@pytest.mark.redteam(40)
def test_from_boot_to_motion_there_are_two_acts_and_the_reset_alone_moves_nothing() -> None:
    safety = SafetyState()
    passed = []
    for act in ("initialised", "reset", "start auto", "moving"):
        if act != "moving":
            assert not safety.moving(1), "no command moves the robot before the start"
        assert ACTS[act](safety, 1)
        passed.append((safety.state.value, safety.permits_motion, safety.permits(SourceKind.AGENT)))
    assert passed == [
        ("LOCKED", False, False),
        ("READY", False, False),
        ("AUTO/HOLDING", True, True),
        ("AUTO/MOVING", True, True),
    ]


@pytest.mark.requirement("SR-004")
@pytest.mark.requirement("SR-003")
def test_a_released_estop_ends_locked_and_needs_reset_and_start() -> None:
    safety = reach("EMERGENCY_STOP")
    for act in ("reset", "start auto", "start manual", "recover", "standstill", "maintained", "initialised"):
        assert not ACTS[act](safety, 1_000)
    assert safety.estop_released(1_000)
    assert safety.state is State.LOCKED
    assert not safety.permits_motion
    assert not safety.start("auto", 1_000)


@pytest.mark.requirement("SR-047")
@pytest.mark.redteam(41)
@pytest.mark.parametrize(
    ("emergency_stop", "fault", "state"),
    [
        (False, None, State.LOCKED),
        (True, None, State.EMERGENCY_STOP),
        (False, Code.TRACKING, State.FAULT),
        (True, Code.TRACKING, State.FAULT),
    ],
)
def test_a_restart_clears_no_latch_and_permits_no_motion(
    emergency_stop: bool, fault: Code | None, state: State
) -> None:
    safety = SafetyState()
    assert safety.initialised(1, emergency_stop, fault)
    assert safety.state is state
    assert not safety.permits_motion
    assert not safety.start("auto", 2)
    assert safety.reset(2) is (state is State.LOCKED)


@pytest.mark.requirement("SR-047")
def test_a_maintained_fault_still_finds_the_latched_estop() -> None:
    safety = reach("FAULT")
    assert safety.maintained(1_000)
    assert safety.initialised(1_001, True, None)
    assert safety.state is State.EMERGENCY_STOP


@pytest.mark.requirement("SR-018")
@pytest.mark.parametrize("situation", ["MANUAL", "AUTO/MOVING", "AUTO/HOLDING", "AUTO/REDUCED", "READY", "RECOVERY"])
def test_a_mode_change_stops(situation: str) -> None:
    safety = reach(situation)
    assert safety.stop(CAUSE_OF[Code.MODE_CHANGE], 1_000)
    assert spell(safety) == "STOPPING 2 PROTECTIVE_STOP E_MODE_CHANGE"


@pytest.mark.requirement("SR-054")
def test_a_late_command_holds_and_the_next_one_resumes_without_a_person() -> None:
    safety = reach("AUTO/MOVING")
    assert safety.holding(1_000, Code.LATE)
    assert safety.moving(1_001)
    assert spell(safety) == "AUTO/MOVING"


@pytest.mark.requirement("SR-009")
def test_a_stop_only_ever_gets_harder() -> None:
    safety = reach("AUTO/MOVING")
    seen = []
    asked = [Code.HOLD_TO_RUN, Code.STOP_REQUEST, Code.HOLD_TO_RUN, Code.LOG, Code.ESTOP, Code.STOP_REQUEST]
    for code in (*asked, Code.OVERRUNS, Code.ESTOP, Code.TRACKING):
        safety.stop(CAUSE_OF[code], 1_000)
        seen.append(spell(safety).removeprefix("STOPPING "))
    assert seen == [
        "2 LOCKED E_HOLD_TO_RUN",
        "2 PROTECTIVE_STOP E_STOP_REQUEST",
        "2 PROTECTIVE_STOP E_STOP_REQUEST",
        "2 PROTECTIVE_STOP E_STOP_REQUEST",
        "1 EMERGENCY_STOP E_ESTOP",
        "1 EMERGENCY_STOP E_ESTOP",
        "1 FAULT E_OVERRUNS",
        "1 FAULT E_OVERRUNS",
        "1 FAULT E_OVERRUNS",
    ]


class _Position:
    """What the machine moves."""

    state: State
    trigger: Callable[[str], bool]


@pytest.mark.requirement("SR-009")
def test_another_machine_that_runs_the_table_goes_the_same_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """`transitions.Machine`: from every state by every trigger, and along random acts."""
    position = _Position()
    rows = [{"trigger": row.trigger.value, "source": list(row.sources), "dest": row.target} for row in TRANSITIONS]
    machine = Machine(position, State, initial=State.INIT, transitions=rows, auto_transitions=False)

    def fire(trigger: Trigger) -> bool:
        try:
            return position.trigger(trigger.value)
        except MachineError:
            return False

    for state in State:
        for trigger in Trigger:
            safety = SafetyState()
            safety.state = state
            machine.set_state(state, position)
            assert fire(trigger) is safety._take(trigger, 1, None)
            assert position.state is safety.state
    take, fired = SafetyState._take, [0]

    def both(self: SafetyState, trigger: Trigger, *rest: Any) -> bool:
        taken = take(self, trigger, *rest)
        assert fire(trigger) is taken
        fired[0] += taken
        return taken

    monkeypatch.setattr(SafetyState, "_take", both)
    random, names = Random(3), sorted(ACTS)
    for _ in range(200):
        safety = SafetyState()
        machine.set_state(State.INIT, position)
        for now in range(30):
            ACTS[random.choice(names)](safety, now)
            assert position.state is safety.state
    assert fired[0] > 500


def test_who_may_move_the_robot() -> None:
    agents = {"AUTO/MOVING", "AUTO/HOLDING", "AUTO/REDUCED"}
    people = {*agents, "MANUAL", "RECOVERY"}
    for situation in ROUTES:
        safety = reach(situation)
        assert safety.permits(SourceKind.AGENT) is (situation in agents), situation
        assert safety.permits(SourceKind.PERSON) is (situation in people), situation
        assert safety.permits_motion is (situation in people), situation


def test_bump_counts_without_a_transition() -> None:
    safety = reach("READY")
    before = snapshot(safety)
    safety.bump()
    assert safety.epoch == before[4] + 1  # type: ignore[operator]
    assert snapshot(safety)[:4] == before[:4]
    assert safety.since == before[5]


@pytest.mark.requirement("SR-034")
@pytest.mark.parametrize("situation", ["LOCKED", "PROTECTIVE_STOP"])
def test_a_robot_that_would_fall_is_brought_down_before_an_emergency_stop_or_a_fault(situation: str) -> None:
    for act, stopping in (
        ("stop estop", "STOPPING 1 EMERGENCY_STOP E_ESTOP"),
        ("stop tracking", "STOPPING 1 FAULT E_TRACKING"),
    ):
        safety = reach(situation)
        safety.lowers = True
        assert not ACTS["stop request"](safety, 1_000)
        assert ACTS[act](safety, 1_000)
        assert spell(safety) == stopping
        assert not any(ACTS[other](safety, 1_001) for other in ("reset", "recover", "estop released", "maintained"))


# --- any sequence ----------------------------------------------------------------------------------------------

HARDNESS = ("LOCKED", "PROTECTIVE_STOP", "EMERGENCY_STOP", "FAULT")
MOVES = {"MANUAL", "AUTO/MOVING", "AUTO/HOLDING", "AUTO/REDUCED", "RECOVERY"}


class AnySequence(RuleBasedStateMachine):
    """Calls in any order; each is judged by what was before and after."""

    def __init__(self) -> None:
        super().__init__()
        self.safety = SafetyState()
        self.now = 0
        self.persons = 0

    @rule(act=st.one_of(st.sampled_from(sorted(ACTS)), st.sampled_from([r.code for r in CAUSES])))
    def call(self, act: str | Code) -> None:
        safety = self.safety
        self.now += 1
        state, category, target, epoch = safety.state, safety.category, safety.target, safety.epoch
        before = snapshot(safety)
        chosen = stop(act) if isinstance(act, Code) else ACTS[act]
        taken = chosen(safety, self.now)
        assert safety.epoch == epoch + taken
        assert taken or snapshot(safety) == before
        if not taken:
            return
        assert safety.since == self.now
        if state is State.STOPPING and safety.state is State.STOPPING:
            assert safety.category <= category
            assert HARDNESS.index(safety.target) >= HARDNESS.index(target)
        if state is State.STOPPING and safety.state is not State.STOPPING:
            assert (act, safety.state) == ("standstill", target)
        if state is State.EMERGENCY_STOP:
            assert act == "estop released" or safety.state is State.FAULT
        if state is State.FAULT:
            assert (act, safety.state) == ("maintained", State.INIT)
        if safety.state in MOVES and state not in MOVES:
            assert act in ("start auto", "start manual", "recover")

    @invariant()
    def consistent(self) -> None:
        assert self.safety.permits_motion is (self.safety.state in MOVES)
        assert (self.safety.state is State.STOPPING) is (self.safety.category != NO_STOP)


AnySequence.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
test_any_sequence = pytest.mark.requirement("SR-009")(AnySequence.TestCase)
