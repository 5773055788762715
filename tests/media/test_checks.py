"""Two hands check what one does: the same members, the same faults at the same places, whatever becomes of a helper."""

import errno
import os
import random
import signal
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from media_world import RECORD, ROOM, Job, World, records_of
from tapechain.runtime.faults import MediaFault
from tapechain.runtime.media import checks as checks_module
from tapechain.runtime.media import volume as volume_module
from tapechain.runtime.media.checks import AHEAD, PIECE_BYTES, Checks
from tapechain.runtime.media.label import LABEL_BYTES
from tapechain.runtime.media.record import HEADER_BYTES, parse
from tapechain.runtime.media.scan import reader_of
from tapechain.runtime.media.scanned import Damage, ScannedRecord
from tapechain.runtime.media.volume import open_volume

pytestmark = pytest.mark.timeout(60)

Read = Callable[[memoryview, int], int]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Records of 64 KiB in four pieces, and all handed over; no helper is left when a test has ended."""
    monkeypatch.setattr(checks_module, "PIECE_BYTES", 16 * 1024)
    monkeypatch.setattr(checks_module, "SMALL_BYTES", 0)
    yield
    for thread in helpers():
        thread.join(20)
    assert not helpers()


def helpers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "checks records"]


@pytest.fixture
def volume(world: World) -> Path:
    """Two sessions of interleaved objects: full records, short ones, an empty object."""
    drive = world.drive()
    for number in (1, 2):
        session = world.session(number)
        sizes = {"a": 5 * ROOM + 700, "b": 3 * ROOM, "c": 0, "d": 100}
        Job({world.facts(session, name): os.urandom(size) for name, size in sizes.items()}).run(drive, session)
    return world.volumes()[0]


def walked(path: Path, hands: int) -> list[Any]:
    """What a walk tells, and the fault that it ends with."""
    told: list[Any] = []
    with open_volume(path) as reader:
        try:
            for member in reader.members(LABEL_BYTES, reader.size, check=True, hands=hands):
                told.append(member)
        except MediaFault as fault:
            told.append(str(fault))
        told.append("fault" if told and isinstance(told[-1], str) else reader.bytes_read)
    return told


def test_all_that_is_sound_is_found_by_any_number_of_hands(volume: Path) -> None:
    one = walked(volume, 1)
    assert sum(isinstance(member, ScannedRecord) for member in one) == 2 * (6 + 3 + 1 + 1)
    assert walked(volume, 2) == one and walked(volume, 4) == one


def test_whatever_is_damaged_two_hands_say_what_one_says(volume: Path) -> None:
    whole = volume.read_bytes()
    for seed in range(150):
        chance = random.Random(seed)
        data = bytearray(whole)
        for _ in range(chance.choice([1, 1, 2, 5])):
            if len(data) == LABEL_BYTES:
                break
            at = chance.randrange(LABEL_BYTES, len(data))
            match chance.randrange(4):
                case 0:
                    data[at] ^= 1 << chance.randrange(8)
                case 1:
                    data[at : at + 512] = chance.randbytes(len(data[at : at + 512]))
                case 2:
                    del data[at - at % 512 : at - at % 512 + 512 * chance.randrange(1, 300)]
                case 3:
                    del data[at:]
        volume.write_bytes(data)
        assert walked(volume, 2) == walked(volume, 1), f"seed {seed}"


def faulty(monkeypatch: pytest.MonkeyPatch, at: int, failure: Exception) -> None:
    """Whoever reads byte *at* of the volume gets *failure*."""

    def faulty_reader(fd: int) -> Read:
        read = reader_of(fd)

        def reads(view: memoryview, position: int) -> int:
            if position <= at < position + len(view):
                raise failure
            return read(view, position)

        return reads

    monkeypatch.setattr(volume_module, "reader_of", faulty_reader)


def test_a_block_that_cannot_be_read_is_named_and_all_before_it_told_whoever_met_it(
    volume: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At every piece and every header of the volume."""
    sound = walked(volume, 1)[:-1]
    records = [member for member in sound if isinstance(member, ScannedRecord)]
    places = [(r.position, p) for r in records for p in (r.position, *range(r.position + HEADER_BYTES, r.end, 16384))]
    for position, at in places:
        faulty(monkeypatch, at, OSError(errno.EIO, os.strerror(errno.EIO)))
        named = position if at == position else position + HEADER_BYTES
        before = [member for member in sound if member.position < position]
        for hands in (1, 2):
            told = walked(volume, hands)
            assert told[:-2] == before
            assert f"at byte {named}" in told[-2] and "it cannot be read: Input/output error" in told[-2]
        monkeypatch.undo()


@pytest.mark.parametrize("hands", [1, 2])
def test_of_some_objects_all_is_told_up_to_the_last_place_of_interest(
    volume: Path, monkeypatch: pytest.MonkeyPatch, hands: int
) -> None:
    """Of the others nothing is read, and a record that cannot be read is told and passed over."""
    records = [member for member in walked(volume, 1) if isinstance(member, ScannedRecord)]
    wanted = records[0].header.object_id
    own = [member for member in records if member.header.object_id == wanted]
    assert len(own) == 6 and own[-1].end < records[-1].position
    other = next(member for member in records if member.header.object_id != wanted)
    with open(volume, "r+b") as file:
        for hurt in (other, own[4]):
            file.seek(hurt.position + HEADER_BYTES)
            file.write(b"\xff\xfe")
    faulty(monkeypatch, own[2].end - 1, OSError(errno.EIO, os.strerror(errno.EIO)))
    told: list[str] = []
    with open_volume(volume) as reader:
        found = list(
            reader.members(
                LABEL_BYTES, reader.size, check=True, hands=hands, only={wanted}, until=own[-1].position,
                failed=lambda fault: told.append(str(fault)),
            )
        )  # fmt: skip
    assert [type(member) for member in found] == [ScannedRecord] * 3 + [Damage, ScannedRecord]
    assert [member.position for member in found] == [own[n].position for n in (0, 1, 3, 4, 5)]
    assert len(told) == 1 and f"at byte {own[2].position + HEADER_BYTES}: it cannot be read" in told[0]


