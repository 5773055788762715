"""Does anything grow? Continuous small sessions, and one run that goes on for long (docs/reliability.md).

    python bench/long_run.py sessions [--seconds 3600] [--folder /tmp] [--out bench/results/long_sessions.json]
    python bench/long_run.py run      [--seconds 3600] [--folder /tmp] [--out bench/results/long_run.json]

``sessions``: one small session after another, each a process as in life: a changing tree (incremental), a second tree,
a command; two drives whose volumes change, in a pool that keeps twenty sessions. Every fortieth session reads all anew,
and the volumes that have expired are recycled. Of each session: processor time, peak memory; of the whole: catalog,
state folder, volumes. At the end the newest state is restored and compared, and every volume verified.

``run``: one run whose stream comes through a slow FIFO, beside a command that trickles; a drive with a spool that is
slower than the stream's bursts and faster than its average, so that the spool fills and empties again and again;
another one that changes volumes. Of the process, all the time: resident memory, descriptors, threads, the spool's file.
At the end the stream is verified and restored, and its digest compared.
"""

from __future__ import annotations

import argparse
import filecmp
import hashlib
import itertools
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import data
import machine
import measure

TCC = shutil.which("tcc", path=str(Path(sys.executable).parent)) or "tcc"

SESSIONS = """plan long { record = 64KiB  depth = 4 }
source tree { files = "tree"  level = "incremental" }
source papers { files = "papers" }
source table { command = ["seq", "1", "30000"] }
pool short { retention = 1s  sessions = 20 }
drive R1 { volumes = "R1"  capacity = 16MiB  pool = short }
drive R2 { volumes = "R2"  capacity = 8MiB  pool = short }
backup group g { agent A -> R1 { B1 <- tree  B2 <- papers  B3 <- table } }
mirror group m of g { agent M -> R2 { * <- A } }
"""

RUN = """plan long { record = 64KiB  depth = 8 }
source flow { stream = "flow" }
source trickle { command = ["sh", "-c", "exec cat trickle"] }
drive R1 { volumes = "R1"  capacity = 64MiB }
drive slow { volumes = "slow" }
drive nothing { discard = true }
backup group g { agent A -> R1 { B1 <- flow  B2 <- trickle } }
mirror group m of g {
  agent S -> slow { spool = "spool"  spool_size = 1GiB  * <- A }
  agent N -> nothing { * <- A }
}
"""


def tcc(folder: Path, *words: str, extra: dict[str, str] | None = None) -> None:
    """Run a command there to its end; it must succeed."""
    done = subprocess.run(
        [TCC, *words, "--state", "state"], cwd=folder, env=os.environ | (extra or {}), capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"tcc {' '.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")


def slope(points: Sequence[tuple[float, float]]) -> float:
    """The slope of the straight line through *points*, by least squares."""
    return (
        statistics.linear_regression([x for x, _ in points], [y for _, y in points]).slope if len(points) > 1 else 0.0
    )


#: Runs a command and prints its processor seconds, its peak in KiB, its exit status: the kernel counts a child's peak
#: from what its parent had, so that the parent must be small.
LAUNCH = """import os, sys
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, used = os.wait4(child, 0)
print(used.ru_utime + used.ru_stime, used.ru_maxrss, os.waitstatus_to_exitcode(status))"""


