"""The section `policy`: a bounded part of CEL, and every error with its place."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from safety_supervisor.config.notes import notes
from safety_supervisor.config.policy import program as program_file
from safety_supervisor.config.policy.grammar import DEEPEST, check_program
from safety_supervisor.config.policy.program import CelPolicy, compile_policy
from safety_supervisor.config.policy.tokens import MOST_CHARACTERS, MOST_TOKENS
from safety_supervisor.core.policy.facts import FACTS
from safety_supervisor.core.policy.verdict import Allow, Approve, Deny, Unjudged

if TYPE_CHECKING:
    from test.config.conftest import RobotFile

FACTS_OF_A_GOAL: dict[str, Any] = {
    "source": "planner", "kind": "agent", "verb": "trajectory", "groups": ["arm"], "zones": [], "joint_speed": 0.5,
    "frame_speed": 0.25, "mode": "auto", "state": "AUTO/MOVING", "people": "clear", "since_start": 7, "anomaly": 0.0,
    "approvals": [], "model": "cell_policy", "model_version": "1.2.0", "stage": "supervised",
}  # fmt: skip


def judge(source: str, /, **facts: Any) -> Any:
    policy = compile_policy(source, {})
    assert isinstance(policy, CelPolicy), policy
    return policy.judge({**FACTS_OF_A_GOAL, **facts})


def places(source: str, /, **names: frozenset[str]) -> list[tuple[int, int]]:
    found = check_program(source, names)
    assert isinstance(found, tuple), found
    assert all(error.message.isprintable() and error.message.isascii() for error in found)
    return [(error.line, error.column) for error in found]


def test_there_is_none_where_nothing_is_said(panda: RobotFile) -> None:
    assert panda.put("policy", None).load().policy is None


def test_a_good_one_is_compiled(panda: RobotFile) -> None:
    denials = {"E_POLICY_FAST": "be slower"}
    program = 'joint_speed > 1.0 ? deny("E_POLICY_FAST") : allow\n'
    policy = panda.put("policy", {"program": program, "denials": denials}).load().policy
    assert policy is not None
    assert policy.judge(FACTS_OF_A_GOAL) == Allow()
    assert policy.judge({**FACTS_OF_A_GOAL, "joint_speed": 1.5}) == Deny("E_POLICY_FAST")
    assert policy.denials == denials
    assert policy.used == {"joint_speed"}


@pytest.mark.parametrize(
    ("source", "facts", "verdict"),
    [
        ("allow", {}, Allow()),
        ('deny("E_POLICY_A")', {}, Deny("E_POLICY_A")),
        ("approve('zone', 2, 30)", {}, Approve("zone", 2, 30)),
        ('kind == "agent" ? deny("E_POLICY_A") : allow', {}, Deny("E_POLICY_A")),
        ('kind == "agent" ? deny("E_POLICY_A") : allow', {"kind": "person"}, Allow()),
        ('"agent" != kind ? deny("E_POLICY_A") : allow', {}, Allow()),
        (
            '!(kind in ["agent"]) || size(groups) > 1 ? deny("E_POLICY_A") : allow',
            {"groups": ["a", "b"]},
            Deny("E_POLICY_A"),
        ),
        ('"b" in groups && since_start >= 7 ? deny("E_POLICY_A") : allow', {"groups": ["a", "b"]}, Deny("E_POLICY_A")),
        ('"b" in groups && since_start > 7 ? deny("E_POLICY_A") : allow', {"groups": ["a", "b"]}, Allow()),
        ("joint_speed <= 0.5 ? allow : approve('a', 1, 1)", {}, Allow()),
        ("joint_speed < 1 ? allow : approve('a', 1, 1)", {}, Allow()),
        ("since_start < 7.5 ? allow : approve('a', 1, 1)", {}, Allow()),
        ("anomaly == frame_speed ? allow : approve('a', 1, 1)", {}, Approve("a", 1, 1)),
        # && binds tighter than ||, ! tightest, ? : to the right
        (
            'kind == "agent" || kind == "person" && mode == "manual" ? deny("E_POLICY_A") : allow',
            {},
            Deny("E_POLICY_A"),
        ),
        ('!(mode == "auto") && mode == "auto" || mode == "auto" ? allow : deny("E_POLICY_A")', {}, Allow()),
        ('mode == "manual" ? deny("E_POLICY_A") : mode == "auto" ? deny("E_POLICY_B") : allow', {}, Deny("E_POLICY_B")),
        ('mode == "auto" ? (kind == "person" ? allow : deny("E_POLICY_B")) : allow', {}, Deny("E_POLICY_B")),
        ('// "deny\nmode == "auto" // ? allow\n ? deny("E_POLICY_A") : allow //', {}, Deny("E_POLICY_A")),
        ('source == "a//b" ? deny("E_POLICY_A") : allow', {"source": "a//b"}, Deny("E_POLICY_A")),
    ],
)
def test_what_programs_mean(source: str, facts: dict[str, Any], verdict: Any) -> None:
    assert judge(source, **facts) == verdict


@pytest.mark.parametrize(
    ("source", "place"),
    [
        ("", (1, 1)),
        ("true", (1, 1)),
        ("mode", (1, 1)),
        ("allow allow", (1, 7)),
        ("allow;", (1, 6)),
        ('\n  speed > 1.0 ? deny("E_POLICY_A") : allow', (2, 3)),
        ('joint_speed > 1.0 ?\n deny("E_POLICY_A")', (2, 20)),
        ('joint_speed ? deny("E_POLICY_A") : allow', (1, 1)),
        ("joint_speed > 1.0 ? true : allow", (1, 21)),
        ('mode > "auto" ? allow : allow', (1, 6)),
        ("mode == 1 ? allow : allow", (1, 6)),
        ('joint_speed == "1" ? allow : allow', (1, 13)),
        ('mode in "auto" ? allow : allow', (1, 6)),
        ("joint_speed in groups ? allow : allow", (1, 13)),
        ("groups == zones ? allow : allow", (1, 8)),
        ("size(mode) > 1 ? allow : allow", (1, 6)),
        ("!joint_speed ? allow : allow", (1, 2)),
        ("joint_speed > 1.0 && mode ? allow : allow", (1, 22)),
        ("1.0 < joint_speed < 2.0 ? allow : allow", (1, 19)),
        ('mode == "atuo" ? allow : allow', (1, 9)),
        ('"atuo" in ["auto"] || kind in ["agent", "robot"] ? allow : allow', (1, 41)),
        ('deny("E_OTHER")', (1, 6)),
        ('deny("E_POLICY_ERROR")', (1, 6)),
        ("deny()", (1, 7)),
        ("deny(mode)", (1, 1)),
        ('approve("Zone", 1, 30)', (1, 9)),
        ('approve("zone", 3, 30)', (1, 17)),
        ('approve("zone", 1, 0)', (1, 20)),
        ('approve("zone", 1)', (1, 1)),
        ("allow()", (1, 6)),
        ("groups.all(g, g == source) ? allow : allow", (1, 7)),
        ("groups[0] == mode ? allow : allow", (1, 1)),
        ('matches(source, "(a+)+b") ? allow : allow', (1, 1)),
        ('source + source == "aa" ? allow : allow', (1, 8)),
        ("joint_speed / 0.0 > 1.0 ? allow : allow", (1, 13)),
        ("joint_speed > -1.0 ? allow : allow", (1, 15)),
        ("joint_speed > 1e3 ? allow : allow", (1, 15)),
        ("joint_speed > 0x1 ? allow : allow", (1, 15)),
        ("since_start > 1u ? allow : allow", (1, 15)),
        ('source == r"a" ? allow : allow', (1, 11)),
        ('source == b"a" ? allow : allow', (1, 11)),
        ('source == "a\\n" ? allow : allow', (1, 11)),
        ('source == """a""" ? allow : allow', (1, 13)),
        ('source == "\u0430" ? allow : allow', (1, 12)),
        ("allow // \u202e", (1, 10)),
        ("allow\t", (1, 6)),
        ("a" * 33, (1, 1)),
        ("in ? allow : allow", (1, 1)),
    ],
)
def test_what_is_no_policy_is_refused_at_its_place(source: str, place: tuple[int, int]) -> None:
    assert places(source)[0] == place
    assert isinstance(compile_policy(source, {}), tuple)


def test_a_chain_of_comparisons_is_named_as_one() -> None:
    assert "behind another comparison" in str(check_program("1.0 < joint_speed < 2.0 ? allow : allow"))


def test_names_of_the_configuration_are_known() -> None:
    source = 'source == "planer" || "arms" in groups || "zone" in zones ? allow : allow'
    names = {"source": frozenset({"planner"}), "groups": frozenset({"arm"}), "zones": frozenset[str]()}
    assert places(source, **names) == [(1, 11), (1, 23), (1, 43)]
    assert not isinstance(check_program(source), tuple), "where nothing is known of them"


def test_all_errors_come_at_once(panda: RobotFile) -> None:
    program = '// a comment\nspeed > 1.0 ? deny("E_POLICY_A") :\n"harbour" in zones ? deny("E_POLICY_B") :\nallow\n'
    problems = panda.put("policy", {"program": program, "denials": {"E_POLICY_A": "no more"}}).error().errors
    assert [(one.path, one.code.value) for one in problems] == [("policy.program", "E_CONFIG_POLICY")] * 2
    assert problems[0].message.startswith("line 2, column 1: there is no fact 'speed'; facts: source, ")
    assert problems[1].message.startswith("line 3, column 1: zones is never 'harbour'; ")
    assert "policy test" in problems[0].cure


def test_the_line_of_the_file_is_told(panda: RobotFile) -> None:
    text = panda.text
    assert isinstance(text, str)
    lines = text.count("\n")
    more = 'policy:\n  program: |\n    mode == "auto" ? allow :\n    wheel > 1 ? allow : allow\n'
    (problem,) = panda.holding(text + more).error().errors
    assert problem.line == lines + 4
    assert "line 2, column 1" in problem.message


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ({}, {("policy.program", "E_CONFIG_MISSING")}),
        (True, {("policy", "E_CONFIG_TYPE")}),
        ({"program": 1}, {("policy.program", "E_CONFIG_TYPE")}),
        ({"program": "allow", "url": "http://opa"}, {("policy.url", "E_CONFIG_POLICY")}),
        ({"program": "allow", "rules": []}, {("policy.rules", "E_CONFIG_UNKNOWN_KEY")}),
        ({"program": 'deny("E_POLICY_A")'}, {("policy.denials.E_POLICY_A", "E_CONFIG_MISSING")}),
        (
            {"program": "allow", "denials": {"E_POLICY_A": "no more"}},
            {("policy.denials.E_POLICY_A", "E_CONFIG_POLICY")},
        ),
        ({"program": "a" * 8193}, {("policy.program", "E_CONFIG_VALUE")}),
        (
            {"program": 'mode == "auto" ? approve("zone", 1, 9) : approve("zone", 2, 9)'},
            {("policy.program", "E_CONFIG_POLICY")},
        ),
        ({"program": 'approve("zone", 1, 9)', "hold_kinds": ["fire"]}, {("policy.hold_kinds", "E_CONFIG_POLICY")}),
        ({"program": 'approve("zone", 1, 9)', "hold_kinds": ["Zone"]}, {("policy.hold_kinds[0]", "E_CONFIG_NAME")}),
    ],
)
def test_what_is_wrong_is_named(panda: RobotFile, policy: Any, said: set[tuple[str, str]]) -> None:
    assert panda.put("policy", policy).refused() == said


def test_kinds_of_approvals_are_read(panda: RobotFile) -> None:
    program = (
        'mode == "auto" ? approve("zone", 2, 90) : kind == "person" ? approve("zone", 2, 9) : approve("far", 1, 30)'
    )
    policy = panda.put("policy", {"program": program, "hold_kinds": ["far"]}).load().policy
    assert policy is not None
    assert {kind: (one.people, one.seconds) for kind, one in policy.kinds.items()} == {"zone": (2, 9), "far": (1, 30)}
    assert policy.hold_kinds == {"far"}


def test_what_people_can_not_do_is_noted(panda: RobotFile) -> None:
    loaded = panda.put("policy", {"program": 'approve("zone", 2, 90)'}).load()
    assert [note for note in notes(loaded) if note.startswith("policy")] == [
        "policy asks 2 to approve zone; operators.people names 0 who may",
        "policy waits 90 s for zone; timing.idle ends that after 60 s",
    ]
    assert not [note for note in notes(panda.load()) if note.startswith("policy")]


def chain(rules: int) -> str:
    return "joint_speed > 1.0 ? allow : " * rules + "allow"


def test_size_and_depth_are_bounded() -> None:
    assert not isinstance(compile_policy(chain(DEEPEST - 1), {}), tuple), "CEL itself takes what we take"
    assert places(chain(DEEPEST)) != []
    assert places("(" * DEEPEST + "allow") != []
    assert places("!" * DEEPEST + "(mode == mode) ? allow : allow") != []
    assert not isinstance(check_program("allow".ljust(MOST_CHARACTERS)), tuple)
    assert places("allow".ljust(MOST_CHARACTERS + 1)) == [(1, 1)]
    words = "mode==mode||" * (MOST_TOKENS // 4) + "mode==mode?allow:allow"
    assert len(words) <= MOST_CHARACTERS
    assert "words" in str(check_program(words))
    listed = ",".join(['"a"'] * 33)
    assert places(f"source in [{listed}] ? allow : allow") == [(1, 11)]


def test_the_deepest_of_everything_is_what_cel_takes_too() -> None:
    deep = "(" * (DEEPEST - 2) + "mode == mode" + ")" * (DEEPEST - 2) + " ? allow : allow"
    assert judge(deep) == Allow()
    assert judge("!" * (DEEPEST - 3) + "(mode == mode) ? allow : approve('a', 1, 1)") == Approve("a", 1, 1)


def test_what_is_no_program_never_raises() -> None:
    """Pieces of programs in any order: each gives a policy that answers, or errors with places."""
    chance = random.Random(4)
    pieces = [
        "allow", 'deny("E_POLICY_A")', 'approve("a", 1, 1)', "?", ":", "(", ")", "[", "]", ",", "!", "&&", "||", "==",
        "<", "in", "size(", '"auto"', "1.0", "7", "\n", "// x\n", *FACTS, "mode ==", 'mode == "auto" ?', ": allow",
        "true", ".", "\\",
    ]  # fmt: skip
    good = 0
    for _ in range(6000):
        source = " ".join(chance.choice(pieces) for _ in range(chance.randrange(1, 9)))
        policy = compile_policy(source, {})
        if isinstance(policy, CelPolicy):
            good += 1
            assert not isinstance(policy.judge(FACTS_OF_A_GOAL), Unjudged)
        else:
            assert policy
            assert all(error.line >= 1 and error.column >= 1 for error in policy)
    assert good > 50


@pytest.mark.redteam(37)
@pytest.mark.parametrize(
    "answer", [None, True, 1.0, -1, 2, "0", RuntimeError("no"), type("Panic", (BaseException,), {})()]
)
def test_an_evaluation_that_fails_is_a_no(answer: Any) -> None:
    class Engine:
        def execute(self, facts: dict[str, Any]) -> Any:
            if isinstance(answer, BaseException):
                raise answer
            return answer

    whole = compile_policy('mode == "auto" ? allow : deny("E_POLICY_A")', {})
    assert isinstance(whole, CelPolicy)
    policy = CelPolicy(whole.source, {}, whole.used, whole.verdicts, Engine())
    assert isinstance(policy.judge(FACTS_OF_A_GOAL), Unjudged)


def test_without_the_library_no_policy_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "cel", None)
    policy = compile_policy("allow", {})
    assert isinstance(policy, tuple)
    assert "Python 3.11" in str(policy[0])
    assert program_file._WITHOUT in str(policy[0])


@pytest.mark.parametrize("read", [(["mode", "kind"], ["_?_:_"]), ([], []), (["mode"], ["_?_:_", "timestamp"])])
def test_a_program_that_cel_reads_otherwise_is_refused(read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import cel

    class Program:
        def variables(self) -> list[str]:
            return read[0]  # type: ignore[no-any-return]

        def functions(self) -> list[str]:
            return read[1]  # type: ignore[no-any-return]

    monkeypatch.setattr(cel, "compile", lambda _source: Program())
    policy = compile_policy('mode == "auto" ? allow : allow', {})
    assert isinstance(policy, tuple)
    assert "otherwise" in policy[0].message


def test_the_same_program_reads_the_same() -> None:
    policy = compile_policy("allow", {"E_POLICY_A": "no"})
    assert repr(policy) == "CelPolicy('allow', {'E_POLICY_A': 'no'})"
