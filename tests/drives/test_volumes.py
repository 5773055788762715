"""The virtual tape magazine: numbers, spanning, capacity, foreign files, and that nothing kept is ever overwritten."""

import fcntl
import os
from pathlib import Path

import pytest
from media_world import RECORD, ROOM, Job, World, records_of
from tapechain.runtime.drives import magazine
from tapechain.runtime.drives.ledger import cut_warnings
from tapechain.runtime.faults import DriveBusyFault, DriveFault, DriveFullFault, MediaFault
from tapechain.runtime.media.record import total_bytes
from tapechain.runtime.media.volume import open_volume
from tapechain.runtime.model import Ending


def store(world: World, data: bytes = b"data", name: str = "R1", **more: object) -> None:
    session = world.session()
    results = Job({world.facts(session): data}).run(world.drive(name, **more), session)
    assert [result.status for result in results] == ["stored"]


# ---------------------------------------------------------------- numbers and names


def test_sessions_share_a_volume_until_it_is_full(world: World) -> None:
    for _ in range(3):
        store(world)
    assert [path.name for path in world.volumes()] == ["R1-000001.tar"]


def test_folders_are_made_with_their_parents(world: World) -> None:
    session = world.session()
    drive = world.drive("R1")
    drive._magazine.path = world.folder / "a" / "b" / "R1"
    Job({world.facts(session): b"x"}).run(drive, session)
    assert (world.folder / "a" / "b" / "R1" / "R1-000001.tar").is_file()


def test_the_next_number_is_above_every_number_whatever_lies_there(world: World) -> None:
    store(world)
    folder = world.folder / "R1"
    (folder / "R1-000001.tar").chmod(0o400)
    os.rename(folder / "R1-000001.tar", folder / "R1-000001.kept")
    foreign = {
        "R1-7.tar": b"seven", "R1-0000012.tar": b"seven digits", "R1-000013.tar.gz": b"zip", "r1-000014.tar": b"lower",
        "R10-000015.tar": b"another drive", "notes.txt": b"notes", ".R1-000016.tar.new": b"old",
        "R1-٠٠٠٠١٧.tar": b"digits of another script",
    }  # fmt: skip
    for name, data in foreign.items():
        (folder / name).write_bytes(data)
    store(world)
    assert (folder / "R1-000001.tar").exists()
    assert {name: (folder / name).read_bytes() for name in foreign} == foreign


def test_gaps_in_the_numbers_are_not_filled(world: World) -> None:
    store(world, b"x" * (5 * ROOM), capacity=200_000)
    assert len(world.volumes()) == 3
    world.volumes()[1].unlink()
    store(world, b"y" * (4 * ROOM), capacity=200_000)
    assert [path.stem for path in world.volumes()] == ["R1-000001", "R1-000003", "R1-000004", "R1-000005"]


def test_behind_the_last_number_the_drive_is_full(world: World) -> None:
    store(world)
    path = world.volumes()[0]
    path.rename(path.with_name("R1-999999.tar"))
    path.with_name("R1-999999.tar").chmod(0o444)
    session = world.session()
    drive = world.drive()
    drive.mount(session, agent="A1", plan_record=RECORD)
    drive.begin(facts := world.facts(session))
    with pytest.raises(DriveFullFault, match="999999") as fault:
        drive.write(memoryview(records_of(facts, b"1")[0]), facts.id, 0, 1)
    assert fault.value.todo


def test_names_outside_the_safe_letters_are_encoded(world: World) -> None:
    session = world.session()
    drive = world.drive("tape ü")
    drive._magazine.path = world.folder / "m"
    Job({world.facts(session): b"x"}).run(drive, session)
    (path,) = (world.folder / "m").iterdir()
    assert path.name == "tape%20%C3%BC-000001.tar"
    with open_volume(path) as reader:
        assert reader.label.drive == "tape ü"


# ---------------------------------------------------------------- what is refused and never touched


def refused(world: World, reason: str) -> None:
    session = world.session()
    drive = world.drive()
    with pytest.raises(MediaFault, match=reason) as fault:
        drive.mount(session, agent="A1", plan_record=RECORD)
    assert fault.value.place.drive == "R1"
    assert fault.value.place.volume is not None
    assert fault.value.safe
    assert fault.value.todo
    # The folder was given back.
    with pytest.raises(MediaFault, match=reason):
        world.drive().mount(session, agent="A1", plan_record=RECORD)


def test_a_label_that_lies_is_refused_and_the_file_untouched(world: World) -> None:
    store(world)
    first = world.volumes()[0]
    second = first.with_name("R1-000002.tar")
    second.write_bytes(first.read_bytes())
    before = second.read_bytes(), second.stat().st_mtime_ns
    refused(world, "R1-000001")
    assert (second.read_bytes(), second.stat().st_mtime_ns) == before


