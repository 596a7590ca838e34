"""The doubles of forward_command_controller and the JointState bridge."""

from __future__ import annotations

import numpy as np
import pytest

from safety_supervisor_sim.cell.controllers import (
    ForwardPosition,
    ForwardVelocity,
    JointStateBridge,
    Refused,
)
from safety_supervisor_sim.cell.controllers.forward import ForwardController
from safety_supervisor_sim.cell.drive import Quantity

JOINTS = ("a", "b")


def active(kind: type[ForwardController], deactivate: bool = True) -> ForwardController:
    controller = kind(JOINTS, deactivate)
    controller.activate(0, np.zeros(2), np.zeros(2))
    return controller


@pytest.mark.parametrize(
    ("kind", "quantity"),
    [(ForwardPosition, Quantity.POSITION), (ForwardVelocity, Quantity.VELOCITY)],
)
def test_nothing_is_written_before_a_command_and_the_last_one_for_ever(
    kind: type[ForwardController], quantity: Quantity
) -> None:
    controller = active(kind)
    assert controller.update(0) is None
    assert controller.command(1, np.array([0.1, 0.2])) is None
    first = controller.update(2)
    assert first.quantity is quantity
    assert first.values.tolist() == [0.1, 0.2]
    assert controller.update(10**12) is first
    assert controller.last_accepted_ns == 1


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_non_finite_message_is_dropped_whole(bad: float) -> None:
    controller = active(ForwardPosition)
    controller.command(1, np.array([0.1, 0.2]))
    assert controller.command(5, np.array([0.3, bad])) == Refused("non-finite value")
    assert controller.update(6).values.tolist() == [0.1, 0.2]
    assert controller.last_accepted_ns == 1


def test_a_wrong_size_deactivates_under_jazzys_controller_manager() -> None:
    controller = active(ForwardVelocity, deactivate=True)
    controller.command(1, np.array([0.1, 0.2]))
    held = controller.update(2)
    assert controller.command(3, np.zeros(3)) == Refused("wrong size")
    assert controller.update(4) is held
    assert not controller.active
    assert controller.command(5, np.zeros(2)) == Refused("inactive")
    assert controller.update(6) is held
    controller.activate(7, np.zeros(2), np.zeros(2))
    assert controller.update(8) is None


def test_a_wrong_size_is_an_error_in_every_cycle_under_humbles() -> None:
    controller = active(ForwardPosition, deactivate=False)
    controller.command(1, np.array([0.1, 0.2]))
    held = controller.update(2)
    controller.command(3, np.zeros(1))
    assert [controller.update(4 + n) for n in range(3)] == [held] * 3
    assert controller.refusals["update error"] == 3
    assert controller.command(9, np.array([0.5, 0.6])) is None
    assert controller.update(10).values.tolist() == [0.5, 0.6]


def test_an_empty_message_changes_nothing() -> None:
    controller = active(ForwardPosition)
    controller.command(1, np.array([0.1, 0.2]))
    held = controller.update(2)
    assert controller.command(3, np.zeros(0)) == Refused("empty")
    assert controller.update(4) is held
    assert controller.active


def test_the_bridge_maps_by_name_and_takes_whole_messages_only() -> None:
    bridge = JointStateBridge(JOINTS)
    bridge.activate(0, np.zeros(2), np.zeros(2))
    assert bridge.update(0) is None
    assert bridge.command(1, ("b", "a"), np.array([2.0, 1.0])) is None
    target = bridge.update(2)
    assert target is not None
    assert target.values.tolist() == [1.0, 2.0]
    cases = [
        (("a",), np.zeros(1), "joint names"),
        (("a", "a"), np.zeros(2), "joint names"),
        (("a", "c"), np.zeros(2), "joint names"),
        (("a", "b"), np.zeros(3), "wrong size"),
        (("a", "b"), np.array([0.0, np.nan]), "non-finite value"),
    ]
    for names, values, reason in cases:
        assert bridge.command(3, names, values) == Refused(reason)
    assert bridge.update(4) is target
    assert bridge.last_accepted_ns == 1
