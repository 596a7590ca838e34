"""One run of a campaign: everything that determines it, as plain values, so that it goes to any process and machine."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Case:
    """One run.

    Attributes:
        campaign: name of the campaign that drew it.
        scenario: name of the file it was drawn from.
        text: the scenario that is played, parameters laid into it, as JSON: a mapping as `scenario/file.py` reads it.
        parameters: what was varied, name to value, as JSON.
        seed: of everything that the run draws.
        subject: who stands before the motors: `supervisor`, or a comparator (`pass_through`, `clamp`, `pink`).
        disabled: a check of the supervisor that is off, by its name in the registry of mutants; "" is none.
    """

    campaign: str
    scenario: str
    text: str
    parameters: str = "{}"
    seed: int = 1
    subject: str = "supervisor"
    disabled: str = ""

    @property
    def id(self) -> str:
        """What names it: the hash of all that determines it, 16 hex digits."""
        told = json.dumps(asdict(self), sort_keys=True).encode()
        return hashlib.sha256(told).hexdigest()[:16]

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON-ready data."""
        return asdict(self)
