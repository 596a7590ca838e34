"""The page of a run's last stop."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Final

from safety_supervisor.evidence.clock import WhenError
from safety_supervisor.evidence.event_log import LogError
from safety_supervisor.export.incident import PAGE, export
from safety_supervisor.export.window import find_key, read
from safety_supervisor_sim.demo.evidence import Recording

NANO: Final = 1_000_000_000
AROUND: Final = 4 * NANO
"""How much of the run stands on the page, before and behind the stop, [ns]."""


def write_page(log: Path, recording: Recording, kept: bool) -> str:
    """Write the incident that a run ended with, from a replay that was made already.

    Args:
        log: of the run.
        recording: its replay.
        kept: whether the directory of the log is: then all of it is written there, else the page alone, elsewhere.

    Returns:
        Path of the page, or why there is none.
    """
    try:
        window = read(log, find_key(log, None, None), AROUND, AROUND)
        window.configuration, window.report = recording.configuration, recording.report
        window.set_points = recording.output(window.begin, window.end)
        written = export(window, log.parent, log.parent / "incident", zipped=False)
        if kept:
            return str(written.page)
        page = Path(tempfile.mkdtemp(prefix="safety-supervisor-incident-")) / PAGE
        shutil.copy(written.page, page)
        return str(page)
    except (OSError, LogError, WhenError) as error:
        return f"none: {error}"
