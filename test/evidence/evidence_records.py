"""What the tests of the event log record."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable

from safety_supervisor.core.effects import Actuate, Decision, Effect, HorizonPoint, Status
from safety_supervisor.core.estop_input import EstopInput
from safety_supervisor.core.events import Tick
from safety_supervisor.evidence.event_log import LogHeader

JOINTS = (0.1, -0.785, 1e-9, -2.356, 0.0, 1.571, 0.785)
HORIZON = tuple(HorizonPoint(4_000_000 * step, JOINTS, JOINTS, JOINTS) for step in range(6))


def header(boot_id: str = "boot1", robot_id: str = "panda") -> LogHeader:
    return LogHeader(
        robot_id=robot_id,
        boot_id=boot_id,
        nonce="n",
        configuration=b"robot: {id: panda}\n",
        urdf=zlib.compress(b"<robot name='panda'/>"),
        configuration_sha256="00",
        versions={"python": "3.11"},
        started_at="2026-01-02T03:04:05+00:00",
    )


def tick(at: int) -> Tick:
    return Tick(at, at, EstopInput("run", received_at=at))


def actuate(at: int) -> Actuate:
    return Actuate(at, at, JOINTS, JOINTS, JOINTS, HORIZON, True)


def decision(at: int, code: str = "E_NOT_FINITE", source: str = "planner", detail: str = "d") -> Decision:
    return Decision(at, source, "c1", "REJECT", code, "joint.finite", "panda_joint1", 2.0, 1.0, -1.0, detail)


def status(at: int, state: str, cause: str = "") -> Status:
    return Status(at, state, cause, (), "reset", "auto", 1.0, 1, "n", "00", "", 0.1, 0.0)


def effects(at: int) -> tuple[Effect, ...]:
    """Effects of a tick; every third one carries a decision."""
    return (actuate(at), decision(at)) if at % 3 == 0 else (actuate(at),)


def wait_for(condition: Callable[[], bool], seconds: float = 30.0) -> bool:
    """Wait until something is so; how long it may take is no claim of a test."""
    ends = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > ends:
            return False
        time.sleep(0.005)
    return True
