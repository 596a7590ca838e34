"""The e-stop line: what it costs, and how long a press takes from the contact to the driver's word.

`estop.line`: all that the line costs at 50 frames each way and 250 cycles per second: CPU of the port's thread, and of
the control thread in what the node calls (`sample` and `serve` of `ros.estop_line`). The loop that calls them is there
without a line, too, and not counted. Bar: 1 % of a core.

`estop.port.idle`: CPU of the whole process per second, no port there (attempts 1 s apart). `estop.port.session`: with
50 frames each way per second, the loop of 250 Hz counted. `estop.port.flood`: with garbage as fast as a pseudo-terminal
takes it. In these rows `cpu_us` is per second of wall time; `share` is the same as a part of one core.

`estop.take`: one `take` of one frame by the control thread. `estop.press`: from the emulated contact to the first word
that is no RUN, sampled at 250 Hz; a pseudo-terminal has no USB adapter, which may hold bytes for another 16 ms.
`estop.press.lost`: the same with the frame lost that tells it.
"""

from __future__ import annotations

import os
import pty
import threading
import time
import tty
from collections import Counter
from contextlib import suppress
from typing import Any

from bench.measure import NoGarbageCollection, Row, Stopwatch, row
from safety_supervisor.core.estop_settings import EstopLine, EstopSettings
from safety_supervisor.estop.drivers import make_driver
from safety_supervisor.estop.port import Closed, Opened, Port, Received
from safety_supervisor.estop.times import MS
from safety_supervisor.estop.tools.emulate import Emulator
from safety_supervisor.estop.tools.pseudo_terminal import PseudoTerminal
from safety_supervisor.ros.estop_line import EstopLine as Line

_BAUD = 115200


def rows(quick: bool = False) -> list[Row]:
    """Measure."""
    seconds, presses = (2, 5) if quick else (10, 100)
    return [
        _line(seconds),
        _share("estop.port.idle", "/nowhere/estop", seconds, None),
        _session(seconds),
        _flood(seconds),
        _take(200 if quick else 5000),
        _press("estop.press", presses, lost=0),
        _press("estop.press.lost", presses, lost=1),
    ]


def _line(seconds: int) -> Row:
    """CPU per second of wall time of the port's thread and of the control thread's calls, in a session that runs."""
    settings = EstopLine("", _BAUD, 1, 2, 300 * MS, "sto", None)
    terminal = PseudoTerminal()
    child = os.fork()
    if not child:
        with suppress(BaseException):
            emulator = Emulator(settings, terminal, lambda _what: None)
            while True:
                emulator.step(at_most=0.02)
        os._exit(0)
    named = EstopLine(terminal.path, _BAUD, 1, 2, 300 * MS, "sto", None)
    line = Line(EstopSettings("frame_v1", "high", named), lambda _report: None)
    line.start()
    [thread] = [one for one in threading.enumerate() if one.name == "estop-port"]
    assert thread.ident is not None
    clock = time.pthread_getcpuclockid(thread.ident)
    watch = Stopwatch()
    words: Counter[str] = Counter()

    def run(cycles: int) -> None:
        at = time.monotonic_ns()
        for _ in range(cycles):
            at += 4 * MS
            time.sleep(max(0, at - time.monotonic_ns()) / 1e9)
            words[watch.call(line.sample, at).state] += 1
            watch.call(line.serve, time.monotonic_ns(), True, False, False)

    port_cpu: list[int] = []
    cpu: list[int] = []
    try:
        with NoGarbageCollection():
            run(250)
            words.clear()
            for _ in range(seconds):
                watch.cpu.clear()
                used = time.clock_gettime_ns(clock)
                run(250)
                port_cpu.append(time.clock_gettime_ns(clock) - used)
                cpu.append(port_cpu[-1] + sum(watch.cpu))
    finally:
        line.close()
        os.kill(child, 9)
        os.waitpid(child, 0)
        terminal.close()
    shares = {"share": sum(cpu), "port_thread": sum(port_cpu), "control_thread": sum(cpu) - sum(port_cpu)}
    about = {name: f"{value / seconds / 1e7:.2f} %" for name, value in shares.items()}
    return row(
        "estop.line",
        cpu,
        [1_000_000_000] * seconds,
        **about,
        run=words["run"],
        not_run=words["stop"] + words["unknown"],
    )


