"""The catalog as a file: what it keeps, who may use it, and what it makes of files that are not what they should be."""

from __future__ import annotations

import dataclasses
import os
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from tapechain.runtime.catalog.facts import ContradictionFault
from tapechain.runtime.catalog.rebuild import rebuild
from tapechain.runtime.catalog.store import memory_catalog, open_catalog
from tapechain.runtime.drives.blank import BLANK_BYTES
from tapechain.runtime.faults import CatalogFault
from tapechain.runtime.media.ids import new_id
from tapechain.runtime.media.volume import open_volume
from tapechain.runtime.model import CopyReport, Ending, ObjectReport, RunReport

pytestmark = pytest.mark.timeout(60)


def test_what_only_the_run_knows_is_kept_beside_what_media_say(world: Any, support: Any) -> None:
    with world.catalog(create=True) as catalog:
        session = catalog.begin_session("night", "fp", "2026-01-01T00:00:00.000Z")
        assert [s.status for s in catalog.sessions()] == ["unfinished"]
        copies = (CopyReport("R1", "A1", "failed", (), "no such device"), CopyReport("X", "A2", "discarded"))
        report = ObjectReport("D", "01a20558-dfb5-7ef3-ae65-291b11b6c387", 10, 1, "whole", copies=copies)
        catalog.finish_session(RunReport(session.id, "night", "failed", (report,), 2.5), session, {"D": "command"})
        (known,) = catalog.objects()
        assert (known.status, known.kind, known.bytes) == ("whole", "command", 10)
        assert [(c.drive, c.status, c.error) for c in known.copies] == [
            ("R1", "failed", "no such device"),
            ("X", "discarded", None),
        ]
        (told,) = catalog.sessions()
        assert (told.status, told.seconds, told.objects) == ("failed", 2.5, 1)


def test_a_report_alone_does_not_make_a_copy_stored(world: Any) -> None:
    with world.catalog(create=True) as catalog:
        session = catalog.begin_session("night", "fp", "2026-01-01T00:00:00.000Z")
        report = ObjectReport(
            "D", "01a20558-dfb5-7ef3-ae65-291b11b6c387", 10, 1, "whole", copies=(CopyReport("R1", "A1", "stored"),)
        )
        catalog.finish_session(RunReport(session.id, "night", "ok", (report,), 2.5), session)
        assert [c.status for c in catalog.objects()[0].copies] == ["cut-off"]


def test_states_of_objects_and_copies(world: Any, support: Any) -> None:
    item = support.Item
    world.run(
        {
            "whole": b"1",
            "partly": item(os.urandom(300_000), only={"R2": 2}),
            "cut": item(os.urandom(300_000), only={"R1": 1, "R2": 2}),
            "failed": item(b"x" * 200_000, ending=Ending("failed", error="tar died")),
            "unread": item(b"x", "files", Ending("whole", ("a: Cannot open",), 1)),
            "one": item(b"x", drives=("R1",)),
        },
        ("R1", "R2"),
    )
    with world.catalog() as catalog:
        known = {o.source: (o.status, {c.drive: c.status for c in o.copies}) for o in catalog.objects()}
        assert known == {
            "whole": ("whole", {"R1": "stored", "R2": "stored"}),
            "partly": ("whole", {"R1": "stored", "R2": "cut-off"}),
            "cut": ("cut-off", {"R1": "cut-off", "R2": "cut-off"}),
            "failed": ("failed", {"R1": "failed", "R2": "failed"}),
            "unread": ("whole", {"R1": "stored", "R2": "stored"}),
            "one": ("whole", {"R1": "stored"}),
        }
        unread = catalog.objects(source="unread")[0]
        assert (unread.unread, unread.warnings) == (1, ("a: Cannot open",))
        assert catalog.objects(source="failed")[0].error == "tar died"


def test_a_drive_that_holds_nothing_of_what_it_was_to_hold_is_known_from_the_others(world: Any, support: Any) -> None:
    item = support.Item(b"x" * 100, drives=("R1", "R2"))
    world.run({"D": item}, ("R1",), finish=False)
    with world.catalog() as catalog:
        assert {c.drive: c.status for c in catalog.objects()[0].copies} == {"R1": "stored", "R2": "failed"}


