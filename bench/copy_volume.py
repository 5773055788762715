"""A volume copied to two stages: ``tcc run`` of a copy plan beside mbuffer with two outputs (docs/performance.md).

    python bench/copy_volume.py [--bytes 1073741824] [--rounds 5] [--folder /dev/shm] [--out result.json]

``tcc`` reads and checks each record (headers, digest), writes labels, indexes and its catalog, and is measured from
process start; mbuffer copies the volume's file. ``engine`` is the same runs of ``tcc`` by the seconds of their reports.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import measure
from measure import Contender, alternate, compare, write

BACKUP = (
    'plan b\nsource s { stream = "input" }\ndrive R1 { volumes = "R1" }\nbackup group g { agent A -> R1 { B <- s } }\n'
)
COPY = """plan c
drive R1 { volumes = "R1" }
drive N1 { volumes = "N1" }
drive N2 { volumes = "N2" }
restore group old { agent A <- R1 { B <- s } }
copy group one of old { agent C -> N1 { * <- A } }
copy group two of one { agent D -> N2 { * <- C } }
"""


def contenders(folder: Path, size: int, engine_seconds: list[float]) -> list[Contender]:
    """Both; each run of ``tcc`` adds the seconds of its report to *engine_seconds*."""
    tcc = shutil.which("tcc", path=str(Path(sys.executable).parent)) or "tcc"
    outputs = [folder / "A", folder / "B"]

    def nothing() -> None:
        pass

    def check_tcc() -> None:
        report = json.loads((folder / "report.json").read_text())
        if report["status"] != "ok" or any(o["already"] for o in report["objects"]):
            raise SystemExit(f"not all was copied: {report}")
        engine_seconds.append(report["seconds"])

    def clean_tcc() -> None:
        for name in ("N1", "N2"):
            shutil.rmtree(folder / name, ignore_errors=True)

    def check_files() -> None:
        if any(path.stat().st_size < size for path in outputs):
            raise SystemExit("not all bytes are there")

    def clean_files() -> None:
        for path in outputs:
            path.unlink(missing_ok=True)

    run = [tcc, "run", str(folder / "copy.plan.json"), "--state", str(folder / "state"), "--progress", "none"]
    run += ["--report", str(folder / "report.json")]
    volume = folder / "R1" / "R1-000001.tar"
    command = ["mbuffer", "-q", "-s", "1M", "-m", "8M", "-i", str(volume), "-o", str(outputs[0]), "-o", str(outputs[1])]
    return [
        Contender("tcc", run, nothing, check_tcc, clean_tcc),
        Contender("mbuffer", command, nothing, check_files, clean_files),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bytes", type=int, default=1 << 30, help="size of the object on the volume")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=Path("/dev/shm"), help="needs four times --bytes")
    parser.add_argument("--out", type=Path, help="result (JSON); default: standard output")
    options = parser.parse_args()
    if shutil.disk_usage(options.folder).free < 4 * options.bytes:
        raise SystemExit(f"{options.folder} has no room for four times {options.bytes} bytes")
    if not shutil.which("mbuffer"):
        raise SystemExit("mbuffer is not installed (apt-get install mbuffer)")
    measure.compile_ours()
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="tapechain-bench-") as made:
        folder = Path(made)
        measure.fill(folder / "input", options.bytes)
        for name, text in (("backup", BACKUP), ("copy", COPY)):
            (folder / f"{name}.tc").write_text(text)
            subprocess.run([sys.executable, "-m", "tapechain", "compile", f"{name}.tc"], cwd=folder, check=True)
        state = ["--state", "state", "--progress", "none"]
        subprocess.run([sys.executable, "-m", "tapechain", "run", "backup.plan.json", *state], cwd=folder, check=True)
        (folder / "input").unlink()
        engine_seconds: list[float] = []
        samples = alternate(contenders(folder, options.bytes, engine_seconds), options.rounds)
    engine = [dataclasses.replace(s, seconds=t) for s, t in zip(samples["tcc"], engine_seconds[1:], strict=True)]
    inside = compare({**samples, "tcc": engine}, "tcc")["throughput_of_ours_relative_to"]
    write({"bytes": options.bytes, **compare(samples, "tcc"), "engine_relative_to": inside}, options.out)


if __name__ == "__main__":
    main()
