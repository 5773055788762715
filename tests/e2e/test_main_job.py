"""The main job through the installed command: run Figure 2, look at what is known, bring it back from every copy."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Same = Callable[[Path, Path], None]

REACHES = {
    "D1": {"R1", "R5"},
    "D2": {"R1", "R5", "R3"},
    "D3": {"R1"},
    "D4": {"R2", "R8"},
    "D5": {"R2", "R8"},
    "D6": {"R2", "R8", "R6"},
}


def test_figure2_runs_and_every_copy_restores(figure2, trees, same_tree: Same) -> None:
    figure2.ok("run", "plan.tc", "--report", "report.json")
    report = figure2.report()
    assert report["version"] == 1 and report["plan"] == "figure2" and report["status"] == "ok"
    assert {o["source"]: {c["drive"] for c in o["copies"]} for o in report["objects"]} == REACHES
    for entry in report["objects"]:
        assert entry["status"] == "whole" and entry["warnings"] == []
        assert all(c["status"] == "stored" and c["volumes"] and c["error"] is None for c in entry["copies"])

    objects = figure2.ok("objects", "--plan", "plan.tc", "--json").json
    assert {o["source"] for o in objects} == set(REACHES)
    for entry in objects:
        assert entry.keys() >= {
            "source",
            "object",
            "plan",
            "session",
            "started",
            "kind",
            "bytes",
            "records",
            "status",
            "copies",
        }
        assert entry["status"] == "whole"
        assert {c["drive"] for c in entry["copies"]} == REACHES[entry["source"]]
        assert {c["status"] for c in entry["copies"]} == {"stored"}
    volumes = figure2.ok("volumes", "--plan", "plan.tc", "--json").json
    assert {v["drive"] for v in volumes} == {"R1", "R2", "R3", "R5", "R6", "R8"}
    for volume in volumes:
        keys = {"name", "uuid", "drive", "pool", "location", "bytes", "objects", "sessions", "expires", "status"}
        assert volume.keys() >= keys
    (session,) = figure2.ok("sessions", "--plan", "plan.tc", "--json").json
    assert session["session"] == report["session"] and session["status"] == "ok"

    figure2.ok("verify", "--plan", "plan.tc")
    for source, drives in REACHES.items():
        for drive in sorted(drives):
            back = figure2.folder / "back" / f"{source}-{drive}"
            figure2.ok("restore", source, "--from", f"media/{drive}", "--to", back)
            if source in trees:
                same_tree(trees[source], back / str(trees[source]).lstrip("/"))
            elif source == "D3":
                assert (back / "D3").read_text() == "".join(f"{i}\n" for i in range(1, 50001))
            else:
                assert (back / "D4").read_bytes() == (figure2.folder / "dump.img").read_bytes()
    figure2.ok("restore", "D2", "--plan", "plan.tc", "--to", "from-catalog")
    same_tree(trees["D2"], figure2.folder / "from-catalog" / str(trees["D2"]).lstrip("/"))


@pytest.mark.parametrize("program", ["tar", "bsdtar"])
def test_label_commands_bring_it_back_without_us(figure2, trees, same_tree: Same, program: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed (`make tools` installs it where it may)")
    figure2.ok("run", "plan.tc")
    (volume,) = (figure2.folder / "media" / "R1").glob("*.tar")
    listing = subprocess.run([program, "-tf", volume], capture_output=True, text=True)
    assert listing.returncode == 0 and listing.stderr == ""
    names = listing.stdout.split()
    assert names[0] == "tapechain.json"
    pattern = "D2/*"
    extract = (
        [program, "-xOf", volume, "--wildcards", pattern]
        if program == "tar"
        else [program, "-xOf", volume, "--include", pattern]
    )
    inner = subprocess.run(extract, capture_output=True, check=True)
    assert inner.stderr == b""
    plain = figure2.folder / "plain"
    plain.mkdir()
    subprocess.run(["tar", "-xpf", "-", "-C", plain], input=inner.stdout, check=True)
    same_tree(trees["D2"], plain / str(trees["D2"]).lstrip("/"))


def test_second_run_appends_and_both_sessions_stay(figure2, trees, same_tree: Same) -> None:
    figure2.ok("run", "plan.tc")
    first = {o["source"]: o["object"] for o in figure2.ok("objects", "--plan", "plan.tc", "--json").json}
    before = {p: p.read_bytes() for p in (figure2.folder / "media").rglob("*.tar")}
    shutil.copytree(trees["D2"], figure2.folder / "old", symlinks=True)
    (trees["D2"] / "new file").write_text("new")
    figure2.ok("run", "plan.tc")
    for path, content in before.items():
        grown = path.read_bytes()
        assert grown[: len(content) - 1024] == content[:-1024], f"{path} was changed where it holds data"
        assert len(grown) > len(content)
    assert len(figure2.ok("sessions", "--plan", "plan.tc", "--json").json) == 2
    figure2.ok("verify", "--plan", "plan.tc")
    figure2.ok("restore", "D2", "--plan", "plan.tc", "--to", "newest")
    assert (figure2.folder / "newest" / str(trees["D2"]).lstrip("/") / "new file").exists()
    figure2.ok("restore", "D2", "--object", first["D2"], "--plan", "plan.tc", "--to", "oldest")
    assert not (figure2.folder / "oldest" / str(trees["D2"]).lstrip("/") / "new file").exists()


def test_catalog_is_remade_from_volumes_alone(figure2) -> None:
    figure2.ok("run", "plan.tc")
    figure2.ok("run", "plan.tc")
    asked = [("objects", "--json"), ("volumes", "--json"), ("sessions", "--json")]
    before = [figure2.ok(*question, "--plan", "plan.tc").json for question in asked]
    shutil.rmtree(figure2.folder / "state")
    figure2.ok("catalog", "rebuild", "media", "--plan", "plan.tc")
    assert [figure2.ok(*question, "--plan", "plan.tc").json for question in asked] == before


def test_dry_run_opens_nothing(figure2) -> None:
    done = figure2.ok("run", "plan.tc", "--dry-run")
    assert not (figure2.folder / "media").exists()
    assert not (figure2.folder / "state").exists()
    for name in ("D1", "D6", "R1", "R6", "A124"):
        assert name in done.out + done.err


def test_compiled_plan_runs_as_the_source_does(figure2) -> None:
    figure2.ok("compile", "plan.tc")
    (figure2.folder / "plan.tc").rename(figure2.folder / "gone")
    figure2.ok("run", "plan.plan.json", "--report", "report.json")
    assert figure2.report()["status"] == "ok"


def test_volumes_span_and_mirrors_change_volumes_on_their_own(bench) -> None:
    (bench.folder / "image").write_bytes(bytes(range(256)) * 8000)
    bench.write(
        """
