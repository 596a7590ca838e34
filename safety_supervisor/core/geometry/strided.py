"""Fields of equal C++ objects in one array, seen by numpy as one view, so that one copy reads them all.

Pinocchio hands out results one Python object at a time, which costs more than computing them. The objects lie in one
std::vector, so their fields lie a constant number of bytes apart. Whoever uses a view checks it against the slow
reading when it is built, and keeps alive what owns the memory.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


class StrideError(ValueError):
    """The fields do not lie equally far apart."""


class _Memory:
    """Memory for numpy to look at (https://numpy.org/doc/stable/reference/arrays.interface.html)."""

    def __init__(self, address: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> None:
        self.__array_interface__ = {
            "version": 3,
            "typestr": np.dtype(np.float64).str,
            "data": (address, True),
            "shape": shape,
            "strides": strides,
        }


def strided_view(
    fields: Sequence[NDArray[np.float64]], offset: int = 0, scalar: bool = False, run: int = 0
) -> NDArray[np.float64]:
    """Return one view of a field of many objects.

    Args:
        fields: views of the field, one an object, in the objects' order; each of the same shape and strides.
        offset: bytes from the field to what is wanted.
        scalar: whether that is one double rather than an array like the field.
        run: whether that is so many doubles one after the other.

    Returns:
        Shape (len(fields), *shape of the field), (len(fields),) for scalars, or (len(fields), run); read-only.

    Raises:
        StrideError: when the objects do not lie in one array.
    """
    first = fields[0]
    addresses = [field.__array_interface__["data"][0] for field in fields]
    steps = {after - before for before, after in itertools.pairwise(addresses)} or {8 * first.size}
    alike = {(field.shape, field.strides) for field in fields}
    stride = steps.pop()
    if steps or len(alike) != 1 or stride < first.nbytes or stride % 8 != 0:
        raise StrideError("not in one array")
    if 8 * run > stride:
        raise StrideError("too near to each other")
    shape, strides = ((), ()) if scalar else ((run,), (8,)) if run else (first.shape, first.strides)
    return np.asarray(_Memory(addresses[0] + offset, (len(fields), *shape), (stride, *strides)))
