"""Whose signatures count for configurations on this machine: a file beside no configuration, which the node only reads.

It is apart from the configuration on purpose: who edits that, and writes an own key into it, has not become an officer.
The file and each directory above it belong to root or to the user of the node, and nobody else may write them: who may
write a directory could take the list away, or lay another one there. REDTEAM 36, 51.
"""

from __future__ import annotations

import json
import os
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from safety_supervisor.config.bounds import open_regular
from safety_supervisor.config.keys import NAME
from safety_supervisor.config.public_key import decode_base64url, encode_base64url, refuse_public_key
from safety_supervisor.core.settings import Configuration

DEFAULT: Final = Path("/etc/safety_supervisor/officers.json")
"""What the administrator alone may write."""
VERSION: Final = 1
LONGEST: Final = 65_536
"""Bytes of a file that is read."""
_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH


class OfficersError(ValueError):
    """The file is missing, unreadable, no list of officers, or it or a directory above it is writable by others."""


def needs_signature(configuration: Configuration, path: Path) -> bool:
    """Whether a configuration counts only with a signature: a real robot's, and any where the machine has a list.

    Who edits a file could write `simulated: true` into it, too; so a machine with a list of officers runs nothing
    unsigned, a simulation neither. A list that can not be looked for may be there.
    """
    if not configuration.simulated:
        return True
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def read_officers(path: Path) -> dict[str, bytes]:
    """Return the Ed25519 public key of each officer who is trusted here, by name.

    Raises:
        OfficersError: see there.
    """
    try:
        _refuse_directories(path)
        with open_regular(path) as file:
            _refuse_others(path, os.fstat(file.fileno()))
            data = file.read(LONGEST + 1)
    except OSError as error:
        raise OfficersError(f"{path}: {error.strerror or error}") from None
    if len(data) > LONGEST:
        raise OfficersError(f"{path} is longer than {LONGEST} bytes")
    try:
        held = json.loads(data)
    except (ValueError, RecursionError):
        held = None
    if not isinstance(held, dict) or set(held) != {"version", "officers"} or held["version"] != VERSION:
        raise OfficersError(f"{path} is no list of officers of version {VERSION}")
    if not isinstance(held["officers"], dict) or not held["officers"]:
        raise OfficersError(f"{path} names nobody")
    return {name: _key(path, name, text) for name, text in held["officers"].items()}


def _refuse_directories(path: Path) -> None:
    """Judge every directory on the way to a file, and to where it really lies: links are followed, too."""
    above = {directory for way in (path.absolute(), Path(os.path.realpath(path))) for directory in way.parents}
    for directory in sorted(above):
        status = os.stat(f"{directory}/")  # the slash: a file is no directory
        # In a sticky one, as /tmp is, only owners take their files away.
        _refuse_others(directory, status, sticky=bool(status.st_mode & stat.S_ISVTX))


def _refuse_others(path: Path, status: os.stat_result, sticky: bool = False) -> None:
    if status.st_uid not in (0, os.geteuid()):
        raise OfficersError(f"{path} belongs to user {status.st_uid}; it has to be root's or of who runs this")
    if status.st_mode & _OTHERS_WRITE and not sticky:
        raise OfficersError(f"{path} can be written by others (mode {stat.S_IMODE(status.st_mode):04o})")


def _key(path: Path, name: str, text: Any) -> bytes:
    wrong = refuse_public_key(text) if isinstance(text, str) else "is no text"
    if wrong or not NAME.fullmatch(name):
        raise OfficersError(f"{path}: {ascii(name)[:60]}: {wrong or 'is no name'}")
    return decode_base64url(text) or b""


def write_officers(path: Path, officers: Mapping[str, bytes]) -> None:
    """Write whose signatures count from now on, and nobody else's: durably, or not at all.

    Args:
        path: the file; directories are made where there are none, for everybody to look into, whatever the umask.
        officers: Ed25519 public key of each, by name.

    Raises:
        OSError: it can not be written; what was there stays.
        OfficersError: others may write a directory above it; nothing was written.
    """
    body = {"version": VERSION, "officers": {name: encode_base64url(key) for name, key in sorted(officers.items())}}
    data = (json.dumps(body, indent=2) + "\n").encode("ascii")
    for directory in reversed([one for one in path.absolute().parents if not one.exists()]):
        directory.mkdir(0o755, exist_ok=True)
        directory.chmod(0o755)
    _refuse_directories(path)
    replace_public_file(path, data)


def replace_public_file(path: Path, data: bytes) -> None:
    """Write a file that everybody may read beside the old one, then rename it over: durably, or not at all.

    Raises:
        OSError: it can not be written; what was there stays.
    """
    # A name of its own: of two who write at once one wins whole. Made by us, never opened through somebody's link.
    descriptor, fresh = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o644)
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        os.replace(fresh, path)
    except OSError:
        os.unlink(fresh)
        raise
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
