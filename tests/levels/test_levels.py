"""Which level a run takes, and when the snapshot goes on."""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from tapechain.runtime.model import Session
from tapechain.runtime.plan import Source
from tapechain.runtime.sources import clocks, levels, snapshots

pytestmark = pytest.mark.timeout(60)


def snapshot(bench) -> Path:
    return bench.folder / "state" / "levels" / "p" / "T.snapshot"


def test_first_a_full_then_incrementals_and_full_begins_anew(bench) -> None:
    first = bench.run()
    assert first["level"] == "full" and "there is no snapshot" in first["notes"]
    second = bench.run()
    assert (second["level"], second["parent"], second["notes"]) == ("incremental", first["object"], "")
    third = bench.run("--full")
    assert (third["level"], third["parent"]) == ("full", None) and "as asked for" in third["notes"]
    assert bench.run()["parent"] == third["object"]
    assert [p.name for p in snapshot(bench).parent.iterdir()] == ["T.snapshot"]


def test_a_copy_that_is_not_stored_keeps_the_old_snapshot(bench, seen) -> None:
    """R2's folder is a file at the second run: the third builds on the first, and holds what the second had."""
    bench.plan(drives=("R1", "R2"))
    first = bench.run()
    before = snapshot(bench).read_bytes()
    (bench.tree / "since").write_text("x")
    aside = bench.folder / "media" / "aside"
    (bench.folder / "media" / "R2").rename(aside)
    (bench.folder / "media" / "R2").write_text("no folder")
    second = bench.run(code=3)
    assert "the snapshot stays as it was" in second["notes"] and snapshot(bench).read_bytes() == before
    (bench.folder / "media" / "R2").unlink()
    aside.rename(bench.folder / "media" / "R2")
    third = bench.run()
    assert (third["level"], third["parent"]) == ("incremental", first["object"])
    assert f"{str(bench.tree)[1:]}/since" in bench.members(third["object"])
    bench.restore("back", "--from", bench.folder / "media" / "R2")
    assert seen(bench.restored("back")) == seen(bench.tree)


def test_files_that_could_not_be_read_keep_the_old_snapshot(bench) -> None:
    bench.plan(files='["tree", "later"]')
    (bench.folder / "later").write_text("x")
    first = bench.run()
    (bench.folder / "later").unlink()
    assert "one file could not be read" in bench.run(code=3)["notes"]
    (bench.folder / "later").write_text("again")
    assert bench.run()["parent"] == first["object"]


def test_a_source_that_fails_keeps_the_old_snapshot(bench, monkeypatch) -> None:
    first = bench.run()
    before = snapshot(bench).read_bytes()
    folder = bench.folder / "bin"
    folder.mkdir()
    real = shutil.which("tar")
    (folder / "tar").write_text(f'#!/bin/sh\ncase "$*" in *listed-incremental*) kill -9 $$;; esac\nexec {real} "$@"\n')
    (folder / "tar").chmod(0o755)
    with monkeypatch.context() as patched:
        patched.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        assert bench.run(code=1)["status"] == "failed"
    assert snapshot(bench).read_bytes() == before
    assert bench.run()["parent"] == first["object"]


def spoil_text(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1] + b"x")


def spoil_empty(path: Path) -> None:
    path.write_bytes(b"")


def spoil_head(path: Path) -> None:
    head, _, data = path.read_bytes().partition(b"\n")
    path.write_bytes(json.dumps({**json.loads(head), "source": "other"}).encode() + b"\n" + data)


def spoil_object(path: Path) -> None:
    head, _, data = path.read_bytes().partition(b"\n")
    path.write_bytes(json.dumps({**json.loads(head), "object": "../../x"}).encode() + b"\n" + data)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (spoil_text, "damaged"),
        (spoil_empty, "cannot be used"),
        (spoil_head, "belongs to another source"),
        (spoil_object, "names no object"),
        (Path.unlink, "there is no snapshot"),
    ],
)
def test_a_snapshot_that_cannot_be_trusted_makes_a_full(bench, spoil, words) -> None:
    bench.run()
    spoil(snapshot(bench))
    again = bench.run()
    assert again["level"] == "full" and words in again["notes"]
    assert bench.run()["parent"] == again["object"]


