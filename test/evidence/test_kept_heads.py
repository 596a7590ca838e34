"""Heads that somebody else keeps: few, whole, of the right robot, and enough to find a cut log."""

from __future__ import annotations

import contextlib
import errno
import json
import os
from pathlib import Path

import pytest
from chains import ROBOT, Written, make_log, parse, verify

from safety_supervisor.evidence.decisions import kept_heads
from safety_supervisor.evidence.decisions.chain import canonical
from safety_supervisor.evidence.decisions.heads import read_heads
from safety_supervisor.evidence.decisions.kept_heads import KeptHeads

pytestmark = [pytest.mark.requirement("SR-042"), pytest.mark.redteam(38)]


def test_the_newest_head_of_each_segment_is_kept_over_restarts_and_finds_a_cut(tmp_path: Path) -> None:
    heads = [head.decode() for head in make_log(tmp_path / "log")]
    file = tmp_path / "elsewhere" / "panda.heads"
    kept = KeptHeads(file, ROBOT)
    for number, head in enumerate(heads):
        if number % 3 == 0:
            kept = KeptHeads(file, ROBOT)
        assert kept.take(head)
        assert not kept.take(head)
    assert file.stat().st_mode & 0o777 == 0o600
    KeptHeads(file, ROBOT)  # which leaves one of each
    lines = file.read_text().splitlines()
    newest = {json.loads(head)["segment"]: head for head in heads}
    assert lines == list(newest.values())
    report = verify(tmp_path / "log", heads=read_heads(file))
    assert (report.broken, report.heads) == (None, len(newest))
    log = Written.read(tmp_path / "log")
    log.files[list(log.files)[-1]].pop()
    log.put(tmp_path / "cut")
    broken = verify(tmp_path / "cut", heads=read_heads(file)).broken
    assert broken is not None
    assert broken.reason == "missing"


def test_what_is_no_head_of_the_robot_is_not_kept(tmp_path: Path) -> None:
    head = parse(make_log(tmp_path / "log"))[-1]
    good = canonical(head).decode()
    kept = KeptHeads(tmp_path / "heads", ROBOT)
    bad = [
        "", "{}", "[]", "null", "garbage", good + " ", good + "\n" + good, json.dumps(head),
        canonical(head | {"robot": "g1"}).decode(), canonical(head | {"kind": "decision"}).decode(),
        canonical(head | {"sequence": "1"}).decode(), canonical(head | {"sequence": True}).decode(),
        canonical(head | {"sequence": -1}).decode(), canonical(head | {"segment": 2**60}).decode(),
        canonical(head | {"more": "x" * 3000}).decode(), "[" * 2000, "ä" + good,
    ]  # fmt: skip
    for text in bad:
        assert not kept.take(text), text
    assert not (tmp_path / "heads").exists()
    assert kept.take(good)


def test_the_file_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_heads, "MOST_SEGMENTS", 5)
    monkeypatch.setattr(kept_heads, "_COMPACT_BYTES", 4000)
    head = parse(make_log(tmp_path / "log"))[-1]
    kept = KeptHeads(tmp_path / "heads", ROBOT)
    for number in range(200):
        segment = number // 10
        assert kept.take(canonical(head | {"segment": segment, "sequence": number + 1}).decode())
        assert (tmp_path / "heads").stat().st_size <= 4000
    KeptHeads(tmp_path / "heads", ROBOT)
    found = [json.loads(line) for line in (tmp_path / "heads").read_text().splitlines()]
    assert [(one["segment"], one["sequence"]) for one in found] == [(n, 10 * n + 10) for n in range(15, 20)]


def test_a_full_disk_tears_no_head_and_the_same_one_is_taken_when_there_is_room(small_disk: Path) -> None:
    """As the disk fills up a part of a line would still be written, without an error."""
    head = parse(make_log(small_disk / "log"))[-1]
    lines = [canonical(head | {"sequence": 1000 + number}).decode() for number in range(40)]
    file, page = small_disk / "heads", os.sysconf("SC_PAGE_SIZE")
    kept = KeptHeads(file, ROBOT)
    written = iter(lines)
    for line in written:
        assert kept.take(line)
        if page - file.stat().st_size % page < len(line):
            break
    whole = file.read_bytes()
    assert 0 < page - len(whole) % page < len(line)
    ballast = small_disk / "ballast"
    with ballast.open("wb", buffering=0) as filled, contextlib.suppress(OSError):
        while True:
            filled.write(b"x" * page)
    last = next(written)
    for _ in range(2):
        with pytest.raises(OSError, match="No space left"):
            kept.take(last)
        assert file.read_bytes() == whole
    KeptHeads(file, ROBOT)  # begins all the same, though there is no room for a shorter file
    assert file.read_bytes() == whole
    ballast.unlink()
    assert kept.take(last)
    assert file.read_bytes() == whole + last.encode() + b"\n"


def test_behind_a_torn_line_the_next_head_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a loss of power left one, and the file could not be written anew."""
    *_, before, last = make_log(tmp_path / "log")
    file = tmp_path / "heads"
    file.write_bytes(before + b"\n" + last[:40])

    def full(path: Path, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(kept_heads, "replace_file", full)
    kept = KeptHeads(file, ROBOT)
    assert kept.take(last.decode())
    assert file.read_bytes().splitlines() == [before, last[:40], last]
