"""What a folder's list calls stored, and tar then passed over: a socket, a file that was removed before its turn."""

import json
import os
import random
import socket
from pathlib import Path

import pytest
from tapechain.runtime.restore.listed import Awaited, Held

pytestmark = pytest.mark.timeout(60)


def bind(path: Path) -> None:
    """A socket at *path*, whose own name may be too long for one."""
    here = Path.cwd()
    try:
        os.chdir(path.parent)
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(path.name)
    finally:
        os.chdir(here)


@pytest.fixture
def sessions(bench):
    """Three: a file, a socket in its place, that socket unchanged. What the tree held then, sockets left out."""

    def made(more: str = "", *, away: bool = False) -> list[dict[str, bytes]]:
        (bench.folder / "more").mkdir()
        bench.plan(more, files='["tree", "more"]')
        for name in ("d/other", "d/was", "top", "d/zz"):
            (bench.tree / name).parent.mkdir(exist_ok=True)
            (bench.tree / name).write_text(f"first {name}")
        os.link(bench.tree / "top", bench.tree / "d" / "linked")
        states = [held(bench.tree)]
        bench.run()
        if away:
            (bench.folder / "more").rmdir()
        for name in ("d/was", "d/linked"):
            (bench.tree / name).unlink()
            bind(bench.tree / name)
        (bench.tree / "d" / "other").write_text("second")
        (bench.tree / "d" / "new").write_text("new")
        states.append(held(bench.tree))
        bench.run(code=3 if away else 0)
        (bench.tree / "d" / "zz").write_text("third")
        states.append(held(bench.tree))
        bench.run(code=3 if away else 0)
        return states

    return made


def held(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


@pytest.mark.parametrize("more", ["", 'compress = "zstd"'])
def test_a_restore_of_a_chain_brings_back_no_file_where_a_socket_was(bench, sessions, more) -> None:
    states = sessions(more)
    assert [entry["level"] for entry in bench.sessions] == ["full", "incremental", "incremental"]
    for n, (entry, state) in enumerate(zip(bench.sessions, states, strict=True)):
        bench.restore(f"back{n}", "--object", entry["object"])
        assert held(bench.restored(f"back{n}")) == state
        bench.restore(f"part{n}", "--object", entry["object"], "--path", "*/d")
        assert held(bench.restored(f"part{n}")) == {k: v for k, v in state.items() if k != "top" or "d/linked" in state}
        _, out, _ = bench.tcc("files", entry["object"], "--chain", "--plan", "plan.tc", "--json")
        names = {e["name"].partition("/tree/")[2] for e in json.loads(out) if e["type"] != "folder"}
        assert names == state.keys()
    said = bench.restore("none", "--path", "*/was", code=1)
    assert "was there up to session 1" in said


def test_a_full_that_is_merged_and_a_target_hold_none_either(bench, sessions) -> None:
    states = sessions()
    bench.tcc("draft", "consolidate", "p/T", "--to", "full=media/full", "--plan", "plan.tc", "-o", "full.tc")
    code, _, said = bench.tcc("run", "full.tc")
    assert code == 0, said
    bench.restore("merged", "--from", bench.folder / "media" / "full")
    assert held(bench.restored("merged")) == states[-1]
    (bench.folder / "restore.tc").write_text(
        'plan back\ndrive R1 { volumes = "media/R1" }\nrestore group old { agent A <- R1 { B1 <- chain(T) } }\n'
        'target D { files = "to" }\nchain A.B1 -> D\n'
    )
    code, _, said = bench.tcc("run", "restore.tc", "--catalog", f"sqlite:///{bench.folder}/state/catalog.sqlite")
    assert code == 0, said
    assert held(bench.restored("to")) == states[-1]


def test_what_an_object_could_not_read_stays_as_it_was_before(bench, sessions) -> None:
    """A list does not tell a socket from a file that could not be read: nothing older is given up for that."""
    states = sessions(away=True)
    bench.restore("back", "--object", bench.sessions[-1]["object"])
    assert held(bench.restored("back")) == states[-1] | {n: states[0][n] for n in ("d/was", "d/linked")}


def test_what_a_lost_record_held_is_not_taken_for_a_socket(bench) -> None:
    bench.plan()
    (bench.tree / "large").write_bytes(random.Random(1).randbytes(200_000))
    (bench.tree / "zz").write_text("old")
    bench.run()
    (bench.tree / "large").write_bytes(random.Random(2).randbytes(200_000))
    (bench.tree / "zz").write_text("new")
    entry = bench.run()
    assert entry["level"] == "incremental"
    (volume,) = (bench.folder / "media" / "R1").glob("*.tar")
    data = bytearray(volume.read_bytes())
    at = data.rindex(b"new" + bytes(400))  # the record that holds the newer zz, its header too
    data[at - 600 : at] = bytes(600)
    volume.write_bytes(data)
    bench.restore("back", code=3)
    assert (bench.restored("back") / "zz").read_text() == "old"


def test_names_that_came_are_told_from_those_that_did_not() -> None:
    awaited = Awaited()
    awaited.add(b"d/", [b"a", b"aa", b"b", b"c c", b"d"])
    awaited.add(b"d/e", [b"x"])
    awaited.add(b"f", [b"y"])
    awaited.add(b"g", [])
    for name in (b"d/aa", b"./d//c c", b"elsewhere/z", b"f/y"):
        awaited.came(name)
    assert dict(awaited.left()) == {b"d": [b"a", b"b", b"d"], b"d/e": [b"x"]}


@pytest.mark.parametrize("name", [b"d/a", b"d/none", b"d/b"])
def test_nothing_is_concluded_from_members_in_another_order(name) -> None:
    """As an archive that is no backup's, or damaged, may have them."""
    awaited = Awaited()
    awaited.add(b"d", [b"a", b"b", b"c"])
    awaited.came(b"d/b")
    awaited.came(name)
    assert list(awaited.left()) == []


def test_many_names_cost_no_more_than_their_length() -> None:
    awaited = Awaited()
    names = [b"%08d" % n for n in range(200_000)]
    awaited.add(b"d", names)
    for name in names[1::2]:
        awaited.came(b"d/" + name)
    ((folder, left),) = awaited.left()
    assert folder == b"d" and left == names[::2]


def test_a_list_with_holes_hides_nothing() -> None:
    for complete in (True, False):
        held = Held()
        held.add(b"d", b"Ya\0Yb\0Nc\0\0")
        held.came(b"d/b")
        held.close(complete=complete)
        assert held.keeps(b"d/a", folder=False) is not complete
        assert held.keeps(b"d/b", folder=False) and held.keeps(b"d/c", folder=False)
