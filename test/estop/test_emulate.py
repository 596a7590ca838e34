"""The emulated device against the real driver on the real port: each fault by an order, over a pseudo-terminal."""

from __future__ import annotations

import json
import os
import pty
import select
import socket
import subprocess
import time
import tty
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from emulator_process import CLI, PATIENCE, EmulatorProcess

from safety_supervisor.core.estop_input import EstopInput
from safety_supervisor.core.estop_settings import EstopLine, EstopSettings
from safety_supervisor.estop.drivers import make_driver
from safety_supervisor.estop.frames import Frame, FrameReader, FrameType, encode
from safety_supervisor.estop.port import Closed, Opened, Port, Received
from safety_supervisor.estop.signature import signature
from safety_supervisor.estop.times import MS

LASTING = ("short", "corrupt", "wrong", "loopback", "flood")


class Host:
    """The driver on a port, as the node runs it, at 250 Hz."""

    def __init__(self, name: str) -> None:
        line = EstopLine(name, 115200, 1, 2, 300 * MS, "sto", None)
        self.driver = make_driver(EstopSettings("frame_v1", "high", line))
        self.port = Port(name, 115200)
        self.words: list[EstopInput] = []
        self.codes: list[str] = []
        self.alive, self.demand_stop = True, False
        self.port.start()

    def step(self) -> EstopInput:
        for event in self.port.take():
            if isinstance(event, Opened):
                self.driver.opened(event.at, event.seed)
            elif isinstance(event, Closed):
                self.driver.closed(event.at, event.why)
            elif isinstance(event, Received):
                self.driver.receive(event.data, event.at)
        now = time.monotonic_ns()
        word = self.driver.sample(now)
        self.codes += [notice.code.value for notice in self.driver.notices()]
        self.port.send(self.driver.cycle(now, self.alive, self.demand_stop, resting=False))
        time.sleep(0.004)
        self.words.append(word)
        return word

    def until(self, condition: Callable[[EstopInput], bool], what: str) -> EstopInput:
        ends = time.monotonic() + PATIENCE
        while time.monotonic() < ends:
            if condition(word := self.step()):
                return word
        raise AssertionError(f"{what} did not happen: {self.words[-1]}, {self.codes[-5:]}, {self.driver.statistics}")

    def rest(self, seconds: float) -> None:
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            self.step()


@pytest.fixture
def host(emulator: EmulatorProcess) -> Iterator[Host]:
    """In a session, RUN."""
    host = Host(str(emulator.link))
    host.until(lambda word: word.state == "run", "RUN")
    yield host
    assert host.port.close(PATIENCE)


@pytest.mark.requirement("SR-035")
@pytest.mark.parametrize(
    ("orders", "mend"),
    [
        (["press"], ["release"]),
        (["channel a stop"], ["press", "channel a button", "release"]),
        (["channel b 5A"], ["channel b button"]),
        (["enabling both"], ["enabling released"]),
        (["silent on"], ["silent off"]),
        (["unplug"], ["replug"]),
        (["freeze"], ["thaw"]),
        (["restart"], []),
        (["corrupt 8"], []),
        (["drop 8"], []),
        (["delay 400"], ["delay 0"]),
        (["wrong id"], ["wrong nothing"]),
        (["wrong version"], ["wrong nothing"]),
        (["wrong signature"], ["wrong nothing"]),
        (["loopback on"], ["loopback off"]),
        (["short a"], ["short nothing"]),
        (["flood 0.5"], []),
    ],
    ids=lambda orders: "; ".join(orders),
)
def test_each_fault_is_a_stop_and_the_line_comes_back(
    emulator: EmulatorProcess, host: Host, orders: list[str], mend: list[str]
) -> None:
    for order in orders:
        assert emulator.order(order)["ok"]
    host.until(lambda word: word.state != "run", f"a stop by {orders}")
    host.rest(0.15)
    for order in mend:
        emulator.order(order)
        host.rest(0.05)
    if orders[0].split()[0] in LASTING:
        host.rest(0.2)
        assert host.words[-1].state != "run", "such a fault lasts for seconds, or until a self-test passes"
        return
    emulator.order("press")
    host.rest(0.1)
    emulator.order("release")
    host.until(lambda word: word.state == "run", "RUN again")


