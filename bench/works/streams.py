"""One stream to three drives, and six sources interleaved on three drives."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import data
from measure import Contender
from place import Place, Scale, mirrored
from result import Goal

from .base import Work, beside

TO_THREE = "-q -s 1M -m 16M -o out0 -o out1 -o out2"


def one_stream(place: Place, scale: Scale) -> Iterator[Contender]:
    """One file to three drives, through as much buffer memory as mbuffer and the floor have: 16 records of 1 MiB."""
    size = scale.stream
    data.fill(place.folder / "input", size)
    source = 'source input { stream = "input" }  # tcc: ignore TC903'
    place.plan("stream", mirrored(source, ["input"], head="depth = 16"))
    yield place.ours("stream")
    if place.floors:
        yield place.shell("floor", "./floor input out0 out1 out2", least=size, files=3)
    if shutil.which("mbuffer"):
        yield place.shell("mbuffer", f"mbuffer -i input {TO_THREE}", least=size, files=3)
    yield place.shell("tee", "tee out0 out1 < input > out2", least=size, files=3)
    yield place.shell("cp", "cp input out0 && cp input out1 && cp input out2", least=size, files=3)


def six_sources(place: Place, scale: Scale) -> Iterator[Contender]:
    """Six sources interleaved on three drives, beside six pipelines at once, and beside one source of the same size."""
    names = [f"s{n}" for n in range(6)]
    for n, name in enumerate(names):
        data.fill(place.folder / "six" / name / "data", scale.each, seed=n)
    sources = "\n".join(f'source {name} {{ files = "six/{name}" }}' for name in names)
    place.plan("six", mirrored(sources, names))
    place.plan("one", mirrored('source whole { files = "six" }', ["whole"]))
    yield place.ours("six")
    yield place.ours("one", called="one source")
    pipes = " ".join(
        f"tar -cf - --format=pax six/{name} | tee out{3 * n} out{3 * n + 1} > out{3 * n + 2} & pids+=($!);"
        for n, name in enumerate(names)
    )
    wait = 'for pid in "${pids[@]}"; do wait "$pid" || exit; done'
    yield place.shell("six tar | tee", f"pids=(); {pipes} {wait}", least=scale.each, files=18)
    if place.floors:
        floors = " ".join(
            f"./floor six/{name}/data out{3 * n} out{3 * n + 1} out{3 * n + 2} & pids+=($!);"
            for n, name in enumerate(names)
        )
        total = scale.each * len(names)
        yield place.shell("floor of a tree", "./floor_tree six out0 out1 out2", least=total, files=3)
        yield place.shell("six floors", f"pids=(); {floors} {wait}", least=scale.each, files=18)
    if shutil.which("mbuffer"):
        buffers = " ".join(
            f"tar -cf - --format=pax six/{name} | mbuffer -q -s 1M -m 8M -o out{3 * n} -o out{3 * n + 1} "
            f"-o out{3 * n + 2} & pids+=($!);"
            for n, name in enumerate(names)
        )
        yield place.shell("six tar | mbuffer", f"pids=(); {buffers} {wait}", least=scale.each, files=18)


WORKS = (
    Work(
        "one stream",
        "one stream, labelled and digested, to three drives in memory",
        beside(one_stream),
        (
            Goal("time/floor", 1.05, "time at most 1.05 × the floor"),
            Goal("time/mbuffer", 1.05, "time at most 1.05 × mbuffer"),
            Goal("time/tee", 0.55, "time at most 0.55 × tee"),
            Goal("cpu/mbuffer", 1.00, "processor time at most mbuffer's"),
            Goal("peak MiB", 40, "memory at most 40 MiB"),
        ),
    ),
    Work(
        "six sources",
        "six sources interleaved on three drives",
        beside(six_sources),
        (
            Goal("time/six tar | tee", 0.75, "time at most 0.75 × six `tar | tee` at once"),
            Goal("time/one source", 1.10, "time at most 1.10 × one source of the same total"),
        ),
    ),
)
