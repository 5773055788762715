"""A spool under every schedule: it takes over from a drive that lags, hands on in order, and nobody waits for ever.

L63: with a spool every record and ending reaches the drive once and in order, whichever of the three threads is
overtaken where; a writer is never held up by the drive; a spool that is full, or is cut, ends in order.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any
from unittest import mock

import pytest
from exploring import Broken, World, explore, sample
from instrumented import Queue, instrumented, mutated
from tapechain.runtime.faults import DriveFault, DriveFullFault
from tapechain.runtime.model import Ending, ObjectFacts
from tapechain.runtime.ring import Ring
from tapechain.runtime.spool import spooler as spooler_module
from tapechain.runtime.spool.spooler import Spooler
from tapechain.runtime.taking import Taking

from .test_ring_schedules import ITEMS, LONG, THOROUGH, Gone, index_of, raw

pytestmark = pytest.mark.timeout(110)


class Store:
    """The spool's file, in memory: one thread uses it."""

    def __init__(self, most: int | None, put_fails: int | None = None, take_fails: int | None = None) -> None:
        self.most = most
        self.put_fails, self.take_fails = put_fails, take_fails
        self.taken = 0
        self.held: dict[int, bytes] = {}
        self.next = 0
        self.used_bytes = 0

    def put(self, record: memoryview) -> int:
        if self.most is not None and len(self.held) >= self.most:
            raise DriveFullFault("its spool is full")
        if self.next == self.put_fails:
            raise DriveFault("its spool cannot be written")
        self.held[self.next] = bytes(record)
        self.next += 1
        return self.next - 1

    def take(self, place: int, into: memoryview) -> None:
        if self.taken == self.take_fails:
            raise DriveFault("its spool cannot be read")
        self.taken += 1
        into[:] = self.held.pop(place)

    def drop(self, place: int) -> None:
        del self.held[place]

    def close(self) -> None: ...


@dataclass(frozen=True)
class Spooled:
    """One writer, a spool of *most* records, a drive. ``cut``: the run is stopped. ``stands``: the drive takes
    nothing before the writer has published so many. ``put_fails``, ``take_fails``: the spool's file fails after so
    many. ``dies``: the drive fails after so many records. ``called``: the source is called off, too, as by a signal.
    ``lasting``: the source ends only when nobody takes from it any more."""

    objects: tuple[int, ...] = (2,)
    by_object: bool = False
    most: int | None = None
    cut: bool = False
    stands: int = 0
    put_fails: int | None = None
    take_fails: int | None = None
    dies: int | None = None
    called: bool = False
    lasting: bool = False

    def __call__(self, world: World) -> Callable[[], Any]:
        ring = Ring(2, 16)
        store = Store(self.most, self.put_fails, self.take_fails)
        spooler = Spooler("R", store, 16, "object" if self.by_object else "interleave", Queue())  # type: ignore[arg-type]
        spooler.attach(ring, essential=True)
        seen: list[Any] = []
        published: list[Any] = []

        class Drive:
            def begin(self, facts: ObjectFacts) -> None: ...

            def write(drive, record: memoryview, object_id: str, sequence: int, payload_bytes: int) -> None:
                world.passed("write", sequence)
                if self.stands:
                    moves = lambda: raw(ring, "published") >= self.stands or raw(ring, "ended")  # noqa: E731
                    world.point(world.var(drive), False, moves)
                if self.dies == len(seen):
                    raise Gone
                assert record[0] == sequence
                seen.append((index_of(object_id), sequence))

            def write_run(
                self, records: memoryview, object_id: str, first: int, payload_bytes: int, count: int
            ) -> None:
                for n in range(count):
                    self.write(records[16 * n : 16 * n + 16], object_id, first + n, payload_bytes)

            def end(self, object_id: str, ending: Ending) -> None:
                seen.append((index_of(object_id), ending.status))

        taking = Taking(Drive())
        taking.attach(spooler.ring, essential=True)

        def write() -> None:
            slot: memoryview | None = memoryview(b"")
            for index, count in enumerate(self.objects):
                for sequence in range(count):
                    world.passed("step")
                    slot = ring.claim()
                    if slot is None:
                        break
                    slot[0] = sequence
                    ring.publish(ITEMS[index], sequence, 16, 16)
                    published.append((index, sequence))
                status = "whole" if slot is not None else "cut-off"
                if self.lasting:
                    left = lambda: all(raw(reader, "left") for reader in raw(ring, "_readers"))  # noqa: E731
                    world.point(world.var(store, 0, "its readers"), False, left)
                ring.finish(ITEMS[index], Ending(status))
                published.append((index, status))
                if slot is None:
                    break
            ring.end()

        world.thread("writer", write, local=lambda: published)
        world.thread("spool", spooler._run)

        def drive() -> None:
            try:
                taking.take_all("interleave")
            except Gone:
                taking.leave()

        def stop() -> None:
            if self.called:  # as Course._end_early: sources first, then the spool
                ring.cancel()
            spooler.cut("stopped")

        world.thread("drive", drive, local=lambda: seen)
        if self.cut:
            world.thread("stop", stop)

        def at_end() -> Any:
            assert raw(ring, "ended") and raw(spooler.ring, "ended")
            fault = spooler.__dict__["fault"]
            if fault is not None:
                full, failing = self.most is not None, (self.put_fails, self.take_fails) != (None, None)
                assert full or failing, fault
                assert isinstance(fault, DriveFullFault) == full, fault
            if fault is not None or self.dies is not None:
                # The drive has a beginning of it, in order; the source was not held: it ended by itself, or at once.
                assert seen == published[: len(seen)] and self.dies in (None, len(seen))
                return type(fault).__name__, len(seen), len(published)
            assert not store.held
            if self.cut:
                begun = {index for index, what in seen}
                ended = {index for index, what in seen if isinstance(what, str)}
                assert begun == ended, "an object that was begun on the drive has no ending there"
                records = [one for one in seen if isinstance(one[1], int)]
                of = {i: [s for index, s in records if index == i] for i in begun}
                assert all(numbers == list(range(len(numbers))) for numbers in of.values())
                return len(seen)
            assert seen == published, (seen, published)
            return len(seen)

        return at_end


