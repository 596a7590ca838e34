"""Real processes around a test: the supervisor, the simulated cell, and a client node on real Fast DDS."""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import rclpy
import yaml
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node, NodeNameNonExistentError
from rclpy.qos import DurabilityPolicy, LivelinessPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from safety_supervisor_sim import shared_memory

REPOSITORY = Path(__file__).resolve().parents[2]
JOINTS = [f"panda_joint{number}" for number in range(1, 8)]
HOME = [0.0, -0.785, 0.0, -2.356, 0.0, 1.571, 0.785]
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
STREAM = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
CELL_CONTROLLERS = {
    "joint_trajectory_horizon": ("joint_trajectory_controller", "/panda_arm_controller/joint_trajectory"),
    "joint_position": ("forward_position", "/forward_position_controller/commands"),
    "joint_velocity": ("forward_velocity", "/forward_velocity_controller/commands"),
    "joint_state": ("joint_state", "/joint_commands"),
}
_FIRST = int(os.environ.get("ROS_DOMAIN_ID") or 10 + os.getpid() % 80)
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_SHARE = 102 // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
_domains = itertools.count()


def next_domain() -> int:
    """Return a ROS domain that no other test of this run uses; ROS knows 0 to 101 on every platform.

    Where several processes run tests, each has a share of its own.
    """
    return (_FIRST + _WORKER * _SHARE + next(_domains) % _SHARE) % 102


def merge(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return the mapping with changes laid over it, section by section."""
    merged = deepcopy(base)
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = merge(merged[key], value)
        else:
            merged[key] = value
    return merged


PATIENT: dict[str, Any] = {
    "timing": {"overrun": 0.05, "joint_state_timeout": 0.5},
    "tracking": {"bound": 0.5, "delay": 0.3},
    "estop": {"driver": "none", "none": "I accept"},
}
"""A test machine is shared: what these tests do not ask about must not stop the robot."""
SIMULATED_ESTOP: dict[str, Any] = {"driver": "simulated", "none": None}


def write_configuration(directory: Path, **changes: Any) -> Path:
    """Write the Panda's configuration with changes into a directory of the test."""
    base = yaml.safe_load((REPOSITORY / "config" / "panda.yaml").read_text())
    base = merge(merge(base, PATIENT), {"evidence": {"log_directory": str(directory / "log")}})
    path = directory / "robot.yaml"
    path.write_text(yaml.safe_dump(merge(base, changes)))
    return path


class Process:
    """A process of the test; its words are kept, and it is gone behind the test."""

    def __init__(self, command: list[str], domain: int, directory: Path, name: str, sink: int | None = None) -> None:
        self.words = directory / f"{name}.{time.monotonic_ns()}.txt"
        self.left: set[Path] = set()
        environment = dict(os.environ)
        environment.pop("_ROS_WHEELS_BOOTSTRAP_COMPLETE", None)  # the wheels prepare each process anew
        path = [str(REPOSITORY), str(REPOSITORY / "sim"), environment.get("PYTHONPATH", "")]
        environment.update(
            ROS_DOMAIN_ID=str(domain),
            ROS_AUTOMATIC_DISCOVERY_RANGE="LOCALHOST",
            PYTHONPATH=os.pathsep.join(filter(None, path)),
            OPENBLAS_NUM_THREADS="1",
            OMP_NUM_THREADS="1",
            RCUTILS_COLORIZED_OUTPUT="0",
        )
        with self.words.open("wb") as words:
            self.process = subprocess.Popen(
                [sys.executable, *command],
                stdin=subprocess.DEVNULL,
                stdout=words if sink is None else sink,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=directory,
            )

    @property
    def text(self) -> str:
        return self.words.read_text(errors="replace")

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self, timeout: float) -> int:
        return self.process.wait(timeout)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(5.0)
            except subprocess.TimeoutExpired:
                left = shared_memory.files_of(self.process.pid)
                self.process.kill()
                self.process.wait()
                shared_memory.clear(left)
                self.left |= left


