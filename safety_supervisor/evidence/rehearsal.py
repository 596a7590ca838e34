"""What a supervised run would have said to agents in stage `shadow`: their commands of a log, judged to the end.

In stage `shadow` nothing is forwarded, so the motion that a stream asks for never comes about and can not be judged
where the robot is. Here it can. With the first command of a shadowed source a *rehearsal* begins: the supervisor, as it
was in that moment, is copied into a process of its own (`fork`: all of it, bit for bit), where the agent counts as
`supervised` and the robot is an ideal one, which stands where it is commanded. Whatever the log holds from then on
reaches both, the copy's set-points go nowhere, and its decisions are those of a supervised run on the same events. The
rehearsal ends when the agents have been silent for a second and move nothing, and when one of them leaves the stage or
another one has come to it; the next one begins where the robot is.

Nothing of this runs in the node: it costs the control cycle nothing, and can let nothing through.
"""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Final

import msgspec

from safety_supervisor.core.act_events import AgentSession, OperatorAct
from safety_supervisor.core.agents.settings import ModelKey, Stage
from safety_supervisor.core.effects import Actuate, Decision, Effect, PolicyQuestion
from safety_supervisor.core.events import (
    BaseCommand,
    CommandUnreadable,
    Event,
    JointStates,
    PolicyAnswer,
    StreamCommand,
    Tick,
    TrajectoryCommand,
)
from safety_supervisor.core.sessions import REACTION
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.supervisor import Supervisor
from safety_supervisor.core.units import Nanoseconds
from safety_supervisor.evidence.ideal_robot import IdealRobot, commanded_joints

Command = StreamCommand | TrajectoryCommand | BaseCommand | CommandUnreadable
COMMANDS: Final = (StreamCommand, TrajectoryCommand, BaseCommand, CommandUnreadable)
SILENT: Final[Nanoseconds] = REACTION
"""A rehearsal ends when its agents have sent and moved nothing for this long: they have seen that nothing moved."""


class _Heard(msgspec.Struct, array_like=True):
    """What a copy is told."""

    event: Event | None
    """None: it ends, and tells the rest."""
    asked: str = ""
    """What the policy server was asked, of a `PolicyAnswer`: a copy asks other things, and counts them itself."""


class _Told(msgspec.Struct, array_like=True):
    """What a copy answers to a `Tick`, and to the end."""

    decisions: list[Decision]
    ended: bool


_encode = msgspec.msgpack.Encoder().encode
_heard = msgspec.msgpack.Decoder(_Heard)
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
        self._ours = commanded_joints(configuration)
        self._supervisor = supervisor
        self._seen = seen
        self._copy: _Copy | None = None
        self._rehearsed: set[str] = set()
        self._questions: dict[int, str] = {}
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
        asked = self._questions.pop(event.number, "") if isinstance(event, PolicyAnswer) else ""
        if self._copy is not None:
            told = self._copy.take(event, asked)
            self._note(told.decisions)
            if told.ended:
                self.close()
        effects = self._supervisor.handle(event)
        for effect in effects:
            if isinstance(effect, PolicyQuestion):
                self._questions[effect.number] = effect.facts
        if isinstance(event, (AgentSession, OperatorAct)) and self._is_over():
            self.close()
        return effects

    def close(self) -> None:
        """End the rehearsal that is under way, if there is one; what it has not told yet is told."""
        if self._copy is not None:
            copy, self._copy = self._copy, None
            self._rehearsed.clear()
            self._note(copy.close())

    def _count(self, event: Command) -> None:
        session = self._supervisor.standing.sessions.get(event.source)
        if session is None or not session.shadowed:
            return
        assert session.speaker is not None
        found = self.sources.setdefault(event.source, Rehearsed())
        found.model = f"{session.speaker.key.name} {session.speaker.key.version}"
        found.commands += event.count if isinstance(event, CommandUnreadable) else 1
        if self._copy is not None and session.speaker.key not in self._copy.models:
            self.close()  # it came to the stage when the others rehearsed already
        if self._copy is None:
            self._copy = _Copy(self._supervisor, self._ours, self._questions)
            self.count += 1
        self._rehearsed.add(event.source)

    def _is_over(self) -> bool:
        """Whether an agent that is let on in the copy has left the stage: what it does now is no rehearsal."""
        if self._copy is None:
            return False
        speakers = (
            (name in self._rehearsed, session.speaker)
            for name, session in self._supervisor.standing.sessions.items()
            if not session.shadowed
        )
        return any(one is not None and (known or one.key in self._copy.models) for known, one in speakers)

    def _note(self, decisions: list[Decision]) -> None:
        for decision in decisions:
            found = self.sources.setdefault(decision.source, Rehearsed(decision.model))
            found.told[decision.verdict, decision.code] += decision.count
            if decision.verdict == "REJECT":
                found.refused += decision.count
            if self._seen is not None:
                self._seen(decision)


