"""RECOVERY: a robot found outside is brought back by one person's hold-to-run, slowly, and never farther out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from rig import BARE, HOME, Rig, panda, upright

from safety_supervisor.core.act_events import HoldToRun, StopRequested
from safety_supervisor.core.effects import Status
from safety_supervisor.core.events import SourceEndpoints
from safety_supervisor.core.settings import ZoneKind

Rigs = Callable[..., Rig]
UPPER = 2.8473
BEYOND = HOME + np.array([UPPER + 0.03, 0, 0, 0, 0, 0, 0])
INWARD = [-0.1, 0, 0, 0, 0, 0, 0]
OUTWARD = [0.1, 0, 0, 0, 0, 0, 0]


def jog(rig: Rig, seconds: float, velocity: list[float], pressed: bool = True) -> None:
    """Stream a velocity at 50 Hz while the button's counter goes on at 10 Hz."""

    def each(i: int) -> None:
        if pressed and i % 25 == 0:
            rig.counter += 1
            rig.send(HoldToRun(rig.now, rig.counter))
        if i % 5 == 0:
            rig.stream(velocity, "joystick", velocity=True)

    rig.seconds(seconds, each)


def outside(rigs: Rigs, start: np.ndarray = BEYOND, **changes: object) -> Rig:
    rig = rigs(panda(**changes), start).lock()
    rig.counter = 0
    assert "E_MEASURED_POSITION" in rig.status.active_causes or "E_MEASURED_WORKSPACE" in rig.status.active_causes
    return rig


@pytest.mark.redteam(43)
@pytest.mark.requirement("SR-045")
def test_a_robot_outside_a_joint_limit_is_brought_back(rigs: Rigs) -> None:
    rig = outside(rigs)
    reply = rig.act("reset")
    assert (reply.ok, reply.code) == (False, "E_ACT_CAUSE")
    assert "E_MEASURED_POSITION" in reply.message
    assert "RECOVERY" in rig.status.next_step
    assert rig.act("recover").ok
    jog(rig, 1.5, INWARD)
    assert "RECOVERY" in [after for _, after, _ in rig.ticks]
    rig.until("LOCKED")
    assert rig.status.cause == "E_RECOVERY_ENDED"
    assert rig.robot[0] < UPPER + 0.002
    worst = np.diff([row[0] for row in rig.outputs]).max()
    assert worst <= 0.0, "never farther out"
    assert rig.act("reset").ok
    assert rig.act("start", "auto").ok


@pytest.mark.redteam(43)
@pytest.mark.requirement("SR-045")
def test_farther_out_is_refused(rigs: Rigs) -> None:
    rig = outside(rigs)
    assert rig.act("recover").ok
    jog(rig, 1.0, OUTWARD)
    assert max(row[0] for row in rig.outputs) <= BEYOND[0]
    assert "E_POSITION_LIMIT" in rig.codes()


@pytest.mark.requirement("SR-045")
def test_nothing_moves_without_the_button(rigs: Rigs) -> None:
    rig = outside(rigs)
    rig.offset[1] = 0.02
    rig.seconds(0.5)
    assert rig.act("recover").ok
    rig.stream(INWARD, "joystick", velocity=True)
    jog(rig, 1.0, INWARD, pressed=False)
    assert rig.state == "RECOVERY"
    assert np.ptp(rig.outputs, axis=0).max() == 0.0
    assert set(rig.codes()) == {"E_HOLD_TO_RUN"}


@pytest.mark.requirement("SR-045")
@pytest.mark.requirement("SR-036")
def test_release_ends_in_locked(rigs: Rigs) -> None:
    rig = outside(rigs, HOME + np.array([UPPER + 0.2, 0, 0, 0, 0, 0, 0]))
    assert rig.act("recover").ok
    jog(rig, 0.5, INWARD)
    assert rig.state == "RECOVERY"
    jog(rig, 0.3, INWARD, pressed=False)
    rig.until("LOCKED")
    assert "E_HOLD_TO_RUN" in [e.cause for e in rig.history if isinstance(e, Status)]
    here = rig.output
    jog(rig, 0.5, INWARD)
    assert rig.state == "LOCKED", "pressing again needs a new recovery first"
    assert (rig.output == here).all()
    assert not rig.act("reset").ok
    assert rig.act("recover").ok


