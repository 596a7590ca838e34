"""What the real supervisor decides is what the decision log says, in full or folded, and nothing is lost."""

from __future__ import annotations

import hashlib
import json
import math
import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from chains import ROBOT, Steps, verify
from evidence_records import decision, header, status, tick
from test_replay import CONFIGURATION, record
from typer.testing import CliRunner

from safety_supervisor import Supervisor, load_config
from safety_supervisor.boot_script import BootScript
from safety_supervisor.core.act_events import OperatorAct
from safety_supervisor.core.effects import Actuate, Decision, Status
from safety_supervisor.core.estop_input import EstopInput
from safety_supervisor.core.events import StreamCommand, Tick, TrajectoryCommand
from safety_supervisor.evidence.cli import app
from safety_supervisor.evidence.decisions.chain import canonical
from safety_supervisor.evidence.decisions.keeper import Keeper
from safety_supervisor.evidence.decisions.record import Recorder, retained, tag_of
from safety_supervisor.evidence.event_log import Entry, EventLog

pytestmark = pytest.mark.requirement("SR-042")
DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "evidence.md"
encode = msgspec.msgpack.Encoder().encode


def sha(value: Any) -> str:
    return hashlib.sha256(encode(value)).hexdigest()


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Entry], list[dict[str, Any]], Path]:
    path = record(load_config(CONFIGURATION), tmp_path_factory.mktemp("decisions"))
    (log,) = path.parent.glob("*.decisions")
    entries = [item for item in EventLog(path) if isinstance(item, Entry)]
    return entries, [json.loads(line) for line in log.read_bytes().splitlines()], path.parent


def test_every_decision_is_there_in_full_or_folded(played: Any) -> None:
    entries, records, _ = played
    said: Counter[tuple[str, str, str]] = Counter()
    for entry in entries:
        for effect in entry.effects:
            if isinstance(effect, Decision):
                said[effect.source, effect.verdict, effect.code] += effect.count
    found: Counter[tuple[str, str, str]] = Counter()
    for one in records:
        if one["kind"] in ("decision", "folded"):
            found[one["source"], one["verdict"], one["code"]] += one["count"]
    assert found == said
    assert {verdict for _, verdict, _ in said} >= {"PASS", "REJECT", "STOP"}


def test_a_decision_names_its_command_and_what_held_when_it_was_made(played: Any) -> None:
    entries, records, _ = played
    configuration = load_config(CONFIGURATION)
    checked = 0
    for one in records:
        if one["kind"] != "decision":
            continue
        assert one["configuration_sha256"] == configuration.sha256
        assert all(re.fullmatch("[0-9a-f]{64}", one[f"{name}_sha256"]) for name in ("urdf", "software"))
        entry = entries[one["event"] - 1]
        if isinstance(entry.event, StreamCommand) and one["verdict"] in ("PASS", "REJECT"):
            assert (one["command_event"], one["command_sha256"]) == (one["event"], sha(entry.event))
            before = [item.event for item in entries[: one["event"]] if type(item.event).__name__ == "JointStates"]
            assert one["state_sha256"] == sha(before[-1])
            assert one["latency"] == 0
            checked += 1
    assert checked >= 2
    (refused,) = [one for one in records if one["kind"] == "decision" and one["code"] == "E_NOT_FINITE"]
    supervisor = Supervisor(configuration)
    for item in entries[: refused["event"] - 1]:
        supervisor.handle(item.event)
    assert (refused["state"], refused["mode"], refused["value"]) == (supervisor.state, "auto", "NaN")


def test_states_acts_and_the_boot_are_there(played: Any) -> None:
    entries, records, _ = played
    states = [effect.state for entry in entries for effect in entry.effects if isinstance(effect, Status)]
    runs = [state for index, state in enumerate(states) if index == 0 or state != states[index - 1]]
    told = [one["state"] for one in records if one["kind"] == "state"]
    assert [state for index, state in enumerate(told) if index == 0 or state != told[index - 1]] == runs
    acts = [entry.event for entry in entries if isinstance(entry.event, OperatorAct)]
    found = [(one["act"], one["person"], one["at"]) for one in records if one["kind"] == "act"]
    assert found == [(act.act, act.person, act.at) for act in acts]
    assert [one["boot_id"] for one in records if one["kind"] == "boot"] == ["b"]
    assert records[-1]["kind"] == "head"
    assert records[-2]["kind"] == "end"


