"""Checks of the section `policy`: it compiles, or names a server, and says what each of its denials means."""

from __future__ import annotations

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

from safety_supervisor.config.codes import ConfigurationCode as Code
from safety_supervisor.config.policy.grammar import RESERVED
from safety_supervisor.config.policy.program import CelPolicy, compile_policy
from safety_supervisor.config.policy_keys import PolicyKeys
from safety_supervisor.config.problems import Problems, shown
from safety_supervisor.config.sections import Sections, twice
from safety_supervisor.core.agents.speaker import STAGE_APPROVAL
from safety_supervisor.core.policy.server import PolicyServer
from safety_supervisor.core.policy.verdict import Approve, Deny
from safety_supervisor.core.units import NS_PER_S


def names_of(sections: Sections) -> dict[str, frozenset[str]]:
    """Return what facts of a configuration can be, as far as its sections are well-formed."""
    names = {"source": frozenset(sections.sources)} if sections.sources else {}
    if sections.robot is not None:
        names["groups"] = frozenset(sections.robot.groups)
    names["zones"] = frozenset(name for name, zone in sections.zones.items() if zone.kind == "speed" or zone.approval)
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
        if keys.url is not None and keys.program is None:
            sections.compiled_policy = judge_server(keys, keys.url, problems)
        else:
            sections.compiled_policy = judge_policy(keys, problems, names)


def judge_server(keys: PolicyKeys, url: str, problems: Problems) -> PolicyServer | None:
    """Return the settings of a policy server; None where something is wrong with them, which is then told."""
    before = len(problems.found)
    wrong = wrong_url(url)
    if wrong:
        problems.add("policy.url", Code.VALUE, f"is {shown(url)}: {wrong}", _URL_CURE)
    if keys.uses is None:
        problems.add("policy.uses", Code.MISSING, "is missing", "Name the facts that the server's rules look at.")
    for name in twice(keys.uses or ()):
        problems.add("policy.uses", Code.VALUE, f"{name} stands twice")
    for code in sorted(RESERVED & set(keys.denials)):
        problems.add(f"policy.denials.{code}", Code.POLICY, "is a code of the supervisor itself", "Choose another.")
    if STAGE_APPROVAL.kind in keys.approvals:
        problems.add(
            f"policy.approvals.{STAGE_APPROVAL.kind}", Code.POLICY, "is the kind of stage `approve_each`",
            "Name another kind.",
        )  # fmt: skip
    for kind in sorted(set(keys.hold_kinds) - set(keys.approvals)):
        problems.add("policy.hold_kinds", Code.POLICY, f"{kind} is none of `approvals`", "Remove it, or add it there.")
    if len(problems.found) > before or keys.uses is None:
        return None
    timeout = round((DEFAULT_TIMEOUT if keys.timeout is None else keys.timeout) * NS_PER_S)
    approvals = {kind: Approve(kind, one.people, one.seconds) for kind, one in sorted(keys.approvals.items())}
    return PolicyServer(
        url,
        timeout,
        dict(sorted(keys.denials.items())),
        approvals,
        tuple(sorted(keys.uses)),
        frozenset(keys.hold_kinds),
    )


def wrong_url(url: str) -> str:
    """Say what is wrong with the URL of a policy server; empty for nothing."""
    if not _URL.fullmatch(url):
        return "more than http or https, a host, a port and a path of plain characters"
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname or ""
    except ValueError as error:
        return str(error)
    if port == 0 or not host:
        return "there is no such host or port"
    if parts.scheme == "http" and not _is_here(host):
        return "http to another machine, on which anyone could answer"
    return ""


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


_LABEL = r"[A-Za-z0-9-]{1,63}"
_HOST = rf"{_LABEL}(\.{_LABEL}){{0,15}}|\[[0-9A-Fa-f:.]{{2,45}}\]"
_URL = re.compile(rf"https?://({_HOST})(:[0-9]{{1,5}})?(/[A-Za-z0-9._~/%-]*)?")
_URL_CURE = "Write such as http://127.0.0.1:8181/v1/data/robot/verdict; https for a server on another machine."
_OF_A_SERVER = frozenset({"timeout", "uses", "approvals"})
DEFAULT_TIMEOUT = 0.2
"""[s]"""
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
    for name in sorted(_OF_A_SERVER & keys.model_fields_set) if keys.url is None else ("url",):
        problems.add(f"policy.{name}", Code.POLICY, "stands beside a program", "Remove one: a program, or a server.")
    if keys.program is None:
        problems.add("policy.program", Code.MISSING, "is missing", "Write a program, or the `url` of a server.")
        return None
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
