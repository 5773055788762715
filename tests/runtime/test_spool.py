"""The spool: nobody waits for a drive that falls behind, every order comes out right, and a full one is the drive's."""

import dataclasses
import os
import threading
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tapechain.runtime.faults import DriveFault, DriveFullFault
from tapechain.runtime.media.ids import new_id
from tapechain.runtime.model import Ending, ObjectFacts, Session
from tapechain.runtime.plan import Source
from tapechain.runtime.ring import Ring
from tapechain.runtime.spool.lane import Lane
from tapechain.runtime.spool.room import LEAST_DEPTH, depths
from tapechain.runtime.spool.spooler import Spooler
from tapechain.runtime.spool.store import SpoolFile
from tapechain.runtime.taking import Taking

pytestmark = pytest.mark.timeout(60)
RECORD = 512
SESSION = Session(new_id(), 1, "p", "f", "2026-01-01T00:00:00.000Z")
WHOLE = Ending("whole")


def item(name: str) -> ObjectFacts:
    return ObjectFacts(new_id(), name, "stream", SESSION)


class Taker:
    """A drive in memory that may be held up; it sees what a drive sees."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, int, bytes]] = []
        self.ended: list[tuple[str, str]] = []
        self.begun: list[str] = []
        self.gate = threading.Event()
        self.gate.set()

    def begin(self, facts: ObjectFacts) -> None:
        self.begun.append(facts.id)

    def write(self, record: memoryview, object_id: str, sequence: int, payload_bytes: int) -> None:
        assert self.gate.wait(20)
        self.seen.append((object_id, sequence, bytes(record)))

    def write_run(self, records: memoryview, object_id: str, sequence: int, payload_bytes: int, count: int) -> None:
        each = len(records) // count
        for n in range(count):
            self.write(records[n * each : (n + 1) * each], object_id, sequence + n, payload_bytes)

    def end(self, object_id: str, ending: Ending) -> None:
        self.ended.append((object_id, ending.status))


class World:
    """Rings, one spooler behind them, one taker behind that, each with its thread."""

    def __init__(self, folder: Path, rings: int, order: str, *, limit: int | None = None, depth: int = 4) -> None:
        self.rings = [Ring(depth, RECORD) for _ in range(rings)]
        self.file = SpoolFile(folder / "spool", RECORD, limit, "R1")
        self.file.check()
        self.spooler = Spooler("R1", self.file, RECORD, order, SimpleQueue())  # type: ignore[arg-type]
        for ring in self.rings:
            self.spooler.attach(ring, essential=True)
        self.taker = Taker()
        self.spooler.thread.daemon = True
        self.taking = Taking(self.taker)
        self.taking.attach(self.spooler.ring, essential=True)
        self.thread = threading.Thread(target=self._take, daemon=True)

    def _take(self) -> None:
        self.taking.take_all("interleave")
        self.taking.leave()

    def start(self) -> None:
        self.spooler.thread.start()
        self.thread.start()

    def publish(self, ring: int, what: ObjectFacts, sequence: int) -> bool:
        slot = self.rings[ring].claim()
        if slot is None:
            return False
        data = body(what, sequence)
        slot[: len(data)] = data
        self.rings[ring].publish(what, sequence, len(data), 7)
        return True

    def finish(self) -> None:
        for ring in self.rings:
            ring.end()
        self.join()

    def join(self) -> None:
        self.taker.gate.set()
        self.spooler.thread.join(30)
        self.thread.join(30)
        assert not self.thread.is_alive() and not self.spooler.thread.is_alive(), "a thread sleeps for ever"
        used = self.file.used_bytes
        for ring in self.rings:
            ring.close()
        self.spooler.close()
        if self.spooler.fault is None:
            assert used == 0


def body(what: ObjectFacts, sequence: int) -> bytes:
    return f"{what.source}/{sequence}".encode().ljust(100 + sequence % 50, b".")


def test_nobody_waits_for_a_taker_that_stands_still(tmp_path: Path) -> None:
    world = World(tmp_path, 2, "interleave")
    world.taker.gate.clear()
    world.start()
    items = [item("a"), item("b")]
    for sequence in range(300):
        for ring, one in enumerate(items):
            assert world.publish(ring, one, sequence)
    assert len(world.taker.seen) <= 1  # all of it went by while the drive took nothing
    for ring, one in enumerate(items):
        world.rings[ring].finish(one, WHOLE)
    world.finish()
    for one in items:
        mine = [(sequence, data) for key, sequence, data in world.taker.seen if key == one.id]
        assert mine == [(n, body(one, n)) for n in range(300)]
    assert sorted(world.taker.ended) == sorted((one.id, "whole") for one in items)


@given(
    rings=st.lists(st.lists(st.integers(0, 6), max_size=4), min_size=1, max_size=3),
    turns=st.randoms(use_true_random=False),
    by_object=st.booleans(),
    held=st.booleans(),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_mixture_comes_out_in_order(tmp_path: Path, rings, turns, by_object: bool, held: bool) -> None:
    """*rings*: for each buffer the records of each of its objects; they come mixed within a ring and between rings."""
    world = World(tmp_path, len(rings), "object" if by_object else "interleave", depth=2)
    if held:
        world.taker.gate.clear()
    world.start()
    try:
        check_mixture(world, rings, turns, by_object)
    except BaseException:  # also hypothesis's own way out: no thread is left behind
        for ring in world.rings:
            if not ring.ended:
                ring.end()
        world.taker.gate.set()
        world.spooler.thread.join(20)
        world.thread.join(20)
        raise


def check_mixture(world: World, rings, turns, by_object: bool) -> None:
    objects = [[(item(f"{r}-{n}"), count) for n, count in enumerate(counts)] for r, counts in enumerate(rings)]
    begun: list[list[str]] = [[] for _ in rings]
    queue = [(r, one, count, 0) for r, own in enumerate(objects) for one, count in own]
    came = []
    while queue:
        r, one, count, sequence = queue.pop(turns.randrange(len(queue)))
        if one.id not in begun[r]:
            begun[r].append(one.id)
        if sequence < count:
            assert world.publish(r, one, sequence)
            came.append((one.id, sequence, body(one, sequence)))
            queue.append((r, one, count, sequence + 1))
        else:
            world.rings[r].finish(one, WHOLE)
    world.finish()
    expected = sum(counts for own in objects for _, counts in own)
    assert len(world.taker.seen) == expected
    assert len(world.taker.ended) == sum(map(len, objects))
    for key in {key for key, _, _ in came}:
        assert [s for s in world.taker.seen if s[0] == key] == [c for c in came if c[0] == key]
    if by_object:
        order = [one for own in begun for one in own]
        assert [key for key, _ in world.taker.ended] == order
        keys = [key for key, _, _ in world.taker.seen]
        assert keys == sorted(keys, key=order.index)


@pytest.mark.parametrize("order", ["interleave", "object"])
def test_full_spool_is_a_fault_and_never_a_wait(tmp_path: Path, order: str) -> None:
    world = World(tmp_path, 1, order, limit=20 * RECORD)
    world.taker.gate.clear()
    world.start()
    one = item("a")
    sequence = 0
    while world.publish(0, one, sequence):  # ends because the spool leaves the ring
        sequence += 1
        assert sequence < 100
    assert 20 <= sequence <= 40
    world.finish()
    assert isinstance(world.spooler.fault, DriveFullFault)
    assert "spool" in str(world.spooler.fault) and "spool_size" in world.spooler.fault.todo
    assert [s for _, s, _ in world.taker.seen] == list(range(len(world.taker.seen)))


def test_disk_of_the_spool_that_is_full_is_a_fault(tmp_path: Path, monkeypatch) -> None:
    world = World(tmp_path, 1, "interleave")
    world.taker.gate.clear()
    real, written = os.pwrite, []

    def full(fd: int, data: Any, position: int) -> int:
        written.append(position)
        if len(written) > 5:
            raise OSError(28, "No space left on device")
        return real(fd, data, position)

    monkeypatch.setattr("tapechain.runtime.spool.store.os.pwrite", full)
    world.start()
    one = item("a")
    sequence = 0
    while world.publish(0, one, sequence):
        sequence += 1
        assert sequence < 100
    world.finish()
    assert isinstance(world.spooler.fault, DriveFullFault)


def test_taker_that_leaves_sets_the_rings_free(tmp_path: Path) -> None:
    world = World(tmp_path, 1, "interleave")
    world.spooler.thread.start()
    one = item("a")
    for sequence in range(50):
        assert world.publish(0, one, sequence)
    world.taking.leave()
    for sequence in range(50, 100):
        if not world.publish(0, one, sequence):
            break
    else:
        pytest.fail("the ring is still read")
    world.rings[0].end()
    world.thread.start()
    world.taker.gate.set()
    world.spooler.thread.join(30)
    world.thread.join(30)
    assert not world.spooler.thread.is_alive()
    world.rings[0].close()
    world.spooler.close()


def test_cut_forgets_what_waits_and_marks_what_was_begun(tmp_path: Path) -> None:
    world = World(tmp_path, 2, "object")
    world.taker.gate.clear()
    world.start()
    first, second = item("first"), item("second")
    for sequence in range(100):
        assert world.publish(0, first, sequence) and world.publish(1, second, sequence)
    world.spooler.cut("stopped")
    for ring, one in enumerate((first, second)):
        world.rings[ring].finish(one, Ending("cut-off"))
    world.finish()
    assert world.taker.begun == [first.id] and world.taker.ended == [(first.id, "cut-off")]
    assert len(world.taker.seen) < 20


def test_file_has_no_name_and_gives_its_room_back(tmp_path: Path) -> None:
    file = SpoolFile(tmp_path / "deep" / "spool", RECORD, None, "R1")
    file.check()
    assert (tmp_path / "deep" / "spool").stat().st_mode & 0o777 == 0o700
    places = [file.put(memoryview(bytes([n]) * 400)) for n in range(10)]
    fd = file._fd
    assert os.fstat(fd).st_mode & 0o777 == 0o600 and os.fstat(fd).st_nlink == 0
    assert not list((tmp_path / "deep" / "spool").iterdir())
    into = memoryview(bytearray(400))
    file.take(places[3], into)
    assert bytes(into) == bytes([3]) * 400
    assert file.put(memoryview(b"x")) == places[3]  # used again
    for place in places:
        file.drop(place)
    assert os.fstat(fd).st_size == 0 and file.used_bytes == 0
    file.close()


def test_folder_that_cannot_be_used_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DriveFault, match="spool"):
        SpoolFile(tmp_path / "file" / "spool", RECORD, None, "R1").check()


@given(st.lists(st.integers(0, 3), max_size=12000))
@settings(max_examples=10, deadline=None)
def test_lane_is_a_queue(takes: list[int]) -> None:
    lane, model = Lane(), []
    items = [item("a"), item("b")]
    for n, taken in enumerate(takes):
        lane.put(items[n % 2], n, 2 * n, 600 + n, n)
        model.append((items[n % 2], n, 2 * n, 600 + n, n))
        for _ in range(min(taken, len(model))):
            one = lane.take()
            found = (one.item, one.place, one.sequence, one.total_bytes, one.payload_bytes)
            assert found == model.pop(0) and one.ending is None
    assert len(lane) == len(model)
    lane.end(items[0], WHOLE)
    while len(lane) > 1:
        lane.take()
    assert lane.take().ending == WHOLE and len(lane) == 0


# ---------------------------------------------------------------- in a run


def spooled(plan: Any, drive: str, **extra: Any) -> Any:
    agents = [dataclasses.replace(a, spool="spool", **extra) if a.drive == drive else a for a in plan.agents]
    return dataclasses.replace(plan, agents=tuple(agents))


def shell(name: str, script: str) -> Source:
    return Source(name, "command", command=("sh", "-c", script))


def test_a_spool_costs_no_memory_beyond_the_plan_s(
    runner, plan_of: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All rings of a run, those between spools and drives among them, hold as many records as the plan says."""
    made: list[int] = []
    ring = Ring.__init__

    def counted(self: Ring, depth: int, record_bytes: int) -> None:
        made.append(depth)
        ring(self, depth, record_bytes)

    monkeypatch.setattr(Ring, "__init__", counted)
    plan = plan_of([shell("a", "head -c 3000000 /dev/zero")], {"R1": ["a"], "R2": ["a"]})
    plan = dataclasses.replace(plan, rings=tuple(dataclasses.replace(r, depth=8) for r in plan.rings))
    assert runner.run(spooled(plan, "R2")).status == "ok"
    assert sum(made) == sum(r.depth for r in plan.rings) and len(made) == len(plan.rings) + 1


