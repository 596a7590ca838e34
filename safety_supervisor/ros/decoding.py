"""The control process's end of the decoder: never waits, at most one trajectory of a source outstanding."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import deque
from dataclasses import dataclass

import msgspec

from safety_supervisor.core.errors import Code
from safety_supervisor.core.types import CommandUnreadable, TrajectoryCommand
from safety_supervisor.core.units import NS_PER_S
from safety_supervisor.ros.frames import DecodeReply, DecodeRequest, FrameBuffer, encode_frame

TIMEOUT = 5 * NS_PER_S
"""A decoder that does not answer for so long is ended, [ns]; it gives up a message of its own accord much sooner."""
_SLICE = 1 << 16
"""Bytes moved in one call, so that a huge trajectory is sliced over cycles."""


@dataclass
class _Outstanding:
    number: int
    due: int


class Decoder:
    """Starts, feeds, watches and restarts the decoder process."""

    def __init__(self) -> None:
        """Start the process; it is ready when `ready` turns true."""
        self.ready = False
        self.restarts = -1
        self._number = 0
        self._outstanding: dict[str, _Outstanding] = {}
        self._ended: list[subprocess.Popen[bytes]] = []
        self._encoder = msgspec.msgpack.Encoder()
        self._replies = msgspec.msgpack.Decoder(DecodeReply)
        self._start()

    def _start(self) -> None:
        self._process: subprocess.Popen[bytes] | None = subprocess.Popen(
            [sys.executable, "-m", "safety_supervisor.ros.decoder"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,  # Ctrl-C at the terminal reaches the control process alone
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._to, self._from = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(self._to, False)
        os.set_blocking(self._from, False)
        self._unsent: deque[memoryview] = deque()
        self._received = FrameBuffer()
        self.ready = False
        self.restarts += 1

    @property
    def pid(self) -> int | None:
        """Process id, None while it is down."""
        return None if self._process is None else self._process.pid

    def submit(self, source: str, data: bytes, clock: int, now: int, max_points: int) -> CommandUnreadable | None:
        """Hand over the bytes of a trajectory; return the refusal where that is not possible now."""
        if source in self._outstanding:
            return CommandUnreadable(now, source, Code.BUSY.value, 1.0, 1.0, "an earlier trajectory is being decoded")
        if self._process is None:
            return CommandUnreadable(now, source, Code.BUSY.value, 0.0, 0.0, "the decoder is being restarted")
        self._number += 1
        self._outstanding[source] = _Outstanding(self._number, now + TIMEOUT)
        request = DecodeRequest(self._number, source, clock, max_points, data)
        self._unsent.append(memoryview(encode_frame(self._encoder.encode(request))))
        return None

    def poll(self, now: int, may_restart: bool) -> list[TrajectoryCommand | CommandUnreadable]:
        """Move some bytes and return what was decoded, as events that enter now.

        Args:
            now: steady clock, [ns].
            may_restart: whether the milliseconds of starting a process may be spent now.
        """
        if self._ended:
            self._ended = [process for process in self._ended if process.poll() is None]
        if self._process is None:
            if may_restart:
                self._start()
            return []
        events: list[TrajectoryCommand | CommandUnreadable] = []
        alive = self._send() and self._receive(now, events)
        if not alive or any(entry.due <= now for entry in self._outstanding.values()):
            self._end()
            for source in self._outstanding:
                detail = "the decoder took too long" if alive else "the decoder died of it"
                events.append(CommandUnreadable(now, source, Code.UNDECODABLE.value, 0.0, 0.0, detail))
            self._outstanding.clear()
        return events

    def _send(self) -> bool:
        if not self._unsent:
            return True
        head = self._unsent[0]
        try:
            sent = os.write(self._to, head[:_SLICE])
        except BlockingIOError:
            return True
        except OSError:
            return False
        if sent == len(head):
            self._unsent.popleft()
        else:
            self._unsent[0] = head[sent:]
        return True

    def _receive(self, now: int, events: list[TrajectoryCommand | CommandUnreadable]) -> bool:
        try:
            data = os.read(self._from, _SLICE)
        except BlockingIOError:
            return True
        if not data:
            return False
        self._received.feed(data)
        while (frame := self._received.next()) is not None:
            try:
                reply = self._replies.decode(frame)
            except msgspec.MsgspecError:
                return False
            if reply.event is None:
                self.ready = True
                continue
            entry = self._outstanding.get(reply.event.source)
            if entry is not None and entry.number == reply.number:
                del self._outstanding[reply.event.source]
                if isinstance(reply.event, TrajectoryCommand):
                    received = entry.due - TIMEOUT
                    events.append(msgspec.structs.replace(reply.event, at=now, received=received))
                else:
                    events.append(msgspec.structs.replace(reply.event, at=now))
        return True

    def _end(self) -> None:
        """Kill the process and leave its burial to later calls: a starved machine takes its time over that."""
        process, self._process = self._process, None
        self.ready = False
        if process is None:
            return
        process.kill()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        self._ended.append(process)

    def close(self) -> None:
        """End the process."""
        self._end()
        self._outstanding.clear()
        for process in self._ended:
            process.wait(timeout=2.0)