def test_a_volume_that_moved_and_one_that_took_its_place(world: Any, support: Any) -> None:
    import dataclasses

    world.run({"D": b"x"})
    (indexed,) = world.indexed
    with world.catalog() as catalog:
        catalog.record_volume(dataclasses.replace(indexed, path=Path("/elsewhere/R1-000001.tar")))
        assert [v.location for v in catalog.volumes()] == ["/elsewhere/R1-000001.tar"]
    other = support.World(world.folder / "other")
    other.run({"D": b"y"})
    with world.catalog() as catalog:
        catalog.record_volume(dataclasses.replace(other.indexed[0], path=Path("/elsewhere/R1-000001.tar")))
        assert sorted((v.location or "") for v in catalog.volumes()) == ["", "/elsewhere/R1-000001.tar"]


def test_an_index_that_contradicts_is_not_recorded(world: Any) -> None:
    import dataclasses

    world.run({"D": b"x"})
    (indexed,) = world.indexed
    session = dataclasses.replace(indexed.index.session, number=99)
    twice = indexed.index.objects * 2
    for wrong in (
        dataclasses.replace(indexed, index=dataclasses.replace(indexed.index, session=session)),
        dataclasses.replace(indexed, index=dataclasses.replace(indexed.index, objects=twice)),
        dataclasses.replace(indexed, index=dataclasses.replace(indexed.index, volume="other")),
        dataclasses.replace(indexed, label=dataclasses.replace(indexed.label, name="R9-000001", drive="R9")),
    ):
        with world.catalog() as catalog:
            before = (catalog.objects(), catalog.sessions(), catalog.volumes())
            with pytest.raises(CatalogFault):
                catalog.record_volume(wrong)
            assert (catalog.objects(), catalog.sessions(), catalog.volumes()) == before


@pytest.mark.parametrize("change", ["origin", "source", "kind", "compress"])
def test_another_object_under_a_known_identifier_is_not_recorded(world: Any, tmp_path: Path, change: str) -> None:
    """Else its records would be taken for those of the one that is known, where a copy of that is damaged."""
    import dataclasses

    world.run({"D": b"x" * 100})
    other = type(world)(tmp_path / "other")
    other.run({"D": b"y" * 100})
    with world.catalog() as catalog:
        (known,) = catalog.objects()
        (session,) = catalog.sessions()
        (indexed,) = other.indexed
        lie = dataclasses.replace(indexed.index.objects[0], object_id=known.id)
        mine = dataclasses.replace(world.indexed[0].index.session, id=session.id)
        if change == "source":
            lie = dataclasses.replace(lie, source="E")
        elif change == "kind":
            lie = dataclasses.replace(lie, kind="files" if lie.kind != "files" else "stream")
        elif change == "compress":
            lie = dataclasses.replace(lie, compress="zstd")
        told = indexed.index.session if change == "origin" else mine
        index = dataclasses.replace(indexed.index, objects=(lie,), session=told)
        with pytest.raises(CatalogFault, match=r"another object|another story"):
            catalog.record_volume(dataclasses.replace(indexed, index=index))
        assert catalog.objects() == [known] and len(catalog.volumes()) == 1


def test_several_processes_and_threads_share_it(world: Any) -> None:
    with world.catalog(create=True):
        pass
    script = (
        "import sys\nfrom tapechain.runtime.catalog.store import open_catalog\n"
        "for _ in range(10):\n"
        "    with open_catalog(sys.argv[1], create=True) as c:\n"
        "        print(c.begin_session('p', 'f', '2026-01-01T00:00:00.000Z').number)\n"
    )
    children = [
        subprocess.Popen([sys.executable, "-c", script, str(world.catalog_path)], stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    numbers: list[int] = []
    with world.catalog() as catalog:

        def work() -> None:
            for _ in range(10):
                numbers.append(catalog.begin_session("p", "f", "2026-01-01T00:00:00.000Z").number)

        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=50)
    for child in children:
        out, _ = child.communicate(timeout=50)
        numbers += map(int, out.split())
    assert sorted(numbers) == list(range(1, 41))


def test_creating_it_at_the_same_moment(tmp_path: Path) -> None:
    faults: list[BaseException] = []
    start = threading.Barrier(6)

    def work() -> None:
        try:
            start.wait(timeout=20)
            with open_catalog(tmp_path / "new" / "catalog.sqlite", create=True) as catalog:
                catalog.begin_session("p", "f", "2026-01-01T00:00:00.000Z")
        except BaseException as error:  # noqa: BLE001 - handed to the test's thread
            faults.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=50)
    assert faults == []
    with open_catalog(tmp_path / "new" / "catalog.sqlite", create=False) as catalog:
        assert [s.number for s in catalog.sessions()] == [6, 5, 4, 3, 2, 1]


