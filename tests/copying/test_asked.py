"""What a copy run asks its catalog for does not grow with what lies elsewhere."""

from __future__ import annotations

from typing import Any

import pytest
from tapechain.runtime.catalog.sqlite import SqliteLink
from tapechain.runtime.copying.holdings import Asked, look
from tapechain.runtime.copying.selectors import asked, parse


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
    one = rows_of_a_look(world, monkeypatch, only=Asked(frozenset([mine["home"]])))
    assert sorted(before[1]) == sorted(mine.values())
    assert one[1] == [mine["home"]] and 0 < one[0] < before[0]
    for _ in range(3):
        world.run({f"other {n}": b"z" for n in range(20)}, ("R2", "R3"))
    assert rows_of_a_look(world, monkeypatch) == before
    assert rows_of_a_look(world, monkeypatch, only=Asked(frozenset([mine["home"]]))) == one


@pytest.mark.parametrize("text", ["home", '"night/home"', "latest(home)", 'all("night/home")', "chain(home)"])
@pytest.mark.parametrize("behind", [False, True])
def test_what_nobody_selects_is_not_read(world: Any, monkeypatch: pytest.MonkeyPatch, text: str, behind: bool) -> None:
    """Other sources on the same drive cost their names, not their objects; also where the volumes tell themselves."""
    mine = [world.run({"home": b"x", "mail": b"y"})["home"] for _ in range(2)]
    only = asked([parse(text)])

    def rows() -> tuple[int, list[str]]:
        if behind:
            with world.catalog() as catalog:
                catalog.forget_volume(catalog.volumes()[0].id)
        return rows_of_a_look(world, monkeypatch, only=only)

    before = rows()
    assert before[1] == mine[::-1]
    world.run({"home": b"other"}, ("R2",), plan="other")
    for _ in range(3):
        world.run({f"mail {n}": b"z" for n in range(20)})
    after = rows()
    assert after[1] == mine[::-1]
    names = 20
    assert after[0] <= before[0] + names + 3 or behind, "sixty objects more"


def test_what_is_asked_of_a_drive() -> None:
    assert asked([parse("home"), parse("all")]) is None
    assert asked([parse("all(home)"), parse('object("x")')]) == Asked(frozenset({"x"}), frozenset({"home"}))
