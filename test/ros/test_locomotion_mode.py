"""What the stop ladder tells a locomotion controller on a real topic: latched, on change and with every good cycle."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from ros_rig import next_domain
from std_msgs.msg import String

from safety_supervisor.config import load_config
from safety_supervisor.core.balance.settings import BalanceSettings, FallSettings, LadderSettings, UpSource
from safety_supervisor.core.effects import LadderMode, Status
from safety_supervisor.ros.enact import Enactor
from safety_supervisor.ros.outputs import find_outputs
from safety_supervisor.ros.polled import PolledSubscriptions
from safety_supervisor.ros.quality import Endpoints

PANDA = Path(__file__).resolve().parents[2] / "config" / "panda.yaml"
LADDER = LadderSettings(hold=10**9, postures=(), lower=0, damp=10**9, unknown=10**9, rest=10**10)
BALANCE = BalanceSettings(
    soles=(), contacts=(), margin=0.01, contact_timeout=1, base_timeout=1, up=UpSource.IMU, tilt=0.1, slip=0.01,
    fall=FallSettings(0.6, 3.0, 0), ladder=LADDER,
)  # fmt: skip


@pytest.mark.requirement("SR-034")
def test_a_mode_is_told_at_once_kept_for_who_comes_late_and_repeated() -> None:
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=next_domain())
    node = LifecycleNode("safety_supervisor", context=context, enable_communication_interface=False)
    other = Node("locomotion", context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(other)
    heard: list[str] = []

    def spin_until(count: int) -> None:
        until = time.monotonic() + 20.0
        while len(heard) < count and time.monotonic() < until:
            executor.spin_once(timeout_sec=0.1)
        assert len(heard) >= count

    try:
        configuration = replace(load_config(PANDA), balance=BALANCE)
        endpoints = Endpoints(node, SimpleNamespace(), PolledSubscriptions())  # type: ignore[arg-type]
        made = Enactor(
            node, configuration, endpoints, find_outputs(configuration), SimpleNamespace(), print, print, tuple,  # type: ignore[arg-type]
        )  # fmt: skip
        made.beat()
        made.carry_out([LadderMode(1, "hold", "a person's start"), LadderMode(1, "damp", "E_FALL")])
        profile = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        other.create_subscription(
            String, "/safety_supervisor/locomotion_mode", lambda message: heard.append(message.data), profile
        )
        spin_until(1)
        assert heard == ["damp"]
        made.beat()
        spin_until(2)
        assert heard == ["damp", "damp"]
        made.carry_out([LadderMode(2, "off", "at rest")])
        spin_until(3)
        assert heard[2:] == ["off"]
        made.slice(0)  # what waits for people, nothing: told once
        # The status tells the rung in the slice after the change, though its next time is not due.
        stopping = Status(1, "STOPPING", "E_ESTOP", (), "", "none", 1.0, 3, "", "", "", 0.0, 0.0, ladder_phase="hold")
        told = []
        for status in (stopping, stopping, msgspec.structs.replace(stopping, ladder_phase="lower")):
            made.carry_out([status])
            sent = made.slice(10**9)
            values = {value.key: value.value for value in made._writer.message.status[0].values}
            told.append((sent, values.get("ladder_phase")))
        assert told == [(True, "hold"), (False, "hold"), (True, "lower")]
    finally:
        executor.shutdown()
        node.destroy_node()
        other.destroy_node()
        rclpy.shutdown(context=context)
