"""A recorded boot of the real supervisor runs again with the same effects, and every difference is found."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from replayed_boot import CONFIGURATION, record
from typer.testing import CliRunner

from safety_supervisor import load_config
from safety_supervisor.anomaly.cli import app as anomaly
from safety_supervisor.core.events import StreamCommand, Tick
from safety_supervisor.evidence import event_log
from safety_supervisor.evidence.cli import app
from safety_supervisor.evidence.event_log import Entry, EventLog, Gap

pytestmark = [pytest.mark.requirement("SR-044"), pytest.mark.requirement("SR-042")]
ROOT = Path(__file__).resolve().parents[2]
encode = msgspec.msgpack.Encoder().encode


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record(load_config(CONFIGURATION), tmp_path_factory.mktemp("replay"))


@pytest.fixture(scope="module")
def humanoid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A G1 on a stand: what it stands with has no events here."""
    place = tmp_path_factory.mktemp("humanoid")
    keys = yaml.safe_load(CONFIGURATION.with_name("g1.yaml").read_text(encoding="utf-8")) | {"balance": None}
    file = place / "g1.yaml"
    file.write_text(yaml.safe_dump(keys, sort_keys=False), encoding="utf-8")
    return record(load_config(file), place)


def replay(path: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    """Replay in this process."""
    done = CliRunner().invoke(app, ["replay", str(path), "--json", *arguments])
    return done.exit_code, json.loads(done.stdout) if done.stdout else {"error": done.stderr}


def replay_apart(path: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    """Replay in a process of its own."""
    script = "from safety_supervisor.evidence.cli import app; app()"
    search = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", script, "replay", str(path), "--json", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": search},
    )
    return done.returncode, json.loads(done.stdout) if done.stdout else {"error": done.stderr}


def rewrite(source: Path, target: Path, change: Any) -> Path:
    """Write a log again, with right checksums, each entry changed by `change(index, entry)`."""
    log = EventLog(source)
    parts = [event_log.encode_header(log.header)]
    for index, item in enumerate(log):
        parts.append(event_log.encode_record(encode(change(index, item))))
    target.write_bytes(b"".join(parts))
    return target


@pytest.mark.sampled(2)
@pytest.mark.parametrize("log", ["recorded", "humanoid"])
def test_two_processes_give_every_effect_again(log: str, request: pytest.FixtureRequest) -> None:
    recorded: Path = request.getfixturevalue(log)
    items = list(EventLog(recorded))
    first, second = (run(recorded, "--show-decisions") for run in (replay, replay_apart))
    assert first == second
    status, report = first
    assert (status, report["same"], report["divergence"]) == (0, True, None)
    assert report["events"] == len(items) > 900
    assert report["different_software"] == {}
    # It was a boot worth replaying: motion, a refusal, the emergency stop.
    assert report["set_points"] > 300
    seen = [(row["what"], row["code"]) for row in report["rows"]]
    assert ("REJECT", "E_NOT_FINITE") in seen
    assert "AUTO/MOVING" in [what for what, _ in seen]
    assert report["final_state"] in ("STOPPING", "EMERGENCY_STOP")


def test_a_boot_with_several_controllers_and_joints_of_others_is_replayed_too(tmp_path: Path) -> None:
    keys = yaml.safe_load(CONFIGURATION.read_text(encoding="utf-8"))
    joints, output = keys["robot"]["joints"], keys.pop("output")
    parts = {"arm": joints[:3], "elbow": joints[3:5], "wrist": joints[5:]}
    keys["robot"]["groups"] = parts
    for source in keys["sources"].values():
        source["groups"] = ["arm", "elbow"]
    keys["outputs"] = {name: {**output, "topic": f"/{name}/motors", "groups": [name]} for name in ("arm", "elbow")}
    keys["observed"] = {"wrist": {"band": 0.0002, "velocity": 0.02}}
    path = tmp_path / "robot.yaml"
    path.write_text(yaml.safe_dump(keys), encoding="utf-8")
    log = record(load_config(path), tmp_path)
    path.unlink()  # the log has it
    status, report = replay(log, "--show-decisions")
    assert (status, report["same"], report["divergence"]) == (0, True, None), report
    seen = [(row["what"], row["code"]) for row in report["rows"]]
    assert "AUTO/MOVING" in [what for what, _ in seen]
    assert ("REJECT", "E_OBSERVED_MOVES") in seen


