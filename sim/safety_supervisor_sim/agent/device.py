"""The emulated e-stop device of a run, on a pseudo-terminal, in a process that does nothing else.

    python -m safety_supervisor_sim.agent.device '{"config_file": FILE, "relays_topic": "/estop_device/relays"}'

Orders: {"order": TEXT} as `safety-supervisor estop emulate` knows them, and {"reset": SECONDS}: press the reset button
for so long, as soon as the device would close its relays by it, or after `PATIENCE` whatever it would. Answers carry
`at`, steady clock, [ns], and the state of the device.

The relays are told on `relays_topic` (std_msgs/Bool, true for closed) 50 times a second and at each change: the wire to
the motors' power, which the supervisor has no part in.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any, Final

import rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from std_msgs.msg import Bool

from safety_supervisor import load_config
from safety_supervisor.estop.tools.emulate import Emulator
from safety_supervisor.estop.tools.pseudo_terminal import PseudoTerminal
from safety_supervisor_sim import priority
from safety_supervisor_sim.agent.child import answer
from safety_supervisor_sim.agent.estop import PATIENCE

PERIOD: Final = 0.02


class Desk:
    """The device, its wire to the motors' power, and who gives orders."""

    def __init__(self, emulator: Emulator, publisher: Any) -> None:
        self._emulator = emulator
        self._publisher = publisher
        self._told = (False, 0.0)
        self._rest = b""
        self._wanted: tuple[float, float] | None = None
        self._pressed_until: float | None = None

    def run(self) -> None:
        """Obey until the input closes."""
        while True:
            readable = self._emulator.step(sys.stdin.fileno(), PERIOD / 2)
            self._tell_relays()
            self._press_reset()
            if readable and not self._read():
                return

    def _tell_relays(self) -> None:
        closed, now = self._emulator.device.relays_closed, time.monotonic()
        if (closed, True) != (self._told[0], now < self._told[1] + PERIOD):
            self._publisher.publish(Bool(data=closed))
            self._told = (closed, now)

    def _press_reset(self) -> None:
        """Press the button that was asked for when the time has come, and answer when it was let go."""
        now = time.monotonic()
        if self._wanted is not None:
            seconds, ends = self._wanted
            device = self._emulator.device
            if device.armed(time.monotonic_ns()) or device.pressed or now >= ends:
                self._wanted = None
                self._emulator.order(f"reset {seconds}")
                self._pressed_until = now + seconds
        elif self._pressed_until is not None and now > self._pressed_until and not self._emulator.device.reset_down:
            self._pressed_until = None
            answer(at=time.monotonic_ns(), **self._emulator.state())

    def _read(self) -> bool:
        data = os.read(sys.stdin.fileno(), 4096)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            order = json.loads(line)
            if "state" in order:
                answer(at=time.monotonic_ns(), **self._emulator.state())
            elif "reset" in order:
                self._wanted = (float(order["reset"]), time.monotonic() + PATIENCE)
            else:
                at = time.monotonic_ns()
                for text in order["order"].split(";"):
                    if not self._emulator.order(text.strip()):
                        raise ValueError(f"the device does not know {text!r}")
                self._tell_relays()
                answer(at=at, **self._emulator.state())
        return bool(data)


def main() -> int:
    """Be the device until the input closes."""
    arguments = json.loads(sys.argv[1])
    line = load_config(arguments["config_file"]).estop.line
    assert line is not None
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node("estop_device", start_parameter_services=False)
    profile = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
    publisher = node.create_publisher(Bool, arguments["relays_topic"], profile)
    priority.take(priority.BUTTON)
    emulator = Emulator(line, PseudoTerminal(Path(line.port)), lambda event: None)
    try:
        Desk(emulator, publisher).run()
    except KeyboardInterrupt:
        pass
    finally:
        emulator.close()
        node.destroy_node()
        rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
