"""The picture in RViz and Foxglove: from the writer alone, and from a running supervisor."""

from __future__ import annotations

import itertools
import os
import signal
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import msgspec
import numpy as np
import pinocchio as pin
import pytest
from ros_rig import HOME, JOINTS, LATCHED, Client, Process, Rig, children_of, is_alive
from visualization_msgs.msg import Marker, MarkerArray

from safety_supervisor import load_config
from safety_supervisor.config.link_volumes import load_link_volumes
from safety_supervisor.core.estop_settings import EstopSettings
from safety_supervisor.core.geometry.shapes import Capsule, Polytope
from safety_supervisor.core.settings import Configuration, GeometrySettings
from safety_supervisor.geometry.kinematics import Kinematics
from safety_supervisor.ros.frames import PaintRequest
from safety_supervisor.ros.markers import GHOST, GREEN, LIFETIME, RED, YELLOW, MarkerWriter, Moment
from safety_supervisor.ros.painting import Painting

CONFIGURATION = Path(__file__).parents[2] / "config" / "panda.yaml"
LOW = np.array([0.0, 0.65, 0.0, -2.2, 0.0, 2.85, 0.785])
"""The hand reaches into the table."""


@pytest.fixture(scope="module")
def configuration() -> Configuration:
    return load_config(CONFIGURATION)


def colours(array: MarkerArray) -> dict[str, tuple[float, ...]]:
    """Colour of each name space of markers that are shown."""
    return {
        marker.ns: tuple(round(value, 3) for value in (marker.color.r, marker.color.g, marker.color.b, marker.color.a))
        for marker in array.markers
        if marker.action == Marker.ADD
    }


def keys(array: MarkerArray, action: int) -> list[tuple[str, int]]:
    return [(marker.ns, marker.id) for marker in array.markers if marker.action == action]


def texts(array: MarkerArray) -> str:
    return "\n".join(marker.text for marker in array.markers)


def test_volumes_stand_where_other_kinematics_puts_them(configuration: Configuration) -> None:
    robot = load_link_volumes(CONFIGURATION)
    other = Kinematics(robot.urdf, robot.tree, robot.locked)
    array = MarkerWriter(configuration).write(Moment(LOW, LOW), 7)
    placed = other.placements(dict(zip(JOINTS, LOW.tolist(), strict=True)))
    checked = set()
    for link, shapes in configuration.geometry.volumes.items():
        turn, shift = placed[link]
        drawn = [marker for marker in array.markers if marker.ns == f"links/{link}"]
        shape = shapes[0]
        if isinstance(shape, Capsule):
            ball = next(marker for marker in drawn if marker.type == Marker.SPHERE).pose.position
            assert np.allclose([ball.x, ball.y, ball.z], turn @ np.array(shape.start) + shift, atol=1e-9), link
            checked.add(link)
        elif all(isinstance(one, Polytope) for one in shapes):
            corners = [turn @ np.array(corner) + shift for one in shapes for corner in one.vertices]
            points = [point for marker in drawn for point in corners_of(marker)]
            assert np.allclose(np.min(points, axis=0), np.min(corners, axis=0), atol=1e-9), link
            assert np.allclose(np.max(points, axis=0), np.max(corners, axis=0), atol=1e-9), link
            checked.add(link)
    assert checked == set(configuration.geometry.volumes)


def corners_of(marker: Marker) -> list[np.ndarray]:
    """Corners of drawn triangles in the base frame."""
    at, q = marker.pose.position, marker.pose.orientation
    turn = pin.Quaternion(q.w, q.x, q.y, q.z).toRotationMatrix()
    return [turn @ np.array([c.x, c.y, c.z]) + np.array([at.x, at.y, at.z]) for c in marker.points]


