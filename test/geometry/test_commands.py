"""`geometry propose` and `geometry check` as commands: what they print, write and return."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from small_robots import box, write_obj
from typer.testing import CliRunner, Result

from safety_supervisor import cli
from safety_supervisor.config.link_volumes import load_link_volumes
from safety_supervisor.geometry import picture

PANDA = Path(__file__).resolve().parents[2] / "config" / "panda.yaml"
Write = Callable[[str], Path]


def call(*words: object) -> Result:
    return CliRunner().invoke(cli.build("geometry"), ["geometry", *map(str, words)])


@pytest.fixture
def section(arm: Path) -> str:
    out = arm.parent / "out.yaml"
    result = call("propose", arm, "--out", out, "--per-link", 2, "--poses", 50)
    assert result.exit_code == 0, result.output
    return out.read_text(encoding="utf-8")


def test_what_is_proposed_passes_the_check(section: str, small_configuration: Write) -> None:
    result = call("check", small_configuration(section), "--poses", 50)
    assert result.exit_code == 0, result.output
    assert result.stdout.count("inside") == 4
    keys = yaml.safe_load(section)["geometry"]
    assert list(keys["volumes"]) == ["base", "upper", "lower", "tool"]
    assert [list(shape) for shape in keys["volumes"]["tool"]] == [["box"]], "a primitive is taken as it is"
    kinds = {link: [kind for shape in shapes for kind in shape] for link, shapes in keys["volumes"].items()}
    assert kinds["base"] == ["polytope"], "a mesh that is a box is held by one, corner for corner"
    assert len(keys["volumes"]["base"][0]["polytope"]["vertices"]) == 8


@pytest.mark.long
def test_the_same_seed_writes_the_same_file(section: str, arm: Path) -> None:
    again = call("propose", arm, "--per-link", 2, "--poses", 50)
    assert again.stdout == section


def test_the_simplest_volumes_that_are_near_enough_are_taken(arm: Path) -> None:
    """The column with a foot is 0.4 m high: a capsule around it sticks out by more than 3 cm, not by more than 30."""
    kinds = {}
    for enough in ("0.03", "0.3"):
        result = call("propose", arm, "--per-link", 2, "--poses", 10, "--enough", enough)
        assert result.exit_code == 0, result.output
        shapes = yaml.safe_load(result.stdout)["geometry"]["volumes"]["upper"]
        kinds[enough] = [kind for shape in shapes for kind in shape]
    assert kinds == {"0.03": ["polytope", "polytope"], "0.3": ["capsule"]}


@pytest.mark.long
def test_a_visual_mesh_that_sticks_out_is_found_where_it_is_asked_for(
    section: str, small_configuration: Write, arm: Path
) -> None:
    horn = '<link name="tool"><visual><geometry><box size="0.3 0.05 0.06"/></geometry></visual>'
    arm.write_text(arm.read_text(encoding="utf-8").replace('<link name="tool">', horn), encoding="utf-8")
    path = small_configuration(section)
    assert call("check", path, "--poses", 10).exit_code == 0
    result = call("check", path, "--poses", 10, "--shown", "--json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)["links"]["tool"]
    assert (found["inside"], found["geometry"]) == (False, "both")
    assert found["excess"]["most"] == pytest.approx(0.13, abs=1e-3), "0.15 against 0.02"
    wrapped = call("propose", arm, "--per-link", 2, "--poses", 10, "--shown")
    assert call("check", small_configuration(wrapped.stdout), "--poses", 10, "--shown").exit_code == 0


@pytest.mark.sampled(3)
@pytest.mark.parametrize("link", ["base", "upper", "lower", "tool"])
def test_a_volume_that_shrinks_fails_the_check_and_is_named(
    section: str, small_configuration: Write, link: str
) -> None:
    keys = yaml.safe_load(section)
    for shape in keys["geometry"]["volumes"][link]:
        for values in shape.values():
            if "radius" in values:
                values["radius"] -= 0.002
            elif "vertices" in values:
                corners = np.array(values["vertices"])
                away = corners - corners.mean(axis=0)
                values["vertices"] = (corners - 0.002 * away / np.linalg.norm(away, axis=1, keepdims=True)).tolist()
            else:
                values["size"][2] -= 0.002
    result = call("check", small_configuration(yaml.safe_dump(keys)), "--poses", 10, "--json")
    assert result.exit_code == 1
    answer = json.loads(result.stdout)
    assert [name for name, found in answer["links"].items() if not found["inside"]] == [link]
    excess = answer["links"][link]["excess"]
    assert 0.0002 < excess["least"] <= excess["most"] <= 0.0035
    told = call("check", small_configuration(yaml.safe_dump(keys)), "--poses", 10)
    assert told.exit_code == 1
    assert f"{link}: its " in told.output
    assert "Enlarge a volume there or add one" in told.output


def test_a_mesh_that_grows_a_horn_fails_the_check_with_its_length(
    section: str, small_configuration: Write, arm: Path
) -> None:
    """What the mesh sticks out is known: the horn's tip is 0.3 above the box; the volumes end at most 0.12 above it."""
    write_obj(arm.parent / "base.obj", box((-0.1, -0.1, 0.0), (0.1, 0.1, 0.38)))
    result = call("check", small_configuration(section), "--poses", 10, "--json")
    assert result.exit_code == 1
    answer = json.loads(result.stdout)["links"]["base"]
    assert answer["excess_at"][2] == pytest.approx(0.38)
    assert 0.18 < answer["excess"]["least"] <= 0.3


