"""What ``tcc verify`` says of each finding: what is safe, what to do; and that doing so heals."""

import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tapechain.cli.main import _main
from tapechain.runtime.media.volume import open_volume
from tapechain.runtime.restore.findings import advise
from tapechain.runtime.restore.verdicts import CopyVerdict, ObjectVerdict, Verified, VolumeVerdict

PLAN = """
plan night { state = "state"  record = 64KiB }
source home { command = ["head", "-c", "300000", "/dev/urandom"] }
source small { command = ["head", "-c", "1000", "/dev/urandom"] }
drive R1 { volumes = "media/R1" }
drive R2 { volumes = "media/R2" }
backup group b { agent a -> R1 { B1 <- home  B2 <- small }  agent c -> R2 { B1 <- home } }
"""

Tcc = Callable[..., tuple[str, str]]


@pytest.fixture
def tcc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Tcc:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CI", "1")
    monkeypatch.delenv("TCC_STATE", raising=False)
    (tmp_path / "night.tc").write_text(PLAN)

    def call(*words: str, code: int = 0) -> tuple[str, str]:
        got = _main(list(words))
        said = capsys.readouterr()
        assert got == code, said
        return said.out, said.err

    call("run", "night.tc", "--progress", "none")
    return call


def spoil(path: Path, source: str) -> None:
    """Flip a byte in the payload of each record of *source*."""
    content = bytearray(path.read_bytes())
    with open_volume(path) as reader:
        for item in reader.scan():
            if hasattr(item, "header") and item.header.source == source:
                content[item.position + 1600] ^= 1
    path.write_bytes(content)


def after(out: str, word: str) -> list[str]:
    return [line.partition(f" {word}:")[2].strip() for line in out.splitlines() if line.startswith(f"         {word}:")]


def follow(tcc: Tcc, todo: str) -> None:
    """Run the commands of an advice: those between backquotes."""
    for command in todo.split("`")[1::2]:
        tcc(*shlex.split(command)[1:])


def test_what_is_damaged_is_healed_by_doing_what_is_said(tcc: Tcc, tmp_path: Path) -> None:
    spoil(tmp_path / "media/R1/R1-000001.tar", "home")
    out, _ = tcc("verify", "--plan", "night.tc", code=1)
    assert after(out, "safe")[0] == "all 2 whole object(s) on it: what lacks here other copies have"
    assert "its copy on R2 is sound" in after(out, "safe")[1]
    (do,) = set(after(out, "do")[1:])
    assert do == "`tcc verify --plan night.tc --repair -o repair.tc`, then `tcc run repair.tc --again`"
    document = json.loads(tcc("verify", "--plan", "night.tc", "--json", code=1)[0])
    hurt = [v for v in (*document["volumes"], *document["objects"]) if v["status"] == "damaged"]
    assert len(hurt) == 2 and all(v["safe"] and do in v["todo"] for v in hurt)
    sound = [v for v in (*document["volumes"], *document["objects"]) if v["status"] == "sound"]
    assert sound and not any("todo" in v or "safe" in v for v in sound)
    tcc("verify", "--plan", "night.tc", "--repair", "-o", "repair.tc", code=1)
    tcc("run", "repair.tc", "--again", "--progress", "none")
    assert "do:" not in tcc("verify", "--plan", "night.tc")[0]


def test_what_is_lost_is_said_and_a_new_session_needs_it_no_more(tcc: Tcc, tmp_path: Path) -> None:
    spoil(tmp_path / "media/R1/R1-000001.tar", "small")
    out, _ = tcc("verify", "--plan", "night.tc", code=1)
    assert "1 of the 2 whole object(s) on it: of 1, records are nowhere else" in after(out, "safe")[0]
    assert "--keep-damaged" in after(out, "safe")[1] and "run its plan again" in after(out, "do")[1]
    assert "bring back" not in out


def test_a_volume_that_is_away_and_one_that_is_gone(tcc: Tcc, tmp_path: Path) -> None:
    shutil.move(tmp_path / "media/R1", tmp_path / "away")
    out, _ = tcc("verify", "--plan", "night.tc", code=1)
    assert "bring it back to its place, or say where it lies now (`tcc catalog add FOLDER`)" in after(out, "do")[0]
    lost = out[out.index("LOST") :]
    assert "bring back what is missing (R1-000001)" in lost
    tcc("catalog", "add", "away", "--plan", "night.tc")
    assert "do:" not in tcc("verify", "--plan", "night.tc")[0]


