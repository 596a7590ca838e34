"""What a host and a person see of the device: the same for the logic alone and for the image on a simulated AVR."""

from __future__ import annotations

import itertools

import pytest
from benches import Bench
from host import Host
from wire import (
    HELLO,
    KEY_AUTO,
    MIDDLE,
    PANICKED,
    RELAYS_OPEN,
    RESTARTED,
    RUN,
    STATUS,
    STOP,
    TEST_FAILED,
    TESTING,
)

pytestmark = pytest.mark.sampled(2)

WATCHDOG_US = 100_000
DELAY_US = 300_000
TICKS_US = 2_000
"""A sample and a tick are a millisecond apart each."""


def opened_at(bench: Bench, since: int) -> int:
    """When the contacts opened, in microseconds after `since`."""
    moments = [moment for moment in bench.values("contacts") if moment.us >= since and moment.value == 0]
    assert moments, "the relays never opened"
    return moments[0].us - since


@pytest.mark.requirement("SR-035")
def test_a_start_is_told_at_once_and_opens_nothing_that_was_not_open(bench: Bench) -> None:
    bench.run(100_000)
    assert [frame.kind for _, frame in bench.frames] == [HELLO], "one HELLO, and no STATUS without a session"
    first = bench.frames[0][1]
    assert (first.source, first.destination, first.echo) == (2, 1, 0)
    assert first.flags == RELAYS_OPEN | RESTARTED
    assert not bench.values("coils")


def test_hello_is_answered_and_status_follows_every_20_ms(bench: Bench, host: Host) -> None:
    answer = host.connect()
    assert answer.flags == RELAYS_OPEN | RESTARTED
    host.run(1000)
    numbers = [frame.sequence for _, frame in bench.frames]
    assert numbers == [(numbers[0] + i) & 0xFFFFFFFF for i in range(len(numbers))]
    begin = bench.us
    host.run(1000)
    status = host.seen(begin)
    gaps = [later - earlier for (earlier, _), (later, _) in itertools.pairwise(status)]
    assert max(gaps) <= 20_000 + TICKS_US + 3_000
    assert min(gaps) >= 18_000, "nothing changed"
    assert {frame.flags for _, frame in status} == {RELAYS_OPEN}, "restarted is told until the first CHECKIN"
    assert {frame.channels for _, frame in status} == {RUN}
    assert host.status.echo in {host.sequence, host.sequence - 1}


@pytest.mark.requirement("SR-039")
@pytest.mark.requirement("SR-035")
def test_a_dead_supervisor_opens_the_relays(bench: Bench, host: Host) -> None:
    host.close_relays()
    last = bench.us
    host.demand = None
    host.run(500)
    late = opened_at(bench, last)
    # The last CHECKIN was up to one period old.
    assert late <= WATCHDOG_US + DELAY_US + bench.slack_us + TICKS_US
    assert late >= WATCHDOG_US - 20_000 + DELAY_US, "the opening waits for the controlled stop"
    assert host.status.flags == RELAYS_OPEN
    host.demand = RUN
    host.run(3000)
    assert not bench.closed, "CHECKINs alone never close"


@pytest.mark.requirement("SR-001")
@pytest.mark.requirement("SR-006")
def test_one_demand_to_stop_opens_even_when_run_follows_at_once(bench: Bench, host: Host) -> None:
    host.close_relays()
    begin = bench.us
    host.send(host.frame(channels=STOP))
    host.send(host.frame(channels=RUN))
    host.run(450)
    assert DELAY_US <= opened_at(bench, begin) <= DELAY_US + 2_100 + bench.slack_us
    host.run(2000)
    assert not bench.closed


