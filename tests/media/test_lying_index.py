"""An index that is proved and lies: its JSON was changed, and every digest made anew. The records know better."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tapechain.cli.main import _main
from tapechain.runtime.catalog.rebuild import read_volume
from tapechain.runtime.media import index as index_format
from tapechain.runtime.media.ids import new_id
from tapechain.runtime.media.index import Index, IndexedObject
from tapechain.runtime.media.volume import open_volume

pytestmark = pytest.mark.timeout(200)

PLAN = """
plan p { record = 64KiB }
source T { files = "tree" level = "incremental" }
source S { stream = "noise" }
drive R1 { volumes = "media/R1" }
backup group g { agent A -> R1 { B1 <- T  B2 <- S } }
"""
STEP = 65_536


def one(source: str, change: Callable[[IndexedObject], dict[str, Any]]) -> Callable[[Index], Index]:
    def lie(index: Index) -> Index:
        return replace(
            index, objects=tuple(replace(o, **change(o)) if o.source == source else o for o in index.objects)
        )

    return lie


def swapped(index: Index) -> Index:
    names = {o.source: o.object_id for o in index.objects}
    other = {"S": names["T"], "T": names["S"]}
    return replace(index, objects=tuple(replace(o, object_id=other[o.source]) for o in index.objects))


LIES: dict[str, Callable[[Index], Index]] = {
    "first": one("S", lambda o: {"first": o.first + STEP}),
    "last": one("S", lambda o: {"last": o.first}),
    "more records": one("S", lambda o: {"records": o.records + 1}),
    "fewer records": one("S", lambda o: {"records": 1}),
    "very many records": one("S", lambda _: {"records": 10**9, "bytes": 10**14}),
    "bytes": one("S", lambda _: {"bytes": 7}),
    "first sequence": one("S", lambda _: {"first_sequence": 3}),
    "cut off": one("S", lambda _: {"state": "cut-off"}),
    "failed": one("S", lambda _: {"state": "failed"}),
    "continues": one("S", lambda _: {"continues": True}),
    "source": one("S", lambda _: {"source": "Q"}),
    "stream's kind": one("S", lambda _: {"kind": "files"}),
    "files' kind": one("T", lambda _: {"kind": "stream"}),
    "level": one("T", lambda _: {"level": "full", "parent": None}),
    "parent": one("T", lambda _: {"parent": new_id()}),
    "compress": one("S", lambda _: {"compress": "zstd"}),
    "encrypt": one("S", lambda _: {"encrypt": "age"}),
    "identifier": one("S", lambda _: {"object_id": new_id()}),
    "swapped": swapped,
    "object left out": lambda i: replace(i, objects=tuple(o for o in i.objects if o.source != "S")),
    "object too many": lambda i: replace(
        i, objects=(*i.objects, replace(i.objects[0], object_id=new_id(), source="X"))
    ),
    "session": lambda i: replace(i, session=replace(i.session, id=new_id())),
    "first record": lambda i: replace(i, first=i.first + STEP),
    "previous": lambda i: replace(i, previous=None),
}


def forge(volume: Path, lie: Callable[[Index], Index]) -> bool:
    """Put *lie* into the last index; whether that is still proved, or refused for what no index can say."""
    with open_volume(volume) as reader:
        index = reader.last_index()
    assert index is not None and index.position is not None
    data = index_format.encode(lie(index), index.position)
    with volume.open("r+b") as file:
        file.truncate(index.position)
        file.seek(index.position)
        file.write(data + bytes(1024))
    with open_volume(volume) as reader:
        return reader.last_index() is not None


@pytest.fixture
def tcc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Two sessions: a full and a stream, then an incremental behind a deletion and another stream."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CI", "1")
    monkeypatch.setenv("TCC_STATE", str(tmp_path / "state"))

    def call(*arguments: str, code: int = 0) -> str:
        got = _main(list(arguments))
        out, err = capfd.readouterr()
        assert "internal error" not in err and got == code, (arguments, got, out, err)
        return out + err

    (tmp_path / "tree").mkdir()
    (tmp_path / "p.tc").write_text(PLAN)
    for night in range(2):
        (tmp_path / "noise").write_bytes(os.urandom(300_000))
        (tmp_path / "tree" / f"f{night}").write_bytes(os.urandom(90_000))
        (tmp_path / "tree" / f"gone{night}").write_bytes(b"x")
        (tmp_path / "tree" / f"gone{night - 1}").unlink(missing_ok=True)
        call("run", "p.tc", "--progress", "none")
    return call


def volumes_rows(path: Path) -> list[tuple[object, ...]]:
    found = read_volume(path).sessions
    return sorted(
        (o.object_id, o.source, o.kind, o.level, o.parent, o.compress, o.encrypt, o.first, o.last, o.records, o.bytes)
        for one in found
        for o in one.index.objects
    )  # fmt: skip


def test_no_lie_of_an_index_loses_or_makes_anything(tcc: Callable[..., str], tmp_path: Path) -> None:
    """Each lie: what the volume holds is told as its records say, whole objects are whole, and the lie is named."""
    volume = tmp_path / "media" / "R1" / "R1-000001.tar"
    true = volumes_rows(volume)
    pristine = volume.read_bytes()
    for name, lie in LIES.items():
        volume.write_bytes(pristine)
        proved = forge(volume, lie)
        assert proved or name in {"very many records", "first record"}, name
        read = read_volume(volume)
        found, notes, doubt = read.sessions, read.notes, read.doubt
        assert volumes_rows(volume) == true, name
        assert all(o.state == "whole" and not o.continues for one in found for o in one.index.objects), name
        if proved and name not in {"first record", "previous"}:
            assert doubt is not None and "is not believed" in doubt, (name, doubt)
        else:
            assert notes or name == "previous", name


@pytest.mark.parametrize("name", ["level", "files' kind", "cut off", "object left out", "swapped"])
def test_a_catalog_rebuilt_from_an_index_that_lies_restores_all(
    tcc: Callable[..., str], tmp_path: Path, name: str
) -> None:
    forge(tmp_path / "media" / "R1" / "R1-000001.tar", LIES[name])
    said = tcc("verify", "--plan", "p.tc", code=0 if name == "swapped" else 1)
    # Where only the places are wrong, each object's records are found, in their order: nothing has to be copied anew.
    assert "is not sound" in said if name == "swapped" else "is not believed" in said
    shutil.rmtree(tmp_path / "state")
    said = tcc("catalog", "rebuild", "media", "--plan", "p.tc", code=3)
    assert "is not believed" in said and "R1-000001" in said
    tcc("restore", "S", "--plan", "p.tc", "--to", "s")
    assert (tmp_path / "s" / "S").read_bytes() == (tmp_path / "noise").read_bytes()
    tcc("restore", "T", "--plan", "p.tc", "--to", "t")
    back = tmp_path / "t" / str(tmp_path / "tree")[1:]
    assert {p.name: p.read_bytes() for p in back.iterdir()} == {
        p.name: p.read_bytes() for p in (tmp_path / "tree").iterdir()
    }
    # What lies there is appended to behind its end, and never overwritten.
    before = (tmp_path / "media" / "R1" / "R1-000001.tar").read_bytes()[:-1024]
    tcc("run", "p.tc", "--progress", "none")
    assert (tmp_path / "media" / "R1" / "R1-000001.tar").read_bytes().startswith(before)
    tcc("restore", "S", "--plan", "p.tc", "--to", "again")


def test_a_catalog_that_lies_of_an_object_restores_nothing_of_it(tcc: Callable[..., str], tmp_path: Path) -> None:
    import sqlite3

    for lie, source in (
        ("level = 'full', parent = NULL", "T"),
        ("kind = 'stream'", "T"),
        ("compress = 'zstd'", "S"),
    ):
        shutil.copy(tmp_path / "state" / "catalog.sqlite", tmp_path / "kept.sqlite")
        with sqlite3.connect(tmp_path / "state" / "catalog.sqlite") as database:
            database.execute(f"UPDATE objects SET {lie} WHERE source = '{source}' AND rowid IN"
                             f" (SELECT max(rowid) FROM objects WHERE source = '{source}')")  # fmt: skip
        database.close()
        said = tcc("restore", source, "--plan", "p.tc", "--to", "back", code=1)
        assert "as its first record says" in said and "tcc catalog rebuild" in said, lie
        assert not [p for p in (tmp_path / "back").rglob("*") if p.is_file() and p.stat().st_size]
        shutil.rmtree(tmp_path / "back", ignore_errors=True)
        for left in ("catalog.sqlite-wal", "catalog.sqlite-shm"):
            (tmp_path / "state" / left).unlink(missing_ok=True)
        shutil.copy(tmp_path / "kept.sqlite", tmp_path / "state" / "catalog.sqlite")