CASES = [
    (1, Spooled(objects=(1,))),
    (0, Spooled(objects=(2, 2), by_object=True)),
    (0, Spooled(objects=(7,), stands=7)),
    (0, Spooled(objects=(8,), stands=7, most=1)),
    (0, Spooled(objects=(4,), stands=4, cut=True)),
    (0, Spooled(objects=(4, 1), stands=3, put_fails=0)),
    (0, Spooled(objects=(7,), stands=7, take_fails=1)),
    (0, Spooled(objects=(5,), dies=1)),
    (0, Spooled(objects=(3,), dies=1, lasting=True)),
    (0, Spooled(objects=(4,), cut=True, called=True)),
]
#: What two preemptions more are too much for to go through: as many executions with up to three at random.
DRAWN = [
    Spooled(objects=(2, 2)),
    Spooled(objects=(2, 2), by_object=True),
    Spooled(objects=(8,), stands=7, most=1),
    Spooled(objects=(7,), stands=7, take_fails=1),
    Spooled(objects=(6, 1), stands=4, put_fails=1),
    Spooled(objects=(7,), dies=2),
    Spooled(objects=(5,), dies=3, lasting=True),
    Spooled(objects=(7,), stands=3, cut=True, called=True),
]
RUNS = 60


@pytest.mark.parametrize(("preemptions", "case"), CASES, ids=str)
def test_no_schedule_with_few_preemptions_breaks_a_spool(preemptions: int, case: Spooled) -> None:
    with spooled():
        found = explore(case, preemptions=preemptions)
    print(f"{case}, at most {preemptions} preemptions: {found}")
    assert found.complete and found.executions > 3


@pytest.mark.parametrize("case", DRAWN, ids=str)
def test_no_schedule_drawn_with_more_preemptions_breaks_a_spool(case: Spooled) -> None:
    with spooled():
        found = sample(case, preemptions=3, runs=RUNS if not THOROUGH else 4000)
    print(f"{case}, drawn with at most 3 preemptions: {found}")
    assert found.states > RUNS and found.ends


@LONG
@pytest.mark.timeout(7200)
@pytest.mark.parametrize(
    ("preemptions", "case"),
    [
        (1, Spooled(objects=(2,))),
        (1, Spooled(objects=(7,), stands=7)),
        (1, Spooled(objects=(2, 2), by_object=True)),
        (1, Spooled(objects=(6,), cut=True)),
        (1, Spooled(objects=(8,), stands=7, most=1)),
    ],
    ids=str,
)
def test_larger_spools(preemptions: int, case: Spooled) -> None:
    with spooled():
        found = explore(case, preemptions=preemptions)
    print(f"{case}, at most {preemptions} preemptions: {found}")
    assert found.complete


def spooled() -> ExitStack:
    """Instrumented, with a ring of its own as small as it may be."""
    stack = ExitStack()
    stack.enter_context(mock.patch.object(spooler_module, "OWN_DEPTH", 2))
    stack.enter_context(instrumented())
    return stack


BUGS = {
    "a spool does not look again after it said that it will sleep": (
        Spooler, "_sleep", "any(feed.reader.worth_waking(patient=patient) for feed in self._open)", "False",
        Spooled(objects=(2,)),
    ),
    "a spool does not look for room again": (
        Spooler, "_sleep", "self._next_lane_moves()\n        or patient != (not self._can_pass())", "False",
        Spooled(objects=(7,), stands=7),
    ),
    "a spool passes what waits by": (
        Spooler, "_take", "turn and not len(lane) and", "turn and", Spooled(objects=(7,), stands=5),
    ),
    "a spool that is cut leaves its objects open": (
        Spooler, "_forget", 'self.ring.finish(one.item, Ending("cut-off", error=self._why_cut))', "pass",
        Spooled(objects=(7,), stands=7, cut=True),
    ),
    "a spool sleeps although its drive has gone": (
        Spooler, "_sleep", "self.ring.abandoned\n", "False\n", Spooled(objects=(2,), dies=1, lasting=True),
    ),
    "a spool that fails keeps its rings": (
        Spooler, "_run", "feed.reader.leave()", "pass", Spooled(objects=(7,), stands=7, put_fails=0),
    ),
    "a record that cannot be read back is passed by": (
        Spooler, "_hand_on",
        "with self.watch:\n            self.file.take(one.place, slot[: one.total_bytes])",
        "try:\n            self.file.take(one.place, slot[: one.total_bytes])\n"
        "        except Exception:\n            continue",
        Spooled(objects=(7,), stands=7, take_fails=1),
    ),
}  # fmt: skip


@pytest.mark.parametrize("bug", BUGS)
def test_a_bug_in_the_spool_is_found(bug: str) -> None:
    owner, name, old, new, case = BUGS[bug]
    with mutated(owner, name, old, new), spooled():
        with pytest.raises(Broken, match="after:"):
            sample(case, preemptions=3, runs=300)
            for preemptions in range(3):
                explore(case, preemptions=preemptions)
