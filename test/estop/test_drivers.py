"""What holds for every driver, what is each simple one's own, and third parties' drivers by entry point."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from line_rig import LINE, MS, SEED, START, STOP, Rig, frame

from safety_supervisor.config.codes import ConfigurationCode
from safety_supervisor.config.problems import ConfigurationError
from safety_supervisor.core.errors import Code
from safety_supervisor.core.estop_settings import BUILT_IN, EstopSettings, Integrity
from safety_supervisor.estop.driver import Driver
from safety_supervisor.estop.drivers import ThirdParty, make_driver
from safety_supervisor.estop.link import FrameV1
from safety_supervisor.estop.modem_lines import ModemLines
from safety_supervisor.estop.vsc import checksum, message

HEARTBEAT_RUN = message(0x20, bytes((9, 0, 0, 0, 0, 0)))


CALLS = st.lists(st.tuples(st.binary(max_size=300), st.integers(-(10**19), 10**19)), max_size=8)


def settings_of(name: str) -> EstopSettings:
    return EstopSettings(name, "high" if name == "frame_v1" else "low", LINE)


class Device:
    """Any device: says RUN or STOP to its driver."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.driver = make_driver(settings_of(name))
        self.now = START
        self.number = 5
        self.echo = SEED
        self.driver.opened(self.now, SEED)
        data = self.driver.cycle(self.now, True, False, False)
        if name == "frame_v1":
            assert len(data) == 24
            self.driver.receive(frame(1, self.number, SEED), self.now)

    def say(self, run: bool) -> None:
        if self.name == "modem_lines":
            self.driver.contacts(run, run, self.now)
        elif self.name == "byte":
            self.driver.receive(bytes((run,)), self.now)
        elif self.name == "vsc":
            self.driver.receive(message(0x20, bytes((9, 0, 0 if run else 1, 0, 0, 0))), self.now)
        else:
            self.number += 1
            self.driver.receive(frame(2, self.number, self.echo, (0x3C, 0xC3) if run else STOP), self.now)

    def go_on(self, milliseconds: int) -> None:
        self.now += milliseconds * MS


@pytest.fixture(params=BUILT_IN)
def device(request: pytest.FixtureRequest) -> Device:
    return Device(request.param)


def test_a_fresh_word_is_told_and_silence_is_none(device: Device) -> None:
    assert device.driver.sample(device.now).state == "unknown"
    device.say(True)
    word = device.driver.sample(device.now)
    assert (word.state, word.received_at, word.fault) == ("run", device.now, "")
    assert word.integrity == ("high" if device.name == "frame_v1" else "low")
    device.go_on(100)
    assert device.driver.sample(device.now).state == "run"
    device.go_on(1)
    assert device.driver.sample(device.now).state == "unknown"


@pytest.mark.requirement("SR-001")
@pytest.mark.requirement("SR-032")
@pytest.mark.parametrize("name", ["modem_lines", "byte", "vsc"])
def test_a_word_that_waited_is_as_old_as_it_is(name: str) -> None:
    device = Device(name)
    device.say(True)
    heard_at = device.now
    assert device.driver.sample(device.now).state == "run"
    device.go_on(60)
    device.say(True)
    device.go_on(1000)
    device.driver.sample(device.now)
    late, device.now = device.now, heard_at + 80 * MS
    device.say(True)
    word = device.driver.sample(late)
    assert (word.state, word.received_at) == ("unknown", heard_at + 80 * MS)
    device.now = late - 100 * MS
    device.say(True)
    assert device.driver.sample(late).state == "run"
    assert device.driver.sample(late + MS).state == "unknown"


def test_a_stop_is_told_at_once_and_once_even_if_it_is_over(device: Device) -> None:
    for word in (True, False, True):
        device.say(word)
    assert device.driver.sample(device.now).state == "stop"
    assert device.driver.sample(device.now).state == "run"
    device.say(False)
    for _ in range(3):
        assert device.driver.sample(device.now).state == "stop"


@pytest.mark.requirement("SR-035")
def test_a_port_that_is_gone_is_a_stop_until_the_device_is_heard_again(device: Device) -> None:
    device.say(True)
    device.driver.closed(device.now, "unplugged")
    word = device.driver.sample(device.now)
    assert (word.state, word.fault) == ("unknown", Code.ESTOP_PORT.value)
    device.say(True)
    assert device.driver.sample(device.now).fault == Code.ESTOP_PORT.value
    assert [notice.code for notice in device.driver.notices()] == [Code.ESTOP_PORT]
    device.driver.opened(device.now, SEED + 100)
    word = device.driver.sample(device.now)
    assert (word.state, word.fault) == ("unknown", "")


