"""Commands `estop watch`, `selftest`, `signature`, `firmware-header` as programs, against an emulated device."""

from __future__ import annotations

import json
import os
import pty
import stat
import subprocess
import threading
import tty
from pathlib import Path
from typing import Any, ClassVar

import pytest
from emulator_process import CLI, PATIENCE, EmulatorProcess
from typer.testing import CliRunner, Result

from safety_supervisor import cli
from safety_supervisor.core.estop_settings import EstopLine
from safety_supervisor.estop.port import Opened, Port
from safety_supervisor.estop.tools.self_test_guide import GuidedLine, guide, steps

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
