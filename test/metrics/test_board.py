"""What Prometheus is told: counted by hand, read by Prometheus' own parser."""

from __future__ import annotations

import shutil
import subprocess

import pytest

pytest.importorskip("prometheus_client", reason="the extra `metrics` is not installed")

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from safety_supervisor.metrics.board import Board
from safety_supervisor.ros.statistics import BOUNDS_US, CycleStatistics, Histogram

MS = 1_000_000


class Told:
    """A board, and the clock that it is asked with."""

    def __init__(self) -> None:
        self.now = 10**12
        self.board = Board("cell", ["planner"], ["E_POLICY_NO"], lambda: self.now)
        self._registry = CollectorRegistry()
        self._registry.register(self.board)

    def status(self, state: str, after: int = 0, **more: str) -> None:
        self.now += after
        self.board.status({"state": state, "boot": "b1", "distance_to_limit": "0.5", "log": "kept"} | more, self.now)

    def text(self) -> str:
        return generate_latest(self._registry).decode()

    def samples(self) -> dict[tuple[str, ...], float]:
        """Return all samples by name and values of labels, in the order of the labels' names."""
        return {
            (
                one.name.removeprefix("safety_supervisor_"),
                *(value for _, value in sorted(one.labels.items())),
            ): one.value
            for family in text_string_to_metric_families(self.text())
            for one in family.samples
        }


@pytest.fixture
def told() -> Told:
    return Told()


def test_what_holds_now_is_not_told_when_it_is_old(told: Told) -> None:
    assert told.samples()["up",] == 0
    told.status("AUTO/MOVING", speed_scale="0.25", active_causes="E_ESTOP")
    found = told.samples()
    assert (found["up",], found["state", "AUTO/MOVING"], found["speed_scale",]) == (1, 1, 0.25)
    assert found["active_cause", "E_ESTOP"] == 1
    told.now += 1001 * MS
    found = told.samples()
    assert found["up",] == 0
    assert found["status_age_seconds",] == pytest.approx(1.001)
    assert not any(value for key, value in found.items() if key[0] == "state")
    gone = {
        "speed_scale",
        "active_cause",
        "log_kept",
        "distance_to_limit_radians",
        "interventions_waiting",
        "quarantined",
    }
    assert not gone & {key[0] for key in found}


def test_heads_that_do_not_get_elsewhere_are_a_number_only_where_they_are_sent(told: Told) -> None:
    told.status("LOCKED")
    assert ("heads_kept",) not in told.samples()
    told.status("LOCKED", evidence_heads="kept")
    assert told.samples()["heads_kept",] == 1
    told.status("LOCKED", evidence_heads="E_HEADS https://keeper.example: HTTP Error 500: Internal Server Error")
    assert told.samples()["heads_kept",] == 0


def test_time_in_a_state_counts_only_while_it_is_told(told: Told) -> None:
    told.status("READY")
    told.status("READY", 400 * MS)
    told.status("FAULT", 100 * MS, cause="E_INTERNAL")
    told.status("FAULT", 5000 * MS, cause="E_INTERNAL")  # nobody knows what was between
    told.status("FAULT", 1000 * MS, cause="E_INTERNAL")
    told.status("INIT", 500 * MS, boot="b2")  # another boot: nor here
    found = told.samples()
    assert found["state_seconds_total", "READY"] == pytest.approx(0.5)
    assert found["state_seconds_total", "FAULT"] == pytest.approx(1.0)
    assert found["boots_total",] == 2
    assert found["transitions_total", "E_INTERNAL", "FAULT"] == 1
    assert found["transitions_total", "", "INIT"] == 1


