"""MANUAL: only a person, only slowly, only with the switch held in its middle."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from other_kinematics import link_frames
from rig import Rig

Rigs = Callable[..., Rig]


def held(rig: Rig, word: str) -> None:
    rig.estop_extra = {"enabling_switch": word, "integrity": "high"}


@pytest.mark.requirement("SR-020")
def test_the_status_tells_the_switch_before_anybody_moves(rigs: Rigs) -> None:
    """In every state as the device has it; that it lets MANUAL move only once it was released there."""

    def told(word: str) -> tuple[str, bool]:
        held(rig, word)
        rig.seconds(0.2)
        return rig.status.enabling_switch, rig.status.enables

    rig = rigs()
    rig.ready()
    assert told("middle") == ("middle", False)
    assert told("released") == ("released", False)
    assert rig.act("start", "manual").ok
    assert told("panicked") == ("panicked", False)
    other = rigs().manual()
    other.seconds(0.2)
    assert (other.status.enabling_switch, other.status.enables) == ("middle", True)
    other.estop_received = other.now  # and nothing behind that
    other.seconds(1.0)
    assert (other.status.enabling_switch, other.status.enables) == ("unknown", False)


@pytest.mark.requirement("SR-019")
@pytest.mark.parametrize("word", ["released", "panicked", "none"])
def test_the_switch_stops(rigs: Rigs, word: str) -> None:
    rig = rigs().manual()
    rig.jog(0.4, rig.unit(0, 0.1))
    assert np.abs(np.diff(rig.outputs[-2:], axis=0)).max() > 0
    held(rig, word)
    rig.cycle()
    assert (rig.state, rig.status.cause) == ("STOPPING", "E_ENABLING_SWITCH")
    rig.until("LOCKED")
    assert "PROTECTIVE_STOP" not in [after for _, after, _ in rig.ticks]


@pytest.mark.requirement("SR-019")
def test_a_switch_of_low_integrity_is_none(rigs: Rigs) -> None:
    rig = rigs().manual()
    rig.jog(0.2, rig.unit(0, 0.1))
    rig.estop_extra = {"enabling_switch": "middle", "integrity": "low"}
    rig.cycle()
    assert rig.state == "STOPPING"
    other = rigs()
    other.estop_extra = {"enabling_switch": "released", "integrity": "low"}
    other.ready()
    assert other.act("start", "manual").code == "E_ACT_MODE"


@pytest.mark.requirement("SR-019")
@pytest.mark.requirement("SR-020")
def test_nothing_moves_until_the_switch_is_pressed_after_the_start(rigs: Rigs) -> None:
    rig = rigs()
    held(rig, "released")
    rig.ready()
    assert rig.act("start", "manual").ok
    rig.stream(rig.unit(0, 0.1), "joystick", velocity=True)
    assert rig.decisions()[-1].code == "E_ENABLING_SWITCH", "in the very cycle of the start already"
    rig.jog(2.0, rig.unit(0, 0.1))
    assert rig.state == "MANUAL", "a person who does not hold the switch yet is no fault"
    assert np.ptp(rig.outputs, axis=0).max() == 0.0
    held(rig, "middle")
    rig.jog(0.3, rig.unit(0, 0.1))
    assert np.ptp(rig.outputs, axis=0).max() > 0.0


@pytest.mark.requirement("SR-020")
def test_a_switch_pressed_at_once_was_never_released(rigs: Rigs) -> None:
    rig = rigs()
    held(rig, "released")
    rig.ready()
    assert rig.act("start", "manual").ok
    held(rig, "middle")
    rig.jog(0.5, rig.unit(0, 0.1))
    assert np.ptp(rig.outputs, axis=0).max() == 0.0, "at mode entry it was held"


@pytest.mark.requirement("SR-017")
def test_an_agent_does_not_move_the_robot(rigs: Rigs) -> None:
    rig = rigs().manual()
    goal = rig.output.copy()
    rig.seconds(0.3, lambda i: rig.stream(goal))
    rig.trajectory([1.0], goal[None, :], rig.rest, rig.rest)
    assert set(rig.codes()) == {"E_SOURCE_KIND"}
    assert rig.state == "MANUAL"


@pytest.mark.requirement("SR-021")
def test_no_frame_is_faster_than_the_limit_by_other_kinematics(rigs: Rigs, tmp_path: Path) -> None:
    """The set-points are judged by PyBullet's kinematics: every link frame, every cycle."""
    rig = rigs().manual()
    limit, refused = 0.25, 0
    # Faster and faster until it is refused, each joint for itself.
    for joint, sign in ((0, -1.0), (1, 1.0), (3, 1.0)):
        for step in range(55):
            rig.stream(rig.unit(joint, 0.02 * step * sign), "joystick", velocity=True)
            rig.cycle(5)
            if rig.decisions("STOP")[-1:] and rig.decisions("STOP")[-1].code == "E_FRAME_SPEED":
                rig.effects = [e for e in rig.effects if getattr(e, "code", "") != "E_FRAME_SPEED"]
                refused += 1
                break
        rig.seconds(0.2)
    frames = link_frames(rig.configuration, rig.outputs, tmp_path)
    moved = np.linalg.norm(np.diff(frames, axis=0), axis=2) / 0.004
    assert moved.max() <= limit * 1.001
    assert moved.max() > 0.2, "the test came near the limit: bodies reach farther out than origins"
    assert refused == 3


@pytest.mark.requirement("SR-001")
def test_any_stop_ends_it(rigs: Rigs) -> None:
    rig = rigs().manual()
    rig.jog(0.3, rig.unit(0, 0.1))
    rig.estop = "stop"
    rig.until("EMERGENCY_STOP")
