"""The token judge, `python -m safety_supervisor.ros.token_judge`: verifies signatures beside the control process.

A verification takes 0.3 ms with the interpreter lock held: beside the cycle, not in it. It remembers nothing, so that
one which is started anew forgets no used id; freshness is judged in the control process.
"""

from __future__ import annotations

import contextlib
import os
import signal
from typing import Any, Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from safety_supervisor.ros.frames import FrameBuffer, TokenKeys, TokenReply, TokenRequest, encode_frame
from safety_supervisor.ros.process import die_with_parent, write_all
from safety_supervisor.tokens import agent_act, agent_session, hold_beat, operator_act
from safety_supervisor.tokens.claims import AGENT_ACT, HOLD, OPERATOR_ACT
from safety_supervisor.tokens.compact import kind_of
from safety_supervisor.tokens.signed_act import Form, judge

FORMS: Final[dict[str, dict[str, Form[Any]]]] = {
    AGENT_ACT: {form.kind: form for form in (agent_act.FORM, agent_session.FORM)},
    OPERATOR_ACT: {operator_act.FORM.kind: operator_act.FORM},
    HOLD: {hold_beat.FORM.kind: hold_beat.FORM},
}
"""Forms that tokens of a topic may have, by the kind of holder that it is for."""


def serve(source: int, sink: int) -> None:
    """Answer every request until the other end closes."""
    buffer, encoder = FrameBuffer(), msgspec.msgpack.Encoder()
    requests = msgspec.msgpack.Decoder(TokenRequest)
    known: TokenKeys | None = None
    keys: dict[str, dict[str, Ed25519PublicKey]] = {}
    while data := os.read(source, 1 << 16):
        buffer.feed(data)
        while (frame := buffer.next()) is not None:
            if known is None:
                known = msgspec.msgpack.decode(frame, type=TokenKeys)
                keys = {kind: _readable(held) for kind, held in known.keys.items()}
                reply = TokenReply(0, None)
            else:
                request = requests.decode(frame)
                forms = FORMS[request.kind]
                # What it says that it is chooses how strictly all of it is read; what is unknown fails by its header.
                form = forms.get(kind_of(request.token), forms[request.kind])
                reply = TokenReply(request.number, judge(request.token, form, known.robot, keys[request.kind]))
            write_all(sink, encode_frame(encoder.encode(reply)))


def _readable(held: dict[str, bytes]) -> dict[str, Ed25519PublicKey]:
    return {name: Ed25519PublicKey.from_public_bytes(key) for name, key in held.items()}


def main() -> None:
    """Run until the parent ends."""
    die_with_parent(signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(BrokenPipeError):
        serve(0, 1)


if __name__ == "__main__":
    main()
