"""What a configuration is allowed to say, and people should know of it."""

from __future__ import annotations

from safety_supervisor.core.motion.stopping import longest_stop
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.states.authority import ACTS_OF


def notes(configuration: Configuration) -> list[str]:
    """Return what is allowed but should be known."""
    found = []
    if configuration.simulated:
        where = "output.simulated" if len(configuration.outputs) == 1 else "every output's simulated"
        found.append(f"{where} is true: not for a robot with motors")
    else:
        if configuration.commissioning is None or not configuration.commissioning.required:
            found.append("no record of measured stops is demanded: nobody has to have seen that the model is true")
        may = {act for person in configuration.operators.people for act in ACTS_OF[person.role]}
        found += [f"operators.people names nobody who may {act}" for act in ("reset", "start") if act not in may]
    if not configuration.estop.required:
        found.append("there is no e-stop device: a rogue publisher can be reported, not stopped by relays")
    found += _notes_on_line(configuration)
    if configuration.envelope.frame_speed is None:
        found.append("envelope.frame_speed is null: link frames are as fast as the joints make them")
    if not configuration.geometry.volumes:
        found.append("geometry.volumes is empty: links are points, and nothing keeps them from each other")
    if not configuration.zones:
        found.append("zones is empty: the workspace is as large as the joints allow")
    if not configuration.evidence.record_events:
        found.append("evidence.record_events is false: incidents can not be replayed")
    for source in configuration.sources:
        if source.liveliness_lease is None and "trajectory" in {kind.value for kind in source.commands}:
            found.append(f"sources.{source.name}: its trajectories play on after it has died")
    return found + _notes_on_approvals(configuration)


def _notes_on_approvals(configuration: Configuration) -> list[str]:
    """Say what the policy asks of people that they can not do."""
    found = list[str]()
    may = sum("approve" in ACTS_OF[person.role] for person in configuration.operators.people)
    idle = configuration.timing.idle // 1_000_000_000
    for kind, asked in ({} if configuration.policy is None else configuration.policy.kinds).items():
        if may < asked.people:
            found.append(f"policy asks {asked.people} to approve {kind}; operators.people names {may} who may")
        if asked.seconds > idle:
            found.append(f"policy waits {asked.seconds} s for {kind}; timing.idle ends that after {idle} s")
    return found


def _notes_on_line(configuration: Configuration) -> list[str]:
    estop, found = configuration.estop, list[str]()
    line, slowest = estop.line, longest_stop(configuration.envelope.joints)
    if line is None:
        return found
    if estop.integrity == "low":
        found.append(
            f"estop.driver {estop.driver} is of low integrity: it stops, but its release needs a person's reset"
        )
    if line.relay_effect != "none" and line.relay_delay / 1e9 < slowest:
        delay = line.relay_delay / 1e9
        found.append(f"estop.relay_delay {delay:g} s is shorter than the longest stop, {slowest:.3g} s: brakes end it")
    if line.port.startswith(("/dev/ttyUSB", "/dev/ttyACM")):
        found.append(f"estop.port {line.port} may be another device after a restart: name it by /dev/serial/by-id/")
    return found
