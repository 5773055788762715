"""``tcc volumes``, ``tcc objects``, ``tcc volume label`` and ``recycle`` as an administrator uses them."""

import errno
import io
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tapechain.cli.main import _main

PLAN = """
plan night {{ record = 64KiB  state = "state" }}
source home {{ command = ["head", "-c", "150000", "/dev/zero"] }}
pool short {{ {pool} }}
drive R1 {{ volumes = "media/R1"  pool = short  capacity = 200KiB }}
drive R2 {{ volumes = "media/R2" }}
backup group g {{ agent A -> R1 {{ B1 <- home }} }}
mirror group h of g {{ agent B -> R2 {{ * <- A }} }}
"""

Tcc = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def tcc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Tcc:
    """The command in this process: what the installed one does but for the interpreter's start."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CI", "1")
    monkeypatch.setenv("TCC_STATE", str(tmp_path / "state"))

    def call(*arguments: str, code: int = 0, text: str = "") -> subprocess.CompletedProcess[str]:
        monkeypatch.setattr(sys, "stdin", io.StringIO(text))
        done = subprocess.CompletedProcess(arguments, _main(list(arguments)), *capfd.readouterr())
        assert done.returncode == code, done.stdout + done.stderr
        return done

    return call


def plan(folder: Path, pool: str = "retention = 1d  sessions = 2") -> None:
    (folder / "night.tc").write_text(PLAN.format(pool=pool))


def volumes(tcc: Tcc, *more: str) -> dict[str, dict[str, Any]]:
    listed = json.loads(tcc("volumes", "--json", *(more or ("--plan", "night.tc"))).stdout)
    return {v["name"]: v for v in listed}


def test_expires_and_status(tcc: Tcc, tmp_path: Path) -> None:
    plan(tmp_path, "retention = 1d")
    tcc("run", "night.tc")
    listed = volumes(tcc)
    started = json.loads(tcc("sessions", "--json", "--plan", "night.tc").stdout)[0]["started"]
    assert listed["R1-000001"]["expires"] > started
    assert listed["R1-000001"]["expires"][:10] != started[:10]
    assert listed["R1-000001"]["status"] == "open"
    assert listed["R2-000001"]["expires"] is None
    assert [v["expires"] for v in volumes(tcc, "--state", "state").values()] == [None, None]
    assert "EXPIRES" in tcc("objects", "--plan", "night.tc").stdout
    assert "EXPIRES" not in tcc("objects", "--state", "state").stdout


def test_recycle_by_name_with_yes(tcc: Tcc, tmp_path: Path) -> None:
    plan(tmp_path, "sessions = 1")
    for _ in range(3):
        tcc("run", "night.tc")
    listed = volumes(tcc)
    assert [v["status"] for v in listed.values()] == ["expired", "expired", "open", "open"]
    before = (tmp_path / "media/R1/R1-000001.tar").read_bytes()

    refused = tcc("volume", "recycle", "R1-000001", "--plan", "night.tc", code=2, text="R1-000001\n")
    assert "--yes" in refused.stderr
    dry = tcc("volume", "recycle", "R1-000001", "--plan", "night.tc", "--dry-run")
    assert "R1-000001 has expired: 1 object(s)" in dry.stderr
    assert (tmp_path / "media/R1/R1-000001.tar").read_bytes() == before

    done = tcc("volume", "recycle", "R1-000001", "R1-000003", "R2-000001", "--plan", "night.tc", "--yes", code=1)
    assert done.stdout.startswith("R1-000001 is recycled: ")
    assert done.stderr.count("it is kept:") == 2
    assert sorted(p.name for p in (tmp_path / "media/R1").iterdir()) == ["R1-000002.tar", "R1-000003.tar"]
    assert sorted(volumes(tcc)) == ["R1-000002", "R1-000003", "R2-000001"]
    assert tcc("verify", "--plan", "night.tc").returncode == 0
    first = json.loads(tcc("objects", "--json", "--plan", "night.tc").stdout)[-1]
    assert {c["drive"]: c["status"] for c in first["copies"]} == {"R1": "recycled", "R2": "stored"}


def test_of_what_expires_nobody_knows_when_the_plan_that_is_missing_is_named(tcc: Tcc, tmp_path: Path) -> None:
    """Two plans wrote on a volume; a file with the other one's name and pools is enough, as the note says."""
    plan(tmp_path)
    (tmp_path / "other.tc").write_text((tmp_path / "night.tc").read_text().replace("plan night", "plan other", 1))
    for name in ("night.tc", "other.tc"):
        tcc("run", name)
        assert "may go is not known" not in tcc("volumes").stderr, "without a plan nothing is known to expire"
    said = tcc("volumes", "--plan", "night.tc").stderr
    assert 'may go is not known: the pool "short" of plan other is not known here; name every plan' in said
    assert "may go is not known" not in tcc("volumes", "--plan", "night.tc", "--plan", "other.tc").stderr
    (tmp_path / "other.tc").write_text("plan other\npool short { retention = 1d  sessions = 2 }\n")
    assert "may go is not known" not in tcc("volumes", "--plan", "night.tc", "--plan", "other.tc").stderr


