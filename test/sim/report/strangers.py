"""What strangers may write into a scenario, a reason or a problem, and pages and XML have to show as text."""

from __future__ import annotations

from typing import Any

SCRIPT = "<script>window.broken = 1</script>"
IMAGE = "<img src=x onerror='window.broken = 2'>"
QUOTES = '"\' onmouseover="window.broken = 3" x=\''
CLOSES = "</pre></td></table></details></style></title><svg onload='window.broken = 4'>"
STYLE = "</style><style>body { display: none }</style>"
LINK = "<a href='javascript:window.broken = 5'>here</a><base href='http://example.org/'>"
ENTITY = "&lt;script&gt;&#60;b&#62; ]]> <!-- <![CDATA["
HIDDEN = "\u202edeugirt\u202c \u200b\u2066zero\u2069 \x00\x07\x1b[31m\ud800 \ufffe \x7f\x85"
ALL = (SCRIPT, IMAGE, QUOTES, CLOSES, STYLE, LINK, ENTITY, HIDDEN)
EVERYTHING = " | ".join(ALL).replace("\ud800", "")  # Parquet holds UTF-8 alone


def strange(**changes: Any) -> dict[str, Any]:
    """Every text of a row that its writer is free to choose."""
    told = {
        "campaign": EVERYTHING,
        "scenario": EVERYTHING,
        "text": EVERYTHING,
        "subject": "supervisor",
        "robot": EVERYTHING,
        "requirements": [EVERYTHING],
        "problem": EVERYTHING,
        "reasons": [EVERYTHING, SCRIPT],
        "not_as_expected": [EVERYTHING],
        "left_out": [EVERYTHING],
        "violated": [EVERYTHING],
        "margins": [(EVERYTHING, 0.1)],
        "verdicts": [(EVERYTHING, 1)],
        "worker": EVERYTHING,
        "ok": False,
        "violations": 1,
        "robustness": -0.1,
    }
    return told | changes
