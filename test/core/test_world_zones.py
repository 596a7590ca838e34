"""Zones that stand in the world while the base moves: judged by transforms and Coal objects placed by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import coal
import numpy as np
import pytest
from base_rig import BaseRig, with_base
from judges import judge_output, judge_replay
from other_geometry import OtherGeometry, fresh
from rig import HOME, panda

from safety_supervisor.core.base.gate import BaseGate, WantedTwist
from safety_supervisor.core.base.motion import PlanarPose, PlanarTwist
from safety_supervisor.core.checks.envelope import HISTORY
from safety_supervisor.core.errors import Violation
from safety_supervisor.core.events import OdometryEndpoints
from safety_supervisor.core.geometry.robot import RobotModel
from safety_supervisor.core.geometry.scene import Scene
from safety_supervisor.core.geometry.shapes import Box
from safety_supervisor.core.motion.lane import at_rest
from safety_supervisor.core.settings import CommandKind, Configuration, Zone, ZoneKind
from safety_supervisor.core.verifier import Rules, Verified

RADIUS, UNCERTAINTY, MARGIN = 1.2, 0.012, 0.02
ODOMETRY = {
    "node": "/base_driver", "frame": "odom", "latency": 0.02, "timeout": 0.15, "jump": 0.1, "turn_jump": 0.2,
    "rest": 0.005, "turn_rest": 0.01, "uncertainty": UNCERTAINTY,
}  # fmt: skip
OPEN = {"keep_in": [[-9.0, -9.0], [9.0, -9.0], [9.0, 9.0], [-9.0, 9.0]]}
PILLAR = Zone(
    "pillar", ZoneKind.KEEP_OUT, Box((0.95, 0.1, 0.6), (0.2, 0.3, 1.2), (0.0, 0.0, 0.4)), (), MARGIN, None, True
)
HALL = Zone("hall", ZoneKind.KEEP_IN, Box((0.4, -0.2, 0.9), (3.4, 3.0, 2.4)), (), MARGIN, None, True)
STRETCHED = np.array([0.0, 0.9, 0.0, -0.9, 0.0, 1.8, 0.785])
LINKS = ("panda_link5", "panda_link6", "panda_hand")


def config(*zones: Zone) -> Configuration:
    """The Panda on a base, few volumes, and nothing but these zones."""
    shipped = panda()
    volumes = {link: shapes for link, shapes in shipped.geometry.volumes.items() if link in LINKS}
    geometry = replace(shipped.geometry, volumes=volumes, left_out=shipped.geometry.left_out)
    cell = replace(shipped, geometry=geometry, zones=tuple(replace(zone, links=LINKS) for zone in zones))
    return with_base(cell, radius=RADIUS, fence=OPEN, odometry=ODOMETRY)


class Judge:
    """Distances of links, at the robot's true joints, from the world's bodies, at the base's true place."""

    def __init__(self, configuration: Configuration, zone: Zone = PILLAR) -> None:
        self.robot = OtherGeometry(configuration.robot, configuration.geometry, ())
        self.shape, self.turn, self.at = fresh(zone.shape)

    def distance(self, q: np.ndarray, place: np.ndarray) -> float:
        """In the world: the robot is brought there, the body stays."""
        x, y, heading = place.tolist()
        cos, sin = math.cos(heading), math.sin(heading)
        base = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
        frames, least = self.robot.frames(q), math.inf
        for link in LINKS:
            rotation, origin = frames[link]
            for shape, own, at in self.robot.volumes[link]:
                turn, shift = base @ rotation @ own, base @ (origin + rotation @ at) + (x, y, 0.0)
                one, other = coal.Transform3s(turn, shift), coal.Transform3s(self.turn, self.at)
                found = coal.distance(shape, one, self.shape, other, coal.DistanceRequest(), coal.DistanceResult())
                least = min(least, found)
        return float(least)


