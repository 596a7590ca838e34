"""What a line of frames looks like from the host, counted and measured, without port and clock.

It begins sessions, so that the device talks, and sends CHECKIN only when told to, always with the demand STOP: a tool
must never let relays close, since nothing would stop the robot then.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any, Final

from safety_supervisor.core.estop_settings import EstopLine
from safety_supervisor.core.units import Nanoseconds
from safety_supervisor.estop.fault_memory import CORRUPTED_ALLOWED, FaultMemory
from safety_supervisor.estop.frames import (
    RUN_A,
    RUN_B,
    STOP_A,
    STOP_B,
    Flag,
    Frame,
    FrameReader,
    FrameType,
    Input,
    encode,
)
from safety_supervisor.estop.sequence import LOST_ALLOWED, Echo, Sequence
from safety_supervisor.estop.signature import signature
from safety_supervisor.estop.times import CHECKIN_EVERY, ECHO_LAG, MS, WATCHDOG

BOUNDS_MS: Final = (1, 2, 5, 10, 15, 19, 21, 25, 30, 40, 60, 100)
"""Upper bounds of the histograms' classes, [ms]; the last class has none."""
_HELLO_EVERY: Final[Nanoseconds] = 100 * MS
_MODULUS: Final = 1 << 32
_EVENTS: Final = 200


@dataclass
class Histogram:
    """How often a time was how long."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_MS) + 1))
    longest: Nanoseconds = 0

    def add(self, time: Nanoseconds) -> None:
        """Count a time, [ns]."""
        self.counts[bisect_left(BOUNDS_MS, time / MS)] += 1
        self.longest = max(self.longest, time)

    def plain(self) -> dict[str, Any]:
        """Return classes that are not empty, and the longest, [ms]."""
        names = [f"<={bound}" for bound in BOUNDS_MS] + [f">{BOUNDS_MS[-1]}"]
        found = {name: count for name, count in zip(names, self.counts, strict=True) if count}
        return {"ms": found, "longest_ms": round(self.longest / MS, 3)}


@dataclass(frozen=True, slots=True)
class Seen:
    """The device's word, as people read it."""

    channel_a: str
    channel_b: str
    enabling: str
    key: str
    reset: str
    relays: str
    self_test: str


def _channel(byte: int, run: int, stop: int) -> str:
    return {run: "run", stop: "stop"}.get(byte, f"fault {byte:02X}")


def seen(frame: Frame) -> Seen:
    """Return what a frame of the device says."""
    enabling = frame.inputs & (Input.ENABLING_MIDDLE | Input.ENABLING_PANICKED)
    words = {0: "released", int(Input.ENABLING_MIDDLE): "middle", int(Input.ENABLING_PANICKED): "panicked"}
    failed = "failed" if frame.flags & Flag.SELF_TEST_FAILED else "good"
    return Seen(
        channel_a=_channel(frame.channel_a, RUN_A, STOP_A),
        channel_b=_channel(frame.channel_b, RUN_B, STOP_B),
        enabling=words.get(int(enabling), "fault: middle and panicked"),
        key="auto" if frame.inputs & Input.MODE_AUTO else "manual",
        reset="down" if frame.inputs & Input.RESET_DOWN else "up",
        relays="open" if frame.flags & Flag.RELAYS_OPEN else "closed, or none",
        self_test="running" if frame.flags & Flag.SELF_TEST_RUNNING else failed,
    )


