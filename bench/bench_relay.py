"""Round trips through the supervisor against a bare relay, at 100, 500 and 1000 Hz.

Through the supervisor a set-point waits for the next control cycle: that is no cost of the supervisor and is a row of
its own. The round trip is the rest: from sending to receipt, handling, and from the cycle's beginning to the motor
message in the client's hands. Receipts and cycles are read from the event log, handling is timed by replaying it; all
times are of the one steady clock that all processes of a machine share.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from bisect import bisect_right
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import yaml

from bench.measure import NoGarbageCollection, Row, percentiles, row
from bench.relay_processes import CLIENT, FINGERS, JOINTS, MOTORS
from safety_supervisor.config import load_config
from safety_supervisor.core.events import Event, StreamCommand, Tick
from safety_supervisor.core.supervisor import Supervisor
from safety_supervisor.evidence.event_log import Entry, EventLog

REPOSITORY = Path(__file__).resolve().parents[1]
RATES = (100, 500, 1000)
SAMPLES, QUICK_SAMPLES = 5_000, 300
START_S = 60.0


def write_configuration(directory: Path, rate: int, raw: dict[str, Any] | None = None) -> Path:
    """Write a configuration, the Panda's unless one is given, with the client as robot, in cycles of its rate."""
    if raw is None:
        raw = yaml.safe_load((REPOSITORY / "config" / "panda.yaml").read_text(encoding="utf-8"))
        raw["robot"]["joint_states"] = [{"node": f"/{CLIENT}", "joints": [*JOINTS, *FINGERS]}]
    raw["sources"]["planner"].update(period=1.0 / rate, rate_limit_hz=min(10_000.0, 4.0 * rate), refusals=10_000)
    raw["timing"].update(period=1.0 / rate, overrun=0.05, joint_state_timeout=0.5)
    raw["estop"] = {"driver": "none", "none": "I accept"}
    kind = "joint_trajectory_horizon" if raw.get("balance") else "joint_position"
    raw["output"] = {"type": kind, "topic": MOTORS, "simulated": True, "on_loss": "hold"}
    raw["evidence"] = {"log_directory": str(directory / "log"), "record_events": True}
    path = directory / "bench.yaml"
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")
    return path


def g1() -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the raw configuration of the G1 on its feet, moved by one source, and the client as that robot."""
    raw: dict[str, Any] = yaml.safe_load((REPOSITORY / "config" / "g1.yaml").read_text(encoding="utf-8"))
    joints, start, balance = raw["robot"]["joints"], raw["robot"]["start"], raw["balance"]
    raw["robot"]["joint_states"] = [{"node": f"/{CLIENT}", "joints": [*joints]}]
    raw["sources"] = {"planner": {**raw["sources"]["planner"], "groups": [*raw["robot"]["groups"]]}}
    # A squat and both arms: knees twice as far as hips and ankles, so that pelvis and soles stay level.
    bends = {"hip_pitch": -1.0, "knee": 2.0, "ankle_pitch": -1.0, "shoulder_pitch": -4.0, "elbow": 4.0}
    client = {
        "joints": joints,
        "others": [],
        "more": [],
        "home": [float(start[joint]) for joint in joints],
        "way": [next((way for name, way in bends.items() if name in joint), 0.0) for joint in joints],
        "stands": {
            "imu": balance["imu_topic"],
            "frame": balance["imu_link"],
            "feet": {foot: sole["contact_topic"] for foot, sole in balance["soles"].items()},
            "force": 150.0,
        },
    }
    return raw, client


def environment() -> dict[str, str]:
    """Return the environment of the processes: a domain of their own on this machine."""
    own = {key: value for key, value in os.environ.items() if key != "_ROS_WHEELS_BOOTSTRAP_COMPLETE"}
    own.update(ROS_AUTOMATIC_DISCOVERY_RANGE="LOCALHOST", OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")
    for variable in ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"):
        own.setdefault(variable, str(REPOSITORY / "config" / "fastdds.xml"))
    own.setdefault("ROS_DOMAIN_ID", str(10 + os.getpid() % 90))
    own["PYTHONPATH"] = os.pathsep.join(filter(None, (str(REPOSITORY), own.get("PYTHONPATH", ""))))
    return own


def run(
    partner: list[str], rate: int, samples: int, directory: Path, supervised: bool, robot: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Run client and partner; return what the client noted. The client is the Panda unless another robot is given.

    Raises:
        RuntimeError: when one of them fails; the message holds their words.
    """
    result = directory / "client.json"
    settings = {"rate": rate, "samples": samples, "supervised": supervised, "result": str(result), "robot": robot}
    words = directory / "words.txt"
    client_command = ["-m", "bench.relay_processes", "client", json.dumps(settings)]
    with words.open("ab") as sink:
        started = [
            subprocess.Popen([sys.executable, *command], env=environment(), cwd=REPOSITORY, stdout=sink, stderr=sink)
            for command in (partner, client_command)
        ]
    try:
        status = started[1].wait(START_S + samples / rate * 3.0)
    finally:
        for process in reversed(started):
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                process.wait(10.0)
    if status != 0:
        raise RuntimeError(words.read_text(errors="replace")[-2000:])
    noted: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
    return noted


