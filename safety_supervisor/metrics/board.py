"""What is counted and measured of one supervisor, as Prometheus reads it. No ROS, no clock: the time is given.

Whatever comes over the graph, the number of time series is bounded: sources, states, verdicts and codes that are none
of the configuration's or the product's are counted as `(other)`. All numbers are of what this process heard.
"""

from __future__ import annotations

import math
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, get_args

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from safety_supervisor.core.effects import Verdict
from safety_supervisor.core.errors import CODE_OF, Code
from safety_supervisor.core.states.state_table import State
from safety_supervisor.core.units import NS_PER_S, Nanoseconds
from safety_supervisor.ros.statistics import BOUNDS_US

Values = Mapping[str, str]

STALE: Final[Nanoseconds] = NS_PER_S
"""A status that is older tells nothing any more, [ns]."""
LOWEST_OVER: Final[Nanoseconds] = 60 * NS_PER_S
"""Smallest values are of so long, [ns]: longer than anybody waits between two scrapes."""
OTHER: Final = "(other)"
STATES: Final = tuple(state.value for state in State)
_VERDICTS: Final[tuple[str, ...]] = get_args(Verdict)
_NO_SOURCES: Final = frozenset({"", "supervisor", "estop", "observed", "base"})
"""Whom decisions name besides the configuration's sources."""
_MOST_COUNT: Final = 10**9
_P: Final = "safety_supervisor"

_GAUGES: Final = {
    "speed_scale": ("speed_scale", "Share of the commanded speed that is played."),
    "tracking_error": ("tracking_error_ratio", "Largest present tracking error; 1 is the bound, beyond it is a stop."),
    "distance_to_limit": ("distance_to_limit_radians", "Smallest distance of a commanded joint to its position limit."),
    "log_pending_bytes": ("log_pending_bytes", "Bytes of the event log that are not known to be on disk."),
}
"""Key of the status: name, help."""
_COUNTERS: Final = {
    "cycles": ("cycles", "Control cycles of this boot."),
    "missed_deadlines": ("missed_deadlines", "Control cycles that did not take place in time."),
    "decisions_dropped": ("decisions_dropped", "Decisions that were not told on the topic, and are not counted here."),
    "adapter_failures": ("adapter_failures", "Exceptions outside the core."),
    "decoder_restarts": ("decoder_restarts", "Starts of the process that decodes trajectories, but for the first."),
    "token_judge_restarts": ("token_judge_restarts", "Likewise of the one that verifies signatures."),
}
_HISTOGRAMS: Final = {
    "cycle": "From the beginning of a control cycle until its motor message was sent.",
    "lateness": "From when a control cycle was due until it began.",
    "decision": "What the core took for one event: a message, an act, or a cycle's tick.",
}


