"""What begins and ends the standing of a source: its publishers, its agent's session and stage, people who revoke it.

Whatever takes standing away cuts the source off at once: its motion runs the kept stop, and what it had queued is
told and forgotten. Nothing here gives motion; a stage that rises only lets the next command pass.

Requirements: SR-050, SR-054, SR-013; REDTEAM 19, 41.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from safety_supervisor.core.act_events import AgentSession, OperatorAct
from safety_supervisor.core.agents.roll import Roll
from safety_supervisor.core.agents.settings import RANK, Stage
from safety_supervisor.core.agents.speaker import Speaker
from safety_supervisor.core.base.drive import BaseDrive
from safety_supervisor.core.commands import Commands
from safety_supervisor.core.decisions import DecisionLog
from safety_supervisor.core.effects import Decision, Effect, Reply, Stages
from safety_supervisor.core.errors import Code, Violation
from safety_supervisor.core.events import Boot, SourceEndpoints, SourceLiveliness
from safety_supervisor.core.inputs import Inputs
from safety_supervisor.core.motion.mover import Motion
from safety_supervisor.core.ruling import Ruling
from safety_supervisor.core.settings import Configuration, SourceKind
from safety_supervisor.core.states.acts import ActRefusal
from safety_supervisor.core.states.consequences import Consequences
from safety_supervisor.core.states.safety_state import SafetyState
from safety_supervisor.core.units import Nanoseconds


class Standing:
    """Keeps who speaks at each source, and how far it is trusted.

    Attributes:
        sessions: the standing of each source, by name.
        roll: the stage of each model.
    """

    def __init__(
        self,
        configuration: Configuration,
        state: SafetyState,
        motion: Motion,
        commands: Commands,
        base: BaseDrive,
        inputs: Inputs,
        consequences: Consequences,
        decisions: DecisionLog,
        stop: Callable[[set[Code], Nanoseconds], list[Effect]],
    ) -> None:
        """Begin with nobody introduced; act on these parts."""
        self._demotion = configuration.demotion
        self.sessions = commands.sessions
        self._state = state
        self._motion = motion
        self._commands = commands
        self._base = base
        self._inputs = inputs
        self._consequences = consequences
        self._decisions = decisions
        self._stop = stop
        self.roll = Roll(configuration)
        self._asked = [source.name for source in configuration.sources if source.needs_session]
        self._last: dict[str, Speaker] = {}
        """Who spoke last at each source: motion that ends was theirs."""

    @property
    def told(self) -> str:
        """Who speaks at each source that needs a session, for the status."""
        speakers = ((name, self.sessions[name].speaker) for name in self._asked)
        return "; ".join(f"{name}: {'no session' if one is None else one.shown}" for name, one in speakers)

    def quarantined(self) -> tuple[str, ...]:
        """Return the sources of which nothing passes until a person resets."""
        return tuple(name for name, session in self.sessions.items() if session.quarantined)

    def engages(self, source: str) -> bool:
        """Whether a source moves anything, or has motion that waits to begin or is being verified."""
        return self._commands.owners.engages(source) or self._base.driver == source

    def folded(self, now: Nanoseconds) -> tuple[Effect, ...]:
        """Tell now what equal decisions are folded, for whoever ends here."""
        return self.stamp(self._decisions.due(now, everything=True))

    def stamp(self, effects: Iterable[Effect]) -> tuple[Effect, ...]:
        """Let every decision of a source name the model that speaks there, and its stage."""
        return tuple(self._stamped(one) if type(one) is Decision else one for one in effects)

    def _stamped(self, decision: Decision) -> Decision:
        session = self.sessions.get(decision.source)
        speaker = None if session is None else session.speaker
        if speaker is None and decision.verdict == "STOP":
            speaker = self._last.get(decision.source)
        if speaker is None:
            return decision
        model = f"{speaker.key.name} {speaker.key.version}"
        return msgspec.structs.replace(decision, model=model, stage=speaker.stage.value)

    # --- publishers

    def boot(self, event: Boot) -> list[Effect]:
        """Take the stages that survived; where they are not known, tell it, and keep the lowest."""
        self.roll.restore(event.stages, bool(event.stages_damaged))
        if not event.stages_damaged:
            return []
        refusal = Violation(Code.STAGES, "agents.stages", detail=event.stages_damaged[:500])
        return [self._decisions.refused(event.at, "agents", refusal), Stages(event.at, self.roll.demoted)]

    def endpoints(self, event: SourceEndpoints) -> list[Effect]:
        """Take how many publishers a source has, told on every change of who they are: that ends its session."""
        moves = self._motion.moves_for(event.source) or (event.source != "" and self._base.driver == event.source)
        causes = self._inputs.source_endpoints(event, moves=moves)
        if causes is None:
            return []
        self._state.bump()
        self._commands.forget(event.source)
        effects = self._stop(causes | self._inputs.pressing(self._state.state), event.at)
        return effects + self._end(event.source, Code.SESSION_ENDED, "", event.at)

    def liveliness(self, event: SourceLiveliness) -> list[Effect]:
        """Take whether a trajectory's publisher lives; what it played is told one by one in the next cycle."""
        session = self.sessions.get(event.source)
        if session is not None:
            session.alive = event.alive
            if not session.live and self._commands.lose(event.source):
                self._consequences.hold_if_stopped(Code.SOURCE_DIED, event.at)
        return []

    # --- sessions

    def introduced(self, event: AgentSession) -> list[Effect]:
        """Let the agent of a source speak there, or say why not."""
        session, command = self.sessions.get(event.source), f"session/{event.jti}" if event.jti else ""
        speaker = self.roll.judge(event, session)
        effects: list[Effect] = []
        if isinstance(speaker, Violation) or session is None:
            assert isinstance(speaker, Violation)
            ruling = Ruling(event.source, command, "REJECT", speaker)
            words = f"{(speaker.detail or speaker.code.cause).rstrip('.')}. {speaker.code.cure}"
            reply = Reply(event.at, event.request, False, speaker.code.value, words)
        else:
            before = session.speaker
            if before is None or before[:3] != speaker[:3]:
                effects += self._end(event.source, Code.SESSION_ENDED, "it introduced itself anew", event.at)
                session.speaker = speaker
                self._state.bump()
            words = f"session: {speaker.shown}; groups: {', '.join(sorted(speaker.groups)) or 'none'}"
            ruling = Ruling(event.source, command, "PASS", detail=words)
            reply = Reply(event.at, event.request, True, "", words)
        effects += self._decisions.ruled(ruling, event.at)
        return [*effects, *((reply,) if event.request else ())]

    def _end(self, source: str, code: Code, detail: str, now: Nanoseconds) -> list[Effect]:
        """End the session of a source, where it has one."""
        session = self.sessions[source]
        if session.speaker is None:
            return []
        self._last[source], session.speaker = session.speaker, None
        self._state.bump()
        return self._cut_off(source, Violation(code, "source.session", detail=detail), now)

    def _cut_off(self, source: str, violation: Violation, now: Nanoseconds) -> list[Effect]:
        """Let whatever a source moves run the kept stop; tell that, and what it had queued."""
        told: list[Effect] = [self._decisions.stopped(now, source, "", violation.code, violation.detail)]
        self._base.drop(source, violation)
        for ruling in self._commands.cut_off(source, violation):
            told += self._decisions.ruled(ruling, now)
        self._consequences.hold_if_stopped(violation.code, now)
        return told

    # --- stages

    def guilty(self, causes: set[Code]) -> tuple[tuple[str, ...], str]:
        """Return the sources whose agents the causes of a stop demote, since they move the robot now, and the code."""
        found = causes & self._demotion.causes
        if not found:
            return (), ""
        code = min(found, key=lambda one: one.value)
        moving = (
            name
            for name, session in self.sessions.items()
            if self._motion.moves_for(name)
            or self._base.driver == name
            or (Code.REFUSALS in found and session.quarantined)  # its motion was stopped by the refusal
        )
        return tuple(moving), code.value

    def demote(self, guilty: tuple[tuple[str, ...], str], now: Nanoseconds) -> list[Effect]:
        """Take trust away from the agents of sources, for a cause; those that have as little keep it."""
        effects: list[Effect] = []
        for name in guilty[0]:
            speaker = self.sessions[name].speaker
            if speaker is not None and RANK[speaker.stage] > RANK[self._demotion.stage]:
                effects += self._give(name, speaker, self._demotion.stage, guilty[1], now)
        return effects

    def _give(self, source: str, speaker: Speaker, stage: Stage, why: str, now: Nanoseconds) -> list[Effect]:
        """Give the model that speaks at a source another stage; a lower one cuts it off."""
        self.roll.give(speaker.key, stage)
        self.sessions[source].speaker = speaker._replace(stage=stage)
        self._state.bump()
        words = f"stage: {speaker.stage.value} -> {stage.value}, {why}"
        kept = Stages(now, self.roll.demoted)
        if RANK[stage] < RANK[speaker.stage]:
            return [kept, *self._cut_off(source, Violation(Code.DEMOTED, "agents.stages", detail=words), now)]
        return [kept, *self._decisions.ruled(Ruling(source, "", "PASS", detail=words), now)]

    # --- acts of people

    def judge(self, event: OperatorAct) -> ActRefusal | None:
        """Say why a person's act about an agent is refused; None for every other act, too."""
        if event.act not in ("promote", "revoke"):
            return None
        source, _, stage = event.target.partition(" ")
        session = self.sessions.get(source)
        if session is None or session.settings.kind is not SourceKind.AGENT:
            return ActRefusal(Code.ACT_TARGET, f"{source[:64]} is no source of an agent")
        if event.act == "revoke":
            return ActRefusal(Code.ACT_TARGET, "name the source alone") if stage else None
        if session.speaker is None:
            return ActRefusal(Code.ACT_TARGET, f"no agent has introduced itself at {source}")
        if stage not in RANK:
            return ActRefusal(Code.ACT_TARGET, f"stages: {', '.join(one.value for one in Stage)}")
        if stage == session.speaker.stage.value:
            return ActRefusal(Code.ACT_TARGET, f"{source} has that stage already")
        return None

    def act(self, event: OperatorAct) -> list[Effect]:
        """Do what a person, who may, asks for."""
        source, _, stage = event.target.partition(" ")
        session = self.sessions[source]
        if event.act == "promote":
            assert session.speaker is not None
            return self._give(source, session.speaker, Stage(stage), f"by {event.person}", event.at)
        detail = f"by {event.person}: {event.reason}" if event.reason else f"by {event.person}"
        session.quarantined = True
        told = self._end(source, Code.SESSION_REVOKED, detail, event.at)
        if not told:
            self._state.bump()
            told = self._cut_off(source, Violation(Code.SESSION_REVOKED, "source.session", detail=detail), event.at)
        return told
