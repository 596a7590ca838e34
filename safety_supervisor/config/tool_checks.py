"""What tools demand of themselves, of the robot that carries them and of the sources that take them."""

from __future__ import annotations

from safety_supervisor.config import schema
from safety_supervisor.config.codes import ConfigurationCode as Code
from safety_supervisor.config.geometry_checks import check_left_out, check_volumes
from safety_supervisor.config.problems import Problems
from safety_supervisor.config.sections import Sections, twice


def check_tools(sections: Sections, problems: Problems) -> None:
    """Check all tools, and every key that names one."""
    for name, tool in sections.tools.items():
        path = f"tools.{name}"
        _check_link(path, tool, sections, problems)
        check_volumes(f"{path}.volumes", tool.volumes, problems)
        check_left_out(path, tool.left_out, sections, problems)
        for index, pair in enumerate(tool.left_out):
            if tool.link not in pair.links:
                problems.add(f"{path}.left_out[{index}].links", Code.VOLUME, f"names not {tool.link}, which carries it")
    if sections.robot is not None:
        _check_robot(sections.robot, sections, problems)
    for name, source in sections.sources.items():
        for tool_name in twice(source.tools):
            problems.add(f"sources.{name}.tools", Code.VALUE, f"{tool_name} stands twice")
        for tool_name in dict.fromkeys(source.tools):
            _check_known(f"sources.{name}.tools", tool_name, sections, problems)


def _check_link(path: str, tool: schema.ToolKeys, sections: Sections, problems: Problems) -> None:
    robot, urdf = sections.robot, sections.urdf
    if urdf is None:
        return
    if tool.link not in urdf.links:
        problems.add(f"{path}.link", Code.FRAME, f"the URDF has no link {tool.link}")
    elif robot is not None and not urdf.moves(tool.link, frozenset(robot.joints)):
        problems.add(f"{path}.link", Code.FRAME, f"{tool.link} does not move", "Make what stands still a zone.")


def _check_robot(robot: schema.RobotKeys, sections: Sections, problems: Problems) -> None:
    if robot.tool is not None:
        _check_known("robot.tool", robot.tool, sections, problems)
    if robot.payload is None:
        if sections.tools:
            problems.add("robot.payload", Code.MISSING, "is missing beside `tools`", "Say what the robot may carry.")
        return
    if not sections.tools and not problems.at("tools"):  # a section that was malformed has been named already
        problems.add(
            "robot.payload", Code.NOT_ENFORCED, "is used by nothing without `tools`", "Add them, or remove it."
        )
    for name, tool in sections.tools.items():
        if tool.mass > robot.payload:
            message = f"is {tool.mass:g} kg; `robot.payload` allows {robot.payload:g} kg or less"
            problems.add(f"tools.{name}.mass", Code.VALUE, message)


def _check_known(path: str, name: str, sections: Sections, problems: Problems) -> None:
    malformed = problems.at(f"tools.{name}") or any(problem.path == "tools" for problem in problems.found)
    if name not in sections.tools and not malformed:
        problems.add(path, Code.VALUE, f"there is no tool {name}", "Name one of `tools`.")