def test_colours_tell_how_near_a_volume_is(configuration: Configuration) -> None:
    writer = MarkerWriter(configuration)
    home = writer.write(Moment(np.array(HOME), np.array(HOME)), 0)
    seen = colours(home)
    assert seen["links/panda_link2"] == GREEN
    assert RED not in [colour for name, colour in seen.items() if name.startswith("links/")]
    # On the way down to the table the finger is far, near, too near: each once, in this order.
    down = [np.array(HOME) + share * (LOW - np.array(HOME)) for share in np.linspace(0.0, 1.0, 200)]
    finger = [colours(writer.write(Moment(q, q), 0))["links/panda_leftfinger"] for q in down]
    assert [colour for colour, _ in itertools.groupby(finger)] == [GREEN, YELLOW, RED]
    low = writer.write(Moment(LOW, LOW), 0)
    seen = colours(low)
    assert seen["links/panda_leftfinger"] == RED
    assert seen["links/panda_link2"] == GREEN
    # The finger's lowest point, by other kinematics, is so far below the table.
    robot = load_link_volumes(CONFIGURATION)
    placed = Kinematics(robot.urdf, robot.tree, robot.locked).placements(dict(zip(JOINTS, LOW.tolist(), strict=True)))
    depths = []
    for link in ("panda_leftfinger", "panda_rightfinger"):
        turn, shift = placed[link]
        for shape in configuration.geometry.volumes[link]:
            depths += [float((turn @ np.array(corner) + shift)[2]) for corner in shape.vertices]
    assert f"finger - zones.table\n{min(depths) * 1e3:.1f} mm (margin " in texts(low)


def test_every_message_is_whole_and_deletes_what_is_not_shown(configuration: Configuration) -> None:
    writer, rest, stop = MarkerWriter(configuration), np.array(HOME), np.array(HOME) + 0.1
    arrays = [writer.write(Moment(*moment), 3_000_000_005) for moment in ((rest, stop), (rest, rest), (None, None))]
    everything = set(keys(arrays[0], Marker.ADD))
    assert keys(arrays[0], Marker.DELETEALL) == [("", 0)]  # what an earlier supervisor left
    ghost = {key for key in everything if key[0].startswith("stop/")}
    assert len(ghost) > 10
    assert {colours(arrays[0])[name] for name, _ in ghost} == {GHOST}
    for array in arrays:
        shown, gone = keys(array, Marker.ADD), keys(array, Marker.DELETE)
        assert len(set(shown)) == len(shown)
        assert set(shown) | set(gone) == everything
        assert all((m.header.frame_id, m.header.stamp.nanosec) == ("panda_link0", 5) for m in array.markers)
    assert set(keys(arrays[1], Marker.DELETE)) == ghost
    assert {name.partition("/")[0] for name, _ in keys(arrays[2], Marker.ADD)} == {"zones"}


@pytest.mark.requirement("SR-034")
@pytest.mark.parametrize(
    ("state", "rung", "words", "colour"),
    [
        ("STOPPING", "lower", "STOPPING\nlower", YELLOW),
        ("EMERGENCY_STOP", "off", "EMERGENCY_STOP\noff", RED),
        ("AUTO/MOVING", "", "AUTO/MOVING", (1.0, 1.0, 1.0, 1.0)),
        ("", "", None, None),
    ],
)
def test_the_state_and_the_rung_of_the_ladder_stand_above_the_robot(
    configuration: Configuration, state: str, rung: str, words: str | None, colour: tuple[float, ...] | None
) -> None:
    array = MarkerWriter(configuration).write(Moment(np.array(HOME), np.array(HOME), "", state, rung), 0)
    drawn = [marker for marker in array.markers if marker.ns == "state"]
    assert [marker.text for marker in drawn] == ([] if words is None else [words])
    if words is None:
        return
    assert colours(array)["state"] == colour
    highest = max(
        point[2] for marker in array.markers if marker.ns.startswith("links/") for point in corners_of(marker)
    )
    assert highest < drawn[0].pose.position.z < highest + 0.6, "above it, and not far"


def test_the_control_process_hands_state_and_rung_on_to_the_painter() -> None:
    sent: list[bytes] = []
    child = SimpleNamespace(pid=1, backlog=0, send=sent.append)
    painting = Painting.__new__(Painting)
    painting.__dict__.update(
        _child=child, _picture=None, _asked=0, _due=0, _starts=1, _encoder=msgspec.msgpack.Encoder(),
        _publisher=SimpleNamespace(get_subscription_count=lambda: 1),
    )  # fmt: skip
    row = np.array(HOME)
    assert painting.slice(1, (row, row), False, "", ("STOPPING", "damp"))
    request = msgspec.msgpack.Decoder(PaintRequest).decode(sent[0])
    assert (request.state, request.rung) == ("STOPPING", "damp")


