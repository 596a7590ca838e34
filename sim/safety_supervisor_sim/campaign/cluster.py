"""Plays cases by dask.distributed, on whatever machines have workers at a scheduler.

One task is one case. A task whose worker is killed goes to another worker; a case that is under way in two workers that
die is not given to a third one. Each thread of a worker has a player of its own, so that a run that hangs or dies takes
no worker with it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, Final

from safety_supervisor_sim.campaign.case import Case
from safety_supervisor_sim.campaign.play import blank
from safety_supervisor_sim.campaign.player import PLAY, Player

KILLS: Final = 2
"""So many workers may die with a case under way."""
Row = dict[str, Any]
_own = threading.local()


class SchedulerError(RuntimeError):
    """Nobody answers at the address, or no worker is there."""


def play_in_worker(told: dict[str, Any], limit: float, target: str = PLAY) -> Row:
    """Play a case in a worker of dask: `told` is `Case.as_dict`."""
    player: Player | None = getattr(_own, target, None)
    if player is None:
        player = Player(target)
        setattr(_own, target, player)
    return player.play(Case(**told), limit)


def play_there(
    address: str,
    cases: Sequence[Case],
    limit: float,
    take: Callable[[Row], None],
    target: str = PLAY,
    patience: float = 30.0,
) -> None:
    """Play all cases; returns when every one has its row.

    Args:
        address: of the scheduler, such as `tcp://192.0.2.1:8786`.
        cases, limit, take, target: as of `pool.play_here`.
        patience: how long to wait for the scheduler, and for its first worker, [s].

    Raises:
        SchedulerError: nobody answers, or no worker is there.
    """
    from dask.distributed import Client, KilledWorker, as_completed

    try:
        client = Client(address, timeout=patience, set_as_default=False)
    except (OSError, ValueError) as error:
        raise SchedulerError(f"no scheduler answers at {address}: {error}. Start one: dask scheduler") from error
    try:
        try:
            client.wait_for_workers(1, timeout=patience)
        except TimeoutError as error:
            text = f"the scheduler at {address} has no worker. Start one: dask worker {address}"
            raise SchedulerError(text) from error
        client.run_on_scheduler(_allow, KILLS - 1)
        known = {case.id: case for case in cases}
        futures = [
            client.submit(play_in_worker, case.as_dict(), limit, target, key=f"case-{case.id}", retries=0, pure=False)
            for case in cases
        ]
        for future in as_completed(futures, loop=client.loop):
            case = known[future.key.removeprefix("case-")]
            wrong = future.exception()
            if wrong is None:
                row = future.result()
            elif isinstance(wrong, KilledWorker):
                row = blank(case, "died", f"{KILLS} workers died while it was under way")
            else:
                row = blank(case, "failed", f"{type(wrong).__name__}: {wrong}")
            future.release()
            take(row)
    finally:
        client.close()


def _allow(count: int, dask_scheduler: Any = None) -> None:
    """On the scheduler: let a task survive so many deaths of its worker, and have none wait at a worker.

    To the scheduler whatever a worker has been given dies with it, also what only waits there.
    """
    dask_scheduler.allowed_failures = count
    dask_scheduler.WORKER_SATURATION = 1.0
