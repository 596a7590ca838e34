"""The picture of a case: the robot in its cell, the pair in question from near, and the words beside it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from safety_supervisor.core.geometry.shapes import HalfSpace
from safety_supervisor.core.settings import Zone, ZoneKind
from safety_supervisor.core.units import Matrix, Vector
from safety_supervisor.explain.case import Case
from safety_supervisor.explain.words import facts, headline, is_spatial, remarks
from safety_supervisor.geometry.picture import NoPictureError
from safety_supervisor.geometry.pose_view import PlacedVolume, PoseView, Viewer
from safety_supervisor.geometry.solids import edges, surface
from safety_supervisor.geometry.tessellation import tessellate

Paint = tuple[float, float, float, float]
_LINK: Final[Paint] = (0.66, 0.69, 0.73, 1.0)
_OFFENDER: Final[Paint] = (0.9, 0.13, 0.1, 1.0)
_SECOND: Final[Paint] = (0.98, 0.62, 0.12, 1.0)
_BESIDE: Final = 0.3
"""Opacity from near of links that are not in question."""
_GHOST: Final[Paint] = (0.3, 0.45, 0.95, 0.12)
_ZONES: Final[dict[ZoneKind, Paint]] = {
    ZoneKind.KEEP_IN: (0.2, 0.5, 0.9, 0.0),
    ZoneKind.KEEP_OUT: (0.85, 0.45, 0.4, 0.16),
    ZoneKind.RESTRICTED: (0.65, 0.35, 0.8, 0.16),
    ZoneKind.SPEED: (0.95, 0.7, 0.1, 0.12),
}
_BROKEN: Final = 0.2
"""Opacity of the zone in question."""
_LIGHT: Final = np.array([0.37, -0.46, 0.81])
_COARSE, _FINE = 0.25, 0.06  # [m], longest sides of triangles of zones and links
_NEAR: Final = (0.08, 0.3)  # [m], half the side of the close-up, at least and at most
_HIDES: Final = 0.05  # [m], what stands before the pair, so far beside it or less, hides it
_SIZE, _DPI = (13.0, 6.2), 85


class _Mesh(NamedTuple):
    """Triangles, shape (t, 3, 3), [m], base frame, and the colour of each, shape (t, 4)."""

    triangles: Matrix
    colours: Matrix


def draw_case(file: Path, case: Case, viewer: Viewer) -> PoseView | None:
    """Write the picture of a case.

    Args:
        file: where to, a PNG.
        case: what is explained.
        viewer: of the case's configuration.

    Returns:
        What is drawn; None when no pose is known, so that the picture is of words and joints alone.

    Raises:
        NoPictureError: matplotlib is not installed.
        OSError: the file can not be written.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise NoPictureError('pictures need matplotlib: pip install "safety_supervisor[picture]"') from error
    view = look(case, viewer)
    figure = Figure(figsize=_SIZE, dpi=_DPI)
    FigureCanvasAgg(figure)
    if view is not None:
        scene = _Scene(case, viewer, view)
        scene.draw(figure, (0.0, 0.02, 0.36, 0.9), close=False)
        if is_spatial(case) and view.nearest is not None:
            scene.draw(figure, (0.365, 0.19, 0.29, 0.29 * _SIZE[0] / _SIZE[1]), close=True)
    if not is_spatial(case):
        _draw_joints(figure, (0.475, 0.12, 0.165, 0.72), case)
    _write(figure, case, view)
    figure.savefig(file, format="png", metadata={"Software": None}, pil_kwargs={"optimize": True})
    return view


def look(case: Case, viewer: Viewer) -> PoseView | None:
    """Return what there is to see at the pose in question; None when no pose is known."""
    pose = case.offending
    if pose is None:
        return None
    return viewer.look(pose, case.subject.rule, case.subject.links) if is_spatial(case) else viewer.look(pose)


