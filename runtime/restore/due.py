"""What should exist and does not: a plan's sources without a good session in their window, and copies that lack.

A pure function of the compiled plan, the objects that the catalog knows, and the clock. The media are not asked here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

from ..catalog.queries import CatalogObject
from ..catalog.settle import RECYCLED
from ..frozen import frozen
from ..media.times import text_of
from ..plan import CompiledPlan
from ..schedule import longest_gap

#: A copy that was recycled lacks nowhere: nobody wants it any more.
_KEPT: Final = frozenset({"stored", RECYCLED})


@frozen
class Due:
    """``absent``: what lacks and is a fault; ``notes``: what is worth knowing and the catalog has known before."""

    absent: tuple[str, ...]
    notes: tuple[str, ...]


def age_allowed(plan: CompiledPlan) -> float | None:
    """How old the newest whole object of each source may be, in seconds; None where the plan does not say.

    The longest distance between two elapses of its ``schedule``, and its ``window`` for the run to end (half the
    distance, where it states none).
    """
    gap = longest_gap(plan.schedule) if plan.schedule is not None else None
    return None if gap is None else gap + (plan.window if plan.window is not None else gap / 2)


def due(
    plan: CompiledPlan,
    objects: Sequence[CatalogObject],
    *,
    now: float,
    allowed: float | None,
    only: Collection[str] | None = None,
) -> Due:
    """What of *plan*'s sources should be stored and is not. *objects*: newest session first, of all plans.

    *allowed*: as :func:`age_allowed`; where it is None no age is a fault. *only*: names of sources, all where None.
    """
    meant = _meant(plan)
    absent: list[str] = []
    notes: list[str] = []
    by_id = {item.id: item for item in objects}
    stood_for = _stood_for(item for item in objects if _stored(item))
    held = _held(objects)
    stands_on = {drive: _stood_for(its.values()) for drive, its in held.items()}
    newest: dict[str, list[CatalogObject]] = {}
    for item in objects:
        if item.plan == plan.plan and item.status == "whole" and _stored(item):
            # The newest, and what stands for it: of one session.
            its = newest.setdefault(item.source, [item])
            if item is not its[0] and item.session_id == its[0].session_id:
                its.append(item)
    for source, drives in meant.items():
        if only is not None and source not in only:
            continue
        name = f"{plan.plan}/{source}"
        if source not in newest:
            (notes if allowed is None else absent).append(f"{name}: no whole object of it is stored")
            continue
        item = newest[source][-1]
        age = now - _seconds(item.started)
        if allowed is not None and age > allowed:
            absent.append(
                f"{name}: its newest whole object is of {item.started}, {_words(age)} ago;"
                f" none should be older than {_words(allowed)}"
            )
        elif age < 0:
            says = f"{name}: its newest whole object is of {text_of(_seconds(item.started))}, which has not come"
            if allowed is not None and -age > allowed:
                # Were it no fault, a job that has never run since would go unseen until that time has come.
                absent.append(f"{says}: the clock was wrong then, or is now; nobody can say how old it is")
            else:
                notes.append(says)
        broken = [_broken_chain(one, by_id, stood_for) for one in newest[source]]
        if all(broken):
            absent.append(f"{name}: its newest object {item.id} needs {broken[-1]}, which is not stored whole")
        there = {c.drive for one in newest[source] for c in one.copies if c.status in _KEPT}
        lacking = [drive for drive in drives if drive not in there]
        if lacking:
            notes.append(
                f"{name}: its newest whole object has no copy on {', '.join(lacking)} (`tcc draft catch-up` makes them)"
            )
        gaps = [
            drive
            for drive in drives
            if drive in there
            and all(
                one.id not in held[drive] or _broken_chain(one, held[drive], stands_on[drive]) for one in newest[source]
            )
        ]
        if gaps and not all(broken):
            notes.append(
                f"{name}: {', '.join(gaps)} alone would not bring back its newest object, since older ones that it"
                " builds on lack there (`tcc draft catch-up` makes them)"
            )
    return Due(tuple(absent), tuple(notes))


def _meant(plan: CompiledPlan) -> dict[str, list[str]]:
    """Source → the drives that store it, in the order of the plan."""
    sources = {source.name for source in plan.sources if source.chain is None}
    feeds = {ring.id: ring.feed for ring in plan.rings}
    stores = {drive.name for drive in plan.drives if drive.kind != "discard"}
    meant: dict[str, list[str]] = {}
    for agent in plan.agents:
        for buffer in agent.buffers:
            source = feeds[buffer.ring]
            if agent.role == "write" and source in sources and agent.drive in stores:
                meant.setdefault(source, []).append(agent.drive)
    return meant


def _stored(item: CatalogObject) -> bool:
    return any(copy.segments for copy in item.copies)


def _broken_chain(
    item: CatalogObject, by_id: dict[str, CatalogObject], stood_for: Collection[str | None]
) -> str | None:
    """The parent that lacks below *item*; None where its chain is whole. *stood_for*: objects that fulls stand for."""
    seen = {item.id}
    while item.level != "full" and item.parent is not None and item.parent not in stood_for:
        parent = by_id.get(item.parent)
        if parent is None or parent.id in seen or parent.status != "whole" or not _stored(parent):
            return item.parent
        seen.add(parent.id)
        item = parent
    return None


def _held(objects: Sequence[CatalogObject]) -> dict[str, dict[str, CatalogObject]]:
    """Drive → what it holds, by identifier."""
    held: dict[str, dict[str, CatalogObject]] = {}
    for item in objects:
        for copy in item.copies:
            if copy.status in _KEPT:
                held.setdefault(copy.drive, {})[item.id] = item
    return held


def _stood_for(objects: Iterable[CatalogObject]) -> set[str | None]:
    """The objects that fulls among *objects* stand for."""
    return {o.parent for o in objects if o.level == "full" and o.status == "whole"}


def _seconds(started: str) -> float:
    try:
        return datetime.fromisoformat(started).astimezone(UTC).timestamp()
    except (ValueError, OverflowError):
        return 0.0


def _words(seconds: float) -> str:
    """A duration as a person says it: ``3 days``, ``26 hours``."""
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= 2 * length or (seconds >= length and seconds % length == 0):
            count = int(seconds // length)
            return f"{count} {unit}{'s' if count != 1 else ''}"
    return f"{int(seconds)} seconds"
