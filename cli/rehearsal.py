"""``tcc run --dry-run``: what a run would do. Looks at names only; opens, starts and makes nothing."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..runtime.kinds import encode_name
from ..runtime.own import own_paths
from ..runtime.plan import CompiledPlan, Drive, Source
from ..runtime.preflight import refuse_unrunnable
from ..runtime.sources.base import place_of
from .summary import plural, size

if TYPE_CHECKING:
    from ..runtime.copying.work import Work
    from ..runtime.sources.chain import ChainWork


def rehearse(
    plan: CompiledPlan,
    *,
    base: Path,
    state: Path,
    catalog: str,
    work: Work | None = None,
    chains: Mapping[str, ChainWork] | None = None,
) -> Iterator[str]:
    """Lines that say it all. Raises the same UsageFault as the run would where this version cannot run the plan.

    *work*: what the plan's restore groups come to, where it has any; *chains*: what its chain sources do.
    """
    refuse_unrunnable(plan)
    restored = {buffer.ring for agent in plan.agents if agent.role == "read" for buffer in agent.buffers}
    fed = {ring.feed for ring in plan.rings if ring.id not in restored}
    read = [source for source in plan.sources if source.name in fed]
    written = [agent for agent in plan.agents if agent.role == "write"]
    written_drives = plural(len(written), "drive")
    drives = f", {plural(len(work.drives), 'drive')}" if work is not None else ""
    yield f"plan {plan.plan}: {plural(len(read), 'source')}{drives} would be read, {written_drives} written"
    yield f"  record {size(plan.record)}, {plural(len(plan.rings), 'ring')}, {size(plan.memory)} of buffers in all"
    yield f"  state {state}, catalog {catalog}"
    for source in read:
        reached = [a.drive for a in plan.agents if any(plan_ring == source.name for plan_ring in _feeds(plan, a.name))]
        yield f"source {source.name} -> {', '.join(reached)}"
        if source.chain is not None:
            yield from (f"  {line}" for line in _chain((chains or {})[source.name]))
            continue
        yield from (f"  {line}" for line in _source(plan, source, base, state))
    if work is not None:
        from .rehearsal_copying import lines

        yield from lines(work, plan, base)
    for agent in written:
        drive = next(d for d in plan.drives if d.name == agent.drive)
        how = "one object after another" if agent.order == "object" else "records as they come"
        buffers = ", ".join(buffer.name for buffer in agent.buffers)
        yield f"drive {drive.name} <- agent {agent.name} ({buffers}; {how})"
        yield f"  {_drive(drive, base)}"
        if agent.spool is not None:
            room = size(agent.spool_size) if agent.spool_size is not None else "what the folder has free"
            yield f"  falls behind into {place_of(agent.spool, base)}, at most {room}"
    for ring in plan.rings:
        yield f"ring {ring.id}: {ring.feed} -> {', '.join(ring.buffers)}, {ring.depth} records"


def _feeds(plan: CompiledPlan, agent: str) -> set[str]:
    """The sources whose rings *agent* reads."""
    rings = {ring.id: ring.feed for ring in plan.rings}
    return {rings[buffer.ring] for a in plan.agents if a.name == agent for buffer in a.buffers}


def _source(plan: CompiledPlan, source: Source, base: Path, state: Path) -> Iterator[str]:
    if source.kind == "command":
        yield f"runs in {base}: {shlex.join(source.command)}"
    elif source.kind == "stream":
        assert source.stream is not None
        path = source.stream if source.stream == "-" else place_of(source.stream, base)
        yield (
            "reads standard input"
            if path == "-"
            else f"reads {path}{'' if os.path.lexists(path) else ' (missing now)'}"
        )
    else:
        from ..runtime.sources import files, roots

        chosen = roots.choose(source.files, str(base), one_file_system=source.one_file_system)
        for path, why in chosen.missing:
            yield f"missing now: {path}: {why}"
        if chosen.names:
            own = own_paths(plan, base, state)
            yield from (f"left out: {path}: {why}" for path, why in roots.left_out(chosen, source.exclude, own))
            argv, _ = files.command_line(source, chosen.names, own, tar=("tar", files.EXTENDED))
            yield f"runs: {shlex.join(argv)}"
    yield from _level(plan, source, base, state)


def _chain(work: ChainWork) -> Iterator[str]:
    newest = work.newest
    yield f"merges {plural(len(work.links), 'object')} of {newest.plan}/{newest.source} into a full:"
    for link in work.links:
        drives = ", ".join(c.drive for c in link.copies if c.segments)
        yield f"  {link.id} of {link.started}, {link.level}, {size(link.bytes)}, on {drives}"
    yield from work.notes


def _level(plan: CompiledPlan, source: Source, base: Path, state: Path) -> Iterator[str]:
    """What the source's level comes to; whether the catalog still has what it builds on is found out by the run."""
    if source.level == "full":
        return
    from ..runtime.sources.levels import Levels

    feeds = {ring.id for ring in plan.rings if ring.feed == source.name}
    stores = {drive.name for drive in plan.drives if drive.kind != "discard"}
    drives = [a.drive for a in plan.agents if a.drive in stores and any(b.ring in feeds for b in a.buffers)]
    levels = Levels(state, plan.plan, base=base, own=own_paths(plan, base, state), full=False)
    parent = levels.parent(source, drives)
    yield f"incremental: what changed since object {parent[0]}" if isinstance(parent, tuple) else parent


def _drive(drive: Drive, base: Path) -> str:
    if drive.volumes is None:
        return "discards everything: its copies never count"
    folder = Path(place_of(drive.volumes, base))
    pattern = re.compile(re.escape(encode_name(drive.name)) + r"-([0-9]{6})\.tar", re.ASCII)
    room = f", volumes of at most {size(drive.capacity)}" if drive.capacity is not None else ""
    try:
        numbers = sorted(int(m[1]) for entry in folder.iterdir() if (m := pattern.fullmatch(entry.name)))
    except FileNotFoundError:
        numbers = []
    except OSError as error:
        return f"cannot be written now: {folder}: {error.strerror}"
    name = encode_name(drive.name)
    if not numbers:
        return f"begins {folder / f'{name}-000001.tar'}{room}"
    last = f"{name}-{numbers[-1]:06}.tar"
    return f"goes on in {folder / last}, then in {name}-{numbers[-1] + 1:06}.tar{room}"
