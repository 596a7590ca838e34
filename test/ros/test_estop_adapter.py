"""Attacks on the e-stop's way through the node: strangers' drivers, effects that can not be carried out."""

from __future__ import annotations

import os
import pty
import time
import tty
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest

from safety_supervisor.core.effects import Latches, RelayDemand, Reply
from safety_supervisor.core.errors import Code
from safety_supervisor.core.estop_input import EstopInput
from safety_supervisor.core.estop_settings import EstopLine as Line
from safety_supervisor.core.estop_settings import EstopSettings
from safety_supervisor.core.events import AdapterFault, EstopReport, StreamCommand
from safety_supervisor.core.states.estop_latch import EstopLatch
from safety_supervisor.estop import drivers
from safety_supervisor.estop.driver import EstopNotice
from safety_supervisor.estop.vsc import HEARTBEAT, message
from safety_supervisor.ros.enact import Enactor
from safety_supervisor.ros.estop_line import EstopLine
from safety_supervisor.ros.session import Session
from safety_supervisor.ros.statistics import CycleStatistics

MS = 1_000_000
SETTINGS = EstopSettings(
    "stranger", "high", Line("/nowhere/at/all", 115200, 1, 2, 300 * MS, "sto", None), "stranger-estop"
)


class Stranger:
    """A driver that does what a test says."""

    statistics: Mapping[str, int] = {"words": 1}

    def __init__(self) -> None:
        self.word: Callable[[int], Any] = lambda at: EstopInput("run", integrity="high", received_at=at)
        self.sent: Any = b"x"
        self.told: Any = []

    def opened(self, at: int, seed: int) -> None:
        """Ignored."""

    def closed(self, at: int, why: str) -> None:
        """Ignored."""

    def receive(self, data: bytes, at: int) -> None:
        """Ignored."""

    def contacts(self, dsr: bool, cts: bool, at: int) -> None:
        """Ignored."""

    def cycle(self, at: int, alive: bool, demand_stop: bool, resting: bool) -> Any:
        return self.sent

    def sample(self, at: int) -> Any:
        return self.word(at)

    def notices(self) -> Any:
        return self.told


@pytest.fixture
def stranger(monkeypatch: pytest.MonkeyPatch) -> Stranger:
    driver = Stranger()
    entry = SimpleNamespace(load=lambda: lambda settings: driver)
    monkeypatch.setattr(drivers, "find_driver", lambda name, package: entry)
    return driver


@pytest.fixture
def line(stranger: Stranger) -> tuple[EstopLine, list[EstopReport]]:
    reports: list[EstopReport] = []
    return EstopLine(SETTINGS, reports.append), reports


def judged(word: EstopInput, at: int) -> bool:
    """Whether the core takes it as RUN."""
    return EstopLatch(100 * MS, True).judge(word, at) is None


def raises(at: int) -> Any:
    raise RuntimeError("stranger")


WRONG: dict[str, Callable[[int], Any]] = {
    "raises": raises,
    "nothing": lambda at: None,
    "text": lambda at: "run",
    "dictionary": lambda at: {"state": "run", "received_at": at},
    "no such state": lambda at: EstopInput("RUN", received_at=at),  # type: ignore[arg-type]
    "unhashable fault": lambda at: EstopInput("run", received_at=at, fault=[]),  # type: ignore[arg-type]
    "time is text": lambda at: EstopInput("run", received_at=str(at)),  # type: ignore[arg-type]
    "time is a fraction": lambda at: EstopInput("run", received_at=at + 0.5),  # type: ignore[arg-type]
    "time beyond 64 bits": lambda at: EstopInput("run", received_at=1 << 70),
    "presses are text": lambda at: EstopInput("run", received_at=at, resets="1"),  # type: ignore[arg-type]
    "presses beyond 64 bits": lambda at: EstopInput("run", received_at=at, resets=1 << 70),
    "a fault of no code and many letters": lambda at: EstopInput("unknown", fault="X" * 65),
    "a fault of two lines": lambda at: EstopInput("unknown", fault="E_ESTOP\n[INFO] forged\x1b[2J"),
    "a fault that can not be encoded": lambda at: EstopInput("unknown", fault="\ud800"),
    "relays that do not exist": lambda at: EstopInput("run", received_at=at, relays="shut"),  # type: ignore[arg-type]
}


