"""Checks of the baselines that sources are watched by: the very file, well-formed, and recorded of this configuration.

A baseline is JSON, which is YAML too: it is read within the same bounds and as strictly as the configuration.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from pydantic import ValidationError

from safety_supervisor.config import bounds
from safety_supervisor.config.arrays import read_only
from safety_supervisor.config.codes import ConfigurationCode as Code
from safety_supervisor.config.keys import Section
from safety_supervisor.config.problems import ConfigurationError, Problems, shown
from safety_supervisor.config.schema import SourceKeys
from safety_supervisor.config.sections import Sections
from safety_supervisor.core.anomaly.baseline import FEATURES, SLOT, WINDOW, Baseline, Usual
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.units import seconds

VERSION: Final = 1
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_LARGEST: Final = 1e6


class _Usual(Section):
    low: list[float]
    typical: list[float]
    high: list[float]


class _File(Section):
    version: Literal[1]
    about: str
    windows: int
    joints: list[str]
    conditions: dict[str, list[float]]
    features: dict[str, _Usual]


def check_baselines(
    sections: Sections, beside: Path, problems: Problems, recorded: Mapping[str, bytes] | None = None
) -> None:
    """Read every baseline that the sources name, and note everything that is wrong with it.

    Args:
        sections: the configuration's; the baselines are put there.
        beside: directory that paths are relative to.
        problems: takes what is found.
        recorded: files by their hash that stand for those on disk.
    """
    for name, source in sections.sources.items():
        if source.anomaly is None:
            continue
        path, expected = f"sources.{name}.anomaly", source.anomaly.sha256
        if not source.groups:
            problems.add(path, Code.BASELINE, "is for sources that move joints", "Remove it.")
            continue
        data = _read(source.anomaly.baseline, expected, beside, path, problems, recorded)
        file = None if data is None else _parse(data, f"{path}.baseline", problems)
        if data is None or file is None or sections.robot is None or sections.envelope is None:
            continue
        joints = tuple(joint for joint in sections.robot.joints if joint in _joints_of(source, sections))
        if not set(joints) <= set(sections.envelope.joints):
            continue  # told elsewhere
        _compare(file, source, sections, joints, f"{path}.baseline", problems)
        if not problems.at(path):
            sections.baselines[name] = Baseline(joints, _usual(file), expected, data)


def _usual(file: _File) -> dict[str, Usual]:
    return {key: Usual(*map(read_only, (one.low, one.typical, one.high))) for key, one in file.features.items()}


def _joints_of(source: SourceKeys, sections: Sections) -> set[str]:
    groups = {} if sections.robot is None else sections.robot.groups
    return {joint for group in source.groups for joint in groups.get(group, [])}


def _read(
    named: str, expected: str, beside: Path, path: str, problems: Problems, recorded: Mapping[str, bytes] | None
) -> bytes | None:
    if _SHA256.fullmatch(expected) is None:
        problems.add(f"{path}.sha256", Code.BASELINE, f"is {shown(expected)}, not 64 hexadecimal digits")
        return None
    if recorded is not None:
        data = recorded.get(expected)
        if data is None:
            problems.add(f"{path}.baseline", Code.BASELINE, "was not recorded")
            return None
    else:
        try:
            data = bounds.read_bounded(beside / Path(named).expanduser(), bounds.MAXIMUM_BYTES)
        except (OSError, ValueError) as error:
            problems.add(
                f"{path}.baseline", Code.BASELINE, f"{shown(named)}: {getattr(error, 'strerror', '') or error}"
            )
            return None
    found = hashlib.sha256(data).hexdigest()
    if found != expected:
        problems.add(f"{path}.sha256", Code.BASELINE, f"is not that of the file, {found}")
    return data


def _parse(data: bytes, path: str, problems: Problems) -> _File | None:
    """Return the file where it is well-formed: all of its keys, finite numbers, lists as long as the joints."""
    before = len(problems.found)
    try:
        raw, found = bounds.parse(Path(path), data)
        wrong = [f"{one.path}: {one.message}" for one in found.found]
        file = None if wrong else _File.model_validate(raw)
    except ConfigurationError as error:
        wrong, file = [f"{one.path}: {one.message}" for one in error.errors], None
    except ValidationError as error:
        wrong = [
            f"{'.'.join(map(str, one['loc']))}: {one['msg']}, got {shown(one['input'])}"
            for one in error.errors(include_url=False)
        ]
        file = None
    for text in wrong:
        problems.add(path, Code.BASELINE, text)
    if file is None:
        return None
    known = {feature.name: feature for feature in FEATURES}
    for key in sorted(known.keys() ^ file.features.keys()):
        problems.add(path, Code.BASELINE, f"features.{shown(key)}: {'is missing' if key in known else 'is no feature'}")
    for key, usual in file.features.items():
        length = len(file.joints) if key in known and known[key].joints else 1
        rows = (usual.low, usual.typical, usual.high)
        if any(len(row) != length for row in rows):
            problems.add(path, Code.BASELINE, f"features.{shown(key)}: needs {length} numbers in each list")
        elif any(not -_LARGEST <= low <= middle <= high <= _LARGEST for low, middle, high in zip(*rows, strict=True)):
            problems.add(path, Code.BASELINE, f"features.{shown(key)}: low, typical, high are not in this order")
    return file if len(problems.found) == before else None


def _compare(
    file: _File, source: SourceKeys, sections: Sections, joints: tuple[str, ...], path: str, problems: Problems
) -> None:
    """Refuse what was recorded of something else: shares of other limits would mean something else."""
    if tuple(file.joints) != joints:
        problems.add(path, Code.BASELINE, f"is of the joints {', '.join(map(shown, file.joints))}")
        return
    if sections.envelope is None:
        return
    limits = [sections.envelope.joints[joint] for joint in joints]
    expected = {
        "window": [seconds(WINDOW), seconds(SLOT)],
        "period": [source.period],
        "velocity": [limit.velocity for limit in limits],
        "acceleration": [limit.acceleration for limit in limits],
    }
    for key in sorted(expected.keys() | file.conditions.keys()):
        if file.conditions.get(key) != expected.get(key):
            problems.add(path, Code.BASELINE, f"was recorded with another {shown(key)} than this configuration has")


def indices_of(configuration: Configuration, source: str) -> list[int]:
    """Return the joints of a source, ascending, in the configuration's order."""
    groups = configuration.robot.groups
    return sorted(joint for group in configuration.source(source).groups for joint in groups[group])


def write_baseline(configuration: Configuration, source: str, usual: dict[str, Usual], windows: int, about: str) -> str:
    """Return the text of a baseline's file.

    Args:
        configuration: that it was recorded with.
        source: name of the source.
        usual: of every feature.
        windows: how many windows it was made of.
        about: what was recorded, in words.
    """
    settings, robot, limits = configuration.source(source), configuration.robot, configuration.envelope.joints
    indices = indices_of(configuration, source)
    file: dict[str, Any] = {
        "version": VERSION,
        "about": about,
        "windows": windows,
        "joints": [robot.joints[index] for index in indices],
        "conditions": {
            "window": [seconds(WINDOW), seconds(SLOT)],
            "period": [seconds(settings.period)],
            "velocity": limits.velocity[indices].tolist(),
            "acceleration": limits.acceleration[indices].tolist(),
        },
        "features": {
            name: {key: np.round(getattr(one, key), 6).tolist() for key in ("low", "typical", "high")}
            for name, one in usual.items()
        },
    }
    return json.dumps(file, indent=1, allow_nan=False) + "\n"
