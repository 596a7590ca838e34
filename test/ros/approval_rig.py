"""A cell whose policy asks people, over ROS: an agent, three people with their keys, and a robot in AUTO."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from ros_rig import LATCHED, Client, Process, Rig, make_trajectory, merge
from token_rig import People, command, people_of

ROLES = {"ada": "technician", "bob": "safety_officer", "eve": "operator"}
SETTINGS: dict[str, Any] = {
    "operators": {
        "unsigned_services": True,
        "people": people_of(ROLES),
    },
    "timing": {"idle": 600.0},
}


class Deciders(People):
    """They see what waits."""

    def __init__(self, client: Client, config: str) -> None:
        super().__init__(client, ROLES)
        self.config = config
        self.lists: list[DiagnosticArray] = []
        client.node.create_subscription(DiagnosticArray, "/supervisor/interventions", self.lists.append, LATCHED)

    @property
    def shown(self) -> list[dict[str, str]]:
        """The newest list."""
        if not self.lists:
            return []
        return [{one.key: one.value for one in status.values} for status in self.lists[-1].status]

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `safety-supervisor operator …` as a person does."""
        return command(self.client, "operator", *words, "--config", self.config)


class Cell:
    """One start for all cases: an agent, people, a robot in AUTO; `settings` are laid over those of here."""

    def __init__(self, rig: Rig, **settings: Any) -> None:
        rig.cell()
        self.rig = rig
        self.client = rig.client()
        self.agent = self.client.trajectory_publisher()
        self.supervisor: Process
        self.people: Deciders
        self.start(**settings)

    def start(self, **settings: Any) -> None:
        """Start a supervisor, and it the robot."""
        self.client.forget()
        self.supervisor = self.rig.supervisor(**merge(SETTINGS, settings))
        self.client.wait_state("LOCKED", timeout=60.0)
        self.people = Deciders(self.client, str(self.rig.directory / "robot.yaml"))
        self.client.wait_for(self.agent.get_subscription_count, "the supervisor hears the trajectory's publisher")
        self.client.spin(0.5)
        self.client.arm()

    def restart(self, **settings: Any) -> None:
        """Kill the supervisor, and start another one."""
        self.rig.kill(self.supervisor)
        self.start(**settings)

    def ask(self, by: float = 0.3, duration: float = 2.0, frame_id: str = "") -> list[float]:
        """Send a goal; return where it ends."""
        here = [float(one) for one in self.client.pose()]
        message = make_trajectory([(duration, [here[0] + by, *here[1:]])])
        message.header.frame_id = frame_id
        self.agent.publish(message)
        return [here[0] + by, *here[1:]]

    def waits(self, by: float = 0.3, duration: float = 2.0, frame_id: str = "") -> dict[str, str]:
        """Ask, and wait until it is shown; a late cycle of a busy machine may have stopped what was before."""
        known = {one.get("id") for one in self.people.shown}
        self.ask(by, duration, frame_id)

        def new() -> list[dict[str, str]]:
            return [one for one in self.people.shown if one.get("id") not in known]

        self.client.wait_for(new, "it is shown")
        return new()[0]

    def end_of(self, asked: dict[str, str]) -> list[tuple[str, str]]:
        told = [one for one in self.client.decisions if one["id"] == asked["command_id"]]
        first = next((i for i, one in enumerate(told) if one["intervention"] == asked["id"]), len(told))
        return [(one["verdict"], one["code"]) for one in told[first:] if one["verdict"] != "WAIT"]

    def rests_at(self, before: list[float], seconds: float = 0.7) -> bool:
        self.client.spin(seconds)
        return max(abs(a - b) for a, b in zip(self.client.pose(), before, strict=True)) < 0.005

    def steadily(self, phase: Callable[[], None]) -> None:
        """Do it; and again where late cycles of a busy machine have stopped the robot, or ended its motion."""
        for left in (2, 1, 0):
            told, known = len(self.client.states), len(self.client.decisions)
            try:
                phase()
                return
            except AssertionError as error:
                self.client.spin(0.5)
                codes = {one["code"] for one in self.client.decisions[known:] if one["verdict"] == "STOP"}
                stopped = {"STOPPING", "PROTECTIVE_STOP", "LOCKED"} & set(self.client.states[told:])
                causes = {self.client.status["cause"], *codes}
                ended = stopped or "E_OVERRUN" in codes  # the kept stop of missed cycles leaves AUTO as it is
                if not left or not ended or not causes & {"E_OVERRUN", "E_STATE_STALE", "E_ESTOP_SILENT"}:
                    raise AssertionError(f"{self.client.states[told:]}, {causes}: {error}") from error
                if stopped:
                    self.client.arm()

    def played(self, asked: dict[str, str]) -> None:
        """Wait until it was played to its end."""
        self.client.wait_for(lambda: self.end_of(asked)[-1:] == [("PASS", "E_ENDED")], "it is played", 20.0)
