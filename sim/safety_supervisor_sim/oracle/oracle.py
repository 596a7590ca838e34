"""The oracle: records the true motion and judges it, with code and limits of its own.

It is fed samples and commands, and knows neither ROS nor a simulator nor the supervisor.
A margin is limit minus value; it is negative beyond the limit. A breach is a margin below
minus the stated tolerance of its kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from safety_supervisor_sim.oracle.history import (
    HUGE,
    History,
    MotionAfter,
    bounded_list,
    is_moving,
    measure_after,
    peak_deceleration,
)
from safety_supervisor_sim.oracle.ledger import Ledger, Worst, merge_worst
from safety_supervisor_sim.oracle.limits import Array, Judging, Limits
from safety_supervisor_sim.oracle.streams import StreamJudge
from safety_supervisor_sim.oracle.truth import Times, TruthJudge

CHUNK = 256  # samples judged at once: numpy's cost per call is shared by them


@dataclass
class Act:
    """One stretch of the run, begun by a mark."""

    ledger: Ledger
    start_ns: int
    end_ns: int
    start: Array | None = None
    end: Array | None = None
    farthest: Array | None = None
    peak_speed: Array | None = None
    peak_deceleration: Array | None = None
    rest_since_ns: int | None = None
    samples: int = 0

    def as_dict(self) -> dict[str, Any]:
        """The act as JSON-ready data; poses in joint order, SI units."""
        name, rest = self.ledger.act, self.rest_since_ns
        farthest = 0.0 if self.farthest is None else max(bounded_list(self.farthest))

        def listed(values: Array | None) -> list[float] | None:
            return None if values is None else bounded_list(values)

        return {
            "name": name,
            "start_ns": self.start_ns,
            "end_ns": self.end_ns,
            "samples": self.samples,
            "violations": len(self.ledger.breaches) + self.ledger.dropped,
            "worst": self.ledger.worst_as_dict(),
            "moved": farthest > 1e-3,
            "farthest": listed(self.farthest),
            "start_pose": listed(self.start),
            "end_pose": listed(self.end),
            "rest_after": None if rest is None else max(0.0, (rest - self.start_ns) * 1e-9),
            "peak_speed": listed(self.peak_speed),
            "peak_deceleration": listed(self.peak_deceleration),
        }


class Oracle:
    """Independent judge of one robot.

    Args:
        limits, judging: from the cell file.
        joints: names of the n judged joints.
        links: names of the m judged link frames.
    """

    def __init__(self, limits: Limits, judging: Judging, joints: Sequence[str], links: Sequence[str]) -> None:
        self.joints = tuple(joints)
        self.links = tuple(links)
        self.limits = limits
        self.judging = judging
        n, m = len(self.joints), len(self.links)
        if limits.velocity.shape != (n,):
            raise ValueError(f"limits are for {limits.velocity.size} joints, not {n}")
        self._history = History(round(judging.history / judging.period), n, m)
        self._truth = TruthJudge(limits, judging, self.joints, self.links, self._found)
        self._stream = StreamJudge(limits, self.joints, judging.command_period, self._noted)
        self._keep = max(judging.window, 1)
        rows = self._keep + CHUNK
        self._time = np.zeros(rows, dtype=np.int64)
        self._q, self._v = np.zeros((rows, n)), np.zeros((rows, n))
        self._link = np.zeros((rows, m, 3))
        self._filled = self._judged = 0
        self._samples = 0
        self._commands = 0
        self._setpoints = np.zeros((judging.command_window + 1, n))
        self._setpoint_count = self._setpoint_same = 0
        self._setpoint: Array | None = None
        self._acts: list[Act] = []
        self._measurements: dict[str, tuple[int, Array | None]] = {}
        self._judges = True
        self._begin(0, "start")

    # -- what is fed -----------------------------------------------------------------------

    def add_sample(self, time_ns: int, q: Array, v: Array, links: Array) -> None:
        """Add one sample of the true motion: q, v (n,), link frame origins (m, 3), [m].

        Samples lie `judging.period` apart in simulated time; `time_ns` is the steady clock.
        """
        row = self._filled
        self._time[row] = time_ns
        self._q[row] = q
        self._v[row] = v
        self._link[row] = links
        self._filled = row + 1
        self._samples += 1
        if self._filled == len(self._time):
            self._flush()

    def watch(self, judged: bool) -> None:
        """Judge the true motion from the next sample on, or record it only: who gives way keeps no motor's limits.

        What was recorded before it is judged again is not differenced with what comes: it may have been moved by hand.
        """
        if judged != self._judges:
            self._flush()
            self._judges = judged
            self._filled = self._judged = self._setpoint_count = 0

    def add_position_command(self, time_ns: int, values: Array, reference: Array) -> None:
        """Add a streamed position that reached the motors; see StreamJudge.positions."""
        self._commands += 1
        self._stream.positions(time_ns, values, reference)

    def add_velocity_command(self, time_ns: int, values: Array) -> None:
        """Add a streamed velocity that reached the motors."""
        self._commands += 1
        self._stream.velocities(time_ns, values)

    def add_malformed_command(self, time_ns: int, reason: str) -> None:
        """Add a message on the motors' topic that the controller refused."""
        self._commands += 1
        self._stream.malformed(time_ns, reason)

    def add_trajectory(
        self,
        time_ns: int,
        times: Array,
        positions: Array,
        velocities: Array | None,
        accelerations: Array | None,
    ) -> None:
        """Add the points of a trajectory that the controller accepted."""
        self._commands += 1
        self._stream.waypoints(time_ns, times, positions, velocities, accelerations)

    def add_same_trajectory(self, time_ns: int) -> None:
        """Add a trajectory whose points are those of the one before, in the same act: no margin is another one."""
        self._commands += 1
        self._stream.again(time_ns)

    def add_setpoint(self, time_ns: int, positions: Array) -> None:
        """Add what a trajectory controller gave the drives at one physics step, shape (n,)."""
        rows = len(self._setpoints)
        if positions is self._setpoint and self._setpoint_same > rows:
            return  # the same array, once through the window and judged: no margin is another one
        self._setpoint_same = self._setpoint_same + 1 if positions is self._setpoint else 0
        self._setpoint = positions
        self._setpoints[self._setpoint_count % rows] = positions
        self._setpoint_count += 1
        if self._setpoint_count % (rows - 1) or self._setpoint_count < rows:
            return
        oldest = self._setpoints[self._setpoint_count % rows]
        speed = (positions - oldest) / self.judging.command_period
        if not np.isfinite(speed).all():
            self._noted("command_not_finite", Worst(-1.0, time_ns, "setpoint", 1.0, 0.0))
            return
        self._stream.position_limits(time_ns, positions)
        margins = self.limits.velocity - np.abs(speed)
        index = int(np.argmin(margins))
        self._noted(
            "setpoint_velocity",
            Worst(
                float(margins[index]),
                time_ns,
                self.joints[index],
                float(speed[index]),
                float(self.limits.velocity[index]),
            ),
        )

    def mark(self, time_ns: int, name: str) -> None:
        """End the present act and begin another."""
        self._flush()
        self._acts[-1].end_ns = time_ns
        self._begin(time_ns, name)

    # -- what is told ----------------------------------------------------------------------

    def motion_after(self, time_ns: int, end_pose: Array | None = None) -> MotionAfter | None:
        """Measure the motion after an instant of the steady clock, to the newest sample."""
        self._flush()
        return measure_after(
            self._history,
            time_ns,
            standstill_speed=self.judging.standstill_speed,
            window=self.judging.window,
            period=self.judging.period,
            end_pose=end_pose,
        )

    def request_measurement(self, name: str, time_ns: int, end_pose: Array | None) -> None:
        """Have the report tell `motion_after` this instant, under `name`."""
        self._measurements[name] = (time_ns, end_pose)

    def report(self) -> dict[str, Any]:
        """Everything found so far, ready for JSON (finite numbers only)."""
        self._flush()
        acts = [act for act in self._acts if act.samples or act.ledger.worst]
        measured: dict[str, Any] = {}
        for name, (time_ns, end_pose) in self._measurements.items():
            motion = self.motion_after(time_ns, end_pose)
            measured[name] = None if motion is None else motion.as_dict()
        breaches = [b.as_dict() for act in acts for b in act.ledger.breaches.values()]
        return {
            "joints": list(self.joints),
            "violations": breaches,
            "violations_dropped": sum(act.ledger.dropped for act in acts),
            "worst": merge_worst([act.ledger for act in acts]),
            "samples": self._samples,
            "commands": self._commands,
            "tolerance": dict(self.judging.tolerance),
            "acts": [act.as_dict() for act in acts],
            "measured": measured,
            "at_rest": self._at_rest(),
        }

    def _at_rest(self) -> bool:
        """Whether every joint stood still in the newest sample; False when there is none."""
        _, _, v = self._history.motion()
        return len(v) > 0 and not bool(is_moving(v[-1:], self.judging.standstill_speed)[0])

    def summary(self) -> dict[str, Any]:
        """Worst margin by kind, breaches so far, the present act: for a live display."""
        self._flush()
        ledgers = [act.ledger for act in self._acts]
        worst = merge_worst(ledgers)
        return {
            "act": ledgers[-1].act,
            "margins": {kind: found["margin"] for kind, found in worst.items()},
            "violations": sum(len(ledger.breaches) + ledger.dropped for ledger in ledgers),
        }

    def save_trace(self, path: Path) -> None:
        """Write the recorded true motion as .npz."""
        self._flush()
        self._history.save(path, self.joints, self.links)

    # -- inside ----------------------------------------------------------------------------

    def _begin(self, time_ns: int, name: str) -> None:
        self._setpoint_same = 0  # each act has a record of its own
        self._acts.append(Act(Ledger(name), time_ns, time_ns))

    def _noted(self, kind: str, found: Worst) -> None:
        ledger = self._acts[-1].ledger
        if not np.isfinite(found.margin) or not np.isfinite(found.value):
            # Huge finite commands overflow when differenced; JSON knows no infinity.
            found = Worst(-HUGE, found.time_ns, found.item, HUGE, found.limit)
        ledger.note(kind, found)
        if found.margin < -self.judging.tolerance.get(kind, 0.0):
            ledger.breach(kind, found, found.time_ns, found.time_ns, 1)

    def _found(self, kind: str, time: Times, items: Sequence[str], value: Array, limit: Array, margin: Array) -> None:
        # NaN compares false with everything: it must not pass as "no breach".
        margin = np.where(np.isfinite(margin), margin, -HUGE)
        value = np.where(np.isfinite(value), value, HUGE)
        limit = np.broadcast_to(limit, margin.shape)
        ledger = self._acts[-1].ledger

        def worst_of(row: int, column: int) -> Worst:
            return Worst(
                float(margin[row, column]),
                int(time[row]),
                items[column],
                float(value[row, column]),
                float(limit[row, column]),
            )

        row, column = divmod(int(np.argmin(margin)), margin.shape[1])
        ledger.note(kind, worst_of(row, column))
        beyond = margin < -self.judging.tolerance.get(_tolerance_name(kind), 0.0)
        for column in np.flatnonzero(beyond.any(axis=0)):
            rows = np.flatnonzero(beyond[:, column])
            row = int(np.argmin(margin[:, column]))
            ledger.breach(
                kind,
                worst_of(row, int(column)),
                int(time[rows[0]]),
                int(time[rows[-1]]),
                len(rows),
            )

    def _flush(self) -> None:
        fresh = self._filled - self._judged
        if fresh:
            end, new = self._filled, slice(self._judged, self._filled)
            if self._judges:
                self._truth.judge(self._time[:end], self._q[:end], self._v[:end], self._link[:end], fresh)
            self._history.extend(self._time[new], self._q[new], self._v[new], self._link[new], self._judges)
            self._account(new)
        keep = min(self._keep, self._filled)
        tail = slice(self._filled - keep, self._filled)
        for buffer in (self._time, self._q, self._v, self._link):
            buffer[:keep] = buffer[tail].copy()
        self._filled = self._judged = keep

    def _account(self, new: slice) -> None:
        """Add fresh samples to the present act."""
        act, time, q, v = self._acts[-1], self._time[new], self._q[new], self._v[new]
        if act.start is None:
            act.start = q[0].copy()
            act.start_ns = act.start_ns or int(time[0])
            act.farthest = np.zeros(q.shape[1])
            act.peak_speed = np.zeros(q.shape[1])
            act.peak_deceleration = np.zeros(q.shape[1])
            act.rest_since_ns = int(time[0])
        assert act.farthest is not None
        assert act.peak_speed is not None
        assert act.peak_deceleration is not None
        act.samples += len(time)
        act.end, act.end_ns = q[-1].copy(), int(time[-1])
        act.farthest = np.maximum(act.farthest, np.abs(q - act.start).max(axis=0))
        act.peak_speed = np.maximum(act.peak_speed, np.abs(v).max(axis=0))
        window = self.judging.window
        known = self._v[max(0, new.start - window) : new.stop]
        slowed = peak_deceleration(known, window, self.judging.period)
        act.peak_deceleration = np.maximum(act.peak_deceleration, slowed)
        moving = np.flatnonzero(is_moving(v, self.judging.standstill_speed))
        if len(moving) == 0:
            if act.rest_since_ns is None:
                act.rest_since_ns = int(time[0])
        elif moving[-1] == len(v) - 1:
            act.rest_since_ns = None
        else:
            act.rest_since_ns = int(time[moving[-1] + 1])


def _tolerance_name(kind: str) -> str:
    return "zone" if kind in ("keep_in", "keep_out") else kind
