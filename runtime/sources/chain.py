"""``chain`` sources: a full made from a chain, a full object and its incrementals, without reading their source.

What is to be merged is decided before the run begins (:func:`chain_work`): the newest object of the source, or the one
that the plan names, and the objects below it. Their volumes are then locked, so that nobody writes or recycles them,
and read newest first; each record that is damaged in one copy is taken from another. The full stands for the newest of
them: it bears its source and session, and names it as its parent.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ..catalog.queries import CatalogObject, VolumePlace
from ..codec.decode import Decoder, Undecodable
from ..events import CatalogPort
from ..faults import DriveFault, Fault, Place, RestoreFault, unforeseen
from ..hang import HANG_SECONDS
from ..kinds import RECORD_BYTES_MAX
from ..media.ids import id_behind
from ..media.record import HEADER_BYTES
from ..model import Ending, ObjectFacts, Session
from ..patience import CalledOff, HangingFault, Patience
from ..plan import CompiledPlan, Source
from ..restore.chain import chain_of, stand_ins
from ..restore.headers import BLOCK
from ..restore.reading import ObjectReader, RecordLost, preferred
from ..restore.restore import check_identities, plan_reading
from ..restore.select import choose, missing_of, resolve_source
from ..restore.shelf import Shelf
from . import base as sources
from .children import make_pipe
from .merging import CannotMerge, Merge

_SAFE = "what is merged is only read"
_FULL = "make a full of the source itself: `tcc run --full` with its plan"


@dataclass(frozen=True, slots=True)
class ChainWork:
    """What a chain source comes to: its objects, a full first, and the session of the last one.

    ``known``: where volumes lie; ``closed``: volumes that must not be read, and why. ``notes``: what is worth saying.
    """

    source: Source
    links: tuple[CatalogObject, ...]
    session: Session
    known: tuple[VolumePlace, ...]
    closed: Mapping[str, str]
    identities: tuple[Any, ...]
    notes: tuple[str, ...]

    @property
    def newest(self) -> CatalogObject:
        """The object that the full will stand for."""
        return self.links[-1]

    def facts(self, drives: Sequence[str]) -> ObjectFacts:
        """The full as the drives of the run get it. Its identifier sorts behind the one that it stands for."""
        return ObjectFacts(
            id=id_behind(self.newest.id),
            source=self.newest.source,
            kind="files",
            session=self.session,
            level="full",
            parent=self.newest.id,
            compress="zstd" if self.source.compress else None,
            encrypt="age" if self.source.encrypt else None,
            drives=tuple(drives),
        )


def chain_work(
    plan: CompiledPlan,
    source: Source,
    *,
    base: Path,
    catalog: CatalogPort,
    identities: Sequence[Any] = (),
    again: bool = False,
    hang_seconds: float = HANG_SECONDS,
) -> ChainWork:
    """Resolve *source*, a chain source of *plan*. Reads labels and first records; changes nothing.

    A folder that does not answer for *hang_seconds* counts as not at hand. Raises UsageFault and RestoreFault: there is
    no such source or object, a link is not whole or not at hand, there is nothing to merge, or it was merged before and
    not *again*.
    """
    patience = Patience(hang_seconds)
    try:
        return _chain_work(plan, source, base, catalog, identities, patience, again=again)
    finally:
        patience.close()


def _chain_work(  # noqa: PLR0917 - all of one call
    plan: CompiledPlan,
    source: Source,
    base: Path,
    catalog: CatalogPort,
    identities: Sequence[Any],
    patience: Patience,
    *,
    again: bool,
) -> ChainWork:
    assert source.chain is not None
    owner, name = resolve_source(catalog, source.chain)
    known = tuple(catalog.places())
    closed = _written(plan, base, known)
    shelf = Shelf(known, closed=closed, patience=patience)
    choice = choose(catalog, owner, name, shelf, object_id=source.object)
    newest = choice.object
    place = Place(source=source.name, object_id=newest.id)
    if newest.kind != "files":
        raise RestoreFault(
            f"{source.chain} is a {newest.kind} source, which has no chain", place=place, safe="nothing was written"
        )
    if newest.level == "full":
        raise RestoreFault(
            f"object {newest.id} of {source.chain}, of {newest.started}, is a full one: there is nothing to merge",
            place=place,
            safe="nothing was written",
            todo="copy it where it lacks: see `tcc draft --help`",
        )
    others = catalog.objects(plan=owner, source=name)
    for made in () if again else stand_ins(others, Shelf(known, patience=patience)).get(newest.id, ()):
        raise RestoreFault(
            f"object {made.id}, on drive {', '.join(c.drive for c in made.copies if c.segments)}, is a full that"
            f" stands for {newest.id} already",
            place=place,
            safe="nothing was written",
            todo="copy it where it lacks (`tcc draft --help`), or make another with --again",
        )
    links = chain_of(catalog, newest, shelf)
    for link in links:
        check_identities(plan_reading(link, shelf), shelf, identities)
    notes = list(choice.notes)
    if newest.encrypt and not source.encrypt:
        notes.append(
            f"{source.chain} is encrypted; what this plan stores of it is not, since {source.name} says nothing"
        )
    session = catalog.begun([newest.session_id]).get(newest.session_id)
    session = session or Session(newest.session_id, newest.number, newest.plan, "", newest.started)
    return ChainWork(source, links, session, known, closed, tuple(identities), tuple(notes))


def _written(plan: CompiledPlan, base: Path, known: Sequence[VolumePlace]) -> dict[str, str]:
    """The volumes that lie where *plan* writes, and why they are not read."""
    drives = {drive.name: drive for drive in plan.drives}
    written = [drives[agent.drive] for agent in plan.agents if agent.role == "write"]
    names = {drive.name for drive in written}
    folders = {os.path.realpath(sources.place_of(d.volumes, base)) for d in written if d.volumes is not None}
    why = "the same plan writes its drive, so that it is not read"
    return {
        v.id: f"volume {v.name}: {why}"
        for v in known
        if v.drive in names or (v.location is not None and os.path.realpath(Path(v.location).parent) in folders)
    }


def _locked(folder: Path) -> int:
    """A descriptor of *folder*, which nobody writes as long as it is open. Raises OSError."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BaseException:
        os.close(fd)
        raise
    return fd


