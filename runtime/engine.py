"""The engine: a compiled plan becomes threads, and a report.

One reader thread a source and a drive that is read, one writer thread a drive that is written and a target, rings
between them; this thread is the *control*: it starts them, hears from them through one queue, writes the catalog, feeds
the display, and joins all of them before it returns. No thread, child process or descriptor outlives :func:`run`.

Order of a run: selectors are resolved → drives that are written are mounted (each on its own thread) → drives that are
read are locked → sources that no storing drive can take are dropped → sources and drives are read → rings drain →
indexes are written and confirmed → the catalog knows the session's end.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import Empty
from typing import TYPE_CHECKING, Any

from . import events as ev
from .control import Stop
from .drives import open_drive as default_open_drive
from .faults import CatalogFault, Fault, UsageFault
from .hang import HANG_SECONDS, hang_fault
from .media.times import now_text
from .model import CopyResult, Ending, ObjectReport, RunReport, Session
from .numbers import highest_number
from .own import own_paths
from .parts import Parts, build, prepare
from .plan import CompiledPlan
from .preflight import refuse_unrunnable
from .report import drive_report, status_of
from .sources.roots import OwnPath
from .telling import object_reports, snapshot

if TYPE_CHECKING:
    from .sources.levels import Levels

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
    again: bool = False,
    overwrite: bool = False,
    lists: ev.ListsPort | None = None,
    full: bool = False,
    identities: Sequence[Any] = (),
    hang_seconds: float = HANG_SECONDS,
) -> RunReport:
    """Run *plan* and report; blocks until everything has ended.

    *base*: the plan's folder, which relative paths are relative to and in which commands run. *state*: the state
    folder, made (mode 0700) where there is none. *own*: what else the run writes, beyond what the plan says (a
    report's file). *again*: objects are copied to drives that hold them whole already, too. *overwrite*: targets may
    write over what they hold. *lists*: where the member lists of ``files`` objects are kept. *full*: sources that ask
    for incrementals are read whole. *identities* (``codec.identities``) open encrypted objects for targets.
    *hang_seconds*: a drive that does not answer for so long is given up. What fails in the world is in the report;
    raises :class:`Fault` only when the run cannot begin: the plan needs what this version cannot run, a selector
    selects nothing, a target holds something, no state folder, no catalog, no memory.
    """
    refuse_unrunnable(plan)
    make_state_folder(state)
    stop = stop or Stop()
    started = time.monotonic()
    parts = prepare(plan, base=base, catalog=catalog, again=again, overwrite=overwrite, identities=identities)
    try:
        stop.on_end_at_once(parts.children.kill_all)
        highest = highest_number(plan, base, hang_seconds=hang_seconds)
        session = catalog.begin_session(plan.plan, plan.fingerprint, now_text(), highest)
        writes = (*own_paths(plan, base, state), *own)
        try:
            build(
                parts,
                plan,
                base=base,
                session=session,
                started=started,
                own=writes,
                open_drive=open_drive,
                lists=lists,
                levels=_levels(plan, state, base=base, full=full),
                stands=lambda source, drives: lambda known: _standing(catalog, known, plan.plan, source, drives),
            )
        except OSError as error:
            raise UsageFault(
                f"the run of {len(plan.sources)} sources and {len(plan.drives)} drives cannot begin: {error.strerror}",
                safe="nothing was opened, read or written",
                todo="let the process open more files (`ulimit -n`), or split the plan",
            ) from None
        one = _Run(plan, parts, session, catalog=catalog, observer=observer or ev.NoObserver(), stop=stop)
        one.hang_seconds = hang_seconds
        return one.run(base, started)
    finally:
        parts.release()


def _levels(plan: CompiledPlan, state: Path, *, base: Path, full: bool) -> Levels | None:
    """The snapshots of incremental sources, where there are such."""
    if all(source.level == "full" for source in plan.sources):
        return None
    from .sources.levels import Levels

    return Levels(state, plan.plan, base=base, own=own_paths(plan, base, state), full=full)


def _standing(catalog: ev.CatalogPort, known: str, plan: str, source: str, drives: Sequence[str]) -> str | None:
    """Why the object *known* cannot be built upon, or None. A full needs no catalog."""
    try:
        return catalog.standing(known, plan=plan, source=source, drives=drives)
    except CatalogFault as fault:
        return f"the catalog cannot be asked ({fault.message})"


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
        parts: Parts,
        session: Session,
        *,
        catalog: ev.CatalogPort,
        observer: ev.Observer,
        stop: Stop,
    ) -> None:
        self._plan = plan
        self._parts = parts
        self._session = session
        self._catalog: ev.CatalogPort | None = catalog
        self._observer: ev.Observer = observer
        self._stop = stop
        self.hang_seconds = HANG_SECONDS
        self._started = 0.0
        self._base = Path()
        self._events = parts.events
        self._notes: list[str] = []
        self._flawed = False
        self._results: dict[tuple[str, str], CopyResult] = {}
        self._mounted: set[str] = set()  # drives that are mounted or have failed
        self._done: set[str] = set()  # drives whose writers are at their end
        self._restored: set[str] = set()  # targets that are at their end
        self._ending_early = False
        self._why_early = ""
        self._drives = {drive.name: drive for drive in plan.drives}

    def _stores(self, drive: str) -> bool:
        return self._drives[drive].kind != "discard"

    # ---------------------------------------------------------------- the course of a run

    def run(self, base: Path, started: float) -> RunReport:
        """All of it; see the module's description. *started*: by the monotonic clock."""
        self._base, self._started = base, started
        self._stop.tell(self._events)
        self._observe("started", self._session, self._snapshot())
        for note in self._parts.work.notes if self._parts.work is not None else ():
            self._note(note)
        for level in self._parts.level.values():
            if level.note is not None:
                self._note(f"source {level.source.name}: {level.note}")
        try:
            self._mount()
            self._begin()
            self._attend(self._all_done)
        except BaseException:
            self._end_early("the control of the run failed")
            raise
        finally:
            self._join()
        self._drain_events()
        return self._finish()

    def _all_done(self) -> bool:
        parts = self._parts
        return self._done >= parts.writers.keys() and self._restored >= parts.targets.keys()

    def _mount(self) -> None:
        for writer in self._parts.writers.values():
            writer.thread.start()
        self._attend(lambda: self._mounted >= self._parts.writers.keys())

    def _begin(self) -> None:
        """Open the gates: what no drive and no target would take is skipped, the rest is read."""
        for drive, spool in self._parts.spools.items():
            if self._parts.writers[drive].fault is not None:
                spool.leave()
        for feeder in self._parts.feeders:
            if self._ending_early or self._stop.signal is not None:
                feeder.skip(self._not_read())
            elif feeder.abandoned:
                feeder.skip(Ending("failed", error="not read: none of its drives can be written"))
            else:
                self._prepare(feeder)
        for writer in self._parts.writers.values():
            writer.go()
        for target in self._parts.targets.values():
            target.thread.start()
        for spool in self._parts.spools.values():
            if not spool.ring.ended:
                spool.thread.start()
        for feeder in self._parts.feeders:
            if feeder.ending is None:
                feeder.thread.start()

    def _prepare(self, feeder: ev.Feeder) -> None:
        try:
            feeder.prepare()
        except Fault as fault:
            feeder.skip(Ending("failed", error=str(fault)))
            self._note(f"{feeder.name} cannot be read: {fault.message}" + (f"; {fault.todo}" if fault.todo else ""))
            if self._plan.on_failure == "abort":
                self._abort(f"{feeder.name} cannot be read")

    def _attend(self, done: Callable[[], bool]) -> None:
        """Hear events and feed the display until *done*."""
        interval = max(0.02, self._observer.interval_seconds)
        sampled = time.monotonic()
        while not done():
            left = sampled + interval - time.monotonic()
            if left <= 0:
                sampled = time.monotonic()
                self._forsake_what_hangs()
                self._observe("sample", self._snapshot())
                continue
            try:
                self._hear(self._events.get(timeout=min(left, _SLEEP_SECONDS)))
            except Empty:
                self._forsake_what_hangs()

    def _forsake_what_hangs(self) -> None:
        for name, writer in self._parts.writers.items():
            stuck = writer.drive.stuck_seconds()
            if stuck > self.hang_seconds and name not in self._done:
                fault = hang_fault(name, "giving up" if writer.state == "failed" else writer.state, stuck)
                writer.forsake(fault)
                self._done.add(name)
                self._drive_failed(name, fault)

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
            case ev.MediumDone(drive, ending):
                self._medium_done(drive, ending)
            case ev.Noted(text):
                self._note(text)
            case ev.TargetFailed(target, fault):
                todo = f"; {fault.todo}" if fault.todo else ""
                self._note(f"target {target} failed: {fault.message}{todo}")
                self._leave_alone("every copy of it failed")
                if self._plan.on_failure == "abort":
                    self._abort(f"target {target} failed")
            case ev.SpoolDone(_):
                self._leave_alone("every copy of it failed")
            case ev.TargetDone(target):
                self._restored.add(target)
                self._tell_lacks(target)
            case ev.StopRequested():
                self._note("stopping: reading ends, what is buffered is written (once more ends at once)")
                self._end_early("the run was stopped")

    def _tell_lacks(self, target: str) -> None:
        """What a target lacks of its objects, where that was not its own failure."""
        writer = self._parts.targets[target]
        for object_id, result in writer.results.items() if writer.fault is None else ():
            if result.error is not None:
                self._note(f"target {target}: object {object_id}: {result.error}")

    def _drive_failed(self, name: str, fault: Fault) -> None:
        self._mounted.add(name)
        rings = {buffer.ring for buffer in self._parts.writers[name].agent.buffers}
        others = any(
            other.fault is None
            and self._stores(other.agent.drive)
            and not rings.isdisjoint(buffer.ring for buffer in other.agent.buffers)
            for other in self._parts.writers.values()
        )
        self._note(f"drive {name} failed: {fault.message}" + ("; the other copies go on" if others else ""))
        self._leave_alone("every copy of it failed")
        agent = self._parts.writers[name].agent
        if "abort" in (agent.on_failure, self._plan.on_failure):
            self._abort(f"drive {name} failed")

    def _leave_alone(self, reason: str) -> None:
        """What nobody takes any more is not read any further."""
        for feeder in self._parts.feeders:
            if feeder.abandoned and feeder.thread.ident is not None and feeder.ending is None:
                feeder.cancel(reason)

    def _medium_done(self, drive: str, ending: Ending) -> None:
        agents = [agent for agent in self._plan.agents if agent.role == "read" and agent.drive == drive]
        if ending.status != "whole" and "abort" in {self._plan.on_failure, *(agent.on_failure for agent in agents)}:
            self._abort(f"drive {drive} could not be read whole")

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
        for feeder in self._parts.feeders:
            if feeder.ending is None:
                feeder.cancel(reason)
        for spool in self._parts.spools.values():
            spool.cut(reason)
        for target in self._parts.targets.values():
            target.interrupt()

    def _not_read(self) -> Ending:
        return Ending("cut-off", error=f"not read: {self._why_early or 'the run was stopped'}")

    def _join(self) -> None:
        """Wait for every thread. Gates that were never opened are opened onto rings that have ended."""
        parts = self._parts
        for feeder in parts.feeders:
            if feeder.thread.ident is None and feeder.ending is None:
                feeder.skip(self._not_read())
        for writer in parts.writers.values():
            writer.go()
        for spool in parts.spools.values():
            if spool.thread.ident is None and not spool.ring.ended:
                spool.leave()
        for takers in (parts.feeders, parts.spools.values(), parts.writers.values(), parts.targets.values()):
            for one in takers:
                while one not in self._parts.forsaken and one.thread.ident is not None and one.thread.is_alive():
                    one.thread.join(_SLEEP_SECONDS)

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
        return snapshot(self._parts, self._plan, self._started)

    def _finish(self) -> RunReport:
        objects = object_reports(self._parts, self._plan, self._results)
        for entry in objects:
            if entry.copies and not entry.targets and all(c.status == "discarded" for c in entry.copies):
                self._note(f"source {entry.source} reaches only drives that discard: nothing of it is stored")
        self._keep_lists(objects)
        self._keep_snapshots(objects)
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
            faults=tuple(drive_report(name, w.fault) for name, w in self._parts.writers.items() if w.fault is not None),
        )
        if self._catalog is not None:
            try:
                known = dataclasses.replace(report, objects=self._for_the_catalog(objects))
                self._catalog.finish_session(known, self._session, {s.name: s.kind for s in self._plan.sources})
            except Exception as error:  # noqa: BLE001 - as in _record
                self._catalog_failed(error)
                status = status_of(objects, flawed=True)
                report = dataclasses.replace(report, status=status, notes=tuple(self._notes))
        self._observe("finished", report)
        return report

    def _for_the_catalog(self, objects: Sequence[ObjectReport]) -> tuple[ObjectReport, ...]:
        """Without copied objects of which neither the catalog nor a volume that it was told of knows anything."""
        recorded = self._parts.work.recorded if self._parts.work is not None else frozenset()
        return tuple(o for o in objects if not o.copied or o.object in recorded or any(c.volumes for c in o.copies))

    def _keep_snapshots(self, objects: Sequence[ObjectReport]) -> None:
        """What the next incrementals build on: only where all copies are stored."""
        for entry in objects:
            level = self._parts.level.get(entry.source)
            if level is None or self._parts.levels is None:
                continue
            said = self._parts.levels.settle(level, self._session, entry)
            if said is not None:
                self._note(f"source {entry.source}: {said}")

    def _keep_lists(self, objects: Sequence[ObjectReport]) -> None:
        """The member lists of what is stored; one that is lacking is made from the object when it is asked for."""
        for entry in objects:
            listed = self._parts.lists.pop(entry.object, None)
            if listed is None:
                continue
            if entry.status == "whole" and any(copy.status == "stored" for copy in entry.copies):
                if not listed.keep():
                    self._note(f"source {entry.source}: there is no list of its members ({listed.why})")
            else:
                listed.drop()
