"""Command `sim geometry-oracle`."""

from __future__ import annotations

import importlib.util
import json
from enum import Enum
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


class Robot(str, Enum):
    """Who is judged."""

    PANDA = "panda"
    G1 = "g1"
    TALOS = "talos"


def geometry_oracle(
    robot: Annotated[
        Robot, typer.Option(help="The Panda in its cell; or a humanoid, judged for tipping, too.")
    ] = Robot.PANDA,
    states: Annotated[int, typer.Option(min=0, help="Random joint states; 0 leaves the part out.")] = 200_000,
    standing: Annotated[
        int, typer.Option(min=0, help="Random states of a humanoid on one foot or both; the Panda has none.")
    ] = 50_000,
    motions: Annotated[int, typer.Option(min=0, help="Random motions through the supervisor.")] = 20_000,
    ways: Annotated[int, typer.Option(min=0, help="Ways through a plate of 5 mm, each at 20 speeds.")] = 50,
    tasks: Annotated[int, typer.Option(min=0, help="Pick-and-place motions that are 3 cm clear.")] = 500,
    minutes: Annotated[float, typer.Option(min=0.0, help="Simulated time of the closed loop.")] = 10.0,
    seed: Annotated[int, typer.Option(min=0, help="Of everything that is drawn.")] = 1,
    processes: Annotated[int, typer.Option(min=1, max=64, help="At a time; changes no result.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Only the results on standard output, as JSON.")] = False,
) -> None:
    """Judge by PyBullet, on the real meshes, what the supervisor lets pass.

    Random states, random motions with their stops, a thin plate between way-points, pick and place, and the closed loop
    with a simulated robot, in a cell of table, wall, pole and plate. Exit status 1 when anything was touched.

    Of a humanoid (`--robot g1`): random states with its base fixed, random states on one foot and on both, and random
    motions on its feet, judged for touching and for tipping, without physics: with it, sim humanoid-oracle.

    Example: safety-supervisor sim geometry-oracle --states 20000 --motions 1000 --minutes 1
    """
    lacking = [name for name in ("pybullet", "cmeel") if importlib.util.find_spec(name) is None]
    if lacking:
        typer.echo(f'{", ".join(lacking)} not installed: pip install "safety_supervisor[sim]"', err=True)
        raise typer.Exit(2)
    from safety_supervisor_sim.lab.campaign import PANDA, parts_of, run_campaign
    from safety_supervisor_sim.lab.tables import print_results

    asked = {
        "states": float(states),
        "standing": float(standing) * (robot.value != PANDA),
        "motions": float(motions),
        "tunnel": float(ways),
        "pick_place": float(tasks),
        "closed_loop": 60.0 * minutes,
    }
    parts = parts_of(robot.value)
    amounts = {name: asked[name] for name in parts}
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    console = Console(stderr=True)
    with Progress(*columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal) as bar:
        rows = {name: bar.add_task(parts[name].about, total=amount) for name, amount in amounts.items() if amount > 0}

        def advance(name: str, done: float) -> None:
            bar.advance(rows[name], done)
            if not console.is_terminal:  # a log shows no bar
                task = bar.tasks[rows[name]]
                console.print(f"{task.description}: {task.completed:.0f} of {task.total:.0f}", highlight=False)

        told = run_campaign(amounts, seed, processes, advance, robot.value)
    if as_json:
        typer.echo(json.dumps(told, allow_nan=False))
    else:
        print_results(Console(), told)
    raise typer.Exit(0 if told["ok"] else 1)
