"""Keys about agents: the models that may introduce themselves at a source, and when they lose trust."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import StringConstraints

from safety_supervisor.config.keys import MODEL, SHA256, VERSION, Section, key

ModelName = Annotated[str, StringConstraints(pattern=MODEL)]
Version = Annotated[str, StringConstraints(pattern=VERSION)]
Sha256 = Annotated[str, StringConstraints(pattern=SHA256)]


class ModelKeys(Section):
    """A model version that may introduce itself: docs/agents.md."""

    name: ModelName = key("what the agent calls it")
    version: Version = key("its version, as the agent says it")
    sha256: Sha256 = key("SHA-256 of the model's file, 64 hexadecimal digits; the agent says it, nobody measures it")
    stage: Literal["shadow", "approve_each", "supervised", "autonomous"] = key(
        "how far it is trusted at most after a start: `shadow`: judged and told, nothing forwarded; `approve_each`: "
        "each command needs an approval; the other two differ for the policy alone"
    )
    revoked: bool = key("it may introduce itself no more", "", False)


class AgentsKeys(Section):
    """When agents lose trust by themselves."""

    demote_on: list[str] = key(
        "codes of stops, such as E_TRACKING: one of them while an agent's source moves the robot demotes its model, "
        "until a safety officer promotes it",
        min_length=1,
        max_length=50,
    )
    demote_to: Literal["shadow", "approve_each"] = key("the stage that it falls to")
