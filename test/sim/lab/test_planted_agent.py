"""An agent that moves the whole body: its feet stay, it keeps the share of the limits that it drew, it ends at rest."""

from __future__ import annotations

import numpy as np
import pinocchio as pin
import pytest

from safety_supervisor_sim.lab.arm import STREAM_PERIOD
from safety_supervisor_sim.lab.pace import Pace
from safety_supervisor_sim.lab.planted_agent import SLOWEST, planted_agent
from safety_supervisor_sim.lab.stances import load_footed


@pytest.mark.long
def test_feet_stay_and_all_joints_keep_the_share_of_their_limits() -> None:
    bench, random = load_footed("g1"), np.random.default_rng(1)
    limits, stances, touch = bench.configuration.envelope.joints, bench.stances, bench.judge()
    try:
        agent = planted_agent(bench, Pace(bench.configuration), touch, random)
        agent.begin(bench.home)
        first, second = bench.feet
        stood = stances.between(bench.home)
        moved, shares, unsafe, pose = 0, [], 0, bench.home
        for _ in range(8):
            agent.begin(pose)
            copy, rows = agent.fork(), [pose]
            while agent.left:
                rows.append(agent.next())
            assert np.array_equal(copy.next(), rows[1]), "a fork goes on alike"
            speeds = np.diff(np.array(rows), axis=0) / STREAM_PERIOD
            assert (np.abs(speeds) <= agent.share * limits.velocity + 1e-9).all()
            assert (np.abs(np.diff(speeds, axis=0)) <= agent.share * limits.acceleration * STREAM_PERIOD * 1.05).all()
            for one in (speeds[0], speeds[-1]):
                assert np.abs(one).max() < 0.05 * max(1e-6, np.abs(speeds).max())
            for row in rows[:: max(1, len(rows) // 5)]:
                places = stances.between(row)
                apart = places[first].actInv(places[second])
                assert np.abs(pin.log6(stood[first].actInv(stood[second]).actInv(apart)).vector).max() < 1e-6
            pose = rows[-1]
            moved += bool(np.abs(speeds).max() > 0.0)
            shares.append(agent.share)
            unsafe += agent.unsafe
        assert moved >= 6
        assert 0 < unsafe < 8
        assert SLOWEST <= min(shares) < max(shares) <= 1.0
        assert np.abs(pose - bench.home).max() > 0.05
    finally:
        touch.close()


def test_no_way_leads_where_a_leg_does_not_reach() -> None:
    bench = load_footed("g1")
    far = bench.home.copy()
    far[bench.stances.bent] *= 0.7  # feet are a little elsewhere in the base, and go along
    assert bench.stances.way(bench.home, far) is not None
    knee = bench.configuration.robot.joints.index("left_knee_joint")
    far[knee] = bench.configuration.envelope.joints.upper[knee] + 0.5
    assert bench.stances.way(bench.home, far) is None


@pytest.mark.parametrize("share", [0.0, 0.37, 1.0])
def test_a_way_begins_and_ends_where_it_has_to(share: float) -> None:
    bench = load_footed("g1")
    goal = bench.stances.pose(bench.stances.draw(np.random.default_rng(2), 0.4), bench.feet)
    assert goal is not None
    way = bench.stances.way(bench.home, goal)
    assert way is not None
    others = bench.stances.others
    there = bench.home + share * (goal - bench.home)
    assert np.abs(way.at(share) - there)[others].max() < 1e-9
    if share in (0.0, 1.0):
        assert np.abs(way.at(share) - there).max() < 1e-5
