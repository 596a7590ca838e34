"""The directory of a campaign: nothing lost, nothing twice, no other plan in it."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from safety_supervisor_sim.campaign.case import Case
from safety_supervisor_sim.campaign.play import blank
from safety_supervisor_sim.campaign.row import SCHEMA
from safety_supervisor_sim.campaign.store import PARTS, RUNS, AnotherPlanError, Store
from safety_supervisor_sim.campaign.table import summarise

CASES = [Case("test", f"number_{number}", "{}", seed=number) for number in range(5)]


def test_what_is_there_is_not_played_again(tmp_path: Path) -> None:
    first = Store(tmp_path, CASES, {})
    assert first.missing == CASES
    first.add(blank(CASES[3], "done"))
    first.close()
    again = Store(tmp_path, CASES, {})
    assert again.missing == [CASES[0], CASES[1], CASES[2], CASES[4]]
    for one in again.missing:
        again.add(blank(one, "done"))
    table = again.merge()
    again.close()
    assert table.column("id").to_pylist() == [one.id for one in CASES]
    assert pq.read_table(tmp_path / RUNS).schema.equals(SCHEMA)


def test_a_row_that_was_written_twice_counts_once(tmp_path: Path) -> None:
    for _ in range(2):
        store = Store(tmp_path, CASES, {})
        store.add(blank(CASES[0], "done"))
        store.add(blank(CASES[1], "done"))
        store.flush()
        (tmp_path / PARTS / f"{CASES[0].id}.parquet").rename(
            tmp_path / PARTS / f"{store.out.stat().st_mtime_ns}.parquet"
        )
        store.close()
    store = Store(tmp_path, CASES, {})
    assert store.merge().num_rows == 2
    store.close()


def test_a_part_that_was_not_written_whole_is_no_part(tmp_path: Path) -> None:
    Store(tmp_path, CASES, {}).close()
    (tmp_path / PARTS / ".0123.parquet.77").write_bytes(b"PAR1 half of it")
    store = Store(tmp_path, CASES, {})
    assert store.missing == CASES
    store.close()


def test_another_plan_in_the_same_directory_is_refused(tmp_path: Path) -> None:
    Store(tmp_path, CASES, {"campaigns": ["first"]}).close()
    with pytest.raises(AnotherPlanError, match=r"holds another plan: first, 5 cases.*--out"):
        Store(tmp_path, CASES[:4], {"campaigns": ["second"]})


def test_two_processes_do_not_write_to_one_directory(tmp_path: Path) -> None:
    store = Store(tmp_path, CASES, {})
    with pytest.raises(AnotherPlanError, match="another process writes"):
        Store(tmp_path, CASES, {})
    store.close()
    Store(tmp_path, CASES, {}).close()


@pytest.mark.parametrize("ended", ["hung", "died", "failed", "unplayable"])
def test_what_was_not_played_to_its_end_is_no_pass(tmp_path: Path, ended: str) -> None:
    store = Store(tmp_path, CASES, {})
    for one in CASES[:4]:
        store.add(blank(one, "done") | {"ok": True})
    assert not summarise(store.merge(), len(CASES))["ok"]
    store.add(blank(CASES[4], ended))
    told = summarise(store.merge(), len(CASES))
    store.close()
    assert not told["ok"]
    assert (told["done"], told["ended"][ended]) == (4, 1)
