"""What a person has to do next: one short sentence for every state and cause."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from safety_supervisor.core.errors import Code
from safety_supervisor.core.states.causes import CAUSE_OF, OUTSIDE, by_hardness
from safety_supervisor.core.states.ladder_table import Rung
from safety_supervisor.core.states.state_table import State

_FIXED: Final[dict[State, str]] = {
    State.READY: "Press START.",
    State.MANUAL: "Hold the enabling switch in its middle and move the robot.",
    State.AUTO_MOVING: "Nothing to do: the robot moves by itself.",
    State.AUTO_HOLDING: "Nothing to do: the next good command moves the robot, a stream from where it stands.",
    State.AUTO_REDUCED: "Keep clear: the robot returns to full speed by itself.",
    State.STOPPING: "Wait: the robot is stopping.",
    State.RECOVERY: "Hold HOLD-TO-RUN and bring the robot back inside; release it to end.",
}


_DESCENDING: Final[dict[Rung, str]] = {
    Rung.HOLD: "Keep clear: the robot stops where it stands, then it goes down.",
    Rung.LOWER: "Keep clear: the robot lowers itself.",
    Rung.DAMP: "Keep clear until it lies or sits still: the robot goes limp.",
    Rung.OFF: "Wait: the robot rests without power.",
}
"""While STOPPING goes down the stop ladder."""


def next_step(
    state: State, cause: Code | None, active: Iterable[Code], rung: Rung = Rung.UNTOLD, waits: str = ""
) -> str:
    """Tell a technician what to do next, in words that are read in a second.

    Args:
        state: the present state.
        cause: what led here.
        active: causes that hold now; codes that are no cause of a stop (such as an input never received) come first.
        rung: of the stop ladder, where it goes down that; else `UNTOLD`.
        waits: what it waits for on that rung.
    """
    if state is State.STOPPING and rung in _DESCENDING:
        return f"{_DESCENDING[rung]} It waits for {waits}." if waits else _DESCENDING[rung]
    fixed = _FIXED.get(state)
    if fixed is not None:
        return fixed
    active = tuple(dict.fromkeys(active))
    if state is State.FAULT:
        return (
            f"Call a maintainer: {_sentence(cause.cause) if cause else 'a fault is latched.'} The log has the reason."
        )
    others = [code for code in active if code not in CAUSE_OF]
    blocking = [rule for rule in by_hardness(code for code in active if code in CAUSE_OF) if rule.blocks_reset]
    if state is State.EMERGENCY_STOP:
        return _leave_emergency_stop(cause, active)
    if state is State.INIT:
        first = others[0] if others else blocking[0].code if blocking else None
        return f"Starting up. {first.cure}" if first else "Wait: starting up."
    if others:
        return others[0].cure
    if not blocking:
        return "Press RESET." if state is State.LOCKED else "Wait until the robot rests, then press RESET."
    if not any(rule.code in OUTSIDE for rule in blocking):
        return _then_reset(blocking[0].code)
    barrier = next((rule for rule in blocking if not rule.permits_recovery), None)
    if barrier is not None:
        return f"{barrier.code.cure} Then use RECOVERY."
    return "Bring the robot back inside with RECOVERY, then press RESET."


def _leave_emergency_stop(cause: Code | None, active: tuple[Code, ...]) -> str:
    """The device itself must be cycled, then a person resets."""
    if Code.ESTOP in active:
        if Code.ESTOP_RELAYS in active:
            return "Release the e-stop; two seconds later press and release the device's reset button."
        return "Release the e-stop, then press RESET."
    if Code.ESTOP_SILENT in active:
        return "Check the e-stop device and its line, press and release the e-stop, then press RESET."
    return "Press and release the e-stop, then press RESET."


def _then_reset(code: Code) -> str:
    """The cure, ending in the reset."""
    return code.cure if "reset" in code.cure else f"{code.cure} Then press RESET."


def _sentence(text: str) -> str:
    """Begin in lower case, for use after a colon."""
    return text[:1].lower() + text[1:]
