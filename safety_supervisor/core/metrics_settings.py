"""Where numbers are asked for, as the configuration says; read by the process of the metrics alone."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class MetricsSettings:
    """Where it listens, and where traces go."""

    host: str = "127.0.0.1"
    port: int = 9464
    otlp: str = ""
    """URL; empty: no traces."""
    share: float = 0.0
    """Of verdicts without a trace context that are traced, 0 to 1."""
