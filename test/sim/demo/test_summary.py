"""What people read of a run."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from safety_supervisor_sim.demo.summary import print_summary


@pytest.mark.parametrize(("ok", "lost", "told"), [(False, 12.75, True), (True, 12.75, False), (False, 0.0, False)])
def test_a_run_that_failed_on_a_machine_that_was_too_busy_says_so(ok: bool, lost: float, told: bool) -> None:
    summary: dict[str, Any] = {
        "ok": ok, "reasons": ["nothing was played"], "acts": [], "not_as_expected": [], "left_out": [],
        "oracle": {"violations": [], "worst": {}, "samples": 0, "lateness": {"lost": lost, "worst": 1.5}},
        "good_unchanged": {"set_points": 0, "missing": 0, "max_error": None},
        "missed_cycles": 0, "late_stops": 0, "played_again": {}, "cycle_us": {"p50": 1.0, "p99": 2.0}, "replay": None,
    }  # fmt: skip
    out = StringIO()
    print_summary(Console(file=out, width=200), summary)
    assert ("the simulated robot lost 12.8 s, its worst step was 1.50 s late" in out.getvalue()) is told
    assert "nothing was played" in out.getvalue()
