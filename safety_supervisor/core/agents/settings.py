"""Which agents may introduce themselves, and how far each of their models is trusted, as the configuration says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, NamedTuple

from safety_supervisor.core.errors import Code

CONTRACT: Final = 1
"""Version of the interface that agents are built against: topics, tokens, verdicts. A session names it."""


class Stage(str, Enum):
    """How far an agent's model is trusted. `RANK` sorts them."""

    SHADOW = "shadow"
    """Its commands are judged and told; none is forwarded."""
    APPROVE_EACH = "approve_each"
    """Each of its commands needs a person's approval."""
    SUPERVISED = "supervised"
    AUTONOMOUS = "autonomous"


RANK: Final = {stage: rank for rank, stage in enumerate(Stage)}
"""A higher one is trusted more."""


class ModelKey(NamedTuple):
    """A model version at a source: what a stage belongs to."""

    source: str
    name: str
    version: str
    sha256: str
    """Of the model's file, 64 hexadecimal digits."""


@dataclass(frozen=True)
class Model:
    """A model version that may introduce itself at a source."""

    name: str
    version: str
    sha256: str
    stage: Stage
    """At which it begins; what was demoted stays so."""
    revoked: bool = False
    """Whether it must not introduce itself any more."""


@dataclass(frozen=True)
class DemotionSettings:
    """When an agent loses trust by itself."""

    causes: frozenset[Code] = frozenset()
    """Of stops: one of them while the agent's source moves the robot demotes its model."""
    stage: Stage = Stage.SHADOW
    """To this stage, where it has a higher one."""
