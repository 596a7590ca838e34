"""Records snapshots of a boot while it runs: from the recording, in a process of its own that waits behind all others.

    python -m safety_supervisor.evidence.snapshots.following --directory D --robot R --boot B --every SECONDS

The control process pays nothing for them, not even a message: what it was told and what it decided is on the disk, and
the same events give the same state. It runs only where a processor would be idle, and ends behind the boot. A replay
that differs ends it, and is told on stderr: the log, or the supervisor, is not what it should be.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from safety_supervisor.core.units import NS_PER_S
from safety_supervisor.evidence.event_log import SUFFIX, Entry, EventLog, Gap, LogError, read_header

POLL_S = 2.0
"""How often a recording is looked at whose end was reached."""
_APPEARS_S = 30.0
"""How long a recording is waited for."""


class FollowedLog(EventLog):
    """A boot that is read to its end, however long it is still being written.

    Raises:
        LogError: as of `EventLog`.
        OSError: as of `EventLog`.
    """

    def __init__(self, path: Path, poll: float = POLL_S) -> None:
        """Open the boot; `poll`: pause at its present end, [s]."""
        super().__init__(path)
        self._path, self._poll = path, poll

    def __iter__(self) -> Iterator[Entry | Gap]:
        """Yield entries and gaps as they come; returns when nobody writes the boot any more."""
        while True:
            yield from super().__iter__()
            self.begin = self.place
            written = self.tail.state == "open"
            time.sleep(self._poll)
            known = len(self.segments)
            self.segments = EventLog(self._path).segments
            if not written and len(self.segments) == known:
                return


def _wait_in_line() -> None:
    """Run only where a processor would be idle, and end behind the boot alone."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, 19)


def _find(directory: Path, robot: str, boot: str) -> Path:
    ends = time.monotonic() + _APPEARS_S
    while time.monotonic() < ends:
        for path in sorted(directory.glob(f"*{SUFFIX}"), reverse=True):
            with contextlib.suppress(LogError, OSError):
                header = read_header(path)
                if (header.robot_id, header.boot_id) == (robot, boot):
                    return path
        time.sleep(0.5)
    raise LogError(f"no recording of boot {boot} in {directory}")


def main() -> int:
    """Follow a boot; return 0 where every effect came out again."""
    _wait_in_line()
    parser = argparse.ArgumentParser(prog="safety_supervisor.evidence.snapshots.following")
    parser.add_argument("--directory", type=Path, required=True)
    for name in ("--robot", "--boot"):
        parser.add_argument(name, required=True)
    parser.add_argument("--every", type=float, required=True)
    given = parser.parse_args()
    from safety_supervisor.evidence.replay import recorded_configuration
    from safety_supervisor.evidence.snapshots.making import Maker
    from safety_supervisor.evidence.snapshots.store import SnapshotError

    try:
        log = FollowedLog(_find(given.directory, given.robot, given.boot))
        report = Maker(log, recorded_configuration(log.header), round(given.every * NS_PER_S)).run()
    except (OSError, ValueError, LogError, SnapshotError) as error:
        print(f"no more snapshots of boot {given.boot}: {error}", file=sys.stderr, flush=True)
        return 1
    if report.divergence is not None:
        told = f"the replay differs at event {report.divergence.index}: {report.cause}"
        print(f"no more snapshots of boot {given.boot}: {told}", file=sys.stderr, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
