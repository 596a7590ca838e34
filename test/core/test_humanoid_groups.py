"""A humanoid's groups: arms and legs move at the same time, each for its own agent, and neither touches the other's."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from rig import CONFIGURATION, Rig

from safety_supervisor.config import load_config
from safety_supervisor.core.settings import Configuration

MS = 1_000_000


@lru_cache(maxsize=1)
def g1() -> Configuration:
    # On a stand, as far as this is concerned: how it keeps its balance is another matter.
    return replace(load_config(CONFIGURATION.with_name("g1.yaml")), balance=None)


def names(*groups: str) -> tuple[str, ...]:
    return tuple(g1().robot.joints[index] for group in groups for index in g1().robot.groups[group])


def joint(name: str) -> int:
    return g1().robot.joints.index(name)


ARMS, LEGS = ("left_arm", "right_arm"), ("legs", "waist")


class Two:
    """Planner and walker, each streaming its own joints at its own period from where the robot stands."""

    def __init__(self) -> None:
        start = g1().robot.start
        assert start is not None
        self.rig = Rig(g1(), np.array(start)).auto()
        self.home = np.array(start)
        self.speed = {"planner": 0.0, "walker": 0.0}
        self.way = {"planner": 0.0, "walker": 0.0}
        self.sent: dict[str, int] = {}

    def run(self, seconds: float) -> None:
        """Stream: the planner swings the elbows, the walker the knees, both up to `speed`."""

        def each(_: int) -> None:
            for source, groups, period in (("planner", ARMS, 10 * MS), ("walker", LEGS, 20 * MS)):
                if not self.speed[source] or self.rig.now // period == self.sent.get(source):
                    continue
                self.sent[source] = self.rig.now // period
                self.way[source] += self.speed[source] * period * 1e-9
                # From rest, to 0.2 rad and back, over and over.
                swing = 0.1 * (1.0 - np.cos(self.way[source] / 0.1))
                q = self.home.copy()
                if source == "planner":
                    q[[joint("left_elbow_joint"), joint("right_elbow_joint")]] -= swing
                else:
                    q[[joint("left_knee_joint"), joint("right_knee_joint")]] += swing
                indices = [joint(name) for name in names(*groups)]
                self.rig.stream(q[indices], source, names=names(*groups))

        self.rig.seconds(seconds, each)

    def moved(self, name: str) -> float:
        """How far the output has been from the start since the last `clear`."""
        return float(np.abs(np.array(self.rig.outputs)[:, joint(name)] - self.home[joint(name)]).max())


@pytest.mark.requirement("SR-050")
def test_arms_and_legs_move_at_once_for_two_agents_and_one_may_end() -> None:
    two = Two()
    two.speed = {"planner": 0.2, "walker": 0.2}
    two.run(1.0)
    assert two.rig.state == "AUTO/MOVING", two.rig.decisions()[-2:]
    assert two.rig.decisions("REJECT") == two.rig.decisions("STOP") == []
    assert two.moved("left_elbow_joint") > 0.1
    assert two.moved("right_knee_joint") > 0.1
    assert two.moved("left_hip_roll_joint") == two.moved("waist_yaw_joint") == 0.0

    two.speed["walker"] = 0.0  # silence: its groups run the kept stop, the arms go on
    two.run(0.5)
    two.rig.outputs.clear()
    two.run(0.5)
    knees, elbows = (np.array(two.rig.outputs)[:, joint(name)] for name in ("left_knee_joint", "left_elbow_joint"))
    assert np.ptp(knees) == 0.0
    assert np.ptp(elbows) > 0.02
    assert two.rig.state == "AUTO/MOVING"


@pytest.mark.requirement("SR-024")
@pytest.mark.parametrize(("source", "foreign"), [("planner", "left_knee_joint"), ("walker", "left_elbow_joint")])
def test_no_agent_commands_a_joint_of_another_s_group(source: str, foreign: str) -> None:
    two = Two()
    groups = ARMS if source == "planner" else LEGS
    wanted = (*names(*groups), foreign)
    q = np.append(two.home[[joint(name) for name in names(*groups)]], two.home[joint(foreign)] + 0.001)
    two.rig.stream(q, source, names=wanted)
    two.rig.cycle(20)
    (refused,) = two.rig.decisions("REJECT")
    assert (refused.source, refused.code) == (source, "E_UNKNOWN_JOINT")
    assert two.moved(foreign) == 0.0
