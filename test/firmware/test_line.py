"""Bytes on the line: check value, flipped bits, garbage before, between and inside frames."""

from __future__ import annotations

import ctypes
import random
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import wire
from benches import LibraryBench
from host import Host
from wire import LENGTH, SIGNATURE, Frame


def test_the_check_value_of_the_standard_in_c_and_in_the_tests_own_code(library: Path) -> None:
    code = ctypes.CDLL(str(library))
    for function in (code.crc32_update, code.crc32_finish):
        function.restype = ctypes.c_uint32
    digits = b"123456789"
    register = code.crc32_update(ctypes.c_uint32(0xFFFFFFFF), digits, ctypes.c_uint8(len(digits)))
    assert code.crc32_finish(ctypes.c_uint32(register)) == 0x1697D06A
    assert wire.crc(digits) == 0x1697D06A


def test_the_shipped_header_has_the_signature_of_the_line_it_quotes() -> None:
    header = (Path(__file__).resolve().parents[2] / "firmware" / "estop" / "config.h").read_text(encoding="ascii")
    assert f'"{wire.CONFIGURATION}"' in header
    assert f"#define ESTOP_CONFIG_SIGNATURE 0x{SIGNATURE:08X}UL" in header


def test_the_code_agrees_with_the_tests_own_encoder(library: Path) -> None:
    """Both ways, for fields of random values: what Python builds, C reads; what C builds, Python reads."""
    core, dice = LibraryBench(library), random.Random(1)
    host = Host(core)
    host.connect()
    for _ in range(200):
        number = dice.randrange(2**32)
        host.send(Frame(wire.HELLO, 1, 2, number, dice.randrange(2**32), wire.STOP))
        core.run(4000)
        assert core.frames[-1][1].echo == number


@pytest.mark.requirement("SR-035")
def test_every_flip_of_one_and_two_bits_is_refused(core: LibraryBench, core_host: Host) -> None:
    """Through the whole receiver: nothing may be accepted, and the next whole frame is."""
    core_host.connect()
    core_host.run(100)
    receive, now = core.library.estop_receive, ctypes.c_uint32(core.us // 1000)
    data = core_host.frame().encode()
    flips = [(i, j) for i in range(8 * LENGTH) for j in range(i, 8 * LENGTH)]
    assert len(flips) == 192 + 192 * 191 // 2
    before = _accepted(core)
    for first, second in flips:
        flipped = bytearray(data)
        flipped[first // 8] ^= 1 << first % 8
        if second != first:
            flipped[second // 8] ^= 1 << second % 8
        for byte in (*flipped, *bytes(LENGTH)):  # zeros flush what waits for the rest of a frame
            receive(byte, now)
    assert _accepted(core) == before
    for byte in data:
        receive(byte, now)
    core.run(3000)
    assert _accepted(core) == before + 1


def _accepted(core: LibraryBench) -> int:
    """The last sequence number that was accepted, as the device echoes it."""
    core.us += 30_000
    core._tick()
    return core.frames[-1][1].echo


@pytest.mark.requirement("SR-035")
@pytest.mark.parametrize("seed", range(20))
def test_garbage_loses_no_whole_frame(library: Path, seed: int) -> None:
    """Random bytes, sync bytes and torn frames between frames: every whole one counts once the line has gone on."""
    dice = random.Random(seed)
    core = LibraryBench(library)
    host = Host(core)
    host.connect()
    receive = core.library.estop_receive
    sent = 0
    for _ in range(60):
        core.run(1000)
        host.listen()
        now = ctypes.c_uint32(core.us // 1000)
        kind = dice.randrange(5)
        garbage = (
            b""
            if kind == 0
            else bytes(dice.randrange(256) for _ in range(dice.randrange(40)))
            if kind == 1
            else b"\xa5" * dice.randrange(1, 5)
            if kind == 2
            else host.frame().encode()[: dice.randrange(LENGTH)]
            if kind == 3
            else b"\xa5\x5a" * dice.randrange(1, 15)
        )
        if kind == 3:
            host.sequence -= 1
        frame = host.frame()
        for byte in garbage + frame.encode():
            receive(byte, now)
        sent += 1
        if dice.randrange(2):
            for byte in bytes(LENGTH):
                receive(byte, now)
            assert _accepted(core) == frame.sequence, garbage.hex()
    assert core.report().counts.lost == 0
    assert core.report().counts.not_newer == 0
    assert sent == 60


def test_the_tests_in_c_pass(build: Callable[..., Path]) -> None:
    done = subprocess.run([build("host-tests") / "host-tests"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert "bit flips refused: 18528 of 18528" in done.stdout


@pytest.mark.requirement("SR-035")
def test_the_tests_in_c_pass_under_sanitizers(build: Callable[..., Path]) -> None:
    done = subprocess.run([build("host-tests-sanitized") / "host-tests-sanitized"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.requirement("SR-035")
def test_a_frame_that_begins_in_one_that_is_refused_is_not_lost(core: LibraryBench, core_host: Host) -> None:
    """A sound check sum, another version, and its last byte is the first one of the next frame."""
    core_host.connect()
    core_host.run(100)
    number = core_host.sequence
    refused = next(
        data
        for extra in range(1 << 14)
        if (data := Frame(wire.CHECKIN, 1, 2, number, extra, version=2).encode())[-1] == 0xA5
    )
    before = _accepted(core)
    good = core_host.frame()
    receive, now = core.library.estop_receive, ctypes.c_uint32(core.us // 1000)
    for byte in refused + good.encode()[1:]:
        receive(byte, now)
    assert _accepted(core) == good.sequence != before
