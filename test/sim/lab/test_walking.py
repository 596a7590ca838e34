"""A G1 that walks behind the real supervisor, in simulated time: its fence at walking speed, by a judge of its own."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from safety_supervisor.config import ConfigurationError, load_config
from safety_supervisor.core.base.geofence import Geofence
from safety_supervisor.core.settings import Configuration
from safety_supervisor_sim.agent.motions import set_points
from safety_supervisor_sim.demo.places import shared
from safety_supervisor_sim.lab.arm import STREAM_PERIOD
from safety_supervisor_sim.lab.pace import Pace
from safety_supervisor_sim.lab.walking import BASE, KEEP_IN, KEEP_OUT, SPEED, WALKER, Walker, walking, walking_keys
from safety_supervisor_sim.oracle.support import hull, inside
from safety_supervisor_sim.oracle.world import Array

pytestmark = pytest.mark.requirement("SR-031")


@pytest.fixture(scope="module")
def configuration(tmp_path_factory: pytest.TempPathFactory) -> Configuration:
    return walking(tmp_path_factory.mktemp("walking"))


def keep_walking(walker: Walker, seconds: float, *twist: float, arms: Array | None = None) -> None:
    """Send cmd_vel at 20 Hz, and a row of the arms' stream every 10 ms until one is refused."""
    until, sent, due = walker.now + round(seconds * 1e9), 0, walker.now
    begin = walker.now
    while walker.now < until:
        if walker.now >= due:
            due += 50_000_000
            walker.walk(*twist)
        while (
            arms is not None
            and walker.refused is None
            and sent < len(arms)
            and sent * STREAM_PERIOD <= (walker.now - begin) * 1e-9
        ):
            walker.stream(arms[sent])
            sent += 1
        walker.cycle()


def arms(configuration: Configuration, walker: Walker, **changes: float) -> Array:
    """Set-points of a straight way of the arms from where they are, by so much of some joints."""
    goal = walker.pose.copy()
    for joint, way in changes.items():
        goal[configuration.robot.joints.index(f"{joint}_joint")] += way
    return set_points(Pace(configuration).straight(walker.pose, goal, 0.6), STREAM_PERIOD)


def test_walking_at_full_speed_passes_unchanged_while_the_arms_move(configuration: Configuration) -> None:
    walker = Walker(configuration, -1.5, 1.4)
    walker.begin()
    rows = arms(configuration, walker, left_shoulder_roll=0.6, right_shoulder_roll=-0.6)
    keep_walking(walker, 2.0, SPEED, arms=rows)
    assert walker.refused is None, walker.refused
    assert walker.twists[-1] == (SPEED, 0.0, 0.0), "the command, as it was sent"
    assert np.abs(walker.pose - rows[-1]).max() < 1e-6, "the arms' stream, too"
    assert walker.least > 0.0


@pytest.mark.requirement("SR-032")
def test_arms_into_what_the_legs_sweep_are_refused_and_it_walks_on(configuration: Configuration) -> None:
    walker = Walker(configuration, -1.5, 1.4)
    walker.begin()
    rows = arms(configuration, walker, left_shoulder_pitch=-0.6, right_shoulder_pitch=-0.6)
    keep_walking(walker, 2.0, SPEED, arms=rows)
    assert walker.refused is not None
    assert (walker.refused.code, walker.refused.rule) == ("E_WORKSPACE", "zones.thighs")
    assert walker.twists[-1] == (SPEED, 0.0, 0.0), "one source's refusal is not another one's"


def directions() -> list[tuple[float, float, float]]:
    """Ahead, back, aside, and in curves."""
    return [(1.0, 0.0, 0.0), (-0.8, 0.6, 0.0), (0.0, -1.0, 0.0), (0.9, 0.0, 0.7), (0.6, -0.8, -0.5)]


@pytest.mark.long
@pytest.mark.requirement("SR-026")
@pytest.mark.parametrize("number", [0, *(pytest.param(one, marks=pytest.mark.long) for one in (1, 2, 3, 4))])
def test_whoever_walks_it_the_footprint_stays_inside_its_fence(configuration: Configuration, number: int) -> None:
    random = np.random.default_rng(number)
    walker = Walker(configuration)
    walker.begin()
    for way in (number, *random.integers(len(directions()), size=2).tolist()):
        keep_walking(walker, 4.0, *directions()[way])
        assert walker.supervisor.state.startswith("AUTO"), "a fence is no stop: the next good command goes on"
    assert "E_GEOFENCE" in {one.code for one in walker.decisions}
    assert walker.least >= 0.0, f"{-walker.least:.3f} m outside"
    assert walker.least < 0.25, "a fence that keeps everything far away would be of no use"


@pytest.mark.long
def test_the_judge_sees_a_fence_that_is_not_kept(configuration: Configuration, monkeypatch: pytest.MonkeyPatch) -> None:
    room = Geofence.room
    monkeypatch.setattr(Geofence, "room", lambda fence, points: room(fence, points) + 0.4)
    walker = Walker(configuration)
    keep_walking(walker, 6.0, 0.0, -1.0)
    assert walker.least < 0.0


def test_a_stop_while_it_walks_stops_base_and_arms(configuration: Configuration) -> None:
    walker = Walker(configuration, -1.5, 1.4)
    keep_walking(walker, 1.5, SPEED)
    assert walker.twists[-1][0] == SPEED
    walker.request_stop()
    longest = SPEED / BASE["acceleration"]
    walker.run(math.ceil(longest * 1e9 / walker.period) + 2)
    assert walker.twists[-1] == (0.0, 0.0, 0.0)
    speeds = np.hypot(*np.array(walker.twists)[:, :2].T)
    change = np.abs(np.diff(speeds)) * 1e9 / walker.period
    assert change.max() <= BASE["acceleration"] + 1e-6, "a walker can not stop dead"
    walker.run(200)
    assert walker.supervisor.state in ("PROTECTIVE_STOP", "LOCKED")
    assert walker.least > 0.0


def shipped() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(shared("config", "g1.yaml").read_text(encoding="utf-8"))
    return loaded


def refused(keys: dict[str, Any], directory: Path) -> list[tuple[str, str, str]]:
    path = directory / "robot.yaml"
    path.write_text(yaml.safe_dump(keys, sort_keys=False), encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_config(path)
    return [(one.path, one.code.value, one.message) for one in caught.value.errors]


@pytest.mark.requirement("SR-034")
def test_a_robot_that_is_judged_standing_is_not_walked_and_the_reason_is_told(tmp_path: Path) -> None:
    keys = shipped()
    keys["sources"]["walker"]["commands"].append("cmd_vel")
    ((path, code, message),) = refused(keys | {"base": BASE}, tmp_path)
    assert (path, code) == ("balance", "E_CONFIG_NOT_ENFORCED")
    assert WALKER in message
    assert "step" in message
    # The other way round: feet of a robot whose legs are the maker's do not move for the supervisor.
    walks = walking_keys(shipped()) | {"balance": shipped()["balance"]}
    found = {(path, code) for path, code, _ in refused(walks, tmp_path)}
    assert ("balance", "E_CONFIG_NOT_ENFORCED") in found
    assert ("balance.soles.left_ankle_roll_link", "E_CONFIG_FRAME") in found


def test_the_judge_measures_what_the_corners_say() -> None:
    """By hand: from the origin to the nearest side of the fence, and to the forbidden place."""
    assert inside(np.zeros(2), hull(np.array(KEEP_IN))) == pytest.approx(2.0)
    assert inside(np.zeros(2), hull(np.array(KEEP_OUT))) == pytest.approx(-1.0)
