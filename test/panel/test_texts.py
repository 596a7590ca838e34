"""Script, templates, controls of terminals and the like in every text that comes from outside: shown as text.

A node of the test says what a supervisor would, as anybody may: every text that it tells is an attack. A real Chromium
looks at every page that shows one.
"""

from __future__ import annotations

import base64
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.parse import quote, urlencode

import pytest
import yaml

pytest.importorskip("nicegui", reason="the extra `panel` is not installed")
pytest.importorskip("playwright", reason="a real browser needs Debian's chromium and playwright (docs/panel.md)")

from browser_window import PATIENCE, Window
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from panel_rig import Browser as PlainBrowser
from playwright.sync_api import Browser, Locator, Page, expect
from preview_rig import FOLDER, Teller
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile
from ros_rig import Rig, running_rig
from std_msgs.msg import String
from std_srvs.srv import Trigger
from token_rig import public_text

from safety_supervisor.ros.text import escape

RAN = "top.ran=1"
"""What every attack does where it is run: another page than its own sees it, too."""
ATTACKS = {
    "script": f"\"'></textarea></title></select></option><script data-evil>{RAN}</script>",
    "handlers": f"<img data-evil src=x onerror={RAN}><svg data-evil onload={RAN}><details data-evil ontoggle={RAN}>",
    "attribute": f"\" data-evil onfocus={RAN} autofocus x=\" ' data-evil onmouseover={RAN} style=position:fixed '",
    "svg": f"<svg data-evil><animate onbegin={RAN} attributeName=x dur=1s /><script>{RAN}</script><a xlink:href=x>",
    "address": f'javascript:{RAN}//"><a data-evil href=javascript:{RAN}>a</a><iframe data-evil src=javascript:{RAN}>',
    "template": f"{{{{constructor.constructor('{RAN}')()}}}} {{{{7*1337}}}} ${{7*1337}} <%=7*1337%> #{{7*1337}}",
    "vue": f"<div data-evil v-html=\"'a'\" @vue:mounted={RAN}><q-btn data-evil :label=7*1337 @click={RAN}></q-btn>",
    "nicegui": f":text=7*1337 run_javascript('{RAN}') props=\"innerHTML=x\" <nicegui-label data-evil :text=7*1337>",
    "style": "</style><style data-evil>*{display:none!important}</style>;}body{display:none}x{background:url(//a.test)",
    "comment": f"--><!-- --!> ]]> <![CDATA[ ?> <plaintext data-evil><noscript><script data-evil>{RAN}</script> <!--",
    "terminal": "\x1b[2J\x1b]0;owned\x07\x1b[31mFAULT\x1b[0m\x9b5m\r\n\x08\x08RUN",
    "bidi": "\u202eDEVORPPA\u202c \u2066ok\u2069 \u200b\u200d\ufeff \u043ek \u2028line \U0001f600",
    "long": "A long text. " * 250,
    "polyglot": f"'\"--></title><script data-evil>{RAN}</script><img data-evil src=x onerror={RAN}>"
    "{{7*1337}}\u202e\x1b[2J",
}
NEVER = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\u043e]|9359")
"""Nothing of this is ever seen: controls, what turns or hides text, look-alikes, and what a template would compute."""
WATCH = """
window.refused = [];
document.addEventListener("securitypolicyviolation", (one) => window.refused.push(one.violatedDirective));
"""


