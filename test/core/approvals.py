"""A Panda whose policy asks people, and people who answer: what the tests of interventions share."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
from rig import Rig, panda

from safety_supervisor.config.policy.program import CelPolicy, compile_policy
from safety_supervisor.core.act_events import HoldToRun, OperatorAct
from safety_supervisor.core.effects import Decision, InterventionAsked, Interventions, Reply
from safety_supervisor.core.operator_settings import OperatorSettings, Person, Role
from safety_supervisor.core.settings import Configuration

DENIALS = {"E_POLICY_LATER": "not now"}
PEOPLE = {
    "ada": Role.TECHNICIAN, "bob": Role.SAFETY_OFFICER, "carl": Role.OPERATOR, "vera": Role.VIEWER,
    "mo": Role.MAINTAINER,
}  # fmt: skip


def asking(
    program: str = 'approve("zone", 1, 30)',
    hold: Iterable[str] = (),
    people: dict[str, Role] | None = None,
    **more: Any,
) -> Configuration:
    """A configuration whose policy is this program."""
    policy = compile_policy(program, DENIALS if "LATER" in program else {}, hold_kinds=hold)
    assert isinstance(policy, CelPolicy), policy
    known = PEOPLE if people is None else people
    held = tuple(Person(name, role, hashlib.sha256(name.encode()).digest()) for name, role in known.items())
    return panda(policy=policy, operators=OperatorSettings(False, held), **more)


def begin(panda_rigs: Callable[..., Rig], *args: Any, **more: Any) -> Rig:
    """A rig in AUTO, at rest, that has asked nothing yet."""
    rig = panda_rigs(asking(*args, **more)).auto()
    rig.cycle(2)
    rig.clear()
    return rig


def ask(rig: Rig, by: float = 0.3, duration: float = 1.0, joint: int = 0, **changes: Any) -> np.ndarray[Any, Any]:
    """Send a goal; return where it ends."""
    goal = rig.output.copy()
    goal[joint] += by
    rig.trajectory([duration], goal[None, :], rig.rest, rig.rest, **changes)
    return goal


def waits(rig: Rig, by: float = 0.3, limit: int = 60, **changes: Any) -> InterventionAsked:
    """Ask, and run until people know of it."""
    known = len(requests(rig))
    ask(rig, by, **changes)
    for _ in range(limit):
        rig.cycle()
        if len(requests(rig)) > known:
            return requests(rig)[-1]
    raise AssertionError(f"nothing waits: {rig.decisions()[-2:]}")


def requests(rig: Rig) -> list[InterventionAsked]:
    return [e for e in rig.history if isinstance(e, InterventionAsked)]


def shown(rig: Rig) -> Interventions:
    """The list that people see now."""
    return [e for e in rig.history if isinstance(e, Interventions)][-1]


_number = 0


def sign(rig: Rig, act: str, target: str, person: str = "ada", sha256: str = "", **changes: Any) -> Reply:
    """One signed act, good but for the changes."""
    global _number
    _number += 1
    event = OperatorAct(
        rig.now, act, person, target, rig.supervisor._state.epoch, f"t{_number}", f"token-{_number:04}",  # type: ignore[arg-type]
        PEOPLE.get(person, Role.TECHNICIAN).value, rig.configuration.sha256, "", sha256,
    )  # fmt: skip
    effects = rig.send(msgspec.structs.replace(event, **changes))
    return next(e for e in effects if isinstance(e, Reply))


def decide(rig: Rig, asked: InterventionAsked, act: str = "approve", person: str = "ada", **changes: Any) -> Reply:
    """Approve or deny what waits."""
    target = changes.pop("target", asked.intervention)
    return sign(rig, act, target, person, asked.sha256, **changes)


def ends(rig: Rig, asked: InterventionAsked) -> list[tuple[str, str]]:
    """What was decided on a command after it began to wait."""
    decisions = [e for e in rig.history if isinstance(e, Decision) and e.command == asked.command]
    first = next(i for i, one in enumerate(decisions) if one.verdict == "WAIT")
    return [(one.verdict, one.code) for one in decisions[first + 1 :]]


def hold(rig: Rig, seconds: float, each: Callable[[int], None] | None = None) -> None:
    """A person holds the button, whose counter comes at 10 Hz."""
    rig.counter = max(rig.counter, 0)

    def beat(i: int) -> None:
        if rig.now % 100_000_000 < rig.period:
            rig.counter += 1
            rig.send(HoldToRun(rig.now, rig.counter))
        if each is not None:
            each(i)

    rig.seconds(seconds, beat)


def split(**more: Any) -> Configuration:
    """The Panda as seven joint groups, one a joint."""
    shipped = asking(**more)
    names = tuple(f"j{number}" for number in range(7))
    robot = replace(shipped.robot, groups={name: (index,) for index, name in enumerate(names)})
    return replace(shipped, robot=robot, sources=tuple(replace(one, groups=names) for one in shipped.sources))
