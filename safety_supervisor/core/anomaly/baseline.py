"""What is watched of a source, and the frozen baseline that it is compared with.

A baseline holds, of each feature, what is typical and what is usual: quantiles over windows of recorded, good
behaviour. It is made before, named by its hash in the configuration, and never changes: nothing here learns, so
nothing that a source does can shift it (REDTEAM 42).

    score = (value - typical) / (margin * max(usual - typical, floor))

1 is an alarm. The floor is the least spread that counts: a feature that never varied in the recording would otherwise
alarm at its first change.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from safety_supervisor.core.units import Matrix, Nanoseconds, Vector

WINDOW: Final[Nanoseconds] = 1_000_000_000
"""Features are taken over so much time."""
SLOTS: Final = 4
"""A window is so many slots, and is judged at the end of each."""
SLOT: Final[Nanoseconds] = WINDOW // SLOTS


@dataclass(frozen=True, slots=True)
class Feature:
    """One thing that is watched.

    Attributes:
        name: key in the baseline's file.
        unit: for people.
        meaning: for people.
        joints: whether there is one for each joint of the source, or one in all.
        floor: least distance from typical to usual that counts.
        margin: of that distance, where the score is 1.
        both: whether too low is strange, too.
    """

    name: str
    unit: str
    meaning: str
    joints: bool
    floor: float
    margin: float = 1.5
    both: bool = False


FEATURES: Final[tuple[Feature, ...]] = (
    Feature("position", "rad", "set-points outside the poses that it uses", True, 0.1, 1.2, both=True),
    Feature("speed", "of the limit", "top speed", True, 0.05),
    Feature("acceleration", "of the limit", "top acceleration", True, 0.1),
    Feature("oscillation", "reversals/s", "changes of direction", True, 2.0),
    Feature("hurry", "of the limit", "mean speed of the joint that is nearest to its limit", False, 0.05),
    Feature("dithering", "times", "way that was travelled, by the distance that it led anywhere", False, 1.0),
    Feature("creeping", "of the time", "moves at less than a hundredth of every speed limit", False, 0.1),
    Feature("frozen", "of the time", "streams without moving", False, 0.2),
    Feature("rate", "of the declared rate", "set-points", False, 0.25),
    Feature("starts", "1/s", "motions that it begins", False, 2.0),
    Feature("takeovers", "1/s", "joint groups that it takes from another source", False, 1.0),
    Feature("cancels", "1/s", "cancellations", False, 1.0),
    Feature("refusals", "1/s", "commands that were refused by its own mistake, no denials of a policy", False, 2.0),
)


@dataclass(frozen=True)
class Usual:
    """What a baseline says of one feature: shape (n,) for one of joints, else (1,)."""

    low: Vector
    """The lower edge of what is usual; used where too low is strange."""
    typical: Vector
    high: Vector
    """The upper edge of what is usual."""


@dataclass(frozen=True)
class Baseline:
    """How a source behaves when all is well. Frozen.

    Attributes:
        joints: names of the source's joints, in the configuration's order.
        usual: by name of the feature, for all of them.
        sha256: of the file's bytes.
        data: the file's bytes, for the record.
    """

    joints: tuple[str, ...]
    usual: dict[str, Usual]
    sha256: str = ""
    data: bytes = b""


def blank(joints: tuple[str, ...]) -> Baseline:
    """Return a baseline to which everything is usual, to record another one by."""
    wide = {one.name: np.full(len(joints) if one.joints else 1, 1e9) for one in FEATURES}
    return Baseline(joints, {name: Usual(-edge, edge * 0.0, edge) for name, edge in wide.items()})


@dataclass(frozen=True)
class AnomalySettings:
    """How one source is watched.

    Attributes:
        baseline: what it is compared with.
        stop_at: score that cuts the source off, 1 or more; None: nothing does.
        listener: told every window, to make a baseline; None on a robot.
    """

    baseline: Baseline
    stop_at: float | None
    listener: Callable[[Vector], None] | None = None


@dataclass(frozen=True)
class Entry:
    """One number of a window's vector: a feature, on one side."""

    feature: Feature
    joint: str
    sign: float


class Scale:
    """A baseline as two vectors: scores are `(values - middle) / spread`.

    Attributes:
        entries: what each number is, shape (f,); see `window_of` for their order.
    """

    def __init__(self, baseline: Baseline) -> None:
        """Compute them once."""
        entries, middle, spread = [], [], []
        for feature in FEATURES:
            usual = baseline.usual[feature.name]
            names = baseline.joints if feature.joints else ("",)
            for sign, edge in ((1.0, usual.high), (-1.0, usual.low))[: 2 if feature.both else 1]:
                entries += [Entry(feature, name, sign) for name in names]
                middle.append(sign * usual.typical)
                spread.append(feature.margin * np.maximum(sign * (edge - usual.typical), feature.floor))
        self.entries = tuple(entries)
        self._middle: Vector = np.concatenate(middle)
        self._spread: Vector = np.concatenate(spread)
        self._middle.flags.writeable = self._spread.flags.writeable = False

    def scores(self, window: Vector) -> Vector:
        """Return the score of each number of a window, shape (f,); what was not seen has minus infinity."""
        result: Vector = (window - self._middle) / self._spread
        return result

    def text(self, index: int, value: float) -> str:
        """Say why one number is strange, in one sentence."""
        entry = self.entries[index]
        typical = entry.sign * float(self._middle[index])
        edge = typical + entry.sign * float(self._spread[index]) / entry.feature.margin
        of = f" of {entry.joint}" if entry.joint else ""
        side = "up to" if entry.sign > 0.0 else "down to"
        return f"{entry.feature.name}{of}: {entry.sign * value:.3g} {entry.feature.unit}, usually {side} {edge:.3g}"


def learn(windows: Matrix, joints: tuple[str, ...]) -> dict[str, Usual]:
    """Return what is typical and usual of recorded windows.

    Medians and quantiles: a few strange windows in a recording do not widen what is usual.

    Args:
        windows: as `window_of` orders them, shape (m, f); -inf where a joint was not moved.
        joints: names of the joints.

    Raises:
        ValueError: a feature was never seen.
    """
    usual, column = {}, 0
    for feature in FEATURES:
        count = len(joints) if feature.joints else 1
        ups = windows[:, column : column + count]
        downs = -windows[:, column + count : column + 2 * count] if feature.both else ups
        column += count * (2 if feature.both else 1)
        seen_up, seen_down = np.where(np.isfinite(ups), ups, np.nan), np.where(np.isfinite(downs), downs, np.nan)
        if np.isnan(seen_up).all(axis=0).any():
            raise ValueError(f"{feature.name}: a joint was never moved")
        usual[feature.name] = Usual(
            np.nanquantile(seen_down, 1.0 - USUAL, axis=0),
            np.nanmedian((seen_up + seen_down) / 2.0, axis=0),
            np.nanquantile(seen_up, USUAL, axis=0),
        )
    return usual


USUAL: Final = 0.999
"""Share of the recorded windows that is usual."""
