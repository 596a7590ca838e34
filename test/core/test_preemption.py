"""Who takes over from whom: without a step, and each accepted command hears once how it ended."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest
from machines import Machine
from rig import Rig
from test_motion import DT, RULES, make, quintic, run, two_groups

from safety_supervisor.core.act_events import StopRequested
from safety_supervisor.core.errors import Code
from safety_supervisor.core.events import SourceEndpoints, SourceLiveliness
from safety_supervisor.core.settings import CommandKind

GAP = 13
"""Cycles between two trajectories: 52 ms."""


def with_chief(machine: Machine) -> Rig:
    """The sources of both robots and a third one, of a priority above all; in AUTO."""
    sources = machine.configuration.sources
    chief = replace(machine.configuration.source("planner"), name="chief", priority=30, commands=frozenset(CommandKind))
    return machine.rig(sources=(*sources, chief)).auto()


def waiting(rig: Rig) -> int:
    """How many trajectories of joint 1's group wait."""
    group = next(name for name, joints in rig.configuration.robot.groups.items() if 0 in joints)
    return rig.supervisor._motion.lanes[group].waits_before(10**9)


def keeps_envelope(rig: Rig) -> None:
    limits, q = rig.configuration.envelope.joints, np.array(rig.outputs)
    for order, limit in ((1, limits.velocity), (2, limits.acceleration), (3, limits.jerk)):
        assert (np.abs(np.diff(q, n=order, axis=0)) / DT**order <= limit * (1 + 1e-6) + 1e-14 / DT**order).all()


def send(
    rig: Rig, name: str, offset: float, duration: float, source: str = "planner", ahead: float = 0.0
) -> np.ndarray:
    """Send a trajectory of joint 1, measured from home; return its goal."""
    goal = rig.home[None, :].copy()
    goal[0, 0] += offset
    stamp = rig.now + round(ahead * 1e9) if ahead else 0
    rig.trajectory([duration], goal, rig.rest, rig.rest, source, frame_id=f"cid:{name}", stamp=stamp)
    return goal[0]


def told(rig: Rig) -> dict[str, list[tuple[str, str]]]:
    """Verdicts and codes of each command, in order."""
    result: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for decision in rig.decisions():
        result[decision.command].append((decision.verdict, decision.code))
    return result


def accepted(*end: tuple[str, str]) -> list[tuple[str, str]]:
    return [("PASS", ""), *end]


PREEMPTED = accepted(("STOP", "E_PREEMPTED"))
ENDED = accepted(("PASS", "E_ENDED"))


@pytest.mark.requirement("SR-026")
@pytest.mark.requirement("SR-031")
@pytest.mark.redteam(30)
@pytest.mark.parametrize("count", [3, 4, 6])
@pytest.mark.parametrize("moving", [True, False])
def test_trajectories_in_quick_succession_are_one_smooth_motion(machine: Machine, count: int, moving: bool) -> None:
    rig = machine.rig().auto()
    if moving:
        send(rig, "t0", 0.3, 2.0)
        rig.seconds(0.8)
    end, most = rig.home, 0
    for i in range(1, count + 1):
        end = send(rig, f"t{i}", 0.12 + 0.02 * (-1) ** i, 1.0)
        rig.cycle(GAP)
        most = max(most, waiting(rig))
    rig.seconds(1.6)
    assert most >= 2, "so many waited at once"
    assert np.array_equal(rig.output, end)
    keeps_envelope(rig)
    names = [f"t{i}" for i in range(0 if moving else 1, count + 1)]
    assert told(rig) == {name: ENDED if name == names[-1] else PREEMPTED for name in names}
    assert rig.state == "AUTO/HOLDING"


@pytest.mark.requirement("SR-026")
def test_what_is_predicted_across_waiting_trajectories_is_what_comes_to_the_last_bit(machine: Machine) -> None:
    rig = machine.rig().auto()
    motion = rig.supervisor._motion
    for i, offset in enumerate((0.2, 0.05, 0.15, 0.1)):
        send(rig, f"t{i}", offset, 1.0)
        rig.cycle(GAP)
    assert waiting(rig) >= 2
    predicted = [motion.predict(tuple(rig.configuration.robot.groups), motion.tick + i) for i in range(1, 400)]
    for state in predicted:
        rig.cycle()
        assert state is not None
        assert np.array_equal(state, motion.state)


