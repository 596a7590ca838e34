"""Keys of the section `panel`: where the technicians' panel listens, and who else says who sits there."""

from __future__ import annotations

from typing import Annotated

from pydantic import StringConstraints

from safety_supervisor.config.keys import CLAIM, HOST, ISSUER, Name, Section, key

_FileName = Annotated[str, StringConstraints(min_length=1, max_length=1024)]


class OidcKeys(Section):
    """Single sign-on (OpenID Connect) says who sits there; the key is opened by its password as ever: docs/panel.md."""

    issuer: Annotated[str, StringConstraints(pattern=ISSUER)] = key(
        "URL of the provider, spelt as the provider's tokens spell it; `https`, but for one on this machine"
    )
    client_id: str = key("by which the provider knows this panel", min_length=1, max_length=255)
    client_secret_file: _FileName | None = key(
        "file of mode 0600 that holds the client's secret and nothing else, never the secret itself; relative to this "
        "file; null: a public client, which has none (PKCE is used either way)",
        "",
        None,
    )
    certificates: _FileName | None = key(
        "PEM of the authorities that may have certified the provider; relative to this file; null: those that the "
        "machine trusts",
        "",
        None,
    )
    claim: Annotated[str, StringConstraints(pattern=CLAIM)] = key(
        "claim of the ID token that tells who it is; any other than `sub` is one that the provider vouches for alone: "
        "people there may be able to change it; `email` counts with `email_verified` only",
        "",
        "sub",
    )
    people: dict[str, Name] | None = key(
        "what that claim says, to the name in `operators.people`; null: it says the name itself",
        "",
        None,
        max_length=50,
    )
    required: bool = key(
        "whether nobody logs in without the provider, also while it is down; false: name and password are enough, and "
        "the provider only saves typing the name",
        "",
        True,
    )


class PanelKeys(Section):
    """Where the technicians' panel listens. Options of `safety-supervisor panel` win over it; the node reads none."""

    host: Annotated[str, StringConstraints(pattern=HOST)] = key(
        "address to listen on; any but this machine's own takes TLS", "", "127.0.0.1"
    )
    port: int = key("port to listen on", "", 8080, ge=1, le=65535)
    names: list[Annotated[str, StringConstraints(pattern=HOST)]] = key(
        "names by which browsers call it; mandatory where it listens on all addresses", "", [], max_length=20
    )
    tls_certificate: _FileName | None = key("PEM, the chain of the certificate; relative to this file", "", None)
    tls_key: _FileName | None = key("PEM, its private key; relative to this file", "", None)
    idle: int = key("a login ends after so long without an act", "s", 600, ge=1, le=600)
    jog: Name | None = key("source of kind `person` and with `velocity` by which people jog", "", None)
    oidc: OidcKeys | None = key("single sign-on; null: name and password", "", None)
