"""After a crash: torn tails are recognised, whole records are kept, confirmed sessions are never touched (W4, W5)."""

import itertools
import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from media_world import RECORD, ROOM, Job, World, records_of
from tapechain.runtime.faults import MediaFault
from tapechain.runtime.media import tail
from tapechain.runtime.media.label import LABEL_BYTES
from tapechain.runtime.media.record import parse
from tapechain.runtime.media.scanned import ScannedRecord
from tapechain.runtime.media.volume import VolumeReader, open_volume
from tapechain.runtime.model import ObjectFacts, Session

NOW = "2026-11-21T00:00:00.000Z"


def memory_folder(tmp_path: Path) -> Path:
    """A folder in memory where there is one: these tests make thousands of files."""
    shared = Path("/dev/shm")
    if not os.access(shared, os.W_OK):
        return tmp_path
    folder = shared / f"tapechain-test-{os.getpid()}-{tmp_path.name}"
    folder.mkdir()
    return folder


@pytest.fixture
def fast(tmp_path: Path) -> Iterator[World]:
    """A world in memory."""
    folder = memory_folder(tmp_path)
    yield World(folder)
    if folder != tmp_path:
        shutil.rmtree(folder)


def write_small(world: World, session: Session, data: dict[ObjectFacts, bytes]) -> None:
    """A session of small records, interleaved: a volume of which every byte can be tried."""
    drive = world.drive()
    drive.mount(session, agent="A1", plan_record=RECORD)
    queues = {facts: list(enumerate(records_of(facts, stream, record=2560))) for facts, stream in data.items()}
    for facts in data:
        drive.begin(facts)
    while any(queues.values()):
        for facts, queue in queues.items():
            if queue:
                sequence, record = queue.pop(0)
                drive.write(memoryview(record), facts.id, sequence, parse(memoryview(record)[:1536]).payload_bytes)
    drive.close(0.5)


def positions(path: Path) -> list[tuple[int, int, str]]:
    """Start, end and object of each record."""
    with open_volume(path) as reader:
        return [(i.position, i.end, i.header.object_id) for i in reader.scan() if isinstance(i, ScannedRecord)]


def test_every_truncation_is_recognised_and_every_whole_record_kept(fast: World) -> None:
    first, second = fast.session(1), fast.session(2)
    write_small(fast, first, {fast.facts(first, "D1"): b"1" * 200})
    size_of_first = fast.volumes()[0].stat().st_size
    write_small(fast, second, {fast.facts(second, "D1"): b"2" * 1100, fast.facts(second, "D2"): b"22"})
    path = fast.volumes()[0]
    whole = path.read_bytes()
    records = positions(path)
    torn = path.with_name("R1-000001.tar")
    first_end = size_of_first - 1024
    with open_volume(path) as reader:
        indexes = reader.indexes().sessions
    for size in range(len(whole) - 1, LABEL_BYTES - 1, -1):
        os.truncate(torn, size)
        with open_volume(torn) as reader:
            found = tail.prove(reader, now=NOW)
        assert found.appendable
        kept = [end for _, end, _ in records if end <= size]
        if size >= len(whole) - 1024:
            assert (found.position, found.recovered, found.previous) == (len(whole) - 1024, None, indexes[1].position)
        elif size >= first_end:
            assert found.position == max([first_end, *kept])
            assert found.previous == indexes[0].position
            behind = {item.object_id: item for item in found.recovered.objects} if found.recovered else {}
            assert sum(item.records for item in behind.values()) == sum(
                start >= first_end for start, end, _ in records if end <= size
            )
        else:
            assert found.position == max([LABEL_BYTES, *kept])
        if size not in (found.position, found.position + 1024):
            assert found.notes or size >= first_end


@pytest.mark.parametrize("size", [0, 1, 511, 512, 16_383])
def test_a_volume_cut_within_its_label_is_refused(world: World, size: int) -> None:
    session = world.session()
    write_small(world, session, {world.facts(session): b"1"})
    path = world.volumes()[0]
    os.truncate(path, size)
    with pytest.raises(MediaFault):
        world.drive().mount(world.session(2), agent="A1", plan_record=RECORD)
    assert path.stat().st_size == size


def contents(world: World) -> dict[str, bytes]:
    """What sound records hold, by object, over all volumes."""
    found: dict[str, bytes] = {}
    for path in world.volumes():
        with open_volume(path) as reader:
            for item in reader.scan():
                if isinstance(item, ScannedRecord):
                    found[item.header.object_id] = found.get(item.header.object_id, b"") + bytes(item.payload)
    return found