class _Copy:
    """A supervisor's copy in a process of its own.

    Attributes:
        models: that count as supervised there.
    """

    def __init__(self, supervisor: Supervisor, ours: dict[str, int], questions: dict[int, str]) -> None:
        self.models = supervisor.standing.roll.models(Stage.SHADOW)
        self._ours, theirs = Pipe()
        self._process = os.fork()
        if self._process == 0:
            status = 1
            try:
                self._ours.close()
                _Rehearsal(supervisor, self.models, ours, questions).play(theirs)
                status = 0
            finally:
                os._exit(status)  # nothing of the parent's is closed, flushed or run twice
        theirs.close()

    def take(self, event: Event, asked: str) -> _Told:
        """Let it handle an event; a `Tick` tells what has come of all since the one before."""
        try:
            self._ours.send_bytes(_encode(_Heard(event, asked)))
            return _told.decode(self._ours.recv_bytes()) if isinstance(event, Tick) else _Told([], False)
        except (EOFError, OSError) as error:
            raise RehearsalError(f"the process of a rehearsal ended: {error or type(error).__name__}") from error

    def close(self) -> list[Decision]:
        """Let it end; return what it had not told yet."""
        rest: list[Decision] = []
        with contextlib.suppress(EOFError, OSError, msgspec.MsgspecError):  # it is gone, or was left in mid-word
            self._ours.send_bytes(_encode(_Heard(None)))
            rest = _told.decode(self._ours.recv_bytes()).decisions
        self._ours.close()
        os.waitpid(self._process, 0)
        return rest


class _Rehearsal:
    """Where agents in stage shadow count as supervised, and the robot is an ideal one: in the copy's process alone."""

    def __init__(
        self, supervisor: Supervisor, models: frozenset[ModelKey], ours: dict[str, int], questions: dict[int, str]
    ) -> None:
        self._supervisor = supervisor
        self._models = models
        self._numbers = {asked: number for number, asked in questions.items()}
        standing = supervisor.standing
        for key in models:
            standing.roll.give(key, Stage.SUPERVISED)  # whoever introduces itself later is let on by this, too
        for session in standing.sessions.values():
            if session.shadowed and session.speaker is not None:
                session.speaker = session.speaker._replace(stage=Stage.SUPERVISED)
        self._agents: set[str] = set()
        self._look_at_speakers()
        placed = supervisor.commanded
        self._robot = IdealRobot(ours, None if placed is None else placed[0])
        self._decisions: list[Decision] = []
        self._busy: Nanoseconds = 0
        self._now: Nanoseconds = 0

    def play(self, pipe: Connection) -> None:
        """Handle events until the other end ends."""
        while True:
            try:
                heard = _heard.decode(pipe.recv_bytes())
            except EOFError:
                return
            if heard.event is None:
                self._take(self._supervisor.standing.folded(self._now))
                pipe.send_bytes(_encode(_Told(self._decisions, True)))
                return
            self._handle(heard.event, heard.asked)
            if isinstance(heard.event, Tick):
                ended = self._now - self._busy > SILENT
                pipe.send_bytes(_encode(_Told(self._decisions, ended)))
                self._decisions = []

    def _handle(self, event: Event, asked: str) -> None:
        self._now = event.at
        if isinstance(event, PolicyAnswer):
            # The very answer to what was asked there; of what was asked here alone nobody knows the answer.
            event = msgspec.structs.replace(event, number=self._numbers.pop(asked, 0))
        elif isinstance(event, JointStates):
            event = self._robot.measure(event)
        elif isinstance(event, COMMANDS) and event.source in self._agents:
            self._busy = event.at
        self._take(self._supervisor.handle(event))
        if isinstance(event, AgentSession):
            self._look_at_speakers()
        if isinstance(event, Tick) and any(map(self._supervisor.standing.engages, self._agents)):
            self._busy = event.at

    def _take(self, effects: tuple[Effect, ...]) -> None:
        for effect in effects:
            if isinstance(effect, Actuate):
                self._robot.obey(effect)
            elif isinstance(effect, PolicyQuestion):
                self._numbers[effect.facts] = effect.number
            elif isinstance(effect, Decision) and effect.source in self._agents:
                self._decisions.append(effect)

    def _look_at_speakers(self) -> None:
        """Note at which sources agents speak that are let on; one whose session has ended stays known."""
        for name, session in self._supervisor.standing.sessions.items():
            if session.speaker is not None and session.speaker.key in self._models:
                self._agents.add(name)
            elif session.speaker is not None:
                self._agents.discard(name)