@pytest.mark.parametrize("log", ["recorded", "humanoid"])
def test_a_set_point_that_differs_in_its_last_bit_is_found(
    log: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    recorded: Path = request.getfixturevalue(log)
    at = next(
        index
        for index, item in enumerate(EventLog(recorded))
        if isinstance(item, Entry) and isinstance(item.event, StreamCommand) and index > 600
    )

    def change(index: int, item: Entry | Gap) -> Entry | Gap:
        if index != at or not isinstance(item, Entry):
            return item
        assert isinstance(item.event, StreamCommand)
        positions = (math.nextafter(item.event.positions[0], 9.0), *item.event.positions[1:])
        return msgspec.structs.replace(item, event=msgspec.structs.replace(item.event, positions=positions))

    status, report = replay(rewrite(recorded, tmp_path / "x.events.mcap", change))
    assert status == 1
    assert not report["same"]
    assert at <= report["divergence"]["index"] < at + 12
    assert report["divergence"]["event"]["type"] in ("Tick", "StreamCommand")


def test_effects_that_were_changed_in_the_log_are_found_at_their_event(recorded: Path, tmp_path: Path) -> None:
    def change(index: int, item: Entry | Gap) -> Entry | Gap:
        if index == 500 and isinstance(item, Entry):
            return msgspec.structs.replace(item, digest=bytes(16))
        return item

    status, report = replay(rewrite(recorded, tmp_path / "x.events.mcap", change))
    assert status == 1
    assert report["divergence"]["index"] == 500
    assert report["events"] == 501


def test_a_gap_ends_replay_and_is_not_the_same(recorded: Path, tmp_path: Path) -> None:
    path = rewrite(recorded, tmp_path / "x.events.mcap", lambda index, item: Gap(3, 0) if index == 200 else item)
    status, report = replay(path)
    assert (status, report["events"], report["gap"]["events"]) == (1, 200, 3)


def test_a_torn_tail_is_normal_and_until_ends_early(recorded: Path, tmp_path: Path) -> None:
    (tmp_path / "x.events.mcap").write_bytes(recorded.read_bytes()[: -len(event_log.END) - 7])
    status, report = replay(tmp_path / "x.events.mcap")
    assert (status, report["tail"], report["divergence"]) == (0, "torn", None)
    assert report["events"] == len(list(EventLog(recorded))) - 1
    status, report = replay(recorded, "--until", "0.1")
    assert (status, report["set_points"] <= 26) == (0, True)
    assert 20 < report["events"] < 70


def test_a_boot_with_a_missing_segment_is_not_the_same_and_its_beginning_is_compared(
    recorded: Path, tmp_path: Path
) -> None:
    (tmp_path / "x.events.mcap").write_bytes(recorded.read_bytes())
    later = msgspec.structs.replace(EventLog(recorded).header, segment=2, previous_bytes=1)
    (tmp_path / "y.events.mcap").write_bytes(event_log.encode_header(later))
    status, report = replay(tmp_path / "x.events.mcap")
    assert (status, report["same"], report["tail"], report["divergence"]) == (1, False, "incomplete", None)
    assert report["events"] == len(list(EventLog(recorded)))


def test_the_recorded_urdf_stands_for_the_file_and_another_configuration_is_refused(
    recorded: Path, tmp_path: Path
) -> None:
    log = EventLog(recorded)
    changed = log.header.configuration.replace(b"\n", b" # changed\n", 1)
    path = tmp_path / "x.events.mcap"
    path.write_bytes(event_log.encode_header(msgspec.structs.replace(log.header, configuration=changed)))
    status, report = replay(path)
    assert status == 2
    assert "hashes to" in report["error"]


@pytest.mark.requirement("SR-044")
def test_a_log_older_than_the_words_of_the_device_replays(recorded: Path, tmp_path: Path) -> None:
    """What a Tick did not hold then was not heard: no relays, no press of the device's button, no fault."""
    stripped = 0

    def older(_index: int, item: Any) -> Any:
        nonlocal stripped
        entry = msgspec.msgpack.decode(encode(item))
        for part in entry:
            if isinstance(part, dict) and part.get("type") == "Tick":
                for name in ("relays", "resets", "fault"):
                    del part["estop"][name]
                stripped += 1
        return entry

    old = rewrite(recorded, tmp_path / "old.events.mcap", older)
    assert stripped == 450
    assert b"relays" not in old.read_bytes().replace(EventLog(old).header.configuration, b"")
    ticks = [item.event for item in EventLog(old) if isinstance(getattr(item, "event", None), Tick)]
    assert {(tick.estop.relays, tick.estop.resets, tick.estop.fault) for tick in ticks} == {("none", 0, "")}
    status, report = replay(old)
    assert (status, report["same"], report["divergence"], report["gap"]) == (0, True, None, None)
    assert report["events"] == len(list(EventLog(recorded)))


@pytest.mark.requirement("SR-044")
@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (
            b"  driver: simulated\n",
            b"  driver: simulated\n  watchdog: 0.1\n",
            ("estop.watchdog", "E_CONFIG_UNKNOWN_KEY"),
        ),
        (b"  driver: simulated\n", b"  device: simulated\n", ("estop.driver", "E_CONFIG_MISSING")),
    ],
)
def test_a_log_whose_configuration_this_version_does_not_accept_is_refused_by_name(
    recorded: Path, tmp_path: Path, before: bytes, after: bytes, said: tuple[str, ...]
) -> None:
    log = EventLog(recorded)
    assert before in log.header.configuration
    other = log.header.configuration.replace(before, after)
    path = tmp_path / "other.events.mcap"
    path.write_bytes(event_log.encode_header(msgspec.structs.replace(log.header, configuration=other)))
    status, report = replay(path)
    assert status == 2
    assert all(word in report["error"].replace("\n", "") for word in said), report["error"]


def test_a_log_makes_a_baseline_and_a_watched_robot_replays(recorded: Path, tmp_path: Path) -> None:
    asked = ["baseline", "--from", str(recorded), "--source", "planner", "--out", str(tmp_path / "planner.json")]
    short = CliRunner().invoke(anomaly, asked)
    assert short.exit_code == 2, "less than ten minutes"
    assert CliRunner().invoke(anomaly, [*asked[:4], "nobody", *asked[5:]]).exit_code == 2
    told = CliRunner().invoke(anomaly, [*asked, "--short"])
    assert told.exit_code == 0, told.output
    keys = yaml.safe_load(CONFIGURATION.read_text(encoding="utf-8"))
    keys["sources"]["planner"] |= yaml.safe_load(told.output)
    file = tmp_path / "panda.yaml"
    file.write_text(yaml.safe_dump(keys, sort_keys=False), encoding="utf-8")
    configuration = load_config(file)
    watched = configuration.source("planner").anomaly
    assert watched is not None
    assert watched.stop_at == 3.0
    assert watched.baseline.usual["position"].high[0] > watched.baseline.usual["position"].low[0]
    log = record(configuration, tmp_path)
    (tmp_path / "planner.json").unlink()
    code, report = replay(log)
    assert (code, report["same"]) == (0, True)
