"""The core engine: the scenarios of real nodes, in simulated time, with the same expectations and the same judge."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from safety_supervisor_sim.demo.cli import sim_app
from safety_supervisor_sim.engine.clockwork import Clockwork
from safety_supervisor_sim.engine.run import UnplayableError, run
from safety_supervisor_sim.scenario import Scenario, load_scenario

SCENARIOS = Path(__file__).resolve().parents[3] / "sim" / "scenarios"
RUN_IT = """
import json, sys
from pathlib import Path
from safety_supervisor_sim.engine.run import run
from safety_supervisor_sim.scenario import load_scenario
sys.stdout.write(json.dumps(run(load_scenario(Path(sys.argv[1])), seed=int(sys.argv[2])).summary))
"""


def scenario(name: str) -> Scenario:
    return load_scenario(SCENARIOS / f"{name}.yaml")


def bad(summary: dict[str, Any]) -> list[Any]:
    return [*summary["reasons"], *(act for act in summary["acts"] if not act["ok"])]


@pytest.mark.parametrize("name", ["malformed", "intruders"])
def test_a_scenario_of_real_nodes_is_as_expected(name: str) -> None:
    """And every effect comes out again in another supervisor."""
    summary = run(scenario(name)).summary
    assert bad(summary) == []
    assert summary["ok"]
    assert summary["left_out"] == []
    assert summary["replay"]["identical"]
    assert summary["oracle"]["samples"] > 1000


@pytest.mark.requirement("SR-004")
@pytest.mark.requirement("SR-016")
def test_the_estop_is_the_real_line() -> None:
    """The emulated device and the node's driver: unplugged, frozen, pressed, each stops in mid-motion."""
    summary = run(scenario("estop")).summary
    assert bad(summary) == []
    heard = {act["name"]: act for act in summary["heard"]}
    assert "E_ESTOP_PORT" in heard["the e-stop is unplugged in mid-motion"]["causes"]
    assert "E_ESTOP_SILENT" in heard["the e-stop device freezes in mid-motion"]["causes"]


@pytest.mark.requirement("SR-044")
def test_the_same_seed_gives_the_same_bytes_in_two_processes() -> None:
    file = str(SCENARIOS / "rt10_time_order.yaml")

    def play(seed: str) -> bytes:
        done = subprocess.run([sys.executable, "-c", RUN_IT, file, seed], capture_output=True, check=True, timeout=100)
        return done.stdout[done.stdout.index(b"{") : done.stdout.rindex(b"}") + 1]

    first = play("5")
    assert first == play("5")
    assert json.loads(first)["ok"]
    assert first != play("6")  # another noise


def test_an_expectation_that_does_not_hold_fails_the_run() -> None:
    good = scenario("good_motion")
    acts = list(good.acts[:3])
    acts[2] = acts[2].model_copy(update={"expect": acts[2].expect.model_copy(update={"moved": "no"})})
    summary = run(good.model_copy(update={"acts": acts}), replay=False).summary
    assert summary["not_as_expected"] == ["stream to pick"]
    assert not summary["ok"]


def test_the_oracle_judges_and_not_the_supervisor() -> None:
    """With power of its own that nobody decided the robot moves all the same, and that is seen."""
    good = scenario("good_motion")
    short = good.model_copy(update={"acts": good.acts[:3]})

    def lies(world: Clockwork) -> None:
        send = world.motors.send

        def sends_farther(actuate: Any, offset: int) -> None:
            send(actuate, offset)
            if actuate.moving:
                world.motors.intrude([0.8, -0.785, 0.0, -2.356, 0.0, 1.571, 0.785], 0)

        world.motors.send = sends_farther  # type: ignore[method-assign]

    summary = run(short, replay=False, broken=lies).summary
    assert not summary["ok"]
    assert summary["oracle"]["violations"]


def test_acts_of_another_engine_are_left_out_by_name_and_never_pass() -> None:
    demo = scenario("panda_demo")
    playable, left_out = demo.for_engine("core")
    assert "asks for the press" in left_out
    assert not {act.name for act in playable.acts} & set(left_out)
    alone = demo.model_copy(update={"acts": [act for act in demo.acts if act.act == "approval"]})
    with pytest.raises(UnplayableError, match="no act"):
        run(alone)


def test_the_command_plays_and_tells_speed_and_json(tmp_path: Path) -> None:
    done = CliRunner().invoke(sim_app, ["run", "--engine", "core", "--json", str(SCENARIOS / "good_motion.yaml")])
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert report["ok"]
    assert report["runs"][0]["engine"] == "core"
    assert report["runs"][0]["simulated"] > 5.0
    unknown = tmp_path / "other.yaml"
    text = (SCENARIOS / "good_motion.yaml").read_text(encoding="utf-8")
    unknown.write_text(text.replace("robot: panda", "robot: pandda"), encoding="utf-8")
    done = CliRunner().invoke(sim_app, ["run", "--engine", "core", str(unknown)])
    assert done.exit_code == 2
    assert "pandda" in done.output


@pytest.mark.long
def test_the_whole_demonstration_is_as_expected() -> None:
    summary = run(scenario("panda_demo")).summary
    assert bad(summary) == []
    assert len(summary["left_out"]) == 5


@pytest.mark.long
def test_a_humanoid_on_its_feet_is_played_too() -> None:
    """Pushes, the stop ladder, people who set it up again; about a second of one core a simulated second."""
    summary = run(scenario("g1_demo")).summary
    assert bad(summary) == []
    assert summary["left_out"] == []
    assert "lower" in next(act for act in summary["acts"] if act["name"] == "e-stop while it leans")["seen"]


@pytest.mark.long
@pytest.mark.parametrize("name", ["malformed", "intruders"])
def test_both_engines_say_the_same(name: str) -> None:
    done = CliRunner().invoke(sim_app, ["run", "--engine", "both", "--json", str(SCENARIOS / f"{name}.yaml")])
    report = json.loads(done.stdout)
    assert list(report["differences"].values()) == [[]]
    assert done.exit_code == 0, done.output


def test_an_act_is_over_when_the_robot_rests() -> None:
    """The end of a kept stop is known when it begins; the act goes on until it is reached."""
    good = scenario("good_motion")
    broken = {
        "act": "defective_in_motion",
        "name": "broken",
        "goal": "far",
        "defect": "ragged",
        "expect": {"codes": ["E_RAGGED"], "state": ["AUTO/HOLDING"], "rest_after": 0.8},
    }
    acts = [act.model_dump(exclude_unset=True) for act in good.acts[:2]]
    poses = good.poses | {"far": {"panda_joint2": -0.2}}
    wanted = Scenario.model_validate(good.model_dump(exclude_unset=True) | {"acts": [*acts, broken], "poses": poses})
    played = run(wanted, replay=False)
    assert bad(played.summary) == []
    (record,) = (one for one in played.oracle["acts"] if one["name"] == "broken / after")
    assert 0.0 < record["rest_after"] < 0.8
