"""What comes while the disk is waited for: it is in the files at once, and stands there once when all is done."""

from __future__ import annotations

import errno
import itertools
import json
import os
import random
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest
from chains import ROBOT, Steps, verify
from evidence_records import header, tick
from kills import kill

from safety_supervisor.evidence.decisions.files import segments
from safety_supervisor.evidence.decisions.keeper import Keeper
from safety_supervisor.evidence.event_log import END, Entry, EventLog, encode_record
from safety_supervisor.evidence.log_writer import LogWriter

pytestmark = pytest.mark.requirement("SR-043")


class SlowDisk:
    """Entered while the disk is waited for: more comes, is written ahead, and the process might be killed.

    Args:
        log: that takes more.
        chance: how much.
    """

    def __init__(self, log: Any, chance: random.Random) -> None:
        self._log = log
        self._chance = chance
        self.fails = 0
        self.ended = False

    def __enter__(self) -> None:
        for _ in range(0 if self.ended else self._chance.randrange(3)):
            self._log.more(self._chance.randrange(4))
            self._log.write_ahead()
            self._log.killed_here()
        if self.fails:
            raise OSError(self.fails, os.strerror(self.fails))

    def __exit__(self, *_: object) -> None:
        pass


class Decisions:
    """A decision log of numbered records."""

    def __init__(self, place: Path, chance: random.Random) -> None:
        self.place = place
        self.count = 0
        self.disk = SlowDisk(self, chance)
        self._keeper = Keeper(place, segment_bytes=3000, clock=Steps())
        self._keeper.disk = self.disk
        self._keeper.begin(header())
        self.sync, self.write_ahead = self._keeper.sync, self._keeper.write_ahead

    def more(self, records: int) -> None:
        for _ in range(records):
            self.count += 1
            self._keeper._told({"kind": "decision", "code": "E_RATE", "number": self.count})

    def killed_here(self) -> None:
        image = self.place.with_name("image")
        shutil.copytree(self.place, image)
        report = verify(image)
        assert report.broken is None, report.broken
        found = self.numbers(image)
        assert found == list(range(1, len(found) + 1))
        opened = self._keeper._writer is not None and self._keeper._writer._ahead is not None
        if opened and not self._keeper._writer._first:  # type: ignore[union-attr]
            assert len(found) == self.count
        shutil.rmtree(image)

    @staticmethod
    def numbers(place: Path) -> list[int]:
        found: list[int] = []
        files = list(segments(place, ROBOT).values())
        firsts = [json.loads((path.read_bytes().splitlines() or [b"{}"])[0] or b"{}") for path in files]
        ends = [*(first.get("previous_bytes") for first in firsts[1:]), None]
        for path, end in zip(files, ends, strict=True):
            lines = map(json.loads, path.read_bytes()[:end].splitlines())
            found += [one["number"] for one in lines if one["kind"] == "decision"]
        return found

    def finish(self) -> None:
        self._keeper.finish()
        assert self._keeper.sync()
        self._keeper.close()
        report = verify(self.place)
        assert (report.broken, report.tail) == (None, "complete")
        assert self.numbers(self.place) == list(range(1, self.count + 1))
        assert report.segments > 5


class Events:
    """An event log of numbered ticks."""

    def __init__(self, place: Path, chance: random.Random) -> None:
        self.place = place
        self.count = 0
        self.disk = SlowDisk(self, chance)
        self._writer = LogWriter(place, 8000, 1 << 20)
        self._writer.disk = self.disk
        self._writer.begin(header())
        self.sync, self.write_ahead = self._writer.sync, self._writer.write_ahead

    def more(self, records: int) -> None:
        for _ in range(records):
            self.count += 1
            self._writer.add(encode_record(_entry(self.count), self.count))

    def killed_here(self) -> None:
        image = self.place.with_name("image")
        shutil.copytree(self.place, image)
        log, found = self._read(image)
        assert found == list(range(1, len(found) + 1))
        assert log.tail.state in ("open", "torn", "complete"), log.tail
        if self._writer._ahead is not None:
            assert len(found) == self.count
        shutil.rmtree(image)

    @staticmethod
    def _read(place: Path) -> tuple[EventLog, list[int]]:
        log = EventLog(next(place.glob("*.events.mcap")))
        return log, [item.event.at for item in log if isinstance(item, Entry)]

    def finish(self) -> None:
        assert self._writer.sync()
        assert self._writer.sync()
        self._writer.close()
        log, found = self._read(self.place)
        assert found == list(range(1, self.count + 1))
        assert log.tail.state == "complete"
        assert len(log.segments) > 5
        for (path, _), (_, after) in itertools.pairwise(log.segments):  # other readers know no `previous_bytes`
            rest = path.read_bytes()[after.previous_bytes :]
            assert rest == END or not rest.startswith(END)


def _entry(number: int) -> bytes:
    return msgspec.msgpack.encode(Entry(tick(number), bytes(16), []))


@pytest.mark.sampled(3)
@pytest.mark.parametrize("kind", [Decisions, Events])
@pytest.mark.parametrize("seed", range(4))
def test_what_comes_meanwhile_is_there_after_a_kill_and_once_in_the_end(tmp_path: Path, kind: Any, seed: int) -> None:
    chance = random.Random(seed)
    log = kind(tmp_path / "log", chance)
    for _ in range(150):  # a disk that fails does so several times in a row
        log.more(chance.randrange(4))
        log.disk.fails = chance.choice((0, 0, 0, 0, errno.ENOSPC, errno.EIO) if not log.disk.fails else (0, errno.EIO))
        failed = not log.sync()
        assert failed <= bool(log.disk.fails)  # where nothing had to be written nothing fails
    log.disk.fails, log.disk.ended = 0, True
    while not log.sync():
        pass
    log.finish()


SLOW = """
import os, time
real, count = os.fdatasync, [0]
def slow(descriptor):
    count[0] += 1
    real(descriptor)
    time.sleep(0.4 if count[0] > 8 else 0.0)
os.fdatasync = slow
"""


@pytest.fixture
def slow_recorder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Recorders whose disk takes 0.4 s once they have begun."""
    place = tmp_path / "slow"
    place.mkdir()
    (place / "sitecustomize.py").write_text(SLOW, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(place))


@pytest.mark.usefixtures("slow_recorder")
def test_a_disk_that_hangs_makes_a_killed_recorder_lose_no_more(tmp_path: Path) -> None:
    left = kill(tmp_path / "log", 0.7, "both")
    assert left.kept > 200
    assert left.lost < 150_000_000  # 20 ms where nothing else runs; without, what a hanging disk takes: 0.4 s
