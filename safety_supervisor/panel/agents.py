"""Who may command, source by source: who speaks there, its stage, how strangely it behaves. Pure: the time is given.

What the status does not tell is unknown, what is stale is told as stale. A configuration says what a source is; who
speaks there, and how, the status alone.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

from safety_supervisor.core.agents.settings import RANK
from safety_supervisor.core.settings import Configuration, SourceSettings
from safety_supervisor.panel.snapshot import Values
from safety_supervisor.panel.view import UNKNOWN

STALE: Final = "STALE, unknown now"
WORDS: Final = (
    ("speaks", "who speaks"), ("stage", "stage"), ("anomaly", "anomaly"), ("standing", "standing"), ("moves", "now"),
)  # fmt: skip
"""Fields of an `Agent` below its name and kind, as every page calls them."""
_NO_SESSION: Final = "no session"
_ALARM: Final = 1.0


class Agent(NamedTuple):
    """One source in words.

    Attributes:
        source: of the configuration.
        kind: agent or person.
        speaks: model and version, as they introduced themselves.
        stage: of trust.
        anomaly: score and what is strange.
        standing: whether it is quarantined.
        moves: whether it moves the robot now.
        alarm: whether people should look at it.
    """

    source: str
    kind: str
    speaks: str
    stage: str
    anomaly: str
    standing: str
    moves: str
    alarm: bool


def make_agents(configuration: Configuration, status: Values, heard: bool, stale: bool) -> tuple[Agent, ...]:
    """Return what is shown of each source of the configuration.

    Args:
        configuration: of the robot.
        status: newest values of `~/status`.
        heard: whether there was one.
        stale: whether it is too old.
    """
    if stale or not heard:
        word = STALE if heard else UNKNOWN
        return tuple(
            Agent(one.name, one.kind.value, word, word, word, word, word, False) for one in configuration.sources
        )
    speakers = _speakers(status.get("agents"))
    quarantined = None if "quarantined" not in status else status["quarantined"].split()
    return tuple(_agent(one, status, speakers, quarantined) for one in configuration.sources)


def _agent(
    one: SourceSettings, status: Values, speakers: dict[str, str] | None, quarantined: list[str] | None
) -> Agent:
    speaks, stage = _speaks(one, speakers)
    anomaly, alarm = _anomaly(one, status)
    held = quarantined is not None and one.name in quarantined
    standing = UNKNOWN if quarantined is None else "QUARANTINED until a reset" if held else "not quarantined"
    mover = status.get("source")
    moves = UNKNOWN if mover is None else "moves the robot" if mover == one.name else "moves nothing"
    return Agent(one.name, one.kind.value, speaks, stage, anomaly, standing, moves, alarm or held)


def _speakers(told: str | None) -> dict[str, str] | None:
    """Who speaks at each source that needs a session; None where that is not told. What was cut off is not known."""
    if told is None:
        return None
    pairs = (part.partition(": ") for part in told.split("; ") if part)
    return {name: who for name, _, who in pairs}


def _speaks(one: SourceSettings, speakers: dict[str, str] | None) -> tuple[str, str]:
    if not one.needs_session:
        return "introduces no agent", "none is needed"
    if speakers is None or one.name not in speakers:
        return UNKNOWN, UNKNOWN
    who = speakers[one.name]
    if who == _NO_SESSION:
        return "no agent has introduced itself", "none: nothing of it passes"
    model, _, stage = who.rpartition(", ")
    return (model, stage) if model and stage in RANK else (UNKNOWN, UNKNOWN)


def _anomaly(one: SourceSettings, status: Values) -> tuple[str, bool]:
    if one.anomaly is None:
        return "not watched: no baseline", False
    told = status.get(f"anomaly.{one.name}")
    if told is None:
        return UNKNOWN, False
    number, _, why = told.partition(" ")
    try:
        score = float(number)
    except ValueError:
        return UNKNOWN, False
    if not math.isfinite(score):
        return UNKNOWN, False
    word = "ALARM" if score >= _ALARM else "normal" if score == 0.0 else "below an alarm"
    return f"{number} of 1, {word}{f': {why}' if why else ''}", score >= _ALARM
