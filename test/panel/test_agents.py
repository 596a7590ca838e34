"""What is shown of each source: unknown is unknown, stale is stale. No server, no ROS."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from safety_supervisor.core.settings import SourceKind
from safety_supervisor.panel.agents import STALE, Agent, make_agents
from safety_supervisor.panel.view import UNKNOWN

STATUS = {
    "agents": "planner: cell_policy 1.2.0, supervised; packer: no session", "quarantined": "packer",
    "source": "planner", "anomaly.planner": "2.25 oscillation of panda_joint4: 9 reversals/s, usually up to 1",
}  # fmt: skip


def source(name: str, **changes: Any) -> Any:
    return SimpleNamespace(**{"name": name, "kind": SourceKind.AGENT, "needs_session": True, "anomaly": None} | changes)


SOURCES = (
    source("planner", anomaly=object()), source("packer"),
    source("pendant", kind=SourceKind.PERSON, needs_session=False),
)  # fmt: skip


def shown(status: dict[str, str], heard: bool = True, stale: bool = False, sources: Any = SOURCES) -> tuple[Agent, ...]:
    return make_agents(SimpleNamespace(sources=sources), status, heard, stale)  # type: ignore[arg-type]


def test_who_speaks_where_with_which_stage_and_how_strangely() -> None:
    planner, packer, pendant = shown(STATUS)
    assert planner == Agent(
        "planner", "agent", "cell_policy 1.2.0", "supervised",
        "2.25 of 1, ALARM: oscillation of panda_joint4: 9 reversals/s, usually up to 1", "not quarantined",
        "moves the robot", True,
    )  # fmt: skip
    assert packer[2:] == (
        "no agent has introduced itself", "none: nothing of it passes", "not watched: no baseline",
        "QUARANTINED until a reset", "moves nothing", True,
    )  # fmt: skip
    assert pendant[1:4] == (SourceKind.PERSON.value, "introduces no agent", "none is needed")


@pytest.mark.redteam(20)
def test_what_is_stale_or_was_never_heard_says_so() -> None:
    for one in shown(STATUS, stale=True):
        assert set(one[2:7]) == {STALE}
        assert not one.alarm
    for one in shown({}, heard=False, stale=True):
        assert set(one[2:7]) == {UNKNOWN}


def test_what_a_status_does_not_tell_is_unknown() -> None:
    planner, packer, _ = shown({})
    assert set(planner[2:7]) == {UNKNOWN}
    assert packer.speaks == packer.standing == UNKNOWN


@pytest.mark.parametrize("told", ["nan", "inf", "", "high", "<b>9</b>"])
def test_a_score_that_is_no_number_is_unknown(told: str) -> None:
    (planner,) = shown({"anomaly.planner": told}, sources=SOURCES[:1])
    assert (planner.anomaly, planner.alarm) == (UNKNOWN, False)


@pytest.mark.parametrize(("told", "words"), [("0", "0 of 1, normal"), ("0.75 rate", "0.75 of 1, below an alarm: rate")])
def test_a_score_below_one_is_no_alarm(told: str, words: str) -> None:
    (planner,) = shown({"anomaly.planner": told}, sources=SOURCES[:1])
    assert (planner.anomaly, planner.alarm) == (words, False)


@pytest.mark.parametrize(
    "told", ["planner: cell_policy 1.2.0", "planner: , shadow", "planner: x 1, shad...", "planner"]
)
def test_who_speaks_is_unknown_where_that_is_not_told_whole(told: str) -> None:
    (planner,) = shown({"agents": told}, sources=SOURCES[:1])
    assert (planner.speaks, planner.stage) == (UNKNOWN, UNKNOWN)
