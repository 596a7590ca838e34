"""A run ends with the page of its last stop, made of the replay that judged it."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "evidence"))

from replayed_boot import CONFIGURATION, record

from safety_supervisor import load_config
from safety_supervisor_sim.demo.evidence import run_again
from safety_supervisor_sim.demo.incident import write_page

pytestmark = [pytest.mark.requirement("SR-042")]


def test_the_page_lies_beside_a_log_that_is_kept_and_apart_from_one_that_is_not(tmp_path: Path) -> None:
    log = record(load_config(CONFIGURATION), tmp_path / "log")
    recording = run_again(log)
    page = Path(write_page(log, recording, kept=True))
    assert page == tmp_path / "log" / "incident" / "incident.html"
    words = page.read_text(encoding="utf-8")
    assert "EMERGENCY_STOP E_ESTOP" in words
    assert f"{recording.replayed.events} events of the whole boot gave every effect again" in words
    assert "was commanded to rest" in words or "at rest already" in words
    assert write_page(log, recording, kept=True).startswith("none: "), "it overwrites nothing"
    shutil.rmtree(page.parent)
    apart = Path(write_page(log, recording, kept=False))
    try:
        assert apart.read_text(encoding="utf-8") == words
        assert not apart.is_relative_to(tmp_path)
        assert [file.name for file in apart.parent.iterdir()] == ["incident.html"]
    finally:
        shutil.rmtree(apart.parent)