plan span { record = 64KiB }
source image { stream = "image" }
source numbers { command = ["seq", "1", "200000"] }
drive small { volumes = "small"  capacity = 400KiB }
drive large { volumes = "large"  capacity = 900KiB }
backup group b { agent a -> small { B1 <- image  B2 <- numbers } }
mirror group m of b { agent c -> large { * <- a } }
"""
    )
    bench.ok("run", "plan.tc", "--report", "report.json")
    for path in [*(bench.folder / "small").iterdir(), *(bench.folder / "large").iterdir()]:
        assert path.stat().st_size <= (400 if path.parent.name == "small" else 900) * 1024
    copies = {
        c["drive"]: len(c["volumes"]) for o in bench.report()["objects"] if o["source"] == "image" for c in o["copies"]
    }
    assert copies["small"] > copies["large"] > 1
    bench.ok("verify", "--plan", "plan.tc")
    for drive in ("small", "large"):
        bench.ok("restore", "image", "--from", drive, "--to", f"back-{drive}")
        assert (bench.folder / f"back-{drive}" / "image").read_bytes() == (bench.folder / "image").read_bytes()
        bench.ok("restore", "numbers", "--from", drive, "--to", f"numbers-{drive}")
        assert (bench.folder / f"numbers-{drive}" / "numbers").read_text().split()[-1] == "200000"


def test_empty_things_come_back_empty(bench, same_tree: Same) -> None:
    (bench.folder / "tree").mkdir()
    bench.write(
        """
plan nothing
source tree { files = "tree" }
source silent { command = ["true"] }
source blank { stream = "/dev/null" }
drive R1 { volumes = "media" }
drive R2 { volumes = "mirror" }
backup group b { agent a -> R1 { B1 <- tree  B2 <- silent  B3 <- blank } }
mirror group m of b { agent c -> R2 { * <- a } }
"""
    )
    bench.ok("run", "plan.tc")
    for source in ("silent", "blank"):
        bench.ok("restore", source, "--plan", "plan.tc", "--to", f"back-{source}")
        assert (bench.folder / f"back-{source}" / source).read_bytes() == b""
    bench.ok("restore", "tree", "--plan", "plan.tc", "--to", "back-tree")
    restored = bench.folder / "back-tree" / str(bench.folder / "tree").lstrip("/")
    same_tree(bench.folder / "tree", restored)
    assert restored.is_dir()


def test_run_is_quiet_where_check_warns(bench) -> None:
    bench.write(
        """
plan single
source numbers { command = ["seq", "1", "1000"] }
drive R1 { volumes = "media" }
backup group b { agent a -> R1 { B1 <- numbers } }
"""
    )
    assert "TC903" in bench.ok("check", "plan.tc").out
    assert "TC903" in bench.ok("run", "plan.tc", "--dry-run").err
    done = bench.ok("run", "plan.tc", "--progress", "none")
    assert done.out == done.err == ""
