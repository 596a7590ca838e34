"""Meshes and a URDF, written for one test."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from safety_supervisor.core.geometry.shapes import Box
from safety_supervisor.core.units import Matrix
from safety_supervisor.geometry.tessellation import tessellate

ARM = """<robot name="arm">
  <link name="base"><collision><geometry><mesh filename="base.obj"/></geometry></collision></link>
  <link name="upper"><collision><geometry><mesh filename="package://arm/meshes/upper.obj" scale="0.001 0.001 0.001"/>
    </geometry></collision></link>
  <link name="lower"><visual><origin xyz="0 0 0.1" rpy="0 1.5707963267948966 0"/><geometry><mesh filename="lower.obj"/>
    </geometry></visual></link>
  <link name="tool"><collision><geometry><box size="0.04 0.05 0.06"/></geometry></collision></link>
  <joint name="one" type="revolute"><parent link="base"/><child link="upper"/><origin xyz="0 0 0.1"/><axis xyz="0 1 0"/>
    <limit lower="-1" upper="1" velocity="1" effort="1"/></joint>
  <joint name="two" type="revolute"><parent link="upper"/><child link="lower"/><origin xyz="0 0 0.4"/>
    <axis xyz="0 1 0"/><limit lower="-1.2" upper="1.2" velocity="1" effort="1"/></joint>
  <joint name="three" type="prismatic"><parent link="lower"/><child link="tool"/><origin xyz="0 0 0.35"/>
    <axis xyz="0 0 1"/><limit lower="0" upper="0.1" velocity="1" effort="1"/></joint>
</robot>
"""


def write_obj(path: Path, triangles: Matrix) -> None:
    """Write triangles, shape (t, 3, 3), as a mesh file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ["v " + " ".join(repr(value) for value in corner.tolist()) for corner in triangles.reshape(-1, 3)]
    lines += [f"f {i + 1} {i + 2} {i + 3}" for i in range(0, 3 * len(triangles), 3)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def box(low: tuple[float, float, float], high: tuple[float, float, float]) -> Matrix:
    """Return a box's triangles."""
    centre, size = (np.add(low, high) / 2).tolist(), np.subtract(high, low).tolist()
    return tessellate(Box((centre[0], centre[1], centre[2]), (size[0], size[1], size[2])))


def sample(triangles: Matrix, count: int, seed: int = 5) -> Matrix:
    """Return points on a surface, the borders of triangles among them, shape (n, 3)."""
    chance = np.random.default_rng(seed)
    weights = chance.dirichlet([0.6, 0.6, 0.6], size=(len(triangles), count))
    return np.concatenate([np.einsum("tnk,tki->tni", weights, triangles).reshape(-1, 3), triangles.reshape(-1, 3)])
