"""What a policy program may say: rules in order, each `condition ? verdict :`, then the verdict for all the rest.

    program   = condition "?" verdict ":" program | verdict
    verdict   = "allow" | "deny" "(" TEXT ")" | "approve" "(" TEXT "," COUNT "," COUNT ")" | "(" program ")"
    condition = and { "||" and }           and = unary { "&&" unary }        unary = ["!"] unary | relation
    relation  = value [ ("==" | "!=" | "<" | "<=" | ">" | ">=" | "in") value ]
    value     = TEXT | NUMBER | COUNT | fact | "size" "(" value ")" | "[" TEXT { "," TEXT } "]" | "(" condition ")"

That is a part of CEL, and means what CEL means. No arithmetic, so nothing overflows or divides by zero; no macros, so
nothing is done more often than it is written; no text is ever made. So the cost of a program is bounded by its words
times the longest list of facts, and no clock has to watch it. Every name is a fact and every type is known: a program
that gets here can not fail on facts that are whole.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from safety_supervisor.config.policy.tokens import PolicyError, Token, split
from safety_supervisor.core.policy.facts import FACTS, FactType
from safety_supervisor.core.policy.verdict import Allow, Approve, Deny, Verdict

DEEPEST: Final = 48
"""Rules in a chain, and parentheses in each other: CEL's own parser takes no more than about 90."""

LONGEST_LIST: Final = 32
LONGEST_WAIT: Final = 3600

_CODE: Final = re.compile(r"E_POLICY_[A-Z0-9_]{1,40}")
_KIND: Final = re.compile(r"[a-z][a-z0-9_]{0,31}")
RESERVED: Final = frozenset({"E_POLICY_ERROR", "E_POLICY_WAIT", "E_POLICY_SERVER"})
_ORDERED: Final = frozenset({"<", "<=", ">", ">="})
_RELATIONS: Final = _ORDERED | {"==", "!=", "in"}
_NUMERIC: Final = frozenset({"number", "whole number"})

BOOL, VERDICT, UNKNOWN = "condition", "verdict", "unknown"
"""Types beside those of facts; of an unknown one nothing more is said."""


@dataclass(frozen=True, slots=True)
class _Value:
    """A part of a program: its type, where it begins, the fact that it is, and the texts that it holds."""

    type: str
    at: Token
    fact: str = ""
    texts: tuple[Token, ...] = ()


@dataclass(frozen=True)
class Checked:
    """A program without errors.

    Attributes:
        cel: the same in CEL, every verdict replaced by its number.
        verdicts: by number.
        used: facts that stand in it.
    """

    cel: str
    verdicts: tuple[Verdict, ...]
    used: frozenset[str]

    @property
    def codes(self) -> frozenset[str]:
        """Codes that it denies with."""
        return frozenset(verdict.code for verdict in self.verdicts if isinstance(verdict, Deny))


