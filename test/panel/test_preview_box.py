"""What a card says of its preview, and when it can be approved, with a real drawing process behind it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("nicegui", reason="the extra `panel` is not installed")

from test_studio import REST, goal, using

from safety_supervisor.panel import preview_scene
from safety_supervisor.panel.preview_scene import PreviewBox
from safety_supervisor.panel.studio import Studio


class Shown:
    """Elements of a page, as far as `PreviewBox` says something there."""

    def __init__(self) -> None:
        self.text, self.visible, self.is_deleted = "", False, False

    def set_text(self, text: str) -> None:
        self.text = text

    def set_visibility(self, visible: bool) -> None:
        self.visible = visible


@pytest.mark.redteam(55)
def test_a_picture_of_another_command_is_shown_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the drawing process answers: what is approved is what was drawn."""
    monkeypatch.setattr(preview_scene, "_BETWEEN", 0.0)
    mine, other = goal(0.5), goal(0.4)
    written: list[Any] = []

    async def ask(studio: Studio) -> None:
        for asked, blocks in ((mine, ""), (other, "NO PREVIEW: what was drawn is another command than would be")):
            box: Any = object.__new__(PreviewBox)

            async def preview(*_: Any, asked: dict[str, str] = asked) -> Any:
                return await studio.preview(asked, "", REST)

            box._stage = SimpleNamespace(
                studio=SimpleNamespace(preview=preview), watch=SimpleNamespace(now=SimpleNamespace(measured=REST))
            )
            box._told, box._tool, box._sha256 = mine, str, mine["command_sha256"]
            box._box, box._problem, box._again, box._write = Shown(), Shown(), Shown(), written.append
            await box._make()
            assert box.blocks.startswith(blocks)
            assert bool(box.blocks) == box._problem.visible == box._again.visible == bool(blocks)

    using(ask)
    assert [one["sha256"] for one in written] == [mine["command_sha256"]]
