"""What a command that waits would do, found from the very text that is approved. Pure: no page, no ROS, no time.

Drawn is the core's own spline of the core's own points (`waiting_motion`), with its kinematics, volumes and distances.
Whatever is wrong, or not known, is a `PreviewError`: then nothing is drawn, and nobody approves on a guess.

Requirement: SR-022; REDTEAM 55.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from safety_supervisor.core.errors import Violation
from safety_supervisor.core.geometry.mimic import RobotModelError
from safety_supervisor.core.geometry.scene import RESERVE
from safety_supervisor.core.interventions.interventions import DEPARTURE
from safety_supervisor.core.motion.trajectory import PlannedTrajectory
from safety_supervisor.core.motion.trajectory_job import plan
from safety_supervisor.core.settings import Configuration, ZoneKind
from safety_supervisor.core.units import NS_PER_S, Matrix, Vector
from safety_supervisor.geometry.pose_view import PlacedVolume, Viewer
from safety_supervisor.geometry.tessellation import tessellate
from safety_supervisor.panel.waiting_motion import FARTHEST, Motion, PreviewError, read_motion

MOST_FRAMES: Final = 60
"""Poses that are drawn."""
MOST_SAMPLES: Final = 600
"""Poses at which distances are asked, those that are drawn among them."""
MOST_SPEEDS: Final = 20_000
"""Moments at which the joints' speeds are asked."""
_MOVES: Final = 1e-3  # [m], and of a rotation matrix: what changes less stays where it is
_APPROACH: Final = 1e-4  # [m], bodies that can not approach each other by more do not
_CHUNK: Final = 2048


class Near(NamedTuple):
    """The pair of bodies with the least room at a moment.

    Attributes:
        label: both bodies.
        distance: between them, [m], negative where they penetrate.
        margin: what it has to exceed, [m].
        points: nearest points of both, shape (2, 3), [m], base frame.
    """

    label: str
    distance: float
    margin: float
    points: Matrix

    def __str__(self) -> str:
        """In one line."""
        return f"{self.label}: {self.distance * 1e3:.1f} mm, has to be more than {self.margin * 1e3:.1f} mm"


class Preview(NamedTuple):
    """All that is drawn, and the numbers beside it; lengths in [m], times in [s], base frame.

    Attributes:
        sha256: of the text that it was made of.
        times: of the poses that are drawn, shape (f,), from 0 to the end.
        poses: of all joints, shape (f, n), [rad] or [m].
        near: at each of them; None: no pair, or a distance that is not known.
        worst: the one of them with the least room; None where nothing is near.
        moves: of each volume, in the order of `Viewer.place`, whether it does.
        trace: way of the point that goes farthest, shape (f, 3).
        lines: what a person reads first.
        notes: what is strange or not known; each is to be read before approving.
    """

    sha256: str
    times: Vector
    poses: Matrix
    near: tuple[Near | None, ...]
    worst: int | None
    moves: tuple[bool, ...]
    trace: Matrix
    lines: tuple[str, ...]
    notes: tuple[str, ...]


