"""What is said where a catalog is gone, or remade from less than it knew: advice that can be typed as it stands."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tapechain.cli.main import _main

Tcc = Callable[..., tuple[int, str]]


@pytest.fixture
def tcc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any) -> Tcc:
    """Two plans with one state folder, ``one`` and ``two``, have run; ``tcc`` there gives exit code and words."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CI", "1")
    monkeypatch.setenv("TCC_STATE", str(tmp_path / "state"))

    def run(*words: str) -> tuple[int, str]:
        code = _main(list(words))
        said = capfd.readouterr()
        return code, said.out + said.err

    for name in ("one", "two"):
        (tmp_path / f"{name}.tc").write_text(
            f"""plan {name} {{ record = 64KiB }}
source data {{ stream = "{name}.tc" }}
drive {name}1 {{ volumes = "media of {name}/1" }}
drive {name}2 {{ volumes = "media of {name}/2" }}
backup group g {{ agent A -> {name}1 {{ B <- data }} }}
mirror group m of g {{ agent M -> {name}2 {{ * <- A }} }}
"""
        )
        assert run("run", f"{name}.tc")[0] == 0
    return run


def advised(said: str, begins: str) -> list[str]:
    """The words of the command that *said* advises."""
    found = said[said.index(begins) :].partition("\n")[0].partition(";")[0]
    return shlex.split(found)[1:]


def test_a_catalog_that_is_gone_is_remade_as_the_message_says(tcc: Tcc) -> None:
    Path("state/catalog.sqlite").unlink()
    code, said = tcc("restore", "data", "--plan", "one.tc", "--to", "back")
    assert code == 1 and "there is no catalog" in said and "do without it: --from FOLDER" in said
    words = advised(said, "tcc catalog rebuild")
    assert words[-2:] == ["--plan", "one.tc"] and "media of one/1" in words
    assert tcc(*words)[0] == 0
    assert tcc("restore", "data", "--plan", "one.tc", "--to", "back")[0] == 0
    assert Path("back/data").read_bytes() == Path("one.tc").read_bytes()
    shutil.rmtree("state")
    assert tcc("restore", "data", "--from", "media of two", "--to", "back2")[0] == 0


def test_a_rebuilt_catalog_says_which_volumes_it_knows_no_more(tcc: Tcc) -> None:
    code, said = tcc("catalog", "rebuild", "media of one", "--plan", "one.tc")
    assert code == 0 and "it knew 2 volumes more, which no PATH holds: two1-000001, two2-000001" in said
    assert tcc("restore", "two/data", "--plan", "two.tc", "--to", "back")[0] == 2
    assert tcc(*advised(said, "tcc catalog add"), "--plan", "two.tc")[0] == 0
    assert tcc("restore", "two/data", "--plan", "two.tc", "--to", "back")[0] == 0
    assert "it knew" not in tcc("catalog", "rebuild", "media of one", "media of two", "--plan", "one.tc")[1]


def test_a_run_without_its_catalog_says_that_it_did_not_begin(tcc: Tcc) -> None:
    Path("state/catalog.sqlite").write_bytes(b"no catalog" * 1000)
    before = {p: p.read_bytes() for p in Path("media of one").rglob("*.tar")}
    code, said = tcc("run", "one.tc")
    assert code == 1 and "nothing was opened, read or written" in said
    assert {p: p.read_bytes() for p in Path("media of one").rglob("*.tar")} == before


def test_all_volumes_that_lack_are_named(tcc: Tcc) -> None:
    Path("media of one/1/one1-000001.tar").rename("aside")
    assert tcc("restore", "data", "--plan", "one.tc", "--plan-name", "one", "--to", "back")[0] == 0
    Path("media of one/2/one2-000001.tar").rename("aside2")
    code, said = tcc("restore", "one/data", "--plan", "one.tc", "--to", "back2")
    assert code == 1 and not Path("back2").exists()
    assert "volume one1-000001: " in said and "volume one2-000001: " in said
    assert "bring one1-000001 or one2-000001 back to its place" in said


def test_recycling_says_of_each_volume_what_keeps_it_though_nobody_can_confirm(tcc: Tcc) -> None:
    code, said = tcc("volume", "recycle", "nonsense", "one1-000001", "--plan", "one.tc")
    assert code == 2 and "knows no volume nonsense" in said
    assert "belongs to no pool, which keeps for ever" in said and "the volume is as it was" in said


def test_a_catalog_is_remade_from_the_drives_of_its_plan(tcc: Tcc) -> None:
    Path("state/catalog.sqlite").unlink()
    Path("media of one/1").rename("elsewhere")
    code, said = tcc("catalog", "rebuild", "--plan", "one.tc")
    assert code == 3 and "the folder of drive one1" in said and "rebuilt: 1 volume" in said
    assert tcc("restore", "data", "--plan", "one.tc", "--to", "back")[0] == 0
    shutil.rmtree("media of one")
    before = Path("state/catalog.sqlite").read_bytes()
    code, said = tcc("catalog", "rebuild", "--plan", "one.tc")
    assert code == 2 and "none of the folders of the drives of plan one is there" in said
    assert Path("state/catalog.sqlite").read_bytes() == before
    assert tcc("catalog", "rebuild")[0] == 2


def test_only_commands_get_the_plan_that_was_named(tcc: Tcc) -> None:
    """What an advice says of the option itself is about another plan."""
    code, said = tcc("restore", "nosuch", "--plan", "one.tc", "--to", "back")
    assert code == 2 and "--plan FILE asks a plan's" in said
