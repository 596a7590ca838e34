"""Bad input of a configuration, through `check-config`: path, number, code and exit status 2; and the shipped ones."""
# ruff: noqa: E501  a table: one row, one line

from __future__ import annotations

import json
import os
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from safety_supervisor import cli
from safety_supervisor.config import load_config, urdf_path
from safety_supervisor.core.geometry.scene import Scene
from safety_supervisor.geometry import coverage

if TYPE_CHECKING:
    from test.config.conftest import RobotFile

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = [ROOT / "examples" / "panda.yaml", *sorted((ROOT / "config").glob("*.yaml"))]
Change = Callable[["RobotFile"], "RobotFile"]

WRIST = ("panda_link7", "panda_link8", "panda_hand", "panda_leftfinger", "panda_rightfinger", "panda_hand_tcp")
BOX = {"minimum": [-1.0] * 3, "maximum": [1.0] * 3}
PAIR = ["panda_link5", "panda_link7"]


def check(path: Path, *words: str) -> Result:
    return CliRunner().invoke(cli.build("check-config"), ["check-config", str(path), *words])


def zone(**keys: Any) -> Change:
    return lambda panda: panda.put("zones", {"a": {"kind": "keep_in", "margin": 0.0, **BOX, **keys}})


def shape(kind: str, **keys: Any) -> Change:
    text = {"kind": kind, "margin": 0.0, "shape": keys}
    return lambda panda: panda.put("zones", {"a": text})


def put(path: str, value: Any) -> Change:
    return lambda panda: panda.put(path, value)


def with_urdf(panda: RobotFile, change: Callable[[ElementTree.Element], None]) -> RobotFile:
    """Give the robot a changed copy of its URDF."""
    root = ElementTree.fromstring(urdf_path(panda.original).read_text(encoding="utf-8"))
    change(root)
    (panda.directory / "changed.urdf").write_text(ElementTree.tostring(root, encoding="unicode"), encoding="utf-8")
    return panda.put("robot.urdf", "changed.urdf")


def no_wrist(panda: RobotFile) -> RobotFile:
    """A URDF whose author forgot the shapes of all that the last joint moves, and a file without their volumes."""

    def forget(root: ElementTree.Element) -> None:
        for link in root.findall("link"):
            for element in [*link.findall("collision"), *link.findall("visual")] if link.get("name") in WRIST else ():
                link.remove(element)

    volumes = {link: shapes for link, shapes in panda.keys["geometry"]["volumes"].items() if link not in WRIST}
    return with_urdf(panda, forget).put("geometry.volumes", volumes)


def no_meshes(panda: RobotFile) -> RobotFile:
    def rename(root: ElementTree.Element) -> None:
        for mesh in root.iter("mesh"):
            mesh.set("filename", mesh.get("filename", "").replace("package://", "package://not_here/"))

    return with_urdf(panda, rename)


def thinner(panda: RobotFile) -> RobotFile:
    capsule = panda.keys["geometry"]["volumes"]["panda_link4"][0]["capsule"]
    return panda.put("geometry.volumes.panda_link4", [{"capsule": {**capsule, "radius": capsule["radius"] - 0.003}}])


def apart(panda: RobotFile) -> RobotFile:
    low, high = (
        {"kind": "keep_in", "minimum": [a] * 3, "maximum": [b] * 3, "margin": 0.0} for a, b in ((-1.0, 0.0), (0.5, 1.0))
    )
    return panda.put("zones", {"a": low, "b": high})


def within(panda: RobotFile) -> RobotFile:
    low, high = ({"kind": kind, "minimum": [-1.0] * 3, "maximum": [1.0] * 3} for kind in ("keep_in", "keep_out"))
    return panda.put("zones", {"a": {**low, "margin": 0.0}, "b": {**high, "margin": 0.1}})


def no_start_and_far_away(panda: RobotFile) -> RobotFile:
    return shape("keep_in", box={"centre": [2.5] * 3, "size": [1.0] * 3})(panda).drop("robot.start")


@dataclass(frozen=True)
class Row:
    """A change of config/panda.yaml, and what `check-config` says of it: path, code and a number as it stands there."""

    change: Change
    path: str
    code: str
    number: str


