"""Random damage to media: each is detected, a restore heals or names what is lost, and never gives wrong data.

``TCC_DAMAGES=10000 python -m pytest tests/faults/test_media_damages.py`` is the long run of docs/reliability.md
(``TCC_SEED`` chooses other damages, ``TCC_ONLY=N`` does the N-th alone); without it a few hundred.
"""

import os
import random
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from harm import LABEL, Volume, harm
from history import Zygote, read_copy, stored
from tapechain.runtime.catalog.queries import CatalogObject, CatalogVolume
from tapechain.runtime.catalog.rebuild import catalog_of_volumes
from tapechain.runtime.catalog.store import Catalog, open_catalog
from tapechain.runtime.faults import MediaFault
from tapechain.runtime.media.scanned import ScannedRecord
from tapechain.runtime.media.volume import open_volume
from tapechain.runtime.restore.reading import RecordLost
from tapechain.runtime.restore.shelf import Shelf
from tapechain.runtime.restore.verdicts import Verified
from tapechain.runtime.restore.verify import verify

DAMAGES = int(os.environ.get("TCC_DAMAGES", "120"))
SEED = int(os.environ.get("TCC_SEED", "1"))
ONLY = os.environ.get("TCC_ONLY")
DEADLINE_SECONDS = 110 if DAMAGES < 1000 else 6 * 3600

PLAN = """
plan torture {{ record = 64KiB  depth = 3  state = "state" }}
source plain {{ stream = "feed/plain" }}
source packed {{ command = ["cat", "feed/packed"]  compress = "zstd:1" }}
source sealed {{ command = ["cat", "feed/sealed"]  compress = "zstd:1"  encrypt = ["{key}"] }}
source image {{ stream = "feed/image" }}
source tree {{ files = "feed/tree"  level = "incremental" }}
drive R1 {{ volumes = "media/R1"{one} }}
backup group b {{ agent a -> R1 {{ B1 <- plain  B2 <- packed  B3 <- sealed  B4 <- image  B5 <- tree }} }}
"""
MIRROR = """
drive R2 { volumes = "media/R2"  capacity = 500kB }
mirror group m of b { agent c -> R2 { * <- a } }
"""
STREAMS = ("plain", "packed", "sealed", "image")


@dataclass
class Truth:
    """Sound media, their catalog, and what every object on them holds."""

    folder: Path
    key: Path
    fast: Zygote
    volumes: list[Volume] = field(default_factory=list)
    #: object → its bytes as they were stored
    stored: dict[str, bytes] = field(default_factory=dict)
    #: what the sources held, session by session
    streams: list[dict[str, bytes]] = field(default_factory=list)
    #: every file of the tree in any session
    files: dict[str, list[bytes]] = field(default_factory=dict)
    tree: dict[str, bytes] = field(default_factory=dict)
    known: list[CatalogObject] = field(default_factory=list)
    places: list[CatalogVolume] = field(default_factory=list)

    @property
    def at(self) -> dict[Path, Volume]:
        return {volume.path: volume for volume in self.volumes}

    @property
    def catalog(self) -> Path:
        return self.folder / "state" / "catalog.sqlite"


