"""Changes of copies: what is not stored any more, which sites and media are lost, what is gained, by which chain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from .differ_change import (
    RANK_CHAIN,
    RANK_COPY_LOST,
    RANK_GAIN,
    RANK_MOVED,
    RANK_PLACE_LOST,
    RANK_REST,
    RANK_UNSAVED,
    Change,
    Effect,
    Kind,
)
from .differ_flows import Copy, Flow
from .names import listed

_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")


def copy_changes(before: Mapping[str, Flow], after: Mapping[str, Flow]) -> Iterator[Change]:
    """What changes for everything that is read, in the order of the old plan, then of the new one."""
    for name, old in before.items():
        new = after.get(name)
        if new is None:
            yield _gone(old)
            continue
        if old.copies and not new.copies:
            yield _unsaved(old)
        else:
            yield from _places_lost(old, new)
            yield from _lost_and_gained(old, new)
        yield from _discards(old, new)
        yield from _chains(old, new)
    for name, new in after.items():
        if name not in before:
            yield _begun(new)


def _verb(flow: Flow) -> str:
    return "copied" if flow.restored else "backed up"


def _gone(old: Flow) -> Change:
    """The source, or what a restore agent read, is in the plan no more."""
    if not old.copies:
        return _change("sources", old, "is read no more, and had no copy", RANK_REST)
    had = f"its only copy, {_on(old)}," if len(old.copies) == 1 else f"its {len(old.copies)} copies, {_on(old)},"
    verb = "is" if len(old.copies) == 1 else "are"
    return _change("copies", old, f"is not {_verb(old)} any more: {had} {verb} gone", RANK_UNSAVED, "worse")


def _unsaved(old: Flow) -> Change:
    """It is still in the plan, and no copy is made of it."""
    end = f"it is not {_verb(old)} any more"
    if len(old.copies) > 1:
        lost = f"loses {_all_of(len(old.copies))}, {_on(old)}: {end}"
    else:
        (copy,) = old.copies.values()
        site = f" at site {copy.drive.site}" if copy.drive.site else ""
        lost = f"loses its only copy{site}, on {copy.drive.name}: {end}"
    return _change("copies", old, lost, RANK_UNSAVED, "worse")


def _begun(new: Flow) -> Change:
    if not new.copies:
        return _change("sources", new, "is new, and no copy is made of it", RANK_REST)
    number = "one copy" if len(new.copies) == 1 else f"{len(new.copies)} copies"
    return _change("copies", new, f"is {_verb(new)} now: {number}, {_on(new)}", RANK_GAIN, "better")


def _places_lost(old: Flow, new: Flow) -> Iterator[Change]:
    """Sites, and kinds of media, that had a copy and have none."""
    sites = old.sites
    for site in [site for site in sites if site not in new.sites]:
        there = sites[site]
        moved = [copy for copy in there if copy.drive.name in new.copies]
        lost = [copy.drive.name for copy in there if copy.drive.name not in new.copies]
        said = f"loses {_all_of(len(there))} at site {site}"
        said += f", on {listed(lost)}" if lost else ""
        notes = [_moved_to(new.copies[copy.drive.name]) for copy in moved] + ([_left(new)] if lost else [])
        yield _change("sites", old, f"{said}: {'; '.join(notes)}", RANK_PLACE_LOST, "worse", left=len(new.copies))
    media = {copy.drive.media for copy in new.copies.values()}
    for medium in dict.fromkeys(copy.drive.media for copy in old.copies.values()):
        if medium is not None and medium not in media:
            yield _change(
                "media", old, f"has no copy on {medium} any more", RANK_PLACE_LOST, "worse", left=len(new.copies)
            )


def _all_of(copies: int) -> str:
    return ("its only copy", "both its copies")[copies - 1] if copies < 3 else f"all its {copies} copies"


def _moved_to(copy: Copy) -> str:
    now = f"is at site {copy.drive.site} now" if copy.drive.site else "no longer says its site"
    return f"{copy.drive.name} {now}"


def _left(new: Flow) -> str:
    return "a single copy is left" if len(new.copies) == 1 else f"{len(new.copies)} copies are left"


def _lost_and_gained(old: Flow, new: Flow) -> Iterator[Change]:
    """Copies that move from drive to drive in a site, those that are lost (of sites that keep one), those gained."""
    lost = [copy for name, copy in old.copies.items() if name not in new.copies]
    gained = [copy for name, copy in new.copies.items() if name not in old.copies]
    for copy in list(lost):
        other = next((g for g in gained if g.drive.site == copy.drive.site), None)
        if other is not None:
            lost.remove(copy)
            gained.remove(other)
            site = f" at site {copy.drive.site}" if copy.drive.site else ""
            said = f"has its copy{site} on {other.drive.name} instead of {copy.drive.name}"
            yield _change("copies", old, said, RANK_MOVED)
    for copy in lost:
        if copy.drive.site is None or copy.drive.site in new.sites:
            said = f"loses a copy, {copy.where}: {_left(new)}"
            yield _change("copies", old, said, RANK_COPY_LOST, "worse", left=len(new.copies))
    for number, copy in enumerate(gained, len(new.copies) - len(gained)):
        nth = _ORDINALS[number] if number < len(_ORDINALS) else f"{number + 1}th"
        article = "its" if number == 0 else "an" if nth[0] in "e8" or nth == "11th" else "a"
        first = copy.drive.site is not None and old.sites and copy.drive.site not in old.sites
        there = ", its first there" if first and copy is _first_at(gained, copy.drive.site) else ""
        yield _change("copies", new, f"gains {article} {nth} copy, {copy.where}{there}", RANK_GAIN, "better")


def _first_at(copies: Sequence[Copy], site: str | None) -> Copy:
    return next(copy for copy in copies if copy.drive.site == site)


def _discards(old: Flow, new: Flow) -> Iterator[Change]:
    for name in old.discards:
        if name not in new.discards and name not in new.copies:
            yield _change("copies", old, f"no longer goes to {name}, which discards it", RANK_REST)
    for name in new.discards:
        if name not in old.discards:
            yield _change("copies", new, f"goes to {name}, which discards it", RANK_REST)


def _chains(old: Flow, new: Flow) -> Iterator[Change]:
    """Other ways to a drive that it reaches as before."""
    was, now = {**old.copies, **old.discards}, {**new.copies, **new.discards}
    for name, copy in was.items():
        if name in now and now[name].path != copy.path:
            said = f"reaches {name} by {_way(now[name])} instead of {_way(copy)}"
            yield Change("chains", old.name, f"{old.name} {said}", RANK_CHAIN, alike="chain")


def _way(copy: Copy) -> str:
    return " -> ".join(copy.path)


def _on(flow: Flow) -> str:
    return listed(copy.where for copy in flow.copies.values())


def _change(kind: Kind, flow: Flow, said: str, rank: int, effect: Effect = "neutral", *, left: int = 0) -> Change:
    return Change(kind, flow.name, f"{flow.name} {said}", rank, effect, said, left)
