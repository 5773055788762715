"""What a run tells somebody at three in the morning about a drive that failed: one advice, the right one."""

import errno
import json
import os
import shlex
import shutil
from pathlib import Path

import pytest
from tapechain.cli.main import _main
from tapechain.runtime.advice import advised
from tapechain.runtime.drives.magazine import fault_of
from tapechain.runtime.faults import DriveFault, Place
from tapechain.runtime.model import CopyReport, ObjectReport

FULL = fault_of(OSError(errno.ENOSPC, "No space left on device"), "there is no room", Place(drive="R2"))


def an_object(source: str, status: str = "whole", *, copied: bool = False, **copies: str) -> ObjectReport:
    reports = tuple(CopyReport(drive, f"a{drive}", its) for drive, its in copies.items())  # type: ignore[arg-type]
    return ObjectReport(source, f"id of {source}", 10, 1, status, copies=reports, copied=copied)  # type: ignore[arg-type]


def todo(*objects: ObjectReport, faults: dict[str, DriveFault] | None = None) -> str:
    told = advised((faults or {"R2": FULL}).items(), objects)
    assert [fault.drive for fault in told] == list(faults or {"R2": FULL})
    return told[-1].todo


def test_what_another_drive_holds_is_caught_up_and_no_source_is_read_again() -> None:
    said = todo(an_object("home", R1="stored", R2="cut-off"))
    assert said.startswith("make room on the drive's disk")
    assert "then run what `tcc draft catch-up --plan FILE -o catch-up.tc` drafts" in said
    assert "run the plan again" not in said


def test_what_no_drive_holds_needs_the_plan_once_more() -> None:
    said = todo(an_object("home", "cut-off", R2="cut-off"))
    assert "run the plan again: of this session home is stored nowhere" in said and "catch-up" not in said
    discarded = todo(an_object("home", R2="failed", X="discarded"))
    assert "run the plan again" in discarded and "catch-up" not in discarded
    unread = todo(an_object("home", "failed", R2="failed"))
    assert "run the plan again: of this session home is stored nowhere" in unread


def test_of_both_kinds_each_is_named() -> None:
    said = todo(an_object("home", R1="stored", R2="cut-off"), an_object("small", "cut-off", R2="cut-off"))
    assert "run the plan again, since small is stored nowhere; and run what `tcc draft catch-up" in said


def test_a_copy_plan_is_run_again_since_what_is_stored_is_skipped() -> None:
    said = todo(an_object("home", "cut-off", copied=True, R2="cut-off"), an_object("b", copied=True, R2="stored"))
    assert said.endswith("then run the plan again: what is stored is not copied again")


def test_a_source_that_failed_itself_is_not_the_drives_matter() -> None:
    assert "then" not in todo(an_object("home", "failed", R1="failed", R2="failed"))
    both = {"R1": FULL, "R2": FULL}
    assert "home is stored nowhere" in todo(an_object("home", "failed", R1="failed", R2="failed"), faults=both)


def test_many_sources_are_counted() -> None:
    said = todo(*(an_object(f"s{n}", "cut-off", R2="cut-off") for n in range(8)))
    assert "s0, s1, s2, s3, s4 and 3 more is stored nowhere" in said


@pytest.mark.parametrize(
    ("code", "word"),
    [
        (errno.ENOSPC, "make room"),
        (errno.EDQUOT, "quota"),
        (errno.EROFS, "read-only"),
        (errno.EIO, "kernel's log"),
        (errno.EFBIG, "`capacity`"),
        (errno.EACCES, "let this user write"),
        (errno.ENODEV, "bring the device back"),
        (errno.ENOTTY, "check the disk"),
    ],
)
def test_each_error_has_its_own_mend(code: int, word: str) -> None:
    fault = fault_of(OSError(code, os.strerror(code)), "writing failed", Place(drive="R2"))
    assert word in fault.todo and "again: of" not in fault.todo and fault.safe


PLAN = """
plan night {{ state = "state"  record = 64KiB }}
source home {{ command = ["head", "-c", "300000", "/dev/zero"] }}
drive R1 {{ volumes = "media/R1" }}
drive R2 {{ volumes = "media/R2"{more} }}
backup group b {{ agent a -> R1 {{ B1 <- home }} }}
mirror group m of b {{ agent c -> R2 {{ * <- a }} }}
"""


def full_magazine(folder: Path) -> None:
    (folder / "media/R2/R2-000001.tar").rename(folder / "media/R2/R2-999999.tar")
    (folder / "media/R2/R2-999999.tar").chmod(0o400)


def one_that_is_no_folder(folder: Path) -> None:
    shutil.rmtree(folder / "media/R2")
    (folder / "media/R2").write_text("a file")


@pytest.mark.parametrize(
    ("spoil", "mended"),
    [(full_magazine, "give the drive another folder"), (one_that_is_no_folder, "take away what lies")],
)
def test_the_advice_of_a_run_is_followed_word_for_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], spoil: object, mended: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "night.tc").write_text(PLAN.format(more=""))
    assert _main(["run", "night.tc", "--progress", "none"]) == 0
    spoil(tmp_path)  # type: ignore[operator]
    capsys.readouterr()
    assert _main(["run", "night.tc", "--progress", "none", "--report", "r.json"]) == 3
    said = capsys.readouterr().err
    (fault,) = json.loads((tmp_path / "r.json").read_text())["faults"]
    assert fault["todo"].startswith(mended) and fault["safe"] and fault["todo"] in said
    assert said.count("do: ") == 1 and "run the plan again" not in said
    # what it says: another folder, the draft, its run
    (tmp_path / "night.tc").write_text(PLAN.format(more="").replace('"media/R2"', '"media/other"'))
    command = shlex.split(said.partition("`tcc ")[2].partition("`")[0])
    assert command == ["draft", "catch-up", "--plan", "night.tc", "-o", "catch-up.tc"]
    assert _main(command) == 0
    assert _main(["run", "catch-up.tc", "--progress", "none"]) == 0
    shutil.rmtree(tmp_path / "media/R1")
    assert _main(["restore", "home", "--plan", "night.tc", "--to", "back"]) == 0
    assert (tmp_path / "back/home").stat().st_size == 300_000
