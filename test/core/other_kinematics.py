"""Where PyBullet says that the links are: another engine than the supervisor's own kinematics."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from safety_supervisor.core.settings import Configuration


def link_frames(configuration: Configuration, rows: Sequence[Sequence[float]], folder: Path) -> NDArray[np.float64]:
    """Origins of all link frames at each row of joint positions, shape (rows, links, 3), [m]."""
    bullet = pytest.importorskip("pybullet")
    urdf = ElementTree.fromstring(configuration.robot.urdf)
    for link in urdf.iter("link"):
        for shape in (*link.findall("visual"), *link.findall("collision")):
            link.remove(shape)
    path = folder / "robot.urdf"
    path.write_text(ElementTree.tostring(urdf, encoding="unicode"), encoding="utf-8")
    client = bullet.connect(bullet.DIRECT)
    try:
        body = bullet.loadURDF(str(path), useFixedBase=True, physicsClientId=client)
        links = list(range(bullet.getNumJoints(body, physicsClientId=client)))
        index = {bullet.getJointInfo(body, i, physicsClientId=client)[1].decode(): i for i in links}
        frames = []
        for row in rows:
            for name, value in zip(configuration.robot.joints, row, strict=True):
                bullet.resetJointState(body, index[name], value, physicsClientId=client)
            states = bullet.getLinkStates(body, links, computeForwardKinematics=1, physicsClientId=client)
            frames.append([state[4] for state in states])
        return np.array(frames)
    finally:
        bullet.disconnect(client)
