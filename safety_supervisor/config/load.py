"""Load one robot's configuration: read bounded, validate strictly, report everything at once, freeze."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from safety_supervisor.config import bounds, schema
from safety_supervisor.config import urdf as urdf_file
from safety_supervisor.config.baseline_checks import check_baselines
from safety_supervisor.config.checks import check_all
from safety_supervisor.config.codes import ConfigurationCode as Code
from safety_supervisor.config.estop_keys import EstopKeys
from safety_supervisor.config.freeze import freeze
from safety_supervisor.config.keys import IN_WORDS, NAME, NAME_PATTERN, PORT, SHA256
from safety_supervisor.config.lowering_checks import check_lowering
from safety_supervisor.config.observed_checks import check_carried
from safety_supervisor.config.pose_checks import check_poses
from safety_supervisor.config.problems import ConfigurationError, Problems, shown
from safety_supervisor.config.sections import Sections
from safety_supervisor.core.settings import Configuration

_TYPES = {
    "float_type": "a number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "string_type": "text",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}
_BOUNDS = {
    "greater_than": "above {gt:g}",
    "greater_than_equal": "{ge:g} or more",
    "less_than": "below {lt:g}",
    "less_than_equal": "{le:g} or less",
    "finite_number": "a finite number",
    "literal_error": "{expected}",
    "too_short": "{min_length} or more entries",
    "too_long": "{max_length} or fewer entries",
    "string_too_short": "{min_length} or more characters",
    "string_too_long": "{max_length} or fewer characters",
}


def _path(location: Iterable[str | int]) -> str:
    text = ""
    for part in location:
        if part == "[key]":
            continue
        text += f"[{part}]" if isinstance(part, int) else f".{_plain(part)}" if text else _plain(part)
    return text


def _plain(name: str) -> str:
    """Return a key for display; one that is no plain name is escaped."""
    return name if name.isascii() and name.isprintable() and len(name) <= 128 else shown(name)


def _keys_beside(model: type[schema.Section], location: tuple[str | int, ...]) -> list[str]:
    """Return the keys that the schema knows where a key was not known."""
    known: Any = model
    for part in location[:-1]:
        field = getattr(known, "model_fields", {}).get(part)
        arguments = getattr(field.annotation if field else known, "__args__", ())
        inner = [one for one in [getattr(field, "annotation", None), *arguments] if hasattr(one, "model_fields")]
        known = inner[0] if inner else known
    return list(getattr(known, "model_fields", {}))


_CURES: Final = {
    PORT: "Name the device file; `ls /dev/serial/by-id/` shows them.",
    SHA256: "`sha256sum FILE` prints them.",
}
"""What to do where a text does not fit its pattern; else what the code says."""


def _translate(error: Any, prefix: tuple[str | int, ...], model: type[schema.Section], problems: Problems) -> None:
    """Turn one of pydantic's errors into a problem in our words."""
    kind, context, location = error["type"], error.get("ctx", {}), tuple(error["loc"])
    path, seen = _path((*prefix, *location)), shown(error["input"])
    if kind == "missing":
        problems.add(path, Code.MISSING, "is missing")
    elif kind == "extra_forbidden" and f"{prefix[0]}.{location[-1]}" in schema.NOT_ENFORCED and len(location) == 1:
        problems.add(path, Code.NOT_ENFORCED, "is not enforced by this version")
    elif kind == "extra_forbidden":
        near = difflib.get_close_matches(str(location[-1]), _keys_beside(model, location), n=1)
        problems.add(path, Code.UNKNOWN_KEY, "is not a key", f"Did you mean `{near[0]}`?" if near else "")
    elif kind in _TYPES:
        number = kind == "string_type" and isinstance(error["input"], (int, float))
        cure = f'Put it in quotes: "{seen}".' if number else ""
        problems.add(path, Code.TYPE, f"is {seen}, not {_TYPES[kind]}", cure)
    elif kind == "string_pattern_mismatch":
        cure = _CURES.get(context["pattern"], "")
        allowed = IN_WORDS.get(context["pattern"], context["pattern"])
        problems.add(path, Code.NAME, f"is {seen}; allowed: {allowed}", cure)
    elif kind in _BOUNDS:
        problems.add(path, Code.VALUE, f"is {seen}; allowed: {_BOUNDS[kind].format(**context)}")
    else:
        problems.add(path, Code.VALUE, f"is {seen}: {error['msg']}")


def validate(
    model: type[schema.Section], raw: Any, prefix: tuple[str, ...], problems: Problems
) -> schema.Section | None:
    """Validate one section; None where something is wrong with it, which is then among the problems."""
    try:
        return model.model_validate(raw)
    except ValidationError as failure:
        for error in failure.errors(include_url=False):
            _translate(error, prefix, model, problems)
        return None


