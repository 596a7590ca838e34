"""What a technician is told to do next."""

from __future__ import annotations

import pytest

from safety_supervisor.core.errors import Code
from safety_supervisor.core.states.causes import CAUSES
from safety_supervisor.core.states.next_step import next_step
from safety_supervisor.core.states.state_table import State


@pytest.mark.parametrize(
    ("state", "cause", "active", "text"),
    [
        (State.INIT, None, (), "Wait: starting up."),
        (State.INIT, None, (Code.ACT_INPUT,), "Starting up. Start the driver or the device."),
        (State.LOCKED, Code.RESTARTED, (), "Press RESET."),
        (State.LOCKED, Code.STOP_REQUEST, (Code.REFUSALS,), "Press RESET."),
        (
            State.LOCKED,
            Code.MEASURED_POSITION,
            (Code.MEASURED_POSITION,),
            "Bring the robot back inside with RECOVERY, then press RESET.",
        ),
        (
            State.PROTECTIVE_STOP,
            Code.MEASURED_POSITION,
            (Code.MEASURED_POSITION, Code.STATE_STALE),
            "Check the driver that publishes joint_states. Then use RECOVERY.",
        ),
        (State.LOCKED, Code.LOG, (Code.LOG,), Code.LOG.cure),
        (State.PROTECTIVE_STOP, Code.STOP_REQUEST, (), "Wait until the robot rests, then press RESET."),
        (State.READY, None, (), "Press START."),
        (State.STOPPING, Code.ESTOP, (Code.ESTOP,), "Wait: the robot is stopping."),
        (State.EMERGENCY_STOP, Code.ESTOP, (Code.ESTOP,), "Release the e-stop, then press RESET."),
        (State.EMERGENCY_STOP, Code.ESTOP, (), "Press and release the e-stop, then press RESET."),
        (
            State.FAULT,
            Code.SELF_TEST,
            (Code.SELF_TEST,),
            "Call a maintainer: a self-test failed. The log has the reason.",
        ),
    ],
)
def test_the_next_step(state: State, cause: Code | None, active: tuple[Code, ...], text: str) -> None:
    assert next_step(state, cause, active) == text


@pytest.mark.requirement("SR-012")
@pytest.mark.parametrize("code", [rule.code for rule in CAUSES if rule.blocks_reset])
@pytest.mark.parametrize("state", [State.LOCKED, State.PROTECTIVE_STOP])
def test_an_active_cause_that_blocks_the_reset_is_never_answered_with_reset_alone(state: State, code: Code) -> None:
    assert next_step(state, code, (code,)) not in (next_step(state, code, ()), "Press RESET.")


@pytest.mark.parametrize("state", State)
def test_there_is_a_short_next_step_for_everything(state: State) -> None:
    for cause in (None, *Code):
        for active in ((), (cause,) if cause else ()):
            text = next_step(state, cause, active)
            assert text.endswith("."), (cause, text)
            assert len(text) <= 170, (cause, text)
            assert "\n" not in text
