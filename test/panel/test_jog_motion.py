"""Jogs, from press to rest, played by the core itself: what it commands, and that it refuses nothing. No ROS."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pinocchio as pin
import pytest

from safety_supervisor.config import load_config
from safety_supervisor.core.errors import Violation
from safety_supervisor.core.intake.results import SetPoint
from safety_supervisor.core.motion.mover import Motion
from safety_supervisor.core.settings import CommandKind, Configuration
from safety_supervisor.core.units import Matrix, Vector
from safety_supervisor.core.verifier import Rules, Verifier
from safety_supervisor.panel.jog_kinematics import JogRobot
from safety_supervisor.panel.jog_motion import FASTEST, Jog, JogRefusedError, Way

pytestmark = pytest.mark.requirement("SR-021")
FOLDER = Path(__file__).parents[2] / "config"
ARMS = {"panda": ("arm", "panda_hand_tcp"), "g1": ("left_arm", "left_rubber_hand")}
DEGREE = np.pi / 180.0


@cache
def built(robot: str) -> tuple[Configuration, JogRobot, Verifier]:
    configuration = load_config(FOLDER / f"{robot}.yaml")
    # Balance is judged from what sensors tell, which nobody does here.
    configuration = replace(configuration, balance=None)
    return configuration, JogRobot(configuration, (ARMS[robot][0],)), Verifier(configuration)


class Played(NamedTuple):
    """What the core commanded, every cycle.

    Attributes:
        poses: shape (m, n).
        refused: by the core.
        jog: at its end.
        released: cycle in which the button was let go; 0: never.
    """

    poses: Matrix
    refused: list[object]
    jog: Jog
    released: int


def start_of(robot: str) -> Vector:
    pose = np.array(built(robot)[0].robot.start, dtype=np.float64)
    if robot == "g1":
        pose[built(robot)[1].arms[0].joints] = [-0.3, 0.35, 0.1, -0.4, 0.1, 0.4, 0.3]
    return pose


def play(robot: str, way: Way, held: Callable[[int], bool], start: Vector | None = None, cycles: int = 2500) -> Played:
    """Stream a jog to the core's motion in MANUAL; `held` tells by the number of the set-point."""
    configuration, kinematics, verifier = built(robot)
    source = configuration.source("joystick")
    period, dt = source.period / 1e9, configuration.timing.period / 1e9
    begin = start_of(robot) if start is None else start
    motion, jog = Motion(configuration, verifier), Jog(kinematics, way, begin, period)
    motion.place(begin)
    poses, refused, sent, ends, released = [begin], list[object](), 0, False, 0
    for cycle in range(cycles):
        while not ends and cycle * dt >= sent * period - 1e-12:
            if not released and not held(sent):
                released = cycle
            values = jog.step(held(sent))
            sent += 1
            ends = values is None
            if values is not None:
                point = SetPoint("joystick", "cid", CommandKind.VELOCITY, (jog.arm.name,), jog.arm.joints, values)
                outcome = motion.offer(point, period, source.playout_periods, motion.play_time + dt)
                refused += [outcome] if isinstance(outcome, Violation) else []
        told = motion.advance(Rules(min(way.speed, configuration.envelope.manual_frame_speed)))
        refused += [note for note in told if note.code.value != "E_ENDED"]
        poses.append(motion.state[0].copy())
        if ends and motion.at_rest:
            break
    assert ends, "it has not come to an end"
    return Played(np.array(poses), refused, jog, released)


def tool_in_urdf(robot: str) -> Callable[[Vector], pin.SE3]:
    """Return where the tool is, by a model of Pinocchio's own, read anew from the URDF."""
    configuration = built(robot)[0]
    model = pin.buildModelFromXML(configuration.robot.urdf)
    data, frame, base = model.createData(), model.getFrameId(ARMS[robot][1]), configuration.robot.base_frame

    def place(q: Vector) -> pin.SE3:
        full = pin.neutral(model)
        named = dict(zip(configuration.robot.joints, q.tolist(), strict=True)) | configuration.robot.locked_joints
        for name, value in named.items():
            full[model.joints[model.getJointId(name)].idx_q] = value
        pin.framesForwardKinematics(model, data, full)
        return data.oMf[model.getFrameId(base)].actInv(data.oMf[frame])

    return place


