"""Entry point of `sim_agent`: plays one scenario against a running supervisor and cell.

    sim_agent --ros-args -p scenario_file:=FILE -p config_file:=FILE [-p results_file:=FILE] [-p seconds:=40.0]
        [-p wait_at_end:=true] [-p technician_key:=FILE]

Progress goes to the standard output, one JSON object a line; what was sent and heard goes to the results file, for
the judge. Exit status: 0 all acts were played, 1 the supervisor or the cell was not there, 2 wrong parameters. It does
not say that the acts went well: the oracle's report and `demo/judge.py` do.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any, Final

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from safety_supervisor import load_config
from safety_supervisor.core.settings import CommandKind, Configuration
from safety_supervisor_sim.agent.acts import Players
from safety_supervisor_sim.agent.cast import Cast
from safety_supervisor_sim.agent.child import Child
from safety_supervisor_sim.agent.estop import Estop
from safety_supervisor_sim.agent.fit import check, names_of, sources_of
from safety_supervisor_sim.agent.motions import NANO
from safety_supervisor_sim.agent.programme import play, take_places
from safety_supervisor_sim.agent.ros_stage import RosStage
from safety_supervisor_sim.agent.stage import StageError
from safety_supervisor_sim.agent.technician import Technician
from safety_supervisor_sim.scenario import Approval, Scenario, load_scenario

SPEAKER: Final = "safety_supervisor_sim.agent.speaker"


def hire(scenario: Scenario, configuration: Configuration, supervisor: str) -> Cast:
    """Start the e-stop device and the agents' mouths."""
    return Cast(
        mouths={source: _mouth(configuration, supervisor, source) for source in sources_of(scenario)},
        rogues={},
        estop=Estop(configuration, configuration.path, supervisor),
    )


def _mouth(configuration: Configuration, supervisor: str, name: str) -> Child:
    source = configuration.source(name)
    topics = {"stream": f"{supervisor}/sources/{name}/joint_command"}
    if CommandKind.TRAJECTORY in source.commands:
        topics["trajectory"] = f"{supervisor}/sources/{name}/joint_trajectory"
    return Child(
        SPEAKER,
        {
            "node": f"agent_{name}",
            "names": names_of(configuration, name),
            "lease": None if source.liveliness_lease is None else source.liveliness_lease / NANO,
            **topics,
        },
    )


def hire_rogues(scenario: Scenario, configuration: Configuration, supervisor: str, cast: Cast) -> None:
    """Start the processes that will speak where they must not; until they are told to, nobody sees them."""
    kinds = {act.act for act in scenario.acts}
    if "second_publisher" in kinds:
        names = names_of(configuration, scenario.source)
        topic = f"{supervisor}/sources/{scenario.source}/joint_command"
        cast.rogues["stream"] = Child(SPEAKER, {"node": "rogue_source", "names": names, "stream": topic})
    if "motor_topic" in kinds:
        output = configuration.outputs[0]
        motor = {"names": list(configuration.robot.joints), "motor": output.topic, "type": output.type.value}
        cast.rogues["motor"] = Child(SPEAKER, {"node": "rogue_motor", **motor})


def make_executor() -> Any:
    """Return the EventsExecutor where rclpy has one, half the cost of the other one."""
    try:
        from rclpy.experimental import EventsExecutor
    except ImportError:
        from rclpy.executors import SingleThreadedExecutor

        return SingleThreadedExecutor()
    return EventsExecutor()


def say(line: dict[str, Any]) -> None:
    """Tell the parent about progress; nobody needs to listen."""
    try:
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        pass


def _spin(executor: Any, closed: threading.Event) -> None:
    while not closed.is_set():
        try:
            executor.spin_once(timeout_sec=0.1)
        except ExternalShutdownException:
            return


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main(args: list[str] | None = None) -> int:
    """Play the scenario; see the module for the exit status."""
    signal.signal(signal.SIGTERM, _interrupt)
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    node = Node("agent_stage", start_parameter_services=False)
    read: dict[str, Any] = {
        name: node.declare_parameter(name, default).value
        for name, default in {
            "scenario_file": "",
            "config_file": "",
            "results_file": "",
            "technician_key": "",
            "seconds": 0.0,
            "wait_at_end": False,
            "supervisor": "/supervisor",
            "cell": "/sim_cell",
        }.items()
    }
    try:
        return _run(node, read)
    except KeyboardInterrupt:
        return 130
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


def _run(node: Node, read: dict[str, Any]) -> int:
    try:
        scenario, _ = load_scenario(Path(read["scenario_file"])).for_engine("ros")
        configuration = load_config(read["config_file"])
        problems = check(scenario, configuration)
    except (ValueError, OSError) as error:
        problems = [str(error)]
    if problems:
        print(*problems, sep="\n", file=sys.stderr)
        return 2
    if read["seconds"]:
        scenario, _ = scenario.within(read["seconds"])
    key = Path(read["technician_key"]) if read["technician_key"] else None
    if key is None or not any(zone.approval for zone in configuration.zones):
        left_out = scenario
        scenario = scenario.without(Approval)
        if scenario != left_out:
            print("agent: nobody to ask for a restricted zone: acts `approval` are left out", file=sys.stderr)
    acts = scenario.expanded()
    cast = hire(scenario, configuration, read["supervisor"])
    stage = RosStage(node, configuration, read["supervisor"], read["cell"], say)
    if key is not None:
        cast.technician = Technician(node, stage, read["supervisor"], key)
    executor = make_executor()
    executor.add_node(node)
    closed = threading.Event()
    spinner = threading.Thread(target=_spin, args=(executor, closed))
    spinner.start()
    try:
        players = Players(stage, cast, scenario)
        take_places(stage, cast)
        hire_rogues(scenario, configuration, read["supervisor"], cast)
        results = play(stage, cast, players, acts)
        if read["results_file"]:
            _write(Path(read["results_file"]), {"scenario": scenario.name, "acts": results})
        say({"done": True})
        if read["wait_at_end"]:
            # Were the e-stop device gone before the supervisor, the run would end with an e-stop that nobody pressed.
            threading.Event().wait()
        return 0
    except (StageError, RuntimeError) as error:
        say({"failed": str(error)})
        print(f"agent: {error}", file=sys.stderr)
        return 1
    finally:
        for child in cast.everyone():
            child.close()
        closed.set()
        spinner.join()
        executor.shutdown()


def _write(path: Path, value: dict[str, Any]) -> None:
    part = path.with_name(f".{path.name}.part")
    part.write_text(json.dumps(value), encoding="utf-8")
    os.replace(part, path)


if __name__ == "__main__":
    sys.exit(main())
