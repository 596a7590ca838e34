"""Replay from the middle: the result is that of the whole; a snapshot that does not fit is refused by name."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from replayed_boot import CONFIGURATION, play
from typer.testing import CliRunner

from safety_supervisor import Supervisor, load_config
from safety_supervisor.core.settings import Configuration
from safety_supervisor.evidence import event_log
from safety_supervisor.evidence.cli import app
from safety_supervisor.evidence.event_log import Entry, EventLog
from safety_supervisor.evidence.feed import EventFeed, FeedLimits, describe_boot
from safety_supervisor.evidence.retention import make_room
from safety_supervisor.evidence.snapshots import store
from safety_supervisor.evidence.snapshots.graph import Fixtures
from safety_supervisor.evidence.snapshots.names import snapshots_of

pytestmark = [pytest.mark.requirement("SR-044"), pytest.mark.usefixtures("fresh_stages")]
encode = msgspec.msgpack.Encoder().encode


@pytest.fixture(scope="module")
def configuration(fresh_stages: None) -> Configuration:
    return load_config(CONFIGURATION)


@pytest.fixture(scope="module")
def boot(configuration: Configuration, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first of several segments of a boot of 1.8 s, with a snapshot every 0.3 s."""
    place = tmp_path_factory.mktemp("snapshots")
    feed = EventFeed(place, describe_boot(configuration, "b", "b"), FeedLimits(segment_bytes=150_000))
    for event, effects in play(Supervisor(configuration), configuration):
        feed.record(event, effects)
        feed.flush()
        while feed.pending > 20_000 and feed.healthy(0) is not None:
            feed.flush()
    assert feed.close(30.0)
    log = EventLog(next(place.glob("*.events.mcap")))
    assert len(log.segments) > 1
    path = log.segments[0][0]
    done = CliRunner().invoke(app, ["snapshot", str(path), "--every", "0.3"])
    assert done.exit_code == 0, done.output
    return path


@pytest.fixture
def copy(boot: Path, tmp_path: Path) -> Path:
    """The same, to be changed."""
    return Path(shutil.copytree(boot.parent, tmp_path / "log")) / boot.name


def replay(path: Path, *arguments: str) -> tuple[int, dict[str, Any], str]:
    done = CliRunner().invoke(app, ["replay", str(path), "--json", *arguments])
    return done.exit_code, json.loads(done.stdout) if done.stdout else {}, done.stderr


NEW = ("first_event", "snapshot")


@pytest.mark.long
def test_from_any_snapshot_the_result_is_that_of_the_whole(boot: Path) -> None:
    _, whole, _ = replay(boot, "--show-decisions")
    assert (whole["same"], whole["first_event"], whole["snapshot"]) == (True, 0, "")
    heads = [store.read(path)[0] for path in reversed(snapshots_of(boot))]
    assert len(heads) == 5
    assert len({head.place[0] for head in heads}) > 1, "in several segments"
    for head in heads:
        status, report, said = replay(boot, "--from", f"event:{head.events}", "--show-decisions")
        assert status == 0
        assert report["first_event"] == head.events
        assert f"begins at event {head.events}" in said
        rows = report.pop("rows")
        assert rows == [row for row in whole["rows"] if row["line"] > head.lines]
        rest = {name: value for name, value in report.items() if name not in NEW}
        assert rest == {name: value for name, value in whole.items() if name not in (*NEW, "rows")}


def test_the_time_of_day_and_the_directory_are_enough_and_another_process_is_too(boot: Path) -> None:
    started = EventLog(boot).header.started_at[:19]
    script = "from safety_supervisor.evidence.cli import app; app()"
    command = [sys.executable, "-c", script, "replay", str(boot.parent), "--from", f"{started}.2Z"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, "replay begins with the boot" in done.stderr) == (0, True), done.stderr
    command[-1] = "1.3"
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "SAME: every effect from event" in done.stdout
    head = store.read(next(path for path in snapshots_of(boot) if path.name in done.stdout))[0]
    assert 0.9e9 < head.at - head.begun < 1.3e9


@pytest.mark.parametrize("when", ["yesterday", "event:x", "99:00:00", "-1"])
def test_what_is_no_time_is_refused(boot: Path, when: str) -> None:
    status, report, said = replay(boot, f"--from={when}")
    assert (status, report) == (2, {})
    assert "is no time" in said or "is not in the log" in said


def test_a_time_before_the_first_snapshot_begins_with_the_boot_and_says_so(boot: Path) -> None:
    status, report, said = replay(boot, "--from", "event:3")
    assert (status, report["first_event"], report["same"]) == (0, 0, True)
    assert "no snapshot of this boot before event:3" in said


def newest(path: Path) -> Path:
    return snapshots_of(path)[0]


