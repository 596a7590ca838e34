"""The port's thread on real pseudo-terminals, with real pyserial."""

from __future__ import annotations

import gc
import os
import pty
import re
import resource
import threading
import time
import tty
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from safety_supervisor.estop.port import (
    MOST_TAKEN,
    MOST_WAITING,
    Closed,
    Contacts,
    Opened,
    Port,
    PortEvent,
    Received,
)
from safety_supervisor.estop.serial_line import SerialLine

PATIENCE = 10.0


class Far:
    """The far end of a pseudo-terminal, behind a link that stays."""

    def __init__(self, link: Path) -> None:
        self.link, self.file = link, -1
        self.plug()

    def plug(self) -> None:
        self.file, other = pty.openpty()
        tty.setraw(other)
        os.set_blocking(self.file, False)
        name = os.ttyname(other)
        os.close(other)
        self.link.unlink(missing_ok=True)
        self.link.symlink_to(name)

    def unplug(self) -> None:
        self.link.unlink(missing_ok=True)
        if self.file >= 0:
            os.close(self.file)
        self.file = -1

    def read(self) -> bytes:
        try:
            return os.read(self.file, 100_000)
        except (BlockingIOError, OSError):
            return b""


@pytest.fixture
def far(tmp_path: Path) -> Iterator[Far]:
    far = Far(tmp_path / "estop")
    yield far
    far.unplug()


@pytest.fixture
def ports() -> Iterator[Callable[..., Port]]:
    """Makes and starts ports; none outlives its test."""
    made: list[Port] = []

    def make(name: object, baud: int = 115200, contacts: bool = False, sees_age: bool = True) -> Port:
        made.append(Port(str(name), baud, contacts, sees_age))
        made[-1].start()
        return made[-1]

    yield make
    for port in made:
        assert port.close(PATIENCE)
    assert [thread.name for thread in threading.enumerate() if thread.name == "estop-port"] == []


def wait(condition: Callable[[], bool], what: str = "it") -> None:
    ends = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < ends, f"{what} did not happen"
        time.sleep(0.002)


def next_event(port: Port, kind: type[PortEvent]) -> PortEvent:
    """Return the next event of a kind; those before are forgotten."""
    ends = time.monotonic() + PATIENCE
    while time.monotonic() < ends:
        for event in port.take():
            if isinstance(event, kind):
                return event
        time.sleep(0.002)
    raise AssertionError(f"no {kind.__name__}")


def read_all(port: Port, size: int) -> bytes:
    found = b""
    ends = time.monotonic() + PATIENCE
    while len(found) < size and time.monotonic() < ends:
        found += b"".join(event.data for event in port.take() if isinstance(event, Received))
        time.sleep(0.001)
    return found


def test_bytes_go_both_ways_with_their_receipt_time(far: Far, ports: Callable[..., Port]) -> None:
    port = ports(far.link)
    opened = next_event(port, Opened)
    before = time.monotonic_ns()
    os.write(far.file, b"\xa5\x5a\x00\xff\n\r\x03\x04\x11\x13")
    received = next_event(port, Received)
    assert isinstance(received, Received)
    assert isinstance(opened, Opened)
    assert received.data == b"\xa5\x5a\x00\xff\n\r\x03\x04\x11\x13", "raw: the terminal changes no byte"
    assert opened.at <= before <= received.at <= time.monotonic_ns()
    port.send(bytes(range(256)))
    sent = b""
    ends = time.monotonic() + PATIENCE
    while len(sent) < 256 and time.monotonic() < ends:
        sent += far.read()
    assert sent == bytes(range(256))


def test_each_opening_has_another_seed(far: Far, ports: Callable[..., Port]) -> None:
    seeds = set()
    for _ in range(3):
        port = ports(far.link)
        opened = next_event(port, Opened)
        assert isinstance(opened, Opened)
        seeds.add(opened.seed)
        port.close(PATIENCE)
    assert len(seeds) == 3


