"""The same events give the same bytes of effects, in this process and in others."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from events_run import run


@pytest.mark.requirement("SR-044")
def test_two_processes_give_the_same_bytes_of_effects() -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("events_run.py"))],
            env={**os.environ, "PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in ("1", "4242")
    ]
    here, count, kinds, codes = run()
    there = [process.communicate(timeout=60)[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    print(f"{count} effects {dict(kinds)}, codes {dict(codes)}")
    assert there == [[here, str(count)]] * 2
    # The script is worth comparing: trajectories, zones, refusals, stops.
    assert kinds["Actuate"] > 2000
    for code in ("E_WORKSPACE", "E_NOT_FINITE", "E_TIME_ORDER", "E_CANCELLED", "E_ESTOP", "E_TRACKING", "E_ENDED", "E_OVERRUN"):
        assert codes[code], code


@pytest.mark.requirement("SR-044")
def test_a_second_supervisor_in_the_same_process_is_not_coloured_by_the_first() -> None:
    assert run()[0] == run()[0]
