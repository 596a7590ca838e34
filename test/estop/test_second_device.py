"""Two devices of one configuration on one line: none of them may be dead in silence."""

from __future__ import annotations

import pytest
from line_rig import MS, RUN, STOP, Rig, frame, running

from safety_supervisor.core.errors import Code


class Twins:
    """Two devices that both hear the host, and whose bytes both come to it."""

    def __init__(self, first: int, second: int) -> None:
        self.rig, self.twin = Rig(sequence=first), Rig(sequence=second)
        self.rig.open()

    def step(self, milliseconds: int) -> None:
        rig, twin = self.rig, self.twin
        for _ in range(milliseconds):
            sent = list(rig.on_way_out)
            rig.step()
            twin.now = rig.now
            twin.on_way_out += [data for data in rig.on_way_out if data not in sent]
            while twin.on_way_out and twin.on_way_out[0][0] <= twin.now:
                twin._hear(twin.on_way_out.pop(0)[1])
            state = (twin.channels, twin.flags, twin.inputs)
            if twin.session and (state != twin._last or twin.now >= twin._due):
                twin._last, twin._due = state, twin.now + 20 * MS
                twin.emit()
            rig.on_way = sorted(rig.on_way + twin.on_way, key=lambda item: item[0])
            twin.on_way.clear()


@pytest.mark.requirement("SR-035")
@pytest.mark.parametrize(
    ("first", "second"), [(1000, 500), (500, 1000), (1000, 1000), (1000, 998), (0xFFFFFFF0, 5), (5, 0x80000010)]
)
@pytest.mark.parametrize("behind", [False, True])
def test_a_twin_is_never_dead_in_silence(first: int, second: int, behind: bool) -> None:
    twins = Twins(first, second)
    rig = twins.rig
    twins.step(1500)
    rig.words.clear()
    (twins.twin if behind else rig).channels = STOP
    twins.step(300)
    assert {word.state for _, word in rig.words[-50:]} <= {"stop", "unknown"}
    twins.step(1000)
    assert rig.word.state != "run"
    told = [note for note in rig.told if "two devices answer" in note.detail]
    lost = [note for note in rig.told if note.code in (Code.ESTOP_RESTARTED, Code.ESTOP_LOST)]
    assert told or lost
    if told:
        assert {note.code for note in told} == {Code.ESTOP_PEER}


def test_a_line_that_repeats_and_reorders_all_the_time_is_no_second_device() -> None:
    rig = running()
    held: list[bytes] = []
    for _ in range(100):
        rig.step(20)
        data = rig.emit()
        rig.put(data)
        held.append(data)
        if len(held) > 4:
            rig.put(held.pop(0))  # 80 ms late
    assert rig.driver.statistics["repeated"] > 150
    assert {word.state for _, word in rig.words} == {"run"}
    assert not rig.told


def test_a_frame_that_overtakes_another_is_no_second_device() -> None:
    rig = running()
    for _ in range(50):
        rig.sends = False
        rig.step(15)
        rig.sequence += 2
        newer, older = rig.sequence % 2**32, (rig.sequence - 1) % 2**32
        rig.put(frame(2, newer, rig.received))
        rig.put(frame(2, older, rig.received))
    assert rig.driver.statistics["repeated"] >= 49
    assert not rig.told
    assert {word.state for _, word in rig.words} == {"run"}


@pytest.mark.requirement("SR-035")
def test_six_within_ten_seconds_are_too_many_and_five_are_not() -> None:
    rig = running()
    for number in range(6):
        assert not rig.told
        rig.put(frame(2, rig.sequence - 1000 - number, rig.received, STOP))
        rig.step(40)
    assert [(note.code, "two devices answer" in note.detail) for note in rig.told] == [(Code.ESTOP_PEER, True)]
    assert any(word.fault == Code.ESTOP_PEER.value for _, word in rig.words)
    rig.step(1100)
    assert rig.word.state == "run", "it is gone; the latch is outside"
    assert rig.channels == RUN


def test_old_ones_are_forgotten() -> None:
    rig = running()
    for number in range(12):
        rig.put(frame(2, rig.sequence - 1000 - number, rig.received, STOP))
        rig.step(2100)
    assert not rig.told
