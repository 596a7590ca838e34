"""Old records go, what people did stays longer, and signed tombstones say what went; nothing else may go."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from chains import DAY, ROBOT, verify, write_boot
from evidence_records import effects, header, tick

from safety_supervisor.evidence.decisions import keeper as keepers
from safety_supervisor.evidence.decisions.expiry import DAY as SECONDS
from safety_supervisor.evidence.decisions.expiry import Expiry
from safety_supervisor.evidence.decisions.files import reduced, segments
from safety_supervisor.evidence.feed import EventFeed, FeedLimits

pytestmark = pytest.mark.requirement("SR-042")
assert DAY == SECONDS * 10**9


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def years(place: Path, *days: float, expiry: Expiry | None = None) -> None:
    for number, day in enumerate(days):
        write_boot(place, f"boot{number}-{day:.0f}", 25, day=day, expiry=expiry or Expiry())


def test_after_a_year_decisions_go_and_what_people_did_stays(tmp_path: Path) -> None:
    write_boot(tmp_path, "old", 40)
    before = {number: path.read_bytes() for number, path in segments(tmp_path, ROBOT).items()}
    years(tmp_path, 100, 200, 300, 340)
    whole = set(segments(tmp_path, ROBOT))
    years(tmp_path, 364)
    assert set(segments(tmp_path, ROBOT)) >= whole
    years(tmp_path, 366)
    left = reduced(tmp_path, ROBOT)
    assert set(left) == set(before)
    assert not set(left) & set(segments(tmp_path, ROBOT))
    for number, path in left.items():
        kept = path.read_bytes().splitlines(keepends=True)
        assert b"".join(kept) in (path.read_bytes(),)
        assert all(line in before[number].splitlines(keepends=True) for line in kept)
        stays = [one["kind"] for one in map(json.loads, before[number].splitlines())]
        assert [one["kind"] for one in map(json.loads, kept)] == [k for k in stays if k in ("segment", "act", "end")]
    report = verify(tmp_path)
    assert (report.broken, report.tail, report.reduced) == (None, "complete", len(before))
    removed = sum(len(data.splitlines()) for data in before.values())
    removed -= sum(len(path.read_bytes().splitlines()) for path in left.values())
    assert report.removed == removed
    root = (tmp_path / f"{ROBOT}.evidence-pub").read_text().strip()
    assert verify(tmp_path, key=root).authentic is True


def test_after_five_years_the_first_record_alone_is_left(tmp_path: Path) -> None:
    write_boot(tmp_path, "old", 40)
    count = len(segments(tmp_path, ROBOT))
    years(tmp_path, 360, 380, *range(400, 1820, 30))
    assert max(len(lines_of(path)) for path in list(reduced(tmp_path, ROBOT).values())[:count]) > 1
    years(tmp_path, 1827, 1835)
    left = list(reduced(tmp_path, ROBOT).values())[:count]
    assert [[one["kind"] for one in lines_of(path)] for path in left] == [["segment"]] * count
    assert list(tmp_path.glob("*.next")) == []
    report = verify(tmp_path)
    assert (report.broken, report.tail) == (None, "complete")


def test_a_clock_that_leaps_takes_nothing_with_it(tmp_path: Path) -> None:
    write_boot(tmp_path, "old", 40)
    years(tmp_path, 10)
    years(tmp_path, 4000)  # set wrong
    assert reduced(tmp_path, ROBOT) == {}


@pytest.fixture
def gone(tmp_path: Path) -> Path:
    place = tmp_path / "log"
    write_boot(place, "old", 40)
    years(place, 340, 366)
    assert reduced(place, ROBOT)
    assert verify(place).broken is None
    return place


@pytest.mark.redteam(38)
def test_what_went_without_a_tombstone_is_found(gone: Path, tmp_path: Path) -> None:
    """Somebody reduces a segment as retention does, and says nothing."""
    path = next(iter(segments(gone, ROBOT).values()))
    lines = path.read_bytes().splitlines(keepends=True)
    path.with_name(path.name.replace(".decisions", ".kept.decisions")).write_bytes(b"".join(lines[:1]))
    path.unlink()
    broken = verify(gone).broken
    assert broken is not None
    assert (broken.reason, broken.sequence) == ("missing", json.loads(lines[0])["sequence"] + 1)
    assert "no tombstone" in broken.detail


@pytest.mark.redteam(38)
@pytest.mark.parametrize("what", ["edit", "drop", "more", "first", "file"])
def test_what_is_left_can_not_be_changed(gone: Path, what: str) -> None:
    path = next(path for path in reduced(gone, ROBOT).values() if path.read_bytes().count(b"\n") > 1)
    lines = path.read_bytes().splitlines(keepends=True)
    if what == "edit":
        lines[1] = lines[1].replace(b"reset", b"start")
    elif what == "drop":
        del lines[1]
    elif what == "more":
        lines.append(lines[-1])
    elif what == "first":
        lines[0] = lines[0].replace(b'"nonce":"n"', b'"nonce":"m"')
    path.write_bytes(b"".join(lines))
    if what == "file":
        path.unlink()
    assert verify(gone).broken is not None


def test_a_kill_before_the_segment_is_removed_costs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_boot(tmp_path, "old", 40)
    years(tmp_path, 340)
    whole = dict(segments(tmp_path, ROBOT))
    monkeypatch.setattr(keepers.expiry_of, "finish", lambda one: None)
    years(tmp_path, 366)
    assert set(segments(tmp_path, ROBOT)) > set(whole)
    assert verify(tmp_path).broken is None
    monkeypatch.undo()
    years(tmp_path, 367)
    assert not set(reduced(tmp_path, ROBOT)) & set(segments(tmp_path, ROBOT))
    report = verify(tmp_path)
    assert (report.broken, report.tail) == (None, "complete")
    for path in reduced(tmp_path, ROBOT).values():
        shutil.copy(path, tmp_path / "x")


def test_a_broken_segment_is_not_made_to_look_whole(tmp_path: Path) -> None:
    write_boot(tmp_path, "old", 40)
    path = list(segments(tmp_path, ROBOT).values())[1]
    lines = path.read_bytes().splitlines(keepends=True)
    lines[3] = b"garbage\n"
    path.write_bytes(b"".join(lines))
    years(tmp_path, 340, 366)
    assert path.exists()
    assert verify(tmp_path).broken is not None


def test_the_recorder_does_it_as_the_configuration_says(tmp_path: Path) -> None:
    def run(boot: str, **limits: int) -> set[int]:
        feed = EventFeed(tmp_path, header(boot), FeedLimits(**limits))
        at = 0
        ends = time.monotonic() + 10.0
        while time.monotonic() < ends and (at < 50 or (limits["decision_days"] < 700 and not reduced(tmp_path, ROBOT))):
            at += 1
            feed.record(tick(at), effects(at))
            feed.flush()
            assert feed.healthy(time.monotonic_ns()), feed.failure
            time.sleep(0.01)
        assert feed.close(10.0)
        assert verify(tmp_path).broken is None
        return set(reduced(tmp_path, ROBOT))

    write_boot(tmp_path, "old", 40, day=0)
    old = set(segments(tmp_path, ROBOT))
    write_boot(tmp_path, "young", 40, day=640)
    assert run("b1", decision_days=720, intervention_days=720) == set()
    assert run("b2", decision_days=200, intervention_days=1000) == old
