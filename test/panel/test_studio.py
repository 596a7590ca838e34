"""The drawing process and the panel's end of it: real processes, killed, hung and given nonsense."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from test_preview import CASES, at_rest, command, previewer, told

from safety_supervisor.core.settings import Configuration
from safety_supervisor.panel import studio as studio_module
from safety_supervisor.panel.studio import MOST_ASKED, Studio

CONFIGURATION, _ = previewer("panda")
REST = at_rest(CONFIGURATION)


def goal(by: float = 0.5, **changes: str) -> dict[str, str]:
    return told(CONFIGURATION, command(CONFIGURATION, "arm", {"panda_joint1": by}), **changes)


def run(asked: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(asked, 100.0))


def using(ask: Any, configuration: Configuration = CONFIGURATION) -> Any:
    """Ask a studio in an event loop of its own, and end it."""

    async def whole() -> Any:
        studio = Studio(configuration)
        try:
            return await ask(studio)
        finally:
            studio.close()
            await asyncio.sleep(0.2)  # the loop that started it is the one that buries it

    return run(whole())


@pytest.mark.redteam(55)
def test_a_preview_comes_with_the_hash_of_what_it_was_made_of() -> None:
    async def ask(studio: Studio) -> None:
        asked = goal()
        answer = await studio.preview(asked, "", REST)
        assert answer["sha256"] == asked["command_sha256"]
        drawn = json.loads(answer["picture"])
        assert len(drawn["frames"]) == len(drawn["times"]) == len(drawn["near"])
        # What the process says is what was found, word for word.
        by = {"panda_joint1": 0.8, "panda_joint2": 0.5}
        slow = told(CONFIGURATION, command(CONFIGURATION, "arm", by), joint_speed="0.1")
        said, own = await studio.preview(slow, "", REST), previewer("panda")[1].make(slow, "", REST)
        drawn = json.loads(said["picture"])
        assert drawn["times"] == own.times.tolist()
        assert drawn["near"] == [str(near) for near in own.near]
        assert (drawn["worst"], said["lines"], said["notes"]) == (own.worst, list(own.lines), list(own.notes))
        assert drawn["near"][0] != drawn["near"][-1]
        assert "told that joints reach 0.1" in said["notes"][0]
        assert await studio.preview(asked | {"remaining_s": "1.0"}, "", REST) is answer
        # Where joints were measured, and what else is told of it, is another question.
        assert await studio.preview(asked, "", REST | {"panda_joint1": 0.3}) is not answer
        refused = await studio.preview(asked | {"command_sha256": "0" * 64}, "", REST)
        assert "not what the supervisor holds" in refused["problem"]
        assert "tool" in (await studio.preview(asked, "screwdriver", REST))["problem"]
        live = await studio.poses("", (REST, {}, REST | {"panda_joint1": 1e9}))
        assert [one is None for one in live["poses"]] == [False, True, True]
        drawn = json.loads((await studio.robot(""))["picture"])
        assert len(live["poses"][0]["pose"]) == 7 * len(drawn["bodies"])

    using(ask)


def test_a_humanoid_is_drawn_in_time() -> None:
    humanoid, _ = previewer("g1")
    group, by, _ = CASES["g1"]

    async def ask(studio: Studio) -> None:
        answer = await studio.preview(told(humanoid, command(humanoid, group, by)), "", at_rest(humanoid))
        assert "problem" not in answer
        assert len(answer["picture"]) < 1_000_000

    using(ask, humanoid)


def test_a_process_that_was_killed_is_started_again() -> None:
    async def ask(studio: Studio) -> None:
        assert "problem" not in await studio.preview(goal(), "", REST)
        assert studio._process is not None
        os.kill(studio._process.pid, signal.SIGKILL)
        answers = [await studio.preview(goal(by), "", REST) for by in (0.4, 0.3)]
        assert "problem" not in answers[-1]

    using(ask)


def test_a_process_that_hangs_is_ended_and_nothing_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    async def ask(studio: Studio) -> None:
        await studio.robot("")
        assert studio._process is not None
        hung = studio._process
        os.kill(hung.pid, signal.SIGSTOP)
        monkeypatch.setattr(studio_module, "PATIENCE", 0.3)
        assert "no answer" in (await studio.preview(goal(), "", REST))["problem"]
        assert await hung.wait() == -signal.SIGKILL
        monkeypatch.undo()
        assert "problem" not in await studio.preview(goal(), "", REST)

    using(ask)


def test_nonsense_ends_no_process() -> None:
    async def ask(studio: Studio) -> None:
        await studio.robot("")
        assert studio._process is not None
        process = studio._process.pid
        for text in ("[" * 100_000, '{"a":1e999}', "\x00", "\u2028", '"' * 1000):
            assert "problem" in await studio.preview(goal(command=text), "", REST)
        assert "problem" in await studio._ask({"ask": "password"})
        assert "problem" in await studio._ask({})
        assert "problem" in await studio.poses("screwdriver", ())
        assert studio._process is not None
        assert studio._process.pid == process

    using(ask)


def test_more_than_may_wait_is_not_asked() -> None:
    async def ask(studio: Studio) -> None:
        answers = await asyncio.gather(*(studio.robot("") for _ in range(MOST_ASKED + 5)))
        assert sum("too many" in answer.get("problem", "") for answer in answers) == 5
        assert "problem" not in await studio.robot("")

    using(ask)


def test_an_answer_that_nobody_waits_for_any_more_is_not_given_to_another_question() -> None:
    async def ask(studio: Studio) -> None:
        await studio.robot("")
        task = asyncio.create_task(studio.preview(goal(0.2), "", REST))
        await asyncio.sleep(0.002)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        asked = goal(0.3)
        assert (await studio.preview(asked, "", REST))["sha256"] == asked["command_sha256"]

    using(ask)


def test_a_file_that_has_changed_since_is_not_drawn(tmp_path: Path) -> None:
    file = tmp_path / "panda.yaml"
    file.write_text(Path(CONFIGURATION.path).read_text(encoding="utf-8") + "\n# another one\n", encoding="utf-8")

    async def ask(studio: Studio) -> None:
        assert "no answer" in (await studio.preview(goal(), "", REST))["problem"]

    using(ask, replace(CONFIGURATION, path=str(file)))
