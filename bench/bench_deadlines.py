"""Control cycles at 500 Hz for a minute: how late they begin, and how many deadlines are missed.

Beside them a loop that does nothing (`bench.bare_loop`) tells what of that the machine does to anybody.
`--robot g1`: of the G1 on its feet, with balance, that squats and swings its arms; else of the Panda.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.bench_relay import environment, g1, read_events, run, write_configuration
from bench.measure import Row, row
from bench.relay_processes import JOINTS
from safety_supervisor.core.events import Tick

RATE = 500
SECONDS, QUICK_SECONDS = 60, 3
PERIOD = 1_000_000_000 // RATE
_NEAR = 5 * PERIOD
"""Two that are late by a period or half of one within this time of each other were held up by the same thing, [ns]."""


def rows(quick: bool = False, robot: str = "panda") -> list[Row]:
    """Run the supervisor under an agent and a robot of the same rate, and read its cycles from the event log."""
    seconds = QUICK_SECONDS if quick else SECONDS
    raw, client = g1() if robot == "g1" else (None, None)
    with tempfile.TemporaryDirectory() as place:
        directory = Path(place)
        configuration = write_configuration(directory, RATE, raw)
        command = ["-m", "safety_supervisor.ros.main", "--ros-args", "-p", f"config_file:={configuration}"]
        with _bare_loop(directory / "bare.json") as bare:
            noted = run(command, RATE, RATE * seconds, directory, supervised=True, robot=client)
        ticks = [event for event in read_events(directory) if isinstance(event, Tick)]
    begun = noted["sent"][0][1]
    late = [(tick.scheduled, tick.at - tick.scheduled) for tick in ticks if tick.at >= begun]
    beside = [(due, value) for due, value in bare["late"] if begun <= due <= late[-1][0]]
    held_up = [due for due, value in beside if 2 * value >= PERIOD]
    hitches = [due for due, value in late if value >= PERIOD]
    shared = sum(any(abs(due - other) <= _NEAR for other in held_up) for due in hitches)
    remarks = {
        "missed": _missed(late), "late_cycles": len(hitches), "of_them_beside_a_late_bare_loop": shared,
        "restarts": noted["restarts"], "seconds": seconds, "scheduler": noted["scheduler"],
    }  # fmt: skip
    joints = len(JOINTS if client is None else client["joints"])
    about: dict[str, Any] = {"robot": robot, "joints": joints}
    suffix = "" if robot == "panda" else f".{robot}"
    nothing = {"missed": _missed(beside), "scheduler": bare["scheduler"]}
    return [
        row(f"deadlines.bare.{RATE}hz{suffix}", None, [value for _, value in beside], **about, **nothing),
        row(f"deadlines.{RATE}hz{suffix}", None, [value for _, value in late], **about, **remarks),
    ]


def _missed(late: list[tuple[int, int]]) -> int:
    return sum(value // PERIOD for _, value in late)


@contextmanager
def _bare_loop(result: Path) -> Iterator[dict[str, Any]]:
    """Run the loop beside the block; afterwards the mapping holds what it noted."""
    noted: dict[str, Any] = {}
    command = [sys.executable, "-m", "bench.bare_loop", str(RATE), str(result)]
    process = subprocess.Popen(command, env=environment())
    try:
        yield noted
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(10.0)
    noted.update(json.loads(result.read_text(encoding="utf-8")))