def test_other_settings_make_a_full(bench) -> None:
    bench.run()
    for more in ('exclude = ["*.tmp"]', "one_file_system = true"):
        bench.plan(more)
        again = bench.run()
        assert again["level"] == "full" and "exclude, one_file_system" in again["notes"]
    bench.plan("one_file_system = true", drives=("R1", "R2"))
    assert bench.run()["level"] == "full"
    assert bench.run()["level"] == "incremental"


def test_a_clock_behind_the_snapshot_makes_a_full(bench, monkeypatch) -> None:
    bench.run()
    now = time.time_ns()
    with monkeypatch.context() as patched:
        patched.setattr(clocks.time, "time_ns", lambda: now - 3600 * 10**9)
        assert "the clock stands before" in bench.run()["notes"]


@pytest.mark.parametrize("more", ['exclude = ["*.tmp"]', 'exclude = ["/x/*.o", "*.tmp", "cache/"]', "writes in it"])
def test_folders_and_deletions_are_kept_where_something_is_left_out(bench, more) -> None:
    """With its wildcards on GNU tar 1.34 took the source's names for patterns, and stored no folder and no deletion."""
    if more == "writes in it":
        (bench.tree / "media").mkdir()
        bench.plan()
        plan = bench.folder / "plan.tc"
        plan.write_text(plan.read_text().replace('volumes = "media/R1"', 'volumes = "tree/media"'))
    else:
        bench.plan(more)
    (bench.tree / "empty [folder]").mkdir()
    (bench.tree / "sub").mkdir(mode=0o700)
    for name in ("gone", "stays", "left.tmp"):
        (bench.tree / "sub" / name).write_text(name)
    first = bench.run()
    data = snapshot(bench).read_bytes().partition(b"\n")[2]
    assert len(list(snapshots.folders(data))) >= 3
    (bench.tree / "sub" / "gone").unlink()
    (bench.tree / "sub" / "new").write_text("new")
    assert bench.run()["parent"] == first["object"]
    bench.restore("back")
    back = bench.restored("back")
    left_out = "left.tmp" if more != "writes in it" else "gone"
    assert {p.name for p in (back / "sub").iterdir()} == {"stays", "new", "left.tmp"} - {left_out}
    assert (back / "empty [folder]").is_dir() and (back / "sub").stat().st_mode & 0o777 == 0o700


def test_a_snapshot_that_knows_no_folder_makes_a_full(bench) -> None:
    bench.run()
    rewritten(snapshot(bench), lambda words, data: (words, data[: snapshots._head(data).end()]))
    assert "knows no folder" in bench.run()["notes"]
    assert bench.run()["level"] == "incremental"


HOUR_NS = 3600 * 10**9


def rewritten(path: Path, change) -> None:
    """The snapshot with another head, and tar's part of it, as *change* makes them of what they are."""
    head, _, data = path.read_bytes().partition(b"\n")
    words, data = change(json.loads(head), data)
    words |= {"size": len(data), "xxh3": levels.xxh3_128_hexdigest(data)}
    path.write_bytes(json.dumps(words).encode() + b"\n" + data)


def of_a_clock_ahead(words, data):
    """What a run leaves whose clock is an hour ahead."""
    return {**words, "wall_ns": words["wall_ns"] + HOUR_NS}, snapshots.set_back(data, -3600)


@pytest.fixture
def later(monkeypatch):
    """Lets runs happen at another moment: so much later by the wall clock, and by the clock since boot."""

    def go(wall_ns: int, boot_clock_ns: int, boot: str | None = None) -> None:
        def moved() -> clocks.Moment:
            here = real()
            return clocks.Moment(boot or here.boot, here.wall_ns + wall_ns, here.boot_clock_ns + boot_clock_ns)

        monkeypatch.setattr(clocks, "now", moved)

    real = clocks.now
    return go


def test_a_clock_set_back_that_has_passed_the_last_run_again_makes_a_full(bench, seen, later) -> None:
    """A run an hour ahead; the clock is put right; a file changes; two hours later the next run."""
    bench.run()
    rewritten(snapshot(bench), of_a_clock_ahead)
    (bench.tree / "changed while the clock was behind").write_text("x")
    later(2 * HOUR_NS, 3 * HOUR_NS)
    again = bench.run()
    assert again["level"] == "full" and "the clock was set back since the last one" in again["notes"]
    assert "the clock was set back" not in bench.run()["notes"]
    bench.restore("back")
    assert seen(bench.restored("back")) == seen(bench.tree)