@pytest.mark.long
def test_a_link_without_volumes_fails_the_check(section: str, small_configuration: Write) -> None:
    keys = yaml.safe_load(section)
    del keys["geometry"]["volumes"]["upper"]
    result = call("check", small_configuration(yaml.safe_dump(keys)), "--poses", 10)
    assert result.exit_code == 2
    assert "geometry.volumes: upper has a shape in the URDF and no volume" in result.output


@pytest.mark.long
def test_a_pair_that_always_overlaps_fails_the_check_until_a_person_leaves_it_out(
    section: str, small_configuration: Write
) -> None:
    keys = yaml.safe_load(section)
    keys["geometry"]["volumes"]["base"].append({"sphere": {"centre": [0.0, 0.0, 0.0], "radius": 1.0}})
    keys["geometry"]["left_out"] = []
    result = call("check", small_configuration(yaml.safe_dump(keys)), "--poses", 30)
    assert result.exit_code == 1
    assert "always overlaps: base, lower: volumes overlap by design" in result.output
    pairs = [["base", "lower"], ["base", "tool"]]
    keys["geometry"]["left_out"] = [{"links": pair, "reason": "a test's ball"} for pair in pairs]
    result = call("check", small_configuration(yaml.safe_dump(keys)), "--poses", 30)
    assert result.exit_code == 0, result.output
    assert "left out: base, lower: a test's ball (volumes overlap at 100% of sampled poses)" in result.output


def test_every_problem_of_the_file_is_named_at_once(section: str, small_configuration: Write) -> None:
    keys = yaml.safe_load(section)
    capsule = {"start": [0.0, 0.0, 0.0], "end": [0.0, 0.0, 0.1], "radius": 0.2}
    keys["geometry"]["volumes"]["nowhere"] = [{"half_space": {"normal": [0, 0, 1], "offset": 0.0}}]
    keys["geometry"]["volumes"]["base"] = [{"capsule": capsule, "sphere": {"centre": [0.0, 0.0, 0.0], "radius": 1.0}}]
    flat = [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 1.0, 0.0]]
    keys["geometry"]["volumes"]["upper"] = [{"polytope": {"vertices": flat}}]
    reason = "because it is so"
    keys["geometry"]["left_out"] = [
        {"links": ["base", "lower"], "reason": reason}, {"links": ["lower", "base"], "reason": reason},
        {"links": ["base", "moon"], "reason": reason}, {"links": ["base", "base"], "reason": reason},
    ]  # fmt: skip
    result = call("check", small_configuration(yaml.safe_dump(keys).replace("[0, 0, 1]", "[0.0, 0.0, 1.0]")))
    assert result.exit_code == 2
    for text in (
        "geometry.volumes.nowhere: the URDF has no link nowhere",
        "geometry.volumes.nowhere[0]: is a half-space",
        "geometry.volumes.base[0]: has sphere, capsule; exactly one of",
        "geometry.volumes.upper[0].polytope.vertices: lie in one plane",
        "geometry.left_out[1].links: lower and base are left out twice",
        "geometry.left_out[2].links: the URDF has no link moon",
        "geometry.left_out[3].links: names one link twice",
    ):
        assert text in result.output


