"""The whole engine under the controlled scheduler: control, sources, drives, spool and a signal, on a tiny plan.

E61: whichever thread is overtaken where, a run comes to its end without living by its timeouts (here a wait with one
waits until something comes), every copy that is called stored is whole, every other one is not, and the report is the
same truth that the drives hold.

The threads are the engine's own (``runtime.engine.run``); what lies outside is in memory: sources, drives, catalog.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from exploring import Broken, Found, World, explore, sample, world
from instrumented import Queue, instrumented, mutated
from tapechain.runtime import account, course, engine, hang, parts, reader, telling, writer
from tapechain.runtime.control import Stop
from tapechain.runtime.faults import DriveFault, Fault, SourceFault
from tapechain.runtime.media.record import HEADER_BYTES, check
from tapechain.runtime.model import CopyResult, Ending, LastFull, ObjectFacts, RunReport, Session
from tapechain.runtime.plan import Agent, Buffer, CompiledPlan, Drive, Ring, Source
from tapechain.runtime.ring import Ring as RealRing
from tapechain.runtime.sources.base import Called, Cancel
from tapechain.runtime.spool import spooler, store
from tapechain.runtime.spool.spooler import Spooler
from tapechain.runtime.taking import Taking

from .test_ring_schedules import LONG, SESSION, THOROUGH, raw
from .test_spool_schedules import Store

pytestmark = pytest.mark.timeout(110)
RECORD = HEADER_BYTES + 512
IDS = [f"0190b5a0-0000-7000-8000-0000000001{n:02d}" for n in range(10)]


@dataclass
class MemorySource:
    """*records* full payloads, and then its end; looks for the call to stop before each.

    ``lasting``: instead of its end there is nothing more to read, as of a pipe, until it is called off.
    """

    cancel: Cancel
    records: int
    fails: bool
    lasting: bool = False
    size: int | None = None

    def read(self, view: memoryview) -> int:
        if self.cancel.reason is not None:
            raise Called
        if not self.records and self.lasting:
            one = world()
            one.point(one.var(self, 0, "nothing to read"), False, lambda: raw(self.cancel, "reason") is not None)
            raise Called
        if not self.records:
            return 0
        self.records -= 1
        view[:] = bytes([self.records]) * len(view)
        return len(view)

    def finish(self) -> Ending:
        if self.fails:
            raise SourceFault("failed on purpose")
        return Ending("whole")

    def close(self) -> None: ...


@dataclass
class MemoryDrive:
    """What a drive was given. *fails_at*: the call at which it fails, a record's number or "mount" or "close"."""

    name: str
    fails_at: object = None
    records: dict[str, list[bytes]] = field(default_factory=dict)
    endings: dict[str, Ending] = field(default_factory=dict)
    written_bytes: int = 0

    def _call(self, what: object) -> None:
        if what == self.fails_at:
            raise DriveFault("failed on purpose")

    def mount(self, session: Session, *, agent: str, plan_record: int) -> tuple[str, ...]:
        self._call("mount")
        return ()

    def begin(self, facts: ObjectFacts) -> None:
        assert facts.id not in self.records
        self.records[facts.id] = []

    def write(self, record: memoryview, object_id: str, sequence: int, payload_bytes: int) -> None:
        self._call(sequence)
        assert sequence == len(self.records[object_id])
        self.records[object_id].append(bytes(record))

    def write_run(self, records: memoryview, object_id: str, sequence: int, payload_bytes: int, count: int) -> None:
        size = len(records) // count
        for n in range(count):
            self.write(records[n * size : (n + 1) * size], object_id, sequence + n, payload_bytes)

    def end(self, object_id: str, ending: Ending) -> None:
        assert object_id not in self.endings
        self.endings[object_id] = ending

    def close(self, seconds: float) -> tuple[CopyResult, ...]:
        self._call("close")
        # As ``drives/ledger.py``: only what ended whole here is stored here.
        ended = {one: self.endings.get(one, Ending("cut-off", error="no ending")) for one in self.records}
        return tuple(
            CopyResult(one, self.name, "", "stored" if ending.status == "whole" else "cut-off", error=ending.error)
            for one, ending in ended.items()
        )

    def abandon(self, fault: Fault, seconds: float) -> tuple[CopyResult, ...]:
        return tuple(CopyResult(one, self.name, "", "cut-off", error=fault.message) for one in self.records)

    def holds(self, object_id: str, records: int) -> bool:
        mine = [check(record) for record in self.records.get(object_id, [])]
        return len(mine) == records and mine[-1].last and [m.sequence for m in mine] == list(range(records))


