"""The session of `frame_v1`: calling, numbers, echo, what is sent when, self-test, what the supervisor is told."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from line_rig import (
    CHECKIN,
    HELLO,
    LINE,
    MS,
    RESET,
    RESTARTED,
    RUN,
    SEED,
    SELFTEST,
    SETTINGS,
    START,
    STATUS,
    STOP,
    Rig,
    fields,
    frame,
    running,
)  # fmt: skip

from safety_supervisor.core.errors import Code
from safety_supervisor.core.estop_settings import EstopSettings
from safety_supervisor.estop.channels import Channels
from safety_supervisor.estop.link import FrameV1
from safety_supervisor.estop.sequence import Echo, Sequence


def test_without_a_line_there_is_no_driver() -> None:
    with pytest.raises(ValueError, match="line"):
        FrameV1(EstopSettings("frame_v1", "high"))


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1, SEED, 2**32 + 5, -1])
def test_the_first_sequence_is_the_seed_and_hello_goes_on_every_20_ms(seed: int) -> None:
    rig = Rig(answers=False, sends=False).open(seed)
    rig.step(500)
    assert [kind for _, kind, _, _ in rig.sent] == [HELLO] * len(rig.sent)
    assert [number for _, _, number, _ in rig.sent] == [(seed + n) % 2**32 for n in range(len(rig.sent))]
    assert {later[0] - one[0] for one, later in pairwise(rig.sent)} <= {18 * MS, 20 * MS}
    assert len(rig.sent) == 25
    assert {channels for _, _, _, channels in rig.sent} == {STOP}


@pytest.mark.parametrize("to_host", [0, 4, 16, 30])
@pytest.mark.parametrize("to_device", [0, 4, 16, 30])
@pytest.mark.parametrize("period", [1, 2, 4, 5, 8, 10, 20])
def test_with_delays_both_ways_the_session_runs_without_a_fault(to_host: int, to_device: int, period: int) -> None:
    rig = Rig(to_host=to_host, to_device=to_device, period=period).open()
    rig.until(lambda word: word.state == "run", 300)
    rig.words.clear()
    rig.step(1500)
    assert {(word.state, word.fault) for _, word in rig.words} == {("run", "")}
    statistics = rig.driver.statistics
    assert (statistics["stale"], statistics["lost"], statistics["restarts"], statistics["sessions"]) == (0, 0, 0, 1)
    assert statistics["echo_lag"] <= 4
    times = [now for now, kind, _, _ in rig.sent if kind == CHECKIN]
    assert len(times) == pytest.approx(1500 / 20, abs=5)
    assert max(later - one for one, later in pairwise(times)) <= (20 + period) * MS


def test_a_line_slower_than_the_window_never_gets_a_session() -> None:
    """HELLO answered 120 ms late: its echo is 6 numbers old, however often it is tried."""
    rig = Rig(to_host=60, to_device=60).open()
    rig.step(2000)
    assert {word.state for _, word in rig.words} == {"unknown"}
    assert rig.driver.statistics["sessions"] == 0
    assert rig.word.fault == Code.ESTOP_STALE.value


def test_a_device_that_answers_late_at_first_gets_its_session_by_its_first_timely_answer() -> None:
    rig = Rig(to_host=150).open()
    rig.step(1000)
    assert rig.driver.statistics["sessions"] == 0
    rig.to_host = 4
    rig.on_way.clear()
    rig.until(lambda word: word.state == "run", 100)
    assert rig.driver.statistics["sessions"] == 1


def test_several_hellos_under_way_are_one_session_and_no_restart() -> None:
    rig = Rig(to_host=20, to_device=20).open()
    rig.step(400)
    assert sum(kind == HELLO for _, kind, _, _ in rig.sent) >= 2
    assert rig.word.state == "run"
    assert rig.driver.statistics["restarts"] == 0
    assert rig.driver.statistics["sessions"] == 1


def test_a_device_that_slept_and_answers_every_call_that_waited_did_not_restart() -> None:
    rig = Rig(answers=False, sends=False).open()
    rig.step(400)
    numbers = [number for _, kind, number, _ in rig.sent if kind == HELLO][-4:]
    for session, echo in enumerate(numbers):
        rig.put(frame(HELLO, 1000 * (session + 1), echo))
    rig.step(6)
    assert (rig.driver.statistics["sessions"], rig.driver.statistics["restarts"]) == (1, 0)
    rig.put(frame(STATUS, 4001, numbers[-1]))
    rig.step(6)
    assert rig.word.state == "run"
    rig.step(40)
    kind, number = rig.sent[-1][1:3]
    assert kind == CHECKIN
    rig.put(frame(STATUS, 4002, number))
    rig.step(6)
    rig.put(frame(HELLO, 5000, numbers[-1]))
    rig.step(6)
    assert rig.driver.statistics["restarts"] == 1, "it had answered a CHECKIN: it can not have slept since"


@pytest.mark.requirement("SR-035")
@pytest.mark.parametrize("echo", [1, SEED - 1000, (SEED + 2**31) % 2**32])
def test_a_recorded_hello_in_a_session_is_dropped_and_one_of_a_device_that_boots_is_a_restart(echo: int) -> None:
    rig = Rig().open()
    rig.step(300)
    rig.put(frame(HELLO, 99, echo, flags=RESTARTED))
    rig.step(10)
    assert rig.word.state == "run"
    assert (rig.driver.statistics["replayed"], rig.driver.statistics["restarts"]) == (1, 0)
    rig.put(frame(HELLO, 99, 0, flags=RESTARTED))
    rig.step(10)
    assert rig.driver.statistics["restarts"] == 1


def test_an_answer_to_a_number_that_was_never_sent_begins_nothing() -> None:
    rig = Rig(answers=False, sends=False).open()
    rig.step(100)
    last = rig.sent[-1][2]
    for echo in (0, SEED - 1, last + 3, last + 2**31, ~SEED):
        rig.put(frame(HELLO, 5, echo))
        rig.put(frame(sequence=6, echo=echo))
        rig.step(10)
    assert rig.driver.statistics["sessions"] == 0
    assert rig.word.received_at == 0


def test_equal_seeds_do_not_repeat_numbers() -> None:
    rig = Rig(answers=False, sends=False).open(77)
    rig.step(200)
    for _ in range(5):
        rig.driver.closed(rig.now, "unplugged")
        rig.open(77)
        rig.step(200)
    numbers = [number for _, _, number, _ in rig.sent]
    assert len(numbers) > 50
    assert len(set(numbers)) == len(numbers)
    assert all(number - 77 < 1000 for number in numbers)


def test_host_and_device_may_have_equal_numbers() -> None:
    rig = Rig(sequence=SEED - 1).open()
    rig.until(lambda word: word.state == "run", 100)
    rig.words.clear()
    rig.step(1000)
    assert {word.state for _, word in rig.words} == {"run"}


def test_the_numbers_of_both_ends_wrap_around_inside_a_session() -> None:
    rig = running()
    rig.step(2000)
    assert rig.sent[0][2] > rig.sent[-1][2]
    assert rig.sequence < 1000
    assert {word.state for _, word in rig.words} == {"run"}


@pytest.mark.requirement("SR-039")
def test_without_life_nothing_is_sent_and_the_demand_to_stop_still_is_once() -> None:
    rig = running()
    rig.alive = False
    rig.step(5)
    rig.sent.clear()
    rig.step(60)
    assert rig.sent == []
    rig.demand = True
    rig.step(100)
    assert [(kind, channels) for _, kind, _, channels in rig.sent] == [(CHECKIN, STOP)]
    assert rig.word.state == "run"  # the line itself is sound


@pytest.mark.requirement("SR-002")
@pytest.mark.parametrize("phase", range(20))
def test_a_demand_to_stop_goes_out_in_its_cycle(phase: int) -> None:
    rig = running()
    rig.step(phase)
    rig.sent.clear()
    rig.demand = True
    rig.step(rig.period + rig.to_device)
    assert rig.sent[-1][1] == CHECKIN
    assert rig.sent[-1][3] == STOP
    rig.step(200)
    assert {channels for _, _, _, channels in rig.sent[1:]} == {STOP}
    rig.demand = False
    rig.step(150)
    assert rig.sent[-1][3] == RUN


def test_a_demand_that_flickers_does_not_make_the_line_look_stale() -> None:
    rig = running(to_host=30, to_device=30)
    for number in range(1000):
        rig.demand = number % 7 in (0, 3)  # odd to the raster of 10 cycles
        rig.step(2)
    assert rig.driver.statistics["stale"] == 0
    assert {word.state for _, word in rig.words} == {"run"}
    assert rig.sent[-1][3] == STOP


@pytest.mark.requirement("SR-035")
def test_what_piled_up_while_the_host_stood_still_counts_for_nothing() -> None:
    rig = running()
    rig.step(10)
    at = rig.word.received_at
    frames = []
    for _ in range(50):
        rig.sequence += 1
        frames.append(frame(sequence=rig.sequence, echo=rig.received))
    rig.now += 1000 * MS
    rig.driver.receive(b"".join(frames), rig.now)
    word = rig.driver.sample(rig.now)
    assert (word.state, word.received_at) == ("unknown", at)


@pytest.mark.requirement("SR-035")
def test_a_buffer_that_is_read_late_is_stale_and_then_silent() -> None:
    rig = running()
    rig.to_host = 140
    rig.step(400)
    assert Code.ESTOP_STALE.value in {word.fault for _, word in rig.words} or rig.word.state == "unknown"
    assert rig.word.state == "unknown"


@pytest.mark.requirement("SR-003")
def test_a_new_session_is_made_after_silence_and_received_at_tells_the_gap() -> None:
    rig = running()
    rig.sends = rig.answers = False
    rig.step(200)
    assert rig.word.state == "unknown"
    assert rig.now - rig.word.received_at > 150 * MS
    assert rig.sent[-1][1] == HELLO
    rig.sends = rig.answers = True
    rig.until(lambda word: word.state == "run", 100)
    assert rig.word.received_at > rig.now - 10 * MS


def test_a_device_that_just_booted_is_no_restart_for_a_host_that_just_booted() -> None:
    rig = Rig(flags=RESTARTED).open()
    rig.step(300)
    assert rig.word.state == "run"
    assert {word.fault for _, word in rig.words} == {""}


@pytest.mark.requirement("SR-035")
def test_a_restart_while_the_line_was_lost_is_told() -> None:
    rig = running()
    rig.sends = rig.answers = False
    rig.step(300)
    rig.sequence = 77
    rig.flags = RESTARTED
    rig.sends = rig.answers = True
    rig.until(lambda word: word.fault == Code.ESTOP_RESTARTED.value, 100)
    rig.step(100)
    assert rig.word.state == "run"


@pytest.mark.requirement("SR-019")
def test_inputs_and_relays_are_told_while_they_are_known() -> None:
    rig = running()
    wanted = [(2, "released", "auto"), (3, "middle", "auto"), (8, "panicked", "manual"), (0, "released", "manual")]
    for inputs, switch, key in wanted:
        rig.inputs = inputs
        rig.step(30)
        assert (rig.word.enabling_switch, rig.word.mode_key) == (switch, key)
    rig.flags = 4
    rig.step(30)
    assert rig.word.relays == "open"
    rig.sends = rig.answers = False
    rig.step(200)
    assert (rig.word.enabling_switch, rig.word.relays, rig.word.mode_key) == ("none", "none", "manual")


def test_a_device_without_relays_has_none() -> None:
    driver = FrameV1(EstopSettings("frame_v1", "high", replace(LINE, relay_effect="none")))
    assert driver.sample(START).relays == "none"


@pytest.mark.requirement("SR-020")
def test_a_switch_that_is_held_when_the_line_comes_back_was_not_seen_released() -> None:
    rig = running()
    rig.inputs = 3
    rig.step(50)
    rig.words.clear()
    rig.sends = rig.answers = False
    rig.step(200)
    rig.sends = rig.answers = True
    rig.step(200)
    assert rig.word.enabling_switch == "middle"
    assert "released" not in {word.enabling_switch for _, word in rig.words}


def test_the_self_test_is_asked_once_at_the_begin_of_a_session_at_rest_and_then_as_configured() -> None:
    line = replace(LINE, self_test_every=60_000 * MS)
    rig = Rig(driver=FrameV1(EstopSettings("frame_v1", "high", line)))
    rig.open()
    rig.step(300)
    assert not any(kind == SELFTEST for _, kind, _, _ in rig.sent)
    rig.resting = True
    rig.step(1000)
    assert sum(kind == SELFTEST for _, kind, _, _ in rig.sent) == 1
    rig.resting = False
    rig.step(60_000)
    assert sum(kind == SELFTEST for _, kind, _, _ in rig.sent) == 1
    rig.resting = True
    rig.step(1000)
    assert sum(kind == SELFTEST for _, kind, _, _ in rig.sent) == 2
    assert {word.fault for _, word in rig.words} == {""}


@pytest.mark.requirement("SR-035")
def test_a_self_test_that_is_not_answered_is_a_fault_until_the_next_good_one() -> None:
    rig = running()
    rig.test_takes = None
    rig.resting = True
    passed = rig.until(lambda word: word.fault == Code.ESTOP_SELF_TEST.value, 2400)
    assert 2300 <= passed <= 2304
    rig.test_takes = 300
    rig.step(59_000)
    assert rig.word.fault == Code.ESTOP_SELF_TEST.value
    rig.step(2_000)
    assert rig.word.state == "run"


@pytest.mark.requirement("SR-035")
def test_a_self_test_that_fails_is_a_fault_although_the_device_says_run() -> None:
    rig = running()
    rig.test_flags = 2
    rig.resting = True
    rig.until(lambda word: word.fault == Code.ESTOP_SELF_TEST.value, 330)
    rig.step(1000)
    assert rig.word.fault == Code.ESTOP_SELF_TEST.value


def test_a_request_for_a_self_test_that_got_lost_is_repeated() -> None:
    rig = running()
    rig.test_takes = None
    rig.resting = True
    rig.step(600)
    rig.test_takes = 300
    rig.step(3000)
    assert rig.word.state == "run"
    assert Code.ESTOP_SELF_TEST.value not in {word.fault for _, word in rig.words}


@settings(max_examples=200)
@given(st.lists(st.one_of(
    st.tuples(st.just("bytes"), st.binary(max_size=100), st.integers(-10**19, 10**19)),
    st.tuples(st.just("open"), st.just(b""), st.integers(-10**19, 10**19)),
    st.tuples(st.just("close"), st.just(b""), st.integers(-10**19, 10**19)),
    st.tuples(st.just("cycle"), st.just(b""), st.integers(-10**19, 10**19)),
), max_size=30))  # fmt: skip
def test_no_bytes_and_no_time_raise(calls: list[tuple[str, bytes, int]]) -> None:
    driver = FrameV1(SETTINGS)
    for kind, data, at in calls:
        if kind == "bytes":
            driver.receive(data, at)
        elif kind == "open":
            driver.opened(at, at)
        elif kind == "close":
            driver.closed(at, "x")
        else:
            sent = driver.cycle(at, True, False, True)
            assert sent == b"" or fields(sent[:24])
        driver.contacts(True, True, at)
        assert driver.sample(at).state == "unknown"


def test_sequence_arithmetic_at_the_edges() -> None:
    sequence = Sequence()
    sequence.opened(2**32 - 2)
    assert sequence.judge(2**32 - 3) is Echo.FOREIGN
    sent = [sequence.send(0) for _ in range(8)]
    assert sent[:4] == [2**32 - 2, 2**32 - 1, 0, 1]
    assert [sequence.judge(number) for number in sent] == [Echo.STALE] * 3 + [Echo.FRESH] * 5
    sequence.begin(2**32 - 1)
    numbers = (2**32 - 1, 0, 4, 2**31 - 2, 2**31 - 1, 2**31)
    assert [sequence.missing(number) for number in numbers] == [-1, 0, 4, 2**31 - 2, -1, -1]
    sequence.call()
    assert {sequence.judge(number) for number in sent} == {Echo.STALE}


@pytest.mark.requirement("SR-011")
@pytest.mark.parametrize(("down", "counts"), [(80, 0), (90, 0), (110, 1), (1500, 1), (2980, 1), (3020, 0), (10_000, 0)])
def test_the_reset_button_counts_on_release_after_100_ms_to_3_s(down: int, counts: int) -> None:
    rig = running()
    rig.inputs |= RESET
    rig.step(down)
    assert rig.word.resets == 0
    rig.inputs &= ~RESET
    rig.step(30)
    assert rig.word.resets == counts
    assert [notice.code for notice in rig.told] == [Code.ESTOP_RESET] * (1 - counts)
    assert rig.word.state == "run"


@pytest.mark.requirement("SR-010")
def test_a_press_counts_once_each() -> None:
    rig = running()
    for number in range(1, 4):
        rig.inputs |= RESET
        rig.step(200)
        rig.inputs &= ~RESET
        rig.step(200)
        assert rig.word.resets == number
    assert rig.told == []


@pytest.mark.requirement("SR-012")
def test_a_press_before_the_button_was_cycled_or_while_it_is_pressed_is_ignored() -> None:
    rig = Rig().open()
    rig.step(200)
    rig.told.clear()
    for channels in (RUN, STOP):
        rig.channels = channels
        rig.step(100)
        rig.inputs |= RESET
        rig.step(200)
        rig.inputs &= ~RESET
        rig.step(600)
        assert rig.word.resets == 0
    assert [notice.code for notice in rig.told] == [Code.ESTOP_RESET] * 2
    # Down while pressed, up after the release: not a press in order.
    rig.inputs |= RESET
    rig.step(200)
    rig.channels = RUN
    rig.step(200)
    rig.inputs &= ~RESET
    rig.step(200)
    assert rig.word.resets == 0


@pytest.mark.requirement("SR-011")
def test_a_button_that_is_down_when_a_session_begins_is_ignored_and_reported() -> None:
    rig = running()
    rig.inputs |= RESET
    rig.step(200)
    rig.sends = rig.answers = False
    rig.step(300)
    rig.sends = rig.answers = True
    rig.step(500)
    rig.inputs &= ~RESET
    rig.step(100)
    assert rig.word.state == "run"
    assert rig.word.resets == 0
    assert [notice.code for notice in rig.told] == [Code.ESTOP_RESET] * 2
    assert "start" in rig.told[1].detail or "first heard" in rig.told[1].detail


@pytest.mark.requirement("SR-011")
def test_a_stuck_button_is_reported_while_it_is_stuck() -> None:
    rig = running()
    rig.inputs |= RESET
    rig.step(3020)
    assert [notice.code for notice in rig.told] == [Code.ESTOP_RESET]
    assert "stuck" in rig.told[0].detail


@pytest.mark.requirement("SR-012")
def test_a_release_that_one_channel_slept_through_is_no_cycle() -> None:
    channels = Channels()
    now = START
    assert channels.update(False, False, now) == "stop"
    assert channels.update(True, False, now) == "stop"
    now += 101 * MS
    assert channels.word(now) == "discrepancy"
    assert channels.update(True, True, now) == "discrepancy"
    assert not channels.cycled
    assert channels.update(False, False, now) == "stop"
    assert channels.update(True, True, now) == "run"
    assert channels.cycled