@pytest.mark.requirement("SR-035")
@pytest.mark.parametrize("order", ["duplicate 10", "reorder 1", "garbage 20", "garbage 12 inside", "drop 2"])
def test_what_a_line_may_do_now_and_then_is_no_stop(emulator: EmulatorProcess, host: Host, order: str) -> None:
    """Two frames lost in a row are 60 ms; on a machine that stands still longer, silence is a stop, too."""
    host.rest(0.3)
    del host.words[:]
    assert emulator.order(order)["ok"]
    host.rest(0.5)
    silent = any(word.state == "unknown" and not word.fault for word in host.words)
    faults = {word.fault for word in host.words if word.fault}
    assert not faults
    assert silent or {word.state for word in host.words} <= {"run"}
    counts = host.driver.statistics
    if order.startswith(("duplicate", "reorder")):
        assert counts["repeated"] > 0


@pytest.mark.requirement("SR-035")
def test_a_replayed_session_says_run_and_is_not_believed(emulator: EmulatorProcess, host: Host) -> None:
    """Recorded while the button was up, played while the device is silent: echo and sequence give it away."""
    host.rest(1.0)
    emulator.order("restart")
    host.until(lambda word: word.state != "run", "a stop by the restart")
    host.until(lambda word: word.state == "run", "a new session")
    emulator.order("silent on")
    host.until(lambda word: time.monotonic_ns() - word.received_at > 100 * MS, "silence")
    del host.words[:]
    assert emulator.order("replay 40")["ok"]
    host.rest(0.5)
    assert {word.state for word in host.words} == {"unknown"}


def test_relays_close_by_the_reset_button_and_open_when_the_host_falls_silent(
    emulator: EmulatorProcess, host: Host
) -> None:
    host.rest(1.2)
    emulator.order("reset 0.3")
    word = host.until(lambda word: word.relays == "closed", "closing")
    assert word.state == "run"
    host.alive = False
    host.until(lambda word: word.relays == "open", "opening")
    relay = emulator.events("relay")
    assert relay == ["closed", "decided: no CHECKIN", "opened"]
    times = [line["at"] for line in emulator.told if line.get("event") == "relay"]
    assert times[2] - times[1] >= 300 * MS


def test_the_hosts_own_demand_opens_the_relays(emulator: EmulatorProcess, host: Host) -> None:
    host.rest(1.2)
    emulator.order("reset 0.3")
    host.until(lambda word: word.relays == "closed", "closing")
    host.demand_stop = True
    host.until(lambda word: word.relays == "open", "opening")
    assert "decided: the host demands stop" in emulator.events("relay")


def test_a_killed_emulator_is_a_stop(tmp_path: Path) -> None:
    with EmulatorProcess(tmp_path / "estop") as emulator:
        host = Host(str(emulator.link))
        host.until(lambda word: word.state == "run", "RUN")
    host.until(lambda word: word.state != "run", "a stop")
    assert host.port.close(PATIENCE)
    assert not emulator.link.is_symlink(), "taken away at the end"


def test_orders_that_are_not_understood_say_what_is(emulator: EmulatorProcess) -> None:
    for order, why in {
        "explode": "no such order",
        "reset": "write: reset down|up|SECONDS",
        "reset soon": "give a number from 0 to 3600",
        "channel c run": "write: channel a|b",
        "channel a 100": "give run, stop, button, or a byte",
        "delay nan": "give a number",
        "key sideways": "write: key manual|auto",
        "garbage 5 outside": "garbage N inside",
        "replay": "nothing was recorded",
        "wait long": "write: wait SECONDS",
    }.items():
        answer = emulator.order(order)
        if order != "replay":
            assert not answer["ok"], order
            assert why in answer["why"], order
    assert emulator.order("help")["help"].count("\n") > 20
    assert emulator.order("state")["channels"] == "3C C3"


