"""One case is played: its row says what truly came of it, and the same in every process."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from safety_supervisor.config.bounds import parse
from safety_supervisor_sim.campaign import play as play_module
from safety_supervisor_sim.campaign.case import Case
from safety_supervisor_sim.campaign.play import play, robustness
from safety_supervisor_sim.campaign.player import Player
from safety_supervisor_sim.campaign.row import SCHEMA
from safety_supervisor_sim.engine.clockwork import Clockwork

SCENARIOS = Path(__file__).resolve().parents[3] / "sim" / "scenarios"
ONE_MOTION = ("reset", "start", "stream to pick")


def case_of(name: str, acts: tuple[str, ...], **changes: Any) -> Case:
    path = SCENARIOS / f"{name}.yaml"
    value, _ = parse(path, path.read_bytes())
    value["acts"] = [act for act in value["acts"] if act["name"] in acts]
    for act in value["acts"]:
        act |= changes.get(act["name"], {})
    return Case("test", name, json.dumps(value), seed=5)


GOOD = case_of("good_motion", ONE_MOTION)


@pytest.mark.long
def test_a_good_run_and_the_same_bytes_in_another_process() -> None:
    """The other process forks from one that has built robot and supervisor before."""
    here = play(GOOD, replayed=1.0)
    player = Player()
    try:
        there = player.play(GOOD, 120.0)
        again = player.play(GOOD, 120.0)
    finally:
        player.close()
    assert here["ok"], (here["problem"], here["reasons"])
    assert (here["ended"], here["violations"], here["good_motions"], here["false_stops"]) == ("done", 0, 1, 0)
    assert here["robustness"] > 0.0
    assert 0.5 < here["task_time"] < here["simulated"]
    assert dict(here["verdicts"])["PASS"] >= 1
    differing = {"processor", "worker"}
    assert [{k: v for k, v in row.items() if k not in differing} for row in (there, again)] == [
        {k: v for k, v in here.items() if k not in differing}
    ] * 2
    table = pa.Table.from_pylist([here, there], SCHEMA)
    assert table.column("effects_sha256").unique().to_pylist() == [here["effects_sha256"]]
    assert len(here["effects_sha256"]) == 64


def test_a_violation_and_a_false_stop_are_counted_from_the_true_motion(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else moves the motors half-way, beyond the robot's limits: the supervisor has no part in it."""

    def off(case: Case) -> Any:
        def broken(world: Clockwork) -> None:
            send = world.motors.send

            def sends(actuate: Any, clock_offset: int) -> None:
                beyond = tuple(position + 0.4 for position in actuate.positions)
                send(actuate, clock_offset)
                if world.now > 3_500_000_000:
                    world.motors.intrude(beyond, world.now + clock_offset)

            world.motors.send = sends  # type: ignore[method-assign]

        return broken

    monkeypatch.setattr(play_module, "_broken", off)
    row = play(GOOD)
    assert row["ended"] == "done"
    assert not row["ok"]
    assert row["violations"] == len(row["violated"]) > 0
    assert row["robustness"] < 0.0
    assert row["false_stops"] == 1
    assert "stream to pick" in row["not_as_expected"]


@pytest.mark.parametrize(
    ("change", "ended", "words"),
    [
        ({"subject": "nobody"}, "unplayable", "subject nobody"),
        ({"text": "{}"}, "unplayable", "robot"),
        ({"text": json.dumps(json.loads(GOOD.text) | {"source": "stranger"})}, "unplayable", "no source stranger"),
        ({"disabled": "no_such_check"}, "unplayable", "no_such_check"),
    ],
)
def test_what_can_not_be_played_is_told_and_no_pass(change: dict[str, Any], ended: str, words: str) -> None:
    row = play(replace(GOOD, **change))
    assert (row["ended"], row["ok"]) == (ended, False)
    assert words in row["problem"]
    assert pa.Table.from_pylist([row], SCHEMA).num_rows == 1


def test_an_exception_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def raises(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr(play_module, "run", raises)
    row = play(GOOD)
    assert (row["ended"], row["ok"], row["problem"]) == ("failed", False, "ZeroDivisionError: by nothing")


def worst(margin: float, limit: float, item: str = "panda_joint2") -> dict[str, Any]:
    return {"margin": margin, "limit": limit, "item": item}


def test_robustness_is_the_least_share_and_below_zero_beyond_limit_and_tolerance() -> None:
    """Velocity 2.175 rad/s, position 1.7628 rad of a range of 3.5256 rad, tolerances 0.1 rad/s and 5 mm, by hand."""
    report: dict[str, Any] = {
        "tolerance": {"velocity": 0.1, "zone": 0.005, "position": 0.0},
        "worst": {"velocity": worst(1.0, 2.175), "position": worst(0.2, 1.7628)},
    }
    assert robustness("panda", report) == pytest.approx(0.2 / 1.7628)
    report["worst"]["keep_out"] = worst(-0.004, 0.0, "panda_hand@cabinet")
    assert robustness("panda", report) == pytest.approx(0.001 / 0.1)
    report["worst"]["velocity"] = worst(-0.2, 2.175)
    assert robustness("panda", report) == pytest.approx(-0.1 / 2.175)
    assert robustness("g1", {"tolerance": {}, "worst": {}}, capture=0.02) == pytest.approx(0.4)
    assert robustness("g1", {"tolerance": {}, "worst": {}}, capture=0.02, fell=True) == -1.0
    assert math.isnan(robustness("panda", {"tolerance": {}, "worst": {}}))
