"""What a supervised run would have said to agents in stage `shadow`: their commands of a log, judged to the end.

In stage `shadow` nothing is forwarded, so the motion that a stream asks for never comes about and can not be judged
where the robot is. Here it can. With the first command of a shadowed source a *rehearsal* begins: the supervisor, as it
was in that moment, is copied into a process of its own (`fork`: all of it, bit for bit), where the agent counts as
`supervised` and the robot is an ideal one, which stands where it is commanded. Whatever the log holds from then on
reaches both, the copy's set-points go nowhere, and its decisions are those of a supervised run on the same events. The
rehearsal ends when the agents have been silent for a second and move nothing; the next one begins where the robot is.

Nothing of this runs in the node: it costs the control cycle nothing, and can let nothing through.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Final

import msgspec

from safety_supervisor.core.act_events import AgentSession
from safety_supervisor.core.agents.settings import Stage
from safety_supervisor.core.effects import Actuate, Decision, Effect
from safety_supervisor.core.events import (
    BaseCommand,
    CommandUnreadable,
    Event,
    JointStates,
    StreamCommand,
    Tick,
    TrajectoryCommand,
)
from safety_supervisor.core.sessions import REACTION
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.supervisor import Supervisor
from safety_supervisor.core.units import Nanoseconds

Command = StreamCommand | TrajectoryCommand | BaseCommand | CommandUnreadable
COMMANDS: Final = (StreamCommand, TrajectoryCommand, BaseCommand, CommandUnreadable)
SILENT: Final[Nanoseconds] = REACTION
"""A rehearsal ends when its agents have sent and moved nothing for this long: they have seen that nothing moved."""


class _Told(msgspec.Struct, array_like=True):
    """What a copy answers to a `Tick`."""

    decisions: list[Decision]
    ended: bool


_encode = msgspec.msgpack.Encoder().encode
_event = msgspec.msgpack.Decoder(Event)
_told = msgspec.msgpack.Decoder(_Told)


class RehearsalError(Exception):
    """The copy ended before the rehearsal did."""


@dataclass
class Rehearsed:
    """What came of one agent's commands.

    Attributes:
        model: name and version, of the last one.
        commands: how many it sent; cancels count, too.
        refused: how many of them a supervised run would have refused.
        told: how often each verdict and code was told; a stream that passes is told of once, when it begins.
    """

    model: str = ""
    commands: int = 0
    refused: int = 0
    told: Counter[tuple[str, str]] = field(default_factory=Counter)

    def as_dict(self) -> dict[str, object]:
        """For programs."""
        told = [{"verdict": verdict, "code": code, "count": n} for (verdict, code), n in sorted(self.told.items())]
        return {"model": self.model, "commands": self.commands, "refused": self.refused, "told": told}


class Rehearsals:
    """A supervisor for `replay` that rehearses, on the way, what shadowed agents ask for."""

    def __init__(
        self, configuration: Configuration, supervisor: Supervisor, seen: Callable[[Decision], None] | None = None
    ) -> None:
        """Follow the log with `supervisor`, fresh; `seen` is called with each decision of a rehearsal."""
        joints, observed = configuration.robot.joints, configuration.robot.observed
        self._ours = {name: index for index, name in enumerate(joints) if index not in observed}
        self._supervisor = supervisor
        self._seen = seen
        self._copy: _Copy | None = None
        self.count = 0
        """How many rehearsals there were."""
        self.sources: dict[str, Rehearsed] = {}

    def handle(self, event: Event) -> tuple[Effect, ...]:
        """Handle one event of the log; return what the supervisor of the log says, whom nothing here changes.

        Raises:
            RehearsalError: the copy's process ended.
        """
        if isinstance(event, COMMANDS):
            self._count(event)
        if self._copy is not None:
            told = self._copy.take(event)
            self._note(told.decisions)
            if told.ended:
                self.close()
        return self._supervisor.handle(event)

    def close(self) -> None:
        """End the rehearsal that is under way, if there is one."""
        if self._copy is not None:
            self._copy.close()
            self._copy = None

    def _count(self, event: Command) -> None:
        session = self._supervisor.sessions.get(event.source)
        if session is None or not session.shadowed:
            return
        assert session.speaker is not None
        found = self.sources.setdefault(event.source, Rehearsed())
        found.model = f"{session.speaker.key.name} {session.speaker.key.version}"
        found.commands += event.count if isinstance(event, CommandUnreadable) else 1
        if self._copy is None:
            self._copy = _Copy(self._supervisor, self._ours)
            self.count += 1

    def _note(self, decisions: list[Decision]) -> None:
        for decision in decisions:
            found = self.sources.setdefault(decision.source, Rehearsed(decision.model))
            found.told[decision.verdict, decision.code] += decision.count
            if decision.verdict == "REJECT":
                found.refused += decision.count
            if self._seen is not None:
                self._seen(decision)


class _Copy:
    """A supervisor's copy in a process of its own."""

    def __init__(self, supervisor: Supervisor, ours: dict[str, int]) -> None:
        self._ours, theirs = Pipe()
        self._process = os.fork()
        if self._process == 0:
            status = 1
            try:
                self._ours.close()
                _rehearse(supervisor, ours, theirs)
                status = 0
            finally:
                os._exit(status)  # nothing of the parent's is closed, flushed or run twice
        theirs.close()

    def take(self, event: Event) -> _Told:
        """Let it handle an event; a `Tick` tells what has come of all since the one before."""
        try:
            self._ours.send_bytes(_encode(event))
            return _told.decode(self._ours.recv_bytes()) if isinstance(event, Tick) else _Told([], False)
        except (EOFError, OSError) as error:
            raise RehearsalError(f"the process of a rehearsal ended: {error or type(error).__name__}") from error

    def close(self) -> None:
        """Let it end."""
        self._ours.close()
        os.waitpid(self._process, 0)


