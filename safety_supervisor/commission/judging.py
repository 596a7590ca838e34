"""Is the model kinder than the robot? Each figure against what the verifier assumes, with the setting to change."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from safety_supervisor.commission.figures import Figures
from safety_supervisor.commission.model import Expected

ROOM: Final = 1.1
"""What is proposed has so much more than was measured: one stop is not the worst one."""


class Finding(NamedTuple):
    """A figure in which the robot is worse than the model.

    Attributes:
        figure: what was measured.
        joint: which joint; empty: the robot.
        measured: [s], [rad] or [m].
        allowed: by the model, likewise.
        setting: path of the configuration's key to change.
        value: what to put there, before the next commissioning; NaN where that can not be told.
        unit: of both.
    """

    figure: str
    joint: str
    measured: float
    allowed: float
    setting: str
    value: float
    unit: str

    @property
    def words(self) -> str:
        """Return it as one sentence."""
        who = f" of {self.joint}" if self.joint else ""
        seen = "further than any" if math.isinf(self.measured) else f"{self.measured:.4g} {self.unit}"
        cure = f"put {self.setting}: {self.value:.4g}"
        if math.isnan(self.value):
            cure = f"look at drives, load and brakes; what it was held to is {self.setting}"
        return f"{self.figure}{who} is {seen}, the model says {self.allowed:.4g} {self.unit} at most: {cure}"


def disturbed(figures: Figures, expected: Expected) -> str:
    """Say why a measurement says nothing of the robot: the request was long on its way. Empty where it does."""
    if not math.isnan(figures.reaction) and figures.reaction > expected.reaction:
        late, most = figures.reaction * 1e3, expected.reaction * 1e3
        return f"the request took {late:.0f} ms to the supervisor's first set-point of the stop, {most:.0f} ms counts"
    return ""


def judge(
    figures: Figures, expected: Expected, joints: tuple[str, ...], decelerations: dict[str, float]
) -> list[Finding]:
    """Compare one stop with the model.

    Args:
        figures: measured.
        expected: by the model.
        joints: names, in the order of all arrays.
        decelerations: limit of each joint in the configuration, [rad/s^2].

    Returns:
        What is worse than the model, the most telling first; none: the stop was within it.
    """
    return list(_worse(figures, expected, joints, decelerations))


def _worse(
    figures: Figures, expected: Expected, joints: tuple[str, ...], decelerations: dict[str, float]
) -> Iterator[Finding]:
    if math.isfinite(figures.delay) and figures.delay > expected.delay:
        put = _up(figures.delay * ROOM, 1e-3)
        yield Finding("delay behind set-points", "", figures.delay, expected.delay, "tracking.delay", put, "s")
    for index, joint in enumerate(joints):
        if figures.beyond[index] > expected.path_error[index]:
            seen, allowed = float(figures.beyond[index]), float(expected.path_error[index])
            setting, value = _cure(figures, expected, index, joint, decelerations)
            yield Finding("way beyond the end of the stop", joint, seen, allowed, setting, value, "rad")
        if figures.error[index] > expected.bound[index]:
            seen, allowed = float(figures.error[index]), float(expected.bound[index])
            yield Finding("tracking error", joint, seen, allowed, "tracking.bound", _up(seen * ROOM, 1e-3), "rad")
        if figures.travel[index] > expected.ways[index] + _noise(figures, index):
            seen, allowed = float(figures.travel[index]), float(expected.ways[index])
            setting, value = _braking(figures, expected, index, joint, decelerations)
            yield Finding("stopping distance", joint, seen, allowed, setting, value, "rad")
    if figures.time > expected.time:
        slowest = int(np.argmin([_share(figures, expected, index) for index in range(len(joints))]))
        setting, value = _braking(figures, expected, slowest, joints[slowest], decelerations)
        yield Finding("stopping time", "", figures.time, expected.time, setting, value, "s")
    if math.isinf(figures.delay) and not (figures.beyond > expected.path_error).any():
        worst = int(figures.error.argmax())
        seen = float(figures.error[worst])
        put = _up(seen * ROOM, 1e-4)
        yield Finding(
            "error beside the path", joints[worst], seen, float(expected.path_error[worst]), "tracking.path_error", put,
            "rad",
        )  # fmt: skip


def _noise(figures: Figures, index: int) -> float:
    return 5.0 * float(figures.noise[index])


def _cure(
    figures: Figures, expected: Expected, index: int, joint: str, decelerations: dict[str, float]
) -> tuple[str, float]:
    """Drives that brake as hard as they are told and go too far need more room; others are told too much."""
    if _share(figures, expected, index) < 0.9:
        return _braking(figures, expected, index, joint, decelerations)
    return "tracking.path_error", _up(float(figures.beyond[index]) * ROOM, 1e-4)


def _share(figures: Figures, expected: Expected, index: int) -> float:
    """Share of the deceleration that the joint was told to brake with, at most 1: beside others it is told less."""
    way = float(expected.travel[index])
    told = float(expected.speed[index]) ** 2 / (2.0 * way) if way > 0.0 else math.inf
    return 1.0 if math.isinf(told) else min(1.0, float(figures.braking[index]) / told)


def _braking(
    figures: Figures, expected: Expected, index: int, joint: str, decelerations: dict[str, float]
) -> tuple[str, float]:
    """What the joint was seen to brake with, less the room; never more than is configured."""
    seen = decelerations[joint] * _share(figures, expected, index) / ROOM
    return f"envelope.joints.{joint}.acceleration", math.floor(seen * 100.0) / 100.0


def _up(value: float, step: float) -> float:
    return round(math.ceil(value / step - 1e-9) * step, 6)