def children_of(pid: int) -> list[int]:
    """Return the processes that a process started and that are alive."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(fields[1]) == pid and fields[0] != "Z":
                    found.append(int(entry.name))
    return found


def command_of(pid: int) -> str:
    """Return the command line of a process, empty when it has gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def is_alive(pid: int) -> bool:
    """Return whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Client:
    """A node of the test's own process: agent, operator and observer."""

    def __init__(self, domain: int, name: str, estop: bool) -> None:
        self.domain = domain
        self.context = Context()
        rclpy.init(context=self.context, domain_id=domain, args=[])
        self.node = Node(name, context=self.context, start_parameter_services=False)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.status: dict[str, str] = {}
        self.states: list[str] = []
        self.decisions: list[dict[str, str]] = []
        self.measured: list[float] = []
        self._recent: deque[list[float]] = deque(maxlen=100)
        self._made: dict[str, Any] = {}
        subscribe = self.node.create_subscription
        subscribe(DiagnosticArray, "/supervisor/status", self._hear_status, LATCHED)
        subscribe(DiagnosticArray, "/supervisor/decisions", self._hear_decision, QoSProfile(depth=100))
        subscribe(JointState, "/joint_states", self._hear_states, STREAM)
        self.estop_word = "run"
        self._closed = threading.Event()
        self._estop: threading.Thread | None = None
        if estop:
            publisher = self.node.create_publisher(String, "/supervisor/simulated_estop", STREAM)
            self._estop = threading.Thread(target=self._speak_for_the_estop, args=(publisher,), daemon=True)
            self._estop.start()

    def _speak_for_the_estop(self, publisher: Any) -> None:
        """Beside what the test does: while it starts a process or waits for one, silence would be a stop."""
        while not self._closed.wait(0.02):
            if word := self.estop_word:
                publisher.publish(String(data=word))

    def _hear_status(self, message: DiagnosticArray) -> None:
        status = message.status[0]
        self.status = {entry.key: entry.value for entry in status.values} | {"message": status.message}
        if not self.states or self.states[-1] != self.status["state"]:
            self.states.append(self.status["state"])

    def _hear_decision(self, message: DiagnosticArray) -> None:
        status = message.status[0]
        self.decisions.append({entry.key: entry.value for entry in status.values} | {"message": status.message})

    def _hear_states(self, message: JointState) -> None:
        place = dict(zip(message.name, message.position, strict=True))
        self.measured = [place[joint] for joint in JOINTS]
        self._recent.append(self.measured)

    @property
    def state(self) -> str:
        return self.status.get("state", "")

    def forget(self) -> None:
        """Forget what was heard: the next supervisor begins."""
        self.status, self.states, self.decisions = {}, [], []
        self.estop_word = "run"

    def publishers_of(self, topic: str) -> list[str]:
        """Return the names of the nodes that publish a topic."""
        return [info.node_name for info in self.node.get_publishers_info_by_topic(topic)]

    def services_of(self, node: str) -> set[str]:
        """Return the services that a node offers, once the node and any of them are discovered."""
        found: set[str] = set()

        def look() -> bool:
            with contextlib.suppress(NodeNameNonExistentError):
                found.update(name for name, _ in self.node.get_service_names_and_types_by_node(node, "/"))
            return f"/{node}/stop" in found

        self.wait_for(look, f"services of {node}")
        return found

    def codes(self) -> set[str]:
        return {decision["code"] for decision in self.decisions}

    def spin(self, seconds: float) -> None:
        ends = time.monotonic() + seconds
        while (left := ends - time.monotonic()) > 0:
            self.executor.spin_once(timeout_sec=left)

    def wait_for(self, condition: Callable[[], Any], what: str, timeout: float = 10.0) -> None:
        ends = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > ends:
                last = [decision["message"] for decision in self.decisions[-3:]]
                raise AssertionError(f"{what}: not within {timeout} s; status {self.status}, decisions {last}")
            self.executor.spin_once(timeout_sec=0.02)

    def wait_state(self, *states: str, timeout: float = 10.0) -> None:
        self.wait_for(lambda: self.state in states, f"state {' or '.join(states)}", timeout)

    def wait_end(self, process: Process, timeout: float = 60.0) -> int:
        """Wait until a process has ended, and go on speaking and listening meanwhile."""
        self.wait_for(lambda: process.process.poll() is not None, "the end of a process", timeout)
        return int(process.process.wait())

    def call(self, name: str, kind: Any = Trigger, request: Any = None, timeout: float = 5.0) -> Any:
        client = self._made.get(name)
        if client is None:
            client = self._made[name] = self.node.create_client(kind, name)
        # Discovery is the middleware's: one datagram of it that is lost is told again 3 s later, two 6 s.
        self.wait_for(client.service_is_ready, f"service {name}", max(timeout, 20.0))
        future = client.call_async(request or kind.Request())
        self.wait_for(future.done, f"answer of {name}", timeout)
        return future.result()

    def publisher(self, kind: Any, topic: str, profile: Any = STREAM) -> Any:
        publisher = self._made.get(topic)
        if publisher is None:
            publisher = self._made[topic] = self.node.create_publisher(kind, topic, profile)
        return publisher

    def stream(self, positions: list[float], source: str = "planner", names: list[str] | None = None) -> None:
        message = JointState(name=names or JOINTS, position=positions)
        self.publisher(JointState, f"/supervisor/sources/{source}/joint_command").publish(message)

    def trajectory_publisher(self, source: str = "planner", lease: float = 0.5) -> Any:
        profile = QoSProfile(depth=10, liveliness=LivelinessPolicy.AUTOMATIC)
        profile.liveliness_lease_duration = rclpy.duration.Duration(seconds=lease)
        return self.publisher(JointTrajectory, f"/supervisor/sources/{source}/joint_trajectory", profile)

    def arm(self) -> None:
        """Bring the supervisor from LOCKED to AUTO as two acts of a person."""
        self.wait_state("LOCKED", timeout=60.0)
        reset = self.call("/supervisor/reset")
        if "E_ACT_STATE state is INIT" in reset.message:  # that LOCKED was the last word of the supervisor before
            self.spin(0.5)
            self.wait_state("LOCKED", timeout=60.0)
            reset = self.call("/supervisor/reset")
        assert reset.success, reset.message
        self.wait_state("READY")
        start = self.call("/supervisor/start")
        assert start.success, start.message
        self.wait_state("AUTO/HOLDING")

    def pose(self) -> list[float]:
        """Return where the resting robot is, without the noise of a single measurement."""
        self.wait_for(lambda: len(self._recent) > 0, "joint states")
        return [sum(column) / len(self._recent) for column in zip(*self._recent, strict=True)]

    def wait_rest(self, timeout: float = 6.0) -> list[float]:
        """Wait until the robot rests for half a second; return where."""
        ends = time.monotonic() + timeout
        self.spin(1.0)
        before, here = [math.inf], [0.0]
        while max(abs(a - b) for a, b in zip(here, before, strict=True)) > 0.002:
            assert time.monotonic() < ends, "the robot does not come to rest"
            before = self.pose()
            self.spin(0.5)
            here = self.pose()
        return here

    def play(self, travel: float = 1.0, seconds: float = 3.0) -> None:
        """Send a trajectory that turns joint 1, and wait until it moves.

        As a good agent does, it sends another one when a late cycle has ended the first (SR-054).
        """
        publisher = self.trajectory_publisher()
        self.wait_for(publisher.get_subscription_count, "the supervisor hears the trajectory's publisher")
        self.spin(0.3)  # liveliness follows the match
        goal = self.pose()[0] + travel
        for _ in range(3):
            start, told = self.pose(), len(self.decisions)
            publisher.publish(make_trajectory([(seconds, [goal, *start[1:]])]))

            def moves(begin: float = start[0]) -> bool:
                return abs(self.measured[0] - begin) > 0.05 * abs(travel)

            def stopped(first: int = told) -> bool:
                return any(one.get("code") == "E_OVERRUN" for one in list(self.decisions)[first:])

            self.wait_for(lambda: moves() or stopped(), "motion")
            if moves() and not stopped():
                return
        raise AssertionError("stopped by late cycles again and again")

    def close(self) -> None:
        if self._closed.is_set():
            return
        self._closed.set()
        if self._estop:
            self._estop.join()
        self.executor.shutdown()
        self.node.destroy_node()
        rclpy.try_shutdown(context=self.context)


