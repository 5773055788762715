"""``tcc drill``: what came back is held against what is stored; every difference is found, nothing stays behind."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from tapechain.cli.main import _main
from tapechain.runtime.restore import drill as drilling

pytestmark = pytest.mark.timeout(100)

PLAN = """
plan night {{ record = 64KiB }}
source T {{ files = "{tree}" {more} }}
source S {{ stream = "noise" }}
drive R1 {{ volumes = "media/R1" }}
drive R2 {{ volumes = "media/R2" }}
backup group g {{ agent A -> R1 {{ B1 <- T  B2 <- S }} }}
mirror group h of g {{ agent B -> R2 {{ * <- A }} }}
"""


class Bench:
    def __init__(self, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
        self.folder, self.tree, self.capfd = folder, folder / "tree", capfd

    def plan(self, more: str = "") -> None:
        (self.folder / "p.tc").write_text(PLAN.format(tree=self.tree, more=more))

    def tcc(self, *arguments: str, code: int = 0) -> tuple[str, str]:
        got = _main(list(arguments))
        out, err = self.capfd.readouterr()
        assert "internal error" not in err, err
        assert got == code, (got, out, err)
        return out, err

    def drill(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        self.said = self.tcc(
            "drill", "p.tc", "--scratch", "scratch", "--report", "r.json", "--progress", "none", *arguments, code=code
        )
        if "--keep" not in arguments:
            assert list((self.folder / "scratch").iterdir()) == []
        return dict(json.loads((self.folder / "r.json").read_text()))


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Bench:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CI", "1")
    monkeypatch.setenv("TCC_STATE", str(tmp_path / "state"))
    made = Bench(tmp_path, capfd)
    (made.tree / "a" / "deep").mkdir(parents=True)
    for n in range(60):
        (made.tree / "a" / f"f{n:02d}").write_bytes(os.urandom(n * 300))
    (made.tree / "ünïcödé 😀").write_bytes(b"u")
    Path(os.fsdecode(os.fsencode(made.tree) + b"/latin-\xe9")).write_bytes(b"l")
    (made.tree / ("long" * 50)).write_bytes(b"long")
    os.link(made.tree / "a" / "f07", made.tree / "z link")
    (made.tree / "symlink").symlink_to("a/f01")
    (made.tree / "dangling").symlink_to("/nowhere")
    with open(made.tree / "sparse", "wb") as file:
        file.seek(2_000_000)
        file.write(b"island")
        file.truncate(3_000_000)
    (made.tree / "a" / "f59").chmod(0o400)
    (tmp_path / "noise").write_bytes(os.urandom(300_000))
    made.plan()
    made.tcc("run", "p.tc", "--progress", "none")
    return made


def test_all_of_it_comes_back_and_the_other_copy_says_so(bench: Bench) -> None:
    report = bench.drill("--all")
    assert report["status"] == "ok" and report["sample"] is None
    tree, stream = report["objects"]
    assert tree["members"] == tree["of"] > 65
    assert stream["bytes"] == 300_000
    assert {tree["restored_from"], tree["compared_with"]} == {"R1", "R2"}


def test_a_sample_is_chosen_by_its_seed_and_reads_little(bench: Bench) -> None:
    first = bench.drill("--sample", "7", "--seed", "5", "--source", "T")
    (tree,) = first["objects"]
    assert 7 <= tree["members"] <= 8  # a hard link brings its target along
    assert tree["read"] < 2 * 600_000
    again = bench.drill("--sample", "7", "--seed", "5", "--source", "T")
    assert again["objects"] == first["objects"]
    bytes_compared = {bench.drill("--sample", "7", "--seed", str(n))["objects"][0]["bytes"] for n in range(6)}
    assert len(bytes_compared) > 1
    assert {bench.drill("--seed", str(n))["objects"][0]["restored_from"] for n in range(8)} == {"R1", "R2"}


def change(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    when = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(when.st_atime_ns, when.st_mtime_ns))


@pytest.mark.parametrize(
    ("harm", "name", "why"),
    [
        (change, "a/f30", "its content differs"),
        (change, "sparse", "its content differs"),
        (lambda p: p.unlink(), "a/f31", "is not there"),
        (lambda p: p.chmod(0o777), "a/f32", "its mode is"),
        (lambda p: os.truncate(p, 5), "a/f33", "it has 5 bytes"),
        (lambda p: (p.unlink(), p.symlink_to("elsewhere")), "symlink", "leads elsewhere"),
        (lambda p: (p.unlink(), p.write_bytes(b"")), "dangling", "no symbolic link"),
        (lambda p: (p.unlink(), shutil.copy2(p.parent / "a/f07", p)), "z link", "file of its own"),
        (lambda p: p.rmdir(), "a/deep", "is not there"),
        (lambda p: os.utime(p, (1, 1)), "a/f34", "its time"),
    ],
)
def test_whatever_tar_makes_wrong_is_found(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, harm: Callable[[Path], object], name: str, why: str
) -> None:
    true = drilling.restore

    def wrong(reading: Any, shelf: Any, to: Path, **how: Any) -> Any:
        result = true(reading, shelf, to, **how)
        if reading.object.kind == "files":
            harm(to / str(bench.tree)[1:] / name)
        return result

    monkeypatch.setattr(drilling, "restore", wrong)
    report = bench.drill("--all", "--junit", "j.xml", code=3)
    tree = next(o for o in report["objects"] if o["source"] == "T")
    assert tree["status"] == "degraded"
    assert any(name in problem and why in problem for problem in tree["problems"]), tree["problems"]
    suite = ET.parse(bench.folder / "j.xml").getroot()
    assert suite.get("failures") == "1" and suite.get("tests") == "2"


def test_a_stream_that_comes_back_wrong_is_found(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    true = drilling.restore

    def wrong(reading: Any, shelf: Any, to: Path, **how: Any) -> Any:
        result = true(reading, shelf, to, **how)
        change(to / "S")
        return result

    monkeypatch.setattr(drilling, "restore", wrong)
    report = bench.drill("--source", "S", code=1)
    assert "differs behind byte" in report["objects"][0]["problems"][0]


def test_damage_is_mended_or_told(bench: Bench) -> None:
    with open(bench.folder / "media" / "R1" / "R1-000001.tar", "r+b") as file:
        file.seek(200_000)
        file.write(bytes(100_000))
    report = bench.drill("--all")
    assert any("was taken from drive R2" in note for one in report["objects"] for note in one["notes"])
    shutil.rmtree(bench.folder / "media" / "R2")
    report = bench.drill("--all", code=3)
    assert report["status"] == "degraded"
    assert any("lost" in problem for one in report["objects"] for problem in one["problems"])


def test_what_lies_behind_a_loss_is_compared_too(bench: Bench, support: Any) -> None:
    """However the first records of all sources happened to lie: a loss at its beginning costs a tree no more."""
    shutil.rmtree(bench.folder / "media" / "R2")
    volume = bench.folder / "media" / "R1" / "R1-000001.tar"
    objects = json.loads(bench.tcc("objects", "--plan", "p.tc", "--json")[0])
    for place in [support.positions(volume, one["object"])[0][0] for one in objects]:
        support.flip(volume, place + 1600)
    report = bench.drill("--all", code=3)
    stream, tree = sorted(report["objects"], key=lambda o: str(o["source"]))
    assert (stream["status"], tree["status"]) == ("failed", "degraded")
    assert tree["of"] > tree["members"] > tree["of"] / 2


def test_what_is_not_stored_is_told_and_the_rest_is_drilled(bench: Bench) -> None:
    with open(bench.folder / "p.tc", "a") as plan:
        plan.write('source N { stream = "noise" }\nchain N -> A.B3\n')
    report = bench.drill(code=3)
    assert [o["status"] for o in report["objects"]] == ["ok", "ok", "failed"]
    assert bench.drill("--source", "N", code=1)["status"] == "failed"
    assert "no source X" in bench.tcc("drill", "p.tc", "--source", "X", code=2)[1]
    assert "exclude each other" in bench.tcc("drill", "p.tc", "--all", "--sample", "3", code=2)[1]


def test_a_folder_without_room_is_refused_before_anything_is_written(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drilling, "free_bytes", lambda folder: 1000)
    report = bench.drill("--all", code=1)
    assert "which has 1000 free" in report["objects"][0]["problems"][0]
    assert "--scratch" in bench.said[1]


def test_what_is_kept_is_where_the_report_says(bench: Bench) -> None:
    report = bench.drill("--all", "--keep")
    kept = Path(report["kept"]) / report["objects"][0]["object"] / str(bench.tree)[1:]
    assert (kept / "a" / "f33").read_bytes() == (bench.tree / "a" / "f33").read_bytes()
    assert str(kept).startswith(str(bench.folder / "scratch"))


def test_compressed_and_incremental_objects_are_drilled_link_by_link(bench: Bench) -> None:
    bench.plan('compress = "zstd" level = "incremental"')
    for n in range(3):
        (bench.tree / "a" / f"new{n}").write_bytes(os.urandom(1000))
        shutil.rmtree(bench.tree / f"gone{n - 1}", ignore_errors=True)
        (bench.tree / f"gone{n}").mkdir()
        bench.tcc("run", "p.tc", "--progress", "none")
    for arguments in (["--all"], ["--sample", "5"]):
        report = bench.drill("--source", "T", *arguments)
        assert report["status"] == "ok"
        assert len(report["objects"]) == 3 and all(o["source"] == "T" for o in report["objects"])


def test_sparse_files_with_names_of_any_kind_are_compared(bench: Bench) -> None:
    """tarfile takes the name that GNU tar makes up for such a member, where the real one is long, or no ASCII."""
    for n, name in enumerate(("spärlich", "s" * 120, "GNUSparseFile.0", "dir/\x01\n")):
        path = bench.tree / name
        path.parent.mkdir(exist_ok=True)
        with open(path, "wb") as file:
            file.write(b"island")
            file.truncate(1_000_000 + n)
    bench.tcc("run", "p.tc", "--progress", "none")
    tree, _ = bench.drill("--all")["objects"]
    assert tree["members"] == tree["of"]
    assert tree["bytes"] > 7_000_000
