"""Verifying media: every record is read and its digest checked, and what is there is compared with the catalog.

What the catalog already knows to be cut off or failed is known, not a fault; a record that is not sound, a volume that
is nowhere, or media and catalog that differ are faults.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from ..catalog.queries import CatalogObject, CatalogVolume
from ..catalog.store import Catalog
from ..drives.blank import BLANK_BYTES
from ..faults import MediaFault
from ..kinds import RECORD_BYTES_MAX
from ..media.contradiction import contradiction
from ..media.label import LABEL_BYTES
from ..media.record import RecordHeader
from ..media.scanned import Damage, ScannedIndex, ScannedRecord
from ..media.volume import VolumeReader
from ..model import Segment
from ..patience import HangingFault
from .devices import Devices, by_device
from .fitting import Fit
from .reading import ObjectReader, RecordLost
from .shelf import Shelf
from .verdicts import CopyVerdict, ObjectVerdict, Seen, Verdict, Verified, VolumeVerdict


def verify(
    catalog: Catalog,
    shelf: Shelf,
    *,
    volumes: Sequence[CatalogVolume],
    source: tuple[str, str] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Verified:
    """Read *volumes* (only the records of the (plan, source) where one is given) and compare them with the catalog.

    Volumes that lie on different devices are read at once. *progress* is called with the bytes of volumes that are
    done. Raises CatalogFault.
    """
    known = catalog.objects(plan=source[0], source=source[1]) if source else catalog.objects()
    expected: dict[str, list[tuple[CatalogObject, str, Segment]]] = {}
    for item in known:
        for copy in item.copies:
            for segment in copy.segments:
                expected.setdefault(segment.volume_id, []).append((item, copy.drive, segment))
    wanted = {item.id for item in known} if source else None

    def read_one(n: int, volume: CatalogVolume, devices: Devices) -> tuple[VolumeVerdict, dict[str, Seen]]:
        def moved(position: int) -> None:
            devices.moved(n, position)

        held = expected.get(volume.id, [])
        verdict = VolumeVerdict(volume.id, volume.name, volume.drive, volume.location)
        verdict.objects = tuple(dict.fromkeys(item.id for item, _, _ in held))
        seen: dict[str, Seen] = {}
        try:
            shelf.ask(volume.id, lambda: _volume(volume, shelf, held, wanted, moved, verdict, seen, devices.hands))
        except HangingFault as fault:
            # The thread that hangs has them for ever: what it found until then is copied.
            verdict, seen = verdict.copy(), {item: one.copy() for item, one in list(seen.items())}
            verdict.wrong(str(fault), "hanging")
        moved(volume.bytes)
        return verdict, seen

    shelf.find_all(v.id for v in volumes)
    results = by_device(volumes, lambda v: shelf.device(v.id), read_one, progress)
    verdicts = [verdict for verdict, _ in results]
    found = {volume.id: seen for volume, (_, seen) in zip(volumes, results, strict=True)}
    read = {v.id for v in volumes}
    absent: dict[str, Verdict] = {v.id: v.status for v in verdicts if v.status in {"missing", "hanging"}}
    objects = [_object(o, found, read, absent, shelf) for o in known if any(s.volume_id in read for s in _segments(o))]
    _heal(verdicts, expected, {o.object: {c.drive: c.status for c in o.copies} for o in objects})
    return Verified(tuple(verdicts), tuple(objects))


def _heal(
    verdicts: Iterable[VolumeVerdict],
    expected: dict[str, list[tuple[CatalogObject, str, Segment]]],
    copies: dict[str, dict[str, Verdict]],
) -> None:
    """Volumes of which nothing is needed any more: every copy that lay on them is sound on others of their drive."""
    for verdict in verdicts:
        held = expected.get(verdict.id, [])
        if verdict.status in {"sound", "hanging"} or verdict.strange or not held:
            continue
        if all(copies.get(item.id, {}).get(drive) == "sound" for item, drive, _ in held):
            verdict.status = "healed"


# ---------------------------------------------------------------- one volume


def _volume(  # noqa: PLR0917 - one step of one function
    volume: CatalogVolume,
    shelf: Shelf,
    expected: list[tuple[CatalogObject, str, Segment]],
    wanted: set[str] | None,
    progress: Callable[[int], None],
    verdict: VolumeVerdict,
    seen: dict[str, Seen],
    hands: int,
) -> None:
    """Read one volume: what is found goes into *verdict* and *seen* as it is found."""
    place = shelf.find(volume.id)
    verdict.location = str(place.path) if place.path else volume.location
    try:
        with shelf.open(volume.id) as reader:
            if reader.doubt:
                # Its records count as sound copies; the volume itself is to be set aside all the same.
                verdict.wrong(reader.doubt, ailment="lies")
                verdict.strange = True
            if wanted is None:
                _read_all(reader, expected, verdict, seen, progress, hands=hands)
            else:
                _read_some(reader, expected, verdict, seen, progress, hands=hands)
    except HangingFault:
        raise
    except MediaFault as fault:
        if place.hangs:
            verdict.wrong(str(fault), "hanging")
        elif place.path is None and not volume.sessions:
            verdict.notes.append(f"it is not there, and held nothing: {fault.message}")
        elif place.path is None:
            verdict.wrong(f"it is missing: {fault.message}", "missing")
        else:
            verdict.wrong(str(fault))
    else:
        _compare(verdict, expected, seen, all_of_it=wanted is None)


def _read_all(
    reader: VolumeReader,
    expected: Sequence[tuple[CatalogObject, str, Segment]],
    verdict: VolumeVerdict,
    seen: dict[str, Seen],
    progress: Callable[[int], None],
    *,
    hands: int,
) -> None:
    places = _places(expected)
    fits = {item.id: Fit(item) for item, _, _ in expected}
    for member in reader.members(LABEL_BYTES, reader.size, check=True, hands=hands, failed=_unreadable(verdict)):
        if isinstance(member, Damage):
            verdict.wrong(str(member))
        elif isinstance(member, ScannedRecord):
            _count(member.header, member.position, places, fits, verdict, seen)
        elif isinstance(member, ScannedIndex) and (why := contradiction(reader, member.index)) is not None:
            verdict.wrong(f"the index at byte {member.position} is not believed: {why}", ailment="lies")
            # Records that changed places are all there, each of which its object's reading finds and judges.
            verdict.strange = verdict.strange or not why.misplaced
        progress(member.position)
    try:
        ended = reader.last_index() is not None or reader.size == BLANK_BYTES
    except MediaFault:
        return  # the walk has named it
    if not ended:
        verdict.notes.append(
            "no index, or no archive's end behind it, at its end: it was cut off, or its last session crashed"
        )


def _read_some(
    reader: VolumeReader,
    expected: Sequence[tuple[CatalogObject, str, Segment]],
    verdict: VolumeVerdict,
    seen: dict[str, Seen],
    progress: Callable[[int], None],
    *,
    hands: int,
) -> None:
    wanted = {item.id for item, _, _ in expected}
    places = _places(expected)
    fits = {item.id: Fit(item) for item, _, _ in expected}
    segments = [segment for _, _, segment in expected]
    low = min((s.first for s in segments), default=reader.size)
    high = max((s.last for s in segments), default=0)
    failed = _unreadable(verdict)
    for member in reader.members(low, reader.size, check=True, hands=hands, only=wanted, until=high, failed=failed):
        if isinstance(member, Damage):
            verdict.wrong(str(member))
        elif isinstance(member, ScannedRecord):
            _count(member.header, member.position, places, fits, verdict, seen)
        progress(member.position)


def _unreadable(verdict: VolumeVerdict) -> Callable[[MediaFault], None]:
    """A record that the medium does not give is one thing that is wrong; those behind it are looked at all the same."""

    def wrong(fault: MediaFault) -> None:
        verdict.wrong(str(fault))

    return wrong


def _places(expected: Iterable[tuple[CatalogObject, str, Segment]]) -> dict[int, tuple[str, int]]:
    """Where the first and the last record of each part lie, as its index says: position → (object, sequence)."""
    found = {}
    for item, _, segment in expected:
        if segment.records:
            found[segment.last] = (item.id, segment.first_sequence + segment.records - 1)
            found[segment.first] = (item.id, segment.first_sequence)
    return found


def _count(  # noqa: PLR0917 - one step of two loops
    header: RecordHeader,
    position: int,
    places: dict[int, tuple[str, int]],
    fits: dict[str, Fit],
    verdict: VolumeVerdict,
    seen: dict[str, Seen],
) -> None:
    """A sound record. Behind a newer one of its object only a part of its own begins: any tar goes by the order."""
    verdict.records += 1
    verdict.bytes += header.payload_bytes
    fit = fits.get(header.object_id)
    if fit is not None and (why := fit.why_not(header)) is not None:
        verdict.wrong(f"object {header.object_id}: record {header.sequence}, at byte {position}: {why}", ailment="lies")
        return
    there = seen.setdefault(header.object_id, Seen(header.source))
    stray = header.sequence <= there.newest
    if places.get(position) == (header.object_id, header.sequence):
        stray &= not there.met
        there.met.add(position)
    if stray:
        there.disorder = True
        verdict.wrong(
            f"object {header.object_id} of source {header.source}: record {header.sequence}, at byte {position}, lies"
            f" behind record {there.newest}: it is out of its order"
        )
    there.add(header)


def _held(there: Seen, segment: Segment) -> int:
    """How many of the part's records are there: one that lies in the place of another counts once."""
    behind, last = segment.first_sequence, segment.first_sequence + segment.records
    held = 0
    for low, high in sorted(there.stretches):
        held += max(0, min(high, last) - max(low, behind))
        behind = max(behind, high)
    return held