def test_verdicts_are_counted_with_what_they_stand_for(told: Told) -> None:
    for count in ("1", "40"):
        told.board.decision({"source": "planner", "verdict": "REJECT", "code": "E_VELOCITY_LIMIT", "count": count})
    told.board.decision({"source": "planner", "verdict": "WAIT", "code": "E_POLICY_NO", "intervention": "w1"})
    told.board.decision({"source": "planner", "verdict": "PASS", "code": "", "intervention": "w1"})
    found = told.samples()
    # Labels by their names: code, source, verdict.
    assert found["decisions_total", "E_VELOCITY_LIMIT", "planner", "REJECT"] == 41
    assert found["interventions_total", "E_POLICY_NO", "WAIT"] == found["interventions_total", "", "PASS"] == 1


def test_a_flood_of_strange_words_makes_no_series(told: Told) -> None:
    told.status("READY")
    before = len(told.text().splitlines())
    for number in range(5000):
        text = f'x{number}"}}\n\\'
        told.board.decision({"source": text, "verdict": text, "code": text, "count": "9" * 400, "intervention": text})
        told.board.answer(False, text)
        told.status(text, MS, cause=text, active_causes=text, estop_counters=f"a{number}=1 b=nan c=inf {text}=1")
    found = told.samples()
    assert found["decisions_total", "(other)", "(other)", "(other)"] == 5000
    assert found["acts_total", "(other)", "refused"] == 5000
    assert len(told.text().splitlines()) < before + 20


@pytest.mark.parametrize("bad", ["", "nan", "inf", "-inf", "1e999", "x", "1" * 40, "0x10"])
def test_what_is_no_number_is_not_told(told: Told, bad: str) -> None:
    told.status("READY", speed_scale=bad, cycles=bad, cycle_histogram=bad, distance_to_limit=bad)
    found = {key[0] for key in told.samples()}
    assert not found & {"speed_scale", "cycles_total", "cycle_seconds_bucket", "distance_to_limit_radians"}


def test_the_nodes_histogram_is_prometheus_histogram(told: Told) -> None:
    histogram = Histogram()
    for duration in (0, 25_000, 25_001, 99_000, 10_000_000, 10_000_001, 3_000_000_000):
        histogram.record(duration)
    told.status("READY", cycle_histogram=str(histogram))
    found = told.samples()
    expected = {"2.5e-05": 2, "5e-05": 3, "0.0001": 4, "0.005": 4, "0.01": 5, "+Inf": 7}
    assert {key: found["cycle_seconds_bucket", key] for key in expected} == expected
    assert found["cycle_seconds_count",] == 7
    assert found["cycle_seconds_sum",] == pytest.approx(3.020149, abs=1e-6)
    assert len([key for key in found if key[0] == "cycle_seconds_bucket"]) == len(BOUNDS_US) + 1


def test_a_cycle_is_in_its_histograms() -> None:
    statistics = CycleStatistics()
    statistics.record(30_000, 400_000, 0)
    statistics.decided(10_000)
    told = dict(statistics.summarise())
    counts = {name: told[f"{name}_histogram"].split() for name in ("lateness", "cycle", "decision")}
    assert [counts[name].index("1") for name in ("lateness", "cycle", "decision")] == [1, 7, 0]
    assert [counts[name][-1] for name in ("lateness", "cycle", "decision")] == ["30", "400", "10"]


def test_the_lowest_room_is_of_the_last_minute(told: Told) -> None:
    told.status("READY", distance_to_limit="0.3")
    told.status("READY", 100 * MS, distance_to_limit="0.01")
    told.status("READY", 100 * MS, distance_to_limit="0.4")
    assert told.samples()["distance_to_limit_lowest_radians",] == 0.01
    for _ in range(600):
        told.status("READY", 100 * MS, distance_to_limit="0.4")
    assert told.samples()["distance_to_limit_lowest_radians",] == 0.4


@pytest.mark.skipif(shutil.which("promtool") is None, reason="Debian's prometheus is not installed")
def test_promtool_finds_nothing_to_say(told: Told) -> None:
    told.status("READY", cycle_histogram=str(Histogram()), estop_counters="frames=1", cycles="5")
    told.board.decision({"source": "planner", "verdict": "PASS", "code": ""})
    done = subprocess.run(["promtool", "check", "metrics"], input=told.text(), capture_output=True, text=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
