"""The stop ladder of the shipped G1 in physics: what becomes of the robot, told by the oracle alone."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest

from safety_supervisor_sim.agent.motions import set_points
from safety_supervisor_sim.cell.standing import DAMP, OFF
from safety_supervisor_sim.lab.arm import STREAM_PERIOD
from safety_supervisor_sim.lab.humanoid import Humanoid, standing_file
from safety_supervisor_sim.lab.pace import Pace
from safety_supervisor_sim.lab.stand import StandBench, load_stand
from safety_supervisor_sim.oracle.world import Array

pytestmark = pytest.mark.requirement("SR-034")

REACH = {"left_shoulder_pitch_joint": -0.9, "right_shoulder_pitch_joint": -0.9}
LEAN = {**REACH, "waist_pitch_joint": 0.2}
SQUATS = 0.1
"""It is down when its base is so much lower, [m]."""
RELAY_DELAY = 5.5  # as config/g1.yaml says that a device has to have, [s]


@lru_cache(maxsize=1)
def bench() -> StandBench:
    return load_stand("g1")


def height(humanoid: Humanoid) -> float:
    return float(humanoid.robot.base_pose()[0][2])


def go(humanoid: Humanoid, joints: dict[str, float], share: float, speed: float) -> None:
    """Stream a share of the straight way to a pose by all agents."""
    goal = np.array(standing_file("g1").robot.home)
    for joint, value in joints.items():
        goal[bench().robot.joints.index(joint)] = value
    rows: list[Array] = list(
        set_points(Pace(bench().configuration).straight(humanoid.pose, goal, speed), STREAM_PERIOD)
    )
    begin, sent = humanoid.now, 0
    humanoid.begin()
    while sent < share * len(rows):
        while sent < len(rows) and sent * STREAM_PERIOD <= (humanoid.now - begin) * 1e-9:
            humanoid.stream_due(rows[sent], sent)
            sent += 1
        humanoid.cycle()
        assert humanoid.refused is None, humanoid.refused


def modes(humanoid: Humanoid) -> list[str]:
    return [mode for _, mode in humanoid.rungs]


@pytest.mark.sampled(2)
@pytest.mark.parametrize("hard", [False, True], ids=["protective stop", "e-stop"])
def test_a_stop_in_the_middle_of_a_reach_ends_standing_or_lowered(humanoid: Humanoid, hard: bool) -> None:
    go(humanoid, REACH, share=0.5, speed=1.0)
    fast = np.abs(np.diff(np.array(humanoid.true[-3:]), axis=0)).max() / 0.004
    assert fast > 1.0, "or there was nothing to stop"
    stood = height(humanoid)
    humanoid.pressed_button = hard
    if not hard:
        humanoid.request_stop()
        humanoid.run(1000)
        assert modes(humanoid) == ["hold"]
        assert height(humanoid) > stood - 0.01
        assert not humanoid.balance.seen.fell
        return
    while modes(humanoid)[-1] != DAMP and humanoid.robot.time < 10.0:
        humanoid.cycle()
    assert modes(humanoid) == ["hold", "lower", "damp"]
    assert height(humanoid) < stood - SQUATS
    seen = humanoid.balance.seen
    assert not seen.fell, seen
    assert not seen.slipped
    assert seen.lost_at is None, "balance was never lost on the way down"
    assert not humanoid.pressed


@pytest.mark.long
def test_an_e_stop_while_leaning_goes_down_the_ladder_before_the_relays_open(humanoid: Humanoid) -> None:
    go(humanoid, LEAN, share=1.0, speed=0.3)
    humanoid.run(50)
    pressed, stood = humanoid.robot.time, height(humanoid)
    down: list[float] = []
    seen = humanoid.balance.seen
    humanoid.pressed_button = True
    while humanoid.robot.time < pressed + RELAY_DELAY:
        humanoid.cycle()
        if humanoid.rungs[-1][1] == DAMP and not down:
            assert not seen.fell, seen
            down.append(stood - height(humanoid))
    assert modes(humanoid)[:3] == ["hold", "lower", "damp"]
    assert down[0] > SQUATS
    assert humanoid.robot.time - humanoid.rungs[2][0] > 1.0, "`damp` is over too"
    lies = height(humanoid)
    assert lies < 0.5 * stood
    humanoid.robot.obey(OFF)  # the relays open
    humanoid.run(75)
    assert abs(height(humanoid) - lies) < 0.02, "they cut nothing that held it"
    assert np.linalg.norm(humanoid.robot.base_twist()[0]) < 0.05


@pytest.mark.sampled(2)
@pytest.mark.parametrize("force", [60.0, 150.0])
def test_a_push_is_survived_or_ends_in_a_damped_fall_at_once(humanoid: Humanoid, force: float) -> None:
    pushed = humanoid.robot.time
    humanoid.robot.push((force, 0.0, 0.0), 0.2)
    humanoid.run(500)
    seen = humanoid.balance.seen
    if force < 100.0:
        assert not seen.fell
        assert modes(humanoid) == ["hold"]
        return
    assert seen.fell_at is not None
    assert modes(humanoid)[:2] == ["hold", "damp"], "a fall is no time to lower itself"
    damped = humanoid.rungs[1][0]
    assert pushed < damped < seen.fell_at, "before anything but the feet touched the ground"
    falls = [one for one in humanoid.decisions if one.code == "E_FALL"]
    assert [one.verdict for one in falls] == ["STOP"]
    assert seen.lost_at is not None
    assert damped - seen.lost_at < 0.1, "`fall.after`, and what the margin of the capture point takes"
    assert humanoid.supervisor.state in ("STOPPING", "FAULT")
