"""Paths and names with bytes that are no UTF-8, in SQLite and in a real PostgreSQL."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tapechain.runtime.catalog.store import open_catalog
from tapechain.runtime.catalog.texts import kept, read, read_bytes
from tapechain.runtime.faults import CatalogFault

ANY_TEXT = st.text(st.one_of(st.characters(exclude_categories=()), st.sampled_from('\udcff\udc80\x1a\0\\"a')))


@given(ANY_TEXT, ANY_TEXT)
@example("\x1a", "\x1a\\u001a")
@example("/b\udcff", "\x1a/b\\udcff")
def test_every_text_comes_back_and_no_two_are_kept_alike(one: str, other: str) -> None:
    raw = kept(one).encode()
    assert b"\0" not in raw
    assert read(kept(one)) == read_bytes(raw) == one
    assert (kept(one) == kept(other)) == (one == other)


@given(st.text(st.characters(exclude_characters="\x1a\0", exclude_categories=("Cs",))))
def test_what_is_utf_8_is_kept_as_it_is(text: str) -> None:
    assert kept(text) == text


@pytest.mark.parametrize("text", ["\x1a", "\x1a\\", "\x1a\\ud", '\x1a"', "\x1aplain"])
def test_what_nobody_kept_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        read(text)


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgresql"))
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/state \xff"))
    return str(folder / "catalog\udce9.sqlite")


def test_volumes_below_such_a_folder_and_names_of_such_bytes(world: Any, support: Any, place: str) -> None:
    odd = Path("/vol\udcff")
    world.run({"s\udcfe": support.Item(b"x" * 1000)}, ("R1", "R2"), plan="p\udcff")
    with open_catalog(place, create=True) as catalog:
        catalog.record_volumes(dataclasses.replace(i, path=odd / i.path.name) for i in world.indexed)
        session = catalog.begin_session("p\udcff", "", "2026-11-23T00:00:00.000Z")
    with open_catalog(place, create=False) as catalog:
        assert {v.location for v in catalog.volumes()} == {str(odd / i.path.name) for i in world.indexed}
        assert {p.location for p in catalog.places()} == {v.location for v in catalog.volumes()}
        assert catalog.source_names() == [("p\udcff", "s\udcfe")]
        assert [o.source for o in catalog.objects(plan="p\udcff", source="s\udcfe")] == ["s\udcfe"]
        assert catalog.sessions(plan="p\udcff")[0].id == session.id
        # Another volume at the same place takes it: texts are compared as they are kept.
        first = world.indexed[0]
        label = dataclasses.replace(first.label, volume="0197a2c4-0000-7000-8000-000000000000", name="other")
        catalog.record_empty(label, odd / first.path.name, 1024)
        assert [v.location for v in catalog.volumes() if v.id == first.label.volume] == [None]


def test_a_text_that_nobody_kept_is_damage(tmp_path: Path) -> None:
    import sqlite3

    place = tmp_path / "catalog.sqlite"
    with open_catalog(place, create=True) as catalog:
        catalog.begin_session("p", "", "2026-11-23T00:00:00.000Z")
    connection = sqlite3.connect(place)
    connection.execute("UPDATE sessions SET plan = ?", ("\x1a\\q",))
    connection.commit()
    connection.close()
    with open_catalog(place, create=False) as catalog, pytest.raises(CatalogFault, match="damaged"):
        catalog.sessions()
