"""Acts that give a right wait until their record is on disk; what takes one away never waits."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "evidence"))
from chains import ROBOT, Written
from evidence_records import header

from safety_supervisor import load_config
from safety_supervisor.core.act_events import OperatorAct
from safety_supervisor.core.effects import InterventionAsked
from safety_supervisor.core.errors import Code
from safety_supervisor.core.events import TrajectoryCommand
from safety_supervisor.core.evidence_settings import EvidenceSettings, HeadSettings
from safety_supervisor.evidence.decisions.heads import read_heads
from safety_supervisor.evidence.event_log import Entry, EventLog
from safety_supervisor.evidence.feed import EventFeed
from safety_supervisor.ros.noted import AT_ONCE, MOST_WAITING, PATIENCE, NotedActs
from safety_supervisor.ros.records import Records

CONFIGURATION = Path(__file__).resolve().parents[2] / "config" / "panda.yaml"

pytestmark = pytest.mark.requirement("SR-043")


def act(name: Any, request: str = "r") -> OperatorAct:
    return OperatorAct(1, name, "olga", "", 3, request, "j1", "technician")


class Heard:
    """What became of acts."""

    def __init__(self, noted: NotedActs) -> None:
        self.noted = noted
        self.entered: list[OperatorAct] = []
        self.refused: list[str] = []
        self.codes: list[str] = []

    def submit(self, event: OperatorAct, now: int) -> None:
        self.noted.submit(event, now, self.entered.append, self.refuse)

    def refuse(self, code: Code, why: str) -> None:
        self.codes.append(code.value)
        self.refused.append(why)


class Disk:
    """A feed of which the test says what is on disk."""

    def __init__(self) -> None:
        self.failure = ""
        self.noted = 0
        self.durable = 0

    def note(self, event: Any) -> int:
        self.noted += 1
        return self.noted

    def is_durable(self, mark: int) -> bool:
        return self.durable >= mark


def test_an_act_enters_when_its_record_is_on_disk_and_not_before() -> None:
    disk = Disk()
    heard = Heard(NotedActs(disk))
    heard.submit(act("reset", "a"), 10)
    heard.submit(act("approve", "b"), 10)
    heard.noted.poll(20)
    assert (heard.entered, heard.refused, disk.noted) == ([], [], 2)
    disk.durable = 1
    heard.noted.poll(30)
    assert [(one.request, one.at) for one in heard.entered] == [("a", 30)]
    disk.durable = 2
    heard.noted.poll(40)
    assert [(one.request, one.at) for one in heard.entered] == [("a", 30), ("b", 40)]
    assert heard.noted.longest == 30


@pytest.mark.parametrize("name", sorted(AT_ONCE))
def test_what_takes_a_right_away_waits_for_nothing(name: str) -> None:
    disk = Disk()
    disk.failure = "full"
    heard = Heard(NotedActs(disk))
    heard.submit(act(name), 10)
    assert len(heard.entered) == 1


@pytest.mark.parametrize("name", sorted(AT_ONCE))
def test_what_was_asked_before_it_is_not_let_in_behind_it(name: str) -> None:
    """A grant that is taken back in the same moment would else hold."""
    disk = Disk()
    heard = Heard(NotedActs(disk))
    heard.submit(act("grant", "a"), 10)
    heard.submit(act(name, "b"), 11)
    disk.durable = 5
    heard.noted.poll(20)
    assert [one.request for one in heard.entered] == ["b"]
    assert (heard.codes, heard.refused) == (["E_ACT_EPOCH"], [f"{name} came meanwhile"])
    heard.submit(act("grant", "c"), 30)
    heard.noted.poll(31)
    assert [one.request for one in heard.entered] == ["b", "c"]


@pytest.mark.redteam(39)
def test_while_the_log_fails_an_act_is_refused_and_a_late_record_lets_nothing_in() -> None:
    disk = Disk()
    heard = Heard(NotedActs(disk))
    heard.submit(act("reset"), 10)
    disk.failure = "the log can not be written: No space left on device"
    heard.noted.poll(20)
    heard.submit(act("start"), 21)
    assert heard.refused == [disk.failure] * 2
    assert heard.codes == ["E_LOG"] * 2
    disk.failure, disk.durable = "", 5
    heard.noted.poll(30)
    assert heard.entered == []
    heard.submit(act("start"), 40)  # it is a new act that counts again
    disk.durable = disk.noted
    heard.noted.poll(41)
    assert len(heard.entered) == 1


def test_an_act_whose_record_takes_too_long_is_refused_even_if_it_comes_in_the_same_moment() -> None:
    disk = Disk()
    heard = Heard(NotedActs(disk))
    heard.submit(act("reset"), 10)
    heard.noted.poll(10 + PATIENCE - 1)
    assert not heard.refused
    disk.durable = 1
    heard.noted.poll(10 + PATIENCE)
    assert (len(heard.entered), len(heard.refused)) == (0, 1)


def test_acts_that_wait_are_bounded() -> None:
    heard = Heard(NotedActs(Disk()))
    for _ in range(MOST_WAITING + 5):
        heard.submit(act("reset"), 10)
    assert len(heard.refused) == 5


@pytest.fixture
def feed(tmp_path: Path) -> Iterator[EventFeed]:
    one = EventFeed(tmp_path, header())
    yield one
    os.kill(one.process_id, signal.SIGCONT)
    one.close(10.0)


def run(noted: NotedActs, feed: EventFeed, heard: Heard, count: int) -> None:
    """Cycles as the node has them, until as many acts have entered or were refused."""
    ends = time.monotonic() + 30.0
    while len(heard.entered) + len(heard.refused) < count and time.monotonic() < ends:
        now = time.monotonic_ns()
        feed.flush()
        feed.healthy(now)
        noted.poll(now)
        time.sleep(0.002)


def test_the_record_is_in_the_file_when_the_act_enters(feed: EventFeed, tmp_path: Path) -> None:
    noted = NotedActs(feed)
    found: list[bytes] = []

    def enter(event: Any) -> None:
        found.append(b"".join(line for lines in Written.read(tmp_path).files.values() for line in lines))
        heard.entered.append(event)

    heard = Heard(noted)
    for number in range(20):
        noted.submit(act("approve", f"request{number}"), time.monotonic_ns(), enter, heard.refuse)
        run(noted, feed, heard, number + 1)
        assert f'"request":"request{number}"'.encode() in found[-1]
        assert b'"kind":"asked"' in found[-1]
    assert heard.refused == []
    assert len(list(tmp_path.glob(f"{ROBOT}-*.decisions"))) == 1


@pytest.mark.redteam(39)
def test_a_stopped_recorder_lets_no_act_in(feed: EventFeed) -> None:
    noted = NotedActs(feed)
    heard = Heard(noted)
    os.kill(feed.process_id, signal.SIGSTOP)
    heard.submit(act("reset"), time.monotonic_ns())
    run(noted, feed, heard, 1)
    os.kill(feed.process_id, signal.SIGCONT)
    assert heard.entered == []
    assert len(heard.refused) == 1


@pytest.mark.requirement("SR-042")
def test_the_nodes_records_hand_heads_on_as_the_configuration_says(tmp_path: Path) -> None:
    heads = HeadSettings(str(tmp_path / "elsewhere" / "heads"), "", "", 1.0, 3600.0)
    evidence = EvidenceSettings(str(tmp_path / "log"), True, 10**9, heads=heads)
    records = Records(replace(load_config(CONFIGURATION), evidence=evidence), MagicMock())
    records.begin("boot1", "nonce")
    assert records.healthy(time.monotonic_ns())
    records.close()
    file = Path(heads.file)
    ends = time.monotonic() + 20.0
    while not file.exists() and time.monotonic() < ends:
        time.sleep(0.02)
    assert [head["boot"] for head in read_heads(file)] == ["boot1"]


def test_the_longest_trajectory_that_is_permitted_is_recorded_whole(tmp_path: Path) -> None:
    """What does not fit would be lost, and stop the robot, for a good command."""
    points, chance = 10_000, random.Random(5)
    given = load_config(CONFIGURATION)
    sources = tuple(replace(source, max_trajectory_points=points) for source in given.sources)
    evidence = EvidenceSettings(str(tmp_path / "log"), True, 10**9)
    records = Records(replace(given, sources=sources, evidence=evidence), MagicMock())
    records.begin("boot1", "nonce")
    numbers = [chance.uniform(-1e-3, 1e-3) for _ in range(7 * points)]
    text = json.dumps({"positions": numbers, "velocities": numbers, "accelerations": numbers})
    block, counts = bytes(8 * 7 * points), (7,) * points
    times, names = tuple(range(points)), given.robot.joints
    event = TrajectoryCommand(
        5, "planner", names, times, block, counts, block, counts, block, counts, 0, 0, 0, "", ""
    )  # fmt: skip
    asked = InterventionAsked(
        5, "w1", "planner", "c", "zone", 1, 9, text, "0" * 64, 1, given.sha256, "", (), 0.1, 0.1, "clear"
    )  # fmt: skip
    records.feed.record(event, [asked])
    records.feed.flush()
    assert records.healthy(time.monotonic_ns()), records.feed.failure
    records.close()
    log = list(EventLog(next((tmp_path / "log").glob("*.events.mcap"))))
    assert [item.event.at for item in log if isinstance(item, Entry)] == [5]
