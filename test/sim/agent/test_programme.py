"""Which acts are played again: what lateness disturbed, and of a robot on its feet what led to it."""

from __future__ import annotations

from typing import Any

import pytest

from safety_supervisor_sim.agent.programme import _begins_in, _disturbed, _led_to, _why_no_more
from safety_supervisor_sim.scenario import Act, Expect, Push, Stream, Technician, TrajectoryAct


def stream(name: str, group: str | None = None, **expect: Any) -> Stream:
    return Stream(act="stream", name=name, goal="home", group=group, expect=Expect(**expect))


def result(*codes: str, missed: int = 0, late_stops: int = 0, state: str = "AUTO/HOLDING") -> dict[str, Any]:
    return {
        "decisions": [{"code": code} for code in codes],
        "causes": [],
        "missed_cycles": missed,
        "state": state,
        "facts": {"late_stops": late_stops},
    }


def technician(call: Any, replies: Any, state: str) -> Technician:
    return Technician(act="technician", name=call, calls=[call], expect=Expect(replies=replies, state=[state]))


GOOD = stream("good", state=["AUTO/HOLDING"])


@pytest.mark.parametrize(
    ("act", "told", "on_feet", "disturbing"),
    [
        (GOOD, result("", "E_ENDED"), True, []),
        (GOOD, result("E_OVERRUN"), False, ["E_OVERRUN"]),
        (GOOD, result("E_BALANCE"), True, []),  # nothing was late: this is its own doing
        (GOOD, result("E_BALANCE", missed=2), True, ["E_BALANCE"]),
        (GOOD, result("E_BALANCE", missed=2), False, []),
        (GOOD, result("E_BALANCE_UNKNOWN"), True, ["E_BALANCE_UNKNOWN"]),
        (GOOD, result("E_OVERRUN", missed=1, late_stops=1), True, []),  # overcome
        (GOOD, result("E_OVERRUN", late_stops=1, state="LOCKED"), True, ["E_OVERRUN"]),
        (stream("down", lowered=0.1), result("E_ENDED", missed=2), True, ["missed cycles"]),
        (stream("down", lowered=0.1), result("E_ENDED"), True, []),
        (GOOD, result("E_LOG", state="LOCKED"), False, ["E_LOG"]),
        (technician("reset", "accepted", "READY"), result("E_LOG", state="LOCKED"), False, ["E_LOG"]),
        (technician("reset", "accepted", "READY"), result("E_ESTOP_SILENT", state="READY"), False, []),  # overcome
        (technician("reset", "accepted", "READY"), result("E_ESTOP", state="EMERGENCY_STOP"), False, []),
        (technician("reset", "refused", "LOCKED"), result("E_ESTOP_SILENT", state="EMERGENCY_STOP"), False, []),
        (stream("refused", codes=["E_BALANCE"]), result("E_BALANCE", missed=3), True, []),
        (Push(act="push", name="p", force=[1.0, 0.0, 0.0], expect=Expect()), result("E_OVERRUN"), True, []),
        (
            TrajectoryAct(act="trajectory", name="t", goal="home", expect=Expect()),
            result("E_OVERRUN"),
            False,
            ["E_OVERRUN"],
        ),
        (
            TrajectoryAct(act="trajectory", name="t", goal="home", call="stop", expect=Expect()),
            result("E_OVERRUN"),
            False,
            [],
        ),
    ],
)
def test_what_lateness_brought_into_an_act_is_named(
    act: Act, told: dict[str, Any], on_feet: bool, disturbing: list[str]
) -> None:
    assert _disturbed(act, told, on_feet) == disturbing


def test_what_led_to_an_act_is_its_group() -> None:
    acts: list[Act] = [
        stream("a"),
        stream("b", "one"),
        stream("c", "one"),
        stream("d", "two"),
        stream("e"),
        stream("f"),
    ]
    assert [_led_to(acts, number) for number in range(6)] == [0, 1, 1, 3, 4, 5]


def test_a_technician_s_act_is_played_again_where_it_can_be_called() -> None:
    acts = [technician("reset", "accepted", "READY"), technician("start", "accepted", "AUTO/HOLDING"), GOOD]
    assert [_begins_in(act) for act in acts] == ["LOCKED", "READY", "AUTO/HOLDING"]


def test_what_ends_the_acts_is_told_with_what_to_do_and_with_a_log_that_is_late() -> None:
    status = {"state": "LOCKED", "cause": "E_LOG", "next_step": "Free the disk.", "log": "not on disk after 500 ms"}
    assert _why_no_more(GOOD, status) == (
        "in LOCKED E_LOG after good: nothing can be played any more. Free the disk. log: not on disk after 500 ms."
    )
    assert "log" not in _why_no_more(GOOD, status | {"log": "kept"})