class _Scene:
    """The robot at the pose in question, at the commanded one as a ghost, and the cell."""

    def __init__(self, case: Case, viewer: Viewer, view: PoseView) -> None:
        self._view = view
        self._bones: Matrix = np.zeros((0, 2, 3))
        self._spatial = is_spatial(case)
        offenders = case.subject.links
        zones = tuple(zone for zone in case.configuration.zones if not zone.world)
        paints = dict(zip(offenders, (_OFFENDER, _SECOND), strict=False))
        meshes = [_mesh(_placed(volume), paints.get(volume.link, _LINK)) for volume in view.volumes]
        pose, commanded = case.offending, case.commanded
        assert pose is not None
        if not view.volumes:
            self._bones = viewer.bones(pose)
        robot = [mesh.triangles for mesh in meshes]
        others = [
            mesh.triangles for mesh, volume in zip(meshes, view.volumes, strict=True) if volume.link not in offenders
        ]
        self._solid = np.concatenate([np.zeros((0, 3, 3)), *others])
        self.moved = commanded is not None and float(np.abs(commanded - pose).max()) > 1e-3
        if self.moved:
            assert commanded is not None
            ghosts = [_placed(volume) for volume in viewer.place(commanded)]
            meshes += [_mesh(ghost, _GHOST) for ghost in ghosts]
            robot += ghosts
            self._solid = np.concatenate([self._solid, *ghosts])
        cell = [_zone_mesh(zone, f"zones.{zone.name}" == case.subject.rule, view) for zone in zones]
        self._far = _join([*meshes, *cell])
        near = [
            mesh if volume.link in offenders else _faint(mesh)
            for mesh, volume in zip(meshes[: len(view.volumes)], view.volumes, strict=True)
        ]
        self._near = _join([*near, *cell])
        self._edges = [(edges(surface(zone.shape)), _ZONES[zone.kind][:3]) for zone in zones]
        seen = [part.reshape(-1, 3) for part in (*robot, self._bones) if len(part)]
        self._extent = np.concatenate([*seen, np.zeros((1, 3))])

    def draw(self, figure: Any, place: tuple[float, float, float, float], close: bool) -> None:
        from mpl_toolkits.mplot3d.art3d import Line3DCollection, Poly3DCollection

        axes: Any = figure.add_axes(place, projection="3d", proj_type="ortho")
        axes.computed_zorder = False
        axes.patch.set_visible(False)
        triangles, colours = self._near if close else self._far
        nearest = self._view.nearest
        if close and nearest is not None:
            centre = nearest.points.mean(axis=0)
            half = float(np.clip(0.06 + 3.0 * abs(nearest.distance), *_NEAR))
            near = (np.abs(triangles - centre).max(axis=2) < 8 * half).any(axis=1)
            triangles, colours = triangles[near], colours[near]
        if len(triangles):
            # Opaque triangles have edges of their own colour: no seams between them.
            rims = colours * (colours[:, 3:] == 1.0)
            axes.add_collection3d(
                Poly3DCollection(triangles, facecolors=colours, edgecolors=rims, linewidths=0.4, zorder=1)
            )
        if not close:
            for lines, colour in self._edges:
                axes.add_collection3d(Line3DCollection(lines, colors=[colour], linewidths=0.7, alpha=0.6, zorder=0))
        if len(self._bones):
            axes.add_collection3d(Line3DCollection(self._bones, colors=["0.3"], linewidths=3, zorder=1))
        if nearest is not None and self._spatial:
            axes.plot(*nearest.points.T, color="black", linewidth=1.8, marker="o", markersize=3.5, zorder=5)
        if close and nearest is not None:
            axes.view_init(*_look_at(nearest.points, self._solid, (10.0, 35.0, 65.0)))
            _fit(axes, np.stack([centre - half, centre + half]), 1.25)
            axes.text(*nearest.points.mean(axis=0), f"  {nearest.distance * 1e3:.1f} mm", fontsize=11, zorder=6)
            _frame_view(figure, place, f"{2e3 * half:.0f} mm around the nearest points")
        else:
            spot = self._extent.mean(axis=0) + np.zeros((2, 1)) if nearest is None else nearest.points
            axes.view_init(*_look_at(spot, self._solid, (18.0,)))
            _fit(axes, self._extent, 1.0)


def _join(meshes: Sequence[_Mesh]) -> _Mesh:
    triangles = np.concatenate([np.zeros((0, 3, 3)), *(mesh.triangles for mesh in meshes)])
    return _Mesh(triangles, np.concatenate([np.zeros((0, 4)), *(mesh.colours for mesh in meshes)]))


