"""What an action goal's tolerances are compared with: the set-point that was sent, and what was measured since."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from safety_supervisor.core.effects import Actuate
from safety_supervisor.core.events import JointStates
from safety_supervisor.ros.goals.tolerance import Excess, Tolerance, find_excess

Row = tuple[float, ...]


class RobotSeen:
    """The robot as commanded and as measured.

    Args:
        joints: of the robot, in the order of set-points.
    """

    def __init__(self, joints: Iterable[str]) -> None:
        """Nothing was sent or measured yet."""
        self.sent: Actuate | None = None
        """The newest set-point."""
        self._index = {name: i for i, name in enumerate(joints)}
        self._measured: dict[str, tuple[float, float | None]] = {}

    def measure(self, states: JointStates) -> None:
        """Note measured joint states."""
        names = states.names
        told = len(states.velocities) == len(names)
        speeds: tuple[float | None, ...] = states.velocities if told else (None,) * len(names)
        for name, place, speed in zip(names, states.positions, speeds, strict=False):
            if name in self._index:
                self._measured[name] = (place, speed)

    def speed(self, joint: str) -> float | None:
        """Return a joint's measured speed, [rad/s]; None where the driver tells none."""
        return self._measured.get(joint, (0.0, None))[1]

    def wanted(self, joints: Sequence[str]) -> dict[str, tuple[float, float]]:
        """Return position and velocity of joints in the newest set-point, [rad], [rad/s]."""
        sent = self.sent
        assert sent is not None
        places = ((name, self._index[name]) for name in joints)
        return {name: (sent.positions[i], sent.velocities[i]) for name, i in places}

    def excess(self, tolerances: Sequence[Tolerance], wanted: dict[str, tuple[float, float]]) -> Excess | None:
        """Return the first tolerance that the measured joints pass."""
        return find_excess(tolerances, wanted, self._measured)

    def rows(self, joints: Sequence[str]) -> tuple[tuple[Row, Row, Row], tuple[Row, Row]] | None:
        """Return what feedback tells of joints: commanded and measured values, in the joints' order.

        Velocities are empty where the driver tells none; None before the first set-point.
        """
        sent = self.sent
        if sent is None:
            return None
        places = [self._index[joint] for joint in joints]
        q, v, a = (tuple(row[i] for i in places) for row in (sent.positions, sent.velocities, sent.accelerations))
        measured = [self._measured[joint] for joint in joints]
        speeds = tuple(speed for _, speed in measured if speed is not None)
        return (q, v, a), (tuple(place for place, _ in measured), speeds if len(speeds) == len(places) else ())