@pytest.mark.requirement("SR-035")
def test_unplugged_is_told_and_replugged_is_found_behind_the_same_name(far: Far, ports: Callable[..., Port]) -> None:
    port = ports(far.link)
    next_event(port, Opened)
    for _ in range(2):
        os.write(far.file, b"last words")
        far.unplug()
        closed = next_event(port, Closed)
        assert isinstance(closed, Closed)
        assert "the device is gone" in closed.why
        missing = next_event(port, Closed)
        assert isinstance(missing, Closed)
        assert "no such port" in missing.why
        far.plug()
        next_event(port, Opened)
        os.write(far.file, b"new")
        received = next_event(port, Received)
        assert isinstance(received, Received)
        assert received.data == b"new"


def test_what_waited_when_the_port_opened_is_thrown_away(far: Far, ports: Callable[..., Port]) -> None:
    """A stale buffer is no sign of life."""
    keep = os.open(far.link, os.O_RDWR | os.O_NOCTTY)
    os.write(far.file, b"stale")
    port = ports(far.link)
    next_event(port, Opened)
    os.close(keep)
    os.write(far.file, b"fresh")
    assert read_all(port, 5) == b"fresh"


def test_closed_overtakes_what_nobody_took(far: Far, ports: Callable[..., Port]) -> None:
    port = ports(far.link)
    wait(lambda: port.statistics["opened"] == 1, "opening")
    os.write(far.file, b"x" * 4000)
    wait(lambda: port.statistics["bytes"] > 0, "reading")
    far.unplug()
    wait(lambda: port.statistics["attempts"] >= 2, "closing")
    events = port.take()
    assert isinstance(events[0], Closed)


def test_attempts_to_open_are_bounded_while_there_is_no_port(tmp_path: Path, ports: Callable[..., Port]) -> None:
    port = ports(tmp_path / "missing")
    told: list[PortEvent] = []
    for _ in range(100):
        port.send(b"CHECKIN")  # a driver that does not know that the port is closed
        told += port.take()
        time.sleep(0.02)
    assert 2 <= port.statistics["attempts"] <= 7, "0.1, 0.2, 0.4, 0.8, 1, 1 ... s apart"
    assert port.statistics["wakes"] == 0
    assert [type(event) for event in told] == [Closed], "told once"


@pytest.mark.parametrize(
    ("name", "baud", "why"),
    [
        ("/dev/no_such_port", 115200, "no such port"),
        ("/etc/passwd", 115200, "not a serial port"),
        ("/dev/null", 115200, "not a serial port"),
        ("/tmp", 115200, "a directory"),
        ("nonsense://x", 115200, "protocol"),
        ("socket://127.0.0.1:1", 115200, "refused"),
        ("PTY", -5, "can not do -5 Bd"),
        ("PTY", 10**12, "can not do 1000000000000 Bd"),
    ],
)
def test_why_a_port_can_not_be_opened(name: str, baud: int, why: str, far: Far, ports: Callable[..., Port]) -> None:
    port = ports(far.link if name == "PTY" else name, baud)
    closed = next_event(port, Closed)
    assert isinstance(closed, Closed)
    assert why in closed.why
    assert (str(far.link) if name == "PTY" else name) in closed.why


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody without permission")
def test_permission_denied_names_the_group(far: Far) -> None:
    os.chmod(far.link.resolve(), 0o600)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:  # another user; must not return into pytest
        with suppress(BaseException):
            os.setgroups([])
            os.setresuid(65534, 65534, 65534)
            port = Port(str(far.link.resolve()), 115200)
            port.start()
            closed = next_event(port, Closed)
            assert isinstance(closed, Closed)
            os.write(write, closed.why.encode())
        os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    why = os.read(read, 4096).decode()
    os.close(read)
    assert "permission denied" in why
    assert "dialout" in why


def test_the_port_is_ours_alone(far: Far, ports: Callable[..., Port]) -> None:
    first = ports(far.link)
    next_event(first, Opened)
    second = ports(far.link)
    closed = next_event(second, Closed)
    assert isinstance(closed, Closed)
    assert "another program has it open" in closed.why
    first.close(PATIENCE)
    next_event(second, Opened)


