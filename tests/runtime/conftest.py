"""A plan in few words, drives and a catalog in memory, and a run with a deadline."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tapechain.runtime import engine
from tapechain.runtime.control import Stop
from tapechain.runtime.faults import DriveFault, Fault
from tapechain.runtime.media.ids import new_id
from tapechain.runtime.media.record import HEADER_BYTES, check
from tapechain.runtime.model import CopyResult, Ending, LastFull, ObjectFacts, RunReport, Session
from tapechain.runtime.plan import Agent, Buffer, CompiledPlan, Drive, Ring, Source
from tapechain.runtime.sources.children import Children


@dataclass
class MemoryDrive:
    """A drive in memory. ``fail_at`` counts records written before it fails; ``fail_in`` names a call that fails."""

    name: str
    fail_at: int | None = None
    fail_in: str | None = None
    before_write: Callable[[int], None] = lambda n: None
    discards: bool = False
    records: dict[str, list[bytes]] = field(default_factory=dict)
    endings: dict[str, Ending] = field(default_factory=dict)
    facts: dict[str, ObjectFacts] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    written_bytes: int = 0
    order: list[str] = field(default_factory=list)
    agent: str = ""
    on_index: Callable[[Any], None] = lambda index: None

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if self.fail_in == name:
            raise DriveFault(f"{name} failed on purpose")

    def mount(self, session: Session, *, agent: str, plan_record: int) -> tuple[str, ...]:
        self.agent = agent
        self._call("mount")
        return ()

    def begin(self, facts: ObjectFacts) -> None:
        assert facts.id not in self.facts
        self._call("begin")
        self.facts[facts.id] = facts
        self.records[facts.id] = []

    def write(self, record: memoryview, object_id: str, sequence: int, payload_bytes: int) -> None:
        done = sum(map(len, self.records.values()))
        self.before_write(done)
        if self.fail_at == done:
            raise OSError(28, "No space left on device")
        assert sequence == len(self.records[object_id])
        self.records[object_id].append(bytes(record))
        self.order.append(object_id)
        self.written_bytes += len(record)

    def write_run(self, records: memoryview, object_id: str, sequence: int, payload_bytes: int, count: int) -> None:
        each = len(records) // count
        for n in range(count):
            self.write(records[n * each : (n + 1) * each], object_id, sequence + n, payload_bytes)

    def end(self, object_id: str, ending: Ending) -> None:
        self._call("end")
        assert object_id in self.facts and object_id not in self.endings
        self.endings[object_id] = ending

    def _results(self, good: str, error: str | None) -> tuple[CopyResult, ...]:
        return tuple(CopyResult(i, self.name, self.agent, good, error=error) for i in self.facts)  # type: ignore[arg-type]

    def close(self, seconds: float) -> tuple[CopyResult, ...]:
        self._call("close")
        self.on_index(self.name)
        return self._results("discarded" if self.discards else "stored", None)

    def abandon(self, fault: Fault, seconds: float) -> tuple[CopyResult, ...]:
        self.calls.append("abandon")
        return self._results("cut-off", fault.message)

    def payload(self, source: str) -> bytes:
        """The object of *source* as it arrived here, every record checked as a reader of media does."""
        (facts,) = [f for f in self.facts.values() if f.source == source]
        payload = b""
        for n, record in enumerate(self.records[facts.id]):
            header = check(record)
            assert (header.object_id, header.sequence, header.source) == (facts.id, n, source)
            payload += record[HEADER_BYTES : HEADER_BYTES + header.payload_bytes]
        return payload

    def is_whole(self, source: str) -> bool:
        (facts,) = [f for f in self.facts.values() if f.source == source]
        records = self.records[facts.id]
        return bool(records) and check(records[-1]).last


@dataclass
class MemoryCatalog:
    fail_in: str | None = None
    volumes: list[Any] = field(default_factory=list)
    finished: list[RunReport] = field(default_factory=list)
    threads: set[int] = field(default_factory=set)

    def _call(self, name: str) -> None:
        self.threads.add(threading.get_ident())
        if self.fail_in == name:
            raise RuntimeError(f"{name} failed on purpose")

    def begin_session(self, plan: str, fingerprint: str, started: str, at_least: int = 0) -> Session:
        self._call("begin_session")
        return Session(new_id(), at_least + 1, plan, fingerprint, started)

    def record_volume(self, volume: Any) -> None:
        self._call("record_volume")
        self.volumes.append(volume)

    def catch_up(self, drive: str, folder: Path, hang_seconds: float) -> tuple[str, ...]:
        self._call("catch_up")
        return ()

    def last_fulls(self, plan: str, sources: object, *, but: str) -> dict[str, LastFull]:
        self._call("last_fulls")
        return {}

    def finish_session(self, report: RunReport, session: Session, kinds: Any = None) -> None:
        self._call("finish_session")
        self.finished.append(report)


RECORD = 64 * 1024


def make_plan(
    sources: list[Source], agents: dict[str, list[str]], *, depth: int = 2, order: str = "interleave", **extra: Any
) -> CompiledPlan:
    """A plan: *agents* maps a drive to the sources that its buffers hold; a drive named ``null…`` discards."""
    rings = {s.name: i for i, s in enumerate(sources)}
    made = tuple(
        Agent(
            name=f"A-{drive}",
            group="g",
            role="write",
            drive=drive,
            order=order,  # type: ignore[arg-type]
            buffers=tuple(Buffer(f"B{n}", rings[s], s) for n, s in enumerate(feeds)),
        )
        for drive, feeds in agents.items()
    )
    return CompiledPlan(
        version=1,
        plan="test",
        fingerprint="0" * 64,
        base=".",
        record=RECORD,
        memory=len(sources) * depth * RECORD,
        sources=tuple(sources),
        rings=tuple(
            Ring(i, depth, name, tuple(f"{a.name}.{b.name}" for a in made for b in a.buffers if b.ring == i))
            for name, i in rings.items()
        ),
        agents=made,
        drives=tuple(
            Drive(d, "discard") if d.startswith("null") else Drive(d, "volumes", volumes=f"media/{d}") for d in agents
        ),
        **extra,
    )


@dataclass
class Runner:
    """Runs plans on memory drives; ``drives`` may be prepared before the run by name."""

    folder: Path
    drives: dict[str, MemoryDrive] = field(default_factory=dict)
    catalog: MemoryCatalog = field(default_factory=MemoryCatalog)
    stop: Stop = field(default_factory=Stop)
    observer: Any = None
    hang_seconds: float = 900.0

    def drive(self, name: str, **how: Any) -> MemoryDrive:
        return self.drives.setdefault(name, MemoryDrive(name, discards=name.startswith("null"), **how))

    def run(self, plan: CompiledPlan) -> RunReport:
        def open_drive(plan_drive: Drive, *, base: Path, on_index: Callable[[Any], None]) -> MemoryDrive:
            drive = self.drive(plan_drive.name)
            drive.on_index = on_index
            return drive

        return engine.run(
            plan,
            base=self.folder,
            state=self.folder / "state",
            catalog=self.catalog,
            observer=self.observer,
            stop=self.stop,
            open_drive=open_drive,
            hang_seconds=self.hang_seconds,
        )


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    return Runner(tmp_path)


@pytest.fixture
def memory_drive() -> type[MemoryDrive]:
    return MemoryDrive


@pytest.fixture
def plan_of() -> Callable[..., CompiledPlan]:
    return make_plan


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """No thread and no descriptor outlives a test."""
    import os

    threads = set(threading.enumerate())
    descriptors = set(os.listdir("/proc/self/fd"))
    yield
    left = set(threading.enumerate()) - threads
    assert not left, f"threads left behind: {left}"
    names = {
        fd: os.readlink(f"/proc/self/fd/{fd}")
        for fd in set(os.listdir("/proc/self/fd")) - descriptors
        if os.path.exists(f"/proc/self/fd/{fd}") or os.path.islink(f"/proc/self/fd/{fd}")
    }
    assert not names, f"descriptors left behind: {names}"


@pytest.fixture
def children() -> Iterator[Children]:
    started = Children()
    yield started
    started.close()
