"""Meshes against volumes, as `check-config` asks: numbers that are known without the code."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import yaml
from small_robots import box, write_obj
from typer.testing import CliRunner, Result

from safety_supervisor import cli

VOLUMES = {
    # The base's mesh is 80 mm high from 0: 1.5 mm of it stand above this box.
    "base": [{"box": {"centre": [0.0, 0.0, 0.039], "size": [0.21, 0.21, 0.079]}}],
    "upper": [{"box": {"centre": [0.0, 0.0, 0.2], "size": [0.4, 0.1, 0.42]}}],
    "lower": [{"box": {"centre": [0.0, 0.0, 0.1], "size": [0.4, 0.4, 0.4]}}],
    "tool": [{"box": {"centre": [0.0, 0.0, 0.0], "size": [0.04, 0.05, 0.06]}}],
}


def check(path: Path, *words: str) -> Result:
    return CliRunner().invoke(cli.build("check-config"), ["check-config", str(path), *words])


def section(volumes: object) -> str:
    return yaml.safe_dump({"geometry": {"volumes": volumes, "margin": 0.0}})


def test_what_sticks_out_is_told_in_millimetres_with_its_corner(small_configuration: Callable[[str], Path]) -> None:
    result = check(small_configuration(section(VOLUMES)))
    assert result.exit_code == 2
    line = next(line for line in result.output.splitlines() if "geometry.volumes.base:" in line)
    assert "sticks out by 1.50 mm at [" in line
    assert ", 0.0800] m of the link" in line
    assert result.output.count("sticks out by") == 1
    assert "sources: is missing" in result.output, "all errors at once"


def test_a_visual_mesh_counts_where_there_is_no_other_and_frames_do_not_mix(
    small_configuration: Callable[[str], Path], arm: Path
) -> None:
    """The lower link's mesh is turned and shifted by its origin: it reaches from 0 to 0.25 along z of the link."""
    write_obj(arm.parent / "lower.obj", box((-0.25, -0.02, -0.02), (0.1, 0.02, 0.02)))
    found = json.loads(check(small_configuration(section(VOLUMES)), "--json").stdout)["meshes"]["links"]["lower"]
    assert (found["geometry"], found["inside"]) == ("visual", False)
    assert abs(found["excess"]["least"] - 0.05) < 1e-6
    assert abs(found["excess_at"][2] - 0.35) < 1e-6


def strip_tool(arm: Path) -> None:
    """Take the tool's shape out of the URDF."""
    text = arm.read_text(encoding="utf-8")
    shape = '<collision><geometry><box size="0.04 0.05 0.06"/></geometry></collision>'
    assert shape in text
    arm.write_text(text.replace(shape, ""), encoding="utf-8")


def test_a_link_with_volumes_and_no_geometry_in_the_urdf_is_listed(
    small_configuration: Callable[[str], Path], arm: Path
) -> None:
    strip_tool(arm)
    meshes = json.loads(check(small_configuration(section(VOLUMES)), "--json").stdout)["meshes"]
    assert meshes["without_geometry"] == ["tool"]


def test_a_tool_without_geometry_is_refused_until_it_is_a_point(
    small_configuration: Callable[[str], Path], arm: Path
) -> None:
    strip_tool(arm)
    rest = {link: shapes for link, shapes in VOLUMES.items() if link != "tool"}
    said = check(small_configuration(section(rest))).output
    assert "geometry.volumes: tool: a tool without geometry, 0 volumes and 0 shapes in the URDF" in said
    assert "Add geometry.volumes.tool, or say why a point is enough: geometry.points.tool: WHY" in said
    keys = {"geometry": {"volumes": rest, "margin": 0.0, "points": {"tool": "a laser's beam has no body"}}}
    assert "a tool without geometry" not in check(small_configuration(yaml.safe_dump(keys))).output


def test_every_missing_mesh_is_named_with_its_link(small_configuration: Callable[[str], Path], arm: Path) -> None:
    (arm.parent / "base.obj").unlink()
    (arm.parent / "lower.obj").write_text("no mesh", encoding="utf-8")
    answer = json.loads(check(small_configuration(section(VOLUMES)), "--json").stdout)
    said = {one["path"]: one for one in answer["problems"] if one["code"] == "E_CONFIG_MESH_FILE"}
    assert set(said) == {"geometry.volumes.base", "geometry.volumes.lower"}
    assert "there is no file 'base.obj'" in said["geometry.volumes.base"]["message"]
    assert set(answer["meshes"]["unread"]) == {"base", "lower"}
    assert set(answer["meshes"]["links"]) == {"upper", "tool"}
