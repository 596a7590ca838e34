"""What a page covers, draws and says as long as somebody scrolls it, or does not see it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import numpy as np
import pytest

pytest.importorskip("nicegui", reason="the extra `panel` is not installed")
pytest.importorskip("playwright", reason="a real browser needs Debian's chromium and playwright (docs/panel.md)")

from browser_window import PATIENCE, Window
from playwright.sync_api import Browser, Locator, Page, expect
from preview_rig import Teller
from ros_rig import Rig, running_rig
from test_preview_browser import COUNT, card_of, link_at, places, until

PHONE = {"width": 390, "height": 844}
_HIDE = (
    "hidden => { Object.defineProperty(document, 'hidden', {get: () => hidden, configurable: true});"
    " document.dispatchEvent(new Event('visibilitychange')); }"
)
_COVERED = """() => {
  const one = document.activeElement, line = document.querySelector(".brief").getBoundingClientRect();
  if (one === document.body || one.closest("#stopbar")) return [0, 0, 0];
  const { top, bottom } = one.getBoundingClientRect();
  return [top + 1, line.bottom, bottom];
}"""
"""Where the focus begins, how far the line reaches, 0 where there is none, and where the focus ends, [pixel]."""


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with running_rig(tmp_path_factory.mktemp("seen")) as running:
        yield running


@pytest.fixture(scope="module")
def panda(rig: Rig) -> Iterator[Teller]:
    with closing(Teller(rig, "panda")) as teller:
        yield teller


def box(one: Locator) -> dict[str, float]:
    found = one.bounding_box()
    assert found is not None
    return dict(found)


def bottom(one: Locator) -> float:
    found = box(one)
    return found["y"] + found["height"]


@pytest.mark.long
@pytest.mark.requirement("SR-020")
def test_scrolled_one_line_stands_for_the_banner_and_stop_stays_as_large(panda: Teller, chromium: Browser) -> None:
    panda.told = {}
    window = Window(chromium, panda, panda.port)  # type: ignore[arg-type]
    page = window.login("bob")
    said = panda.ask("arm", {"panda_joint1": 0.9})
    expect(card_of(page, said["id"]).get_by_role("slider")).to_be_visible(timeout=PATIENCE)
    line, bar, stop = page.locator(".brief"), page.locator("#stopbar"), page.locator("#stopbar button")
    for size, most in (({"width": 1024, "height": 768}, 0.26), (PHONE, 0.28)):
        page.set_viewport_size(size)
        page.evaluate("window.scrollTo(0, 0)")
        expect(line).to_be_hidden()
        before = box(stop)
        page.mouse.move(200, 300)
        page.mouse.wheel(0, 500)
        expect(line).to_be_visible()
        assert (bottom(line) + box(bar)["height"]) / size["height"] < most
        assert box(stop) == before
        assert before["height"] >= 88
        # Nothing that the keyboard reaches lies below either.
        for _ in range(14):
            page.keyboard.press("Tab")
            page.wait_for_timeout(50)
            top, low, lower = page.evaluate(_COVERED)
            assert low <= top
            assert lower <= box(bar)["y"] + 1
    panda.told = {"state": "PROTECTIVE_STOP", "next_step": "Look what is in the way."}
    expect(line).to_contain_text("▲ PROTECTIVE_STOP", timeout=PATIENCE)
    expect(line).to_contain_text("Look what is in the way.")
    expect(line).to_have_class("brief caution")
    panda.speaks = False
    expect(line).to_contain_text("? UNKNOWN", timeout=PATIENCE)
    panda.speaks, panda.told = True, {}
    panda.forget()
    assert window.complaints == []


def robot_of(page: Page) -> list[float]:
    return places(page, "robot").get("robot", [9.0, 9.0, 9.0, False])


@pytest.mark.long
@pytest.mark.redteam(20)
def test_a_hidden_page_draws_nothing_and_shows_nothing_old_when_it_is_seen_again(
    panda: Teller, chromium: Browser
) -> None:
    panda.told, panda.speaks = {"distance_to_limit": "0.5"}, True
    window = Window(chromium, panda, panda.port)  # type: ignore[arg-type]
    page = window.login("ada")
    page.get_by_role("button", name="SHOW PLOTS").click()
    page.get_by_role("button", name="SHOW THE ROBOT").click()
    words, plots, lost = page.get_by_text("as measured;"), page.locator("#plots"), page.locator("#lost")
    expect(words).to_be_visible(timeout=PATIENCE)
    assert panda.measured is not None
    at_first = link_at(panda, panda.measured)
    until(lambda: np.allclose(robot_of(page)[:3], at_first, atol=2e-4), "it is drawn")

    page.evaluate(_HIDE, True)
    expect(page.get_by_text("NOT DRAWN: this page is hidden")).to_be_visible(timeout=PATIENCE)
    expect(plots).to_contain_text("what stands here is old", timeout=PATIENCE)
    until(lambda: not robot_of(page)[3], "no old robot is left")
    drawn = plots.locator("svg").first.inner_html()
    panda.measured["panda_joint1"] = 0.5
    page.wait_for_timeout(2500)
    assert np.allclose(robot_of(page)[:3], at_first, atol=2e-4)
    assert plots.locator("svg").first.inner_html() == drawn
    # What is stale is told all the same.
    panda.speaks = False
    window.says("? UNKNOWN")
    window.says("STALE: ")

    page.evaluate(_HIDE, False)
    expect(lost).to_be_hidden(timeout=PATIENCE)
    window.says("? UNKNOWN")
    panda.speaks = True
    expect(words).to_be_visible(timeout=PATIENCE)
    until(lambda: np.allclose(robot_of(page)[:3], link_at(panda, panda.measured or {}), atol=2e-4), "it is drawn anew")
    assert robot_of(page)[3]
    expect(plots).not_to_contain_text("what stands here is old", timeout=PATIENCE)
    until(lambda: plots.locator("svg").first.inner_html() != drawn, "the plots go on")

    # A picture out of sight is not computed; at rest in sight it is, every two seconds.
    page.evaluate(COUNT)

    def drawn_in(seconds: float) -> bool:
        before = page.evaluate("window.drawn")
        page.wait_for_timeout(1000 * seconds)
        return bool(page.evaluate("window.drawn") > before)

    page.evaluate("window.scrollTo(0, 1e6)")
    until(lambda: not drawn_in(3.0), "it is not computed")
    page.get_by_role("button", name="HIDE THE ROBOT").evaluate("one => one.scrollIntoView()")
    until(lambda: drawn_in(3.0), "it is computed again")
    assert window.complaints == []
