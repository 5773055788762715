"""Restore and copy plans (Figures 4 and 5 of the patent) run for real against media that Figure 2 made."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

FIGURE5 = """
plan refresh { record = 64KiB  depth = 4 }
drive R2 { volumes = "media/R2" }
drive R5 { volumes = "media/R5" }
drive R1 { volumes = "fresh/R1" }
drive R3 { volumes = "fresh/R3"  capacity = 500kB }
drive R6 { volumes = "fresh/R6" }
drive R8 { volumes = "fresh/R8" }
restore group old {
  agent A150 <- R2 { B1 <- D4  B2 <- D6 }
  agent A152 <- R5 { B1 <- all(D2) }
}
copy group copy1 of old {
  agent A158 -> R1 { B1 <- A150.B1 }
  agent A160 -> R3 { B1 <- A150.B2  B2 <- A152.B1 }
}
copy group copy2 of copy1 {
  agent A164 -> R6 { B2 <- A158.B1 }
  agent A166 -> R8 { B3 <- A160.B1 }
}
target T1 { files = "restored/D6" }
chain A150.B2 -> T1
"""


@pytest.fixture
def copied(figure2: Any) -> Any:
    """Figure 2 ran twice; then Figure 5."""
    figure2.ok("run", "plan.tc")
    figure2.ok("run", "plan.tc")
    figure2.write(FIGURE5, "figure5.tc")
    figure2.ok("run", "figure5.tc", "--report", "report.json")
    return figure2


def records(folder: Path, source: str) -> dict[str, bytes]:
    """Every member of *source* on the volumes of a magazine, as tar finds them: name → label and payload."""
    found: dict[str, bytes] = {}
    for volume in sorted(folder.glob("*.tar")):
        names = subprocess.run(["tar", "-tf", volume], capture_output=True, check=True, text=True).stdout.split()
        data = volume.read_bytes()
        for name in names:
            if name.startswith(f"{source}/"):
                at = data.index(name.encode() + b"\0") - 1024
                size = int(data[at + 1024 + 124 : at + 1024 + 135], 8)
                found[name] = data[at : at + 1536 + -(-size // 512) * 512]
    return found


def test_figure5_copies_records_unchanged_and_restores_in_the_same_pass(copied, same_tree) -> None:
    report = copied.report()
    assert report["status"] == "ok"
    by_source: dict[str, list[Any]] = {}
    for entry in report["objects"]:
        by_source.setdefault(entry["source"], []).append(entry)
        assert entry["status"] == "whole" and all(c["status"] == "stored" for c in entry["copies"])
    assert {source: len(entries) for source, entries in by_source.items()} == {"D4": 1, "D6": 1, "D2": 2}
    (d4,) = by_source["D4"]
    assert [c["drive"] for c in d4["copies"]] == ["R1", "R6"]
    old = records(copied.folder / "media/R2", "D4")
    for drive in ("R1", "R6"):
        new = records(copied.folder / "fresh" / drive, "D4")
        assert new and all(old[name] == record for name, record in new.items())
        assert {name.split("/")[1] for name in new} == {d4["object"]}
    assert [t["status"] for t in by_source["D6"][0]["targets"]] == ["restored"]
    inside = next(path for path in (copied.folder / "restored/D6").rglob("D6") if path.is_dir())
    same_tree(copied.folder / "data/D6", inside)
    assert len(list((copied.folder / "fresh/R3").glob("*.tar"))) > 2  # it spans by itself


def test_copies_alone_give_back_the_objects_of_their_own_session(copied, same_tree, tmp_path: Path) -> None:
    """The old media and the catalog are lost: what was copied is all there is."""
    import shutil

    before = {o["object"]: o for o in copied.ok("objects", "--plan", "plan.tc", "--json").json}
    shutil.rmtree(copied.folder / "media")
    shutil.rmtree(copied.folder / "state")
    copied.ok("catalog", "rebuild", "fresh", "--plan", "plan.tc")
    after = copied.ok("objects", "--plan", "plan.tc", "--json").json
    assert {o["source"] for o in after} == {"D2", "D4", "D6"}
    for entry in after:
        old = before[entry["object"]]
        for key in ("session", "plan", "source", "started", "kind", "bytes", "records", "status"):
            assert entry[key] == old[key], key
    copied.ok("restore", "D2", "--plan", "plan.tc", "--to", "back")
    inside = next(path for path in (copied.folder / "back").rglob("D2") if path.is_dir())
    same_tree(copied.folder / "data/D2", inside)
    copied.ok("verify", "--plan", "plan.tc")


def test_what_is_there_already_is_not_copied_again(copied) -> None:
    import shutil

    sizes = {p: p.stat().st_size for p in (copied.folder / "fresh").rglob("*.tar")}
    shutil.rmtree(copied.folder / "restored")
    copied.ok("run", "figure5.tc", "--report", "report.json")
    assert {p: p.stat().st_size for p in (copied.folder / "fresh").rglob("*.tar")} == sizes
    report = copied.report()
    assert report["status"] == "ok"
    assert all(sorted(o["already"]) == sorted(c["drive"] for c in o["copies"]) for o in report["objects"])
    shutil.rmtree(copied.folder / "restored")
    copied.ok("run", "figure5.tc", "--again")
    assert {p: p.stat().st_size for p in (copied.folder / "fresh").rglob("*.tar")} != sizes
    copied.ok("verify", "--plan", "plan.tc")


@pytest.mark.parametrize(
    ("selector", "code", "words"),
    [
        ("D9", 2, "drive R2 holds no object of D9"),
        ('object("01a205ff-519a-7435-b0a2-7608706085dc")', 2, "holds no object"),
        ('D4 { as_of = "2001-01-01T00:00" }', 1, "selects nothing"),
    ],
)
def test_selector_that_selects_nothing_is_said_before_anything_is_written(figure2, selector, code, words) -> None:
    figure2.ok("run", "plan.tc")
    figure2.write(
        f"""
