"""Latches and restarts: what one boot latched, the next one begins with."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from rig import Rig

from safety_supervisor.core.effects import Latches
from safety_supervisor.core.events import AdapterFault

Rigs = Callable[..., Rig]
E = "EMERGENCY_STOP"


@pytest.mark.requirement("SR-047")
@pytest.mark.requirement("SR-003")
@pytest.mark.redteam(41)
def test_an_emergency_stop_survives_a_restart(rigs: Rigs) -> None:
    first = rigs().auto().move()
    first.estop = "stop"
    first.cycle()
    assert first.latches == (True, ""), "kept from the first moment, not from the standstill"
    second = rigs(latches=first.latches)
    second.until(E)
    second.seconds(1.0)
    assert second.state == E, "RUN alone, in a boot that never saw STOP, is no release"
    assert not second.act("reset").ok
    second.estop = "stop"
    second.cycle(2)
    second.estop = "run"
    second.until("LOCKED", 0.3)
    assert second.latches == (False, "")
    assert second.act("reset").ok
    assert second.act("start", "auto").ok


@pytest.mark.requirement("SR-047")
@pytest.mark.redteam(41)
def test_a_fault_survives_a_restart(rigs: Rigs) -> None:
    first = rigs().auto().move()
    first.send(AdapterFault(first.now, "E_SELF_TEST", "bit 3"))
    assert first.latches == (False, "E_SELF_TEST")
    second = rigs(latches=first.latches)
    second.cycle(3)
    assert second.state == "FAULT"
    assert second.status.cause == "E_SELF_TEST"
    assert second.relays_open
    second.seconds(0.5)
    for act in ("reset", "start", "recover", "mode"):
        second.act(act, "auto")
        assert second.state == "FAULT"
    assert not any(isinstance(e, Latches) for e in second.history), "a restart clears nothing"
    assert second.act("maintainer").ok
    assert second.latches == (False, "E_SELF_TEST"), "until INIT is left, the latch stays on disk"
    second.until("LOCKED")
    assert second.latches == (False, "")


@pytest.mark.requirement("SR-047")
def test_both_latches_survive_together(rigs: Rigs) -> None:
    rig = rigs(latches=(True, "E_TRACKING"))
    rig.until("FAULT")
    rig.seconds(0.4)
    assert rig.latches == (True, "E_TRACKING")
    assert rig.act("maintainer").ok
    rig.until(E)
    assert rig.latches == (True, "")
    rig.estop = "stop"
    rig.cycle(2)
    rig.estop = "run"
    rig.until("LOCKED")
    assert rig.latches == (False, "")


@pytest.mark.requirement("SR-036")
@pytest.mark.requirement("SR-047")
def test_an_unknown_fault_on_disk_is_a_fault(rigs: Rigs) -> None:
    rig = rigs(latches=(False, "unreadable"))
    rig.cycle(2)
    assert (rig.state, rig.status.cause) == ("FAULT", "E_INTERNAL")
    rig.seconds(0.3)
    assert rig.latches == (False, "unreadable")


@pytest.mark.requirement("SR-016")
@pytest.mark.redteam(41)
def test_a_respawn_in_mid_motion_boots_locked(rigs: Rigs) -> None:
    first = rigs().auto().move()
    assert first.latches == (False, "")
    second = rigs(start=first.output, latches=first.latches)
    second.seconds(1.0, lambda i: second.stream(first.output + 0.001))
    assert (second.state, second.status.cause) == ("LOCKED", "E_RESTARTED")
    assert np.ptp(second.outputs, axis=0).max() == 0.0


def test_the_first_fault_is_the_one_to_explain(rigs: Rigs) -> None:
    rig = rigs().auto().move()
    rig.send(AdapterFault(rig.now, "E_SELF_TEST", ""))
    rig.until("FAULT")
    rig.send(AdapterFault(rig.now, "E_INTERNAL", ""))
    rig.offset[0] = 0.3
    rig.cycle(5)
    assert rig.latches == (False, "E_SELF_TEST")


def test_a_released_latch_does_not_come_back_after_a_fault(rigs: Rigs) -> None:
    rig = rigs(latches=(True, ""))
    rig.until(E)
    rig.estop = "stop"
    rig.cycle(2)
    rig.estop = "run"
    rig.until("LOCKED")
    rig.send(AdapterFault(rig.now, "E_SELF_TEST", ""))
    begin = len(rig.ticks)
    assert rig.act("maintainer").ok
    rig.until("LOCKED")
    assert E not in [after for _, after, _ in rig.ticks[begin:]]
