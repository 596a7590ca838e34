"""What auditors get: what people did, what changed, the list of software; counted right, and valid."""

from __future__ import annotations

import csv
import json
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from evidence_records import decision, header, status
from typer.testing import CliRunner

from safety_supervisor.core.act_events import OperatorAct, StopRequested
from safety_supervisor.core.effects import Effect, InterventionAsked, Reply
from safety_supervisor.core.estop_input import EstopInput
from safety_supervisor.core.events import ConfigurationChanged, Event, Tick
from safety_supervisor.evidence import event_log
from safety_supervisor.evidence.event_log import LogHeader
from safety_supervisor.export.cli import app
from safety_supervisor.export.sbom import sbom

pytestmark = [pytest.mark.requirement("SR-042")]
SECOND = 1_000_000_000
encode = msgspec.msgpack.Encoder().encode


def log(place: Path, head: LogHeader, *entries: tuple[Event, tuple[Effect, ...]]) -> Path:
    path = place / event_log.segment_name(head)
    parts = [event_log.encode_entry(encode(entry)) for entry in entries]
    path.write_bytes(event_log.encode_header(head) + b"".join(parts) + event_log.END)
    return path


def tick(at: int, word: str = "run") -> Tick:
    return Tick(at * SECOND, at * SECOND, EstopInput(word, received_at=at * SECOND))  # type: ignore[arg-type]


def asked(at: int, name: str) -> InterventionAsked:
    at *= SECOND
    return InterventionAsked(at, name, "planner", "c1", "press", 1, at, "{}", "aa", 1, "00", "", (), 0.0, 0.0, "")


def act(at: int, what: str, target: str, ok: bool = True, jti: str = "j") -> tuple[Event, tuple[Effect, ...]]:
    event = OperatorAct(at * SECOND, what, "ada", target, 1, "r", jti, "technician", reason="=cmd()")  # type: ignore[arg-type]
    return event, (Reply(at * SECOND, "r", ok, "" if ok else "E_ACT_STATE", ""),)


def ended(at: int, name: str, verdict: str, code: str) -> tuple[Effect, ...]:
    return (msgspec.structs.replace(decision(at * SECOND, code), verdict=verdict, intervention=name),)


