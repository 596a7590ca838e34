"""Agents in the configuration: who has to introduce himself, with which model, and what takes trust away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from two_tools import PUBLIC_KEY

from safety_supervisor.check_config import summarise
from safety_supervisor.core.agents.settings import Stage
from safety_supervisor.core.errors import Code

if TYPE_CHECKING:
    from test.config.conftest import RobotFile

MODEL: dict[str, Any] = {"name": "cell_policy", "version": "1.2.0", "sha256": "ab" * 32, "stage": "supervised"}


def with_models(panda: RobotFile, *models: dict[str, Any]) -> RobotFile:
    return panda.put("sources.planner.models", list(models or (MODEL,))).put("sources.planner.public_key", PUBLIC_KEY)


def test_in_a_simulation_nobody_has_to_introduce_himself_until_a_model_is_named(panda: RobotFile) -> None:
    assert not panda.load().source("planner").needs_session
    loaded = with_models(panda).load()
    assert loaded.source("planner").needs_session
    assert not loaded.source("joystick").needs_session
    (model,) = loaded.source("planner").models
    assert (model.name, model.version, model.sha256) == ("cell_policy", "1.2.0", "ab" * 32)
    assert (model.stage, model.revoked) == (Stage.SUPERVISED, False)
    revoked = with_models(panda, MODEL | {"revoked": True}).load()
    assert revoked.source("planner").models[0].revoked
    assert with_models(panda).put("sources.planner.session", "required").load().source("planner").needs_session


def test_check_config_tells_who_has_to_introduce_himself_as_what(panda: RobotFile) -> None:
    assert summarise(panda.load())["models"] == {}
    told = summarise(with_models(panda, MODEL, MODEL | {"version": "1.1.0", "revoked": True}).load())["models"]
    assert told == {"planner": ["cell_policy 1.2.0 (supervised)", "cell_policy 1.1.0 (revoked)"]}


def test_what_takes_trust_away_is_loaded(panda: RobotFile) -> None:
    assert panda.load().demotion.causes == frozenset()
    keys = {"demote_on": ["E_TRACKING", "E_REFUSALS"], "demote_to": "approve_each"}
    loaded = with_models(panda).put("agents", keys).load().demotion
    assert loaded.causes == {Code.TRACKING, Code.REFUSALS}
    assert loaded.stage is Stage.APPROVE_EACH


AGENTS: dict[str, Any] = {"demote_on": ["E_TRACKING"], "demote_to": "shadow"}
BAD: list[tuple[str, Any, tuple[str, str]]] = [
    ("sources.planner.session", "perhaps", ("sources.planner.session", "E_CONFIG_VALUE")),
    ("sources.planner.session", "none", ("sources.planner.models", "E_CONFIG_NOT_ENFORCED")),
    ("sources.planner.session", False, ("sources.planner.session", "E_CONFIG_VALUE")),
    ("sources.planner.public_key", None, ("sources.planner.public_key", "E_CONFIG_MISSING")),
    ("sources.planner.models", [], ("sources.planner.public_key", "E_CONFIG_NOT_ENFORCED")),
    ("sources.planner.models", [MODEL, dict(MODEL)], ("sources.planner.models", "E_CONFIG_VALUE")),
    ("sources.planner.models", [MODEL, MODEL | {"sha256": "cd" * 32}], ("sources.planner.models", "E_CONFIG_VALUE")),
    ("sources.planner.models", [MODEL | {"name": "a b"}], ("sources.planner.models[0].name", "E_CONFIG_NAME")),
    ("sources.planner.models", [MODEL | {"version": ""}], ("sources.planner.models[0].version", "E_CONFIG_NAME")),
    ("sources.planner.models", [MODEL | {"version": 1.2}], ("sources.planner.models[0].version", "E_CONFIG_TYPE")),
    ("sources.planner.models", [MODEL | {"sha256": "AB" * 32}], ("sources.planner.models[0].sha256", "E_CONFIG_NAME")),
    ("sources.planner.models", [MODEL | {"stage": "trusted"}], ("sources.planner.models[0].stage", "E_CONFIG_VALUE")),
    ("sources.planner.models", [MODEL | {"owner": "x"}], ("sources.planner.models[0].owner", "E_CONFIG_UNKNOWN_KEY")),
    ("sources.joystick.session", "required", ("sources.joystick.session", "E_CONFIG_VALUE")),
    ("sources.joystick.models", [MODEL], ("sources.joystick.models", "E_CONFIG_VALUE")),
    ("agents.demote_on", [], ("agents.demote_on", "E_CONFIG_VALUE")),
    ("agents.demote_on", ["E_TRACKING", "E_TRACKING"], ("agents.demote_on", "E_CONFIG_VALUE")),
    ("agents.demote_on", ["E_TRACKNG"], ("agents.demote_on", "E_CONFIG_VALUE")),
    ("agents.demote_on", ["E_NOT_FINITE"], ("agents.demote_on", "E_CONFIG_VALUE")),
    ("agents.demote_on", ["E_IDLE"], ("agents.demote_on", "E_CONFIG_VALUE")),
    ("agents.demote_to", "supervised", ("agents.demote_to", "E_CONFIG_VALUE")),
    ("sources.planner.models", [MODEL | {"stage": "shadow"}], ("agents.demote_to", "E_CONFIG_NOT_ENFORCED")),
    ("agents", {"demote_on": ["E_TRACKING"]}, ("agents.demote_to", "E_CONFIG_MISSING")),
]


@pytest.mark.redteam(19)
@pytest.mark.parametrize(("path", "value", "problem"), BAD)
def test_what_is_wrong_is_named(panda: RobotFile, path: str, value: Any, problem: tuple[str, str]) -> None:
    good = with_models(panda).put("agents", AGENTS)
    good.load()
    error = good.put(path, value).error()
    assert problem in {(one.path, one.code.value) for one in error.errors}
    assert all(one.cure for one in error.errors)


def test_a_number_for_a_text_and_a_short_hash_are_told_how_to_be_mended(panda: RobotFile) -> None:
    error = with_models(panda).put("sources.planner.models", [MODEL | {"version": 1.0, "sha256": "ab"}]).error()
    cures = {one.path: one.cure for one in error.errors}
    assert cures["sources.planner.models[0].version"] == 'Put it in quotes: "1.0".'
    assert "sha256sum" in cures["sources.planner.models[0].sha256"]


def test_all_of_it_is_named_at_once(panda: RobotFile) -> None:
    wrong = panda.put("sources.planner.session", "required").put("sources.joystick.session", "none")
    assert wrong.put("agents", {"demote_on": ["E_X"], "demote_to": "shadow"}).refused() == {
        ("sources.planner.models", "E_CONFIG_MISSING"),
        ("sources.planner.public_key", "E_CONFIG_MISSING"),
        ("sources.joystick.session", "E_CONFIG_VALUE"),
        ("agents.demote_on", "E_CONFIG_VALUE"),
    }


def test_a_policy_names_models_and_stages_that_there_are(panda: RobotFile) -> None:
    def policy(condition: str) -> dict[str, Any]:
        return {"program": f'{condition} ? deny("E_POLICY_A") : allow', "denials": {"E_POLICY_A": "not that one"}}

    good = with_models(panda)
    for condition in ('model == "cell_policy"', 'model == ""', 'model_version != "1.2.0"', 'stage == "shadow"'):
        good.put("policy", policy(condition)).load()
    for condition in ('model == "cel_policy"', 'model_version == "1.3.0"', 'stage == "shadowy"'):
        assert good.put("policy", policy(condition)).refused() == {("policy.program", "E_CONFIG_POLICY")}, condition


def test_no_policy_takes_the_approval_of_the_stage(panda: RobotFile) -> None:
    program = {"program": 'size(zones) > 0 ? approve("stage", 1, 60) : allow'}
    assert panda.put("policy", program).refused() == {("policy.program", "E_CONFIG_POLICY")}
