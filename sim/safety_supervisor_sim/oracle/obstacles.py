"""What stands in a judged cell."""

from __future__ import annotations

from dataclasses import dataclass

Point = tuple[float, float, float]


@dataclass(frozen=True)
class Block:
    """An upright box between two corners, base frame, [m]."""

    low: Point
    high: Point


@dataclass(frozen=True)
class Pole:
    """An upright cylinder, base frame, [m]."""

    x: float
    y: float
    radius: float
    bottom: float
    top: float


Obstacle = Block | Pole


def around(low: Point, high: Point, thickness: float = 1.0) -> dict[str, Block]:
    """Return six blocks that leave only the inside of a box free."""
    blocks = {}
    for axis, letter in enumerate("xyz"):
        for side, name in ((low, "below"), (high, "above")):
            a, b = [value - thickness for value in low], [value + thickness for value in high]
            if side is low:
                b[axis] = low[axis]
            else:
                a[axis] = high[axis]
            blocks[f"{letter}_{name}"] = Block((a[0], a[1], a[2]), (b[0], b[1], b[2]))
    return blocks