def test_a_clock_set_back_by_a_moment_is_made_up_for(bench, later) -> None:
    first = bench.run()
    ahead = 1_300_000_000
    rewritten(snapshot(bench), lambda words, data: ({**words, "wall_ns": words["wall_ns"] + ahead}, data))
    taken = snapshots.time_of(snapshot(bench).read_bytes().partition(b"\n")[2])
    work = levels.Levels(bench.folder / "state", "p", base=bench.folder, own=(), full=False)
    settings = json.loads(snapshot(bench).read_bytes().partition(b"\n")[0])["settings"]
    source = Source("T", "files", ("tree",), level="incremental")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(work, "_settings", lambda *_: settings)
        level = work.decide(source, ["R1"], Session("s", 2, "p", "f", ""), lambda _: None)
    assert level.listing is not None and level.listing.before is not None and level.parent == first["object"]
    assert snapshots.time_of(level.listing.before) == taken - 2 * 10**9
    level.drop()
    assert bench.run()["level"] == "incremental"


@pytest.mark.parametrize(
    ("wall_hours", "boot_clock_hours", "boot", "level"),
    [
        (2, 2, None, "incremental"),  # asleep or not: both clocks count it
        (5, 2, None, "incremental"),  # set forward
        (2, 3, "another boot", "incremental"),  # the clocks of two boots say nothing of each other
        (2, 3, None, "full"),
        (0, -1, None, "full"),  # the machine was put back to an earlier moment
        (-1, 1, "another boot", "full"),
    ],
)
def test_what_two_clocks_say_of_the_last_run(bench, later, wall_hours, boot_clock_hours, boot, level) -> None:
    bench.run()
    later(wall_hours * HOUR_NS, boot_clock_hours * HOUR_NS, boot)
    assert bench.run()["level"] == level


@pytest.mark.parametrize("lack", ["boot", "wall_ns", "boot_clock_ns"])
def test_snapshots_of_older_versions_stay_usable(bench, lack) -> None:
    first = bench.run()
    rewritten(snapshot(bench), lambda words, data: ({k: v for k, v in words.items() if k != lack}, data))
    assert bench.run()["parent"] == first["object"]
    rewritten(snapshot(bench), lambda words, data: ({**words, lack: True}, data))
    assert bench.run()["level"] == "incremental"


def test_a_clock_set_back_while_tar_runs_makes_the_next_one_a_full(bench, monkeypatch) -> None:
    """tar's start is of the clock that was ahead; what changed since bears times before it."""
    real = levels.Listing.prepare

    def ahead(listing: levels.Listing) -> None:
        real(listing)
        began = listing.begun
        assert began is not None
        listing.begun = clocks.Moment(began.boot, began.wall_ns + HOUR_NS, began.boot_clock_ns)

    with monkeypatch.context() as patched:
        patched.setattr(levels.Listing, "prepare", ahead)
        bench.run()
    assert "the clock was set back since the last one" in bench.run()["notes"]


def test_a_parent_that_the_catalog_no_longer_has_makes_a_full(bench) -> None:
    bench.run()
    (bench.folder / "state" / "catalog.sqlite").unlink()
    again = bench.run()
    if again["level"] == "full":
        assert "no longer knows" in again["notes"]
    else:  # the catalog learnt it from the drive before it was asked
        assert again["parent"] == bench.sessions[0]["object"]


def test_a_state_folder_that_cannot_be_written_makes_fulls_and_says_so(bench) -> None:
    (bench.folder / "state").mkdir()
    (bench.folder / "state" / "levels").write_text("in the way")
    for _ in range(2):
        entry = bench.run()
        assert entry["level"] == "full" and "no snapshot can be kept" in entry["notes"]
    bench.restore("back")


def test_work_files_of_runs_that_crashed_are_removed_and_those_in_use_are_not(bench) -> None:
    import fcntl

    bench.run()
    folder = snapshot(bench).parent
    (folder / "T.crashed.work").write_text("x")
    with (folder / "T.running.work").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        bench.run()
        assert sorted(p.name for p in folder.iterdir()) == ["T.running.work", "T.snapshot"]


