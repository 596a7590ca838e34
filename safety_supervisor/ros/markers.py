"""What RViz and Foxglove show: zones, link volumes by distance, the closest pair, the end of the kept stop, the state.

Each message is whole: every marker that this robot can ever have is in it, to be shown or to be deleted, so that a
viewer that joins late, or misses one, is right again with the next. All of it fades when no more come.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np
import pinocchio as pin
from builtin_interfaces.msg import Duration, Time
from geometry_msgs.msg import Point, Pose, Quaternion, Vector3
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker, MarkerArray

from safety_supervisor.core.geometry.scene import RESERVE
from safety_supervisor.core.settings import Configuration, ZoneKind
from safety_supervisor.core.states.state_table import State
from safety_supervisor.core.units import NS_PER_S, Matrix, Vector
from safety_supervisor.geometry.pose_view import Nearness, PlacedVolume, Viewer
from safety_supervisor.geometry.solids import Solid, edges, solids, surface
from safety_supervisor.geometry.zone_colours import ZONES, Colour
from safety_supervisor.ros.messages import NO_ESTOP

NEAR: Final = 0.02
"""Less room than this beyond its margin, and a volume is yellow, [m]."""
LIFETIME: Final = 2
"""A marker that is not told again fades, [s]: the picture of a supervisor that has died must not stay."""
_AT_REST: Final = 1e-3  # [rad], nearer to its end than this a stop is not worth a ghost

GREEN: Final[Colour] = (0.25, 0.75, 0.3, 0.55)
YELLOW: Final[Colour] = (0.95, 0.8, 0.1, 0.65)
RED: Final[Colour] = (0.9, 0.1, 0.1, 0.8)
GHOST: Final[Colour] = (0.55, 0.6, 0.95, 0.25)
UNKNOWN: Final[Colour] = (0.6, 0.6, 0.6, 0.5)
_LINE: Final[Colour] = (1.0, 1.0, 1.0, 1.0)
_EDGE: Final[Colour] = (0.2, 0.5, 0.95, 0.9)
STATES: Final[dict[str, Colour]] = {
    State.EMERGENCY_STOP.value: RED,
    State.FAULT.value: RED,
    State.STOPPING.value: YELLOW,
    State.PROTECTIVE_STOP.value: YELLOW,
}
"""Colour of the state's name; white for the others."""
_ABOVE: Final = 0.35  # the highest joint, [m]
_UNKNOWN_HEIGHT: Final = 1.2  # where the words are while the robot was not measured, [m]
_EYE: Final = np.eye(3), np.zeros(3)


class Moment(NamedTuple):
    """What moves in the picture.

    Attributes:
        positions: commanded, shape (n,), [rad] or [m]; None while the robot was not measured.
        stop: where the kept stop ends, shape (n,).
        tool: what the robot carries; empty for nothing.
        state: of the supervisor; empty while it is not known.
        rung: of the stop ladder; empty where none was told.
    """

    positions: Vector | None
    stop: Vector | None
    tool: str = ""
    state: str = ""
    rung: str = ""


