"""Driver `frame_v1`: the host's end of the e-stop line, version 1, without port and clock.

Two phases of an open port:

| phase   | sends                                     | counts                    | leaves by                        |
| ------- | ----------------------------------------- | ------------------------- | -------------------------------- |
| CALLING | HELLO every 20 ms                         | nothing                   | device's HELLO with a fresh echo |
| SESSION | CHECKIN every 20 ms while alive, SELFTEST | STATUS, newer, fresh echo | 100 ms without one; a restart    |

RUN is said in a session only, of a STATUS that counted, while no fault lasts. Everything else is a stop: STOP of either
channel is `stop`, all the rest `unknown` with the fault's code. The latch outside needs STOP, then RUN, whatever it
was. Each row of the protocol's table of faults has a test.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from safety_supervisor.core.errors import Code
from safety_supervisor.core.estop_input import EstopInput
from safety_supervisor.core.estop_settings import EstopSettings
from safety_supervisor.core.units import Nanoseconds
from safety_supervisor.estop.channels import Channels
from safety_supervisor.estop.driver import EstopNotice
from safety_supervisor.estop.fault_memory import FaultMemory
from safety_supervisor.estop.first_contact import FirstContact, refusal, strange
from safety_supervisor.estop.frames import Flag, Frame, FrameReader, FrameType, Input, Refusal
from safety_supervisor.estop.notices import Notices
from safety_supervisor.estop.reset_button import ResetButton
from safety_supervisor.estop.second_device import TOLD, SecondDevice
from safety_supervisor.estop.self_test import SelfTest
from safety_supervisor.estop.sender import Sender
from safety_supervisor.estop.sequence import LOST_ALLOWED, Echo, Sequence
from safety_supervisor.estop.signature import signature
from safety_supervisor.estop.times import WATCHDOG
from safety_supervisor.estop.words import channels, enabling_switch, impossible, mode_key, relays

MOST_READ: Final = 2048
"""Bytes taken at once: 85 frames, where one is due. More is an old buffer, and only its end is looked at."""
_COUNTERS: Final = (
    "frames", "sessions", "corrupted", "refused", "repeated", "replayed", "stale", "lost", "foreign", "outside",
    "restarts", "unheard", "ignored_bytes",
)  # fmt: skip


class FrameV1:
    """The link. It implements `Driver`; see there for units and meaning of what the methods take."""

    def __init__(self, settings: EstopSettings) -> None:
        """Begin with a closed port.

        Args:
            settings: of the e-stop, with its line.

        Raises:
            ValueError: there is no line.
        """
        line = settings.line
        if line is None:
            raise ValueError("the driver frame_v1 needs a line")
        self._line = line
        self._integrity = settings.integrity
        self._signature = signature(line)
        self._reader = FrameReader(self._signature)
        self._sequence = Sequence()
        self._second = SecondDevice()
        self._sender = Sender(line, self._signature, self._sequence)
        self._contact = FirstContact(line)
        self._notices = Notices()
        self._faults = FaultMemory()
        self._channels = Channels()
        self._test = SelfTest(line.self_test_every, line.relay_delay)
        self._button = ResetButton(lambda at, why: self._notices.add(at, Code.ESTOP_RESET, why))
        self._counts = dict.fromkeys(_COUNTERS, 0)
        self._gauges = {"echo_lag": 0, "round_trip_us": 0}
        self._now: Nanoseconds = 0
        self._open = False
        self._in_session = False
        self._understood = False
        self._fed_at: Nanoseconds = 0
        self._received_at: Nanoseconds = 0
        self._stop_unseen = False
        self._heard_back = False  # the device has answered something behind our calls
        self._spoken = False  # a STATUS of this session counted
        self._young = False  # flag RESTARTED is no second restart: it stays until the device hears a CHECKIN
        self._flags = 0
        self._inputs = 0
        self._mode_key: Literal["none", "manual", "auto"] = "none"
        self._test_number = 0
        self._word: EstopInput | None = None  # the last one, while it is RUN and nothing came that could change it

    # --- port

    def opened(self, at: Nanoseconds, seed: int) -> None:
        """Begin to call the device; `seed` is the first sequence number."""
        now = self._advance(at)
        self._word = None
        self._leave(now)
        self._reader.clear()
        self._sequence.opened(seed)
        self._open = True
        self._understood = False
        self._contact.restart(now, known=False)
        self._sender.restart(now)
        self._faults.end(Code.ESTOP_PORT)

    def closed(self, at: Nanoseconds, why: str) -> None:
        """Stop: E_ESTOP_PORT until the port is open again."""
        now = self._advance(at)
        self._word = None
        self._leave(now)
        self._reader.clear()
        self._open = False
        self._contact.end()
        self._faults.begin(Code.ESTOP_PORT)
        self._notices.add(now, Code.ESTOP_PORT, why[:500])

    def contacts(self, dsr: bool, cts: bool, at: Nanoseconds) -> None:
        """Ignore the modem's lines: no part of this protocol."""

    # --- from the device

    def receive(self, data: bytes, at: Nanoseconds) -> None:
        """Take bytes; what is no frame of ours is counted, and is a stop where the table of faults says so."""
        now = self._advance(at)
        self._word = None
        if not self._open:
            self._counts["ignored_bytes"] += len(data)
            return
        if len(data) > MOST_READ:
            self._counts["ignored_bytes"] += len(data) - MOST_READ
            data = data[-MOST_READ:]
            self._fault(Code.ESTOP_STALE, now, "more bytes came at once than this protocol sends in a second")
        self._contact.heard(now)
        discarded = self._reader.discarded
        for item in self._reader.feed(data):
            if isinstance(item, Frame):
                self._judge(item, now)
            else:
                self._refuse(item, now)
        if self._reader.discarded != discarded and not self._in_session:
            self._contact.stray(self._reader.discarded - discarded, now)
            self._explain(now)

    def _refuse(self, why: Refusal, now: Nanoseconds) -> None:
        if why is not Refusal.CHECK_SUM:
            # It was meant for this configuration, by somebody who speaks another version.
            self._counts["refused"] += 1
            self._peer(now, refusal(why, self._reader.refused))
            return
        self._counts["corrupted"] += 1
        if self._understood and self._faults.corrupted(now):
            self._notices.add(now, Code.ESTOP_CORRUPTED, "more than 5 frames within 10 s")
        if not self._in_session:
            self._contact.refused(self._reader.refused, now)

    def _explain(self, now: Nanoseconds) -> None:
        """Say why no session begins, when it is time to."""
        judged = self._contact.judge(now)
        if judged is not None:
            code, why = judged
            if code is Code.ESTOP_PEER:
                self._peer(now, why)
            else:
                self._notices.add(now, code, why)

    def _judge(self, frame: Frame, now: Nanoseconds) -> None:
        if why := strange(self._line, frame):
            self._counts["foreign"] += 1
            self._peer(now, why)
        elif frame.type is FrameType.HELLO:
            self._understood = True
            self._hello(frame, now)
        else:
            self._understood = True
            self._status(frame, now)

    def _hello(self, frame: Frame, now: Nanoseconds) -> None:
        sequence = self._sequence
        echo = sequence.judge(frame.echo)
        if self._in_session:
            if sequence.is_answer(frame.echo):
                # We called more than once before the first answer came.
                if sequence.repeated(frame.sequence):
                    self._counts["repeated"] += 1
                    return
                if not self._heard_back:
                    # A device that slept answers each call that waited for it, each time with numbers of a new session.
                    sequence.begin(frame.sequence)
                    return
            if frame.echo and echo is not Echo.FRESH:
                self._counts["replayed"] += 1  # it answers no call of ours; who restarts has heard nobody, and echoes 0
                return
            self._restarted(now, "it said HELLO inside a session")
            return
        if echo is Echo.FRESH and sequence.is_answer(frame.echo):
            self._begin(frame, now)
        else:
            what = self._contact.no_answer(frame.echo, echo is Echo.FOREIGN, now)
            self._counts[what] += 1
            if what == "stale":
                self._fault(Code.ESTOP_STALE, now, "it answered a HELLO that was sent too long ago")

    def _begin(self, frame: Frame, now: Nanoseconds) -> None:
        self._counts["sessions"] += 1
        self._in_session = True
        self._sequence.begin(frame.sequence)
        self._second.begin()
        self._fed_at = now
        self._sender.restart(now)
        self._test.session()
        self._faults.end(Code.ESTOP_STALE)
        self._heard_back = False
        self._young = True
        if frame.flags & Flag.RESTARTED:
            self._restarted_before(now)

    def _restarted_before(self, now: Nanoseconds) -> None:
        """Flag 3 at the begin of a session: no news in the first one, to a host that has just booted, too."""
        if self._counts["sessions"] > 1:
            self._fault(Code.ESTOP_RESTARTED, now, "it says that it restarted while the line was lost")

    def _restarted(self, now: Nanoseconds, why: str) -> None:
        self._counts["restarts"] += 1
        self._leave(now)
        self._fault(Code.ESTOP_RESTARTED, now, why)

    def _status(self, frame: Frame, now: Nanoseconds) -> None:
        if not self._in_session:
            self._counts["outside"] += 1
            self._contact.outside(now)
            return
        sequence = self._sequence
        missing = sequence.missing(frame.sequence)
        if missing < 0:
            self._counts["repeated"] += 1
            if sequence.judge(frame.echo) is Echo.FRESH and self._second.answers(frame, now):
                self._peer(now, TOLD)
            return
        echo = sequence.judge(frame.echo)
        if echo is Echo.FOREIGN:
            self._counts["replayed"] += 1
            return
        if echo is Echo.STALE:
            self._counts["stale"] += 1
            self._fault(Code.ESTOP_STALE, now, "it answers what was sent more than 5 frames ago")
            return
        if missing:
            self._counts["lost"] += missing
        if missing > LOST_ALLOWED:
            # The frame that ends the gap is sound, so the condition is over; it is told once, and latched outside.
            self._faults.tell(Code.ESTOP_LOST)
            self._notices.add(now, Code.ESTOP_LOST, f"{missing} frames are missing; allowed: {LOST_ALLOWED}")
        sequence.received = frame.sequence
        self._second.accept(frame)
        self._heard_back = self._heard_back or not sequence.is_answer(frame.echo)
        self._gauges["echo_lag"] = sequence.lag
        self._gauges["round_trip_us"] = max(0, sequence.round_trip(frame.echo, now) // 1000)
        restarted = bool(frame.flags & Flag.RESTARTED)
        if restarted and not self._young:
            self._restarted(now, "it says that it restarted")
            return
        self._faults.end(Code.ESTOP_STALE)
        if not restarted:
            self._young = False
            self._faults.end(Code.ESTOP_RESTARTED)
        else:
            self._restarted_before(now)
        if frame.type is FrameType.STATUS:
            self._counts["frames"] += 1
            self._fed_at = self._received_at = now
            self._spoken = True
        self._content(frame, now)

    def _content(self, frame: Frame, now: Nanoseconds) -> None:
        """Take what a fresh frame says."""
        self._flags, self._inputs = frame.flags, frame.inputs
        self._mode_key = mode_key(frame.inputs)
        if seen := impossible(frame):
            self._fault(Code.ESTOP_VALUE, now, seen)
        else:
            self._faults.end(Code.ESTOP_VALUE)
        a, b = channels(frame)
        word = self._channels.update(a, b, now)
        if word != "run" and a is not None and b is not None:  # a value that is none is a fault, and no press
            self._stop_unseen = True
        self._tell_discrepancy(word == "discrepancy", now)
        has_request = self._sequence.reached(frame.echo, self._test_number)
        if self._test.heard(frame.flags, has_request, frame.type is FrameType.SELFTEST, now):
            self._fault(Code.ESTOP_SELF_TEST, now, "the device says that its self-test failed")
        if not self._test.failed:
            self._faults.end(Code.ESTOP_SELF_TEST)
        permitted = word == "run" and self._channels.cycled and self._faults.worst(now) is None
        self._button.sample(bool(frame.inputs & Input.RESET_DOWN), now, permitted)

    # --- faults

    def _fault(self, code: Code, now: Nanoseconds, detail: str) -> None:
        """Begin a fault that lasts until `end`."""
        self._word = None
        if self._faults.begin(code):
            self._notices.add(now, code, detail)

    def _peer(self, now: Nanoseconds, detail: str) -> None:
        self._faults.peer(now)
        self._notices.add(now, Code.ESTOP_PEER, detail)

    def _tell_discrepancy(self, lasts: bool, now: Nanoseconds) -> None:
        if lasts:
            self._fault(Code.ESTOP_DISCREPANCY, now, "press until both channels say STOP, then release")
        else:
            self._faults.end(Code.ESTOP_DISCREPANCY)

    def _advance(self, at: Nanoseconds) -> Nanoseconds:
        """Take a time; end what it ends. A time that goes back counts as standing still."""
        now = self._now = max(self._now, at)
        if self._in_session:
            if now - self._fed_at > WATCHDOG:
                # Before another byte is judged: what piled up in a buffer meanwhile must not feed the watchdog.
                self._leave(now)
            else:
                self._tell_discrepancy(self._channels.word(now) == "discrepancy", now)
                self._button.watch(now)
                if self._test.late(now):
                    self._fault(Code.ESTOP_SELF_TEST, now, "the device did not answer the self-test in time")
        else:
            self._explain(now)
        return now

    def _leave(self, now: Nanoseconds) -> None:
        """Leave the session, if there is one: the device has to be called anew. Lifts nothing."""
        self._word = None
        if self._in_session:
            self._button.forget()
            self._sender.restart(now)
            self._contact.ended(now, self._spoken)
        self._in_session = self._spoken = False
        self._sequence.call()

    # --- to the device, and to the supervisor

    def cycle(self, at: Nanoseconds, alive: bool, demand_stop: bool, resting: bool) -> bytes:
        """Return what to send now."""
        now = self._advance(at)
        if not self._open:
            return b""
        if not self._in_session:
            return self._sender.hello(now)
        sent = self._sender.check_in(now, alive, demand_stop)
        if resting and alive and self._sender.checked_in and self._test.wanted(now):
            frame, self._test_number = self._sender.self_test(now)
            self._test.asked(now)
            sent += frame
        return sent

    def sample(self, at: Nanoseconds) -> EstopInput:
        """Return the word: `run` only in a session, while both channels say RUN and no fault lasts."""
        now = self._advance(at)
        if self._word is not None:
            return self._word
        fault = self._faults.take(now)
        state: Literal["run", "stop", "unknown"] = "unknown"
        if fault is None and self._spoken:
            state = "stop" if self._stop_unseen or self._channels.word(now) != "run" else "run"
        self._stop_unseen = False
        word = EstopInput(
            state=state,
            # `released` would count as seen released (SR-020).
            enabling_switch=enabling_switch(self._inputs) if self._spoken else "none",
            mode_key=self._mode_key,
            integrity=self._integrity,
            received_at=self._received_at,
            fault="" if fault is None else fault.value,
            relays=relays(self._flags) if self._spoken and self._line.relay_effect != "none" else "none",
            resets=self._button.resets,
        )
        if state == "run":
            self._word = word
        return word

    def notices(self) -> list[EstopNotice]:
        """Return what is to be told since the last call."""
        return self._notices.take()

    @property
    def statistics(self) -> Mapping[str, int]:
        """Counters since the start, and gauges of the last frame that counted: `echo_lag`, `round_trip_us`."""
        return {
            **self._counts, **self._sender.counts, **self._gauges,
            "discarded_bytes": self._reader.discarded, "resets": self._button.resets,
            "in_session": int(self._in_session),
        }  # fmt: skip
