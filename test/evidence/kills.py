"""SIGKILL at random moments under load: what is left of both logs, and how much was lost.

    PYTHONPATH=. python test/evidence/kills.py 1000 [--side-by-side 3] [--load 8] [--ordinary] [--place DIR]

A control process records an event with a decision every half millisecond; then it, its recorder, or both are killed at
once. Both logs have to be valid prefixes. *Lost* is how old, at the kill, the oldest event was that is missing. Killed
alone the control process may lose nothing; a killed recorder it has to notice at once. In memory (`--place /dev/shm`)
no disk holds the recorder up, so that what is lost there is the recorder's own doing.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))

from chains import ROBOT, verify
from evidence_records import wait_for

from safety_supervisor.evidence.decisions.files import segments
from safety_supervisor.evidence.event_log import Entry, EventLog

ROOT = Path(__file__).resolve().parents[2]
RECORDER_PRIORITY = 10
VICTIMS = ("control", "recorder", "both")
MS = 1e6
CONTROL = """
import contextlib, os, sys, time
from evidence_records import decision, header, tick
from safety_supervisor.evidence.feed import EventFeed
with contextlib.suppress(PermissionError):
    os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(50))
feed = EventFeed(sys.argv[1], header(), priority=int(sys.argv[2]))
print(feed.process_id, flush=True)
healthy = True
for number in range(1, 1 << 40):
    now = time.monotonic_ns()
    feed.record(tick(now), (decision(now, code=f"E_{number}"),))
    print("r", now, number, flush=True)
    feed.flush()
    if healthy and not feed.healthy(now):
        healthy = False
        print("u", time.monotonic_ns(), feed.failure, flush=True)
    time.sleep(0.0005)
"""


@dataclass(frozen=True)
class Killed:
    """What a kill left.

    Attributes:
        victim: who was killed.
        lost: age of the oldest event that is missing, at the kill, [ns]; 0: none is.
        events: how many of those recorded before the kill are missing.
        kept: how many there are.
        noticed: time from the recorder's death until the feed said so, [ns]; None where it was not the one.
        longest_cycle: longest time between two events, [ns]: what the machine did to the control process.
    """

    victim: str
    lost: int
    events: int
    kept: int
    noticed: int | None
    longest_cycle: int


def environment() -> dict[str, str]:
    path = os.pathsep.join([str(ROOT), str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "PYTHONPATH": path}


def kill(place: Path, delay: float, victim: str, priority: int = RECORDER_PRIORITY) -> Killed:
    """Run a control process, kill after `delay` [s], and look at what is left.

    Raises:
        AssertionError: it is no valid prefix, or something was lost that must not be.
    """
    process = subprocess.Popen(
        [sys.executable, "-c", CONTROL, str(place), str(priority)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    assert process.stdout
    lines: list[str] = []
    recorder = int(process.stdout.readline())
    reader = threading.Thread(target=lines.extend, args=(process.stdout,))  # a full pipe would hold it up
    reader.start()
    with at_once():
        time.sleep(delay)
        with contextlib.suppress(ProcessLookupError):
            if victim != "control":
                os.kill(recorder, signal.SIGKILL)
            if victim != "recorder":
                process.kill()
        at = time.monotonic_ns()  # behind it: what is said to be lost is rather too much
    if victim == "recorder":
        wait_for(lambda: any(line.startswith("u") for line in list(lines)), 10.0)
    process.kill()
    reader.join()
    said = [line.split(" ", 2) for line in lines if line.endswith("\n")]  # the last one may be half
    process.wait()
    process.stdout.close()
    assert wait_for(lambda: not Path(f"/proc/{recorder}").exists())
    recorded = [(int(number), int(when)) for what, when, number in said if what == "r"]
    kept = min(_decided(place), _evented(place))
    missing = [when for number, when in recorded if number > kept and when <= at]
    noticed = [int(when) - at for what, when, _ in said if what == "u"]
    if victim == "control":
        assert kept >= recorded[-1][0], f"{kept} of {recorded[-1][0]} kept"
    if victim == "recorder":
        assert len(noticed) == 1, "the recorder's death was not noticed"
    times = [when for _, when in recorded if when <= at]
    longest = max((after - before for before, after in itertools.pairwise(times)), default=0)
    lost = at - missing[0] if missing else 0
    return Killed(victim, lost, len(missing), kept, noticed[0] if noticed else None, longest)


@contextlib.contextmanager
def at_once() -> Iterator[None]:
    """Let nothing ordinary come between, where that is permitted."""
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(60))
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def _decided(place: Path) -> int:
    """Verify the decision log; return how many decisions it begins with, none left out."""
    report = verify(place)
    assert report.broken is None, report.broken
    newest = list(segments(place, ROBOT).values())[-1]
    lines = [json.loads(line) for line in newest.read_bytes().split(b"\n")[:-1]]
    numbers = [int(one["code"][2:]) for one in lines if one["kind"] == "decision"]
    assert numbers == list(range(1, len(numbers) + 1))
    return len(numbers)


def _evented(place: Path) -> int:
    """Read the event log; return how many events it begins with, none left out."""
    (path,) = place.glob("*.events.mcap")
    log = EventLog(path)
    items = list(log)
    assert log.tail.state in ("complete", "torn"), log.tail
    codes = [item.effects[0].code for item in items if isinstance(item, Entry)]  # type: ignore[union-attr]
    assert codes == [f"E_{number}" for number in range(1, len(items) + 1)]
    return len(items)


@contextlib.contextmanager
def load(processes: int) -> Iterator[None]:
    """Keep the processors busy, with ordinary work of full priority."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: sum(range(10000))"]) for _ in range(processes)]
    try:
        yield
    finally:
        for one in busy:
            one.kill()
            one.wait()


