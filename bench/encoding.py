"""A source that is compressed and encrypted, beside `tar | zstd -T0 | age` (docs/performance.md).

    python bench/encoding.py [--rounds 5] [--what /usr/share --what /usr/lib/python3] [--folder /dev/shm] [--out FILE]

Real files (they compress as real files do) are read from the page cache, one copy is written to a folder in memory;
process start is included. Ratios are of runs that alternate in this one run.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import measure
from measure import Contender


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--what", action="append", help="trees to read (default: /usr/share and /usr/lib)")
    parser.add_argument("--folder", default="/dev/shm")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    for program in ("age", "age-keygen", "zstd"):
        if shutil.which(program) is None:
            raise SystemExit(f"there is no {program} here")
    measure.compile_ours()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        result = _measure(Path(name), options.what or ["/usr/share", "/usr/lib"], options.rounds)
    for key in ("throughput_of_ours_relative_to", "median_seconds", "median_cpu_seconds"):
        print(key, result[key])
    if options.out is not None:
        measure.write(result, options.out)


def _measure(folder: Path, what: list[str], rounds: int) -> dict[str, object]:
    tcc = shutil.which("tcc", path=str(Path(sys.executable).parent)) or "tcc"
    subprocess.run(["age-keygen", "-o", folder / "key"], check=True, capture_output=True)
    said = subprocess.run(["age-keygen", "-y", folder / "key"], check=True, capture_output=True, text=True)
    recipient = said.stdout.strip()
    paths = ", ".join(f'"{path}"' for path in what)
    (folder / "plan.tc").write_text(
        f'source S {{ files = [{paths}] compress = "zstd" encrypt = ["{recipient}"] }}\n'
        f'drive R {{ volumes = "media" }}\nbackup group g {{ agent A -> R {{ B <- S }} }}\n'
    )
    subprocess.run([tcc, "compile", folder / "plan.tc"], check=True)
    tar = "tar -c --format=posix --sparse --numeric-owner --sort=name -b 512 --xattrs --acls -f - -C /"
    shell = f"{tar} {' '.join(path[1:] for path in what)} 2>/dev/null | zstd -q -T0 | age -r {recipient} > {folder}/out"

    def clean() -> None:
        (folder / "out").unlink(missing_ok=True)
        for made in ("media", "state"):
            shutil.rmtree(folder / made, ignore_errors=True)

    def wrote() -> None:
        written = sum(p.stat().st_size for p in [folder / "out", *folder.glob("media/*")] if p.exists())
        if written < 1 << 20:
            raise SystemExit("nothing was written")

    run = [tcc, "run", f"{folder}/plan.plan.json", "--state", f"{folder}/state", "--progress", "none"]
    contenders = [
        Contender("tcc", run, lambda: None, wrote, clean),
        Contender("tar | zstd -T0 | age", ["sh", "-c", shell], lambda: None, wrote, clean),
    ]
    return measure.compare(measure.alternate(contenders, rounds), "tcc")


if __name__ == "__main__":
    main()
