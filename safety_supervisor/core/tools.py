"""What the robot carries, and who may say that it carries something else now.

A change counts when the robot is clear of everything with the new tool, by what every motion begins with: at the pose
that is commanded, and at the one that is measured. Until then, and when it is refused, nothing is changed. One that is
only put down brings nothing nearer: that counts wherever the robot rests. Nothing that was proven with one tool is used
with another: nothing moves or waits at a change, no trajectory is being verified, and all proofs are forgotten. It is a
change of the epoch, to which acts of people are bound.

People are no part of it: who mounts a tool stands beside the robot. The separation counts from the next cycle on.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Final

import numpy as np

from safety_supervisor.core.act_events import ToolChange
from safety_supervisor.core.commands import Commands
from safety_supervisor.core.effects import Reply
from safety_supervisor.core.errors import Code, Violation
from safety_supervisor.core.geometry.scene import RESERVE, Scene
from safety_supervisor.core.inputs import Inputs
from safety_supervisor.core.motion.mover import Motion
from safety_supervisor.core.ruling import Ruling
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.states.acts import ActRefusal
from safety_supervisor.core.states.safety_state import SafetyState
from safety_supervisor.core.states.state_table import State
from safety_supervisor.core.units import NS_PER_S, Nanoseconds, Vector
from safety_supervisor.core.verifier import Verifier

CHANGES_APART: Final[Nanoseconds] = NS_PER_S
"""A source's changes lie at least so far apart: each one forgets all proofs, and makes acts of people old."""


