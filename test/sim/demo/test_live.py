"""What is shown while a run goes on, from the agent's lines."""

from __future__ import annotations

import io

from rich.console import Console

from safety_supervisor_sim.demo.live import Display, LiveState

LINES = [
    {
        "status": {
            "state": "AUTO/MOVING",
            "cause": "",
            "cycle_p50_us": "310.0",
            "cycle_p99_us": "480.5",
            "distance_to_limit": "0.7",
        }
    },
    {"decision": {"verdict": "REJECT", "code": "E_NOT_FINITE", "count": "3"}},
    {"decision": {"verdict": "REJECT", "code": "E_NOT_FINITE", "count": "1"}},
    {"decision": {"verdict": "PASS", "code": "", "count": "1"}},
    {"margins": {"act": "x", "margins": {"position": 0.123, "velocity": 1.5}, "violations": 2}},
    {"act": "[bold]markup in a name", "number": 4, "of": 9},
]


def rendered(state: LiveState) -> str:
    console = Console(file=io.StringIO(), width=120, force_terminal=False)
    console.print(state.render())
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_the_table_shows_what_was_heard() -> None:
    state = LiveState()
    for line in LINES:
        state.take(line)
    text = rendered(state)
    for part in (
        "5/9  [bold]markup in a name",
        "AUTO/MOVING",
        "310.0 / 480.5 us",
        "0.7 rad",
        "position +0.123, velocity +1.500",
    ):
        assert part in text
    rows = {
        line.rsplit(None, 1)[0].rstrip(" │"): line.split()[-1]
        for line in text.splitlines()
        if "E_NOT_FINITE" in line or "PASS" in line
    }
    assert rows == {"REJECT E_NOT_FINITE": "4", "PASS": "1"}
    assert text.splitlines()[9].split() == ["oracle,", "limits", "passed", "2"]


def test_the_table_can_be_shown_before_anything_was_heard() -> None:
    assert "starting" in rendered(LiveState())


def test_without_a_terminal_every_act_is_one_line_once() -> None:
    console = Console(file=io.StringIO(), width=120)
    state = LiveState()
    with Display(console, live=False) as display:
        display.show(state)
        state.take({"played": "NaN", "state": "AUTO/HOLDING", "seconds": 0.25})
        display.show(state)
        display.show(state)
        state.take({"played": "jump", "state": "FAULT", "seconds": 1.0})
        display.show(state)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert [line.split() for line in lines] == [["NaN", "AUTO/HOLDING", "0.2", "s"], ["jump", "FAULT", "1.0", "s"]]


def test_the_end_and_a_failure_are_kept() -> None:
    state = LiveState()
    state.take({"failed": "no cell"})
    state.take({"done": True})
    assert (state.failed, state.done) == ("no cell", True)
