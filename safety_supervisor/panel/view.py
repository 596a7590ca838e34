"""What a person is shown of a snapshot. Pure: the time is given.

What is older than its limit is stale, never fine; what is not known is shown as unknown. Nothing that comes over a
topic is believed further than to be shown: anybody may publish there.
"""

from __future__ import annotations

import math
from enum import Enum
from typing import Final, NamedTuple

from safety_supervisor.acts import deciding
from safety_supervisor.core.errors import CODE_OF
from safety_supervisor.core.units import NS_PER_S, Nanoseconds
from safety_supervisor.panel.snapshot import STATUS_LIMIT, Snapshot, Values

WAITING_LIMIT: Final[Nanoseconds] = 3 * NS_PER_S
"""What counts down is told once a second; older than this it is stale, [ns]."""
_NO_ESTOP: Final = "NO E-STOP DEVICE"
UNKNOWN: Final = "UNKNOWN"
UNHEARD: Final = "STOP reaches nobody now: press the e-stop button"
SWITCH: Final = "enabling switch"
_FACTS: Final = (
    ("people", "people"), ("speed", "speed_scale"), ("tool", "tool"), ("source", "source"), ("tokens", "tokens"),
    ("heads elsewhere", "evidence_heads"),
)  # fmt: skip
FACTS: Final = ("robot", "mode", "e-stop", "agents", "data", *(name for name, _ in _FACTS), SWITCH)
"""Names of all that `facts_of` may tell, in its order."""
OPTIONAL: Final = ("heads elsewhere",)
"""Those that have no place where a robot's configuration has none of it."""


class Tone(str, Enum):
    """How the banner looks: told by colour, by sign and by word."""

    UNKNOWN = "unknown"
    ALARM = "alarm"
    CAUTION = "caution"
    REST = "rest"
    MOVES = "moves"


SIGNS: Final = {Tone.UNKNOWN: "?", Tone.ALARM: "✖", Tone.CAUTION: "▲", Tone.REST: "■", Tone.MOVES: "▶"}
_TONES: Final = {
    "INIT": Tone.REST, "LOCKED": Tone.REST, "READY": Tone.REST,
    "MANUAL": Tone.MOVES, "AUTO/MOVING": Tone.MOVES, "AUTO/HOLDING": Tone.MOVES, "AUTO/REDUCED": Tone.MOVES,
    "STOPPING": Tone.CAUTION, "PROTECTIVE_STOP": Tone.CAUTION, "RECOVERY": Tone.CAUTION,
    "EMERGENCY_STOP": Tone.ALARM, "FAULT": Tone.ALARM,
}  # fmt: skip


class Basis(NamedTuple):
    """What a person saw, as far as an act has to carry it."""

    boot: str
    epoch: int
    configuration: str


class Waiting(NamedTuple):
    """A command that waits for people.

    Attributes:
        id: of `~/interventions`, as it was told.
        shown: the command; None where it can not be shown.
        problem: why nobody can decide on it now; empty where people can.
        left: until it expires, [s].
        high_risk: whether a reason has to be typed to approve it.
    """

    id: str
    shown: deciding.Shown | None
    problem: str
    left: float
    high_risk: bool


class View(NamedTuple):
    """All that is on the screen; every text may come from outside.

    Attributes:
        tone: of the banner.
        state: UNKNOWN where the status is stale.
        cause: of the state, with what it means.
        next_step: what to do.
        age: of the status, [s]; infinite before the first.
        stale: whether that is too old.
        warnings: what is wrong with what is heard.
        mode: of operation.
        estop: the device, as far as the status tells it.
        agents: who speaks at each source, and the stage.
        facts: name and text of the rest.
        stop_reaches: whether anybody hears the panel's stop.
        basis: what an act would be about; None where none can be signed.
        nonce: for it.
        waiting: commands that wait.
        grants: standing approvals, in words.
        waiting_known: whether that list is known and fresh.
        ended: what became of those that wait no more, by id, in words.
    """

    tone: Tone
    state: str
    cause: str
    next_step: str
    age: float
    stale: bool
    warnings: tuple[str, ...]
    mode: str
    estop: str
    agents: str
    facts: tuple[tuple[str, str], ...]
    stop_reaches: bool
    basis: Basis | None
    nonce: str
    waiting: tuple[Waiting, ...]
    grants: tuple[str, ...]
    waiting_known: bool
    ended: Values


