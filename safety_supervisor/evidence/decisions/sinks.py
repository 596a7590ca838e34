"""Hands heads on to where the robot's root can not change them: a file, an HTTP endpoint, a timestamping authority.

    python -m safety_supervisor.evidence.decisions.sinks --robot R < heads

A process of its own, fed by the recorder, which waits for nothing here: a network that is slow delays no record. Of
what waits the newest head is enough. A sink that fails is told on stderr, once, and to the control process
(`sink_words.py`), and tried again. Requirement: SR-042.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from safety_supervisor.evidence.decisions.kept_heads import KeptHeads
from safety_supervisor.evidence.decisions.sink_words import tell
from safety_supervisor.evidence.decisions.timestamps import post, stamp

LAST_S: Final = 5.0
"""How long the newest head is still handed on after the recorder has ended."""
_LONGEST_PAUSE: Final = 60.0


class Sink:
    """One place, served by a thread.

    Args:
        name: for people.
        send: hands a head on; raises when it can not.
        every: shortest time between two heads, [s].
        say: is told name and failure, empty where it works, whenever that changes.
    """

    def __init__(
        self, name: str, send: Callable[[str], object], every: float, say: Callable[[str, str], None] | None = None
    ) -> None:
        """Start."""
        self._say = say or (lambda _name, _failure: None)
        self._said: str | None = None
        self.name = name
        self._send = send
        self._every = every
        self._line = ""
        self._changed = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def put(self, line: str) -> None:
        """Take a head in the place of the one that waits."""
        with self._changed:
            self._line = line
            self._changed.notify()

    def end(self, wait: float) -> None:
        """Hand on what waits, if that is possible in time, [s]."""
        with self._changed:
            self._ended = True
            self._changed.notify()
        self._thread.join(max(0.0, wait))

    def _next(self) -> str:
        with self._changed:
            while not self._line and not self._ended:
                self._changed.wait()
            line, self._line = self._line, ""
            return line

    def _run(self) -> None:
        pause, told = 1.0, False
        while line := self._next():
            try:
                self._send(line)
            except Exception as error:  # whatever a network, a disk or a library raises
                if not told:
                    self._print(f"{error!r}; tried again")
                told = True
                self._tell(str(error) or repr(error))
                with self._changed:
                    self._line = self._line or line
                    ended = self._ended
                if ended:
                    time.sleep(0.2)  # until whoever waits for the end has waited long enough
                self._rest(pause)
                pause = min(_LONGEST_PAUSE, 2 * pause)
                continue
            if told:
                self._print("again")
            pause, told = 1.0, False
            self._tell("")
            self._rest(self._every)

    def _print(self, words: str) -> None:
        # Where stderr is a file on the disk that is full, what is not said must not end the thread.
        with contextlib.suppress(OSError, ValueError):
            print(f"heads of the decision log: {self.name}: {words}", file=sys.stderr, flush=True)

    def _tell(self, failure: str) -> None:
        if failure != self._said:
            self._said = failure
            self._say(self.name, failure)

    def _rest(self, seconds: float) -> None:
        ends = time.monotonic() + seconds
        with self._changed:
            while not self._ended and (left := ends - time.monotonic()) > 0:
                self._changed.wait(left)


def make_sinks(given: argparse.Namespace) -> list[Sink]:
    """Return the sinks that are asked for."""
    sinks = []

    def say(name: str, failure: str) -> None:
        if given.words >= 0:
            tell(given.words, name, failure)

    if given.file:
        path, robot = Path(given.file).expanduser(), given.robot

        def keep(line: str) -> None:
            # Opened each time: what it stands on may be mounted and gone again.
            KeptHeads(path, robot).take(line)

        sinks.append(Sink(f"file {path}", keep, given.every, say))
    if given.url:
        send = partial(post, given.url, kind="application/json")
        sinks.append(Sink(given.url, lambda line: send(data=line.encode()), given.every, say))
    if given.authority:
        tokens = Path(given.tokens)

        def prove(line: str) -> None:
            data = stamp(given.authority, line)
            descriptor = os.open(tokens, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                os.write(descriptor, data)
                os.fdatasync(descriptor)
            finally:
                os.close(descriptor)

        sinks.append(Sink(given.authority, prove, max(given.every, given.stamp_every), say))
    return sinks


def main() -> int:
    """Hand on until the pipe ends."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with contextlib.suppress(OSError):
        os.nice(10)
    parser = argparse.ArgumentParser(prog="safety_supervisor.evidence.decisions.sinks")
    parser.add_argument("--robot", required=True)
    for name in ("--file", "--url", "--authority", "--tokens"):
        parser.add_argument(name, default="")
    parser.add_argument("--words", type=int, default=-1)
    parser.add_argument("--every", type=float, default=1.0)
    parser.add_argument("--stamp-every", type=float, default=0.0)
    given = parser.parse_args()
    if given.words >= 0:
        os.set_blocking(given.words, False)
    sinks = make_sinks(given)
    for raw in sys.stdin.buffer:
        line = raw.decode("ascii", "replace").rstrip("\n")
        for sink in sinks if line else ():
            sink.put(line)
    ends = time.monotonic() + LAST_S
    for sink in sinks:
        sink.end(ends - time.monotonic())
    return 0


if __name__ == "__main__":
    sys.exit(main())
