"""Pictures on the live page: the motion of a command that waits, to be played and scrubbed, and the robot as it is.

Everything is made by the drawing process; the page gets numbers, and words as the text of labels. A motion is played by
the browser itself (`static/film.js`). While there is no preview of exactly the command that an approval would be bound
to, `PreviewBox.blocks` says why nobody can approve it here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from nicegui import background_tasks, ui
from nicegui.elements.scene.scene_object3d import Object3D

from safety_supervisor.panel.ros_motion import Watch
from safety_supervisor.panel.snapshot import Points, Whereabouts
from safety_supervisor.panel.studio import Answer, Studio

TICK: Final = 0.1
"""Between two live poses, [s]."""
FPS: Final = 10
"""That the browser draws: without a graphics card it does so by computing, beside the robot's own programs."""
_TRIES: Final = 3
_BETWEEN: Final = 2.0  # tries, [s]
_FIELD: Final = 40.0  # of view, [deg]
_NO_ANSWER: Final = "its motion is not drawn yet"
_UNSEEN: Final = "NOT DRAWN: this page is hidden"
GRANTS_ALLOW: Final = (
    "While an approval is held, whatever that source sends passes where the policy asks for that kind: nobody is "
    "asked, and there is no preview. It raises no limit, and ends with a stop. TAKE BACK A GRANT ends it, too."
)
_LEGEND: Final = (
    ("moves", "moves"), ("rests", "stays"), ("start", "begins here"), ("end", "ends here"), ("near", "least room"),
    ("close", "too near"), ("people", "person, restricted zone"), ("keep_in", "keep-in zone"),
    ("keep_out", "keep-out zone"),
)  # fmt: skip
_LIVE_LEGEND: Final = (("rests", "as measured"), ("start", "as commanded"), ("people", "person"))
_VIEWS: Final = (
    ("CORNER", (1.0, -1.2, 0.7)),
    ("FRONT", (1.7, 0.0, 0.25)),
    ("SIDE", (0.0, -1.7, 0.25)),
    ("TOP", (-0.01, 0.0, 1.7)),
)


class Picture(Object3D, component=Path(__file__).with_name("static") / "picture.js"):
    """What `static/picture.js` draws; what was shown last is shown again where the browser begins anew."""

    def __init__(self, text: str, kind: str) -> None:
        """Draw what `panel.picture` made: `preview` or `live`."""
        self._last: dict[str, tuple[Any, ...]] = {}
        super().__init__(text, kind)

    def call(self, name: str, *given: Any) -> None:
        """Call a method of the picture, and remember it."""
        self._last[name] = given
        self.run_method(name, *given)

    def _resend(self) -> None:
        super()._resend()
        for name, given in self._last.items():
            self.run_method(name, *given)


class Stage:
    """What all pages have in common.

    Args:
        studio: makes pictures.
        watch: knows where robot and people are.
        body_radius: of people, [m].
    """

    def __init__(self, studio: Studio, watch: Watch, body_radius: float) -> None:
        """Keep them."""
        self.studio = studio
        self.watch = watch
        self.body_radius = body_radius
        self._warm = False
        self._of: tuple[Whereabouts, str] | None = None
        self._poses: asyncio.Task[Answer] | None = None

    def warm(self, tool: str) -> None:
        """Start the drawing process, where nobody has yet: the first preview has not to wait for it."""
        if not self._warm:
            self._warm = True
            background_tasks.create(self.studio.robot(tool))

    async def poses(self, tool: str) -> tuple[Whereabouts, Answer]:
        """Return where robot and people are now, and how that looks; many pages cost as much as one."""
        here = self.watch.now
        if self._poses is None or self._of != (here, tool):
            self._of = here, tool
            self._poses = background_tasks.create(self.studio.poses(tool, (here.measured, here.commanded)))
        return here, await asyncio.shield(self._poses)


class _View:
    """A scene with its buttons, and the legend below them: what is pressed has to be seen beside what it moves."""

    def __init__(self, text: str, kind: str, ball: list[float]) -> None:
        with ui.element("div").classes("picture"):
            camera = ui.scene.perspective_camera(fov=_FIELD, near=0.02, far=100.0)
            self.scene = ui.scene(640, 360, grid=False, camera=camera, click_events=[], fps=FPS)
            self._ball = ball
            with self.scene:
                self.picture = Picture(text, kind)
            self._look(_VIEWS[0][1], 0.0)

    @staticmethod
    def legend(legend: tuple[tuple[str, str], ...]) -> None:
        """Say what the colours mean."""
        with ui.element("div").classes("legend"):
            for name, words in legend:
                with ui.element("span"):
                    ui.element("i").classes(f"swatch {name}")
                    ui.label(words)

    def buttons(self) -> None:
        """Add buttons for the usual views."""
        for word, way in _VIEWS:
            ui.button(word, on_click=lambda _, one=way: self._look(one, 0.4), color=None).classes("small")

    def _look(self, way: tuple[float, float, float], duration: float) -> None:
        x, y, z, radius = self._ball
        dx, dy, dz = (1.7 * radius * part for part in way)
        self.scene.move_camera(x + dx, y + dy, z + dz, x, y, z, duration=duration)


