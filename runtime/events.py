"""What the threads of a run tell its control, what the control shows, and what the engine needs of drives and catalog.

Events are values; the control thread takes them from one queue. The queue is bounded by nature: each thread posts a few
events in its life, and each volume one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from .faults import Fault
from .frozen import frozen
from .kinds import SourceKind
from .model import CopyResult, Ending, LastFull, ObjectFacts, RunReport, Session
from .plan import Drive as PlanDrive

if TYPE_CHECKING:
    from .catalog.queries import CatalogObject, VolumePlace

SourceState = Literal["waiting", "reading", "whole", "cut-off", "failed"]
DriveState = Literal["mounting", "writing", "closing", "done", "failed"]
TargetState = Literal["waiting", "restoring", "done", "failed"]

# ---------------------------------------------------------------- events


@frozen
class Mounted:
    """A drive is mounted and locked; ``notes`` say what was found (a torn tail that was cut back, say)."""

    drive: str
    notes: tuple[str, ...]


@frozen
class DriveFailed:
    """A drive cannot be mounted, written or closed; its writer has left the rings already."""

    drive: str
    fault: Fault


@frozen
class VolumeIndexed:
    """An index is on the medium (fsynced): the catalog may know it. ``index`` is the drives' ``IndexedVolume``."""

    drive: str
    index: Any


@frozen
class WriterDone:
    """A writer's thread is at its end; ``results`` say what became of each object that it began."""

    drive: str
    results: tuple[CopyResult, ...]


@frozen
class SourceDone:
    """A source's reader is at its end."""

    source: str
    ending: Ending


@frozen
class MediumDone:
    """A drive's reader is at its end; ``ending`` is whole where each of its objects is."""

    drive: str
    ending: Ending


@frozen
class Noted:
    """Something that is worth a line at once: a damaged record that came from another copy, say."""

    text: str


@frozen
class TargetFailed:
    """A target takes no more; it has left its ring already."""

    target: str
    fault: Fault


@frozen
class TargetDone:
    """A target's thread is at its end."""

    target: str


@frozen
class SpoolDone:
    """A drive's spool has left the rings: all is handed on, or the drive has failed."""

    drive: str


@frozen
class StopRequested:
    """A signal asks for an orderly end."""


Event = (
    Mounted
    | DriveFailed
    | VolumeIndexed
    | WriterDone
    | SourceDone
    | MediumDone
    | Noted
    | TargetFailed
    | TargetDone
    | SpoolDone
    | StopRequested
)

# ---------------------------------------------------------------- what a display sees


@frozen
class SourceSample:
    """A source, or a restore agent's buffer, at one moment: payload bytes read, records published, expected bytes."""

    name: str
    bytes: int
    records: int
    size: int | None
    state: SourceState


@frozen
class RingSample:
    """A ring at one moment: records that its slowest reader has not taken, of ``depth``."""

    id: int
    feed: str
    fill: int
    depth: int


@frozen
class DriveSample:
    """A drive at one moment: bytes handed to it, and bytes that wait in its spool."""

    name: str
    agent: str
    bytes: int
    state: DriveState
    spooled: int = 0


@frozen
class TargetSample:
    """A target at one moment: payload bytes handed to it."""

    name: str
    bytes: int
    state: TargetState


@frozen
class Snapshot:
    """A run at one moment, ``seconds`` after its start."""

    seconds: float
    sources: tuple[SourceSample, ...]
    rings: tuple[RingSample, ...]
    drives: tuple[DriveSample, ...]
    targets: tuple[TargetSample, ...] = ()


class Observer(Protocol):
    """Who watches a run. Called by the control thread only; an observer that raises is not called again."""

    @property
    def interval_seconds(self) -> float:
        """How often ``sample`` is wanted."""

    def started(self, session: Session, snapshot: Snapshot) -> None:
        """The run has a session; nothing is mounted yet."""

    def sample(self, snapshot: Snapshot) -> None:
        """How it stands."""

    def note(self, text: str) -> None:
        """Something that is worth a line at once: a drive failed, a torn tail was cut back."""

    def held(self, text: str) -> None:
        """As :meth:`note`, of what may hold the run for ever: whoever is to hear of it must hear of it now."""

    def finished(self, report: RunReport) -> None:
        """The run is over; nothing of it is left running."""


class NoObserver:
    """Watches nothing."""

    interval_seconds = 3600.0

    def started(self, session: Session, snapshot: Snapshot) -> None:
        """Nothing."""

    def sample(self, snapshot: Snapshot) -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """Nothing."""

    def held(self, text: str) -> None:
        """Nothing."""

    def finished(self, report: RunReport) -> None:
        """Nothing."""


# ---------------------------------------------------------------- what the engine needs of others


class Feeder(Protocol):
    """Who reads, on one thread of its own, into one ring or several: a source's reader, a medium's."""

    thread: threading.Thread

    @property
    def name(self) -> str:
        """``source D1``, ``drive R2``."""

    @property
    def ending(self) -> Ending | None:
        """Set when the thread is at its end, or will not be started."""

    @property
    def abandoned(self) -> bool:
        """No essential reader is left on its rings."""

    def samples(self) -> Iterable[SourceSample]:
        """How it stands."""

    def prepare(self) -> None:
        """Take what it reads from, after all drives that are written are taken. Raises :class:`Fault`."""

    def skip(self, ending: Ending) -> None:
        """Instead of starting the thread: nothing is read."""

    def cancel(self, reason: str) -> None:
        """From any thread: end soon; what is published stays."""

    def close(self) -> None:
        """After the thread's end, or instead of its start: give everything back."""


