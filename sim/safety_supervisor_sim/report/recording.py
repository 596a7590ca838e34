"""Plays a run again and records what the campaign did not keep: true motion, states, pictures."""

from __future__ import annotations

import base64
import io
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pybullet
from numpy.typing import NDArray

from safety_supervisor.core.effects import Status
from safety_supervisor.core.events import Event
from safety_supervisor_sim.cell.standing_cell import StandingCell
from safety_supervisor_sim.engine.clockwork import START, Clockwork
from safety_supervisor_sim.engine.motors import ArmMotors, CellMotors
from safety_supervisor_sim.engine.run import run as play
from safety_supervisor_sim.oracle.limits import Limits
from safety_supervisor_sim.report.runs import Run
from safety_supervisor_sim.scenario import read_scenario

FRAMES: Final = 24
"""Pictures of one run at most."""
LONGEST_PAUSE: Final = 0.25
"""Between two pictures of a short run, [s]."""
SIZE: Final = (200, 200)
COLOURS: Final = 32
MOST_BYTES: Final = 150_000
"""Of one moving picture; a larger one is left out."""
SHOWN: Final = 200
"""How long each picture stands, [ms]."""

Array = NDArray[np.float64]
Frame = NDArray[np.uint8]


@dataclass
class Recording:
    """What was recorded.

    Attributes:
        joints: names.
        limits: the oracle's, not the supervisor's.
        time: of samples, shape (k,), [s] from the beginning.
        position, velocity: true, shape (k, n), [rad], [rad/s].
        states: when which state began, [s].
        frames: pictures, `pause` [s] apart.
        same: whether every effect was that of the run in the table.
    """

    joints: tuple[str, ...]
    limits: Limits
    time: Array
    position: Array
    velocity: Array
    states: list[tuple[float, str]]
    frames: list[Frame]
    same: bool


@dataclass
class _Camera:
    """Sees a world go on: its states, and pictures of it."""

    pause: float
    states: list[tuple[float, str]] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    world: Clockwork | None = None
    _next: float = 0.0

    def watch(self, world: Clockwork) -> None:
        """Look at every event and every cycle from now on; nothing of the run is changed."""
        self.world = world
        enter, cycle, take = world.enter, world.cycle, _lens(world)

        def seen(event: Event) -> Any:
            effects = enter(event)
            for effect in effects:
                if isinstance(effect, Status) and (not self.states or self.states[-1][1] != effect.state):
                    self.states.append(((world.now - START) * 1e-9, effect.state))
            return effects

        def cycled() -> None:
            cycle()
            now = (world.now - START) * 1e-9
            if now >= self._next - 1e-9 and len(self.frames) < FRAMES:
                self._next += self.pause
                self.frames.append(take())

        world.enter = seen  # type: ignore[method-assign]
        world.cycle = cycled  # type: ignore[method-assign]


def record(run: Run) -> Recording:
    """Play a run of the supervisor again, and record it.

    Args:
        run: one that is done, with all checks on.

    Raises:
        ValueError: it can not be played here: a ConfigurationError, an UnplayableError.
        FileNotFoundError: its robot's files are not here.
    """
    scenario = read_scenario(Path(f"run {run.id}"), run.text.encode())
    camera = _Camera(max(LONGEST_PAUSE, run.simulated / FRAMES))
    played = play(scenario, seed=run.seed, replay=False, broken=camera.watch)
    assert camera.world is not None
    motors = camera.world.motors
    if not isinstance(motors, CellMotors):
        raise ValueError(f"run {run.id}: this robot keeps no record of its motion")
    oracle = motors.cell.oracle
    with tempfile.TemporaryDirectory(prefix="recorded-run-") as directory:
        trace = Path(directory) / "trace.npz"
        oracle.save_trace(trace)
        with np.load(trace) as kept:
            time, position, velocity = kept["time_ns"], kept["position"], kept["velocity"]
    return Recording(
        joints=motors.cell.joints,
        limits=oracle.limits,
        time=(time - START) * 1e-9,
        position=position,
        velocity=velocity,
        states=camera.states,
        frames=camera.frames,
        same=played.summary["effects_sha256"] == run.effects_sha256,
    )


def _lens(world: Clockwork) -> Callable[[], Frame]:
    """Return what takes a picture of the robot in this world, by PyBullet's software renderer."""
    motors = world.motors
    if isinstance(motors, ArmMotors):
        client = motors.cell.body[0]
        width, height = SIZE
        view = pybullet.computeViewMatrixFromYawPitchRoll([0.15, 0.0, 0.42], 1.5, 50.0, -20.0, 0.0, 2)
        lens = pybullet.computeProjectionMatrixFOV(45.0, width / height, 0.1, 10.0)

        def take() -> Frame:
            image = pybullet.getCameraImage(
                width, height, view, lens, renderer=pybullet.ER_TINY_RENDERER, shadow=0, physicsClientId=client
            )
            return np.array(image[2], dtype=np.uint8).reshape(height, width, 4)[:, :, :3]

        return take
    cell: Any = getattr(motors, "cell", None)
    if isinstance(cell, StandingCell):
        return lambda: cell.robot.picture(*SIZE)
    raise ValueError("this robot can not be seen")


def moving_picture(frames: list[Frame]) -> str:
    """Return pictures as one GIF, a `data:` address; "" when there are none, or it would be too large."""
    if not frames:
        return ""
    from PIL import Image

    pictures = [Image.fromarray(frame).quantize(COLOURS, dither=Image.Dither.NONE) for frame in frames]
    out = io.BytesIO()
    pictures[0].save(out, "GIF", save_all=True, append_images=pictures[1:], duration=SHOWN, loop=0, optimize=True)
    data = out.getvalue()
    return "" if len(data) > MOST_BYTES else f"data:image/gif;base64,{base64.b64encode(data).decode('ascii')}"
