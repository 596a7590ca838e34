"""Two engines are compared by what was heard, act by act."""

from __future__ import annotations

from typing import Any

from safety_supervisor_sim.demo.compare import differences, heard, not_compared


def act(name: str, *said: str, states: tuple[str, ...] = ("AUTO/HOLDING",), late: int = 0) -> dict[str, Any]:
    decisions = [dict(zip(("verdict", "code"), one.split(), strict=False)) for one in said]
    return heard(
        {
            "name": name,
            "decisions": decisions,
            "causes": [],
            "states": list(states),
            "state": states[-1],
            "replies": [{"service": "stop", "ok": True}],
            "facts": {"late_stops": late},
        }
    )


def test_equal_neighbours_are_folded() -> None:
    first = [act("a", "PASS", "REJECT E_RATE", "REJECT E_RATE", "STOP E_LATE")]
    assert differences(first, [act("a", "PASS", "PASS", "REJECT E_RATE", "STOP E_LATE")]) == []
    (found,) = differences(first, [act("a", "PASS", "STOP E_LATE")])
    assert found.startswith("a: verdicts: core PASS, REJECT E_RATE, STOP E_LATE; ros PASS, STOP E_LATE")


def test_a_short_state_may_be_missed_by_ros_alone() -> None:
    long, short = act("a", states=("A", "STOPPING", "LOCKED")), act("a", states=("A", "LOCKED"))
    assert differences([long], [short]) == []
    assert differences([short], [long]) == ["a: states: core A, LOCKED; ros A, STOPPING, LOCKED"]
    assert differences([long], [act("a", states=("A", "FAULT"))]) == ["a: state: core LOCKED; ros FAULT"]


def test_what_lateness_disturbed_is_told_and_not_compared() -> None:
    core, real = [act("a", "PASS"), act("b", "PASS")], [act("a", "STOP E_LATE", late=1), act("c", "PASS")]
    assert differences(core, real) == []
    told = ["b: the core engine alone", "c: real nodes alone", "a: real time was late"]
    assert not_compared(core, real) == told
