"""All that the engine does beside its peers: one command, one table (docs/performance.md).

    python bench/peers.py [--small] [--rounds 5] [--only WORK] [--folder /dev/shm] [--out bench/results/peers.json]

Each figure is the median of ratios of runs that alternate in this one run; process start is included. A peer that is
not installed is left out, and named. ``--small`` only shows that all of it works.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import measure
from measure import Contender, Sample

DRIVES = ("R1", "R2", "R3")


@dataclass(frozen=True)
class Scale:
    """How much: bytes of the stream, number of small files, bytes of each of six streams, records of the engine."""

    stream: int
    files: int
    each: int
    records: int


FULL = Scale(stream=2 << 30, files=50_000, each=256 << 20, records=200_000)
SMALL = Scale(stream=16 << 20, files=200, each=2 << 20, records=2_000)


class Place:
    """A folder in memory, the programs in it, and what every contender leaves behind there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tcc = shutil.which("tcc", path=str(Path(sys.executable).parent)) or "tcc"
        self.outputs = [folder / f"out{n}" for n in range(18)]
        self.floor = self._floor()

    def _floor(self) -> str | None:
        compiler = shutil.which("cc")
        if compiler is None:
            return None
        program = self.folder / "floor"
        source = Path(__file__).with_name("floor.c")
        subprocess.run([compiler, "-O2", "-pthread", source, "-o", program], check=True)
        return str(program)

    def plan(self, name: str, text: str) -> None:
        """Compile a plan; what is measured is the run of the compiled one."""
        (self.folder / f"{name}.tc").write_text(text)
        subprocess.run([self.tcc, "compile", f"{name}.tc"], cwd=self.folder, check=True)

    def ours(self, name: str, *, called: str = "tcc", check: Callable[[], None] = lambda: None) -> Contender:
        """The run of a compiled plan."""
        command = [self.tcc, "run", str(self.folder / f"{name}.plan.json"), "--state", str(self.folder / "state")]
        command += ["--progress", "none", "--report", str(self.folder / "report.json")]
        return Contender(called, command, lambda: None, check, self.clean)

    def shell(self, called: str, script: str, *, least: int = 0, files: int = 0) -> Contender:
        """A pipeline of a shell, after which *files* outputs hold at least *least* bytes each."""

        def check() -> None:
            found = [path.stat().st_size for path in self.outputs[:files]]
            if any(size < least for size in found):
                raise SystemExit(f"{called}: not all bytes are there: {found}")

        return Contender(
            called, ["bash", "-o", "pipefail", "-c", f"cd {self.folder}; {script}"], lambda: None, check, self.clean
        )

    def clean(self) -> None:
        for path in self.outputs:
            path.unlink(missing_ok=True)
        for name in (*DRIVES, "state", "back"):
            shutil.rmtree(self.folder / name, ignore_errors=True)


def mirrored(sources: str, buffers: Sequence[str], *, head: str = "", drives: Sequence[str] = DRIVES) -> str:
    """A plan of a backup group on the first drive and a mirroring stage for each further one."""
    text = [f"plan bench {{ {head} }}", sources]
    before = ""
    for n, drive in enumerate(drives):
        text.append(f'drive {drive} {{ volumes = "{drive}" }}')
        if n == 0:
            couplings = "  ".join(f"B{k} <- {name}" for k, name in enumerate(buffers))
            text.append(f"backup group g0 {{ agent A0 -> {drive} {{ {couplings} }} }}")
        else:
            text.append(f"mirror group g{n} of g{n - 1} {{ agent A{n} -> {drive} {{ * <- {before} }} }}")
        before = f"A{n}"
    return "\n".join(text)


def one_stream(place: Place, scale: Scale) -> Iterator[Contender]:
    """One file to three drives."""
    measure.fill(place.folder / "input", scale.stream)
    place.plan("stream", mirrored('source input { stream = "input" }', ["input"]))
    yield place.ours("stream")
    if place.floor is not None:
        yield place.shell("floor", "./floor input out0 out1 out2", least=scale.stream, files=3)
    yield place.shell("tee", "tee out0 out1 < input > out2", least=scale.stream, files=3)
    yield place.shell("cp", "cp input out0 && cp input out1 && cp input out2", least=scale.stream, files=3)
    if shutil.which("mbuffer"):
        yield place.shell(
            "mbuffer", "mbuffer -q -s 1M -m 8M -i input -o out0 -o out1 -o out2", least=scale.stream, files=3
        )


def small_files(place: Place, scale: Scale) -> Iterator[Contender]:
    """A tree of small files to three drives."""
    measure.tree(place.folder / "tree", scale.files)
    place.plan("files", mirrored('source tree { files = "tree" }', ["tree"]))
    yield place.ours("files")
    yield place.shell(
        "tar | tee", "tar -cf - --format=pax tree | tee out0 out1 > out2", least=scale.files * 512, files=3
    )
    if shutil.which("mbuffer"):
        yield place.shell(
            "tar | mbuffer",
            "tar -cf - --format=pax tree | mbuffer -q -s 1M -m 8M -o out0 -o out1 -o out2",
            least=scale.files * 512,
            files=3,
        )


def six_sources(place: Place, scale: Scale) -> Iterator[Contender]:
    """Six sources interleaved on three drives, beside six pipelines at once, and beside one source of the same size."""
    names = [f"s{n}" for n in range(6)]
    for name in names:
        (place.folder / f"six/{name}").mkdir(parents=True)
        measure.fill(place.folder / f"six/{name}/data", scale.each)
    sources = "\n".join(f'source {name} {{ files = "six/{name}" }}' for name in names)
    place.plan("six", mirrored(sources, names))
    place.plan("one", mirrored('source whole { files = "six" }', ["whole"]))
    yield place.ours("six")
    yield place.ours("one", called="one source of the same size")
    pipes = " ".join(
        f"tar -cf - --format=pax six/{name} | tee out{3 * n} out{3 * n + 1} > out{3 * n + 2} &"
        for n, name in enumerate(names)
    )
    yield place.shell("six tar | tee", f"{pipes} wait", least=scale.each, files=18)


