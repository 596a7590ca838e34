"""examples/introduction.py makes, without this package, a token that this package believes."""

from __future__ import annotations

import hashlib
import runpy
from pathlib import Path

from safety_supervisor.core.agents.settings import CONTRACT
from safety_supervisor.core.units import NS_PER_S
from safety_supervisor.tokens.agent_session import FORM
from safety_supervisor.tokens.claims import SessionClaims
from safety_supervisor.tokens.freshness import VALID
from safety_supervisor.tokens.key_file import write_new_key
from safety_supervisor.tokens.signed_act import judge

EXAMPLE = Path(__file__).parents[2] / "examples" / "introduction.py"


def test_the_example_s_token_is_verified_and_says_what_was_given(tmp_path: Path) -> None:
    key = write_new_key(tmp_path / "planner.key")
    model = tmp_path / "policy.onnx"
    model.write_bytes(b"weights")
    introduction = runpy.run_path(str(EXAMPLE))["introduction"]
    words = {"source": "planner", "robot": "panda", "model": "cell_policy", "version": "1.2.0", "groups": ["arm"]}
    token = introduction(str(tmp_path / "planner.key"), "0f" * 16, model_file=str(model), **words)
    said = judge(token.encode(), FORM, "panda", {"planner": key.public_key()})
    assert isinstance(said, SessionClaims), said
    assert (said.model, said.version, said.groups, said.nonce) == ("cell_policy", "1.2.0", ("arm",), "0f" * 16)
    assert (said.contract, said.exp - said.iat) == (CONTRACT, VALID // NS_PER_S)
    assert said.model_sha256 == hashlib.sha256(b"weights").hexdigest()
