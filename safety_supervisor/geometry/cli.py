"""Commands `geometry propose` and `geometry check`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from safety_supervisor.config import ConfigurationError
from safety_supervisor.config.link_volumes import load_link_volumes
from safety_supervisor.config.urdf import UrdfError
from safety_supervisor.geometry.pairs import NOT_LEFT_OUT, Pair, Standing
from safety_supervisor.geometry.picture import NoPictureError, draw_picture
from safety_supervisor.geometry.progress import Progress, shown_progress
from safety_supervisor.geometry.section import render_section, shape_keys
from safety_supervisor.geometry.study import Study, open_robot, propose, study
from safety_supervisor.geometry.surfaces import SurfaceError, read_surfaces

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Volumes that wrap the robot's links: propose them, check them, see them.",
    epilog="""\b
Examples:
  safety-supervisor geometry propose robot.urdf --out geometry.yaml --picture robot.png
  safety-supervisor geometry check config/panda.yaml --picture panda.png
""",
)

Picture = Annotated[
    Path | None, typer.Option(metavar="FILE.png", help="Draw the meshes inside their volumes.", show_default=False)
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object, for programs.")]
Seed = Annotated[int, typer.Option(min=0, help="Of the search and of the sampled poses; the same gives the same.")]
Poses = Annotated[int, typer.Option(min=10, max=100_000, help="Sampled poses at which pairs of links are looked at.")]
Shown = Annotated[
    bool,
    typer.Option("--shown", help="Visual meshes, too, where a link has collision geometry: that may be less."),
]


@app.command("propose")
def propose_command(
    source: Annotated[
        str,
        typer.Argument(metavar="URDF_OR_CONFIG", help="A URDF, or a configuration that names one.", show_default=False),
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the section there.", show_default=False)
    ] = None,
    picture: Picture = None,
    per_link: Annotated[int, typer.Option(min=1, max=8, help="Most volumes of a link.")] = 3,
    enough: Annotated[
        float,
        typer.Option(metavar="M", min=0.0, max=1.0, help="Take the simplest volumes that stick out by no more, [m]."),
    ] = 0.0,
    shown: Shown = False,
    seed: Seed = 0,
    poses: Poses = 1000,
    as_json: Json = False,
) -> None:
    """Propose link volumes for a robot.

    Reads the collision meshes of the URDF (the visual ones where a link has no other), finds a few tight capsules or
    polytopes for each link, and writes the section `geometry` of a configuration. Boxes, cylinders and spheres of the
    URDF are taken as they are, unless a link has more than --per-link. Every mesh is then checked to lie inside.

    Pairs of links are looked at, too. One whose wrapped meshes are proven to keep the margin at every pose is left out
    with that reason. One whose volumes overlap at every sampled pose, or that only the visual meshes keep apart, is
    written as a comment: confirm it or leave it. Read every reason.

    With a configuration its locked joints are known, so that a locked gripper is one rigid body.

    \b
    Examples:
      safety-supervisor geometry propose robot.urdf --out geometry.yaml --picture robot.png
      safety-supervisor geometry propose config/panda.yaml --per-link 2
      safety-supervisor geometry propose config/g1.yaml --per-link 2 --enough 0.015 --shown
      safety-supervisor geometry propose example-robot-data://panda_description/urdf/panda.urdf
    """
    with _told() as progress:
        result = propose(open_robot(source), per_link, seed, poses, progress, enough, shown)
    section = _section(result)
    if out is not None:
        try:
            out.write_text(section, encoding="utf-8")
        except OSError as error:
            _fail(f"{out} can not be written: {error.strerror}")
    _draw(picture, result)
    if as_json:
        typer.echo(json.dumps(_summary(result), indent=2))
    else:
        if out is None:
            typer.echo(section, nl=False)
        _print(result, Console(stderr=out is None, highlight=False, markup=False))
    raise typer.Exit(0 if all(finding.coverage.inside for finding in result.findings) else 1)


@app.command("check")
def check_command(
    config: Annotated[
        Path, typer.Argument(metavar="CONFIG", help="Configuration with a section `geometry`.", show_default=False)
    ],
    picture: Picture = None,
    shown: Shown = False,
    seed: Seed = 0,
    poses: Poses = 1000,
    as_json: Json = False,
) -> None:
    """Check that every link's mesh lies inside its volumes.

    Prints for every link how far its mesh sticks out of the volumes (proven over whole triangles, not only at their
    corners) and how far the volumes stick out of the mesh; and every pair of links that is left out, with the reason.

    Exit status 1: a mesh sticks out, or a pair that is not left out overlaps at every sampled pose, so that the robot
    could never move. 2: the file is not usable; a link with a mesh that has no volumes is such a case.

    \b
    Example:
      safety-supervisor geometry check config/panda.yaml --picture panda.png
    """
    with _told() as progress:
        robot = load_link_volumes(config)
        surfaces = read_surfaces(robot.urdf, robot.urdf_path.parent, every=shown)
        result = study(robot, surfaces, seed, poses, progress)
    _draw(picture, result)
    if as_json:
        typer.echo(json.dumps(_summary(result), indent=2))
    else:
        _print(result, Console(highlight=False, markup=False))
    raise typer.Exit(0 if result.good else 1)


def _fail(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(2)


@contextmanager
def _told() -> Iterator[Progress]:
    """Show a progress bar on a terminal; turn what can be wrong with the files into a message and exit status 2."""
    try:
        with shown_progress() as progress:
            yield progress
    except (ConfigurationError, UrdfError, SurfaceError) as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"{error.filename or 'the file'} can not be read: {error.strerror or error}")


def _draw(file: Path | None, result: Study) -> None:
    if file is None:
        return
    sticking = [finding.link for finding in result.findings if not finding.coverage.inside]
    title = f"{result.robot.path.name}: meshes (grey) in their volumes"
    if sticking:
        title += f"; sticking out (red): {', '.join(sticking)}"
    surfaces = {link: surface.triangles for link, surface in result.surfaces.items()}
    try:
        draw_picture(file, title, result.kinematics, surfaces, result.robot.volumes, [*sticking, *result.unwrapped])
    except NoPictureError as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"{file} can not be written: {error.strerror or error}")


def _section(result: Study) -> str:
    notes = {
        finding.link: f"{finding.kind}, {finding.triangles} triangles; stick out of it by {_mm(finding.protrusion)}"
        for finding in result.findings
    }
    robot = result.robot
    return render_section(robot.volumes, notes, result.pairs, robot.margin, robot.urdf_path.name)


def _mm(length: float) -> str:
    return f"{length * 1e3:.1f} mm"


def _told_pairs(pairs: tuple[Pair, ...]) -> list[Pair]:
    """Return the pairs that a person should look at."""
    return [pair for pair in pairs if pair.standing not in (Standing.CHECKED, Standing.NEIGHBOURS, Standing.RIGID)]


def _print(result: Study, console: Console) -> None:
    table = Table("link", "geometry", "triangles", "volumes", "mesh sticks out", "volumes stick out", box=None)
    table.columns[0].no_wrap = True
    for column in table.columns[2:]:
        column.justify = "right"
    for finding in result.findings:
        excess = "inside" if finding.coverage.inside else f"{finding.coverage.most * 1e3:.2f} mm"
        row = (
            finding.link,
            finding.kind,
            str(finding.triangles),
            str(finding.volumes),
            excess,
            _mm(finding.protrusion),
        )
        table.add_row(*row, style=None if finding.coverage.inside else "red")
    console.print(table)
    for finding in result.findings:
        if not finding.coverage.inside:
            x, y, z = finding.coverage.where
            kind = "collision or visual" if finding.kind == "both" else finding.kind
            console.print(
                f"{finding.link}: its {kind} mesh sticks out by {finding.coverage.least * 1e3:.2f} mm at "
                f"[{x:.4f}, {y:.4f}, {z:.4f}] of the link, in {finding.coverage.triangles} triangles or more. "
                "Enlarge a volume there or add one.",
                style="red", soft_wrap=True,
            )  # fmt: skip
    for link in result.unwrapped:
        console.print(
            f"{link}: has a mesh and no volumes. Add geometry.volumes.{link}; `geometry propose` finds some.",
            style="red", soft_wrap=True,
        )  # fmt: skip
    found = {standing: sum(pair.standing is standing for pair in result.pairs) for standing in Standing}
    kept_apart = sum(found[standing] for standing in NOT_LEFT_OUT)
    console.print(
        f"pairs of links: {len(result.pairs)}; kept apart {kept_apart}; left out by themselves: "
        f"{found[Standing.NEIGHBOURS]} neighbours, {found[Standing.RIGID]} that do not move against each other; "
        f"left out with a reason: {found[Standing.LEFT_OUT] + found[Standing.NEVER]}",
        soft_wrap=True,
    )
    for pair in _told_pairs(result.pairs):
        sampled = f"volumes overlap at {pair.overlapping:.0%} of sampled poses"
        console.print(
            f"{pair.standing.value}: {', '.join(pair.links)}: {pair.reason} ({sampled})",
            style="yellow" if pair.standing in NOT_LEFT_OUT else None, soft_wrap=True,
        )  # fmt: skip
    checked = sorted(
        (pair for pair in result.pairs if pair.standing is Standing.CHECKED), key=lambda pair: pair.nearest
    )
    for pair in [pair for pair in checked if pair.overlapping > 0.05]:
        console.print(
            f"often refused: {', '.join(pair.links)}: volumes overlap at {pair.overlapping:.0%} of sampled poses",
            soft_wrap=True,
        )


def _summary(result: Study) -> dict[str, Any]:
    return {
        "good": result.good,
        "file": str(result.robot.path),
        "urdf": str(result.robot.urdf_path),
        "links": {
            finding.link: {
                "geometry": finding.kind,
                "triangles": finding.triangles,
                "inside": finding.coverage.inside,
                "excess": {"least": finding.coverage.least, "most": finding.coverage.most},
                "excess_at": list(finding.coverage.where),
                "protrusion": finding.protrusion,
            }
            for finding in result.findings
        },
        "without_volumes": list(result.unwrapped),
        "pairs": [
            {
                "links": list(pair.links),
                "standing": pair.standing.value,
                "overlapping": pair.overlapping,
                "nearest": pair.nearest,
                "proven": pair.proven,
                "reason": pair.reason,
            }
            for pair in result.pairs
        ],
        "geometry": {
            "volumes": {link: [shape_keys(shape) for shape in shapes] for link, shapes in result.robot.volumes.items()},
            "margin": result.robot.margin,
        },
    }
