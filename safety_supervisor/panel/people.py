"""Who may log in: the people of the configuration whose sealed key lies in the panel's directory."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from safety_supervisor.config.public_key import encode_base64url
from safety_supervisor.core.operator_settings import Person
from safety_supervisor.panel.key_box import SUFFIX, KeyBoxError, open_box, read_box, waste


class People:
    """Unlocks keys.

    Args:
        people: of the configuration: role and public key of each.
        directory: of the sealed keys.
    """

    def __init__(self, people: Iterable[Person], directory: Path) -> None:
        """Remember who there is; files are read when they are needed."""
        self._people = {person.name: person for person in people}
        self._directory = directory

    def unlock(self, name: str, password: str) -> tuple[Person, Ed25519PrivateKey] | None:
        """Return the person and the private key; None for a wrong password, and for a name that nobody has.

        Takes as long either way, about a third of a second of one core.
        """
        person = self._people.get(name)
        try:
            box = None if person is None else read_box(self._directory / f"{name}{SUFFIX}", name)
            if person is not None and box is not None and box.public_key == encode_base64url(person.public_key):
                key = open_box(box, password)
                return None if key is None else (person, key)
        except KeyBoxError:
            pass  # who may log in is told where the panel was started, and to nobody else
        waste(password)
        return None

    def problems(self) -> list[str]:
        """Say who of the configuration can not log in here, and why."""
        found = []
        for name, person in self._people.items():
            try:
                box = read_box(self._directory / f"{name}{SUFFIX}", name)
            except KeyBoxError as error:
                found.append(f"{name} can not log in: {error}")
                continue
            if box.public_key != encode_base64url(person.public_key):
                found.append(f"{name} can not log in: the configuration has another public key")
        return found
