"""Tables that no report can be made of are named, with what is wrong and what to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from report_rows import BAD, HUNG, UNEXPECTED, row, runs_of, write

from safety_supervisor_sim.campaign.row import SCHEMA
from safety_supervisor_sim.report.runs import RunsError, read

NAN = float("nan")


def test_a_directory_of_a_campaign_and_a_table_are_read_whole(tmp_path: Path) -> None:
    write(tmp_path / "runs.parquet", [row(1), row(2, **HUNG)])
    (tmp_path / "plan.json").write_text(json.dumps({"cases": 5, "campaigns": ["one"], "seeds": [1]}), encoding="utf-8")
    other = write(tmp_path / "other.parquet", [row(3, **BAD)])
    runs, sources = read([tmp_path, other])
    assert [(run.seed, run.ended, run.ok) for run in runs] == [
        (1, "done", True),
        (2, "hung", False),
        (3, "done", False),
    ]
    assert [(one.runs, one.not_played) for one in sources] == [(2, 3), (1, 0)]
    assert runs[0].margins == {"velocity": 0.5}
    assert runs[0].verdicts == {"PASS": 100}
    assert runs[1].why == "hung: no end after 60 s"


def test_a_column_that_was_added_later_does_no_harm(tmp_path: Path) -> None:
    table = pa.Table.from_pylist([row()], SCHEMA).append_column("later", pa.array([1]))
    pq.write_table(table, tmp_path / "a.parquet")
    assert len(read([tmp_path / "a.parquet"])[0]) == 1


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"ended": "gone"}, "it ended 'gone', which is none of done, hung, died, unplayable, failed"),
        ({**HUNG, "ok": True}, "it is called good, and hung"),
        ({**BAD, "ok": True}, "it is called good, with violations"),
        ({**UNEXPECTED, "ok": True}, "it is called good, with violations or reasons"),
        ({"margins": [("velocity", NAN)]}, "velocity: not a number, which says nothing and hides what is near"),
        ({"robustness": NAN}, "robustness: not a number"),
        ({"rest_after": [NAN]}, "rest_after: not a number"),
        ({"simulated": float("inf")}, "simulated: not a number"),
        ({"distance_people": NAN}, "distance_people: not a number"),
        ({"task_time": NAN}, "task_time: not a number"),
        ({"false_stops": 3}, "more stops of good motions than good motions"),
        ({"violations": -1, "ok": False}, "it counts less than nothing"),
        ({"versions": "[1]"}, "versions is no mapping in JSON"),
        ({"parameters": "{"}, "parameters is no mapping in JSON"),
        ({"id": "0" * 16}, "its id is not that of what was run: the row was changed"),
    ],
)
def test_a_row_that_no_campaign_writes_is_refused(tmp_path: Path, changes: dict[str, Any], says: str) -> None:
    with pytest.raises(RunsError, match="run 2, ") as error:
        runs_of(tmp_path, [row(1), row(2, **changes)])
    assert says in str(error.value)


def test_the_same_run_is_never_counted_twice(tmp_path: Path) -> None:
    first = write(tmp_path / "a.parquet", [row(1)])
    second = write(tmp_path / "b.parquet", [row(1), row(2)])
    with pytest.raises(RunsError, match=r"b\.parquet: run 1, .* stands in .*a\.parquet already"):
        read([first, second])


def test_of_many_bad_rows_the_first_are_told(tmp_path: Path) -> None:
    with pytest.raises(RunsError) as error:
        runs_of(tmp_path, [row(seed, ended="gone") for seed in range(40)])
    lines = str(error.value).splitlines()
    assert len(lines) == 11
    assert lines[-1] == "and 30 more such runs"


def no_file(folder: Path) -> Path:
    return folder / "none"


def no_parquet(folder: Path) -> Path:
    (folder / "a.parquet").write_text("id,campaign\n", encoding="utf-8")
    return folder / "a.parquet"


def cut_off(folder: Path) -> Path:
    path = write(folder / "a.parquet", [row(seed) for seed in range(50)])
    path.write_bytes(path.read_bytes()[:-200])
    return path


def damaged(folder: Path) -> Path:
    path = write(folder / "a.parquet", [row(seed) for seed in range(50)])
    data = bytearray(path.read_bytes())
    data[4:2000] = bytes(1996)
    path.write_bytes(data)
    return path


def no_rows(folder: Path) -> Path:
    return write(folder / "a.parquet", [])


def no_column(folder: Path) -> Path:
    pq.write_table(pa.Table.from_pylist([row()], SCHEMA).drop_columns(["robustness", "ok"]), folder / "a.parquet")
    return folder / "a.parquet"


def another_kind(folder: Path) -> Path:
    table = pa.Table.from_pylist([row()], SCHEMA)
    at = table.schema.get_field_index("violations")
    pq.write_table(table.set_column(at, "violations", pa.array(["many"])), folder / "a.parquet")
    return folder / "a.parquet"


def holes(folder: Path) -> Path:
    table = pa.Table.from_pylist([row()], SCHEMA)
    at = table.schema.get_field_index("seed")
    pq.write_table(table.set_column(at, "seed", pa.array([None], pa.int64())), folder / "a.parquet")
    return folder / "a.parquet"


def empty_directory(folder: Path) -> Path:
    return folder


def not_played_to_its_end(folder: Path) -> Path:
    (folder / "plan.json").write_text("{}", encoding="utf-8")
    return folder


def plan_is_broken(folder: Path) -> Path:
    (folder / "plan.json").write_text("{", encoding="utf-8")
    return write(folder / "runs.parquet", [row()])


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (no_file, "does not exist: give a table runs.parquet, or the directory"),
        (no_parquet, "can not be read as Parquet"),
        (cut_off, "or was cut off"),
        (damaged, "can not be read as Parquet"),
        (no_rows, "an empty campaign says nothing"),
        (no_column, "lacks the columns ok, robustness"),
        (another_kind, "columns are of another kind"),
        (holes, "seed"),
        (empty_directory, "it is no directory of a campaign"),
        (not_played_to_its_end, "the command that began it resumes it"),
        (plan_is_broken, "plan.json can not be read"),
    ],
)
def test_a_file_that_is_no_table_of_runs_is_named_with_its_cure(tmp_path: Path, made: Any, says: str) -> None:
    with pytest.raises(RunsError) as error:
        read([made(tmp_path)])
    assert says in str(error.value)
