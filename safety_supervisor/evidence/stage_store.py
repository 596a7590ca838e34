"""Stages of agents on disk: a model that was demoted stays so after a restart.

One file a robot, `<log directory>/<robot id>.stages`: a line of JSON with a checksum, replaced atomically. No file: no
model was demoted, unless the latches beside it say that there was one. One that is lost or can not be read: nobody
knows who was demoted, and no model gets more than the lowest stage.
Requirement: SR-047.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from safety_supervisor.core.agents.stored import StoredStage
from safety_supervisor.evidence.latch_store import LatchStore, checksum, replace_file

VERSION: Final = 1
LONGEST: Final = 4 << 20
"""Bytes of a file that is read."""


@dataclass(frozen=True)
class FoundStages:
    """What was found on disk."""

    demoted: tuple[StoredStage, ...] = ()
    damaged: str = ""
    """Why it is not known who was demoted; empty where it is."""


class StageStore:
    """The file of one robot.

    Args:
        directory: log directory.
        robot_id: `robot.id` of the configuration.
    """

    def __init__(self, directory: str | Path, robot_id: str) -> None:
        """Name the file; nothing is read or written yet."""
        self._robot = robot_id
        self._latches = LatchStore(directory, robot_id)
        self.path = self._latches.stages

    def load(self) -> FoundStages:
        """Read the file. Never raises, writes nothing."""
        try:
            with self.path.open("rb") as file:
                data = file.read(LONGEST + 1)
        except FileNotFoundError:
            lost = self._latches.stages_kept()
            return FoundStages(damaged=f"{self.path} is missing, and may have been there" if lost else "")
        except OSError as error:
            return FoundStages(damaged=f"{self.path} can not be read: {error.strerror}")
        try:
            return FoundStages(self._parse(data))
        except (ValueError, KeyError, TypeError, RecursionError, AttributeError) as error:
            return FoundStages(damaged=f"{self.path} is damaged: {error}")

    def write(self, demoted: Sequence[StoredStage]) -> None:
        """Write the stages durably. Takes milliseconds; the control process leaves it to the recorder.

        Raises:
            OSError: when it can not be written; what was there stays.
        """
        body: dict[str, object] = {
            "version": VERSION,
            "robot": self._robot,
            "demoted": [msgspec.structs.asdict(one) for one in demoted],
        }
        replace_file(self.path, (json.dumps({**body, "checksum": checksum(body)}) + "\n").encode())
        self._latches.note_stages()

    def _parse(self, data: bytes) -> tuple[StoredStage, ...]:
        if len(data) > LONGEST:
            raise ValueError(f"more than {LONGEST} bytes")
        body = json.loads(data)
        if body.pop("checksum") != checksum(body):
            raise ValueError("the checksum is wrong")
        if body["version"] != VERSION:
            raise ValueError(f"version {body['version']} instead of {VERSION}")
        if body["robot"] != self._robot:
            raise ValueError("it belongs to another robot")
        return msgspec.convert(body["demoted"], tuple[StoredStage, ...])