def test_a_volume_that_is_cut_while_it_is_read_ends_in_the_same_damage(volume: Path) -> None:
    size = volume.stat().st_size
    whole = volume.read_bytes()
    for cut in range(LABEL_BYTES + 512, size, 16 * 1024 + 512):
        told = []
        for hands in (1, 2):
            volume.write_bytes(whole)
            with open_volume(volume) as reader:
                os.truncate(volume, cut)
                told.append(list(reader.members(LABEL_BYTES, size, check=True, hands=hands)))
        assert told[0] == told[1] and any(isinstance(member, Damage) for member in told[0])


def test_a_helper_that_fails_as_nobody_foresaw_is_heard_of(volume: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    faulty(monkeypatch, volume.stat().st_size // 2, ZeroDivisionError("a mistake of ours"))
    with open_volume(volume) as reader, pytest.raises(ZeroDivisionError):
        list(reader.members(LABEL_BYTES, reader.size, check=True, hands=2))


@pytest.mark.parametrize("lacking", ["threads", "descriptors", "memory"])
def test_without_a_helper_the_walk_does_all_itself(volume: Path, monkeypatch: pytest.MonkeyPatch, lacking: str) -> None:
    sound = walked(volume, 1)

    def refuse(*_: object) -> None:
        if lacking == "memory" and threading.current_thread() is threading.main_thread():
            return
        raise {"threads": RuntimeError, "memory": MemoryError}.get(lacking, OSError)

    if lacking == "threads":
        monkeypatch.setattr(threading.Thread, "start", refuse)
    elif lacking == "descriptors":
        monkeypatch.setattr(os, "dup", refuse)
    else:

        def reading(fd: int) -> Read:
            refuse()
            return reader_of(fd)

        monkeypatch.setattr(volume_module, "reader_of", reading)
    assert walked(volume, 2) == sound


def test_a_helper_that_hangs_holds_up_the_walk_until_that_is_interrupted(
    volume: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C ends it; the helper keeps its own descriptor until the device answers, and then gives it back."""
    hangs, answer = threading.Event(), threading.Event()
    descriptors: list[int] = []

    def reading(fd: int) -> Read:
        read = reader_of(fd)

        def reads(view: memoryview, position: int) -> int:
            if threading.current_thread() is not threading.main_thread() and position > RECORD:
                descriptors.append(fd)
                hangs.set()
                assert answer.wait(40)
            elif position > 4 * RECORD:
                assert hangs.wait(40)
            return read(view, position)

        return reads

    monkeypatch.setattr(volume_module, "reader_of", reading)

    def interrupt() -> None:
        assert hangs.wait(40)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    told = []
    with open_volume(volume) as reader, pytest.raises(KeyboardInterrupt):
        for member in reader.members(LABEL_BYTES, reader.size, check=True, hands=2):
            told.append(member)
    assert len(helpers()) == 1 and os.fstat(descriptors[0]).st_ino == volume.stat().st_ino
    answer.set()
    helpers()[0].join(20)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptors[0])


def test_who_stops_in_the_middle_leaves_nothing_behind(volume: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for n in range(1, 12):
        with open_volume(volume) as reader:
            for count, _ in enumerate(reader.members(LABEL_BYTES, reader.size, check=True, hands=2)):
                if count == n:
                    break
        for thread in helpers():
            thread.join(20)
    assert len(os.listdir("/proc/self/fd")) == before


def test_memory_does_not_grow_with_the_records(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two pieces, and the headers of a few records, however large the records are."""
    monkeypatch.setattr(checks_module, "PIECE_BYTES", PIECE_BYTES)
    record = 8 * 1024 * 1024
    sealed = records_of(world.facts(world.session()), os.urandom(5 * record), record=record)
    path = world.folder / "records"
    path.write_bytes(b"".join(sealed))
    del sealed[1:]
    fd = os.open(path, os.O_RDONLY)
    checks = Checks(fd, reader_of, hands=2, told=lambda check: None)
    head = sealed[0][:HEADER_BYTES]
    header = parse(head)
    tracemalloc.start()
    try:
        for n in range(5):
            checks.put(n * record, header, head)
        assert [checks.take().wrong is None for _ in range(5)] == [True, False, False, False, False]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        checks.close()
        os.close(fd)
    assert peak < 2 * PIECE_BYTES + 256 * 1024


def test_no_more_than_a_few_records_are_looked_at_ahead(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    session = world.session()
    Job({world.facts(session): os.urandom(30 * ROOM)}).run(world.drive(), session)
    waiting: list[int] = []
    put = Checks.put

    def counted(self: Checks, *record: Any) -> None:
        put(self, *record)
        waiting.append(len(self))

    monkeypatch.setattr(Checks, "put", counted)
    walked(world.volumes()[0], 2)
    assert len(waiting) == 30 and max(waiting) == AHEAD + 1
