"""The live page, made with NiceGUI. Everything from data is the text of a label, and labels take no markup.

STOP and the watch over the connection stand in the page's own HTML, before anything of NiceGUI: they need none of it.
"""

from __future__ import annotations

import time
from typing import Any, Final

from fastapi import Request
from nicegui import ui

from safety_supervisor.acts import deciding
from safety_supervisor.core.states.authority import ACTS_OF, who_may
from safety_supervisor.panel import cookies, plain
from safety_supervisor.panel.acts_box import SETTLES, ActsBox
from safety_supervisor.panel.agents_box import AgentsBox
from safety_supervisor.panel.desk import LONGEST_REASON, Desk, Outcome
from safety_supervisor.panel.elements import detail_of, make_title, tell
from safety_supervisor.panel.events_box import EventsBox
from safety_supervisor.panel.hold import HoldButton
from safety_supervisor.panel.jog import JogBox
from safety_supervisor.panel.jog_stream import Jogger
from safety_supervisor.panel.plots import PlotsBox
from safety_supervisor.panel.preview_scene import GRANTS_ALLOW, LiveBox, PreviewBox, Stage
from safety_supervisor.panel.sessions import FormTokens, Session
from safety_supervisor.panel.view import FACTS, OPTIONAL, SIGNS, UNHEARD, Basis, View, Waiting, facts_of

PERIOD: Final = 0.25
"""Between two updates of the page, [s]."""
_KEPT: Final = 8.0
"""What is gone stays visible as gone for so long, [s]."""
_SAID: Final = 20.0
"""What came of an act is shown for so long, [s]."""
_STOP = plain.STOP_FORM.format(query="?framed=1", target=' target="stop_answer"', key=" - space bar")
_BODY: Final = (
    f'<div id="stopbar">{_STOP}<div id="stopsent" role="alert" hidden></div>'
    '<iframe name="stop_answer" src="/stop_answer" title="what came of the stop"></iframe></div>'
    '<div id="lost" role="alert">NO CONNECTION TO THE PANEL. What was here is old. Treat the robot as moving. '
    "STOP below still asks, where anything hears it. The e-stop button needs none of this.</div>"
    '<script src="/panel.js"></script><script src="/hold.js"></script><script src="/jog.js"></script>'
)
_HEAD: Final = (
    '<link rel="stylesheet" href="/panel.css"><noscript><meta http-equiv="refresh" content="0; url=/plain"></noscript>'
)


def install(desk: Desk, tokens: FormTokens, robot: str, stage: Stage, jogger: Jogger | None = None) -> None:
    """Serve the page at `/`."""

    @ui.page("/", title=f"{robot} - safety supervisor", dark=None, language="en-US")
    def live(request: Request) -> None:
        cookie = cookies.read(request, cookies.SESSION)
        stage.warm(desk.tool)
        ui.add_head_html(_HEAD)
        ui.add_body_html(_BODY)
        LivePage(desk, robot, cookie, tokens.make(cookie), stage, jogger)


