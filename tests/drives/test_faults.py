"""Disks that are full, devices that fail: what is confirmed is stored, nothing else is, and nothing kept is harmed."""

import ctypes
import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from media_world import RECORD, ROOM, Job, World, records_of
from tapechain.runtime.drives import allocate, magazine
from tapechain.runtime.faults import DriveFault, DriveFullFault
from tapechain.runtime.media.scanned import ScannedRecord
from tapechain.runtime.media.volume import open_volume
from tapechain.runtime.model import CopyResult, Ending, ObjectFacts


def sound(world: World) -> dict[str, bytes]:
    """What lies on the volumes, by object; no volume has any damage."""
    found: dict[str, bytes] = {}
    for path in world.volumes():
        with open_volume(path) as reader:
            contents = reader.indexes()
            assert not contents.damages
            assert not contents.notes
            for item in reader.scan():
                assert isinstance(item, ScannedRecord)
                found[item.header.object_id] = found.get(item.header.object_id, b"") + bytes(item.payload)
    return found


class DidNotFail(Exception):
    """All objects were written and the drive closed."""


def until_it_fails(
    world: World, limit: int = 500, **more: object
) -> tuple[DriveFault, dict[str, CopyResult], dict[str, bytes]]:
    """Objects of two records each, written until the drive fails: its fault, its report, and what was given to it."""
    session = world.session(5)
    drive = world.drive(**more)
    given: dict[str, bytes] = {}
    try:
        drive.mount(session, agent="A1", plan_record=RECORD)
        for number in range(limit):
            facts = world.facts(session, f"D{number}")
            data = bytes([number % 251]) * (2 * ROOM)
            drive.begin(facts)
            given[facts.id] = data
            for sequence, record in enumerate(records_of(facts, data)):
                drive.write(memoryview(record), facts.id, sequence, ROOM)
            drive.end(facts.id, Ending("whole", warnings=(f"file{number} changed as we read it",) * 5))
        drive.close(1.0)
    except DriveFault as fault:
        results = drive.abandon(fault, 1.0)
        return fault, {result.object_id: result for result in results}, given
    raise DidNotFail


def check_report(world: World, results: dict[str, CopyResult], given: dict[str, bytes]) -> int:
    """Each object is reported; what is stored is there and in an index as whole; how many are stored."""
    assert set(results) == set(given)
    found = sound(world)
    whole = {
        item.object_id
        for path in world.volumes()
        for index in open_volume_indexes(path)
        for item in index.objects
        if item.state == "whole"
    }
    stored = {object_id for object_id, result in results.items() if result.status == "stored"}
    assert stored <= whole
    for object_id in stored:
        assert found[object_id] == given[object_id]
    for object_id in set(given) - stored:
        assert results[object_id].error
    return len(stored)


def open_volume_indexes(path: Path) -> tuple[object, ...]:  # type: ignore[type-arg]
    with open_volume(path) as reader:
        return reader.indexes().sessions


def goes_on(world: World) -> None:
    """The next session stores as if nothing had been."""
    session = world.session(6)
    facts = world.facts(session, "next")
    (result,) = Job({facts: b"next"}).run(world.drive(), session)
    assert result.status == "stored"
    assert sound(world)[facts.id] == b"next"


# ---------------------------------------------------------------- a full disk


