"""Checks of the section `policy`: it compiles, names what there is, and says what each of its denials means."""

from __future__ import annotations

from safety_supervisor.config.codes import ConfigurationCode as Code
from safety_supervisor.config.policy.program import CelPolicy, compile_policy
from safety_supervisor.config.policy_keys import PolicyKeys
from safety_supervisor.config.problems import Problems
from safety_supervisor.config.sections import Sections
from safety_supervisor.core.agents.speaker import STAGE_APPROVAL
from safety_supervisor.core.policy.verdict import Approve, Deny


def names_of(sections: Sections) -> dict[str, frozenset[str]]:
    """Return what facts of a configuration can be, as far as its sections are well-formed."""
    names = {"source": frozenset(sections.sources)} if sections.sources else {}
    if sections.robot is not None:
        names["groups"] = frozenset(sections.robot.groups)
    names["zones"] = frozenset(name for name, zone in sections.zones.items() if zone.kind == "speed")
    models = [model for source in sections.sources.values() for model in source.models]
    # Empty: a source without a session.
    names["model"] = frozenset({"", *(model.name for model in models)})
    names["model_version"] = frozenset({"", *(model.version for model in models)})
    return names


def check_policy(sections: Sections, problems: Problems) -> None:
    """Compile the policy, where there is one, and note everything that is wrong with it."""
    keys = sections.policy
    if keys is not None:
        names = names_of(sections)
        # Names of a section that is malformed itself are not known.
        names = {fact: known for fact, known in names.items() if not problems.at(_SECTION_OF[fact])}
        sections.compiled_policy = judge_policy(keys, problems, names)


_SECTION_OF = {"source": "sources", "groups": "robot", "zones": "zones", "model": "sources", "model_version": "sources"}


def judge_policy(
    keys: PolicyKeys, problems: Problems, names: dict[str, frozenset[str]] | None = None
) -> CelPolicy | None:
    """Compile a policy; None where something is wrong with it, which is then among the problems.

    Args:
        keys: of the section.
        problems: to add to.
        names: of the configuration, by fact; None: not known.
    """
    policy = compile_policy(keys.program, keys.denials, names, keys.hold_kinds)
    if isinstance(policy, tuple):
        key = problems.lines.get("policy.program", 0)
        # A block of several lines begins in the line after its key.
        block = key and "\n" in keys.program
        for error in policy:
            problems.add(
                "policy.program", Code.POLICY, f"line {error.line}, column {error.column}: {error.message}",
                line=key + error.line if block else key,
            )  # fmt: skip
        return None
    said = {verdict.code for verdict in policy.verdicts if isinstance(verdict, Deny)}
    for code in sorted(said - set(keys.denials)):
        problems.add(
            f"policy.denials.{code}", Code.MISSING, "is missing: the program denies with it", "Say what it means."
        )
    for code in sorted(set(keys.denials) - said):
        problems.add(f"policy.denials.{code}", Code.POLICY, "is denied with by no rule", "Remove it, or use it.")
    kinds: dict[str, Approve] = {}
    if any(isinstance(verdict, Approve) and verdict.kind == STAGE_APPROVAL.kind for verdict in policy.verdicts):
        problems.add(
            "policy.program", Code.POLICY, f"approvals of kind {STAGE_APPROVAL.kind} are those of `approve_each`",
            "Name another kind.",
        )  # fmt: skip
    for verdict in policy.verdicts:
        if isinstance(verdict, Approve) and kinds.setdefault(verdict.kind, verdict).people != verdict.people:
            problems.add(
                "policy.program", Code.POLICY, f"approvals of kind {verdict.kind} take one person here and two there",
                "Name two kinds: an approval of one person must never stand for one of two.",
            )  # fmt: skip
    for kind in sorted(set(keys.hold_kinds) - set(kinds)):
        problems.add("policy.hold_kinds", Code.POLICY, f"{kind} is asked for by no rule", "Remove it, or use it.")
    return policy
