"""A catalog that another command holds, or whose server is gone, never holds a run."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tapechain.runtime import engine
from tapechain.runtime.catalog import sqlite
from tapechain.runtime.catalog.scribe import Scribe
from tapechain.runtime.catalog.store import Catalog, open_catalog
from tapechain.runtime.control import Stop
from tapechain.runtime.events import NoObserver
from tapechain.runtime.faults import CatalogFault
from tapechain.runtime.plan import Agent, Buffer, CompiledPlan, Drive, Ring, Source

pytestmark = pytest.mark.timeout(60)


def endless(folder: Path) -> CompiledPlan:
    """A source that goes on until the run is stopped, onto small volumes."""
    return CompiledPlan(
        1, "night", "f", ".", 65536, 4 * 65536,
        (Source("flood", "command", command=("head", "-c", "2000000000", "/dev/zero")),),
        (Ring(0, 4, "flood", ("A.B1",)),),
        (Agent("A", "g", "write", "R1", "interleave", (Buffer("B1", 0, "flood"),)),),
        (Drive("R1", "volumes", volumes=str(folder / "R1"), capacity=400_000),),
    )  # fmt: skip


class Holder(NoObserver):
    """Holds the catalog's lock from the first volume on, and lets it go when the run has been asked to stop."""

    interval_seconds = 0.02

    def __init__(self, path: Path, stop: Stop) -> None:
        self.stop = stop
        self.lock = sqlite3.connect(path, isolation_level=None)
        self.seen = 0

    def started(self, *_: Any) -> None:
        self.lock.execute("BEGIN IMMEDIATE")

    def sample(self, snapshot: Any) -> None:
        # Four volumes and more are confirmed, and none of them is in the catalog.
        if snapshot.drives[0].bytes > 2_000_000 and self.stop.signal is None:
            self.seen += 1
            if self.seen == 5:
                self.stop.request(15)
                self.lock.execute("ROLLBACK")


def test_a_locked_catalog_does_not_hold_the_run(tmp_path: Path) -> None:
    path = tmp_path / "catalog.sqlite"
    stop = Stop()
    with open_catalog(path, create=True) as catalog, closing(Scribe(catalog)) as scribe:
        holder = Holder(path, stop)
        report = engine.run(
            endless(tmp_path), base=tmp_path, state=tmp_path / "state", catalog=scribe, observer=holder, stop=stop
        )
        assert holder.seen == 5
        assert report.signal == 15
        assert not any("catalog" in note for note in report.notes)
        # All of it is known in the end.
        assert {v.location for v in catalog.volumes()} == {str(p) for p in (tmp_path / "R1").iterdir()}
        assert [s.status for s in catalog.sessions()] == ["failed"]


def test_what_went_wrong_is_told_with_the_next_call_and_nothing_is_written_then(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.05)
    world.run({"home": b"x"}, record=False, finish=False)
    (indexed,) = world.indexed
    with world.catalog() as catalog, closing(Scribe(catalog)) as scribe:
        session = scribe.begin_session("night", "f", "2026-01-01T00:00:00.000Z")
        with closing(sqlite3.connect(world.catalog_path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            scribe.record_volume(indexed)
            with pytest.raises(CatalogFault, match="locked"):
                scribe.catch_up("R1", world.magazine("R1"))
        with pytest.raises(CatalogFault, match="locked"):
            scribe.record_volume(indexed)
        with pytest.raises(CatalogFault, match="locked"):
            scribe.begin_session("night", "f", session.started)
        assert catalog.objects() == []
    assert not any(t.name == "catalog" for t in threading.enumerate())


def test_what_is_left_is_written_in_order_before_it_closes(world: Any) -> None:
    for night in range(5):
        world.run({"home": bytes([night])}, record=False, finish=False)
    with world.catalog() as catalog:
        with closing(Scribe(catalog)) as scribe:
            for indexed in world.indexed:
                scribe.record_volume(indexed)
        assert len(catalog.objects()) == 5
        assert catalog.volumes()[0].bytes == world.volumes()[0].stat().st_size
        with closing(Scribe(catalog)):
            pass  # a thread that never began is none to wait for
        # Questions are the catalog's own.
        assert Scribe(catalog).source_names() == Catalog.source_names(catalog)
