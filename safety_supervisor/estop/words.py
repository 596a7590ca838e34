"""What the bytes of a STATUS mean, in the words of `EstopInput`."""

from __future__ import annotations

from typing import Final, Literal

from safety_supervisor.estop.frames import RUN_A, RUN_B, STOP_A, STOP_B, Flag, Frame, Input

_CHANNEL_A: Final = {RUN_A: True, STOP_A: False}
_CHANNEL_B: Final = {RUN_B: True, STOP_B: False}
_BOTH: Final = Input.ENABLING_MIDDLE | Input.ENABLING_PANICKED


def channels(frame: Frame) -> tuple[bool | None, bool | None]:
    """Return channels A and B: True is RUN, False STOP, None a value that does not exist."""
    return _CHANNEL_A.get(frame.channel_a), _CHANNEL_B.get(frame.channel_b)


def impossible(frame: Frame) -> str:
    """Return the values when one of them can not be, mostly an empty string."""
    a, b = channels(frame)
    if a is not None and b is not None and frame.inputs & _BOTH != _BOTH:
        return ""
    return f"channel A {frame.channel_a:02x}, B {frame.channel_b:02x}, inputs {frame.inputs:02x}"


def mode_key(inputs: int) -> Literal["manual", "auto"]:
    """Return where the mode key stands."""
    return "auto" if inputs & Input.MODE_AUTO else "manual"


def enabling_switch(inputs: int) -> Literal["released", "middle", "panicked"]:
    """Return the enabling switch; both bits are panicked here, and a fault elsewhere."""
    if inputs & Input.ENABLING_PANICKED:
        return "panicked"
    return "middle" if inputs & Input.ENABLING_MIDDLE else "released"


def relays(flags: int) -> Literal["open", "closed"]:
    """Return the relays of a device that has some."""
    return "open" if flags & Flag.RELAYS_OPEN else "closed"
