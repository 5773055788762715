"""Recycling: only by name, only what has expired, proved from the volume itself; killed anywhere it loses nothing."""

import errno
import fcntl
import os
import sqlite3
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from tapechain.runtime import recycle as recycling
from tapechain.runtime.catalog.rebuild import record_paths
from tapechain.runtime.drives.magazine import Magazine
from tapechain.runtime.faults import DriveBusyFault, DriveFault, Fault, KeptFault, MediaFault, UsageFault
from tapechain.runtime.media.volume import open_volume
from tapechain.runtime.numbers import highest_number
from tapechain.runtime.plan import Pool
from tapechain.runtime.recycle import judge, recycle

DAY = 86_400.0
POOLS = {("night", "month"): Pool("month", retention=30 * DAY)}
SMALL = 200_000


def moment(day: int) -> float:
    return datetime.fromisoformat(f"2026-01-{day:02d}T00:00:00+00:00").timestamp()


def after(days: float) -> float:
    """So many days behind the first of January."""
    return moment(1) + days * DAY


@pytest.fixture
def old(world: Any) -> Any:
    """Six nights on R1 and R2, two nights a volume, and three weeks with little behind them."""
    for _ in range(6):
        world.run({"home": os.urandom(80_000)}, ["R1", "R2"], capacity=SMALL, pool="month")
    for week in (12, 19, 26):
        world.clock = week
        world.run({"home": b"new"}, ["R1", "R2"], capacity=SMALL, pool="month")
    return world


def names(world: Any, drive: str = "R1") -> list[str]:
    return [path.stem for path in world.volumes(drive)]


def refused(
    world: Any, name: str, reason: str, fault: type[Fault] = KeptFault, *, no_todo: bool = False, **more: Any
) -> None:
    """*name* is refused, and neither a byte nor a word of the catalog changes."""
    before = {path: path.read_bytes() for path in world.volumes()}
    with world.catalog() as catalog:
        objects = catalog.objects()
        with pytest.raises(fault, match=reason) as raised:
            recycle(catalog, name, **({"pools": POOLS, "now": after(33)} | more))
        assert raised.value.todo or no_todo
        assert catalog.objects() == objects
    assert {path: path.read_bytes() for path in world.volumes()} == before


# ---------------------------------------------------------------- what goes


def test_an_expired_volume_goes_and_its_room_is_free(old: Any) -> None:
    before = {path.name: path.read_bytes() for path in old.volumes("R1")}
    with old.catalog() as catalog:
        done = recycle(catalog, "R1-000001", POOLS, now=after(33))
        assert done.freed_bytes == len(before["R1-000001.tar"])
        assert done.blank is None
        assert "R1-000001" not in [v.name for v in catalog.volumes()]
    assert {p.name: p.read_bytes() for p in old.volumes("R1")} == {
        k: v for k, v in before.items() if k != "R1-000001.tar"
    }


def test_copies_are_recycled_not_lost_and_those_without_another_are_told(old: Any) -> None:
    with old.catalog() as catalog:
        # Night 1 lies on volume 1 alone; R2, of the same pool, holds it, too.
        judged = judge(catalog, "R1-000001", POOLS, now=after(33))
        assert judged.gone == () and judged.sources == ()
        on = [o.id for o in catalog.objects_on(judged.volume.id)]
        recycle(catalog, "R1-000001", POOLS, now=after(33))
        first = catalog.objects(object_id=on[-1])[0]
        assert {c.drive: c.status for c in first.copies} == {"R1": "recycled", "R2": "stored"}
        assert first.status == "whole"
        assert {s.status for s in catalog.sessions()} == {"ok"}

        judged = judge(catalog, "R2-000001", POOLS, now=after(33))
        assert [o.id for o in judged.gone] == on
        recycle(catalog, "R2-000001", POOLS, now=after(33))
        assert catalog.objects(object_id=on[-1]) == []
        assert len(catalog.sessions()) == 9


def test_what_is_left_comes_back(old: Any, tmp_path: Path) -> None:
    with old.catalog() as catalog:
        recycle(catalog, "R1-000001", POOLS, now=after(33))
    old.back("home", tmp_path / "back")
    assert (tmp_path / "back" / "home").read_bytes() == b"new"


