"""How the line begins and ends: what is wrong with it is named until the right device is there, and nothing is left.

Another speed of the line is not tested here: a pseudo-terminal has none.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from estop_line_rig import START, Bench, Device, running_bench
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from ros_rig import REPOSITORY, Process, Rig, make_trajectory

from safety_supervisor.estop.tools.pseudo_terminal import PseudoTerminal

E = "EMERGENCY_STOP"
STILL = 0.005
"""What a robot at rest may turn, [rad]."""


@pytest.fixture
def bench(cell_rig: Rig) -> Iterator[Bench]:
    with running_bench(cell_rig, relay_effect="none") as bench:
        yield bench
        bench.end()
        bench.client.close()


def point(link: Path, target: str | Path | None) -> None:
    """Have the configured port name something else."""
    link.unlink(missing_ok=True)
    if target is not None:
        link.symlink_to(target)


def stays_in_init(bench: Bench, code: str, *words: str) -> None:
    """It stays in INIT, and status, line and log name the cause and what to do."""
    client = bench.client
    client.wait_for(lambda: bench.holds(code), f"{code} in the active causes", START)
    if code == "E_ESTOP_PORT":
        client.wait_for(lambda: words[0] in client.status["estop_line"], f"{words[0]!r} in the line's status")
    supervisor = bench.supervisor
    assert supervisor is not None

    def said(word: str) -> bool:
        places = (supervisor.text, client.status["estop_line"], client.status["next_step"], *bench.told(code))
        return any(word in place for place in places)

    for word in words:
        client.wait_for(lambda word=word: said(word), f"{word!r} to be told")  # type: ignore[misc]
    assert client.status["next_step"].startswith("Starting up. ")
    assert client.states == ["INIT"]
    assert not client.call("/supervisor/reset").success


@pytest.mark.requirement("SR-016")
@pytest.mark.requirement("SR-035")
@pytest.mark.requirement("SR-036")
def test_what_is_wrong_is_named_until_the_right_device_is_there(bench: Bench, tmp_path: Path) -> None:
    client, port = bench.client, bench.link
    point(port, None)
    bench.start(starter=lambda config: bench.rig.script("without_override.py", "--ros-args", "-p",
                                                        f"config_file:={config}"))  # fmt: skip
    stays_in_init(bench, "E_ESTOP_PORT", "there is no such port", "/dev/serial/by-id/")

    (tmp_path / "a_file").touch()
    point(port, tmp_path / "a_file")
    stays_in_init(bench, "E_ESTOP_PORT", "it is not a serial port", "/dev/serial/by-id/")

    point(port, None)
    bench.link = tmp_path / "device"
    device = bench.connect()
    device.obey("wrong id")
    os.chmod(device.link, 0)
    point(port, os.readlink(device.link))
    stays_in_init(bench, "E_ESTOP_PORT", "permission denied", "dialout")

    os.chmod(device.link, 0o600)
    stays_in_init(bench, "E_ESTOP_PEER", "; allowed: 2 to 1", "estop.device")

    device.obey("wrong nothing", "wrong signature")
    stays_in_init(bench, "E_ESTOP_PEER", "another configuration", "signature", "firmware-header")

    device.obey("wrong nothing")
    client.wait_state("LOCKED", timeout=START)
    client.arm()


@pytest.mark.long
@pytest.mark.requirement("SR-016")
@pytest.mark.requirement("SR-035")
def test_a_device_that_was_configured_otherwise_is_named(bench: Bench) -> None:
    """Such devices refuse our calls, and we their frames: without a session they say HELLO once a second."""
    client = bench.client
    device = bench.connect(relay_delay=0.7)
    bench.start()
    stays_in_init(bench, "E_ESTOP_PEER", "another configuration", "estop.relay_delay", "firmware-header")
    for other, words in (
        ({"device": 7}, ("a frame from 7 to 1 came; allowed: 2 to 1", "Set `estop.device`")),
        ({"host": 9}, ("a frame from 2 to 9 came; allowed: 2 to 1", "`estop.host` as the device has")),
    ):
        device.obey("unplug")
        device = bench.connect(**other)
        stays_in_init(bench, "E_ESTOP_PEER", *words)
    device.obey("unplug")
    device = bench.connect()
    device.obey("wrong version", "wrong signature")
    stays_in_init(bench, "E_ESTOP_PEER", "protocol version 2 came; allowed: 1", "Flash the firmware")
    device.obey("wrong nothing", "silent on")
    stays_in_init(bench, "E_ESTOP_SILENT", "nothing comes", "Check plug and power")
    assert not bench.holds("E_ESTOP_PEER")
    device.obey("good")
    client.wait_state("LOCKED", timeout=START)
    client.arm()


@pytest.mark.long
@pytest.mark.requirement("SR-016")
@pytest.mark.requirement("SR-035")
def test_bytes_of_another_speed_are_named(bench: Bench) -> None:
    """A pseudo-terminal has no speed: what comes at a wrong one are bytes without a frame in them."""
    terminal = PseudoTerminal(bench.link)
    ending = threading.Event()

    def chatter() -> None:
        while not ending.wait(0.02):
            terminal.write(bytes.fromhex("f8 80 00 f0 9e fe 00 e0"))

    thread = threading.Thread(target=chatter, name="chatter", daemon=True)
    thread.start()
    try:
        bench.start()
        stays_in_init(bench, "E_ESTOP_PEER", "bytes come, but no frame", "Set `estop.baud`")
    finally:
        ending.set()
        thread.join()
        terminal.close()
    bench.connect()
    bench.client.wait_state("LOCKED", timeout=START)


class ButtonBox:
    """`button_box.py` at the end of a line."""

    def __init__(self, link: Path) -> None:
        script = Path(__file__).with_name("button_box.py")
        self._process = subprocess.Popen(
            [sys.executable, script, link], stdin=subprocess.PIPE, text=True, cwd=REPOSITORY
        )

    def order(self, word: str) -> None:
        """Press or release."""
        assert self._process.stdin is not None
        print(word, file=self._process.stdin, flush=True)

    def close(self) -> None:
        """Pull it out: the end of its orders ends it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10.0)


