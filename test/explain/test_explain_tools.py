"""`explain` draws what the robot carried when it was decided, from the log and from a decision alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recorded_boot import HOME
from test_explain import call, explain, refused
from two_tools import TOOLS, write_two_tools
from typer.testing import CliRunner

from safety_supervisor import Supervisor, cli, load_config
from safety_supervisor.boot_script import BootScript
from safety_supervisor.core.act_events import OperatorAct, ToolChange
from safety_supervisor.core.effects import Decision, Effect
from safety_supervisor.core.events import Event, TrajectoryCommand
from safety_supervisor.evidence.feed import EventFeed, describe_boot

ROD = "gripper_with_rod"


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Decision]:
    """A rod is attached, a trajectory into the table refused, the rod taken off, and a pole refused that touches.

    Configuration, log, and the refusal of the trajectory.
    """
    directory = tmp_path_factory.mktemp("carried")
    pole = {"capsule": {"start": [0.0, 0.0, 0.1], "end": [0.0, 0.0, 0.62], "radius": 0.02}}
    long = {"link": "panda_hand", "volumes": [pole], "mass": 0.5, "centre": [0.0, 0.0, 0.4]}
    file = write_two_tools(directory, own=("pole",), tools=TOOLS | {"pole": long})
    configuration = load_config(file)
    supervisor, script = Supervisor(configuration), BootScript(configuration, "ada")
    feed = EventFeed(directory / "log", describe_boot(configuration, "ada", "ada"))
    robot, low = tuple(HOME.tolist()), np.array(HOME)
    low[1] = -0.06
    rows, counts = low.tobytes(), (7,)
    told: list[Effect] = []
    for cycle in range(220):
        now = 1_000_000_000 + cycle * configuration.timing.period
        events: list[Event] = list(script.begin(now)) if cycle == 0 else []
        events.append(script.measure(now, robot))
        if cycle in (115, 210):
            events.append(OperatorAct(now, "tool", "ada", ROD if cycle == 115 else "", -1, f"tool.{cycle}"))
        if cycle == 215:
            events.append(ToolChange(now, "planner", "pole"))
        if cycle == 120:
            events.append(script.reset(now))
        if cycle == 130:
            events.append(script.start(now))
        if cycle == 140:
            rest = np.zeros(7).tobytes()
            events.append(
                TrajectoryCommand(
                    now, "planner", configuration.robot.joints, (3_000_000_000,), rows, counts, rest, counts, rest,
                    counts, 0, 0, now, "", "",
                )
            )  # fmt: skip
        events.append(script.tick(now))
        for event in events:
            effects = supervisor.handle(event)
            feed.record(event, effects)
            told += effects
        feed.flush()
    assert feed.close(30.0)
    (path,) = (directory / "log").glob("*.events.mcap")
    (decision,) = [effect for effect in told if isinstance(effect, Decision) and effect.code == "E_WORKSPACE"]
    return file, path, decision


def rows(path: Path) -> list[dict[str, Any]]:
    result = CliRunner().invoke(cli.build("log"), ["log", "show", str(path), "--json"])
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.mark.long
def test_from_the_log_with_the_tool_of_that_moment(log: tuple[Path, Path, Decision], tmp_path: Path) -> None:
    _, path, decision = log
    line = str(next(row["line"] for row in rows(path) if row["code"] == "E_WORKSPACE"))
    found = explain("--log", str(path), "--line", line)
    assert (found["tool"], found["joint"], found["rule"]) == (ROD, "panda_hand", "zones.table")
    assert found["nearest"]["distance"] == pytest.approx(decision.value, abs=1e-9)
    assert not found["notes"]
    assert ROD in call("--log", str(path), "--line", line, "--out", str(tmp_path / "why.png")).output
    lines = [row for row in rows(path) if row["what"] == "PASS"]
    assert [row["detail"] for row in lines] == ["tool: none", f"tool: {ROD}, 0.6 kg", "tool: none"]
    assert explain("--log", str(path), "--line", str(lines[1]["line"]))["tool"] == ""
    assert explain("--log", str(path), "--line", str(lines[2]["line"]))["tool"] == ROD, "until then"
    last = explain("--log", str(path))
    assert (last["code"], last["tool"]) == ("E_TOOL", "pole"), "it is drawn with what it was refused with"
    assert last["nearest"]["distance"] == pytest.approx(last["value"], abs=1e-9)


def test_from_a_decision_alone(log: tuple[Path, Path, Decision]) -> None:
    file, path, decision = log
    (row,) = [row for row in rows(path) if row["code"] == "E_WORKSPACE"]
    found = explain(str(file), "--decision", json.dumps(row))
    assert found["tool"] == ROD
    assert found["nearest"]["distance"] == pytest.approx(decision.value, abs=1e-9)
    assert "no tool 'hammer'" in refused(str(file), "--decision", json.dumps(row | {"tool": "hammer"}))
