"""Restoring: what comes back, where it goes, what is chosen, what is refused."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tapechain.runtime.faults import AmbiguousFault, MediaFault, RestoreFault, UsageFault
from tapechain.runtime.model import Ending
from tapechain.runtime.restore.select import moment, resolve_source

pytestmark = pytest.mark.timeout(60)


def tree_archive(folder: Path) -> bytes:
    command = ["tar", "--create", "--format=posix", "--sparse", "--sort=name", "-b", "512", "-f", "-"]
    return subprocess.run(
        [*command, "-C", str(folder.parent), "--", folder.name], stdout=subprocess.PIPE, check=True
    ).stdout


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    place = tmp_path / "tree"
    (place / "sub").mkdir(parents=True)
    for n in range(60):
        (place / "sub" / f"file{n}").write_bytes(os.urandom(n * 300))
    (place / "big").write_bytes(os.urandom(400_000))
    os.link(place / "big", place / "hard")
    (place / "link").symlink_to("sub/file3")
    (place / "away").symlink_to("/etc")
    (place / "mode").write_bytes(b"")
    (place / "mode").chmod(0o604)
    with open(place / "sparse", "wb") as file:
        file.truncate(3_000_000)
    return place


def same(left: Path, right: Path) -> None:
    assert subprocess.run(["diff", "-r", "--no-dereference", str(left), str(right)], check=False).returncode == 0
    for path in left.rglob("*"):
        other = right / path.relative_to(left)
        assert path.lstat().st_mode == other.lstat().st_mode
        assert path.lstat().st_mtime_ns == other.lstat().st_mtime_ns or path.is_symlink()


def test_streams_and_a_tree_come_back_from_interleaved_spanning_volumes(
    world: Any, support: Any, tree: Path, tmp_path: Path
) -> None:
    data = {"empty": b"", "small": b"x", "even": os.urandom(64_000 * 2), "large": os.urandom(900_000)}
    world.run({**data, "tree": support.Item(tree_archive(tree), "files")}, ("R1", "R2"), capacity=700_000)
    assert len(world.volumes("R1")) > 3
    for name, content in data.items():
        assert world.back(name, tmp_path / f"to-{name}").status == "ok"
        assert [p.name for p in (tmp_path / f"to-{name}").iterdir()] == [name]
        assert (tmp_path / f"to-{name}" / name).read_bytes() == content
    result = world.back("tree", tmp_path / "to")
    assert (result.status, result.problems, result.mended) == ("ok", (), 0)
    same(tree, tmp_path / "to" / "tree")
    assert (tmp_path / "to" / "tree" / "hard").stat().st_nlink == 2
    assert (tmp_path / "to" / "tree" / "sparse").stat().st_blocks == 0


def test_the_newest_whole_object_is_chosen_by_the_count_of_sessions(world: Any, support: Any, tmp_path: Path) -> None:
    world.run({"D": b"first"})
    second = world.run({"D": b"second"})["D"]
    world.run({"D": support.Item(b"third", ending=Ending("failed", error="the command ended with 1"))})
    world.run({"D": support.Item(os.urandom(200_000), only={"R1": 2})})
    assert world.back("D", tmp_path / "a").object.id == second
    assert (tmp_path / "a" / "D").read_bytes() == b"second"
    assert world.back("D", tmp_path / "b", as_of="2026-01-01T12:00:00.000Z").bytes == len(b"first")
    with pytest.raises(RestoreFault, match="no session up to") as fault:
        world.back("D", tmp_path / "c", as_of="2025-01-01T00:00:00.000Z")
    assert "the oldest object that is known is of 2026-" in fault.value.todo


def test_an_object_that_is_not_whole_is_never_given_even_by_name(world: Any, support: Any, tmp_path: Path) -> None:
    failed = world.run({"D": support.Item(b"x" * 100_000, ending=Ending("failed", error="it died"))})["D"]
    cut = world.run({"D": support.Item(b"x" * 300_000, only={"R1": 1})})["D"]
    for identifier, why in ((failed, "failed.*it died"), (cut, "cut-off")):
        with pytest.raises(RestoreFault, match=why):
            world.back("D", tmp_path / "to", object_id=identifier)
    with pytest.raises(RestoreFault, match="none of its objects is whole"):
        world.back("D", tmp_path / "to")
    assert not (tmp_path / "to").exists()


def test_copies_that_are_cut_off_make_a_whole_object_together(world: Any, support: Any, tmp_path: Path) -> None:
    data = os.urandom(400_000)
    world.run({"D": data}, ("R1", "R2"), capacity=250_000)
    world.volumes("R1")[0].unlink()
    for volume in world.volumes("R2")[1:]:
        volume.unlink()
    result = world.back("D", tmp_path / "to", given=[world.magazine("R1"), world.magazine("R2")])
    assert result.status == "ok"
    assert (tmp_path / "to" / "D").read_bytes() == data


def test_an_older_object_is_taken_when_the_newest_is_not_at_hand(world: Any, tmp_path: Path) -> None:
    world.run({"D": b"old"}, ("R1",))
    world.run({"D": b"new"}, ("R2",))
    world.volumes("R2")[0].unlink()
    assert world.back("D", tmp_path / "to").bytes == 3
    assert (tmp_path / "to" / "D").read_bytes() == b"old"
    world.volumes("R1")[0].unlink()
    with pytest.raises(RestoreFault, match=r"none of its whole objects can be read.*R2-000001"):
        world.back("D", tmp_path / "to2")


def test_a_folder_that_holds_something_is_refused(world: Any, tmp_path: Path) -> None:
    world.run({"D": b"data"})
    to = tmp_path / "to"
    to.mkdir()
    (to / "mine").write_bytes(b"mine")
    with pytest.raises(RestoreFault, match="is not empty"):
        world.back("D", to)
    assert [p.name for p in to.iterdir()] == ["mine"]
    assert world.back("D", to, overwrite=True).status == "ok"
    assert (to / "mine").read_bytes() == b"mine"
    with pytest.raises(RestoreFault, match="cannot be used"):
        world.back("D", to / "mine")


def test_names_of_sources(world: Any, tmp_path: Path) -> None:
    world.run({"home": b"1", "odd/name": b"2"}, plan="night")
    world.run({"home": b"3"}, ("R2",), plan="day")
    with pytest.raises(UsageFault, match="means 2 sources of the catalog"):
        world.back("home", tmp_path / "x")
    assert world.back("day/home", tmp_path / "a").bytes == 1
    assert (tmp_path / "a" / "home").read_bytes() == b"3"
    world.back("night/home", tmp_path / "b")
    assert (tmp_path / "b" / "home").read_bytes() == b"1"
    world.back("odd/name", tmp_path / "c")
    assert [p.name for p in (tmp_path / "c").iterdir()] == ["odd%2Fname"]
    world.back("night/odd/name", tmp_path / "d")
    with pytest.raises(UsageFault, match="knows no source hom") as raised:
        world.back("hom", tmp_path / "e")
    assert "home" in raised.value.todo


def test_a_moved_magazine_is_found_where_the_user_says(world: Any, tmp_path: Path) -> None:
    world.run({"D": os.urandom(300_000)}, capacity=200_000)
    new = tmp_path / "elsewhere"
    shutil.move(world.magazine("R1"), new)
    with pytest.raises(RestoreFault, match="cannot be opened"):
        world.back("D", tmp_path / "a")
    assert world.back("D", tmp_path / "b", given=[new]).status == "ok"
    assert world.back("D", tmp_path / "c", given=sorted(new.iterdir())).status == "ok"


def test_a_volume_under_another_ones_name_is_not_believed(world: Any, tmp_path: Path) -> None:
    world.run({"D": b"one"}, ("R1",))
    world.run({"D": b"two"}, ("R2",))
    mine, other = world.volumes("R1")[0], world.volumes("R2")[0]
    shutil.copy(other, mine)
    other.unlink()
    with pytest.raises(RestoreFault, match="label says that it is R2-000001"):
        world.back("D", tmp_path / "to")


def test_a_volume_of_the_same_name_but_another_identity_is_not_believed(
    world: Any, support: Any, tmp_path: Path
) -> None:
    world.run({"D": b"one"}, ("R1",))
    stranger = support.World(tmp_path / "stranger")
    stranger.run({"D": b"two"}, ("R1",))
    shutil.copy(stranger.volumes("R1")[0], world.volumes("R1")[0])
    with pytest.raises(RestoreFault, match="was expected"):
        world.back("D", tmp_path / "to")
    with world.catalog() as catalog:
        from tapechain.runtime.restore.shelf import Shelf

        with pytest.raises(MediaFault):
            Shelf(catalog.volumes()).open(catalog.volumes()[0].id)


def test_moments() -> None:
    assert moment("2026-11-20T02:00:00Z") == "2026-11-20T02:00:00.000Z"
    assert moment("2026-11-20T02:00:00.5+02:00") == "2026-11-20T00:00:00.500Z"
    for wrong in ("yesterday", "2026-13-01", ""):
        with pytest.raises(UsageFault):
            moment(wrong)


def test_a_new_folder_is_its_owners_alone(world: Any, tmp_path: Path) -> None:
    world.run({"D": b"x"})
    world.back("D", tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700


def test_names_with_a_slash_have_a_way_out(world: Any) -> None:
    """Plan ``a/b`` with source ``c``, plan ``a`` with source ``b/c``: the text a/b/c means both."""
    one = world.run({"c": b"one"}, plan="a/b")["c"]
    two = world.run({"b/c": b"two"}, plan="a")["b/c"]
    with world.catalog() as catalog:
        with pytest.raises(AmbiguousFault, match="source b/c of plan a, source c of plan a/b") as caught:
            resolve_source(catalog, "a/b/c")
        assert caught.value.todo == "write a/b%2Fc or a%2Fb/c"
        assert resolve_source(catalog, "a/b%2Fc") == resolve_source(catalog, "b/c") == ("a", "b/c")
        assert resolve_source(catalog, "a%2Fb/c") == resolve_source(catalog, "a%2Fb/c", plan="a/b") == ("a/b", "c")
        assert resolve_source(catalog, "b/c", plan="a") == ("a", "b/c")
        assert resolve_source(catalog, "a/b/c", plan="a") == ("a", "b/c")
        assert resolve_source(catalog, "c", plan="a/b") == ("a/b", "c")
        assert resolve_source(catalog, "a/b/c", plan="a/b") == ("a/b", "c")
        assert resolve_source(catalog, "a/b/c", object_id=one) == ("a/b", "c")
        assert resolve_source(catalog, "a/b/c", object_id=two) == ("a", "b/c")
        with pytest.raises(UsageFault, match="knows no plan x"):
            resolve_source(catalog, "c", plan="x")
        with pytest.raises(UsageFault, match="the plan a has no source q"):
            resolve_source(catalog, "q", plan="a")
