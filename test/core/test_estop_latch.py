"""The e-stop's latch: what latches, and the only way out."""

from __future__ import annotations

from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safety_supervisor.core.errors import Code
from safety_supervisor.core.estop_input import EstopInput
from safety_supervisor.core.states.estop_latch import EstopLatch

MS = 1_000_000
TIMEOUT = 100 * MS
START = 1_000 * MS
Word = Literal["run", "stop", "unknown"]


class Bench:
    """A latch and a device that speaks every 10 ms, sampled as it speaks."""

    def __init__(self, required: bool = True, latched_on_disk: bool = False) -> None:
        self.latch = EstopLatch(TIMEOUT, required)
        self.latch.restore(latched_on_disk)
        self.now = START

    def say(self, word: Word, times: int = 1) -> list[Code | None]:
        answers = []
        for _ in range(times):
            self.now += 10 * MS
            answers.append(self.latch.sample(EstopInput(word, received_at=self.now), self.now))
        return answers

    def silence(self, duration: int) -> Code | None:
        """Sample once, after the device's last word (RUN) has grown that old."""
        last = self.now
        self.now += duration
        return self.latch.sample(EstopInput("run", received_at=last), self.now)


def test_run_is_run() -> None:
    bench = Bench()
    assert bench.say("run", 100) == [None] * 100
    assert bench.latch.heard
    assert not bench.latch.latched


@pytest.mark.requirement("SR-003")
@pytest.mark.requirement("SR-001")
def test_one_stop_latches_at_once_and_stays() -> None:
    bench = Bench()
    bench.say("run", 10)
    assert bench.say("stop") == [Code.ESTOP]
    assert bench.latch.latched
    assert bench.say("run", 1_000) == [None] * 1_000
    assert bench.latch.latched


@pytest.mark.requirement("SR-036")
@pytest.mark.parametrize(
    ("word", "received_at", "code"),
    [
        ("unknown", START, Code.ESTOP_SILENT),
        ("run", 0, Code.ESTOP_SILENT),
        ("run", START - TIMEOUT - 1, Code.ESTOP_SILENT),
        ("run", START + 1, Code.ESTOP_SILENT),
        ("run", -1, Code.ESTOP_SILENT),
        ("RUN", START, Code.ESTOP_SILENT),
        ("", START, Code.ESTOP_SILENT),
        ("stop", START, Code.ESTOP),
        ("stop", 0, Code.ESTOP),
        ("stop", START + 1, Code.ESTOP),
        ("stop", START - 10 * TIMEOUT, Code.ESTOP),
        ("run", START, None),
        ("run", START - TIMEOUT, None),
    ],
)
def test_whatever_is_not_a_fresh_run_is_a_stop(word: Word, received_at: int, code: Code | None) -> None:
    latch = EstopLatch(TIMEOUT, True)
    latch.sample(EstopInput("run", received_at=START - TIMEOUT), START - TIMEOUT)
    assert latch.sample(EstopInput(word, received_at=received_at), START) is code
    assert latch.latched is (code is not None)
    assert not latch.may_release(START)


@pytest.mark.requirement("SR-016")
def test_a_device_that_was_never_heard_stops_but_latches_nothing() -> None:
    latch = EstopLatch(TIMEOUT, True)
    assert latch.sample(EstopInput("unknown"), START) is Code.ESTOP_SILENT
    assert (latch.heard, latch.latched, latch.may_release(START)) == (False, False, False)


