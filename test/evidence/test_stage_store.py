"""Stages of agents on disk: what is unknown is the lowest, and only what is not there is nothing."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from evidence_records import header

from safety_supervisor.core.agents.stored import StoredStage
from safety_supervisor.core.effects import Latches, Stages
from safety_supervisor.evidence.feed import EventFeed
from safety_supervisor.evidence.latch_store import LatchStore, StoredLatches, checksum
from safety_supervisor.evidence.stage_store import FoundStages, StageStore

pytestmark = [pytest.mark.requirement("SR-047"), pytest.mark.redteam(41)]
ONE = StoredStage("planner", "cell_policy", "1.2.0", "ab" * 32, "shadow")
TWO = StoredStage("walker", "gait", "3", "cd" * 32, "approve_each")


@pytest.fixture
def store(tmp_path: Path) -> StageStore:
    return StageStore(tmp_path, "panda")


@pytest.mark.parametrize("demoted", [(), (ONE,), (ONE, TWO)])
def test_what_was_written_is_read_by_the_next_boot(store: StageStore, demoted: tuple[StoredStage, ...]) -> None:
    store.write(demoted)
    assert StageStore(store.path.parent, "panda").load() == FoundStages(demoted)
    assert store.path.stat().st_mode & 0o777 == 0o600


def test_without_a_file_nobody_was_demoted(store: StageStore) -> None:
    assert store.load() == FoundStages((), "")
    assert not store.path.exists()


def test_a_file_that_was_there_and_is_gone_is_known_as_such(store: StageStore) -> None:
    """Whatever is written of latches behind it, and with latches that can not be read; a first boot has no trouble."""
    latches = LatchStore(store.path.parent, "panda")
    latches.open()
    assert store.load() == FoundStages((), "")
    store.write((ONE,))
    before = latches.path.read_bytes()
    store.path.unlink()
    assert store.load().damaged
    for emergency_stop, fault in ((True, "E_TRACKING"), (False, "")):
        latches.write(emergency_stop, fault)
        assert store.load().damaged
    latches.write(True, "E_TRACKING")
    latches.clear("ada", "found")
    assert store.load().damaged
    latches.path.write_bytes(before[:-1])
    assert store.load().damaged
    latches.clear("ada", "found")
    assert store.load().damaged
    store.write(())
    assert store.load() == FoundStages((), "")


def test_latches_of_before_do_not_take_trust_from_anybody(store: StageStore) -> None:
    """A robot that never demoted anybody has latches and no stages: nothing is lost."""
    latches = LatchStore(store.path.parent, "panda")
    latches.open()
    latches.write(True, "E_TRACKING")
    latches.clear("ada", "found")
    assert store.load() == FoundStages((), "")
    assert b"stages" not in latches.path.read_bytes()


def test_stages_that_were_written_leave_the_latches_as_they_are(store: StageStore) -> None:
    latches = LatchStore(store.path.parent, "panda")
    latches.write(True, "E_TRACKING")
    store.write((ONE,))
    assert latches.load() == StoredLatches(True, "E_TRACKING")
    latches.path.write_bytes(b"damaged")
    store.write((TWO,))
    assert latches.load().detail


def test_every_damaged_byte_and_every_other_length_is_known_as_such(store: StageStore) -> None:
    store.write((ONE,))
    good = store.path.read_bytes()
    for at in range(len(good) - 1):
        store.path.write_bytes(good[:at] + bytes([good[at] ^ 0x04]) + good[at + 1 :])
        assert store.load().damaged, at
    for length in range(0, len(good) - 2, 7):
        store.path.write_bytes(good[:length])
        assert store.load().damaged, length


def test_what_is_well_formed_and_wrong_is_known_as_such(store: StageStore) -> None:
    store.write((ONE,))
    body = json.loads(store.path.read_bytes())
    body.pop("checksum")
    for changes in (
        {"version": 2}, {"robot": "other"}, {"demoted": None}, {"demoted": [{}]}, {"demoted": [1]},
        {"demoted": [{**body["demoted"][0], "stage": 3}]},
    ):  # fmt: skip
        other = {**body, **changes}
        store.path.write_text(json.dumps({**other, "checksum": checksum(other)}))
        assert store.load().damaged, changes
    store.path.write_text("[]")
    assert store.load().damaged
    store.path.unlink()
    store.path.mkdir()
    assert store.load().damaged


def wait_for(done: Callable[[], bool]) -> bool:
    import time

    ends = time.monotonic() + 10.0
    while not done() and time.monotonic() < ends:
        time.sleep(0.01)
    return done()


def test_the_recorder_keeps_the_newest_of_latches_and_of_stages(tmp_path: Path, store: StageStore) -> None:
    feed = EventFeed(tmp_path, header())
    os.kill(feed.process_id, signal.SIGSTOP)
    feed.save_stages(Stages(1, (ONE,)))
    feed.save_latches(Latches(2, True, "E_TRACKING"))
    feed.save_stages(Stages(3, (ONE, TWO)))
    os.kill(feed.process_id, signal.SIGCONT)
    assert wait_for(lambda: store.load().demoted == (ONE, TWO))
    assert wait_for(lambda: LatchStore(tmp_path, "panda").load().fault == "E_TRACKING")
    assert feed.close(10.0)
    assert store.load() == FoundStages((ONE, TWO))


def test_without_a_recorder_they_are_kept_all_the_same(tmp_path: Path, store: StageStore) -> None:
    import time

    feed = EventFeed(tmp_path, header())
    os.kill(feed.process_id, signal.SIGKILL)
    assert wait_for(lambda: not feed.healthy(time.monotonic_ns()))
    feed.save_stages(Stages(1, (ONE,)))
    assert wait_for(lambda: store.load().demoted == (ONE,))
    feed.close(10.0)
