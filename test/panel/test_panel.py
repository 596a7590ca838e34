"""The panel's process beside the real node, by HTTP as a browser without scripts speaks it."""

from __future__ import annotations

import json
import shutil
import socket
from pathlib import Path

import pytest

pytest.importorskip("nicegui", reason="the extra `panel` is not installed")

from panel_rig import PanelRig

from safety_supervisor.evidence.decisions.files import segments
from safety_supervisor.evidence.decisions.heads import read_heads
from safety_supervisor.evidence.decisions.verify import Verifier


@pytest.mark.redteam(23)
def test_stop_is_a_form_that_needs_no_login_and_no_origin(panel: PanelRig) -> None:
    panel.cell.arm()
    browser = panel.stranger()
    browser.wait("AUTO/HOLDING")
    said: list[str] = []
    while "Too many tries: wait " not in "".join(said):  # a try takes its time, and the wait doubles
        said.append(browser.login(f"guess{len(said)}", "a wrong password").text)
        assert len(said) < 20
    assert all("Name or password is wrong." in one for one in said[:-1])
    assert len(said) > 10
    known = len(panel.cell.client.states)
    answer = browser.ask("POST", "/stop", Origin="http://evil", Host="evil")
    assert answer.status == 200
    assert "the supervisor answered" in answer.text
    assert "NOT CONFIRMED" not in answer.text
    panel.cell.client.wait_for(
        lambda: {"PROTECTIVE_STOP", "STOPPING", "LOCKED"} & set(panel.cell.client.states[known:]), "a stop"
    )
    assert panel.browser().get("/stop").status in (404, 405)


def test_a_person_logs_in_and_acts(panel: PanelRig) -> None:
    client, browser = panel.cell.client, panel.browser()
    panel.cell.arm()
    page = browser.get("/login")
    assert "HttpOnly" in page.headers["set-cookie"]
    assert "SameSite=strict" in page.headers["set-cookie"]
    wrong, nobody = browser.login("eve", "a wrong password"), browser.login("nobody", "a wrong password")
    assert (wrong.status, wrong.text.replace("eve", "")) == (nobody.status, nobody.text) == (403, nobody.text)
    assert browser.ask("POST", "/login", {"name": "eve", "password": "x"}).status == 403
    done = browser.login("eve")
    assert (done.status, done.headers["location"]) == (303, "/plain")
    assert "eve , operator" in browser.get("/plain").text

    panel.browser().ask("POST", "/stop")
    client.wait_state("LOCKED", "PROTECTIVE_STOP")
    client.wait_state("LOCKED")
    old = browser.wait("LOCKED").form("reset")
    assert "done" in browser.act("reset").text
    client.wait_state("READY")
    refused = browser.ask("POST", "/act", old | {"act": "start", "target": "auto"}).text
    assert "REFUSED - E_ACT_EPOCH" in refused
    assert "Look again and repeat the act." in refused
    browser.wait("READY")
    assert "done" in browser.act("start", "auto").text
    client.wait_state("AUTO/HOLDING")
    # Not her act, though the form is right.
    recover = browser.ask("POST", "/act", browser.get("/plain").form("reset") | {"act": "recover"}).text
    assert "REFUSED - E_ACT_ROLE eve is operator; recover needs" in recover


@pytest.mark.requirement("SR-042")
@pytest.mark.redteam(38)
def test_heads_of_the_decision_log_are_kept_beside_the_panel(panel: PanelRig, tmp_path: Path) -> None:
    """Who cuts the robot's log off does not cut what the panel has."""
    client, file = panel.cell.client, panel.rig.directory / "panel_heads" / "panda.heads"
    client.wait_for(lambda: file.exists() and len(file.read_bytes()) > 0, "a head is kept", 30.0)
    heads, directory = read_heads(file), panel.rig.last_directory
    assert directory is not None
    copy = tmp_path / "log"
    shutil.copytree(directory, copy)
    report = Verifier(copy, "panda", heads=heads).verify()
    assert (report.broken, report.complete_to) == (None, heads[-1]["sequence"])
    newest = list(segments(copy, "panda").values())[-1]
    lines = newest.read_bytes().splitlines(keepends=True)
    newest.write_bytes(b"".join(one for one in lines if json.loads(one)["sequence"] < heads[-1]["sequence"]))
    assert Verifier(copy, "panda").verify().broken is None
    broken = Verifier(copy, "panda", heads=heads).verify().broken
    assert broken is not None
    assert broken.sequence == heads[-1]["sequence"]


