"""Which object a restore means: names of sources, moments, identifiers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Protocol

from ..catalog.queries import CatalogObject
from ..catalog.store import Catalog
from ..faults import AmbiguousFault, Place, RestoreFault, UsageFault
from ..frozen import frozen
from ..kinds import source_text, sources_named
from .shelf import Shelf

#: The beginning of an identifier: enough of it not to be met by chance.
_BEGINNING = re.compile(r"[0-9a-fA-F][0-9a-fA-F-]{3,35}")


@frozen
class Choice:
    """The object to restore, and why newer ones were passed over."""

    object: CatalogObject
    notes: tuple[str, ...] = ()


class Known(Protocol):
    """A catalog as far as a choice asks it."""

    @property
    def name(self) -> str:
        """How it is called."""

    def source_names(self) -> list[tuple[str, str]]:
        """All (plan, source)."""

    def objects(
        self, *, source: str | None = None, plan: str | None = None, object_id: str | None = None
    ) -> list[CatalogObject]:
        """The objects that fit, newest first."""


def resolve_source(
    catalog: Known, text: str, *, plan: str | None = None, object_id: str | None = None
) -> tuple[str, str]:
    """The (plan, source) that *text* names: ``SOURCE`` where one plan has it, ``PLAN/SOURCE`` always (system.md).

    Names may hold a ``/`` themselves, so that one text can mean two sources. *plan* then says which (*text* is the
    source's name alone), or *object_id*, which is of one of them, or a text in which such a ``/`` is ``%2F``. Raises
    AmbiguousFault where several are meant, UsageFault where the catalog has none.
    """
    names = catalog.source_names()
    if plan is not None:
        return _of_plan(names, text, plan, catalog.name)
    try:
        return one_source(names, text, catalog.name)
    except UsageFault:
        for item in catalog.objects(object_id=object_id) if object_id is not None else ():
            if text in (item.source, f"{item.plan}/{item.source}"):
                return item.plan, item.source
        raise


def _of_plan(names: Sequence[tuple[str, str]], text: str, plan: str, where: str) -> tuple[str, str]:
    mine = [source for owner, source in names if owner == plan]
    if text not in mine:
        only = next((source for source in mine if text in (f"{plan}/{source}", source_text(plan, source))), None)
        text = only if only is not None else text
    if text in mine:
        return plan, text
    if not mine:
        known_plans = ", ".join(sorted({owner for owner, _ in names})) or "none"
        raise UsageFault(f"the catalog {where} knows no plan {plan}", todo=f"it knows {known_plans}")
    raise UsageFault(f"the plan {plan} has no source {text}", todo=f"it has {', '.join(mine)}")


def one_source(names: Sequence[tuple[str, str]], text: str, where: str) -> tuple[str, str]:
    """The one of *names*, (plan, source), that *text* names; *where*: what holds them. Raises UsageFault."""
    found = sources_named(names, text)
    if len(found) == 1:
        return found[0]
    if found:
        raise AmbiguousFault(
            text,
            [(f"source {source} of plan {plan}", source_text(plan, source)) for plan, source in found],
            where=f"the catalog {where}",
        )
    import difflib

    known = sorted({source for _, source in names} | {f"{plan}/{source}" for plan, source in names})
    near = difflib.get_close_matches(text, known, n=1)
    raise UsageFault(
        f"the catalog {where} knows no source {text}",
        todo=f"did you mean {near[0]}?" if near else "`tcc objects` lists what it knows; --plan FILE asks a plan's",
    )


def moment(text: str) -> str:
    """A moment as sessions bear it (UTC with milliseconds), from ISO text; without an offset it is local time.

    Raises UsageFault.
    """
    try:
        given = datetime.fromisoformat(text).astimezone(UTC)
        return given.strftime("%Y-%m-%dT%H:%M:%S.") + f"{given.microsecond // 1000:03d}Z"
    except (ValueError, OverflowError):
        raise UsageFault(
            f"{text} is not a moment", todo="write 2026-11-20T02:00 (local time), or 2026-11-20T02:00Z"
        ) from None


def find_object(catalog: Catalog, text: str, *, plan: str | None = None, shelf: Shelf | None = None) -> CatalogObject:
    """The object that *text* means: its identifier, the beginning of one, or a source's newest whole object.

    *shelf*: of several objects that stand for one session one is taken whose volumes are at hand there. Raises
    UsageFault and RestoreFault.
    """
    return find_named(catalog, text, plan=plan, shelf=shelf)[0]


def find_named(
    catalog: Catalog, text: str, *, plan: str | None = None, as_of: str | None = None, shelf: Shelf | None = None
) -> tuple[CatalogObject, bool]:
    """As :func:`find_object`, and whether it is a source that *text* names.

    *as_of*: a :func:`moment`; of a source only sessions that started by then count. Raises UsageFault and RestoreFault.
    """
    names = catalog.source_names()
    is_source = plan is not None or bool(sources_named(names, text))
    if not is_source and _BEGINNING.fullmatch(text):
        fitting = [o for o in catalog.objects() if o.id.startswith(text.lower())]
        if len(fitting) > 1:
            raise UsageFault(
                f"{len(fitting)} objects have identifiers that begin with {text}",
                todo=f"give more of it: {fitting[0].id}, say",
            )
        if fitting and as_of is not None:
            raise UsageFault("--as-of asks for a source's object of that time, and an object is named already")
        if fitting:
            return fitting[0], False
    owner, source = resolve_source(catalog, text, plan=plan)
    stored = [
        o
        for o in catalog.objects(plan=owner, source=source)
        if o.status == "whole" and any(c.segments for c in o.copies) and (as_of is None or o.started <= as_of)
    ]
    same = [o for o in stored if o.session_id == stored[0].session_id]
    for item in same:
        if shelf is None or item is same[-1] or not missing_of(item, shelf):
            return item, True
    until = "" if as_of is None else f" of sessions up to {as_of}"
    raise RestoreFault(
        f"none of its objects{until} is whole and stored", place=Place(source=source), todo="see `tcc objects`"
    )


def choose(
    catalog: Known, plan: str, source: str, shelf: Shelf, *, object_id: str | None = None, as_of: str | None = None
) -> Choice:
    """The newest whole object of the source with its records at hand, or the one asked for.

    *as_of*: a :func:`moment`; only sessions that started by then count. Raises RestoreFault when there is none, with
    what is known of those that were passed over.
    """
    objects = catalog.objects(plan=plan, source=source)
    if object_id is not None:
        return Choice(_asked_for(catalog, objects, plan, source, object_id))
    notes: list[str] = []
    if as_of is not None:
        notes += _disordered(objects, as_of)
        oldest = min((o.started for o in objects), default=None)
        objects = [o for o in objects if o.started <= as_of]
        if not objects:
            since = f"the oldest object that is known is of {oldest}" if oldest else "`tcc objects` lists what is known"
            raise RestoreFault(f"no session up to {as_of} read it", place=Place(source=source), todo=since)
    partly: CatalogObject | None = None
    for candidate in objects:
        if candidate.status != "whole":
            notes.append(f"object {candidate.id} of {candidate.started} is {candidate.status}: {lack_of(candidate)}")
            continue
        if not any(copy.segments for copy in candidate.copies):
            notes.append(f"object {candidate.id} of {candidate.started} was only discarded: no volume holds it")
            continue
        missing = missing_of(candidate, shelf)
        if not missing:
            return Choice(candidate, tuple(notes))
        partly = partly or candidate
        notes.append(f"object {candidate.id} of {candidate.started} is not at hand: {missing}")
    if partly is not None:
        lacking = [name for name, _ in _absent(partly, shelf)]
        names = " or ".join([*lacking[:3], *(["another of its volumes"] if len(lacking) > 3 else [])])
        raise RestoreFault(
            f"none of its whole objects can be read: {'; '.join(notes[:5])}",
            place=Place(source=source),
            todo=f"bring {names or 'a volume'} back to its place, or name the folder where it lies now with --from",
        )
    raise RestoreFault(
        f"none of its objects is whole: {'; '.join(notes[:5])}" if notes else "nothing of it is stored",
        place=Place(source=source),
        todo="only whole objects are restored; a volume's label says how to take records from it with tar",
    )


def _disordered(objects: Sequence[CatalogObject], as_of: str) -> list[str]:
    """What to say where newer sessions lie before *as_of* and older ones behind it (*objects*: newest first)."""
    newest = next((o for o in objects if o.started <= as_of), None)
    ahead = [o for o in objects if o.started > as_of and newest is not None and o.number < newest.number]
    if newest is None or not ahead:
        return []
    return [
        f"session {newest.number} says that it is of {newest.started}, and session {ahead[0].number}, before it, of"
        f" {ahead[0].started}: the clock was set; --as-of goes by what each says, --object names one for certain"
    ]


def _asked_for(catalog: Known, objects: list[CatalogObject], plan: str, source: str, object_id: str) -> CatalogObject:
    found = next((o for o in objects if o.id == object_id), None)
    if found is None:
        others = catalog.objects(object_id=object_id)
        if others:
            raise UsageFault(f"object {object_id} is of {others[0].plan}/{others[0].source}, not of {plan}/{source}")
        raise UsageFault(f"the catalog knows no object {object_id} of {plan}/{source}", todo="see `tcc objects`")
    if found.status != "whole":
        raise RestoreFault(
            f"the object is {found.status}, not whole: {lack_of(found)}",
            place=Place(source=source, object_id=object_id),
            todo="choose a whole object: see `tcc objects`",
        )
    return found


def lack_of(item: CatalogObject) -> str:
    """Why an object is not whole."""
    if item.error:
        return item.error
    return "its source failed" if item.status == "failed" else "no drive, and no drives together, hold all its records"


def missing_of(item: CatalogObject, shelf: Shelf) -> str:
    """What lacks for all records of *item*: empty when every sequence lies on some volume that is at hand."""
    segments = sorted((s for c in item.copies for s in c.segments), key=lambda s: s.first_sequence)
    covered = 0
    for segment in segments:
        if shelf.find(segment.volume_id).path is not None and segment.first_sequence <= covered:
            covered = max(covered, segment.first_sequence + segment.records)
    if covered >= item.records:
        return ""
    said = [f"volume {name}: {why}" for name, why in _absent(item, shelf)]
    more = [f"{len(said) - 3} more volumes"] if len(said) > 3 else []
    return "; ".join([*said[:3], *more]) or "records are missing"


def _absent(item: CatalogObject, shelf: Shelf) -> list[tuple[str, str]]:
    """The names of the volumes of *item* that are not at hand, and why."""
    names = {s.volume_id: s.volume_name for c in item.copies for s in c.segments}
    return [(name, found.why) for key, name in names.items() if (found := shelf.find(key)).path is None]