def launched(command: Sequence[str]) -> measure.Sample:
    """One run of *command*, which must succeed."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", LAUNCH, *command], capture_output=True, text=True, check=True
    )
    seconds = time.perf_counter() - start
    cpu, peak, status = done.stdout.split()
    if status != "0":
        raise SystemExit(f"{' '.join(command)} ended with {status}:\n{done.stderr}")
    return measure.Sample(seconds, float(cpu), int(peak) * 1024)


def by_tenths(values: Sequence[float]) -> list[float]:
    """The medians of the ten tenths of *values*."""
    size = max(1, len(values) // 10)
    return [
        round(statistics.median(values[i : i + size]), 4) for i in range(0, size * 10, size) if values[i : i + size]
    ]


# ---------------------------------------------------------------- continuous small sessions


def change(tree: Path, turn: random.Random, number: int) -> None:
    """A few files new, changed, renamed and gone."""
    files = sorted(p for p in tree.rglob("*") if p.is_file())
    for path in turn.sample(files, min(3, len(files))):
        path.write_bytes(turn.randbytes(turn.randrange(1, 3000)))
    if len(files) > 60:
        files[0].unlink()
        files[1].rename(files[1].with_name(f"renamed-{number}"))
    (tree / f"new-{number}").write_bytes(turn.randbytes(turn.randrange(3000)))


def weight(folder: Path) -> tuple[int, int]:
    """Bytes and number of files below *folder*."""
    sizes = [path.lstat().st_size for path in folder.rglob("*") if path.is_file()]
    return sum(sizes), len(sizes)


#: Sessions from one that reads all anew to the next.
FULL_EVERY = 40


def recycle(folder: Path) -> int:
    """Ask for every volume but the newest of each drive; what has not expired is refused. Returns how many went."""
    names = [path.stem for drive in ("R1", "R2") for path in sorted((folder / drive).glob("*.tar"))[:-1]]
    command = [TCC, "volume", "recycle", *names, "--plan", "plan.plan.json", "--state", "state", "--yes"]
    if names:
        subprocess.run(command, cwd=folder, capture_output=True, check=False)
    left = {path.stem for path in folder.glob("R?/*.tar")}
    return sum(1 for name in names if name not in left)


def second_session(folder: Path) -> measure.Sample:
    """The second session of the same plan in a folder of its own: what a session costs where nothing has grown."""
    with tempfile.TemporaryDirectory(dir=folder, prefix="fresh-") as made:
        fresh = Path(made)
        for name in ("tree", "papers"):
            shutil.copytree(folder / name, fresh / name)
        shutil.copy(folder / "plan.plan.json", fresh)
        command = [TCC, "run", str(fresh / "plan.plan.json"), "--state", str(fresh / "state"), "--progress", "none"]
        launched(command)
        return launched(command)


def sessions(folder: Path, seconds: float) -> dict[str, object]:
    turn = random.Random(1)
    data.tree(folder / "tree", 60)
    data.tree(folder / "papers", 30)
    (folder / "plan.tc").write_text(SESSIONS)
    subprocess.run([TCC, "compile", "plan.tc"], cwd=folder, check=True)
    command = [TCC, "run", str(folder / "plan.plan.json"), "--state", str(folder / "state"), "--progress", "none"]
    samples: list[measure.Sample] = []
    catalogs: list[tuple[float, float]] = []
    states: list[tuple[float, float]] = []
    files: list[tuple[float, float]] = []
    beside: list[float] = []
    recycled = 0
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        change(folder / "tree", turn, len(samples))
        full = len(samples) % FULL_EVERY == FULL_EVERY - 1
        samples.append(launched([*command, "--full"] if full else command))
        if full:
            recycled += recycle(folder)
        if len(samples) % 10 == 0:
            beside.append(samples[-1].cpu_seconds / second_session(folder).cpu_seconds)
            held, number = weight(folder / "state")
            catalogs.append((len(samples), sum(p.stat().st_size for p in (folder / "state").glob("catalog*"))))
            states.append((len(samples), held))
            files.append((len(samples), number))
    tcc(folder, "restore", "tree", "--plan", "plan.plan.json", "--to", "back")
    same(folder / "tree", next(p for p in folder.glob("back/**/tree") if p.is_dir()))
    tcc(folder, "verify", "--plan", "plan.plan.json")
    cpu, peak = [s.cpu_seconds for s in samples], [s.peak_bytes / 1024 for s in samples]
    late = slice(len(samples) // 10, None)  # what the first sessions fill once is not growth
    return {
        "what": "continuous small sessions, each a process",
        "sessions": len(samples),
        "seconds": seconds,
        "volumes": len(list(folder.glob("R?/*.tar"))),
        "volumes_recycled": recycled,
        "cpu_seconds_by_tenths": by_tenths(cpu),
        "cpu_beside_a_second_session_by_tenths": by_tenths(beside),
        "wall_seconds_by_tenths": by_tenths([s.seconds for s in samples]),
        "peak_kib_by_tenths": by_tenths(peak),
        "cpu_seconds_per_1000_sessions": round(1000 * slope(list(enumerate(cpu))[late]), 4),
        "peak_kib_per_1000_sessions": round(1000 * slope(list(enumerate(peak))[late]), 1),
        "catalog_bytes_per_session": round(slope(catalogs[len(catalogs) // 10 :])),
        "state_bytes_per_session": round(slope(states[len(states) // 10 :])),
        "catalog_bytes_by_tenths": by_tenths([held for _, held in catalogs]),
        "state_bytes_by_tenths": by_tenths([held for _, held in states]),
        "state_files_by_tenths": by_tenths([number for _, number in files]),
        "proved": "the newest tree restored and compared, every volume verified",
    }


def same(one: Path, other: Path) -> None:
    """Both trees hold the same names and bytes."""
    left = {str(p.relative_to(one)) for p in one.rglob("*")}
    right = {str(p.relative_to(other)) for p in other.rglob("*")}
    if left != right:
        raise SystemExit(f"not the same names: {sorted(left ^ right)[:10]}")
    files = [name for name in left if (one / name).is_file()]
    _, differ, odd = filecmp.cmpfiles(one, other, files, shallow=False)
    if differ or odd:
        raise SystemExit(f"not the same bytes: {(differ + odd)[:10]}")


# ---------------------------------------------------------------- one long run


def look(pid: int) -> dict[str, float]:
    """Resident KiB, threads, descriptors, and bytes of the spool's nameless file."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line)
    spool = descriptors = 0
    for entry in os.scandir(f"/proc/{pid}/fd"):
        descriptors += 1
        try:
            if "/spool/" in os.readlink(entry.path):
                spool = os.stat(entry.path).st_blocks * 512
        except OSError:
            continue
    return {
        "resident_kib": float(status["VmRSS"].split()[0]),
        "threads": float(status["Threads"]),
        "descriptors": float(descriptors),
        "spool_bytes": float(spool),
    }


