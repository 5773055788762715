"""Member lists say what a tar says, however the archive comes in, and a list that is not whole is never believed."""

from __future__ import annotations

import io
import itertools
import math
import os
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tapechain.runtime.media.ids import new_id
from tapechain.runtime.members.lists import ListFolder, ListWriter, MemberList
from tapechain.runtime.members.packing import BadList, Member
from tapechain.runtime.members.walk import BATCH

pytestmark = pytest.mark.timeout(100)

TAR = ["tar", "--create", "--format=posix", "--sparse", "--xattrs", "--acls", "--numeric-owner", "--sort=name"]


def listed(path: Path, data: bytes, steps: list[int]) -> list[Member]:
    writer = ListWriter(path)
    at, sizes = 0, iter(steps)
    while at < len(data):
        step = next(sizes, 65_536)
        writer.feed(memoryview(data)[at : at + step])
        at += step
    assert writer.keep(), writer.why
    with MemberList(path) as members:
        found = list(members)
        assert members.members == len(found)
        assert members.end == len(data)
    return found


def agrees(members: list[Member], data: bytes) -> None:
    """As Python's tarfile reads the archive: names, kinds, sizes, modes, times, links, places."""
    kinds = {b"0": "file", b"\0": "file", b"1": "hardlink", b"2": "symlink", b"5": "folder", b"6": "fifo"}
    with tarfile.open(fileobj=io.BytesIO(data), errors="surrogateescape") as tar:
        for mine, its in zip(members, tar, strict=True):
            assert os.fsdecode(mine.name).rstrip("/") == its.name
            assert mine.kind == kinds[its.type]
            assert (mine.mode, mine.mtime) == (its.mode, math.floor(its.mtime))
            assert os.fsdecode(mine.link) == its.linkname
            if its.type != b"1":
                assert mine.size == its.size
            if not its.sparse:
                assert (mine.offset, mine.data) == (its.offset, its.offset_data)
    for before, behind in itertools.pairwise(members):
        assert before.end == behind.offset


def odd_tree(root: Path) -> None:
    (root / "d").mkdir(parents=True)
    (root / "d" / ("long" * 40)).mkdir()
    (root / "d" / ("long" * 40) / ("name" * 50)).write_bytes(b"deep" * 999)
    (root / "plain").write_bytes(b"x" * 1000)
    os.utime(root / "plain", (1_700_000_000, 1_700_000_000))
    (root / "empty").touch()
    (root / "ünïcödé 😀").write_bytes(b"u")
    (Path(os.fsdecode(os.fsencode(root) + b"/latin-\xe9\xff"))).write_bytes(b"l" * 513)
    (root / "new\nline").write_bytes(b"n" * 512)
    os.link(root / "plain", root / "z hard link")
    os.link(root / "d" / ("long" * 40) / ("name" * 50), root / "z long hard link")
    (root / "link").symlink_to("/nowhere/" + "far" * 60)
    os.mkfifo(root / "pipe")
    with open(root / "sparse", "wb") as file:
        file.truncate(3_000_000)
        file.seek(1_000_000)
        file.write(b"island")
    os.utime(root / "empty", (-5, -5))
    for n in range(300):
        (root / "d" / f"f{n}").write_bytes(bytes([n % 256]) * n)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return made(tmp_path_factory)


@pytest.fixture(scope="module")
def get_archive(archive: bytes) -> Callable[[], bytes]:
    """For properties: hypothesis prints its arguments."""
    return lambda: archive


def made(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("odd")
    odd_tree(folder / "tree")
    run = subprocess.run(
        [*TAR, "--pax-option=delete=atime,delete=ctime", "-f", "-", "-C", str(folder), "tree"],
        capture_output=True,
        check=True,
        timeout=60,
    )
    return run.stdout


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.integers(1, 9000), max_size=40))
def test_a_list_says_what_tar_says_however_the_archive_comes_in(
    tmp_path: Path, get_archive: Callable[[], bytes], steps: list[int]
) -> None:
    agrees(listed(tmp_path / "x.members", get_archive(), steps), get_archive())


