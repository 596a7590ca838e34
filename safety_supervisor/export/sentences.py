"""What happened, in words."""

from __future__ import annotations

import unicodedata

import numpy as np

from safety_supervisor.core.effects import Decision, Status
from safety_supervisor.core.errors import CODE_OF
from safety_supervisor.evidence.lines import Line
from safety_supervisor.explain.words import unit_of
from safety_supervisor.export.window import STOPPED, Window

_AT_REST = 1e-9  # [rad/s]
_WITHIN = 5.0  # [s]


def shown(text: str) -> str:
    """Escape what would not be seen as what it is: controls, direction marks, unassigned characters."""
    return "".join(
        one if one.isprintable() and unicodedata.category(one) not in ("Cf", "Co", "Cn") else f"\\u{ord(one):04x}"
        for one in text
    )


def cause_of(code: str) -> str:
    """Return a code's cause in words; empty where this version does not know it."""
    known = CODE_OF.get(code)
    return "" if known is None else known.cause


def cure_of(code: str) -> str:
    """Return what to do, likewise."""
    known = CODE_OF.get(code)
    return "" if known is None else known.cure


def numbers_of(decision: Decision, window: Window) -> str:
    """Return value and limit with their unit; empty where the decision has none."""
    if not decision.value and not decision.limit:
        return ""
    if decision.pose:
        return f"{decision.value * 1e3:.1f} mm, at least {decision.limit * 1e3:.1f} mm are needed"
    unit = "" if window.configuration is None else unit_of(decision.rule, window.configuration)
    return f"{decision.value:.6g} {unit}".strip() + f", the limit is {decision.limit:.6g} {unit}".rstrip()


def headline(window: Window) -> str:
    """Return verdict or state with its code."""
    if window.key is None:
        return "Nothing was decided"
    effect = window.key.effect
    if isinstance(effect, Status):
        return f"{effect.state} {effect.cause}".strip()
    return f"{effect.verdict} {effect.code}".strip()


def what_happened(window: Window) -> str:
    """Return one sentence, and where it is known a second one of how the robot came to rest."""
    robot = window.log.header.robot_id
    if window.key is None:
        return f"At {window.clock.say(window.centre)} nothing was decided about robot {robot}."
    when = window.clock.say(window.at(window.key))
    effect = window.key.effect
    if isinstance(effect, Status):
        why = cause_of(effect.cause)
        told = f"At {when} robot {robot} was put into state {effect.state}" + (f": {_inner(why)}" if why else ".")
        return f"{told} {_rest(window)}".strip()
    source, about = effect.source or "an input", _about(effect, window)
    match effect.verdict:
        case "STOP":
            told = f"At {when} motion of {source} on robot {robot} was stopped"
        case "REJECT":
            many = "a command" if effect.count == 1 else f"{effect.count} commands"
            told = f"At {when} {many} of {source} to robot {robot} {'was' if effect.count == 1 else 'were'} refused"
        case "LIMIT":
            told = f"At {when} motion of {source} on robot {robot} was slowed down"
        case "WAIT":
            told = f"At {when} a command of {source} to robot {robot} began to wait for people"
        case _:
            told = f"At {when} a command of {source} to robot {robot} passed"
    rest = _rest(window) if effect.verdict == "STOP" else ""
    return f"{told}{': ' + about if about else '.'} {rest}".strip()


def _about(decision: Decision, window: Window) -> str:
    why = cause_of(decision.code)
    numbers = numbers_of(decision, window)
    where = " ".join(filter(None, (decision.joint, f"at {decision.rule}" if decision.joint and decision.pose else "")))
    inner = ", ".join(filter(None, (where, numbers)))
    why = _inner(why).rstrip(".") if why else decision.code
    return f"{why} ({inner})." if inner else f"{why}."


def _inner(sentence: str) -> str:
    """Let a sentence go on where another one began."""
    return sentence if sentence[1:2].isupper() else sentence[:1].lower() + sentence[1:]


def _rest(window: Window) -> str:
    """Say when the commanded motion ended after the key line."""
    if window.key is None:
        return ""
    at = window.at(window.key)
    later = [one for one in window.set_points if one.at >= at]
    if not later:
        return ""
    sent = window.set_point_before(at)
    if sent is not None and np.abs(sent.velocities).max(initial=0.0) <= _AT_REST:
        return "It was at rest already."
    rest = next((one for one in later if np.abs(one.velocities).max(initial=0.0) <= _AT_REST), None)
    if rest is None:
        return "Within the time shown its commanded motion did not end."
    took = (rest.at - at) / 1e9
    if took > _WITHIN:
        return ""
    return f"It was commanded to rest {took * 1e3:.0f} ms later." if took > 0 else "It was commanded to rest at once."


def state_after(window: Window) -> str:
    """Return the last state of the window."""
    states = [line.effect.state for line in window.lines if isinstance(line.effect, Status)]
    return states[-1] if states else "" if window.before is None else window.before.state


def is_grave(line: Line) -> bool:
    """Whether a line tells of a stop, a refusal or a state that motion ends in."""
    effect = line.effect
    return effect.state in STOPPED if isinstance(effect, Status) else effect.verdict in ("STOP", "REJECT")
