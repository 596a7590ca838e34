"""Idempotency keys on the real node: a command sent twice moves the robot once."""

from __future__ import annotations

from typing import Any

import pytest
from approval_rig import Cell
from ros_rig import HOME, Rig, make_trajectory

pytestmark = pytest.mark.long

KEYS = 30


def send(cell: Cell, to: float, frame_id: str, seconds: float = 1.0) -> dict[str, str]:
    """Send a goal of joint 1; return the first decision on it."""
    message = make_trajectory([(seconds, [to, *HOME[1:]])])
    message.header.frame_id = frame_id
    return answered(cell, message)


def answered(cell: Cell, message: Any) -> dict[str, str]:
    told = len(cell.client.decisions)
    name = message.header.frame_id.partition(";")[0].removeprefix("cid:")
    cell.agent.publish(message)

    def mine() -> list[dict[str, str]]:
        return [one for one in cell.client.decisions[told:] if one["id"] == name]

    cell.client.wait_for(mine, f"a decision on {name}")
    return mine()[0]


@pytest.mark.requirement("SR-030")
@pytest.mark.redteam(13)
@pytest.mark.redteam(14)
@pytest.mark.redteam(15)
def test_a_key_moves_the_robot_once_and_a_flood_of_keys_is_refused(rig: Rig) -> None:
    cell = Cell(rig, sources={"planner": {"idempotency_keys": KEYS}})
    client = cell.client

    def played(to: float, frame_id: str) -> None:
        assert send(cell, to, frame_id)["verdict"] == "PASS"
        client.wait_for(lambda: client.decisions[-1]["code"] == "E_ENDED", "its end")
        assert client.wait_rest()[0] == pytest.approx(to, abs=0.01)

    def once() -> None:
        client.decisions.clear()
        played(0.2, "cid:there;key:k1")
        played(0.0, "cid:back;key:k2")

    cell.steadily(once)
    again = send(cell, 0.2, "cid:again;key:k1")
    assert (again["verdict"], again["code"]) == ("PASS", ""), "the first result again"
    assert cell.rests_at(HOME, 1.5), "and no second motion"
    other = send(cell, 0.3, "cid:other;key:k1")
    assert (other["verdict"], other["code"]) == ("REJECT", "E_KEY_CONFLICT")
    assert cell.rests_at(HOME, 1.5)

    for number in range(KEYS - 2):
        assert send(cell, 9.0, f"cid:f{number};key:f{number}")["code"] == "E_POSITION_LIMIT"
        client.spin(0.15)  # not so many that its refusals stop it
    full = send(cell, 0.2, "cid:one-more;key:one-more")
    assert (full["verdict"], full["code"]) == ("REJECT", "E_KEYS_FULL")
    assert cell.rests_at(HOME, 1.5)
    conflict = send(cell, 0.3, "cid:last;key:k1")
    assert conflict["code"] == "E_KEY_CONFLICT", "what is remembered is not pushed out"
    played(0.2, "cid:without")
    assert client.status["adapter_failures"] == "0"
