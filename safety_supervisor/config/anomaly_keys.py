"""Keys of the watch of a source's behaviour."""

from __future__ import annotations

from safety_supervisor.config.keys import Section, key


class AnomalyKeys(Section):
    """How a source's behaviour is watched: docs/anomaly.md."""

    baseline: str = key(
        "file that `safety-supervisor anomaly baseline` wrote; a path relative to this one",
        min_length=1,
        max_length=1024,
    )
    sha256: str = key("SHA-256 of that file's bytes, 64 hexadecimal digits; any other file is refused")
    stop_at: float | None = key(
        "score that cuts the source off: what it moves runs the kept stop; 1 is an alarm; null: it is only told",
        "1",
        3.0,
        ge=1.0,
        le=50.0,
    )
