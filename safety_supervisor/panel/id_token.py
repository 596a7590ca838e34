"""Whether an ID token of OpenID Connect says who sits here. Pure: keys and time are given.

Stricter than OpenID Connect Core 1.0, 3.1.3.7, where that costs nothing: one audience, `iat` and `nonce` are mandatory,
signatures by public keys alone, and a key is told by its `kid` wherever there are several.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from authlib.oidc.core import CodeIDToken
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures by public keys; neither `none`, nor `HS...` with whatever is at hand as its key."""
LEEWAY: Final = 30
"""Two machines' clocks may differ by, [s]."""
OLDEST: Final = 300
"""A token for the login that was just done was made that short ago, [s]."""
_LONGEST: Final = 16384
_RSA_BITS: Final = 2048
_KINDS: Final[Mapping[str, Any]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}


class TokenRefusedError(ValueError):
    """It says nothing; the text says why, for people."""


class UnknownKeyError(TokenRefusedError):
    """It is signed with a key that is none of those given: they may be old ones."""


class Expected(NamedTuple):
    """What it has to say."""

    issuer: str
    client_id: str
    nonce: str
    access_token: str


def judge(token: str, keys: Sequence[Mapping[str, Any]], expected: Expected, now: int) -> dict[str, Any]:
    """Return the claims of a token that counts.

    Args:
        token: compact, as the provider's token endpoint gave it.
        keys: of the provider, each a JWK.
        expected: see there.
        now: wall clock, [s].

    Raises:
        TokenRefusedError: see there.
    """
    if len(token) > _LONGEST:
        raise TokenRefusedError("it is too long")
    try:
        header = jws.extract_compact(token.encode("ascii")).headers()
        if header.get("alg") not in ALGORITHMS:
            raise TokenRefusedError("its signature is not one by a public key")
        if "crit" in header:
            raise TokenRefusedError("it demands what nobody knows")
        key = _chosen(keys, header)
        known = _KINDS[key["kty"]].import_key(dict(key))
        if isinstance(known, RSAKey) and known.raw_value.key_size < _RSA_BITS:
            raise TokenRefusedError("its key is too short")
        read = jwt.decode(token, known, algorithms=[str(header["alg"])])
        # nonce, azp, at_hash and times by authlib; what it leaves open is judged below.
        params = {"nonce": expected.nonce, "client_id": expected.client_id, "access_token": expected.access_token}
        CodeIDToken(read.claims, read.header, {}, params).validate(now, LEEWAY)
    except TokenRefusedError:
        raise
    except JoseError as error:
        raise TokenRefusedError(f"{error.error} {error.description or ''}".strip()) from None
    except (ValueError, TypeError, KeyError, AttributeError, UnicodeError, RecursionError) as error:
        raise TokenRefusedError(f"it is malformed ({type(error).__name__})") from None
    _judge(read.claims, expected, now)
    return dict(read.claims)


def _chosen(keys: Sequence[Mapping[str, Any]], header: Mapping[str, Any]) -> Mapping[str, Any]:
    fit = [key for key in keys if key.get("kty") in _KINDS and key.get("use", "sig") == "sig"]
    named = header.get("kid")
    if named is not None:
        fit = [key for key in fit if key.get("kid") == named]
    fit = [key for key in fit if key.get("alg", header["alg"]) == header["alg"]]
    if len(fit) != 1:
        raise UnknownKeyError("its key is none of the provider's, or not told from others")
    return fit[0]


def _judge(claims: Mapping[str, Any], expected: Expected, now: int) -> None:
    if claims.get("iss") != expected.issuer:
        raise TokenRefusedError("it is of another issuer")
    if claims.get("aud") not in (expected.client_id, [expected.client_id]):
        raise TokenRefusedError("it is for another audience, or not for this panel alone")
    nonce = claims.get("nonce")
    if not isinstance(nonce, str) or not hmac.compare_digest(nonce.encode(), expected.nonce.encode()):
        raise TokenRefusedError("it belongs to another login (nonce)")
    times = [claims.get(name) for name in ("exp", "iat")]
    if any(type(one) not in (int, float) for one in times):
        raise TokenRefusedError("it does not say how long it counts")
    ends, made = (float(one) for one in times if one is not None)
    if not now - LEEWAY < ends:
        raise TokenRefusedError("it has expired")
    if not now - OLDEST <= made <= now + LEEWAY:
        raise TokenRefusedError("it is of another time (iat)")


def subject(claims: Mapping[str, Any], claim: str) -> str:
    """Return what the claim says that tells who it is.

    Raises:
        TokenRefusedError: it says nothing that counts.
    """
    said = claims.get(claim)
    if not isinstance(said, str) or not 1 <= len(said) <= 255:
        raise TokenRefusedError(f"its claim `{claim}` names nobody")
    if claim == "email" and claims.get("email_verified") is not True:
        raise TokenRefusedError("its e-mail address is not verified")
    return said
