"""The roll of agents: which model may introduce itself where, and the stage of each.

A stage belongs to a model version at a source. After a start it is what the configuration says, or what it was demoted
to before, whichever is lower: a restart never gives trust back. A promotion beyond the configuration lasts for a boot.
"""

from __future__ import annotations

from typing import Final

from safety_supervisor.core.act_events import AgentSession
from safety_supervisor.core.agents.settings import CONTRACT, RANK, ModelKey, Stage
from safety_supervisor.core.agents.speaker import Speaker
from safety_supervisor.core.agents.stored import StoredStage
from safety_supervisor.core.errors import Code, Violation
from safety_supervisor.core.sessions import Session
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.units import NS_PER_S, Nanoseconds

SESSIONS_APART: Final[Nanoseconds] = 10 * NS_PER_S
"""A session is replaced by the same publisher's no earlier: each change makes acts of people old."""
_LOWEST: Final = min(Stage, key=lambda stage: RANK[stage])


class Roll:
    """Which agents may speak, and how far each is trusted."""

    def __init__(self, configuration: Configuration) -> None:
        """Begin with what the configuration says."""
        self._models = {
            ModelKey(source.name, model.name, model.version, model.sha256): model
            for source in configuration.sources
            for model in source.models
        }
        self._stages = {key: model.stage for key, model in self._models.items()}
        self._elsewhere: dict[ModelKey, StoredStage] = {}
        """Demoted models that this configuration does not list: the next one may."""

    def restore(self, demoted: tuple[StoredStage, ...], damaged: bool) -> None:
        """Take what was found on disk; where that is not known, nobody has more than the lowest stage."""
        if damaged:
            self._stages = dict.fromkeys(self._stages, _LOWEST)
        for one in demoted:
            key = ModelKey(one.source, one.model, one.version, one.sha256)
            if key in self._stages:
                stage = Stage(one.stage) if one.stage in RANK else _LOWEST
                self._stages[key] = min(self._stages[key], stage, key=lambda each: RANK[each])
            else:
                self._elsewhere[key] = one

    @property
    def demoted(self) -> tuple[StoredStage, ...]:
        """Every model below what its configuration says: what has to survive a restart."""
        lower = (
            StoredStage(*key, stage.value)
            for key, stage in self._stages.items()
            if RANK[stage] < RANK[self._models[key].stage]
        )
        return (*self._elsewhere.values(), *lower)

    def models(self, stage: Stage) -> frozenset[ModelKey]:
        """Return the listed models that are in a stage."""
        return frozenset(key for key, its in self._stages.items() if its is stage)

    def give(self, key: ModelKey, stage: Stage) -> None:
        """Give a model that is listed a stage."""
        self._stages[key] = stage

    def judge(self, event: AgentSession, session: Session | None) -> Speaker | Violation:
        """Return who speaks from now on, or why an agent may not introduce itself; `session` is its source's."""
        if session is None:
            return Violation(Code.UNKNOWN_SOURCE, "source")
        key = ModelKey(event.source, event.model, event.version, event.sha256)
        model = self._models.get(key)
        if model is None:
            return Violation(Code.SESSION_MODEL, "source.models", detail=self._unlisted(key))
        if model.revoked:
            return Violation(Code.SESSION_REVOKED, "source.models", detail=f"{key.name} {key.version} is revoked")
        if session.quarantined:
            return Violation(Code.QUARANTINED, "source.session")
        if event.contract != CONTRACT:
            detail = f"contract {event.contract}; this interface is {CONTRACT}"
            seen, wanted = float(event.contract), float(CONTRACT)
            return Violation(Code.SESSION_CONTRACT, "session.contract", seen, wanted, detail=detail)
        beyond = sorted(set(event.groups) - set(session.settings.groups))
        if beyond:
            allowed = ", ".join(session.settings.groups) or "none"
            detail = f"not {', '.join(beyond)[:200]}; groups of {event.source}: {allowed}"[:500]
            return Violation(Code.SESSION_GROUP, "source.groups", detail=detail)
        if session.doubled:
            return Violation(Code.SOURCE_ENDPOINTS, "source.publishers", float(session.publishers), 1.0)
        if session.publishers != 1:
            return Violation(Code.SESSION_PUBLISHER, "source.publishers", 0.0, 1.0)
        speaker = Speaker(key, self._stages[key], frozenset(event.groups), event.at)
        before = session.speaker
        if before is not None and before[:3] != speaker[:3] and event.at - before.since < SESSIONS_APART:
            apart = (event.at - before.since) / NS_PER_S
            return Violation(Code.SESSION_RATE, "source.session", apart, SESSIONS_APART / NS_PER_S)
        return speaker

    def _unlisted(self, key: ModelKey) -> str:
        other = next((known for known in self._models if known[:3] == key[:3]), None)
        if other is not None:
            seen, listed = key.sha256[:8], other.sha256[:8]
            return f"{key.name} {key.version} is listed with a sha256 that begins with {listed}, not {seen}"
        listed = ", ".join(f"{known.name} {known.version}" for known in self._models if known.source == key.source)
        return f"{key.name[:64]} {key.version[:32]} is not listed; {key.source} has {listed[:300] or 'no models'}"
