"""The robot's key of the decision log, which is another one in each segment.

    DIRECTORY/ROBOT.evidence-key    private: the key of the present segment, and while one begins that of the next
    DIRECTORY/ROBOT.evidence-pub    public: the first key of all, the root; `log verify --key` trusts it

A segment's first record is signed with the key of the segment before and names the key of its own. Then the old key is
overwritten and gone: whoever breaks in later can not sign what was before the present segment. Requirement: SR-042.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from safety_supervisor.evidence.decisions.chain import public_text
from safety_supervisor.evidence.latch_store import replace_file

KEY_SUFFIX: Final = ".evidence-key"
ROOT_SUFFIX: Final = ".evidence-pub"
_LONGEST: Final = 4096


class KeyRing:
    """The keys of one robot.

    Args:
        directory: log directory.
        robot: file name of the robot.

    Attributes:
        present: signs heads of the present segment and the first record of the next; None before `open`.
        new: whether there was no key.
        damage: why the old key can not be read and a new root was made; empty: it can.
    """

    def __init__(self, directory: Path, robot: str) -> None:
        """Name the files; nothing is read or written yet."""
        self.path = directory / f"{robot}{KEY_SUFFIX}"
        self.root = directory / f"{robot}{ROOT_SUFFIX}"
        self.present: Ed25519PrivateKey | None = None
        self.new = False
        self.damage = ""
        self._next: Ed25519PrivateKey | None = None

    def open(self, segment_key: str) -> Ed25519PrivateKey:
        """Read the keys, or make the first one.

        Args:
            segment_key: public key that the newest segment names as its own; empty: there is no segment.

        Raises:
            OSError: they can not be read or written.
        """
        try:
            present, later = self._read()
        except FileNotFoundError:
            self.damage = "the key file is missing" if segment_key else ""
            return self._make_root()
        except (ValueError, KeyError, TypeError) as error:
            self.damage = f"the key file is damaged: {error}"
            return self._make_root()
        if later is not None and public_text(later) == segment_key:
            self.present = later  # it died between the segment's first record and the end of the old key
            self._write(later, None)
            return later
        self.present, self._next = present, later
        return present

    def prepare(self) -> Ed25519PrivateKey:
        """Return the next segment's key, which is on disk beside the present one.

        Raises:
            OSError: it can not be written.
        """
        assert self.present is not None
        if self._next is None:
            later = Ed25519PrivateKey.generate()
            self._write(self.present, later)
            self._next = later
        return self._next

    def advance(self) -> None:
        """Forget the present key: the next segment's first record, which names the next key, is on disk.

        Raises:
            OSError: the old one can not be removed from disk; in memory it is gone.
        """
        if self._next is not None:
            self.present, self._next = self._next, None
        assert self.present is not None
        self._write(self.present, None)

    def _make_root(self) -> Ed25519PrivateKey:
        key = Ed25519PrivateKey.generate()
        self._write(key, None)
        replace_file(self.root, f"{public_text(key)}\n".encode())
        self.present, self.new = key, True
        return key

    def _read(self) -> tuple[Ed25519PrivateKey, Ed25519PrivateKey | None]:
        with self.path.open("rb") as file:
            held = json.loads(file.read(_LONGEST))
        later = held["next"]
        return _private(held["present"]), _private(later) if later else None

    def _write(self, present: Ed25519PrivateKey, later: Ed25519PrivateKey | None) -> None:
        held = {"present": present.private_bytes_raw().hex(), "next": later.private_bytes_raw().hex() if later else ""}
        old = None
        with contextlib.suppress(OSError):
            old = os.open(self.path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            replace_file(self.path, (json.dumps(held) + "\n").encode())
            if old is not None:  # the name is gone; what it stood for is overwritten, as far as the disk does that
                os.pwrite(old, bytes(os.fstat(old).st_size), 0)
                os.fdatasync(old)
        finally:
            if old is not None:
                os.close(old)


def _private(text: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(text))
