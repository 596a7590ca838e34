"""What intake makes of a command: well-formed and in configuration order, or refused with a reason."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from safety_supervisor.core.errors import Code, Violation
from safety_supervisor.core.intake.idempotency import Earlier
from safety_supervisor.core.settings import CommandKind
from safety_supervisor.core.units import Matrix, Nanoseconds, Vector


class SetPoint(msgspec.Struct, frozen=True):
    """A well-formed streamed set-point."""

    source: str
    command: str
    """Correlation id."""
    kind: CommandKind
    groups: tuple[str, ...]
    """Groups that it commands, whole, in the source's order."""
    indices: NDArray[np.intp]
    """Joints that it commands, ascending configuration order, shape (k,)."""
    values: Vector
    """[rad] or [rad/s], in the order of `indices`, shape (k,)."""


@dataclass(frozen=True, slots=True)
class TrajectoryPoints:
    """A well-formed trajectory of m points for k joints. Its arrays are read-only."""

    source: str
    command: str
    groups: tuple[str, ...]
    indices: NDArray[np.intp]
    times: NDArray[np.int64]
    """After the start, strictly increasing, shape (m,), [ns]."""
    positions: Matrix
    """Shape (m, k), [rad]."""
    velocities: Matrix | None
    """[rad/s]"""
    accelerations: Matrix | None
    """[rad/s^2]"""
    start_in: Nanoseconds
    """Delay until the scheduled start, [ns]; 0 is now."""
    why: str = ""
    """What it is for, in its sender's words, printable ASCII; told, not judged."""


@dataclass(frozen=True, slots=True)
class Cancel:
    """An empty trajectory: end the one that plays."""

    source: str
    command: str
    code: Code = Code.CANCELLED
    """Or why an adapter ends it."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """The same command under the same key: the first result again, no second motion."""

    source: str
    command: str
    earlier: Earlier


@dataclass(frozen=True, slots=True)
class Refused:
    """Not well-formed."""

    source: str
    command: str
    violation: Violation
