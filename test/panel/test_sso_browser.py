"""Single sign-on in a real Chromium, from the button to the session: with the provider of the extra `dev`, and with one
that PANEL_OIDC names (docs/panel.md)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("nicegui", reason="the extra `panel` is not installed")
pytest.importorskip("authlib", reason="the extra `panel` is not installed")
pytest.importorskip("playwright", reason="a real browser needs Debian's chromium and playwright (docs/panel.md)")

from playwright.sync_api import Browser, Page, expect
from sso_rig import PASSWORDS, SsoPanel

from safety_supervisor.core.panel_settings import OidcSettings

PROVIDER = os.environ.get("PANEL_OIDC")
"""Issuer of another real provider: client `panel`, secret `secret`, any user, redirection to port 9401."""


def whole_flow(page: Page, panel: SsoPanel, press: Any) -> None:
    complaints: list[str] = []
    ours = f"http://127.0.0.1:{panel.port}"

    def hear(said: Any) -> None:
        if said.type == "error" and said.location.get("url", "").startswith(ours):
            complaints.append(said.text)

    page.on("console", hear)
    page.goto(f"http://127.0.0.1:{panel.port}/login?plain=1")
    page.get_by_role("button", name="Log in with").click()
    press(page)
    expect(page.locator("body")).to_contain_text("says that you are ada")
    expect(page.get_by_role("button", name="STOP")).to_be_visible()
    assert page.locator("input[name=name]").count() == 0
    spent = page.url
    page.fill("input[name=password]", PASSWORDS["ada"])
    page.get_by_role("button", name="Log in", exact=True).click()
    page.wait_for_url("**/plain")
    expect(page.locator("body")).to_contain_text("logged in: ada")
    assert complaints == []
    kept = {one["name"]: (one["sameSite"], one["httpOnly"]) for one in page.context.cookies(page.url)}
    assert kept["panel_session"] == kept["panel_form"] == ("Strict", True)
    assert "panel_flow" not in kept
    page.goto(spent)  # what lies behind the back button
    expect(page.locator("body")).to_contain_text("This login was not begun in this browser. Begin anew.")
    page.goto(f"http://127.0.0.1:{panel.port}/plain")
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url("**/login")
    page.goto(f"http://127.0.0.1:{panel.port}/plain")
    expect(page.locator("body")).to_contain_text("STOP needs no login")


def test_from_the_button_to_the_session(chromium: Browser, tmp_path: Path) -> None:
    mock = pytest.importorskip("oidc_provider_mock", reason="a real provider is of the extra `dev`")

    def press(page: Page) -> None:
        page.fill("input[name=sub]", "ada")
        page.get_by_role("button", name="Authorize").click()

    secret = tmp_path / "secret"
    secret.write_text("secret")
    secret.chmod(0o600)
    with mock.run_server_in_thread() as server:
        settings = OidcSettings(f"http://localhost:{server.server_port}", "panel", str(secret), "", "sub", None, True)
        with SsoPanel(tmp_path, settings).running() as panel:
            whole_flow(chromium.new_page(), panel, press)


@pytest.mark.skipif(PROVIDER is None, reason="another real provider is named by PANEL_OIDC=ISSUER (docs/panel.md)")
def test_the_same_with_another_provider(chromium: Browser, tmp_path: Path) -> None:
    """The development pages of node-oidc-provider: any name, any password, then consent."""

    def press(page: Page) -> None:
        page.fill("input[name=login]", "ada")
        page.fill("input[name=password]", "whatever")
        page.locator("button[type=submit]").click()
        page.locator("button[type=submit]", has_text="Continue").click()

    secret = tmp_path / "secret"
    secret.write_text("secret")
    secret.chmod(0o600)
    settings = OidcSettings(str(PROVIDER), "panel", str(secret), "", "sub", None, True)
    with SsoPanel(tmp_path, settings, 9401).running() as panel:
        whole_flow(chromium.new_page(), panel, press)
