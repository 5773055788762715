"""Records that are sound and lie in the wrong place: a restore finds them, and verify names them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from tapechain.runtime.restore.shelf import Shelf
from tapechain.runtime.restore.verify import verify


def verified(world: Any) -> Any:
    with world.catalog() as catalog:
        volumes = catalog.volumes()
        return verify(catalog, Shelf(volumes), volumes=volumes)


def exchange(volume: Path, one: tuple[int, int], two: tuple[int, int]) -> None:
    data = bytearray(volume.read_bytes())
    (a, size), (b, same) = one, two
    assert size == same
    data[a : a + size], data[b : b + size] = data[b : b + size], data[a : a + size]
    volume.write_bytes(data)


def test_records_that_changed_places_are_named_and_still_come_back(world: Any, support: Any, tmp_path: Path) -> None:
    data = os.urandom(400_000)
    identifier = world.run({"D": data})["D"]
    (volume,) = world.volumes("R1")
    assert verified(world).sound
    places = support.positions(volume, identifier)
    exchange(volume, places[1], places[3])
    said = verified(world)
    assert [v.status for v in said.volumes] == ["damaged"]
    assert any("it is out of its order" in problem for problem in said.volumes[0].problems)
    assert [(o.status, [c.status for c in o.copies]) for o in said.objects] == [("damaged", ["damaged"])]
    assert world.back("D", tmp_path / "to").status == "ok"
    assert (tmp_path / "to" / "D").read_bytes() == data


def test_a_first_record_that_is_not_where_its_index_has_it_is_named(world: Any, support: Any, tmp_path: Path) -> None:
    ids = world.run({"A": os.urandom(200_000), "B": os.urandom(200_000)})
    (volume,) = world.volumes("R1")
    exchange(volume, support.positions(volume, ids["A"])[0], support.positions(volume, ids["B"])[0])
    said = verified(world)
    # Each object's records are all there, in their order: nothing needs to be copied anew.
    assert [v.status for v in said.volumes] == ["healed"] and said.sound
    assert any("where its index has it" in problem for problem in said.volumes[0].problems)
    assert [world.back(name, tmp_path / name).status for name in ("A", "B")] == ["ok", "ok"]


@pytest.mark.parametrize("interleave", [True, False])
def test_each_exchange_of_two_records_is_named_or_changes_no_object(
    world: Any, support: Any, interleave: bool, tmp_path: Path
) -> None:
    """What any reader gets of an object are its records in the order of the volume."""
    contents = {"A": os.urandom(400_000), "B": os.urandom(400_000)}
    ids = world.run(contents, interleave=interleave)
    (volume,) = world.volumes("R1")
    pristine = volume.read_bytes()
    held = [(*place, key) for key in ids.values() for place in support.positions(volume, key).values()]
    unnamed = 0
    for n, (a, size, _) in enumerate(held):
        for b, same, _ in held[n + 1 :]:
            if size != same:
                continue
            volume.write_bytes(pristine)
            exchange(volume, (a, size), (b, same))
            said = verified(world)
            if any(v.problems for v in said.volumes):
                continue
            unnamed += 1
            for key in ids.values():
                assert list(support.positions(volume, key)) == sorted(support.positions(volume, key))
            for name, data in contents.items():
                assert world.back(name, tmp_path / f"{a}-{b}-{name}").status == "ok"
                assert (tmp_path / f"{a}-{b}-{name}" / name).read_bytes() == data
    # Only what lies side by side can change places so, and only where objects lie mixed.
    assert unnamed == (9 if interleave else 0)