def _compare(
    verdict: VolumeVerdict,
    expected: Iterable[tuple[CatalogObject, str, Segment]],
    seen: dict[str, Seen],
    *,
    all_of_it: bool,
) -> None:
    claimed: set[str] = set()
    for item, _, segment in expected:
        claimed.add(item.id)
        there = seen.get(item.id)
        sound = _held(there, segment) if there else 0
        if sound < segment.records:
            verdict.wrong(
                f"object {item.id} of {item.plan}/{item.source}: {segment.records - sound} of"
                f" {segment.records} records are not sound or not there"
            )
        elif there and (there.source != item.source or there.bytes < segment.payload_bytes):
            verdict.strange = True
            what = f"object {item.id} of {item.plan}/{item.source} is not what the catalog says of it"
            verdict.wrong(what, ailment="differs")
        elif there and not {segment.first, segment.last} <= there.met:
            verdict.wrong(
                f"object {item.id} of {item.plan}/{item.source}: its first or last record is not at byte"
                f" {segment.first} or {segment.last}, where its index has it"
            )
    if all_of_it:
        for object_id, there in seen.items():
            if object_id not in claimed:
                verdict.strange = True
                verdict.wrong(f"object {object_id} of source {there.source} is not in the catalog", ailment="unknown")


# ---------------------------------------------------------------- one object