class ChainSource:
    """A chain that is being merged: a thread reads and writes into a pipe, whose other end is the source's bytes.

    A folder that does not answer for *hang_seconds* is told and left; what it holds counts as lost.
    """

    waits = True
    title = "what is merged"

    def __init__(
        self,
        work: ChainWork,
        *,
        cancel: sources.Cancel,
        note: Callable[[str], None],
        hang_seconds: float = HANG_SECONDS,
    ) -> None:
        """*note* hears what of the volumes is worth saying, on the thread that reads. Raises SourceFault."""
        self.size = work.source.size
        self._work = work
        self._cancel = cancel
        self._note = note
        self._stop = False
        self._ending = Ending("cut-off", error="its merging was stopped")
        self._locks: list[int] = []
        self._patience = Patience(hang_seconds, tell=self._tell, called_off=self._is_called_off)
        self._fd = self._into = -1
        try:
            self._shelf = self._lock()
            self._fd, self._into, _ = make_pipe()
        except BaseException:
            self._release()
            raise
        self._thread = threading.Thread(target=self._run, name=f"merging {work.source.name}")
        self._thread.start()

    @property
    def fd(self) -> int:
        """The pipe's end that is read."""
        return self._fd

    def finish(self) -> Ending:
        """Behind the last byte: how it ended; see :class:`~.base.OpenSource`."""
        self._thread.join()
        return self._ending

    def close(self) -> None:
        """Stop the thread: it ends with the record that it reads, or the write that it waits in."""
        self._stop = True
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)
        self._thread.join()
        self._release()

    def _release(self) -> None:
        self._patience.close()
        for fd in () if self._patience.hanging else self._locks:  # to close what hangs would hang: our end does it
            os.close(fd)
        self._locks.clear()

    def _is_called_off(self) -> bool:
        return self._stop or self._cancel.reason is not None

    def _tell(self, fault: DriveFault) -> None:
        self._note(
            f"source {self._work.source.name}: {fault}; its records are taken from other copies, where these have them;"
            f" {fault.todo}"
        )

    # ---------------------------------------------------------------- volumes

    def _lock(self) -> Shelf:
        """Lock the folders of all volumes that may be read; what is left to read from. Raises SourceFault."""
        work = self._work
        closed = dict(work.closed)
        places = {v.id: v for v in work.known}
        wanted = {s.volume_id for link in work.links for copy in link.copies for s in copy.segments}
        folders: dict[Path, list[str]] = {}
        for volume in sorted(wanted - closed.keys()):
            place = places.get(volume)
            if place is not None and place.location is not None:
                folders.setdefault(Path(place.location).parent, []).append(volume)
        for folder, volumes in folders.items():
            try:
                self._locks.append(self._patience.ask(folder, places[volumes[0]].drive, partial(_locked, folder)))
            except HangingFault as fault:
                closed |= {v: f"volume {places[v].name}: {fault.message}" for v in volumes}
            except BlockingIOError:
                closed |= {v: f"volume {places[v].name}: another run writes the folder {folder}" for v in volumes}
            except OSError as error:
                closed |= {v: f"volume {places[v].name}: {folder}: {error.strerror}" for v in volumes}
        shelf = Shelf(work.known, closed=closed, patience=self._patience)
        for link in work.links:
            if lacks := missing_of(link, shelf):
                raise sources.fault(
                    work.source,
                    f"object {link.id} of session {link.number} cannot be read now: {lacks}",
                    todo="wait until no other run writes there, or bring the volume back, then run the plan again",
                )
        return shelf

    # ---------------------------------------------------------------- the thread

    def _run(self) -> None:
        """Merge to the end, and say how it ended before the pipe does."""
        try:
            self._ending = self._merge()
        except (_Stopped, CalledOff, BrokenPipeError):
            pass  # whoever stopped it knows why
        except Fault as fault:
            self._ending = Ending("failed", error=f"{fault.message}; {fault.todo}" if fault.todo else fault.message)
        except OSError as error:
            self._ending = Ending("failed", error=f"merging failed: {error.strerror or error}")
        except Exception as error:  # noqa: BLE001 - a thread has nobody above it: the run must hear of it
            self._ending = Ending("failed", error=unforeseen(error))
        finally:
            os.close(self._into)

    def _merge(self) -> Ending:
        merge = Merge(self._write)
        for link in reversed(self._work.links):
            try:
                self._link(merge, link)
                if merge.once_more:
                    self._link(merge, link)
            except (CannotMerge, Undecodable) as error:
                raise self._cannot(link, str(error)) from None
            except RecordLost as loss:
                raise self._cannot(link, f"{loss}") from None
        merge.finish()
        newest = self._work.newest
        return Ending("whole", newest.warnings, newest.unread)

    def _cannot(self, link: CatalogObject, why: str) -> RestoreFault:
        return RestoreFault(
            f"no full can be merged: object {link.id} of session {link.number}, {link.started}: {why}",
            place=Place(source=self._work.source.name),
            safe=_SAFE,
            todo=_FULL,
        )

    def _link(self, merge: Merge, link: CatalogObject) -> None:
        """Feed one object to *merge*: every record of it, each checked, in order."""
        reader = ObjectReader(link, preferred(link, self._shelf), self._shelf)
        into = memoryview(bytearray(RECORD_BYTES_MAX))
        plain = _Plain(merge)
        decoder: Decoder | None = None
        merge.begin(complete=link.level == "incremental" and not link.unread)
        try:
            if link.compress or link.encrypt:
                decoder = Decoder(
                    compress=link.compress,
                    encrypt=link.encrypt,
                    identities=self._work.identities,
                    write=plain,
                    block=BLOCK,
                )
            for header in reader.records(into):
                if self._is_called_off():
                    raise _Stopped
                payload = into[HEADER_BYTES : HEADER_BYTES + header.payload_bytes]
                if decoder is None:
                    merge.feed(payload)
                elif not decoder.feed(payload):
                    break
            if decoder is not None:
                ending, decoder = decoder, None
                ending.finish()
            if plain.error is not None:
                raise plain.error
            merge.end()
        finally:
            if decoder is not None:
                decoder.abandon()
            reader.close()
        mended = reader.mended
        if mended.count:
            more = f" (and {mended.count - 1} more)" if mended.count > 1 else ""
            self._note(f"source {self._work.source.name}: object {link.id}: {mended.notes[0]}{more}")

    def _write(self, data: memoryview | bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[os.write(self._into, left) :]


class _Stopped(Exception):
    pass


class _Plain:
    """Takes decoded bytes, perhaps on a decoder's own thread: what goes wrong is kept for the caller's."""

    def __init__(self, merge: Merge) -> None:
        self._merge = merge
        self.error: Exception | None = None

    def __call__(self, data: memoryview) -> bool:
        try:
            self._merge.feed(data)
        except Exception as error:  # noqa: BLE001 - raised again by the thread that reads
            self.error = error
            return False
        return True
