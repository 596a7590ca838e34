"""Every row of the protocol's table of faults, injected in every phase of a session: word, code, time of reaction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from line_rig import (
    A_ONLY,
    B_ONLY,
    CHECKIN,
    DEVICE,
    HELLO,
    HOST,
    MS,
    RESTARTED,
    RUN,
    SIGNATURE,
    STOP,
    Rig,
    frame,
    running,
)  # fmt: skip

from safety_supervisor.core.errors import Code
from safety_supervisor.core.estop_input import EstopInput
from safety_supervisor.core.states.estop_latch import EstopLatch

WAY = 7
"""Line 4 ms, cycle 2 ms, and the millisecond in which it happens."""
WATCHDOG = 100


@dataclass(frozen=True)
class Row:
    """One fault: how to make it, what is told and when, how to end it."""

    make: Callable[[Rig], object]
    code: Code | None
    """None: `stop`; SILENT: `unknown` without a code."""
    most: int
    """[ms] until it is told at the latest."""
    least: int = 0
    end: Callable[[Rig], object] = lambda rig: None


def _set(**about: object) -> Callable[[Rig], object]:
    def make(rig: Rig) -> None:
        for name, value in about.items():
            setattr(rig, name, value)

    return make


def _put(**about: object) -> Callable[[Rig], object]:
    """A single frame that is made up; what is not given is as the device would say it."""

    def make(rig: Rig) -> None:
        rig.put(frame(**({"sequence": rig.sequence + 1, "echo": rig.received} | about)))  # type: ignore[arg-type]

    return make


def _flip(data: bytes) -> bytes:
    return bytes((*data[:9], data[9] ^ 4, *data[10:]))


def _spoil_half(rig: Rig) -> None:
    count = iter(range(10**6))
    rig.spoil = lambda data: _flip(data) if next(count) % 2 else data


def _unplug(rig: Rig) -> None:
    rig.driver.closed(rig.now, "unplugged")


def _gap(missing: int) -> Callable[[Rig], object]:
    def make(rig: Rig) -> None:
        rig.sequence = (rig.sequence + missing) % 2**32
        rig.emit()

    return make


def _loop(rig: Rig) -> None:
    rig.put(frame(CHECKIN, rig.sent[-1][2], source=HOST, destination=DEVICE))


def _repeat(rig: Rig) -> None:
    rig.sends = False
    data = rig.record[-24:]
    rig.spoil = lambda _: data
    for _ in range(20):
        rig.put(data)


def _older(rig: Rig) -> None:
    rig.sends = False
    sent = [rig.record[start : start + 24] for start in range(0, len(rig.record), 24)][-20:]
    for data in reversed(sent):
        rig.put(data)


def _second_device(rig: Rig) -> None:
    for number in range(6):
        rig.put(frame(sequence=rig.sequence - 100 - number, echo=rig.received))


def _other_configuration(rig: Rig) -> None:
    rig.spoil = lambda data: data[:20] + frame(sequence=1, sign=SIGNATURE ^ 1)[20:]


def _no_answer(rig: Rig) -> None:
    rig.driver.opened(rig.now, 7)  # a test is due at the begin of a session
    rig.test_takes = None
    rig.resting = True


RUNNING_AGAIN = _set(channels=RUN)
SOUND = _set(spoil=None, sends=True)
SPEAKING = _set(sends=True, answers=True)
ROWS = {
    "A pressed": Row(_set(channels=A_ONLY), None, WAY, end=RUNNING_AGAIN),
    "B pressed": Row(_set(channels=B_ONLY), None, WAY, end=RUNNING_AGAIN),
    "both pressed": Row(_set(channels=STOP), None, WAY, end=RUNNING_AGAIN),
    "discrepancy A": Row(_set(channels=A_ONLY), Code.ESTOP_DISCREPANCY, 100 + WAY + 2, 100, RUNNING_AGAIN),
    "discrepancy B": Row(_set(channels=B_ONLY), Code.ESTOP_DISCREPANCY, 100 + WAY + 2, 100, RUNNING_AGAIN),
    "value A": Row(_set(channels=(0, RUN[1])), Code.ESTOP_VALUE, WAY, end=RUNNING_AGAIN),
    "value B": Row(_set(channels=(RUN[0], 0xFF)), Code.ESTOP_VALUE, WAY, end=RUNNING_AGAIN),
    "channels crossed": Row(_set(channels=(RUN[0] ^ 1, RUN[1] ^ 1)), Code.ESTOP_VALUE, WAY, end=RUNNING_AGAIN),
    "both enabling bits": Row(_set(inputs=2 + 1 + 8), Code.ESTOP_VALUE, WAY, end=_set(inputs=2)),
    "silence": Row(_set(sends=False, answers=False), Code.ESTOP_SILENT, WATCHDOG + WAY, 80, SPEAKING),
    "port": Row(_unplug, Code.ESTOP_PORT, 2, end=lambda rig: rig.driver.opened(rig.now, 9)),
    "corrupted all": Row(_set(spoil=_flip), Code.ESTOP_CORRUPTED, 120 + WAY, 80, SOUND),
    "corrupted half": Row(_spoil_half, Code.ESTOP_CORRUPTED, 240 + WAY, 200, SOUND),
    "repeated": Row(_repeat, Code.ESTOP_SILENT, WATCHDOG + WAY, 80, SOUND),
    "second device": Row(_second_device, Code.ESTOP_PEER, WAY),
    "reordered": Row(_older, Code.ESTOP_SILENT, WATCHDOG + WAY, 80, SOUND),
    "lost": Row(_gap(4), Code.ESTOP_LOST, WAY),
    "lost very many": Row(_gap(2**31 - 2), Code.ESTOP_LOST, WAY),
    "stale": Row(lambda rig: rig.emit(echo=rig.received - 6), Code.ESTOP_STALE, WAY),
    "another source": Row(_put(source=7), Code.ESTOP_PEER, WAY),
    "another destination": Row(_put(destination=7), Code.ESTOP_PEER, WAY),
    "loop": Row(_loop, Code.ESTOP_PEER, WAY),
    "another version": Row(_put(version=2), Code.ESTOP_PEER, WAY),
    "unknown type": Row(_put(kind=5), Code.ESTOP_PEER, WAY),
    "host's type": Row(_put(kind=CHECKIN), Code.ESTOP_PEER, WAY),
    "reserved flag": Row(_put(flags=16), Code.ESTOP_PEER, WAY),
    "reserved input": Row(_put(inputs=16), Code.ESTOP_PEER, WAY),
    "another configuration": Row(_other_configuration, Code.ESTOP_CORRUPTED, 120 + WAY, 80, SOUND),
    "self-test flag": Row(_set(flags=2), Code.ESTOP_SELF_TEST, WAY, end=_set(flags=0)),
    "restart": Row(lambda rig: rig.restart(), Code.ESTOP_RESTARTED, WAY),
    "flag restarted": Row(lambda rig: rig.emit(flags=RESTARTED), Code.ESTOP_RESTARTED, WAY),
    "HELLO": Row(lambda rig: rig.emit(HELLO), Code.ESTOP_RESTARTED, WAY),
    "flood": Row(lambda rig: rig.put(bytes(2049)), Code.ESTOP_STALE, WAY),
}  # fmt: skip


def first_session() -> Rig:
    rig = Rig().open()
    rig.until(lambda word: word.state == "run", 200)
    rig.step(150)
    rig.words.clear()
    return rig


def session_again() -> Rig:
    rig = running()
    rig.sends = rig.answers = False
    rig.step(300)
    rig.sends = rig.answers = True
    rig.until(lambda word: word.state == "run", 200)
    rig.words.clear()
    return rig


def pressed() -> Rig:
    rig = running()
    rig.channels = STOP
    rig.step(40)
    rig.words.clear()
    return rig


def under_test() -> Rig:
    rig = Rig(resting=True, test_takes=10_000).open()
    rig.until(lambda word: word.state == "run" and rig.flags == 1, 300)
    rig.step(150)
    rig.words.clear()
    return rig


PHASES = {"first": first_session, "running": running, "again": session_again, "test": under_test}


def is_told(word: EstopInput, code: Code | None) -> bool:
    if code is None:
        return word.state == "stop" and word.fault == ""
    return word.state == "unknown" and word.fault == ("" if code is Code.ESTOP_SILENT else code.value)


@pytest.mark.requirement("SR-035")
@pytest.mark.requirement("SR-001")
@pytest.mark.requirement("SR-036")
@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("name", ROWS)
def test_each_fault_in_each_phase_is_told_in_time_and_latches(name: str, phase: str) -> None:
    row, rig = ROWS[name], PHASES[phase]()
    latch = EstopLatch(WATCHDOG * MS, True)
    latch.sample(EstopInput(state="run", received_at=rig.now), rig.now)
    assert not latch.latched
    if rig.test_until is not None:
        rig.test_until, rig.test_takes = rig.now + 1500 * MS, 300
    row.make(rig)
    passed = rig.until(lambda word: is_told(word, row.code), row.most)
    assert passed >= row.least
    row.end(rig)
    rig.step(12_000 if row.code is Code.ESTOP_CORRUPTED else 3_000)
    # Over, in a session, and RUN again: but the latch was closed, and nobody pressed since.
    if name.startswith("discrepancy"):
        assert rig.word.fault == Code.ESTOP_DISCREPANCY.value
    elif name in ("A pressed", "B pressed"):
        assert rig.word.fault == Code.ESTOP_DISCREPANCY.value  # the other channel was never seen STOP
    else:
        assert rig.word.state == "run", rig.word
        assert rig.word.fault == ""
    for now, word in rig.words:
        latch.sample(word, now)
    assert latch.latched
    if name != "both pressed":
        assert not latch.may_release(rig.now)
    rig.words.clear()
    rig.channels = STOP
    rig.step(60)
    rig.channels = RUN
    rig.step(100)
    for now, word in rig.words:
        latch.sample(word, now)
    assert rig.word.state == "run"
    assert latch.release(rig.now)


@pytest.mark.requirement("SR-035")
@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.code is not None])
def test_a_fault_while_the_button_is_pressed_never_looks_like_run(name: str) -> None:
    rig = pressed()
    keep = {"discrepancy A", "discrepancy B", "value A", "value B", "channels crossed"}
    ROWS[name].make(rig)
    rig.step(400)
    assert all(word.state != "run" for _, word in rig.words)
    if name not in keep:
        ROWS[name].end(rig)
        rig.channels = STOP
        rig.step(12_000 if ROWS[name].code is Code.ESTOP_CORRUPTED else 3_000)
        assert rig.word.state == "stop"
    assert all(word.state != "run" for _, word in rig.words)


@pytest.mark.requirement("SR-036")
@pytest.mark.parametrize("name", ROWS)
def test_before_the_first_session_nothing_is_ever_heard(name: str) -> None:
    rig = Rig(answers=False).open()
    rig.step(100)
    ROWS[name].make(rig)
    rig.answers = False
    rig.step(500)
    assert {(word.state, word.received_at) for _, word in rig.words} == {("unknown", 0)}
    assert {word.relays for _, word in rig.words} == {"none"}
    assert {word.enabling_switch for _, word in rig.words} == {"none"}


@pytest.mark.requirement("SR-035")
def test_three_frames_may_be_lost_and_five_may_be_corrupted() -> None:
    rig = running()
    _gap(3)(rig)
    rig.step(50)
    for _ in range(5):
        rig.spoil = _flip
        rig.emit()
        rig.spoil = None
        rig.step(30)
    assert {word.state for _, word in rig.words} == {"run"}
    rig.spoil = _flip
    rig.emit()
    rig.spoil = None
    rig.until(lambda word: word.fault == Code.ESTOP_CORRUPTED.value, WAY)


@pytest.mark.requirement("SR-035")
def test_corrupted_frames_are_forgotten_after_ten_seconds() -> None:
    rig = running()
    for _ in range(30):
        rig.spoil = _flip
        rig.emit()
        rig.spoil = None
        rig.step(2010)
    assert {word.state for _, word in rig.words} == {"run"}


@pytest.mark.requirement("SR-035")
def test_a_sustained_fault_is_told_until_it_is_over() -> None:
    for name in ("value A", "discrepancy A", "self-test flag", "port"):
        code = ROWS[name].code
        assert code is not None
        rig = running()
        ROWS[name].make(rig)
        rig.step(150)
        rig.words.clear()
        rig.step(1000)
        assert {word.fault for _, word in rig.words} == {code.value}, name
        assert len(rig.told) <= 3, rig.told


@pytest.mark.requirement("SR-001")
@pytest.mark.parametrize("period", [2, 4, 10, 20])
def test_a_stop_shorter_than_a_cycle_is_told_once(period: int) -> None:
    rig = running(period=period)
    rig.channels = STOP
    rig.emit()
    rig.channels = RUN
    rig.emit()
    rig.step(60)
    assert [word.state for _, word in rig.words].count("stop") == 1
    assert {word.fault for _, word in rig.words} == {""}


@pytest.mark.requirement("SR-003")
def test_a_stop_of_one_channel_that_is_over_before_the_other_came_is_a_discrepancy() -> None:
    for one in (A_ONLY, B_ONLY):
        rig = running()
        rig.channels = one
        rig.step(50)
        rig.channels = RUN
        rig.step(50)
        assert rig.word.fault == Code.ESTOP_DISCREPANCY.value
        rig.channels = STOP
        rig.step(50)
        assert (rig.word.state, rig.word.fault) == ("stop", "")
        rig.channels = RUN
        rig.step(50)
        assert rig.word.state == "run"


@pytest.mark.requirement("SR-003")
def test_contacts_that_follow_within_100_ms_are_a_press_like_any_other() -> None:
    rig = running()
    for channels in (A_ONLY, STOP, B_ONLY):
        rig.channels = channels
        rig.step(90)
    rig.channels = RUN
    rig.step(50)
    assert rig.word.state == "run"
    assert {word.fault for _, word in rig.words} == {""}


def _before(noise: bytes, rig: Rig) -> Callable[[bytes], bytes]:
    return lambda data: noise + data if rig.driver.statistics["corrupted"] < 2 else data


@pytest.mark.requirement("SR-035")
def test_garbage_between_frames_costs_no_valid_frame() -> None:
    for noise in (b"", b"\xa5", b"\xa5\x5a", b"\xa5\xa5\x5a", bytes(23), b"\xa5\x5a\x01\x02" * 3):
        rig = running()
        before = rig.driver.statistics["frames"]
        rig.spoil = _before(noise, rig)
        rig.step(200)
        assert rig.driver.statistics["frames"] - before >= 9
        assert rig.driver.statistics["lost"] == 0
        assert {word.state for _, word in rig.words} == {"run"}


@pytest.mark.requirement("SR-035")
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("loop", "looped"), ("another source", "from 7 to 1"), ("another destination", "from 2 to 7"),
        ("another version", "version"), ("unknown type", "type"), ("host's type", "CHECKIN"),
        ("reserved flag", "reserved"), ("value A", "channel A 00, B c3"), ("lost", "4 frames are missing"),
        ("corrupted all", "10 s"), ("HELLO", "HELLO inside a session"), ("flag restarted", "restarted"),
        ("port", "unplugged"), ("stale", "more than 5"), ("flood", "more bytes"),
    ],
)  # fmt: skip
def test_each_fault_is_explained_once(name: str, says: str) -> None:
    rig = running()
    ROWS[name].make(rig)
    rig.step(150)
    assert [says in notice.detail for notice in rig.told] == [True], rig.told
    assert rig.told[0].code is ROWS[name].code