plan one {{ record = 64KiB }}
drive R2 {{ volumes = "media/R2" }}
drive N1 {{ volumes = "fresh/N1" }}
restore group old {{ agent A <- R2 {{ B1 <- D6  B2 <- {selector} }} }}
copy group new of old {{ agent B -> N1 {{ * <- A }} }}
""",
        "one.tc",
    )
    done = figure2.tcc("run", "one.tc", "--report", "report.json")
    assert done.code == code and words in done.err, done.err
    assert not (figure2.folder / "fresh").exists() and not (figure2.folder / "report.json").exists()
    assert [s["plan"] for s in json.loads(figure2.ok("sessions", "--plan", "plan.tc", "--json").out)] == ["figure2"]


def test_the_shipped_figure5_runs_on_media_of_figure2(figure2) -> None:
    figure2.ok("run", "plan.tc")
    figure2.write((Path(__file__).parents[2] / "examples/figure5.tc").read_text(), "figure5.tc")
    figure2.ok("run", "figure5.tc", "--report", "report.json")
    assert figure2.report()["status"] == "ok"
    assert {o["source"] for o in figure2.report()["objects"]} == {"D2", "D4", "D6"}


def test_records_larger_than_the_plans_are_refused_before_anything_is_written(bench) -> None:
    (bench.folder / "dump").write_bytes(b"x" * 400_000)
    bench.write(
        'plan big { record = 128KiB }\nsource s { stream = "dump" }\ndrive R1 { volumes = "R1" }\n'
        "backup group g { agent A -> R1 { B <- s } }\n"
    )
    bench.ok("run", "plan.tc")
    bench.write(
        'plan small { record = 64KiB }\ndrive R1 { volumes = "R1" }\ndrive N1 { volumes = "N1" }\n'
        "restore group o { agent A <- R1 { B <- s } }\ncopy group n of o { agent C -> N1 { * <- A } }\n",
        "copy.tc",
    )
    done = bench.tcc("run", "copy.tc")
    assert done.code == 2 and "records of 131072 bytes" in done.err and "record = 128KiB" in done.err
    assert not (bench.folder / "N1").exists()


def test_figure4_splits_interleaved_objects_to_targets_of_every_kind(figure2, same_tree) -> None:
    """One pass over R2 restores three interleaved objects: to a folder, a file, and a command."""
    figure2.ok("run", "plan.tc")
    figure2.write(
        """
