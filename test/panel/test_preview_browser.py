"""The preview of a motion in a real Chromium: what is drawn is what the command says, and nothing else is approved."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import numpy as np
import pytest

pytest.importorskip("nicegui", reason="the extra `panel` is not installed")

pytest.importorskip("playwright", reason="a real browser needs Debian's chromium and playwright (docs/panel.md)")

import pinocchio as pin
from browser_window import PATIENCE, Window
from playwright.sync_api import Browser, Locator, Page, expect
from preview_rig import WATCHED, Teller
from ros_rig import Rig, children_of, command_of, running_rig

_PLACES = """(names) => {
  const found = {};
  for (const key of Object.keys(window).filter((key) => key.startsWith("scene_"))) {
    window[key].updateMatrixWorld(true);
    for (const [group, link] of names) {
      const copy = window[key].getObjectByName(group);
      const body = copy?.getObjectByName(link);
      if (body) found[group] = [...body.matrixWorld.elements.slice(12, 15), copy.visible];
    }
  }
  return found;
}"""


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """Not that of the other tests: no supervisor of theirs is to be heard here."""
    with running_rig(tmp_path_factory.mktemp("preview")) as running:
        yield running


@pytest.fixture
def panda(rig: Rig) -> Iterator[Teller]:
    with closing(Teller(rig, "panda")) as teller:
        yield teller


@pytest.fixture
def humanoid(rig: Rig) -> Iterator[Teller]:
    with closing(Teller(rig, "g1")) as teller:
        yield teller


def places(page: Page, *groups: str, link: str = "panda_hand") -> dict[str, list[float]]:
    """Return where a link is drawn, by the name of the copy of the robot, and whether that is seen."""
    found: dict[str, list[float]] = page.evaluate(_PLACES, [[group, link] for group in groups])
    return found


def link_at(teller: Teller, positions: dict[str, float], link: str = "panda_hand") -> list[float]:
    """Return where Pinocchio has a link."""
    robot = teller.configuration.robot
    model = pin.buildModelFromXML(robot.urdf)
    data, q = model.createData(), pin.neutral(model)
    for joint, position in positions.items():
        q[model.joints[model.getJointId(joint)].idx_q] = position
    pin.framesForwardKinematics(model, data, q)
    base, end = (model.getFrameId(name, pin.FrameType.BODY) for name in (robot.base_frame, link))
    return list((data.oMf[base].inverse() * data.oMf[end]).translation)


def card_of(page: Page, name: str) -> Locator:
    return page.locator(".card", has_text=f"{name}: planner").first


def until(condition: Callable[[], Any], what: str) -> None:
    ends = time.monotonic() + PATIENCE / 1000
    while not condition():
        assert time.monotonic() < ends, what
        time.sleep(0.05)


@pytest.mark.requirement("SR-022")
@pytest.mark.redteam(55)
def test_what_waits_is_drawn_as_it_would_move(panda: Teller, chromium: Browser) -> None:
    window = Window(chromium, panda, color_scheme="light", viewport={"width": 900, "height": 1250})
    page = window.login("bob")
    said = panda.ask("arm", {"panda_joint1": 0.9, "panda_joint2": 0.4})
    card = card_of(page, said["id"])
    expect(card.locator(".fact").first).to_contain_text("2 joints of 7 move, panda_joint1 by 0.90", timeout=PATIENCE)
    expect(card.get_by_role("button", name="APPROVE")).to_be_enabled()
    window.says("why, in its own words: <b>fetch</b> the cup")
    slider, caption = card.get_by_role("slider"), card.locator(".caption")

    def scrub(share: float) -> None:
        slider.evaluate("one => one.scrollIntoView({block: 'center'})")  # not below STOP
        box = slider.bounding_box()
        assert box is not None
        page.mouse.click(box["x"] + 2 + share * (box["width"] - 4), box["y"] + box["height"] / 2)

    until(lambda: places(page, "end"), "it is drawn")
    card.get_by_role("button", name="PAUSE").click()
    for _ in range(2):  # what was under way when it was pressed
        scrub(0.5)
        page.wait_for_timeout(300)
    expect(caption).to_contain_text(re.compile(r"2\.[456][0-9] s of 5\.00 s"), timeout=PATIENCE)
    u = float(caption.inner_text().split(" s of")[0]) / 5.0
    share = 10 * u**3 - 15 * u**4 + 6 * u**5
    start, end = np.array(said["from"]), np.array(said["positions"][-1])
    for group, pose, close in (
        ("start", start, 2e-4),
        ("end", end, 2e-4),
        ("robot", start + share * (end - start), 4e-3),
    ):
        expected = link_at(panda, dict(zip(said["joints"], pose.tolist(), strict=True)))

        def there(group: str = group, expected: list[float] = expected, close: float = close) -> bool:
            return bool(np.allclose(places(page, group)[group][:3], expected, atol=close))

        until(there, f"the hand of {group} is drawn where it would be")
    card.get_by_role("button", name="NO GHOSTS").click()
    until(lambda: not places(page, "start")["start"][3], "the ghosts are gone")
    card.get_by_role("button", name="GHOSTS", exact=True).click()
    card.get_by_role("button", name="LEAST ROOM").click()
    expect(caption).to_contain_text("mm, has to be more than")
    card.get_by_role("button", name="PLAY").click()
    expect(caption).not_to_contain_text("5.00 s of", timeout=PATIENCE)
    card.get_by_role("button", name="PAUSE").click()
    card.evaluate("one => one.scrollIntoView({block: 'start'})")
    page.mouse.wheel(0, -210)
    # Nothing else is approved when it is gone; what waits next is drawn unasked, though the card stands there still.
    for by in (-0.4, -0.5, -0.6):  # a busy machine may draw it when that card has left, after 8 s
        panda.forget()
        window.says(f"{said['id']}: GONE")
        said = panda.ask("arm", {"panda_joint1": by})
        expect(card_of(page, said["id"]).locator(".caption")).to_contain_text("s of 5.00 s", timeout=PATIENCE)
        if page.locator(".card.gone").count():
            break
    else:
        pytest.fail("it was drawn only when the card before had left")
    assert window.complaints == []


COUNT = """() => {
  window.drawn = 0;
  const draw = WebGL2RenderingContext.prototype.fenceSync;
  WebGL2RenderingContext.prototype.fenceSync = function (...given) {
    window.drawn += 1;
    return draw.apply(this, given);
  };
}"""


_SET_STATUS = """(slow) => {
  const here = WebGL2RenderingContext.prototype;
  window.native ??= here.getSyncParameter;
  here.getSyncParameter = slow ? () => 0 : window.native;
}"""


@pytest.mark.long
@pytest.mark.redteam(24)
def test_a_picture_is_drawn_when_it_changes_and_says_when_it_is_old(panda: Teller, chromium: Browser) -> None:
    """Without a graphics card drawing takes a core: beside six windows on two cores STOP took a quarter second."""
    window = Window(chromium, panda, viewport={"width": 900, "height": 1250})
    page = window.login("bob")
    first, second = (panda.ask("arm", {"panda_joint1": one}) for one in (0.9, -0.4))
    shown = card_of(page, first["id"]).locator(".caption")
    expect(shown).to_contain_text("s of 5.00 s", timeout=PATIENCE)
    expect(card_of(page, second["id"]).get_by_role("button", name="SHOW THE MOTION")).to_be_visible(timeout=PATIENCE)
    page.evaluate(COUNT)

    def drawn(seconds: float) -> int:
        before = page.evaluate("window.drawn")
        page.wait_for_timeout(1000 * seconds)
        return int(page.evaluate("window.drawn")) - before

    until(lambda: drawn(1.0) >= 1, "it plays")
    card_of(page, first["id"]).get_by_role("button", name="PAUSE").click()
    until(lambda: drawn(3.0) <= 2, "at rest it is drawn every two seconds")
    card_of(page, first["id"]).get_by_role("button", name="PLAY").click()
    expect(page.locator(".picture-old")).to_have_count(0)
    page.evaluate(_SET_STATUS, "never done")
    expect(page.locator(".picture-old")).to_have_count(1, timeout=PATIENCE)
    page.evaluate(_SET_STATUS, "")
    del panda.listed[first["id"]]
    expect(card_of(page, second["id"]).locator(".caption")).to_contain_text("s of 5.00 s", timeout=PATIENCE)
    assert window.complaints == []


_TOLD = """() => {
  [window.told, window.heard, window.changes] = [[], [], []];
  const words = document.querySelector(".caption"), bar = document.querySelector(".preview input[type=range]");
  const scene = Object.keys(window).filter((key) => key.startsWith("scene_")).map((key) => window[key])[0];
  new MutationObserver(() => window.changes.push(words.textContent)).observe(words, { childList: true });
  window.socket.onAny((name, message) => name === "run_javascript" && window.heard.push(message.code));
  const draw = WebGL2RenderingContext.prototype.fenceSync;
  WebGL2RenderingContext.prototype.fenceSync = function (...given) {
    const hand = scene.getObjectByName("robot").getObjectByName("panda_hand").matrixWorld.elements.slice(12, 15);
    window.told.push([words.textContent, bar.getAttribute("aria-valuetext"), ...hand]);
    return draw.apply(this, given);
  };
}"""
"""Keeps what is told right when a frame was drawn, and where the hand was drawn then."""
_HIDE = "hidden => Object.defineProperty(document, 'hidden', { get: () => hidden, configurable: true })"


@pytest.mark.redteam(24)
def test_what_is_told_is_told_of_the_frame_that_is_drawn(panda: Teller, chromium: Browser) -> None:
    """The browser plays by itself: the panel is told nothing, and says nothing but its beats."""
    window = Window(chromium, panda, viewport={"width": 900, "height": 1250})
    page = window.login("bob")
    said = panda.ask("arm", {"panda_joint1": 0.9, "panda_joint2": 0.4})
    card = card_of(page, said["id"])
    caption = card.locator(".caption")
    expect(caption).to_contain_text("s of 5.00 s", timeout=PATIENCE)
    page.evaluate(_TOLD)
    until(lambda: page.evaluate("window.told.length") >= 8, "it plays")
    heard = page.evaluate("window.heard")
    assert [one for one in heard if "replaceChildren" not in one] == []
    card.get_by_role("button", name="LEAST ROOM").click()
    card.get_by_role("slider").press("Home")
    expect(caption).to_contain_text(re.compile(r"^0\.00 s of 5\.00 s"), timeout=PATIENCE)
    for _ in range(20):
        card.get_by_role("slider").press("ArrowRight")
    expect(caption).to_contain_text(re.compile(r"^1\.[67]\d s of 5\.00 s"), timeout=PATIENCE)  # 20 of 59 or so
    card.get_by_role("button", name="PLAY").click()
    until(lambda: len({one[0] for one in page.evaluate("window.told")}) >= 9, "it plays on")
    page.evaluate(_HIDE, True)
    page.wait_for_timeout(300)  # what was under way
    at = caption.inner_text()
    page.wait_for_timeout(1200)
    assert caption.inner_text() == at
    page.evaluate(_HIDE, False)
    expect(caption).not_to_have_text(at, timeout=PATIENCE)
    card.get_by_role("button", name="PAUSE").click()
    told, changes = page.evaluate("[window.told, window.changes]")
    start, end = np.array(said["from"]), np.array(said["positions"][-1])
    for words, value, *hand in told:
        assert words.startswith(f"{value} of 5.00 s. ")
        u = float(value.split()[0]) / 5.0
        pose = start + (10 * u**3 - 15 * u**4 + 6 * u**5) * (end - start)
        there = link_at(panda, dict(zip(said["joints"], pose.tolist(), strict=True)))
        assert np.allclose(hand, there, atol=5e-3), words
    assert set(changes) <= {one[0] for one in told}
    assert window.complaints == []


@pytest.mark.redteam(55)
def test_what_is_not_drawn_is_not_approved(panda: Teller, chromium: Browser) -> None:
    window = Window(chromium, panda)
    page = window.login("bob")
    good = panda.ask("arm", {"panda_joint1": 0.3})
    told = panda.listed[good["id"]]
    farther = json.loads(told["command"])
    farther["positions"][-1][1] += 0.2
    # Another motion under the hash of the good one.
    panda.listed["w70"] = told | {"id": "w70", "command": json.dumps(farther, sort_keys=True, separators=(",", ":"))}
    beyond = panda.ask("arm", {"panda_joint1": 9.0})
    for name, words in (
        ("w70", "its hash is not that of its text"),
        (beyond["id"], "NO PREVIEW: it leads beyond the position limits"),
    ):
        card = card_of(page, name)
        expect(card).to_contain_text(words, timeout=PATIENCE)
        expect(card.get_by_role("button", name="APPROVE")).to_be_disabled()
        assert card.locator(".fact").count() == 0
    expect(card_of(page, beyond["id"]).get_by_role("button", name="DENY")).to_be_enabled()
    expect(card_of(page, good["id"]).get_by_role("button", name="APPROVE")).to_be_enabled(timeout=PATIENCE)
    assert window.complaints == []


@pytest.mark.long
@pytest.mark.redteam(55)
def test_while_no_preview_has_come_nothing_is_approved(panda: Teller, chromium: Browser) -> None:
    """The drawing process hangs: DENY is there, APPROVE is not, and comes with the picture."""
    window = Window(chromium, panda)
    page = window.login("bob")
    first = card_of(page, panda.ask("arm", {"panda_joint1": 0.3})["id"])
    expect(first.get_by_role("button", name="APPROVE")).to_be_enabled(timeout=PATIENCE)
    (drawing,) = (one for one in children_of(panda.panel.process.pid) if "preview_process" in command_of(one))
    os.kill(drawing, signal.SIGSTOP)
    try:
        card = card_of(page, panda.ask("arm", {"panda_joint1": 0.5})["id"])
        expect(card).to_contain_text("its motion is not drawn yet", timeout=PATIENCE)
        expect(card.get_by_role("button", name="DENY")).to_be_enabled(timeout=PATIENCE)
        page.wait_for_timeout(3_000)  # longer than a card that has just come takes no click
        assert card.get_by_role("button", name="APPROVE").is_disabled()
    finally:
        os.kill(drawing, signal.SIGCONT)
    expect(card.get_by_role("button", name="APPROVE")).to_be_enabled(timeout=PATIENCE)
    panda.forget()


_CROWD = """() => Object.keys(window).filter(key => key.startsWith("scene_")).map(key => {
  const balls = [];
  window[key].updateMatrixWorld(true);
  window[key].traverse(one => {
    if (one.isMesh && one.material.color.getHex() === 0xcc79a7 && one.geometry.type === "SphereGeometry")
      balls.push([...one.matrixWorld.elements.slice(12, 15), one.geometry.parameters.radius]);
  });
  return balls;
})"""


@pytest.mark.long
def test_people_are_drawn_where_they_are_told_to_be_and_in_no_other_frame(rig: Rig, chromium: Browser) -> None:
    with closing(Teller(rig, "panda", **WATCHED)) as watched:
        watched.people = [(0.6, -0.5, 1.1), (-0.4, 0.2, 0.9)]
        window = Window(chromium, watched)
        page = window.login("bob")
        watched.ask("arm", {"panda_joint1": 0.5})
        expected = [[*point, 0.15] for point in watched.people]
        until(lambda: page.evaluate(_CROWD) == [expected], "they are drawn")
        watched.people = [(0.7, -0.5, 1.1)]
        until(lambda: page.evaluate(_CROWD) == [[[0.7, -0.5, 1.1, 0.15]]], "they have moved")
        watched.people_frame = "camera"
        until(lambda: page.evaluate(_CROWD) == [[]], "in another frame nobody knows where they are")
        watched.people_frame, watched.people = "", None
        assert window.complaints == []


@pytest.mark.long
def test_a_phone_in_the_dark_and_the_robot_as_it_is(panda: Teller, chromium: Browser) -> None:
    window = Window(chromium, panda, color_scheme="dark", viewport={"width": 412, "height": 1250}, has_touch=True)
    page = window.login("ada")
    said = panda.ask("arm", {"panda_joint1": 0.9, "panda_joint2": 0.4})
    card = card_of(page, said["id"])
    card.get_by_role("button", name="PAUSE").wait_for(timeout=PATIENCE)
    expect(card.locator(".caption")).to_contain_text("2.", timeout=PATIENCE)
    card.get_by_role("button", name="PAUSE").tap()
    card.locator(".picture").evaluate("one => one.scrollIntoView({block: 'center'})")
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0
    panda.forget()
    page.get_by_role("button", name="SHOW THE ROBOT").tap()
    assert panda.measured is not None
    assert panda.commanded is not None
    panda.commanded["panda_joint1"] = 0.4
    expected = [link_at(panda, one) for one in (panda.measured, panda.commanded)]

    def there() -> bool:
        shown = places(page, "robot", "commanded")
        both = (shown.get(name, [9.0] * 3)[:3] for name in ("robot", "commanded"))
        return all(np.allclose(one, here, atol=2e-4) for one, here in zip(both, expected, strict=True))

    until(there, "the robot is drawn where it is")
    window.says("as measured; as commanded")
    page.get_by_role("button", name="HIDE THE ROBOT").evaluate("one => one.scrollIntoView({block: 'start'})")
    panda.measured = None
    window.says("NOT MEASURED: it is not known where the robot is")
    until(lambda: not places(page, "robot")["robot"][3], "what is not measured is not drawn")
    page.get_by_role("button", name="HIDE THE ROBOT").tap()
    expect(page.get_by_text("NOT MEASURED")).to_be_hidden()
    assert window.complaints == []


@pytest.mark.long
def test_a_humanoid_with_people_is_drawn_once_it_is_known_where_it_stands(
    humanoid: Teller,
    chromium: Browser,
) -> None:
    window = Window(chromium, humanoid, color_scheme="light", viewport={"width": 900, "height": 1250})
    page = window.login("bob")
    legs, humanoid.measured = humanoid.measured, None
    page.wait_for_timeout(1500)  # what was told half a second ago is not known any more
    said = humanoid.ask("left_arm", {"left_shoulder_pitch_joint": -0.9, "left_elbow_joint": -0.5}, 3.0)
    card = card_of(page, said["id"])
    expect(card).to_contain_text("NO PREVIEW: it is not known where left_hip_pitch_joint", timeout=PATIENCE)
    expect(card.get_by_role("button", name="APPROVE")).to_be_disabled()
    humanoid.measured = legs
    expect(card.locator(".fact").first).to_contain_text("2 joints of 7 move", timeout=PATIENCE)
    expect(card.get_by_role("button", name="APPROVE")).to_be_enabled(timeout=PATIENCE)
    expect(card.locator(".caption")).to_contain_text("3.00 s of 3.00 s", timeout=PATIENCE)
    assert humanoid.commanded is not None
    end = humanoid.commanded | dict(zip(said["joints"], said["positions"][-1], strict=True))
    for group, link in (("end", "left_rubber_hand"), ("robot", "right_ankle_roll_link")):
        assert np.allclose(places(page, group, link=link)[group][:3], link_at(humanoid, end, link), atol=2e-4)
    card.evaluate("one => one.scrollIntoView({block: 'start'})")
    page.mouse.wheel(0, -210)
    assert window.complaints == []
