"""Heads that somebody else keeps: few, whole, of the right robot, and enough to find a cut log."""

from __future__ import annotations

import json
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