def test_a_flood_that_nobody_takes_ends_the_port_and_costs_bounded_memory(far: Far, ports: Callable[..., Port]) -> None:
    port = ports(far.link)
    wait(lambda: port.statistics["opened"] == 1, "opening")
    ends = time.monotonic() + PATIENCE
    while port.statistics["opened"] == 1 and time.monotonic() < ends:
        with suppress(BlockingIOError):
            os.write(far.file, b"\xa5\x5a" * 4096)
        time.sleep(0.001)
        assert sum(len(e.data) for e in list(port._inbox.events) if isinstance(e, Received)) <= MOST_WAITING + 4096
    events = port.take()
    assert isinstance(events[0], Closed), "what was thrown away is a stop"
    assert "more came than was taken" in events[0].why


def test_a_flood_is_read_at_no_more_than_twice_the_rate_of_the_line(far: Far, ports: Callable[..., Port]) -> None:
    port = ports(far.link)
    next_event(port, Opened)
    begun = time.monotonic()
    taken, most = 0, 0
    while time.monotonic() - begun < 1.0:
        with suppress(BlockingIOError):
            os.write(far.file, b"\xa5\x5a" * 4096)
        events = port.take()
        size = sum(len(event.data) for event in events if isinstance(event, Received))
        assert not [event for event in events if isinstance(event, Closed)]
        taken, most = taken + size, max(most, size)
        time.sleep(0.004)
    elapsed = time.monotonic() - begun
    assert most <= MOST_TAKEN
    assert 1_000 < port.statistics["bytes"] <= 2048 + 23_040 * elapsed + 512
    assert port.statistics["wakes"] < 500 * elapsed


@pytest.mark.requirement("SR-032")
def test_a_box_that_sends_faster_than_its_line_is_a_stop_where_nothing_tells_its_age(
    far: Far, ports: Callable[..., Port]
) -> None:
    port = ports(far.link, 9600, sees_age=False)
    next_event(port, Opened)
    begun, sent, told, oldest = time.monotonic(), 0, None, 0
    while told is None and time.monotonic() - begun < PATIENCE:
        due = int((time.monotonic() - begun) * 8 * 960) - sent  # 8 times what 9600 Bd carry
        if due > 0:
            with suppress(BlockingIOError):
                sent += os.write(far.file, b"\x01" * due)
        for event in port.take():
            if isinstance(event, Closed):
                told = event.why
        oldest = max(oldest, sent - port.statistics["bytes"])
        time.sleep(0.004)
    assert told is not None
    assert "sends faster than `estop.baud` (9600 Bd)" in told
    assert "add a delay" in told
    assert oldest < 768, "nothing waits unread before that: it would be heard 0.1 s late"


def test_a_box_at_the_rate_of_its_line_is_heard(far: Far, ports: Callable[..., Port]) -> None:
    port = ports(far.link, 9600, sees_age=False)
    next_event(port, Opened)
    begun, sent = time.monotonic(), 0
    while time.monotonic() - begun < 1.5:
        due = int((time.monotonic() - begun) * 960) - sent
        if due > 0:
            sent += os.write(far.file, b"\x01" * due)
        assert not [event for event in port.take() if isinstance(event, Closed)]
        time.sleep(0.004)
    assert sent > 1000


def test_pieces_keep_bytes_and_order(far: Far, ports: Callable[..., Port]) -> None:
    port = ports(far.link)
    next_event(port, Opened)
    data = os.urandom(3000)
    os.write(far.file, data)
    assert read_all(port, len(data)) == data


def test_a_device_that_reads_nothing_blocks_nobody_and_gets_the_newest(far: Far, ports: Callable[..., Port]) -> None:
    port = ports(far.link)
    next_event(port, Opened)
    ends = time.monotonic() + PATIENCE
    number = 0
    while port.statistics["unsent"] < 50 and time.monotonic() < ends:
        began = time.monotonic()
        port.send(b"<%06d>" % number * 100)
        assert time.monotonic() - began < 1.0
        number += 1
        time.sleep(0.0005)
    assert port.statistics["unsent"] >= 50
    os.write(far.file, b"still heard")
    assert read_all(port, 11) == b"still heard"
    stream = b""
    while data := far.read():
        stream += data
        time.sleep(0.02)
    time.sleep(0.1)
    while far.read():
        time.sleep(0.02)
    port.send(b"END.....")
    wait(lambda: b"END....." in far.read(), "the newest arriving")
    words = re.findall(rb"<\d{6}>", stream)
    assert len(words) * 8 == len(stream), "nothing between, nothing torn"
    counts = Counter(words)
    assert set(list(counts.values())[:-1]) == {100}, "frames are written whole, also when the port takes them in parts"
    assert 0 < list(counts.values())[-1] <= 100


