"""Keys of the section `metrics`: where numbers are asked for, and where traces are sent."""

from __future__ import annotations

from typing import Annotated

from pydantic import StringConstraints

from safety_supervisor.config.keys import HOST, URL, Section, key
from safety_supervisor.core.metrics_settings import MetricsSettings


class MetricsKeys(Section):
    """Of `safety-supervisor metrics`, whose options win over it; the node reads none: docs/metrics.md."""

    host: Annotated[str, StringConstraints(pattern=HOST)] = key(
        "address to listen on; whoever reaches it reads all numbers, so leave it on this machine or on a network of "
        "your own",
        "",
        "127.0.0.1",
    )
    port: int = key("port to listen on", "", 9464, ge=1, le=65535)
    otlp: Annotated[str, StringConstraints(pattern=URL)] | None = key(
        "URL of an OpenTelemetry collector, OTLP over HTTP, such as http://127.0.0.1:4318/v1/traces; null: no traces",
        "",
        None,
    )
    share: float = key(
        "of the verdicts on commands without a trace context, so many are traced; those with one say themselves",
        "1",
        0.0,
        ge=0.0,
        le=1.0,
    )


def freeze_metrics(keys: MetricsKeys | None) -> MetricsSettings:
    """Return the settings of a checked section."""
    return MetricsSettings() if keys is None else MetricsSettings(keys.host, keys.port, keys.otlp or "", keys.share)
