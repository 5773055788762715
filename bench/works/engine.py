"""The engine alone: a source of zeros to drives that discard. Records a second and core, time by part, growth."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from measure import Contender, Sample, run
from place import Place, Scale
from result import Figure, Goal, Result

from .base import Work

RECORD = 64 << 10
_HEADERS = 1536
_PARTS = Path(__file__).parents[1] / "parts.py"

#: What belongs to the writers' side: it happens once for each drive.
_EACH_DRIVE = ("take", "write", "release", "the drives' loops")


def discarding(place: Place, name: str, *, sources: int, drives: int, records: int, depth: int) -> None:
    """A plan of *sources* streams of zeros, *records* each (a hole in a file), to *drives* drives that discard."""
    with open(place.folder / f"{name}.zeros", "wb") as file:
        file.truncate(records * (RECORD - _HEADERS))
    text = [f"plan bench {{ record = 64KiB  depth = {depth} }}"]
    text += [f'source z{n} {{ stream = "{name}.zeros" }}  # tcc: ignore TC903' for n in range(sources)]
    text += [f"drive R{n} {{ discard = true }}" for n in range(drives)]
    couplings = "  ".join(f"B{n} <- z{n}" for n in range(sources))
    text.append(f"backup group g0 {{ agent A0 -> R0 {{ {couplings} }} }}")
    # A chain: each stage from the one before, as deep as there are drives.
    text += [f"mirror group g{n} of g{n - 1} {{ agent A{n} -> R{n} {{ * <- A{n - 1} }} }}" for n in range(1, drives)]
    place.plan(name, "\n".join(text))


def _command(place: Place, name: str) -> list[str]:
    words = ["run", f"{place.folder}/{name}.plan.json", "--state", f"{place.folder}/state", "--progress", "none"]
    return [*words, "--report", f"{place.folder}/report.json"]


def _run(place: Place, name: str, *, records: int) -> Sample:
    """One run. It ends with 1, for nothing is stored."""

    def check() -> None:
        found = sum(entry["records"] for entry in place.report()["objects"])
        if found != records:
            raise SystemExit(f"{name}: {found} records, not {records}")

    return run(
        Contender(
            "tcc",
            [place.tcc, *_command(place, name)],
            check=check,
            clean=place.clean,
            inside=lambda: place.report()["seconds"],
            codes=(1,),
        )
    )


def alone(place: Place, scale: Scale, rounds: int) -> Result:
    """Records a second and core, the process's start taken as work; then once more by part."""
    records = scale.records
    discarding(place, "alone", sources=1, drives=3, records=records, depth=64)
    samples = [_run(place, "alone", records=records) for _ in range(rounds)]
    result = Result(
        {"tcc": samples},
        {
            "records/s and core": Figure.of([records / s.cpu_seconds for s in samples]),
            "records/s": Figure.of([records / (s.inside_seconds or s.seconds) for s in samples]),
        },
    )
    result.notes.append(f"{result.figures['records/s'].median:,.0f} records of 64 KiB a second to three drives")
    result.notes += _by_part(place, result, records)
    return result


def _by_part(place: Place, result: Result, records: int) -> list[str]:
    """A run with clocks on the parts. What a clock costs is known from the whole: so much that both runs are equal."""
    out = place.folder / "parts.json"
    done = subprocess.run(
        [sys.executable, str(_PARTS), str(out), *_command(place, "alone")], capture_output=True, text=True
    )
    if done.returncode != 1:
        raise SystemExit(f"bench/parts.py ended with {done.returncode}: {done.stderr}")
    place.clean()
    found = json.loads(out.read_text())
    plain = records / result.figures["records/s and core"].median
    parts = found["parts"]
    raw = sum(part["seconds"] for part in parts.values())
    beside = max(0.0, found["process_seconds"] - raw)
    seconds = _without_clocks(found, plain - beside)
    calls = {name: part["calls"] for name, part in parts.items()}
    both = seconds.pop("digest and headers")
    seconds["digest"] = min(both, found["digest_seconds"] * records)
    seconds["headers"] = both - seconds["digest"]
    calls["digest"] = calls["headers"] = calls["digest and headers"]
    seconds["start, catalog, end"] = calls["start, catalog, end"] = beside
    lines = ["processor time of a record by part, µs (bench/parts.py; the clocks' own cost is taken off):"]
    for name, part in sorted(seconds.items(), key=lambda item: -item[1]):
        each = part / records * 1e6
        result.figures[f"part {name}, µs"] = Figure.of([each])
        times = "for all drives" if name in _EACH_DRIVE else f"{calls[name] / records:.2f} times a record"
        times = f"{part:.2f} s in all" if name.startswith("start") else "" if "loop" in name else times
        lines.append(f"  {each:6.2f}  {name:20} {times}".rstrip())
    lines.append(
        f"  {sum(seconds.values()) / records * 1e6:6.2f}  together; without clocks it was {plain / records * 1e6:.2f}"
    )
    return lines


def _without_clocks(found: dict, together: float) -> dict[str, float]:
    """Seconds of each part less its clocks' cost, which is chosen so that all parts are *together* seconds."""

    def parts(scale: float) -> dict[str, float]:
        return {
            name: max(0.0, part["seconds"] - scale * (part["calls"] * found["own"] + part["within"] * found["around"]))
            for name, part in found["parts"].items()
        }

    low, high = 0.0, 20.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if sum(parts(middle).values()) > together else (low, middle)
    return parts(high)


# ---------------------------------------------------------------- growth

#: (sources, and so rings; drives)
_POINTS = ((1, 1), (1, 3), (1, 16), (8, 3), (64, 3), (200, 3), (64, 16))


def growth(place: Place, scale: Scale, rounds: int) -> Result:
    """Processor time of a record on one drive, for more and more rings and drives in one process."""
    result = Result()
    base: float | None = None
    for sources, drives in _points(scale):
        name = f"p{sources}x{drives}"
        each = max(4, scale.records // 2 // (sources * drives))
        discarding(place, name, sources=sources, drives=drives, records=each, depth=8)
        discarding(place, f"{name}-none", sources=sources, drives=drives, records=1, depth=8)
        times = []
        for _ in range(rounds):
            nothing = _run(place, f"{name}-none", records=sources)
            whole = _run(place, name, records=each * sources)
            written = (each - 1) * sources * drives
            times.append((whole.cpu_seconds - nothing.cpu_seconds) / written * 1e6)
        figure = result.figures[f"µs a record and drive, {sources} rings, {drives} drives"] = Figure.of(times)
        base = base or figure.median
        result.notes.append(
            f"{sources:4} rings {drives:3} drives {figure.median:8.2f} µs a record and drive "
            f"({figure.least:.2f} – {figure.most:.2f}), {figure.median / base:5.2f} × the first"
        )
    return result


def _points(scale: Scale) -> Sequence[tuple[int, int]]:
    """All of the curve; its ends only where the amounts are tiny."""
    return _POINTS if scale.records >= 100_000 else (_POINTS[0], (8, 3))


WORKS = (
    Work(
        "engine alone",
        "a source of zeros to three drives that discard, records of 64 KiB",
        alone,
        (Goal("records/s and core", 20_000, "at least 20,000 records a second and core", at_least=True),),
    ),
    Work("growth", "time of a record by the number of rings and drives, 64 KiB, drives that discard", growth, rounds=2),
)
