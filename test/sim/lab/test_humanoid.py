"""Scenarios of a humanoid on its feet behind the real supervisor, in simulated time; all cheap."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from safety_supervisor.core.events import FootContact, Imu
from safety_supervisor_sim.agent.motions import PointToPoint, set_points
from safety_supervisor_sim.cell.standing import StandingRobot
from safety_supervisor_sim.demo.cli import sim_app
from safety_supervisor_sim.lab import balance_inputs, planted_agent, upright
from safety_supervisor_sim.lab.arm import STREAM_PERIOD
from safety_supervisor_sim.lab.humanoid import MOVING, RESTING, STOPPING, Humanoid, owners, standing_file
from safety_supervisor_sim.lab.pace import Pace
from safety_supervisor_sim.lab.stand import StandBench, load_stand
from safety_supervisor_sim.lab.upright import falls_if_let_on, judge_upright
from safety_supervisor_sim.lab.wanderer import Wanderer
from safety_supervisor_sim.oracle.touch import TouchJudge
from safety_supervisor_sim.oracle.way import WayJudge
from safety_supervisor_sim.oracle.world import Array

REACH = {
    "left_shoulder_pitch_joint": -0.9, "left_shoulder_roll_joint": 0.4, "left_elbow_joint": 0.3,
    "right_shoulder_pitch_joint": 0.8, "right_shoulder_roll_joint": -0.9, "right_elbow_joint": 1.2,
}  # fmt: skip


@lru_cache(maxsize=1)
def bench() -> StandBench:
    return load_stand("g1")


@lru_cache(maxsize=1)
def pace() -> Pace:
    return Pace(bench().configuration)


@pytest.fixture(scope="module")
def judge() -> Iterator[TouchJudge]:
    made = bench().judge()
    yield made
    made.close()


def at(changes: dict[str, float]) -> Array:
    pose = np.array(standing_file("g1").robot.home)
    for joint, value in changes.items():
        pose[bench().robot.joints.index(joint)] = value
    return pose


def arms(humanoid: Humanoid, goal: Array, share: float = 1.0, speed: float = 0.8) -> PointToPoint:
    """Stream a share of the straight way to a goal by the arms' agent, unless it is refused; return that way."""
    motion = pace().straight(humanoid.pose, goal, speed)
    rows = set_points(motion, STREAM_PERIOD)
    humanoid.begin()
    begin, sent = humanoid.now, 0
    while sent < share * len(rows) and humanoid.refused is None:
        while sent < len(rows) and sent * STREAM_PERIOD <= (humanoid.now - begin) * 1e-9:
            humanoid.stream_of("planner", rows[sent])
            sent += 1
        humanoid.cycle()
    return motion


@pytest.mark.long
def test_a_good_motion_of_the_arms_runs_unchanged_while_it_stands(humanoid: Humanoid, judge: TouchJudge) -> None:
    goal = at(REACH)
    arms(humanoid, goal)
    sent = np.array(humanoid.rows)
    humanoid.run(50)
    assert humanoid.refused is None
    reached = owners(bench().configuration)["planner"]
    assert np.abs(humanoid.pose - goal)[reached].max() < 1e-6
    assert np.abs(humanoid.true[-1] - goal).max() < 0.03, "the motors hold it"
    assert np.ptp(sent, axis=0).max() > 1.0, "or nothing moved"
    seen = humanoid.balance.seen
    assert not seen.fell
    assert seen.least["capture point"] > 0.02
    assert not seen.slipped
    assert WayJudge(judge).follow(np.array(humanoid.true)) is None
    assert MOVING in humanoid.phases
    assert STOPPING not in humanoid.phases


def test_a_stop_in_the_middle_of_a_reach_leaves_it_standing(humanoid: Humanoid) -> None:
    motion = arms(humanoid, at(REACH), share=0.5, speed=1.0)
    fast = np.abs(np.diff(np.array(humanoid.true[-3:]), axis=0)).max() / 0.004
    assert fast > 1.0, "or there was nothing to stop"
    humanoid.request_stop()
    cycles = 0
    while humanoid.moving:
        humanoid.cycle()
        cycles += 1
    assert cycles < 100, "the stop is allowed 0.4 s"
    stopped = humanoid.pose
    humanoid.run(250)
    assert np.array_equal(humanoid.pose, stopped)
    way = motion.goal - motion.start
    along = (stopped - motion.start) / np.where(np.abs(way) > 0.1, way, np.inf)
    assert np.ptp(along[np.abs(way) > 0.1]) < 0.01, "it stops on its path"
    assert not humanoid.balance.seen.fell
    assert STOPPING in humanoid.phases
    assert humanoid.phases[-1] == RESTING


