"""Approvals that come again, by the thousand and in another situation: each counts once, or not at all."""

from __future__ import annotations

import math
import threading
import time

import pytest
from approval_rig import Cell
from ros_rig import JOINTS, Client, Rig
from sensor_msgs.msg import JointState
from std_msgs.msg import String

from safety_supervisor.ros.tokens import BURST, RATE_HZ

pytestmark = pytest.mark.long

PROGRAM = 'kind == "person" ? allow : approve("zone", 1, 60)'
POLICY = {"policy": {"program": PROGRAM}}
REPLAYS, THREADS = 1000, 8
TOPIC = "/supervisor/operator_requests"


def replay(client: Client, token: str, publishers: list[Client], pause: float) -> float:
    """Publish a token a thousand times, by threads with a publisher each, at once; return how long it took, [s]."""
    ways = [one.publisher(String, TOPIC, 10) for one in publishers]
    for way in ways:
        client.wait_for(way.get_subscription_count, "a replayer is heard")
    together = threading.Barrier(len(ways))

    def run(way: object) -> None:
        together.wait()
        for _ in range(REPLAYS // len(ways)):
            way.publish(String(data=token))  # type: ignore[attr-defined]
            time.sleep(pause)

    threads = [threading.Thread(target=run, args=(way,)) for way in ways]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    client.wait_for(lambda: not any(thread.is_alive() for thread in threads), "they end", 60.0)
    return time.monotonic() - began


def fresh(cell: Cell, asked: dict[str, str], **changes: object) -> dict[str, object]:
    """Answer of another approval of what waits, good but for the changes."""
    return cell.people.do("approve", "ada", asked["id"], command_sha256=asked["command_sha256"], **changes)


def again(cell: Cell, token: str, jti: str) -> tuple[bool, str]:
    """Send a token; return how it is answered."""
    cell.client.spin(0.06)  # 20 a second are looked at
    cell.people.answers.clear()
    cell.people.send(token)
    answer = cell.people.wait(lambda answer: answer["jti"] == jti)
    return answer["ok"], answer["code"]


@pytest.mark.requirement("SR-022")
@pytest.mark.redteam(16)
def test_of_a_thousand_concurrent_replays_one_counts(rig: Rig) -> None:
    cell = Cell(rig, **POLICY)
    client, people = cell.client, cell.people
    publishers = [rig.client(f"replayer{number}") for number in range(THREADS)]

    def phase(by: float, pause: float) -> None:
        before = client.pose()
        asked = cell.waits(by, 2.0)
        token, jti = people.made("approve", "ada", asked["id"], command_sha256=asked["command_sha256"])
        people.answers.clear()
        took = replay(client, token, publishers, pause)
        cell.played(asked)
        client.spin(1.5)
        mine = [answer for answer in people.answers if answer["jti"] == jti]
        assert [answer["ok"] for answer in mine].count(True) == 1, people.answers
        assert {answer["code"] for answer in mine if not answer["ok"]} == {"E_TOKEN_USED"}
        others = [answer for answer in people.answers if answer["jti"] != jti]
        assert {answer["code"] for answer in others} == {"E_TOKEN_RATE"}, "the rate's gate refuses most"
        held_back = sum(answer["count"] for answer in others)
        print(f"{REPLAYS} in {took:.2f} s: looked at {len(mine)}, held back {held_back}")
        assert len(mine) <= BURST + RATE_HZ * (took + 1.0)
        assert len(mine) + held_back <= REPLAYS
        assert not pause or len(mine) + held_back > 0.9 * REPLAYS, "where the topic's queue does not run over, all"
        assert cell.end_of(asked) == [("PASS", ""), ("PASS", "E_ENDED")], "begun once, ended once"
        there = client.pose()
        assert there[0] - before[0] == pytest.approx(by, abs=0.01)
        assert again(cell, token, jti) == (False, "E_TOKEN_USED")
        assert fresh(cell, asked)["code"] == "E_ACT_INTERVENTION", "signed anew, it is used up even so"
        assert cell.rests_at(there)

    cell.steadily(lambda: phase(0.3, 0.0))
    cell.steadily(lambda: phase(-0.3, 0.02))
    assert client.status["adapter_failures"] == "0"


@pytest.mark.requirement("SR-022")
@pytest.mark.redteam(16)
@pytest.mark.redteam(18)
def test_an_approval_survives_no_change_of_state_or_pose(rig: Rig) -> None:
    cell = Cell(rig, **POLICY)
    client, people = cell.client, cell.people
    here = client.pose()

    def stopped() -> None:
        asked = cell.waits()
        token, jti = people.made("approve", "ada", asked["id"], command_sha256=asked["command_sha256"])
        assert client.call("/supervisor/stop").success
        client.wait_state("LOCKED")
        client.wait_for(lambda: cell.end_of(asked) == [("REJECT", "E_PURGED")], "a stop ends it")
        assert again(cell, token, jti) == (False, "E_ACT_EPOCH")
        client.arm()
        now = cell.waits()
        old, old_jti = people.made(
            "approve", "ada", now["id"], command_sha256=now["command_sha256"], epoch=int(asked["epoch"])
        )
        assert again(cell, old, old_jti) == (False, "E_ACT_EPOCH")
        assert cell.rests_at(here)
        assert fresh(cell, now)["ok"], "the robot would go"
        cell.played(now)

    def moved() -> None:
        # A person who needs no approval moves the robot, and it comes to rest elsewhere.
        asked = cell.waits(-0.2)
        token, jti = people.made("approve", "ada", asked["id"], command_sha256=asked["command_sha256"])
        joystick = client.publisher(JointState, "/supervisor/sources/joystick/joint_command")
        client.wait_for(joystick.get_subscription_count, "the joystick is heard")
        for step in range(50):
            speed = 0.2 * math.sin(math.pi * step / 49)
            joystick.publish(JointState(name=JOINTS, velocity=[0.0, 0.0, 0.0, 0.0, 0.0, speed, 0.0]))
            client.spin(0.02)
        client.wait_for(lambda: cell.end_of(asked) == [("REJECT", "E_APPROVAL_VOID")], "it is void")
        there = client.wait_rest()
        client.wait_state("AUTO/HOLDING")
        assert again(cell, token, jti) == (False, "E_ACT_EPOCH")
        assert fresh(cell, asked)["code"] == "E_ACT_INTERVENTION"
        assert cell.rests_at(there)

    cell.steadily(stopped)
    cell.steadily(moved)
    assert client.status["adapter_failures"] == "0"


@pytest.mark.requirement("SR-022")
@pytest.mark.redteam(16)
@pytest.mark.redteam(18)
@pytest.mark.redteam(36)
def test_an_approval_survives_neither_a_restart_nor_another_configuration(rig: Rig) -> None:
    """The same id, the same command, the clock set back: the nonce, and the configuration's hash, tell them apart."""
    cell = Cell(rig, **POLICY)
    before = cell.client.pose()
    asked = cell.waits(frame_id="cid:cup")
    ever = {"command_sha256": asked["command_sha256"], "iat": 0, "exp": 1 << 40}
    kept = [cell.people.made("approve", "ada", asked["id"], **ever) for _ in range(2)]

    cell.restart(**POLICY)
    same = cell.waits(frame_id="cid:cup")
    assert same["id"] == asked["id"]
    assert same["configuration_sha256"] == asked["configuration_sha256"]
    assert again(cell, *kept[0]) == (False, "E_TOKEN_NONCE")
    assert cell.rests_at(before)

    # Another policy: what was signed under the other rules is no approval, not even with a nonce of this boot.
    cell.restart(policy={"program": PROGRAM.replace("60", "90")})
    now = cell.waits(frame_id="cid:cup")
    assert now["configuration_sha256"] != asked["configuration_sha256"]
    assert again(cell, *kept[1]) == (False, "E_TOKEN_NONCE")
    assert fresh(cell, now, config_sha256=asked["configuration_sha256"])["code"] == "E_ACT_CONFIGURATION"
    assert cell.rests_at(before)
    assert fresh(cell, now)["ok"]
    cell.played(now)
    assert cell.client.status["adapter_failures"] == "0"
