"""Kinematics and scenes that tests share: they take longer to build than most tests take with them.

Of equal robots, bodies and zones they are built once and kept, as long as there are few: a scene answers by the pose
alone (test_scene.py), and every rig's events are replayed on the scene that they were handled with, to the same bytes.
Zones of the world move in a scene, so those are built anew each time. What two processes build is compared in
test_determinism.py.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from collections.abc import Iterator

import numpy as np
import pytest

from safety_supervisor.core import outfit
from safety_supervisor.core.geometry.scene import Scene
from safety_supervisor.core.outfit import Stage
from safety_supervisor.core.settings import Configuration, ZoneKind
from safety_supervisor.core.units import Vector

KEPT = 10
"""Stages; one of a humanoid takes 35 MB."""

_kept: OrderedDict[bytes, tuple[Stage, Vector]] = OrderedDict()
"""With the distances at one pose, as they were at first."""
_build, _distances = outfit.set_stage, Scene.distances  # whatever a test puts in their place


def kept_stage(configuration: Configuration) -> Stage:
    """Return the stage of an equal robot, or build it."""
    robot, geometry = configuration.robot, configuration.geometry
    zones = tuple(zone for zone in configuration.zones if zone.kind is not ZoneKind.SPEED)
    if configuration.base is not None or any(zone.world for zone in zones):
        return _build(configuration)
    made_of = (robot.urdf, robot.base_frame, robot.joints, robot.locked_joints, geometry, zones)
    key = pickle.dumps((*made_of, configuration.tracking.path_error.tolist()))
    if key in _kept:
        stage, first = _kept.pop(key)
        now = _distances(stage.scene, stage.model.middle())
        assert np.array_equal(now, first, equal_nan=True), (
            "an earlier test broke a scene that tests share: let it have `own_stages`"
        )
    else:
        stage = _build(configuration)
        first = _distances(stage.scene, stage.model.middle())
    _kept[key] = stage, first
    if len(_kept) > KEPT:
        _kept.popitem(last=False)
    return stage


@pytest.fixture
def own_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    """For a test that breaks what is shared: it, and no other, gets what it broke."""
    monkeypatch.setattr("safety_supervisor.core.outfit.set_stage", _build)


@pytest.fixture(scope="module")
def fresh_stages() -> Iterator[None]:
    """For a module that compares what is fresh in two processes: a scene that others have asked remembers the pose."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("safety_supervisor.core.outfit.set_stage", _build)
        yield


@pytest.fixture(scope="session", autouse=True)
def _shared_stages() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("safety_supervisor.core.outfit.set_stage", kept_stage)
        patch.setattr("safety_supervisor.config.pose_checks.set_stage", kept_stage)
        yield