def wholes(world: World) -> set[str]:
    found: set[str] = set()
    for path in world.volumes():
        with open_volume(path) as reader:
            found |= {
                item.object_id for one in reader.indexes().sessions for item in one.objects if item.state == "whole"
            }
    return found


def append(world: World, number: int) -> dict[str, bytes]:
    """One more session; what it must have stored."""
    session = world.session(number)
    facts = world.facts(session, "after")
    drive = world.drive()
    drive.mount(session, agent="A1", plan_record=RECORD)
    Job({facts: b"after the crash"}).write_to(drive)
    assert {result.status for result in drive.close(0.0)} == {"stored"}
    return {facts.id: b"after the crash"}


def test_the_next_session_goes_on_behind_the_last_whole_record(fast: World) -> None:
    first, second = fast.session(1), fast.session(2)
    one = {fast.facts(first, "D1"): b"1" * 2000}
    two = {fast.facts(second, "D1"): b"2" * 3000, fast.facts(second, "D2"): b"22"}
    write_small(fast, first, one)
    write_small(fast, second, two)
    path = fast.volumes()[0]
    whole = path.read_bytes()
    records = positions(path)
    edges = {edge for start, end, _ in records for edge in (start, end)} | {len(whole) - 1024, len(whole) - 2048}
    sizes = {edge + step for edge in edges for step in (-513, -512, -1, 0, 1, 511, 512, 1000, 1536)}
    for number, size in enumerate(sorted(size for size in sizes if LABEL_BYTES <= size < len(whole))):
        path.write_bytes(whole[:size])
        fast.told.clear()
        expected: dict[str, bytes] = {}
        for start, end, object_id in records:
            if end <= size:
                with_header = whole[start:end]
                payload_bytes = int(with_header[1024 + 124 : 1024 + 135], 8)
                expected[object_id] = expected.get(object_id, b"") + with_header[1536 : 1536 + payload_bytes]
        expected |= append(fast, 10 + number)
        assert contents(fast) == expected
        with open_volume(path) as reader:
            after = reader.indexes()
            assert not after.damages
            assert not after.notes
            assert {item.object_id for one in after.sessions for item in one.objects} == set(expected)
            # What was told to the catalog is what lies on the volume.
            assert {told.index for told in fast.told} <= set(after.sessions)
        assert path.read_bytes()[-1024:] == bytes(1024)


def test_a_recovered_session_is_told_and_complete_objects_in_it_are_whole(world: World) -> None:
    session = world.session(7)
    whole, cut = world.facts(session, "D1"), world.facts(session, "D2")
    drive = world.drive()
    drive.mount(session, agent="A1", plan_record=RECORD)
    for facts in (whole, cut):
        drive.begin(facts)
    drive.write(memoryview(records_of(whole, b"1")[0]), whole.id, 0, 1)
    drive.write(memoryview(records_of(cut, b"2" * (ROOM + 1))[0]), cut.id, 0, ROOM)
    # The process is gone: no index, no end. The lock goes with it.
    drive._release()
    again = world.drive()
    notes = again.mount(world.session(8), agent="A1", plan_record=RECORD)
    assert any(session.id in note for note in notes)
    (told,) = world.told
    assert (told.index.state, told.index.session) == ("recovered", session)
    states = {item.object_id: (item.state, item.kind, item.records) for item in told.index.objects}
    assert states == {whole.id: ("whole", "files", 1), cut.id: ("cut-off", "files", 1)}
    assert again.close(0.0) == ()
    with open_volume(world.volumes()[0]) as reader:
        assert reader.indexes().sessions == (told.index,)


def test_a_crash_on_the_second_volume_is_recovered_with_the_right_session(world: World) -> None:
    session = world.session(7)
    facts = world.facts(session, "D1")
    drive = world.drive(capacity=200_000)
    drive.mount(session, agent="A1", plan_record=RECORD)
    drive.begin(facts)
    for sequence, record in enumerate(records_of(facts, b"2" * (3 * ROOM))):
        drive.write(memoryview(record), facts.id, sequence, ROOM)
    drive._release()
    again = world.drive(capacity=200_000)
    again.mount(world.session(8), agent="A1", plan_record=RECORD)
    again.close(0.0)
    last = world.told[-1].index
    assert (last.session, last.state) == (session, "recovered")
    (item,) = last.objects
    assert (item.state, item.continued, item.kind, item.first_sequence) == ("whole", True, None, 2)


# ---------------------------------------------------------------- what is not torn is not cut


