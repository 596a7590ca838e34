"""The panel's drawing process, `python -m safety_supervisor.panel.preview_process FILE SHA256`: previews and poses.

Kinematics and distances take the time of many requests, and run libraries in C++. Here they can neither delay a STOP
nor end the panel. One line of JSON is a question, one line its answer, in this order.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

NICE = 10
"""The rest of the machine comes before a picture."""


def main() -> None:
    """Answer until the parent ends; the large imports wait until this process is a nice one."""
    os.nice(NICE)
    from safety_supervisor.ros.process import die_with_parent

    die_with_parent(signal.SIGKILL)
    # Whatever a library prints is no answer.
    answers = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)
    from safety_supervisor.config import load_config

    configuration = load_config(Path(sys.argv[1]))
    if configuration.sha256 != sys.argv[2]:
        raise SystemExit("the configuration's file has changed since the panel was started")
    artist = Artist(configuration)
    for question in sys.stdin.buffer:
        answers.write(json.dumps(artist.answer(json.loads(question)), separators=(",", ":")) + "\n")
        answers.flush()


class Artist:
    """Answers questions about one robot.

    Args:
        configuration: of the robot.
    """

    def __init__(self, configuration: Any) -> None:
        """Build kinematics and scene."""
        from safety_supervisor.panel.preview import Previewer

        self._configuration = configuration
        self._previewer = Previewer(configuration)

    def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        """Answer `preview`, `robot` or `poses`; `problem` says why there is no answer."""
        from safety_supervisor.panel.waiting_motion import PreviewError

        try:
            return {"preview": self._preview, "robot": self._robot, "poses": self._poses}[question["ask"]](question)
        except PreviewError as error:
            return {"problem": str(error)}
        except Exception as error:  # whatever is wrong with a command: nothing is drawn, and the next one is
            return {"problem": f"it can not be drawn: {type(error).__name__}: {error}"}

    def _preview(self, question: dict[str, Any]) -> dict[str, Any]:
        from safety_supervisor.panel.picture import draw_preview, look_at

        viewer = self._previewer.viewer(question["tool"])
        made = self._previewer.make(question["told"], question["tool"], question["measured"])
        picture = draw_preview(self._configuration, viewer, made)
        return {
            "sha256": made.sha256,
            "lines": made.lines,
            "notes": made.notes,
            "ball": look_at(viewer, made.poses),
            "picture": json.dumps(picture, separators=(",", ":"), allow_nan=False),
        }

    def _robot(self, question: dict[str, Any]) -> dict[str, Any]:
        from safety_supervisor.panel.picture import draw_robot, draw_zones, look_at

        viewer = self._previewer.viewer(question["tool"])
        picture = {"bodies": draw_robot(viewer), "zones": draw_zones(self._configuration)}
        drawn = json.dumps(picture, separators=(",", ":"), allow_nan=False)
        return {"ball": look_at(viewer, viewer.model.middle()[None]), "picture": drawn}

    def _poses(self, question: dict[str, Any]) -> dict[str, Any]:
        from safety_supervisor.panel.picture import draw_bones, draw_pose
        from safety_supervisor.panel.waiting_motion import PreviewError

        viewer = self._previewer.viewer(question["tool"])
        drawn: list[dict[str, list[float]] | None] = []
        for positions in question["poses"]:
            try:
                q = self._previewer.pose(positions)
                drawn.append({"pose": draw_pose(viewer, q), "bones": draw_bones(viewer, q)})
            except PreviewError:
                drawn.append(None)
        return {"poses": drawn}


if __name__ == "__main__":
    main()
