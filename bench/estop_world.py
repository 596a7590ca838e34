"""What stands around the supervisor in the e-stop report: robot and agent in one thread, the device in a process."""

from __future__ import annotations

import contextlib
import ctypes
import json
import math
import os
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import rclpy
import yaml
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from std_srvs.srv import Trigger

from bench.bench_relay import environment
from bench.relay_processes import FINGERS, FIRST, HOME, JOINTS, MOTORS
from safety_supervisor.ros.cdr import JointStateWriter

REPOSITORY = Path(__file__).resolve().parents[1]
NODE = "estop_world"
SPEED = 0.3
"""Of joint 7 while it cruises, [rad/s]."""
SLOWER = 0.01
"""Loss of speed from one motor message to the next by which a stop is seen, [rad/s]; its first is at least 0.03."""
RAMP = 0.15
CRUISED = 10
STREAM = 0.01
_CAP_SYS_NICE, _PR_CAPBSET_DROP = 23, 24


def write_configuration(directory: Path, period: float, relays: bool) -> Path:
    """Write the Panda's configuration with this world as its robot and a device on a pseudo-terminal."""
    raw: dict[str, Any] = yaml.safe_load((REPOSITORY / "config" / "panda.yaml").read_text(encoding="utf-8"))
    raw["robot"]["joint_states"] = [{"node": f"/{NODE}", "joints": [*JOINTS, *FINGERS]}]
    raw["sources"]["planner"].update(period=STREAM, refusals=10_000)
    # What is measured is the e-stop; lateness of this world must not stop the robot before it.
    raw["timing"].update(period=period, overrun=0.05, joint_state_timeout=0.5)
    raw["tracking"].update(bound=0.5, delay=0.3)
    line = {"driver": "frame_v1", "port": str(directory / "estop"), "relay_effect": "sto" if relays else "none"}
    raw["estop"] = line
    raw["output"] = {"type": "joint_position", "topic": MOTORS, "simulated": True, "on_loss": "hold"}
    raw["evidence"] = {"log_directory": str(directory / "log"), "record_events": True}
    path = directory / "bench.yaml"
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")
    return path


def _without_real_time() -> None:
    ctypes.CDLL(None).prctl(_PR_CAPBSET_DROP, _CAP_SYS_NICE, 0, 0, 0)


def start_supervisor(config: Path, words: Path, fifo: bool) -> subprocess.Popen[bytes]:
    """Start the node."""
    command = ["-m", "safety_supervisor.ros.main", "--ros-args", "-p", f"config_file:={config}"]
    with words.open("ab") as sink:
        return subprocess.Popen(
            [sys.executable, *command], env=environment(), stdin=subprocess.DEVNULL, stdout=sink, stderr=sink,
            preexec_fn=None if fifo else _without_real_time,
        )  # fmt: skip


