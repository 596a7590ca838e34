"""Text from outside, made fit to be shown (REDTEAM 5): one line of plain ASCII of bounded length."""

from __future__ import annotations

LONGEST = 300


def escape(text: str, longest: int = LONGEST) -> str:
    r"""Return the text in printable ASCII; everything else as `\xNN`, `\uNNNN`, and what is too long cut with `...`."""
    if text.isascii() and text.isprintable() and len(text) <= longest:
        return text
    cut = len(text) > longest
    shown = text[:longest].encode("ascii", "backslashreplace").decode("ascii")
    shown = "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in shown)
    return shown + "..." if cut else shown


def describe(error: BaseException, longest: int = LONGEST) -> str:
    """Return kind and text of any exception, fit to be shown, even where its text raises or can not be encoded."""
    try:
        return escape(f"{type(error).__name__}: {error}", longest)
    except BaseException:
        return escape(f"{type(error).__name__}, whose text can not be made", longest)