def test_gnu_tar_finds_each_header_where_the_list_says(tmp_path: Path, archive: bytes) -> None:
    (tmp_path / "a.tar").write_bytes(archive)
    shown = subprocess.run(
        ["tar", "-tRf", str(tmp_path / "a.tar"), "--quoting-style=literal", "--null"],
        capture_output=True,
        check=True,
        timeout=60,
        env={**os.environ, "LC_ALL": "C"},
    ).stdout
    places = {int(line.split(b":")[0].split()[1]) * 512 for line in shown.split(b"\n") if line.startswith(b"block ")}
    mine = {m.data - 512 for m in listed(tmp_path / "x.members", archive, [])}
    assert mine <= places
    assert len(mine) > 300


def test_many_members_go_in_batches_and_odd_ones_keep_their_places(tmp_path: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for n in range(BATCH * 2 + 100):
            info = tarfile.TarInfo(f"d/{'x' * 120 if n % 1000 == 0 else 'f'}{n}")
            info.mtime = n + 0.25
            tar.addfile(info)
    agrees(listed(tmp_path / "x.members", out.getvalue(), []), out.getvalue())


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "no end"),
        (b"not a tar" * 100, "no member's header"),
        (tarfile.TarInfo("a").tobuf(), "no end"),
    ],
)
def test_what_is_no_archive_has_no_list_and_leaves_no_file(tmp_path: Path, data: bytes, why: str) -> None:
    writer = ListWriter(tmp_path / "lists" / "x.members")
    writer.feed(memoryview(data))
    assert not writer.keep()
    assert why in (writer.why or "")
    assert list((tmp_path / "lists").iterdir()) == []


def test_a_list_that_is_cut_or_changed_is_not_believed(tmp_path: Path, archive: bytes) -> None:
    folder = ListFolder(tmp_path)
    identifier = new_id()
    path = folder.path(identifier)
    assert listed(path, archive, [])
    whole = path.read_bytes()
    for size in range(0, len(whole), 97):
        path.write_bytes(whole[:size])
        with pytest.raises(BadList):
            MemberList(path)
    for at in (*range(0, len(whole), 101), *range(len(whole) - 60, len(whole))):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert folder.open(identifier) is None


def test_a_disk_without_room_ends_the_list_only(archive: bytes) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    writer = ListWriter(Path("/dev/null/not a folder/x.members"))
    assert writer.why
    writer.feed(memoryview(archive))
    assert not writer.keep()
    writer.drop()


def test_lists_are_for_their_owner_alone(tmp_path: Path, archive: bytes) -> None:
    path = tmp_path / "lists" / "x.members"
    listed(path, archive, [])
    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0


def test_an_identifier_that_is_none_names_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no object's identifier"):
        ListFolder(tmp_path).path("../../etc/passwd")


def test_headers_of_many_megabytes_are_held_and_not_copied_again_and_again(tmp_path: Path) -> None:
    """As those of folders with a million names in archives of incremental sources."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for n in range(3):
            info = tarfile.TarInfo(f"d{n}")
            info.type = tarfile.DIRTYPE
            info.pax_headers = {"GNU.dumpdir": "Yname" * 4_000_000}
            tar.addfile(info)
            plain = tarfile.TarInfo(f"d{n}/f")
            plain.size = 3
            tar.addfile(plain, io.BytesIO(b"abc"))
    data = out.getvalue()
    assert len(data) > 60_000_000
    members = listed(tmp_path / "x.members", data, [4096] * (len(data) // 4096 + 1))
    assert [m.name.rstrip(b"/") for m in members] == [b"d0", b"d0/f", b"d1", b"d1/f", b"d2", b"d2/f"]


def test_what_a_killed_run_left_half_written_goes_and_what_another_one_writes_stays(tmp_path: Path) -> None:
    lists = ListFolder(tmp_path)
    kept, writing, other = new_id(), new_id(), tmp_path / "notes.partial"
    other.write_text("not ours")
    (tmp_path / f"{new_id()}.members.17.partial").write_bytes(b"killed")
    (tmp_path / f"{new_id()}.members.18.partial").symlink_to(other)
    whole = lists.begin(kept)
    whole.ended()
    assert whole.keep()
    busy = lists.begin(writing)
    before = {path.name for path in tmp_path.iterdir()}
    lists.clean()
    gone = before - {path.name for path in tmp_path.iterdir()}
    assert {name.split(".", 1)[1] for name in gone} == {"members.17.partial"}
    busy.ended()
    assert busy.keep()
    lists.clean()
    assert lists.path(kept).exists()
    assert lists.path(writing).exists()
    assert other.read_text() == "not ours"
    ListFolder(tmp_path / "nowhere").clean()
