"""What the keys of `estop` demand of each other, and the settings that they make."""

from __future__ import annotations

from safety_supervisor.config.codes import ConfigurationCode as Code
from safety_supervisor.config.estop_keys import EstopKeys
from safety_supervisor.config.estop_package import DriverMissing, find_driver
from safety_supervisor.config.problems import Problems
from safety_supervisor.config.sections import Sections
from safety_supervisor.core.estop_settings import BUILT_IN, NO_DEVICE, SIMULATED, EstopLine, EstopSettings
from safety_supervisor.core.units import nanoseconds

_OF_A_LINE = ("port", "baud", "host", "device", "relay_delay", "relay_effect", "self_test_every")
_OF_FRAMES = ("host", "device", "self_test_every")


def check_estop(sections: Sections, problems: Problems) -> None:
    """Add what is wrong with the section `estop`."""
    keys, malformed = sections.estop, sections.estop_malformed
    if keys is None:
        return
    if keys.host == keys.device and not malformed & {"host", "device"}:
        problems.add("estop.device", Code.VALUE, f"is {keys.device}, as is `host`", "Give the two ends different ids.")
    if "driver" in malformed:
        return
    written = keys.model_fields_set | malformed
    real = sections.real_output
    if keys.driver == SIMULATED and real is not None:
        problems.add(
            "estop.driver", Code.SIMULATION_ONLY, f"is simulated, but `{real}.simulated` is not",
            "Name the device's driver and its `port`: docs/estop.md; `simulated: true` is for simulators only.",
        )  # fmt: skip
    if keys.driver == NO_DEVICE and keys.none is None and "none" not in malformed:
        problems.add("estop.none", Code.ACCEPT, "is missing", 'Configure a device, or write none: "I accept".')
    if keys.driver != NO_DEVICE and keys.none is not None:
        problems.add("estop.none", Code.ACCEPT, "stands beside a driver", "Remove it.")
    if keys.driver in (NO_DEVICE, SIMULATED):
        for name in sorted(written & {*_OF_A_LINE, "package", "integrity"}):
            problems.add(f"estop.{name}", Code.VALUE, f"stands beside `driver: {keys.driver}`, which has no line",
                         "Remove it, or choose a driver of a device.")  # fmt: skip
        return
    _check_line(keys, malformed, problems)


def _check_line(keys: EstopKeys, malformed: frozenset[str], problems: Problems) -> None:
    written = keys.model_fields_set | malformed
    if keys.port is None and "port" not in malformed:
        problems.add("estop.port", Code.MISSING, f"is missing beside `driver: {keys.driver}`",
                     "Name the device file; `ls /dev/serial/by-id/` shows them.")  # fmt: skip
    if keys.driver not in BUILT_IN:
        if "package" in malformed:
            return
        if keys.package is None:
            known = ", ".join((*BUILT_IN, SIMULATED, NO_DEVICE))
            problems.add("estop.driver", Code.VALUE, f"is {keys.driver}; known: {known}",
                         "Choose one, or name the third party's distribution in `estop.package`.")  # fmt: skip
            return
        try:
            find_driver(keys.driver, keys.package)
        except DriverMissing as missing:
            problems.add(missing.path, Code.DRIVER, missing.seen, missing.cure)
        return
    for name in sorted(written & {"package", "integrity"}):
        if getattr(keys, name) is not None or name in malformed:
            problems.add(f"estop.{name}", Code.VALUE, f"stands beside `driver: {keys.driver}`, one of this product",
                         "Remove it.")  # fmt: skip
    if keys.driver != "frame_v1":
        for name in sorted(written & set(_OF_FRAMES)):
            problems.add(f"estop.{name}", Code.VALUE, f"stands beside `driver: {keys.driver}`, which does not know it",
                         "Remove it.")  # fmt: skip


def freeze_estop(keys: EstopKeys) -> EstopSettings:
    """Return the settings of a checked section."""
    if keys.driver in (NO_DEVICE, SIMULATED):
        return EstopSettings(keys.driver)
    integrity = keys.integrity or ("high" if keys.driver == "frame_v1" else "low")
    assert keys.port is not None, "checked before"
    every = keys.self_test_every
    line = EstopLine(
        port=keys.port,
        baud=keys.baud,
        host=keys.host,
        device=keys.device,
        relay_delay=nanoseconds(keys.relay_delay),
        relay_effect=keys.relay_effect,
        self_test_every=None if every is None else nanoseconds(every),
    )
    return EstopSettings(keys.driver, integrity, line, keys.package)