def _share(name: str, port_name: str, seconds: int, step: Any) -> Row:
    """CPU of this process per second, with the port's thread and, each 4 ms, what the control thread does for it."""
    port = Port(port_name, _BAUD)
    port.start()
    warm_until = time.monotonic() + 2.0
    while time.monotonic() < warm_until:
        if step is not None:
            step(port)
        time.sleep(0.004)
    with NoGarbageCollection():
        cpu: list[int] = []
        for _ in range(seconds):
            begun, used = time.monotonic(), time.process_time_ns()
            if step is None:
                time.sleep(1.0)
            while step is not None and time.monotonic() - begun < 1.0:
                step(port)
                time.sleep(0.004)
            cpu.append(time.process_time_ns() - used)
    told = dict(port.statistics)
    port.close()
    share = f"{sum(cpu) / seconds / 1e7:.2f} %"
    return row(name, cpu, [1_000_000_000] * seconds, share=share, attempts=told["attempts"], bytes=told["bytes"])


def _raw_terminal() -> tuple[int, str]:
    far, near = pty.openpty()
    tty.setraw(near)
    name = os.ttyname(near)
    os.close(near)
    os.set_blocking(far, False)
    return far, name


def _in_child(far: int, act: Any) -> int:
    """Run the far end in a process of its own, so that its CPU is not counted; return its id."""
    child = os.fork()
    if child:
        return child
    with suppress(BaseException):
        while True:
            act(far)
    os._exit(0)


def _session(seconds: int) -> Row:
    far, name = _raw_terminal()

    def act(file: int) -> None:
        with suppress(OSError):
            os.write(file, bytes(24))
            os.read(file, 4096)
        time.sleep(0.02)

    def step(port: Port) -> None:
        port.take()
        count[0] += 1
        if count[0] % 5 == 0:
            port.send(bytes(24))

    count = [0]
    return _with_child("estop.port.session", far, name, act, seconds, step)


def _flood(seconds: int) -> Row:
    far, name = _raw_terminal()

    def act(file: int) -> None:
        with suppress(OSError):
            os.write(file, b"\xa5\x5a" * 2048)
        time.sleep(0.001)

    return _with_child("estop.port.flood", far, name, act, seconds, lambda port: port.take())


def _with_child(name: str, far: int, port_name: str, act: Any, seconds: int, step: Any) -> Row:
    child = _in_child(far, act)
    try:
        return _share(name, port_name, seconds, step)
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)
        os.close(far)


def _take(count: int) -> Row:
    far, name = _raw_terminal()
    port = Port(name, _BAUD)
    port.start()
    watch = Stopwatch()
    with NoGarbageCollection():
        for _ in range(count):
            with suppress(OSError):
                os.write(far, bytes(24))
            time.sleep(0.001)
            watch.call(port.take)
    port.close()
    os.close(far)
    return row("estop.take", watch.cpu, watch.wall)


def _press(name: str, presses: int, lost: int) -> Row:
    """Emulator, port and driver in one process: the interpreter's lock is shared, as it is in the node."""
    line = EstopLine("", _BAUD, 1, 2, 300 * MS, "sto", None)
    terminal = PseudoTerminal()
    emulator = Emulator(line, terminal, lambda _what: None)
    driver = make_driver(
        EstopSettings("frame_v1", "high", EstopLine(terminal.path, _BAUD, 1, 2, 300 * MS, "sto", None))
    )
    port = Port(terminal.path, _BAUD)
    orders: list[str] = []
    pressed_at = [0]
    ending = [False]

    def device() -> None:
        while not ending[0]:
            while orders:
                order = orders.pop(0)
                if order == "press":
                    pressed_at[0] = time.monotonic_ns()
                emulator.order(order)
            emulator.step(at_most=0.001)

    def step() -> str:
        for event in port.take():
            if isinstance(event, Received):
                driver.receive(event.data, event.at)
            elif isinstance(event, Opened):
                driver.opened(event.at, event.seed)
            elif isinstance(event, Closed):
                driver.closed(event.at, event.why)
        now = time.monotonic_ns()
        port.send(driver.cycle(now, True, False, False))
        return driver.sample(now).state

    def until(run: bool) -> int:
        while (step() == "run") is not run:
            time.sleep(0.004)
        return time.monotonic_ns()

    thread = threading.Thread(target=device, daemon=True)
    port.start()
    thread.start()
    wall: list[int] = []
    with NoGarbageCollection():
        for number in range(presses):
            until(True)
            ends = time.monotonic_ns() + (20 + number % 20) * MS
            while time.monotonic_ns() < ends:
                step()
                time.sleep(0.004)
            orders.extend(["drop 1"] * lost + ["press"])
            wall.append(until(False) - pressed_at[0])
            orders.append("release")
    ending[0] = True
    thread.join()
    port.close()
    emulator.close()
    return row(name, None, wall, presses=presses)
