"""The wire from the device's relays to the motors' power."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from std_msgs.msg import Bool

from safety_supervisor_sim.cell import power as room
from safety_supervisor_sim.cell.power import SILENCE, Power


class Brakes:
    """What was done to the motors, in order."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def cut_power(self) -> None:
        self.done.append("cut")

    def restore_power(self) -> None:
        self.done.append("restore")


class Wire:
    """A `Power` whose topic and clock are the test's."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 10 * SILENCE
        self.brakes = Brakes()
        subscriptions: list[object] = []
        node = SimpleNamespace(create_subscription=lambda kind, topic, hear, profile: subscriptions.append(hear))
        monkeypatch.setattr(room, "time", SimpleNamespace(monotonic_ns=lambda: self.now))
        self.power = Power(node, "/relays", self.brakes)  # type: ignore[arg-type]
        (self._hear,) = subscriptions

    def hear(self, closed: bool) -> None:
        self._hear(Bool(data=closed))  # type: ignore[operator]

    def wait(self, time: int) -> None:
        self.now += time
        self.power.step(self.now)


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    return Wire(monkeypatch)


def test_the_power_is_cut_until_closed_relays_are_heard(wire: Wire) -> None:
    assert wire.brakes.done == ["cut"]
    wire.wait(5 * SILENCE)
    wire.hear(False)
    assert wire.brakes.done == ["cut"]
    wire.hear(True)
    assert wire.brakes.done == ["cut", "restore"]


def test_open_relays_cut_it_and_closed_ones_bring_it_back(wire: Wire) -> None:
    wire.hear(True)
    wire.hear(False)
    assert not wire.power.on
    wire.hear(True)
    assert wire.brakes.done == ["cut", "restore", "cut", "restore"]


def test_after_a_silence_the_power_stays_off_until_the_device_was_reset(wire: Wire) -> None:
    wire.hear(True)
    wire.wait(SILENCE)
    assert wire.power.on
    wire.wait(1)
    assert wire.brakes.done[-1] == "cut"
    wire.hear(True)  # the same closed relays, heard again
    assert not wire.power.on
    wire.hear(False)
    wire.hear(True)
    assert wire.power.on


def test_a_silence_that_no_step_saw_is_one(wire: Wire) -> None:
    """The process was frozen: what it missed may have been open relays."""
    wire.hear(True)
    wire.now += SILENCE + 1
    wire.hear(True)
    assert not wire.power.on
