"""What bit-identical replay depends on."""

from __future__ import annotations

import platform
from importlib import metadata
from pathlib import Path

from safety_supervisor.evidence.core_version import core_sha256

DISTRIBUTIONS = ("safety_supervisor", "numpy", "pin", "msgspec")


def software_versions() -> dict[str, str]:
    """Return what bit-identical replay depends on: versions of software and the CPU's name."""
    versions = {"python": platform.python_version(), "cpu": cpu_model(), "core": core_sha256()}
    for name in DISTRIBUTIONS:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return versions


def cpu_model() -> str:
    """Return the CPU's name as Linux gives it, or the architecture."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.machine()
