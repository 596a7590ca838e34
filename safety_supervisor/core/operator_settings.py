"""Who may act on the supervisor, as the configuration says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Role(str, Enum):
    """What a person may do: `core/states/authority.py`."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    TECHNICIAN = "technician"
    SAFETY_OFFICER = "safety_officer"
    MAINTAINER = "maintainer"


@dataclass(frozen=True)
class Person:
    """Who may act."""

    name: str
    role: Role
    public_key: bytes
    """Ed25519."""


@dataclass(frozen=True)
class OperatorSettings:
    """How people act on the supervisor."""

    unsigned_services: bool
    people: tuple[Person, ...] = ()