@given(
    st.lists(st.integers(2, 40), min_size=1, max_size=4),
    st.lists(st.tuples(st.booleans(), st.sets(st.integers(0, 3), min_size=1)), max_size=6),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_rings_give_to_spools_what_they_can_spare(plan_of, planned: list[int], agents: list[Any]) -> None:
    one = plan_of([shell("a", "true")], {"R1": ["a"]})
    rings = [dataclasses.replace(one.rings[0], id=n, depth=depth) for n, depth in enumerate(planned)]
    (agent,) = one.agents
    spools = [
        dataclasses.replace(
            agent,
            spool="spool" if has_one else None,
            buffers=tuple(dataclasses.replace(agent.buffers[0], ring=n) for n in ids),
        )
        for has_one, ids in agents
    ]
    found = depths(dataclasses.replace(one, rings=tuple(rings), agents=tuple(spools)), rings)
    given_away = sum(planned) - sum(found.values())
    assert all(min(LEAST_DEPTH, depth) <= found[n] <= depth for n, depth in enumerate(planned))
    emptied = [max((found[n] for n in ids if n in found), default=0) for has_one, ids in agents if has_one]
    assert given_away <= 2 * len(emptied) and given_away % 2 == 0
    # Whoever got none found no ring that could spare two.
    assert given_away == 2 * len(emptied) or any(depth < LEAST_DEPTH + 2 for depth in emptied)


def test_slow_drive_with_a_spool_does_not_hold_back_the_backup(runner, plan_of: Callable[..., Any]) -> None:
    """The slow drive takes nothing before the other one has everything."""
    plan = spooled(plan_of([shell("a", "head -c 9000000 /dev/zero")], {"R1": ["a"], "R2": ["a"]}), "R2")
    done = threading.Event()
    close = runner.drive("R1").close

    def closed(seconds: float) -> Any:
        done.set()
        return close(seconds)

    runner.drive("R1").close = closed
    runner.drive("R2").before_write = lambda n: None if done.wait(20) else pytest.fail("R1 waits for R2")
    report = runner.run(plan)
    assert report.status == "ok" and len(runner.drives["R2"].payload("a")) == 9_000_000
    assert not list((runner.folder / "spool").iterdir())


def test_full_spool_fails_its_drive_and_no_other(runner, plan_of: Callable[..., Any]) -> None:
    plan = spooled(
        plan_of([shell("a", "head -c 9000000 /dev/zero")], {"R1": ["a"], "R2": ["a"]}), "R2", spool_size=1_000_000
    )
    done = threading.Event()
    close = runner.drive("R1").close

    def closed(seconds: float) -> Any:
        done.set()
        return close(seconds)

    runner.drive("R1").close = closed
    runner.drive("R2").before_write = lambda n: None if done.wait(20) else pytest.fail("R1 waits for R2")
    report = runner.run(plan)
    assert report.status == "degraded"
    one, two = report.objects[0].copies
    assert one.status == "stored" and two.status == "cut-off" and "spool" in (two.error or "")
    assert "abandon" in runner.drives["R2"].calls


def test_spool_that_cannot_be_used_fails_its_drive_before_it_is_mounted(runner, plan_of) -> None:
    plan = spooled(plan_of([shell("a", "seq 1 9")], {"R1": ["a"], "R2": ["a"]}), "R2")
    (runner.folder / "spool").write_text("in the way")
    report = runner.run(plan)
    assert [c.status for c in report.objects[0].copies] == ["stored", "failed"]
    assert "mount" not in runner.drives["R2"].calls


@pytest.mark.parametrize("call", ["check", "put", "take", "close"])
def test_a_spool_that_hangs_costs_its_own_drive_alone(
    runner: Any, plan_of: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    plan = spooled(plan_of([shell("a", "head -c 9000000 /dev/zero")], {"R1": ["a"], "R2": ["a"]}), "R2")
    used, released = threading.Event(), threading.Event()
    real, put = getattr(SpoolFile, call), SpoolFile.put

    def hang(*arguments: Any) -> Any:
        used.set()
        released.wait(30)
        return real(*arguments)

    def use(*arguments: Any) -> Any:
        used.set()
        return put(*arguments)

    # The drive takes nothing before there is something in the spool.
    runner.drive("R2").before_write = lambda n: None if used.wait(20) else pytest.fail("nothing comes into the spool")
    monkeypatch.setattr(SpoolFile, "put", use)
    monkeypatch.setattr(SpoolFile, call, hang)
    runner.hang_seconds = 0.3
    before = set(threading.enumerate())
    try:
        report = runner.run(plan)
        assert not released.is_set()
    finally:
        released.set()
    for thread in set(threading.enumerate()) - before:
        thread.join(20)
        assert not thread.is_alive()
    one, two = report.objects[0].copies
    assert one.status == "stored" and len(runner.drives["R1"].payload("a")) == 9_000_000
    if call == "close":
        assert report.status == "ok" and len(runner.drives["R2"].payload("a")) == 9_000_000
        return
    assert report.status == "degraded" and two.status != "stored"
    (fault,) = report.faults
    assert fault.drive == "R2" and "its spool" in fault.error and "it hangs" in fault.error and fault.todo


def test_what_a_spool_s_disk_changed_never_reaches_the_drive(
    runner: Any, plan_of: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No disk says so itself, and the drive would call it stored."""
    plan = spooled(plan_of([shell("a", "head -c 9000000 /dev/zero")], {"R1": ["a"], "R2": ["a"]}), "R2")
    used = threading.Event()
    put = SpoolFile.put

    def put_and_flip(file: SpoolFile, record: memoryview) -> int:
        number = put(file, record)
        if not used.is_set():
            os.pwrite(file._fd, b"!", number * len(record) + 2_000)
        used.set()
        return number

    runner.drive("R2").before_write = lambda n: None if used.wait(20) else pytest.fail("nothing comes into the spool")
    monkeypatch.setattr(SpoolFile, "put", put_and_flip)
    report = runner.run(plan)
    one, two = report.objects[0].copies
    assert one.status == "stored" and two.status != "stored" and report.status == "degraded"
    (fault,) = report.faults
    assert fault.drive == "R2" and "other bytes" in fault.error and fault.todo
    runner.drives["R2"].payload("a")  # each record that came is sound


def test_a_spool_whose_disk_complains_when_it_is_closed_ends_all_the_same(
    runner: Any, plan_of: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """So NFS does, of what it could not write before; and nobody wants it any more."""
    plan = spooled(plan_of([shell("a", "head -c 9000000 /dev/zero")], {"R1": ["a"], "R2": ["a"]}), "R2")
    done = threading.Event()
    close, own = runner.drive("R1").close, set()
    real_put, real_close = SpoolFile.put, os.close

    def closed(seconds: float) -> Any:
        done.set()
        return close(seconds)

    def put(file: SpoolFile, record: memoryview) -> int:
        number = real_put(file, record)
        own.add(file._fd)
        return number

    def complain(fd: int) -> None:
        real_close(fd)
        if fd in own:
            own.remove(fd)
            raise OSError(5, "Input/output error")

    runner.drive("R1").close = closed
    runner.drive("R2").before_write = lambda n: None if done.wait(20) else pytest.fail("R1 waits for R2")
    monkeypatch.setattr(SpoolFile, "put", put)
    monkeypatch.setattr("tapechain.runtime.spool.store.os.close", complain)
    assert runner.run(plan).status == "ok"
    assert not own


def test_source_whose_only_drive_fails_behind_its_spool_stops(runner, plan_of) -> None:
    plan = spooled(plan_of([shell("a", "yes")], {"R1": ["a"]}), "R1")
    runner.drive("R1", fail_at=3)
    report = runner.run(plan)
    assert report.status == "failed" and report.objects[0].status == "cut-off"
