"""What sources held when, and whether everything that was ever acknowledged is still what they held."""

from __future__ import annotations

import io
import json
import random
import subprocess
import sys
import tarfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import zygote
from tapechain.runtime.catalog.queries import CatalogCopy, CatalogObject
from tapechain.runtime.catalog.rebuild import catalog_of_volumes
from tapechain.runtime.catalog.store import open_catalog
from tapechain.runtime.faults import CatalogFault
from tapechain.runtime.restore.reading import ObjectReader
from tapechain.runtime.restore.shelf import Shelf

RECORD = 64 * 1024


@dataclass
class Feed:
    """A stream (``one``) and a tree (``two``) that change before each run, and what they held since when."""

    folder: Path
    #: (millisecond, content of the stream, content of the tree): what they held from then on
    held: list[tuple[int, bytes, dict[str, bytes]]] = field(default_factory=list)

    def change(self, dice: random.Random, most: int = 500_000) -> None:
        """Other content, in both."""
        tree = dict(self.held[-1][2]) if self.held else {}
        for number in dice.sample(range(6), 3):
            tree[f"f{number}"] = dice.randbytes(dice.randrange(1, 60_000))
        if len(tree) > 3 and dice.random() < 0.4:
            del tree[dice.choice(sorted(tree))]
        stream = dice.randbytes(dice.randrange(1, most))
        place = self.folder / "tree"
        place.mkdir(parents=True, exist_ok=True)
        for name in {path.name for path in place.iterdir()} - tree.keys():
            (place / name).unlink()
        for name, data in tree.items():
            if not (place / name).exists() or (place / name).read_bytes() != data:
                (place / name).write_bytes(data)
        (self.folder / "stream").write_bytes(stream)
        self.held.append((time.time_ns() // 1_000_000, stream, tree))

    def at(self, object_id: str) -> tuple[bytes, dict[str, bytes]]:
        """What both held when the object was made: its UUIDv7 says when."""
        made = int(object_id[:8] + object_id[9:13], 16)
        return [held[1:] for held in self.held if held[0] <= made][-1]

    def check(self, item: CatalogObject, data: bytes) -> None:
        """*data*, read from some copy of the object, is what its source held."""
        stream, tree = self.at(item.id)
        if item.source == "one":
            assert data == stream
            return
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            files = {Path(m.name).name: archive.extractfile(m).read() for m in archive if m.isreg()}  # type: ignore[union-attr]
        assert files.items() <= tree.items()
        if item.level == "full":
            assert files == tree


def read_copy(item: CatalogObject, copies: Sequence[CatalogCopy], shelf: Shelf) -> bytes:
    """An object's bytes, read from these copies alone."""
    reader = ObjectReader(item, list(copies), shelf)
    out, slot = bytearray(), memoryview(bytearray(RECORD))
    try:
        for header in reader.records(slot):
            out += slot[1536 : 1536 + header.payload_bytes]
    finally:
        reader.close()
    return bytes(out)


def stored(objects: Sequence[CatalogObject]) -> set[tuple[str, str]]:
    """(object, drive) of all copies that are called stored."""
    return {(o.id, c.drive) for o in objects for c in o.copies if c.status == "stored"}


def on_media(media: Path, *, sound: bool = True) -> tuple[list[CatalogObject], Any]:
    """What the volumes below *media* say by themselves, and where they lie; *sound*: nothing of them is damaged."""
    made, faults = catalog_of_volumes([media])
    with made:
        objects, volumes = made.objects(), made.volumes()
    assert not sound or faults == (), faults
    return objects, Shelf(volumes)


@dataclass
class History:
    """What a catalog ever acknowledged, and what was read and found true of it."""

    feed: Feed
    acknowledged: set[tuple[str, str]] = field(default_factory=set)
    checked: set[tuple[str, str]] = field(default_factory=set)

    def look(self, catalog: Path) -> list[CatalogObject]:
        """What the catalog acknowledges now; nothing that it ever did may be gone."""
        try:
            with open_catalog(catalog, create=False) as opened:
                objects = opened.objects()
        except CatalogFault as fault:
            assert "there is no catalog" in str(fault) and not self.acknowledged, fault
            return []
        assert self.acknowledged <= stored(objects), "the catalog has forgotten what it acknowledged"
        self.acknowledged |= stored(objects)
        return objects

    def check(self, media: Path, *, again: bool = False, sound: bool = True) -> list[CatalogObject]:
        """Read each acknowledged copy from its own volumes; what was read before only if *again*."""
        objects, shelf = on_media(media, sound=sound)
        known = {o.id: o for o in objects}
        found = {(o.id, c.drive): c for o in objects for c in o.copies if c.status == "stored"}
        lost = self.acknowledged - found.keys()
        assert not lost, f"acknowledged, and not on the media: {lost}"
        for object_id, drive in self.acknowledged if again else self.acknowledged - self.checked:
            data = read_copy(known[object_id], [found[object_id, drive]], shelf)
            self.feed.check(known[object_id], data)
            self.checked.add((object_id, drive))
        return objects


@dataclass(frozen=True)
class Done:
    """What a finished command said."""

    code: int
    err: str
    seconds: float


def tcc(*arguments: str | Path, cwd: Path, deadline: float = 60) -> Done:
    """Run the command; no traceback, no internal error."""
    began = time.monotonic()
    run = subprocess.run(
        ["tcc", *map(str, arguments)], cwd=cwd, capture_output=True, text=True, errors="replace",
        timeout=deadline, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return _done(run.returncode, run.stdout + run.stderr, began)


def _done(code: int, said: str, began: float) -> Done:
    assert "Traceback" not in said and "internal error" not in said, said
    return Done(code, said, time.monotonic() - began)


class Zygote:
    """Runs commands as :func:`tcc` does, each in a child of a process that has loaded all of it already."""

    def __init__(self, scratch: Path) -> None:
        self._out = scratch / "said"
        self._process = subprocess.Popen(
            [sys.executable, zygote.__file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None and self._process.stdin is not None
        assert json.loads(self._process.stdout.readline()) == "ready"

    def tcc(self, *arguments: str | Path, cwd: Path) -> Done:
        """Run the command."""
        began = time.monotonic()
        assert self._process.stdout is not None and self._process.stdin is not None
        order = {"argv": list(map(str, arguments)), "cwd": str(cwd), "out": str(self._out)}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        code = json.loads(self._process.stdout.readline())
        return _done(code, self._out.read_text(errors="replace"), began)

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()