def fastest(robot: str, poses: Matrix) -> float:
    configuration, kinematics, _ = built(robot)
    dt = configuration.timing.period / 1e9
    steps = itertools.pairwise(poses)
    return max(kinematics.frame_speed(a, (b - a) / dt) for a, b in steps)


@pytest.mark.parametrize("robot", ARMS)
def test_the_jacobian_is_the_slope_of_where_the_tool_is(robot: str) -> None:
    kinematics, place = built(robot)[1], tool_in_urdf(robot)
    arm, q, h = kinematics.arms[0], start_of(robot), 1e-6
    assert arm.tip == ARMS[robot][1]
    here, columns = place(q), []
    assert kinematics.placement(arm, q).isApprox(here, 1e-9)
    for index in arm.joints:
        step = np.eye(len(q))[index] * h
        there, back = place(q + step), place(q - step)
        turn = pin.log3(there.rotation @ back.rotation.T)
        columns.append(np.concatenate((there.translation - back.translation, turn)) / (2 * h))
    np.testing.assert_allclose(kinematics.jacobian(arm, q), np.array(columns).T, atol=1e-7)
    assert here.translation.any()


def test_joints_without_a_chain_of_six_have_no_tool() -> None:
    configuration = built("g1")[0]
    robot = JogRobot(configuration, ("legs", "waist", "right_arm"))
    assert [arm.tip for arm in robot.arms] == ["", "", "right_rubber_hand"]
    with pytest.raises(JogRefusedError, match="waist has no tool"):
        Jog(robot, Way(1, None, 0, 1, False, None, 0.1), start_of("g1"), 0.02)


@pytest.mark.parametrize("robot", ARMS)
@pytest.mark.parametrize("speed", [0.05, FASTEST])
def test_joints_go_at_the_speed_that_is_asked_and_stop(robot: str, speed: float) -> None:
    configuration, kinematics, _ = built(robot)
    dt, limits = configuration.timing.period / 1e9, configuration.envelope.joints
    for number, joint in enumerate(kinematics.arms[0].joints.tolist()):
        sign = -1 if number in (1, 3) else 1
        played = play(robot, Way(0, joint, 0, sign, False, None, speed), lambda sent: sent < 25)
        assert not played.refused
        moved = played.poses[-1] - played.poses[0]
        assert sign * moved[joint] > 0.01
        assert not np.delete(moved, joint).any()
        top = fastest(robot, played.poses)
        share = np.abs(np.diff(played.poses[:, joint])).max() / (dt * limits.velocity[joint])
        assert top <= speed
        assert top > 0.9 * speed or share > 0.48 or robot == "g1"  # whose wrist has little room
        assert (len(played.poses) - played.released) * dt < 0.5


@pytest.mark.parametrize("robot", ARMS)
@pytest.mark.parametrize("in_tool", [False, True])
@pytest.mark.parametrize("axis", range(6))
def test_the_tool_goes_along_and_about_its_axis_alone(robot: str, axis: int, in_tool: bool) -> None:
    place = tool_in_urdf(robot)
    for sign in (1, -1):
        played = play(robot, Way(0, None, axis, sign, in_tool, None, 0.1), lambda sent: sent < 40)
        assert not played.refused
        begin, end = place(played.poses[0]), place(played.poses[-1])
        turn = begin.rotation if in_tool else np.eye(3)
        shift, about = end.translation - begin.translation, pin.log3(end.rotation @ begin.rotation.T)
        wanted = sign * turn[:, axis % 3]
        along, other = (shift, about) if axis < 3 else (about, shift)
        assert along @ wanted > 0.02
        assert np.linalg.norm(along - (along @ wanted) * wanted) < 2e-4
        assert np.linalg.norm(other) < 2e-4
        assert fastest(robot, played.poses) <= 0.1


@pytest.mark.parametrize("robot", ARMS)
@pytest.mark.parametrize("distance", [1e-3, 5e-3, 0.02])
@pytest.mark.parametrize("speed", [0.02, 0.1, FASTEST])
def test_a_step_is_as_long_as_it_says(robot: str, distance: float, speed: float) -> None:
    place = tool_in_urdf(robot)
    played = play(robot, Way(0, None, 2, 1, False, distance, speed), lambda sent: True)
    assert not played.refused
    assert not played.jog.note
    shift = place(played.poses[-1]).translation - place(played.poses[0]).translation
    np.testing.assert_allclose(shift, [0.0, 0.0, distance], atol=2e-5)
    joint = int(built(robot)[1].arms[0].joints[0])
    played = play(robot, Way(0, joint, 0, -1, False, 2 * DEGREE, speed), lambda sent: True)
    assert played.poses[-1][joint] - played.poses[0][joint] == pytest.approx(-2 * DEGREE, abs=1e-9)
    assert not played.refused
    assert fastest(robot, played.poses) <= speed