@pytest.mark.parametrize("content", [b"", b"some text", bytes(100_000), b"x" * 100_000])
def test_a_file_that_is_no_volume_is_refused_and_untouched(world: World, content: bytes) -> None:
    store(world)
    foreign = world.volumes()[0].with_name("R1-000002.tar")
    foreign.write_bytes(content)
    refused(world, "refused")
    assert foreign.read_bytes() == content


def test_a_symbolic_link_is_refused_and_its_target_untouched(world: World) -> None:
    store(world)
    volume = world.volumes()[0]
    target = world.folder / "elsewhere.tar"
    volume.rename(target)
    volume.symlink_to(target)
    before = target.read_bytes()
    refused(world, "symbolic link")
    assert target.read_bytes() == before
    volume.unlink()
    volume.symlink_to(world.folder / "nowhere")
    refused(world, "symbolic link")
    assert not (world.folder / "nowhere").exists()


def test_a_folder_or_a_pipe_under_a_volumes_name_is_refused(world: World) -> None:
    folder = world.folder / "R1"
    folder.mkdir()
    (folder / "R1-000001.tar").mkdir()
    refused(world, "a folder")
    (folder / "R1-000001.tar").rmdir()
    os.mkfifo(folder / "R1-000001.tar")
    refused(world, "not a regular file")


def test_a_write_protected_volume_is_left_alone(world: World) -> None:
    store(world)
    volume = world.volumes()[0]
    volume.chmod(0o440)
    before = volume.read_bytes()
    session = world.session()
    drive = world.drive()
    notes = drive.mount(session, agent="A1", plan_record=RECORD)
    assert "write-protected" in notes[0]
    Job({world.facts(session): b"x"}).write_to(drive)
    drive.close(0.0)
    assert volume.read_bytes() == before
    assert len(world.volumes()) == 2


def test_a_volume_of_another_pool_is_not_appended_to(world: World) -> None:
    store(world, pool="daily")
    before = world.volumes()[0].read_bytes()
    session = world.session()
    drive = world.drive(pool="monthly")
    assert "pool" in drive.mount(session, agent="A1", plan_record=RECORD)[0]
    Job({world.facts(session): b"x"}).write_to(drive)
    drive.close(0.0)
    assert world.volumes()[0].read_bytes() == before
    assert len(world.volumes()) == 2


def test_what_an_earlier_session_wrote_never_changes(world: World) -> None:
    kept = b""
    for number in range(4):
        store(world, bytes([number]) * (ROOM * number + 5))
        data = world.volumes()[0].read_bytes()
        assert data.startswith(kept)
        assert data[-1024:] == bytes(1024)
        kept = data[:-1024]


