"""What stands in the core engine for parts of the node beside the control cycle: recorder and reader of messages."""

from __future__ import annotations

from typing import Any, Final

from safety_supervisor.ros.cdr import JointStateFields, JointStateReader

NOTED: Final = 3
"""Cycles until the record of an act is on disk: about 10 ms."""


class Notes:
    """Stands for the recorder: a note is on disk `NOTED` cycles later."""

    def __init__(self) -> None:
        """Nothing is noted yet."""
        self.failure = ""
        self.cycles = 0

    def note(self, event: Any) -> int:
        """Return the mark at which it is on disk."""
        return self.cycles + NOTED

    def is_durable(self, mark: int) -> bool:
        """Whether all up to a mark is on disk."""
        return self.cycles >= mark


class Reader:
    """The node's reader of set-points; what it can not read is no message here: there is no library to ask."""

    def __init__(self) -> None:
        """Begin to read."""
        self._reader = JointStateReader()

    def __call__(self, data: bytes) -> JointStateFields | str:
        """Read one message; return why it is none."""
        return self._reader.read(data) or "not a set-point in plain little-endian CDR"
