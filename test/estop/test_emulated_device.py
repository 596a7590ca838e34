"""The emulated device by virtual time: every rule of its relays, its session, its self-test."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from msgspec import structs

from safety_supervisor.core.estop_settings import EstopLine
from safety_supervisor.estop.frames import RUN_A, RUN_B, STOP_A, STOP_B, Flag, Frame, FrameType, encode
from safety_supervisor.estop.signature import signature
from safety_supervisor.estop.times import MS
from safety_supervisor.estop.tools.device import Device, DeviceEvent

LINE = EstopLine("", 115200, host=1, device=2, relay_delay=300 * MS, relay_effect="sto", self_test_every=None)
RUN, STOP = (RUN_A, RUN_B), (STOP_A, STOP_B)


class Host:
    """A host that says CHECKIN every 20 ms, in steps of 1 ms of virtual time."""

    def __init__(self, line: EstopLine = LINE) -> None:
        self.line, self.now = line, 1_000 * MS
        self.device = Device(line, self.now, seed=0xFFFFFFF0)
        self.sequence, self.echo = 0xFFFFFFFE, 0
        self.checkin = True
        self.demand = RUN
        self.echo_lag = 0
        self.frames: list[tuple[int, Frame]] = []
        self.events: list[DeviceEvent] = []
        self.collect()

    def collect(self) -> None:
        frames, events = self.device.take()
        self.frames += [(self.now, frame) for frame in frames]
        self.events += events
        if frames:
            self.echo = frames[-1].sequence

    def send(self, kind: FrameType, **fields: int) -> None:
        a, b = self.demand
        frame = Frame(kind, 1, 2, self.sequence, (self.echo - self.echo_lag) % 2**32, a, b)
        self.sequence = (self.sequence + 1) % 2**32
        self.device.receive(encode(structs.replace(frame, **fields), signature(self.line)), self.now)
        self.collect()

    def run(self, milliseconds: int) -> None:
        for _ in range(milliseconds):
            self.now += MS
            self.device.advance(self.now)
            self.collect()
            if self.checkin and self.now % (20 * MS) == 0:
                self.send(FrameType.CHECKIN)

    def reset(self, milliseconds: int = 200) -> None:
        self.device.press_reset(True, self.now)
        self.collect()
        self.run(milliseconds)
        self.device.press_reset(False, self.now)
        self.collect()

    def press(self, pressed: bool = True) -> None:
        self.device.pressed = pressed
        self.device.advance(self.now)
        self.collect()

    def relay(self) -> list[tuple[int, str]]:
        return [(event.at, event.detail) for event in self.events if event.what == "relay"]


@pytest.fixture
def host() -> Host:
    """In a session, CHECKIN valid for 1.1 s."""
    host = Host()
    host.send(FrameType.HELLO)
    host.run(1_120)
    return host


@pytest.fixture
def closed(host: Host) -> Host:
    """With closed relays."""
    host.reset()
    assert host.device.relays_closed
    host.events.clear()
    return host


def test_power_on_announces_itself_and_without_a_session_once_a_second() -> None:
    host = Host()
    host.checkin = False
    host.run(3500)
    assert [frame.type for _, frame in host.frames] == [FrameType.HELLO] * 4
    assert {at - host.frames[0][0] for at, _ in host.frames} == {0, 1000 * MS, 2000 * MS, 3000 * MS}
    assert {frame.flags for _, frame in host.frames} == {Flag.RESTARTED | Flag.RELAYS_OPEN}
    assert {frame.echo for _, frame in host.frames} == {0}
    host.send(FrameType.HELLO)
    host.frames.clear()
    host.run(3500)
    assert {frame.type for _, frame in host.frames} == {FrameType.STATUS}


def test_hello_is_answered_with_its_number_and_status_follows_every_20_ms() -> None:
    host = Host()
    host.checkin = False
    host.frames.clear()
    host.send(FrameType.HELLO)
    answer, first = (frame for _, frame in host.frames)
    assert (answer.type, answer.echo, first.type) == (FrameType.HELLO, 0xFFFFFFFE, FrameType.STATUS)
    host.frames.clear()
    host.run(200)
    times = [at for at, _ in host.frames]
    assert [after - before for before, after in itertools.pairwise(times)] == [20 * MS] * (len(times) - 1)
    assert len(times) == 10
    numbers = [frame.sequence for _, frame in host.frames]
    assert numbers == [(first.sequence + 1 + i) % 2**32 for i in range(10)]


def test_restart_flag_stands_until_the_first_checkin() -> None:
    host = Host()
    host.send(FrameType.HELLO)
    assert host.frames[-1][1].flags & Flag.RESTARTED
    host.send(FrameType.CHECKIN)
    assert not host.frames[-1][1].flags & Flag.RESTARTED


def test_a_change_is_told_at_once(host: Host) -> None:
    host.run(7)
    host.frames.clear()
    host.press()
    assert [(at, frame.channel_a, frame.channel_b) for at, frame in host.frames] == [(host.now, STOP_A, STOP_B)]


def test_relays_close_after_a_second_of_checkin_and_the_reset_button(host: Host) -> None:
    assert host.relay() == []
    host.reset()
    assert host.relay() == [(host.now, "closed")]
    assert not host.frames[-1][1].flags & Flag.RELAYS_OPEN


@pytest.mark.parametrize("held", [99, 3_001])
def test_a_reset_outside_100_ms_to_3_s_closes_nothing(host: Host, held: int) -> None:
    host.reset(held)
    assert not host.device.relays_closed


def test_a_reset_pressed_before_the_second_was_over_closes_nothing() -> None:
    host = Host()
    host.send(FrameType.HELLO)
    host.run(950)
    host.reset(200)
    assert not host.device.relays_closed
    host.reset(200)
    assert host.device.relays_closed


@pytest.mark.parametrize("break_it", ["press", "demand", "silence", "channel", "enabling", "self-test"])
def test_an_interruption_while_reset_is_held_closes_nothing(host: Host, break_it: str) -> None:
    host.device.press_reset(True, host.now)
    host.run(50)
    _break(host, break_it)
    host.run(200)
    _mend(host)
    host.run(60)
    host.device.press_reset(False, host.now)
    assert not host.device.relays_closed


def _break(host: Host, how: str) -> None:
    if how == "press":
        host.press()
    elif how == "demand":
        host.demand = STOP
    elif how == "silence":
        host.checkin = False
    elif how == "channel":
        host.device.forced["b"] = 0x55
    elif how == "enabling":
        host.device.enabling = "both"
    else:
        host.device.shorted.add("a")
        host.run(1_000)


def _mend(host: Host) -> None:
    host.press(False)
    host.demand, host.checkin = RUN, True
    host.device.forced.clear()
    host.device.enabling = "released"
    host.device.shorted.clear()


@pytest.mark.requirement("SR-035")
@pytest.mark.parametrize(
    ("how", "why", "within"),
    [
        ("press", "button", 1), ("demand", "the host demands stop", 21), ("silence", "no CHECKIN", 101),
        ("channel", "button", 1), ("enabling", "enabling switch", 1), ("self-test", "self-test failed", 0),
    ],
)  # fmt: skip
def test_relays_open_a_delay_after_each_cause_and_nothing_calls_it_back(
    closed: Host, how: str, why: str, within: int
) -> None:
    began = closed.now
    _break(closed, how)
    if how != "self-test":
        closed.run(110)
    decided, detail = closed.relay()[0]
    assert detail == f"decided: {why}"
    if how != "self-test":
        assert decided - began <= within * MS
    _mend(closed)
    closed.run(400)
    assert closed.relay()[1] == (decided + 300 * MS, "opened")
    assert closed.frames[-1][1].flags & Flag.RELAYS_OPEN
    closed.run(2_000)
    assert len(closed.relay()) == 2, "only the reset button closes again"


def test_silence_is_noticed_at_100_ms_and_not_before(closed: Host) -> None:
    closed.send(FrameType.CHECKIN)
    closed.checkin, last = False, closed.now
    closed.run(99)
    assert closed.relay() == []
    closed.run(1)
    assert closed.relay() == [(last + 100 * MS, "decided: no CHECKIN")]


def test_a_stop_that_the_next_frame_takes_back_is_a_stop(closed: Host) -> None:
    """Both in one piece of bytes."""
    first = Frame(FrameType.CHECKIN, 1, 2, closed.sequence, closed.echo, *STOP)
    second = structs.replace(first, sequence=(closed.sequence + 1) % 2**32, channel_a=RUN_A, channel_b=RUN_B)
    closed.device.receive(b"".join(encode(frame, signature(LINE)) for frame in (first, second)), closed.now)
    closed.collect()
    assert closed.relay() == [(closed.now, "decided: the host demands stop")]


def test_a_new_session_opens_the_relays(closed: Host) -> None:
    closed.send(FrameType.HELLO)
    assert closed.relay() == [(closed.now, "decided: a new session")]


@pytest.mark.requirement("SR-035")
@pytest.mark.parametrize(
    "fields",
    [
        {"source": 3}, {"source": 2}, {"destination": 3}, {"sequence": 0xFFFFFFFE}, {"type": 2},
    ],
    ids=["other host", "loopback", "for another", "not newer", "STATUS"],
)  # fmt: skip
def test_frames_of_others_and_old_ones_feed_no_watchdog(closed: Host, fields: dict[str, int]) -> None:
    closed.checkin = False
    for _ in range(6):
        closed.run(20)
        refused = closed.device.refused
        closed.send(FrameType.CHECKIN, **fields)
        assert closed.device.refused == refused + 1
    assert closed.relay()[0][1] == "decided: no CHECKIN"


@pytest.mark.requirement("SR-035")
def test_checkin_that_echoes_an_old_number_is_stale(closed: Host) -> None:
    closed.echo_lag = 4
    closed.run(200)
    assert closed.relay() == []
    closed.echo_lag = 5
    closed.run(200)
    assert closed.relay()[0][1] == "decided: no CHECKIN"


@pytest.mark.requirement("SR-035")
@pytest.mark.parametrize(("lost", "opens"), [(3, False), (4, True)])
def test_more_than_three_lost_checkins_open(closed: Host, lost: int, opens: bool) -> None:
    closed.sequence = (closed.sequence + lost) % 2**32
    closed.send(FrameType.CHECKIN)
    assert [detail for _, detail in closed.relay()] == (["decided: CHECKIN lost"] if opens else [])


def test_a_corrupted_checkin_and_one_of_another_configuration_are_refused(closed: Host) -> None:
    closed.checkin = False
    other = signature(replace(LINE, relay_delay=0))
    for _ in range(6):
        closed.run(20)
        frame = Frame(FrameType.CHECKIN, 1, 2, closed.sequence, closed.echo, *RUN)
        closed.sequence = (closed.sequence + 1) % 2**32
        closed.device.receive(encode(frame, other), closed.now)
    closed.collect()
    assert closed.relay()[0][1] == "decided: no CHECKIN"


def test_channels_that_disagreed_must_be_seen_stop_together(host: Host) -> None:
    host.device.forced["a"] = STOP_A
    host.run(110)
    host.device.forced.clear()
    host.run(1_500)
    host.reset()
    assert not host.device.relays_closed
    host.press()
    host.run(20)
    host.press(False)
    host.run(20)
    host.reset()
    assert host.device.relays_closed


@pytest.mark.parametrize(("result", "failed"), [("good", False), ("fail", True)])
def test_self_test_runs_and_ends_within_2_s(host: Host, result: str, failed: bool) -> None:
    host.device.test_result = result  # type: ignore[assignment]
    host.send(FrameType.SELFTEST)
    assert host.frames[-1][1].flags & Flag.SELF_TEST_RUNNING
    host.run(2_000)
    flags = host.frames[-1][1].flags
    assert not flags & Flag.SELF_TEST_RUNNING
    assert bool(flags & Flag.SELF_TEST_FAILED) is failed
    host.reset()
    assert host.device.relays_closed is not failed


def test_self_test_that_hangs_never_ends(host: Host) -> None:
    host.device.test_result = "timeout"
    host.send(FrameType.SELFTEST)
    host.run(5_000)
    assert host.frames[-1][1].flags & Flag.SELF_TEST_RUNNING


@pytest.mark.requirement("SR-035")
def test_a_short_is_found_by_the_test_pulse_within_a_second(closed: Host) -> None:
    closed.device.shorted.add("b")
    closed.run(1_000)
    assert closed.frames[-1][1].flags & Flag.SELF_TEST_FAILED
    assert closed.relay()[0][1] == "decided: self-test failed"


@pytest.mark.requirement("SR-035")
def test_a_welded_contact_shows_when_pressed_and_a_welded_relay_by_its_read_back(closed: Host) -> None:
    closed.device.welded.add("a")
    closed.device.relay_welded = True
    closed.press()
    assert (closed.frames[-1][1].channel_a, closed.frames[-1][1].channel_b) == (RUN_A, STOP_B)
    closed.run(301)
    assert closed.device.relays_closed, "welded"
    assert closed.frames[-1][1].flags & (Flag.SELF_TEST_FAILED | Flag.RELAYS_OPEN) == Flag.SELF_TEST_FAILED


def test_restart_opens_at_once_and_forgets_the_session(closed: Host) -> None:
    closed.device.restart(closed.now, seed=5)
    closed.frames.clear()
    closed.collect()
    assert closed.relay() == [(closed.now, "opened: restart")]
    closed.run(300)
    assert [frame.type for _, frame in closed.frames] == [FrameType.HELLO]


def test_without_relays_nothing_is_said_of_them() -> None:
    host = Host(replace(LINE, relay_effect="none"))
    host.send(FrameType.HELLO)
    host.run(1_200)
    host.reset()
    assert not any(frame.flags & Flag.RELAYS_OPEN for _, frame in host.frames)
    assert host.relay() == []


def test_no_delay_opens_at_the_decision() -> None:
    host = Host(replace(LINE, relay_delay=0))
    host.send(FrameType.HELLO)
    host.run(1_200)
    host.reset()
    host.press()
    assert [detail for _, detail in host.relay()] == ["closed", "decided: button", "opened"]


def test_due_names_every_moment_at_which_something_happens(closed: Host) -> None:
    """Called only when it says so, the device acts at the same moments as when it is called every millisecond."""
    closed.run(7)  # beside the times of STATUS
    closed.send(FrameType.CHECKIN)
    closed.checkin, last = False, closed.now
    while closed.now < last + 2_000 * MS:
        closed.now = max(closed.now, closed.device.due())
        closed.device.advance(closed.now)
        closed.collect()
        closed.now += 1
    assert [at for at, _ in closed.relay()] == [last + 100 * MS, last + 400 * MS]


def test_a_repeated_checkin_feeds_no_watchdog(closed: Host) -> None:
    closed.checkin = False
    for _ in range(6):
        closed.run(20)
        closed.send(FrameType.CHECKIN, sequence=(closed.sequence - 1) % 2**32)
        closed.sequence = (closed.sequence - 1) % 2**32
    assert closed.relay()[0][1] == "decided: no CHECKIN"


def test_reset_during_the_self_test_closes_nothing(host: Host) -> None:
    host.send(FrameType.SELFTEST)
    host.reset(110)
    assert not host.device.relays_closed


def test_reset_while_the_relays_are_about_to_open_changes_nothing() -> None:
    host = Host(replace(LINE, relay_delay=2_000 * MS))
    host.send(FrameType.HELLO)
    host.run(1_120)
    host.reset()
    host.press()
    decided = host.now
    host.run(20)
    host.press(False)
    host.run(1_200)
    host.device.press_reset(True, host.now)
    host.run(900)
    assert host.relay()[-1] == (decided + 2_000 * MS, "opened")
    host.device.press_reset(False, host.now)
    assert not host.device.relays_closed, "pressed before the relays were open"