@settings(max_examples=60)
@given(
    st.sampled_from(BUILT_IN), st.lists(st.tuples(st.binary(max_size=300), st.integers(-(10**19), 10**19)), max_size=8)
)
def test_no_bytes_and_no_time_raise_and_nothing_grows(name: str, calls: list[tuple[bytes, int]]) -> None:
    driver = make_driver(settings_of(name))
    driver.opened(0, 1)
    for data, at in calls:
        driver.receive(data, at)
        driver.contacts(bool(data), True, at)
        driver.sample(at)
        driver.cycle(at, True, bool(at % 2), True)
        assert all(type(value) is int for value in driver.statistics.values())
    assert len(driver.notices()) <= 32


def test_a_flood_is_bounded(device: Device) -> None:
    if device.name == "modem_lines":
        return
    device.driver.receive(HEARTBEAT_RUN * 10_000, device.now)
    assert device.driver.sample(device.now).state != "run"


# --- modem_lines


@pytest.mark.requirement("SR-003")
def test_one_contact_that_opens_alone_is_a_stop_and_then_a_discrepancy() -> None:
    driver = ModemLines(settings_of("modem_lines"))
    driver.opened(START, 0)
    now = START
    words = []
    for _ in range(70):
        now += 2 * MS
        driver.contacts(True, now < START + 20 * MS, now)
        word = driver.sample(now)
        words.append((word.state, word.fault))
    assert words[8:10] == [("run", ""), ("stop", "")]
    assert words[59:61] == [("stop", ""), ("unknown", Code.ESTOP_DISCREPANCY.value)]
    driver.contacts(True, True, now)
    assert driver.sample(now).fault == Code.ESTOP_DISCREPANCY.value
    driver.contacts(False, False, now)
    assert driver.sample(now).state == "stop"
    driver.contacts(True, True, now)
    assert driver.sample(now).state == "run"


# --- byte


@pytest.mark.parametrize("value", [*range(2, 256, 23), 0xFF])
def test_every_other_byte_is_a_fault_until_a_known_one_comes(value: int) -> None:
    device = Device("byte")
    device.say(True)
    device.driver.receive(bytes((value, 1)), device.now)
    assert device.driver.sample(device.now).fault == Code.ESTOP_VALUE.value
    assert device.driver.sample(device.now).state == "run"
    device.driver.receive(bytes((value,)), device.now)
    for _ in range(3):
        assert device.driver.sample(device.now).fault == Code.ESTOP_VALUE.value


# --- vsc


def test_the_sum_is_fletchers_modulo_256() -> None:
    assert checksum(b"abcde") == bytes((0xEF, 0xC3))  # 495 and 1475 modulo 256, by hand
    assert HEARTBEAT_RUN.hex() == "100120060900000000004009"
    # By hand: plain 10 11 31 37 40 and stays; summed 10 21 52 89 c9, then five times 40 more: 209


def test_the_sum_misses_two_bit_errors_which_is_why_the_integrity_is_low() -> None:
    number, missed = int.from_bytes(HEARTBEAT_RUN, "big"), 0
    for one in range(96):
        for two in range(one):
            data = (number ^ 1 << one ^ 1 << two).to_bytes(12, "big")
            missed += checksum(data[:-2]) == data[-2:]
    assert missed > 0, "the driver's integrity could be reconsidered"


@pytest.mark.parametrize("bit", range(32))
def test_every_bit_of_the_status_is_a_stop(bit: int) -> None:
    device = Device("vsc")
    device.say(True)
    assert device.driver.sample(device.now).state == "run"
    device.driver.receive(message(0x20, bytes((9, 0)) + (1 << bit).to_bytes(4, "little")), device.now)
    assert device.driver.sample(device.now).state == "stop"


@pytest.mark.parametrize("mode", [mode for mode in range(256) if mode != 9])
def test_only_the_operational_mode_permits_run(mode: int) -> None:
    device = Device("vsc")
    device.driver.receive(message(0x20, bytes((mode, 0, 0, 0, 0, 0))), device.now)
    assert device.driver.sample(device.now).state == "stop"


