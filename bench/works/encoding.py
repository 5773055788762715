"""A source that is compressed and encrypted, beside ``tar | zstd -T0 | age``: real files, read from the page cache."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from measure import Contender
from place import Place, Scale
from result import Goal

from .base import Work, beside


def encoded(place: Place, scale: Scale) -> Iterator[Contender]:
    """One copy to a folder in memory; nothing where age or zstd is not installed."""
    if not all(map(shutil.which, ("age", "age-keygen", "zstd"))):
        return
    trees = [tree for tree in scale.trees if Path(tree).is_dir()]
    key = place.folder / "key"
    subprocess.run(["age-keygen", "-o", key], check=True, capture_output=True)
    said = subprocess.run(["age-keygen", "-y", key], check=True, capture_output=True, text=True)
    recipient = said.stdout.strip()
    paths = ", ".join(f'"{path}"' for path in trees)
    place.plan(
        "encoded",
        f'source S {{ files = [{paths}] compress = "zstd" encrypt = ["{recipient}"] }}\n'
        f'drive R1 {{ volumes = "R1" }}\nbackup group g {{ agent A -> R1 {{ B <- S }} }}\n',
    )
    yield place.ours("encoded")
    what = " ".join(tree[1:] for tree in trees)
    encode = f"zstd -q -T0 | age -r {recipient} > out0"
    least = 1 << 10
    # The plain command of the goal first; then the very tar that our run starts.
    yield place.shell("tar | zstd -T0 | age", f"tar -cf - -C / {what} | {encode}", least=least, files=1)
    same = place.tar_of("encoded")
    if same is not None:
        yield place.shell("our tar | zstd | age", f"{same} | {encode}", least=least, files=1)


WORKS = (
    Work(
        "compress and encrypt",
        "real files compressed (zstd) and encrypted (age) to one drive",
        beside(encoded),
        (Goal("time/tar | zstd -T0 | age", 1.15, "time at most 1.15 × `tar | zstd -T0 | age`"),),
    ),
)
