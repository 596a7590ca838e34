"""The section `limiting`: off by default, strict, and about streams."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from safety_supervisor.config import ConfigurationError, load_config
from safety_supervisor.core.settings import LimitingSettings

SHIPPED = Path(__file__).parents[2] / "config" / "panda.yaml"


def load(tmp_path: Path, limiting: Any, **source: Any) -> Any:
    raw = yaml.safe_load(SHIPPED.read_text())
    raw["limiting"] = limiting
    raw["sources"]["planner"].update(source)
    path = tmp_path / "robot.yaml"
    path.write_text(yaml.safe_dump(raw))
    return load_config(path).limiting


def test_it_is_off_where_nothing_is_said(tmp_path: Path) -> None:
    assert load_config(SHIPPED).limiting is None
    assert load(tmp_path, None) is None


def test_sources_are_named_and_the_rest_has_a_default(tmp_path: Path) -> None:
    assert load(tmp_path, {"sources": ["planner"]}) == LimitingSettings(("planner",), 500_000_000)
    assert load(tmp_path, {"sources": ["planner"], "behind": 0.1}) == LimitingSettings(("planner",), 100_000_000)


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
def test_what_is_wrong_is_named(tmp_path: Path, limiting: Any, path: str, code: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, limiting)
    assert [(problem.path, problem.code.value) for problem in caught.value.errors] == [(path, code)]


def test_a_source_of_trajectories_alone_is_never_limited(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, {"sources": ["planner"]}, commands=["trajectory"])
    assert "trajectories only" in str(caught.value)
