"""The directory of a campaign: its plan, and rows in parts that are written whole or not at all."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from safety_supervisor_sim.campaign.case import Case
from safety_supervisor_sim.campaign.row import SCHEMA

PLAN: Final = "plan.json"
PARTS: Final = "parts"
RUNS: Final = "runs.parquet"
EVERY: Final = 10.0
"""A part is written at least so often, [s]: what a killed campaign loses."""
MOST: Final = 200
"""Rows of a part."""


class AnotherPlanError(ValueError):
    """The directory holds another campaign, or another process writes to it."""


class Store:
    """Open a campaign's directory; make it when it is not there.

    Args:
        out: the directory.
        cases: all of the plan.
        told: what else the plan says, ready for JSON.

    Attributes:
        done: ids of the cases that have a row.

    Raises:
        AnotherPlanError: it holds another plan, files of somebody else, or another process writes to it.
        OSError: it can not be written.
    """

    def __init__(self, out: Path, cases: Sequence[Case], told: dict[str, Any]) -> None:
        self.out = out
        self._cases = cases
        digest = hashlib.sha256("\n".join(case.id for case in cases).encode()).hexdigest()
        (out / PARTS).mkdir(parents=True, exist_ok=True)
        self._lock = self._take_lock()
        plan = {"cases": len(cases), "sha256": digest, **told}
        path = out / PLAN
        if path.is_file():
            known = json.loads(path.read_text(encoding="utf-8"))
            if known.get("sha256") != digest:
                raise AnotherPlanError(
                    f"{out} holds another plan: {_shown(known)}; this one is {_shown(plan)}. "
                    "Give the same files, --runs and --seed, or another --out."
                )
        elif any((out / PARTS).iterdir()):
            raise AnotherPlanError(f"{out} holds runs without a plan.json. Give another --out.")
        else:
            _write(path, json.dumps(plan, indent=1, sort_keys=True).encode())
        self.done = set(rows_in(out, ["id"]).column("id").to_pylist())
        self._rows: list[dict[str, Any]] = []
        self._written = time.monotonic()

    def _take_lock(self) -> IO[str]:
        lock = (self.out / "lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise AnotherPlanError(
                f"another process writes to {self.out}. Wait for it, or give another --out."
            ) from None
        return lock

    @property
    def missing(self) -> list[Case]:
        """Cases that have no row yet."""
        return [case for case in self._cases if case.id not in self.done]

    def add(self, row: dict[str, Any]) -> None:
        """Keep a row; it is on disk `EVERY` seconds later, or with `flush`."""
        self._rows.append(row)
        self.done.add(row["id"])
        if len(self._rows) >= MOST or time.monotonic() - self._written >= EVERY:
            self.flush()

    def flush(self) -> None:
        """Write what is kept as a part of its own."""
        self._written = time.monotonic()
        if not self._rows:
            return
        table = pa.Table.from_pylist(self._rows, SCHEMA)
        _write_table(self.out / PARTS / f"{self._rows[0]['id']}.parquet", table)
        self._rows = []

    def merge(self) -> pa.Table:
        """Write all parts as one table, in the order of the plan, and return it."""
        self.flush()
        table = rows_in(self.out)
        order = {case.id: number for number, case in enumerate(self._cases)}
        ids = table.column("id").to_pylist()
        first = {one: number for number, one in reversed(list(enumerate(ids)))}
        table = table.take([first[one] for one in sorted(first, key=lambda one: order.get(one, len(order)))])
        _write_table(self.out / RUNS, table)
        return table

    def close(self) -> None:
        """Write what is kept, and let others write."""
        try:
            self.flush()
        finally:
            self._lock.close()


def rows_in(out: Path, columns: list[str] | None = None) -> pa.Table:
    """Return all rows of a campaign's parts.

    Raises:
        pa.ArrowInvalid, OSError: a part can not be read.
    """
    parts = sorted((out / PARTS).glob("*.parquet"))
    if not parts:
        return SCHEMA.empty_table().select(columns) if columns else SCHEMA.empty_table()
    return pa.concat_tables([pq.read_table(part, columns=columns, schema=SCHEMA) for part in parts])


def _shown(plan: dict[str, Any]) -> str:
    names = ", ".join(plan.get("campaigns", []))
    return f"{names or 'unnamed'}, {plan.get('cases')} cases, {str(plan.get('sha256'))[:12]}"


def _write_table(path: Path, table: pa.Table) -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    _write(path, sink.getvalue().to_pybytes())


def _write(path: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with beside.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
