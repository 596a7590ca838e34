"""Events: kept within bounds, counted, chosen, and shown as text. No server, no ROS."""

from __future__ import annotations

from types import MappingProxyType

import pytest

from safety_supervisor.core.units import NS_PER_S
from safety_supervisor.panel import events_plain
from safety_supervisor.panel.events import MOST, OTHERS, STATE, Choice, EventLog, headline, numbers_of
from safety_supervisor.panel.snapshot import STATUS_LIMIT

ATTACK = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"


def fields(**changes: str) -> MappingProxyType[str, str]:
    told = {"source": "planner", "verdict": "REJECT", "code": "E_POSITION_LIMIT", "id": "c1", "rule": "joints.position"}
    return MappingProxyType(told | changes)


def tell(log: EventLog, at: int = 0, of: str = "", words: str = "", **changes: str) -> None:
    told = fields(**changes)
    log.decision(words or f"{told['verdict']} {told['code']} beyond", told, of, at)


def state(log: EventLog, word: str, at: int = 0, **changes: str) -> None:
    log.status(word, MappingProxyType({"state": word, "cause": "", "boot": "b1"} | changes), at)


def test_what_repeats_is_counted_and_comes_first_again() -> None:
    log = EventLog(["planner"])
    tell(log, 1 * NS_PER_S)
    tell(log, 2 * NS_PER_S, source="packer")
    tell(log, 9 * NS_PER_S, id="c2", value="3.1", count="36")
    first, second = log.newest()
    assert (first.number, first.times, first.first, first.last) == (1, 37, NS_PER_S, 9 * NS_PER_S)
    assert first.fields["id"] == "c2"
    assert headline(first, 12 * NS_PER_S) == "3 s ago - planner: REJECT E_POSITION_LIMIT beyond x 37"
    assert (second.number, second.times) == (2, 1)
    assert log.find(1) == first
    assert log.find(3) is None


def test_each_command_that_passes_waits_or_is_stopped_is_an_event_of_its_own() -> None:
    log = EventLog(["planner"])
    for verdict in ("PASS", "WAIT", "STOP"):
        for name in ("c1", "c2"):
            tell(log, verdict=verdict, id=name)
    assert [event.times for event in log.newest()] == [1] * 6


@pytest.mark.parametrize("count", ["0", "-3", "x", "1e9", "", "9" * 40, "²"])
def test_a_count_that_is_none_is_one(count: str) -> None:
    log = EventLog()
    tell(log, count=count)
    assert log.newest()[0].times == 1


@pytest.mark.redteam(24)
def test_a_flood_is_bounded_and_pushes_out_none_of_another_kind() -> None:
    log = EventLog(["planner"])
    state(log, "LOCKED")
    tell(log, verdict="STOP")
    for number in range(5 * MOST):
        tell(log, source=f"stranger{number}", code=f"E_{number}", words=f"REJECT {number}")
    kept = log.newest()
    assert len(kept) == MOST
    assert kept[0].source == f"stranger{5 * MOST - 1}"
    assert [event.verdict for event in kept[-2:]] == ["STOP", STATE]
    assert all(log.find(event.number) == event for event in kept)
    assert log.choose(Choice(source=OTHERS), 3)[1] == MOST - 2


def test_changes_of_state_are_events_and_so_is_silence() -> None:
    log = EventLog()
    for at, word in enumerate(("LOCKED", "LOCKED", "READY", "LOCKED")):
        state(log, word, at)
    assert [event.words for event in log.newest()] == ["LOCKED", "READY", "LOCKED"]
    log.look(3 + STATUS_LIMIT)
    assert len(log.newest()) == 3
    for at in (4, 5):
        log.look(at + STATUS_LIMIT)
    assert log.newest()[0].words == "UNKNOWN: the supervisor is silent"
    assert len(log.newest()) == 4
    state(log, "LOCKED", 9 * NS_PER_S)
    assert log.newest()[0].words == "LOCKED"
    state(log, "LOCKED", 9 * NS_PER_S, boot="b2")
    assert len(log.newest()) == 6


def test_events_are_chosen_by_source_verdict_text_and_what_waited() -> None:
    log = EventLog(["planner"])
    state(log, "LOCKED")
    tell(log, of="w1", verdict="WAIT", id="cup")
    tell(log, source="packer", words="REJECT E_RATE too fast", code="E_RATE")
    tell(log, verdict="STOP", code="E_TRACKING", joint="panda_joint4")

    def numbers(**choice: str) -> list[int]:
        return [event.number for event in log.choose(Choice(**choice))[0]]

    assert numbers() == [4, 3, 2, 1]
    assert numbers(source="planner") == [4, 2]
    assert numbers(source=OTHERS) == [3]
    assert numbers(verdict="STOP") == [4]
    assert numbers(verdict=STATE) == [1]
    assert numbers(text=" e_rate ") == [3]
    assert numbers(text="JOINT4") == [4]
    assert numbers(text="cup") == [2]
    assert numbers(of="w1") == [2]
    assert numbers(source="planner", verdict="WAIT", text="cup", of="w1") == [2]
    assert log.choose(Choice(), 2) == (log.newest()[:2], 4)
    state(log, "LOCKED", boot="b2")  # which counts what waits from one again
    assert numbers(of="w1") == []


def test_rule_value_limit_and_margin_are_told() -> None:
    log = EventLog()
    tell(log, joint="j1", value="3.1", limit="2.9", margin="-0.2")
    assert numbers_of(log.newest()[0]) == "rule joints.position j1, value 3.1, limit 2.9, margin -0.2"
    tell(log, verdict="PASS", rule="")
    assert numbers_of(log.newest()[0]) == ""


@pytest.mark.redteam(24)
def test_script_in_any_field_is_text_on_the_pages() -> None:
    log = EventLog([ATTACK])
    log.decision(
        ATTACK, MappingProxyType({ATTACK: ATTACK, "source": ATTACK, "verdict": ATTACK, "code": ATTACK}), ATTACK, 0
    )
    log.status(ATTACK, MappingProxyType({"state": ATTACK, "cause": ATTACK, "boot": ATTACK}), 0)
    log.cut_at = 0
    choice = Choice(ATTACK, ATTACK, ATTACK, ATTACK)
    pages = [events_plain.events_page(log, one, NS_PER_S) for one in (Choice(), choice)]
    pages += [events_plain.event_page(event, NS_PER_S) for event in log.newest()]
    pages.append(events_plain.no_event_page(ATTACK))
    assert "&lt;script&gt;" in pages[0]
    for page in pages:
        assert "<script" not in page
        assert "<img" not in page
        assert '<form class="stop" method="post" action="/stop">' in page
    assert events_plain.CUT in pages[0]


def test_an_event_is_told_with_all_its_fields_what_it_means_and_what_to_do() -> None:
    log = EventLog()
    tell(log, 5 * NS_PER_S, of="w7", code="E_RATE", model="cell_policy 1.2", stage="shadow")
    (event,) = log.newest()
    told = dict(events_plain.details(event, 8 * NS_PER_S))
    assert told["happened last"] == "3 s ago"
    assert told["waited as"] == "w7"
    assert {name: told[f"field {name}"] for name in event.fields} == dict(event.fields)
    assert told["means"]
    assert told["what to do"]
    assert events_plain.choice_of({"text": "x" * 500, "of": "w7", "other": "y"}) == Choice("", "", "x" * 80, "w7")
