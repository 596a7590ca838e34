"""The device on a bench with a clock of its own: the logic as a library, or the flashed image on a simulated AVR."""

from __future__ import annotations

import ctypes
import json
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wire import LENGTH, Frame, decode

BYTE_US = 1e6 * 10 / 115200

CAUSES = ("button", "silent", "demand", "selftest", "discrepancy", "enabling", "session")
RELAY_STATES = {0xA5: "open", 0x5A: "closed", 0x3C: "opening"}


@dataclass(frozen=True)
class Moment:
    """Something that changed, and when, in microseconds of the bench's clock."""

    us: int
    what: str
    value: int


class Bench(ABC):
    """Time stands still between calls of `run`."""

    slack_us: int
    """How much later than in the specification something may be seen: a tick, a frame on the line, relay contacts."""

    def __init__(self) -> None:
        self.us = 0
        self.frames: list[tuple[int, Frame]] = []
        self.moments: list[Moment] = []
        self._partial = bytearray()

    @abstractmethod
    def run(self, us: int) -> None:
        """Let time pass."""

    @abstractmethod
    def send(self, data: bytes) -> None:
        """Put bytes on the line to the device, behind those that are on it already."""

    @abstractmethod
    def command(self, line: str) -> None:
        """Do something to the board, in the words of `bench/board.h`; `restart` starts the device again."""

    def values(self, what: str) -> list[Moment]:
        return [moment for moment in self.moments if moment.what == what]

    def last(self, what: str) -> int:
        """The newest value; 0 when it never changed."""
        moments = self.values(what)
        return moments[-1].value if moments else 0

    @property
    def closed(self) -> bool:
        """Whether current can flow through both relays."""
        return self.last("contacts") == 1

    def _note(self, what: str, value: int) -> None:
        if value != self.last(what):
            self.moments.append(Moment(self.us, what, value))

    def _sent(self, byte: int, us: int) -> None:
        """Take one byte of the device; one that belongs to no frame fails the test at once."""
        self._partial.append(byte)
        if len(self._partial) == LENGTH:
            self.frames.append((us, decode(bytes(self._partial))))
            self._partial.clear()


class _Relay(ctypes.Structure):
    _fields_ = (
        ("coil", ctypes.c_uint8),
        ("contact", ctypes.c_uint8),
        ("stuck", ctypes.c_uint8),
        ("moves_at", ctypes.c_uint64),
    )


_CONTACTS = ("channel_a", "channel_b", "reset", "key_auto", "enable_middle", "enable_panicked")


class _Board(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_uint8) for name in _CONTACTS),
        *((name, ctypes.c_uint8) for name in ("short_a", "short_b", "short_ab", "short_low")),
        ("relay", _Relay * 2),
    )


class _Inputs(ctypes.Structure):
    _fields_ = tuple(
        (name, ctypes.c_uint8)
        for name in (*_CONTACTS, "relay_1_on", "relay_2_on", "pulse_done", "pulse_a_low", "pulse_b_low")
    )


class _Outputs(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_uint8) for name in ("relay_1", "relay_2", "test_pulse"))


class Counts(ctypes.Structure):
    """link_counts_t."""

    _fields_ = tuple(
        (name, ctypes.c_uint16)
        for name in (
            "corrupted",
            "malformed",
            "other_peer",
            "loopback",
            "no_session",
            "not_newer",
            "stale",
            "lost",
            "bad_demand",
        )
    )


class Report(ctypes.Structure):
    """estop_report_t."""

    _fields_ = (
        *(
            (name, ctypes.c_uint8)
            for name in (
                "relays",
                "causes",
                "opened_by",
                "faults",
                "selftest_step",
                "session",
                "armed",
                "reset_too_long",
                "discrepancy",
            )
        ),
        ("counts", Counts),
    )


