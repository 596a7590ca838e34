"""The control process's end of the decoder: never waits, at most one trajectory of a source outstanding."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from safety_supervisor.core.errors import Code
from safety_supervisor.core.events import CommandUnreadable, TrajectoryCommand
from safety_supervisor.core.units import NS_PER_S
from safety_supervisor.ros.child import Child
from safety_supervisor.ros.frames import DecodeReply, DecodeRequest

TIMEOUT = 5 * NS_PER_S
"""A decoder that does not answer for so long is ended, [ns]; it gives up a message of its own accord much sooner."""


@dataclass(frozen=True)
class _Outstanding:
    number: int
    due: int
    received: int
    command: str


class Decoder:
    """Starts, feeds, watches and restarts the decoder process."""

    def __init__(self) -> None:
        """Start the process; it is ready when `ready` turns true."""
        self.ready = False
        self.restarts = 0
        self._number = 0
        self._outstanding: dict[str, _Outstanding] = {}
        self._encoder = msgspec.msgpack.Encoder()
        self._replies = msgspec.msgpack.Decoder(DecodeReply)
        self._child = Child("safety_supervisor.ros.decoder")

    @property
    def pid(self) -> int | None:
        """Process id, None while it is down."""
        return self._child.pid

    def submit(
        self, source: str, data: bytes, clock: int, now: int, max_points: int, *, received: int = 0, command: str = ""
    ) -> CommandUnreadable | None:
        """Hand over the bytes of a trajectory; return the refusal where that is not possible now.

        Args:
            source: whose trajectory.
            data: the message.
            clock: ROS clock at receipt, [ns].
            now: steady clock, [ns].
            max_points: more are refused.
            received: when it came, steady clock, [ns]; 0: now.
            command: correlation id of an action goal, in the place of the header's; empty for a message.
        """
        if source in self._outstanding:
            detail = "an earlier trajectory is being decoded"
            return CommandUnreadable(now, source, Code.BUSY.value, 1.0, 1.0, detail, command=command)
        if self._child.pid is None:
            detail = "the decoder is being restarted"
            return CommandUnreadable(now, source, Code.BUSY.value, 0.0, 0.0, detail, command=command)
        self._number += 1
        self._outstanding[source] = _Outstanding(self._number, now + TIMEOUT, received or now, command)
        self._child.send(self._encoder.encode(DecodeRequest(self._number, source, clock, max_points, data, command)))
        return None

    def withdraw(self, source: str, command: str) -> bool:
        """Forget an action goal that is being decoded; return whether there was one."""
        entry = self._outstanding.get(source)
        if entry is None or entry.command != command:
            return False
        del self._outstanding[source]
        return True

    def poll(self, now: int, may_restart: bool) -> list[TrajectoryCommand | CommandUnreadable]:
        """Move some bytes and return what was decoded, as events that enter now.

        Args:
            now: steady clock, [ns].
            may_restart: whether the milliseconds of starting a process may be spent now.
        """
        if self._child.pid is None:
            self._child.bury()
            if may_restart and self._child.restart(now):
                self.restarts += 1
            return []
        events: list[TrajectoryCommand | CommandUnreadable] = []
        alive = self._receive(now, events)
        if not alive or any(entry.due <= now for entry in self._outstanding.values()):
            self.ready = False
            self._child.end()
            detail = "the decoder took too long" if alive else "the decoder died of it"
            for source, entry in self._outstanding.items():
                code = Code.UNDECODABLE.value
                events.append(CommandUnreadable(now, source, code, 0.0, 0.0, detail, command=entry.command))
            self._outstanding.clear()
        return events

    def _receive(self, now: int, events: list[TrajectoryCommand | CommandUnreadable]) -> bool:
        frames = self._child.exchange()
        if frames is None:
            return False
        for frame in frames:
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
                    events.append(msgspec.structs.replace(reply.event, at=now, received=entry.received))
                else:
                    events.append(msgspec.structs.replace(reply.event, at=now))
        return True

    def close(self) -> None:
        """End the process."""
        self.ready = False
        self._child.close()
        self._outstanding.clear()
