"""The hold-to-run button of the panel: what is signed for whom; and in a real Chromium, that letting go ends it."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

pytest.importorskip("nicegui", reason="the extra `panel` is not installed")

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from std_msgs.msg import String

from safety_supervisor.core.operator_settings import Person, Role
from safety_supervisor.panel.desk import Desk
from safety_supervisor.panel.events import EventLog
from safety_supervisor.panel.hold import HoldButton
from safety_supervisor.panel.sessions import Sessions
from safety_supervisor.panel.snapshot import Snapshot
from safety_supervisor.tokens.claims import HoldClaims
from safety_supervisor.tokens.hold_beat import FORM
from safety_supervisor.tokens.signed_act import judge

if TYPE_CHECKING:
    from browser_window import Window
    from panel_rig import PanelRig

pytestmark = [pytest.mark.redteam(53), pytest.mark.redteam(20)]
KEY = Ed25519PrivateKey.from_private_bytes(b"a" * 32)
CONFIGURATION = "c" * 64
STATUS = {"state": "RECOVERY", "boot": "b1", "epoch": "7", "nonce": "0" * 32, "configuration_sha256": CONFIGURATION}


class Heard:
    """The link: keeps what was sent."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.events = EventLog(("planner",))
        self.snapshot = Snapshot("panda", "", STATUS, time.monotonic_ns(), (), None, 1, 1, 1)

    def hold(self, token: str) -> None:
        self.sent.append(token)


def desk_of(role: Role) -> tuple[Desk, Heard, str]:
    configuration = SimpleNamespace(robot=SimpleNamespace(id="panda"), sha256=CONFIGURATION)
    link, sessions = Heard(), Sessions(lambda: "s")
    name = sessions.begin(Person("ada", role, KEY.public_key().public_bytes_raw()), KEY, time.monotonic_ns())
    return Desk(cast(Any, configuration), cast(Any, link), sessions), link, str(name)


def test_each_beat_is_signed_for_its_person_and_counts_on(monkeypatch: pytest.MonkeyPatch) -> None:
    desk, link, session = desk_of(Role.TECHNICIAN)
    clock = iter((5_000_000_000, 5_000_000_000, 1_000_000_000, 9_000_000_000))
    monkeypatch.setattr(time, "time_ns", lambda: next(clock))
    assert [desk.hold(session) for _ in range(4)] == [""] * 4
    said = [judge(token.encode(), FORM, "panda", {"ada": KEY.public_key()}) for token in link.sent]
    assert said == [HoldClaims("ada", "technician", "panda", "0" * 32, count) for count in (5000, 5001, 5002, 9000)]


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR, Role.MAINTAINER])
def test_who_may_not_hold_it_signs_nothing(role: Role) -> None:
    desk, link, session = desk_of(role)
    assert f"ada is {role.value}" in desk.hold(session)
    assert link.sent == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"status_at": 0}, "stale"),
        ({"tellers": 2}, "2 nodes tell a status"),
        ({"robot": "g1"}, "the status is of 'g1'"),
    ],
)
def test_on_what_can_not_be_trusted_nothing_is_held(change: dict[str, Any], told: str) -> None:
    desk, link, session = desk_of(Role.TECHNICIAN)
    link.snapshot = link.snapshot._replace(**change)
    assert told in desk.hold(session)
    desk.sessions.end(session)
    assert "nobody is logged in" in desk.hold(session)
    assert link.sent == []


class Element:
    """What a page shows of the button."""

    def __init__(self) -> None:
        self.text, self.visible = "", True

    def set_text(self, text: str) -> None:
        self.text = text

    def set_visibility(self, visible: bool) -> None:
        self.visible = visible


def button_of(desk: Desk, session: str) -> Any:
    """Return a page's button without a page; the page has seen beat 9."""
    button: Any = object.__new__(HoldButton)
    button._desk, button._session, button._newest = desk, session, lambda: 9
    button._last, button._over, button._why, button._refusal = 0, 0, "", ""
    button._button, button._text, button._told = Element(), Element(), Element()
    return button


def beaten(button: Any, press: Any, seen: Any = 9) -> str:
    """Return what the button says when a beat has come."""
    button._last = 0  # long enough after the one before
    button._held(SimpleNamespace(args={"detail": [press, seen]}))
    return str(button._text.text)


