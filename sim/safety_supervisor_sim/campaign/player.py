"""A process that plays cases, one after the other, each in a fork of its own.

What every run needs, modules, configurations, a robot, a supervisor, is built once, in the process that forks. So a
run costs little more than its own computing, begins with the same bytes whatever was played before, and takes nobody
with it when it hangs or dies.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any, Final

from safety_supervisor_sim.campaign.case import Case
from safety_supervisor_sim.campaign.play import blank, controller_of

PLAY: Final = "safety_supervisor_sim.campaign.play:play"
MODULE: Final = "safety_supervisor_sim.campaign.player"
GRACE: Final = 30.0
"""A player that says nothing so long after the limit of a run is ended, too: it also builds what runs need, [s]."""
_PR_SET_PDEATHSIG: Final = 1
Row = dict[str, Any]
Play = Callable[[Case], Row]


@dataclass(frozen=True)
class Order:
    """What a player is asked for: a case, and how long its run may take, [s] of real time."""

    case: Case
    limit: float


class Player:
    """The handle of one such process; started when it is first needed, and again when it died.

    Args:
        target: what plays a case, `module:function`.
    """

    def __init__(self, target: str = PLAY) -> None:
        """Start nothing yet."""
        self._target = target
        self._process: subprocess.Popen[bytes] | None = None
        self._line: Connection | None = None
        self._said: Any = None

    @property
    def pid(self) -> int | None:
        """Of the process; None when there is none."""
        return None if self._process is None else self._process.pid

    def play(self, case: Case, limit: float) -> Row:
        """Have a case played; return its row, with `ended` "hung" or "died" where no other came."""
        if self._process is None:
            self._start()
        assert self._line is not None
        try:
            self._line.send(Order(case, limit))
            if self._line.poll(limit + GRACE):
                row: Row = self._line.recv()
                return row
        except (EOFError, OSError):
            status = None if self._process is None else self._process.wait()
            problem = f"the worker ended with {how_ended(status)} {self._last_words()}".strip()
            self.close()
            return blank(case, "died", problem)
        self.close()
        return blank(case, "hung", f"the worker said nothing for {limit + GRACE:.0f} s")

    def close(self) -> None:
        """End the process, whatever it does."""
        if self._line is not None:
            self._line.close()
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        if self._said is not None:
            self._said.close()
        self._process = self._line = self._said = None

    def _start(self) -> None:
        self._line, there = Pipe()
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        one_thread = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", MODULE, str(there.fileno()), self._target],
            pass_fds=[there.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=self._said,
            stderr=self._said,
            env=os.environ | one_thread,
            start_new_session=True,  # Ctrl-C is for who reads the rows
        )
        there.close()

    def _last_words(self) -> str:
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").strip().splitlines()
        return lines[-1][:300] if lines else ""


def how_ended(status: int | None) -> str:
    """Say how a process ended, by the status that `subprocess` tells."""
    if status is not None and status < 0:
        return signal.Signals(-status).name
    return f"status {status}"


# -- in the process -------------------------------------------------------------------------------


def serve(line: Connection, play: Play) -> None:
    """Play what is asked for until nobody asks any more."""
    while True:
        try:
            order: Order = line.recv()
        except EOFError:
            return
        prepare(order.case)
        line.send(apart(play, order))


def prepare(case: Case) -> None:
    """Build what a case needs; what is wrong with it is found again, and told, when it is played."""
    from safety_supervisor_sim.engine import stock
    from safety_supervisor_sim.engine.run import configuration_of

    try:
        value = json.loads(case.text)
        changes = json.dumps(value.get("configuration", {}))
        controller = controller_of(case)
        stock.fill(value["robot"], controller, configuration_of(value["robot"], controller, changes))
    except Exception:
        return
    gc.collect()
    gc.freeze()  # a fork writes into no page of what is kept


def apart(play: Play, order: Order) -> Row:
    """Play a case in a fork; kill it when it takes too long."""
    case = order.case
    began = time.monotonic()
    hears, says = Pipe(duplex=False)
    process = os.fork()
    if process == 0:
        _play_in_fork(play, case, says)
    says.close()
    row: Row | None = None
    try:
        if hears.poll(order.limit):
            row = hears.recv()
    except (EOFError, OSError):
        row = None
    finally:
        hears.close()
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    if row is not None:
        return row
    if time.monotonic() - began >= order.limit:
        return blank(case, "hung", f"not over after {order.limit:g} s, and killed")
    return blank(case, "died", f"its process ended with {how_ended(os.waitstatus_to_exitcode(status))}")


def _play_in_fork(play: Play, case: Case, says: Connection) -> None:
    status = 1
    try:
        end_with_parent()
        says.send(play(case))
        status = 0
    finally:
        os._exit(status)


def end_with_parent() -> None:
    """End when whoever started this process ends, killed or not, so that nothing is left computing."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def main(arguments: list[str]) -> None:
    """Play cases that come over a connection: its file descriptor, and what plays."""
    end_with_parent()
    module, _, name = arguments[1].partition(":")
    serve(Connection(int(arguments[0])), getattr(importlib.import_module(module), name))


if __name__ == "__main__":
    main(sys.argv[1:])
