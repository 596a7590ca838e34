"""`safety-supervisor explain` as a person calls it: on a recorded log, a decision, a command on trial."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from matplotlib.image import imread
from recorded_boot import CONFIGURATION, HEIGHTS, HOME, LOW, RecordedBoot
from two_tools import PUBLIC_KEY
from typer.testing import CliRunner, Result

from safety_supervisor import cli, load_config
from safety_supervisor.config.link_volumes import load_link_volumes
from safety_supervisor.core.errors import Code
from safety_supervisor.core.geometry.shapes import Polytope
from safety_supervisor.geometry.kinematics import Kinematics

JOINTS = [f"panda_joint{number}" for number in range(1, 8)]
RED, ORANGE = (0.9, 0.13, 0.1), (0.98, 0.62, 0.12)


def call(*words: str) -> Result:
    return CliRunner().invoke(cli.build("explain"), ["explain", *words])


def explain(*words: str) -> dict[str, Any]:
    result = call(*words, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    return found


def refused(*words: str) -> str:
    result = call(*words, "--json")
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    return " ".join(result.output.split())


def height_above_table(link: str, pose: dict[str, float], file: Path = CONFIGURATION) -> float:
    """Distance of a link from the table's plane, by kinematics that share nothing with the core's."""
    robot = load_link_volumes(file)
    turn, shift = Kinematics(robot.urdf, robot.tree, robot.locked).placements(pose)[link]
    low = np.inf
    for shape in robot.volumes[link]:
        corners, radius = (
            (shape.vertices, 0.0) if isinstance(shape, Polytope) else ((shape.start, shape.end), shape.radius)
        )
        low = min(low, min((turn @ np.array(corner) + shift)[2] for corner in corners) - radius)
    return float(low) - HEIGHTS[file.stem]


BOTH = pytest.mark.parametrize("recorded", ["boot", "humanoid"])


def like(picture: Path, colour: tuple[float, float, float]) -> int:
    """Number of pixels whose colour is that one, shaded or not."""
    pixels = imread(picture)[..., :3].reshape(-1, 3)
    wanted = np.array(colour) / np.linalg.norm(colour)
    lengths = np.maximum(np.linalg.norm(pixels, axis=1), 1e-9)
    return int((((pixels @ wanted) / lengths > 0.995) & (lengths > 0.3)).sum())


def blueish(picture: Path) -> int:
    pixels = imread(picture)[..., :3]
    return int((pixels[..., 2] > pixels[..., 0] + 0.05).sum())


def show(boot: RecordedBoot) -> list[dict[str, Any]]:
    result = CliRunner().invoke(cli.build("log"), ["log", "show", str(boot.path), "--json"])
    return [json.loads(line) for line in result.stdout.splitlines()]


# --- a log


@pytest.mark.sampled(2)
@BOTH
def test_the_last_refusal_of_a_log_is_explained_with_pose_pair_and_numbers(
    recorded: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    boot: RecordedBoot = request.getfixturevalue(recorded)
    joints = load_config(boot.configuration).robot.joints
    picture = tmp_path / "why.png"
    found = explain("--log", str(boot.path), "--out", str(picture))
    assert (found["verdict"], found["code"], found["rule"]) == ("STOP", "E_WORKSPACE", "zones.table")
    assert found["commanded"] == dict(zip(joints, boot.commanded, strict=True))
    assert found["pose"] == dict(zip(joints, boot.stop.pose, strict=True))
    # The pose is that of the verdict: other kinematics finds the same distance there.
    file = boot.configuration
    assert height_above_table(found["joint"], found["pose"], file) == pytest.approx(found["value"], abs=1e-6)
    assert found["value"] < found["limit"]
    assert height_above_table(found["joint"], found["commanded"], file) > found["value"]
    nearest = found["nearest"]
    assert nearest["links"] == [found["joint"]]
    first, second = np.array(nearest["points"])
    assert np.linalg.norm(first - second) == pytest.approx(found["value"], abs=1e-6)
    assert second[2] == pytest.approx(HEIGHTS[file.stem], abs=1e-9)
    assert (found["cause"], found["cure"]) == (Code.WORKSPACE.cause, Code.WORKSPACE.cure)
    assert found["notes"] == []
    assert like(picture, RED) > 300


def test_the_words_name_what_a_person_needs(boot: RecordedBoot, tmp_path: Path) -> None:
    result = call(str(CONFIGURATION), "--log", str(boot.path), "--out", str(tmp_path / "why.png"))
    assert result.exit_code == 0, result.output
    for words in ("STOP E_WORKSPACE", "zones.table", f"{boot.stop.value * 1e3:.2f} mm", "margin 10.00 mm", "planner"):
        assert words in result.output
    assert Code.WORKSPACE.cure in result.output


def test_lines_are_numbered_as_log_show_numbers_them(boot: RecordedBoot, tmp_path: Path) -> None:
    rows = show(boot)
    assert [row["line"] for row in rows] == list(range(1, len(rows) + 1))
    (nan,) = [row for row in rows if row["code"] == "E_NOT_FINITE"]
    picture = tmp_path / "why.png"
    found = explain("--log", str(boot.path), "--line", str(nan["line"]), "--out", str(picture))
    # No bodies are the reason: the joints are drawn, the one in question in red.
    assert (found["code"], found["joint"], found["pose"]) == ("E_NOT_FINITE", "panda_joint1", None)
    assert (found["value"], found["limit"]) == (None, 1e6)
    assert list(found["commanded"].values()) == pytest.approx(HOME)
    assert like(picture, RED) > 300
    (stop,) = [row for row in rows if row["what"] == "STOP"]
    assert (
        explain("--log", str(boot.path), "--line", str(stop["line"]))["line"]
        == explain("--log", str(boot.path))["line"]
    )
    state = next(row for row in rows if row["what"] == "READY")
    assert explain("--log", str(boot.path), "--line", str(state["line"]))["verdict"] == "READY"


def test_before_the_first_measurement_there_is_no_pose_and_still_a_picture(boot: RecordedBoot, tmp_path: Path) -> None:
    found = explain("--log", str(boot.path), "--line", "1", "--out", str(tmp_path / "why.png"))
    assert (found["commanded"], found["nearest"]) == (None, None)
    assert "not measured yet" in found["notes"][0]
    assert imread(tmp_path / "why.png").shape[0] > 300


def test_a_line_that_is_not_there_and_a_file_that_is_no_log(boot: RecordedBoot, tmp_path: Path) -> None:
    count = len(show(boot))
    assert f"the log has {count} lines" in refused("--log", str(boot.path), "--line", str(count + 1))
    assert "can not be read" in refused("--log", str(tmp_path / "none"))
    (tmp_path / "x.events.mcap").write_text("robot: {}")
    assert "no event log" in refused("--log", str(tmp_path / "x.events.mcap"))
    assert "can not be written" in refused("--log", str(boot.path), "--out", str(tmp_path / "none" / "why.png"))


# --- a decision


@BOTH
def test_a_decision_alone_shows_the_pose_that_it_tells(
    recorded: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    boot: RecordedBoot = request.getfixturevalue(recorded)
    (row,) = [row for row in show(boot) if row["what"] == "STOP"]
    found = explain(str(boot.configuration), "--decision", json.dumps(row))
    assert list(found["pose"].values()) == list(boot.stop.pose)
    assert found["nearest"]["distance"] == pytest.approx(boot.stop.value, abs=1e-9)
    assert found["commanded"] is None
    # As text, the way ~/decisions carries it, and from a file.
    text = {"verdict": "STOP", "code": "E_WORKSPACE", "rule": "zones.table", "joint": boot.stop.joint}
    text |= {"value": str(boot.stop.value), "pose": " ".join(f"{value:.6g}" for value in boot.stop.pose)}
    (tmp_path / "decision.json").write_text(json.dumps(text))
    again = explain(str(boot.configuration), "--decision", str(tmp_path / "decision.json"))
    assert again["nearest"]["distance"] == pytest.approx(boot.stop.value, abs=1e-5)


def test_geometry_that_is_another_one_than_the_decisions_is_said(boot: RecordedBoot, tmp_path: Path) -> None:
    (row,) = [row for row in show(boot) if row["what"] == "STOP"]
    changed = yaml.safe_load(CONFIGURATION.read_text())
    changed["zones"]["table"]["shape"]["half_space"]["offset"] = -0.01
    (tmp_path / "other.yaml").write_text(yaml.safe_dump(changed))
    found = explain(str(tmp_path / "other.yaml"), "--decision", json.dumps(row))
    assert any("another one than the decision's" in note for note in found["notes"])
    assert found["nearest"]["distance"] == pytest.approx(boot.stop.value + 0.01, abs=1e-6)
    noted = explain(str(tmp_path / "other.yaml"), "--log", str(boot.path))
    assert any("another configuration" in note for note in noted["notes"])
    assert noted["nearest"]["distance"] == pytest.approx(boot.stop.value, abs=1e-9)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "no JSON"),
        ("nowhere.json", "neither a JSON object nor a file"),
        ("{}", "neither `verdict` nor `code`"),
        ('{"code": "E_X", "pose": [1, 2]}', "7 finite ones are needed"),
        ('{"code": "E_X", "pose": ["a"]}', "no list of numbers"),
        ('{"code": "E_X", "pose": [1, 2, 3, 4, 5, 6, NaN]}', "7 finite ones are needed"),
        ('{"code": "E_X", "value": "much"}', "`value` is no number"),
    ],
)
def test_what_is_no_decision_is_wrong_use(text: str, words: str) -> None:
    assert words in refused(str(CONFIGURATION), "--decision", text)


# --- a command on trial


def command(directory: Path, goal: list[float], seconds: float = 4.0, **more: Any) -> str:
    point = {"positions": goal, "velocities": [0.0] * 7, "accelerations": [0.0] * 7, "time_from_start": seconds}
    path = directory / "command.yaml"
    path.write_text(yaml.safe_dump({"joint_names": JOINTS, "points": [point], **more}) + "---\n")
    return str(path)


def test_an_arm_of_a_humanoid_into_the_table_is_refused_before_it_moves(humanoid: RecordedBoot, tmp_path: Path) -> None:
    configuration = load_config(humanoid.configuration)
    low = humanoid.low
    file = command(tmp_path, list(low.values()), joint_names=list(low))
    found = explain(str(humanoid.configuration), "--command", file)
    assert (found["verdict"], found["code"], found["rule"]) == ("REJECT", "E_WORKSPACE", "zones.table")
    assert list(found["commanded"].values()) == pytest.approx(configuration.robot.start)
    there = height_above_table(found["joint"], found["pose"], humanoid.configuration)
    assert there == pytest.approx(found["value"], abs=1e-6)
    start = dict(zip(configuration.robot.joints, configuration.robot.start or (), strict=True))
    good = command(tmp_path, [start[name] - 0.1 * (name == "left_elbow_joint") for name in low], joint_names=list(low))
    found = explain(str(humanoid.configuration), "--command", good)
    assert (found["verdict"], found["code"]) == ("PASS", "E_ENDED")


def test_a_trajectory_into_the_table_is_refused_before_it_moves(tmp_path: Path) -> None:
    picture = tmp_path / "why.png"
    found = explain(str(CONFIGURATION), "--command", command(tmp_path, LOW.tolist()), "--out", str(picture))
    assert (found["verdict"], found["code"], found["rule"]) == ("REJECT", "E_WORKSPACE", "zones.table")
    assert list(found["commanded"].values()) == pytest.approx(HOME)
    assert height_above_table(found["joint"], found["pose"]) == pytest.approx(found["value"], abs=1e-6)
    assert like(picture, RED) > 300
    # The ghost where it was commanded to be: without it the same picture is less blue.
    alone = tmp_path / "alone.png"
    explain(str(CONFIGURATION), "--decision", json.dumps(found), "--out", str(alone))
    assert blueish(picture) > blueish(alone) + 1000


def test_two_links_are_told_apart(tmp_path: Path) -> None:
    picture = tmp_path / "why.png"
    goal = [0.4, 0.5, 0.0, -2.9, 2.4, 0.3, 0.785]
    file = command(tmp_path, goal, 5.0, start={"panda_joint1": 0.4})
    found = explain(str(CONFIGURATION), "--command", file, "--out", str(picture))
    assert (found["code"], len(found["nearest"]["links"])) == ("E_SELF_COLLISION", 2)
    assert found["commanded"]["panda_joint1"] == pytest.approx(0.4)
    assert like(picture, RED) > 300
    assert like(picture, ORANGE) > 300


def test_a_good_trajectory_passes_and_ends_at_its_goal(tmp_path: Path) -> None:
    goal = [0.3, *HOME.tolist()[1:]]
    found = explain(str(CONFIGURATION), "--command", command(tmp_path, goal))
    assert (found["verdict"], found["code"]) == ("PASS", "E_ENDED")
    assert list(found["commanded"].values()) == pytest.approx(goal, abs=1e-3)


def test_a_source_whose_agent_has_to_introduce_itself_is_tried_without(tmp_path: Path) -> None:
    keys = yaml.safe_load(CONFIGURATION.read_text(encoding="utf-8"))
    model = {"name": "cell_policy", "version": "1.2.0", "sha256": "ab" * 32, "stage": "shadow"}
    keys["sources"]["planner"] |= {"public_key": PUBLIC_KEY, "models": [model]}
    file = tmp_path / "introducing.yaml"
    file.write_text(yaml.safe_dump(keys, sort_keys=False), encoding="utf-8")
    found = explain(str(file), "--command", command(tmp_path, [0.3, *HOME.tolist()[1:]]))
    assert (found["verdict"], found["code"]) == ("PASS", "E_ENDED")
    assert any("has to introduce itself" in note for note in found["notes"])


def test_set_points_as_ros2_topic_echo_prints_them(tmp_path: Path) -> None:
    path = tmp_path / "set_point.yaml"
    for shift, expected in ((0.0, ("PASS", "")), (0.5, ("STOP", "E_VELOCITY_LIMIT"))):
        goal = [HOME[0] + shift, *HOME.tolist()[1:]]
        header = {"stamp": {"sec": 0, "nanosec": 0}, "frame_id": ""}
        echoed = {"header": header, "name": JOINTS, "position": [float(q) for q in goal], "velocity": [], "effort": []}
        path.write_text(yaml.safe_dump(echoed) + "---\n")
        found = explain(str(CONFIGURATION), "--command", str(path))
        assert found["verdict"] in (expected[0], "REJECT")
        assert (found["verdict"] == "PASS") == (expected[0] == "PASS"), found
    assert found["rule"].startswith("joint.")


def test_where_people_are_watched_a_command_is_tried_with_nobody_near(tmp_path: Path) -> None:
    shipped = yaml.safe_load(CONFIGURATION.read_text())
    shipped["robot"]["urdf"] = str(load_link_volumes(CONFIGURATION).urdf_path)
    shipped["envelope"]["reduced"] = {"frame_speed": 0.25, "velocity_share": 0.2}
    shipped["separation"] = {
        "latency": 0.1, "timeout": 0.3, "intrusion": 0.1, "sensor_uncertainty": 0.05, "body_radius": 0.3,
    }  # fmt: skip
    watched = tmp_path / "watched.yaml"
    watched.write_text(yaml.safe_dump(shipped))
    goal = [0.3, *HOME.tolist()[1:]]
    found = explain(str(watched), "--command", command(tmp_path, goal))
    assert (found["verdict"], found["code"]) == ("PASS", "E_ENDED")
    assert list(found["commanded"].values()) == pytest.approx(goal, abs=1e-3)
    assert any("nobody was near" in note for note in found["notes"])
    found = explain(str(watched), "--command", command(tmp_path, LOW.tolist()))
    assert (found["verdict"], found["code"]) == ("REJECT", "E_WORKSPACE")


def test_a_policy_server_is_not_asked_about_a_trial_which_says_so(tmp_path: Path) -> None:
    shipped = yaml.safe_load(CONFIGURATION.read_text())
    shipped["robot"]["urdf"] = str(load_link_volumes(CONFIGURATION).urdf_path)
    shipped["policy"] = {"url": "http://127.0.0.1:1/", "uses": ["source"]}
    served = tmp_path / "served.yaml"
    served.write_text(yaml.safe_dump(shipped))
    found = explain(str(served), "--command", command(tmp_path, [0.3, *HOME.tolist()[1:]]))
    assert (found["verdict"], found["code"]) == ("PASS", "E_ENDED")
    assert any("policy server was not asked" in note for note in found["notes"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x: [", "not YAML"),
        ("a: 1", "a command file holds"),
        ("joint_names: [a]\npoints: [{positions: 3, time_from_start: 1.0}]", "no list of numbers"),
        ("joint_names: [a]\npoints: [{positions: [3.0]}]", "time_from_start"),
        ("name: [a]\nposition: [0.0]\nstart: {elbow: 1.0}", "elbow: not among the joints"),
        ("name: [a]\nposition: [0.0]\nstart: {panda_joint2: 1.7, panda_joint4: -0.5}", "can not be started"),
    ],
)
def test_what_is_no_command_is_wrong_use(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(text)
    assert words in refused(str(CONFIGURATION), "--command", str(tmp_path / "x.yaml"))


def test_the_sender_can_be_chosen(tmp_path: Path) -> None:
    file = command(tmp_path, LOW.tolist())
    found = explain(str(CONFIGURATION), "--command", file, "--source", "joystick")
    assert (found["source"], found["code"]) == ("joystick", "E_COMMAND_KIND")
    assert "no source 'nobody'; there are planner, joystick" in refused(
        str(CONFIGURATION), "--command", file, "--source", "nobody"
    )


def test_wrong_use_says_what_is_right(boot: RecordedBoot) -> None:
    assert "give one of" in refused(str(CONFIGURATION))
    assert "give one of" in refused("--log", str(boot.path), "--decision", "{}")
    assert "--line is a line of a log" in refused(str(CONFIGURATION), "--decision", "{}", "--line", "3")
    assert "name its configuration" in refused("--decision", '{"code": "E_X"}')
    result = call("--log", str(boot.path))
    assert (result.exit_code, "not drawn: give --out FILE.png" in result.output) == (0, True)
    helped = call("--help").output
    for words in ("safety-supervisor explain --log", "motion.yaml", "Exit status", "--decision"):
        assert words in helped