class LivePage:
    """One browser's page.

    Args:
        desk: does what the person does.
        robot: id.
        session: id, from the browser's cookie; empty or ended: nobody is logged in.
        token: for its forms.
        stage: for its pictures.
        jogger: streams jogs; None: the panel has none.
    """

    def __init__(
        self, desk: Desk, robot: str, session: str, token: str, stage: Stage, jogger: Jogger | None = None
    ) -> None:
        """Make the elements; texts come with the first update."""
        self._stage = stage
        self._desk, self._robot, self._session, self._beats, self._echo = desk, robot, session, 0, 0
        self.shown = True
        """Whether somebody can see the page, by what it said last; pictures are drawn for nobody else."""
        self.moved_at = 0.0
        self._seen: View = desk.view()
        self._cards: dict[tuple[str, str], _Card] = {}
        self._beat = ui.element("div").classes("hidden-beat").props("id=beat aria-hidden=true")
        self._beat.on("echo", self._hear_echo, ["detail"])
        with ui.element("section").classes("banner") as self._banner:
            self._state = ui.label().classes("state")
            self._cause = ui.label().classes("cause")
            self._next = ui.label().classes("next")
        # The same in one line, for as long as the banner is scrolled away (`static/panel.js`).
        with ui.element("div").classes("brief").props("aria-hidden=true") as self._brief:
            self._brief_state = ui.label().classes("brief-state")
            self._brief_next = ui.label().classes("brief-next")
        self._warning = ui.label().classes("warning")
        self._facts: dict[str, tuple[Any, Any]] = {}
        with ui.element("div").classes("facts"):
            for name in FACTS:
                with ui.element("div") as row:
                    ui.label(name).classes("name")
                    self._facts[name] = row, ui.label().classes("text")
        self._make_person(token)
        self._told = ui.label().classes("told").props("role=status")
        self._told.set_visibility(False)
        self._said_at = 0.0
        make_title("Waits for people")
        self._list_state = ui.label().classes("warning")
        self._list = ui.element("div")
        self._allows = ui.label(GRANTS_ALLOW)
        self._grants = ui.label().classes("mono").props("tabindex=0")
        with ui.element("div").classes("acts") as self._acts:
            self._buttons = [
                (act, ui.button(word, on_click=lambda _, one=(act, target, word): self._ask(*one), color=None))
                for act, target, word in plain.ACTS
            ]
        self._hold = HoldButton(desk, session, lambda: self._beats)
        self._confirm = _Confirmation(self)
        self._jog = JogBox(jogger, desk, session)
        LiveBox(stage, lambda: desk.tool, lambda: self.shown)
        self._further, self._agents = ActsBox(desk, self.do), AgentsBox(desk.configuration)
        self._plots, self.events = PlotsBox(desk.history), EventsBox(desk.events)
        # The first update comes over the websocket, too: the page's HTML holds no text from data.
        ui.timer(PERIOD, self._update)

    def _make_person(self, token: str) -> None:
        self._both = ui.label().classes("warning")
        with ui.element("div").classes("person"):
            self._make_login(token)

    def _make_login(self, token: str) -> None:
        self._person = ui.label()
        with ui.element("form").props("method=post action=/logout").classes("logout") as self._logout:
            ui.element("input").props(f"type=hidden name=csrf value={token}")
            with ui.element("button").props("type=submit"):
                ui.label("Log out")
        with ui.element("a").props("href=/login") as self._login:
            ui.label("Log in to act. STOP needs no login.")

    @property
    def held(self) -> Session | None:
        """The session, while it lasts."""
        return self._desk.sessions.look(self._session, time.monotonic_ns()) if self._session else None

    def _hear_echo(self, event: Any) -> None:
        """The page counts; by the newest count in a beat it knows how old the beat is at most, by its own clock."""
        said = detail_of(event)
        count, hidden = said if isinstance(said, list) and len(said) == 2 else (0, False)
        if type(count) is int and 0 < count < 1 << 53:
            # In this order: whoever sees the page again has no beat before the panel knows that it is seen.
            self.shown = hidden is not True
            self._echo = count

    def _update(self) -> None:
        view, held = self._desk.view(), self.held
        self._seen = view
        self._beats += 1
        self._banner.classes(replace=f"banner {view.tone.value}")
        self._brief.classes(replace=f"brief {view.tone.value}")
        for label in (self._state, self._brief_state):
            label.set_text(f"{SIGNS[view.tone]} {view.state}")
        long = len(view.state) > plain.LONG
        self._state.classes(add="long" if long else "", remove="" if long else "long")
        self._brief_next.set_text(view.next_step)
        self._cause.set_text(view.cause)
        self._next.set_text(view.next_step)
        unheard = () if view.stop_reaches else (UNHEARD,)
        tell(self._warning, ". ".join((*view.warnings, *unheard)))
        facts = dict(facts_of(view, self._robot))
        for name, (row, label) in self._facts.items():
            label.set_text(facts.get(name, ""))
            if name in OPTIONAL:
                row.set_visibility(name in facts)
        if time.monotonic() - self._said_at > _SAID:
            tell(self._told, "")
        self._update_person(held)
        self._hold.update(held)
        self._jog.update(held)
        self._confirm.check(view)
        for act, button in self._buttons:
            button.set_visibility(held is not None and act in ACTS_OF[held.person.role])
            button.set_enabled(view.basis is not None)
        self._update_list(view, held)
        self._further.update(view, held)
        self._agents.update(self._desk.heard, view.stale)
        self._plots.update(view.warnings[0] if view.warnings else "", self.shown)
        self.events.update(held is not None)
        # Comes behind all that has changed. The text of a label would let the browser render the whole page anew, four
        # times a second.
        self._beat.run_method("replaceChildren", f"{self._beats} {self._echo}")

    def _update_person(self, held: Session | None) -> None:
        if held is None:
            ended = ": the login that was here has ended; what was typed is not signed" if self._session else ""
            self._person.set_text(f"nobody is logged in here{ended}")
            self._confirm.close()
        else:
            self._person.set_text(f"logged in: {held.person.name}, {held.person.role.value}")
        self._logout.set_visibility(held is not None)
        self._login.set_visibility(held is None)
        both = self._desk.both_keys()
        tell(self._both, plain.both_words(both) if both else "")

    def _update_list(self, view: View, held: Session | None) -> None:
        if held is None:
            state = "" if not view.waiting else f"{len(view.waiting)} wait: log in to see them"
        else:
            state = "" if view.waiting_known else "what waits is unknown, or stale"
        tell(self._list_state, state)
        waits = {} if held is None else {(one.id, one.shown.sha256 if one.shown else ""): one for one in view.waiting}
        for key, one in waits.items():
            if key not in self._cards:
                self.moved_at = time.monotonic()
                with self._list:
                    self._cards[key] = _Card(self, one)
        for key, card in list(self._cards.items()):
            if card.update(waits.get(key), view, held):
                self.moved_at = time.monotonic()
                del self._cards[key]
        first = next((card for card in self._cards.values() if card.waits), None)
        if first is not None and first.show():  # unasked, of one at a time: a picture takes a screen's height
            self.moved_at = time.monotonic()
        self._allows.set_visibility(bool(view.grants) and held is not None)
        nothing = "" if waits or held is None or not view.waiting_known else "nothing waits"
        self._grants.set_text("\n".join((*view.grants, nothing)) if held else "")
        self._grants.set_visibility(held is not None)

    def _ask(self, act: str, target: str, word: str) -> None:
        self._confirm.open(act, target, word, self._seen)

    async def do(self, act: str, target: str, seen: Basis | None, reason: str = "", sha256: str = "") -> Outcome:
        """Do an act for the person of this page, and show what came of it."""
        what = f"{act} {target}".strip()
        self.say(f"{what}: sent, waiting for the answer")
        outcome = await self._desk.act(self._session, act, target, seen, reason, sha256)
        self.say(f"{what}: {outcome}")
        return outcome

    def preview_of(self, shown: deciding.Shown) -> PreviewBox:
        """Find out what a command would do, for a person to see."""
        return PreviewBox(self._stage, shown.told, shown.sha256, lambda: self._desk.tool)

    def say(self, text: str) -> None:
        """Show one line, for as long as it takes to read it."""
        self._said_at = time.monotonic()
        tell(self._told, text)


