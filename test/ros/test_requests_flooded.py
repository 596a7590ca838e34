"""Who asks people for too much is told to be quiet, and in the end cut off; who asks and approves is one too many."""

from __future__ import annotations

from typing import Any

import pytest
from approval_rig import Cell
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from ros_rig import JOINTS, Rig, make_trajectory
from two_tools import PRIVATE_KEY, PUBLIC_KEY

pytestmark = pytest.mark.long

POLICY = {"program": 'approve("zone", 1, 60)'}
GROUPS = dict(zip(("arm", "b", "c", "d", "e", "f", "g"), ([joint] for joint in JOINTS), strict=True))
APART: dict[str, Any] = {
    "robot": {"groups": GROUPS},
    "sources": {name: {"groups": list(GROUPS)} for name in ("planner", "joystick")},
}
MODEL = {"name": "cell_policy", "version": "1.2.0", "sha256": "ab" * 32, "stage": "supervised"}
ADAS: dict[str, Any] = {
    "joystick": {"person": "ada", "commands": ["velocity", "trajectory"], "liveliness_lease": 0.5},
    "planner": {"public_key": PUBLIC_KEY, "models": [MODEL]},
}
MOST, MOST_OF_A_MINUTE = 4, 10
"""As docs/policy.md has it."""


@pytest.mark.requirement("SR-022")
@pytest.mark.redteam(21)
def test_of_five_hundred_requests_people_see_ten_and_never_more_than_four(rig: Rig) -> None:
    cell = Cell(rig, policy=POLICY, **APART)
    client, people = cell.client, cell.people
    before = client.pose()
    quiet = client.status

    def flood(count: int, pause: float) -> None:
        for number in range(count):
            joint = number % len(JOINTS)
            cell.agent.publish(make_trajectory([(2.0, [before[joint] + 0.1])], [JOINTS[joint]]))
            client.spin(pause)

    flood(20, 0.1)
    assert client.state == "AUTO/HOLDING", "a pause, no stop: people may still look at what waits"
    assert {"E_APPROVAL_FULL", "E_APPROVAL_COOL_DOWN"} <= client.codes()
    flood(480, 0.01)
    client.spin(1.0)
    ids = {one.name for told in people.lists for one in told.status}
    assert len(ids) == MOST_OF_A_MINUTE, ids
    assert max(len(told.status) for told in people.lists) == MOST
    assert "E_QUARANTINED" in client.codes(), "the breaker: it asks no more"
    assert people.shown == [], "a stop ends what waits"
    client.wait_state("LOCKED")
    assert cell.rests_at(before)
    print({key: (quiet[key], client.status[key]) for key in ("cycle_p99_us", "lateness_p99_us", "missed_deadlines")})
    assert client.status["adapter_failures"] == "0"


@pytest.mark.requirement("SR-022")
@pytest.mark.redteam(19)
def test_nobody_approves_what_the_own_source_asks_for(rig: Rig) -> None:
    cell = Cell(rig, policy=POLICY, sources=ADAS)
    client, people = cell.client, cell.people
    cell.agent = client.trajectory_publisher("joystick")
    client.wait_for(cell.agent.get_subscription_count, "ada is heard")
    client.spin(0.5)
    agents_key = Ed25519PrivateKey.from_private_bytes(PRIVATE_KEY)

    def phase() -> None:
        before, asked = client.pose(), cell.waits()
        given = {"target": asked["id"], "command_sha256": asked["command_sha256"]}
        assert people.do("approve", "ada", **given)["code"] == "E_ACT_SELF"
        assert people.do("grant", "ada", "zone joystick 30")["code"] == "E_ACT_SELF"
        # The agent with its own key: in its own name, in that of a person, with a person's role.
        for name, code in (("planner", "E_TOKEN_ISS"), ("ada", "E_TOKEN_SIGNATURE"), ("bob", "E_TOKEN_SIGNATURE")):
            answer = people.do("approve", "bob", **given, iss=name, sub=name, key=agents_key)
            assert (answer["code"], answer["jti"]) == (code, "")
            client.spin(1.0)  # of unverified ones each code is told once a second
        assert cell.rests_at(before)
        assert people.shown[0]["approved"] == ""
        assert people.do("approve", "bob", **given)["ok"]
        cell.played(asked)

    cell.steadily(phase)
    assert client.status["adapter_failures"] == "0"
