"""The policy client over real HTTP: good answers are passed on, everything else is no verdict, and in time."""

from __future__ import annotations

import datetime
import json
import os
import random
import re
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "policy"))
sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
sys.path.insert(0, str(Path(__file__).parent))

from opa_server import PATH, OpaServer, cell_server, opa_server, reply
from random_facts import random_facts
from rig import panda

from safety_supervisor.config.policy_checks import judge_server
from safety_supervisor.config.policy_keys import PolicyKeys
from safety_supervisor.config.problems import Problems
from safety_supervisor.core.effects import PolicyQuestion
from safety_supervisor.core.events import PolicyAnswer
from safety_supervisor.core.policy.facts import FACTS
from safety_supervisor.core.policy.server import PolicyServer
from safety_supervisor.core.policy.verdict import Approve
from safety_supervisor.policy.examples import read_policy
from safety_supervisor.ros.frames import PolicyRequest
from safety_supervisor.ros.policy_client import (
    LONGEST_BODY,
    LONGEST_ERROR,
    PolicyClient,
    PolicyServerError,
    answer,
    verdict_of,
)
from safety_supervisor.ros.policy_questions import LOST, PolicyQuestions

ROOT = Path(__file__).parents[2]


@pytest.fixture
def server() -> Iterator[OpaServer]:
    with opa_server() as made:
        yield made


def test_a_server_with_the_twins_rules_gives_the_programs_verdicts() -> None:
    program, chance = read_policy(ROOT / "config" / "policies" / "cell.yaml"), random.Random(3)
    with cell_server() as opa:
        client = PolicyClient(opa.url, 5.0)
        seen = set()
        for _ in range(60):
            facts = random_facts(chance)
            verdict = program.judge(facts)
            said = f'approve("{verdict.kind}")' if isinstance(verdict, Approve) else verdict.text
            assert client.ask(json.dumps(facts)) == said
            seen.add(said)
        assert len(seen) > 5
        assert set(opa.paths) == {PATH}
        with pytest.raises(PolicyServerError, match="no `result`"):
            client.ask("{}")


def test_the_example_of_the_document_works() -> None:
    text = (ROOT / "docs" / "policy.md").read_text(encoding="utf-8")
    rules = re.findall(r"```rego\n(.*?)```", text, re.DOTALL)
    keys = next(one for one in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if "url:" in one)
    problems = Problems({})
    policy = judge_server(found := PolicyKeys(**yaml.safe_load(keys)["policy"]), str(found.url), problems)
    assert problems.found == []
    assert policy is not None
    with opa_server(*rules) as opa:
        said = {kind: PolicyClient(opa.url, 5.0).ask(json.dumps({"kind": kind})) for kind in ("agent", "person")}
    assert said == {"agent": 'deny("E_POLICY_NIGHT")', "person": "allow"}
    assert set(said.values()) <= set(policy.verdicts)


@pytest.mark.parametrize(
    ("body", "verdict"),
    [
        ('{"result":"allow"}', "allow"),
        ('{"decision_id":"a","result":"allow"}', "allow"),
        ('{"result":{"deny":"E_POLICY_A"}}', 'deny("E_POLICY_A")'),
        ('{"result":{"approve":"near_people"}}', 'approve("near_people")'),
    ],
)
def test_verdicts(body: str, verdict: str) -> None:
    assert verdict_of(body.encode()) == verdict


@pytest.mark.redteam(37)
@pytest.mark.parametrize(
    "body",
    [
        "", "{}", "[]", "null", "true", '"allow"', '{"result":true}', '{"result":null}', '{"result":["allow"]}',
        '{"result":{"allow":true}}', '{"result":"Allow"}', '{"result":"allow "}', '{"result":"deny"}', '{"result":{}}',
        '{"result":{"deny":"E_OTHER"}}', '{"result":{"deny":"E_POLICY_a"}}', '{"result":{"deny":["E_POLICY_A"]}}',
        '{"result":{"deny":"E_POLICY_A\\n"}}', '{"result":{"deny":"E_POLICY_A","approve":"zone"}}',
        '{"result":{"deny":"E_POLICY_A","why":"so"}}', '{"result":{"approve":1}}', '{"result":{"approve":"Zone"}}',
        '{"result":"deny","result":"allow"}', '{"result":"allow","warning":"no input"}', '{"result":NaN}',
        '{"result":1e999}',
        '{"result":"allow"', '{"result":"allow"}x', "[" * 60000, '{"result":' + "9" * 60000 + "}", "\ufeff", "allow",
        '{"Result":"allow"}', '{"result":"\u0430llow"}',
    ],
)  # fmt: skip
def test_what_is_no_verdict(body: str) -> None:
    with pytest.raises(PolicyServerError):
        verdict_of(body.encode())


