"""The control process's end of the action servers: one gate, one set of goals for each source that offers the action.

Nothing is shared between sources but what is seen of the robot: a goal of one, however large, holds up no proof of life
and no cancel of another, and the same goal id in two sources is two goals.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import msgspec

from safety_supervisor.core.effects import Actuate, Decision, Effect
from safety_supervisor.core.events import JointStates
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.units import Nanoseconds
from safety_supervisor.ros.child import Child
from safety_supervisor.ros.goals.frames import GateSettings
from safety_supervisor.ros.goals.robot import RobotSeen
from safety_supervisor.ros.goals.source import SourceGoals
from safety_supervisor.ros.quality import Sink
from safety_supervisor.ros.source_input import SourceInput

ACTION: Final = "follow_joint_trajectory"
NOT_INSTALLED: Final = "not offered: control_msgs is not installed"
GATE: Final = "safety_supervisor.ros.goals.gate"


def is_installed() -> bool:
    """Whether the action's messages are there."""
    return importlib.util.find_spec("control_msgs") is not None


class Goals:
    """All goals of all sources.

    Args:
        configuration: of the robot.
        sink: where events go.
        inputs: source name to its input.
        actions: source name to the action's fully qualified name.
        node: fully qualified name of the control process's node.
        introduced: whether the core was told of a source's client.
        plays: whether a command of a source moves a group now.
    """

    def __init__(
        self,
        configuration: Configuration,
        sink: Sink,
        inputs: Mapping[str, SourceInput],
        actions: Mapping[str, str],
        node: str,
        introduced: Callable[[str], bool],
        plays: Callable[[str, str], bool],
    ) -> None:
        """Start the gates."""
        joints = configuration.robot.joints
        self._robot = RobotSeen(joints)
        self._sources: dict[str, SourceGoals] = {}
        for name, action in actions.items():
            heard = inputs[name]
            lease, most = heard.source.liveliness_lease or 0, heard.source.max_trajectory_bytes
            described = msgspec.json.encode(GateSettings(action, lease, most, len(joints))).decode()
            gate = Child(GATE, (f"{node}_actions_{name}", described))
            patience = configuration.timing.stop_allowance
            self._sources[name] = SourceGoals(heard, sink, gate, self._robot, patience, introduced, plays)

    @property
    def text(self) -> str:
        """One line for the status."""
        not_served = [f"{name} is {one.state}" for name, one in self._sources.items() if one.state != "offered"]
        if not_served:
            return "; ".join(not_served)
        return f"offered, {sum(len(one) for one in self._sources.values())} goals"

    def measure(self, states: JointStates) -> None:
        """Note measured joint states."""
        self._robot.measure(states)

    def follow(self, effects: Iterable[Effect]) -> None:
        """Note the set-point that was sent, and what the core decided on goals."""
        for effect in effects:
            if isinstance(effect, Actuate):
                self._robot.sent = effect
                for one in self._sources.values():
                    one.compare()
            elif isinstance(effect, Decision):
                goals = self._sources.get(effect.source)
                if goals is not None:
                    goals.decided(effect)

    def poll(self, now: Nanoseconds, *, may_restart: bool) -> None:
        """Exchange frames with the gates and act on what was noted.

        Args:
            now: steady clock, [ns].
            may_restart: whether the milliseconds of starting a process may be spent now; of one process a cycle.
        """
        for one in self._sources.values():
            if one.state == "down" and may_restart and one.restart(now):
                may_restart = False
            one.poll(now)

    def close(self) -> None:
        """End the gates."""
        for one in self._sources.values():
            one.close()