class DrivePort(Protocol):
    """A drive as the engine uses it; all methods are called on its writer's thread. See ``drives.base``."""

    @property
    def written_bytes(self) -> int:
        """Bytes of records written; read by the control thread while the writer writes."""

    def mount(self, session: Session, *, agent: str, plan_record: int) -> tuple[str, ...]:
        """Lock the drive, prove where it may write; what is worth saying. Raises :class:`DriveFault`."""

    def begin(self, facts: ObjectFacts) -> None:
        """An object's records follow."""

    def write(self, record: memoryview, object_id: str, sequence: int, payload_bytes: int) -> None:
        """One whole record. The view is valid only during the call."""

    def write_run(self, records: memoryview, object_id: str, sequence: int, payload_bytes: int, count: int) -> None:
        """*count* records behind one another, in sequence and as large as each other: as ``write`` for each of them."""

    def end(self, object_id: str, ending: Ending) -> None:
        """No record of that object follows."""

    def close(self, seconds: float) -> tuple[CopyResult, ...]:
        """Write the index, confirm everything (fsync), unlock. ``seconds`` is the run's age."""

    def abandon(self, fault: Fault, seconds: float) -> tuple[CopyResult, ...]:
        """Unlock after *fault*; save what can be saved. Does not raise."""


class OpenDrive(Protocol):
    """Makes a drive of the plan's drive; opens nothing yet."""

    def __call__(self, plan_drive: PlanDrive, *, base: Path, on_index: Callable[[Any], None]) -> DrivePort:
        """*on_index* is called on the writer's thread after an index is confirmed."""


class ListPort(Protocol):
    """The member list of one object while it is read."""

    @property
    def why(self) -> str | None:
        """Why there will be no list, or None."""

    def feed(self, data: memoryview) -> None:
        """The next bytes of the archive, on the reader's thread. Never raises."""

    def keep(self) -> bool:
        """The object is stored: the list stays, if it is complete."""

    def drop(self) -> None:
        """It is not: the list goes."""


class ListsPort(Protocol):
    """Where member lists are kept (``members.lists.ListFolder``)."""

    def begin(self, object_id: str, *, folders: bool = False) -> ListPort:
        """The list of an object that is about to be read; *folders*: with what its folders held. Never raises."""


class CatalogPort(Protocol):
    """The catalog as the engine uses it; all methods are called on the control thread."""

    def begin_session(self, plan: str, fingerprint: str, started: str, at_least: int = 0) -> Session:
        """A new session with the next number, greater than *at_least*."""

    def record_volume(self, volume: Any) -> None:
        """What lies on a volume, as its index says."""

    def catch_up(self, drive: str, folder: Path, hang_seconds: float) -> Sequence[str]:
        """Know what the mounted *drive*'s volumes in *folder* prove; what is worth saying."""

    def last_fulls(self, plan: str, sources: Sequence[str], *, but: str) -> Mapping[str, LastFull]:
        """Of each of the plan's *sources* that has one its newest whole full of another session than *but*."""

    # The next nine are asked only where drives are read.

    @property
    def name(self) -> str:
        """How it is called."""

    def source_names(self) -> list[tuple[str, str]]:
        """All (plan, source) of which an object is known."""

    def objects(
        self,
        *,
        source: str | None = None,
        plan: str | None = None,
        object_id: str | None = None,
        drive: str | None = None,
    ) -> list[CatalogObject]:
        """The objects that fit, newest first, with all their copies; *drive*: whose volumes hold records of them."""

    def objects_named(self, ids: Collection[str]) -> list[CatalogObject]:
        """Those of these objects that it knows."""

    def objects_of_drive(self, drive: str, names: Collection[tuple[str, str]]) -> list[CatalogObject]:
        """The objects of these (plan, source) of which the drive's volumes hold records."""

    def names_of_drive(self, drive: str) -> list[tuple[str, str]]:
        """All (plan, source) of which the drive's volumes hold records."""

    def known(self, ids: Collection[str]) -> set[str]:
        """Those of these objects' identifiers that it knows."""

    def places(self) -> list[VolumePlace]:
        """All volumes, and where each was last seen."""

    def begun(self, ids: Collection[str]) -> dict[str, Session]:
        """Those of these sessions that it knows."""

    def standing(self, object_id: str, *, plan: str, source: str, drives: Collection[str]) -> str | None:
        """Why no incremental of *source* to *drives* may build on the object, or None."""

    def buildable(
        self, object_id: str, *, plan: str, source: str, drives: Collection[str], hang_seconds: float
    ) -> str | None:
        """As ``standing``, now that *drives* are mounted: are the chain's volumes at their places?"""

    def finish_session(
        self, report: RunReport, session: Session, kinds: Mapping[str, SourceKind] | None = None
    ) -> None:
        """How the session ended; *kinds* of the sources, for objects of which nothing reached a medium."""