class Catalog:
    """Remembers nothing."""

    def begin_session(self, plan: str, fingerprint: str, started: str, at_least: int = 0) -> Session:
        return SESSION

    def record_volume(self, volume: object) -> None: ...

    def catch_up(self, drive: str, folder: Path, hang_seconds: float = 0.0) -> tuple[str, ...]:
        return ()

    def last_fulls(self, plan: str, sources: object, *, but: str) -> dict[str, LastFull]:
        return {}

    def finish_session(self, report: RunReport, session: Session, kinds: object = None) -> None: ...


class NoChildren:
    def kill_all(self) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Run:
    """A plan of *sources* (their records) to *drives* (what fails); every drive takes every source.

    ``spooled``: the second drive has a spool. ``spool_full``: it holds so many records; ``put_fails``, ``take_fails``:
    its file fails after so many. ``signal``: the run is told to stop, at any moment. ``lasting``: no source ends
    before it is called off, by a signal or because nobody stores it any more.
    """

    sources: tuple[int, ...] = (2,)
    drives: tuple[object, ...] = (None, None)
    spooled: bool = False
    by_object: bool = False
    signal: bool = False
    source_fails: bool = False
    abort: bool = False
    spool_full: int | None = None
    put_fails: int | None = None
    take_fails: int | None = None
    lasting: bool = False

    @property
    def calm(self) -> bool:
        """Nothing happens that makes an object, or its copy on a drive without a fault, less than whole."""
        spool = (self.spool_full, self.put_fails, self.take_fails) != (None, None, None)
        return not (self.signal or self.source_fails or self.abort or self.lasting or spool)

    def plan(self) -> CompiledPlan:
        agents = tuple(
            Agent(
                name=f"A{n}",
                group="g",
                role="write",
                drive=f"R{n}",
                order="object" if self.by_object else "interleave",
                buffers=tuple(Buffer(f"B{s}", s, f"S{s}") for s in range(len(self.sources))),
                spool="spool" if self.spooled and n == 1 else None,
            )
            for n in range(len(self.drives))
        )
        made = CompiledPlan(
            version=1,
            plan="tiny",
            fingerprint="0" * 64,
            base=".",
            record=RECORD,
            memory=2 * RECORD * len(self.sources),
            sources=tuple(Source(f"S{s}", "stream", stream="data") for s in range(len(self.sources))),
            rings=tuple(Ring(s, 2, f"S{s}", tuple(f"{a.name}.B{s}" for a in agents)) for s in range(len(self.sources))),
            agents=agents,
            drives=tuple(Drive(a.drive, "volumes", volumes=a.drive) for a in agents),
        )
        return dataclasses.replace(made, on_failure="abort") if self.abort else made

    def __call__(self, world: World) -> Callable[[], Any]:
        world.joins = True
        ids = iter(IDS)
        drives = {f"R{n}": MemoryDrive(f"R{n}", fails) for n, fails in enumerate(self.drives)}
        counts = {f"S{s}": count for s, count in enumerate(self.sources)}
        made: list[Any] = []
        stop = Stop()
        done: list[RunReport] = []

        def open_source(source: Source, *, cancel: Cancel, **_: Any) -> MemorySource:
            fails = self.source_fails and source.name == "S0"
            return MemorySource(cancel, counts[source.name], fails, self.lasting)

        def one_parts() -> Any:
            made.append(self.real_parts(events=Queue(), children=NoChildren()))
            return made[-1]

        def control() -> None:
            with (
                mock.patch.object(parts, "Parts", one_parts),
                mock.patch.object(parts, "open_source", open_source),
                mock.patch.object(parts, "new_id", lambda *_: next(ids)),
            ):
                done.append(
                    engine.run(
                        self.plan(),
                        base=Path("/nonexistent"),
                        state=Path("/tmp"),
                        catalog=Catalog(),  # type: ignore[arg-type]
                        stop=stop,
                        open_drive=lambda drive, **_: drives[drive.name],  # type: ignore[arg-type]
                    )
                )

        world.thread("control", control)
        if self.signal:
            world.thread("signal", lambda: stop.request(15))
        return lambda: self.judge(done[0], drives)

    real_parts = parts.Parts

    def judge(self, report: RunReport, drives: dict[str, MemoryDrive]) -> Any:
        for entry in report.objects:
            count = self.sources[int(entry.source[1:])]
            for copy in entry.copies:
                holds = drives[copy.drive].holds(entry.object, count)
                assert (copy.status == "stored") <= holds, f"{copy} is called stored"
                if self.calm:
                    failed = self.drives[int(copy.drive[1:])] is not None
                    assert (copy.status == "stored") == (not failed), copy
                if not (self.signal or self.source_fails or self.abort or self.lasting) and copy.drive == "R0":
                    # whatever becomes of the second drive and of its spool
                    assert (copy.status == "stored") == (self.drives[0] is None), copy
                if not (self.signal or self.source_fails or self.abort or self.lasting) and copy.status != "stored":
                    assert any(f"drive {copy.drive} failed" in note for note in report.notes), report
            if entry.status == "whole":
                assert any(drives[name].holds(entry.object, count) for name in drives) or None not in self.drives
        assert not self.source_fails or self.signal or any("S0 failed" in note for note in report.notes)
        assert not self.calm or any(d is not None for d in self.drives) or report.status == "ok"
        stored = [copy.status == "stored" for entry in report.objects for copy in entry.copies]
        assert report.status == ("ok" if all(stored) and stored else "degraded" if any(stored) else "failed"), report
        assert all(copy.error for entry in report.objects for copy in entry.copies if copy.status != "stored"), report
        return report.status, tuple(sorted((c.drive, c.status) for o in report.objects for c in o.copies))


