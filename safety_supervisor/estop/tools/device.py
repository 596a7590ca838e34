"""The device at the other end of an e-stop line, emulated: rules of the protocol without port and clock.

For tests, the demo and people who build a device. It holds what `ESTOP-PROTOCOL` demands of a device:

- STATUS every 20 ms and at once on any change, once a session began; HELLO answers HELLO. A HELLO when the power comes
  tells a host in a session of the restart, and each second without a session that somebody is here; flag RESTARTED
  stands until the first CHECKIN.
- Relays: the decision to open is taken at once on button, enabling switch middle and panicked, self-test failed, demand
  STOP, no valid CHECKIN for 100 ms, more than 3 frames lost, or a new session; they open a delay later (SS1-t), which
  nothing calls back. They close only when both channels are RUN, CHECKIN has been valid with demand RUN for 1 s, and
  the reset button was then pressed for 0.1 to 3 s and released. Channels that disagreed for more than 100 ms must be
  seen STOP together first.
- CHECKIN counts when its sequence number is newer and its echo is among the last 5 numbers sent.
- The self-test's answer are the flags of STATUS. Test pulses on the button loop every second find a short; a welded
  contact of the button shows when it is pressed, a welded relay by its read-back when it should open.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from safety_supervisor.core.estop_settings import EstopLine
from safety_supervisor.core.units import Nanoseconds
from safety_supervisor.estop.frames import (
    RUN_A,
    RUN_B,
    STOP_A,
    STOP_B,
    Flag,
    Frame,
    FrameReader,
    FrameType,
    Input,
)
from safety_supervisor.estop.signature import signature
from safety_supervisor.estop.times import (
    DISCREPANCY,
    ECHO_LAG,
    HELLO_EVERY,
    MS,
    REARM,
    RESET_LONGEST,
    RESET_SHORTEST,
    STATUS_EVERY,
    WATCHDOG,
)

LOST_ALLOWED: Final = 3
SELF_TEST_TAKES: Final[Nanoseconds] = 200 * MS
PULSE_EVERY: Final[Nanoseconds] = 1_000 * MS
_MODULUS: Final = 1 << 32

Channel = Literal["a", "b"]
Enabling = Literal["released", "middle", "panicked", "both"]
_ENABLING: Final[dict[Enabling, int]] = {
    "released": 0,
    "middle": Input.ENABLING_MIDDLE,
    "panicked": Input.ENABLING_PANICKED,
    "both": Input.ENABLING_MIDDLE | Input.ENABLING_PANICKED,
}


@dataclass(frozen=True, slots=True)
class DeviceEvent:
    """Something that the device did, for people and tests."""

    at: Nanoseconds
    what: Literal["session", "relay", "self-test", "checkin"]
    detail: str


class Device:
    """The device's state machine. Times are of any steady clock, [ns], and never go back."""

    def __init__(self, line: EstopLine, at: Nanoseconds, seed: int) -> None:
        """Power on: buttons as wired, relays open, no session.

        Args:
            line: what both ends hold.
            at: when.
            seed: of its sequence numbers, 32 bits.
        """
        self.line = line
        self.pressed = False
        self.forced: dict[Channel, int] = {}
        """Bytes of channels that are not what the button says."""
        self.enabling: Enabling = "released"
        self.auto = True
        self.test_result: Literal["good", "fail", "timeout"] = "good"
        self.welded: set[Channel] = set()
        self.relay_welded = False
        self.shorted: set[Channel] = set()
        self.reset_down = False
        self.relays_closed = False
        self.has_relays = line.relay_effect != "none"
        self._reader = FrameReader(signature(line))
        self.refused = 0
        self._restart(at, seed)

    def _restart(self, at: Nanoseconds, seed: int) -> None:
        self._out: list[Frame] = []
        self._events: list[DeviceEvent] = []
        self._sequence = seed % _MODULUS
        self._in_session = False
        self._echo = 0
        self._restarted = True
        self._testing_until: Nanoseconds | None = None
        self._test_failed = False
        self._status_at = at
        self._pulse_at = at + PULSE_EVERY
        self._told: tuple[int, int, int, int] | None = None
        self._checkin_at: Nanoseconds | None = None
        self._valid_since: Nanoseconds | None = None
        self._armed_press_at: Nanoseconds | None = None
        self._opens_at: Nanoseconds | None = None
        self._stuck = False
        self._disagree_since: Nanoseconds | None = None
        self._disagreed = False
        self._reader.clear()
        self._hello_at = at + HELLO_EVERY
        self._send(FrameType.HELLO)  # a host in a session learns so that we restarted

    def restart(self, at: Nanoseconds, seed: int) -> None:
        """Lose power for a moment: relays open at once, the session is forgotten, the buttons stay as they are."""
        was_closed = self.relays_closed
        self.relays_closed = was_closed and self.relay_welded
        self._restart(at, seed)
        if was_closed and not self.relays_closed:
            self._tell(at, "relay", "opened: restart")

    def channels(self) -> tuple[int, int]:
        """Return the bytes of channel A and B as wired now."""
        a = STOP_A if self.pressed and "a" not in self.welded else RUN_A
        b = STOP_B if self.pressed and "b" not in self.welded else RUN_B
        return self.forced.get("a", a), self.forced.get("b", b)

    def flags(self) -> int:
        """Return the flags as they are now."""
        flags = 0
        if self._testing_until is not None:
            flags |= Flag.SELF_TEST_RUNNING
        if self._test_failed:
            flags |= Flag.SELF_TEST_FAILED
        if self.has_relays and not self.relays_closed:
            flags |= Flag.RELAYS_OPEN
        if self._restarted:
            flags |= Flag.RESTARTED
        return flags

    def inputs(self) -> int:
        """Return the inputs as they are now."""
        reset = Input.RESET_DOWN if self.reset_down else 0
        return int(_ENABLING[self.enabling] | (Input.MODE_AUTO if self.auto else 0) | reset)

    def press_reset(self, down: bool, at: Nanoseconds) -> None:
        """Press or release the reset button."""
        self.advance(at)
        if down == self.reset_down:
            return
        self.reset_down = down
        if down:
            self._armed_press_at = at if self.armed(at) else None
        elif self._armed_press_at is not None:
            held = at - self._armed_press_at
            if RESET_SHORTEST <= held <= RESET_LONGEST and self.armed(at) and not self.relays_closed:
                self.relays_closed = True
                self._tell(at, "relay", "closed")
            self._armed_press_at = None
        self.advance(at)

    def receive(self, data: bytes, at: Nanoseconds) -> None:
        """Take bytes of the host."""
        self.advance(at)
        for frame in self._reader.feed(data):
            if not isinstance(frame, Frame) or (frame.source, frame.destination) != (self.line.host, self.line.device):
                self.refused += 1
            elif frame.type is FrameType.HELLO:
                self._begin_session(frame, at)
            elif not self._in_session or not self._fresh(frame):
                self.refused += 1
            elif frame.type in (FrameType.CHECKIN, FrameType.SELFTEST):
                if (frame.sequence - self._echo) % _MODULUS > LOST_ALLOWED + 1:
                    self._valid_since = None
                    self._judge_relays(at, "CHECKIN lost")
                self._echo = frame.sequence
                if frame.type is FrameType.CHECKIN:
                    self._checkin(frame, at)
                else:
                    self._begin_test(at)
                self._judge_relays(at)  # a stop that the next frame takes back is one
            else:
                self.refused += 1
        self.advance(at)

    def advance(self, at: Nanoseconds) -> None:
        """Do what is due: call it after every change of an input and at `due`."""
        if self._opens_at is not None and at >= self._opens_at:
            if self.relay_welded:
                self._stuck = True
                self._test_failed = True
                self._tell(at, "self-test", "failed: a relay is welded")
            else:
                self.relays_closed = False
                self._tell(at, "relay", "opened")
            self._opens_at = None
        if at >= self._pulse_at:
            self._pulse_at = at + PULSE_EVERY
            if self.shorted and not self._test_failed:
                self._test_failed = True
                self._tell(at, "self-test", f"failed: test pulse, channel {', '.join(sorted(self.shorted))}")
        if self._testing_until is not None and at >= self._testing_until and self.test_result != "timeout":
            self._testing_until = None
            self._test_failed = self.test_result == "fail" or bool(self.shorted) or self._stuck
            self._tell(at, "self-test", "failed" if self._test_failed else "passed")
        self._judge_relays(at)
        if not self._in_session and at >= self._hello_at:
            self._hello_at = at + HELLO_EVERY
            self._send(FrameType.HELLO)
        self._report(at)

    def due(self) -> Nanoseconds:
        """Return when `advance` is to be called at the latest."""
        times = [self._pulse_at, self._opens_at, self._status_at if self._in_session else self._hello_at]
        times.append(self._testing_until if self.test_result != "timeout" else None)
        times.append(None if self._valid_since is None or not self._checkin_at else self._checkin_at + WATCHDOG)
        return min(time for time in times if time is not None)

    def take(self) -> tuple[list[Frame], list[DeviceEvent]]:
        """Return frames to send and what happened since the last call, the oldest first."""
        taken = self._out, self._events
        self._out, self._events = [], []
        return taken

    def _begin_session(self, frame: Frame, at: Nanoseconds) -> None:
        self._in_session = True
        self._echo = frame.sequence
        self._checkin_at = self._valid_since = None
        self._send(FrameType.HELLO)
        self._told = None
        self._status_at = at
        self._tell(at, "session", "begun")
        self._judge_relays(at, "a new session")

    def _fresh(self, frame: Frame) -> bool:
        ahead = (frame.sequence - self._echo) % _MODULUS
        behind = (self._sequence - 1 - frame.echo) % _MODULUS
        return 0 < ahead < _MODULUS // 2 and behind < ECHO_LAG

    def _checkin(self, frame: Frame, at: Nanoseconds) -> None:
        run = (frame.channel_a, frame.channel_b) == (RUN_A, RUN_B)
        self._restarted = False
        if run and self._valid_since is None:
            self._valid_since = at
            self._tell(at, "checkin", "run")
        elif not run:
            if self._valid_since is not None or self._checkin_at is None:
                self._tell(at, "checkin", "stop")
            self._valid_since = None
        self._checkin_at = at

    def _begin_test(self, at: Nanoseconds) -> None:
        if self._testing_until is None:
            self._testing_until = at + SELF_TEST_TAKES
            self._tell(at, "self-test", "running")

    def _compare_channels(self, at: Nanoseconds) -> None:
        a, b = self.channels()
        if (a == RUN_A) == (b == RUN_B):
            self._disagree_since = None
            if a != RUN_A:
                self._disagreed = False
        elif self._disagree_since is None:
            self._disagree_since = at
        elif at - self._disagree_since > DISCREPANCY:
            self._disagreed = True

    def _silent(self, at: Nanoseconds) -> bool:
        return self._checkin_at is None or at - self._checkin_at >= WATCHDOG

    def _why_open(self, at: Nanoseconds) -> str:
        if self.channels() != (RUN_A, RUN_B):
            return "button"
        if self._disagreed:
            return "channels disagreed"
        if self.inputs() & Input.ENABLING_MIDDLE and self.inputs() & Input.ENABLING_PANICKED:
            return "enabling switch"
        if self._test_failed:
            return "self-test failed"
        if self._silent(at):
            return "no CHECKIN"
        if self._valid_since is None:
            return "the host demands stop"
        return ""

    def armed(self, at: Nanoseconds) -> bool:
        """Whether a press of the reset button that begins or ends now counts."""
        if self._why_open(at) or self._testing_until is not None or self._opens_at is not None or not self.has_relays:
            return False
        return self._valid_since is not None and at - self._valid_since >= REARM

    def _judge_relays(self, at: Nanoseconds, why: str = "") -> None:
        self._compare_channels(at)
        why = why or self._why_open(at)
        if why:
            self._armed_press_at = None
            if self._silent(at) and self._valid_since is not None:
                self._valid_since = None
                self._tell(at, "checkin", "silent")
        if why and self.relays_closed and self._opens_at is None and not self._stuck:
            self._opens_at = at + self.line.relay_delay
            self._tell(at, "relay", f"decided: {why}")
            if not self.line.relay_delay:
                self.advance(at)

    def _report(self, at: Nanoseconds) -> None:
        if not self._in_session:
            return
        now = (*self.channels(), self.flags(), self.inputs())
        if now != self._told or at >= self._status_at:
            self._told = now
            self._status_at = at + STATUS_EVERY
            self._send(FrameType.STATUS)

    def _send(self, kind: FrameType) -> None:
        self._out.append(
            Frame(
                kind, self.line.device, self.line.host, self._sequence, self._echo, *self.channels(), self.flags(),
                self.inputs(),
            )
        )  # fmt: skip
        self._sequence = (self._sequence + 1) % _MODULUS

    def _tell(self, at: Nanoseconds, what: Literal["session", "relay", "self-test", "checkin"], detail: str) -> None:
        self._events.append(DeviceEvent(at, what, detail))
