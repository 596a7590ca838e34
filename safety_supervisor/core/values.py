"""What events and effects are: frozen values with one canonical MessagePack encoding.

So a recorded stream of events can be run again and its effects compared byte for byte.
"""

from __future__ import annotations

import msgspec


class Value(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Base of events and effects: immutable, compared by value, tagged with its class name when encoded."""
