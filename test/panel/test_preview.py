"""What is found of a command that waits, before it is drawn. No browser, no ROS; Pinocchio judges the poses."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pinocchio as pin
import pytest

from safety_supervisor.acts.deciding import LONGEST_TEXT
from safety_supervisor.config import load_config
from safety_supervisor.core.geometry.scene import RESERVE
from safety_supervisor.core.geometry.shapes import Box
from safety_supervisor.core.policy.verdict import Approve
from safety_supervisor.core.settings import Configuration, Zone, ZoneKind
from safety_supervisor.core.units import NS_PER_S
from safety_supervisor.geometry.distances import signed_distances
from safety_supervisor.panel.picture import draw_preview
from safety_supervisor.panel.preview import MOST_FRAMES, Preview, Previewer
from safety_supervisor.panel.waiting_motion import PreviewError, read_motion

pytestmark = [pytest.mark.requirement("SR-022"), pytest.mark.redteam(55)]
FOLDER = Path(__file__).parents[2] / "config"
CASES = {
    "panda": ("arm", {"panda_joint1": 0.5, "panda_joint4": 0.3}, ("panda_link3", "panda_link7", "panda_hand")),
    "g1": (
        "left_arm",
        {"left_shoulder_pitch_joint": -0.6},
        ("left_rubber_hand", "torso_link", "right_ankle_roll_link"),
    ),
}
"""Robot: the group that moves, by how much, and links that are looked at."""


@cache
def previewer(robot: str) -> tuple[Configuration, Previewer]:
    configuration = load_config(FOLDER / f"{robot}.yaml")
    return configuration, Previewer(configuration)


def at_rest(configuration: Configuration) -> dict[str, float]:
    assert configuration.robot.start is not None
    return dict(zip(configuration.robot.joints, map(float, configuration.robot.start), strict=True))


def command(configuration: Configuration, group: str, by: dict[str, float], seconds: float = 2.0) -> dict[str, Any]:
    """From the start pose to another one, from rest to rest in one quintic."""
    joints = [configuration.robot.joints[index] for index in configuration.robot.groups[group]]
    start = [at_rest(configuration)[joint] for joint in joints]
    rest = [[0.0] * len(joints)]
    return {
        "source": "planner", "command": "cup", "groups": [group], "joints": joints, "from": start,
        "times_ns": [round(seconds * NS_PER_S)], "velocities": rest, "accelerations": rest,
        "positions": [[at + by.get(joint, 0.0) for joint, at in zip(joints, start, strict=True)]],
    }  # fmt: skip


def written(said: dict[str, Any]) -> str:
    return json.dumps(said, sort_keys=True, separators=(",", ":"))


def told(configuration: Configuration, said: dict[str, Any] | str, **changes: str) -> dict[str, str]:
    """Return what `~/interventions` would tell of it; a text is taken as it is."""
    text = said if isinstance(said, str) else written(said)
    top = 0.0
    if not isinstance(said, str):
        ways = np.abs(np.array(said["positions"][0]) - np.array(said["from"]))
        top = 1.875 * float(ways.max()) * NS_PER_S / max(said["times_ns"][-1], 1)
    return {
        "kind": "command", "id": "w1", "source": "planner", "epoch": "7", "zones": "", "joint_speed": f"{top:g}",
        "configuration_sha256": configuration.sha256, "command": text,
        "command_sha256": hashlib.sha256(text.encode()).hexdigest(),
    } | changes  # fmt: skip


def made(robot: str, **changes: Any) -> tuple[Configuration, Preview]:
    configuration, maker = previewer(robot)
    group, by, _ = CASES[robot]
    said = command(configuration, group, by)
    return configuration, maker.make(told(configuration, said), "", at_rest(configuration), **changes)


@pytest.mark.parametrize("robot", CASES)
def test_every_pose_is_that_of_pinocchio_on_a_quintic(robot: str) -> None:
    configuration, preview = made(robot)
    group, by, links = CASES[robot]
    said = written(command(configuration, group, by))
    assert preview.sha256 == hashlib.sha256(said.encode()).hexdigest()
    model = pin.buildModelFromXML(configuration.robot.urdf)
    data = model.createData()
    viewer = previewer(robot)[1].viewer("")
    base = model.getFrameId(configuration.robot.base_frame, pin.FrameType.BODY)
    assert len(preview.times) == len(preview.poses) <= MOST_FRAMES
    assert preview.times[0] == 0.0
    assert preview.times[-1] == pytest.approx(2.0)
    for time, pose in zip(preview.times, preview.poses, strict=True):
        u = time / 2.0
        q = pin.neutral(model)
        for joint, start in at_rest(configuration).items():
            at = start + by.get(joint, 0.0) * (10 * u**3 - 15 * u**4 + 6 * u**5)
            assert pose[configuration.robot.joints.index(joint)] == pytest.approx(at, abs=1e-9)
            q[model.joints[model.getJointId(joint)].idx_q] = at
        pin.framesForwardKinematics(model, data, q)
        placed = {volume.link: volume for volume in viewer.place(pose)}
        for link in links:
            frame = model.getFrameId(link, pin.FrameType.BODY)
            expected = data.oMf[base].inverse() * data.oMf[frame]
            assert np.allclose(placed[link].turn, expected.rotation, atol=1e-9)
            assert np.allclose(placed[link].shift, expected.translation, atol=1e-9)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("robot", CASES)
def test_the_nearest_pair_is_where_it_is_drawn_and_as_far_as_is_told(robot: str) -> None:
    _, preview = made(robot)
    viewer = previewer(robot)[1].viewer("")
    assert preview.worst is not None
    rooms = [near.distance - near.margin for near in preview.near if near is not None]
    assert len(rooms) == len(preview.times)
    assert rooms[preview.worst] == min(rooms)
    for pose, near in zip(preview.poses, preview.near, strict=True):
        assert near is not None
        assert np.linalg.norm(near.points[0] - near.points[1]) == pytest.approx(abs(near.distance), abs=1e-4)
        placed = [one for one in viewer.place(pose) if one.link == near.label.split(" - ")[0]]
        on = [signed_distances(one.shape, (near.points[0] - one.shift) @ one.turn) for one in placed]
        assert min(map(abs, on)) < 1e-3
    # What lies near by itself is not this command's matter.
    links = [volume.link for volume in viewer.place(preview.poses[0])]
    moving = {link for link, moves in zip(links, preview.moves, strict=True) if moves}
    assert all(moving & set(near.label.split(" - ")) for near in preview.near if near)
    # Nothing comes nearer between the poses that are drawn, by distances at five times as many.
    least = min(
        float((viewer.scene.distances(pose) - viewer.scene.margins)[pairs_that_move(viewer, preview)].min())
        for first, last in zip(preview.poses, preview.poses[1:], strict=False)
        for pose in np.linspace(first, last, 6)
    )
    assert least >= min(rooms) - 2e-4


def pairs_that_move(viewer: Any, preview: Preview) -> np.ndarray[Any, Any]:
    whole = np.array([viewer.scene.distances(pose) for pose in preview.poses])
    return np.flatnonzero(np.ptp(whole, axis=0) > 1e-4)


def test_what_moves_is_told_from_what_stays_and_how_far_it_goes() -> None:
    _, preview = made("g1")
    links = [volume.link for volume in previewer("g1")[1].viewer("").place(preview.poses[0])]
    moving = {link for link, moves in zip(links, preview.moves, strict=True) if moves}
    assert moving == {
        link
        for link in links
        if link.startswith("left_") and not any(part in link for part in ("hip", "knee", "ankle"))
    }
    # A point of the hand turns by 0.6 rad about the shoulder.
    way = float(np.linalg.norm(np.diff(preview.trace, axis=0), axis=1).sum())
    assert f"{way:.2f} m of way" in preview.lines[1]
    assert 0.6 * 0.25 < way < 0.6 * 0.6
    moves = "2.00 s; 1 joint of 7 move, left_shoulder_pitch_joint by 0.60 rad or m; "
    assert preview.lines[0] == moves + f"joints up to {1.875 * 0.3:.3f} rad/s or m/s"
    assert preview.notes == ()


def test_another_hash_another_text_or_another_configuration_is_not_drawn() -> None:
    configuration, maker = previewer("panda")
    said = command(configuration, "arm", {"panda_joint1": 0.5})
    good = told(configuration, said)
    assert read_motion(configuration, good).sha256 == good["command_sha256"]
    farther = json.loads(good["command"])
    farther["positions"][0][0] += 0.1
    spaced = json.dumps(said, sort_keys=True)
    for changes, words in (
        ({"command_sha256": "0" * 64}, "not what the supervisor holds"),
        ({"command_sha256": ""}, "not what the supervisor holds"),
        ({"command": told(configuration, farther)["command"]}, "not what the supervisor holds"),
        ({"command": spaced, "command_sha256": hashlib.sha256(spaced.encode()).hexdigest()}, "canonical"),
        ({"configuration_sha256": "0" * 64}, "another configuration"),
        ({"source": "joystick"}, "contradicts"),
    ):
        with pytest.raises(PreviewError, match=words):
            maker.make(good | changes, "", {})


Change = Callable[[dict[str, Any]], Any]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c["positions"][0].pop(), "not whole"),
        (lambda c: c["from"].pop(), "not whole"),
        (lambda c: c.pop("times_ns"), "not whole"),
        (lambda c: c.update(joints=["elsewhere", *c["joints"][1:]]), "does not have"),
        (lambda c: c.update(joints=c["joints"][::-1]), "order"),
        (lambda c: c.update(groups=["legs"]), "does not have"),
        (lambda c: c.update(groups=[["arm"]]), "does not have"),
        (lambda c: c.update(groups=["arm", "arm"]), "not those of its groups"),
        (lambda c: c.update(groups="arm"), "does not have"),
        (lambda c: c.update(command=7), "source"),
        (lambda c: c.update(times_ns=[-1]), "times"),
        (lambda c: c.update(times_ns=[10**30]), "times"),
        (lambda c: c.update({k: c[k] * 2 for k in ("times_ns", "positions", "velocities", "accelerations")}), "times"),
        (lambda c: c["positions"][0].__setitem__(0, 1e300), "position limits"),
        (lambda c: c["from"].__setitem__(0, 1e300), "position limits"),
        (lambda c: c.update(velocities=None), "without velocities"),
        (lambda c: c["velocities"][0].__setitem__(0, 0.5), "E_END_VELOCITY"),
        (lambda c: c["velocities"][0].__setitem__(0, 1e308), "E_END_VELOCITY"),
    ],
)  # fmt: skip
def test_a_command_that_is_not_one_is_not_drawn(change: Change, words: str) -> None:
    configuration, maker = previewer("panda")
    said = command(configuration, "arm", {"panda_joint1": 0.5})
    change(said)
    with pytest.raises(PreviewError, match=words):
        maker.make(told(configuration, written(said)), "", {})


@pytest.mark.parametrize("text", ["", "{", "null", "[]", "[" * 100_000, '{"a":NaN}', "7"])
def test_a_text_that_is_no_command_is_not_drawn(text: str) -> None:
    configuration, maker = previewer("panda")
    with pytest.raises(PreviewError):
        maker.make(told(configuration, text), "", {})


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999", "-1e999"])
def test_a_number_that_is_none_is_not_drawn(number: str) -> None:
    configuration, maker = previewer("panda")
    text = told(configuration, command(configuration, "arm", {"panda_joint1": 0.5}))["command"]
    for place in ("positions", "velocities", "accelerations"):
        begin = text.index(f'"{place}":[[') + len(f'"{place}":[[')
        broken = text[:begin] + number + text[text.index(",", begin) :]
        with pytest.raises(PreviewError):
            maker.make(told(configuration, broken), "", {})


def many(configuration: Configuration, count: int, seconds: float) -> dict[str, Any]:
    """Positions alone, in so many points."""
    said = command(configuration, "arm", {"panda_joint1": 0.5})
    start, end = np.array(said["from"]), np.array(said["positions"][0])
    rows = [(start + (end - start) * (i + 1) / count).tolist() for i in range(count)]
    times = [round((i + 1) * seconds * NS_PER_S / count) for i in range(count)]
    return said | {"positions": rows, "times_ns": times, "velocities": None, "accelerations": None}


def test_what_is_drawn_is_bounded() -> None:
    configuration, maker = previewer("panda")
    for count, seconds in ((700, 60.0), (1, 0.004), (1, 60.0)):
        preview = maker.make(told(configuration, many(configuration, count, seconds)), "", {})
        assert 2 <= len(preview.times) <= MOST_FRAMES
        assert preview.times[-1] == pytest.approx(seconds)
        assert len(json.dumps(draw_preview(configuration, maker.viewer(""), preview))) < 300_000
    with pytest.raises(PreviewError, match="numbers"):
        maker.make(told(configuration, many(configuration, 800, 60.0)), "", {})
    with pytest.raises(PreviewError, match="characters"):
        maker.make(told(configuration, " " * (LONGEST_TEXT + 1)), "", {})


def test_joints_whose_place_nobody_knows_are_not_guessed() -> None:
    configuration, maker = previewer("g1")
    group, by, _ = CASES["g1"]
    waits, known = told(configuration, command(configuration, group, by)), at_rest(configuration)
    for missing in (
        {},
        {k: v for k, v in known.items() if k != "left_knee_joint"},
        known | {"left_knee_joint": math.nan},
    ):
        with pytest.raises(PreviewError, match="not known where"):
            maker.make(waits, "", missing)
    bent = maker.make(waits, "", known | {"left_knee_joint": 0.5})
    assert set(bent.poses[:, configuration.robot.joints.index("left_knee_joint")]) == {0.5}
    with pytest.raises(PreviewError, match="tool"):
        maker.make(waits, "screwdriver", known)


def test_what_does_not_fit_is_said() -> None:
    configuration, maker = previewer("panda")
    said = command(configuration, "arm", {"panda_joint1": 0.5})
    slow = maker.make(told(configuration, said, joint_speed="0.1"), "", {})
    assert "told that joints reach 0.1" in slow.notes[0]
    assert "told that joints reach nan" in maker.make(told(configuration, said, joint_speed="fast"), "", {}).notes[0]
    beside = maker.make(told(configuration, said), "", at_rest(configuration) | {"panda_joint2": 0.0})
    assert "panda_joint2 is measured" in beside.notes[0]
    assert maker.make(told(configuration, said), "", at_rest(configuration)).notes == ()


def test_a_restricted_zone_that_is_entered_is_said_and_whether_it_is_asked_for() -> None:
    configuration, _ = previewer("panda")
    press = Zone(
        "press",
        ZoneKind.RESTRICTED,
        Box((0.25, 0.35, 0.5), (0.3, 0.3, 0.6)),
        (),
        0.01,
        approval=Approve("press", 1, 30),
    )
    restricted = replace(configuration, zones=(*configuration.zones, press))
    maker, said = Previewer(restricted), command(restricted, "arm", {"panda_joint1": 0.9}, 3.0)
    asked = maker.make(told(restricted, said, zones="press"), "", {})
    assert asked.notes[0].startswith("ENTERS the restricted zone press at ")
    # It is the first moment at which the zone's margin is not kept, by distances along the quintic.
    scene = maker.viewer("").scene
    mine = [index for index, pair in enumerate(scene.pairs) if pair.rule == "zones.press"]

    def room(time: float) -> float:
        u = time / 3.0
        q = np.array([at_rest(restricted)[joint] for joint in restricted.robot.joints])
        q[restricted.robot.joints.index("panda_joint1")] += 0.9 * (10 * u**3 - 15 * u**4 + 6 * u**5)
        return float((scene.distances(q) - scene.margins)[mine].min())

    told_at = float(asked.notes[0].split()[-2])
    assert 0.2 < told_at < 2.8
    assert room(told_at + 0.01) < RESERVE
    assert all(room(time) > 0.0 for time in np.arange(0.0, told_at - 0.02, 0.01))
    assert "does not ask" not in asked.notes[0]
    assert all("press" not in near.label for near in asked.near if near is not None)
    assert "does not ask that it is opened" in maker.make(told(restricted, said), "", {}).notes[0]


def test_what_comes_too_near_is_said_where_it_does() -> None:
    configuration, maker = previewer("panda")
    preview = maker.make(
        told(configuration, command(configuration, "arm", {"panda_joint1": 0.8, "panda_joint2": 0.9})), "", {}
    )
    assert "TOO NEAR" in preview.lines[2]
    picture = draw_preview(configuration, maker.viewer(""), preview)
    assert preview.worst is not None
    assert picture["pairs"][preview.worst]["close"]
    assert not picture["pairs"][0]["close"]
    assert {len(frame) for frame in picture["frames"]} == {7 * len(picture["bodies"])}
    assert {zone["name"] for zone in picture["zones"]} == {zone.name for zone in configuration.zones}
    for frame, pair, pose, near in zip(picture["frames"], picture["pairs"], preview.poses, preview.near, strict=True):
        shifts = [volume.shift for volume in maker.viewer("").place(pose)]
        assert np.allclose(np.array(frame).reshape(-1, 7)[:, :3], shifts, atol=1e-4)
        assert near is not None
        assert np.allclose(pair["ends"], near.points.reshape(-1), atol=1e-4)
    json.dumps(picture, allow_nan=False)
