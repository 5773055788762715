"""What is backed up: bytes that neither compress nor repeat, or nothing that finds repeats could be compared fairly."""

from __future__ import annotations

import random
from pathlib import Path

_BLOCK = 1 << 20


def fill(path: Path, size: int, *, seed: int = 1) -> None:
    """A file of *size* bytes. Every MiB is the same noise, changed by 32 bytes of its own."""
    noise = random.Random(seed)
    base = int.from_bytes(noise.randbytes(_BLOCK), "little")
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as out:
        left = size
        while left:
            mask = int.from_bytes(noise.randbytes(32) * (_BLOCK // 32), "little")
            left -= out.write((base ^ mask).to_bytes(_BLOCK, "little")[: min(left, _BLOCK)])


def tree(folder: Path, files: int, *, most: int = 8192, seed: int = 2) -> int:
    """*files* small files of 0 to *most* bytes (each different), a hundred to a folder. Returns their bytes."""
    noise = random.Random(seed)
    pool = noise.randbytes(1 << 22)
    total = 0
    for n in range(files):
        if n % 100 == 0:
            (folder / f"{n // 100:05}").mkdir(parents=True)
        size, place = n * 7919 % (most + 1), noise.randrange(len(pool) - most)
        (folder / f"{n // 100:05}" / f"file-{n}.txt").write_bytes(pool[place : place + size])
        total += size
    return total