class MarkerWriter:
    """Builds the markers of one robot."""

    def __init__(self, configuration: Configuration) -> None:
        """Build the scene, and the markers that never change.

        Raises:
            RobotModelError: when the URDF does not have the configured joints and links.
        """
        self._configuration = configuration
        self._viewers = {configuration.robot.tool: Viewer(configuration)}
        self._viewer = self._viewers[configuration.robot.tool]
        self._frame = configuration.robot.base_frame
        self._still: list[Marker] = []
        base = configuration.base
        world = "" if base is None else base.odometry.frame
        # What stands in the world is told in its frame: the viewer's transforms move it.
        self._frames = {
            f"zones/{zone.name}{part}": world for zone in configuration.zones if zone.world for part in ("", "/edges")
        }
        for zone in configuration.zones:
            self._still += self._solid(f"zones/{zone.name}", solids(zone.shape), *_EYE, ZONES[zone.kind])
            if zone.kind is ZoneKind.KEEP_IN:
                self._still.append(self._lines(f"zones/{zone.name}/edges", edges(surface(zone.shape)), _EDGE, 0.004))
        if not configuration.estop.required:
            self._still.append(self._text("estop", NO_ESTOP, np.array([0.0, 0.0, 1.4]), 0.08, RED))
        self._shown: set[tuple[str, int]] = set()
        self._first = True

    def write(self, moment: Moment, clock: int) -> MarkerArray:
        """Return the whole picture.

        Args:
            moment: what moves.
            clock: ROS time, [ns].
        """
        if moment.tool not in self._viewers:
            self._viewers[moment.tool] = Viewer(self._configuration.with_tool(moment.tool))
        self._viewer = self._viewers[moment.tool]
        markers = [*self._still, *self._robot(moment.positions), *self._stop(moment), *self._state(moment)]
        shown = {(marker.ns, marker.id) for marker in markers}
        self._shown |= shown
        gone = [self._marker(*key, Marker.DELETE) for key in sorted(self._shown - shown)]
        # What an earlier supervisor with another configuration has left goes first.
        before = [Marker(action=Marker.DELETEALL)] if self._first else []
        self._first = False
        array = MarkerArray(markers=[*before, *gone, *markers])
        stamp = Time(sec=clock // NS_PER_S, nanosec=clock % NS_PER_S)
        for marker in array.markers:
            marker.header.frame_id, marker.header.stamp = self._frames.get(marker.ns, self._frame), stamp
        return array

    def _robot(self, q: Vector | None) -> list[Marker]:
        """Return the volumes at the commanded pose, or a line from joint to joint, and the closest pair."""
        if q is None:
            return []
        view = self._viewer.look(q)
        markers = self._volumes("links", view.volumes, [_colour(room) for room in view.rooms])
        if not view.volumes:
            markers.append(self._lines("links/bones", self._viewer.bones(q), UNKNOWN, 0.02))
        return markers + ([] if view.nearest is None else self._nearest(view.nearest))

    def _stop(self, moment: Moment) -> list[Marker]:
        """Return the pose in which the kept stop ends, where that is another one."""
        q, end = moment.positions, moment.stop
        if q is None or end is None or np.abs(q - end).max() <= _AT_REST:
            return []
        volumes = self._viewer.place(end)
        if not volumes:
            return [self._lines("stop/bones", self._viewer.bones(end), GHOST, 0.02)]
        return self._volumes("stop", volumes, [GHOST] * len(volumes))

    def _state(self, moment: Moment) -> list[Marker]:
        """Return the words above the robot: the state, and below it the rung of the stop ladder."""
        if not moment.state:
            return []
        q = moment.positions
        height = _UNKNOWN_HEIGHT if q is None else float(self._viewer.bones(q)[..., 2].max()) + _ABOVE
        words = "\n".join(filter(None, (moment.state, moment.rung)))
        colour = STATES.get(moment.state, _LINE)
        return [self._text("state", words, np.array([0.0, 0.0, height]), 0.08, colour)]

    def _nearest(self, nearest: Nearness) -> list[Marker]:
        colour = _LINE if nearest.distance - nearest.margin >= RESERVE else RED
        words = f"{nearest.label}\n{nearest.distance * 1e3:.1f} mm (margin {nearest.margin * 1e3:.1f})"
        place = nearest.points.mean(axis=0) + np.array([0.0, 0.0, 0.06])
        line = self._lines("nearest", nearest.points[None], colour, 0.006)
        return [line, self._text("nearest/text", words, place, 0.03, colour)]

    def _volumes(self, ns: str, volumes: Iterable[PlacedVolume], colours: Sequence[Colour]) -> list[Marker]:
        markers: list[Marker] = []
        for volume, colour in zip(volumes, colours, strict=True):
            name = f"{ns}/{volume.link}"
            start = sum(marker.ns == name for marker in markers)
            markers += self._solid(name, solids(volume.shape), volume.turn, volume.shift, colour, start)
        return markers

    def _solid(
        self, ns: str, parts: Sequence[Solid], turn: Matrix, shift: Vector, colour: Colour, start: int = 0
    ) -> list[Marker]:
        markers = []
        for number, part in enumerate(parts, start):
            marker = self._marker(ns, number, Marker.ADD, colour)
            marker.type = _TYPES[part.kind]
            marker.pose = _pose(turn @ part.turn, turn @ part.centre + shift)
            x, y, z = part.size.tolist()
            marker.scale = Vector3(x=x, y=y, z=z)
            marker.points = _points(part.triangles.reshape(-1, 3))
            markers.append(marker)
        return markers

    def _lines(self, ns: str, lines: Matrix, colour: Colour, width: float) -> Marker:
        """Return lines, shape (k, 2, 3), [m]."""
        marker = self._marker(ns, 0, Marker.ADD, colour)
        marker.type, marker.scale.x = Marker.LINE_LIST, width
        marker.points = _points(lines.reshape(-1, 3))
        return marker

    def _text(self, ns: str, words: str, place: Vector, height: float, colour: Colour) -> Marker:
        marker = self._marker(ns, 0, Marker.ADD, colour)
        marker.type, marker.text, marker.scale.z = Marker.TEXT_VIEW_FACING, words, height
        marker.pose.position = _points(place[None])[0]
        return marker

    def _marker(self, ns: str, number: int, action: int, colour: Colour = _LINE) -> Marker:
        marker = Marker(ns=ns, id=number, action=action, lifetime=Duration(sec=LIFETIME))
        marker.pose.orientation.w = 1.0
        marker.color = ColorRGBA(r=colour[0], g=colour[1], b=colour[2], a=colour[3])
        return marker


_TYPES: Final[dict[str, int]] = {
    "sphere": Marker.SPHERE,
    "cylinder": Marker.CYLINDER,
    "box": Marker.CUBE,
    "triangles": Marker.TRIANGLE_LIST,
}


def _colour(room: float) -> Colour:
    """Return red where commands are refused, yellow near it, grey where no pair is measured, or nothing is known."""
    if not np.isfinite(room):
        return UNKNOWN
    return RED if room < RESERVE else YELLOW if room < NEAR else GREEN


def _pose(turn: Matrix, shift: Vector) -> Pose:
    (px, py, pz), (x, y, z, w) = shift.tolist(), pin.Quaternion(turn).coeffs().tolist()
    return Pose(position=Point(x=px, y=py, z=pz), orientation=Quaternion(x=x, y=y, z=z, w=w))


def _points(points: Matrix) -> list[Point]:
    return [Point(x=x, y=y, z=z) for x, y, z in points.tolist()]
