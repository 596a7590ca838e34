"""The driver that the configuration names: one of the product's, or a third party's by entry point."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import msgspec

from safety_supervisor.config.codes import ConfigurationCode
from safety_supervisor.config.estop_package import GROUP, DriverMissing, find_driver
from safety_supervisor.config.problems import ConfigurationError, ConfigurationProblem
from safety_supervisor.core.errors import CODE_OF, Code
from safety_supervisor.core.estop_input import EstopInput
from safety_supervisor.core.estop_settings import EstopSettings, Integrity
from safety_supervisor.core.units import Nanoseconds
from safety_supervisor.estop.byte import Byte
from safety_supervisor.estop.driver import Driver, EstopNotice
from safety_supervisor.estop.link import FrameV1
from safety_supervisor.estop.modem_lines import ModemLines
from safety_supervisor.estop.vsc import Vsc

_BUILT_IN: Final[Mapping[str, Callable[[EstopSettings], Driver]]] = {
    "frame_v1": FrameV1,
    "modem_lines": ModemLines,
    "byte": Byte,
    "vsc": Vsc,
}
MOST_SENT: Final = 2048
MOST_NOTICES: Final = 32
MOST_TEXT: Final = 500
MOST_FAULT: Final = 64
MOST_COUNTERS: Final = 64
LARGEST: Final = 1 << 63
_METHODS: Final = ("opened", "closed", "receive", "contacts", "cycle", "sample", "notices")


class ThirdParty:
    """A third party's driver: what it returns is judged by its types, and is `low` unless it may be more.

    Its methods raise what the driver raises, and TypeError or ValueError for what is no word, no bytes, no notices.
    """

    def __init__(self, driver: Driver, integrity: Integrity) -> None:
        """Wrap a driver.

        Args:
            driver: of a third party.
            integrity: `low`: its word is of low integrity, whatever it says itself.
        """
        self._driver = driver
        self._low = integrity == "low"

    def opened(self, at: Nanoseconds, seed: int) -> None:
        """Pass on."""
        self._driver.opened(at, seed)

    def closed(self, at: Nanoseconds, why: str) -> None:
        """Pass on."""
        self._driver.closed(at, why)

    def receive(self, data: bytes, at: Nanoseconds) -> None:
        """Pass on."""
        self._driver.receive(data, at)

    def contacts(self, dsr: bool, cts: bool, at: Nanoseconds) -> None:
        """Pass on."""
        self._driver.contacts(dsr, cts, at)

    def cycle(self, at: Nanoseconds, alive: bool, demand_stop: bool, resting: bool) -> bytes:
        """Return the driver's bytes."""
        data: Any = self._driver.cycle(at, alive, demand_stop, resting)
        if type(data) is not bytes or len(data) > MOST_SENT:
            raise TypeError(f"cycle() returned {_shown(data)}; allowed: at most {MOST_SENT} bytes")
        return data

    def sample(self, at: Nanoseconds) -> EstopInput:
        """Return the driver's word: an `EstopInput` whose fields have their types and values."""
        word: Any = self._driver.sample(at)
        if type(word) is not EstopInput:
            raise TypeError(f"sample() returned {_shown(word)}; allowed: an EstopInput")
        # A struct is made without a look at what is in it. Numbers have to fit the log.
        msgspec.convert(msgspec.structs.asdict(word), EstopInput)
        if not (0 <= word.received_at < LARGEST and 0 <= word.resets < LARGEST):
            raise ValueError(f"received_at {word.received_at}, resets {word.resets}; allowed: 0 to {LARGEST - 1}")
        if word.fault not in CODE_OF and not _is_short(word.fault, MOST_FAULT):
            raise ValueError(f"fault {_ascii(word.fault)[:MOST_FAULT]}; allowed: a code, or {MOST_FAULT} letters")
        return msgspec.structs.replace(word, integrity="low") if self._low and word.integrity != "low" else word

    def notices(self) -> list[EstopNotice]:
        """Return the driver's notices, the newest ones where there are too many, their texts cut and escaped."""
        notices: Any = self._driver.notices()
        if type(notices) is not list or not all(_is_notice(notice) for notice in notices[-MOST_NOTICES:]):
            raise TypeError(f"notices() returned {_shown(notices)}; allowed: a list of sound EstopNotice")
        return [replace(notice, detail=_ascii(notice.detail)) for notice in notices[-MOST_NOTICES:]]

    @property
    def statistics(self) -> Mapping[str, int]:
        """Return the driver's counters; empty when they are none. They serve people, so they are never a fault."""
        try:
            counters = dict(self._driver.statistics)
        except Exception:  # whatever a stranger's code does, the status has to be told
            return {}
        good = len(counters) <= MOST_COUNTERS and all(
            type(name) is str and _is_short(name, MOST_FAULT) and type(count) is int and -LARGEST <= count < LARGEST
            for name, count in counters.items()
        )
        return counters if good else {}


def describe(error: BaseException) -> str:
    """Return kind and text of a stranger's exception in printable ASCII, whatever its text does."""
    try:
        return _ascii(f"{type(error).__name__}: {str(error)[:200]}")
    except BaseException:
        return f"{_ascii(type(error).__name__)}, whose text can not be made"


def make_driver(settings: EstopSettings) -> Driver:
    """Return the driver of the settings.

    Args:
        settings: of the e-stop, with a line; a third party's driver is taken from exactly the distribution `package`.

    Raises:
        ConfigurationError: E_CONFIG_DRIVER: the distribution or its entry point is missing, can not be imported, or
            gives no driver. The text says what to do.
        ValueError: the settings have no line.
    """
    if settings.line is None:
        raise ValueError(f"estop.driver {settings.driver} has no line")
    built_in = _BUILT_IN.get(settings.driver)
    if built_in is not None:
        return built_in(settings)
    try:
        entry = find_driver(settings.driver, settings.package)
    except DriverMissing as missing:
        raise _refused(missing.path, missing.seen, missing.cure) from None
    where = f"{settings.driver} of {settings.package}"
    cure = "Ask its author, or choose another driver."
    try:
        driver: Any = entry.load()(settings)
    except (Exception, SystemExit, GeneratorExit) as error:  # a stranger's code; the start has to say whose it was
        raise _refused("estop.driver", f"{where} failed: {describe(error)}", cure) from error
    lacking = [name for name in _METHODS if not callable(getattr(driver, name, None))]
    if not hasattr(type(driver), "statistics") and not hasattr(driver, "statistics"):
        lacking.append("statistics")
    if lacking:
        raise _refused("estop.driver", f"{where} is no driver: {', '.join(lacking)} is missing (group {GROUP})", cure)
    return ThirdParty(driver, settings.integrity)


def _is_notice(notice: object) -> bool:
    return (
        type(notice) is EstopNotice
        and type(notice.code) is Code
        and type(notice.at) is int
        and 0 <= notice.at < LARGEST
        and type(notice.detail) is str
    )


def _is_short(text: str, most: int) -> bool:
    return len(text) <= most and text.isascii() and text.isprintable()


def _ascii(text: str) -> str:
    """Return at most `MOST_TEXT` letters in printable ASCII."""
    cut = text[:MOST_TEXT]
    return cut if _is_short(cut, MOST_TEXT) else ascii(cut)[1:-1][:MOST_TEXT]


def _shown(value: object) -> str:
    return f"{type(value).__name__} of {len(value)} bytes" if isinstance(value, bytes) else type(value).__name__


def _refused(path: str, message: str, cure: str) -> ConfigurationError:
    return ConfigurationError("configuration", (ConfigurationProblem(path, ConfigurationCode.DRIVER, message, cure),))
