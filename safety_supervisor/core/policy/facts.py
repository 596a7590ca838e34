"""The facts that a policy is asked with: all of them, each of its type, or the answer is no.

A fact that a policy does not name is looked at all the same: what comes from outside, such as examples, is whole or
refused. Requirements: SR-036; REDTEAM 37.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from safety_supervisor.core.agents.settings import Stage
from safety_supervisor.core.settings import CommandKind, SourceKind
from safety_supervisor.core.states.state_table import MOTION

LONGEST_TEXT: Final = 64
MOST_TEXTS: Final = 50
LARGEST: Final = 1e6
"""No fact that is a number is larger."""


class FactType(Enum):
    """What a fact is, in CEL's words: string, list of strings, double, int."""

    TEXT = "text"
    TEXTS = "list of texts"
    NUMBER = "number"
    COUNT = "whole number"


@dataclass(frozen=True)
class Fact:
    """A fact, what it is, and what it says.

    Attributes:
        name: in programs.
        type: which values it has.
        meaning: for people, with its unit.
        words: of a text: all values that it has; empty where the configuration names them, or nobody can.
    """

    name: str
    type: FactType
    meaning: str
    words: tuple[str, ...] = ()


_ALL: Final = (
    Fact("source", FactType.TEXT, "source that commands, as in `sources`"),
    Fact("kind", FactType.TEXT, "its kind", tuple(kind.value for kind in SourceKind)),
    Fact("verb", FactType.TEXT, "what it sends", tuple(kind.value for kind in CommandKind)),
    Fact("groups", FactType.TEXTS, "joint groups that are to move; none of a `cmd_vel`"),
    Fact(
        "zones", FactType.TEXTS,
        "speed zones, of a trajectory also restricted ones that people can open, that the motion, or the stop after "
        "it, is not proven to stay out of; none of a `cmd_vel`",
    ),
    Fact(
        "joint_speed", FactType.NUMBER,
        "top speed of a joint, rad/s or m/s: of a trajectory between its set-points, of a stream on the way from one "
        "set-point to the next; rounded up to 1/16",
    ),
    Fact(
        "frame_speed", FactType.NUMBER,
        "bound of the top speed of any point of a link, m/s, from the joints' speeds: no point is faster, most are "
        "slower; of a `cmd_vel` that of the robot's circle; rounded up to 1/16",
    ),
    Fact("mode", FactType.TEXT, "mode", ("auto", "manual", "recovery")),
    Fact("state", FactType.TEXT, "state of the supervisor", tuple(state.value for state in MOTION)),
    Fact(
        "people", FactType.TEXT,
        "`near`: a robot at full speed might not stop in time; `unknown`: perception is silent; `unwatched`: there is "
        "no `separation`",
        ("clear", "near", "unknown", "unwatched"),
    ),
    Fact("since_start", FactType.COUNT, "whole seconds since a person started, or began to recover, the robot"),
    Fact("anomaly", FactType.NUMBER, "score of the source's behaviour, 1 an alarm; 0 where it is not watched"),
    Fact("approvals", FactType.TEXTS, "kinds of approvals that are held for the source now"),
    Fact("model", FactType.TEXT, "model of the agent that introduced itself; empty without a session"),
    Fact("model_version", FactType.TEXT, "its version; empty likewise"),
    Fact("stage", FactType.TEXT, "its stage; empty likewise", ("", *(stage.value for stage in Stage))),
)  # fmt: skip
FACTS: Final[dict[str, Fact]] = {fact.name: fact for fact in _ALL}
"""Facts by name."""


def _is_text(value: object) -> bool:
    return type(value) is str and len(value) <= LONGEST_TEXT


def _is_texts(value: object) -> bool:
    return isinstance(value, (tuple, list)) and len(value) <= MOST_TEXTS and all(map(_is_text, value))


def _is_number(value: object) -> bool:
    return type(value) is float and 0.0 <= value <= LARGEST  # NaN is neither


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value <= LARGEST  # True is no number


_JUDGES: Final[dict[FactType, Callable[[object], bool]]] = {
    FactType.TEXT: _is_text,
    FactType.TEXTS: _is_texts,
    FactType.NUMBER: _is_number,
    FactType.COUNT: _is_count,
}
_CHECKS: Final = tuple((fact.name, _JUDGES[fact.type], frozenset(fact.words)) for fact in _ALL)
_MISSING: Final = object()


def wrong_fact(facts: Mapping[str, object]) -> str:
    """Say what is wrong with facts; empty for nothing: each is there, of its type and finite, and there is no other."""
    for name, is_good, words in _CHECKS:
        value = facts.get(name, _MISSING)
        if not is_good(value) or (words and value not in words):
            return f"fact {name} is {_seen(value)}; it is {_allowed(FACTS[name])}"
    if len(facts) != len(_CHECKS):
        return (
            f"there is no fact {min((str(name)[:LONGEST_TEXT] for name in facts if name not in FACTS), default='')!r}"
        )
    return ""


def _seen(value: object) -> str:
    if value is _MISSING:
        return "missing"
    if isinstance(value, (str, bool, int, float)):
        return ascii(value)[:LONGEST_TEXT]
    return f"a {type(value).__name__}"


def _allowed(fact: Fact) -> str:
    if fact.words:
        return f"one of {', '.join(word or 'empty' for word in fact.words)}"
    match fact.type:
        case FactType.TEXT:
            return f"a text of at most {LONGEST_TEXT} characters"
        case FactType.TEXTS:
            return f"a list of at most {MOST_TEXTS} such texts"
        case FactType.NUMBER:
            return f"a number with a fraction from 0 to {LARGEST:g}"
        case FactType.COUNT:
            return f"a whole number from 0 to {LARGEST:g}"


def speed_class(speed: float) -> float:
    """Round a speed up to 1/16, so that a steady one stays one fact; what is not finite stays so, and is refused."""
    return math.ceil(speed * 16.0) / 16.0 if math.isfinite(speed) else speed