def run(*words: str, exits: int = 0) -> str:
    done = CliRunner().invoke(app, ["export", *words])
    assert done.exit_code == exits, done.output
    return done.output


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def test_answers_overrides_stops_and_drills_are_counted(tmp_path: Path) -> None:
    place = tmp_path / "log"
    place.mkdir()
    log(
        place,
        header("one"),
        (tick(1), (status(SECOND, "READY"),)),
        (tick(2, "stop"), ()),  # at rest: a drill
        (tick(3, "stop"), ()),  # the same press
        (tick(4), (status(4 * SECOND, "AUTO/MOVING"),)),
        (tick(5, "stop"), ()),  # in motion
        (tick(6), (status(6 * SECOND, "AUTO/HOLDING"), asked(6, "w1"), asked(6, "w2"))),
        act(9, "approve", "w1"),
        (tick(10), (*ended(10, "w1", "PASS", ""), asked(10, "w3"))),
        act(11, "deny", "w2", ok=False),
        act(20, "deny", "w2"),
        (tick(21), (*ended(21, "w2", "REJECT", "E_APPROVAL_DENIED"),)),
        act(30, "recover", ""),
        act(31, "reset", "", jti=""),
        (StopRequested(32 * SECOND, "panel", "dinner"), ()),
    )
    log(place, header("two"), (tick(1), (asked(1, "w1"),)), act(2, "approve", "w1"))
    out = tmp_path / "out"
    told = run("oversight", str(place), "--out", str(out))
    found = read(out / "oversight.json")
    # 3 s and 14 s in the first boot, 1 s in the second one: the refused answer took none.
    assert found["answers"] == 3
    assert found["median_deliberation_s"] == 3.0
    assert "median deliberation 3.0 s" in told
    assert (found["boots"], found["asked"]) == (2, 4)
    assert found["outcomes"] == {"passed": 1, "E_APPROVAL_DENIED": 1, "waited when the log ended": 2}
    assert (found["drills"], found["emergency_stops"], found["requested_stops"]) == (1, 1, 1)
    assert (found["overrides"], found["refused_acts"], found["unsigned_acts"]) == (1, 1, 2)
    assert found["acts"] == {"approve": 2, "deny": 1, "recover": 1, "reset": 1, "stop": 1}
    with (out / "oversight.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(found["rows"]) == 7
    assert rows[0]["reason"] == "'=cmd()", "no cell is a formula"
    assert rows[0]["deliberation"] == "3.0"


def test_changes_of_configuration_and_software_are_told_boot_by_boot(tmp_path: Path) -> None:
    place = tmp_path / "log"
    place.mkdir()
    first = msgspec.structs.replace(header("one"), configuration=b"a: 1\nb: 2\n", configuration_sha256="11" * 32)
    second = msgspec.structs.replace(
        first, boot_id="two", started_at="2026-01-03T03:04:05+00:00", versions={"python": "3.12", "core": "ff"}
    )
    third = msgspec.structs.replace(
        second, boot_id="three", started_at="2026-01-04T03:04:05+00:00", configuration=b"a: 1\nb: 3\n",
        configuration_sha256="22" * 32, signed_by="ada",
    )  # fmt: skip
    for head in (third, first, second):
        log(place, head, (tick(1), ()), (ConfigurationChanged(3 * SECOND, "robot.yaml"), ()))
    out = tmp_path / "out"
    told = run("changes", str(place), "--out", str(out))
    history = read(out / "changes.json")["history"]
    assert [row["boot"] for row in history] == ["one", "two", "three"]
    assert history[0]["changed"] == []
    assert history[1]["changed"] == [
        {"what": "core", "was": "not recorded", "is": "ff"},
        {"what": "python", "was": "3.11", "is": "3.12"},
    ]
    assert [one["what"] for one in history[2]["changed"]] == ["configuration", "signed_by"]
    assert history[2]["changed_on_disk"] == [{"t": 2.0, "detail": "robot.yaml"}]
    difference = (out / history[2]["changed"][0]["difference"]).read_text(encoding="utf-8")
    assert "-b: 2\n+b: 3\n" in difference
    assert (out / history[2]["configuration"]).read_bytes() == b"a: 1\nb: 3\n"
    assert "boot two: core, python" in told


def test_the_list_of_software_is_valid_and_whole(tmp_path: Path) -> None:
    text = json.dumps(sbom())
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    found = json.loads(text)
    components = {one["name"]: one for one in found["components"]}
    assert components["numpy"]["version"] == metadata.version("numpy")
    assert components["numpy"]["purl"] == f"pkg:pypi/numpy@{metadata.version('numpy')}"
    assert components["msgspec"]["licenses"]
    root = found["metadata"]["component"]
    needs = {one["ref"]: one["dependsOn"] for one in found["dependencies"]}
    assert components["msgspec"]["bom-ref"] in needs[root["bom-ref"]]
    refs = {root["bom-ref"], *(one["bom-ref"] for one in found["components"])}
    assert {ref for needed in needs.values() for ref in needed} <= refs
    assert json.dumps(sbom()) == text, "no time, no chance"
    # A judge that finds nothing wrong anywhere would be none.
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text.replace('"library"', '"libary"', 1)) is not None


@pytest.mark.redteam(38)
@pytest.mark.parametrize("command", ["oversight", "changes"])
def test_logs_that_can_not_be_read_are_named_and_the_rest_is_told(tmp_path: Path, command: str) -> None:
    place = tmp_path / "log"
    place.mkdir()
    log(place, header("good"), (tick(1), ()))
    bad = log(place, header("bad"), *((tick(at), ()) for at in range(1, 6)))
    damaged = bytearray(bad.read_bytes())
    damaged[-300] ^= 1
    bad.write_bytes(damaged)
    (place / "x.events.mcap").write_bytes(b"SSEVENTS")
    out = run(command, str(place), "--out", str(tmp_path / "out"), exits=1)
    assert "boot bad: corrupt at byte" in out.replace("\n", " ")
    assert "earlier version" in out.replace("\n", " ")
    assert len(list((tmp_path / "out").iterdir())) >= 2


@pytest.mark.parametrize("command", ["oversight", "changes"])
def test_a_place_without_logs_or_that_can_not_be_written_is_refused(tmp_path: Path, command: str) -> None:
    run(command, str(tmp_path), "--out", str(tmp_path / "out"), exits=2)
    run(command, str(tmp_path / "absent"), "--out", str(tmp_path / "out"), exits=2)
    log(tmp_path, header(), (tick(1), ()))
    assert "no event log of other" in run(
        command, str(tmp_path), "--out", str(tmp_path / "out"), "--robot", "other", exits=2
    ).replace("\n", " ")
    assert "not empty" in run(command, str(tmp_path), "--out", str(tmp_path), exits=2).replace("\n", " ")
