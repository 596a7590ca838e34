"""A process that is killed leaves its shared memory; whoever kills it knows which and clears it away."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from safety_supervisor_sim import shared_memory

NODE = """
import sys, time, rclpy
rclpy.init()
node = rclpy.create_node("killed")
print("up", flush=True)
time.sleep(60.0)
"""


def start() -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", NODE],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "ROS_DOMAIN_ID": "87", "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"},
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    return process


def test_what_a_killed_process_leaves_is_known_and_cleared() -> None:
    killed, lives = start(), start()
    try:
        left, others = shared_memory.files_of(killed.pid), shared_memory.files_of(lives.pid)
        assert len(left) >= 2, "a segment and its lock file; its ports too, where it listens in shared memory"
        assert left.isdisjoint(others)
        assert shared_memory.files_of_session(killed.pid) == left
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        assert [file for file in left if file.exists()]
        shared_memory.clear(left)
        assert not [file for file in left if file.exists()]
        assert all(file.exists() for file in others if not file.name.startswith("sem."))
    finally:
        for process in (killed, lives):
            files = shared_memory.files_of(process.pid)
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()
            shared_memory.clear(files)