class _Confirmation:
    """Shows what an act is about, and signs exactly that: what changes meanwhile makes it refused."""

    def __init__(self, page: LivePage) -> None:
        self._page = page
        self._what: tuple[str, str, Basis | None] = ("", "", None)
        with ui.element("div").classes("card") as self._card:
            self._title = ui.label().classes("title")
            self._text = ui.label()
            with ui.element("div").classes("acts"):
                self._sign = ui.button("SIGN", on_click=self._confirmed, color=None).classes("approve")
                ui.button("CANCEL", on_click=lambda: self.close(), color=None)
        self._card.set_visibility(False)

    def open(self, act: str, target: str, word: str, view: View) -> None:
        self._what = (act, target, view.basis)
        self._title.set_text(f"{word}: look at the robot, then sign")
        self._text.set_text(f"It counts for what you see now: {view.state}. {view.cause} {view.next_step}")
        self._card.set_visibility(True)
        self._card.run_method("scrollIntoView", {"block": "nearest"})

    def check(self, view: View) -> None:
        """Close it when the state is another one than the person saw."""
        act, target, seen = self._what
        if act and seen != view.basis:
            self.close()
            self._page.say(f"{f'{act} {target}'.strip()}: nothing was signed, the state has changed. Look again.")

    def close(self) -> None:
        self._card.set_visibility(False)
        self._what = ("", "", None)

    async def _confirmed(self) -> None:
        act, target, seen = self._what
        self.close()  # a double click signs once
        if act:
            await self._page.do(act, target, seen)


