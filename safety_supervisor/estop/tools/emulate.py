"""The emulated device in real time, on a pseudo-terminal or a serial port: obeys orders, tells what happened when."""

from __future__ import annotations

import os
import random
import select
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Protocol

from safety_supervisor.core.estop_settings import EstopLine
from safety_supervisor.core.units import Nanoseconds
from safety_supervisor.estop.serial_line import SerialLine
from safety_supervisor.estop.signature import signature
from safety_supervisor.estop.tools.device import Device, DeviceEvent
from safety_supervisor.estop.tools.disturbance import Disturbance
from safety_supervisor.estop.tools.orders import HELP, Bench, OrderError, obey
from safety_supervisor.estop.tools.pseudo_terminal import PseudoTerminal

Tell = Callable[[dict[str, Any]], None]

_UNHEARD_S: Final = 0.005
"""A pseudo-terminal that nobody has open can not be waited for."""


class FarEnd(Protocol):
    """Where the device is connected."""

    unsent: int

    @property
    def name(self) -> str:
        """Return what the host is to open."""

    def fileno(self) -> int:
        """Return the descriptor to wait for, -1 while unplugged and where there is none."""

    @property
    def asked(self) -> bool:
        """Whether it is connected and has no descriptor, so that it has to be asked again and again."""

    def plug(self) -> None:
        """Connect."""

    def unplug(self) -> None:
        """Disconnect."""

    def read(self) -> bytes | None:
        """Return what came; None when nobody listens."""

    def write(self, data: bytes) -> None:
        """Send what fits."""

    def close(self) -> None:
        """Disconnect for good."""


class SerialPort:
    """A serial port as the far end: a cable between two adapters."""

    def __init__(self, name: str, baud: int) -> None:
        """Open it.

        Raises:
            LineError: with the cure.
        """
        self.name = name
        self.unsent = 0
        self._baud = baud
        self._pipe = os.pipe()
        self._line: SerialLine | None = None
        self.plug()

    def fileno(self) -> int:
        """Return its descriptor; -1 while unplugged, and for a URL."""
        return -1 if self._line is None else self._line.fileno()

    @property
    def asked(self) -> bool:
        """Whether it is an open URL."""
        return self._line is not None and self._line.fileno() < 0

    def plug(self) -> None:
        """Open the port."""
        if self._line is None:
            self._line = SerialLine(self.name, self._baud, self._pipe[0])

    def unplug(self) -> None:
        """Close the port: the line falls silent."""
        if self._line is not None:
            self._line.close()
            self._line = None

    def read(self) -> bytes | None:
        """Return what came."""
        # Asked without need, a serial port answers as if it were gone.
        return self._line.read(4096) if self._line and self._line.wait(0)[0] else b""

    def write(self, data: bytes) -> None:
        """Send what fits."""
        if self._line and data:
            self.unsent += len(data) - self._line.write(data)

    def close(self) -> None:
        """Close the port for good."""
        self.unplug()
        for file in self._pipe:
            with suppress(OSError):
                os.close(file)


