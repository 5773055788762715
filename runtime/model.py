"""Values that the parts of the runtime hand to each other: sessions, objects, copies, and what a run reports."""

from __future__ import annotations

from dataclasses import field
from typing import Literal

from .frozen import frozen
from .kinds import SourceKind

ObjectStatus = Literal["whole", "cut-off", "failed"]
CopyStatus = Literal["stored", "cut-off", "failed", "discarded"]
RunStatus = Literal["ok", "degraded", "failed"]
TargetStatus = Literal["restored", "degraded", "cut-off", "failed"]


@frozen
class Session:
    """One run of a plan. ``number`` counts in the catalog; ``started`` is UTC text with milliseconds and ``Z``."""

    id: str
    number: int
    plan: str
    fingerprint: str
    started: str


@frozen
class ObjectFacts:
    """What is known of an object before its first byte is read; record 0's label carries it (format.md)."""

    id: str
    source: str
    kind: SourceKind
    session: Session
    level: Literal["full", "incremental"] = "full"
    parent: str | None = None
    compress: str | None = None
    encrypt: str | None = None
    #: the drives that store and that the plan meant the object to reach
    drives: tuple[str, ...] = ()


@frozen
class Ending:
    """How the reading of an object ended. ``unread`` counts files that could not be read; ``error``: why it failed."""

    status: ObjectStatus
    warnings: tuple[str, ...] = ()
    unread: int = 0
    error: str | None = None


@frozen
class Segment:
    """The part of one object on one volume: byte positions of its first and last record, and what lies between."""

    volume_id: str
    volume_name: str
    first: int
    last: int
    first_sequence: int
    records: int
    payload_bytes: int


@frozen
class CopyResult:
    """What became of one object on one drive. Only what the drive has confirmed (fsync) is ``stored``."""

    object_id: str
    drive: str
    agent: str
    status: CopyStatus
    segments: tuple[Segment, ...] = ()
    error: str | None = None


@frozen
class CopyReport:
    """A copy as ``tcc run --report`` writes it; ``volumes`` are UUIDs."""

    drive: str
    agent: str
    status: CopyStatus
    volumes: tuple[str, ...] = ()
    error: str | None = None


@frozen
class TargetReport:
    """What a target made of one object: all of it ``restored``, or what lacks and why."""

    target: str
    status: TargetStatus
    error: str | None = None
    notes: tuple[str, ...] = ()


@frozen
class ObjectReport:
    """An object as ``tcc run --report`` writes it. ``copied``: it was read, or merged, from drives, not its source.

    ``already``: drives that held it whole before this run, which did not write it again.
    """

    source: str
    object: str
    bytes: int
    records: int
    status: ObjectStatus
    warnings: tuple[str, ...] = ()
    copies: tuple[CopyReport, ...] = ()
    unread: int = 0
    error: str | None = None
    copied: bool = False
    already: tuple[str, ...] = ()
    targets: tuple[TargetReport, ...] = ()


@frozen
class LastFull:
    """The newest whole full of a source that an earlier session read: its bytes as stored, and when that session
    started (RFC 3339).
    """

    bytes: int
    started: str
    compressed: bool


@frozen
class DriveReport:
    """A drive that failed: what happened, what is safe, what to do."""

    drive: str
    error: str
    safe: str = ""
    todo: str = ""


@frozen
class RunReport:
    """A run as ``tcc run --report`` writes it (cli.md); ``signal`` is the signal's number when one stopped the run.

    ``faults`` are the drives that failed.
    """

    session: str
    plan: str
    status: RunStatus
    objects: tuple[ObjectReport, ...]
    seconds: float
    version: int = 1
    signal: int | None = None
    notes: tuple[str, ...] = field(default=())
    faults: tuple[DriveReport, ...] = ()
