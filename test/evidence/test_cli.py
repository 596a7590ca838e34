"""`log show`, `latch show` and `latch clear` as a person calls them."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
import yaml
from evidence_records import actuate, decision, header, status, tick
from typer.testing import CliRunner

from safety_supervisor.core.effects import Effect
from safety_supervisor.evidence import event_log, segment_lock
from safety_supervisor.evidence.cli import app, latch_app
from safety_supervisor.evidence.instance_lock import RobotLock
from safety_supervisor.evidence.latch_store import LatchStore, StoredLatches

SECOND = 1_000_000_000
PANDA = Path(__file__).parents[2] / "config" / "panda.yaml"
encode = msgspec.msgpack.Encoder().encode


@pytest.fixture
def log(tmp_path: Path) -> Path:
    def entry(at: int, *effects: Effect) -> bytes:
        return event_log.encode_entry(encode((tick(at), effects)))

    path = tmp_path / "boot.events.mcap"
    path.write_bytes(
        event_log.encode_header(header())
        + entry(5 * SECOND, actuate(1), status(5 * SECOND, "LOCKED", "E_RESTARTED"))
        + entry(6 * SECOND, actuate(2), decision(6 * SECOND))
        + entry(7 * SECOND, actuate(3), status(7 * SECOND, "LOCKED", "E_RESTARTED"))
        + entry(8 * SECOND, actuate(4), decision(8 * SECOND, "E_STAMP", "pla\u202ener", "[red]x\x1b[2J"))
        + entry(9 * SECOND, status(9 * SECOND, "PROTECTIVE_STOP", "E_LOG"))
    )
    return path


def rows(*arguments: str) -> list[tuple[float, str, str]]:
    result = CliRunner().invoke(app, ["show", *arguments, "--json"])
    assert result.exit_code == 0, result.output
    found = [json.loads(line) for line in result.stdout.splitlines()]
    return [(row["t [s]"], row["what"], row["code"]) for row in found]


def test_show_lists_decisions_and_changes_of_state(log: Path) -> None:
    everything = [
        (0.0, "LOCKED", "E_RESTARTED"),
        (1.0, "REJECT", "E_NOT_FINITE"),
        (3.0, "REJECT", "E_STAMP"),
        (4.0, "PROTECTIVE_STOP", "E_LOG"),
    ]
    assert rows(str(log)) == everything
    assert rows(str(log), "--code", "E_STAMP") == everything[2:3]
    assert rows(str(log), "--source", "planner") == everything[1:2]
    assert rows(str(log), "--from", "1", "--to", "3") == everything[1:3]


@pytest.mark.redteam(5)
def test_show_escapes_what_came_from_outside(log: Path) -> None:
    result = CliRunner().invoke(app, ["show", str(log)])
    assert result.exit_code == 0
    assert "\x1b" not in result.stdout
    assert "\u202e" not in result.stdout
    assert r"[red]x\x1b[2J" in result.stdout.replace("\n", "")


@pytest.mark.redteam(38)
def test_show_says_torn_and_fails_on_corruption(log: Path) -> None:
    whole = log.read_bytes()
    log.write_bytes(whole[:-3])
    result = CliRunner().invoke(app, ["show", str(log)])
    assert (result.exit_code, "unfinished record" in result.output) == (0, True)
    log.write_bytes(whole.replace(b"E_NOT_FINITE", b"E_NOT_FINITF"))
    result = CliRunner().invoke(app, ["show", str(log)])
    assert (result.exit_code, "corrupt" in result.output) == (1, True)


@pytest.mark.redteam(38)
def test_a_missing_segment_is_named_and_what_stands_before_it_is_shown(log: Path) -> None:
    later = msgspec.structs.replace(header(), segment=2, previous_bytes=0)
    (log.parent / "later.events.mcap").write_bytes(event_log.encode_header(later))
    result = CliRunner().invoke(app, ["show", str(log)])
    assert (result.exit_code, "is missing" in result.output) == (1, True), result.output
    assert "E_NOT_FINITE" in result.output
    # Replay of what is there is no replay of the boot; here the configuration is not even one.
    assert CliRunner().invoke(app, ["replay", str(log)]).exit_code == 2


def test_show_says_that_a_log_is_still_being_written(log: Path) -> None:
    log.write_bytes(log.read_bytes()[:-3])
    with log.open("ab") as file:
        segment_lock.lock_segment(file.fileno())
        result = CliRunner().invoke(app, ["show", str(log)])
    assert (result.exit_code, "still being written" in result.output) == (0, True)
    assert "unfinished" not in result.output


@pytest.mark.parametrize("command", ["show", "replay"])
def test_what_is_no_log_is_wrong_use(command: str, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("robot: {}")
    for name in ("x", "missing"):
        assert CliRunner().invoke(app, [command, str(tmp_path / name)]).exit_code == 2


def latch(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(latch_app, list(arguments))
    return result.exit_code, result.output


@pytest.mark.requirement("SR-047")
def test_a_fault_is_cleared_by_a_named_person_while_no_supervisor_runs(tmp_path: Path) -> None:
    place = ["--log-directory", str(tmp_path), "--robot", "panda"]
    store = LatchStore(tmp_path, "panda")
    store.write(True, "E_TRACKING")
    assert latch("show", *place, "--json")[0] == 1
    who = ["--by", "ada", "--reason", "drive replaced"]
    running = RobotLock(tmp_path, "panda", locks=tmp_path)
    running.acquire(0.0)
    status, output = latch("clear", *place, *who)
    assert status == 1
    assert "stop the supervisor first" in output.replace("\n", " ")
    assert store.load() == StoredLatches(True, "E_TRACKING")
    running.release()
    for nobody in (["--by", " ", "--reason", "x"], ["--by", "ada", "--reason", ""], ["--by", "ada"]):
        assert latch("clear", *place, *nobody)[0] == 2
    assert store.load().fault == "E_TRACKING"
    status, output = latch("clear", *place, *who)
    assert status == 0
    assert "cleared: E_TRACKING" in output
    assert "emergency stop stays latched" in output
    assert store.load() == StoredLatches(True, "")
    assert "drive replaced" in (tmp_path / "panda.latches.history").read_text()


@pytest.mark.requirement("SR-047")
def test_the_configuration_says_where_the_latches_are(tmp_path: Path) -> None:
    base = yaml.safe_load(PANDA.read_text())
    base["robot"]["id"] = "panda_two"
    base["evidence"]["log_directory"] = str(tmp_path / "log")
    config = tmp_path / "robot.yaml"
    config.write_text(yaml.safe_dump(base))
    assert latch("clear", "--config", str(config), "--by", "ada", "--reason", "new")[0] == 2  # it never ran
    assert latch("show", "--config", str(config))[0] == 0
    for directory, more in ((tmp_path / "log", []), (tmp_path / "x", ["--log-directory", str(tmp_path / "x")])):
        directory.mkdir()
        store = LatchStore(directory, "panda_two")
        store.write(False, "E_TRACKING")
        status, output = latch("show", "--config", str(config), *more)
        assert (status, "fault: E_TRACKING" in output) == (1, True)
        status, output = latch("clear", "--config", str(config), *more, "--by", "ada", "--reason", "drive replaced")
        assert (status, "cleared: E_TRACKING" in output) == (0, True)
        assert store.load() == StoredLatches(False, "")


def test_without_a_good_configuration_both_directory_and_robot_are_asked_for(tmp_path: Path) -> None:
    broken = tmp_path / "robot.yaml"
    broken.write_text("robot: {id: panda}\n")
    for words in ([], ["--robot", "panda"], ["--log-directory", str(tmp_path)], ["--config", str(broken)]):
        status, output = latch("show", *words)
        assert status == 2
        assert "--log-directory DIR and --robot ID" in output.replace("\n", " ")
    assert "evidence" in latch("show", "--config", str(broken))[1]
    assert latch("show", "--config", str(PANDA), "--robot", "other")[0] == 2


def test_show_tells_free_latches_from_unknown_ones(tmp_path: Path) -> None:
    place = ["--log-directory", str(tmp_path), "--robot", "panda"]
    LatchStore(tmp_path, "panda").write(False, "")
    assert latch("show", *place) == (0, "emergency stop: not latched\nfault: none\n")
    (tmp_path / "panda.latches").write_bytes(b"{")
    status, output = latch("show", *place)
    assert status == 1
    assert "E_SELF_TEST" in output
    assert (
        latch("clear", "--log-directory", str(tmp_path / "none"), "--robot", "x", "--by", "a", "--reason", "b")[0] == 2
    )
