"""The command line as a program: what it prints, and its exit status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from safety_supervisor import cli

ROOT = Path(__file__).resolve().parents[1]
PANDA = ROOT / "config" / "panda.yaml"


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "safety_supervisor.cli", *words], cwd=ROOT, capture_output=True, text=True, timeout=60
    )


def call(*words: str) -> Result:
    """The same in this process: faster."""
    return CliRunner().invoke(cli.build(words[0] if words else ""), list(words))


def broken(directory: Path) -> Path:
    path = directory / "broken.yaml"
    text = PANDA.read_text(encoding="utf-8")
    text = text.replace("velocity: 2.15", "velocity: 9.0").replace("  overrun: 0.012", "  overun: 0.012")
    path.write_text(text, encoding="utf-8")
    return path


def test_help_names_every_command_and_teaches_by_example() -> None:
    result = run("--help")
    assert result.returncode == 0
    for word in (
        "check-config",
        "run",
        "log",
        "latch",
        "agent",
        "operator",
        "explain",
        "demo",
        "sim",
        "safety-supervisor check-config config/panda.yaml",
    ):
        assert word in result.stdout


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys; from safety_supervisor import cli\n"
        "try: cli.main(['--help'])\n"
        "except SystemExit as end: assert end.code == 0\n"
        "print(sorted({'numpy', 'pydantic', 'pinocchio', 'yaml', 'rclpy', 'pybullet', 'msgspec'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert result.stdout.splitlines()[-1] == "[]", result.stderr


@pytest.mark.parametrize(
    "words",
    [[], ["nope"], ["check-config"], ["check-config", "--nope", "x"], ["run"], ["check-config", "nowhere.yaml"]],
)
def test_wrong_use_exits_with_2(words: list[str]) -> None:
    result = run(*words)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr


def test_a_good_configuration_exits_with_0_and_says_what_it_means() -> None:
    result = run("check-config", "config/panda.yaml")
    assert result.returncode == 0
    for word in (
        "panda_joint7",
        "planner",
        "joystick",
        "cabinet",
        "the controller runs the kept stop",
        "simulated is true",
    ):
        assert word in result.stdout


def test_the_same_for_programs() -> None:
    result = run("check-config", "config/panda.yaml", "--json")
    answer = json.loads(result.stdout)
    assert (result.returncode, answer["ok"], answer["robot"], answer["problems"]) == (0, True, "panda", [])
    assert answer["joints"]["panda_joint4"]["lower"] == -3.0218
    assert len(answer["sha256"]) == 64


def test_every_problem_is_printed_and_the_exit_status_is_2(tmp_path: Path) -> None:
    path = broken(tmp_path)
    result = run("check-config", str(path))
    assert result.returncode == 2
    assert result.stdout == ""
    for i in range(1, 5):
        assert f"envelope.joints.panda_joint{i}.velocity: is 9; the URDF allows 2.175 or less" in result.stderr
    assert "timing.overrun: is missing" in result.stderr
    assert "Did you mean `overrun`?" in result.stderr
    answer = json.loads(run("check-config", str(path), "--json").stdout)
    assert answer["ok"] is False
    assert {problem["path"] for problem in answer["problems"]} == {
        *(f"envelope.joints.panda_joint{i}.velocity" for i in range(1, 5)), "timing.overrun", "timing.overun",
    }  # fmt: skip
    lines = path.read_text(encoding="utf-8").splitlines()
    assert "panda_joint1:" in lines[answer["problems"][0]["line"] - 1]


def test_run_starts_nothing_with_a_broken_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda _program, arguments: started.append(arguments))
    result = call("run", "--config", str(broken(tmp_path)))
    assert (result.exit_code, started) == (2, [])
    assert "panda_joint1.velocity" in result.output


def test_run_becomes_the_node_and_hands_ros_its_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda _program, arguments: started.append(arguments))
    monkeypatch.setattr(cli, "find_spec", lambda _name: True)
    call("run", "--config", str(PANDA), "--", "--ros-args", "-r", "__ns:=/cell1")
    (command,) = started
    assert command[0] == sys.executable
    assert "-P" in command or sys.version_info < (3, 11), "imports are looked for in the working directory"
    assert "safety_supervisor.ros.main" in " ".join(command[:4])
    assert command[-6:] == ["--ros-args", "-r", "__ns:=/cell1", "--ros-args", "-p", f'config_file:="{PANDA}"']


@pytest.mark.parametrize("folder", ["robots", "r \U0001f916: {}'\"#\\"])
def test_run_hands_on_any_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, folder: str) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda _program, arguments: started.append(arguments))
    monkeypatch.setattr(cli, "find_spec", lambda _name: True)
    monkeypatch.chdir(tmp_path)
    (tmp_path / folder).mkdir()
    config = tmp_path / folder / "robot.yaml"
    config.write_bytes(PANDA.read_bytes())
    call("run", "--config", str(config), "--officers", f"{folder}/officers.json")
    (command,) = started
    told = dict(one.split(":=", 1) for one in command[command.index("--ros-args") :] if ":=" in one)
    assert {name: yaml.safe_load(value) for name, value in told.items()} == {
        "config_file": str(config), "officers_file": str(tmp_path / folder / "officers.json"),
    }  # fmt: skip


def test_run_without_rclpy_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "find_spec", lambda _name: None)
    result = call("run", "--config", str(PANDA))
    assert result.exit_code == 2
    assert "safety_supervisor[ros]" in result.output


def plugins(monkeypatch: pytest.MonkeyPatch, **targets: str) -> None:
    points = [EntryPoint(name, target, cli.PLUGINS) for name, target in targets.items()]
    monkeypatch.setattr(cli, "entry_points", lambda group: points)


def test_a_plugin_is_a_command_or_a_group_of_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_plugin.py").write_text(
        "import typer\napp = typer.Typer()\n"
        "@app.command()\ndef one(): print('one ran')\n"
        "@app.command()\ndef two(): print('two ran')\n"
        "def alone(n: int = 1): print('alone ran', n)\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    plugins(monkeypatch, group="my_plugin:app", alone="my_plugin:alone")
    assert call("group", "two").stdout == "two ran\n"
    assert call("alone", "--n", "3").stdout == "alone ran 3\n"
    assert "alone" in call("--help").stdout


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import no_such_package", "ModuleNotFoundError: No module named 'no_such_package'"),
        ("raise RuntimeError('broken inside')", "RuntimeError: broken inside"),
        ("absent_here = 1", "has no attribute 'demo'"),
    ],
)
def test_a_plugin_that_can_not_be_imported_is_named_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, reason: str
) -> None:
    name = f"plugin_{len(source)}"
    (tmp_path / f"{name}.py").write_text(source, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    plugins(monkeypatch, demo=f"{name}:demo", other=f"{name}:absent")
    result = call("demo", "--seconds", "3")
    assert result.exit_code == 2
    assert "demo is not usable here" in result.output
    assert reason in result.output
    assert 'pip install "safety_supervisor[sim]"' in result.output
    assert call("other").exit_code == 2
    assert call("check-config", str(PANDA)).exit_code == 0


def test_without_the_simulation_the_help_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    plugins(monkeypatch)
    text = call("--help").stdout
    assert text.count("Not installed, see below.") == 2
    assert 'pip install "safety_supervisor[sim]"' in text
    result = call("demo")
    assert result.exit_code == 2
    assert 'pip install "safety_supervisor[sim]"' in result.output


@pytest.mark.parametrize("room", sorted(cli.ROOMS))
def test_every_room_s_commands_are_mounted(room: str) -> None:
    result = call(room, "--help")
    assert result.exit_code == 0
    assert ("Examples" if room in ("explain", "commission") else "Commands") in result.stdout


def test_the_package_offers_the_two_names_of_the_interface() -> None:
    program = (
        "import sys, safety_supervisor\n"
        "assert 'numpy' not in sys.modules\n"
        "from safety_supervisor import load_config\n"
        "print(load_config.__module__)\n"
        "from safety_supervisor import Supervisor\n"
        "print(Supervisor.__module__)\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert result.stdout.split() == ["safety_supervisor.config.load", "safety_supervisor.core.supervisor"], (
        result.stderr
    )
