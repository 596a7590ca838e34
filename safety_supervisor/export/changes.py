"""Which configuration and which software ran, boot by boot, and what changed between them."""

from __future__ import annotations

import difflib
import hashlib
import zlib
from collections.abc import Sequence
from typing import Any, Final

from safety_supervisor.core.events import ConfigurationChanged
from safety_supervisor.core.units import NS_PER_S
from safety_supervisor.evidence.event_log import LogHeader
from safety_supervisor.evidence.feed import software_versions
from safety_supervisor.evidence.replay import LONGEST_URDF
from safety_supervisor.export.boots import Boot

NOT_ESTABLISHED: Final = (
    "What ran between the boots that are kept: logs of the oldest boots are removed (`evidence.keep_bytes`).",
    "That the list of software is that of a boot: it is that of this machine now; each boot tells a few versions only.",
    "That the software of the machine outside Python, of the e-stop device or of the robot did not change.",
)


def changes(boots: Sequence[Boot]) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return the history, and the files that belong to it: each configuration once, and what changed.

    Args:
        boots: the oldest first.
    """
    files: dict[str, bytes] = {}
    history: list[dict[str, Any]] = []
    before: dict[str, LogHeader] = {}
    for boot in boots:
        header = boot.header
        name = f"configurations/{header.configuration_sha256[:16]}.yaml"
        files[name] = header.configuration
        row = {
            "robot": header.robot_id,
            "boot": header.boot_id,
            "started_at": header.started_at,
            "configuration_sha256": header.configuration_sha256,
            "configuration": name,
            "urdf_sha256": _urdf_sha256(header.urdf),
            "signed_by": header.signed_by,
            "versions": dict(sorted(header.versions.items())),
            "baselines": sorted(header.baselines),
            "removed_boots": list(header.removed_boots),
            "changed": [],
            "changed_on_disk": _changed_on_disk(boot),
        }
        last = before.get(header.robot_id)
        if last is not None:
            row["changed"] = _changed(last, header, files)
        before[header.robot_id] = header
        row["trouble"] = boot.trouble
        history.append(row)
    return {"history": history, "this_machine": software_versions(), "not_established": list(NOT_ESTABLISHED)}, files


def _changed(last: LogHeader, header: LogHeader, files: dict[str, bytes]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for name in sorted({*last.versions, *header.versions}):
        was, now = last.versions.get(name, "not recorded"), header.versions.get(name, "not recorded")
        if was != now:
            found.append({"what": name, "was": was, "is": now})
    if last.configuration != header.configuration:
        names = (last.configuration_sha256[:16], header.configuration_sha256[:16])
        diff = f"differences/{names[0]}-{names[1]}.diff"
        old, new = (one.configuration.decode(errors="replace").splitlines(keepends=True) for one in (last, header))
        files[diff] = "".join(difflib.unified_diff(old, new, *names)).encode()
        found.append({"what": "configuration", "was": names[0], "is": names[1], "difference": diff})
    if last.urdf != header.urdf:
        found.append({"what": "urdf", "was": _urdf_sha256(last.urdf), "is": _urdf_sha256(header.urdf)})
    if last.signed_by != header.signed_by:
        found.append({"what": "signed_by", "was": last.signed_by, "is": header.signed_by})
    if last.baselines.keys() != header.baselines.keys():
        found.append({"what": "baselines", "was": sorted(last.baselines), "is": sorted(header.baselines)})
    return found


def _urdf_sha256(urdf: bytes) -> str:
    try:
        return hashlib.sha256(zlib.decompressobj().decompress(urdf, LONGEST_URDF)).hexdigest()
    except zlib.error:
        return "damaged"


def _changed_on_disk(boot: Boot) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    begun: int | None = None
    for entry in boot.entries():
        begun = entry.event.at if begun is None else begun
        if isinstance(entry.event, ConfigurationChanged):
            found.append({"t": (entry.event.at - begun) / NS_PER_S, "detail": entry.event.detail})
    return found