class Board(Collector):
    """Numbers of one supervisor; one thread tells it, another one collects.

    Args:
        robot: `robot.id`.
        sources: of the configuration.
        codes: of the policy, besides the product's own.
        clock: steady clock, asked when the numbers are collected, [ns].
    """

    def __init__(self, robot: str, sources: Iterable[str], codes: Iterable[str], clock: Callable[[], int]) -> None:
        """Nothing was heard."""
        self._robot, self._clock, self._lock = robot, clock, threading.Lock()
        self._sources = frozenset(sources) | _NO_SOURCES
        self._codes = frozenset({*CODE_OF, *codes, ""})
        self._status: Values = {}
        self._heard_at: Nanoseconds | None = None
        self._decisions: dict[tuple[str, str, str], int] = defaultdict(int)
        self._asked: dict[tuple[str, str], int] = defaultdict(int)
        self._acts: dict[tuple[str, str], int] = defaultdict(int)
        self._seconds: dict[str, float] = dict.fromkeys(STATES, 0.0)
        self._changes: dict[tuple[str, str], int] = defaultdict(int)
        self._boots = 0
        self._waiting = self._grants = 0
        self._rooms: deque[tuple[Nanoseconds, float]] = deque()

    # --- what is heard

    def status(self, told: Values, now: Nanoseconds) -> None:
        """Take one status; times in a state count while it is told without a gap longer than `STALE`."""
        with self._lock:
            before, at = self._status, self._heard_at
            state = told.get("state", "")
            same_boot = told.get("boot") == before.get("boot")
            if at is not None and now - at <= STALE and same_boot and before.get("state") in self._seconds:
                self._seconds[before["state"]] += (now - at) / NS_PER_S
            if not same_boot:
                self._boots += 1
            if state != before.get("state") or told.get("cause") != before.get("cause") or not same_boot:
                self._changes[state if state in self._seconds else OTHER, self._code(told.get("cause", ""))] += 1
            self._status, self._heard_at = dict(told), now
            room = _number(told.get("distance_to_limit"))
            if room is not None:
                while self._rooms and self._rooms[-1][1] >= room:
                    self._rooms.pop()
                self._rooms.append((now, room))

    def decision(self, told: Values) -> None:
        """Take one message of `~/decisions`."""
        verdict = told.get("verdict", "")
        verdict = verdict if verdict in _VERDICTS else OTHER
        source = told.get("source", "")
        source = source if source in self._sources else OTHER
        code = self._code(told.get("code", ""))
        with self._lock:
            self._decisions[source, verdict, code] += _count(told.get("count", ""))
            if told.get("intervention"):
                self._asked[verdict, code] += 1

    def answer(self, ok: bool, code: str) -> None:
        """Take one answer to a person's or an agent's token."""
        with self._lock:
            self._acts["accepted" if ok else "refused", self._code(code)] += 1

    def waits(self, waiting: int, grants: int) -> None:
        """Take how many commands wait for people, and how many standing approvals are held."""
        with self._lock:
            self._waiting, self._grants = waiting, grants

    def _code(self, code: str) -> str:
        return code if code in self._codes else OTHER

    # --- what is asked for

    def collect(self) -> Iterator[Metric]:
        """Yield all of it as it is now."""
        with self._lock:
            yield from self._collect(self._clock())

    def _collect(self, now: Nanoseconds) -> Iterator[Metric]:
        at = self._heard_at
        fresh = at is not None and now - at <= STALE
        yield _gauge("up", "1 while the supervisor tells its status; below 1 nothing else here is of now.", fresh)
        if at is not None:
            yield _gauge("status_age_seconds", "Since the newest status was heard.", (now - at) / NS_PER_S)
        yield _counter("boots", "Boots of the supervisor that were heard.", self._boots)
        yield _counters("decisions", "Verdicts; a repeated PASS is told once.", "source verdict code", self._decisions)
        text = "Verdicts on commands that asked people; WAIT: one began to wait."
        yield _counters("interventions", text, "verdict code", self._asked)
        yield _counters("acts", "Signed acts of people and agents, by outcome.", "outcome code", self._acts)
        yield _counters("transitions", "Changes of state or of its cause.", "state cause", self._changes)
        seconds = {(state,): value for state, value in self._seconds.items()}
        yield _counters("state_seconds", "Time in each state, as far as it was heard.", "state", seconds)
        text = "1 for the state that holds now; all 0 while it is unknown."
        held = {state: float(fresh and self._status.get("state") == state) for state in STATES}
        yield _gauges("state", text, "state", held)
        if self._status:
            yield from self._since_boot()
        if self._status and fresh:  # else what holds now is not known: no value is better than an old one
            yield from self._now(now)

    def _since_boot(self) -> Iterator[Metric]:
        told = self._status
        info = {key: told.get(key, "") for key in ("boot", "configuration_sha256", "scheduler")}
        yield InfoMetricFamily(f"{_P}_supervisor", "Which supervisor this is.", info | {"robot": self._robot})
        for key, (name, text) in _COUNTERS.items():
            if (value := _number(told.get(key))) is not None:
                yield _counter(name, text, value)
        for key, text in _HISTOGRAMS.items():
            if (histogram := _histogram(key, text, told.get(f"{key}_histogram", ""))) is not None:
                yield histogram
        pairs = (pair.partition("=") for pair in told.get("estop_counters", "").split()[:64])
        line = {name: _number(text) for name, _, text in pairs if name.isascii() and name.isidentifier()}
        yield _gauges("estop_line", "Counters and gauges of the e-stop device's line.", "counter", line)

    def _now(self, now: Nanoseconds) -> Iterator[Metric]:
        told = self._status
        for key, (name, text) in _GAUGES.items():
            if (value := _number(told.get(key))) is not None:
                yield _gauge(name, text, value)
        while self._rooms and now - self._rooms[0][0] > LOWEST_OVER:
            self._rooms.popleft()
        if self._rooms:
            yield _gauge("distance_to_limit_lowest_radians", "The smallest of the last 60 s.", self._rooms[0][1])
        yield _gauge("log_kept", "1 while the event log is on disk in time.", told.get("log") == "kept")
        if heads := told.get("evidence_heads", ""):
            kept = not heads.startswith(Code.HEADS.value)
            yield _gauge("heads_kept", "1 while signed heads get to where `evidence.heads` sends them.", kept)
        causes = {self._code(code): 1.0 for code in told.get("active_causes", "").split()}
        yield _gauges("active_cause", "1 for each cause that holds now and blocks a reset.", "code", causes)
        yield _gauge("interventions_waiting", "Commands that wait for people.", self._waiting)
        yield _gauge("grants_held", "Standing approvals that are held.", self._grants)
        sources, barred = sorted(self._sources - _NO_SOURCES), told.get("quarantined", "").split()
        scores = {name: _number(told.get(f"anomaly.{name}", "").split(" ")[0]) for name in sources}
        yield _gauges("anomaly_score", "Of a source that is watched; 1 is an alarm.", "source", scores)
        quarantined = {name: float(name in barred) for name in sources}
        yield _gauges("quarantined", "1: nothing of it passes until a person resets.", "source", quarantined)