def test_what_was_not_sent_before_the_plug_was_pulled_is_not_sent_after(far: Far, ports: Callable[..., Port]) -> None:
    port = ports(far.link)
    next_event(port, Opened)
    far.unplug()
    next_event(port, Closed)
    port.send(b"old session")
    far.plug()
    next_event(port, Opened)
    port.send(b"new session")
    wait(lambda: b"new" in (found := far.read()) and b"old" not in found, "sending")


def test_contacts_are_told_again_and_again(ports: Callable[..., Port]) -> None:
    """pyserial's loop:// wires DTR to DSR and RTS to CTS; both are on while a port is open."""
    port = ports("loop://", contacts=True)
    first, second = next_event(port, Contacts), next_event(port, Contacts)
    assert isinstance(first, Contacts)
    assert isinstance(second, Contacts)
    assert (first.dsr, first.cts, second.dsr, second.cts) == (True, True, True, True)
    assert second.at > first.at


def test_bytes_beside_contacts_are_thrown_away_and_delay_none(
    far: Far, ports: Callable[..., Port], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SerialLine, "contacts", lambda _line: (True, True))  # a pseudo-terminal has no such lines
    port = ports(far.link, contacts=True)
    next_event(port, Contacts)
    ends, events, oldest = time.monotonic() + 2.0, list[PortEvent](), 0
    while time.monotonic() < ends:
        with suppress(BlockingIOError):
            os.write(far.file, bytes(4096))
        for event in port.take():
            events.append(event)
            oldest = max(oldest, time.monotonic_ns() - event.at)
        time.sleep(0.02)  # 50 Hz
    assert {type(event) for event in events} == {Contacts}
    assert len(events) > 40
    assert oldest < 90_000_000, "a contact waited behind bytes"
    assert port.statistics["discarded"] > 20_000