def make_view(heard: Snapshot, robot: str, configuration: str, now: Nanoseconds) -> View:
    """Return what is shown.

    Args:
        heard: until now.
        robot: id, of the panel's configuration.
        configuration: hash of that.
        now: steady clock, [ns].
    """
    status = heard.status
    age = math.inf if heard.status_at is None else (now - heard.status_at) / NS_PER_S
    stale = heard.status_at is None or now - heard.status_at > STATUS_LIMIT
    warnings = _warnings(heard, robot, configuration, stale)
    basis = None if stale or warnings else _basis(status)
    state, cause, next_step = _told(status, heard.status_at is None, stale)
    known = heard.waiting_at is not None and not stale
    if heard.waiting and heard.waiting_at is not None and now - heard.waiting_at > WAITING_LIMIT:
        known = False
    listed = heard.waiting if heard.waiting_at is not None else ()
    passed = 0 if heard.waiting_at is None else now - heard.waiting_at
    return View(
        tone=Tone.UNKNOWN if stale else _TONES.get(state, Tone.UNKNOWN),
        state=state,
        cause=cause,
        next_step=next_step,
        age=age,
        stale=stale,
        warnings=warnings,
        mode=_or_unknown(status.get("mode"), stale),
        estop=_estop(heard, stale),
        agents=_or_unknown(status.get("agents"), stale, "no agent has introduced itself"),
        facts=tuple(
            (name, with_cure(_or_unknown(status.get(key), stale, "none")))
            for name, key in _FACTS
            if stale or key in status
        )
        + ((SWITCH, UNKNOWN if stale else status.get("enabling_switch") or UNKNOWN),),
        stop_reaches=heard.stop_hearers > 0 and not stale,
        basis=basis,
        nonce=status.get("nonce", ""),
        waiting=tuple(
            _waiting(one, passed, basis, known, heard.waiting) for one in listed if one.get("kind") == "command"
        ),
        grants=tuple(deciding.grant_words(one) for one in listed if one.get("kind") == "grant"),
        waiting_known=known,
        ended={name: _end_words(said) for name, said in heard.ended.items()},
    )


def facts_of(view: View, robot: str) -> tuple[tuple[str, str], ...]:
    """Return name and text of what stands below the state; what the status does not have is left out."""
    data = f"{'STALE: ' if view.stale else ''}{age_words(view.age)}"
    known = (("robot", robot), ("mode", view.mode), ("e-stop", view.estop), ("agents", view.agents), ("data", data))
    return (*known, *view.facts)


def age_words(seconds: float) -> str:
    """Return the age of the newest data in words; while it is fresh these stay, and a page has nothing to render."""
    limit = STATUS_LIMIT / NS_PER_S
    if seconds <= limit:
        return f"under {limit:.0f} s old"
    return f"{seconds:.1f} s old" if math.isfinite(seconds) else "nothing heard yet"


def _end_words(said: str) -> str:
    """What a decision says, with what its code means."""
    verdict, _, rest = said.partition(" ")
    meaning = meaning_of(rest.partition(" ")[0])
    words = {"PASS": "approved, it is played", "REJECT": "not played", "STOP": "stopped"}.get(verdict, verdict)
    return " - ".join(part for part in (words, rest, meaning) if part)


def _warnings(heard: Snapshot, robot: str, configuration: str, stale: bool) -> tuple[str, ...]:
    found = []
    if heard.status_at is not None and heard.robot != robot:
        found.append(f"the status is of {heard.robot!a}, this panel is of {robot!a}: no acts")
    if heard.tellers > 1:
        found.append(f"{heard.tellers} nodes tell a status: do not trust what is shown; no acts")
    told = heard.status.get("configuration_sha256", "")
    if not stale and told != configuration:
        found.append("the supervisor runs another configuration than this panel: start the panel anew; no acts")
    return tuple(found)