def _validate_envelope(raw: Any, problems: Problems) -> schema.EnvelopeKeys | None:
    """Validate the envelope; joints with errors are left out, so that the others are still judged."""
    try:
        return schema.EnvelopeKeys.model_validate(raw)
    except ValidationError as failure:
        errors = failure.errors(include_url=False)
    for error in errors:
        _translate(error, ("envelope",), schema.EnvelopeKeys, problems)
    bad = {error["loc"][1] for error in errors if error["loc"][:1] == ("joints",) and len(error["loc"]) > 1}
    if not bad or any(error["loc"][:1] != ("joints",) or len(error["loc"]) < 2 for error in errors):
        return None
    remaining = {name: joint for name, joint in raw["joints"].items() if name not in bad}
    return schema.EnvelopeKeys.model_validate({**raw, "joints": remaining}) if remaining else None


def _validate_estop(raw: Any, sections: Sections, problems: Problems) -> None:
    """Validate the e-stop; malformed keys are left out and noted, so that the others are still compared."""
    try:
        sections.estop = EstopKeys.model_validate(raw)
        return
    except ValidationError as failure:
        errors = failure.errors(include_url=False)
    for error in errors:
        _translate(error, ("estop",), EstopKeys, problems)
    bad = {str(error["loc"][0]) for error in errors if error["loc"]}
    if isinstance(raw, dict) and bad:
        sound = {name: value for name, value in raw.items() if name not in bad}
        # A driver without a name is judged as any: only what holds for all of them is compared then.
        with suppress(ValidationError):  # what is no key at all can not be left out by its name
            sections.estop = EstopKeys.model_validate({"driver": "frame_v1", **sound})
            sections.estop_malformed = frozenset(bad)


def _validate_all(raw: dict[str, Any], problems: Problems) -> Sections:
    """Validate every section by itself, so that one bad section hides no error of another."""
    sections = Sections()
    known = [*schema.SECTIONS, *schema.OPTIONAL, *schema.NAMED_SECTIONS, *schema.OPTIONAL_NAMED]
    for name in raw:
        if name in schema.NOT_ENFORCED:
            problems.add(name, Code.NOT_ENFORCED, "is a section that this version does not enforce")
        elif name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            cure = f"Did you mean `{near[0]}`?" if near else f"Sections: {', '.join(known)}."
            problems.add(_plain(name), Code.UNKNOWN_KEY, "is not a section", cure)
    for name, model in schema.SECTIONS.items():
        if name not in raw:
            problems.add(name, Code.MISSING, "is missing")
        elif name == "envelope":
            sections.envelope = _validate_envelope(raw[name], problems)
        elif name == "estop":
            _validate_estop(raw[name], sections, problems)
        else:
            setattr(sections, name, validate(model, raw[name], (name,), problems))
    for name, model in schema.OPTIONAL.items():
        if raw.get(name) is not None:
            setattr(sections, name, validate(model, raw[name], (name,), problems))
    for name, (model, least) in (schema.NAMED_SECTIONS | schema.OPTIONAL_NAMED).items():
        entries = raw.get(name)
        if name in schema.OPTIONAL_NAMED and entries is None:
            continue
        if name not in raw:
            problems.add(name, Code.MISSING, "is missing", "" if least else f"Write {name}: {{}} for none.")
        elif not isinstance(entries, dict):
            problems.add(name, Code.TYPE, f"is {shown(entries)}, not a mapping")
        elif not least <= len(entries) <= 50:
            problems.add(name, Code.VALUE, f"has {len(entries)} entries; allowed: {least} to 50")
        else:
            sound: dict[str, Any] = {}
            for entry, value in entries.items():
                if not NAME.fullmatch(entry):
                    problems.add(f"{name}.{_plain(entry)}", Code.NAME, f"allowed: {IN_WORDS[NAME_PATTERN]}")
                checked = validate(model, value, (name, _plain(entry)), problems)
                if checked is not None:
                    sound[entry] = checked
            setattr(sections, name, sound)
            if name == "outputs":
                sections.outputs_malformed = len(sound) < len(entries)
    return sections


def read_file(path: Path, maximum: int) -> bytes:
    """Read a configuration file within bounds.

    Raises:
        ConfigurationError: it can not be read, or is too long.
    """
    try:
        return bounds.read_bounded(path, maximum)
    except OSError as error:
        problems = Problems()
        code = Code.SIZE if "longer than" in str(error) else Code.FILE
        problems.add("", code, error.strerror or str(error))
        raise ConfigurationError(path, tuple(problems.found)) from None


