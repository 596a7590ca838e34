"""The node `sim_cell` around a robot that stands; a file with `feet` starts it, `sim/cells/g1_standing.yaml`.

Parameters: `cell_file`, `report_file`, `trace_file`, `seed`, `physics_rate_hz`, `command_period`, `relays_topic` as for
every cell, `push_seconds`; `controller` is `joint_trajectory_controller`, `home` is the file's.

Beside what `node` lists; topics without `~` stand in the file's section `node`:

| name | type | what |
| --- | --- | --- |
| `joint_states` (out) | | names, positions and velocities of all joints, 250 Hz |
| `/imu` (out) | sensor_msgs/Imu | orientation and angular velocity in the IMU's link, 250 Hz; no acceleration |
| `/left_foot/wrench`, `/right_foot/wrench` (out) | geometry_msgs/WrenchStamped | ground on foot, its frame, 250 Hz |
| `odometry` (out), where named | nav_msgs/Odometry | the base in `odom`, its twist in the base's frame; true |
| `/g1_controller/joint_trajectory` (in) | trajectory_msgs/JointTrajectory | joint_trajectory_controller |
| `/supervisor/locomotion_mode` (in) | std_msgs/String | `hold`, `lower`, `damp`, `off`; other words change nothing |
| `~/push` (in) | geometry_msgs/WrenchStamped | `force`, world, [N], at the base, for `push_seconds` (0.2) |
| `~/stand_up` | std_srvs/Trigger | put back on its feet, at home, in its hoist |

In its hoist it stands whatever its motors do: from the beginning, and from `~/stand_up`, until `hold` is told with the
power on. Open relays (`relays_topic`, `~/cut_power`) are the file's `power_cut`, `damp` or `off`.

The report is that of every cell (joints are judged while it stands and is held: not limp, not fallen, and nobody's
`violations` count a fall), and `standing`:

    {"acts": [{"name": "start", "fell": false, "fell_at": null, "fell_by": "", "lost_at": null, "slips": {foot: m},
               "least": {"capture point": m, ...}, "greatest_tilt": rad, "lifted": [], "down_before": false,
               "fell_held": false, "let_go_at": null,
               "modes": [{"at": s, "mode": "damp", "height": m}], "pushes": [{"at": s, "force": [N]}],
               "pressed": ["a and b"], "height": m, "lowest": m}],
     "fell_in": [names of acts with fell_held], "down": false, "height": m, "least": {...}}

Times are seconds of the steady clock; `at` of a mode is when the motors took it, `height` that of the base then; the
`height` outside is that on its feet. A robot that is let go lies down at last, and `fell` says so; `fell_held` tells
that its balance was lost before it was let go. An act that begins while it is limp or down is not judged
(`down_before`). After `~/stand_up` an act NAME goes on as `NAME, on its feet again`. `~/margins` has `standing`: mode,
hoisted, down, height. `controller` has `told`, `mode`, `powered`, `hoisted`, `unknown_modes`, `refused_targets`.
What meshes touch is told by the trace: `oracle.trace.judge_trace`. A hoist bears no push.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from geometry_msgs.msg import WrenchStamped
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from std_msgs.msg import String
from std_srvs.srv import Trigger

from safety_supervisor_sim.cell.inbox import COMMANDS
from safety_supervisor_sim.cell.node import CellNode, Wanted, clocks
from safety_supervisor_sim.cell.robot import urdf_path
from safety_supervisor_sim.cell.sensors import Sensors
from safety_supervisor_sim.cell.standing_cell import StandingCell
from safety_supervisor_sim.cell.standing_file import StandingFile

MODES: Final = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)
STRONGEST: Final = 10_000.0
"""A push that is harder is a mistake, [N]."""


class StandingNode(CellNode):
    """Topics and services around one StandingCell.

    Args:
        node, motors, wanted: as `CellNode` has them.
        file: of the robot.
        push_seconds: how long a push lasts.
    """

    cell: StandingCell

    def __init__(self, node: Node, motors: Node, file: StandingFile, push_seconds: float, wanted: Wanted) -> None:
        now, offset = clocks(node)
        cell = StandingCell(file, seed=wanted.seed, start_ns=now, ros_offset_ns=offset)
        rate = file.node.measurement.rate_hz
        description = urdf_path(file.robot).read_text(encoding="utf-8")
        super().__init__(node, motors, cell, file.rate_hz, rate, description, wanted)
        self._sensors = Sensors(node, cell.robot, file.node, wanted.seed)
        self._push_seconds = push_seconds
        self.hear_trajectories(file.node.trajectory)
        self.inbox.hear(String, file.node.mode, self._take_mode, profile=MODES)
        node.create_subscription(WrenchStamped, "~/push", self._take_push, COMMANDS)
        node.create_service(Trigger, "~/stand_up", self._stand_up)

    def tell(self, stamp_ns: int) -> None:
        """Publish what joints and sensors measure now."""
        super().tell(stamp_ns)
        self._sensors.tell(stamp_ns)

    def summary(self) -> dict[str, Any]:
        """What `~/margins` tells."""
        cell = self.cell
        standing = {
            "mode": cell.mode,
            "hoisted": cell.hoisted,
            "down": cell.stands.down,
            "height": cell.stance.height,
        }
        return super().summary() | {"standing": standing}

    def _take_mode(self, message: String) -> None:
        if not self.cell.obey(message.data) and self.cell.unknown_modes[message.data] == 1:
            self.node.get_logger().warning(f"no mode {message.data!r}: it goes on as before")

    def _take_push(self, message: WrenchStamped) -> None:
        wrench = message.wrench
        force = np.array([wrench.force.x, wrench.force.y, wrench.force.z])
        torque = np.array([wrench.torque.x, wrench.torque.y, wrench.torque.z])
        if not np.isfinite(force).all() or np.linalg.norm(force) > STRONGEST or torque.any():
            self.node.get_logger().warning(f"push refused: up to {STRONGEST:.0f} N, without a torque")
            return
        self.cell.push(force.tolist(), self._push_seconds)

    def _stand_up(self, _: Any, response: Any) -> Any:
        self.cell.stand_up()
        response.success, response.message = True, "on its feet, in its hoist"
        return response