class _Reader:
    """Reads one program, and notes every error that leaves the rest readable."""

    def __init__(self, source: str, names: Mapping[str, frozenset[str]]) -> None:
        self._tokens = split(source)
        self._names = names
        self._at = 0
        self._depth = 0
        self.errors: list[PolicyError] = []
        self.cel: list[str] = []
        self.verdicts: list[Verdict] = []
        self.used: set[str] = set()

    # --- words

    @property
    def _token(self) -> Token:
        return self._tokens[self._at]

    def _take(self, silent: bool = False) -> Token:
        token = self._token
        self._at += 1
        if not silent:
            self.cel.append(token.text)
        return token

    def _expect(self, sign: str, silent: bool = False) -> Token:
        if self._token.text != sign or self._token.kind not in ("sign", "name"):
            raise self._token.error(f"{_shown(self._token)}; expected {sign!r}")
        return self._take(silent)

    def _is(self, *signs: str) -> bool:
        return self._token.kind in ("sign", "name") and self._token.text in signs

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > DEEPEST:
            raise self._token.error(f"more than {DEEPEST} rules or parentheses in each other")

    # --- rules

    def program(self) -> None:
        value = self._rules()
        if self._token.kind != "end":
            raise self._token.error(f"{_shown(self._token)} after the end of the program")
        self._want(value, VERDICT, "the program ends in")

    def _rules(self) -> _Value:
        self._deeper()
        value = self._either()
        if self._is("?"):
            self._want(value, BOOL, "before '?' stands")
            self._take()
            self._want(self._either(), VERDICT, "behind '?' stands")
            self._expect(":")
            last = self._rules()
            self._want(last, VERDICT, "behind ':' stands")
            value = _Value(VERDICT, value.at)
        self._depth -= 1
        return value

    def _either(self) -> _Value:
        return self._joined("||", self._both)

    def _both(self) -> _Value:
        return self._joined("&&", self._unary)

    def _joined(self, sign: str, part: object) -> _Value:
        assert callable(part)
        value: _Value = part()
        while self._is(sign):
            self._want(value, BOOL, f"before {sign!r} stands")
            self._take()
            self._want(part(), BOOL, f"behind {sign!r} stands")
            value = _Value(BOOL, value.at)
        return value

    def _unary(self) -> _Value:
        if not self._is("!"):
            return self._relation()
        self._deeper()
        at = self._take()
        self._want(self._unary(), BOOL, "behind '!' stands")
        self._depth -= 1
        return _Value(BOOL, at)

    def _relation(self) -> _Value:
        left = self._value()
        if not self._is(*_RELATIONS):
            return left
        sign = self._take()
        right = self._value()
        if self._is(*_RELATIONS):
            raise self._token.error(f"{self._token.text!r} behind another comparison; put one into parentheses")
        self._compare(left, sign, right)
        return _Value(BOOL, left.at)

    # --- values

    def _value(self) -> _Value:
        token = self._token
        if token.kind == "text":
            return _Value(FactType.TEXT.value, self._take(), texts=(token,))
        if token.kind in ("number", "count"):
            kind = FactType.NUMBER if token.kind == "number" else FactType.COUNT
            return _Value(kind.value, self._take())
        if token.kind == "sign" and token.text == "(":
            self._take()
            value = self._rules()
            self._expect(")")
            return value if value.type == VERDICT else _Value(value.type, token)
        if token.kind == "sign" and token.text == "[":
            return self._list()
        if token.kind != "name" or token.text == "in":
            raise token.error(f"{_shown(token)}; expected a fact, a text, a number, '(', '[' or a verdict")
        if token.text in ("allow", "deny", "approve"):
            return self._verdict()
        if token.text == "size":
            return self._size()
        return self._fact()

    def _list(self) -> _Value:
        at = self._take()
        texts: list[Token] = []
        while True:
            if self._token.kind != "text":
                raise self._token.error(f"{_shown(self._token)} in a list; it holds texts alone")
            texts.append(self._take())
            if not self._is(","):
                break
            self._take()
        self._expect("]")
        if len(texts) > LONGEST_LIST:
            self._note(at, f"a list of {len(texts)}; {LONGEST_LIST} are allowed")
        return _Value(FactType.TEXTS.value, at, texts=tuple(texts))

    def _size(self) -> _Value:
        at = self._take()
        self._expect("(")
        self._want(self._value(), FactType.TEXTS.value, "size() is given")
        self._expect(")")
        return _Value(FactType.COUNT.value, at)

    def _fact(self) -> _Value:
        token = self._take()
        if self._is("(", "["):
            raise token.error(f"there is no function or index {token.text!r}; size() is the only one")
        fact = FACTS.get(token.text)
        if fact is None:
            self._note(token, f"there is no fact {token.text!r}; facts: {', '.join(FACTS)}")
            return _Value(UNKNOWN, token)
        self.used.add(token.text)
        return _Value(fact.type.value, token, token.text)

    def _verdict(self) -> _Value:
        at = self._take(silent=True)
        verdict: Verdict = Allow()
        if at.text != "allow":
            self._expect("(", silent=True)
            arguments = [self._take(silent=True)]
            while self._is(","):
                self._take(silent=True)
                arguments.append(self._take(silent=True))
            self._expect(")", silent=True)
            verdict = self._deny(at, arguments) if at.text == "deny" else self._approve(at, arguments)
        self.cel.append(str(len(self.verdicts)))
        self.verdicts.append(verdict)
        return _Value(VERDICT, at)

    def _deny(self, at: Token, arguments: list[Token]) -> Verdict:
        if [one.kind for one in arguments] != ["text"]:
            raise at.error('deny takes one text, such as deny("E_POLICY_PEOPLE")')
        code = arguments[0].value
        if not _CODE.fullmatch(code) or code in RESERVED:
            spelled = "E_POLICY_ and capital letters, digits, '_', not ERROR, WAIT or SERVER"
            self._note(arguments[0], f"{code!r} is no code: {spelled}")
        return Deny(code)

    def _approve(self, at: Token, arguments: list[Token]) -> Verdict:
        if [one.kind for one in arguments] != ["text", "count", "count"]:
            raise at.error('approve takes kind, people and seconds, such as approve("zone", 1, 30)')
        kind, people, seconds = arguments[0].value, int(arguments[1].text), int(arguments[2].text)
        if not _KIND.fullmatch(kind):
            self._note(arguments[0], f"{kind!r} is no kind: small letters, digits and '_', at most 32")
        if not 1 <= people <= 2:
            self._note(arguments[1], f"{people} people; allowed: 1 or 2")
        if not 1 <= seconds <= LONGEST_WAIT:
            self._note(arguments[2], f"{seconds} s; allowed: 1 to {LONGEST_WAIT}")
        return Approve(kind, people, seconds)

    # --- types

    def _note(self, at: Token, message: str) -> None:
        self.errors.append(at.error(message))

    def _want(self, value: _Value, kind: str, where: str) -> None:
        if value.type not in (kind, UNKNOWN):
            self._note(value.at, f"{where} a {value.type}; it is a {kind}")

    def _compare(self, left: _Value, sign: Token, right: _Value) -> None:
        both = {left.type, right.type}
        if UNKNOWN in both:
            return
        text, texts = FactType.TEXT.value, FactType.TEXTS.value
        if sign.text == "in":
            good = (left.type, right.type) == (text, texts)
        else:
            good = both <= _NUMERIC or (sign.text not in _ORDERED and both == {text})
        if not good:
            self._note(sign, f"{left.type} {sign.text} {right.type} can not be compared")
            return
        self._spelled(left.fact, right.texts)
        self._spelled(right.fact, left.texts)

    def _spelled(self, fact: str, texts: tuple[Token, ...]) -> None:
        """Note texts that a fact never is: a rule that never holds protects from nothing."""
        if not (fact and texts):
            return
        known = frozenset(FACTS[fact].words) or self._names.get(fact)
        for token in texts:
            if known is not None and token.value not in known:
                allowed = ", ".join(sorted(known)) or "there is none"
                self._note(token, f"{fact} is never {token.value!r}; it may be: {allowed}")


def _shown(token: Token) -> str:
    return "the program ends here" if token.kind == "end" else f"{token.text!r} stands here"


def check_program(source: str, names: Mapping[str, frozenset[str]] | None = None) -> Checked | tuple[PolicyError, ...]:
    """Check a program whole.

    Args:
        source: of the program.
        names: of the configuration, by fact: what `source`, `groups` and `zones` can be. None: not known.

    Returns:
        The program, or every error that was found, in order.
    """
    try:
        reader = _Reader(source, names or {})
    except PolicyError as error:
        return (error,)
    try:
        reader.program()
    except PolicyError as error:
        reader.errors.append(error)
    if reader.errors:
        return tuple(sorted(reader.errors, key=lambda error: (error.line, error.column)))
    return Checked(" ".join(reader.cel), tuple(reader.verdicts), frozenset(reader.used))
