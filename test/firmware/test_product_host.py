"""The product's own driver against the firmware, in virtual time: both ends as they are shipped."""

from __future__ import annotations

import pytest
from benches import Bench, LibraryBench
from wire import LENGTH, SIGNATURE

from safety_supervisor.core.estop_input import EstopInput
from safety_supervisor.core.estop_settings import EstopLine, EstopSettings
from safety_supervisor.core.states.estop_latch import EstopLatch
from safety_supervisor.estop.link import FrameV1
from safety_supervisor.estop.signature import signature

MS = 1_000_000
LINE = EstopLine("/dev/ttyUSB0", 115200, 1, 2, 300 * MS, "sto", None)
BEGAN = 77_000 * MS
CYCLE_MS = 4


class Supervisor:
    """The driver, the latch of the core, and cycles of 4 ms; what the device sends arrives with the next cycle."""

    def __init__(self, bench: Bench, seed: int = 0xFFFFFFF8) -> None:
        self.bench = bench
        self.driver = FrameV1(EstopSettings("frame_v1", "high", LINE))
        self.latch = EstopLatch(100 * MS, True)
        self.words: list[tuple[int, EstopInput]] = []
        self.alive, self.demand, self.resting = True, False, False
        self._heard = 0
        self.driver.opened(self.now, seed)

    @property
    def now(self) -> int:
        return BEGAN + self.bench.us * 1000

    @property
    def word(self) -> EstopInput:
        return self.words[-1][1]

    @property
    def count(self) -> dict[str, int]:
        return dict(self.driver.statistics)

    def hear(self) -> None:
        frames = self.bench.frames
        # The bench stamps a frame with the end of its last byte, which may lie ahead of its clock.
        while self._heard < len(frames) and frames[self._heard][0] <= self.bench.us:
            us, frame = frames[self._heard]
            self._heard += 1
            self.driver.receive(frame.encode(), BEGAN + us * 1000)

    def run(self, ms: int, cycles: bool = True) -> None:
        """Let time pass; without cycles the host stands, and the device goes on."""
        if not cycles:
            self.bench.run(ms * 1000)
            return
        for _ in range(ms // CYCLE_MS):
            self.hear()
            word = self.driver.sample(self.now)
            self.latch.sample(word, self.now)
            self.words.append((self.bench.us, word))
            data = self.driver.cycle(self.now, self.alive, self.demand, self.resting)
            if data:
                assert len(data) % LENGTH == 0
                self.bench.send(data)
            self.bench.run(CYCLE_MS * 1000)

    def states(self, since: int) -> list[str]:
        """States since a moment, each once."""
        told = [word.state for us, word in self.words if us >= since]
        return [state for place, state in enumerate(told) if place == 0 or told[place - 1] != state]

    def faults(self, since: int = 0) -> set[str]:
        return {word.fault for us, word in self.words if us >= since and word.fault}

    def cycle_button(self) -> None:
        for channel, word in (("A", "stop"), ("B", "stop")):
            self.bench.command(f"channel {channel} {word}")
        self.run(200)
        for channel in "AB":
            self.bench.command(f"channel {channel} run")
        self.run(1200)

    def press_reset(self, ms: int = 300) -> None:
        self.bench.command("reset down")
        self.run(ms)
        self.bench.command("reset up")
        self.run(100)

    def ready(self) -> Supervisor:
        """Session, button cycled, reset: relays closed."""
        self.run(300)
        self.cycle_button()
        self.press_reset()
        assert self.bench.closed
        assert (self.word.state, self.word.relays, self.word.resets) == ("run", "closed", 1)
        assert not self.faults()
        return self


@pytest.fixture
def supervisor(core: LibraryBench) -> Supervisor:
    return Supervisor(core)


def test_both_ends_hold_the_same_signature() -> None:
    assert signature(LINE) == SIGNATURE


@pytest.mark.requirement("SR-010", "SR-039")
def test_session_button_and_one_press_for_relays_and_reset(bench: Bench) -> None:
    supervisor = Supervisor(bench).ready()
    assert supervisor.count["sessions"] == 1
    assert supervisor.count["restarts"] == 0
    supervisor.run(500)
    assert supervisor.bench.closed
    assert not supervisor.faults()
    assert (supervisor.count["lost"], supervisor.count["stale"], supervisor.count["corrupted"]) == (0, 0, 0)


@pytest.mark.requirement("SR-001", "SR-003")
@pytest.mark.parametrize("channels", ["A", "B", "AB"])
def test_a_press_is_a_stop_within_35_ms_and_opens_the_relays(supervisor: Supervisor, channels: str) -> None:
    supervisor.ready()
    pressed = supervisor.bench.us
    for channel in channels:
        supervisor.bench.command(f"channel {channel} stop")
    supervisor.run(80)
    told = next(us for us, word in supervisor.words if us >= pressed and word.state != "run")
    assert told - pressed <= 35_000
    assert supervisor.latch.latched
    supervisor.run(400)
    assert not supervisor.bench.closed
    assert supervisor.word.relays == "open"
    for channel in channels:
        supervisor.bench.command(f"channel {channel} run")
    supervisor.run(1500)
    assert not supervisor.bench.closed, "a release closes nothing"
    assert supervisor.latch.may_release(supervisor.now) == (channels == "AB")
    assert (supervisor.word.state == "run") == (channels == "AB")


@pytest.mark.requirement("SR-039")
@pytest.mark.parametrize("why", ["dead", "late", "demand"])
def test_no_life_and_a_demand_open_the_relays_and_their_end_closes_none(supervisor: Supervisor, why: str) -> None:
    supervisor.ready()
    begun = supervisor.bench.us
    supervisor.alive = why != "late"
    supervisor.demand = why == "demand"
    supervisor.run(500, cycles=why != "dead")
    opened = next(moment.us for moment in supervisor.bench.values("contacts") if moment.us > begun and not moment.value)
    assert opened - begun <= (300 + (30 if why == "demand" else 130)) * 1000
    supervisor.alive, supervisor.demand = True, False
    supervisor.run(3000)
    assert not supervisor.bench.closed


@pytest.mark.redteam(59)
@pytest.mark.requirement("SR-035", "SR-036")
def test_a_host_that_stood_for_ten_seconds_takes_nothing_of_what_piled_up(supervisor: Supervisor) -> None:
    """SIGSTOP of the whole process: what was sent meanwhile is found at once, and is received now."""
    supervisor.ready()
    supervisor.run(10_000, cycles=False)
    went_on = supervisor.bench.us
    piled = b"".join(frame.encode() for _, frame in supervisor.bench.frames[supervisor._heard :])
    supervisor._heard = len(supervisor.bench.frames)
    assert len(piled) > 24
    supervisor.driver.receive(piled[-2048:], supervisor.now)
    supervisor.run(1000)
    assert supervisor.latch.latched
    assert supervisor.states(went_on)[0] == "unknown"
    assert not supervisor.bench.closed
    assert supervisor.count["sessions"] == 2
    supervisor.cycle_button()
    supervisor.press_reset()
    assert supervisor.bench.closed
    assert supervisor.word.resets == 2


@pytest.mark.requirement("SR-035")
def test_a_restart_of_the_device_is_told_and_latches(supervisor: Supervisor) -> None:
    supervisor.ready()
    restarted = supervisor.bench.us
    supervisor.bench.command("restart")
    supervisor.run(600)
    assert "E_ESTOP_RESTARTED" in supervisor.faults(restarted)
    assert supervisor.latch.latched
    assert not supervisor.bench.closed
    assert supervisor.word.state == "run"
    assert supervisor.count["sessions"] == 2


@pytest.mark.requirement("SR-035")
def test_a_restart_of_the_host_opens_the_relays_and_begins_anew(supervisor: Supervisor) -> None:
    supervisor.ready()
    again = Supervisor(supervisor.bench, seed=0x12345678)
    again._heard = len(again.bench.frames)
    again.run(500)
    assert not again.bench.closed, "HELLO opens them"
    assert again.word.state == "run"
    assert not again.faults()
    again.press_reset()
    assert again.word.resets == 0, "the button was not cycled in this boot"
    again.cycle_button()
    again.press_reset()
    assert (again.word.resets, again.bench.closed) == (1, True)


@pytest.mark.requirement("SR-035")
def test_many_hellos_that_wait_are_one_session(supervisor: Supervisor) -> None:
    """A device that was deaf for 80 ms finds four HELLOs, and answers each."""
    for _ in range(4):
        data = supervisor.driver.cycle(supervisor.now, True, False, False)
        assert data
        supervisor.bench.run(20_000)
        supervisor.bench.send(data)
    supervisor.run(1000)
    assert supervisor.word.state == "run"
    assert not supervisor.faults()
    assert supervisor.count["restarts"] == 0


@pytest.mark.requirement("SR-011")
@pytest.mark.parametrize("ms", [40, 4000])
def test_a_press_that_is_too_short_or_too_long_resets_and_closes_nothing(supervisor: Supervisor, ms: int) -> None:
    supervisor.run(300)
    supervisor.cycle_button()
    supervisor.press_reset(ms)
    assert supervisor.word.resets == 0
    assert not supervisor.bench.closed


@pytest.mark.requirement("SR-035")
def test_self_tests_pass_at_rest_and_end_no_session(supervisor: Supervisor) -> None:
    supervisor.resting = True
    supervisor.run(3000)
    assert supervisor.count["self_tests"] == 1
    assert not supervisor.faults()
    assert supervisor.word.state == "run"


@pytest.mark.requirement("SR-035")
def test_a_self_test_that_fails_is_told_and_closes_nothing(supervisor: Supervisor) -> None:
    supervisor.bench.command("weld 1")
    supervisor.resting = True
    supervisor.run(4000)
    assert "E_ESTOP_SELF_TEST" in supervisor.faults()
    supervisor.cycle_button()
    supervisor.press_reset()
    assert not supervisor.bench.closed
    assert supervisor.word.state != "run"
