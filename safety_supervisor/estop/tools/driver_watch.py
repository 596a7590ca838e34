"""A line of any driver as the supervisor would hear it, for lines that are no `frame_v1`."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from safety_supervisor.core.units import Nanoseconds
from safety_supervisor.estop.driver import Driver

_FIELDS: Final = ("state", "fault", "enabling_switch", "mode_key", "relays", "resets", "integrity")


class DriverWatch:
    """Drives a driver; the device is told a sign of life only when asked to, always with the demand STOP.

    Attributes:
        link: `closed` or `open`.
        why: the port's cause and cure.
        counts: among them `sessions`: 1 once the device was heard.
    """

    def __init__(self, driver: Driver, checkin: bool) -> None:
        """Begin with a closed port."""
        self.link = "closed"
        self.why = "not opened yet"
        self.counts: Counter[str] = Counter()
        self._driver, self._checkin = driver, checkin
        self._word: dict[str, Any] = {}
        self._events: list[dict[str, Any]] = []

    def opened(self, at: Nanoseconds, seed: int) -> None:
        """Note that the port is open."""
        self.link = "open"
        self._driver.opened(at, seed)
        self._tell(at, "port", "opened")

    def closed(self, at: Nanoseconds, why: str) -> None:
        """Note that the port is gone."""
        self.link, self.why = "closed", why
        self._driver.closed(at, why)
        self._tell(at, "port", why)

    def receive(self, data: bytes, at: Nanoseconds) -> None:
        """Take bytes."""
        self.counts["bytes"] += len(data)
        self._driver.receive(data, at)

    def contacts(self, dsr: bool, cts: bool, at: Nanoseconds) -> None:
        """Take the modem's lines."""
        self._driver.contacts(dsr, cts, at)

    def cycle(self, at: Nanoseconds) -> bytes:
        """Note what changed and return what to send now."""
        word = self._driver.sample(at)
        if word.received_at:
            self.counts["sessions"] = 1
        for name in _FIELDS:
            now = getattr(word, name)
            if self._word.get(name) != now:
                self._word[name] = now
                self._tell(at, name, str(now) or "none")
        for notice in self._driver.notices():
            self._tell(notice.at, notice.code.value, notice.detail)
        return self._driver.cycle(at, alive=self._checkin, demand_stop=True, resting=False)

    def events(self) -> list[dict[str, Any]]:
        """Return what happened since the last call."""
        taken, self._events = self._events, []
        return taken

    def plain(self) -> dict[str, Any]:
        """Return all that is known, plain values."""
        counts = {**self.counts, **self._driver.statistics}
        why = self.why if self.link == "closed" else ""
        device = {name: str(value) for name, value in self._word.items()}
        nothing = {"ms": {}, "longest_ms": 0.0}
        return {"link": self.link, "why": why, "device": device, "counts": counts, "interval": nothing,
                "round_trip": nothing}  # fmt: skip

    def _tell(self, at: Nanoseconds, event: str, detail: str) -> None:
        self._events.append({"at": at, "event": event, "detail": detail})
