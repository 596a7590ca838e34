"""Rows of runs as a campaign writes them: of cases that were drawn, with counts that a test is about."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from safety_supervisor_sim.campaign.case import Case
from safety_supervisor_sim.campaign.row import SCHEMA
from safety_supervisor_sim.report.runs import Run, Source, read

CASE = tuple(Case.__dataclass_fields__)
GOOD: dict[str, Any] = {
    "robot": "panda",
    "rows": [29],
    "requirements": ["SR-026"],
    "ended": "done",
    "problem": "",
    "ok": True,
    "reasons": [],
    "not_as_expected": [],
    "left_out": [],
    "violations": 0,
    "violated": [],
    "margins": [("velocity", 0.5)],
    "robustness": 0.25,
    "distance_people": None,
    "distance_obstacles": None,
    "rest_after": [0.12],
    "good_motions": 2,
    "false_stops": 0,
    "task_time": 4.0,
    "verdicts": [("PASS", 100)],
    "effects_sha256": "ab" * 32,
    "simulated": 3.0,
    "processor": 1.0,
    "versions": '{"python": "3.11", "configuration_sha256": "cd"}',
    "worker": "here:1",
}
BAD: dict[str, Any] = {
    "ok": False,
    "violations": 1,
    "violated": ["velocity panda_joint1 -0.01 in go"],
    "reasons": ["the oracle saw 1 limits passed: velocity panda_joint1"],
    "robustness": -0.01,
}
HUNG: dict[str, Any] = {
    "ended": "hung",
    "ok": False,
    "problem": "no end after 60 s",
    "margins": [],
    "robustness": float("nan"),
}
UNEXPECTED: dict[str, Any] = {"ok": False, "not_as_expected": ["go"], "reasons": ["go: state READY, not FAULT"]}


def row(seed: int = 1, **changes: Any) -> dict[str, Any]:
    """A row whose id is that of its case."""
    drawn = {"campaign": "one", "scenario": "rt29_thin_zone", "text": "{}", "parameters": "{}", "subject": "supervisor"}
    drawn |= {"disabled": "", "seed": seed} | {name: changes.pop(name) for name in CASE if name in changes}
    return {"id": Case(**drawn).id, **drawn, **GOOD, **changes}


def write(path: Path, rows: Sequence[dict[str, Any]], schema: pa.Schema = SCHEMA) -> Path:
    pq.write_table(pa.Table.from_pylist(list(rows), schema), path)
    return path


def runs_of(folder: Path, rows: Sequence[dict[str, Any]]) -> tuple[list[Run], list[Source]]:
    return read([write(folder / "some.parquet", rows)])
