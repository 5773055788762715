"""One stream to three drives in memory: ``tcc run`` beside mbuffer and tee (docs/performance.md).

    python bench/three_drives.py [--bytes 2147483648] [--rounds 5] [--folder /dev/shm] [--out result.json]

``tcc`` computes digests, writes labels, indexes and its catalog, and is measured from process start; its peers only
copy. ``engine`` in the result is the same runs of ``tcc`` by the seconds of their own reports: without process start.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import measure
from measure import Contender, alternate, compare, write
from tapechain.runtime.plan import Agent, Buffer, CompiledPlan, Drive, Group, Ring, Source, dumps, fingerprint_of

DRIVES = ("R1", "R2", "R3")


def plan(record: int, depth: int) -> CompiledPlan:
    """One stream, three drives, one ring: what the compiler makes of a backup group and two mirrors."""
    agents = tuple(
        Agent(f"A{n}", f"g{n}", "write", drive, "interleave", (Buffer("B1", 0, f"A{n - 1}.B1" if n else "stream"),))
        for n, drive in enumerate(DRIVES)
    )
    made = CompiledPlan(
        version=1,
        plan="bench",
        fingerprint="",
        base=".",
        record=record,
        memory=record * depth,
        sources=(Source("stream", "stream", stream="input"),),
        rings=(Ring(0, depth, "stream", tuple(f"{a.name}.B1" for a in agents)),),
        agents=agents,
        drives=tuple(Drive(name, "volumes", volumes=name) for name in DRIVES),
        groups=tuple(
            Group(f"g{n}", "mirror" if n else "backup", of=f"g{n - 1}" if n else None) for n in range(len(DRIVES))
        ),
    )
    return dataclasses.replace(made, fingerprint=fingerprint_of(made))


def contenders(folder: Path, size: int, engine_seconds: list[float]) -> list[Contender]:
    """All of them; each run of ``tcc`` adds the seconds of its report to *engine_seconds*."""
    source, outputs = folder / "input", [folder / name for name in "ABC"]
    tcc = shutil.which("tcc", path=str(Path(sys.executable).parent)) or "tcc"

    def nothing() -> None:
        pass

    def sized(paths: Callable[[], list[Path]]) -> Callable[[], None]:
        def check() -> None:
            found = paths()
            if len(found) != 3 or any(p.stat().st_size < size for p in found):
                raise SystemExit(f"not all bytes are there: {found}")

        return check

    volumes = sized(lambda: [p for d in DRIVES for p in (folder / d).glob("*.tar")])

    def check_tcc() -> None:
        volumes()
        engine_seconds.append(json.loads((folder / "report.json").read_text())["seconds"])

    def clean_files() -> None:
        for path in outputs:
            path.unlink(missing_ok=True)

    def clean_tcc() -> None:
        for name in (*DRIVES, "state"):
            shutil.rmtree(folder / name, ignore_errors=True)

    a, b, c = map(str, outputs)
    run = [tcc, "run", str(folder / "bench.plan.json"), "--state", str(folder / "state"), "--progress", "none"]
    run += ["--report", str(folder / "report.json")]
    found = [
        Contender("tcc", run, nothing, check_tcc, clean_tcc),
        Contender("tee", ["sh", "-c", f"exec tee {a} {b} < {source}"], nothing, sized(lambda: outputs), clean_files, c),
    ]
    if shutil.which("mbuffer"):
        command = ["mbuffer", "-q", "-s", "1M", "-m", "8M", "-i", str(source), "-o", a, "-o", b, "-o", c]
        found.append(Contender("mbuffer", command, nothing, sized(lambda: outputs), clean_files))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bytes", type=int, default=2 << 30, help="size of the stream")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--record", type=int, default=1 << 20)
    parser.add_argument("--depth", type=int, default=8)
    parser.add_argument("--folder", type=Path, default=Path("/dev/shm"), help="needs four times --bytes")
    parser.add_argument("--out", type=Path, help="result (JSON); default: standard output")
    options = parser.parse_args()
    if shutil.disk_usage(options.folder).free < 5 * options.bytes:
        raise SystemExit(f"{options.folder} has no room for four times {options.bytes} bytes")
    measure.compile_ours()
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="tapechain-bench-") as made:
        folder = Path(made)
        measure.fill(folder / "input", options.bytes)
        (folder / "bench.plan.json").write_text(dumps(plan(options.record, options.depth)))
        engine_seconds: list[float] = []
        samples = alternate(contenders(folder, options.bytes, engine_seconds), options.rounds)
    asked = {"bytes": options.bytes, "record": options.record, "depth": options.depth}
    engine = [dataclasses.replace(s, seconds=t) for s, t in zip(samples["tcc"], engine_seconds[1:], strict=True)]
    inside = compare({**samples, "tcc": engine}, "tcc")["throughput_of_ours_relative_to"]
    write({**asked, **compare(samples, "tcc"), "engine_relative_to": inside}, options.out)


if __name__ == "__main__":
    main()
