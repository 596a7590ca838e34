"""Why no session begins is said in words, with what to do; a right device is never suspected."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest
from line_rig import HELLO, SIGNATURE, STATUS, Rig, frame

from safety_supervisor.core.errors import Code

OTHER = SIGNATURE ^ 1


def _of_another(**about: int) -> Callable[[bytes], bytes]:
    """What a device of another configuration sends: the same frame, other bytes in its head, another check sum."""

    def spoil(data: bytes) -> bytes:
        kind, source, destination, sequence, echo = struct.unpack("<xxxBHHII", data[:16])
        head = {"source": source, "destination": destination} | about
        return frame(kind, sequence, echo, (data[16], data[17]), data[18], data[19], sign=OTHER, **head)

    return spoil


@pytest.mark.requirement("SR-035")
@pytest.mark.parametrize("only_hello", [False, True], ids=["status", "one hello a second"])
@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_of_another(), ("another configuration", f"{SIGNATURE:08x}", "estop.relay_delay", "firmware-header")),
        (_of_another(version=2), ("protocol version 2", "allowed: 1", "Flash the firmware")),
        (_of_another(source=7), ("from 7 to 1", "allowed: 2 to 1", "estop.device")),
        (_of_another(destination=9), ("from 2 to 9", "allowed: 2 to 1", "estop.host")),
        (lambda data: bytes(len(data)), ("bytes come, but no frame", "115200 Bd", "estop.baud")),
    ],
    ids=["signature", "version", "source", "destination", "no frames"],
)
def test_who_never_is_understood_is_named(
    spoil: Callable[[bytes], bytes], words: tuple[str, ...], only_hello: bool
) -> None:
    rig = Rig(spoil=spoil, answers=False, sends=not only_hello).open()
    rig.session = True
    for _ in range(3):
        if only_hello:
            rig.emit(HELLO)
        rig.step(1000)
    assert rig.word.state == "unknown"
    assert rig.word.fault == Code.ESTOP_PEER.value
    assert rig.told
    for notice in rig.told:
        assert notice.code is Code.ESTOP_PEER
        assert all(word in notice.detail for word in words), notice.detail
    assert len(rig.told) == 1


@pytest.mark.requirement("SR-035")
def test_a_line_without_a_byte_and_a_device_that_hears_nothing_are_named() -> None:
    rig = Rig(answers=False, sends=False).open()
    rig.step(3000)
    assert [(one.code, "nothing comes" in one.detail) for one in rig.told] == [(Code.ESTOP_SILENT, True)]
    assert rig.word.fault == ""
    rig.restart()
    rig.step(700)
    rig.restart()
    rig.step(700)
    assert rig.told[-1].code is Code.ESTOP_SILENT
    assert "(TX)" in rig.told[-1].detail
    assert rig.driver.statistics["unheard"] == 2
    rig.answers = rig.sends = True
    rig.until(lambda word: word.state == "run", 1000)
    rig.told.clear()
    rig.step(5000)
    assert rig.told == []


@pytest.mark.requirement("SR-035")
def test_the_reason_follows_what_is_plugged_in_and_ends_with_the_session() -> None:
    rig = Rig(spoil=_of_another(version=2), answers=False, sends=False).open()
    rig.emit(HELLO)
    rig.step(1000)
    rig.emit(HELLO)
    rig.step(600)
    assert "version 2" in rig.told[-1].detail
    rig.spoil = _of_another(source=7)
    for _ in range(4):
        rig.emit(HELLO)
        rig.step(1000)
    assert "from 7 to 1" in rig.told[-1].detail
    rig.spoil, rig.answers, rig.sends = None, True, True
    rig.until(lambda word: word.state == "run", 1200)


def test_a_right_device_is_never_suspected_because_of_noise_before_its_session() -> None:
    rig = Rig(answers=False, sends=False).open()
    rig.put(_of_another(source=7)(frame(STATUS)))
    rig.step(500)
    rig.answers = rig.sends = True
    rig.step(3000)
    assert rig.told == []
    assert rig.word.state == "run"


def test_a_closed_port_tells_its_own_reason_alone() -> None:
    rig = Rig(answers=False, sends=False).open()
    rig.step(500)
    rig.driver.closed(rig.now, "unplugged")
    rig.step(6000)
    assert [one.detail for one in rig.told] == ["unplugged"]


def told_of(rig: Rig) -> set[tuple[Code, str]]:
    return {(one.code, one.detail) for one in rig.told}


def only(rig: Rig, code: Code, words: str) -> bool:
    return bool(rig.told) and all(one.code is code and words in one.detail for one in rig.told)


def test_a_device_that_speaks_and_does_not_hear_us_is_named() -> None:
    rig = Rig(to_device=10**9, session=True, received=12345).open()
    rig.step(3000)
    assert only(rig, Code.ESTOP_SILENT, "STATUS comes outside a session"), rig.told
    assert "(TX)" in rig.told[0].detail


def test_answers_that_come_too_late_are_named() -> None:
    rig = Rig(to_host=200, sends=False).open()
    rig.step(3000)
    assert only(rig, Code.ESTOP_STALE, ""), rig.told
    assert any("answers too late" in one.detail and "low latency" in one.detail for one in rig.told)


def test_a_device_that_begins_sessions_and_says_nothing_is_named() -> None:
    rig = Rig(sends=False).open()
    rig.step(4000)
    assert rig.driver.statistics["sessions"] > 10
    assert only(rig, Code.ESTOP_SILENT, "no STATUS follows"), rig.told


def test_a_device_that_answers_somebody_else_is_named() -> None:
    rig = Rig(answers=False, sends=False).open()
    for _ in range(60):
        rig.emit(HELLO, echo=0x1234567)
        rig.step(50)
    assert only(rig, Code.ESTOP_SILENT, "calls that are not ours"), rig.told


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (frame(HELLO, 5, 0, inputs=0x10), ("inputs 10", "allowed: 00 to 0f", "Flash")),
        (frame(9, 5, 0), ("type 9", "allowed: 1 to 4", "Flash")),
    ],
    ids=["reserved", "type"],
)
def test_what_is_refused_has_its_cure(data: bytes, words: tuple[str, ...]) -> None:
    rig = Rig(answers=False, sends=False).open()
    rig.put(data)
    rig.step(100)
    assert rig.told[0].code is Code.ESTOP_PEER
    assert all(word in rig.told[0].detail for word in words), rig.told[0].detail


def test_one_broken_frame_outranks_nothing() -> None:
    rig = Rig(answers=False, sends=False).open()
    rig.put(_of_another(version=2)(frame(HELLO)))
    for _ in range(20):
        rig.put(bytes(3))
        rig.step(150)
    assert only(rig, Code.ESTOP_PEER, "bytes come, but no frame"), rig.told
    rig = Rig(answers=False, sends=False).open()
    rig.put(_of_another(source=7)(frame(HELLO)))
    rig.step(200)
    rig.emit(HELLO, echo=0)
    rig.step(2000)
    assert only(rig, Code.ESTOP_SILENT, "hears nothing of us"), rig.told


def test_nothing_comes_is_said_of_no_byte_alone() -> None:
    rig = Rig(answers=False, sends=False).open()
    rig.step(1000)
    rig.put(frame(HELLO)[:11])
    rig.step(1000)
    assert only(rig, Code.ESTOP_SILENT, "no whole frame"), rig.told
    rig.step(7000)
    assert "nothing comes" in rig.told[-1].detail


def test_noise_on_the_line_of_a_known_device_is_not_another_configuration() -> None:
    rig = Rig().open()
    rig.until(lambda word: word.state == "run", 500)
    rig.told.clear()
    rig.spoil = lambda data: data[:16] + bytes((data[16] ^ 1,)) + data[17:]
    rig.step(4000)
    assert any("understood before" in one.detail for one in rig.told), rig.told
    assert not any("another configuration:" in one.detail for one in rig.told)
