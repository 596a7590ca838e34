"""A stage as it is kept on disk and comes back at a boot."""

from __future__ import annotations

import msgspec


class StoredStage(msgspec.Struct, frozen=True, gc=False):
    """A model version that was demoted below what the configuration says."""

    source: str
    model: str
    version: str
    sha256: str
    """Of the model, 64 hexadecimal digits."""
    stage: str
