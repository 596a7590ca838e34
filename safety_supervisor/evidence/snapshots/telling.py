"""How the things of a supervisor's state are told as plain data. See `graph.py`."""

from __future__ import annotations

import types
from collections import deque
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any, Final

import msgspec
import numpy as np
import pinocchio as pin

from safety_supervisor.core.geometry.strided import _Memory

ROOMS: Final = ("safety_supervisor.core.", "safety_supervisor.config.")
NATIVE: Final = (pin.Model, pin.Data, pin.GeometryModel, pin.GeometryData, _Memory)
"""Built by the configuration alone; of some of them is told what changes (`_native`)."""
encode: Final = msgspec.msgpack.Encoder().encode
_WORD: Final = 2**63


class NotTellableError(Exception):
    """The state holds something, in this moment, that is no data."""


def is_ours(kind: type) -> bool:
    """Return whether a class is the core's, with fields that change."""
    return kind.__module__.startswith(ROOMS) and not issubclass(kind, (Enum, msgspec.Struct, tuple))


def _slots(kind: type) -> Iterator[str]:
    for each in kind.__mro__:
        slots = each.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name not in ("__dict__", "__weakref__"):
                private = name.startswith("__") and not name.endswith("__")
                yield f"_{each.__name__.lstrip('_')}{name}" if private else name


def fields_of(thing: Any) -> list[tuple[str, Any]]:
    """Return the fields of an object of the core, as they are set now."""
    found = list(getattr(thing, "__dict__", {}).items())
    return found + [(name, getattr(thing, name)) for name in _slots(type(thing)) if hasattr(thing, name)]


def has_identity(thing: Any) -> bool:
    """Return whether it matters which one a thing is, as of all that can change."""
    kinds = (dict, list, deque, set, np.ndarray, types.FunctionType, *NATIVE)
    return isinstance(thing, kinds) or (is_ours(type(thing)) and not isinstance(thing, type))