def make_trajectory(points: list[tuple[float, list[float]]], names: list[str] | None = None) -> JointTrajectory:
    """Build a trajectory of positions; time from start in [s]."""
    message = JointTrajectory(joint_names=names or JOINTS)
    for seconds, positions in points:
        rest = [0.0] * len(positions)
        point = JointTrajectoryPoint(positions=positions, velocities=rest, accelerations=rest)
        point.time_from_start.sec, point.time_from_start.nanosec = int(seconds), round(seconds % 1 * 1e9)
        message.points.append(point)
    return message


class Rig:
    """Everything that a test started."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.domain = next_domain()
        self.report_file = directory / "report.json"
        self.last_directory = directory / "log"
        self._processes: list[Process] = []
        self._clients: list[Client] = []

    def fresh_directory(self) -> Path:
        """Return a log directory in which nothing is latched."""
        self.last_directory = self.directory / f"log.{time.monotonic_ns()}"
        return self.last_directory

    def start(self, module: str, *parameters: str, name: str, sink: int | None = None) -> Process:
        """Start a node with ROS parameters; `sink` is where its words go instead of a file."""
        if module == "safety_supervisor.ros.main" and not any(one.startswith("officers_file:=") for one in parameters):
            # None there: a simulation is started unsigned on a robot's machine, too.
            parameters = (*parameters, f"officers_file:={self.directory / 'officers.json'}")
        given = [part for value in parameters for part in ("-p", value)]
        return self._start(["-m", module, "--ros-args", *given], name, sink)

    def script(self, name: str, *arguments: str) -> Process:
        """Start a program that stands beside the tests."""
        return self._start([str(Path(__file__).with_name(name)), *arguments], name)

    def command(self, *words: str) -> Process:
        """Start a command of the command line."""
        return self._start(["-m", "safety_supervisor.cli", *words], words[0])

    def example(self, name: str, *arguments: str) -> Process:
        """Start a program that is shown to users."""
        return self._start([str(REPOSITORY / "examples" / name), *arguments], name)

    def _start(self, command: list[str], name: str, sink: int | None = None) -> Process:
        process = Process(command, self.domain, self.directory, name, sink)
        self._processes.append(process)
        return process

    def supervisor(self, *parameters: str, **changes: Any) -> Process:
        path = write_configuration(self.directory, **changes)
        return self.start("safety_supervisor.ros.main", f"config_file:={path}", *parameters, name="supervisor")

    def cell(self, controller: str = "joint_trajectory_controller", *parameters: str) -> Process:
        return self.start(
            "safety_supervisor_sim.cell.main",
            f"cell_file:={REPOSITORY / 'sim' / 'cells' / 'panda.yaml'}",
            f"controller:={controller}",
            f"report_file:={self.report_file}",
            *parameters,
            name="cell",
        )

    def client(self, name: str = "client") -> Client:
        """Join the graph with a node of this process; only one of them speaks for the e-stop."""
        client = Client(self.domain, name, estop=not self._clients)
        self._clients.append(client)
        return client

    def kill(self, process: Process) -> None:
        """SIGKILL a process, and clear away what it leaves in shared memory."""
        left = shared_memory.files_of(process.process.pid)
        process.send(signal.SIGKILL)
        process.process.wait()
        shared_memory.clear(left)
        process.left |= left

    def report(self, client: Client) -> dict[str, Any]:
        """Return the oracle's report as it is now."""
        report: dict[str, Any] = json.loads(client.call("/sim_cell/write_report").message)
        return report

    def close(self) -> None:
        used = shared_memory.files_of(os.getpid())
        for process in self._processes:
            used |= process.left | shared_memory.files_of(process.process.pid)
        for client in self._clients:
            client.close()
        for process in reversed(self._processes):
            process.end()
        shared_memory.clear(used)
        self._processes.clear()


@contextlib.contextmanager
def running_rig(directory: Path) -> Iterator[Rig]:
    """Give a rig and clear it away, whatever happens."""
    rig = Rig(directory)
    try:
        yield rig
    finally:
        rig.close()
