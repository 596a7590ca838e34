"""Decision logs for tests: made by the real writer, without a recorder's process."""

from __future__ import annotations

import dataclasses
import itertools
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from evidence_records import header

from safety_supervisor.evidence.decisions.expiry import Expiry
from safety_supervisor.evidence.decisions.files import segments
from safety_supervisor.evidence.decisions.keeper import Keeper
from safety_supervisor.evidence.decisions.report import Report
from safety_supervisor.evidence.decisions.verify import Verifier

ROBOT = "panda"


class Steps:
    """A clock that goes on by 10 ms whenever it is asked."""

    def __init__(self) -> None:
        self._times = itertools.count(1_000_000_000_000, 10_000_000)

    def __call__(self) -> int:
        return next(self._times)


DAY = 86_400_000_000_000
BEGAN = 1_700_000_000_000_000_000


def write_boot(
    directory: Path,
    boot: str,
    records: int,
    segment_bytes: int = 4000,
    clean: bool = True,
    day: float = 0.0,
    expiry: Expiry | None = None,
) -> list[bytes]:
    """Write a boot; return its heads."""
    clock = Steps()
    wall = BEGAN + round(day * DAY)
    keeper = Keeper(directory, segment_bytes=segment_bytes, clock=clock, wall=lambda: wall, expiry=expiry)
    keeper.begin(header(boot))
    heads = []
    assert keeper.sync()
    for number in range(records):
        kind = {"kind": "act", "act": "reset"} if number % 9 == 5 else {"kind": "decision", "code": "E_RATE"}
        keeper._told(kind | {"number": number, "value": 0.1 * number})
        assert keeper.sync()
        heads += keeper.take_heads()
    if keeper.retirer is not None:
        keeper.retirer.wait()
        assert keeper.sync()
        heads += keeper.take_heads()
    if clean:
        keeper.finish()
        assert keeper.sync()
        heads += keeper.take_heads()
    keeper.close()
    return heads


def make_log(directory: Path) -> list[bytes]:
    """Write two boots of several segments each; return their heads."""
    return write_boot(directory, "boot1", 60) + write_boot(directory, "boot2", 45)


def verify(directory: Path, **more: Any) -> Report:
    return Verifier(directory, ROBOT, **more).verify()


def parse(heads: list[bytes]) -> list[dict[str, Any]]:
    return [json.loads(head) for head in heads]


@dataclasses.dataclass
class Written:
    """A log in memory: what a test changes and puts on disk."""

    files: dict[str, list[bytes]]

    @classmethod
    def read(cls, directory: Path) -> Written:
        found = segments(directory, ROBOT)
        return cls({path.name: path.read_bytes().splitlines(keepends=True) for path in found.values()})

    def put(self, directory: Path) -> None:
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir()
        for name, lines in self.files.items():
            (directory / name).write_bytes(b"".join(lines))

    def copy(self) -> Written:
        return Written({name: list(lines) for name, lines in self.files.items()})

    def where(self, index: int) -> tuple[str, int]:
        """The file and line of a record by its place in the chain, from 0."""
        for name, lines in self.files.items():
            if index < len(lines):
                return name, index
            index -= len(lines)
        raise IndexError(index)

    @property
    def count(self) -> int:
        return sum(map(len, self.files.values()))


Change = Callable[[Written], None]
