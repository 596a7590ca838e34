"""What `demo --robot g1` shows, as a moving picture: the same motions through the same core, in simulated time.

Four views side by side: arms that move while it stands; both hands too far, refused; the same with nobody between agent
and motors; an e-stop while it leans. Poses are those of `sim/scenarios/ROBOT_demo.yaml`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from safety_supervisor.core.errors import Code
from safety_supervisor.core.settings import Configuration
from safety_supervisor_sim.agent.motions import PointToPoint, set_points, shortest_duration
from safety_supervisor_sim.agent.poses import resolve
from safety_supervisor_sim.cell.standing import DAMP, HOLD, LOWER, StandingRobot
from safety_supervisor_sim.demo.places import shared
from safety_supervisor_sim.lab.humanoid import Humanoid, standing_file
from safety_supervisor_sim.lab.stand import load_stand
from safety_supervisor_sim.oracle.balance import BalanceJudge
from safety_supervisor_sim.scenario import Scenario, load_scenario

Frame = NDArray[np.uint8]
FPS: Final = 8
SECONDS: Final = 5.5
"""How long each view is, [s]; what ends sooner stands still."""
_SHARE: Final = 0.7  # of the joint limits, as the agent of the demonstration
_LEANS: Final = 4.0  # [s]
_RETURNS: Final = 1.6  # [s]
_SIZE: Final = (200, 250)
_COLOURS: Final = 40


@dataclass
class View:
    """One view, and what was seen in it.

    Attributes:
        title: for people.
        frames: `FPS` a second.
        codes: of what was refused or stopped.
        modes: that the robot was told.
        fell: whether it did, by the judge of balance.
        reached: how much of the way was sent.
    """

    title: str
    frames: list[Frame] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)
    modes: list[str] = field(default_factory=list)
    fell: bool = False
    reached: float = 1.0

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        told = {"codes": self.codes, "modes": self.modes, "fell": self.fell, "reached": self.reached}
        return {"title": self.title, **told}


class _Studio:
    """One robot that is put back on its feet for every view."""

    def __init__(self, name: str) -> None:
        self.configuration: Configuration = load_stand(name).configuration
        self.scenario: Scenario = load_scenario(shared("scenarios", f"{name}_demo.yaml"))
        self.robot = StandingRobot(standing_file(name))
        self._landed = self.robot.save()
        self.view = View("")

    def begin(self, title: str) -> Humanoid:
        self.robot.restore(self._landed)
        humanoid = Humanoid(self.configuration, self.robot)
        self.view = View(title)
        self._next = np.inf
        return humanoid

    def roll(self) -> None:
        """Take pictures from now on."""
        self._next = self.robot.time

    def see(self) -> None:
        if self.robot.time >= self._next - 1e-9:
            self._next += 1.0 / FPS
            self.view.frames.append(self.robot.picture(*_SIZE))

    def motion(self, humanoid: Humanoid, pose: str, seconds: float = 0.0) -> PointToPoint:
        joints, limits, now = self.robot.joints, self.configuration.envelope.joints, humanoid.pose
        goal = resolve(self.scenario.poses[pose], joints, now)
        shortest = shortest_duration(
            goal - now, _SHARE * limits.velocity, _SHARE * limits.acceleration, _SHARE * limits.jerk
        )
        return PointToPoint(now, goal, seconds or shortest)

    def stream(self, humanoid: Humanoid, source: str, motion: PointToPoint, share: float = 1.0) -> float:
        """Stream a share of a motion, unless it is refused; return how much was sent."""
        period = self.configuration.source(source).period * 1e-9
        rows = set_points(motion, period)
        humanoid.begin()
        begin, sent = humanoid.now, 0
        while sent < share * len(rows) and humanoid.refused is None:
            while sent < len(rows) and sent * period <= (humanoid.now - begin) * 1e-9:
                humanoid.stream_of(source, rows[sent])
                sent += 1
            humanoid.cycle()
            self.see()
        return sent / len(rows)

    def watch(self, humanoid: Humanoid, seconds: float, enough: Callable[[], bool] = bool) -> None:
        until = self.robot.time + seconds
        while self.robot.time < until and not enough():
            humanoid.cycle()
            self.see()

    def end(self, humanoid: Humanoid) -> View:
        view = self.view
        view.codes = [one.code for one in humanoid.decisions if one.verdict in ("REJECT", "STOP")]
        view.modes = [mode for _, mode in humanoid.rungs]
        view.fell = humanoid.balance.seen.fell
        return view


def views(name: str) -> list[View]:
    """Play the four views.

    Args:
        name: of `sim/scenarios/NAME_demo.yaml`, `config/NAME.yaml` and `sim/cells/NAME_standing.yaml`.

    Raises:
        FileNotFoundError: one of them is not there.
    """
    studio = _Studio(name)
    source = studio.scenario.source
    try:
        return [_good(studio, source), _refused(studio, source), _let_on(studio), _brought_down(studio, source)]
    finally:
        studio.robot.close()


def as_expected(shown: list[View]) -> bool:
    """Whether the views of `views` end as the demonstration's acts are expected to."""
    good, refused, let_on, down = shown
    return (
        not (good.codes or good.fell)
        and refused.codes[:1] == [Code.BALANCE.value]
        and not refused.fell
        and let_on.fell
        and down.modes[:3] == [HOLD, LOWER, DAMP]
        and not down.fell
    )


