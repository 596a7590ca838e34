"""A device of the e-stop line for tests, and the line between it and the driver, in virtual time.

Written from the protocol's text with a codec of its own, so that a mistake of the product's is not repeated here.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from safety_supervisor.core.estop_settings import EstopLine, EstopSettings
from safety_supervisor.core.types import EstopInput
from safety_supervisor.estop.driver import Driver, EstopNotice
from safety_supervisor.estop.link import FrameV1
from safety_supervisor.estop.signature import signature

MS = 1_000_000
HELLO, STATUS, CHECKIN, SELFTEST = 1, 2, 3, 4
RUN = (0x3C, 0xC3)
STOP = (0xC3, 0x3C)
A_ONLY = (0xC3, 0xC3)
B_ONLY = (0x3C, 0x3C)
RESTARTED = 8
RESET = 4
HOST, DEVICE = 1, 2
START = 1_000_000 * MS
SEED = 0xFFFFFFF0
"""Wraps around within every longer test."""

LINE = EstopLine(
    port="/dev/ttyUSB0", baud=115200, host=HOST, device=DEVICE, relay_delay=300 * MS, relay_effect="sto",
    self_test_every=None,
)  # fmt: skip
SETTINGS = EstopSettings("frame_v1", "high", LINE)
SIGNATURE = signature(LINE)


def crc(data: bytes) -> int:
    """Bit by bit, most significant first, on reflected bytes: another way than the product's table."""
    value = 0xFFFFFFFF
    for byte in data:
        value ^= int(f"{byte:08b}"[::-1], 2) << 24
        for _ in range(8):
            value = (value << 1) ^ (0xF4ACFB13 if value >> 31 else 0)
            value &= 0xFFFFFFFF
    return int(f"{value:032b}"[::-1], 2) ^ 0xFFFFFFFF


def frame(
    kind: int = STATUS, sequence: int = 0, echo: int = 0, channels: tuple[int, int] = RUN, flags: int = 0,
    inputs: int = 2, source: int = DEVICE, destination: int = HOST, version: int = 1, sign: int = SIGNATURE,
) -> bytes:  # fmt: skip
    body = b"\xa5\x5a" + struct.pack("<BBHHII", version, kind, source, destination, sequence % 2**32, echo % 2**32)
    body += bytes((*channels, flags, inputs))
    return body + struct.pack("<I", crc(body + struct.pack("<I", sign)))


def fields(data: bytes) -> tuple[int, int, int, tuple[int, int]]:
    """Type, sequence, echo, channels of a frame of the host, whose check sum must hold."""
    assert len(data) == 24
    assert struct.unpack("<I", data[20:])[0] == crc(data[:20] + struct.pack("<I", SIGNATURE))
    kind, source, destination, sequence, echo = struct.unpack("<xxxBHHII", data[:16])
    assert (source, destination) == (HOST, DEVICE)
    return kind, sequence, echo, (data[16], data[17])


