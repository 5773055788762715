"""A catalog that is behind the media: the process died between a drive's fsync and the catalog's commit."""

from __future__ import annotations

import os
import shutil
from typing import Any

import pytest
from tapechain.runtime.catalog.rebuild import catalog_of_volumes
from tapechain.runtime.catalog.settle import copy_status, in_order
from tapechain.runtime.drives.base import IndexedVolume
from tapechain.runtime.drives.volumes import VolumesDrive
from tapechain.runtime.media.volume import open_volume
from tapechain.runtime.model import ObjectFacts, Session

pytestmark = pytest.mark.timeout(60)


def statuses(world: Any) -> list[tuple[str, str, list[str]]]:
    with world.catalog() as catalog:
        return [(o.source, o.status, [c.status for c in o.copies]) for o in catalog.objects()]


def test_sessions_that_the_catalog_missed_are_told_when_the_drive_is_mounted(world: Any) -> None:
    world.run({"A": b"one"})
    world.run({"A": bytes(300_000), "B": b"x"}, ("R1", "R2"), capacity=200_000, record=False, finish=False)
    assert statuses(world) == [("A", "whole", ["stored"])]
    with world.catalog() as catalog:
        assert [s.status for s in catalog.sessions()] == ["unfinished", "ok"]
        for drive in ("R1", "R2"):
            notes = catalog.catch_up(drive, world.magazine(drive))
            assert all("the catalog did not know" in note for note in notes) and notes
        assert [s.status for s in catalog.sessions()] == ["ok", "ok"]
        assert catalog.catch_up("R1", world.magazine("R1")) == ()  # nothing is left to say
    assert statuses(world) == [
        ("A", "whole", ["stored", "stored"]),
        ("B", "whole", ["stored", "stored"]),
        ("A", "whole", ["stored"]),
    ]


def test_a_catalog_of_yesterday_is_brought_up_to_date(world: Any) -> None:
    world.run({"A": b"one"})
    shutil.copy(world.catalog_path, world.folder / "yesterday")
    world.run({"A": b"two"})
    expected = statuses(world)
    for beside in world.state.iterdir():
        beside.unlink()
    shutil.copy(world.folder / "yesterday", world.catalog_path)
    with world.catalog() as catalog:
        (note,) = catalog.catch_up("R1", world.magazine("R1"))
        assert "1 session(s)" in note
    assert statuses(world) == expected


def test_a_volume_that_contradicts_the_catalog_is_told_and_not_believed(world: Any) -> None:
    world.run({"A": b"one"})
    world.run({"B": b"two"}, ("R2",))
    # R1's volume becomes one of another world, which numbers its sessions otherwise.
    other = type(world)(world.folder / "other")
    other.run({"Z": b"zzz"})
    (lying,) = other.volumes("R1")
    with world.catalog() as catalog:
        before = [o.id for o in catalog.objects()]
        shutil.copy(lying, world.volumes("R1")[0])
        catalog.catch_up("R1", world.magazine("R1"))
        assert set(before) <= {o.id for o in catalog.objects()}


def test_a_magazine_without_any_volume_that_is_known_there_is_told(world: Any) -> None:
    """The mount point of a disk that is not mounted, or another disk in its place: the run goes on, and says so."""
    world.run({"A": bytes(300_000)}, ("R1", "R2"), capacity=200_000)
    folder = world.magazine("R1")
    kept = world.volumes("R1")
    assert len(kept) > 1
    with world.catalog() as catalog:
        assert catalog.catch_up("R1", folder) == ()
        kept[0].unlink()  # one alone may have been taken away
        assert catalog.catch_up("R1", folder) == ()
        aside = world.folder / "aside"
        folder.rename(aside)
        folder.mkdir()
        (note,) = catalog.catch_up("R1", folder)
        assert "none is there" in note and "R1-000001" in note and "mounted" in note
        # Another volume under a known name is not the one that is meant.
        other = type(world)(world.folder / "other")
        other.run({"Z": b"zzz"})
        shutil.copy(other.volumes("R1")[0], folder)
        assert any("none is there" in note for note in catalog.catch_up("R1", folder))
        shutil.rmtree(folder)
        aside.rename(folder)
        assert catalog.catch_up("R2", world.magazine("R2")) == ()


def test_what_is_no_volume_is_passed_over(world: Any) -> None:
    world.run({"A": b"one"})
    folder = world.magazine("R1")
    (folder / "R1-000007.tar").write_bytes(b"no volume at all")
    (folder / "R1-000008.tar").mkdir()
    (folder / "R1-000009.tar").symlink_to("/etc/passwd")
    (folder / "R10-000001.tar").write_bytes(b"another drive's")
    with world.catalog() as catalog:
        assert catalog.catch_up("R1", folder) == ()
        assert catalog.catch_up("R1", world.folder / "nowhere") == ()


def test_a_session_that_died_before_its_report_is_settled_by_the_next_run(world: Any) -> None:
    """All its indexes are known; only the word that it has ended is missing."""
    world.run({"A": b"one"}, ("R1", "R2"), finish=False)
    world.run({"B": b"two"}, ("R3",), finish=False)
    with world.catalog() as catalog:
        assert [s.status for s in catalog.sessions()] == ["unfinished", "unfinished"]
        assert catalog.catch_up("R1", world.magazine("R1")) == ()
        # That of R3 may still be going on, for all that R1 can tell.
        assert [s.status for s in catalog.sessions()] == ["unfinished", "ok"]