@pytest.mark.requirement("SR-045")
def test_a_button_whose_sender_was_started_again_counts_in_the_next_recovery(rigs: Rigs) -> None:
    rig = outside(rigs, HOME + np.array([UPPER + 0.2, 0, 0, 0, 0, 0, 0]))
    rig.send(HoldToRun(rig.now, 10**18))
    rig.seconds(0.5)
    assert rig.act("recover").ok
    before = rig.output[0]
    jog(rig, 0.5, INWARD)
    assert rig.output[0] < before


@pytest.mark.requirement("SR-045")
def test_it_is_slow_and_ends_by_time(rigs: Rigs) -> None:
    timing = replace(panda().timing, recovery_timeout=1_000_000_000)
    rig = outside(rigs, HOME + np.array([UPPER + 0.2, 0, 0, 0, 0, 0, 0]), timing=timing)
    assert rig.act("recover").ok
    jog(rig, 0.2, [-0.2, 0, 0, 0, 0, 0, 0])
    jog(rig, 0.1, [-0.4, 0, 0, 0, 0, 0, 0])
    radius = 0.307  # of the flange about the first axis in this pose
    fastest = np.abs(np.diff([row[0] for row in rig.outputs])).max() / 0.004
    assert 0.15 < fastest <= 0.1 / radius * 1.001
    rig.counter = 100
    jog(rig, 1.0, [0.0] * 7)
    rig.until("LOCKED")
    assert "E_RECOVERY_ENDED" in [e.cause for e in rig.history if isinstance(e, Status)]


@pytest.mark.requirement("SR-045")
@pytest.mark.requirement("SR-050")
def test_an_agent_can_not_recover(rigs: Rigs) -> None:
    rig = outside(rigs)
    rig.send(SourceEndpoints(rig.now, "planner", 1))
    assert rig.act("recover").ok
    rig.send(HoldToRun(rig.now, 1))
    rig.cycle()
    rig.stream(BEYOND)
    assert rig.decisions()[-1].code == "E_SOURCE_KIND"


def test_recovery_is_for_a_robot_outside_and_nothing_else(rigs: Rigs) -> None:
    rig = rigs().lock()
    assert rig.act("recover").code == "E_ACT_STATE"
    other = outside(rigs)
    other.log_ok = False
    other.cycle()
    reply = other.act("recover")
    assert (reply.ok, reply.code) == (False, "E_ACT_CAUSE")
    assert "E_LOG" in reply.message
    other.log_ok = True
    other.cycle()
    assert other.act("recover").ok
    other.send(StopRequested(other.now, "anyone", ""))
    other.until("LOCKED")


@pytest.mark.redteam(43)
@pytest.mark.requirement("SR-045")
def test_a_robot_inside_a_forbidden_box_comes_out(rigs: Rigs) -> None:
    """A wall in front of the robot that the hand has passed by 3 cm."""
    wall = upright("wall", ZoneKind.KEEP_IN, (-0.9, -0.9, 0.0), (0.28, 0.9, 1.25))
    rig = outside(rigs, HOME, zones=(wall,), geometry=BARE)
    assert rig.status.active_causes == ("E_MEASURED_WORKSPACE",)
    assert rig.act("recover").ok
    jog(rig, 0.6, [0, 0.1, 0, 0, 0, 0, 0])
    further_out = rig.output[1] - HOME[1]
    assert further_out <= 1e-9, "leaning forward goes farther out"
    assert rig.state == "RECOVERY"
    jog(rig, 3.0, [0, -0.1, 0, 0, 0, 0, 0])
    rig.until("LOCKED")
    assert rig.status.cause == "E_RECOVERY_ENDED"
    assert rig.act("reset").ok