def test_a_step_that_is_let_go_ends_before() -> None:
    played = play("panda", Way(0, 0, 0, 1, False, 10 * DEGREE, 0.05), lambda sent: sent < 30)
    assert 0.0 < played.poses[-1][0] < 5 * DEGREE
    assert not played.refused


@pytest.mark.parametrize("speed", [0.05, FASTEST])
def test_before_a_limit_it_slows_down_and_ends(speed: float) -> None:
    configuration = built("panda")[0]
    upper = configuration.envelope.joints.upper
    start = start_of("panda")
    start[6] = upper[6] - 0.15
    played = play("panda", Way(0, 6, 0, 1, False, None, speed), lambda sent: True, start)
    assert not played.refused
    assert "panda_joint7 has come to its limit" in played.jog.note
    assert upper[6] - 0.02 < played.poses[-1][6] < upper[6]
    with pytest.raises(JogRefusedError, match="panda_joint7 is at its limit"):
        Jog(built("panda")[1], Way(0, 6, 0, 1, False, None, speed), played.poses[-1] + 0.01, 0.02)
    back = play("panda", Way(0, 6, 0, -1, False, None, speed), lambda sent: sent < 20, played.poses[-1])
    assert not back.refused
    assert back.poses[-1][6] < played.poses[-1][6]


def test_a_stretched_arm_is_not_stretched_further() -> None:
    """The panda's elbow, 4, is nearly straight: the tool can not go on outwards, whatever joints do."""
    start = np.array([0.0, 0.3, 0.0, -0.9, 0.0, 1.2, 0.785])
    played = play("panda", Way(0, None, 0, 1, False, None, 0.25), lambda sent: True, start)
    assert not played.refused
    assert played.jog.note
    assert fastest("panda", played.poses) <= 0.25
    place = tool_in_urdf("panda")
    begin, end = place(played.poses[0]).translation, place(played.poses[-1]).translation
    assert end[0] > begin[0]
    assert np.linalg.norm((end - begin)[1:]) < 2e-3


@pytest.mark.parametrize("robot", ARMS)
def test_nothing_is_refused_but_for_what_lies_in_the_way(robot: str) -> None:
    """Anywhere, near limits and singular poses too, let go at any time."""
    configuration, kinematics, _ = built(robot)
    chance, limits, arm = np.random.default_rng(7), configuration.envelope.joints, kinematics.arms[0]
    bodies = {"E_SELF_COLLISION", "E_WORKSPACE"}
    played = 0
    for _ in range(60):
        start = start_of(robot)
        start[arm.joints] = chance.uniform(limits.lower[arm.joints] + 0.002, limits.upper[arm.joints] - 0.002)
        joint = int(chance.choice(arm.joints)) if chance.random() < 0.3 else None
        way = Way(
            0, joint, int(chance.integers(6)), int(chance.choice([-1, 1])), bool(chance.integers(2)),
            chance.choice([None, 1e-3, 0.01, 0.05]), float(chance.choice([0.01, 0.05, FASTEST])),
        )  # fmt: skip
        ends = int(chance.integers(1, 60))
        try:
            done = play(robot, way, lambda sent, ends=ends: sent < ends, start)
        except JogRefusedError:
            continue
        codes = {one.code.value for one in done.refused}
        if not codes & bodies:
            assert not codes, (way, start, done.refused)
            assert fastest(robot, done.poses) <= way.speed
            played += 1
    assert played > 15


def test_a_robot_that_is_elsewhere_is_seen() -> None:
    jog = Jog(built("panda")[1], Way(0, 0, 0, 1, False, None, 0.05), start_of("panda"), 0.02)
    assert not jog.beside(start_of("panda"))
    for wrong in (0.2, np.nan):
        there = start_of("panda")
        there[3] += wrong
        assert jog.beside(there)
    with pytest.raises(JogRefusedError, match="not known where"):
        Jog(built("panda")[1], Way(0, 0, 0, 1, False, None, 0.05), start_of("panda") * np.nan, 0.02)