class PreviewBox:
    """The preview of one command that waits.

    Args:
        stage: of the panel.
        told: the command, as `~/interventions` tells it.
        sha256: of its text: what an approval would be bound to.
        tool: that the robot carries, as the status tells it now.
    """

    def __init__(self, stage: Stage, told: Mapping[str, str], sha256: str, tool: Callable[[], str]) -> None:
        """Ask for it."""
        self._stage, self._told, self._sha256, self._tool = stage, told, sha256, tool
        self.blocks = _NO_ANSWER
        self._answer: Answer = {}
        self._view: _View | None = None
        self._people: Points | None = None
        with ui.element("div").classes("preview") as self._box:
            self._problem = ui.label(_NO_ANSWER).classes("warning")
            self._again = ui.button("TRY AGAIN", on_click=self._ask, color=None)
            self._text = ui.element("div")
            self._show = ui.button("SHOW THE MOTION", on_click=self.show, color=None)
            self._again.set_visibility(False)
            self._show.set_visibility(False)
        self._ask()

    def _ask(self) -> None:
        self._again.set_visibility(False)
        background_tasks.create(self._make())

    async def _make(self) -> None:
        for turn in range(_TRIES):
            if turn:
                await asyncio.sleep(_BETWEEN)
            here = self._stage.watch.now
            answer = await self._stage.studio.preview(self._told, self._tool(), here.measured)
            if self._box.is_deleted:
                return
            problem = str(answer.get("problem", ""))
            if not problem and answer["sha256"] != self._sha256:
                problem = "what was drawn is another command than would be approved"
            self.blocks = f"NO PREVIEW: {problem}" if problem else ""
            self._problem.set_text(f"{self.blocks}. It can not be approved here.")
            self._problem.set_visibility(bool(problem))
            if not problem:
                self._write(answer)
                return
        self._again.set_visibility(True)

    def _write(self, answer: Answer) -> None:
        self._answer = answer
        with self._text:
            for note in answer["notes"]:
                ui.label(note).classes("warning")
            for line in answer["lines"]:
                ui.label(line).classes("fact")
        self._show.set_visibility(True)

    def show(self) -> bool:
        """Draw the motion where it is known and was not drawn yet; return whether that was now."""
        if self._view is not None or not self._answer:
            return False
        self._draw()
        return True

    def rest(self) -> None:
        """Play no more: what it shows waits no longer."""
        if self._view is not None:
            self._view.picture.call("rest")

    def _draw(self) -> None:
        self._show.set_visibility(False)
        with self._box:
            self._view = view = _View(self._answer["picture"], "preview", self._answer["ball"])
            # What is in them is the browser's: nothing here ever changes them.
            film = ui.element("div")
            with ui.element("div").classes("acts"):
                acts = ui.element("div").classes("film-acts")
                view.buttons()
            view.legend(_LEGEND)
        view.picture.call("play_in", film.html_id, acts.html_id)

    def look(self) -> None:
        """Show where people are now."""
        people = self._stage.watch.now.people
        if self._view is not None and people != self._people:
            self._people = people
            self._view.picture.call("people", [list(point) for point in people or ()], self._stage.body_radius)


class LiveBox:
    """The robot as it is measured, with a ghost where it is commanded to be.

    Args:
        stage: of the panel.
        tool: that the robot carries.
        seen: whether somebody sees the page; where nobody does no robot is drawn, so that none is ever an old one.
    """

    def __init__(self, stage: Stage, tool: Callable[[], str], seen: Callable[[], bool]) -> None:
        """Show nothing until somebody asks for it."""
        self._stage, self._tool, self._seen, self._busy = stage, tool, seen, False
        self._view: _View | None = None
        self._drawn = ""
        with ui.element("div").classes("preview") as self._box:
            self._words = ui.label().classes("caption")
            self._button = ui.button("SHOW THE ROBOT", on_click=self._toggle, color=None)
            self._place = ui.element("div")
            self._timer = ui.timer(TICK, self._tick, active=False)
        self._words.set_visibility(False)

    def _toggle(self) -> None:
        shows = not self._timer.active
        self._timer.active = shows
        self._words.set_visibility(shows)
        self._button.set_text("HIDE THE ROBOT" if shows else "SHOW THE ROBOT")
        if not shows:
            self._clear()

    def _clear(self) -> None:
        self._place.clear()
        self._view = None

    async def _tick(self) -> None:
        if self._busy:
            return
        self._busy = True
        try:
            await self._update(self._tool())
        finally:
            self._busy = False

    async def _update(self, tool: str) -> None:
        if self._view is None or self._drawn != tool:
            answer = await self._stage.studio.robot(tool)
            if not self._timer.active or self._box.is_deleted:
                return
            self._clear()
            if "problem" in answer:
                self._words.set_text(f"it can not be drawn: {answer['problem']}")
                return
            with self._place:
                self._view, self._drawn = _View(answer["picture"], "live", answer["ball"]), tool
                with ui.element("div").classes("acts"):
                    self._view.buttons()
                self._view.legend(_LIVE_LEGEND)
        if not self._seen():
            if self._words.text != _UNSEEN:
                self._view.picture.call("live", None, None, [], [])
                self._words.set_text(_UNSEEN)
            return
        here, answer = await self._stage.poses(tool)
        if self._view is None or self._box.is_deleted:
            return
        measured, commanded = answer.get("poses") or (None, None)
        pose = [one and one["pose"] for one in (measured, commanded)]
        bones = [one["bones"] if one else [] for one in (measured, commanded)]
        self._view.picture.call("live", *pose, *bones)
        self._view.picture.call("people", [list(point) for point in here.people or ()], self._stage.body_radius)
        self._words.set_text(
            f"{'as measured' if measured else 'NOT MEASURED: it is not known where the robot is'}; "
            f"{'as commanded' if commanded else 'no commanded pose is heard'}"
            f"{'' if here.people is None else f'; {len(here.people)} points of people'}"
        )
