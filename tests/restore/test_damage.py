"""Damaged media: as long as some copy of each record is sound the data comes back; else the loss is named."""

from __future__ import annotations

import errno
import io
import os
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tapechain.runtime.faults import RestoreFault
from tapechain.runtime.media import volume as volume_module
from tapechain.runtime.media.scan import reader_of
from tapechain.runtime.restore.shelf import Shelf
from tapechain.runtime.restore.verify import verify

pytestmark = pytest.mark.timeout(110)

RECORDS = 6
DRIVES = ("R1", "R2")
WHERE = st.sampled_from(["header", "label", "payload", "all"])


def hurt(support: Any, volume: Path, position: int, size: int, where: str) -> None:
    if where == "all":
        with open(volume, "r+b") as file:
            file.seek(position)
            file.write(os.urandom(size))
    else:
        support.flip(volume, position + {"header": 130, "label": 700, "payload": min(1600, size - 1)}[where], 0x11)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    damage=st.dictionaries(st.tuples(st.sampled_from(DRIVES), st.integers(0, RECORDS - 1)), WHERE, max_size=8),
    capacity=st.sampled_from([None, 300_000]),
    drop=st.sampled_from([None, None, "R1", "R2"]),
)
@example(damage={("R1", 0): "header", ("R1", 3): "header", ("R2", 1): "header"}, capacity=None, drop=None)
@example(
    damage={("R1", 0): "header", ("R1", 3): "header", ("R2", 3): "header", ("R2", 1): "header"},
    capacity=None,
    drop=None,
)
def test_any_damage_is_mended_or_named(support: Any, damage: Any, capacity: int | None, drop: str | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        world = support.World(base)
        payload = support.RECORD - 1536
        data = os.urandom(payload * RECORDS)
        other = os.urandom(payload * 3)
        ids = world.run({"other": other, "D": data}, DRIVES, capacity=capacity)
        places = {
            (drive, sequence): (volume, *at)
            for drive in DRIVES
            for volume in world.volumes(drive)
            for sequence, at in support.positions(volume, ids["D"]).items()
        }
        assert len(places) == 2 * RECORDS
        for key, where in damage.items():
            hurt(support, *places[key], where)
        gone = set(damage)
        if drop:
            gone |= {(drop, n) for n in range(RECORDS)}
            for volume in world.volumes(drop):
                volume.unlink()
        lost = [n for n in range(RECORDS) if all((d, n) in gone for d in DRIVES)]

        to = base / "to"
        result = world.back("D", to)
        if not lost:
            assert (result.status, result.problems) == ("ok", ())
            assert (to / "D").read_bytes() == data
        else:
            assert f"record {lost[0]} is lost" in result.problems[0]
            assert not (to / "D").exists()
            assert result.records == lost[0]
            assert result.status == ("degraded" if lost[0] else "failed")
            if lost[0]:
                assert (to / "D.partial").read_bytes() == data[: payload * lost[0]]
            else:
                assert list(to.iterdir()) == []


def files_object(sizes: list[int]) -> tuple[bytes, dict[str, bytes]]:
    out = io.BytesIO()
    content = {f"d/f{i:03d}": os.urandom(size) for i, size in enumerate(sizes)}
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, data in content.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), 1_700_000_000.25
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue(), content


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lost=st.integers(0, 8), sizes=st.lists(st.sampled_from([0, 10, 3000, 70_000, 200_000]), min_size=8, max_size=12))
def test_a_tree_with_a_lost_record_has_only_right_files(support: Any, lost: int, sizes: list[int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        world = support.World(base)
        data, content = files_object(sizes)
        identifier = world.run({"D": support.Item(data, "files")})["D"]
        (volume,) = world.volumes("R1")
        places = support.positions(volume, identifier)
        lost = min(lost, len(places) - 1)
        support.flip(volume, places[lost][0] + 1600)
        result = world.back("D", base / "to")
        restored = {str(p.relative_to(base / "to")): p.read_bytes() for p in (base / "to").rglob("*") if p.is_file()}
        assert restored.items() <= content.items()
        assert f"record {lost} is lost" in result.problems[0]
        assert result.status == ("degraded" if restored else "failed")
        # All that lies wholly before the lost record came back.
        ends = dict(zip(content, _ends(data), strict=True))
        payload = support.RECORD - 1536
        assert {name for name, end in ends.items() if end <= lost * payload} <= set(restored)


def _ends(data: bytes) -> list[int]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return [m.offset_data + m.size for m in tar]


def test_a_cut_volume_gives_what_it_has_and_the_rest_from_elsewhere(world: Any, support: Any, tmp_path: Path) -> None:
    data = os.urandom(500_000)
    identifier = world.run({"D": data}, ("R1", "R2"))["D"]
    (volume,) = world.volumes("R1")
    at, size = support.positions(volume, identifier)[4]
    os.truncate(volume, at + size // 2)
    result = world.back("D", tmp_path / "to")
    assert (tmp_path / "to" / "D").read_bytes() == data
    assert result.mended == 4
    assert "record 4 was taken from drive R2" in result.mended_notes[0]
    assert "R1-000001" in result.mended_notes[0]


def test_records_of_other_objects_that_are_damaged_do_no_harm(world: Any, support: Any, tmp_path: Path) -> None:
    data = {name: os.urandom(400_000) for name in ("A", "B", "C")}
    ids = world.run(data)
    (volume,) = world.volumes("R1")
    for at, size in support.positions(volume, ids["B"]).values():
        hurt(support, volume, at, size, "all")
    for name in ("A", "C"):
        result = world.back(name, tmp_path / name)
        assert (result.status, result.mended) == ("ok", 0)
        assert (tmp_path / name / name).read_bytes() == data[name]
    assert world.back("B", tmp_path / "B").status == "failed"


def test_a_volume_inside_a_payload_is_not_taken_for_the_volume(world: Any, support: Any, tmp_path: Path) -> None:
    inner = world.run({"D": b"inner" * 50_000})["D"]
    image = world.volumes("R1")[0].read_bytes()
    identifier = world.run({"image": image, "D": b"outer" * 50_000}, ("R2",), interleave=False)
    (volume,) = world.volumes("R2")
    hurt(support, volume, *support.positions(volume, identifier["image"])[0], "header")
    assert world.back("D", tmp_path / "to", given=[volume]).bytes == 250_000
    assert (tmp_path / "to" / "D").read_bytes() == b"outer" * 50_000
    with pytest.raises(Exception, match="knows no object"):
        world.back("D", tmp_path / "x", given=[volume], object_id=inner)


def test_the_last_record_is_what_ends_an_object(world: Any, support: Any, tmp_path: Path) -> None:
    identifier = world.run({"D": b"z" * 200_000})["D"]
    (volume,) = world.volumes("R1")
    at, size = max(support.positions(volume, identifier).values())
    hurt(support, volume, at, size, "header")
    result = world.back("D", tmp_path / "to")
    assert result.status == "degraded"
    assert "record 3 is lost" in result.problems[0]
    os.truncate(volume, at)
    with pytest.raises(RestoreFault, match="none of its objects is whole"):
        world.back("D", tmp_path / "to2", given=[volume])


class Enough(Exception):
    pass


@pytest.mark.parametrize("after", [1, 2, 3, 4])
def test_a_restore_that_is_stopped_leaves_nothing_wrong(world: Any, support: Any, tmp_path: Path, after: int) -> None:
    data, content = files_object([10, 100_000, 70_000, 5, 90_000])
    stream = os.urandom(400_000)
    world.run({"F": support.Item(data, "files"), "S": stream})
    calls = []

    def stop(done: int) -> None:
        calls.append(done)
        if len(calls) == after:
            raise Enough

    with pytest.raises(Enough):
        world.back("F", tmp_path / "f", progress=stop)
    restored = {str(p.relative_to(tmp_path / "f")): p.read_bytes() for p in (tmp_path / "f").rglob("*") if p.is_file()}
    assert restored.items() <= content.items()
    assert restored
    calls.clear()
    with pytest.raises(Enough):
        world.back("S", tmp_path / "s", progress=stop)
    assert [p.name for p in (tmp_path / "s").iterdir()] == ["S.partial"]
    assert stream.startswith((tmp_path / "s" / "S.partial").read_bytes())


@pytest.mark.parametrize("of_source", [False, True])
def test_each_record_that_cannot_be_read_is_named_and_those_behind_it_are_verified(
    world: Any, support: Any, monkeypatch: pytest.MonkeyPatch, of_source: bool
) -> None:
    identifier = world.run({"D": os.urandom(600_000)})["D"]
    (volume,) = world.volumes("R1")
    places = support.positions(volume, identifier)
    bad = [places[2], places[5]]

    def failing(fd: int) -> Any:
        read = reader_of(fd)

        def reads(view: memoryview, position: int) -> int:
            if any(position <= at + 5000 < position + len(view) for at, _ in bad):
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return int(read(view, position))

        return reads

    monkeypatch.setattr(volume_module, "reader_of", failing)
    with world.catalog() as catalog:
        volumes = catalog.volumes()
        said = verify(catalog, Shelf(volumes), volumes=volumes, source=("night", "D") if of_source else None)
    (verdict,) = said.volumes
    assert verdict.status == "damaged" and verdict.records == len(places) - 2
    for problem, (at, _), sequence in zip(verdict.problems, bad, (2, 5), strict=False):
        assert f"record {sequence}, at byte {at + 1536}: it cannot be read: Input/output error" in problem
    assert f"2 of {len(places)} records are not sound or not there" in verdict.problems[2]
    assert len(verdict.problems) == 3 and [o.status for o in said.objects] == ["lost"]
