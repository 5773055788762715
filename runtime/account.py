"""The account of a run: what it notes for people, tells the display and the catalog, and reports at its end.

Whatever becomes of the catalog or the display, the run goes on storing.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from . import events as ev
from .advice import advised
from .catalog.facts import ContradictionFault
from .faults import CatalogFault, Fault
from .hang import HANG_SECONDS
from .kinds import SourceKind
from .model import CopyResult, ObjectReport, RunReport, Session
from .parts import Parts
from .plan import CompiledPlan
from .report import status_of
from .shrunk import shrunk
from .telling import object_reports, snapshot

REBUILD = "the next run brings the catalog up to date, or `tcc catalog rebuild` on the volumes' folders at once"


class Account:
    """The account of one run. Belongs to the control thread."""

    def __init__(
        self,
        plan: CompiledPlan,
        parts: Parts,
        session: Session,
        *,
        catalog: ev.CatalogPort,
        observer: ev.Observer,
        base: Path,
        started: float,
        hang_seconds: float = HANG_SECONDS,
        typed: Sequence[str] = (),
    ) -> None:
        """*base*: the plan's folder. *started*: when the run began, by the monotonic clock. *typed*: as
        ``engine.run`` has it.

        *hang_seconds*: how long a drive's folder may take to answer.
        """
        self._hang_seconds = hang_seconds
        self._typed = typed
        self._plan = plan
        self._parts = parts
        self._session = session
        self._catalog: ev.CatalogPort | None = catalog
        self._observer: ev.Observer = observer
        self._base = base
        self._started = started
        self._notes: list[str] = []
        self._flawed = False
        #: (drive, object) → the drive's word
        self.results: dict[tuple[str, str], CopyResult] = {}

    @property
    def interval_seconds(self) -> float:
        """How often the display wants to be fed."""
        return max(0.02, self._observer.interval_seconds)

    def begin(self) -> None:
        """Tell the display that the run begins, and note what is known of it beforehand."""
        self._observe("started", self._session, self._snapshot())
        for note in self._parts.work.notes if self._parts.work is not None else ():
            self.note(note)
        for name, chain in self._parts.chains.items():
            for note in chain.notes:
                self.note(f"source {name}: {note}")
        for level in self._parts.level.values():
            if level.note is not None:
                self.note(f"source {level.source.name}: {level.note}")

    def reconsider(self) -> None:
        """All drives are mounted, and the catalog knows what they hold now: an incremental that could not be restored
        from each of them becomes a full, before anything is read.
        """
        for reader in self._parts.sources.values():
            level = self._parts.level.get(reader.facts.source)
            drives = [drive for drive in reader.facts.drives if self._parts.writers[drive].fault is None]
            if level is None or level.parent is None or not drives:
                continue
            why = self._unbuildable(level.parent, reader.facts.source, drives)
            if why is not None:
                level = self._parts.level[reader.facts.source] = level.made_full(why)
                reader.facts = dataclasses.replace(reader.facts, level="full", parent=None)
                self.note(f"source {reader.facts.source}: {level.note}")

    def _unbuildable(self, parent: str, source: str, drives: Sequence[str]) -> str | None:
        """Why nothing can be built on *parent*, or None."""
        if self._catalog is None:
            return "the catalog cannot be asked for what it would build on"
        try:
            return self._catalog.buildable(
                parent, plan=self._plan.plan, source=source, drives=drives, hang_seconds=self._hang_seconds
            )
        except CatalogFault as fault:
            return f"the catalog cannot be asked ({fault.message})"

    def sample(self) -> None:
        """Feed the display."""
        self._observe("sample", self._snapshot())

    def _snapshot(self) -> ev.Snapshot:
        return snapshot(self._parts, self._plan, self._started)

    def note(self, text: str) -> None:
        """A line for people: in the report, and on the display at once."""
        self._notes.append(text)
        self._observe("note", text)

    def held(self, text: str) -> None:
        """As :meth:`note`, of what may hold the run for ever."""
        self._notes.append(text)
        self._observe("held", text)

    def _observe(self, what: str, *arguments: object) -> None:
        """Tell the observer; one that fails (a terminal that is gone) is not asked again."""
        try:
            getattr(self._observer, what)(*arguments)
        except Exception:  # noqa: BLE001 - a display must never harm a backup
            self._observer = ev.NoObserver()

    def record(self, index: Any) -> None:
        """A volume has been written and confirmed, as its *index* says."""
        if self._catalog is not None:
            try:
                self._catalog.record_volume(index)
            except ContradictionFault as fault:  # that volume's fault alone: what the others hold is recorded
                self._refused(fault)
            except Exception as error:  # noqa: BLE001 - the data matters more than the catalog: go on storing
                self._catalog_failed(error)

    def _refused(self, fault: ContradictionFault) -> None:
        self._flawed = True
        self.note(f"the catalog does not take what a volume tells: {fault.message}; {fault.safe}; {fault.todo}")

    def catch_up(self, name: str) -> Sequence[str]:
        """A run that was ended at once may have left the catalog behind what its drives had confirmed."""
        folder = next(drive.volumes for drive in self._plan.drives if drive.name == name)
        if self._catalog is None or folder is None:
            return ()
        try:
            return self._catalog.catch_up(name, self._base / folder, self._hang_seconds)
        except Exception as error:  # noqa: BLE001 - as in record
            self._catalog_failed(error)
            return ()

    def _catalog_failed(self, error: Exception) -> None:
        self._catalog = None
        self._flawed = True
        what = error.message if isinstance(error, CatalogFault) else f"{type(error).__name__}: {error}"
        self.note(f"the catalog cannot be written ({what}); the volumes are complete: {REBUILD}")

    def finish(self, signal: int | None) -> RunReport:
        """The report, and the session's end in the catalog; all threads have ended. *signal*: what stopped the run."""
        objects = object_reports(self._parts, self._plan, self.results)
        for entry in objects:
            if entry.copies and not entry.targets and all(c.status == "discarded" for c in entry.copies):
                self.note(f"source {entry.source} reaches only drives that discard: nothing of it is stored")
        self._compare(objects)
        self._keep_lists(objects)
        self._keep_snapshots(objects)
        if not objects:
            self.note("no source of the plan reaches a drive: nothing is stored")
        report = RunReport(
            session=self._session.id,
            plan=self._plan.plan,
            status=status_of(objects, flawed=self._flawed),
            objects=objects,
            seconds=time.monotonic() - self._started,
            signal=signal,
            notes=tuple(self._notes),
            faults=advised(self._faults(), objects, self._typed),
        )
        if self._catalog is not None:
            try:
                known = dataclasses.replace(report, objects=self._for_the_catalog(objects))
                self._catalog.finish_session(known, self._session, _kinds(self._plan))
            except Exception as error:  # noqa: BLE001 - as in record
                if isinstance(error, ContradictionFault):
                    self._refused(error)
                else:
                    self._catalog_failed(error)
                status = status_of(objects, flawed=True)
                report = dataclasses.replace(report, status=status, notes=tuple(self._notes))
        self._observe("finished", report)
        return report

    def _faults(self) -> Iterator[tuple[str, Fault]]:
        """Of drives that were written, and of those that hung while they were read."""
        for name, writer in self._parts.writers.items():
            if writer.fault is not None:
                yield name, writer.fault
        for medium in self._parts.mediums:
            for fault in medium.hanging.values():
                yield fault.place.drive or medium.work.drive, fault

    def _for_the_catalog(self, objects: Sequence[ObjectReport]) -> tuple[ObjectReport, ...]:
        """Without copied objects of which neither the catalog nor a volume that it was told of knows anything."""
        recorded = self._parts.work.recorded if self._parts.work is not None else frozenset()
        return tuple(o for o in objects if not o.copied or o.object in recorded or any(c.volumes for c in o.copies))

    def _compare(self, objects: Sequence[ObjectReport]) -> None:
        """Say which sources gave far less than the last time that they were read whole."""
        fulls = [
            entry
            for entry in objects
            if not entry.copied
            and entry.status == "whole"
            and ((level := self._parts.level.get(entry.source)) is None or level.level == "full")
        ]
        if self._catalog is None or not fulls:
            return
        try:
            before = self._catalog.last_fulls(self._plan.plan, [e.source for e in fulls], but=self._session.id)
        except Exception as error:  # noqa: BLE001 - as in record
            self._catalog_failed(error)
            return
        for source, said in shrunk(fulls, self._plan, before):
            self.note(f"source {source}: {said}")

    def _keep_snapshots(self, objects: Sequence[ObjectReport]) -> None:
        """What the next incrementals build on: only where all copies are stored."""
        for entry in objects:
            level = self._parts.level.get(entry.source)
            if entry.copied or level is None or self._parts.levels is None:
                continue
            said = self._parts.levels.settle(level, self._session, entry)
            if said is not None:
                self.note(f"source {entry.source}: {said}")

    def _keep_lists(self, objects: Sequence[ObjectReport]) -> None:
        """The member lists of what is stored; one that is lacking is made from the object when it is asked for."""
        for entry in objects:
            listed = self._parts.lists.pop(entry.object, None)
            if listed is None:
                continue
            if entry.status == "whole" and any(copy.status == "stored" for copy in entry.copies):
                if not listed.keep():
                    self.note(f"source {entry.source}: there is no list of its members ({listed.why})")
            else:
                listed.drop()


def _kinds(plan: CompiledPlan) -> dict[str, SourceKind]:
    """The kind of the objects that each source gives."""
    return {source.name: "files" if source.kind == "chain" else source.kind for source in plan.sources}
