"""Proof that the decision log beside a recording was not changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from safety_supervisor.evidence.decisions.files import file_robot, segments
from safety_supervisor.evidence.decisions.verify import Verifier
from safety_supervisor.export.page import Verdict

TITLE: Final = "Chain of the decision log"


def chain_proof(directory: Path, robot: str) -> tuple[Verdict, dict[str, Any]]:
    """Verify the decision log of a robot.

    Args:
        directory: of the logs.
        robot: `robot.id`.

    Returns:
        The card, and what was found for programs.
    """
    name = file_robot(robot)
    if not segments(directory, name):
        words = "There is no decision log beside this recording."
        return Verdict(TITLE, "warn", "not there", words), {"verified": None}
    report = Verifier(directory, name).verify()
    found = {
        "verified": report.broken is None,
        "records": report.records,
        "last": report.last,
        "last_sha256": report.last_sha256,
        "signed": report.signed,
        "root": report.root,
        "complete_to": report.complete_to,
    }
    if report.broken is not None:
        broken = report.broken
        words = f"{broken.file}, line {broken.line}: {broken.detail}. Proven up to number {broken.proven}."
        return Verdict(TITLE, "bad", f"BROKEN: {broken.reason}", words), found | {"reason": broken.reason}
    words = (
        f"{report.records} records, the last signature proves number {report.signed}; log verify --heads with heads "
        "that were kept elsewhere tells whether the end is missing."
    )
    return Verdict(TITLE, "good", "unbroken, completeness unknown", words), found