@contextmanager
def controlled(case: Run) -> Iterator[None]:
    """The engine's threads and clocks under the scheduler."""
    clock = types.SimpleNamespace(monotonic=lambda: 0.0)
    with ExitStack() as stack:
        for module in (account, course, engine, hang, telling, writer):
            stack.enter_context(mock.patch.object(module, "time", clock))
        stack.enter_context(mock.patch.object(engine, "highest_number", lambda *_, **__: 0))
        stack.enter_context(mock.patch.object(engine, "now_text", lambda: SESSION.started))
        stack.enter_context(mock.patch.object(engine, "refuse_without_threads"))
        stack.enter_context(mock.patch.object(engine, "own_paths", lambda *_: ()))

        def spool(*_: Any) -> Any:
            held = Store(case.spool_full, case.put_fails, case.take_fails)
            calls = {name: getattr(held, name) for name in ("put", "take", "drop", "close")}
            return types.SimpleNamespace(check=lambda: None, **calls, used_bytes=0)

        stack.enter_context(mock.patch.object(store, "SpoolFile", spool))
        stack.enter_context(mock.patch.object(spooler, "OWN_DEPTH", 2))
        stack.enter_context(instrumented())
        yield


def told(case: Run, preemptions: int | None, found: Found) -> None:
    print(f"{case}, at most {preemptions} preemptions: {found}; ends: {sorted(map(str, found.ends))}")


