"""Which person may do what: the roles of the safety manual, written out here again, against the core."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import msgspec
import pytest
from rig import Rig

from safety_supervisor.core.act_events import OperatorAct
from safety_supervisor.core.effects import Reply
from safety_supervisor.core.operator_settings import OperatorSettings, Person, Role

Rigs = Callable[..., Rig]
MAY = {
    "viewer": (),
    "operator": ("reset", "start", "mode"),
    "technician": ("reset", "start", "mode", "recover", "tool", "revoke", "approve", "deny", "grant"),
    "safety_officer": ("reset", "start", "mode", "recover", "tool", "revoke", "promote", "approve", "deny", "grant"),
    "maintainer": ("maintainer",),
}
ACTS = (
    "reset", "start", "mode", "recover", "tool", "maintainer", "revoke", "promote", "approve", "deny", "grant",
)  # fmt: skip
KEY = bytes(32)
PEOPLE = tuple(Person(f"p_{role.value}", role, KEY) for role in Role)


def peopled(rigs: Rigs) -> Rig:
    """A locked robot whose only way in is that of people."""
    return rigs(operators=OperatorSettings(False, PEOPLE)).lock()


def signed(rig: Rig, act: str, person: str, target: str = "", **changes: object) -> Reply:
    status = rig.status
    fields: dict[str, object] = {
        "epoch": status.epoch, "role": person.removeprefix("p_"), "config_sha256": status.configuration,
    }  # fmt: skip
    event = OperatorAct(rig.now, act, person, target, -1, f"t{rig.now}", "token-0001")  # type: ignore[arg-type]
    effects = rig.send(msgspec.structs.replace(event, **(fields | changes)))
    return next(effect for effect in effects if isinstance(effect, Reply))


@pytest.mark.requirement("SR-010")
@pytest.mark.parametrize(("role", "act"), list(product(MAY, ACTS)))
def test_a_role_may_do_what_is_written_and_nothing_else(rigs: Rigs, role: str, act: str) -> None:
    rig = peopled(rigs)
    target = {"start": "auto", "mode": "auto"}.get(act, "")
    reply = signed(rig, act, f"p_{role}", target)
    assert (reply.code == "E_ACT_ROLE") == (act not in MAY[role])
    if act == "reset" and act in MAY[role]:
        assert reply.ok
        assert rig.state == "READY"
    if act not in MAY[role]:
        assert rig.state == "LOCKED"
        assert f"p_{role} is {role}" in reply.message


@pytest.mark.requirement("SR-041")
@pytest.mark.redteam(19)
def test_who_signs_as_somebody_else_or_saw_something_else_is_refused(rigs: Rigs) -> None:
    rig = peopled(rigs)
    assert signed(rig, "reset", "p_viewer", role="technician").code == "E_ACT_ROLE"
    assert signed(rig, "reset", "planner", role="technician").code == "E_ACT_ROLE", "a source is nobody here"
    assert signed(rig, "reset", "p_operator", config_sha256="0" * 64).code == "E_ACT_CONFIGURATION"
    assert signed(rig, "reset", "p_operator", config_sha256="").code == "E_ACT_CONFIGURATION"
    assert signed(rig, "reset", "p_operator", epoch=-1).code == "E_ACT_EPOCH"
    assert signed(rig, "reset", "p_operator", epoch=rig.status.epoch + 1).code == "E_ACT_EPOCH"
    assert rig.state == "LOCKED"
    seen = rig.status.epoch
    assert signed(rig, "reset", "p_operator").ok
    assert signed(rig, "start", "p_operator", "auto", epoch=seen).code == "E_ACT_EPOCH", "LOCKED's epoch starts nothing"
    rig.cycle()
    assert signed(rig, "start", "p_operator", "auto").ok
    assert rig.state == "AUTO/HOLDING"
