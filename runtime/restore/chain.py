"""Chains: a full object and the incrementals that follow it, restored one after the other, deletions included.

Everything below the target was put there by the chain itself, so that a deletion can only meet what this restore made:
where the target holds something already, the chain is restored into a folder of its own below it, whose content is then
moved to its places (``merge``).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Protocol

from ..catalog.queries import CatalogObject
from ..faults import Place, RestoreFault
from ..media.ids import new_id
from ..members.lists import MemberList
from .changes import Changes
from .folder import TargetFolder, open_target
from .merge import merge
from .reading import ObjectReader
from .restore import Progress, Reading, Restored, check_identities, pump_object, sink_for
from .select import lack_of, missing_of
from .selection import Selection
from .shelf import Shelf
from .sinks import GapSink


class Known(Protocol):
    """A catalog as this asks it."""

    def objects(self, *, plan: str, source: str) -> list[CatalogObject]:
        """The objects of the source, newest first."""


def chain_of(
    catalog: Known, item: CatalogObject, shelf: Shelf | None, *, parents_only: bool = False
) -> tuple[CatalogObject, ...]:
    """The objects that bring *item* back: a full first, itself last.

    A full that stands for one of its parents (:func:`stand_ins`) begins it, so that the chain is shorter, and a parent
    that is lost costs nothing; with *parents_only* the chain is that of the parents themselves, while they are there:
    retention lets them go where a full stands for them. Raises RestoreFault
    where one of them is not known, not whole or not at hand, and says which object of the source is the newest that can
    be restored instead. Without a *shelf* none need be at hand.
    """
    if item.level == "full":
        return (item,)
    known = {o.id: o for o in catalog.objects(plan=item.plan, source=item.source)}
    instead_of = stand_ins(known.values(), shelf)
    # Lists of members are there, or are made, for a chain's own objects first: what stands for them may not be at hand.
    found = _follow(known, item, shelf, {} if shelf is None or parents_only else instead_of)
    if isinstance(found, str):
        found = _follow(known, item, shelf, instead_of)
    if not isinstance(found, str):
        return found
    instead = None
    for older in sorted(known.values(), key=lambda o: (o.number, o.started), reverse=True):
        if (older.number, older.started) >= (item.number, item.started) or older.status != "whole":
            continue
        there = shelf is None or not missing_of(older, shelf)
        if there and not isinstance(_follow(known, older, shelf, instead_of), str):
            instead = older
            break
    raise RestoreFault(
        f"it is incremental, and its chain is broken: {found}",
        place=Place(source=item.source, object_id=item.id),
        safe="nothing was written",
        todo=f"it can be restored up to session {instead.number} of {instead.started}: --object {instead.id}"
        if instead is not None
        else "bring the volume that lacks back to its place, or name its folder with --from; no older object is left",
    )


def stand_ins(objects: Iterable[CatalogObject], shelf: Shelf | None) -> dict[str, list[CatalogObject]]:
    """Object → the fulls that stand for it, whole and at hand: merged from its chain, they hold the same tree.

    A full's parent is the object that it stands for (docs/format.md). *objects*: of one source.
    """
    found: dict[str, list[CatalogObject]] = {}
    for item in objects:
        if item.level != "full" or item.parent is None or item.status != "whole":
            continue
        if any(c.segments for c in item.copies) if shelf is None else not missing_of(item, shelf):
            found.setdefault(item.parent, []).append(item)
    return found


def _follow(
    known: Mapping[str, CatalogObject],
    item: CatalogObject,
    shelf: Shelf | None,
    instead_of: Mapping[str, Sequence[CatalogObject]],
) -> tuple[CatalogObject, ...] | str:
    """The chain below *item*, or what is amiss with it."""
    chain = [item]
    seen = {item.id}
    while chain[-1].level != "full":
        parent = chain[-1].parent
        if parent is None or parent in seen:
            return f"object {chain[-1].id} leads to no full one"
        if parent in instead_of:
            chain.append(instead_of[parent][0])
            break
        link = known.get(parent)
        if link is None:
            return f"object {parent}, which {chain[-1].id} builds on, is not known"
        if link.status != "whole":
            return f"object {parent} of session {link.number} is {link.status}: {lack_of(link)}"
        if shelf is not None and (lacks := missing_of(link, shelf)):
            return f"object {parent} of session {link.number} is not at hand: {lacks}"
        seen.add(parent)
        chain.append(link)
    return tuple(reversed(chain))


def restore_chain(
    readings: Sequence[Reading],
    shelf: Shelf,
    to: Path,
    *,
    overwrite: bool,
    progress: Progress | None = None,
    identities: Sequence[Any] = (),
    keep_damaged: bool = False,
) -> Restored:
    """Restore the objects of *readings*, a full first, into the folder *to*, as the last of them saw its source.

    Raises as ``restore`` does. When records of one of them are lost everywhere, the result says which session is the
    newest whose state comes back whole.
    """
    for reading in readings:
        check_identities(reading, shelf, identities, words=True)
    return into(
        to,
        overwrite=overwrite,
        work=lambda folder: _one_by_one(readings, shelf, folder, progress, identities, keep_damaged),
    )


def into(to: Path, *, overwrite: bool, work: Callable[[TargetFolder], Restored]) -> Restored:
    """Let *work* restore into the folder *to*; where that holds something, beside it, to be moved to its places then.

    Raises RestoreFault, as *work* does.
    """
    with open_target(to, overwrite=overwrite) as folder:
        if folder.fresh:
            return work(folder)
        name = f".tcc-restore-{new_id()}"
        try:
            os.mkdir(name, 0o700, dir_fd=folder.fd)
        except OSError as error:
            raise RestoreFault(f"the folder {to} cannot be written: {error.strerror}") from None
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        with TargetFolder(to / name, os.open(name, flags, dir_fd=folder.fd), fresh=True) as apart:
            result = work(apart)
            problems = merge(apart, folder)
        try:
            os.rmdir(name, dir_fd=folder.fd)
        except OSError:
            problems = (*problems, f"what could not be put in its place lies in {to / name}")
    status = "degraded" if problems and result.status == "ok" else result.status
    return replace(result, status=status, place=to, problems=(*result.problems, *problems))


def pump_link(  # noqa: PLR0917 - two callers, which name all of it
    reading: Reading,
    sink: GapSink,
    place: TargetFolder,
    shelf: Shelf,
    progress: Progress | None,
    before: int,
    only: Selection | None = None,
    members: MemberList | None = None,
) -> Restored:
    """Pump one object of a chain into *sink*, abandoned if that fails. *before*: bytes read of earlier ones."""

    def step(count: int) -> None:
        if progress is not None:
            progress(before + count)

    reader = ObjectReader(reading.object, reading.copies, shelf)
    try:
        return pump_object(reading, reader, sink, place, shelf, only, members, step)
    finally:
        reader.close()


def _one_by_one(  # noqa: PLR0917 - two calls
    readings: Sequence[Reading],
    shelf: Shelf,
    folder: TargetFolder,
    progress: Progress | None,
    identities: Sequence[Any],
    keep_damaged: bool,
) -> Restored:
    done: list[Restored] = []
    removed = read = 0
    for reading in readings:
        changes = Changes(folder, complete=not reading.object.unread) if done else None
        place = TargetFolder(folder.path, folder.fd, fresh=not done)
        sink = sink_for(
            reading.object, place, identities, keep_damaged=keep_damaged, changes=changes, folders=bool(done)
        )
        done.append(pump_link(reading, sink, place, shelf, progress, read))
        removed += changes.removed if changes is not None else 0
        read += reading.bytes
        if done[-1].cut:
            break
    last = done[-1]
    status: Literal["ok", "degraded", "failed"] = next((r.status for r in done if r.status != "ok"), "ok")
    problems = tuple(problem for result in done for problem in result.problems)
    if status == "failed" and (len(done) > 1 or not last.cut):
        status = "degraded"
    broken = next((n for n, result in enumerate(done) if result.lossy or result.cut), None)
    if broken is not None:
        problems += (_what_is_there(readings, broken, cut=last.cut),)
    notes: tuple[str, ...] = ()
    if removed:
        what = "one file or folder that was" if removed == 1 else f"{removed} files and folders that were"
        notes = (f"{what} deleted meanwhile {'was' if removed == 1 else 'were'} removed again",)
    whole = together(done)
    return replace(
        whole,
        object=readings[-1].object,
        status=status,
        problems=problems,
        notes=(*whole.notes, *notes),
        lossy=broken is not None,
        cut=last.cut,
    )


def together(done: Sequence[Restored]) -> Restored:
    """Several results as one: of the last object, with the sums and all that was said."""
    states = {result.status for result in done}
    return replace(
        done[-1],
        status=states.pop() if len(states) == 1 else "degraded",
        bytes=sum(result.bytes for result in done),
        records=sum(result.records for result in done),
        problems=tuple(problem for result in done for problem in result.problems),
        notes=tuple(note for result in done for note in result.notes),
        mended=sum(result.mended for result in done),
        mended_notes=tuple(note for result in done for note in result.mended_notes),
        read_bytes=sum(result.read_bytes for result in done),
    )


def _what_is_there(readings: Sequence[Reading], broken: int, *, cut: bool) -> str:
    """What a chain came to of which object number *broken* lacks something."""
    item = readings[broken].object
    how = "the chain ends within" if cut else "something lacks in"
    where = f"{how} object {item.id} of session {item.number}"
    if broken == 0:
        return f"{where}, the full one: no state of this chain comes back whole"
    good = readings[broken - 1].object
    return (
        f"{where}: the newest state that comes back whole is that of session {good.number} of {good.started}:"
        f" restore --object {good.id} into an empty folder"
    )
