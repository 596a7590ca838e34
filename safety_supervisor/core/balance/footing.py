"""What is told of a robot's base and feet: the newest IMU message and the newest force of each foot.

A message ages by the receiver's steady clock; its age at receipt is what its stamp says. Whatever is wrong with the
last message, or with its publisher, makes balance unknown until a good one comes: a robot may be falling then. A foot
that was told once not to bear has not borne until a cycle has seen it.

Requirements: SR-030, SR-034, SR-036.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pinocchio as pin

from safety_supervisor.core.balance.model import Contact
from safety_supervisor.core.balance.planted import body_of
from safety_supervisor.core.balance.settings import BalanceSettings
from safety_supervisor.core.balance.whole_body import UNIT
from safety_supervisor.core.errors import CODE_OF, Code, Violation
from safety_supervisor.core.events import BalanceEndpoints, FootContact, Imu
from safety_supervisor.core.geometry.robot import RobotModel
from safety_supervisor.core.stamps import judge_stamp
from safety_supervisor.core.units import Nanoseconds

GREATEST = 1e6
"""A force beyond this is no number of a robot, [N]."""
FASTEST = 100.0
"""Nor is a base that turns faster, [rad/s]: gyroscopes end at a third of it, and one that tells degrees is no fall."""

_IMU = ""
"""Stands for the IMU where a foot would be named."""


def level_imu(robot: RobotModel, link: str) -> tuple[float, float, float, float]:
    """Return the orientation that an IMU at a link tells while the base frame is level, quaternion x, y, z, w.

    Raises:
        RobotModelError: when the URDF has no such link.
    """
    if not link:
        return 0.0, 0.0, 0.0, 1.0
    turned = pin.Quaternion(np.array(robot.base.rotation).T @ np.array(body_of(robot, link)[1].rotation))
    return float(turned.x), float(turned.y), float(turned.z), float(turned.w)


class Footing:
    """What is known of base and feet.

    All attributes are for reading only.

    Attributes:
        orientation: quaternion x, y, z, w of the base frame in the world.
        angular: of the base, in the base frame, [rad/s].
        observed: when that was so at the earliest, steady clock, [ns].
        contacts: foot to what was told of it last; `Contact.received` is when it was so at the earliest.
    """

    def __init__(self, settings: BalanceSettings, robot: RobotModel) -> None:
        """Start with nothing heard: balance is unknown.

        Raises:
            RobotModelError: when the URDF does not have the IMU's link.
        """
        self._settings = settings
        self._normals = {sole.foot: sole.normal for sole in settings.soles}
        self._forces = {source.foot: source.force for source in settings.contacts}
        self._frame = settings.imu_link
        turn = pin.Quaternion(np.array(level_imu(robot, settings.imu_link)))
        self._to_base = np.array(turn.toRotationMatrix())
        self._from_base = turn.conjugate()
        told = (_IMU, *self._normals)
        nothing = Violation(Code.BALANCE_UNKNOWN, "balance", detail="nothing was heard yet")
        self._wrong: dict[str, Violation | None] = dict.fromkeys(told, nothing)
        self._stamps: dict[str, tuple[int, int]] = dict.fromkeys(told, (0, 0))
        self._publishers: dict[str, tuple[str, ...]] = dict.fromkeys(told, ())
        self._lifted: set[str] = set()
        self.orientation = (0.0, 0.0, 0.0, 1.0)
        self.angular = (0.0, 0.0, 0.0)
        self.observed: Nanoseconds = 0
        self.contacts: dict[str, Contact] = {}

    def take_imu(self, event: Imu) -> Violation | None:
        """Take a message, or say what is wrong with it."""
        observed = self._admit(_IMU, event, self._frame, self._settings.base_timeout, self._judge_imu)
        if not isinstance(observed, int):
            return observed
        x, y, z, w = event.orientation
        turned = pin.Quaternion(np.array([x, y, z, w]) / math.hypot(x, y, z, w)) * self._from_base
        turned.normalize()
        self.orientation = (float(turned.x), float(turned.y), float(turned.z), float(turned.w))
        a, b, c = (self._to_base @ np.array(event.angular)).tolist()
        self.angular = (a, b, c)
        self.observed = observed
        return None

    def take_contact(self, event: FootContact) -> Violation | None:
        """Take a message, or say what is wrong with it."""
        foot = event.foot
        if foot not in self._normals:
            # Somebody's feet are not ours: that never heals by itself.
            self.contacts[foot] = Contact(False, event.received or event.at)
            return Violation(Code.BALANCE_FRAME, "balance.contact", detail=f"{foot[:100]} has no sole")
        observed = self._admit(foot, event, foot, self._settings.contact_timeout, self._judge_force)
        if not isinstance(observed, int):
            return observed
        along = sum(force * part for force, part in zip(event.force, self._normals[foot], strict=True))
        bears = along >= self._forces[foot]
        if not bears:
            self._lifted.add(foot)
        self.contacts[foot] = Contact(bears and foot not in self._lifted, observed)
        return None

    def seen(self) -> None:
        """Note that a cycle has seen every foot that was told not to bear."""
        self._lifted.clear()

    def publishers(self, event: BalanceEndpoints) -> bool:
        """Take who publishes; return whether another one took the publisher's place."""
        before = self._publishers.get(event.foot)
        if before is None:
            return False
        now = self._publishers[event.foot] = event.ids or event.nodes
        return bool(before) and bool(now) and now != before

    def wrong(self) -> str:
        """Say what is wrong with what was told, but for its age; empty for nothing."""
        for told, nodes in self._publishers.items():
            if len(nodes) != 1:
                return f"{told or 'the IMU'} has {len(nodes)} publishers"
        for told, violation in self._wrong.items():
            if violation is not None:
                return f"{told or 'the IMU'}: {violation.detail or violation.code.cause}"
        return ""

    def lean(self, now: Nanoseconds) -> tuple[float, float] | None:
        """Return how far and how fast the base tilts, [rad] and [rad/s]; None while the IMU is silent or wrong."""
        fresh = 0 <= now - self.observed <= self._settings.base_timeout
        if not fresh or self._wrong[_IMU] is not None or len(self._publishers[_IMU]) != 1:
            return None
        x, y = self.orientation[:2]
        # The base's own vertical axis in the world, its vertical part.
        return math.acos(max(-1.0, 1.0 - 2.0 * (x * x + y * y))), math.hypot(*self.angular[:2])

    def _admit(
        self,
        told: str,
        event: Imu | FootContact,
        frame: str,
        limit: Nanoseconds,
        judge: Callable[[Imu | FootContact], Violation | None],
    ) -> Violation | int:
        """Return when the message was true at the earliest, steady clock, [ns], or what is wrong with it."""
        refusal = self._judge(told, event, frame, limit) or judge(event)
        if refusal is not None:
            # What is only repeated or late says nothing new, and grows old by itself.
            if refusal.code is not Code.OUT_OF_ORDER:
                self._wrong[told] = refusal
            return refusal
        self._stamps[told] = (event.stamp, event.clock)
        self._wrong[told] = None
        return (event.received or event.at) - max(0, event.clock - event.stamp)

    def _judge(self, told: str, event: Imu | FootContact, frame: str, limit: Nanoseconds) -> Violation | None:
        if event.code:
            return Violation(CODE_OF.get(event.code, Code.UNDECODABLE), "balance.bytes", detail=event.detail)
        if frame and event.frame_id != frame:
            return Violation(Code.BALANCE_FRAME, "balance.frame", detail=f"not in {frame}")
        return judge_stamp("balance.stamp", event.stamp, event.clock, self._stamps[told], limit)

    def _judge_imu(self, event: Imu | FootContact) -> Violation | None:
        assert isinstance(event, Imu)
        # Written so that NaN fails.
        if not all(abs(number) <= GREATEST for number in event.orientation):
            return Violation(Code.NOT_FINITE, "balance.imu", detail="a number is not finite")
        rate = math.hypot(*event.angular)
        if not rate <= FASTEST:
            return Violation(Code.NOT_FINITE, "balance.imu", rate, FASTEST, detail=f"it turns at {rate:.0f} rad/s")
        length = math.hypot(*event.orientation)
        if not abs(length - 1.0) <= UNIT:
            return Violation(
                Code.ORIENTATION, "balance.imu", length, 1.0, detail=f"the quaternion is {length:.4f} long, not 1"
            )
        return None

    def _judge_force(self, event: Imu | FootContact) -> Violation | None:
        assert isinstance(event, FootContact)
        if not all(abs(number) <= GREATEST for number in event.force):
            return Violation(Code.NOT_FINITE, "balance.contact", detail="a number is not finite")
        return None
