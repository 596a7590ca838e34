"""A command that waits, from the text that people are shown into what the core would play. Pure.

The text is turned into the core's own points, and these are written and hashed again by the core's own function. Only
where that gives the same bytes and the same hash as came with them it is a motion; there is no other way to draw one.

Requirement: SR-022; REDTEAM 55.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from safety_supervisor.acts import deciding
from safety_supervisor.core.intake.results import TrajectoryPoints
from safety_supervisor.core.interventions.command_text import MOST_NUMBERS, CommandText, numbers_of
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.units import NS_PER_S, Vector

FARTHEST: Final = 1e3
"""No joint is farther from its zero, [rad] or [m]."""


class PreviewError(Exception):
    """Nothing can be drawn; the text says why."""


class Motion(NamedTuple):
    """A command as the core has it.

    Attributes:
        points: the command.
        start: commanded pose of its joints from which it was asked for, shape (k,), [rad] or [m].
        sha256: of its text, made here.
    """

    points: TrajectoryPoints
    start: Vector
    sha256: str


def read_motion(configuration: Configuration, told: Mapping[str, str]) -> Motion:
    """Read a command that waits, as `~/interventions` tells it, into what the core would verify.

    Raises:
        PreviewError: it is not one text of one command of this robot, or another one than would be approved.
    """
    text = told.get("command", "")
    shown = deciding.read(told)
    if isinstance(shown, str):
        raise PreviewError(shown)
    if told.get("configuration_sha256") != configuration.sha256:
        raise PreviewError("it was asked for under another configuration than the panel has")
    points, start = _points(configuration, shown.command)
    whole = np.zeros(len(configuration.robot.joints))
    whole[points.indices] = start
    written = CommandText(points, configuration.robot.joints, whole)
    while not written.advance():
        pass
    if written.text != text or written.sha256 != shown.sha256:
        raise PreviewError("what would be drawn is not what its text says")
    if told.get("command_sha256") != written.sha256:
        raise PreviewError("the hash that came with it is not that of its text: this is not what the supervisor holds")
    return Motion(points, start, written.sha256)


def _points(configuration: Configuration, command: dict[str, Any]) -> tuple[TrajectoryPoints, Vector]:
    """Return the core's points and the start pose; all lengths were checked by `deciding.read`."""
    robot, joints, groups = configuration.robot, command["joints"], command["groups"]
    known = {name: index for index, name in enumerate(robot.joints)}
    if not joints or any(joint not in known for joint in joints):
        raise PreviewError("it commands joints that this robot does not have")
    indices: NDArray[np.intp] = np.array([known[joint] for joint in joints], dtype=np.intp)
    if (np.diff(indices) <= 0).any():
        raise PreviewError("its joints are not in the order of the configuration")
    if not isinstance(groups, list) or any(not isinstance(name, str) or name not in robot.groups for name in groups):
        raise PreviewError("it commands groups that this robot does not have")
    if sorted(index for name in groups for index in robot.groups[name]) != indices.tolist():
        raise PreviewError("its joints are not those of its groups")
    sources = {source.name: source for source in configuration.sources}
    if command["source"] not in sources or not isinstance(command["command"], str):
        raise PreviewError("its source is none of this robot")
    times, longest = command["times_ns"], sources[command["source"]].max_trajectory_duration
    if times[0] < 0 or times[-1] > longest or any(b <= a for a, b in itertools.pairwise(times)):
        raise PreviewError(f"its times do not rise from 0 to {longest / NS_PER_S:g} s at most")
    positions, velocities, accelerations = (
        None if command[key] is None else np.array(command[key], dtype=np.float64)
        for key in ("positions", "velocities", "accelerations")
    )
    start = np.array(command["from"], dtype=np.float64)
    if positions is None or (velocities is None and accelerations is not None):
        raise PreviewError("it has no positions, or accelerations without velocities")
    lower, upper = (
        bound[indices] for bound in (configuration.envelope.joints.lower, configuration.envelope.joints.upper)
    )
    if not ((positions >= lower) & (positions <= upper)).all() or not (np.abs(start) <= FARTHEST).all():
        raise PreviewError("it leads beyond the position limits of the configuration")
    points = TrajectoryPoints(
        command["source"], command["command"], tuple(groups), indices, np.array(times, dtype=np.int64), positions,
        velocities, accelerations, 0,
    )  # fmt: skip
    if numbers_of(points) > MOST_NUMBERS:
        raise PreviewError(f"it has {numbers_of(points)} numbers, and only {MOST_NUMBERS} may wait for people")
    return points, start
