"""What all doubles share: activation, the last accepted message, counted refusals."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from safety_supervisor_sim.cell.drive import Target

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Refused:
    """Why the controller did not take a message."""

    reason: str


class Controller(ABC):
    """A controller between one topic and the drives, stepped at the physics rate."""

    def __init__(self, joints: tuple[str, ...]) -> None:
        self.joints = joints
        self.active = False
        self.refusals: Counter[str] = Counter()
        self.accepted = 0
        self.last_accepted_ns: int | None = None

    def activate(self, now_ns: int, position: Array, velocity: Array) -> None:
        """Start with the measured state, as `on_activate` does; old commands are forgotten."""
        self.active = True
        self.last_accepted_ns = None

    @abstractmethod
    def update(self, now_ns: int) -> Target | None:
        """One control cycle: what goes to the drives; None before anything was commanded.

        A target that has not changed is the same object again.
        """

    def _accepted(self, now_ns: int) -> None:
        self.accepted += 1
        self.last_accepted_ns = now_ns

    def _refuse(self, reason: str) -> Refused:
        self.refusals[reason] += 1
        return Refused(reason)
