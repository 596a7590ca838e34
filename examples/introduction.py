"""How an agent introduces itself from its own program: a token signed with the source's key, for `~/agent_sessions`.

docs/agents.md lists the claims. `safety-supervisor agent introduce` does the same from a terminal. In your agent,
behind its publishers, and again after every E_SESSION_ENDED:

    publisher.publish(String(data=introduction("planner.key", nonce, source="planner", robot="panda", ...)))

`nonce` is that of /supervisor/status, not older than 30 s: read it anew for each token.
"""

from __future__ import annotations

import base64
import hashlib
import json
import time
import uuid
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def introduction(
    key_file: str, nonce: str, *, source: str, robot: str, model: str, version: str, model_file: str, groups: list[str]
) -> str:
    """Return one token; it acts once.

    Args:
        key_file: that `safety-supervisor agent key` wrote, a JWK (RFC 8037): its `d` is the private key.
        nonce: as the status shows it now.
        source: a key of `sources`, whose `public_key` belongs to the file.
        robot: `robot.id`.
        model: name of an entry of `sources.NAME.models`.
        version: of that entry, too.
        model_file: the model's file, whose SHA-256 stands in that entry.
        groups: joint groups that the agent will command, of `sources.NAME.groups`.
    """
    now = int(time.time())
    claims = {
        "iss": source,
        "sub": "example agent",
        "aud": robot,
        "nonce": nonce,
        "jti": uuid.uuid4().hex,
        "iat": now,
        "exp": now + 30,
        "reason": "",
        "model": model,
        "version": version,
        "model_sha256": hashlib.sha256(Path(model_file).read_bytes()).hexdigest(),
        "contract": 1,
        "groups": groups,
    }
    header = {"alg": "EdDSA", "typ": "agent-session.v1+jwt"}
    text = f"{_base64url(json.dumps(header).encode())}.{_base64url(json.dumps(claims).encode())}"
    seed = json.loads(Path(key_file).read_text(encoding="utf-8"))["d"]
    key = Ed25519PrivateKey.from_private_bytes(base64.urlsafe_b64decode(seed + "="))
    return f"{text}.{_base64url(key.sign(text.encode()))}"


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
