"""One command that waits for people."""

from __future__ import annotations

from dataclasses import dataclass, field

from safety_supervisor.core.intake.results import TrajectoryPoints
from safety_supervisor.core.interventions.command_text import CommandText
from safety_supervisor.core.policy.verdict import Approve
from safety_supervisor.core.units import Nanoseconds, Vector


@dataclass(slots=True, eq=False)
class Waiting:
    """A command that waits, and what an approval of it is bound to.

    Attributes:
        id: of the intervention; in one boot never used again.
        points: the command.
        verdict: what the policy asks for.
        written: its canonical text; while that is being written nobody was told of it yet.
        epoch: of the state in which it was asked for.
        commanded: pose of that moment, shape (n,), [rad].
        zones: that it touches: speed zones, as the policy was told, and restricted ones that it opens.
        joint_speed: likewise, [rad/s].
        frame_speed: likewise, [m/s].
        people: likewise, as the fact.
        measured: pose of that moment; None before the next cycle.
        deadline: until when people may approve; 0 before they were told, [ns].
        approved: who has approved, in order.
    """

    id: str
    points: TrajectoryPoints
    verdict: Approve
    written: CommandText
    epoch: int
    commanded: Vector
    zones: tuple[str, ...]
    joint_speed: float
    frame_speed: float
    people: str
    measured: Vector | None = None
    deadline: Nanoseconds = 0
    approved: tuple[str, ...] = field(default=())

    @property
    def told(self) -> bool:
        """Whether people know of it."""
        return self.deadline > 0


class CoolDown:
    """Keeps a source from asking people again and again (REDTEAM 21).

    Args:
        pause: after a denial, an expiry, or too many requests, [ns].
        most: requests that a source may make ...
        within: ... in this time, [ns].
    """

    def __init__(self, pause: Nanoseconds, most: int, within: Nanoseconds) -> None:
        """Begin with nobody who has asked."""
        self._pause = pause
        self._most = most
        self._within = within
        self._until: dict[str, Nanoseconds] = {}
        self._asked: dict[str, list[Nanoseconds]] = {}

    def begin(self, source: str, now: Nanoseconds) -> None:
        """A source was denied, or nobody answered it."""
        self._until[source] = now + self._pause

    def left(self, source: str, now: Nanoseconds) -> Nanoseconds:
        """Return how long a source has to wait until it may ask, 0 for not at all, [ns]."""
        return max(0, self._until.get(source, 0) - now)

    def count(self, source: str, now: Nanoseconds) -> None:
        """Count a request; after too many a pause begins."""
        asked = [at for at in self._asked.get(source, ()) if now - at < self._within]
        self._asked[source] = [*asked, now]
        if len(asked) + 1 >= self._most:
            self._asked[source] = []
            self.begin(source, now)