@dataclass
class Rig:
    """One driver, one device, a line with delays. `step` is a millisecond; the host's cycle is `period` long."""

    driver: Driver = field(default_factory=lambda: FrameV1(SETTINGS))
    now: int = START
    period: int = 2
    to_host: int = 4
    to_device: int = 4
    alive: bool = True
    demand: bool = False
    resting: bool = False
    answers: bool = True
    """The device answers HELLO."""
    sends: bool = True
    channels: tuple[int, int] = RUN
    flags: int = 0
    inputs: int = 2
    sequence: int = 0xFFFFFFFA
    received: int = 0
    session: bool = False
    test_until: int | None = None
    test_takes: int | None = 300
    test_flags: int = 0
    on_way: list[tuple[int, bytes]] = field(default_factory=list)
    on_way_out: list[tuple[int, bytes]] = field(default_factory=list)
    words: list[tuple[int, EstopInput]] = field(default_factory=list)
    sent: list[tuple[int, int, int, tuple[int, int]]] = field(default_factory=list)
    told: list[EstopNotice] = field(default_factory=list)
    record: bytes = b""
    spoil: Callable[[bytes], bytes] | None = None
    _last: tuple[object, ...] = ()
    _due: int = 0

    def open(self, seed: int = SEED) -> Rig:
        self.driver.opened(self.now, seed)
        return self

    @property
    def word(self) -> EstopInput:
        return self.words[-1][1]

    def emit(self, kind: int = STATUS, **changes: int) -> bytes:
        self.sequence = (self.sequence + 1) % 2**32
        about = {"sequence": self.sequence, "echo": self.received, "flags": self.flags, "inputs": self.inputs} | changes
        data = frame(kind, channels=self.channels, **about)
        self.put(data)
        return data

    def put(self, data: bytes) -> None:
        self.record += data
        self.on_way.append((self.now + self.to_host * MS, data if self.spoil is None else self.spoil(data)))

    def restart(self) -> None:
        """Power lost: other numbers, no session, flag 3 until the first CHECKIN, and a HELLO that answers nothing."""
        self.sequence = (self.sequence * 2654435761 + 12345) % 2**32
        self.session, self.received, self.flags = False, 0, RESTARTED
        self.test_until = None
        self.emit(HELLO)

    def _hear(self, data: bytes) -> None:
        for start in range(0, len(data), 24):
            kind, sequence, _, channels = fields(data[start : start + 24])
            self.sent.append((self.now, kind, sequence, channels))
            if kind == HELLO and self.answers:
                self.session, self.received = True, sequence
                self.emit(HELLO)
            elif self.session and kind != HELLO:
                self.received = sequence
                if kind == CHECKIN:
                    self.flags &= ~RESTARTED
                elif self.test_takes is not None:
                    self.flags = self.flags & ~2 | 1
                    self.test_until = self.now + self.test_takes * MS

    def step(self, milliseconds: int = 1) -> Rig:
        for _ in range(milliseconds):
            self.now += MS
            while self.on_way_out and self.on_way_out[0][0] <= self.now:
                self._hear(self.on_way_out.pop(0)[1])
            if self.test_until is not None and self.now >= self.test_until:
                self.test_until = None
                self.flags = self.flags & ~3 | self.test_flags
            state = (self.channels, self.flags, self.inputs)
            if self.sends and (state != self._last or self.now >= self._due):
                self._last, self._due = state, self.now + 20 * MS
                self.emit()
            if (self.now // MS) % self.period == 0:
                self.cycle()
        return self

    def cycle(self) -> None:
        while self.on_way and self.on_way[0][0] <= self.now:
            self.driver.receive(self.on_way.pop(0)[1], self.now)
        self.words.append((self.now, self.driver.sample(self.now)))
        data = self.driver.cycle(self.now, self.alive, self.demand, self.resting)
        if data:
            self.on_way_out.append((self.now + self.to_device * MS, data))
        self.told += self.driver.notices()

    def until(self, wanted: Callable[[EstopInput], bool], most: int) -> int:
        """Step until a word is as wanted; return the milliseconds that passed, at most `most`."""
        begin, seen = self.now, len(self.words)
        while self.now - begin < most * MS:
            self.step()
            if any(wanted(word) for _, word in self.words[seen:]):
                return (self.now - begin) // MS
            seen = len(self.words)
        raise AssertionError(f"never, within {most} ms; the last word is {self.word}")


def running(**about: object) -> Rig:
    """A rig whose session runs, with the button cycled."""
    rig = Rig(**about).open()  # type: ignore[arg-type]
    rig.until(lambda word: word.state == "run", 200)
    rig.channels = STOP
    rig.step(60)
    assert rig.word.state == "stop"
    rig.channels = RUN
    rig.step(100)
    assert rig.word.state == "run"
    rig.told.clear()
    rig.words.clear()
    return rig
