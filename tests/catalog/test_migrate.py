"""From an older version of the tables to this one, and what is refused. ``golden/`` holds a catalog of each version."""

from __future__ import annotations

import gzip
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tapechain.runtime.catalog import migrate, prepare, tables
from tapechain.runtime.catalog.store import open_catalog
from tapechain.runtime.faults import CatalogFault

GOLDEN = Path(__file__).parent / "golden"
pytestmark = pytest.mark.timeout(60)


def golden(version: int, to: Path) -> Path:
    with gzip.open(GOLDEN / f"v{version}.sqlite.gz") as packed, open(to, "wb") as file:
        shutil.copyfileobj(packed, file)
    return to


def shape(path: Path) -> list[tuple[str, str, list[Any]]]:
    """All tables and indexes, with their columns, as the database sees them."""
    with sqlite3.connect(path) as database:
        names = database.execute("SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'").fetchall()
        return sorted(
            (kind, name, sorted(row[1:] for row in database.execute(f"PRAGMA {kind}_info({name})")))
            for kind, name in names
        )


@pytest.mark.parametrize("version", range(tables.OLDEST, tables.VERSION + 1))
def test_every_version_there_was_comes_to_this_one(tmp_path: Path, version: int) -> None:
    path = golden(version, tmp_path / "catalog.sqlite")
    with open_catalog(path, create=False) as catalog:
        objects = catalog.objects()
        assert [(o.plan, o.source, o.status) for o in objects] == [
            ("night", "home", "whole"), ("night", "shop", "failed"), ("night", "home", "whole"),
            ("night", "shop", "whole"),
        ]  # fmt: skip
        assert [len(c.segments) for c in objects[2].copies] == [2, 2]
        assert next((v.name, v.pool, v.sessions) for v in catalog.volumes()) == ("R1-000001", "month", 1)
        assert [s.status for s in catalog.sessions()] == ["degraded", "ok"]
        assert catalog.begin_session("night", "f", "2026-02-01T00:00:00.000Z").number == 3
    open_catalog(tmp_path / "new.sqlite", create=True).close()
    assert shape(path) == shape(tmp_path / "new.sqlite")
    assert (GOLDEN / f"v{version}.sqlite.gz").exists()


