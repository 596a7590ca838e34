"""Single sign-on at the panel's pages: a real provider that runs here, and one that lies."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import statistics
import threading
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("nicegui", reason="the extra `panel` is not installed")
pytest.importorskip("authlib", reason="the extra `panel` is not installed")

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from panel_rig import Answer
from sso_rig import CLIENT, OTHER, SIGNER, LyingProvider, SsoPanel, signed

from safety_supervisor.core.panel_settings import OidcSettings
from safety_supervisor.panel import provider as provider_module
from safety_supervisor.panel.id_token import LEEWAY, OLDEST
from safety_supervisor.panel.provider import read_secret

pytestmark = [pytest.mark.redteam(22), pytest.mark.redteam(23)]


@pytest.fixture(scope="module")
def one_liar() -> Iterator[LyingProvider]:
    provider = LyingProvider()
    yield provider
    provider.close()


@pytest.fixture(scope="module")
def one_panel(one_liar: LyingProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SsoPanel]:
    settings = OidcSettings(one_liar.issuer, CLIENT, "", "", "sub", None, True)
    with SsoPanel(tmp_path_factory.mktemp("sso"), settings).running() as panel:
        yield panel


@pytest.fixture
def liar(one_liar: LyingProvider) -> LyingProvider:
    one_liar.be_honest()
    return one_liar


@pytest.fixture
def panel(one_panel: SsoPanel, liar: LyingProvider) -> SsoPanel:
    one_panel.provided(issuer=liar.issuer, claim="sub", people=None, required=True)
    return one_panel


def login(panel: SsoPanel, liar: LyingProvider, **changes: Any) -> Answer:
    """What the page says after the provider has said so."""
    browser = panel.browser()
    state = liar.tell(browser.begin(), **changes)
    return browser.ask("GET", f"/sso/back?code=c&state={state}")


def at_the_provider(where: str, subject: str) -> str:
    """Log in there; return where it sends the browser."""
    url = urllib.parse.urlsplit(where)
    line = http.client.HTTPConnection(url.netloc)
    form = {"sub": subject} if subject else {"action": "deny"}
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    line.request("POST", f"{url.path}?{url.query}", urllib.parse.urlencode(form), headers)
    answer = line.getresponse()
    line.close()
    assert answer.status in (302, 303)
    return answer.headers["location"]


@pytest.fixture
def real(one_panel: SsoPanel) -> Iterator[SsoPanel]:
    """The panel with a real provider."""
    mock = pytest.importorskip("oidc_provider_mock", reason="a real provider is of the extra `dev`")
    with mock.run_server_in_thread() as server:
        one_panel.provided(
            "s3cret", issuer=f"http://localhost:{server.server_port}", claim="sub", people=None, required=True
        )
        yield one_panel


def test_a_login_takes_the_provider_and_the_password(real: SsoPanel) -> None:
    browser = real.browser()
    where = browser.begin()
    asked = urllib.parse.parse_qs(urllib.parse.urlsplit(where).query)
    assert (asked["code_challenge_method"], asked["response_type"], asked["prompt"]) == (["S256"], ["code"], ["login"])
    back = at_the_provider(where, "ada")
    page = browser.back(back)
    assert "says that you are ada . Your password opens your key." in page.text
    assert 'action="/stop"' in page.page
    assert 'name="name"' not in page.page
    # The password of somebody else, under whatever name, opens nothing.
    assert browser.unlock(page, "bob", name="bob").status == 403
    done = browser.unlock(page, "ada", name="bob")
    assert (done.status, done.headers["location"]) == (303, "/plain")
    assert "logged in: ada" in browser.get("/plain").text
    # It counted once: the answer again, the identity again.
    replayed = browser.back(back)
    assert (replayed.status, "not begun in this browser" in replayed.text) == (403, True)
    assert "First log in with localhost" in browser.unlock(replayed, "ada").text
    token = real.pages.tokens.make(browser.cookies["panel_session"])
    assert browser.ask("POST", "/logout", {"csrf": token}).status == 303
    assert "STOP needs no login" in browser.get("/plain").text


def test_somebody_else_denied_and_a_code_of_another_login(real: SsoPanel) -> None:
    browser = real.browser()
    stranger = browser.back(at_the_provider(browser.begin(), "mallory"))
    assert (stranger.status, "'mallory' is nobody who may log in here" in stranger.text) == (403, True)
    assert browser.back(at_the_provider(browser.begin(), "")).status == 403  # which this provider says without a state
    other = real.browser()
    stolen = urllib.parse.parse_qs(urllib.parse.urlsplit(at_the_provider(other.begin(), "ada")).query)["code"][0]
    mine = urllib.parse.parse_qs(urllib.parse.urlsplit(at_the_provider(browser.begin(), "bob")).query)["state"][0]
    mixed = browser.ask("GET", f"/sso/back?code={stolen}&state={mine}")
    assert (mixed.status, "(nonce)" in mixed.text or "nonce" in mixed.text) == (403, True)
    unknown = browser.begin()
    state = urllib.parse.parse_qs(urllib.parse.urlsplit(unknown).query)["state"][0]
    spent = browser.ask("GET", f"/sso/back?code=never&state={state}")
    assert (spent.status, "did not say who you are: it answered 400 invalid_grant" in spent.text) == (503, True)


def test_with_both_required_neither_alone_is_enough(panel: SsoPanel, liar: LyingProvider) -> None:
    browser = panel.browser()
    page = browser.get("/login")
    assert 'name="name"' not in page.page
    refused = browser.unlock(page, "ada", name="ada")
    assert (refused.status, "First log in with 127.0.0.1" in refused.text) == (403, True)
    known = browser.ask("GET", f"/sso/back?code=c&state={liar.tell(browser.begin())}")
    wrong = browser.unlock(known, "ada", "a wrong password")
    assert (wrong.status, "Name or password is wrong." in wrong.text) == (403, True)
    assert browser.unlock(wrong, "ada").status == 303


def test_where_it_is_not_required_name_and_password_are_enough(panel: SsoPanel, liar: LyingProvider) -> None:
    panel.provided(required=False)
    browser = panel.browser()
    liar.answer = (500, b"")
    down = browser.ask("POST", "/sso", {"csrf": browser.token()})
    assert (down.status, "can not be asked: it answered 500" in down.text) == (503, True)
    assert browser.unlock(down, "bob", name="bob").status == 303
    liar.answer = None
    known = login_page = browser.ask("GET", f"/sso/back?code=c&state={liar.tell(browser.begin())}")
    assert 'name="name"' not in known.page
    assert browser.unlock(login_page, "bob", name="bob").status == 403  # who was named by the provider is nobody else


def test_an_answer_that_was_not_asked_for_is_refused(panel: SsoPanel, liar: LyingProvider) -> None:
    """Login CSRF: somebody leads a browser to the end of a login of his own."""
    attacker, victim = panel.browser(), panel.browser()
    state = liar.tell(attacker.begin())
    for path in (f"/sso/back?code=c&state={state}", "/sso/back", "/sso/back?code=c&state=", "/sso/back?error=x"):
        answer = victim.ask("GET", path)
        assert (answer.status, "was not begun in this browser" in answer.text) == (403, True)
    victim.begin()
    assert victim.ask("GET", f"/sso/back?code=c&state={state}").status == 403
    assert victim.ask("GET", f"/sso/back?code=c&state={state}&state={state}").status == 403
    assert liar.asked
    assert all(path != "/token" for path, _ in liar.asked)
    for forged in ("x", "A" * 200, "AAAA"):
        victim.cookies["panel_flow"] = forged
        assert victim.ask("GET", f"/sso/back?code=c&state={state}").status == 403
    # And nobody else's page begins one.
    assert victim.ask("POST", "/sso", {"csrf": victim.token()}, Origin="http://evil").status == 403
    assert victim.ask("POST", "/sso", {"csrf": "0" * 64}).status == 403
    assert victim.ask("GET", "/sso").status == 405


def test_an_answer_counts_once_even_with_the_cookie(panel: SsoPanel, liar: LyingProvider) -> None:
    browser = panel.browser()
    state = liar.tell(browser.begin())
    kept = browser.cookies["panel_flow"]
    assert browser.ask("GET", f"/sso/back?code=c&state={state}").status == 200
    browser.cookies["panel_flow"] = kept
    again = browser.ask("GET", f"/sso/back?code=c&state={state}")
    assert (again.status, "was used before" in again.text) == (403, True)
    assert [path for path, _ in liar.asked].count("/token") == 1


def test_the_code_is_exchanged_with_the_verifier_of_this_login(panel: SsoPanel, liar: LyingProvider) -> None:
    browser = panel.browser()
    where = browser.begin()
    browser.ask("GET", f"/sso/back?code=the-code&state={liar.tell(where)}")
    form = next(form for path, form in liar.asked if path == "/token")
    asked = urllib.parse.parse_qs(urllib.parse.urlsplit(where).query)
    (verifier,) = form["code_verifier"]
    challenge = part(hashlib.sha256(verifier.encode()).digest())
    assert asked["code_challenge"] == [challenge]
    assert form["code"] == ["the-code"]
    assert form["redirect_uri"] == asked["redirect_uri"] == [f"http://127.0.0.1:{panel.port}/sso/back"]


def test_a_login_does_not_wait_for_ever(panel: SsoPanel, liar: LyingProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    from safety_supervisor.panel import sso as sso_module

    monkeypatch.setattr(sso_module, "LASTS", 0)
    late = login(panel, liar)
    assert (late.status, "has taken too long" in late.text) == (403, True)
    monkeypatch.undo()
    monkeypatch.setattr(sso_module, "WAITS", 0)
    browser = panel.browser()
    known = browser.ask("GET", f"/sso/back?code=c&state={liar.tell(browser.begin())}")
    assert "First log in with" in browser.unlock(known, "ada").text


NOW = time.time()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"nonce": "another"}, "nonce"), ({"nonce": None}, "nonce"),
        ({"aud": "another", "azp": CLIENT}, "audience"), ({"aud": "another"}, "azp"),
        ({"aud": [CLIENT, "another"], "azp": CLIENT}, "audience"),
        ({"aud": [CLIENT, "another"]}, "azp"), ({"aud": []}, "audience"),
        ({"aud": None}, "aud"), ({"azp": "another"}, "azp"),
        ({"iss": "https://evil.example"}, "issuer"), ({"iss": None}, "iss"),
        ({"exp": int(NOW) - LEEWAY - 60}, "expired"), ({"exp": None}, "exp"), ({"exp": "never"}, "exp"),
        ({"iat": int(NOW) - OLDEST - 60}, "iat"), ({"iat": int(NOW) + 4000, "exp": int(NOW) + 5000}, "in the future"),
        ({"nbf": int(NOW) + 4000}, "not yet valid"), ({"at_hash": "AAAA"}, "at_hash"),
        ({"sub": "mallory"}, "nobody who may log in"), ({"sub": ""}, "names nobody"), ({"sub": None}, "sub"),
        ({"sub": 7}, "sub"), ({"sub": "Ada"}, "nobody who may log in"), ({"sub": "../ada"}, "nobody who may log in"),
    ],
)  # fmt: skip
def test_what_does_not_count(panel: SsoPanel, liar: LyingProvider, changes: dict[str, Any], told: str) -> None:
    refused = login(panel, liar, **changes)
    assert refused.status == 403
    assert "What 127.0.0.1" in refused.text
    assert told in refused.text
    assert 'name="password"' not in refused.page


def part(said: bytes) -> str:
    return base64.urlsafe_b64encode(said).rstrip(b"=").decode()


def text(header: dict[str, Any], claims: dict[str, Any]) -> str:
    return f"{part(json.dumps(header).encode())}.{part(json.dumps(claims).encode())}"


def unsigned(claims: dict[str, Any]) -> str:
    return text({"alg": "none", "kid": "one"}, claims) + "."


def by_public_key(claims: dict[str, Any]) -> str:
    """The public key, which everybody has, as if it were a secret."""
    told = text({"alg": "HS256", "kid": "one"}, claims)
    return f"{told}.{part(hmac.digest(SIGNER.as_pem(private=False), told.encode(), 'sha256'))}"


def demanding(claims: dict[str, Any]) -> str:
    told = text({"alg": "RS256", "kid": "one", "crit": ["exp"], "exp": 1}, claims)
    return f"{told}.{part(SIGNER.raw_value.sign(told.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


@pytest.mark.parametrize(
    "sign",
    [
        unsigned,
        by_public_key,
        lambda claims: signed(claims, OTHER),
        lambda claims: signed(claims, kid="two"),
        lambda claims: signed(claims)[:-8] + "AAAAAAAA",
        demanding,
        lambda claims: "nonsense",
        lambda claims: "\u00e9.a.b",
        lambda claims: "a" * 20000,
    ],
)
def test_what_is_not_signed_by_the_provider_is_nothing(panel: SsoPanel, liar: LyingProvider, sign: Any) -> None:
    liar.sign = sign
    refused = login(panel, liar)
    assert (refused.status, "does not count" in refused.text) == (403, True)
    liar.sign = signed
    assert login(panel, liar).status == 200


def test_keys_that_the_provider_has_changed_are_fetched(
    panel: SsoPanel, liar: LyingProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert login(panel, liar).status == 200
    monkeypatch.setattr(provider_module, "_AGAIN", 0.0)
    liar.asked.clear()
    liar.sign = lambda claims: signed(claims, kid="two")
    assert login(panel, liar).status == 403
    assert [path for path, _ in liar.asked].count("/keys") == 1  # once, and it was not there


def test_an_email_counts_where_it_is_verified_alone(panel: SsoPanel, liar: LyingProvider) -> None:
    panel.provided(claim="email", people={"ada@cell.example": "ada"})
    address = "ada@cell.example"
    for verified in (None, False, "true", 1):
        refused = login(panel, liar, email=address, email_verified=verified)
        assert (refused.status, "e-mail address is not verified" in refused.text) == (403, True)
    assert login(panel, liar, email="bob@cell.example", email_verified=True).status == 403
    assert "says that you are ada" in login(panel, liar, sub="4711", email=address, email_verified=True).text


def test_a_subject_is_mapped_to_its_person(panel: SsoPanel, liar: LyingProvider) -> None:
    panel.provided(people={"4711": "bob"})
    assert "says that you are bob" in login(panel, liar, sub="4711").text
    assert login(panel, liar, sub="bob").status == 403
    assert login(panel, liar, sub="ada").status == 403


@pytest.mark.parametrize(
    ("metadata", "told"),
    [
        ({"issuer": "http://127.0.0.1:1"}, "another name"),
        ({"token_endpoint": "http://evil.example/token"}, "token_endpoint"),
        ({"jwks_uri": "file:///etc/passwd"}, "jwks_uri"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "authorization_endpoint"),
        ({"authorization_endpoint": "https://a@evil.example/"}, "authorization_endpoint"),
        ({"authorization_endpoint": 7}, "authorization_endpoint"),
    ],
)
def test_a_provider_that_leads_astray_is_not_followed(
    panel: SsoPanel, liar: LyingProvider, metadata: dict[str, Any], told: str
) -> None:
    liar.metadata = metadata
    browser = panel.browser()
    refused = browser.ask("POST", "/sso", {"csrf": browser.token()})
    assert refused.status == 503
    assert told in refused.text


def test_an_answer_of_another_provider_is_refused(panel: SsoPanel, liar: LyingProvider) -> None:
    """Mix-up (RFC 9207)."""
    browser = panel.browser()
    state = liar.tell(browser.begin())
    assert "of another provider" in browser.ask("GET", f"/sso/back?code=c&state={state}&iss=https://evil.example").text
    state = liar.tell(browser.begin())
    issuer = urllib.parse.quote(liar.issuer, "")
    assert browser.ask("GET", f"/sso/back?code=c&state={state}&iss={issuer}").status == 200
    liar.metadata = {"authorization_response_iss_parameter_supported": True}
    panel.provided()
    assert "of another provider" in login(panel, liar).text


@pytest.mark.parametrize(
    "answer", [(200, b"[1]"), (200, b"{"), (302, b"{}"), (200, b"[" * 9999), (200, b"{}" * 200_000)]
)
def test_what_a_provider_answers_is_bounded(panel: SsoPanel, liar: LyingProvider, answer: tuple[int, bytes]) -> None:
    liar.answer = answer
    browser = panel.browser()
    assert browser.ask("POST", "/sso", {"csrf": browser.token()}).status == 503


@pytest.mark.redteam(24)
def test_nothing_leads_anywhere_else_and_what_is_said_is_text(panel: SsoPanel, liar: LyingProvider) -> None:
    """Open redirects; script in what a provider or an address says."""
    browser = panel.browser()
    for more in ("&next=//evil.example", "&redirect_uri=https://evil.example", "&plain=//evil.example"):
        state = liar.tell(browser.begin())
        known = browser.ask("GET", f"/sso/back?code=c&state={state}{more}")
        assert known.status == 200
        assert "evil" not in known.page
    done = browser.unlock(known, "ada", next="//evil.example", plain="https://evil.example")
    assert done.headers["location"] == "/"
    scripted = login(panel, liar, sub="<script>alert(1)</script>")
    assert "<script" not in scripted.page
    state = liar.tell(browser.begin())
    denied = browser.ask("GET", f"/sso/back?state={state}&error=access_denied")
    assert (denied.status, "says no: access_denied." in denied.text) == (403, True)
    state = liar.tell(browser.begin())
    error = browser.ask("GET", f"/sso/back?state={state}&error=%3Cscript%3Ealert(1)&error_description=evil")
    assert "says no." in error.text
    assert "<script" not in error.page
    assert "evil" not in error.page
    assert "script-src" not in error.headers["content-security-policy"]


@pytest.mark.redteam(20)
def test_a_provider_that_hangs_delays_no_stop(
    panel: SsoPanel, liar: LyingProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider_module, "LIMIT", 2.0)
    liar.delay = 4.0
    told: list[Answer] = []

    def press() -> None:
        browser = panel.browser()
        told.append(browser.ask("POST", "/sso", {"csrf": browser.token()}))

    threads = [threading.Thread(target=press) for _ in range(12)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    before, took = panel.link.stops, []
    for _ in range(20):
        begin = time.monotonic()
        assert panel.browser().ask("POST", "/stop").status == 200
        took.append(time.monotonic() - begin)
    for thread in threads:
        thread.join()
    assert panel.link.stops == before + 20
    assert statistics.median(took) < 1.0  # the provider hangs for twice as long
    assert {one.status for one in told} == {503}
    said = " ".join(one.text for one in told)
    assert "does not answer in time" in said
    assert "too many logins at once" in said


def test_a_secret_is_its_owners_alone(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("s3cret\n")
    file.chmod(0o640)
    with pytest.raises(ValueError, match="read by others"):
        read_secret(file)
    file.chmod(0o600)
    assert read_secret(file) == "s3cret"
    for text in ("", "two\nlines", "\u00e9", "a" * 2000):
        file.write_text(text)
        with pytest.raises(ValueError, match="no secret"):
            read_secret(file)
    with pytest.raises(OSError):
        read_secret(tmp_path / "none")
