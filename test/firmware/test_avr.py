"""What only the flashed image has: watchdog, pins, pulses on real ports, the number of the boot."""

from __future__ import annotations

import itertools
import json
import os
import select
import subprocess
import time
from collections.abc import Iterator

import pytest
import serial
from benches import SimulatedBench
from host import Host
from wire import HELLO, LENGTH, RESTARTED, STOP, Frame, decode


@pytest.fixture
def board(simulator: list[str]) -> Iterator[SimulatedBench]:
    simulated = SimulatedBench(simulator)
    try:
        yield simulated
    finally:
        simulated.close()


@pytest.mark.requirement("SR-035")
@pytest.mark.requirement("SR-039")
def test_a_program_that_hangs_is_reset_within_the_watchdogs_time_and_the_relays_open(board: SimulatedBench) -> None:
    host = Host(board)
    host.close_relays()
    hung = board.us
    board.command("hang")
    host.run(200)
    reset = board.values("reset")[-1].us - hung
    assert reset <= 70_000
    opened = next(moment.us for moment in board.values("coils") if moment.us >= hung and moment.value == 0)
    assert opened - hung <= reset + 100, "before anything else"
    hello = host.seen(hung, HELLO)
    assert hello[0][1].flags & RESTARTED
    host.run(1500)
    assert not board.closed


@pytest.mark.requirement("SR-035")
def test_test_pulses_are_short_and_come_every_second(board: SimulatedBench) -> None:
    host = Host(board)
    host.connect()
    host.run(3200)
    supply = [moment for moment in board.values("supply") if moment.us > 1000]
    for bits in (2, 1):  # without A, without B
        lengths, starts = [], []
        for now, after in itertools.pairwise(supply):
            if now.value == bits:
                lengths.append(after.us - now.us)
                starts.append(now.us)
        assert len(starts) >= 3
        assert max(lengths) <= 200, "1000 us are allowed"
        gaps = [later - earlier for earlier, later in itertools.pairwise(starts)]
        assert max(gaps) <= 1_003_000
    assert {moment.value for moment in supply} == {1, 2, 3}, "never both at once"


def test_every_boot_starts_with_another_number(board: SimulatedBench) -> None:
    for _ in range(10):
        board.run(30_000)
        board.command("restart")
    board.run(30_000)
    numbers = [frame.sequence for _, frame in board.frames]
    assert len(numbers) == 11
    # Far from each other, too: numbers of two boots must not meet while an old session could be played.
    assert min(abs(a - b) for i, a in enumerate(numbers) for b in numbers[:i]) > 1000


def test_the_stack_stays_far_from_the_variables(board: SimulatedBench) -> None:
    host = Host(board)
    host.close_relays()
    host.ask_selftest()
    host.run(600)
    board.command("stack")
    assert board.output["stack_bytes"] <= 256
    assert board.output["free_bytes"] >= 1000


def test_the_line_runs_at_its_speed(board: SimulatedBench) -> None:
    """The main loop must not be slower than the UART: 24 bytes in 2.1 ms, and the simulated UART buffers no byte."""
    board.run(50_000)
    begin = board.us
    board.send(Frame(HELLO, 1, 2, 1, 0, STOP).encode())
    board.run(10_000)
    answered = next(us for us, frame in board.frames if us >= begin and frame.kind == HELLO)
    assert answered - begin <= 2_100 + 1_000 + 2_100 + 24 * 40


@pytest.mark.requirement("SR-035")
def test_the_image_talks_over_a_pseudo_terminal_in_real_time(simulator: list[str]) -> None:
    """The same image with a serial port on its UART; loosely timed, since a busy machine simulates slowly."""
    # Unbuffered: a line that waits in a buffer of ours is none that select() sees.
    process = subprocess.Popen([*simulator, "--tty"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
    try:
        assert process.stdout is not None
        name = ""
        while not name:
            assert select.select([process.stdout], [], [], 20.0)[0]
            line = process.stdout.readline()
            name = json.loads(line).get("tty", "") if line.startswith(b"{") else ""
        os.set_blocking(process.stdout.fileno(), False)
        with serial.Serial(name, 115200, timeout=0.2) as port:
            frames: list[Frame] = []
            deadline = time.monotonic() + 20.0
            while time.monotonic() < deadline and not any(frame.kind == 2 for frame in frames):
                port.write(Frame(HELLO, 1, 2, 77, 0, STOP).encode())
                data = port.read(4 * LENGTH)
                start = data.find(b"\xa5\x5a")
                while start >= 0 and start + LENGTH <= len(data):
                    frames.append(decode(data[start : start + LENGTH]))
                    start += LENGTH
            assert frames[-1].echo == 77
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()
