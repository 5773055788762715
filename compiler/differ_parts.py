"""Changes of the parts themselves: what a source reads, where a drive lies, how long a pool keeps, all attributes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..runtime.plan import CompiledPlan, Drive, Pool, Source
from .differ_change import (
    RANK_COPY_LOST,
    RANK_GAIN,
    RANK_KEPT_LESS,
    RANK_MOVED,
    RANK_PLACE_LOST,
    RANK_REST,
    RANK_SIZE,
    Change,
    Effect,
    Kind,
    some,
    value_text,
)
from .differ_flows import Flow, buffer_paths
from .names import listed

#: kind of a change → what one part of it is called; its parts are the attribute of the plan with that name
_CALLED: Mapping[Kind, str] = {
    "sources": "source",
    "drives": "drive",
    "pools": "pool",
    "targets": "target",
    "agents": "agent",
    "groups": "group",
    "hosts": "host",
}
#: What :func:`_what_it_reads` and its like say better than the attributes one by one.
_SAID_OTHERWISE: Mapping[Kind, frozenset[str]] = {
    "sources": frozenset(
        {"name", "kind", "files", "stream", "command", "chain", "exclude", "encrypt", "one_file_system"}
    ),
    "drives": frozenset({"name", "kind", "volumes", "tape", "bucket", "site"}),
    "pools": frozenset({"name", "retention", "sessions"}),
    "targets": frozenset({"name", "feed"}),
    "agents": frozenset({"name", "drive", "role", "buffers"}),
    "groups": frozenset({"name"}),
    "hosts": frozenset({"name"}),
}


def part_changes(
    old: CompiledPlan, new: CompiledPlan, before: Mapping[str, Flow], after: Mapping[str, Flow]
) -> Iterator[Change]:
    """What changes of parts that both plans have, and parts that come or go and that no copy tells of."""
    for kind, called in _CALLED.items():
        was = {part.name: part for part in getattr(old, kind)}
        now = {part.name: part for part in getattr(new, kind)}
        for name, part in was.items():
            if name in now:
                yield from _special(kind, part, now[name])
                yield from _attributes(kind, called, part, now[name])
            elif not _told(kind, name, before):
                yield Change(kind, name, f"the {called} {name} is gone", RANK_REST)
        for name in now:
            if name not in was and not _told(kind, name, after):
                yield Change(kind, name, f"the {called} {name} is new", RANK_REST)
    yield from _targets(old, new)
    yield from _orders(old, new)


def _told(kind: Kind, name: str, flows: Mapping[str, Flow]) -> bool:
    """Whether the changes of copies tell of a part that comes or goes: a source, a drive that something reaches."""
    if kind == "drives":
        return any(name in flow.copies or name in flow.discards for flow in flows.values())
    return kind in ("sources", "agents")


def _special(kind: Kind, old: Any, new: Any) -> Iterator[Change]:
    if kind == "sources":
        yield from _what_it_reads(old, new)
    elif kind == "drives":
        yield from _where_it_lies(old, new)
    elif kind == "pools":
        yield from _how_long_it_keeps(old, new)


def _attributes(kind: Kind, called: str, old: Any, new: Any) -> Iterator[Change]:
    for field in dataclasses.fields(old):
        if field.name in _SAID_OTHERWISE[kind]:
            continue
        was, now = getattr(old, field.name), getattr(new, field.name)
        if was == now:
            continue
        if now in (None, ()):
            said = f"is gone; it was {value_text(field.name, was)}"
        elif was in (None, ()):
            said = f"is {value_text(field.name, now)}; it had none"
        else:
            said = f"is {value_text(field.name, now)} instead of {value_text(field.name, was)}"
        message = f"`{field.name}` of the {called} {old.name} {said}"
        yield Change(kind, old.name, message, RANK_SIZE, alike=f"{kind} {field.name} {said}")


# ---------------------------------------------------------------- sources


def _what_it_reads(old: Source, new: Source) -> Iterator[Change]:
    if old.kind == new.kind == "files":
        gone, come = _apart(old.files, new.files)
        if gone:
            said = f"reads {listed(come)} instead of {listed(gone)}" if come else f"no longer reads {listed(gone)}"
            yield _of(old, said, RANK_COPY_LOST, "worse")
        elif come:
            yield _of(old, f"reads {listed(come)} too", RANK_GAIN, "better")
    elif _said(old) != _said(new):
        yield _of(old, f"reads {_reads(new)} instead of {_reads(old)}", RANK_COPY_LOST)
    less, more = _apart(old.exclude, new.exclude)
    if more:
        yield _of(old, f"leaves out {listed(more)} now", RANK_KEPT_LESS, "worse")
    if less:
        yield _of(old, f"no longer leaves out {listed(less)}", RANK_GAIN, "better")
    if old.encrypt != new.encrypt:
        if not new.encrypt:
            yield _of(old, "is no longer encrypted", RANK_PLACE_LOST, "worse")
        elif not old.encrypt:
            yield _of(old, f"is encrypted now, for {some(new.encrypt)}", RANK_GAIN, "better")
        else:
            yield _of(old, f"is encrypted for {some(new.encrypt)} instead of {some(old.encrypt)}", RANK_KEPT_LESS)
    if old.one_file_system != new.one_file_system:
        if new.one_file_system:
            yield _of(old, "leaves out other file systems below its folders", RANK_KEPT_LESS, "worse")
        else:
            yield _of(old, "no longer leaves out other file systems", RANK_GAIN, "better")


def _apart(old: Sequence[str], new: Sequence[str]) -> tuple[list[str], list[str]]:
    """What only the old one lists, and what only the new one does; the order says nothing."""
    return [value for value in old if value not in new], [value for value in new if value not in old]


def _said(source: Source) -> tuple[object, ...]:
    return source.kind, source.files, source.stream, source.command, source.chain


def _reads(source: Source) -> str:
    if source.chain is not None:
        return f"the chain {source.chain}"
    if source.kind == "command":
        return f"the command `{' '.join(source.command)}`"
    return f"the stream {source.stream}" if source.kind == "stream" else listed(source.files)


def _of(source: Source, said: str, rank: int, effect: Effect = "neutral") -> Change:
    return Change("sources", source.name, f"{source.name} {said}", rank, effect, said)


# ---------------------------------------------------------------- drives, pools


def _where_it_lies(old: Drive, new: Drive) -> Iterator[Change]:
    if (old.kind, old.volumes, old.tape, old.bucket) != (new.kind, new.volumes, new.tape, new.bucket):
        note = ": what is stored stays where it is" if old.kind != "discard" else ""
        said = f"the drive {old.name} is {_lies(new)} instead of {_lies(old)}{note}"
        yield Change("drives", old.name, said, RANK_MOVED)
    if old.site != new.site:
        now = f"is at site {new.site}" if new.site else "no longer says its site"
        was = f" instead of {old.site}" if old.site and new.site else f"; it was {old.site}" if old.site else ""
        yield Change("drives", old.name, f"the drive {old.name} {now}{was}", RANK_MOVED)


def _lies(drive: Drive) -> str:
    if drive.kind == "volumes":
        return f"the folder {drive.volumes}"
    if drive.kind == "tape":
        return f"the tape {drive.tape}"
    return f"the bucket {drive.bucket}" if drive.kind == "bucket" else "one that discards"


def _how_long_it_keeps(old: Pool, new: Pool) -> Iterator[Change]:
    if _kept(old) == _kept(new):
        return
    (long, many), (now_long, now_many) = _kept(old), _kept(new)
    worse = now_long < long or now_many < many
    said = f"the pool {old.name} keeps {_keeps(new)} instead of {_keeps(old)}"
    yield Change("pools", old.name, said, *((RANK_KEPT_LESS, "worse") if worse else (RANK_GAIN, "better")))


def _kept(pool: Pool) -> tuple[float, int]:
    """For how long, and how many sessions whatever their age."""
    return (float("inf") if pool.retention is None else pool.retention, pool.sessions or 0)


def _keeps(pool: Pool) -> str:
    sessions = f" and the newest {pool.sessions} sessions" if pool.sessions else ""
    return ("for ever" if pool.retention is None else f"for {value_text('retention', pool.retention)}") + sessions


# ---------------------------------------------------------------- targets, orders


def _targets(old: CompiledPlan, new: CompiledPlan) -> Iterator[Change]:
    was, now = _fed(old), _fed(new)
    for name, feed in was.items():
        if name in now and now[name] != feed:
            yield Change("targets", name, f"the target {name} gets {now[name]} instead of {feed}", RANK_MOVED)


def _fed(plan: CompiledPlan) -> dict[str, str]:
    paths = buffer_paths(plan)
    return {t.name: paths[t.feed][0] if t.feed in paths else t.feed or "nothing" for t in plan.targets}


def _orders(old: CompiledPlan, new: CompiledPlan) -> Iterator[Change]:
    """An agent that finishes one object before the next stores them in the order of its buffers."""
    was, now = _stored(old), _stored(new)
    for agent, order in was.items():
        if agent in now and now[agent] != order and sorted(now[agent]) == sorted(order):
            said = f"the agent {agent} stores {', '.join(now[agent])} in this order instead of {', '.join(order)}"
            yield Change("agents", agent, said, RANK_REST)


def _stored(plan: CompiledPlan) -> dict[str, Sequence[str]]:
    paths = buffer_paths(plan)
    return {
        agent.name: [paths[f"{agent.name}.{buffer.name}"][0] for buffer in agent.buffers]
        for agent in plan.agents
        if agent.order == "object"
    }
