"""How told things are put into a fresh supervisor. See `graph.py`."""

from __future__ import annotations

import importlib
import types
from collections import deque
from collections.abc import Sequence
from enum import Enum
from typing import Any

import msgspec
import numpy as np
import pinocchio as pin

from safety_supervisor.evidence.snapshots.telling import ROOMS, fields_of, frames_of, is_ours, name_of


class StateError(Exception):
    """Bytes that are no state of this configuration and code."""


class Reader:
    """Puts told things into the fixtures of a fresh supervisor."""

    def __init__(self, fixtures: Sequence[Any], later: list[Any]) -> None:
        """Take the fixtures by their numbers, and what is told of what came later."""
        self._fixtures = fixtures
        self._told = later
        self._later: list[Any] = [None] * len(later)

    def read(self, changed: list[Any]) -> None:
        """Bring the fixtures to what is told of those that changed."""
        for number, content in enumerate(self._told):
            self._later[number] = self._shell(content)
        for number, content in enumerate(self._told):
            if content[0] == "view":
                self._later[number] = self._look(content)
        pairs = [(self._fixtures[number], content) for number, content in changed]
        pairs += zip(self._later, self._told, strict=True)
        # What is hashed, a key or a member of a set, has to be whole before.
        for hashing in (False, True):
            for thing, content in pairs:
                if (content[0] in ("dict", "set")) == hashing:
                    self._fill(thing, content)

    def _shell(self, content: Any) -> Any:
        kind = content[0]
        if kind == "object":
            cls = _class(content[1])
            if not is_ours(cls):
                raise StateError(f"{content[1]} is no class of the core")
            return object.__new__(cls)
        if kind == "array":
            return np.empty(content[2], np.dtype(content[1]), order=content[3])
        if kind == "deque":
            return deque(maxlen=content[1])
        if kind == "view":
            return None
        return {"dict": dict, "list": list, "set": set}[kind]()

    def _look(self, content: Any) -> Any:
        base = self.value(content[1])
        if not isinstance(base, np.ndarray):
            raise StateError("a view of no array")
        dtype, shape, strides, offset, _ = content[2:]
        # As a slice of bytes, which numpy keeps inside of what the base owns.
        view = np.ndarray(tuple(shape), np.dtype(dtype), base.reshape(-1, order="A").view(np.uint8), offset, strides)
        return view

    def _fill(self, thing: Any, content: Any) -> None:
        kind = content[0]
        if kind == "object":
            self._fill_object(thing, content)
        elif kind == "dict":
            told = [(self.value(key), self.value(value)) for key, value in content[1]]
            thing.clear()
            thing.update(told)
        elif kind in ("list", "deque", "set"):
            told = [self.value(each) for each in content[-1]]
            thing.clear()
            (thing.update if kind == "set" else thing.extend)(told)
        elif kind == "array":
            _, dtype, shape, order, writeable, data = content
            thing.setflags(write=True)
            thing[...] = np.frombuffer(data, np.dtype(dtype)).reshape(shape, order=order)
            thing.setflags(write=writeable)
        elif kind == "view":
            if thing.flags.writeable != content[-1]:
                thing.setflags(write=content[-1])
        elif kind == "function":
            for cell, told in zip(thing.__closure__ or (), content[1], strict=True):
                cell.cell_contents = self.value(told)
        elif kind == "native":
            self._fill_native(thing, content[1])

    def _fill_object(self, thing: Any, content: Any) -> None:
        if name_of(type(thing)) != content[1]:
            raise StateError(f"{content[1]} stands in the place of {name_of(type(thing))}")
        told = {name: self.value(value) for name, value in content[2]}
        for name, _ in fields_of(thing):
            if name not in told:
                object.__delattr__(thing, name)
        for name, value in told.items():
            object.__setattr__(thing, name, value)

    @staticmethod
    def _fill_native(thing: Any, told: list[bytes]) -> None:
        if isinstance(thing, pin.GeometryModel):
            for body, data in zip(thing.geometryObjects, told, strict=True):
                body.placement = _frame(data)
            return
        at = iter(told)
        for frames in frames_of(thing):
            for index in range(len(frames)):
                frame = _frame(next(at))
                # Into its memory, which views look at.
                frames[index].rotation, frames[index].translation = frame.rotation, frame.translation

    def value(self, told: Any) -> Any:
        """Return what stands in a field."""
        if not isinstance(told, list):
            return told
        kind, *rest = told
        if kind == "fixture":
            return self._fixtures[rest[0]]
        if kind == "later":
            return self._later[rest[0]]
        if kind == "tuple":
            items = [self.value(each) for each in rest[1]]
            return tuple(items) if not rest[0] else tuple.__new__(_of(rest[0], tuple), items)
        if kind == "struct":
            cls = _of(rest[0], msgspec.Struct)
            names = cls.__struct_fields__
            return cls(**dict(zip(names, (self.value(each) for each in rest[1]), strict=True)))
        if kind == "enum":
            return _of(rest[0], Enum)[rest[1]]
        if kind == "method":
            return types.MethodType(_function(type(self.value(rest[0])), rest[1]), self.value(rest[0]))
        return self._rare(kind, rest)

    def _rare(self, kind: str, rest: list[Any]) -> Any:
        if kind == "int":
            return int(rest[0])
        if kind == "class":
            return _class(rest[0])
        if kind == "frozenset":
            return frozenset(self.value(each) for each in rest[0])
        if kind == "scalar":
            return np.frombuffer(rest[1], np.dtype(rest[0]))[0]
        if kind == "slice":
            return slice(*(self.value(each) for each in rest))
        if kind == "SE3":
            return _frame(rest[0])
        if kind == "Quaternion":
            return pin.Quaternion(np.frombuffer(rest[0]))
        if kind == "math":
            return getattr(importlib.import_module("math"), rest[0])
        raise StateError(f"{kind!r} is nothing that a state holds")


def _class(name: str) -> Any:
    """Return a class of the core, or a plain one, by its name; nothing is imported that is not the core."""
    module, _, path = name.partition(":")
    if not (module.startswith(ROOMS) or name in ("builtins:float", "builtins:int", "builtins:str", "builtins:bool")):
        raise StateError(f"{name} is no class of the core")
    found: Any = importlib.import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    if not isinstance(found, type):
        raise StateError(f"{name} is no class")
    return found


def _of(name: str, kind: type) -> Any:
    found = _class(name)
    if not issubclass(found, kind):
        raise StateError(f"{name} is no {kind.__name__}")
    return found


def _function(kind: type, name: str) -> Any:
    found = getattr(kind, name)
    if not (is_ours(kind) and isinstance(found, types.FunctionType)):
        raise StateError(f"{name} is no method of {kind.__name__}")
    return found


def _frame(data: bytes) -> Any:
    numbers = np.frombuffer(data)
    return pin.SE3(numbers[:9].reshape(3, 3), numbers[9:])