class Liar(Teller):
    """Tells an attack in every text, beside what has to be right for anything to be shown or signed at all."""

    def __init__(self, rig: Rig) -> None:
        self.attack, self.honest = "", False
        sources = yaml.safe_load((FOLDER / "panda.yaml").read_text(encoding="utf-8"))["sources"]
        public = public_text(Ed25519PrivateKey.from_private_bytes(b"p" * 32))
        model = {"name": "cell_policy", "version": "1", "sha256": "0" * 64, "stage": "supervised"}
        sources["planner"] |= {"public_key": public, "models": [model]}
        super().__init__(rig, "panda", sources=sources)
        node = self._node
        self.said = node.create_publisher(DiagnosticArray, "/supervisor/decisions", QoSProfile(depth=100))
        self._results = node.create_publisher(String, "/supervisor/operator_results", QoSProfile(depth=10))
        node.create_subscription(String, "/supervisor/operator_requests", self._answer, QoSProfile(depth=10))
        node.create_subscription(String, "/supervisor/stop_requests", lambda _: None, QoSProfile(depth=10))
        node.create_service(Trigger, "/supervisor/stop", self._stop)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(node)
        self._spins = threading.Thread(target=self._spin, daemon=True)
        self._spins.start()

    def close(self) -> None:
        self._ends.set()
        self._spins.join()
        self._executor.shutdown()
        super().close()

    def _spin(self) -> None:
        while not self._ends.is_set():
            self._executor.spin_once(timeout_sec=0.1)

    def _stop(self, _: Any, answer: Any) -> Any:
        answer.success, answer.message = True, self.attack
        return answer

    def _answer(self, token: String) -> None:
        body = token.data.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        told = {"iss": claims["iss"], "jti": claims["jti"], "ok": False, "code": self.attack, "detail": self.attack}
        self._results.publish(String(data=json.dumps(told)))

    def decide(self) -> None:
        """Tell one decision."""
        names = [
            "source",
            "verdict",
            "code",
            "id",
            "rule",
            "joint",
            "detail",
            "value",
            "limit",
            "count",
            "intervention",
        ]
        self.said.publish(self._attacked(dict.fromkeys(names, self.attack)))

    def _attacked(self, told: dict[str, str], robot: str = "") -> DiagnosticArray:
        values = [KeyValue(key=key, value=value) for key, value in (told | {self.attack[:2000]: self.attack}).items()]
        a = self.attack
        return DiagnosticArray(status=[DiagnosticStatus(name=a, message=a, hardware_id=robot or a, values=values)])

    def _tell(self, passed: float) -> None:
        attack = self.attack
        texts = [
            "state",
            "cause",
            "mode",
            "people",
            "next_step",
            "tool",
            "speed_scale",
            "source",
            "tokens",
            "evidence_heads",
            "estop_line",
        ]
        causes = {"active_causes": f"E_ESTOP{attack}", "quarantined": attack, "anomaly.planner": f"1.0 {attack}"}
        sources = [source.name for source in self.configuration.sources]
        told = dict.fromkeys(texts, attack) | causes | {
            "agents": "; ".join(f"{source}: {attack[:200].replace('; ', '')}, supervised" for source in sources),
            "boot": "b1", "epoch": "7", "nonce": "0" * 32, "configuration_sha256": self.configuration.sha256,
        }  # fmt: skip
        self._status.publish(self._attacked(told, "panda" if self.honest else attack))
        listed = [one | {"remaining_s": "50.0"} for one in tuple(self.listed.values())]
        forged = dict.fromkeys(
            ("id", "source", "approval", "why", "zones", "people", "people_near", "approved", "command", "asked", "by"),
            attack,
        )  # fmt: skip
        listed += [forged | {"kind": "command"}, forged | {"kind": "grant", "remaining_s": attack}]
        self._list.publish(
            DiagnosticArray(
                status=[
                    DiagnosticStatus(values=[KeyValue(key=key, value=value) for key, value in one.items()])
                    for one in listed
                ]
            )
        )


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """Not that of the other tests: no supervisor of theirs is to be heard here."""
    with running_rig(tmp_path_factory.mktemp("texts")) as running:
        yield running


@pytest.fixture(scope="module")
def liar(rig: Rig) -> Iterator[Liar]:
    with closing(Liar(rig)) as liar:
        yield liar


def words(text: str) -> str:
    return " ".join(text.split())


def begin_of(attack: str) -> str:
    """Return what has to be seen of an attack, wherever it is cut."""
    return words(escape(attack)[:60])


def press(button: Locator) -> None:
    """Where a banner with texts of such a length may lie over it."""
    button.evaluate("one => one.click()")


def look(page: Page, attack: str, where: str, *, seen: bool = True) -> None:
    """The attack is to be read, and is nothing else."""
    shown = words(page.locator("body").inner_text())
    if seen:
        assert begin_of(attack) in shown, f"{where} shows {shown[:2000]}"
    for frame in page.frames:
        assert frame.locator("[data-evil], plaintext").count() == 0, f"{where}: an element of the attack"
        found = NEVER.search(frame.locator("body").inner_text())
        assert found is None, f"{where} shows {found[0]!a} at {shown[max(0, found.start() - 80) : found.end() + 80]!a}"
    assert page.evaluate("window.ran") is None, f"{where}: it ran"
    assert page.evaluate("window.refused ?? []") == [], f"{where}: only the policy kept it from being run"
    assert len(shown) < 200_000, f"{where} shows {len(shown)} characters"


