"""A damaged label costs no data: the volume is read by its records, and never written. A label that lies is refused."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from tapechain.cli.main import _main
from tapechain.runtime.faults import MediaFault
from tapechain.runtime.media.label import LABEL_BYTES, UnreadableLabel
from tapechain.runtime.media.unlabelled import open_anyhow
from tapechain.runtime.media.volume import open_volume

pytestmark = pytest.mark.timeout(60)


def zero(volume: Path, size: int = LABEL_BYTES) -> None:
    with open(volume, "r+b") as file:
        file.write(bytes(size))


@pytest.mark.parametrize("size", [1, 512, 700, LABEL_BYTES])
@pytest.mark.parametrize("cut", [False, True])
def test_a_damaged_label_costs_no_data(world: Any, tmp_path: Path, size: int, cut: bool) -> None:
    data = os.urandom(300_000)
    world.run({"D": data})
    (volume,) = world.volumes()
    with open_volume(volume) as reader:
        identifier = reader.label.volume
    zero(volume, size)
    if cut:
        os.truncate(volume, volume.stat().st_size - 1500)
    with pytest.raises(UnreadableLabel):
        open_volume(volume)
    with open_anyhow(volume) as reader:
        assert reader.doubt and "never written" in reader.doubt
        assert (reader.label.volume == identifier) is not cut
        again = reader.label
    with open_anyhow(volume) as reader:
        assert reader.label == again
    # With the catalog, which knows the volume, and with the volume alone.
    assert world.back("D", tmp_path / "a").status == "ok"
    assert (tmp_path / "a" / "D").read_bytes() == data
    assert world.back("D", tmp_path / "b", given=[world.magazine("R1")]).status == "ok"
    assert (tmp_path / "b" / "D").read_bytes() == data


def test_every_flipped_byte_of_the_label_leaves_the_records_readable_or_the_label_whole(
    world: Any, support: Any, tmp_path: Path
) -> None:
    world.run({"D": b"data" * 100})
    (volume,) = world.volumes()
    whole = volume.read_bytes()
    end = whole.rindex(b"}", 0, LABEL_BYTES) + 2
    for at in [*range(0, 160), *range(256, 270), *range(512, end, 7), LABEL_BYTES - 1]:
        support.flip(volume, at, 1)
        try:
            with open_anyhow(volume) as reader:
                assert [o.source for s in reader.indexes().sessions for o in s.objects] == ["D"]
                assert reader.label.drive == "R1"
        finally:
            volume.write_bytes(whole)


def test_a_label_that_lies_is_refused_still(world: Any, tmp_path: Path) -> None:
    world.run({"D": b"1"})
    world.run({"E": b"2"}, ("R2",))
    (one,) = world.volumes("R1")
    renamed = one.with_name("R1-000007.tar")
    shutil.copy(one, renamed)
    with pytest.raises(MediaFault, match="its file's name says"):
        open_anyhow(renamed)
    # Without its label it is known by its index: not a volume of R2.
    zero(renamed)
    with pytest.raises(MediaFault, match="volume of drive R1"):
        open_anyhow(renamed.rename(tmp_path / "R2-000001.tar"))


@pytest.mark.parametrize("content", [b"", b"x" * 100, bytes(100_000), b"foreign" * 10_000, os.urandom(200_000)])
def test_what_holds_no_record_is_no_volume(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "R1-000001.tar"
    path.write_bytes(content)
    with pytest.raises(MediaFault):
        open_anyhow(path)


def test_it_is_never_appended_to(world: Any) -> None:
    world.run({"D": b"1" * 1000})
    (volume,) = world.volumes()
    zero(volume)
    before = volume.read_bytes()
    with pytest.raises(MediaFault, match="the last volume of its folder is refused"):
        world.run({"D": b"2" * 1000})
    assert volume.read_bytes() == before


def test_verify_and_rebuild_say_it(
    world: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    world.run({"D": b"1" * 1000})
    (volume,) = world.volumes()
    zero(volume)
    monkeypatch.setenv("TCC_STATE", str(world.state))
    assert _main(["verify"]) == 1
    said = capfd.readouterr()
    assert "read by its records alone" in said.out + said.err
    assert _main(["restore", "D", "--to", str(tmp_path / "to")]) == 0
    assert "read by its records alone" in capfd.readouterr().err
    assert _main(["catalog", "rebuild", str(world.magazine("R1"))]) == 3
    assert "read by its records alone" in capfd.readouterr().err
    assert _main(["objects", "--json"]) == 0
    assert [o["status"] for o in json.loads(capfd.readouterr().out)] == ["whole"]


def test_the_middle_of_an_object_is_read_without_label_and_index(
    world: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A volume on which no object begins, with both of what names it damaged, and the last sound copy of a record."""
    data = os.urandom(400_000)
    world.run({"D": data}, ("R1", "R2"), capacity=250_000)
    _, harmed = world.volumes("R1")[:2]
    zero(harmed)
    os.truncate(harmed, harmed.stat().st_size - 1500)
    world.volumes("R2")[1].unlink()
    assert world.back("D", tmp_path / "to").status == "ok"
    assert (tmp_path / "to" / "D").read_bytes() == data
    monkeypatch.setenv("TCC_STATE", str(world.state))
    assert _main(["verify"]) == 1
    assert "read by its records alone" in capfd.readouterr().out
    # No session is made up for it.
    assert _main(["catalog", "rebuild", str(world.magazine("R1"))]) == 3
    assert "no record on it says which session wrote it" in capfd.readouterr().err
    assert _main(["sessions", "--json"]) == 0
    assert [s["plan"] for s in json.loads(capfd.readouterr().out)] == ["night"]