class LibraryBench(Bench):
    """The logic as a shared library, ticked every millisecond, with the line's speed and the board around it."""

    slack_us = 5_000 + 2_100 + 1_000

    def __init__(self, library: Path, first_number: int = 0x12345678, start_ms: int = 0) -> None:
        super().__init__()
        self.library = ctypes.CDLL(str(library))
        self.library.estop_transmit.restype = ctypes.c_uint8
        self.first_number = first_number
        self.start_ms = start_ms
        self.board = _Board()
        self.stuck_pulses = False
        self._outputs = _Outputs()
        self._line: list[tuple[float, int]] = []
        self._line_free = 0.0
        self._transmitter_free = 0
        self.library.board_init(ctypes.byref(self.board))
        self._start()

    def _start(self) -> None:
        config = ctypes.byref(ctypes.c_char.in_dll(self.library, "ESTOP_CONFIG"))
        self.library.estop_init(config, ctypes.c_uint32(self.first_number & 0xFFFFFFFF))
        self._outputs = _Outputs()

    def report(self) -> Report:
        report = Report()
        self.library.estop_report(ctypes.byref(report))
        return report

    @property
    def state(self) -> str:
        return RELAY_STATES[self.report().relays]

    @property
    def opened_by(self) -> set[str]:
        causes = self.report().opened_by
        return {name for bit, name in enumerate(CAUSES) if causes >> bit & 1}

    def command(self, line: str) -> None:
        if line == "restart":
            self.first_number += 0x9E3779B9  # as the boot counter of a real one sees to
            self._start()
        elif not self.library.board_command(ctypes.byref(self.board), line.encode()):
            raise ValueError(line)

    def send(self, data: bytes) -> None:
        for byte in data:
            self._line_free = max(self._line_free, self.us) + BYTE_US
            self._line.append((self._line_free, byte))

    def run(self, us: int) -> None:
        end = self.us + us
        while self.us < end:
            self.us += 1000
            self._tick()

    def _tick(self) -> None:
        now = ctypes.c_uint32((self.start_ms + self.us // 1000) & 0xFFFFFFFF)
        while self._line and self._line[0][0] <= self.us:
            self.library.estop_receive(ctypes.c_uint8(self._line.pop(0)[1]), now)
        self._advance_board()
        inputs = self._sample()
        self.library.estop_tick(ctypes.byref(inputs), now, ctypes.byref(self._outputs))
        self._advance_board()
        self._note("coils", self._outputs.relay_1 | self._outputs.relay_2 << 1)
        self._note("contacts", self.board.relay[0].contact & self.board.relay[1].contact)
        self._note("pulse", self._outputs.test_pulse)
        self._note("state", self.report().relays)
        if self.us >= self._transmitter_free:
            frame = (ctypes.c_uint8 * LENGTH)()
            if self.library.estop_transmit(frame):
                self._transmitter_free = self.us + int(LENGTH * BYTE_US)
                for byte in bytes(frame):
                    self._sent(byte, self._transmitter_free)

    def _advance_board(self) -> None:
        self.library.board_advance(
            ctypes.byref(self.board),
            ctypes.c_uint8(self._outputs.relay_1),
            ctypes.c_uint8(self._outputs.relay_2),
            ctypes.c_uint64(self.us * 1000),
        )

    def _sample(self) -> _Inputs:
        board, pulse = ctypes.byref(self.board), self._outputs.test_pulse
        loop_a, loop_b = self.library.board_loop_a, self.library.board_loop_b
        a, b = int(pulse != 1), int(pulse != 2)
        return _Inputs(
            loop_a(board, 1, 1) & 1,
            loop_b(board, 1, 1) & 1,
            *(getattr(self.board, name) for name in _CONTACTS[2:]),
            self.board.relay[0].contact,
            self.board.relay[1].contact,
            0 if self.stuck_pulses else pulse,
            (loop_a(board, a, b) & 1) ^ 1,
            (loop_b(board, a, b) & 1) ^ 1,
        )


class SimulatedBench(Bench):
    """The image that is flashed, on a simulated ATmega328P at 16 MHz."""

    slack_us = 5_000 + 3_000 + 1_000

    def __init__(self, program: Sequence[str]) -> None:
        super().__init__()
        self._process = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.output: dict[str, int] = {}

    def _do(self, line: str) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        for answer in self._process.stdout:
            if not answer.startswith("{"):
                continue
            event = json.loads(answer)
            self.us = event.pop("us")
            if "done" in event:
                return
            if "tx" in event:
                self._sent(event["tx"], int(self.us + BYTE_US))
                continue
            if "reset" in event:
                self._partial.clear()
                self.moments.append(Moment(self.us, "reset", 1))
                continue
            self.output |= event
            for what, value in event.items():
                self._note(what, value)
        raise RuntimeError(f"the simulator ended at {line!r}")

    def run(self, us: int) -> None:
        self._do(f"run {us}")

    def send(self, data: bytes) -> None:
        self._do(f"send {data.hex()}")

    def command(self, line: str) -> None:
        self._do(line)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
