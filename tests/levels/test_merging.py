"""Chains of GNU tar's own archives merged into one: what tar makes of it is what it makes of the chain."""

import os
import random
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tapechain.runtime.sources import snapshots
from tapechain.runtime.sources.merging import CannotMerge, Merge

pytestmark = pytest.mark.timeout(100)
CLOCK_REALTIME_COARSE = 5  # /usr/include/linux/time.h; Python does not name it


def archive(root: Path, snapshot: Path, *more: str) -> bytes:
    """One incremental of *root*, as a run makes it."""
    if snapshot.exists():
        snapshot.write_bytes(snapshots.still_there(snapshot.read_bytes())[0])
    create = ["tar", "--create", "--format=posix", "--sparse", "--xattrs", "--acls", "--numeric-owner", "--sort=name"]
    create += ["--no-unquote", "--warning=no-file-ignored", "--pax-option=delete=atime,delete=ctime", *more]
    create += [f"--listed-incremental={snapshot}", "--no-check-device", "-f", "-", "-C", "/", "--", str(root)[1:]]
    done = subprocess.run(create, capture_output=True)
    assert done.returncode == 0 or b"socket ignored" in done.stderr, done.stderr
    wait_for_the_file_clock(snapshot)
    return done.stdout


def wait_for_the_file_clock(snapshot: Path) -> None:
    """Until the kernel's clock for files, which lags a tick and more under load, has passed the snapshot's time.

    A change stamped before it would be missed by the next incremental. A run sets its snapshots back for that
    (``snapshots.checked``); here that would store everything again, and leave no unchanged member to merge.
    """
    began = snapshots.time_of(snapshot.read_bytes())
    while time.clock_gettime_ns(CLOCK_REALTIME_COARSE) <= began:
        os.sched_yield()


def merge(links: Sequence[bytes], chance: random.Random | None = None) -> tuple[bytes, int]:
    """The merged archive, and how many links were read once more; in pieces of odd lengths with *chance*."""
    out = bytearray()
    merging, again = Merge(out.extend), 0
    for link in reversed(links):
        merging.begin()
        feed(merging, link, chance)
        merging.end()
        if merging.once_more:
            again += 1
            merging.begin()
            feed(merging, link, chance)
            merging.end()
            assert not merging.once_more
    merging.finish()
    assert merging.bytes == len(out) and len(out) % 10240 == 0
    return bytes(out), again


def feed(merging: Merge, link: bytes, chance: random.Random | None) -> None:
    at = 0
    while at < len(link):
        size = chance.choice([1, 512, 700, 5120, 100_000]) if chance else len(link)
        merging.feed(memoryview(bytearray(link[at : at + size])))
        at += size


def extracted(to: Path, archives: Sequence[bytes], *how: str) -> Path:
    to.mkdir()
    for one in archives:
        command = ["tar", "-x", "-p", "--numeric-owner", "--xattrs", "--acls", *(how or APPLY), "-f", "-"]
        subprocess.run(command, input=one, cwd=to, check=True)
    return to


APPLY = ("--listed-incremental=/dev/null",)


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 1 << 32))
def test_whatever_is_done_to_a_tree_the_merged_full_is_the_chain(seed, tmp_path_factory, seen, mutate) -> None:
    chance = random.Random(seed)
    top = tmp_path_factory.mktemp("merged")
    tree = top / "tree"
    tree.mkdir()
    links = []
    for _ in range(chance.randrange(2, 5)):
        for _ in range(chance.randrange(1, 25)):
            mutate(tree, chance, "abcd")
        links.append(archive(tree, top / "snapshot"))
    where = str(tree)[1:]
    chain = seen(extracted(top / "chain", links) / where)
    merged, _ = merge(links, chance)
    assert seen(extracted(top / "merged", [merged]) / where) == chain
    assert seen(extracted(top / "plain", [merged], "--delay-directory-restore") / where) == chain
    # A full that was merged from the beginning of a chain is as good as that beginning, and may be merged again.
    cut = chance.randrange(1, len(links))
    first, _ = merge(links[:cut], chance)
    assert seen(extracted(top / "shorter", [first, *links[cut:]]) / where) == chain
    assert seen(extracted(top / "twice", [merge([first, *links[cut:]])[0]]) / where) == chain


def test_a_hard_link_whose_first_name_is_gone_keeps_its_content(tmp_path: Path, seen) -> None:
    """The folder of the name that holds the content was renamed: only there tar stored it again."""
    tree = tmp_path / "tree"
    for name in ("a", "m", "z"):
        (tree / name).mkdir(parents=True)
    (tree / "a" / "first").write_bytes(os.urandom(3000))
    for other in ("m/second", "z/third", f"z/{'long' * 40}"):
        os.link(tree / "a" / "first", tree / other)
    with open(tree / "a" / "holes", "wb") as stream:
        stream.truncate(1 << 20)
        stream.seek(500_000)
        stream.write(b"data")
    os.link(tree / "a" / "holes", tree / "m" / "holes")
    links = [archive(tree, tmp_path / "snapshot")]
    (tree / "a").rename(tree / "b")
    links.append(archive(tree, tmp_path / "snapshot"))
    merged, again = merge(links, random.Random(1))
    assert again == 1
    where = str(tree)[1:]
    chain = seen(extracted(tmp_path / "chain", links) / where)
    assert chain["m/second"] == seen(tree)["m/second"] and chain["m/holes"] == seen(tree)["m/holes"]
    assert seen(extracted(tmp_path / "merged", [merged]) / where) == chain