def test_a_name_that_appears_meanwhile_is_never_written(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = world.folder / "R1"
    link = os.link
    taken: list[Path] = []

    def race(source: object, name: str, **more: object) -> None:
        if len(taken) < 2:
            path = folder / name
            path.write_bytes(b"somebody else was faster")
            taken.append(path)
        link(source, name, **more)  # type: ignore[call-overload]

    monkeypatch.setattr(os, "link", race)
    store(world)
    assert [path.read_bytes() for path in taken] == [b"somebody else was faster"] * 2
    with open_volume(folder / "R1-000003.tar") as reader:
        assert len(reader.indexes().sessions) == 1


def test_without_nameless_files_a_volume_still_appears_whole(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open

    def no_tmpfile(path: object, flags: int, *arguments: object, **more: object) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(95, "Operation not supported")
        return real(path, flags, *arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(magazine.os, "open", no_tmpfile)
    store(world)
    assert [path.name for path in (world.folder / "R1").iterdir()] == ["R1-000001.tar"]
    with open_volume(world.volumes()[0]) as reader:
        assert len(reader.indexes().sessions) == 1


def test_volumes_are_for_their_owner_only(world: World) -> None:
    store(world)
    assert world.volumes()[0].stat().st_mode & 0o077 == 0


# ---------------------------------------------------------------- one run at a time


def test_a_folder_that_another_run_holds_is_busy(world: World) -> None:
    first = world.drive()
    first.mount(world.session(), agent="A1", plan_record=RECORD)
    with pytest.raises(DriveBusyFault) as fault:
        world.drive().mount(world.session(), agent="A2", plan_record=RECORD)
    assert fault.value.place.drive == "R1"
    assert fault.value.todo
    first.close(0.0)
    second = world.drive()
    second.mount(world.session(), agent="A2", plan_record=RECORD)
    second.abandon(DriveFault("enough"), 0.0)
    fd = os.open(world.folder / "R1", os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(fd)


# ---------------------------------------------------------------- capacity and spanning


@pytest.mark.parametrize("capacity", [150_000, 151_040, 200_000, 262_144, 300_001])
def test_no_volume_is_larger_than_its_capacity_and_nothing_is_lost(world: World, capacity: int) -> None:
    session = world.session()
    streams = {
        world.facts(session, "D1"): os.urandom(6 * ROOM + 17),
        world.facts(session, "D2"): os.urandom(3 * ROOM),
        world.facts(session, "D3"): b"",
    }
    results = Job(streams).run(world.drive(capacity=capacity), session)
    assert {result.status for result in results} == {"stored"}
    found = dict.fromkeys((facts.id for facts in streams), b"")
    for path in world.volumes():
        assert path.stat().st_size <= capacity
        with open_volume(path) as reader:
            contents = reader.indexes()
            assert not contents.damages
            assert not contents.notes
            for item in reader.scan():
                found[item.header.object_id] += bytes(item.payload)  # type: ignore[union-attr]
    assert found == {facts.id: data for facts, data in streams.items()}
    assert len(world.volumes()) > 1


def test_spanning_is_told_in_the_indexes(world: World) -> None:
    session = world.session()
    facts = world.facts(session)
    (result,) = Job({facts: b"s" * (5 * ROOM)}).run(world.drive(capacity=200_000), session)
    parts = [told.index.objects[0] for told in world.told]
    assert [(p.state, p.continued, p.continues) for p in parts] == [
        ("cut-off", False, True), ("cut-off", True, True), ("whole", True, False),
    ]  # fmt: skip
    assert [(s.volume_name, s.first_sequence, s.records) for s in result.segments] == [
        ("R1-000001", 0, 2), ("R1-000002", 2, 2), ("R1-000003", 4, 1),
    ]  # fmt: skip
    assert [(p.first_sequence, p.records, p.bytes) for p in parts] == [
        (s.first_sequence, s.records, s.payload_bytes) for s in result.segments
    ]
    assert [told.size_bytes for told in world.told] == [path.stat().st_size for path in world.volumes()]


def test_room_is_counted_and_not_guessed(world: World) -> None:
    """A volume that is a block too small takes a second one; what is kept free beyond the index is under two KiB."""
    store(world, b"s" * (2 * ROOM), name="R1")
    size = world.volumes()[0].stat().st_size
    store(world, b"s" * (2 * ROOM), name="R2", capacity=size + 2048)
    store(world, b"s" * (2 * ROOM), name="R3", capacity=size - 512)
    assert (len(world.volumes("R2")), len(world.volumes("R3"))) == (1, 2)


def test_a_volume_with_no_room_left_is_left_as_it_is(world: World) -> None:
    store(world, b"x" * (2 * ROOM), capacity=152_064)
    before = world.volumes()[0].read_bytes()
    store(world, b"y" * ROOM, capacity=152_064)
    assert world.volumes()[0].read_bytes() == before
    assert len(world.volumes()) == 2


def test_a_capacity_too_small_for_one_record_is_said_before_anything_is_written(world: World) -> None:
    with pytest.raises(DriveFault, match="capacity") as fault:
        world.drive(capacity=60_000).mount(world.session(), agent="A1", plan_record=RECORD)
    assert fault.value.todo
    assert not (world.folder / "R1").exists()


def test_a_capacity_too_small_for_the_index_does_not_make_volumes_without_end(world: World) -> None:
    session = world.session()
    drive = world.drive(capacity=100_000)
    drive.mount(session, agent="A1", plan_record=RECORD)
    all_facts = [world.facts(session, f"D{number}") for number in range(200)]
    for facts in all_facts:
        drive.begin(facts)
    (record,) = records_of(all_facts[0], b"x" * ROOM)
    with pytest.raises(DriveFullFault, match="too small") as fault:
        drive.write(memoryview(record), all_facts[0].id, 0, ROOM)
    assert {result.status for result in drive.abandon(fault.value, 0.0)} == {"failed"}
    assert len(world.volumes()) <= 2


def test_many_objects_that_fail_without_a_record_all_come_into_an_index(world: World) -> None:
    session = world.session()
    store(world, b"x" * (2 * ROOM), capacity=152_064)
    drive = world.drive(capacity=152_064)
    drive.mount(session, agent="A1", plan_record=RECORD)
    all_facts = [world.facts(session, f"D{number}") for number in range(20)]
    for facts in all_facts:
        drive.begin(facts)
        drive.end(facts.id, Ending("failed", error="gone"))
    assert {result.status for result in drive.close(0.0)} == {"failed"}
    assert {item.object_id for item in world.told[-1].index.objects} == {facts.id for facts in all_facts}
    assert all(path.stat().st_size <= 152_064 for path in world.volumes())


# ---------------------------------------------------------------- warnings, copies, indexes


def test_warnings_come_into_the_index_as_far_as_there_is_room(world: World) -> None:
    session = world.session()
    facts = world.facts(session)
    warnings = tuple(f"/home/file{number}: file changed as we read it" for number in range(5000))
    job = Job({facts: b"x" * ROOM}, {facts: Ending("whole", warnings=warnings, unread=3)})
    (result,) = job.run(world.drive(capacity=120_000), session)
    assert result.status == "stored"
    (path,) = world.volumes()
    assert path.stat().st_size <= 120_000
    (item,) = world.told[0].index.objects
    assert item.unread == 3
    assert item.warnings[0] == warnings[0]
    assert item.warnings[-1] == f"{5000 - len(item.warnings) + 1} more warnings"


def test_warnings_are_cut_to_their_room() -> None:
    assert cut_warnings((), 10) == ()
    assert cut_warnings(("a", "b"), 100) == ("a", "b")
    assert cut_warnings(("a" * 50, "b" * 50, "c"), 40) == ("3 more warnings",)
    assert cut_warnings(("a" * 50,), 4) == ()
    assert cut_warnings(("a" * 9000,), 10_000) == ("a" * 1024,)
    assert len(cut_warnings(["w"] * 5000, 10**6)) == 1000


def test_the_index_is_told_only_when_it_is_on_the_medium(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (events.append("fsync"), fsync(fd))[1])
    session = world.session()
    drive = world.drive(on_index=lambda told: events.append("told"))
    drive.mount(session, agent="A1", plan_record=RECORD)
    Job({world.facts(session): b"x"}).write_to(drive)
    events.clear()
    drive.close(0.0)
    assert events == ["fsync", "fsync", "told"]


def test_a_new_volume_is_on_the_medium_before_its_first_record(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    fsync, pwrite = os.fsync, os.pwrite
    monkeypatch.setattr(os, "fsync", lambda fd: (events.append("fsync"), fsync(fd))[1])
    monkeypatch.setattr(
        os, "pwrite", lambda fd, data, at: (events.append("label" if at == 0 else "record"), pwrite(fd, data, at))[1]
    )
    session = world.session()
    drive = world.drive()
    drive.mount(session, agent="A1", plan_record=RECORD)
    Job({world.facts(session): b"x"}).write_to(drive)
    assert events[-4:] == ["label", "fsync", "fsync", "record"]


def test_a_catalog_that_fails_does_not_unstore_what_is_stored(world: World) -> None:
    def fails(told: object) -> None:
        raise RuntimeError("the catalog is locked")

    session = world.session()
    drive = world.drive(on_index=fails)
    drive.mount(session, agent="A1", plan_record=RECORD)
    Job({world.facts(session): b"x"}).write_to(drive)
    with pytest.raises(RuntimeError) as error:
        drive.close(0.0)
    (result,) = drive.abandon(error.value, 0.0)
    assert result.status == "stored"
    with open_volume(world.volumes()[0]) as reader:
        assert reader.indexes().sessions[0].objects[0].state == "whole"


def test_records_that_skip_or_repeat_are_an_error_of_ours(world: World) -> None:
    session = world.session()
    facts = world.facts(session)
    records = records_of(facts, b"x" * (3 * ROOM))
    drive = world.drive()
    drive.mount(session, agent="A1", plan_record=RECORD)
    drive.begin(facts)
    drive.write(memoryview(records[0]), facts.id, 0, ROOM)
    for wrong in (0, 2):
        with pytest.raises(ValueError, match="is due"):
            drive.write(memoryview(records[wrong]), facts.id, wrong, ROOM)


def test_objects_of_another_session_keep_their_origin(world: World) -> None:
    """A copy run writes records that an earlier session made."""
    earlier, copying = world.session(1), world.session(2)
    facts = world.facts(earlier)
    drive = world.drive()
    drive.mount(copying, agent="A1", plan_record=RECORD)
    Job({facts: b"x" * (ROOM + 1)}).write_to(drive)
    drive.close(0.0)
    index = world.told[0].index
    assert index.session == copying
    assert index.session_of(index.objects[0]) == earlier
    with open_volume(world.volumes()[0]) as reader:
        assert reader.indexes().sessions[0] == index


def test_total_bytes_is_what_a_record_takes() -> None:
    assert [total_bytes(n) for n in (0, 1, 512, 513)] == [1536, 2048, 2048, 2560]