@pytest.fixture
def next_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program of the next version, with one more column and one more table."""
    new = tables.Table("notes", (tables.Column("id", key=True), tables.Column("text")))
    steps = (
        "CREATE TABLE notes (id TEXT NOT NULL, text TEXT NOT NULL, PRIMARY KEY (id))",
        "INSERT INTO notes SELECT id, plan FROM sessions",
        "CREATE INDEX sessions_by_plan ON sessions (plan)",
    )
    monkeypatch.setattr(tables, "VERSION", tables.VERSION + 1)
    monkeypatch.setattr(tables, "TABLES", (*tables.TABLES, new))
    monkeypatch.setattr(migrate, "STEPS", {**migrate.STEPS, tables.VERSION - 1: steps})


def test_a_step_forward_keeps_the_old_file_aside(tmp_path: Path, next_version: None) -> None:
    path = golden(tables.VERSION - 1, tmp_path / "catalog.sqlite")
    with sqlite3.connect(path) as database:
        before = list(database.iterdump())
    with open_catalog(path, create=False) as catalog:
        assert len(catalog.objects()) == 4
        link = catalog._links
        with link.reading() as reading:
            assert [row["text"] for row in reading.rows("SELECT text FROM notes")] == ["night", "night"]
    kept = tmp_path / f"catalog.sqlite.version-{tables.VERSION - 1}"
    with sqlite3.connect(kept) as database:
        assert list(database.iterdump()) == before
    open_catalog(path, create=True).close()
    assert sorted(p.name for p in tmp_path.iterdir() if "version" in p.name) == [kept.name]


def test_a_step_that_fails_changes_nothing(tmp_path: Path, next_version: None, monkeypatch: pytest.MonkeyPatch) -> None:
    path = golden(tables.VERSION - 1, tmp_path / "catalog.sqlite")
    steps = ("CREATE TABLE notes (id TEXT)", "DROP TABLE copies", "DELETE FROM nowhere")
    monkeypatch.setattr(migrate, "STEPS", {tables.VERSION - 1: steps})
    with pytest.raises(CatalogFault, match="older version, and cannot be brought to version") as fault:
        open_catalog(path, create=True)
    assert fault.value.safe == "it was not changed"
    monkeypatch.undo()
    with open_catalog(path, create=False) as catalog:
        assert len(catalog.objects()) == 4


def test_killed_within_a_step_it_is_of_the_old_version(tmp_path: Path) -> None:
    path = golden(tables.VERSION, tmp_path / "catalog.sqlite")
    script = (
        "import os, sys\nfrom tapechain.runtime.catalog import migrate, sqlite, tables\n"
        "tables.VERSION += 1\nmigrate.STEPS = {tables.VERSION - 1: ('DROP TABLE copies', 'die')}\n"
        "run = sqlite.SqliteLink.run\n"
        "sqlite.SqliteLink.run = lambda self, sql, *values: os._exit(9) if sql == 'die' else run(self, sql, *values)\n"
        "from tapechain.runtime.catalog.store import open_catalog\nopen_catalog(sys.argv[1], create=True)\n"
    )
    assert subprocess.run([sys.executable, "-c", script, str(path)], timeout=50).returncode == 9
    with open_catalog(path, create=False) as catalog:
        assert len(catalog.objects()[2].copies) == 2


def test_many_at_once_migrate_once(tmp_path: Path) -> None:
    path = golden(tables.VERSION, tmp_path / "catalog.sqlite")
    script = (
        "import sys\nfrom tapechain.runtime.catalog import migrate, tables\n"
        "tables.VERSION += 1\n"
        "migrate.STEPS = {tables.VERSION - 1: ('ALTER TABLE sessions ADD COLUMN remark TEXT',)}\n"
        "from tapechain.runtime.catalog.store import open_catalog\n"
        "with open_catalog(sys.argv[1], create=False) as c: c.source_names()\n"
    )
    children = [subprocess.Popen([sys.executable, "-c", script, str(path)]) for _ in range(4)]
    assert [child.wait(timeout=50) for child in children] == [0] * 4
    with pytest.raises(CatalogFault, match=f"version {tables.VERSION + 1}; this tcc") as fault:
        open_catalog(path, create=True)
    assert "newer tcc" in fault.value.todo


def test_on_postgresql(postgresql: str, world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    world.run({"home": b"x"})
    with open_catalog(postgresql, create=True) as catalog:
        catalog.record_volumes(world.indexed)
    monkeypatch.setattr(tables, "VERSION", tables.VERSION + 1)
    steps = ("ALTER TABLE sessions ADD COLUMN remark TEXT", "UPDATE sessions SET remark = plan")
    monkeypatch.setattr(migrate, "STEPS", {tables.VERSION - 1: steps})
    with open_catalog(postgresql, create=False) as catalog:
        assert len(catalog.objects()) == 1
        with catalog._links.reading() as link:
            assert link.rows("SELECT remark FROM sessions") == [{"remark": "night"}]


def test_where_it_may_not_be_written_it_says_so(
    world: Any, next_version: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = golden(tables.VERSION - 1, world.folder / "catalog.sqlite")
    before = path.read_bytes()
    monkeypatch.setattr("tapechain.runtime.catalog.sqlite._may_write", lambda _: False)
    with pytest.raises(CatalogFault, match="older version") as fault:
        open_catalog(path, create=False)
    assert "may write it" in fault.value.todo
    assert path.read_bytes() == before


def test_prepare_and_migrate_know_the_same_versions() -> None:
    assert sorted(migrate.STEPS) == list(range(tables.OLDEST, tables.VERSION))
    assert prepare.tables is tables
