"""Which acts are played again: what lateness disturbed, and of a robot on its feet what led to it."""

from __future__ import annotations

from typing import Any

import pytest

from safety_supervisor_sim.agent.programme import _disturbed, _led_to
from safety_supervisor_sim.scenario import Act, Expect, Push, Stream, TrajectoryAct


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