def test_set_points_and_commands_are_folded_with_counts_extremes_and_hash(played: Any) -> None:
    entries, records, _ = played
    supervisor = Supervisor(load_config(CONFIGURATION))
    sent = [e for item in entries for e in supervisor.handle(item.event) if isinstance(e, Actuate)]
    motion = [one for one in records if one["kind"] == "motion"]
    with_points = [one for one in motion if "set_points" in one]
    assert sum(one["set_points"] for one in with_points) == len(sent)
    assert sum(one["moving"] for one in with_points) == sum(one.moving for one in sent)
    assert (with_points[0]["first_cycle"], with_points[-1]["last_cycle"]) == (sent[0].cycle, sent[-1].cycle)
    positions, speeds = np.array([one.positions for one in sent]), np.abs([one.velocities for one in sent])
    assert np.min([one["position_low"] for one in with_points], axis=0).tolist() == positions.min(axis=0).tolist()
    assert np.max([one["position_high"] for one in with_points], axis=0).tolist() == positions.max(axis=0).tolist()
    assert np.max([one["speed_high"] for one in with_points], axis=0).tolist() == speeds.max(axis=0).tolist()
    commands = [entry.event for entry in entries if isinstance(entry.event, StreamCommand)]
    left = list(commands)
    for one in motion:
        for source in one["sources"].values():
            batch, left = left[: source["heard"]], left[source["heard"] :]
            assert source["commands_sha256"] == hashlib.sha256(b"".join(map(encode, batch))).hexdigest()
            assert (source["first_at"], source["last_at"]) == (batch[0].at, batch[-1].at)
    assert left == []
    said = [e for item in entries for e in item.effects if isinstance(e, Decision) and e.verdict == "REJECT"]
    refused = sum(one.count for one in said if one.source == "planner")
    assert sum(one["sources"].get("planner", {}).get("refused", 0) for one in motion) == refused


def test_the_log_of_a_real_boot_verifies_with_its_recording(played: Any) -> None:
    _, records, directory = played
    root = (directory / f"{records[0]['robot']}.evidence-pub").read_text().strip()
    done = CliRunner().invoke(app, ["verify", str(directory), "--key", root, "--json"])
    report = json.loads(done.stdout)
    assert (done.exit_code, report["broken"], report["tail"]) == (0, None, "complete")
    assert (report["records"], report["authenticity"]) == (len(records), "by the given key")
    assert report["completeness"] == "unknown"
    assert report["recordings"] >= 1


def test_verify_tells_people_and_programs_what_is_broken(played: Any, tmp_path: Path) -> None:
    _, records, directory = played
    place = tmp_path / "log"
    shutil.copytree(directory, place)
    good = CliRunner().invoke(app, ["verify", str(place)])
    assert good.exit_code == 0
    assert "completeness unknown" in good.stdout
    (log,) = place.glob("*.decisions")
    heads = tmp_path / "heads"
    heads.write_bytes(log.read_bytes().splitlines(keepends=True)[-1])
    proven = CliRunner().invoke(app, ["verify", str(place), "--heads", str(heads)])
    assert proven.exit_code == 0
    assert f"proven up to record {len(records)}" in proven.stdout
    lines = log.read_bytes().splitlines(keepends=True)
    lines[4] = lines[4].replace(b'"at":', b'"at":1')
    log.write_bytes(b"".join(lines))
    bad = CliRunner().invoke(app, ["verify", str(place)])
    assert bad.exit_code == 1
    assert "BROKEN" in bad.stdout
    assert json.loads(CliRunner().invoke(app, ["verify", str(place), "--json"]).stdout)["broken"]["sequence"] == 5
    heads.write_text("{}\n")
    assert CliRunner().invoke(app, ["verify", str(place), "--heads", str(heads)]).exit_code == 2
    assert CliRunner().invoke(app, ["verify", str(tmp_path / "nowhere")]).exit_code == 2
    assert CliRunner().invoke(app, ["verify", str(place), "--key", "abc"]).exit_code == 2