class LineWatch:
    """One line. Times are of the steady clock, [ns].

    Attributes:
        word: the newest word of the device in this session, None before.
        heard_at: when it came.
        link: `closed`, `no session`, `session`, `silent`.
        resets_held: how long the reset button was held, each time, [ns].
        fault: why the supervisor would stop on this line, the newest reason; empty: nothing of that was seen.
    """

    def __init__(self, line: EstopLine, checkin: bool) -> None:
        """Begin with a closed port.

        Args:
            line: what both ends hold.
            checkin: whether to send CHECKIN, with the demand STOP.
        """
        self.word: Seen | None = None
        self.heard_at: Nanoseconds = 0
        self.link = "closed"
        self.why = "not opened yet"
        self.counts: Counter[str] = Counter()
        self.intervals, self.round_trips = Histogram(), Histogram()
        self.resets_held: list[Nanoseconds] = []
        self._reset_down_at: Nanoseconds | None = None
        self._line, self._checkin = line, checkin
        self._signature = signature(line)
        self._reader = FrameReader(self._signature)
        self.fault = ""
        self._faults = FaultMemory()
        self._sequence = Sequence()
        self._hello: int | None = None
        self._last: int | None = None
        self._echoed: int | None = None
        self._sent: dict[int, Nanoseconds] = {}
        self._next_at: Nanoseconds = 0
        self._test = False
        self._events: deque[dict[str, Any]] = deque(maxlen=_EVENTS)

    def opened(self, at: Nanoseconds, seed: int) -> None:
        """Begin a session on the port that was opened."""
        self._sequence.opened(seed)
        self._reader.clear()
        self._lose_session("no session", at)
        self._tell(at, "port", "opened")

    def closed(self, at: Nanoseconds, why: str) -> None:
        """Note that the port is gone."""
        self._lose_session("closed", at)
        self.why = why
        self._tell(at, "port", why)

    def self_test(self) -> None:
        """Ask the device to test itself, with the next bytes."""
        self._test = True

    def receive(self, data: bytes, at: Nanoseconds) -> None:
        """Take bytes."""
        self.counts["bytes"] += len(data)
        for frame in self._reader.feed(data):
            if isinstance(frame, Frame):
                self._judge(frame, at)
            else:
                self.counts[f"refused: {frame.value}"] += 1
                if self.link == "session" and self._faults.corrupted(at):
                    self.fault = f"more than {CORRUPTED_ALLOWED} frames within 10 s are corrupted: check the cable"
        self.counts["bytes of no frame"] = self._reader.discarded

    def contacts(self, dsr: bool, cts: bool, at: Nanoseconds) -> None:
        """Ignore the modem's lines: no part of this protocol."""

    def cycle(self, at: Nanoseconds) -> bytes:
        """Return what to send now, mostly nothing; call it every few milliseconds."""
        if self.link == "session" and at - self.heard_at > WATCHDOG:
            self._lose_session("silent", at)
        if self.link == "closed" or at < self._next_at:
            return b""
        if self.link != "session":
            self._next_at = at + _HELLO_EVERY
            return self._frame(FrameType.HELLO, at)
        self._next_at = at + CHECKIN_EVERY
        data = b""
        if self._test:
            self._test = False
            data = self._frame(FrameType.SELFTEST, at)
        return data + self._frame(FrameType.CHECKIN, at) if self._checkin else data

    def events(self) -> list[dict[str, Any]]:
        """Return what happened since the last call, plain values, the oldest first."""
        taken = list(self._events)
        self._events.clear()
        return taken

    def plain(self) -> dict[str, Any]:
        """Return all that is known, plain values."""
        word = self.word
        return {
            "link": self.link,
            "why": self.why if self.link == "closed" else "",
            "device": {name: getattr(word, name) for name in Seen.__slots__} if word else None,
            "counts": dict(sorted(self.counts.items())),
            "interval": self.intervals.plain(),
            "round_trip": self.round_trips.plain(),
        }

    def _judge(self, frame: Frame, at: Nanoseconds) -> None:
        if frame.source == self._line.host:
            self.counts["refused: our own frame, looped back"] += 1
        elif (frame.source, frame.destination) != (self._line.device, self._line.host):
            self.counts["refused: other ids"] += 1
        elif frame.type is FrameType.HELLO:
            self._judge_hello(frame, at)
        elif self.link != "session" or self._last is None:
            self.counts["outside a session"] += 1
        else:
            ahead = (frame.sequence - self._last) % _MODULUS
            if not 0 < ahead < _MODULUS // 2:
                self.counts["refused: sequence not newer"] += 1
                return
            if self._sequence.judge(frame.echo) is not Echo.FRESH:
                self.counts["refused: answers too late"] += 1
                self.fault = f"the line is too slow: a frame answers what was sent more than {ECHO_LAG} frames ago"
                self._tell(at, "stale", self.fault)
                return
            if ahead > LOST_ALLOWED + 1:
                self.fault = f"{ahead - 1} frames in a row are lost; allowed: {LOST_ALLOWED}"
            if ahead > 1:
                self.counts["gaps"] += 1
                self.counts["frames lost"] += ahead - 1
                self._tell(at, "gap", f"{ahead - 1} frames lost")
            self.counts[frame.type.name] += 1
            self.intervals.add(at - self.heard_at)
            self._hear(frame, at)

    def _judge_hello(self, frame: Frame, at: Nanoseconds) -> None:
        self.counts["HELLO"] += 1
        if self.link != "session" and frame.echo == self._hello:
            self.link = "session"
            self._next_at = at
            self.counts["sessions"] += 1
            self._tell(at, "session", "begun")
            self._hear(frame, at)
        elif self.link == "session":
            self._tell(at, "restart", "the device restarted")
            self.counts["restarts"] += 1
            self._lose_session("no session", at)

    def _hear(self, frame: Frame, at: Nanoseconds) -> None:
        self._last, self.heard_at = frame.sequence, at
        if frame.echo != self._echoed and frame.echo in self._sent:
            self.round_trips.add(at - self._sent[frame.echo])
        self._echoed = frame.echo
        word, before = seen(frame), self.word
        self.word = word
        if word.reset == "down" and self._reset_down_at is None:
            self._reset_down_at = at
        elif word.reset == "up" and self._reset_down_at is not None:
            self.resets_held.append(at - self._reset_down_at)
            self._reset_down_at = None
        for name in Seen.__slots__:
            now = getattr(word, name)
            if before is None or getattr(before, name) != now:
                self._tell(at, name, now)

    def _lose_session(self, link: str, at: Nanoseconds) -> None:
        if self.link == "session":
            self._tell(at, "session", "lost" if link != "silent" else "lost: the device is silent")
        self.link = link
        self.word = self._last = self._hello = self._reset_down_at = None
        self._sent.clear()
        self._sequence.call()
        self._next_at = at

    def _frame(self, kind: FrameType, at: Nanoseconds) -> bytes:
        number = self._sequence.send(at, hello=kind is FrameType.HELLO)
        if kind is FrameType.HELLO:
            self._hello = number
        frame = Frame(kind, self._line.host, self._line.device, number, self._last or 0)  # channels say STOP
        self._sent[number] = at
        if len(self._sent) > 64:
            del self._sent[next(iter(self._sent))]
        self.counts[f"sent {kind.name}"] += 1
        return encode(frame, self._signature)

    def _tell(self, at: Nanoseconds, event: str, detail: str) -> None:
        self._events.append({"at": at, "event": event, "detail": detail})