def _good(studio: _Studio, source: str) -> View:
    humanoid = studio.begin("good motion passes")
    studio.roll()
    view = studio.view
    view.reached = studio.stream(humanoid, source, studio.motion(humanoid, "forward"))
    studio.watch(humanoid, 0.5)
    view.reached *= studio.stream(humanoid, source, studio.motion(humanoid, "home"))
    studio.watch(humanoid, SECONDS - len(view.frames) / FPS)
    return studio.end(humanoid)


def _lean(studio: _Studio, title: str) -> Humanoid:
    humanoid = studio.begin(title)
    studio.stream(humanoid, "walker", studio.motion(humanoid, "lean", _LEANS))
    studio.watch(humanoid, 0.2)
    assert humanoid.refused is None
    return humanoid


def _refused(studio: _Studio, source: str) -> View:
    humanoid = _lean(studio, "both hands too far: refused")
    studio.roll()
    studio.view.reached = studio.stream(humanoid, source, studio.motion(humanoid, "far"))
    studio.watch(humanoid, SECONDS - len(studio.view.frames) / FPS)
    return studio.end(humanoid)


def _let_on(studio: _Studio) -> View:
    humanoid = _lean(studio, "the same without a supervisor")
    robot, motion = studio.robot, studio.motion(humanoid, "far")
    judge, begin = BalanceJudge(robot.file.fallen.tilt, robot.file.fallen.height), robot.time
    studio.roll()
    while robot.time < begin + SECONDS:
        robot.drive(motion.at(robot.time - begin).position)
        robot.step()
        judge.see(robot.stance())
        studio.see()
    studio.view.fell = judge.seen.fell
    return studio.view


def _brought_down(studio: _Studio, source: str) -> View:
    humanoid = _lean(studio, "e-stop: it squats, then goes limp")
    studio.stream(humanoid, source, studio.motion(humanoid, "far"))
    studio.watch(humanoid, 0.2)
    studio.roll()
    studio.view.reached = studio.stream(humanoid, source, studio.motion(humanoid, "home", _RETURNS), 0.5)
    humanoid.pressed_button = True
    studio.watch(humanoid, SECONDS, lambda: humanoid.rungs[-1][1] == DAMP)
    fell = humanoid.balance.seen.fell
    studio.watch(humanoid, SECONDS - len(studio.view.frames) / FPS)
    view = studio.end(humanoid)
    view.fell = fell  # who was let go lies down at last
    return view


def write(shown: list[View], out: Path) -> None:
    """Write views side by side into one moving picture (GIF).

    Raises:
        OSError: the file can not be written.
    """
    from PIL import Image, ImageDraw

    count = round(SECONDS * FPS)
    pictures = []
    for number in range(count):
        beside = [view.frames[min(number, len(view.frames) - 1)] for view in shown]
        picture = Image.fromarray(np.concatenate(beside, axis=1))
        pen = ImageDraw.Draw(picture)
        for place, view in enumerate(shown):
            pen.text((place * _SIZE[0] + 6, 6), view.title, fill=(20, 20, 20))
        pictures.append(picture.quantize(_COLOURS, dither=Image.Dither.NONE))
    pictures[0].save(out, save_all=True, append_images=pictures[1:], duration=round(1e3 / FPS), loop=0, optimize=True)
