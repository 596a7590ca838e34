"""The compiled device against the product's port and driver, each in a process of its own, one of them frozen.

What is asserted are states and their order. Times are printed (`pytest -s`): a machine shares its processors, and the
bounds (100 ms and two frames, 104.2 ms) are held in virtual time by `test_exchange.py` and `estop/test_link_faults.py`.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pty_device import Device

PATIENCE = 20.0
STANDS = 0.6
"""Long against watchdog and relay delay, [s]."""


def process_state(number: int) -> str:
    """Return the kernel's letter: R or S runs, T is stopped."""
    return Path(f"/proc/{number}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]


class HostProcess:
    """`host_process.py`, and what it says."""

    def __init__(self, tty: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("host_process.py")), tty], stdout=subprocess.PIPE, text=True
        )
        self._said: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._said.put(json.loads(line))

    def wait(self, wanted: Callable[[dict[str, Any]], bool], what: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Return the next line that is wanted, and all until then."""
        ends, passed = time.monotonic() + PATIENCE, list[dict[str, Any]]()
        while True:
            try:
                said = self._said.get(timeout=max(0.001, ends - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"{what} did not happen: {passed}") from None
            passed.append(said)
            if wanted(said):
                return said, passed

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def line(build: Callable[..., Path]) -> Iterator[tuple[Device, HostProcess]]:
    """Both, in a session, with closed relays: pressed, released, a second, the device's reset button."""
    device = Device(build("estop-pty") / "estop-pty")
    host = HostProcess(device.tty)
    try:
        host.wait(lambda said: said.get("state") == "run", "RUN")
        for _ in range(5):  # a busy machine may be silent for 100 ms meanwhile
            time.sleep(1.2)
            device.command("reset down")
            time.sleep(0.3)
            device.command("reset up")
            try:
                host.wait(lambda said: said.get("relays") == "closed", "closed relays")
                break
            except AssertionError:
                continue
        device.command("report")
        assert device.events[-2]["relays"] == "closed", device.events[-5:]
        if not any(event.get("closed") for event in device.events):  # contacts follow their coils
            device.wait(lambda event: event.get("closed") is True, PATIENCE)
        yield device, host
    finally:
        host.end()
        device.end()


def names(events: list[dict[str, Any]]) -> list[str]:
    """Return what relays and their contacts did, in order."""
    told = []
    for event in events:
        if event["event"] == "relays":
            told.append(event["state"])
        elif event["event"] == "contacts":
            told.append("contacts closed" if event["closed"] else "contacts open")
    return told


@pytest.mark.requirement("SR-035")
@pytest.mark.requirement("SR-039")
def test_a_frozen_host_has_the_relays_opened(line: tuple[Device, HostProcess]) -> None:
    device, host = line
    known, number = len(device.events), host.process.pid
    froze_at = time.monotonic_ns()
    os.kill(number, signal.SIGSTOP)
    decided = device.wait(lambda event: event["event"] == "relays", PATIENCE)
    state_then = process_state(number)
    opened = device.wait(lambda event: event.get("closed") is False, PATIENCE)
    print(
        f"host {process_state(number)}; decided {(decided['t'] - froze_at) / 1e6:.1f} ms after SIGSTOP (bound 104.2), "
        f"contacts open {(opened['t'] - froze_at) / 1e6:.1f} ms (with the delay of 300 ms)"
    )
    assert state_then == process_state(number) == "T", "it stood when the device decided, and when the contacts opened"
    assert decided["state"] == "opening"
    assert decided["opened_by"] == ["silent"]
    assert names(device.events[known:]) == ["opening", "open", "contacts open"]
    os.kill(number, signal.SIGCONT)
    _, passed = host.wait(lambda said: said.get("state") == "run", "RUN of a new session")
    assert any(said.get("state") == "unknown" for said in passed), passed
    assert "closed" not in names(device.events[known:]), "nothing closes without a person at the device"


@pytest.mark.requirement("SR-035")
@pytest.mark.requirement("SR-036")
def test_a_frozen_device_is_a_stop_and_opens_when_it_wakes(line: tuple[Device, HostProcess]) -> None:
    """A frozen processor moves nothing: on the real board its watchdog resets it, and the relays drop."""
    device, host = line
    known, number = len(device.events), device.process.pid
    froze_at = time.monotonic_ns()
    os.kill(number, signal.SIGSTOP)
    stopped, _ = host.wait(lambda said: said.get("state", "run") != "run", "a stop")
    print(f"device {process_state(number)}; the word left RUN {(stopped['t'] - froze_at) / 1e6:.1f} ms after SIGSTOP")
    assert process_state(number) == "T"
    assert stopped["state"] == "unknown"
    assert stopped["relays"] == "none", "what the relays do is not known any more"
    time.sleep(STANDS)
    assert process_state(number) == "T"
    woke_at = time.monotonic_ns()
    os.kill(number, signal.SIGCONT)
    opened = device.wait(lambda event: event.get("closed") is False, PATIENCE)
    told = [event for event in device.events[known:] if event["event"] == "relays"]
    decided_ms, opened_ms = ((event["t"] - woke_at) / 1e6 for event in (told[0], opened))
    print(f"decided {decided_ms:.1f} ms after SIGCONT, contacts open {opened_ms:.1f} ms")
    assert names(device.events[known:]) == ["opening", "open", "contacts open"]
    assert set(told[0]["opened_by"]) & {"silent", "session"}
    host.wait(lambda said: said.get("state") == "run" and said["relays"] == "open", "RUN, with open relays, told")
    assert "closed" not in names(device.events[known:]), "nothing closes without a person at the device"
