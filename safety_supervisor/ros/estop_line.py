"""The e-stop device on its serial line, served by the control thread.

The port moves bytes, the driver understands them. Before each cycle what came is given to the driver, whose word goes
into the `Tick`; behind the motors' message the driver says what to send. A cycle that was late sends no sign of life,
so that the device opens its relays when the supervisor is frozen, starved or in alarm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from safety_supervisor.core.estop_input import EstopInput
from safety_supervisor.core.estop_settings import EstopSettings
from safety_supervisor.core.types import EstopReport
from safety_supervisor.core.units import Nanoseconds
from safety_supervisor.estop.drivers import make_driver
from safety_supervisor.estop.port import Closed, Contacts, Opened, Port, Received


class EstopLine:
    """One device for one boot.

    Args:
        settings: of the device; with a line.
        report: takes what a person should read.

    Raises:
        LookupError: when there is no such driver; the text says what to do.
    """

    def __init__(self, settings: EstopSettings, report: Callable[[EstopReport], None]) -> None:
        """Make the driver and the port; nothing is opened before `start`."""
        assert settings.line is not None
        self._driver = make_driver(settings)
        self._port = Port(settings.line, contacts=settings.driver == "modem_lines")
        self._report = report
        self._name = f"{settings.driver} on {settings.line.port}"

    def start(self) -> None:
        """Open the port, in a thread of its own."""
        self._port.start()

    def close(self) -> None:
        """End the thread; the device hears nothing more and opens its relays."""
        self._port.close()

    def sample(self, at: Nanoseconds) -> EstopInput:
        """Return the word for the cycle that began at `at`."""
        driver = self._driver
        for item in self._port.take():
            match item:
                case Received():
                    driver.receive(item.data, item.at)
                case Contacts():
                    driver.contacts(item.dsr, item.cts, item.at)
                case Opened():
                    driver.opened(item.at, item.seed)
                case Closed():
                    driver.closed(item.at, item.why)
        word = driver.sample(at)
        # Bytes that came behind the cycle's begin: a stop acts at once, RUN is no word of the future.
        return msgspec.structs.replace(word, received_at=at) if word.received_at > at else word

    def serve(self, at: Nanoseconds, alive: bool, demand_stop: bool, resting: bool) -> None:
        """Send what is due, behind the motors' message.

        Args:
            at: now.
            alive: whether this cycle met its deadline.
            demand_stop: whether the device shall open its relays.
            resting: whether the robot stands still, stopped.
        """
        data = self._driver.cycle(at, alive, demand_stop, resting)
        if data:
            self._port.send(data)
        for notice in self._driver.notices():
            self._report(EstopReport(at, notice.code.value, notice.detail))

    def facts(self) -> Iterator[tuple[str, str]]:
        """Yield what the status shows."""
        yield "estop_line", f"{self._name}: {self._port.text}"
        yield "estop_counters", " ".join(f"{name}={count}" for name, count in self._driver.statistics.items())
