"""Chains as a user has them: run, change the tree, run again; every session comes back as it was."""

import fnmatch
import json
import os
import random
import shutil
import sysconfig
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(100)


def test_every_session_comes_back_as_it_was(bench, seen) -> None:
    """Renames, swaps, a folder in a file's place and the reverse, links, hard links, holes, modes, odd names."""
    tree = bench.tree
    for name in ("a/sub", "b", "keep", "x", "y"):
        (tree / name).mkdir(parents=True)
    for name in ("a/f1", "a/sub/s", "b/f2", "keep/k", "x/x", "y/y", "a/new\nline", "a/back\\slash", "-dash"):
        (tree / name).write_text(name)
    os.link(tree / "a/f1", tree / "a/h1")
    with open(tree / "sparse", "wb") as stream:
        stream.truncate(3 << 20)
    os.utime(tree / "keep", (1_000_000_000, 1_000_000_000))
    states = [seen(tree)]
    assert bench.run()["level"] == "full"

    (tree / "a").rename(tree / "c")
    shutil.rmtree(tree / "b")
    (tree / "keep").rename(tree / "b")
    for old, new in (("x", "t"), ("y", "x"), ("t", "y")):
        (tree / old).rename(tree / new)
    (tree / "link").symlink_to("b")
    (tree / "c" / "f1").chmod(0o4711 if os.geteuid() == 0 else 0o711)  # set-id bits come back to root only
    (tree / "x").chmod(0o500)
    states.append(seen(tree))
    second = bench.run()
    assert (second["level"], second["parent"], second["warnings"]) == ("incremental", bench.sessions[0]["object"], [])

    (tree / "link").unlink()
    (tree / "link").mkdir()
    (tree / "link" / "inside").write_text("a folder now")
    (tree / "x").chmod(0o700)
    shutil.rmtree(tree / "x")
    (tree / "x").symlink_to("/etc")
    (tree / "sparse").unlink()
    (tree / "c" / "h1").unlink()
    (tree / "c" / "f1").unlink()
    (tree / "c" / "f1").mkdir()
    states.append(seen(tree))
    assert bench.run()["parent"] == second["object"]

    for n, (entry, state) in enumerate(zip(bench.sessions, states, strict=True)):
        bench.restore(f"back{n}", "--object", entry["object"])
        assert seen(bench.restored(f"back{n}")) == state
    bench.restore("newest", "--from", bench.folder / "media")
    assert seen(bench.restored("newest")) == states[-1]
    as_of = bench.restore("then", "--as-of", started(bench, 1))
    assert "note" in as_of and seen(bench.restored("then")) == states[1]


def started(bench, n: int) -> str:
    listed = json.loads(bench.tcc("sessions", "--plan", "plan.tc", "--json")[1])
    return str(sorted(listed, key=lambda s: s["started"])[n]["started"])


@pytest.mark.parametrize("seed", range(6))
def test_whatever_is_done_to_a_tree_every_session_comes_back(bench, seen, mutate, seed) -> None:
    chance = random.Random(seed)
    names = "abcde"
    states = []
    for _ in range(4):
        for _ in range(chance.randrange(1, 25)):
            mutate(bench.tree, chance, names)
        states.append(seen(bench.tree))
        bench.run()
    assert [s["level"] for s in bench.sessions] == ["full", *["incremental"] * 3]
    for n, entry in enumerate(bench.sessions):
        bench.restore(f"back{n}", "--object", entry["object"])
        assert seen(bench.restored(f"back{n}")) == states[n], n


def without(entries, left_out: str):
    """What *seen* gave, but for what is called *left_out* and lies below it."""
    kept = {k: v for k, v in entries.items() if left_out not in Path(k).parts and k != "hard links"}
    groups = [tuple(k for k in group if left_out not in Path(k).parts) for group in entries["hard links"]]
    return {**kept, "hard links": tuple(sorted(group for group in groups if len(group) > 1))}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("own", [False, True], ids=["excludes", "and writes in it"])