@pytest.fixture(params=[700, 764, 801, 1000])
def small_disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A file system of some hundred KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={request.param}k", "tapechain-test", folder],
        capture_output=True,
        text=True,
    )
    if mount.returncode:
        pytest.skip(f"no small file system can be mounted here: {mount.stderr.strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_on_a_full_disk_what_is_complete_is_confirmed(small_disk: Path) -> None:
    world = World(small_disk)
    fault, results, given = until_it_fails(world)
    assert isinstance(fault, DriveFullFault)
    assert fault.place.drive == "R1"
    assert fault.place.volume == "R1-000001"
    assert fault.place.object_id in given
    assert fault.place.position is not None
    assert fault.safe
    assert fault.todo
    statuses = [results[object_id].status for object_id in given]
    # All but the one that was being written are stored: the room for their index was kept.
    assert check_report(world, results, given) == len(given) - 1
    assert statuses[:-1] == ["stored"] * (len(given) - 1)
    assert statuses[-1] in ("failed", "cut-off")


def test_on_a_full_disk_an_earlier_session_is_untouched(small_disk: Path) -> None:
    world = World(small_disk)
    session = world.session(1)
    earlier = world.facts(session, "early")
    Job({earlier: b"early"}).run(world.drive(), session)
    kept = world.volumes()[0].read_bytes()[:-1024]
    _, results, given = until_it_fails(world)
    check_report(world, results, given)
    assert world.volumes()[0].read_bytes().startswith(kept)
    assert sound(world)[earlier.id] == b"early"
    # And once there is room again it goes on.
    subprocess.run(["mount", "-o", "remount,size=3000k", small_disk], check=True)
    goes_on(world)


def test_a_disk_too_full_for_a_label_says_so(small_disk: Path) -> None:
    (small_disk / "ballast").write_bytes(b"")
    with (small_disk / "ballast").open("wb") as file:
        try:
            while True:
                os.write(file.fileno(), bytes(4096))
        except OSError as error:
            assert error.errno == errno.ENOSPC
    world = World(small_disk)
    fault, results, given = until_it_fails(world)
    assert isinstance(fault, DriveFullFault)
    assert [result.status for result in results.values()] == ["failed"] * len(given)
    assert world.volumes() == []


def test_a_full_disk_without_room_kept_ahead_still_tells_the_truth(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file system that cannot allocate ahead."""
    monkeypatch.setattr(allocate, "keep_room", lambda fd, start, size: False)
    world = World(small_disk)
    fault, results, given = until_it_fails(world)
    assert isinstance(fault, DriveFullFault)
    assert check_report(world, results, given) in (0, len(given) - 1)


LIMITED = """
import json, resource, sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from media_world import World
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]),) * 2)
from test_faults import check_report, until_it_fails
world = World(Path(sys.argv[1]))
fault, results, given = until_it_fails(world)
print(json.dumps([type(fault).__name__, check_report(world, results, given), len(given)]))
"""


@pytest.mark.parametrize("limit", [200_000, 300_000, 431_415])
def test_at_the_largest_size_of_a_file_what_is_complete_is_confirmed(tmp_path: Path, limit: int) -> None:
    here = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(here)!r})\n{LIMITED}", tmp_path,
         here.parent / "media", str(limit)],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    name, stored, given = json.loads(done.stdout)
    assert name == "DriveFullFault"
    assert stored == given - 1


# ---------------------------------------------------------------- a device that fails


class Failing:
    """Makes one function of ``os`` fail from its Nth call on, or only then."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str, at: int, *, error: int, always: bool) -> None:
        real: Callable[..., object] = getattr(os, name)
        self.calls = 0

        def call(*arguments: object, **more: object) -> object:
            self.calls += 1
            if self.calls == at or (always and self.calls > at):
                if name == "pwrite" and len(arguments[1]) > 700:  # type: ignore[arg-type]
                    real(arguments[0], arguments[1][:700], arguments[2])  # type: ignore[index]
                raise OSError(error, os.strerror(error))
            return real(*arguments, **more)

        monkeypatch.setattr(os, name, call)


