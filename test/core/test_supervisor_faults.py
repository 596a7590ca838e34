"""Our own failures: whatever raises, the kept stop goes on in that very cycle, one regular step, and FAULT latches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from rig import Rig

from safety_supervisor.core.act_events import OperatorAct, StopRequested
from safety_supervisor.core.effects import Actuate, Decision, Latches, RelayDemand
from safety_supervisor.core.events import (
    AdapterFault,
    ConfigurationChanged,
    OutputEndpoints,
    RobotDescription,
    SourceEndpoints,
)

Rigs = Callable[..., Rig]


class Broken(Exception):
    """What a bug of our own may raise."""


def broken(*_: Any, **__: Any) -> Any:
    raise Broken("a bug")


# Where it breaks: before, inside and after the motion's step, and while reporting.
PLACES = [
    "_inputs.sample",
    "_inputs.hands_off",
    "_commands.advance",
    "_motion.advance",
    "_motion._verify",
    "_verifier.verify",
    "_inputs.measured.commanded",
    "_set_points.send",
    "_noted",
    "_course.advance",
    "_reporting.status",
    "_reporting.relays",
]


def break_once(rig: Rig, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """Let one call fail, once."""
    *path, name = place.split(".")
    owner: Any = rig.supervisor
    for part in path:
        owner = getattr(owner, part)
    whole = getattr(owner, name)

    def once(*args: Any, **kwargs: Any) -> Any:
        monkeypatch.setattr(owner, name, whole)
        raise Broken(place)

    monkeypatch.setattr(owner, name, once)
    rig.tampered = True


@pytest.mark.sampled(3)
@pytest.mark.redteam(37)
@pytest.mark.parametrize("moving", ["trajectory", "stream"])
@pytest.mark.parametrize("place", PLACES)
def test_an_exception_in_a_cycle_runs_the_kept_stop(
    rigs: Rigs, monkeypatch: pytest.MonkeyPatch, place: str, moving: str
) -> None:
    rig = rigs().auto()
    if moving == "trajectory":
        rig.move(0.6)
    else:
        flow = streaming(rig)
        rig.seconds(0.5, flow)
    speed = np.diff(rig.outputs[-2:], axis=0)[0, 0] / 0.004
    assert abs(speed) > 0.05
    promised = last_actuate(rig)
    break_once(rig, monkeypatch, place)
    if place in ("_reporting.status", "_reporting.relays", "_motion._verify", "_verifier.verify"):
        rig.cycle(30 if "reporting" in place else 1)
    else:
        rig.cycle()
    assert rig.state in ("STOPPING", "FAULT")
    if "reporting" not in place:
        sent = last_actuate(rig)
        assert sent.cycle == promised.cycle + 1, "in that very cycle"
        step = (sent.positions[0] - promised.positions[0]) / 0.004
        assert abs(step - speed) < rig.configuration.envelope.joints.acceleration[0] * 0.004 * 1.01, "one regular step"
        if promised.horizon and place not in (
            "_set_points.send",
            "_noted",
            "_course.advance",
            "_inputs.measured.commanded",
        ):
            at = {point.time: point.positions for point in promised.horizon}
            if rig.period in at:
                assert sent.positions == pytest.approx(at[rig.period], abs=1e-9), "along the stop that it promised"
    assert rig.latches == (False, "E_INTERNAL")
    assert rig.relays_open
    rig.until("FAULT")
    assert np.abs(np.diff(rig.outputs[-3:], axis=0)).max() == 0.0
    told = [d for d in rig.decisions("STOP") if d.code == "E_INTERNAL"]
    assert len(told) == 1
    assert place in told[0].detail


def last_actuate(rig: Rig) -> Actuate:
    return next(e for e in reversed(rig.history) if isinstance(e, Actuate))


def streaming(rig: Rig) -> Callable[[int], None]:
    """A set-point every 10 ms, of a smooth motion of joint 1."""
    start = rig.output
    cycles = sent = 0

    def each(_: int) -> None:
        nonlocal cycles, sent
        cycles += 1
        if cycles * 4 >= sent * 10:
            u = min(1.0, sent * 0.01 / 2.0)
            goal = start.copy()
            goal[0] += 0.6 * u**3 * (10 - 15 * u + 6 * u * u)
            sent += 1
            rig.stream(goal)

    return each


@pytest.mark.redteam(37)
@pytest.mark.requirement("SR-044")
def test_an_exception_in_what_is_computed_ahead_fails_the_next_event_whoever_asked_for_it(
    rigs: Rigs, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = []
    for ahead in (True, False):  # as the node does, and as a replay may
        rig = rigs().auto().move(0.6)
        break_once(rig, monkeypatch, "_verifier.prepare")
        rig.supervisor._unprepared = True
        if ahead:
            rig.supervisor.prepare()
            assert rig.state != "FAULT"
        rig.cycle()
        assert rig.state in ("STOPPING", "FAULT")
        told.append(rig.history[-1])
        rig.seconds(2.0)
        assert rig.state == "FAULT"
    assert told[0] == told[1]


@pytest.mark.redteam(37)
@pytest.mark.parametrize(
    "event",
    ["stream", "trajectory", "joint states", "operator", "stop"],
)
def test_an_exception_between_cycles_stops_what_plays(rigs: Rigs, monkeypatch: pytest.MonkeyPatch, event: str) -> None:
    """Whatever the event was: the trajectory that plays ends in the kept stop, not at its end."""
    rig = rigs().auto().move(0.6)
    goal = rig.output[0] + 0.3
    rig.tampered = True
    parts = {
        "stream": (rig.supervisor._commands, "stream", lambda: rig.stream(rig.home)),
        "trajectory": (
            rig.supervisor._commands,
            "trajectory",
            lambda: rig.trajectory([1.0], rig.home[None, :], rig.rest, rig.rest),
        ),
        "joint states": (rig.supervisor._inputs.measured, "update", rig.cycle),
        "operator": (
            rig.supervisor._operators,
            "judge",
            lambda: rig.send(OperatorAct(rig.now, "reset", "technician", "", -1, "r")),
        ),
        "stop": (rig.supervisor._decisions, "stopped", lambda: rig.send(StopRequested(rig.now, "panel", ""))),
    }
    owner, name, act = parts[event]
    whole = getattr(owner, name)

    def once(*args: Any, **kwargs: Any) -> Any:
        monkeypatch.setattr(owner, name, whole)
        raise Broken(event)

    monkeypatch.setattr(owner, name, once)
    act()
    assert rig.state == "STOPPING"
    assert rig.latches == (False, "E_INTERNAL")
    rig.until("FAULT", 0.6)
    assert rig.output[0] < goal


@pytest.mark.redteam(37)
def test_exceptions_in_every_cycle_still_end_at_rest(rigs: Rigs, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = rigs().auto().move(0.6)
    rig.tampered = True
    monkeypatch.setattr(rig.supervisor._motion, "advance", broken)
    sent = len(rig.outputs)
    rig.cycle(60)
    assert len(rig.outputs) == sent + 60
    assert np.abs(np.diff(rig.outputs[-3:], axis=0)).max() == 0.0
    assert rig.relays_open
    assert rig.latches == (False, "E_INTERNAL")


@pytest.mark.redteam(37)
def test_what_is_no_event_is_a_fault_and_no_crash(rigs: Rigs) -> None:
    rig = rigs().auto().move(0.5)
    rig.tampered = True
    rig.send(Latches(rig.now, False, ""))  # type: ignore[arg-type]
    assert rig.state == "STOPPING"
    rig.until("FAULT")


class NotFinite:
    """A trajectory whose arithmetic has gone wrong."""

    duration = 9.0

    def __init__(self, joints: int) -> None:
        self.joints = joints

    def state(self, tau: float) -> np.ndarray:
        return np.full((3, self.joints), np.nan)

    def stop_from(self, tau: float) -> None:
        return None


def break_trajectory(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the group that joint 1 belongs to."""
    group = next(name for name, joints in rig.configuration.robot.groups.items() if 0 in joints)
    lane = rig.supervisor._motion.lanes[group]
    assert lane.trajectory is not None
    monkeypatch.setattr(lane, "trajectory", NotFinite(len(rig.configuration.robot.groups[group])))


