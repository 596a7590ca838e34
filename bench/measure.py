"""Measuring one call many times: CPU and wall time, their percentiles, and the row that `make bench` prints."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Any

import numpy as np

Row = dict[str, Any]
_SHARES = {"median": 50.0, "p99": 99.0, "p999": 99.9, "max": 100.0}


def percentiles(samples_ns: list[int]) -> dict[str, float]:
    """Return median, p99, p99.9 and maximum of times in [ns], in [us]."""
    values = np.array(samples_ns) / 1e3
    return {name: round(float(np.percentile(values, share)), 2) for name, share in _SHARES.items()}


def row(name: str, cpu: list[int] | None, wall: list[int], **about: Any) -> Row:
    """Return one row of the table; `cpu` is None where a time spans several processes."""
    return {
        "name": name,
        "robot": about.pop("robot", ""),
        "joints": about.pop("joints", 0),
        "pairs": about.pop("pairs", 0),
        "n": len(wall),
        "cpu_us": None if cpu is None else percentiles(cpu),
        "wall_us": percentiles(wall),
        **about,
    }


class Stopwatch:
    """Collects CPU and wall time of calls, less what reading the two clocks costs itself.

    Reading the thread's CPU clock is a system call that can cost more than what is measured: its own median is measured
    first and taken off every sample.
    """

    def __init__(self) -> None:
        """Measure the clocks."""
        self.cpu: list[int] = []
        self.wall: list[int] = []
        empty: list[tuple[int, int]] = []
        for _ in range(2000):
            wall, cpu = time.perf_counter_ns(), time.thread_time_ns()
            cpu_after, wall_after = time.thread_time_ns(), time.perf_counter_ns()
            empty.append((cpu_after - cpu, wall_after - wall))
        self._cpu_cost, self._wall_cost = (int(np.median([pair[i] for pair in empty])) for i in (0, 1))

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call and note the time."""
        wall, cpu = time.perf_counter_ns(), time.thread_time_ns()
        result = function(*arguments)
        cpu_after, wall_after = time.thread_time_ns(), time.perf_counter_ns()
        self.cpu.append(max(0, cpu_after - cpu - self._cpu_cost))
        self.wall.append(max(0, wall_after - wall - self._wall_cost))
        return result


class NoGarbageCollection:
    """As in the node: collected, frozen, off."""

    def __enter__(self) -> None:
        """Collect and turn off."""
        gc.collect()
        gc.freeze()
        gc.disable()

    def __exit__(self, *_: object) -> None:
        """Turn on again."""
        gc.unfreeze()
        gc.enable()
