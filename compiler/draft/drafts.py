"""The kinds of draft: which objects, from which drives, to where, and why. Pure functions from holdings to drafts."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from .holdings import Held, HeldCopy, Merged, Read, reads_of
from .outcome import Drafted, Gathered, Holdings, NothingToDraft, gather, why_unread
from .text import Draft, Output, size_text


def compact(holdings: Holdings, drives: Sequence[str], volumes: Sequence[str], outputs: Sequence[Output]) -> Drafted:
    """The objects that are still kept, from volumes of which most has expired, to few new ones.

    *drives* or *volumes* limit what is looked at; without either, every volume of which at least half has expired.
    """
    chosen = set(volumes) or {v for v in _volumes(holdings, drives) if _expired_share(holdings, v) >= 0.5}

    def there(copy: HeldCopy) -> bool:
        return bool(chosen & set(copy.volumes)) and (not drives or copy.drive in drives)

    every = [h for h in holdings.objects if any(there(c) for c in (*h.copies, *h.away, *h.stray))]
    if not every:
        raise NothingToDraft("no volume holds more that has expired than what is kept")
    kept = [h for h in every if any(there(c) and c.kept for c in (*h.copies, *h.away, *h.stray))]
    if not kept:
        raise NothingToDraft(
            f"nothing on {', '.join(sorted(chosen)[:6])} is kept any more: `tcc volume recycle` takes them back"
        )
    gathered = gather(holdings, lambda c: c.kept and there(c), outputs, strays=True)
    gone = sum(h.bytes for h in every) - sum(h.bytes for h in kept)
    why = (
        f"Compaction: what is still kept on {len(chosen)} volume(s), of which {size_text(gone)} has expired.",
        "What could not be read now is left out (the draft said what): those volumes are still needed."
        if gathered.left
        else "When the copies are stored and verified, those volumes may go (docs/volumes.md: taking a medium away).",
    )
    behind = holdings.behind(lambda u: u.volume in chosen or (u.drive in drives or not (drives or volumes)))
    return _copied("compact", why, holdings, gathered, outputs, missing=behind)


def refresh(holdings: Holdings, volumes: Sequence[str], outputs: Sequence[Output]) -> Drafted:
    """All whole objects of these volumes, to new ones; an object that spans volumes comes whole.

    Where a volume is not at hand its objects come from other copies.
    """
    meant = set(volumes)
    gathered = gather(holdings, lambda c: bool(meant & set(c.volumes)), outputs, strays=True)
    held = {v for h in holdings.objects for c in (*h.copies, *h.away, *h.stray) for v in c.volumes}
    notes = tuple(f"volume {name} holds no whole object" for name in volumes if name not in held)
    behind = holdings.behind(lambda u: u.volume in meant)
    if len(notes) == len(volumes):
        raise NothingToDraft("; ".join((f"no whole object lies on {', '.join(volumes)}", *behind)))
    why = (f"Refreshing: every whole object that {', '.join(volumes[:6])} holds, onto new media.",)
    return _copied("refresh", why, holdings, gathered, outputs, missing=behind, notes=notes)


def demultiplex(
    holdings: Holdings, drives: Sequence[str], sources: Sequence[str], outputs: Sequence[Output]
) -> Drafted:
    """Each object in one piece, one after another. *sources*: ``PLAN/SOURCE``, all where there are none."""
    gathered = gather(_of(holdings, sources), lambda c: not drives or c.drive in drives, outputs, others=False)
    if gathered == _NOTHING:
        raise NothingToDraft("no whole object is there to take apart")
    why = (
        "Demultiplexing: records of several objects lie mixed on the drives that are read; here each object is written",
        "in one piece, so that it comes back without reading over the others.",
    )
    missing = (*_without_objects(holdings, sources), *holdings.behind(lambda u: u.drive in drives or not drives))
    return _copied("demultiplex", why, holdings, gathered, outputs, missing=missing)


def chain(holdings: Holdings, source: str, outputs: Sequence[Output]) -> Drafted:
    """The newest full object of *source* (``PLAN/SOURCE``) and the incrementals behind it, in restore order."""
    its = [h for h in holdings.objects if h.name == source]
    lines = [line for line in (_newest_chain(its), _newest_chain(its, parents_only=True)) if line]
    written = {output.drive.name for output in outputs}
    # One drive that holds all of it is read in one pass; else whatever can be read.
    links = next((line for line in lines if any(all(h.on(d) for h in line) for d in holdings.drives)), None)
    links = links or next((x for x in lines if all(any(c.drive not in written for c in h.copies) for h in x)), None)
    links = links or next(iter(lines), None)
    if not links:
        raise NothingToDraft(f"{source} has no whole full object")
    why = (
        f"Restore chain: the newest full object of {source} and the {len(links) - 1} incremental(s) behind it, oldest",
        "first, in one piece each: a restore reads them in one pass.",
    )
    line = dataclasses.replace(holdings, objects=tuple(links))
    return _copied("chain", why, holdings, gather(line, lambda _: True, outputs), outputs, as_listed=True)


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
    missing: list[str] = []
    notes: list[str] = []
    for source in dict.fromkeys(sources):
        its = [h for h in holdings.objects if h.name == source and h.kind == "files"]
        then = [h for h in its if as_of is None or h.started <= as_of]
        if not then:
            when = f" up to {as_of}" if as_of else ""
            missing.append(f"{source} has no whole object of files{when}")
            continue
        newest = then[-1]
        if newest.level == "full":
            what = "a full is" if newest.parent is None else "a full that was merged from its chain is"
            drives = ", ".join(copy.drive for copy in newest.copies) or "no drive that is at hand"
            (notes if newest.copies else missing).append(
                f"{source} of {newest.started}: {what} there already, on {drives}"
            )
            continue
        read = [dataclasses.replace(h, copies=tuple(c for c in h.copies if c.drive not in never)) for h in its]
        links = line_of(next(h for h in read if h.id == newest.id), read)
        lacking = next((h for h in links if not h.copies), None)
        if not links or lacking is not None:
            what = "its chain is broken: an object that it builds on is not whole any more"
            if lacking is not None:
                link = "" if lacking.id == newest.id else f"of its chain, the object of {lacking.started}: "
                what = link + why_unread(next(h for h in its if h.id == lacking.id), never)
            left.append((newest, what))
            continue
        merges.append(Merged(tuple(links), said(newest), _reading_rate(links, holdings)))
    if not merges:
        reasons = [*missing, *notes, *(f"{h.name} of {h.started}: {reason}" for h, reason in left)]
        raise NothingToDraft("; ".join(reasons[:5]), tuple(left))
    links_count = sum(len(merge.links) for merge in merges)
    why = (
        f"Consolidation: {', '.join(m.newest.name for m in merges[:6])} as full objects, each merged from its chain:"
        f" {links_count} objects, {size_text(sum(h.bytes for m in merges for h in m.links))}. No source is read.",
        "A full that is made so stands for the newest object of its chain: it bears that one's session.",
    )
    draft = Draft("consolidate", why, (), tuple(outputs), merges=tuple(merges))
    return Drafted(draft, tuple(left), tuple(missing), tuple(notes))


def _reading_rate(links: Sequence[Held], holdings: Holdings) -> int | None:
    """How fast *links* are read one after another, each from the fastest drive that has it, as slow as that may be."""
    seconds = 0.0
    for held in links:
        rates = [holdings.drives[copy.drive].rate for copy in held.copies]
        slowest = max((rate[0] for rate in rates if rate is not None), default=0)
        if not slowest:
            return None
        seconds += held.bytes / slowest
    return int(sum(held.bytes for held in links) / seconds) or None if seconds else None


def migrate(holdings: Holdings, drives: Sequence[str], outputs: Sequence[Output]) -> Drafted:
    """All whole objects of these drives to other drives, pools or media."""
    gathered = gather(holdings, lambda c: c.drive in drives, outputs)
    behind = holdings.behind(lambda u: u.drive in drives)
    if gathered == _NOTHING:
        raise NothingToDraft("; ".join((f"no whole object lies on {', '.join(drives)}", *behind)))
    why = (f"Migration: every whole object of {', '.join(drives)}.",)
    return _copied("migrate", why, holdings, gathered, outputs, missing=behind)


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
    lacking = [h for h in holdings.objects if h.lacking and h.kept and session in (None, h.session)]
    away = [(h, why_unread(h, ())) for h in lacking if not h.copies]
    lacking = [h for h in lacking if h.copies]
    written = sorted({drive for h in lacking for drive in h.lacking})
    unknown = [drive for drive in written if drive not in holdings.drives]
    left: list[tuple[Held, str]] = [
        (h, f"where the volumes of drive {d} lie is not known: name its plan with --plan")
        for h in lacking
        for d in h.lacking
        if d in unknown
    ] + away
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
            raise NothingToDraft("; ".join(f"{h.name} of {h.started}: {reason}" for h, reason in left[:5]), tuple(left))
        raise NothingToDraft("no copy is missing")
    parts = {drive: [h for h in lacking if drive in h.lacking] for drive in targets}
    wanted = {h.id: h for its in parts.values() for h in its}
    reads, without = reads_of(wanted.values(), holdings.objects, holdings.drives, never=frozenset(targets))
    left += [(h, why_unread(h, targets)) for h in without]
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
    missing = _without_objects(holdings, sources)
    for source in dict.fromkeys(sources):
        its = [h for h in holdings.objects if h.name == source]
        if not its:
            continue
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
            left.append((its[-1], _why_no_chain(lines, its[-1])))
    reads, without = reads_of(wanted, holdings.objects, holdings.drives, never=frozenset())
    left += [(h, why_unread(h, ())) for h in without]
    reads = _with_chains(reads, chains, holdings)
    if not reads:
        reasons = [*missing, *(f"{h.name} of {h.started}: {reason}" for h, reason in left)]
        raise NothingToDraft("; ".join(reasons[:5]), tuple(left))
    why = (f"Recovery: the newest whole object of {', '.join(sources[:6])}, below {folder}.",)
    draft = Draft(
        "recover",
        (*why, *_said(reads)),
        tuple(dataclasses.replace(read, everything=False) for read in reads),
        folder=folder,
    )
    return Drafted(draft, tuple(left), missing)


def _why_no_chain(lines: Sequence[tuple[Held, ...]], newest: Held) -> str:
    """Why no one drive brings the chain of *newest* back."""
    line = next((line for line in lines if line and line[-1] is newest), None)
    if line is None:
        return "its chain is broken: an object that it builds on is not whole any more"
    away = next((h for h in line if not h.copies), None)
    if away is not None:
        link = "" if away is newest else f"of its chain, the object of {away.started}: "
        return link + why_unread(away, ())
    return "no one drive holds its whole chain: `tcc restore` takes it from several"


def _with_chains(
    reads: Sequence[Read], chains: dict[str, list[tuple[Held, ...]]], holdings: Holdings
) -> tuple[Read, ...]:
    """*reads*, each drive with the chains that are taken from it."""
    known = {read.drive.name: read for read in reads}
    for drive, its in chains.items():
        read = known.get(drive) or Read(holdings.drives[drive], ())
        known[drive] = dataclasses.replace(read, chains=tuple(its))
    return tuple(known.values())


#: What is gathered where nothing that is meant is known.
_NOTHING = Gathered((), (), 0, 0)


def _copied(
    name: str,
    why: tuple[str, ...],
    holdings: Holdings,
    gathered: Gathered,
    outputs: Sequence[Output],
    *,
    as_listed: bool = False,
    missing: tuple[str, ...] = (),
    notes: tuple[str, ...] = (),
) -> Drafted:
    """A draft that copies what is *gathered* to the first output, from there to the next, and so on."""
    never = frozenset(output.drive.name for output in outputs)
    if not gathered.wanted and gathered.left:
        reasons = "; ".join(f"{h.name} of {h.started}: {reason}" for h, reason in gathered.left[:5])
        raise NothingToDraft(reasons, gathered.left)
    if not gathered.wanted:
        raise NothingToDraft("; ".join((f"{', '.join(sorted(never))} holds all of it already", *missing)))
    reads, without = reads_of(gathered.wanted, holdings.objects, holdings.drives, never=never)
    left = (*gathered.left, *((h, why_unread(h, never)) for h in without))
    if not reads:
        raise NothingToDraft("; ".join(f"{h.name}: {reason}" for h, reason in left[:5]), left)
    if as_listed:
        place = {h.id: n for n, h in enumerate(gathered.wanted)}
        reads = tuple(
            Read(read.drive, tuple(sorted(read.objects, key=lambda h: place[h.id])))
            for read in sorted(reads, key=lambda r: min(place[h.id] for h in r.objects))
        )
    instead = (
        (f"{gathered.instead} object(s) come from other copies: those meant are not at hand, or on a drive it writes.",)
        if gathered.instead
        else ()
    )
    draft = Draft(name, (*why, *instead, *_said(reads)), reads, tuple(outputs))
    return Drafted(draft, left, missing, (*notes, *instead))


def _of(holdings: Holdings, sources: Sequence[str]) -> Holdings:
    """The objects of these sources (``PLAN/SOURCE``), or all where none are named."""
    its = tuple(h for h in holdings.objects if not sources or h.name in sources)
    return dataclasses.replace(holdings, objects=its)


def _without_objects(holdings: Holdings, sources: Sequence[str]) -> tuple[str, ...]:
    known = {h.name for h in holdings.objects}
    return tuple(f"{source} has no whole object" for source in dict.fromkeys(sources) if source not in known)


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
