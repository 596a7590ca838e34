"""An incident is told truly, in one page, in the same bytes each time, and what can not be told is said."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import zipfile
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pytest
from evidence_records import actuate, decision, header, status, tick
from recorded_boot import CONFIGURATION, RecordedBoot
from replayed_boot import record
from typer.testing import CliRunner

from safety_supervisor import load_config
from safety_supervisor.core.act_events import OperatorAct
from safety_supervisor.core.effects import Effect, Reply
from safety_supervisor.core.events import Event
from safety_supervisor.evidence import event_log
from safety_supervisor.evidence.event_log import EventLog, Gap
from safety_supervisor.export.cli import app
from safety_supervisor.export.window import find_key

pytestmark = [pytest.mark.requirement("SR-042"), pytest.mark.requirement("SR-044")]
SECOND = 1_000_000_000
encode = msgspec.msgpack.Encoder().encode


def export(log: Path, out: Path, *more: str, exits: int = 0) -> dict[str, Any]:
    done = CliRunner().invoke(app, ["export", "incident", str(log), "--out", str(out), "--json", *more])
    assert done.exit_code == exits, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


class Reader(HTMLParser):
    """What a browser would load, run and show."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.sources: list[str] = []
        self.words = ""
        self.handlers: list[str] = []
        self._hidden = 0
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._hidden += tag == "style"
        for name, value in attributes:
            if name in ("src", "srcset", "href"):
                self.sources.append(value or "")
            if name.startswith("on"):
                self.handlers.append(name)

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag == "style"

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.words += data + "\n"


@pytest.fixture(scope="module")
def exported(boot: RecordedBoot, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("incident") / "one"
    assert export(boot.path, out, "--zip")["same"] is True
    return out


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record(load_config(CONFIGURATION), tmp_path_factory.mktemp("short"))


def test_the_page_tells_of_the_last_stop_in_one_sentence(boot: RecordedBoot, exported: Path) -> None:
    found = Reader(exported / "incident.html")
    facts = json.loads((exported / "incident.json").read_text(encoding="utf-8"))
    stop = boot.stop
    since = (stop.at - 1_000_000_000) / SECOND  # the first event is at 1 s
    assert facts["t"] == pytest.approx(since)
    assert (facts["key"]["code"], facts["key"]["joint"]) == (stop.code, stop.joint)
    for words in (
        "motion of planner on robot panda was stopped",
        f"{stop.value * 1e3:.1f} mm, at least {stop.limit * 1e3:.1f} mm are needed",
        f"{since:.3f} s after the first event",
        "every effect again, bit for bit",
        "unbroken, completeness unknown",
        facts["configuration_sha256"],
        "was commanded to rest",
    ):
        assert words in found.words.replace("\n", " "), words
    # The acts that let it move stand there, and that nobody signed them.
    assert re.search(r"start auto\s+ada\s+no signature\s+done", found.words), found.words


def test_the_page_runs_nothing_and_loads_nothing(exported: Path) -> None:
    found = Reader(exported / "incident.html")
    assert "script" not in found.tags
    assert found.handlers == []
    assert found.sources
    assert all(source.startswith("data:image/png;base64,") for source in found.sources)
    text = (exported / "incident.html").read_text(encoding="utf-8")
    assert "default-src 'none'" in text
    assert not re.search(r"url\(|@import|https?://", text)
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text


def test_all_files_are_what_their_sums_say_and_the_archive_holds_the_same(exported: Path) -> None:
    done = subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=exported, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout
    assert done.stdout.count(": OK") == len(list(exported.iterdir())) - 1
    with zipfile.ZipFile(exported.with_name("one.zip")) as archive:
        assert archive.testzip() is None
        inside = {name: archive.read(name) for name in archive.namelist()}
    assert inside == {f"one/{file.name}": file.read_bytes() for file in exported.iterdir()}
    # It is the configuration that was hashed.
    assert (exported / "configuration.yaml").read_bytes() in (
        Path(__file__).parents[2] / "config/panda.yaml"
    ).read_bytes()


@pytest.mark.long
def test_the_same_log_gives_the_same_bytes(short: Path, tmp_path: Path) -> None:
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        export(short, tmp_path / place / "one", "--zip")
    first, second = ((tmp_path / place / "one.zip").read_bytes() for place in ("a", "b"))
    assert first == second


def test_an_instant_is_chosen_by_time_or_line(boot: RecordedBoot, exported: Path, tmp_path: Path) -> None:
    stop = json.loads((exported / "incident.json").read_text(encoding="utf-8"))
    utc = stop["at"].replace(" UTC", "Z").replace(" ", "T")
    for around, line in ((str(stop["t"] + 0.1), None), (utc, None), (utc[11:], None), (None, stop["line"])):
        _, key, _ = find_key(boot.path, around, line)
        assert key is not None
        assert key.effect == boot.stop
    refused = next(one for one in boot.decisions if one.code == "E_NOT_FINITE")
    moment = str(refused.at / SECOND - 1.0)
    told = export(boot.path, tmp_path / "d", "--around", moment, "--before", "0.2", "--after", "0.2")
    assert "a command of planner to robot panda was refused" in told["sentence"]
    events = (tmp_path / "d" / "events.jsonl").read_text(encoding="utf-8").splitlines()
    times = [json.loads(line)["event"]["at"] for line in events]
    assert refused.at - SECOND // 5 <= min(times) <= max(times) <= refused.at + SECOND // 5


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--around", "99"], "is not in the log"),
        (["--around", "yesterday"], "is no time"),
        (["--line", "9999"], "there is no line 9999"),
        (["--line", "1", "--around", "1"], "one of"),
    ],
)
def test_what_is_not_in_the_log_is_refused(boot: RecordedBoot, tmp_path: Path, more: list[str], said: str) -> None:
    done = CliRunner().invoke(app, ["export", "incident", str(boot.path), "--out", str(tmp_path / "x"), *more])
    assert (done.exit_code, said in done.output.replace("\n", " ")) == (2, True), done.output
    assert not (tmp_path / "x").exists()


