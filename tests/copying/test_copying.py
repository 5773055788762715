"""Copying by the engine: drives and targets that fail, order, stops, what is there already, what the catalog knows."""

import contextlib
import os
import random
import socket
import stat
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest
from tapechain.runtime.drives.factory import open_drive
from tapechain.runtime.events import NoObserver
from tapechain.runtime.faults import DriveFault, RestoreFault
from tapechain.runtime.targets.file import _AsItIs, file_sink

pytestmark = pytest.mark.timeout(60)


def data(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def failing(name: str, after: int, call: str = "write") -> Any:
    """Opens drives; that of *name* fails at its record *after*, or in *call*."""

    def opener(plan_drive: Any, *, base: Path, on_index: Any) -> Any:
        drive = open_drive(plan_drive, base=base, on_index=on_index)
        if plan_drive.name == name:
            real, count = getattr(drive, call), [0]

            def broken(*arguments: Any, **words: Any) -> Any:
                count[0] += 1
                if count[0] > after:
                    raise DriveFault("it fails on purpose")
                return real(*arguments, **words)

            setattr(drive, call, broken)

            def one_by_one(records: memoryview, object_id: str, sequence: int, payload_bytes: int, count: int) -> None:
                each = len(records) // count
                for n in range(count):
                    drive.write(records[n * each : (n + 1) * each], object_id, sequence + n, payload_bytes)

            drive.write_run = one_by_one  # type: ignore[method-assign]
        return drive

    return opener


TWO_STAGES = """
drive R1 { volumes = "media/R1" }
drive N1 { volumes = "fresh/N1" }
drive N2 { volumes = "fresh/N2"  capacity = 300kB }
drive N3 { volumes = "fresh/N3" }
restore group old { agent A <- R1 { B1 <- a  B2 <- b } }
copy group one of old { agent B -> N1 { * <- A } }
copy group two of one { agent C -> N2 { * <- B }  agent D -> N3 { B1 <- B.B2 } }
"""


def test_daisy_of_two_stages_brings_the_same_records_everywhere(copying, world) -> None:
    a, b = data(500_000), data(300_000, 2)
    ids = world.run({"a": a, "b": b})
    report = copying.run(TWO_STAGES)
    assert report.status == "ok"
    for drive in ("N1", "N2"):
        assert copying.payload(drive, ids["a"]) == a and copying.payload(drive, ids["b"]) == b
    assert copying.payload("N3", ids["b"]) == b and ids["a"] not in copying.order("N3")
    assert len(list((world.folder / "fresh/N2").glob("*.tar"))) > 2


@pytest.mark.parametrize(("drive", "after", "call"), [("N1", 3, "write"), ("N2", 0, "write"), ("N1", 0, "mount")])
def test_drive_that_fails_leaves_the_other_stages_whole(copying, world, of_object, drive, after, call) -> None:
    a, b = data(500_000), data(300_000, 2)
    ids = world.run({"a": a, "b": b})
    report = copying.run(TWO_STAGES, open_drive=failing(drive, after, call))
    assert report.status == "degraded"
    for other in {"N1", "N2"} - {drive}:
        assert copying.payload(other, ids["a"]) == a and copying.payload(other, ids["b"]) == b
    for key in ids.values():
        stored = {c.drive for c in of_object(report, key).copies if c.status == "stored"}
        assert drive not in stored and stored
    again = copying.run(TWO_STAGES)  # brings what lacks, and nothing else
    assert again.status == "ok"
    assert all(set(o.already) == {c.drive for c in o.copies} - {drive} for o in again.objects)
    assert copying.payload("N3", ids["b"]) == b


def test_copy_whose_drives_all_fail_ends_at_once(copying, world, text_of) -> None:
    world.run({"a": data(2_000_000)})
    report = copying.run(text_of("a"), open_drive=failing("N1", 3))
    assert report.status == "failed" and report.objects[0].copies[0].status != "stored"


def test_abort_ends_the_run_when_a_drive_fails(copying, world) -> None:
    world.run({"a": data(500_000), "b": data(300_000, 2)})
    plan = 'plan refresh { record = 64KiB depth = 4 on_failure = "abort" }' + TWO_STAGES
    report = copying.run(plan, open_drive=failing("N1", 0, "mount"))
    assert report.status == "failed" and any("abort" in note for note in report.notes)


def test_drive_that_another_run_writes_is_not_read(copying, world, text_of) -> None:
    import fcntl
    import os

    world.run({"a": b"1"})
    fd = os.open(world.magazine("R1"), os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        report = copying.simple("a")
        assert report.status == "failed" and "another run writes the folder" in (report.objects[0].error or "")
        assert not copying.order("N1")
        fcntl.flock(fd, fcntl.LOCK_SH)  # another reader is welcome
        assert copying.simple("a").status == "ok"
    finally:
        os.close(fd)


def test_drive_is_locked_against_writers_while_it_is_read(copying, world, text_of) -> None:
    import fcntl
    import os

    world.run({"a": data(300_000)})
    seen = []

    def look(plan_drive: Any, *, base: Path, on_index: Any) -> Any:
        drive = open_drive(plan_drive, base=base, on_index=on_index)
        real = drive.write

        def write(*arguments: Any) -> None:
            fd = os.open(world.magazine("R1"), os.O_RDONLY)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                seen.append("free")
            except BlockingIOError:
                seen.append("held")
            finally:
                os.close(fd)
            real(*arguments)

        drive.write = write
        return drive

    assert copying.run(text_of("a"), open_drive=look).status == "ok"
    assert seen and set(seen) == {"held"}


def test_written_drives_are_taken_before_the_drive_that_is_read(copying, world, text_of) -> None:
    """Two runs that copy between the same drives, each the other way, never hold what the other one waits for."""
    import fcntl
    import os

    world.run({"a": data(300_000)})
    at_mount = []

    def look(plan_drive: Any, *, base: Path, on_index: Any) -> Any:
        drive = open_drive(plan_drive, base=base, on_index=on_index)
        real = drive.mount

        def mount(*arguments: Any, **words: Any) -> Any:
            fd = os.open(world.magazine("R1"), os.O_RDONLY)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                at_mount.append("free")
            except BlockingIOError:
                at_mount.append("held")
            finally:
                os.close(fd)
            return real(*arguments, **words)

        drive.mount = mount
        return drive

    assert copying.run(text_of("a"), open_drive=look).status == "ok"
    assert at_mount and set(at_mount) == {"free"}


def test_one_object_through_two_buffers_is_written_once(copying, world) -> None:
    ids = world.run({"a": data(200_000), "b": b"b"})
    report = copying.simple("a", "all", "all(a)")
    assert report.status == "ok" and len(report.objects) == 2
    order = copying.order("N1")
    assert order.count(ids["a"]) == 4 and order.count(ids["b"]) == 1
    assert [o.copies[0].status for o in report.objects] == ["stored", "stored"]


def test_already_there_counts_only_in_the_folder_that_is_written(copying, world) -> None:
    """Another drive of the same name, elsewhere, holds it: the catalog says "stored on N1", this folder says no."""
    ids = world.run({"a": data(100_000)}, ("R1", "N1"))
    report = copying.simple("a")
    assert report.objects[0].already == () and copying.payload("N1", ids["a"]) == data(100_000)
    assert copying.simple("a").objects[0].already == ("N1",)
    assert copying.simple("a", again=True).objects[0].already == ()
    assert copying.order("N1").count(ids["a"]) == 4


def test_copy_that_was_cut_off_is_made_good(copying, world, text_of) -> None:
    a = data(300_000)
    ids = world.run({"a": a})
    assert copying.run(text_of("a"), open_drive=failing("N1", 2)).status == "failed"
    report = copying.simple("a")
    assert report.status == "ok" and report.objects[0].already == ()
    with world.catalog() as catalog:
        (item,) = catalog.objects(object_id=ids["a"])
    assert {c.drive: c.status for c in item.copies} == {"R1": "stored", "N1": "stored"}


@pytest.mark.parametrize("order", ["interleave", "object"])
def test_all_of_a_source_to_a_target_comes_whole_and_oldest_first(copying, world, order: str) -> None:
    """Two sources interleaved on the medium: the target's ring gets whole objects, in further passes where needed."""
    sessions = [world.run({"a": data(200_000, n), "b": data(200_000, n + 10)}) for n in range(2)]
    report = copying.run(
        f"""
drive R1 {{ volumes = "media/R1" }}
drive N1 {{ volumes = "fresh/N1" }}
restore group old {{ agent A <- R1 {{ B1 <- all }} }}
copy group new of old {{ agent B -> N1 {{ order = "{order}" spool = "spool" * <- A }} }}
target T {{ command = ["sh", "-c", "cat > got-$TCC_OBJECT"] }}
chain A.B1 -> T
"""
    )
    assert report.status == "ok", report
    for n, session in enumerate(sessions):
        for name, shift in (("a", 0), ("b", 10)):
            assert (world.folder / f"got-{session[name]}").read_bytes() == data(200_000, n + shift)
    order_on_drive = copying.order("N1")
    assert order_on_drive == sorted(order_on_drive, key=list(dict.fromkeys(order_on_drive)).index)


def test_target_that_fails_leaves_the_copies_whole(copying, world, text_of) -> None:
    a = data(3_000_000)
    ids = world.run({"a": a, "b": b"b"})
    report = copying.run(text_of("a", "b", more='target T { command = ["sh", "-c", "exit 7"] }\nchain A.B0 -> T'))
    assert report.status == "degraded" and copying.payload("N1", ids["a"]) == a
    (target,) = report.objects[0].targets
    assert (target.target, target.status) == ("T", "failed") and "exit status 7" in (target.error or "")


def test_target_that_cannot_be_started_or_written_fails_alone(copying, world, text_of) -> None:
    ids = world.run({"a": data(300_000), "b": b"b"})
    more = (
        'target T { command = ["/no/such/program"] }\nchain A.B0 -> T\ntarget U { stream = "taken/x" }\nchain A.B1 -> U'
    )
    (world.folder / "taken").write_text("a file in the folder's place")
    with pytest.raises(Exception, match="cannot be written"):
        copying.run(text_of("a", "b", more=more))
    (world.folder / "taken").unlink()
    report = copying.run(text_of("a", "b", more=more))
    assert report.status == "degraded" and copying.payload("N1", ids["a"]) == data(300_000)
    assert "cannot be started" in (report.objects[0].targets[0].error or "")
    assert report.objects[1].targets[0].status == "restored" and (world.folder / "taken/x").read_bytes() == b"b"


def test_cut_off_object_never_bears_its_name_at_a_target(copying, world, support, text_of) -> None:
    ids = world.run({"a": data(300_000)})
    places = support.positions(world.volumes("R1")[0], ids["a"])
    support.flip(world.volumes("R1")[0], places[3][0] + 2000)
    more = 'target T { stream = "back/a" }\nchain A.B0 -> T\nchain A.B0 -> U\n'
    more += 'target U { command = ["sh", "-c", "cat > u && mv u done"] }'
    report = copying.run(text_of("a", more=more))
    assert report.status == "failed"
    assert [t.status for t in report.objects[0].targets] == ["cut-off", "failed"]
    assert not (world.folder / "back/a").exists() and (world.folder / "back/a.partial").exists()
    assert not (world.folder / "done").exists()


class StopAt(NoObserver):
    """Asks for an orderly end at the first sample with something read."""

    interval_seconds = 0.02

    def __init__(self, stop: Any) -> None:
        self.stop = stop
        self.asked = threading.Event()

    def sample(self, snapshot: Any) -> None:
        if any(s.records for s in snapshot.sources):
            self.stop.request(15)
            self.asked.set()


def test_stop_leaves_sound_volumes_and_says_cut_off(copying, world, text_of) -> None:
    ids = world.run({"a": data(4_000_000), "b": data(300_000, 2)})

    def slow(plan_drive: Any, *, base: Path, on_index: Any) -> Any:
        drive = open_drive(plan_drive, base=base, on_index=on_index)
        real = drive.write

        def write(*arguments: Any) -> None:
            assert drive.written_bytes < 200_000 or copying.observer.asked.wait(20)
            real(*arguments)

        drive.write = write
        return drive

    copying.observer = StopAt(copying.stop)
    report = copying.run(text_of("a", "b"), open_drive=slow)
    assert report.signal == 15
    assert report.objects[0].status == "cut-off" and report.objects[0].copies[0].status == "cut-off"
    with world.catalog() as catalog:
        (item,) = catalog.objects(object_id=ids["a"])
        assert {c.drive: c.status for c in item.copies} == {"R1": "stored", "N1": "cut-off"}
    for volume in (world.folder / "fresh/N1").glob("*.tar"):
        subprocess.run(["tar", "-tf", volume], check=True, capture_output=True)


def test_command_that_hangs_does_not_hold_a_stopped_run(copying, world, text_of) -> None:
    world.run({"a": data(4_000_000)})
    copying.observer = StopAt(copying.stop)
    more = 'target T { command = ["sleep", "1000"] }\nchain A.B0 -> T'
    report = copying.run(text_of("a", more=more))
    assert report.signal == 15 and report.objects[0].targets[0].status == "failed"


class StopAtEnd(StopAt):
    """Asks for an orderly end when everything was read."""

    def sample(self, snapshot: Any) -> None:
        if all(s.state == "whole" for s in snapshot.sources):
            self.stop.request(15)


def test_command_that_has_read_all_and_hangs_does_not_hold_a_stopped_run(copying, world, text_of) -> None:
    world.run({"a": data(4_000)})
    copying.observer = StopAtEnd(copying.stop)
    more = 'target T { command = ["sh", "-c", "cat > got; exec sleep 1000"] }\nchain A.B0 -> T'
    report = copying.run(text_of("a", more=more))
    assert report.signal == 15 and report.objects[0].targets[0].status == "failed"
    assert report.objects[0].copies[0].status == "stored"


@pytest.mark.parametrize(("size", "reader"), [(4_000, False), (400_000, False), (400_000, True)])
def test_a_pipe_that_nobody_reads_does_not_hold_a_stopped_run(copying, world, text_of, size: int, reader: bool) -> None:
    """The reader never came, or takes nothing any more; the copy beside it is complete where all was read."""
    os.mkfifo(world.folder / "pipe")
    fd = os.open(world.folder / "pipe", os.O_RDONLY | os.O_NONBLOCK) if reader else -1
    world.run({"a": data(size)})
    copying.observer = StopAt(copying.stop) if size > 65_536 else StopAtEnd(copying.stop)
    try:
        report = copying.run(text_of("a", more='target T { stream = "pipe" }\nchain A.B0 -> T'))
    finally:
        if reader:
            os.close(fd)
    assert report.signal == 15
    (target,) = report.objects[0].targets
    assert target.status == "failed" and "the run was stopped" in (target.error or "")
    assert size > 65_536 or report.objects[0].copies[0].status == "stored"


def test_a_pipe_gets_all_when_its_reader_comes_late(copying, world, text_of) -> None:
    os.mkfifo(world.folder / "pipe")
    world.run({"a": (content := data(400_000))})
    got: list[bytes] = []
    ready = threading.Event()

    class Late(NoObserver):
        interval_seconds = 0.02

        def sample(self, snapshot: Any) -> None:
            if any(s.records for s in snapshot.sources):
                ready.set()

    def read() -> None:
        assert ready.wait(20)
        got.append((world.folder / "pipe").read_bytes())

    thread = threading.Thread(target=read)
    thread.start()
    copying.observer = Late()
    report = copying.run(text_of("a", more='target T { stream = "pipe" }\nchain A.B0 -> T'))
    thread.join(20)
    assert report.status == "ok" and report.objects[0].targets[0].status == "restored"
    assert got == [content]


def test_a_disk_that_does_not_confirm_is_not_restored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A block device takes everything, and says at the fsync, or nobody, what it could not write."""
    place = tmp_path / "disk"
    place.touch()
    sink = _AsItIs(place, stat.S_IFBLK)
    assert sink.write(memoryview(b"all")) and sink.finish().usable and place.read_bytes() == b"all"

    def no(fd: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", no)
    sink = _AsItIs(place, stat.S_IFBLK)
    sink.write(memoryview(b"all"))
    with pytest.raises(RestoreFault, match="does not confirm"):
        sink.finish()


def test_a_socket_is_no_place_for_a_stream(tmp_path: Path) -> None:
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as one:
        one.bind(str(tmp_path / "socket"))
    sink = file_sink(tmp_path / "socket")
    with pytest.raises(RestoreFault, match="cannot be written"):
        sink.write(memoryview(b"x"))
    sink.abandon()


def test_catalog_knows_session_and_copies_as_a_rebuilt_one_does(copying, world) -> None:
    from tapechain.runtime.catalog.rebuild import catalog_of_volumes

    ids = world.run({"a": data(100_000), "b": b"b"})
    report = copying.simple("a", "b")
    with world.catalog() as catalog:
        objects, sessions = catalog.objects(), {s.id: s for s in catalog.sessions()}
    assert sessions[report.session].status == "ok"
    rebuilt, faults = catalog_of_volumes([world.folder / "media", world.folder / "fresh"])
    with rebuilt:
        assert not faults
        assert rebuilt.objects() == objects
    alone, _ = catalog_of_volumes([world.folder / "fresh"])
    with alone:
        (copied,) = [s for s in alone.sessions() if s.id == report.session]
        assert (copied.status, copied.objects) == ("ok", 2)
        assert {o.id: (o.plan, o.session_id, o.number, o.started, o.kind) for o in alone.objects()} == {
            o.id: (o.plan, o.session_id, o.number, o.started, o.kind) for o in objects
        }
        assert {o.id for o in alone.objects()} == set(ids.values())


def test_summary_speaks_of_objects_of_what_was_there_and_of_what_to_do(copying, world, support, text_of) -> None:
    from tapechain.cli.summary import lines

    ids = world.run({"a": data(300_000), "b": b"b" * 1000})
    world.run({"a": data(300_000)}, ("R2",))
    first = copying.run(text_of("b", more='target T { stream = "back" }\nchain A.B0 -> T'))
    (line,) = lines(first)
    assert line.startswith("ok: plan refresh: 1 object, 1000 B read, 1 copy stored, 1 restored in ")
    (line,) = lines(copying.simple("b"))
    assert "0 B read, 0 copies stored, 1 there already" in line
    places = support.positions(world.volumes("R1")[0], ids["a"])
    support.flip(world.volumes("R1")[0], places[1][0] + 2000)
    told = "\n".join(lines(copying.simple("a", "b")))
    assert told.startswith("degraded: plan refresh: 1 of 2 objects whole")
    assert f"a ({ids['a']}): cut off" in told and "record 1 is lost" in told
    assert "do: bring back a volume that holds a sound copy of a" in told
