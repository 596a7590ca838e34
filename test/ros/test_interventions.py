"""An agent asks, a person decides, the robot moves: the real node, from outside, over ROS and by the command."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Iterable

import pytest
from approval_rig import Cell
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from ros_rig import Rig
from std_msgs.msg import String
from token_rig import SEEDS, ends_and_replays, write_key
from trajectory_msgs.msg import JointTrajectory

PROGRAM = """
verb == "position" ? approve("stream", 1, 60) :
joint_speed > 0.9 ? approve("short", 1, 2) :
joint_speed > 0.7 ? approve("held", 1, 60) :
joint_speed > 0.5 ? approve("pair", 2, 60) :
approve("zone", 1, 60)
"""


@pytest.mark.long
@pytest.mark.requirement("SR-022")
@pytest.mark.redteam(16)
@pytest.mark.redteam(17)
@pytest.mark.redteam(18)
@pytest.mark.redteam(19)
@pytest.mark.redteam(20)
@pytest.mark.redteam(24)
@pytest.mark.redteam(55)
def test_an_agent_asks_and_people_decide(rig: Rig) -> None:
    cell = Cell(rig, policy={"program": PROGRAM, "hold_kinds": ["held"]})
    client, people = cell.client, cell.people
    client.wait_for(lambda: people.lists, "a list, though it is empty")
    assert people.shown == []
    key = ["--key", str(write_key(rig.directory / "ada.key", SEEDS["ada"])), "--as", "ada", "--yes"]

    def wrong_ones() -> None:
        # It waits, is shown whole, and nothing that is wrong lets it move.
        before = client.pose()
        asked = cell.waits(0.3, 2.0, "cid:cup;why:<script>alert(1)</script> the cup")
        text = asked["command"]
        said = json.loads(text)
        assert (asked["command_id"], asked["source"], asked["approval"]) == ("cup", "planner", "zone")
        assert asked["why"] == "<script>alert(1)</script> the cup"
        assert asked["command_sha256"] == hashlib.sha256(text.encode()).hexdigest()
        assert asked["epoch"] == client.status["epoch"]
        assert 50.0 < float(asked["remaining_s"]) <= 60.0
        assert said["joints"] == ["panda_joint1", *said["joints"][1:]]
        assert abs(said["positions"][0][0] - before[0] - 0.3) < 0.02
        waits = ("WAIT", "E_APPROVAL_REQUIRED", "cup", asked["id"])
        parts = ("verdict", "code", "id", "intervention")
        client.wait_for(lambda: waits in [tuple(one[part] for part in parts) for one in client.decisions], "WAIT")
        sha, name = asked["command_sha256"], asked["id"]
        altered = hashlib.sha256(text.replace('"times_ns":[2', '"times_ns":[1').encode()).hexdigest()
        assert altered != sha
        self_made = Ed25519PrivateKey.generate()
        for code, person, changes in (
            ("E_ACT_COMMAND", "ada", {"command_sha256": altered}),
            ("E_TOKEN_COMMAND", "ada", {"command_sha256": ""}),
            ("E_ACT_EPOCH", "ada", {"command_sha256": sha, "epoch": int(asked["epoch"]) - 1}),
            ("E_ACT_CONFIGURATION", "ada", {"command_sha256": sha, "config_sha256": "0" * 64}),
            ("E_TOKEN_NONCE", "ada", {"command_sha256": sha, "nonce": "0" * 32}),
            ("E_ACT_INTERVENTION", "ada", {"command_sha256": sha, "target": "w99"}),
            ("E_ACT_ROLE", "eve", {"command_sha256": sha}),
            ("E_ACT_ROLE", "eve", {"command_sha256": sha, "role": "technician"}),
            ("E_TOKEN_SIGNATURE", "ada", {"command_sha256": sha, "key": self_made}),
            ("E_TOKEN_ISS", "ada", {"command_sha256": sha, "iss": "planner", "sub": "planner"}),
        ):
            changes = {"target": name} | changes
            assert people.do("approve", person, changes.pop("target"), **changes)["code"] == code
        assert cell.rests_at(before)
        assert people.shown[0]["id"] == name

        # A person sees it and approves it by the command.
        listed = people.command("list")
        assert listed.returncode == 0, listed.stderr
        assert "planner asks for zone" in listed.stdout
        assert "<script>alert(1)</script> the cup" in listed.stdout
        assert "panda_joint1" in listed.stdout
        shown = json.loads(people.command("list", "--json").stdout)
        assert [one["id"] for one in shown] == [name], (client.states, client.decisions[-2:])
        done = people.command("approve", name, *key)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "panda_joint1" in done.stderr, "shown before it is signed"
        assert sha in done.stderr
        cell.played(asked)
        assert not cell.rests_at(before)
        assert people.shown == []
        again = people.command("approve", name, *key)
        assert (again.returncode, "nothing waits as" in again.stderr) == (1, True)

    def two() -> None:
        # Two people, one of whom sends the same token forty times: it counts once.
        before = client.pose()
        asked = cell.waits(-0.6, 2.0)
        assert asked["approval"] == "pair"
        sha, name = asked["command_sha256"], asked["id"]
        token, jti = people.made("approve", "ada", name, command_sha256=sha)
        people.answers.clear()
        for _ in range(40):
            people.send(token)
            client.spin(0.01)
        client.wait_for(lambda: [a for a in people.answers if a["jti"] == jti and a["ok"]], "it counts", 5.0)
        client.spin(1.0)
        assert len([answer for answer in people.answers if answer["jti"] == jti and answer["ok"]]) == 1
        assert {a["code"] for a in people.answers if a["jti"] == jti and not a["ok"]} == {"E_TOKEN_USED"}
        assert people.do("approve", "ada", name, command_sha256=sha)["code"] == "E_ACT_TWICE"
        assert cell.rests_at(before)
        assert people.shown[0]["approved"] == "ada"
        assert people.do("approve", "bob", name, command_sha256=sha)["ok"]
        cell.played(asked)

    def stream() -> None:
        # A stream needs a grant, and stops when it is taken back.
        here = json.loads(cell.waits(0.05)["command"])["from"]
        cell.agent.publish(JointTrajectory())
        client.wait_for(lambda: not people.shown, "it is cancelled")
        client.stream(here)
        client.wait_for(lambda: "E_APPROVAL_REQUIRED" in client.codes(), "the stream is refused")
        granted = people.command("grant", "stream", "planner", "60", *key)
        assert granted.returncode == 0, granted.stdout + granted.stderr
        told = len(client.decisions)
        target = list(here)
        for step in range(100):
            target[0] = here[0] + 0.01 * (1 - math.cos(math.pi * step / 99))
            client.stream(target)
            client.spin(0.01)
        assert any(one["verdict"] == "PASS" for one in client.decisions[told:]), client.decisions[-3:]
        client.wait_for(lambda: any(one["kind"] == "grant" for one in people.shown), "the grant is shown")
        client.spin(1.0)
        revoked = people.command("withdraw", "stream", "planner", *key)
        assert revoked.returncode == 0, revoked.stdout + revoked.stderr
        told = len(client.decisions)
        client.stream(target)
        client.wait_for(
            lambda: any(one["code"] == "E_APPROVAL_REQUIRED" for one in client.decisions[told:]), "it is refused again"
        )

    def held() -> None:
        # A kind that counts while the button is held: not before, and released it stops.
        client.spin(1.0)
        before = client.pose()
        asked = cell.waits(0.85, 2.0)
        assert asked["approval"] == "held"
        given = {"target": asked["id"], "command_sha256": asked["command_sha256"]}
        assert people.do("approve", "ada", **given)["code"] == "E_HOLD_TO_RUN"
        button = client.publisher(String, "/supervisor/hold")
        client.wait_for(button.get_subscription_count, "somebody hears the button")

        def press(person: str, counts: Iterable[int]) -> None:
            for count in counts:
                # In a simulation, as this one, a number counts, too.
                button.publish(String(data=people.beat(person, count) if person else str(count)))
                client.spin(0.1)

        begins = time.time_ns() // 1_000_000
        press("eve", range(begins, begins + 3))  # an operator may not
        assert people.do("approve", "ada", **given)["code"] == "E_HOLD_TO_RUN"
        assert ("eve", "E_ACT_ROLE") in {(one["source"], one["code"]) for one in client.decisions}
        press("", (1, 2))
        press("ada", range(begins, begins + 3))
        token, jti = people.made("approve", "ada", given["target"], command_sha256=given["command_sha256"])
        people.send(token)
        press("ada", range(begins + 3, begins + 12))
        assert [answer["ok"] for answer in people.answers if answer["jti"] == jti] == [True], people.answers
        assert cell.end_of(asked) == [("PASS", "")]
        for count in range(begins, begins + 12):  # what somebody recorded
            button.publish(String(data=people.beat("ada", count)))
            client.spin(0.05)
        client.wait_for(lambda: cell.end_of(asked)[1:] == [("STOP", "E_APPROVAL_REQUIRED")], "released, it stops", 3.0)
        there = client.wait_rest()
        assert 0.05 < there[0] - before[0] < 0.8

    def expires() -> None:
        # Nobody answers; then the source may not ask for a while.
        client.spin(1.0)
        before = client.pose()
        asked = cell.waits(-0.6, 1.2)
        assert asked["approval"] == "short"
        client.wait_for(lambda: cell.end_of(asked) == [("REJECT", "E_APPROVAL_EXPIRED")], "its end", 5.0)
        cell.ask(-0.6, 1.2)
        client.wait_for(lambda: "E_APPROVAL_COOL_DOWN" in client.codes(), "the pause")
        assert cell.rests_at(before)

    for phase in (wrong_ones, two, stream, held, expires):
        cell.steadily(phase)
    assert client.status["adapter_failures"] == "0"

    # The log tells all of it, and gives the same again.
    ends_and_replays(client, cell.supervisor, rig.last_directory)
