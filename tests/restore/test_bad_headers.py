"""A bad block under a record's headers costs what it lies under, and nothing behind it."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path
from typing import Any

import pytest
from breaking import PAGE, breaks
from tapechain.runtime.catalog.rebuild import rebuild
from tapechain.runtime.catalog.store import open_catalog
from tapechain.runtime.gone import Witnesses
from tapechain.runtime.media.volume import open_volume
from tapechain.runtime.restore.shelf import Shelf
from tapechain.runtime.restore.verify import verify

pytestmark = pytest.mark.timeout(100)


def checked(world: Any, source: str | None = None) -> Any:
    with world.catalog() as catalog:
        volumes = catalog.volumes()
        return verify(catalog, Shelf(volumes), volumes=volumes, source=("night", source) if source else None)


@pytest.mark.parametrize("of_source", [None, "D"])
@pytest.mark.parametrize("interleave", [True, False])
def test_verify_goes_on_behind_headers_that_cannot_be_read(
    world: Any, support: Any, monkeypatch: pytest.MonkeyPatch, of_source: str | None, interleave: bool
) -> None:
    made = world.run({"D": os.urandom(600_000), "E": os.urandom(256_000)}, interleave=interleave)
    (volume,) = world.volumes("R1")
    places = support.positions(volume, made["D"])
    others = support.positions(volume, made["E"])
    bad = [places[2][0], places[5][0]]
    assert not any(at % PAGE for at in bad)  # so that the page holds no byte of the record before
    breaks(monkeypatch, {volume: bad})
    said = checked(world, of_source)
    (verdict,) = said.volumes
    assert verdict.status == "damaged"
    assert verdict.records == len(places) - 2 + (0 if of_source else len(others))
    for problem, at in zip(verdict.problems, bad, strict=False):
        assert f"at byte {at}: a member's header: it cannot be read: Input/output error (65536 bytes)" in problem
    assert f"2 of {len(places)} records are not sound or not there" in verdict.problems[2]
    assert len(verdict.problems) == 3
    assert {o.source: o.status for o in said.objects} == {"D": "lost"} | ({} if of_source else {"E": "sound"})


@pytest.mark.parametrize("sequences", [(0,), (3, 4), (0, 1, 2, 3), (8, 9)])
def test_records_under_bad_headers_come_from_the_other_copy(
    world: Any, support: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, sequences: tuple[int, ...]
) -> None:
    data, other = os.urandom(600_000), os.urandom(200_000)
    made = world.run({"D": data, "E": other}, ("R1", "R2"))
    first, second = world.volumes("R1")[0], world.volumes("R2")[0]
    one, two = support.positions(first, made["D"]), support.positions(second, made["D"])
    # Each copy lacks what the other one has.
    breaks(monkeypatch, {first: [one[s][0] for s in sequences], second: [two[s][0] for s in (6,)]})
    world.back("D", tmp_path / "out")
    assert (tmp_path / "out" / "D").read_bytes() == data
    world.back("E", tmp_path / "out2")
    assert (tmp_path / "out2" / "E").read_bytes() == other


def test_of_a_single_copy_only_what_was_hit_is_lost(
    world: Any, support: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    content = {f"f{n:02}": os.urandom(50_000) for n in range(16)}
    members = [(tarfile.TarInfo(name), data) for name, data in content.items()]
    for info, data in members:
        info.size = len(data)
    made = world.run({"D": support.Item(support.archive(members), "files"), "E": b"e" * 512_000})
    (volume,) = world.volumes("R1")
    places = support.positions(volume, made["D"])
    breaks(monkeypatch, {volume: [places[4][0]]})
    result = world.back("D", tmp_path / "d")
    assert result.status == "degraded"
    assert "record 4" in result.problems[0] and "Input/output error" in result.problems[0]
    came = {p.name: p.read_bytes() for p in (tmp_path / "d").iterdir()}
    assert came.items() <= content.items()
    assert 13 <= len(came) < 16
    assert world.back("E", tmp_path / "e").status == "ok"


def test_a_catalog_that_is_made_anew_knows_what_lies_behind_headers_that_cannot_be_read(
    world: Any, support: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made = world.run({"D": os.urandom(600_000), "E": b"e" * 64_000})
    (volume,) = world.volumes()
    with open_volume(volume) as reader:
        last = reader.last_index()
    assert last is not None and last.position is not None
    places = support.positions(volume, made["D"])
    os.truncate(volume, last.position)
    breaks(monkeypatch, {volume: [places[3][0]]})
    result = rebuild(os.fspath(tmp_path / "new.sqlite"), [volume])
    assert result.volumes == 1
    assert any("a member's header: it cannot be read" in note for note in result.notes)
    with open_catalog(tmp_path / "new.sqlite", create=False) as catalog:
        items = {item.source: item for item in catalog.objects()}
    assert items["E"].status == "whole"
    assert items["D"].status == "cut-off"
    assert items["D"].copies[0].segments[0].records == len(places) - 1


def test_an_index_whose_objects_begin_in_bad_blocks_is_believed_all_the_same(
    world: Any, support: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made = world.run({"D": os.urandom(300_000)})
    world.run({"D": os.urandom(300_000)})
    (volume,) = world.volumes()
    places = support.positions(volume, made["D"])
    breaks(monkeypatch, {volume: [places[0][0]]})
    result = rebuild(os.fspath(tmp_path / "new.sqlite"), [volume])
    assert (result.volumes, result.indexes, result.faults) == (1, 2, ())
    verdict = checked(world).volumes[0]
    assert len(verdict.problems) == 2 and "a member's header" in verdict.problems[0]


def test_who_gives_something_up_because_of_a_volume_must_read_its_headers(
    world: Any, support: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = world.run({"D": os.urandom(300_000)})
    (volume,) = world.volumes()
    at, _ = support.positions(volume, made["D"])[0]
    with world.catalog() as catalog:
        (item,) = catalog.objects()
        assert Witnesses(catalog).lacks(item, item.copies[0].segments) is None
        breaks(monkeypatch, {volume: [at]})
        assert "cannot be read" in str(Witnesses(catalog).lacks(item, item.copies[0].segments))


def test_a_device_that_gives_nothing_any_more_is_left_soon(
    world: Any, support: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = world.run({"D": os.urandom(3_000_000)})
    (volume,) = world.volumes()
    places = support.positions(volume, made["D"])
    failed = breaks(monkeypatch, {volume: list(range(places[5][0], os.stat(volume).st_size + PAGE, PAGE))})
    (verdict,) = checked(world).volumes
    assert verdict.status == "damaged"
    assert any(f"at byte {places[5][0]}" in problem for problem in verdict.problems)
    assert failed[0] < 300
