"""The life of action clients on invented clocks: no proof within the lease is a death."""

from __future__ import annotations

import dataclasses
import importlib.util

import pytest
from ros_rig import REPOSITORY, Rig, children_of, command_of

from safety_supervisor.config import load_config
from safety_supervisor.core.events import Event, SourceLiveliness
from safety_supervisor.ros.decoding import Decoder
from safety_supervisor.ros.goals.clients import ActionClientLife
from safety_supervisor.ros.source_input import SourceInput

LEASE = 500_000_000
SOURCE = "planner"


class Heard:
    """A sink that keeps what it was given."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def enter(self, event: Event) -> None:
        self.events.append(event)

    def fail(self, where: str, error: Exception) -> None:
        raise error

    @property
    def lives(self) -> list[bool]:
        return [event.alive for event in self.events if isinstance(event, SourceLiveliness)]


@pytest.fixture
def heard() -> Heard:
    return Heard()


def make(heard: Heard, lease: int | None = LEASE) -> tuple[ActionClientLife, SourceInput]:
    settings = load_config(REPOSITORY / "config" / "panda.yaml").source(SOURCE)
    source = SourceInput(dataclasses.replace(settings, liveliness_lease=lease), heard, Decoder.__new__(Decoder))
    return ActionClientLife(heard, source), source


@pytest.mark.redteam(56)
def test_a_client_is_alive_for_a_lease_after_its_newest_proof(heard: Heard) -> None:
    client, _ = make(heard)
    assert not client.adopt(10)
    assert heard.lives == []
    client.prove(1000, 1000)
    assert client.adopt(1000 + LEASE)
    assert heard.lives == [True]
    assert not client.lost(1000 + LEASE)
    assert client.lost(1001 + LEASE)
    client.prove(2000, 1001 + LEASE)
    client.prove(1500, 1001 + LEASE)  # an older one takes nothing back
    assert not client.lost(2000 + LEASE)
    client.lose(2001 + LEASE)
    assert heard.lives == [True, False, False]
    assert not client.alive
    assert not client.adopt(2001 + LEASE)


@pytest.mark.redteam(56)
def test_no_proof_is_of_a_time_to_come(heard: Heard) -> None:
    client, _ = make(heard)
    client.prove(10**18, 1000)
    assert client.adopt(1000)
    assert client.lost(1001 + LEASE)


@pytest.mark.redteam(56)
def test_a_dead_client_is_told_before_the_publisher_counts_again(heard: Heard) -> None:
    client, source = make(heard)
    source.publisher_alive = True
    client.prove(1000, 1000)
    assert client.adopt(1000)
    client.lose(1000)
    assert heard.lives == [True, False, True]
    client.prove(1000, 1000)
    assert client.adopt(1000)
    client.release(1000)
    assert heard.lives == [True, False, True, True, True]


def test_where_liveliness_is_waived_nothing_is_proved_and_nothing_is_told(heard: Heard) -> None:
    client, _ = make(heard, lease=None)
    assert client.adopt(10**18)
    assert not client.lost(10**18)
    client.lose(10**18)
    assert heard.lives == []


@pytest.mark.skipif(importlib.util.find_spec("control_msgs") is not None, reason="control_msgs is installed")
def test_without_its_messages_the_action_is_not_offered_and_that_is_said(rig: Rig) -> None:
    rig.cell()
    supervisor = rig.supervisor()
    client = rig.client()
    client.wait_state("LOCKED", timeout=60.0)
    assert client.status["follow_joint_trajectory"] == "not offered: control_msgs is not installed"
    assert supervisor.text.count("follow_joint_trajectory") == 1
    assert not [pid for pid in children_of(supervisor.process.pid) if "ros.goals.gate" in command_of(pid)]
    services = [name for name, _ in client.node.get_service_names_and_types()]
    assert not [name for name in services if "follow_joint_trajectory" in name]
