"""What changes between two compiled plans, in consequences: copies, sites, chains, requirements, what is read.

Pure: two plans in, changes out, worst first. Parts are known by their names. What has no consequence is no change:
the order of statements, the numbers of rings, ``base`` and ``fingerprint``. Any other difference gives a change.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..runtime.plan import CompiledPlan
from .differ_change import RANK_MOVED, RANK_SIZE, Change, Effect, Kind, some, value_text
from .differ_copies import copy_changes
from .differ_flows import flows
from .differ_parts import part_changes
from .differ_requirements import requirement_changes


def diff(old: CompiledPlan, new: CompiledPlan) -> tuple[Change, ...]:
    """All changes from *old* to *new*, worst first; empty where the two plans come to the same."""
    before, after = flows(old), flows(new)
    found = [
        *copy_changes(before, after),
        *requirement_changes(old, new),
        *part_changes(old, new, before, after),
        *_plan_changes(old, new),
        *_depth_changes(old, new),
    ]
    return tuple(sorted(dict.fromkeys(found), key=lambda change: (change.rank, change.left)))


#: Attributes of the plan itself → what a change of it comes to, and the rank.
_PLAN_ATTRIBUTES = {
    "plan": ("the catalog knows its sources by the plan's name", RANK_MOVED),
    "state": ("the next run finds another catalog there", RANK_MOVED),
    "catalog": ("the next run finds another catalog there", RANK_MOVED),
    "schedule": ("", RANK_MOVED),
    "window": ("", RANK_SIZE),
    "on_failure": ("", RANK_MOVED),
    "record": ("a volume may hold records of both sizes", RANK_SIZE),
    "memory": ("", RANK_SIZE),
    "memory_limit": ("", RANK_SIZE),
}
_CALLED = {
    "plan": "the plan's name",
    "memory": "the memory of all buffers",
    "memory_limit": "the limit of memory",
    "record": "a record",
}


def _plan_changes(old: CompiledPlan, new: CompiledPlan) -> Iterator[Change]:
    for name, (consequence, rank) in _PLAN_ATTRIBUTES.items():
        was, now = getattr(old, name), getattr(new, name)
        if was == now:
            continue
        called = _CALLED.get(name, f"the plan's `{name}`")
        if now is None:
            message = f"{called} is gone; it was {value_text(name, was)}"
        elif was is None:
            message = f"{called} is {value_text(name, now)}; it had none"
        else:
            message = f"{called} is {value_text(name, now)} instead of {value_text(name, was)}"
        effect: Effect = "worse" if name == "schedule" and now is None else "neutral"
        message += f": {consequence}" if consequence else ""
        kind: Kind = "memory" if name in ("record", "memory", "memory_limit") else "plan"
        yield Change(kind, new.plan, message, rank, effect)


def _depth_changes(old: CompiledPlan, new: CompiledPlan) -> Iterator[Change]:
    """Of rings that both plans have: those of one feed on one host. Feeds that agree are named together."""
    before, after = _depths(old), _depths(new)
    alike: dict[tuple[str, str, str | None], list[str]] = {}
    for (feed, host), depths in after.items():
        was = before.get((feed, host), depths)
        if was != depths:
            alike.setdefault((value_text("", was), value_text("", depths), host), []).append(feed)
    for (few, many, host), feeds in alike.items():
        where = f" on the host {host}" if host else ""
        message = f"the buffers of {some(feeds)}{where} hold {many} records instead of {few}"
        yield Change("memory", feeds[0] if len(feeds) == 1 else new.plan, message, RANK_SIZE)


def _depths(plan: CompiledPlan) -> dict[tuple[str, str | None], tuple[int, ...]]:
    out: dict[tuple[str, str | None], list[int]] = {}
    for ring in plan.rings:
        out.setdefault((ring.feed, ring.host), []).append(ring.depth)
    return {key: tuple(sorted(depths)) for key, depths in out.items()}
