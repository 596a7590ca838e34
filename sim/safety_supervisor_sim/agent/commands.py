"""The messages of an agent, good ones and broken ones."""

from __future__ import annotations

import math
import struct
from array import array
from collections.abc import Sequence
from typing import Final

import numpy as np
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from safety_supervisor_sim.agent.motions import Array, Motion
from safety_supervisor_sim.scenario import Defect

NANO: Final = 1_000_000_000
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


def joint_state(names: Sequence[str], positions: Sequence[float] | Array, stamp_ns: int) -> JointState:
    """One streamed set-point: positions by name, shape (n,), [rad]."""
    message = JointState()
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, NANO)
    message.name = list(names)
    message.position = [float(value) for value in positions]
    return message


def defective(
    defect: Defect, names: Sequence[str], pose: Array, stamp_ns: int, foreign: tuple[str, float] = ("", 0.0)
) -> JointState:
    """One set-point with one thing wrong.

    Args:
        defect: what is wrong.
        names: joint names in the configuration's order, n of them.
        pose: the set-point that would be good, shape (n,), [rad].
        stamp_ns: the stamp that would be good, [ns].
        foreign: a joint that the source does not own and where it is, [rad]; `foreign_joint` adds it.
    """
    message = joint_state(names, pose, stamp_ns)
    values, labels = list(message.position), list(names)
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
        message.effort = [1.0] * len(values)
    elif defect == "mixed":
        message.velocity = [0.0] * len(values)
    else:
        shifted = stamp_ns + (FUTURE if defect == "future_stamp" else -STALE)
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(shifted, NANO)
    message.name, message.position = labels, values
    return message


def quintic_trajectory(names: Sequence[str], motion: Motion, points: int) -> JointTrajectory:
    """A motion as `points` points with velocities and accelerations: the player interpolates by quintics.

    The stamp is 0: it starts now.
    """
    message = JointTrajectory(joint_names=list(names))
    for index in range(1, points + 1):
        time_ns = round(motion.duration * NANO * index / points)
        sample = motion.at(motion.duration if index == points else time_ns / NANO)
        # An array.array is taken as it is; of a list rclpy looks at every number.
        point = JointTrajectoryPoint(
            positions=array("d", sample.position),
            velocities=array("d", sample.velocity),
            accelerations=array("d", sample.acceleration),
        )
        point.time_from_start.sec, point.time_from_start.nanosec = divmod(time_ns, NANO)
        message.points.append(point)
    return message


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


def spoil(message: JointTrajectory, defect: str) -> JointTrajectory:
    """Break a trajectory: `time_order` swaps two times, `nan` puts one in the middle; others change nothing."""
    middle = len(message.points) // 2
    if defect == "time_order":
        first, second = message.points[middle - 1], message.points[middle]
        first.time_from_start, second.time_from_start = second.time_from_start, first.time_from_start
    elif defect == "nan":
        message.points[middle].positions[0] = math.nan
    return message


def shuffled(names: Sequence[object], seed: int = 7) -> list[int]:
    """An order of the joints in which none keeps its place."""
    size = len(names)
    random = np.random.default_rng(seed)
    while True:
        order = random.permutation(size)
        if size == 1 or not np.any(order == np.arange(size)):
            return [int(index) for index in order]