def _basis(status: Values) -> Basis | None:
    try:
        return Basis(status["boot"], int(status["epoch"]), status["configuration_sha256"])
    except (KeyError, ValueError):
        return None


def switch_words(status: Values) -> str:
    """Return why MANUAL can not move by the enabling switch, and what to do; empty where it can, or nobody tells."""
    if status.get("enables", "yes") != "no":
        return ""
    return _SWITCH_WORDS.get(status.get("enabling_switch", ""), "It is not known whether the enabling switch is held.")


_SWITCH_WORDS: Final = {
    "none": "No device tells of an enabling switch.",
    "unknown": "It is not known whether the enabling switch is held: the e-stop device is not heard.",
    "released": "The enabling switch is released. Hold its middle.",
    "panicked": "The enabling switch is pressed through. Release it fully, then hold its middle.",
    "middle": "The enabling switch does not count yet. Release it fully, then hold its middle.",
}


def _told(status: Values, never: bool, stale: bool) -> tuple[str, str, str]:
    """State, cause and next step."""
    if never:
        return UNKNOWN, "nothing was heard of the supervisor yet", "Look whether it runs. To stop, press the e-stop."
    if stale:
        last = f"the supervisor is silent; it was {status.get('state', UNKNOWN)}"
        return UNKNOWN, last, "Treat the robot as moving. To stop, press the e-stop."
    cause = status.get("cause", "")
    meaning = meaning_of(cause)
    return status.get("state", UNKNOWN), f"{cause}: {meaning}" if meaning else cause, status.get("next_step", UNKNOWN)


def meaning_of(code: str) -> str:
    """Return what an error code means; empty for what is none."""
    return CODE_OF[code].cause if code in CODE_OF else ""


def cure_of(code: str) -> str:
    """Return what to do about an error code; empty for what is none."""
    return CODE_OF[code].cure if code in CODE_OF else ""


def with_cure(text: str) -> str:
    """Return a text, and where it begins with an error code what that means and what to do about it."""
    code = CODE_OF.get(text.partition(" ")[0])
    return text if code is None else f"{text}. {code.cause} {code.cure}"


def _or_unknown(text: str | None, stale: bool, empty: str = UNKNOWN) -> str:
    if stale or text is None:
        return UNKNOWN
    return text or empty


def _estop(heard: Snapshot, stale: bool) -> str:
    status = heard.status
    if stale or "active_causes" not in status:
        return UNKNOWN
    if _NO_ESTOP in heard.message:
        return "no e-stop device"
    active = status["active_causes"].split()
    line = status.get("estop_line", "")
    word = next(
        (f"{code}: {meaning_of(code).rstrip('.')}" for code in active if code.startswith("E_ESTOP")), "not pressed"
    )
    if word == "not pressed" and status.get("state") == "EMERGENCY_STOP":
        word = "not pressed, latched"
    return f"{word}; line {line}" if line else word


def _waiting(
    told: Values, passed: Nanoseconds, basis: Basis | None, known: bool, all_told: tuple[Values, ...]
) -> Waiting:
    name = told.get("id", "")
    read = deciding.read(told)
    shown = None if isinstance(read, str) else read
    try:
        left = float(told.get("remaining_s", ""))
    except ValueError:
        left = math.nan
    left = left - passed / NS_PER_S if math.isfinite(left) else 0.0
    problem = ""
    if isinstance(read, str):
        problem = read
    elif told.get("command_sha256") != read.sha256:
        problem = "its hash is not that of its text"
    elif sum(one.get("id") == name for one in all_told) != 1:
        problem = "it is told twice"
    elif not known or basis is None:
        problem = "what is shown is stale"
    elif left <= 0.0:
        problem = "expired"
    elif told.get("configuration_sha256") != basis.configuration:
        problem = "it was asked for under another configuration"
    elif read.epoch != basis.epoch:
        problem = "the robot's state has changed since it was asked for"
    people = told.get("people", "")
    return Waiting(name, shown, problem, max(0.0, left), people != "1" or bool(told.get("zones")))
