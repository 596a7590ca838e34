"""Colours of zones, red, green, blue and how solid, 0 to 1: the same for RViz and for Foxglove."""

from __future__ import annotations

from typing import Final, TypeAlias

from safety_supervisor.core.settings import ZoneKind

Colour: TypeAlias = tuple[float, float, float, float]
ZONES: Final[dict[ZoneKind, Colour]] = {
    ZoneKind.KEEP_IN: (0.2, 0.5, 0.95, 0.05),
    ZoneKind.KEEP_OUT: (0.9, 0.15, 0.15, 0.25),
    ZoneKind.RESTRICTED: (0.7, 0.25, 0.85, 0.25),
    ZoneKind.SPEED: (0.95, 0.7, 0.1, 0.15),
}
