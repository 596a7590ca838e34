"""Read a YAML file that nobody vouches for: bounded before it is parsed, then parsed without YAML's surprises.

Red team, row 50: size before reading, nesting and number of entries while scanning, aliases, anchors, tags, merge
keys and duplicate keys refused. Only what YAML 1.2's core schema calls a number or truth value is one: `on`, `yes`,
`1:30` (sexagesimal 90 in YAML 1.1) and `010` (octal 8) stay text and fail the strict schema; `1e-3` is a number.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Any, BinaryIO, Final

import yaml

from safety_supervisor.config.codes import ConfigurationCode
from safety_supervisor.config.problems import ConfigurationError, Problems, shown

MAXIMUM_BYTES: Final = 256 * 1024
MAXIMUM_DEPTH: Final = 12
MAXIMUM_NODES: Final = 20_000
MAXIMUM_KEY: Final = 128

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _StrictLoader(_Base):
    """A safe loader with the scalar rules of YAML 1.2's core schema, narrowed."""


_StrictLoader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("null", r"^(?:~|null|)$", ["~", "n", ""]),
    ("bool", r"^(?:true|false)$", list("tf")),
    # 18 digits: more is no number that a robot needs, and Python's conversion of long digit strings is slow.
    ("int", r"^[-+]?(?:0|[1-9][0-9]{0,17})$", list("-+0123456789")),
    (
        "float",
        r"^[-+]?(?:(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{0,30})?|\.[0-9]{1,30})(?:[eE][-+]?[0-9]{1,4})?$",
        list("-+.0123456789"),
    ),
    ("float", r"^(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$", list("-+.")),
):
    _StrictLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), _first)


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file to be read; nothing else is waited for.

    Raises:
        OSError: it can not be read, or is no regular file (a pipe would never end).
    """
    # Looked at first, since to open a device can act; then opened without waiting, and looked at again, since whoever
    # may write the directory can lay a pipe there in between, which would hold the control cycle for ever.
    if stat.S_ISREG(path.stat().st_mode):
        file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
        if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            return file
        file.close()
    raise OSError("no regular file")


def read_bounded(path: Path, maximum: int) -> bytes:
    """Return a regular file's bytes.

    Raises:
        OSError: as `open_regular`, or it is longer than `maximum` bytes.
    """
    with open_regular(path) as file:
        data = file.read(maximum + 1)
    if len(data) > maximum:
        raise OSError(f"longer than {maximum} bytes")
    return data


def _scan(text: str, problems: Problems) -> None:
    """Look at the stream of YAML events, which costs no memory, before any tree is built."""
    code = ConfigurationCode
    depth = nodes = 0
    for event in yaml.parse(text, Loader=_StrictLoader):
        line = event.start_mark.line + 1 if event.start_mark else 0
        anchor = getattr(event, "anchor", None)
        if anchor is not None:
            problems.add("", code.ALIAS, f"an anchor or alias, {shown(anchor)}", line=line)
        # The parser's tag is None or "!" unless one was written.
        if isinstance(event, yaml.NodeEvent) and getattr(event, "tag", None) not in (None, "!"):
            problems.add("", code.ALIAS, f"a tag, {shown(getattr(event, 'tag', ''))}", line=line)
        if isinstance(event, yaml.NodeEvent):
            nodes += 1
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAXIMUM_DEPTH:
            problems.add("", code.SIZE, f"nested deeper than {MAXIMUM_DEPTH}", line=line)
        if nodes > MAXIMUM_NODES:
            problems.add("", code.SIZE, f"more than {MAXIMUM_NODES} entries", line=line)
        if len(problems.found) >= 20 or any(problem.code is code.SIZE for problem in problems.found):
            return


def _walk(node: yaml.Node, path: str, problems: Problems) -> None:
    """Note the line of every path; find duplicate keys, merge keys and keys that are no text."""
    problems.lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _walk(item, f"{path}[{index}]", problems)
    elif isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode) or key.tag != "tag:yaml.org,2002:str":
                problems.add(path, ConfigurationCode.YAML, "a key that is no text", "Quote the key.", line)
                continue
            name = key.value
            if len(name) > MAXIMUM_KEY:
                # Not followed: a long key stands in the path of everything below it.
                message = f"a key of {len(name)} characters; {MAXIMUM_KEY} are allowed"
                problems.add(path, ConfigurationCode.SIZE, message, line=line)
                continue
            below = f"{path}.{name}" if path else name
            if name == "<<":
                problems.add(path, ConfigurationCode.ALIAS, "a merge key `<<`", line=line)
            if name in seen:
                problems.add(below, ConfigurationCode.DUPLICATE_KEY, "stands twice", line=line)
            seen.add(name)
            problems.lines[below] = line
            _walk(value, below, problems)


def parse(path: Path, data: bytes) -> tuple[dict[str, Any], Problems]:
    """Parse a configuration file's bytes into plain values and the line of every path.

    Raises:
        ConfigurationError: anything but one plain YAML mapping within the bounds.
    """
    problems = Problems()
    value: Any = None
    try:
        text = data.decode("utf-8")
        _scan(text, problems)
        if not problems.found:
            loader = _StrictLoader(text)
            try:
                node = loader.get_single_node()
                if not isinstance(node, yaml.MappingNode):
                    problems.add("", ConfigurationCode.YAML, "no mapping of sections")
                else:
                    _walk(node, "", problems)
                    value = None if problems.found else loader.construct_document(node)
            finally:
                loader.dispose()
    except UnicodeDecodeError as error:
        problems.add("", ConfigurationCode.YAML, f"not UTF-8 at byte {error.start}")
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        what = str(getattr(error, "problem", None) or error).splitlines()[0]
        problems.add("", ConfigurationCode.YAML, f"not YAML: {what}", line=mark.line + 1 if mark else 0)
    if problems.found:
        raise ConfigurationError(path, tuple(problems.found))
    return value, problems
