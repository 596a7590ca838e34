"""May a person do this now? Guards of reset, start and recovery, with the reason where not.

Requirements: SR-010, SR-012, SR-017, SR-020; ISO 13849-1, 5.2.2.3.
"""

from __future__ import annotations

from dataclasses import dataclass

from safety_supervisor.core.errors import Code
from safety_supervisor.core.estop_input import EstopInput
from safety_supervisor.core.states.causes import CAUSE_OF, OUTSIDE
from safety_supervisor.core.states.state_table import State


@dataclass(frozen=True, slots=True)
class ActRefusal:
    """Why an act was refused."""

    code: Code
    message: str


def _in_state(state: State, *allowed: State) -> ActRefusal | None:
    if state in allowed:
        return None
    names = " or ".join(other.value for other in allowed)
    return ActRefusal(Code.ACT_STATE, f"state is {state.value}, the act needs {names}")


def _no_cause(active: tuple[Code, ...]) -> ActRefusal | None:
    blocking = [code for code in active if CAUSE_OF[code].blocks_reset]
    if not blocking:
        return None
    return ActRefusal(Code.ACT_CAUSE, "; ".join(f"{code.value}: {code.cause} {code.cure}" for code in blocking))


def _at_rest(rests: bool) -> ActRefusal | None:
    return None if rests else ActRefusal(Code.ACT_STANDSTILL, Code.ACT_STANDSTILL.cure)


def judge_reset(state: State, active: tuple[Code, ...], rests: bool) -> ActRefusal | None:
    """Reset: in LOCKED, no active cause, standstill; the message names the causes (SR-012)."""
    return _in_state(state, State.LOCKED) or _no_cause(active) or _at_rest(rests)


def judge_start(state: State, active: tuple[Code, ...], rests: bool, mode: str, estop: EstopInput) -> ActRefusal | None:
    """Start: in READY, by the mode that the key selects; MANUAL needs a released switch of high integrity (SR-020)."""
    refusal = _in_state(state, State.READY) or _no_cause(active) or _at_rest(rests)
    if refusal is not None:
        return refusal
    if mode not in ("auto", "manual"):
        return ActRefusal(Code.ACT_MODE, "the mode is `auto` or `manual`")
    if estop.mode_key not in ("none", mode):
        return ActRefusal(Code.ACT_MODE, f"the mode key selects {estop.mode_key}")
    if mode == "manual" and (estop.integrity != "high" or estop.enabling_switch == "none"):
        return ActRefusal(Code.ACT_MODE, "MANUAL needs an enabling switch of high integrity")
    if estop.enabling_switch in ("middle", "panicked"):
        return ActRefusal(Code.ACT_MODE, "release the enabling switch first")
    return None


def judge_recover(state: State, active: tuple[Code, ...], rests: bool) -> ActRefusal | None:
    """Recovery: stopped, at standstill, outside a limit, and nothing else wrong."""
    refusal = _in_state(state, State.LOCKED, State.PROTECTIVE_STOP)
    if refusal is not None:
        return refusal
    refusal = _no_cause(tuple(code for code in active if not CAUSE_OF[code].permits_recovery))
    if refusal is not None:
        return refusal
    if not OUTSIDE & set(active):
        return ActRefusal(Code.ACT_STATE, "the robot is inside all limits: reset and start instead")
    return _at_rest(rests)


def judge_tool(state: State, rests: bool) -> ActRefusal | None:
    """Change of the tool: where nothing moves and nothing waits to move."""
    return _in_state(state, State.LOCKED, State.READY, State.AUTO_HOLDING) or _at_rest(rests)
