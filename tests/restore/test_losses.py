"""Records that are lost in every copy: the members behind come back, what is lost is named, nothing is wrong."""

from __future__ import annotations

import io
import os
import random
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tapechain.runtime.members.lists import ListWriter, MemberList
from tapechain.runtime.restore.restore import Restored, plan_reading, restore
from tapechain.runtime.restore.select import choose
from tapechain.runtime.restore.selection import select
from tapechain.runtime.restore.shelf import Shelf

pytestmark = pytest.mark.timeout(110)

PAYLOAD = 64 * 1024 - 1536
SLOWLY = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
SIZES = st.lists(st.sampled_from([0, 10, 3000, 30_000, 70_000, 200_000]), min_size=6, max_size=14)


def gnu_tar(folder: Path, *names: str) -> bytes:
    command = [
        "tar",
        "--create",
        "--format=posix",
        "--sparse",
        "--sort=name",
        "-b",
        "512",
        "-f",
        "-",
        "-C",
        str(folder),
    ]
    return subprocess.run([*command, *names], capture_output=True, check=True, timeout=60).stdout


def tree(sizes: list[int], seed: int = 0) -> tuple[bytes, dict[str, bytes]]:
    """An archive as Python's tarfile makes it (every member with an extended header), and its content."""
    out, rng = io.BytesIO(), random.Random(seed)
    content = {f"top/d{i % 3}/f{i:03d}": rng.randbytes(size) for i, size in enumerate(sizes)}
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, data in sorted(content.items()):
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), 1_700_000_000.25
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue(), content


def ends(data: bytes) -> dict[str, tuple[int, int]]:
    """Where each member's headers begin and its content ends."""
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {m.name: (m.offset, m.offset_data + (m.size + 511 & -512)) for m in tar}


class Lossy:
    """A world with one object, of which some records are lost in its only copy."""

    def __init__(self, support: Any, base: Path, data: bytes, lost: set[int]) -> None:
        self.world = support.World(base)
        self.base, self.data = base, data
        identifier = self.world.run({"D": support.Item(data, "files")})["D"]
        (volume,) = self.world.volumes("R1")
        self.places = support.positions(volume, identifier)
        self.lost = {n for n in lost if n < len(self.places)}
        for n in self.lost:
            support.flip(volume, self.places[n][0] + 1600)

    def back(
        self, *, listed: bool, keep: bool = False, globs: tuple[str, ...] = (), to: str = "to", overwrite: bool = False
    ) -> Restored:
        path = self.base / "list.members"
        writer = ListWriter(path)
        writer.feed(memoryview(self.data))
        assert writer.keep(), writer.why
        with self.world.catalog() as catalog, MemberList(path) as members:
            shelf = Shelf(catalog.volumes())
            chosen = choose(catalog, "night", "D", shelf).object
            return restore(
                plan_reading(chosen, shelf),
                shelf,
                self.base / to,
                overwrite=overwrite,
                members=members if listed else None,
                keep_damaged=keep,
                only=select(members, globs) if globs else None,
            )

    def files(self, to: str = "to") -> dict[str, bytes]:
        root = self.base / to
        return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file() and not p.is_symlink()}

    def untouched(self) -> set[str]:
        """Members of which no byte lies in a lost record."""
        return {
            name
            for name, (start, end) in ends(self.data).items()
            if not any(start < (n + 1) * PAYLOAD and end > n * PAYLOAD for n in self.lost)
        }


@SLOWLY
@example(sizes=[0, 30000, 0, 70000, 200000, 0, 3000, 70000], lost={5, 6})
@given(sizes=SIZES, lost=st.sets(st.integers(0, 20), min_size=1, max_size=5))
def test_with_a_list_all_that_is_not_hit_comes_back_and_all_that_is_hit_is_named(
    support: Any, sizes: list[int], lost: set[int]
) -> None:
    data, content = tree(sizes)
    with tempfile.TemporaryDirectory() as folder:
        one = Lossy(support, Path(folder), data, lost)
        result = one.back(listed=True)
        assert one.files() == {name: content[name] for name in one.untouched()}
        for name in content.keys() - one.untouched():
            assert sum(f"{name} is " in problem for problem in result.problems) == 1, "\n".join(result.problems)
        for n in one.lost:
            assert any(f"record {n} is lost" in problem for problem in result.problems)
        if one.lost:
            assert result.status == ("degraded" if one.untouched() else "failed")


@SLOWLY
@given(sizes=SIZES, lost=st.sets(st.integers(0, 20), min_size=1, max_size=3))
def test_without_a_list_what_comes_back_is_right_and_the_loss_is_said(
    support: Any, sizes: list[int], lost: set[int]
) -> None:
    data, content = tree(sizes)
    with tempfile.TemporaryDirectory() as folder:
        one = Lossy(support, Path(folder), data, lost)
        result = one.back(listed=False)
        assert one.files().items() <= content.items()
        first = min(one.lost, default=None)
        assert first is None or any(f"record {first} is lost" in problem for problem in result.problems)
        before = {name for name, (_, end) in ends(data).items() if first is None or end <= first * PAYLOAD}
        assert before <= set(one.files())
        if len(one.lost) == 1 and 0 < first < len(one.places) - 1 and set(one.files()) != one.untouched():
            # One loss costs no member that it did not hit, but where nothing proves where the next one begins.
            assert one.untouched() == before


