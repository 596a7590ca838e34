"""The decoder process: decodes, refuses, dies, comes back, and ends with its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import msgspec
import pytest
from rclpy.serialization import serialize_message
from ros_rig import JOINTS, REPOSITORY, children_of, is_alive, make_trajectory

from safety_supervisor.core.events import CommandUnreadable, TrajectoryCommand
from safety_supervisor.ros.decoding import TIMEOUT, Decoder

Command = TrajectoryCommand | CommandUnreadable


@pytest.fixture
def decoder() -> Iterator[Decoder]:
    started = Decoder()
    try:
        wait_for(started, lambda events: started.ready)
        yield started
    finally:
        started.close()


def wait_for(decoder: Decoder, done: Callable[[list[Command]], bool], may_restart: bool = False) -> list[Command]:
    events: list[Command] = []
    ends = time.monotonic() + 30.0
    while not done(events):
        assert time.monotonic() < ends, "the decoder does not answer"
        events += decoder.poll(time.monotonic_ns(), may_restart)
        time.sleep(0.001)
    return events


def submit(decoder: Decoder, data: bytes, source: str = "planner", points: int = 1000) -> CommandUnreadable | None:
    return decoder.submit(source, data, clock=17, now=time.monotonic_ns(), max_points=points)


def one(events: list[Command]) -> bool:
    return bool(events)


def test_a_trajectory_comes_back_as_an_event(decoder: Decoder) -> None:
    message = make_trajectory([(0.5, [0.1] * 7), (1.5, [0.2] * 7)])
    message.header.stamp.sec, message.header.frame_id = 3, "cid:a"
    before = time.monotonic_ns()
    assert submit(decoder, serialize_message(message)) is None
    (event,) = wait_for(decoder, one)
    assert isinstance(event, TrajectoryCommand)
    assert event.at >= before
    assert (event.source, event.clock, event.stamp, event.frame_id) == ("planner", 17, 3_000_000_000, "cid:a")
    assert event.names == tuple(JOINTS)
    assert event.times == (500_000_000, 1_500_000_000)
    assert event.position_counts == (7, 7)
    assert memoryview(event.positions).cast("d").tolist() == [0.1] * 7 + [0.2] * 7
    assert event.body == ""


@pytest.mark.redteam(13)
@pytest.mark.redteam(14)
def test_the_body_is_hashed_where_a_key_is_given_and_apart_from_the_header(decoder: Decoder) -> None:
    bodies = []
    for stamp, place in ((1, 0.1), (2, 0.1), (2, 0.3)):
        message = make_trajectory([(0.5, [place] * 7)])
        message.header.stamp.sec, message.header.frame_id = stamp, f"cid:a{stamp};key:k"
        submit(decoder, serialize_message(message))
        bodies += [event.body for event in wait_for(decoder, one) if isinstance(event, TrajectoryCommand)]
    assert bodies[0] == bodies[1] != bodies[2]
    assert len(bodies[0]) == 64


@pytest.mark.redteam(26)
@pytest.mark.parametrize(
    ("data", "points", "code"),
    [
        (b"\x00\x01\x00\x00" + b"\xff" * 40, 1000, "E_UNDECODABLE"),
        (b"", 1000, "E_UNDECODABLE"),
        (serialize_message(make_trajectory([(0.1 * n, [0.0] * 7) for n in range(1, 12)])), 10, "E_TOO_MANY_POINTS"),
    ],
)
def test_what_is_no_fit_trajectory_is_refused(decoder: Decoder, data: bytes, points: int, code: str) -> None:
    assert submit(decoder, data, points=points) is None
    (event,) = wait_for(decoder, one)
    assert isinstance(event, CommandUnreadable)
    assert event.code == code
    assert decoder.restarts == 0


@pytest.mark.redteam(30)
def test_one_trajectory_of_a_source_at_a_time(decoder: Decoder) -> None:
    data = serialize_message(make_trajectory([(0.5, [0.1] * 7)]))
    assert submit(decoder, data) is None
    refusal = submit(decoder, data)
    assert refusal is not None
    assert refusal.code == "E_BUSY"
    assert submit(decoder, data, source="other") is None
    events = wait_for(decoder, lambda found: len(found) == 2)
    assert {event.source for event in events} == {"planner", "other"}
    assert submit(decoder, data) is None


@pytest.mark.redteam(26)
def test_a_message_that_the_worker_dies_of_ends_the_worker_alone(decoder: Decoder) -> None:
    assert decoder.pid is not None
    (worker,) = children_of(decoder.pid)
    os.kill(worker, signal.SIGSTOP)
    assert submit(decoder, serialize_message(make_trajectory([(0.5, [0.1] * 7)]))) is None
    decoder.poll(time.monotonic_ns(), may_restart=False)
    os.kill(worker, signal.SIGKILL)
    (event,) = wait_for(decoder, one)
    assert isinstance(event, CommandUnreadable)
    assert event.code == "E_UNDECODABLE"
    assert submit(decoder, serialize_message(make_trajectory([(0.5, [0.1] * 7)]))) is None
    (event,) = wait_for(decoder, one)
    assert isinstance(event, TrajectoryCommand)
    assert decoder.restarts == 0


def test_a_decoder_that_dies_refuses_what_it_held_and_comes_back_when_it_may(decoder: Decoder) -> None:
    first = decoder.pid
    assert first is not None
    os.kill(first, signal.SIGSTOP)
    assert submit(decoder, serialize_message(make_trajectory([(0.5, [0.1] * 7)]))) is None
    os.kill(first, signal.SIGKILL)
    (event,) = wait_for(decoder, one)
    assert isinstance(event, CommandUnreadable)
    assert event.code == "E_UNDECODABLE"
    assert decoder.poll(time.monotonic_ns(), may_restart=False) == []
    assert decoder.pid is None
    refusal = submit(decoder, b"")
    assert refusal is not None
    assert refusal.code == "E_BUSY"
    wait_for(decoder, lambda events: decoder.ready, may_restart=True)
    assert decoder.pid not in (None, first)
    assert decoder.restarts == 1


def test_a_decoder_that_hangs_is_ended(decoder: Decoder) -> None:
    assert decoder.pid is not None
    os.kill(decoder.pid, signal.SIGSTOP)
    assert submit(decoder, serialize_message(make_trajectory([(0.5, [0.1] * 7)]))) is None
    assert decoder.poll(time.monotonic_ns(), may_restart=False) == []
    (event,) = decoder.poll(time.monotonic_ns() + TIMEOUT + 1, may_restart=False)
    assert msgspec.structs.asdict(event)["code"] == "E_UNDECODABLE"
    assert decoder.pid is None


def test_the_decoder_ends_with_a_parent_that_is_killed() -> None:
    program = (
        "import time\nfrom safety_supervisor.ros.decoding import Decoder\nd = Decoder()\n"
        "while not d.ready: d.poll(time.monotonic_ns(), False); time.sleep(0.01)\n"
        "print(d.pid, flush=True); time.sleep(60)"
    )
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, env=environment)
    try:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        family = [child, *children_of(child)]
        assert len(family) == 2
        assert all(is_alive(pid) for pid in family)
    finally:
        parent.kill()
        parent.wait()
    ends = time.monotonic() + 5.0
    while any(is_alive(pid) for pid in family):
        assert time.monotonic() < ends, "the decoder outlives its parent"
        time.sleep(0.01)
