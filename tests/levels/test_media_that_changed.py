"""Each drive is to hold whole chains, so that one of them is enough for a restore: also where its medium was changed,
lost a volume, or was put back as it was before, and the run learns that only when the drive is mounted.
"""

import shutil

import pytest
from tapechain.runtime.sources import snapshots

pytestmark = pytest.mark.timeout(120)
DRIVES = ("R1", "R2")


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sessions follow each other within two seconds here: what did not change in between is not to be stored again."""
    monkeypatch.setattr(snapshots, "SET_BACK_SECONDS", 0)


def run(bench, name: str, level: str, *more: str) -> dict:
    (bench.tree / name).write_text(name)
    done = bench.run(*more)
    assert done["level"] == level, done["notes"]
    return done


def from_each(bench, seen) -> None:
    """Each drive's folder alone gives the tree back."""
    for drive in DRIVES:
        to = f"from-{drive}"
        shutil.rmtree(bench.folder / to, ignore_errors=True)
        code, _, said = bench.tcc("restore", "T", "--from", f"media/{drive}", "--to", to)
        assert code == 0, said
        assert seen(bench.restored(to)) == seen(bench.tree)


def test_a_medium_that_was_put_back_as_it_was_gets_a_full(bench, seen) -> None:
    """Its volume is the right one, at its place; the sessions that the newest incremental builds on are not on it."""
    bench.plan(drives=DRIVES)
    run(bench, "one", "full")
    media = bench.folder / "media"
    shutil.copytree(media / "R1", bench.folder / "older")
    run(bench, "two", "incremental")
    shutil.rmtree(media / "R1")
    (bench.folder / "older").rename(media / "R1")
    done = run(bench, "three", "full")
    assert "1 session(s) that the catalog knew are not on it any more" in done["notes"]
    assert "is not stored on R1" in done["notes"]
    from_each(bench, seen)
    run(bench, "four", "incremental")
    from_each(bench, seen)


def test_an_empty_disk_in_a_drives_place_gets_a_full(bench, seen) -> None:
    bench.plan(drives=DRIVES)
    run(bench, "one", "full")
    media = bench.folder / "media"
    (media / "R1").rename(bench.folder / "other disk")
    (media / "R1").mkdir()
    done = run(bench, "two", "full")
    assert "volume R1-000001 of drive R1, which holds object" in done["notes"], done["notes"]
    run(bench, "three", "incremental")
    from_each(bench, seen)


def test_exchanged_disks_get_fulls(bench, seen) -> None:
    bench.plan(drives=DRIVES)
    run(bench, "one", "full")
    media = bench.folder / "media"
    for a, b in (("R1", "t"), ("R2", "R1"), ("t", "R2")):
        (media / a).rename(media / b)
    done = run(bench, "two", "full")
    assert "none is there (R1-000001), but volumes of drive R2: were disks exchanged?" in done["notes"]
    from_each(bench, seen)
    # Back at their places: they are known, and named so; what the run meanwhile left lies in the other folder.
    for a, b in (("R1", "t"), ("R2", "R1"), ("t", "R2")):
        (media / a).rename(media / b)
    done = run(bench, "three", "full")
    assert "another of its disks is in" in done["notes"] and "none is there" not in done["notes"]
    from_each(bench, seen)
    assert bench.tcc("verify", "--plan", "plan.tc")[0] == 1
    assert bench.tcc("catalog", "add", "media", "--plan", "plan.tc")[0] == 0
    assert bench.tcc("verify", "--plan", "plan.tc")[0] == 0


def test_a_volume_with_the_full_that_is_gone_makes_a_full(bench, seen) -> None:
    bench.plan(drives=DRIVES)
    run(bench, "one", "full")
    assert bench.tcc("volume", "label", "R2", "--plan", "plan.tc")[0] == 0
    run(bench, "two", "incremental")
    lost = bench.folder / "media" / "R2" / "R2-000001.tar"
    lost.rename(bench.folder / lost.name)
    done = run(bench, "three", "full")
    assert "volume R2-000001 of drive R2" in done["notes"], done["notes"]
    from_each(bench, seen)


def test_a_volume_that_lies_elsewhere_and_is_told_is_at_hand(bench) -> None:
    bench.plan(drives=DRIVES)
    run(bench, "one", "full")
    assert bench.tcc("volume", "label", "R2", "--plan", "plan.tc")[0] == 0
    vault = bench.folder / "vault"
    vault.mkdir()
    (bench.folder / "media" / "R2" / "R2-000001.tar").rename(vault / "R2-000001.tar")
    assert bench.tcc("catalog", "add", "vault", "--plan", "plan.tc")[0] == 0
    run(bench, "two", "incremental")


def test_a_copy_made_once_more_is_as_good(bench, seen) -> None:
    """The volume is lost, and what it held was brought to another one: the chain goes on."""
    bench.plan(drives=DRIVES)
    run(bench, "one", "full")
    assert bench.tcc("volume", "label", "R2", "--plan", "plan.tc")[0] == 0
    run(bench, "two", "incremental")
    (bench.folder / "media" / "R2" / "R2-000001.tar").unlink()
    assert bench.tcc("verify", "--plan", "plan.tc", "--repair", "-o", "repair.tc")[0] == 1
    assert bench.tcc("run", "repair.tc", "--again")[0] == 0
    run(bench, "three", "incremental")
    from_each(bench, seen)


def test_a_drive_that_cannot_be_mounted_makes_no_full(bench) -> None:
    """What fails is no reason to store all on the others: the snapshot stays, and the copies are caught up."""
    bench.plan(drives=DRIVES)
    run(bench, "one", "full")
    shutil.rmtree(bench.folder / "media" / "R2")
    (bench.folder / "media" / "R2").write_text("no folder")
    (bench.tree / "two").write_text("two")
    assert bench.run(code=3)["level"] == "incremental"
