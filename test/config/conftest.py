"""The configuration files of the shipped robots, to be changed one key at a time."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from stages import _shared_stages  # noqa: F401  a fixture

from safety_supervisor.config import ConfigurationError, load_config
from safety_supervisor.core.settings import Configuration

CONFIG = Path(__file__).resolve().parents[2] / "config"
PANDA = CONFIG / "panda.yaml"
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

NAMES: dict[str, dict[str, str]] = {
    "panda": {
        "joint": "panda_joint2", "other": "panda_joint3", "first": "panda_joint1", "base": "panda_link0",
        "moved": "panda_link3", "one": "panda_link5", "two": "panda_link7", "three": "panda_hand", "group": "arm",
        "number": "1",
    },
    "g1": {
        "joint": "left_elbow_joint", "other": "right_knee_joint", "first": "left_hip_pitch_joint", "base": "pelvis",
        "moved": "left_wrist_pitch_link", "one": "torso_link", "two": "left_elbow_link", "three": "left_rubber_hand",
        "group": "left_arm", "number": "18",
    },
}  # fmt: skip
"""What tests call joints and links of a robot: `first` is the first joint, `number` is that of `joint`, `moved` a link
of one capsule that joints move, `one`, `two` and `three` links that are no neighbours, `group` has `joint` in it if it
is not the Panda's only one."""


@lru_cache(maxsize=64)
def _parsed(text: str | bytes) -> bytes:
    return pickle.dumps(yaml.load(text, LOADER))


@lru_cache(maxsize=512)
def _written(section: bytes) -> str:
    """One section as YAML: most files of these tests differ in one alone, and the volumes take long."""
    return str(yaml.dump(pickle.loads(section), Dumper=DUMPER, sort_keys=False))


@dataclass(frozen=True)
class RobotFile:
    """A copy of a shipped configuration file in a directory of its own; every change gives a new one.

    In paths and names `{joint}`, `{moved}` and the like stand for this robot's own (`NAMES`).
    """

    directory: Path
    original: Path = PANDA
    content: str | bytes = PANDA.read_text(encoding="utf-8")
    changed: bytes = b""
    """The changed keys, pickled; empty: as the content says."""

    def named(self, text: str) -> str:
        """The text with this robot's names in it."""
        names = NAMES.get(self.original.stem, {})
        return text.format_map(names) if "{" in text else text

    def said(self, *problems: tuple[str, str]) -> set[tuple[str, str]]:
        """Paths and codes, the paths with this robot's names in them."""
        return {(self.named(path), code) for path, code in problems}

    @property
    def text(self) -> str | bytes:
        if not self.changed:
            return self.content
        sections = self.keys.items()
        return "".join(_written(pickle.dumps({name: section})) for name, section in sections)

    @property
    def keys(self) -> dict[str, Any]:
        loaded: dict[str, Any] = pickle.loads(self.changed or _parsed(self.content))
        return loaded

    def _changed(self, keys: dict[str, Any]) -> RobotFile:
        return replace(self, changed=pickle.dumps(keys))

    def put(self, path: str, value: Any) -> RobotFile:
        """Set the value at a dotted path."""
        *parents, last = self.named(path).split(".")
        keys = at = self.keys
        for parent in parents:
            at = at.setdefault(parent, {})
        at[last] = value
        return self._changed(keys)

    def drop(self, path: str) -> RobotFile:
        """Remove the key at a dotted path."""
        *parents, last = self.named(path).split(".")
        keys = at = self.keys
        for parent in parents:
            at = at[parent]
        del at[last]
        return self._changed(keys)

    def replace(self, old: str, new: str) -> RobotFile:
        """Replace a piece of text that stands in the file once."""
        text = self.text
        assert isinstance(text, str)
        assert text.count(old) == 1
        return self.holding(text.replace(old, new))

    def holding(self, content: str | bytes) -> RobotFile:
        """Replace the whole file."""
        return replace(self, content=content, changed=b"")

    def write(self) -> Path:
        path, text = self.directory / "robot.yaml", self.text
        path.write_bytes(text.encode("utf-8") if isinstance(text, str) else text)
        return path

    def load(self) -> Configuration:
        return load_config(self.write())

    def error(self) -> ConfigurationError:
        with pytest.raises(ConfigurationError) as caught:
            self.load()
        return caught.value

    def refused(self) -> set[tuple[str, str]]:
        """Path and code of every problem."""
        return {(problem.path, problem.code.value) for problem in self.error().errors}


def shipped_file(name: str, directory: Path) -> RobotFile:
    path = CONFIG / f"{name}.yaml"
    return RobotFile(directory, path, path.read_text(encoding="utf-8"))


@pytest.fixture
def panda(tmp_path: Path) -> RobotFile:
    return shipped_file("panda", tmp_path)


@pytest.fixture(params=sorted(NAMES, reverse=True))
def robot(tmp_path: Path, request: pytest.FixtureRequest) -> RobotFile:
    """An arm and a humanoid that stands on its feet, in turn."""
    return shipped_file(request.param, tmp_path)
