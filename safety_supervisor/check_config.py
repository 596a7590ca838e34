"""`check-config`: every problem of a configuration, or what the supervisor will hold the robot to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from xml.etree import ElementTree

import typer

if TYPE_CHECKING:
    from safety_supervisor.config import ConfigurationError, ConfigurationProblem
    from safety_supervisor.core.output_settings import OutputSettings
    from safety_supervisor.core.settings import Configuration

ConfigFile = Annotated[
    Path, typer.Argument(metavar="FILE", help="Configuration of one robot, YAML.", show_default=False)
]
Officers = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Whose signatures of configurations count; /etc/safety_supervisor/officers.json where it is not given.",
        show_default=False,
    ),
]


def check_config(
    file: ConfigFile,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for programs.")] = False,
    without_meshes: Annotated[
        bool, typer.Option("--without-meshes", help="Do not measure the URDF's meshes, which are not on this machine.")
    ] = False,
    officers: Officers = None,
) -> None:
    """Check a robot's configuration without the robot.

    Prints every problem at once with its line, path, code and cure, and exits with 2; or what the supervisor will hold
    the robot to, and exits with 0.

    The meshes of every link are measured against its volumes: what sticks out, or can not be read, is a problem. The
    node itself needs no meshes; where there are none, --without-meshes says so on purpose.

    Whether a safety officer has signed it, as the node demands of a real robot's, is told; it is no problem here.

    \b
    Example:
      safety-supervisor check-config config/panda.yaml
    """
    from safety_supervisor.config import ConfigurationCode, ConfigurationError, load_config

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
            posed = configuration is not None or any(one.code is ConfigurationCode.POSE for one in errors)
            print_problems(refused, posed=posed)
            if meshes["not_measured"]:
                typer.secho(f"meshes not measured: {meshes['not_measured']}", err=True, fg="yellow")
        raise typer.Exit(2)
    if as_json:
        summary = {"ok": True, "file": configuration.path, "problems": [], **summarise(configuration)}
        typer.echo(json.dumps({**summary, "meshes": meshes, **_evidence(configuration, officers)}, indent=2))
    else:
        _print_summary(configuration, meshes)
        _print_signature(signature(configuration, officers))
        _print_commissioning(commissioning(configuration))


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


def print_problems(error: ConfigurationError, *, posed: bool = True) -> None:
    """Print every problem for people.

    Args:
        error: the problems.
        posed: whether poses were tried against zones and volumes, which needs a configuration without other problems.
    """
    count = len(error.errors)
    head = f"{error.path}: {count} problem{'s' if count != 1 else ''}, not usable"
    typer.secho(head, err=True, fg="red", bold=True)
    for one in error.errors:
        line = str(one.line) if one.line else "-"
        typer.secho(f"{line:>5}  {one.path or 'file'}: {one.message}", err=True)
        typer.secho(f"       {one.cure}  [{one.code.value}]", err=True, dim=True)
    if not posed:
        typer.secho("poses were not tried against zones and volumes: repair the above first", err=True, fg="yellow")


def summarise(configuration: Configuration) -> dict[str, Any]:
    """Return what a person should know of a configuration before it is used, as plain values."""
    from safety_supervisor.config.notes import notes

    limits, observed = configuration.envelope.joints, configuration.observed
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
        "points": points(configuration),
        "people": configuration.separation is not None,
        "tools": {name: tool.mass for name, tool in configuration.tools.items()},
        "estop": describe_estop(configuration),
        "ladder": describe_ladder(configuration),
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
        "policy": describe_policy(configuration),
        "models": {
            source.name: [
                f"{one.name} {one.version} ({'revoked' if one.revoked else one.stage.value})" for one in source.models
            ]
            for source in configuration.sources
            if source.needs_session
        },
        "operators": {person.name: person.role.value for person in configuration.operators.people},
        "outputs": {
            output.name or "output": {
                "type": output.type.value,
                "topic": output.topic,
                "simulated": output.simulated,
                "groups": list(output.groups),
                "on_loss": describe_loss(output),
            }
            for output in configuration.outputs
        },
        "observed": [] if observed is None else list(observed.groups),
        "notes": notes(configuration),
    }


def points(configuration: Configuration) -> list[str]:
    """Return the links that are points, kept inside and outside of zones and from nothing else, sorted."""
    links = {link.get("name", "") for link in ElementTree.fromstring(configuration.robot.urdf).iter("link")}
    return sorted(links - set(configuration.geometry.volumes))


def describe_estop(configuration: Configuration) -> str:
    """Name the e-stop device and its line."""
    estop = configuration.estop
    if estop.line is None:
        return estop.driver
    return f"{estop.driver} on {estop.line.port}, relays: {estop.line.relay_effect}"


def describe_policy(configuration: Configuration) -> str:
    """Say in a sentence what the policy can answer; empty where there is none."""
    from safety_supervisor.core.policy.server import PolicyServer

    policy = configuration.policy
    if policy is None:
        return ""
    denials = ", ".join(sorted(policy.denials)) or "nothing"
    said = f"over {', '.join(sorted(policy.used)) or 'no fact'}; denies with {denials}"
    kinds = ", ".join(f"{kind} of {one.people} for {one.seconds} s" for kind, one in sorted(policy.kinds.items()))
    said += f"; asks for approvals: {kinds}" if kinds else ""
    return f"asked of {policy.url}, {said}" if isinstance(policy, PolicyServer) else said


def describe_ladder(configuration: Configuration) -> str:
    """Say in a sentence how a robot that would fall is brought down; empty where nothing does it."""
    ladder = None if configuration.balance is None else configuration.balance.ladder
    if ladder is None:
        return ""
    count, way = len(ladder.postures), sum(one.duration for one in ladder.postures) / 1e9
    lower = f"lower {ladder.lower / 1e9:g} s"
    if count:
        lower += f" ({count} posture{'s' if count != 1 else ''}, {way:g} s, verified from robot.start)"
    else:
        lower = "no lower"
    return (
        f"hold {ladder.hold / 1e9:g} s, {lower}, damp {ladder.damp / 1e9:g} s: {ladder.duration / 1e9:g} s until its "
        "power may go"
    )


def signature(configuration: Configuration, officers: Path | None = None) -> dict[str, Any]:
    """Return who signed a configuration, and what the node finds wrong with that on this machine."""
    from safety_supervisor.config import ConfigurationError
    from safety_supervisor.tokens.configuration_signature import require_signature
    from safety_supervisor.tokens.officers import DEFAULT, needs_signature

    path = officers or DEFAULT
    problems: list[dict[str, Any]] = []
    try:
        configuration = require_signature(configuration, path)
    except ConfigurationError as error:
        problems = _problems(error)
    return {"needed": needs_signature(configuration, path), "by": configuration.signed_by, "problems": problems}


def _evidence(configuration: Configuration, officers: Path | None) -> dict[str, Any]:
    return {"signature": signature(configuration, officers), "commissioning": commissioning(configuration)}


def _print_signature(found: dict[str, Any]) -> None:
    if found["by"]:
        typer.echo(f"signed by: {found['by']}")
    for one in found["problems"]:
        typer.secho(f"the node will not start with it: {one['message']}", err=True, fg="yellow", bold=True)
        typer.secho(f"       {one['cure']}  [{one['code']}]", err=True, dim=True)


def commissioning(configuration: Configuration) -> dict[str, Any]:
    """Return whether a record of measured stops is demanded, and why the one that is named does not count."""
    import time

    from safety_supervisor.tokens.commissioning_record import judge_record

    settings = configuration.commissioning
    if settings is None:
        return {"required": False, "record": "", "problem": ""}
    problem = judge_record(configuration, time.time())
    return {"required": settings.required, "record": settings.record, "problem": problem}


def _print_commissioning(found: dict[str, Any]) -> None:
    if found["record"] and not found["problem"]:
        typer.echo(f"measured stops: {found['record']} counts")
    elif found["record"]:
        becomes = "the node will refuse every reset [E_COMMISSION]" if found["required"] else "not demanded"
        typer.secho(f"measured stops: {found['problem']}; {becomes}", err=True, fg="yellow", bold=True)


def describe_loss(output: OutputSettings) -> str:
    """Say in a sentence what an output's joints do when the supervisor dies."""
    after = f"after {output.deadman / 1e6:g} ms of silence the receiver" if output.deadman else "the receiver"
    act = {"brake": "brakes", "hold": "holds its position", "coast": "lets the robot coast"}[output.on_loss.value]
    if output.type.value == "joint_trajectory_horizon":
        return "the controller runs the kept stop, which it has already, then holds its position"
    return f"{after} {act}"


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
    if summary["points"]:
        told = ", ".join(summary["points"])
        console.print(f"points, kept by zones alone: {told}", soft_wrap=True)
    speed = summary["frame_speed"]
    console.print(f"every point of a link: {'as fast as its joints make it' if speed is None else f'{speed:g} m/s'}")
    console.print(f"people: {'watched' if summary['people'] else 'not watched'}")
    tools = ", ".join(f"{name} ({mass:g} kg)" for name, mass in summary["tools"].items()) or "none"
    console.print(f"tools: {tools}", soft_wrap=True)
    console.print(f"e-stop: {summary['estop']}", soft_wrap=True)
    console.print(f"policy: {summary['policy'] or 'none'}", soft_wrap=True)
    operators = ", ".join(f"{name} ({role})" for name, role in summary["operators"].items()) or "none, nobody has a key"
    console.print(f"operators: {operators}", soft_wrap=True)
    for name, models in summary["models"].items():
        console.print(f"{name} has to introduce itself as: {', '.join(models) or 'nobody can'}", soft_wrap=True)
    if summary["ladder"]:
        console.print(f"stop ladder: {summary['ladder']}", soft_wrap=True)
    zones = ", ".join(f"{name} ({kind})" for name, kind in summary["zones"].items()) or "none"
    console.print(f"zones: {zones}", soft_wrap=True)
    for name, output in summary["outputs"].items():
        what = "output" if len(summary["outputs"]) == 1 else f"output {name} ({', '.join(output['groups'])})"
        console.print(f"{what}: {output['type']} on {output['topic']}", soft_wrap=True)
        console.print(f"when the supervisor dies: {output['on_loss']}", soft_wrap=True)
    if summary["observed"]:
        told = ", ".join(summary["observed"])
        console.print(f"observed, commanded by another controller: {told}", soft_wrap=True)
    waived = [f"meshes not measured: {meshes['not_measured']}"] if meshes["not_measured"] else []
    for note in waived + summary["notes"]:
        console.print(f"note: {note}", soft_wrap=True, style="yellow")
