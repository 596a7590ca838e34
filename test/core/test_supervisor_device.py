"""What the e-stop device says besides RUN and STOP: faults, its relays, its reset button."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from rig import Rig

from safety_supervisor.core.effects import Decision
from safety_supervisor.core.errors import Code
from safety_supervisor.core.events import EstopReport
from safety_supervisor.core.states.causes import CAUSE_OF

Rigs = Callable[..., Rig]
E = "EMERGENCY_STOP"
FAULTS = sorted(
    (code for code in CAUSE_OF if code.value.startswith("E_ESTOP_") and code is not Code.ESTOP_RELAYS),
    key=lambda code: code.value,
)
STATES: dict[str, Callable[[Rig], Rig]] = {
    "LOCKED": Rig.lock,
    "READY": Rig.ready,
    "AUTO/HOLDING": Rig.auto,
    "AUTO/MOVING": lambda rig: rig.auto().move(),
    "MANUAL": Rig.manual,
}


def fault(rig: Rig, code: str) -> None:
    rig.estop = "unknown"
    rig.estop_extra = {**rig.estop_extra, "fault": code}


def well(rig: Rig) -> None:
    rig.estop_extra = {**rig.estop_extra, "fault": ""}


def refusals(rig: Rig) -> list[tuple[str, str]]:
    return [(e.code, e.detail) for e in rig.history if isinstance(e, Decision) and e.source == "estop"]


@pytest.mark.requirement("SR-035")
@pytest.mark.requirement("SR-036")
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("code", FAULTS, ids=lambda code: code.value)
def test_every_fault_stops_in_every_state_at_once_and_latches(rigs: Rigs, code: Code, state: str) -> None:
    rig = STATES[state](rigs())
    fault(rig, code.value)
    rig.cycle()
    assert rig.relays_open
    assert rig.latches[0]
    target = CAUSE_OF[code].target.value
    rig.until(target)
    assert rig.status.cause == code.value
    well(rig)
    rig.estop = "run"
    rig.seconds(0.5)
    assert rig.state == target, "a device that had a fault has to be pressed and released"


@pytest.mark.parametrize("code", FAULTS, ids=lambda code: code.value)
@pytest.mark.requirement("SR-003")
def test_it_is_left_by_the_button_alone(rigs: Rigs, code: Code) -> None:
    rig = rigs().auto().move()
    fault(rig, code.value)
    rig.until(CAUSE_OF[code].target.value)
    well(rig)
    rig.estop = "stop"
    rig.cycle(2)
    rig.estop = "run"
    rig.seconds(0.3)
    assert rig.state == ("FAULT" if CAUSE_OF[code].target.value == "FAULT" else "LOCKED")


@pytest.mark.sampled(3)
@pytest.mark.requirement("SR-036")
@pytest.mark.parametrize(
    "word",
    ["E_NO_SUCH_CODE", "E_RATE", "\x00"]
    + [code.value for code, rule in CAUSE_OF.items() if rule.target.value in ("LOCKED", "PROTECTIVE_STOP")],
)
def test_a_fault_that_is_none_of_a_device_is_silence(rigs: Rigs, word: str) -> None:
    """Nor does a softer stop of a driver's choice end where nobody asks for the cycled button (SR-003)."""
    rig = rigs().auto().move()
    rig.estop_extra = {"fault": word}
    rig.cycle()
    assert (rig.state, rig.status.cause) == ("STOPPING", "E_ESTOP_SILENT")
    rig.until(E)
    well(rig)
    rig.seconds(0.3)
    assert rig.state == E


@pytest.mark.requirement("SR-016")
@pytest.mark.parametrize("code", FAULTS, ids=lambda code: code.value)
def test_at_start_it_keeps_init_and_says_why(rigs: Rigs, code: Code) -> None:
    rig = rigs()
    rig.estop_received = 0
    fault(rig, code.value)
    rig.seconds(0.6)
    if CAUSE_OF[code].target.value == "FAULT":
        assert rig.state == "FAULT"
    else:
        assert rig.state == "INIT"
        assert code.value in rig.status.active_causes
    assert all(not e.moving for e in rig.history if type(e).__name__ == "Actuate")


@pytest.mark.requirement("SR-002")
@pytest.mark.parametrize("state", [name for name in STATES if name != "LOCKED"])
def test_relays_that_open_by_themselves_are_a_stop(rigs: Rigs, state: str) -> None:
    rig = rigs()
    rig.estop_extra = {"relays": "closed"}
    STATES[state](rig)
    rig.estop_extra = {**rig.estop_extra, "relays": "open"}
    rig.cycle()
    assert rig.status.cause == "E_ESTOP_RELAYS"
    rig.until(E)