#: What a copy is of whose volumes not all are sound: that one hangs says least of the others.
_WORST: tuple[Verdict, ...] = ("missing", "hanging", "damaged")


def _segments(item: CatalogObject) -> list[Segment]:
    return [s for c in item.copies for s in c.segments]


def _object(
    item: CatalogObject, found: dict[str, dict[str, Seen]], read: set[str], absent: dict[str, Verdict], shelf: Shelf
) -> ObjectVerdict:
    copies = []
    stretches: list[tuple[int, int]] = []
    for copy in item.copies:
        if copy.status == "discarded":
            continue
        ids = {s.volume_id for s in copy.segments}
        here = [t for v in ids for t in _sound(found.get(v, {}).get(item.id))]
        # Volumes that were not asked for are taken at the catalog's word.
        here += [(s.first_sequence, s.first_sequence + s.records) for s in copy.segments if s.volume_id not in read]
        stretches += here
        if copy.status != "stored":
            copies.append(CopyVerdict(copy.drive, "known"))
        elif not ids & read:
            copies.append(CopyVerdict(copy.drive, "unread"))
        elif _covers(here, item.records) and not any(_disorder(found, v, item.id) for v in ids):
            copies.append(CopyVerdict(copy.drive, "sound"))
        else:
            why: set[Verdict] = {absent.get(v, "damaged") for v in ids & read}
            copies.append(CopyVerdict(copy.drive, next(w for w in _WORST if w in why)))
    status: Verdict = "known"
    if item.status == "whole":
        if all(c.status in {"sound", "known", "unread"} for c in copies):
            status = "sound"
        else:
            hangs = any(c.status == "hanging" for c in copies)
            bad = any(c.status in {"damaged", "missing"} for c in copies)
            there = _covers(stretches, item.records) or _all_found(item, stretches, shelf)
            status = "hanging" if hangs and not (bad and there) else "damaged" if there else "lost"
    return ObjectVerdict(item.source, item.plan, item.id, status, tuple(copies))


def _all_found(item: CatalogObject, stretches: Iterable[tuple[int, int]], shelf: Shelf) -> bool:
    """Whether a restore finds the other records: who knows the object believes places that a walk does not (R6)."""
    into = memoryview(bytearray(RECORD_BYTES_MAX))
    reader = ObjectReader(item, [copy for copy in item.copies if copy.segments], shelf)
    covered = 0
    try:
        for first, behind in (*sorted(stretches), (item.records, item.records)):
            for sequence in range(covered, first):
                reader.fetch(sequence, into)
            covered = max(covered, behind)
    except RecordLost:
        return False
    finally:
        reader.close()
    return True


def _disorder(found: dict[str, dict[str, Seen]], volume_id: str, object_id: str) -> bool:
    seen = found.get(volume_id, {}).get(object_id)
    return seen is not None and seen.disorder


def _sound(seen: Seen | None) -> list[tuple[int, int]]:
    return [(a, b) for a, b in seen.stretches] if seen else []


def _covers(stretches: Iterable[tuple[int, int]], records: int) -> bool:
    covered = 0
    for first, behind in sorted(stretches):
        if first > covered:
            return False
        covered = max(covered, behind)
    return covered >= records
