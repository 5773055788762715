"""Compressed and encrypted sources, incremental, through every command that brings something back, by the command."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tapechain.cli.main import _main

pytestmark = pytest.mark.timeout(100)

PLAN = """
plan night {{ record = 64KiB }}
source T {{ files = "tree" level = "incremental" {more} }}
source S {{ stream = "noise" {more} }}
drive R1 {{ volumes = "media/R1" }}
drive R2 {{ volumes = "media/R2" }}
backup group g {{ agent A -> R1 {{ B1 <- T  B2 <- S }} }}
mirror group h of g {{ agent B -> R2 {{ * <- A }} }}
"""
COPY = """
plan again { record = 64KiB }
drive R1 { volumes = "media/R1" }
drive R9 { volumes = "media/R9" }
restore group back { agent A <- R1 { B1 <- chain(T)  B2 <- S } }
copy group more of back { agent C -> R9 { * <- A } }
target out { files = "out" }
target sh { stream = "out.S" }
chain A.B1 -> out
chain A.B2 -> sh
"""


class Bench:
    """``tcc`` in one folder. ``keys``: what opens the objects, as arguments or in the environment."""

    def __init__(self, folder: Path, capfd: Any) -> None:
        self.folder, self.capfd, self.keys = folder, capfd, ()

    def tcc(self, *arguments: str, code: int = 0, keys: tuple[str, ...] | None = None) -> tuple[str, str]:
        identity = self.keys if keys is None else keys
        takes = arguments[0] in {"restore", "files", "drill", "run"}
        got = _main([*arguments, *(identity if takes else ()), *(("--progress", "none") if takes else ())])
        out, err = self.capfd.readouterr()
        assert "internal error" not in err and got == code, (arguments, got, out, err)
        return out, err

    def at(self, name: str) -> Path:
        return self.folder / name / str(self.folder / "tree")[1:]

    def there(self) -> set[str]:
        return {p.name for p in self.folder.iterdir()}

    def damage(self, support: Any, *, drives: tuple[str, ...] = ("R1",), sequence: int = 1) -> None:
        """In record *sequence* of each object that has as many and one more."""
        listed = json.loads(self.tcc("objects", "--plan", "p.tc", "--json")[0])
        for drive in drives:
            volume = self.folder / "media" / drive / f"{drive}-000001.tar"
            places = [support.positions(volume, one["object"]) for one in listed]
            for place in places:
                if sequence + 1 in place:
                    support.flip(volume, place[sequence][0] + 1600)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Bench:
    pytest.importorskip("pyrage", reason="the age library is not here")
    for program in ("age-keygen", "ssh-keygen"):
        if shutil.which(program) is None:
            pytest.skip(f"no {program} here")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CI", "1")
    monkeypatch.setenv("TCC_STATE", str(tmp_path / "state"))
    monkeypatch.delenv("TCC_IDENTITY", raising=False)
    made = Bench(tmp_path, capfd)
    for name in ("key", "wrong"):
        subprocess.run(["age-keygen", "-o", name], check=True, capture_output=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "ssh"], check=True)
    (tmp_path / "noise").write_bytes(os.urandom(200_000))
    (tmp_path / "copy.tc").write_text(COPY)
    return made


def backed_up(bench: Bench, more: str) -> None:
    """A full, and an incremental behind it: one file is gone, one new, one changed."""
    tree = bench.folder / "tree"
    (tree / "a").mkdir(parents=True)
    for n in range(12):
        (tree / "a" / f"f{n:02d}").write_bytes(os.urandom(20_000))
    (bench.folder / "p.tc").write_text(PLAN.format(more=more))
    bench.tcc("run", "p.tc", keys=())
    (tree / "a" / "f03").unlink()
    (tree / "a" / "f04").write_bytes(os.urandom(150_000))
    (tree / "new").write_text("new")
    bench.tcc("run", "p.tc", keys=())


def same(one: Path, other: Path) -> bool:
    def texts(root: Path) -> dict[str, bytes]:
        return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}

    return texts(one) == texts(other)


@pytest.mark.parametrize(
    ("compress", "opened"),
    [("zstd", None), (None, "variable"), ("zstd:3", "ssh")],
    ids=["zstd", "age", "both"],
)
def test_every_way_back_of_an_encoded_chain(
    bench: Bench, support: Any, monkeypatch: pytest.MonkeyPatch, compress: str | None, opened: str | None
) -> None:
    more = f'compress = "{compress}" ' if compress else ""
    if opened == "ssh":
        more += f'encrypt = ["{(bench.folder / "ssh.pub").read_text().strip()}"]'
        bench.keys = ("--identity", "ssh")
    elif opened is not None:
        shown = subprocess.run(["age-keygen", "-y", "key"], check=True, capture_output=True, text=True)
        more += f'encrypt = ["{shown.stdout.strip()}"]'
        monkeypatch.setenv("TCC_IDENTITY", "key")
    backed_up(bench, more)
    tree = bench.folder / "tree"
    # The lists of members: as the run kept them, and made anew by reading.
    before = bench.tcc("files", "T", "--plan", "p.tc")[0]
    assert "/a/f03" not in before and "/a/f05" in before and "/new" in before
    shutil.rmtree(bench.folder / "state" / "tapechain-members")
    assert bench.tcc("files", "T", "--plan", "p.tc")[0] == before
    # Records that are damaged in one copy come from the other, whatever reads them.
    bench.damage(support)
    bench.tcc("restore", "T", "--plan", "p.tc", "--to", "one", "--path", "*/f0[3-5]", "--path", "*/new")
    assert sorted(p.name for p in bench.at("one").rglob("*") if p.is_file()) == ["f04", "f05", "new"]
    assert (bench.at("one") / "a" / "f04").read_bytes() == (tree / "a" / "f04").read_bytes()
    bench.tcc("restore", "T", "--plan", "p.tc", "--to", "all")
    assert same(bench.at("all"), tree)
    bench.tcc("restore", "S", "--plan", "p.tc", "--to", "stream")
    assert (bench.folder / "stream" / "S").read_bytes() == (bench.folder / "noise").read_bytes()
    for chosen in (("--all",), ("--sample", "4")):
        bench.tcc("drill", "p.tc", *chosen)
    bench.tcc("run", "copy.tc")
    assert same(bench.at("out"), tree)
    assert (bench.folder / "out.S").read_bytes() == (bench.folder / "noise").read_bytes()
    # Healing needs no key: records are copied as they are.
    bench.tcc("verify", "--plan", "p.tc", "--repair", "-o", "repair.tc", code=1)
    bench.tcc("run", "repair.tc", "--again", keys=())
    for drive in ("R2", "R9"):
        shutil.rmtree(bench.folder / "media" / drive)
    bench.tcc("restore", "S", "--plan", "p.tc", "--to", "healed")
    assert (bench.folder / "healed" / "S").read_bytes() == (bench.folder / "noise").read_bytes()
    bench.tcc("restore", "T", "--plan", "p.tc", "--to", "healed.T")
    assert same(bench.at("healed.T"), tree)


def test_without_the_right_identity_nothing_is_written_and_the_object_is_named(bench: Bench) -> None:
    shown = subprocess.run(["age-keygen", "-y", "key"], check=True, capture_output=True, text=True)
    backed_up(bench, f'compress = "zstd" encrypt = ["{shown.stdout.strip()}"]')
    shutil.rmtree(bench.folder / "state" / "tapechain-members")
    identifiers = {one["object"] for one in json.loads(bench.tcc("objects", "--plan", "p.tc", "--json")[0])}
    before = bench.there() | {"tapechain-members"}
    ways: list[tuple[str, ...]] = [
        ("files", "T", "--plan", "p.tc"),
        ("restore", "T", "--plan", "p.tc", "--to", "to", "--path", "*/new"),
        ("restore", "T", "--plan", "p.tc", "--to", "to"),
        ("restore", "S", "--plan", "p.tc", "--to", "to"),
        ("restore", "T", "--from", "media", "--to", "to"),
        ("drill", "p.tc", "--all", "--scratch", "."),
        ("run", "copy.tc"),
    ]
    for way in ways:
        for keys, why in (((), "X25519"), (("--identity", "wrong"), "none of the identities given opens it")):
            said = bench.tcc(*way, code=1, keys=keys)[1]
            assert why in said and "--identity FILE, or in TCC_IDENTITY" in said, (way, said)
            assert "nothing was written" in said and any(one in said for one in identifiers)
            assert bench.there() <= before | {"out"} and not list((bench.folder / "media").glob("R9/*"))
            if "out" in bench.there():
                assert not list((bench.folder / "out").iterdir())
        said = bench.tcc(*way, code=2, keys=("--identity", "nowhere"))[1]
        assert "the identity file nowhere cannot be read" in said


def test_a_loss_says_what_came_back_and_what_may_still_help(bench: Bench, support: Any) -> None:
    shown = subprocess.run(["age-keygen", "-y", "key"], check=True, capture_output=True, text=True)
    backed_up(bench, f'encrypt = ["{shown.stdout.strip()}"]')
    bench.keys = ("--identity", "key")
    bench.damage(support, drives=("R1", "R2"), sequence=2)
    (bench.folder / "media" / "R2").rename(bench.folder / "away")
    said = bench.tcc("restore", "S", "--plan", "p.tc", "--to", "to", code=3)[1]
    (left,) = (bench.folder / "to").iterdir()
    kept = left.read_bytes()
    assert left.name == "S.partial" and kept == (bench.folder / "noise").read_bytes()[: len(kept)] != b""
    assert f"its first {len(kept)} bytes are in" in said and "nothing behind that can be decrypted" in said
    assert "  safe:  the volumes are unchanged" in said and "  do:    bring R2-000001 to its place" in said
    (bench.folder / "away").rename(bench.folder / "media" / "R2")
    said = bench.tcc("restore", "T", "--plan", "p.tc", "--to", "tree.back", code=3)[1]
    assert "what came back are the" in said and "all behind them is lost" in said
    assert "  do:    no copy that is known holds what is lost" in said


def test_a_damaged_stream_is_kept_with_zeros_where_that_is_asked_for(bench: Bench, support: Any) -> None:
    backed_up(bench, "")
    noise = (bench.folder / "noise").read_bytes()
    newest, *_ = json.loads(bench.tcc("objects", "--source", "S", "--plan", "p.tc", "--json")[0])
    volumes = [bench.folder / "media" / drive / f"{drive}-000001.tar" for drive in ("R1", "R2")]
    places = {volume: support.positions(volume, newest["object"]) for volume in volumes}
    for volume in volumes:
        support.flip(volume, places[volume][1][0] + 1600)
    one = ("--object", newest["object"], "--overwrite")
    bench.tcc("restore", "S", "--plan", "p.tc", "--to", "to", *one, code=3)
    assert [p.name for p in (bench.folder / "to").iterdir()] == ["S.partial"]
    said = bench.tcc("restore", "S", "--plan", "p.tc", "--to", "to", *one, "--keep-damaged", code=3)[1]
    (left,) = (bench.folder / "to").iterdir()
    size = 65_536 - 1536
    assert left.name == "S.damaged" and f"bytes {size} to {2 * size - 1}" in said
    assert left.read_bytes() == noise[:size] + bytes(size) + noise[2 * size :]
    for volume in volumes:
        for sequence in places[volume].keys() - {1}:
            support.flip(volume, places[volume][sequence][0] + 1600)
    said = bench.tcc("restore", "S", "--plan", "p.tc", "--to", "none", *one, "--keep-damaged", code=1)[1]
    assert "nothing of it came back" in said and not list((bench.folder / "none").iterdir())
