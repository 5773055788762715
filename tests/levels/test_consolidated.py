"""Fulls made of chains as a user has them: drafted, checked, run without the source, restored from the new volumes."""

import dataclasses
import json
import os
import shutil
import time
from pathlib import Path

import pytest
from tapechain.runtime.catalog.store import open_catalog
from tapechain.runtime.media.volume import open_volume
from tapechain.runtime.sources import snapshots

pytestmark = pytest.mark.timeout(200)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sessions follow each other within two seconds here: what did not change in between is not to be stored again."""
    monkeypatch.setattr(snapshots, "SET_BACK_SECONDS", 0)


def objects(bench) -> list:
    with open_catalog(bench.folder / "state" / "catalog.sqlite", create=False) as catalog:
        return catalog.objects()


def first_sessions(bench, seen, more: str = "", *, drives: tuple[str, ...] = ("R1",)) -> list[dict]:
    """Three sessions of a tree to which nearly everything is done; the states of the tree."""
    bench.plan(more, drives=drives)
    tree = bench.tree
    for name in ("a/sub", "b", "keep/empty", "x", "z", "swap"):
        (tree / name).mkdir(parents=True)
    for name in ("a/f1", "a/sub/s", "b/f2", "keep/k", "x/x", "a/new\nline", "a/back\\slash", "-dash", f"z/{'n' * 200}"):
        (tree / name).write_text(name)
    (tree / "keep" / b"\xff\xfe".decode("utf-8", "surrogateescape")).write_text("no UTF-8")
    os.link(tree / "a/f1", tree / "z/h1")
    os.link(tree / "a/f1", tree / "z/h2")
    with open(tree / "sparse", "wb") as stream:
        stream.truncate(3 << 20)
    (tree / "big").write_bytes(os.urandom(200_000))
    os.utime(tree / "keep", (1_000_000_000, 1_000_000_000))
    if hasattr(os, "setxattr"):
        os.setxattr(tree / "big", "user.word", b"kept")
    states = [seen(tree)]
    assert bench.run()["level"] == "full"
    shutil.rmtree(tree / "b")
    (tree / "swap").rmdir()
    (tree / "swap").write_text("a file now")
    (tree / "a").rename(tree / "c")
    (tree / "x" / "x").unlink()
    (tree / "x" / "x").mkdir()
    (tree / "x" / "x" / "in").write_text("a folder now")
    (tree / "link").symlink_to("keep")
    (tree / "x").chmod(0o500)
    states.append(seen(tree))
    assert bench.run()["level"] == "incremental"
    (tree / "keep" / "k").write_text("changed")
    (tree / "link").unlink()
    (tree / "c" / "sub" / "s").rename(tree / "b")
    states.append(seen(tree))
    assert bench.run()["level"] == "incremental"
    # Hard links across a folder that was renamed are files of their own after any restore of the chain.
    for state in states[1:]:
        state.pop("hard links")
    return states


def consolidate(bench, *more: str, to: str = "S", code: int = 0, run: tuple[str, ...] = ()) -> tuple[str, dict]:
    """Draft, check strictly, run: what the run said, and the report's object."""
    got, _, said = bench.tcc(
        "draft", "consolidate", "T", "--plan", "plan.tc", "--to", to, "-o", "c.tc", "--force", *more
    )
    assert got == 0, said
    assert bench.tcc("check", "--strict", "c.tc")[0] == 0 and bench.tcc("fmt", "--check", "c.tc")[0] == 0
    got, _, said = bench.tcc("run", "c.tc", "--report", "c.json", *run)
    assert got == code, said
    (entry,) = json.loads((bench.folder / "c.json").read_text())["objects"]
    return said, entry


def same(bench, seen, to: str, state: dict) -> bool:
    found = seen(bench.restored(to))
    if "hard links" not in state:
        found.pop("hard links")
    return bool(found == state)