def test_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(CatalogFault, match="no catalog at"):
        open_catalog(tmp_path / "none.sqlite", create=False)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(CatalogFault, match="no catalog at"):
        open_catalog(tmp_path, create=False)


@pytest.mark.parametrize(
    ("sql", "match"),
    [
        ("UPDATE tapechain_catalog SET version = 99", "version 99; this tcc works with version"),
        ("UPDATE tapechain_catalog SET version = 0", "version 0"),
        ("INSERT INTO tapechain_catalog VALUES (7)", "damaged"),
        ("DELETE FROM tapechain_catalog", "damaged"),
        ("DROP TABLE tapechain_catalog", "not a catalog"),
        ("DROP TABLE entries", "lacks entries"),
        ("ALTER TABLE entries RENAME COLUMN records TO recs", "catalog"),
        ("UPDATE objects SET bytes = 'many'", "damaged"),
        ("UPDATE objects SET source = 7, status = x'00ff'", "damaged"),
        ("UPDATE objects SET warnings = '{\"a\": 1}'", "damaged"),
        ("UPDATE objects SET warnings = '[[[['", "damaged"),
        ("UPDATE entries SET first = -1e300", "damaged"),
        ("UPDATE entries SET first = NULL", "damaged"),
        ("UPDATE volumes SET location = x'00'", "damaged"),
        ("UPDATE sessions SET number = 'abc'", "damaged"),
    ],
)
def test_a_catalog_that_cannot_be_believed(world: Any, sql: str, match: str) -> None:
    world.run({"D": b"x"})
    with sqlite3.connect(world.catalog_path) as connection:
        connection.execute(sql)
    connection.close()
    with pytest.raises(CatalogFault, match=match), world.catalog() as catalog:
        catalog.objects()
        catalog.volumes()
        catalog.sessions()


def test_a_file_with_flipped_bytes_is_a_fault_or_still_right(world: Any, support: Any) -> None:
    world.run({f"source {n}": b"x" for n in range(30)})
    good = world.catalog_path.read_bytes()
    with world.catalog() as catalog:
        right = catalog.objects()
    wrong = 0
    for at in range(0, len(good), 997):
        world.catalog_path.write_bytes(good)
        support.flip(world.catalog_path, at)
        try:
            with world.catalog() as catalog:
                catalog.sessions()
                catalog.volumes()
                wrong += catalog.objects() != right
        except CatalogFault as fault:
            assert fault.todo
    assert wrong < len(good) // 997


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CatalogFault):
        open_catalog(tmp_path / "file" / "catalog.sqlite", create=True)
    for wrong in ("nonsense://host/name", "mysql+nodriver://host/db", "sqlite://host:port/x", "://"):
        with pytest.raises(CatalogFault, match="cannot be"):
            open_catalog(wrong, create=False)


def test_a_password_is_never_shown() -> None:
    from tapechain.runtime.catalog.database import parse_where

    assert "hush" not in parse_where("postgresql://me:hush@host/name")[1]


