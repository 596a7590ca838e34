"""The gate of cmd_vel: whatever is commanded, a base that follows late never leaves its fence; good commands pass."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from safety_supervisor.core.base.gate import (
    BaseGate,
    BaseGateSettings,
    Gated,
    GateReason,
    People,
    PeopleDistance,
    WantedTwist,
)
from safety_supervisor.core.base.geofence import FenceSettings, Geofence
from safety_supervisor.core.base.motion import REST, PlanarPose, PlanarTwist, arc, stop_time

Array = NDArray[np.float64]
MS = 1_000_000
SQUARE = ((-3.0, -3.0), (3.0, -3.0), (3.0, 3.0), (-3.0, 3.0))
PILLAR = ((0.8, -0.3), (1.4, -0.3), (1.4, 0.3), (0.8, 0.3))
SETTINGS = BaseGateSettings(
    period=20 * MS, reaction=60 * MS, command_timeout=200 * MS, pose_timeout=100 * MS, speed=1.0, turning=1.5,
    acceleration=1.0, turning_acceleration=3.0, sideways=True, radius=0.4, margin=0.0,
    fence=FenceSettings(SQUARE, (PILLAR,)),
)  # fmt: skip
OPEN = replace(SETTINGS, fence=FenceSettings(tuple((100.0 * x, 100.0 * y) for x, y in SQUARE)))
SLUGGISH = replace(SETTINGS, reaction=400 * MS, acceleration=4.0, turning_acceleration=8.0, pose_timeout=60 * MS)
HOME = PlanarPose(-1.0, 0.0, 0.0, 0)


class Base:
    """Follows what it is sent, each order late by a time of its own, integrated in steps of a millisecond."""

    def __init__(
        self, gate: BaseGate, pose: tuple[float, float, float], random: np.random.Generator, noise: float = 0.0
    ) -> None:
        self.gate, self.random, self.noise = gate, random, noise
        self.state = np.array(pose)
        self.now = 0
        self.orders: list[tuple[int, PlanarTwist]] = []
        self.current = REST
        self.told = PlanarPose(*pose, 0)
        self.people: People | None = None
        self.least = math.inf
        self.lateness = 0
        self.steady = random.random() < 0.5

    def cycle(self, command: WantedTwist | None, rooms: Callable[[Array], float]) -> Gated:
        settings = self.gate._settings
        if self.random.random() < 0.5:  # odometry comes now and then
            x, y, heading = self.state.tolist()
            noise = self.noise * self.random.uniform(-0.7, 0.7, 2)
            self.told = PlanarPose(x + noise[0], y + noise[1], heading, self.now)
        found = self.gate.step(self.now, command, self.told, self.people)
        if not self.steady or not self.orders:
            self.lateness = int(self.random.integers(0, settings.reaction // MS + 1)) * MS
        self.orders.append((self.now + self.lateness, found.twist))
        way = []
        for _ in range(settings.period // MS):
            while self.orders and self.orders[0][0] <= self.now:
                self.current = self.orders.pop(0)[1]
            heading = self.state[2] + 0.0005 * self.current.turn
            cos, sin = math.cos(heading), math.sin(heading)
            self.state += 0.001 * np.array(
                [
                    cos * self.current.x - sin * self.current.y,
                    sin * self.current.x + cos * self.current.y,
                    self.current.turn,
                ]
            )
            self.now += MS
            way.append(self.state[:2].copy())
        self.least = min(self.least, rooms(np.array(way)))
        return found


def command(x: float, y: float = 0.0, turn: float = 0.0, received: int = 0) -> WantedTwist:
    return WantedTwist((x, y, 0.0), (0.0, 0.0, turn), received)


def fence_room(settings: BaseGateSettings) -> Callable[[Array], float]:
    fence = Geofence(settings.fence)
    return lambda way: float(fence.room(way).min()) - settings.radius


# --- never outside


@pytest.mark.requirement("SR-026")
@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), config=st.sampled_from([SETTINGS, SLUGGISH]))
def test_no_commands_lead_out_of_the_fence(seed: int, config: BaseGateSettings) -> None:
    """Commands at random, held for a while, mad ones and silence among them; then silence: the base rests inside."""
    random = np.random.default_rng(seed)
    base, room = Base(BaseGate(config), (-1.0, 0.0, float(random.uniform(-3, 3))), random), fence_room(config)
    held: WantedTwist | None = None
    for cycle in range(250):
        if random.random() < 0.08:
            held = command(*(random.normal(size=3) * [1.0, 0.7, 1.0] * random.choice([0.5, 2.0, 100.0])).tolist())
        if held is not None and random.random() < 0.9:
            held = replace(held, received=base.now)
        twist = base.cycle(held, room).twist
        assert twist.speed <= SETTINGS.speed + 1e-9
        assert abs(twist.turn) <= SETTINGS.turning + 1e-9
        assert base.least >= 0.0, cycle
    for _ in range(120):
        found = base.cycle(None, room)
    assert found.twist == REST
    assert base.current == REST
    assert base.least >= 0.0


@pytest.mark.sampled(3)
@pytest.mark.requirement("SR-026")
@pytest.mark.parametrize(
    "way", [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.4), (-1.0, 0.5, -0.8), (0.7, -0.7, 0.1)]
)
@pytest.mark.parametrize("heading", [0.0, 0.3, 2.0, -2.5])
def test_a_base_driven_at_the_fence_comes_near_and_stops(way: tuple[float, float, float], heading: float) -> None:
    random = np.random.default_rng(1)
    base, room = Base(BaseGate(SETTINGS), (-1.5, 1.2, heading), random), fence_room(SETTINGS)
    reasons = set()
    nearest = math.inf
    for _ in range(700):
        reasons.add(base.cycle(command(*way, received=base.now), room).reason)
        nearest = min(nearest, room(base.state[None, :2]))
    assert base.least >= 0.0
    if abs(way[2]) < 0.3:
        assert GateReason.FENCE in reasons
        assert nearest < 0.1, "a fence that keeps everything far away would be safe, and useless"


@pytest.mark.requirement("SR-026")
def test_what_was_sent_before_counts_as_long_as_it_may_be_followed() -> None:
    """Sent to the left for 0.4 s, which the base may not even have begun; now sent ahead, beside a wall on its left."""
    gate, left, ahead = BaseGate(SLUGGISH), PlanarTwist(0.0, 0.9, 0.0), PlanarTwist(0.9, 0.0, 0.0)
    gate._sent.extend((now * MS, left) for now in range(-400, 0, 20))
    window = 0.44
    for gap, kept in ((0.9 * window - 0.02, False), (2.2 * window, True)):
        pose = PlanarPose(-1.5, 3.0 - SLUGGISH.radius - gap, 0.0, 0)
        assert (gate._refuses(0, ahead, pose, None) is None) is kept
    gate._sent.clear()
    gate._sent.extend((now * MS, ahead) for now in range(-900, 0, 20))
    assert gate._refuses(0, ahead, PlanarPose(-1.5, 3.0 - SLUGGISH.radius - 0.05, 0.0, 0), None) is None


@pytest.mark.requirement("SR-026")
@settings(deadline=None)
@given(where=st.floats(0.2, 20.0), speed=st.floats(2.0, 3.0))
def test_no_thin_pillar_stands_between_two_poses(where: float, speed: float) -> None:
    """A stop of some 20 m is asked at 64 poses; a pillar of 1 cm stands somewhere on the way of a small base."""
    pillar = ((where, -0.005), (where + 0.01, -0.005), (where + 0.01, 0.005), (where, 0.005))
    fence = FenceSettings(OPEN.fence.keep_in, (pillar,))
    gate = BaseGate(replace(OPEN, fence=fence, speed=3.0, acceleration=0.2, turning_acceleration=9.0, radius=0.02))
    twist = PlanarTwist(speed, 0.0, 0.0)
    gate._sent.append((0, twist))
    reached = where <= speed * 0.1 + speed * speed / 0.4 + 0.02
    refused = gate._refuses(0, twist, PlanarPose(0.0, 0.0, 0.0, 0), None)
    if reached:
        assert refused is GateReason.FENCE
    elif where > speed * 0.1 + speed * speed / 0.4 + 0.5:
        assert refused is None


def rest_at(gate: BaseGate, pose: PlanarPose, told: WantedTwist, cycles: int = 40) -> Gated:
    for cycle in range(cycles):
        now = cycle * SETTINGS.period
        found = gate.step(now, replace(told, received=now), replace(pose, received=now))
    return found


@pytest.mark.parametrize("deep", [0.002, 0.2, 1.0])
def test_a_base_too_near_to_its_fence_may_only_leave_and_slowly(deep: float) -> None:
    """At the wall at x = -3, the footprint beyond it by 2 mm, 0.2 m and, its origin too, 1 m."""
    pose = PlanarPose(-3.0 + SETTINGS.radius - deep, 0.0, 0.0, 0)
    out = rest_at(BaseGate(SETTINGS), pose, command(0.08))
    assert out == Gated(PlanarTwist(0.08, 0.0, 0.0), GateReason.PASSED)
    fast = rest_at(BaseGate(SETTINGS), pose, command(1.0))
    assert fast.reason is GateReason.FENCE
    assert 0.05 < fast.twist.x <= 0.1
    assert rest_at(BaseGate(SETTINGS), pose, command(-0.08)) == Gated(REST, GateReason.FENCE)
    assert rest_at(BaseGate(SETTINGS), pose, command(-0.01, 0.05)).twist == REST
    assert rest_at(BaseGate(SETTINGS), pose, command(0.0, 0.0, 1.0)).twist == PlanarTwist(0.0, 0.0, 1.0)


@pytest.mark.long
@pytest.mark.requirement("SR-026")
@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 2**32 - 1))
def test_noise_of_odometry_neither_leads_out_nor_holds_a_base_for_ever(seed: int) -> None:
    """3 mm of noise, 1 cm of margin: driven at the wall for 6 s, along it at random, then home."""
    random = np.random.default_rng(seed)
    config = replace(SETTINGS, margin=0.01, fence=FenceSettings(SQUARE))
    base, room = Base(BaseGate(config), (2.0, 0.0, 0.0), random, noise=0.003), fence_room(config)
    turn = 0.0
    for cycle in range(600):
        turn = float(random.normal()) if cycle % 25 == 0 else turn
        told = command(0.6, 0.5 * turn, 0.0) if cycle < 300 else command(0.05, 0.5 * turn, 0.0)
        base.cycle(replace(told, received=base.now), room)
    assert base.least >= 0.0
    for _ in range(200):
        base.cycle(command(-0.5, received=base.now), room)
    assert base.state[0] < 1.5


@pytest.mark.requirement("SR-033")
@settings(deadline=None, max_examples=12)
@given(seed=st.integers(0, 2**32 - 1))
def test_nobody_who_walks_up_to_the_base_is_run_into(seed: int) -> None:
    """A person walks at 1.6 m/s to where the base is, seen now and then: once reached, the base is at rest."""
    random = np.random.default_rng(seed)
    config = replace(OPEN, people=PeopleDistance(1.6, 0.3))
    base = Base(BaseGate(config), (0.0, 0.0, 0.0), random)
    person = random.uniform(-1, 1, 2)
    person *= random.uniform(1.5, 4.0) / np.linalg.norm(person)
    base.people = People(person[None].copy(), 0)
    held = command(*(random.normal(size=3) * [2.0, 1.0, 0.5]).tolist())
    touched = False
    for _ in range(500):
        if random.random() < 0.05:
            held = command(*(random.normal(size=3) * [2.0, 1.0, 0.5]).tolist())
        if random.random() < 0.3:
            base.people = People(person[None].copy(), base.now)
        base.cycle(replace(held, received=base.now), lambda _: 0.0)
        toward = base.state[:2] - person
        distance = float(np.linalg.norm(toward))
        person += toward / max(distance, 1e-9) * min(distance, 1.6 * 0.02)
        if distance < config.radius + 0.3:
            touched = True
            assert base.current == REST
    assert touched


def test_near_people_the_base_goes_slower_and_then_not_at_all() -> None:
    speeds = []
    for distance in (6.0, 2.2, 1.9, 0.8):
        config = replace(OPEN, people=PeopleDistance(1.6, 0.3))
        gate, now = BaseGate(config), 0
        person = np.array([[distance, 0.0]])
        for _ in range(100):
            found = gate.step(now, command(1.0, received=now), replace(HOME, x=0.0, received=now), People(person, now))
            now += config.period
        speeds.append(found.twist.x)
        assert found.reason is (GateReason.PASSED if distance == 6.0 else GateReason.PEOPLE)
    assert speeds[0] == 1.0
    assert 1.0 > speeds[1] > speeds[2] > 0.05
    assert speeds[3] == 0.0


# --- good commands


@pytest.mark.requirement("SR-054")
@settings(deadline=None)
@given(
    speed=st.floats(0.0, 0.99), direction=st.floats(-4.0, 4.0), turn=st.floats(-1.49, 1.49),
    steps=st.integers(2, 8),
)  # fmt: skip
def test_good_commands_pass_unchanged(speed: float, direction: float, turn: float, steps: int) -> None:
    """Within the limits, changed within the acceleration, far from everything: to the last bit."""
    gate, now = BaseGate(OPEN), 0
    ramp = 60 * steps
    for cycle in range(ramp + 20):
        share = min(1.0, cycle / ramp)
        sent = command(share * speed * math.cos(direction), share * speed * math.sin(direction), share * turn, now)
        found = gate.step(now, sent, PlanarPose(0.0, 0.0, 0.1 * cycle, now))
        assert found == Gated(PlanarTwist(sent.linear[0], sent.linear[1], sent.angular[2]), GateReason.PASSED)
        now += OPEN.period


def drive(gate: BaseGate, target: WantedTwist, cycles: int, now: int = 0) -> tuple[list[Gated], int]:
    found = []
    for _ in range(cycles):
        found.append(gate.step(now, replace(target, received=now), replace(HOME, received=now)))
        now += OPEN.period
    return found, now


@pytest.mark.requirement("SR-031")
def test_what_is_too_fast_goes_the_same_way_slower() -> None:
    found, _ = drive(BaseGate(OPEN), command(2.0, 1.0, 0.5), 120)
    last = found[-1]
    assert last.reason is GateReason.SPEED
    assert last.twist.speed == pytest.approx(1.0)
    assert last.twist.y / last.twist.x == pytest.approx(0.5)
    assert last.twist.turn / last.twist.x == pytest.approx(0.25)
    turning, _ = drive(BaseGate(OPEN), command(0.1, 0.0, 6.0), 120)
    assert turning[-1].twist == PlanarTwist(pytest.approx(0.025), 0.0, pytest.approx(1.5))  # type: ignore[arg-type]


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32 - 1))
def test_acceleration_holds_between_any_two_cycles(seed: int) -> None:
    random = np.random.default_rng(seed)
    gate, now, last, dt = BaseGate(SETTINGS), 0, REST, 0.02
    pose = PlanarPose(*random.uniform(-2.9, 0.0, 3), 0)
    for _ in range(80):
        told = command(*(3.0 * random.normal(size=3)).tolist(), received=now) if random.random() < 0.8 else None
        twist = gate.step(now, told, replace(pose, received=now)).twist
        faster, turning = twist.apart(last)
        assert faster <= SETTINGS.acceleration * dt + 1e-9
        assert turning <= SETTINGS.turning_acceleration * dt + 1e-9
        last, now = twist, now + SETTINGS.period


# --- stops

NAN, INF = math.nan, math.inf


@pytest.mark.requirement("SR-036")
@pytest.mark.parametrize(
    ("told", "pose", "people", "reason"),
    [
        (None, {}, None, GateReason.STALE),
        (command(1.0, received=-201 * MS), {}, None, GateReason.STALE),
        (command(1.0, received=1), {}, None, GateReason.STALE),
        (command(NAN), {}, None, GateReason.FAULT),
        (command(0.5, INF), {}, None, GateReason.FAULT),
        (WantedTwist((1.0, 0.0, 0.0), (NAN, 0.0, 0.0), 0), {}, None, GateReason.FAULT),
        (WantedTwist((1.0, 0.0, 0.1), (0.0, 0.0, 0.0), 0), {}, None, GateReason.AXES),
        (WantedTwist((1.0, 0.0, 0.0), (0.1, 0.0, 0.0), 0), {}, None, GateReason.AXES),
        (WantedTwist((1.0, 0.0, 0.0), (0.0, -0.1, 0.0), 0), {}, None, GateReason.AXES),
        (command(1.0), None, None, GateReason.POSE_STALE),
        (command(1.0), {"received": -101 * MS}, None, GateReason.POSE_STALE),
        (command(1.0), {"received": 1}, None, GateReason.POSE_STALE),
        (command(1.0), {"x": NAN}, None, GateReason.POSE_NOT_FINITE),
        (command(1.0), {"heading": INF}, None, GateReason.POSE_NOT_FINITE),
        (command(1.0), {}, "unknown", GateReason.PEOPLE_UNKNOWN),
        (command(1.0), {}, People(np.array([[NAN, 0.0]]), 0), GateReason.PEOPLE_UNKNOWN),
        (command(1.0), {}, People(np.zeros((0, 2)), 1), GateReason.PEOPLE_UNKNOWN),
        (command(1.0), {"x": 2.7}, None, GateReason.FENCE),
        (command(1.0), {"x": 1.0}, None, GateReason.FENCE),
        (command(1.0), {"x": 1e300}, None, GateReason.POSE_NOT_FINITE),
    ],
)
def test_whatever_is_unknown_or_refused_ends_in_the_stop(
    told: WantedTwist | None, pose: dict[str, float] | None, people: object, reason: GateReason
) -> None:
    """From 0.8 m/s, in the middle of a drive: each part falls in step, at the deceleration that the stop has."""
    config = SETTINGS if people is None else replace(SETTINGS, people=PeopleDistance(1.6, 0.3))
    gate = BaseGate(config)
    gate._last = before = PlanarTwist(0.8, 0.0, 0.3)
    gate._sent.append((-20 * MS, before))
    where = None if pose is None else replace(HOME, **pose)  # type: ignore[arg-type]
    known = people if isinstance(people, People) else None
    now, count = 0, 0
    while before != REST:
        # What was told stays as old as it was.
        moved = None if told is None else replace(told, received=told.received + now)
        place = None if where is None else replace(where, received=where.received + now)
        seen = None if known is None else replace(known, seen=known.seen + now)
        found = gate.step(now, moved, place, seen)
        assert found.reason is reason
        assert found.twist.x == pytest.approx(max(0.0, before.x - 0.02), abs=1e-9)
        assert found.twist.turn * 0.8 == pytest.approx(found.twist.x * 0.3, abs=1e-9)
        before, now, count = found.twist, now + config.period, count + 1
    assert count == 40
    assert gate.fault is (reason is GateReason.FAULT)


def test_a_fault_stays_until_a_person_resets() -> None:
    gate = BaseGate(OPEN)
    _, now = drive(gate, command(0.3), 30)
    gate.step(now, command(NAN, received=now), replace(HOME, received=now))
    found, now = drive(gate, command(0.3), 40, now + OPEN.period)
    assert {step.reason for step in found} == {GateReason.FAULT}
    assert found[-1].twist == REST
    gate.reset()
    found, _ = drive(gate, command(0.3), 30, now)
    assert found[-1] == Gated(PlanarTwist(0.3, 0.0, 0.0), GateReason.PASSED)


def test_a_base_that_can_not_go_sideways_refuses_it() -> None:
    found, _ = drive(BaseGate(replace(OPEN, sideways=False)), command(0.1, 0.1), 3)
    assert {step.reason for step in found} == {GateReason.AXES}


def test_a_command_that_comes_again_after_silence_goes_on() -> None:
    gate = BaseGate(OPEN)
    _, now = drive(gate, command(0.5), 40)
    for _ in range(5):
        gate.step(now, command(0.5, received=now - 300 * MS), replace(HOME, received=now))
        now += OPEN.period
    found, _ = drive(gate, command(0.5), 20, now)
    assert found[0].reason is GateReason.ACCELERATION
    assert found[-1] == Gated(PlanarTwist(0.5, 0.0, 0.0), GateReason.PASSED)


# --- the plane


@settings(deadline=None)
@given(x=st.floats(-1, 1), y=st.floats(-1, 1), turn=st.floats(-2, 2) | st.sampled_from([0.0, 1e-9]), h=st.floats(-4, 4))
def test_an_arc_is_the_integral_of_its_twist(x: float, y: float, turn: float, h: float) -> None:
    place, heading, steps, time = np.array([0.3, -0.2]), h, 2000, 1.3
    dt = time / steps
    for _ in range(steps):
        middle = heading + dt * turn / 2
        cos, sin = math.cos(middle), math.sin(middle)
        place = place + dt * np.array([cos * x - sin * y, sin * x + cos * y])
        heading += dt * turn
    found = arc(PlanarPose(0.3, -0.2, h, 0), PlanarTwist(x, y, turn), np.array([0.0, time]))
    np.testing.assert_allclose(found, [[0.3, -0.2], place], rtol=0, atol=1e-6)


def test_the_stop_takes_as_long_as_its_slowest_part() -> None:
    assert stop_time(PlanarTwist(0.6, 0.8, 0.3), 2.0, 1.0) == pytest.approx(0.5)
    assert stop_time(PlanarTwist(0.6, 0.8, -0.9), 2.0, 1.0) == pytest.approx(0.9)


def test_room_is_the_distance_from_the_nearest_forbidden_place() -> None:
    fence = Geofence(SETTINGS.fence)
    points = np.array([[0.0, 0.0], [-2.5, 0.0], [1.1, 0.0], [3.0, 0.0], [0.4, 0.3], [5.0, 0.0]])
    np.testing.assert_allclose(fence.room(points), [0.8, 0.5, -0.3, 0.0, 0.4, -2.0], atol=1e-12)
    with pytest.raises(ValueError, match="one point or more"):
        Geofence(FenceSettings(()))
