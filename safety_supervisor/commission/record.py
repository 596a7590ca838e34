"""The record of a commissioning: what was measured, of which robot, with which verdict."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from safety_supervisor.commission.plan import Plan, lacking
from safety_supervisor.commission.recording import Series
from safety_supervisor.commission.session import Outcome
from safety_supervisor.core.settings import Configuration
from safety_supervisor.evidence.software import software_versions
from safety_supervisor.tokens.commissioning_record import INCOMPLETE, TOO_KIND, VERSION, WITHIN

_SHOWN = 0.5
"""Of a series, before the request, that is kept, [s]."""


def make_record(
    configuration: Configuration, source: str, plan: Plan, outcomes: Sequence[Outcome], made: int, by: str
) -> dict[str, Any]:
    """Return the record as plain values.

    Args:
        configuration: of the robot.
        source: by which it was moved.
        plan: what was to be measured.
        outcomes: what came of it, as far as it went.
        made: wall clock, [s].
        by: who measured; empty: nobody said.
    """
    findings = [finding for outcome in outcomes for finding in outcome.findings]
    measured = [outcome.stop for outcome in outcomes if outcome.figures is not None]
    missing = [f"{one.stop.what}, pose {one.stop.pose}: {one.missed}" for one in outcomes if one.missed]
    if not findings and len(outcomes) < len(plan.stops):
        missing.append(f"{len(plan.stops) - len(outcomes)} stops were not begun")
    missing += lacking(configuration, measured, len({stop.pose for stop in measured}))
    return {
        "version": VERSION,
        "robot": configuration.robot.id,
        "made": made,
        "by": by,
        "verdict": TOO_KIND if findings else INCOMPLETE if missing else WITHIN,
        "commissioned_sha256": configuration.commissioned_sha256,
        "configuration_sha256": configuration.sha256,
        "urdf_sha256": configuration.robot.urdf_sha256,
        "simulated": configuration.simulated,
        "source": source,
        "software": software_versions(),
        "joints": list(configuration.robot.joints),
        "findings": [{**_plain(finding._asdict()), "words": finding.words} for finding in findings],
        "missing": missing,
        "skipped": list(plan.skipped),
        "poses": [_numbers(pose) for pose in plan.poses],
        "stops": [_stop(outcome) for outcome in outcomes],
    }


def encode(record: dict[str, Any]) -> bytes:
    """Return the bytes of the file: what is signed."""
    return (json.dumps(record, indent=1, allow_nan=False) + "\n").encode("ascii")


def _stop(outcome: Outcome) -> dict[str, Any]:
    stop, figures = outcome.stop, outcome.figures
    told: dict[str, Any] = {
        "pose": stop.pose,
        "what": stop.what,
        "fraction": stop.fraction,
        "cruise": _numbers(stop.cruise),
        "model": {"time": _number(stop.expected.time), "travel": _numbers(stop.expected.ways)},
        "verdict": "not measured" if outcome.missed else TOO_KIND if outcome.findings else WITHIN,
    }
    if outcome.missed:
        told["missed"] = outcome.missed
    if figures is not None:
        told["measured"] = {
            name: _numbers(value) if isinstance(value, np.ndarray) else _number(value)
            for name, value in vars(figures).items()
        }
    if outcome.recording is not None:
        recording = outcome.recording
        told["series"] = {
            name: _series(series, recording.requested, recording.moving)
            for name, series in (("measured", recording.measured), ("commanded", recording.commanded))
        }
    return told


def _series(series: Series, requested: float, moving: list[int]) -> dict[str, Any]:
    kept = series.between(requested - _SHOWN, math.inf)
    return {
        "times": [round(float(time - requested), 5) for time in kept.times],
        "positions": [[round(float(row[index]), 6) for index in moving] for row in kept.positions],
    }


def _plain(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: _number(value) if isinstance(value, float) else value for name, value in fields.items()}


def _number(value: float) -> float | None:
    """Return a number that JSON has; None where it is not known, or without end."""
    return round(float(value), 6) if math.isfinite(value) else None


def _numbers(values: np.ndarray) -> list[float | None]:
    return [_number(value) for value in values.tolist()]