def test_whatever_is_left_out_every_session_comes_back_without_it(bench, seen, mutate, seed, own) -> None:
    """``e`` is excluded at any depth, wildcards, too; the run's own volumes may lie in the source."""
    chance = random.Random(100 + seed)
    bench.plan('exclude = ["e", "*.tmp", "x[yz]"]', top="depth = 4")
    if own:
        plan = bench.folder / "plan.tc"
        plan.write_text(plan.read_text().replace('"media/R1"', '"tree/own/R1"'))
        (bench.tree / "own" / "R1").mkdir(parents=True)
    work = bench.tree / "work"
    work.mkdir()
    states = []
    for turn in range(4):
        for _ in range(chance.randrange(3, 25)):
            mutate(work, chance, "abcde")
        (work / f"{turn}.tmp").write_text("left out")
        (work / "xy").write_text("left out, too")
        states.append(seen(work))
        bench.run()
    assert [s["level"] for s in bench.sessions] == ["full", *["incremental"] * 3]
    for n, entry in enumerate(bench.sessions):
        bench.restore(f"back{n}", "--object", entry["object"])
        expected = without(states[n], "e")
        for name in ("xy", *(f"{turn}.tmp" for turn in range(4))):
            expected.pop(name, None)
        assert seen(bench.restored(f"back{n}") / "work") == expected, n
        assert not list(bench.restored(f"back{n}").rglob("*.tar"))


def test_what_did_not_change_is_not_stored_again(bench) -> None:
    old = sysconfig.get_path("stdlib") + "/json"
    bench.plan(files=f'["tree", "{old}"]')
    (bench.tree / "f").write_text("1")
    first = bench.run()
    (bench.tree / "g").write_text("2")
    second = bench.run()
    decoder = f"{old[1:]}/decoder.py"
    assert decoder in bench.members(first["object"]) and decoder not in bench.members(second["object"])
    assert f"{str(bench.tree)[1:]}/g" in bench.members(second["object"])
    bench.restore("back")
    assert (bench.folder / "back" / decoder).is_file()


def test_gnu_tar_alone_restores_a_chain(bench, seen, tmp_path) -> None:
    """The commands of docs/levels.md; folders that swapped names, which tar's own renames would lose, included."""
    import subprocess

    for name in ("a/f", "b/g", "gone/h", "keep/i"):
        (bench.tree / name).parent.mkdir()
        (bench.tree / name).write_text(name)
    bench.run()
    for old, new in (("a", "t"), ("b", "a"), ("t", "b")):
        (bench.tree / old).rename(bench.tree / new)
    shutil.rmtree(bench.tree / "gone")
    bench.run()
    (tmp_path / "hand").mkdir()
    for entry in bench.sessions:
        archive = bench.payload(entry["object"])
        command = ["tar", "-x", "--listed-incremental=/dev/null", "-f", "-", "-C", "hand"]
        subprocess.run(command, input=archive, check=True)
    assert seen(bench.restored("hand")) == seen(bench.tree)


def test_a_run_that_is_killed_keeps_the_old_snapshot(bench, tmp_path) -> None:
    """kill -9 while tar waits in a FIFO's reader: the next run builds on the first, and sweeps up."""
    import os
    import signal
    import subprocess
    import sys

    first = bench.run()
    (bench.tree / "since").write_text("x")
    slow = tmp_path / "bin" / "tar"
    slow.parent.mkdir()
    real = shutil.which("tar")
    os.mkfifo(tmp_path / "begun")
    slow.write_text(
        f'#!/bin/sh\ncase "$*" in *listed-incremental*) {real} "$@"; echo $$ > {tmp_path}/begun; exec sleep 60;; esac\n'
        f'exec {real} "$@"\n'
    )
    slow.chmod(0o755)
    command = [sys.executable, "-m", "tapechain", "run", "plan.tc", "--progress", "none"]
    environment = {**os.environ, "PATH": f"{slow.parent}:{os.environ['PATH']}"}
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, start_new_session=True)
    with open(tmp_path / "begun") as begun:  # tar has written its snapshot; the run has not ended
        tar = int(begun.read())
    process.send_signal(signal.SIGKILL)
    process.wait()
    os.kill(tar, signal.SIGKILL)
    left = {p.name.rpartition(".")[2] for p in (tmp_path / "state" / "levels" / "p").iterdir()}
    assert left == {"snapshot", "work"}
    third = bench.run()
    assert third["parent"] == first["object"] and f"{str(bench.tree)[1:]}/since" in bench.members(third["object"])
    assert [p.name for p in (tmp_path / "state" / "levels" / "p").iterdir()] == ["T.snapshot"]


