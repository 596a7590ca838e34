"""A picture of a robot's surfaces inside its volumes, as PNG, from three sides."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from safety_supervisor.core.geometry.shapes import BoundedShape
from safety_supervisor.core.units import Matrix, Vector
from safety_supervisor.geometry.kinematics import Kinematics
from safety_supervisor.geometry.tessellation import tessellate

_VIEWS = (("from the front", 18.0, 35.0), ("from the side", 4.0, -90.0), ("from behind", 18.0, 205.0))
_LIGHT = np.array([0.4, -0.5, 0.77])
_GREY, _ALARM = (0.55, 0.57, 0.6), (0.85, 0.1, 0.1)
_MOST_TRIANGLES = 60_000


class NoPictureError(RuntimeError):
    """Pictures need matplotlib."""


def draw_picture(
    file: Path,
    title: str,
    kinematics: Kinematics,
    surfaces: Mapping[str, Matrix],
    volumes: Mapping[str, Sequence[BoundedShape]],
    sticking_out: Sequence[str] = (),
) -> None:
    """Write a picture of the robot with every joint in the middle of its range.

    Args:
        file: where to, a PNG.
        title: a line above.
        kinematics: the tree of links.
        surfaces: triangles of each link, shape (t, 3, 3), [m], in its frame; drawn in grey.
        volumes: shapes of each link, in its frame; drawn translucent.
        sticking_out: links whose surface is drawn in red.

    Raises:
        NoPictureError: matplotlib is not installed.
        OSError: the file can not be written.
    """
    try:
        import matplotlib
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from mpl_toolkits.mplot3d.art3d import Poly3DCollection
    except ImportError as error:
        raise NoPictureError('pictures need matplotlib: pip install "safety_supervisor[picture]"') from error
    at = kinematics.placements({name: (low + high) / 2 for name, (low, high) in kinematics.ranges.items()})
    bodies = {link: _place(triangles, *at[link]) for link, triangles in surfaces.items()}
    shells = {
        link: _place(np.concatenate([tessellate(shape, outside=False) for shape in shapes]), *at[link])
        for link, shapes in volumes.items() if shapes
    }  # fmt: skip
    paint = matplotlib.colormaps["tab10"]
    grey = {link: _ALARM if link in sticking_out else _GREY for link in bodies}
    tints = {link: tuple(paint(index % 10)[:3]) for index, link in enumerate(shells)}
    layers = (_Layer(bodies, grey, 1.0), _Layer(shells, tints, 0.16))
    everything = np.concatenate([*bodies.values(), *shells.values()]).reshape(-1, 3)
    figure = Figure(figsize=(12.0, 6.0), dpi=90)
    FigureCanvasAgg(figure)
    for number, (name, elevation, azimuth) in enumerate(_VIEWS):
        # Squares, wider than a third of the figure: a robot is higher than wide.
        place = ((number + 0.5) / len(_VIEWS) - 0.24, 0.0, 0.48, 0.96)
        axes: Any = figure.add_axes(place, projection="3d", proj_type="ortho")
        axes.computed_zorder = False
        axes.patch.set_visible(False)
        for order, layer in enumerate(layers):
            triangles, colours = layer.painted()
            drawn = Poly3DCollection(triangles, facecolors=colours, edgecolors="none", linewidths=0, zorder=order)
            drawn.set_clip_on(False)
            axes.add_collection3d(drawn)
        axes.view_init(elev=elevation, azim=azimuth)
        _frame(axes, everything)
        axes.set_title(name, fontsize=10, y=0.03)
    figure.suptitle(title, fontsize=12, y=0.98)
    figure.savefig(file, format="png", metadata={"Software": None})


@dataclass(frozen=True)
class _Layer:
    """Triangles of links in the root's frame, and the colour of each link."""

    parts: Mapping[str, Matrix]
    colours: Mapping[str, tuple[float, ...]]
    alpha: float

    def painted(self) -> tuple[Matrix, Matrix]:
        """Return all triangles and their colours, shaded by how they face the light."""
        triangles = np.concatenate(list(self.parts.values()))
        normals = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
        shade = 0.7 + 0.3 * np.abs(normals @ _LIGHT)
        base = np.concatenate([np.tile(self.colours[link], (len(part), 1)) for link, part in self.parts.items()])
        return triangles, np.column_stack([np.clip(base * shade[:, None], 0.0, 1.0), np.full(len(base), self.alpha)])


def _place(triangles: Matrix, turn: Matrix, shift: Vector) -> Matrix:
    step = math.ceil(len(triangles) / _MOST_TRIANGLES)
    return np.asarray(triangles[::step] @ turn.T + shift)


def _frame(axes: Any, points: Matrix) -> None:
    """Fit the view to points, with the same scale along every axis."""
    low, high = points.min(axis=0), points.max(axis=0)
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), zlim=(low[2], high[2]))
    axes.set_box_aspect(high - low, zoom=1.08)
    axes.set_axis_off()