@pytest.mark.long
def test_a_pair_without_a_reason_is_refused(section: str, small_configuration: Write) -> None:
    keys = yaml.safe_load(section)
    keys["geometry"]["left_out"] = [{"links": ["base", "lower"]}, {"links": ["base", "tool"], "reason": ""}]
    result = call("check", small_configuration(yaml.safe_dump(keys)))
    assert result.exit_code == 2
    assert "geometry.left_out[0].reason: is missing" in result.output
    assert "geometry.left_out[1].reason: is ''; allowed: 3 or more characters" in result.output


def test_a_file_without_the_section_is_told_how_to_get_it(small_configuration: Write) -> None:
    path = small_configuration("")
    result = call("check", path)
    assert result.exit_code == 2
    assert f"safety-supervisor geometry propose {path.name}" in result.output
    assert call("propose", path, "--per-link", 1, "--poses", 10).exit_code == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["check", "nowhere.yaml"], "No such file"),
        (["propose", "nowhere.urdf"], "there is no file"),
        (["propose", "example-robot-data://nowhere/a.urdf"], "there is no file"),
        (["propose", str(PANDA), "--per-link", "0"], "greater than or equal to 1"),
        (["propose"], "URDF_OR_CONFIG"),
    ],
)
def test_wrong_use_says_what_is_wrong_and_exits_with_2(words: list[str], says: str) -> None:
    result = call(*words)
    assert result.exit_code == 2
    assert says in result.output


def test_a_missing_mesh_exits_with_2(arm: Path) -> None:
    (arm.parent / "base.obj").unlink()
    result = call("propose", arm)
    assert result.exit_code == 2
    assert "link 'base', <collision>: there is no file 'base.obj'" in result.output


def test_a_picture_is_a_png_with_the_robot_on_it(section: str, small_configuration: Write, tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    file = tmp_path / "arm.png"
    assert call("check", small_configuration(section), "--poses", 10, "--picture", file).exit_code == 0
    with image.open(file) as opened:
        colours = opened.convert("RGB").getcolors(1_000_000)
        width, height = opened.size
    white = next(count for count, colour in colours if colour == (255, 255, 255))
    assert 0.2 < white / (width * height) < 0.97
    assert len(colours) > 100


@pytest.mark.long
def test_a_picture_that_can_not_be_made_says_why(
    section: str, small_configuration: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = small_configuration(section)
    result = call("check", path, "--poses", 10, "--picture", tmp_path / "nowhere" / "a.png")
    assert (result.exit_code, "can not be written" in result.output) == (2, True)

    def absent(*_: object) -> None:
        raise picture.NoPictureError("pictures need matplotlib")

    monkeypatch.setattr("safety_supervisor.geometry.cli.draw_picture", absent)
    result = call("check", path, "--poses", 10, "--picture", tmp_path / "a.png")
    assert (result.exit_code, "pictures need matplotlib" in result.output) == (2, True)


@pytest.mark.long
def test_locked_joints_of_a_configuration_count(section: str, small_configuration: Write) -> None:
    path = small_configuration(section)
    body = path.read_text(encoding="utf-8").replace("[one, two, three]", "[one, two]")
    body = body.replace("{all: [one, two]}", "{all: [one, two]}\n  locked_joints: {three: 0.05}")
    path.write_text(body, encoding="utf-8")
    assert load_link_volumes(path).locked == {"three": 0.05}
    answer = json.loads(call("check", path, "--poses", 10, "--json").stdout)
    standing = {tuple(pair["links"]): pair["standing"] for pair in answer["pairs"]}
    assert standing["lower", "tool"] == "neighbours"
    assert standing["upper", "tool"] != "rigid"