def test_compressed_and_encrypted_chains_come_back(bench, seen, tmp_path) -> None:
    if shutil.which("age-keygen") is None:
        pytest.skip("no age-keygen here")
    import subprocess

    subprocess.run(["age-keygen", "-o", "key"], check=True, capture_output=True)
    recipient = subprocess.run(["age-keygen", "-y", "key"], check=True, capture_output=True, text=True).stdout.strip()
    bench.plan(f'compress = "zstd" encrypt = ["{recipient}"]')
    (bench.tree / "a").write_bytes(random.Random(1).randbytes(300_000))
    bench.run()
    (bench.tree / "a").rename(bench.tree / "b")
    assert bench.run()["level"] == "incremental"
    assert "recipients of the kind X25519" in bench.restore("no", code=1)
    assert not (tmp_path / "no").exists()
    bench.restore("back", "--identity", "key")
    assert seen(bench.restored("back")) == seen(bench.tree)


def test_a_chain_into_a_folder_that_holds_something_deletes_nothing_of_it(bench, seen, tmp_path) -> None:
    """A foreign file of the name of one that was deleted since, foreign files beside, links, kinds that clash."""
    for name in ("gone", "stays", "folder/gone", "folder/stays", "clash/file", "led/away"):
        (bench.tree / name).parent.mkdir(exist_ok=True)
        (bench.tree / name).write_text(name)
    bench.run()
    (bench.tree / "gone").unlink()
    (bench.tree / "folder/gone").unlink()
    bench.run()
    back = bench.restored("back")
    outside = tmp_path / "outside"
    outside.mkdir()
    back.mkdir(parents=True)
    for name in ("gone", "foreign", "stays", "folder/gone", "folder/foreign", "clash"):
        (back / name).parent.mkdir(exist_ok=True)
        (back / name).write_text("foreign")
    (back / "led").symlink_to(outside)
    said = bench.restore("back", "--overwrite", code=3)
    assert "led was not restored" in said and "clash was not restored" in said
    texts = {str(p.relative_to(back)): p.read_text() for p in back.rglob("*") if p.is_file()}
    assert texts == {
        "gone": "foreign",
        "foreign": "foreign",
        "stays": "stays",
        "folder/gone": "foreign",
        "folder/foreign": "foreign",
        "folder/stays": "folder/stays",
        "clash": "foreign",
    }
    assert list(outside.iterdir()) == []
    (apart,) = [p for p in (tmp_path / "back").iterdir() if p.name.startswith(".tcc-restore")]
    assert str(apart.name) in said and (apart / str(bench.tree)[1:] / "led" / "away").read_text() == "led/away"


def test_attributes_that_a_folder_lost_do_not_come_back(bench) -> None:
    for name in ("kept", "lost", "new"):
        (bench.tree / name).mkdir()
    try:
        for name in ("", "kept", "lost"):
            os.setxattr(bench.tree / name, "user.note", name.encode())
    except OSError as error:
        pytest.skip(f"no attributes of users here: {error}")
    bench.run()
    for name in ("", "lost"):
        os.removexattr(bench.tree / name, "user.note")
    os.setxattr(bench.tree / "new", "user.note", b"new")
    bench.run()
    bench.restore("back")
    back = bench.restored("back")
    found = {name: os.listxattr(back / name) for name in ("", "kept", "lost", "new")}
    assert found == {"": [], "kept": ["user.note"], "lost": [], "new": ["user.note"]}
    assert os.getxattr(back / "kept", "user.note") == b"kept"
    bench.restore("then", "--object", bench.sessions[0]["object"])
    assert os.getxattr(bench.restored("then") / "lost", "user.note") == b"lost"


# ---------------------------------------------------------------- when a link of the chain is gone