def test_a_press_of_which_one_beat_was_refused_counts_no_more_and_the_next_one_does() -> None:
    desk, link, session = desk_of(Role.TECHNICIAN)
    button, good = button_of(desk, session), link.snapshot
    assert "HELD" in beaten(button, 1)
    link.snapshot = good._replace(status_at=0)
    assert "HELD" not in beaten(button, 1)
    assert "Let go, then press again." in button._told.text
    link.snapshot = good._replace(status_at=time.monotonic_ns())  # the supervisor is there again
    for press in (1, 0, -5):
        assert "HELD" not in beaten(button, press)
    assert button._told.visible
    assert len(link.sent) == 1
    assert "HELD" in beaten(button, 2)
    assert not button._told.visible
    assert len(link.sent) == 2


@pytest.mark.parametrize("said", [[3, 6], [3, 10], [3, "9"], [True, 9], [3.0, 9], [3, None]])
def test_a_beat_of_a_page_that_is_behind_or_of_none_of_ours_is_none(said: list[Any]) -> None:
    desk, link, session = desk_of(Role.TECHNICIAN)
    button = button_of(desk, session)
    beaten(button, *said)
    button._last = 0
    for other in (9, [9], [3, 9, 1], None, "39", {}):
        button._held(SimpleNamespace(args={"detail": other}))
    assert link.sent == []
    assert "HELD" in beaten(button, 3)


def test_what_the_supervisor_refuses_is_told_to_whom_it_concerns() -> None:
    desk, link, session = desk_of(Role.TECHNICIAN)
    button, now = button_of(desk, session), time.monotonic_ns()
    link.events.boot = "b1"

    def refused(source: str, code: str, at: int) -> None:
        fields = {"source": source, "verdict": "REJECT", "code": code}
        link.events.decision(f"REJECT {code} 5 <= 7", fields, "", at)

    assert "HELD" in beaten(button, 1)
    for source, code, at in (("ada", "E_TOKEN_NONCE", 1), ("bob", "E_TOKEN_COUNT", now), ("ada", "E_RATE", now)):
        refused(source, code, at)
    button._last = time.monotonic_ns()
    button.update(desk.sessions.look(session, now))
    assert "HELD" in beaten(button, 1)
    refused("ada", "E_TOKEN_COUNT", time.monotonic_ns())
    button._last = time.monotonic_ns()
    button.update(desk.sessions.look(session, now))
    assert "HELD" not in beaten(button, 1)
    assert "the supervisor refuses it: REJECT E_TOKEN_COUNT 5 <= 7 - Count on with each beat" in button._told.text


@pytest.fixture
def window(request: pytest.FixtureRequest) -> Window:
    pytest.importorskip("playwright", reason="a real browser needs Debian's chromium and playwright (docs/panel.md)")
    from browser_window import Window

    panel: PanelRig = request.getfixturevalue("panel")
    opened = Window(request.getfixturevalue("chromium"), panel)
    opened.login("ada")
    return opened


def test_beats_come_while_it_is_pressed_and_end_with_the_press(panel: PanelRig, window: Window) -> None:
    """By mouse and by key; let go, moved off, the page hidden or without focus, and after a panel that hung."""
    from ros_rig import STREAM

    client, page = panel.cell.client, window.page
    heard: list[float] = []
    client.node.create_subscription(String, "/supervisor/hold", lambda _: heard.append(time.monotonic()), STREAM)
    button = page.locator("#hold")
    button.scroll_into_view_if_needed()

    def pressed() -> None:
        heard.clear()
        client.wait_for(lambda: len(heard) > 8, "ten beats a second", 20.0)

    def ended() -> None:
        """Two beats may have been on their way."""
        client.spin(0.3)
        heard.clear()
        client.spin(0.5)
        assert heard == []

    def on() -> None:
        button.hover()
        page.mouse.down()
        pressed()

    on()
    page.mouse.up()
    ended()
    on()
    page.mouse.move(5, 5)
    ended()
    page.mouse.up()
    page.keyboard.down("h")
    pressed()
    page.keyboard.up("h")
    ended()
    on()
    page.evaluate(
        "Object.defineProperty(document, 'hidden', {get: () => true, configurable: true}); "
        "document.dispatchEvent(new Event('visibilitychange'))"
    )
    ended()
    page.mouse.up()
    page.evaluate("delete document.hidden")
    on()
    page.evaluate("window.dispatchEvent(new Event('blur'))")
    ended()
    page.mouse.up()
    on()
    other = page.context.new_page()
    other.bring_to_front()
    page.close()  # the lid
    ended()
