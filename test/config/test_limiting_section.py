"""The section `limiting`: off by default, strict, and about streams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from safety_supervisor.config import ConfigurationError, load_config
from safety_supervisor.core.settings import LimitingSettings

if TYPE_CHECKING:
    from test.config.conftest import RobotFile


def load(robot: RobotFile, limiting: Any, **source: Any) -> Any:
    file = robot.put("limiting", limiting)
    for key, value in source.items():
        file = file.put(f"sources.planner.{key}", value)
    return file.load().limiting


def test_it_is_off_where_nothing_is_said(robot: RobotFile) -> None:
    assert load_config(robot.original).limiting is None
    assert load(robot, None) is None


def test_sources_are_named_and_the_rest_has_a_default(robot: RobotFile) -> None:
    assert load(robot, {"sources": ["planner"]}) == LimitingSettings(("planner",), 500_000_000)
    assert load(robot, {"sources": ["planner"], "behind": 0.1}) == LimitingSettings(("planner",), 100_000_000)


@pytest.mark.parametrize(
    ("limiting", "path", "code"),
    [
        ({}, "limiting.sources", "E_CONFIG_MISSING"),
        ({"sources": []}, "limiting.sources", "E_CONFIG_VALUE"),
        ({"sources": ["nobody"]}, "limiting.sources", "E_CONFIG_VALUE"),
        ({"sources": ["planner", "planner"]}, "limiting.sources", "E_CONFIG_VALUE"),
        ({"sources": "planner"}, "limiting.sources", "E_CONFIG_TYPE"),
        ({"sources": ["planner"], "behind": 0.0}, "limiting.behind", "E_CONFIG_VALUE"),
        ({"sources": ["planner"], "behind": 2.1}, "limiting.behind", "E_CONFIG_VALUE"),
        ({"sources": ["planner"], "behind": "1"}, "limiting.behind", "E_CONFIG_TYPE"),
        ({"sources": ["planner"], "rules": ["zones"]}, "limiting.rules", "E_CONFIG_UNKNOWN_KEY"),
        (True, "limiting", "E_CONFIG_TYPE"),
    ],
)
def test_what_is_wrong_is_named(robot: RobotFile, limiting: Any, path: str, code: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(robot, limiting)
    assert [(problem.path, problem.code.value) for problem in caught.value.errors] == [(path, code)]


def test_a_source_of_trajectories_alone_is_never_limited(robot: RobotFile) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(robot, {"sources": ["planner"]}, commands=["trajectory"])
    assert "trajectories only" in str(caught.value)
