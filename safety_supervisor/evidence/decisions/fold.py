"""What repeats is told once a second, with its counts and extremes and a hash over all of it. Pure.

Folded are: commands that were heard and set-points that were sent, of which the core decides hundreds a second; and
decisions that are equal but for their command and their numbers: of PASS the second within a second, of others the
one after `EACH`. Nothing is left out: `commands_sha256` and `decisions_sha256` are over all that was folded, in order.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

import msgspec

from safety_supervisor.evidence.decisions.chain import Body, canonical

EACH: Final = 20
"""Equal decisions in a second that are no PASS and are told one by one."""
_NUMBERS: Final = ("value", "limit", "margin", "latency")


class SetPoint(msgspec.Struct, gc=False):
    """What is folded of an `Actuate`."""

    cycle: int
    positions: tuple[float, ...]
    velocities: tuple[float, ...]
    moving: bool


class _Commands:
    """Commands of one source."""

    __slots__ = ("count", "first_at", "hash", "last_at", "refused")

    def __init__(self, at: int) -> None:
        self.count = self.refused = 0
        self.first_at = self.last_at = at
        self.hash = hashlib.sha256()


class _Equal:
    """Equal decisions."""

    __slots__ = ("count", "first", "folded", "hash", "high", "last", "low", "total")

    def __init__(self, body: Body) -> None:
        self.first = self.last = body
        self.count = self.folded = self.total = 0
        self.hash = hashlib.sha256()
        self.low: dict[str, float] = {}
        self.high: dict[str, float] = {}


class Fold:
    """One second's repetitions."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._commands: dict[str, _Commands] = {}
        self._equal: dict[tuple[Any, ...], _Equal] = {}
        self._set_points = self._moving = 0
        self._cycles = (0, 0)
        self._low: tuple[float, ...] = ()
        self._high: tuple[float, ...] = ()
        self._speed: tuple[float, ...] = ()
        self._extremes: dict[str, float] = {}

    def command(self, source: str, at: int, raw: bytes | memoryview) -> None:
        """Count a command as it was received.

        Args:
            source: whose.
            at: receipt, steady clock, [ns].
            raw: encoding of its event.
        """
        found = self._commands.get(source)
        if found is None:
            found = self._commands[source] = _Commands(at)
        found.count += 1
        found.last_at = at
        found.hash.update(raw)

    def set_point(self, sent: SetPoint) -> None:
        """Count what was sent to the motors."""
        speed = tuple(map(abs, sent.velocities))
        if self._set_points:
            self._cycles = (self._cycles[0], sent.cycle)
            self._low = tuple(map(min, self._low, sent.positions))
            self._high = tuple(map(max, self._high, sent.positions))
            self._speed = tuple(map(max, self._speed, speed))
        else:
            self._cycles = (sent.cycle, sent.cycle)
            self._low = self._high = sent.positions
            self._speed = speed
        self._set_points += 1
        self._moving += sent.moving

    def status(self, distance_to_limit: float, tracking_error: float, speed_scale: float) -> None:
        """Take the extremes of what the status tells."""
        new = {"distance_to_limit_low": -distance_to_limit, "tracking_error_high": tracking_error}
        new["speed_scale_low"] = -speed_scale
        for name, value in new.items():
            self._extremes[name] = max(value, self._extremes.get(name, value))

    def decision(self, body: Body) -> Body | None:
        """Take a decision; return it where it is to be told at once, None where it is folded."""
        if body["verdict"] in ("REJECT", "WAIT"):
            found = self._commands.get(body["source"])
            if found is not None:
                found.refused += body["count"]
        key = tuple(body[name] for name in ("source", "verdict", "code", "rule", "joint", "intervention"))
        equal = self._equal.get(key)
        if equal is None:
            equal = self._equal[key] = _Equal(body)
        equal.count += 1
        if equal.count <= (1 if body["verdict"] == "PASS" else EACH):
            return body
        if not equal.folded:
            equal.first = body
        equal.folded += 1
        equal.total += body["count"]
        equal.last = body
        equal.hash.update(canonical(body) + b"\n")
        for name in _NUMBERS:
            value = body[name]
            if value is not None and value == value:
                equal.low[name] = min(value, equal.low.get(name, value))
                equal.high[name] = max(value, equal.high.get(name, value))
        return None

    def close(self) -> list[Body]:
        """Return what was folded, as bodies without time and robot. The next second takes a `Fold` of its own."""
        told: list[Body] = []
        for equal in self._equal.values():
            if equal.folded:
                told.append(
                    equal.last
                    | {
                        "kind": "folded",
                        "folded": equal.folded,
                        "count": equal.total,
                        "first_at": equal.first["at"],
                        "first_command": equal.first["command"],
                        "decisions_sha256": equal.hash.hexdigest(),
                        "low": equal.low,
                        "high": equal.high,
                    }
                )
        if self._set_points or self._commands:
            sources = {
                name: {
                    "heard": one.count,
                    "refused": one.refused,
                    "first_at": one.first_at,
                    "last_at": one.last_at,
                    "commands_sha256": one.hash.hexdigest(),
                }
                for name, one in self._commands.items()
            }
            extremes = {name: -value if name.endswith("_low") else value for name, value in self._extremes.items()}
            motion: Body = {"kind": "motion", "verdict": "PASS", "sources": sources, **extremes}
            if self._set_points:
                motion |= {"set_points": self._set_points, "moving": self._moving}
                motion |= {"first_cycle": self._cycles[0], "last_cycle": self._cycles[1]}
                motion |= {"position_low": self._low, "position_high": self._high, "speed_high": self._speed}
            told.append(motion)
        return told
