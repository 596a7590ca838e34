"""RECOVERY: a robot found outside is brought back by one person's hold-to-run, slowly, and never farther out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from machines import Machine
from other_kinematics import link_frames
from rig import BARE, HOME, Rig, panda, upright

from safety_supervisor.core.act_events import HoldToRun, StopRequested
from safety_supervisor.core.effects import Status
from safety_supervisor.core.events import SourceEndpoints
from safety_supervisor.core.operator_settings import OperatorSettings, Person, Role
from safety_supervisor.core.settings import ZoneKind

Rigs = Callable[..., Rig]


def jog(rig: Rig, seconds: float, velocity: np.ndarray, pressed: bool = True, by: tuple[str, str] = ("", "")) -> None:
    """Stream a velocity at 50 Hz, growing over 0.2 s, while the button's counter goes on at 10 Hz."""

    def each(i: int) -> None:
        if pressed and i % 25 == 0:
            rig.counter += 1
            rig.send(HoldToRun(rig.now, rig.counter, *by))
        if i % 5 == 0:
            rig.stream(velocity * min(1.0, (i + 5) / 50), "joystick", velocity=True)

    rig.seconds(seconds, each)


def outside(rigs: Rigs, start: np.ndarray, **changes: object) -> Rig:
    rig = rigs(start=start, **changes).lock()
    rig.counter = 0
    assert "E_MEASURED_POSITION" in rig.status.active_causes or "E_MEASURED_WORKSPACE" in rig.status.active_causes
    return rig


@pytest.mark.redteam(43)
@pytest.mark.requirement("SR-045")
def test_a_robot_outside_a_joint_limit_is_brought_back(rigs: Rigs, machine: Machine) -> None:
    rig = outside(rigs, machine.beyond(0.03))
    reply = rig.act("reset")
    assert (reply.ok, reply.code) == (False, "E_ACT_CAUSE")
    assert "E_MEASURED_POSITION" in reply.message
    assert "RECOVERY" in rig.status.next_step
    assert rig.act("recover").ok
    jog(rig, 1.5, machine.unit(machine.free, -0.1))
    assert "RECOVERY" in [after for _, after, _ in rig.ticks]
    rig.until("LOCKED")
    assert rig.status.cause == "E_RECOVERY_ENDED"
    assert rig.robot[machine.free] < machine.limits.upper[machine.free] + 0.002
    worst = np.diff([row[machine.free] for row in rig.outputs]).max()
    assert worst <= 0.0, "never farther out"
    assert rig.act("reset").ok
    assert rig.act("start", "auto").ok


@pytest.mark.redteam(43)
@pytest.mark.requirement("SR-045")
def test_farther_out_is_refused(rigs: Rigs, machine: Machine) -> None:
    rig = outside(rigs, machine.beyond(0.03))
    assert rig.act("recover").ok
    jog(rig, 1.0, machine.unit(machine.free, 0.1))
    assert max(row[machine.free] for row in rig.outputs) <= machine.beyond(0.03)[machine.free]
    assert "E_POSITION_LIMIT" in rig.codes()


@pytest.mark.requirement("SR-045")
def test_nothing_moves_without_the_button(rigs: Rigs, machine: Machine) -> None:
    rig = outside(rigs, machine.beyond(0.03))
    rig.offset[1] = 0.02
    rig.seconds(0.5)
    assert rig.act("recover").ok
    rig.stream(machine.unit(machine.free, -0.1), "joystick", velocity=True)
    jog(rig, 1.0, machine.unit(machine.free, -0.1), pressed=False)
    assert rig.state == "RECOVERY"
    assert np.ptp(rig.outputs, axis=0).max() == 0.0
    assert set(rig.codes()) == {"E_HOLD_TO_RUN"}


@pytest.mark.requirement("SR-045")
@pytest.mark.requirement("SR-036")
def test_release_ends_in_locked(rigs: Rigs, machine: Machine) -> None:
    rig = outside(rigs, machine.beyond(0.2))
    assert rig.act("recover").ok
    jog(rig, 0.5, machine.unit(machine.free, -0.1))
    assert rig.state == "RECOVERY"
    jog(rig, 0.3, machine.unit(machine.free, -0.1), pressed=False)
    rig.until("LOCKED")
    assert "E_HOLD_TO_RUN" in [e.cause for e in rig.history if isinstance(e, Status)]
    here = rig.output
    jog(rig, 0.5, machine.unit(machine.free, -0.1))
    assert rig.state == "LOCKED", "pressing again needs a new recovery first"
    assert (rig.output == here).all()
    assert not rig.act("reset").ok
    assert rig.act("recover").ok


@pytest.mark.requirement("SR-045")
def test_a_button_whose_sender_was_started_again_counts_in_the_next_recovery(rigs: Rigs, machine: Machine) -> None:
    rig = outside(rigs, machine.beyond(0.2))
    rig.send(HoldToRun(rig.now, 10**18))
    rig.seconds(0.5)
    assert rig.act("recover").ok
    before = rig.output[machine.free]
    jog(rig, 0.5, machine.unit(machine.free, -0.1))
    assert rig.output[machine.free] < before