def rewritten(path: Path, **changes: Any) -> None:
    """Another head, with a right hash."""
    head, state = store.read(path)
    store.write(path, msgspec.structs.replace(head, **changes), state)


def versions(**changes: str) -> dict[str, str]:
    return store.software_versions() | changes


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"robot_id": "other"}, "foreign: of robot 'other', boot 'b'"),
        ({"boot_id": "a"}, "foreign: of robot 'panda', boot 'a'"),
        ({"nonce": "x"}, "foreign"),
        ({"configuration_sha256": "00" * 32}, "of another configuration, 0000000000000000"),
        ({"versions": versions(core="0123456789abcdef")}, "of another version: core 0123456789abcdef, here"),
        ({"versions": versions(python="3.9.1")}, "of another version: python 3.9.1, here"),
        ({"versions": versions(cpu="abacus")}, "of another version: cpu abacus, here"),
        ({"fresh_sha256": "00" * 32}, "a fresh supervisor looks otherwise here"),
        ({"recording_sha256": "00" * 32}, "the recording before it is not the one that it was made of"),
        ({"place": (7, 0)}, "the recording does not reach so far"),
    ],
)
def test_a_snapshot_of_something_else_is_refused_by_name_and_the_one_before_serves(
    copy: Path, changes: dict[str, Any], said: str
) -> None:
    refused, before = snapshots_of(copy)[:2]
    rewritten(refused, **changes)
    status, report, told = replay(copy, "--from", "1.75")
    assert f"snapshot refused: {refused.name}: {said}" in told.replace("\n", " "), told
    assert (status, report["same"], report["snapshot"]) == (0, True, before.name)


def test_a_snapshot_with_any_changed_byte_is_refused(copy: Path) -> None:
    path = newest(copy)
    data = path.read_bytes()
    for at in [*range(0, 120), *range(120, len(data), 997), len(data) - 1]:
        damaged = bytearray(data)
        damaged[at] ^= 1 << at % 8
        path.write_bytes(damaged)
        with pytest.raises(store.SnapshotError, match=r"damaged|no snapshot of this version"):
            store.read(path)
    for end in (0, 10, 40, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:end])
        with pytest.raises(store.SnapshotError):
            store.read(path)


def test_without_any_that_fits_the_whole_is_replayed_and_each_is_named(copy: Path) -> None:
    for path in snapshots_of(copy):
        path.write_bytes(b"safety_supervisor snapshot 0\n")
    status, report, said = replay(copy, "--from", "1.75")
    assert (status, report["same"], report["first_event"]) == (0, True, 0)
    assert said.count("no snapshot of this version") == 5


def test_a_recording_that_was_changed_before_a_snapshot_is_found_though_its_events_are_not_run(copy: Path) -> None:
    made = snapshots_of(copy)
    data = bytearray(copy.read_bytes())
    data[-1000] ^= 1
    copy.write_bytes(data)
    before = [path for path in made if store.read(path)[0].place < (0, len(data) - 1000)]
    assert 0 < len(before) < len(made)
    status, report, said = replay(copy, "--from", "event:5000")
    assert said.count("the recording before it is not the one that it was made of") == len(made) - len(before)
    assert (status, report["same"], report["tail"], report["snapshot"]) == (1, False, "corrupt", before[0].name)
    data[len(event_log.encode_header(EventLog(copy).header)) + 3000] ^= 1  # before all of them
    copy.write_bytes(data)
    status, report, said = replay(copy, "--from", "event:5000")
    assert said.count("the recording before it is not the one that it was made of") == len(made)
    assert (status, report["same"], report["tail"], report["first_event"]) == (1, False, "corrupt", 0)
    status, report, said = replay(copy, "--from", "1.75")  # what is left does not reach so far
    assert (status, report, "is corrupt at byte" in said) == (2, {}, True)


def test_an_effect_that_differs_behind_a_snapshot_is_found_as_by_the_whole(copy: Path) -> None:
    log = EventLog(copy)
    last = log.segments[-1][0]
    entries = [item for item in log if isinstance(item, Entry)]
    whole = last.read_bytes()
    changed = event_log.encode_record(encode(entries[-1]), entries[-1].event.at)
    assert changed in whole
    other = msgspec.structs.replace(entries[-1], digest=bytes(16))
    last.write_bytes(whole.replace(changed, event_log.encode_record(encode(other), other.event.at)))
    found = []
    for arguments in ([], ["--from", "1.75"]):
        status, report, _ = replay(copy, *arguments)
        assert (status, report["divergence"]["index"]) == (1, len(entries) - 1)
        found.append(report["divergence"])
    assert found[0] == found[1]


