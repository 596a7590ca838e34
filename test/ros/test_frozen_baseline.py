"""An agent that drifts slowly, to be taken for good at last: the baseline on the real node does not move."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ros_rig import HOME, Client, Rig, make_trajectory, write_configuration

from safety_supervisor.config import load_config
from safety_supervisor.config.baseline_checks import write_baseline
from safety_supervisor.core.anomaly.baseline import FEATURES, Usual

pytestmark = pytest.mark.long

USUAL = 0.2
"""So far from home joints of good work go, [rad]; a score of 1 is 1.2 times as far."""
STOP_AT = 3.0


def write(directory: Path, usual: float) -> dict[str, Any]:
    """Write a baseline to which nothing is strange but where a joint is; return the keys that name it."""
    found = {}
    for feature in FEATURES:
        edge = np.full(7 if feature.joints else 1, 1e5)
        found[feature.name] = Usual(-edge, edge * 0.0, edge)
    home = np.array(HOME)
    found["position"] = Usual(home - usual, home, home + usual)
    beside = directory / "recorded_with"
    beside.mkdir(exist_ok=True)
    text = write_baseline(load_config(write_configuration(beside)), "planner", found, 100, "by hand")
    (directory / "planner.json").write_text(text)
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    return {"anomaly": {"baseline": "planner.json", "sha256": sha256, "stop_at": STOP_AT}}


class Drifter:
    """Brings joint 1 from goal to goal."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._publisher = client.trajectory_publisher()
        client.wait_for(self._publisher.get_subscription_count, "the supervisor hears the trajectory's publisher")
        client.spin(0.5)

    def go(self, to: float, seconds: float) -> str:
        """Return the code with which it ended."""
        told = len(self._client.decisions)
        self._publisher.publish(make_trajectory([(seconds, [to, *HOME[1:]])]))

        def ends() -> list[str]:
            return [one["code"] for one in self._client.decisions[told:] if one["code"]]

        self._client.wait_for(ends, "its end")
        return ends()[0]

    def creep(self, begin: float, end: float) -> None:
        for to in np.arange(begin, end + 0.01, 0.02).tolist():
            if self.go(to, 0.3) == "E_ANOMALY":
                return

    @property
    def score(self) -> float:
        return float(self._client.status["anomaly.planner"].split()[0])


@pytest.mark.requirement("SR-041")
@pytest.mark.redteam(42)
def test_a_slow_drift_shifts_neither_baseline_nor_limit(rig: Rig) -> None:
    rig.cell()
    client = rig.client()
    keys = write(rig.directory, USUAL)
    supervisor = rig.supervisor(sources={"planner": keys})
    client.wait_state("LOCKED", timeout=60.0)
    agent = Drifter(client)
    client.arm()

    assert agent.go(2.9, 9.0) == "E_POSITION_LIMIT"
    assert agent.go(0.3, 1.0) == "E_ENDED"
    client.spin(0.5)
    first, configuration = agent.score, client.status["configuration_sha256"]
    assert first == pytest.approx(0.3 / (1.2 * USUAL), abs=0.1), "what is farther than usual is strange"
    assert agent.go(0.0, 1.0) == "E_ENDED"
    client.wait_for(lambda: agent.score < 0.5, "at home again it is not", 10.0)

    # There in small steps, and long there.
    agent.creep(0.0, 0.3)
    for _ in range(8):
        agent.creep(0.28, 0.3)
    assert agent.score == pytest.approx(first, abs=0.1), "as strange as at first"
    poisoned = write(rig.directory, 2.0)
    assert poisoned != keys
    client.spin(1.5)
    assert agent.go(0.0, 1.0) == "E_ENDED"
    client.wait_for(lambda: agent.score < 0.5, "at home again", 10.0)
    assert agent.go(0.3, 1.0) == "E_ENDED"
    client.spin(0.5)
    assert agent.score == pytest.approx(first, abs=0.1), "another file on disk is not this baseline"
    assert agent.go(2.9, 9.0) == "E_POSITION_LIMIT"

    agent.creep(0.3, 1.2)
    client.wait_for(lambda: "E_ANOMALY" in client.codes(), "it is cut off")
    client.wait_state("LOCKED")
    assert 0.3 < client.pose()[0] < STOP_AT * 1.2 * USUAL + 0.1
    assert client.status["configuration_sha256"] == configuration
    assert client.status["adapter_failures"] == "0"

    # Nor does it count in the next boot, whose configuration names the file's hash.
    supervisor.end()
    again = rig.supervisor(sources={"planner": keys})
    assert client.wait_end(again) == 2
    assert "E_CONFIG_BASELINE" in again.text