class Emulator:
    """One emulated device. One thread calls `order` and `step`; times are CLOCK_MONOTONIC, [ns]."""

    def __init__(self, line: EstopLine, far_end: FarEnd, tell: Tell, seed: int | None = None) -> None:
        """Power the device on.

        Args:
            line: what both ends hold.
            far_end: where it is connected.
            tell: takes what happened, plain values with `at`.
            seed: of garbage and sequence numbers; None: of the operating system.
        """
        self._chance = random.Random(seed)  # None: of the operating system
        self._far_end, self._tell = far_end, tell
        now = time.monotonic_ns()
        self.device = Device(line, now, self._seed())
        self.disturbance = Disturbance(signature(line), self._seed())
        self.bench = Bench(self.device, self.disturbance, far_end.plug, far_end.unplug, self._seed)
        self.sent = self.received = 0
        self._events: deque[DeviceEvent] = deque()

    def order(self, text: str) -> bool:
        """Obey an order at once and answer it; return whether it was understood."""
        at = time.monotonic_ns()
        try:
            obey(self.bench, text, at)
        except (OrderError, OSError) as error:
            self._tell({"order": text, "ok": False, "at": at, "why": str(error)})
            return False
        self._flush()
        self._tell({"order": text, "ok": True, "at": at, "sent_at": time.monotonic_ns()})
        self._report()
        return True

    def step(self, other: int | None = None, at_most: float = 0.1) -> bool:
        """Wait for bytes, the time or another descriptor, and do what is due.

        Args:
            other: descriptor to wait for, too.
            at_most: [s].

        Returns:
            Whether there is something to read on `other`.
        """
        file = -1 if self.bench.frozen else self._far_end.fileno()
        files = [number for number in (file, -1 if other is None else other) if number >= 0]
        heard = file >= 0 and self._read()
        # Where the host has not opened the pseudo-terminal, waiting for it returns at once.
        wait_for = files if heard else [number for number in files if number != file]
        wait = max(0.0, min(at_most, (self._due() - time.monotonic_ns()) / 1e9))
        asked = self._far_end.asked and not self.bench.frozen
        if asked:
            self._read()
        if asked or (file >= 0 and not heard):
            wait = min(wait, _UNHEARD_S)
        ready, _, _ = select.select(wait_for, [], [], wait)
        if file in ready:
            self._read()
        if not self.bench.frozen:
            now = time.monotonic_ns()
            up = self.bench.reset_up_at
            if up is not None and now >= up:
                self.bench.reset_up_at = None
                self.device.press_reset(False, now)
            self.device.advance(now)
            self._flush()
        self._report()
        return other is not None and other in ready

    def close(self) -> None:
        """Unplug for good."""
        self._far_end.close()

    def state(self) -> dict[str, Any]:
        """Return what the device shows now, as plain values."""
        a, b = self.device.channels()
        return {
            "port": self._far_end.name,
            "plugged": self._far_end.fileno() >= 0 or self._far_end.asked,
            "channels": f"{a:02X} {b:02X}",
            "flags": self.device.flags(),
            "inputs": self.device.inputs(),
            "relays": ("closed" if self.device.relays_closed else "open") if self.device.has_relays else "none",
            "frozen": self.bench.frozen,
            "sent": self.sent,
            "received_bytes": self.received,
            "refused": self.device.refused,
            "unsent_bytes": self._far_end.unsent,
        }

    def _seed(self) -> int:
        return self._chance.getrandbits(32)

    def _due(self) -> Nanoseconds:
        if self.bench.frozen:
            return time.monotonic_ns() + 1_000_000_000
        times = [self.device.due(), self.bench.reset_up_at, self.disturbance.due()]
        if time.monotonic_ns() < self.disturbance.flood_until:
            times.append(time.monotonic_ns() + 1_000_000)
        return min(moment for moment in times if moment is not None)

    def _read(self) -> bool:
        """Read what came; return whether somebody has the other end open."""
        data = self._far_end.read()
        if data:
            self.received += len(data)
            now = time.monotonic_ns()
            if self.bench.loopback:
                self.disturbance.raw(data, now)
            self.device.receive(data, now)
        return data is not None

    def _flush(self) -> None:
        if self.bench.frozen:
            return
        now = time.monotonic_ns()
        frames, events = self.device.take()
        self._events.extend(events)
        if not self.bench.silent:
            self.sent += len(frames)
            self.disturbance.put(frames, now)
        self._far_end.write(self.disturbance.take(now))

    def _report(self) -> None:
        while self._events:
            event = self._events.popleft()
            self._tell({"event": event.what, "detail": event.detail, "at": event.at})


def far_end(port: str | None, baud: int, link: Path | None) -> FarEnd:
    """Return a pseudo-terminal, or the serial port that was named.

    Raises:
        OSError: the pseudo-terminal or its link can not be made.
        LineError: the port can not be opened.
    """
    return SerialPort(port, baud) if port else PseudoTerminal(link)


class OrderSource:
    """Orders from a script and from a stream, in turn; `wait SECONDS` holds the ones behind it."""

    def __init__(self, script: str, stream: int | None) -> None:
        """Begin.

        Args:
            script: orders, one a line or parted by `;`; what stands behind `#` is a remark.
            stream: descriptor that more come from; None: none do.
        """
        self.stream = stream
        self._orders = deque(_split(script))
        self._rest = b""
        self._not_before = 0.0

    def wait(self) -> float:
        """Return how long the next order waits, [s]; a large number when there is none."""
        return max(0.0, self._not_before - time.monotonic()) if self._orders else 3600.0

    def read(self) -> None:
        """Read the stream, which has something; at its end it is let go."""
        assert self.stream is not None
        data = os.read(self.stream, 4096)
        *lines, self._rest = (self._rest + data).split(b"\n")
        if not data:
            lines, self._rest, self.stream = [self._rest], b"", None
        if len(self._rest) > 4096:
            self._rest = b""
        for line in lines:
            self._orders.extend(_split(line.decode("utf-8", "replace")))

    def follow(self, emulator: Emulator, tell: Tell) -> bool:
        """Have the orders that are due obeyed; return whether to go on."""
        while self._orders and time.monotonic() >= self._not_before:
            text = self._orders.popleft()
            words = text.lower().split()
            at = time.monotonic_ns()
            if words[0] == "quit":
                tell({"order": text, "ok": True, "at": at})
                return False
            if words[0] == "state":
                tell({"order": text, "ok": True, "at": at, **emulator.state()})
            elif words[0] == "help":
                tell({"order": text, "ok": True, "at": at, "help": HELP})
            elif words[0] == "wait":
                self._wait(text, words, at, tell)
            else:
                emulator.order(text)
        return True

    def _wait(self, text: str, words: list[str], at: Nanoseconds, tell: Tell) -> None:
        try:
            seconds = float(words[1])
            good = len(words) == 2 and 0 <= seconds <= 86_400
        except (IndexError, ValueError):
            good, seconds = False, 0.0
        if not good:
            tell({"order": text, "ok": False, "at": at, "why": "write: wait SECONDS"})
            return
        self._not_before = time.monotonic() + seconds
        tell({"order": text, "ok": True, "at": at})


def _split(text: str) -> list[str]:
    lines = (line.partition("#")[0] for line in text.splitlines())
    return [order for line in lines for part in line.split(";") if (order := part.strip())]
