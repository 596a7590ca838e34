"""Pairs of bodies that can not touch whatever the joints do, proven by branch and bound.

How near a pair is depends on the joints between its bodies alone. Where these are one or two, their whole range is
covered by boxes of joint positions: at the middle of a box the distance is computed, and everywhere in the box it is
smaller by no more than the pair's reach allows. What is proven for the URDF's limits is left out of the control cycle.
The box that may come nearest is tried first: the boxes of a proof are the same in any order, a touch is found sooner.
This is a proof and no sampling: a pair that it can not decide within its budget stays in.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from typing import Final

import numpy as np

from safety_supervisor.core.units import Vector

MOST_JOINTS: Final = 2
BOXES: Final = 200
"""Boxes that are tried for one pair."""


def never_touches(
    distance: Callable[[Vector], float], reach: Vector, needed: float, lower: Vector, upper: Vector
) -> bool:
    """Whether a pair keeps a distance at all joint positions between two bounds.

    Args:
        distance: signed distance of the pair at a pose, shape (n,), [m].
        reach: how much a joint can take from it, shape (n,), [m/rad] or [m/m].
        needed: the distance, [m].
        lower: least joint positions, finite where `reach` is not zero, shape (n,), [rad] or [m].
        upper: greatest ones.
    """
    joints = np.flatnonzero(reach)
    if len(joints) > MOST_JOINTS or not np.isfinite(lower[joints]).all() or not np.isfinite(upper[joints]).all():
        return False
    middle = np.zeros(len(reach))
    middle[joints] = (lower[joints] + upper[joints]) / 2
    half = np.zeros(len(reach))
    half[joints] = (upper[joints] - lower[joints]) / 2
    number = count()
    boxes = [(0.0, next(number), middle, half)]
    for _ in range(BOXES):
        if not boxes:
            return True
        _, _, middle, half = heappop(boxes)
        room = distance(middle) - needed
        if not room > 0.0:
            return False
        if float(reach @ half) < room:
            continue
        axis = int(np.argmax(reach * half))
        half = half.copy()
        half[axis] /= 2
        step = np.zeros(len(reach))
        step[axis] = half[axis]
        least = room - float(reach @ half)
        heappush(boxes, (least, next(number), middle - step, half))
        heappush(boxes, (least, next(number), middle + step, half))
    return not boxes
