"""Reaction times of the e-stop against the running node: `make bench-estop ARGS="--presses 1000"`.

The real node, the emulated device in a process of its own, a pseudo-terminal between them, a robot that cruises. From
the order to the device, which it obeys at once, to the sending of the first motor message that slows down; for a dead
supervisor to the device's decision to open its relays. Tables, and a picture of the distributions.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.estop_world import Device, World, end, start_supervisor, write_configuration

PTY = 49.0
"""65 ms from contact to stop, less the 16 ms of a USB adapter, which a pseudo-terminal lacks, [ms]."""
SILENT = 150.0
DEAD = 104.2
"""Watchdog of the device and two frames, [ms]."""
CLEAN = (
    "channel a button", "channel b button", "enabling released", "silent off", "loopback off", "delay 0",
    "wrong nothing", "replug", "thaw", "short nothing",
)  # fmt: skip
FAULTS: tuple[tuple[str, str, float], ...] = (
    ("one channel", "channel a stop", PTY),
    ("value that is none", "channel b 5A", PTY),
    ("enabling switch middle and panicked", "enabling both", PTY),
    ("6 corrupted frames", "corrupt 6", SILENT),
    ("4 lost frames", "drop 4", SILENT),
    ("old buffer, 200 ms", "delay 200", SILENT),
    ("another device", "wrong id", PTY),
    ("another version", "wrong version", PTY),
    ("another configuration", "wrong signature", SILENT),
    ("own echo", "loopback on", PTY),
    ("device restarts", "restart", PTY),
    ("device freezes", "freeze", SILENT),
    ("flood of garbage", "flood 0.5", SILENT),
)
HARMLESS: tuple[tuple[str, str], ...] = (
    ("frames twice", "duplicate 5"),
    ("garbage between frames", "garbage 20"),
    ("one corrupted frame", "corrupt 1"),
    ("3 lost frames", "drop 3"),
)
"""What must not stop the robot."""


@dataclass
class Row:
    """One kind of event."""

    name: str
    permitted: float
    """[ms]; infinite where there must be no stop."""
    times: list[float] = field(default_factory=list)
    """[ms]"""
    failures: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether all were in time, and none failed."""
        return not self.failures and bool(self.times) and max(self.times) <= self.permitted


