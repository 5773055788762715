"""A catalog rebuilt from volumes is the catalog that the runs wrote, but for what no medium can know."""

from __future__ import annotations

import errno
import os
import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tapechain.runtime.catalog.rebuild import read_volume, rebuild
from tapechain.runtime.catalog.store import Catalog, memory_catalog
from tapechain.runtime.faults import CatalogFault, MediaFault, UsageFault
from tapechain.runtime.media import volume as volume_module
from tapechain.runtime.media.scan import reader_of
from tapechain.runtime.media.volume import open_volume
from tapechain.runtime.model import Ending

pytestmark = pytest.mark.timeout(60)

#: What only a run can know (docs/catalog.md): how it said that it ended, and what never reached a medium.
ONLY_A_RUN_KNOWS = {"sessions": {"reported"}, "objects": {"error"}, "copies": {"error", "agent"}}


def rows(path: Path, *, all_columns: bool = False) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, sorted."""
    with closing(sqlite3.connect(path)) as connection:
        tables = [r[0] for r in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        out = {}
        for table in tables:
            columns = [r[1] for r in connection.execute(f"PRAGMA table_info({table})")]
            if not all_columns:
                columns = [c for c in columns if c not in ONLY_A_RUN_KNOWS.get(table, set())]
            found = connection.execute(f"SELECT {', '.join(columns)} FROM {table}").fetchall()
            out[table] = sorted(found, key=repr)
    return out


def a_history(world: Any, support: Any) -> None:
    """Sessions of two plans: spanning, appended, degraded, with failures, with warnings."""
    item = support.Item
    world.run({"A": os.urandom(500_000), "B": b""}, ("R1", "R2"), capacity=300_000)
    world.run(
        {
            "A": item(os.urandom(200_000), ending=Ending("whole", ("file changed",), 2)),
            "B": item(b"x" * 100_000, ending=Ending("failed", error="it died")),
        },
        ("R1", "R2"),
        capacity=300_000,
    )
    world.run({"A": item(os.urandom(300_000), only={"R2": 2})}, ("R1", "R2"), capacity=300_000)
    world.run({"A": b"day", "odd / name": b"1"}, ("R3",), plan="day")


def test_all_rows_are_the_same(world: Any, support: Any, tmp_path: Path) -> None:
    a_history(world, support)
    result = rebuild(tmp_path / "new.sqlite", [world.folder / "media" / d for d in ("R3", "R2", "R1")])
    assert not result.faults
    assert result.volumes == len(world.volumes())
    assert rows(tmp_path / "new.sqlite") == rows(world.catalog_path)
    with Catalog_at(tmp_path / "new.sqlite") as new, world.catalog() as old:
        assert new.volumes() == old.volumes()
        assert [s.status for s in new.sessions()] == [s.status for s in old.sessions()]
        assert [(o.id, o.status, o.bytes, o.records) for o in new.objects()] == [
            (o.id, o.status, o.bytes, o.records) for o in old.objects()
        ]


def Catalog_at(path: Path) -> Catalog:
    from tapechain.runtime.catalog.store import open_catalog

    return open_catalog(path, create=False)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10_000))
def test_neither_order_nor_repetition_of_indexes_matters(world: Any, support: Any, seed: int) -> None:
    if not world.indexed:
        a_history(world, support)
    chosen = random.Random(seed)
    indexed = world.indexed + chosen.choices(world.indexed, k=5)
    chosen.shuffle(indexed)
    # Sizes grow as sessions are appended; the last one told counts, as it does on the medium.
    largest = {i.label.volume: max(j.size_bytes for j in indexed if j.label.volume == i.label.volume) for i in indexed}
    import dataclasses

    with memory_catalog() as catalog:
        for one in indexed:
            catalog.record_volume(dataclasses.replace(one, size_bytes=largest[one.label.volume]))
        with world.catalog() as written:
            assert [(o.id, o.status, o.records, o.bytes, o.warnings, o.unread) for o in catalog.objects()] == [
                (o.id, o.status, o.records, o.bytes, o.warnings, o.unread) for o in written.objects()
            ]
            assert [[(c.drive, c.status, c.segments) for c in o.copies] for o in catalog.objects()] == [
                [(c.drive, c.status, c.segments) for c in o.copies] for o in written.objects()
            ]
            assert catalog.volumes() == written.volumes()


def test_the_old_catalog_is_kept(world: Any, support: Any) -> None:
    a_history(world, support)
    before = rows(world.catalog_path, all_columns=True)
    first = rebuild(world.catalog_path, [world.folder / "media" / "R1"])
    assert first.kept is not None
    assert rows(first.kept, all_columns=True) == before
    second = rebuild(world.catalog_path, [world.folder / "media" / "R1"])
    assert second.kept not in {None, first.kept}
    names = {p.name for p in world.state.iterdir()}
    assert names == {"catalog.sqlite", first.kept.name, second.kept.name}


def test_a_damaged_catalog_is_replaced(world: Any) -> None:
    world.run({"D": b"1"})
    world.catalog_path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(CatalogFault, match="damaged"):
        world.catalog()
    assert not rebuild(world.catalog_path, [world.magazine("R1")]).faults
    with world.catalog() as catalog:
        assert [o.source for o in catalog.objects()] == ["D"]


def test_unreadable_volumes_are_named_and_the_others_go_on(world: Any, support: Any, tmp_path: Path) -> None:
    world.run({"D": os.urandom(900_000)}, capacity=250_000)
    first, second, third = world.volumes()[:3]
    support.flip(first, 700)
    third.write_bytes(b"")
    (world.magazine("R1") / "R1-000099.tar").symlink_to(second)
    (world.magazine("R1") / "notes.txt").write_text("foreign")
    (world.magazine("R1") / "other.tar").write_bytes(b"foreign")
    result = rebuild(tmp_path / "new.sqlite", [world.magazine("R1")])
    told = sorted(str(f) for f in result.faults)
    assert [t.split(": ")[0].rpartition("/")[2] for t in told] == ["R1-000001.tar", "R1-000003.tar", "R1-000099.tar"]
    assert result.volumes == len(list(world.magazine("R1").glob("R1-*.tar"))) - 2
    assert "read by its records alone" in next(t for t in told if "R1-000001" in t)


def test_nothing_is_replaced_when_no_volume_can_be_read(world: Any, tmp_path: Path) -> None:
    world.run({"D": b"1"})
    (tmp_path / "empty").mkdir()
    assert rebuild(world.catalog_path, [tmp_path / "empty"]).volumes == 0
    with pytest.raises(UsageFault, match="does not exist"):
        rebuild(world.catalog_path, [tmp_path / "nowhere"])
    with world.catalog() as catalog:
        assert len(catalog.objects()) == 1
    assert [p.name for p in world.state.iterdir()] == ["catalog.sqlite"]


def test_two_volumes_that_claim_one_identity(world: Any, support: Any, tmp_path: Path) -> None:
    """A label with the identifier of another volume is not believed."""
    import dataclasses

    from tapechain.runtime.media import label as label_format

    world.run({"D": b"one"})
    world.run({"D": b"two"}, ("R2",))
    one, two = (i for i in world.indexed)
    forged = dataclasses.replace(two.label, volume=one.label.volume)
    with open(world.volumes("R2")[0], "r+b") as file:
        file.write(label_format.encode(forged))
    result = rebuild(tmp_path / "new.sqlite", [world.magazine("R1"), world.magazine("R2")])
    assert len(result.faults) == 1
    assert "bears the identifier of R1-000001" in str(result.faults[0])


def test_the_same_volume_twice_is_one_volume(world: Any, tmp_path: Path) -> None:
    world.run({"D": b"one"})
    copy = tmp_path / "copy"
    shutil.copytree(world.magazine("R1"), copy)
    result = rebuild(tmp_path / "new.sqlite", [world.magazine("R1"), copy])
    assert not result.faults
    with Catalog_at(tmp_path / "new.sqlite") as catalog:
        assert len(catalog.volumes()) == 1
        assert len(catalog.objects()[0].copies) == 1


def test_volumes_without_an_index_are_read_record_by_record(world: Any, support: Any, tmp_path: Path) -> None:
    data = os.urandom(400_000)
    ids = world.run({"D": data, "E": b"e" * 70_000})
    (volume,) = world.volumes()
    places = support.positions(volume, ids["D"])
    at, size = places[max(places)]
    os.truncate(volume, at + size)
    result = rebuild(tmp_path / "new.sqlite", [volume])
    assert not result.faults
    assert any("no index" in n for n in result.notes)
    with Catalog_at(tmp_path / "new.sqlite") as catalog:
        (session,) = catalog.sessions()
        assert (session.number, session.plan) == (1, "night")
        assert {o.source: (o.status, o.kind, o.id) for o in catalog.objects()} == {
            "D": ("whole", "stream", ids["D"]),
            "E": ("whole", "stream", ids["E"]),
        }


def test_an_object_whose_first_volume_has_no_index_keeps_its_session(world: Any, support: Any, tmp_path: Path) -> None:
    data = os.urandom(500_000)
    identifier = world.run({"D": data}, capacity=300_000)["D"]
    first = world.volumes()[0]
    places = support.positions(first, identifier)
    at, size = places[max(places)]
    os.truncate(first, at + size)
    rebuild(tmp_path / "new.sqlite", [world.magazine("R1")])
    with Catalog_at(tmp_path / "new.sqlite") as catalog:
        (item,) = catalog.objects()
        assert (item.status, item.bytes, item.kind) == ("whole", len(data), "stream")
        assert [c.status for c in item.copies] == ["stored"]


def test_an_earlier_session_count_is_never_given_again(world: Any) -> None:
    with world.catalog(create=True) as catalog:
        assert catalog.begin_session("p", "f", "2026-01-01T00:00:00.000Z", at_least=41).number == 42
        assert catalog.begin_session("p", "f", "2026-01-01T00:00:00.000Z").number == 43


def test_what_bad_blocks_leave_of_a_volume_without_an_index_is_recorded(
    world: Any, support: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The object that was hit is cut off there, every other one is known, and the blocks are named."""
    data = os.urandom(600_000)
    identifier = world.run({"D": data, "E": b"e" * 70_000}, ("R1", "R2"))["D"]
    volumes = world.volumes()
    for volume in volumes:
        with open_volume(volume) as reader:
            last = reader.last_index()
        assert last is not None and last.position is not None
        os.truncate(volume, last.position)
    places = support.positions(volumes[0], identifier)
    bad = {os.stat(volumes[0]).st_ino: places[3][0], os.stat(volumes[1]).st_ino: places[6][0]}

    def failing(fd: int) -> Any:
        read, at = reader_of(fd), bad[os.fstat(fd).st_ino] + 20_000

        def reads(view: memoryview, position: int) -> int:
            if position <= at < position + len(view):
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return read(view, position)

        return reads

    monkeypatch.setattr(volume_module, "reader_of", failing)
    result = rebuild(os.fspath(tmp_path / "new.sqlite"), volumes)
    assert result.volumes == 2 and len(result.faults) == 2
    for fault, sequence in zip(result.faults, (3, 6), strict=True):
        assert f"record {sequence}, at byte" in fault.message and "it cannot be read" in fault.message
    with Catalog_at(tmp_path / "new.sqlite") as catalog:
        items = {item.source: item for item in catalog.objects()}
        assert [c.status for c in items["E"].copies] == ["stored", "stored"]
        with pytest.raises(MediaFault, match="cannot be read"):
            read_volume(volumes[0])  # who adds to a catalog that knows more is not told of a part
        copies = items["D"].copies
        assert len(copies) == 2 and all(c.status != "stored" for c in copies)
        assert [c.segments[0].records for c in copies] == [len(places) - 1] * 2