class Teller:
    """Tells things; what is no fixture is numbered as it is met."""

    def __init__(self, fixtures: Mapping[int, int]) -> None:
        """Take the numbers of the fixtures by their ids."""
        self._fixtures = fixtures
        self.later: list[Any] = []
        self._numbers: dict[int, int] = {}

    def value(self, thing: Any) -> Any:
        """Tell what stands in a field: a plain value as it is, all else as a list that begins with its kind."""
        kind = type(thing)
        if thing is None or kind in (bool, float, str, bytes):
            return thing
        if kind is int:
            return thing if -_WORD <= thing < _WORD else ["int", str(thing)]
        if isinstance(thing, Enum):
            return ["enum", name_of(kind), thing.name]
        if isinstance(thing, type):
            return ["class", name_of(thing)]
        number = self._fixtures.get(id(thing))
        if number is not None:
            return ["fixture", number]
        if has_identity(thing):
            if isinstance(thing, (types.FunctionType, *NATIVE)):
                raise NotTellableError(f"{kind.__name__} {getattr(thing, '__qualname__', '')}")
            number = self._numbers.setdefault(id(thing), len(self.later))
            if number == len(self.later):
                self.later.append(thing)
            return ["later", number]
        if isinstance(thing, tuple):
            return ["tuple", "" if kind is tuple else name_of(kind), [self.value(each) for each in thing]]
        if isinstance(thing, msgspec.Struct):
            return ["struct", name_of(kind), [self.value(getattr(thing, name)) for name in kind.__struct_fields__]]
        return self._rare(thing)

    def _rare(self, thing: Any) -> Any:
        if type(thing) is frozenset:
            return ["frozenset", sorted((self.value(each) for each in thing), key=encode)]
        if isinstance(thing, np.generic):
            return ["scalar", thing.dtype.str, thing.tobytes()]
        if isinstance(thing, types.MethodType):
            return ["method", self.value(thing.__self__), thing.__func__.__name__]
        if type(thing) is slice:
            return ["slice", self.value(thing.start), self.value(thing.stop), self.value(thing.step)]
        if isinstance(thing, pin.SE3):
            return ["SE3", placement_of(thing)]
        if isinstance(thing, pin.Quaternion):
            return ["Quaternion", np.array(thing.coeffs()).tobytes()]
        if isinstance(thing, types.BuiltinFunctionType) and thing.__module__ == "math":
            return ["math", thing.__name__]
        raise NotTellableError(f"{type(thing).__module__}.{type(thing).__qualname__}")

    def content(self, thing: Any, whole: bool = False) -> Any:
        """Tell what a thing with an identity holds; `whole`: also what it is, for one that is no fixture."""
        if isinstance(thing, dict):
            _plain(thing, dict)
            return ["dict", [[self.value(key), self.value(value)] for key, value in thing.items()]]
        if isinstance(thing, list):
            _plain(thing, list)
            return ["list", [self.value(each) for each in thing]]
        if isinstance(thing, deque):
            return ["deque", thing.maxlen, [self.value(each) for each in thing]]
        if isinstance(thing, set):
            return ["set", sorted((self.value(each) for each in thing), key=encode)]
        if isinstance(thing, np.ndarray):
            return self._array(thing, whole)
        if isinstance(thing, types.FunctionType):
            return ["function", [self.value(cell.cell_contents) for cell in thing.__closure__ or ()]]
        if isinstance(thing, NATIVE):
            return ["native", _native(thing)]
        return ["object", name_of(type(thing)), [[name, self.value(value)] for name, value in fields_of(thing)]]

    def _array(self, array: Any, whole: bool) -> Any:
        base = array.base
        if array.dtype.hasobject:
            raise NotTellableError("an array of objects")
        if base is None or isinstance(base, (bytes, bytearray, memoryview)):  # of a message: the values count
            order = "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"
            told = array.tobytes(order)  # of shape and strides that are neither, the values count
            return ["array", array.dtype.str, list(array.shape), order, bool(array.flags.writeable), told]
        if not isinstance(base, np.ndarray):
            if whole:
                raise NotTellableError(f"an array over {type(base).__name__}")
            return ["outside"]  # memory of a fixture of Pinocchio's
        offset = array.__array_interface__["data"][0] - base.__array_interface__["data"][0]
        layout = [array.dtype.str, list(array.shape), list(array.strides), offset, bool(array.flags.writeable)]
        return ["view", self.value(base), *layout]


def _plain(thing: Any, kind: type) -> None:
    if type(thing) is not kind:
        raise NotTellableError(f"a {type(thing).__name__}")


def is_foreign(thing: Any) -> bool:
    """Return whether a thing is none that can be told, as a compiled policy: a constant of the configuration."""
    known: tuple[Any, ...] = (
        tuple,
        frozenset,
        np.generic,
        types.MethodType,
        slice,
        pin.SE3,
        pin.Quaternion,
        msgspec.Struct,
    )
    known += (types.BuiltinFunctionType, bool, float, int, str, bytes, type, Enum)
    return thing is not None and not has_identity(thing) and not isinstance(thing, known)


def name_of(kind: type) -> str:
    """Return the name by which a class is found again."""
    return f"{kind.__module__}:{kind.__qualname__}"


def placement_of(frame: Any) -> bytes:
    """Return rotation and translation (pinocchio.SE3), twelve doubles."""
    return np.array(frame.rotation).tobytes() + np.array(frame.translation).tobytes()


def frames_of(native: Any) -> tuple[Any, ...]:
    """Return the lists of placements of one of Pinocchio's objects that outlive a computation."""
    return (native.oMi, native.oMf) if isinstance(native, pin.Data) else ()


def _native(native: Any) -> list[bytes]:
    if isinstance(native, pin.GeometryModel):
        return [placement_of(body.placement) for body in native.geometryObjects]
    return [placement_of(frame) for frames in frames_of(native) for frame in frames]
