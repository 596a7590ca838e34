"""The panel's end of the drawing process: asks it, waits with a limit, and starts another one where it has failed.

Nothing that decides or stops waits for it. Where it gives no answer, that is the answer: nothing is drawn.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final

from safety_supervisor.core.settings import Configuration

_LOG: Final = logging.getLogger("safety_supervisor.panel")
PATIENCE: Final = 20.0
"""An answer that takes longer is none, [s]; the first one waits for the process to start."""
MOST_ASKED: Final = 32
"""Questions that wait for their turn; more are not asked: anybody may publish what looks as if it waited."""
_LONGEST_LINE: Final = 1 << 24
_KEPT: Final = 16
"""Previews that are kept: twice what may wait."""
_GRAIN: Final = 1e-3
"""Where a joint was measured counts as the same within this, [rad] or [m]."""
Answer = Mapping[str, Any]


class Studio:
    """Asks the drawing process.

    Args:
        configuration: of the robot.
    """

    def __init__(self, configuration: Configuration) -> None:
        """Start nothing: the first question does."""
        self._command = (
            sys.executable, "-m", "safety_supervisor.panel.preview_process", str(configuration.path),
            configuration.sha256,
        )  # fmt: skip
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()
        self._asked = 0
        self._made: OrderedDict[tuple[object, ...], Answer] = OrderedDict()

    async def preview(self, told: Mapping[str, str], tool: str, measured: Mapping[str, float]) -> Answer:
        """Return the preview of a command that waits; with `problem` there is none.

        Args:
            told: as `~/interventions` tells it.
            tool: that the robot carries.
            measured: where each joint is, by name, [rad] or [m].
        """
        needed = ("command", "command_sha256", "configuration_sha256", "epoch", "id", "joint_speed", "source", "zones")
        asked = {key: told[key] for key in needed if key in told}
        where = tuple(sorted((joint, round(at / _GRAIN)) for joint, at in measured.items()))
        key = (*sorted(asked.items()), tool, where)
        if key in self._made:
            return self._made[key]
        answer = await self._ask({"ask": "preview", "told": asked, "tool": tool, "measured": dict(measured)})
        if "problem" not in answer:
            self._made[key] = answer
            while len(self._made) > _KEPT:
                self._made.popitem(last=False)
        return answer

    async def robot(self, tool: str) -> Answer:
        """Return what the robot and its zones look like; with `problem` they can not be drawn."""
        return await self._ask({"ask": "robot", "tool": tool})

    async def poses(self, tool: str, poses: tuple[Mapping[str, float], ...]) -> Answer:
        """Return where the bodies are at poses; None in the place of one that is not whole."""
        return await self._ask({"ask": "poses", "tool": tool, "poses": [dict(one) for one in poses]})

    async def _ask(self, question: dict[str, Any]) -> Answer:
        if self._asked >= MOST_ASKED:
            return {"problem": "too many pictures are asked for at once"}
        self._asked += 1
        try:
            return await self._in_turn(question)
        finally:
            self._asked -= 1

    async def _in_turn(self, question: dict[str, Any]) -> Answer:
        async with self._turn:
            try:
                return await asyncio.wait_for(self._exchange(question), PATIENCE)
            except (OSError, ValueError, EOFError, asyncio.TimeoutError) as error:
                self.close()
                _LOG.warning("the drawing process gave no answer: %s: %s", type(error).__name__, error)
                return {"problem": "the drawing process gave no answer"}
            except asyncio.CancelledError:
                self.close()  # its answer would be taken for that of the next question
                raise

    async def _exchange(self, question: dict[str, Any]) -> Answer:
        if self._process is None or self._process.returncode is not None:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=_LONGEST_LINE,
                start_new_session=True,
            )  # fmt: skip
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(question, allow_nan=False).encode("ascii") + b"\n")
        await process.stdin.drain()
        line = await process.stdout.readline()
        if not line.endswith(b"\n"):
            raise EOFError("it has ended")
        answer = json.loads(line)
        if not isinstance(answer, dict):
            raise ValueError("no object")
        return answer

    def close(self) -> None:
        """End the process, whatever it does; the next question starts another one."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
