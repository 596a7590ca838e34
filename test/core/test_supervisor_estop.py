"""The e-stop: overrides everything, latches, is left by cycling it, and never starts anything."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from machines import Machine
from rig import Rig

from safety_supervisor.core.act_events import HoldToRun, StopRequested
from safety_supervisor.core.events import AdapterFault

Rigs = Callable[..., Rig]
E = "EMERGENCY_STOP"


def stopping(rig: Rig) -> Rig:
    rig.auto().move().send(StopRequested(rig.now, "panel", ""))
    rig.cycle(2)
    return rig


def recovery(rig: Rig) -> Rig:
    rig.lock()
    assert rig.act("recover").ok
    rig.send(HoldToRun(rig.now, 1))
    rig.cycle(2)
    return rig


STATES: dict[str, Callable[[Rig], Rig]] = {
    "LOCKED": Rig.lock,
    "READY": Rig.ready,
    "AUTO/HOLDING": Rig.auto,
    "AUTO/MOVING": lambda rig: rig.auto().move(),
    "MANUAL": Rig.manual,
    "STOPPING": stopping,
    "RECOVERY": recovery,
}


@pytest.mark.requirement("SR-001")
@pytest.mark.requirement("SR-003")
@pytest.mark.requirement("SR-036")
@pytest.mark.parametrize("word", ["stop", "unknown"])
@pytest.mark.parametrize("state", STATES)
def test_it_overrides_every_state_and_latches(rigs: Rigs, machine: Machine, state: str, word: str) -> None:
    rig = STATES[state](rigs(start=machine.beyond(0.02) if state == "RECOVERY" else None))
    assert rig.state == state
    rig.estop = word
    rig.cycle()
    assert rig.state in ("STOPPING", E)
    assert rig.relays_open
    assert rig.latches == (True, "")
    rig.until(E)
    for act in ("reset", "start", "recover", "maintainer"):
        assert not rig.act(act, "auto").ok
    rig.estop = "run"
    if word == "unknown":
        rig.seconds(0.5)
        assert rig.state == E, "a device that was silent has to be pressed and released"
        rig.estop = "stop"
        rig.cycle(2)
        rig.estop = "run"
    rig.cycle(5)
    assert rig.state == E, "RUN has to last"
    rig.until("LOCKED", 0.2)
    assert rig.latches == (False, "")
    assert not rig.relays_open


@pytest.mark.requirement("SR-004")
@pytest.mark.requirement("SR-016")
@pytest.mark.requirement("SR-010")
def test_release_alone_never_moves(rigs: Rigs) -> None:
    rig = rigs().auto().move()
    rig.estop = "stop"
    rig.until(E)
    here = rig.output
    rig.estop = "run"
    rig.seconds(2.0, lambda i: rig.stream(here + 0.001))
    assert rig.state == "LOCKED"
    assert not rig.act("start", "auto").ok, "a start needs a reset before it"
    assert rig.act("reset").ok
    rig.seconds(1.0, lambda i: rig.stream(here + 0.001))
    assert rig.state == "READY"
    assert (rig.output == here).all()
    assert rig.act("start", "auto").ok
    rig.seconds(0.5)
    assert (rig.output == here).all(), "what was streamed before the start is gone"


@pytest.mark.requirement("SR-001")
def test_it_is_latched_in_fault_too(rigs: Rigs) -> None:
    rig = rigs().lock()
    rig.send(AdapterFault(rig.now, "E_SELF_TEST", ""))
    assert rig.state == "FAULT"
    rig.estop = "stop"
    rig.cycle()
    assert rig.state == "FAULT"
    assert rig.latches == (True, "E_SELF_TEST")
    rig.estop = "run"
    rig.seconds(0.5)
    assert rig.latches == (True, "E_SELF_TEST")
    assert rig.act("maintainer").ok
    rig.cycle(60)
    assert rig.state in (E, "LOCKED")
    assert not any(e.state in ("READY", "AUTO/HOLDING") for e in rig.history if type(e).__name__ == "Status")


@pytest.mark.requirement("SR-001")
@pytest.mark.requirement("SR-047")
def test_pressed_at_boot(rigs: Rigs) -> None:
    rig = rigs()
    rig.estop = "stop"
    rig.cycle(3)
    assert rig.state == E
    assert rig.latches == (True, "")
    rig.seconds(0.5)
    rig.estop = "run"
    rig.until("LOCKED", 0.2)
    assert rig.act("reset").ok


@pytest.mark.requirement("SR-036")
@pytest.mark.requirement("SR-016")
def test_a_device_that_was_never_heard_keeps_init(rigs: Rigs) -> None:
    rig = rigs()
    rig.estop_received = 0
    rig.estop = "unknown"
    rig.seconds(1.0)
    assert rig.state == "INIT"
    assert rig.outputs == []
    assert "E_ESTOP_SILENT" in rig.status.active_causes
    assert rig.latches == (False, "")
    rig.estop_received = None
    rig.estop = "run"
    rig.until("LOCKED")


@pytest.mark.requirement("SR-003")
def test_a_bouncing_release_is_none(rigs: Rigs) -> None:
    rig = rigs().auto()
    rig.estop = "stop"
    rig.until(E)
    for i in range(40):
        rig.estop = "stop" if i % 10 == 0 else "run"
        rig.cycle()
    assert rig.state == E
    rig.estop = "run"
    rig.until("LOCKED", 0.2)


@pytest.mark.requirement("SR-006")
def test_pressed_during_the_reset(rigs: Rigs) -> None:
    rig = rigs().lock()
    rig.estop = "stop"
    assert rig.act("reset").ok, "the core has not been told yet"
    rig.cycle()
    assert rig.state == E
    assert np.ptp(rig.outputs, axis=0).max() == 0.0


@pytest.mark.requirement("SR-036")
@pytest.mark.requirement("SR-037")
@pytest.mark.parametrize("received", [1, 10**18], ids=["old", "in the future"])
def test_a_word_of_the_wrong_time_is_silence(rigs: Rigs, received: int) -> None:
    rig = rigs().auto().move()
    rig.estop_received = received
    rig.cycle()
    assert (rig.state, rig.status.cause) == ("STOPPING", "E_ESTOP_SILENT")
    rig.until(E)
