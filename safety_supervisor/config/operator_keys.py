"""Keys of the section `operators`: who may act on the supervisor."""

from __future__ import annotations

from typing import Literal

from safety_supervisor.config.keys import Name, Section, key


class PersonKeys(Section):
    """One person with one role and one key; who has two roles has two names and two keys."""

    role: Literal["viewer", "operator", "technician", "safety_officer", "maintainer"] = key(
        "what the person may do: docs/people.md"
    )
    public_key: str = key(
        "the person's Ed25519 public key, 43 characters of base64url, which `safety-supervisor operator key` prints; "
        "nobody else has it, no source either"
    )


class OperatorsKeys(Section):
    """How people act on the supervisor: by signed requests on `~/operator_requests`."""

    people: dict[Name, PersonKeys] = key("who may act, by name", "", {}, max_length=50)
    unsigned_services: bool = key("`~/reset`, `~/start`, `~/recover` as plain services: in simulation only", "", False)
