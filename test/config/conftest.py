"""The configuration files of the shipped robots, to be changed one key at a time."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from safety_supervisor.config import ConfigurationError, load_config
from safety_supervisor.core.settings import Configuration

CONFIG = Path(__file__).resolve().parents[2] / "config"
PANDA = CONFIG / "panda.yaml"
ROBOTS = ("panda", "g1", "talos")
DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


@dataclass(frozen=True)
class PandaFile:
    """A copy of config/panda.yaml, or of another one, in a directory of its own; every change gives a new one."""

    directory: Path
    text: str | bytes = PANDA.read_text(encoding="utf-8")
    original: Path = PANDA

    @property
    def keys(self) -> dict[str, Any]:
        loaded: dict[str, Any] = yaml.load(self.text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        return loaded

    def _changed(self, keys: dict[str, Any]) -> PandaFile:
        return replace(self, text=yaml.dump(keys, Dumper=DUMPER, sort_keys=False))

    def put(self, path: str, value: Any) -> PandaFile:
        """Set the value at a dotted path."""
        *parents, last = path.split(".")
        keys = at = copy.deepcopy(self.keys)
        for parent in parents:
            at = at.setdefault(parent, {})
        at[last] = value
        return self._changed(keys)

    def drop(self, path: str) -> PandaFile:
        """Remove the key at a dotted path."""
        *parents, last = path.split(".")
        keys = at = copy.deepcopy(self.keys)
        for parent in parents:
            at = at[parent]
        del at[last]
        return self._changed(keys)

    def replace(self, old: str, new: str) -> PandaFile:
        """Replace a piece of text that stands in the file once."""
        assert isinstance(self.text, str)
        assert self.text.count(old) == 1
        return replace(self, text=self.text.replace(old, new))

    def holding(self, content: str | bytes) -> PandaFile:
        """Replace the whole file."""
        return replace(self, text=content)

    def write(self) -> Path:
        path = self.directory / "robot.yaml"
        path.write_bytes(self.text.encode("utf-8") if isinstance(self.text, str) else self.text)
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


@pytest.fixture
def panda(tmp_path: Path) -> PandaFile:
    return PandaFile(tmp_path)


@pytest.fixture(params=ROBOTS)
def robot(tmp_path: Path, request: pytest.FixtureRequest) -> PandaFile:
    """Each shipped robot in turn: what holds for one holds for all."""
    path = CONFIG / f"{request.param}.yaml"
    return PandaFile(tmp_path, path.read_text(encoding="utf-8"), path)
