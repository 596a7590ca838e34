"""Further acts: who is offered what, what it says, and what is missing. No server, no ROS."""

from __future__ import annotations

from types import MappingProxyType, SimpleNamespace
from typing import Any

import pytest

from safety_supervisor.core.operator_settings import Role
from safety_supervisor.core.settings import SourceKind
from safety_supervisor.panel.agents import Agent
from safety_supervisor.panel.offered import NO_TOOL, Offer, lacks, may, offers, target_of, words_of
from safety_supervisor.panel.rights_plain import rights_page
from safety_supervisor.panel.snapshot import NOTHING, Snapshot
from safety_supervisor.panel.view import make_view
from safety_supervisor.tokens.operator_act import wrong_target

ATTACK = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"


def robot(**changes: Any) -> Any:
    sources = [
        SimpleNamespace(name="planner", kind=SourceKind.AGENT, models=(object(),)),
        SimpleNamespace(name="pendant", kind=SourceKind.PERSON, models=()),
    ]
    policy = SimpleNamespace(kinds={"zone": object(), "pair": object()})
    zone = SimpleNamespace(approval=SimpleNamespace(kind="press"))
    return SimpleNamespace(**{"sources": sources, "policy": policy, "zones": [zone], "tools": {"gripper": 1}} | changes)


def of(act: str, **changes: Any) -> Offer:
    (found,) = [one for one in offers(robot(**changes)) if one.act == act]
    return found


@pytest.mark.requirement("SR-010")
@pytest.mark.parametrize(
    ("role", "acts"),
    [
        (Role.VIEWER, set()), (Role.OPERATOR, set()), (Role.TECHNICIAN, {"revoke", "deny", "grant", "tool"}),
        (Role.SAFETY_OFFICER, {"revoke", "deny", "grant", "tool", "promote"}), (Role.MAINTAINER, {"maintainer"}),
    ],
)  # fmt: skip
def test_a_role_is_offered_what_it_may_and_no_more(role: Role, acts: set[str]) -> None:
    assert {one.act for one in offers(robot()) if may(one, role)} == acts


def test_kinds_are_those_of_policy_zones_and_stages_and_only_agents_are_revoked() -> None:
    assert of("grant").fields[0].values == ("zone", "pair", "press", "stage")
    assert of("revoke").fields[0].values == ("planner",)
    bare = robot(sources=robot().sources[1:], policy=None, zones=[SimpleNamespace(approval=None)], tools={})
    assert [one.act for one in offers(bare)] == ["maintainer"]


@pytest.mark.parametrize(
    ("act", "chosen", "target"),
    [
        ("revoke", ("planner",), "planner"), ("deny", ("zone", "planner"), "zone planner"),
        ("grant", ("zone", "planner", " 60 "), "zone planner 60"), ("promote", ("planner", "shadow"), "planner shadow"),
        ("tool", ("gripper",), "gripper"), ("tool", (NO_TOOL,), ""), ("maintainer", (), ""),
    ],
)  # fmt: skip
def test_what_is_chosen_makes_the_target_of_the_token(act: str, chosen: tuple[str, ...], target: str) -> None:
    assert target_of(of(act), chosen) == target
    assert wrong_target(act, target) == ""
    assert lacks(of(act), chosen, "I see it") == ""
    assert "{" not in words_of(of(act), chosen, NOTHING)


@pytest.mark.parametrize("seconds", ["0", "601", "-1", "1.5", "", " ", "9" * 20, "²", "ten"])
def test_a_grant_takes_whole_seconds(seconds: str) -> None:
    assert "seconds" in lacks(of("grant"), ("zone", "planner", seconds), "I see it")


def test_what_gives_rights_takes_a_reason_and_what_takes_them_needs_none() -> None:
    assert {one.act for one in offers(robot()) if one.asks_reason} == {"grant", "promote", "maintainer"}
    assert {one.act for one in offers(robot()) if one.takes_away} == {"revoke", "deny"}
    assert lacks(of("promote"), ("planner", "shadow"), "  ") == "it takes a typed reason"
    assert lacks(of("revoke"), ("planner",), "") == ""
    assert lacks(of("revoke"), (ATTACK,), "").startswith("agent: one of")


def test_a_fault_is_named_before_it_is_cleared() -> None:
    assert "E_INTERNAL" in words_of(of("maintainer"), (), MappingProxyType({"cause": "E_INTERNAL"}))


@pytest.mark.redteam(24)
def test_script_in_any_text_is_text_on_the_page() -> None:
    status = {"state": ATTACK, "boot": ATTACK, "epoch": "7", "configuration_sha256": "c" * 64}
    view = make_view(Snapshot("panda", "", status, 1, (), 1, 1, 1), "panda", "c" * 64, 1)
    assert view.basis is not None
    grant = MappingProxyType(dict.fromkeys(("approval", "source", "people", "by", "asked", "remaining_s"), ATTACK))
    agent = Agent("planner", *(ATTACK,) * 6, alarm=True)
    page = rights_page(view, (agent,), (grant,), offers(robot()), "token")
    assert "REVOKE planner" in page
    assert "&lt;script&gt;" in page
    assert "<script" not in page
    assert "<img" not in page
    assert '<form class="stop" method="post" action="/stop">' in page
