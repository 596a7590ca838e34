"""True distances from people and boxes: what is not asked can not have been nearer."""

from __future__ import annotations

import math

import numpy as np
import pybullet
import pytest

from safety_supervisor_sim.cell.cell_file import load_cell
from safety_supervisor_sim.cell.panda_cell import PandaCell
from safety_supervisor_sim.demo.places import shared
from safety_supervisor_sim.engine.nearness import RADIUS, SIGHT, Nearness

STEP = 4_000_000


def walks(time: float) -> tuple[float, float]:
    """To the robot and away again, at 1.6 m/s."""
    return 0.9 + abs(2.4 - 1.6 * time), 0.2 * math.sin(time)


@pytest.fixture
def cell() -> PandaCell:
    return PandaCell(load_cell(shared("cells", "panda.yaml")), "joint_trajectory_controller")


def look(cell: PandaCell, every: bool) -> tuple[dict[str, float], int]:
    now = [0.0]
    near = Nearness(*cell.body, [((0.4, 0.4, 0.0), (0.9, 0.9, 0.8))], {"ada": lambda: walks(now[0])})
    near.mark("walk")
    for cycle in range(750):
        now[0] = cycle * STEP * 1e-9
        turn = 0.5 * math.sin(3.0 * now[0])  # 1.5 rad/s
        pybullet.resetJointState(cell.body[1], 0, turn, physicsClientId=cell.body[0])
        near.look(cycle * STEP * (1_000_000 if every else 1))  # so long ago that nothing is known any more
    return near.report()["walk"], near.asked


def test_the_least_distance_is_that_of_looking_at_every_cycle(cell: PandaCell) -> None:
    with cell:
        all_cycles, asked = look(cell, every=True)
        assert asked >= 1498
        with_bound, fewer = look(cell, every=False)
    assert with_bound == all_cycles
    assert fewer < 0.6 * asked
    assert 0.0 < all_cycles["people"] < 0.6
    assert 0.0 < all_cycles["obstacles"] < SIGHT


def test_a_distance_is_that_of_the_geometry(cell: PandaCell) -> None:
    """A tall box beside the hand: the hand's farthest vertex is where the URDF puts it, within its meshes."""
    with cell:
        links = dict(zip(cell.links, cell.link_positions(), strict=True))
        hand = links["panda_hand"]
        near = Nearness(
            *cell.body, [((hand[0] + 0.5, -1.0, 0.0), (hand[0] + 0.6, 1.0, 2.0))], {"bob": lambda: (2.0, 0.0)}
        )
        near.mark("a")
        near.look(0)
        measured = near.report()["a"]
    # No mesh of the Panda is farther than 0.21 m from its link's origin.
    farthest = max(float(np.max(place[0])) for name, place in links.items() if name != "panda_link0")
    assert hand[0] + 0.5 - farthest - 0.21 <= measured["obstacles"] <= hand[0] + 0.5 - farthest
    assert 2.0 - RADIUS - farthest - 0.21 <= measured["people"] <= 2.0 - RADIUS - farthest