def test_a_session_that_was_killed_is_never_ok_though_all_that_is_there_is_whole(world: Any) -> None:
    """Another source may have given nothing yet: the media do not know of it."""
    world.run({"A": b"one"}, ("R1", "R2"), record=False, finish=False)
    for drive in ("R1", "R2"):
        (volume,) = world.volumes(drive)
        with open_volume(volume) as reader:
            (position,) = [s.position for s in reader.indexes().sessions]
        os.truncate(volume, position)  # killed before it could write its index
    world.run({"B": b"two"}, ("R1", "R2"))
    assert statuses(world) == [("B", "whole", ["stored"] * 2), ("A", "whole", ["stored"] * 2)]
    with world.catalog() as catalog:
        assert [s.status for s in catalog.sessions()] == ["ok", "degraded"]
    made, faults = catalog_of_volumes([world.folder / "media"])
    with made:
        assert faults == ()
        assert [s.status for s in made.sessions()] == ["ok", "degraded"]


def test_what_an_older_copy_of_a_volume_lacks_is_not_believed_any_more(world: Any) -> None:
    """The catalog is newer than the media: a volume was put back as it was two sessions ago."""
    first = world.run({"home": b"1", "shop": b"1"}, ["R1", "R2"])
    volume = world.volumes("R1")[0]
    before = volume.read_bytes()
    second = world.run({"home": b"2"}, ["R1", "R2"])
    third = world.run({"home": b"3"}, ["R1"])
    volume.write_bytes(before)
    with world.catalog() as catalog:
        (note,) = catalog.catch_up("R1", world.magazine("R1"))
        assert "2 session(s) that the catalog knew are not on it any more" in note
        states = {o.id: (o.status, {c.drive: c.status for c in o.copies}) for o in catalog.objects()}
        assert states[first["home"]] == ("whole", {"R1": "stored", "R2": "stored"})
        assert states[second["home"]] == ("whole", {"R1": "failed", "R2": "stored"})
        assert third["home"] not in states
        assert catalog.catch_up("R1", world.magazine("R1")) == ()
        # Numbers are not given again.
        assert catalog.begin_session("night", "f", "2026-03-01T00:00:00.000Z").number == 4


def test_what_lies_before_a_gap_of_the_indexes_stays_known(world: Any, support: Any) -> None:
    for n in range(3):
        world.run({"home": bytes([n]) * 200_000}, ["R1"])
    (volume,) = world.volumes()
    # The second index cannot be believed: the chain from the end stops there.
    with open_volume(volume) as reader:
        last = reader.last_index()
        assert last is not None and last.previous is not None
        support.flip(volume, last.previous + 600)
    with open(volume, "ab") as file:
        file.write(bytes(512))
    with world.catalog() as catalog:
        known = catalog.objects()
        catalog.catch_up("R1", world.magazine("R1"))
        assert catalog.objects() == known


def test_a_copy_run_that_was_killed_on_the_volume_of_its_source_s_session_takes_nothing_from_that(
    world: Any, support: Any
) -> None:
    """Records name the session that read their source: what is recovered of them bears its name beside its own."""
    a, b = bytes(200_000), bytes(range(256)) * 900
    ids = world.run({"A": a, "B": support.Item(b, only={"R2": 2})}, ("R1", "R2"))
    (first,) = world.volumes("R1")
    records = []
    with open_volume(first) as reader:
        for found in reader.scan():
            if found.header.object_id == ids["B"]:
                into = memoryview(bytearray(found.end - found.position))
                records.append((reader.read(found.position, into), into))
    # The copy run: B once more onto R2, killed before it could write its index.
    with world.catalog() as catalog:
        session = catalog.begin_session("copy", "fp", world.started())
        (read_it,) = [s for s in catalog.sessions() if s.plan == "night"]
    origin = Session(read_it.id, read_it.number, "night", "fp-night", read_it.started)
    facts = ObjectFacts(ids["B"], "B", "stream", origin, drives=("R1", "R2"))
    drive = VolumesDrive("R2", world.magazine("R2"), on_index=lambda _: None)
    drive.mount(session, agent="A-R2", plan_record=64 * 1024)
    drive.begin(facts)
    for header, record in records:
        drive.write(record, ids["B"], header.sequence, header.payload_bytes)
    drive._release()
    # The next run recovers it: both objects are whole on both drives now, in whatever order the catalog hears of it.
    world.run({"C": b"next"}, ("R2",))
    expected = [("C", "whole", ["stored"]), ("B", "whole", ["stored"] * 2), ("A", "whole", ["stored"] * 2)]
    assert sorted(statuses(world)) == sorted(expected)
    made, faults = catalog_of_volumes([world.folder / "media"])
    with made:
        assert faults == ()
        assert sorted((o.source, o.status, [c.status for c in o.copies]) for o in made.objects()) == sorted(expected)
    with world.catalog() as catalog:
        with open_volume(world.volumes("R2")[0]) as reader:
            found = [IndexedVolume(reader.label, i, reader.path, reader.size) for i in reader.indexes().sessions]
        for indexed in reversed(found):
            catalog.record_volume(indexed)
    assert sorted(statuses(world)) == sorted(expected)
    assert (world.back("A", world.folder / "to").bytes, world.back("B", world.folder / "to-b").mended) == (len(a), 0)


def test_a_record_that_strayed_onto_another_volume_makes_no_whole_copy_doubtful() -> None:
    part = {
        "records": 3,
        "first_sequence": 0,
        "state": "whole",
        "continues": False,
        "session_id": "a",
        "volume_id": "v",
    }
    stray = part | {"records": 1, "first_sequence": 2, "state": "cut-off", "volume_id": "w"}
    assert copy_status(in_order([part])) == "stored"
    assert copy_status(in_order([part, stray])) == copy_status(in_order([stray, part])) == "stored"
    assert copy_status(in_order([stray])) == "cut-off"
    longer = stray | {"records": 2}  # it goes on behind what was thought to be the end
    assert copy_status(in_order([part, longer])) == "cut-off"
