"""The software of this Python, as a CycloneDX list (SBOM), made of what installed distributions say of themselves."""

from __future__ import annotations

import json
import platform
import re
import uuid
from collections.abc import Iterable
from importlib import metadata
from typing import Any, Final

SPEC: Final = "1.6"
OWN: Final = "safety_supervisor"
_SPACE: Final = uuid.UUID("6f9d2a86-6b0e-5d0c-9c53-6a3d2a2f6a51")
_SPDX: Final = re.compile(r"[A-Za-z0-9.+-]+( (AND|OR|WITH) [A-Za-z0-9.+-]+)*")
_LONGEST: Final = 100


def sbom() -> dict[str, Any]:
    """Return the list; the same environment gives the same one, without a time.

    Names are as PyPI normalises them; licences are what each distribution claims.
    """
    found = {_name(one.metadata["Name"]): one for one in metadata.distributions() if one.metadata["Name"]}
    own = found.pop(_name(OWN), None)
    version = own.version if own is not None else "not installed"
    root = {"type": "application", "bom-ref": OWN, "name": OWN, "version": version}
    python = {
        "type": "platform",
        "bom-ref": "python",
        "name": platform.python_implementation(),
        "version": platform.python_version(),
    }
    components = [python, *(_component(name, one) for name, one in sorted(found.items()))]
    refs = {name: _ref(name, one.version) for name, one in found.items()}
    dependencies = [{"ref": OWN, "dependsOn": _needs(() if own is None else own.requires or (), refs)}]
    dependencies += [
        {"ref": refs[name], "dependsOn": _needs(one.requires or (), refs)} for name, one in sorted(found.items())
    ]
    body = {"metadata": {"component": root}, "components": components, "dependencies": dependencies}
    serial = uuid.uuid5(_SPACE, json.dumps(body, sort_keys=True))
    return {
        "$schema": f"http://cyclonedx.org/schema/bom-{SPEC}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": SPEC,
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        **body,
    }


def _name(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _ref(name: str, version: str) -> str:
    return f"pkg:pypi/{name}@{version}"


def _component(name: str, one: metadata.Distribution) -> dict[str, Any]:
    about = one.metadata
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": _ref(name, one.version),
        "name": name,
        "version": one.version,
        "purl": _ref(name, one.version),
    }
    licences = _licences(about)
    if licences:
        component["licenses"] = licences
    return component


def _licences(about: Any) -> list[dict[str, Any]]:
    """Return what a distribution claims: an expression, else names of its classifiers, else its own word, if short."""
    expression = about.get("License-Expression") or ""
    if _SPDX.fullmatch(expression):
        return [{"expression": expression}]
    classifiers = [one.rpartition(" :: ")[2] for one in about.get_all("Classifier") or () if one.startswith("License")]
    names = classifiers or [word for word in ((about.get("License") or "").strip(),) if 0 < len(word) <= _LONGEST]
    return [{"license": {"name": name}} for name in dict.fromkeys(names) if name != "OSI Approved"]


def _needs(requires: Iterable[str], refs: dict[str, str]) -> list[str]:
    """Return who is needed and there; what only an extra or another platform needs is there or not."""
    names = (re.match(r"[A-Za-z0-9._-]+", one) for one in requires)
    found = {refs[_name(name[0])] for name in names if name is not None and _name(name[0]) in refs}
    return sorted(found)
