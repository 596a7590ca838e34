"""Settings of the record: what is kept, where, for how long."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class HeadSettings:
    """Where signed heads of the decision log go; empty: not there."""

    file: str
    url: str
    authority: str
    """URL of a timestamping authority."""
    every: float
    """Shortest time between two heads to the first two, [s]."""
    stamp_every: float
    """Shortest time between two questions to the authority, [s]."""


@dataclass(frozen=True)
class EvidenceSettings:
    """What is kept, and where."""

    log_directory: str
    record_events: bool
    keep_bytes: int
    """For event logs of earlier boots."""
    decision_days: int = 365
    """How long decisions are kept."""
    intervention_days: int = 1826
    """How long interventions, people's acts and versions are."""
    heads: HeadSettings | None = None
    """None: heads are published, and go nowhere else."""
    snapshot_every: float = 0.0
    """Time between two snapshots of the core's state, [s]; 0: none are recorded."""