def test_a_state_that_is_nonsense_with_a_right_hash_is_refused(copy: Path) -> None:
    path = newest(copy)
    head, state = store.read(path)
    changed, later = msgspec.msgpack.decode(state)
    for nonsense in (
        b"",
        b"\xc0",
        encode([[[10**6, ["list", []]]], []]),
        encode([changed, []]),
        encode([[[0, ["object", "os:_Environ", []]]], later]),
        encode([[], [["object", "subprocess:Popen", []]]]),
        encode([[], [["object", "safety_supervisor.core.supervisor:load", []]]]),
        encode([[], [["list", [["method", ["later", 0], "clear"]]]]]),
        encode([[], [["list", [["class", "os:system"]]]]]),
        encode([[], [["list", [["math", "__loader__", 1]]], ["function", []]]]),
    ):
        store.write(path, head, nonsense)
        status, report, said = replay(copy, "--from", "1.75")
        assert (status, report) == (2, {}), nonsense
        assert path.name in said.replace("\n", "")


def test_a_snapshot_is_not_written_behind_an_effect_that_differs(copy: Path) -> None:
    for path in snapshots_of(copy):
        path.unlink()
    log = EventLog(copy)
    parts = [event_log.encode_header(log.header)]
    for number, item in enumerate(log):
        told = msgspec.structs.replace(item, digest=bytes(16)) if number == 500 else item
        parts.append(event_log.encode_record(encode(told)))
    for path, _ in log.segments:
        path.unlink()
    copy.write_bytes(b"".join(parts))
    done = CliRunner().invoke(app, ["snapshot", str(copy), "--every", "0.1"])
    assert (done.exit_code, "DIFFERENT at event 500" in done.stdout) == (1, True), done.output
    made = [store.read(path)[0].events for path in snapshots_of(copy)]
    assert made
    assert max(made) <= 500


@pytest.mark.parametrize("field", ["_last_tick", "tick", "epoch", "permits_motion"])
def test_a_field_that_a_snapshot_forgets_is_found(
    configuration: Configuration, field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mutant: what a later effect hangs on is not told."""
    from safety_supervisor.evidence.snapshots import telling

    events = list(play(Supervisor(configuration), configuration))
    supervisor = Supervisor(configuration)
    fixtures = Fixtures(supervisor)
    for event, _ in events[:400]:
        supervisor.handle(event)
    own = telling.fields_of
    forgotten: list[str] = []

    def without(thing: Any) -> Any:
        found = own(thing)
        forgotten.extend(type(thing).__name__ for name, _ in found if name == field)
        return [(name, value) for name, value in found if name != field]

    monkeypatch.setattr(telling, "fields_of", without)
    state = fixtures.take()
    monkeypatch.undo()
    if not forgotten:
        pytest.skip(f"no part of the core has a field {field}")
    again = Supervisor(configuration)
    fresh = Fixtures(again)
    kept = {id(thing): dict(own(thing)) for thing in fresh.things if telling.is_ours(type(thing))}
    fresh.put(state)
    for thing in fresh.things:  # the field is as it is in a fresh one
        if id(thing) in kept and field in kept[id(thing)]:
            object.__setattr__(thing, field, kept[id(thing)][field])
    assert any(again.handle(event) != effects for event, effects in events[400:])


def test_a_boot_that_goes_takes_its_snapshots_along(copy: Path) -> None:
    later = msgspec.structs.replace(EventLog(copy).header, boot_id="c", started_at="2099-01-01T00:00:00+00:00")
    path = copy.with_name(event_log.segment_name(later))
    path.write_bytes(event_log.encode_header(later))
    assert make_room(copy.parent, "panda", 1).boots == ("b",)
    assert list(copy.parent.glob("*.snapshot")) == []


@pytest.mark.long
def test_snapshots_are_recorded_while_the_robot_runs_by_a_process_that_waits_behind_all_others(
    configuration: Configuration, tmp_path: Path
) -> None:
    feed = EventFeed(tmp_path, describe_boot(configuration, "b", "b"), FeedLimits(snapshot_every=0.3))
    events = list(play(Supervisor(configuration), configuration))
    for event, effects in events[:700]:
        feed.record(event, effects)
        feed.flush()
    ends = time.monotonic() + 60.0
    path = next(tmp_path.glob("*.events.mcap"))
    while len(snapshots_of(path)) < 3 and time.monotonic() < ends:  # while the boot is being written
        feed.flush()
        time.sleep(0.05)
    assert len(snapshots_of(path)) >= 3
    for event, effects in events[700:]:
        feed.record(event, effects)
        feed.flush()
    assert feed.close(30.0)
    while len(snapshots_of(path)) < 5 and time.monotonic() < ends:
        time.sleep(0.05)
    status, report, _ = replay(path, "--from", "1.75")
    assert (status, report["same"], report["events"]) == (0, True, len(events))
    assert report["first_event"] > 700
