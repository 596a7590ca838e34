"""What `geometry propose` and `geometry check` find out about a robot, as plain values."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np

from safety_supervisor.config import bounds
from safety_supervisor.config import urdf as urdf_file
from safety_supervisor.config.link_volumes import LinkVolumes, load_link_volumes
from safety_supervisor.core.geometry.shapes import BoundedShape
from safety_supervisor.core.units import Matrix
from safety_supervisor.geometry.bodies import Body
from safety_supervisor.geometry.capsule import fit_capsule
from safety_supervisor.geometry.coverage import Coverage
from safety_supervisor.geometry.kinematics import Kinematics
from safety_supervisor.geometry.meshes import surface_coverage
from safety_supervisor.geometry.pairs import Pair, Standing, examine_pairs
from safety_supervisor.geometry.partition import WORTH, protrusion, wrap
from safety_supervisor.geometry.polytope import wrap_in_polytopes
from safety_supervisor.geometry.progress import Progress
from safety_supervisor.geometry.surfaces import LinkSurface, SurfaceError, read_surfaces

_PROTRUSION_TRIANGLES = 5000
_SIMPLE_TRIANGLES = 1000


@dataclass(frozen=True)
class LinkFinding:
    """How a link's volumes fit its surface.

    Attributes:
        link: its name.
        kind: `collision` or `visual`, what the surface is made of.
        triangles: of the surface, primitives tessellated.
        volumes: number of its volumes.
        coverage: how far the surface sticks out of the volumes.
        protrusion: how far the volumes stick out of the surface, seen at points of theirs, [m].
    """

    link: str
    kind: str
    triangles: int
    volumes: int
    coverage: Coverage
    protrusion: float


@dataclass(frozen=True)
class Study:
    """Everything that was found.

    Attributes:
        robot: model, volumes and pairs left out.
        kinematics: its tree.
        surfaces: of each link that has one.
        findings: one for each link with a surface.
        pairs: one for each two links with volumes.
        unwrapped: links with a surface and without volumes.
    """

    robot: LinkVolumes
    kinematics: Kinematics
    surfaces: dict[str, LinkSurface]
    findings: tuple[LinkFinding, ...]
    pairs: tuple[Pair, ...]
    unwrapped: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        """Whether every surface is proven inside its volumes, and pairs that overlap at every sample are left out."""
        return (
            not self.unwrapped
            and all(finding.coverage.inside for finding in self.findings)
            and not any(pair.standing is Standing.ALWAYS for pair in self.pairs)
        )


def open_robot(source: str) -> LinkVolumes:
    """Read a URDF, or a configuration with or without the section `geometry`.

    Args:
        source: path of a YAML file; or of a URDF, also as `package://PACKAGE/PATH` or `example-robot-data://PATH`.

    Raises:
        ConfigurationError: the configuration is not usable.
        UrdfError: the URDF is not usable.
        OSError: it can not be read.
    """
    if source.lower().endswith((".yaml", ".yml")):
        return load_link_volumes(Path(source), volumes_needed=False)
    place = urdf_file.find_urdf(source, Path.cwd())
    urdf, tree = urdf_file.parse_urdf(bounds.read_bounded(place, urdf_file.MAXIMUM_BYTES))
    return LinkVolumes(place, place, urdf, tree, {}, {}, {}, 0.01)


def propose(
    robot: LinkVolumes,
    per_link: int,
    seed: int,
    poses: int,
    progress: Progress,
    enough: float = 0.0,
    shown: bool = False,
) -> Study:
    """Find volumes for every link that has a surface, and pairs that may be left out.

    Args:
        robot: its model; volumes that it has are not looked at.
        per_link: greatest number of volumes of a link.
        seed: of the search; the same seed gives the same volumes.
        poses: number of sampled poses for pairs.
        progress: told how far the work is.
        enough: volumes that stick out by no more are taken, [m]: one capsule, else as few
            polytopes as do.
        shown: whether to wrap what is shown, too, where a link has collision geometry.

    Raises:
        SurfaceError: a mesh can not be read.
    """
    surfaces = read_surfaces(robot.urdf, robot.urdf_path.parent, every=shown)
    done = progress("volumes", len(surfaces))
    volumes: dict[str, tuple[BoundedShape, ...]] = {}
    for link, surface in surfaces.items():
        if not len(surface.mesh) and len(surface.primitives) <= per_link:
            volumes[link] = surface.primitives
        else:
            volumes[link] = _tightest(surface.triangles, per_link, np.random.default_rng(seed), enough)
        done()
    # What an earlier version left out was said of other volumes.
    return study(replace(robot, volumes=volumes, left_out={}), surfaces, seed, poses, progress)


def study(robot: LinkVolumes, surfaces: dict[str, LinkSurface], seed: int, poses: int, progress: Progress) -> Study:
    """Measure how volumes fit surfaces, and look at every pair of links."""
    kinematics = Kinematics(robot.urdf, robot.tree, robot.locked)
    wrapped = {link: surface for link, surface in surfaces.items() if robot.volumes.get(link)}
    done = progress("meshes inside volumes", len(wrapped))
    findings = []
    for link, surface in wrapped.items():
        shapes, triangles = robot.volumes[link], surface.triangles
        coverage = surface_coverage(surface, shapes)
        fitting = _thin(triangles)
        findings.append(
            LinkFinding(link, surface.kind, len(triangles), len(shapes), coverage, protrusion(shapes, fitting))
        )
        done()
    pairs = examine_pairs(
        kinematics, robot.volumes, _surfaces_by_kind(robot, surfaces), robot.margin, np.random.default_rng(seed), poses,
        robot.left_out, progress("pairs of links", len(robot.volumes) * (len(robot.volumes) - 1) // 2),
    )  # fmt: skip
    return Study(
        robot, kinematics, surfaces, tuple(findings), pairs,
        tuple(link for link in surfaces if not robot.volumes.get(link)),
    )  # fmt: skip


def _tightest(triangles: Matrix, most: int, chance: np.random.Generator, enough: float) -> tuple[BoundedShape, ...]:
    """Wrap a surface in capsules, or in polytopes where those stick out less, counting what each volume more costs."""
    if enough > 0.0:
        return _simplest(triangles, most, chance, enough)
    seen = _thin(triangles)
    rounded, flat = wrap(triangles, most, chance), wrap_in_polytopes(triangles, most)
    found = [(WORTH ** -len(shapes) * protrusion(shapes, seen), shapes) for shapes in (rounded, flat) if shapes]
    return min(found, key=lambda one: one[0])[1]


def _simplest(triangles: Matrix, most: int, chance: np.random.Generator, enough: float) -> tuple[BoundedShape, ...]:
    """Return one capsule, else as few polytopes as do not stick out by more than is allowed; the best where none do."""
    seen = _thin(triangles, _SIMPLE_TRIANGLES)
    best: tuple[BoundedShape, ...] = (fit_capsule(triangles.reshape(-1, 3), chance),)
    least = protrusion(best, seen)
    for count in range(1, most + 1):
        if least <= enough:
            break
        found = wrap_in_polytopes(triangles, count)
        sticking_out = protrusion(found, seen) if found else math.inf
        if sticking_out < least:
            best, least = found, sticking_out
    return best


def _thin(triangles: Matrix, most: int = _PROTRUSION_TRIANGLES) -> Matrix:
    """Return every k-th triangle of a fine mesh: enough to see how far volumes stick out."""
    return triangles[:: max(1, len(triangles) // most)]


def _surfaces_by_kind(
    robot: LinkVolumes, surfaces: dict[str, LinkSurface]
) -> Sequence[tuple[str, Callable[[str], Body | None]]]:
    """Return ways to the links' surfaces: what was wrapped first, then what is shown, each read when it is needed."""

    @cache
    def wrapped(link: str) -> Body | None:
        return Body.of_surface(surfaces[link].triangles) if link in surfaces else None

    @cache
    def visual(link: str) -> Body | None:
        try:
            found = read_surfaces(robot.urdf, robot.urdf_path.parent, ("visual",), {link})
        except SurfaceError:
            return None
        return Body.of_surface(found[link].triangles) if link in found else None

    return ("collision", wrapped), ("visual", visual)
