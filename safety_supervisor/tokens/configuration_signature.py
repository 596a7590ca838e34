"""The signature of a configuration: a safety officer answers for what the robot is held to (INTERFACES, Tokens).

It lies beside the file, `FILE.sig`, a compact JWS as all tokens. It signs the hash of the file and of its URDF, which
stands in every record too, so that a change of a single byte needs a new one. Whose signatures count, the machine says
(`officers.py`), never the configuration itself. REDTEAM 36, 51.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from safety_supervisor.config import ConfigurationCode, ConfigurationError, ConfigurationProblem
from safety_supervisor.config.bounds import read_bounded
from safety_supervisor.core.errors import Code
from safety_supervisor.core.operator_settings import Role
from safety_supervisor.core.settings import Configuration
from safety_supervisor.tokens import compact
from safety_supervisor.tokens.claims import CONFIGURATION, ConfigurationClaims, Refused
from safety_supervisor.tokens.officers import DEFAULT, OfficersError, needs_signature, read_officers
from safety_supervisor.tokens.signed_act import COMMON, Claim, Form, is_name, judge, text

SUFFIX: Final = ".sig"
_SIMULATED: Final = (
    "every output is `simulated: true`, but this machine has a list of officers, {}: nothing runs unsigned on it, "
    "unless the node is started with an `officers_file` that does not exist"
)


FORM: Final = Form(
    kind=CONFIGURATION,
    claims={
        "iss": Claim(Code.TOKEN_ISS, is_name, "a name of a safety officer"),
        "role": Claim(Code.TOKEN_ROLE, lambda value: value == Role.SAFETY_OFFICER.value, Role.SAFETY_OFFICER.value),
        "aud": COMMON["aud"],
        "config_sha256": Claim(Code.TOKEN_CONFIG, text("[0-9a-f]{64}"), "64 hexadecimal digits"),
        "iat": COMMON["iat"],
        "reason": COMMON["reason"],
    },
    made=ConfigurationClaims,
    holder="a safety officer",
    contradiction=lambda claims: None,
)


def signature_path(configuration: Path | str) -> Path:
    """Return where the signature of a configuration file lies."""
    path = Path(configuration)
    return path.with_name(path.name + SUFFIX)


def judge_signature(
    token: bytes, configuration: Configuration, officers: Mapping[str, Ed25519PublicKey]
) -> ConfigurationClaims | Refused:
    """Verify that a trusted officer signed exactly this configuration, of this robot."""
    claims = judge(token, FORM, configuration.robot.id, officers)
    if isinstance(claims, Refused):
        return claims
    if claims.config_sha256 != configuration.sha256:
        signed = f"{claims.iss} signed {claims.config_sha256[:16]}..., this is {configuration.sha256[:16]}..."
        return Refused(Code.TOKEN_CONFIG.value, f"the file or its URDF was changed since: {signed}", source=claims.iss)
    return claims


def require_signature(configuration: Configuration, officers_file: Path = DEFAULT) -> Configuration:
    """Return the configuration with the signature that it needs; one that needs none is returned as it is.

    Args:
        configuration: as it was loaded; what counts is what was loaded, whatever lies on disk now.
        officers_file: whose signatures count.

    Raises:
        ConfigurationError: it is not signed, not by whom it should be, or it is not known by whom it should be.
    """
    if not needs_signature(configuration, officers_file):
        return configuration
    path = signature_path(configuration.path)
    problems: list[ConfigurationProblem] = []
    try:
        officers = read_officers(officers_file)
    except OfficersError as error:
        problems.append(_problem(ConfigurationCode.OFFICERS, str(error)))
        officers = {}
    token, keys = b"", {name: Ed25519PublicKey.from_public_bytes(key) for name, key in officers.items()}
    try:
        token = read_bounded(path, compact.LONGEST + 1).strip()
    except FileNotFoundError:
        why = f"; {_SIMULATED.format(officers_file)}" if configuration.simulated else ""
        problems.append(_problem(ConfigurationCode.UNSIGNED, f"there is no {path}{why}"))
    except OSError as error:
        problems.append(_problem(ConfigurationCode.SIGNATURE, f"{path}: {error.strerror or error}"))
    if not problems:
        found = judge_signature(token, configuration, keys)
        if not isinstance(found, Refused):
            return replace(configuration, signature=token.decode("ascii"), signed_by=found.iss)
        trusted = f"; trusted by {officers_file}: {', '.join(sorted(officers))}"
        shown = trusted if found.code == Code.TOKEN_ISS.value else ""
        problems.append(_problem(ConfigurationCode.SIGNATURE, f"{path}: {found.detail} [{found.code}]{shown}"))
    raise ConfigurationError(configuration.path, tuple(problems))


def _problem(code: ConfigurationCode, message: str) -> ConfigurationProblem:
    return ConfigurationProblem("", code, message, code.cure)