class _Card:
    """One command that waits: what is shown never changes, but for the countdown; buttons are bound to it."""

    def __init__(self, page: LivePage, one: Waiting) -> None:
        self._page, self._one, self._gone_at, self._done = page, one, 0.0, set[str]()
        told = one.shown.told if one.shown else {}
        with ui.element("div").classes("card") as self._card:
            self._title = ui.label().classes("title")
            self._agent = ui.label()
            ui.label(f"why, in its own words: {told.get('why') or '(nothing)'}").classes("why")
            ui.label(
                f"zones: {deciding.zone_words(told)}; joints up to {told.get('joint_speed')} rad/s or m/s, "
                f"any point up to {told.get('frame_speed')} m/s; people: {told.get('people_near')}"
            )
            self._approved = ui.label()
            self._problem = ui.label().classes("warning")
            with ui.element("div").classes("acts") as self._acts:
                label = "Reason (high risk: has to be typed)" if one.high_risk else "Reason"
                self._reason = ui.input(label).props(f"maxlength={LONGEST_REASON} outlined autocomplete=off")
                self._approve = ui.button("APPROVE", on_click=lambda: self._decide("approve"), color=None)
                self._approve.classes("approve")
                self._deny = ui.button("DENY", on_click=lambda: self._decide("deny"), color=None)
            self._preview = None if one.shown is None else page.preview_of(one.shown)
            ui.label(deciding.numbers(one.shown) if one.shown else one.problem).classes("mono").props("tabindex=0")
            page.events.link_to(one.id)
        self._busy = False

    @property
    def waits(self) -> bool:
        """Whether it still waits for people."""
        return not self._gone_at

    def show(self) -> bool:
        """Play its motion as soon as it is known; return whether its picture came up now."""
        return self._preview is not None and self._preview.show()

    def update(self, one: Waiting | None, view: View, held: Session | None) -> bool:
        """Show the time that is left; return whether the card is over and removed."""
        if one is None:
            return self._leave(view, held)
        self._gone_at = 0.0
        self._card.classes(remove="gone")
        self._acts.set_visibility(True)
        self._approved.set_visibility(True)
        self._one = one
        self._title.set_text(plain.brief(one))
        if one.shown is not None:
            source = one.shown.command["source"]
            speaks = [part for part in view.agents.split("; ") if part.startswith(f"{source}: ")]
            self._agent.set_text(f"who asks: {speaks[0] if speaks else f'{source}, which introduces no agent'}")
            told = one.shown.told
            self._approved.set_text(f"takes {told.get('people')}, approved by: {told.get('approved') or 'nobody'}")
        may = held is not None and "approve" in ACTS_OF[held.person.role]
        problem = one.problem or ("" if may else f"to decide takes {who_may('approve')}")
        free = not problem and not self._busy and "deny" not in self._done
        approved = one.shown.told.get("approved", "").split() if one.shown else []
        mine = "approve" in self._done or (held is not None and held.person.name in approved)
        if self._preview is not None:
            self._preview.look()
        # Nobody approves what is not drawn; anybody who may denies it.
        drawn = self._preview is not None and not self._preview.blocks
        self._approve.set_enabled(free and not mine and drawn)
        self._deny.set_enabled(free)
        words = problem or ("you have approved it; another person has to, too" if mine and len(approved) else "")
        tell(self._problem, words)
        return False

    def _leave(self, view: View, held: Session | None) -> bool:
        now = time.monotonic()
        if held is not None and not self._gone_at:
            self._gone_at = now
            self._acts.set_visibility(False)
            self._approved.set_visibility(False)  # of the last list: what became of it stands above
            self._card.classes(add="gone")
            self._problem.set_visibility(False)
            if self._preview is not None:
                self._preview.rest()
        self._title.set_text(f"{self._one.id}: GONE - {view.ended.get(self._one.id, 'decided, expired or cancelled')}")
        if held is not None and now - self._gone_at < _KEPT:
            return False
        self._card.delete()
        return True

    async def _decide(self, act: str) -> None:
        one, view = self._one, self._page._seen
        if self._busy or act in self._done or one.shown is None or view.basis is None or self._preview is None:
            return
        if act == "approve" and self._preview.blocks:  # it became so while the click was on its way
            self._page.say(f"approve {one.id}: nothing was signed, its motion is not drawn. Look again, then press.")
            return
        if act == "approve" and time.monotonic() - self._page.moved_at < SETTLES:
            self._page.say(f"approve {one.id}: nothing was signed, the list has just moved. Look again, then press.")
            return
        self._busy = True
        seen = view.basis._replace(epoch=one.shown.epoch)
        try:
            outcome = await self._page.do(act, one.id, seen, str(self._reason.value or ""), one.shown.sha256)
            if outcome.ok:
                self._done.add(act)  # the second click of two finds nothing to do
        finally:
            self._busy = False