@pytest.mark.redteam(37)
def test_where_not_even_the_kept_stop_is_finite_there_is_silence(rigs: Rigs, monkeypatch: pytest.MonkeyPatch) -> None:
    """The controller then ends in the stop that it was sent, the relays open, and nothing claims a standstill."""
    rig = rigs().auto().move(0.6)
    rig.tampered = rig.silent = True
    nowhere = np.full((3, len(rig.names)), np.nan)
    monkeypatch.setattr(type(rig.supervisor._motion.kept), "state", lambda self, elapsed: nowhere)
    break_trajectory(rig, monkeypatch)
    sent = len(rig.outputs)
    rig.cycle(5)
    assert len(rig.outputs) == sent
    assert rig.state == "STOPPING"
    assert rig.relays_open
    assert rig.latches[1] in ("E_NOT_FINITE_RESULT", "E_INTERNAL")


@pytest.mark.redteam(37)
def test_a_result_that_is_not_finite_never_leaves(rigs: Rigs, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = rigs().auto().move(0.6)
    rig.tampered = True
    break_trajectory(rig, monkeypatch)
    rig.cycle()
    assert (rig.state, rig.status.cause) == ("STOPPING", "E_NOT_FINITE_RESULT")
    rig.until("FAULT")
    assert rig.relays_open
    assert np.isfinite(rig.outputs).all()


@pytest.mark.redteam(32)
@pytest.mark.requirement("SR-040")
def test_a_second_publisher_on_the_motors_is_a_fault_however_short_it_was(rigs: Rigs) -> None:
    rig = rigs().auto().move()
    rig.send(OutputEndpoints(rig.now, ("/rogue",)))
    rig.send(OutputEndpoints(rig.now, ()))
    rig.cycle()
    assert (rig.state, rig.status.cause) == ("STOPPING", "E_OUTPUT_PUBLISHER")
    assert rig.relays_open
    rig.until("FAULT")


@pytest.mark.redteam(32)
@pytest.mark.requirement("SR-040")
@pytest.mark.parametrize("state", ["INIT", "LOCKED"])
def test_a_second_publisher_is_a_fault_at_rest_too(rigs: Rigs, state: str) -> None:
    rig = rigs()
    if state == "LOCKED":
        rig.lock()
    rig.send(OutputEndpoints(rig.now, ("/rogue",)))
    assert rig.state == "FAULT"
    assert rig.act("maintainer").ok
    rig.seconds(0.5)
    assert rig.state == "FAULT", "it is still there"
    rig.send(OutputEndpoints(rig.now, ()))
    rig.cycle()
    assert rig.act("maintainer").ok
    rig.until("LOCKED")


@pytest.mark.redteam(33)
@pytest.mark.requirement("SR-040")
@pytest.mark.parametrize("state", ["LOCKED", "READY", "AUTO/HOLDING"])
def test_motion_that_nobody_commanded_is_a_fault(rigs: Rigs, state: str) -> None:
    """Somebody talks to the controller past us: the robot moves, our set-point does not."""
    rig = {"LOCKED": Rig.lock, "READY": Rig.ready, "AUTO/HOLDING": Rig.auto}[state](rigs())

    def drift(_: int) -> None:
        rig.offset[0] += 0.002

    for _ in range(100):
        rig.cycle(1, drift)
        if rig.relays_open:
            break
    assert rig.status.cause == ("E_TRACKING" if state == "AUTO/HOLDING" else "E_STANDSTILL_LEFT")
    assert rig.relays_open
    assert rig.offset[0] < 0.16
    rig.until("FAULT", 1.0)
    told = len(rig.outputs)
    rig.cycle(20)
    assert len(rig.outputs) == told + 20, "it is held to its set-point"


@pytest.mark.redteam(48)
@pytest.mark.parametrize("state", ["INIT", "LOCKED", "AUTO/MOVING"])
def test_a_second_supervisor_is_a_fault(rigs: Rigs, state: str) -> None:
    rig = rigs()
    if state == "LOCKED":
        rig.lock()
    if state == "AUTO/MOVING":
        rig.auto().move()
    rig.send(AdapterFault(rig.now, "E_SECOND_SUPERVISOR", "/other"))
    rig.until("FAULT")
    assert rig.latches == (False, "E_SECOND_SUPERVISOR")
    assert not rig.act("reset").ok


@pytest.mark.parametrize("code", ["E_READY_TIMEOUT", "E_STOP_REQUEST", "E_LOG", "nonsense", ""])
def test_what_an_adapter_reports_is_never_less_than_a_fault(rigs: Rigs, code: str) -> None:
    rig = rigs().auto().move()
    rig.send(AdapterFault(rig.now, code, "it raised"))
    rig.until("FAULT")
    assert rig.latches == (False, "E_INTERNAL")


@pytest.mark.requirement("SR-041")
@pytest.mark.parametrize("state", ["INIT", "LOCKED"])
def test_a_changed_description_prevents_arming_and_is_no_fault_while_disarmed(rigs: Rigs, state: str) -> None:
    rig = rigs()
    good = rig.configuration.robot.urdf_sha256
    if state == "LOCKED":
        rig.lock()
    rig.send(RobotDescription(rig.now, "f" * 64))
    rig.seconds(0.4)
    assert rig.state == "LOCKED"
    reply = rig.act("reset")
    assert (reply.ok, reply.code) == (False, "E_ACT_CAUSE")
    assert "E_CONFIGURATION_CHANGED" in reply.message
    rig.send(RobotDescription(rig.now, good))
    rig.cycle()
    assert rig.act("reset").ok


@pytest.mark.requirement("SR-041")
@pytest.mark.parametrize("state", ["INIT", "LOCKED"])
def test_a_file_changed_on_disk_prevents_arming_until_the_next_boot(rigs: Rigs, state: str) -> None:
    rig = rigs()
    if state == "LOCKED":
        rig.lock()
    rig.send(ConfigurationChanged(rig.now, "panda.yaml"))
    rig.seconds(0.4)
    assert rig.state == "LOCKED"
    assert "E_CONFIGURATION_CHANGED" in rig.status.active_causes
    reply = rig.act("reset")
    assert (reply.ok, reply.code) == (False, "E_ACT_CAUSE")


@pytest.mark.redteam(37)
def test_the_relays_are_demanded_with_the_fault_itself(rigs: Rigs) -> None:
    rig = rigs().auto().move()
    effects = rig.send(AdapterFault(rig.now, "E_SELF_TEST", "bit 3"))
    kinds = {type(e) for e in effects}
    assert {Decision, Latches, RelayDemand} <= kinds
    assert next(e for e in effects if isinstance(e, RelayDemand)).stop


def test_sources_that_nobody_configured_change_nothing(rigs: Rigs) -> None:
    rig = rigs().auto()
    epoch = rig.status.epoch
    rig.send(SourceEndpoints(rig.now, "stranger", 5))
    rig.cycle(30)
    assert rig.state == "AUTO/HOLDING"
    assert rig.status.epoch == epoch


@pytest.mark.redteam(35)
def test_every_set_point_carries_a_stop_that_ends_at_rest_inside_the_limits(rigs: Rigs) -> None:
    """Whenever we are killed, what the controller holds is a whole stop: finite, in order, at rest in the end."""
    rig = rigs().auto()
    rig.seconds(1.0, streaming(rig))
    rig.seconds(0.5)
    rig.move(0.5)
    rig.seconds(1.8)
    limits = rig.configuration.envelope.joints
    sent = [e for e in rig.history if isinstance(e, Actuate)]
    moving = [e for e in sent if np.abs(e.velocities).max() > 1e-6]
    assert len(moving) > 500
    for actuate in moving:
        assert actuate.horizon
        rows = np.array([point.positions for point in actuate.horizon])
        assert ((rows >= limits.lower) & (rows <= limits.upper)).all()
        assert not np.any([actuate.horizon[-1].velocities, actuate.horizon[-1].accelerations])
        times = [point.time for point in actuate.horizon]
        assert times == sorted(set(times))
        assert times[0] > 0
        assert times[-1] < 2_000_000_000