def _number(text: str | None) -> float | None:
    """Return a finite number of at most 32 characters; None for anything else."""
    if not text or len(text) > 32:
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _count(text: str) -> int:
    return min(_MOST_COUNT, max(1, int(text))) if text.isascii() and text.isdigit() and len(text) < 12 else 1


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"{_P}_{name}", text, value=float(value))


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(f"{_P}_{name}", text, value=float(value))


def _gauges(name: str, text: str, label: str, values: Mapping[str, float | None]) -> Metric:
    family = GaugeMetricFamily(f"{_P}_{name}", text, labels=[label])
    for key, value in sorted(values.items()):
        if value is not None:
            family.add_metric([key], value)
    return family


def _counters(name: str, text: str, labels: str, counts: Mapping[Any, float]) -> Metric:
    """Return a family of counters; `labels` with a space between, `counts` by tuples of their values."""
    family = CounterMetricFamily(f"{_P}_{name}", text, labels=labels.split())
    for key, count in sorted(counts.items()):
        family.add_metric(list(key), float(count))
    return family


def _histogram(name: str, text: str, told: str) -> Metric | None:
    """Return the histogram that `ros.statistics.Histogram` has written; None where it is none."""
    words = told.split(" ")
    if len(words) != len(BOUNDS_US) + 2 or not all(
        word.isascii() and word.isdigit() and len(word) < 20 for word in words
    ):
        return None
    *counts, total = map(int, words)
    running, buckets = 0, list[tuple[str, float]]()
    for bound, count in zip((*(f"{bound / 1e6:g}" for bound in BOUNDS_US), "+Inf"), counts, strict=True):
        running += count
        buckets.append((bound, float(running)))
    return HistogramMetricFamily(f"{_P}_{name}_seconds", text, buckets=buckets, sum_value=total / 1e6)
