"""When what lies on volumes may go: one pure function of sessions, objects, pools and a clock that is not trusted.

The rules (docs/volumes.md gives the reasons):

1. A volume's pool is the one in its label; its numbers are those of the plans that wrote on the volume. Where one of
   them is not known here, or the pool sets neither ``retention`` nor ``sessions``, it keeps for ever.
2. ``sessions = N``: the newest N sessions in which a source is whole in the pool are kept, whatever their age.
3. ``retention``: an object is kept so long, counted from the end of the session that read its source. With ``sessions``
   alone an object may go once N newer ones are whole.
4. Time stands still for a source that is not backed up: an object ages up to :data:`GRACE_SECONDS` beyond the newest
   whole object of its source in the pool, and a leap between two of them is believed up to the same length, and beyond
   when the next one confirms it and none says otherwise. So neither a job that fails unseen nor a clock that leaps
   makes everything expire.
5. A session is never older than one with a lower number. A time that has not come yet says nothing of other sessions;
   but what bears it is kept for it.
6. The parents of an incremental are kept as long as the incremental is: in its own pool, and somewhere at least. So are
   the fulls that stand for one of them. A full that does on every drive that holds that parent in the pool lets the
   parent go there, and with it what lies below: a full needs nothing itself.
"""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from ..frozen import frozen
from ..media.times import text_of
from ..plan import Pool

#: How a reason ends that says that a plan was not named, and what is to be done then.
UNKNOWN_POOL: Final = "is not known here"
UNKNOWN_POOL_TODO: Final = (
    "name every plan that wrote on it: --plan FILE, as often as needed (of a draft that is gone, a file with its plan's"
    " name and its pools will do)"
)

#: How far beyond a source's newest whole object its other objects age: a weekly backup, and a day.
GRACE_SECONDS = 8 * 86_400.0
#: So many reasons are kept for one volume.
REASONS_MAX = 5


@frozen
class KnownSession:
    """A session: its count in the catalog, and when it ended (Unix seconds; None where that cannot be read)."""

    id: str
    number: int
    ended: float | None


_UNKNOWN = KnownSession("", -1, None)


@frozen
class KnownObject:
    """An object and the session that read it.

    ``parent``: what an incremental builds on; ``stands_for``: the object that a full was merged for; ``stored``:
    (drive, pool) where such a full lies whole, on volumes of that pool alone; none where files lack that could not be
    read.
    """

    id: str
    plan: str
    source: str
    session_id: str
    whole: bool
    parent: str | None
    stands_for: str | None = None
    stored: frozenset[tuple[str, str | None]] = frozenset()


@frozen
class KnownVolume:
    """A volume: its label's pool and drive, the plans that wrote on it, and the objects of which it holds records."""

    id: str
    pool: str | None
    plans: tuple[str, ...]
    objects: tuple[str, ...]
    drive: str = ""


@frozen
class Verdict:
    """Of a volume or an object.

    ``expires``: when retention ends by the calendar (Unix seconds); None: never, or not known. ``expired``: it may go
    now. ``reasons``: what keeps it, the longest first; empty where nothing does.
    """

    expires: float | None
    expired: bool
    reasons: tuple[str, ...]


@frozen
class Expiry:
    """Verdicts by identifier; a volume or object that holds or has no records has none.

    ``instead``: merged fulls because of which something below a kept incremental may go. ``expired``: (object, pool)
    that may go from the volumes of that pool, whatever others keep of the object.
    """

    volumes: Mapping[str, Verdict]
    objects: Mapping[str, Verdict]
    instead: frozenset[str] = frozenset()
    expired: frozenset[tuple[str, str | None]] = frozenset()


@dataclass(slots=True)
class _Stay:
    """One object in one pool."""

    object: KnownObject
    number: int
    #: as far as one can believe it; as its session says itself, but not before that, and not behind it
    ended: float
    said: float
    own: float
    expires: float = math.inf
    why: str = ""


class _Series:
    """The whole objects of one source in one pool (all of its objects, where none is whole), oldest first."""

    def __init__(self, stays: Sequence[_Stay], now: float) -> None:
        timed = [s for s in stays if not math.isinf(s.ended)] or stays
        whole = [s for s in timed if s.object.whole] or timed
        # Copies of one session's object count once.
        ends = {s.number: s for s in sorted(whole, key=lambda s: (s.number, s.ended))}
        self.numbers = tuple(ends)
        self.times = tuple(s.ended for s in ends.values())
        self.reached = own_time(undisputed([s.own for s in ends.values()]), now)

    def newer(self, number: int) -> int:
        """How many of its sessions are newer than the session *number*."""
        return len(self.numbers) - bisect.bisect_right(self.numbers, number)


