"""The ring against a list model, wake-ups under stress, readers that come and go."""

import random
import sys
import threading
from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tapechain.runtime.media.ids import new_id
from tapechain.runtime.model import Ending, ObjectFacts, Session
from tapechain.runtime.ring import Doorbell, Ring, RingReader

pytestmark = pytest.mark.timeout(60)
RECORD = 512
WHOLE = Ending("whole")
ITEM = ObjectFacts(new_id(), "one", "stream", Session(new_id(), 1, "p", "f", "2026-01-01T00:00:00.000Z"))
OTHER = ObjectFacts(new_id(), "other", "stream", ITEM.session)


class RingModel(RuleBasedStateMachine):
    """One thread drives writer and readers alike; calls that would block are made only where they must not."""

    @initialize(depth=st.integers(2, 6), readers=st.lists(st.booleans(), min_size=1, max_size=4))
    def make(self, depth: int, readers: list[bool]) -> None:
        self.ring = Ring(depth, RECORD)
        self.bells = [Doorbell() for _ in readers]
        self.readers = [self.ring.attach(b, essential=e) for b, e in zip(self.bells, readers, strict=True)]
        self.essential = list(readers)
        self.taken = [0 for _ in readers]
        self.here = set(range(len(readers)))
        self.written: list[tuple[bytes, ObjectFacts, int]] = []
        self.sequences = {ITEM.id: 0, OTHER.id: 0}
        #: endings with the count of records before them, and how many of them each reader has seen
        self.finished: list[tuple[int, ObjectFacts]] = []
        self.seen = [0 for _ in readers]
        self.claimed: list[bytes] = []
        self.cancelled = False
        self.ended = False

    @property
    def model_free(self) -> int:
        if not self.here:
            return self.ring.depth
        return self.ring.depth - (len(self.written) + len(self.claimed) - min(self.taken[i] for i in self.here))

    @property
    def model_abandoned(self) -> bool:
        return not any(self.essential[i] for i in self.here)

    @precondition(lambda self: not self.ended and (self.model_free or self.cancelled or self.model_abandoned))
    @rule(
        data=st.one_of(st.binary(min_size=1, max_size=RECORD), st.integers(0, 255).map(lambda n: bytes([n]) * RECORD))
    )
    def claim(self, data: bytes) -> None:
        slot = self.ring.claim()
        if self.cancelled or self.model_abandoned:
            assert slot is None
            return
        assert slot is not None and len(slot) == RECORD
        slot[: len(data)] = data
        self.claimed.append(data)

    @precondition(lambda self: self.claimed and not self.ended)
    @rule(item=st.sampled_from([ITEM, OTHER]))
    def publish(self, item: ObjectFacts) -> None:
        data = self.claimed.pop(0)
        sequence = self.sequences[item.id]
        self.sequences[item.id] += 1
        self.ring.publish(item, sequence, len(data), len(data) // 2)
        self.written.append((data, item, sequence))

    @precondition(lambda self: not self.ended)
    @rule(item=st.sampled_from([ITEM, OTHER]))
    def finish(self, item: ObjectFacts) -> None:
        self.ring.finish(item, WHOLE)
        self.finished.append((len(self.written), item))

    @precondition(lambda self: self.here)
    @rule(data=st.data())
    def take(self, data: st.DataObject) -> None:
        i = data.draw(st.sampled_from(sorted(self.here)))
        reader = self.readers[i]
        assert reader.available == len(self.written) - self.taken[i]
        if reader.available:
            record, item, sequence, payload_bytes = reader.peek()
            assert (bytes(record), item, sequence) == self.written[self.taken[i]]
            assert payload_bytes == len(record) // 2
            record.release()
            reader.release()
            self.taken[i] += 1

    @precondition(lambda self: self.here)
    @rule(data=st.data())
    def take_a_run(self, data: st.DataObject) -> None:
        """A run is what taking one by one would give: full records of one object, no ending among them."""
        i = data.draw(st.sampled_from(sorted(self.here)))
        reader = self.readers[i]
        if not reader.available:
            return
        count = reader.run()
        assert 1 <= count <= min(reader.available, self.ring.depth // 2)
        if count == 1:
            return
        taken = self.written[self.taken[i] : self.taken[i] + count]
        with reader.peek_run(count) as records:
            assert bytes(records) == b"".join(record for record, _, _ in taken)
        assert {len(record) for record, _, _ in taken} == {RECORD}
        assert [(item, sequence) for _, item, sequence in taken] == [
            (taken[0][1], taken[0][2] + n) for n in range(count)
        ]
        assert not any(self.taken[i] < at < self.taken[i] + count for at, _ in self.finished[self.seen[i] :])
        reader.release(count)
        self.taken[i] += count

    @precondition(lambda self: self.here)
    @rule(data=st.data())
    def see(self, data: st.DataObject) -> None:
        """An ending comes when all records before it are taken, and once."""
        i = data.draw(st.sampled_from(sorted(self.here)))
        found = self.readers[i].ended()
        if self.seen[i] < len(self.finished) and self.finished[self.seen[i]][0] <= self.taken[i]:
            assert found == (self.finished[self.seen[i]][1], WHOLE)
            self.seen[i] += 1
        else:
            assert found is None

    @precondition(lambda self: self.here)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        i = data.draw(st.sampled_from(sorted(self.here)))
        self.readers[i].leave()
        self.readers[i].leave()
        self.here.discard(i)

    @rule()
    def cancel(self) -> None:
        self.ring.cancel()
        self.cancelled = True

    @precondition(lambda self: not self.ended)
    @rule()
    def end(self) -> None:
        self.ring.end()
        self.ended = True

    @invariant()
    def agrees(self) -> None:
        if not hasattr(self, "ring"):
            return
        assert self.ring.published == len(self.written)
        assert self.ring.abandoned == self.model_abandoned
        assert self.ring.free == self.model_free >= 0
        expected = max((len(self.written) - self.taken[i] for i in self.here), default=0)
        assert self.ring.fill == expected <= self.ring.depth
        for i in self.here:
            done = self.taken[i] == len(self.written) and self.seen[i] == len(self.finished)
            assert self.readers[i].over == (self.ended and done)
            news = self.taken[i] < len(self.written) or self.seen[i] < len(self.finished) or self.ended
            assert self.readers[i].worth_waking(patient=False) == news

    def teardown(self) -> None:
        if hasattr(self, "ring"):
            self.ring.close()


TestRingModel = RingModel.TestCase
TestRingModel.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def in_threads(*jobs: Callable[[], None], seconds: float = 30) -> None:
    """Run *jobs* at once; a job that raises, or is not done in time, fails the test."""
    failures: list[BaseException] = []

    def guarded(job: Callable[[], None]) -> None:
        try:
            job()
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(job,), daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(seconds)
        assert not thread.is_alive(), "a thread sleeps for ever: a wake-up was lost"
    if failures:
        raise failures[0]


def writer(ring: Ring, count: int) -> Callable[[], None]:
    def job() -> None:
        held = False
        for n in range(count):
            slot = ring.claim()
            if slot is None:
                break
            slot[:8] = n.to_bytes(8, "big")
            if held:
                ring.publish(ITEM, n - 1, 8, 8)
            held = True
        else:
            ring.publish(ITEM, count - 1, 8, 8)
        ring.finish(ITEM, WHOLE)
        ring.end()

    return job


def reader(rings: list[Ring], seen: list[list[int]], leave_after: int | None = None) -> Callable[[], None]:
    """Takes from all *rings* as a drive's writer does; attached before any thread starts."""
    bell = Doorbell()
    views = [ring.attach(bell) for ring in rings]

    def job() -> None:
        total = 0
        left = list(range(len(views)))
        while left:
            progress = False
            for i in tuple(left):
                view = views[i]
                if view.available:
                    record, _, sequence, _ = view.peek()
                    assert int.from_bytes(record, "big") == sequence == len(seen[i])
                    record.release()
                    seen[i].append(sequence)
                    view.release()
                    total += 1
                    progress = True
                    if total == leave_after:
                        for other in views:
                            other.leave()
                        return
                elif view.ended() is not None:
                    progress = True
                elif view.over:
                    view.leave()
                    left.remove(i)
                    progress = True
            if not progress:
                bell.arm()
                if any(views[i].worth_waking(patient=False) for i in left):
                    bell.disarm()
                else:
                    bell.wait()

    return job


@pytest.mark.parametrize("depth", [2, 3, 8])
@pytest.mark.parametrize("readers", [1, 3])
def test_no_wake_up_is_lost(depth: int, readers: int) -> None:
    """Thousands of sleeps on both sides, with threads switched as often as the interpreter can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        ring = Ring(depth, RECORD)
        seen: list[list[list[int]]] = [[[]] for _ in range(readers)]
        jobs = [reader([ring], s) for s in seen]
        in_threads(writer(ring, 4000), *jobs)
        assert all(s == [list(range(4000))] for s in seen)
        ring.close()
    finally:
        sys.setswitchinterval(before)


class Interrupted(Doorbell):
    """A bell whose owner is overtaken just before, or just after, it says that it is about to sleep."""

    def __init__(self, what: Callable[[], None], *, before: bool) -> None:
        super().__init__()
        self.what = what
        self.before = before

    def arm(self) -> None:
        if self.before:
            self.what()
        super().arm()
        if not self.before:
            self.what()


@pytest.mark.parametrize("before", [True, False])
def test_writer_overtaken_on_its_way_to_sleep_does_not_sleep(before: bool) -> None:
    ring = Ring(2, RECORD)
    view = ring.attach(Doorbell())

    def take_all() -> None:
        while view.available:
            view.release()

    ring.space = Interrupted(take_all, before=before)

    def fill() -> None:
        for _ in range(50):
            assert ring.claim() is not None
            ring.publish(ITEM, 0, 1, 1)

    in_threads(fill, seconds=10)
    assert ring.published == 50


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("ends", [True, False])
def test_reader_overtaken_on_its_way_to_sleep_does_not_sleep(before: bool, ends: bool) -> None:
    ring = Ring(2, RECORD)

    def news() -> None:
        if ends:
            ring.end()
        else:
            ring.claim()
            ring.publish(ITEM, 0, 1, 1)

    bell = Interrupted(news, before=before)
    view = ring.attach(bell)

    def wait_as_a_writer_does() -> None:
        bell.arm()
        if view.available or view.over:
            bell.disarm()
        else:
            bell.wait()

    in_threads(wait_as_a_writer_does, seconds=10)
    assert view.available or view.over


def test_one_thread_waits_on_many_rings() -> None:
    rings = [Ring(2, RECORD) for _ in range(5)]
    one: list[list[int]] = [[] for _ in rings]
    two: list[list[int]] = [[] for _ in rings[:3]]
    jobs = [reader(rings, one), reader(rings[:3], two)]
    in_threads(*(writer(ring, 800) for ring in rings), *jobs)
    assert one == [list(range(800))] * 5 and two == [list(range(800))] * 3


@pytest.mark.parametrize("seed", range(8))
def test_readers_that_leave_free_their_slots(seed: int) -> None:
    choose = random.Random(seed)
    ring = Ring(4, RECORD)
    stays: list[list[int]] = [[]]
    jobs = [reader([ring], stays)]
    for _ in range(4):
        jobs.append(reader([ring], [[]], leave_after=choose.randrange(1, 500)))
    in_threads(writer(ring, 1000), *jobs)
    assert stays == [list(range(1000))]


def test_writer_whose_readers_all_leave_is_woken() -> None:
    ring = Ring(2, RECORD)
    in_threads(writer(ring, 10_000), reader([ring], [[]], leave_after=3), reader([ring], [[]], leave_after=7))
    assert ring.abandoned and ring.published < 20


def test_cancelled_writer_is_woken_and_what_is_published_is_drained() -> None:
    ring = Ring(4, RECORD)
    seen: list[list[int]] = [[]]
    slow = threading.Event()
    bell = Doorbell()
    view = ring.attach(bell)

    def never() -> None:
        slow.wait(30)
        while view.available:
            view.release()
            seen[0].append(1)
        view.leave()

    def cancel() -> None:
        while ring.free:  # the writer is about to sleep, or sleeps
            pass
        ring.cancel()
        slow.set()

    in_threads(writer(ring, 100), never, cancel)
    assert len(seen[0]) == ring.published == 3


def test_rung_bell_does_not_stay_rung() -> None:
    bell = Doorbell()
    bell.arm()
    bell.ring()
    bell.ring()
    bell.disarm()
    bell.arm()
    assert not bell.wait(0.01)
    bell.arm()
    bell.ring()
    assert bell.wait(10)


def test_misuse_is_told() -> None:
    with pytest.raises(ValueError, match="two slots"):
        Ring(1, RECORD)
    ring = Ring(2, RECORD)
    with pytest.raises(RuntimeError, match="claimed"):
        ring.publish(ITEM, 0, 1, 1)
    ring.attach(Doorbell())
    ring.claim()
    ring.publish(ITEM, 0, 1, 1)
    with pytest.raises(RuntimeError, match="before the first"):
        ring.attach(Doorbell())
    ring.end()
    with pytest.raises(RuntimeError, match="once"):
        ring.end()
    ring.close()


@pytest.mark.parametrize("depth", [2, 3, 4, 8, 9])
def test_patient_reader_is_woken_by_enough_of_a_ring_and_not_before(depth: int) -> None:
    ring = Ring(depth, RECORD)
    bell = Doorbell()
    view = ring.attach(bell)
    bell.arm(patient=True)
    for count in range(1, depth):  # the last slot is the one that a source holds back
        assert not view.worth_waking(patient=True) or count > 1
        ring.claim()
        ring.publish(ITEM, 0, 1, 1)
        assert bell.armed is (count < ring.enough)
        if not bell.armed:
            assert view.worth_waking(patient=True) and bell.wait(0)
            return
    pytest.fail("a full ring did not wake its patient reader")


def test_patient_reader_is_woken_by_the_end_and_an_impatient_one_by_one_record() -> None:
    ring = Ring(8, RECORD)
    patient, impatient = Doorbell(), Doorbell()
    views = [ring.attach(patient), ring.attach(impatient)]
    patient.arm(patient=True)
    impatient.arm()
    ring.claim()
    ring.publish(ITEM, 0, 1, 1)
    assert patient.armed and not impatient.armed and impatient.wait(0)
    assert [view.worth_waking(patient=True) for view in views] == [False, False]
    ring.end()
    assert not patient.armed and patient.wait(0)
    assert [view.worth_waking(patient=True) for view in views] == [True, True]


def ring_with(*records: tuple[ObjectFacts, int, int, int] | ObjectFacts, depth: int = 16) -> RingReader:
    """A reader of a ring that holds *records* (object, sequence, bytes, payload), and endings of objects."""
    ring = Ring(depth, RECORD)
    reader = ring.attach(Doorbell())
    for record in records:
        if isinstance(record, ObjectFacts):
            ring.finish(record, WHOLE)
        else:
            assert ring.claim() is not None
            ring.publish(*record)
    return reader


FULL = (RECORD, 100)


@pytest.mark.parametrize(
    ("records", "count"),
    [
        ([(ITEM, n, *FULL) for n in range(5)], 5),
        ([(ITEM, n, *FULL) for n in range(12)], 8),  # half the ring
        ([(ITEM, 0, *FULL), (ITEM, 1, *FULL), (OTHER, 2, *FULL)], 2),
        ([(ITEM, 0, *FULL), (ITEM, 1, *FULL), OTHER, (ITEM, 2, *FULL)], 2),
        ([(ITEM, 0, *FULL), (ITEM, 2, *FULL)], 1),
        ([(ITEM, 0, *FULL), (ITEM, 1, *FULL), (ITEM, 2, 100, 100)], 2),
        ([(ITEM, 0, *FULL), (ITEM, 1, RECORD, 99)], 1),
        ([(ITEM, 0, 100, 100), (ITEM, 1, 100, 100)], 1),
    ],
)
def test_a_run_ends_where_its_records_are_not_alike(records: list[object], count: int) -> None:
    assert ring_with(*records).run() == count  # type: ignore[arg-type]


def test_a_run_ends_at_the_end_of_the_memory() -> None:
    reader = ring_with(*((ITEM, n, *FULL) for n in range(8)), depth=8)
    reader.release(6)
    for sequence in range(8, 12):
        assert reader._ring.claim() is not None
        reader._ring.publish(ITEM, sequence, *FULL)
    assert reader.run() == 2
    reader.release(2)
    assert reader.run() == 4


@pytest.mark.parametrize(
    ("depth", "record", "enough", "run"),
    [
        (2, 1 << 20, 1, 1),
        (8, 1 << 16, 4, 4),  # two MiB would be more than half
        (8, 1 << 20, 2, 2),
        (16, 1 << 20, 4, 4),
        (64, 1 << 20, 16, 4),  # a run is four MiB at most
        (64, 1 << 16, 32, 32),
        (4, 1 << 23, 1, 1),
    ],
)
def test_how_much_of_a_ring_is_worth_a_switch(depth: int, record: int, enough: int, run: int) -> None:
    ring = Ring(depth, record)
    assert (ring.enough, ring.longest_run) == (enough, run)
    ring.close()


def test_a_slot_that_is_renewed_has_nothing_to_do_with_its_old_memory() -> None:
    """A call that hangs may write to the old one for ever; records in new memory are no part of a run."""
    ring = Ring(4, 512)
    reader = ring.attach(Doorbell())
    for number in range(8):
        slot = ring.claim()
        assert slot is not None
        if number == 2:
            old, slot = slot, ring.renew()
        slot[:] = bytes([number]) * 512
        if number >= 2:
            old[:] = b"\xff" * 512
        ring.publish(ITEM, number, 512, 100)
        if number % 2:
            while reader.available:
                assert reader.run() == (2 if number == 1 and reader.taken == 0 else 1)
                view, _, sequence, _ = reader.peek()
                assert bytes(view) == bytes([sequence]) * 512
                reader.release()
    ring.end()
    ring.close()
