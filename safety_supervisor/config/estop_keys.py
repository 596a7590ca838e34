"""Keys of the section `estop`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from safety_supervisor.config.keys import PORT, Name, Section, key

PortName = Annotated[str, StringConstraints(pattern=PORT)]
Address = Annotated[int, Field(ge=1, le=65535)]
Package = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]


class EstopKeys(Section):
    """The e-stop. [E-stop](estop.md) tells of devices, wiring and drivers."""

    driver: Name = key(
        "`frame_v1`, `modem_lines`, `byte`, `vsc`: a device on a serial line; `simulated`: topic `~/simulated_estop`, "
        "in simulation only; `none`: no device; any other name: a driver of `package`"
    )
    none: Literal["I accept"] | None = key("these words are mandatory with `driver: none`", "", None)
    port: PortName | None = key(
        "device file of the serial line; take the name below `/dev/serial/by-id/`, which stays the same", "", None
    )
    baud: int = key("speed of the line", "Bd", 115200, ge=9600, le=4_000_000)
    host: Address = key("our id on the line", "", 1)
    device: Address = key("the device's id, another one", "", 2)
    relay_delay: float = key(
        "from the device's decision to open its relays until they open (SS1-t): longer than the longest stop", "s", 0.3,
        ge=0.0, le=10.0,
    )  # fmt: skip
    relay_effect: Literal["sto", "damping", "none"] = key(
        "what the opened relays do to the motors; `none`: the device has no relays", "", "sto"
    )
    self_test_every: float | None = key(
        "time between self-tests, at standstill only; null: one at the begin of each session", "s", None,
        ge=60.0, le=86_400.0,
    )  # fmt: skip
    package: Package | None = key(
        "distribution that a third party's driver comes from (entry point `safety_supervisor.estop_drivers`); no other "
        "is loaded", "", None,
    )  # fmt: skip
    integrity: Literal["high", "low"] | None = key(
        "of a third party's driver alone, null: `low`. `low`: its stop counts, but its release and its reset button do "
        "not suffice: a person's reset must follow", "", None,
    )  # fmt: skip
