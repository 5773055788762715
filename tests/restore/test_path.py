"""``tcc files`` and ``tcc restore --path``: single members, and only the records that hold them are read."""

from __future__ import annotations

import json
import os
import re
import shutil
import struct
from pathlib import Path
from typing import Any

import pytest
from tapechain.cli.main import _main
from tapechain.runtime.media.volume import VolumeReader

pytestmark = pytest.mark.timeout(100)

PLAN = """
plan night {{ record = {record} }}
source T {{ files = "{tree}" {more} }}
source S {{ stream = "noise" }}
drive R1 {{ volumes = "media/R1" }}
drive R2 {{ volumes = "media/R2" }}
backup group g {{ agent A -> R1 {{ B1 <- T  B2 <- S }} }}
mirror group h of g {{ agent B -> R2 {{ * <- A }} }}
"""


class Bench:
    def __init__(self, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.tree = folder / "tree"
        self.capfd = capfd

    def plan(self, record: str = "64KiB", more: str = "") -> None:
        (self.folder / "p.tc").write_text(PLAN.format(tree=self.tree, record=record, more=more))

    def tcc(self, *arguments: str | Path, code: int = 0) -> tuple[str, str]:
        got = _main([str(a) for a in arguments])
        out, err = self.capfd.readouterr()
        assert "internal error" not in err, err
        assert got == code, (got, out, err)
        return out, err

    def back(self, *globs: str, to: str = "to", code: int = 0, more: tuple[str, ...] = ()) -> dict[str, Any]:
        shutil.rmtree(self.folder / to, ignore_errors=True)
        paths = [word for glob in globs for word in ("--path", glob)]
        options = ("--plan", "p.tc", "--to", to, "--report", "r.json", "--progress", "none", *more)
        self.said = self.tcc("restore", "T", *options, *paths, code=code)[1]
        return dict(json.loads((self.folder / "r.json").read_text()))

    def restored(self, to: str = "to") -> set[str]:
        root = self.folder / to / str(self.tree)[1:]
        return {str(p.relative_to(root)) for p in root.rglob("*") if not p.is_dir() or p.is_symlink()}


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Bench:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CI", "1")
    monkeypatch.setenv("TCC_STATE", str(tmp_path / "state"))
    made = Bench(tmp_path, capfd)
    (made.tree / "a" / "deep").mkdir(parents=True)
    for n in range(40):
        (made.tree / "a" / f"f{n:02d}.conf").write_bytes(os.urandom(20_000))
        (made.tree / "a" / "deep" / f"g{n:02d}").write_bytes(os.urandom(3000))
    (made.tree / "[odd] *name?").write_bytes(b"odd")
    (made.tree / "ünïcödé 😀").write_bytes(b"u")
    os.link(made.tree / "a" / "f07.conf", made.tree / "z link")
    (made.tree / "symlink").symlink_to("a/f01.conf")
    (tmp_path / "noise").write_bytes(os.urandom(900_000))
    made.plan()
    return made


def test_a_path_brings_what_fits_and_nothing_else(bench: Bench) -> None:
    bench.tcc("run", "p.tc", "--progress", "none")
    report = bench.back(str(bench.tree / "a" / "f0?.conf"))
    assert bench.restored() == {f"a/f0{n}.conf" for n in range(10)}
    for n in range(10):
        name = Path("a") / f"f0{n}.conf"
        assert (bench.folder / "to" / str(bench.tree)[1:] / name).read_bytes() == (bench.tree / name).read_bytes()
    assert report["status"] == "ok" and report["members"] == 10
    assert report["read"] < report["of"]
    assert re.search(r"read [0-9.]+ KiB of [0-9.]+ MiB", bench.said)
    # * also matches /, a leading / does not count, and a folder brings what is below it.
    bench.back("*.conf")
    assert bench.restored() == {f"a/f{n:02d}.conf" for n in range(40)}
    bench.back(str(bench.tree / "a" / "deep")[1:] + "/")
    assert bench.restored() == {f"a/deep/g{n:02d}" for n in range(40)}
    bench.back("*/deep/g01", "*/symlink", "*/ünïcödé 😀", "*/[[]odd] *")
    assert bench.restored() == {"a/deep/g01", "symlink", "ünïcödé 😀", "[odd] *name?"}


def test_a_hard_link_brings_its_data_along(bench: Bench) -> None:
    bench.tcc("run", "p.tc", "--progress", "none")
    bench.back("*/z link")
    root = bench.folder / "to" / str(bench.tree)[1:]
    assert (root / "z link").read_bytes() == (bench.tree / "z link").read_bytes()
    assert bench.restored() == {"a/f07.conf", "z link"}
    assert "comes along" in bench.said


def test_what_fits_nothing_is_said_and_nothing_is_made(bench: Bench) -> None:
    bench.tcc("run", "p.tc", "--progress", "none")
    _, err = bench.tcc("restore", "T", "--plan", "p.tc", "--to", "to", "--path", "*/nowhere", code=1)
    assert "no member fits */nowhere" in err and "tcc files" in err
    assert not (bench.folder / "to").exists()
    _, err = bench.tcc("restore", "S", "--plan", "p.tc", "--to", "to", "--path", "*", code=1)
    assert "has no members" in err


def test_one_file_of_a_large_object_reads_under_8_mib(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted at the one place that reads volumes; interleaved with another source, so that places must be sought."""
    bench.plan(record="1MiB")
    with open(bench.tree / "m", "wb") as file:
        block = os.urandom(1 << 20)
        for n in range(160):
            file.write(n.to_bytes(8, "big") + block[8:])
    (bench.tree / "needle").write_bytes(b"needle" * 1000)
    with open(bench.folder / "noise", "wb") as file:
        for _ in range(64):
            file.write(block)
    bench.tcc("run", "p.tc", "--progress", "none")
    read: list[int] = []
    fill = VolumeReader._fill

    def counting(self: VolumeReader, view: memoryview, position: int) -> int:
        got = fill(self, view, position)
        read.append(got)
        return got

    monkeypatch.setattr(VolumeReader, "_fill", counting)
    report = bench.back("*/needle")
    assert bench.restored() == {"needle"}
    assert sum(read) < 8 << 20
    assert sum(read) <= report["read"] < 8 << 20 < report["of"]
    assert len(read) < 200


def test_a_damaged_record_of_a_member_comes_from_the_other_copy(bench: Bench, support: Any) -> None:
    bench.tcc("run", "p.tc", "--progress", "none")
    listed = json.loads(bench.tcc("files", "T", "*/f20.conf", "--plan", "p.tc", "--json")[0])
    sequence = listed[0]["offset"] // (65_536 - 1536)
    identifier = json.loads(bench.tcc("objects", "--source", "T", "--plan", "p.tc", "--json")[0])[0]["object"]
    for drive in ("R1", "R2"):
        volume = bench.folder / "media" / drive / f"{drive}-000001.tar"
        places = support.positions(volume, identifier)
        support.flip(volume, places[sequence + (drive == "R2")][0] + 1600)
    report = bench.back("*/f20.conf")
    assert report["mended"] >= 1 and report["status"] == "ok"
    name = Path("a") / "f20.conf"
    assert (bench.folder / "to" / str(bench.tree)[1:] / name).read_bytes() == (bench.tree / name).read_bytes()


def test_a_rebuilt_catalog_makes_the_list_when_it_is_asked_for(bench: Bench) -> None:
    bench.tcc("run", "p.tc", "--progress", "none")
    before = bench.tcc("files", "T", "--plan", "p.tc", "--json")[0]
    shutil.rmtree(bench.folder / "state")
    bench.tcc("catalog", "rebuild", "media", "--plan", "p.tc")
    (bench.folder / "r.json").write_text('{\n "version": 1,\n "status": "ok"}')
    _, err = bench.tcc("restore", "T", "--plan", "p.tc", "--to", "to", "--path", "*/no", "--report", "r.json", code=1)
    assert "made anew" in err
    assert not (bench.folder / "r.json").exists()
    bench.back("*/f33.conf")
    assert "made anew" not in bench.said
    assert bench.restored() == {"a/f33.conf"}
    assert bench.tcc("files", "T", "--plan", "p.tc", "--json")[0] == before
    # With nothing but the volumes it is made for this once.
    shutil.rmtree(bench.folder / "to")
    bench.tcc("restore", "T", "--from", "media", "--to", "to", "--path", "*/f33.conf")
    assert bench.restored() == {"a/f33.conf"}


def test_a_list_that_was_harmed_is_made_anew(bench: Bench) -> None:
    bench.tcc("run", "p.tc", "--progress", "none")
    before = bench.tcc("files", "T", "--plan", "p.tc")[0]
    (path,) = (bench.folder / "state" / "tapechain-members").iterdir()
    path.write_bytes(path.read_bytes()[:-40])
    assert bench.tcc("files", "T", "--plan", "p.tc")[0] == before
    assert len(before.splitlines()) == 80 + 4 + 3


def test_objects_are_named_by_identifier_beginning_or_source(bench: Bench) -> None:
    bench.tcc("run", "p.tc", "--progress", "none")
    bench.tcc("run", "p.tc", "--progress", "none")
    ids = [o["object"] for o in json.loads(bench.tcc("objects", "--source", "T", "--plan", "p.tc", "--json")[0])]
    everything = bench.tcc("files", ids[0], "--plan", "p.tc")[0]
    assert everything == bench.tcc("files", "T", "--plan", "p.tc")[0]
    assert everything == bench.tcc("files", "night/T", "--plan", "p.tc")[0]
    assert everything == bench.tcc("files", ids[0][:34], "--plan", "p.tc")[0]
    _, err = bench.tcc("files", ids[0][:8], "--plan", "p.tc", code=2)
    assert "objects have identifiers that begin with" in err
    _, err = bench.tcc("files", "X", "--plan", "p.tc", code=2)
    assert "knows no source X" in err
    out, err = bench.tcc("files", "T", "*/no such", "--plan", "p.tc", code=1)
    assert out == "" and "no member" in err


def test_compressed_members_come_back_alone_too(bench: Bench) -> None:
    pytest.importorskip("pyrage", reason="the age library is not here")
    bench.plan(more='compress = "zstd"')
    bench.tcc("run", "p.tc", "--progress", "none")
    report = bench.back("*/g1?", "*/z link")
    assert bench.restored() == {f"a/deep/g1{n}" for n in range(10)} | {"a/f07.conf", "z link"}
    assert report["status"] == "ok"
    assert (bench.folder / "to" / str(bench.tree)[1:] / "z link").read_bytes() == (bench.tree / "z link").read_bytes()
    shutil.rmtree(bench.folder / "to")
    bench.tcc("restore", "T", "--from", "media", "--to", "to", "--path", "*/g17")
    assert bench.restored() == {"a/deep/g17"}


def test_access_control_lists_come_back_and_are_not_asked_for_where_there_are_none(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list of members knows whether there are any; without a list tar is always asked."""
    from tapechain.runtime.restore import tar_sink

    asked: list[bool] = []
    popen = tar_sink.subprocess.Popen

    def noting(command: list[str], *arguments: Any, **how: Any) -> Any:
        if "--extract" in command:
            asked.append("--acls" in command)
        return popen(command, *arguments, **how)

    if "--acls" not in tar_sink._supported(os.geteuid() == 0):
        pytest.skip("the tar here cannot do access control lists")
    # Version 2; owner rw-, user 12345 r--, group r--, mask rw-, others ---.
    nobody = 0xFFFFFFFF
    entries = [(0x01, 6, nobody), (0x02, 4, 12345), (0x04, 4, nobody), (0x10, 6, nobody), (0x20, 0, nobody)]
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
    bench.tcc("run", "p.tc", "--progress", "none")
    monkeypatch.setattr(tar_sink.subprocess, "Popen", noting)
    bench.tcc("restore", "T", "--plan", "p.tc", "--to", "without", "--progress", "none")
    assert asked == [False]
    try:
        os.setxattr(bench.tree / "a" / "f05.conf", "system.posix_acl_access", acl)
    except OSError as error:
        pytest.skip(f"the file system here has no access control lists: {error.strerror}")
    bench.tcc("run", "p.tc", "--progress", "none")
    bench.tcc("restore", "T", "--plan", "p.tc", "--to", "with", "--progress", "none")
    found = bench.folder / "with" / str(bench.tree)[1:] / "a" / "f05.conf"
    assert os.getxattr(found, "system.posix_acl_access") == acl
    bench.tcc("restore", "T", "--from", "media", "--to", "alone", "--progress", "none")
    assert asked == [False, True, True]
