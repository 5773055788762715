"""Copies of very many small objects whose records lie among each other: time per object and memory stay flat.

``TCC_COPIES=10000`` runs it with so many objects (a minute), too.
"""

import os
import random
import shutil
import time
import tracemalloc
from collections import Counter
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from tapechain.compiler.program import compile_program
from tapechain.compiler.world import MemoryWorld
from tapechain.runtime.copying.work import work_of
from tapechain.runtime.drives.volumes import VolumesDrive
from tapechain.runtime.media.ids import new_id
from tapechain.runtime.media.record import HEADER_BYTES, seal
from tapechain.runtime.media.volume import open_volume
from tapechain.runtime.model import Ending, ObjectFacts, RunReport

pytestmark = pytest.mark.timeout(600)

MANY = int(os.environ.get("TCC_COPIES", "0"))
RECORD = 64 * 1024
RECORDS = 2
SIZE = 600
#: CPU seconds per object may grow by so much where the objects are four times as many; were they compared with each
#: other it would be by four.
GROWTH = 2.2


def write_many(world: Any, count: int, *, nested: bool = False, sessions: int = 1) -> None:
    """*count* objects of RECORDS records each on R1, all of a session among each other.

    *nested*: what begins first ends last; else records come in turn.
    """
    with world.catalog(create=True) as catalog:
        for number in range(sessions):
            started = f"2026-01-01T{number // 3600:02d}:{number // 60 % 60:02d}:{number % 60:02d}.000Z"
            session = catalog.begin_session("night", "fp-night", started)
            drive = VolumesDrive("R1", world.magazine("R1"), on_index=catalog.record_volume)
            world.magazine("R1").mkdir(parents=True, exist_ok=True)
            drive.mount(session, agent="A-R1", plan_record=RECORD)
            each = range(count // sessions)
            objects = [ObjectFacts(new_id(), f"s{n}", "stream", session, drives=("R1",)) for n in each]
            order = [(one, 0) for one in objects]
            if nested:
                order += [(one, sequence) for one in reversed(objects) for sequence in range(1, RECORDS)]
            else:
                order += [(one, sequence) for sequence in range(1, RECORDS) for one in objects]
            for one in objects:
                drive.begin(one)
            slot = bytearray(RECORD)
            for one, sequence in order:
                slot[HEADER_BYTES : HEADER_BYTES + SIZE] = payload(one.id, sequence)
                total = seal(memoryview(slot), one, sequence, SIZE, last=sequence == RECORDS - 1)
                drive.write(memoryview(slot)[:total], one.id, sequence, SIZE)
            for one in objects:
                drive.end(one.id, Ending("whole"))
            drive.close(1.0)
            catalog.finish_session(RunReport(session.id, "night", "ok", (), 1.0), session)


def payload(object_id: str, sequence: int) -> bytes:
    return random.Random(f"{object_id} {sequence}").randbytes(SIZE)


def text_of(how: str, selectors: list[str]) -> str:
    writer = 'order = "object"  spool = "spool"' if how == "object" else ""
    buffers = "  ".join(f"B{n} <- {selector}" for n, selector in enumerate(selectors))
    return f"""
plan refresh {{ record = 64KiB  depth = 8 }}
drive R1 {{ volumes = "media/R1" }}
drive N1 {{ volumes = "fresh/N1" }}
restore group old {{ agent A <- R1 {{ {buffers} }} }}
copy group new of old {{ agent B -> N1 {{ {writer} * <- A }} }}
"""


def copied(copying: Any, how: str, expected: int, selectors: list[str]) -> float:
    """CPU seconds per object of a copy run, after which every record lies on N1 as it was."""
    shutil.rmtree(copying.world.folder / "fresh", ignore_errors=True)
    before = time.process_time()
    report = copying.run(text_of(how, selectors))
    seconds = time.process_time() - before
    assert report.status == "ok" and len(report.objects) == expected
    found: list[str] = []
    counts: Counter[str] = Counter()
    for path in sorted((copying.world.folder / "fresh/N1").iterdir()):
        with open_volume(path) as reader:
            for item in reader.scan():
                key = item.header.object_id
                assert item.header.sequence == counts[key] and bytes(item.payload) == payload(key, counts[key])
                counts[key] += 1
                found.append(key)
    assert set(counts.values()) == {RECORDS} and len(counts) == expected
    if how == "object":
        assert [len(list(run)) for _, run in groupby(found)] == [RECORDS] * expected, "each in one piece"
    return seconds / expected


@pytest.mark.parametrize(("how", "nested"), [("medium", False), ("object", True)])
def test_time_per_object_stays_flat(copying_in: Any, support: Any, tmp_path: Path, how: str, nested: bool) -> None:
    costs = []
    for count in (250, 1000, *([MANY] if MANY else ())):
        copying = copying_in(support.World(tmp_path / f"world {count}"))
        write_many(copying.world, count, nested=nested)
        costs.append(copied(copying, how, count, ["all"]))
        assert costs[-1] < GROWTH * costs[0], [f"{cost * 1e6:.0f} µs" for cost in costs]
        shutil.rmtree(copying.world.folder)


def test_objects_that_lie_apart_cost_no_more(copying_in: Any, support: Any, tmp_path: Path) -> None:
    """One source of two in each of very many sessions: as many stretches of the volume are read."""
    costs = []
    for count in (40, 160, *([MANY // 10] if MANY else ())):
        copying = copying_in(support.World(tmp_path / f"world {count}"))
        write_many(copying.world, 2 * count, sessions=count)
        costs.append(copied(copying, "medium", count, ["all(s0)"]))
        assert costs[-1] < GROWTH * costs[0], [f"{cost * 1e6:.0f} µs" for cost in costs]


def test_memory_is_that_of_what_is_selected(support: Any, tmp_path: Path) -> None:
    """A drive with four times as many objects takes no more memory to copy one of them."""
    took: dict[tuple[int, str], int] = {}
    for count in (250, 1000, *([MANY] if MANY else ())):
        world = support.World(tmp_path / f"world {count}")
        write_many(world, count)
        for selector in ("s7", 'all("night/s7")', "all"):
            plan = compile_program("p.tc", MemoryWorld({"p.tc": text_of("medium", [selector])})).plan
            assert plan is not None
            with world.catalog() as catalog:
                work_of(plan, base=world.folder, catalog=catalog)  # what is loaded once
                tracemalloc.start()
                try:
                    work = work_of(plan, base=world.folder, catalog=catalog)
                    took[count, selector] = tracemalloc.get_traced_memory()[0]
                finally:
                    tracemalloc.stop()
            assert len(work.held) == (count if selector == "all" else 1)
    for selector in ("s7", 'all("night/s7")'):
        assert took[1000, selector] < took[250, selector] + 400 * 750, took  # the names of its sources
    for (count, selector), size in took.items():
        assert selector != "all" or size / count < 2_500, took
    if MANY:
        assert took[MANY, "s7"] < 1_000 * MANY, took
