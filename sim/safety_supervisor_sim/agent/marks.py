"""The names by which the agent's process and the judge tell the oracle's records apart."""

from typing import Final

AFTER: Final = " / after"
"""What the name of a mark ends with that begins at the fault of an act."""
