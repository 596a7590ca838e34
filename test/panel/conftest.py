"""Fixtures: real processes beside the panel, as for the tests of the node."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

for room in ("core", "ros"):
    sys.path.insert(0, str(Path(__file__).parents[1] / room))
sys.path.insert(0, str(Path(__file__).parent))

from ros_rig import Rig, running_rig  # noqa: E402

# Without a GPU process the browser leaves parts of a scene that scrolls into sight blank: pictures are taken with one.
_DRAWS = (
    ["--use-angle=swiftshader", "--enable-unsafe-swiftshader"] if "PANEL_PICTURES" in os.environ else ["--disable-gpu"]
)
FLAGS = [
    *_DRAWS, "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP *.test 127.0.0.1",
]  # fmt: skip


@pytest.fixture(scope="session")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """One cell for all tests of the panel."""
    with running_rig(tmp_path_factory.mktemp("panel")) as running:
        yield running


@pytest.fixture(scope="session")
def one_panel(rig: Rig) -> Any:
    """One supervisor and one panel for all tests."""
    from panel_rig import PanelRig

    return PanelRig(rig)


@pytest.fixture
def panel(one_panel: Any) -> Any:
    """The same, running, whatever the test before did to it."""
    one_panel.make_ready()
    return one_panel


@pytest.fixture(scope="module")
def one_chromium() -> Iterator[Any]:
    """A real browser, where there is one; no test of its module runs an event loop."""
    found = shutil.which("chromium")
    if found is None or importlib.util.find_spec("playwright") is None:
        pytest.skip("a real browser needs Debian's chromium and playwright (docs/panel.md)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def chromium(one_chromium: Any) -> Iterator[Any]:
    """The same, whose windows are closed behind the test: each goes on drawing, and here without a graphics card."""
    yield one_chromium
    for context in list(one_chromium.contexts):
        context.close()
