"""The e-stop device on its serial line, served by the control thread.

The port moves bytes, the driver understands them. Before each cycle what came is given to the driver, whose word goes
into the `Tick`; behind the motors' message the driver says what to send. A cycle that was late sends no sign of life,
so that the device opens its relays when the supervisor is frozen, starved or in alarm.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import msgspec

from safety_supervisor.core.estop_input import EstopInput
from safety_supervisor.core.estop_settings import EstopSettings
from safety_supervisor.core.events import EstopReport
from safety_supervisor.core.units import Nanoseconds
from safety_supervisor.estop.drivers import describe, make_driver
from safety_supervisor.estop.port import Closed, Contacts, Opened, Port, Received
from safety_supervisor.ros.text import escape


class EstopLine:
    """One device for one boot.

    Args:
        settings: of the device; with a line.
        report: takes what a person should read.

    Raises:
        ConfigurationError: the third party's driver is not there, or is none.
    """

    def __init__(self, settings: EstopSettings, report: Callable[[EstopReport], None]) -> None:
        """Make the driver and the port; nothing is opened before `start`."""
        line = settings.line
        assert line is not None
        self._driver = make_driver(settings)
        # Of a third party's protocol nobody knows whether it sees the age of what it hears.
        contacts, sees_age = settings.driver == "modem_lines", settings.driver == "frame_v1"
        self._port = Port(line.port, line.baud, contacts, sees_age)
        self._report = report
        self._name = f"{settings.driver} on {line.port}"
        self._seen = "not opened yet"
        self._failed: Exception | None = None

    def start(self) -> None:
        """Open the port, in a thread of its own."""
        self._port.start()

    def close(self) -> None:
        """End the thread; the device hears nothing more and opens its relays."""
        self._port.close()

    def sample(self, at: Nanoseconds) -> EstopInput:
        """Return the word for the cycle that began at `at`; a driver that raises is a stop now, a fault in `serve`."""
        try:
            self._hear()
            word = self._driver.sample(at)
            # Bytes that came behind the cycle's begin. A time still to come stays: the core takes it as silence.
            if at < word.received_at <= time.monotonic_ns():
                return msgspec.structs.replace(word, received_at=at)
        except BaseException as error:  # the cycle has to go on, whatever a third party's driver does, `sys.exit` too
            self._failed = _as_fault(error)
            return EstopInput("unknown")
        return word

    def _hear(self) -> None:
        driver = self._driver
        for item in self._port.take():
            match item:
                case Received():
                    driver.receive(item.data, item.at)
                case Contacts():
                    driver.contacts(item.dsr, item.cts, item.at)
                case Opened():
                    self._seen = "open"
                    driver.opened(item.at, item.seed)
                case Closed():
                    self._seen = item.why
                    driver.closed(item.at, item.why)

    def serve(self, at: Nanoseconds, alive: bool, demand_stop: bool, resting: bool) -> None:
        """Send what is due, behind the motors' message.

        Args:
            at: now.
            alive: whether this cycle met its deadline.
            demand_stop: whether the device shall open its relays.
            resting: whether the robot stands still, stopped.

        Raises:
            Exception: what the driver raised, here or in `sample`.
        """
        failed, self._failed = self._failed, None
        if failed is not None:
            raise failed
        try:
            data, notices = self._driver.cycle(at, alive, demand_stop, resting), self._driver.notices()
        except BaseException as error:
            raise _as_fault(error) from error
        if data:
            self._port.send(data)
        for notice in notices:
            self._report(EstopReport(at, notice.code.value, notice.detail))

    def facts(self) -> Iterator[tuple[str, str]]:
        """Yield what the status shows."""
        yield "estop_line", f"{self._name}: {escape(self._seen)}"
        try:
            counters = {**self._driver.statistics, **self._port.statistics}
        except BaseException:  # a stranger's; the status has to be told
            counters = dict(self._port.statistics)
        yield "estop_counters", escape(" ".join(f"{name}={count}" for name, count in counters.items()), 1000)


def _as_fault(error: BaseException) -> Exception:
    """Return an exception that ends no process, whatever a third party's driver raised."""
    return error if isinstance(error, Exception) else RuntimeError(f"the e-stop's driver raised {describe(error)}")
