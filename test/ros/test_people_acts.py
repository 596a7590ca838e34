"""People's signed acts on the real node, which has no unsigned services: over ROS, and by the command."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from ros_rig import Client, Process, Rig, children_of, command_of, make_trajectory
from std_msgs.msg import String
from token_rig import SEEDS, People, command, ends_and_replays, judges_of, people_of, run, write_key
from trajectory_msgs.msg import JointTrajectory

from safety_supervisor.evidence.decisions.files import robots, segments
from safety_supervisor.evidence.decisions.verify import Verifier

ROLES = {"ada": "operator", "bob": "maintainer", "eve": "viewer"}
SETTINGS: dict[str, Any] = {
    "operators": {
        "unsigned_services": False,
        "people": people_of(ROLES),
    }
}


def arm(client: Client, people: People) -> None:
    """Reset and start; the state may change under the hand of a busy machine: then again."""
    for _ in range(5):
        client.wait_state("LOCKED", timeout=60.0)
        if not people.do("reset")["ok"]:
            continue
        client.wait_state("READY")
        if people.do("start", target="auto")["ok"]:
            client.wait_state("AUTO/HOLDING")
            return
    raise AssertionError(people.answers[-4:])


def start(rig: Rig) -> tuple[Client, Process, People]:
    rig.cell()
    client = rig.client()
    supervisor = rig.supervisor(**SETTINGS)
    client.wait_state("LOCKED", timeout=60.0)
    return client, supervisor, People(client, ROLES)


def acts_are_in_the_decision_log(directory: Path, jti: str) -> None:
    """Each act was noted before it took effect, and the log verifies."""
    (robot,) = robots(directory)
    report = Verifier(directory, robot).verify()
    assert (report.broken, report.tail) == (None, "complete")
    lines = [line for path in segments(directory, robot).values() for line in path.read_bytes().splitlines()]
    acts = [one for one in map(json.loads, lines) if one["kind"] in ("asked", "act") and one.get("jti") == jti]
    assert [one["kind"] for one in acts] == ["asked", "act"]
    assert acts[0]["at"] < acts[1]["at"]


def stopped_meanwhile(client: Client, people: People, recorder: int) -> str:
    """Ask for a reset, and stop before its record is on disk; return what the reset is told."""
    for _ in range(5):
        client.wait_state("LOCKED")
        client.wait_for(lambda: client.status["log"] == "kept", "the record goes on")
        token, jti = people.made("reset")
        people.answers.clear()
        os.kill(recorder, signal.SIGSTOP)
        try:
            people.send(token)
            client.spin(0.1)
            assert client.call("/supervisor/stop").success
        finally:
            os.kill(recorder, signal.SIGCONT)
        answer = people.wait(lambda answer, jti=jti: answer["jti"] == jti)  # type: ignore[misc]
        assert not answer["ok"]
        if answer["code"] != "E_LOG":  # a busy machine took longer than its record may
            break
    return str(answer["code"])


@pytest.mark.requirement("SR-042")
@pytest.mark.requirement("SR-010")
@pytest.mark.requirement("SR-016")
@pytest.mark.redteam(39)
@pytest.mark.redteam(16)
@pytest.mark.redteam(19)
@pytest.mark.redteam(40)
def test_people_reset_and_start_and_nobody_else_does(rig: Rig) -> None:
    client, supervisor, people = start(rig)
    offered = dict(client.node.get_service_names_and_types())
    assert "/supervisor/stop" in offered
    assert not {"/supervisor/reset", "/supervisor/start", "/supervisor/recover"} & set(offered)

    assert people.do("reset", "eve")["code"] == "E_ACT_ROLE"
    assert people.do("reset", "bob")["code"] == "E_ACT_ROLE"
    assert people.do("reset", "eve", role="operator")["code"] == "E_ACT_ROLE"
    assert people.do("reset", config_sha256="0" * 64)["code"] == "E_ACT_CONFIGURATION"
    assert people.do("reset", epoch=int(client.status["epoch"]) + 1)["code"] == "E_ACT_EPOCH"
    assert people.do("reset", aud="g1")["code"] == "E_TOKEN_AUD"
    assert people.do("reset", nonce="0" * 32)["code"] == "E_TOKEN_NONCE"
    forged, _ = people.made("reset")
    people.send(forged[:-8] + ("A" * 8 if forged[-8:] != "A" * 8 else "B" * 8))
    people.wait(lambda answer: answer["code"] in ("E_TOKEN_SIGNATURE", "E_TOKEN_FORM") and answer["jti"] == "")
    assert client.state == "LOCKED"

    # Nobody holds the hold-to-run button by a number that nobody signed.
    button = client.publisher(String, "/supervisor/hold")
    client.wait_for(button.get_subscription_count, "somebody hears the button")
    button.publish(String(data="5"))
    client.wait_for(
        lambda: ("hold", "E_TOKEN_FORM") in {(one["source"], one["code"]) for one in client.decisions}, "it"
    )

    token, jti = people.made("reset")
    people.send(token)
    answer = people.wait(lambda answer: answer["jti"] == jti)
    assert (answer["iss"], answer["ok"]) == ("ada", True)
    client.wait_state("READY")
    people.answers.clear()
    people.send(token)
    assert people.wait(lambda answer: answer["jti"] == jti)["code"] == "E_TOKEN_USED"
    assert people.do("start", target="auto")["ok"]
    client.wait_state("AUTO/HOLDING")
    assert client.call("/supervisor/stop").success
    client.wait_state("LOCKED")
    arm(client, people)

    # A flood of garbage keeps people from resetting while it lasts, and nobody from stopping.
    for _ in range(300):
        people.publisher.publish(String(data="garbage"))
        client.spin(0.002)
    client.wait_for(lambda: "E_TOKEN_RATE" in client.codes(), "the flood is told", 30.0)
    assert client.call("/supervisor/stop").success
    client.spin(1.5)
    arm(client, people)
    assert client.status["adapter_failures"] == "0"

    # The status of the boot before, kept: nothing of it counts in the next one.
    kept, _ = people.made("reset", epoch=0)
    (log,) = ends_and_replays(client, supervisor, rig.last_directory)
    assert jti.encode() in log.read_bytes()
    acts_are_in_the_decision_log(log.parent, jti)
    second = rig.supervisor(**SETTINGS)
    client.wait_state("LOCKED", timeout=60.0)
    again = People(client, ROLES)
    again.send(kept)
    assert again.wait(lambda answer: not answer["ok"])["code"] == "E_TOKEN_NONCE"
    assert client.state == "LOCKED"

    # What can not be recorded does not take effect, though the supervisor itself is well.
    (recorder,) = [pid for pid in children_of(second.process.pid) if "evidence.recorder" in command_of(pid)]
    os.kill(recorder, signal.SIGSTOP)
    try:
        assert again.do("reset")["code"] == "E_LOG"
        assert client.call("/supervisor/stop").success
    finally:
        os.kill(recorder, signal.SIGCONT)
    client.wait_for(lambda: client.status["log"] == "kept", "the record goes on")
    assert stopped_meanwhile(client, again, recorder) == "E_ACT_EPOCH"
    arm(client, again)
    assert 0.0 < float(client.status["acts_noted_within_ms"]) < 500.0
    print("acts noted within ms:", client.status["acts_noted_within_ms"])


@pytest.mark.requirement("SR-010")
@pytest.mark.requirement("SR-013")
@pytest.mark.redteam(40)
def test_no_agent_resets_and_neither_reset_nor_start_brings_motion_back(rig: Rig) -> None:
    client, _, people = start(rig)
    agent = client.trajectory_publisher()
    client.wait_for(agent.get_subscription_count, "the supervisor hears the trajectory's publisher")
    client.spin(0.5)
    arm(client, people)

    def first_answer(message: JointTrajectory) -> tuple[str, str]:
        told = len(client.decisions)
        agent.publish(message)

        def mine() -> list[tuple[str, str]]:
            return [(one["verdict"], one["code"]) for one in client.decisions[told:] if one["source"] == "planner"]

        client.wait_for(mine, "a decision")
        return mine()[0]

    begin = client.pose()
    goal = make_trajectory([(4.0, [begin[0] + 0.8, *begin[1:]])])
    goal.header.frame_id = "cid:away;key:k1"
    assert first_answer(goal) == ("PASS", "")
    client.wait_for(lambda: abs(client.measured[0] - begin[0]) > 0.1, "motion")
    assert client.call("/supervisor/stop").success
    client.wait_state("LOCKED")
    there = client.wait_rest()
    assert there[0] - begin[0] < 0.7, "in the midst of it"

    def rests(seconds: float = 1.5) -> bool:
        client.spin(seconds)
        return client.pose() == pytest.approx(there, abs=0.005)

    # The agent with its own key, in its own name and in a person's; it goes on sending its goal.
    for name in ("planner", "ada"):
        people.answers.clear()
        people.send(people.made("reset", iss=name, sub=name, key=Ed25519PrivateKey.from_private_bytes(b"p" * 32))[0])
        answer = people.wait(lambda answer: not answer["ok"])
        assert answer["code"] == {"planner": "E_TOKEN_ISS", "ada": "E_TOKEN_SIGNATURE"}[name]
    assert first_answer(make_trajectory([(4.0, goal.points[0].positions)])) == ("REJECT", "E_NOT_MOVING_STATE")
    assert client.state == "LOCKED"

    assert people.do("reset")["ok"]
    client.wait_state("READY")
    assert rests()
    assert people.do("start", target="auto")["ok"]
    client.wait_state("AUTO/HOLDING")
    assert rests()
    assert first_answer(goal) == ("PASS", ""), "of the old goal, sent again, the first result again"
    assert rests()
    assert first_answer(make_trajectory([(2.0, [there[0] + 0.2, *there[1:]])])) == ("PASS", ""), "a new one"
    client.wait_for(lambda: "E_ENDED" in client.codes(), "its end")
    assert not rests(0.5)
    assert client.status["adapter_failures"] == "0"


def test_a_lost_judge_comes_back_where_only_a_maintainer_can_act(rig: Rig) -> None:
    client, supervisor, people = start(rig)
    arm(client, people)
    intruder = rig.client("intruder")
    rogue = intruder.publisher(JointTrajectory, "/panda_arm_controller/joint_trajectory", 1)
    client.wait_state("FAULT", timeout=30.0)
    (judge,) = judges_of(supervisor)
    os.kill(judge, signal.SIGKILL)
    client.wait_for(lambda: client.status["token_judge_restarts"] == "1", "a new judge", 30.0)
    client.wait_for(lambda: client.status["tokens"] == "verified", "it is ready", 30.0)
    assert people.do("reset")["code"] == "E_ACT_STATE"
    assert people.do("maintainer")["code"] == "E_ACT_ROLE"
    intruder.node.destroy_publisher(rogue)
    client.spin(1.0)
    answer = people.do("maintainer", "bob", reason="the second publisher is gone")
    assert answer["ok"], answer
    client.wait_state("LOCKED", "EMERGENCY_STOP", timeout=30.0)
    assert client.status["adapter_failures"] == "0"


@pytest.mark.long
def test_the_command_shows_resets_starts_and_stops(rig: Rig) -> None:
    client, _, _ = start(rig)
    config = str(rig.directory / "robot.yaml")
    key = str(write_key(rig.directory / "ada.key", SEEDS["ada"]))

    def act(*words: str) -> subprocess.CompletedProcess[str]:
        return command(client, "operator", *words, "--config", config, "--key", key, "--as", "ada", "--yes")

    shown = command(client, "operator", "show", "--config", config)
    assert shown.stdout.startswith("LOCKED"), shown.stderr
    for _ in range(3):  # a late cycle of a busy machine may stop in between
        if act("reset").returncode == 0 and act("start", "auto", "--json").returncode == 0:
            break
        client.wait_state("LOCKED", timeout=60.0)
    assert client.state == "AUTO/HOLDING"
    stopped = command(client, "operator", "stop")
    assert (stopped.returncode, stopped.stdout) == (0, "the stop went out\n"), stopped.stderr
    client.wait_state("LOCKED")


def test_a_stop_that_nobody_hears_says_press_the_button(tmp_path: Path, rig: Rig) -> None:
    done = run("operator", "stop", "--timeout", "1", domain=rig.domain)
    assert done.returncode == 1
    assert "press the button" in done.stderr