@pytest.mark.redteam(24)
@pytest.mark.redteam(5)
@pytest.mark.parametrize(
    "name", [name if name == "polyglot" else pytest.param(name, marks=pytest.mark.long) for name in ATTACKS]
)
def test_every_text_from_outside_is_shown_as_text(liar: Liar, chromium: Browser, name: str) -> None:
    attack = ATTACKS[name]
    liar.attack, liar.honest, liar.listed = attack, True, {}
    waits = liar.ask("arm", {"panda_joint1": 0.5})["id"]
    told = (
        "why",
        "zones",
        "people",
        "people_near",
        "approval",
        "approved",
        "asked",
        "by",
        "joint_speed",
        "frame_speed",
    )
    liar.listed[waits] |= dict.fromkeys(told, attack)
    window = Window(chromium, liar)  # type: ignore[arg-type]
    window.context.add_init_script(WATCH)
    page = window.login("bob")
    card = page.locator(".card", has_text=f"{waits}: planner")
    expect(card).to_contain_text("why, in its own words", timeout=PATIENCE)
    liar.decide()
    events = page.locator("#events")
    press(events.get_by_role("button", name="SHOW EVENTS"))
    line = events.locator("li", has_text=re.compile("field|rule")).first
    expect(line).to_be_visible(timeout=PATIENCE)
    press(line.get_by_role("link"))
    expect(events.locator(".sheet")).to_contain_text("field rule", timeout=PATIENCE)
    # Each part by itself: that another one shows it says nothing of this one.
    parts = [".banner .state", ".banner .cause", ".banner .next", ".facts", "#agents", "#events .sheet", "#events li"]
    for part in parts:
        shown = words(" ".join(page.locator(part).all_inner_texts()))
        assert begin_of(attack)[:40] in shown, f"{part} shows {shown[:500]}"
    for text in card.locator("> div, > .why").all_inner_texts():
        assert len(text) < 40_000
    look(page, attack, "the live page")
    number = line.get_by_role("link").get_attribute("href")
    assert number

    # What is answered: to an act, and to STOP.
    for button in ("RESET", "SIGN"):
        press(page.get_by_role("button", name=button, exact=True))
    expect(page.locator(".told")).to_contain_text("reset: REFUSED", timeout=PATIENCE)
    look(page, attack, "the answer to an act")
    page.get_by_role("button", name="STOP").click()
    frame = page.frame_locator("iframe[name=stop_answer]").locator("body")
    expect(frame).to_contain_text("the supervisor answered", timeout=PATIENCE)
    assert begin_of(attack) in words(frame.inner_text())
    look(page, attack, "the answer to STOP")

    # Pages without script; those that repeat what the address says, too.
    address = urlencode({"text": attack[:500], "source": attack[:500], "of": attack[:500], "verdict": attack[:500]})
    short = quote(attack[:300], safe="")
    for path, seen in (
        ("/plain", True), (f"/plain/{waits}", True), ("/rights", True), ("/events", True), (number, True),
        (f"/events?{address}", False), (f"/plain/{short}", False), (f"/event/{short}", False),
    ):  # fmt: skip
        answer = page.goto(f"http://127.0.0.1:{liar.port}{path}")
        assert answer is not None
        assert len(answer.body()) < 400_000, path
        look(page, attack, path, seen=seen)
    # Of another robot, which is said, too.
    liar.honest = False
    window.open("/plain")
    expect(page.locator("body")).to_contain_text("this panel is of 'panda'", timeout=PATIENCE)
    look(page, attack, "another robot's name", seen=False)
    assert [one for one in window.complaints if "404" not in one] == []  # of an event that is none


@pytest.mark.long
@pytest.mark.redteam(24)
def test_what_is_far_too_long_is_not_even_read_and_holds_back_no_stop(liar: Liar) -> None:
    """A megabyte in every text, as fast as it can be sent; and bytes that are no message."""
    liar.attack, liar.honest, liar.listed = "all is well", True, {}
    browser = PlainBrowser(liar.port)
    browser.wait("all is well")
    liar.attack = "A long text. " * 80_000
    assert "UNKNOWN the supervisor is silent" in browser.wait("the supervisor is silent").text
    took = []
    for _ in range(20):
        liar.said.publish(b"\0\1\0\0" + b"\xff" * 64)
        begin = time.monotonic()
        assert "stop" in browser.ask("POST", "/stop").text.lower()
        took.append(time.monotonic() - begin)
    print(f"a megabyte in every text: stops median {sorted(took)[10] * 1e3:.0f} ms, worst {max(took) * 1e3:.0f} ms")
    assert sorted(took)[10] < 0.5
    assert len(browser.get("/plain").page) < 20_000
    liar.attack = "all is well again"
    browser.wait("all is well again")
