"""Rules of the device to the millisecond and to the last value: the logic alone, in virtual time."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from benches import BYTE_US, LibraryBench
from host import Host
from wire import CHECKIN, HELLO, MIDDLE, RELAYS_OPEN, RESET_DOWN, RUN, SELFTEST, STOP, TEST_FAILED, TESTING, Frame

MS = 1000


def ready(host: Host) -> LibraryBench:
    """Everything is as it must be for a reset."""
    host.connect()
    host.run(1100)
    assert isinstance(host.bench, LibraryBench)
    return host.bench


def state_times(core: LibraryBench, since: int) -> dict[str, int]:
    names = {0xA5: "open", 0x5A: "closed", 0x3C: "opening"}
    return {names[moment.value]: moment.us - since for moment in core.values("state") if moment.us > since}


@pytest.mark.requirement("SR-011")
@pytest.mark.parametrize(
    ("width", "closes"), [(20, False), (99, False), (100, True), (101, True), (3000, True), (3001, False)]
)
def test_reset_acts_after_a_push_of_100_ms_to_3_s(
    core: LibraryBench, core_host: Host, width: int, closes: bool
) -> None:
    ready(core_host)
    core_host.push_reset(width)
    assert core.closed == closes


@pytest.mark.requirement("SR-011")
@pytest.mark.requirement("SR-035")
def test_a_reset_button_that_is_stuck_is_told_and_ignored(core: LibraryBench, core_host: Host) -> None:
    core.command("reset down")
    ready(core_host)
    assert core_host.status.inputs == RESET_DOWN
    assert core.report().reset_too_long
    core.command("reset up")
    core_host.run(200)
    assert not core.closed, "held at the start"
    core_host.push_reset(200)
    assert core.closed
    assert not core.report().reset_too_long
    core.command("press")
    core_host.run(400)
    core.command("release")
    core_host.run(1100)
    core.command("reset down")
    core_host.run(3100)
    assert core.report().reset_too_long
    core.command("reset up")
    core_host.run(100)
    assert not core.closed


@pytest.mark.requirement("SR-011")
def test_a_bouncing_reset_button_counts_once_with_its_whole_width(core: LibraryBench, core_host: Host) -> None:
    ready(core_host)
    for state in ("down", "up", "down", "up", "down"):
        core.command(f"reset {state}")
        core_host.run(3)
    core_host.run(100)
    for state in ("up", "down", "up"):
        core.command(f"reset {state}")
        core_host.run(3)
    assert not core.closed, "not before the button has come to rest"
    core_host.run(60)
    assert core.closed


@pytest.mark.requirement("SR-012")
@pytest.mark.parametrize("cause", ["press", "demand", "silence", "selftest", "enabling"])
def test_a_reset_with_a_cause_between_its_push_and_its_release_does_nothing(
    core: LibraryBench, core_host: Host, cause: str
) -> None:
    ready(core_host)
    core.command("reset down")
    core_host.run(100)
    if cause == "press":
        core.command("channel A stop")
        core_host.run(5)
        core.command("channel A run")
    elif cause == "demand":
        core_host.send(core_host.frame(channels=STOP))
    elif cause == "silence":
        core_host.demand = None
        core_host.run(130)
        core_host.demand = RUN
    elif cause == "selftest":
        core_host.ask_selftest()
    else:
        core.command("enable both")
        core_host.run(5)
        core.command("enable released")
    core_host.run(1500)
    core.command("reset up")
    core_host.run(100)
    assert not core.closed
    core_host.push_reset()
    assert core.closed, "everything has been well for long enough by now"


@pytest.mark.requirement("SR-010")
@pytest.mark.parametrize(("before", "closes"), [(900, False), (1010, True)])
def test_reset_counts_only_after_a_second_of_run(
    core: LibraryBench, core_host: Host, before: int, closes: bool
) -> None:
    core_host.connect()
    core_host.demand = STOP
    core_host.run(500)
    core_host.demand = RUN
    core_host.run(before)
    core_host.push_reset(500)
    assert core.closed == closes


@pytest.mark.requirement("SR-010")
def test_the_second_of_run_is_a_whole_one(core: LibraryBench, core_host: Host) -> None:
    core_host.connect()
    core_host.demand = STOP
    core_host.run(500)
    while core.report().causes & 4:
        core_host.demand = RUN
        core_host.run(1)
    begin = core.us
    while not core.report().armed:
        core_host.run(1)
    assert core.us - begin == 1000 * MS


@pytest.mark.requirement("SR-039")
def test_silence_is_decided_at_100_ms_and_acts_300_ms_later(core: LibraryBench, core_host: Host) -> None:
    core_host.close_relays()
    core_host.demand = None
    core_host.run(20)
    core.run(5 * MS)
    core_host.send(core_host.frame())
    arrived = core.us + 3 * MS  # 24 bytes take 2.1 ms, seen at the next tick
    core.run(3 * MS)
    core_host.run(700)
    assert state_times(core, arrived) == {"opening": 100 * MS, "open": 400 * MS}
    assert core.opened_by == {"silent"}


@pytest.mark.requirement("SR-039")
def test_a_checkin_after_silence_does_not_hide_it_even_between_two_ticks(core: LibraryBench, core_host: Host) -> None:
    """The ticks of a busy processor may come late; the silence between two CHECKINs counts all the same."""
    core_host.close_relays()
    late = core_host.frame()
    core.us += 101 * MS
    core._line = [(0.0, byte) for byte in late.encode()]
    core._tick()
    assert core.state == "opening"
    assert core.opened_by == {"silent"}


@pytest.mark.requirement("SR-001")
def test_a_decision_to_open_is_not_taken_back(core: LibraryBench, core_host: Host) -> None:
    core_host.close_relays()
    begin = core.us
    core.command("channel A stop")
    core.run(MS)
    core.command("channel A run")
    core_host.run(20)
    core_host.push_reset(120)
    assert state_times(core, begin) == {"opening": MS}
    core_host.run(300)
    assert state_times(core, begin) == {"opening": MS, "open": 301 * MS}
    assert core.opened_by == {"button"}


@pytest.mark.requirement("SR-035")
def test_channels_that_disagree_for_more_than_100_ms_must_both_stop_and_both_run(
    core: LibraryBench, core_host: Host
) -> None:
    ready(core_host)
    core.command("channel A stop")
    core_host.run(101)
    core.command("channel A run")
    core_host.run(1500)
    assert core.report().discrepancy
    core_host.push_reset()
    assert not core.closed, "channel B was never seen to open"
    core.command("channel B stop")
    core_host.run(80)
    core.command("channel B run")
    core_host.run(80)
    core_host.push_reset()
    assert not core.closed, "they were not open together"
    core.command("press")
    core_host.run(20)
    core.command("release")
    core_host.run(80)
    assert not core.report().discrepancy
    core_host.push_reset()
    assert core.closed


@pytest.mark.requirement("SR-035")
def test_channels_that_disagree_for_less_than_100_ms_are_no_fault(core: LibraryBench, core_host: Host) -> None:
    ready(core_host)
    core.command("channel A stop")
    core_host.run(49)  # released, it counts as RUN 51 ms later
    core.command("channel A run")
    core_host.run(100)
    assert not core.report().discrepancy
    core_host.push_reset()
    assert core.closed


@pytest.mark.requirement("SR-001")
def test_a_contact_that_opens_for_one_sample_is_told_as_a_stop_of_50_ms(core: LibraryBench, core_host: Host) -> None:
    ready(core_host)
    begin = core.us
    core.command("channel B stop")
    core.run(MS)
    core.command("channel B run")
    core_host.run(100)
    stopped = [us for us, frame in core_host.seen(begin) if frame.channels[1] == STOP[1]]
    assert len(stopped) >= 2, "a lost frame loses no stop"
    assert 50 * MS <= next(us for us, frame in core_host.seen(stopped[-1]) if frame.channels == RUN) - begin <= 56 * MS


@pytest.mark.requirement("SR-036")
def test_every_demand_but_run_is_stop(core: LibraryBench, core_host: Host) -> None:
    core_host.close_relays()
    opened = 0
    pairs = [(a, b) for a in range(256) for b in (0xC3, 0x3C, a)] + [(a, b) for b in range(256) for a in (0x3C, 0xC3)]
    pairs = [pair for pair in dict.fromkeys(pairs) if pair != RUN]
    for pair in pairs:
        core_host.send(core_host.frame(CHECKIN, pair))
        core.run(3 * MS)
        assert core.report().causes & 4, pair
        opened += core.state != "closed"
        core_host.send(core_host.frame(CHECKIN, RUN))
        core.run(3 * MS)
        assert not core.report().causes & 4
    assert opened == len(pairs)
    assert core.report().counts.bad_demand == len(pairs) - 1, "all but the proper STOP are a fault, too"


@pytest.mark.requirement("SR-035")
@pytest.mark.parametrize(("lost", "opens"), [(3, False), (4, True), (200, True)])
def test_more_than_three_lost_frames_count_as_silence(
    core: LibraryBench, core_host: Host, lost: int, opens: bool
) -> None:
    core_host.close_relays()
    core_host.sequence += lost
    core_host.run(10)
    core_host.run(20)
    assert (core.state == "opening") == opens
    assert core.report().counts.lost == opens
    if opens:
        assert core.opened_by == {"silent"}
        core_host.run(600)
        assert not core.report().armed, "the second of RUN begins anew"


@pytest.mark.requirement("SR-036")
@pytest.mark.requirement("SR-035")
@pytest.mark.parametrize(
    "wrong",
    [
        Frame(source=3),
        Frame(destination=3),
        Frame(version=2),
        Frame(kind=2),
        Frame(kind=9),
        Frame(flags=16),
        Frame(inputs=16),
    ],
    ids=["source", "destination", "version", "STATUS", "type", "flags", "inputs"],
)
def test_a_checkin_that_is_not_the_hosts_feeds_nothing(core: LibraryBench, core_host: Host, wrong: Frame) -> None:
    core_host.close_relays()
    begin = core.us
    for _ in range(25):
        right = core_host.frame()
        core_host.sequence = right.sequence
        core_host.send(wrong.with_(sequence=right.sequence, echo=right.echo))
        core.run(20 * MS)
    assert state_times(core, begin)["opening"] <= 100 * MS


@pytest.mark.requirement("SR-035")
def test_repeated_and_reordered_frames_feed_nothing(core: LibraryBench, core_host: Host) -> None:
    core_host.close_relays()
    first, second = core_host.frame(), core_host.frame()
    begin = core.us
    core_host.send(second)
    core.run(20 * MS)
    for _ in range(10):
        core_host.listen()
        for old in (first, second):
            core_host.send(old.with_(echo=core_host.echo))
        core.run(20 * MS)
    assert core.report().counts.not_newer == 20
    assert state_times(core, begin)["opening"] <= 103 * MS


@pytest.mark.requirement("SR-035")
@pytest.mark.parametrize(("lag", "feeds"), [(0, True), (4, True), (5, False), (6, False), (-1, False)])
def test_an_echo_counts_only_among_the_last_five_numbers(
    core: LibraryBench, core_host: Host, lag: int, feeds: bool
) -> None:
    core_host.close_relays()
    known = core.report().counts.stale
    core.run(2 * MS)
    frame = core_host.frame()
    core_host.send(frame.with_(echo=core.frames[-1][1].sequence - lag))
    core.run(3 * MS)
    assert (core.report().counts.stale == known) == feeds


@pytest.mark.requirement("SR-035")
def test_frames_without_a_session_are_refused(core: LibraryBench, core_host: Host) -> None:
    core.run(50 * MS)
    core_host.listen()
    for kind in (CHECKIN, SELFTEST):
        core_host.send(core_host.frame(kind))
        core.run(20 * MS)
    report = core.report()
    assert (report.counts.no_session, report.session, report.selftest_step) == (2, 0, 0)
    assert len(core.frames) == 1, "the HELLO of the start"


@pytest.mark.requirement("SR-035")
@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("loopback", {"source": 2, "destination": 1}),
        ("other_peer", {"destination": 1}),
        ("malformed", {"inputs": 128}),
        ("malformed", {"kind": 2}),
        ("stale", {"echo": 1}),
        ("not_newer", {"sequence": 0xCAFE0001}),
    ],
)
def test_every_reason_to_refuse_a_frame_is_counted_by_itself(
    core: LibraryBench, core_host: Host, name: str, wrong: dict[str, int]
) -> None:
    ready(core_host)
    core_host.send(core_host.frame().with_(**wrong))
    core.run(3 * MS)
    counts = core.report().counts
    assert {field: getattr(counts, field) for field, *_ in counts._fields_ if getattr(counts, field)} == {name: 1}


@pytest.mark.requirement("SR-035")
def test_a_new_session_opens_the_relays_and_has_to_be_armed_anew(core: LibraryBench, core_host: Host) -> None:
    core_host.close_relays()
    again = Host(core, sequence=7)
    again.connect()
    assert core.state == "opening"
    assert core.opened_by >= {"session"}
    assert core.report().causes & 2, "and nothing was heard in it yet"
    again.run(500)
    again.push_reset()
    assert not core.closed
    again.run(1000)
    again.push_reset()
    assert core.closed


@pytest.mark.requirement("SR-035")
@pytest.mark.parametrize("way", ["another signature", "one bit"])
def test_what_fails_its_crc_is_counted_and_feeds_nothing(core: LibraryBench, core_host: Host, way: str) -> None:
    core_host.close_relays()
    begin = core.us
    for _ in range(10):
        frame = core_host.frame()
        if way == "one bit":
            data = bytearray(frame.encode())
            data[17] ^= 4
            core_host.send(bytes(data))
        else:
            core_host.send(frame.encode(signature=0x9F13A555))
        core.run(20 * MS)
    assert core.report().counts.corrupted == 10
    assert state_times(core, begin)["opening"] <= 100 * MS


def test_the_clock_and_both_numbers_wrap_without_a_trace(library: Path) -> None:
    """2^32 ms are 49.7 days."""
    for start_ms in (2**32 - 1500, 2**32 - 3000, 2**31 - 1500):
        core = LibraryBench(library, first_number=2**32 - 40, start_ms=start_ms)
        host = Host(core, sequence=2**32 - 60)
        host.close_relays()
        host.run(4000)
        assert core.closed
        assert [moment.value for moment in core.values("coils")] == [3]
        counts = core.report().counts
        assert [getattr(counts, name) for name, *_ in counts._fields_] == [0] * 9
        host.demand = None
        begin = core.us
        host.run(600)
        assert state_times(core, begin)["opening"] <= 100 * MS


@pytest.mark.requirement("SR-035")
def test_test_pulses_come_every_second_for_one_tick_each(core: LibraryBench, core_host: Host) -> None:
    core_host.close_relays()
    core.command("press")
    core_host.run(3500)
    core.command("release")
    core_host.run(3500)
    pulses = core.values("pulse")
    starts = [moment.us for moment in pulses if moment.value == 1]
    assert len(starts) >= 8
    assert {later - earlier for earlier, later in itertools.pairwise(starts)} == {1000 * MS}
    assert [moment.value for moment in pulses] == [1, 2, 0] * (len(pulses) // 3) + [1, 2, 0][: len(pulses) % 3]
    assert {b.us - a.us for a, b in itertools.pairwise(pulses) if a.value} == {MS}
    assert core.report().faults == 0, "a button that is pressed is no short"


@pytest.mark.requirement("SR-035")
def test_a_board_that_makes_no_test_pulse_fails_the_test(core: LibraryBench, core_host: Host) -> None:
    core_host.close_relays()
    core.stuck_pulses = True
    core_host.run(1100)
    assert core_host.status.flags & TEST_FAILED
    assert core.opened_by == {"selftest"}
    assert core.state != "closed"


@pytest.mark.requirement("SR-035")
def test_one_disturbed_test_pulse_is_repeated_before_it_counts(core: LibraryBench, core_host: Host) -> None:
    ready(core_host)
    while core.last("pulse") != 1:
        core_host.run(1)
    core.command("short A")
    core.run(MS)
    core.command("short none")
    core_host.run(500)
    assert core.report().faults == 0


@pytest.mark.requirement("SR-035")
@pytest.mark.parametrize("moves", [("press", "release"), ("release", "press")])
@pytest.mark.parametrize("delay", range(5))
def test_a_button_that_moves_during_a_test_pulse_is_no_short(
    core: LibraryBench, core_host: Host, moves: tuple[str, str], delay: int
) -> None:
    ready(core_host)
    core.command(moves[1])
    core_host.run(100)
    while core.last("pulse") != 1:
        core_host.run(1)
    core.command(moves[0])
    core_host.run(delay)
    core.command(moves[1])
    core_host.run(1500)
    assert core.report().faults == 0


@pytest.mark.requirement("SR-035")
def test_a_stop_during_a_selftest_opens_and_closes_nothing_again(core: LibraryBench, core_host: Host) -> None:
    core_host.close_relays()
    begin = core.us
    core_host.ask_selftest()
    core_host.run(70)
    assert core.last("coils") == 2, "relay 1 is being tested"
    core.command("press")
    core_host.run(1500)
    coils = [moment.value for moment in core.values("coils") if moment.us > begin]
    assert coils == [2, 0, 1, 0, 2, 0], "nothing closes before all is open; then the test is made again"
    assert not core_host.status.flags & (TESTING | TEST_FAILED)
    assert not core.closed


def test_a_selftest_asked_while_one_runs_is_the_same_test(core: LibraryBench, core_host: Host) -> None:
    ready(core_host)
    begin = core.us
    for _ in range(3):
        core_host.ask_selftest()
        core_host.run(60)
    core_host.run(1000)
    assert [moment.value for moment in core.values("coils") if moment.us > begin] == [1, 0, 2, 0]


@pytest.mark.requirement("SR-036")
@pytest.mark.parametrize("value", [0, 2, 3, 128, 255])
def test_a_contact_counts_as_closed_only_at_exactly_1(core: LibraryBench, core_host: Host, value: int) -> None:
    """A stop for every byte that no sampling writes, as after a flipped bit."""
    core_host.close_relays()
    sample = core._sample

    def disturbed() -> object:
        inputs = sample()
        inputs.channel_a = value
        return inputs

    core._sample = disturbed  # type: ignore[method-assign,assignment]
    core.run(MS)
    assert core.state == "opening"


@pytest.mark.requirement("SR-019")
def test_enabling_bits_are_told_at_once_when_lost_and_after_50_ms_when_won(core: LibraryBench, core_host: Host) -> None:
    ready(core_host)
    begin = core.us
    core.command("enable middle")
    core_host.run(100)
    won = next(us for us, frame in core_host.seen(begin) if frame.inputs & MIDDLE) - begin
    assert 50 * MS <= won <= 56 * MS
    begin = core.us
    core.command("enable panicked")
    core_host.run(10)
    lost = next(us for us, frame in core_host.seen(begin) if not frame.inputs & MIDDLE) - begin
    assert lost <= 6 * MS


def test_a_burst_of_changes_never_outruns_the_line(core: LibraryBench, core_host: Host) -> None:
    ready(core_host)
    begin = core.us
    for i in range(200):
        core.command("press" if i % 2 else "release")
        core_host.run(1)
    times = [us for us, _ in core.frames if us >= begin]
    assert min(later - earlier for earlier, later in itertools.pairwise(times)) >= int(24 * BYTE_US)
    core_host.run(100)
    assert core_host.status.channels == STOP or core_host.status.channels == RUN
    assert core_host.status.flags & RELAYS_OPEN


def test_hello_is_answered_each_time(core: LibraryBench, core_host: Host) -> None:
    for number in (5, 5, 4, 2**32 - 1):
        core.send(Frame(HELLO, 1, 2, number, 0, STOP).encode())
        core.run(20 * MS)
        answers = [frame for _, frame in core.frames if frame.kind == HELLO]
        assert answers[-1].echo == number
    assert len(answers) == 5, "and one of the start"
