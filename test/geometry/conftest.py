"""Small robots with mesh files, written for one test."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # importlib mode puts no test directory there

from small_robots import ARM, box, write_obj


@pytest.fixture
def arm(tmp_path: Path) -> Path:
    """A URDF with its mesh files: a relative path, a package with a scale, a visual with an origin, a primitive."""
    directory = tmp_path / "arm" / "urdf"
    write_obj(directory / "base.obj", box((-0.1, -0.1, 0.0), (0.1, 0.1, 0.08)))
    column, foot = box((-0.03, -0.03, 0.0), (0.03, 0.03, 0.4)), box((-0.03, -0.03, 0.0), (0.15, 0.03, 0.05))
    write_obj(tmp_path / "arm" / "meshes" / "upper.obj", np.concatenate([column, foot]) * 1000.0)
    write_obj(directory / "lower.obj", box((-0.15, -0.02, -0.02), (0.1, 0.02, 0.02)))
    path = directory / "arm.urdf"
    path.write_text(ARM, encoding="utf-8")
    return path


@pytest.fixture
def small_configuration(arm: Path) -> Callable[[str], Path]:
    """A configuration with no more than the robot, and a text behind it."""

    def write(text: str) -> Path:
        path = arm.parent / "robot.yaml"
        path.write_text(
            "robot:\n  id: arm\n  urdf: arm.urdf\n  base_frame: base\n  joints: [one, two, three]\n"
            "  groups: {all: [one, two, three]}\n"
            "  joint_states: [{node: /driver, joints: [one, two, three]}]\n" + text,
            encoding="utf-8",
        )
        return path

    return write
