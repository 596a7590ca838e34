"""The e-stop device as a process of its own at the supervisor's line, and what people do with its buttons."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "estop"))

from emulator_process import EmulatorProcess
from ros_rig import Client, Process, Rig, write_configuration

START = 60.0
"""A start is 3 s of work; a busy machine shares its processors, [s]."""
REARM = 1.25
"""The device wants CHECKIN with RUN for 1 s, and the demand to stop stays for 0.1 s, [s]."""


class Device(EmulatorProcess):
    """`estop emulate --config`; while a test waits for it, the client goes on listening."""

    def __init__(self, client: Client, config: Path, link: Path) -> None:
        self._client = client
        super().__init__(link, "--config", str(config))
        # A real device has a processor of its own; beside a busy machine this one is late only where it must be.
        with contextlib.suppress(PermissionError):
            os.sched_setscheduler(self._process.pid, os.SCHED_FIFO, os.sched_param(20))

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        self._client.wait_for(condition, f"the device: {what}", 20.0)

    def obey(self, *orders: str) -> None:
        """Have orders obeyed, one after the other."""
        for order in orders:
            answer = self.order(order)
            assert answer["ok"], answer

    def relay_events(self, since: int) -> list[str]:
        """Return what the relays did since entry `since` of `told`."""
        return [line["detail"] for line in self.told[since:] if line.get("event") == "relay"]


class Bench:
    """A supervisor, the device at its line, and a client."""

    def __init__(self, rig: Rig, client: Client, stack: contextlib.ExitStack, **estop: Any) -> None:
        self.rig, self.client, self._stack = rig, client, stack
        self.link = rig.directory / "estop"
        self.estop = {"driver": "frame_v1", "none": None, "port": str(self.link), **estop}
        self.changes: dict[str, Any] = {"estop": self.estop, "sources": {"planner": {"refusals": 10_000}}}
        self.supervisor: Process | None = None
        self.device: Device

    def connect(self, **other: Any) -> Device:
        """Start the device; `other` is what its configuration has other than the supervisor's."""
        folder = self.rig.directory / "device"
        folder.mkdir(exist_ok=True)
        config = write_configuration(folder, **{**self.changes, "estop": {**self.estop, **other}})
        self.device = self._stack.enter_context(Device(self.client, config, self.link))
        return self.device

    def start(self, fresh: bool = True, starter: Callable[[Path], Process] | None = None) -> Process:
        """Start the supervisor; without `fresh` with the latches that the one before left."""
        self.client.forget()
        log = self.rig.fresh_directory() if fresh else self.rig.last_directory
        if starter is None:
            self.supervisor = self.rig.supervisor(f"log_directory:={log}", **self.changes)
        else:
            self.supervisor = starter(
                write_configuration(self.rig.directory, **self.changes, evidence={"log_directory": str(log)})
            )
        return self.supervisor

    def end(self) -> None:
        assert self.supervisor is not None
        self.supervisor.end()

    def cycle(self) -> None:
        """Press and release the button, as the latch demands; the robot is LOCKED then, and no further."""
        client = self.client
        self.device.obey("press")
        client.wait_for(lambda: self.holds("E_ESTOP"), "the press to be seen")
        client.wait_state("EMERGENCY_STOP")
        self.device.obey("release")
        client.wait_state("LOCKED")

    def settle(self) -> None:
        """Wait for LOCKED; a machine that stood still may have made the line silent before, which is latched.

        It may do that once more while the button is cycled: the bench of all tests of a file is not given up for it.
        """
        self.client.wait_state("LOCKED", "EMERGENCY_STOP", timeout=START)
        for _ in range(2):
            if self.client.state == "LOCKED":
                return
            sessions = self.counters()["sessions"]
            try:
                self.cycle()
            except AssertionError:
                if self.counters()["sessions"] == sessions:
                    raise
        self.client.wait_state("LOCKED")

    def arm(self) -> None:
        """Bring the supervisor to AUTO/HOLDING, whatever was wrong with the device."""
        if self.client.state == "AUTO/HOLDING":
            return
        self.device.obey("good")
        self.client.wait_state("EMERGENCY_STOP", "LOCKED", "INIT", timeout=START)
        self.cycle()
        self.client.wait_rest()
        self.client.arm()

    def holds(self, code: str) -> bool:
        """Whether a cause is active."""
        return code in self.client.status.get("active_causes", "").split()

    def move(self, seconds: float = 3.0) -> None:
        """Have the agent turn joint 1, to and fro from one call to the next."""
        travel = 0.6 if self.client.pose()[0] < 0.0 else -0.6
        self.client.play(travel, seconds)

    def told(self, code: str) -> list[str]:
        """Return what was said on ~/decisions in the device's name."""
        return [
            one["message"] for one in self.client.decisions if one.get("source") == "estop" and one.get("code") == code
        ]

    def counters(self) -> dict[str, int]:
        """Return the line's counters of the status."""
        pairs = (pair.split("=") for pair in self.client.status["estop_counters"].split())
        return {name: int(value) for name, value in pairs}


@contextlib.contextmanager
def running_bench(rig: Rig, **estop: Any) -> Iterator[Bench]:
    """Give a bench beside a simulated cell, with nothing started at the line."""
    with contextlib.ExitStack() as stack:
        yield Bench(rig, rig.client(), stack, **estop)