TABLE = {
    "a mesh sticks out of its volume": Row(thinner, "geometry.volumes.panda_link4", "MESH", r"sticks out by [0-2]\.\d\d mm at \["),
    "a link with meshes has no volume": Row(lambda panda: panda.drop("geometry.volumes.panda_link4"), "geometry.volumes", "VOLUME", "panda_link4 .*; 1 to 16 are needed"),
    "a mesh is not there": Row(no_meshes, "geometry.volumes.panda_link4", "MESH_FILE", "there is no file 'package://not_here/"),
    "a tool without geometry": Row(no_wrist, "geometry.volumes", "VOLUME", "panda_hand.*: a tool without geometry, 0 volumes and 0 shapes .* panda_joint7"),
    "a finger without geometry": Row(no_wrist, "geometry.volumes", "VOLUME", "panda_leftfinger: a tool without geometry, .* panda_finger_joint1"),
    "a tool is a point without reason": Row(lambda panda: no_wrist(panda).put("geometry.points", {"panda_hand": "  "}), "geometry.points.panda_hand", "VALUE", "3 or more characters"),
    "a tool is a point for a blank reason": Row(lambda panda: no_wrist(panda).put("geometry.points", {"panda_hand": "    "}), "geometry.points.panda_hand", "VOLUME", "has 0 characters"),
    "a link with a mesh is called a point": Row(put("geometry.points", {"panda_hand": "because"}), "geometry.points.panda_hand", "VOLUME", "has 2 volumes"),
    "an unknown link is called a point": Row(put("geometry.points", {"panda_link9": "because"}), "geometry.points.panda_link9", "FRAME", "panda_link9"),
    "a pair is left out without a reason": Row(put("geometry.left_out", [{"links": PAIR}]), "geometry.left_out[0].reason", "MISSING", "is missing"),
    "a pair is left out for an empty reason": Row(put("geometry.left_out", [{"links": PAIR, "reason": ""}]), "geometry.left_out[0].reason", "VALUE", "3 or more characters"),
    "a pair is left out for an invisible reason": Row(put("geometry.left_out", [{"links": PAIR, "reason": "\u200b" * 4}]), "geometry.left_out[0].reason", "VOLUME", "has 0 characters"),
    "a pair is left out for a blank reason": Row(put("geometry.left_out", [{"links": PAIR, "reason": "   "}]), "geometry.left_out[0].reason", "VOLUME", "has 0 characters"),
    "a zone is inverted": Row(zone(minimum=[1.0, -1.0, -1.0], maximum=[-1.0, 1.0, 1.0]), "zones.a.minimum", "EMPTY", "x: 1 against -1$"),
    "a zone is flat": Row(zone(minimum=[-1.0, -1.0, 0.5], maximum=[1.0, 1.0, 0.5]), "zones.a.minimum", "EMPTY", "z: 0.5 against 0.5$"),
    "a zone's margin leaves nothing": Row(zone(margin=1.0), "zones.a.margin", "EMPTY", "is 1 and"),
    "a box's margin leaves nothing": Row(lambda panda: shape("keep_in", box={"centre": [0.0] * 3, "size": [4.0, 4.0, 0.2]})(panda).put("zones.a.margin", 0.1), "zones.a.margin", "EMPTY", "is 0.1 and"),
    "a box has an inverted size": Row(shape("keep_out", box={"centre": [0.0] * 3, "size": [1.0, -1.0, 1.0]}), "zones.a.shape.box.size[1]", "VALUE", "is -1"),
    "a ball is a point": Row(shape("keep_out", sphere={"centre": [1.0] * 3, "radius": 0.0}), "zones.a.shape.sphere.radius", "EMPTY", "is 0 and"),
    "a polytope is flat": Row(shape("keep_out", polytope={"vertices": [[0.0, 0.0, 0.9], [1.0, 0.0, 0.9], [0.0, 1.0, 0.9], [1.0, 1.0, 0.9]]}), "zones.a.shape.polytope.vertices", "EMPTY", r"within \S+ m"),
    "a zone has a number that is none": Row(zone(minimum=[float("nan"), -1.0, -1.0]), "zones.a.minimum[0]", "VALUE", "is nan"),
    "two keep-in zones are apart": Row(apart, "zones.a", "EMPTY", "b: 0.5 m apart"),
    "a keep-in zone lies in a keep-out zone": Row(within, "zones.a", "EMPTY", "by 0.1 m"),
    "the start is outside a keep-in zone": Row(zone(minimum=[-0.3] * 3, maximum=[0.3] * 3), "robot.start", "POSE", r"-0\.\d{4} m from zones.a, which needs 0\.\d{4} m"),
    "the start is inside a keep-out zone": Row(shape("keep_out", sphere={"centre": [0.3, 0.0, 0.5], "radius": 0.1}), "robot.start", "POSE", r"-0\.\d{4} m from zones.a, which needs 0\.\d{4} m"),
    "no pose is inside a keep-in zone": Row(no_start_and_far_away, "zones.a", "POSE", r"in none of 256 poses .* is \d\.\d{4} m short"),
}  # fmt: skip


@pytest.mark.parametrize("row", TABLE.values(), ids=TABLE.keys())
def test_bad_input_is_refused_with_path_and_number(panda: RobotFile, row: Row) -> None:
    result = check(row.change(panda).write(), "--json")
    assert result.exit_code == 2, result.output
    answer = json.loads(result.stdout)
    assert answer["ok"] is False
    said = [one for one in answer["problems"] if (one["path"], one["code"]) == (row.path, f"E_CONFIG_{row.code}")]
    assert any(re.search(row.number, one["message"]) for one in said), answer["problems"]
    assert all(one["cure"] and one["line"] for one in said)


