"""The jog of one page: its buttons, what they need, and what became of them. What moves: `jog_stream`, `jog_motion`."""

from __future__ import annotations

import math
import time
from typing import Any, Final

from nicegui import ui

from safety_supervisor.acts.signing import lacks_role
from safety_supervisor.core.units import Nanoseconds
from safety_supervisor.panel.desk import Desk
from safety_supervisor.panel.elements import detail_of, make_title, tell
from safety_supervisor.panel.hold import APART
from safety_supervisor.panel.jog_motion import FASTEST, FIRST, SLOWEST
from safety_supervisor.panel.jog_press import NO_JOG, STEPS, TWO, Page, read_beat
from safety_supervisor.panel.jog_stream import STATES, Jogger
from safety_supervisor.panel.sessions import Session
from safety_supervisor.panel.view import switch_words

WITHOUT: Final = "No jog here: this panel was started without one. Start it with `--jog SOURCE`."
_AXES: Final = ("X", "Y", "Z", "about X", "about Y", "about Z")
_SHOWN: Final[Nanoseconds] = 10_000_000_000
_WAYS: Final = {
    "LOCKED": "RESET, then START MANUAL, where the mode key allows it, with the enabling switch released",
    "READY": "START MANUAL, with the enabling switch released",
    "PROTECTIVE_STOP": "see to its cause, then RESET and START MANUAL; or RECOVER",
    "FAULT": "a maintainer's act",
}


