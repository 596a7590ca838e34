"""Standing approvals: who grants what, for how long, and everything that ends them; kinds that need a held button."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from approvals import ask, asking, begin, decide, ends, hold, shown, sign, waits
from rig import Rig
from test_policy_gate import go_on

from safety_supervisor.core.act_events import StopRequested
from safety_supervisor.core.events import SourceEndpoints

Rigs = Callable[..., Rig]
pytestmark = [pytest.mark.requirement("SR-022")]


def passes(rig: Rig, seconds: float = 0.4) -> bool:
    """Whether a stream of the planner moves the robot now."""
    rig.clear()
    before = rig.output
    go_on(rig, seconds)
    rig.seconds(0.5)
    return not np.array_equal(rig.output, before)


@pytest.mark.requirement("SR-023")
def test_a_stream_passes_while_it_is_granted_and_no_longer(panda_rigs: Rigs) -> None:
    rig = begin(panda_rigs, 'approve("zone", 1, 30)')
    assert not passes(rig)
    reply = sign(rig, "grant", "zone planner 5")
    assert (reply.ok, reply.message) == (True, "planner holds zone for 5 s")
    granted = rig.now
    assert passes(rig)
    (grant,) = shown(rig).grants
    assert (grant.kind, grant.source, grant.until, grant.by) == ("zone", "planner", granted + 5_000_000_000, ("ada",))
    rig.clear()
    go_on(rig, 5.0)
    stopped = next(one for one in rig.decisions() if one.code == "E_APPROVAL_REQUIRED")
    assert 0 <= stopped.at - granted - 5_000_000_000 <= 20_000_000, "with the first set-point after its end"
    assert shown(rig).grants == ()
    assert rig.state == "AUTO/HOLDING"


@pytest.mark.requirement("SR-023")
def test_a_grant_raises_no_limit(panda_rigs: Rigs) -> None:
    rig = begin(panda_rigs)
    assert sign(rig, "grant", "zone planner 30").ok
    ask(rig, 2.0, 0.3)
    rig.cycle(40)
    assert rig.codes() == ["E_ACCELERATION_LIMIT"]


def test_a_goal_passes_by_a_grant_and_ends_with_it(panda_rigs: Rigs) -> None:
    rig = begin(panda_rigs)
    assert sign(rig, "grant", "zone planner 1").ok
    ask(rig, 0.3, 3.0)
    rig.seconds(2.0)
    assert [(one.verdict, one.code) for one in rig.decisions()] == [("PASS", ""), ("STOP", "E_APPROVAL_REQUIRED")]


def _taken_back(rig: Rig) -> None:
    assert sign(rig, "deny", "zone planner", "bob").ok


def _other_publisher(rig: Rig) -> None:
    rig.send(SourceEndpoints(rig.now, "planner", 1))


def _stopped(rig: Rig) -> None:
    rig.send(StopRequested(rig.now, "test", ""))
    rig.until("LOCKED")
    assert sign(rig, "reset", "").ok
    assert sign(rig, "start", "auto").ok
    rig.cycle(2)


def _moved_on(rig: Rig) -> None:
    """Nothing that ends it."""
    rig.send(SourceEndpoints(rig.now, "joystick", 1))
    ask(rig, 0.1)
    rig.seconds(2.0)


@pytest.mark.parametrize(
    ("happens", "held"),
    [(_taken_back, False), (_other_publisher, False), (_stopped, False), (_moved_on, True)],
)  # fmt: skip
def test_what_ends_a_grant(panda_rigs: Rigs, happens: Callable[[Rig], None], held: bool) -> None:
    rig = begin(panda_rigs)
    assert sign(rig, "grant", "zone planner 30").ok
    assert passes(rig)
    happens(rig)
    rig.cycle(2)
    assert (len(shown(rig).grants) == 1) == held
    assert passes(rig) == held


@pytest.mark.parametrize(
    ("target", "changes", "code"),
    [
        ("zone planner 31", {}, "E_ACT_GRANT"), ("zone planner 0", {}, "E_ACT_GRANT"),
        ("zone planner", {}, "E_ACT_GRANT"), ("zone nobody 5", {}, "E_ACT_GRANT"),
        ("fire planner 5", {}, "E_ACT_GRANT"), ("zone planner -5", {}, "E_ACT_GRANT"),
        ("zone planner 5 5", {}, "E_ACT_GRANT"), ("", {}, "E_ACT_GRANT"),
        ("zone planner 5", {"epoch": 0}, "E_ACT_EPOCH"), ("zone planner 5", {"jti": ""}, "E_ACT_ROLE"),
        ("zone planner 5", {"person": "carl", "role": "operator"}, "E_ACT_ROLE"),
        ("zone planner 5", {"config_sha256": "0" * 64}, "E_ACT_CONFIGURATION"),
    ],
)  # fmt: skip
def test_what_is_not_granted(panda_rigs: Rigs, target: str, changes: dict[str, Any], code: str) -> None:
    rig = begin(panda_rigs)
    assert sign(rig, "grant", target, **changes).code == code
    assert sign(rig, "deny", "zone planner").code == "E_ACT_GRANT", "there is none"
    assert not passes(rig)


def test_ten_minutes_are_the_longest(panda_rigs: Rigs) -> None:
    rig = begin(panda_rigs, 'approve("zone", 1, 3600)')
    assert sign(rig, "grant", "zone planner 601").code == "E_ACT_GRANT"
    assert sign(rig, "grant", "zone planner 600").ok


def test_it_takes_two_people_where_the_policy_says_so(panda_rigs: Rigs) -> None:
    rig = begin(panda_rigs, 'approve("zone", 2, 30)')
    assert sign(rig, "grant", "zone planner 30").ok
    assert sign(rig, "grant", "zone planner 30").code == "E_ACT_TWICE"
    assert not passes(rig)
    assert sign(rig, "grant", "zone planner 5", "bob").ok
    until = rig.now + 5_000_000_000
    assert passes(rig)
    assert shown(rig).grants[0].until == until, "the shorter of both"


def test_the_first_of_two_is_forgotten_with_its_own_time(panda_rigs: Rigs) -> None:
    rig = begin(panda_rigs, 'approve("zone", 2, 30)')
    assert sign(rig, "grant", "zone planner 1").ok
    rig.seconds(1.1)
    assert sign(rig, "grant", "zone planner 30", "bob").ok
    assert not passes(rig)
    assert [(one.until, one.asked) for one in shown(rig).grants] == [(0, ("bob",))]
    assert sign(rig, "grant", "zone planner 30").ok
    assert passes(rig)


def test_it_ends_where_the_robot_idles_out_of_auto(panda_rigs: Rigs) -> None:
    rig = begin(panda_rigs, 'approve("zone", 1, 600)')
    assert sign(rig, "grant", "zone planner 600").ok
    rig.until("LOCKED", 61.0)
    rig.cycle(2)
    assert shown(rig).grants == ()
    assert sign(rig, "reset", "").ok
    assert sign(rig, "start", "auto").ok
    rig.cycle(2)
    assert not passes(rig)


@pytest.mark.redteam(19)
def test_nobody_grants_to_the_own_source(panda_rigs: Rigs) -> None:
    shipped = asking()
    sources = tuple(replace(one, person="ada") for one in shipped.sources)
    rig = panda_rigs(replace(shipped, sources=sources)).auto()
    rig.cycle(2)
    assert sign(rig, "grant", "zone planner 5").code == "E_ACT_SELF"
    assert sign(rig, "grant", "zone planner 5", "bob").ok


def test_it_may_be_granted_before_the_start_but_not_before_the_reset(panda_rigs: Rigs) -> None:
    rig = panda_rigs(asking()).lock()
    assert sign(rig, "grant", "zone planner 30").code == "E_ACT_STATE"
    assert sign(rig, "reset", "").ok
    for source, count in (("planner", 1),):
        rig.send(SourceEndpoints(rig.now, source, count))
    rig.cycle(2)
    assert sign(rig, "grant", "zone planner 30").ok
    assert sign(rig, "start", "auto").ok
    rig.cycle(2)
    assert passes(rig)


# --- kinds that count while a person holds the button


@pytest.mark.redteam(53)
def test_an_approval_of_a_hold_kind_counts_while_the_button_is_held(panda_rigs: Rigs) -> None:
    rig = begin(panda_rigs, hold=("zone",))
    before, asked = rig.output, waits(rig, duration=3.0)
    assert decide(rig, asked).code == "E_HOLD_TO_RUN"
    hold(rig, 0.3)
    assert decide(rig, asked).ok
    hold(rig, 1.0)
    assert rig.state == "AUTO/MOVING"
    assert ends(rig, asked) == [("PASS", "")]
    rig.seconds(0.5)  # released
    assert ends(rig, asked) == [("PASS", ""), ("STOP", "E_APPROVAL_REQUIRED")]
    rig.seconds(1.0)
    there = rig.output
    assert not np.array_equal(there, before)
    hold(rig, 1.0)
    assert np.array_equal(rig.output, there), "pressing again begins nothing"


@pytest.mark.redteam(53)
def test_released_while_it_is_verified_again_it_does_not_begin(panda_rigs: Rigs) -> None:
    rig = begin(panda_rigs, 'size(zones) > 9 || joint_speed >= 0.0 ? approve("zone", 1, 30) : allow', hold=("zone",))
    before, asked = rig.output, waits(rig)
    hold(rig, 0.3)
    while rig.supervisor._inputs.button.held(rig.now + 2 * rig.period):
        rig.cycle()
    reply = decide(rig, asked)
    rig.seconds(1.0)
    assert reply.ok
    assert ends(rig, asked) == [("REJECT", "E_APPROVAL_REQUIRED")]
    assert np.array_equal(rig.output, before)


@pytest.mark.redteam(53)
def test_a_grant_of_a_hold_kind_counts_while_the_button_is_held(panda_rigs: Rigs) -> None:
    rig = begin(panda_rigs, hold=("zone",))
    assert sign(rig, "grant", "zone planner 30").ok
    assert not passes(rig)
    rig.clear()
    target = rig.output.copy()

    def stream(i: int) -> None:
        if rig.now % 10_000_000 < rig.period:
            target[0] += 0.001 * min(1.0, i * rig.period / 3e8)
            rig.stream(target)

    hold(rig, 0.2)
    before = rig.output
    target[:] = before
    hold(rig, 1.0, stream)
    assert rig.state == "AUTO/MOVING"
    assert not np.array_equal(rig.output, before)
    rig.clear()
    rig.seconds(0.6, stream)
    assert "E_APPROVAL_REQUIRED" in rig.codes()
    assert rig.state == "AUTO/HOLDING"


def test_a_grant_of_what_there_is_not_is_told_what_there_is(panda_rigs: Rigs) -> None:
    rig = begin(panda_rigs)
    kind, source = (sign(rig, "grant", target).message for target in ("fire planner 5", "zone nobody 5"))
    assert kind.startswith("there is no kind fire; kinds of approvals: zone")
    assert source == "there is no source nobody; sources: joystick, planner"
