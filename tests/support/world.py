"""A small world of magazines for tests: sessions written by the real drive and record sealer, without the engine."""

from __future__ import annotations

import dataclasses
import io
import tarfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tapechain.runtime.catalog.rebuild import catalog_of_volumes
from tapechain.runtime.catalog.store import Catalog, open_catalog
from tapechain.runtime.drives.base import IndexedVolume
from tapechain.runtime.drives.volumes import VolumesDrive
from tapechain.runtime.faults import Fault
from tapechain.runtime.media.ids import new_id
from tapechain.runtime.media.record import HEADER_BYTES, seal, total_bytes
from tapechain.runtime.media.volume import open_volume
from tapechain.runtime.model import CopyReport, Ending, ObjectFacts, ObjectReport, RunReport, Session
from tapechain.runtime.restore.restore import Restored, plan_reading, restore
from tapechain.runtime.restore.select import choose, resolve_source
from tapechain.runtime.restore.shelf import Shelf

RECORD = 64 * 1024


@dataclasses.dataclass(frozen=True)
class Item:
    """One object to write: its payload, its kind, how it ends, and the drives that are to hold it (None: all)."""

    data: bytes
    kind: str = "stream"
    ending: Ending = dataclasses.field(default_factory=lambda: Ending("whole"))
    drives: tuple[str, ...] | None = None
    #: records that reach each drive, where not all do
    only: Mapping[str, int] = dataclasses.field(default_factory=dict)


