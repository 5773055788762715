"""A catalog that says otherwise of an object than the object's own first record: nothing is restored by it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tapechain.cli.main import _main

pytestmark = pytest.mark.timeout(100)

PLAN = """
plan p { record = 64KiB }
source T { files = "tree" level = "incremental" }
source S { stream = "noise" }
drive R1 { volumes = "media/R1" }
backup group g { agent A -> R1 { B1 <- T  B2 <- S } }
"""


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