def test_a_full_of_a_chain_comes_back_from_its_volumes_alone(bench, seen) -> None:
    """The source is not there any more when the full is made; the media of the chain are not when it is restored."""
    states = first_sessions(bench, seen)
    bench.tree.rename(bench.folder / "gone")
    _, entry = consolidate(bench)
    newest = bench.sessions[-1]["object"]
    assert (entry["status"], entry["copied"], bench.level_of(entry["object"])) == (
        "whole", True, {"level": "full", "parent": newest}
    )  # fmt: skip
    assert newest < entry["object"], "it sorts behind the object that it stands for"
    assert list((bench.folder / "state").rglob(f"{entry['object']}*")), "its members are listed"
    shutil.rmtree(bench.folder / "media")
    bench.restore("catalog")
    bench.restore("alone", "--from", bench.folder / "S")
    bench.restore("older", "--object", bench.sessions[0]["object"], code=1)
    for to in ("catalog", "alone"):
        assert same(bench, seen, to, states[-1])
        assert os.getxattr(bench.restored(to) / "big", "user.word") == b"kept" or os.geteuid() != 0
    said = bench.tcc("verify", "--plan", "plan.tc", bench.folder / "S" / "S-000001.tar")
    assert said[0] == 0, said
    listed = bench.tcc("files", "T", "--plan", "plan.tc", "--json")
    assert listed[0] == 0 and "keep/k" in listed[1]


def test_it_stands_for_its_session_and_hides_no_later_one(bench, seen) -> None:
    states = first_sessions(bench, seen)
    second = objects(bench)[1]
    _, entry = consolidate(bench, "--as-of", second.started)
    assert bench.level_of(entry["object"])["parent"] == second.id == bench.sessions[1]["object"]
    plan = (
        bench.restore("newest", "--dry-run")
        or bench.tcc("restore", "T", "--plan", "plan.tc", "--to", "x", "--dry-run")[1]
    )
    assert entry["object"] in plan and bench.sessions[0]["object"] not in plan, "the chain begins with the full"
    bench.restore("newest")
    assert same(bench, seen, "newest", states[2])
    bench.restore("then", "--as-of", second.started)
    assert same(bench, seen, "then", states[1])
    # By its identifier an object is brought back by its own parents, whatever stands for them.
    shutil.rmtree(bench.folder / "S")
    bench.restore("parents", "--object", bench.sessions[2]["object"])
    bench.restore("without")
    assert same(bench, seen, "parents", states[2]) and same(bench, seen, "without", states[2])


def test_a_chain_that_lost_its_beginning_is_whole_again(bench, seen) -> None:
    """Incrementals that were stored before and after the full was made build on it, in a rebuilt catalog as well."""
    states = first_sessions(bench, seen)
    consolidate(bench)
    (bench.folder / "media" / "R1" / "R1-000001.tar").chmod(0o440)  # the next session begins another volume
    (bench.tree / "later").write_text("4")
    assert bench.run()["parent"] == bench.sessions[2]["object"]
    (bench.folder / "media" / "R1" / "R1-000001.tar").unlink()
    state = {**states[2], "later": seen(bench.tree)["later"], ".": seen(bench.tree)["."]}
    bench.restore("known")
    assert same(bench, seen, "known", state)
    bench.restore("volumes", "--from", bench.folder / "media", "--from", bench.folder / "S")
    assert same(bench, seen, "volumes", state)
    # A further full is merged from the first one and what follows it.
    _, entry = consolidate(bench, to="S2")
    bench.restore("second", "--from", bench.folder / "S2")
    assert same(bench, seen, "second", state)
    assert bench.level_of(entry["object"])["parent"] == bench.sessions[3]["object"]


def test_restore_and_copy_plans_take_it_for_the_beginning_of_a_chain(bench, seen) -> None:
    states = first_sessions(bench, seen)
    consolidate(bench, "--as-of", objects(bench)[1].started)
    for words in (("draft", "migrate", "R1", "--to", "S"), ("draft", "chain", "T", "--to", "C")):
        assert bench.tcc(*words, "--plan", "plan.tc", "-o", "d.tc", "--force")[0] == 0
        assert bench.tcc("run", "d.tc")[0] == 0
    (bench.folder / "back.tc").write_text(
        'plan back\ndrive S { volumes = "S" }\nrestore group g { agent A <- S { B1 <- chain("p/T") } }\n'
        'target to { files = "target" }\nchain A.B1 -> to\n'
    )
    got = bench.tcc("run", "back.tc", "--dry-run")
    assert got[1].count("of T,") + got[1].count(bench.sessions[0]["object"]) >= 0
    assert bench.tcc("run", "back.tc")[0] == 0
    assert same(bench, seen, "target", states[2])
    bench.restore("copied", "--from", bench.folder / "C")
    assert same(bench, seen, "copied", states[2])


