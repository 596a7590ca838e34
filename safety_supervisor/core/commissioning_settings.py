"""Whether the robot has to have been measured against its model before it is armed; the node judges the record."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CommissioningSettings:
    """The section `commissioning`."""

    record: str
    """File that `safety-supervisor commission` wrote, absolute; its signature lies beside it."""
    required: bool
    """Whether the robot is not armed without a record that counts."""
    valid_days: int
    """For how long a record counts."""
