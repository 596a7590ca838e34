"""Heads go elsewhere: to a file, an HTTP endpoint, a real timestamping authority; none delays a record."""

from __future__ import annotations

import argparse
import base64
import contextlib
import errno
import http.server
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from chains import ROBOT, Written, make_log, verify, write_boot
from evidence_records import effects, header, tick, wait_for
from small_disk import remount
from typer.testing import CliRunner

from safety_supervisor.core.errors import Code
from safety_supervisor.evidence.cli import app
from safety_supervisor.evidence.decisions import timestamps
from safety_supervisor.evidence.decisions.heads import read_heads
from safety_supervisor.evidence.decisions.sink_words import KEPT, WAITING, SinkWords
from safety_supervisor.evidence.decisions.sinks import Sink, make_sinks
from safety_supervisor.evidence.decisions.timestamps import TimestampError, post, read_timestamps, stamp
from safety_supervisor.evidence.feed import EventFeed

pytestmark = pytest.mark.requirement("SR-042")


class Server:
    """An HTTP server; `answer` gives the body, or raises."""

    def __init__(self, answer: Callable[[bytes, str], tuple[int, bytes, str]]) -> None:
        self.got: list[bytes] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                data = self.rfile.read(int(self.headers["Content-Length"]))
                outer.got.append(data)
                status, body, place = answer(data, str(self.headers["Content-Type"]))
                self.send_response(status)
                if place:
                    self.send_header("Location", place)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None: ...

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/heads"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    made: list[Server] = []

    def serve(answer: Callable[[bytes, str], tuple[int, bytes, str]]) -> Server:
        made.append(Server(answer))
        return made[-1]

    yield serve
    for server in made:
        server.close()


def run(feed: EventFeed, until: Callable[[], bool]) -> bool:
    """Record as the node does until something is so."""
    at = 0

    def step() -> bool:
        nonlocal at
        at += 1
        feed.record(tick(at), effects(at))
        feed.flush()
        feed.healthy(time.monotonic_ns())
        return until()

    return wait_for(step)


def test_heads_go_to_a_file_and_an_endpoint(tmp_path: Path, serve: Callable[..., Server]) -> None:
    server = serve(lambda data, kind: (204, b"", ""))
    file = tmp_path / "elsewhere" / "heads"
    feed = EventFeed(tmp_path / "log", header(), sinks=(f"--file={file}", f"--url={server.url}"))
    assert run(feed, lambda: file.exists() and bool(server.got))
    assert feed.close(10.0)
    end = verify(tmp_path / "log").last

    def newest() -> int:
        return int(json.loads(file.read_bytes().splitlines()[-1])["sequence"])

    assert wait_for(lambda: newest() == end)  # the last one, too, behind the recorder's end
    assert wait_for(lambda: json.loads(server.got[-1])["sequence"] == end)
    report = verify(tmp_path / "log", heads=read_heads(file))
    assert (report.broken, report.complete_to) == (None, end)


@pytest.mark.redteam(39)
def test_a_network_that_hangs_delays_no_record(tmp_path: Path, serve: Callable[..., Server]) -> None:
    over = threading.Event()

    def hang(data: bytes, kind: str) -> tuple[int, bytes, str]:
        over.wait(30.0)
        return 500, b"", ""

    server = serve(hang)
    feed = EventFeed(tmp_path / "log", header(), sinks=(f"--url={server.url}",))
    began = time.monotonic()
    assert run(feed, lambda: bool(server.got) and time.monotonic() - began > 2.5)
    feed.flush()
    assert wait_for(lambda: feed.healthy(time.monotonic_ns()) and feed.pending == 0, 5.0)
    began = time.monotonic()
    assert feed.close(10.0)
    assert time.monotonic() - began < 5.0
    over.set()
    assert verify(tmp_path / "log").tail == "complete"


