"""A mass for every link of a URDF."""

from __future__ import annotations

from typing import Final
from xml.etree import ElementTree

FEATHER: Final = 1e-6
"""Mass of a link of which the URDF names none, [kg]: next to nothing, where PyBullet makes up 1 kg and says so on
standard output."""


def name_masses(robot: ElementTree.Element) -> None:
    """Give each link that has no mass next to none."""
    for link in robot.findall("link"):
        if link.find("inertial/mass") is None:
            for empty in link.findall("inertial"):
                link.remove(empty)
            inertial = ElementTree.SubElement(link, "inertial")
            ElementTree.SubElement(inertial, "mass", value=str(FEATHER))
            size = dict.fromkeys(("ixx", "iyy", "izz"), "1e-9") | dict.fromkeys(("ixy", "ixz", "iyz"), "0")
            ElementTree.SubElement(inertial, "inertia", size)