def feed(path: Path, seconds: float, rate: float, burst: float, digest: Callable[[bytes], None]) -> int:
    """Write into a FIFO for so long: *rate* bytes a second on average, *burst* bytes at a time. Returns the bytes."""
    turn, total, begun = random.Random(2), 0, time.monotonic()
    pool = turn.randbytes(1 << 20)
    with open(path, "wb", buffering=0) as out:
        while time.monotonic() < begun + seconds:
            end = total + int(burst)
            while total < end:
                at = turn.randrange(len(pool) // 2)
                piece = pool[at : at + turn.randrange(1, min(1 << 17, int(burst)))]
                done = 0
                while done < len(piece):
                    done += out.write(piece[done:])
                digest(piece)
                total += len(piece)
            time.sleep(max(0.0, begun + total / rate - time.monotonic()))
    return total


def long_run(folder: Path, seconds: float) -> dict[str, object]:
    from threading import Thread

    pace = folder / "pace.so"
    source = Path(__file__).with_name("pace.c")
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-pthread", source, "-o", pace, "-ldl"], check=True)
    (folder / "plan.tc").write_text(RUN)
    subprocess.run([TCC, "compile", "plan.tc"], cwd=folder, check=True)
    for name in ("flow", "trickle"):
        os.mkfifo(folder / name)
    sums = {name: hashlib.sha256() for name in ("flow", "trickle")}
    rates = {"flow": (0.5e6, 6e6), "trickle": (2e3, 500)}  # bytes a second, bytes at a time
    totals: dict[str, int] = {}

    def feeding(name: str) -> None:
        totals[name] = feed(folder / name, seconds, *rates[name], sums[name].update)

    paced = {"LD_PRELOAD": str(pace), "TCC_PACE": f"{folder / 'slow'}=4000000"}
    command = [TCC, "run", "plan.plan.json", "--state", "state", "--progress", "none", "--report", "report.json"]
    process = subprocess.Popen(command, cwd=folder, env=os.environ | paced)
    feeders = [Thread(target=feeding, args=(name,)) for name in rates]
    for one in feeders:
        one.start()
    samples: list[tuple[float, dict[str, float]]] = []
    begun = time.monotonic()
    while process.poll() is None:
        time.sleep(min(2.0, seconds / 50))
        try:
            samples.append((time.monotonic() - begun, look(process.pid)))
        except (OSError, KeyError):
            continue
    for one in feeders:
        one.join()
    if process.returncode:
        raise SystemExit(f"the run ended with {process.returncode}")
    running = [s for s in samples if s[0] < seconds]
    late = running[len(running) // 10 :]
    for name in rates:
        tcc(folder, "restore", name, "--plan", "plan.plan.json", "--to", f"back-{name}")
        (got,) = [p for p in (folder / f"back-{name}").rglob("*") if p.is_file()]
        with open(got, "rb") as file:
            if hashlib.file_digest(file, "sha256").digest() != sums[name].digest():
                raise SystemExit(f"{name} came back otherwise than it was stored")
        got.unlink()
    tcc(folder, "verify", "--plan", "plan.plan.json")
    report = json.loads((folder / "report.json").read_text())
    waits = [s["spool_bytes"] for _, s in running]
    return {
        "what": "one run of two streams, one drive behind a spool",
        "seconds": report["seconds"],
        "bytes": totals,
        "records": sum(entry["records"] for entry in report["objects"]),
        "volumes": len(list((folder / "R1").glob("*.tar"))),
        "resident_kib_by_tenths": by_tenths([s["resident_kib"] for _, s in running]),
        "resident_kib_per_hour": round(3600 * slope([(t, s["resident_kib"]) for t, s in late]), 1),
        "threads": sorted({s["threads"] for _, s in late}),
        "descriptors": sorted({s["descriptors"] for _, s in late}),
        "spool_filled_and_emptied": sum(1 for a, b in itertools.pairwise(waits) if a > 1 << 20 >= b),
        "spool_most_bytes": max(waits, default=0),
        "proved": "both streams restored and their SHA-256 compared, every volume verified",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["sessions", "run"])
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--folder", type=Path, default=Path("/tmp"), help="needs 2 MB of room for each second")
    parser.add_argument("--out", type=Path, help="result (JSON)")
    options = parser.parse_args()
    machine.compile_ours()
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="tapechain-long-") as made:
        part = sessions if options.part == "sessions" else long_run
        text = json.dumps(part(Path(made), options.seconds), indent=1) + "\n"
    if options.out is None:
        print(text, end="")
    else:
        options.out.write_text(text)


if __name__ == "__main__":
    main()
