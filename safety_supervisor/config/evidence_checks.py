"""Checks of the section `evidence`."""

from __future__ import annotations

from safety_supervisor.config.codes import ConfigurationCode as Code
from safety_supervisor.config.evidence_keys import EvidenceKeys
from safety_supervisor.config.policy_checks import wrong_url
from safety_supervisor.config.problems import Problems, shown
from safety_supervisor.config.sections import Sections
from safety_supervisor.core.evidence_settings import EvidenceSettings, HeadSettings


def check_evidence(sections: Sections, problems: Problems) -> None:
    """Check what the keys of the section demand of each other."""
    keys = sections.evidence
    if keys is None:
        return
    if keys.intervention_days < keys.decision_days:
        problems.add(
            "evidence.intervention_days", Code.VALUE, f"is {keys.intervention_days}, less than `decision_days`",
            "Keep interventions at least as long as decisions.",
        )  # fmt: skip
    if keys.snapshot_every is not None and not keys.record_events:
        problems.add(
            "evidence.snapshot_every", Code.VALUE, "is made of the event log, which `record_events` turns off",
            "Record events, or no snapshots.",
        )  # fmt: skip
    heads = keys.heads
    if heads is None:
        return
    if heads.file is None and heads.url is None and heads.authority is None:
        problems.add("evidence.heads", Code.MISSING, "names no place", "Give `file`, `url` or `authority`.")
    if heads.url is not None and (wrong := wrong_url(heads.url)):
        problems.add(
            "evidence.heads.url", Code.VALUE, f"is {shown(heads.url)}: {wrong}", "Write https to another machine."
        )
    # What an authority says is signed: it may come by http, as most of them are asked.
    if heads.authority is not None and (wrong := wrong_url(heads.authority.replace("http://", "https://", 1))):
        problems.add(
            "evidence.heads.authority", Code.VALUE, f"is {shown(heads.authority)}: {wrong}",
            "Write such as https://timestamp.example.org/tsr.",
        )  # fmt: skip


def freeze_evidence(keys: EvidenceKeys, directory: str) -> EvidenceSettings:
    """Return the settings.

    Args:
        keys: that were checked.
        directory: log directory, absolute.
    """
    heads = keys.heads
    return EvidenceSettings(
        log_directory=directory,
        record_events=keys.record_events,
        keep_bytes=keys.keep_bytes,
        decision_days=keys.decision_days,
        intervention_days=keys.intervention_days,
        snapshot_every=keys.snapshot_every or 0.0,
        heads=None
        if heads is None
        else HeadSettings(heads.file or "", heads.url or "", heads.authority or "", heads.every, heads.stamp_every),
    )
