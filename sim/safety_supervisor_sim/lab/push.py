"""A standing humanoid is pushed: does it fall, and how that looks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from safety_supervisor_sim.cell.standing import StandingRobot
from safety_supervisor_sim.lab.humanoid import standing_file
from safety_supervisor_sim.oracle.balance import BalanceJudge

Frame = NDArray[np.uint8]

PUSH: Final = 0.2
"""How long it is pushed, [s]."""
_BEFORE: Final = 0.2  # [s]
_BETWEEN: Final = 0.1  # two pictures, [s]
_SIZE: Final = (280, 280)
_COLOURS: Final = 48


def push(
    name: str, force: float, seconds: float, seen: Callable[[StandingRobot], None] | None = None
) -> dict[str, Any]:
    """Push a robot from behind, nobody commanding it, and return what the judge saw.

    Args:
        name: of `sim/cells/NAME_standing.yaml`.
        force: forward, [N].
        seconds: watched, the time before the push included.
        seen: called ten times a second; it may take a picture.

    Raises:
        FileNotFoundError: there is no such robot.
    """
    robot = StandingRobot(standing_file(name))
    try:
        judge = BalanceJudge(robot.file.fallen.tilt, robot.file.fallen.height)
        rate = robot.file.rate_hz
        for step in range(round(seconds * rate)):
            if step == round(_BEFORE * rate):
                robot.push((force, 0.0, 0.0), PUSH)
            if seen is not None and step % round(_BETWEEN * rate) == 0:
                seen(robot)
            robot.step()
            judge.see(robot.stance())
        return {"robot": name, "force": force, "seconds": PUSH, **judge.seen.as_dict()}
    finally:
        robot.close()


def film(name: str, forces: Sequence[float], seconds: float, out: Path) -> list[dict[str, Any]]:
    """Push a robot by each of some forces and write all of it side by side into one moving picture (GIF).

    Raises:
        OSError: the file can not be written.
    """
    from PIL import Image

    told, rows = [], []
    for force in forces:
        frames: list[Frame] = []
        told.append(push(name, force, seconds, partial(_take, frames)))
        rows.append(frames)
    pictures = [
        Image.fromarray(np.concatenate(beside, axis=1)).quantize(_COLOURS, dither=Image.Dither.NONE)
        for beside in zip(*rows, strict=True)
    ]
    pictures[0].save(
        out, save_all=True, append_images=pictures[1:], duration=round(1e3 * _BETWEEN), loop=0, optimize=True
    )
    return told


def _take(frames: list[Frame], robot: StandingRobot) -> None:
    frames.append(robot.picture(*_SIZE))