@dataclass(slots=True)
class _World:
    """What is known, by the keys that the rules ask for."""

    stays: dict[tuple[str, str | None], _Stay] = field(default_factory=dict)
    pools_of: dict[str, list[str | None]] = field(default_factory=dict)
    plans_of: dict[tuple[str, str | None], set[str]] = field(default_factory=dict)
    series: dict[tuple[str | None, str, str], _Series] = field(default_factory=dict)
    #: object → whole fulls that stand for it
    instead_of: dict[str, list[KnownObject]] = field(default_factory=dict)
    #: the drives whose volumes of that pool hold records of the object
    drives: dict[tuple[str, str | None], set[str]] = field(default_factory=dict)

    def below(self, child: KnownObject, pool: str | None) -> Sequence[str]:
        """What *child* is kept with in *pool*, of what lies anywhere: all that stands for its parent, and the parent,
        where nothing replaces it there."""
        if not child.whole or child.parent is None:
            return ()
        fulls = [full.id for full in self.instead_of.get(child.parent, ())]
        if child.parent not in self.pools_of or self.replaced(child, pool):
            return fulls
        return (child.parent, *fulls)

    def replaced(self, child: KnownObject, pool: str | None) -> list[str]:
        """The fulls that make the parent of *child* needless in *pool*: on each drive that holds it there they are
        whole, so that no drive lacks anything then that it had before."""
        parent = child.parent or ""
        drives = self.drives.get((parent, pool))
        if not child.whole or not drives:
            return []
        return [
            full.id
            for full in self.instead_of.get(parent, ())
            if (full.plan, full.source) == (child.plan, child.source)
            and all((drive, pool) in full.stored for drive in drives)
        ]


def expiry(
    *,
    sessions: Iterable[KnownSession],
    objects: Iterable[KnownObject],
    volumes: Sequence[KnownVolume],
    pools: Mapping[tuple[str, str], Pool],
    now: float,
    given_up: Collection[tuple[str, str]] = (),
) -> Expiry:
    """Judge every volume and object. *pools*: (plan, pool) → its numbers. *now*: the clock, Unix seconds.

    *given_up*: (plan, source) that rules 2, 4 and 5 are not to keep any more; their age counts all the same.
    """
    world = _world(sessions, objects, volumes, now)
    for (_, pool), stay in world.stays.items():
        _judge(world, stay, pool, pools, now=now, given_up=(stay.object.plan, stay.object.source) in given_up)
    _keep_parents(world)
    verdicts = {
        volume.id: _together([world.stays[o, volume.pool] for o in volume.objects if (o, volume.pool) in world.stays])
        for volume in volumes
        if volume.objects
    }
    each = {o: _together([world.stays[o, pool] for pool in its]) for o, its in world.pools_of.items()}
    kept = ((stay.object, pool) for (_, pool), stay in world.stays.items() if stay.why)
    instead = frozenset(full for child, pool in kept for full in world.replaced(child, pool))
    return Expiry(verdicts, each, instead, frozenset(key for key, stay in world.stays.items() if not stay.why))


def believed_times(sessions: Iterable[KnownSession], now: float) -> dict[str, float]:
    """When each session ended, as far as one can believe it (rule 5); infinite where nothing is known.

    A time in the future is taken for that of the next session whose time has come, or for *now*.
    """
    ordered = sorted(sessions, key=lambda s: (s.number, s.id))
    next_time = now
    come: dict[str, float] = {}
    for session in reversed(ordered):
        if session.ended is not None and session.ended <= now:
            next_time = session.ended
        come[session.id] = math.inf if session.ended is None else next_time
    floor = -math.inf
    for session in ordered:
        if not math.isinf(come[session.id]):
            floor = come[session.id] = max(floor, come[session.id])
    return come


def undisputed(times: Sequence[float]) -> list[float]:
    """Each of *times*, in order, or the earliest of those behind it: a leap is not confirmed by who says otherwise."""
    return list(itertools.accumulate(reversed(times), min))[::-1]


def own_time(times: Sequence[float], now: float) -> float:
    """Up to when a source's objects age (rule 4), from the :func:`undisputed` times of its whole objects, in order."""
    reached = times[0]
    for earlier, later in itertools.pairwise(times):
        reached = max(reached, min(earlier + GRACE_SECONDS, later))
    return min(now, reached + GRACE_SECONDS)


def _world(
    sessions: Iterable[KnownSession], objects: Iterable[KnownObject], volumes: Sequence[KnownVolume], now: float
) -> _World:
    held = list(sessions)
    ended = believed_times(held, now)
    said = {s.id: s for s in held}
    known = {o.id: o for o in objects}
    world = _World()
    gathered: dict[tuple[str | None, str, str], list[_Stay]] = {}
    for volume in volumes:
        for object_id in volume.objects:
            key = (object_id, volume.pool)
            world.plans_of.setdefault(key, set()).update(volume.plans)
            world.drives.setdefault(key, set()).add(volume.drive)
            if key in world.stays:
                continue
            # An object of which only its records are known is of nobody: it is kept.
            item = known.get(object_id) or KnownObject(object_id, "", "", "", False, None)
            own = said.get(item.session_id, _UNKNOWN)
            at = ended.get(item.session_id, math.inf)
            itself = at if own.ended is None else own.ended
            stay = _Stay(item, own.number, at, max(at, itself), min(at, itself))
            world.stays[key] = stay
            world.pools_of.setdefault(object_id, []).append(volume.pool)
            gathered.setdefault((volume.pool, item.plan, item.source), []).append(stay)
            if item.stands_for is not None and item.whole:
                fulls = world.instead_of.setdefault(item.stands_for, [])
                if item not in fulls:
                    fulls.append(item)
    world.series = {key: _Series(stays, now) for key, stays in gathered.items()}
    return world