@pytest.mark.sampled(2)
@pytest.mark.requirement("SR-001")
@pytest.mark.requirement("SR-035")
@pytest.mark.parametrize("line", ["press", "channel A stop", "channel B stop"])
def test_one_channel_is_enough_is_told_at_once_and_opens(bench: Bench, host: Host, line: str) -> None:
    host.close_relays()
    host.run(7)
    begin = bench.us
    bench.command(line)
    host.run(400)
    stopped = [(us, frame) for us, frame in host.seen(begin) if frame.channels != RUN]
    # At worst a frame is under way already: 2.1 ms before this one's 2.1 ms.
    assert stopped[0][0] - begin <= 2 * 2_100 + TICKS_US + 1_500
    assert stopped[0][1].channels == (
        STOP[0] if line != "channel B stop" else RUN[0],
        STOP[1] if line != "channel A stop" else RUN[1],
    )
    assert DELAY_US <= opened_at(bench, begin) <= DELAY_US + bench.slack_us


@pytest.mark.requirement("SR-004")
@pytest.mark.requirement("SR-010")
def test_release_alone_never_closes_but_reset_after_it_does(bench: Bench, host: Host) -> None:
    host.close_relays()
    bench.command("press")
    host.run(500)
    bench.command("release")
    host.run(2000)
    assert host.status.channels == RUN
    assert not bench.closed
    bench.command("reset down")
    host.run(500)
    assert host.reset_down
    assert not bench.closed, "the reset acts on the release of its button"
    bench.command("reset up")
    host.run(60)
    assert bench.closed
    assert host.status.flags == 0


@pytest.mark.requirement("SR-035")
def test_a_restart_opens_at_once_and_says_so(bench: Bench, host: Host) -> None:
    host.close_relays()
    begin = bench.us
    bench.command("restart")
    host.demand = None
    host.run(100)
    assert opened_at(bench, begin) <= bench.slack_us, "a reset pin knows no delay"
    hello = host.seen(begin, HELLO)
    assert len(hello) == 1
    assert hello[0][1].flags & (RESTARTED | RELAYS_OPEN) == RESTARTED | RELAYS_OPEN
    assert host.seen(begin, STATUS) == []
    host.demand = RUN
    host.run(500)
    assert host.seen(begin, STATUS) == [], "a session does not outlive the device"
    host.connect()
    host.run(2000)
    assert not bench.closed


@pytest.mark.requirement("SR-035")
def test_a_session_that_is_played_again_moves_nothing(bench: Bench, host: Host) -> None:
    host.close_relays()
    recorded = b"".join(host.sent)
    assert bench.closed
    bench.command("restart")
    bench.run(100_000)
    bench.command("reset up")
    # The recorded CHECKINs echo numbers that the device has not sent since its start.
    for start in range(0, len(recorded), 24):
        bench.send(recorded[start : start + 24])
        bench.run(20_000)
        if start == len(recorded) // 48 * 24:
            bench.command("reset down")
    bench.command("reset up")
    bench.run(100_000)
    assert not bench.closed
    assert bench.frames[-1][1].flags & RESTARTED, "no CHECKIN was accepted"


@pytest.mark.requirement("SR-035")
def test_own_frames_coming_back_feed_nothing(bench: Bench, host: Host) -> None:
    host.close_relays()
    host.demand = None
    begin = bench.us
    known = len(bench.frames)
    for _ in range(100):
        bench.run(5_000)
        for _, frame in bench.frames[known:]:
            bench.send(frame.encode())
            bench.send(frame.with_(kind=3).encode())
        known = len(bench.frames)
    assert opened_at(bench, begin) <= WATCHDOG_US + DELAY_US + bench.slack_us + TICKS_US


@pytest.mark.requirement("SR-019")
@pytest.mark.requirement("SR-036")
def test_enabling_switch_and_key(bench: Bench, host: Host) -> None:
    host.close_relays()
    for line, bits in [
        ("enable middle", MIDDLE),
        ("key auto", MIDDLE | KEY_AUTO),
        ("enable panicked", PANICKED | KEY_AUTO),
        ("enable released", KEY_AUTO),
        ("key manual", 0),
    ]:
        bench.command(line)
        host.run(80)
        assert host.status.inputs == bits, line
    assert bench.closed
    bench.command("enable middle")
    host.run(80)
    begin = bench.us
    bench.command("enable released")
    host.run(400)
    gone = next(us for us, frame in host.seen(begin) if not frame.inputs & MIDDLE)
    assert gone - begin <= 2 * 2_100 + TICKS_US + 1_500, "letting go is told at once"
    assert bench.closed, "the host decides what follows from it"
    begin = bench.us
    bench.command("enable both")
    host.run(400)
    assert host.status.inputs == MIDDLE | PANICKED
    assert DELAY_US <= opened_at(bench, begin) <= DELAY_US + bench.slack_us