def three_sessions(bench, *, drives: tuple[str, ...] = ("R1",)) -> None:
    bench.plan(drives=drives)
    for n in range(3):
        (bench.tree / f"f{n}").write_bytes(random.Random(n).randbytes(150_000))
        (bench.tree / "state").write_text(str(n))
        bench.run()
    assert [s["level"] for s in bench.sessions] == ["full", "incremental", "incremental"]


def test_a_chain_whose_middle_is_not_at_hand_says_up_to_where_it_can_be_restored(bench, tmp_path) -> None:
    three_sessions(bench)
    first, middle, last = (s["object"] for s in bench.sessions)
    _forget(tmp_path / "state" / "catalog.sqlite", middle)
    said = bench.restore("back", code=1)
    assert f"object {middle}, which {last} builds on, is not known" in said
    assert "up to session 1 of" in said and f"--object {first}" in said
    assert not (tmp_path / "back").exists()
    bench.restore("back", "--object", first)
    assert (bench.restored("back") / "state").read_text() == "0"


def _forget(catalog: Path, object_id: str) -> None:
    import sqlite3

    with sqlite3.connect(catalog) as connection:
        for table, column in (("objects", "id"), ("copies", "object_id"), ("entries", "object_id")):
            connection.execute(f"DELETE FROM {table} WHERE {column} = ?", (object_id,))


def test_a_damaged_link_that_is_compressed_ends_the_chain(bench, support) -> None:
    bench.plan('compress = "zstd:1"')
    for n in range(3):
        (bench.tree / f"f{n}").write_bytes(random.Random(n).randbytes(300_000))
        bench.run()
    (volume,) = (bench.folder / "media" / "R1").iterdir()
    middle = bench.sessions[1]["object"]
    support.flip(volume, support.positions(volume, middle)[1][0] + 1600)
    said = bench.restore("back", code=3)
    assert f"the chain ends within object {middle} of session 2" in said and "is that of session 1" in said
    assert not (bench.restored("back") / "f2").exists()


def test_single_files_come_from_whichever_object_of_the_chain_holds_them(bench, tmp_path) -> None:
    three_sessions(bench)
    bench.restore("one", "--path", str(bench.tree / "state"), "--path", "*/f0")
    assert (bench.restored("one") / "state").read_text() == "2"
    assert (bench.restored("one") / "f0").read_bytes() == (bench.tree / "f0").read_bytes()
    assert sorted(p.name for p in bench.restored("one").iterdir()) == ["f0", "state"]
    assert "no member fits" in bench.restore("none", "--path", "*/nothing", code=1)
    assert not (tmp_path / "none").exists()


def test_a_damaged_link_is_passed_over_and_the_newest_whole_state_is_named(bench, support) -> None:
    three_sessions(bench)
    (volume,) = (bench.folder / "media" / "R1").iterdir()
    middle = bench.sessions[1]["object"]
    place = support.positions(volume, middle)[2][0]
    support.flip(volume, place + 1600)
    said = bench.restore("back", code=3)
    assert f"something lacks in object {middle} of session 2" in said and "is that of session 1" in said
    assert f"--object {bench.sessions[0]['object']}" in said
    assert (bench.restored("back") / "f2").read_bytes() == (bench.tree / "f2").read_bytes()
    bench.restore("alone", "--object", bench.sessions[0]["object"])
    assert (bench.restored("alone") / "f0").read_bytes() == (bench.tree / "f0").read_bytes()


def test_a_damaged_link_is_healed_from_the_mirror(bench, support, seen) -> None:
    three_sessions(bench, drives=("R1", "R2"))
    (volume,) = (bench.folder / "media" / "R1").iterdir()
    for place in [support.positions(volume, entry["object"])[1][0] for entry in bench.sessions]:
        support.flip(volume, place + 1600)
    said = bench.restore("back", code=0)
    assert said.count("was taken from drive R2") == 3
    assert seen(bench.restored("back")) == seen(bench.tree)


def test_dry_run_lists_the_chain_and_its_volumes(bench, tmp_path) -> None:
    three_sessions(bench)
    code, out, _ = bench.tcc("restore", "T", "--plan", "plan.tc", "--to", "back", "--dry-run")
    assert code == 0 and [line.split()[1] for line in out.splitlines() if line.startswith("object")] == [
        s["object"] for s in bench.sessions
    ]
    assert f"incremental, follows {bench.sessions[1]['object']}" in out
    assert out.count("R1-000001") >= 3 and not (tmp_path / "back").exists()