def test_a_sink_that_fails_is_told_once_and_gets_the_newest_later(capsys: pytest.CaptureFixture[str]) -> None:
    fails, got = [True], []

    def send(line: str) -> None:
        if fails[0]:
            raise OSError("no route")
        got.append(line)

    sink = Sink("place", send, 0.01)
    for number in range(5):
        sink.put(f"head{number}")
        time.sleep(0.02)
    fails[0] = False
    sink.put("newest")
    assert wait_for(lambda: got == ["newest"], 5.0), got
    sink.put("after")
    assert wait_for(lambda: got == ["newest", "after"], 5.0), got
    sink.end(5.0)
    told = capsys.readouterr().err
    assert told.count("no route") == 1
    assert told.count("again") >= 1


# --- what fails is told to the control process


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., tuple[Sink, SinkWords]]]:
    """Make a sink as the process does, in this one, whose words are heard; a network that hangs is waited for 0.3 s."""
    monkeypatch.setattr(timestamps, "TIMEOUT", 0.3)
    made: list[tuple[Sink, SinkWords]] = []

    def make(**places: str) -> tuple[Sink, SinkWords]:
        heard, words = os.pipe()
        os.set_blocking(heard, False)
        given = {"file": "", "url": "", "authority": "", "tokens": str(tmp_path / "tokens")} | places
        space = argparse.Namespace(robot=ROBOT, every=0.01, stamp_every=0.01, words=words, **given)
        (sink,) = make_sinks(space)
        made.append((sink, SinkWords(1, heard)))
        return made[-1]

    yield make
    for sink, words in made:
        sink.end(0.0)
        words.close()


def says(words: SinkWords, *parts: str) -> bool:
    """Wait until all of it is said."""

    def said() -> bool:
        words.poll()
        return all(part in words.text for part in parts)

    return wait_for(said, 8.0)


HEADS = [f'{{"kind":"head","number":{number}}}' for number in range(3)]


