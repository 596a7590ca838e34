"""Rigs whose planner has to introduce itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
from rig import Rig, panda

from safety_supervisor.core.act_events import AgentSession, OperatorAct
from safety_supervisor.core.agents.settings import DemotionSettings, Model, Stage
from safety_supervisor.core.effects import Decision, Effect, Reply, Stages
from safety_supervisor.core.errors import Code
from safety_supervisor.core.events import SourceEndpoints
from safety_supervisor.core.operator_settings import OperatorSettings, Person, Role
from safety_supervisor.core.settings import Configuration

SHA = "ab" * 32
OTHER = "cd" * 32
PEOPLE = tuple(Person(f"p_{role.value}", role, bytes(32)) for role in Role)


def introducing(stage: Stage = Stage.SUPERVISED, configuration: Configuration | None = None, **changes: Any) -> Any:
    """The Panda's configuration where the planner needs a session; `changes` replace sections.

    Three versions are listed: 1.2.0 in the given stage, 1.3.0 in `autonomous`, 0.9.0 revoked.
    """
    models = (
        Model("cell_policy", "1.2.0", SHA, stage),
        Model("cell_policy", "1.3.0", OTHER, Stage.AUTONOMOUS),
        Model("cell_policy", "0.9.0", SHA, stage, revoked=True),
    )
    found = configuration or panda()
    sources = tuple(
        replace(source, needs_session=True, models=models) if source.name == "planner" else source
        for source in found.sources
    )
    demotion = DemotionSettings(frozenset({Code.TRACKING, Code.STOP_REQUEST, Code.REFUSALS}), Stage.APPROVE_EACH)
    given: dict[str, Any] = {"demotion": demotion, "operators": OperatorSettings(True, PEOPLE)}
    return replace(found, sources=sources, **(given | changes))


def introduce(rig: Rig, version: str = "1.2.0", sha256: str = SHA, **changes: Any) -> Reply:
    """The planner's agent introduces itself."""
    event = AgentSession(
        rig.now, "planner", "cell_policy", version, sha256, 1, ("arm",), f"s{len(rig.events)}", f"jti-{len(rig.events)}"
    )
    effects = rig.send(msgspec.structs.replace(event, **changes))
    return next(one for one in effects if isinstance(one, Reply))


def signed(rig: Rig, act: str, target: str, person: str = "p_safety_officer", **changes: Any) -> Reply:
    """A person's signed act."""
    fields: dict[str, Any] = {
        "epoch": rig.supervisor._state.epoch, "role": person.removeprefix("p_"),
        "config_sha256": rig.configuration.sha256,
    }  # fmt: skip
    event = OperatorAct(rig.now, act, person, target, -1, f"t{len(rig.events)}", "token-0001")  # type: ignore[arg-type]
    effects = rig.send(msgspec.structs.replace(event, **(fields | changes)))
    return next(one for one in effects if isinstance(one, Reply))


def publishers(rig: Rig, count: int) -> tuple[Effect, ...]:
    """Other publishers of the planner's topics than before, so many."""
    return rig.send(SourceEndpoints(rig.now, "planner", count))


def ask(rig: Rig, by: float = 0.3, duration: float = 1.0, **changes: Any) -> None:
    """A goal of joint 1."""
    goal = rig.output.copy()
    goal[0] += by
    rig.trajectory([duration], goal[None, :], rig.rest, rig.rest, **changes)


def told(rig: Rig) -> list[tuple[str, str]]:
    return [(one.verdict, one.code) for one in rig.decisions() if one.source == "planner"]


def named(rig: Rig, code: str) -> Decision:
    """The newest decision with a code."""
    return [one for one in rig.decisions() if one.code == code][-1]


def kept(rig: Rig) -> Any:
    """What is on disk of stages."""
    found = [one for one in rig.history if isinstance(one, Stages)]
    return found[-1].demoted if found else ()


Rigs = Callable[..., Rig]