def test_a_trajectory_that_is_ruled_on_later_is_named_also_without_an_id_of_its_own() -> None:
    """The core counts what has no id; so does the record, and the hash is that of the very command."""
    configuration = load_config(CONFIGURATION)
    supervisor = Supervisor(configuration)
    script, robot = BootScript(configuration, "b"), configuration.robot.start
    assert robot is not None
    recorder = Recorder({"robot": "panda", "boot": "b"}, {})
    names, period = tuple(configuration.robot.joints[: len(robot)]), configuration.timing.period
    sent: list[TrajectoryCommand] = []
    told: list[dict[str, Any]] = []
    for cycle in range(700):
        now = 1_000_000_000 + cycle * period
        events: list[Any] = list(script.begin(now)) if cycle == 0 else []
        events.append(script.measure(now, robot))
        if cycle == 120:
            events.append(script.reset(now))
        if cycle == 130:
            events.append(script.start(now))
        if cycle in (200, 201, 450):
            goal = np.array([robot, np.add(robot, [0.01 + cycle * 1e-5] + [0.0] * (len(robot) - 1))])
            count = (len(robot),) * 2
            frame = "cid:mine;key:k1" if cycle == 450 else ""
            command = TrajectoryCommand(
                now, "planner", names, (period, period * 100), goal.astype(np.float64).tobytes(), count,
                b"", (0, 0), b"", (0, 0), 0, 0, now, frame, "aa",
            )  # fmt: skip
            sent.append(command)
            events.append(command)
        events.append(Tick(now, now, EstopInput("run", received_at=now)))
        for event in events:
            effects = supervisor.handle(event)
            for effect in effects:
                if isinstance(effect, Actuate):
                    robot = effect.positions
            told += [one for one in recorder.take(encode((event, effects)), 0) if one["kind"] == "decision"]
    by_command = {one["command"]: one["command_sha256"] for one in told if one["source"] == "planner"}
    expected = {"planner-1": sha(sent[0]), "planner-2": sha(sent[1]), "mine": sha(sent[2])}
    assert by_command == expected
    (mine, *_) = [one for one in told if one["command"] == "mine"]
    assert mine["idempotency_key"] == "k1"
    assert 0 < mine["latency"] < 100_000_000
    assert {one["verdict"] for one in told if one["source"] == "planner"} == {"PASS", "REJECT"} or len(told) >= 3


def keep(pairs: list[tuple[Any, tuple[Any, ...]]]) -> list[dict[str, Any]]:
    recorder = Recorder({"robot": "panda", "boot": "b"}, {"configuration_sha256": "00"})
    found = [one for pair in pairs for one in recorder.take(encode(pair), 0)]
    return found + recorder.close(0)


def test_equal_decisions_are_folded_and_their_extremes_and_hash_are_told() -> None:
    many = [msgspec.structs.replace(decision(at), value=float(at % 7), command=f"c{at}") for at in range(100)]
    found = keep([(tick(at), (one,)) for at, one in enumerate(many)])
    full = [one for one in found if one["kind"] == "decision"]
    assert [one["command"] for one in full] == [f"c{at}" for at in range(20)]
    (folded,) = [one for one in found if one["kind"] == "folded"]
    assert (folded["folded"], folded["count"], folded["first_command"], folded["command"]) == (80, 80, "c20", "c99")
    assert (folded["low"]["value"], folded["high"]["value"]) == (0.0, 6.0)
    (shown,) = keep([(tick(20), (many[20],))])[:1]
    assert shown["kind"] == "decision"
    passes = [msgspec.structs.replace(decision(at, ""), verdict="PASS") for at in range(10)]
    found = keep([(tick(at), (one,)) for at, one in enumerate(passes)])
    assert [one["kind"] for one in found] == ["decision", "folded"]
    assert found[1]["folded"] == 9