def test_single_files_are_what_their_names_last_meant(bench) -> None:
    """A folder became a file, a file a folder; a hard link's old target does not come back under its name."""
    (bench.tree / "was-folder").mkdir()
    (bench.tree / "was-folder" / "x").write_text("x")
    (bench.tree / "was-file").write_text("old")
    (bench.tree / "a").write_text("old")
    (bench.tree / "b").hardlink_to(bench.tree / "a")
    bench.run()
    (bench.tree / "was-folder" / "x").unlink()
    (bench.tree / "was-folder").rmdir()
    (bench.tree / "was-folder").write_text("a file now")
    (bench.tree / "was-file").unlink()
    (bench.tree / "was-file").mkdir()
    (bench.tree / "was-file" / "y").write_text("y")
    (bench.tree / "a.new").write_text("new")
    (bench.tree / "a.new").rename(bench.tree / "a")
    assert bench.run()["level"] == "incremental"
    bench.restore("one", "--path", "*/was-*", "--path", "*/b")
    back = bench.restored("one")
    assert (back / "was-folder").read_text() == "a file now" and (back / "was-file" / "y").read_text() == "y"
    # Which of its two names GNU tar gives the content, and which the link, is its own choice.
    assert (back / "b").read_text() == "old" and (not (back / "a").exists() or (back / "a").read_text() == "new")
    for name, content in (("a", "new"), ("b", "old"), ("was-folder", "a file now")):
        bench.restore(f"only-{name}", "--path", f"*/{name}")
        assert (bench.restored(f"only-{name}") / name).read_text() == content


def test_a_single_file_that_was_deleted_does_not_come_back(bench, tmp_path) -> None:
    """It is said which session had it last, and with that one's object it comes back."""
    for name in ("stays", "gone", "folder/in", "folder/gone", "old/deep/er"):
        (bench.tree / name).parent.mkdir(parents=True, exist_ok=True)
        (bench.tree / name).write_text(name)
    bench.run()
    (bench.tree / "new").write_text("new")
    second = bench.run()
    (bench.tree / "gone").unlink()
    (bench.tree / "folder/gone").unlink()
    shutil.rmtree(bench.tree / "old")
    bench.run()
    (bench.tree / "other").write_text("other")
    bench.run()
    said = bench.restore("none", "--path", "*/gone", code=1)
    assert "no member fits */gone in the state of session 4; */gone was there up to session 2 of" in said
    assert f"--object {second['object']}" in said and not (tmp_path / "none").exists()
    bench.restore("then", "--path", "*/gone", "--object", second["object"])
    assert (bench.restored("then") / "folder/gone").read_text() == "folder/gone"
    bench.restore("as of", "--path", "*/gone", "--as-of", started(bench, 1))
    assert (bench.restored("as of") / "gone").read_text() == "gone"
    bench.restore("below", "--path", str(bench.tree))
    back = bench.restored("below")
    assert {str(p.relative_to(back)) for p in back.rglob("*")} == {"stays", "folder", "folder/in", "new", "other"}
    # What lies in DIR already is nobody's to delete.
    (back / "gone").write_text("foreign")
    (back / "stays").write_text("foreign")
    bench.restore("below", "--path", "*/stays", "--path", "*/folder", "--overwrite")
    assert (back / "gone").read_text() == "foreign" and (back / "stays").read_text() == "stays"