@pytest.mark.redteam(53)
@pytest.mark.requirement("SR-010")
@pytest.mark.parametrize(
    ("person", "role", "counts"),
    [("ada", "technician", True), ("sue", "safety_officer", True), ("eve", "viewer", False),
     ("oli", "operator", False), ("max", "maintainer", False), ("eve", "technician", False),
     ("bob", "technician", False)],
)  # fmt: skip
def test_the_button_counts_in_the_hand_of_who_may_recover(
    rigs: Rigs, machine: Machine, person: str, role: str, counts: bool
) -> None:
    roles = {
        "ada": Role.TECHNICIAN, "sue": Role.SAFETY_OFFICER, "eve": Role.VIEWER, "oli": Role.OPERATOR,
        "max": Role.MAINTAINER,
    }  # fmt: skip
    people = tuple(Person(name, one, bytes(32)) for name, one in roles.items())
    rig = outside(rigs, machine.beyond(0.2), operators=OperatorSettings(True, people))
    assert rig.act("recover").ok
    before = rig.output[machine.free]
    jog(rig, 0.5, machine.unit(machine.free, -0.1), by=(person, role))
    assert bool(rig.output[machine.free] < before) is counts
    told = [one for one in rig.decisions() if one.code == "E_ACT_ROLE"]
    assert [one.source for one in told] == ([] if counts else [person]), "once a second"


@pytest.mark.requirement("SR-045")
def test_each_person_s_button_has_an_own_count(rigs: Rigs, machine: Machine) -> None:
    people = tuple(Person(name, Role.TECHNICIAN, bytes(32)) for name in ("ada", "bob"))
    rig = outside(rigs, machine.beyond(0.2), operators=OperatorSettings(True, people))
    assert rig.act("recover").ok
    rig.send(HoldToRun(rig.now, 10**15, "bob", "technician"))
    rig.seconds(0.2)
    before = rig.output[machine.free]
    jog(rig, 0.5, machine.unit(machine.free, -0.1), by=("ada", "technician"))
    assert rig.output[machine.free] < before
    assert rig.state == "RECOVERY", "it goes on when bob's one beat is long over"


@pytest.mark.requirement("SR-045")
def test_it_is_slow_and_ends_by_time(rigs: Rigs, machine: Machine, tmp_path: Path) -> None:
    timing = replace(machine.configuration.timing, recovery_timeout=1_000_000_000)
    rig = outside(rigs, machine.beyond(0.2), timing=timing)
    assert rig.act("recover").ok
    # How far the farthest origin of a link goes at 1 rad/s, by PyBullet: at 0.1 m/s the joint turns no faster.
    poses = np.array([rig.home, rig.home + machine.unit(machine.free, 1e-4)])
    apart = np.diff(link_frames(rig.configuration, poses.tolist(), tmp_path), axis=0)
    radius = float(np.linalg.norm(apart, axis=2).max()) / 1e-4
    jog(rig, 0.3, machine.unit(machine.free, -0.06 / radius))
    jog(rig, 0.3, machine.unit(machine.free, -0.12 / radius))
    fastest = np.abs(np.diff([row[machine.free] for row in rig.outputs])).max() / 0.004
    assert 0.045 / radius < fastest <= 0.1 / radius * 1.001
    rig.counter = 100
    jog(rig, 1.0, rig.rest[0])
    rig.until("LOCKED")
    assert "E_RECOVERY_ENDED" in [e.cause for e in rig.history if isinstance(e, Status)]


@pytest.mark.requirement("SR-045")
@pytest.mark.requirement("SR-050")
def test_an_agent_can_not_recover(rigs: Rigs, machine: Machine) -> None:
    rig = outside(rigs, machine.beyond(0.03))
    rig.send(SourceEndpoints(rig.now, "planner", 1))
    assert rig.act("recover").ok
    rig.send(HoldToRun(rig.now, 1))
    rig.cycle()
    rig.stream(machine.beyond(0.03))
    assert rig.decisions()[-1].code == "E_SOURCE_KIND"


def test_recovery_is_for_a_robot_outside_and_nothing_else(rigs: Rigs, machine: Machine) -> None:
    rig = rigs().lock()
    assert rig.act("recover").code == "E_ACT_STATE"
    other = outside(rigs, machine.beyond(0.03))
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
def test_a_robot_inside_a_forbidden_box_comes_out(panda_rigs: Rigs) -> None:  # what joint 2 does to the hand is known
    """A wall in front of the robot that the hand has passed by 3 cm."""
    wall = upright("wall", ZoneKind.KEEP_IN, (-0.9, -0.9, 0.0), (0.28, 0.9, 1.25))
    rig = outside(lambda start, **changes: panda_rigs(panda(**changes), start), HOME, zones=(wall,), geometry=BARE)
    assert rig.status.active_causes == ("E_MEASURED_WORKSPACE",)
    assert rig.act("recover").ok
    jog(rig, 0.6, rig.unit(1, 0.1))
    further_out = rig.output[1] - HOME[1]
    assert further_out <= 1e-5, "leaning forward goes farther out: no more than distances are noise, 2e-6 m"
    assert rig.state == "RECOVERY"
    jog(rig, 3.0, rig.unit(1, -0.1))
    rig.until("LOCKED")
    assert rig.status.cause == "E_RECOVERY_ENDED"
    assert rig.act("reset").ok


@pytest.mark.redteam(43)
@pytest.mark.requirement("SR-045")
def test_a_stream_that_begins_with_rest_is_not_refused(rigs: Rigs, machine: Machine) -> None:
    """As the panel's jog begins, until the supervisor has passed it; then it goes back inside."""
    rig = outside(rigs, machine.beyond(0.03))
    assert rig.act("recover").ok
    jog(rig, 0.4, machine.unit(machine.free, 0.0))
    before = rig.output[machine.free]
    jog(rig, 0.3, machine.unit(machine.free, -0.1))
    assert "E_POSITION_LIMIT" not in rig.codes()
    assert rig.state == "RECOVERY"
    assert rig.output[machine.free] < before - 0.01
