"""An incident as a folder: a page for people, the log around it, its replay, a file for Foxglove, and all hashes.

The same log gives the same bytes: nothing here reads the time.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from safety_supervisor.core.events import Tick
from safety_supervisor.core.geometry.mimic import RobotModelError
from safety_supervisor.evidence.feed import software_versions
from safety_supervisor.evidence.plots import NoPlotError
from safety_supervisor.explain.case import Case, subject_of
from safety_supervisor.explain.picture import draw_case
from safety_supervisor.export.chain import chain_proof
from safety_supervisor.export.foxglove import Writer
from safety_supervisor.export.incident_plots import Plot, draw_all
from safety_supervisor.export.page import Verdict, decision_of, render
from safety_supervisor.export.sentences import headline, what_happened
from safety_supervisor.export.series import series_of
from safety_supervisor.export.whole_boot import facts_of
from safety_supervisor.export.window import Window
from safety_supervisor.geometry.picture import NoPictureError
from safety_supervisor.geometry.pose_view import Viewer

PAGE: Final = "incident.html"
_ZIP_TIME: Final = (1980, 1, 1, 0, 0, 0)
_encode = msgspec.json.Encoder(enc_hook=repr, order="sorted").encode


class PlaceError(OSError):
    """A folder that can not be written to."""


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        page: the page for people.
        zip: the whole folder as one file; None where that was not asked for.
        sentence: what happened.
        same: whether replay gave every effect again; None: it could not be replayed.
        unbroken: whether the decision log beside the recording is; None: there is none.
    """

    page: Path
    zip: Path | None
    sentence: str
    same: bool | None
    unbroken: bool | None


def prepare(out: Path, zipped: bool) -> None:
    """Refuse a place that can not be written, before anything is read or computed.

    Raises:
        PlaceError: says why.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise PlaceError(f"{out} is there already and not empty: name a folder that does not exist yet")
    if zipped and zip_of(out).exists():
        raise PlaceError(f"{zip_of(out)} is there already")
    above = out if out.exists() else out.parent
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        raise PlaceError(f"{above} is no directory that can be written to")


def zip_of(out: Path) -> Path:
    """Return the path of a folder's archive."""
    return out.with_name(out.name + ".zip")


def default_name(window_robot: str, boot: str, since: float) -> str:
    """Return the name of an incident's folder: robot, boot and the time since the first event, [s]."""
    parts = ("".join(one for one in text if one.isalnum() or one in "-_") for text in (window_robot, boot))
    return f"incident-{'-'.join(parts)}-{since:09.3f}".replace(".", "_")


def export(window: Window, directory: Path, out: Path, zipped: bool) -> Exported:
    """Write an incident.

    Args:
        window: what is exported, see `collect`.
        directory: where the log lies.
        out: folder, see `prepare`.
        zipped: write the folder as one file, too.

    Raises:
        OSError: something can not be written.
    """
    chain, proof = chain_proof(directory, window.log.header.robot_id)
    verdicts = [_replayed(window), chain, _completeness(window)]
    files: dict[str, tuple[bytes, str]] = {}
    plots = _plots(window, files)
    files["recording.mcap"] = (_mcap(window), "joints, robot, zones, people, decisions and states, for Foxglove")
    files["lines.jsonl"] = (_lines(window), "decisions and changes of state, one a line")
    files["events.jsonl"] = (_events(window), "every event of this time with its effects; bytes are base64")
    files["configuration.yaml"] = (window.log.header.configuration, "the configuration, as it was loaded")
    if window.configuration is not None:
        files["robot.urdf"] = (window.configuration.robot.urdf.encode(), "the robot's description")
    if window.log.header.signature:
        token = window.log.header.signature.encode()
        files["configuration.sig"] = (token, "the safety officer's signature of the configuration")
    files["incident.json"] = (_summary(window, verdicts, proof), "the same facts for programs")
    listed = [(name, words) for name, (_, words) in sorted(files.items())]
    listed.append(("SHA256SUMS", "hashes of all of them: sha256sum --check SHA256SUMS"))
    page = render(window, verdicts, plots, listed)
    files[PAGE] = (page.encode(), "")
    sums = "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, (data, _) in sorted(files.items()))
    files["SHA256SUMS"] = (sums.encode(), "")
    contents = {name: data for name, (data, _) in sorted(files.items())}
    write_folder(out, contents)
    archive = _write_zip(out, contents) if zipped else None
    same = None if window.report is None else window.report.same
    return Exported(out / PAGE, archive, what_happened(window), same, proof["verified"])


def _replayed(window: Window) -> Verdict:
    report = window.report
    if report is None:
        return Verdict("Replay", "warn", "not possible here", window.refusal)
    if report.same:
        words = f"{report.events} events of the whole boot gave every effect again, bit for bit"
        other = ", ".join(sorted(report.different_software))
        return Verdict("Replay", "good", "SAME", words + (f", though other: {other}." if other else "."))
    if report.divergence is not None:
        at = window.clock.since(report.divergence.at)
        words = f"From event {report.divergence.index}, {at:.3f} s, on. Cause: {report.cause}"
        return Verdict("Replay", "bad", "DIFFERENT", words)
    if report.gap is not None:
        words = f"{report.gap.events} events are missing after event {report.events - 1}; up to there it is the same."
        return Verdict("Replay", "bad", "NOT COMPLETE", words)
    return Verdict("Replay", "bad", "NOT COMPLETE", f"The log is {report.tail} after {report.events} events.")


