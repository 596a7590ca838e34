"""What the node refuses to start with, and what it says."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from ros_rig import Process, Rig, children_of, write_configuration

from safety_supervisor.evidence.event_log import EventLog, LogHeader, encode_header, segment_name
from safety_supervisor.evidence.latch_store import LatchStore
from safety_supervisor.tokens.key_file import public_text, write_new_key

START = 60.0
"""A start is 3 s of work; a busy machine shares its processors, [s]."""


@pytest.mark.redteam(51)
def test_every_error_of_a_broken_configuration_is_listed_and_nothing_is_started(rig: Rig) -> None:
    path = write_configuration(
        rig.directory,
        output={"simulated": False},
        timing={"period": -1.0, "idel": 3.0},
        robot={"urdf": "missing.urdf"},
    )
    supervisor = rig.start("safety_supervisor.ros.main", f"config_file:={path}", name="supervisor")
    assert supervisor.wait(START) == 2
    text = supervisor.text
    for key in ("operators.unsigned_services", "timing.period", "timing.idel", "missing.urdf"):
        assert key in text
    assert not (rig.directory / "log").exists()


@pytest.mark.redteam(36)
@pytest.mark.redteam(51)
@pytest.mark.requirement("SR-041")
def test_a_real_robot_starts_with_what_a_trusted_officer_signed_and_with_nothing_else(rig: Rig) -> None:
    """Unsigned, then signed, edited by somebody who signs it with a key of his own, signed again by the officer."""
    ada, mallory = (public_text(write_new_key(rig.directory / name)) for name in ("ada", "mallory"))
    officers = rig.directory / "etc" / "officers.json"

    def write(key: str, **changes: Any) -> Path:
        return write_configuration(
            rig.directory,
            output={"simulated": False},
            operators={"unsigned_services": False, "people": {"ada": {"role": "safety_officer", "public_key": key}}},
            estop={"driver": "none", "none": "I accept"},
            sources={"planner": {"session": "none"}},
            **changes,
        )

    def run() -> Process:
        given = f"config_file:={path}", f"officers_file:={officers}", f"log_directory:={rig.fresh_directory()}"
        return rig.start("safety_supervisor.ros.main", *given, name="supervisor")

    def config(*words: str) -> None:
        command = [sys.executable, "-m", "safety_supervisor.cli", "config", words[0], str(path), *words[1:]]
        subprocess.run(command, check=True, capture_output=True, timeout=START)

    def refused(code: str) -> None:
        supervisor = run()
        assert supervisor.wait(START) == 2
        assert code in supervisor.text
        assert not rig.last_directory.exists(), "not even a log"

    path = write(ada)
    refused("E_CONFIG_OFFICERS")
    config("trust", "--officers", str(officers), "--yes")
    refused("E_CONFIG_UNSIGNED")
    config("sign", "--key", str(rig.directory / "ada"), "--as", "ada")
    path = write(mallory, limiting=None)
    refused("E_TOKEN_CONFIG")
    config("sign", "--key", str(rig.directory / "mallory"), "--as", "ada")
    refused("E_TOKEN_SIGNATURE")

    path = write(ada)
    config("sign", "--key", str(rig.directory / "ada"), "--as", "ada")
    rig.cell()
    client = rig.client()
    supervisor = run()
    client.wait_state("LOCKED", timeout=START)
    assert (client.status["simulated"], client.status["signed_by"]) == ("no", "ada")
    assert "is signed by ada" in supervisor.text

    def change(number: int) -> bool:
        request = ChangeState.Request(transition=Transition(id=number))
        return bool(client.call("/supervisor/change_state", ChangeState, request, timeout=START).success)

    # Configured again by whoever is on the network, with a file that was edited meanwhile; then with the signed one.
    good = path.read_bytes()
    assert change(Transition.TRANSITION_DEACTIVATE)
    assert change(Transition.TRANSITION_CLEANUP)
    path.write_bytes(good.replace(b"simulated: false", b"simulated: true"))
    assert path.read_bytes() != good
    change(Transition.TRANSITION_CONFIGURE)
    state = client.call("/supervisor/get_state", GetState, timeout=START).current_state.label
    assert (state, "E_TOKEN_CONFIG" in supervisor.text) == ("unconfigured", True)
    path.write_bytes(good)
    assert change(Transition.TRANSITION_CONFIGURE)
    assert change(Transition.TRANSITION_ACTIVATE)
    client.wait_state("LOCKED", timeout=START)
    supervisor.send(signal.SIGINT)
    assert client.wait_end(supervisor) == 0
    logs = list(rig.last_directory.glob("*.events.mcap"))
    assert len(logs) == 2
    for header in (EventLog(log).header for log in logs):
        assert header.signed_by == "ada"
        assert header.signature == path.with_name("robot.yaml.sig").read_text().strip()


def test_a_missing_configuration_is_named(rig: Rig) -> None:
    supervisor = rig.start("safety_supervisor.ros.main", "config_file:=/nowhere/robot.yaml", name="supervisor")
    unnamed = rig.start("safety_supervisor.ros.main", "log_directory:=/tmp", name="unnamed")
    assert supervisor.wait(START) == 2
    assert "/nowhere/robot.yaml" in supervisor.text
    assert unnamed.wait(START) == 2
    assert "config_file" in unnamed.text


@pytest.mark.redteam(12)
@pytest.mark.requirement("SR-037")
def test_simulation_time_is_refused(rig: Rig) -> None:
    supervisor = rig.supervisor("use_sim_time:=true")
    assert supervisor.wait(START) == 2
    assert "use_sim_time" in supervisor.text


@pytest.mark.redteam(48)
def test_a_second_supervisor_is_refused(rig: Rig, tmp_path: Path) -> None:
    rig.cell()
    client = rig.client()
    first = rig.supervisor()
    client.wait_state("LOCKED", timeout=START)

    same_place = rig.supervisor()
    assert client.wait_end(same_place) == 2
    assert "E_SECOND_SUPERVISOR" in same_place.text

    # Another machine shares neither lock nor log directory: the heartbeat gives the first one away.
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    path = write_configuration(elsewhere, robot={"id": "panda_elsewhere"})
    other = rig.start("safety_supervisor.ros.main", f"config_file:={path}", name="other")
    assert client.wait_end(other) == 2
    assert "E_SECOND_SUPERVISOR" in other.text
    assert "/supervisor/heartbeat" in other.text

    client.spin(0.3)
    assert client.state == "LOCKED"
    assert first.process.poll() is None


@pytest.mark.requirement("SR-047")
def test_old_event_logs_are_removed_at_start_and_that_is_said(rig: Rig) -> None:
    directory = rig.fresh_directory()
    LatchStore(directory, "panda").open()
    old: list[Path] = []
    for number in (1, 2):
        begun = f"2020-01-0{number}T00:00:00+00:00"
        head = LogHeader("panda", f"boot{number}", "n", b"", b"", "", {}, begun)
        old.append(directory / segment_name(head))
        old[-1].write_bytes(encode_header(head).ljust(800_000, b"\0"))
    rig.cell()
    client = rig.client()
    supervisor = rig.supervisor(f"log_directory:={directory}", evidence={"keep_bytes": 1_000_000})
    client.wait_state("LOCKED", timeout=START)  # and not FAULT: the latches are there
    supervisor.send(signal.SIGINT)
    assert client.wait_end(supervisor) == 0
    assert "removed old event logs: boots 1, 2020-01-01" in supervisor.text
    assert [path.exists() for path in old] == [False, True]
    (now,) = set(directory.glob("*.events.mcap")) - set(old)
    assert EventLog(now).header.removed_boots == ("boot1",)
    assert LatchStore(directory, "panda").path.exists()


@pytest.mark.requirement("SR-049")
def test_without_autostart_it_waits_for_a_lifecycle_manager(rig: Rig) -> None:
    client = rig.client()
    supervisor = rig.supervisor("autostart:=false")
    deadline = time.monotonic() + START
    state = ""
    while state != "unconfigured":
        assert time.monotonic() < deadline
        state = client.call("/supervisor/get_state", GetState, timeout=START).current_state.label
    assert children_of(supervisor.process.pid) == []
    assert client.status == {}


@pytest.mark.redteam(49)
def test_nobody_holds_the_supervisor_by_not_reading_its_words(rig: Rig) -> None:
    rig.cell()
    client = rig.client()
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, b"x" * 4096)
    os.set_blocking(writer, True)
    path = write_configuration(rig.directory)
    supervisor = rig.start("safety_supervisor.ros.main", f"config_file:={path}", name="supervisor", sink=writer)
    os.close(writer)
    try:
        client.arm()  # every change of state is a line that nobody reads
        assert client.call("/supervisor/stop").success
        client.wait_state("LOCKED")
        supervisor.send(signal.SIGINT)
        assert client.wait_end(supervisor, timeout=5.0) == 0
    finally:
        os.close(reader)
