"""Whole paths before they are played, and zones in which the robot is slow."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from other_geometry import OtherGeometry
from rig import BARE, HOME, Rig, panda, upright

from safety_supervisor.core.checks.collision import PathCheck
from safety_supervisor.core.checks.frame_speed import FrameSpeed
from safety_supervisor.core.checks.speed_zone import SpeedZone
from safety_supervisor.core.errors import Code, Violation
from safety_supervisor.core.geometry.robot import RobotModel
from safety_supervisor.core.geometry.scene import Scene
from safety_supervisor.core.geometry.shapes import Box, Sphere
from safety_supervisor.core.motion.stopping import StopLimits, StraightStop
from safety_supervisor.core.settings import Zone, ZoneKind

SHIPPED = panda()
LIMITS = SHIPPED.envelope.joints
MODEL = RobotModel(SHIPPED.robot, SHIPPED.geometry.volumes)
POINTS = RobotModel(SHIPPED.robot)
TCP = POINTS.frame_names.index("panda_hand_tcp")
ZERO = np.zeros((1, 7))
MS4 = 4_000_000


def walk(scene: Scene, poses: np.ndarray) -> tuple[int, Violation | None]:
    """Advance in slices to the end, or to what is wrong."""
    check, index = PathCheck(scene), 0
    for _ in range(10_000):
        reached, violation = check.advance(poses[index:], 3)
        index += reached
        if violation is not None or index == len(poses) - 1:
            return index, violation
    raise AssertionError("no end")


def quintic(goal: np.ndarray, count: int, start: np.ndarray = HOME) -> np.ndarray:
    u = np.linspace(0, 1, count)[:, None]
    return start + (goal - start) * (10 * u**3 - 15 * u**4 + 6 * u**5)


@pytest.mark.requirement("SR-027")
@pytest.mark.redteam(29)
@pytest.mark.parametrize("thickness", [0.0005, 0.005])
@pytest.mark.parametrize("count", [3, 12, 60, 400])
def test_a_path_through_a_plate_is_refused_at_every_speed(thickness: float, count: int) -> None:
    """Both way-points are clear, the plate between them is thin; with 3 set-points every pose of the path is clear."""
    goal = HOME + np.array([0.6, 0, 0, 0, 0, 0, 0])
    poses = quintic(goal, count)
    middle = POINTS.frame_positions((poses[count // 2 - 1] + poses[count // 2]) / 2)[TCP]
    half = np.array([0.1, thickness / 2, 0.1])
    scene = Scene(POINTS, BARE, (upright("plate", ZoneKind.KEEP_OUT, middle - half, middle + half),))
    assert min(scene.distances(HOME).min(), scene.distances(goal).min()) > 0.02
    index, violation = walk(scene, poses)
    assert violation is not None
    assert violation.code in (Code.WORKSPACE, Code.QUERY_LIMIT)
    assert violation.rule == "zones.plate"
    assert index < count // 2 + 1
    assert min(scene.distances(q).min() for q in poses[: index + 1]) > 0.0


@pytest.mark.requirement("SR-027")
def test_random_paths_that_pass_are_clear_between_their_set_points_too() -> None:
    random = np.random.default_rng(3)
    zones = (*SHIPPED.zones, Zone("ball", ZoneKind.KEEP_OUT, Sphere((0.5, 0.3, 0.6), 0.08), (), 0.0))
    scene = Scene(MODEL, SHIPPED.geometry, zones, SHIPPED.tracking.path_error)
    assert (scene.distances(HOME) > scene.margins + 1e-3).all()
    other = OtherGeometry(SHIPPED.robot, SHIPPED.geometry, zones)
    passed = refused = 0
    for _ in range(40):
        poses = quintic(HOME + random.uniform(-1.2, 1.2, 7), 200)
        index, violation = walk(scene, poses)
        asked = poses if violation is None else poses[: index + 1]
        between = (asked[:-1] + asked[1:]) / 2 if len(asked) > 1 else asked
        for q in between[::9]:
            assert min(distance - margin for *_, margin, distance in other.distances(q)) > -5e-6
        if violation is None:
            passed += 1
        else:
            refused += 1
            after = poses[index : index + 130]
            least = min((scene.distances(q) - scene.margins).min() for q in after)
            assert least < 0.002, "it is refused for a reason that is near"
    print(f"{passed} passed, {refused} refused")
    assert passed > 5
    assert refused > 5


@pytest.mark.requirement("SR-027")
@pytest.mark.redteam(29)
def test_the_first_offending_time_and_pair_are_named() -> None:
    """A wall beyond half of the way; a second offence later is not what is told."""
    goal = HOME + np.array([1.2, 0, 0, 0, 0, 0, 0])
    first, second = (POINTS.frame_positions(HOME + share * (goal - HOME))[TCP] for share in (0.5, 0.8))
    zones = tuple(
        Zone(name, ZoneKind.KEEP_OUT, Sphere(tuple(at.tolist()), 0.02), ("panda_hand_tcp",), 0.0)
        for name, at in (("later", second), ("sooner", first))
    )
    rig = Rig(replace(SHIPPED, zones=zones, geometry=BARE)).auto()
    before = len(rig.outputs)
    rig.trajectory([2.0], goal[None, :], ZERO, ZERO)
    rig.seconds(0.5)
    decision = rig.decisions()[-1]
    assert (decision.verdict, decision.code, decision.rule) == ("REJECT", "E_WORKSPACE", "zones.sooner")
    told = float(decision.detail.split("near ")[1].split(" s")[0])
    poses = quintic(goal, 501)
    scene = Scene(POINTS, BARE, zones, SHIPPED.tracking.path_error)
    true = next(i for i, q in enumerate(poses) if (scene.distances(q) < scene.margins + 5e-4).any()) * 0.004
    assert told == pytest.approx(true, abs=0.02)
    assert len(set(rig.outputs[before:])) == 1, "nothing of it was played"


@pytest.mark.requirement("SR-032")
def test_a_trajectory_into_the_robot_itself_is_refused_with_both_links() -> None:
    rig = Rig(replace(SHIPPED, zones=())).auto()
    goal = np.array([0.0, -0.7, 0.0, -3.0, 0.0, 0.5, 0.785])
    rig.trajectory([3.0], goal[None, :], ZERO, ZERO)
    rig.seconds(0.6)
    decision = rig.decisions()[-1]
    assert (decision.code, decision.rule) == ("E_SELF_COLLISION", "geometry.self")


def step(q: np.ndarray, velocity: np.ndarray) -> tuple[np.ndarray, StraightStop]:
    state = np.stack([q + velocity * 0.004, velocity, np.zeros(7)])
    return state[0], StraightStop(state, StopLimits(LIMITS))


def speed_zone(low: list[float], high: list[float], links: tuple[str, ...] = (), speed: float = 0.25) -> Zone:
    return upright("slow", ZoneKind.SPEED, low, high, links, frame_speed=speed)


@pytest.mark.requirement("SR-026")
def test_inside_a_speed_zone_the_robot_is_slow() -> None:
    velocity = np.array([1.0, 0, 0, 0, 0, 0, 0])
    radius = float(np.hypot(*POINTS.frame_positions(HOME)[TCP][:2]))
    for zone, scale, passes in (
        (speed_zone([0.3, -0.2, 0.2], [0.8, 0.2, 0.9]), 0.24 / radius, True),
        (speed_zone([0.3, -0.2, 0.2], [0.8, 0.2, 0.9]), 0.26 / radius, False),
        (speed_zone([0.3, -0.2, 0.2], [0.8, 0.2, 0.9], ("panda_link2",)), 1.5, True),
        (speed_zone([-0.8, -0.2, 0.2], [-0.3, 0.2, 0.9]), 1.5, True),
    ):
        check = SpeedZone(zone, POINTS, BARE, np.zeros(7), MS4)
        after, stop = step(HOME, velocity * scale)
        violation = check.check(HOME, after, stop)
        assert (violation is None) is passes, (zone, scale)
        if violation is not None:
            assert (violation.code, violation.rule, violation.limit) == (Code.FRAME_SPEED, "zones.slow", 0.25)
            assert violation.value == pytest.approx(0.26, abs=0.005)


@pytest.mark.requirement("SR-026")
def test_a_robot_that_could_stop_only_inside_a_speed_zone_is_too_fast_before_it() -> None:
    velocity = np.array([1.5, 0, 0, 0, 0, 0, 0])
    after, stop = step(HOME, velocity)
    end = POINTS.frame_positions(stop.end)[TCP][1]
    for edge, passes in ((end + 0.003, True), (end - 0.003, False)):
        zone = speed_zone([-1, float(edge), -1], [1, 1, 2], ("panda_hand_tcp",))
        assert (SpeedZone(zone, POINTS, BARE, np.zeros(7), MS4).check(HOME, after, stop) is None) is passes


@pytest.mark.requirement("SR-026")
def test_a_stream_and_a_trajectory_through_a_speed_zone() -> None:
    """Slow they pass, fast they are refused, whole."""
    zone = Zone("slow", ZoneKind.SPEED, Box((0.5, 0.0, 0.5), (0.6, 0.3, 0.8)), (), 0.0, 0.3)
    for seconds, verdict in ((4.0, "PASS"), (1.2, "REJECT")):
        rig = Rig(replace(SHIPPED, zones=(*SHIPPED.zones, zone)), HOME - [0.5, 0, 0, 0, 0, 0, 0]).auto()
        goal = HOME + np.array([0.5, 0, 0, 0, 0, 0, 0])
        rig.trajectory([seconds], goal[None, :], ZERO, ZERO)
        rig.seconds(seconds + 2.0)
        first = next(d for d in rig.decisions() if d.verdict in ("PASS", "REJECT"))
        assert first.verdict == verdict, first
        if verdict == "PASS":
            assert np.array_equal(rig.output, goal)
        else:
            assert (first.code, first.rule) == ("E_FRAME_SPEED", "zones.slow")
    for peak, refused in ((0.3, False), (1.2, True)):
        rig = Rig(replace(SHIPPED, zones=(*SHIPPED.zones, zone))).auto()
        for number in range(50):
            rig.stream([peak * min(0.02 * number, 1.0), 0, 0, 0, 0, 0, 0], "joystick", velocity=True)
            rig.cycle(5)
        assert ("E_FRAME_SPEED" in rig.codes()) is refused
        assert rig.output[0] > 0.05 or refused


@pytest.mark.long
@pytest.mark.requirement("SR-026")
def test_the_fastest_point_of_the_bodies_is_at_least_as_fast_as_any_point_in_them() -> None:
    random = np.random.default_rng(5)
    speed = FrameSpeed(MODEL, MS4)
    other = OtherGeometry(SHIPPED.robot, SHIPPED.geometry, ())
    for _ in range(60):
        q0 = random.uniform(LIMITS.lower, LIMITS.upper)
        q1 = q0 + random.uniform(-1, 1, 7) * 0.01
        before, after = other.frames(q0), other.frames(q1)
        fastest = 0.0
        for link, shapes in SHIPPED.geometry.volumes.items():
            for shape in shapes:
                ball = shape.ball()
                for _ in range(40):
                    n = random.normal(size=3)
                    inner = np.array(ball.centre) + 0.4 * ball.radius * n / np.linalg.norm(n)
                    points = [frames[link][0] @ inner + frames[link][1] for frames in (before, after)]
                    # Only points inside the volume count; a third of the bounding ball nearly always is.
                    if inside(shape, inner):
                        fastest = max(fastest, float(np.linalg.norm(points[1] - points[0])) / 0.004)
        bound = speed.fastest(q0, q1)
        assert bound >= fastest - 1e-9
        assert bound <= 3.0 * fastest + 0.1
    nan = HOME.copy()
    nan[2] = np.nan
    violation = speed.exceeds(HOME, nan, 1.0, "frame.speed")
    assert violation is not None
    assert violation.code is Code.NOT_FINITE_RESULT


def inside(shape: object, point: np.ndarray) -> bool:
    import coal
    from other_geometry import fresh

    geometry, rotation, place = fresh(shape)
    at = coal.Transform3s()
    at.setTranslation(point)
    frame = coal.Transform3s(rotation, place)
    return coal.distance(coal.Sphere(0.0), at, geometry, frame, coal.DistanceRequest(), coal.DistanceResult()) <= 0.0
