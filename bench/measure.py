"""Measuring commands against each other: alternating in one run, medians of paired ratios, with their spread."""

from __future__ import annotations

import compileall
import json
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import tapechain


@dataclass(frozen=True)
class Sample:
    """One run of one command: seconds on the clock, processor seconds, peak resident memory in bytes."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int


@dataclass(frozen=True)
class Contender:
    """A command, what it needs before it is timed, and what takes its traces away afterwards."""

    name: str
    argv: Sequence[str]
    prepare: Callable[[], None]
    check: Callable[[], None]
    clean: Callable[[], None]
    output: str | None = None


def run(contender: Contender) -> Sample:
    """Run it once, process start included.

    The peak is that of the process or of its largest child; the kernel counts at least what this process itself had
    when it started the other (some 20 MiB).
    """
    contender.prepare()
    try:
        out = os.open(contender.output or os.devnull, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        start = time.perf_counter()
        process = subprocess.Popen(contender.argv, stdout=out, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        os.close(out)
        if process.returncode:
            raise SystemExit(f"{contender.name} ended with {process.returncode}: {' '.join(contender.argv)}")
        contender.check()
        return Sample(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)
    finally:
        contender.clean()


def fill(path: Path, size: int) -> None:
    """A file of *size* bytes that are not zeros, quickly."""
    block = bytes(range(256)) * 4096
    with open(path, "wb") as out:
        left = size
        while left:
            left -= out.write(block[: min(left, len(block))])


def tree(folder: Path, files: int) -> None:
    """*files* small files of 0 to 8 KiB, a hundred to a folder."""
    block = bytes(range(256)) * 32
    for n in range(files):
        if n % 100 == 0:
            (folder / f"{n // 100:05}").mkdir(parents=True)
        (folder / f"{n // 100:05}" / f"file-{n}.txt").write_bytes(block[: n * 7919 % 8192])


def compile_ours() -> None:
    """Compile our modules to bytecode, as an installed package's are: an editable checkout's may not be."""
    root = Path(tapechain.__file__).parent
    for package in ("dsl", "compiler", "runtime", "cli"):
        compileall.compile_dir(root / package, quiet=2)


def alternate(contenders: Sequence[Contender], rounds: int) -> dict[str, list[Sample]]:
    """*rounds* times each, in turn, the order reversed every other time; a round before them does not count."""
    samples: dict[str, list[Sample]] = {c.name: [] for c in contenders}
    for n in range(rounds + 1):
        for contender in contenders if n % 2 else tuple(reversed(contenders)):
            sample = run(contender)
            if n:
                samples[contender.name].append(sample)
    return samples


def compare(samples: Mapping[str, Sequence[Sample]], ours: str) -> dict[str, object]:
    """For each peer the ratio of its time to *ours* in the same round (above 1: we are faster): median, least, most."""
    ratios = {}
    for name, theirs in samples.items():
        if name != ours:
            pairs = sorted(b.seconds / a.seconds for a, b in zip(samples[ours], theirs, strict=True))
            ratios[name] = {"median": statistics.median(pairs), "least": pairs[0], "most": pairs[-1]}
    return {
        "machine": {"processors": os.cpu_count(), "system": platform.platform(), "python": platform.python_version()},
        "throughput_of_ours_relative_to": ratios,
        "peak_bytes": {name: max(s.peak_bytes for s in each) for name, each in samples.items()},
        "median_seconds": {name: statistics.median(s.seconds for s in each) for name, each in samples.items()},
        "least_seconds": {name: min(s.seconds for s in each) for name, each in samples.items()},
        "median_cpu_seconds": {name: statistics.median(s.cpu_seconds for s in each) for name, each in samples.items()},
        "samples": {name: [asdict(s) for s in each] for name, each in samples.items()},
    }


def write(result: Mapping[str, object], path: Path | None) -> None:
    """The result as JSON to *path*, or to standard output."""
    text = json.dumps(result, indent=1) + "\n"
    if path is None:
        print(text, end="")
    else:
        path.write_text(text)