@pytest.mark.sampled(2)
@pytest.mark.parametrize("kind", ["url", "authority"])
@pytest.mark.parametrize("fault", ["500", "hangs", "gone", "no HTTP"])
def test_a_server_that_fails_is_told_and_one_that_answers_again_too(
    kind: str,
    fault: str,
    told: Callable[..., tuple[Sink, SinkWords]],
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken, over = [True], threading.Event()

    def taken(data: bytes, content: str) -> tuple[int, bytes, str]:
        return 204, b"", ""

    good = answer_by(request.getfixturevalue("authority")) if kind == "authority" else taken

    def answer(data: bytes, content: str) -> tuple[int, bytes, str]:
        if broken[0]:
            over.wait(5.0 if fault == "hangs" else 0.0)
            return 500, b"", ""
        return good(data, content)

    place: Server | socket.socket
    if fault in ("500", "hangs"):
        place = server = Server(answer)
        url = server.url
    else:
        place = socket.socket()
        place.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{place.getsockname()[1]}/heads"
        if fault == "gone":
            place.close()
        else:
            place.listen()
            threading.Thread(target=speak_nonsense, args=(place,), daemon=True).start()
    sink, words = told(**{kind: url})
    assert (words.text, Code.HEADS.value) == (WAITING, "E_HEADS")
    sink.put(HEADS[0])
    why = {"500": "HTTP Error 500", "hangs": "timed out", "gone": "Connection refused", "no HTTP": "no HTTP"}[fault]
    assert says(words, f"E_HEADS {url}: ", why), words.text
    broken[0] = False
    monkeypatch.setattr(timestamps, "TIMEOUT", 10.0)
    over.set()
    if fault in ("500", "hangs"):
        assert says(words, KEPT), words.text
    place.close()


def speak_nonsense(listening: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            other, _ = listening.accept()
            other.recv(1 << 16)
            other.sendall(b"220 mail.example.org ESMTP\r\n")
            other.close()


def test_a_file_on_a_disk_that_goes_read_only_is_told(
    small_disk: Path, told: Callable[..., tuple[Sink, SinkWords]], tmp_path: Path
) -> None:
    heads = [head.decode() for head in make_log(tmp_path / "log")]
    sink, words = told(file=str(small_disk / "heads"))
    sink.put(heads[0])
    assert says(words, KEPT)
    remount(small_disk, "ro")
    sink.put(heads[1])
    assert says(words, "E_HEADS file", "Read-only file system"), words.text
    remount(small_disk, "rw")
    assert says(words, KEPT)
    assert (small_disk / "heads").read_text().splitlines()[-1] == heads[1]


def test_the_control_process_hears_of_a_place_that_fails_and_of_the_end_of_who_serves_it(
    tmp_path: Path, serve: Callable[..., Server]
) -> None:
    broken = [True]
    server = serve(lambda data, kind: (500 if broken[0] else 204, b"", ""))
    file = tmp_path / "heads"
    feed = EventFeed(tmp_path / "log", header(), sinks=(f"--url={server.url}", f"--file={file}"))
    assert feed.sinks.text == WAITING

    def says_so(part: str) -> bool:
        def said() -> bool:
            feed.sinks.poll()
            return part in feed.sinks.text

        return run(feed, said)

    assert says_so(f"E_HEADS {server.url}: HTTP Error 500"), feed.sinks.text
    assert str(file) not in feed.sinks.text
    broken[0] = False
    assert says_so(KEPT)
    assert feed.failure == ""
    (child,) = Path(f"/proc/{feed.process_id}/task/{feed.process_id}/children").read_text().split()
    os.kill(int(child), signal.SIGKILL)
    assert says_so("E_HEADS the process that hands them on has ended"), feed.sinks.text
    assert feed.healthy(time.monotonic_ns())  # the record is kept all the same
    assert feed.close(10.0)
    other = EventFeed(tmp_path / "other", header())
    assert other.sinks.text == ""
    assert other.close(10.0)


def test_a_head_goes_to_the_very_url_and_nowhere_else(serve: Callable[..., Server]) -> None:
    other = serve(lambda data, kind: (200, b"", ""))
    server = serve(lambda data, kind: (307, b"", other.url))
    with pytest.raises(OSError, match="307"):
        post(server.url, b"{}", "application/json")
    assert other.got == []


# --- timestamps (RFC 3161): the authority is OpenSSL's


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("rfc3161_client", reason="the extra `evidence` is not installed")
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    place = tmp_path_factory.mktemp("tsa")
    (place / "tsa.cnf").write_text(
        """
[tsa]
default_tsa = one
[one]
serial = serial
signer_cert = tsa.pem
signer_key = tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
ess_cert_id_alg = sha256
[ext]
extendedKeyUsage = critical,timeStamping
keyUsage = critical,digitalSignature
"""
    )

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=place, check=True, capture_output=True)

    for name in ("root", "other"):
        openssl(
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.pem",
            "-days", "3650", "-subj", f"/CN={name}",
        )  # fmt: skip
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "tsa.key", "-out", "tsa.csr", "-subj", "/CN=tsa")
    openssl(
        "x509", "-req", "-in", "tsa.csr", "-CA", "root.pem", "-CAkey", "root.key", "-set_serial", "7", "-out",
        "tsa.pem", "-days", "3650", "-extfile", "tsa.cnf", "-extensions", "ext",
    )  # fmt: skip
    (place / "serial").write_text("01\n")
    return place


def answer_by(place: Path) -> Callable[[bytes, str], tuple[int, bytes, str]]:
    lock = threading.Lock()

    def answer(data: bytes, kind: str) -> tuple[int, bytes, str]:
        assert kind == "application/timestamp-query"
        with lock:
            (place / "query").write_bytes(data)
            command = ["openssl", "ts", "-reply", "-config", "tsa.cnf", "-queryfile", "query", "-out", "reply"]
            subprocess.run(command, cwd=place, check=True, capture_output=True)
            return 200, (place / "reply").read_bytes(), ""

    return answer