@pytest.mark.parametrize("seed", range(4))
def test_single_files_are_those_of_the_whole_restore(bench, seen, mutate, seed) -> None:
    """Of every session, whatever was done to the tree: what fits is what a restore of the chain has there."""
    chance = random.Random(100 + seed)
    for _ in range(4):
        for _ in range(chance.randrange(5, 25)):
            mutate(bench.tree, chance, "abc")
        bench.run()
    for n, entry in enumerate(bench.sessions):
        bench.restore(f"all{n}", "--object", entry["object"])
        whole = seen(bench.restored(f"all{n}"))
        del whole["hard links"], whole["."]
        listed = bench.tcc("files", "T", "--plan", "plan.tc", "--as-of", started(bench, n), "--json")[1]
        names = sorted(os.path.relpath("/" + item["name"], bench.tree) for item in json.loads(listed))
        assert names == sorted([*whole, "."])
        for glob in ("*/a", "*/b/*", "*c", "*"):
            fits = {name for name in whole if meant(glob, bench.tree / name)}
            to = f"{n}{glob.replace('*', '-').replace('/', '+')}"
            said = bench.restore(to, "--object", entry["object"], "--path", glob, code=0 if fits or glob == "*" else 1)
            got = seen(bench.restored(to)) if fits else {}
            assert {name: got.get(name) for name in fits} == {name: whole[name] for name in fits}, (n, glob)
            along = {os.path.relpath("/" + line[6:].split(" comes along")[0], bench.tree)
                     for line in said.splitlines() if " comes along" in line}  # fmt: skip
            above = {str(parent) for name in fits | along for parent in Path(name).parents}
            assert got.keys() <= fits | along | above | {"hard links"}


def meant(glob: str, path: Path) -> bool:
    return any(fnmatch.fnmatchcase(str(p)[1:], glob) for p in (path, *path.parents))


def test_a_list_of_an_older_version_is_made_anew(bench) -> None:
    """One without what the folders held, as it was written before: it is not taken for an empty one."""
    from tapechain.runtime.members.lists import MAGIC, MAGIC_FOLDERS, ListFolder

    (bench.tree / "gone").write_text("gone")
    (bench.tree / "kept").write_text("kept")
    bench.run()
    (bench.tree / "gone").unlink()
    newest = bench.run()
    lists = ListFolder(bench.folder / "state" / "tapechain-members")
    path = lists.path(newest["object"])
    assert path.read_bytes().startswith(MAGIC_FOLDERS)
    path.unlink()
    writer = lists.begin(newest["object"])
    writer.feed(memoryview(bench.payload(newest["object"])))
    assert writer.keep() and path.read_bytes().startswith(MAGIC)
    said = bench.restore("none", "--path", "*/gone", code=1)
    assert "made anew" in said and "was there up to session 1" in said
    assert path.read_bytes().startswith(MAGIC_FOLDERS)
    bench.restore("one", "--path", "*/kept")
    assert (bench.restored("one") / "kept").read_text() == "kept"


def test_folders_that_were_renamed_are_not_guessed(tmp_path) -> None:
    """tar notes a rename only where one happens while it starts; then the whole chain is what can be restored."""
    from tapechain.runtime.members.packing import Member
    from tapechain.runtime.restore.headers import Unsound
    from tapechain.runtime.restore.selection import Renamed, select_chain

    def member(name: bytes, listed: bytes | None = None) -> Member:
        return Member(name, "folder" if name.endswith(b"/") else "file", 0, 0, 0, b"", 0, 0, 512, listed)

    full = [member(b"t/"), member(b"t/old/"), member(b"t/old/f")]
    assert select_chain([full, [member(b"t/", b"Dold\0\0")]], ["*f"])[0].members == 1
    assert select_chain([full, [member(b"t/", b"Dnew\0\0")]], ["*f"])[0].unmatched == ("*f",)
    with pytest.raises(Renamed):
        select_chain([full, [member(b"t/", b"Rt/old\0Tt/new\0Dnew\0\0")]], ["*f"])
    for lie in (b"Da", b"Qa\0", b"Y../x\0", b"Y\0", b"D..\0"):
        with pytest.raises(Unsound):
            select_chain([full, [member(b"t/", lie)]], ["*f"])


def test_sparse_files_of_long_names_come_back(bench, seen) -> None:
    """GNU tar cuts the name that stands in for theirs at 100 bytes, at times right behind a slash."""
    for length in range(60):
        folder = bench.tree / ("é" + "x" * length)
        folder.mkdir()
        with open(folder / "sparse", "wb") as stream:
            stream.truncate(1 << 20)
    bench.run()
    bench.restore("back")
    assert seen(bench.restored("back")) == seen(bench.tree)