class Run:
    """One supervisor with its world; trials one after the other."""

    def __init__(self, directory: Path, period: float, relays: bool, fifo: bool) -> None:
        self.relays, self.fifo = relays, fifo
        self.config = write_configuration(directory, period, relays)
        self.words = directory / "supervisor.txt"
        self.device = Device(self.config)
        self.world = World(period)
        self.world.start()
        self.supervisor = start_supervisor(self.config, self.words, fifo)
        self._random = random.Random(1)
        self._armed = False
        self._frozen = 0

    def arm(self) -> None:
        """Bring the supervisor to AUTO as people do, whatever happened before."""
        world, device = self.world, self.device
        for attempt in range(10):  # a busy machine may delay reset and start by a cause of its own
            if world.state == "AUTO/HOLDING":
                return
            if attempt or not self._armed:
                for order in CLEAN:
                    device.order(order)
                world.wait(lambda: world.state not in ("", "STOPPING"), 60.0)
                time.sleep(0.3)
            device.order("press")
            world.wait(lambda: world.state == "EMERGENCY_STOP", 3.0)
            time.sleep(0.03)
            device.order("release")
            if not world.wait(lambda: world.state == "LOCKED", 5.0):
                continue
            if self.relays:
                time.sleep(1.25)  # CHECKIN with RUN for a second, and the demand to stop stays for 0.1 s
                device.order("reset 0.15")
                world.wait(lambda: world.state == "READY", 1.0)
            else:
                self._reset()
            ok, _ = world.call("start")
            if ok and world.wait(lambda: world.state == "AUTO/HOLDING", 2.0):
                self._armed = True
                return
        raise RuntimeError(f"not armed: {world.state} {world.cause}\n{self.words.read_text(errors='replace')[-1500:]}")

    def _reset(self) -> None:
        for _ in range(50):
            if self.world.call("reset")[0]:
                return
            time.sleep(0.05)

    def cruise(self) -> bool:
        """Let the robot cruise for a random while."""
        self.world.cruise()
        cruises = self.world.wait(lambda: self.world.cruising, 2.0)
        time.sleep(0.02 + self._random.random() * 0.02)
        return cruises and self.world.cruising

    def stop_by(self, row: Row, order: str, before: str = "") -> None:
        """Measure one stop."""
        self.arm()
        if not self.cruise():
            self.world.rest()
            self._armed = False
            return  # the agent was late: no trial
        if before:
            self.device.order(before)
        at = self.device.order(order)
        stopped = self.world.wait(lambda: self.world.stopped_at is not None, 1.0)
        self.world.rest()
        if stopped and self.world.stopped_at is not None:
            row.times.append((self.world.stopped_at - at) / 1e6)
        else:
            row.failures.append(f"no stop by {order}: {self.world.state} {self.world.cause}")
        self.world.wait(lambda: self.world.state in ("EMERGENCY_STOP", "FAULT"), 3.0)
        if self.world.state != "EMERGENCY_STOP":
            row.failures.append(f"after {order}: {self.world.state} {self.world.cause}")
        if order not in ("press",):
            self._armed = False

    def ride_out(self, row: Row, order: str) -> None:
        """Show that something stops nothing."""
        self.arm()
        if not self.cruise():
            self.world.rest()
            return
        self.device.order(order)
        time.sleep(0.4)
        stopped = self.world.stopped_at is not None
        self.world.rest()
        row.times.append(0.0)
        if stopped:
            row.failures.append(f"stopped by {order}: {self.world.state} {self.world.cause}")
        self.world.wait(lambda: self.world.state == "AUTO/HOLDING", 1.0)

    def die(self, row: Row, opened: Row, number: signal.Signals) -> None:
        """Stop or kill the supervisor, and measure what the device does."""
        self.arm()
        time.sleep(self._random.random() * 0.02)
        first = len(self.device.events)
        at = time.monotonic_ns()
        self.supervisor.send_signal(number)
        for what, into in (("decided", row), ("opened", opened)):
            seen = self.device.wait(
                lambda event, what=what: event.get("event") == "relay" and event["detail"].startswith(what), first, 2.0
            )
            if seen is None:
                into.failures.append(f"the relays were not {what}")
            else:
                into.times.append((seen["at"] - at) / 1e6)
        if number is signal.SIGSTOP:
            self.supervisor.send_signal(signal.SIGCONT)
            self.world.wait(lambda: self.world.state not in ("AUTO/HOLDING", "STOPPING"), 3.0)
            self._frozen += 1
            if self._frozen % 2 == 0:  # the third overrun within an hour would be a fault
                end(self.supervisor)
                self._start()
        else:
            self.supervisor.wait()
            self._start()
        self._armed = False

    def _start(self) -> None:
        self.world.state = ""
        self.supervisor = start_supervisor(self.config, self.words, self.fifo)

    def close(self) -> None:
        """End everything."""
        end(self.supervisor)
        self.device.close()
        self.world.close()


