"""The ring under every schedule: real rings, doorbells and takers, each access to shared state a choice (exploring.py).

What must hold in each execution, with the numbers of docs/reliability.md:

- L60 nobody waits for ever: no wake-up is lost;
- L61 each reader gets every record once, in order, and each object's ending where it belongs;
- L62 a slot is not claimed anew while a reader that has not left may read it, and what a reader finds in it is whole;
- E60 a ring that has ended is drained and left; a writer that is called off, or whose readers have gone, is woken and
  ends.

``TCC_SCHEDULES=1`` explores what takes minutes, too; docs/reliability.md says what was found there.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from exploring import Found, World, explore
from instrumented import instrumented
from tapechain.runtime.model import Ending, ObjectFacts, Session
from tapechain.runtime.ring import Doorbell, Ring
from tapechain.runtime.taking import Taking

pytestmark = pytest.mark.timeout(110)
SESSION = Session("0190b5a0-0000-7000-8000-000000000000", 1, "p", "f", "2026-01-01T00:00:00.000Z")
ITEMS = [ObjectFacts(f"0190b5a0-0000-7000-8000-00000000000{n}", f"s{n}", "stream", SESSION) for n in range(1, 4)]
THOROUGH = bool(os.environ.get("TCC_SCHEDULES"))
LONG = pytest.mark.skipif(not THOROUGH, reason="takes minutes: set TCC_SCHEDULES=1")


class Gone(Exception):
    """A drive fails."""


@dataclass(frozen=True)
class Case:
    """One writer, its readers. ``objects``: the records of each object, which come one after another.

    ``leaves``: for each reader after how many records it fails, None for never. ``cancel``: another thread calls the
    writer off. ``fails``: after so many records the writer fails. ``discards``: readers that are not essential.
    ``waits``: the source gives nothing more until all readers have what was published: nothing may come late.
    ``stands``: no reader goes on with a record before the ring has ended.
    """

    depth: int = 2
    objects: tuple[int, ...] = (2,)
    leaves: tuple[int | None, ...] = (None,)
    cancel: bool = False
    fails: int | None = None
    discards: tuple[int, ...] = ()
    waits: bool = False
    stands: bool = False

    def __call__(self, world: World) -> Callable[[], Any]:
        return Play(self, world).at_end


class Slots(list[int]):
    """What stands in the two halves of each slot; a list can be no variable's owner before it is kept by identity."""

    __hash__ = object.__hash__  # type: ignore[assignment]


class Consumer:
    """A drive: looks at both halves of each record's slot, and remembers what came."""

    def __init__(self, play: Play, fails_after: int | None) -> None:
        self.play = play
        self.fails_after = fails_after
        self.seen: list[tuple[int, int]] = []
        self.ended: list[tuple[int, str]] = []
        self.order: list[tuple[int, object]] = []

    @property
    def known(self) -> tuple[Any, ...]:
        return tuple(self.order)

    def begin(self, facts: ObjectFacts) -> None: ...

    def write(self, record: memoryview, object_id: str, sequence: int, payload_bytes: int) -> None:
        number = len(self.seen)
        self.play.world.passed("write", sequence)
        if number == self.fails_after:
            raise Gone
        if self.play.case.stands:
            ring = self.play.ring
            self.play.world.point(self.play.world.var(self, 0, "its drive"), False, lambda: raw(ring, "ended"))
        for half in (0, 1):
            assert self.play.look(number % self.play.case.depth, half) == number, f"slot of {number} was overwritten"
        self.seen.append((index_of(object_id), sequence))
        self.order.append(self.seen[-1])

    def write_run(self, records: memoryview, object_id: str, sequence: int, payload_bytes: int, count: int) -> None:
        for n in range(count):
            self.write(records, object_id, sequence + n, payload_bytes)

    def end(self, object_id: str, ending: Ending) -> None:
        self.ended.append((index_of(object_id), ending.status))
        self.order.append(self.ended[-1])


def index_of(object_id: str) -> int:
    return next(n for n, item in enumerate(ITEMS) if item.id == object_id)


