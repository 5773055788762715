"""Includes stay in the project: a plan from elsewhere makes no report show the files of this machine."""

import os
from pathlib import Path

import pytest
from tapechain.cli.main import _main

Capture = pytest.CaptureFixture[str]
SECRET = "-----BEGIN SECRET-----\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with plans/, and secrets beside it."""
    (tmp_path / "project" / "plans").mkdir(parents=True)
    (tmp_path / "project" / "common.tc").write_text("let x = 1\n")
    (tmp_path / "secret").write_text(SECRET)
    monkeypatch.chdir(tmp_path / "project" / "plans")
    monkeypatch.delenv("TCC_INCLUDE", raising=False)
    return tmp_path / "project"


def include(path: object) -> Path:
    plan = Path("night.tc")
    plan.write_text(f'include "{path}"\n')
    return plan


@pytest.mark.parametrize("way", ["absolute", "dots", "link", "link of a folder"])
def test_what_lies_outside_is_not_read(folder: Path, capsys: Capture, way: str) -> None:
    Path("link").symlink_to(folder.parent / "secret")
    Path("outside").symlink_to(folder.parent)
    include({"absolute": folder.parent / "secret", "dots": "../../secret", "link": "link"}.get(way, "outside/secret"))
    for words in (["check"], ["check", "--format", "sarif"], ["compile"], ["estimate"], ["diagram", "-o", "-"]):
        assert _main([*words, "night.tc"]) == 1
        out = capsys.readouterr()
        assert "TC104" in out.out + out.err
        assert "BEGIN" not in out.out + out.err


@pytest.mark.parametrize("by", ["working folder", "git", "environment"])
def test_the_project_may_be_larger_than_the_plans_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture, by: str
) -> None:
    plan = include("../common.tc").absolute()
    assert _main(["check", "night.tc"]) == 1
    assert "TCC_INCLUDE" in capsys.readouterr().out
    if by == "working folder":
        monkeypatch.chdir(folder)
    elif by == "git":
        (folder / ".git").mkdir()
    else:
        monkeypatch.setenv("TCC_INCLUDE", f"/none:{folder}")
    assert _main(["check", str(plan)]) == 0


def test_a_working_folder_elsewhere_or_at_the_root_allows_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = include("../common.tc").absolute()
    for elsewhere in ("/", str(folder.parent / "other")):
        Path(elsewhere).mkdir(exist_ok=True)
        monkeypatch.chdir(elsewhere)
        assert _main(["check", str(plan)]) == 1


def test_a_plan_by_a_link_includes_from_both_its_folders(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "plans" / "part.tc").write_text("let y = 1\n")
    include("part.tc")
    (folder.parent / "bin").mkdir()
    (folder.parent / "bin" / "tonight.tc").symlink_to(folder / "plans" / "night.tc")
    (folder.parent / "bin" / "part.tc").symlink_to(folder / "plans" / "part.tc")
    monkeypatch.chdir("/")
    assert _main(["check", str(folder.parent / "bin" / "tonight.tc")]) == 0


@pytest.mark.timeout(30)
def test_a_fifo_is_never_waited_for(folder: Path, capsys: Capture) -> None:
    os.mkfifo("pipe")
    include("pipe")
    assert _main(["check", "night.tc"]) == 1
    assert "no regular file" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["check", "compile", "estimate"])
def test_the_report_ends_with_the_plan_that_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "night.tc").write_text('include "parts.tc"\n')
    (tmp_path / "parts.tc").write_text('drive R1 { volumes = "R1" }\n')
    _main([command, "night.tc"])
    said = capsys.readouterr()
    assert "--> parts.tc:1:7" in said.out + said.err
    assert "1 warning in night.tc" in said.out + said.err
