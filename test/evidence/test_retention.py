"""Old event logs go at start, the oldest boots first; nothing else goes."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest
from evidence_records import header

from safety_supervisor.evidence import event_log
from safety_supervisor.evidence.event_log import EventLog, read_header
from safety_supervisor.evidence.latch_store import LatchStore
from safety_supervisor.evidence.retention import Removal, make_room

SIZE = 10_000


def boot(directory: Path, number: int, segments: int = 1, robot: str = "panda") -> list[Path]:
    """Write the log of a boot, SIZE bytes a segment; later numbers started later."""
    files = []
    for segment in range(segments):
        head = msgspec.structs.replace(
            header(f"boot{number}", robot), started_at=f"2026-01-{number:02}T00:00:00+00:00", segment=segment
        )
        path = directory / event_log.segment_name(head)
        data = event_log.encode_header(head)
        path.write_bytes(data.ljust(SIZE, b"\0"))
        files.append(path)
    return files


def test_the_oldest_boots_go_whole_until_no_more_than_is_kept_is_left(tmp_path: Path) -> None:
    # Written in another order than they started in, as after a copy: the header counts, not the file's time.
    boots = {number: boot(tmp_path, number, segments=2) for number in (3, 1, 5, 2, 4)}
    removal = make_room(tmp_path, "panda", 6 * SIZE)
    assert removal == Removal(("boot1", "boot2"), ("2026-01-01T00:00:00+00:00", "2026-01-02T00:00:00+00:00"), 4 * SIZE)
    for number, files in boots.items():
        assert [file.exists() for file in files] == [number > 2] * 2, number
    assert make_room(tmp_path, "panda", 6 * SIZE) == Removal()


def test_the_boot_before_stays_however_long_it_is(tmp_path: Path) -> None:
    boot(tmp_path, 1)
    last = boot(tmp_path, 2, segments=3)
    assert make_room(tmp_path, "panda", 1).boots == ("boot1",)
    assert all(file.exists() for file in last)


@pytest.mark.requirement("SR-047")
def test_latches_other_robots_and_what_is_no_log_stay(tmp_path: Path) -> None:
    store = LatchStore(tmp_path, "panda")
    store.write(True, "E_TRACKING")
    store.clear("ada", "drive replaced")
    store.write(True, "E_TRACKING")
    other = boot(tmp_path, 1, robot="panda_two")
    damaged = boot(tmp_path, 2)[0]
    damaged.write_bytes(damaged.read_bytes().replace(b"boot2", b"boot7"))
    (tmp_path / "notes.events.mcap").write_text("mine")
    for name in ("panda.lock", "panda.events.mcap.txt"):
        (tmp_path / name).write_bytes(bytes(SIZE))
    kept = sorted(tmp_path.iterdir())
    boot(tmp_path, 3)
    newest = boot(tmp_path, 4)
    assert make_room(tmp_path, "panda", 1).boots == ("boot3",)
    assert sorted(tmp_path.iterdir()) == sorted([*kept, *newest])
    assert other[0].exists()
    assert store.load().fault == "E_TRACKING"


def test_what_can_not_be_removed_is_told_and_the_next_one_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stuck = boot(tmp_path, 1)[0]
    boot(tmp_path, 2)
    boot(tmp_path, 3)
    unlink = os.unlink

    def refuse(path: str | Path, *args: object) -> None:
        if Path(path) == stuck:
            raise PermissionError(1, "Operation not permitted", str(path))
        unlink(path)

    monkeypatch.setattr(os, "unlink", refuse)
    monkeypatch.setattr(Path, "unlink", lambda self: refuse(self))
    removal = make_room(tmp_path, "panda", 1)
    assert removal.boots == ("boot2",)
    assert removal.failure == f"{stuck}: Operation not permitted"
    assert stuck.exists()


def test_a_boot_that_was_half_removed_is_no_whole_one_and_goes_first(tmp_path: Path) -> None:
    files = boot(tmp_path, 1, segments=3)
    boot(tmp_path, 2)
    files[0].unlink()
    with pytest.raises(event_log.LogError, match=r"segments \[0\]"):
        EventLog(files[1])
    assert make_room(tmp_path, "panda", SIZE).boots == ("boot1",)


def test_nothing_is_done_where_there_is_nothing(tmp_path: Path) -> None:
    assert make_room(tmp_path / "none", "panda", 1) == Removal()
    path = boot(tmp_path, 1)[0]
    assert make_room(tmp_path, "panda", 1) == Removal()
    assert read_header(path).removed_boots == ()
