"""The command line, `safety-supervisor`. Exit status: 0 good, 1 the check failed, 2 wrong use or configuration.

Commands are imported when they are called, so that `--help` answers at once and a command that can not be imported
spoils no other one.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from safety_supervisor.check_config import Officers, check_config, print_problems
from safety_supervisor.interpreter import module_command

PLUGINS = "safety_supervisor.commands"
INSTALL_SIMULATION = 'pip install "safety_supervisor[sim]"'

HELP = """A supervisor between an agent that cannot be trusted to be right and a robot's motors.

It is a non-safety-rated layer in front of the robot's rated functions, never instead of them.
"""
# \b: the help keeps the lines of the paragraph that follows.
EXAMPLES = """\b
Examples:
  safety-supervisor demo --seconds 40
  safety-supervisor check-config config/panda.yaml
  safety-supervisor run --config config/panda.yaml
  safety-supervisor geometry propose robot.urdf --out geometry.yaml --picture robot.png
  safety-supervisor policy test config/policies/cell_examples.yaml
  safety-supervisor log replay FILE
  safety-supervisor explain --log FILE --out why.png

Exit status: 0 good, 1 the check failed, 2 wrong use or configuration.
"""

# Commands of other rooms: what the help says, and where they are.
ROOMS = {
    "config": ("A safety officer's signature of a configuration.", "safety_supervisor.acts.config_cli:app"),
    "geometry": ("Propose and check the volumes that wrap the robot's links.", "safety_supervisor.geometry.cli:app"),
    "estop": ("The e-stop device: emulate, watch and test it.", "safety_supervisor.estop.tools.cli:app"),
    "policy": ("The policy: try its examples, list the facts.", "safety_supervisor.policy.cli:app"),
    "anomaly": ("The watch of behaviour: make a baseline.", "safety_supervisor.anomaly.cli:app"),
    "log": ("Show, replay, verify and export what was recorded.", "safety_supervisor.export.cli:app"),
    "explain": ("A picture of why a command was refused.", "safety_supervisor.explain.cli:explain"),
    "agent": (
        "For whoever runs an agent: its key, and what it says of its tool.",
        "safety_supervisor.acts.agent_cli:app",
    ),
    "operator": (
        "For people at the robot: reset, start and other acts, signed.",
        "safety_supervisor.acts.operator_cli:app",
    ),
    "panel": ("The technicians' web panel: state, STOP, acts; their keys.", "safety_supervisor.panel.cli:app"),
    "commission": (
        "Measure the robot's stops against the model, and sign the record.",
        "safety_supervisor.commission.cli:commission",
    ),
    "metrics": ("Numbers for Prometheus, traces for OpenTelemetry.", "safety_supervisor.metrics.cli:app"),
    "latch": ("Show and clear the latches that survive a restart.", "safety_supervisor.evidence.cli:latch_app"),
}
SIMULATION = {
    "demo": "Simulated robot, misbehaving agent, supervisor.",
    "sim": "Scenarios in simulation.",
}


def fail(message: str, status: int = 2) -> NoReturn:
    """End with a message for people, on stderr."""
    typer.echo(message, err=True)
    raise typer.Exit(status)


def run(
    context: typer.Context,
    config: Annotated[Path, typer.Option("--config", help="Configuration of one robot, YAML.", show_default=False)],
    officers: Officers = None,
) -> None:
    """Start the ROS 2 node.

    The same as `ros2 run safety_supervisor supervisor --ros-args -p config_file:=FILE`.

    The configuration is checked first: with problems nothing is started and the exit status is 2. Further arguments go
    to ROS.

    Example: safety-supervisor run --config config/panda.yaml -- --ros-args -r __ns:=/cell1
    """
    from safety_supervisor.config import ConfigurationError, load_config

    try:
        configuration = load_config(config)
    except ConfigurationError as error:
        print_problems(error)
        raise typer.Exit(2) from None
    if find_spec("rclpy") is None:
        fail('rclpy is not installed: source a ROS 2, or pip install "safety_supervisor[ros]"')
    paths = {"config_file": configuration.path}
    if officers is not None:
        paths["officers_file"] = str(officers.absolute())
    # rcl reads a parameter's value as YAML; JSON's quotes keep any path one text, but YAML knows no surrogates.
    given = [part for name, path in paths.items() for part in ("-p", f"{name}:={json.dumps(path, ensure_ascii=False)}")]
    command = module_command("safety_supervisor.ros.main", *context.args, "--ros-args", *given)
    # The same process id, so that signals reach the node itself.
    os.execv(command[0], command)


def _load(target: str) -> Any:
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)


def _mount(app: typer.Typer, name: str, load: Callable[[], Any], cure: str) -> None:
    """Add a command of another room; one that can not be imported is named with its reason."""
    try:
        loaded = load()
    except Exception as error:  # a plug-in may fail in any way
        first = str(error).partition("\n")[0]
        reason = f"{name} is not usable here: {type(error).__name__}: {first}\n{cure}".rstrip()

        @app.command(name, context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
        def unusable() -> None:
            fail(reason)

        return
    if isinstance(loaded, typer.Typer):
        app.add_typer(loaded, name=name)
    else:
        app.command(name)(loaded)


def _announce(app: typer.Typer, name: str, text: str) -> None:
    """Show a command in the help without importing it."""

    @app.command(name, help=text)
    def announced() -> None:
        raise AssertionError("the command that is called is always mounted")


def build(called: str) -> typer.Typer:
    """Return the application with the called command imported and every other one announced.

    Args:
        called: the first word of the command line; empty for none.
    """
    plugins = {point.name: point for point in entry_points(group=PLUGINS)}
    absent = [name for name in SIMULATION if name not in plugins or find_spec("pybullet") is None]
    app = typer.Typer(
        name="safety-supervisor",
        help=HELP,
        epilog=EXAMPLES + (f"\n\nFor {' and '.join(absent)}: {INSTALL_SIMULATION}" if absent else ""),
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,  # rich's help costs another 0.3 s
        pretty_exceptions_enable=False,
    )
    app.command("check-config")(check_config)
    app.command("run", context_settings={"ignore_unknown_options": True, "allow_extra_args": True})(run)
    for name, (text, target) in ROOMS.items():
        if name == called:
            _mount(app, name, lambda target=target: _load(target), "")  # type: ignore[misc]
        else:
            _announce(app, name, text)
    for name in sorted({*SIMULATION, *plugins}):
        cure = f"Install the simulation: {INSTALL_SIMULATION}" if name in SIMULATION else ""
        if name == called and name in plugins:
            _mount(app, name, plugins[name].load, cure)
        elif name == called:
            _mount(app, name, lambda: _load("safety_supervisor_sim:"), cure)
        elif name in absent:
            _announce(app, name, f"Not installed, see below. {SIMULATION[name]}")
        else:
            _announce(app, name, SIMULATION.get(name, f"From {plugins[name].value.partition(':')[0]}."))
    return app


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    called = next((word for word in words if not word.startswith("-")), "")
    build(called)(args=words, prog_name="safety-supervisor")


if __name__ == "__main__":
    main()
