"""Signed acts of sources on the real node: taken, refused, told, recorded; its judge killed; the topic flooded."""

from __future__ import annotations

import json
import os
import signal
import time
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from ros_rig import HOME, Client, Process, Rig, make_trajectory
from std_msgs.msg import String
from token_rig import Holder, command, ends_and_replays, judges_of, write_key
from two_tools import PRIVATE_KEY, PUBLIC_KEY, TOOLS

ROD = "gripper_with_rod"
SETTINGS: dict[str, Any] = {
    "tools": TOOLS,
    "robot": {"payload": 1.0},
    "sources": {"planner": {"tools": [ROD], "public_key": PUBLIC_KEY}},
}


def start(rig: Rig) -> tuple[Client, Process, Holder]:
    rig.cell()
    client = rig.client()
    supervisor = rig.supervisor(**SETTINGS)
    client.wait_state("LOCKED", timeout=60.0)
    holder = Holder(client)
    publisher = client.trajectory_publisher()
    client.wait_for(publisher.get_subscription_count, "the supervisor hears the trajectory's publisher")
    client.arm()
    return client, supervisor, holder


@pytest.mark.requirement("SR-026")
@pytest.mark.redteam(7)
@pytest.mark.redteam(16)
def test_a_source_takes_a_tool_by_a_token_and_nobody_else_does(rig: Rig) -> None:
    client, supervisor, holder = start(rig)
    refused = holder.ask("gripper")
    assert (refused["ok"], refused["code"]) == (False, "E_TOOL_SOURCE")
    stranger, _ = holder.token(ROD, key=Ed25519PrivateKey.generate())
    holder.send(stranger)
    answer = holder.wait(lambda answer: answer["code"] == "E_TOKEN_SIGNATURE")
    assert answer["jti"] == ""
    assert holder.ask(ROD, aud="another")["code"] == "E_TOKEN_AUD"
    assert holder.ask(ROD, nonce="0" * 32)["code"] == "E_TOKEN_NONCE"
    client.spin(0.3)
    assert client.status["tool"] == ""

    token, jti = holder.token(ROD)
    holder.send(token)
    taken = holder.wait(lambda answer: answer["jti"] == jti)
    assert (taken["ok"], taken["code"], taken["detail"]) == (True, "", f"tool: {ROD}, 0.6 kg")
    client.wait_for(lambda: client.status["tool"] == ROD, "the status tells the tool")
    holder.answers.clear()
    holder.send(token)
    assert holder.wait(lambda answer: answer["jti"] == jti)["code"] == "E_TOKEN_USED"

    low = [HOME[0], -0.06, *HOME[2:]]
    told = len(client.decisions)
    client.trajectory_publisher().publish(make_trajectory([(3.0, low)]))
    client.wait_for(lambda: any(d["code"] == "E_WORKSPACE" for d in client.decisions[told:]), "the rod is refused")
    client.spin(1.0)
    if client.state != "AUTO/HOLDING":
        client.arm()
    assert holder.ask("", reason="it was put into the rack")["ok"]
    client.wait_for(lambda: client.status["tool"] == "", "the status tells none")

    codes = {(decision["source"], decision["code"]) for decision in client.decisions}
    assert {("agent_sessions", "E_TOKEN_SIGNATURE"), ("planner", "E_TOKEN_AUD"), ("planner", "E_TOKEN_USED")} <= codes
    assert client.status["adapter_failures"] == "0"
    assert "E_TOKEN_SIGNATURE" in supervisor.text

    (log,) = ends_and_replays(client, supervisor, rig.last_directory)
    assert jti.encode() in log.read_bytes()


@pytest.mark.long
def test_the_command_takes_and_puts_down(rig: Rig) -> None:
    client, _, _ = start(rig)
    key = write_key(rig.directory / "planner.key", PRIVATE_KEY)
    given = ["--config", str(rig.directory / "robot.yaml"), "--key", str(key), "--source", "planner"]

    def act(*words: str) -> tuple[int, str]:
        """Run it; a late cycle of a busy machine may have stopped the robot meanwhile: then again, armed anew."""
        for _ in range(3):
            done = command(client, "agent", "tool", *words, *given)
            if client.state == "AUTO/HOLDING" and "STATE" not in done.stdout:
                break
            client.arm()
        return done.returncode, done.stdout

    assert act(ROD) == (0, f"tool: {ROD}, 0.6 kg\n")
    client.wait_for(lambda: client.status["tool"] == ROD, "the status tells the tool")
    status, text = act("gripper", "--json")
    assert (status, json.loads(text)["code"]) == (1, "E_TOOL_SOURCE")
    assert act("--none")[0] == 0
    client.wait_for(lambda: client.status["tool"] == "", "the status tells none")


@pytest.mark.redteam(25)
def test_a_flood_of_garbage_and_a_dead_judge_slow_nothing_and_a_stop_is_answered(rig: Rig) -> None:
    client, supervisor, holder = start(rig)
    (judge,) = judges_of(supervisor)
    os.kill(judge, signal.SIGKILL)
    client.wait_for(lambda: client.status["tokens"] != "verified", "the loss is told")
    holder.send(holder.token(ROD)[0])
    holder.wait(lambda answer: answer["code"] == "E_TOKEN_BUSY")
    assert client.status["tool"] == ""
    assert judges_of(supervisor) == [], "in AUTO nothing is started"

    flood = rig.script("flooder.py", "/supervisor/agent_sessions", "String", "3000", "5000", "60")
    try:
        client.wait_for(lambda: "E_TOKEN_RATE" in client.codes(), "the flood is told", 30.0)
        assert client.call("/supervisor/stop").success
        client.wait_state("LOCKED")
        client.wait_for(lambda: client.status["tokens"] == "verified", "a new judge", 30.0)
        assert client.status["token_judge_restarts"] == "1"
        cycles, began = int(client.status["cycles"]), time.monotonic()
        client.spin(2.0)
        done = int(client.status["cycles"]) - cycles
        print("cycles under the flood:", done, "in", time.monotonic() - began, client.status.get("cycle_p99"))
        assert done > 100
        assert flood.process.poll() is None, "all of that was in its midst"
        flood.send(signal.SIGINT)
        assert client.wait_end(flood) == 0
    finally:
        flood.end()
    sent = int(flood.text.split()[1])
    assert len(holder.answers) < 200 < sent
    client.spin(1.2)
    client.arm()
    assert holder.ask(ROD)["ok"]
    assert client.status["adapter_failures"] == "0"


def test_a_thousand_copies_of_one_token_act_once(rig: Rig) -> None:
    client, _, holder = start(rig)
    token, jti = holder.token(ROD)
    others = [rig.client(f"copier{number}") for number in range(3)]
    publishers = [holder.publisher, *(o.publisher(String, "/supervisor/agent_sessions", 10) for o in others)]
    for publisher in publishers:
        client.wait_for(publisher.get_subscription_count, "a copier is heard")
    for number in range(1000):
        publishers[number % len(publishers)].publish(String(data=token))
        client.spin(0.004)
    client.spin(1.0)
    mine = [answer for answer in holder.answers if answer["jti"] == jti]
    assert [answer["ok"] for answer in mine].count(True) == 1
    assert {answer["code"] for answer in mine} == {"", "E_TOKEN_USED"}
    changes = [d for d in client.decisions if d["id"] == f"tool/{jti}"]
    assert [change["verdict"] for change in changes] == ["PASS"]
    assert client.status["adapter_failures"] == "0"