def test_the_newest_volume_leaves_an_empty_one_behind_so_that_no_name_is_given_twice(world: Any) -> None:
    world.run({"home": b"1"}, ["R1"], pool="month")
    world.run({"home": b"2"}, ["R1"], pool="month")
    short = {("night", "month"): Pool("month", retention=DAY)}
    with world.catalog() as catalog:
        done = recycle(catalog, "R1-000001", short, now=after(3.5))
        assert [(p, s) for p, s in done.judged.sources] == [("night", "home")]
    assert names(world) == ["R1-000002"]
    assert done.blank == world.volumes("R1")[0]
    with open_volume(done.blank) as reader:
        assert reader.last_index() is None
        assert reader.label.pool == "month"
        # A catalog that is lost now goes on above the sessions that were recycled.
        assert reader.label.session.number == 2
    world.run({"home": b"3"}, ["R1"], pool="month")
    assert names(world) == ["R1-000002"]
    with world.catalog() as catalog:
        assert catalog.volumes()[0].sessions == 1


def test_numbers_go_on_above_those_that_were_recycled(world: Any, tmp_path: Path) -> None:
    from tapechain.runtime.plan import CompiledPlan, Drive

    for n in range(3):
        world.run({"home": bytes([n])}, ["R1"], pool="month")
    with world.catalog() as catalog:
        recycle(catalog, "R1-000001", {("night", "month"): Pool("month", retention=DAY)}, now=after(9))
    drive = Drive("R1", "volumes", volumes="media/R1")
    plan = CompiledPlan(1, "night", "", ".", 65536, 0, (), (), (), (drive,))
    assert highest_number(plan, world.folder) == 3


def test_a_volume_may_be_named_by_its_uuid_or_its_file(old: Any) -> None:
    with old.catalog() as catalog:
        volume = next(v for v in catalog.volumes() if v.name == "R1-000001")
        for name in (volume.id, str(volume.location), os.path.relpath(str(volume.location))):
            assert judge(catalog, name, POOLS, now=after(33)).volume.id == volume.id


# ---------------------------------------------------------------- what is refused


def test_nothing_unexpired_goes(old: Any) -> None:
    refused(old, "R1-000001", "is kept until 2026-02-01", now=after(30.9))
    refused(old, "R1-000003", "is kept until", now=after(33))


def test_nothing_of_an_unknown_or_no_pool_goes(world: Any, old: Any) -> None:
    refused(old, "R1-000001", "is not known here", pools={})
    refused(old, "R1-000001", "is not known here", pools={("other", "month"): Pool("month", retention=1)})
    refused(old, "R1-000001", "keeps for ever", pools={("night", "month"): Pool("month")})
    world.run({"home": b"x"}, ["R9"])
    refused(old, "R9-000001", "no pool", now=after(10_000))


def test_what_another_plan_wrote_on_it_is_kept(world: Any) -> None:
    world.run({"home": b"1"}, ["R1"], pool="month")
    world.run({"mail": b"2"}, ["R1"], pool="month", plan="other")
    assert names(world) == ["R1-000001"]
    one = {("night", "month"): Pool("month", retention=DAY)}
    refused(world, "R1-000001", "of plan other is not known", pools=one, now=after(9))
    longer = one | {("other", "month"): Pool("month", retention=300 * DAY)}
    refused(world, "R1-000001", "is kept until", pools=longer, now=after(9))


def test_a_volume_that_the_catalog_does_not_know_is_refused(old: Any) -> None:
    refused(old, "R7-000001", "knows no volume", UsageFault)
    copy = old.folder / "elsewhere" / "R1-000001.tar"
    copy.parent.mkdir()
    copy.write_bytes(old.volumes("R1")[0].read_bytes())
    refused(old, str(copy), "knows no volume", UsageFault)


def test_a_name_that_means_two_volumes_is_refused(old: Any, support: Any, tmp_path: Path) -> None:
    other = support.World(tmp_path / "other")
    other.run({"home": b"other"}, ["R1"], plan="other")
    with old.catalog() as catalog:
        record_paths(catalog, other.volumes())
    refused(old, "R1-000001", "several volumes are called R1-000001", UsageFault)


def test_what_lies_on_the_volume_counts_not_what_the_catalog_remembers(old: Any) -> None:
    """The catalog missed a session that was appended: the volume itself tells of it."""
    old.run({"home": b"newer still"}, ["R1"], capacity=SMALL, pool="month", record=False, finish=False)
    with sqlite3.connect(old.catalog_path) as database:
        database.execute("DELETE FROM entries WHERE session_id = (SELECT id FROM sessions WHERE number = 9)")
        database.execute("DELETE FROM indexes WHERE session_id = (SELECT id FROM sessions WHERE number = 9)")
    last = names(old)[-1]
    # As the catalog has it, all on the last volume is of the first week of January.
    with old.catalog() as catalog, pytest.raises(KeptFault, match="is kept until"):
        recycle(catalog, last, POOLS, now=after(40))
    assert names(old)[-1] == last