def _judge(
    world: _World,
    stay: _Stay,
    pool: str | None,
    pools: Mapping[tuple[str, str], Pool],
    *,
    now: float,
    given_up: bool,
) -> None:
    """Rules 1 to 5 for one object in one pool; the plan that keeps longest counts."""
    item = stay.object
    if pool is None:
        stay.why = "its volume belongs to no pool, which keeps for ever"
        return
    if math.isinf(stay.ended):
        stay.why = f"it is not known when object {item.id} was read"
        return
    series = world.series[pool, item.plan, item.source]
    stay.expires = -math.inf
    for plan in sorted(world.plans_of[item.id, pool]):
        rule = pools.get((plan, pool))
        if rule is None:
            stay.expires, stay.why = math.inf, f'the pool "{pool}" of plan {plan} {UNKNOWN_POOL}'
            return
        if rule.retention is None and rule.sessions is None:
            stay.expires, stay.why = math.inf, f'the pool "{pool}" keeps for ever'
            return
        expires, why = _by_rule(stay, rule, series, now=now, given_up=given_up)
        stay.expires = max(expires, stay.expires)
        stay.why = stay.why or why


def _by_rule(stay: _Stay, rule: Pool, series: _Series, *, now: float, given_up: bool) -> tuple[float, str]:
    """When one rule lets the object go by the calendar (infinite: not yet known), and what keeps it now."""
    item = stay.object
    what = f"{item.plan}/{item.source} of {text_of(stay.ended)}"
    newer = series.newer(stay.number)
    among = rule.sessions is not None and newer < rule.sessions
    kept = f"{what} is of the newest {rule.sessions} session(s) of its source in the pool" if among else ""
    if given_up:
        kept = ""
    if rule.retention is None:
        assert rule.sessions is not None
        # The end of the session that made it one too many.
        behind = len(series.numbers) - newer + rule.sessions - 1
        return (math.inf if among else series.times[behind] if rule.sessions else stay.ended), kept
    expires = (stay.ended if given_up else stay.said) + rule.retention
    if expires > now:
        return expires, kept or f"{what} is kept until {text_of(expires)}"
    if expires > series.reached and not given_up:
        return expires, kept or (
            f"{what} ended its retention on {text_of(expires)}, but the newest whole object of its source in the pool"
            f" is of {text_of(max(series.times))}: time stands still for it until it is backed up again"
        )
    return expires, kept


def _keep_parents(world: _World) -> None:
    """Rule 6. Keeping only ever grows, so that any parents that media claim, in a circle even, come to an end."""
    stays = world.stays
    waiting = [key for key, stay in stays.items() if stay.why]
    while waiting:
        while waiting:
            object_id, pool = waiting.pop()
            child = stays[object_id, pool]
            for above in world.below(child.object, pool):
                parent = stays.get((above, pool))
                if parent is not None and not parent.why:
                    parent.why = _needed(parent, child)
                    waiting.append((above, pool))
        for (_, pool), child in list(stays.items()):
            for above in world.below(child.object, pool) if child.why else ():
                if not any(stays[above, its].why for its in world.pools_of[above]):
                    for its in world.pools_of[above]:
                        stays[above, its].why = _needed(stays[above, its], child)
                        waiting.append((above, its))
    # Children have higher numbers: one walk from the newest on carries the longest time down each chain.
    for (_, pool), child in sorted(stays.items(), key=lambda kv: -kv[1].number):
        for above in world.below(child.object, pool):
            parent = stays.get((above, pool))
            if parent is not None:
                parent.expires = max(parent.expires, child.expires)


def _needed(parent: _Stay, child: _Stay) -> str:
    item = parent.object
    return f"{item.plan}/{item.source} of {text_of(parent.ended)} is needed by the incremental {child.object.id}"


def _together(stays: Sequence[_Stay]) -> Verdict:
    """The verdict over several objects, or over one in several pools: the one that is kept longest counts."""
    kept = sorted((s for s in stays if s.why), key=lambda s: (-s.expires, s.why))
    latest = max(s.expires for s in stays)
    reasons = tuple(dict.fromkeys(s.why for s in kept))
    more = len(reasons) - REASONS_MAX
    if more > 0:
        reasons = (*reasons[:REASONS_MAX], f"{more} more reasons")
    return Verdict(None if math.isinf(latest) else latest, not kept, reasons)
