"""Plays cases by several players at once, on this machine."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from typing import Any

from safety_supervisor_sim.campaign.case import Case
from safety_supervisor_sim.campaign.player import PLAY, Player

Row = dict[str, Any]


def play_here(
    cases: Sequence[Case], workers: int, limit: float, take: Callable[[Row], None], target: str = PLAY
) -> None:
    """Play all cases; returns when every one has its row.

    Args:
        cases: what is played, roughly in this order.
        workers: players at a time.
        limit: a run that takes longer has hung, [s] of real time.
        take: takes each row, in the thread of the caller.
        target: what plays a case, `module:function`.

    Raises:
        KeyboardInterrupt: and whatever `take` raises; the players are ended before.
    """
    todo: queue.SimpleQueue[Case | None] = queue.SimpleQueue()
    rows: queue.SimpleQueue[Row | BaseException] = queue.SimpleQueue()
    for case in cases:
        todo.put(case)
    players = [Player(target) for _ in range(max(1, min(workers, len(cases))))]
    for _ in players:
        todo.put(None)

    ended = threading.Event()

    def work(player: Player) -> None:
        try:
            while not ended.is_set() and (case := todo.get()) is not None:
                rows.put(player.play(case, limit))
        except BaseException as error:
            rows.put(error)

    threads = [threading.Thread(target=work, args=(player,), daemon=True) for player in players]
    for thread in threads:
        thread.start()
    try:
        for _ in cases:
            row = rows.get()
            if isinstance(row, BaseException):
                raise row
            take(row)
    finally:
        ended.set()
        for player in players:
            player.close()
        for thread in threads:
            thread.join(1.0)
        for player in players:
            player.close()  # one that was just being started