@pytest.mark.requirement("SR-031")
def test_what_is_replaced_before_it_began_is_told_and_never_plays(machine: Machine) -> None:
    rig = machine.rig().auto()
    send(rig, "late", 0.4, 1.0, ahead=0.6)
    rig.seconds(0.2)
    end = send(rig, "soon", -0.1, 1.0)
    rig.seconds(0.2)
    assert told(rig) == {"late": PREEMPTED, "soon": accepted()}
    rig.seconds(1.5)
    assert np.array_equal(rig.output, end)
    assert max(q[0] for q in rig.outputs) == rig.home[0]
    assert told(rig) == {"late": PREEMPTED, "soon": ENDED}
    keeps_envelope(rig)


@pytest.mark.requirement("SR-031")
def test_one_that_ends_while_another_waits_is_told_at_its_end(machine: Machine) -> None:
    rig = machine.rig().auto()
    first = send(rig, "now", 0.1, 1.0)
    second = send_after(rig, "later", 0.0, 1.0, ahead=1.8)
    rig.seconds(1.3)
    assert told(rig) == {"now": ENDED, "later": accepted()}
    assert np.array_equal(rig.output, first)
    assert rig.state == "AUTO/MOVING", "what waits will move it"
    rig.seconds(2.0)
    assert told(rig) == {"now": ENDED, "later": ENDED}
    assert np.array_equal(rig.output, second)
    keeps_envelope(rig)


def send_after(rig: Rig, name: str, offset: float, duration: float, ahead: float) -> np.ndarray:
    """Send one when the verification of the last is done."""
    rig.cycle(20)
    return send(rig, name, offset, duration, ahead=ahead)


@pytest.mark.requirement("SR-030")
def test_only_so_many_may_wait(machine: Machine) -> None:
    rig = machine.rig().auto()
    for i in range(20):
        send(rig, f"t{i}", 0.1, 0.5, ahead=1.9)
        rig.cycle(GAP)
    heard = told(rig)
    refused = [name for name, verdicts in heard.items() if ("REJECT", "E_RATE") in verdicts]
    assert refused == ["t16"]
    rig.seconds(4.0)
    assert all(len([v for v in told(rig)[f"t{i}"] if v != ("PASS", "")]) == 1 for i in range(20))


# --- what ends several at once


def three(rig: Rig) -> None:
    for i, offset in enumerate((0.2, 0.05, 0.15)):
        send(rig, f"t{i}", offset, 1.0)
        rig.cycle(GAP)
    rig.seconds(0.04)
    assert waiting(rig) == 2
    assert told(rig) == {f"t{i}": accepted() for i in range(3)}


@pytest.mark.requirement("SR-013")
@pytest.mark.requirement("SR-031")
@pytest.mark.parametrize(
    ("how", "code"),
    [("stop", "E_STOP_REQUEST"), ("refusal", "E_PURGED"), ("cancel", "E_CANCELLED"), ("death", "E_SOURCE_DIED")],
)
def test_all_that_play_and_wait_are_told_once_when_they_are_stopped(machine: Machine, how: str, code: str) -> None:
    rig = machine.rig().auto()
    three(rig)
    match how:
        case "stop":
            rig.send(StopRequested(rig.now, "panel", "test"))
        case "refusal":
            rig.stream(np.full(len(rig.names), np.nan), frame_id="cid:bad")
        case "cancel":
            rig.trajectory([], rig.rest[:0], names=(), frame_id="cid:bad")
        case "death":
            rig.send(SourceLiveliness(rig.now, "planner", False))
    rig.seconds(2.0)
    heard = told(rig)
    heard.pop("bad", None)
    assert heard == {f"t{i}": accepted(("STOP", code)) for i in range(3)}
    assert np.ptp([q[0] for q in rig.outputs[-250:]]) == 0.0
    keeps_envelope(rig)


