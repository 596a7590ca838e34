"""Groups of humanoids: arms and legs move at the same time, each for its own agent, and neither touches the other's."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from rig import CONFIGURATION, Rig

from safety_supervisor.config import load_config
from safety_supervisor.core.settings import Configuration

MS = 1_000_000
SWUNG = {
    "g1": {"planner": ("left_elbow_joint", -1.0), "walker": ("right_knee_joint", 1.0)},
    "talos": {"planner": ("arm_left_4_joint", -1.0), "walker": ("leg_right_4_joint", 1.0)},
}
"""The joint that each agent swings, and to which side."""


@cache
def shipped(robot: str) -> Configuration:
    # On a stand, as far as this is concerned: how it keeps its balance is another matter.
    return replace(load_config(CONFIGURATION.with_name(f"{robot}.yaml")), balance=None)


class Two:
    """Planner and walker, each streaming its own joints at its own period from where the robot stands."""

    def __init__(self, robot: str) -> None:
        self.configuration = shipped(robot)
        self.swung = SWUNG[robot]
        start = self.configuration.robot.start
        assert start is not None
        self.rig = Rig(self.configuration, np.array(start)).auto()
        self.home = np.array(start)
        self.speed = {"planner": 0.0, "walker": 0.0}
        self.way = {"planner": 0.0, "walker": 0.0}
        self.sent: dict[str, int] = {}

    def joint(self, name: str) -> int:
        return self.configuration.robot.joints.index(name)

    def indices(self, source: str) -> list[int]:
        groups = self.configuration.source(source).groups
        return [index for group in groups for index in self.configuration.robot.groups[group]]

    def names(self, source: str) -> tuple[str, ...]:
        return tuple(self.configuration.robot.joints[index] for index in self.indices(source))

    def run(self, seconds: float) -> None:
        """Stream: each agent swings its joint up to `speed`, from rest to 0.2 rad and back, over and over."""

        def each(_: int) -> None:
            for source, (name, side) in self.swung.items():
                period = self.configuration.source(source).period
                if not self.speed[source] or self.rig.now // period == self.sent.get(source):
                    continue
                self.sent[source] = self.rig.now // period
                self.way[source] += self.speed[source] * period * 1e-9
                q = self.home.copy()
                q[self.joint(name)] += side * 0.1 * (1.0 - np.cos(self.way[source] / 0.1))
                self.rig.stream(q[self.indices(source)], source, names=self.names(source))

        self.rig.seconds(seconds, each)

    def output(self, name: str) -> np.ndarray:
        """Return the set-points of a joint since the boot, or since they were cleared."""
        return np.array(self.rig.outputs)[:, self.joint(name)]


@pytest.mark.requirement("SR-050")
@pytest.mark.parametrize("robot", SWUNG)
def test_arms_and_legs_move_at_once_for_two_agents_and_one_may_end(robot: str) -> None:
    two = Two(robot)
    two.speed = {"planner": 0.2, "walker": 0.2}
    two.run(1.0)
    assert two.rig.state == "AUTO/MOVING", two.rig.decisions()[-2:]
    assert two.rig.decisions("REJECT") == two.rig.decisions("STOP") == []
    arm, leg = (name for name, _ in two.swung.values())
    for name in two.configuration.robot.joints:
        way = float(np.ptp(two.output(name)))
        assert way > 0.1 if name in (arm, leg) else way < 1e-12, (name, way)

    two.speed["walker"] = 0.0  # silence: its groups run the kept stop, the arms go on
    two.run(0.5)
    two.rig.outputs.clear()
    two.run(0.5)
    assert np.ptp(two.output(leg)) < 1e-12
    assert np.ptp(two.output(arm)) > 0.02
    assert two.rig.state == "AUTO/MOVING"


@pytest.mark.requirement("SR-024")
@pytest.mark.parametrize(("source", "other"), [("planner", "walker"), ("walker", "planner")])
def test_no_agent_commands_a_joint_of_another_s_group(source: str, other: str) -> None:
    two = Two("g1")
    foreign, _ = two.swung[other]
    q = np.append(two.home[two.indices(source)], two.home[two.joint(foreign)] + 0.001)
    two.rig.stream(q, source, names=(*two.names(source), foreign))
    two.rig.cycle(20)
    (refused,) = two.rig.decisions("REJECT")
    assert (refused.source, refused.code) == (source, "E_UNKNOWN_JOINT")
    assert np.ptp(two.output(foreign)) == 0.0
