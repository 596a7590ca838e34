"""Feed and recorder as real processes: killed, stopped, without a disk, and back again."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from evidence_records import actuate, effects, header, tick, wait_for

from safety_supervisor.core.act_events import StopRequested
from safety_supervisor.core.effects import Latches
from safety_supervisor.evidence.event_log import Entry, EventLog, Gap
from safety_supervisor.evidence.feed import EventFeed, FeedLimits
from safety_supervisor.evidence.instance_lock import LockHeldError, RobotLock
from safety_supervisor.evidence.latch_store import LatchStore

Start = Callable[..., EventFeed]
ROOT = Path(__file__).resolve().parents[2]


def only_log(directory: Path) -> EventLog:
    (path,) = directory.glob("*.events.mcap")
    return EventLog(path)


def ticks(items: list[Entry | Gap]) -> list[int]:
    return [item.event.at for item in items if isinstance(item, Entry)]


def record(feed: EventFeed, first: int, last: int) -> None:
    for at in range(first, last + 1):
        feed.record(tick(at), effects(at))
        feed.flush()


def all_durable(feed: EventFeed) -> bool:
    """Everything that was recorded is on disk, as the recorder says."""
    feed.flush()
    return feed.healthy(time.monotonic_ns()) and feed.pending == 0


def run_script(directory: Path, body: str) -> subprocess.Popen[str]:
    """Run a control process of its own."""
    script = f"""
import os, signal, sys, time
from evidence_records import effects, header, tick
from safety_supervisor.core.effects import Latches
from safety_supervisor.evidence.feed import EventFeed
from safety_supervisor.evidence.instance_lock import RobotLock
directory = {str(directory)!r}
{body}
"""
    path = os.pathsep.join([str(ROOT), str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path}
    )


def test_what_was_recorded_is_in_the_file_in_order(start: Start, tmp_path: Path) -> None:
    feed = start()
    record(feed, 1, 500)
    assert feed.close(10.0)
    log = only_log(tmp_path / "log")
    assert ticks(list(log)) == list(range(1, 501))
    assert log.tail.state == "complete"
    assert log.header.definitions[0] > 0
    assert msgspec.structs.replace(log.header, definitions=(0, "")) == header()
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o700
    assert log.segments[0][0].stat().st_mode & 0o777 == 0o600


@pytest.mark.long
def test_a_log_is_read_while_it_is_written(start: Start, tmp_path: Path) -> None:
    feed = start()
    lengths = []
    at = 0
    while len(lengths) < 200 or lengths[-1] == 0:  # the recorder may not have come to write anything yet
        record(feed, at + 1, at + 20)
        at += 20
        while feed.pending > feed.limits.backlog_bytes // 2:  # beyond the backlog it would count, and not keep
            feed.flush()
            feed.healthy(time.monotonic_ns())
            time.sleep(0.001)
        log = only_log(tmp_path / "log")
        found = ticks(list(log))
        assert log.tail.state == "open"
        assert found == list(range(1, len(found) + 1))
        lengths.append(len(found))
    assert lengths == sorted(lengths)
    assert feed.close(10.0)
    log = only_log(tmp_path / "log")
    assert (ticks(list(log))[-1], log.tail.state) == (at, "complete")


@pytest.mark.requirement("SR-043")
@pytest.mark.redteam(41)
def test_a_killed_control_process_loses_nothing_that_was_acknowledged_and_leaves_no_recorder(tmp_path: Path) -> None:
    process = run_script(
        tmp_path,
        """
feed = EventFeed(directory, header())
print(feed.process_id, flush=True)
for at in range(1, 1 << 40):
    feed.record(tick(at), effects(at))
    feed.flush()
    while at % 50 == 0 and feed.pending:
        feed.healthy(time.monotonic_ns())
    if at % 50 == 0:
        print(at, flush=True)
