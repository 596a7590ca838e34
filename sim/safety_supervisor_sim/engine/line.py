"""The e-stop's line in simulated time: the emulated device, the wire, and the driver that the node uses.

Nothing of the protocol is stood in for: the device is that of `safety-supervisor estop emulate`, the driver the
configured one. The wire takes `WIRE` each way.
"""

from __future__ import annotations

import random
from collections import deque
from typing import Final

from safety_supervisor.core.estop_input import EstopInput
from safety_supervisor.core.estop_settings import EstopSettings
from safety_supervisor.core.events import EstopReport
from safety_supervisor.estop.drivers import make_driver
from safety_supervisor.estop.port import FIRST_WAIT_S, LONGEST_WAIT_S
from safety_supervisor.estop.signature import signature
from safety_supervisor.estop.tools.device import Device
from safety_supervisor.estop.tools.disturbance import Disturbance
from safety_supervisor.estop.tools.orders import Bench, obey

WIRE: Final = 2_000_000
"""24 bytes at 115200 Bd, [ns]."""
FIRST_WAIT, LONGEST_WAIT = round(FIRST_WAIT_S * 1e9), round(LONGEST_WAIT_S * 1e9)
"""Between two tries to open the port, the first and the longest, [ns]: `estop/port.py`."""
GONE: Final = "the device was unplugged"
ABSENT: Final = "there is no such device"
"""What the port says when it fails, and when it can not be opened again: each once."""


class Line:
    """One device, one wire, one driver; stepped by the owner of the loop.

    Args:
        settings: of the e-stop, with a line.
        seed: of both ends' first numbers, and of what a fault makes of bytes.
        now: steady clock, [ns].

    Attributes:
        device: at the far end.
        bench: what orders to the device act on.
    """

    def __init__(self, settings: EstopSettings, seed: int, now: int) -> None:
        """Power the device on and open the port."""
        line = settings.line
        assert line is not None
        self._chance = random.Random(seed)
        self._settings = settings
        self._driver = make_driver(settings)
        self.device = Device(line, now, self._number())
        disturbance = Disturbance(signature(line), self._number())
        self.bench = Bench(self.device, disturbance, self._plug, self._unplug, self._number)
        self._plugged = True
        self._opens_at: int | None = now
        self._wait = FIRST_WAIT
        self._now = now
        self._to_host: deque[tuple[int, bytes]] = deque()
        self._to_device: deque[tuple[int, bytes]] = deque()

    def _number(self) -> int:
        return self._chance.getrandbits(32)

    def _plug(self) -> None:
        self._plugged = True

    def _unplug(self) -> None:
        if self._plugged:
            self._plugged, self._wait = False, FIRST_WAIT
            self._opens_at = self._now + self._wait
            self._to_host.clear()
            self._to_device.clear()
            self._driver.closed(self._now, GONE)

    def reboot(self, now: int) -> None:
        """Begin the host's end anew; the device learns of it by the protocol."""
        self._driver = make_driver(self._settings)
        self._wait, self._opens_at = FIRST_WAIT, now

    def order(self, text: str) -> None:
        """Give the device orders, parted by `;`, as `safety-supervisor estop emulate` knows them."""
        for one in text.split(";"):
            obey(self.bench, one.strip(), self._now)
        self.advance(self._now)

    def advance(self, now: int) -> None:
        """Let the device do what is due."""
        self._now = now
        if self.bench.frozen:
            return
        while self._to_device and self._to_device[0][0] <= now:
            data = self._to_device.popleft()[1]
            if self.bench.loopback:
                self.bench.disturbance.raw(data, now)
            self.device.receive(data, now)
        up = self.bench.reset_up_at
        if up is not None and now >= up:
            self.bench.reset_up_at = None
            self.device.press_reset(False, now)
        self.device.advance(now)
        frames, _ = self.device.take()
        disturbance = self.bench.disturbance
        if not self.bench.silent:
            disturbance.put(frames, now)
        data = disturbance.take(now)
        if data and self._plugged and self._opens_at is None:
            self._to_host.append((now + WIRE, data))

    def sample(self, at: int) -> EstopInput:
        """Return the driver's word for the cycle that begins at `at`."""
        if self._opens_at is not None and at >= self._opens_at:
            self._to_host.clear()
            if self._plugged:
                self._opens_at = None
                self._driver.opened(at, self._number())
            else:
                if self._wait == FIRST_WAIT:
                    self._driver.closed(at, ABSENT)
                self._wait = min(2 * self._wait, LONGEST_WAIT)
                self._opens_at = at + self._wait
        while self._to_host and self._to_host[0][0] <= at:
            came, data = self._to_host.popleft()
            self._driver.receive(data, came)
        return self._driver.sample(at)

    def serve(self, at: int, alive: bool, demand_stop: bool, resting: bool) -> list[EstopReport]:
        """Send what is due, behind the motors' message; return what a person should read. As `ros/estop_line.py`."""
        data = self._driver.cycle(at, alive, demand_stop, resting)
        if data and self._plugged:
            self._to_device.append((at + WIRE, data))
        return [EstopReport(at, notice.code.value, notice.detail) for notice in self._driver.notices()]