def _rehearse(supervisor: Supervisor, ours: dict[str, int], pipe: Connection) -> None:
    """Handle events with an ideal robot, in the copy's process, until nobody sends any more."""
    let_on = _let_on(supervisor)
    placed = supervisor.commanded
    robot: tuple[float, ...] = () if placed is None else tuple(placed[0].tolist())
    decisions: list[Decision] = []
    busy: Nanoseconds = 0
    while True:
        try:
            event = _event.decode(pipe.recv_bytes())
        except EOFError:
            return
        if isinstance(event, JointStates) and robot:
            event = _ideal(event, ours, robot)
        elif isinstance(event, COMMANDS) and event.source in let_on:
            busy = event.at
        effects = supervisor.handle(event)
        if isinstance(event, AgentSession):
            let_on |= _let_on(supervisor)
        for effect in effects:
            if isinstance(effect, Actuate):
                robot = effect.positions
            elif isinstance(effect, Decision) and effect.source in let_on:
                decisions.append(effect)
        if isinstance(event, Tick):
            if any(map(supervisor.engages, let_on)):
                busy = event.at
            pipe.send_bytes(_encode(_Told(decisions, event.at - busy > SILENT)))
            decisions = []


def _let_on(supervisor: Supervisor) -> set[str]:
    """Let agents in stage shadow count as supervised, in a copy that moves nothing; return their sources."""
    found = {name for name, session in supervisor.sessions.items() if session.shadowed}
    for name in found:
        session = supervisor.sessions[name]
        assert session.speaker is not None
        session.speaker = session.speaker._replace(stage=Stage.SUPERVISED)
    return found


def _ideal(event: JointStates, ours: dict[str, int], robot: tuple[float, ...]) -> JointStates:
    """Let a measurement tell that the joints that are commanded stand where they are commanded."""
    if len(event.positions) != len(event.names):
        return event  # malformed: judged as it came
    told = zip(event.names, event.positions, strict=True)
    positions = tuple(robot[ours[name]] if name in ours else value for name, value in told)
    return msgspec.structs.replace(event, positions=positions, velocities=())