@pytest.mark.parametrize("always", [True, False], ids=["for ever", "once"])
@pytest.mark.parametrize("at", range(1, 12))
@pytest.mark.parametrize("name", ["pwrite", "fsync", "ftruncate", "link"])
def test_whatever_call_fails_the_report_is_true(
    world: World, monkeypatch: pytest.MonkeyPatch, name: str, at: int, always: bool
) -> None:
    with monkeypatch.context() as patched:
        failing = Failing(patched, name, at, error=errno.EIO, always=always)
        try:
            fault, results, given = until_it_fails(world, limit=3, capacity=300_000)
        except DidNotFail:
            assert failing.calls < at
            return
    assert fault.place.drive == "R1"
    assert "Input/output error" in fault.message
    # Before the next run, what is called stored is there (damage and torn tails may be, behind it).
    for object_id, result in results.items():
        if result.status == "stored":
            assert b"".join(payloads(world, object_id)) == given[object_id]
        else:
            assert result.error
    # The next run mounts, cuts what is torn, and goes on; and the stored is still there.
    session = world.session(6)
    facts = world.facts(session, "next")
    (after,) = Job({facts: b"next"}).run(world.drive(capacity=300_000), session)
    assert after.status == "stored"
    found = sound(world)
    for object_id, result in results.items():
        if result.status == "stored":
            assert found[object_id] == given[object_id]


def payloads(world: World, object_id: str) -> Iterator[bytes]:
    for path in world.volumes():
        with open_volume(path) as reader:
            for item in reader.scan():
                if isinstance(item, ScannedRecord) and item.header.object_id == object_id:
                    yield bytes(item.payload)


