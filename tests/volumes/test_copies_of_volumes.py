"""Copies of volumes' files beside them, and states of a medium that went two ways: what `catalog add` believes."""

import shutil
from pathlib import Path

import pytest
from tapechain.runtime.catalog.store import open_catalog

pytestmark = pytest.mark.timeout(120)

PLAN = """
plan night { record = 64KiB  state = "state" }
source D { stream = "data" }
drive R1 { volumes = "media/R1" }
drive R2 { volumes = "media/R2" }
backup group g { agent A -> R1 { B1 <- D } }
mirror group m of g { agent M -> R2 { * <- A } }
"""


@pytest.fixture
def tcc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]):
    from tapechain.cli.main import _main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CI", "1")
    (tmp_path / "plan.tc").write_text(PLAN)

    def run(*words: str, code: int = 0) -> str:
        got = _main([*words, *(["--plan", "plan.tc"] if words[0] not in {"run"} else [])])
        said = capfd.readouterr()
        assert got == code, said
        return said.out + said.err

    return run


def night(tcc, data: str) -> None:
    Path("data").write_text(data)
    tcc("run", "plan.tc")


def places() -> dict[str, str]:
    with open_catalog(Path("state/catalog.sqlite"), create=False) as catalog:
        return {volume.name: str(volume.location) for volume in catalog.volumes()}


def test_a_copy_of_a_drives_folder_takes_no_volumes_place(tcc) -> None:
    """Who mounts a copy beside the drive, adds it, and takes it away again has lost sight of nothing."""
    night(tcc, "one")
    before = places()
    shutil.copytree("media/R1", "copy/R1")
    said = tcc("catalog", "add", "copy")
    assert "R1-000001 in" in said and "the catalog keeps that place" in said
    assert "added: 0 volumes" in said
    assert places() == before
    shutil.rmtree("copy")
    assert "all sound" in tcc("verify")


def test_the_copy_is_taken_when_the_volume_is_gone(tcc) -> None:
    night(tcc, "one")
    shutil.copytree("media/R1", "copy/R1")
    shutil.rmtree("media/R1")
    tcc("catalog", "add", "copy")
    assert places()["R1-000001"] == str(Path("copy/R1/R1-000001.tar").resolve())
    assert "all sound" in tcc("verify")


def test_an_older_state_beside_the_volume_is_a_copy_and_a_newer_one_is_the_volume(tcc) -> None:
    night(tcc, "one")
    shutil.copytree("media/R1", "older")
    night(tcc, "two")
    before = places()
    assert "the catalog keeps that place" in tcc("catalog", "add", "older")
    assert places() == before
    # The other way round: what lies at the drive was put back, the copy went on.
    Path("media/R1/R1-000001.tar").rename("newer-R1")
    Path("older/R1-000001.tar").rename("media/R1/R1-000001.tar")
    Path("newer").mkdir()
    Path("newer-R1").rename("newer/R1-000001.tar")
    assert "is an older state of it" in tcc("catalog", "add", "newer")
    assert places()["R1-000001"] == str(Path("newer/R1-000001.tar").resolve())
    assert "all sound" in tcc("verify")


def test_two_states_of_a_volume_are_not_mixed(tcc) -> None:
    """Put back as it was and written to: each state holds a session that the other lacks."""
    night(tcc, "one")
    shutil.copytree("media/R1", "older")
    night(tcc, "two")
    Path("media/R1").rename("went-on")
    Path("older").rename("media/R1")
    night(tcc, "three")
    before = places()
    said = tcc("catalog", "add", "went-on", code=1)
    assert "it is another state of volume R1-000001" in said and "nothing was recorded from this one" in said
    assert places() == before
    assert "all sound" in tcc("verify")
    # What the message says works: the session that only the other state holds.
    assert "--from" in said
    from tapechain.cli.main import _main

    assert _main(["restore", "D", "--from", "went-on/R1-000001.tar", "--to", "back"]) == 0
    assert Path("back/D").read_text() == "two"
