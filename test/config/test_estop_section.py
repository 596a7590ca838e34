"""The section `estop`: drivers, lines, third parties."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from safety_supervisor.config.notes import notes

if TYPE_CHECKING:
    from test.config.conftest import RobotFile

PORT = "/dev/serial/by-id/usb-estop"
FRAMES = {"driver": "frame_v1", "port": PORT}
VALUE, NAME, MISSING, ACCEPT, TYPE = (
    "E_CONFIG_VALUE",
    "E_CONFIG_NAME",
    "E_CONFIG_MISSING",
    "E_CONFIG_ACCEPT",
    "E_CONFIG_TYPE",
)


def test_a_line_is_frozen_as_written(panda: RobotFile) -> None:
    estop = panda.put(
        "estop",
        {**FRAMES, "host": 7, "device": 9, "relay_delay": 0.4, "relay_effect": "damping", "self_test_every": 3600.0},
    ).load().estop  # fmt: skip
    assert (estop.driver, estop.integrity, estop.required, estop.package) == ("frame_v1", "high", True, None)
    line = estop.line
    assert line is not None
    assert (line.port, line.baud, line.host, line.device) == (PORT, 115200, 7, 9)
    assert (line.relay_delay, line.relay_effect) == (400_000_000, "damping")
    assert line.self_test_every == 3_600_000_000_000


@pytest.mark.parametrize("driver", ["modem_lines", "byte", "vsc"])
def test_other_devices_are_of_low_integrity(panda: RobotFile, driver: str) -> None:
    loaded = panda.put("estop", {"driver": driver, "port": PORT, "relay_effect": "none"}).load()
    assert loaded.estop.integrity == "low"
    assert any("low integrity" in note for note in notes(loaded))


def test_a_third_party_is_low_unless_the_file_says_otherwise(panda: RobotFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("safety_supervisor.config.estop_checks.find_driver", lambda name, package: None)
    other = {"driver": "acme", "package": "acme-estop", "port": PORT}
    assert panda.put("estop", other).load().estop.integrity == "low"
    assert panda.put("estop", {**other, "integrity": "high"}).load().estop.integrity == "high"


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ({"driver": "frame_v1"}, {("estop.port", MISSING)}),
        ({**FRAMES, "port": "ttyUSB0"}, {("estop.port", NAME)}),
        ({**FRAMES, "port": "/dev/tty USB0"}, {("estop.port", NAME)}),
        ({**FRAMES, "host": 2}, {("estop.device", VALUE)}),
        ({**FRAMES, "host": 0}, {("estop.host", VALUE)}),
        ({**FRAMES, "device": 65536}, {("estop.device", VALUE)}),
        ({**FRAMES, "baud": "fast"}, {("estop.baud", TYPE)}),
        ({**FRAMES, "relay_delay": -0.1}, {("estop.relay_delay", VALUE)}),
        ({**FRAMES, "relay_delay": float("nan")}, {("estop.relay_delay", VALUE)}),
        ({**FRAMES, "relay_effect": "hope"}, {("estop.relay_effect", VALUE)}),
        ({**FRAMES, "self_test_every": 1.0}, {("estop.self_test_every", VALUE)}),
        ({**FRAMES, "none": "I accept"}, {("estop.none", ACCEPT)}),
        ({**FRAMES, "integrity": "high"}, {("estop.integrity", VALUE)}),
        ({**FRAMES, "package": "acme"}, {("estop.package", VALUE)}),
        ({"driver": "frame_v2", "port": PORT}, {("estop.driver", VALUE)}),
        ({"driver": "byte", "port": PORT, "host": 3}, {("estop.host", VALUE)}),
        ({"driver": "none", "none": "I accept", "port": PORT}, {("estop.port", VALUE)}),
        ({"driver": "simulated", "relay_delay": 0.3}, {("estop.relay_delay", VALUE)}),
        ({"driver": "frame_v1", "host": 2, "none": "I accept", "package": "acme"},
         {("estop.port", MISSING), ("estop.device", VALUE), ("estop.none", ACCEPT), ("estop.package", VALUE)}),
    ],
)  # fmt: skip
def test_what_contradicts_itself_is_refused_all_at_once(
    panda: RobotFile, section: dict[str, Any], expected: set[tuple[str, str]]
) -> None:
    assert panda.put("estop", section).refused() == expected


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ({**FRAMES, "port": "ttyUSB0", "host": 2}, {("estop.port", NAME), ("estop.device", VALUE)}),
        ({**FRAMES, "port": "ttyUSB0", "host": 2, "none": "I accept", "package": "acme", "integrity": "high"},
         {("estop.port", NAME), ("estop.device", VALUE), ("estop.none", ACCEPT), ("estop.package", VALUE),
          ("estop.integrity", VALUE)}),
        ({"driver": "byte", "port": "ttyUSB0", "host": 3}, {("estop.port", NAME), ("estop.host", VALUE)}),
        ({"driver": "frame_v2", "port": "ttyUSB0"}, {("estop.port", NAME), ("estop.driver", VALUE)}),
        ({"driver": "none", "port": "ttyUSB0"}, {("estop.port", NAME), ("estop.port", VALUE), ("estop.none", ACCEPT)}),
        ({"driver": "none", "none": "yes"}, {("estop.none", VALUE)}),
        ({"port": PORT, "host": 2}, {("estop.driver", MISSING), ("estop.device", VALUE)}),
        ({**FRAMES, "baud": "fast", "relay_delay": -1.0, "host": 2},
         {("estop.baud", TYPE), ("estop.relay_delay", VALUE), ("estop.device", VALUE)}),
        ({**FRAMES, "device": "two", "host": 2}, {("estop.device", TYPE)}),
        ({**FRAMES, "speed": 9600, "host": 2}, {("estop.speed", "E_CONFIG_UNKNOWN_KEY"), ("estop.device", VALUE)}),
        ({**FRAMES, "package": "-", "driver": "acme", "host": 2}, {("estop.package", NAME), ("estop.device", VALUE)}),
    ],
)  # fmt: skip
def test_a_malformed_key_hides_nothing_of_the_others(
    panda: RobotFile, section: dict[str, Any], expected: set[tuple[str, str]]
) -> None:
    assert panda.put("estop", section).refused() == expected


def test_what_should_be_known_is_noted(panda: RobotFile) -> None:
    short = notes(panda.put("estop", {"driver": "frame_v1", "port": "/dev/ttyUSB0", "relay_delay": 0.2}).load())
    assert any("relay_delay 0.2 s is shorter than the longest stop, 0.303 s" in note for note in short)
    assert any("/dev/serial/by-id/" in note for note in short)
    good = notes(panda.put("estop", {**FRAMES, "relay_delay": 0.4}).load())
    assert not any("estop." in note for note in good)