def test_after_a_failed_fsync_nothing_of_that_volume_is_called_stored(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second fsync that succeeds proves nothing: the kernel may have dropped what it could not write."""
    session = world.session()
    facts = world.facts(session)
    drive = world.drive()
    drive.mount(session, agent="A1", plan_record=RECORD)
    Job({facts: b"x"}).write_to(drive)
    with monkeypatch.context() as patched:
        Failing(patched, "fsync", 1, error=errno.EIO, always=False)
        with pytest.raises(DriveFault) as fault:
            drive.close(0.0)
        (result,) = drive.abandon(fault.value, 0.0)
    assert result.status == "failed"
    assert world.told == []


def test_an_object_that_is_whole_on_earlier_volumes_stays_stored(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    session = world.session()
    one, two = world.facts(session, "D1"), world.facts(session, "D2")
    drive = world.drive(capacity=160_000)
    drive.mount(session, agent="A1", plan_record=RECORD)
    drive.begin(one)
    for sequence, record in enumerate(records_of(one, b"1" * (2 * ROOM))):
        drive.write(memoryview(record), one.id, sequence, ROOM)
    drive.end(one.id, Ending("whole"))
    drive.begin(two)
    first, second = records_of(two, b"2" * (2 * ROOM))
    drive.write(memoryview(first), two.id, 0, ROOM)
    with monkeypatch.context() as patched:
        Failing(patched, "pwrite", 1, error=errno.EIO, always=True)
        with pytest.raises(DriveFault) as fault:
            drive.write(memoryview(second), two.id, 1, ROOM)
        results = {result.object_id: result for result in drive.abandon(fault.value, 0.0)}
    assert fault.value.place.object_id == two.id
    assert fault.value.place.sequence == 1
    assert fault.value.place.volume == "R1-000002"
    assert results[one.id].status == "stored"
    assert results[two.id].status == "failed"
    assert "Input/output error" in str(results[two.id].error)


def test_short_writes_are_continued(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    pwrite = os.pwrite
    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", lambda fd, data, at: pwrite(fd, data[:1000], at))
        session = world.session()
        facts: ObjectFacts = world.facts(session)
        (result,) = Job({facts: b"s" * (2 * ROOM + 5)}).run(world.drive(), session)
    assert result.status == "stored"
    assert sound(world) == {facts.id: b"s" * (2 * ROOM + 5)}


def test_a_medium_that_takes_nothing_is_a_fault_not_a_loop(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    session = world.session()
    facts = world.facts(session)
    drive = world.drive()
    drive.mount(session, agent="A1", plan_record=RECORD)
    drive.begin(facts)
    one, two = records_of(facts, b"s" * (ROOM + 5))
    drive.write(memoryview(one), facts.id, 0, ROOM)
    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", lambda fd, data, at: 0)
        with pytest.raises(DriveFault, match="no more bytes"):
            drive.write(memoryview(two), facts.id, 1, 5)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_a_clear_fault(world: World) -> None:
    (world.folder / "R1").mkdir(mode=0o500)
    fault, results, given = until_it_fails(world)
    assert "Permission denied" in fault.message
    assert len(results) == len(given)


def test_a_read_only_file_system_is_a_clear_fault(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open

    def read_only(path: object, flags: int, *arguments: object, **more: object) -> int:
        if flags & (os.O_RDWR | os.O_WRONLY):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return real(path, flags, *arguments, **more)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(magazine.os, "open", read_only)
        fault, results, given = until_it_fails(world)
    assert "Read-only file system" in fault.message
    assert fault.todo
    assert [result.status for result in results.values()] == ["failed"] * len(given)


def test_a_file_where_the_folder_should_be_is_a_clear_fault(world: World) -> None:
    (world.folder / "R1").write_bytes(b"not a folder")
    fault, _, _ = until_it_fails(world)
    assert "Not a directory" in fault.message
    assert (world.folder / "R1").read_bytes() == b"not a folder"


# ---------------------------------------------------------------- room kept ahead


def test_room_is_kept_without_making_the_file_longer(tmp_path: Path) -> None:
    fd = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    try:
        if not allocate.keep_room(fd, 0, 1 << 20):
            pytest.skip("this file system cannot allocate ahead")
        assert os.fstat(fd).st_size == 0
        assert os.fstat(fd).st_blocks * 512 >= 1 << 20
    finally:
        os.close(fd)


def test_room_that_cannot_be_kept_is_said_in_one_of_two_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(error: int) -> Callable[[], Callable[..., int]]:
        def call(*arguments: int) -> int:
            ctypes.set_errno(error)
            return -1

        return lambda: call

    for error in (errno.EOPNOTSUPP, errno.ENOSYS):
        monkeypatch.setattr(allocate, "_fallocate", refuses(error))
        assert allocate.keep_room(3, 0, 1) is False
    monkeypatch.setattr(allocate, "_fallocate", refuses(errno.ENOSPC))
    with pytest.raises(OSError, match="No space left"):
        allocate.keep_room(3, 0, 1)
    monkeypatch.setattr(allocate, "_fallocate", lambda: None)
    assert allocate.keep_room(3, 0, 1) is False


def test_nothing_stays_allocated_behind_a_closed_volume(world: World) -> None:
    session = world.session()
    Job({world.facts(session): b"x"}).run(world.drive(), session)
    status = world.volumes()[0].stat()
    assert status.st_blocks * 512 < status.st_size + 64 * 1024


def test_on_a_disk_with_plenty_of_room_none_is_taken_ahead(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    looks: list[int] = []
    monkeypatch.setattr(allocate, "keep_room", lambda fd, start, size: bool(calls.append(size)) or True)
    free = {"blocks": 1 << 30}

    def disk(fd: int) -> os.statvfs_result:
        looks.append(fd)
        return os.statvfs_result((4096, 4096, 1 << 30, free["blocks"], free["blocks"], 0, 0, 0, 0, 255))

    monkeypatch.setattr(os, "fstatvfs", disk)
    session = world.session()
    facts = world.facts(session)
    drive = world.drive()
    drive.mount(session, agent="A1", plan_record=RECORD)
    drive.begin(facts)
    records = records_of(facts, bytes(2100 * ROOM))
    for sequence, record in enumerate(records[:2000]):
        drive.write(memoryview(record), facts.id, sequence, ROOM)
    assert calls == []
    assert 1 <= len(looks) <= 3
    free["blocks"] = 1000
    for sequence, record in enumerate(records[2000:], 2000):
        drive.write(memoryview(record), facts.id, sequence, ROOM)
    assert calls
    drive.abandon(DriveFault("enough"), 0.0)
