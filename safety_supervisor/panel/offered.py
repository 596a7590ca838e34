"""Further acts of people at the panel, in words: grants, stages, revocation, tools, a fault cleared. Pure."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from safety_supervisor.core.agents.speaker import STAGE_APPROVAL
from safety_supervisor.core.operator_settings import Role
from safety_supervisor.core.settings import Configuration, SourceKind
from safety_supervisor.core.states.authority import ACTS_OF
from safety_supervisor.panel.snapshot import Values
from safety_supervisor.tokens.operator_act import STAGES

LONGEST_GRANT: Final = 600
NO_TOOL: Final = "(nothing)"
_SECONDS: Final = "seconds"


class Field(NamedTuple):
    """What has to be chosen for an act.

    Attributes:
        name: in words.
        values: to choose among; empty for a text of one's own.
        begins: with that.
    """

    name: str
    values: tuple[str, ...] = ()
    begins: str = ""


class Offer(NamedTuple):
    """One act.

    Attributes:
        act: of the token.
        title: of its button.
        fields: of its target, in order.
        words: what it does, `{0}` and so on for what was chosen.
        takes_away: whether it takes rights away and gives none: then it counts for whatever is now.
        asks_reason: whether a reason has to be typed.
    """

    act: str
    title: str
    fields: tuple[Field, ...]
    words: str
    takes_away: bool = False
    asks_reason: bool = False


def offers(configuration: Configuration) -> tuple[Offer, ...]:
    """Return all acts that a robot knows; those about what it does not have are not among them."""
    agents = tuple(one.name for one in configuration.sources if one.kind is SourceKind.AGENT)
    sources = tuple(one.name for one in configuration.sources)
    tools = tuple(configuration.tools)
    found = []
    if agents:
        found.append(
            Offer(
                "revoke", "REVOKE", (Field("agent", agents),),
                "Cuts {0} off: its motion runs the kept stop, all that it has queued is forgotten, its session ends, "
                "and nothing of it passes until a person resets the robot. Other sources go on.",
                takes_away=True,
            )
        )  # fmt: skip
    if kinds := kinds_of(configuration):
        kind, source = Field("kind of approval", kinds), Field("source", sources)
        found.append(
            Offer(
                "deny", "TAKE BACK A GRANT", (kind, source),
                "{1} holds {0} no more: where the policy asks for it, {1} is asked about again, or refused.",
                takes_away=True,
            )
        )  # fmt: skip
        found.append(
            Offer(
                "grant", "GRANT", (kind, source, Field(_SECONDS, begins="30")),
                "For {2} s whatever {1} sends passes where the policy asks for {0}: nobody is asked, and nobody sees "
                "it before. It raises no limit, and ends with a stop. A kind that takes two people needs both.",
                asks_reason=True,
            )
        )  # fmt: skip
    if agents:
        found.append(
            Offer(
                "promote", "GIVE A STAGE", (Field("agent", agents), Field("stage", STAGES)),
                "The model that speaks at {0} is in stage {1} from now on: {stage}. More than is configured lasts "
                "until the supervisor starts anew; less cuts off what it moves.",
                asks_reason=True,
            )
        )  # fmt: skip
    if tools:
        found.append(
            Offer(
                "tool", "TELL THE TOOL", (Field("tool", (*tools, NO_TOOL)),),
                "Tells the supervisor that the robot carries {0} now. It computes mass and room with that, so look at "
                "the flange: a wrong tool makes wrong distances and a wrong stop.",
            )
        )  # fmt: skip
    found.append(
        Offer(
            "maintainer", "CLEAR A FAULT", (),
            "Clears the latch of a FAULT whose reason was found: {cause}. The robot begins anew in INIT, with all its "
            "checks. Do it only where you know why the fault came.",
            asks_reason=True,
        )
    )  # fmt: skip
    return tuple(found)


_STAGES: Final = {
    "shadow": "nothing of it passes, what would have become of it is told",
    "approve_each": "every command of it needs a person's approval",
    "supervised": "what is verified and allowed passes",
    "autonomous": "what is verified and allowed passes",
}


def kinds_of(configuration: Configuration) -> tuple[str, ...]:
    """Return the kinds of approvals that people may be asked for: by the policy, zones, and stages of agents."""
    policy = configuration.policy
    asked = [] if policy is None else list(policy.kinds)
    zones = [zone.approval.kind for zone in configuration.zones if zone.approval is not None]
    stages = [STAGE_APPROVAL.kind] if any(source.models for source in configuration.sources) else []
    return tuple(dict.fromkeys((*asked, *zones, *stages)))


def may(offer: Offer, role: Role) -> bool:
    """Whether a role may do it."""
    return offer.act in ACTS_OF[role]


def target_of(offer: Offer, chosen: tuple[str, ...]) -> str:
    """Return the target of the token."""
    return " ".join("" if one == NO_TOOL else one.strip() for one in chosen)


def words_of(offer: Offer, chosen: tuple[str, ...], status: Values) -> str:
    """Say in plain words what an act does."""
    cause = status.get("cause") or "no cause is told"
    stage = _STAGES.get(chosen[-1], "") if offer.act == "promote" else ""
    return offer.words.format(*chosen, cause=cause, stage=stage)


def lacks(offer: Offer, chosen: tuple[str, ...], reason: str) -> str:
    """Say what is missing before anything can be signed; empty for nothing."""
    for field, one in zip(offer.fields, (one.strip() for one in chosen), strict=True):
        if not one:
            return f"choose: {field.name}"
        if field.values and one not in field.values:
            return f"{field.name}: one of {', '.join(field.values)}"
        if field.name == _SECONDS and not (re.fullmatch("[1-9][0-9]{0,2}", one) and int(one) <= LONGEST_GRANT):
            return f"seconds: a whole number from 1 to {LONGEST_GRANT}"
    if offer.asks_reason and len(reason.strip()) < 3:
        return "it takes a typed reason"
    return ""
