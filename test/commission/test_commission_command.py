"""The command: what it refuses before anything moves, what it shows, the page and the signed record."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from safety_supervisor.cli import build
from safety_supervisor.commission.page import render
from safety_supervisor.commission.plan import make_plan
from safety_supervisor.commission.record import encode, make_record
from safety_supervisor.commission.rehearsal import RehearsedRobot
from safety_supervisor.commission.session import run
from safety_supervisor.config import load_config
from safety_supervisor.tokens.key_file import public_text, write_new_key

ROOT = Path(__file__).resolve().parents[2]
PANDA = ROOT / "config" / "panda.yaml"


def invoke(*words: str) -> Any:
    return CliRunner().invoke(build("commission"), ["commission", *words])


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A robot that is not simulated, with a technician and an operator."""
    folder = tmp_path_factory.mktemp("real")
    robot = yaml.safe_load(PANDA.read_text())
    robot["output"]["simulated"] = False
    robot["sources"]["planner"]["session"] = "none"
    robot["estop"] = {"driver": "none", "none": "I accept"}
    keys = {name: public_text(write_new_key(folder / name)) for name in ("bob", "olaf")}
    roles = {"bob": "technician", "olaf": "operator"}
    robot["operators"] = {"people": {name: {"role": roles[name], "public_key": key} for name, key in keys.items()}}
    (folder / "robot.yaml").write_text(yaml.safe_dump(robot))
    return folder / "robot.yaml"


@pytest.mark.parametrize(
    ("words", "said", "status"),
    [
        (["--source", "nobody"], "there are joystick, planner", 2),
        (["--source", "joystick"], "takes no `trajectory` commands", 2),
        (["--source", "planner", "--speeds", "0,50"], "numbers above 0 to 100", 2),
        (["--source", "planner", "--joint", "knee"], "moves panda_joint1", 2),
        (["--source", "planner", "--yes"], "--yes is for a simulated robot", 2),
        (["--source", "planner"], "nobody can be asked here", 2),
        (["--source", "planner", "--key", "bob"], "together", 2),
        (["--source", "planner", "--key", "olaf", "--as", "olaf"], "olaf is operator", 1),
        (["--source", "planner", "--key", "olaf", "--as", "bob"], "is another key than", 2),
    ],
)
def test_what_is_refused_before_anything_moves(
    real: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], said: str, status: int
) -> None:
    monkeypatch.chdir(real.parent)
    told = invoke("--config", str(real), *words)
    assert (told.exit_code, said in told.output) == (status, True), told.output


def test_a_robot_that_balances_is_refused() -> None:
    told = invoke("--config", str(ROOT / "config" / "g1.yaml"), "--source", "planner", "--yes")
    assert told.exit_code == 2


def test_the_plan_is_shown_without_a_robot() -> None:
    told = invoke(
        "--config", str(PANDA), "--source", "planner", "--plan", "--poses", "1", "--joint", "panda_joint1", "--json"
    )
    assert told.exit_code == 0, told.output
    stops = json.loads(told.stdout[told.stdout.index("{") :])["stops"]
    assert [re.search(r"\d+%", stop)[0] for stop in stops] == ["25%", "50%", "100%"]  # type: ignore[index]


def test_the_page_holds_its_pictures_and_nothing_from_elsewhere() -> None:
    configuration = load_config(PANDA)
    home = np.array(configuration.robot.start)
    plan = make_plan(configuration, "planner", home, [1.0], ["panda_joint1"], 1, lambda what, parts: lambda: None)
    robot = RehearsedRobot(configuration, "planner", home)
    found = list(run(configuration, plan, robot, lambda stop: True))
    record = make_record(configuration, "planner", plan, found, 1_790_000_000, "<bob>")
    page = render(configuration, record, found)
    assert page.count("data:image/png;base64,") == 1
    assert "&lt;bob&gt;" in page
    assert not re.search(r"(src|href)=\"(?!data:)", page)
    held = json.loads(encode(record))
    assert held["commissioned_sha256"] == configuration.commissioned_sha256
    series = held["stops"][0]["series"]["measured"]
    assert len(series["times"]) == len(series["positions"]) > 100
    # Speed of the first measurements, before the request, is that of the plan.
    steady = [one for one in zip(series["times"], series["positions"], strict=True) if -0.2 < one[0] < 0.0]
    speed = (steady[-1][1][0] - steady[0][1][0]) / (steady[-1][0] - steady[0][0])
    assert speed == pytest.approx(plan.stops[0].cruise[0], abs=0.01)
