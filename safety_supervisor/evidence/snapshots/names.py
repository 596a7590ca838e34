"""Where the snapshots of a boot stand: beside its first segment, under its name."""

from __future__ import annotations

from pathlib import Path

from safety_supervisor.evidence.event_log import SUFFIX as RECORDING

SUFFIX = ".snapshot"


def path_of(recording: Path, events: int) -> Path:
    """Return the name of the snapshot behind so many events of a boot, whose first segment is given."""
    return recording.with_name(f"{recording.name.removesuffix(RECORDING)}.{events:09d}{SUFFIX}")


def snapshots_of(recording: Path) -> list[Path]:
    """Return the snapshots beside a boot's first segment, the latest first."""
    stem = recording.name.removesuffix(RECORDING)
    found = [path for path in recording.parent.glob(f"*{SUFFIX}") if path.name.startswith(f"{stem}.")]
    return sorted(found, reverse=True)