@pytest.mark.requirement("SR-012")
def test_open_relays_block_a_reset_and_nothing_else(rigs: Rigs) -> None:
    rig = rigs()
    rig.estop_extra = {"relays": "open"}
    rig.lock()
    rig.seconds(0.3)
    assert rig.state == "LOCKED"
    reply = rig.act("reset")
    assert not reply.ok
    assert "E_ESTOP_RELAYS" in reply.message
    rig.estop_extra = {"relays": "closed"}
    rig.cycle()
    assert rig.act("reset").ok


def pressed(rig: Rig, count: int = 1, integrity: str = "high") -> None:
    rig.estop_extra = {**rig.estop_extra, "integrity": integrity, "resets": rig.estop_extra.get("resets", 0) + count}
    rig.cycle()


@pytest.mark.requirement("SR-010")
def test_the_devices_button_resets_and_starts_nothing(rigs: Rigs) -> None:
    rig = rigs().lock()
    pressed(rig)
    assert rig.state == "READY"
    rig.seconds(0.3)
    pressed(rig)
    assert rig.state == "READY"
    assert refusals(rig)[-1][0] == "E_ACT_STATE"


@pytest.mark.requirement("SR-012")
def test_it_is_refused_while_a_cause_is_active_and_says_which(rigs: Rigs) -> None:
    rig = rigs().lock()
    rig.log_ok = False
    rig.seconds(0.3)
    assert rig.state == "LOCKED"
    pressed(rig)
    assert rig.state == "LOCKED"
    code, detail = refusals(rig)[-1]
    assert code == "E_ACT_CAUSE"
    assert "E_LOG" in detail
    rig.log_ok = True
    rig.seconds(0.5)
    assert rig.state == "LOCKED", "a press that was refused acts no more"


@pytest.mark.requirement("SR-006")
def test_a_press_in_the_cycle_of_a_stop_resets_nothing(rigs: Rigs) -> None:
    rig = rigs().lock()
    rig.estop = "stop"
    pressed(rig)
    assert rig.state == E
    rig.estop = "run"
    rig.seconds(0.5)
    assert rig.state == "LOCKED"


@pytest.mark.parametrize("integrity", ["low", "high"])
def test_a_device_of_low_integrity_resets_nothing(rigs: Rigs, integrity: str) -> None:
    rig = rigs().lock()
    pressed(rig, integrity=integrity)
    assert rig.state == ("READY" if integrity == "high" else "LOCKED")
    assert bool(refusals(rig)) is False


def test_presses_before_the_first_word_count_for_nothing(rigs: Rigs) -> None:
    rig = rigs()
    rig.estop_extra = {"integrity": "high", "resets": 7}
    rig.lock()
    rig.seconds(0.3)
    assert rig.state == "LOCKED"


@pytest.mark.requirement("SR-010")
def test_a_word_without_the_count_is_no_press_when_the_count_comes_back(rigs: Rigs) -> None:
    rig = rigs()
    rig.estop_extra = {"integrity": "high", "resets": 3}
    rig.lock()
    rig.estop_extra = {"integrity": "high"}
    rig.cycle()
    rig.estop_extra = {"integrity": "high", "resets": 3}
    rig.seconds(0.3)
    assert rig.state == "LOCKED"
    pressed(rig)
    assert rig.state == "READY"


@pytest.mark.parametrize(("cycles", "state"), [(10, "READY"), (60, "LOCKED")])
def test_the_same_press_may_close_the_relays_a_little_later(rigs: Rigs, cycles: int, state: str) -> None:
    rig = rigs()
    rig.estop_extra = {"relays": "open"}
    rig.lock()
    pressed(rig)
    assert rig.state == "LOCKED"
    rig.cycle(cycles)
    rig.estop_extra = {**rig.estop_extra, "relays": "closed"}
    rig.cycle(2)
    assert rig.state == state
    if state == "LOCKED":
        assert "E_ESTOP_RELAYS" in refusals(rig)[-1][1]


def test_a_driver_may_tell_and_stops_nothing_thereby(rigs: Rigs) -> None:
    rig = rigs().auto().move()
    rig.send(EstopReport(rig.now, "E_ESTOP_RESET", "held for 4.2 s; allowed: 0.1 to 3 s"))
    rig.cycle()
    assert rig.state == "AUTO/MOVING"
    assert refusals(rig) == [("E_ESTOP_RESET", "held for 4.2 s; allowed: 0.1 to 3 s")]


@pytest.mark.parametrize("key", ["manual", "auto"])
def test_the_first_word_of_the_key_is_no_change_of_mode(rigs: Rigs, key: str) -> None:
    rig = rigs()
    rig.cycle(2)
    rig.estop_extra = {"mode_key": key}
    rig.lock()
    assert rig.status.cause == "E_RESTARTED"
    assert "E_MODE_CHANGE" not in [e.cause for e in rig.history if type(e).__name__ == "Status"]
