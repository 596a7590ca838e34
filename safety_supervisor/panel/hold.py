"""The hold-to-run button of one page: beats begin in the browser, while it is pressed, and end with it (REDTEAM 53).

Nothing here beats by itself. What the browser sends late, or all at once after the network hung, is no sign of a hand:
each beat names the newest of the panel's own beats that the page had seen, and only one in `APART` is signed. A press
of which one beat was refused here is over: nothing begins to move again under a hand that was there before.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from nicegui import ui

from safety_supervisor.acts.signing import lacks_role
from safety_supervisor.core.units import NS_PER_S, Nanoseconds
from safety_supervisor.panel.desk import Desk
from safety_supervisor.panel.elements import detail_of, tell
from safety_supervisor.panel.sessions import Session
from safety_supervisor.panel.view import cure_of

APART: Final[Nanoseconds] = 60_000_000
"""Beats come every 100 ms; of those that come closer only the first counts, [ns]."""
BEHIND: Final = 2
"""The panel beats four times a second; a page that has seen none of its last two is behind, or asleep."""
_REFUSED: Final[Nanoseconds] = 3 * NS_PER_S // 2
"""The supervisor tells once a second that it refuses beats, [ns]."""
_RESTS: Final = "HOLD TO RUN: press and hold, or hold the key H"
_HELD: Final = "HELD: let go to stop"


class HoldButton:
    """One page's button.

    Args:
        desk: signs and sends the beats.
        session: id, from the browser's cookie.
        newest: returns the number of the panel's newest beat to this page.
    """

    def __init__(self, desk: Desk, session: str, newest: Callable[[], int]) -> None:
        """Make the element; `static/hold.js` presses it."""
        self._desk, self._session, self._newest = desk, session, newest
        self._last: Nanoseconds = 0
        self._over, self._why, self._refusal = 0, "", ""
        with ui.element("button").props("id=hold type=button") as self._button:
            self._text = ui.label(_RESTS)
        self._told = ui.label().classes("warning")
        self._told.set_visibility(False)
        self._button.on("held", self._held, ["detail"])

    def update(self, held: Session | None) -> None:
        """Show it to whoever may hold it."""
        self._button.set_visibility(held is not None and not lacks_role(held.person, "recover"))
        now = time.monotonic_ns()
        if now - self._last > 10 * APART:
            self._text.set_text(_RESTS)
            self._told.set_visibility(False)
            self._refusal = ""
        elif held is not None:
            self._refusal = self._refused(held.person.name, now)

    def _held(self, event: Any) -> None:
        now = time.monotonic_ns()
        said = detail_of(event)
        if not isinstance(said, list) or len(said) != 2 or any(type(one) is not int for one in said):
            return
        press, seen = said
        if now - self._last < APART or not 0 <= self._newest() - seen <= BEHIND:
            return
        self._last = now
        if press > self._over and (why := self._desk.hold(self._session)):
            self._over, self._why = press, f"{why}. Let go, then press again."
        why = self._why if press <= self._over else self._refusal
        self._text.set_text(_HELD if not why else _RESTS)
        tell(self._told, why)

    def _refused(self, name: str, now: Nanoseconds) -> str:
        """Say that the supervisor refuses the beats of a person; empty where it does not, or told it long ago."""
        for one in self._desk.events.newest():
            if one.last < now - _REFUSED:
                break
            if one.source == name and one.verdict == "REJECT" and one.code.startswith("E_TOKEN_"):
                return f"the supervisor refuses it: {one.words} - {cure_of(one.code)}".rstrip(" -")
        return ""
