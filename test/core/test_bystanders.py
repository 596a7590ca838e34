"""People who are told, who vanish, who are not known."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from base_rig import FRAME, with_base
from crowd import HOME, SEPARATION, watched
from hypothesis import given
from hypothesis import strategies as st

from safety_supervisor.core.base.odometry import OdometryJudge
from safety_supervisor.core.bystanders import REMEMBERED, Bystanders
from safety_supervisor.core.checks.separation import SeparationCheck
from safety_supervisor.core.errors import Violation
from safety_supervisor.core.events import Humans, HumansEndpoints, Odometry, OdometryEndpoints
from safety_supervisor.core.geometry.robot import RobotModel

S = 1_000_000_000


class Heard:
    """Bystanders that hear a message now and then."""

    def __init__(self) -> None:
        self.people = Bystanders(SEPARATION, "base")
        self.people.publishers(HumansEndpoints(1, ("/perception",)))
        self.now = 10 * S

    def tell(self, told: Any, /, after: float = 0.05, **changes: Any) -> Violation | None:
        self.now += round(after * 1e9)
        block = np.array(told, dtype=float).reshape(-1, 3).tobytes()
        values = {"frame_id": "base", "points": block, "stamp": self.now + 7, "clock": self.now + 7, **changes}
        return self.people.take(Humans(at=self.now, **values))

    @property
    def points(self) -> list[list[float]]:
        return sorted(self.people.points.tolist())


def test_a_person_who_walks_is_one_person() -> None:
    heard = Heard()
    for step in range(40):
        assert heard.tell([[3.0 - 0.07 * step, 0.0, 1.0], [-2.0, 0.0, 1.0]]) is None
        assert len(heard.points) == 2
    assert heard.people.unknown(heard.now) == ""


def test_a_point_is_as_old_as_latency_or_its_stamp_says_whichever_is_more() -> None:
    heard = Heard()
    heard.tell([[1.0, 0.0, 0.0]])
    assert heard.people.seen.tolist() == [heard.now - SEPARATION.latency]
    heard.tell([[1.0, 0.0, 0.0]], clock=heard.now + 400_000_000, stamp=heard.now + 250_000_000)
    assert heard.people.seen.tolist() == [heard.now - 150_000_000]
    assert heard.people.unknown(heard.now + 150_000_000) == ""
    assert heard.people.unknown(heard.now + 150_000_001)


@pytest.mark.redteam(54)
def test_who_vanishes_is_remembered_from_where_he_was_last_seen_and_no_other_stands_for_him() -> None:
    heard = Heard()
    heard.tell([[1.0, 0.0, 0.0], [1.5, 0.0, 0.0]])
    last = int(heard.people.seen[1])
    while heard.now < last + REMEMBERED - S // 10:
        # The one who stays is within reach of the other after 0.3 s, and is himself nevertheless.
        heard.tell([[1.0, 0.0, 0.0]])
        assert heard.points == [[1.0, 0.0, 0.0], [1.5, 0.0, 0.0]]
        assert not heard.people.old(heard.now)
    assert int(heard.people.seen[1]) == last
    heard.people.forget(last + REMEMBERED, np.zeros(2, dtype=bool))
    assert len(heard.points) == 2
    assert heard.people.old(last + REMEMBERED + 1)
    heard.people.forget(last + REMEMBERED + 1, np.array([False, True]))
    assert len(heard.points) == 2, "inside the margin"
    heard.people.forget(last + REMEMBERED + 1, np.zeros(2, dtype=bool))
    assert heard.points == [[1.0, 0.0, 0.0]]


def test_who_is_told_is_never_forgotten() -> None:
    heard = Heard()
    heard.tell([[1.0, 0.0, 0.0]])
    heard.people.forget(heard.now + 9 * S, np.zeros(1, dtype=bool))
    assert heard.points == [[1.0, 0.0, 0.0]]


def test_who_comes_back_from_behind_something_is_not_there_twice() -> None:
    heard = Heard()
    heard.tell([[2.0, 0.0, 0.0]])
    for _ in range(10):
        heard.tell([])
    heard.tell([[1.3, 0.0, 0.0]])
    assert heard.points == [[1.3, 0.0, 0.0]]
    heard.tell([[-2.0, 0.0, 0.0]])
    assert len(heard.points) == 2, "nobody walks so fast"


def test_points_that_vanish_in_heaps_make_people_unknown() -> None:
    heard = Heard()
    refusals = [heard.tell([[5.0 * message, 3.0 * i, 0.0] for i in range(16)], after=0.04) for message in range(1, 4)]
    assert refusals[:2] == [None] * 2
    assert refusals[2] is not None
    assert heard.people.unknown(heard.now)


@pytest.mark.requirement("SR-030")
def test_what_is_repeated_or_backdated_says_nothing_new_and_grows_old() -> None:
    heard = Heard()
    heard.tell([[1.0, 0.0, 0.0]])
    stamp, seen = heard.now + 7, heard.people.seen.tolist()
    for later in (0, -1, -50_000_000):
        refusal = heard.tell([], after=0.05, stamp=stamp + later)
        assert refusal is not None
        assert refusal.code == "E_OUT_OF_ORDER"
        assert (heard.points, heard.people.seen.tolist()) == ([[1.0, 0.0, 0.0]], seen)
        assert heard.people.unknown(heard.now) == ""
    assert heard.people.unknown(heard.now + S // 5)


@pytest.mark.requirement("SR-036")
@pytest.mark.parametrize(
    ("points", "changes", "code"),
    [
        ([[0.0, np.inf, 0.0]], {}, "E_NOT_FINITE"),
        ([[0.0, 0.0, -1e308]], {}, "E_NOT_FINITE"),
        ([[0.0, 0.0, 0.0]], {"frame_id": ""}, "E_PEOPLE_FRAME"),
        ([[0.0, 0.0, 0.0]] * 17, {}, "E_TOO_MANY_POINTS"),
        ([], {"points": b"12345678"}, "E_RAGGED"),
        ([], {"stamp": 0}, "E_STAMP"),
        ([], {"stamp": 1}, "E_STAMP"),
        ([], {"stamp": 99 * S}, "E_STAMP"),
        ([], {"code": "E_UNDECODABLE"}, "E_UNDECODABLE"),
    ],
)
def test_a_wrong_message_makes_people_unknown_until_a_good_one_comes(points: Any, changes: Any, code: str) -> None:
    heard = Heard()
    heard.tell([[1.0, 0.0, 0.0]])
    refusal = heard.tell(points, **changes)
    assert refusal is not None
    assert refusal.code == code
    assert heard.people.unknown(heard.now)
    assert heard.points == [[1.0, 0.0, 0.0]], "nothing of it is taken over"
    heard.tell([[1.0, 0.0, 0.0]])
    assert heard.people.unknown(heard.now) == ""


def test_exactly_one_publisher() -> None:
    heard = Heard()
    heard.tell([])
    assert heard.people.unknown(heard.now) == ""
    for nodes in ((), ("/perception", "/perception"), ("/a", "/b")):
        heard.people.publishers(HumansEndpoints(1, nodes))
        assert heard.people.unknown(heard.now)
    assert Bystanders(SEPARATION, "base").unknown(0)


@pytest.mark.requirement("SR-050")
def test_another_publisher_under_the_same_name_has_taken_its_place() -> None:
    people = Bystanders(SEPARATION, "base")
    assert not people.publishers(HumansEndpoints(1, ("/perception",), ("1",)))
    assert not people.publishers(HumansEndpoints(1, ("/perception",), ("1",)))
    assert people.publishers(HumansEndpoints(1, ("/perception",), ("2",)))
    assert not people.publishers(HumansEndpoints(1, ()))


@given(st.lists(st.lists(st.tuples(*[st.floats(-3, 3)] * 3), max_size=8), min_size=1, max_size=12))
def test_no_point_is_ever_lost_too_soon(messages: list[list[tuple[float, float, float]]]) -> None:
    """Whoever was told within two seconds is where he was told, or somebody is where he may have walked."""
    heard = Heard()
    told: list[tuple[int, tuple[float, float, float]]] = []
    for message in messages:
        if heard.tell(message, after=0.1) is not None:
            return
        heard.people.forget(heard.now, np.zeros(len(heard.people.points), dtype=bool))
        told += [(heard.now - SEPARATION.latency, point) for point in message]
        for seen, point in told:
            if heard.now - seen > REMEMBERED:
                continue
            # Through however many hands: each passes him on by 2 Zd and a walk, and the walks add up to the time.
            hops = 1 + (heard.now - SEPARATION.latency - seen) // 100_000_000
            walk = 1.6 * (heard.now - SEPARATION.latency - seen) / 1e9 + hops * 2 * SEPARATION.sensor_uncertainty
            near = np.linalg.norm(heard.people.points - np.array(point), axis=1)
            assert len(near)
            assert near.min() <= walk + 1e-9


class Driven(Heard):
    """Bystanders of a base that drives and turns, told by a judged odometry of 100 Hz."""

    def __init__(self) -> None:
        super().__init__()
        self.still = False
        settings = with_base().base
        assert settings is not None
        self.base = OdometryJudge(replace(settings, gate=replace(settings.gate, speed=2.0)), FRAME)
        self.base.publishers(OdometryEndpoints(1, ("/base_driver",)))
        self.people.carrier = lambda points, seen: self.base.carry(points, seen, SEPARATION.latency, still=self.still)
        self.place = np.zeros(3)
        self.clock = self.now - S // 2
        self.drive(0.5, 0.0, 0.0)

    def drive(self, seconds: float, speed: float, turn: float) -> None:
        """Drive an arc, its odometry told each 10 ms."""
        for _ in range(round(seconds * 100)):
            self.clock += S // 100
            heading = self.place[2] + turn * 0.005
            self.place += 0.01 * np.array([speed * math.cos(heading), speed * math.sin(heading), turn])
            turned = (0.0, 0.0, math.sin(self.place[2] / 2), math.cos(self.place[2] / 2))
            zero = (0.0, 0.0, 0.0)
            told = (float(self.place[0]), float(self.place[1]), 0.0)
            event = Odometry(self.clock, "odom", FRAME, told, turned, zero, zero, self.clock, self.clock)
            assert self.base.take(event) is None

    def away(self, x: float, y: float) -> list[float]:
        """Where a person of the world is for the base now."""
        cos, sin = math.cos(self.place[2]), math.sin(self.place[2])
        dx, dy = x - self.place[0], y - self.place[1]
        return [cos * dx + sin * dy, -sin * dx + cos * dy, 1.0]

    def see(self, *persons: tuple[float, float]) -> Violation | None:
        self.people.settle()
        return self.tell([self.away(*person) for person in persons], after=(self.clock - self.now) / 1e9)


def test_who_stands_beside_a_base_that_drives_is_one_person() -> None:
    driven = Driven()
    for _ in range(30):
        driven.drive(0.1, 1.9, 0.9)
        assert driven.see((4.0, 1.0), (-1.0, 2.0)) is None
        assert len(driven.people.points) == 2
        assert len(driven.people.here) == len(driven.people.beside) == 2


@pytest.mark.requirement("SR-033")
@pytest.mark.redteam(54)
def test_a_base_that_drives_makes_nobody_another_one() -> None:
    """Who stood there has vanished, and where he was for the base then is another one now: nobody walked from him."""
    driven = Driven()
    driven.see((3.0, 0.0))
    driven.drive(0.8, 1.9, 0.0)
    # For the base both are 3 m ahead; in the world the second one is 1.52 m farther, after 0.8 s: 1.28 m of walking.
    driven.still = True
    driven.see((3.0 + 1.52 + 0.6, 0.0))
    assert len(driven.people.points) == 2, "the first one is still about"


@pytest.mark.requirement("SR-033")
def test_who_vanished_stays_where_he_was_in_the_world_while_the_base_drives() -> None:
    driven = Driven()
    driven.see((3.0, 0.5))
    driven.drive(1.5, 0.8, 0.6)
    driven.see()
    driven.still = True
    driven.people.settle()
    (here,), (beside,) = driven.people.here, driven.people.beside
    assert np.linalg.norm(here - driven.away(3.0, 0.5)) <= beside + 1e-9
    assert beside < 0.35, "what the base moved within the latency of perception, no more"
    assert driven.people.unknown(driven.now) == ""


def test_over_a_jump_nobody_is_anywhere_and_nobody_stands_for_anybody() -> None:
    driven = Driven()
    driven.see((3.0, 0.5))
    driven.place[0] += 5.0
    with pytest.raises(AssertionError):
        driven.drive(0.01, 0.0, 0.0)
    driven.drive(0.3, 0.0, 0.0)
    driven.see((3.0, 0.5))
    assert driven.people.unknown(driven.now) == "where the base was when they were seen is not known"
    assert len(driven.people.points) == 2
    driven.people.forget(driven.now + 3 * S, np.zeros(2, dtype=bool))
    assert driven.people.unknown(driven.now) == ""


def test_what_was_seen_before_the_first_pose_grows_by_the_speed_of_the_base() -> None:
    driven = Driven()
    first = driven.base._poses[0].received
    point = np.array([[3.0, 0.0, 1.0]])
    found = driven.base.carry(point, np.array([first - S // 10]), SEPARATION.latency, still=True)
    assert found is not None
    # 0.1 s at 2 m/s, and at 1 rad/s about a base from which he is 3.2 m at most.
    assert found[1][0] == pytest.approx(0.1 * (2.0 + 1.0 * 3.2))


@pytest.mark.requirement("SR-033")
def test_what_the_base_may_have_moved_is_kept_as_distance_too() -> None:
    """Of a pose asked, and of one that is known from an earlier one."""
    configuration = watched()
    assert configuration.separation is not None
    check = SeparationCheck(configuration, configuration.separation, RobotModel(configuration.robot))
    heard = Heard()
    heard.people = Bystanders(configuration.separation, "base")
    heard.tell([[1.9, 0.0, 0.5]])
    check.read(heard.people)
    check.begin(heard.now, HOME)
    before = check.rooms_at(HOME, 0.0)
    assert (before > 0.0).all()
    room = float(before.min()) - check.full
    assert check.permits_full(HOME, room - 1e-6)
    heard.people.beside = np.array([0.25])
    heard.people.version += 1
    assert check.rooms_at(HOME, 0.0) == pytest.approx(before - 0.25, abs=1e-12)
    assert not check.permits_full(HOME, room - 0.25 + 1e-6)
    assert check.permits_full(HOME, room - 0.25 - 1e-6)