def test_what_is_no_text() -> None:
    for body in (b"\xff", b'{"result":"allow"}\x00', '{"result":"allow"}'.encode("utf-16")):
        with pytest.raises(PolicyServerError):
            verdict_of(body)


GOOD = b'{"result":"allow"}'


def drip(request: BaseHTTPRequestHandler) -> None:
    """One byte of a good answer now and then."""
    for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 18\r\n\r\n" + GOOD:
        request.wfile.write(bytes([byte]))
        time.sleep(0.05)


def long_body(request: BaseHTTPRequestHandler) -> None:
    reply(request, GOOD + b" " * LONGEST_BODY)


def words(text: bytes) -> Callable[[BaseHTTPRequestHandler], None]:
    def say(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(text)
        request.close_connection = True

    return say


@pytest.mark.redteam(37)
@pytest.mark.parametrize(
    ("spoils", "said"),
    [
        (lambda request: reply(request, GOOD, 500), "500"),
        (lambda request: reply(request, GOOD, 404), "404"),
        (lambda request: reply(request, GOOD, 204), "204"),
        (lambda request: reply(request, b"", 307, Location=PATH), "307"),
        (lambda request: reply(request, b"", 302, Location="http://127.0.0.1:1/"), "302"),
        (lambda request: reply(request, b"\x1f\x8b\x08", Content_Encoding="gzip"), "no JSON"),
        (long_body, f"longer than {LONGEST_BODY}"),
        (drip, "no answer within 0.5 s"),
        (lambda request: time.sleep(1.0), "no answer within 0.5 s"),
        (words(b""), "RemoteDisconnected"),
        (words(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 1000 + b"\r\n" + GOOD), "headers"),
        (words(b"HTTP/1.1 100 Continue\r\n\r\n" * 10000), ""),
        (words("\u202e\x1b[2J nonsense\r\n\r\n".encode()), "BadStatusLine"),
        (words(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + GOOD[:-1]), ""),
    ],
)
def test_a_bad_server_is_no_verdict_in_time(server: OpaServer, spoils: Any, said: str) -> None:
    server.spoils = spoils
    began = time.monotonic()
    told = answer(PolicyClient(server.url, 0.5).ask, PolicyRequest(7, '{"verb":"cmd_vel"}'))
    assert time.monotonic() - began < 1.5
    assert (told.number, told.verdict) == (7, "")
    assert said in told.error
    assert told.error.isascii()
    assert told.error.isprintable()
    assert 0 < len(told.error) <= 4 * LONGEST_ERROR
    assert server.asked == [{"verb": "cmd_vel"}], "asked once, and nowhere else"


def test_no_server_is_no_verdict(server: OpaServer) -> None:
    url = server.url
    server.close()
    with pytest.raises(PolicyServerError, match="refused"):
        PolicyClient(url, 0.5).ask("{}")
    with pytest.raises(PolicyServerError):
        PolicyClient("https://there-is-none.invalid/", 0.5).ask("{}")


def test_no_proxy_of_the_environment_answers(server: OpaServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.spoils = lambda request: reply(request, GOOD)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    assert PolicyClient(server.url, 2.0).ask("{}") == "allow"


def certificate(directory: Path) -> Path:
    """Make a certificate for 127.0.0.1 that signs itself; return its file, the key in it."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = directory / "server.pem"
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return file


def test_https_is_believed_by_its_certificate_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            reply(self, GOOD)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    file = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    http = HTTPServer(("127.0.0.1", 0), Handler)
    http.socket = context.wrap_socket(http.socket, server_side=True)
    http.handle_error = lambda *_: None  # type: ignore[method-assign]
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        url = f"https://127.0.0.1:{http.server_address[1]}/v1/data/a"
        with pytest.raises(PolicyServerError, match="certificate"):
            PolicyClient(url, 2.0).ask("{}")
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
        assert PolicyClient(url, 2.0).ask("{}") == "allow"
        named = f"https://localhost:{http.server_address[1]}/v1/data/a"
        with pytest.raises(PolicyServerError, match="CERTIFICATE_VERIFY_FAILED"):
            PolicyClient(named, 2.0).ask("{}")
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


# --- the process beside the control process


class Sink:
    """Takes what would enter the core."""

    def __init__(self) -> None:
        self.answers: list[PolicyAnswer] = []

    def enter(self, event: Any) -> None:
        self.answers.append(event)


@pytest.fixture
def made(server: OpaServer) -> Iterator[tuple[PolicyQuestions, Sink]]:
    server.spoils = lambda request: reply(request, GOOD)
    settings = PolicyServer(server.url, 1_000_000_000, {}, {}, tuple(sorted(FACTS)))
    sink = Sink()
    questions = PolicyQuestions(panda(policy=settings), sink)  # type: ignore[arg-type]
    yield questions, sink
    questions.close()


def ask(questions: PolicyQuestions, *numbers: int) -> None:
    for number in numbers:
        questions.ask(PolicyQuestion(time.monotonic_ns(), number, f'{{"number":{number}}}'))


def wait(questions: PolicyQuestions, sink: Sink, count: int, seconds: float = 10.0, restart: bool = True) -> None:
    ends = time.monotonic() + seconds
    while len(sink.answers) < count:
        assert time.monotonic() < ends, sink.answers
        questions.poll(time.monotonic_ns(), restart)
        time.sleep(0.002)


def test_questions_go_at_once_and_wait_for_no_other(made: tuple[PolicyQuestions, Sink], server: OpaServer) -> None:
    questions, sink = made
    ask(questions, 1)
    wait(questions, sink, 1)
    server.waits = 0.2
    ask(questions, *range(2, 12))
    began = time.monotonic()
    wait(questions, sink, 11)
    assert time.monotonic() - began < 1.0, "ten times 0.2 s, side by side"
    assert {one.number for one in sink.answers} == set(range(1, 12))
    assert {(one.verdict, one.error) for one in sink.answers} == {("allow", "")}
    assert dict(questions.facts()) == {"policy_server": "answers", "policy_client_restarts": "0"}
    assert sorted(one["number"] for one in server.asked) == list(range(1, 12))


def test_a_lost_process_answers_its_questions_with_errors_and_is_started_anew_when_it_may(
    made: tuple[PolicyQuestions, Sink], server: OpaServer
) -> None:
    questions, sink = made
    server.waits = 0.3
    ask(questions, 1, 2)
    questions.poll(time.monotonic_ns(), False)
    assert questions.pid is not None
    os.kill(questions.pid, 9)
    wait(questions, sink, 2, restart=False)
    assert {(one.number, one.verdict, one.error) for one in sink.answers} == {(1, "", LOST), (2, "", LOST)}
    ask(questions, 3)
    wait(questions, sink, 3, restart=False)
    assert sink.answers[-1].error == LOST
    assert questions.pid is None
    server.waits = 0.0
    while questions.pid is None:
        questions.poll(time.monotonic_ns(), True)
        time.sleep(0.01)
    ask(questions, 4)
    wait(questions, sink, 4)
    assert sink.answers[-1].verdict == "allow"
    assert questions.restarts == 1


def test_a_process_that_does_not_answer_is_ended(made: tuple[PolicyQuestions, Sink]) -> None:
    questions, sink = made
    ask(questions, 1)
    wait(questions, sink, 1)
    assert questions.pid is not None
    os.kill(questions.pid, 19)
    ask(questions, 2)
    wait(questions, sink, 2, restart=False)
    assert (sink.answers[-1].number, sink.answers[-1].error) == (2, LOST)
    assert questions.pid is None


def test_without_a_server_there_is_no_process() -> None:
    questions = PolicyQuestions(replace(panda(), policy=None), Sink())  # type: ignore[arg-type]
    assert questions.pid is None
    questions.poll(1, True)
    assert list(questions.facts()) == []
