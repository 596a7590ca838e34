"""Random states and motions of robots on their feet, small; and blind supervisors, which have to be found out."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest

from safety_supervisor.core.geometry.shapes import Sphere
from safety_supervisor_sim.agent.motions import PointToPoint, set_points
from safety_supervisor_sim.lab.arm import STREAM_PERIOD
from safety_supervisor_sim.lab.campaign import HUMANOID_PARTS, run_campaign
from safety_supervisor_sim.lab.footed import FootedArm
from safety_supervisor_sim.lab.stances import FootedBench, load_footed
from safety_supervisor_sim.lab.standing_motions import judge_standing_motions
from safety_supervisor_sim.lab.standing_states import Product, judge_standing

pytestmark = pytest.mark.requirement("SR-034")


@lru_cache(maxsize=2)
def bench(name: str) -> FootedBench:
    return load_footed(name)


def unbalanced(footed: FootedBench) -> FootedBench:
    """The bench of a supervisor to which the robot is bolted to a stand."""
    stand = footed.stand
    return replace(footed, stand=replace(stand, configuration=replace(stand.configuration, balance=None)))


def with_soles(footed: FootedBench, factor: float) -> FootedBench:
    """The bench of a supervisor to which the soles are larger than they are."""
    configuration = footed.configuration
    assert configuration.balance is not None
    soles = tuple(
        replace(sole, corners=tuple((factor * x, factor * y, z) for x, y, z in sole.corners))
        for sole in configuration.balance.soles
    )
    changed = replace(configuration, balance=replace(configuration.balance, soles=soles))
    return replace(footed, stand=replace(footed.stand, configuration=changed))


def handless(footed: FootedBench) -> FootedBench:
    """The bench of a supervisor to which hands and fore-arms are dots."""
    configuration = footed.configuration
    dots = {
        link: (Sphere((0.0, 0.0, 0.0), 0.001),)
        for link in configuration.geometry.volumes
        if any(part in link for part in ("hand", "wrist", "elbow"))
    }
    geometry = replace(configuration.geometry, volumes={**configuration.geometry.volumes, **dots})
    changed = replace(configuration, geometry=geometry)
    return replace(footed, stand=replace(footed.stand, configuration=changed))


@pytest.mark.parametrize("robot", ["g1", "talos"])
def test_drawn_poses_stand_on_the_feet_that_they_are_drawn_for(robot: str) -> None:
    footed, random = bench(robot), np.random.default_rng(1)
    stances = footed.stances
    home = stances.between(footed.home)
    found = 0
    for _ in range(30):
        pose = stances.pose(stances.draw(random), footed.feet)
        if pose is None:
            continue
        found += 1
        first, second = (stances.between(pose)[foot] for foot in footed.feet)
        apart = home[footed.feet[0]].actInv(home[footed.feet[1]])
        assert np.abs(first.actInv(second).homogeneous - apart.homogeneous).max() < 1e-6
        tilt = stances.stand(pose, footed.feet).orientation
        assert np.linalg.norm(tilt) == pytest.approx(1.0)
    assert found > 5


@pytest.mark.long
@pytest.mark.parametrize("robot", ["g1", "talos"])
def test_no_random_state_on_its_feet_that_passes_touches_or_tips(robot: str) -> None:
    told = judge_standing(bench(robot), (1, 0), 80).as_dict()
    assert told["violation_list"] == []
    assert told["states"] == 80
    assert len(told["kinds"]) == 3
    assert sum(told["passed"].values()) > 2
    assert told["edges"] > 0
    assert told["touching"] > 4, "or nothing was there to be refused"
    assert told["tipping"] > 10
    assert 0 <= told["safe_refused"] <= told["safe"] <= 80
    assert told["least_inside"] > 0.0


@pytest.mark.long
def test_a_supervisor_that_knows_no_balance_or_larger_soles_is_found_out() -> None:
    for broken in (unbalanced(bench("g1")), with_soles(bench("g1"), 2.0)):
        found = judge_standing(broken, (1, 0), 24).violations
        assert any("tips" in one for one in found)
        assert not any("touches" in one for one in found)


def test_a_supervisor_whose_hands_are_dots_is_found_out() -> None:
    found = judge_standing(handless(bench("g1")), (1, 0), 80).violations
    assert any("touches" in one for one in found)


def test_a_robot_on_its_feet_is_led_into_auto_and_told_how_it_lies() -> None:
    footed = bench("g1")
    arm = FootedArm(footed, footed.home, footed.feet)
    assert arm.supervisor.state == "AUTO/HOLDING"
    goal = footed.home.copy()
    goal[footed.stances.others[-6]] += 0.05
    arm.begin()
    rows = set_points(PointToPoint(footed.home, goal, 0.8), STREAM_PERIOD)
    begin, sent = arm.now, 0
    while sent < len(rows):
        while sent < len(rows) and sent * STREAM_PERIOD <= (arm.now - begin) * 1e-9:
            arm.stream(rows[sent])
            sent += 1
        arm.cycle()
    arm.settle()
    assert arm.refused is None
    assert np.abs(arm.pose - footed.home).max() > 0.02
    assert Product(footed).refused(footed.stances.stand(arm.pose, footed.feet)) == set()


@pytest.mark.long
def test_no_random_motion_on_its_feet_touches_or_tips_its_stop_included() -> None:
    told = judge_standing_motions(bench("g1"), (1, 0), 6).as_dict()
    assert told["violation_list"] == []
    assert told["motions"] == 6
    assert told["moved"] > 2
    assert told["kept_stops"] > 2
    assert told["least_inside"] > 0.0
    assert told["safe_refused"] <= told["safe"]


@pytest.mark.long
def test_motions_through_a_supervisor_that_knows_no_balance_tip() -> None:
    found = judge_standing_motions(unbalanced(bench("g1")), (1, 0), 12).violations
    assert any("tips" in one for one in found)


@pytest.mark.long
def test_the_number_of_processes_changes_nothing_of_a_humanoid(monkeypatch: pytest.MonkeyPatch) -> None:
    amounts = dict.fromkeys(HUMANOID_PARTS, 0.0) | {"standing": 16.0}
    told = [run_campaign(amounts, 4, processes, lambda name, done: None, "g1") for processes in (1, 2)]
    assert told[0] == told[1]
    assert told[0]["standing"]["states"] == 16
