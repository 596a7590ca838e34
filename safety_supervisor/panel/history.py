"""The last minutes in numbers, a second each, for plots; where nothing was heard is a gap. Pure: time is given."""

from __future__ import annotations

import math
import threading
from collections import deque
from typing import Final, NamedTuple

from safety_supervisor.core.units import NS_PER_S, Nanoseconds
from safety_supervisor.panel.events import VERDICTS
from safety_supervisor.panel.snapshot import Values

SECONDS: Final = 300
"""That are kept."""
OTHER: Final = "other"
_LEAST: Final = ("distance_to_limit", "speed_scale")
"""Of these the smallest of a second stands for it; of times of the control cycle the largest."""
_MOST: Final = ("cycle_p50_us", "cycle_p99_us", "lateness_p99_us")
MEASURES: Final = (*_LEAST, *_MOST)
"""Keys of `~/status`: [rad] or [m], share, [us]."""
COUNTS: Final = (*VERDICTS, OTHER)
Row = tuple[float | None, ...]


class Summary(NamedTuple):
    """One measure in numbers.

    Attributes:
        now: of the newest whole second, None where nothing was heard in it.
        least: of all seconds that are known; None where none is.
        most: likewise.
    """

    now: float | None
    least: float | None
    most: float | None


class History:
    """Keeps seconds; one thread tells it, others read."""

    def __init__(self) -> None:
        """Nothing was heard."""
        self._rows: deque[tuple[int, Row, dict[str, int]]] = deque(maxlen=SECONDS + 1)
        self._lock = threading.Lock()
        self._second = -1
        self._told: dict[str, float] = {}
        self._heard = False
        self._counts: dict[str, int] = {}

    def status(self, fields: Values, now: Nanoseconds) -> None:
        """Take one message of `~/status`."""
        with self._lock:
            self._turn(now)
            self._heard = True
            for name in MEASURES:
                value = _number(fields.get(name, ""))
                if value is not None:
                    known = self._told.get(name, value)
                    self._told[name] = min(known, value) if name in _LEAST else max(known, value)

    def decided(self, verdict: str, times: int, now: Nanoseconds) -> None:
        """Take how often a verdict was told."""
        with self._lock:
            self._turn(now)
            name = verdict if verdict in VERDICTS else OTHER
            self._counts[name] = self._counts.get(name, 0) + times

    def _turn(self, now: Nanoseconds) -> None:
        second = now // NS_PER_S
        if second == self._second:
            return
        if self._second >= 0 and (self._heard or self._counts):
            row = tuple(self._told.get(name) for name in MEASURES)
            self._rows.append((self._second, row, self._counts))
        self._second, self._told, self._heard, self._counts = second, {}, False, {}

    def series(self, now: Nanoseconds) -> dict[str, list[float | None]]:
        """Return `MEASURES` and `COUNTS` by name, `SECONDS` whole seconds each, the oldest first; None is a gap."""
        with self._lock:
            self._turn(now)
            rows = list(self._rows)
        begins = now // NS_PER_S - SECONDS
        found: dict[str, list[float | None]] = {name: [None] * SECONDS for name in (*MEASURES, *COUNTS)}
        for second, row, counts in rows:
            index = second - begins
            if 0 <= index < SECONDS:
                for name, value in zip(MEASURES, row, strict=True):
                    found[name][index] = value
                for name in COUNTS:
                    found[name][index] = float(counts.get(name, 0))
        return found


def summary(values: list[float | None]) -> Summary:
    """Return a measure in three numbers."""
    known = [value for value in values if value is not None]
    return Summary(values[-1] if values else None, min(known, default=None), max(known, default=None))


def _number(text: str) -> float | None:
    """Return a finite number of what a status tells; None where it is none."""
    try:
        value = float(text) if len(text) <= 32 else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None