def three_or_one(place: Place, scale: Scale) -> Iterator[Contender]:
    """Three copies of a source that cannot be read faster, beside one."""
    measure.fill(place.folder / "input", scale.each)
    rate = max(scale.each // 2, 1 << 20)
    source = f'source input {{ command = ["pv", "-q", "-L", "{rate}", "input"] }}  # tcc: ignore TC903'
    if shutil.which("pv") is None:
        return
    place.plan("three", mirrored(source, ["input"]))
    place.plan("single", mirrored(source, ["input"], drives=DRIVES[:1]))
    yield place.ours("three", called="tcc")
    yield place.ours("single", called="one copy")


def verify(place: Place, scale: Scale) -> Iterator[Contender]:
    """Every record of a volume read and its digest checked, beside xxhsum of the same bytes."""
    measure.fill(place.folder / "input", scale.stream)
    place.plan("stored", mirrored('source input { stream = "input" }  # tcc: ignore TC903', ["input"], drives=["kept"]))
    run = [place.tcc, "run", "stored.plan.json", "--state", "kept-state", "--progress", "none"]
    subprocess.run(run, cwd=place.folder, check=True)
    plan = str(place.folder / "stored.plan.json")
    command = [place.tcc, "verify", "--plan", plan, "--state", str(place.folder / "kept-state")]
    yield Contender("tcc", command, lambda: None, lambda: None, place.clean)
    if shutil.which("xxhsum"):
        yield place.shell("xxhsum", "xxhsum -H2 kept/kept-000001.tar > /dev/null")
    yield place.shell("cat", "cat kept/kept-000001.tar > /dev/null")


WORKS: dict[str, Callable[[Place, Scale], Iterator[Contender]]] = {
    "one stream": one_stream,
    "small files": small_files,
    "six sources": six_sources,
    "three copies or one": three_or_one,
    "verify": verify,
}


def engine_alone(place: Place, scale: Scale) -> dict[str, float]:
    """Records a second of processor time: a sparse file to three drives that discard, 64 KiB records."""
    with open(place.folder / "zeros", "wb") as file:
        file.truncate(scale.records * (65536 - 1536))
    drives = "\n".join(f"drive R{n} {{ discard = true }}" for n in range(3))
    place.plan(
        "alone",
        'plan bench { record = 64KiB  depth = 64 }\nsource z { stream = "zeros" }  # tcc: ignore TC903\n'
        + drives
        + "\n"
        "backup group g { agent A0 -> R0 { B <- z } }\nmirror group m of g { agent A1 -> R1 { * <- A0 }\n"
        "agent A2 -> R2 { * <- A0 } }",
    )
    command = [place.tcc, "run", "alone.plan.json", "--state", "state", "--progress", "none", "--report", "report.json"]
    subprocess.run(command, cwd=place.folder, check=False, stderr=subprocess.DEVNULL)  # 1: nothing is stored
    report = json.loads((place.folder / "report.json").read_text())
    place.clean()
    records = sum(entry["records"] for entry in report["objects"])
    return {"records": records, "seconds": report["seconds"], "records_per_second": records / report["seconds"]}


def table(work: str, samples: dict[str, list[Sample]]) -> dict[str, object]:
    """One work's part of the result, printed as it is found."""
    ours = "tcc"
    print(f"\n{work}")
    for name, each in samples.items():
        ratios = sorted(a.seconds / b.seconds for a, b in zip(samples[ours], each, strict=True))
        middle = ratios[len(ratios) // 2]
        cpu = sorted(s.cpu_seconds for s in each)[len(each) // 2]
        peak = max(s.peak_bytes for s in each) / (1 << 20)
        spread = "" if name == ours else f"tcc takes {middle:.2f} of it ({ratios[0]:.2f} – {ratios[-1]:.2f})"
        print(
            f"  {name:28} {min(s.seconds for s in each):7.3f} s at least, {cpu:6.2f} s CPU, {peak:5.0f} MiB  {spread}"
        )
    return measure.compare(samples, ours)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="tiny amounts: only shows that it works")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", action="append", choices=[*WORKS, "engine alone"], help="this work (may be repeated)")
    parser.add_argument("--folder", type=Path, default=Path("/dev/shm"), help="needs 12 GiB of room")
    parser.add_argument("--out", type=Path, help="result (JSON)")
    options = parser.parse_args()
    scale = SMALL if options.small else FULL
    measure.compile_ours()
    absent = [program for program in ("mbuffer", "xxhsum", "pv", "cc") if shutil.which(program) is None]
    if absent:
        print(f"not installed, left out: {', '.join(absent)}")
    result: dict[str, object] = {"scale": scale.__dict__, "absent": absent}
    for work, contenders in WORKS.items():
        if options.only and work not in options.only:
            continue
        with tempfile.TemporaryDirectory(dir=options.folder, prefix="tapechain-bench-") as made:
            each = list(contenders(Place(Path(made)), scale))
            if each:
                result[work] = table(work, measure.alternate(each, options.rounds))
    if not options.only or "engine alone" in options.only:
        with tempfile.TemporaryDirectory(dir=options.folder, prefix="tapechain-bench-") as made:
            alone = engine_alone(Place(Path(made)), scale)
        result["engine alone"] = alone
        print(f"\nengine alone\n  {alone['records_per_second']:,.0f} records of 64 KiB a second to three drives")
    if options.out is not None:
        measure.write(result, options.out)


if __name__ == "__main__":
    main()
