"""Set-points as std_msgs/Float64MultiArray: only with the joints' names in the array itself.

An array has no names of its own, and a joint that is commanded by its place is one that a change of order moves. So
`layout.dim` holds one dimension for each value, in their order, whose label is the joint's name. It has no header, and
so neither stamp nor correlation id.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rclpy.serialization import deserialize_message
from std_msgs.msg import Float64MultiArray

from safety_supervisor.core.errors import Code, Violation


@dataclass(frozen=True, slots=True)
class NamedArray:
    """An array's values by name, as they came: neither is judged yet."""

    names: tuple[str, ...]
    values: tuple[float, ...]


def decode_array(data: bytes) -> NamedArray | Violation:
    """Decode an array; a violation tells why it is none that names its joints."""
    try:
        message = deserialize_message(data, Float64MultiArray)
    except Exception as error:  # whatever the library makes of foreign bytes
        return Violation(Code.UNDECODABLE, "source.bytes", detail=f"{type(error).__name__}: {error}"[:200])
    return name_values(message)


def name_values(message: Any) -> NamedArray | Violation:
    """Take the names of an array's values from its layout.

    Args:
        message: std_msgs/Float64MultiArray.
    """
    layout, values = message.layout, tuple(message.data)

    def refuse(detail: str) -> Violation:
        return Violation(Code.LABELS, "array.labels", float(len(layout.dim)), float(len(values)), detail=detail)

    if layout.data_offset:
        return refuse(f"data_offset is {layout.data_offset}")
    if len(layout.dim) != len(values) or not values:
        return refuse(f"{len(layout.dim)} labels for {len(values)} values")
    sizes = [dimension.size for dimension in layout.dim if dimension.size > 1]
    if sizes:
        return refuse(f"a dimension has size {sizes[0]}; each label is for one value")
    return NamedArray(tuple(dimension.label for dimension in layout.dim), values)