class JogBox:
    """The section of one page.

    Args:
        jogger: streams; None: the panel has no jog.
        desk: knows who is logged in, and what the supervisor says.
        session: id, from the browser's cookie.
    """

    def __init__(self, jogger: Jogger | None, desk: Desk, session: str) -> None:
        """Make the elements; `static/jog.js` presses them."""
        self._jogger, self._desk, self._session = jogger, desk, session
        self._page, self._signed, self._said_at = Page(), 0, 0
        self._said, self._allowed = "", True
        self._measured: dict[int, Any] = {}
        with ui.element("section").props("id=jog") as self._section:
            make_title("Jog")
            self._why = ui.label().classes("warning")
            if jogger is None:
                self._why.set_text(WITHOUT)
                return
            self._echo = ui.label().classes("hidden-beat").props("id=jogecho aria-hidden=true")
            ui.label(
                "Press and hold; let go to stop. With the keyboard: Enter, held. The space bar is STOP. "
                f"It goes through {jogger.source.name}, and is verified as any command."
            )
            with ui.element("fieldset").classes("jog") as self._fields:
                self._make_choice(jogger)
                for number, arm in enumerate(jogger.robot.arms):
                    with ui.element("details").props("open" if number == 0 else ""):
                        with ui.element("summary"):
                            ui.label(arm.name)
                        with ui.element("div").classes("rows"):
                            self._make_arm(jogger, number)
            # Behind the buttons, and kept in sight above STOP.
            self._told = ui.label().classes("warning outcome").props("role=status")
            self._told.set_visibility(False)
        self._section.on("held", self._held, ["detail"])
        self._section.on("letgo", self._let_go, ["detail"])
        self._section.on("two", lambda _: self._end(TWO), ["detail"])

    def _make_choice(self, jogger: Jogger) -> None:
        with ui.element("div").classes("choice"):
            with ui.element("label"):
                ui.label("Speed of the fastest point of the robot")
                ui.element("input").props(
                    f"type=range id=jogspeed min={SLOWEST * 1e3:.0f} max={FASTEST * 1e3:.0f} step=10 "
                    f"value={FIRST * 1e3:.0f} autocomplete=off "
                    f"aria-valuetext='{FIRST * 1e3:.0f} millimetres per second'"
                )
            with ui.element("output").props("id=jogshown for=jogspeed"):
                ui.label(f"{FIRST * 1e3:.0f} mm/s")
        words = ["continuous", *(f"{(along or 0.0) * 1e3:.0f} mm or {about:g}°" for along, about in STEPS[1:])]
        self._make_radios("How far", "jogstep", words)
        if any(arm.tip for arm in jogger.robot.arms):
            self._make_radios("Axes of", "jogframe", ["the base", "the tool"])

    @staticmethod
    def _make_radios(title: str, name: str, words: list[str]) -> None:
        with ui.element("div").props(f"role=radiogroup aria-label='{title}'").classes("radios"):
            ui.label(title)
            for value, word in enumerate(words):
                with ui.element("label"):
                    chosen = "checked" if value == 0 else ""
                    ui.element("input").props(f"type=radio name={name} value={value} autocomplete=off {chosen}")
                    ui.label(word)

    def _make_arm(self, jogger: Jogger, number: int) -> None:
        arm, robot = jogger.robot.arms[number], jogger.robot
        for joint in arm.joints.tolist():
            name = robot.joints[joint]
            with ui.element("div").classes("row"):
                with ui.element("div"):
                    ui.label(name).classes("name")
                    self._measured[joint] = ui.label().classes("text")
                self._make_buttons(name, f"j {joint} 0")
        if arm.tip:
            ui.label(f"Tool: {arm.tip}").classes("name tool")
            for axis, word in enumerate(_AXES):
                with ui.element("div").classes("row"):
                    ui.label(word)
                    self._make_buttons(f"{arm.tip} {word}", f"t {number} {axis}")

    @staticmethod
    def _make_buttons(name: str, what: str) -> None:
        for sign, mark, word in ((-1, "\N{MINUS SIGN}", "minus"), (1, "+", "plus")):
            with ui.element("button").props("type=button") as button:
                ui.label(mark)
            button.props["data-jog"] = f"{what} {sign}"
            button.props["aria-label"] = f"{name} {word}"

    # --- four times a second

    def update(self, held: Session | None) -> None:
        """Show it to whoever may jog, and say what it needs."""
        may = held is not None and not lacks_role(held.person, "recover")
        self._section.set_visibility(may)
        jogger = self._jogger
        if jogger is None or held is None or not may:
            return
        why = self._why_not(jogger, held)
        tell(self._why, why)
        if bool(why) == self._allowed:
            self._allowed = not why
            self._fields.props(remove="disabled") if self._allowed else self._fields.props("disabled")
        limits = jogger.robot.limits
        for joint, label in self._measured.items():
            at = jogger.measured.get(jogger.robot.joints[joint])
            lower, upper = float(limits.lower[joint]), float(limits.upper[joint])
            slides = joint in jogger.robot.sliding
            label.set_text(f"{_number(at, slides)} ({_number(lower, slides)} to {_number(upper, slides)})")
        now = time.monotonic_ns()
        told = jogger.told_to(self._page)
        if told and told != self._said:
            self._say(told)
        if now - self._said_at > _SHOWN:
            self._told.set_visibility(False)

    def _why_not(self, jogger: Jogger, held: Session) -> str:
        """Say what keeps this page from jogging now, and what to do about it; empty where nothing does."""
        view = self._desk.view()
        if view.basis is None:
            return view.warnings[0] if view.warnings else "What is shown is stale: no jog."
        if jogger.source.person not in ("", held.person.name):
            return f"{jogger.source.name} is the source of {jogger.source.person}, and of nobody else"
        if jogger.wrong:
            return f"No jog: {jogger.wrong}."
        if view.state not in STATES:
            way = _WAYS.get(view.state, "MODE MANUAL, which stops; then RESET and START MANUAL")
            return f"No jog in {view.state}, but in MANUAL and RECOVERY. The way there: {way}."
        if view.state == "MANUAL" and (switch := switch_words(self._desk.heard.status)):
            return f"No jog yet. {switch}"
        has = jogger.holder()
        if has is not None and has[0] is not self._page:
            return f"{has[1]} jogs the robot on another page now."
        return ""

    # --- what the browser sends

    def _held(self, event: Any) -> None:
        jogger = self._jogger
        if jogger is None:
            return
        joints = {
            joint: (number, joint in jogger.robot.sliding)
            for number, arm in enumerate(jogger.robot.arms)
            for joint in arm.joints.tolist()
        }
        beat = read_beat(detail_of(event), len(jogger.robot.arms), joints)
        if isinstance(beat, str):
            self._end(beat)
            return
        now = time.monotonic_ns()
        held, why = self._desk.holder(self._session)
        why = why or (self._why_not(jogger, held) if held is not None else NO_JOG)
        if why:
            self._end(why)
            return
        assert held is not None
        if self._desk.heard.status.get("state") == "RECOVERY" and now - self._signed >= APART:
            self._signed = now
            self._desk.hold(self._session)
        why = jogger.beat(self._page, held.person.name, beat)
        if why:
            self._say(why)
        else:
            self._echo.set_text(str(self._page.send(time.monotonic_ns())))

    def _let_go(self, event: Any) -> None:
        said = detail_of(event)
        if self._jogger is not None and type(said) is int:
            self._jogger.let_go(self._page, said)

    def _end(self, words: str) -> None:
        if self._jogger is not None:
            self._jogger.drop(self._page, words)
        self._say(words)

    def _say(self, words: str) -> None:
        self._said, self._page.told, self._said_at = words, words, time.monotonic_ns()
        if self._jogger is not None:
            tell(self._told, words)


def _number(value: float | None, slides: bool) -> str:
    if value is None:
        return "not measured"
    if not math.isfinite(value):
        return "any"
    return f"{value * 1e3:.1f} mm" if slides else f"{math.degrees(value):.1f}°"