def test_what_the_catalog_lacks_is_brought_there_by_doing_what_is_said(tcc: Tcc, tmp_path: Path) -> None:
    kept = (tmp_path / "state/catalog.sqlite").read_bytes()
    tcc("run", "night.tc", "--progress", "none")
    for path in (tmp_path / "state").glob("catalog.sqlite*"):
        path.unlink()
    (tmp_path / "state/catalog.sqlite").write_bytes(kept)
    out, _ = tcc("verify", "--plan", "night.tc", code=1)
    assert all("are sound" in safe for safe in after(out, "safe"))
    for do in after(out, "do"):
        follow(tcc, do.replace("`tcc catalog add ", "`tcc catalog add --plan night.tc "))
    tcc("verify", "--plan", "night.tc")


def test_a_volume_and_a_catalog_that_do_not_know_each_other(tcc: Tcc, tmp_path: Path) -> None:
    shutil.copytree(tmp_path / "media/R2", tmp_path / "other")
    for path in (tmp_path / "state").glob("catalog.sqlite*"):
        path.unlink()
    shutil.rmtree(tmp_path / "media")
    tcc("run", "night.tc", "--progress", "none")
    out, _ = tcc("verify", "other", "--plan", "night.tc", code=1)
    assert f"tell the catalog of it: tcc catalog add {tmp_path}/other/R2-000001.tar" in out and "safe:" in out
    document = json.loads(tcc("verify", "other", "--plan", "night.tc", "--json", code=1)[0])
    assert any("tcc catalog add" in line for line in document["todo"])


def test_a_source_that_was_not_stored_in_time_says_what_to_run(tcc: Tcc, tmp_path: Path) -> None:
    out, _ = tcc("verify", "--plan", "night.tc", "--max-age", "0s", code=1)
    assert after(out, "do") == ["see why with `tcc sessions --plan night.tc`, then `tcc run night.tc`"]


def test_each_case_has_its_words() -> None:
    def found(
        status: str, *copies: tuple[str, str], volume: str = "damaged", **more: object
    ) -> tuple[str, str, str, str]:
        item = ObjectVerdict("home", "night", "id", status, tuple(CopyVerdict(d, s) for d, s in copies))  # type: ignore[arg-type]
        one = VolumeVerdict("v", "R1-000001", "R1", "/m/R1-000001.tar", volume, objects=("id",), **more)  # type: ignore[arg-type]
        advised = advise(Verified((one,), (item,)), repair="REPAIR")
        own = advised.objects.get("id")
        return (*_pair(advised.volumes["v"]), *((own.safe, own.todo) if own is not None else ("", "")))

    def _pair(advice: object) -> tuple[str, str]:
        return advice.safe, advice.todo  # type: ignore[attr-defined]

    safe, do, own_safe, own_do = found("damaged", ("R1", "damaged"), ("R2", "damaged"))
    assert "other copies have" in safe and "REPAIR" in do and "each record from the copy" in own_safe
    assert own_do == "REPAIR"
    safe, _, own_safe, _ = found("damaged", ("R1", "damaged"), ("R2", "unread"))
    assert "as far as the catalog knows" in safe and "R2 was not read" in own_safe
    safe, do, *_ = found("damaged", ("R1", "missing"), ("R2", "sound"), volume="missing")
    assert "gone for good: REPAIR" in do
    safe, do, *_ = found("known", ("R1", "known"), volume="missing")
    assert safe == "no whole object lies on it" and "tcc volume recycle R1-000001" in do
    safe, do, *_ = found("sound", ("R1", "sound"), ailments={"lies"})
    assert "are sound" in safe and "tcc draft refresh R1-000001" in do and "REPAIR" not in do
    _, do, *_ = found("sound", ("R1", "sound"), ailments={"differs"})
    assert "rebuild the catalog" in do
    _, do, *_ = found("sound", ("R1", "sound"))
    assert "tcc volume show" in do
