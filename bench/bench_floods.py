"""The running node under floods of requests and tokens of another process: how late cycles begin, with and without.

The Panda streams at 250 Hz for a minute; a second process is silent for 5 s, then floods for 5 s, in turn: 2000 tokens
a second on `~/operator_requests`, which are replays of a well signed approval, and 100 goals a second that ask for
people. `floods.quiet` and `floods.flooded` are the cycles of the two halves of one run; `cycle_p99_us` is what the
status tells at the end of each five seconds, from a cycle's beginning until the motors' message was sent, the median.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import time
from copy import deepcopy
from pathlib import Path
from statistics import median
from typing import Any

import rclpy
import yaml
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import LivelinessPolicy, QoSProfile
from rclpy.serialization import serialize_message
from rclpy.signals import SignalHandlerOptions
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from bench.bench_interventions import KEY, NOBODY, approval
from bench.bench_relay import REPOSITORY, environment, read_events, run, write_configuration
from bench.measure import Row, row
from bench.relay_processes import CLIENT, FINGERS, HOME, JOINTS, LATCHED, Ending
from safety_supervisor.core.events import Tick
from safety_supervisor.ros.cdr import write_string
from safety_supervisor.tokens.key_file import public_text

RATE = 250
SECONDS, QUICK_SECONDS = 60, 16
PHASE = 5.0
"""[s]"""
TOKENS_HZ, REQUESTS_HZ = 2000, 100


def rows(quick: bool = False) -> list[Row]:
    """Run node, robot and flood; read the cycles from the event log."""
    seconds = QUICK_SECONDS if quick else SECONDS
    with tempfile.TemporaryDirectory() as place:
        directory = Path(place)
        configuration = write_configuration(directory, RATE, _raw())
        flood = directory / "flood.json"
        command = [sys.executable, "-m", "bench.bench_floods", str(flood)]
        process = subprocess.Popen(command, env=environment(), cwd=REPOSITORY)
        try:
            partner = ["-m", "safety_supervisor.ros.main", "--ros-args", "-p", f"config_file:={configuration}"]
            noted = run(partner, RATE, RATE * seconds, directory, supervised=True)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(10.0)
        ticks = [event for event in read_events(directory) if isinstance(event, Tick)]
        told = json.loads(flood.read_text(encoding="utf-8"))
    begun, ended = noted["sent"][0][1], noted["sent"][-1][1]
    found = []
    for name in ("quiet", "flooded"):
        phases = [one for one in told["phases"] if one["name"] == name and begun < one["begun"] < one["ended"] < ended]
        late = [
            tick.at - tick.scheduled
            for tick in ticks
            if any(one["begun"] <= tick.scheduled <= one["ended"] for one in phases)
        ]
        remarks = {
            "cycle_p99_us": median(one["cycle_p99_us"] for one in phases), "phases": len(phases),
            "tokens": sum(one["tokens"] for one in phases), "requests": sum(one["requests"] for one in phases),
            "missed": sum(value // (1_000_000_000 // RATE) for value in late), "restarts": noted["restarts"],
            "scheduler": noted["scheduler"],
        }  # fmt: skip
        found.append(row(f"floods.{name}", None, late, robot="panda", joints=7, **remarks))
    return found


def _raw() -> dict[str, Any]:
    raw: dict[str, Any] = yaml.safe_load((REPOSITORY / "config" / "panda.yaml").read_text(encoding="utf-8"))
    raw["robot"]["joint_states"] = [{"node": f"/{CLIENT}", "joints": [*JOINTS, *FINGERS]}]
    # Who floods is not cut off for it: that would end the flood.
    like = deepcopy(raw["sources"]["planner"])
    raw["sources"]["requests"] = {**like, "priority": 5, "refusals": 1000, "refusal_window": 1.0}
    raw["policy"] = {"program": 'verb == "trajectory" ? approve("zone", 1, 600) : allow'}
    raw["operators"]["people"] = {"ada": {"role": "technician", "public_key": public_text(KEY)}}
    return raw


class Flood:
    """Is silent and floods in turn, and writes down when."""

    def __init__(self) -> None:
        """Join the graph."""
        self.node = Node("flood", start_parameter_services=False)
        profile = QoSProfile(depth=10, liveliness=LivelinessPolicy.AUTOMATIC)
        profile.liveliness_lease_duration = Duration(seconds=0.5)
        topic = "/supervisor/sources/requests/joint_trajectory"
        self.requests = self.node.create_publisher(JointTrajectory, topic, profile)
        self.tokens = self.node.create_publisher(String, "/supervisor/operator_requests", QoSProfile(depth=10))
        self.node.create_subscription(DiagnosticArray, "/supervisor/status", self._hear, LATCHED)
        self.status: dict[str, str] = {}
        away = [HOME[0] + 0.2, *HOME[1:]]
        rest = [0.0] * 7
        point = JointTrajectoryPoint(positions=away, velocities=rest, accelerations=rest)
        point.time_from_start.sec = 2
        self._goal = serialize_message(JointTrajectory(joint_names=JOINTS, points=[point]))

    def _hear(self, message: DiagnosticArray) -> None:
        self.status = {entry.key: entry.value for entry in message.status[0].values}

    def run(self, name: str, ending: Ending) -> dict[str, Any]:
        """Live through one phase."""
        begun, sent = time.monotonic(), {"tokens": 0, "requests": 0}
        token = b""
        if name == "flooded" and self.status:
            shown = self.status["nonce"], self.status["configuration_sha256"], int(self.status["epoch"])
            token = write_string(approval("panda", NOBODY, *shown))
        while (elapsed := time.monotonic() - begun) < PHASE and not ending.wanted:
            rclpy.spin_once(self.node, timeout_sec=0.0)
            if not token:
                time.sleep(0.005)
                continue
            if sent["tokens"] < elapsed * TOKENS_HZ:
                self.tokens.publish(token)
                sent["tokens"] += 1
            else:
                time.sleep(0.0003)
            if sent["requests"] < elapsed * REQUESTS_HZ:
                self.requests.publish(self._goal)
                sent["requests"] += 1
        told = float(self.status.get("cycle_p99_us", "nan"))
        return {"name": name, "begun": int(begun * 1e9), "ended": time.monotonic_ns(), "cycle_p99_us": told, **sent}


def main() -> None:
    """Flood until SIGINT."""
    ending = Ending()
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    flood, phases = Flood(), []
    while not ending.wanted:
        for name in ("quiet", "flooded"):
            phases.append(flood.run(name, ending))
    Path(sys.argv[1]).write_text(json.dumps({"phases": phases}), encoding="utf-8")
    flood.node.destroy_node()
    rclpy.try_shutdown()


if __name__ == "__main__":
    main()
