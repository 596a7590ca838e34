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
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

if TYPE_CHECKING:
    from safety_supervisor.config import ConfigurationError, ConfigurationProblem
    from safety_supervisor.core.settings import Configuration

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
  safety-supervisor log replay FILE
  safety-supervisor explain --log FILE --out why.png

Exit status: 0 good, 1 the check failed, 2 wrong use or configuration.
"""

# Commands of other rooms: what the help says, and where they are.
ROOMS = {
    "geometry": ("Propose and check the volumes that wrap the robot's links.", "safety_supervisor.geometry.cli:app"),
    "estop": ("The e-stop device: emulate, watch and test it.", "safety_supervisor.estop.tools.cli:app"),
    "log": ("Show and replay recorded events.", "safety_supervisor.evidence.cli:app"),
    "explain": ("A picture of why a command was refused.", "safety_supervisor.explain.cli:explain"),
    "latch": ("Show and clear the latches that survive a restart.", "safety_supervisor.evidence.cli:latch_app"),
}
SIMULATION = {
    "demo": "Simulated robot, misbehaving agent, supervisor.",
    "sim": "Scenarios in simulation.",
}

ConfigFile = Annotated[
    Path, typer.Argument(metavar="FILE", help="Configuration of one robot, YAML.", show_default=False)
]


def fail(message: str, status: int = 2) -> NoReturn:
    """End with a message for people, on stderr."""
    typer.echo(message, err=True)
    raise typer.Exit(status)


def check_config(
    file: ConfigFile,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for programs.")] = False,
    without_meshes: Annotated[
        bool, typer.Option("--without-meshes", help="Do not measure the URDF's meshes, which are not on this machine.")
    ] = False,
) -> None:
    """Check a robot's configuration without the robot.

    Prints every problem at once with its line, path, code and cure, and exits with 2; or what the supervisor will hold
    the robot to, and exits with 0.

    The meshes of every link are measured against its volumes: what sticks out, or can not be read, is a problem. The
    node itself needs no meshes; where there are none, --without-meshes says so on purpose.

    \b
    Example:
      safety-supervisor check-config config/panda.yaml
    """
    from safety_supervisor.config import ConfigurationError, load_config

    configuration: Configuration | None = None
    errors: tuple[ConfigurationProblem, ...] = ()
    try:
        configuration = load_config(file)
    except ConfigurationError as error:
        errors = error.errors
    meshes, found = _measure(file, configuration, without_meshes)
    if configuration is None or found:
        refused = ConfigurationError(file.expanduser().absolute(), (*errors, *found))
        if as_json:
            answer = {"ok": False, "file": refused.path, "problems": _problems(refused), "meshes": meshes}
            typer.echo(json.dumps(answer, indent=2))
        else:
            _print_problems(refused)
            if meshes["not_measured"]:
                typer.secho(f"meshes not measured: {meshes['not_measured']}", err=True, fg="yellow")
        raise typer.Exit(2)
    if as_json:
        summary = {"ok": True, "file": configuration.path, "problems": [], **summarise(configuration)}
        typer.echo(json.dumps({**summary, "meshes": meshes}, indent=2))
    else:
        _print_summary(configuration, meshes)


def _measure(
    file: Path, configuration: Configuration | None, without: bool
) -> tuple[dict[str, Any], tuple[ConfigurationProblem, ...]]:
    """Measure meshes against volumes; return what programs may read of it, and the problems."""
    from safety_supervisor.config import ConfigurationCode
    from safety_supervisor.config.link_volumes import sound_volumes
    from safety_supervisor.config.problems import Problems
    from safety_supervisor.geometry.meshes import judge_meshes, measure_meshes, summarise_meshes
    from safety_supervisor.geometry.progress import shown_progress

    if without:
        return {"not_measured": "--without-meshes; nothing proves here that the volumes hold the links"}, ()
    sound = sound_volumes(file)
    answer: dict[str, Any] = {"not_measured": "the URDF or `geometry.volumes` is not usable"}
    problems = Problems(sound.lines if sound else None)
    if sound is not None:
        with shown_progress() as progress:
            report = measure_meshes(sound.volumes, sound.urdf, sound.directory, progress)
        judge_meshes(report, problems)
        answer = {"not_measured": "", **summarise_meshes(report)}
    # A file that changes between two reads must not pass with a link that nobody measured.
    for link in configuration.geometry.volumes if configuration else ():
        if sound is None or link not in sound.volumes:
            problems.add(f"geometry.volumes.{link}", ConfigurationCode.MESH_FILE, "was not measured", "Check it again.")
    return answer, tuple(problems.found)


def _problems(error: ConfigurationError) -> list[dict[str, Any]]:
    return [
        {"path": one.path, "line": one.line, "code": one.code.value, "message": one.message, "cure": one.cure}
        for one in error.errors
    ]


def _print_problems(error: ConfigurationError) -> None:
    count = len(error.errors)
    head = f"{error.path}: {count} problem{'s' if count != 1 else ''}, not usable"
    typer.secho(head, err=True, fg="red", bold=True)
    for one in error.errors:
        line = str(one.line) if one.line else "-"
        typer.secho(f"{line:>5}  {one.path or 'file'}: {one.message}", err=True)
        typer.secho(f"       {one.cure}  [{one.code.value}]", err=True, dim=True)


def summarise(configuration: Configuration) -> dict[str, Any]:
    """Return what a person should know of a configuration before it is used, as plain values."""
    output, limits = configuration.output, configuration.envelope.joints
    return {
        "robot": configuration.robot.id,
        "sha256": configuration.sha256,
        "joints": {
            name: {
                "lower": float(limits.lower[i]),
                "upper": float(limits.upper[i]),
                "velocity": float(limits.velocity[i]),
                "acceleration": float(limits.acceleration[i]),
                "jerk": float(limits.jerk[i]),
            }
            for i, name in enumerate(configuration.robot.joints)
        },
        "frame_speed": configuration.envelope.frame_speed,
        "volumes": {link: len(shapes) for link, shapes in configuration.geometry.volumes.items()},
        "left_out": sorted(" and ".join(sorted(pair)) for pair in configuration.geometry.left_out),
        "zones": {zone.name: zone.kind.value for zone in configuration.zones},
        "sources": {
            source.name: {
                "kind": source.kind.value,
                "priority": source.priority,
                "groups": list(source.groups),
                "commands": sorted(kind.value for kind in source.commands),
                "period": source.period / 1e9,
            }
            for source in configuration.sources
        },
        "period": configuration.timing.period / 1e9,
        "output": {"type": output.type.value, "topic": output.topic, "simulated": output.simulated},
        "on_loss": describe_loss(configuration),
        "notes": notes(configuration),
    }


def describe_loss(configuration: Configuration) -> str:
    """Say in a sentence what the robot does when the supervisor dies."""
    output = configuration.output
    after = f"after {output.deadman / 1e6:g} ms of silence the receiver" if output.deadman else "the receiver"
    act = {"brake": "brakes", "hold": "holds its position", "coast": "lets the robot coast"}[output.on_loss.value]
    if output.type.value == "joint_trajectory_horizon":
        return "the controller runs the kept stop, which it has already, then holds its position"
    return f"{after} {act}"


def notes(configuration: Configuration) -> list[str]:
    """Return what is allowed but should be known."""
    found = []
    if configuration.output.simulated:
        found.append("output.simulated is true: not for a robot with motors")
    else:
        found.append("this version has no signed tokens yet: a real robot can not be reset or started from ROS")
    if not configuration.estop.required:
        found.append("there is no e-stop device: a rogue publisher can be reported, not stopped by relays")
    found += _notes_on_line(configuration)
    if configuration.envelope.frame_speed is None:
        found.append("envelope.frame_speed is null: link frames are as fast as the joints make them")
    if not configuration.geometry.volumes:
        found.append("geometry.volumes is empty: links are points, and nothing keeps them from each other")
    if not configuration.zones:
        found.append("zones is empty: the workspace is as large as the joints allow")
    if not configuration.evidence.record_events:
        found.append("evidence.record_events is false: incidents can not be replayed")
    for source in configuration.sources:
        if source.liveliness_lease is None and "trajectory" in {kind.value for kind in source.commands}:
            found.append(f"sources.{source.name}: its trajectories play on after it has died")
    return found


def _notes_on_line(configuration: Configuration) -> list[str]:
    from safety_supervisor.core.motion.stopping import longest_stop

    estop, found = configuration.estop, list[str]()
    line, slowest = estop.line, longest_stop(configuration.envelope.joints)
    if line is None:
        return found
    if estop.integrity == "low":
        found.append(
            f"estop.driver {estop.driver} is of low integrity: it stops, but its release needs a person's reset"
        )
    if line.relay_effect != "none" and line.relay_delay / 1e9 < slowest:
        delay = line.relay_delay / 1e9
        found.append(f"estop.relay_delay {delay:g} s is shorter than the longest stop, {slowest:.3g} s: brakes end it")
    if line.port.startswith(("/dev/ttyUSB", "/dev/ttyACM")):
        found.append(f"estop.port {line.port} may be another device after a restart: name it by /dev/serial/by-id/")
    return found


def _print_summary(configuration: Configuration, meshes: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, markup=False)
    summary = summarise(configuration)
    console.print(f"{configuration.path}: good", style="bold green")
    console.print(
        f"robot {summary['robot']}, control period {summary['period'] * 1e3:g} ms, sha256 {summary['sha256']}"
    )
    joints = Table("joint", "lower", "upper", "velocity", "acceleration", "jerk", show_edge=False, pad_edge=False)
    for column in joints.columns[1:]:
        column.justify = "right"
    for name, limits in summary["joints"].items():
        joints.add_row(name, *(f"{value:g}" for value in limits.values()))
    console.print(joints)
    sources = Table("source", "kind", "priority", "groups", "commands", "period", show_edge=False, pad_edge=False)
    for name, source in summary["sources"].items():
        lists = (", ".join(source["groups"]), ", ".join(source["commands"]))
        sources.add_row(name, source["kind"], str(source["priority"]), *lists, f"{source['period']:g} s")
    console.print(sources)
    shapes, left_out = summary["volumes"], ", ".join(summary["left_out"]) or "nothing"
    console.print(
        f"volumes: {sum(shapes.values())} shapes of {len(shapes)} links, left out: {left_out}", soft_wrap=True
    )
    if not meshes["not_measured"]:
        bare = ", ".join(meshes["without_geometry"])
        more = f"; without geometry in the URDF: {bare}" if bare else ""
        console.print(f"meshes: of {len(meshes['links'])} links inside their volumes{more}", soft_wrap=True)
    zones = ", ".join(f"{name} ({kind})" for name, kind in summary["zones"].items()) or "none"
    console.print(f"zones: {zones}", soft_wrap=True)
    output = summary["output"]
    console.print(f"output: {output['type']} on {output['topic']}", soft_wrap=True)
    console.print(f"when the supervisor dies: {summary['on_loss']}", soft_wrap=True)
    waived = [f"meshes not measured: {meshes['not_measured']}"] if meshes["not_measured"] else []
    for note in waived + summary["notes"]:
        console.print(f"note: {note}", soft_wrap=True, style="yellow")


def run(
    context: typer.Context,
    config: Annotated[Path, typer.Option("--config", help="Configuration of one robot, YAML.", show_default=False)],
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
        _print_problems(error)
        raise typer.Exit(2) from None
    if find_spec("rclpy") is None:
        fail('rclpy is not installed: source a ROS 2, or pip install "safety_supervisor[ros]"')
    # rcl reads a parameter's value as YAML; JSON's quotes keep any path one text.
    parameter = f"config_file:={json.dumps(configuration.path)}"
    arguments = ["-m", "safety_supervisor.ros.main", *context.args, "--ros-args", "-p", parameter]
    # The same process id, so that signals reach the node itself.
    os.execv(sys.executable, [sys.executable, *arguments])


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
