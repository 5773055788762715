"""The kinds of draft: which objects, from which drives, to where, and why. Pure functions from holdings to drafts."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .holdings import Held, HeldCopy, HeldDrive, Merged, Read, reads_of
from .text import Draft, Output, size_text


class NothingToDraft(Exception):
    """There is nothing to do; the message says why."""


@dataclass(frozen=True, slots=True)
class Holdings:
    """All whole objects, newest last, and the drives that hold copies (those whose folder is known), by name."""

    objects: tuple[Held, ...]
    drives: dict[str, HeldDrive]

    def on(self, drives: Sequence[str]) -> tuple[Held, ...]:
        """The objects of which one of *drives* has a stored copy."""
        return tuple(h for h in self.objects if any(h.on(drive) is not None for drive in drives))


@dataclass(frozen=True, slots=True)
class Drafted:
    """A draft, and what it had to leave out: each object with the reason."""

    draft: Draft
    left: tuple[tuple[Held, str], ...] = ()


def compact(holdings: Holdings, drives: Sequence[str], volumes: Sequence[str], outputs: Sequence[Output]) -> Drafted:
    """The objects that are still kept, from volumes of which most has expired, to few new ones.

    *drives* or *volumes* limit what is looked at; without either, every volume of which at least half has expired.
    """
    chosen = set(volumes) or {v for v in _volumes(holdings, drives) if _expired_share(holdings, v) >= 0.5}
    there = [h for h in _objects_of(holdings, chosen) if not drives or any(h.on(d) for d in drives)]
    wanted = [h for h in there if _kept_on(h, chosen)]
    away = _away(holdings, wanted, outputs, lambda c: c.kept and bool(chosen & set(c.volumes)))
    if not there:
        raise NothingToDraft("no volume holds more that has expired than what is kept")
    if not wanted and not away:
        raise NothingToDraft(
            f"nothing on {', '.join(sorted(chosen)[:6])} is kept any more: `tcc volume recycle` takes them back"
        )
    gone = sum(h.bytes for h in there if not _kept_on(h, chosen))
    why = (
        f"Compaction: what is still kept on {len(chosen)} volume(s), of which {size_text(gone)} has expired.",
        "When the copies are stored and verified, those volumes hold nothing that is needed.",
    )
    return _copied("compact", why, holdings, _only_volumes(wanted, chosen), outputs, away=away)


def refresh(holdings: Holdings, volumes: Sequence[str], outputs: Sequence[Output]) -> Drafted:
    """All whole objects of these volumes, to new ones; an object that spans volumes comes whole."""
    wanted = _objects_of(holdings, set(volumes))
    away = _away(holdings, wanted, outputs, lambda c: bool(set(volumes) & set(c.volumes)))
    if not wanted and not away:
        raise NothingToDraft(f"no whole object lies on {', '.join(volumes)}")
    why = (f"Refreshing: every whole object that {', '.join(volumes[:6])} holds, onto new media.",)
    return _copied("refresh", why, holdings, _only_volumes(wanted, set(volumes)), outputs, away=away)


def demultiplex(
    holdings: Holdings, drives: Sequence[str], sources: Sequence[str], outputs: Sequence[Output]
) -> Drafted:
    """Each object in one piece, one after another. *sources*: ``PLAN/SOURCE``, all where there are none."""
    wanted = [h for h in holdings.on(drives or tuple(holdings.drives)) if not sources or h.name in sources]
    if not wanted:
        raise NothingToDraft("no whole object is there to take apart")
    why = (
        "Demultiplexing: records of several objects lie mixed on the drives that are read; here each object is written",
        "in one piece, so that it comes back without reading over the others.",
    )
    return _copied("demultiplex", why, holdings, wanted, outputs, only=drives)


def chain(holdings: Holdings, source: str, outputs: Sequence[Output]) -> Drafted:
    """The newest full object of *source* (``PLAN/SOURCE``) and the incrementals behind it, in restore order."""
    its = [h for h in holdings.objects if h.name == source]
    lines = [line for line in (_newest_chain(its), _newest_chain(its, parents_only=True)) if line]
    # One drive that holds all of it is read in one pass.
    links = next((line for line in lines if any(all(h.on(d) for h in line) for d in holdings.drives)), None)
    links = links or next(iter(lines), None)
    if not links:
        raise NothingToDraft(f"{source} has no whole full object")
    why = (
        f"Restore chain: the newest full object of {source} and the {len(links) - 1} incremental(s) behind it, oldest",
        "first, in one piece each: a restore reads them in one pass.",
    )
    return _copied("chain", why, holdings, links, outputs, as_listed=True)


def consolidate(
    holdings: Holdings,
    sources: Sequence[str],
    outputs: Sequence[Output],
    *,
    as_of: str | None = None,
    said: Callable[[Held], tuple[tuple[str, str], ...]] = lambda _: (),
) -> Drafted:
    """A full of each of *sources* (``PLAN/SOURCE``), merged from its chain; no source is read.

    *as_of*: a moment as sessions bear it; only those that started by then count. *said*: what the source says beyond
    its chain, for the object that the full will stand for.
    """
    never = {output.drive.name for output in outputs}
    merges: list[Merged] = []
    left: list[tuple[Held, str]] = []
    why_not: list[str] = []
    for source in dict.fromkeys(sources):
        its = [h for h in holdings.objects if h.name == source and h.kind == "files"]
        then = [h for h in its if as_of is None or h.started <= as_of]
        if not then:
            when = f" up to {as_of}" if as_of else ""
            why_not.append(f"{source} has no whole object of files{when}")
            continue
        newest = then[-1]
        if newest.level == "full":
            what = "a full is" if newest.parent is None else "a full that was merged from its chain is"
            drives = ", ".join(copy.drive for copy in newest.copies) or "no drive that is at hand"
            why_not.append(f"{source} of {newest.started}: {what} there already, on {drives}")
            continue
        read = [dataclasses.replace(h, copies=tuple(c for c in h.copies if c.drive not in never)) for h in its]
        links = line_of(next(h for h in read if h.id == newest.id), read)
        lacking = next((h for h in links if not h.copies), None)
        if not links or lacking is not None:
            what = "its chain is broken" if lacking is None else f"no drive that can be read holds {lacking.id}"
            left.append((newest, what))
            continue
        merges.append(Merged(tuple(links), said(newest)))
    if not merges:
        raise NothingToDraft("; ".join([*why_not, *(f"{h.name} of {h.started}: {why}" for h, why in left)][:5]))
    links_count = sum(len(merge.links) for merge in merges)
    why = (
        f"Consolidation: {', '.join(m.newest.name for m in merges[:6])} as full objects, each merged from its chain:"
        f" {links_count} objects, {size_text(sum(h.bytes for m in merges for h in m.links))}. No source is read.",
        "A full that is made so stands for the newest object of its chain: it bears that one's session.",
    )
    return Drafted(Draft("consolidate", why, (), tuple(outputs), merges=tuple(merges)), tuple(left))


def migrate(holdings: Holdings, drives: Sequence[str], outputs: Sequence[Output]) -> Drafted:
    """All whole objects of these drives to other drives, pools or media."""
    wanted = holdings.on(drives)
    away = _away(holdings, wanted, outputs, lambda c: c.drive in drives)
    if not wanted and not away:
        raise NothingToDraft(f"no whole object lies on {', '.join(drives)}")
    why = (f"Migration: every whole object of {', '.join(drives)}.",)
    return _copied("migrate", why, holdings, wanted, outputs, only=drives, away=away)


_CATCH_UP = (
    "Catching up: copies that are missing since a drive failed or a run was cut off, from those that survived.",
    "No source is read again; what a drive holds already is skipped.",
)
_REPAIR = (
    "Repair: copies of which records are damaged or gone, once more, each record from a copy that is sound.",
    "Run it with `tcc run FILE --again`: as far as the catalog knows, the drives that it writes hold these objects.",
)


def catch_up(holdings: Holdings, session: str | None = None) -> Drafted:
    """What a degraded run left missing, from the surviving copies. *session*: only objects of that one (identifier).

    Kept objects only: what has expired is not copied any more.
    """
    return _bring_back("catch-up", _CATCH_UP, holdings, session)


def repair(holdings: Holdings) -> Drafted:
    """What a verification found damaged or gone: ``lacking`` of *holdings* says where, ``copies`` what is sound."""
    return _bring_back("repair", _REPAIR, holdings, None)


def _bring_back(name: str, why: tuple[str, ...], holdings: Holdings, session: str | None) -> Drafted:
    lacking = [h for h in holdings.objects if h.lacking and h.copies and h.kept]
    if session is not None:
        lacking = [h for h in lacking if h.session == session]
    written = sorted({drive for h in lacking for drive in h.lacking})
    unknown = [drive for drive in written if drive not in holdings.drives]
    left: list[tuple[Held, str]] = [
        (h, f"where the volumes of drive {d} lie is not known: name its plan with --plan")
        for h in lacking
        for d in h.lacking
        if d in unknown
    ]
    # One drive is not both read and written in one plan (TC307): drives that can be caught up together come first.
    targets: list[str] = []
    for drive in sorted(set(written) - set(unknown), key=lambda d: (-sum(d in h.lacking for h in lacking), d)):
        others = [h for h in lacking if drive in h.lacking]
        never = frozenset([*targets, drive])
        if all(
            any(c.drive not in never for c in h.copies) for t in (*targets, drive) for h in lacking if t in h.lacking
        ):
            targets.append(drive)
        else:
            left += [(h, f"drive {drive} is needed to read for another: draft again after this run") for h in others]
    if not targets:
        if left:
            raise NothingToDraft(f"{left[0][0].name}: {left[0][1]}")
        raise NothingToDraft("no copy is missing")
    parts = {drive: [h for h in lacking if drive in h.lacking] for drive in targets}
    wanted = {h.id: h for its in parts.values() for h in its}
    reads, without = reads_of(wanted.values(), holdings.objects, holdings.drives, never=frozenset(targets))
    left += [(h, "no drive that holds it can be read") for h in without]
    draft = Draft(
        name,
        (*why, *_said(reads)),
        tuple(dataclasses.replace(read, everything=False) for read in reads),
        tuple(Output(holdings.drives[drive], only=frozenset(h.id for h in its)) for drive, its in parts.items()),
    )
    return Drafted(draft, tuple(left))


def restore(holdings: Holdings, sources: Sequence[str], folder: str) -> Drafted:
    """A recovery plan: the newest whole object of each source, from the best copies, with the fewest volumes."""
    wanted, left = [], []
    chains: dict[str, list[tuple[Held, ...]]] = {}
    for source in dict.fromkeys(sources):
        its = [h for h in holdings.objects if h.name == source]
        if not its:
            raise NothingToDraft(f"{source} has no whole object")
        if its[-1].level == "full":
            wanted.append(its[-1])
            continue
        lines = [tuple(_newest_chain(its)), tuple(_newest_chain(its, parents_only=True))]
        whole = [
            (len({v for h in line for c in [h.on(d)] if c for v in c.volumes}), d, line)
            for line in lines
            for d in holdings.drives
            if line and line[-1] is its[-1] and all(h.on(d) for h in line)
        ]
        if whole:
            _, drive, links = min(whole, key=lambda found: found[:2])
            chains.setdefault(drive, []).append(links)
        else:
            left.append((its[-1], "no one drive holds its whole chain: `tcc restore` takes it from several"))
    reads, without = reads_of(wanted, holdings.objects, holdings.drives, never=frozenset())
    left += [(h, "no drive that holds it can be read") for h in without]
    reads = _with_chains(reads, chains, holdings)
    if not reads:
        raise NothingToDraft(f"{left[0][0].name}: {left[0][1]}")
    why = (f"Recovery: the newest whole object of {', '.join(sources[:6])}, below {folder}.",)
    draft = Draft(
        "recover",
        (*why, *_said(reads)),
        tuple(dataclasses.replace(read, everything=False) for read in reads),
        folder=folder,
    )
    return Drafted(draft, tuple(left))


def _with_chains(
    reads: Sequence[Read], chains: dict[str, list[tuple[Held, ...]]], holdings: Holdings
) -> tuple[Read, ...]:
    """*reads*, each drive with the chains that are taken from it."""
    known = {read.drive.name: read for read in reads}
    for drive, its in chains.items():
        read = known.get(drive) or Read(holdings.drives[drive], ())
        known[drive] = dataclasses.replace(read, chains=tuple(its))
    return tuple(known.values())


def _copied(
    name: str,
    why: tuple[str, ...],
    holdings: Holdings,
    wanted: Sequence[Held],
    outputs: Sequence[Output],
    *,
    only: Sequence[str] = (),
    as_listed: bool = False,
    away: Sequence[tuple[Held, str]] = (),
) -> Drafted:
    """A draft that copies *wanted* to the first output, from there to the next, and so on.

    *away*: what belongs to it and cannot be read now, with the reason.
    """
    never = frozenset(output.drive.name for output in outputs)
    drives = {n: d for n, d in holdings.drives.items() if not only or n in only}
    missing = [h for h in wanted if any(h.on(output.drive.name) is None for output in outputs)]
    if not missing and away:
        raise NothingToDraft("; ".join(f"{h.name} of {h.started}: {why}" for h, why in away[:5]))
    if not missing:
        raise NothingToDraft(f"{', '.join(sorted(never))} holds all of it already")
    reads, left = reads_of(missing, holdings.objects, drives, never=never)
    if not reads:
        raise NothingToDraft("no drive that holds the objects can be read while it is written: name another drive")
    if as_listed:
        place = {h.id: n for n, h in enumerate(wanted)}
        reads = tuple(
            Read(read.drive, tuple(sorted(read.objects, key=lambda h: place[h.id])))
            for read in sorted(reads, key=lambda r: min(place[h.id] for h in r.objects))
        )
    draft = Draft(name, (*why, *_said(reads)), reads, tuple(outputs))
    return Drafted(draft, (*away, *((h, "no drive that holds it can be read") for h in left)))


def _away(
    holdings: Holdings, wanted: Sequence[Held], outputs: Sequence[Output], meant: Callable[[HeldCopy], bool]
) -> tuple[tuple[Held, str], ...]:
    """The objects beside *wanted* of which only a copy that is not at hand is meant: the draft is to name them."""
    here = {held.id for held in wanted}
    left = []
    for held in holdings.objects:
        copy = next((c for c in held.away if meant(c)), None)
        if copy is not None and held.id not in here and any(held.on(o.drive.name) is None for o in outputs):
            left.append((held, f"not all volumes of its copy on drive {copy.drive} are at hand"))
    return tuple(left)


def _said(reads: Sequence[Read]) -> tuple[str, ...]:
    objects = [h for read in reads for h in read.all]
    volumes = sum(len(read.volumes) for read in reads)
    total = size_text(sum(h.bytes for h in objects))
    return (f"It reads {len(objects)} object(s), {total}, from {volumes} volume(s) of {len(reads)} drive(s).",)


def _volumes(holdings: Holdings, drives: Sequence[str]) -> set[str]:
    return {v for h in holdings.objects for c in h.copies if not drives or c.drive in drives for v in c.volumes}


def _expired_share(holdings: Holdings, volume: str) -> float:
    there = _objects_of(holdings, {volume})
    total = sum(h.bytes for h in there)
    return sum(h.bytes for h in there if not _kept_on(h, {volume})) / total if total else 0.0


def _kept_on(held: Held, volumes: set[str]) -> bool:
    """Whether the retention of these volumes' pools still wants the object."""
    return any(copy.kept for copy in held.copies if volumes & set(copy.volumes))