def truth_in(folder: Path, *, mirrored: bool) -> Truth:
    """Three sessions of five sources, written by real runs."""
    folder.mkdir()
    key = folder / "key"
    subprocess.run(["age-keygen", "-o", key], check=True, capture_output=True)
    recipient = subprocess.run(["age-keygen", "-y", key], check=True, capture_output=True, text=True).stdout.strip()
    one = "" if mirrored else "  capacity = 600kB"
    (folder / "plan.tc").write_text(PLAN.format(key=recipient, one=one) + (MIRROR if mirrored else ""))
    truth = Truth(folder, key, Zygote(folder))
    assert truth.fast.tcc("compile", "plan.tc", cwd=folder).code == 0
    dice = random.Random(7)
    ends: dict[Path, list[int]] = {}
    (folder / "feed" / "tree").mkdir(parents=True)
    for _ in range(3):
        # A volume within a volume: one of our own, which R1 holds elsewhere, too.
        images = sorted((folder / "media" / "R1").glob("*.tar")) if (folder / "media").exists() else []
        held = {
            "plain": dice.randbytes(dice.randrange(60_000, 200_000)),
            "packed": b"".join(b"%d words, %d bytes\n" % (n, dice.randrange(10**9)) for n in range(6_000)),
            "sealed": dice.randbytes(dice.randrange(30_000, 100_000)),
            "image": images[0].read_bytes()[:150_000] if images else b"",
        }
        truth.streams.append(held)
        for name, data in held.items():
            (folder / "feed" / name).write_bytes(data)
        for number in dice.sample(range(9), 5):
            (folder / "feed" / "tree" / f"f{number}").write_bytes(dice.randbytes(dice.randrange(40_000)))
        truth.tree = {path.name: path.read_bytes() for path in (folder / "feed" / "tree").iterdir()}
        for name, data in truth.tree.items():
            truth.files.setdefault(name, []).append(data)
        run = truth.fast.tcc("run", "plan.plan.json", "--progress", "none", cwd=folder)
        assert run.code == 0, run.err
        for path in (folder / "media").rglob("*.tar"):
            ends.setdefault(path, []).append(path.stat().st_size)
    with open_catalog(truth.catalog, create=False) as catalog:
        truth.known, truth.places = catalog.objects(), catalog.volumes()
    for item in truth.known:
        (first, *others) = [read_copy(item, [copy], Shelf(truth.places)) for copy in item.copies]
        assert all(other == first for other in others)
        truth.stored[item.id] = first
    for path, sizes in sorted(ends.items()):
        with open_volume(path) as reader:
            members = [(m.position, m.end) for m in reader.members(LABEL, reader.size, check=True)]
        data = path.read_bytes()
        truth.volumes.append(Volume(path, data, ((0, LABEL), *members, (members[-1][1], len(data))), tuple(sizes)))
    return truth


class Wrong(AssertionError):
    """What must never be."""


def examine(truth: Truth, found: dict[Path, bytes | None], catalog: Catalog, tally: Counter[str]) -> None:
    """Media as *found*: verify, reading and a rebuild, each held against the truth and against each other."""
    shelf = Shelf(truth.places)
    said = verify(catalog, shelf, volumes=truth.places)
    noticed = {Path(v.location or "") for v in said.volumes if v.status != "sound" or v.notes}
    for volume in truth.volumes:
        if found[volume.path] != volume.data and volume.path not in noticed:
            if members_of(volume.path) != members_of_sound(volume):
                raise Wrong(f"not detected: {volume.path.stem}: {first_change(volume, found[volume.path] or b'')}")
            tally["no harm"] += 1
    sound = intact(truth, found)
    touched = {v.id for v in truth.places if found[Path(v.location or "")] != truth.at[Path(v.location or "")].data}
    for item in truth.known:
        if not any(segment.volume_id in touched for copy in item.copies for segment in copy.segments):
            continue  # nothing of it was touched: it was read when the media were sound
        read, lack = read_anyhow(item, shelf)
        if read is not None and read != truth.stored[item.id]:
            raise Wrong(f"wrong bytes of {item.source} {item.id}")
        if read is None and item.id in sound:
            raise Wrong(f"{item.source} {item.id} is all there, and was not read: {lack}")
        (verdict,) = [o for o in said.objects if o.object == item.id]
        if verdict.status in ("sound", "damaged") and read is None:
            raise Wrong(f"verify calls {item.source} {verdict.status}, and it was not read: {lack}")
        if verdict.status == "lost" and read is not None:
            raise Wrong(f"verify calls {item.source} lost, and it was read")
        tally["healed" if read is not None and verdict.status != "sound" else verdict.status] += 1
    agrees(truth, said, touched, tally)


@pytest.mark.slow
@pytest.mark.timeout(100)
@pytest.mark.skipif(shutil.which("age-keygen") is None, reason="age-keygen, which makes the key, is not here")
def test_no_record_passes_for_another_one_of_its_object(tmp_path: Path) -> None:
    """A sound record of the same object, of any copy, where another one should be: at each place, each of them."""
    truth = truth_in(tmp_path / "world", mirrored=True)
    tried = 0
    with open_catalog(truth.catalog, create=False) as catalog:
        for volume in truth.volumes:
            (place,) = [p for p in truth.places if Path(p.location or "") == volume.path]
            sound, known = members_of(volume.path), records_of(volume)
            for sequence, object_id, start, _ in known:
                for other in truth.volumes:
                    for another, of, low, high in records_of(other):
                        if of != object_id or another == sequence:
                            continue
                        data = bytearray(volume.data)
                        data[start : start + high - low] = other.data[low:high]
                        volume.path.write_bytes(data)
                        (said,) = verify(catalog, Shelf(truth.places), volumes=[place]).volumes
                        assert said.status != "sound" or said.notes or members_of(volume.path) == sound, (
                            f"{volume.path.stem}: record {another} of {of} for {sequence}, at byte {start}"
                        )
                        tried += 1
            volume.path.write_bytes(volume.data)
    truth.fast.close()
    assert tried > 100


