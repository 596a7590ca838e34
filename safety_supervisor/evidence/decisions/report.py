"""What the verification of a decision log found."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Broken:
    """The first record that is not what was written.

    Attributes:
        file: where it stands, or should.
        line: from 1; 0 where it is missing.
        sequence: its number in the chain.
        reason: stable word: form, format, order, missing, link, edited, signature, key, robot, segment, short, heads,
            recording.
        detail: for people.
        proven: the last number that a signature proves nevertheless: the damage is behind it.
    """

    file: str
    line: int
    sequence: int
    reason: str
    detail: str
    proven: int


@dataclass
class Report:
    """What was found.

    Attributes:
        robot: id.
        segments: how many were read.
        records: how many were read and are good.
        first: number of the first record.
        last: number of the last good record.
        last_sha256: its hash.
        signed: number of the last record that a signature proves.
        removed: records that retention has removed, as signed tombstones say.
        reduced: segments of which they were.
        boots: ids, in order.
        root: public key that the log begins with.
        authentic: whether that is the key that was given; None: none was given.
        complete_to: number up to which heads from elsewhere prove that nothing is missing; -1: completeness unknown.
        heads: heads from elsewhere that were compared.
        skipped_heads: heads from elsewhere that could not be: of another robot, or from before the first record.
        tail: `complete`; `open`: it is being written; `torn`: it ends without the head that ends a segment, as after
            SIGKILL or power loss.
        dropped: bytes behind the last whole record.
        recordings: chunks of event logs that were compared.
        absent_recordings: chunks whose file is not there.
        broken: the first record that is not what was written; None: there is none.
    """

    robot: str = ""
    segments: int = 0
    records: int = 0
    first: int = 0
    last: int = 0
    last_sha256: str = ""
    signed: int = 0
    removed: int = 0
    reduced: int = 0
    boots: list[str] = field(default_factory=list)
    root: str = ""
    authentic: bool | None = None
    complete_to: int = -1
    heads: int = 0
    skipped_heads: int = 0
    tail: str = "complete"
    dropped: int = 0
    recordings: int = 0
    absent_recordings: int = 0
    broken: Broken | None = None
