"""The page in a real browser: strangers' words run nothing, nothing is loaded, links open what they lead to."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from report_rows import BAD, row, runs_of
from strangers import EVERYTHING, strange

from safety_supervisor_sim.report.findings import Findings
from safety_supervisor_sim.report.page import render
from safety_supervisor_sim.report.proof import Tables

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    found = shutil.which("chromium")
    if found is None or importlib.util.find_spec("playwright") is None:
        pytest.skip("a real browser needs Debian's chromium and playwright (docs/panel.md)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--disable-gpu", "--no-sandbox"])
        yield browser
        browser.close()


def opened(chromium: Any, path: Path, **context: Any) -> tuple[Any, list[str]]:
    """Open a page; return it, and all that it asked for, said and complained of."""
    page = chromium.new_context(**context).new_page()
    seen: list[str] = []
    page.on("request", lambda request: seen.append(request.url[:40]))
    page.on("console", lambda message: seen.append(message.text))
    page.on("pageerror", lambda error: seen.append(str(error)))
    page.on("dialog", lambda dialog: seen.append(dialog.message))
    page.goto(path.as_uri())
    return page, [one for one in seen if not one.startswith(("file://", "data:"))]


@pytest.fixture
def strange_page(tmp_path: Path) -> Path:
    tables = Tables(texts={"REDTEAM 29": EVERYTHING}, tests={"REDTEAM 29": [EVERYTHING]})
    rows = [row(1, **strange()), row(2, **strange(ended="died")), row(3, **strange(subject=EVERYTHING))]
    runs, sources = runs_of(tmp_path, [*rows, row(4, **strange(disabled=EVERYTHING))])
    (tmp_path / "r.html").write_text(render(Findings(EVERYTHING, runs, sources, tables), []), encoding="utf-8")
    return tmp_path / "r.html"


@pytest.mark.parametrize("policy", [True, False])
def test_words_of_strangers_run_nothing_with_and_without_the_policy(
    chromium: Any, strange_page: Path, policy: bool
) -> None:
    page, seen = opened(chromium, strange_page, bypass_csp=not policy)
    assert seen == []
    assert page.evaluate("window.broken") is None
    assert page.locator("script, iframe, base, form, object, embed, link").count() == 0
    assert page.evaluate("[...document.querySelectorAll('*')].flatMap(e => [...e.attributes]).filter(a => "
                         "a.name.startsWith('on') || /^javascript:/i.test(a.value)).length") == 0  # fmt: skip
    assert page.locator("h1").is_visible()
    assert "<script>window.broken = 1</script>" in page.locator("body").inner_text()


def test_a_link_opens_the_run_that_it_leads_to_in_both_themes(chromium: Any, tmp_path: Path) -> None:
    runs, sources = runs_of(tmp_path, [row(1), row(2, **BAD)])
    findings = Findings("a title", runs, sources, Tables(texts={"REDTEAM 29": "thin zone"}))
    (tmp_path / "r.html").write_text(render(findings, []), encoding="utf-8")
    paper = {}
    for scheme in ("light", "dark"):
        page, seen = opened(chromium, tmp_path / "r.html", color_scheme=scheme, viewport={"width": 380, "height": 700})
        assert seen == []
        target = page.locator(f"#run-{runs[1].id}")
        assert not target.is_visible()
        page.locator(f"a[href='#run-{runs[1].id}']").first.click()
        assert target.is_visible()
        paper[scheme] = page.evaluate("getComputedStyle(document.body).backgroundColor")
        # On a phone wide tables scroll by themselves, never the page.
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert paper["light"] != paper["dark"]
