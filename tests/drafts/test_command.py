"""``tcc draft`` as a user meets it: from a real catalog to a file, and what it refuses."""

import os
from pathlib import Path

import pytest
from tapechain.cli.main import _main

PLAN = """
plan night { state = "state" }
source home { files = "tree" }
source dump { command = ["echo", "dump"] }
pool weekly { retention = 7d  sessions = 3 }
drive R1 { volumes = "media/R1"  site = "here" }
drive R2 { volumes = "media/R2"  site = "vault"  capacity = 5MB  pool = weekly }
backup group b { agent a -> R1 { B1 <- home  B2 <- dump } }
mirror group m of b { agent c -> R2 { * <- a } }
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A plan that ran once with a drive that failed, so that R2 lacks its copies."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TCC_STATE", raising=False)
    (tmp_path / "night.tc").write_text(PLAN)
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "file").write_text("content")
    (tmp_path / "media").mkdir()
    (tmp_path / "media" / "R2").touch()  # a file where the folder must be
    assert _main(["run", "night.tc", "--progress", "none"]) == 3
    (tmp_path / "media" / "R2").unlink()
    return tmp_path


def draft(*words: str) -> int:
    return _main(["draft", *words, "--plan", "night.tc"])


def test_catch_up_is_a_plan_that_keeps_what_the_drive_is(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert draft("catch-up", "-o", "catch-up.tc") == 0
    text = " ".join((folder / "catch-up.tc").read_text().split())
    assert 'site = "vault" pool = "weekly" capacity = 5MB' in text
    assert 'pool "weekly" { retention = 604800s sessions = 3 }' in text
    assert f'state = "{folder}/state"' in text
    assert "tcc run catch-up.tc" in capsys.readouterr().err
    assert _main(["check", "--strict", "catch-up.tc"]) == 0
    assert _main(["fmt", "--check", "catch-up.tc"]) == 0


def test_a_file_that_exists_is_replaced_only_when_asked(folder: Path) -> None:
    (folder / "mine.tc").write_text("# mine\n")
    assert draft("migrate", "R1", "--to", "new", "-o", "mine.tc") == 2
    assert (folder / "mine.tc").read_text() == "# mine\n"
    assert draft("migrate", "R1", "--to", "new", "-o", "mine.tc", "--force") == 0
    assert draft("migrate", "R1", "--to", "new", "-o", "mine.tc") == 0, "the same text is no change"


def test_nothing_to_draft_is_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert draft("compact", "--to", "new") == 1
    assert draft("migrate", "R2", "--to", "new") == 1
    said = capsys.readouterr()
    assert said.out == "" and "no whole object lies on R2" in said.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("refresh", "R9-000001", "--to", "new"), "no volume R9-000001"),
        (("refresh", "R1-000001", "R1-000010", "--to", "new"), "did you mean R1-000001?"),
        (("compact", "--volume", "R9-000001", "--to", "new"), "no volume R9-000001"),
        (("compact", "--drive", "R9", "--to", "new"), "no drive R9"),
        (("demultiplex", "--drive", "R9", "--to", "new"), "no drive R9"),
        (("migrate", "R7", "--to", "new"), "no drive R7"),
        (("chain", "hone", "--to", "new"), "did you mean home?"),
        (("migrate", "R1", "--to", "R2=elsewhere"), "there is a drive R2 already"),
        (("migrate", "R1", "--to", "="), "names no folder"),
        (("migrate", "R1", "--to", "new=bad\tname\x1b"), "control character"),
        (("migrate", "R1", "--to", "new=${HOME}"), "means a variable"),
    ],
)
def test_what_cannot_be_drafted_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    assert draft(*words) == 2
    assert said in capsys.readouterr().err


def test_what_is_not_at_hand_is_not_read(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.rename(folder / "media" / "R1" / "R1-000001.tar", folder / "away.tar")
    assert draft("migrate", "R1", "--to", "new") == 1
    assert "not all volumes of its copy on drive R1 are at hand" in capsys.readouterr().err


def test_volumes_outside_of_the_drive_s_folder_are_left_out(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Another plan's drive of the same name: the draft's drive would not find its volumes."""
    text = PLAN.replace("plan night", "plan other").replace("media/", "elsewhere/")
    (folder / "other.tc").write_text(text)
    assert _main(["run", "other.tc", "--progress", "none"]) == 0
    capsys.readouterr()
    assert draft("migrate", "R1", "--to", "new") == 0
    said = capsys.readouterr()
    assert "It reads 2 object(s)" in said.out
    assert "elsewhere/R1/R1-000001.tar is left out: drive R1 has its volumes in" in said.err
    assert draft("restore", "other/home", "--to", "back") == 1