def test_the_same_stands_on_the_terminal_all_at_once(panda: RobotFile) -> None:
    bad = zone(minimum=[-0.3] * 3, maximum=[0.3] * 3)(thinner(panda))
    result = check(bad.write())
    assert result.exit_code == 2
    assert re.search(r"  geometry\.volumes\.panda_link4: the collision mesh sticks out by \d\.\d\d mm", result.output)
    assert "Enlarge a volume at the point that is named" in result.output
    assert re.search(r"robot\.start: panda_\w+: -\d\.\d{4} m from zones\.a, .*; and \d+ more links", result.output)
    assert result.output.count("robot.start: ") == 1, "a zone is named once"


@pytest.mark.sampled(2)
@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_the_shipped_configurations_pass_with_every_mesh_measured(path: Path) -> None:
    result = check(path, "--json")
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    meshes = answer["meshes"]
    assert meshes["not_measured"] == ""
    assert set(meshes["links"]) == set(load_config(path).geometry.volumes)
    assert all(found["inside"] and found["triangles"] >= 12 for found in meshes["links"].values())


def test_on_the_terminal_it_is_told_how_many_were_measured() -> None:
    assert "meshes: of 11 links inside their volumes" in check(SHIPPED[0]).output


def test_a_tool_without_geometry_is_taken_with_a_reason(panda: RobotFile) -> None:
    result = check(no_wrist(panda).put("geometry.points", {"panda_hand": "a bare flange in this cell"}).write())
    assert result.exit_code == 0, result.output


def test_without_meshes_the_check_says_so_and_the_node_starts(
    panda: RobotFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = no_meshes(panda).write()
    said = check(path)
    assert said.exit_code == 2
    assert "--without-meshes" in said.output, "the cure"
    waived = check(path, "--without-meshes")
    assert (waived.exit_code, "note: meshes not measured: --without-meshes" in waived.output) == (0, True)
    assert "--without-meshes" in json.loads(check(path, "--without-meshes", "--json").stdout)["meshes"]["not_measured"]
    assert check(thinner(panda).write(), "--without-meshes").exit_code == 0

    started: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda _program, arguments: started.append(arguments))
    monkeypatch.setattr(cli, "find_spec", lambda _name: True)
    CliRunner().invoke(cli.build("run"), ["run", "--config", str(no_meshes(panda).write())])
    assert len(started) == 1, "the node needs no meshes"


def test_what_can_not_be_measured_at_all_says_so(panda: RobotFile) -> None:
    result = check(panda.put("robot.urdf", "nowhere.urdf").write())
    assert result.exit_code == 2
    assert "meshes not measured: the URDF or `geometry.volumes` is not usable" in result.output


def test_one_bad_volume_hides_no_mesh_of_another_link(panda: RobotFile) -> None:
    bad = thinner(panda).put("geometry.volumes.panda_link3", []).put("geometry.left_out", [{"links": PAIR}])
    result = check(bad.write(), "--json")
    paths = {problem["path"] for problem in json.loads(result.stdout)["problems"]}
    assert {"geometry.volumes.panda_link4", "geometry.left_out[0].reason"} <= paths
    assert "panda_link3" not in json.loads(result.stdout)["meshes"]["links"]


def test_a_link_that_nobody_measured_does_not_pass(panda: RobotFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the file changes between two reads."""
    monkeypatch.setattr("safety_supervisor.config.link_volumes.sound_volumes", lambda _path: None)
    result = check(panda.write())
    assert result.exit_code == 2
    assert "geometry.volumes.panda_link4: was not measured" in result.output


@pytest.mark.parametrize("asked", ["lower_distances", "signed_distances"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_distances_of_a_library_that_are_not_finite_are_refused(
    panda: RobotFile, monkeypatch: pytest.MonkeyPatch, value: float, asked: str
) -> None:
    monkeypatch.setattr(coverage, asked, lambda _shape, points: np.full(points.shape[:-1], value))
    # Exact distances are asked for only where the bounds from below leave something open.
    path = (thinner(panda) if asked == "signed_distances" else panda).write()
    result = check(path, "--json")
    answer = json.loads(result.stdout)
    assert result.exit_code == 2
    assert {problem["code"] for problem in answer["problems"]} == {"E_CONFIG_MESH"}
    assert "may stick out by inf mm" in answer["problems"][0]["message"]
    assert answer["meshes"]["links"]["panda_link4"]["excess"]["most"] is None


def test_a_distance_of_the_start_that_is_not_a_number_is_refused(
    panda: RobotFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Scene, "distances", lambda self, _q: np.full(len(self.pairs), np.nan))
    result = check(panda.write())
    assert result.exit_code == 2
    assert "nan m from zones.cell" in result.output