def _faint(mesh: _Mesh) -> _Mesh:
    return _Mesh(mesh.triangles, mesh.colours * np.array([1.0, 1.0, 1.0, _BESIDE]))


def _placed(volume: PlacedVolume) -> Matrix:
    return _split(tessellate(volume.shape, outside=False), _FINE) @ volume.turn.T + volume.shift


def _mesh(triangles: Matrix, paint: Paint) -> _Mesh:
    """Return triangles shaded by how they face the light."""
    normals = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    shade = 0.68 + 0.32 * np.abs(normals @ _LIGHT)
    colours = np.column_stack([np.clip(np.outer(shade, paint[:3]), 0.0, 1.0), np.full(len(triangles), paint[3])])
    return _Mesh(triangles, colours)


def _zone_mesh(zone: Zone, broken: bool, view: PoseView) -> _Mesh:
    """Return a zone's faces; the one in question stands out: of a keep-in zone the face that is too near."""
    triangles, paint = surface(zone.shape), _ZONES[zone.kind]
    if broken:
        paint = (*_OFFENDER[:3], _BROKEN)
        if zone.kind is ZoneKind.KEEP_IN and view.nearest is not None:
            triangles = _faces_through(triangles, view.nearest.points[1])
    elif not isinstance(zone.shape, HalfSpace):  # a half-space has no edges to be known by
        return _Mesh(np.zeros((0, 3, 3)), np.zeros((0, 4)))
    triangles = _split(triangles, _COARSE)
    return _Mesh(triangles, np.tile(np.array(paint), (len(triangles), 1)))


def _faces_through(triangles: Matrix, point: Vector) -> Matrix:
    normals = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    off = np.abs(((point - triangles[:, 0]) * normals).sum(axis=1))
    return np.asarray(triangles[off <= off.min() + 1e-6])


def _split(triangles: Matrix, longest: float) -> Matrix:
    """Quarter triangles until no side is longer, [m]: what is in front of what is told triangle by triangle."""
    done = []
    while len(triangles):
        sides = np.linalg.norm(triangles - np.roll(triangles, 1, axis=1), axis=2).max(axis=1)
        done.append(triangles[sides <= longest])
        a, b, c = triangles[sides > longest].transpose(1, 0, 2)
        ab, bc, ca = (a + b) / 2, (b + c) / 2, (c + a) / 2
        parts = ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))
        triangles = np.concatenate([np.stack(part, axis=1) for part in parts])
    return np.concatenate([np.zeros((0, 3, 3)), *done])


def _fit(axes: Any, points: Matrix, zoom: float) -> None:
    """Fit the view to points, with the same scale along every axis."""
    low, high = points.min(axis=0), points.max(axis=0)
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), zlim=(low[2], high[2]))
    axes.set_box_aspect(np.maximum(high - low, 1e-3), zoom=zoom)
    axes.set_axis_off()


def _look_at(points: Matrix, solid: Matrix, elevations: Sequence[float]) -> tuple[float, float]:
    """Choose from where to look at two points: little before them, the rest behind them, their distance at full length.

    Args:
        points: shape (2, 3), [m].
        solid: triangles that hide what is behind them, shape (t, 3, 3), [m].
        elevations: to choose from, [degrees].

    Returns:
        Elevation and azimuth, [degrees].
    """
    away = solid.mean(axis=1) - points.mean(axis=0)
    line = (points[1] - points[0]) / max(float(np.linalg.norm(points[1] - points[0])), 1e-9)

    middle = away.mean(axis=0) if len(away) else np.zeros(3)
    middle = middle / max(float(np.linalg.norm(middle)), 1e-9)

    extent = max(float(np.ptp(away[:, :2], axis=0).max()), 1e-9) if len(away) else 1.0

    def cost(view: tuple[float, float]) -> float:
        elevation, azimuth = np.radians(view)
        level = np.cos(elevation)
        ahead = np.array([level * np.cos(azimuth), level * np.sin(azimuth), np.sin(elevation)])
        depth = away @ ahead
        beside = np.linalg.norm(away - np.outer(depth, ahead), axis=1)
        hidden = int(((depth > 0.01) & (beside < _HIDES)).sum())
        wide = float(np.ptp(away @ np.array([-np.sin(azimuth), np.cos(azimuth), 0.0]))) / extent if len(away) else 0.0
        return hidden / max(len(away), 1) * 20.0 + abs(float(line @ ahead)) + 0.1 * float(middle @ ahead) - 0.6 * wide

    return min(((up, around) for up in elevations for around in range(-170, 190, 15)), key=cost)