def test_an_archive_within_a_file_is_never_taken_for_the_archive(tmp_path: Path, support: Any) -> None:
    """The inner one holds the same names with other content; the header of the file that it is was lost."""
    source = tmp_path / "source"
    (source / "top").mkdir(parents=True)
    for n in range(30):
        (source / "top" / f"f{n:02d}").write_bytes(b"inner" * 2000)
    inner = gnu_tar(source, "top")
    for n in range(30):
        (source / "top" / f"f{n:02d}").write_bytes(b"outer" * 2000)
    for place in ("f09.tar", "z.tar"):
        (source / "top" / place).write_bytes(inner)
        data = gnu_tar(source, "top")
        hit = ends(data)[f"top/{place}"][0] // PAYLOAD
        for listed in (False, True):
            one = Lossy(support, tmp_path / f"{listed}-{place}", data, {hit})
            result = one.back(listed=listed)
            assert result.status == "degraded"
            assert all(content == b"outer" * 2000 for content in one.files().values() if content != inner)
            assert place == "z.tar" or {"top/f29", "top/f28"} <= set(one.files())


@pytest.mark.parametrize("listed", [True, False])
def test_links_to_what_is_lost_are_refused_and_sparse_files_with_holes_are_no_lie(
    tmp_path: Path, support: Any, listed: bool
) -> None:
    source = tmp_path / "source"
    (source / "top").mkdir(parents=True)
    (source / "top" / "a").write_bytes(os.urandom(300_000))
    os.link(source / "top" / "a", source / "top" / "link to a")
    with open(source / "top" / "sparse", "wb") as file:
        for at in range(0, 3_000_000, 100_000):
            file.seek(at)
            file.write(os.urandom(4096))
        file.truncate(5_000_000)
    (source / "top" / "z").write_bytes(b"z")
    data = gnu_tar(source, "top")
    places = ends(data)
    for hit in range(len(data) // PAYLOAD):
        one = Lossy(support, tmp_path / f"{hit}", data, {hit})
        result = one.back(listed=listed)
        assert result.status in {"degraded", "failed"}
        for name, content in one.files().items():
            assert content == (source / name).read_bytes(), (hit, name)
        if places["top/a"][1] <= hit * PAYLOAD and hit < places["top/sparse"][1] // PAYLOAD:
            assert "top/link to a" in one.files()
        if listed and hit < places["top/z"][0] // PAYLOAD:
            assert "top/z" in one.files()


def test_a_damaged_file_is_kept_under_another_name_when_asked_for(tmp_path: Path, support: Any) -> None:
    data, content = tree([100, 400_000, 100])
    one = Lossy(support, tmp_path, data, {2})
    result = one.back(listed=True, keep=True)
    files = one.files()
    hurt = files.pop("top/d1/f001.damaged")
    whole = content["top/d1/f001"]
    start = 2 * PAYLOAD - (ends(data)["top/d1/f001"][1] - (len(whole) + 511 & -512))
    assert hurt == whole[:start] + bytes(PAYLOAD) + whole[start + PAYLOAD :]
    assert files == {n: content[n] for n in ("top/d0/f000", "top/d2/f002")}
    assert any("top/d1/f001.damaged, with zeros" in problem for problem in result.problems)


def test_what_the_folder_held_is_not_linked_to_in_place_of_what_is_lost(tmp_path: Path, support: Any) -> None:
    source = tmp_path / "source"
    (source / "top").mkdir(parents=True)
    (source / "top" / "a").write_bytes(os.urandom(1000))
    (source / "top" / "b").write_bytes(os.urandom(200_000))
    os.link(source / "top" / "a", source / "top" / "z")
    data = gnu_tar(source, "top")
    for listed in (True, False):
        one = Lossy(support, tmp_path / str(listed), data, {0})
        (one.base / "to" / "top").mkdir(parents=True)
        (one.base / "to" / "top" / "a").write_bytes(b"of yesterday")
        result = one.back(listed=listed, overwrite=True)
        assert one.files() == {"top/a": b"of yesterday"}
        assert result.status == "failed"


def test_single_members_behind_a_loss_and_within_it(tmp_path: Path, support: Any) -> None:
    data, content = tree([50_000] * 12)
    places = ends(data)
    hit = places["top/d0/f006"][0] // PAYLOAD
    one = Lossy(support, tmp_path, data, {hit})
    good = sorted(one.untouched())
    assert one.back(listed=True, globs=tuple(good)).status == "ok"
    assert one.files() == {name: content[name] for name in good}
    result = one.back(listed=True, globs=("top/d0/f006", "top/d2/f011"), to="two")
    assert result.status == "degraded"
    assert one.files("two") == {"top/d2/f011": content["top/d2/f011"]}
    assert any("top/d0/f006 is " in problem for problem in result.problems)
    result = one.back(listed=True, globs=("top/d0/f006",), to="three")
    assert result.status == "failed"
    assert one.files("three") == {}


def test_every_record_lost_is_a_failure_that_ends(tmp_path: Path, support: Any) -> None:
    data, _ = tree([50_000] * 6)
    one = Lossy(support, tmp_path, data, set(range(20)))
    for listed in (True, False):
        result = one.back(listed=listed, to=str(listed))
        assert result.status == "failed"
        assert one.files(str(listed)) == {}
