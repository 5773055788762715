"""What a run of restore and copy groups has to do, decided before anything is opened for writing.

Selectors are resolved among the objects on the drives, the order of reading is planned, and what a target drive holds
whole already is left out. The result is a value: ``--dry-run`` shows it, the engine runs it.
"""

from __future__ import annotations

import collections
import contextlib
import fcntl
import functools
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..catalog.queries import VolumePlace
from ..codec.identities import check_opens
from ..faults import DriveBusyFault, DriveFault, MediaFault, Place, UsageFault
from ..frozen import frozen
from ..hang import HANG_SECONDS, answers, hanging_medium
from ..kinds import RECORD_BYTES_MAX
from ..media import record
from ..model import ObjectFacts
from ..plan import Agent, Buffer, CompiledPlan
from ..restore.select import moment
from ..restore.shelf import open_as
from .holdings import Asked, Held, HeldVolume, Holdings, Known, look
from .passes import Leg, legs_of
from .selectors import asked, choose, parse


@frozen
class BufferWork:
    """One buffer of a restore agent and its ring: the objects that come through it, oldest first."""

    agent: Agent
    buffer: Buffer
    objects: tuple[Held, ...]

    @property
    def name(self) -> str:
        """``A150.B1``."""
        return f"{self.agent.name}.{self.buffer.name}"

    @property
    def bytes(self) -> int:
        """Payload bytes in all."""
        return sum(held.item.bytes for held in self.objects)


@frozen
class DriveWork:
    """One drive that is read, by one thread: its buffers, and the passes over its volumes."""

    drive: str
    folder: Path
    buffers: tuple[BufferWork, ...]
    passes: tuple[tuple[Leg, ...], ...]
    known: tuple[VolumePlace, ...]


@frozen
class Work:
    """All of it. ``facts``: object → as the drives get it. ``present``: (drive, object) → volumes that hold it already.

    ``without``: (agent, ring) → objects that this agent's buffer passes over; ``recorded``: objects that the catalog
    knew before.
    """

    drives: tuple[DriveWork, ...]
    facts: Mapping[str, ObjectFacts]
    held: Mapping[str, Held]
    present: Mapping[tuple[str, str], tuple[str, ...]]
    without: Mapping[tuple[str, int], frozenset[str]]
    recorded: frozenset[str]
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class _Draft:
    notes: list[str] = field(default_factory=list)
    buffers: dict[str, list[BufferWork]] = field(default_factory=dict)
    holdings: dict[str, Holdings] = field(default_factory=dict)


def work_of(
    plan: CompiledPlan,
    *,
    base: Path,
    catalog: Known,
    again: bool = False,
    identities: Sequence[Any] | None = None,
    hang_seconds: float = HANG_SECONDS,
) -> Work:
    """Resolve *plan*. With *again* objects are copied to drives that hold them whole already, too.

    *identities* open what goes to targets; None: that is not asked. Reads labels, indexes and first records; changes
    nothing. Raises UsageFault and RestoreFault: a selector selects nothing, an object's records are larger than the
    plan's, a folder cannot be read, no identity opens an object for a target; DriveFault where a folder that is read
    does not answer for *hang_seconds*.
    """
    draft = _Draft()
    folders = {drive.name: base / drive.volumes for drive in plan.drives if drive.volumes is not None}
    readers = [agent for agent in plan.agents if agent.role == "read"]
    silent = _silent(folders, hang_seconds)
    for agent in readers:
        if agent.drive in silent:
            raise hanging_medium(agent.drive, hang_seconds)
        if agent.drive not in draft.holdings:
            selectors = (parse(b.feed) for a in readers if a.drive == agent.drive for b in a.buffers)
            found = look(agent.drive, folders[agent.drive], catalog, asked(selectors))
            draft.holdings[agent.drive] = found
            draft.notes += [f"drive {agent.drive}: {note}" for note in found.notes]
            if not found.volumes:
                raise UsageFault(
                    f"the folder {folders[agent.drive]} holds no volume of drive {agent.drive}",
                    place=Place(drive=agent.drive),
                    safe="nothing was written",
                    todo="volumes are named DRIVE-NNNNNN.tar: name the drive as it was named when they were written",
                )
        for buffer in agent.buffers:
            as_of = moment(buffer.as_of) if buffer.as_of is not None else None
            chosen = choose(parse(buffer.feed), draft.holdings[agent.drive], as_of=as_of)
            draft.notes += [f"{agent.name}.{buffer.name}: {note}" for note in chosen.notes]
            draft.buffers.setdefault(agent.drive, []).append(BufferWork(agent, buffer, chosen.objects))
    held = {h.item.id: h for works in draft.buffers.values() for work in works for h in work.objects}
    _refuse_large_records(plan, draft)
    _refuse_several_in_one_file(plan, draft)
    if identities is not None:
        _refuse_what_no_identity_opens(plan, draft, identities)
    answering = {drive: folder for drive, folder in folders.items() if drive not in silent}
    present = {} if again else _present(plan, answering, held, catalog)
    without = _without(plan, draft, present)
    already = collections.Counter(drive for drive, _ in present)
    draft.notes += [
        f"drive {drive}: {count} object(s) lie whole on it already and are not copied again (--again copies them)"
        for drive, count in already.items()
    ]
    return Work(
        drives=_drives(plan, draft, folders, without),
        facts=_facts(plan, draft),
        held=held,
        present=present,
        without=without,
        recorded=frozenset(catalog.known(held)),
        notes=tuple(draft.notes),
    )


