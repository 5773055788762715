"""50,000 small files restored from a volume, beside ``cat archive | tar -x`` of the same archive (docs/performance.md).

    python bench/restore_small.py [--files 50000] [--bytes 1024] [--rounds 5] [--folder /dev/shm] [--out result.json]

Both in turn in one run. ``tcc`` checks every record's digest and every member's name on the way. ``start_apart`` in the
result takes from both what starting their programs costs: ``tcc`` is measured from the choice of the object to the last
byte, by the command that a user calls; ``cat`` and ``tar`` start in about 3 ms.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import Contender, alternate, compare, write

PLAN = """plan bench
source small {{ files = "{folder}/tree" }}
drive R1 {{ volumes = "{folder}/R1" }}
backup group g {{ agent A -> R1 {{ B1 <- small }} }}
"""


def make_tree(tree: Path, files: int, size: int) -> None:
    """*files* files of *size* bytes, a thousand a folder."""
    content = bytes(range(256)) * (size // 256 + 1)
    for n in range(files):
        folder = tree / f"d{n // 1000:03d}"
        if n % 1000 == 0:
            folder.mkdir(parents=True)
        (folder / f"file{n % 1000}").write_bytes(content[:size])


def child(folder: Path) -> None:
    """In a process of its own: restore, and say how long it took without the process's start."""
    from tapechain.runtime.catalog.store import open_catalog
    from tapechain.runtime.kinds import LISTS_FOLDER
    from tapechain.runtime.members.lists import ListFolder
    from tapechain.runtime.restore.restore import plan_reading, restore
    from tapechain.runtime.restore.select import choose, resolve_source
    from tapechain.runtime.restore.shelf import Shelf

    begin = time.perf_counter()
    with open_catalog(folder / "state" / "catalog.sqlite", create=False) as known:
        shelf = Shelf(known.volumes())
        chosen = choose(known, *resolve_source(known, "small"), shelf)
    members = ListFolder(folder / "state" / LISTS_FOLDER).open(chosen.object.id)
    result = restore(plan_reading(chosen.object, shelf), shelf, folder / "out", overwrite=False, members=members)
    if result.status != "ok":
        raise SystemExit(str(result.problems))
    (folder / "seconds").write_text(str(time.perf_counter() - begin))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=50_000)
    parser.add_argument("--bytes", type=int, default=1024, help="size of each")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=Path("/dev/shm"))
    parser.add_argument("--out", type=Path, help="result (JSON); default: standard output")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child is not None:
        return child(options.child)
    tcc = shutil.which("tcc", path=str(Path(sys.executable).parent)) or "tcc"
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="tapechain-bench-") as made:
        folder = Path(made)
        make_tree(folder / "tree", options.files, options.bytes)
        (folder / "p.tc").write_text(PLAN.format(folder=folder))
        environment = {**os.environ, "TCC_STATE": str(folder / "state")}
        subprocess.run([tcc, "run", str(folder / "p.tc"), "--progress", "none"], env=environment, check=True)
        (volume,) = (folder / "R1").glob("*.tar")
        archive = folder / "archive.tar"
        with open(archive, "wb") as out:
            subprocess.run(["tar", "-xOf", str(volume), "--wildcards", "small/*"], stdout=out, check=True)
        shutil.rmtree(folder / "tree")
        inside: list[float] = []

        def prepare() -> None:
            shutil.rmtree(folder / "out", ignore_errors=True)

        def prepare_tar() -> None:
            prepare()
            (folder / "out").mkdir()

        def check() -> None:
            if sum(len(files) for _, _, files in os.walk(folder / "out")) != options.files:
                raise SystemExit("not all files are there")

        def check_ours() -> None:
            check()
            inside.append(float((folder / "seconds").read_text()))

        ours = [sys.executable, __file__, "--child", str(folder)]
        peer = ["sh", "-c", f"cat {archive} | tar -x -f - -C {folder / 'out'}"]
        samples = alternate(
            [
                Contender("tcc", ours, prepare, check_ours, prepare),
                Contender("cat | tar -x", peer, prepare_tar, check, prepare),
            ],
            options.rounds,
        )
    apart = [dataclasses.replace(s, seconds=t) for s, t in zip(samples["tcc"], inside[1:], strict=True)]
    ratios = compare({**samples, "tcc": apart}, "tcc")["throughput_of_ours_relative_to"]
    write(
        {"files": options.files, "bytes": options.bytes, **compare(samples, "tcc"), "start_apart": ratios}, options.out
    )
    return None


if __name__ == "__main__":
    main()