@pytest.mark.parametrize("typed", ["R1-000001", "yes", ""])
def test_recycle_asks_for_the_name_on_a_terminal(tcc: Tcc, tmp_path: Path, typed: str) -> None:
    plan(tmp_path, "sessions = 1")
    for _ in range(2):
        tcc("run", "night.tc")
    master, slave = pty.openpty()
    try:
        os.write(master, typed.encode() + b"\n")
        done = subprocess.run(
            ["tcc", "volume", "recycle", "R1-000001", "--plan", "night.tc"],
            cwd=tmp_path, stdin=slave, capture_output=True, text=True, timeout=60,
            env={**os.environ, "TCC_STATE": str(tmp_path / "state")},
        )  # fmt: skip
    finally:
        os.close(master)
        os.close(slave)
    gone = typed == "R1-000001"
    assert done.returncode == (0 if gone else 1), done.stderr
    assert "Type R1-000001" in done.stderr
    assert (tmp_path / "media/R1/R1-000001.tar").exists() != gone


def test_the_last_of_a_source_is_told_before_it_goes(tcc: Tcc, tmp_path: Path) -> None:
    (tmp_path / "night.tc").write_text(
        'plan night { record = 64KiB }\nsource home { command = ["echo", "x"] }\npool p { sessions = 1 }\n'
        'drive R1 { volumes = "m"  pool = p }\nbackup group g { agent A -> R1 { B1 <- home } }\n'
    )
    tcc("run", "night.tc")
    kept = tcc("volume", "recycle", "R1-000001", "--plan", "night.tc", "--yes", code=1).stderr
    assert "night/home" in kept
    # The source lives, and its pool is to keep this: nobody is told to give that up.
    assert "do:    leave it: the pool is to keep these sessions" in kept and "`tcc volumes --plan night.tc`" in kept
    give = ("--give-up", "night/home")
    done = tcc("volume", "recycle", "R1-000001", "--plan", "night.tc", "--yes", *give)
    assert "NOTHING whole is left of night/home" in done.stderr
    assert [p.name for p in (tmp_path / "m").iterdir()] == ["R1-000002.tar"]
    tcc("volume", "recycle", "R1-000001", "--plan", "night.tc", "--yes", "--give-up", "home", code=2)


def test_label_makes_the_next_session_begin_on_a_new_volume(tcc: Tcc, tmp_path: Path) -> None:
    plan(tmp_path)
    labelled = tcc("volume", "label", "R2", "--plan", "night.tc")
    assert labelled.stdout.split() == ["R2-000001", str(tmp_path / "media/R2/R2-000001.tar")]
    tcc("run", "night.tc")
    before = (tmp_path / "media/R2/R2-000001.tar").read_bytes()
    assert tcc("volume", "label", "R2", "--plan", "night.tc").stdout.split()[0] == "R2-000002"
    again = tcc("volume", "label", "R2", "--plan", "night.tc")
    assert again.stdout == ""
    assert "R2-000002.tar is empty already" in again.stderr
    tcc("run", "night.tc")
    assert (tmp_path / "media/R2/R2-000001.tar").read_bytes() == before
    assert {n: v["sessions"] for n, v in volumes(tcc).items() if v["drive"] == "R2"} == {"R2-000001": 1, "R2-000002": 1}
    tcc("verify", "--plan", "night.tc")
    shown = json.loads(tcc("volume", "show", "--json", "media/R2/R2-000002.tar").stdout)
    assert shown[0]["agent"] == "B"


def test_label_never_writes_over_anything(tcc: Tcc, tmp_path: Path) -> None:
    plan(tmp_path)
    (tmp_path / "media/R1").mkdir(parents=True)
    (tmp_path / "media/R1/R1-000001.tar").write_bytes(b"mine")
    refused = tcc("volume", "label", "R1", "--plan", "night.tc", code=1)
    assert "too small to be a volume" in refused.stderr
    assert [p.read_bytes() for p in (tmp_path / "media/R1").iterdir()] == [b"mine"]
    assert "its drives: R1, R2" in tcc("volume", "label", "R3", "--plan", "night.tc", code=2).stderr