# ---------------------------------------------------------------- rings, agents and objects


def _writers(plan: CompiledPlan) -> list[Agent]:
    return [agent for agent in plan.agents if agent.role == "write"]


def _of_ring(draft: _Draft) -> dict[int, BufferWork]:
    """A ring is fed by exactly one buffer of a restore agent."""
    return {work.buffer.ring: work for works in draft.buffers.values() for work in works}


def _facts(plan: CompiledPlan, draft: _Draft) -> dict[str, ObjectFacts]:
    """Each object with the storing drives that it reaches in this plan."""
    stores = {drive.name for drive in plan.drives if drive.kind != "discard"}
    reached: dict[str, dict[str, None]] = {}
    held: dict[str, Held] = {}
    for ring, work in _of_ring(draft).items():
        for one in work.objects:
            held[one.item.id] = one
            drives = reached.setdefault(one.item.id, {})
            for agent in _writers(plan):
                if agent.drive in stores and any(buffer.ring == ring for buffer in agent.buffers):
                    drives[agent.drive] = None
    return {key: one.facts(tuple(reached[key])) for key, one in held.items()}


def _silent(folders: Mapping[str, Path], hang_seconds: float) -> set[str]:
    """The drives whose folders do not answer."""

    def look(drive: str, folder: Path) -> str:
        with contextlib.suppress(OSError):  # that is an answer; who reads there says what is wrong
            os.listdir(folder)  # noqa: PTH208 - only asked
        return drive

    return set(folders) - set(answers([functools.partial(look, *one) for one in folders.items()], hang_seconds))


def _present(
    plan: CompiledPlan, folders: Mapping[str, Path], held: Mapping[str, Held], catalog: Known
) -> dict[tuple[str, str], tuple[str, ...]]:
    """What the drives that will be written hold whole already, in their folders as they lie there."""
    present = {}
    for agent in _writers(plan):
        folder = folders.get(agent.drive)
        if folder is None:
            continue
        try:
            here = look(agent.drive, folder, catalog, Asked(frozenset(held)))
        except UsageFault:
            continue  # mounting says what is wrong with it
        for one in here.objects:
            if one.item.id in held and one.usable and one.complete:
                present[agent.drive, one.item.id] = tuple(dict.fromkeys(s.volume_id for s in one.segments))
    return present


def _without(
    plan: CompiledPlan, draft: _Draft, present: Mapping[tuple[str, str], tuple[str, ...]]
) -> dict[tuple[str, int], frozenset[str]]:
    """What each buffer passes over: what its drive holds already, and what an earlier buffer of its agent brings."""
    rings = _of_ring(draft)
    without = {}
    for agent in _writers(plan):
        seen = {object_id for drive, object_id in present if drive == agent.drive}
        for buffer in agent.buffers:
            ids = {held.item.id for held in rings[buffer.ring].objects} if buffer.ring in rings else set()
            without[agent.name, buffer.ring] = frozenset(ids & seen)
            seen |= ids
    return without


def _drives(
    plan: CompiledPlan, draft: _Draft, folders: Mapping[str, Path], without: Mapping[tuple[str, int], frozenset[str]]
) -> tuple[DriveWork, ...]:
    drives = []
    whole_objects = ordered_rings(plan)
    for drive, works in draft.buffers.items():
        chains = {work.buffer.ring: _needed(plan, work, without) for work in works}
        holdings = draft.holdings[drive]
        passes = legs_of(chains, whole_objects, holdings.volumes)
        drives.append(DriveWork(drive, folders[drive], tuple(works), passes, holdings.known))
    return tuple(drives)


def _needed(plan: CompiledPlan, work: BufferWork, without: Mapping[tuple[str, int], frozenset[str]]) -> list[Held]:
    """The objects that somebody takes: an agent that does not pass them over, or a target."""
    ring = work.buffer.ring
    if ring in _with_target(plan):
        return list(work.objects)
    takers = [a for a in _writers(plan) if any(buffer.ring == ring for buffer in a.buffers)]
    return [h for h in work.objects if any(h.item.id not in without[a.name, ring] for a in takers)]


