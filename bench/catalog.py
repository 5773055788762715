"""The catalog: questions to one of 100,000 objects, and a rebuild beside reading the same volume. CPU seconds, ratios.

    .venv/bin/python bench/catalog.py [OBJECTS]

The catalog is filled by rows, as runs of 100 sources on two drives leave them. The volume (1 GB of noise) lies in
memory where /dev/shm is; its index is cut off, so that every record has to be read and checked.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tapechain.runtime.catalog.rebuild import rebuild
from tapechain.runtime.catalog.store import open_catalog
from tapechain.runtime.media.volume import open_volume
from tapechain.runtime.plan import Pool

SOURCES, DRIVES, NIGHTS_A_VOLUME = 100, 2, 10
DAY = 86_400
BEGIN = 1_700_000_000


def uuid(number: int, seconds: int) -> str:
    digits = f"{seconds * 1000:012x}7000{0x8000000000000000 + number:016x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def fill(path: Path, objects: int) -> None:
    """One session a night, each source one object of two records on each drive."""
    open_catalog(path, create=True).close()
    rows: dict[str, list[tuple[Any, ...]]] = {
        t: [] for t in ("sessions", "volumes", "indexes", "entries", "objects", "copies")
    }
    drives = json.dumps([f"R{d}" for d in range(DRIVES)])
    for night in range(objects // SOURCES):
        at = BEGIN + night * DAY
        started = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        session, which = uuid(night, at), night // NIGHTS_A_VOLUME
        rows["sessions"].append((session, night + 1, "night", "f" * 64, started, 12.5, "ended", "ok"))
        volumes = [uuid(10**9 + which * 10 + d, BEGIN) for d in range(DRIVES)]
        for d, volume in enumerate(volumes):
            if night % NIGHTS_A_VOLUME == 0:
                name = f"R{d}-{which + 1:06d}"
                place = f"/media/R{d}/{name}.tar"
                rows["volumes"].append((volume, name, f"R{d}", "A", "p", started, "night", None, place, 10**9))
            rows["indexes"].append((volume, session, f"R{d}", "A", started, 12.5, "ended"))
        for s in range(SOURCES):
            thing = (uuid(10**12 + night * SOURCES + s, at), session, f"source{s}", "files", "full", None, None, None)
            rows["objects"].append((*thing, 10**6, 2, "whole", 0, "[]", None))
            for d, volume in enumerate(volumes):
                here = (volume, session, thing[0], s, session, *thing[2:], 16384, 1064960, 0, 2, 10**6)
                rows["entries"].append((*here, "whole", 0, 0, 0, "[]", drives))
                rows["copies"].append((thing[0], f"R{d}", "A", "stored", None))
    with sqlite3.connect(path) as database:
        for table, its in rows.items():
            database.executemany(f"INSERT INTO {table} VALUES ({','.join('?' * len(its[0]))})", its)


def cpu(work: Callable[[], object]) -> float:
    """The least CPU seconds of three times."""
    took = []
    for _ in range(3):
        begin = time.process_time()
        work()
        took.append(time.process_time() - begin)
    return min(took)


def questions(folder: Path, objects: int) -> None:
    fill(folder / "big.sqlite", objects)
    pools = {("night", "p"): Pool("p", retention=30.0 * DAY, sessions=7)}
    now = BEGIN + objects // SOURCES * DAY
    with open_catalog(folder / "big.sqlite", create=False) as catalog:
        print(f"{objects} objects, {DRIVES} copies each:")
        for what, ask in {
            "sessions": catalog.sessions,
            "volumes": catalog.volumes,
            "objects of one source": lambda: catalog.objects(plan="night", source="source7"),
            "all objects": catalog.objects,
            "expiry of all": lambda: catalog.expiry(pools, now=float(now)),
        }.items():
            print(f"  {what:24}{cpu(ask):8.2f} s")


def rebuilding(folder: Path) -> None:
    (folder / "s.tc").write_text(
        'plan s { state = "state" }\nsource a { command = ["head", "-c", "1000000000", "/dev/urandom"] }\n'
        'drive R1 { volumes = "m" }\nbackup group g { agent A -> R1 { B1 <- a } }\n'
    )
    subprocess.run(["tcc", "run", "s.tc", "--progress", "none"], cwd=folder, check=True)
    volume = folder / "m" / "R1-000001.tar"
    with open_volume(volume) as reader:
        last = reader.last_index()
    assert last is not None and last.position is not None
    os.truncate(volume, last.position)
    buffer = bytearray(1024 * 1024)

    def read() -> None:
        with open(volume, "rb", buffering=0) as file:
            while file.readinto(buffer):
                pass

    ours, plain = cpu(lambda: rebuild(str(folder / "new.sqlite"), [volume])), cpu(read)
    print(f"rebuild of 1 GB without an index: {ours:.2f} s, reading it {plain:.2f} s: {ours / plain:.2f} times")


def main() -> None:
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None, prefix="tcc-bench-") as place:
        questions(Path(place), int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
        rebuilding(Path(place))


if __name__ == "__main__":
    main()
