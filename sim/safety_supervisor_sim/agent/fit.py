"""Whether a scenario fits the supervisor's configuration, and who speaks in it."""

from __future__ import annotations

from safety_supervisor.core.settings import Configuration
from safety_supervisor_sim.agent.poses import foreign_joint, spoken_joints
from safety_supervisor_sim.scenario import Scenario, Stream


def check(scenario: Scenario, configuration: Configuration) -> list[str]:
    """Return what of the scenario does not fit the supervisor's configuration."""
    problems = []
    if scenario.robot != configuration.robot.id:
        problems.append(f"the scenario is for robot {scenario.robot}, not {configuration.robot.id}")
    joints = configuration.robot.joints
    for name, pose in scenario.poses.items():
        if isinstance(pose, list):
            problems += [f"pose {name} has {len(pose)} values, not {len(joints)}"] * (len(pose) != len(joints))
        else:
            problems += [f"pose {name}: the robot has no joint {joint}" for joint in pose if joint not in joints]
    known = {source.name for source in configuration.sources}
    unknown = [source for source in sources_of(scenario) if source not in known]
    problems += [f"no source {source} is configured, only {', '.join(sorted(known))}" for source in unknown]
    if not unknown and foreign_joint(configuration, scenario.source) is None:
        foreign = [act.name for act in scenario.acts if getattr(act, "defect", "") == "foreign_joint"]
        problems += [f"act {name}: the source owns every joint" for name in foreign]
    if configuration.balance is None:
        standing = [
            act.name
            for act in scenario.acts
            if act.act in ("push", "stand_up") or act.expect.stands != "any" or act.expect.modes or act.expect.lowered
        ]
        problems += [f"act {name}: the robot does not stand on its feet" for name in standing]
    return problems


def sources_of(scenario: Scenario) -> list[str]:
    """Return the sources that agents speak through, the scenario's first."""
    others = [act.source for act in scenario.acts if isinstance(act, Stream) and act.source is not None]
    return list(dict.fromkeys([scenario.source, *others]))


def names_of(configuration: Configuration, source: str) -> list[str]:
    """Return the names of the joints that a source speaks of."""
    return [configuration.robot.joints[index] for index in spoken_joints(configuration, source)]
