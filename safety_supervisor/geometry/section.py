"""Write the section `geometry` of a configuration file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

from safety_supervisor.core.geometry.shapes import BoundedShape, Box, Capsule, Cylinder, Point, Polytope, Sphere
from safety_supervisor.geometry.pairs import Pair, Standing


def render_section(
    volumes: Mapping[str, Sequence[BoundedShape]],
    notes: Mapping[str, str],
    pairs: Iterable[Pair],
    margin: float,
    source: str,
) -> str:
    """Return the section as YAML, with comments.

    A pair whose wrapped meshes are proven to keep the margin is left out with that reason. What a person has to decide
    stands as a comment.

    Args:
        volumes: shapes of each link.
        notes: a comment for each link.
        pairs: what was found about pairs.
        margin: distance to keep between bodies of the robot, [m].
        source: where the volumes come from, for the first line.
    """
    lines = [f"# Link volumes from {source}, each in its link's frame.", "geometry:", "  volumes:"]
    for link, shapes in volumes.items():
        lines.append(f"    {link}:  # {notes[link]}" if link in notes else f"    {link}:")
        lines += [f"      - {render_shape(shape)}" for shape in shapes]
    left_out, comments = [], []
    for pair in pairs:
        entry = f"- {{links: [{', '.join(pair.links)}], reason: {json.dumps(pair.reason)}}}"
        if pair.standing in (Standing.NEVER, Standing.LEFT_OUT):
            left_out.append(f"    {entry}")
        elif pair.standing is Standing.ALWAYS:
            comments += ["    # CONFIRM, then remove the '#'; or make the volumes smaller:", f"    # {entry}"]
        elif pair.standing is Standing.APPARENT:
            comments += [
                "    # CONFIRM that nothing else can bring them together, then remove the '#':",
                f"    # {entry}",
            ]
    lines += ["  left_out:" if left_out else "  left_out: []", *left_out, *comments, f"  margin: {margin:g}"]
    return "\n".join(lines) + "\n"


def shape_keys(shape: BoundedShape) -> dict[str, dict[str, object]]:
    """Return a shape as the mapping that the file holds."""
    match shape:
        case Sphere():
            return {"sphere": {"centre": _plain(shape.centre), "radius": shape.radius}}
        case Capsule() | Cylinder():
            ends = {"start": _plain(shape.start), "end": _plain(shape.end), "radius": shape.radius}
            return {"capsule" if isinstance(shape, Capsule) else "cylinder": dict(ends)}
        case Box():
            return {"box": {"centre": _plain(shape.centre), "size": _plain(shape.size), "rpy": _plain(shape.rpy)}}
        case Polytope():
            return {"polytope": {"vertices": [_plain(vertex) for vertex in shape.vertices]}}
    raise TypeError(f"{type(shape).__name__} is no shape that wraps a link")


def render_shape(shape: BoundedShape) -> str:
    """Return a shape on one line of YAML."""
    ((kind, keys),) = shape_keys(shape).items()
    return f"{kind}: {{{', '.join(f'{name}: {json.dumps(value)}' for name, value in keys.items())}}}"


def _plain(point: Point) -> list[float]:
    return [float(f"{value:.12g}") for value in point]