def test_another_volume_in_its_place_is_refused(old: Any, support: Any, tmp_path: Path) -> None:
    other = support.World(tmp_path / "other")
    other.run({"home": b"other"}, ["R1"])
    old.volumes("R1")[0].write_bytes(other.volumes()[0].read_bytes())
    refused(old, "R1-000001", "where the catalog has")


def test_links_and_protected_files_are_refused(old: Any) -> None:
    path = old.volumes("R1")[0]
    path.chmod(0o400)
    refused(old, "R1-000001", "write-protected")
    path.chmod(0o600)
    target = old.folder / "target.tar"
    path.rename(target)
    path.symlink_to(target)
    refused(old, "R1-000001", "symbolic link", MediaFault)
    assert target.exists()


def test_a_volume_of_which_a_part_cannot_be_read_is_refused(old: Any, support: Any) -> None:
    path = old.volumes("R1")[0]
    with open_volume(path) as reader:
        last = reader.last_index()
        assert last is not None and last.position is not None
    # Its last index is gone, so that the records have to speak; and the first of them cannot.
    os.truncate(path, last.position)
    support.flip(path, last.first + 5_000)
    refused(old, "R1-000001", "nobody knows what it holds")


def test_a_sound_record_behind_damage_that_nobody_vouches_for_keeps_its_volume(world: Any) -> None:
    """The walk takes it for a torn tail, as a remade catalog does; a whole object may lie there all the same."""
    world.run({"home": b"old"}, ["R1"], pool="month")
    for week in (12, 19, 26):
        world.clock = week
        world.run({"home": b"new"}, ["R2"], pool="month")
    world.clock = 27
    world.run({"a": os.urandom(3_000), "b": b"kept"}, ["R1"], pool="month")
    (path,) = world.volumes("R1")
    with open_volume(path) as reader:
        last = reader.last_index()
    assert last is not None and last.position is not None
    with path.open("r+b") as volume:
        for at, size in ((last.first, 1_536), (last.position, 700)):
            volume.seek(at)
            volume.write(bytes(size))
    for file in world.state.iterdir():
        file.unlink()
    with world.catalog(create=True) as catalog:
        told = record_paths(catalog, world.volumes(), anew=True)
        assert any("a sound record lies behind it" in note for note in told.notes)
        assert "b" not in {o.source for o in catalog.objects()}
    refused(world, "R1-000001", "a sound record lies behind", pools=POOLS, now=after(33))


@pytest.mark.parametrize("at", [0, 700, 16_000])
def test_a_volume_whose_label_is_damaged_is_refused(old: Any, support: Any, at: int) -> None:
    support.flip(old.volumes("R1")[0], at)
    refused(old, "R1-000001", "label", MediaFault, no_todo=True)


