"""Start, run and end the node: `ros2 run safety_supervisor supervisor` and `safety-supervisor run`.

The large imports come behind the signal handlers, so that Ctrl-C ends cleanly from the first moment on.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

from safety_supervisor.ros.last_resort import LastResort

GOOD, UNUSABLE = 0, 2
NO_LOG_FILE = ("--ros-args", "--disable-external-lib-logs")
"""The control thread writes no file: a full or slow disk would hold it. Words go to standard error and /rosout."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """A signal asked for the end while nothing moves yet, so that nothing needs to be stopped."""


class Ending:
    """Takes the signals: at once while the node is being built, behind the stop while it runs."""

    def __init__(self) -> None:
        """Install the handlers."""
        self.wanted = ""
        """Name of the signal that asked for the end."""
        self.may_interrupt = True
        for number in _SIGNALS:
            signal.signal(number, self._handle)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.wanted = self.wanted or signal.Signals(number).name
        if self.may_interrupt:
            raise Interrupted


def main(arguments: Sequence[str] | None = None, make_executor: Callable[[], Any] | None = None) -> int:
    """Run the node until a signal or a shutdown.

    Args:
        arguments: command line with ROS arguments, the program's name first; `sys.argv` when None.
        make_executor: makes the executor, once rclpy is initialised; `cycle.make_executor` when None.

    Returns:
        Exit status: 0 ended by a signal or a shutdown, 2 the configuration or the installation is not usable. 3 is the
        process's own when its end hung (`last_resort`).
    """
    ending = Ending()
    resort = LastResort()
    try:
        return _run(ending, resort, sys.argv if arguments is None else arguments, make_executor)
    except Interrupted:
        return GOOD
    finally:
        resort.stopped()


def _run(ending: Ending, resort: LastResort, arguments: Sequence[str], make_executor: Callable[[], Any] | None) -> int:
    try:
        import rclpy
        from rclpy.signals import SignalHandlerOptions

        from safety_supervisor.ros import cycle
        from safety_supervisor.ros import node as nodes
        from safety_supervisor.ros.process import never_wait_for_readers
    except ImportError as error:
        print(f"supervisor: {error}: install the extra `ros`, or source a ROS 2", file=sys.stderr)
        return UNUSABLE
    never_wait_for_readers()
    try:
        rclpy.init(args=[*arguments, *NO_LOG_FILE], signal_handler_options=SignalHandlerOptions.NO)
        node = nodes.SupervisorNode()
    except Exception as error:
        print(f"supervisor: {error}", file=sys.stderr)
        return UNUSABLE
    resort.longest_stop = lambda: node.longest_stop
    status = GOOD
    try:
        executor = (make_executor or cycle.make_executor)()
        executor.add_node(node)
        node.serve(executor)
        if node.autostart:
            good = node.trigger_configure() == nodes.SUCCESS
            ending.may_interrupt = False
            if not good or (not ending.wanted and node.trigger_activate() != nodes.SUCCESS):
                status = UNUSABLE
        ending.may_interrupt = False
        while status == GOOD and not ending.wanted and not node.ended:
            node.step()
    finally:
        ending.may_interrupt = False
        node.end_boot(ending.wanted or "end", resort.stopped)
        node.destroy_node()
        rclpy.try_shutdown()
    return status


if __name__ == "__main__":
    sys.exit(main())
