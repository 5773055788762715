"""The engine: a compiled plan becomes threads, and a report.

One reader thread a source, one writer thread a drive, one ring between them; this thread is the *control*: it
starts them, hears from them through one queue, writes the catalog, feeds the display, and joins all of them before
it returns. No thread, child process or descriptor outlives :func:`run`.

Order of a run: drives are mounted (each on its own thread) → sources that no storing drive can take are dropped →
sources are read → rings drain → indexes are written and confirmed → the catalog knows the session's end.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from . import events as ev
from .control import Stop
from .drives import open_drive as default_open_drive
from .faults import CatalogFault, Fault, UsageFault
from .kinds import DriveKind
from .media.ids import new_id
from .media.times import now_text
from .model import CopyResult, Ending, ObjectFacts, ObjectReport, RunReport, Session
from .numbers import highest_number
from .own import own_paths
from .plan import Agent, CompiledPlan, Drive
from .preflight import refuse_unrunnable
from .reader import SourceReader
from .report import copy_report, drive_report, object_report, status_of
from .ring import Ring
from .sources import open_source
from .sources.children import Children
from .sources.roots import OwnPath
from .writer import DriveWriter

#: The control never sleeps longer at a stretch. The kernel may hand a signal to any thread; its handler runs on this
#: one, and only once it is awake.
_SLEEP_SECONDS = 0.2

REBUILD = "the next run brings the catalog up to date, or `tcc catalog rebuild` on the volumes' folders at once"


def run(
    plan: CompiledPlan,
    *,
    base: Path,
    state: Path,
    catalog: ev.CatalogPort,
    observer: ev.Observer | None = None,
    stop: Stop | None = None,
    own: Sequence[OwnPath] = (),
    open_drive: ev.OpenDrive = default_open_drive,
) -> RunReport:
    """Run *plan* and report; blocks until everything has ended.

    *base*: the plan's folder, which relative paths are relative to and in which commands run. *state*: the state
    folder, made (mode 0700) where there is none. *own*: what else the run writes, beyond what the plan says (a
    report's file). What fails in the world is in the report; raises :class:`Fault` only when the run cannot begin:
    the plan needs what this version cannot run, no state folder, no catalog, no memory.
    """
    refuse_unrunnable(plan)
    make_state_folder(state)
    session = catalog.begin_session(plan.plan, plan.fingerprint, now_text(), highest_number(plan, base))
    writes = (*own_paths(plan, base, state), *own)
    try:
        one = _Run(
            plan,
            base=base,
            session=session,
            catalog=catalog,
            observer=observer or ev.NoObserver(),
            stop=stop or Stop(),
            own=writes,
            open_drive=open_drive,
        )
    except OSError as error:
        raise UsageFault(
            f"the run of {len(plan.sources)} sources and {len(plan.drives)} drives cannot begin: {error.strerror}",
            safe="nothing was opened, read or written",
            todo="let the process open more files (`ulimit -n`), or split the plan",
        ) from None
    try:
        return one.run()
    finally:
        one.release()


def make_state_folder(state: Path) -> None:
    """Make the state folder, mode 0700, where there is none. Raises :class:`UsageFault`."""
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UsageFault(f"the state folder {state} cannot be made: {error.strerror or error}") from None


class _Run:
    """One run. Everything here belongs to the control thread."""

    def __init__(
        self,
        plan: CompiledPlan,
        *,
        base: Path,
        session: Session,
        catalog: ev.CatalogPort,
        observer: ev.Observer,
        stop: Stop,
        own: Sequence[OwnPath],
        open_drive: ev.OpenDrive,
    ) -> None:
        self._plan = plan
        self._base = base
        self._session = session
        self._catalog: ev.CatalogPort | None = catalog
        self._observer: ev.Observer = observer
        self._stop = stop
        self._started = time.monotonic()
        self._events: SimpleQueue[ev.Event] = SimpleQueue()
        self._notes: list[str] = []
        self._flawed = False
        self._results: dict[tuple[str, str], CopyResult] = {}
        self._mounted: set[str] = set()  # drives that are mounted or have failed
        self._done: set[str] = set()  # drives whose writers are at their end
        self._ending_early = False
        self._why_early = ""
        self._children = Children()
        stop.on_end_at_once(self._children.kill_all)
        self._drives = {drive.name: drive for drive in plan.drives}
        self._pools = {pool.name: pool for pool in plan.pools}
        self._agents = tuple(agent for agent in plan.agents if agent.role == "write")
        rings = [ring for ring in plan.rings if ring.buffers]  # a source that nothing reads is not read
        try:
            self._rings = {ring.id: Ring(ring.depth, plan.record) for ring in rings}
        except (OSError, ValueError, OverflowError) as error:
            raise UsageFault(f"the {plan.memory} bytes for the plan's buffers cannot be had: {error}") from None
        self._facts = {ring.id: self._facts_of(ring.id, ring.feed) for ring in rings}
        self._writers = {agent.drive: self._writer(agent, base, open_drive) for agent in self._agents}
        self._readers: dict[int, SourceReader] = {}
        sources = {source.name: source for source in plan.sources}
        for ring in rings:
            source = sources[ring.feed]
            reader = SourceReader(
                self._facts[ring.id],
                self._rings[ring.id],
                lambda cancel, source=source: open_source(  # type: ignore[misc]
                    source, base=base, children=self._children, cancel=cancel, own=own
                ),
                self._events,
            )
            reader.size = source.size
            self._readers[ring.id] = reader

    # ---------------------------------------------------------------- what there is

    def _facts_of(self, ring_id: int, feed: str) -> ObjectFacts:
        source = next(source for source in self._plan.sources if source.name == feed)
        drives = [a.drive for a in self._agents if any(b.ring == ring_id for b in a.buffers)]
        return ObjectFacts(
            id=new_id(),
            source=source.name,
            kind=source.kind,
            session=self._session,
            compress="zstd" if source.compress else None,
            encrypt="age" if source.encrypt else None,
            drives=tuple(drive for drive in drives if self._stores(drive)),
        )

    def _stores(self, drive: str) -> bool:
        kind: DriveKind = self._drives[drive].kind
        return kind != "discard"

    def _writer(self, agent: Agent, base: Path, open_drive: ev.OpenDrive) -> DriveWriter:
        """The writer of one agent. A drive that discards is essential only to a source that no drive stores."""
        drive = self._drives[agent.drive]
        writer = DriveWriter(
            agent,
            open_drive(
                self._with_capacity(drive),
                base=base,
                on_index=lambda index: self._events.put(ev.VolumeIndexed(drive.name, index)),
            ),
            self._events,
            session=self._session,
            record_bytes=self._plan.record,
            started=self._started,
        )
        for buffer in agent.buffers:
            essential = self._stores(agent.drive) or not self._facts[buffer.ring].drives
            writer.attach(self._rings[buffer.ring], essential=essential)
        return writer

    def _with_capacity(self, drive: Drive) -> Drive:
        """A drive that states no capacity has its pool's."""
        pool = self._pools.get(drive.pool or "")
        if drive.capacity is None and pool is not None and pool.capacity is not None:
            return dataclasses.replace(drive, capacity=pool.capacity)
        return drive

    # ---------------------------------------------------------------- the course of a run

    def run(self) -> RunReport:
        """All of it; see the module's description."""
        self._stop.tell(self._events)
        self._observe("started", self._session, self._snapshot())
        try:
            self._mount()
            self._begin()
            self._attend(lambda: self._done >= self._writers.keys())
        except BaseException:
            self._end_early("the control of the run failed")
            raise
        finally:
            self._join()
        self._drain_events()
        return self._finish()

    def _mount(self) -> None:
        for writer in self._writers.values():
            writer.thread.start()
        self._attend(lambda: self._mounted >= self._writers.keys())

    def _begin(self) -> None:
        """Open the gates: sources that no drive would store are skipped, the others are read."""
        for ring_id, reader in self._readers.items():
            if self._ending_early or self._stop.signal is not None:
                reader.skip(self._not_read())
            elif self._rings[ring_id].abandoned:
                reader.skip(Ending("failed", error="not read: none of its drives can be written"))
        for writer in self._writers.values():
            writer.go()
        for reader in self._readers.values():
            if reader.ending is None:
                reader.thread.start()

    def _attend(self, done: Callable[[], bool]) -> None:
        """Hear events and feed the display until *done*."""
        interval = max(0.02, self._observer.interval_seconds)
        sampled = time.monotonic()
        while not done():
            left = sampled + interval - time.monotonic()
            if left <= 0:
                sampled = time.monotonic()
                self._observe("sample", self._snapshot())
                continue
            try:
                self._hear(self._events.get(timeout=min(left, _SLEEP_SECONDS)))
            except Empty:
                pass

    def _drain_events(self) -> None:
        while True:
            try:
                self._hear(self._events.get_nowait())
            except Empty:
                return

    def _hear(self, event: ev.Event) -> None:
        match event:
            case ev.Mounted(drive, notes):
                self._mounted.add(drive)
                for note in (*notes, *self._catch_up(drive)):
                    self._note(f"drive {drive}: {note}")
            case ev.DriveFailed(drive, fault):
                self._drive_failed(drive, fault)
            case ev.VolumeIndexed(_, index):
                self._record(index)
            case ev.WriterDone(drive, results):
                self._done.add(drive)
                self._results.update({(drive, result.object_id): result for result in results})
            case ev.SourceDone(source, ending):
                self._source_done(source, ending)
            case ev.StopRequested():
                self._note("stopping: sources end, what is buffered is written (once more ends at once)")
                self._end_early("the run was stopped")

    def _drive_failed(self, name: str, fault: Fault) -> None:
        self._mounted.add(name)
        rings = {buffer.ring for buffer in self._writers[name].agent.buffers}
        others = any(
            other.fault is None
            and self._stores(other.agent.drive)
            and not rings.isdisjoint(buffer.ring for buffer in other.agent.buffers)
            for other in self._writers.values()
        )
        self._note(f"drive {name} failed: {fault.message}" + ("; the other copies go on" if others else ""))
        for ring_id, reader in self._readers.items():
            if self._rings[ring_id].abandoned and reader.thread.ident is not None and reader.ending is None:
                reader.cancel("every copy of it failed")
        agent = self._writers[name].agent
        if "abort" in (agent.on_failure, self._plan.on_failure):
            self._abort(f"drive {name} failed")

    def _source_done(self, source: str, ending: Ending) -> None:
        if ending.status == "failed":
            self._note(f"source {source} failed: {ending.error}")
            if self._plan.on_failure == "abort":
                self._abort(f"source {source} failed")

    def _abort(self, why: str) -> None:
        if not self._ending_early:
            self._note(f'the run ends because {why} (on_failure = "abort")')
            self._end_early(f'the run ended because {why} (on_failure = "abort")')

    def _end_early(self, reason: str) -> None:
        """Sources stop; rings drain; writers close as they always do."""
        self._ending_early = True
        self._why_early = self._why_early or reason
        for reader in self._readers.values():
            if reader.ending is None:
                reader.cancel(reason)

    def _not_read(self) -> Ending:
        return Ending("cut-off", error=f"not read: {self._why_early or 'the run was stopped'}")

    def _join(self) -> None:
        """Wait for every thread. Gates that were never opened are opened onto rings that have ended."""
        for reader in self._readers.values():
            if reader.thread.ident is None and reader.ending is None:
                reader.skip(self._not_read())
        for writer in self._writers.values():
            writer.go()
        for thread in [r.thread for r in self._readers.values()] + [w.thread for w in self._writers.values()]:
            while thread.ident is not None and thread.is_alive():
                thread.join(_SLEEP_SECONDS)

    def release(self) -> None:
        """Give memory and descriptors back; all threads have ended."""
        self._children.close()
        for reader in self._readers.values():
            reader.close()
        for ring in self._rings.values():
            ring.close()

    # ---------------------------------------------------------------- catalog, display, report

    def _record(self, index: Any) -> None:
        if self._catalog is not None:
            try:
                self._catalog.record_volume(index)
            except Exception as error:  # noqa: BLE001 - the data matters more than the catalog: go on storing
                self._catalog_failed(error)

    def _catch_up(self, name: str) -> Sequence[str]:
        """A run that was ended at once may have left the catalog behind what its drives had confirmed."""
        folder = self._drives[name].volumes
        if self._catalog is None or folder is None:
            return ()
        try:
            return self._catalog.catch_up(name, self._base / folder)
        except Exception as error:  # noqa: BLE001 - as in _record
            self._catalog_failed(error)
            return ()

    def _catalog_failed(self, error: Exception) -> None:
        self._catalog = None
        self._flawed = True
        what = error.message if isinstance(error, CatalogFault) else f"{type(error).__name__}: {error}"
        self._note(f"the catalog cannot be written ({what}); the volumes are complete: {REBUILD}")

    def _note(self, text: str) -> None:
        self._notes.append(text)
        self._observe("note", text)

    def _observe(self, what: str, *arguments: object) -> None:
        """Tell the observer; one that fails (a terminal that is gone) is not asked again."""
        try:
            getattr(self._observer, what)(*arguments)
        except Exception:  # noqa: BLE001 - a display must never harm a backup
            self._observer = ev.NoObserver()

    def _snapshot(self) -> ev.Snapshot:
        readers = self._readers.items()
        return ev.Snapshot(
            seconds=time.monotonic() - self._started,
            sources=tuple(ev.SourceSample(r.facts.source, r.bytes, r.records, r.size, r.state) for _, r in readers),
            rings=tuple(
                ev.RingSample(i, r.facts.source, self._rings[i].fill, self._rings[i].depth) for i, r in readers
            ),
            drives=tuple(
                ev.DriveSample(w.agent.drive, w.agent.name, w.drive.written_bytes, w.state)
                for w in self._writers.values()
            ),
        )

    def _finish(self) -> RunReport:
        objects = tuple(self._object_report(ring_id) for ring_id in self._readers)
        for entry in objects:
            if entry.copies and all(c.status == "discarded" for c in entry.copies):
                self._note(f"source {entry.source} reaches only drives that discard: nothing of it is stored")
        if not objects:
            self._note("no source of the plan reaches a drive: nothing is stored")
        report = RunReport(
            session=self._session.id,
            plan=self._plan.plan,
            status=status_of(objects, flawed=self._flawed),
            objects=objects,
            seconds=time.monotonic() - self._started,
            signal=self._stop.signal,
            notes=tuple(self._notes),
            faults=tuple(drive_report(name, w.fault) for name, w in self._writers.items() if w.fault is not None),
        )
        if self._catalog is not None:
            try:
                self._catalog.finish_session(report, self._session, {s.name: s.kind for s in self._plan.sources})
            except Exception as error:  # noqa: BLE001 - as in _record
                self._catalog_failed(error)
                status = status_of(objects, flawed=True)
                report = dataclasses.replace(report, status=status, notes=tuple(self._notes))
        self._observe("finished", report)
        return report

    def _object_report(self, ring_id: int) -> ObjectReport:
        reader = self._readers[ring_id]
        facts = reader.facts
        ending = reader.ending or Ending("cut-off")
        copies = []
        for agent in self._agents:
            if not any(buffer.ring == ring_id for buffer in agent.buffers):
                continue
            fault = self._writers[agent.drive].fault
            copies.append(
                copy_report(
                    agent.drive,
                    agent.name,
                    discards=not self._stores(agent.drive),
                    ending=ending,
                    result=self._results.get((agent.drive, facts.id)),
                    error=None if fault is None else str(fault),
                )
            )
        return object_report(facts, ending, payload_bytes=reader.bytes, records=reader.records, copies=copies)