def unchanged_and_left(world: World, path: Path) -> None:
    before = path.read_bytes()
    session = world.session(9)
    drive = world.drive()
    notes = drive.mount(session, agent="A1", plan_record=RECORD)
    assert notes
    Job({world.facts(session): b"new"}).write_to(drive)
    drive.close(0.0)
    assert path.read_bytes() == before
    assert len(world.volumes()) == 2


def crashed(world: World) -> tuple[Path, list[tuple[int, int, str]]]:
    session = world.session(1)
    write_small(world, session, {world.facts(session, "D1"): b"1" * 5000, world.facts(session, "D2"): b"2" * 900})
    path = world.volumes()[0]
    records = positions(path)
    os.truncate(path, records[-1][1])
    return path, records


def flip(path: Path, position: int) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 0xFF
    path.write_bytes(data)


@pytest.mark.parametrize("offset", [0, 600, 1100, 1600])
def test_damage_with_sound_records_behind_it_is_not_a_torn_tail(world: World, offset: int) -> None:
    path, records = crashed(world)
    flip(path, records[1][0] + offset)
    unchanged_and_left(world, path)


def test_a_foreign_member_behind_the_last_session_is_not_cut_off(world: World, tmp_path: Path) -> None:
    import subprocess

    session = world.session(1)
    write_small(world, session, {world.facts(session, "D1"): b"1" * 5000})
    path = world.volumes()[0]
    (tmp_path / "added").write_bytes(b"somebody ran tar -r")
    subprocess.run(["tar", "-rf", path, "-C", tmp_path, "added"], check=True)
    unchanged_and_left(world, path)


def test_zeros_behind_the_end_are_cut_in_silence(world: World) -> None:
    session = world.session(1)
    write_small(world, session, {world.facts(session, "D1"): b"1" * 5000})
    path = world.volumes()[0]
    size = path.stat().st_size
    os.truncate(path, size + 20_000)
    drive = world.drive()
    assert drive.mount(world.session(2), agent="A1", plan_record=RECORD) == ()
    drive.close(0.0)
    assert path.stat().st_size == size


def test_a_torn_record_that_holds_volumes_is_cut_at_its_own_beginning(world: World) -> None:
    inner_session = world.session(1)
    small = {world.facts(inner_session, f"S{n}"): b"inner" for n in range(12)}
    Job(small).run(world.drive(), inner_session)
    payload = world.volumes()[0].read_bytes()
    session = world.session(2)
    outer = world.facts(session, "D9")
    drive = world.drive("R2")
    drive.mount(session, agent="A1", plan_record=RECORD)
    drive.begin(outer)
    records = records_of(outer, payload * 2)
    drive.write(memoryview(records[0]), outer.id, 0, ROOM)
    drive._release()
    path = world.volumes("R2")[0]
    start = LABEL_BYTES + len(records[0])
    for cut in (600, 1536, 20_000, 30_000, len(records[1]) - 1):
        with path.open("r+b") as file:
            file.truncate(start)
            file.seek(start)
            file.write(records[1][:cut])
        with open_volume(path) as reader:
            found = tail.prove(reader, now=NOW)
        assert (found.appendable, found.position) == (True, start)
        assert found.recovered is not None
        assert {item.object_id for item in found.recovered.objects} == {outer.id}


def test_sound_records_behind_damage_are_never_cut_off_whatever_vouches_for_them(fast: World) -> None:
    """Blocks were put in before the last session: no index is where its pointer says, and no chain leads there."""
    for session, data in ((fast.session(1), b"1" * 900), (fast.session(2), b"2" * 900)):
        write_small(fast, session, {fast.facts(session, "D1"): data, fast.facts(session, "D2"): data})
    path = fast.volumes()[0]
    with open_volume(path) as reader:
        first = reader.indexes().sessions[0]
        assert first.position is not None
    content = path.read_bytes()
    for blocks in (1, 2, 5):
        path.write_bytes(content[: first.position] + b"\xee" * 512 * blocks + content[first.position :])
        with open_volume(path) as reader:
            found = tail.prove(reader, now=NOW)
        assert not found.appendable and "behind it" in found.notes[0]
        before = path.read_bytes()
        append(fast, 2 + blocks)
        assert path.read_bytes() == before and len(fast.volumes()) > 1
        for later in fast.volumes()[1:]:
            later.unlink()


# ---------------------------------------------------------------- kill between any two writes


