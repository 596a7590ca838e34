"""Two supervisors for one robot: the second is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from safety_supervisor.evidence.instance_lock import LockHeldError, RobotLock

pytestmark = pytest.mark.redteam(48)
ROOT = Path(__file__).resolve().parents[2]


def lock(tmp_path: Path, directory: str = "log", robot: str = "panda", domain: int = 7) -> RobotLock:
    return RobotLock(tmp_path / directory, robot, domain, locks=tmp_path)


def test_the_second_is_refused_whatever_its_log_directory(tmp_path: Path) -> None:
    first = lock(tmp_path)
    first.acquire(0.0)
    for directory in ("log", "elsewhere"):
        with pytest.raises(LockHeldError, match=f"process {os.getpid()}"):
            lock(tmp_path, directory).acquire(0.0)
    first.release()
    second = lock(tmp_path)
    second.acquire(0.0)
    second.release()


def test_other_robots_and_domains_are_free_but_one_log_directory_serves_one_supervisor(tmp_path: Path) -> None:
    first = lock(tmp_path)
    first.acquire(0.0)
    others = [lock(tmp_path, robot="g1"), lock(tmp_path, "elsewhere", domain=8)]
    for other in others:
        other.acquire(0.0)
    with pytest.raises(LockHeldError):
        lock(tmp_path, domain=9).acquire(0.0)
    for one in (first, *others):
        one.release()


def test_the_domain_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def name() -> str:
        return RobotLock(tmp_path, "panda", locks=tmp_path).machine_path.name

    monkeypatch.delenv("ROS_DOMAIN_ID", raising=False)
    unset = name()
    monkeypatch.setenv("ROS_DOMAIN_ID", "0")
    assert name() == unset
    monkeypatch.setenv("ROS_DOMAIN_ID", "42")
    assert name() != unset


def test_the_kernel_releases_the_locks_of_a_killed_process(tmp_path: Path) -> None:
    script = f"""
import time
from safety_supervisor.evidence.instance_lock import RobotLock
lock = RobotLock({str(tmp_path / "log")!r}, "panda", 7, locks={str(tmp_path)!r})
lock.acquire(0.0)
print("held", flush=True)
time.sleep(600)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
    )
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    with pytest.raises(LockHeldError, match=f"process {process.pid}"):
        lock(tmp_path).acquire(0.0)
    process.kill()
    process.wait()
    process.stdout.close()
    after = lock(tmp_path)
    after.acquire(0.0)
    after.release()
