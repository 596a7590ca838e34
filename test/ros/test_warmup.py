"""The rehearsal before arming goes through the whole path of a command, whatever a policy says of its invented ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from safety_supervisor import Supervisor, load_config
from safety_supervisor.config.policy.program import CelPolicy, compile_policy
from safety_supervisor.core.agents.settings import Model, Stage
from safety_supervisor.core.effects import Actuate, Decision, Effect
from safety_supervisor.core.events import Event
from safety_supervisor.core.settings import Configuration
from safety_supervisor.ros import warmup

CONFIGURATION = Path(__file__).parents[2] / "config" / "panda.yaml"


def rehearse(
    monkeypatch: pytest.MonkeyPatch, policy: CelPolicy | None, configuration: Configuration | None = None
) -> list[Effect]:
    seen: list[Effect] = []

    class Watched(Supervisor):
        def handle(self, event: Event) -> tuple[Effect, ...]:
            effects = super().handle(event)
            seen.extend(effects)
            return effects

    monkeypatch.setattr(warmup, "Supervisor", Watched)
    warmup.warm_up(replace(configuration or load_config(CONFIGURATION), policy=policy), ())
    return seen


def test_a_policy_that_denies_everything_is_asked_and_leaves_no_motion_cold(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    policy = compile_policy('deny("E_POLICY_NEVER")', {"E_POLICY_NEVER": "never"})
    assert isinstance(policy, CelPolicy)
    judge: Callable[..., object] = CelPolicy.judge

    def noted(self: CelPolicy, facts: object) -> object:
        asked.append(facts)
        return judge(self, facts)

    monkeypatch.setattr(CelPolicy, "judge", noted)
    effects = rehearse(monkeypatch, policy)
    assert asked
    assert sum(isinstance(one, Actuate) and one.moving for one in effects) > 100
    assert "E_POLICY_NEVER" not in {one.code for one in effects if isinstance(one, Decision)}


def test_an_agent_that_has_to_introduce_itself_leaves_no_motion_cold(monkeypatch: pytest.MonkeyPatch) -> None:
    found = load_config(CONFIGURATION)
    model = Model("cell_policy", "1.2.0", "ab" * 32, Stage.SHADOW)
    sources = tuple(replace(one, needs_session=True, models=(model,)) for one in found.sources)
    effects = rehearse(monkeypatch, None, replace(found, sources=sources))
    assert sum(isinstance(one, Actuate) and one.moving for one in effects) > 100
