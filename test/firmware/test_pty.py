"""The device on a real pseudo-terminal, in real time, against pyserial. Times have room: the machine may be busy."""

from __future__ import annotations

import itertools
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import serial
from pty_device import Device
from wire import (
    CHECKIN,
    HELLO,
    LENGTH,
    RESTARTED,
    SELFTEST,
    SIGNATURE,
    STATUS,
    STOP,
    TEST_FAILED,
    Frame,
    decode,
)

LATE = 0.25
"""What a busy machine may add to any time, [s]."""


@pytest.fixture
def device(build: Callable[..., Path]) -> Iterator[Device]:
    program = Device(build("estop-pty") / "estop-pty")
    try:
        with serial.Serial(program.tty, 115200, timeout=0.002) as port:
            program.open(port)
            program.connect()
            yield program
    finally:
        program.end()


def relay_event(event: dict[str, Any], state: str) -> bool:
    return event["event"] == "relays" and event["state"] == state


def test_it_starts_with_a_ready_line_and_ends_with_quit(build: Callable[..., Path]) -> None:
    program = Device(build("estop-pty") / "estop-pty")
    try:
        assert os.path.exists(program.tty)
        started = next(event for event in program.events if event["event"] == "started")
        assert started["signature"] == SIGNATURE
        assert abs(started["t"] / 1e9 - time.monotonic()) < 10.0, "the steady clock"
        assert program.process.stdin is not None
        program.process.stdin.write("quit\n")
        program.process.stdin.flush()
        assert program.process.wait(5.0) == 0
    finally:
        program.end()


@pytest.mark.requirement("SR-001")
@pytest.mark.requirement("SR-010")
def test_a_press_is_told_and_opens_after_the_delay(device: Device) -> None:
    device.close_relays()
    pressed = device.command("press")["t"]
    opening = device.wait(lambda event: relay_event(event, "opening"))
    assert opening["opened_by"] == ["button"]
    device.pump(0.6)
    assert device.frames[-1].channels == STOP
    opened = device.wait(lambda event: event["event"] == "contacts")
    assert opened["closed"] is False
    assert 0 <= opening["t"] - pressed <= LATE * 1e9
    assert 0.3 <= (opened["t"] - pressed) / 1e9 <= 0.305 + LATE


@pytest.mark.requirement("SR-039")
def test_a_host_that_dies_is_noticed(device: Device) -> None:
    device.close_relays()
    device.demand = None
    died = time.monotonic()
    device.pump(0.7)
    opening = device.wait(lambda event: relay_event(event, "opening"))
    assert opening["opened_by"] == ["silent"]
    opened = device.wait(lambda event: event["event"] == "contacts" and not event["closed"])
    assert -0.03 <= opening["t"] / 1e9 - died - 0.1 <= LATE
    assert opened["t"] / 1e9 - died <= 0.405 + LATE


@pytest.mark.requirement("SR-035")
def test_a_restart_is_told(device: Device) -> None:
    device.close_relays()
    known = len(device.frames)
    device.command("restart")
    device.pump(0.2)
    told = device.frames[known:]
    assert any(frame.kind == HELLO and frame.flags & RESTARTED and frame.echo == 0 for frame in told)
    assert told[-1].kind == HELLO, "nothing follows it without a session"


@pytest.mark.requirement("SR-035")
def test_a_selftest_fails_when_told_to(device: Device) -> None:
    device.pump(0.3)
    device.command("selftest fail")
    device.send(SELFTEST, STOP)
    device.pump(1.0)
    assert device.frames[-1].flags & TEST_FAILED


@pytest.mark.requirement("SR-035")
def test_faults_of_the_line_can_be_played(device: Device) -> None:
    """What a test of the host needs from a device that misbehaves."""
    device.pump(0.1)
    device.command("mute")
    device.pump(0.1)
    known = len(device.frames)
    device.pump(0.2)
    assert len(device.frames) == known
    device.command("unmute")
    device.command("patch 16 85 3")
    device.pump(0.3)
    assert [frame.channels[0] for frame in device.frames[known:]].count(0x55) == 3
    numbers = [frame.sequence for frame in device.frames[-6:]]
    device.command("drop 4")
    device.pump(0.3)
    following = [frame.sequence for frame in device.frames if frame.sequence >= numbers[-1]]
    gaps = [later - earlier for earlier, later in itertools.pairwise(following)]
    assert gaps.count(5) == 1, "four frames are missing"
    known = len(device.frames)
    device.command("corrupt 3")
    device.pump(0.3)
    numbers = [frame.sequence for frame in device.frames[known - 1 :]]
    assert sum(later - earlier - 1 for earlier, later in itertools.pairwise(numbers)) == 3
    assert all(frame.kind == STATUS for frame in device.frames[known:])


def test_a_report_counts_what_was_refused(device: Device) -> None:
    device.pump(0.1)
    device.port.write(Frame(CHECKIN, 2, 1).encode())
    device.port.write(Frame(CHECKIN, 5, 2).encode())
    device.port.write(Frame(CHECKIN).encode(signature=SIGNATURE ^ 1) + bytes(LENGTH))
    device.pump(0.2)
    device.command("report")
    report = next(event for event in device.events if event["event"] == "report")
    assert (report["loopback"], report["other_peer"], report["corrupted"]) == (1, 1, 1)


def test_another_configuration_never_hears_this_one(build: Callable[..., Path], tmp_path: Path) -> None:
    """The header is all that has to change, as the host writes it."""
    source = Path(__file__).resolve().parents[2] / "firmware" / "estop"
    header = tmp_path / "config.h"
    text = (source / "config.h").read_text(encoding="ascii").replace(f"0x{SIGNATURE:08X}", "0x12345678")
    header.write_text(text, encoding="ascii")
    done = subprocess.run(
        ["make", "-C", source, f"BUILD={tmp_path}", f"CONFIG={header}", f"{tmp_path}/estop-pty"], capture_output=True
    )
    assert done.returncode == 0, done.stderr
    device = Device(tmp_path / "estop-pty")
    try:
        with serial.Serial(device.tty, 115200, timeout=0.05) as port:
            for _ in range(5):
                port.write(Frame(HELLO, 1, 2, 9, 0, STOP).encode())
            port.write(Frame(HELLO, 1, 2, 11, 0, STOP).encode(signature=0x12345678))
            data = port.read(4 * LENGTH) + port.read(4 * LENGTH)
        answers = [
            decode(data[i : i + LENGTH], 0x12345678)
            for i in range(len(data) - LENGTH + 1)
            if data[i : i + 2] == b"\xa5\x5a"
        ]
        assert 9 not in {frame.echo for frame in answers}
        assert 11 in {frame.echo for frame in answers}
    finally:
        device.end()


def test_a_terminal_can_be_named(build: Callable[..., Path]) -> None:
    """As with a null modem between two real ports."""
    ours, theirs = os.openpty()
    device = Device(build("estop-pty") / "estop-pty", os.ttyname(theirs))
    try:
        os.set_blocking(ours, False)
        time.sleep(0.2)
        assert decode(os.read(ours, LENGTH)).kind == HELLO
    finally:
        device.end()
        os.close(ours)
        os.close(theirs)


def test_an_unknown_terminal_is_named_and_fails(build: Callable[..., Path]) -> None:
    done = subprocess.run([build("estop-pty") / "estop-pty", "/dev/none"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "/dev/none" in done.stderr
