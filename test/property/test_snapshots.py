"""From any snapshot of random runs every effect behind it is the same, bit for bit."""

from __future__ import annotations

import random

import pytest
from events_run import SCRIPT
from machines import ROBOTS, machine_of

from safety_supervisor.core.supervisor import Supervisor
from safety_supervisor.evidence.event_log import digest_effects
from safety_supervisor.evidence.snapshots.graph import Fixtures
from scripts import Player, Step

EXTRA: list[Step] = [
    ("log", False, 30),
    ("skip", 20),
    ("foreign",),
    ("stop",),
    ("fault",),
    ("pushed", 0, 0.3),
    ("unmeasured", 20),
    ("estop", "stop", 5),
]


@pytest.mark.sampled(4)
@pytest.mark.requirement("SR-044")
@pytest.mark.usefixtures("fresh_stages")
@pytest.mark.parametrize("robot", ROBOTS)
@pytest.mark.parametrize("seed", range(2))
def test_from_any_snapshot_of_a_random_run_every_effect_is_the_same(robot: str, seed: int) -> None:
    chance = random.Random(seed)
    steps = chance.sample([*SCRIPT, *EXTRA], 9)
    rig = machine_of(robot).rig()
    rig.auto()
    Player(rig).play(steps)
    supervisor = Supervisor(rig.configuration)
    fixtures = Fixtures(supervisor)
    digests: list[bytes] = []
    states: list[tuple[int, bytes]] = []
    points = {0, *chance.sample(range(len(rig.events)), 4)}
    for number, event in enumerate(rig.events):
        if number in points:
            states.append((number, fixtures.take()))
        digests.append(digest_effects(supervisor.handle(event)))
    for begin, state in states:
        again = Supervisor(rig.configuration)
        fresh = Fixtures(again)
        assert fresh.sha256 == fixtures.sha256
        fresh.put(state)
        assert fresh.take() == state
        for number, event in enumerate(rig.events[begin:], begin):
            assert digest_effects(again.handle(event)) == digests[number], f"event {number}, snapshot before {begin}"