class WorldRig(BaseRig):
    """Told a place that is wrong by nearly all that is allowed; judged in every fourth cycle."""

    def __init__(self, configuration: Configuration) -> None:
        self.judge = Judge(configuration)
        self.least = math.inf
        super().__init__(configuration)

    def tell(self, **changes: Any) -> Any:
        true = self.place.copy()
        self.place += (0.007, -0.008, 0.0)  # 0.0107 m
        told = super().tell(**changes)
        self.place = true
        return told

    def cycle(self, count: int = 1, each: Any = None) -> None:
        for number in range(count):
            super().cycle(1, None if each is None else lambda _, number=number: each(number))
            if (self.now // self.period) % 4 == 0 and self.state != "INIT":
                self.least = min(self.least, self.judge.distance(self.robot, self.place))


@pytest.fixture(scope="module")
def configuration() -> Configuration:
    return config(PILLAR)


def reach_out(rig: BaseRig, goal: np.ndarray = STRETCHED, duration: float = 2.0) -> None:
    rest = np.zeros((1, len(goal)))
    rig.trajectory([duration], goal[None, :], rest, rest)
    rig.seconds(0.6)


@pytest.mark.requirement("SR-026")
def test_a_reach_passes_far_away_and_is_refused_near(configuration: Configuration) -> None:
    for back, verdict in ((0.0, "REJECT"), (0.5, "PASS")):
        rig = WorldRig(configuration)
        rig.place[:] = (-back, 0.0, 0.0)
        rig.auto()
        rig.clear()
        reach_out(rig)
        found = rig.decisions()[0]
        assert found.verdict == verdict, found
        if verdict == "REJECT":
            assert (found.code, found.rule) == ("E_WORKSPACE", "zones.pillar")
        else:
            rig.seconds(2.0)
            assert np.abs(rig.output - STRETCHED).max() < 1e-6, "unchanged"
        judge_output(rig)
        judge_replay(rig)


@pytest.mark.sampled(2)
@pytest.mark.requirement("SR-026")
@pytest.mark.requirement("SR-054")
@pytest.mark.parametrize("seed", [1, 2])
def test_base_and_arm_together_never_touch(configuration: Configuration, seed: int) -> None:
    random = np.random.default_rng(seed)
    rig = WorldRig(configuration)
    rig.place[:] = (-0.6, 0.0, 0.0)
    rig.auto()
    told: set[tuple[str, str, str]] = set()
    for _ in range(4):
        twist = np.array([random.uniform(0.2, 0.6), random.uniform(-0.1, 0.1), random.uniform(-0.3, 0.3)])
        share = random.uniform(0.0, 1.0)
        reach_out(rig, HOME + share * (STRETCHED - HOME), 1.2)
        rig.keep_driving(1.2, *twist.tolist())
        rig.keep_driving(0.4, -0.2)
        told |= {(decision.verdict, decision.code, decision.rule) for decision in rig.decisions()}
    assert ("LIMIT", "E_WORKSPACE", "zones.pillar") in told, told
    assert rig.least >= MARGIN, rig.least
    assert rig.least < 0.5, "it came near enough to be of use"
    judge_replay(rig)


@pytest.mark.requirement("SR-026")
def test_placed_anew_where_the_base_was_pushed_and_not_before(configuration: Configuration) -> None:
    rig = WorldRig(configuration)
    rig.place[:] = (-0.5, 0.0, 0.0)
    rig.auto()
    world = rig.supervisor._base._world
    first = world.anchor
    assert first is not None
    for push, again in (((0.015, 0.0, 0.0), False), ((0.010, 0.0, 0.0), True), ((0.0, 0.0, 0.03), True)):
        before = world.anchor
        rig.place += push
        rig.seconds(0.2)
        assert (world.anchor is not before) is again, push
        assert world.anchor is not None
        turn = world.anchor.heading - rig.place[2]
        assert abs(turn) <= 0.02
        assert math.hypot(world.anchor.x - rig.place[0] - 0.007, world.anchor.y - rig.place[1] + 0.008) <= 0.02
    # What was proven before is forgotten: the same reach is refused once the base was pushed on.
    reach_out(rig, duration=4.0)
    assert rig.state == "AUTO/MOVING"
    rig.clear()
    for _ in range(33):
        rig.place += (0.015, 0.0, 0.0)  # so slowly that it is no jump
        rig.seconds(0.09)
    assert "zones.pillar" in {decision.rule for decision in rig.decisions()}
    assert rig.least > 0.0
    judge_replay(rig)


@pytest.mark.requirement("SR-036")
def test_no_place_no_motion_even_where_no_source_drives(configuration: Configuration) -> None:
    none = tuple(replace(source, commands=source.commands - {CommandKind.CMD_VEL}) for source in configuration.sources)
    rig = WorldRig(replace(configuration, sources=none))
    rig.place[:] = (-0.5, 0.0, 0.0)
    rig.auto()
    reach_out(rig)
    assert rig.state == "AUTO/MOVING"
    rig.tells = False
    rig.seconds(1.5)
    assert rig.status.cause == "E_BASE_UNKNOWN"
    assert "E_BASE_UNKNOWN" in rig.codes()
    assert rig.outputs[-1] == rig.outputs[-2]
    assert np.abs(rig.output - STRETCHED).max() > 0.1, "it did not end what it had begun"
    assert not rig.act("reset").ok
    assert not rig.supervisor._verifier.scene.placed
    rig.tells = True
    rig.until("LOCKED")
    assert rig.act("reset").ok
    assert rig.supervisor._verifier.scene.placed
    rig.send(OdometryEndpoints(rig.now, ()))
    rig.cycle(2)
    assert not rig.supervisor._verifier.scene.placed
    judge_replay(rig)


def test_the_standing_allowance_covers_every_place_that_the_anchor_stands_for(configuration: Configuration) -> None:
    """Whatever has room at the anchor keeps its margin wherever the base can be without being placed anew."""
    random = np.random.default_rng(3)
    rig, judge = WorldRig(configuration), Judge(configuration)
    world, scene = rig.supervisor._base._world, rig.supervisor._verifier.scene
    limits, tight = configuration.envelope.joints, math.inf
    for _ in range(60):
        place = np.array([random.uniform(-0.2, 0.9), random.uniform(-0.8, 0.8), random.uniform(-3.0, 3.0)])
        world.settle(PlanarPose(*place.tolist(), 1))
        world.settle(None)
        world.settle(PlanarPose(*place.tolist(), 1))
        q = random.uniform(limits.lower, limits.upper)
        distances = scene.distances(q)[scene.world]
        assert distances.min() == pytest.approx(judge.distance(q, place), abs=2e-6)
        room = float((distances - scene.margins[scene.world]).min())
        for _ in range(8):
            way, side = random.uniform(-math.pi, math.pi, 2)
            moved = place + 0.02 * np.array([math.cos(way), math.sin(way), random.choice([-1.0, 1.0])])
            moved[:2] += UNCERTAINTY * np.array([math.cos(side), math.sin(side)])
            left = judge.distance(q, moved) - MARGIN
            assert left >= room - 1e-6
            tight = min(tight, left - room)
    assert tight < 0.05, tight


@pytest.mark.requirement("SR-026")
def test_what_was_proven_is_forgotten_and_nothing_is_verified_at_no_place(configuration: Configuration) -> None:
    rig = WorldRig(configuration)
    world, verifier = rig.supervisor._base._world, rig.supervisor._verifier
    state, history = at_rest(STRETCHED), np.repeat(STRETCHED[None], HISTORY, axis=0)
    for recovery in (False, True):
        found = verifier.verify(history, state, Rules(recovery=recovery))
        assert isinstance(found, Violation)
        assert found.code == "E_BASE_UNKNOWN"
    for x, code in ((-0.5, ""), (0.1, "E_WORKSPACE"), (-0.5, ""), (math.nan, "E_BASE_UNKNOWN"), (-0.5, "")):
        world.settle(PlanarPose(x, 0.0, 0.0, 1))
        found = verifier.verify(history, state, Rules())
        assert (found.code if isinstance(found, Violation) else "") == code, (x, found)
    # The base's plan alone makes it too near as well.
    world.allow(0.6)
    assert isinstance(verifier.verify(history, at_rest(STRETCHED), Rules()), Verified), "it rests where it may stay"
    assert float((verifier.scene.distances(STRETCHED) - verifier.scene.margins).min()) < 0.0


def test_no_point_moves_farther_than_the_gate_says(configuration: Configuration) -> None:
    """Random driving, any delay up to the reaction, then the stop: followed by integration, point by point."""
    random, base = np.random.default_rng(4), configuration.base
    assert base is not None
    gate = BaseGate(base.gate)
    period, sent, now = base.gate.period, [], 10_000_000_000
    angles = np.linspace(0.0, 2.0 * math.pi, 16)
    rim = RADIUS * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    wanted, used = PlanarTwist(0.0, 0.0, 0.0), 0.0
    for step in range(400):
        now += period
        if step % 50 == 0:
            wanted = PlanarTwist(random.uniform(-0.8, 0.8), random.uniform(-0.4, 0.4), random.uniform(-1.0, 1.0))
        pose = PlanarPose(0.0, 0.0, 0.0, now - 20_000_000)
        command = WantedTwist((wanted.x, wanted.y, 0.0), (0.0, 0.0, wanted.turn), now)
        sent.append((now, gate.step(now, command, pose).twist))
        if step % 20 or step < 60:
            continue
        bound, delay = gate.moves(now, pose), int(random.uniform(0.0, 1.0) * base.gate.reaction)
        last = sent[-1][1]
        stop = max(last.speed / base.gate.acceleration, abs(last.turn) / base.gate.turning_acceleration)
        place, dt = np.zeros(3), 2_000_000
        for at in range(pose.received, now + delay + 2 * period + int(stop * 1e9), dt):
            told = [one for when, one in sent if when <= at - delay]
            twist = told[-1] if told else PlanarTwist(0.0, 0.0, 0.0)
            begun = (at - delay - now - 2 * period) / 1e9
            if begun > 0.0:
                twist = last.scaled(max(0.0, 1.0 - begun / stop))
            cos, sin = math.cos(place[2]), math.sin(place[2])
            place += dt / 1e9 * np.array([cos * twist.x - sin * twist.y, sin * twist.x + cos * twist.y, twist.turn])
            turned = rim @ np.array(
                [[math.cos(place[2]), math.sin(place[2])], [-math.sin(place[2]), math.cos(place[2])]]
            )
            moved = float(np.linalg.norm(turned + place[:2] - rim, axis=1).max())
            assert moved <= bound + 1e-3
            used = max(used, moved / bound)
    assert used > 0.4, used


@pytest.mark.requirement("SR-044")
def test_a_pose_is_asked_anew_where_the_world_was_placed_elsewhere() -> None:
    configuration = config(HALL)
    model = RobotModel(configuration.robot, configuration.geometry.volumes)
    used = Scene(model, configuration.geometry, configuration.zones)
    seen, some = [], np.arange(len(used.pairs))[::7]
    for place in (0.0, 0.3, -0.2):
        fresh = Scene(model, configuration.geometry, configuration.zones)
        for scene in (used, fresh):
            scene.place(np.eye(3), np.array([place, 0.1, 0.0]), 0.0)
        assert np.array_equal(used.distances_of(HOME, some), fresh.distances_of(HOME, some))
        assert np.array_equal(used.distances(HOME), fresh.distances(HOME))
        seen.append(used.distances(HOME)[used.world])
    assert not np.array_equal(seen[0], seen[1])
    assert not np.array_equal(seen[1], seen[2])


def test_turned_half_spaces_are_bounded_in_their_own_direction() -> None:
    """`least_gaps` of a keep-in zone of the world is never more than the distances, whichever way it is turned."""
    configuration = config(HALL)
    model = RobotModel(configuration.robot, configuration.geometry.volumes)
    scene = Scene(model, configuration.geometry, configuration.zones)
    random, every = np.random.default_rng(5), np.arange(len(scene.pairs))
    near = math.inf
    for heading in (0.0, 0.25, -0.25, 0.7, 2.0, -1.6):
        cos, sin = math.cos(heading), math.sin(heading)
        scene.place(np.array([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]]), np.array([0.1, 0.05, 0.0]), 0.0)
        for _ in range(5):
            first = HOME + random.uniform(-0.5, 0.5, len(HOME))
            last = first + random.uniform(-0.1, 0.1, len(HOME))
            scene.distances(last)
            begin, least = scene.least_gaps(first, last, every)
            for share in (0.0, 0.3, 0.6, 1.0):
                distances = scene.distances(first + share * (last - first))
                assert (least <= distances + 1e-6).all()
                near = min(near, float((distances - least).min()))
            assert (begin <= scene.distances(first) + 1e-6).all()
    assert near < 1e-3
