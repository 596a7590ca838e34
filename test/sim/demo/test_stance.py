"""How an act's stance is judged: fabricated reports, each wrong in one way."""

from __future__ import annotations

from typing import Any

import pytest

from safety_supervisor_sim.demo.stance import records_of, stance_reasons, stance_seen
from safety_supervisor_sim.scenario import Expect

STOOD = 0.79


def record(name: str = "act", **changes: Any) -> dict[str, Any]:
    base = {
        "name": name, "fell": False, "fell_held": False, "fell_at": None, "fell_by": "", "lost_at": None,
        "down_before": False, "modes": [], "pressed": [], "least": {"capture point": 0.05},
    }  # fmt: skip
    return base | changes


def told(mode: str, at: float = 10.0, height: float = 0.62) -> dict[str, Any]:
    return {"at": at, "mode": mode, "height": height}


def reasons(expect: Expect, *records: dict[str, Any]) -> list[str]:
    return stance_reasons(expect, "act", {"standing": {"acts": list(records), "height": STOOD}})


DOWN = Expect(modes=["lower", "damp"], lowered=0.1)
FELL = {"fell": True, "fell_held": True, "fell_at": 9.0, "fell_by": "tilted by 0.80 rad", "lost_at": 8.0}


@pytest.mark.parametrize(
    ("expect", "records", "said"),
    [
        (Expect(stands="yes"), [record()], ""),
        (Expect(stands="yes"), [], "no record"),
        (Expect(), [], ""),
        (Expect(stands="yes"), [record(**FELL)], "does not stand: tilted"),
        (Expect(stands="yes"), [record(lost_at=9.0)], "capture point is not over its soles"),
        (Expect(stands="yes"), [record(down_before=True)], "it is down"),
        (Expect(stands="yes"), [record(), record("act / after", **FELL)], "does not stand"),
        (Expect(stands="no"), [record(**FELL)], ""),
        (Expect(stands="no"), [record()], "did not fall: it stands"),
        (Expect(stands="no"), [record(fell=True, fell_at=12.0, fell_by="lies")], "kept until it was let go"),
        (Expect(stands="yes"), [record(pressed=["hand and thigh"])], "hand and thigh pressed"),
        (DOWN, [record(modes=[told("lower"), told("damp", 12.0)])], ""),
        (DOWN, [record(modes=[told("lower"), told("damp", 12.0), told("off", 13.0)])], ""),
        (DOWN, [record(modes=[told("lower")]), record("act / after", modes=[told("damp", 12.0)])], ""),
        (DOWN, [record(modes=[told("damp", 12.0)])], "told damp, not lower damp"),
        (DOWN, [record(modes=[told("damp"), told("lower")])], "told damp lower, not"),
        (DOWN, [record()], "told no mode"),
        (DOWN, [record(modes=[told("lower"), told("damp", 12.0, 0.75)])], "come down by 0.04 m, not 0.10"),
        (DOWN, [record(modes=[told("lower"), told("damp", 12.0)], lost_at=11.5)], "lost its balance 0.50 s before"),
        (DOWN, [record(modes=[told("lower"), told("damp", 12.0)], fell=True, fell_at=12.5, lost_at=12.4)], ""),
        (Expect(modes=["damp"]), [record(modes=[told("damp")], pressed=["knee and floor"])], ""),
    ],
)
def test_each_wrong_thing_is_named_and_nothing_else(expect: Expect, records: list[dict[str, Any]], said: str) -> None:
    found = reasons(expect, *records)
    assert (said in " ".join(found)) if said else found == []


def test_of_an_act_that_was_played_again_the_last_time_counts() -> None:
    first, other, last = record(**FELL), record("set again"), record()
    oracle = {"standing": {"acts": [first, record("act / after"), other, last, record("act / after")], "height": STOOD}}
    assert records_of("act", oracle) == [last, record("act / after")]
    assert reasons(Expect(stands="yes"), first, other, last) == []


def test_who_was_set_on_its_feet_is_judged_from_then_on() -> None:
    again = record("act, on its feet again")
    assert reasons(Expect(stands="yes"), record(down_before=True), again) == []
    assert reasons(Expect(stands="yes"), again, record(down_before=True)) != []


def test_the_summary_tells_of_a_robot_with_feet_alone() -> None:
    assert stance_seen([]) == {}
    seen = stance_seen([record(modes=[told("damp")]), record("act / after", least={})])
    assert seen == {"fell": False, "modes": ["damp"], "capture_point": 0.05}