def test_our_own_demand_that_comes_back_is_no_stop_and_any_other_is() -> None:
    device = Device("vsc")
    echoed = message(0x20, bytes((9, 0, 0x40, 0, 0, 0)))
    device.driver.receive(echoed, device.now)
    assert device.driver.sample(device.now).state == "stop"
    device.go_on(1000)
    device.driver.cycle(device.now, True, True, False)
    device.driver.receive(HEARTBEAT_RUN + echoed, device.now)
    device.driver.sample(device.now)
    assert device.driver.sample(device.now).state == "run"
    device.go_on(501)
    device.driver.receive(echoed, device.now)
    assert device.driver.sample(device.now).state == "stop"


def test_the_host_sends_20_a_second_while_alive_and_a_stop_at_once() -> None:
    device = Device("vsc")
    sent = []
    for _ in range(500):
        device.go_on(2)
        data = device.driver.cycle(device.now, True, False, False)
        if data:
            sent.append(data)
    assert len(sent) == pytest.approx(20, abs=1)
    assert set(sent) == {bytes.fromhex("1001210100") + checksum(bytes.fromhex("1001210100"))}
    assert device.driver.cycle(device.now + 1, False, True, False)[4] == 1
    assert all(device.driver.cycle(device.now + n * MS, False, True, False) == b"" for n in range(200))


def test_messages_are_found_in_pieces_and_behind_garbage() -> None:
    stream = b"\x10\x10\x01\x20\x10" + HEARTBEAT_RUN + message(0x10, bytes(14)) + HEARTBEAT_RUN
    for piece in (1, 2, 3, 7, 40):
        device = Device("vsc")
        for place in range(0, len(stream), piece):
            device.driver.receive(stream[place : place + piece], device.now)
        assert device.driver.statistics["words"] == 2


def test_a_heartbeat_that_is_corrupted_is_not_heard_and_more_than_5_are_a_fault() -> None:
    device = Device("vsc")
    device.say(True)
    for number in range(6):
        assert device.driver.sample(device.now).fault == ""
        device.driver.receive(HEARTBEAT_RUN[:-1] + bytes((HEARTBEAT_RUN[-1] ^ 1,)), device.now)
        assert device.driver.statistics["corrupted"] == number + 1
    assert device.driver.sample(device.now).fault == Code.ESTOP_CORRUPTED.value
    assert device.driver.statistics["words"] == 1


def play_heartbeats(spoil: Callable[[bytes], bytes], pressed_at: int, piece: int = 12) -> list[tuple[int, str, str]]:
    """Return what is said over 2 s, [ms]: a heartbeat every 50 ms, the one at 500 ms spoiled, then maybe a press."""
    device = Device("vsc")
    said: list[tuple[int, str, str]] = []
    for ms in range(2000):
        device.now = START + ms * MS
        if ms % 50 == 0 or ms == pressed_at:
            data = message(0x20, bytes((9, 0, 0 if ms < pressed_at else 4, 0, 0, 0)))
            data = spoil(data) if ms == 500 else data
            for place in range(0, 12, piece):
                device.driver.receive(data[place : place + piece], device.now)
        word = device.driver.sample(device.now)
        if not said or said[-1][1:] != (word.state, word.fault):
            said.append((ms, word.state, word.fault))
    return said