@pytest.mark.redteam(22)
def test_forms_of_others_are_refused(panel: PanelRig) -> None:
    browser = panel.browser()
    assert browser.login("eve").status == 303
    form = browser.wait("AUTO/HOLDING").form("mode", "manual")
    assert browser.ask("POST", "/act", form, Origin="http://evil").status == 403
    assert browser.ask("POST", "/act", form, Origin="").status == 403
    assert browser.ask("POST", "/act", form, Host=f"evil:{panel.port}").status == 403
    assert browser.ask("POST", "/act", form | {"csrf": "0" * 64}).status == 403
    refused = browser.ask("POST", "/act", form | {"once": ""})
    assert refused.status == 403
    assert "REFUSED - this form is of no page of your login" in refused.text
    assert 'action="/stop"' in refused.page
    assert browser.ask("POST", "/logout", {}).status == 403
    stolen = panel.browser()
    assert stolen.ask("POST", "/act", form).status == 403  # the form without the cookie
    for origin, status in (("http://evil", b" 403"), (browser.origin, b" 101")):
        with socket.create_connection(("127.0.0.1", panel.port), 5.0) as line:
            line.sendall(
                f"GET /_nicegui_ws/socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1:{panel.port}\r\n"
                f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                f"Sec-WebSocket-Version: 13\r\nOrigin: {origin}\r\n\r\n".encode()
            )
            assert status in line.recv(64)
    assert panel.cell.client.state.startswith("AUTO")
    token, before = form["csrf"], dict(browser.cookies)
    assert browser.ask("POST", "/logout", {"csrf": token}).status == 303
    assert "STOP needs no login" in browser.get("/plain").text
    assert browser.ask("POST", "/act", form).status == 403
    browser.cookies = before  # whoever kept the cookie has nothing any more
    assert "STOP needs no login" in browser.get("/plain").text
    assert "nobody is logged in here any more" in browser.ask("POST", "/act", form | {"once": "another"}).text


@pytest.mark.requirement("SR-022")
@pytest.mark.redteam(20)
@pytest.mark.redteam(24)
def test_people_decide_on_what_waits(panel: PanelRig) -> None:
    cell, ada, bob = panel.cell, panel.browser(), panel.browser()
    panel.cell.arm()
    assert ada.login("ada").status == bob.login("bob").status == 303
    assert "This panel holds the keys of ada and bob" in ada.get("/plain").text

    def approved_by_two() -> None:
        asked = cell.waits(0.1, 0.8)
        assert asked["people"] == "2"
        path, name = f"/plain/{asked['id']}", asked["id"]
        ada.wait(f"{name}: planner asks for pair")
        assert "it takes a typed reason" in ada.act("approve", name, path).text
        altered = ada.act("approve", name, path, reason="I see it", sha256="0" * 64).text
        assert "another command than you saw" in altered
        assert "done" in ada.act("approve", name, path, reason="I see the cell").text
        assert "E_ACT_TWICE" in ada.act("approve", name, path, reason="I see it again").text
        assert "done" in bob.act("approve", name, path, reason="me, too").text
        cell.played(asked)
        assert "waits no more" in bob.get(path).text

    cell.steadily(approved_by_two)

    def denied() -> None:
        before = cell.client.wait_rest()
        asked = cell.waits(0.05, 2.0, "why:<script>alert(1)</script> the cup")
        name = asked["id"]
        bob.wait(f"{name}: planner asks for zone")
        shown = bob.get(f"/plain/{name}")
        assert "why, in its own words: <script>alert(1)</script> the cup" in shown.text
        assert "<script" not in shown.page
        form = shown.form("deny", name)
        assert form["sha256"] == asked["command_sha256"]
        assert "done" in bob.ask("POST", "/act", form).text
        cell.client.wait_for(lambda: cell.end_of(asked) == [("REJECT", "E_APPROVAL_DENIED")], "it is denied")
        # Another click, the back button, a reload: the first answer again. Another form: what became of it.
        assert f"deny {name}: done - denied {name} - this form was sent before" in bob.ask("POST", "/act", form).text
        late = ada.ask("POST", "/act", form | {"once": "other", "csrf": ada.get("/plain").form("reset")["csrf"]}).text
        assert f"REFUSED - {name} waits no more: not played - E_APPROVAL_DENIED" in late
        assert cell.rests_at(before, 0.2)

    cell.steadily(denied)


@pytest.mark.redteam(20)
def test_a_supervisor_that_is_gone_is_stale_and_stop_says_so(panel: PanelRig) -> None:
    browser = panel.browser()
    browser.login("eve")
    form = browser.get("/plain").form("reset")
    panel.rig.kill(panel.cell.supervisor)
    page = browser.wait("UNKNOWN", timeout=5.0)
    assert "the supervisor is silent; it was" in page.text
    assert "data STALE: " in page.text
    assert "Treat the robot as moving." in page.text
    assert "REFUSED" in browser.ask("POST", "/act", form).text
    stop = browser.ask("POST", "/stop")
    assert "NOT CONFIRMED" in stop.text
    assert "Press the e-stop button." in stop.text
