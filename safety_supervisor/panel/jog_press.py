"""Who jogs, and whether a hand is there now. Pure: the time is given.

A browser beats while its button is pressed. Each beat carries the newest number that the panel had sent to that page,
so that a beat is no older than that number was when it was sent: what the network held back, or brings all at once,
moves nothing. One page at a time has the jog, from the press until the robot has come to rest.

Requirement: SR-021; REDTEAM 53.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import Any, Final, NamedTuple

from safety_supervisor.core.units import Nanoseconds
from safety_supervisor.panel.jog_motion import FASTEST, SLOWEST, Way

FRESH: Final[Nanoseconds] = 250_000_000
"""Without a sign of a hand for so long the motion ends, [ns]."""
STEPS: Final = ((None, None), (1e-3, 0.5), (5e-3, 2.0), (0.01, 5.0))
"""Continuous, and steps: along, [m], and about, [degrees]."""
NO_JOG: Final = "what the page sent is no jog: nothing moves"
TWO: Final = "two buttons at once: nothing moves. Let go of both, then press one."
CHANGED: Final = "what is asked for has changed while the button was held: nothing moves. Press again."
_MOST_NUMBERS: Final = 32
_MOST: Final = 1 << 53


class Beat(NamedTuple):
    """What a page says while its button is held.

    Attributes:
        press: number of the press; a new one is greater.
        seen: the newest number of the panel that the page has.
        way: what is asked for.
    """

    press: int
    seen: int
    way: Way


def read_beat(said: Any, arms: int, joints: dict[int, tuple[int, bool]]) -> Beat | str:
    """Read what a page sent, or say why it is none; it may be anything.

    Args:
        said: press, seen, kind (`j` or `t`), joint or arm, axis, sign, step, whether in the tool's axes, speed [mm/s].
        arms: how many there are.
        joints: that may be jogged: arm, and whether the joint slides.
    """
    if not isinstance(said, list) or len(said) != 9:
        return NO_JOG
    press, seen, kind, which, axis, sign, step, in_tool, speed = said
    if any(type(one) is not int for one in (press, seen, which, axis, sign, step)) or type(in_tool) is not bool:
        return NO_JOG
    if not (0 < press < _MOST and 0 <= seen < _MOST and sign in (-1, 1) and 0 <= step < len(STEPS)):
        return NO_JOG
    if type(speed) not in (int, float) or not math.isfinite(speed):
        return "the speed is not a number: nothing moves"
    if not SLOWEST <= speed / 1e3 <= FASTEST:
        return f"a jog is {SLOWEST * 1e3:.0f} to {FASTEST * 1e3:.0f} mm/s fast, not {speed:g}: nothing moves"
    if kind == "j" and which not in joints:
        return "there is no such joint to jog: nothing moves"
    if kind == "t" and not (0 <= which < arms and 0 <= axis < 6):
        return "there is no such axis to jog: nothing moves"
    if kind not in ("j", "t"):
        return NO_JOG
    along, about = STEPS[step]
    turn = None if about is None else math.radians(about)
    if kind == "j":
        arm, slides = joints[which]
        return Beat(press, seen, Way(arm, which, 0, sign, False, along if slides else turn, speed / 1e3))
    return Beat(press, seen, Way(which, None, axis, sign, in_tool, along if axis < 3 else turn, speed / 1e3))


class Page:
    """What is known of one browser's page."""

    def __init__(self) -> None:
        """Nothing yet."""
        self._sent: OrderedDict[int, Nanoseconds] = OrderedDict()
        self._number = 0
        self.over = 0
        """Presses up to this number are over: their late beats are none."""
        self.told = ""

    def send(self, now: Nanoseconds) -> int:
        """Return a new number for the page to carry back."""
        self._number += 1
        self._sent[self._number] = now
        while len(self._sent) > _MOST_NUMBERS:
            self._sent.popitem(last=False)
        return self._number

    def sent_at(self, number: int) -> Nanoseconds | None:
        """Return when a number was sent; None: never, or long ago."""
        return self._sent.get(number)


class Press(NamedTuple):
    """The press that has the jog.

    Attributes:
        page: whose.
        name: of the person.
        number: of the press.
        way: what is asked for.
        until: a hand is there until then, [ns]; 0: it has not been proven yet.
        begun: of its first beat, [ns].
    """

    page: Page
    name: str
    number: int
    way: Way
    until: Nanoseconds
    begun: Nanoseconds

    def is_same(self, other: Press | None) -> bool:
        """Whether another one is this press, whatever has been proven or ended since."""
        return other is not None and (self.page, self.name, self.number) == (other.page, other.name, other.number)


class Presses:
    """Gives the jog to one page at a time."""

    def __init__(self) -> None:
        """Nobody has it."""
        self.now: Press | None = None
        self.moving = False
        """Whether the stream of the press has not come to rest yet; set by whoever streams."""

    def beat(self, page: Page, name: str, beat: Beat, now: Nanoseconds) -> str:
        """Take a beat; return why it moves nothing, empty where it counts.

        Args:
            page: that sent it.
            name: of the person.
            beat: as read.
            now: steady clock, [ns].
        """
        has = self.holder(now)
        if has is None and self.now is not None:
            self.end(self.now)
        if beat.press <= page.over:
            return page.told
        if has is not None and has.page is not page:
            page.over = beat.press
            return f"{has.name} jogs the robot on another page now: nothing moves from here"
        if has is not None and beat.press != has.number:
            page.over = max(has.number, beat.press)
            self.end(has)
            return TWO if self.held_by(has, now) else "the motion before has not come to rest yet: press again"
        if has is not None and beat.way != has.way:
            self.end(has)
            return CHANGED
        sent = page.sent_at(beat.seen)
        proof = 0 if sent is None or now - sent > FRESH else sent + FRESH
        if has is None:
            self.now = Press(page, name, beat.press, beat.way, 0, now)  # the next beat proves it
        elif proof > has.until:
            self.now = has._replace(until=proof)
        return ""

    def let_go(self, page: Page, number: int) -> None:
        """The button of a press was let go."""
        page.over = max(page.over, number)
        if self.now is not None and self.now.page is page and self.now.number <= number:
            self.end(self.now)

    def end(self, press: Press) -> None:
        """A press counts no more; while its stream comes to rest nobody else gets the jog."""
        press.page.over = max(press.page.over, press.number)
        if self.now is not None and self.now.is_same(press):
            self.now = self.now._replace(until=0, begun=0) if self.moving else None

    def rested(self) -> None:
        """The stream has ended, and with it the press: whoever goes on has to press again."""
        self.moving = False
        if self.now is not None:
            self.end(self.now)

    def holder(self, now: Nanoseconds) -> Press | None:
        """Return the press that has the jog: it moves, a hand is there, or its next beat may prove one yet."""
        has = self.now
        if has is None or self.moving or self.held(now) or now - has.begun <= FRESH:
            return has
        return None

    def held(self, now: Nanoseconds) -> bool:
        """Whether a hand is there."""
        return self.now is not None and self.held_by(self.now, now) and self.now.number > self.now.page.over

    @staticmethod
    def held_by(press: Press, now: Nanoseconds) -> bool:
        """Whether a press was proven lately."""
        return now <= press.until
