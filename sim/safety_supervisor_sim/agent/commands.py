"""What an agent says, good and broken, before it is a message of any middleware: `messages.py` makes ROS's of it."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from safety_supervisor_sim.agent.motions import NANO, Array, Motion
from safety_supervisor_sim.scenario import Defect

LOOK_ALIKE: Final = "\u0430"
"""Cyrillic small a."""
LOOK_ALIKES: Final = {"a": LOOK_ALIKE, "e": "\u0435", "o": "\u043e"}
"""Latin letters and their Cyrillic twins; the first one that a name has is put in its place."""
FUTURE: Final = 3600 * NANO
STALE: Final = 10 * NANO
JUMP: Final = 0.5
HUGE: Final = 1e9
HUGE_POINTS: Final = 2000
"""Trajectories of more points are written without rclpy."""


@dataclass
class SetPoint:
    """One streamed set-point, as `sensor_msgs/JointState` carries it; `stamp` in [ns], 0 means now."""

    names: list[str]
    positions: list[float]
    stamp: int
    velocities: list[float] = field(default_factory=list)
    efforts: list[float] = field(default_factory=list)
    frame_id: str = ""


@dataclass
class Trajectory:
    """As `trajectory_msgs/JointTrajectory` carries it: times in [ns], one row of each field a point."""

    names: list[str]
    times: list[int]
    positions: list[list[float]]
    velocities: list[list[float]]
    accelerations: list[list[float]]
    stamp: int = 0
    frame_id: str = ""


def set_point(names: Sequence[str], positions: Sequence[float] | Array, stamp_ns: int) -> SetPoint:
    """One streamed set-point: positions by name, shape (n,), [rad]."""
    return SetPoint(list(names), [float(value) for value in positions], stamp_ns)


def defective(
    defect: Defect, names: Sequence[str], pose: Array, stamp_ns: int, foreign: tuple[str, float] = ("", 0.0)
) -> SetPoint:
    """One set-point with one thing wrong.

    Args:
        defect: what is wrong.
        names: joint names in the configuration's order, n of them.
        pose: the set-point that would be good, shape (n,), [rad].
        stamp_ns: the stamp that would be good, [ns].
        foreign: a joint that the source does not own and where it is, [rad]; `foreign_joint` adds it.
    """
    said = set_point(names, pose, stamp_ns)
    values, labels = list(said.positions), list(names)
    if defect == "jump":
        values[0] += JUMP
    elif defect == "nan":
        values[-1] = math.nan
    elif defect == "infinity":
        values[0] = -math.inf
    elif defect == "beyond_any_range":
        values[0] = 1e308
    elif defect == "huge_value":
        values[0] = HUGE
    elif defect == "degrees":
        values = np.degrees(pose).tolist()
    elif defect == "unnamed":
        labels = []
    elif defect == "missing_joint":
        del labels[2], values[2]
    elif defect == "duplicate_joint":
        labels[1] = labels[0]
    elif defect == "unknown_joint":
        labels[0] = "elbow"
    elif defect == "look_alike_name":
        latin = next(letter for letter in LOOK_ALIKES if letter in labels[0])
        labels[0] = labels[0].replace(latin, LOOK_ALIKES[latin], 1)
    elif defect == "foreign_joint":
        labels, values = [*labels, foreign[0]], [*values, foreign[1]]
    elif defect == "ragged":
        del values[-1]
    elif defect == "effort":
        said.efforts = [1.0] * len(values)
    elif defect == "mixed":
        said.velocities = [0.0] * len(values)
    else:
        said.stamp = stamp_ns + (FUTURE if defect == "future_stamp" else -STALE)
    said.names, said.positions = labels, values
    return said


def quintic_trajectory(names: Sequence[str], motion: Motion, points: int) -> Trajectory:
    """A motion as `points` points with velocities and accelerations: the player interpolates by quintics.

    The stamp is 0: it starts now.
    """
    times = [round(motion.duration * NANO * index / points) for index in range(1, points + 1)]
    samples = [motion.at(time / NANO) for time in times[:-1]] + [motion.at(motion.duration)]
    return Trajectory(
        list(names),
        times,
        [sample.position.tolist() for sample in samples],
        [sample.velocity.tolist() for sample in samples],
        [sample.acceleration.tolist() for sample in samples],
    )


def huge_trajectory(names: Sequence[str], start: Array, goal: Array, points: int) -> bytes:
    """A well-formed trajectory of very many points, 1 ms apart, already serialised.

    rclpy takes 50 us a point; this is plain CDR, little endian: every number aligned to its size, counted from behind
    the encapsulation of four bytes.
    """
    size = len(names)
    head = struct.pack("<iI", 0, 0) + _text(b"", "")
    head = head + b"\0" * (-len(head) % 4) + struct.pack("<I", size)
    for name in names:
        head = _text(head + b"\0" * (-len(head) % 4), name)
    head = head + b"\0" * (-len(head) % 4) + struct.pack("<I", points)
    # A row is a multiple of 8 bytes when it begins 4 bytes off; the first one may need a gap to get there.
    row = np.dtype([("size", "<u4"), ("positions", "<f8", (size,)), ("empty", "<u4", (3,)), ("time", "<u4", (2,))])
    rows = np.zeros(points, dtype=row)
    rows["size"] = size
    rows["positions"] = np.linspace(start, goal, points)
    times = np.arange(1, points + 1, dtype=np.int64) * (NANO // 1000)
    rows["time"] = np.stack(divmod(times, NANO), axis=1)
    data = rows.tobytes()
    if len(head) % 8 == 0:
        data = data[:4] + b"\0" * 4 + data[4:]
    return b"\0\1\0\0" + head + data


def _text(data: bytes, text: str) -> bytes:
    encoded = text.encode("ascii") + b"\0"
    return data + struct.pack("<I", len(encoded)) + encoded


def spoil(trajectory: Trajectory, defect: str) -> Trajectory:
    """Break a trajectory: `time_order` swaps two times, `nan` puts one in the middle; others change nothing."""
    middle = len(trajectory.times) // 2
    if defect == "time_order":
        times = trajectory.times
        times[middle - 1], times[middle] = times[middle], times[middle - 1]
    elif defect == "nan":
        trajectory.positions[middle][0] = math.nan
    return trajectory


def shuffled(names: Sequence[object], seed: int = 7) -> list[int]:
    """An order of the joints in which none keeps its place."""
    size = len(names)
    random = np.random.default_rng(seed)
    while True:
        order = random.permutation(size)
        if size == 1 or not np.any(order == np.arange(size)):
            return [int(index) for index in order]
