"""Processes that the agent starts and that end with it.

A child reads its orders, one JSON object a line, from its standard input and answers on its standard output; when
the input closes, because its parent said so or died, it ends.
"""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from typing import Any

from safety_supervisor_sim import shared_memory


class Child:
    """One child process, running `python -m MODULE ARGUMENTS`."""

    def __init__(self, module: str, arguments: dict[str, Any]) -> None:
        """Start it.

        Args:
            module: what to run.
            arguments: its parameters; given as one JSON object on the command line.
        """
        self._module = module
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, json.dumps(arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def send(self, **order: Any) -> None:
        """Send an order without waiting for its answer.

        Raises:
            RuntimeError: when the child has ended.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._ended() from None

    def answer(self) -> dict[str, Any]:
        """Wait for the answer to the oldest order without one.

        Raises:
            RuntimeError: when the child has ended.
        """
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise self._ended()
        answered: dict[str, Any] = json.loads(line)
        return answered

    def order(self, **order: Any) -> dict[str, Any]:
        """Send an order and wait for its answer."""
        self.send(**order)
        return self.answer()

    def _ended(self) -> RuntimeError:
        return RuntimeError(f"{self._module} ended with status {self._process.wait()}")

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def kill(self) -> None:
        """End it as a crash would: SIGKILL."""
        left = shared_memory.files_of(self._process.pid)
        self._process.send_signal(signal.SIGKILL)
        self._finish()
        shared_memory.clear(left)

    def close(self, timeout: float = 2.0) -> None:
        """Let it end by itself; kill it when it does not."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
        self._finish()

    def _finish(self) -> None:
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None and not pipe.closed:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()


def answer(**values: Any) -> None:
    """Answer an order; in the child."""
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()
