"""A third party's e-stop driver that blocks or leaves a thread keeps nobody from ending the supervisor."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
import tty
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ros_rig import Rig

from safety_supervisor.ros.last_resort import GRACE, STUCK

MODULE = """
import threading, time
from pathlib import Path
from safety_supervisor.estop.byte import Byte

class Mine(Byte):
    def sample(self, at):
        wanted = Path(__file__).with_name("mode").read_text()
        if wanted == "block":
            time.sleep(1000)
        if wanted == "thread":
            Path(__file__).with_name("mode").write_text("")
            threading.Thread(target=time.sleep, args=(1000,)).start()
        return super().sample(at)
"""


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "plug"
    about = folder / "stuck_estop-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: stuck-estop\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[safety_supervisor.estop_drivers]\nstuck = stuck_driver:Mine\n")
    (folder / "stuck_driver.py").write_text(MODULE)
    (folder / "mode").write_text("")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return folder


@pytest.fixture
def port() -> Iterator[str]:
    near, far = pty.openpty()
    tty.setraw(far)
    yield os.ttyname(far)
    os.close(near)
    os.close(far)


@pytest.mark.redteam(58)
@pytest.mark.parametrize(
    ("mode", "most"), [pytest.param("block", 40.0, marks=pytest.mark.long), ("thread", 40.0), ("", 10.0)]
)
def test_what_hangs_is_ended_behind_the_stop(mode: str, most: float, driver: Path, port: str, rig: Rig) -> None:
    estop: dict[str, Any] = {"driver": "stuck", "none": None, "port": port, "package": "stuck-estop"}
    rig.cell()
    client = rig.client()
    supervisor = rig.supervisor(estop=estop)
    client.wait_state("INIT", timeout=60.0)
    (driver / "mode").write_text(mode)
    client.spin(1.0)
    begin = time.monotonic()
    supervisor.send(signal.SIGINT)
    status = client.wait_end(supervisor, timeout=most)
    took = time.monotonic() - begin
    assert status == (STUCK if mode else 0)
    assert ("the end hangs" in supervisor.text) == bool(mode)
    if mode:
        assert took >= GRACE


def run(text: str) -> tuple[int, str, float]:
    """Run a program that has the last resort, with a longest stop of 1 s, and signal it once it is ready."""
    begin = (
        "import signal, sys, threading, time\n"
        "from safety_supervisor.ros.last_resort import LastResort\n"
        "signal.signal(signal.SIGINT, lambda number, frame: None)\n"
        "resort = LastResort()\nresort.longest_stop = lambda: 1.0\n"
        "print('ready', flush=True)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", begin + text], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.3)
    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    try:
        status = process.wait(20.0)
        words = process.stderr.read()
    finally:
        process.kill()
        process.stdout.close()
        process.stderr.close()
    return status, words, time.monotonic() - begun


@pytest.mark.parametrize(
    "blocks",
    [
        "time.sleep(1000)",
        pytest.param("while True: pass", marks=pytest.mark.long),
        pytest.param("threading.Lock().acquire(); threading.Event().wait()", marks=pytest.mark.long),
    ],
)
def test_a_main_thread_that_blocks_is_given_the_stop_and_then_the_grace(blocks: str) -> None:
    status, words, took = run(blocks)
    assert status == STUCK
    assert "the end hangs" in words
    assert 1.0 + GRACE <= took < 1.0 + GRACE + 3.0


def test_the_time_counts_anew_once_the_stop_was_played() -> None:
    status, _, took = run("time.sleep(2.0)\nresort.stopped()\ntime.sleep(1000)")
    assert status == STUCK
    assert 1.5 + GRACE <= took < 2.0 + GRACE + 3.0


def test_a_process_that_ends_by_itself_is_left_alone() -> None:
    status, words, _ = run("time.sleep(1.0)\nresort.stopped()\nsys.exit(0)")
    assert (status, words) == (0, "")