class Tools:
    """Judges changes of the tool, and carries out those that are allowed."""

    def __init__(
        self,
        configuration: Configuration,
        state: SafetyState,
        verifier: Verifier,
        motion: Motion,
        commands: Commands,
        inputs: Inputs,
    ) -> None:
        """Act on these parts; the verifier carries `robot.tool` already."""
        self._tools = configuration.tools
        self._first = configuration.robot.tool
        self._state = state
        self._verifier = verifier
        self._motion = motion
        self._commands = commands
        self._inputs = inputs
        self._changed: dict[str, Nanoseconds] = {}

    @property
    def told(self) -> tuple[str, float]:
        """What the robot carries, empty for nothing, and its mass, [kg]."""
        name = self._verifier.tool
        return name, self._tools[name].mass if name else 0.0

    def change(self, name: str) -> Violation | None:
        """Let the robot, which rests, carry another tool, empty for none; or say why not, and change nothing."""
        if name not in self._verifier.outfits:
            return Violation(Code.TOOL_UNKNOWN, "tools", detail=f"there is no tool {name[:64]}")
        if name == self._verifier.tool:
            return None  # no act of a person grows old by it
        if self._commands.verifying:
            return Violation(Code.TOOL_BUSY, "tools")
        if self._motion.kept.duration > 0.0:
            return Violation(Code.ACT_STANDSTILL, "tools")
        outfit, entered = self._verifier.outfits[name], self._motion.zones.entered
        closed = (zone.scene for zone in outfit.restricted if zone.name not in entered)
        scene = outfit.scene
        if name and not scene.placed:
            return Violation(Code.BASE_UNKNOWN, "tools")
        poses = ("commanded", self._motion.state[0]), ("measured", self._inputs.measured.positions)
        for each, (what, q) in itertools.product((scene, *closed), poses if name else ()):
            violation = _too_near(each, q, what)
            if violation is not None:
                return violation
        self._carry(name)
        return None

    def act(self, name: str) -> ActRefusal | None:
        """Let a person, who may, change the tool; or say why not."""
        violation = self.change(name)
        return None if violation is None else ActRefusal(violation.code, _words(violation))

    def requested(self, event: ToolChange, placed: bool) -> Ruling:
        """Rule on what a source says that it has taken or put down."""
        before, command = self._verifier.tool, f"tool/{event.jti}" if event.jti else ""
        violation = self._may(event, placed) or self.change(event.tool)
        if violation is not None:
            return Ruling(event.source, command, "REJECT", violation)
        if self._verifier.tool != before:
            self._changed[event.source] = event.at
        return replace(self.ruling(event.source), command=command)

    def answer(self, event: ToolChange, ruling: Ruling) -> tuple[Reply, ...]:
        """Tell the ruling to the source that asked for it, where it waits for an answer."""
        if not event.request:
            return ()
        violation = ruling.violation
        words, code = (ruling.detail, "") if violation is None else (_words(violation), violation.code.value)
        return (Reply(event.at, event.request, violation is None, code, words),)

    def restart(self) -> None:
        """Carry what a start begins with, whatever it was: after a FAULT nobody knows what the robot holds."""
        if self._verifier.tool != self._first:
            self._carry(self._first)

    def ruling(self, who: str) -> Ruling:
        """Return what is told of a change that was made."""
        name, mass = self.told
        return Ruling(who, "", "PASS", detail=f"tool: {name}, {mass:g} kg" if name else "tool: none")

    def begun(self) -> tuple[Ruling, ...]:
        """Return what is told at a start, where there are tools at all."""
        return (self.ruling("robot.tool"),) if self._tools else ()

    def _may(self, event: ToolChange, placed: bool) -> Violation | None:
        """Say why a source may not change the tool now."""
        violation = self._commands.standing(event.source)
        if violation is not None:
            return violation
        if self._commands.sessions[event.source].shadowed:
            return Violation(Code.SHADOW, "agents.stages", detail="an agent in stage shadow changes nothing")
        own = self._commands.sessions[event.source].settings.tools
        for name in (self._verifier.tool, event.tool):
            if name and name not in own:
                return Violation(Code.TOOL_SOURCE, "source.tools", detail=f"not {name[:64]}")
        if self._state.state is not State.AUTO_HOLDING:
            return Violation(Code.ACT_STATE, "state", detail=f"state is {self._state.state.value}")
        if not (placed and self._motion.at_rest and self._inputs.measured.rests(event.at)):
            return Violation(Code.ACT_STANDSTILL, "tools")
        apart = event.at - self._changed.get(event.source, event.at - CHANGES_APART)
        if apart < CHANGES_APART and event.tool != self._verifier.tool:
            return Violation(Code.TOOL_RATE, "source.tools", apart / NS_PER_S, CHANGES_APART / NS_PER_S)
        return None

    def _carry(self, name: str) -> None:
        self._verifier.carry(name)
        self._inputs.measured.workspace.meet(self._verifier.scene, self._verifier.restricted)
        self._state.bump()


def _too_near(scene: Scene, q: Vector, what: str) -> Violation | None:
    """Return the pair that is not clear at a pose, shape (n,), [rad], by its margin and RESERVE; None: all are."""
    rooms = scene.distances(q) - scene.margins - RESERVE
    if rooms.min(initial=0.0) >= 0.0:
        return None
    if not np.isfinite(rooms).all():
        return Violation(Code.NOT_FINITE_RESULT, "tools", detail="a distance is not finite")
    index = int(rooms.argmin())
    pair, limit = scene.pairs[index], float(scene.margins[index]) + RESERVE
    links, tool = " and ".join(pair.links), scene.tool
    detail = f"with the tool {tool}" if tool else "without a tool"
    return Violation(
        Code.TOOL, pair.rule, float(rooms[index]) + limit, limit, links, f"{detail}, at the {what} pose",
        tuple(q.tolist()), tool,
    )  # fmt: skip


def _words(violation: Violation) -> str:
    """Say in a sentence why a change was refused, for who asked."""
    if violation.code is not Code.TOOL:
        return f"{violation.detail or violation.code.cause} {violation.code.cure}"
    distance = f"{violation.value:.4f} m, needed {violation.limit:.4f} m"
    return f"{violation.joint} - {violation.rule}: {distance}, {violation.detail}"