@pytest.mark.requirement("SR-003")
@pytest.mark.parametrize("piece", [1, 5, 12])
@pytest.mark.parametrize("bit", range(96))
def test_one_bit_makes_nobody_deaf(bit: int, piece: int) -> None:
    def flip(data: bytes) -> bytes:
        return bytes(value ^ (1 << bit % 8 if place == bit // 8 else 0) for place, value in enumerate(data))

    # Any bit: a message is lost, which is harmless; a press behind it is told as soon as what waits is dropped.
    assert play_heartbeats(flip, 5000, piece) == [(0, "run", "")]
    ((_, _, _), (told, state, _)) = play_heartbeats(flip, 510, piece)
    assert state == "stop"
    assert told <= 510 + 55, "PATIENCE and the time of 254 bytes at 115200 Bd"
    if bit // 8 == 3:
        assert told == 510


def test_a_message_that_was_begun_and_never_ended_delays_nothing() -> None:
    device = Device("vsc")
    device.say(True)
    device.go_on(40)
    device.driver.receive(b"\x10\x01\x10\xf0", device.now)
    device.go_on(10)
    device.say(True)
    assert device.driver.sample(device.now).state == "run"
    device.go_on(50)
    word = device.driver.sample(device.now)
    assert (word.state, word.received_at) == ("run", device.now - 60 * MS), "as old as what it waited behind"
    device.go_on(41)
    assert device.driver.sample(device.now).state == "unknown"


def test_a_heartbeat_of_another_length_is_told() -> None:
    device = Device("vsc")
    for _ in range(6):
        device.driver.receive(message(0x20, bytes((9, 0, 0, 0, 0, 0, 0))), device.now)
    assert device.driver.sample(device.now).fault == Code.ESTOP_VALUE.value
    assert device.driver.statistics["words"] == 0


# --- third parties

MODULE = """
from safety_supervisor.estop.modem_lines import ModemLines
from dataclasses import replace
import msgspec

class Mine(ModemLines):
    def sample(self, at):
        return msgspec.structs.replace(super().sample(at), integrity="high")

def broken(settings):
    raise RuntimeError("no licence")

def nothing(settings):
    return object()
"""


def install(folder: Path, distribution: str, module: str, points: str) -> None:
    (folder / f"{module}.py").write_text(MODULE, encoding="utf-8")
    info = folder / f"{distribution.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[safety_supervisor.estop_drivers]\n{points}\n", encoding="utf-8")


@pytest.fixture
def stranger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str | None, Integrity], Driver]:
    points = {"acme": "Mine", "broken": "broken", "nothing": "nothing", "absent": "absent", "frame_v1": "broken"}
    lines = "\n".join(f"{name} = acme_estop_test:{what}" for name, what in points.items())
    install(tmp_path, "acme-estop", "acme_estop_test", lines)
    install(tmp_path, "evil-estop", "evil_estop_test", "acme = evil_estop_test:broken")
    monkeypatch.syspath_prepend(str(tmp_path))

    def make(name: str, package: str | None, integrity: Integrity = "low") -> Driver:
        return make_driver(EstopSettings(name, integrity, LINE, package))

    return make


Make = Callable[..., Driver]


def test_a_third_partys_driver_is_low_unless_the_configuration_says_otherwise(stranger: Make) -> None:
    for integrity in ("low", "high"):
        driver = stranger("acme", "acme-estop", integrity)
        assert isinstance(driver, ThirdParty)
        driver.opened(START, 0)
        driver.contacts(True, True, START)
        word = driver.sample(START)
        assert (word.state, word.integrity) == ("run", integrity)
        driver.receive(b"x", START)
        assert driver.cycle(START, True, False, False) == b""
        driver.closed(START, "gone")
        assert [notice.code for notice in driver.notices()] == [Code.ESTOP_PORT]
        assert driver.statistics["words"] == 1


def test_no_entry_point_replaces_a_driver_of_the_product(stranger: Make) -> None:
    assert isinstance(stranger("frame_v1", "acme-estop", "high"), FrameV1)


@pytest.mark.parametrize(
    ("name", "package", "path", "says"),
    [
        ("acme", "not-there-estop", "estop.package", "not installed"),
        ("other", "acme-estop", "estop.driver", "acme-estop offers absent, acme, broken"),
        ("acme", "pytest", "estop.driver", "offers no driver"),
        ("acme", None, "estop.driver", "no driver of this product"),
        ("acme", "evil-estop", "estop.driver", "no licence"),
        ("broken", "acme-estop", "estop.driver", "RuntimeError"),
        ("absent", "acme-estop", "estop.driver", "AttributeError"),
        ("nothing", "acme-estop", "estop.driver", "is no driver: opened"),
    ],
)
def test_what_can_not_be_a_driver_is_told_with_code_and_cure(
    stranger: Make, name: str, package: str | None, path: str, says: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        stranger(name, package)
    (problem,) = refused.value.errors
    assert (problem.path, problem.code) == (path, ConfigurationCode.DRIVER)
    assert says in problem.message
    assert problem.cure


def test_without_a_line_there_is_no_driver() -> None:
    with pytest.raises(ValueError, match="no line"):
        make_driver(EstopSettings("none"))


def test_the_drivers_ids_are_the_settings() -> None:
    rig = Rig(driver=make_driver(replace(settings_of("frame_v1"))))
    rig.open().step(100)
    assert rig.word.state == "run"