def test_names_that_no_link_holds_are_no_loss(tmp_path: Path, seen) -> None:
    """Lists name what was left out, and sockets: the chain does not bring them back either."""
    tree = tmp_path / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "keep").write_text("1")
    (tree / "x.tmp").write_text("left out")
    with socket.socket(socket.AF_UNIX) as bound:
        here = os.getcwd()
        os.chdir(tree)
        try:
            bound.bind("socket")
        finally:
            os.chdir(here)
    links = [archive(tree, tmp_path / "snapshot", "--exclude=*.tmp")]
    (tree / "sub" / "more").write_text("2")
    links.append(archive(tree, tmp_path / "snapshot", "--exclude=*.tmp"))
    where = str(tree)[1:]
    merged = seen(extracted(tmp_path / "merged", [merge(links)[0]]) / where)
    assert merged == seen(extracted(tmp_path / "chain", links) / where)
    assert merged["keep"] and "x.tmp" not in merged and "socket" not in merged


def member(name: bytes, kind: bytes, records: dict[bytes, bytes], content: bytes = b"") -> bytes:
    from tapechain.runtime.media.ustar import header
    from tapechain.runtime.sources.merging import _record

    body = b"".join(_record(key, value) for key, value in records.items())
    padded = body + bytes(-len(body) % 512)
    extended = header(b"x", len(body), 0, b"x") + padded if records else b""
    return extended + header(name, len(content), 0, kind) + content + bytes(-len(content) % 512)


END = bytes(1024)
FULL = member(b"t", b"5", {b"GNU.dumpdir": b"Yf\0\0"}) + member(b"t/f", b"0", {}, b"1") + END


@pytest.mark.parametrize(
    ("newest", "says"),
    [
        (member(b"t", b"5", {b"GNU.dumpdir": b"Ra\0Tb\0\0"}), "renamed"),
        (member(b"t", b"5", {b"GNU.dumpdir": b"Ya/b\0\0"}), "no name"),
        (member(b"t", b"5", {b"GNU.dumpdir": b"Ya"}), "no end"),
        (member(b"../t", b"0", {}), "which no backup makes"),
        (member(b"/t", b"0", {}), "which no backup makes"),
        (member(b"t", b"0", {b"path": b"a/../../b"}), "which no backup makes"),
        (member(b"t", b"M", {}), "of a kind that no backup makes"),
        (member(b"t", b"0", {b"GNU.volume.filename": b"t"}), "another archive"),
        (member(b"t", b"g", {}), "of a kind that no backup makes"),
        (member(b"t", b"0", {b"size": b"x"}), "size"),
        (b"\1" * 512, "checksum"),
    ],
)
def test_what_cannot_be_merged_truthfully_is_said(newest: bytes, says: str) -> None:
    with pytest.raises(CannotMerge, match=says):
        merge([FULL, newest + END])


def test_an_archive_without_an_end_is_no_link() -> None:
    with pytest.raises(CannotMerge, match="no end"):
        merge([FULL[:-1024], member(b"t", b"5", {b"GNU.dumpdir": b"Nf\0\0"}) + END])


def test_a_hard_link_to_what_the_link_does_not_hold_is_said() -> None:
    """The name was made anew since, and the link was not: its content is nowhere."""
    full = member(b"t", b"5", {b"GNU.dumpdir": b"Yf\0Yh\0\0"}) + member(b"t/f", b"1", {b"linkpath": b"t/g"})
    full += member(b"t/h", b"1", {b"linkpath": b"t/f"}) + END
    newest = member(b"t", b"5", {b"GNU.dumpdir": b"Yf\0Nh\0\0"}) + member(b"t/f", b"0", {}, b"new") + END
    with pytest.raises(CannotMerge, match="'t/h' is a hard link to"):
        merge([full, newest])


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_whatever_a_link_holds_it_is_merged_or_refused(data) -> None:
    link = bytearray(FULL)
    for _ in range(data.draw(st.integers(1, 4))):
        link[data.draw(st.integers(0, len(link) - 1))] = data.draw(st.integers(0, 255))
    newest = member(b"t", b"5", {b"GNU.dumpdir": b"Nf\0\0"}) + END
    try:
        merge([bytes(link), newest] if data.draw(st.booleans()) else [newest, bytes(link)])
    except CannotMerge as error:
        assert str(error)
