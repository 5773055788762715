"""The parts of one run, made from the compiled plan: rings, who feeds them, who takes from them."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from . import events as ev
from .faults import UsageFault
from .hang import HANG_SECONDS
from .media.ids import new_id
from .model import ObjectFacts, Session
from .plan import Agent, CompiledPlan, Drive
from .plan import Ring as PlannedRing
from .reader import SourceReader
from .ring import Ring
from .sources import open_source
from .sources.base import place_of
from .sources.children import Children
from .sources.roots import OwnPath
from .writer import DriveWriter

if TYPE_CHECKING:
    from .copying.medium import MediumReader
    from .copying.work import Work
    from .sources.chain import ChainWork
    from .sources.levels import Level, Levels, Standing
    from .spool.spooler import Spooler
    from .targets.writer import TargetWriter


@dataclass(slots=True)
class Parts:
    """Everything that has a thread or memory. ``sources`` are by their ring, ``writers`` and
    ``spools`` by their drive."""

    events: SimpleQueue[ev.Event] = field(default_factory=SimpleQueue)
    children: Children = field(default_factory=Children)
    work: Work | None = None
    rings: dict[int, Ring] = field(default_factory=dict)
    sources: dict[int, SourceReader] = field(default_factory=dict)
    mediums: list[MediumReader] = field(default_factory=list)
    writers: dict[str, DriveWriter] = field(default_factory=dict)
    spools: dict[str, Spooler] = field(default_factory=dict)
    targets: dict[str, TargetWriter] = field(default_factory=dict)
    #: by their object
    lists: dict[str, ev.ListPort] = field(default_factory=dict)
    #: of sources that ask for incrementals, by their name
    levels: Levels | None = None
    level: dict[str, Level] = field(default_factory=dict)
    #: of chain sources, by their name
    chains: dict[str, ChainWork] = field(default_factory=dict)
    #: finds out what tar can do, while other things are made ready
    looking: threading.Thread | None = None

    @property
    def feeders(self) -> Iterator[ev.Feeder]:
        """All that read."""
        yield from self.sources.values()
        yield from self.mediums

    @property
    def forsaken(self) -> list[DriveWriter]:
        """Writers of drives that hang: their threads are still in the kernel, and may read from their rings."""
        return [writer for writer in self.writers.values() if writer.drive.forsaken]

    def release(self) -> None:
        """Give memory and descriptors back; all threads have ended, were never started, or hang."""
        in_use = {buffer.ring for writer in self.forsaken for buffer in writer.agent.buffers}
        for medium in self.mediums:
            if medium.hung:
                in_use |= {buffer.buffer.ring for buffer in medium.work.buffers}
        in_use |= {number for number, source in self.sources.items() if source.forsaken}
        hanging = {drive for drive, spool in self.spools.items() if spool.watch.forsaken}
        in_use |= {buffer.ring for drive in hanging for buffer in self.writers[drive].agent.buffers}
        self.children.close()
        if self.looking is not None:
            self.looking.join()
        for source in self.sources.values():
            if not source.forsaken:  # else its thread still looks at what tells it to end
                source.close()
        for medium in self.mediums:
            medium.close()
        for target in self.targets.values():
            target.close()
        for drive, spool in self.spools.items():
            if drive not in hanging and not self.writers[drive].drive.forsaken:
                spool.close()
        for number, ring in self.rings.items():
            if number not in in_use:
                ring.close()
        for listed in self.lists.values():
            listed.drop()
        for level in self.level.values():
            level.drop()


def prepare(
    plan: CompiledPlan,
    *,
    base: Path,
    catalog: ev.CatalogPort,
    again: bool = False,
    overwrite: bool = False,
    identities: Sequence[Any] = (),
    hang_seconds: float = HANG_SECONDS,
) -> Parts:
    """What must be known before a session begins: which objects are meant, and that targets can take them.

    *identities* (``codec.identities``) open encrypted objects for targets and chain sources.

    Raises the faults of selectors and targets; then nothing is written and nothing is left open.
    """
    parts = Parts()
    try:
        if any(agent.role == "read" for agent in plan.agents):
            from .copying.work import work_of

            parts.work = work_of(
                plan, base=base, catalog=catalog, again=again, identities=identities, hang_seconds=hang_seconds
            )
        fed = {ring.feed for ring in plan.rings if ring.buffers}
        for source in plan.sources:
            if source.chain is not None and source.name in fed:
                from .sources.chain import chain_work

                parts.chains[source.name] = chain_work(
                    plan,
                    source,
                    base=base,
                    catalog=catalog,
                    identities=identities,
                    again=again,
                    hang_seconds=hang_seconds,
                )
        fed_targets = [target for target in plan.targets if target.feed is not None]
        if fed_targets:
            from .targets.factory import target_writer

            for target in fed_targets:
                parts.targets[target.name] = target_writer(
                    target,
                    base=base,
                    children=parts.children,
                    events=parts.events,
                    overwrite=overwrite,
                    identities=identities,
                )
    except BaseException:
        parts.release()
        raise
    return parts


def build(
    parts: Parts,
    plan: CompiledPlan,
    *,
    base: Path,
    session: Session,
    started: float,
    own: Sequence[OwnPath],
    open_drive: ev.OpenDrive,
    lists: ev.ListsPort | None = None,
    levels: Levels | None = None,
    stands: Callable[[str, Sequence[str]], Standing] | None = None,
    hang_seconds: float = HANG_SECONDS,
) -> None:
    """Make rings, feeders and writers; in *lists* the member lists of ``files`` sources.

    *levels* decides which sources that ask for incrementals are read whole; *stands* is, for a source and the drives
    that store it, whether an object can be built upon.

    Raises UsageFault where there is no memory for them, OSError as it comes.
    """
    rings = [ring for ring in plan.rings if ring.buffers]  # a source that nothing reads is not read
    try:
        parts.rings = {ring: Ring(depth, plan.record) for ring, depth in _depths(plan, rings).items()}
    except (OSError, ValueError, OverflowError) as error:
        raise UsageFault(f"the {plan.memory} bytes for the plan's buffers cannot be had: {error}") from None
    read = {buffer.ring for agent in plan.agents if agent.role == "read" for buffer in agent.buffers}
    parts.levels = levels
    if levels is not None and stands is not None:
        for source in plan.sources:
            fed = next((ring.id for ring in rings if ring.feed == source.name and ring.id not in read), None)
            if source.level == "incremental" and fed is not None:
                drives = _storing(plan, fed)
                parts.level[source.name] = levels.decide(source, drives, session, stands(source.name, drives))
    facts = {
        ring.id: _source_facts(plan, ring.feed, session, _storing(plan, ring.id), parts.level.get(ring.feed))
        if ring.feed not in parts.chains
        else parts.chains[ring.feed].facts(_storing(plan, ring.id))
        for ring in rings
        if ring.id not in read
    }
    for agent in plan.agents:
        if agent.role == "write":
            parts.writers[agent.drive] = _writer(parts, plan, agent, base, session, started, open_drive)
    sources = {source.name: source for source in plan.sources}
    for ring in rings:
        if ring.id in read:
            continue
        source = sources[ring.feed]
        level = parts.level.get(source.name)
        listing = None if level is None else level.listing
        tap = None
        chain = parts.chains.get(source.name)
        if lists is not None and source.kind in ("files", "chain"):
            object_id = facts[ring.id].id
            parts.lists[object_id] = lists.begin(object_id, folders=facts[ring.id].level == "incremental")
            tap = parts.lists[object_id].feed
        reader = SourceReader(
            facts[ring.id],
            parts.rings[ring.id],
            lambda cancel, source=source, tap=tap, listing=listing, chain=chain: open_source(  # type: ignore[misc]
                source,
                base=base,
                children=parts.children,
                cancel=cancel,
                own=own,
                tap=tap,
                listing=listing,
                chain=chain,
                note=lambda text: parts.events.put(ev.Noted(text)),
                hang_seconds=hang_seconds,
            ),
            parts.events,
        )
        reader.size = source.size
        parts.sources[ring.id] = reader
    if parts.work is not None:
        from .copying.medium import MediumReader

        for drive in parts.work.drives:
            parts.mediums.append(MediumReader(drive, parts.work.facts, parts.rings, parts.events))
    of_buffer = {name: ring.id for ring in rings for name in ring.buffers}
    for target in plan.targets:
        if target.feed in of_buffer:
            parts.targets[target.name].attach(parts.rings[of_buffer[target.feed]])


def _source_facts(
    plan: CompiledPlan, feed: str, session: Session, drives: Sequence[str], level: Level | None
) -> ObjectFacts:
    source = next(source for source in plan.sources if source.name == feed)
    assert source.kind != "chain"
    return ObjectFacts(
        id=new_id(None if level is None else level.parent),
        source=source.name,
        kind=source.kind,
        session=session,
        level="full" if level is None else level.level,
        parent=None if level is None else level.parent,
        compress="zstd" if source.compress else None,
        encrypt="age" if source.encrypt else None,
        drives=tuple(drives),
    )


def _storing(plan: CompiledPlan, ring_id: int) -> list[str]:
    """The drives that store what comes through a ring."""
    discards = {drive.name for drive in plan.drives if drive.kind == "discard"}
    return [
        agent.drive
        for agent in plan.agents
        if agent.role == "write" and agent.drive not in discards and any(b.ring == ring_id for b in agent.buffers)
    ]


def _depths(plan: CompiledPlan, rings: Sequence[PlannedRing]) -> dict[int, int]:
    """How many records each ring holds."""
    if any(agent.spool is not None for agent in plan.agents):
        from .spool.room import depths

        return depths(plan, rings)
    return {ring.id: ring.depth for ring in rings}


def _writer(  # noqa: PLR0917 - what every writer needs
    parts: Parts,
    plan: CompiledPlan,
    agent: Agent,
    base: Path,
    session: Session,
    started: float,
    open_drive: ev.OpenDrive,
) -> DriveWriter:
    """The writer of one agent. A drive that discards is essential only to a ring that no drive stores."""
    drive = next(drive for drive in plan.drives if drive.name == agent.drive)
    writer = DriveWriter(
        agent,
        open_drive(
            _with_capacity(plan, drive),
            base=base,
            on_index=lambda index: parts.events.put(ev.VolumeIndexed(drive.name, index)),
        ),
        parts.events,
        session=session,
        record_bytes=plan.record,
        started=started,
    )
    taker: DriveWriter | Spooler = writer
    if agent.spool is not None:
        from .spool.spooler import Spooler
        from .spool.store import SpoolFile

        file = SpoolFile(Path(place_of(agent.spool, base)), plan.record, agent.spool_size, drive.name)
        taker = parts.spools[drive.name] = Spooler(drive.name, file, plan.record, agent.order, parts.events)
        writer.attach_spool(taker)
    without = parts.work.without if parts.work is not None else {}
    for buffer in agent.buffers:
        essential = drive.kind != "discard" or not _storing(plan, buffer.ring)
        passed = without.get((agent.name, buffer.ring), frozenset())
        taker.attach(parts.rings[buffer.ring], essential=essential, without=passed)
    return writer


def _with_capacity(plan: CompiledPlan, drive: Drive) -> Drive:
    """A drive that states no capacity has its pool's."""
    pool = next((pool for pool in plan.pools if pool.name == drive.pool), None)
    if drive.capacity is None and pool is not None and pool.capacity is not None:
        return dataclasses.replace(drive, capacity=pool.capacity)
    return drive
