"""Heads that were kept elsewhere: lines of the chain itself, one a line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safety_supervisor.evidence.decisions.chain import HEAD


class HeadsError(ValueError):
    """A file of heads holds something else."""


def read_heads(path: Path) -> list[dict[str, Any]]:
    """Read heads that were kept elsewhere: lines of the chain itself, one a line.

    Raises:
        OSError: the file can not be read.
        HeadsError: it holds something else.
    """
    heads = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        if not line.strip():
            continue
        try:
            head = json.loads(line)
            whole = head["kind"] == HEAD and isinstance(head["sequence"], int) and isinstance(head["robot"], str)
        except (ValueError, TypeError, KeyError, RecursionError):
            whole = False
        if not whole:
            raise HeadsError(f"{path}: line {number} is no head")
        heads.append(head)
    return heads
