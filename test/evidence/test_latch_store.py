"""Latches on disk: what is unknown is a fault."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from evidence_records import header

from safety_supervisor.evidence import event_log
from safety_supervisor.evidence.latch_store import BLOCK, LatchStore, StoredLatches

pytestmark = [pytest.mark.requirement("SR-047"), pytest.mark.redteam(41)]


@pytest.fixture
def store(tmp_path: Path) -> LatchStore:
    return LatchStore(tmp_path, "panda")


def is_unknown(found: StoredLatches) -> bool:
    return found.emergency_stop and found.fault == "E_SELF_TEST" and found.detail != ""


@pytest.mark.parametrize("emergency_stop", [False, True])
@pytest.mark.parametrize("fault", ["", "E_TRACKING"])
def test_what_was_written_is_read_by_the_next_boot(store: LatchStore, emergency_stop: bool, fault: str) -> None:
    store.write(emergency_stop, fault)
    assert LatchStore(store.directory, "panda").open() == StoredLatches(emergency_stop, fault)
    assert store.path.stat().st_mode & 0o777 == 0o600


def test_the_first_boot_has_no_latch_and_leaves_a_file(store: LatchStore) -> None:
    assert store.load() == StoredLatches(False, "")
    assert not store.path.exists()
    assert store.open() == StoredLatches(False, "")
    assert store.path.exists()


def test_a_file_that_was_removed_is_a_fault_because_logs_of_the_robot_exist(store: LatchStore) -> None:
    (store.directory / "other.events.mcap").write_bytes(event_log.encode_header(header(robot_id="other")))
    assert store.load() == StoredLatches(False, "")
    log = store.directory / "a.events.mcap"
    log.write_bytes(event_log.encode_header(header()))
    assert is_unknown(store.open())
    assert not store.path.exists()
    log.write_bytes(b"")  # whose log it was is unknown
    assert is_unknown(store.open())


def test_every_damaged_byte_and_every_other_length_is_a_fault(store: LatchStore) -> None:
    store.write(False, "")
    good = store.path.read_bytes()
    used = len(good.rstrip())
    for at in range(used):
        store.path.write_bytes(good[:at] + bytes([good[at] ^ 0x04]) + good[at + 1 :])
        assert is_unknown(store.load()), at
    for length in (0, 1, used, BLOCK - 1):
        store.path.write_bytes(good[:length])
        assert is_unknown(store.open()), length


@pytest.mark.parametrize(
    ("change", "says"), [({"version": 2}, "version"), ({"robot": "other"}, "robot"), ({"fault": 1}, "type")]
)
def test_a_sound_file_that_is_not_ours_is_a_fault(store: LatchStore, change: dict[str, object], says: str) -> None:
    from safety_supervisor.evidence import latch_store

    body: dict[str, object] = {"version": 1, "robot": "panda", "emergency_stop": False, "fault": "", **change}
    text = json.dumps({**body, "checksum": latch_store.checksum(body)})
    store.path.write_bytes(text.encode().ljust(BLOCK))
    assert is_unknown(store.load())
    assert says in store.load().detail


def test_a_place_that_can_not_be_read_or_created_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert is_unknown(LatchStore(tmp_path / "file" / "log", "panda").open())
    (tmp_path / "panda.latches").mkdir()
    assert is_unknown(LatchStore(tmp_path, "panda").open())


def test_robots_do_not_share_a_file_and_names_can_not_leave_the_directory(tmp_path: Path) -> None:
    names = ["panda", "panda.x", "panda/x", "../panda", "..", "a b", "ä"]
    paths = {LatchStore(tmp_path, name).path for name in names}
    assert len(paths) == len(names)
    assert {path.parent for path in paths} == {tmp_path}
    for name in names:
        LatchStore(tmp_path, name).write(False, name)
        assert LatchStore(tmp_path, name).load().fault == name


def test_clearing_keeps_the_emergency_stop_and_writes_history_first(store: LatchStore) -> None:
    store.write(True, "E_TRACKING")
    assert store.clear("ada", "brakes replaced") == StoredLatches(True, "E_TRACKING")
    assert store.load() == StoredLatches(True, "")
    history = store.directory / "panda.latches.history"
    (line,) = [json.loads(text) for text in history.read_text().splitlines()]
    assert (line["by"], line["reason"], line["fault"]) == ("ada", "brakes replaced", "E_TRACKING")
    store.write(False, "E_INTERNAL")
    history.unlink()
    history.mkdir()  # the history can not be written: the latch stays
    with pytest.raises(OSError):
        store.clear("ada", "again")
    assert store.load().fault == "E_INTERNAL"
