"""AUTO/REDUCED with limiting: a stream goes on inside the reduced envelope; one that is too fast for it is stopped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from crowd import REDUCED, Judge, Perception, _balls, standing, stop_of, watched
from other_geometry import OtherGeometry
from rig import MS, Rig
from test_limiting import Agent, ramp

from safety_supervisor.core.effects import Actuate
from safety_supervisor.core.settings import Configuration, LimitingSettings

NEAR = standing((1.5, 0.0, 0.5))
"""So near that REDUCED begins, and far enough for any reduced motion."""


def limited() -> Configuration:
    return replace(watched(), limiting=LimitingSettings(("planner",), 2000 * MS))


def fastest(rig: Rig, rows: np.ndarray) -> float:
    """Speed of the fastest of many points of the links between consecutive poses, by other kinematics, [m/s]."""
    settings = rig.configuration
    other = OtherGeometry(settings.robot, settings.geometry, ())
    balls = {
        link: np.concatenate([_balls(shape) for shape in shapes]) for link, shapes in settings.geometry.volumes.items()
    }

    def points(q: np.ndarray) -> np.ndarray:
        frames = other.frames(q)
        return np.concatenate([b[:, :3] @ frames[link][0].T + frames[link][1] for link, b in balls.items()])

    placed = np.array([points(q) for q in rows])
    return float(np.linalg.norm(np.diff(placed, axis=0), axis=2).max()) / (rig.period / 1e9)


@pytest.mark.requirement("SR-031")
@pytest.mark.requirement("SR-033")
@pytest.mark.parametrize("heeds", [True, False])
def test_a_stream_that_begins_in_reduced_is_slowed_down_to_it(panda_rigs: Callable[..., Rig], heeds: bool) -> None:
    rig = panda_rigs(limited())
    Perception(rig, NEAR).auto()
    rig.seconds(0.2)
    assert rig.state == "AUTO/REDUCED"
    agent = Agent(rig, ramp(0.8), heeds).run(1.5)
    assert rig.state == "AUTO/REDUCED"
    assert {(d.verdict, d.code) for d in rig.decisions()} == {("PASS", ""), ("LIMIT", "E_REDUCED")}
    rows = np.array(rig.outputs)[-375:]
    share = np.abs(np.diff(rows, axis=0)) / (rig.period / 1e9) / rig.configuration.envelope.joints.velocity
    assert 0.5 * REDUCED.velocity_share < share.max() <= REDUCED.velocity_share * (1 + 1e-9)
    assert fastest(rig, rows) <= REDUCED.frame_speed * (1 + 1e-9)
    assert max(agent.behind) < 2.0


@pytest.mark.requirement("SR-033")
def test_reduced_that_begins_in_fast_motion_is_the_kept_stop_and_the_next_stream_is_slower(
    panda_rigs: Callable[..., Rig],
) -> None:
    """The reduced envelope holds at once: no pace gets there within a cycle."""
    rig = panda_rigs(limited())
    people = Perception(rig).auto()
    agent = Agent(rig, ramp(0.8)).run(0.5)
    assert rig.state == "AUTO/MOVING"
    people.walk = NEAR
    rig.clear()
    sent = [e for e in rig.history if isinstance(e, Actuate)]
    agent.run(0.5)
    assert rig.codes() == ["E_REDUCED"]
    assert rig.state == "AUTO/REDUCED"
    following = [e for e in rig.history if isinstance(e, Actuate)][len(sent) :]
    judge, point = Judge(rig.configuration), NEAR(0.0)
    assert all(judge.distance(pose, point) > 0.25 for e in following[:60:6] for pose in stop_of(e)[1])
    assert not following[-1].moving
    begin, here = rig.output, ramp(0.8)(0.0)
    rig.clear()
    Agent(rig, lambda t: begin + ramp(0.8)(t) - here).run(0.8)
    assert {d.verdict for d in rig.decisions()} == {"PASS", "LIMIT"}
    assert fastest(rig, np.array(rig.outputs)[-200:]) <= REDUCED.frame_speed * (1 + 1e-9)
