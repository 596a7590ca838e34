"""Control cycles at 500 Hz for a minute: how late they begin, and how many deadlines are missed.

`--robot g1`: of the G1 on its feet, with balance, that squats and swings its arms; else of the Panda.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from bench.bench_relay import g1, read_events, run, write_configuration
from bench.measure import Row, row
from bench.relay_processes import JOINTS
from safety_supervisor.core.events import Tick

RATE = 500
SECONDS, QUICK_SECONDS = 60, 3


def rows(quick: bool = False, robot: str = "panda") -> list[Row]:
    """Run the supervisor under an agent and a robot of the same rate, and read its cycles from the event log."""
    seconds = QUICK_SECONDS if quick else SECONDS
    raw, client = g1() if robot == "g1" else (None, None)
    with tempfile.TemporaryDirectory() as place:
        directory = Path(place)
        configuration = write_configuration(directory, RATE, raw)
        command = ["-m", "safety_supervisor.ros.main", "--ros-args", "-p", f"config_file:={configuration}"]
        noted = run(command, RATE, RATE * seconds, directory, supervised=True, robot=client)
        ticks = [event for event in read_events(directory) if isinstance(event, Tick)]
    begun = noted["sent"][0][1]
    late = [tick.at - tick.scheduled for tick in ticks if tick.at >= begun]
    period = 1_000_000_000 // RATE
    missed = sum(value // period for value in late)
    remarks = {
        "missed": missed, "restarts": noted["restarts"], "seconds": seconds, "scheduler": noted["scheduler"],
    }  # fmt: skip
    joints = len(JOINTS if client is None else client["joints"])
    name = f"deadlines.{RATE}hz" if robot == "panda" else f"deadlines.{RATE}hz.{robot}"
    return [row(name, None, late, robot=robot, joints=joints, **remarks)]
