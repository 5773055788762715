"""Damaged media: each record comes from any copy that has it sound; what is lost everywhere is named, others go on."""

import os
import random

import pytest
from breaking import breaks
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

#: ``TCC_EXAMPLES=1000 python -m pytest --timeout 0 --hypothesis-seed N`` tries more, and others.
EXAMPLES = int(os.environ.get("TCC_EXAMPLES", "15"))
pytestmark = pytest.mark.timeout(60 if EXAMPLES < 100 else 0)


def data(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def damage(world, support, drive: str, object_id: str, *sequences: int, header: bool = False) -> None:
    for volume in world.volumes(drive):
        places = support.positions(volume, object_id)
        for sequence in sequences:
            if sequence in places:
                support.flip(volume, places[sequence][0] + (600 if header else 2000))


@pytest.mark.parametrize("header", [False, True])
@pytest.mark.parametrize("sequences", [(0,), (3,), (0, 1, 2), (7,), tuple(range(8))])
def test_damaged_records_come_from_another_copy(copying, world, support, of_object, sequences, header) -> None:
    a, b = data(450_000), data(300_000, 2)
    ids = world.run({"a": a, "b": b}, ("R1", "R2"))
    damage(world, support, "R1", ids["a"], *sequences, header=header)
    report = copying.simple("a", "b")
    assert report.status == "ok", report
    assert copying.payload("N1", ids["a"]) == a and copying.payload("N1", ids["b"]) == b
    notes = "\n".join(report.notes)
    assert "was taken from drive R2" in notes and "R1-000001" in notes
    if not header:
        assert "at byte" in notes and "its digest is wrong" in notes


def test_record_that_no_copy_has_cuts_its_object_off_and_no_other(copying, world, support, of_object) -> None:
    a, b = data(450_000), data(300_000, 2)
    ids = world.run({"a": a, "b": b}, ("R1", "R2"))
    damage(world, support, "R1", ids["a"], 3)
    damage(world, support, "R2", ids["a"], 3)
    report = copying.simple("a", "b")
    assert report.status == "degraded"
    lost, good = of_object(report, ids["a"]), of_object(report, ids["b"])
    assert (lost.status, lost.copies[0].status) == ("cut-off", "cut-off")
    assert "record 3 is lost" in lost.error and "R1-000001" in lost.error and "R2-000001" in lost.error
    assert "at byte" in lost.error
    assert (good.status, good.copies[0].status) == ("whole", "stored")
    assert copying.payload("N1", ids["b"]) == b
    with world.catalog() as catalog:
        (item,) = catalog.objects(object_id=ids["a"])
        assert {c.drive: c.status for c in item.copies} == {"R1": "stored", "R2": "stored", "N1": "cut-off"}


def test_first_record_lost_everywhere_leaves_no_trace_on_the_target(copying, world, support, of_object) -> None:
    ids = world.run({"a": data(200_000), "b": b"small"}, ("R1",))
    damage(world, support, "R1", ids["a"], 0)
    report = copying.simple("a", "b")
    assert report.status == "degraded"
    assert ids["a"] not in copying.order("N1")


@pytest.mark.parametrize("drives", [("R1",), ("R1", "R2")])
def test_headers_in_bad_blocks_cost_nothing_behind_them(
    copying, world, support, of_object, monkeypatch, drives
) -> None:
    a, b = data(450_000), data(320_000, 2)
    ids = world.run({"a": a, "b": b}, drives, interleave=False)
    (volume,) = world.volumes("R1")
    at, _ = support.positions(volume, ids["a"])[3]
    breaks(monkeypatch, {volume: [at]})
    report = copying.simple("a", "b")
    monkeypatch.undo()
    assert any(f"at byte {at}: a member's header: it cannot be read" in note for note in report.notes)
    assert of_object(report, ids["b"]).status == "whole" and copying.payload("N1", ids["b"]) == b
    if len(drives) == 2:
        assert report.status == "ok" and copying.payload("N1", ids["a"]) == a
    else:
        assert "record 3 is lost" in of_object(report, ids["a"]).error


def test_missing_volume_is_made_up_for_by_another_copy(copying, world) -> None:
    a = data(600_000)
    ids = world.run({"a": a}, ("R1", "R2"), capacity=250_000)
    first, *_ = world.volumes("R1")
    first.unlink()
    report = copying.simple("a")
    assert report.status == "ok" and copying.payload("N1", ids["a"]) == a


def test_volume_whose_label_is_damaged_is_read_all_the_same(copying, world, support) -> None:
    """There is no other copy: every record of this one is sound."""
    a = data(450_000)
    ids = world.run({"a": a})
    support.flip(world.volumes("R1")[0], 700)
    report = copying.simple("a")
    assert report.status == "ok" and copying.payload("N1", ids["a"]) == a
    assert any("label" in note for note in report.notes)


def test_volume_that_is_cut_anywhere_is_made_up_for(copying, world) -> None:
    a = data(450_000)
    ids = world.run({"a": a}, ("R1", "R2"))
    (volume,) = world.volumes("R1")
    with open(volume, "r+b") as file:
        file.truncate(volume.stat().st_size // 2)
    report = copying.simple("a")
    assert report.status == "ok" and copying.payload("N1", ids["a"]) == a
    assert any("was taken from drive R2" in note for note in report.notes)


@given(seed=st.integers(0, 2**32))
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_damage_is_mended_or_named(tmp_path_factory, support, copying_in, of_object, seed: int) -> None:
    """Bytes are flipped at random on two copies: what arrives whole is right, and what does not is named."""
    turns = random.Random(seed)
    world = support.World(tmp_path_factory.mktemp("heal"))
    copying = copying_in(world)
    contents = {name: data(turns.randrange(1, 400_000), turns.randrange(99)) for name in "abc"}
    ids = world.run(contents, ("R1", "R2"), capacity=turns.choice([None, 300_000]))
    for drive in ("R1", "R2"):
        for _ in range(turns.randrange(4)):
            volume = turns.choice(world.volumes(drive))
            support.flip(volume, turns.randrange(16384, volume.stat().st_size))
    try:
        report = copying.simple("a", "b", "c")
    except Exception as error:  # noqa: BLE001 - a refusal is an answer, too: an index was damaged
        assert "passed over" in str(error) or "holds no" in str(error), error
        return
    for name, object_id in ids.items():
        one = of_object(report, object_id)
        if one.status == "whole":
            assert copying.payload("N1", object_id) == contents[name]
            assert one.copies[0].status == "stored"
        else:
            assert one.error and "lost" in one.error
