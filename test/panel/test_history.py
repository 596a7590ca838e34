"""The last minutes in numbers: gaps stay gaps, nothing is unbounded. No server, no ROS."""

from __future__ import annotations

import pytest

from safety_supervisor.core.units import NS_PER_S
from safety_supervisor.panel.history import COUNTS, MEASURES, SECONDS, History, summary

STATUS = {
    "distance_to_limit": "0.5", "speed_scale": "1", "cycle_p50_us": "200", "cycle_p99_us": "300",
    "lateness_p99_us": "50",
}  # fmt: skip


def told(*seconds: float, **changes: str) -> History:
    history = History()
    for second in seconds:
        history.status(STATUS | changes, int(second * NS_PER_S))
    return history


def test_a_second_is_its_worst_and_the_one_that_lasts_is_not_told_yet() -> None:
    history = told(10.1, 10.5)
    history.status(STATUS | {"distance_to_limit": "0.2", "cycle_p99_us": "900", "speed_scale": "0.7"}, 10_600_000_000)
    history.status(STATUS, 10_900_000_000)
    assert history.series(10_950_000_000)["speed_scale"] == [None] * SECONDS
    series = history.series(11 * NS_PER_S)
    assert [series[name][-1] for name in MEASURES] == [0.2, 0.7, 200.0, 900.0, 50.0]
    assert series["speed_scale"][:-1] == [None] * (SECONDS - 1)


@pytest.mark.redteam(20)
def test_where_nothing_was_heard_is_a_gap_also_of_counts() -> None:
    history = told(10, 11, 14)
    history.decided("REJECT", 37, 14 * NS_PER_S)
    history.decided("whatever", 2, 14 * NS_PER_S)
    series = history.series(15 * NS_PER_S)
    assert series["speed_scale"][-5:] == [1.0, 1.0, None, None, 1.0]
    assert series["REJECT"][-5:] == [0.0, 0.0, None, None, 37.0]
    assert series["other"][-1] == 2.0
    assert history.series(15 * NS_PER_S + SECONDS * NS_PER_S)["REJECT"] == [None] * SECONDS


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "", "x", "1" * 40, "<script>"])
def test_what_is_no_number_is_a_gap(text: str) -> None:
    series = told(10, distance_to_limit=text).series(11 * NS_PER_S)
    assert series["distance_to_limit"][-1] is None
    assert series["speed_scale"][-1] == 1.0


def test_it_keeps_the_last_minutes_alone() -> None:
    history = told(*range(3 * SECONDS))
    series = history.series(3 * SECONDS * NS_PER_S)
    assert {name: len(values) for name, values in series.items()} == dict.fromkeys((*MEASURES, *COUNTS), SECONDS)
    assert None not in series["speed_scale"]
    assert len(history._rows) <= SECONDS + 1


def test_three_numbers_say_what_is_drawn() -> None:
    assert summary([3.0, None, 1.0, 2.0]) == (2.0, 1.0, 3.0)
    assert summary([3.0, None]) == (None, 3.0, 3.0)
    assert summary([None]) == (None, None, None)


def test_a_line_is_never_drawn_over_a_gap_and_a_second_alone_is_a_point() -> None:
    pytest.importorskip("nicegui", reason="the extra `panel` is not installed")
    from safety_supervisor.panel.plots import PLOTS, data_of, options_of

    alone, *rest = data_of([None, 1.0, None, 2.0, 3.0])[1:]
    assert alone == {"value": 1.0, "symbol": "circle", "symbolSize": 5}
    assert rest == [None, 2.0, 3.0]
    lines = [one for plot in PLOTS if not plot.stacked for one in options_of(plot)["series"]]
    assert [one["connectNulls"] for one in lines] == [False] * 5
    assert {curve.name for plot in PLOTS for curve in plot.curves} == {*MEASURES, *COUNTS}
