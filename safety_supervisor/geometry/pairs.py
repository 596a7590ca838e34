"""Which pairs of links may be left out of the supervisor's checks, and what is proven about that.

This is for the *configuration*: pairs whose volumes touch where the links do not. A pair whose volumes can not touch
inside the URDF's limits needs no entry: the supervisor proves that at its start and leaves it out by itself
(`core.geometry.never_touch`). All others it measures in the control cycle.

Sampled poses prove nothing: what no sample hit may still happen. They serve to find candidates. A proof covers *all*
poses: the joints between two links span a box; at the middle of a cell of it the distance is known, and within the cell
it differs by no more than reach * half width. Cells are halved until that decides.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

import numpy as np

from safety_supervisor.core.geometry.shapes import BoundedShape
from safety_supervisor.core.units import Matrix, Vector
from safety_supervisor.geometry.bodies import Body
from safety_supervisor.geometry.kinematics import Kinematics, between

JOINTS_OF_A_PROOF: Final = 2
"""Over more joints between two links a proof takes too many cells."""
_CELLS: Final = 6000
_TIGHT: Final = 0.8
"""A bound this near to a distance that was seen is good enough."""
_MESH_POSES: Final = 50
"""Sampled poses at which meshes are looked at; they take much longer than volumes."""
_NEAR: Final = 0.02
"""Volumes that came so near are worth a proof that the meshes do not, [m]."""


class Standing(str, Enum):
    """What was found about a pair of links."""

    NEIGHBOURS = "neighbours"
    """A joint joins them: left out by itself."""
    RIGID = "rigid"
    """Nothing moves them against each other: left out by itself."""
    LEFT_OUT = "left out"
    """The configuration leaves them out, with a reason."""
    ALWAYS = "always overlaps"
    """The volumes overlap at every sampled pose."""
    NEVER = "never touches"
    """The wrapped meshes are proven to keep the margin at every pose, though the volumes come near."""
    APPARENT = "seems never to touch"
    """Proven for less than the margin, or for the visual meshes alone: a person decides."""
    CHECKED = "checked"
    """The supervisor keeps them apart; nothing speaks for leaving them out."""


NOT_LEFT_OUT: Final = (Standing.ALWAYS, Standing.APPARENT, Standing.CHECKED)
"""Pairs that the supervisor keeps apart, as long as nobody adds a reason to the configuration."""


@dataclass(frozen=True)
class Pair:
    """Two links, and what was found.

    Attributes:
        links: their names.
        standing: what was found.
        overlapping: part of the sampled poses at which the volumes overlap.
        nearest: least distance of the volumes at a sampled pose, [m], negative where they overlap.
        proven: whether the finding holds for every pose, not for the samples alone.
        reason: in words; a person has to confirm it.
    """

    links: tuple[str, str]
    standing: Standing
    overlapping: float = 0.0
    nearest: float = 0.0
    proven: bool = False
    reason: str = ""


def examine_pairs(
    kinematics: Kinematics,
    volumes: Mapping[str, Sequence[BoundedShape]],
    surfaces: Sequence[tuple[str, Callable[[str], Body | None]]],
    margin: float,
    chance: np.random.Generator,
    poses: int = 1000,
    left_out: Mapping[frozenset[str], str] | None = None,
    seen: Callable[[], None] = lambda: None,
) -> tuple[Pair, ...]:
    """Look at every pair of links that have volumes.

    Args:
        kinematics: the tree.
        volumes: shapes of each link, in its frame.
        surfaces: for proofs, what was wrapped and what is shown: a name, and a way to a link's surface.
        margin: what bodies must keep, [m].
        chance: what poses are drawn from.
        poses: number of sampled poses.
        left_out: pairs that the configuration leaves out, with its reason.
        seen: called after each pair, for a progress bar.

    Returns:
        One finding for every pair, in the order of `volumes`.
    """
    bodies = {link: Body.of_shapes(shapes) for link, shapes in volumes.items()}
    placements = [
        kinematics.placements({name: float(chance.uniform(*ends)) for name, ends in kinematics.ranges.items()})
        for _ in range(poses)
    ]
    found = []
    for first, second in itertools.combinations(volumes, 2):
        links = first, second
        reason = (left_out or {}).get(frozenset(links), "")
        if kinematics.neighbours(*links):
            found.append(Pair(links, Standing.NEIGHBOURS, reason="a joint joins them"))
        elif not kinematics.between(*links):
            found.append(Pair(links, Standing.RIGID, reason="nothing moves them against each other"))
        else:
            distances = [bodies[first].distance(bodies[second], *between(at[first], at[second])) for at in placements]
            overlapping = sum(distance <= 0.0 for distance in distances) / len(distances)
            pair = Pair(links, Standing.CHECKED, overlapping, min(distances))
            pair = _prove(pair, kinematics, bodies, surfaces, margin, placements)
            found.append(replace(pair, standing=Standing.LEFT_OUT, reason=reason) if reason else pair)
        seen()
    return tuple(found)


def _prove(
    pair: Pair,
    kinematics: Kinematics,
    bodies: Mapping[str, Body],
    surfaces: Sequence[tuple[str, Callable[[str], Body | None]]],
    margin: float,
    placements: Sequence[Mapping[str, tuple[Matrix, Vector]]],
) -> Pair:
    """Return the pair as a candidate for leaving out, with what is proven, or as it is."""
    first, second = pair.links
    joints = kinematics.between(*pair.links)
    joined = f"{'only ' if len(joints) < 3 else ''}{' and '.join(joints)} between them"
    few = len(joints) <= JOINTS_OF_A_PROOF
    if pair.overlapping == 1.0:
        proven = few and _always_overlap(kinematics, pair.links, bodies[first], bodies[second])
        how = "at every pose, proven" if proven else "at every sampled pose, not proven"
        apart = _mesh_clearance(pair.links, kinematics, surfaces) if few else None
        meshes = _told_clearance(*apart[1:]) if apart else _told_touching(pair.links, surfaces, placements)
        reason = f"volumes overlap by design at the common joint: {joined}; they overlap {how}; {meshes}"
        return replace(pair, standing=Standing.ALWAYS, proven=proven, reason=reason)
    if pair.nearest < _NEAR and few:
        apart = _mesh_clearance(pair.links, kinematics, surfaces)
        if apart is not None:
            wrapped, kind, clear = apart
            standing = Standing.NEVER if wrapped and clear >= margin else Standing.APPARENT
            return replace(pair, standing=standing, proven=True, reason=f"{_told_clearance(kind, clear)}; {joined}")
    return pair


def _mesh_clearance(
    links: tuple[str, str], kinematics: Kinematics, surfaces: Sequence[tuple[str, Callable[[str], Body | None]]]
) -> tuple[bool, str, float] | None:
    """Prove two meshes apart at every pose: whether they are those that were wrapped, their kind, and how far, [m]."""
    for wrapped, (kind, surface) in zip((True, False), surfaces, strict=False):
        one, other = surface(links[0]), surface(links[1])
        clear = clearance(kinematics, links, one, other) if one is not None and other is not None else 0.0
        if clear > 0.0:
            return wrapped, kind, clear
    return None


def _told_clearance(kind: str, clear: float) -> str:
    return (
        f"{kind} meshes stay {math.floor(clear * 1e4) / 10:g} mm or more apart at every pose within the URDF's limits, "
        "proven"
    )


def _told_touching(
    links: tuple[str, str],
    surfaces: Sequence[tuple[str, Callable[[str], Body | None]]],
    placements: Sequence[Mapping[str, tuple[Matrix, Vector]]],
) -> str:
    """Say how often the meshes touch that are not proven apart."""
    bodies = [(kind, surface(links[0]), surface(links[1])) for kind, surface in surfaces]
    found = [(kind, one, other) for kind, one, other in bodies if one is not None and other is not None]
    if not found:
        return "there are no meshes to compare"
    kind, one, other = found[0]
    some = placements[:_MESH_POSES]
    touching = sum(one.distance(other, *between(at[links[0]], at[links[1]])) <= 0.0 for at in some)
    return f"{kind} meshes are not proven apart and touch at {touching / len(some):.0%} of {len(some)} sampled poses"


def clearance(kinematics: Kinematics, links: tuple[str, str], first: Body, second: Body) -> float:
    """Return a proven lower bound of the distance of two bodies over all poses, [m]; 0 when none was proven.

    Surfaces that never touch are apart, or one is inside the other, at all poses alike, since poses are connected.
    """
    return _bound(kinematics, links, first, second, 1.0)


def _always_overlap(kinematics: Kinematics, links: tuple[str, str], first: Body, second: Body) -> bool:
    """Whether two bodies are proven to overlap at every pose."""
    return _bound(kinematics, links, first, second, -1.0) > 0.0


def _bound(kinematics: Kinematics, links: tuple[str, str], first: Body, second: Body, sign: float) -> float:
    """Return a proven lower bound of sign * distance over all poses; 0 when none above 0 was found."""
    reach = kinematics.reach(*links, (first.ball, second.ball))
    names = list(reach)
    weights = np.array([reach[name] for name in names])
    ranges = np.array([kinematics.ranges[name] for name in names])

    def cell(middle: Vector, half: Vector) -> tuple[float, float, tuple[float, ...], tuple[float, ...]]:
        placement = kinematics.relative(*links, dict(zip(names, middle.tolist(), strict=True)))
        value = sign * first.distance(second, *placement)
        return value - float(weights @ half), value, tuple(middle), tuple(half)

    heap = [cell(ranges.mean(axis=1), (ranges[:, 1] - ranges[:, 0]) / 2)]
    least = heap[0][1]
    for _ in range(_CELLS):
        lower, _, middle, half = heap[0]
        if least <= 0.0:
            return 0.0
        if lower >= _TIGHT * least:
            return lower
        heapq.heappop(heap)
        axis = int(np.argmax(weights * np.array(half)))
        smaller = np.array(half)
        smaller[axis] /= 2
        for side in (-1.0, 1.0):
            moved = np.array(middle)
            moved[axis] += side * smaller[axis]
            added = cell(moved, smaller)
            heapq.heappush(heap, added)
            least = min(least, added[1])
    # Every pose lies in one of the cells, so the lowest of their bounds holds, tight or not.
    return max(heap[0][0], 0.0)
