"""A G1 that stands, whose state every test begins with."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "ros"))  # ros_rig; importlib mode puts no test directory there

from safety_supervisor_sim.cell.standing import StandingRobot
from safety_supervisor_sim.lab.humanoid import standing_file


@pytest.fixture(scope="module")
def g1() -> Iterator[StandingRobot]:
    robot = StandingRobot(standing_file("g1"))
    yield robot
    robot.close()


@pytest.fixture
def stood(g1: StandingRobot) -> Iterator[StandingRobot]:
    saved = g1.save()
    yield g1
    g1.restore(saved)
    g1.forget(saved)
