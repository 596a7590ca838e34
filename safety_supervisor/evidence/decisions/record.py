"""From what the core handled to the records of the decision log: who asked, what was decided, by which rule. Pure.

It reads the encoding of events and effects, so that the process that decides pays nothing. What is recorded in full and
what is folded: docs/evidence.md. Requirement: SR-042.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any, Final, NamedTuple

import msgspec

from safety_supervisor.core.act_events import AgentSession
from safety_supervisor.core.effects import Decision, Effect, Status
from safety_supervisor.core.events import Boot, Event
from safety_supervisor.core.intake.intake import read_frame_id
from safety_supervisor.evidence.decisions.chain import Body
from safety_supervisor.evidence.decisions.fold import Fold, SetPoint

_COMMANDS: Final = frozenset({"StreamCommand", "TrajectoryCommand", "BaseCommand"})
_ACTS: Final = frozenset({"StopRequested", "OperatorAct", "ToolChange", "AgentSession", "TokenRefused"})
_TOLD: Final = frozenset(
    {"AdapterFault", "ConfigurationChanged", "RobotDescription", "SourceEndpoints", "SourceLiveliness"}
    | {"OutputEndpoints", "JointStateEndpoints", "IncompatibleEndpoint", "EstopReport"}
)
"""Events of the world around that people ask for afterwards. All the others are in the recording alone."""
_EFFECTS: Final = {
    "InterventionAsked": "intervention",
    "Interventions": "intervention",
    "Latches": "latches",
    "Stages": "stages",
    "LadderMode": "ladder",
    "RelayDemand": "relay",
    "Reply": "reply",
}
"""Effects that become records as they are, and their kinds."""
_STATE: Final = ("state", "cause", "active_causes", "mode", "source", "epoch", "tool", "quarantined", "ladder_phase")
"""Of a `Status`: what makes a record when it changes."""
MOST_KNOWN: Final = 256
"""Commands of a source whose hash is remembered until they are decided."""
NS_PER_S: Final = 1_000_000_000


class _Asked(msgspec.Struct, gc=False):
    """What is read of a command."""

    at: int
    source: str
    frame_id: str = ""
    received: int = 0
    command: str = ""


class _At(msgspec.Struct, gc=False):
    at: int


class _Command(NamedTuple):
    """A command that was heard."""

    event: int
    received: int
    key: str
    sha256: str


_NONE: Final = _Command(0, 0, "", "")
_pair = msgspec.msgpack.Decoder(tuple[msgspec.Raw, list[msgspec.Raw]])
_at = msgspec.msgpack.Decoder(_At)
_asked = msgspec.msgpack.Decoder(_Asked)
_set_point = msgspec.msgpack.Decoder(SetPoint)
_event = msgspec.msgpack.Decoder(Event)
_effect = msgspec.msgpack.Decoder(Effect)


def tag_of(raw: msgspec.Raw | bytes) -> str:
    """Return the class name that an encoded event or effect begins with."""
    view = memoryview(raw)
    at = 9 if view[0] == 0xDE else 7  # a map of 16 members or more has a longer head; then `type`, then the name
    return bytes(view[at : at + (view[at - 1] & 0x1F)]).decode("ascii")


def utc(at: int, offset: int) -> str:
    """Spell a time of the steady clock as UTC.

    Args:
        at: steady clock, [ns].
        offset: of the wall clock from it, [ns].
    """
    whole, rest = divmod(at + offset, NS_PER_S)
    return f"{datetime.fromtimestamp(whole, timezone.utc):%Y-%m-%dT%H:%M:%S}.{rest // 1000:06d}Z"


class Recorder:
    """Makes records of one boot.

    Args:
        identity: members that stand in every record: robot and boot.
        hashes: members that stand in every decision: configuration, policy, URDF, software.
    """

    def __init__(self, identity: Body, hashes: Body) -> None:
        """Begin a boot."""
        self._identity = identity
        self._hashes = hashes
        self._fold = Fold()
        self._closes: int | None = None
        self._event = 0
        self._now = 0
        self._joints: msgspec.Raw | bytes = b""
        self._state: dict[str, Any] = dict.fromkeys(_STATE, "")
        self._contract: dict[str, int] = {}
        self._unnamed: defaultdict[str, int] = defaultdict(int)
        self._known: defaultdict[str, dict[str, _Command]] = defaultdict(dict)

    @property
    def now(self) -> int:
        """Time of the newest event, steady clock, [ns]."""
        return self._now

    def place(self, body: Body, at: int, offset: int) -> Body:
        """Give a record its time, robot and boot."""
        return {**body, **self._identity, "at": at, "utc": utc(at, offset)}

    def take(self, pair: bytes, offset: int) -> list[Body]:
        """Return the records of one handled event.

        Args:
            pair: encoding of the event and its effects.
            offset: of the wall clock from the steady one, [ns].
        """
        event, effects = _pair.decode(pair)
        self._event += 1
        tag = tag_of(event)
        asked: tuple[str, str, _Command] | None = None
        bodies: list[Body] = []
        if tag in _COMMANDS:
            asked = self._heard(event, tag)
        elif tag == "JointStates":
            self._joints = event.copy()
        elif tag in _ACTS or tag in _TOLD or tag == "Boot":
            bodies.append(self._told(tag, _event.decode(event)))
        sent: msgspec.Raw | None = None
        for raw in effects:
            tag = tag_of(raw)
            if tag == "Actuate":
                sent = raw
                self._fold.set_point(_set_point.decode(raw))
            elif tag == "DriveBase":
                sent = sent or raw
            elif tag != "PolicyQuestion":
                bodies += self._came(_effect.decode(raw), tag, asked, sent)
        self._now = _at.decode(event).at
        changed = any(body["kind"] in ("state", "boot") for body in bodies)
        placed = [self.place(body, body.get("at", self._now), offset) for body in bodies]
        if self._closes is None:
            self._closes = self._now + NS_PER_S
        if changed or self._now >= self._closes:
            return [*self.close(offset), *placed]
        return placed

    def close(self, offset: int) -> list[Body]:
        """Return what was folded since the last time: once a second, and at each transition."""
        told = [self.place(body, self._now, offset) for body in self._fold.close()]
        self._fold = Fold()
        self._closes = self._now + NS_PER_S
        return told

    def _heard(self, raw: msgspec.Raw, tag: str) -> tuple[str, str, _Command]:
        """Remember a command; return its source and id with it."""
        asked = _asked.decode(raw)
        drives = tag == "BaseCommand"
        named, key = (None, None) if drives else read_frame_id(asked.frame_id)
        command = asked.command or named or ""
        if not command:  # the core counts them, too
            who = f"{asked.source}-base" if drives else asked.source
            self._unnamed[who] += 1
            command = f"{who}-{self._unnamed[who]}"
        self._fold.command(asked.source, asked.at, raw)
        heard = _Command(self._event, asked.received or asked.at, key or "", hashlib.sha256(raw).hexdigest())
        known = self._known[asked.source]
        known.pop(command, None)
        known[command] = heard
        if len(known) > MOST_KNOWN:
            del known[next(iter(known))]
        return asked.source, command, heard

    def _told(self, tag: str, event: Any) -> Body:
        """Return the record of an event."""
        if isinstance(event, AgentSession):
            self._contract[event.source] = event.contract
        kind = "boot" if isinstance(event, Boot) else "act" if tag in _ACTS else "event"
        return {"kind": kind, "type": tag, "event": self._event, **msgspec.to_builtins(event)}

    def _came(
        self, effect: Any, tag: str, asked: tuple[str, str, _Command] | None, sent: msgspec.Raw | None
    ) -> Iterator[Body]:
        """Yield the records of an effect."""
        if isinstance(effect, Decision):
            told = self._fold.decision(self._decided(effect, asked, sent))
            if told is not None:
                yield told
        elif isinstance(effect, Status):
            self._fold.status(effect.distance_to_limit, effect.tracking_error, effect.speed_scale)
            state = {name: getattr(effect, name) for name in _STATE}
            if state != self._state:
                self._state = state
                yield {"kind": "state", "event": self._event, "at": effect.at, "next_step": effect.next_step} | state
        elif tag in _EFFECTS:
            yield {"kind": _EFFECTS[tag], "event": self._event, **msgspec.to_builtins(effect)}

    def _decided(self, decision: Decision, asked: tuple[str, str, _Command] | None, sent: msgspec.Raw | None) -> Body:
        command = _NONE
        if asked is not None and asked[0] == decision.source and decision.command in ("", asked[1]):
            command = asked[2]
        elif decision.command:
            command = self._known[decision.source].get(decision.command, _NONE)
        limited = decision.verdict == "LIMIT" and sent is not None
        return {
            "kind": "decision",
            **msgspec.to_builtins(decision),
            **self._hashes,
            "event": self._event,
            "mode": self._state["mode"],
            "state": self._state["state"],
            "contract": self._contract.get(decision.source, 0),
            "command_event": command.event,
            "command_sha256": command.sha256,
            "idempotency_key": command.key,
            "latency": max(0, decision.at - command.received) if command.event else None,
            "state_sha256": hashlib.sha256(self._joints).hexdigest() if self._joints else "",
            "modified_sha256": hashlib.sha256(sent).hexdigest() if limited and sent is not None else "",
        }


def asked_of(event: bytes) -> Body:
    """Return the record of an act that is noted before it takes effect."""
    return {**msgspec.to_builtins(_event.decode(event)), "kind": "asked"}


def retained(record: Body) -> bool:
    """Return whether a record is kept for the longer time: interventions, people's acts, versions, what stops all."""
    return record["kind"] not in SHORT or bool(record.get("intervention"))


SHORT: Final = frozenset({"decision", "folded", "motion", "state", "event", "head", "chunk", "relay", "ladder"})
"""Kinds that are kept for the shorter time."""
