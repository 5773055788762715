"""One run after another in one process, many rings, many drives: nothing is left, nothing waits for its turn, and what
the system does not give is said before anything is opened."""

from __future__ import annotations

import dataclasses
import gc
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tapechain.runtime import preflight
from tapechain.runtime.faults import UsageFault
from tapechain.runtime.model import Ending, ObjectFacts, Session
from tapechain.runtime.plan import Source
from tapechain.runtime.ring import Ring, RingReader
from tapechain.runtime.taking import Taking

pytestmark = pytest.mark.timeout(60)
RUNS = 60
SESSION = Session("0190b5a0-0000-7000-8000-000000000000", 1, "p", "f", "2026-01-01T00:00:00.000Z")
ITEM = ObjectFacts("0190b5a0-0000-7000-8000-000000000001", "one", "stream", SESSION)


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_many_runs_in_one_process_leave_nothing(runner: Any, plan_of: Callable[..., Any]) -> None:
    """Streams and commands, a spool, a drive that fails: threads, descriptors and memory are as before."""
    (runner.folder / "image").write_bytes(os.urandom(900_001))
    sources = [Source("image", "stream", stream="image"), Source("seq", "command", command=("seq", "1", "20000"))]
    plan = plan_of(sources, {name: ["image", "seq"] for name in ("R1", "R2", "R3")})
    agents = tuple(dataclasses.replace(a, spool="spool") if a.drive == "R2" else a for a in plan.agents)
    plan = dataclasses.replace(plan, agents=agents)
    after: list[tuple[int, int]] = []
    sizes = []
    for n in range(RUNS):
        runner.drives.clear()
        runner.catalog.volumes.clear()
        runner.catalog.finished.clear()
        runner.drive("R3", fail_at=5 if n % 3 == 0 else None)
        report = runner.run(plan)
        assert report.status == ("degraded" if n % 3 == 0 else "ok")
        after.append((threading.active_count(), len(os.listdir("/proc/self/fd"))))
        if n % 10 == 9:
            runner.drives.clear()
            gc.collect()
            sizes.append(resident_bytes())
    assert len(set(after)) == 1, after
    # A run's rings and records are several MiB, thirty of them a hundred; what threads leave to malloc's arenas, in a
    # process that many tests have used before, is two or three.
    assert min(sizes[3:]) - min(sizes[:3]) < 12 << 20, sizes


class Ends:
    """A drive; with the last record it ends every ring."""

    def __init__(self, rings: list[Ring], records: int) -> None:
        self.rings, self.left = rings, records

    def begin(self, facts: ObjectFacts) -> None: ...

    def write(self, record: memoryview, object_id: str, sequence: int, payload_bytes: int) -> None:
        self.left -= 1
        if self.left == 0:
            for ring in self.rings:
                ring.end()

    def write_run(self, records: memoryview, object_id: str, sequence: int, payload_bytes: int, count: int) -> None:
        raise AssertionError("several buffers take turns")

    def end(self, object_id: str, ending: Ending) -> None: ...


def test_idle_rings_cost_a_busy_one_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """How often rings are looked at for 160 records of one of 200 rings: not all of them for each record."""
    rings = [Ring(160, 64) for _ in range(200)]
    taking = Taking(Ends(rings, 160))
    for ring in rings:
        taking.attach(ring, essential=True)
    looks = [0]
    worth_waking, ended = RingReader.worth_waking, RingReader.ended

    def counted(method: Any) -> Any:
        def look(*positional: Any, **named: Any) -> Any:
            looks[0] += 1
            return method(*positional, **named)

        return look

    monkeypatch.setattr(RingReader, "worth_waking", counted(worth_waking))
    monkeypatch.setattr(RingReader, "ended", counted(ended))
    for sequence in range(160):
        assert rings[77].claim() is not None
        rings[77].publish(ITEM, sequence, 64, 64)
    taking.take_all("interleave")
    assert looks[0] < 160 * 200 // 5
    for ring in rings:
        ring.close()


def test_a_ring_that_gets_a_record_late_is_not_forgotten_for_a_busy_one() -> None:
    """Others are looked at again after few records of a busy one."""
    rings = [Ring(160, 64) for _ in range(3)]
    order: list[int] = []

    class Late(Ends):
        def write(self, record: memoryview, object_id: str, sequence: int, payload_bytes: int) -> None:
            if len(order) == 20:
                assert rings[2].claim() is not None
                rings[2].publish(dataclasses.replace(ITEM, id="late"), 0, 64, 64)
            order.append(object_id == "late")
            super().write(record, object_id, sequence, payload_bytes)

    taking = Taking(Late(rings, 101))
    for ring in rings:
        taking.attach(ring, essential=True)
    for sequence in range(100):
        assert rings[0].claim() is not None
        rings[0].publish(ITEM, sequence, 64, 64)
    taking.take_all("interleave")
    assert 20 < order.index(True) <= 30
    for ring in rings:
        ring.close()


def test_all_drives_write_at_the_same_time(runner: Any, plan_of: Callable[..., Any]) -> None:
    """Three copies take as long as one: no drive begins its nth record before the others may begin theirs."""
    met = threading.Barrier(3)
    for name in ("R1", "R2", "R3"):
        runner.drive(name, before_write=lambda n: met.wait(20) and None)
    (runner.folder / "image").write_bytes(os.urandom(2_000_000))
    plan = plan_of([Source("image", "stream", stream="image")], {name: ["image"] for name in ("R1", "R2", "R3")})
    report = runner.run(plan)
    assert report.status == "ok" and not met.broken


def test_too_few_threads_are_told_before_anything_is_opened(
    runner: Any, plan_of: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a system does that lets a process have twenty."""
    started = [0]

    class Scarce(threading.Thread):
        def start(self) -> None:
            started[0] += 1
            if started[0] > 20:
                raise RuntimeError("can't start new thread")
            super().start()

    monkeypatch.setattr(preflight.threading, "Thread", Scarce)
    sources = [Source(f"s{n}", "command", command=("touch", "read")) for n in range(15)]
    plan = plan_of(sources, {"R1": [s.name for s in sources]})
    with pytest.raises(UsageFault, match="needs 33 threads and processes at once, and the system lets it have 20"):
        runner.run(plan)
    assert not runner.drives and not (runner.folder / "read").exists() and not (runner.folder / "state").exists()