@pytest.mark.requirement("SR-031")
@pytest.mark.requirement("SR-036")
def test_all_that_play_and_wait_are_told_once_when_our_own_code_fails(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = machine.rig().auto()
    three(rig)

    def fail(_: object) -> None:
        raise RuntimeError("broken")

    with monkeypatch.context() as patch:
        patch.setattr(rig.supervisor._motion, "advance", fail)
        rig.tampered = True
        rig.cycle()
    rig.seconds(1.0)
    assert rig.state == "FAULT"
    heard = told(rig)
    assert {name: heard[name] for name in ("t0", "t1", "t2")} == {
        f"t{i}": accepted(("STOP", "E_PURGED")) for i in range(3)
    }
    assert np.ptp([q[0] for q in rig.outputs[-50:]]) == 0.0
    keeps_envelope(rig)


# --- another source takes over


def stream(rig: Rig, source: str, velocity: float, seconds: float) -> None:
    """Stream a velocity of joint 1 at 50 Hz that grows slowly from nothing."""

    def each(i: int) -> None:
        if i % 5 == 0:
            speed = velocity * min(1.0, i * DT / 0.3)
            rig.stream(rig.unit(0, speed), source, velocity=True, frame_id=f"cid:{source}-{i}")

    rig.seconds(seconds, each)


def preempted(rig: Rig, source: str) -> list[str]:
    return [d.command for d in rig.decisions("STOP") if d.source == source and d.code == "E_PREEMPTED"]


@pytest.mark.requirement("SR-031")
@pytest.mark.requirement("SR-050")
def test_a_stream_that_a_stream_of_higher_priority_ends_is_told_once(machine: Machine) -> None:
    person = machine.configuration.source("joystick")
    other = replace(person, name="deputy", priority=person.priority + 5)
    rig = machine.rig(sources=(*machine.configuration.sources, other)).auto()
    stream(rig, "joystick", 0.1, 0.6)
    rig.clear()
    stream(rig, "deputy", -0.1, 0.6)
    assert preempted(rig, "joystick") == ["joystick-145"], "the last set-point that was taken"
    assert next(d for d in rig.decisions("STOP") if d.source == "joystick").detail == "deputy-0 of deputy took over"
    assert preempted(rig, "deputy") == []
    assert rig.state == "AUTO/MOVING"
    keeps_envelope(rig)


@pytest.mark.requirement("SR-031")
@pytest.mark.requirement("SR-050")
def test_trajectories_that_a_persons_stream_ends_are_told_once(machine: Machine) -> None:
    rig = machine.rig().auto()
    three(rig)
    stream(rig, "joystick", 0.05, 0.6)
    heard = told(rig)
    assert {name: heard[name] for name in ("t0", "t1", "t2")} == dict.fromkeys(("t0", "t1", "t2"), PREEMPTED)
    assert rig.status.source == "joystick"
    keeps_envelope(rig)


@pytest.mark.requirement("SR-031")
@pytest.mark.requirement("SR-050")
def test_a_stream_that_a_trajectory_of_higher_priority_ends_is_told_once(machine: Machine) -> None:
    rig = with_chief(machine)
    stream(rig, "joystick", 0.1, 0.6)
    rig.clear()
    end = send(rig, "take", 0.2, 2.0, "chief")
    rig.cycle()
    assert preempted(rig, "joystick") == ["joystick-145"]
    rig.seconds(3.0)
    assert preempted(rig, "joystick") == ["joystick-145"]
    assert told(rig)["take"] == ENDED
    assert np.array_equal(rig.output, end)
    keeps_envelope(rig)


@pytest.mark.requirement("SR-031")
@pytest.mark.requirement("SR-050")
@pytest.mark.redteam(30)
def test_a_lower_source_hears_of_its_end_once_and_its_new_commands_do_not_keep_the_higher_out(machine: Machine) -> None:
    rig = with_chief(machine)
    send(rig, "t0", 0.3, 3.0)
    rig.seconds(0.6)
    send(rig, "t1", 0.3, 3.0)
    rig.cycle(2)
    end = send(rig, "take", -0.1, 2.0, "chief")
    rig.cycle(2)
    send(rig, "t2", 0.2, 1.0)
    rig.cycle(60)
    send(rig, "t3", 0.2, 1.0)
    rig.seconds(3.0)
    heard = told(rig)
    assert heard["take"] == ENDED, heard
    assert heard["t0"] == PREEMPTED
    assert heard["t1"] == [("REJECT", "E_PRIORITY")], "it was still being verified"
    assert heard["t2"] == heard["t3"] == [("REJECT", "E_PRIORITY")]
    assert np.array_equal(rig.output, end)
    keeps_envelope(rig)


@pytest.mark.requirement("SR-031")
@pytest.mark.redteam(30)
def test_a_source_does_not_stream_into_its_own_trajectory_that_waits(machine: Machine) -> None:
    rig = with_chief(machine)
    send(rig, "t0", 0.3, 3.0)
    rig.seconds(0.6)
    send(rig, "take", -0.1, 1.0, "chief", ahead=0.8)
    rig.cycle(30)
    rig.stream(rig.output, "chief", frame_id="cid:set-point")
    rig.seconds(2.0)
    heard = told(rig)
    assert heard["set-point"] == [("REJECT", "E_MOTION_ACTIVE")]
    assert heard["take"] == heard["t0"] == accepted(("STOP", "E_PURGED"))
    keeps_envelope(rig)


@pytest.mark.requirement("SR-050")
@pytest.mark.redteam(30)
def test_another_publisher_of_a_source_whose_trajectory_waits_is_a_stop(machine: Machine) -> None:
    rig = with_chief(machine)
    send(rig, "t0", 0.3, 3.0)
    rig.seconds(0.6)
    send(rig, "take", -0.1, 1.0, "chief", ahead=0.8)
    rig.cycle(30)
    assert told(rig) == {"t0": accepted(), "take": accepted()}
    assert rig.status.source == "planner"
    rig.send(SourceEndpoints(rig.now, "chief", 1))  # told on every change of who it is
    assert rig.state == "STOPPING"
    rig.seconds(0.1)
    assert told(rig) == {name: accepted(("STOP", "E_ENDPOINT_REPLACED")) for name in ("t0", "take")}


@pytest.mark.requirement("SR-031")
def test_a_command_of_two_groups_hears_its_end_once() -> None:
    motion = make(two_groups())

    def both(tick: int, command: str, source: str = "planner") -> None:
        parts = {group: quintic(motion, group, 0.2, 1.5) for group in ("shoulder", "wrist")}
        motion.begin_trajectory(parts, tick, source, command)

    both(motion.tick, "a")
    ends = [note for _ in range(500) for note in motion.advance(RULES)]
    assert [(note.command, note.code) for note in ends] == [("a", Code.ENDED)]
    both(motion.tick, "b")
    run(motion, 50)
    motion.preempt(("wrist",), "joystick", "j")
    ends = [note for _ in range(500) for note in motion.advance(RULES)]
    assert [(note.command, note.code) for note in ends] == [("b", Code.PREEMPTED)], "the other group's end says no more"


@pytest.mark.sampled(3)
@pytest.mark.requirement("SR-026")
@pytest.mark.requirement("SR-031")
@pytest.mark.redteam(30)
@pytest.mark.parametrize("seed", range(6))
def test_whoever_sends_whatever_when_each_accepted_command_ends_once(machine: Machine, seed: int) -> None:
    """Two sources of different priority, short and long and scheduled trajectories, cancels: at any moment."""
    random = np.random.default_rng(seed)
    rig = with_chief(machine)
    for i in range(40):
        source = "chief" if random.random() < 0.2 else "planner"
        if random.random() < 0.08:
            rig.trajectory([], rig.rest[:0], source=source, names=(), frame_id=f"cid:cancel{i}")
        else:
            ahead = float(random.choice([0.0, 0.0, random.uniform(0.1, 0.8)]))
            send(rig, f"t{i}", random.uniform(-0.1, 0.1), random.uniform(0.5, 1.5), source, ahead)
        rig.cycle(int(random.integers(5, 40)))
    rig.seconds(4.0)
    heard = {name: verdicts for name, verdicts in told(rig).items() if name.startswith("t")}
    assert len(heard) == len({d.command for d in rig.decisions() if d.command.startswith("t")})
    for name, verdicts in heard.items():
        if verdicts[0] == ("PASS", ""):
            assert len(verdicts) == 2, (name, verdicts)
            assert verdicts[1] != ("PASS", "")
        else:
            assert len(verdicts) == 1, (name, verdicts)
    assert PREEMPTED in heard.values()
    assert ENDED in heard.values()
    keeps_envelope(rig)
