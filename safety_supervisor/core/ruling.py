"""The verdict on one command, on its way to the record and to the state."""

from __future__ import annotations

from dataclasses import dataclass

from safety_supervisor.core.effects import Verdict
from safety_supervisor.core.errors import Violation


@dataclass(frozen=True, slots=True)
class Ruling:
    """The verdict on one command.

    Attributes:
        source: who asked.
        command: correlation id.
        verdict: as in `Decision`.
        violation: why not; None for PASS.
        code: of a PASS that needs one, such as a cancellation.
        began: whether motion begins with it.
        count: commands that it stands for.
        repeated: whether it is an earlier ruling, given again to the same idempotency key.
        foldable: whether its sender waits for no answer of its own, so that equal ones may be told as one.
        detail: one sentence for people, of a PASS that needs one.
        intervention: id under which people know of it; empty: they do not.
    """

    source: str
    command: str
    verdict: Verdict
    violation: Violation | None = None
    code: str = ""
    began: bool = False
    count: int = 1
    repeated: bool = False
    foldable: bool = False
    detail: str = ""
    intervention: str = ""
