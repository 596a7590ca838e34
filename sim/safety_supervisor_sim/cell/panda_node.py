"""The node `sim_cell` around a cell whose base is fixed: each of its controllers has a topic."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray

from safety_supervisor_sim.cell.cell_file import CellFile, ControllerName
from safety_supervisor_sim.cell.node import CellNode, Wanted, clocks
from safety_supervisor_sim.cell.panda_cell import PandaCell
from safety_supervisor_sim.cell.robot import urdf_path


class PandaNode(CellNode):
    """Topics and services around one PandaCell, see `node`.

    Args:
        node, motors, wanted: as `CellNode` has them.
        file: of the cell.
        controller: the double before its drives.
        home: start pose, [rad]; the file's when None.
    """

    cell: PandaCell

    def __init__(
        self,
        node: Node,
        motors: Node,
        file: CellFile,
        controller: ControllerName,
        home: Sequence[float] | None,
        wanted: Wanted,
    ) -> None:
        now, offset = clocks(node)
        cell = PandaCell(file, controller, seed=wanted.seed, home=home, start_ns=now, ros_offset_ns=offset)
        description = urdf_path(file.robot).read_text(encoding="utf-8")
        super().__init__(node, motors, cell, file.physics.rate_hz, file.measurement.rate_hz, description, wanted)
        topic = file.controllers.named(controller).topic
        if controller == "joint_trajectory_controller":
            self.hear_trajectories(topic)
        elif controller == "joint_state":
            self.inbox.hear(JointState, topic, self._take_joint_state)
        else:
            self.inbox.hear(Float64MultiArray, topic, self._take_array)

    def _take_array(self, message: Float64MultiArray) -> None:
        self.cell.send_array(np.array(message.data, dtype=np.float64))

    def _take_joint_state(self, message: JointState) -> None:
        if len(message.velocity) or len(message.effort):
            self.cell.malformed_message("velocity or effort filled")
            return
        self.cell.send_joint_state(tuple(message.name), np.array(message.position, dtype=np.float64))
