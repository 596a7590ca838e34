"""Keys of the section `commissioning`: the record of the robot's measured stops."""

from __future__ import annotations

from pathlib import Path

from safety_supervisor.config.keys import Section, key
from safety_supervisor.core.commissioning_settings import CommissioningSettings


class CommissioningKeys(Section):
    """The record of measured stops, and whether the robot is armed without one: docs/commissioning.md.

    The record is bound to the rest of this file, whatever its layout and comments, and to the URDF. This section alone
    is left out: a record that names a hash could not stand in what is hashed.
    """

    record: str = key(
        "file that `safety-supervisor commission` wrote, its signature beside it; relative to this file",
        min_length=1,
        max_length=1024,
    )
    required: bool = key(
        "whether a reset is refused (`E_COMMISSION`) without a record that counts: signed by a technician or a "
        "safety officer of `operators.people`, of this robot as it is configured here, whole, not too old, "
        "and with no stop that is worse than the model",
        "",
        False,
    )
    valid_days: int = key("for how long a record counts, by the wall clock", "days", 365, ge=1, le=3650)


def freeze_commissioning(keys: CommissioningKeys | None, directory: Path) -> CommissioningSettings | None:
    """Return the settings of a checked section; the record is looked for from `directory`."""
    if keys is None:
        return None
    record = str((directory / Path(keys.record).expanduser()).absolute())
    return CommissioningSettings(record, keys.required, keys.valid_days)