@pytest.mark.parametrize(("force", "falls"), [(60.0, False), (150.0, True)])
def test_pushed_from_outside(humanoid: Humanoid, force: float, falls: bool) -> None:
    humanoid.robot.push((force, 0.0, 0.0), 0.2)
    for _ in range(375):
        humanoid.cycle()
        if humanoid.balance.seen.fell:
            break
    assert humanoid.balance.seen.fell is falls


@pytest.mark.sampled(3)
@pytest.mark.requirement("SR-032")
@pytest.mark.parametrize(("arm", "other"), [("left", "right"), ("left", "legs"), ("right", "legs")])
def test_arms_into_each_other_and_into_the_legs_are_refused(
    humanoid: Humanoid, judge: TouchJudge, arm: str, other: str
) -> None:
    goal = crossed() if other == "right" else at_a_leg(judge, arm)
    assert judge.nearest(goal, 0.1).touches, "or there was nothing to be refused"
    arms(humanoid, goal, speed=1.0)
    refused = humanoid.refused
    assert refused is not None
    assert refused.code == "E_SELF_COLLISION"
    humanoid.settle()
    humanoid.run(25)
    assert WayJudge(judge).follow(np.array(humanoid.true)) is None, "the true motion touched"
    assert not humanoid.pressed
    assert not humanoid.balance.seen.fell


def crossed() -> Array:
    """Both arms before the body, the hands in each other."""
    pose = {"shoulder_pitch": -0.47, "shoulder_roll": 0.38, "shoulder_yaw": -0.5, "elbow": -0.38}
    turned = ("shoulder_roll", "shoulder_yaw")
    return at(
        {f"left_{name}_joint": value for name, value in pose.items()}
        | {f"right_{name}_joint": -value if name in turned else value for name, value in pose.items()}
    )


def at_a_leg(judge: TouchJudge, side: str) -> Array:
    """Draw a pose of one arm in which it touches a leg, and nothing else touches."""
    joints, limits = bench().robot.joints, bench().configuration.envelope.joints
    arm = [
        k for k, name in enumerate(joints) if name.startswith((f"{side}_shoulder", f"{side}_elbow", f"{side}_wrist"))
    ]
    random = np.random.default_rng(3)
    for _ in range(5000):
        pose = at({})
        pose[arm] = random.uniform(limits.lower, limits.upper)[arm]
        near = judge.nearest(pose, 0.01)
        if near.touches and any(part in near.pair for part in ("_hip_", "_knee_")):
            return pose
    raise AssertionError("no such pose")


def test_each_agent_has_joints_of_its_own() -> None:
    shares = owners(bench().configuration)
    assert set(shares) == {"planner", "walker"}
    assert sorted(shares["planner"] + shares["walker"]) == list(range(29))


class Wish:
    """An agent that wants one pose."""

    def __init__(self, pose: Array) -> None:
        self.pose = pose

    def next(self) -> Array:
        return self.pose


@pytest.mark.parametrize(("lean", "falls"), [(0.0, False), (0.35, True)])
def test_whoever_is_let_on_stands_or_falls_by_his_own_wish(robot: StandingRobot, lean: float, falls: bool) -> None:
    saved = robot.save()
    home = at({})
    leaning = at({f"{side}_ankle_pitch_joint": -0.15 - lean for side in ("left", "right")})
    wish: Wanderer = Wish(leaning)  # type: ignore[assignment]
    assert falls_if_let_on(robot, wish, [home, home, home], 2.0) is falls
    robot.restore(saved)
    robot.forget(saved)


