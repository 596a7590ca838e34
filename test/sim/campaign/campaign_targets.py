"""What a player of the tests plays: runs that end in every way that a run can."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from safety_supervisor_sim.campaign.case import Case
from safety_supervisor_sim.campaign.play import blank

GOOD, KILLS_ITSELF, HANGS, KILLS_ITS_PLAYER = 1, 2, 3, 4


def by_seed(case: Case) -> dict[str, Any]:
    """End as the seed says."""
    if case.seed == KILLS_ITSELF:
        os.kill(os.getpid(), signal.SIGKILL)
    if case.seed == KILLS_ITS_PLAYER:
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60.0)
    if case.seed == HANGS:
        time.sleep(60.0)
    return blank(case, "done") | {"ok": True, "simulated": 1.0, "processor": 0.5, "worker": str(os.getppid())}


def slowly(case: Case) -> dict[str, Any]:
    """Take a moment, so that there is a middle in which a worker can be killed."""
    time.sleep(0.2)
    return blank(case, "done") | {"ok": True, "worker": str(os.getppid())}


def kills_worker(case: Case) -> dict[str, Any]:
    """Seed 9 kills the process that its player belongs to: a worker of dask."""
    if case.seed == 9:
        player = os.getppid()
        with open(f"/proc/{player}/stat", encoding="ascii") as file:
            os.kill(int(file.read().rpartition(")")[2].split()[1]), signal.SIGKILL)
        time.sleep(60.0)
    return slowly(case)