def read_urdf(
    raw: dict[str, Any], path: Path, problems: Problems, recorded: str | None
) -> tuple[str, bytes, urdf_file.Urdf] | None:
    """Read the URDF whenever it is named, even if the rest of `robot` is malformed: limits are judged against it."""
    robot = raw.get("robot")
    named = robot.get("urdf") if isinstance(robot, dict) else None
    if not isinstance(named, str) or problems.at("robot.urdf"):
        return None
    try:
        if recorded is None:
            data = bounds.read_bounded(urdf_file.find_urdf(named, path.parent), urdf_file.MAXIMUM_BYTES)
        else:
            data = recorded.encode()
        text, urdf = urdf_file.parse_urdf(data)
    except urdf_file.UrdfError as error:
        problems.add("robot.urdf", Code.URDF, str(error))
    except OSError as error:
        problems.add("robot.urdf", Code.URDF, f"{shown(named)}: {error.strerror or error}")
    else:
        return text, data, urdf
    return None


def files_sha256(configuration: bytes, urdf: bytes) -> str:
    """Hash what a configuration was made of; NUL, which stands in neither, separates them."""
    return hashlib.sha256(configuration + b"\0" + urdf).hexdigest()


def commissioned_sha256(raw: Mapping[str, Any], urdf: bytes) -> str:
    """Hash what a record of measured stops is bound to: all that the file says but `commissioning`, and the URDF.

    That section names the record and says whether one is demanded; with it in the hash no record could ever fit the
    file that names it. What is hashed is what the file says, not its bytes: a comment changes nothing.
    """
    said = {name: section for name, section in raw.items() if name != "commissioning"}
    return files_sha256(json.dumps(said, sort_keys=True, separators=(",", ":")).encode("ascii"), urdf)


def disk_sha256(path: Path | str, urdf: Path) -> str:
    """Hash the files that lie on disk now, to compare with `Configuration.sha256` (SR-041).

    Args:
        path: the configuration file.
        urdf: the file that `urdf_path` returned.

    Returns:
        The hash, or an empty string when a file can not be read within its bounds: that, too, is a change.
    """
    try:
        data = bounds.read_bounded(Path(path), bounds.MAXIMUM_BYTES)
        return files_sha256(data, bounds.read_bounded(urdf, urdf_file.MAXIMUM_BYTES))
    except OSError:
        return ""


def urdf_path(path: Path | str) -> Path:
    """Return the file that a configuration's `robot.urdf` names.

    Raises:
        ConfigurationError: the configuration is not usable.
    """
    path = Path(path).expanduser().absolute()
    raw, problems = bounds.parse(path, read_file(path, bounds.MAXIMUM_BYTES))
    robot = validate(schema.RobotKeys, raw.get("robot"), ("robot",), problems)
    if isinstance(robot, schema.RobotKeys):
        try:
            return urdf_file.find_urdf(robot.urdf, path.parent)
        except urdf_file.UrdfError as error:
            problems.add("robot.urdf", Code.URDF, str(error))
    raise ConfigurationError(path, tuple(problems.found))


def load_config(
    path: Path | str, urdf_text: str | None = None, baselines: Mapping[str, bytes] | None = None
) -> Configuration:
    """Load one robot's configuration from a YAML file.

    Args:
        path: the file.
        urdf_text: a recorded URDF that stands for the file that `robot.urdf` names; for replay.
        baselines: recorded files of baselines by their hash, which stand for those that are named; for replay.

    Returns:
        The configuration, frozen, arrays read-only.

    Raises:
        ConfigurationError: the file is not usable; carries every problem with its path, code and cure.
    """
    path = Path(path).expanduser().absolute()
    data = read_file(path, bounds.MAXIMUM_BYTES)
    raw, problems = bounds.parse(path, data)
    sections = _validate_all(raw, problems)
    model = read_urdf(raw, path, problems, urdf_text)
    if model is not None:
        sections.urdf = model[2]
    check_all(sections, problems)
    check_baselines(sections, path.parent, problems, baselines)
    if problems.found or model is None:
        raise ConfigurationError(path, tuple(problems.found))
    hashes = files_sha256(data, model[1]), commissioned_sha256(raw, model[1])
    configuration = freeze(sections, model[0], *hashes, path)
    stages = check_poses(configuration, problems)
    check_carried(configuration, problems)
    if not problems.found:
        check_lowering(configuration, problems, stages)
    if problems.found:
        raise ConfigurationError(path, tuple(problems.found))
    return configuration
