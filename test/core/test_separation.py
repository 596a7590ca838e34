"""People walk toward and across a moving Panda; a judge with kinematics of its own asks for the distance all the time.

The formula that is judged, on the truth and not on what perception told: from where a person is now, no pose of the
robot until its kept stop ends is nearer than body + C + 1.6 m/s (reaction + time of the stop). Zd and Zr are used up:
what is told is off by Zd, and the robot is beside its path by `path_error`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from crowd import SEPARATION, Judge, Perception, nobody, standing, stop_of, swing, watched
from numpy.typing import NDArray
from rig import Rig

from safety_supervisor.core.act_events import OperatorAct
from safety_supervisor.core.effects import Actuate, Status
from safety_supervisor.core.events import HumansEndpoints
from safety_supervisor.core.settings import ReducedSettings

Rigs = Callable[..., Rig]
CONFIGURATION = watched()
JUDGE = Judge(CONFIGURATION)
DIRECTIONS = 100
FULL = ReducedSettings(1.6, 1.0)


def states(rig: Rig) -> list[str]:
    """States in the order in which they were entered."""
    seen = [effect.state for effect in rig.history if isinstance(effect, Status)]
    return [state for state, before in zip(seen, ["", *seen], strict=False) if state != before]


def walk_through(rig: Rig, direction: int) -> list[float]:
    """Let a person walk through the cell of a robot that is always told to move; return what is left of the distance.

    One value, [m], for every cycle until standstill.
    """
    angle = 2 * np.pi * direction / DIRECTIONS
    random = np.random.default_rng(direction)
    way = np.array([np.cos(angle), np.sin(angle), 0.0])
    aside = np.array([-way[1], way[0], 0.0]) * random.uniform(-0.6, 0.6)
    heights = np.array([[0.0, 0.0, 0.3], [0.0, 0.0, 1.2]])
    timing, tracking = CONFIGURATION.timing, CONFIGURATION.tracking
    reaction = (timing.period + timing.overrun + tracking.delay) / 1e9
    slow = rig.configuration.envelope.reduced != FULL
    perception = Perception(rig, nobody, noise=SEPARATION.sensor_uncertainty, delay=0.08).auto()
    begin = perception.time + 0.1
    reach = 2.6 + random.uniform(0.0, 0.8)
    perception.walk = lambda t: heights + aside - way * (reach - 1.6 * (t - begin))
    side = float(random.choice([-1.0, 1.0]))
    rooms: list[float] = []
    recent: deque[NDArray[np.float64]] = deque(maxlen=rig.lag + 1)
    rested, asked, skip = 0.0, 0, 0
    for _ in range(900):
        if rig.state.startswith("AUTO") and rested > 0.0 and rig.now - asked > 150_000_000:
            asked = rig.now
            gentle = slow and rig.state == "AUTO/REDUCED"
            swing(rig, side * (0.2 if gentle else 1.4), 2.0 if gentle else 1.6)
            side = -side
        rig.offset = random.uniform(-1.0, 1.0, 7) * tracking.path_error
        rig.cycle()
        sent = next(effect for effect in rig.ticks[-1][2] if isinstance(effect, Actuate))
        recent.append(np.array(sent.positions))
        if rig.state in ("PROTECTIVE_STOP", "LOCKED"):
            break
        rested = 0.0 if sent.moving else rested + rig.period / 1e9
        if np.ptp(np.array(recent), axis=0).max() < 1e-9:
            continue  # at standstill the person may come as near as he likes
        skip -= 1
        if skip > 0:
            continue
        lasts, ahead = stop_of(sent)
        people = perception.walk(perception.time)
        poses = [rig.robot + rig.offset, *list(recent)[::5], *ahead[:: max(1, len(ahead) // 3)], ahead[-1]]
        nearest = min(JUDGE.distance(q, people) for q in poses)
        # What was told to rest long enough ago needs no reaction any more.
        needed = SEPARATION.body_radius + SEPARATION.intrusion + 1.6 * (max(0.0, reaction - rested) + lasts)
        rooms.append(nearest - needed)
        # Person, robot and stop together take no more than 8 m/s of it: what is far is not asked every cycle.
        skip = min(10, int(rooms[-1] / (8.0 * rig.period / 1e9)))
    return rooms


@pytest.mark.sampled(6)
@pytest.mark.requirement("SR-033")
@pytest.mark.parametrize("speed", ["full", "reduced"])
@pytest.mark.parametrize(
    "tenth", [0, 4, 8, *(pytest.param(one, marks=pytest.mark.long) for one in (1, 2, 3, 5, 6, 7, 9))]
)
def test_the_distance_is_kept_from_every_direction_until_standstill(tenth: int, speed: str) -> None:
    """`full`: REDUCED is as fast as AUTO, so that nothing but the proof of each step keeps the distance.

    Every second robot lags by all that `tracking.delay` allows.
    """
    nearest = np.inf
    configuration = watched(FULL) if speed == "full" else CONFIGURATION
    for direction in range(tenth, DIRECTIONS, 10 if speed == "full" else 30):
        rig = Rig(configuration)
        rig.lag = 15 if direction // 10 % 2 else 2
        rooms = walk_through(rig, direction)
        assert rig.state in ("PROTECTIVE_STOP", "LOCKED"), (direction, rig.state)
        assert rig.status.cause == "E_SEPARATION"
        assert "AUTO/REDUCED" in states(rig)
        assert len(rooms) > 20, "it moved while the person came"
        assert min(rooms) >= 0.0, (direction, min(rooms))
        nearest = min(nearest, min(rooms))
    assert nearest < 0.2, "the judge is not far from what happens, so that it could say no"


@pytest.mark.requirement("SR-054")
def test_people_who_stand_clear_never_stop_it(panda_rigs: Rigs) -> None:
    rig = panda_rigs(CONFIGURATION)
    perception = Perception(rig, nobody, noise=SEPARATION.sensor_uncertainty).auto()
    perception.walk = standing((2.4, 0.0, 1.2), (-2.0, 0.5, 0.3), (0.3, -2.4, 1.0), (0.0, 2.4, 1.7))
    for by in (1.4, -1.4):
        swing(rig, by)
        rig.seconds(2.0)
    assert set(states(rig)[-5:]) <= {"READY", "AUTO/HOLDING", "AUTO/MOVING"}
    assert {decision.code for decision in rig.decisions()} <= {"", "E_ENDED"}
    assert rig.status.people == "4 points"


def near(rig: Rig, distance: float) -> tuple[float, float, float]:
    """A point in front of the robot, so far from it where it is now."""
    low, high = 0.6, 8.0
    for _ in range(40):
        middle = (low + high) / 2
        nearer = JUDGE.distance(rig.robot, np.array([[middle, 0.0, 0.6]])) < distance
        low, high = (middle, high) if nearer else (low, middle)
    return high, 0.0, 0.6


@pytest.mark.requirement("SR-033")
def test_near_people_reduce_the_envelope_and_what_is_too_fast_for_it_runs_the_kept_stop(panda_rigs: Rigs) -> None:
    rig = panda_rigs(CONFIGURATION)
    perception = Perception(rig).auto()
    perception.walk = standing(near(rig, 1.2))
    rig.seconds(0.1)
    assert rig.state == "AUTO/REDUCED"
    rig.clear()
    swing(rig)
    rig.seconds(1.0)
    assert rig.state == "AUTO/REDUCED"
    assert [(d.verdict, d.code) for d in rig.decisions()] == [("PASS", ""), ("STOP", "E_REDUCED")]
    assert max(np.abs(np.diff(np.array(rig.outputs[-250:]), axis=0)).max(axis=0)) / 0.004 <= 0.2 * 2.58
    rig.clear()
    swing(rig, by=0.3, duration=4.0)
    rig.seconds(4.5)
    assert [(d.verdict, d.code) for d in rig.decisions()] == [("PASS", ""), ("PASS", "E_ENDED")]
    assert rig.state == "AUTO/REDUCED"


def test_reduced_ends_by_itself_after_two_seconds_and_not_at_its_edge(panda_rigs: Rigs) -> None:
    rig = panda_rigs(CONFIGURATION)
    perception = Perception(rig, noise=SEPARATION.sensor_uncertainty).auto()
    check = rig.supervisor._verifier.separation
    assert check is not None
    # With the age and the reaction of this rig; the edge itself swings by 1.6 m/s times 40 ms between two messages.
    edge = SEPARATION.body_radius + SEPARATION.intrusion + SEPARATION.sensor_uncertainty + check.full + 1.6 * 0.17
    at_edge = near(rig, edge)
    perception.walk = lambda t: np.array([at_edge]) + [[0.03 * np.sin(7.0 * t), 0.0, 0.0]]
    rig.seconds(8.0)
    assert states(rig)[-2:] == ["AUTO/HOLDING", "AUTO/REDUCED"], "entered once, never left"
    perception.walk = standing((at_edge[0] + 0.1, 0.0, 0.6))
    rig.seconds(3.0)
    assert states(rig)[-1] == "AUTO/REDUCED", "10 % more are needed to leave"
    left = perception.time
    away = np.array([[1.0, 0.0, 0.0]])
    perception.walk = lambda t: np.array([at_edge]) + away * min(0.6, 1.5 * max(0.0, t - left))
    rig.seconds(2.0)
    assert rig.state == "AUTO/REDUCED"
    rig.seconds(0.6)
    assert states(rig)[-3:] == ["AUTO/HOLDING", "AUTO/REDUCED", "AUTO/HOLDING"]
    swing(rig)
    rig.seconds(2.2)
    assert rig.codes()[-1] == "E_ENDED"


def test_reduced_without_motion_ends_locked_as_holding_does(panda_rigs: Rigs) -> None:
    timing = replace(CONFIGURATION.timing, idle=2_000_000_000)
    rig = panda_rigs(replace(CONFIGURATION, timing=timing))
    perception = Perception(rig).auto()
    perception.walk = standing(near(rig, 1.2))
    rig.seconds(0.5)
    swing(rig, by=0.1, duration=2.0)
    rig.seconds(4.0)
    assert rig.state == "AUTO/REDUCED"
    rig.seconds(0.8)
    assert (rig.state, rig.status.cause) == ("LOCKED", "E_IDLE")


@pytest.mark.requirement("SR-054")
def test_a_robot_that_comes_to_a_person_is_refused_and_may_leave(panda_rigs: Rigs) -> None:
    rig = panda_rigs(CONFIGURATION)
    perception = Perception(rig, noise=SEPARATION.sensor_uncertainty).auto()
    perception.walk = standing((0.4, 0.9, 0.6))
    rig.seconds(0.2)
    for _ in range(8):
        swing(rig, by=0.25, duration=3.0)
        rig.seconds(3.2)
        if "E_SEPARATION" in rig.codes():
            break
    assert rig.codes()[-1] == "E_SEPARATION"
    assert rig.decisions()[-1].value < rig.decisions()[-1].limit
    rig.seconds(3.0)
    assert rig.state == "AUTO/REDUCED", "a person who stands there is no reason to stop for good"
    rig.clear()
    swing(rig, by=-0.25, duration=3.0)
    rig.seconds(3.2)
    assert rig.codes() == ["", "E_ENDED"]


@pytest.mark.requirement("SR-028")
def test_a_measured_robot_too_near_is_a_stop_though_its_set_points_are_not(panda_rigs: Rigs) -> None:
    rig = panda_rigs(CONFIGURATION)
    perception = Perception(rig).auto()
    # At rest: body, C, Zd, Zr, and 1.6 m/s over latency, time between two messages, overrun and tracking delay.
    perception.walk = standing(near(rig, 0.34 + 0.008 + 1.6 * (0.08 + 0.04 + 0.012 + 0.06) + 0.03))
    rig.seconds(0.5)
    assert rig.state == "AUTO/REDUCED"
    for _ in range(50):
        rig.offset[1] += 0.13 / 50  # inside the tracking bound, and 5 cm nearer in the end
        rig.cycle()
    assert rig.status.cause == "E_SEPARATION"


def test_a_person_out_of_nowhere_is_a_protective_stop_that_blocks_the_reset_while_he_stays(panda_rigs: Rigs) -> None:
    rig = panda_rigs(CONFIGURATION)
    perception = Perception(rig).auto()
    swing(rig)
    rig.seconds(0.5)
    assert rig.state == "AUTO/MOVING"
    perception.walk = standing(near(rig, 0.4))
    rig.seconds(0.1)
    assert (rig.state, rig.status.cause) == ("STOPPING", "E_SEPARATION")
    rig.until("LOCKED")
    reply = rig.act("reset")
    assert (reply.ok, reply.code) == (False, "E_ACT_CAUSE")
    assert "E_SEPARATION" in reply.message
    perception.walk = standing(near(rig, 2.5))
    rig.seconds(2.2)
    assert rig.state == "LOCKED", "only REDUCED ends by itself"
    assert rig.act("reset").ok


@pytest.mark.redteam(54)
def test_an_empty_list_does_not_free_the_robot(panda_rigs: Rigs) -> None:
    rig = panda_rigs(CONFIGURATION)
    perception = Perception(rig).auto()
    perception.walk = standing(near(rig, 1.3))
    rig.seconds(0.5)
    assert rig.state == "AUTO/REDUCED"
    perception.walk = nobody
    rig.seconds(0.2)
    assert rig.status.people == "1 points"
    rig.seconds(0.8)
    assert rig.status.cause == "E_SEPARATION", "he may have walked up to it unseen"
    rig.until("LOCKED")
    assert not rig.act("reset").ok
    rig.seconds(2.0)
    assert rig.status.people == "0 points"
    assert rig.act("reset").ok


@pytest.mark.redteam(54)
def test_a_person_who_vanishes_far_away_is_forgotten_after_two_seconds(panda_rigs: Rigs) -> None:
    rig = panda_rigs(CONFIGURATION)
    perception = Perception(rig).auto()
    perception.walk = standing(near(rig, 5.0))
    rig.seconds(0.5)
    perception.walk = nobody
    rig.seconds(1.8)
    assert rig.status.people == "1 points"
    rig.seconds(0.4)
    assert rig.status.people == "0 points"
    assert rig.state == "AUTO/HOLDING"


@pytest.mark.redteam(54)
def test_a_person_who_vanished_is_not_forgotten_while_the_robot_stops_for_him(panda_rigs: Rigs) -> None:
    rig = panda_rigs(CONFIGURATION)
    perception = Perception(rig).auto()
    perception.walk = standing(near(rig, 3.55))
    rig.seconds(0.5)
    perception.walk = nobody
    swing(rig, by=0.2, duration=3.0)
    rig.until("STOPPING")
    assert rig.status.cause == "E_SEPARATION"
    seen = int(rig.supervisor._inputs.people.seen[0])  # type: ignore[union-attr]
    assert 1.7 < (rig.now - seen) / 1e9 < 2.1
    while rig.state == "STOPPING":
        assert rig.supervisor._inputs.people.seen.tolist() == [seen]  # type: ignore[union-attr]
        rig.cycle()
    assert (rig.now - seen) / 1e9 > 2.01, "it would have been forgotten meanwhile"
    rig.seconds(0.1)
    assert rig.status.people == "0 points"


def stale(perception: Perception) -> None:
    perception.silent = True


def two_publishers(perception: Perception) -> None:
    perception.rig.send(HumansEndpoints(perception.rig.now, ("/perception", "/rogue")))


def no_publisher(perception: Perception) -> None:
    perception.rig.send(HumansEndpoints(perception.rig.now, ()))


def telling(points: object, **changes: object) -> Callable[[Perception], None]:
    def tell(perception: Perception) -> None:
        perception.silent = True
        perception.tell(points, **changes)

    return tell


WRONG: dict[str, Callable[[Perception], None]] = {
    "stale": stale,
    "two publishers": two_publishers,
    "no publisher": no_publisher,
    "E_NOT_FINITE": telling([[np.nan, 9.0, 9.0]]),
    "E_PEOPLE_FRAME": telling([[9.0, 9.0, 9.0]], frame_id="map"),
    "E_TOO_MANY_POINTS": telling(np.full((17, 3), 9.0)),
    "E_STAMP no stamp": telling([[9.0, 9.0, 9.0]], stamp=0),
    "E_TOO_LARGE": telling([], code="E_TOO_LARGE"),
    "E_RAGGED": telling([9.0, 9.0]),
}


@pytest.mark.requirement("SR-036")
@pytest.mark.requirement("SR-029")
@pytest.mark.parametrize("wrong", WRONG)
def test_people_who_are_not_known_are_a_stop_that_blocks_the_reset(panda_rigs: Rigs, wrong: str) -> None:
    rig = panda_rigs(CONFIGURATION)
    perception = Perception(rig).auto()
    swing(rig)
    rig.seconds(0.3)
    assert rig.state == "AUTO/MOVING"
    rig.clear()
    WRONG[wrong](perception)
    rig.seconds(0.35 if wrong == "stale" else 0.004)
    assert rig.status.cause == "E_PEOPLE_UNKNOWN"
    if wrong.startswith("E_"):
        refused = rig.decisions("REJECT")
        assert [(d.source, d.code) for d in refused] == [("humans", wrong.split()[0])], "told once"
    rig.until("LOCKED")
    reply = rig.act("reset")
    assert (reply.ok, reply.code) == (False, "E_ACT_CAUSE")
    assert "E_PEOPLE_UNKNOWN" in reply.message
    perception.silent = False
    rig.send(HumansEndpoints(rig.now, ("/perception",)))
    rig.seconds(0.3)
    assert rig.act("reset").ok


def test_another_perception_in_its_place_is_a_stop(panda_rigs: Rigs) -> None:
    rig = panda_rigs(CONFIGURATION)
    Perception(rig).auto()
    rig.send(HumansEndpoints(rig.now, ("/other",)))
    assert rig.status.cause == "E_PEOPLE_UNKNOWN"


def test_never_heard_is_unknown_and_nobody_can_start(panda_rigs: Rigs) -> None:
    rig = panda_rigs(CONFIGURATION).lock()
    assert "E_PEOPLE_UNKNOWN" in rig.act("reset").message
    assert rig.status.people.startswith("unknown")


def test_a_person_who_moves_the_robot_himself_may_be_near(panda_rigs: Rigs) -> None:
    rig = panda_rigs(CONFIGURATION)
    perception = Perception(rig)
    perception.auto()
    rig.send(OperatorAct(rig.now, "mode", "technician", "manual", -1, "m"))
    rig.until("LOCKED")
    rig.manual()
    perception.walk = standing(near(rig, 0.1))
    rig.jog(0.5, [0.1] + [0.0] * 6)
    assert rig.state == "MANUAL"
    assert "E_SEPARATION" in rig.status.active_causes


def test_without_the_section_nobody_is_watched(rig: Rig) -> None:
    rig.auto()
    Perception(rig).tell([[0.5, 0.0, 0.5]], frame_id="anything")
    rig.move(0.5)
    assert rig.status.people == "not watched"


@pytest.mark.requirement("SR-036")
def test_a_distance_that_is_not_finite_is_a_fault(panda_rigs: Rigs) -> None:
    rig = panda_rigs(CONFIGURATION)
    perception = Perception(rig).auto()
    perception.walk = standing(near(rig, 1.2))
    rig.seconds(0.2)
    check = rig.supervisor._verifier.separation
    assert check is not None
    rig.tampered = True
    check._capsules._radii = check._capsules._radii * np.nan
    rig.seconds(0.1)
    assert rig.status.cause == "E_NOT_FINITE_RESULT"
