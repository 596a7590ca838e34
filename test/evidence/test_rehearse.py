"""`log rehearse`: what a supervised run would have said to an agent in stage shadow, from its log."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from test_replay import CONFIGURATION, rewrite
from two_tools import PUBLIC_KEY
from typer.testing import CliRunner

from safety_supervisor import Supervisor, load_config
from safety_supervisor.boot_script import BootScript
from safety_supervisor.core.act_events import AgentSession
from safety_supervisor.core.estop_input import EstopInput
from safety_supervisor.core.events import StreamCommand, Tick
from safety_supervisor.evidence.cli import app
from safety_supervisor.evidence.feed import EventFeed, describe_boot

MODEL: dict[str, Any] = {"name": "cell_policy", "version": "1.2.0", "sha256": "ab" * 32, "stage": "shadow"}


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A boot with an agent in shadow, which streams 40 set-points at 100 Hz and then a leap of 1 rad; nothing moves."""
    place = tmp_path_factory.mktemp("rehearse")
    keys = yaml.safe_load(CONFIGURATION.read_text(encoding="utf-8"))
    keys["sources"]["planner"] |= {"models": [MODEL], "public_key": PUBLIC_KEY}
    file = place / "panda.yaml"
    file.write_text(yaml.safe_dump(keys, sort_keys=False), encoding="utf-8")
    configuration = load_config(file)
    home = configuration.robot.start
    assert home is not None
    supervisor, script = Supervisor(configuration), BootScript(configuration, "b")
    feed = EventFeed(place, describe_boot(configuration, "b", "b"))
    for cycle in range(550):
        now = 1_000_000_000 + cycle * 4_000_000
        events = list(script.begin(now)) if cycle == 0 else []
        events.append(script.measure(now, home))
        events += [script.reset(now)] if cycle == 120 else [script.start(now)] if cycle == 130 else []
        if cycle == 135:
            events.append(
                AgentSession(now, "planner", "cell_policy", "1.2.0", "ab" * 32, 1, ("arm",), "s", "jti-00000001")
            )
        count = (cycle - 140) * 4 // 10
        if 0 <= count <= 40 and (cycle - 140) * 4 % 10 < 4:
            shift = 0.05 * (1 - np.cos(2 * np.pi * 0.01 * count)) + (1.0 if count == 40 else 0.0)
            target = (home[0] + float(shift), *home[1:])
            events.append(StreamCommand(now, "planner", configuration.robot.joints, target, (), 0, 0, now, "", ""))
        events.append(Tick(now, now, EstopInput("run", received_at=now)))
        for event in events:
            feed.record(event, supervisor.handle(event))
        feed.flush()
    assert feed.close(30.0)
    (path,) = place.glob("*.events.mcap")
    return path


def run(path: Path, *arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["rehearse", str(path), *arguments])
    return done.exit_code, done.stdout + done.stderr


def test_people_are_told_what_would_have_become_of_it(log: Path) -> None:
    status, said = run(log)
    assert status == 0, said
    lines = said.splitlines()
    assert "planner, cell_policy 1.2.0: 41 commands in shadow, 1 would be refused" in lines
    assert "  PASS (begins): 1" in lines
    assert any(line.startswith("  REJECT E_") and line.endswith("_LIMIT: 1") for line in lines), said
    assert "(begins)" not in run(log, "--until", "0.5")[1]
    assert "no agent in stage shadow sent a command" in run(log, "--until", "0.5")[1]


def test_programs_are_told_each_decision_with_its_time(log: Path) -> None:
    status, said = run(log, "--json")
    told = json.loads(said)
    assert (status, told["same"], told["rehearsals"]) == (0, True, 1)
    assert told["sources"]["planner"]["commands"] == 41
    begins, leaps = told["rows"][:2]
    assert (begins["what"], begins["t [s]"]) == ("PASS", 0.56)
    assert (leaps["what"], leaps["joint"], leaps["source"]) == ("REJECT", "panda_joint1", "planner")
    assert leaps["t [s]"] == pytest.approx(0.56 + 0.4, abs=0.005)
    assert begins["source"] in run(log, "--show-decisions")[1]


def test_a_log_that_does_not_replay_tells_nothing_of_that_robot(log: Path, tmp_path: Path) -> None:
    def change(index: int, entry: Any) -> Any:
        return entry if index != 900 else type(entry)(entry.event, bytes(16), entry.effects)

    status, said = run(rewrite(log, tmp_path / "other.events.mcap", change))
    assert status == 1
    assert "DIFFERENT at event 900" in said


def test_a_file_that_is_no_log_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.events.mcap"
    path.write_bytes(b"no log")
    assert run(path)[0] == 2
