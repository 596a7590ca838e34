"""When something happened: from the steady clock of a log to the time of day, and back."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import Final

from safety_supervisor.core.units import NS_PER_S, Nanoseconds
from safety_supervisor.evidence.event_log import EventLog, Gap

_DAY: Final = 86_400 * NS_PER_S
_NEVER: Final = 2**63
_LOOK_AT: Final = 20_000  # events; a robot that was not measured so long has no ROS clock in its log


class WhenError(ValueError):
    """Text that is no time of a log."""


class LogClock:
    """Time of day of a log's events.

    Events carry a steady clock, and messages the ROS clock at their receipt, which is the time of day on a real robot.
    Where that is more than a day from when the boot says that it started, it is a simulation's: then the start is all
    that is known, to the second.

    Attributes:
        begun: steady clock of the first event, [ns].
        ended: of the last event, [ns].
        source: what the time of day is known from.
    """

    def __init__(self, log: EventLog, to_end: bool = True) -> None:
        """Look at the whole log, or at its beginning alone: then every time behind that is one of the log.

        Raises:
            WhenError: there is no event in it, or its header does not say when it started.
        """
        begun: Nanoseconds | None = None
        ended = clock = at = 0
        for number, item in enumerate(log):
            if isinstance(item, Gap):
                continue
            begun = item.event.at if begun is None else begun
            ended = item.event.at
            if not clock and number < _LOOK_AT:
                clock, at = getattr(item.event, "clock", 0), item.event.at
            elif not to_end:
                ended = _NEVER
                break
        if begun is None:
            raise WhenError("the log holds no event")
        try:
            started = _nanoseconds(datetime.fromisoformat(log.header.started_at))
        except ValueError:
            raise WhenError(f"the log does not say when it started, but {log.header.started_at!r}") from None
        self.begun, self.ended = begun, ended
        if clock and abs(clock - started) < _DAY:
            self._offset = clock - at
            self.source = "the ROS clock of the first message"
        else:
            self._offset = started - begun
            self.source = "the start of the boot, to the second"

    def utc(self, at: Nanoseconds) -> int:
        """Return the time of day of the steady clock, [ns] since 1970, UTC."""
        return at + self._offset

    def say(self, at: Nanoseconds) -> str:
        """Return the time of day as text, UTC, to the millisecond."""
        moment = datetime.fromtimestamp(self.utc(at) // NS_PER_S, timezone.utc)
        return f"{moment:%Y-%m-%d %H:%M:%S}.{self.utc(at) % NS_PER_S // 1_000_000:03d} UTC"

    def since(self, at: Nanoseconds) -> float:
        """Return the time since the first event, [s]."""
        return (at - self.begun) / NS_PER_S

    def find(self, when: str) -> Nanoseconds:
        """Return the steady time of what a person calls a time.

        Args:
            when: seconds after the first event, such as `12.5`; or a time of day, `2026-11-27T14:00:05.2Z`, UTC where
                no zone is given; without a date that of the start.

        Raises:
            WhenError: it is neither, or not in the log.
        """
        at = self._steady(when.strip())
        if not self.begun <= at <= self.ended:
            raise WhenError(
                f"{when} is not in the log, which goes from {self.say(self.begun)} to {self.say(self.ended)}, "
                f"0 to {self.since(self.ended):.3f} s after its first event"
            )
        return at

    def _steady(self, when: str) -> Nanoseconds:
        if re.fullmatch(r"\d{1,9}(\.\d{1,20})?", when):
            return self.begun + round(float(when) * NS_PER_S)
        try:
            if re.fullmatch(r"\d\d:\d\d(:\d\d(\.\d+)?)?Z?", when):
                day = datetime.fromtimestamp(self.utc(self.begun) // NS_PER_S, timezone.utc)
                when = f"{day:%Y-%m-%d}T{when}"
            moment = datetime.fromisoformat(_micro(when))
        except ValueError:
            raise WhenError(
                f"{when!r} is no time: give seconds after the first event, 12.5, or a time of day, "
                "2026-11-27T14:00:05Z or 14:00:05"
            ) from None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=timezone.utc)
        return _nanoseconds(moment) - self._offset


def _micro(when: str) -> str:
    """Spell a time as Python 3.10 reads it: six digits, an offset for Z."""
    when = re.sub(r"[zZ]$", "+00:00", when.replace(" UTC", "Z"))
    return re.sub(r"\.(\d{1,9})", lambda found: "." + found[1][:6].ljust(6, "0"), when)


def _nanoseconds(moment: datetime) -> int:
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return (moment - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(microseconds=1) * 1000
