"""Keys of the section `evidence`."""

from __future__ import annotations

from safety_supervisor.config.keys import Section, key


class HeadKeys(Section):
    """Places for heads, served by a process of its own: one that is slow or gone delays nothing, and is told on stderr.

    One of the three at least.
    """

    file: str | None = key(
        "file, on a disk of another machine, that gets the newest head of each segment",
        "",
        None,
        min_length=1,
        max_length=1024,
    )
    url: str | None = key(
        "each head is posted there as JSON; http on this machine alone, else https",
        "",
        None,
        min_length=1,
        max_length=512,
    )
    authority: str | None = key(
        "URL of a timestamping authority (RFC 3161); its answers stand in `ROBOT.timestamps` beside the log. Needs the "
        "extra `evidence`",
        "",
        None,
        min_length=1,
        max_length=512,
    )
    every: float = key("shortest time between two heads to `file` and `url`", "s", 1.0, ge=1.0, le=3600.0)
    stamp_every: float = key("shortest time between two questions to `authority`", "s", 3600.0, ge=10.0, le=86_400.0)


class EvidenceKeys(Section):
    """What is kept, and where."""

    log_directory: str = key(
        "directory of logs and latches; `~` is the home directory",
        "",
        "~/.local/state/safety_supervisor",
        min_length=1,
        max_length=1024,
    )
    record_events: bool = key("record every event that enters the core, for `log replay`", "", True)
    keep_bytes: int = key(
        "event logs of this robot's earlier boots: at start the oldest are removed until no more is left; "
        "the boot before stays however long it is",
        "bytes",
        10_000_000_000,
        ge=1_000_000,
        le=10**15,
    )
    decision_days: int = key(
        "decisions, states and motion stay so long in the decision log; at start older ones are removed, and a signed "
        "record says so",
        "days",
        365,
        ge=180,
        le=36_500,
    )
    intervention_days: int = key(
        "interventions, people's acts and versions stay so long, and at least as long as decisions",
        "days",
        1826,
        ge=180,
        le=36_500,
    )
    snapshot_every: float | None = key(
        "so often the core's state is recorded beside the event log, for `log replay --from`, by a process that "
        "replays the boot as it is recorded and runs only where a processor would be idle; null: not",
        "s",
        None,
        ge=10.0,
        le=86_400.0,
    )
    heads: HeadKeys | None = key(
        "where signed heads of the decision log go besides `~/evidence_head`: what is kept elsewhere finds a log that "
        "was cut off or rolled back",
        "",
        None,
    )
