"""Commands `demo` and `sim`."""

from __future__ import annotations

import json
import time
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from safety_supervisor_sim.campaign.cli import campaign
from safety_supervisor_sim.campaign.mutants_cli import mutants
from safety_supervisor_sim.compare.cli import compare
from safety_supervisor_sim.falsify.cli import falsify
from safety_supervisor_sim.lab.cli import geometry_oracle
from safety_supervisor_sim.lab.humanoid_cli import humanoid_film, humanoid_oracle, humanoid_push
from safety_supervisor_sim.report.cli import report
from safety_supervisor_sim.strange.cli import anomaly

Headless = Annotated[bool, typer.Option("--headless", help="One line an act instead of the live table.")]
AsJson = Annotated[bool, typer.Option("--json", help="Only the summary on standard output, as JSON.")]
LogDirectory = Annotated[
    Path | None, typer.Option(help="Keep logs and reports below this directory.", file_okay=False, show_default=False)
]


class Controller(str, Enum):
    """The double of a controller that stands before the drives."""

    JOINT_TRAJECTORY = "joint_trajectory_controller"
    FORWARD_POSITION = "forward_position"
    JOINT_STATE = "joint_state"


SECONDS: Final = {"panda": 60.0, "g1": 90.0}
"""Of a demonstration for which nobody says how long it may take, [s]; of other robots all acts are played."""

ControllerOption = Annotated[Controller, typer.Option(help="Double of a controller before the drives.")]


def demo(
    robot: Annotated[str, typer.Option(help="Robot: panda, an arm; g1, a humanoid on its feet.")] = "panda",
    seconds: Annotated[
        float | None,
        typer.Option(
            help="About how long it may take; fewer seconds, fewer acts. Without it: panda 60, g1 90.",
            min=10.0,
            show_default=False,
        ),
    ] = None,
    headless: Headless = False,
    as_json: AsJson = False,
    log_directory: LogDirectory = None,
    controller: ControllerOption = Controller.JOINT_TRAJECTORY,
) -> None:
    """Simulated robot, misbehaving agent, supervisor.

    Real ROS 2 nodes in processes of their own, in a ROS domain of their own. Exit status 0 only when all unsafe acts
    were stopped or refused, all good motion arrived unchanged, and the independent oracle saw no limit passed.

    The G1 stands on its feet, held by nothing else: it moves its arms, is refused a reach that would tip it, is pushed,
    and is brought down by an e-stop before it goes limp. The last push is too hard, and it has to give way as it falls.

    Examples:

      safety-supervisor demo --headless --seconds 40 --json

      safety-supervisor demo --robot g1 --log-directory logs
    """
    _prerequisites()
    from safety_supervisor_sim.demo.places import robots, shared

    known = robots()
    if robot not in known:
        _fail(f"--robot {robot} is unknown; known: {', '.join(known)}")
    file = shared("scenarios", f"{robot}_demo.yaml")
    budget = SECONDS.get(robot) if seconds is None else seconds
    summaries = _run([file], budget, headless, as_json, log_directory, controller)
    if as_json:
        typer.echo(json.dumps(summaries[0], allow_nan=False))
    raise typer.Exit(0 if summaries[0]["ok"] else 1)


sim_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Scenarios in simulation, and the geometry's judge.",
    epilog="""\b
Examples:
  safety-supervisor sim run sim/scenarios/estop.yaml
  safety-supervisor sim run --engine core sim/scenarios/*.yaml
  safety-supervisor sim campaign sim/campaigns/panda.yaml --out runs
  safety-supervisor sim compare sim/campaigns/panda.yaml --runs 160
  safety-supervisor sim geometry-oracle --states 20000 --motions 1000 --minutes 1
  safety-supervisor sim humanoid-oracle --robot g1 --minutes 1
  safety-supervisor sim report runs --out report.html
""",
)
sim_app.command("campaign")(campaign)
sim_app.command("compare")(compare)
sim_app.command("anomaly")(anomaly)
sim_app.command("falsify")(falsify)
sim_app.command("mutants")(mutants)
sim_app.command("geometry-oracle")(geometry_oracle)
sim_app.command("humanoid-oracle")(humanoid_oracle)
sim_app.command("humanoid-push")(humanoid_push)
sim_app.command("humanoid-film")(humanoid_film)
sim_app.command("report")(report)
Files = Annotated[list[Path], typer.Argument(metavar="FILE...", help="Scenario files.", show_default=False)]


class Engine(str, Enum):
    """What plays."""

    ROS = "ros"
    CORE = "core"
    BOTH = "both"


EngineOption = Annotated[
    Engine,
    typer.Option(
        help="ros: real nodes in real time; core: the core and a simulated cell in simulated time, faster, the same "
        "seed gives the same bytes; both: one after the other, and what they say is compared."
    ),
]
SeedOption = Annotated[
    int | None,
    typer.Option(help="Of all that the core engine draws; without it the file's.", min=0, show_default=False),
]


