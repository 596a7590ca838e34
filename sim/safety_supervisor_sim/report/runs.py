"""Reads runs of campaigns from Parquet, and refuses what can not have come from a campaign.

A report is as good as its rows: one that contradicts itself, or whose case is not the one that its id names, is no run.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from safety_supervisor_sim.campaign.case import Case
from safety_supervisor_sim.campaign.row import SCHEMA

SUPERVISOR: Final = "supervisor"
DONE: Final = "done"
ENDINGS: Final = (DONE, "hung", "died", "unplayable", "failed")
"""How a run may end; of all but the first nothing is known."""
TABLE: Final = "runs.parquet"
PLAN: Final = "plan.json"
MOST_TOLD: Final = 10
"""Problems of rows that are told at once."""


class RunsError(ValueError):
    """Files that no report can be made of; the text has one problem a line, each with its cure."""


@dataclass(frozen=True)
class Run:
    """One run: a row of the table, see `campaign/row.py`."""

    id: str
    campaign: str
    scenario: str
    text: str
    parameters: str
    seed: int
    subject: str
    disabled: str
    robot: str
    rows: tuple[int, ...]
    requirements: tuple[str, ...]
    ended: str
    problem: str
    ok: bool
    reasons: tuple[str, ...]
    not_as_expected: tuple[str, ...]
    left_out: tuple[str, ...]
    violations: int
    violated: tuple[str, ...]
    margins: dict[str, float]
    robustness: float
    distance_people: float | None
    distance_obstacles: float | None
    rest_after: tuple[float, ...]
    good_motions: int
    false_stops: int
    task_time: float | None
    verdicts: dict[str, int]
    effects_sha256: str
    simulated: float
    processor: float
    versions: str
    worker: str
    cycle_cpu: float | None = None
    table: Path = Path()
    """The file that it was read from."""

    @property
    def case(self) -> Case:
        """What was run."""
        return Case(self.campaign, self.scenario, self.text, self.parameters, self.seed, self.subject, self.disabled)

    @property
    def done(self) -> bool:
        """Whether it ran to its end: of others nothing is known."""
        return self.ended == DONE

    @property
    def judged(self) -> bool:
        """Whether it says anything about the supervisor: no rival stood in its place, and no check was off."""
        return self.subject == SUPERVISOR and not self.disabled

    @property
    def drawn(self) -> tuple[str, str, str, int]:
        """What the campaign drew, whoever stood before the motors: runs of one draw are compared."""
        return self.scenario, self.text, self.parameters, self.seed

    @cached_property
    def told_versions(self) -> dict[str, str]:
        """Versions that it ran by, and the hash of its configuration."""
        return {str(name): str(value) for name, value in json.loads(self.versions).items()}

    @property
    def why(self) -> str:
        """Why it is not good, in one line; empty when it is."""
        if not self.done:
            return f"{self.ended}: {self.problem}"
        found = [*self.violated, *self.reasons] or [f"not as expected: {name}" for name in self.not_as_expected]
        return "" if self.ok else "; ".join(found) or "not good, and no reason was told"


@dataclass(frozen=True)
class Source:
    """A file that runs were read from.

    Attributes:
        path, sha256: of the file.
        runs: in it.
        plan: what the plan beside it says; empty where there is none.
    """

    path: Path
    sha256: str
    runs: int
    plan: dict[str, Any]

    @property
    def not_played(self) -> int:
        """How many planned runs it lacks."""
        planned = self.plan.get("cases", 0)
        return max(0, planned - self.runs) if isinstance(planned, int) else 0


def read(paths: Sequence[Path]) -> tuple[list[Run], list[Source]]:
    """Read all runs, each once.

    Args:
        paths: Parquet files, or directories of campaigns.

    Raises:
        RunsError: a file is missing, no Parquet, cut off, lacks columns or runs, or has rows that can not be.
    """
    runs: list[Run] = []
    sources: list[Source] = []
    where: dict[str, Path] = {}
    problems: list[str] = []
    for path in (_table(path) for path in paths):
        found = _read(path)
        sources.append(Source(path, hashlib.sha256(path.read_bytes()).hexdigest(), len(found), _plan(path)))
        for number, run in enumerate(found, 1):
            wrong = "; ".join(_wrong(run))
            if wrong:
                problems.append(f"{path}: run {number}, {_id(run)}: {wrong}")
            elif run.id in where:
                problems.append(
                    f"{path}: run {number}, {_id(run)} stands in {where[run.id]} already: the same run counted twice "
                    "makes bounds too small; give each table once"
                )
            else:
                where[run.id] = path
                runs.append(run)
    if problems:
        more = len(problems) - MOST_TOLD
        raise RunsError("\n".join(problems[:MOST_TOLD] + ([f"and {more} more such runs"] if more > 0 else [])))
    if not runs:
        raise RunsError("there is no run in these files: an empty campaign says nothing; play one by sim campaign")
    return runs, sources


def _table(path: Path) -> Path:
    """Return the table of a directory of a campaign, or the file itself."""
    if not path.exists():
        raise RunsError(f"{path} does not exist: give a table {TABLE}, or the directory that sim campaign --out wrote")
    if not path.is_dir():
        return path
    if (path / TABLE).is_file():
        return path / TABLE
    if (path / PLAN).is_file():
        raise RunsError(
            f"{path} has no {TABLE}: the campaign was not played to its end; the command that began it resumes it"
        )
    raise RunsError(f"{path} has no {TABLE}: it is no directory of a campaign (sim campaign --out)")


def _plan(path: Path) -> dict[str, Any]:
    """Return what the plan beside a table says."""
    beside = path.parent / PLAN
    if path.name != TABLE or not beside.is_file():
        return {}
    try:
        plan = json.loads(beside.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise RunsError(f"{beside} can not be read: {error}; the command that began the campaign tells more") from error
    return plan if isinstance(plan, dict) else {}


def _read(path: Path) -> list[Run]:
    try:
        table = pq.read_table(path, partitioning=None)
    except (pa.ArrowException, OSError) as error:
        raise RunsError(
            f"{path} can not be read as Parquet: {_line(error)}; it is another kind of file, or was cut off: "
            "sim campaign writes it anew from the parts beside it"
        ) from error
    missing = [name for name in SCHEMA.names if name not in table.schema.names]
    if missing:
        raise RunsError(
            f"{path} lacks the columns {', '.join(missing)}: it is no table of runs, or of an older version; "
            "play the campaign again"
        )
    try:
        table = table.select(SCHEMA.names).cast(SCHEMA)
    except (pa.ArrowException, ValueError) as error:
        raise RunsError(f"{path}: columns are of another kind: {_line(error)}; play the campaign again") from error
    empty = [field.name for field in SCHEMA if not field.nullable and table[field.name].null_count]
    if empty:
        raise RunsError(f"{path}: values are missing in {', '.join(empty)}; play the campaign again")
    return [Run(**{name: _value(value) for name, value in row.items()}, table=path) for row in _rows(table)]


def _rows(table: pa.Table) -> Iterator[dict[str, Any]]:
    maps = {field.name for field in SCHEMA if pa.types.is_map(field.type)}
    for batch in table.to_batches():
        for row in batch.to_pylist():
            yield {name: dict(value) if name in maps else value for name, value in row.items()}


def _value(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _wrong(run: Run) -> Iterator[str]:
    """What shows that no campaign wrote this row."""
    if run.case.id != run.id:
        yield "its id is not that of what was run: the row was changed; play the campaign again"
        return
    if run.ended not in ENDINGS:
        yield f"it ended {run.ended!r}, which is none of {', '.join(ENDINGS)}"
    if run.ok and not run.done:
        yield f"it is called good, and {run.ended}"
    if run.ok and (run.violations or run.violated or run.reasons or run.not_as_expected):
        yield "it is called good, with violations or reasons why not"
    if min(run.violations, run.good_motions, run.false_stops) < 0 or run.false_stops > run.good_motions:
        yield "it counts less than nothing, or more stops of good motions than good motions"
    nan = [kind for kind, margin in run.margins.items() if math.isnan(margin)]
    if run.ok and math.isnan(run.robustness):
        nan.append("robustness")
    nan += ["rest_after"] if not all(map(math.isfinite, run.rest_after)) else []
    for name in ("distance_people", "distance_obstacles", "task_time", "simulated", "processor"):
        value = getattr(run, name)
        if value is not None and not math.isfinite(value):
            nan.append(name)
    if nan:
        yield f"{', '.join(nan)}: not a number, which says nothing and hides what is near; play it again"
    for name in ("parameters", "versions"):
        try:
            good = isinstance(json.loads(getattr(run, name)), dict)
        except ValueError:
            good = False
        if not good:
            yield f"{name} is no mapping in JSON"


def _id(run: Run) -> str:
    return ascii(run.id[:40])


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
