"""The table itself, and the document that is printed from it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from safety_supervisor.core.states.state_table import MOTION, STOPS, TRANSITIONS, State, render_states

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "states.md"


def test_the_names_are_those_of_the_interface_description() -> None:
    assert " ".join(state.value for state in State) == (
        "INIT LOCKED READY MANUAL AUTO/MOVING AUTO/HOLDING AUTO/REDUCED STOPPING "
        "PROTECTIVE_STOP EMERGENCY_STOP FAULT RECOVERY"
    )


def test_a_trigger_leads_to_one_place_from_each_state() -> None:
    pairs = [(row.trigger, source) for row in TRANSITIONS for source in row.sources]
    assert len(pairs) == len(set(pairs))


@pytest.mark.requirement("SR-004")
@pytest.mark.requirement("SR-016")
def test_motion_begins_only_by_a_persons_act() -> None:
    ways = {
        row.trigger.value
        for row in TRANSITIONS
        for source in row.sources
        if row.target in MOTION and source not in MOTION
    }
    assert ways == {"start_auto", "start_manual", "recover"}


@pytest.mark.requirement("SR-001")
def test_every_state_but_stops_and_boot_can_be_stopped() -> None:
    stopped = {source for row in TRANSITIONS if row.trigger.value == "stop" for source in row.sources}
    assert stopped == set(State) - set(STOPS) - {State.INIT, State.STOPPING}


def test_the_diagram_and_the_table_show_every_transition() -> None:
    text = render_states()
    arrows = set(re.findall(r"^    (\w+) --> (\w+) : ", text, re.MULTILINE))
    assert arrows == {(source.name, row.target.name) for row in TRANSITIONS for source in row.sources}
    assert len(re.findall(r"^\| \w+ \| .+ \| .+ \| .+ \|$", text, re.MULTILINE)) == len(TRANSITIONS) + 1


def test_the_document_is_the_table() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == render_states()
