"""Searches for the least robustness: CMA-ES, Nelder-Mead or chance, in batches, so that the same seed asks the same.

A search asks for batches of points in the unit cube and is told their robustness; who plays them, and how many at once,
changes nothing of what is asked.
"""

from __future__ import annotations

import math
import threading
import warnings
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from queue import SimpleQueue
from typing import Any, Final, TypeAlias

import numpy as np

from safety_supervisor_sim.falsify.space import Vector

Values: TypeAlias = list[float]
Search: TypeAlias = Generator[list[Vector], Values, None]
"""Yields batches, is sent their robustness; never ends by itself."""
CHAINS: Final = 4
"""Nelder-Mead searches side by side, each from a place of its own."""
STEP: Final = 0.25
"""First standard deviation, and size of a first simplex, as a share of the ranges."""
FAR: Final = 1e3
"""Robustness of a run that came to nothing: no number to go by."""


class Method(str, Enum):
    """How it is searched."""

    CMA = "cma"
    NELDER_MEAD = "nelder-mead"
    RANDOM = "random"


@dataclass
class Found:
    """What a search has found so far.

    Attributes:
        runs: that were played.
        least: robustness.
        where: shares of the ranges, shape (n,); None before the first run.
        first: number of the first run below 0, from 1; 0: none.
        course: number of the run and its robustness, each time that it was the least so far.
    """

    runs: int = 0
    least: float = math.inf
    where: Vector | None = None
    first: int = 0
    course: list[tuple[int, float]] = field(default_factory=list)

    def take(self, where: Vector, value: float) -> None:
        """Take what came of the next run."""
        self.runs += 1
        if value < self.least:
            self.least, self.where = value, where
            self.course.append((self.runs, value))
        if value < 0.0 and not self.first:
            self.first = self.runs


def search(
    method: Method,
    first: Vector,
    seed: int,
    budget: int,
    play: Callable[[Sequence[Vector]], Values],
    over: Callable[[], bool] = lambda: False,
    told: Callable[[Found], None] = lambda found: None,
) -> Found:
    """Search until a run is below 0, or the budget is used.

    Args:
        method: how.
        first: point that is played first, shape (n,), shares of the ranges.
        seed: of everything that is drawn.
        budget: most runs.
        play: returns the robustness of points, each shape (n,); NaN where a run came to nothing.
        over: whether there is no time any more.
        told: takes what is found, after each batch.
    """
    found = Found()
    ask = _ASKS[method](first, seed)
    try:
        batch = next(ask)
        while True:
            batch = batch[: budget - found.runs]
            values = play(batch)
            for where, value in zip(batch, values, strict=True):
                found.take(where, math.inf if math.isnan(value) else value)
            told(found)
            if found.first or found.runs >= budget or over():
                return found
            batch = ask.send([FAR if math.isnan(value) else value for value in values])
    finally:
        ask.close()


def _random(first: Vector, seed: int) -> Search:
    """Ask for the first point, then for any."""
    random = np.random.default_rng((seed, 1))
    yield [first]
    while True:
        yield [random.random(len(first)) for _ in range(CHAINS)]


def _cma(first: Vector, seed: int) -> Search:
    """Ask CMA-ES (Hansen 2016); when it has converged, begin anew elsewhere with twice as many points (IPOP)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of matplotlib, which it would plot with
        import cma
    random = np.random.default_rng((seed, 2))
    start, size = first, 4 + int(3 * math.log(len(first)))
    yield [first]
    while True:
        options = {"bounds": [0.0, 1.0], "seed": int(random.integers(1, 2**31)), "popsize": size, "verbose": -9}
        options |= {"tolfun": 1e-5, "tolx": 1e-3, "tolflatfitness": 3}
        strategy = cma.CMAEvolutionStrategy(start.tolist() if len(start) > 1 else [*start, 0.5], STEP, options)
        while not strategy.stop():
            points = strategy.ask()
            values = yield [np.array(point[: len(first)]) for point in points]
            if len(values) < len(points):
                return
            strategy.tell(points, values)
        start, size = random.random(len(first)), 2 * size


def _nelder_mead(first: Vector, seed: int) -> Search:
    """Ask Nelder and Mead, `CHAINS` side by side in lock-step; each begins anew elsewhere when it has converged."""
    from scipy.optimize import minimize

    asked: list[SimpleQueue[Vector | None]] = [SimpleQueue() for _ in range(CHAINS)]
    answers: list[SimpleQueue[float]] = [SimpleQueue() for _ in range(CHAINS)]

    def chain(number: int) -> None:
        random = np.random.default_rng((seed, 3, number))
        start = first if number == 0 else random.random(len(first))

        def value(point: Vector) -> float:
            asked[number].put(np.clip(point, 0.0, 1.0))
            answer = answers[number].get()
            if math.isinf(answer):
                raise _OverError
            return answer

        try:
            while True:
                corners = [start, *(np.clip(start + _side(start, i), 0.0, 1.0) for i in range(len(start)))]
                options = {"initial_simplex": np.array(corners), "xatol": 1e-3, "fatol": 1e-5}
                minimize(value, start, method="Nelder-Mead", bounds=[(0.0, 1.0)] * len(first), options=options)
                start = random.random(len(first))
        except _OverError:
            return

    threads = [threading.Thread(target=chain, args=(number,), daemon=True) for number in range(CHAINS)]
    for thread in threads:
        thread.start()
    try:
        while True:
            batch: list[Any] = [queue.get() for queue in asked]
            values = yield batch
            if len(values) < len(batch):
                return
            for queue, answer in zip(answers, values, strict=True):
                queue.put(answer)
    finally:
        for queue in answers:
            queue.put(math.inf)
        for thread in threads:
            thread.join()


class _OverError(Exception):
    """Nobody asks any more."""


def _side(start: Vector, index: int) -> Vector:
    side = np.zeros_like(start)
    side[index] = STEP if start[index] <= 0.5 else -STEP
    return side


_ASKS: Final[dict[Method, Callable[[Vector, int], Search]]] = {
    Method.CMA: _cma,
    Method.NELDER_MEAD: _nelder_mead,
    Method.RANDOM: _random,
}