@pytest.mark.redteam(58)
@pytest.mark.requirement("SR-003", "SR-036")
@pytest.mark.parametrize("name", WRONG)
def test_a_word_that_is_none_is_a_stop_and_then_a_fault(
    name: str, line: tuple[EstopLine, list[EstopReport]], stranger: Stranger
) -> None:
    now = time.monotonic_ns()
    assert judged(line[0].sample(now), now), "the test could not fail otherwise"
    stranger.word = WRONG[name]
    word = line[0].sample(now)
    assert word == EstopInput("unknown")
    assert not judged(word, now)
    with pytest.raises((RuntimeError, TypeError, ValueError)):
        line[0].serve(now, True, False, False)
    stranger.word = lambda at: EstopInput("run", received_at=at)
    assert judged(line[0].sample(now), now)
    line[0].serve(now, True, False, False)


@pytest.mark.redteam(58)
@pytest.mark.requirement("SR-004", "SR-036")
@pytest.mark.parametrize("ahead", [1_000 * MS, 3_600_000 * MS])
def test_a_word_of_the_future_never_becomes_one_of_now(
    ahead: int, line: tuple[EstopLine, list[EstopReport]], stranger: Stranger
) -> None:
    now = time.monotonic_ns()
    stranger.word = lambda at: EstopInput("run", received_at=now + ahead)
    for _ in range(3):
        assert not judged(line[0].sample(now), now)


def test_a_word_that_came_behind_the_cycles_begin_counts_as_of_it(
    line: tuple[EstopLine, list[EstopReport]], stranger: Stranger
) -> None:
    at = time.monotonic_ns() - 5 * MS
    stranger.word = lambda at: EstopInput("run", received_at=at + 2 * MS)
    assert line[0].sample(at).received_at == at


@pytest.mark.requirement("SR-036")
@pytest.mark.parametrize(
    "sent", [None, "text", bytearray(4), [1], bytes(1_000_000)], ids=lambda sent: type(sent).__name__
)
def test_bytes_that_are_none_are_a_fault(
    sent: Any, line: tuple[EstopLine, list[EstopReport]], stranger: Stranger
) -> None:
    stranger.sent = sent
    with pytest.raises(TypeError, match="allowed"):
        line[0].serve(time.monotonic_ns(), True, False, False)


def test_notices_are_bounded_and_have_their_type(line: tuple[EstopLine, list[EstopReport]], stranger: Stranger) -> None:
    stranger.told = [EstopNotice(1, Code.ESTOP_RESET, str(n)) for n in range(10_000)]
    line[0].serve(time.monotonic_ns(), True, False, False)
    assert [report.detail for report in line[1]] == [str(n) for n in range(9_968, 10_000)]
    for told in (
        None, iter([]), [1], [EstopNotice(1, None, "x")], [EstopNotice(1, "E_ESTOP", "x")],  # type: ignore[arg-type]
        [EstopNotice(1, Code.ESTOP_PEER, 5)], [EstopNotice("1", Code.ESTOP_PEER, "x")],  # type: ignore[arg-type]
        [EstopNotice(1 << 70, Code.ESTOP_PEER, "x")], [EstopNotice(-1, Code.ESTOP_PEER, "x")],
    ):  # fmt: skip
        stranger.told = told
        with pytest.raises(TypeError, match="allowed"):
            line[0].serve(time.monotonic_ns(), True, False, False)


@pytest.mark.parametrize("text", ["\ud800\n\x1b[2J", "x" * 10_000_000])
def test_texts_of_notices_are_cut_and_escaped(
    text: str, line: tuple[EstopLine, list[EstopReport]], stranger: Stranger
) -> None:
    stranger.told = [EstopNotice(1, Code.ESTOP_RESET, text)]
    line[0].serve(time.monotonic_ns(), True, False, False)
    ((detail,),) = [[report.detail] for report in line[1]]
    assert detail.isascii()
    assert detail.isprintable()
    assert len(detail) <= 500