class Play:
    """One execution of a case."""

    def __init__(self, case: Case, world: World) -> None:
        self.case, self.world = case, world
        self.ring = Ring(case.depth, 16)
        self.slots = Slots([-1] * (2 * case.depth))
        self.published: list[tuple[int, int]] = []
        self.finished: list[tuple[int, str]] = []
        self.order: list[tuple[int, object]] = []
        self.consumers = [Consumer(self, after) for after in case.leaves]
        self.at = 0
        world.thread("writer", self.write, local=lambda: (self.at, self.finished))
        for n, consumer in enumerate(self.consumers):
            taking = Taking(consumer)
            taking.attach(self.ring, essential=n not in case.discards)
            world.thread(f"reader {n}", lambda taking=taking: take(taking), local=lambda c=consumer: c.known)
        if case.cancel:
            world.thread("cancel", self.ring.cancel)

    def look(self, slot: int, half: int) -> int:
        place = 2 * slot + half
        return int(self.world.read(self.world.var(self.slots, place, "slot"), lambda: self.slots[place]))

    def fill(self, slot: int, number: int) -> None:
        for place in (2 * slot, 2 * slot + 1):
            var = self.world.var(self.slots, place, "slot")
            self.world.write(var, number, lambda place=place: self.slots.__setitem__(place, number))

    def write(self) -> None:
        """As a source's reader does."""
        number = 0
        for index, count in enumerate(self.case.objects):
            ending = Ending("whole")
            for sequence in range(count):
                self.step(number)
                if number == self.case.fails:
                    ending = Ending("failed")
                    break
                if self.ring.claim() is None:
                    ending = Ending("cut-off")
                    break
                self.not_in_use(number)
                self.fill(number % self.case.depth, number)
                self.ring.publish(ITEMS[index], sequence, 16, 16)
                self.published.append((index, sequence))
                self.order.append(self.published[-1])
                number += 1
                self.wait()
            self.step(100 + 10 * index + ["whole", "failed", "cut-off"].index(ending.status))
            self.ring.finish(ITEMS[index], ending)
            self.finished.append((index, ending.status))
            self.order.append(self.finished[-1])
            self.wait()
            if ending.status != "whole":
                break
        self.step(200)
        self.ring.end()

    def wait(self) -> None:
        if self.case.waits:
            sizes = (len(self.published), len(self.finished))
            came = lambda: all((len(c.seen), len(c.ended)) == sizes for c in self.consumers)  # noqa: E731
            self.world.point(self.world.var(self, 0, "what the source waits for"), False, came)

    def step(self, at: int) -> None:
        self.at = at
        self.world.passed("step")

    def not_in_use(self, number: int) -> None:
        taken = [raw(reader, "taken") for reader in raw(self.ring, "_readers")]
        assert all(number - one < self.case.depth for one in taken), f"slot of {number} is claimed while it is read"

    def at_end(self) -> Any:
        """After a whole execution: who stayed has all that was published; who failed a part of it."""
        assert raw(self.ring, "ended")
        for consumer in self.consumers:
            if consumer.fails_after is None:
                assert consumer.order == self.order, f"{consumer.order} of {self.order}"
            else:
                assert consumer.seen == self.published[: len(consumer.seen)]
                assert len(consumer.seen) == min(consumer.fails_after, len(self.published))
        whole = [(i, s) for i, count in enumerate(self.case.objects) for s in range(count)]
        calm = not self.case.cancel and self.case.fails is None
        if calm and any(leaves is None for n, leaves in enumerate(self.case.leaves) if n not in self.case.discards):
            assert self.published == whole and {status for _, status in self.finished} == {"whole"}
        else:
            assert self.published == whole[: len(self.published)]
        return len(self.published)


def raw(owner: Any, name: str) -> Any:
    return type(owner).__dict__[name].raw(owner)


def take(taking: Taking) -> None:
    try:
        taking.take_all("interleave")
    except Gone:
        taking.leave()


def told(case: Case, found: Found, preemptions: int | None) -> None:
    print(f"{case}, {'every schedule' if preemptions is None else f'at most {preemptions} preemptions'}: {found}")


WHOLE_CASES = [
    Case(depth=2, objects=(2,)),
    Case(depth=2, objects=(1, 0)),
    Case(depth=3, objects=(2,), waits=True),
    Case(depth=2, objects=(2,), fails=1),
]


@pytest.mark.parametrize("case", WHOLE_CASES, ids=str)
def test_every_schedule_of_a_writer_and_a_reader_keeps_what_a_ring_promises(case: Case) -> None:
    with instrumented():
        found = explore(case)
    told(case, found, None)
    assert found.complete and found.states > 1000


