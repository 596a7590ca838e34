"""Who stands in the supervisor's place, each on the same short scenario: docs/compare.md."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

import pytest

from safety_supervisor.core.supervisor import Supervisor
from safety_supervisor_sim.campaign.case import Case
from safety_supervisor_sim.campaign.play import play as play_campaign
from safety_supervisor_sim.compare.barriers import CURE, PLACE
from safety_supervisor_sim.compare.play import play
from safety_supervisor_sim.compare.table import kinds_of
from safety_supervisor_sim.engine import clockwork

SCENARIO = {
    "name": "toward_the_cabinet",
    "robot": "panda",
    "source": "planner",
    "seed": 5,
    "about": "A good motion beside the cabinet, and a set-point half a radian away, inside it.",
    "rows": [],
    "requirements": [],
    "poses": {"beside": [0.2, 0.35, 0.0, -1.9, 0.0, 2.2, 1.7]},
    "acts": [
        {"name": "reset", "act": "technician", "calls": ["reset"], "expect": {"state": ["READY"]}},
        {"name": "start", "act": "technician", "calls": ["start"], "expect": {"state": ["AUTO/HOLDING"]}},
        {
            "name": "beside",
            "act": "stream",
            "goal": "beside",
            "expect": {"verdicts": ["PASS"], "state": ["AUTO/HOLDING"], "ends": "goal", "unchanged": True},
        },
        {
            "name": "jump",
            "act": "defective",
            "defect": "jump",
            "expect": {
                "verdicts": ["REJECT"],
                "codes": ["E_POSITION_LIMIT", "E_VELOCITY_LIMIT", "E_ACCELERATION_LIMIT", "E_JERK_LIMIT"],
                "state": ["AUTO/HOLDING"],
                "distance": {"obstacles": 0.015},
            },
        },
    ],
}


@lru_cache
def played(subject: str) -> dict[str, Any]:
    """Return the row of a subject, each played once."""
    return play(Case("test", "toward_the_cabinet", json.dumps(SCENARIO), seed=5, subject=subject))


def with_pink() -> list[Any]:
    """Return all subjects; pink where it is installed."""
    absent = pytest.mark.skipif(not (PLACE / "pink").is_dir(), reason=CURE)
    return ["supervisor", "pass_through", "clamp", pytest.param("pink", marks=absent)]


@pytest.mark.sampled(3)
@pytest.mark.parametrize("subject", with_pink())
def test_good_motion_reaches_its_goal_with_all(subject: str) -> None:
    row = played(subject)
    assert row["ended"] == "done", row["problem"]
    assert (row["good_motions"], row["false_stops"]) == (1, 0)
    assert not [text for text in row["violated"] if text.endswith(" in beside")]
    assert row["cycle_cpu"] > 0.0


def test_what_passes_through_breaks_limits_at_a_jump() -> None:
    assert {"velocity", "acceleration", "command_velocity"} <= kinds_of(played("pass_through"))


def test_clamping_keeps_the_limits_of_joints_and_goes_into_the_cabinet() -> None:
    kinds = kinds_of(played("clamp"))
    assert not kinds & {"velocity", "position", "command_velocity", "command_position"}
    assert {"keep_out", "near_obstacles"} & kinds


@pytest.mark.parametrize("subject", ["supervisor", with_pink()[-1]])
def test_supervisor_and_barriers_stay_outside_of_the_cabinet(subject: str) -> None:
    assert "keep_out" not in kinds_of(played(subject))


def test_the_supervisor_lets_nothing_of_the_jump_through() -> None:
    row = played("supervisor")
    assert row["ok"]
    assert not kinds_of(row)
    assert dict(row["verdicts"]).keys() >= {"PASS"}


def test_nobody_is_left_in_the_supervisors_place() -> None:
    case = Case("test", "toward_the_cabinet", json.dumps(SCENARIO), seed=5)
    played("clamp")
    assert clockwork.Supervisor is Supervisor
    again = play_campaign(case, replayed=1.0)  # every effect is compared with those of a supervisor of its own
    assert again["ok"], again["reasons"]
    assert again["effects_sha256"] == played("supervisor")["effects_sha256"]


@pytest.mark.parametrize(("subject", "disabled"), [("nobody", ""), ("clamp", "joint.velocity")])
def test_unknown_subjects_are_named_and_not_played(subject: str, disabled: str) -> None:
    row = play(Case("test", "x", json.dumps(SCENARIO), subject=subject, disabled=disabled))
    assert row["ended"] == "unplayable"
    assert not row["ok"]
    assert "known: supervisor, pass_through, clamp, pink" in row["problem"]