def _frame_view(figure: Any, place: tuple[float, float, float, float], words: str) -> None:
    from matplotlib.patches import Rectangle

    x, y, width, height = place
    figure.add_artist(Rectangle((x, y), width, height, fill=False, edgecolor="0.7", linewidth=0.8))
    figure.text(x + 0.006, y + height - 0.03, words, color="0.45", fontsize=8)


def _draw_joints(figure: Any, place: tuple[float, float, float, float], case: Case) -> None:
    """Draw each joint's range and where it is commanded to be; the one in question in red."""
    axes = figure.add_axes(place)
    robot, limits = case.configuration.robot, case.configuration.envelope.joints
    for row, joint in enumerate(robot.joints):
        asked = joint == case.subject.joint
        axes.plot([0.0, 1.0], [row, row], color=_OFFENDER if asked else "0.75", linewidth=5, solid_capstyle="butt")
        low, high = float(limits.lower[row]), float(limits.upper[row])
        if case.commanded is not None:
            q = float(case.commanded[row])
            axes.plot([(q - low) / (high - low)], [row], "o", color="black", markersize=5)
            axes.text(0.5, row - 0.22, f"{low:.3f}   {q:.3f}   {high:.3f}", ha="center", fontsize=7.5, color="0.25")
        else:
            axes.text(0.5, row - 0.22, f"{low:.3f} to {high:.3f}", ha="center", fontsize=7.5, color="0.25")
    axes.set_yticks(range(len(robot.joints)), robot.joints, fontsize=8)
    axes.set_xticks([])
    axes.set_xlim(-0.08, 1.08)
    axes.set_ylim(len(robot.joints) - 0.4, -0.7)
    axes.set_frame_on(False)
    axes.tick_params(length=0)
    axes.set_title("commanded position between its limits, rad", fontsize=8.5, color="0.35")


def _write(figure: Any, case: Case, view: PoseView | None) -> None:
    """Write headline, cause, cure, facts and the legend."""
    nearest = None if view is None else view.nearest
    figure.text(
        0.012, 0.945, headline(case), fontsize=15, weight="bold", color=_OFFENDER if case.subject.code else "0.1"
    )
    code = case.subject.known_code
    if code is not None:
        figure.text(0.012, 0.905, code.cause, fontsize=9.5, color="0.2")
    lines = [*_wrap_facts(facts(case, nearest))]
    if code is not None:
        lines += ["", *textwrap.wrap(f"What to do: {code.cure}", 50)]
    for remark in remarks(case, nearest):
        lines += ["", *textwrap.wrap(remark, 50)]
    figure.text(0.668, 0.84, "\n".join(lines), fontsize=9, va="top", family="monospace", linespacing=1.35)
    _write_legend(figure, case)


def _wrap_facts(rows: Iterable[tuple[str, str]]) -> list[str]:
    lines: list[str] = []
    for name, value in rows:
        first, *rest = textwrap.wrap(value, 40) or [""]
        lines += [f"{name:<9} {first}", *(f"{'':<9} {line}" for line in rest)]
    return lines


def _write_legend(figure: Any, case: Case) -> None:
    pose, commanded = case.offending, case.commanded
    if pose is None:
        return
    words: Sequence[str] = ("solid: the commanded pose",)
    if is_spatial(case):
        pair = "red: link and zone" if len(case.subject.links) == 1 else "red and orange: the pair"
        words = ("solid: where it would be too near", pair)
        if commanded is None:
            words = (*words, "the commanded pose is not known")
        elif np.abs(commanded - pose).max() > 1e-3:
            words = (*words, "blue: commanded when it was decided")
    figure.text(0.012, 0.02, "; ".join(words), fontsize=8.5, color="0.4")
