"""What the process that hands heads on (`sinks.py`) tells the control process: which place fails, and why.

A line of JSON a change: name of the place, and what failed, empty where it works. The end of the pipe is the end of the
process. A place that fails stops nothing: records are kept on the robot all the same. Requirement: SR-042.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Sequence
from typing import Final

from safety_supervisor.core.errors import Code

LONGEST: Final = 300
"""Characters of what failed."""
KEPT: Final = "kept"
WAITING: Final = "none was handed on yet"
_READ: Final = 1 << 16


def tell(descriptor: int, name: str, failure: str) -> None:
    """Tell of a place; never blocks, never raises: who reads it may be gone."""
    line = json.dumps([name, failure[:LONGEST]]).encode() + b"\n"
    with contextlib.suppress(OSError):
        os.write(descriptor, line)


class SinkWords:
    """Hears it.

    Args:
        places: how many are served.
        descriptor: a pipe's reading end, which this owns; -1 where no heads go anywhere.
    """

    def __init__(self, places: int, descriptor: int = -1) -> None:
        """Nothing was told yet."""
        self._places = places
        self._descriptor = descriptor
        self._rest = b""
        self._told: dict[str, str] = {}
        self._ended = False

    def poll(self) -> None:
        """Take what was told. Never blocks, never raises."""
        if self._descriptor < 0 or self._ended:
            return
        try:
            data = os.read(self._descriptor, _READ)
        except OSError:  # nothing there
            return
        self._ended = not data
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            with contextlib.suppress(ValueError, TypeError):
                name, failure = json.loads(line)
                self._told[str(name)] = str(failure)

    @property
    def text(self) -> str:
        """`kept`; or `E_HEADS` and what fails; empty where heads are configured to go nowhere."""
        if self._descriptor < 0 and not self._ended:
            return ""
        failing = [f"{name}: {failure}" for name, failure in sorted(self._told.items()) if failure]
        if self._ended:
            failing = ["the process that hands them on has ended: restart the supervisor"]
        if failing:
            return f"{Code.HEADS.value} {'; '.join(failing)}"
        return KEPT if len(self._told) >= self._places else WAITING

    def close(self) -> None:
        """Close the pipe."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def places_of(arguments: Sequence[str]) -> int:
    """Return how many places the arguments of `sinks.py` name."""
    return sum(argument.startswith(("--file=", "--url=", "--authority=")) for argument in arguments)
