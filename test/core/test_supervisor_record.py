"""What is told: no motion without its record, nothing limited in silence, the same events give the same effects."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
import pytest
from rig import Rig

from safety_supervisor.core.act_events import StopRequested
from safety_supervisor.core.effects import Effect, Status
from safety_supervisor.core.events import Event
from safety_supervisor.core.supervisor import Supervisor

Rigs = Callable[..., Rig]


@pytest.mark.requirement("SR-043")
def test_a_log_that_fails_prevents_motion(rigs: Rigs) -> None:
    rig = rigs()
    rig.log_ok = False
    rig.seconds(0.6)
    assert rig.state == "INIT"
    assert "E_LOG" in rig.status.active_causes
    rig.log_ok = True
    rig.until("LOCKED")
    rig.log_ok = False
    rig.cycle()
    reply = rig.act("reset")
    assert (reply.ok, reply.code) == (False, "E_ACT_CAUSE")
    assert "E_LOG" in reply.message


@pytest.mark.requirement("SR-043")
@pytest.mark.parametrize("hard", ["e-stop", "stop"])
def test_a_log_that_fails_never_prevents_a_stop(rigs: Rigs, hard: str) -> None:
    rig = rigs().auto().move()
    rig.log_ok = False
    if hard == "e-stop":
        rig.estop = "stop"
    else:
        rig.send(StopRequested(rig.now, "panel", ""))
    rig.cycle()
    assert rig.state == "STOPPING"
    rig.until("EMERGENCY_STOP" if hard == "e-stop" else "LOCKED")
    if hard == "e-stop":
        assert rig.latches == (True, "")


@pytest.mark.requirement("SR-043")
def test_a_log_that_fails_while_ready_or_starting_stops_before_anything_moves(rigs: Rigs) -> None:
    rig = rigs().ready()
    rig.log_ok = False
    assert rig.act("start", "auto").ok, "the core is told with the next cycle"
    rig.stream(rig.home + 0.001)
    rig.seconds(0.3)
    assert rig.state == "LOCKED"
    assert np.ptp(rig.outputs, axis=0).max() == 0.0


@pytest.mark.requirement("SR-044")
def test_two_supervisors_give_the_same_bytes(rigs: Rigs) -> None:
    rig = rigs().auto().move()
    rig.estop = "stop"
    rig.until("EMERGENCY_STOP")
    events = [msgspec.msgpack.encode(event) for event in rig.events]
    decode = msgspec.msgpack.Decoder(Event)
    encode = msgspec.msgpack.Encoder().encode
    fresh = Supervisor(rig.configuration)
    again = [encode(effect) for raw in events for effect in fresh.handle(decode.decode(raw))]
    assert again == [encode(effect) for effect in rig.history]
    back = msgspec.msgpack.Decoder(Effect)
    assert [back.decode(raw) for raw in again] == rig.history


@pytest.mark.requirement("SR-031")
def test_the_status_is_told_on_every_change_and_at_10_hz(rigs: Rigs) -> None:
    rig = rigs().auto()
    rig.clear()
    rig.seconds(1.0)
    told = [e for e in rig.effects if isinstance(e, Status)]
    assert 9 <= len(told) <= 12
    rig.clear()
    rig.move(0.2)
    assert "AUTO/MOVING" in [e.state for e in rig.effects if isinstance(e, Status)]
    status = rig.status
    assert (status.mode, status.source, status.nonce) == ("auto", "planner", "nonce")
    assert status.configuration == rig.configuration.sha256
    # Joint 4 of the Panda, both hips' roll of the G1.
    nearest = {"panda": 3.0218 - 2.356, "g1": 0.15}[rig.configuration.robot.id]
    assert status.distance_to_limit == pytest.approx(nearest)


@pytest.mark.requirement("SR-031")
def test_in_init_what_keeps_it_and_is_a_cause_as_well_is_named_once(rigs: Rigs) -> None:
    rig = rigs()
    rig.log_ok = False
    rig.measure = False
    rig.estop = "unknown"
    rig.estop_received = 0
    rig.cycle(50)
    assert rig.state == "INIT"
    codes = rig.status.active_causes
    assert {"E_ACT_INPUT", "E_LOG", "E_ESTOP_SILENT"} <= set(codes)
    assert len(codes) == len(set(codes)), codes
    assert codes[0] == "E_ACT_INPUT", "what keeps INIT comes first"


@pytest.mark.requirement("SR-031")
@pytest.mark.requirement("SR-010")
def test_every_act_is_answered_with_its_reason(rigs: Rigs) -> None:
    rig = rigs()
    for act in ("reset", "start", "recover", "maintainer"):
        reply = rig.act(act)
        assert not reply.ok
        assert reply.code.startswith("E_")
        assert reply.message
