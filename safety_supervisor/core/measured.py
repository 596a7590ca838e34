"""The measured robot: joint states merged, their age, and the checks that are on measurements alone.

Measurements are judged, never fed back as commands. Requirements: SR-008, SR-028, SR-029; REDTEAM 31, 43, 45.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import numpy as np
from numpy.typing import NDArray

from safety_supervisor.core.errors import Code
from safety_supervisor.core.events import JointStates
from safety_supervisor.core.measured_workspace import MeasuredWorkspace
from safety_supervisor.core.output_settings import VELOCITY_SHARE
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.stamps import repeats
from safety_supervisor.core.units import NS_PER_S, Nanoseconds, Vector, seconds

_NAME_SETS: Final = 32
"""Different sets of names that may publish joint states; more are a fault of the publishers, not a cache to grow."""

_POSITION_NOISE: Final = 2e-3
"""Measured positions may pass the limit by this, [rad]: noise and servo error at the limit are no breach."""

_LEAST_DIFFERENCE: Final = 20_000_000
"""Shortest time over which positions are differenced, [ns]: receipts that jitter by 2 ms are 10 % of it, which the
share above covers, and noise of 1e-4 rad is no more than 0.01 rad/s."""

_REST_SAMPLES: Final = 12
"""Measurements spread over the standstill window."""


class MeasuredState:
    """Newest measurement of each commanded joint, and what it says."""

    def __init__(self, configuration: Configuration, workspace: MeasuredWorkspace) -> None:
        """Start with nothing received."""
        joints = configuration.robot.joints
        self._joints = joints
        self._index = {name: i for i, name in enumerate(joints)}
        self._timing = configuration.timing
        self._tracking = configuration.tracking
        self._limits = configuration.envelope.joints
        self.workspace = workspace
        balance = configuration.balance
        balancing = () if balance is None else balance.balancing_joints
        # A standstill is of these alone: what another controller moves, to keep balance or not, is no motion of ours.
        self._still = np.array([name not in balancing for name in joints])
        if configuration.observed is not None:
            self._still[list(configuration.observed.joints)] = False
        self._known: dict[tuple[str, ...], tuple[NDArray[np.intp], NDArray[np.intp]] | None] = {}
        self._stamps: dict[tuple[str, ...], tuple[int, int]] = {}
        self.positions: Vector = np.zeros(len(joints))
        self.velocities: Vector = np.zeros(len(joints))
        self._received: NDArray[np.int64] = np.zeros(len(joints), dtype=np.int64)
        self._commanded: deque[Vector] = deque(maxlen=2 + int(self._tracking.delay // self._timing.period))
        self._rested: deque[tuple[int, Vector, NDArray[np.int64]]] = deque()
        self._held_at: Vector | None = None
        self.tracking_error = 0.0
        """Largest tracking error relative to its bound; 1 is the bound."""

    # --- what arrives

    def update(self, event: JointStates) -> tuple[Code, ...]:
        """Merge a message.

        Returns:
            What is wrong with the message itself, or with the positions that it tells.
        """
        mapping = self._mapping(event.names)
        if mapping is None:
            return (Code.STATE_NOT_FINITE,)
        columns, targets = mapping
        at = event.received or event.at
        if len(targets) == 0:
            return ()
        if len(event.positions) != len(event.names) or len(event.velocities) not in (0, len(event.names)):
            return (Code.STATE_NOT_FINITE,)
        if event.stamp != 0:
            if repeats(event.stamp, event.clock, self._stamps.get(event.names, (0, 0))):
                return ()
            self._stamps[event.names] = (event.stamp, event.clock)
        positions = np.array(event.positions)[columns]
        velocities = np.array(event.velocities)[columns] if event.velocities else self._speeds(at, targets, positions)
        if not (np.isfinite(positions).all() and np.isfinite(velocities).all()):
            return (Code.STATE_NOT_FINITE,)
        self.positions[targets] = positions
        self.velocities[targets] = velocities
        self._received[targets] = at
        self._remember(at)
        return ()

    def _speeds(self, at: Nanoseconds, targets: NDArray[np.intp], positions: Vector) -> Vector:
        """Difference positions where a driver tells no velocities, over the last remembered ones, [rad/s]."""
        for since, before, received in reversed(self._rested):
            if at - since >= _LEAST_DIFFERENCE:
                # A joint may have been measured before the message by which it was remembered.
                apart = np.maximum(at - received[targets], _LEAST_DIFFERENCE)
                speeds: Vector = (positions - before[targets]) * NS_PER_S / apart
                return speeds
        return np.zeros(len(targets))

    def _mapping(self, names: tuple[str, ...]) -> tuple[NDArray[np.intp], NDArray[np.intp]] | None:
        """Map a message's names to our joints; joints that nobody commands are not ours. None: a name twice."""
        if names in self._known:
            return self._known[names]
        if len(set(names)) != len(names) or len(self._known) >= _NAME_SETS:
            return None
        pairs = [(i, self._index[name]) for i, name in enumerate(names) if name in self._index]
        columns = np.array([i for i, _ in pairs], dtype=np.intp)
        targets = np.array([j for _, j in pairs], dtype=np.intp)
        self._known[names] = (columns, targets)
        return columns, targets

    def _remember(self, at: Nanoseconds) -> None:
        """Keep a few measurements of all joints over the standstill window."""
        spacing = self._timing.standstill_window // _REST_SAMPLES
        if not self._received.all() or (self._rested and at - self._rested[-1][0] < spacing):
            return
        self._rested.append((at, self.positions.copy(), self._received.copy()))
        # One measurement older than the window stays, so that the window is always covered.
        window = max(self._timing.standstill_window, _LEAST_DIFFERENCE)
        while len(self._rested) > 2 and self._rested[1][0] <= at - window:
            self._rested.popleft()

    def commanded(self, positions: Vector) -> None:
        """Note a set-point that was sent, shape (n,), [rad]."""
        self._commanded.append(positions)

    def restart_tracking(self, positions: Vector) -> None:
        """Judge tracking from this pose on, shape (n,), [rad]."""
        self._commanded.clear()
        self._commanded.append(positions)

    # --- what it says

    def missing(self) -> str:
        """Name a joint that was never measured; empty when all were."""
        if np.count_nonzero(self._received) == len(self._joints):
            return ""
        return next((name for name, at in zip(self._joints, self._received, strict=True) if at == 0), "")

    def stale(self, now: Nanoseconds) -> str:
        """Name a joint whose measurement is too old; empty when none is."""
        oldest = int(self._received.min())
        if now - oldest <= self._timing.joint_state_timeout and oldest > 0:
            return ""
        return self._joints[int(self._received.argmin())]

    def pose(self) -> Vector:
        """Return the measured pose without the noise that would put it just outside a limit, shape (n,), [rad]."""
        inside = np.clip(self.positions, self._limits.lower, self._limits.upper)
        return np.where(np.abs(inside - self.positions) <= _POSITION_NOISE, inside, self.positions)

    def limit_codes(self) -> tuple[Code, ...]:
        """Return which measured joint limits are passed: position, velocity (SR-028)."""
        codes = []
        q, v = self.positions, self.velocities
        if not ((q >= self._limits.lower - _POSITION_NOISE) & (q <= self._limits.upper + _POSITION_NOISE)).all():
            codes.append(Code.MEASURED_POSITION)
        if not (np.abs(v) <= self._limits.velocity * VELOCITY_SHARE).all():
            codes.append(Code.MEASURED_VELOCITY)
        return tuple(codes)

    def follows(self) -> bool:
        """Whether every joint is within its bound of what was commanded during the tracking delay (SR-028)."""
        if not self._commanded:
            return True
        rows = np.array(self._commanded)
        excess = np.maximum(self.positions - rows.max(axis=0), rows.min(axis=0) - self.positions)
        self.tracking_error = max(0.0, float((excess / self._tracking.bound).max()))
        return self.tracking_error <= 1.0

    def rests_elsewhere(self, now: Nanoseconds) -> bool:
        """Whether the robot stands still, but not where the set-points that it was sent stand still, too (SR-008).

        Within the bound of a motion that would be a step to go as soon as the drives hear again.
        """
        if not self._commanded:
            return False
        last = self._commanded[-1]
        away = (np.abs(self.positions - last) > self._tracking.standstill) & self._still
        if not away.any() or len(self._commanded) != self._commanded.maxlen:
            return False
        stands = bool((np.array(self._commanded) == last).all(axis=0)[away].any())
        return stands and not self.stale(now) and self.rests(now)

    def rests(self, now: Nanoseconds, *, limp: bool = False) -> bool:
        """Whether no joint moved more than `tracking.rest` during the standstill window.

        Balancing joints count where nothing keeps balance any more, with `limp`, only.
        """
        moved = self._moved(now)
        return moved is not None and bool((moved <= self._tracking.rest)[self._still | limp].all())

    def unrest(self, now: Nanoseconds, *, limp: bool = False) -> str:
        """Name what does not rest or is not known to, for people; empty when all joints rest and are measured."""
        stale, moved = self.stale(now), self._moved(now)
        if stale or moved is None:
            return f"{stale}, not measured" if stale else "joints, not measured for long enough"
        excess = np.where(self._still | limp, moved / self._tracking.rest, 0.0)
        worst = int(excess.argmax())
        if excess[worst] <= 1.0:
            return ""
        return f"{self._joints[worst]}, which moved {moved[worst]:.3f} in {seconds(self._timing.standstill_window):g} s"

    def _moved(self, now: Nanoseconds) -> Vector | None:
        """How far each joint moved during the standstill window, shape (n,), [rad]; None where that is not known."""
        window = self._timing.standstill_window
        if not self._rested or now - self._rested[0][0] < window or now - self._rested[-1][0] > window:
            return None
        rows = np.stack([positions for _, positions, _ in self._rested] + [self.positions])
        moved: Vector = rows.max(axis=0) - rows.min(axis=0)
        return moved

    @property
    def held(self) -> bool:
        """Whether a standstill is monitored."""
        return self._held_at is not None

    def monitor(self, standstill: bool, now: Nanoseconds) -> None:
        """Monitor a standstill from its first moment on, while there is one."""
        if not standstill:
            self.release_hold()
        elif not self.held and not self.missing() and not self.stale(now):
            self.hold_here()

    def hold_here(self) -> None:
        """Monitor standstill from the present measured pose."""
        self._held_at = self.positions.copy()

    def release_hold(self) -> None:
        """End the monitoring of standstill."""
        self._held_at = None

    def left_standstill(self) -> bool:
        """Whether a monitored standstill was left (SR-008)."""
        if self._held_at is None:
            return False
        moved = np.abs(self.positions - self._held_at)
        return not bool((moved <= self._tracking.standstill)[self._still].all())
