"""Whoever changes a decision log is found, and the first broken record is named (REDTEAM row 38)."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
from chains import ROBOT, Written, make_log, parse, verify, write_boot
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from safety_supervisor.evidence.decisions.chain import canonical
from safety_supervisor.evidence.decisions.files import segment_path

pytestmark = [pytest.mark.requirement("SR-042"), pytest.mark.redteam(38)]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Written, list[dict[str, Any]]]:
    directory = tmp_path_factory.mktemp("log")
    heads = parse(make_log(directory))
    return directory, Written.read(directory), heads


def root_of(directory: Path) -> str:
    return (directory / f"{ROBOT}.evidence-pub").read_text().strip()


def test_a_log_as_it_was_written_is_good(made: Any) -> None:
    directory, log, heads = made
    assert len(log.files) > 6
    assert len(heads) > 4
    report = verify(directory, key=root_of(directory), heads=heads)
    assert report.broken is None
    assert (report.records, report.last, report.first) == (log.count, log.count, 1)
    assert report.boots == ["boot1", "boot2"]
    assert (report.authentic, report.complete_to) == (True, log.count)
    assert (report.signed, report.tail) == (log.count, "complete")
    bare = verify(directory)
    assert (bare.broken, bare.complete_to, bare.authentic) == (None, -1, None)


def test_the_chain_is_what_the_document_says(made: Any) -> None:
    """Judged with `hashlib` and `json` alone, as a stranger would."""
    _, log, _ = made
    previous, sequence = "", 0
    for lines in log.files.values():
        for line in lines:
            record = json.loads(line)
            sequence += 1
            assert (record["previous"], record["sequence"]) == (previous, sequence)
            assert json.dumps(record, sort_keys=True, separators=(",", ":")).encode() == line[:-1]
            previous = hashlib.sha256(line[:-1]).hexdigest()


def _flip(log: Written, chance: random.Random) -> int:
    """Change one byte of a record; return its number."""
    index = chance.randrange(log.count)
    name, line = log.where(index)
    data = bytearray(log.files[name][line])
    at = chance.randrange(len(data) - 1)
    data[at] = chance.choice([byte for byte in range(32, 127) if byte != data[at]])
    log.files[name][line] = bytes(data)
    return index + 1


def _change_value(log: Written, chance: random.Random) -> int:
    """Give a record another value, as well-formed as before."""
    while True:
        index = chance.randrange(log.count)
        name, line = log.where(index)
        record = json.loads(log.files[name][line])
        if "number" in record:
            record["number"] += 1
            log.files[name][line] = canonical(record) + b"\n"
            return index + 1


def _delete(log: Written, chance: random.Random) -> int:
    index = chance.randrange(log.count - 1)
    name, line = log.where(index)
    del log.files[name][line]
    return index + 1


def _swap(log: Written, chance: random.Random) -> int:
    index = chance.randrange(log.count - 1)
    (one, first), (two, second) = log.where(index), log.where(index + 1)
    log.files[one][first], log.files[two][second] = log.files[two][second], log.files[one][first]
    return index + 1


def _repeat(log: Written, chance: random.Random) -> int:
    index = chance.randrange(log.count)
    name, line = log.where(index)
    log.files[name].insert(line, log.files[name][line])
    return index + 2


EDITS = (_flip, _change_value, _delete, _swap, _repeat)


def _try(made: Any, place: Path, seed: int) -> None:
    _, log, heads = made
    chance = random.Random(seed)
    edit = EDITS[seed % len(EDITS)]
    changed = log.copy()
    number = edit(changed, chance)
    changed.put(place)
    report = verify(place, heads=heads)
    assert report.broken is not None, (seed, edit.__name__, number)
    # A change that makes a segment shorter is seen before its records are read to the end.
    assert report.broken.sequence == number or report.broken.reason == "short", (seed, edit.__name__, number, report)
    assert report.last < report.broken.sequence
    assert report.broken.proven < number


def test_random_edits_are_found_and_the_record_is_named(made: Any, tmp_path: Path) -> None:
    for seed in range(300):
        _try(made, tmp_path / "log", seed)


@pytest.mark.long
def test_ten_thousand_random_edits(made: Any, tmp_path: Path) -> None:
    for seed in range(1000, 11_000):
        _try(made, tmp_path / "log", seed)


def _rechain(log: Written, index: int) -> None:
    """Give all records from one on the hashes that follow, as somebody without the key can."""
    previous: bytes | None = None
    for at in range(index, log.count):
        name, line = log.where(at)
        record = json.loads(log.files[name][line])
        if previous is not None:
            record["previous"] = hashlib.sha256(previous).hexdigest()
        previous = canonical(record)
        log.files[name][line] = previous + b"\n"


def test_who_makes_the_chain_anew_behind_an_edit_fails_at_the_next_signature(made: Any, tmp_path: Path) -> None:
    _, log, _ = made
    for index in range(5, log.count - 8, 7):
        changed = log.copy()
        name, line = changed.where(index)
        record = json.loads(changed.files[name][line])
        if record["kind"] in ("head", "segment"):
            continue
        changed.files[name][line] = canonical(record | {"code": "E_FORGED"}) + b"\n"
        _rechain(changed, index)
        changed.put(tmp_path / "log")
        broken = verify(tmp_path / "log").broken
        assert broken is not None
        following = [json.loads(changed.files[n][at]) for n, at in map(log.where, range(index, log.count))]
        signed = next(one["sequence"] for one in following if "signature" in one)
        assert broken.sequence == signed
        assert broken.reason in ("signature", "short")
        assert broken.proven <= index


def test_a_cut_end_is_found_with_heads_from_elsewhere_and_unknown_without(made: Any, tmp_path: Path) -> None:
    _, log, heads = made
    for left in (log.count - 1, log.count // 2, 3):
        cut = log.copy()
        while cut.count > left:
            name = list(cut.files)[-1]
            cut.files[name].pop()
            if not cut.files[name]:
                del cut.files[name]
        cut.put(tmp_path / "log")
        bare = verify(tmp_path / "log")
        assert (bare.broken, bare.complete_to) == (None, -1)
        report = verify(tmp_path / "log", heads=heads)
        assert report.broken is not None
        assert (report.broken.reason, report.broken.sequence) == ("missing", left + 1)


def test_a_missing_segment_is_named(made: Any, tmp_path: Path) -> None:
    _, log, _ = made
    names = list(log.files)
    for gone in (0, 2, len(names) - 2):
        changed = log.copy()
        first = json.loads(changed.files.pop(names[gone])[0])["sequence"]
        changed.put(tmp_path / "log")
        broken = verify(tmp_path / "log").broken
        assert broken is not None
        assert (broken.reason, broken.sequence) == ("segment", first)


def test_a_whole_boot_taken_out_of_the_middle_is_found(made: Any, tmp_path: Path) -> None:
    """The third boot begins behind the second one, whatever the files are called now."""
    directory, _, _ = made
    place = tmp_path / "log"
    shutil.copytree(directory, place)
    before = len(Written.read(place).files)
    write_boot(place, "boot3", 5)
    log = Written.read(place)
    names = list(log.files)
    second = [n for n in names[:before] if json.loads(log.files[n][0])["boot"] == "boot2"]
    kept = [n for n in names if n not in second]
    Written({segment_path(place, ROBOT, at).name: log.files[n] for at, n in enumerate(kept)}).put(place)
    broken = verify(place).broken
    assert broken is not None
    assert broken.reason == "segment"
    assert broken.sequence == json.loads(log.files[second[0]][0])["sequence"]


def test_a_rollback_to_an_older_state_of_the_disk_is_found_with_heads(tmp_path: Path) -> None:
    place, old = tmp_path / "log", tmp_path / "old"
    write_boot(place, "boot1", 20)
    shutil.copytree(place, old)
    heads = parse(write_boot(place, "boot2", 30))
    shutil.rmtree(place)
    shutil.copytree(old, place)  # with the keys, as a snapshot would
    end = verify(place).last
    report = verify(place, heads=heads)
    assert report.broken is not None
    assert (report.broken.reason, report.broken.sequence) == ("missing", end + 1)
    write_boot(place, "boot2", 60)  # and another story is told in its place, with the very keys
    assert verify(place).broken is None
    report = verify(place, heads=heads)
    assert report.broken is not None
    assert report.broken.reason == "heads"
    (first,) = [one for one in heads if one["segment"] == min(head["segment"] for head in heads)][:1]
    report = verify(place, heads=[first])
    assert report.broken is not None
    assert "no key of this log has signed that head" in report.broken.detail


def test_the_splice_of_two_logs_is_found(made: Any, tmp_path: Path) -> None:
    _, log, _ = made
    other = tmp_path / "other"
    make_log(other)
    foreign = Written.read(other)
    names = list(log.files)
    for at in range(1, len(names)):
        spliced = log.copy()
        spliced.files[names[at]] = foreign.files[names[at]]
        spliced.put(tmp_path / "log")
        broken = verify(tmp_path / "log").broken
        assert broken is not None
        assert broken.reason in ("key", "short")
    for index in range(3, log.count, 11):
        name, line = log.where(index)
        if line == 0:
            continue
        spliced = log.copy()
        spliced.files[name][line] = foreign.files[name][line]
        spliced.put(tmp_path / "log")
        broken = verify(tmp_path / "log").broken
        assert broken is not None
        assert broken.sequence == index + 1


def test_a_log_by_a_foreign_key_is_found_with_the_robots_key(made: Any, tmp_path: Path) -> None:
    directory, _, _ = made
    forged = tmp_path / "forged"
    make_log(forged)
    assert verify(forged).broken is None
    report = verify(forged, key=root_of(directory))
    assert report.broken is not None
    assert (report.broken.reason, report.broken.sequence, report.authentic) == ("key", 1, False)
    other = Ed25519PrivateKey.generate().public_key().public_bytes_raw().hex()
    assert verify(directory, key=other).authentic is False


def test_a_head_signed_by_a_stranger_and_one_of_another_text_are_found(made: Any, tmp_path: Path) -> None:
    _, log, _ = made
    stranger = Ed25519PrivateKey.generate()
    for at in range(log.count):
        name, line = log.where(at)
        record = json.loads(log.files[name][line])
        if record["kind"] != "head":
            continue
        bare = {member: value for member, value in record.items() if member != "signature"}
        forged = canonical(bare | {"signature": stranger.sign(canonical(bare)).hex()}) + b"\n"
        same = log.files[name][line].replace(record["signature"].encode(), record["signature"].upper().encode())
        for text in (forged, same):
            changed = log.copy()
            changed.files[name][line] = text
            changed.put(tmp_path / "log")
            broken = verify(tmp_path / "log").broken
            assert broken is not None
            assert (broken.reason, broken.sequence) == ("signature", at + 1)


def test_another_version_of_the_format_is_named(made: Any, tmp_path: Path) -> None:
    _, log, _ = made
    changed = log.copy()
    name = next(iter(changed.files))
    changed.files[name][0] = changed.files[name][0].replace(b'"format":1', b'"format":2')
    changed.put(tmp_path / "log")
    broken = verify(tmp_path / "log").broken
    assert broken is not None
    assert (broken.reason, broken.sequence) == ("format", 1)


def test_a_key_of_an_older_segment_signs_nothing_any_more(tmp_path: Path) -> None:
    """The key on disk is the one that the newest segment names, and no other one is left anywhere."""
    place = tmp_path / "log"
    make_log(place)
    held = json.loads((place / f"{ROBOT}.evidence-key").read_text())
    assert held["next"] == ""
    public = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(held["present"])).public_key().public_bytes_raw().hex()
    headers = [json.loads(lines[0]) for lines in Written.read(place).files.values()]
    assert public == headers[-1]["key"]
    assert len({one["key"] for one in headers}) == len(headers)
    assert [one["signed_with"] for one in headers[1:]] == [one["key"] for one in headers[:-1]]
    assert (place / f"{ROBOT}.evidence-key").stat().st_mode & 0o777 == 0o600


def test_a_lost_key_makes_a_log_that_says_so(tmp_path: Path) -> None:
    place = tmp_path / "log"
    write_boot(place, "boot1", 5)
    (place / f"{ROBOT}.evidence-key").unlink()
    end = verify(place).last
    write_boot(place, "boot2", 5)
    broken = verify(place).broken
    assert broken is not None
    assert (broken.reason, broken.sequence) == ("key", end + 1)
    assert "the key file is missing" in broken.detail


def test_an_edited_recording_is_found(tmp_path: Path) -> None:
    from safety_supervisor.evidence.log_writer import LogWriter

    place = tmp_path / "log"
    place.mkdir()
    from chains import Steps
    from evidence_records import header

    from safety_supervisor.evidence.decisions.keeper import Keeper

    keeper = Keeper(place, clock=Steps())
    keeper.begin(header())
    events = LogWriter(place, 1 << 20, 1 << 20, keeper.wrote)
    events.begin(header())
    for number in range(300):
        events.add(b"record %d" % number)
        assert events.sync()
        assert keeper.sync()
    keeper.finish()
    assert keeper.sync()
    keeper.close()
    (recording,) = place.glob("*.events.mcap")
    report = verify(place)
    assert report.broken is None
    assert report.recordings >= 3
    data = bytearray(recording.read_bytes())
    for at in (0, len(data) // 2, len(data) - 1):
        changed = bytearray(data)
        changed[at] ^= 1
        recording.write_bytes(changed)
        broken = verify(place).broken
        assert broken is not None
        assert broken.reason == "recording"
        assert verify(place, recordings=False).broken is None
    recording.unlink()
    report = verify(place)
    assert report.broken is None
    assert report.recordings == 0
    assert report.absent_recordings >= 3
