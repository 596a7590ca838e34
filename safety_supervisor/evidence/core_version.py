"""Which code decides, exactly: a version number stays the same while code is changed, this does not."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

ROOMS = ("core", "config")
"""What effects depend on: what decides, and what reads the configuration."""


@cache
def core_sha256() -> str:
    """Hash the source files of the rooms that decide: names and bytes, sorted, 16 hexadecimal digits.

    Empty where there are none to read, as in an archive.
    """
    package = Path(__file__).resolve().parents[1]
    files = sorted(path for room in ROOMS for path in (package / room).rglob("*.py"))
    whole = hashlib.sha256()
    try:
        for path in files:
            whole.update(f"{path.relative_to(package).as_posix()}\0".encode() + path.read_bytes() + b"\0")
    except OSError:
        return ""
    return whole.hexdigest()[:16] if files else ""
