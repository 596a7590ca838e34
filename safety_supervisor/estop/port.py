"""The thread that moves bytes between the e-stop's serial line and the control thread, with their receipt times.

It judges nothing. The control thread calls `take` and `send`, which never wait and never raise. Whatever goes wrong is
a `Closed` with the cause and the cure: to a driver a stop. The port is then opened again and again, 0.1 s apart at
first, 1 s later.

- Nothing is lost in silence: when bytes are thrown away, because nobody takes them, the port is closed, a stop.
- The line can not flood us: bytes are handed out in small pieces, and read at no more than twice the rate that the
  line can have. The rest waits in the kernel, where it grows stale. A protocol that sees the age of its frames lives
  with that; to a driver that has nothing but the receipt time a line that is faster than that is a failed one.
- Where contacts are read, the bytes are thrown away here, so that they delay no contact.
- No lock between the threads: one producer, one consumer, and only operations that the interpreter does whole. A
  control thread of real-time priority never waits for a thread of lower priority.
"""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

import msgspec

from safety_supervisor.core.units import Nanoseconds
from safety_supervisor.estop.serial_line import LineError, SerialLine

MOST_TAKEN: Final = 256
"""Bytes that one `take` hands out, about: at 250 Hz five times what a line of 115200 Bd carries."""
MOST_WAITING: Final = 16_384
"""Bytes that wait for `take`: at 50 frames a second more than 10 s."""
MOST_EVENTS: Final = 1024
FIRST_WAIT_S: Final = 0.1
LONGEST_WAIT_S: Final = 1.0
_GOOD_AFTER: Final[Nanoseconds] = 1_000_000_000
"""A line that was open for so long is tried again after the first wait."""
_CONTACTS_MS: Final = 5
_CONTACTS_TOLD: Final[Nanoseconds] = 20_000_000
_MOST_OUT: Final = 8
_STALE: Final[Nanoseconds] = 50_000_000
"""What could not be written for so long is no sign of life any more."""
_DISCARDED: Final = 4096
_BURST: Final = 2048


class Opened(msgspec.Struct, frozen=True, gc=False):
    """The port is open; nothing older than `at` is in what follows."""

    at: Nanoseconds
    seed: int
    """32 random bits of the operating system."""


class Received(msgspec.Struct, frozen=True, gc=False):
    """Bytes, in the order of the line. They were there when `at` had passed: they may be older, never younger."""

    data: bytes
    at: Nanoseconds


class Contacts(msgspec.Struct, frozen=True, gc=False):
    """The modem's status lines: told on change and every 20 ms."""

    dsr: bool
    cts: bool
    at: Nanoseconds


class Closed(msgspec.Struct, frozen=True, gc=False):
    """The port is gone, failed, or could not be opened. `why` names the cause and the cure, for people."""

    at: Nanoseconds
    why: str


PortEvent = Opened | Received | Contacts | Closed


class _Inbox:
    """What waits for the control thread. The port's thread alone writes `put`, the control thread alone `taken`."""

    __slots__ = ("events", "put", "taken")

    def __init__(self) -> None:
        self.events: deque[PortEvent] = deque()
        self.put = 0
        self.taken = 0


