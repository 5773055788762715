"""What drafts are for: drafted, checked, run, and restored from the new volumes alone."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from tapechain.cli.main import _main
from tapechain.runtime.media.volume import open_volume

PLAN = """
param broken = false
plan night { state = "state"  record = 64KiB }
source home { files = "tree" }
source dump { command = ["cat", "big"] }
drive R1 { volumes = "media/R1" }
drive R2 { volumes = "media/R2"  capacity = 1MB }
backup group b { agent a -> R1 { B1 <- home  B2 <- dump } }
mirror group m of b { agent c -> R2 { * <- a } }
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two sessions on two drives, the second of which spans volumes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TCC_STATE", raising=False)
    (tmp_path / "night.tc").write_text(PLAN)
    (tmp_path / "tree").mkdir()
    for number in (1, 2):
        (tmp_path / "tree" / f"file {number}").write_text(f"content {number}\n" * 1000)
        (tmp_path / "big").write_bytes(hashlib.shake_256(bytes([number])).digest(700_000))
        run("run", "night.tc", "--progress", "none")
    return tmp_path


def run(*words: str, code: int = 0) -> None:
    assert _main([*words]) == code, words


def drafted(*words: str, code: int = 0) -> None:
    """Draft, check strictly, run."""
    run("draft", *words, "--plan", "night.tc", "-o", "draft.tc", "--force")
    run("check", "--strict", "draft.tc")
    run("run", "draft.tc", "--progress", "none", "--report", "report.json", code=code)


def comes_back(folder: Path, *media: str) -> None:
    """Both sources come back from the folders *media* alone, with no catalog."""
    shutil.rmtree(folder / "back", ignore_errors=True)
    words = [word for place in media for word in ("--from", place)]
    for source in ("home", "dump"):
        run("restore", source, *words, "--to", f"back/{source}", "--state", "elsewhere")
    assert (folder / "back" / "dump" / "dump").read_bytes() == (folder / "big").read_bytes()
    tree = folder / "back" / "home" / (folder / "tree").relative_to("/")
    assert {p.name: p.read_bytes() for p in tree.iterdir()} == {
        p.name: p.read_bytes() for p in (folder / "tree").iterdir()
    }


def copies(folder: Path) -> dict[str, set[str]]:
    """Object → the drives that have it stored, as the catalog says."""
    from tapechain.runtime.catalog.store import open_catalog

    with open_catalog(folder / "state" / "catalog.sqlite", create=False) as catalog:
        return {o.id: {c.drive for c in o.copies if c.status == "stored"} for o in catalog.objects()}


def test_refresh_onto_two_new_drives_in_one_pass(folder: Path) -> None:
    drafted("refresh", "R1-000001", "--to", "one=new/one", "--to", "two=new/two")
    assert all(drives == {"R1", "R2", "one", "two"} for drives in copies(folder).values())
    shutil.rmtree(folder / "media")
    comes_back(folder, "new/one")
    comes_back(folder, "new/two")
    run("verify", "--plan", "night.tc", "one-000001", "two-000001")