def test_compressed_and_encrypted(bench, seen) -> None:
    pyrage = pytest.importorskip("pyrage")
    key = pyrage.x25519.Identity.generate()
    (bench.folder / "key").write_text(str(key))
    states = first_sessions(bench, seen, f'compress = "zstd" encrypt = ["{key.to_public()}"]')
    code, _, said = bench.tcc("draft", "consolidate", "T", "--to", "S", "--state", bench.folder / "state")
    assert code == 2 and "name the plan that encrypts it" in said
    assert bench.tcc("draft", "consolidate", "T", "--to", "S", "--plan", "plan.tc", "-o", "c.tc")[0] == 0
    code, _, said = bench.tcc("run", "c.tc")
    assert code == 1 and "--identity" in said and not (bench.folder / "S").exists()
    _, entry = consolidate(bench, run=("--identity", "key"))
    made = objects(bench)[0]
    assert (made.id, made.compress, made.encrypt) == (entry["object"], "zstd", "age")
    bench.restore("alone", "--from", bench.folder / "S", "--identity", "key")
    assert same(bench, seen, "alone", states[-1])


def damage(volume: Path, object_id: str) -> None:
    """One byte of the object's record 1 is changed."""
    with open_volume(volume) as reader:
        found = [m for m in reader.members(0x4000, reader.size, check=False) if getattr(m, "header", None) is not None]
        (place,) = [m.position for m in found if (m.header.object_id, m.header.sequence) == (object_id, 1)]
    with open(volume, "r+b") as stream:
        stream.seek(place + 5000)
        byte = stream.read(1)[0]
        stream.seek(place + 5000)
        stream.write(bytes([byte ^ 0x40]))


def test_damage_is_healed_from_another_copy_or_ends_the_object(bench, seen) -> None:
    states = first_sessions(bench, seen, drives=("R1", "R2"))
    full = bench.sessions[0]["object"]
    damage(bench.folder / "media" / "R1" / "R1-000001.tar", full)
    said, _ = consolidate(bench)
    assert "record 1 was taken from drive R2" in said
    bench.restore("alone", "--from", bench.folder / "S")
    assert same(bench, seen, "alone", states[-1])
    damage(bench.folder / "media" / "R2" / "R2-000001.tar", full)
    shutil.rmtree(bench.folder / "S")
    said, entry = again(bench)
    assert entry["status"] == "failed" and "record 1 is lost" in entry["error"] and "tcc run --full" in entry["error"]
    assert {copy["status"] for copy in entry["copies"]} == {"failed"}
    assert "is failed" in bench.restore("failed", "--from", bench.folder / "S2", code=3), "the chain itself, in part"
    assert not any(o.id == entry["object"] and o.status == "whole" for o in objects(bench))


def again(bench) -> tuple[str, dict]:
    """The same plan once more, to another drive."""
    plan = (bench.folder / "c.tc").read_text()
    (bench.folder / "c2.tc").write_text(
        plan.replace(f"{bench.folder}/S", f"{bench.folder}/S2")
        .replace("drive S ", "drive S2 ")
        .replace("-> S ", "-> S2 ")
    )
    code, _, said = bench.tcc("run", "c2.tc", "--report", "c.json", "--again")
    assert code == 1, said
    (entry,) = json.loads((bench.folder / "c.json").read_text())["objects"]
    return said, entry


def test_what_a_killed_run_left_is_not_believed_and_hides_nothing(bench, seen) -> None:
    """The full was written behind the very session that it bears, and the run died before it ended."""
    states = first_sessions(bench, seen, drives=("R1", "R2"))
    catalog = bench.folder / "state" / "catalog.sqlite"
    shutil.copy(catalog, "before")
    _, entry = consolidate(bench, to="R1")
    shutil.copy("before", catalog)
    volume = bench.folder / "media" / "R1" / "R1-000001.tar"
    with open_volume(volume) as reader:
        index = reader.last_index()
        (mine,) = index.objects
        assert mine.object_id == entry["object"] and mine.records > 1
        last = mine.last
    os.truncate(volume, last)
    (bench.tree / "later").write_text("4")
    assert bench.run()["parent"] == bench.sessions[2]["object"]
    known = {o.id: o for o in objects(bench)}
    assert known[entry["object"]].status == "cut-off"
    for session in bench.sessions:
        copies = {copy.drive: copy.status for copy in known[session["object"]].copies}
        assert copies == {"R1": "stored", "R2": "stored"}, "what the volume held before is still known"
    shutil.rmtree(bench.folder / "media" / "R2")
    bench.restore("back")
    assert same(bench, seen, "back", {**states[2], "later": seen(bench.tree)["later"], ".": seen(bench.tree)["."]})
    assert bench.tcc("catalog", "rebuild", "media", "--plan", "plan.tc")[0] == 0
    bench.restore("rebuilt")
    assert seen(bench.restored("rebuilt")) == seen(bench.restored("back"))


