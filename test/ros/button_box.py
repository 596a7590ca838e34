"""A cheap button box as a process of its own: 01, or 00 while it is pressed, every 20 ms; orders are lines of stdin.

In the tests' own process a collection of garbage would be a silence of the line.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
from pathlib import Path

from safety_supervisor.estop.tools.pseudo_terminal import PseudoTerminal


def main(link: Path) -> None:
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(20))
    terminal, pressed = PseudoTerminal(link), False
    while True:
        if select.select([sys.stdin], [], [], 0.02)[0]:
            order = sys.stdin.readline().strip()
            if not order:
                break
            pressed = order == "press"
        terminal.write(b"\x00" if pressed else b"\x01")
    terminal.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