@pytest.mark.requirement("SR-036")
def test_zero_is_never_received_even_when_the_clock_has_just_begun() -> None:
    latch = EstopLatch(TIMEOUT, True)
    assert latch.sample(EstopInput("run", received_at=0), TIMEOUT // 2) is Code.ESTOP_SILENT
    assert not latch.heard


@pytest.mark.requirement("SR-003")
def test_the_way_out_is_stop_then_run_for_50_ms() -> None:
    bench = Bench()
    bench.say("stop", 3)
    released = []
    for _ in range(8):
        bench.say("run")
        released.append(bench.latch.may_release(bench.now))
    assert released == [False] * 5 + [True] * 3  # 10 ms apart: the sixth word is 50 ms after the first
    assert bench.latch.latched
    assert bench.latch.release(bench.now)
    assert (bench.latch.latched, bench.latch.cycled) == (False, False)


def test_a_bounce_begins_the_50_ms_anew() -> None:
    bench = Bench()
    bench.say("stop")
    bench.say("run", 5)
    assert bench.say("stop") == [Code.ESTOP]
    bench.say("run", 5)
    assert not bench.latch.may_release(bench.now)
    bench.say("run")
    assert bench.latch.may_release(bench.now)


@pytest.mark.parametrize("age", [60 * MS, 99 * MS])
def test_one_word_that_only_grows_older_proves_no_stable_run(age: int) -> None:
    bench = Bench()
    bench.say("stop")
    bench.say("run")
    assert bench.silence(age) is None
    assert not bench.latch.may_release(bench.now)


def test_a_gap_between_samples_proves_no_stable_run() -> None:
    bench = Bench()
    bench.say("stop")
    bench.say("run")
    bench.now += TIMEOUT
    assert bench.say("run") == [None]
    assert not bench.latch.may_release(bench.now)
    bench.say("run", 5)
    assert bench.latch.may_release(bench.now)


@pytest.mark.requirement("SR-003")
def test_silence_needs_a_whole_cycle_even_after_an_earlier_one() -> None:
    bench = Bench()
    bench.say("stop")
    bench.say("run", 10)
    assert bench.silence(TIMEOUT + 1) is Code.ESTOP_SILENT
    bench.say("run", 100)
    assert bench.latch.latched
    assert not bench.latch.release(bench.now)
    bench.say("stop")
    bench.say("run", 6)
    assert bench.latch.release(bench.now)


def test_silence_while_pressed_takes_the_press_back() -> None:
    bench = Bench()
    bench.say("stop")
    bench.say("unknown")
    bench.say("run", 100)
    assert not bench.latch.may_release(bench.now)


def test_a_cycle_counts_only_while_the_device_still_says_run() -> None:
    bench = Bench()
    bench.say("stop")
    bench.say("run", 10)
    assert bench.latch.may_release(bench.now + TIMEOUT)
    assert not bench.latch.may_release(bench.now + TIMEOUT + 1)
    assert not bench.latch.may_release(bench.now - 1)
    bench.say("stop")
    assert not bench.latch.may_release(bench.now)


@pytest.mark.requirement("SR-047")
@pytest.mark.redteam(41)
def test_a_latch_found_on_disk_needs_a_cycle_seen_in_this_boot() -> None:
    bench = Bench(latched_on_disk=True)
    bench.say("run", 1_000)
    assert bench.latch.latched
    assert not bench.latch.release(bench.now)
    bench.say("stop")
    bench.say("run", 6)
    assert bench.latch.release(bench.now)


@pytest.mark.requirement("SR-047")
def test_a_cycle_before_the_latch_was_found_does_not_count() -> None:
    bench = Bench()
    bench.say("stop")
    bench.say("run", 10)
    bench.latch.restore(True)
    bench.say("run", 10)
    assert not bench.latch.release(bench.now)


@pytest.mark.requirement("SR-047")
def test_no_latch_on_disk_clears_none_in_memory() -> None:
    bench = Bench()
    bench.say("stop")
    bench.latch.restore(False)
    assert bench.latch.latched


@pytest.mark.requirement("SR-004")
def test_a_persons_reset_does_not_replace_the_cycle_of_a_device() -> None:
    bench = Bench(latched_on_disk=True)
    bench.say("run", 100)
    assert not bench.latch.release(bench.now, reset_by_person=True)


def test_without_a_device_nothing_is_silent_and_only_a_person_releases() -> None:
    bench = Bench(required=False)
    for word in ("unknown", "run"):
        assert bench.latch.sample(EstopInput(word), bench.now) is None  # type: ignore[arg-type]
    assert not bench.latch.latched
    assert bench.say("stop") == [Code.ESTOP]
    assert not bench.latch.release(bench.now, reset_by_person=True), "still asserted"
    bench.say("run", 100)
    assert not bench.latch.release(bench.now)
    assert bench.latch.latched
    assert bench.latch.release(bench.now, reset_by_person=True)
    assert not bench.latch.latched


@pytest.mark.requirement("SR-003")
@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["run", "stop", "unknown"]), st.integers(0, 150), st.integers(-5, 150))))
def test_release_always_follows_a_stop_and_50_ms_of_run(words: list[tuple[Word, int, int]]) -> None:
    """Any words, gaps [ms] and ages [ms]: judged from the list itself."""
    latch = EstopLatch(TIMEOUT, True)
    now = START
    history: list[tuple[Word, bool, int]] = []
    for word, gap, age in words:
        now += gap * MS
        received = now - age * MS
        code = latch.sample(EstopInput(word, received_at=received), now)
        fresh = 0 <= age <= 100
        assert (code is None) is (word == "run" and fresh)
        history.append((word, fresh, received))
        if latch.may_release(now):
            runs = []
            while history and history[-1][0] == "run" and history[-1][1]:
                runs.append(history.pop())
            assert history, "no stop was seen"
            assert history[-1][0] == "stop"
            times = [received for _, _, received in runs]
            assert max(times) - min(times) >= 50 * MS
            return