def campaign(
    count: int, seed: int, side_by_side: int = 1, priority: int = RECORDER_PRIORITY, place: str = ""
) -> Iterator[Killed]:
    """Kill so often, some at once, at moments and victims by chance; `place`: where the logs are."""
    chance = random.Random(seed)
    plan = [(number, 0.02 + 0.5 * chance.random(), chance.choice(VICTIMS)) for number in range(count)]
    with (
        tempfile.TemporaryDirectory(prefix="kills-", dir=place or None) as folder,
        ThreadPoolExecutor(side_by_side) as pool,
    ):

        def one(given: tuple[int, float, str]) -> Killed:
            log = Path(folder) / str(given[0])
            try:
                return kill(log, given[1], given[2], priority)
            finally:
                shutil.rmtree(log, ignore_errors=True)

        try:
            yield from pool.map(one, plan)
        finally:
            pool.shutdown(cancel_futures=True)


def summary(found: Sequence[Killed]) -> str:
    """Say what was lost, by victim."""
    lines = []
    for victim in VICTIMS:
        lost = sorted(one.lost / MS for one in found if one.victim == victim)
        if not lost:
            continue
        at = {share: lost[min(len(lost) - 1, int(share * len(lost)))] for share in (0.5, 0.99)}
        over = sum(one > 20.0 for one in lost)
        text = f"{victim}: {len(lost)} kills, lost median {at[0.5]:.1f} ms, p99 {at[0.99]:.1f}, worst {lost[-1]:.1f}"
        noticed = [one.noticed / MS for one in found if one.victim == victim and one.noticed is not None]
        if noticed:
            text += f"; noticed after {statistics.median(noticed):.2f} ms, at most {max(noticed):.2f}"
        lines.append(f"{text}; above 20 ms: {over}")
    return "\n".join(lines)


def main() -> int:
    """Kill, and say what was lost."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else "")
    parser.add_argument("count", type=int)
    parser.add_argument("--side-by-side", type=int, default=3, help="control processes, each with its recorder")
    parser.add_argument("--load", type=int, default=8, help="busy processes beside them")
    parser.add_argument("--ordinary", action="store_true", help="a recorder without SCHED_FIFO")
    parser.add_argument("--place", default="", help="where the logs are; else among the temporary files")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):  # then it says what it has found so far
        signal.signal(number, signal.default_int_handler)
    found = []
    with contextlib.suppress(KeyboardInterrupt), load(given.load):
        priority = 0 if given.ordinary else RECORDER_PRIORITY
        for one in campaign(given.count, given.seed, given.side_by_side, priority, given.place):
            found.append(one)
            if len(found) % 50 == 0:
                print(f"{len(found)} of {given.count}", file=sys.stderr, flush=True)
    print(summary(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
