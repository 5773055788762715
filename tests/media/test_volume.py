"""Reading volumes: sessions, damage, and volumes inside of payloads (docs/format.md, R2–R6)."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from media_world import RECORD, ROOM, Job, World, records_of
from tapechain.runtime.faults import MediaFault
from tapechain.runtime.media import ustar
from tapechain.runtime.media.label import LABEL_BYTES
from tapechain.runtime.media.record import HEADER_BYTES
from tapechain.runtime.media.scanned import Damage, ScannedRecord
from tapechain.runtime.media.volume import VolumeReader, open_volume
from tapechain.runtime.model import ObjectFacts


def two_sessions(world: World, first: bytes = b"a" * (2 * ROOM + 9), second: bytes = b"b" * ROOM) -> Path:
    for number, data in ((1, first), (2, second)):
        session = world.session(number)
        job = Job({world.facts(session, "D1"): data, world.facts(session, "D2"): b"", world.facts(session, "D3"): data})
        assert {result.status for result in job.run(world.drive(), session)} == {"stored"}
    (path,) = world.volumes()
    return path


def change(path: Path, position: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(position)
        file.write(data)


def streams(reader: VolumeReader) -> dict[str, bytes]:
    """What the sound records of a volume hold, by object."""
    found: dict[str, bytes] = {}
    for item in reader.scan():
        if isinstance(item, ScannedRecord):
            found[item.header.object_id] = found.get(item.header.object_id, b"") + bytes(item.payload)
    return found


def test_sessions_come_oldest_first_and_cover_the_volume(world: World) -> None:
    path = two_sessions(world)
    with open_volume(path) as reader:
        contents = reader.indexes()
        assert [index.session.number for index in contents.sessions] == [1, 2]
        assert (contents.notes, contents.damages) == ((), ())
        assert contents.end + len(ustar.END) == reader.size
        first, second = contents.sessions
        assert (first.first, second.first, second.previous) == (LABEL_BYTES, reader.end_of(first), first.position)
        for index in contents.sessions:
            for item in index.objects:
                assert item.state == "whole"
                assert item.drives == ("R1",)


def test_every_position_of_an_index_is_that_of_a_record(world: World) -> None:
    path = two_sessions(world)
    into = memoryview(bytearray(RECORD))
    with open_volume(path) as reader:
        for index in reader.indexes().sessions:
            for item in index.objects:
                assert item.first is not None
                assert item.last is not None
                first, last = reader.read(item.first, into), reader.read(item.last, into)
                assert (first.object_id, first.sequence, first.source) == (item.object_id, 0, item.source)
                assert (last.sequence, last.last) == (item.records - 1, True)


def test_records_are_scanned_in_order_with_their_payload(world: World) -> None:
    session = world.session()
    streams_in = {world.facts(session, "D1"): os.urandom(3 * ROOM + 1), world.facts(session, "D2"): os.urandom(5)}
    Job(streams_in).run(world.drive(), session)
    with open_volume(world.volumes()[0]) as reader:
        assert streams(reader) == {facts.id: data for facts, data in streams_in.items()}


def test_a_read_says_where_there_is_no_record(world: World) -> None:
    path = two_sessions(world)
    into = memoryview(bytearray(RECORD))
    with open_volume(path) as reader:
        for position in (0, 512, LABEL_BYTES + 512, reader.size - 1024, reader.size, reader.size + 10**9):
            with pytest.raises(MediaFault) as fault:
                reader.read(position, into)
            assert fault.value.place.position == position
            assert fault.value.place.volume == "R1-000001"


def test_a_record_larger_than_accepted_is_refused(world: World) -> None:
    path = two_sessions(world)
    with open_volume(path) as reader, pytest.raises(MediaFault, match="largest record accepted"):
        reader.read(LABEL_BYTES, memoryview(bytearray(4096)))


def test_a_flipped_payload_byte_is_damage_with_its_place(world: World) -> None:
    path = two_sessions(world)
    change(path, LABEL_BYTES + HEADER_BYTES + 100, b"\xff")
    with open_volume(path) as reader:
        items = list(reader.scan())
        damages = [item for item in items if isinstance(item, Damage)]
        assert [(d.position, d.end, d.sequence) for d in damages] == [(LABEL_BYTES, LABEL_BYTES + RECORD, 0)]
        assert len(items) == 7 + 3
        with pytest.raises(MediaFault, match="digest") as fault:
            reader.read(LABEL_BYTES, memoryview(bytearray(RECORD)))
        assert fault.value.place.object_id == damages[0].object_id
        # The index still says where everything else is.
        assert len(reader.indexes().sessions) == 2


@pytest.mark.parametrize("at", [0, 300, 600, 1100])
def test_after_a_damaged_header_the_next_record_is_found(world: World, at: int) -> None:
    path = two_sessions(world)
    with open_volume(path) as reader:
        before = [item.position for item in reader.scan() if isinstance(item, ScannedRecord)]
    for victim in (0, 2, 4, len(before) - 1):
        original = path.read_bytes()
        change(path, before[victim] + at, bytes([original[before[victim] + at] ^ 0xFF]))
        with open_volume(path) as reader:
            after = list(reader.scan())
        path.write_bytes(original)
        assert [i.position for i in after if isinstance(i, ScannedRecord)] == before[:victim] + before[victim + 1 :]
        assert [i.position for i in after if isinstance(i, Damage)] == [before[victim]]


def test_without_the_last_pointer_the_session_is_put_together_from_records(world: World) -> None:
    path = two_sessions(world)
    with open_volume(path) as reader:
        expected = reader.indexes().sessions
    change(path, path.stat().st_size - 1024 - 400, b"X")
    with open_volume(path) as reader:
        contents = reader.indexes()
    assert contents.sessions[0] == expected[0]
    again = contents.sessions[1]
    assert again.state == "recovered"
    assert again.position is None
    # A label does not bear the fingerprint.
    assert again.session == replace(expected[1].session, fingerprint="")
    assert again.objects == tuple(replace(item, drives=()) for item in expected[1].objects)
    assert len(contents.notes) == 1
    assert contents.damages


def test_without_an_earlier_index_only_its_stretch_is_read_through(world: World) -> None:
    path = two_sessions(world)
    with open_volume(path) as reader:
        expected = reader.indexes().sessions
    assert expected[0].position is not None
    change(path, expected[0].position + 600, b"X")
    with open_volume(path) as reader:
        contents = reader.indexes()
    assert [index.state for index in contents.sessions] == ["recovered", "ended"]
    assert contents.sessions[1] == expected[1]
    assert contents.sessions[0].objects == tuple(replace(item, drives=()) for item in expected[0].objects)


def test_an_object_with_a_damaged_record_is_not_put_together_as_whole(world: World) -> None:
    path = two_sessions(world)
    change(path, LABEL_BYTES + HEADER_BYTES + 5, b"\xff")
    change(path, path.stat().st_size - 1024 - 400, b"X")
    with open_volume(path) as reader:
        first = reader.indexes().sessions[0]
        position = first.position
        assert position is not None
    change(path, position + 600, b"X")
    with open_volume(path) as reader:
        contents = reader.indexes()
    (both,) = contents.sessions
    states = {(both.session_of(item).number, item.source): item.state for item in both.objects}
    assert states.pop((1, "D1")) == "cut-off"
    assert set(states.values()) == {"whole"}
    assert len(states) == 5


def test_a_truncated_volume_is_read_up_to_its_last_whole_record(world: World) -> None:
    path = two_sessions(world)
    with open_volume(path) as reader:
        positions = [item.position for item in reader.scan() if isinstance(item, ScannedRecord)]
    os.truncate(path, positions[3] + 1000)
    with open_volume(path) as reader:
        contents = reader.indexes()
    assert contents.end == positions[3]
    assert [(d.position, d.torn) for d in contents.damages] == [(positions[3], True)]
    assert [index.state for index in contents.sessions] == ["recovered"]


# ---------------------------------------------------------------- what is no volume


def test_what_is_no_volume_is_refused(world: World, tmp_path: Path) -> None:
    path = two_sessions(world)
    link = tmp_path / "R1-000002.tar"
    link.symlink_to(path)
    empty = tmp_path / "R1-000003.tar"
    empty.touch()
    folder = tmp_path / "R1-000004.tar"
    folder.mkdir()
    fifo = tmp_path / "R1-000005.tar"
    os.mkfifo(fifo)
    short = tmp_path / "R1-000006.tar"
    short.write_bytes(path.read_bytes()[:10_000])
    renamed = tmp_path / "R1-000007.tar"
    renamed.write_bytes(path.read_bytes())
    missing = tmp_path / "R1-000008.tar"
    words = {
        link: "symbolic link", empty: "too small", folder: "not a regular file", fifo: "not a regular file",
        short: "too small", renamed: "R1-000001", missing: "cannot be opened",
    }  # fmt: skip
    for wrong, reason in words.items():
        with pytest.raises(MediaFault, match=reason) as fault:
            open_volume(wrong)
        assert fault.value.place.volume == wrong.stem


def test_a_volume_that_is_closed_twice_is_closed_once(world: World) -> None:
    reader = open_volume(two_sessions(world))
    other = os.open(os.devnull, os.O_RDONLY)
    os.close(other)
    reader.close()
    again = os.open(os.devnull, os.O_RDONLY)
    reader.close()
    os.fstat(again)
    os.close(again)


# ---------------------------------------------------------------- volumes inside of payloads (R6)


def magazine_in_a_payload(world: World, *, cut: int = 0) -> tuple[Path, set[str], set[str]]:
    """A volume R2-000001 whose object D9 is volume R1-000001, which holds many small records; outer and inner ids."""
    session = world.session(1)
    small = [world.facts(session, f"S{number}") for number in range(30)]
    inner = Job(
        {facts: b"inner %d" % number for number, facts in enumerate(small)}
        | {world.facts(session, "S99"): b"i" * (ROOM + 5)}
    )
    inner.run(world.drive(), session)
    outer_session = world.session(2)
    outer = [world.facts(outer_session, "D9"), world.facts(outer_session, "D8")]
    # The outer payload is whole blocks, as GNU tar's are, so that the inner headers lie on block boundaries.
    data = world.volumes()[0].read_bytes()
    assert len(data) > 2 * ROOM
    Job({outer[0]: data, outer[1]: b"8" * (3 * ROOM)}).run(world.drive("R2"), outer_session)
    (path,) = world.volumes("R2")
    return path, {facts.id for facts in outer}, {facts.id for facts in inner.streams}


def seen(path: Path) -> tuple[set[str], list[Damage]]:
    with open_volume(path) as reader:
        items = list(reader.scan())
    return (
        {item.header.object_id for item in items if isinstance(item, ScannedRecord)},
        [item for item in items if isinstance(item, Damage)],
    )


def test_inner_records_are_never_taken_for_outer_ones_whatever_header_is_damaged(world: World) -> None:
    path, outer, inner = magazine_in_a_payload(world)
    original = path.read_bytes()
    with open_volume(path) as reader:
        positions = [item.position for item in reader.scan() if isinstance(item, ScannedRecord)]
    for victim, position in enumerate(positions):
        for neighbour in (None, *positions[victim + 1 : victim + 3]):
            change(path, position + 560, b"\0\0\0")
            if neighbour is not None:
                change(path, neighbour + 560, b"\0\0\0")
            found, damages = seen(path)
            assert not found & inner
            assert found <= outer
            assert damages
            path.write_bytes(original)


def test_a_volume_with_volumes_inside_and_no_index_shows_outer_objects_only(world: World) -> None:
    path, outer, inner = magazine_in_a_payload(world)
    with open_volume(path) as reader:
        index = reader.indexes().sessions[0]
        assert index.position is not None
    for size in (index.position, index.position - 512, LABEL_BYTES + RECORD + 30_000, LABEL_BYTES + 40_000):
        os.truncate(path, size)
        with open_volume(path) as reader:
            objects = {item.object_id for one in reader.indexes().sessions for item in one.objects}
        assert objects <= outer
        assert not objects & inner


def test_a_damaged_index_does_not_let_inner_records_out(world: World) -> None:
    path, outer, _ = magazine_in_a_payload(world)
    with open_volume(path) as reader:
        index = reader.indexes().sessions[0]
    assert index.position is not None
    change(path, index.position + 514, b"X")
    with open_volume(path) as reader:
        objects = {item.object_id for one in reader.indexes().sessions for item in one.objects}
    assert objects == outer


def test_records_of_a_stretch_of_several_sizes_are_found(world: World) -> None:
    """A copy forwards records of other sizes as they are."""
    session = world.session()
    facts: list[ObjectFacts] = [world.facts(session, "D1"), world.facts(session, "D2")]
    drive = world.drive()
    drive.mount(session, agent="A1", plan_record=RECORD)
    for one, size in zip(facts, (RECORD, 4 * RECORD), strict=True):
        drive.begin(one)
        for sequence, record in enumerate(records_of(one, b"z" * 300_000, record=size)):
            drive.write(memoryview(record), one.id, sequence, 0)
    drive.close(0)
    path = world.volumes()[0]
    os.truncate(path, path.stat().st_size - 1500)
    with open_volume(path) as reader:
        (index,) = reader.indexes().sessions
    assert [(item.state, item.bytes) for item in index.objects] == [("whole", 300_000)] * 2
