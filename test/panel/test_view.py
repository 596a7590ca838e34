"""What is shown of what was heard. No server, no ROS."""

from __future__ import annotations

import hashlib
import json
import math
from types import MappingProxyType
from typing import Any

import pytest

from safety_supervisor.core.operator_settings import Person, Role
from safety_supervisor.core.units import NS_PER_S
from safety_supervisor.panel import plain
from safety_supervisor.panel.snapshot import STATUS_LIMIT, Snapshot
from safety_supervisor.panel.view import FACTS, SWITCH, UNKNOWN, WAITING_LIMIT, Tone, View, facts_of, make_view

CONFIGURATION = "c" * 64
STATUS = {
    "state": "LOCKED", "cause": "E_OVERRUN", "active_causes": "", "next_step": "Press RESET.", "mode": "auto",
    "agents": "planner: cell_policy 1.2, shadow", "estop_line": "frame_v1: open", "people": "clear", "tool": "",
    "boot": "b1", "epoch": "7", "nonce": "0" * 32, "configuration_sha256": CONFIGURATION,
}  # fmt: skip
COMMAND = {
    "source": "planner", "command": "cup", "groups": ["arm"], "joints": ["j1"], "times_ns": [2 * NS_PER_S],
    "positions": [[0.5]], "velocities": None, "accelerations": None, "from": [0.0],
}  # fmt: skip


def waits(**changes: str) -> MappingProxyType[str, str]:
    command = json.dumps(COMMAND, sort_keys=True, separators=(",", ":"))
    told = {
        "kind": "command", "id": "w1", "source": "planner", "approval": "zone", "people": "1", "approved": "",
        "remaining_s": "9.5", "why": "the cup", "zones": "", "joint_speed": "0.3", "frame_speed": "0.4",
        "people_near": "clear", "epoch": "7", "configuration_sha256": CONFIGURATION, "command": command,
        "command_sha256": hashlib.sha256(command.encode()).hexdigest(),
    }  # fmt: skip
    return MappingProxyType(told | changes)


def view(now: int = NS_PER_S, status: dict[str, str] | None = None, **changes: Any) -> View:
    heard = Snapshot("panda", "LOCKED", STATUS if status is None else status, NS_PER_S, (), NS_PER_S, 1, 1, 1)
    return make_view(heard._replace(**changes), "panda", CONFIGURATION, now)


def test_a_fresh_status_is_shown_with_cause_and_next_step() -> None:
    shown = view()
    assert (shown.state, shown.tone, shown.next_step) == ("LOCKED", Tone.REST, "Press RESET.")
    assert shown.cause.startswith("E_OVERRUN: ")
    assert shown.basis == ("b1", 7, CONFIGURATION)
    assert shown.estop == "not pressed; line frame_v1: open"
    assert shown.agents == "planner: cell_policy 1.2, shadow"
    assert shown.stop_reaches
    assert not shown.stale


@pytest.mark.redteam(20)
def test_what_is_older_than_its_limit_is_stale_and_never_fine() -> None:
    assert not view(NS_PER_S + STATUS_LIMIT).stale
    shown = view(NS_PER_S + STATUS_LIMIT + 1, waiting=(waits(),))
    assert (shown.state, shown.tone, shown.stale) == (UNKNOWN, Tone.UNKNOWN, True)
    assert "it was LOCKED" in shown.cause
    assert {shown.mode, shown.estop, shown.agents, *(text for _, text in shown.facts)} == {UNKNOWN}
    assert shown.basis is None
    assert not shown.stop_reaches
    assert not shown.waiting_known
    assert shown.waiting[0].problem


def test_before_the_first_status_everything_is_unknown() -> None:
    shown = make_view(Snapshot(), "panda", CONFIGURATION, 5 * NS_PER_S)
    assert (shown.state, shown.tone, shown.age) == (UNKNOWN, Tone.UNKNOWN, math.inf)
    assert {shown.mode, shown.estop, shown.agents} == {UNKNOWN}
    assert shown.basis is None
    assert not shown.waiting_known


def test_what_a_status_does_not_tell_is_unknown() -> None:
    shown = view(status={"state": "NEW_STATE", "configuration_sha256": CONFIGURATION})
    assert (shown.state, shown.tone) == ("NEW_STATE", Tone.UNKNOWN)
    assert {shown.mode, shown.estop, shown.agents} == {UNKNOWN}
    assert shown.basis is None


def test_every_fact_has_a_place_and_what_is_told_no_more_has_no_text() -> None:
    before, after = (dict(facts_of(one, "panda")) for one in (view(), view(status={"state": "LOCKED"})))
    stale = facts_of(view(NS_PER_S + STATUS_LIMIT + 1), "panda")
    assert stale == (
        ("robot", "panda"), ("mode", UNKNOWN), ("e-stop", UNKNOWN), ("agents", UNKNOWN),
        ("data", "STALE: 1.0 s old"), ("people", UNKNOWN), ("speed", UNKNOWN), ("tool", UNKNOWN), ("source", UNKNOWN),
        ("tokens", UNKNOWN), ("heads elsewhere", UNKNOWN),
        (SWITCH, UNKNOWN),
    )  # fmt: skip
    assert tuple(name for name, _ in stale) == FACTS
    assert (before["people"], "people" in after) == ("clear", False)


