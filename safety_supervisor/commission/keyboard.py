"""Any key ends it: the terminal, read without waiting for a line while the robot moves."""

from __future__ import annotations

import os
import select
import sys
import termios
import tty
from typing import Any


class Keyboard:
    """The terminal of the person who measures; without one no key is ever pressed, and Ctrl-C counts all the same."""

    def __init__(self) -> None:
        """Leave the terminal as it is."""
        self._before: list[Any] | None = None

    def watch(self) -> None:
        """Let any key count from now on."""
        if self._before is None and sys.stdin.isatty():
            self._before = termios.tcgetattr(sys.stdin.fileno())
            tty.setcbreak(sys.stdin.fileno())

    def leave(self) -> None:
        """Give the terminal back, for questions."""
        if self._before is not None:
            termios.tcsetattr(sys.stdin.fileno(), termios.TCSADRAIN, self._before)
            self._before = None

    def pressed(self) -> bool:
        """Whether a key was pressed since the last call."""
        if self._before is None or not select.select([sys.stdin], [], [], 0.0)[0]:
            return False
        os.read(sys.stdin.fileno(), 1024)
        return True
