"""What an agent says, as the bytes that the node's own reader takes, and as the fields that its decoder takes."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from safety_supervisor.ros.cdr import HEADER, LENGTH, STAMP, pad, string
from safety_supervisor_sim.agent.commands import SetPoint, Trajectory
from safety_supervisor_sim.agent.motions import NANO


def joint_state(said: SetPoint) -> bytes:
    """Write a set-point as sensor_msgs/JointState, plain CDR, little endian."""
    data = _names(string(_stamp(said.stamp), said.frame_id), said.names)
    for values in (said.positions, said.velocities, said.efforts):
        data = _numbers(data, values)
    return data


def joint_trajectory(said: Trajectory) -> bytes:
    """Write a trajectory as trajectory_msgs/JointTrajectory, plain CDR, little endian."""
    data = _names(string(_stamp(said.stamp), said.frame_id), said.names)
    data = pad(data, 4) + LENGTH.pack(len(said.times))
    for time, *rows in zip(said.times, said.positions, said.velocities, said.accelerations, strict=True):
        for row in (*rows, ()):
            data = _numbers(data, row)
        data = pad(data, 4) + STAMP.pack(*divmod(time, NANO))
    return data


def fields(said: Trajectory) -> Any:
    """Return a trajectory with the names of a message's fields, as the node's decoder reads them."""
    seconds, rest = divmod(said.stamp, NANO)
    stamp = SimpleNamespace(sec=seconds, nanosec=rest)
    points = [
        SimpleNamespace(
            positions=positions,
            velocities=velocities,
            accelerations=accelerations,
            effort=(),
            time_from_start=SimpleNamespace(sec=time // NANO, nanosec=time % NANO),
        )
        for time, positions, velocities, accelerations in zip(
            said.times, said.positions, said.velocities, said.accelerations, strict=True
        )
    ]
    header = SimpleNamespace(stamp=stamp, frame_id=said.frame_id)
    return SimpleNamespace(header=header, joint_names=said.names, points=points)


def _stamp(stamp: int) -> bytes:
    return HEADER + STAMP.pack(*divmod(stamp, NANO))


def _names(data: bytes, names: Sequence[str]) -> bytes:
    data = pad(data, 4) + LENGTH.pack(len(names))
    for name in names:
        data = string(data, name)
    return data


def _numbers(data: bytes, values: Sequence[float]) -> bytes:
    data = pad(data, 4) + LENGTH.pack(len(values))
    return pad(data, 8) + struct.pack(f"<{len(values)}d", *values) if values else data