def test_snapshots_are_read_or_refused(bench) -> None:
    (bench.tree / "a" / "b").mkdir(parents=True)
    (bench.tree / "a" / "f").write_text("x")
    bench.run()
    data = snapshot(bench).read_bytes().partition(b"\n")[2]
    names = [name for _, _, name, _ in snapshots.folders(data)]
    root = os.fsencode(str(bench.tree)[1:])
    assert sorted(names) == [root, root + b"/a", root + b"/a/b"]
    assert snapshots.still_there(data) == (data, None)
    (bench.tree / "a").rename(bench.tree / "c")
    kept = [name for _, _, name, _ in snapshots.folders(snapshots.still_there(data)[0])]
    assert kept == [root]
    whole = 0
    for cut in range(len(data)):
        try:
            whole += sum(1 for _ in snapshots.folders(data[:cut])) == 3
        except snapshots.BadSnapshot:
            continue
    assert whole == 0
    assert snapshots.time_of(snapshots.checked(data)) == snapshots.time_of(data) - snapshots.SET_BACK_SECONDS * 10**9


def test_dry_run_says_which_level_it_would_be(bench) -> None:
    assert "a full: there is no snapshot" in bench.tcc("run", "plan.tc", "--dry-run")[1]
    first = bench.run()
    assert f"what changed since object {first['object']}" in bench.tcc("run", "plan.tc", "--dry-run")[1]
    second = bench.run()
    import json

    listed = json.loads(bench.tcc("objects", "--plan", "plan.tc", "--json")[1])
    assert (listed[0]["level"], listed[0]["parent"]) == ("incremental", first["object"])
    assert "level" not in listed[1]  # a full one has the contract's keys and no more
    assert second["object"] == listed[0]["object"]
    assert "files, incremental" in bench.tcc("objects", "--plan", "plan.tc")[1]


def test_only_files_have_levels(bench) -> None:
    (bench.folder / "plan.tc").write_text(
        'source S { command = ["true"] level = "incremental" }\ndrive R { volumes = "m" }\n'
        "backup group g { agent A -> R { B <- S } }\n"
    )
    code, _, said = bench.tcc("run", "plan.tc")
    assert code == 2 and "S: level" in said and not (bench.folder / "m").exists()


@pytest.mark.parametrize("paths", ['["tree", "tree/out/"]', '["tree", "tree/out/in"]', '["tree/in/", "tree/back/"]'])
def test_paths_through_links_into_what_is_stored_come_back(bench, monkeypatch, paths: str) -> None:
    """Stored below a link that the archive holds they did not come back, or were not stored; a folder with two names
    was a renamed one for GNU tar, and the chain came back in part."""
    monkeypatch.setattr(snapshots, "SET_BACK_SECONDS", 0)
    real = bench.tree / "in" if "back" in paths else bench.folder / "real"
    (real / "in" / "deep").mkdir(parents=True)
    (real / "in" / "deep" / "file").write_text("it")
    (bench.tree / "out").symlink_to("../real")
    (bench.tree / "back").symlink_to("in")
    bench.plan(files=paths)
    bench.run()
    (real / "in" / "new").write_text("new")
    (real / "in" / "deep" / "file").unlink()
    assert bench.run()["level"] == "incremental"
    for to, more in (("back", ()), ("alone", ("--from", bench.folder / "media"))):
        bench.restore(to, *more)
        there = bench.folder / to / str(real)[1:]
        assert (there / "in" / "new").read_text() == "new" and list((there / "in" / "deep").iterdir()) == []
        link = bench.restored(to) / ("back" if "back" in paths else "out")
        assert link.is_symlink() and link.resolve().is_relative_to(bench.folder / to)


def test_a_path_through_a_link_bears_one_name_in_all_of_a_chain(bench, monkeypatch) -> None:
    """Else GNU tar sees a renamed folder, and a link of the full stands where the incremental has a folder."""
    monkeypatch.setattr(snapshots, "SET_BACK_SECONDS", 0)
    (bench.tree / "real" / "sub").mkdir(parents=True)
    (bench.tree / "real" / "sub" / "file").write_text("it")
    (bench.tree / "link").symlink_to("real")
    bench.plan(files='["tree/link/", "tree/real/sub"]')
    bench.run()
    (bench.tree / "real" / "sub").rename(bench.tree / "real" / "other")
    assert bench.run(code=3)["level"] == "incremental"  # the other path is away
    bench.restore("back")
    assert (bench.restored("back") / "link" / "other" / "file").read_text() == "it"
    (bench.tree / "link").unlink()
    (bench.folder / "elsewhere").mkdir()
    (bench.folder / "elsewhere" / "else").write_text("else")
    (bench.tree / "link").symlink_to("../elsewhere")
    assert bench.run(code=3)["level"] == "full"
    bench.restore("again")
    assert (bench.restored("again") / "link" / "else").read_text() == "else"