CASES = [
    Run(),
    Run(drives=(None, 1)),
    Run(drives=(None, "close")),
    Run(drives=("mount", 0)),
    Run(sources=(1, 1), by_object=True),
    Run(source_fails=True),
    Run(sources=(4,), drives=(None,), signal=True),
    Run(spooled=True),
    Run(drives=(1, None), abort=True),
]
#: What happens together: a signal and what fails, at any step; spools that are full, fail, or lose their drive.
DRAWN = [
    Run(signal=True),
    Run(sources=(1, 2), by_object=True, signal=True),
    Run(sources=(4,), drives=(None, 1), signal=True),
    Run(drives=("mount", None), signal=True),
    Run(source_fails=True, signal=True),
    Run(sources=(5,), spooled=True, signal=True),
    Run(sources=(5,), spooled=True, spool_full=1),
    Run(sources=(6,), spooled=True, put_fails=0),
    Run(sources=(6,), spooled=True, take_fails=1),
    Run(sources=(5,), spooled=True, drives=(None, 2)),
    Run(sources=(5,), spooled=True, drives=(None, "close"), signal=True),
    Run(sources=(2, 2), spooled=True, by_object=True, put_fails=1, signal=True),
    Run(lasting=True, signal=True),
    Run(sources=(1, 3), lasting=True, spooled=True, signal=True),
    Run(sources=(3,), lasting=True, drives=(1, 0)),
    Run(sources=(6,), lasting=True, drives=(0, 3), spooled=True),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_no_schedule_of_the_engine_stands_still_or_lies(case: Run) -> None:
    with controlled(case):
        found = explore(case, preemptions=0, most=120)
    told(case, 0, found)
    assert found.executions > 3 and found.ends


@pytest.mark.timeout(3600 if THOROUGH else 110)
@pytest.mark.parametrize("case", [*CASES, *DRAWN], ids=str)
def test_no_schedule_of_the_engine_drawn_with_preemptions(case: Run) -> None:
    with controlled(case):
        found = sample(case, preemptions=3, runs=4000 if THOROUGH else 12)
    print(f"{case}, drawn with at most 3 preemptions: {found}; ends: {sorted(map(str, found.ends))}")
    assert found.ends


@LONG
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("case", [*CASES, *DRAWN], ids=str)
def test_no_schedule_of_the_engine_with_a_preemption(case: Run) -> None:
    with controlled(case):
        found = explore(case, preemptions=1)
    told(case, 1, found)
    assert found.complete


BUGS = {
    "a drive that fails does not leave its rings": (Taking, "leave", "feed.reader.leave()", "pass",
        Run(sources=(4,), drives=(None, 1))),
    "a reader that leaves wakes nobody": (RealRing, "remove", "self.space.ring()", "pass",
        Run(sources=(5,), drives=(None, 0))),
    "a source leaves its ring open": (reader.SourceReader, "_end", "self.ring.end()", "pass",
        Run(source_fails=True)),
    "a signal is heard and nothing is done": (course.Course, "_hear", 'self._end_early("the run was stopped")', "pass",
        Run(lasting=True, signal=True)),
    "what nobody stores any more is read on": (course.Course, "_leave_alone", "self._call_off(feeder, reason)", "pass",
        Run(sources=(3,), lasting=True, drives=(1, 0))),
    "what nobody stores since a spool failed is read on": (course.Course, "_hear",
        'self._spooled.add(drive)\n            self._leave_alone("every copy of it failed")',
        "self._spooled.add(drive)",
        Run(sources=(6,), lasting=True, drives=(0, 3), spooled=True)),
    "a spool that fails does not leave": (Spooler, "_run", "feed.reader.leave()", "pass",
        Run(sources=(6,), spooled=True, put_fails=0)),
    "a spool that fails leaves its drive waiting": (Spooler, "_run", "self.ring.end()", "pass",
        Run(sources=(6,), spooled=True, put_fails=0)),
    "a drive does not ask how its spool ended": (writer.DriveWriter, "_run",
        "if self._spool is not None and self._spool.fault is not None:", "if False:",
        Run(sources=(6,), spooled=True, put_fails=0)),
}  # fmt: skip


@pytest.mark.parametrize("bug", BUGS)
def test_a_bug_in_the_engine_is_found(bug: str) -> None:
    owner, name, old, new, case = BUGS[bug]
    with mutated(owner, name, old, new), controlled(case):
        with pytest.raises(Broken, match="after:"):
            sample(case, preemptions=3, runs=300)
            for preemptions in range(2):
                explore(case, preemptions=preemptions, most=3000)
