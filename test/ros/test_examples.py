"""The examples work: supervisor, a stand-in for the controller, a person and an agent, each a process of its own."""

from __future__ import annotations

import signal
from typing import Any

import pytest
import yaml
from ros_rig import REPOSITORY, SIMULATED_ESTOP, Client, Process, Rig, merge

LATE = {"E_LATE", "E_OVERRUN"}
ENVELOPE = {"E_POSITION_LIMIT", "E_VELOCITY_LIMIT", "E_ACCELERATION_LIMIT", "E_JERK_LIMIT"}
"""What a stream earns that goes on for a moment behind a stop that it has not heard of yet."""


def load(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((REPOSITORY / name).read_text(encoding="utf-8"))
    return loaded


def changes() -> dict[str, Any]:
    """What the examples' configuration changes in the shipped one."""
    example = load("examples/panda.yaml")
    return {
        "robot": {key: example["robot"][key] for key in ("id", "joint_states")},
        "estop": {"driver": "none", "none": "I accept"},
    }


def test_the_configuration_of_the_examples_is_the_shipped_one_but_for_the_controller_and_the_e_stop() -> None:
    assert merge(load("config/panda.yaml"), changes()) == load("examples/panda.yaml")


def person(rig: Rig, client: Client, act: str) -> bool:
    process = rig.example("person.py", act)
    status = client.wait_end(process)
    assert (status == 0) == (f"{act}: granted" in process.text), process.text
    return status == 0


@pytest.fixture
def client(rig: Rig) -> Client:
    rig.example("controller.py")
    client = rig.client()
    rig.supervisor(**changes())
    client.wait_state("LOCKED", timeout=60.0)
    return client


def arm(rig: Rig, client: Client) -> None:
    """Reset and start; again where an agent that was just started is discovered in between, which stops."""
    for _ in range(5):
        if person(rig, client, "reset") and person(rig, client, "start"):
            client.wait_state("AUTO/HOLDING", "AUTO/MOVING", "LOCKED")
            if client.state != "LOCKED":
                return
        assert client.status["cause"] in {"E_ENDPOINT_REPLACED", "E_LOG"}, client.status  # a busy disk, too
        client.wait_state("LOCKED")
    raise AssertionError("not armed")


def judge(client: Client) -> None:
    """Whatever was refused, lateness came before it: the machine is shared, and that is no fault of the example."""
    excused = False
    for one in client.decisions:
        excused = excused or one["code"] in LATE
        assert one["code"] in {"", "E_ENDED", *LATE} or (excused and one["code"] in ENVELOPE), one


def turned(client: Client) -> float:
    return abs(client.measured[0])


@pytest.mark.requirement("SR-054")
def test_the_agent_streams_and_begins_again_after_it_was_stopped(rig: Rig, client: Client) -> None:
    agent = rig.example("agent.py")
    arm(rig, client)
    client.wait_state("AUTO/MOVING")
    client.wait_for(lambda: turned(client) > 0.3, "most of the swing", 30.0)
    assert "PASS" in {one["verdict"] for one in client.decisions}
    judge(client)
    swing_again(client, agent)
    judge(client)
    assert person(rig, client, "stop")
    client.wait_state("LOCKED")
    assert agent.process.poll() is None
    arm(rig, client)
    client.wait_for(lambda: client.state == "AUTO/MOVING", "a new stream after reset and start")


def swing_again(client: Client, agent: Process) -> None:
    """Let the agent be silent, so that its stream is stopped, and see it begin a new one."""
    told = len(client.decisions)
    agent.send(signal.SIGSTOP)
    client.wait_for(lambda: {one["code"] for one in client.decisions[told:]} & LATE, "E_LATE")
    client.wait_state("AUTO/HOLDING")
    agent.send(signal.SIGCONT)
    client.wait_for(lambda: client.decisions[-1]["verdict"] == "PASS", "a new stream", 20.0)
    client.wait_state("AUTO/MOVING")


@pytest.mark.long
def test_the_trajectory_arrives(rig: Rig, client: Client) -> None:
    farthest = 0.0
    arm(rig, client)
    agent = rig.example("trajectory_agent.py")

    def ended() -> bool:
        nonlocal farthest
        farthest = max(farthest, turned(client))
        return agent.process.poll() is not None

    client.wait_for(ended, "its end", 60.0)
    assert agent.process.returncode == 0, agent.text
    judge(client)
    assert farthest > 0.4
    assert "AUTO/MOVING" in client.states
    assert [one["code"] for one in client.decisions][-1] == "E_ENDED"


def test_the_controller_ends_in_the_stop_when_the_supervisor_dies(rig: Rig) -> None:
    rig.example("controller.py")
    client = rig.client()
    supervisor = rig.supervisor(**changes())
    client.wait_state("LOCKED", timeout=60.0)
    rig.example("agent.py")
    arm(rig, client)
    client.wait_for(lambda: turned(client) > 0.1, "motion", 30.0)
    rig.kill(supervisor)
    there = client.wait_rest()
    assert 0.05 < abs(there[0]) < 0.45


@pytest.mark.long
@pytest.mark.requirement("SR-019")
def test_the_stand_in_for_the_e_stop_is_heard_and_lets_a_person_arm(rig: Rig) -> None:
    rig.example("controller.py")
    rig.supervisor(robot=changes()["robot"], estop=SIMULATED_ESTOP)
    rig.example("estop.py")
    client = Client(rig.domain, "watcher", estop=False)
    try:
        client.wait_state("LOCKED", timeout=60.0)
        client.wait_for(lambda: "E_ESTOP" not in client.status["active_causes"], "the release")
        arm(rig, client)
    finally:
        client.close()
