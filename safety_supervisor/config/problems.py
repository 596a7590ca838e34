"""A problem of a configuration, the error that lists them all, and their collector."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from safety_supervisor.config.codes import ConfigurationCode


@dataclass(frozen=True)
class ConfigurationProblem:
    """One problem.

    Attributes:
        path: where, such as `sources.planner.period`; empty for the whole file.
        code: stable code, an `E_CONFIG_...` string.
        message: what was seen and what is allowed.
        cure: what to do.
        line: line of the file, from 1; 0 when none is known.
    """

    path: str
    code: ConfigurationCode
    message: str
    cure: str
    line: int = 0

    def __str__(self) -> str:
        """One line for people."""
        where = f"line {self.line}: " if self.line else ""
        return f"{where}{self.path or 'file'}: {self.message} [{self.code.value}] {self.cure}"


class ConfigurationError(ValueError):
    """A configuration was refused.

    Attributes:
        path: file that was refused.
        errors: every problem that was found, in the order of the file's lines.
    """

    def __init__(self, path: Path | str, errors: tuple[ConfigurationProblem, ...]) -> None:
        """Keep the problems; there is at least one."""
        self.path = str(path)
        self.errors = tuple(sorted(errors, key=lambda problem: (problem.line, problem.path)))
        super().__init__(self.path, self.errors)

    def __str__(self) -> str:
        """Every problem, one a line."""
        count = len(self.errors)
        head = f"{self.path}: {count} problem{'s' if count != 1 else ''}"
        return "\n".join([head, *(f"  {problem}" for problem in self.errors)])


def shown(value: object, width: int = 60) -> str:
    """Return a value as plain ASCII on one line, shortened: what a file says is never trusted in a terminal."""
    if isinstance(value, str):
        # Cut before escaping, so that the cost is bounded too.
        text = ascii(value[: width + 1])
    elif isinstance(value, dict):
        text = f"a mapping of {len(value)}"
    elif isinstance(value, list):
        text = f"a list of {len(value)}"
    elif value is None:
        text = "empty"
    elif isinstance(value, bool):
        text = str(value).lower()
    else:
        text = ascii(value)
    return text if len(text) <= width else f"{text[: width - 3]}..."


class Problems:
    """Problems found so far in one file."""

    def __init__(self, lines: dict[str, int] | None = None) -> None:
        """Start with none; `lines` maps paths to lines of the file."""
        self.lines = lines or {}
        self.found: list[ConfigurationProblem] = []

    def add(self, path: str, code: ConfigurationCode, message: str, cure: str = "", line: int = 0) -> None:
        """Note a problem; the code's own cure is used where none is given."""
        parent = path
        while not line and parent:
            line = self.lines.get(parent, 0)
            parent = parent.rpartition(".")[0]
        self.found.append(ConfigurationProblem(path, code, message, cure or code.cure, line))

    def at(self, prefix: str) -> bool:
        """Whether anything at this path or below it was found wrong."""
        below = (f"{prefix}.", f"{prefix}[")
        return any(problem.path == prefix or problem.path.startswith(below) for problem in self.found)
