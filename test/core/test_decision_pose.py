"""A decision that bodies are the reason of tells the pose: at it, and at no other one, the scene gives its distance."""

from __future__ import annotations

import numpy as np
from machines import Machine

from safety_supervisor.core.effects import Decision
from safety_supervisor.core.geometry.scene import Scene
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.verifier import Verifier

ZONES = {"panda": "zones.cabinet", "g1": "zones.wall"}
"""What `Machine.way` leads into."""


def scene_of(configuration: Configuration) -> Scene:
    return Verifier(configuration).scene


def assert_told(decision: Decision, configuration: Configuration) -> None:
    scene = scene_of(configuration)
    distances = scene.distances(np.array(decision.pose))
    links = tuple(decision.joint.split(" and "))
    seen = [
        d for d, pair in zip(distances, scene.pairs, strict=True) if (pair.rule, pair.links) == (decision.rule, links)
    ]
    assert min(abs(d - decision.value) for d in seen) < 1e-12
    assert decision.value < decision.limit


def test_a_refused_trajectory_tells_the_pose_of_its_path(machine: Machine) -> None:
    rig = machine.rig().auto()
    rig.clear()
    rig.trajectory([4.0], (machine.home + machine.way)[None, :], rig.rest, rig.rest)
    rig.seconds(1.0)
    (decision,) = rig.decisions("REJECT")
    assert decision.rule == ZONES[machine.configuration.robot.id]
    assert_told(decision, rig.configuration)
    # On the straight way from the start to the goal.
    gone = np.array(decision.pose) - machine.home
    share = float(gone @ machine.way / (machine.way @ machine.way))
    assert 0.3 < share < 1.0
    assert np.allclose(gone, share * machine.way, atol=1e-9)


def test_a_stopped_stream_tells_where_its_stop_would_have_been(machine: Machine) -> None:
    rig = machine.rig().auto()
    rig.clear()
    count = 0

    def descend(cycle: int) -> None:
        nonlocal count
        if cycle * rig.period >= count * 10_000_000:
            share = min(1.0, count / 400)
            count += 1
            rig.stream(machine.home + share**3 * (10 - 15 * share + 6 * share**2) * machine.way)

    rig.seconds(4.2, descend)
    stop = next(decision for decision in rig.decisions() if decision.pose)
    assert (stop.verdict, stop.rule) == ("STOP", ZONES[machine.configuration.robot.id])
    assert_told(stop, rig.configuration)
    # Beyond where the robot was stopped, and it never came there.
    assert np.array(stop.pose) @ machine.way > (np.array(rig.outputs) @ machine.way).max()


def test_other_refusals_tell_none(machine: Machine) -> None:
    rig = machine.rig().auto()
    rig.clear()
    rig.stream([9.0, *machine.home[1:].tolist()])
    rig.seconds(0.2)
    refused = [decision for decision in rig.decisions() if decision.code not in ("", "E_ENDED", "E_LATE")]
    assert refused
    assert all(decision.pose == () for decision in refused)
