"""The same campaign by dask.distributed: a worker that is killed loses nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from safety_supervisor_sim.campaign.case import Case
from safety_supervisor_sim.campaign.cluster import SchedulerError, play_there

HERE = Path(__file__).resolve().parent
WORKER = ["worker", "--nthreads", "1", "--no-nanny", "--no-dashboard"]


def start(arguments: list[str], directory: Path) -> subprocess.Popen[bytes]:
    """Start a part of dask from its command line, in a process of its own."""
    with (directory / f"{arguments[0]}-{time.monotonic_ns()}.txt").open("wb") as said:
        return subprocess.Popen(
            [sys.executable, "-m", "dask", *arguments], stdout=said, stderr=said, cwd=directory,
            env=os.environ | {"PYTHONPATH": str(HERE)},
        )  # fmt: skip


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A scheduler and two workers on this machine."""
    file = tmp_path / "scheduler.json"
    scheduler = start(
        ["scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file)], tmp_path
    )
    due = time.monotonic() + 120.0
    while not file.is_file() and time.monotonic() < due:
        time.sleep(0.1)
    import json

    address = json.loads(file.read_text(encoding="utf-8"))["address"]
    workers = [start([*WORKER, "--local-directory", str(tmp_path), address], tmp_path) for _ in range(2)]
    yield address, workers
    for process in (*workers, scheduler):
        process.kill()
        process.wait()


@pytest.mark.long
def test_a_worker_that_is_killed_in_the_middle_loses_nothing(
    cluster: tuple[str, list[subprocess.Popen[bytes]]],
) -> None:
    """Two workers in processes of their own; one is killed when a third of the runs is over."""
    address, workers = cluster
    cases = [Case("test", f"number_{number}", "{}", seed=number) for number in range(60)]
    rows: list[dict[str, Any]] = []

    def take(row: dict[str, Any]) -> None:
        rows.append(row)
        if len(rows) == 20:
            os.kill(workers[0].pid, signal.SIGKILL)

    play_there(address, cases, 60.0, take, "campaign_targets:slowly", patience=120.0)
    assert sorted(row["id"] for row in rows) == sorted(case.id for case in cases)
    assert {row["ended"] for row in rows} == {"done"}
    before = {row["worker"] for row in rows[:20]}
    after = {row["worker"] for row in rows[-20:]}
    assert (len(before), len(after)) == (2, 1), "both played before it, one after it"
    assert workers[0].wait() == -signal.SIGKILL


@pytest.mark.long
def test_a_case_that_kills_its_worker_is_not_given_to_a_third_one(
    cluster: tuple[str, list[subprocess.Popen[bytes]]], tmp_path: Path
) -> None:
    address, workers = cluster
    workers.append(start([*WORKER, "--local-directory", str(tmp_path), address], tmp_path))
    cases = [Case("test", "kills", "{}", seed=9), *(Case("test", f"number_{n}", "{}", seed=1) for n in range(10))]
    rows: dict[str, dict[str, Any]] = {}
    play_there(
        address, cases, 60.0, lambda row: rows.update({row["scenario"]: row}), "campaign_targets:kills_worker",
        patience=120.0,
    )  # fmt: skip
    assert rows["kills"]["ended"] == "died"
    assert "2 workers died" in rows["kills"]["problem"]
    assert {row["ended"] for name, row in rows.items() if name != "kills"} == {"done"}
    assert sum(worker.poll() is not None for worker in workers) == 2


def test_a_scheduler_that_is_not_there_is_named() -> None:
    with pytest.raises(SchedulerError, match=r"no scheduler answers at tcp://127\.0\.0\.1:9"):
        play_there("tcp://127.0.0.1:9", [], 1.0, lambda row: None, patience=1.0)
