"""The word of the e-stop device, as every control cycle sees it."""

from __future__ import annotations

from typing import Literal

import msgspec


class EstopInput(msgspec.Struct, frozen=True, gc=False):
    """The newest word of the e-stop device, sampled into each `Tick` so that replay sees it."""

    state: Literal["run", "stop", "unknown"]
    enabling_switch: Literal["none", "released", "middle", "panicked"] = "none"
    mode_key: Literal["none", "manual", "auto"] = "none"
    integrity: Literal["high", "low"] = "low"
    received_at: int = 0
    """Steady clock, [ns]; 0 when nothing was ever received."""
    fault: str = ""
    """Code of a fault of device or line, with `state` unknown; empty: none, or it was not heard."""
    relays: Literal["none", "open", "closed"] = "none"
    """The device's relays in the motors' power; `none`: it has none, or it was not heard."""
    resets: int = 0
    """Presses of the device's own reset button since the boot, each long and short enough, and released."""
