"""The signed record of measured stops: does it count for this robot, as it is configured, now?

The record is a JSON file that `safety-supervisor commission` writes; `FILE.sig` beside it, a compact JWS as all tokens,
signs the hash of its bytes. Keys are those of `operators.people`: who may sign stands in the configuration, for which
a safety officer answers where motors hang on it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from safety_supervisor.config.bounds import read_bounded
from safety_supervisor.core.errors import Code
from safety_supervisor.core.operator_settings import Person, Role
from safety_supervisor.core.settings import Configuration
from safety_supervisor.tokens import compact
from safety_supervisor.tokens.claims import COMMISSIONING, CommissioningClaims, Refused
from safety_supervisor.tokens.configuration_signature import signature_path
from safety_supervisor.tokens.signed_act import COMMON, Claim, Form, is_name, judge, sign, text

VERSION: Final = 1
LONGEST: Final = 32 * 1024 * 1024
"""Bytes of a record that is read."""
WITHIN: Final = "within"
TOO_KIND: Final = "too_kind"
INCOMPLETE: Final = "incomplete"
"""Verdicts of a record: each stop was within the model; one was worse; not all that belongs to it was measured."""
SIGNERS: Final = frozenset({Role.TECHNICIAN, Role.SAFETY_OFFICER})
"""Roles that may reset and start the robot, and answer for more than that it runs."""
DAY: Final = 86_400
_WRONG_CLOCK: Final = DAY
"""A record may be of so much later than now: clocks of two machines differ, [s]."""
_NAMES: Final = ", ".join(sorted(role.value for role in SIGNERS))

FORM: Final = Form(
    kind=COMMISSIONING,
    claims={
        "iss": Claim(Code.TOKEN_ISS, is_name, "a name of operators.people"),
        "role": Claim(Code.TOKEN_ROLE, lambda value: value in {role.value for role in SIGNERS}, f"one of {_NAMES}"),
        "aud": COMMON["aud"],
        "record_sha256": Claim(Code.TOKEN_FIELD, text("[0-9a-f]{64}"), "64 hexadecimal digits"),
        "iat": COMMON["iat"],
        "reason": COMMON["reason"],
    },
    made=CommissioningClaims,
    holder="a technician or a safety officer",
    contradiction=lambda claims: None,
)


def sign_record(record: bytes, key: Ed25519PrivateKey, person: Person, robot: str, now: int, reason: str) -> str:
    """Return the token by which a person answers for a record; `now` by the wall clock, [s]."""
    digest = hashlib.sha256(record).hexdigest()
    return sign(key, FORM, CommissioningClaims(person.name, person.role.value, robot, digest, now, reason))


def judge_record(configuration: Configuration, now: float) -> str:
    """Say why the record of measured stops does not count; empty where it does.

    Args:
        configuration: with the section `commissioning`.
        now: wall clock, [s]. Who can set it back keeps an old record alive, and nothing else.
    """
    settings = configuration.commissioning
    if settings is None:
        return "the configuration has no section `commissioning`"
    path = Path(settings.record)
    try:
        record = read_bounded(path, LONGEST)
        token = read_bounded(signature_path(path), compact.LONGEST + 1).strip()
    except OSError as error:
        named = error.filename or path
        return f"{named}: {error.strerror or error}; measure the robot: `safety-supervisor commission`"
    people = {one.name: one for one in configuration.operators.people if one.public_key}
    keys = {name: Ed25519PublicKey.from_public_bytes(one.public_key) for name, one in people.items()}
    claims = judge(token, FORM, configuration.robot.id, keys)
    if isinstance(claims, Refused):
        return f"the signature of {path} does not count: {claims.detail} [{claims.code}]"
    signer = people[claims.iss]
    if signer.role not in SIGNERS or claims.role != signer.role.value:
        return f"{path} is signed by {signer.name} as {claims.role}, who is {signer.role.value}; it takes {_NAMES}"
    if claims.record_sha256 != hashlib.sha256(record).hexdigest():
        return f"{path} was changed since {claims.iss} signed it: measure again, or restore it"
    return _judge_content(_read(record), configuration, settings.valid_days, now)


def _read(record: bytes) -> dict[str, Any]:
    try:
        held = json.loads(record)
    except (ValueError, RecursionError):
        return {}
    return held if isinstance(held, dict) else {}


def _judge_content(held: dict[str, Any], configuration: Configuration, days: int, now: float) -> str:
    if held.get("version") != VERSION or type(held.get("made")) is not int:
        return f"it is no record of version {VERSION}"
    age = now - held["made"]
    verdict = held.get("verdict")
    faults: tuple[tuple[bool, Callable[[], str]], ...] = (
        (held.get("robot") != configuration.robot.id, lambda: f"it is of robot {held.get('robot')!a}"),
        (
            held.get("commissioned_sha256") != configuration.commissioned_sha256,
            lambda: (
                "it is of another configuration or URDF: what was changed since may change how the robot stops; "
                "measure again"
            ),
        ),
        (verdict == TOO_KIND, lambda: f"the model is kinder than the robot: {_worst(held)}"),
        (verdict != WITHIN, lambda: "not all that belongs to it was measured: run it again, to its end"),
        (age > days * DAY, lambda: f"it is {age / DAY:.0f} days old, {days} count: measure again"),
        (age < -_WRONG_CLOCK, lambda: "it is of the future: set this machine's clock, or measure again"),
    )
    return next((words() for wrong, words in faults if wrong), "")


def _worst(held: dict[str, Any]) -> str:
    """Return what the record says is to be changed, for people."""
    findings = held.get("findings")
    told = [one["words"] for one in findings if isinstance(one, dict)] if isinstance(findings, list) else []
    return "; ".join(str(one) for one in told[:3]) or "it names nothing to change"