@sim_app.command("run")
def run_files(
    files: Files,
    engine: EngineOption = Engine.ROS,
    seed: SeedOption = None,
    as_json: AsJson = False,
    log_directory: LogDirectory = None,
    controller: ControllerOption = Controller.JOINT_TRAJECTORY,
) -> None:
    """Play scenario files, one after the other. Exit 1 when one is not as expected, 2 when one is not valid.

    Acts that the core engine can not play are left out and named. With --engine both, exit 1 when the engines differ.

    Examples: safety-supervisor sim run sim/scenarios/estop.yaml

    safety-supervisor sim run --engine core --json sim/scenarios/*.yaml

    safety-supervisor sim run --engine core --log-directory logs FILE; safety-supervisor log replay logs/NAME/*.mcap
    """
    if engine is not Engine.CORE:
        _prerequisites()
    summaries: list[dict[str, Any]] = []
    named: list[dict[str, Any]] = []
    if engine is not Engine.ROS:
        summaries = _run_core(files, seed, as_json, controller, log_directory)
        named += [{"file": str(file), **summary} for file, summary in zip(files, summaries, strict=True)]
    if engine is not Engine.CORE:
        real = _run(files, None, True, as_json, log_directory, controller)
        named += [{"file": str(file), "engine": "ros", **summary} for file, summary in zip(files, real, strict=True)]
        if engine is Engine.BOTH:
            differ = _compare(files, summaries, real, as_json)
    else:
        differ = {}
    ok = all(one["ok"] for one in named)
    if engine is Engine.BOTH:
        ok = ok and not any(differ.values())
    if as_json:
        told: dict[str, Any] = {"ok": ok, "runs": named}
        typer.echo(json.dumps(told | ({"differences": differ} if engine is Engine.BOTH else {}), allow_nan=False))
    raise typer.Exit(0 if ok else 1)


def _compare(
    files: list[Path], core: list[dict[str, Any]], real: list[dict[str, Any]], as_json: bool
) -> dict[str, list[str]]:
    from safety_supervisor_sim.demo.compare import differences, not_compared

    differ = {}
    for file, first, second in zip(files, core, real, strict=True):
        found = differ[str(file)] = differences(first["heard"], second["heard"])
        typer.echo(f"{file}: {'engines differ' if found else 'both engines say the same'}", err=as_json)
        for line in found:
            typer.echo(f"  {line}", err=as_json)
        for line in not_compared(first["heard"], second["heard"]):
            typer.echo(f"  not compared: {line}", err=as_json)
    return differ


def _run_core(
    files: list[Path], seed: int | None, as_json: bool, controller: Controller, log_directory: Path | None
) -> list[dict[str, Any]]:
    from safety_supervisor.config import ConfigurationError
    from safety_supervisor_sim.demo.places import missing
    from safety_supervisor_sim.demo.summary import print_summary

    if problems := missing(ros=False):
        _fail("\n".join(problems))
    from safety_supervisor_sim.engine.run import UnplayableError, run
    from safety_supervisor_sim.scenario import load_scenario

    console = Console(stderr=as_json, highlight=False)
    summaries = []
    try:
        scenarios = [load_scenario(file) for file in files]
        for scenario in scenarios:
            console.print(f"{scenario.name}: {scenario.about}", markup=False, soft_wrap=True)
            began = time.process_time()
            played = run(scenario, controller.value, seed, log_directory=log_directory)
            spent = time.process_time() - began
            print_summary(console, played.summary)
            speed = (
                f"{played.simulated / spent:.1f} simulated seconds per second of one core, start and replay included"
            )
            console.print(speed, markup=False, soft_wrap=True)
            summaries.append(played.summary)
    except (ConfigurationError, UnplayableError, OSError) as error:
        _fail(str(error))
    return summaries


@sim_app.command("validate")
def validate(files: Files, as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Check scenario files without running them. Exit 2 when one is not valid.

    Example: safety-supervisor sim validate sim/scenarios/estop.yaml
    """
    from safety_supervisor.config import ConfigurationError
    from safety_supervisor_sim.scenario import load_scenario

    told: list[dict[str, Any]] = []
    for file in files:
        try:
            scenario = load_scenario(file)
            told.append({"file": str(file), "ok": True, "acts": len(scenario.acts), "problems": []})
        except ConfigurationError as error:
            told.append({"file": str(file), "ok": False, "problems": [str(one) for one in error.errors]})
    if as_json:
        typer.echo(json.dumps({"ok": all(one["ok"] for one in told), "files": told}))
    else:
        for one in told:
            typer.echo(f"{one['file']}: {'good' if one['ok'] else 'not usable'}", err=not one["ok"])
            for problem in one["problems"]:
                typer.echo(f"  {problem}", err=True)
    raise typer.Exit(0 if all(one["ok"] for one in told) else 2)


def _run(
    files: list[Path],
    seconds: float | None,
    headless: bool,
    as_json: bool,
    log_directory: Path | None,
    controller: Controller,
) -> list[dict[str, Any]]:
    from safety_supervisor.config import ConfigurationError
    from safety_supervisor_sim.demo.orchestrate import Interrupted, Options, run
    from safety_supervisor_sim.demo.summary import print_summary
    from safety_supervisor_sim.scenario import load_scenario

    console = Console(stderr=as_json, highlight=False)
    live = not headless and not as_json and console.is_terminal
    try:
        # All files before the first run: a broken one must not be found after minutes.
        scenarios = [load_scenario(file) for file in files]
        summaries = []
        for file, scenario in zip(files, scenarios, strict=True):
            console.print(f"{scenario.name}: {scenario.about}", markup=False, soft_wrap=True)
            page = not as_json or log_directory is not None
            options = Options(scenario, file, seconds, controller.value, log_directory, live, page)
            summary = run(options, console)
            print_summary(console, summary)
            summaries.append(summary)
    except (ConfigurationError, OSError) as error:
        _fail(str(error))
    except Interrupted:
        console.print("interrupted: the robot was stopped, all processes have ended", markup=False)
        raise typer.Exit(130) from None
    return summaries


def _prerequisites() -> None:
    from safety_supervisor_sim.demo.places import missing

    problems = missing()
    if problems:
        _fail("\n".join(problems))


def _fail(message: str) -> Any:
    typer.echo(message, err=True)
    raise typer.Exit(2)
