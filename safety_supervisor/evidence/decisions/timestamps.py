"""Heads with the time of an authority (RFC 3161): it signs that a head was there, and when.

Tokens stand in a file, one a line of JSON: the head, and the authority's answer. Who takes the file away takes evidence
away; nobody but the authority can add to it. Needs the extra `evidence`. Requirement: SR-042.
"""

from __future__ import annotations

import base64
import http.client
import json
import urllib.request
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from safety_supervisor.evidence.decisions.chain import HEAD

TIMEOUT: Final = 10.0
"""[s]"""
LONGEST: Final = 1 << 16
"""Bytes of an answer that are read."""


class TimestampError(ValueError):
    """An authority's answer is none, or is not about what was asked."""


class Stamped(NamedTuple):
    """A head and when an authority has seen it."""

    head: dict[str, Any]
    time: datetime


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_given: Any, **_more: Any) -> None:
        """Follow nobody elsewhere: the head was to go there and not further."""
        return


def post(url: str, data: bytes, kind: str) -> bytes:
    """Post bytes, to the very URL, by no proxy.

    Raises:
        OSError: nobody answers, or not well.
    """
    request = urllib.request.Request(url, data, {"Content-Type": kind}, method="POST")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirects)
    try:
        with opener.open(request, timeout=TIMEOUT) as answer:
            return bytes(answer.read(LONGEST))
    except http.client.HTTPException as error:
        raise OSError(f"no HTTP: {error!r}") from error


def stamp(url: str, line: str) -> bytes:
    """Let an authority sign a head and the time; return a line of the file.

    Raises:
        OSError: it does not answer.
        TimestampError: it refuses, or signs something else.
        ImportError: the extra `evidence` is not installed.
    """
    from rfc3161_client import HashAlgorithm, TimestampRequestBuilder, decode_timestamp_response

    builder = TimestampRequestBuilder().data(line.encode("ascii")).hash_algorithm(HashAlgorithm.SHA256)
    request = builder.nonce(nonce=True).cert_request(cert_request=True).build()
    answer = post(url, request.as_bytes(), "application/timestamp-query")
    try:
        response = decode_timestamp_response(answer)
        told = response.tst_info
        same = told.message_imprint.message == request.message_imprint.message and told.nonce == request.nonce
    except ValueError as error:
        raise TimestampError(f"no answer of a timestamping authority: {error}") from error
    if not same:
        raise TimestampError("the authority has signed something else")
    return json.dumps({"head": line, "token": base64.b64encode(answer).decode("ascii")}).encode("ascii") + b"\n"


def read_timestamps(path: Path, roots: Path) -> list[Stamped]:
    """Read stamped heads, each verified by the authority's root certificate.

    Args:
        path: the file of tokens.
        roots: PEM file of one or more root certificates.

    Raises:
        OSError: a file can not be read.
        TimestampError: a token is not the authority's, or about another head.
        ImportError: the extra `evidence` is not installed.
    """
    from cryptography.x509 import load_pem_x509_certificates
    from rfc3161_client import VerificationError, VerifierBuilder, decode_timestamp_response

    builder = VerifierBuilder()
    try:
        for root in load_pem_x509_certificates(roots.read_bytes()):
            builder = builder.add_root_certificate(root)
        verifier = builder.build()
    except ValueError as error:
        raise TimestampError(f"{roots}: {error}") from error
    found = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            told = json.loads(line)
            text, token = told["head"].encode("ascii"), base64.b64decode(told["token"], validate=True)
            head = json.loads(text)
            response = decode_timestamp_response(token)
            verifier.verify_message(response, text)
            whole = head["kind"] == HEAD and isinstance(head["sequence"], int) and isinstance(head["robot"], str)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError, VerificationError) as error:
            raise TimestampError(f"{path}: line {number}: {error}") from error
        if not whole:
            raise TimestampError(f"{path}: line {number} stamps no head")
        found.append(Stamped(head, response.tst_info.gen_time))
    return found
