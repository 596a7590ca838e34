"""Commands `sim humanoid-oracle` and `sim humanoid-push`."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table


class Robot(str, Enum):
    """Robots with `config/NAME.yaml` and `sim/cells/NAME_standing.yaml`."""

    G1 = "g1"
    TALOS = "talos"


class Drive(str, Enum):
    """What is driven."""

    ARMS = "arms"
    ALL = "all"
    BOTH = "both"


def humanoid_oracle(
    robot: Annotated[Robot, typer.Option(help="Whose configuration is under test.")] = Robot.G1,
    minutes: Annotated[float, typer.Option(min=0.01, help="Simulated time, of each way of driving.")] = 5.0,
    drive: Annotated[
        Drive, typer.Option(help="The arms, with the legs at rest; all joints at once; or one after the other.")
    ] = Drive.BOTH,
    estops: Annotated[
        int,
        typer.Option(min=0, help="Instead: so many e-stops of each way of driving, each after a random while of it."),
    ] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Of everything that is drawn.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Only the results on standard output, as JSON.")] = False,
) -> None:
    """Stand a humanoid on its feet in PyBullet, drive it at random through the supervisor, count falls and contacts.

    The base is free: nothing but the feet holds the robot. Agents stream towards poses of which some touch something or
    tip: arms alone at nearly full allowed speed, or the whole body, feet where they stand, from slow to full. Now
    and then a protective stop is asked for. An oracle with code of its own judges the true motion: meshes that touch,
    tilt, the capture point against the support polygon, feet that slip.

    Of each fall is told whether a stop of the supervisor caused it: the run is played again from that stop on, as if
    the agent had been let on, and the stop is to blame when the robot stands then.

    While the supervisor does not judge balance (`balance_checked: false`) falls are expected, and their number shows
    what the check is for. Exit status 1: parts of the robot touched, or it fell although balance was judged.

    With `--estops` the way down the stop ladder is judged: was it verified and taken, did the robot fall or touch
    itself before it was told to go limp. Exit status 1 when it did, or was told too late for the relays.

    Example: safety-supervisor sim humanoid-oracle --robot g1 --minutes 1 --drive arms
    """
    lacking = [name for name in ("pybullet", "cmeel") if importlib.util.find_spec(name) is None]
    if lacking:
        typer.echo(f'{", ".join(lacking)} not installed: pip install "safety_supervisor[sim]"', err=True)
        raise typer.Exit(2)
    from safety_supervisor_sim.lab.upright import DRIVES, judge_upright

    drives = DRIVES if drive is Drive.BOTH else (drive.value,)
    if estops:
        raise typer.Exit(0 if _estops(robot.value, drives, estops, seed, as_json) else 1)
    total, told_at = 60.0 * minutes * len(drives), 0.0
    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:.0f} of {task.total:.0f} s")
    console = Console(stderr=True)
    with Progress(
        *columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console, disable=not console.is_terminal
    ) as bar:
        row = bar.add_task(f"{robot.value} on its feet", total=total)

        def advance(seconds: float) -> None:
            nonlocal told_at
            bar.update(row, completed=min(seconds, total))
            if not console.is_terminal and seconds - told_at >= 10.0:  # a log shows no bar
                told_at = seconds
                console.print(f"{robot.value} on its feet: {seconds:.0f} of {total:.0f} s", highlight=False)

        result = judge_upright(robot.value, (seed,), 60.0 * minutes, drives, advance)
    told = {"robot": robot.value, "seed": seed, **result.as_dict()}
    if as_json:
        typer.echo(json.dumps(told, allow_nan=False))
    else:
        _print(Console(), told)
    raise typer.Exit(0 if result.ok else 1)


def _estops(robot: str, drives: tuple[str, ...], count: int, seed: int, as_json: bool) -> bool:
    """Judge e-stops of every way of driving, print them; return whether all is as it has to be."""
    from safety_supervisor_sim.lab.estops import judge_estops

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    console = Console(stderr=True)
    told: dict[str, dict[str, Any]] = {}
    with Progress(
        *columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console, disable=not console.is_terminal
    ) as bar:
        for drive in drives:
            row = bar.add_task(f"{robot}, e-stops, driving {drive}", total=count)

            def advance(done: int, row: TaskID = row, drive: str = drive) -> None:
                bar.update(row, completed=done)
                if not console.is_terminal and done % 10 == 0:  # a log shows no bar
                    console.print(f"{robot}, e-stops, driving {drive}: {done} of {count}", highlight=False)

            told[drive] = judge_estops(robot, (seed,), count, drive, advance).as_dict()
    ok = all(one["ok"] for one in told.values())
    if as_json:
        typer.echo(json.dumps({"robot": robot, "seed": seed, "ok": ok, "drives": told}, allow_nan=False))
    else:
        _print_estops(Console(), robot, told)
    return ok


def _print_estops(console: Console, robot: str, told: Mapping[str, Mapping[str, Any]]) -> None:
    table = Table(title=f"{robot}: e-stops after random driving", title_justify="left")
    table.add_column("")
    for drive in told:
        table.add_column(drive)
    rows: tuple[tuple[str, Callable[[Mapping[str, Any]], str]], ...] = (
        ("e-stops, in mid-motion", lambda one: f"{one['estops']}, {one['in_motion']}"),
        ("lowered by the verified way", lambda one: f"{one['lowered']}"),
        ("ways taken", lambda one: _counts(one["ways"])),
        ("refused on the way", lambda one: _counts(one["refused"])),
        ("fell before `damp`", lambda one: f"{one['fell_before_damp']}"),
        ("lost its balance before `damp`", lambda one: f"{one['lost_before_damp']}"),
        ("touched itself before `damp`", lambda one: f"{one['touched_before_damp']}"),
        ("farthest slip", lambda one: f"{1e3 * one['farthest_slip']:.1f} mm"),
        ("sunk by, at least", lambda one: f"{1e3 * one['least_sunk']:.0f} mm"),
        ("button to `damp`", lambda one: _seconds(one["seconds_to_damp"])),
        ("`off` before the relays open", lambda one: f"{one['off_told_before_relays']} of {one['watched_for_off']}"),
        ("button to `off`", lambda one: _seconds(one["seconds_to_off"])),
        ("stuck", lambda one: _counts(one["stuck"])),
    )
    for name, show in rows:
        table.add_row(name, *(show(one) for one in told.values()))
    console.print(table)
    console.print("as it has to be" if all(one["ok"] for one in told.values()) else "VIOLATIONS", style="bold")


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name}: {count}" for name, count in counts.items()) or "none"


def _seconds(spread: Mapping[str, float]) -> str:
    return f"{spread['median']:.2f} s, greatest {spread['greatest']:.2f} s" if spread else "-"


def _print(console: Console, told: Mapping[str, Any]) -> None:
    table = Table(title=f"{told['robot']} on its feet", title_justify="left", show_header=False)
    checked = "judged by the supervisor" if told["balance_checked"] else "not judged by the supervisor: the control"
    table.add_row("balance", checked)
    for drive, seconds in told["seconds"].items():
        falls, own = told["falls"][drive], told["falls_by_own_stop"][drive]
        table.add_row(f"driving {drive}", f"{seconds:.0f} s: {falls} falls, {own} by the supervisor's own stop")
    table.add_row("self-contacts", str(told["self_contacts"]))
    near = told["nearest_miss"]
    table.add_row(
        "nearest miss", f"{1e3 * near['distance']:.1f} mm, {near['pair']}" if near["pair"] else "none in sight"
    )
    table.add_row("refusals", ", ".join(f"{code} {count}" for code, count in told["refusals"].items()) or "none")
    table.add_row("stops asked for", str(told["stops_asked"]))
    for point, value in told["least_inside"].items():
        table.add_row(f"least inside, {point}", f"{1e3 * value:.0f} mm")
    table.add_row("farthest slip", f"{1e3 * told['farthest_slip']:.1f} mm")
    console.print(table)
    console.print("as it has to be" if told["ok"] else "VIOLATIONS", style="bold")


def humanoid_push(
    robot: Annotated[Robot, typer.Option(help="Who is pushed.")] = Robot.G1,
    force: Annotated[list[float] | None, typer.Option(help="Forward, [N]; several are tried one by one.")] = None,
    seconds: Annotated[float, typer.Option(min=0.5, max=20.0, help="How long it is watched.")] = 2.0,
    out: Annotated[Path | None, typer.Option(help="A moving picture of it, GIF; all forces side by side.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Only the results on standard output, as JSON.")] = False,
) -> None:
    """Push a humanoid that stands on its feet, for 0.2 s, with no supervisor; does it fall?

    It stands by position control alone, so this is how much it bears before anything that a supervisor could do.

    Example: safety-supervisor sim humanoid-push --force 60 --force 150 --out push.gif
    """
    lacking = [name for name in ("pybullet", "cmeel") if importlib.util.find_spec(name) is None]
    if out is not None and importlib.util.find_spec("PIL") is None:
        lacking.append("pillow")
    if lacking:
        typer.echo(f'{", ".join(lacking)} not installed: pip install "safety_supervisor[sim,picture]"', err=True)
        raise typer.Exit(2)
    from safety_supervisor_sim.lab.push import film, push

    forces = force or [60.0, 150.0]
    try:
        if out is None:
            told = [push(robot.value, one, seconds) for one in forces]
        else:
            told = film(robot.value, forces, seconds, out)
    except OSError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    if as_json:
        typer.echo(json.dumps(told, allow_nan=False))
        return
    for one in told:
        end = f"falls after {one['fell_at']:.2f} s: {one['fell_by']}" if one["fell"] else "stands"
        typer.echo(f"{one['robot']}, {one['force']:g} N: {end}; greatest tilt {one['greatest_tilt']:.3f} rad")


def humanoid_film(
    out: Annotated[Path, typer.Option(help="The moving picture, GIF.", dir_okay=False)],
    robot: Annotated[Robot, typer.Option(help="Whose demonstration; it needs a scenario.")] = Robot.G1,
    as_json: Annotated[bool, typer.Option("--json", help="Only what was seen on standard output, as JSON.")] = False,
) -> None:
    """Film what `demo --robot g1` shows, in simulated time: good motion, a refused reach, the same let on, an e-stop.

    Exit status 1: it does not end as the demonstration expects; the picture is written all the same.

    Example: safety-supervisor sim humanoid-film --out g1_demo.gif
    """
    needed = ("pybullet", "cmeel", "PIL")
    if any(importlib.util.find_spec(name) is None for name in needed):
        typer.echo('not installed: pip install "safety_supervisor[sim,picture]"', err=True)
        raise typer.Exit(2)
    from safety_supervisor_sim.lab.demo_film import as_expected, views, write

    try:
        shown = views(robot.value)
        write(shown, out)
    except OSError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    ok = as_expected(shown)
    told = [view.as_dict() for view in shown]
    if as_json:
        typer.echo(json.dumps({"ok": ok, "views": told}, allow_nan=False))
    else:
        for one in told:
            how = "falls" if one["fell"] else "stands"
            typer.echo(
                f"{one['title']}: {how}; {' '.join(one['codes']) or 'nothing refused'}; {' '.join(one['modes'])}"
            )
    raise typer.Exit(0 if ok else 1)