def measure(arguments: argparse.Namespace, fifo: bool, progress: Any) -> list[Row]:
    """Play all trials; return the rows."""
    rows: list[Row] = []

    def row(name: str, permitted: float) -> Row:
        rows.append(Row(name, permitted))
        return rows[-1]

    with tempfile.TemporaryDirectory(prefix="bench-estop-") as temporary:
        run = Run(Path(temporary), arguments.period, relays=False, fifo=fifo)
        try:
            plan = [
                (row("pressed", PTY), "press", "", arguments.presses),
                (row("pressed, that frame lost", PTY), "press", "drop 1", arguments.presses // 5),
                (row("unplugged", SILENT), "unplug", "", arguments.unplugs),
                (row("silent", SILENT), "silent on", "", arguments.unplugs // 2),
                *((row(name, permitted), order, "", arguments.faults) for name, order, permitted in FAULTS),
            ]
            for into, order, before, count in plan:
                progress(into.name, count)
                for _ in range(2 * count):  # where the agent was late there is no trial
                    if len(into.times) + len(into.failures) < count:
                        run.stop_by(into, order, before)
            for name, order in HARMLESS:
                into = row(f"{name}: no stop", float("inf"))
                progress(into.name, arguments.faults)
                for _ in range(arguments.faults):
                    run.ride_out(into, order)
        finally:
            run.close()
    with tempfile.TemporaryDirectory(prefix="bench-estop-") as temporary:
        run = Run(Path(temporary), arguments.period, relays=True, fifo=fifo)
        try:
            for name, number, count in (
                ("SIGSTOP", signal.SIGSTOP, arguments.stops),
                ("SIGKILL", signal.SIGKILL, arguments.kills),
            ):
                decided = row(f"{name} to the device's decision", DEAD)
                opened = row(f"{name} to open relays (delay 300)", DEAD + 300.0)
                progress(decided.name, count)
                for _ in range(count):
                    run.die(decided, opened, number)
        finally:
            run.close()
    return [one for one in rows if one.times or one.failures]


def as_values(rows: list[Row]) -> list[dict[str, Any]]:
    """Return rows for programs, times in [ms]."""
    import numpy as np

    values = []
    for row in rows:
        times = row.times or [float("nan")]
        shares = {f"p{share:g}": round(float(np.percentile(times, share)), 2) for share in (50, 99)}
        permitted = None if row.permitted == float("inf") else row.permitted
        values.append({"name": row.name, "n": len(row.times), **shares, "worst": round(max(times), 2),
                       "permitted": permitted, "failures": row.failures, "good": row.good})  # fmt: skip
    return values


def draw(rows: list[Row], path: Path, title: str) -> None:
    """Draw the distributions beside what is permitted."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    shown = [
        row for row in rows if row.permitted != float("inf") and len(row.times) > 1 and "open relays" not in row.name
    ]
    figure, axes = plt.subplots(len(shown), 1, figsize=(8, 0.9 * len(shown) + 1), sharex=True, squeeze=False)
    for axis, row in zip(axes[:, 0], shown, strict=True):
        axis.hist(row.times, bins=80, range=(0, 160), color="tab:blue")
        axis.axvline(row.permitted, color="tab:red", linewidth=1.5)
        axis.set_yticks([])
        axis.set_ylabel(f"{row.name}\nn = {len(row.times)}", rotation=0, ha="right", va="center", fontsize=7)
    axes[-1, 0].set_xlabel("from the event to the stop, or to the device's decision [ms]; red: permitted")
    figure.suptitle(title, fontsize=10)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main() -> int:
    """Measure, print, draw; exit 1 when something was too late or did not stop."""
    parser = argparse.ArgumentParser(prog="make bench-estop ARGS=…", description=__doc__)
    parser.add_argument("--presses", type=int, default=100, help="1000 in the report; a press takes a second")
    parser.add_argument("--unplugs", type=int, default=20, help="200 in the report; each takes 2 s")
    parser.add_argument("--stops", type=int, default=10, help="SIGSTOP to the supervisor; each takes 4 s")
    parser.add_argument("--kills", type=int, default=3, help="SIGKILL to the supervisor; each takes 8 s")
    parser.add_argument("--faults", type=int, default=3, help="of each other row of the table of faults")
    parser.add_argument("--period", type=float, default=0.004, help="control period, [s]")
    parser.add_argument("--load", action="store_true", help="keep both cores busy")
    parser.add_argument("--no-fifo", action="store_true", help="without the permission for real-time priority")
    parser.add_argument("--picture", type=Path, help="write a PNG")
    parser.add_argument("--json", action="store_true", help="one list of rows, times in milliseconds")
    arguments = parser.parse_args()
    began = time.monotonic()

    def progress(name: str, count: int) -> None:
        print(f"{time.monotonic() - began:6.0f} s  {name}, {count} times", file=sys.stderr, flush=True)

    burners = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2 if arguments.load else 0)]
    try:
        rows = measure(arguments, not arguments.no_fifo, progress)
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()
    words = (
        f"both cores {'busy' if arguments.load else 'idle'}, {'no SCHED_FIFO' if arguments.no_fifo else 'SCHED_FIFO'}"
    )
    title = f"e-stop on a pseudo-terminal, control period {arguments.period * 1e3:g} ms, {words}"
    values = as_values(rows)
    if arguments.picture:
        draw(rows, arguments.picture, title)
    if arguments.json:
        print(json.dumps({"title": title, "rows": values}))
    else:
        from rich.console import Console
        from rich.table import Table

        table = Table(title=f"{title}; times in ms")
        for column in ("event", "n", "median", "p99", "worst", "permitted", ""):
            table.add_column(column, justify="left" if column == "event" else "right")
        for value in values:
            numbers = (f"{value['p50']:g}", f"{value['p99']:g}", f"{value['worst']:g}", f"{value['permitted'] or '-'}")
            table.add_row(value["name"], str(value["n"]), *numbers, "ok" if value["good"] else "NOT")
        console = Console(width=130)
        console.print(table)
        for value in values:
            for failure in value["failures"][:5]:
                console.print(f"{value['name']}: {failure}", highlight=False)
    return 0 if all(value["good"] for value in values) else 1


if __name__ == "__main__":
    sys.exit(main())