def test_an_authority_proves_when_a_head_was_there(
    authority: Path, serve: Callable[..., Server], tmp_path: Path
) -> None:
    heads = [head.decode() for head in make_log(tmp_path / "log")]
    server = serve(answer_by(authority))
    tokens = tmp_path / "timestamps"
    tokens.write_bytes(b"".join(stamp(server.url, head) for head in (heads[2], heads[-1])))
    found = read_timestamps(tokens, authority / "root.pem")
    assert [one.head for one in found] == [json.loads(heads[2]), json.loads(heads[-1])]
    assert abs(found[-1].time.timestamp() - time.time()) < 60.0

    given = ["--timestamps", str(tokens), "--authority", str(authority / "root.pem")]
    done = CliRunner().invoke(app, ["verify", str(tmp_path / "log"), *given, "--json"])
    report = json.loads(done.stdout)
    assert (done.exit_code, report["stamps"], report["heads"]) == (0, 2, 2)
    log = Written.read(tmp_path / "log")
    log.files[list(log.files)[-1]].pop()
    log.put(tmp_path / "cut")
    done = CliRunner().invoke(app, ["verify", str(tmp_path / "cut"), *given])
    assert done.exit_code == 1
    assert "cut off or rolled back" in done.stdout

    with pytest.raises(TimestampError):
        read_timestamps(tokens, authority / "other.pem")
    line = json.loads(tokens.read_bytes().splitlines()[0])
    for changed in (
        line | {"head": heads[3]},
        line | {"token": base64.b64encode(base64.b64decode(line["token"])[:-40]).decode()},
        {"head": heads[2]},
    ):
        tokens.write_text(json.dumps(changed) + "\n")
        with pytest.raises(TimestampError):
            read_timestamps(tokens, authority / "root.pem")
    assert CliRunner().invoke(app, ["verify", str(tmp_path / "log"), *given]).exit_code == 2


def test_an_answer_to_another_question_is_none(authority: Path, serve: Callable[..., Server], tmp_path: Path) -> None:
    heads = [head.decode() for head in write_boot(tmp_path / "log", "b", 5)]
    replies: list[bytes] = []
    real = answer_by(authority)

    def first_again(data: bytes, kind: str) -> tuple[int, bytes, str]:
        replies.append(real(data, kind)[1])
        return 200, replies[0], ""

    server = serve(first_again)
    stamp(server.url, heads[0])
    with pytest.raises(TimestampError):
        stamp(server.url, heads[0])  # the same head, another nonce
    broken = serve(lambda data, kind: (200, b"garbage", ""))
    with pytest.raises(TimestampError):
        stamp(broken.url, heads[0])


def test_the_recorder_lets_heads_be_stamped(authority: Path, serve: Callable[..., Server], tmp_path: Path) -> None:
    server = serve(answer_by(authority))
    tokens = tmp_path / "stamps"
    feed = EventFeed(
        tmp_path / "log", header(), sinks=(f"--authority={server.url}", f"--tokens={tokens}", "--stamp-every=10")
    )
    assert run(feed, tokens.exists)
    assert feed.close(10.0)
    end = verify(tmp_path / "log").last
    assert wait_for(lambda: len(tokens.read_bytes().splitlines()) == 2)  # and the last one, at the end
    found = read_timestamps(tokens, authority / "root.pem")
    assert found[-1].head["sequence"] == end
    assert found[-1].head["robot"] == ROBOT


def test_where_not_even_its_words_find_room_a_sink_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """The words of a program go to a file on the disk that is full."""
    full_until, kept = time.monotonic() + 0.5, list[str]()

    def keep(line: str) -> None:
        if time.monotonic() < full_until:
            raise OSError(errno.ENOSPC, "No space left on device")
        kept.append(line)

    full = Path("/dev/full").open("w", encoding="ascii")  # noqa: SIM115, closing it fails, too
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stderr", full)
        sink = Sink("file", keep, 0.01)
        sink.put("head")
        assert wait_for(lambda: kept == ["head"], 10.0)
        sink.end(1.0)
    with contextlib.suppress(OSError):
        full.close()