class Port:
    """One serial port and its thread.

    The thread has the scheduling of the one that calls `start`: with a real-time control thread both should have the
    same, since both need the interpreter's lock. It takes no signals.
    """

    def __init__(self, name: str, baud: int, contacts: bool = False, sees_age: bool = True) -> None:
        """Name the port; nothing is opened before `start`.

        Args:
            name: device file, or a URL of pyserial.
            baud: [Bd].
            contacts: whether DSR and CTS are read, every 5 ms; a port without them is then refused. Bytes are thrown
                away.
            sees_age: whether the driver knows an old frame from a new one by what is in it. Without, a device that
                sends faster than twice `baud` closes the port.
        """
        self.name, self.baud = name, baud
        self._sees_age = sees_age
        self._contacts = contacts
        self._rate = 2 * baud / 10 / 1e9
        # 10 ms at that rate: sending never waits longer for a flood.
        self._piece = min(_BURST, max(16, baud // 500))
        self._inbox = _Inbox()
        self._out: deque[tuple[Nanoseconds, bytes]] = deque()
        self._rest = b""
        self._ending = False
        self._thread: threading.Thread | None = None
        self._scheduling: tuple[int, os.sched_param] | None = None
        self._wake_read, self._wake_write = -1, -1
        self._poll = select.poll()  # `select` refuses descriptors above 1023
        self._low_latency = -1
        self._counts = {
            "opened": 0,
            "attempts": 0,
            "reads": 0,
            "bytes": 0,
            "wakes": 0,
            "discarded": 0,
            "unsent_stale": 0,
        }
        self._unsent_full = 0  # the control thread's own

    def start(self) -> None:
        """Begin; the first `take` may come before the port is open."""
        if self._thread is not None:
            raise RuntimeError("the port was started before")
        self._wake_read, self._wake_write = os.pipe()
        self._poll.register(self._wake_read, select.POLLIN)
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self._scheduling = os.sched_getscheduler(0), os.sched_getparam(0)
        self._thread = threading.Thread(target=self._run, name="estop-port", daemon=True)
        self._thread.start()

    def take(self) -> list[PortEvent]:
        """Return what happened, the oldest first, in small pieces; never waits. For one thread alone."""
        inbox = self._inbox
        if not inbox.events:  # four cycles of five
            return []
        taken: list[PortEvent] = []
        size = 0
        while size < MOST_TAKEN and len(taken) < 32:
            try:
                event = inbox.events.popleft()
            except IndexError:
                break
            if isinstance(event, Received):
                rest = event.data[MOST_TAKEN - size :]
                if rest:
                    event = Received(event.data[: MOST_TAKEN - size], event.at)
                    inbox.events.appendleft(Received(rest, event.at))
                size += len(event.data)
                inbox.taken += len(event.data)
            taken.append(event)
        return taken

    def send(self, data: bytes) -> None:
        """Have bytes written soon; never waits. When the device takes none, the oldest that wait are thrown away."""
        if not data or self._thread is None:
            return
        while len(self._out) >= _MOST_OUT:
            try:
                self._out.popleft()
                self._unsent_full += 1
            except IndexError:
                break
        self._out.append((time.monotonic_ns(), data))
        self._wake()

    def close(self, timeout: float = 1.0) -> bool:
        """End the thread and give the port back.

        Args:
            timeout: [s]; the thread waits for nothing but the operating system.

        Returns:
            Whether the thread has ended.
        """
        thread = self._thread
        if thread is None:
            return True
        self._ending = True
        self._wake()
        thread.join(timeout)
        if thread.is_alive():
            return False
        for file in (self._wake_read, self._wake_write):
            if file >= 0:
                os.close(file)
        self._wake_read = self._wake_write = -1
        return True

    @property
    def statistics(self) -> Mapping[str, int]:
        """Counters by name; `low_latency` is 1, 0 when the driver has no such mode, -1 before the port was open."""
        unsent = self._unsent_full + self._counts["unsent_stale"]
        return {**self._counts, "unsent": unsent, "waiting": len(self._inbox.events), "low_latency": self._low_latency}

    def _wake(self) -> None:
        with suppress(OSError):  # full: it is awake already; closed: there is nobody to wake
            os.write(self._wake_write, b"!")

    # What follows runs in the port's thread.

    def _run(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        self._schedule()
        wait, told = FIRST_WAIT_S, ""
        while not self._ending:
            opened_at = 0
            line: SerialLine | None = None
            try:
                self._counts["attempts"] += 1
                line = SerialLine(self.name, self.baud, self._wake_read)
                if self._contacts:
                    line.contacts()
                self._low_latency = int(line.low_latency)
                opened_at, told = self._begin(), ""
                self._move(line)
                why = "closed by us"
            except LineError as error:
                why = str(error)
            except Exception as error:  # a driver below us may fail in any way; the stop must be told
                why = f"{self.name}: {type(error).__name__}: {error}"
            finally:
                if line is not None:
                    line.close()
            if why != told:
                # What nobody took yet is overtaken: a closed port is a stop, whatever was in there.
                inbox = _Inbox()
                inbox.events.append(Closed(time.monotonic_ns(), why))
                self._inbox, told = inbox, why
            if opened_at and time.monotonic_ns() - opened_at > _GOOD_AFTER:
                wait = FIRST_WAIT_S
            self._pause(wait)
            wait = min(LONGEST_WAIT_S, 2 * wait)

    def _schedule(self) -> None:
        """Take the scheduling of the thread that called `start`; SCHED_RESET_ON_FORK keeps it from being inherited."""
        if self._scheduling is not None:
            with suppress(OSError):  # not permitted any more: as an ordinary thread, like without permission at all
                os.sched_setscheduler(0, *self._scheduling)

    def _begin(self) -> Nanoseconds:
        """Tell that the port is open; what was to be sent before belongs to another session."""
        self._out.clear()
        self._rest = b""
        self._counts["opened"] += 1
        at = time.monotonic_ns()
        self._inbox.events.append(Opened(at, int.from_bytes(os.urandom(4), "big")))
        return at

    def _pause(self, seconds: float) -> None:
        ends = time.monotonic() + seconds
        while not self._ending and (left := ends - time.monotonic()) > 0:
            if self._poll.poll(max(1, int(left * 1000))):
                self._drain()
                # A control thread that sends to a closed port must not make this a busy loop.
                time.sleep(0.02 if not self._ending else 0)

    def _drain(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._wake_read, 4096)

    def _move(self, line: SerialLine) -> None:
        """Move bytes until the line fails or we end."""
        counts = self._counts
        allowed, since = float(_BURST), time.monotonic_ns()
        last: tuple[bool, bool] | None = None
        contacts_at = 0
        while not self._ending:
            counts["wakes"] += 1
            timeout = _CONTACTS_MS if self._contacts else 10 if self._rest or self._out else None
            readable, woken = line.wait(timeout)
            at = time.monotonic_ns()
            if woken:  # before `_out` is looked at: what is sent later wakes again
                self._drain()
            if self._out or self._rest:
                self._write(line, at)
            if readable and self._contacts:
                discarded = len(line.read(_DISCARDED))
                counts["discarded"] += discarded
                if discarded:  # a flood must not make this a busy loop
                    time.sleep(_CONTACTS_MS / 1000)
                    at = time.monotonic_ns()
            elif readable:
                data = line.read(self._piece)
                if data:
                    self._put(data, at)
                    allowed = min(float(_BURST), allowed + (at - since) * self._rate) - len(data)
                    since = at
                    if allowed < 0:  # faster than the line can be
                        if not self._sees_age:
                            raise LineError(
                                f"{self.name}: the box sends faster than `estop.baud` ({self.baud} Bd), so that a "
                                "press would be heard late; add a delay between what it sends or set the true rate"
                            )
                        time.sleep(min(0.1, -allowed / self._rate / 1e9))
            if self._contacts:
                now = line.contacts()
                if now != last or at - contacts_at >= _CONTACTS_TOLD:
                    last, contacts_at = now, at
                    self._room()
                    self._inbox.events.append(Contacts(*now, at))

    def _put(self, data: bytes, at: Nanoseconds) -> None:
        inbox = self._inbox
        self._counts["reads"] += 1
        self._counts["bytes"] += len(data)
        self._room()
        inbox.put += len(data)
        inbox.events.append(Received(data, at))

    def _room(self) -> None:
        inbox = self._inbox
        if inbox.put - inbox.taken > MOST_WAITING or len(inbox.events) > MOST_EVENTS:
            raise LineError(f"{self.name}: more came than was taken; the supervisor stood, or this is no e-stop device")

    def _write(self, line: SerialLine, now: Nanoseconds) -> None:
        """Write what waits: the rest of a frame first, whole frames while they are fresh."""
        while self._rest or self._out:
            if not self._rest:
                try:
                    at, data = self._out.popleft()
                except IndexError:  # the control thread has just thrown it away
                    return
                if now - at > _STALE:
                    self._counts["unsent_stale"] += 1
                    continue
                self._rest = data
                started = False
            else:
                started = True
            written = line.write(self._rest)
            if not written and not started:
                # Not begun: it may still be overtaken by a newer one.
                self._out.appendleft((at, self._rest))
                self._rest = b""
                return
            self._rest = self._rest[written:]
            if self._rest:
                return
