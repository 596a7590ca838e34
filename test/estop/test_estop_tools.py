"""Commands `estop watch`, `selftest`, `signature`, `firmware-header` as programs, against an emulated device."""

from __future__ import annotations

import errno
import json
import os
import pty
import stat
import subprocess
import threading
import time
import tty
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from emulator_process import CLI, PATIENCE, EmulatorProcess
from typer.testing import CliRunner, Result

from safety_supervisor import cli
from safety_supervisor.core.estop_settings import EstopLine
from safety_supervisor.estop.port import Opened, Port
from safety_supervisor.estop.tools.self_test_guide import GuidedLine, guide, last_record, steps

WITHOUT = ("--without", "enabling", "--without", "key", "--without", "reset")
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def config(tmp_path: Path, emulator: EmulatorProcess) -> Path:
    """The Panda's configuration with a device on a line."""
    text = (ROOT / "config" / "panda.yaml").read_text(encoding="utf-8")
    assert "  driver: simulated" in text
    text = text.replace("  driver: simulated", f"  driver: frame_v1\n  port: {emulator.link}")
    text = text.replace("~/.local/state/safety_supervisor", str(tmp_path / "log"))
    path = tmp_path / "robot.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def call(*words: object) -> Result:
    return CliRunner().invoke(cli.build("estop"), ["estop", *(str(word) for word in words)])