BOUNDED_CASES = [
    (1, Case(depth=2, objects=(3,), cancel=True)),
    (1, Case(depth=2, objects=(4,), cancel=True, stands=True)),
    (0, Case(depth=2, objects=(3,), leaves=(None, None))),
    (0, Case(depth=2, objects=(3,), leaves=(1, 0))),
    (0, Case(depth=2, objects=(3,), leaves=(None, 1), discards=(0,))),
    (0, Case(depth=2, objects=(3,), leaves=(None, None, 2))),
    (1, Case(depth=4, objects=(3,))),
]


@pytest.mark.parametrize(("preemptions", "case"), BOUNDED_CASES, ids=str)
def test_no_schedule_of_several_readers_with_few_preemptions_breaks_it(preemptions: int, case: Case) -> None:
    with instrumented():
        found = explore(case, preemptions=preemptions)
    told(case, found, preemptions)
    assert found.complete and found.executions > 3
    # called off before, between and after the records
    assert len(found.ends) > 1 or not case.cancel or case.stands


@LONG
@pytest.mark.timeout(7200)
@pytest.mark.parametrize(
    ("preemptions", "case"),
    [
        (None, Case(depth=2, objects=(5,))),
        (None, Case(depth=3, objects=(5,))),
        (None, Case(depth=2, objects=(1, 0, 1))),
        (None, Case(depth=2, objects=(2, 0, 2), waits=True)),
        (None, Case(depth=2, objects=(1,), cancel=True)),
        (None, Case(depth=2, objects=(2,), cancel=True)),
        (None, Case(depth=2, objects=(4,), cancel=True, stands=True)),
        (None, Case(depth=2, objects=(2, 0, 2), cancel=True)),
        (None, Case(depth=3, objects=(4,), cancel=True)),
        (1, Case(depth=4, objects=(5,))),
        (1, Case(depth=2, objects=(3,), leaves=(1, 0))),
        (2, Case(depth=2, objects=(3,), leaves=(None, None))),
        (2, Case(depth=2, objects=(3,), leaves=(None, 1), cancel=True)),
        (1, Case(depth=3, objects=(5,), leaves=(None, None, 2))),
        (None, Case(depth=4, objects=(5,))),
        (2, Case(depth=4, objects=(6,), leaves=(None, 3))),
    ],
    ids=str,
)
def test_larger_cases(preemptions: int | None, case: Case) -> None:
    with instrumented():
        found = explore(case, preemptions=preemptions)
    told(case, found, preemptions)
    assert found.complete


# ---------------------------------------------------------------- the doorbell alone


@dataclass(frozen=True)
class Bells:
    """One sleeper who waits for *news* of several ringers, with or without patience."""

    ringers: int
    news: int
    impatient: bool = False

    def __call__(self, world: World) -> Callable[[], Any]:
        bell, counters, seen = Doorbell(), Slots([0] * self.ringers), [0]

        def look(n: int) -> int:
            return int(world.read(world.var(counters, n, "counter"), lambda: counters[n]))

        def ringer(n: int) -> None:
            for count in range(1, self.news + 1):
                var = world.var(counters, n, "counter")
                world.write(var, count, lambda count=count: counters.__setitem__(n, count), own=True)
                if bell.armed:
                    bell.ring()

        def sleeper() -> None:
            while seen[0] < self.ringers * self.news:
                bell.arm()
                now = sum(look(n) for n in range(self.ringers))
                if now > seen[0]:
                    bell.disarm()
                elif not bell.wait(0.01 if self.impatient else None):
                    assert self.impatient
                    now = sum(look(n) for n in range(self.ringers))
                assert now >= seen[0]
                seen[0] = now
                world.checkpoint(now)

        world.thread("sleeper", sleeper, local=lambda: seen[0])
        for n in range(self.ringers):
            world.thread(f"ringer {n}", lambda n=n: ringer(n))
        return lambda: seen[0]


@pytest.mark.parametrize("case", [Bells(1, 3), Bells(2, 1), Bells(1, 2, impatient=True)], ids=str)
def test_every_schedule_of_the_doorbell_wakes_its_sleeper(case: Bells) -> None:
    with instrumented():
        found = explore(case)
    print(f"{case}: {found}")
    assert found.complete and found.ends == {case.ringers * case.news}