def test_while_a_run_holds_the_drive_nothing_goes(old: Any) -> None:
    fd = os.open(old.magazine("R1"), os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        refused(old, "R1-000001", "another run holds", DriveBusyFault)
    finally:
        os.close(fd)


def test_a_symlinked_folder_is_the_same_drive(old: Any) -> None:
    """The lock is the folder's own, whatever name leads to it."""
    link = old.folder / "link"
    link.symlink_to(old.magazine("R1"))
    fd = os.open(link, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        refused(old, "R1-000001", "another run holds", DriveBusyFault)
    finally:
        os.close(fd)
    with old.catalog() as catalog:
        recycle(catalog, str(link / "R1-000001.tar"), POOLS, now=after(33))
    assert "R1-000001" not in names(old)


def test_a_folder_that_is_not_there_is_refused(old: Any) -> None:
    old.magazine("R1").rename(old.folder / "away")
    refused(old, "R1-000001", "is not there", DriveFault)
    assert not old.magazine("R1").exists()


def test_a_file_that_is_gone_is_forgotten_when_it_has_expired(old: Any) -> None:
    old.volumes("R1")[0].unlink()
    old.volumes("R1")[-1].unlink()
    last = f"R1-{len(names(old)) + 2:06d}"
    refused(old, last, "is kept until")
    with old.catalog() as catalog:
        done = recycle(catalog, "R1-000001", POOLS, now=after(33))
        assert not done.judged.there and done.freed_bytes == 0
        assert "R1-000001" not in [v.name for v in catalog.volumes()]


# ---------------------------------------------------------------- killed anywhere


class Killed(BaseException):
    """The process ends here."""


STEPS = {
    "before the empty volume": ("tapechain.runtime.drives.blank.Behind", "make"),
    "behind the empty volume": ("tapechain.runtime.catalog.store.Catalog", "forget_volume"),
    "behind the catalog": ("tapechain.runtime.recycle", "_remove"),
}


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_any_step_the_catalog_never_knows_more_than_there_is(
    world: Any, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    objects = [world.run({"home": bytes([n])}, ["R1"], pool="month")["home"] for n in range(2)]
    short = {("night", "month"): Pool("month", retention=DAY)}
    owner, name = STEPS[step]
    owners = {"recycle": recycling, "Behind": recycling.Behind, "Catalog": recycling.Catalog}
    target: Any = owners[owner.rpartition(".")[2]]

    def killed(*_: Any, **__: Any) -> None:
        raise Killed

    with world.catalog() as catalog, monkeypatch.context() as patch:
        if name == "_remove":
            # What a killed process does not do, either: put the catalog back.
            patch.setattr(recycling.Catalog, "record_volumes", lambda *_: None)
        patch.setattr(target, name, killed)
        with pytest.raises(Killed):
            recycle(catalog, "R1-000001", short, now=after(5))
    assert "R1-000001" in names(world)
    with world.catalog() as catalog:
        for volume in catalog.volumes():
            assert Path(volume.location).exists()
        # The next run tells what the catalog has forgotten too early.
        catalog.catch_up("R1", world.magazine("R1"))
        assert {o.id for o in catalog.objects() if o.status == "whole"} == set(objects)
        recycle(catalog, "R1-000001", short, now=after(5))
        assert {(v.name, v.sessions) for v in catalog.volumes()} == {("R1-000002", 0)}
    world.run({"home": b"next"}, ["R1"], pool="month")
    assert "R1-000001" not in names(world)
    with world.catalog() as catalog:
        assert [o.status for o in catalog.objects()] == ["whole"]


def test_a_file_that_cannot_be_removed_is_known_again(old: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def no(*_: Any, **__: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    with old.catalog() as catalog:
        before = catalog.objects()
        with monkeypatch.context() as patch:
            patch.setattr(os, "unlink", no)
            with pytest.raises(DriveFault, match="cannot be removed"):
                recycle(catalog, "R1-000001", POOLS, now=after(33))
        assert [(o.id, o.status, [c.status for c in o.copies]) for o in catalog.objects()] == [
            (o.id, o.status, [c.status for c in o.copies]) for o in before
        ]
    assert names(old)[0] == "R1-000001"


def test_a_volume_that_was_replaced_meanwhile_is_not_removed(old: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    path = old.volumes("R1")[0]
    content = path.read_bytes()

    def replaced(catalog: Any, volume_id: str) -> None:
        path.rename(old.folder / "was.tar")
        path.write_bytes(b"somebody else's")

    with old.catalog() as catalog, monkeypatch.context() as patch:
        patch.setattr(recycling.Catalog, "forget_volume", replaced)
        with pytest.raises(MediaFault, match="replaced meanwhile"):
            recycle(catalog, "R1-000001", POOLS, now=after(33))
    assert path.read_bytes() == b"somebody else's"
    assert (old.folder / "was.tar").read_bytes() == content


def test_on_a_disk_without_any_room_the_room_of_the_volume_itself_is_enough(
    world: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The only volume fills the disk: where no empty one fits before it goes, the empty one is made of its room."""
    for n in range(2):
        world.run({"home": bytes([n])}, ["R1"], pool="month")
    short = {("night", "month"): Pool("month", retention=DAY)}
    path = world.volumes("R1")[0]
    full = path.stat()
    create = Magazine.create
    tried = []

    def room(self: Magazine, number: int, content: bytes) -> int | None:
        inodes = [os.fstat(int(fd)).st_ino for fd in os.listdir("/proc/self/fd") if _is_open(int(fd))]
        taken = path.exists() or full.st_ino in inodes
        tried.append((number, taken))
        if taken:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return create(self, number, content)

    with world.catalog() as catalog, monkeypatch.context() as patch:
        patch.setattr(Magazine, "create", room)
        done = recycle(catalog, "R1-000001", short, now=after(5))
        assert done.freed_bytes == full.st_size and done.blank is not None and done.blank.stem == "R1-000002"
        assert tried == [(2, True), (2, False)], "no name is given twice, and the volume's room is free before"
        assert {(v.name, v.sessions) for v in catalog.volumes()} == {("R1-000002", 0)}
    with open_volume(path.with_name("R1-000002.tar")) as reader:
        assert reader.label.session.number == 2, "session numbers go on"
    world.run({"home": b"next"}, ["R1"], pool="month")
    assert names(world) == ["R1-000002"]


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True
