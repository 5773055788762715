"""The walker of members: honest archives pass unchanged, however cut; nothing that could leave the folder does."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tapechain.runtime.restore.headers import Unsound
from tapechain.runtime.restore.members import Walker

END = bytes(1024)


def member(name: str, data: bytes = b"", **attributes: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    for key, value in attributes.items():
        setattr(info, key, value)
    return info, data


def pax(*members: tuple[tarfile.TarInfo, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as tar:
        for info, data in members:
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def walk(data: bytes, walker: Walker, cuts: list[int] | None = None) -> bytes:
    """Feed *data* in pieces of as many blocks as *cuts* say (then one by one of 7), and join what comes out."""
    out = b""
    at, sizes = 0, iter(cuts or [])
    while at < len(data):
        step = 512 * next(sizes, 7)
        piece = memoryview(bytearray(data[at : at + step]))
        out += b"".join(bytes(p) for p in walker.feed(piece))
        at += step
    return out


def names(data: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return tar.getnames()


def test_an_honest_tree_of_gnu_tar_passes_unchanged_however_it_is_cut(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / ("long" * 40) / ("name" * 50)).mkdir(parents=True)
    (tree / ("long" * 40) / ("name" * 50) / ("x" * 200)).write_bytes(b"deep")
    (tree / "plain").write_bytes(b"a" * 1000)
    os.link(tree / "plain", tree / "zz-hard-link")
    (tree / "link").symlink_to("/etc/passwd")
    (tree / "..odd").write_bytes(b"")
    (tree / "odd..").write_bytes(b"1")
    os.mkfifo(tree / "fifo")
    with open(tree / "sparse", "wb") as sparse:
        sparse.seek(5_000_000)
        sparse.write(b"end")
    (tree / "nön-äscii\x01").write_bytes(b"x")
    command = ["tar", "--create", "--format=posix", "--sparse", "--sort=name", "-b", "20", "-f", "-"]
    data = subprocess.run([*command, "-C", str(tmp_path), "--", "tree"], stdout=subprocess.PIPE, check=True).stdout
    ends = data.rstrip(b"\0")
    body = data[: -(-len(ends) // 512) * 512] + END

    for cuts in ([], [1] * 4000, [3, 1, 1, 5, 2], [len(data) // 512]):
        walker = Walker()
        assert walk(data, walker, cuts) == body
        assert walker.refused == 0
        assert walker.ended
        assert walker.members == 12


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 3000), max_size=12),
    cuts=st.lists(st.integers(1, 6), max_size=60),
    long=st.integers(1, 2000),
)
def test_any_cut_into_records_gives_the_same_bytes(sizes: list[int], cuts: list[int], long: int) -> None:
    data = pax(*(member(f"d/{'n' * (long if i % 3 == 0 else 5)}{i}", os.urandom(s)) for i, s in enumerate(sizes)))
    walker = Walker()
    out = walk(data, walker, cuts)
    assert data.startswith(out)
    assert out.endswith(END)
    assert names(out) == names(data)
    assert walker.members == len(sizes)


LEAVING = {
    "absolute name": member("/tmp/evil", b"x"),
    "dots at the start": member("../evil", b"x"),
    "dots within": member("good/../../evil", b"x"),
    "dots at the end": member("good/..", b"", type=tarfile.DIRTYPE),
    "hard link to an absolute place": member("evil", type=tarfile.LNKTYPE, linkname="/etc/passwd"),
    "hard link with dots": member("evil", type=tarfile.LNKTYPE, linkname="a/../../etc/passwd"),
    "absolute name in a pax header": member("x", b"x", pax_headers={"path": "/tmp/evil"}),
    "dots in a pax header": member("x", b"x", pax_headers={"path": "a/../../evil"}),
    "dots in a sparse name": member("x", b"x", pax_headers={"GNU.sparse.name": "../evil"}),
    "dots in a pax link": member("x", type=tarfile.LNKTYPE, linkname="ok", pax_headers={"linkpath": "../../evil"}),
}


@pytest.mark.parametrize("trick", LEAVING)
def test_a_member_that_leaves_is_cut_out_and_the_others_stay(trick: str) -> None:
    info, content = LEAVING[trick]
    data = pax(member("before", b"1" * 700), (info, content), member("behind", b"2" * 700))
    for cuts in ([], [1] * 100):
        walker = Walker()
        out = walk(data, walker, cuts)
        assert names(out) == ["before", "behind"]
        assert walker.refused == 1
        assert b"evil" not in out


def test_long_names_of_gnu_format_are_read() -> None:
    long = "../" * 60 + "evil"
    data = pax(member("before"), member(long, b"x"), member("y" * 300, b"ok"), form=tarfile.GNU_FORMAT)
    walker = Walker()
    out = walk(data, walker, [1] * 50)
    assert names(out) == ["before", "y" * 300]


def test_nothing_is_made_below_a_link_of_the_same_archive() -> None:
    data = pax(
        member("l", type=tarfile.SYMTYPE, linkname="elsewhere"),
        member("l/evil", b"x"),
        member("./l//evil2", b"x"),
        member("l", type=tarfile.DIRTYPE),
        member("h", type=tarfile.LNKTYPE, linkname="l"),
        member("h/evil3", b"x"),
        member("ok", type=tarfile.LNKTYPE, linkname="l/evil"),
        member("d/l", b"fine"),
    )
    walker = Walker()
    assert names(walk(data, walker)) == ["l", "h", "d/l"]
    assert walker.refused == 5


class Links:
    """A folder that holds one symbolic link, ``away``."""

    def leads_away(self, name: bytes) -> bool:
        return name == b"away" or name.startswith(b"away/")


def test_nothing_is_made_below_a_link_that_the_folder_holds() -> None:
    data = pax(
        member("away/evil", b"x"),
        member("away/deep/evil", b"x"),
        member("away", type=tarfile.DIRTYPE),
        member("hard", type=tarfile.LNKTYPE, linkname="away/passwd"),
        member("same", type=tarfile.LNKTYPE, linkname="away"),
        member("same/evil", b"x"),
        member("away", b"replaces the link itself"),
        member("good", b"x"),
    )
    walker = Walker(Links())
    assert names(walk(data, walker)) == ["same", "away", "good"]


def test_device_nodes_and_set_id_bits_are_only_for_root() -> None:
    data = pax(
        member("dev", type=tarfile.CHRTYPE, devmajor=1, devminor=3),
        member("su", b"x", mode=0o6755),
        member("plain", b"y", mode=0o640),
    )
    root, user = Walker(privileged=True), Walker(privileged=False)
    assert walk(data, root) == data[: len(walk(data, Walker()))]
    with tarfile.open(fileobj=io.BytesIO(walk(data, user))) as tar:
        assert {m.name: m.mode for m in tar} == {"su": 0o755, "plain": 0o640}
    assert (root.device_nodes, root.set_id_files, user.refused) == (1, 1, 1)


def spoiled(at: int, value: bytes, *, fix: bool = False) -> bytes:
    data = bytearray(pax(member("first", b"1" * 10), member("second", b"2" * 10)))
    base = 1024
    data[base + at : base + at + len(value)] = value
    if fix:
        header = data[base : base + 512]
        header[148:156] = b" " * 8
        data[base + 148 : base + 156] = b"%06o\0 " % sum(header)
    return bytes(data)


@pytest.mark.parametrize(
    ("at", "value", "fix"),
    [
        (0, b"S", False),  # the checksum is wrong
        (156, b"g", True),  # a global header
        (156, b"M", True),  # a continuation of another volume
        (156, b"S", True),  # an old sparse file
        (124, b"\xff" * 12, True),  # a negative size
        (124, b"0000000 012\0", True),
        (124, b"00000000_12\0", True),
        (124, b"00000000089\0", True),  # not octal
        (156, b"2", True),  # a link with content
        (100, b"\x80\0\0\0\0\0\0\0", True),  # a mode in an odd form
    ],
)
def test_where_a_header_cannot_be_read_for_certain_nothing_more_passes(at: int, value: bytes, fix: bool) -> None:
    walker = Walker()
    with pytest.raises(Unsound):
        walk(spoiled(at, value, fix=fix), walker, [50])
    assert names(b"".join(bytes(p) for p in walker.rescued) + END) == ["first"]


@pytest.mark.parametrize(
    "body", [b"nonsense path\n", b"9999 path=x\n", b"5 path=abc\n", b"12 path=abcd", b"99999999999999999999 path=x\n"]
)
def test_a_broken_extended_header_stops_it(body: bytes) -> None:
    info = tarfile.TarInfo("x")
    info.type, info.size = b"x", len(body)
    data = info.tobuf(tarfile.USTAR_FORMAT) + body.ljust(512, b"\0") + pax(member("file", b"x"))
    with pytest.raises(Unsound):
        walk(data, Walker())


def test_extended_headers_cannot_eat_memory() -> None:
    info = tarfile.TarInfo("x")
    info.type, info.size = b"x", 1 << 34
    walker = Walker()
    with pytest.raises(Unsound):
        walk(info.tobuf(tarfile.GNU_FORMAT) + bytes(5120), walker)


def test_a_member_smuggled_behind_a_wrong_checksum_or_the_end_does_not_pass() -> None:
    evil = pax(member("evil", b"x"))
    assert b"evil" not in walk(pax(member("a", b"1")) + evil, Walker())
    bad = bytearray(pax(member("a", evil)))
    bad[150] = ord("7")
    walker = Walker()
    with pytest.raises(Unsound):
        walk(bytes(bad), walker, [100])
    assert b"".join(bytes(p) for p in walker.rescued) == b""


def test_the_member_that_is_cut_is_known() -> None:
    data = pax(member("a", b"1" * 100), member("b", b"2" * 5000), member("c", b"3"))
    walker = Walker()
    walker.feed(memoryview(bytearray(data[: 512 * 5])))
    assert walker.open_member == b"b"
    walker.feed(memoryview(bytearray(data[512 * 5 : 512 * 13])))
    assert walker.open_member is None
