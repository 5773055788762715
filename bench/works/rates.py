"""Drives of a fixed rate (``pace.c``, by LD_PRELOAD): three copies beside one, and a slow mirror that has a spool."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import data
from measure import Contender, alternate
from place import DRIVES, Place, Scale, mirrored
from result import Figure, Goal, Result, figures_of
from tapechain.runtime.media.volume import open_volume

from .base import Work

STREAM = 'source input { stream = "input" }  # tcc: ignore TC903'


def _paced(place: Place, contender: Contender, rates: Mapping[str, float]) -> Contender:
    """The same with drives (folders of the place) that take so many bytes a second and no more."""
    library = place.folder / "pace.so"
    if not library.exists():
        source = Path(__file__).parents[1] / "pace.c"
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-pthread", source, "-o", library, "-ldl"], check=True)
    paces = ":".join(f"{place.folder.resolve()}/{drive}={rate:.0f}" for drive, rate in rates.items())
    return replace(contender, argv=["env", f"LD_PRELOAD={library}", f"TCC_PACE={paces}", *contender.argv])


def _three_or_one(place: Place, scale: Scale) -> Iterator[Contender]:
    data.fill(place.folder / "input", scale.each)
    rate = scale.each / scale.paced
    place.plan("three", mirrored(STREAM, ["input"]))
    place.plan("single", mirrored(STREAM, ["input"], drives=DRIVES[:1]))
    yield _paced(place, place.ours("three"), dict.fromkeys(DRIVES, rate))
    yield _paced(place, place.ours("single", called="one copy"), dict.fromkeys(DRIVES, rate))


def three_or_one(place: Place, scale: Scale, rounds: int) -> Result:
    """The drives are the slowest part, not the machine: the stream takes two seconds to each."""
    if shutil.which("cc") is None:
        return Result(notes=["there is no C compiler for bench/pace.c"])
    samples = alternate(list(_three_or_one(place, scale)), rounds, warm=scale.warm)
    return Result(samples, figures_of(samples, rounds))


def spooled(place: Place, scale: Scale, rounds: int) -> Result:
    """A backup with a mirror four times as slow that has a spool, beside the same backup without the mirror.

    The backup's own time is when its drive had its index, by that index; the whole run lasts as long as the mirror.
    """
    if shutil.which("cc") is None:
        return Result(notes=["there is no C compiler for bench/pace.c"])
    size = scale.each // 2
    data.fill(place.folder / "input", size)
    alone = mirrored(STREAM, ["input"], drives=DRIVES[:1])
    slow = 'mirror group g1 of g0 { agent A1 -> R2 { spool = "spool"  * <- A0 } }'
    place.plan("alone", alone)
    place.plan("slow", f'{alone}\ndrive R2 {{ volumes = "R2" }}\n{slow}')
    rates = {"R1": 2 * size / scale.paced, "R2": size / 2 / scale.paced}

    def own_seconds() -> float:
        with open_volume(place.folder / "R1" / "R1-000001.tar") as volume:
            last = volume.last_index()
        if last is None:
            raise SystemExit("the first drive has no index")
        return last.seconds

    ours = [
        replace(_paced(place, place.ours("slow"), rates), inside=own_seconds),
        replace(_paced(place, place.ours("alone", called="without the mirror"), rates), inside=own_seconds),
    ]
    samples = alternate(ours, rounds, warm=scale.warm)
    result = Result(samples, figures_of(samples, rounds))
    with_it, without = (max(s.peak_bytes or 0 for s in each) for each in samples.values())
    if without:
        result.figures["memory/without the mirror"] = Figure.of([with_it / without])
    return result


WORKS = (
    Work(
        "three copies or one",
        "three copies beside one, each drive limited to a fixed rate",
        three_or_one,
        (Goal("time/one copy", 1.05, "time equal within 5 %"),),
    ),
    Work(
        "slow mirror",
        "a mirror four times as slow, with a spool",
        spooled,
        (
            Goal("inside/without the mirror", 1.05, "the backup's own time unchanged within 5 %"),
            Goal("memory/without the mirror", 1.05, "memory unchanged (ours: within 5 %)"),
        ),
    ),
)
