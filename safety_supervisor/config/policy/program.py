"""A checked program, compiled by the CEL library: what the core asks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from safety_supervisor.config.policy.grammar import Checked, check_program
from safety_supervisor.config.policy.tokens import PolicyError
from safety_supervisor.core.policy.facts import wrong_fact
from safety_supervisor.core.policy.verdict import Approve, Unjudged, Verdict

_FUNCTIONS: Final = frozenset(
    {"!_", "@in", "_&&_", "_||_", "_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_", "_?_:_", "size"}
)
"""What CEL itself may find in a program; more, and the two of us have read it differently."""

_WITHOUT: Final = "policies need Python 3.11 or newer and the package common-expression-language"


@dataclass(frozen=True)
class CelPolicy:
    """A policy of a configuration: `core.policy.verdict.Policy`.

    Attributes:
        source: of the program.
        denials: code to what it means.
        used: facts that it names.
        verdicts: by the number that the program gives.
        hold_kinds: kinds of approvals that count only while the hold-to-run button is held.
    """

    source: str
    denials: Mapping[str, str]
    used: frozenset[str] = field(repr=False)
    verdicts: tuple[Verdict, ...] = field(repr=False)
    _program: Any = field(repr=False, compare=False)
    hold_kinds: frozenset[str] = field(default=frozenset(), repr=False)

    def __repr__(self) -> str:
        """Return what it was made of; the order of a set is nobody's business."""
        held = f", hold_kinds={sorted(self.hold_kinds)!r}" if self.hold_kinds else ""
        return f"CelPolicy({self.source!r}, {dict(self.denials)!r}{held})"

    @cached_property
    def kinds(self) -> Mapping[str, Approve]:
        """Kinds of approvals that it may ask for, each with the shortest time that it asks for anywhere."""
        kinds: dict[str, Approve] = {}
        for verdict in self.verdicts:
            if isinstance(verdict, Approve):
                known = kinds.setdefault(verdict.kind, verdict)
                kinds[verdict.kind] = min(known, verdict, key=lambda one: one.seconds)
        return kinds

    def judge(self, facts: Mapping[str, object]) -> Verdict:
        """Judge the facts, all of them; anything wrong with them, or within, is `Unjudged`."""
        wrong = wrong_fact(facts)
        if wrong:
            return Unjudged(wrong)
        try:
            number = self._program.execute({name: facts[name] for name in self.used})
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # a panic of the library is no Exception
            return Unjudged(f"the evaluation failed: {type(error).__name__}: {str(error)[:200]}")
        if type(number) is not int or not 0 <= number < len(self.verdicts):
            return Unjudged("the evaluation gave no verdict")
        return self.verdicts[number]


def compile_policy(
    source: str,
    denials: Mapping[str, str],
    names: Mapping[str, frozenset[str]] | None = None,
    hold_kinds: Iterable[str] = (),
) -> CelPolicy | tuple[PolicyError, ...]:
    """Check and compile a program.

    Args:
        source: of the program.
        denials: code to what it means, for people.
        names: as for `check_program`.
        hold_kinds: kinds of approvals that count only while the hold-to-run button is held.

    Returns:
        The policy, or every error that was found.
    """
    checked = check_program(source, names)
    return checked if isinstance(checked, tuple) else _compiled(source, denials, checked, frozenset(hold_kinds))


def _compiled(
    source: str, denials: Mapping[str, str], checked: Checked, hold_kinds: frozenset[str]
) -> CelPolicy | tuple[PolicyError, ...]:
    try:
        import cel
    except ImportError:
        return (PolicyError(1, 1, _WITHOUT),)
    try:
        program = cel.compile(checked.cel)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a panic of the library is no Exception
        return (PolicyError(1, 1, f"CEL refuses the program: {str(error).splitlines()[-1][:200]}"),)
    if set(program.variables()) != checked.used or not set(program.functions()) <= _FUNCTIONS:
        return (PolicyError(1, 1, "CEL reads the program otherwise than it was checked"),)
    return CelPolicy(source, dict(denials), checked.used, checked.verdicts, program, hold_kinds)