def test_what_there_is_no_sense_in_is_refused(bench, seen) -> None:
    bench.run()
    assert (
        "a full is there already, on R1" in bench.tcc("draft", "consolidate", "T", "--plan", "plan.tc", "--to", "S")[2]
    )
    (bench.tree / "new").write_text("1")
    newest = bench.run()["object"]
    plan = 'plan c { state = "state" }\nsource T { chain = "p/T" MORE }\ndrive D { volumes = "WHERE" }\n'
    plan += "backup group g { agent A -> D { B1 <- T } }\n"

    def runs(more: str = "", where: str = "S") -> tuple[int, str]:
        (bench.folder / "c.tc").write_text(plan.replace("MORE", more).replace("WHERE", where))
        code, _, said = bench.tcc("run", "c.tc")
        return code, said

    assert "no attribute `level`" in runs('level = "incremental"')[1]
    assert "no attribute `exclude`" in runs('exclude = ["x"]')[1]
    assert "the catalog" in runs('object = "01a20690-0141-76af-ab11-7f378d5bf3a8"')[1]
    code, said = runs(where="media/R1")
    assert (
        code == 1
        and "the same plan writes its drive" in said
        and not (bench.folder / "media" / "R1" / "D-000001.tar").exists()
    )
    assert runs()[0] == 0
    code, said = runs(f'object = "{newest}"')
    assert code == 1 and f"is a full that stands for {newest} already" in said
    code, said = runs()
    assert code == 1 and f"is a full that stands for {newest} already" in said
    code, said = runs(f'object = "{bench.sessions[0]["object"]}"')
    assert code == 1 and "is a full one: there is nothing to merge" in said
    assert "that was merged from its chain is there already, on D" in bench.tcc(
        "draft", "consolidate", "T", "--plan", "plan.tc", "--to", "S3"
    )[2]  # fmt: skip


def test_it_is_no_fresh_backup_and_needs_none_of_its_parents(bench, seen) -> None:
    from tapechain.cli.plans import load_plan
    from tapechain.runtime.catalog.keeping import pools_of
    from tapechain.runtime.plan import Pool
    from tapechain.runtime.restore.due import due

    first_sessions(bench, seen)
    _, entry = consolidate(bench)
    plan, _ = load_plan("plan.tc", {}, warnings=False)
    known = objects(bench)
    assert known[0].id == entry["object"] and known[0].started == known[1].started
    later = time.time() + 10 * 86_400
    (old,) = due(plan, known, now=later, allowed=86_400).absent
    assert "none should be older" in old
    told = due(plan, known, now=time.time(), allowed=None)
    assert told.absent == () and told.notes == (), "the plan's own drive has the session's own object"
    without = [o for o in known if o.id != bench.sessions[0]["object"]]
    assert due(plan, without, now=time.time(), allowed=None).absent == (), "the full stands for what is lost"
    with open_catalog(bench.folder / "state" / "catalog.sqlite", create=False) as catalog:
        newest = bench.sessions[-1]["object"]
        about = {"plan": "p", "source": "T"}
        assert catalog.standing(newest, drives=["S"], **about) is None
        assert catalog.standing(newest, drives=["R1"], **about) is None
        assert catalog.standing(newest, drives=["R1", "S"], **about) is None, "R1 has the chain, S the full"
        assert "not stored on X" in str(catalog.standing(newest, drives=["R1", "S", "X"], **about))
        verdicts = catalog.expiry(pools_of([dataclasses.replace(plan, pools=(Pool("k", 1.0),))]), now=later).objects
        assert set(verdicts) == {o.id for o in known}