def members_of(path: Path) -> tuple[object, ...]:
    """What a reader gets of a volume: each object's records in their order, the ends of each, the indexes."""
    orders: dict[str, list[int]] = {}
    places: dict[str, list[int]] = {}
    rest: list[object] = []
    with open_volume(path) as reader:
        for m in reader.members(LABEL, reader.size, check=True):
            if isinstance(m, ScannedRecord):
                orders.setdefault(m.header.object_id, []).append(m.header.sequence)
                places.setdefault(m.header.object_id, []).append(m.position)
            else:
                rest.append(m)
        rest.append(reader.last_index())
    return orders, {key: (at[0], at[-1]) for key, at in places.items()}, rest


_SOUND: dict[Path, tuple[object, ...]] = {}


def members_of_sound(volume: Volume) -> tuple[object, ...]:
    return _SOUND[volume.path]


def first_change(volume: Volume, data: bytes) -> str:
    at = next((n for n, (a, b) in enumerate(zip(volume.data, data, strict=False)) if a != b), len(data))
    member = next((span for span in volume.members if span[0] <= at < span[1]), None)
    return f"from byte {at} of {len(data)} (was {len(volume.data)}), in the member {member}"


def intact(truth: Truth, found: dict[Path, bytes | None]) -> set[str]:
    """Objects of which each record lies untouched, where it lay, in some volume that is itself."""
    there: dict[str, set[int]] = {}
    for volume in truth.volumes:
        data = found[volume.path]
        if data is None or data[:LABEL] != volume.data[:LABEL]:
            continue
        for sequence, object_id, start, end in records_of(volume):
            if data[start:end] == volume.data[start:end]:
                there.setdefault(object_id, set()).add(sequence)
    return {item.id for item in truth.known if len(there.get(item.id, ())) == item.records}


_RECORDS: dict[Path, list[tuple[int, str, int, int]]] = {}


def records_of(volume: Volume) -> list[tuple[int, str, int, int]]:
    """(sequence, object, start, end) of its records, from the sound volume; asked first while it is sound."""
    if volume.path not in _RECORDS:
        with open_volume(volume.path) as reader:
            _RECORDS[volume.path] = [
                (m.header.sequence, m.header.object_id, m.position, m.end)
                for m in reader.members(LABEL, reader.size, check=False)
                if isinstance(m, ScannedRecord)
            ]
    return _RECORDS[volume.path]


def read_anyhow(item: CatalogObject, shelf: Shelf) -> tuple[bytes | None, str]:
    """The object's bytes from whatever copy has them; or what is named as lost."""
    try:
        return read_copy(item, [copy for copy in item.copies if copy.segments], shelf), ""
    except (RecordLost, MediaFault) as lack:
        assert str(lack)
        return None, str(lack)


def agrees(truth: Truth, said: Verified, touched: set[str], tally: Counter[str]) -> None:
    """A catalog made from the damaged volumes alone: whatever it calls stored is right or its loss is named."""
    rebuilt, _ = catalog_of_volumes([truth.folder / "media"])
    with rebuilt:
        objects, places = {o.id: o for o in rebuilt.objects()}, rebuilt.volumes()
    shelf = Shelf(places)
    for item in objects.values():
        if item.id not in truth.stored:
            raise Wrong(f"a rebuild finds {item.source} {item.id}, which never was")
        if not any(s.volume_id in touched for s in [s for c in item.copies for s in c.segments]):
            continue
        read, _ = read_anyhow(item, shelf)
        if read is not None and read != truth.stored[item.id]:
            raise Wrong(f"after a rebuild: wrong bytes of {item.source} {item.id}")
        tally["rebuilt and read" if read is not None else "rebuilt and lost"] += 1
    whole = {object_id for object_id, _ in stored(list(objects.values()))}
    hurt = {v.id for v in said.volumes if v.status != "sound" or v.notes}
    known = {item.id: item for item in truth.known}
    for verdict in said.objects:
        # A rebuild knows less than a catalog where an index or a label is lost; where they are not, it knows the same.
        if any(s.volume_id in hurt for copy in known[verdict.object].copies for s in copy.segments):
            continue
        if verdict.status == "sound" and verdict.object not in whole:
            raise Wrong(f"verify calls {verdict.source} sound, a rebuild does not")


