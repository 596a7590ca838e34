"""The proof that an action's client is alive, and since when a goal is there, on invented clocks and endpoints."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from rclpy.qos import ReliabilityPolicy

from safety_supervisor.ros.goals.pulse import Pulse
from safety_supervisor.ros.idle import IdleWatch

LEASE = 500_000_000
STEP = 5_000_000
CLIENT = SimpleNamespace(
    node_namespace="/", node_name="agent", qos_profile=SimpleNamespace(reliability=ReliabilityPolicy.RELIABLE)
)


class World:
    """A middleware: what the graph shows, who is matched, whether all has been acknowledged."""

    def __init__(self) -> None:
        self.clients, self.listeners = [CLIENT], [CLIENT]
        self.matched = 1
        self.answers = True
        self.published = 0

    def create_publisher(self, *_: Any) -> World:
        return self

    def get_publishers_info_by_topic(self, *_: Any, **__: Any) -> list[Any]:
        return self.clients

    def get_subscriptions_info_by_topic(self, *_: Any) -> list[Any]:
        return self.listeners

    def get_subscription_count(self) -> int:
        return self.matched

    def wait_for_all_acked(self, _: Any) -> bool:
        return self.answers

    def publish(self, _: Any) -> None:
        self.published += 1


class Watch:
    """A pulse that is felt every 5 ms."""

    def __init__(self) -> None:
        self.world = World()
        node: Any = self.world
        kind: Any = SimpleNamespace(Impl=SimpleNamespace(FeedbackMessage=object))
        self.pulse = Pulse(node, kind, "/fjt", LEASE)
        self.now = 10**12

    def run(self, seconds: float) -> list[int]:
        """Return ages of the proofs when they were had, [ns]."""
        ages = []
        for _ in range(round(seconds * 1e9) // STEP):
            self.now += STEP
            if self.pulse.beat(self.now):
                ages.append(self.now - self.pulse.proof)
        return ages


@pytest.mark.redteam(56)
def test_a_client_that_answers_is_proved_several_times_a_lease() -> None:
    ages = Watch().run(5.0)
    assert len(ages) == pytest.approx(50, abs=2)
    assert max(ages) <= 2 * STEP


@pytest.mark.redteam(56)
def test_a_dead_client_that_is_given_up_at_last_is_not_proved_by_that() -> None:
    watch = Watch()
    watch.run(1.0)
    watch.world.answers = False
    assert watch.run(19.9) == []
    assert watch.world.published > 100, "it is asked all the time"
    watch.world.answers = True  # given up: nothing is left to be acknowledged, the graph still shows it
    assert watch.run(STEP / 1e9) == []
    watch.world.clients, watch.world.listeners, watch.world.matched = [], [], 0
    assert watch.run(1.0) == []


@pytest.mark.redteam(56)
def test_a_client_whose_own_short_lease_ends_is_not_proved_by_that() -> None:
    watch = Watch()
    watch.run(1.0)
    watch.world.answers = False
    assert watch.run(0.2) == []
    watch.world.answers, watch.world.matched = True, 0
    assert watch.run(0.1) == []


@pytest.mark.redteam(56)
def test_a_client_that_was_frozen_is_proved_again_by_what_it_answers_anew() -> None:
    watch = Watch()
    watch.run(1.0)
    watch.world.answers = False
    watch.run(2.0)
    watch.world.answers = True
    ages = watch.run(1.0)
    assert len(ages) >= 8
    assert max(ages) <= 2 * STEP


def test_what_is_taken_is_as_old_as_the_last_moment_at_which_nothing_was_there() -> None:
    def at(milliseconds: int) -> int:
        return milliseconds * 1_000_000

    watch = IdleWatch(0.005)
    watch.waited(at(100), at(106), worked=False)
    assert watch.last == at(100)
    watch.waited(at(106), at(107), worked=True)
    watch.waited(at(107), at(1107), worked=True)  # a second of decoding, and another request behind it
    watch.waited(at(1107), at(1108), worked=True)
    assert watch.last == at(100)
    watch.waited(at(1108), at(1110), worked=False)  # something else ended it
    assert watch.last == at(100)
    watch.waited(at(1110), at(1115), worked=False)
    assert watch.last == at(1110)
