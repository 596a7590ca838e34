"""Events, plots, agents and further acts of the live page, in a real Chromium beside a real node."""

from __future__ import annotations

import threading
import time

import pytest

pytest.importorskip("nicegui", reason="the extra `panel` is not installed")
pytest.importorskip("playwright", reason="a real browser needs Debian's chromium and playwright (docs/panel.md)")

from browser_window import PATIENCE, Window
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from panel_rig import PanelRig
from playwright.sync_api import Browser, expect
from rclpy.qos import QoSProfile

ATTACK = "<script>alert(1)</script><img src=x onerror=alert(1)>"


def forged(**fields: str) -> DiagnosticArray:
    """A decision that anybody may publish."""
    told = {"source": "planner", "verdict": "REJECT", "code": "E_RATE", "id": "c1", "rule": "source.rate"} | fields
    values = [KeyValue(key=key, value=value) for key, value in told.items()]
    words = f"{told['verdict']} {told['code']} {told.get('detail', '')}"
    return DiagnosticArray(status=[DiagnosticStatus(message=words, values=values)])


@pytest.mark.redteam(24)
def test_what_has_happened_is_listed_chosen_and_opened(panel: PanelRig, chromium: Browser) -> None:
    panel.cell.arm()
    node = panel.cell.client.node
    publisher = node.create_publisher(DiagnosticArray, "/supervisor/decisions", QoSProfile(depth=1000))
    try:
        panel.cell.client.wait_for(lambda: publisher.get_subscription_count() >= 2, "the panel hears decisions")
        for _ in range(37):
            publisher.publish(forged())
        publisher.publish(
            forged(**dict.fromkeys(("id", "rule", "joint", "detail"), ATTACK), source=ATTACK, code=ATTACK)
        )
        window = Window(chromium, panel, color_scheme="light")
        page = window.login("ada")
        events = page.locator("#events")
        events.get_by_role("button", name="SHOW EVENTS").click()
        expect(events).to_contain_text(f"{ATTACK}: REJECT {ATTACK} {ATTACK}", timeout=PATIENCE)
        expect(events).to_contain_text("supervisor: AUTO/HOLDING")
        events.get_by_label("source").select_option("planner")
        events.get_by_label("verdict").select_option("REJECT")
        events.get_by_label("code or text").fill("e_rate")
        line = events.locator("li").first
        expect(line).to_contain_text("planner: REJECT E_RATE x 37", timeout=PATIENCE)
        expect(events.locator("li:visible")).to_have_count(1)
        link = line.get_by_role("link")
        link.focus()
        page.keyboard.press("Enter")
        expect(events.locator(".sheet")).to_contain_text("field rule", timeout=PATIENCE)
        page.locator("#events .choice").evaluate("one => window.scrollTo(0, one.offsetTop - 230)")
        path = link.get_attribute("href")
        assert path
        window.open(path)
        window.says("REJECT E_RATE x 37")
        assert window.complaints == []
    finally:
        node.destroy_publisher(publisher)


@pytest.mark.long
def test_what_waits_leads_to_its_decisions(panel: PanelRig, chromium: Browser) -> None:
    window = Window(chromium, panel, viewport={"width": 390, "height": 844})
    page = window.login("ada")

    def denied() -> None:
        asked = panel.cell.waits(0.05, 2.0)
        card = page.locator(".card", has_text=f"{asked['id']}: planner")
        card.get_by_role("link", name="its decisions, below").click()
        events = page.locator("#events")
        expect(events).to_contain_text(f"decisions of {asked['id']} alone", timeout=PATIENCE)
        card.get_by_role("button", name="DENY").click()
        expect(events).to_contain_text("planner: REJECT E_APPROVAL_DENIED", timeout=PATIENCE)
        expect(events).to_contain_text("planner: WAIT")

    panel.cell.steadily(denied)
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0
    plain = panel.browser()
    assert plain.get("/events").headers["location"] == "/login?plain=1"
    plain.login("ada")
    assert "E_APPROVAL_DENIED" in plain.get("/events?verdict=REJECT&text=e_approval").text
    assert plain.get("/event/0").status == plain.get("/event/x").status == 404


@pytest.mark.parametrize("scheme", ["dark"])
def test_plots_are_drawn_under_the_policy_of_the_page_and_told_in_numbers(
    panel: PanelRig, chromium: Browser, scheme: str
) -> None:
    panel.cell.arm()
    window = Window(chromium, panel, color_scheme=scheme)
    page = window.open()
    plots = page.locator("#plots")
    assert plots.locator("svg").count() == 0
    plots.get_by_role("button", name="SHOW PLOTS").click()
    row = plots.locator("tr", has_text="cycle p99").first
    expect(row).to_contain_text("cycle p99", timeout=PATIENCE)
    expect(row.locator("td").first).not_to_have_text("unknown", timeout=PATIENCE)
    expect(plots.locator("svg")).to_have_count(4)
    expect(plots.locator("svg path[stroke='#0072b2']").first).to_be_attached(timeout=PATIENCE)
    last = plots.locator(".plot").last
    expect(last.locator("td").nth(1)).not_to_have_text("unknown")
    last.evaluate("one => window.scrollTo(0, one.offsetTop - 230)")
    plots.get_by_role("button", name="HIDE PLOTS").click()
    expect(plots.locator("svg")).to_have_count(0)
    assert window.complaints == []