COUNTERS: dict[str, Any] = {
    "lines": {"a\nstate: AUTO": 1},
    "long name": {"b" * 65: 2},
    "not encodable": {"\ud800": 1},
    "text": {"x": "y" * 20_000_000},
    "a number of many digits": {"x": 10**5000},
    "too many": {str(number): number for number in range(65)},
    "nothing": None,
    "number": 7,
    "true": {"x": True},
}


@pytest.mark.parametrize("name", COUNTERS)
def test_counters_that_are_none_are_left_out(
    name: str, line: tuple[EstopLine, list[EstopReport]], stranger: Stranger
) -> None:
    assert dict(line[0].facts())["estop_counters"].startswith("words=1 opened=0 "), "the test could not fail otherwise"
    stranger.statistics = COUNTERS[name]
    shown = dict(line[0].facts())["estop_counters"]
    assert shown.startswith("opened=0 attempts=0 ")
    assert shown.isprintable()


class NoText(Exception):
    """An exception whose text raises."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


class Own(BaseException):
    """No `Exception` passes here."""


RAISED = [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), Own(), MemoryError(), NoText(), RuntimeError("\ud800")]


@pytest.mark.redteam(58)
@pytest.mark.requirement("SR-036", "SR-039")
@pytest.mark.parametrize("error", RAISED, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("where", ["sample", "cycle", "notices", "statistics"])
def test_nothing_that_a_stranger_raises_ends_the_process(
    where: str, error: BaseException, line: tuple[EstopLine, list[EstopReport]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> Any:
        raise error

    monkeypatch.setattr(Stranger, where, property(fail) if where == "statistics" else fail)
    logged: list[str] = []
    session = Failing([], True, True)
    session.inputs = SimpleNamespace(sample_estop=line[0].sample, line=line[0])  # type: ignore[assignment]
    session._node = SimpleNamespace(get_logger=lambda: SimpleNamespace(error=logged.append))  # type: ignore[assignment]
    session.tick(1_000 * MS, 1_000 * MS)
    assert "estop_counters" in dict(line[0].facts())
    if where == "statistics":
        assert not logged
        return
    assert [type(event) is AdapterFault for event in session.handled] == [False, True]
    if where == "sample":
        assert session.handled[0].estop.state == "unknown"
    (text,) = logged
    assert text.isascii()
    assert text.isprintable()
    assert session.handled[1].detail == text


@pytest.mark.requirement("SR-039")
def test_a_log_that_takes_no_words_ends_no_loop() -> None:
    def refuse(text: str) -> None:
        raise RuntimeError("the log is closed")

    session = Failing([], False, True)
    session._node = SimpleNamespace(get_logger=lambda: SimpleNamespace(error=refuse))  # type: ignore[assignment]
    session.tick(1_000 * MS, 1_000 * MS)
    assert [type(event) is AdapterFault for event in session.handled] == [False, True]


def test_a_fact_that_fails_keeps_no_status_back() -> None:
    def facts() -> Any:
        yield "scheduler", "fine"
        raise NoText

    shown: list[Any] = []
    made = object.__new__(Enactor)
    made._misfits, made._facts = {}, facts
    made._writer = SimpleNamespace(write=lambda status, clock, extra: shown.extend(extra))  # type: ignore[assignment]
    made._write(SimpleNamespace())  # type: ignore[arg-type]
    assert shown == [
        ("scheduler", "fine"), ("facts_failed", "NoText, whose text can not be made"), ("incompatible_endpoints", ""),
    ]  # fmt: skip


# --- effects that can not be carried out


def enactor(reply: Callable[[Reply], None], latches: Callable[[Latches], None]) -> Enactor:
    made = Enactor.__new__(Enactor)
    made.relay_stop = False
    made._reply = reply
    made._feed = SimpleNamespace(save_latches=latches)  # type: ignore[assignment]
    return made


@pytest.mark.redteam(60)
@pytest.mark.requirement("SR-002", "SR-047")
def test_a_demand_to_open_and_a_latch_outlive_effects_that_fail_before_them() -> None:
    """The core tells both once: lost here, the device would hear RUN for ever, and a restart would know of nothing."""
    kept: list[Latches] = []

    def no_thread(latches: Latches) -> None:
        kept.append(latches)
        raise RuntimeError("can't start new thread")

    def nobody(reply: Reply) -> None:
        raise OSError("client is gone")

    made = enactor(nobody, no_thread)
    with pytest.raises(OSError, match="client is gone"):
        made.carry_out([Reply(1, "7", True, "", "stopping"), Latches(1, True, ""), RelayDemand(1, True)])  # type: ignore[arg-type]
    assert kept == [Latches(1, True, "")]
    assert made.relay_stop


class Failing(Session):
    """A session with parts that fail."""

    def __init__(self, effects: list[Any], carries_out: bool, drives: bool) -> None:
        self.running = True
        self._failures = 0
        self._log_ok = True
        self.statistics = CycleStatistics()
        self.recorded: list[Any] = []
        self.served: list[tuple[bool, bool]] = []
        self.handled: list[Any] = []
        self.goals = None

        def drive(effects: Any) -> int:
            if not drives:
                raise OSError("publishing")
            return 1

        def carry_out(effects: Any) -> None:
            if not carries_out:
                raise OSError("carrying out")

        def handle(event: Any) -> Any:
            self.handled.append(event)
            return tuple(effects)

        space: Any = SimpleNamespace
        self.supervisor = space(handle=handle, prepare=lambda: None, state="AUTO/MOVING")
        self.enactor = space(drive=drive, carry_out=carry_out, beat=lambda: None, moving=True, relay_stop=False)
        self.met: list[tuple[Any, int]] = []
        self._graph = space(meet=lambda event: self.met.append((event, len(self.handled))))
        self._feed = space(record=lambda event, effects: self.recorded.append(event))
        serve = lambda at, alive, stop, resting: self.served.append((alive, stop))  # noqa: E731
        self.inputs = space(sample_estop=lambda at: EstopInput("run"), line=space(serve=serve))
        self.configuration = space(timing=space(overrun=12 * MS))
        self._node = space(get_logger=lambda: space(error=lambda text: None))


@pytest.mark.requirement("SR-039")
@pytest.mark.parametrize(("carries_out", "drives"), [(True, True), (False, True), (True, False), (False, False)])
@pytest.mark.parametrize("late", [0, 13 * MS])
def test_a_cycle_that_failed_or_was_late_is_no_sign_of_life_and_ends_no_loop(
    carries_out: bool, drives: bool, late: int
) -> None:
    session = Failing([], carries_out, drives)
    session.tick(1_000 * MS + late, 1_000 * MS)
    good = carries_out and drives
    assert session.served == [(good and late == 0, False)]
    assert [type(event) is AdapterFault for event in session.handled] == [False] + [True] * (not good)
    assert session.recorded == session.handled, "what was decided is recorded, whatever could be done of it"


@pytest.mark.requirement("SR-032")
@pytest.mark.parametrize("driver", ["byte", "vsc"])
def test_a_box_that_sends_too_fast_is_a_stop_and_says_why(driver: str) -> None:
    far, near = pty.openpty()
    tty.setraw(near)
    os.set_blocking(far, False)
    settings = EstopSettings(driver, "low", Line(os.ttyname(near), 9600, 1, 2, 0, "none", None))
    reports: list[EstopReport] = []
    line = EstopLine(settings, reports.append)
    run = b"\x01" if driver == "byte" else message(HEARTBEAT, bytes((9, 0, 0, 0, 0, 0)))
    line.start()
    try:
        ends, faults = time.monotonic() + 10.0, set[str]()
        while Code.ESTOP_PORT.value not in faults and time.monotonic() < ends:
            with suppress(BlockingIOError):
                os.write(far, run * 60)
            now = time.monotonic_ns()
            faults.add(line.sample(now).fault)
            line.serve(now, True, False, False)
            time.sleep(0.004)
    finally:
        line.close()
        os.close(far)
        os.close(near)
    assert Code.ESTOP_PORT.value in faults
    assert any("sends faster than `estop.baud` (9600 Bd)" in report.detail for report in reports)


@pytest.mark.requirement("SR-050")
def test_who_speaks_is_met_before_the_core_handles_what_he_said() -> None:
    session = Failing([], True, True)
    command = StreamCommand(1, "planner", (), (), (), 0, 0, 0, "", "", 1)
    session.enter(command)
    assert (session.met, session.handled) == ([(command, 0)], [command])