def _objects_of(holdings: Holdings, volumes: set[str]) -> list[Held]:
    return [h for h in holdings.objects if any(volumes & set(c.volumes) for c in h.copies)]


def _only_volumes(objects: Sequence[Held], volumes: set[str]) -> list[Held]:
    """The objects with only those copies that lie on *volumes*: these are what is to be read, and left."""

    def here(held: Held) -> Held:
        return dataclasses.replace(held, copies=tuple(c for c in held.copies if volumes & set(c.volumes)))

    return [here(held) for held in objects]


def _newest_chain(objects: Sequence[Held], *, parents_only: bool = False) -> list[Held]:
    """The newest object and what is below it down to a full one, oldest first; empty where a link lacks.

    A full that stands for a parent is taken in its place, save where *parents_only*.
    """
    for newest in reversed(objects):
        if line := line_of(newest, objects, parents_only=parents_only):
            return line
    return []


def line_of(newest: Held, objects: Sequence[Held], *, parents_only: bool = False) -> list[Held]:
    """The objects that bring *newest* back, a full first; empty where one lacks."""
    known = {h.id: h for h in objects}
    if not parents_only:
        known |= {h.parent: h for h in objects if h.level == "full" and h.parent is not None and h.copies}
    line = [newest]
    while line[-1].level != "full":
        below = known.get(line[-1].parent or "")
        if below is None or len(line) > len(objects):
            return []
        line.append(below)
    return line[::-1]
