"""What a copy run asks its catalog for does not grow with what lies elsewhere."""

from __future__ import annotations

from typing import Any

import pytest
from tapechain.runtime.catalog.sqlite import SqliteLink
from tapechain.runtime.copying.holdings import look


def rows_of_a_look(world: Any, monkeypatch: pytest.MonkeyPatch, **more: Any) -> tuple[int, list[str]]:
    """The rows that the database hands over for one look at R1, and the objects that are found."""
    handed = 0
    tuples, rows = SqliteLink.tuples, SqliteLink.rows

    def counted(ask: Any) -> Any:
        def asked(self: SqliteLink, sql: str, values: Any = None) -> Any:
            nonlocal handed
            found = ask(self, sql, values)
            handed += 0 if "FROM volumes" in sql else len(found)
            return found

        return asked

    with monkeypatch.context() as patch, world.catalog() as catalog:
        patch.setattr(SqliteLink, "tuples", counted(tuples))
        patch.setattr(SqliteLink, "rows", counted(rows))
        holdings = look("R1", world.magazine("R1"), catalog, **more)
    assert not holdings.notes
    return handed, [held.item.id for held in holdings.objects]


def test_objects_elsewhere_are_not_read(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = world.run({"home": b"x" * 9000, "mail": b"y" * 9000}, ("R1",))
    before = rows_of_a_look(world, monkeypatch)
    one = rows_of_a_look(world, monkeypatch, only=[mine["home"]])
    assert sorted(before[1]) == sorted(mine.values())
    assert one[1] == [mine["home"]] and 0 < one[0] < before[0]
    for _ in range(3):
        world.run({f"other {n}": b"z" for n in range(20)}, ("R2", "R3"))
    assert rows_of_a_look(world, monkeypatch) == before
    assert rows_of_a_look(world, monkeypatch, only=[mine["home"]]) == one
