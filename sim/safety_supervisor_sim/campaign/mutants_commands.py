"""Checks of commands, each off: form, stamps, keys, rate, standing, ownership."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
import numpy as np

from safety_supervisor.core.errors import Code
from safety_supervisor_sim.campaign.mutant import Mutant
from safety_supervisor_sim.campaign.switches import Switch, intake, override, refusal, sessions, wrap
from safety_supervisor_sim.engine.clockwork import Clockwork

_STREAM, _TRAJECTORY = "stream", "trajectory"


def _names(event: Any, core: Any) -> tuple[str, ...]:
    """Return the names that the source should have said."""
    robot, source = core._configuration.robot, core._configuration.source(event.source)
    indices = sorted({index for group in source.groups for index in robot.groups[group]})
    return tuple(robot.joints[index] for index in indices)


def _pose(event: Any, core: Any) -> dict[str, float]:
    commanded = core._motion.state[0].tolist()
    return dict(zip(core._configuration.robot.joints, commanded, strict=True))


def _by_position(event: Any, core: Any) -> Any:
    """Take values by their place, whatever they are called; those that are missing are where the robot is."""
    names, pose = _names(event, core), _pose(event, core)
    values = [*event.positions, *(pose[name] for name in names[len(event.positions) :])]
    return msgspec.structs.replace(event, names=names, positions=tuple(values[: len(names)]), velocities=())


def _filled(event: Any, core: Any) -> Any:
    """Take those that are named; the others are where the robot is."""
    names, pose = _names(event, core), _pose(event, core)
    said = dict(zip(event.names, event.positions, strict=False))
    return msgspec.structs.replace(event, names=names, positions=tuple(said.get(name, pose[name]) for name in names))


def _zeros(event: Any, core: Any) -> Any:
    if isinstance(event.positions, bytes):
        block = np.nan_to_num(np.frombuffer(event.positions, dtype="<f8"), nan=0.0, posinf=0.0, neginf=0.0)
        return msgspec.structs.replace(event, positions=block.tobytes())
    return msgspec.structs.replace(event, positions=tuple(0.0 for _ in event.positions))


def _with(**fields: Any) -> Callable[[Any, Any], Any]:
    return lambda event, core: msgspec.structs.replace(event, **fields)


def _in_order(event: Any, core: Any) -> Any:
    return msgspec.structs.replace(event, times=tuple(sorted(event.times)))


def _any_kind(event: Any, core: Any) -> Any:
    """Have a kind of command that the source may send, with the same numbers."""
    return msgspec.structs.replace(event, positions=event.velocities, velocities=event.positions)


def _keyless(world: Clockwork) -> None:
    core: Any = world.supervisor

    def take(original: Callable[..., Any], event: Any) -> Any:
        return original(msgspec.structs.replace(event, frame_id="", body=""))

    wrap(core._commands._intake, _TRAJECTORY, take)


def _same_body(world: Clockwork) -> None:
    """Take a key for new that comes again with something else."""
    core: Any = world.supervisor

    def judge(original: Callable[..., Any], key: str, body: str, at: int) -> Any:
        found = original(key, body, at)
        return None if found is Code.KEY_CONFLICT else found

    for source in core._commands._intake._sources.values():
        wrap(source.keys, "judge", judge)


def _any_rate(world: Clockwork) -> None:
    for gate in world._gates.values():
        override(gate.bucket, admit=lambda self, now: True)


def _any_length(world: Clockwork) -> None:
    """Read a message whatever its length, and tell nothing of it where it is too long to be read here."""
    for gate in world._gates.values():
        override(gate, trajectory=lambda self, size, now: False)


def _unending(world: Clockwork) -> None:
    """Never tell that the publisher of a trajectory was lost."""
    core: Any = world.supervisor
    override(core._commands, lose=lambda self, source: False)


def _uncounted(world: Clockwork) -> None:
    for session in world.supervisor._commands.sessions.values():
        override(session, count_refusals=lambda self, count, now: False)


def _nobody_else(world: Clockwork) -> None:
    """See no second publisher of a source."""
    core: Any = world.supervisor
    override(core._inputs, source_endpoints=lambda self, event, moves: set())
    for session in core._commands.sessions.values():
        override(session, doubled=property(lambda self: False))


def _commands(core: Any) -> object:
    return core._commands


def _form(name: str, about: str, kind: str, code: Code, mend: Callable[[Any, Any], Any], **more: Any) -> Mutant:
    switch: Switch = intake(kind, code, mend, reverts=more.pop("reverts", False))
    return Mutant(name, about, switch, (code,), **more)


COMMANDS: Final = (
    _form("finite", "NaN, infinity and huge numbers", _STREAM, Code.NOT_FINITE, _zeros, reverts=True),
    _form("empty", "values without names", _STREAM, Code.EMPTY, _by_position),
    _form("ragged", "arrays of different lengths", _STREAM, Code.RAGGED, _by_position),
    _form("unknown_joint", "names that the robot does not have", _STREAM, Code.UNKNOWN_JOINT, _by_position),
    _form("duplicate_joint", "a joint that is named twice", _STREAM, Code.DUPLICATE_JOINT, _by_position),
    _form("missing_joint", "a joint that is left out", _STREAM, Code.MISSING_JOINT, _filled),
    _form("joint_name", "letters that only look like others", _STREAM, Code.JOINT_NAME, _by_position),
    _form("mixed_command", "positions and velocities together", _STREAM, Code.MIXED_COMMAND, _with(velocities=())),
    _form("effort", "commanded efforts", _STREAM, Code.EFFORT_COMMAND, _with(efforts=0)),
    _form("command_kind", "kinds of commands that a source may not send", _STREAM, Code.COMMAND_KIND, _any_kind),
    _form("stamp", "stamps of the future and of the past", _STREAM, Code.STAMP, _with(stamp=0)),
    _form("order", "stamps that are not newer than the last one", _STREAM, Code.OUT_OF_ORDER, _with(stamp=0)),
    _form("time_order", "times that do not increase", _TRAJECTORY, Code.TIME_ORDER, _in_order),
    Mutant("key", "the same command sent again under its key", _keyless, (), runs=("rt13_same_key",)),
    Mutant("key_conflict", "another command under a used key", _same_body, (Code.KEY_CONFLICT,)),
    Mutant("rate", "how many messages a source sends", _any_rate, (Code.RATE,)),
    Mutant("length", "how long a message is", _any_length, (Code.TOO_LARGE, Code.TOO_MANY_POINTS)),
    Mutant(
        "state_permits",
        "whether the state permits motion",
        refusal(_commands, "_standing", Code.NOT_MOVING_STATE),
        (Code.NOT_MOVING_STATE,),
    ),
    Mutant(
        "quarantine",
        "that a source was cut off",
        sessions("quarantined", False, when=Code.QUARANTINED),
        (Code.QUARANTINED,),
    ),
    Mutant("refusals", "how many commands of a source were refused", _uncounted, (Code.REFUSALS,)),
    Mutant(
        "endpoints", "a second publisher of a source", _nobody_else, (Code.ENDPOINT_REPLACED, Code.SOURCE_ENDPOINTS)
    ),
    Mutant("agent_lives", "that the publisher of a trajectory was lost", _unending, (Code.SOURCE_DIED,)),
)
