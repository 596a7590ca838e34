"""The words of a policy program, each with its place.

Only what CEL and we read alike is let in: plain ASCII, texts without escapes, decimal numbers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

MOST_CHARACTERS: Final = 8192
MOST_TOKENS: Final = 1200

_TOKEN: Final = re.compile(
    r"(?P<space>[ \n]+|//[^\n]*)"
    r'|(?P<text>"[^"\\\n]{0,64}"|\'[^\'\\\n]{0,64}\')'
    r"|(?P<number>[0-9]{1,9}\.[0-9]{1,9}(?![0-9A-Za-z_.]))"
    r"|(?P<count>[0-9]{1,9}(?![0-9A-Za-z_.]))"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]{0,31}(?![A-Za-z0-9_\"']))"
    r"|(?P<sign>&&|\|\||==|!=|<=|>=|[!<>?:,()\[\]])"
)
_OUTSIDE: Final = re.compile(r"[^ -~\n]")


class PolicyError(ValueError):
    """A program is refused, at a place of it.

    Attributes:
        line: from 1.
        column: from 1.
        message: what was seen, and what is allowed.
    """

    def __init__(self, line: int, column: int, message: str) -> None:
        """Keep the place and the reason."""
        self.line, self.column, self.message = line, column, message
        super().__init__(f"line {line}, column {column}: {message}")


@dataclass(frozen=True, slots=True)
class Token:
    """A word.

    Attributes:
        kind: `text`, `number`, `count`, `name`, `sign` or `end`.
        text: as written.
        line: from 1.
        column: from 1.
    """

    kind: str
    text: str
    line: int
    column: int

    @property
    def value(self) -> str:
        """What a text holds."""
        return self.text[1:-1]

    def error(self, message: str) -> PolicyError:
        """Return an error at this place."""
        return PolicyError(self.line, self.column, message)


def split(source: str) -> list[Token]:
    """Split a program into its words, the last one the end.

    Raises:
        PolicyError: it is too long, or holds what is no word.
    """
    if len(source) > MOST_CHARACTERS:
        raise PolicyError(1, 1, f"the program has {len(source)} characters; {MOST_CHARACTERS} are allowed")
    tokens: list[Token] = []
    at = 0
    line, begin = 1, 0
    outside = _OUTSIDE.search(source)
    while at < len(source):
        match = _TOKEN.match(source, at)
        column = at - begin + 1
        if match is None or (outside is not None and outside.start() < match.end()):
            at = at if match is None or outside is None else outside.start()
            rows = source[:at].split("\n")
            seen = ascii(source[at : at + 12].partition("\n")[0])
            raise PolicyError(
                len(rows), len(rows[-1]) + 1,
                f"{seen} is no word of a policy: names, texts in quotes without '\\', plain decimal numbers, "
                "&& || ! == != < <= > >= in ? : , ( ) [ ] and // comments are",
            )  # fmt: skip
        kind, text = str(match.lastgroup), match.group()
        if kind != "space":
            tokens.append(Token(kind, text, line, column))
            if len(tokens) > MOST_TOKENS:
                raise PolicyError(line, column, f"the program has more than {MOST_TOKENS} words")
        newlines = text.count("\n")
        if newlines:
            line, begin = line + newlines, at + text.rindex("\n") + 1
        at = match.end()
    tokens.append(Token("end", "", line, len(source) - begin + 1))
    return tokens
