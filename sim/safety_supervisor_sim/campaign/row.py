"""What came of one run: a row of the campaign's table, in Parquet."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

SCHEMA: Final = pa.schema(
    [
        # What was run: the fields of `Case`, by which it can be run again.
        pa.field("id", pa.string(), nullable=False),
        pa.field("campaign", pa.string(), nullable=False),
        pa.field("scenario", pa.string(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("parameters", pa.string(), nullable=False),
        pa.field("seed", pa.int64(), nullable=False),
        pa.field("subject", pa.string(), nullable=False),
        pa.field("disabled", pa.string(), nullable=False),
        pa.field("robot", pa.string(), nullable=False),
        pa.field("rows", pa.list_(pa.int64()), nullable=False),  # of REDTEAM
        pa.field("requirements", pa.list_(pa.string()), nullable=False),
        # How it ended: "done", or "hung", "died", "unplayable", "failed": never a pass.
        pa.field("ended", pa.string(), nullable=False),
        pa.field("problem", pa.string(), nullable=False),
        # What the judge says; `ok` is true only of a run that is done.
        pa.field("ok", pa.bool_(), nullable=False),
        pa.field("reasons", pa.list_(pa.string()), nullable=False),
        pa.field("not_as_expected", pa.list_(pa.string()), nullable=False),  # acts
        pa.field("left_out", pa.list_(pa.string()), nullable=False),
        # What the oracle saw: never the supervisor's word.
        pa.field("violations", pa.int64(), nullable=False),
        pa.field("violated", pa.list_(pa.string()), nullable=False),  # "velocity panda_joint1 -0.0123 in ACT"
        pa.field("margins", pa.map_(pa.string(), pa.float64()), nullable=False),  # least of each kind, its own unit
        pa.field("robustness", pa.float64(), nullable=False),  # least margin over its limit's scale; below 0: violated
        pa.field("distance_people", pa.float64()),  # [m]
        pa.field("distance_obstacles", pa.float64()),  # [m]
        pa.field(
            "rest_after", pa.list_(pa.float64()), nullable=False
        ),  # of each act that was stopped after a fault, [s]
        # What the supervisor cost.
        pa.field("good_motions", pa.int64(), nullable=False),  # acts that a good supervisor lets pass
        pa.field("false_stops", pa.int64(), nullable=False),  # of them, those that were stopped or refused
        pa.field("task_time", pa.float64()),  # of the good motions, [s]
        pa.field("verdicts", pa.map_(pa.string(), pa.int64()), nullable=False),  # "PASS", "REJECT E_RATE": how many
        # By what, and how long.
        pa.field("effects_sha256", pa.string(), nullable=False),
        pa.field("simulated", pa.float64(), nullable=False),  # [s]
        pa.field("processor", pa.float64(), nullable=False),  # [s]
        pa.field(
            "versions", pa.string(), nullable=False
        ),  # JSON: package, python, numpy, pybullet, configuration_sha256
        pa.field("worker", pa.string(), nullable=False),
        pa.field("cycle_cpu", pa.float64()),  # median of cycles in which the robot moves, [s]; null: not measured
    ]
)
"""Columns of `runs.parquet`; a new one may be added at the end, none changes its meaning."""
