"""Entry point of the node `sim_cell`: parameters, signals, the loop."""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any, get_args

import pydantic
import rclpy
import yaml
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from safety_supervisor_sim.cell.cell_file import CellFile, ControllerName
from safety_supervisor_sim.cell.files import load_any
from safety_supervisor_sim.cell.node import CellNode, Wanted
from safety_supervisor_sim.cell.panda_node import PandaNode
from safety_supervisor_sim.cell.standing_file import StandingFile
from safety_supervisor_sim.cell.standing_node import StandingNode

BAD_CONFIGURATION = 2
NICENESS = -10
LONGEST_PUSH = 10.0


def make_executor() -> Any:
    """EventsExecutor where rclpy has one (Jazzy and later), else the single-threaded one."""
    try:
        from rclpy.experimental import EventsExecutor
    except ImportError:
        return SingleThreadedExecutor()
    return EventsExecutor()


def make_cell_node(node: Node, motors: Node) -> CellNode:
    """Read the parameters and build the cell, of the kind that its file is of.

    Raises:
        ValueError, OSError, yaml.YAMLError: what is wrong with a parameter or the cell file.
    """
    defaults: dict[str, Any] = {
        "cell_file": "",
        "controller": "joint_trajectory_controller",
        "seed": 0,
        "report_file": "",
        "trace_file": "",
        "command_period": 0.0,
        "physics_rate_hz": 0.0,
        "relays_topic": "",
        "push_seconds": 0.2,
    }
    read = {name: node.declare_parameter(name, value).value for name, value in defaults.items()}
    home = node.declare_parameter("home", rclpy.Parameter.Type.DOUBLE_ARRAY).value
    if not read["cell_file"]:
        raise ValueError("parameter cell_file is missing")
    if read["controller"] not in get_args(ControllerName):
        known = ", ".join(get_args(ControllerName))
        raise ValueError(f"parameter controller: {read['controller']!r} is none of {known}")
    file = load_any(Path(read["cell_file"]))
    if read["command_period"] > 0.0:
        oracle = file.oracle.model_copy(update={"command_period": read["command_period"]})
        file = file.model_copy(update={"oracle": oracle})
    wanted = Wanted(
        seed=read["seed"],
        report_file=Path(read["report_file"]) if read["report_file"] else None,
        trace_file=Path(read["trace_file"]) if read["trace_file"] else None,
        relays_topic=read["relays_topic"],
    )
    if isinstance(file, CellFile):
        if read["physics_rate_hz"] > 0.0:
            physics = file.physics.model_copy(update={"rate_hz": read["physics_rate_hz"]})
            file = file.model_copy(update={"physics": physics})
        return PandaNode(node, motors, file, read["controller"], None if home is None else list(home), wanted)
    return make_standing_node(node, motors, file, read, home is not None, wanted)


def make_standing_node(
    node: Node, motors: Node, file: StandingFile, read: dict[str, Any], moved: bool, wanted: Wanted
) -> StandingNode:
    """Build the node of a robot that stands.

    Raises:
        ValueError: a parameter asks for what only another kind of cell has.
    """
    if read["controller"] != "joint_trajectory_controller":
        raise ValueError("parameter controller: a robot that stands has a joint_trajectory_controller alone")
    if moved:
        raise ValueError("parameter home: a robot that stands begins as its file says")
    if not 0.0 < read["push_seconds"] <= LONGEST_PUSH:
        raise ValueError(f"parameter push_seconds: above 0 to {LONGEST_PUSH:g} s")
    if read["physics_rate_hz"] > 0.0:
        file = file.model_copy(update={"rate_hz": read["physics_rate_hz"]})
    return StandingNode(node, motors, file, read["push_seconds"], wanted)


def prefer(niceness: int) -> bool:
    """Ask for a better share of the processor: a real drive is never starved by its neighbours.

    Returns:
        False when the system does not permit it; the simulation then runs as any process.
    """
    try:
        os.setpriority(os.PRIO_PROCESS, 0, niceness)
    except OSError:
        return False
    return True


class Stop:
    """Set by SIGINT and SIGTERM."""

    def __init__(self) -> None:
        self.asked = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._ask)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked = True


def run(cell_node: CellNode, executor: Any, stop: Stop) -> None:
    """Step in real time until asked to stop; the node takes messages between steps."""
    cell, late = cell_node.cell, cell_node.late
    cell.skip(time.monotonic_ns() - cell.now_ns)
    # A collection of a warm heap takes longer than a step.
    gc.collect()
    gc.freeze()
    while not stop.asked:
        wait = cell.now_ns - time.monotonic_ns()
        if wait > 0:
            executor.spin_once(timeout_sec=wait * 1e-9)
            continue
        cell.skip(late.note(-wait))
        cell_node.step()
        if cell.now_ns <= time.monotonic_ns():
            executor.spin_once(timeout_sec=0.0)  # behind: services are served all the same


def main(args: list[str] | None = None) -> int:
    """Run the node; returns 0, or 2 when parameters or cell file are wrong."""
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    stop = Stop()
    node = Node("sim_cell")
    motors = Node("sim_cell_motors", start_parameter_services=False)
    try:
        try:
            cell_node = make_cell_node(node, motors)
        except (ValueError, OSError, yaml.YAMLError, pydantic.ValidationError) as error:
            node.get_logger().fatal(str(error))
            return BAD_CONFIGURATION
        if not prefer(NICENESS):
            node.get_logger().info("no permission for a higher priority: lateness is counted")
        executor = make_executor()
        executor.add_node(node)
        try:
            run(cell_node, executor, stop)
        except ExternalShutdownException:
            pass
        finally:
            cell_node.finish()
            executor.shutdown()
        return 0
    finally:
        motors.destroy_node()
        node.destroy_node()
        rclpy.try_shutdown()


if __name__ == "__main__":
    sys.exit(main())