plan figure4 { record = 64KiB  depth = 4 }
drive R2 { volumes = "media/R2" }
restore group back { agent A150 <- R2 { B1 <- D4  B2 <- D5  B3 <- D6 } }
target image { stream = "back/image" }
target tree  { files = "back/D5" }
target pipe  { command = ["sh", "-c", "cat > back-$TCC_SOURCE.tar"] }
chain A150.B1 -> image
chain A150.B2 -> tree
chain A150.B3 -> pipe
""",
        "figure4.tc",
    )
    figure2.ok("check", "figure4.tc")
    figure2.ok("run", "figure4.tc", "--report", "report.json")
    assert (figure2.folder / "back/image").read_bytes() == (figure2.folder / "dump.img").read_bytes()
    assert (figure2.folder / "back/image").stat().st_mode & 0o777 == 0o600
    inside = next(path for path in (figure2.folder / "back/D5").rglob("D5") if path.is_dir())
    same_tree(figure2.folder / "data/D5", inside)
    listed = subprocess.run(["tar", "-tf", figure2.folder / "back-D6.tar"], capture_output=True, check=True)
    assert b"big.bin" in listed.stdout
    report = figure2.report()
    assert report["status"] == "ok" and [o["copies"] for o in report["objects"]] == [[], [], []]
    again = figure2.tcc("run", "figure4.tc")
    assert again.code == 1 and "--overwrite" in again.err
    figure2.ok("run", "figure4.tc", "--overwrite")


def test_dry_run_of_a_copy_says_what_is_read_in_which_order_and_makes_nothing(copied) -> None:
    import shutil

    shutil.rmtree(copied.folder / "fresh")
    before = sorted(copied.folder.rglob("*"))
    said = copied.ok("run", "figure5.tc", "--dry-run").out
    assert "2 drives would be read" in said
    assert "A152.B1 <- all(D2): 2 objects" in said and "pass 1 over the drive: R5-000001" in said
    assert "target T1 <- A150.B2" in said
    assert sorted(copied.folder.rglob("*")) == before
    shutil.rmtree(copied.folder / "state")
    assert "pass 1 over the drive: R5-000001" in copied.ok("run", "figure5.tc", "--dry-run").out
    assert not (copied.folder / "state").exists()


def test_demultiplexing_lays_every_object_in_one_piece(figure2) -> None:
    figure2.ok("run", "plan.tc")
    figure2.ok("run", "plan.tc")
    figure2.write(
        """
plan demux { record = 64KiB  depth = 4 }
drive R1 { volumes = "media/R1" }
drive R2 { volumes = "media/R2" }
drive N1 { volumes = "demux/N1" }
restore group old {
  agent A1 <- R1 { B1 <- all }
  agent A2 <- R2 { B1 <- all }
}
copy group new of old { agent B -> N1 { order = "object"  spool = "spool"  B1 <- A1.B1  B2 <- A2.B1 } }
""",
        "demux.tc",
    )
    figure2.ok("run", "demux.tc")
    names = subprocess.run(
        ["tar", "-tf", figure2.folder / "demux/N1/N1-000001.tar"], capture_output=True, check=True, text=True
    ).stdout.split()
    objects = [name.rpartition("/")[0] for name in names if name.count("/") == 2]
    runs = [key for n, key in enumerate(objects) if n == 0 or objects[n - 1] != key]
    assert len(runs) == len(set(runs)) == 12
    assert not list((figure2.folder / "spool").iterdir())
    figure2.ok("verify", "--plan", "plan.tc")
