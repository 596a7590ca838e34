"""A host that does what the specification asks of one, and whatever else a test wants."""

from __future__ import annotations

from benches import Bench
from wire import CHECKIN, HELLO, RESET_DOWN, RUN, SELFTEST, STATUS, STOP, Frame

STEP_US = 5_000
PERIOD_US = 20_000


class Host:
    """Sends CHECKIN every 20 ms of the bench's time while `run` runs, and listens always."""

    def __init__(self, bench: Bench, sequence: int = 0xCAFE0000) -> None:
        self.bench = bench
        self.sequence = sequence
        self.echo = 0
        self.demand: tuple[int, int] | None = RUN
        self.sent: list[bytes] = []
        self._next_checkin = 0
        self._heard = 0

    def listen(self) -> None:
        for _, frame in self.bench.frames[self._heard :]:
            self.echo = frame.sequence
        self._heard = len(self.bench.frames)

    def frame(self, kind: int = CHECKIN, channels: tuple[int, int] = RUN) -> Frame:
        """Make the next frame, numbered; it is not sent."""
        self.listen()
        self.sequence = (self.sequence + 1) & 0xFFFFFFFF
        return Frame(kind, 1, 2, self.sequence, self.echo, channels)

    def send(self, frame: Frame | bytes) -> None:
        data = frame if isinstance(frame, bytes) else frame.encode()
        self.sent.append(data)
        self.bench.send(data)

    def connect(self) -> Frame:
        """HELLO until it is answered; the answer."""
        for _ in range(20):
            hello = self.frame(HELLO, STOP)
            self.send(hello)
            known = len(self.bench.frames)
            self.bench.run(PERIOD_US)
            for _, frame in self.bench.frames[known:]:
                if frame.kind == HELLO and frame.echo == hello.sequence:
                    self.listen()
                    self._next_checkin = self.bench.us
                    return frame
        raise AssertionError("HELLO was never answered")

    def run(self, ms: float) -> None:
        """Let time pass, with CHECKINs of `demand`; none while that is None."""
        end = self.bench.us + int(1000 * ms)
        while self.bench.us < end:
            self.listen()
            if self.bench.us >= self._next_checkin:
                self._next_checkin = self.bench.us + PERIOD_US
                if self.demand is not None:
                    self.send(self.frame(CHECKIN, self.demand))
            self.bench.run(min(STEP_US, end - self.bench.us))
        self.listen()

    def push_reset(self, ms: float = 200.0) -> None:
        self.bench.command("reset down")
        self.run(ms)
        self.bench.command("reset up")
        self.run(60)

    def close_relays(self) -> None:
        """From nothing to closed relays, as a person and a host do it."""
        self.connect()
        self.run(1100)
        self.push_reset()
        assert self.bench.closed, "the relays did not close after a reset in order"

    def ask_selftest(self) -> None:
        self.send(self.frame(SELFTEST, STOP))

    def seen(self, begin: int = 0, kind: int = STATUS) -> list[tuple[int, Frame]]:
        """Frames of one kind since a moment of the bench's clock."""
        return [(us, frame) for us, frame in self.bench.frames if us >= begin and frame.kind == kind]

    @property
    def status(self) -> Frame:
        return self.bench.frames[-1][1]

    @property
    def reset_down(self) -> bool:
        return bool(self.status.inputs & RESET_DOWN)
