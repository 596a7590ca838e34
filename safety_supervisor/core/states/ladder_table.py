"""The stop ladder of a robot that falls when it goes limp, as data: its rungs, what ends each, and what leads down.

`core/balance/ladder.py` runs it; `docs/states.md` is printed from it too.
"""

from __future__ import annotations

from enum import Enum
from typing import Final


class Rung(str, Enum):
    """What the locomotion controller is told; the value is the text of its message."""

    UNTOLD = ""
    HOLD = "hold"
    LOWER = "lower"
    DAMP = "damp"
    OFF = "off"


DOWNWARD: Final = {rung: height for height, rung in enumerate(Rung)}
"""The ladder leads from a rung to a greater one only; back to HOLD by a person's start or recovery alone."""

LIMP: Final = frozenset({Rung.DAMP, Rung.OFF})
"""Rungs on which nothing holds the robot where it is: it follows no set-point, and keeps no standstill."""

LADDER: Final[tuple[tuple[Rung, str, str], ...]] = (
    (
        Rung.HOLD,
        "the kept stop, then that pose; balancing goes on",
        "standstill, a verified `lower`, and nobody near or `hold` is over: LOWER. `hold` is over without: DAMP",
    ),
    (
        Rung.LOWER,
        "the postures of `lower`, every step verified again, but for people near; a refused one ends in its kept stop, "
        "and what is left is verified anew from there",
        "standstill in the last posture, or the deadline: DAMP",
    ),
    (
        Rung.DAMP,
        "give way slowly; set-points mean nothing any more",
        "`damp` is over, all joints rest and the base does not turn: OFF. The relays are open, or `rest` is over: OFF, "
        "noted as E_CREEPS",
    ),
    (Rung.OFF, "no power needed", "STOPPING ends in its target. A person's start or recovery alone leads back to HOLD"),
)
"""Rung, what is commanded, what ends it."""

WAYS: Final[tuple[tuple[str, str], ...]] = (
    ("protective stop, LOCKED, E_BALANCE, E_BALANCE_UNKNOWN", "stays on HOLD: it stands"),
    ("e-stop, fault; from LOCKED and PROTECTIVE_STOP too", "from HOLD on; from DAMP on where it was not seen standing"),
    ("E_BALANCE_BLIND: balance unknown for longer than `unknown`", "from HOLD on, to FAULT"),
    (
        "people near, or unknown",
        "HOLD as long as it may, so that they can step back; then LOWER all the same: half-way down it could but fall "
        "on them. Only where the way down is not verified it is damped where it stands",
    ),
    ("E_FALL: it falls, on any rung above", "DAMP at once, to FAULT"),
    ("the supervisor's own code fails in every cycle", "HOLD or LOWER until the deadline, then DAMP"),
    ("e-stop or fault found at boot, or of a robot that rests limp already", "DAMP, where nothing lower was told"),
)
"""What happens, and the way that it takes."""


def render_ladder() -> list[str]:
    """Print the section of `docs/states.md`, as lines."""
    lines = [
        "",
        "## Stop ladder",
        "",
        "Of a robot with `balance.ladder`: the phases of STOPPING on the way to EMERGENCY_STOP or FAULT, told on",
        "`~/locomotion_mode`. No reset, release or start is taken before STOPPING has ended. Until a person's first",
        "start nothing is told, but on the way down.",
        "",
        "| rung | commanded | ends |",
        "| --- | --- | --- |",
    ]
    lines += [f"| {rung.name} | {commanded} | {ends} |" for rung, commanded, ends in LADDER]
    lines += ["", "| what happens | way |", "| --- | --- |"]
    return lines + [f"| {what} | {way} |" for what, way in WAYS]
