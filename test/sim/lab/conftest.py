"""A G1 that stands and obeys a supervisor, whose state every test begins with."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from safety_supervisor.core.settings import Configuration
from safety_supervisor_sim.cell.standing import StandingRobot
from safety_supervisor_sim.lab.humanoid import Humanoid, standing_file
from safety_supervisor_sim.lab.stand import load_stand


@pytest.fixture(scope="module")
def robot() -> Iterator[StandingRobot]:
    made = StandingRobot(standing_file("g1"))
    yield made
    made.close()


@pytest.fixture(scope="session")
def g1_configuration() -> Configuration:
    return load_stand("g1").configuration


@pytest.fixture
def humanoid(g1_configuration: Configuration, robot: StandingRobot) -> Iterator[Humanoid]:
    saved = robot.save()
    yield Humanoid(g1_configuration, robot)
    robot.restore(saved)
    robot.forget(saved)
