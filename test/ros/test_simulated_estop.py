"""The simulated e-stop's word: nothing that is not RUN is lost between two cycles."""

from __future__ import annotations

import struct

import pytest

from safety_supervisor.ros.world_input import SimulatedEstop


def _message(text: str) -> bytes:
    data = text.encode() + b"\x00"
    return b"\x00\x01\x00\x00" + struct.pack("<I", len(data)) + data


@pytest.mark.requirement("SR-001", "SR-036")
@pytest.mark.parametrize(
    ("words", "seen"),
    [
        (["run", "stop", "run"], ["stop", "run"]),
        (["stop", "run", "run"], ["stop", "run"]),
        (["run", "what", "run"], ["unknown", "run"]),
        (["what", "stop", "run"], ["stop", "run"]),
        (["run"], ["run", "run"]),
        ([], ["unknown", "unknown"]),
    ],
)
def test_a_press_shorter_than_a_cycle_is_seen_once(words: list[str], seen: list[str]) -> None:
    estop = SimulatedEstop()
    for word in words:
        estop.hear(_message(word), 1)
    assert [estop.sample().state for _ in seen] == seen


def test_bytes_that_are_no_string_are_unknown() -> None:
    estop = SimulatedEstop()
    estop.hear(b"\x00\x01", 1)
    assert estop.sample().state == "unknown"