class World:
    """Magazines below one folder, and the catalog that runs have written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.catalog_path = self.state / "catalog.sqlite"
        self.indexed: list[IndexedVolume] = []
        self.clock = 0

    def catalog(self, *, create: bool = False) -> Catalog:
        return open_catalog(self.catalog_path, create=create)

    def magazine(self, drive: str) -> Path:
        return self.folder / "media" / drive

    def volumes(self, drive: str | None = None) -> list[Path]:
        return sorted((self.folder / "media").glob(f"{drive or '*'}/*.tar"))

    def started(self) -> str:
        self.clock += 1
        return f"2026-01-{self.clock:02d}T00:00:00.000Z"

    def run(
        self,
        items: Mapping[str, Item | bytes],
        drives: Sequence[str] = ("R1",),
        *,
        plan: str = "night",
        capacity: int | None = None,
        finish: bool = True,
        record: bool = True,
        interleave: bool = True,
        pool: str | None = None,
        parents: Mapping[str, str] | None = None,
    ) -> dict[str, str]:
        """One session: every item to its drives, records of all items in turn. Returns source → object id.

        *parents*: source → the object that this session's incremental of it follows.
        """
        things = {n: i if isinstance(i, Item) else Item(i) for n, i in items.items()}
        with self.catalog(create=True) as catalog:
            session = catalog.begin_session(plan, f"fp-{plan}", self.started())
            facts = {
                name: ObjectFacts(
                    new_id(),
                    name,
                    item.kind,  # type: ignore[arg-type]
                    session,
                    level="incremental" if name in (parents or {}) else "full",
                    parent=(parents or {}).get(name),
                    drives=tuple(item.drives or drives),
                )
                for name, item in things.items()
            }
            results: dict[str, list[CopyReport]] = {name: [] for name in things}
            for drive in drives:
                mine = {n: i for n, i in things.items() if drive in (i.drives or drives)}
                for result in self._write(
                    catalog if record else None, drive, mine, facts, session, capacity, interleave, pool
                ):
                    name = next(n for n in mine if facts[n].id == result.object_id)
                    results[name].append(
                        CopyReport(
                            drive,
                            result.agent,
                            result.status,
                            tuple(s.volume_id for s in result.segments),
                            result.error,
                        )
                    )
            if finish:
                reports = tuple(
                    ObjectReport(
                        n, facts[n].id, len(i.data), len(pieces(i.data)), i.ending.status, i.ending.warnings,
                        tuple(results[n]), i.ending.unread, i.ending.error,
                    )
                    for n, i in things.items()
                )  # fmt: skip
                whole = all(c.status == "stored" for r in reports for c in r.copies)
                catalog.finish_session(
                    RunReport(session.id, plan, "ok" if whole else "degraded", reports, 1.0), session
                )
        return {name: f.id for name, f in facts.items()}

    def back(
        self,
        source: str,
        to: Path,
        *,
        given: Sequence[Path] | None = None,
        object_id: str | None = None,
        as_of: str | None = None,
        overwrite: bool = False,
        progress: Callable[[int], None] | None = None,
    ) -> Restored:
        """Restore as the command does; with *given*, from these volumes alone."""
        if given is None:
            catalog = self.catalog()
        else:
            catalog, _ = catalog_of_volumes(given)
        with catalog:
            shelf = Shelf(catalog.volumes(), given or ())
            plan, name = resolve_source(catalog, source)
            choice = choose(catalog, plan, name, shelf, object_id=object_id, as_of=as_of)
        return restore(plan_reading(choice.object, shelf), shelf, to, overwrite=overwrite, progress=progress)

    def _write(
        self,
        catalog: Catalog | None,
        drive: str,
        items: Mapping[str, Item],
        facts: Mapping[str, ObjectFacts],
        session: Session,
        capacity: int | None,
        interleave: bool,
        pool: str | None,
    ):
        def confirmed(indexed: IndexedVolume) -> None:
            self.indexed.append(indexed)
            if catalog is not None:
                catalog.record_volume(indexed)

        writer = VolumesDrive(drive, self.magazine(drive), capacity=capacity, pool=pool, on_index=confirmed)
        self.magazine(drive).mkdir(parents=True, exist_ok=True)
        writer.mount(session, agent=f"A-{drive}", plan_record=RECORD)
        slot = bytearray(RECORD)
        queues = {}
        for name, item in items.items():
            writer.begin(facts[name])
            queues[name] = list(enumerate(pieces(item.data)))[: item.only.get(drive)]
        while any(queues.values()):
            for name, item in items.items():
                while queues[name]:
                    sequence, piece = queues[name].pop(0)
                    slot[HEADER_BYTES : HEADER_BYTES + len(piece)] = piece
                    last = item.ending.status == "whole" and sequence == len(pieces(item.data)) - 1
                    total = seal(memoryview(slot), facts[name], sequence, len(piece), last=last)
                    writer.write(memoryview(slot)[:total], facts[name].id, sequence, len(piece))
                    if interleave:
                        break
        for name, item in items.items():
            cut = item.only.get(drive) is not None and item.ending.status == "whole"
            writer.end(facts[name].id, Ending("cut-off") if cut else item.ending)
        return writer.close(1.0)


def pieces(data: bytes, record: int = RECORD) -> list[bytes]:
    """The payloads of *data*'s records; an empty object is one empty record."""
    size = record - HEADER_BYTES
    return [data[i : i + size] for i in range(0, len(data), size)] or [b""]


def positions(volume: Path, object_id: str) -> dict[int, tuple[int, int]]:
    """Sequence → (position, bytes) of an object's records on a volume."""
    with open_volume(volume) as reader:
        return {
            r.header.sequence: (r.position, total_bytes(r.header.payload_bytes))
            for r in reader.scan()
            if r.header.object_id == object_id
        }


def flip(volume: Path, position: int, bits: int = 0xFF) -> None:
    """Change one byte of a file."""
    with open(volume, "r+b") as file:
        file.seek(position)
        byte = file.read(1)[0]
        file.seek(position)
        file.write(bytes([byte ^ bits]))


def archive(members: Sequence[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    """A pax archive with these members, however odd."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, data in members:
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


__all__ = ["RECORD", "Fault", "Item", "World", "archive", "flip", "pieces", "positions"]
