"""Checks of agents: sessions, the models that may introduce themselves, and what demotes them."""

from __future__ import annotations

from typing import Final

from safety_supervisor.config import schema
from safety_supervisor.config.agent_keys import AgentsKeys
from safety_supervisor.config.codes import ConfigurationCode as Code
from safety_supervisor.config.problems import Problems
from safety_supervisor.config.sections import Sections, twice
from safety_supervisor.core import errors
from safety_supervisor.core.agents.settings import RANK, DemotionSettings, Model, Stage
from safety_supervisor.core.states.causes import CAUSE_OF

_NEVER: Final = frozenset(
    {errors.Code.INTERNAL, errors.Code.READY_TIMEOUT, errors.Code.IDLE, errors.Code.RECOVERY_ENDED}
)
"""Causes that say nothing of an agent that moves the robot."""
DEMOTING: Final = tuple(sorted(code.value for code in CAUSE_OF if code not in _NEVER))
"""Codes that `agents.demote_on` may name."""


def needs_session(source: schema.SourceKeys, sections: Sections) -> bool:
    """Whether a source commands nothing before its agent has introduced itself; what is not said is a yes."""
    if source.kind != "agent" or source.session is not None:
        return source.kind == "agent" and source.session == "required"
    return bool(source.models) or sections.real_output is not None


def check_agents(sections: Sections, problems: Problems) -> None:
    """Check what keys about agents demand of each other."""
    for name, source in sections.sources.items():
        path = f"sources.{name}"
        if source.kind == "person":
            for what, given in (("session", source.session is not None), ("models", bool(source.models))):
                if given:
                    problems.add(f"{path}.{what}", Code.VALUE, "is for agents; this source is a person's", "Remove it.")
            continue
        needs = needs_session(source, sections)
        if needs and not source.models:
            problems.add(
                f"{path}.models", Code.MISSING, "is missing: its agent has to introduce itself, and none may",
                "Name the models, or write `session: none` for a source that is trusted without: docs/agents.md.",
            )  # fmt: skip
        if source.models and not needs:
            problems.add(f"{path}.models", Code.NOT_ENFORCED, "is used by nothing with `session: none`", "Remove one.")
        for model in twice(f"{model.name} {model.version}" for model in source.models):
            problems.add(f"{path}.models", Code.VALUE, f"{model} stands twice")
    keys = sections.agents
    if keys is None:
        return
    for code in twice(keys.demote_on):
        problems.add("agents.demote_on", Code.VALUE, f"{code[:64]} stands twice")
    for code in dict.fromkeys(keys.demote_on):
        if code not in DEMOTING:
            problems.add(
                "agents.demote_on", Code.VALUE, f"{code[:64]!a} is no cause of a stop that an agent can have",
                f"Choose of {', '.join(DEMOTING)}.",
            )  # fmt: skip
    lower = RANK[Stage(keys.demote_to)]
    stages = [RANK[Stage(model.stage)] for source in sections.sources.values() for model in source.models]
    if not problems.at("sources") and not any(rank > lower for rank in stages):
        problems.add(
            "agents.demote_to", Code.NOT_ENFORCED, "demotes nobody: no model has a higher stage",
            "Name models that have, or remove the section.",
        )  # fmt: skip


def freeze_models(source: schema.SourceKeys) -> tuple[Model, ...]:
    """Return the models of a checked source."""
    return tuple(
        Model(model.name, model.version, model.sha256, Stage(model.stage), model.revoked) for model in source.models
    )


def freeze_demotion(keys: AgentsKeys | None) -> DemotionSettings:
    """Return when agents are demoted, of a checked section; never without one."""
    if keys is None:
        return DemotionSettings()
    return DemotionSettings(frozenset(errors.CODE_OF[code] for code in keys.demote_on), Stage(keys.demote_to))
