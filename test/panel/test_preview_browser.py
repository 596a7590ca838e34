"""The preview of a motion in a real Chromium: what is drawn is what the command says, and nothing else is approved."""

from __future__ import annotations

import json
import time
from typing import Any

import numpy as np
import pytest

pytest.importorskip("nicegui", reason="the extra `panel` is not installed")

from test_browser import CHROMIUM, PATIENCE, Window, chromium, panel, pytestmark  # noqa: F401

if not pytestmark.args[0]:
    import pinocchio as pin
    from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
    from panel_rig import PanelRig
    from playwright.sync_api import Browser, Locator, Page, expect
    from ros_rig import LATCHED

    from safety_supervisor.config import load_config

_PLACES = """(names) => {
  const found = {};
  for (const key of Object.keys(window).filter((key) => key.startsWith("scene_"))) {
    window[key].updateMatrixWorld(true);
    for (const [group, link] of names) {
      const copy = window[key].getObjectByName(group);
      const body = copy?.getObjectByName(link);
      if (body) found[`${group} ${link}`] = [...body.matrixWorld.elements.slice(12, 15), copy.visible];
    }
  }
  return found;
}"""


def places(page: Page, *groups: str, link: str = "panda_hand") -> dict[str, list[float]]:
    """Return where a link is drawn, by the name of the copy of the robot, and whether that is seen."""
    found: dict[str, list[float]] = page.evaluate(_PLACES, [[group, link] for group in groups])
    return {name.split()[0]: place for name, place in found.items()}


def hand_at(panel: PanelRig, joints: list[str], positions: list[float]) -> list[float]:  # noqa: F811
    """Return where Pinocchio has the hand."""
    configuration = load_config(panel.rig.directory / "robot.yaml")
    model = pin.buildModelFromXML(configuration.robot.urdf)
    data, q = model.createData(), pin.neutral(model)
    for joint, position in zip(joints, positions, strict=True):
        q[model.joints[model.getJointId(joint)].idx_q] = position
    pin.framesForwardKinematics(model, data, q)
    base, hand = (model.getFrameId(name, pin.FrameType.BODY) for name in (configuration.robot.base_frame, "panda_hand"))
    return list((data.oMf[base].inverse() * data.oMf[hand]).translation)


def card_of(page: Page, name: str) -> Locator:
    return page.locator(".card", has_text=f"{name}: planner").first


@pytest.mark.requirement("SR-022")
@pytest.mark.redteam(55)
def test_what_waits_is_drawn_as_it_would_move(panel: PanelRig, chromium: Browser) -> None:  # noqa: F811
    panel.cell.arm()
    window = Window(chromium, panel, color_scheme="light", viewport={"width": 900, "height": 1250})
    page = window.login("bob")
    window.state("AUTO/HOLDING")

    def drawn() -> None:
        asked = panel.cell.waits(0.4, 5.0, "why:<b>fetch</b> the cup")
        said = json.loads(asked["command"])
        card = card_of(page, asked["id"])
        expect(card.locator(".fact").first).to_contain_text("1 joint of 7 move, panda_joint1 by 0.40", timeout=PATIENCE)
        expect(card.get_by_role("button", name="APPROVE")).to_be_enabled()
        slider, caption = card.get_by_role("slider"), card.locator(".caption")

        def scrub(share: float) -> None:
            slider.evaluate("one => one.scrollIntoView({block: 'center'})")  # not below STOP
            box = slider.bounding_box()
            assert box is not None
            page.mouse.click(box["x"] + 2 + share * (box["width"] - 4), box["y"] + box["height"] / 2)

        panel.cell.client.wait_for(lambda: places(page, "end"), "it is drawn")
        for share, group, goal in ((0.0, "start", said["from"]), (1.0, "end", said["positions"][-1])):
            scrub(share)
            expect(card.get_by_role("button", name="PLAY")).to_be_visible()
            expect(caption).to_contain_text("0.00 s of 5.00 s" if share == 0.0 else "5.00 s of 5.00 s")
            expected = hand_at(panel, said["joints"], goal)

            def there(group: str = group, expected: list[float] = expected) -> bool:
                shown = places(page, "robot", group)
                return all(np.allclose(shown[name][:3], expected, atol=2e-4) for name in ("robot", group))

            panel.cell.client.wait_for(there, f"the hand is drawn at the {group}")
        card.get_by_role("button", name="NO GHOSTS").click()
        panel.cell.client.wait_for(lambda: not places(page, "start")["start"][3], "the ghosts are gone")
        card.get_by_role("button", name="GHOSTS", exact=True).click()
        card.get_by_role("button", name="LEAST ROOM").click()
        expect(caption).to_contain_text("mm, has to be more than")
        card.get_by_role("button", name="PLAY").click()
        expect(caption).not_to_contain_text("5.00 s of")
        scrub(0.55)
        card.evaluate("one => one.scrollIntoView({block: 'start'})")
        window.picture("preview_light")

    panel.cell.steadily(drawn)
    assert window.complaints == []