def test_a_missing_estop_is_written_and_a_robot_without_volumes_has_bones(configuration: Configuration) -> None:
    assert "NO E-STOP" not in texts(MarkerWriter(configuration).write(Moment(None, None), 0))
    bare = replace(
        configuration,
        estop=EstopSettings("none"),
        geometry=GeometrySettings({}, frozenset(), 0.0),
    )
    array = MarkerWriter(bare).write(Moment(LOW, LOW + 0.1), 0)
    assert "NO E-STOP DEVICE" in texts(array)
    assert {"links/bones", "stop/bones", "nearest"} <= set(colours(array))


# --- a running supervisor


class Viewer:
    """Looks as RViz does: it joins late and keeps what it was told last."""

    def __init__(self, client: Client) -> None:
        self.newest = MarkerArray()
        self.count = 0
        client.node.create_subscription(MarkerArray, "/supervisor/markers", self._see, LATCHED)

    def _see(self, array: MarkerArray) -> None:
        self.newest = array
        self.count += 1

    def position(self, ns: str) -> np.ndarray:
        found = next(m for m in self.newest.markers if m.ns == ns and m.action == Marker.ADD).pose.position
        return np.array([found.x, found.y, found.z])

    def shows(self, ns: str) -> bool:
        return any(name.startswith(ns) for name, _ in keys(self.newest, Marker.ADD))


@pytest.fixture(scope="module")
def running(cell_rig: Rig) -> tuple[Client, Viewer, Process]:
    process = cell_rig.supervisor()
    client = cell_rig.client()
    client.wait_state("LOCKED", timeout=60.0)
    return client, Viewer(client), process


def test_a_viewer_sees_zones_links_and_the_stop_of_a_motion(running: tuple[Client, Viewer, Process]) -> None:
    client, viewer, _ = running
    client.wait_for(lambda: viewer.shows("links/panda_hand"), "markers", timeout=60.0)
    client.wait_for(lambda: "LOCKED" in texts(viewer.newest), "the state, above the robot")
    assert {"zones/cell", "zones/table", "zones/cabinet", "nearest", "estop"} <= set(colours(viewer.newest))
    assert all(m.lifetime.sec == LIFETIME for m in viewer.newest.markers if m.action == Marker.ADD)
    assert not viewer.shows("stop/")
    before = viewer.position("links/panda_hand")
    swing(client, travel=1.0)
    client.wait_for(lambda: viewer.shows("stop/"), "the end of the kept stop")
    client.wait_for(lambda: np.linalg.norm(viewer.position("links/panda_hand") - before) > 0.05, "the hand moves")
    client.wait_state(*RESTING, timeout=20.0)
    client.wait_for(lambda: not viewer.shows("stop/"), "no stop at rest")
    assert ("stop/panda_hand", 0) in keys(viewer.newest, Marker.DELETE)


RESTING = ("AUTO/HOLDING", "LOCKED")
"""A starved machine may stop a good motion; whether it does is not asked here."""


def swing(client: Client, travel: float) -> None:
    """Arm where that is needed, and begin to turn joint 1."""
    for attempt in range(3):
        client.wait_state(*RESTING)
        if client.state == "LOCKED":
            client.arm()
        try:
            return client.play(travel=travel, seconds=4.0)
        except AssertionError:
            if attempt == 2 or client.state != "LOCKED":
                raise


def painters(process: Process) -> list[int]:
    """Return the painter processes of a supervisor."""
    return [
        pid for pid in children_of(process.process.pid) if b"ros.painter" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]


def test_the_robot_moves_on_without_its_painter_and_gets_another_in_locked(
    running: tuple[Client, Viewer, Process],
) -> None:
    client, viewer, process = running
    (painter,) = painters(process)
    if client.state == "LOCKED":
        client.arm()
    os.kill(painter, signal.SIGKILL)
    client.wait_for(lambda: client.status["markers"].startswith("off"), "the loss is told")
    swing(client, travel=-1.0)
    client.call("/supervisor/stop")
    client.wait_state("LOCKED")
    seen = viewer.count
    client.wait_for(lambda: viewer.count > seen, "markers again", timeout=60.0)
    assert client.status["markers"] == "shown"
    (painter,) = painters(process)
    process.send(signal.SIGKILL)
    client.wait_for(lambda: not is_alive(painter), "the painter ends with its parent")
