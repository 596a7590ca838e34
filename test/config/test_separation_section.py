"""The section that keeps people away: absent, whole, or wrong in every way at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from safety_supervisor.core.settings import ReducedSettings, SeparationSettings

if TYPE_CHECKING:
    from test.config.conftest import RobotFile

WHOLE: dict[str, Any] = {
    "latency": 0.1, "timeout": 0.3, "intrusion": 0.1, "sensor_uncertainty": 0.05, "body_radius": 0.3,
}  # fmt: skip
REDUCED = {"frame_speed": 0.25, "velocity_share": 0.2}


def whole(panda: RobotFile, **changes: Any) -> RobotFile:
    return panda.put("separation", {**WHOLE, **changes}).put("envelope.reduced", REDUCED)


def test_absent_or_null_nobody_is_watched(panda: RobotFile) -> None:
    for file in (panda.put("separation", None), panda.put("separation", None).drop("separation")):
        configuration = file.load()
        assert configuration.separation is None
        assert configuration.envelope.reduced is None


def test_whole(panda: RobotFile) -> None:
    configuration = whole(panda).load()
    assert configuration.separation == SeparationSettings(32, 8192, 100_000_000, 300_000_000, 1.6, 0.1, 0.05, 0.3)
    assert configuration.envelope.reduced == ReducedSettings(0.25, 0.2)


@pytest.mark.parametrize("key", WHOLE)
def test_what_is_measured_has_no_default(panda: RobotFile, key: str) -> None:
    file = whole(panda).drop(f"separation.{key}")
    assert file.refused() == {(f"separation.{key}", "E_CONFIG_MISSING")}


def test_nobody_may_be_assumed_to_walk_slower(panda: RobotFile) -> None:
    assert whole(panda, walking_speed=1.5).refused() == {("separation.walking_speed", "E_CONFIG_VALUE")}


def test_all_errors_at_once(panda: RobotFile) -> None:
    file = whole(panda, max_points=50, max_bytes=2900, timeout=0.105).put("envelope.reduced.frame_speed", 2.0)
    file = file.put("output.type", "joint_position")
    assert file.refused() == {
        ("separation.max_bytes", "E_CONFIG_VALUE"),
        ("separation.timeout", "E_CONFIG_TIMING"),
        ("envelope.reduced.frame_speed", "E_CONFIG_VALUE"),
        ("output.type", "E_CONFIG_ON_LOSS"),
    }


def test_what_separation_needs_and_what_needs_separation(panda: RobotFile) -> None:
    assert whole(panda).drop("envelope.reduced").refused() == {("envelope.reduced", "E_CONFIG_MISSING")}
    assert whole(panda).put("envelope.frame_speed", None).refused() == {("envelope.frame_speed", "E_CONFIG_MISSING")}
    assert panda.put("envelope.reduced", REDUCED).refused() == {("envelope.reduced", "E_CONFIG_NOT_ENFORCED")}
