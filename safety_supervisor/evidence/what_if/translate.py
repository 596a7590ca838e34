"""What people and servers said to one supervisor, as they would have said it to another one.

An act names the configuration, the epoch and the request that its person saw. To a supervisor with other limits these
words are of somebody else, and it would refuse them: then it would never have been started. So they are said to it by
its own names, as long as what they are about is the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from safety_supervisor.core.act_events import OperatorAct
from safety_supervisor.core.effects import Effect, InterventionAsked, PolicyQuestion, Status
from safety_supervisor.core.events import Event, PolicyAnswer, RobotDescription
from safety_supervisor.core.settings import Configuration


@dataclass
class _Names:
    """What one supervisor calls things.

    Attributes:
        epoch: that it told last.
        waiting: id of what waits, by source, command and text.
        questions: numbers of what it asked the policy server, by the facts that it told.
    """

    epoch: int = 0
    waiting: dict[tuple[str, str, str], str] = field(default_factory=dict)
    questions: dict[str, int] = field(default_factory=dict)

    def learn(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Status):
                self.epoch = effect.epoch
            elif isinstance(effect, InterventionAsked):
                self.waiting[effect.source, effect.command, effect.sha256] = effect.intervention
            elif isinstance(effect, PolicyQuestion):
                self.questions[effect.facts] = effect.number


class Translator:
    """Says the events of one supervisor to another one of the same robot."""

    def __init__(self, ours: Configuration, theirs: Configuration) -> None:
        """Translate from the recorded configuration to another one."""
        self._hashes = {ours.sha256: theirs.sha256}
        self._models = {ours.robot.urdf_sha256: theirs.robot.urdf_sha256}
        self._ours, self._theirs = _Names(), _Names()

    def learn(self, ours: Sequence[Effect], theirs: Sequence[Effect]) -> None:
        """Hear what both said to an event."""
        self._ours.learn(ours)
        self._theirs.learn(theirs)

    def say(self, event: Event) -> Event:
        """Return the event as the other supervisor is told it."""
        if isinstance(event, OperatorAct):
            return self._act(event)
        if isinstance(event, PolicyAnswer):
            facts = next((text for text, number in self._ours.questions.items() if number == event.number), None)
            # To what it did not ask nobody knows the answer: number 0 is nobody's question.
            return msgspec.structs.replace(event, number=self._theirs.questions.get(facts or "", 0))
        if isinstance(event, RobotDescription):
            return msgspec.structs.replace(event, sha256=self._models.get(event.sha256, event.sha256))
        return event

    def _act(self, event: OperatorAct) -> OperatorAct:
        target = event.target
        for about, name in self._ours.waiting.items():
            if name == target:
                target = self._theirs.waiting.get(about, f"not asked: {target}")
                break
        seen_now = event.epoch >= 0 and event.epoch == self._ours.epoch
        return msgspec.structs.replace(
            event,
            config_sha256=self._hashes.get(event.config_sha256, event.config_sha256),
            epoch=self._theirs.epoch if seen_now else event.epoch,
            target=target,
        )
