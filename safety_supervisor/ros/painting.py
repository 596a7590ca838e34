"""The control process's end of the painter: in spare time only, never waits, and goes without when it fails."""

from __future__ import annotations

import msgspec
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from visualization_msgs.msg import MarkerArray

from safety_supervisor.core.units import NS_PER_S, Nanoseconds, Vector
from safety_supervisor.evidence.event_log import LogHeader
from safety_supervisor.ros.child import Child
from safety_supervisor.ros.frames import PaintRequest
from safety_supervisor.ros.quality import Endpoints

PERIOD = NS_PER_S // 5
"""Time between two pictures while somebody looks, [ns]."""
TIMEOUT = 60 * NS_PER_S
"""A painter that does not answer for so long is ended, [ns]; it starts at the lowest priority."""
RESTARTS = 3
"""A painter that ended is started again so often in a boot."""
_LATCHED = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class Painting:
    """Starts, feeds and watches the painter process, and publishes what it makes.

    Args:
        endpoints: makes the publisher.
        header: describes the robot to the painter.
    """

    def __init__(self, endpoints: Endpoints, header: LogHeader) -> None:
        """Start the process; the first picture comes when it is ready and somebody looks."""
        self._publisher = endpoints.advertise(MarkerArray, "~/markers", _LATCHED)
        self._encoder = msgspec.msgpack.Encoder()
        self._header = self._encoder.encode(header)
        self._due: Nanoseconds = 0
        self._starts = 0
        self._child = Child("safety_supervisor.ros.painter")
        self._begin()

    def _begin(self) -> None:
        """Begin with a process that was just started: it is told first what it draws."""
        self._child.send(self._header)
        self._picture: bytes | None = None
        self._asked: Nanoseconds = 0
        self._starts += 1

    @property
    def pid(self) -> int | None:
        """Process id, None while it is down."""
        return self._child.pid

    @property
    def text(self) -> str:
        """How it is, for the status."""
        if self.pid is not None:
            return "shown"
        return "off: the painter has ended" if self._starts > RESTARTS else "off until LOCKED: the painter has ended"

    def slice(
        self,
        now: Nanoseconds,
        commanded: tuple[Vector, Vector] | None,
        may_restart: bool,
        tool: str = "",
        shown: tuple[str, str] = ("", ""),
    ) -> bool:
        """Do one short piece of work; return whether there was any.

        Args:
            now: steady clock, [ns].
            commanded: positions and where the kept stop ends, each shape (n,), [rad]; None: not known yet.
            may_restart: whether the milliseconds of starting a process may be spent now.
            tool: what the robot carries, empty for nothing.
            shown: state of the supervisor and rung of the stop ladder; empty for none.
        """
        try:
            return self._work(now, commanded, may_restart, (tool, *shown))
        except Exception:  # a picture is worth no fault
            self._child.end()
            return True

    def _work(
        self, now: Nanoseconds, commanded: tuple[Vector, Vector] | None, may_restart: bool, words: tuple[str, str, str]
    ) -> bool:
        if self.pid is None:
            self._child.bury()
            if not may_restart or self._starts > RESTARTS:
                return False
            self._child.start()
            self._begin()
        elif self._picture is not None:
            picture, self._picture = self._picture, None
            self._publisher.publish(picture)
        elif self._child.backlog or self._asked:
            self._exchange(now)
        elif now >= self._due and self._publisher.get_subscription_count():
            self._ask(now, commanded, words)
        else:
            return False
        return True

    def _ask(self, now: Nanoseconds, commanded: tuple[Vector, Vector] | None, words: tuple[str, str, str]) -> None:
        self._due, self._asked = now + PERIOD, now
        here, end = ((), ()) if commanded is None else (tuple(row.tolist()) for row in commanded)
        self._child.send(self._encoder.encode(PaintRequest(here, end, *words)))

    def _exchange(self, now: Nanoseconds) -> None:
        """Move some bytes either way.

        Raises:
            OSError: the painter has ended, or does not answer.
        """
        frames = self._child.exchange()
        if frames is None:
            raise BrokenPipeError
        if frames:
            self._picture, self._asked = frames[-1], 0
        elif self._asked and now - self._asked > TIMEOUT:
            raise TimeoutError

    def retire(self) -> None:
        """End the process for good, and do not wait for it."""
        self._starts = RESTARTS + 1
        self._child.end()

    def close(self) -> None:
        """End the process."""
        self.retire()
        self._child.close()
