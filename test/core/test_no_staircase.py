"""No staircase: set-points of slower and unsynchronised sources reach the output as the smooth motion that they mean.

The source is at rest first, then moves by A (1 - cos w t) with A w = 0.5 rad/s. Every run is compared with what the
latest set-point alone would send, computed here from the same arrivals.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from rig import HOME, Rig, panda

from safety_supervisor.core.motion.segments import Segment, Stream

PEAK_VELOCITY = 0.5
FREQUENCY = 2 * np.pi * 0.25
AMPLITUDE = PEAK_VELOCITY / FREQUENCY
OWN_ACCELERATION = AMPLITUDE * FREQUENCY**2
JOINT = 0
SECONDS = 4.0

SOURCES = {"30 Hz": (1 / 30, 0.0), "100 Hz": (0.01, 0.0), "500 Hz with 0.3 ms of jitter": (0.002, 3e-4)}


def peaks(q: np.ndarray, dt: float) -> tuple[float, float, float]:
    """Greatest first, second and third difference over dt."""
    return tuple(float(np.abs(np.diff(q, n=k)).max()) / dt**k for k in (1, 2, 3))  # type: ignore[return-value]


@pytest.mark.requirement("SR-025")
@pytest.mark.requirement("SR-031")
@pytest.mark.parametrize("output_hz", [250, 500])
@pytest.mark.parametrize("source", SOURCES)
def test_a_sine_reaches_the_output_as_a_sine(source: str, output_hz: int, monkeypatch: pytest.MonkeyPatch) -> None:
    period, jitter = SOURCES[source]
    shipped = panda()
    planner = replace(shipped.source("planner"), period=round(period * 1e9))
    rig = Rig(
        replace(
            shipped,
            sources=tuple(planner if s.name == "planner" else s for s in shipped.sources),
            timing=replace(shipped.timing, period=round(1e9 / output_hz)),
        )
    )
    taken: list[Segment] = []
    original = Stream.take

    def take(self: Stream, segment: Segment, received: float) -> None:
        taken.append(segment)
        original(self, segment, received)

    monkeypatch.setattr(Stream, "take", take)
    rig.auto()
    rig.clear()
    first = len(rig.outputs)
    random = np.random.default_rng(output_hz)
    count = int(SECONDS / period)
    # Two clocks: the set-points come when this one reads its inputs, a little before or after.
    offsets = np.round((period * np.arange(count) + random.uniform(0.0, jitter, count)) * 1e9).astype(int)
    arrivals = (rig.now + 1_750_000 + offsets).tolist()
    values = np.tile(HOME, (count, 1))
    values[:, JOINT] += AMPLITUDE * (1 - np.cos(FREQUENCY * period * np.arange(count)))
    latest, held = [], HOME[JOINT]
    sent = 0
    while sent < count:
        while sent < count and arrivals[sent] < rig.now + rig.period - 100_000:
            rig.stream(values[sent], at=arrivals[sent], clock=arrivals[sent])
            held = values[sent, JOINT]
            sent += 1
        rig.cycle()
        latest.append(held)
    assert rig.decisions("REJECT") == []
    assert rig.decisions("STOP") == []
    assert rig.state == "AUTO/MOVING"
    assert len(taken) == count

    for segment, value in zip(taken, values, strict=True):
        assert np.abs(segment.state(segment.end)[0] - value).max() <= 1e-9
    dt = rig.period * 1e-9
    outputs = np.array(rig.outputs[first:])
    ticks_of_outputs = rig.supervisor._motion.tick - len(outputs) + 1
    literal = 0
    for segment, value in zip(taken, values, strict=True):
        tick = round(segment.end / dt)
        row = tick - ticks_of_outputs
        if abs(segment.end - tick * dt) < 1e-12 and 0 <= row < len(outputs):
            literal += 1
            assert np.abs(outputs[row] - value).max() <= 1e-9
    q = outputs[:, JOINT]
    v, a, j = peaks(q, dt)
    limits = shipped.envelope.joints
    naive = peaks(np.array(latest), dt)
    print(
        f"{source} into {output_hz} Hz: {v:.3f} rad/s, {a:.2f} rad/s2, {j:.0f} rad/s3; the latest set-point alone: "
        f"{naive[0]:.3f}, {naive[1]:.0f}, {naive[2]:.0f}; {literal} set-points stand in the output literally"
    )
    # Backward differences of a motion that sets in with acceleration: 1.5 times it at the second set-point, and the
    # quintic between two such estimates as much again.
    assert v <= 1.02 * PEAK_VELOCITY
    assert a <= 3.0 * OWN_ACCELERATION
    assert a <= 0.2 * limits.acceleration[JOINT]
    assert j <= 0.2 * limits.jerk[JOINT]
    settled = q[np.flatnonzero(q != HOME[JOINT])[0] + int(6 * period / dt) + 1 :]
    assert peaks(settled, dt)[1] <= 1.1 * OWN_ACCELERATION
    assert np.abs(np.delete(outputs, JOINT, axis=1) - np.delete(HOME, JOINT)).max() < 1e-12
    # What the same arrivals do without segments.
    assert naive[1] > 20 * a
    assert naive[2] > 20 * j


@pytest.mark.requirement("SR-025")
def test_set_points_that_fall_on_a_cycle_are_in_the_output_literally() -> None:
    rig = Rig().auto()
    first = len(rig.outputs)
    sent: dict[int, np.ndarray] = {}
    dt, period = rig.period, rig.configuration.source("planner").period
    start = rig.now
    for k in range(100):
        value = HOME.copy()
        value[JOINT] += 0.1 * (1 - np.cos(2 * np.pi * 0.005 * k))
        due = start + k * period
        while rig.now + dt <= due:
            rig.cycle()
        rig.stream(value, at=due, clock=due)
        sent[due + 2 * period] = value
    rig.cycle(3)
    outputs = {start + (i + 1) * dt: q for i, q in enumerate(rig.outputs[first:])}
    literal = [due for due in sent if due in outputs]
    assert len(literal) >= 45, "every second set-point at 100 Hz into 250 Hz"
    assert max(np.abs(np.array(outputs[due]) - sent[due]).max() for due in literal) <= 1e-9