class Device:
    """`safety-supervisor estop emulate` in a process of its own, obeying at once."""

    def __init__(self, config: Path) -> None:
        """Start it behind the port that the configuration names."""
        link = yaml.safe_load(config.read_text(encoding="utf-8"))["estop"]["port"]
        command = ["-m", "safety_supervisor.cli", "estop", "emulate", "--config", str(config), "--link", link, "--json"]
        self._process = subprocess.Popen(
            [sys.executable, *command], env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.events: list[dict[str, Any]] = []
        """Everything that it told, with `at`, CLOCK_MONOTONIC, [ns]."""
        self._told = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()
        if self.wait(lambda event: True, 0, 60.0) is None:
            raise RuntimeError("the emulated device does not start")
        # It stands for hardware, which no load of this computer makes late; the supervisor stays above it.
        for task in os.listdir(f"/proc/{self._process.pid}/task"):
            with contextlib.suppress(OSError):
                os.sched_setscheduler(int(task), os.SCHED_FIFO, os.sched_param(30))

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._told:
                self.events.append(json.loads(line))
                self._told.notify_all()

    def order(self, text: str) -> int:
        """Give an order; return when it was obeyed, [ns]."""
        assert self._process.stdin is not None
        first = len(self.events)
        self._process.stdin.write(text + "\n")
        self._process.stdin.flush()
        answer = self.wait(lambda event: event.get("order") == text, first, 5.0)
        if answer is None or not answer["ok"]:
            raise RuntimeError(f"the device does not obey {text!r}: {answer}")
        return int(answer["at"])

    def wait(self, wanted: Callable[[dict[str, Any]], bool], first: int, timeout: float) -> dict[str, Any] | None:
        """Wait for something told since entry `first`; None when it is not told in time."""
        ends = time.monotonic() + timeout
        with self._told:
            while True:
                for event in self.events[first:]:
                    if wanted(event):
                        return event
                if not self._told.wait(ends - time.monotonic()):
                    return None

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.terminate()
        self._process.wait(5.0)


class World(threading.Thread):
    """Robot and agent: measures where it was told to be, streams a cruise of joint 7, and sees the stop.

    The time of a motor message is the middleware's, of its sending.
    """

    def __init__(self, period: float) -> None:
        """Join the graph."""
        super().__init__(name="world", daemon=True)
        self.state = ""
        self.cause = ""
        self.told: dict[str, str] = {}
        """Values of the newest status."""
        self.stopped_at: int | None = None
        """When the first motor message that slows down was sent, steady clock, [ns]."""
        self.cruising = False
        self._period = period
        self._positions: tuple[float, ...] = tuple(HOME)
        self._speed = 0.0
        self._fast = 0
        self._cruise: tuple[float, float, int] | None = None
        """Where it began, direction, set-points sent."""
        self._direction = 1.0
        self._ending = False
        for name, value in environment().items():
            if name.startswith(("ROS_", "FAST")):
                os.environ[name] = value
        rclpy.init(args=[])
        self.node = Node(NODE, start_parameter_services=False)
        reliable = QoSProfile(depth=200, reliability=ReliabilityPolicy.RELIABLE)
        self._motors = self.node.create_subscription(Float64MultiArray, MOTORS, lambda _: None, reliable, raw=True)
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._status = self.node.create_subscription(DiagnosticArray, "/supervisor/status", lambda _: None, latched)
        stream = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
        self._states = self.node.create_publisher(JointState, "/joint_states", stream)
        self._commands = self.node.create_publisher(JointState, "/supervisor/sources/planner/joint_command", stream)
        self._write_state = JointStateWriter([*JOINTS, *FINGERS]).write
        self._write_command = JointStateWriter(JOINTS).write
        self.caller = Node("estop_caller", start_parameter_services=False)
        self._callers = SingleThreadedExecutor()
        self._callers.add_node(self.caller)
        self._clients: dict[str, Any] = {}

    def run(self) -> None:
        """Turn once a millisecond."""
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(20))
        states_due = commands_due = 0
        while not self._ending:
            now = time.monotonic_ns()
            self._hear()
            if now >= states_due:
                states_due = now + 4_000_000
                self._states.publish(self._write_state(time.time_ns(), (*self._positions, 0.02, 0.02)))
            if self._cruise is not None and now >= commands_due:
                commands_due = max(commands_due + round(STREAM * 1e9), now)
                self._command()
            time.sleep(0.001)

    def _hear(self) -> None:
        with self._motors.handle:
            while (taken := self._motors.handle.take_message(self._motors.msg_type, self._motors.raw)) is not None:
                data, info = taken
                self._motor(struct.unpack_from("<7d", data, FIRST), int(info["source_timestamp"]))
        with self._status.handle:
            while (taken := self._status.handle.take_message(self._status.msg_type, self._status.raw)) is not None:
                values = {entry.key: entry.value for entry in taken[0].status[0].values}
                self.state, self.cause, self.told = values["state"], values["cause"], values

    def _motor(self, positions: tuple[float, ...], sent: int) -> None:
        speed = abs(positions[6] - self._positions[6]) / self._period
        if self.cruising and speed < self._speed - SLOWER and self.stopped_at is None:
            self.stopped_at = sent - time.time_ns() + time.monotonic_ns()
        self._fast = self._fast + 1 if abs(speed - SPEED) < SLOWER / 4 else 0
        self.cruising = self.stopped_at is None and (self.cruising or self._fast >= CRUISED)
        self._positions, self._speed = positions, speed

    def _command(self) -> None:
        """Send the next set-point: each is the end of one period, whenever it is sent."""
        assert self._cruise is not None
        start, direction, sent = self._cruise
        t = (sent + 1) * STREAM
        self._cruise = start, direction, sent + 1
        shape = t / 2 - RAMP / (2 * math.pi) * math.sin(math.pi * t / RAMP)
        travelled = SPEED * (t - RAMP / 2 if t > RAMP else shape)
        row = (*self._positions[:6], start + direction * travelled)
        self._commands.publish(self._write_command(0, row))

    @property
    def positions(self) -> list[float]:
        """Where the robot is, [rad]."""
        return list(self._positions)

    def cruise(self) -> None:
        """Begin to move joint 7, to and fro from one call to the next."""
        self.stopped_at, self.cruising, self._fast = None, False, 0
        self._direction = -self._direction if abs(self._positions[6] - HOME[6]) < 1.0 else (
            1.0 if self._positions[6] < HOME[6] else -1.0
        )  # fmt: skip
        self._cruise = (self._positions[6], self._direction, 0)

    def rest(self) -> None:
        """Stream nothing."""
        self._cruise = None

    def wait(self, true: Callable[[], bool], timeout: float) -> bool:
        """Wait for a condition; return whether it came true."""
        ends = time.monotonic() + timeout
        while not true():
            if time.monotonic() > ends:
                return False
            time.sleep(0.001)
        return True

    def call(self, name: str, timeout: float = 5.0) -> tuple[bool, str]:
        """Call a service of the supervisor."""
        client = self._clients.get(name)
        if client is None:
            client = self._clients[name] = self.caller.create_client(Trigger, f"/supervisor/{name}")
        if not client.wait_for_service(timeout):
            return False, f"there is no service {name}"
        future = client.call_async(Trigger.Request())
        self._callers.spin_until_future_complete(future, timeout)
        result = future.result() if future.done() else None
        return (bool(result.success), result.message) if result is not None else (False, "no answer")

    def close(self) -> None:
        """Leave the graph."""
        self._ending = True
        self.join()
        self._callers.shutdown()
        self.caller.destroy_node()
        self.node.destroy_node()
        rclpy.try_shutdown()


def end(process: subprocess.Popen[bytes]) -> None:
    """End the supervisor, whatever state it is in."""
    if process.poll() is None:
        process.send_signal(signal.SIGCONT)
        process.send_signal(signal.SIGINT)
        try:
            process.wait(10.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