def _with_target(plan: CompiledPlan) -> frozenset[int]:
    rings = {name: ring.id for ring in plan.rings for name in ring.buffers}
    return frozenset(rings[target.feed] for target in plan.targets if target.feed in rings)


def ordered_rings(plan: CompiledPlan) -> frozenset[int]:
    """Rings whose objects must come one whole object after another (see ``passes``)."""
    waiting = {
        buffer.ring
        for agent in _writers(plan)
        if agent.order == "object" and agent.spool is None
        for buffer in agent.buffers
    }
    return _with_target(plan) | waiting


def _refuse_several_in_one_file(plan: CompiledPlan, draft: _Draft) -> None:
    """A ``stream`` target is one file: it holds one object."""
    rings = {name: ring.id for ring in plan.rings for name in ring.buffers}
    for target in plan.targets:
        work = _of_ring(draft).get(rings.get(target.feed or "", -1))
        if target.stream is not None and work is not None and len(work.objects) > 1:
            raise UsageFault(
                f"target {target.name} is one file, but {work.name} <- {work.buffer.feed} brings {len(work.objects)}"
                " objects",
                safe="nothing was written",
                todo="select one of them (`latest`, `object`), or say files = … or command = …",
            )


def _refuse_what_no_identity_opens(plan: CompiledPlan, draft: _Draft, identities: Sequence[Any]) -> None:
    """Said before anything is written: a target would find it out when other objects are under way."""
    rings = _with_target(plan)
    into = memoryview(bytearray(RECORD_BYTES_MAX))
    for ring, work in _of_ring(draft).items():
        for held in work.objects if ring in rings else ():
            if held.item.encrypt:
                beginning = _beginning(draft.holdings[work.agent.drive], held, into)
                if beginning is not None:
                    check_opens(beginning, identities, source=held.item.source, object_id=held.item.id)


def _beginning(holdings: Holdings, held: Held, into: memoryview) -> bytes | None:
    """The object's first payload; None where it cannot be had here: another copy may have it when it is read."""
    segment = held.segments[0]
    volume = holdings.volumes[segment.volume_id]
    if segment.first_sequence == 0:
        with contextlib.suppress(MediaFault), open_as(volume.path, volume.id) as reader:
            header = reader.read(segment.first, into)
            if (header.object_id, header.sequence) == (held.item.id, 0):
                return bytes(into[record.HEADER_BYTES : record.HEADER_BYTES + header.payload_bytes])
    return None


# ---------------------------------------------------------------- records


def _refuse_large_records(plan: CompiledPlan, draft: _Draft) -> None:
    """In a restore plan ``record`` is the largest accepted (media.md): said before anything is written."""
    for drive, works in draft.buffers.items():
        holdings = draft.holdings[drive]
        beginning: dict[str, dict[str, Held]] = {}
        for held in (h for work in works for h in work.objects):
            beginning.setdefault(held.segments[0].volume_id, {})[held.item.id] = held
        for volume_id, objects in beginning.items():
            for held, largest in _first_record_bytes(holdings.volumes[volume_id], objects.values()):
                if largest > plan.record:
                    raise UsageFault(
                        f"object {held.item.id} of {held.item.source} has records of {largest} bytes, more than the"
                        f" plan's record of {plan.record} bytes",
                        place=Place(drive=drive),
                        safe="nothing was written",
                        todo=f"say record = {-(-largest // 1024)}KiB in the plan (its buffers grow with it)",
                    )


def _first_record_bytes(volume: HeldVolume, objects: Iterable[Held]) -> Iterator[tuple[Held, int]]:
    """The size of each object's first record on *volume*, which is opened once; what cannot be read says so later."""
    with contextlib.suppress(MediaFault), open_as(volume.path, volume.id) as reader:
        for held in objects:
            with contextlib.suppress(MediaFault, record.BadRecord):
                yield held, record.parse(reader.head(held.segments[0].first)).total_bytes


def lock_to_read(drive: str, folder: Path) -> int:
    """A descriptor that keeps *folder* from being written or recycled in while it is open. Raises DriveFault."""
    place, safe = Place(drive=drive), "the volumes that are read are never written"
    lock = -1
    try:
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        if lock >= 0:
            os.close(lock)
        if isinstance(error, BlockingIOError):
            raise DriveBusyFault(
                f"another run writes the folder {folder}",
                place=place,
                safe=safe,
                todo="wait until that run has ended, then run the plan again",
            ) from None
        raise DriveFault(f"the folder {folder} cannot be read: {error.strerror}", place=place, safe=safe) from None
    return lock
