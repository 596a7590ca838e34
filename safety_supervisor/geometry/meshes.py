"""Do the volumes hold the meshes? What `check-config` asks of them, with every problem as one of the configuration."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safety_supervisor.config.codes import ConfigurationCode as Code
from safety_supervisor.config.problems import Problems
from safety_supervisor.core.geometry.shapes import BoundedShape
from safety_supervisor.geometry.coverage import Coverage, measure_coverage
from safety_supervisor.geometry.progress import Progress
from safety_supervisor.geometry.surfaces import LinkSurface, read_links


@dataclass(frozen=True)
class MeshFit:
    """How a link's mesh fits its volumes.

    Attributes:
        link: its name.
        kind: `collision` or `visual`, what was measured.
        triangles: of its mesh files and primitives.
        coverage: how far they stick out of the volumes.
    """

    link: str
    kind: str
    triangles: int
    coverage: Coverage


@dataclass(frozen=True)
class MeshReport:
    """What became of the meshes of all links with volumes.

    Attributes:
        fits: of each link whose geometry was measured.
        bare: links that have volumes and no geometry in the URDF: there is nothing to measure.
        unread: links whose geometry can not be read, with what is wrong.
    """

    fits: tuple[MeshFit, ...]
    bare: tuple[str, ...]
    unread: dict[str, tuple[str, ...]]


def surface_coverage(surface: LinkSurface, shapes: Sequence[BoundedShape]) -> Coverage:
    """Bound how far a link's surface sticks out of its volumes, at least one."""
    # Primitives taken as they are lie inside; their tessellation, which wraps them, would not.
    loose = tuple(shape for shape in surface.primitives if shape not in shapes)
    checked = LinkSurface(surface.link, surface.kind, loose, surface.mesh, surface.files).triangles
    return measure_coverage(shapes, checked) if len(checked) else Coverage(0.0, 0.0, (0.0, 0.0, 0.0), 0)


def measure_meshes(
    volumes: Mapping[str, Sequence[BoundedShape]], urdf: str, directory: Path, progress: Progress
) -> MeshReport:
    """Measure every link with volumes; nothing is left out silently.

    Args:
        volumes: at least one shape of each link, in its frame.
        urdf: the URDF's text.
        directory: where the URDF lies; relative mesh paths start there.
        progress: told how far the work is.
    """
    fits: list[MeshFit] = []
    unread: dict[str, tuple[str, ...]] = {}
    bare = dict.fromkeys(volumes)
    done = progress("meshes inside volumes", len(volumes))
    for read in read_links(urdf, directory, only=frozenset(volumes)):
        surface = read.surface
        if read.problems:
            unread[read.link] = read.problems
        elif surface is not None:
            coverage = surface_coverage(surface, volumes[read.link])
            fits.append(MeshFit(read.link, surface.kind, len(surface.triangles), coverage))
        if read.problems or surface is not None:
            del bare[read.link]
        done()
    return MeshReport(tuple(fits), tuple(bare), unread)


def judge_meshes(report: MeshReport, problems: Problems) -> None:
    """Note every mesh that is not proven to lie inside its volumes, and every one that can not be read."""
    for fit in report.fits:
        if not fit.coverage.inside:
            problems.add(f"geometry.volumes.{fit.link}", Code.MESH, excess(fit))
    for link, found in report.unread.items():
        for problem in found:
            problems.add(f"geometry.volumes.{link}", Code.MESH_FILE, f"is not measured against its mesh: {problem}")


def summarise_meshes(report: MeshReport) -> dict[str, Any]:
    """Return what was measured as plain values for programs, [m]; null where a bound is not finite."""
    return {
        "links": {
            fit.link: {
                "geometry": fit.kind,
                "triangles": fit.triangles,
                "inside": fit.coverage.inside,
                "excess": {
                    "least": fit.coverage.least,
                    "most": fit.coverage.most if math.isfinite(fit.coverage.most) else None,
                },
                "excess_at": list(fit.coverage.where),
            }
            for fit in report.fits
        },
        "without_geometry": list(report.bare),
        "unread": {link: list(found) for link, found in report.unread.items()},
    }


def excess(fit: MeshFit) -> str:
    """Say by how much a mesh sticks out, [mm], and where in the link's frame, [m]."""
    coverage, mesh = fit.coverage, f"the {fit.kind} mesh"
    if coverage.least > 0.0:
        x, y, z = coverage.where
        return (
            f"{mesh} sticks out by {coverage.least * 1e3:.2f} mm at [{x:.4f}, {y:.4f}, {z:.4f}] m of the link, "
            f"in {coverage.triangles} of its triangles or more"
        )
    return f"{mesh} is not proven to lie inside: it may stick out by {coverage.most * 1e3:.3g} mm"
