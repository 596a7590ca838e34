"""The sender's side of a protective stop: no key, no configuration, nothing that could be in the way."""

from __future__ import annotations

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from std_srvs.srv import Trigger

from safety_supervisor.ros.text import escape


def ask_for_stop(supervisor: str, timeout: float) -> str | None:
    """Ask for a protective stop.

    Args:
        supervisor: full name of its node, such as /supervisor.
        timeout: until it is found, and then until it answers, [s].

    Returns:
        Why it is not known that the robot stops; None where the supervisor said that the stop went out.
    """
    context = rclpy.Context()
    rclpy.init(context=context, args=[])
    node = Node("stop", context=context, start_parameter_services=False)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    try:
        client = node.create_client(Trigger, f"{supervisor}/stop")
        if not client.wait_for_service(timeout_sec=timeout):
            return f"{supervisor} was not found within {timeout:g} s: press the button"
        future = client.call_async(Trigger.Request())
        executor.spin_until_future_complete(future, timeout_sec=timeout)
        answer = future.result()
        if answer is None:
            return f"{supervisor} did not answer within {timeout:g} s: press the button"
        return None if answer.success else f"{escape(answer.message)}: press the button"
    finally:
        executor.shutdown()
        node.destroy_node()
        rclpy.shutdown(context=context)
