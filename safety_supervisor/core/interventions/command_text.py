"""A trajectory as canonical text: what people see before they approve, and what their approval is bound to.

One command has one text: JSON in ASCII, keys in their order, no spaces, numbers as short as they read back exactly. Its
SHA-256 is the `command_sha256` of an approval, so that who shows and hashes the text approves what will be played
(REDTEAM 17, 55). Written in slices of bounded work.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any, Final

from safety_supervisor.core.intake.results import TrajectoryPoints
from safety_supervisor.core.units import Matrix, Vector

MOST_NUMBERS: Final = 6000
"""Numbers of a command that may wait for a person: a bound of text, of work, and of what anybody can look at."""
NUMBERS_PER_SLICE: Final = 128


def numbers_of(points: TrajectoryPoints) -> int:
    """Return how many numbers the text of a trajectory holds."""
    arrays = (points.positions, points.velocities, points.accelerations)
    return len(points.times) + len(points.indices) + sum(rows.size for rows in arrays if rows is not None)


class CommandText:
    """Writes the text of one trajectory.

    Attributes:
        text: all of it, when it is written; before, empty.
        sha256: of the text, hexadecimal; empty before.
    """

    def __init__(self, points: TrajectoryPoints, names: tuple[str, ...], start: Vector) -> None:
        """Begin to write.

        Args:
            points: the command.
            names: of all joints of the robot.
            start: commanded pose from which it is asked for, shape (n,), [rad].
        """
        self.text = self.sha256 = ""
        self._hash: Any = hashlib.sha256()
        self._written: list[str] = []
        self._parts: Iterator[tuple[str, int]] | None = _parts(points, names, start)

    def advance(self) -> bool:
        """Write one slice; return whether all is written."""
        left = NUMBERS_PER_SLICE
        while left > 0:
            if self._parts is None:
                return True
            part, count = next(self._parts, ("", -1))
            if count < 0:
                self.text, self.sha256 = "".join(self._written), self._hash.hexdigest()
                self._written.clear()
                # Data alone is left while people think: a generator can not be kept in a snapshot.
                self._parts = self._hash = None
                return True
            assert self._hash is not None
            self._written.append(part)
            self._hash.update(part.encode("ascii"))
            left -= count + 1
        return False


def _parts(points: TrajectoryPoints, names: tuple[str, ...], start: Vector) -> Iterator[tuple[str, int]]:
    """Yield pieces of the text, and how many numbers each holds."""
    indices = points.indices
    yield "{" + '"accelerations":', 0
    yield from _rows(points.accelerations)
    yield f',"command":{_json(points.command)},"from":{_json(start[indices].tolist())}', len(indices)
    joints = [names[index] for index in indices.tolist()]
    yield f',"groups":{_json(list(points.groups))},"joints":{_json(joints)},"positions":', len(joints)
    yield from _rows(points.positions)
    yield f',"source":{_json(points.source)},"times_ns":[', 0
    times = points.times.tolist()
    for first in range(0, len(times), 64):
        yield ("," if first else "") + ",".join(map(str, times[first : first + 64])), 64
    yield '],"velocities":', 0
    yield from _rows(points.velocities)
    yield "}", 0


def _rows(rows: Matrix | None) -> Iterator[tuple[str, int]]:
    if rows is None:
        yield "null", 0
        return
    for number, row in enumerate(rows):
        yield ("," if number else "[") + _json(row.tolist()), len(row)
    yield "]", 0


def _json(value: object) -> str:
    return json.dumps(value, allow_nan=False, separators=(",", ":"))
