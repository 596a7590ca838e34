"""Plays cases on several processes and gives their rows in the order in which they were asked for."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures import TimeoutError as LateError
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Final

from safety_supervisor_sim.campaign.case import Case
from safety_supervisor_sim.campaign.play import blank, play

LIMIT: Final = 300.0
"""A run that takes longer has hung, [s]."""
_ONE_THREAD: Final = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")


class Workers:
    """Processes that play cases; which of them plays what changes no row.

    Args:
        number: of processes.
    """

    def __init__(self, number: int) -> None:
        """Start nothing yet."""
        self.number = max(1, number)
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Workers:
        """Play with it."""
        return self

    def __exit__(self, *_: object) -> None:
        """End all processes."""
        self.close()

    def play(self, cases: Sequence[Case]) -> Iterator[dict[str, Any]]:
        """Play cases; give their rows in order, `ended` "hung" or "died" where none came back."""
        pool = self._pool or self._start()
        waiting = [pool.submit(_play, case) for case in cases]
        for case, future in zip(cases, waiting, strict=True):
            yield self._row(case, future)

    def _row(self, case: Case, future: Future[dict[str, Any]]) -> dict[str, Any]:
        try:
            return future.result(LIMIT)
        except LateError:
            self.close()
            return blank(case, "hung", f"not over after {LIMIT:g} s")
        except BrokenProcessPool:
            self.close()
            return blank(case, "died", "its process ended")

    def _start(self) -> ProcessPoolExecutor:
        for name in _ONE_THREAD:
            os.environ.setdefault(name, "1")
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(self.number, mp_context=context, initializer=_begin)
        return self._pool

    def close(self) -> None:
        """End all processes, whatever they do; the next case starts others."""
        pool, self._pool = self._pool, None
        if pool is not None:
            processes = list((pool._processes or {}).values())
            pool.shutdown(wait=False, cancel_futures=True)
            for process in processes:
                process.terminate()
            for process in processes:
                process.join()


def _begin() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever waits for the rows ends them


def _play(case: Case) -> dict[str, Any]:
    return play(case, replayed=0.0)