def test_what_a_copy_run_asks_is_a_part_of_what_all_questions_answer(world: Any, support: Any) -> None:
    world.run({"a": b"x" * 9000, "b": support.Item(b"y" * 9000, only={"R2": 1})}, ("R1", "R2"))
    world.run({"a": b"z" * 9000}, ("R3", "R2"))
    with world.catalog() as catalog:
        every = catalog.objects()
        for drive in ("R1", "R2", "R3", "R4"):
            held = [o for o in every if any(c.drive == drive and c.segments for c in o.copies)]
            assert catalog.objects(drive=drive) == held
        assert [len(catalog.objects(drive=drive)) for drive in ("R1", "R2", "R3", "R4")] == [2, 3, 1, 0]
        ids = [o.id for o in every[:2]] + [f"' OR 1=1 -- {n}" for n in range(1200)]
        assert sorted(catalog.objects_named(ids), key=lambda o: ids.index(o.id)) == every[:2]
        assert catalog.known(ids) == set(ids[:2])
        assert catalog.objects_named([]) == [] and catalog.known([]) == set() and catalog.begun([]) == {}
        assert [(p.id, p.name, p.drive, p.location, p.bytes) for p in catalog.places()] == [
            (v.id, v.name, v.drive, v.location, v.bytes) for v in catalog.volumes()
        ]
        for session in catalog.sessions():
            told = catalog.begun([session.id, "none"])
            assert list(told) == [session.id]
            known = told[session.id]
            assert (known.number, known.plan, known.fingerprint, known.started) == (
                session.number, session.plan, session.fingerprint, session.started,
            )  # fmt: skip


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE volumes SET bytes = 'many'",
        "UPDATE volumes SET location = x'00'",
        "UPDATE sessions SET fingerprint = x'00'",
        "UPDATE objects SET bytes = 'many'",
        "UPDATE entries SET records = 'many'",
        "UPDATE copies SET status = x'00'",
    ],
)
def test_what_a_copy_run_is_answered_is_checked_too(world: Any, sql: str) -> None:
    world.run({"D": b"x"}, ("R1",))
    with sqlite3.connect(world.catalog_path) as connection:
        connection.execute(sql)
    connection.close()
    with pytest.raises(CatalogFault, match="damaged"), world.catalog() as catalog:
        for item in catalog.objects(drive="R1"):
            catalog.begun([item.session_id])
        catalog.places()


def test_a_change_in_memory_that_fails_is_taken_back(world: Any) -> None:
    world.run({"D": b"x"})
    with memory_catalog() as catalog:
        with pytest.raises(ZeroDivisionError):
            catalog.record_volumes(one if n == 0 else 1 // 0 for n, one in enumerate([*world.indexed, None]))
        assert catalog.objects() == [] and catalog.volumes() == []
        catalog.record_volumes(world.indexed)
        assert len(catalog.objects()) == 1


def test_a_catalog_in_memory_is_its_own(world: Any) -> None:
    world.run({"D": b"x"})
    with memory_catalog() as one, memory_catalog() as other:
        one.record_volumes(world.indexed)
        assert len(one.objects()) == 1
        assert other.objects() == []


def test_a_new_catalog_is_its_owner_s_alone_and_a_rebuilt_one_lets_in_whom_the_old_one_did(
    world: Any, support: Any
) -> None:
    before = os.umask(0)
    try:
        world.run({"A": b"x"}, ("R1",))
    finally:
        os.umask(before)
    assert world.catalog_path.stat().st_mode & 0o777 == 0o600
    world.catalog_path.chmod(0o640)
    rebuild(world.catalog_path, [world.folder / "media" / "R1"])
    assert world.catalog_path.stat().st_mode & 0o777 == 0o640


def test_an_empty_volume_never_hides_what_is_known(world: Any) -> None:
    """Word of the label comes late: the session that began on it meanwhile counts for more."""
    world.run({"D": b"data"})
    with world.catalog() as catalog:
        (before,) = catalog.volumes()
        path = Path(str(before.location))
        with open_volume(path) as reader:
            label = reader.label
        catalog.record_empty(label, path, BLANK_BYTES)
        assert catalog.volumes() == [before]
        other = dataclasses.replace(label, name="R1-000009", created="2026-01-01T00:00:00.000Z")
        catalog.record_empty(other, path, BLANK_BYTES)
        assert catalog.volumes() == [before]
        fresh = dataclasses.replace(label, volume=new_id(), name="R1-000002")
        for _ in range(2):
            catalog.record_empty(fresh, path.with_name("R1-000002.tar"), BLANK_BYTES)
        assert [(v.name, v.sessions, v.objects) for v in catalog.volumes()] == [
            ("R1-000001", 1, 1),
            ("R1-000002", 0, 0),
        ]
        with pytest.raises(ContradictionFault):
            catalog.record_empty(dataclasses.replace(fresh, name="R1-000003"), path, BLANK_BYTES)
