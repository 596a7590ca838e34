"""Bombs and YAML's surprises are refused before anything is parsed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from safety_supervisor.config import ConfigurationError, load_config
from safety_supervisor.config.bounds import read_bounded

if TYPE_CHECKING:
    from test.config.conftest import RobotFile


BOMB = "a: &a [x, x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [*{chr(97 + i)}, *{chr(97 + i)}]\n" for i in range(20)
)


@pytest.mark.redteam(50)
@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"#" * (256 * 1024 + 1), "E_CONFIG_SIZE"),
        ("[" * 5000 + "]" * 5000, "E_CONFIG_SIZE"),
        ("{a: " * 20 + "1" + "}" * 20, "E_CONFIG_SIZE"),
        ("robot: [" + "1," * 30_000 + "]", "E_CONFIG_SIZE"),
        (f"{'k' * 129}: 1\n", "E_CONFIG_SIZE"),
        (f"? {'k' * 100_000}\n: [{'1,' * 15_000}]\n", "E_CONFIG_SIZE"),
        (BOMB, "E_CONFIG_ALIAS"),
        ("robot: &r {id: a}\nsources: *r\n", "E_CONFIG_ALIAS"),
        ("robot: {<<: {id: a}}\n", "E_CONFIG_ALIAS"),
        ("robot: !!python/object/apply:os.system ['false']\n", "E_CONFIG_ALIAS"),
        ("timing: {period: !!float '0.004'}\n", "E_CONFIG_ALIAS"),
        ("timing: {period: 0.004}\ntiming: {period: 0.02}\n", "E_CONFIG_DUPLICATE_KEY"),
        ("timing: {period: 0.004, period: 0.02}\n", "E_CONFIG_DUPLICATE_KEY"),
        ("robot: [\n", "E_CONFIG_YAML"),
        ("a: 1\n---\nb: 2\n", "E_CONFIG_YAML"),
        ("- robot\n", "E_CONFIG_YAML"),
        ("1: 2\n", "E_CONFIG_YAML"),
        ("", "E_CONFIG_YAML"),
        (b"robot: \xff\xfe\n", "E_CONFIG_YAML"),
        (b"robot: \x00\n", "E_CONFIG_YAML"),
    ],
)
def test_a_hostile_file_is_refused_before_it_is_parsed(panda: RobotFile, content: str | bytes, code: str) -> None:
    assert {found for _, found in panda.holding(content).refused()} == {code}


@pytest.mark.redteam(50)
def test_a_pipe_and_a_directory_do_not_block(panda: RobotFile) -> None:
    os.mkfifo(panda.directory / "pipe")
    for path in (panda.directory / "pipe", panda.directory, panda.directory / "nowhere.yaml"):
        with pytest.raises(ConfigurationError, match="E_CONFIG_FILE"):
            load_config(path)


@pytest.mark.redteam(50)
def test_a_pipe_that_is_laid_there_between_look_and_open_does_not_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever may write the directory would hold the control cycle, which looks at the file once a second."""
    file = tmp_path / "robot.yaml"
    os.mkfifo(file)
    regular = Path(__file__).stat()
    monkeypatch.setattr(Path, "stat", lambda path: regular)
    with pytest.raises(OSError, match="no regular file"):
        read_bounded(file, 100)


@pytest.mark.parametrize("text", ["yes", "on", "no", "True", "'true'", "1", "null"])
def test_only_true_and_false_are_truth_values(panda: RobotFile, text: str) -> None:
    changed = panda.replace("unsigned_services: true", f"unsigned_services: {text}")
    assert changed.refused() == {("operators.unsigned_services", "E_CONFIG_TYPE")}


@pytest.mark.parametrize("text", ["0:15", "010", "0x1", "0b1", "1_0", "'0.3'", "true", "2026-11-22", "9" * 400])
def test_only_decimal_numbers_are_numbers(panda: RobotFile, text: str) -> None:
    changed = panda.replace("stop_allowance: 0.4", f"stop_allowance: {text}")
    assert changed.refused() == {("timing.stop_allowance", "E_CONFIG_TYPE")}


@pytest.mark.parametrize("text", [".nan", ".inf", "-.inf", "1e999"])
@pytest.mark.requirement("SR-024")
def test_no_number_is_endless(panda: RobotFile, text: str) -> None:
    changed = panda.replace("stop_allowance: 0.4", f"stop_allowance: {text}")
    assert changed.refused() == {("timing.stop_allowance", "E_CONFIG_VALUE")}


@pytest.mark.parametrize("text", ["4e-1", "+.4", "0.40"])
def test_numbers_without_a_point_in_the_mantissa_are_numbers(panda: RobotFile, text: str) -> None:
    changed = panda.replace("stop_allowance: 0.4", f"stop_allowance: {text}")
    assert changed.load().timing.stop_allowance == 400_000_000