def test_a_contact_that_opens_is_told_at_once(ports: Callable[..., Port], monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[SerialLine] = []
    read = SerialLine.contacts

    def noted(line: SerialLine) -> tuple[bool, bool]:
        lines[:] = [line]
        return read(line)

    monkeypatch.setattr(SerialLine, "contacts", noted)
    port = ports("loop://", contacts=True)
    next_event(port, Contacts)
    for dtr, rts in ((False, True), (False, False), (True, False), (True, True)):
        lines[0]._serial.dtr, lines[0]._serial.rts = dtr, rts
        ends = time.monotonic() + PATIENCE
        told = None
        while told != (dtr, rts) and time.monotonic() < ends:
            event = next_event(port, Contacts)
            assert isinstance(event, Contacts)
            told = (event.dsr, event.cts)
        assert told == (dtr, rts)


def test_contacts_that_nobody_takes_are_bounded_and_end_in_a_stop(
    ports: Callable[..., Port], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("safety_supervisor.estop.port.MOST_EVENTS", 20)
    port = ports("loop://", contacts=True)
    wait(lambda: port.statistics["attempts"] >= 2, "closing")
    events = port.take()
    assert isinstance(events[0], Closed)
    assert "more came than was taken" in events[0].why


def test_a_port_without_modem_lines_says_so(far: Far, ports: Callable[..., Port]) -> None:
    closed = next_event(ports(far.link, contacts=True), Closed)
    assert isinstance(closed, Closed)
    assert "no modem lines" in closed.why


def test_pseudo_terminals_offer_no_low_latency_and_that_is_said(far: Far, ports: Callable[..., Port]) -> None:
    port = ports(far.link)
    assert port.statistics["low_latency"] == -1 or port.statistics["opened"]
    next_event(port, Opened)
    assert port.statistics["low_latency"] == 0


def test_close_before_start_and_twice_and_never_started(far: Far) -> None:
    port = Port(str(far.link), 115200)
    assert port.close()
    port.send(b"into the void")
    assert port.take() == []
    port = Port(str(far.link), 115200)
    port.start()
    with pytest.raises(RuntimeError, match="started before"):
        port.start()
    assert port.close(PATIENCE)
    assert port.close(PATIENCE)
    port.send(b"too late")


def test_a_failure_below_us_is_a_stop_and_no_end(
    far: Far, ports: Callable[..., Port], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A driver or library may raise anything: the thread tells it and goes on."""
    port = ports(far.link)
    next_event(port, Opened)

    def broken(*_: object) -> bytes:
        raise ZeroDivisionError("deep below")

    with monkeypatch.context() as patch:
        patch.setattr(SerialLine, "read", broken)
        os.write(far.file, b"x")
        closed = next_event(port, Closed)
        assert isinstance(closed, Closed)
        assert "ZeroDivisionError: deep below" in closed.why
    next_event(port, Opened)


def test_descriptors_are_given_back(far: Far, ports: Callable[..., Port]) -> None:
    def count() -> int:
        return len(os.listdir("/proc/self/fd"))

    before = count()
    for name in (far.link, "/dev/no_such_port", "/etc/passwd", "/dev/null"):
        port = ports(name)
        wait(lambda port=port: port.statistics["attempts"] >= 2 or port.statistics["opened"] == 1, "trying")
        port.close(PATIENCE)
    assert count() == before


def test_nothing_is_left_for_the_garbage_collector(far: Far, ports: Callable[..., Port], tmp_path: Path) -> None:
    """The node turns it off: a cycle for each failed attempt would be a leak."""
    port = ports(far.link)
    lost = ports(tmp_path / "missing")
    next_event(port, Opened)
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            far.unplug()
            next_event(port, Closed)
            far.plug()
            next_event(port, Opened)
            os.write(far.file, b"bytes")
            next_event(port, Received)
        assert lost.statistics["attempts"] >= 2
        assert gc.collect() == 0
    finally:
        gc.enable()


@pytest.mark.requirement("SR-005")
def test_its_thread_is_scheduled_as_the_one_that_started_it(tmp_path: Path) -> None:
    """The node's control thread does not hand its priority on (SCHED_RESET_ON_FORK): the port has to ask for it."""
    before = set(os.listdir("/proc/self/task"))
    found: list[tuple[int, int]] = []

    def start() -> None:
        try:
            os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(7))
        except PermissionError:
            return
        port = Port(str(tmp_path / "nothing"), 115200)
        mine = str(threading.get_native_id())
        port.start()
        ends = time.monotonic() + PATIENCE
        while not port.take() and time.monotonic() < ends:
            time.sleep(0.01)
        for thread in set(os.listdir("/proc/self/task")) - before - {mine}:
            number = int(thread)
            policy = os.sched_getscheduler(number) & ~os.SCHED_RESET_ON_FORK
            found.append((policy, os.sched_getparam(number).sched_priority))
        port.close()

    starter = threading.Thread(target=start)
    starter.start()
    starter.join()
    if not found:
        pytest.skip("real-time priority is not permitted here (rtprio)")
    assert found == [(os.SCHED_FIFO, 7)]


def test_many_open_descriptors_end_no_thread(tmp_path: Path, ports: Callable[..., Port]) -> None:
    """`select` refuses descriptors above 1023; a thread that died of it would never open the port again."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 2048:
        pytest.skip("the hard limit of open files is below 2048")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2048), hard))
    held: list[int] = []
    try:
        while not held or held[-1] < 1030:
            held.append(os.open(os.devnull, os.O_RDONLY))
        port = ports(str(tmp_path / "none"))
        ends = time.monotonic() + 10.0
        while port.statistics["attempts"] < 3:
            assert time.monotonic() < ends
            time.sleep(0.01)
    finally:
        for file in held:
            os.close(file)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
