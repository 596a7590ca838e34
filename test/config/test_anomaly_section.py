"""`sources.NAME.anomaly`: the baseline is the very file, well-formed, and recorded of this configuration."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from safety_supervisor.config import load_config
from safety_supervisor.config.baseline_checks import write_baseline
from safety_supervisor.core.anomaly.baseline import FEATURES, Usual
from safety_supervisor.evidence.feed import describe_boot
from safety_supervisor.evidence.replay import recorded_configuration

if TYPE_CHECKING:
    from test.config.conftest import RobotFile

WHERE = "sources.planner.anomaly"


def usual_of(joints: int) -> dict[str, Usual]:
    found = {}
    for number, feature in enumerate(FEATURES):
        count = joints if feature.joints else 1
        middle = np.linspace(-0.5, 0.5, count) + number
        found[feature.name] = Usual(middle - 0.25, middle, middle + 0.5)
    return found


def text_of(panda: RobotFile) -> str:
    configuration = panda.load()
    return write_baseline(configuration, "planner", usual_of(len(configuration.robot.joints)), 100, "by hand")


def keyed(panda: RobotFile, data: bytes, **keys: Any) -> RobotFile:
    (panda.directory / "planner.json").write_bytes(data)
    sha256 = hashlib.sha256(data).hexdigest()
    return panda.put(WHERE, {"baseline": "planner.json", "sha256": sha256, **keys})


def test_what_was_written_is_read(panda: RobotFile) -> None:
    data = text_of(panda).encode()
    configuration = keyed(panda, data, stop_at=2.5).load()
    anomaly = configuration.source("planner").anomaly
    assert anomaly is not None
    assert anomaly.stop_at == 2.5
    assert anomaly.listener is None
    assert anomaly.baseline.joints == configuration.robot.joints
    expected = usual_of(len(configuration.robot.joints))
    for name, usual in anomaly.baseline.usual.items():
        for part in ("low", "typical", "high"):
            array = getattr(usual, part)
            np.testing.assert_allclose(array, getattr(expected[name], part), atol=1e-6)
            assert not array.flags.writeable
    assert configuration.source("joystick").anomaly is None
    assert configuration.sha256 != panda.load().sha256, "the hash of the baseline stands in the configuration"


def test_the_breaker_has_a_default_and_can_be_left_out(panda: RobotFile) -> None:
    data = text_of(panda).encode()
    for keys, stop_at in (({}, 3.0), ({"stop_at": None}, None)):
        anomaly = keyed(panda, data, **keys).load().source("planner").anomaly
        assert anomaly is not None
        assert anomaly.stop_at == stop_at


def test_a_log_brings_the_baseline_that_it_was_made_with(panda: RobotFile) -> None:
    configuration = keyed(panda, text_of(panda).encode()).load()
    header = describe_boot(configuration, "boot", "nonce")
    (panda.directory / "planner.json").unlink()
    again = recorded_configuration(header).source("planner").anomaly
    before = configuration.source("planner").anomaly
    assert again is not None
    assert before is not None
    assert again.baseline.data == before.baseline.data


def broken(change: Callable[[dict[str, Any]], object]) -> Callable[[str], bytes]:
    def of(text: str) -> bytes:
        file = json.loads(text)
        change(file)
        return json.dumps(file).encode()

    return of


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (broken(lambda file: file.update(extra=1)), "extra"),
        (broken(lambda file: file.update(version=2)), "version"),
        (broken(lambda file: file["features"].pop("speed")), "'speed': is missing"),
        (broken(lambda file: file["features"].update(mood=file["features"]["rate"])), "'mood': is no feature"),
        (broken(lambda file: file["features"]["rate"].pop("typical")), "features.rate.typical"),
        (broken(lambda file: file["features"]["rate"].update(typical=["1"])), "features.rate.typical.0"),
        (broken(lambda file: file["features"]["rate"].update(typical=[math.nan])), "NaN"),
        (broken(lambda file: file["features"]["rate"].update(high=[math.inf])), "Infinity"),
        (broken(lambda file: file["features"]["rate"].update(high=[1e7])), "not in this order"),
        (broken(lambda file: file["features"]["speed"]["low"].pop()), "needs 7 numbers"),
        (broken(lambda file: file["features"]["rate"].update(low=[99.0])), "not in this order"),
        (broken(lambda file: file["joints"].reverse()), "is of the joints"),
        (broken(lambda file: file["conditions"].update(period=[0.02])), "another 'period'"),
        (broken(lambda file: file["conditions"].update(window=[2.0, 0.25])), "another 'window'"),
        (broken(lambda file: file["conditions"].update(mood=[1.0])), "another 'mood'"),
        (broken(lambda file: file["conditions"].pop("velocity")), "another 'velocity'"),
        (lambda text: text.replace('"version": 1,', '"version": 1, "version": 1,').encode(), "version"),
        (lambda text: text[: len(text) // 2].encode(), ""),
        (lambda text: b"\xff\xfe", ""),
        (lambda text: b"", ""),
        (lambda text: text.encode() + b" " * 300_000, "longer"),
    ],
)
def test_a_baseline_that_is_not_sound_is_refused(panda: RobotFile, damage: Callable[[str], bytes], said: str) -> None:
    error = keyed(panda, damage(text_of(panda))).error()
    found = [one for one in error.errors if one.path.startswith(WHERE)]
    assert found == list(error.errors)
    assert {one.code.value for one in found} == {"E_CONFIG_BASELINE"}
    assert any(said in one.message for one in found), [one.message for one in found]


def test_everything_wrong_is_told_at_once(panda: RobotFile) -> None:
    def change(file: dict[str, Any]) -> None:
        del file["features"]["speed"]
        file["features"]["mood"] = file["features"]["rate"]
        file["features"]["oscillation"]["low"].pop()

    damaged = keyed(panda, broken(change)(text_of(panda)))
    assert len(damaged.error().errors) == 3
    assert len(damaged.put(f"{WHERE}.sha256", "0" * 64).put("timing.idle", -1.0).error().errors) == 5


def test_limits_that_changed_ask_for_another_recording(panda: RobotFile) -> None:
    """Speeds are told as shares of the limit: under a higher limit the same share is faster."""
    data = text_of(panda).encode()
    slower = keyed(panda, data).put("envelope.joints.{joint}.velocity", 1.0)
    assert slower.refused() == {(f"{WHERE}.baseline", "E_CONFIG_BASELINE")}


@pytest.mark.parametrize(
    ("keys", "path", "code"),
    [
        ({"sha256": "0" * 64}, f"{WHERE}.sha256", "E_CONFIG_BASELINE"),
        ({"sha256": "abc"}, f"{WHERE}.sha256", "E_CONFIG_BASELINE"),
        ({"baseline": "nowhere.json"}, f"{WHERE}.baseline", "E_CONFIG_BASELINE"),
        ({"baseline": "."}, f"{WHERE}.baseline", "E_CONFIG_BASELINE"),
        ({"baseline": "a\0b"}, f"{WHERE}.baseline", "E_CONFIG_BASELINE"),
        ({"stop_at": 0.5}, f"{WHERE}.stop_at", "E_CONFIG_VALUE"),
        ({"stop_at": math.nan}, f"{WHERE}.stop_at", "E_CONFIG_VALUE"),
        ({"stop_at": "never"}, f"{WHERE}.stop_at", "E_CONFIG_TYPE"),
        ({"learn": True}, f"{WHERE}.learn", "E_CONFIG_UNKNOWN_KEY"),
    ],
)
def test_wrong_keys_are_refused(panda: RobotFile, keys: dict[str, Any], path: str, code: str) -> None:
    named = keyed(panda, text_of(panda).encode())
    for key, value in keys.items():
        named = named.put(f"{WHERE}.{key}", value)
    assert named.refused() == {(path, code)}


def test_a_path_is_relative_to_the_configuration(panda: RobotFile, tmp_path: Path, monkeypatch: Any) -> None:
    path = keyed(panda, text_of(panda).encode()).write()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert load_config(path).source("planner").anomaly is not None
