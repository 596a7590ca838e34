"""Checks of who may sign: people, and sources that take tools or whose agents introduce themselves.

One key has one holder, who is a person or a source, never both: an agent can not act as a person (REDTEAM 19).
"""

from __future__ import annotations

from safety_supervisor.config.agent_checks import needs_session
from safety_supervisor.config.codes import ConfigurationCode as Code
from safety_supervisor.config.problems import Problems
from safety_supervisor.config.public_key import refuse_public_key
from safety_supervisor.config.sections import Sections

_OF_SOURCE = "Run `safety-supervisor agent key --out FILE` where the source runs; it prints the line."
_OF_PERSON = "Each person runs `safety-supervisor operator key --out FILE`; it prints the line."


def check_keys(sections: Sections, problems: Problems) -> None:
    """Check every public key of the file, and that nobody holds another's."""
    holders: dict[str, str] = {}
    for name, source in sections.sources.items():
        path, text = f"sources.{name}.public_key", source.public_key
        session = needs_session(source, sections)
        if text is None:
            if source.tools:
                problems.add(path, Code.MISSING, "is missing beside `tools`", _OF_SOURCE)
            elif session:
                problems.add(path, Code.MISSING, "is missing: its agent has to introduce itself", _OF_SOURCE)
            continue
        if not (source.tools or session):
            problems.add(
                path, Code.NOT_ENFORCED, "is used by nothing without `tools` or a session", "Add them, or remove it."
            )
        _check(path, text, f"the source {name}", _OF_SOURCE, holders, problems)
    operators = sections.operators
    for name, source in sections.sources.items():
        if source.person is None:
            continue
        if source.kind != "person":
            problems.add(f"sources.{name}.person", Code.NOT_ENFORCED, "is no key of an agent", "Remove it.")
        elif operators is not None and source.person not in operators.people:
            message = f"{source.person} is none of `operators.people`"
            problems.add(f"sources.{name}.person", Code.NAME, message, "Name one of them, or add the person.")
    for name, person in ({} if operators is None else operators.people).items():
        path = f"operators.people.{name}"
        if name in sections.sources:
            message = f"{name} is a source, too: in records nobody could tell them apart"
            problems.add(path, Code.NAME, message, "Choose another name.")
        _check(f"{path}.public_key", person.public_key, f"the person {name}", _OF_PERSON, holders, problems)


def _check(path: str, text: str, holder: str, cure: str, holders: dict[str, str], problems: Problems) -> None:
    wrong = refuse_public_key(text)
    if wrong:
        problems.add(path, Code.KEY, wrong, cure)
    elif holders.setdefault(text, holder) != holder:
        problems.add(path, Code.KEY, f"is the key of {holders[text]}, too", cure)