def test_an_incremental_of_a_path_that_is_a_link_holds_what_changed(bench, monkeypatch) -> None:
    monkeypatch.setattr(snapshots, "SET_BACK_SECONDS", 0)
    (bench.folder / "link").symlink_to("tree")
    (bench.tree / "sub").mkdir()
    (bench.tree / "sub" / "stays").write_text("it")
    bench.plan(files='"link/"')
    bench.run()
    (bench.tree / "sub" / "new").write_text("new")
    held = bench.members(bench.run()["object"])
    assert [name for name in held if name.endswith(("stays", "new"))] == [f"{str(bench.folder)[1:]}/link/./sub/new"]


@pytest.mark.parametrize("first", ["file", "link"])
def test_a_path_that_becomes_a_folder_begins_a_new_chain(bench, first: str) -> None:
    """No list of an incremental says what its paths themselves were: the folder could not be restored over the link."""
    top = bench.tree / "top"
    top.write_text("it") if first == "file" else top.symlink_to("elsewhere")
    bench.plan(files='"tree/top"')
    bench.run()
    top.unlink()
    top.mkdir()
    (top / "file").write_text("in it")
    assert bench.run()["level"] == "full"
    bench.restore("back")
    assert (bench.restored("back") / "top" / "file").read_text() == "in it"
    (top / "file").unlink()
    top.rmdir()
    top.write_text("it")
    assert bench.run()["level"] == "full"
    bench.restore("again")
    assert (bench.restored("again") / "top").read_text() == "it"


def test_a_path_behind_a_link_with_too_long_a_name_does_not_keep_the_run_from_beginning(bench) -> None:
    (bench.folder / "one").mkdir()
    (bench.folder / "one" / "file").write_text("x")
    bench.plan(files='"one/file"')
    bench.run()
    shutil.rmtree(bench.folder / "one")
    (bench.folder / "one").symlink_to("x" * 300)
    code, _, said = bench.tcc("run", "plan.tc")
    assert code == 1 and "File name too long" in said and "cannot begin" not in said


def test_what_was_removed_makes_no_later_run_store_all(bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """GNU tar leaves the old mtime of a folder that only lost a file: the run after is no larger for it."""
    monkeypatch.setattr(snapshots, "SET_BACK_SECONDS", 0)
    (bench.tree / "d").mkdir()
    for name in ("large", "d/gone", "d/left"):
        (bench.tree / name).write_bytes(b"x" * 300_000)
    assert bench.run()["level"] == "full"
    (bench.tree / "d" / "gone").unlink()
    for _ in range(3):
        done = bench.run()
        assert (done["level"], done["warnings"]) == ("incremental", []), done
        assert done["bytes"] < 300_000, "nothing but the list of what is there"


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a file system needs root")
def test_a_path_below_another_one_on_a_file_system_of_its_own_is_stored_whole_each_time(bench, tmp_path) -> None:
    """tar's list of the folder that it is mounted on names nothing, as if all in it had been deleted."""
    place = bench.tree / "mnt"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], capture_output=True).returncode:
        pytest.skip("this machine does not let root mount a tmpfs")
    try:
        (place / "home").mkdir()
        (place / "home" / "one").write_text("1")
        bench.plan("one_file_system = true", files='["tree", "tree/mnt/home"]')
        bench.run()
        (place / "home" / "two").write_text("2")
        second = bench.run()
        assert second["level"] == "full" and "tree/mnt/home lies below another path" in second["notes"]
        bench.restore("back")
        back = bench.restored("back") / "mnt" / "home"
        assert {p.name: p.read_text() for p in back.iterdir()} == {"one": "1", "two": "2"}
        bench.plan("one_file_system = true")
        bench.run()
        assert bench.run()["level"] == "incremental"
    finally:
        subprocess.run(["umount", place], check=True)