@pytest.mark.requirement("SR-001")
@pytest.mark.requirement("SR-004")
@pytest.mark.requirement("SR-010")
def test_a_button_box_of_low_integrity_stops_and_its_release_does_not_suffice(cell_rig: Rig) -> None:
    with running_bench(cell_rig) as bench:
        client = bench.client
        box = ButtonBox(bench.link)
        bench.changes["estop"] = {"driver": "byte", "none": None, "port": str(bench.link)}
        try:
            bench.start()
            client.arm()
            bench.move()
            box.order("press")
            client.wait_state(E)
            assert client.status["cause"] == "E_ESTOP"
            assert not client.call("/supervisor/reset").success
            box.order("release")
            client.wait_state("LOCKED")
            here = client.measured
            client.trajectory_publisher().publish(make_trajectory([(1.0, [here[0] + 0.3, *here[1:]])]))
            assert not client.call("/supervisor/start").success
            client.spin(0.5)
            assert client.state == "LOCKED"
            assert abs(client.measured[0] - here[0]) < STILL
            client.arm()
            box.close()
            client.wait_state(E)
            assert client.status["cause"] in ("E_ESTOP_SILENT", "E_ESTOP_PORT")
        finally:
            box.close()
            bench.end()
            client.close()


def change(bench: Bench, number: int) -> None:
    request = ChangeState.Request(transition=Transition(id=number))
    assert bench.client.call("/supervisor/change_state", ChangeState, request, timeout=20.0).success, number


def threads_and_ports(supervisor: Process) -> tuple[int, list[str]]:
    """Return the number of threads, and the terminals that are open."""
    process = Path(f"/proc/{supervisor.process.pid}")
    opened = []
    for file in (process / "fd").iterdir():
        try:
            opened.append(os.readlink(file))
        except OSError:
            continue
    return len(list((process / "task").iterdir())), [name for name in opened if name.startswith("/dev/pts/")]


@pytest.mark.long
@pytest.mark.redteam(46)
@pytest.mark.requirement("SR-049")
def test_nothing_of_the_line_is_left_by_transitions(bench: Bench) -> None:
    client = bench.client
    device: Device = bench.connect()
    supervisor = bench.start()
    counted = []
    for _ in range(3):
        client.wait_state("LOCKED", timeout=START)
        nonce = client.status["boot"]
        client.spin(0.5)
        counted.append(threads_and_ports(supervisor))
        assert client.status["estop_line"] == f"frame_v1 on {bench.link}: open"
        assert bench.counters()["frames"] > 0
        if len(counted) == 3:
            break
        change(bench, Transition.TRANSITION_DEACTIVATE)
        change(bench, Transition.TRANSITION_CLEANUP)
        assert threads_and_ports(supervisor)[1] == []
        change(bench, Transition.TRANSITION_CONFIGURE)
        change(bench, Transition.TRANSITION_ACTIVATE)
        client.wait_for(lambda nonce=nonce: client.status["boot"] != nonce, "a new boot", START)  # type: ignore[misc]
    assert counted[0] == counted[1] == counted[2]
    assert len(counted[0][1]) == 1
    assert device.order("state")["plugged"]
    change(bench, Transition.TRANSITION_ACTIVE_SHUTDOWN)
    assert client.wait_end(supervisor) == 0


@pytest.mark.requirement("SR-001")
@pytest.mark.requirement("SR-047")
def test_pressed_while_the_node_is_configured(bench: Bench) -> None:
    client = bench.client
    bench.connect()
    supervisor = bench.start()
    client.wait_state("LOCKED", timeout=START)
    change(bench, Transition.TRANSITION_DEACTIVATE)
    change(bench, Transition.TRANSITION_CLEANUP)
    client.forget()
    bench.device.obey("press")
    change(bench, Transition.TRANSITION_CONFIGURE)
    change(bench, Transition.TRANSITION_ACTIVATE)
    client.wait_state(E, timeout=START)
    assert "LOCKED" not in client.states
    assert not client.call("/supervisor/reset").success
    bench.device.obey("release")
    client.wait_state("LOCKED")
    assert supervisor.process.poll() is None