@pytest.mark.redteam(55)
def test_what_somebody_else_tells_is_not_approved(panel: PanelRig, chromium: Browser) -> None:  # noqa: F811
    panel.cell.arm()
    window = Window(chromium, panel)
    page = window.login("bob")
    node = panel.cell.client.node
    forger = node.create_publisher(DiagnosticArray, "/supervisor/interventions", LATCHED)

    def told(values: dict[str, Any]) -> DiagnosticArray:
        pairs = [KeyValue(key=key, value=str(value)) for key, value in values.items()]
        return DiagnosticArray(status=[DiagnosticStatus(values=pairs)])

    def forged() -> None:
        asked = panel.cell.waits(0.05, 2.0)
        said = json.loads(asked["command"])
        said["positions"][-1][1] += 0.2
        text = json.dumps(said, sort_keys=True, separators=(",", ":"))
        lies = asked | {"id": "w7777", "command": text}  # another motion under the hash of the good one
        ends = time.monotonic() + 10.0
        while "its hash is not that of its text" not in page.locator("body").inner_text():
            assert time.monotonic() < ends
            forger.publish(told(lies))
            panel.cell.client.spin(0.1)
        card = card_of(page, "w7777")
        assert card.get_by_role("button", name="APPROVE").is_disabled()
        assert "It can not be approved here" in card.inner_text()
        assert not card.locator(".fact").count()

    try:
        panel.cell.steadily(forged)
    finally:
        node.destroy_publisher(forger)
    assert window.complaints == []


def test_a_phone_in_the_dark_and_the_robot_as_it_is(panel: PanelRig, chromium: Browser) -> None:  # noqa: F811
    panel.cell.arm()
    window = Window(chromium, panel, color_scheme="dark", viewport={"width": 412, "height": 1250}, has_touch=True)
    page = window.login("ada")
    window.state("AUTO/HOLDING")

    def drawn() -> None:
        asked = panel.cell.waits(0.4, 5.0, "why:fetch the cup")
        card = card_of(page, asked["id"])
        expect(card.get_by_role("button", name="PAUSE")).to_be_visible(timeout=PATIENCE)
        page.wait_for_timeout(2500)
        card.get_by_role("button", name="PAUSE").tap()
        card.evaluate("one => one.scrollIntoView({block: 'start'})")
        window.picture("preview_dark")

    panel.cell.steadily(drawn)
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0
    page.get_by_role("button", name="SHOW THE ROBOT").tap()
    window.says("as measured; as commanded")

    def there() -> bool:
        shown = places(page, "robot", "commanded")
        expected = hand_at(panel, [f"panda_joint{i}" for i in range(1, 8)], list(panel.cell.client.pose()))
        return all(np.allclose(shown.get(name, [9, 9, 9])[:3], expected, atol=5e-3) for name in ("robot", "commanded"))

    panel.cell.client.wait_for(there, "the robot is drawn where it is", 20.0)
    page.get_by_role("button", name="HIDE THE ROBOT").scroll_into_view_if_needed()
    window.picture("live_dark")
    page.get_by_role("button", name="HIDE THE ROBOT").tap()
    expect(page.get_by_text("as measured; as commanded")).to_be_hidden()
    assert window.complaints == []