def judged(monkeypatch: pytest.MonkeyPatch, checked: bool) -> dict[str, Any]:
    """Drive all joints by an agent in a hurry, whose goals tip: what the check of balance is for."""
    monkeypatch.setattr(planted_agent, "SLOWEST", 0.9)
    monkeypatch.setattr(planted_agent, "_UNSAFE", 1.0)
    monkeypatch.setattr(planted_agent, "_TOUCHING", 0.0)
    if not checked:
        stand = bench()
        without = replace(stand, configuration=replace(stand.configuration, balance=None))
        monkeypatch.setattr(upright, "bench_of", lambda name: without)
    told = judge_upright("g1", (1,), 6.0, ("all",)).as_dict()
    assert told["balance_checked"] is checked
    assert told["contact_list"] == []
    assert told["stuck"] == {}
    assert told["seconds"]["all"] >= 6.0
    assert told["states"] > 1000
    return told


@pytest.mark.requirement("SR-034")
@pytest.mark.long
def test_driven_at_random_in_all_joints_it_stands_where_balance_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    told = judged(monkeypatch, checked=True)
    assert told["falls"]["all"] == 0
    assert told["refusals"]["E_BALANCE"] > 0


@pytest.mark.long
def test_without_a_check_of_balance_it_falls_and_never_touches_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: legs driven at random are no way to stand, and geometry alone does not know that."""
    told = judged(monkeypatch, checked=False)
    assert told["falls"]["all"] > 0
    for fall in told["fall_list"]:
        assert fall["began"] <= fall["at"]
        assert fall["phase"] in (MOVING, STOPPING, RESTING)


@pytest.mark.requirement("SR-036")
def test_what_sensors_would_tell_is_handed_over(robot: StandingRobot) -> None:
    robot.step(2)  # PyBullet tells no forces of a restored state
    told = balance_inputs.telling(robot)
    assert np.linalg.norm(told.orientation) == pytest.approx(1.0)
    assert sum(told.forces.values()) == pytest.approx(robot.mass * 9.81, rel=0.05)
    configuration = bench().configuration
    imu, *feet = balance_inputs.Footsteps(configuration).events(told, 1)
    assert isinstance(imu, Imu)
    assert np.linalg.norm(imu.orientation) == pytest.approx(1.0)
    assert {foot.foot: foot.force[2] for foot in feet if isinstance(foot, FootContact)} == told.forces
    assert balance_inputs.Footsteps(replace(configuration, balance=None)).events(told, 1) == ()


@pytest.mark.long
def test_the_command_tells_json_and_nothing_else() -> None:
    arguments = ["humanoid-oracle", "--minutes", "0.02", "--drive", "arms", "--seed", "2", "--json"]
    ended = CliRunner().invoke(sim_app, arguments)
    assert ended.exit_code == 0, ended.output
    told = json.loads(ended.stdout)
    assert (told["ok"], told["robot"], told["seed"]) == (True, "g1", 2)
    assert told["falls"] == {"arms": 0}
    assert told["falls_by_own_stop"] == {"arms": 0}
    assert told["self_contacts"] == 0


@pytest.mark.long
def test_a_push_is_told_and_filmed(tmp_path: Path) -> None:
    out = tmp_path / "push.gif"
    arguments = ["humanoid-push", "--force", "60", "--force", "150", "--seconds", "1.5", "--out", str(out)]
    ended = CliRunner().invoke(sim_app, arguments)
    assert ended.exit_code == 0, ended.output
    stands, falls = ended.stdout.splitlines()
    assert stands.startswith("g1, 60 N: stands")
    assert falls.startswith("g1, 150 N: falls after 1.0")
    with Image.open(out) as film:
        assert getattr(film, "n_frames", 1) == 15
        film.seek(0)
        first = np.asarray(film.convert("RGB"))
        film.seek(14)
        last = np.asarray(film.convert("RGB"))
    half = first.shape[1] // 2
    changed = np.any(first != last, axis=2)
    assert changed[:, half:].sum() > 2 * changed[:, :half].sum() > 0, "it falls on the right, and rocks on the left"


def test_a_file_that_can_not_be_written_is_said(tmp_path: Path) -> None:
    arguments = ["humanoid-push", "--force", "1", "--seconds", "0.5", "--out", str(tmp_path / "no" / "push.gif")]
    ended = CliRunner().invoke(sim_app, arguments)
    assert ended.exit_code == 2
    assert "push.gif" in ended.output