def test_a_place_that_can_not_be_written_is_refused_before_the_log_is_read(tmp_path: Path) -> None:
    full = tmp_path / "full"
    full.mkdir()
    (full / "mine").write_text("precious")
    missing = tmp_path / "no log.events.mcap"
    for out, said in (
        (full, "not empty"),
        (tmp_path / "absent" / "x", "no directory"),
        (full / "mine" / "x", "no directory"),
    ):
        done = CliRunner().invoke(app, ["export", "incident", str(missing), "--out", str(out)])
        assert (done.exit_code, said in done.output.replace("\n", " ")) == (2, True), done.output
    assert (full / "mine").read_text() == "precious"
    (tmp_path / "y.zip").write_text("precious")
    done = CliRunner().invoke(app, ["export", "incident", str(missing), "--out", str(tmp_path / "y"), "--zip"])
    assert done.exit_code == 2
    assert "there already" in done.output.replace("\n", " ")


def changed(source: Path, target: Path, change: Any) -> Path:
    log = EventLog(source)
    items = [event_log.encode_record(encode(change(index, item))) for index, item in enumerate(log)]
    target.write_bytes(b"".join([event_log.encode_header(log.header), *items]))
    return target


@pytest.mark.long
@pytest.mark.redteam(38)
def test_a_changed_log_a_gap_and_a_torn_end_stand_on_the_page(short: Path, tmp_path: Path) -> None:
    def other(index: int, item: Any) -> Any:
        return msgspec.structs.replace(item, digest=bytes(16)) if index == 900 else item

    for name, log, said in (
        ("changed", changed(short, tmp_path / "c.events.mcap", other), ("DIFFERENT", "the log was changed")),
        ("gap", changed(short, tmp_path / "g.events.mcap", lambda n, one: Gap(7, 0) if n == 900 else one),
         ("NOT COMPLETE", "7 events are missing", "events are missing")),
    ):  # fmt: skip
        assert export(log, tmp_path / name, exits=1)["same"] is False
        words = Reader(tmp_path / name / "incident.html").words
        assert all(one in words for one in said), words
        log.unlink()
    torn = tmp_path / "t.events.mcap"
    torn.write_bytes(short.read_bytes()[:-5])
    assert export(torn, tmp_path / "torn")["same"] is True
    assert "torn at its end" in Reader(tmp_path / "torn" / "incident.html").words


