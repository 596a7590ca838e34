"""The device's program on a pseudo-terminal: its commands, its events, and a small host on its terminal."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import serial
from wire import CHECKIN, HELLO, LENGTH, RELAYS_OPEN, RUN, STOP, Frame, decode


class Device:
    """The program, its events, and a host on its terminal."""

    def __init__(self, program: Path, terminal: str | None = None) -> None:
        self.process = subprocess.Popen(
            [program, *([terminal] if terminal else [])], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.events: list[dict[str, Any]] = []
        self._queue: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        self.tty: str = self.wait(lambda event: event["event"] == "ready")["tty"]
        self.frames: list[Frame] = []
        self.sequence = 1000
        self.demand: tuple[int, int] | None = RUN
        self._data = b""

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._queue.put(json.loads(line))
        self._queue.put(None)

    def wait(self, wanted: Callable[[dict[str, Any]], bool], seconds: float = 10.0) -> dict[str, Any]:
        """The next event that is wanted; events before it are kept, too."""
        end = time.monotonic() + seconds
        while True:
            try:
                event = self._queue.get(timeout=max(end - time.monotonic(), 0.001))
            except queue.Empty:
                raise AssertionError(f"not told within {seconds} s, last {self.events[-8:]}") from None
            assert event is not None, "the program ended"
            self.events.append(event)
            if wanted(event):
                return event

    def command(self, line: str) -> dict[str, Any]:
        """Carry out one line; its `done`, with its time."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.wait(lambda event: event.get("command") == line)

    def open(self, port: serial.Serial) -> None:
        self.port = port

    def pump(self, seconds: float) -> None:
        """Be a host for a while."""
        end = time.monotonic() + seconds
        following = 0.0
        while (now := time.monotonic()) < end:
            if self.demand is not None and now >= following:
                following = now + 0.02
                self.send(CHECKIN, self.demand)
            self._data += self.port.read(self.port.in_waiting or 1)
            self._take()

    def _take(self) -> None:
        while (start := self._data.find(b"\xa5\x5a")) >= 0 and start + LENGTH <= len(self._data):
            data = self._data[start : start + LENGTH]
            try:
                self.frames.append(decode(data))
                self._data = self._data[start + LENGTH :]
            except ValueError:
                self._data = self._data[start + 1 :]

    def send(self, kind: int, channels: tuple[int, int] = RUN) -> Frame:
        self.sequence += 1
        echo = self.frames[-1].sequence if self.frames else 0
        frame = Frame(kind, 1, 2, self.sequence, echo, channels)
        self.port.write(frame.encode())
        return frame

    def connect(self) -> None:
        hello = self.send(HELLO, STOP)
        demand, self.demand = self.demand, None
        end = time.monotonic() + 5.0
        while not any(frame.kind == HELLO and frame.echo == hello.sequence for frame in self.frames):
            assert time.monotonic() < end
            self.pump(0.005)
        self.demand = demand

    def close_relays(self) -> None:
        for _ in range(5):
            self.pump(1.1)
            self.command("reset down")
            self.pump(0.3)
            self.command("reset up")
            self.pump(0.1)
            if not self.frames[-1].flags & RELAYS_OPEN:
                return
        raise AssertionError("the relays did not close")

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()