def test_names_of_a_medium_cannot_speak_to_the_terminal(world: Any, tcc: Tcc) -> None:
    world.run({"home\x1b[31m": b"1"}, ["R1"], pool="p\x1b[2J", plan="night\x1b[1m")
    done = subprocess.run(
        [sys.executable, "-m", "tapechain", "volume", "recycle", "R1-000001", "--yes", "--catalog",
         f"sqlite:///{world.catalog_path}"], capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert "\x1b" not in done.stdout + done.stderr
    assert "\\x1b[2J" in done.stderr


def test_a_volume_in_another_folder_is_told_to_the_catalog(tcc: Tcc, tmp_path: Path) -> None:
    plan(tmp_path)
    for _ in range(2):
        tcc("run", "night.tc")
    vault = tmp_path / "vault"
    vault.mkdir()
    (tmp_path / "media/R1/R1-000001.tar").rename(vault / "R1-000001.tar")
    assert volumes(tcc)["R1-000001"]["status"] == "missing"
    tcc("verify", "--plan", "night.tc", code=1)
    assert "added: 1 volume with" in tcc("catalog", "add", "vault", "--plan", "night.tc").stderr
    assert volumes(tcc)["R1-000001"]["location"] == str(vault / "R1-000001.tar")
    assert len(volumes(tcc)) == 3
    tcc("verify", "--plan", "night.tc")
    # The drive goes on where it was.
    tcc("run", "night.tc")
    assert sorted(p.name for p in (tmp_path / "media/R1").iterdir()) == ["R1-000002.tar", "R1-000003.tar"]
    assert "no volume could be read" in tcc("catalog", "add", "night.tc", "--plan", "night.tc", code=1).stderr


def test_a_drive_whose_folder_was_moved_goes_on_there(tcc: Tcc, tmp_path: Path) -> None:
    plan(tmp_path)
    tcc("run", "night.tc")
    (tmp_path / "media").rename(tmp_path / "elsewhere")
    (tmp_path / "night.tc").write_text((tmp_path / "night.tc").read_text().replace("media/", "elsewhere/"))
    tcc("run", "night.tc")
    assert {v["status"] for v in volumes(tcc).values()} == {"open"}
    assert {Path(v["location"]).parent.parent.name for v in volumes(tcc).values()} == {"elsewhere"}
    tcc("verify", "--plan", "night.tc")


def test_two_plans_and_two_drives_on_one_folder_keep_to_their_own(tcc: Tcc, tmp_path: Path) -> None:
    """Another plan's drive of another name in the same folder; and one of the same name in another pool."""
    plan(tmp_path)
    tcc("run", "night.tc")
    before = (tmp_path / "media/R2/R2-000001.tar").read_bytes()
    (tmp_path / "link").symlink_to(tmp_path / "media")
    (tmp_path / "other.tc").write_text(
        'plan other { record = 64KiB  state = "state" }\nsource mail { command = ["echo", "x"] }\n'
        'pool p { sessions = 1 }\ndrive X { volumes = "media/R2" }\ndrive R2 { volumes = "link/R1"  pool = p }\n'
        "backup group g { agent A -> X { B1 <- mail } }\nmirror group h of g { agent B -> R2 { * <- A } }\n"
    )
    tcc("run", "other.tc")
    assert (tmp_path / "media/R2/R2-000001.tar").read_bytes() == before
    assert sorted(p.name for p in (tmp_path / "media/R2").iterdir()) == ["R2-000001.tar", "X-000001.tar"]
    assert sorted(p.name for p in (tmp_path / "media/R1").iterdir()) == ["R1-000001.tar", "R2-000001.tar"]
    tcc("verify", "--state", "state")


def test_the_member_list_of_what_is_gone_goes_with_it(tcc: Tcc, tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "file").write_text("x")
    (tmp_path / "night.tc").write_text(
        'plan night { record = 64KiB }\nsource home { files = "tree" }\npool p { sessions = 1 }\n'
        'drive R1 { volumes = "m"  pool = p }\nbackup group g { agent A -> R1 { B1 <- home } }\n'
    )
    for _ in range(2):
        tcc("volume", "label", "R1", "--plan", "night.tc")
        tcc("run", "night.tc")
    lists = sorted(p.name for p in tmp_path.rglob("*.members"))
    assert len(lists) == 2
    tcc("volume", "recycle", "R1-000001", "--plan", "night.tc", "--yes")
    assert [p.name for p in tmp_path.rglob("*.members")] == lists[1:]


def test_an_empty_volume_is_listed_until_it_holds_something(tcc: Tcc, tmp_path: Path) -> None:
    """Labelled before anything ran, and behind a volume that was recycled."""
    plan(tmp_path, "sessions = 1")
    tcc("volume", "label", "R1", "--plan", "night.tc")
    listed = volumes(tcc)["R1-000001"]
    where = str(tmp_path / "media/R1/R1-000001.tar")
    assert {k: listed[k] for k in ("drive", "pool", "location", "status", "objects", "sessions", "expires")} == {
        "drive": "R1", "pool": "short", "location": where, "status": "empty", "objects": 0, "sessions": 0,
        "expires": None,
    }  # fmt: skip
    assert listed["bytes"] == (tmp_path / "media/R1/R1-000001.tar").stat().st_size
    assert " empty " in tcc("volumes", "--plan", "night.tc").stdout
    assert "1 empty" in tcc("catalog", "rebuild", "media", "--plan", "night.tc").stderr
    assert volumes(tcc)["R1-000001"]["status"] == "empty"
    refused = tcc("volume", "recycle", "R1-000001", "--yes", "--plan", "night.tc", code=2)
    assert "the next session begins on it" in refused.stderr
    tcc("verify", "--plan", "night.tc", "--max-age", "1d", code=1)  # its source was never stored
    assert "no index" not in tcc("verify", "--state", "state").stderr
    tcc("run", "night.tc")
    assert volumes(tcc)["R1-000001"]["status"] == "open"
    tcc("run", "night.tc")
    newest = sorted((tmp_path / "media/R1").iterdir())[-1]
    assert newest.stem == "R1-000002"
    done = tcc("volume", "recycle", "R1-000001", "--yes", "--plan", "night.tc")
    tcc("volume", "label", "R1", "--plan", "night.tc")
    again = tcc("volume", "label", "R1", "--plan", "night.tc")
    assert "empty already" in again.stderr and "is recycled" in done.stdout
    assert {name: v["status"] for name, v in volumes(tcc).items() if v["drive"] == "R1"} == {
        "R1-000002": "open",
        "R1-000003": "empty",
    }
    tcc("catalog", "rebuild", "media", "--plan", "night.tc")
    assert volumes(tcc)["R1-000003"]["status"] == "empty"
    (tmp_path / "media/R1/R1-000003.tar").unlink()
    assert volumes(tcc)["R1-000003"]["status"] == "missing"
    assert "held nothing" in tcc("verify", "--state", "state").stderr
    tcc("volume", "recycle", "R1-000003", "--yes", "--plan", "night.tc")
    assert "R1-000003" not in volumes(tcc)


def test_an_empty_volume_behind_the_last_one_that_was_recycled_is_listed(tcc: Tcc, tmp_path: Path) -> None:
    plan(tmp_path, "sessions = 1")
    tcc("run", "night.tc")
    tcc("volume", "recycle", "R1-000001", "--give-up", "night/home", "--yes", "--plan", "night.tc")
    assert volumes(tcc)["R1-000002"]["status"] == "empty"


def test_labelling_needs_no_catalog(tcc: Tcc, tmp_path: Path) -> None:
    plan(tmp_path)
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "catalog.sqlite").write_bytes(b"no catalog at all" * 100)
    done = tcc("volume", "label", "R1", "--plan", "night.tc")
    assert "R1-000001" in done.stdout and "does not list R1-000001 yet" in done.stderr
    (tmp_path / "state" / "catalog.sqlite").unlink()
    assert (
        "added: 0 volumes with 0 indexes, and 1 empty"
        in tcc("volume", "label", "R2", "--plan", "night.tc").stderr
        + tcc("catalog", "add", "media/R1", "--plan", "night.tc").stderr
    )
    assert {v["status"] for v in volumes(tcc).values()} == {"empty"} and len(volumes(tcc)) == 2


def test_folders_that_may_not_be_searched_are_told_and_no_internal_error(
    tcc: Tcc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may search every folder: the system's answer to another user is made here."""
    plan(tmp_path)
    tcc("run", "night.tc")
    closed = str(tmp_path / "media" / "R1")

    def refusing(real: Callable[..., os.stat_result]) -> Callable[..., os.stat_result]:
        def call(path: Any, *more: Any, **named: Any) -> os.stat_result:
            if not isinstance(path, int) and os.path.abspath(os.fsdecode(path)).startswith(closed):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), os.fsdecode(path))
            return real(path, *more, **named)

        return call

    monkeypatch.setattr(os, "stat", refusing(os.stat))
    monkeypatch.setattr(os, "lstat", refusing(os.lstat))
    assert "Permission denied" in tcc("verify", "media/R1", code=2).stderr
    assert "may not be searched" in tcc("volume", "recycle", "R1-000001", "--plan", "night.tc", "--yes", code=1).stderr
    assert volumes(tcc)["R1-000001"]["status"] == "missing"
    assert "may not be read" in tcc("catalog", "rebuild", "--plan", "night.tc", code=3).stderr