def test_another_fold_has_another_hash() -> None:
    def folded(value: float) -> str:
        many = [msgspec.structs.replace(decision(at), value=value if at == 50 else 0.0) for at in range(100)]
        (one,) = [one for one in keep([(tick(at), (d,)) for at, d in enumerate(many)]) if one["kind"] == "folded"]
        return str(one["decisions_sha256"])

    assert folded(0.5) != folded(0.25)
    assert folded(0.5) == folded(0.5)


def test_a_fold_closes_every_second_and_at_each_transition_before_it() -> None:
    second = 1_000_000_000
    pairs: list[tuple[Any, tuple[Any, ...]]] = []
    command = StreamCommand(1, "planner", ("a",), (0.0,), (), 0, 0, 0, "", "")
    for at in range(0, 3 * second, second // 100):
        pairs.append((msgspec.structs.replace(command, at=at), ()))
        pairs.append((tick(at), (status(at, "MOVING" if at < 2.5 * second else "LOCKED"),)))
    found = keep(pairs)
    kinds = [one["kind"] for one in found]
    assert kinds[:2] == ["motion", "state"]
    last = len(kinds) - 1 - kinds[::-1].index("state")
    assert kinds[last - 1] == "motion"
    assert found[last - 1]["at"] <= found[last]["at"]
    heard = [one["sources"]["planner"]["heard"] for one in found if one["kind"] == "motion"]
    assert sum(heard) == 300
    assert max(heard) <= 102
    times = [one["at"] for one in found if one["kind"] == "motion"]
    assert max(np.diff(times)) <= second + second // 50


def test_the_text_of_a_record_is_canonical_and_knows_no_nan() -> None:
    body = {"b": math.inf, "a": {"z": [math.nan, -math.inf, 0.1]}, "text": 'ä"\u202e\n'}
    text = canonical(body)
    assert text == b'{"a":{"z":["NaN","-Infinity",0.1]},"b":"Infinity","text":"\\u00e4\\"\\u202e\\n"}'
    for value in (0.1, 1e-320, 1e22, 123456789.123456789, -0.0):
        assert math.copysign(1.0, json.loads(canonical({"v": value}))["v"]) == math.copysign(1.0, value)
        assert json.loads(canonical({"v": value}))["v"] == value


def test_every_event_and_effect_is_told_by_its_name() -> None:
    for value in (tick(1), decision(1), status(1, "READY"), Actuate(1, 1, (), (), (), (), False)):
        assert tag_of(encode(value)) == type(value).__name__


def test_what_people_did_is_kept_for_the_longer_time() -> None:
    assert retained({"kind": "act"})
    assert retained({"kind": "decision", "intervention": "i1"})
    assert retained({"kind": "segment"})
    assert not retained({"kind": "decision", "intervention": ""})
    assert not retained({"kind": "motion"})


def test_the_document_names_every_member_of_a_decision(played: Any) -> None:
    _, records, _ = played
    text = DOCUMENT.read_text(encoding="utf-8")
    for one in records:
        for member in one:
            assert f"`{member}`" in text, (one["kind"], member)


def test_a_new_boot_names_the_end_of_the_one_before(tmp_path: Path) -> None:
    for boot in ("b1", "b2"):
        keeper = Keeper(tmp_path, clock=Steps())
        keeper.begin(header(boot))
        keeper.finish()
        assert keeper.sync()
        keeper.close()
    first, second = sorted(tmp_path.glob(f"{ROBOT}-*.decisions"))
    last = first.read_bytes().splitlines()[-1]
    head = json.loads(second.read_bytes().splitlines()[0])
    assert head["previous"] == hashlib.sha256(last).hexdigest()
    assert head["previous_bytes"] == first.stat().st_size
    assert verify(tmp_path).boots == ["b1", "b2"]