def _completeness(window: Window) -> Verdict:
    if window.gap is not None:
        lost = f"{window.gap.events} events could not be kept when they came."
        return Verdict("Recording", "bad", "events are missing", lost)
    words = {
        "complete": ("good", "complete", "No record of it is damaged or unfinished."),
        "open": ("warn", "still being written", "It was read as far as it had come."),
        "torn": ("warn", "torn at its end", "The last record is unfinished, as after a kill or a loss of power."),
        "corrupt": ("bad", "CORRUPT", "A record is damaged; nothing behind it was read."),
        "incomplete": ("bad", "a file is missing", "The log has later files; nothing behind the missing one was read."),
    }[window.tail]
    return Verdict("Recording", words[0], words[1], words[2])


def _plots(window: Window, files: dict[str, tuple[bytes, str]]) -> list[Plot]:
    try:
        plots = [*_picture(window), *draw_all(window, series_of(window))]
    except (NoPlotError, NoPictureError):
        return []  # the page tells everything in words, too
    for plot in plots:
        files[f"{plot.name}.png"] = (plot.light, plot.words)
    return plots


def _picture(window: Window) -> list[Plot]:
    """Return the picture of why, where bodies were the reason."""
    decision, configuration = decision_of(window), window.configuration
    if decision is None or configuration is None or not decision.pose or window.key is None:
        return []
    sent = window.set_point_before(window.at(window.key))
    commanded = None if sent is None else np.array(sent.positions)
    try:
        configuration = configuration.with_tool(decision.tool)
        case = Case(configuration, subject_of(decision), commanded, (), window.key.since / 1e9, window.key.number)
        data = _drawn(case)
    except (KeyError, RobotModelError):
        return []  # of another version: the words have it
    words = "The robot where it would have been too near, with the pair in question, and the numbers."
    return [Plot("why", "Why", words, data)]


def _drawn(case: Case) -> bytes:
    with tempfile.TemporaryDirectory(prefix="incident-") as place:
        file = Path(place) / "why.png"
        draw_case(file, case, Viewer(case.configuration))
        return file.read_bytes()


def _mcap(window: Window) -> bytes:
    writer = Writer(window.configuration, window.clock, facts_of(window.log.header))
    sent = {one.at: one for one in window.set_points}
    parts = [writer.begin(window.begin)]
    for entry in window.entries:
        effects = list(entry.effects)
        found = sent.get(entry.event.at) if isinstance(entry.event, Tick) else None
        parts.append(writer.write(entry.event, effects if found is None else [found, *effects]))
    return b"".join([*parts, writer.end()])


def _lines(window: Window) -> bytes:
    rows = ({"line": line.number, "t": line.since / 1e9, "effect": line.effect} for line in window.lines)
    return b"".join(_encode(row) + b"\n" for row in rows)


def _events(window: Window) -> bytes:
    rows = ({"event": entry.event, "effects": entry.effects, "digest": entry.digest} for entry in window.entries)
    return b"".join(_encode(row) + b"\n" for row in rows)


def _summary(window: Window, verdicts: Sequence[Verdict], proof: dict[str, Any]) -> bytes:
    header, key = window.log.header, window.key
    found = {
        "robot": header.robot_id,
        "boot": header.boot_id,
        "headline": headline(window),
        "sentence": what_happened(window),
        "at": window.clock.say(window.centre),
        "t": window.clock.since(window.centre),
        "from": window.clock.since(window.begin),
        "to": window.clock.since(window.end),
        "line": None if key is None else key.number,
        "key": None if key is None else key.effect,
        "configuration_sha256": header.configuration_sha256,
        "signed_by": header.signed_by,
        "versions": header.versions,
        "exported_by": software_versions(),
        "events_of_the_log": window.events,
        "events": len(window.entries),
        "acts": window.acts,
        "verdicts": verdicts,
        "chain": proof,
        "log": window.files,
    }
    return msgspec.json.format(_encode(found), indent=2) + b"\n"


def write_folder(out: Path, contents: dict[str, bytes]) -> None:
    """Write files into a new folder, all or nothing: a folder that is there is whole.

    Raises:
        OSError: one of them can not be written.
    """
    unfinished = out.with_name(out.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    try:
        for name, data in contents.items():
            (unfinished / name).parent.mkdir(exist_ok=True)
            (unfinished / name).write_bytes(data)
        if out.exists():
            out.rmdir()
        unfinished.rename(out)
    except OSError:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise


def _write_zip(out: Path, contents: dict[str, bytes]) -> Path:
    target = zip_of(out)
    with zipfile.ZipFile(target, "x", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, data in contents.items():
            entry = zipfile.ZipInfo(f"{out.name}/{name}", _ZIP_TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, data)
    return target