""",
    )
    assert process.stdout
    recorder = int(process.stdout.readline())
    for _ in range(5):
        acknowledged = int(process.stdout.readline())
    process.kill()
    acknowledged = max([acknowledged, *map(int, process.stdout.read().split("\n")[:-1])])
    process.wait()
    process.stdout.close()
    assert wait_for(lambda: not Path(f"/proc/{recorder}").exists())
    log = only_log(tmp_path)
    found = ticks(list(log))
    assert log.tail.state == "complete"
    assert found == list(range(1, len(found) + 1))
    assert len(found) >= acknowledged > 0


@pytest.mark.requirement("SR-043")
@pytest.mark.redteam(41)
def test_a_killed_control_process_loses_nothing_that_was_recorded(
    tmp_path: Path,
) -> None:
    process = run_script(
        tmp_path,
        """
feed = EventFeed(directory, header())
print(feed.process_id, flush=True)
os.kill(feed.process_id, signal.SIGSTOP)
for at in range(1, 1001):
    feed.record(tick(at), effects(at))
os.kill(os.getpid(), signal.SIGKILL)
""",
    )
    assert process.stdout
    recorder = int(process.stdout.readline())
    process.wait()
    process.stdout.close()
    os.kill(recorder, signal.SIGCONT)
    assert wait_for(lambda: not Path(f"/proc/{recorder}").exists())
    log = only_log(tmp_path)
    assert ticks(list(log)) == list(range(1, 1001))
    assert log.tail.state == "complete"


@pytest.mark.requirement("SR-047")
@pytest.mark.redteam(41)
def test_a_latch_outlives_a_kill_right_after_it_and_the_next_boot_waits_for_it(tmp_path: Path) -> None:
    process = run_script(
        tmp_path,
        """
