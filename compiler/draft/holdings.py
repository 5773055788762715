"""What a draft is made from: objects, where their copies lie, and the drives that hold them. Plain values.

The command line fills them from a catalog; nothing here knows a catalog, so that a draft is a pure function.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ...runtime.kinds import source_text

#: A drive that the draft reads or writes has a folder; other kinds of drive are not drafted for.
Folder = str


@dataclass(frozen=True, slots=True)
class HeldCopy:
    """One stored copy: its drive, and the names of the volumes that hold it, in the order in which they are read (of
    several volumes of one name with the identifier behind it).

    ``kept``: the retention of the pool that it lies in still wants it. ``absent``: those of its volumes that are not at
    hand, each in words that say where it was to be.
    """

    drive: str
    volumes: tuple[str, ...]
    kept: bool = True
    absent: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Held:
    """A whole object. ``copies``: those that are stored and at hand; ``lacking``: drives that were to hold it.

    ``away``: copies that are stored, too, but of which some volume is not at hand; ``stray``: those that lie in another
    folder than the drive of that name has.
    ``bytes`` of payload; ``session`` its identifier, ``number`` its count. A full that has a ``parent`` stands for it.
    """

    id: str
    plan: str
    source: str
    session: str
    kind: str
    level: str
    parent: str | None
    started: str
    number: int
    bytes: int
    records: int
    copies: tuple[HeldCopy, ...]
    lacking: tuple[str, ...] = ()
    away: tuple[HeldCopy, ...] = ()
    stray: tuple[HeldCopy, ...] = ()
    compress: str | None = None
    encrypt: str | None = None

    @property
    def kept(self) -> bool:
        """Whether any pool still wants it."""
        return any(copy.kept for copy in (*self.copies, *self.away))

    @property
    def name(self) -> str:
        """``PLAN/SOURCE``, as it means this source alone."""
        return source_text(self.plan, self.source)

    def on(self, drive: str) -> HeldCopy | None:
        """The copy on *drive*, or None."""
        return next((c for c in self.copies if c.drive == drive), None)


@dataclass(frozen=True, slots=True)
class HeldDrive:
    """A drive: its folder of volumes, and what a plan says of it beyond that (attribute → value as written).

    ``rate``: the slowest and the fastest, bytes per second, where a plan says it.
    """

    name: str
    folder: Folder
    attributes: tuple[tuple[str, str], ...] = ()
    rate: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Merged:
    """A chain that becomes a full: its objects, oldest first, and what is said of the source beyond them.

    ``attributes``: attribute → value as written (compression, recipients). ``rate``: how fast its objects are read at
    the least, bytes per second, where that is known of all of them.
    """

    links: tuple[Held, ...]
    attributes: tuple[tuple[str, str], ...] = ()
    rate: int | None = None

    @property
    def newest(self) -> Held:
        """The object that the full will stand for."""
        return self.links[-1]

    @property
    def bytes_max(self) -> int:
        """As much as the full can hold: all objects of the chain together."""
        return sum(link.bytes for link in self.links)


@dataclass(frozen=True, slots=True)
class Read:
    """One drive that is read: which objects are taken from it. ``everything``: these are all whole ones it holds.

    ``chains``: a full object and the incrementals behind it, each of which comes through one buffer, oldest first.
    """

    drive: HeldDrive
    objects: tuple[Held, ...]
    everything: bool = False
    chains: tuple[tuple[Held, ...], ...] = ()

    @property
    def all(self) -> tuple[Held, ...]:
        """Every object that is read, those of chains, too."""
        return (*self.objects, *(link for chain in self.chains for link in chain))

    @property
    def volumes(self) -> tuple[str, ...]:
        """The volumes that are read, each once."""
        copies = [held.on(self.drive.name) for held in self.all]
        return tuple(sorted({v for copy in copies if copy is not None for v in copy.volumes}))


def reads_of(
    wanted: Iterable[Held], everything: Sequence[Held], drives: dict[str, HeldDrive], *, never: frozenset[str]
) -> tuple[tuple[Read, ...], tuple[Held, ...]]:
    """Which drive gives which object, and the objects that no drive can give.

    The drive that has most of what is still wanted comes first, of several the one with the fewest volumes to read.
    *everything*: all whole objects there are. *never*: drives that are written, which cannot be read in the same plan.
    """
    left = {held.id: held for held in wanted}
    chosen: list[Read] = []
    while True:
        offers = []
        for name, drive in drives.items():
            if name in never:
                continue
            has = [held for held in left.values() if held.on(name) is not None]
            if has:
                read = Read(drive, tuple(sorted(has, key=lambda h: (h.number, h.name, h.id))))
                offers.append((-len(has), len(read.volumes), name, read))
        if not offers:
            return tuple(chosen), tuple(left.values())
        read = min(offers, key=lambda offer: offer[:3])[3]
        # `all` means what is partly away, too.
        there = {h.id for h in everything if any(c.drive == read.drive.name for c in (*h.copies, *h.away))}
        chosen.append(Read(read.drive, read.objects, there == {held.id for held in read.objects}))
        for held in read.objects:
            del left[held.id]
