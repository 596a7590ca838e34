"""`frame_v1` beside a small model, driven by chance: RUN only where the model permits it, a stop where it must.

The model knows nothing of how the driver works: it is the protocol's text as a list of what was sent and received.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from line_rig import (
    A_ONLY,
    B_ONLY,
    CHECKIN,
    DEVICE,
    HELLO,
    HOST,
    MS,
    RUN,
    SETTINGS,
    START,
    STATUS,
    STOP,
    fields,
    frame,
)  # fmt: skip

from safety_supervisor.core.estop_input import EstopInput
from safety_supervisor.estop.link import FrameV1

CHANNELS = st.sampled_from([RUN, RUN, RUN, STOP, STOP, A_ONLY, B_ONLY, (0, RUN[1]), (RUN[0], 0xFF)])
LAGS = st.sampled_from([0, 0, 0, 1, 4, 5, 6, 30])
SKIPS = st.sampled_from([1, 1, 1, 2, 4, 5, 9, 0, -1])


class Line(RuleBasedStateMachine):
    """Device and host at the ends of a line without delay."""

    def __init__(self) -> None:
        super().__init__()
        self.driver = FrameV1(SETTINGS)
        self.now = START
        self.sent: list[tuple[int, int]] = []
        self.device = 2**32 - 20
        self.open = False
        # The model: since when a word may be RUN, or None; and what has not been told.
        self.session_from: int | None = None
        self.newest: int | None = None
        self.fed_at: int | None = None
        self.run = False
        self.needs_together = False
        self.seen_together = False
        self.must_stop = False
        self.pressed = False
        self.word: EstopInput | None = None

    @rule(seed=st.integers(0, 2**32 - 1))
    def plug(self, seed: int) -> None:
        self.driver.opened(self.now, seed)
        self.open, self.session_from, self.fed_at = True, None, None
        self.sent.clear()

    @rule()
    def unplug(self) -> None:
        self.driver.closed(self.now, "unplugged")
        self.open, self.session_from = False, None
        self.must_stop = True

    @rule(milliseconds=st.sampled_from([1, 2, 5, 20, 60, 100, 101, 500]), demand=st.booleans(), alive=st.booleans())
    def cycle(self, milliseconds: int, demand: bool, alive: bool) -> None:
        self.now += milliseconds * MS
        data = self.driver.cycle(self.now, alive, demand, False)
        if data:
            kind, number, _, channels = fields(data)
            assert kind in (HELLO, CHECKIN)
            assert kind != CHECKIN or alive or channels == STOP
            assert kind != CHECKIN or not demand or channels == STOP
            if self.sent:
                assert number == (self.sent[-1][0] + 1) % 2**32
            if kind == HELLO:
                self.session_from = None
            self.sent.append((number, kind))

    @rule()
    def answer(self) -> None:
        if not self.open or not self.sent or self.sent[-1][1] != HELLO:
            return
        self.device = (self.device * 69069 + 1) % 2**32
        self.driver.receive(frame(HELLO, self.device, self.sent[-1][0]), self.now)
        if self.session_from is None:
            self.session_from, self.newest, self.fed_at = self.now, self.device, None
        else:
            self.session_from = None  # another random number inside a session
            self.must_stop = True

    def _take(self, channels: tuple[int, int]) -> None:
        """What a STATUS that counts means."""
        self.fed_at = self.now
        self.run = channels == RUN
        if channels == STOP:
            self.seen_together, self.needs_together = True, True
        elif channels == RUN:
            if self.seen_together:
                self.needs_together = self.seen_together = False
        elif STOP[0] == channels[0] or STOP[1] == channels[1]:
            self.needs_together = True
        if not self.run:
            self.must_stop = True
        if STOP[0] == channels[0] or STOP[1] == channels[1]:
            self.pressed = True

    @rule(
        channels=CHANNELS,
        lag=st.sampled_from([0, 0, 0, 1, 4, 5, 6, 30]),
        skip=st.sampled_from([1, 1, 1, 2, 4, 5, 9, 0, -1]),
    )
    def status(self, channels: tuple[int, int], lag: int, skip: int) -> None:
        if not self.open or len(self.sent) <= lag:
            return
        number = (self.device + skip) % 2**32
        if skip > 0:
            self.device = number
        in_session = self.session_from is not None and self._fresh_enough()
        self.driver.receive(frame(STATUS, number, self.sent[-1 - lag][0], channels), self.now)
        if not in_session:
            self.session_from = None
        elif skip > 0 and lag < 5:
            self._take(channels)
            if skip > 4:
                self.must_stop = True

    def _fresh_enough(self) -> bool:
        last = self.fed_at if self.fed_at is not None else self.session_from
        return last is not None and self.now - last <= 100 * MS

    @rule(data=st.binary(max_size=60))
    def noise(self, data: bytes) -> None:
        self.driver.receive(data, self.now)

    @rule(source=st.sampled_from([HOST, 9]))
    def stranger(self, source: int) -> None:
        if self.open:
            self.driver.receive(frame(STATUS, self.device + 1, 0, source=source, destination=DEVICE), self.now)
            self.must_stop = True

    @rule()
    def sample(self) -> None:
        self.word = self.driver.sample(self.now)
        permitted = (
            self.open
            and self.session_from is not None
            and self.fed_at is not None
            and self._fresh_enough()
            and self.run
            and not self.needs_together
            and not self.must_stop
        )
        assert self.word.state != "run" or permitted, self.word
        self.must_stop = False
        # `stop` begins the cycle that the latch waits for: nothing but a contact that opened may say it.
        assert self.word.state != "stop" or self.pressed or self.needs_together, self.word
        self.pressed = False

    @invariant()
    def is_bounded(self) -> None:
        assert len(self.driver._reader._waiting) <= 23
        assert len(self.driver._notices._waiting) <= 32


class Healthy(RuleBasedStateMachine):
    """The other half: without a fault, RUN is said whenever both channels say it, whatever the host does meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.driver = FrameV1(SETTINGS)
        self.now = START
        self.driver.opened(self.now, 2**32 - 30)
        _, self.number, _, _ = fields(self.driver.cycle(self.now, True, False, False))
        self.device = 2**32 - 5
        self.channels = RUN
        self.driver.receive(frame(HELLO, self.device, self.number), self.now)
        self._status()

    def _status(self) -> None:
        self.device = (self.device + 1) % 2**32
        self.driver.receive(frame(STATUS, self.device, self.number, self.channels), self.now)

    @rule(demand=st.booleans(), alive=st.booleans(), steps=st.integers(1, 20))
    def go_on(self, demand: bool, alive: bool, steps: int) -> None:
        for _ in range(steps):
            self.now += 10 * MS
            self._status()
            data = self.driver.cycle(self.now, alive, demand, False)
            if data:
                self.number = fields(data)[1]

    @rule(pressed=st.booleans())
    def press(self, pressed: bool) -> None:
        self.channels = STOP if pressed else RUN
        self._status()
        assert self.driver.sample(self.now).state == ("stop" if pressed else "run")

    @invariant()
    def says_what_is(self) -> None:
        word = self.driver.sample(self.now)
        assert (word.state, word.fault) == ("run" if self.channels == RUN else "stop", "")


@pytest.mark.requirement("SR-003")
@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(CHANNELS, st.just("sample")), min_size=4, max_size=12))
def test_only_a_contact_that_opened_begins_the_cycle_of_the_latch(steps: list[tuple[int, int] | str]) -> None:
    """A device tells a change at once, so two frames may lie between two samples; a value that is none is no STOP."""
    driver = FrameV1(SETTINGS)
    driver.opened(START, 7)
    _, number, _, _ = fields(driver.cycle(START, True, False, False))
    driver.receive(frame(HELLO, 100, number), START)
    pressed = together = False
    for count, step in enumerate([RUN, *steps, "sample"]):
        if isinstance(step, str):
            word = driver.sample(START)
            assert word.state != "stop" or pressed, word
            pressed = together
        else:
            driver.receive(frame(STATUS, 101 + count, number, step), START)
            together = (together or STOP[0] == step[0] or STOP[1] == step[1]) and step != RUN
            pressed = pressed or together


Line.TestCase.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
Healthy.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestLine = Line.TestCase
TestHealthy = Healthy.TestCase
