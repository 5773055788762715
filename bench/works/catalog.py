"""The catalog of many nights: what its questions cost, beside the bare reading of its rows by ``sqlite3``."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from place import Place, Scale
from result import Figure, Result
from tapechain.runtime.catalog.store import open_catalog
from tapechain.runtime.plan import Pool

from .base import Work

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
    """Processor seconds of one time."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


def questions(place: Place, scale: Scale, rounds: int) -> Result:
    """Each question beside reading all rows of the catalog, in turn; two objects for each small file elsewhere."""
    objects = max(SOURCES, scale.files * 2 // SOURCES * SOURCES)
    path = place.folder / "big.sqlite"
    fill(path, objects)
    pools = {("night", "p"): Pool("p", retention=30.0 * DAY, sessions=7)}
    now = float(BEGIN + objects // SOURCES * DAY)

    def all_rows() -> None:
        with sqlite3.connect(path) as database:
            for table in ("sessions", "volumes", "indexes", "entries", "objects", "copies"):
                for _ in database.execute(f"SELECT * FROM {table}"):
                    pass

    result = Result()
    result.notes.append(
        f"{objects} objects with {DRIVES} copies each, processor seconds; × reading every row of it all"
    )
    with open_catalog(path, create=False) as catalog:
        asked: dict[str, Callable[[], object]] = {
            "sessions": catalog.sessions,
            "volumes": catalog.volumes,
            "objects of one source": lambda: catalog.objects(plan="night", source="source7"),
            "all objects": catalog.objects,
            "expiry of all": lambda: catalog.expiry(pools, now=now),
        }
        took: dict[str, list[float]] = {what: [] for what in asked}
        rows = []
        for _ in range(rounds):
            rows.append(cpu(all_rows))
            for what, ask in asked.items():
                took[what].append(cpu(ask))
    for what, seconds in took.items():
        ratio = Figure.of([mine / bare for mine, bare in zip(seconds, rows, strict=True)])
        result.figures[f"cpu of {what}/all rows"] = ratio
        result.notes.append(
            f"  {what:24}{min(seconds):8.3f} s {ratio.median:8.2f} × ({ratio.least:.2f} – {ratio.most:.2f})"
        )
    result.notes.append(f"  {'every row, bare':24}{min(rows):8.3f} s")
    return result


WORKS = (Work("catalog", "questions to the catalog of some years of nights", questions, rounds=3),)
