"""A disk that fails in use: told at once, nothing of what is kept is wrong, and all of it comes when the disk does.

An ext4 that goes read-only under open files, and a layer that answers EIO in the middle of writes. Full disks and such
as can not be written from the start stand in test_feed.py; the node over them in test/ros/test_failing_disk.py.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from chains import ROBOT, verify
from evidence_records import effects, tick, wait_for
from small_disk import FailingLayer, RealDisk, real_disk_at

from safety_supervisor.core.effects import Latches
from safety_supervisor.evidence.decisions.files import segments
from safety_supervisor.evidence.event_log import Entry, EventLog, Gap
from safety_supervisor.evidence.feed import EventFeed
from safety_supervisor.evidence.latch_store import LatchStore

pytestmark = [pytest.mark.requirement("SR-043"), pytest.mark.redteam(39)]
SAID = {"read-only": "Read-only file system", "EIO": "Input/output error"}


class Disk:
    """One of both."""

    def __init__(self, log: Path, failing: RealDisk | FailingLayer) -> None:
        self.log, self.fail, self.replace = log, failing.fail, failing.replace


@pytest.fixture(params=["read-only", "EIO"])
def disk(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    if request.param == "read-only":
        with real_disk_at(tmp_path / "disk") as real:
            yield Disk(real.place / "log", real)
        return
    layer = FailingLayer(tmp_path / "layer", tmp_path / "log")
    for name, value in layer.environment.items():
        monkeypatch.setenv(name, value)  # of the recorder, which begins later
    yield Disk(tmp_path / "log", layer)


def record(feed: EventFeed, first: int, last: int) -> None:
    for at in range(first, last + 1):
        feed.record(tick(at), effects(at))
        feed.flush()


def durable(feed: EventFeed) -> bool:
    feed.flush()
    return feed.healthy(time.monotonic_ns()) and feed.pending == 0


def test_a_disk_that_fails_in_use_is_told_and_everything_comes_when_it_is_back(
    start: Callable[..., EventFeed], disk: Disk, request: pytest.FixtureRequest
) -> None:
    LatchStore_open = LatchStore(disk.log, "panda").open
    assert LatchStore_open().fault == ""
    feed = start(disk.log)
    record(feed, 1, 60)
    assert wait_for(lambda: durable(feed))
    disk.fail()
    record(feed, 61, 300)
    assert wait_for(lambda: not feed.healthy(time.monotonic_ns()))
    assert SAID[request.node.callspec.params["disk"]] in feed.failure
    feed.save_latches(Latches(1, True, "E_TRACKING"))  # told as not kept, and kept later
    time.sleep(0.5)
    record(feed, 301, 310)
    assert not feed.healthy(time.monotonic_ns()), "no try in between has made it look well"
    # What is on the disk now reads to where it counts, and nothing in it is wrong.
    (path,) = disk.log.glob("*.events.mcap")
    assert [item.event.at for item in EventLog(path) if isinstance(item, Entry)][:60] == list(range(1, 61))
    disk.replace()
    assert wait_for(lambda: durable(feed)), feed.failure
    record(feed, 311, 320)
    assert feed.close(10.0)
    log = EventLog(next(disk.log.glob("*.events.mcap")))
    items = list(log)
    assert not [item for item in items if isinstance(item, Gap)]
    assert [item.event.at for item in items if isinstance(item, Entry)] == list(range(1, 321))
    assert log.tail.state == "complete"
    assert len(log.segments) > 1, "what was open on the failed disk takes no more"
    assert LatchStore(disk.log, "panda").load().fault == "E_TRACKING"
    report = verify(disk.log)
    assert (report.broken, report.tail) == (None, "complete")
    kinds = [
        json.loads(line)["kind"]
        for path in segments(disk.log, ROBOT).values()
        for line in path.read_bytes().splitlines()
    ]
    assert "gap" not in kinds


def test_a_disk_that_fails_before_the_first_record_is_told_and_taken_later(
    start: Callable[..., EventFeed], disk: Disk, request: pytest.FixtureRequest
) -> None:
    disk.log.mkdir()
    descriptor = os.open(disk.log.parent, os.O_RDONLY)
    os.fsync(descriptor)  # an ext4 that aborts forgets what was not on the disk
    os.close(descriptor)
    disk.fail()
    feed = start(disk.log)
    assert SAID[request.node.callspec.params["disk"]] in feed.failure
    record(feed, 1, 20)
    time.sleep(0.5)
    assert not feed.healthy(time.monotonic_ns())
    disk.replace()
    assert wait_for(lambda: durable(feed)), feed.failure
    assert feed.close(10.0)
    log = EventLog(next(disk.log.glob("*.events.mcap")))
    assert [item.event.at for item in log if isinstance(item, Entry)] == list(range(1, 21))
    assert verify(disk.log).broken is None