def lines(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


def test_watch_tells_state_frames_and_times_and_sends_no_checkin(emulator: EmulatorProcess) -> None:
    result = call("watch", "--port", emulator.link, "--seconds", "0.6", "--json")
    assert result.exit_code == 0, result.output
    told = lines(result.output)
    events = {(line["event"], line["detail"]) for line in told if "event" in line}
    assert {("session", "begun"), ("channel_a", "run"), ("relays", "open"), ("key", "auto")} <= events
    summary = told[-1]["summary"]
    assert summary["link"] == "session"
    assert summary["counts"]["STATUS"] > 5
    assert sum(summary["interval"]["ms"].values()) == summary["counts"]["STATUS"]
    assert "sent CHECKIN" not in summary["counts"]
    assert emulator.events("checkin") == []


def test_watch_with_checkin_demands_stop_so_that_relays_stay_open(emulator: EmulatorProcess) -> None:
    emulator.order("state")
    watcher = threading.Timer(1.5, lambda: emulator.order("reset 0.3"))
    watcher.start()
    result = call("watch", "--port", emulator.link, "--seconds", "2.2", "--json", "--checkin")
    watcher.join()
    summary = lines(result.output)[-1]["summary"]
    assert summary["counts"]["sent CHECKIN"] > 20
    assert sum(summary["round_trip"]["ms"].values()) > 20
    assert set(emulator.events("checkin")) <= {"stop", "silent"}
    assert emulator.events("relay") == []


@pytest.mark.parametrize(
    ("order", "count"),
    [
        ("wrong signature", "refused: check sum: corrupted, or the other end has another configuration"),
        ("wrong id", "refused: other ids"), ("wrong version", "refused: version"),
    ],
)  # fmt: skip
def test_watch_of_a_wrong_peer_counts_why_and_ends_with_1(emulator: EmulatorProcess, order: str, count: str) -> None:
    emulator.order(order)
    result = call("watch", "--port", emulator.link, "--seconds", "0.5", "--json")
    assert result.exit_code == 1
    assert lines(result.output)[-1]["summary"]["counts"][count] > 0


def test_watch_counts_lost_repeated_and_looped_frames(emulator: EmulatorProcess) -> None:
    orders = threading.Timer(
        0.7, lambda: [emulator.order(order) for order in ("drop 2", "duplicate 3", "loopback on", "garbage 30")]
    )
    orders.start()
    result = call("watch", "--port", emulator.link, "--seconds", "1.8", "--checkin", "--json")
    orders.join()
    counts = lines(result.output)[-1]["summary"]["counts"]
    assert counts["gaps"] >= 1
    assert counts["frames lost"] >= 2
    assert counts["refused: sequence not newer"] >= 3
    assert counts["refused: our own frame, looped back"] > 1
    assert counts["bytes of no frame"] >= 30


def test_watch_for_people_names_what_it_sees(emulator: EmulatorProcess, config: Path) -> None:
    result = call("watch", "--config", config, "--seconds", "0.5")
    assert result.exit_code == 0
    for word in ("session    begun", "low latency", "not offered by the driver", "between STATUS"):
        assert word in result.output


def test_watch_of_a_button_box_of_one_byte_tells_its_word(config: Path, tmp_path: Path) -> None:
    far, near = pty.openpty()
    tty.setraw(near)
    text = config.read_text(encoding="utf-8").replace("driver: frame_v1", "driver: byte")
    config.write_text(text, encoding="utf-8")
    ending = threading.Event()

    def box() -> None:
        while not ending.wait(0.02):
            os.write(far, b"\x01")

    thread = threading.Thread(target=box)
    thread.start()
    try:
        result = call("watch", "--config", config, "--port", os.ttyname(near), "--seconds", "1", "--json")
    finally:
        ending.set()
        thread.join()
        os.close(far)
        os.close(near)
    assert result.exit_code == 0, result.output
    events = {(line["event"], line["detail"]) for line in lines(result.output) if "event" in line}
    assert {("state", "run"), ("integrity", "low")} <= events or {("state", "stop"), ("integrity", "low")} <= events


def test_what_can_not_be_opened_is_named_with_its_cure(tmp_path: Path, emulator: EmulatorProcess, config: Path) -> None:
    result = call("watch", "--port", tmp_path / "nothing")
    assert (result.exit_code, "no such port" in result.output) == (2, True)
    assert call("watch").exit_code == 2
    port = Port(str(emulator.link), 115200)  # as the supervisor has it
    port.start()
    try:
        emulator.wait(lambda: any(isinstance(event, Opened) for event in port.take()), "opening")
        for command in (["watch"], ["selftest"]):
            result = call(*command, "--config", config)
            assert result.exit_code == 2
            assert "another program has it open, such as a supervisor" in result.output
    finally:
        assert port.close(PATIENCE)
    assert not (tmp_path / "log").exists(), "no record of a test that was none"


def test_a_configuration_without_such_a_line_is_refused() -> None:
    for command in ("watch", "selftest", "signature", "firmware-header", "emulate"):
        result = call(command, "--config", ROOT / "config" / "panda.yaml")
        assert result.exit_code == 2, command
        assert "estop.driver is simulated" in result.output, command


def test_signature_and_header_agree_with_the_configuration(config: Path) -> None:
    signed = json.loads(call("signature", "--config", config, "--json").output)
    header = call("firmware-header", "--config", config).output
    assert f"#define ESTOP_CONFIG_SIGNATURE 0x{signed['signature']:08X}UL" in header
    assert f'"{signed["canonical"]}"' in header
    config.write_text(
        config.read_text(encoding="utf-8").replace("\n  driver: frame_v1", "\n  driver: frame_v1\n  relay_delay: 0.5"),
        encoding="utf-8",
    )
    assert json.loads(call("signature", "--config", config, "--json").output)["signature"] != signed["signature"]
    assert "#define ESTOP_RELAY_DELAY_MS 500U" in call("firmware-header", "--config", config).output


class Operator:
    """Does what `selftest` asks for, on the emulated device, unless told to fail at a step."""

    DEEDS: ClassVar = {
        "press": ["press"], "release": ["release"], "enabling middle": ["enabling middle"],
        "enabling panicked": ["enabling panicked"], "enabling released": ["enabling released"],
        "key manual": ["key manual"], "key auto": ["key auto"], "reset": ["reset 0.3"],
        "channel a": ["channel a stop"], "channel a closed": ["channel a button"], "channel b": ["channel b stop"],
        "channel b closed": ["channel b button"],
    }  # fmt: skip

    def __init__(self, emulator: EmulatorProcess, instead: dict[str, list[str]] | None = None) -> None:
        self.emulator, self.instead = emulator, instead or {}

    def run(self, *options: object) -> tuple[int, dict[str, Any]]:
        """Run the command; return exit status and its last line."""
        process = subprocess.Popen(
            [*CLI, "selftest", "--json", *(str(option) for option in options)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        last: dict[str, Any] = {}
        with process.stdout:
            for line in process.stdout:
                last = json.loads(line)
                if "ask" in last:
                    self.do(last["step"])
        return process.wait(PATIENCE), last

    def do(self, step: str) -> None:
        word = step if step in self.DEEDS else step.split()[0]
        for order in self.instead.get(step, self.DEEDS.get(word, [])):
            self.emulator.order(order)


def test_selftest_leads_through_every_part_and_writes_a_record(
    emulator: EmulatorProcess, config: Path, tmp_path: Path
) -> None:
    status, found = Operator(emulator).run("--config", config, "--buttons", "2", "--each-channel")
    assert (status, found["passed"]) == (0, True), found
    names = [step["step"] for step in found["steps"]]
    assert names[:3] == ["session", "device", "run"]
    assert {"press 1", "press 2", "channel a", "channel b", "enabling panicked", "key auto", "reset"} <= set(names)
    assert found["last"] is None
    path = Path(found["file"])
    assert path.parent == tmp_path / "log"
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert json.loads(path.read_text(encoding="utf-8"))["steps"] == found["steps"]
    assert list(path.parent.glob(".*")) == []
    assert emulator.events("relay") == [], "the relays stayed open"
    again = call("selftest", "--config", config, "--within", "0.2", "--without", "key")
    assert again.exit_code == 1, "nobody pressed"
    assert "last test: 0.0 h ago, passed" in again.output
    assert "not seen within 0.2 s" in again.output
    assert len(list(path.parent.glob("*.estop-test.*"))) == 2, "a failure is recorded, too"


@pytest.mark.sampled(2)
@pytest.mark.requirement("SR-035")
@pytest.mark.parametrize(
    ("order", "instead", "step", "why"),
    [
        ("weld a", {}, "press 1", "disagreed for more than 100 ms"),
        ("self-test fail", {}, "device", "the device's self-test failed"),
        ("self-test timeout", {}, "device", "not seen within 2 s"),
        ("silent on", {}, "session", "no device answers"),
        ("wrong signature", {}, "session", "check sum"),
        ("key auto", {"press 1": ["unplug"]}, "press 1", "the line was lost"),
        ("key auto", {"reset": ["reset 0.03"]}, "reset", "0.1 to 3 s count"),
        ("key auto", {"enabling middle": []}, "enabling middle", "not seen within 1 s"),
        ("key auto", {"press 1": ["drop 4", "press"]}, "press 1", "4 frames in a row are lost; allowed: 3"),
    ],
)
def test_the_guide_ends_where_the_device_fails(
    emulator: EmulatorProcess, order: str, instead: dict[str, list[str]], step: str, why: str
) -> None:
    emulator.order(order)
    operator = Operator(emulator, instead)
    tool = GuidedLine(EstopLine(str(emulator.link), 115200, 1, 2, 300_000_000, "sto", None))
    tool.open()
    try:
        done = guide(tool, steps(1, False, frozenset()), 1.0, lambda step, _ask: operator.do(step))
    finally:
        tool.close()
    assert [one["ok"] for one in done] == [True] * (len(done) - 1) + [False]
    assert done[-1]["step"] == step
    assert why in done[-1]["why"]


LINES = {
    # Slower and slower, so that it is never silent for 100 ms; then a press that is told 1.5 s late.
    "slow": ([f"delay {milliseconds}" for milliseconds in range(0, 1500, 30)], 0.05, "the line is too slow"),
    "noisy": (["corrupt 2"] * 4, 0.15, "more than 5 frames within 10 s are corrupted"),
}


@pytest.mark.requirement("SR-035")
@pytest.mark.parametrize("name", LINES)
def test_the_guide_passes_no_line_on_which_the_supervisor_stops(emulator: EmulatorProcess, name: str) -> None:
    orders, pause, why = LINES[name]

    def disturb() -> None:
        for order in orders:
            emulator.order(order)
            time.sleep(pause)
        emulator.order("press")

    tool = GuidedLine(EstopLine(str(emulator.link), 115200, 1, 2, 300_000_000, "sto", None))
    disturber = threading.Thread(target=disturb)

    def say(step: str, _ask: str) -> None:
        if step == "press 1":
            disturber.start()

    tool.open()
    try:
        done = guide(tool, steps(1, False, frozenset()), 8.0, say)
    finally:
        tool.close()
        disturber.join()
    assert (done[-1]["step"], done[-1]["ok"]) == ("press 1", False)
    assert why in done[-1]["why"]


def test_selftest_leaves_out_what_the_device_lacks_and_says_so(emulator: EmulatorProcess, config: Path) -> None:
    status, found = Operator(emulator).run("--config", config, *WITHOUT)
    assert status == 0
    assert found["left_out"] == ["enabling", "key", "reset"]
    assert [step["step"] for step in found["steps"]] == ["session", "device", "run", "press 1", "release 1"]
    assert call("selftest", "--config", config, "--without", "button").exit_code == 2


def test_a_damaged_record_is_passed_over(emulator: EmulatorProcess, config: Path, tmp_path: Path) -> None:
    Operator(emulator).run("--config", config, *WITHOUT)
    [good] = (tmp_path / "log").glob("*.estop-test.*")
    good.with_name(good.name.replace("20", "99", 1)).write_text("{", encoding="utf-8")
    result = call("selftest", "--config", config, "--within", "0.1")
    assert "last test: 0.0 h ago, passed" in result.output


def record_of(robot: str, **other: Any) -> str:
    return json.dumps({"version": 1, "at": "2026-01-01T00:00:00+00:00", "robot": robot, "passed": True} | other)


BAD: dict[str, Callable[[str], str | None]] = {
    "no verdict": lambda robot: json.dumps({"version": 1, "at": "2026-01-01T00:00:00+00:00", "robot": robot}),
    "deep": lambda robot: "[" * 100_000,
    "of the future": lambda robot: record_of(robot, at="2999-01-01T00:00:00+00:00"),
    "a text as verdict": lambda robot: record_of(robot, passed="no"),
    "a number as verdict": lambda robot: record_of(robot, passed=1),
    "another robot": lambda robot: record_of("another"),
    "another version": lambda robot: record_of(robot, version=2),
    "no time zone": lambda robot: record_of(robot, at="2026-01-01T00:00:00"),
    "a number as time": lambda robot: record_of(robot, at=5),
    "a list": lambda robot: "[1]",
    "too large": lambda robot: record_of(robot) + " " * (1 << 20),
    "a pipe": lambda robot: None,
}


@pytest.mark.parametrize("name", BAD)
def test_a_record_that_is_none_is_passed_over(name: str, tmp_path: Path) -> None:
    (tmp_path / "cell.estop-test.20260101T000000000Z.json").write_text(record_of("cell", passed=False))
    newer = tmp_path / "cell.estop-test.20260102T000000000Z.json"
    newer.write_text(record_of("cell"))
    found = last_record(tmp_path, "cell")
    assert found is not None
    assert found["passed"], "the test could not fail otherwise"
    newer.unlink()
    text = BAD[name]("cell")
    if text is None:
        os.mkfifo(newer)
    else:
        newer.write_text(text)
    found = last_record(tmp_path, "cell")
    assert found is not None
    assert found["passed"] is False


def test_a_record_that_can_not_be_written_hides_no_verdict(
    emulator: EmulatorProcess, config: Path, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.touch()
    result = call("selftest", "--config", config, "--within", "0.1", "--log-directory", file / "below")
    assert result.exit_code == 1
    assert "FAILED at press 1: not seen within 0.1 s" in result.output
    assert f"can not be written, so this test does not count: {file}" in result.output


def test_a_full_disk_is_named(
    emulator: EmulatorProcess, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_file: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    result = call("selftest", "--config", config, "--within", "0.1")
    assert result.exit_code == 1
    assert f"{tmp_path / 'log'}: No space left on device" in result.output
    assert "None" not in result.output
    assert list((tmp_path / "log").iterdir()) == []