@pytest.mark.requirement("SR-010")
def test_rights_are_given_and_taken_away_on_the_page_and_without_scripts(panel: PanelRig, chromium: Browser) -> None:
    panel.cell.arm()
    window = Window(chromium, panel, color_scheme="light", viewport={"width": 390, "height": 844})
    page = window.login("bob")
    acts = page.locator("#acts")
    expect(acts.get_by_role("button", name="CLEAR A FAULT")).to_be_hidden()

    acts.get_by_role("button", name="GRANT", exact=True).click()
    acts.get_by_label("kind of approval").select_option("zone")
    acts.get_by_label("source").select_option("welder")
    expect(acts).to_contain_text(
        "For 30 s whatever welder sends passes where the policy asks for zone", timeout=PATIENCE
    )
    acts.get_by_role("button", name="SIGN IT").click()
    expect(acts).to_contain_text("nothing was signed: it takes a typed reason", timeout=PATIENCE)
    acts.get_by_label("Reason").fill("I see the cell")
    acts.get_by_role("button", name="SIGN IT").click()
    window.says("grant zone welder 30: done - welder holds zone for 30 s")
    window.says("zone welder: held for")

    plain = panel.browser()
    plain.login("ada")
    assert "zone welder: held for" in plain.wait("TAKE BACK zone welder", "/rights").text
    # Whatever has moved since: it only takes away.
    form = plain.get("/rights").form("deny", "zone welder")
    page.get_by_role("button", name="MODE MANUAL").click()
    told = plain.ask("POST", "/act", form | {"epoch": "0"}).text
    assert "deny zone welder: done - welder holds zone no more" in told

    acts.get_by_role("button", name="GIVE A STAGE").click()
    acts.get_by_label("agent").select_option("welder")
    acts.get_by_label("stage").select_option("supervised")
    acts.get_by_label("Reason").fill("it did well")
    acts.get_by_role("button", name="SIGN IT").click()
    window.says("promote welder supervised: REFUSED - E_ACT_TARGET no agent has introduced itself at welder")

    acts.get_by_role("button", name="REVOKE").click()
    acts.get_by_label("agent").select_option("welder")
    expect(acts).to_contain_text("Cuts welder off", timeout=PATIENCE)
    acts.get_by_role("button", name="SIGN IT").click()
    window.says("revoke welder: done")
    expect(page.locator("#agents")).to_contain_text("QUARANTINED until a reset", timeout=PATIENCE)
    page.locator("#agents").evaluate("one => window.scrollTo(0, one.offsetTop - 320)")
    assert "done" in plain.act("revoke", "packer", "/rights").text
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0
    assert window.complaints == []
    eve = panel.browser()
    eve.login("eve")
    rights = eve.get("/rights")
    assert "QUARANTINED until a reset" in rights.text
    assert "REVOKE" not in rights.text
    # The reset behind a stop lifts it.
    known = len(panel.cell.client.states)
    eve.ask("POST", "/stop")
    panel.cell.client.wait_for(lambda: "LOCKED" in panel.cell.client.states[known:], "a stop", 20.0)
    panel.cell.arm()
    expect(page.locator("#agents")).not_to_contain_text("QUARANTINED", timeout=PATIENCE)


@pytest.mark.long
@pytest.mark.redteam(24)
def test_a_flood_of_decisions_holds_back_no_stop_and_is_bounded_on_the_page(panel: PanelRig, chromium: Browser) -> None:
    panel.cell.arm()
    node = panel.cell.client.node
    publisher = node.create_publisher(DiagnosticArray, "/supervisor/decisions", QoSProfile(depth=1000))
    ended = threading.Event()

    def flood() -> None:
        begins, count = time.monotonic(), 0
        while not ended.wait(0.005):
            while count < 1000 * (time.monotonic() - begins):
                count += 1
                publisher.publish(forged(source=f"stranger{count % 50}", code=f"E_{count}", detail=ATTACK))

    flooding = threading.Thread(target=flood)
    try:
        window = Window(chromium, panel)
        page = window.login("ada")
        page.locator("#events").get_by_role("button", name="SHOW EVENTS").click()
        flooding.start()
        window.says("of 500, newest first")
        answers = [panel.browser().ask("POST", "/stop").text for _ in range(20)]
        assert all("the supervisor answered" in one for one in answers)
        page.locator("#events").get_by_label("source").select_option("supervisor")
        expect(page.locator("#events li").first).to_contain_text("supervisor: ", timeout=PATIENCE)
        expect(page.locator("#lost")).to_be_hidden()
        assert window.complaints == []
    finally:
        ended.set()
        flooding.join()
        node.destroy_publisher(publisher)