def test_migrate_twice_copies_nothing_again(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    drafted("migrate", "R1", "R2", "--to", "new=new/store")
    size = (folder / "new/store/new-000001.tar").stat().st_size
    run("run", "draft.tc", "--progress", "none")
    assert (folder / "new/store/new-000001.tar").stat().st_size - size < 64 * 1024, "no record was written again"
    capsys.readouterr()
    assert _main(["draft", "migrate", "R1", "--to", "new", "--plan", "night.tc"]) == 1
    assert "already" in capsys.readouterr().err
    shutil.rmtree(folder / "media")
    comes_back(folder, "new")


def test_catch_up_brings_what_a_failed_drive_lacks(folder: Path) -> None:
    shutil.move(folder / "media/R2", folder / "away")
    (folder / "media/R2").touch()
    run("run", "night.tc", "--progress", "none", code=3)
    (folder / "media/R2").unlink()
    shutil.move(folder / "away", folder / "media/R2")
    drafted("catch-up")
    assert all(drives == {"R1", "R2"} for drives in copies(folder).values())
    assert _main(["draft", "catch-up", "--plan", "night.tc"]) == 1, "nothing lacks any more"
    shutil.rmtree(folder / "media/R1")
    comes_back(folder, "media/R2")


def test_a_recovery_plan_restores_in_one_pass(folder: Path) -> None:
    drafted("restore", "home", "dump", "--to", "back")
    assert (folder / "back/dump").read_bytes() == (folder / "big").read_bytes()
    tree = folder / "back" / (folder / "tree").relative_to("/")
    assert sorted(p.name for p in tree.iterdir()) == ["file 1", "file 2"]


def test_compact_leaves_expired_objects_behind(folder: Path) -> None:
    text = PLAN.replace('drive R1 { volumes = "media/R1" }', 'drive R1 { volumes = "media/R1"  pool = p }')
    (folder / "night.tc").write_text(text + "pool p { sessions = 1 }\n")
    shutil.rmtree(folder / "media")
    shutil.rmtree(folder / "state")
    for _ in range(3):
        run("run", "night.tc", "--progress", "none")
    drafted("compact", "--drive", "R1", "--to", "R1b=new/R1b")
    there = [drives for drives in copies(folder).values() if "R1b" in drives]
    assert len(there) == 2, "the newest session of each source"
    shutil.rmtree(folder / "media")
    comes_back(folder, "new")


def test_demultiplexed_objects_lie_in_one_piece_each(folder: Path) -> None:
    drafted("demultiplex", "--drive", "R1", "--to", "single=new/single", "--spool", "spool")
    with open_volume(folder / "new/single/single-000001.tar") as reader:
        order = [item.header.object_id for item in reader.scan() if hasattr(item, "header")]
    pieces = [a for a, b in zip(order, [*order[1:], None], strict=True) if a != b]
    assert len(pieces) == len(set(order)) == 4
    assert not list((folder / "spool").iterdir())
    shutil.rmtree(folder / "media")
    comes_back(folder, "new")


def test_a_chain_is_copied_in_restore_order(folder: Path) -> None:
    (folder / "night.tc").write_text(
        PLAN.replace('source home { files = "tree" }', 'source home { files = "tree"  level = "incremental" }')
    )
    for number in (3, 4):
        (folder / "tree" / f"file {number}").write_text("more")
        run("run", "night.tc", "--progress", "none")
    drafted("chain", "home", "--to", "chain=new/chain", "--spool", "spool")
    report = json.loads((folder / "report.json").read_text())
    with open_volume(folder / "new/chain/chain-000001.tar") as reader:
        order = list(dict.fromkeys(item.header.object_id for item in reader.scan() if hasattr(item, "header")))
    assert len(order) == len(report["objects"]) >= 2
    assert order == sorted(order), "UUIDv7: oldest first"
    shutil.rmtree(folder / "media")
    run("restore", "home", "--from", "new", "--to", "back", "--state", "elsewhere")
    tree = folder / "back" / (folder / "tree").relative_to("/")
    assert sorted(p.name for p in tree.iterdir()) == [f"file {n}" for n in (1, 2, 3, 4)]


def test_a_recovery_plan_applies_a_chain_with_its_deletions(folder: Path) -> None:
    (folder / "night.tc").write_text(
        PLAN.replace('source home { files = "tree" }', 'source home { files = "tree"  level = "incremental" }')
    )
    run("run", "night.tc", "--progress", "none")
    (folder / "tree" / "file 1").unlink()
    (folder / "tree" / "file 3").write_text("more")
    run("run", "night.tc", "--progress", "none")
    drafted("restore", "home", "dump", "--to", "back")
    tree = folder / "back" / (folder / "tree").relative_to("/")
    assert sorted(p.name for p in tree.iterdir()) == ["file 2", "file 3"]


@pytest.fixture
def away(folder: Path) -> Path:
    """Two sessions more; then all of R1 and the first volume of R2 are away."""
    for _ in range(2):
        run("run", "night.tc", "--progress", "none")
    shutil.move(folder / "media/R1", folder / "away")
    (folder / "media/R2/R2-000001.tar").rename(folder / "R2-000001.tar")
    return folder


def at_hand(folder: Path) -> tuple[set[str], set[str]]:
    """The objects of which a whole copy lies on volumes that are there; and the others."""
    from tapechain.runtime.catalog.store import open_catalog

    with open_catalog(folder / "state" / "catalog.sqlite", create=False) as catalog:
        there = {v.id for v in catalog.volumes() if v.location and Path(v.location).exists()}
        objects = catalog.objects()
    here = {o.id for o in objects if any(c.segments and {s.volume_id for s in c.segments} <= there for c in o.copies)}
    return here, {o.id for o in objects} - here


def test_one_volume_away_and_what_it_held_comes_from_the_other_copy(folder: Path) -> None:
    (folder / "media/R2/R2-000001.tar").rename(folder / "R2-000001.tar")
    drafted("refresh", "R2-000001", "R2-000002", "--to", "new=new/store")
    assert "come from other copies" in (folder / "draft.tc").read_text()
    assert all("new" in drives for drives in copies(folder).values())
    shutil.rmtree(folder / "media")
    comes_back(folder, "new")


@pytest.mark.parametrize(
    "words",
    [
        ("refresh", "R1-000001", "R2-000001", "R2-000002"),
        ("migrate", "R1", "R2"),
        ("demultiplex",),
        ("compact", "--volume", "R1-000001"),
    ],
)
def test_what_is_away_in_all_its_copies_is_left_out_and_the_rest_drafted(
    away: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    here, gone = at_hand(away)
    assert here and gone
    run("draft", *words, "--to", "new=new/store", "--plan", "night.tc", "-o", "draft.tc", code=3)
    said = capsys.readouterr().err
    assert said.count("left out: night/") == len(gone)
    assert f"R2-000001 is not at {away}/media/R2/R2-000001.tar" in said and "do: bring them back to their place" in said
    run("run", "draft.tc", "--progress", "none")
    assert {key for key, drives in copies(away).items() if "new" in drives} == here


def test_a_recovery_plan_brings_what_is_at_hand_and_names_the_rest(
    away: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("restore", "home", "dump", "--to", "back", "--plan", "night.tc", "-o", "draft.tc", "--force")
    run("draft", *words)
    with_name = PLAN.replace("source dump", "source other").replace("<- dump", "<- other").replace("R2", "R3")
    (away / "later.tc").write_text(with_name)
    run("run", "later.tc", "--progress", "none")
    shutil.rmtree(away / "media/R1")
    shutil.rmtree(away / "media/R3")
    capsys.readouterr()
    run("draft", "restore", "dump", "other", "--to", "back", "--plan", "night.tc", "-o", "some.tc", code=3)
    assert "left out: night/other of " in capsys.readouterr().err
    shutil.rmtree(away / "media/R2")
    run("draft", *words, code=1)
    said = capsys.readouterr().err
    assert "nothing to draft: night/" in said and "do: bring them back" in said


def test_catch_up_never_says_that_nothing_lacks_when_the_other_copies_are_away(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.move(folder / "media/R2", folder / "aside")
    (folder / "media/R2").touch()
    run("run", "night.tc", "--progress", "none", code=3)
    (folder / "media/R2").unlink()
    shutil.move(folder / "aside", folder / "media/R2")
    shutil.move(folder / "media/R1", folder / "away")
    capsys.readouterr()
    run("draft", "catch-up", "--plan", "night.tc", code=1)
    assert "not all volumes of its copy on drive R1 are at hand" in capsys.readouterr().err


def test_a_chain_or_a_full_of_it_with_a_link_away_says_which(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "night.tc").write_text(
        PLAN.replace('source home { files = "tree" }', 'source home { files = "tree"  level = "incremental" }')
    )
    run("run", "night.tc", "--progress", "none", "--full")
    for number in (5, 6):
        (folder / "tree" / f"file {number}").write_bytes(hashlib.shake_256(bytes([number])).digest(400_000))
        run("run", "night.tc", "--progress", "none")
    shutil.move(folder / "media/R1", folder / "away")
    volumes = sorted((folder / "media/R2").iterdir())
    volumes[-1].rename(folder / volumes[-1].name)
    capsys.readouterr()
    run("draft", "chain", "home", "--to", "new", "--plan", "night.tc", "-o", "draft.tc", code=3)
    assert f"{volumes[-1].stem} is not at" in capsys.readouterr().err
    run("draft", "consolidate", "home", "dump", "--to", "new", "--plan", "night.tc", code=1)
    said = capsys.readouterr().err
    assert "night/dump has no whole object of files" in said and f"{volumes[-1].stem} is not at" in said


def test_the_run_that_merges_a_chain_can_be_estimated(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = PLAN.replace('source home { files = "tree" }', 'source home { files = "tree"  level = "incremental" }')
    (folder / "night.tc").write_text(text.replace('"media/R1" }', '"media/R1"  rate = 100MB/s }'))
    run("run", "night.tc", "--progress", "none", "--full")
    (folder / "tree" / "file 5").write_bytes(b"x" * 300_000)
    run("run", "night.tc", "--progress", "none")
    (folder / "slow.tc").write_text((folder / "night.tc").read_text().replace("capacity = 1MB", "rate = 50MB/s"))
    words = ("draft", "consolidate", "home", "--to", "R2", "--plan", "slow.tc", "-o", "full.tc")
    run(*words)
    capsys.readouterr()
    run("estimate", "full.tc", "--json")
    estimate = json.loads(capsys.readouterr().out)
    assert estimate["missing"] == [] and estimate["bottleneck"] == {"kind": "drive", "name": "R2"}
    assert estimate["seconds"]["least"] == pytest.approx(estimate["drives"][0]["bytes"] / 50_000_000)
    assert estimate["drives"][0]["bytes"] > 300_000
    run("check", "--strict", "full.tc")
    run("run", "full.tc", "--progress", "none")


def test_of_two_volumes_of_one_name_one_is_named_by_its_identifier(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """R1 was moved, and the next run began R1-000001 anew: a refresh of "R1-000001" could throw the other away."""
    shutil.move(folder / "media/R1", folder / "old")
    run("run", "night.tc", "--progress", "none")
    run("catalog", "add", "old", "--plan", "night.tc")
    words = ("--to", "new=new/store", "--plan", "night.tc", "-o", "draft.tc", "--force")
    run("draft", "refresh", "R1-000001", *words, code=2)
    said = capsys.readouterr().err
    with open_volume(folder / "old/R1-000001.tar") as old, open_volume(folder / "media/R1/R1-000001.tar") as new:
        ids = old.label.volume, new.label.volume
    assert all(f"R1-000001 ({key})" in said for key in ids) and "UUID" in said
    run("draft", "refresh", ids[1], *words)
    assert "reads 2 object(s)" in (folder / "draft.tc").read_text()
    run("check", "--strict", "draft.tc")
    run("draft", "refresh", ids[0], *words)
    assert "come from other copies" in (folder / "draft.tc").read_text(), "R2 has them: old is not the drive's folder"
    shutil.move(folder / "media/R2", folder / "away")
    capsys.readouterr()
    run("draft", "refresh", ids[0], *words, code=1)
    assert "lies elsewhere" in capsys.readouterr().err


def test_a_catalog_that_is_behind_the_media_is_said_and_nothing_is_called_all_of_it(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = (folder / "state/catalog.sqlite").read_bytes()
    run("run", "night.tc", "--progress", "none")
    shutil.rmtree(folder / "state")
    (folder / "state").mkdir()
    (folder / "state/catalog.sqlite").write_bytes(kept)
    capsys.readouterr()
    words = ("--to", "new=new/store", "--plan", "night.tc", "-o", "draft.tc", "--force")
    for kind in (("migrate", "R1"), ("refresh", "R1-000001"), ("demultiplex", "--drive", "R1")):
        run("draft", *kind, *words, code=3)
        said = capsys.readouterr().err
        assert "left out: what else volume R1-000001 of drive R1 may hold" in said
        assert f"`tcc catalog add {folder}/media/R1/R1-000001.tar`" in said
    run("catalog", "add", "media", "--plan", "night.tc")
    drafted("migrate", "R1", "--to", "new=new/store")
    assert all("new" in drives for drives in copies(folder).values()) and len(copies(folder)) == 6
    (folder / "state/catalog.sqlite").unlink()
    (folder / "state/catalog.sqlite").write_bytes(kept)
    run("catalog", "add", "new", "--plan", "night.tc")
    capsys.readouterr()
    run("draft", "migrate", "R1", *words, code=1)
    said = capsys.readouterr().err
    assert "holds all of it already; what else volume R1-000001" in said