def test_a_script_runs_in_order_with_waits(tmp_path: Path) -> None:
    script = tmp_path / "day.txt"
    script.write_text("press  # a remark\nwait 0.3\nrelease; state\n\nquit\npress\n", encoding="utf-8")
    with EmulatorProcess(tmp_path / "estop", "--script", str(script)) as emulator:
        emulator.wait(lambda: any(line.get("order") == "quit" for line in emulator.told), "the end")
        orders = [line for line in emulator.told if "order" in line]
        assert [line["order"] for line in orders] == ["press", "wait 0.3", "release", "state", "quit"]
        assert orders[2]["at"] - orders[1]["at"] >= 300 * MS
        assert all(line["at"] <= line["sent_at"] for line in orders if "sent_at" in line)


def test_a_link_never_replaces_a_file(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("keep", encoding="utf-8")
    end = subprocess.run(
        [*CLI, "emulate", "--link", str(tmp_path / "precious")], capture_output=True, text=True, timeout=60
    )
    assert end.returncode == 2
    assert "no symbolic link" in end.stderr
    assert (tmp_path / "precious").read_text(encoding="utf-8") == "keep"


def test_the_device_speaks_on_a_given_port_too_and_ends_when_it_is_pulled(tmp_path: Path) -> None:
    """A cable between two adapters: here both ends of one pseudo-terminal."""
    far, near = pty.openpty()
    tty.setraw(near)
    name = os.ttyname(near)
    process = subprocess.Popen(
        [*CLI, "emulate", "--json", "--port", name], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["port"] == name
    line = EstopLine(name, 115200, 1, 2, 300 * MS, "sto", None)
    os.write(far, encode(Frame(FrameType.HELLO, 1, 2, 77, 0), signature(line)))
    reader, frames = FrameReader(signature(line)), []
    while len(frames) < 4 and select.select([far], [], [], PATIENCE)[0]:
        frames += list(reader.feed(os.read(far, 4096)))
    os.close(near)
    os.close(far)
    _, why = process.communicate(timeout=PATIENCE)
    answered = [frame.type for frame in frames if isinstance(frame, Frame) and frame.echo == 77]
    assert answered[:2] == [FrameType.HELLO, FrameType.STATUS]
    assert process.returncode == 1
    assert "the device is gone" in why


def emulate(*options: str, orders: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*CLI, "emulate", "--seconds", "0.3", *options], input=orders, capture_output=True, timeout=60, check=False
    )


def test_a_link_that_can_not_be_made_is_named_by_its_own_name(tmp_path: Path) -> None:
    link = tmp_path / "nowhere" / "estop"
    end = emulate("--link", str(link))
    assert end.returncode == 2
    assert end.stderr.decode() == f"{link}: No such file or directory\n"


def test_a_long_script_is_no_file_name() -> None:
    end = emulate("--script", "press; release; " * 300)
    assert (end.returncode, end.stderr) == (0, b"")
    assert end.stdout.count(b"> press\n") == 300


def test_orders_are_echoed_without_what_rules_a_terminal() -> None:
    end = emulate(orders=b"press\x1b[2J\x07 \xc3\xa9\xff\x9b\nstate\n")
    assert end.returncode == 0
    assert b"> press\\x1b[2J\\x07 \\xe9" in end.stdout
    assert end.stdout.replace(b"\n", b"").isascii()
    assert end.stdout.replace(b"\n", b"").decode("ascii").isprintable()


def test_a_device_behind_a_url_hears_and_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        name = f"socket://127.0.0.1:{server.getsockname()[1]}"
        process = subprocess.Popen(
            [*CLI, "emulate", "--json", "--port", name, "--seconds", "5"], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        server.settimeout(PATIENCE)
        peer, _ = server.accept()
        with peer, process.stdin, process.stdout:
            sign = signature(EstopLine(name, 115200, 1, 2, 300 * MS, "sto", None))
            peer.settimeout(PATIENCE)
            peer.sendall(encode(Frame(FrameType.HELLO, 1, 2, 77, 0), sign))
            reader, frames = FrameReader(sign), []
            while not any(frame.echo == 77 for frame in frames):
                frames += [frame for frame in reader.feed(peer.recv(4096)) if isinstance(frame, Frame)]
            assert next(frame.type for frame in frames if frame.echo == 77) is FrameType.HELLO
            process.stdin.write("state\n")
            process.stdin.flush()
            told = {}
            while told.get("order") != "state":
                told = json.loads(process.stdout.readline())
            assert told["plugged"]
            assert told["received_bytes"] >= 24
            process.terminate()
            process.wait(PATIENCE)
