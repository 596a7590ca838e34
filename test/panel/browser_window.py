"""A window of a real browser, as a person has it before the eyes."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

from panel_rig import PASSWORDS, PanelRig
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

PICTURES = os.environ.get("PANEL_PICTURES")
"""Directory for pictures of the pages."""
_COLOURS = 128
PATIENCE = 20_000
"""Of a busy machine, [ms]."""


class Window:
    """One window, and all that the browser complained of."""

    def __init__(self, chromium: Browser, panel: PanelRig, port: int = 0, **context: Any) -> None:
        self.panel, self.port, self.complaints = panel, port or panel.port, list[str]()
        self.context = chromium.new_context(**({"viewport": {"width": 1024, "height": 768}} | context))
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE)
        self.page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(f"dialog {dialog.message}"))

    def open(self, path: str = "/") -> Page:
        self.page.goto(f"http://127.0.0.1:{self.port}{path}")
        return self.page

    def login(self, name: str) -> Page:
        page = self.open("/login")
        page.fill("input[name=name]", name)
        page.fill("input[name=password]", PASSWORDS[name])
        page.click("form.login button")
        page.wait_for_url("**/")
        self.says(f"logged in: {name}")
        return page

    def says(self, text: str) -> None:
        expect(self.page.locator("body")).to_contain_text(text, timeout=PATIENCE)

    def state(self, word: str) -> None:
        """Wait until the banner says it, while the test's node hears the supervisor, too."""
        self.panel.cell.client.wait_for(lambda: word in self.page.locator(".banner .state").inner_text(), word, 20.0)

    def picture(self, name: str) -> None:
        if PICTURES:
            picture = Image.open(io.BytesIO(self.page.screenshot())).convert("RGB")
            picture.quantize(_COLOURS).save(Path(PICTURES) / f"{name}.png", optimize=True)


def settled(page: Page) -> None:
    """As a person is, who looks before the click."""
    page.wait_for_timeout(800)


def approve(page: Page, card: Locator, asked: str) -> None:
    """Press APPROVE as a person does: where the page says that nothing was signed, they look again and press again."""
    told = page.get_by_text(f"approve {asked}: ")
    for _ in range(5):
        settled(page)
        if told.is_visible() and "nothing was signed" not in told.inner_text():
            return
        card.get_by_role("button", name="APPROVE").click()
        expect(told).to_be_visible(timeout=PATIENCE)
    raise AssertionError(told.inner_text())