@pytest.mark.long
@pytest.mark.redteam(38)
def test_a_broken_decision_log_is_told_though_the_replay_is_the_same(boot: RecordedBoot, tmp_path: Path) -> None:
    place = tmp_path / "log"
    shutil.copytree(boot.path.parent, place)
    (decisions,) = place.glob("*.decisions")
    lines = decisions.read_bytes().split(b"\n")
    decisions.write_bytes(b"\n".join([*lines[:9], *lines[10:]]))
    found = export(place / boot.path.name, tmp_path / "out", exits=1)
    assert (found["same"], found["unbroken"]) == (True, False)
    assert "BROKEN" in Reader(tmp_path / "out" / "incident.html").words


@pytest.mark.redteam(5)
def test_texts_from_outside_are_shown_and_never_obeyed(tmp_path: Path) -> None:
    """A log whose configuration this version does not accept: no replay, but all words; and bad words among them."""
    bad = "<script>alert(1)</script>"

    def entry(event: Event, *effects: Effect) -> bytes:
        return event_log.encode_entry(encode((event, effects)))

    act = OperatorAct(6 * SECOND, "start", f"{bad}\u202e", "auto", 1, "r", reason='"><img src=x onerror=alert(1)>')
    log = tmp_path / "old.events.mcap"
    log.write_bytes(
        event_log.encode_header(msgspec.structs.replace(header(robot_id=f"panda{bad}"), signed_by=bad))
        + entry(tick(5 * SECOND), actuate(1), status(5 * SECOND, "LOCKED", "E_RESTARTED"))
        + entry(act, Reply(6 * SECOND, "r", False, "E_ACT_STATE", bad))
        + entry(tick(7 * SECOND), decision(7 * SECOND, "E_OF_ANOTHER_VERSION", f"pla\u202ener{bad}", f"{bad}\x1b[2J"))
        + entry(tick(8 * SECOND), status(8 * SECOND, "PROTECTIVE_STOP", "E_LOG"))
    )
    told = export(log, tmp_path / "out", exits=1)
    assert told["same"] is None
    found = Reader(tmp_path / "out" / "incident.html")
    assert "script" not in found.tags
    assert "img" in found.tags  # the plot of states; of joints there is none
    assert found.handlers == []
    assert all(source.startswith("data:") for source in found.sources)
    for words in ("not possible here", "E_OF_ANOTHER_VERSION", "pla\\u202ener", bad, "\\u001b[2J", "onerror=alert(1)"):
        assert words in found.words, words
    assert "\u202e" not in found.words
    assert "E_LOG" in told["sentence"] or "PROTECTIVE_STOP" in told["sentence"]


def test_a_log_without_events_and_what_is_no_log_are_refused(tmp_path: Path) -> None:
    empty = tmp_path / "a.events.mcap"
    empty.write_bytes(event_log.encode_header(header()))
    other = tmp_path / "b.events.mcap"
    other.write_text("robot: {}")
    timeless = tmp_path / "c.events.mcap"
    head = event_log.encode_header(msgspec.structs.replace(header(), started_at="noon"))
    timeless.write_bytes(head + event_log.encode_entry(encode((tick(1), ()))))
    for log, said in ((empty, "no event"), (other, "no event log"), (timeless, "when it started")):
        done = CliRunner().invoke(app, ["export", "incident", str(log), "--out", str(tmp_path / "x")])
        assert (done.exit_code, said in done.output.replace("\n", " ")) == (2, True), done.output
