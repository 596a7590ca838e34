"""Doubles of the real controllers: their semantics at the topic and at the motors, no ROS."""

from safety_supervisor_sim.cell.controllers.base import Controller, Refused
from safety_supervisor_sim.cell.controllers.forward_position import ForwardPosition
from safety_supervisor_sim.cell.controllers.forward_velocity import ForwardVelocity
from safety_supervisor_sim.cell.controllers.joint_state import JointStateBridge
from safety_supervisor_sim.cell.controllers.joint_trajectory import JointTrajectoryController
from safety_supervisor_sim.cell.controllers.spline import Point, Trajectory

__all__ = [
    "Controller",
    "ForwardPosition",
    "ForwardVelocity",
    "JointStateBridge",
    "JointTrajectoryController",
    "Point",
    "Refused",
    "Trajectory",
]