class Previewer:
    """Makes previews for one robot.

    Args:
        configuration: of the robot.
    """

    def __init__(self, configuration: Configuration) -> None:
        """Build kinematics and scene, as the verifier does; those of a tool when it is first carried.

        Raises:
            RobotModelError: when the URDF does not have the configured joints and links.
        """
        self._configuration = configuration
        self._viewers: dict[str, Viewer] = {}
        self.viewer(configuration.robot.tool)

    def viewer(self, tool: str) -> Viewer:
        """Return what places the volumes while the robot carries a tool, empty for none.

        Raises:
            PreviewError: the configuration has no such tool, or it does not fit the robot.
        """
        if tool not in self._viewers:
            if tool and tool not in self._configuration.tools:
                raise PreviewError("the robot carries a tool that the configuration does not have")
            try:
                self._viewers[tool] = Viewer(self._configuration.with_tool(tool))
            except RobotModelError as error:
                raise PreviewError(f"the robot can not be drawn: {error}") from error
        return self._viewers[tool]

    def pose(self, positions: Mapping[str, float]) -> Vector:
        """Return a whole pose, shape (n,), from where each joint is, by name, [rad] or [m].

        Raises:
            PreviewError: a joint is not known.
        """
        joints = self._configuration.robot.joints
        where = np.array([positions.get(joint, np.nan) for joint in joints], dtype=np.float64)
        unknown = [joint for joint, ok in zip(joints, np.abs(where) <= FARTHEST, strict=True) if not ok]
        if unknown:
            others = f" and {len(unknown) - 3} more" if len(unknown) > 3 else ""
            raise PreviewError(f"it is not known where {', '.join(unknown[:3])}{others} is: joint_states is not heard")
        return where

    def make(self, told: Mapping[str, str], tool: str, measured: Mapping[str, float]) -> Preview:
        """Make the preview of a command that waits.

        Args:
            told: as `~/interventions` tells it.
            tool: that the robot carries, empty for none.
            measured: where each joint is, by name, [rad] or [m]; needed of those that the command leaves alone.

        Raises:
            PreviewError: see the module.
        """
        motion, viewer = read_motion(self._configuration, told), self.viewer(tool)
        names = tuple(self._configuration.robot.joints[index] for index in motion.points.indices.tolist())
        own = dict(zip(names, motion.start.tolist(), strict=True))
        begin = self.pose({**measured, **own})
        state = np.stack([motion.start, np.zeros_like(motion.start), np.zeros_like(motion.start)])
        spline = plan(motion.points, state, names)
        if isinstance(spline, Violation):
            raise PreviewError(f"the supervisor would refuse it: {spline.code.value} {spline.detail}".strip())
        with np.errstate(all="ignore"):
            return self._draw(motion, viewer, spline, begin, told, measured)

    def _draw(
        self,
        motion: Motion,
        viewer: Viewer,
        spline: PlannedTrajectory,
        begin: Vector,
        told: Mapping[str, str],
        measured: Mapping[str, float],
    ) -> Preview:
        period, duration = self._configuration.timing.period, spline.duration
        count = min(MOST_SAMPLES, max(2, int(duration * NS_PER_S // period) + 1))
        taus = np.linspace(0.0, duration, count)
        poses = np.repeat(begin[None], count, axis=0)
        poses[:, motion.points.indices] = spline.positions_at(taus)
        if not (np.abs(poses) <= FARTHEST).all():
            raise PreviewError("its way leads nowhere: a position is not finite")
        distances = np.array([viewer.scene.distances(q) for q in poses]).reshape(count, -1)
        rooms, entered = self._rooms(viewer, distances, taus)
        # What lies near without this command's doing is not its matter.
        rooms[:, viewer.scene.reach @ np.ptp(poses, axis=0) <= _APPROACH] = np.inf
        known = not np.isnan(distances).any()
        near_at = int(rooms.min(axis=1).argmin()) if known and np.isfinite(rooms).any() else None
        drawn = np.round(np.linspace(0, count - 1, min(count, MOST_FRAMES - 1))).astype(np.intp)
        drawn = np.unique(drawn if near_at is None else [*drawn, near_at])
        near = tuple(
            None if near_at is None else _near(viewer, poses[i], distances[i], rooms[i]) for i in drawn.tolist()
        )
        worst = None if near_at is None else int(np.searchsorted(drawn, near_at))
        placed = [viewer.place(q) for q in poses]
        corners, links = _corners(placed) if placed[0] else _ends(viewer, poses)
        farthest, travel, speed = _travel(corners, duration / (count - 1))
        joint_speed = _joint_speed(spline)
        lines = (
            f"{duration:.2f} s; {self._moving(motion, spline)}; joints up to {joint_speed:.3f} rad/s or m/s",
            f"farthest goes {links[farthest]}: {travel:.2f} m of way; no point is faster than about {speed:.2f} m/s",
            _least_words(known, worst, near, taus[drawn]),
        )
        notes = (
            *_restricted_words(entered, told),
            *self._doubts(motion, told, measured, joint_speed),
            *([] if known else ["a distance is not a number: how near it comes is not known"]),
        )
        moves = _moves([placed[i] for i in drawn.tolist()])
        return Preview(
            motion.sha256, taus[drawn], poses[drawn], near, worst, moves, corners[drawn, farthest], lines, notes
        )

    def _rooms(self, viewer: Viewer, distances: Matrix, taus: Vector) -> tuple[Matrix, dict[str, float]]:
        """Return the room of every pair at every moment, and when which restricted zone is entered first.

        What it enters has no room by its nature; there the others are what counts.
        """
        rooms, entered = distances - viewer.scene.margins, {}
        for zone in self._configuration.zones:
            if zone.kind is not ZoneKind.RESTRICTED:
                continue
            which = [index for index, pair in enumerate(viewer.scene.pairs) if pair.rule == f"zones.{zone.name}"]
            inside = ~(rooms[:, which] >= RESERVE).all(axis=1) if which else np.zeros(len(rooms), dtype=bool)
            if inside.any():
                entered[zone.name] = float(taus[int(inside.argmax())])
                rooms[:, which] = np.inf
        return rooms, entered

    def _moving(self, motion: Motion, spline: PlannedTrajectory) -> str:
        """Say which joints move."""
        ways = np.abs(motion.points.positions - motion.start).max(axis=0)
        most = int(ways.argmax())
        joint = self._configuration.robot.joints[int(motion.points.indices[most])]
        number = int((ways > _MOVES).sum())
        return f"{number} joint{'' if number == 1 else 's'} of {len(ways)} move, {joint} by {ways[most]:.2f} rad or m"

    def _doubts(
        self, motion: Motion, told: Mapping[str, str], measured: Mapping[str, float], joint_speed: float
    ) -> list[str]:
        """Say where what was told, or measured, does not fit what was found here."""
        found = []
        try:
            said = float(told.get("joint_speed", ""))
        except ValueError:
            said = np.nan
        if not abs(said - joint_speed) <= 0.05 * joint_speed + 1e-3:
            found.append(f"it was told that joints reach {said:g}, its command has {joint_speed:.3f} rad/s or m/s")
        for index, start in zip(motion.points.indices.tolist(), motion.start.tolist(), strict=True):
            joint = self._configuration.robot.joints[index]
            beside = abs(measured.get(joint, start) - start)
            if not beside <= DEPARTURE:
                found.append(f"{joint} is measured {beside:.3f} rad or m beside where it would begin")
        if any(zone.world for zone in self._configuration.zones):
            found.append("zones that do not move with the base are not drawn, and no distance to them is told")
        return found


def _near(viewer: Viewer, q: Vector, distances: Vector, rooms: Vector) -> Near:
    """Return the pair with the least room at a pose."""
    index = int(rooms.argmin())
    pair = viewer.scene.pairs[index]
    label = " - ".join((*pair.links, pair.rule)[:2])
    points = np.stack(viewer.scene.nearest_points(q, index))
    return Near(label, float(distances[index]), float(viewer.scene.margins[index]), points)


def _least_words(known: bool, worst: int | None, near: tuple[Near | None, ...], times: Vector) -> str:
    if worst is None:
        return "how near anything comes is not known" if not known else "nothing that is watched comes nearer"
    one = near[worst]
    assert one is not None
    close = "" if one.distance - one.margin >= RESERVE else "TOO NEAR: "
    return f"least room at {times[worst]:.2f} s: {close}{one}"


def _restricted_words(entered: Mapping[str, float], told: Mapping[str, str]) -> list[str]:
    opened = told.get("zones", "").split()
    return [
        f"ENTERS the restricted zone {name} at {at:.2f} s"
        + ("" if name in opened else ", and does not ask that it is opened")
        for name, at in entered.items()
    ]


def _joint_speed(spline: PlannedTrajectory) -> float:
    """Return the top speed of a joint, [rad/s] or [m/s], as closely as so many moments tell it."""
    taus = np.linspace(0.0, spline.duration, MOST_SPEEDS, endpoint=False)
    parts = (spline.states_at(taus[i : i + _CHUNK])[:, 1] for i in range(0, len(taus), _CHUNK))
    return max(float(np.abs(part).max()) for part in parts)


def _corners(placed: list[tuple[PlacedVolume, ...]]) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Return where the corners of all volumes' surfaces are, shape (m, c, 3), [m], and the link of each."""
    own = [np.unique(tessellate(one.shape, outside=False).reshape(-1, 3), axis=0) for one in placed[0]]
    where = [
        np.concatenate([corners @ one.turn.T + one.shift for corners, one in zip(own, volumes, strict=True)])
        for volumes in placed
    ]
    links = tuple(one.link for corners, one in zip(own, placed[0], strict=True) for _ in corners)
    return np.array(where), links


def _ends(viewer: Viewer, poses: Matrix) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Return the same of a robot without volumes: the origins of its links."""
    return np.array([viewer.model.frame_positions(q) for q in poses]), viewer.model.frame_names


def _travel(points: NDArray[np.float64], dt: float) -> tuple[int, float, float]:
    """Return the point that goes farthest, its way, and the top speed of any.

    Args:
        points: of the robot at moments `dt` apart, shape (m, p, 3), [m].
        dt: [s].

    Returns:
        Its index, [m], [m/s].
    """
    steps = np.linalg.norm(np.diff(points, axis=0), axis=2)
    farthest = int(steps.sum(axis=0).argmax())
    return farthest, float(steps[:, farthest].sum()), float(steps.max()) / dt


def _moves(placed: list[tuple[PlacedVolume, ...]]) -> tuple[bool, ...]:
    """Return whether each volume is ever anywhere else than at the beginning."""
    if not placed[0]:
        return ()
    where = np.array([[np.column_stack((one.turn, one.shift)) for one in volumes] for volumes in placed])
    return tuple((np.abs(where - where[0]).max(axis=(0, 2, 3)) > _MOVES).tolist())