lock = RobotLock(directory, "panda", locks=directory)
lock.acquire()
feed = EventFeed(directory, header(), keep=(lock.fileno(),))
print(feed.process_id, flush=True)
os.kill(feed.process_id, signal.SIGSTOP)
feed.save_latches(Latches(1, True, "E_TRACKING"))
os.kill(os.getpid(), signal.SIGKILL)
""",
    )
    assert process.stdout
    recorder = int(process.stdout.readline())
    process.wait()
    process.stdout.close()
    # The recorder is stopped with the latch in its pipe: the next boot is refused and never reads the old latches.
    lock = RobotLock(tmp_path, "panda", locks=tmp_path)
    try:
        with pytest.raises(LockHeldError):
            lock.acquire(0.05)
    finally:
        os.kill(recorder, signal.SIGCONT)
    lock.acquire(30.0)
    found = LatchStore(tmp_path, "panda").open()
    lock.release()
    assert (found.emergency_stop, found.fault, found.detail) == (True, "E_TRACKING", "")


@pytest.mark.requirement("SR-043")
@pytest.mark.redteam(39)
def test_a_stopped_recorder_makes_it_unhealthy_blocks_nothing_and_leaves_a_gap(start: Start, tmp_path: Path) -> None:
    feed = start(backlog_bytes=100_000)
    os.kill(feed.process_id, signal.SIGSTOP)
    begun = time.monotonic_ns()
    assert feed.healthy(begun)
    feed.record(tick(1), effects(1))
    feed.flush()
    feed.healthy(begun)
    assert feed.healthy(begun + 499_000_000)
    assert not feed.healthy(begun + 501_000_000)
    # Far more than pipe and backlog take: a write that could block would hang here.
    record(feed, 2, 3000)
    assert 100_000 <= feed._ring.capacity < 110_000
    assert not feed.healthy(time.monotonic_ns())
    os.kill(feed.process_id, signal.SIGCONT)
    assert wait_for(lambda: all_durable(feed)), feed.failure
    record(feed, 3001, 3002)
    assert feed.close(10.0)
    items = list(only_log(tmp_path / "log"))
    (gap,) = [item for item in items if isinstance(item, Gap)]
    before, after = ticks(items[: items.index(gap)]), ticks(items[items.index(gap) :])
    assert before == list(range(1, len(before) + 1))
    assert after == [3001, 3002]
    assert len(before) + gap.events == 3000


@pytest.mark.requirement("SR-043")
def test_a_killed_recorder_is_noticed_and_nothing_raises(start: Start, tmp_path: Path) -> None:
    feed = start()
    os.kill(feed.process_id, signal.SIGKILL)
    assert wait_for(lambda: not feed.healthy(time.monotonic_ns()))
    assert feed.failure == "the recorder has ended"
    record(feed, 1, 3)
    feed.save_latches(Latches(1, True, ""))
    store = LatchStore(tmp_path / "log", "panda")
    assert wait_for(store.path.exists)
    assert store.load().emergency_stop
    assert not feed.healthy(time.monotonic_ns())
    assert not feed.close(10.0)


@pytest.mark.requirement("SR-043")
def test_an_event_that_can_not_be_encoded_is_a_gap_and_unhealthy_once(start: Start, tmp_path: Path) -> None:
    feed = start()
    feed.record(tick(1), ())
    feed.record(StopRequested(2, "x", "\ud800"), ())
    feed.flush()
    assert not feed.healthy(time.monotonic_ns())
    record(feed, 3, 3)
    assert wait_for(lambda: all_durable(feed))
    assert feed.close(10.0)
    items = list(only_log(tmp_path / "log"))
    assert [type(item).__name__ for item in items] == ["Entry", "Gap", "Entry"]
    assert items[1] == Gap(1, 0)


def fill(disk: Path) -> Path:
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass
    assert os.statvfs(disk).f_bavail == 0
    return ballast


@pytest.mark.requirement("SR-043")
@pytest.mark.redteam(39)
def test_a_full_disk_is_unhealthy_and_a_freed_one_keeps_everything(start: Start, small_disk: Path) -> None:
    assert LatchStore(small_disk / "log", "panda").open().fault == ""
    feed = start(small_disk / "log")
    record(feed, 1, 10)
    assert wait_for(lambda: all_durable(feed))
    ballast = fill(small_disk)
    record(feed, 11, 400)
    assert wait_for(lambda: not feed.healthy(time.monotonic_ns()))
    assert "No space left" in feed.failure
    # A latch needs no free block.
    feed.save_latches(Latches(1, True, "E_TRACKING"))
    assert wait_for(lambda: LatchStore(small_disk / "log", "panda").load().fault == "E_TRACKING")
    ballast.unlink()
    assert wait_for(lambda: all_durable(feed)), feed.failure
    assert feed.close(10.0)
    log = only_log(small_disk / "log")
    assert ticks(list(log)) == list(range(1, 401))
    assert log.tail.state == "complete"


@pytest.mark.requirement("SR-043")
@pytest.mark.redteam(39)
def test_what_a_failing_disk_and_a_full_memory_lose_is_counted(start: Start, tmp_path: Path) -> None:
    feed = start(retain_bytes=20_000)
    soft, hard = resource.prlimit(feed.process_id, resource.RLIMIT_FSIZE)
    resource.prlimit(feed.process_id, resource.RLIMIT_FSIZE, (5000, hard))
    record(feed, 1, 400)
    assert wait_for(lambda: not feed.healthy(time.monotonic_ns()))
    assert "too large" in feed.failure
    resource.prlimit(feed.process_id, resource.RLIMIT_FSIZE, (soft, hard))
    assert wait_for(lambda: all_durable(feed)), feed.failure
    record(feed, 401, 402)
    assert feed.close(10.0)
    items = list(only_log(tmp_path / "log"))
    (gap,) = [item for item in items if isinstance(item, Gap)]
    before, after = ticks(items[: items.index(gap)]), ticks(items[items.index(gap) :])
    assert before == list(range(1, len(before) + 1))
    assert len(before) + gap.events == 400
    assert gap.events > 0
    assert gap.bytes > 100 * gap.events
    assert after == [401, 402]


@pytest.mark.requirement("SR-043")
def test_a_read_only_directory_is_unhealthy_until_it_can_be_written(start: Start, small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    feed = start(small_disk / "log")
    assert not feed.healthy(time.monotonic_ns())
    assert "Read-only" in feed.failure
    record(feed, 1, 5)
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    assert wait_for(lambda: all_durable(feed)), feed.failure
    assert feed.close(10.0)
    assert ticks(list(only_log(small_disk / "log"))) == [1, 2, 3, 4, 5]


@pytest.mark.requirement("SR-043")
def test_a_log_that_is_deleted_while_it_is_written_is_unhealthy(start: Start, tmp_path: Path) -> None:
    feed = start()
    record(feed, 1, 5)
    assert wait_for(lambda: all_durable(feed))
    next((tmp_path / "log").glob("*.events.mcap")).unlink()
    seen: list[bool] = []

    def unhealthy() -> bool:
        record(feed, len(seen) + 6, len(seen) + 6)
        seen.append(feed.healthy(time.monotonic_ns()))
        return not seen[-1]

    assert wait_for(unhealthy)
    assert "No such file" in feed.failure


def test_files_rotate_and_all_are_read(start: Start, tmp_path: Path) -> None:
    feed = start(segment_bytes=20_000)
    for first in range(1, 400, 40):
        record(feed, first, first + 39)
        assert wait_for(lambda: all_durable(feed))
    assert feed.close(10.0)
    files = sorted((tmp_path / "log").glob("*.events.mcap"))
    assert len(files) >= 3
    assert max(file.stat().st_size for file in files) <= 20_000
    for file in files:
        assert ticks(list(EventLog(file))) == list(range(1, 401))


def test_the_recorder_is_a_background_process_that_only_the_end_of_its_pipes_ends(start: Start, tmp_path: Path) -> None:
    policy, parameter = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
    except PermissionError:
        pytest.skip("SCHED_FIFO needs its permission")
    try:
        feed = start()
    finally:
        os.sched_setscheduler(0, policy, parameter)
    assert os.sched_getscheduler(feed.process_id) == os.SCHED_OTHER
    assert os.getpriority(os.PRIO_PROCESS, feed.process_id) == max(0, os.getpriority(os.PRIO_PROCESS, 0))
    assert os.getsid(feed.process_id) != os.getsid(0)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(feed.process_id, number)
    record(feed, 1, 3)
    assert wait_for(lambda: all_durable(feed)), feed.failure
    assert feed.close(10.0)
    assert not Path(f"/proc/{feed.process_id}").exists()


@pytest.mark.requirement("SR-043")
def test_a_recorder_that_may_goes_before_all_ordinary_work_and_what_it_starts_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With all its threads: one that has to wait for its turn to end keeps the dead process open."""
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    except PermissionError:
        pytest.skip("SCHED_FIFO needs its permission")
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    feed = EventFeed(tmp_path, header(), priority=3, sinks=(f"--file={tmp_path / 'heads'}",))
    try:
        feed.record(tick(3), effects(3))
        assert wait_for(lambda: all_durable(feed)), feed.failure

        def found() -> dict[str, set[int]]:
            tasks = Path(f"/proc/{feed.process_id}/task")
            policies: dict[str, set[int]] = {"recorder": {os.sched_getscheduler(int(one)) for one in os.listdir(tasks)}}
            children = [int(one) for task in tasks.iterdir() for one in (task / "children").read_text().split()]
            return policies | {"sinks": {os.sched_getscheduler(one) for one in children}}

        expected = {"recorder": {os.SCHED_FIFO | os.SCHED_RESET_ON_FORK}, "sinks": {os.SCHED_OTHER}}
        assert wait_for(lambda: found() == expected), found()
    finally:
        assert feed.close(10.0)


def test_latches_are_kept_where_events_are_not(tmp_path: Path) -> None:
    before = set(os.listdir("/proc/self/fd"))
    feed = EventFeed(tmp_path, header(), FeedLimits(), record_events=False)
    feed.record(tick(1), (actuate(1),))
    feed.flush()
    assert feed.healthy(time.monotonic_ns())
    feed.save_latches(Latches(1, False, "E_TRACKING"))
    assert feed.close(10.0)
    assert LatchStore(tmp_path, "panda").load().fault == "E_TRACKING"
    assert list(tmp_path.glob("*.events.mcap")) == []
    assert set(os.listdir("/proc/self/fd")) == before
