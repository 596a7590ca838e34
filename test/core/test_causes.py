"""The table of causes against the interface description, transcribed by hand."""

from __future__ import annotations

import inspect
import re

import pytest

from safety_supervisor.core import errors
from safety_supervisor.core.errors import Code
from safety_supervisor.core.states.causes import CAUSE_OF, CAUSES, by_hardness
from safety_supervisor.core.states.state_table import State

# Category and target of each row of the interface description, in its order.
TABLE = """
1 EMERGENCY_STOP   E_ESTOP E_ESTOP_SILENT
1 EMERGENCY_STOP   E_ESTOP_DISCREPANCY E_ESTOP_VALUE E_ESTOP_CORRUPTED E_ESTOP_LOST E_ESTOP_STALE E_ESTOP_PEER
1 EMERGENCY_STOP   E_ESTOP_RESTARTED E_ESTOP_PORT E_ESTOP_RELAYS
1 FAULT            E_FALL E_BALANCE_BLIND
1 FAULT            E_INTERNAL E_NOT_FINITE_RESULT E_SECOND_SUPERVISOR E_STANDSTILL_LEFT E_SELF_TEST E_ESTOP_SELF_TEST
1 FAULT            E_RAMP_MISSED E_TRACKING
1 FAULT            E_OUTPUT_PUBLISHER
1 FAULT            E_CONFIGURATION_CHANGED
2 PROTECTIVE_STOP  E_LOG
2 PROTECTIVE_STOP  E_MEASURED_POSITION E_MEASURED_WORKSPACE E_SEPARATION E_MEASURED_VELOCITY
2 PROTECTIVE_STOP  E_STATE_NOT_FINITE E_STATE_STALE E_STATE_PUBLISHER E_INCOMPATIBLE_QOS
2 PROTECTIVE_STOP  E_OBSERVED_MOVES
2 PROTECTIVE_STOP  E_BALANCE E_BALANCE_UNKNOWN E_PEOPLE_UNKNOWN
2 PROTECTIVE_STOP  E_BASE_UNKNOWN E_BASE_JUMP
2 PROTECTIVE_STOP  E_COMMISSION
2 PROTECTIVE_STOP  E_OVERRUN
2 FAULT            E_OVERRUNS
2 LOCKED           E_ENABLING_SWITCH E_HOLD_TO_RUN
2 PROTECTIVE_STOP  E_MODE_CHANGE E_ENDPOINT_REPLACED E_STOP_REQUEST
2 PROTECTIVE_STOP  E_REFUSALS E_ANOMALY
2 LOCKED           E_READY_TIMEOUT E_IDLE E_RECOVERY_ENDED
"""
EXPECTED = [
    (code, int(category), target)
    for category, target, *codes in (line.split() for line in TABLE.strip().splitlines())
    for code in codes
]

# In the section of stops, but no stop: they tell why a fresh boot is LOCKED, that a button was ignored, that a robot on
# its stop ladder still moved when it was let go, that its way down was broken off, and that heads get nowhere else.
NO_STOP_ITSELF = {"E_RESTARTED", "E_ESTOP_RESET", "E_CREEPS", "E_LOWER_BROKEN", "E_HEADS"}


def section(title: str) -> set[str]:
    """Codes of one section of the source of `Code`."""
    text = inspect.getsource(errors.Code)
    start = text.index(f"# --- {title}\n")
    end = text.find("# ---", start + 1)
    return set(re.findall(r'^    \w+ = "(E_\w+)"', text[start:end], re.MULTILINE))


def test_the_table_is_the_one_of_the_interface_description() -> None:
    assert [(rule.code.value, rule.category, rule.target.value) for rule in CAUSES] == EXPECTED


def test_every_code_of_a_stop_has_a_rule_and_every_rule_a_code_of_a_stop() -> None:
    stops = section("causes of stops")
    assert "E_ESTOP" in stops
    assert {rule.code.value for rule in CAUSES} == stops - NO_STOP_ITSELF
    assert stops >= NO_STOP_ITSELF


def test_by_code_and_by_hardness_hold_the_same_rules_once() -> None:
    assert list(CAUSE_OF) == [rule.code for rule in CAUSES]
    assert len({rule.order for rule in CAUSES}) == len(CAUSES)
    assert by_hardness(reversed([rule.code for rule in CAUSES])) == CAUSES


@pytest.mark.parametrize(
    ("codes", "first"),
    [
        ([Code.STOP_REQUEST, Code.ESTOP, Code.TRACKING], Code.ESTOP),
        ([Code.OVERRUNS, Code.TRACKING], Code.TRACKING),
        ([Code.REFUSALS, Code.LOG, Code.STATE_STALE], Code.LOG),
        ([Code.IDLE], Code.IDLE),
    ],
)
def test_hardest(codes: list[Code], first: Code) -> None:
    assert by_hardness(codes)[0] is CAUSE_OF[first]


def test_what_is_no_cause_of_a_stop_is_refused() -> None:
    with pytest.raises(KeyError):
        by_hardness([Code.NOT_FINITE])
    assert by_hardness([]) == ()


@pytest.mark.requirement("SR-002")
def test_the_estop_asks_for_category_1_and_the_host_never_for_0() -> None:
    assert CAUSE_OF[Code.ESTOP].category == 1
    assert CAUSE_OF[Code.ESTOP_SILENT].category == 1
    assert min(rule.category for rule in CAUSES) == 1


@pytest.mark.parametrize("rule", CAUSES, ids=lambda rule: rule.code.value)
def test_what_is_latched_blocks_everything(rule: object) -> None:
    assert rule in CAUSES
    cause = CAUSE_OF[rule.code]  # type: ignore[attr-defined]
    if cause.target in (State.EMERGENCY_STOP, State.FAULT):
        assert cause.blocks_reset
        assert not cause.permits_recovery


@pytest.mark.requirement("SR-012")
def test_what_blocks_a_reset_while_it_lasts() -> None:
    free = {rule.code.value for rule in CAUSES if not rule.blocks_reset}
    assert free == {
        # momentary: over as soon as seen
        "E_OVERRUN",
        "E_MODE_CHANGE",
        "E_BASE_JUMP",
        "E_OBSERVED_MOVES",
        "E_STOP_REQUEST",
        "E_READY_TIMEOUT",
        "E_IDLE",
        "E_RECOVERY_ENDED",
        # released is how they are at a reset
        "E_ENABLING_SWITCH",
        "E_HOLD_TO_RUN",
        # the reset lifts it
        "E_REFUSALS",
        "E_ANOMALY",
    }


@pytest.mark.requirement("SR-045")
def test_a_robot_found_outside_may_be_recovered_but_not_one_that_is_not_known() -> None:
    assert CAUSE_OF[Code.MEASURED_POSITION].permits_recovery
    assert CAUSE_OF[Code.MEASURED_WORKSPACE].permits_recovery
    # A person who holds the button may be near, and needs no perception of himself.
    assert CAUSE_OF[Code.SEPARATION].permits_recovery
    assert CAUSE_OF[Code.PEOPLE_UNKNOWN].permits_recovery
    for code in (
        Code.BALANCE,
        Code.BALANCE_UNKNOWN,
        Code.STATE_STALE,
        Code.STATE_NOT_FINITE,
        Code.STATE_PUBLISHER,
        Code.LOG,
        Code.ESTOP,
    ):
        assert not CAUSE_OF[code].permits_recovery