def test_heads_that_do_not_get_elsewhere_are_told_with_what_it_means_and_what_to_do() -> None:
    status = {"state": "LOCKED", "evidence_heads": "E_HEADS file /mnt/heads: [Errno 5] Input/output error"}
    told = dict(facts_of(view(status=status), "panda"))["heads elsewhere"]
    assert told.startswith("E_HEADS file /mnt/heads: [Errno 5] Input/output error. Signed heads of the log do")
    assert "make the disk, the server or the authority reachable again" in told
    assert dict(facts_of(view(status=status | {"evidence_heads": "kept"}), "panda"))["heads elsewhere"] == "kept"
    assert "heads elsewhere" not in dict(facts_of(view(), "panda"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"robot": "g1"}, "of 'g1'"), ({"tellers": 2}, "2 nodes"),
        ({"status": STATUS | {"configuration_sha256": "d" * 64}}, "another configuration"),
    ],
)  # fmt: skip
def test_a_status_that_is_not_to_be_trusted_lets_nobody_act(changes: dict[str, Any], words: str) -> None:
    shown = view(**changes)
    assert words in shown.warnings[0]
    assert shown.basis is None


@pytest.mark.parametrize(
    ("changes", "message", "told"),
    [
        ({"active_causes": "E_OVERRUN E_ESTOP"}, "", "E_ESTOP: "),
        ({"active_causes": "E_ESTOP_SILENT"}, "", "E_ESTOP_SILENT: "),
        ({"state": "EMERGENCY_STOP"}, "EMERGENCY_STOP", "not pressed, latched"),
        ({}, "LOCKED - NO E-STOP DEVICE", "no e-stop device"),
    ],
)
def test_the_estop_is_told_by_what_is_known(changes: dict[str, str], message: str, told: str) -> None:
    assert view(status=STATUS | changes, message=message).estop.startswith(told)


@pytest.mark.parametrize("state", ["EMERGENCY_STOP", "FAULT"])
def test_alarms_look_like_alarms(state: str) -> None:
    assert view(status=STATUS | {"state": state}).tone is Tone.ALARM


def test_a_command_that_waits_counts_down_and_expires() -> None:
    first = view(waiting=(waits(),)).waiting[0]
    assert (first.id, first.problem, first.left, first.high_risk) == ("w1", "", 9.5, False)
    later = view(2 * NS_PER_S, waiting=(waits(),), status_at=2 * NS_PER_S).waiting[0]
    assert later.left == 8.5
    assert view(waiting=(waits(remaining_s="0.0"),)).waiting[0].problem == "expired"
    for nonsense in ("nan", "inf", "", "soon"):
        assert view(waiting=(waits(remaining_s=nonsense),)).waiting[0].problem == "expired"


def test_a_list_that_is_told_no_more_is_stale_though_the_status_is_fresh() -> None:
    now = NS_PER_S + WAITING_LIMIT + 1
    shown = view(now, waiting=(waits(remaining_s="60"),), status_at=now)
    assert not shown.waiting_known
    assert shown.waiting[0].problem
    assert view(now, status_at=now).waiting_known  # an empty one is told on change only


@pytest.mark.redteam(55)
@pytest.mark.parametrize(
    "changes",
    [
        {"epoch": "6"}, {"epoch": "x"}, {"configuration_sha256": "d" * 64}, {"command": "{}"}, {"source": "other"},
        {"id": "../stop"}, {"command": json.dumps(COMMAND)},
        {"command_sha256": "d" * 64}, {"command_sha256": ""},
    ],
)  # fmt: skip
def test_nobody_decides_on_what_does_not_fit(changes: dict[str, str]) -> None:
    assert view(waiting=(waits(**changes),)).waiting[0].problem


def test_two_under_one_id_are_decided_by_nobody() -> None:
    assert [one.problem for one in view(waiting=(waits(), waits(why="other"))).waiting] == ["it is told twice"] * 2


def test_what_waits_no_more_says_how_it_ended() -> None:
    ended = {"w1": "REJECT E_APPROVAL_DENIED by bob", "w2": "PASS", "w3": "STOP E_APPROVAL_REQUIRED", "w4": "NEW x"}
    words = view(ended=MappingProxyType(ended)).ended
    assert words["w1"].startswith("not played - E_APPROVAL_DENIED by bob - A person denied")
    assert words["w2"] == "approved, it is played"
    assert words["w3"].startswith("stopped - E_APPROVAL_REQUIRED - ")
    assert words["w4"] == "NEW - x"


@pytest.mark.parametrize("changes", [{"people": "2"}, {"zones": "press"}, {"people": ""}])
def test_two_people_or_a_zone_are_high_risk(changes: dict[str, str]) -> None:
    assert view(waiting=(waits(**changes),)).waiting[0].high_risk


@pytest.mark.redteam(24)
def test_script_in_any_text_is_text_on_every_page() -> None:
    attack = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
    status = dict.fromkeys(STATUS, attack) | {"epoch": "7", "configuration_sha256": CONFIGURATION}
    hostile = waits(**dict.fromkeys(("approval", "why", "approved", "zones", "people_near", "people"), attack))
    broken = waits(id=attack)
    shown = view(status=status, message=attack, waiting=(hostile, broken, waits(kind="grant", source=attack)))
    ada = Person("ada", Role.TECHNICIAN, b"")
    pages = [
        plain.state_page(shown, attack, ada, "token", attack, ("ada", "bob")),
        *(plain.decision_page(one, shown.basis, "token") for one in shown.waiting),
        plain.login_page("token", attack), plain.stop_page(attack, False), plain.stop_frame(attack, True),
    ]  # fmt: skip
    assert "&lt;script&gt;" in pages[0]
    for page in pages:
        assert "<script" not in page
        assert "<img" not in page
        assert attack not in page


def test_every_plain_page_has_a_stop_that_needs_nothing() -> None:
    shown = view(waiting=(waits(),))
    pages = [
        plain.state_page(shown, "panda", None, ""), plain.login_page(""), plain.stop_page("", True),
        plain.decision_page(shown.waiting[0], shown.basis, ""),
    ]  # fmt: skip
    for page in pages:
        assert '<form class="stop" method="post" action="/stop">' in page