def bare(rate: int, samples: int, directory: Path) -> list[int]:
    """Return the round trips through the bare relay, [ns]."""
    noted = run(["-m", "bench.relay_processes", "relay"], rate, samples, directory, supervised=False)
    arrivals = [at for at, _ in noted["received"]]
    trips = []
    for (_, sent), following in zip(noted["sent"], [*noted["sent"][1:], [0, 2**63]], strict=True):
        index = bisect_right(arrivals, sent)
        if index < len(arrivals) and arrivals[index] < following[1]:
            trips.append(arrivals[index] - sent)
    return trips


def read_events(directory: Path) -> list[Event]:
    """Return the recorded events of the only boot."""
    (path,) = sorted((directory / "log").glob("*.events.mcap"))[:1]
    return [item.event for item in EventLog(path) if isinstance(item, Entry)]


def time_handling(configuration: Path, events: list[Event]) -> list[int]:
    """Return how long the core takes over each event, replayed here, [ns]."""
    supervisor = Supervisor(load_config(configuration))
    times = []
    with NoGarbageCollection():
        for event in events:
            begin = perf_counter_ns()
            supervisor.handle(event)
            times.append(perf_counter_ns() - begin)
    return times


def supervised(rate: int, samples: int, directory: Path) -> tuple[list[int], list[int], dict[str, Any]]:
    """Return round trips and waits for the next cycle through the supervisor, [ns], and remarks."""
    configuration = write_configuration(directory, rate)
    command = ["-m", "safety_supervisor.ros.main", "--ros-args", "-p", f"config_file:={configuration}"]
    noted = run(command, rate, samples, directory, supervised=True)
    events = read_events(directory)
    handling = time_handling(configuration, events)
    sent = dict(noted["sent"])
    arrivals = [at for at, _ in noted["received"]]
    waiting: list[tuple[int, int, int]] = []  # sent, received, handled
    trips, waits = [], []
    parts: dict[str, list[int]] = {"to_receipt_us": [], "handling_us": [], "cycle_to_client_us": []}
    for event, took in zip(events, handling, strict=True):
        if isinstance(event, StreamCommand) and event.stamp in sent:
            waiting.append((sent[event.stamp], event.received, took))
        elif isinstance(event, Tick):
            index = bisect_right(arrivals, event.at)
            if waiting and index < len(arrivals):
                for sent_at, received, handled in waiting:
                    way = (received - sent_at, handled, arrivals[index] - event.at)
                    for part, time in zip(parts.values(), way, strict=True):
                        part.append(time)
                    trips.append(sum(way))
                    waits.append(max(0, event.at - received - handled))
            waiting.clear()
    remarks = {name: percentiles(part)["median"] for name, part in parts.items()}
    return trips, waits, {**remarks, "restarts": noted["restarts"], "scheduler": noted["scheduler"]}


def rows(quick: bool = False) -> list[Row]:
    """Measure all rates."""
    samples = QUICK_SAMPLES if quick else SAMPLES
    table = []
    for rate in RATES:
        about = {"robot": "panda", "joints": len(JOINTS)}
        with tempfile.TemporaryDirectory() as place:
            trips = bare(rate, samples, Path(place))
            table.append(row(f"relay.bare.{rate}hz", None, trips, **about))
        with tempfile.TemporaryDirectory() as place:
            trips, waits, remarks = supervised(rate, samples, Path(place))
            table.append(row(f"relay.supervised.{rate}hz", None, trips, **about, **remarks))
            table.append(row(f"relay.phase_wait.{rate}hz", None, waits, **about))
    return table
