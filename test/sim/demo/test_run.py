"""Whole runs as a user starts them: real nodes in processes of their own, judged by the oracle."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from safety_supervisor_sim import shared_memory

ROOT = Path(__file__).resolve().parents[3]
SCENARIOS = ROOT / "sim" / "scenarios"
LIMIT_S = 110.0


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "safety_supervisor.cli", *arguments]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), capture_output=True, text=True, timeout=LIMIT_S, check=False)


def processes_of(directory: Path) -> list[str]:
    """Command lines that name a directory, of all processes but this one."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if str(directory) in line:
                found.append(line)
    return found


@pytest.mark.requirement("SR-004")
@pytest.mark.requirement("SR-010")
@pytest.mark.requirement("SR-012")
@pytest.mark.requirement("SR-016")
@pytest.mark.redteam(40)
def test_the_estop_scenario_is_good(tmp_path: Path) -> None:
    done = run("sim", "run", str(SCENARIOS / "estop.yaml"), "--json", "--log-directory", str(tmp_path))
    report = json.loads(done.stdout)
    assert [act for one in report["runs"] for act in one["acts"] if not act["ok"]] == []
    assert done.returncode == 0, done.stderr
    (summary,) = report["runs"]
    assert summary["ok"]
    assert summary["good_unchanged"]["set_points"] >= 30
    assert summary["good_unchanged"]["missing"] == 0
    assert summary["replay"]["identical"]
    assert summary["oracle"]["violations"] == []
    assert processes_of(tmp_path) == []
    assert summary["chain"]["verified"]
    assert summary["chain"]["signed"] == summary["chain"]["last"] > 50
    # The run ends with the page of its last stop, beside its log.
    page = Path(summary["incident"])
    assert page.is_relative_to(tmp_path)
    words = page.read_text(encoding="utf-8")
    assert "every effect again, bit for bit" in words
    assert "EMERGENCY_STOP" in words


@pytest.mark.long
def test_an_expectation_that_does_not_hold_is_exit_status_1(tmp_path: Path) -> None:
    scenario = tmp_path / "wrong.yaml"
    scenario.write_text(
        "{name: wrong, robot: panda, source: planner, about: Wrong on purpose.,\n"
        "poses: {zero: [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]},\n"
        "acts: [{name: reset, act: technician, calls: [reset], expect: {replies: refused, moved: yes}}]}\n",
        encoding="utf-8",
    )
    done = run("sim", "run", str(scenario), "--json")
    (summary,) = json.loads(done.stdout)["runs"]
    assert done.returncode == 1
    (act,) = summary["acts"]
    assert [reason.partition(":")[0] for reason in act["reasons"]] == ["reset was accepted", "the robot did not move"]


def test_ctrl_c_in_mid_run_stops_the_robot_first_and_leaves_nothing(tmp_path: Path) -> None:
    before = set(shared_memory.PLACE.iterdir())
    running = subprocess.Popen(
        command("demo", "--headless", "--log-directory", str(tmp_path)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert running.stdout is not None
    try:
        for line in running.stdout:
            if line.startswith("start "):
                break
        time.sleep(0.8)  # the stream to the first pose is under way
        running.send_signal(signal.SIGINT)
        pressed = time.monotonic()
        rest = running.stdout.read()
        assert running.wait(10.0) == 130
        took = time.monotonic() - pressed
    finally:
        running.kill()
        running.stdout.close()
    assert "the robot was stopped" in rest
    assert took < 2.0
    assert processes_of(tmp_path) == []
    assert [file for file in shared_memory.PLACE.iterdir() if file not in before and "fastrtps" in file.name] == []
    (place,) = tmp_path.iterdir()
    said = [line.split() for line in (place / "supervisor.log").read_text(encoding="utf-8").splitlines()]
    # On a starved machine it may have been stopped for another cause already.
    stopped = {"STOPPING", "PROTECTIVE_STOP", "LOCKED", "EMERGENCY_STOP", "FAULT"}
    assert stopped.intersection(said[-1]), "the supervisor stopped the robot before it ended"
    oracle = json.loads((place / "oracle.json").read_text(encoding="utf-8"))
    assert oracle["at_rest"]
    assert oracle["violations"] == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["demo", "--robot", "nobody"], "known: g1, panda"),
        (["demo", "--robot", "g1", "--controller", "forward_position"], "joint_trajectory_horizon"),
        (["demo", "--controller", "magic"], "magic"),
        (["sim", "run", "nowhere.yaml"], "No such file"),
        (["sim", "validate", str(ROOT / "config" / "panda.yaml")], "E_CONFIG_UNKNOWN_KEY"),
    ],
)
def test_wrong_use_starts_nothing_and_is_exit_status_2(arguments: list[str], said: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
