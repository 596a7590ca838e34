"""Lateness is nobody's misdeed: the kept stop runs, no person is needed, what was refused meanwhile is soon told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from machines import Machine
from rig import Rig

from safety_supervisor.core.act_events import StopRequested

Rigs = Callable[..., Rig]
PERIOD = 10_000_000
NAN = float("nan")


class Sweep:
    """Joint 1 by a quintic of `over` seconds, a set-point every 10 ms whatever happens; silent while `silent`."""

    def __init__(self, rig: Rig, by: float = 0.8, over: float = 2.0) -> None:
        self.rig, self.by, self.over = rig, by, over
        self.start, self.began = rig.output, rig.now
        self.sent = 0
        self.silent = False

    def __call__(self, _: int) -> None:
        while self.began + self.sent * PERIOD <= self.rig.now:
            u = min(1.0, self.sent * PERIOD * 1e-9 / self.over)
            self.sent += 1
            if not self.silent:
                goal = self.start.copy()
                goal[0] += self.by * u**3 * (10 - 15 * u + 6 * u * u)
                self.rig.stream(goal)


def late_in_the_middle(rig: Rig, seconds: float = 0.04) -> Sweep:
    flow = Sweep(rig)
    rig.seconds(0.8, flow)
    assert rig.state == "AUTO/MOVING", rig.decisions()[-1]
    flow.silent = True
    rig.seconds(seconds, flow)
    assert rig.decisions()[-1].code == "E_LATE"
    flow.silent = False
    return flow


def resumes_alone(rig: Rig) -> None:
    rig.seconds(0.5)
    rig.clear()
    rig.seconds(2.5, Sweep(rig, by=-0.2))
    assert {d.verdict for d in rig.decisions()} == {"PASS"}, rig.decisions()[-1]


@pytest.mark.sampled(2)
@pytest.mark.requirement("SR-054")
@pytest.mark.parametrize("seconds", [0.03, 0.04, 0.06, 0.1])
def test_a_source_that_was_late_has_a_second_to_notice(rigs: Rigs, seconds: float) -> None:
    rig = rigs().auto()
    flow = late_in_the_middle(rig, seconds)
    rig.seconds(0.9 - seconds, flow)
    refused = rig.decisions("REJECT")
    assert sum(d.count for d in refused) > 50, "it streamed on, and far from the robot"
    assert {after for _, after, _ in rig.ticks[-200:]} <= {"AUTO/MOVING", "AUTO/HOLDING"}
    resumes_alone(rig)


@pytest.mark.requirement("SR-054")
def test_a_source_that_never_notices_is_quarantined_all_the_same(rigs: Rigs) -> None:
    rig = rigs().auto()
    flow = late_in_the_middle(rig)
    rig.seconds(2.0, flow)
    assert rig.status.cause == "E_REFUSALS"


@pytest.mark.requirement("SR-054")
def test_lateness_excuses_no_other_mistake(rigs: Rigs) -> None:
    rig = rigs().auto()
    late_in_the_middle(rig)
    for _ in range(60):
        rig.stream([NAN] * len(rig.names))
    assert rig.status.cause == "E_REFUSALS"


@pytest.mark.requirement("SR-054")
@pytest.mark.requirement("SR-037")
@pytest.mark.parametrize("kind", ["stream", "trajectory"])
def test_cycles_that_we_missed_are_no_bad_command(rigs: Rigs, machine: Machine, kind: str) -> None:
    # A single one would be counted.
    strict = tuple(replace(source, refusals=0) for source in machine.configuration.sources)
    rig = rigs(sources=strict).auto()
    flow: Callable[[int], None] | None = None
    if kind == "stream":
        flow = Sweep(rig)
        rig.seconds(0.7, flow)
    else:
        rig.move(0.7, by=0.8)
    assert rig.state == "AUTO/MOVING"
    rig.clear()
    rig.skips = True
    rig.late = 3 * rig.period
    rig.cycle(1, flow)
    rig.late = 0
    rig.now += 3 * rig.period
    rig.seconds(0.3)
    stopped = rig.decisions("STOP")
    assert [d.code for d in stopped] == ["E_OVERRUN"]
    # 3 periods late, where one is a missed cycle: how late, how much is allowed, by how much it was passed.
    told = (stopped[0].value, stopped[0].limit, stopped[0].margin)
    assert told == pytest.approx((0.012, 0.004, -0.008))
    assert stopped[0].rule == "timing.period"
    assert rig.state == "AUTO/HOLDING"
    resumes_alone(rig)


@pytest.mark.redteam(25)
def test_what_was_folded_is_told_when_the_run_has_ended(rigs: Rigs) -> None:
    rig = rigs().auto()
    rig.send(StopRequested(rig.now, "panel", ""))
    rig.until("LOCKED")
    rig.clear()
    rig.cycle(75, lambda i: rig.stream(rig.home) if i % 2 == 0 else None)
    assert [d.count for d in rig.decisions("REJECT")] == [1], "at once, then held back"
    rig.seconds(0.104)
    told = rig.decisions("REJECT")
    assert {d.code for d in told} == {"E_NOT_MOVING_STATE"}
    assert [d.count for d in told] == [1, 37]
    rig.seconds(2.0)
    assert len(rig.decisions("REJECT")) == 2
    assert np.ptp(rig.outputs[-500:], axis=0).max() == 0.0
