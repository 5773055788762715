"""Volumes that were taken away: forgotten where all that is kept lies elsewhere, and only there."""

import io
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tapechain.cli.main import _main

PLAN = """
plan night { record = 64KiB  state = "state" }
source img { command = ["head", "-c", "100000", "/dev/urandom"] }
source old { command = ["head", "-c", "100000", "/dev/urandom"] }
pool p { sessions = 1 }
drive R1 { volumes = "media/R1"  pool = p }
backup group b { agent a -> R1 { B1 <- img  B2 <- old } }
"""

Tcc = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Tcc:
    """The command in this process."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CI", "1")
    monkeypatch.delenv("TCC_STATE", raising=False)

    def call(*arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        monkeypatch.setattr(sys, "stdin", io.StringIO(""))
        done = subprocess.CompletedProcess(arguments, _main(list(arguments)), *capfd.readouterr())
        assert done.returncode == code, done.stdout + done.stderr
        return done

    return call


@pytest.fixture
def tcc(command: Tcc, tmp_path: Path) -> Tcc:
    """A volume of which most has expired, and one behind it."""
    (tmp_path / "night.tc").write_text(PLAN)
    command("run", "night.tc")
    (tmp_path / "night.tc").write_text(PLAN.replace("  B2 <- old", ""))
    for _ in range(2):
        command("run", "night.tc")
    command("volume", "label", "R1", "--plan", "night.tc")
    command("run", "night.tc")
    return command


def gone(tcc: Tcc, *more: str, code: int = 0) -> str:
    done = tcc("volume", "recycle", "R1-000001", "--gone", "--yes", "--plan", "night.tc", *more, code=code)
    return done.stdout + done.stderr


def names(tcc: Tcc) -> set[str]:
    return {v["name"] for v in json.loads(tcc("volumes", "--json", "--plan", "night.tc").stdout)}


def test_a_compacted_volume_is_taken_away_and_forgotten(tcc: Tcc, tmp_path: Path) -> None:
    tcc("draft", "compact", "--volume", "R1-000001", "--to", "new=media/new", "--plan", "night.tc", "-o", "c.tc")
    tcc("run", "c.tc")
    before = {p: p.read_bytes() for p in (tmp_path / "media").rglob("*.tar")}
    assert "it is there" in gone(tcc, code=2)
    assert "it is kept" in tcc("volume", "recycle", "R1-000001", "--yes", "--plan", "night.tc", code=1).stderr
    (tmp_path / "media/R1/R1-000001.tar").rename(tmp_path / "away.tar")
    tcc("verify", "--state", "state", code=1)
    dry = tcc("volume", "recycle", "R1-000001", "--gone", "--dry-run", "--plan", "night.tc")
    assert "lies whole elsewhere" in dry.stderr and "R1-000001" in names(tcc)
    assert "is forgotten" in gone(tcc)
    assert names(tcc) == {"R1-000002", "new-000001"}
    tcc("verify", "--state", "state")
    tcc("restore", "old", "--plan", "night.tc", "--to", "back")
    assert (tmp_path / "back/old").stat().st_size == 100_000
    (tmp_path / "away.tar").rename(tmp_path / "media/R1/R1-000001.tar")
    assert {p: p.read_bytes() for p in (tmp_path / "media").rglob("*.tar")} == before, "no medium was changed"
    tcc("run", "night.tc")
    assert "R1-000001" in names(tcc), "it was only not mounted: the next run tells of it"


@pytest.mark.parametrize("spoil", ["never copied", "away", "another volume", "cut", "unknown pool"])
def test_what_lies_nowhere_else_is_not_forgotten(tcc: Tcc, tmp_path: Path, spoil: str) -> None:
    if spoil != "never copied":
        tcc("draft", "compact", "--volume", "R1-000001", "--to", "new=media/new", "--plan", "night.tc", "-o", "c.tc")
        tcc("run", "c.tc")
    copy = tmp_path / "media/new/new-000001.tar"
    (tmp_path / "media/R1/R1-000001.tar").rename(tmp_path / "kept.tar")
    if spoil == "away":
        copy.unlink()
    if spoil == "another volume":
        shutil.copy(tmp_path / "media/R1/R1-000002.tar", copy)
    if spoil == "cut":
        copy.write_bytes(copy.read_bytes()[:40_000])
    if spoil == "unknown pool":
        (tmp_path / "night.tc").write_text(PLAN.replace("pool p { sessions = 1 }", "pool p { capacity = 1GB }"))
    said = gone(tcc, code=1)
    assert "whole nowhere else at hand" in said and "nothing was forgotten" in said
    assert "night/img of" in said if spoil == "unknown pool" else "night/old of" in said
    assert "R1-000001" in names(tcc)


CHAIN = """
plan night { record = 64KiB  state = "state" }
source old { files = "tree"  level = "incremental" }
pool p { sessions = 1 }
drive R1 { volumes = "media/R1"  pool = p }
backup group b { agent a -> R1 { B1 <- old } }
"""
COPY = """
plan keep { record = 64KiB  state = "state" }
pool long { }
drive R1 { volumes = "media/R1" }
drive R9 { volumes = "media/R9"  pool = long }
restore group r { agent A <- R1 { B1 <- latest("night/old") } }
copy group m of r { agent c -> R9 { * <- A } }
"""


def test_the_beginning_of_a_chain_that_another_pool_keeps_is_not_forgotten(command: Tcc, tmp_path: Path) -> None:
    """Its own pool would let it go, and nothing else holds it: what is kept elsewhere needs it."""
    (tmp_path / "tree").mkdir()
    (tmp_path / "night.tc").write_text(CHAIN)
    (tmp_path / "keep.tc").write_text(COPY)
    for night, more in enumerate(([], [], ["--full"])):
        (tmp_path / f"tree/{night}").write_text(str(night))
        command("run", "night.tc", "--report", f"{night}.json", *more)
        if night == 1:
            command("run", "keep.tc")
        command("volume", "label", "R1", "--plan", "night.tc")
    plans = ("--plan", "night.tc", "--plan", "keep.tc")
    assert "is needed by the incremental" in command("volume", "recycle", "R1-000001", "--yes", *plans, code=1).stderr
    # A draft that empties the volume does not leave it behind, either.
    command("draft", "compact", "--volume", "R1-000001", "--to", "new=media/new", "--plan", "night.tc", "-o", "c.tc")
    (tmp_path / "media/R1/R1-000001.tar").rename(tmp_path / "away.tar")
    said = command("volume", "recycle", "R1-000001", "--gone", "--yes", *plans, code=1).stderr
    assert "whole nowhere else at hand" in said and "night/old of" in said
    (tmp_path / "away.tar").rename(tmp_path / "media/R1/R1-000001.tar")
    command("run", "c.tc")
    (tmp_path / "media/R1/R1-000001.tar").unlink()
    command("volume", "recycle", "R1-000001", "--gone", "--yes", *plans)
    second = json.loads((tmp_path / "1.json").read_text())["objects"][0]["object"]
    command("restore", "old", "--object", second, "--plan", "night.tc", "--to", "back")
    assert {path.name for path in (tmp_path / "back").rglob("[0-9]")} == {"0", "1"}