class Snapshots:
    """Copies of a folder after each change that a drive makes to it, and with each write half done."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.taken: list[tuple[dict[str, bytes], int]] = []
        self.told = 0
        for name in ("ftruncate", "link", "fsync"):
            self._after(name, monkeypatch)
        pwrite = os.pwrite

        def half_first(fd: int, data: memoryview, at: int) -> int:
            half = len(data) // 2 + 100
            if half < len(data):
                pwrite(fd, data[:half], at)
                self.take()
            done = pwrite(fd, data, at)
            self.take()
            return done

        monkeypatch.setattr(os, "pwrite", half_first)

    def _after(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        real = getattr(os, name)

        def call(*arguments: object, **more: object) -> object:
            result = real(*arguments, **more)
            self.take()
            return result

        monkeypatch.setattr(os, name, call)

    def take(self) -> None:
        files = {path.name: path.read_bytes() for path in self.folder.iterdir()} if self.folder.exists() else {}
        self.taken.append((files, self.told))


def test_killed_between_any_two_writes_nothing_confirmed_is_lost(fast: World, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = fast.folder / "R1"
    confirmed: list[set[str]] = [set()]
    expected: dict[str, bytes] = {}
    with monkeypatch.context() as patched:
        shots = Snapshots(folder, patched)

        def told(indexed: object) -> None:
            shots.told += 1
            index = fast.told[-1].index if fast.told else None
            done = {item.object_id for item in index.objects if item.state == "whole"} if index else set()
            confirmed.append(confirmed[-1] | done)

        for number in (1, 2):
            session = fast.session(number)
            data = {fast.facts(session, "D1"): bytes([number]) * (2 * ROOM + 3), fast.facts(session, "D2"): b"2"}
            expected |= {facts.id: stream for facts, stream in data.items()}
            drive = fast.drive(capacity=200_000, on_index=lambda indexed: (fast.told.append(indexed), told(indexed)))
            Job(data).run(drive, session)
    assert len(shots.taken) > 20
    for number, (files, told_count) in enumerate(shots.taken):
        shutil.rmtree(folder)
        folder.mkdir()
        for name, content in files.items():
            (folder / name).write_bytes(content)
        new = append(fast, 100 + number)
        found = contents(fast)
        for object_id in confirmed[told_count]:
            assert found[object_id] == expected[object_id]
        for object_id, stream in found.items():
            assert (expected | new)[object_id].startswith(stream)
        whole = wholes(fast)
        assert confirmed[told_count] <= whole
        assert all(found[object_id] == (expected | new)[object_id] for object_id in whole)


@given(st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_blocks_that_never_reached_the_disk_cost_nothing_that_was_confirmed(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Power loss: of what no fsync covered any block may be missing, in any order.

    The records are covered when the index is written (W3): so blocks lack either among the records, and then there is
    no index yet, or in the index.
    """
    base = tmp_path_factory.mktemp("power")
    world = World(memory_folder(base))
    try:
        first, second = world.session(1), world.session(2)
        one = {world.facts(first, "D1"): b"1" * 2000}
        two = {world.facts(second, "D1"): b"2" * 3000, world.facts(second, "D2"): b"22" * 700}
        write_small(world, first, one)
        path = world.volumes()[0]
        covered = path.stat().st_size - 1024
        write_small(world, second, two)
        content = bytearray(path.read_bytes())
        with open_volume(path) as reader:
            index = reader.indexes().sessions[1].position
        assert index is not None
        before_the_index = data.draw(st.booleans())
        low, high = (covered, index) if before_the_index else (index, len(content))
        for block in data.draw(st.sets(st.integers(low // 512, high // 512 - 1), max_size=8)):
            content[block * 512 : block * 512 + 512] = bytes(512)
        path.write_bytes(content[: data.draw(st.integers(low, high))])
        expected = {facts.id: stream for facts, stream in (one | two).items()} | append(world, 3)
        found = contents(world)
        for facts, stream in one.items():
            assert found[facts.id] == stream
        for object_id in wholes(world):
            assert found[object_id] == expected[object_id]
    finally:
        shutil.rmtree(world.folder, ignore_errors=True)


def test_a_volume_of_noise_behind_its_label_is_never_appended_over_sound_records(fast: World) -> None:
    """Sound records behind noise of any length keep the volume from being cut."""
    session = fast.session(1)
    write_small(fast, session, {fast.facts(session, "D1"): b"1" * 9000, fast.facts(session, "D2"): b"2" * 9000})
    path = fast.volumes()[0]
    records = positions(path)
    noise = random.Random(1)
    original = path.read_bytes()[: records[-1][1]]
    for first, last in itertools.combinations(range(1, len(records)), 2):
        content = bytearray(original)
        start, end = records[first][0], records[last][0]
        content[start:end] = noise.randbytes(end - start)
        path.write_bytes(content)
        reader: VolumeReader
        with open_volume(path) as reader:
            found = tail.prove(reader, now=NOW)
        assert not found.appendable
