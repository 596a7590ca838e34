"""An agent's session on the real node: introduced by the command, ended by a publisher, a person, a restart."""

from __future__ import annotations

import hashlib
import secrets
import signal
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from ros_rig import HOME, Client, Rig, make_trajectory
from token_rig import Holder, command, ends_and_replays, write_key
from trajectory_msgs.msg import JointTrajectory
from two_tools import PRIVATE_KEY, PUBLIC_KEY

from safety_supervisor.tokens.agent_session import FORM
from safety_supervisor.tokens.claims import SessionClaims
from safety_supervisor.tokens.key_file import public_text
from safety_supervisor.tokens.signed_act import sign

MODEL = b"the weights of a model"
SHA = hashlib.sha256(MODEL).hexdigest()
OFFICER = b"o" * 32
SETTINGS: dict[str, Any] = {
    "sources": {
        "planner": {
            "public_key": PUBLIC_KEY,
            "models": [{"name": "cell_policy", "version": "1.2.0", "sha256": SHA, "stage": "supervised"}],
        }
    },
    "agents": {"demote_on": ["E_STOP_REQUEST"], "demote_to": "approve_each"},
    "operators": {
        "unsigned_services": True,
        "people": {
            "olga": {
                "role": "safety_officer",
                "public_key": public_text(Ed25519PrivateKey.from_private_bytes(OFFICER)),
            }
        },
    },
}


class Agent(Holder):
    """Whoever has the planner's key."""

    def introduce(self, **changes: Any) -> dict[str, Any]:
        jti = secrets.token_hex(8)
        fields: dict[str, Any] = {
            "iss": "planner", "sub": "test", "aud": "panda", "nonce": self.client.status["nonce"], "jti": jti,
            "iat": 1, "exp": 2, "model": "cell_policy", "version": "1.2.0", "model_sha256": SHA, "contract": 1,
            "groups": ("arm",), "reason": "a test",
        }  # fmt: skip
        key = Ed25519PrivateKey.from_private_bytes(PRIVATE_KEY)
        self.send(sign(key, FORM, SessionClaims(**(fields | changes))))
        return self.wait(lambda answer: answer["jti"] == jti)


def until_moving(client: Client, publisher: Any, to: float) -> None:
    """Send a goal until it is played: a late cycle of a busy machine may have stopped the robot, which is no matter."""
    for _ in range(5):
        if client.state != "AUTO/HOLDING":
            client.arm()
        publisher.publish(make_trajectory([(4.0, [to, *HOME[1:]])]))
        client.spin(0.6)
        if client.state == "AUTO/MOVING":
            return
    raise AssertionError((client.state, client.decisions[-3:]))


def told(client: Client, code: str) -> dict[str, str]:
    client.wait_for(lambda: code in client.codes(), f"{code} is told")
    return next(one for one in client.decisions if one["code"] == code)


def refused(client: Client, publisher: Any, code: str) -> None:
    told = len(client.decisions)
    publisher.publish(make_trajectory([(4.0, [0.1, *HOME[1:]])]))
    client.wait_for(lambda: any(one["code"] == code for one in client.decisions[told:]), f"{code} is told")
    assert client.state != "AUTO/MOVING"


@pytest.mark.long
@pytest.mark.requirement("SR-050")
@pytest.mark.requirement("SR-047")
@pytest.mark.redteam(19)
@pytest.mark.redteam(41)
def test_an_agent_introduces_itself_and_loses_its_standing_in_every_way(rig: Rig) -> None:
    rig.cell()
    client = rig.client()
    supervisor = rig.supervisor(**SETTINGS)
    client.wait_state("LOCKED", timeout=60.0)
    agent = Agent(client)
    assert client.status["agents"] == "planner: no session"
    publisher = client.trajectory_publisher()
    client.wait_for(publisher.get_subscription_count, "the supervisor hears the trajectory's publisher")
    client.spin(1.0)
    client.arm()
    refused(client, publisher, "E_SESSION_REQUIRED")

    key = write_key(rig.directory / "planner.key", PRIVATE_KEY)
    officer = write_key(rig.directory / "olga.key", OFFICER)
    model = Path(rig.directory / "model.onnx")
    model.write_bytes(MODEL)
    config = ("--config", str(rig.directory / "robot.yaml"))
    mine = (*config, "--key", str(key), "--source", "planner", "--model", "cell_policy", "--version", "1.2.0")
    other = command(client, "agent", "introduce", *mine, "--model-sha256", "cd" * 32)
    assert (other.returncode, other.stdout[:15]) == (1, "E_SESSION_MODEL"), other
    done = command(client, "agent", "introduce", *mine, "--model-file", str(model))
    assert (done.returncode, done.stdout) == (0, "session: cell_policy 1.2.0, supervised; groups: arm\n"), done
    assert agent.introduce(groups=("legs",))["code"] == "E_SESSION_GROUP"
    assert agent.introduce(nonce="0" * 32)["code"] == "E_TOKEN_NONCE"
    client.wait_for(lambda: client.status["agents"] == "planner: cell_policy 1.2.0, supervised", "the status tells it")

    # A stop that is named, while it moves the robot, takes trust away; that outlasts the supervisor's death.
    until_moving(client, publisher, 0.2)
    assert client.call("/supervisor/stop").success
    client.wait_for(lambda: client.status["agents"].endswith("approve_each"), "the demotion is told")
    demoted = told(client, "E_DEMOTED")
    assert (demoted["model"], demoted["verdict"]) == ("cell_policy 1.2.0", "STOP")
    log = rig.directory / "log"
    client.wait_for(lambda: any("approve_each" in one.read_text() for one in log.rglob("*.stages")), "it is on disk")
    supervisor.send(signal.SIGKILL)
    client.wait_end(supervisor)
    supervisor = rig.supervisor(**SETTINGS)
    client.wait_for(lambda: client.status.get("agents") == "planner: no session", "the session is gone", 60.0)
    client.wait_state("LOCKED", timeout=60.0)
    agent = Agent(client)
    client.wait_for(publisher.get_subscription_count, "the supervisor hears the trajectory's publisher")
    client.spin(1.0)
    client.arm()
    assert agent.introduce()["detail"] == "session: cell_policy 1.2.0, approve_each; groups: arm"
    refused(client, publisher, "E_APPROVAL_REQUIRED")

    olga = (*config, "--key", str(officer), "--as", "olga", "--yes")
    promoted = command(client, "operator", "promote", "planner", "supervised", *olga)
    assert promoted.returncode == 0, promoted
    until_moving(client, publisher, 0.1)
    revoked = command(client, "operator", "revoke", "planner", *olga, "--reason", "it hums")
    assert revoked.returncode == 0, revoked
    client.wait_for(lambda: client.status["agents"] == "planner: no session", "the revocation is told")
    assert told(client, "E_SESSION_REVOKED")["verdict"] == "STOP"
    assert agent.introduce()["code"] == "E_QUARANTINED"

    assert client.call("/supervisor/stop").success
    client.wait_state("LOCKED")
    client.arm()
    assert agent.introduce()["ok"]
    second = rig.client("second").publisher(JointTrajectory, "/supervisor/sources/planner/joint_trajectory", 1)
    client.wait_for(lambda: client.status["agents"] == "planner: no session", "the second publisher ends it", 30.0)
    assert second
    told(client, "E_SESSION_ENDED")
    assert client.status["adapter_failures"] == "0"

    ends_and_replays(client, supervisor, rig.last_directory)
