"""``tcc verify`` notices what lacks, and ``--repair`` drafts the plan that heals: run it, and all is sound again."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tapechain.cli.main import _main
from tapechain.runtime.media.scanned import ScannedRecord
from tapechain.runtime.media.volume import open_volume

pytestmark = pytest.mark.timeout(100)

PLAN = """
plan night { record = 64KiB  state = "state" SCHEDULE }
source home { command = ["cat", "home.bin"] }
source shop { command = ["cat", "shop.bin"] }
drive R1 { volumes = "media/R1" }
drive R2 { volumes = "media/R2" }
backup group g { agent A -> R1 { B1 <- home B2 <- shop } }
mirror group h of g { agent B -> R2 { * <- A } }
"""

Tcc = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def tcc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Tcc:
    """The command in this process, and one run of the plan behind it."""
    (tmp_path / "home.bin").write_bytes(os.urandom(400_000))
    (tmp_path / "shop.bin").write_bytes(os.urandom(200_000))
    (tmp_path / "night.tc").write_text(PLAN.replace("SCHEDULE", ""))

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CI", "1")
    monkeypatch.delenv("TCC_STATE", raising=False)

    def call(*arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.CompletedProcess(arguments, _main(list(arguments)), *capfd.readouterr())
        assert done.returncode == code, done.stdout + done.stderr
        return done

    call("run", "night.tc")
    return call


def damage(support: Any, path: Path, source: str, sequence: int) -> None:
    with open_volume(path) as reader:
        records = [item for item in reader.scan() if isinstance(item, ScannedRecord)]
    found = [r.position for r in records if r.header.source == source and r.header.sequence == sequence]
    support.flip(path, found[0] + 5_000)


def test_damage_on_one_drive_is_healed_from_the_other(tcc: Tcc, tmp_path: Path, support: Any) -> None:
    first = tmp_path / "media/R1/R1-000001.tar"
    damage(support, first, "home", 2)
    found = tcc("verify", "--plan", "night.tc", "--repair", "-o", "repair.tc", code=1)
    assert "NOT all sound" in found.stderr
    text = (tmp_path / "repair.tc").read_text()
    assert "# Repair: " in text
    assert "--again" in text
    assert "drive R1" in text and "drive R2" in text
    tcc("check", "repair.tc")
    tcc("run", "repair.tc", "--again")
    # The damage is still there, and nothing needs that place any more.
    healed = tcc("verify", "--plan", "night.tc")
    assert "R1-000001 is not sound (" in healed.stderr and "its drive holds all that belongs" in healed.stderr
    assert "all sound" in healed.stderr
    again = tcc("verify", "--plan", "night.tc", "--repair")
    assert again.stdout == ""
    assert "nothing to repair" in again.stderr
    # R1 alone gives it back.
    tcc("restore", "home", "--from", "media/R1", "--to", "back")
    assert (tmp_path / "back/home").read_bytes() == (tmp_path / "home.bin").read_bytes()


def test_a_volume_that_is_gone_is_made_anew(tcc: Tcc, tmp_path: Path) -> None:
    (tmp_path / "media/R2/R2-000001.tar").unlink()
    tcc("verify", "--plan", "night.tc", "--repair", "-o", "repair.tc", code=1)
    tcc("run", "repair.tc", "--again")
    assert "R2-000001 is not sound (it is missing" in tcc("verify", "--plan", "night.tc").stderr
    tcc("restore", "shop", "--from", "media/R2", "--to", "back")
    assert (tmp_path / "back/shop").read_bytes() == (tmp_path / "shop.bin").read_bytes()


def test_what_is_lost_is_said_and_left_out(tcc: Tcc, tmp_path: Path, support: Any) -> None:
    for drive in ("R1", "R2"):
        damage(support, tmp_path / f"media/{drive}/{drive}-000001.tar", "home", 2)
    damage(support, tmp_path / "media/R1/R1-000001.tar", "shop", 1)
    found = tcc("verify", "--plan", "night.tc", "--repair", "-o", "repair.tc", code=1)
    assert "left out: night/home" in found.stderr
    text = (tmp_path / "repair.tc").read_text()
    assert "night/shop" in text and "night/home" not in text


def test_each_drive_has_damage_of_its_own(tcc: Tcc, tmp_path: Path, support: Any) -> None:
    """No copy is sound, but all records are left: one drive is healed from both, then the other."""
    damage(support, tmp_path / "media/R1/R1-000001.tar", "home", 1)
    damage(support, tmp_path / "media/R2/R2-000001.tar", "home", 3)
    for name in ("one.tc", "two.tc"):
        tcc("verify", "--plan", "night.tc", "--repair", "-o", name, code=1)
        tcc("run", name, "--again")
    assert "all sound" in tcc("verify", "--plan", "night.tc").stderr
    for drive in ("R1", "R2"):
        tcc("restore", "home", "--from", f"media/{drive}", "--to", drive)
        assert (tmp_path / drive / "home").read_bytes() == (tmp_path / "home.bin").read_bytes()


def test_a_source_without_a_good_session_in_its_window_is_absent(tcc: Tcc, tmp_path: Path) -> None:
    plan = (tmp_path / "night.tc").read_text()
    (tmp_path / "night.tc").write_text(plan.replace('state = "state"', 'state = "state"  schedule = "daily"'))
    tcc("verify", "--plan", "night.tc")
    found = tcc("verify", "--plan", "night.tc", "--max-age", "0.001s", "--json", code=1)
    shown = json.loads(found.stdout)
    assert shown["status"] == "absent"
    assert [line.split(":")[0] for line in shown["absent"]] == ["night/home", "night/shop"]
    tcc("verify", "shop", "--plan", "night.tc", "--max-age", "0.001s", code=1)

    more = plan.replace("source shop", 'source new { command = ["true"] }\nsource shop').replace(
        "B2 <- shop", "B2 <- shop B3 <- new"
    )
    (tmp_path / "night.tc").write_text(more)
    assert "note: night/new: no whole object" in tcc("verify", "--plan", "night.tc").stderr
    (tmp_path / "night.tc").write_text(more.replace('state = "state"', 'state = "state"  schedule = "daily"'))
    found = tcc("verify", "--plan", "night.tc", code=1)
    assert "absent   night/new: no whole object" in found.stdout
    assert "1 thing ABSENT" in found.stderr
    # A volume that is named alone says nothing of sources.
    tcc("verify", "media/R1/R1-000001.tar", "--plan", "night.tc")


def test_a_copy_that_lacks_is_a_note(tcc: Tcc, tmp_path: Path) -> None:
    (tmp_path / "media/R2").rename(tmp_path / "away")
    (tmp_path / "media/R2").write_text("in the way")
    tcc("run", "night.tc", code=3)
    (tmp_path / "media/R2").unlink()
    (tmp_path / "away").rename(tmp_path / "media/R2")
    found = tcc("verify", "--plan", "night.tc")
    assert "night/home: its newest whole object has no copy on R2" in found.stderr


def test_bad_usage(tcc: Tcc) -> None:
    tcc("verify", "--max-age", "1d", "--state", "state", code=2)
    tcc("verify", "--plan", "night.tc", "--max-age", "soon", code=2)
    tcc("verify", "--plan", "night.tc", "-o", "x.tc", code=2)
    tcc("verify", "--plan", "night.tc", "--repair", "--json", code=2)