@pytest.mark.requirement("SR-035")
@pytest.mark.parametrize("closed", [False, True], ids=["open", "closed"])
def test_a_selftest_moves_one_relay_at_a_time_and_answers_within_2_s(bench: Bench, host: Host, closed: bool) -> None:
    if closed:
        host.close_relays()
    else:
        host.connect()
        host.run(300)
    begin = bench.us
    host.ask_selftest()
    host.run(2000)
    running = [us for us, frame in host.seen(begin) if frame.flags & TESTING]
    assert running[0] - begin <= 10_000, "it is told at once that the test runs"
    assert running[-1] - begin <= 1_900_000
    assert not host.status.flags & (TESTING | TEST_FAILED)
    coils = [moment.value for moment in bench.values("coils") if moment.us >= begin]
    assert coils == ([2, 3, 1, 3] if closed else [1, 0, 2, 0])
    assert bench.closed == closed


@pytest.mark.requirement("SR-035")
def test_a_relay_that_does_not_follow_fails_the_selftest_until_it_passes(bench: Bench, host: Host) -> None:
    host.close_relays()
    bench.command("press")
    host.run(500)
    bench.command("release")
    bench.command("selftest fail")
    host.run(300)
    assert not host.status.flags & TEST_FAILED, "nobody has asked yet"
    host.ask_selftest()
    host.run(500)
    assert host.status.flags == RELAYS_OPEN | TEST_FAILED
    host.run(1000)
    host.push_reset()
    assert not bench.closed, "not with a test that failed"
    bench.command("selftest ok")
    host.run(100)
    assert host.status.flags & TEST_FAILED
    host.ask_selftest()
    host.run(2000)
    assert host.status.flags == RELAYS_OPEN
    host.push_reset()
    assert bench.closed


@pytest.mark.sampled(2)
@pytest.mark.requirement("SR-035")
@pytest.mark.parametrize("contact", ["weld 1", "weld 2"])
def test_a_welded_relay_is_seen_when_it_should_open(bench: Bench, host: Host, contact: str) -> None:
    host.close_relays()
    bench.command(contact)
    bench.command("press")
    host.run(300 + 50 + 20)
    assert host.status.flags == RELAYS_OPEN | TEST_FAILED
    assert not bench.closed, "the other relay has opened"
    bench.command("release")
    host.run(1200)
    host.push_reset()
    assert not bench.closed


@pytest.mark.sampled(3)
@pytest.mark.requirement("SR-035")
@pytest.mark.parametrize("wires", ["short A", "short B", "short AB", "short low"])
def test_a_shorted_loop_is_found_by_its_test_pulse_and_opens(bench: Bench, host: Host, wires: str) -> None:
    host.close_relays()
    begin = bench.us
    bench.command(wires)
    host.run(1400)
    failed = [us for us, frame in host.seen(begin) if frame.flags & TEST_FAILED]
    assert failed
    assert failed[0] - begin <= 1_030_000
    assert opened_at(bench, begin) <= 1_030_000 + DELAY_US


@pytest.mark.sampled(2)
@pytest.mark.requirement("SR-035")
def test_without_a_session_it_says_each_second_that_it_is_here(host: Host) -> None:
    host.bench.run(3_500_000)
    told = [(us, frame) for us, frame in host.bench.frames if frame.kind == HELLO]
    assert len(told) == len(host.bench.frames) == 4
    assert {frame.echo for _, frame in told} == {0}
    assert all(950_000 < later - before < 1_050_000 for (before, _), (later, _) in itertools.pairwise(told[1:]))
    host.connect()
    begin = host.bench.us
    host.demand = None
    host.run(2_500)
    assert host.seen(begin, STATUS)
    assert not host.seen(begin, HELLO)
