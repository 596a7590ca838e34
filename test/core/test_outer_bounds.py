"""Capsules around bodies bound distances from below, on the robots that are shipped, and change no answer."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from rig import CONFIGURATION

from safety_supervisor.config import load_config
from safety_supervisor.core.checks.collision import CollisionCheck
from safety_supervisor.core.geometry import query
from safety_supervisor.core.geometry.bodies import hull_balls
from safety_supervisor.core.geometry.robot import RobotModel
from safety_supervisor.core.geometry.scene import RESERVE, Scene
from safety_supervisor.core.geometry.shapes import Box, Cylinder, Sphere
from safety_supervisor.core.motion.stopping import StopLimits, StraightStop
from safety_supervisor.core.settings import Configuration

ROBOTS = ["panda", "g1", "talos"]
NOISE = 2e-6  # [m]: Coal's distances are wrong by 1e-6 at most
SHAPES = (Box((0.1, 0.0, 0.2), (0.1, 0.3, 0.05), (0.3, -0.2, 1.0)), Cylinder((0, 0, 0), (0.0, 0.1, 0.2), 0.06))


@cache
def shipped(robot: str) -> Configuration:
    return load_config(CONFIGURATION.with_name(f"{robot}.yaml"))


@cache
def scene_of(robot: str, bounded: bool = True) -> Scene:
    """With capsules first even where that saves too little, or with distances alone."""
    settings, worth = shipped(robot), query._WORTH
    query._WORTH = -(10**9) if bounded else 10**9  # type: ignore[misc]
    try:
        model = RobotModel(settings.robot, settings.geometry.volumes)
        scene = Scene(model, settings.geometry, settings.zones, settings.tracking.path_error)
    finally:
        query._WORTH = worth  # type: ignore[misc]
    assert scene.bounded == bounded
    return scene


def poses(robot: str, count: int, seed: int) -> list[np.ndarray]:
    """Half of them anywhere inside the limits, half near the start."""
    limits, start = shipped(robot).envelope.joints, np.array(shipped(robot).robot.start)
    random = np.random.default_rng(seed)
    near = np.clip(start + random.normal(0.0, 0.05, (count, len(start))), limits.lower, limits.upper)
    far = random.uniform(limits.lower, limits.upper, near.shape)
    return list(np.where(np.arange(count)[:, None] % 2, near, far))


@pytest.mark.requirement("SR-026")
@pytest.mark.parametrize("robot", ROBOTS)
def test_every_volume_lies_in_its_capsule(robot: str) -> None:
    wrapped = 0
    for shape in (*SHAPES, *(s for shapes in shipped(robot).geometry.volumes.values() for s in shapes)):
        around = query.outer(shape)
        wrapped += around != shape
        ends = (around.centre,) * 2 if isinstance(around, Sphere) else (around.start, around.end)
        axis = np.linspace(*np.array(ends), 20001)
        for ball in hull_balls(shape):
            off = np.linalg.norm(axis - np.array(ball.centre), axis=1).min()
            assert off + ball.radius <= around.radius + 1e-7
    assert wrapped >= 3


@pytest.mark.requirement("SR-026")
@pytest.mark.requirement("SR-027")
@pytest.mark.parametrize("robot", ROBOTS)
def test_no_bound_is_greater_than_the_distance(robot: str) -> None:
    scene = scene_of(robot)
    every, random = np.arange(len(scene.pairs)), np.random.default_rng(7)
    assert scene._around is not None
    bounded = 0
    for q in poses(robot, 60, 1):
        exact, low = scene.distances(q), scene._around.all(q)
        used = low >= RESERVE  # below it the distance is asked
        assert (low <= exact + NOISE)[used].all(), scene.pairs[int(np.where(used, low - exact, -1.0).argmax())]
        enough = scene.margins + RESERVE + random.uniform(0.0, 0.3, len(every))
        answer = scene.at_least(q, every, enough)
        assert (answer <= exact + NOISE).all()
        short = answer < enough
        assert answer[short].tobytes() == exact[short].tobytes(), "what is near has its distance"
        bounded += int((answer != exact).sum())
    assert bounded > 0.2 * 60 * len(every), "most pairs need no distance"


@pytest.mark.requirement("SR-026")
@pytest.mark.requirement("SR-027")
@pytest.mark.parametrize("robot", ROBOTS)
def test_the_check_answers_as_with_distances_alone(robot: str) -> None:
    """Random steps and stops, alone and in a row with what is remembered and prepared."""
    joints = shipped(robot).envelope.joints
    limits, random = StopLimits(joints), np.random.default_rng(3)
    quick, slow = CollisionCheck(scene_of(robot)), CollisionCheck(scene_of(robot, bounded=False))
    counts = {True: 0, False: 0}
    for number, q in enumerate(poses(robot, 200 if robot == "panda" else 60, 2)):
        quick.forget()
        slow.forget()
        velocity = random.uniform(-0.4, 0.4, len(q)) * joints.velocity * (number % 5) / 4
        for _ in range(6):
            before, q = q, q + 0.004 * velocity
            stop = StraightStop(np.stack([q, velocity, np.zeros_like(q)]), limits)
            answers = [check.check(before, q, stop) for check in (quick, slow)]
            codes = [None if answer is None else (answer.code, answer.joint) for answer in answers]
            assert codes[0] == codes[1], f"pose {number}: {answers}"
            counts[answers[0] is None] += 1
            if answers[0] is not None:
                break
            quick.prepare()
            slow.prepare()
    print(f"{robot}: {counts[True]} passed, {counts[False]} refused")
    assert counts[True] > 20
    assert counts[False] >= 5


@pytest.mark.requirement("SR-044")
@pytest.mark.parametrize("robot", ROBOTS)
def test_a_bound_depends_on_the_pose_alone_to_the_bit(robot: str) -> None:
    scene, random = scene_of(robot), np.random.default_rng(5)
    enough = scene.margins + 0.1
    asked = [
        (q, np.sort(random.choice(len(enough), 1 + len(enough) // 4 * (i % 4), replace=False)))
        for i, q in enumerate(poses(robot, 20, 4))
    ]
    straight = [scene.at_least(q, which, enough[which]).tobytes() for q, which in asked]
    backward = [scene.at_least(q, which, enough[which]).tobytes() for q, which in asked[::-1]][::-1]
    assert straight == backward
    every = np.arange(len(enough))
    for (q, which), some in zip(asked, straight, strict=True):
        assert scene.at_least(q, every, enough)[which].tobytes() == some, "some pairs as all of them"


@pytest.mark.requirement("SR-036")
def test_a_pose_that_is_not_finite_has_no_bounds() -> None:
    scene = scene_of("g1")
    q = np.array(shipped("g1").robot.start)
    q[3] = np.nan
    for count in (1, len(scene.pairs)):
        assert np.isnan(scene.at_least(q, np.arange(count), np.full(count, 0.1))).all()


def test_capsules_are_asked_where_they_save_time() -> None:
    bounded = {}
    for robot in ROBOTS:
        settings = shipped(robot)
        model = RobotModel(settings.robot, settings.geometry.volumes)
        bounded[robot] = Scene(model, settings.geometry, settings.zones, settings.tracking.path_error).bounded
    assert bounded == {"panda": False, "g1": True, "talos": True}
