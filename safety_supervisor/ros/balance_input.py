"""What a robot's base and feet tell in bytes: the IMU and the force on each foot."""

from __future__ import annotations

from geometry_msgs.msg import WrenchStamped
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Imu as ImuMessage

from safety_supervisor.core.balance.settings import BalanceSettings
from safety_supervisor.core.errors import Code
from safety_supervisor.core.events import FootContact, Imu
from safety_supervisor.ros.cdr_base import ImuFields, WrenchFields, read_imu, read_wrench
from safety_supervisor.ros.quality import Endpoints, Sink
from safety_supervisor.ros.sensor_input import Kind, Receipt, SensorInput

MAX_RATE_HZ = 2_000.0
MAX_BYTES = 1_024
"""Both messages have a fixed length but for the name of their frame."""

_NOWHERE = (0.0, 0.0, 0.0)


def hear_imu(sink: Sink) -> SensorInput[ImuFields]:
    """Return the input of `balance.imu_topic`."""

    def tell(receipt: Receipt, fields: ImuFields) -> Imu:
        if fields.missing:
            text = f"the IMU says that it has no {fields.missing}"
            return refuse(receipt._replace(code=Code.ORIENTATION.value, detail=text))
        at, clock, received, _, _ = receipt
        return Imu(at, fields.frame_id, fields.orientation, fields.angular, fields.stamp, clock, received=received)

    def refuse(receipt: Receipt) -> Imu:
        return Imu(receipt.at, "", (0.0, 0.0, 0.0, 0.0), _NOWHERE, 0, receipt.clock, receipt.code, receipt.detail)

    return SensorInput(Kind("an Imu", MAX_RATE_HZ, MAX_BYTES, read_imu, tell, refuse), sink)


def hear_contact(foot: str, sink: Sink) -> SensorInput[WrenchFields]:
    """Return the input of one foot's `contact_topic`."""

    def tell(receipt: Receipt, fields: WrenchFields) -> FootContact:
        at, clock, received, _, _ = receipt
        return FootContact(at, foot, fields.frame_id, fields.force, fields.stamp, clock, received=received)

    def refuse(receipt: Receipt) -> FootContact:
        return FootContact(receipt.at, foot, "", _NOWHERE, 0, receipt.clock, receipt.code, receipt.detail)

    return SensorInput(Kind("a WrenchStamped", MAX_RATE_HZ, MAX_BYTES, read_wrench, tell, refuse), sink)


def subscribe_balance(endpoints: Endpoints, settings: BalanceSettings, sink: Sink, profile: QoSProfile) -> None:
    """Subscribe to the IMU and to every foot's force."""
    endpoints.subscribe(ImuMessage, settings.imu_topic, hear_imu(sink).hear, profile, required=True)
    for source in settings.contacts:
        endpoints.subscribe(WrenchStamped, source.topic, hear_contact(source.foot, sink).hear, profile, required=True)