def comes_back(truth: Truth, catalog_says: str, tally: Counter[str]) -> None:
    """Real restores: every file and stream that they give is right, and an exit code of 0 means all of it."""
    back = truth.folder / "back"
    for source in (*STREAMS, "tree"):
        shutil.rmtree(back, ignore_errors=True)
        where = ["--plan", "plan.plan.json"] if catalog_says == "known" else ["--from", "media"]
        done = truth.fast.tcc(
            "restore", source, *where, "--to", "back", "--identity", truth.key, "--progress", "none", cwd=truth.folder
        )
        files = {p.name: p.read_bytes() for p in back.rglob("*") if p.is_file()} if back.exists() else {}
        if done.code not in (0, 1, 2, 3):
            raise Wrong(f"restore of {source}: {done}")
        if done.code and not done.err.strip():
            raise Wrong(f"restore of {source} says nothing")
        tally[f"restore {source}: {done.code}"] += 1
        if source == "tree":
            if any(data not in truth.files.get(name, []) for name, data in files.items()):
                raise Wrong(f"restore of the tree: wrong files: {done}")
            older = catalog_says == "unknown" or "is not at hand" in done.err
            if done.code == 0 and not older and files != truth.tree:
                raise Wrong(f"restore of the tree: not all of it: {done}")
            continue
        # Where a volume is not at hand an older object comes back, and that is said.
        older = catalog_says == "unknown" or "is not at hand" in done.err
        held = [streams[source] for streams in (truth.streams if older else truth.streams[-1:])]
        if done.code == 0 and files not in [{source: data} for data in held]:
            raise Wrong(f"restore of {source}: wrong bytes: {done}")
        if any(not any(whole.startswith(data) for whole in held) for data in files.values()):
            raise Wrong(f"restore of {source}: wrong bytes in part: {done}")


def put(volumes: Sequence[Volume], found: dict[Path, bytes | None], now: dict[Path, bytes | None]) -> None:
    """Have the folders hold what was *found*; *now* is what they hold."""
    for volume in volumes:
        data = found[volume.path]
        if now[volume.path] is data:
            continue
        now[volume.path] = data
        if data is None:
            volume.path.unlink(missing_ok=True)
        else:
            volume.path.write_bytes(data)


@pytest.mark.slow
@pytest.mark.timeout(DEADLINE_SECONDS)
@pytest.mark.skipif(shutil.which("age-keygen") is None, reason="age-keygen, which makes the key, is not here")
@pytest.mark.parametrize("mirrored", [True, False], ids=["two copies", "one copy"])
def test_each_random_damage_is_detected_and_never_gives_wrong_data(tmp_path: Path, mirrored: bool) -> None:
    truth = truth_in(tmp_path / "world", mirrored=mirrored)
    for volume in truth.volumes:
        records_of(volume)
        _SOUND[volume.path] = members_of(volume.path)
    now: dict[Path, bytes | None] = {volume.path: volume.data for volume in truth.volumes}
    tally: Counter[str] = Counter()
    failures, began = [], time.monotonic()
    numbers = [int(ONLY)] if ONLY else range(DAMAGES // 2)
    with open_catalog(truth.catalog, create=False) as catalog:
        for number in numbers:
            dice = random.Random(f"{SEED} {mirrored} {number}")
            found, what = harm(truth.volumes, dice)
            put(truth.volumes, found, now)
            try:
                examine(truth, found, catalog, tally)
                if number % (25 if DAMAGES < 1000 else 40) == 0:
                    comes_back(truth, dice.choice(["known", "unknown"]), tally)
            except Exception as error:
                failures.append(f"{number} ({what}): {type(error).__name__} {error}")
                print("FAILED", failures[-1], flush=True)
                if DAMAGES < 1000:
                    raise
    truth.fast.close()
    print(f"{len(numbers)} damages, seed {SEED}, {time.monotonic() - began:.0f} s: {dict(tally)}")
    assert not failures, f"{len(failures)}: " + "\n".join(failures[:100])
