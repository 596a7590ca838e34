"""Acts of people: reset and start as two acts, each refused where it does not belong, none of them moving the robot."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from rig import Rig

from safety_supervisor.core.act_events import OperatorAct, StopRequested
from safety_supervisor.core.effects import Actuate
from safety_supervisor.core.events import AdapterFault, SourceEndpoints

Rigs = Callable[..., Rig]
HIGH = {"enabling_switch": "released", "integrity": "high"}


@pytest.mark.requirement("SR-016")
@pytest.mark.requirement("SR-010")
def test_nothing_moves_before_reset_and_start(rigs: Rigs) -> None:
    rig = rigs()
    rig.send(SourceEndpoints(rig.now, "planner", 1))
    rig.seconds(0.6, lambda i: rig.stream(rig.home + 0.002))
    assert rig.state == "LOCKED"
    assert not rig.act("start", "auto").ok
    assert rig.act("reset").ok
    assert not rig.act("reset").ok, "a second reset belongs nowhere"
    rig.seconds(0.5, lambda i: rig.stream(rig.home + 0.002))
    assert rig.state == "READY"
    assert np.ptp(rig.outputs, axis=0).max() == 0.0
    assert {d.code for d in rig.decisions()} == {"E_NOT_MOVING_STATE"}
    assert rig.act("start", "auto").ok
    rig.seconds(0.2, lambda i: rig.stream(rig.home) if i % 2 else None)
    assert rig.state == "AUTO/MOVING"


@pytest.mark.requirement("SR-010")
def test_an_act_is_bound_to_the_epoch_that_the_person_saw(rigs: Rigs) -> None:
    rig = rigs().lock()
    seen = rig.status.epoch
    assert rig.act("reset", epoch=seen).ok
    reply = rig.act("start", "auto", epoch=seen)
    assert (reply.ok, reply.code) == (False, "E_ACT_EPOCH")
    rig.cycle()
    assert rig.act("start", "auto", epoch=rig.status.epoch).ok
    assert not rig.act("mode", "manual", epoch=seen).ok


@pytest.mark.requirement("SR-010")
@pytest.mark.redteam(18)
@pytest.mark.redteam(52)
def test_a_stop_of_a_locked_robot_makes_the_reset_old_that_was_signed_before(rigs: Rigs) -> None:
    rig = rigs().lock()
    seen = rig.status.epoch
    rig.send(StopRequested(rig.now, "panel", "somebody goes in"))
    assert rig.act("reset", epoch=seen).code == "E_ACT_EPOCH"
    assert [decision.code for decision in rig.decisions("STOP")] == ["E_STOP_REQUEST"]
    rig.cycle()
    for _ in range(100):
        rig.send(StopRequested(rig.now, "panel", "a flood"))
    assert len(rig.decisions("STOP")) == 1, "repeats cost nothing"
    assert rig.status.epoch == seen + 1
    rig.seconds(1.0)
    rig.send(StopRequested(rig.now, "panel", "once more"))
    assert rig.act("reset", epoch=seen + 1).code == "E_ACT_EPOCH"
    assert rig.act("reset", epoch=rig.status.epoch).ok


@pytest.mark.requirement("SR-041")
@pytest.mark.redteam(18)
def test_a_second_fault_makes_the_maintainers_act_old_that_was_signed_for_the_first(rigs: Rigs) -> None:
    rig = rigs().lock()
    rig.send(AdapterFault(rig.now, "E_OUTPUT_PUBLISHER", "a second publisher"))
    rig.cycle(3)
    seen = rig.status.epoch
    rig.send(AdapterFault(rig.now, "E_OUTPUT_PUBLISHER", "the same again"))
    rig.cycle(3)
    assert (rig.state, rig.status.epoch) == ("FAULT", seen)
    for _ in range(5):
        rig.send(AdapterFault(rig.now, "E_INTERNAL", "another"))
        rig.cycle(3)
    assert rig.act("maintainer", epoch=seen).code == "E_ACT_EPOCH"
    assert rig.state == "FAULT"
    assert (rig.status.epoch, rig.status.cause) == (seen + 1, "E_OUTPUT_PUBLISHER")
    rig.send(StopRequested(rig.now, "panel", "an act without an answer"))
    assert rig.act("maintainer", epoch=seen + 1).code == "E_ACT_EPOCH"
    assert rig.act("maintainer", epoch=seen + 2).ok


@pytest.mark.requirement("SR-010")
@pytest.mark.requirement("SR-015")
@pytest.mark.redteam(45)
def test_a_reset_moves_nothing_and_a_start_meets_the_robot_slowly(rigs: Rigs) -> None:
    rig = rigs().lock()
    rig.offset[1] = 0.03
    rig.seconds(0.5)
    here = rig.output
    assert rig.act("reset").ok
    rig.seconds(1.0)
    assert (rig.output == here).all(), "a reset moves nothing"
    assert rig.act("start", "auto").ok
    rig.offset[1] = 0.0  # the robot is where it was seen, and the set-point goes there
    before = len(rig.outputs)
    rig.robot[1] += 0.03
    rig.follow = False
    rig.seconds(2.0)
    assert rig.output[1] == pytest.approx(here[1] + 0.03, abs=1e-9)
    speeds = np.abs(np.diff(rig.outputs[before:], axis=0)) / 0.004
    assert speeds.max() < 0.1 * rig.configuration.envelope.joints.velocity[1] + 1e-9, "at a tenth of the speed"


@pytest.mark.requirement("SR-015")
def test_a_robot_that_power_let_go_is_met_where_it_is(rigs: Rigs) -> None:
    rig = rigs().auto()
    rig.estop = "stop"
    rig.until("EMERGENCY_STOP")
    rig.estop = "run"
    rig.until("LOCKED")
    rig.placed_anew = True
    rig.follow = False
    sagged = rig.home.copy()
    sagged[3] -= 0.045
    rig._pipeline.clear()
    rig.robot = sagged
    rig.seconds(0.5)
    rig.follow = True
    assert rig.act("reset").ok
    assert rig.act("start", "auto").ok
    rig.seconds(2.0)
    assert rig.state == "AUTO/HOLDING"
    assert rig.output == pytest.approx(sagged, abs=1e-9)
    rig.stream(sagged)
    rig.cycle(10)
    assert "E_STATE_CHANGED" not in rig.codes()


@pytest.mark.requirement("SR-012")
def test_a_reset_while_the_robot_moves_is_refused(rigs: Rigs) -> None:
    rig = rigs().lock()
    for i in range(60):
        rig.offset[6] = 0.02 * np.sin(i / 3)
        rig.cycle()
    assert rig.state == "LOCKED"
    reply = rig.act("reset")
    assert (reply.ok, reply.code) == (False, "E_ACT_STANDSTILL")


@pytest.mark.redteam(40)
@pytest.mark.requirement("SR-013")
def test_old_motion_does_not_resume_on_reset_nor_on_start(rigs: Rigs) -> None:
    rig = rigs().auto().move()
    rig.send(StopRequested(rig.now, "panel", ""))
    stream = rig.home + 0.3
    rig.seconds(1.0, lambda i: rig.stream(stream))
    here = rig.output
    assert rig.act("reset").ok
    rig.seconds(0.5, lambda i: rig.stream(stream))
    assert rig.state == "READY"
    assert rig.act("start", "auto").ok
    rig.seconds(1.0)
    assert rig.state == "AUTO/HOLDING"
    assert (rig.output == here).all()
    rig.move(0.5, by=0.2)


@pytest.mark.requirement("SR-017")
def test_the_key_is_the_only_mode_selector(rigs: Rigs) -> None:
    rig = rigs()
    rig.estop_extra = {**HIGH, "mode_key": "manual"}
    rig.ready()
    reply = rig.act("start", "auto")
    assert (reply.ok, reply.code) == (False, "E_ACT_MODE")
    assert rig.act("start", "manual").ok
    other = rigs()
    other.estop_extra = {**HIGH, "mode_key": "auto"}
    other.ready()
    assert not other.act("start", "manual").ok
    assert not other.act("start", "").ok
    assert not other.act("start", "reduced").ok
    assert other.act("start", "auto").ok


@pytest.mark.requirement("SR-018")
@pytest.mark.parametrize("way", [("manual", "auto"), ("manual", "none"), ("none", "auto")], ids=str)
def test_turning_the_key_stops(rigs: Rigs, way: tuple[str, str]) -> None:
    """Also a key that is heard no more, or for the first time, while the robot may move."""
    rig = rigs()
    rig.estop_extra = {**HIGH, "mode_key": way[0]}
    rig.ready()
    assert rig.act("start", "manual").ok
    rig.cycle()
    rig.estop_extra = {**HIGH, "enabling_switch": "middle", "mode_key": way[0]}
    rig.cycle()
    rig.jog(0.3, rig.unit(0, 0.1))
    rig.estop_extra = {**HIGH, "enabling_switch": "middle", "mode_key": way[1]}
    rig.cycle()
    assert (rig.state, rig.status.cause) == ("STOPPING", "E_MODE_CHANGE")
    rig.until("LOCKED")
    assert "PROTECTIVE_STOP" in [after for _, after, _ in rig.ticks]


@pytest.mark.requirement("SR-018")
def test_a_mode_act_stops_from_auto(rigs: Rigs) -> None:
    rig = rigs().auto().move()
    assert rig.act("mode", "manual").ok
    assert (rig.state, rig.status.cause) == ("STOPPING", "E_MODE_CHANGE")
    rig.until("LOCKED")


@pytest.mark.requirement("SR-020")
@pytest.mark.parametrize("held", ["middle", "panicked"])
@pytest.mark.parametrize("mode", ["auto", "manual"])
def test_a_switch_held_at_the_start_refuses_it(rigs: Rigs, held: str, mode: str) -> None:
    rig = rigs()
    rig.estop_extra = {"enabling_switch": held, "integrity": "high"}
    rig.ready()
    reply = rig.act("start", mode)
    assert (reply.ok, reply.code) == (False, "E_ACT_MODE")
    assert rig.state == "READY"


@pytest.mark.parametrize("act", ["reset", "start", "recover", "maintainer"])
@pytest.mark.parametrize("state", ["INIT", "AUTO/HOLDING", "AUTO/MOVING", "STOPPING", "EMERGENCY_STOP"])
def test_acts_that_do_not_belong_change_nothing(rigs: Rigs, state: str, act: str) -> None:
    rig = rigs()
    if state != "INIT":
        rig.auto()
    if state in ("AUTO/MOVING", "STOPPING"):
        rig.move()
    if state == "STOPPING":
        rig.send(StopRequested(rig.now, "panel", ""))
    if state == "EMERGENCY_STOP":
        rig.estop = "stop"
        rig.until(state)
    assert rig.state == state
    epoch = rig.status.epoch
    reply = rig.act(act, "auto")
    assert (reply.ok, reply.code) == (False, "E_ACT_STATE")
    assert reply.message
    assert rig.state == state
    assert rig.status.epoch == epoch


def test_a_start_without_a_measured_robot_is_impossible(rigs: Rigs) -> None:
    rig = rigs()
    rig.measure = False
    rig.seconds(0.6)
    assert rig.state == "INIT"
    assert "E_ACT_INPUT" in rig.status.active_causes
    assert not rig.act("reset").ok
    assert not any(isinstance(e, Actuate) for e in rig.history)


def test_who_acted_is_never_guessed(rigs: Rigs) -> None:
    """An agent has no way to act: no command is an act, whatever it is called."""
    rig = rigs().lock()
    for name in ("reset", "start", "auto"):
        rig.stream(rig.home, source=name)
        rig.stream(rig.home, frame_id=f"cid:{name}")
    rig.cycle(3)
    assert rig.state == "LOCKED"
    assert rig.send(OperatorAct(rig.now, "reset", "technician", "", -1, "r"))
    assert rig.state == "READY"
