"""The causes of stops: how each stops the robot, where the stop ends, what it blocks.

The table of causes of the interface description, as data. In one cycle the hardest cause comes first: category 0, 1, 2,
then the order of the table. Category 0 is never asked for by the host: removing power is the device's act (SR-002).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from safety_supervisor.core.errors import Code
from safety_supervisor.core.states.state_table import State


@dataclass(frozen=True)
class CauseRule:
    """What one cause does.

    Attributes:
        code: stable code of the cause.
        category: stop category 0, 1 or 2 of IEC 60204-1; smaller is harder.
        target: state in which the stop ends.
        order: row in the table of causes; smaller is harder within a category.
        blocks_reset: a reset is refused while the cause is active.
        permits_recovery: RECOVERY may begin and go on while the cause is active.
    """

    code: Code
    category: int
    target: State
    order: int
    blocks_reset: bool
    permits_recovery: bool


@dataclass(frozen=True)
class _Row:
    """Causes that act alike."""

    category: int
    target: State
    blocks_reset: bool
    permits_recovery: bool
    codes: tuple[Code, ...]


# In the order of the table of causes.
_ROWS: Final = (
    _Row(
        1,
        State.EMERGENCY_STOP,
        True,
        False,
        (
            Code.ESTOP,
            Code.ESTOP_SILENT,
            Code.ESTOP_DISCREPANCY,
            Code.ESTOP_VALUE,
            Code.ESTOP_CORRUPTED,
            Code.ESTOP_LOST,
            Code.ESTOP_STALE,
            Code.ESTOP_PEER,
            Code.ESTOP_RESTARTED,
            Code.ESTOP_PORT,
            Code.ESTOP_RELAYS,
        ),
    ),
    _Row(
        1,
        State.FAULT,
        True,
        False,
        (
            Code.FALL,
            Code.BALANCE_BLIND,
            Code.INTERNAL,
            Code.NOT_FINITE_RESULT,
            Code.SECOND_SUPERVISOR,
            Code.STANDSTILL_LEFT,
            Code.SELF_TEST,
            Code.ESTOP_SELF_TEST,
            Code.RAMP_MISSED,
            Code.TRACKING,
            Code.OUTPUT_PUBLISHER,
            Code.CONFIGURATION_CHANGED,
        ),
    ),
    # Motion that can not be recorded is not permitted (SR-043), recovery included.
    _Row(2, State.PROTECTIVE_STOP, True, False, (Code.LOG,)),
    # A robot found outside is brought back by recovery (SR-045).
    _Row(2, State.PROTECTIVE_STOP, True, True, (Code.MEASURED_POSITION, Code.MEASURED_WORKSPACE, Code.SEPARATION)),
    # Where the robot is not known, or it runs by itself, nobody moves it.
    _Row(
        2,
        State.PROTECTIVE_STOP,
        True,
        False,
        (
            Code.MEASURED_VELOCITY,
            Code.STATE_NOT_FINITE,
            Code.STATE_STALE,
            Code.STATE_PUBLISHER,
            Code.INCOMPATIBLE_QOS,
        ),
    ),
    # Where what others command is not where the motion relies on, nobody moves the rest; at rest that ends by itself.
    _Row(2, State.PROTECTIVE_STOP, False, False, (Code.OBSERVED_MOVES,)),
    # RECOVERY is no way out: it moves joints of a robot that may fall, and the zero-moment point of every motion first
    # goes the other way. People hold the robot and set it on its feet.
    _Row(2, State.PROTECTIVE_STOP, True, False, (Code.BALANCE, Code.BALANCE_UNKNOWN)),
    # Recovery needs no perception: a person holds it, slow and beside the robot.
    _Row(2, State.PROTECTIVE_STOP, True, True, (Code.PEOPLE_UNKNOWN,)),
    # Where the base is matters to no recovery: in it only joints move. With zones of the world the verifier refuses it.
    _Row(2, State.PROTECTIVE_STOP, True, True, (Code.BASE_UNKNOWN,)),
    _Row(2, State.PROTECTIVE_STOP, False, True, (Code.BASE_JUMP,)),
    # Told at the boot alone. In RECOVERY a person leads the robot out, slowly: no distance counts on a model there.
    _Row(2, State.PROTECTIVE_STOP, True, True, (Code.COMMISSION,)),
    _Row(2, State.PROTECTIVE_STOP, False, True, (Code.OVERRUN,)),
    _Row(2, State.FAULT, True, False, (Code.OVERRUNS,)),
    # A reset happens with the button and the switch released, so they do not block it.
    _Row(2, State.LOCKED, False, False, (Code.ENABLING_SWITCH, Code.HOLD_TO_RUN)),
    _Row(2, State.PROTECTIVE_STOP, False, True, (Code.MODE_CHANGE,)),
    _Row(2, State.PROTECTIVE_STOP, True, True, (Code.ENDPOINT_REPLACED,)),
    _Row(2, State.PROTECTIVE_STOP, False, True, (Code.STOP_REQUEST,)),
    # The reset is what lifts the quarantine.
    _Row(2, State.PROTECTIVE_STOP, False, True, (Code.REFUSALS, Code.ANOMALY)),
    _Row(2, State.LOCKED, False, True, (Code.READY_TIMEOUT, Code.IDLE, Code.RECOVERY_ENDED)),
)


def _rules() -> tuple[CauseRule, ...]:
    """Give every code its rule, the hardest first."""
    rules: list[CauseRule] = []
    for row in _ROWS:
        for code in row.codes:
            rules.append(
                CauseRule(
                    code=code,
                    category=row.category,
                    target=row.target,
                    order=len(rules),
                    blocks_reset=row.blocks_reset,
                    permits_recovery=row.permits_recovery,
                )
            )
    return tuple(sorted(rules, key=lambda rule: (rule.category, rule.order)))


CAUSES: Final[tuple[CauseRule, ...]] = _rules()
"""Every cause of a stop, the hardest first."""

CAUSE_OF: Final[dict[Code, CauseRule]] = {rule.code: rule for rule in CAUSES}
"""The same by code."""


OUTSIDE: Final = frozenset({Code.MEASURED_POSITION, Code.MEASURED_WORKSPACE})
"""Causes that RECOVERY is for."""


def by_hardness(codes: Iterable[Code]) -> tuple[CauseRule, ...]:
    """Sort causes, the hardest first, each once.

    Give all of them to `SafetyState.stop` in this order: where one has the harder category and another the harder
    target, the state keeps both.

    Raises:
        KeyError: when a code is no cause of a stop.
    """
    return tuple(sorted((CAUSE_OF[code] for code in set(codes)), key=lambda rule: (rule.category, rule.order)))
