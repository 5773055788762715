"""What a merged full was made from expires with it: recycled by name, and all that is kept comes back."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tapechain.runtime.catalog.store import open_catalog
from tapechain.runtime.sources import snapshots

pytestmark = pytest.mark.timeout(200)

PLAN = """
plan p { record = 64KiB }
source T { files = "tree"  level = "incremental" }
pool one { sessions = 2 }
pool two { sessions = 2 }
drive R1 { volumes = "media/R1"  pool = one }
drive R2 { volumes = "media/R2"  pool = POOL }
backup group g { agent A -> R1 { B1 <- T } }
mirror group m of g { agent B -> R2 { * <- A } }
"""


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sessions follow each other within two seconds here: what did not change in between is not to be stored again."""
    monkeypatch.setattr(snapshots, "SET_BACK_SECONDS", 0)


def nights(bench: Any, pool: str) -> list[dict[str, tuple[Any, ...]]]:
    """A full and four incrementals, each on volumes of its own; the states of the tree."""
    (bench.folder / "plan.tc").write_text(PLAN.replace("POOL", pool))
    states = []
    for night in range(1, 6):
        (bench.tree / f"file {night}").write_text(f"{night}\n" * 5000)
        (bench.tree / f"file {night - 2}").unlink(missing_ok=True)
        states.append({p.name: (p.read_text(),) for p in bench.tree.iterdir()})
        if night > 1:
            assert bench.tcc("volume", "label", "R1", "R2", "--plan", "plan.tc")[0] == 0
        assert bench.run()["level"] == ("full" if night == 1 else "incremental")
    return states


def merge(bench: Any, up_to: int, drive: str) -> str:
    """A full of the chain up to that night on *drive*; its identifier."""
    with open_catalog(bench.folder / "state" / "catalog.sqlite", create=False) as catalog:
        started = next(o.started for o in catalog.objects() if o.number == up_to)
    words = (
        "draft",
        "consolidate",
        "T",
        "--as-of",
        started,
        "--to",
        drive,
        "--plan",
        "plan.tc",
        "-o",
        "c.tc",
        "--force",
    )
    assert bench.tcc(*words)[0] == 0
    code, _, said = bench.tcc("run", "c.tc", "--report", "c.json")
    assert code == 0, said
    return str(json.loads((bench.folder / "c.json").read_text())["objects"][0]["object"])


def status(bench: Any, drive: str) -> dict[str, str]:
    _, out, _ = bench.tcc("volumes", "--plan", "plan.tc", "--plan", "c.tc", "--drive", drive, "--json")
    return {v["name"]: v["status"] for v in json.loads(out)}


def recycle(bench: Any, *names: str, code: int = 0) -> str:
    got, _, said = bench.tcc("volume", "recycle", *names, "--yes", "--plan", "plan.tc", "--plan", "c.tc")
    assert got == code, said
    return str(said)


def comes_back(bench: Any, state: dict[str, tuple[Any, ...]], *more: str | Path) -> None:
    shutil.rmtree(bench.folder / "back", ignore_errors=True)
    bench.restore("back", *more)
    assert {p.name: (p.read_text(),) for p in bench.restored("back").iterdir()} == state


def test_volumes_below_a_merged_full_are_recycled_and_all_that_is_kept_comes_back(bench: Any) -> None:
    states = nights(bench, "two")
    merge(bench, 3, "R1")
    assert [name for name, its in status(bench, "R1").items() if its == "expired"] == [
        "R1-000001", "R1-000002", "R1-000003",
    ]  # fmt: skip
    assert "expired" not in status(bench, "R2").values(), "that drive has no full: it keeps its whole chain"
    recycle(bench, "R2-000001", code=1)
    recycle(bench, "R1-000001", "R1-000002", "R1-000003")
    comes_back(bench, states[4])
    (bench.tree / "file 6").write_text("6\n")
    assert bench.run()["level"] == "incremental", "R1 has the full below it, R2 the whole chain"
    states[4] = {p.name: (p.read_text(),) for p in bench.tree.iterdir()}
    shutil.move(bench.folder / "media/R2", bench.folder / "away")
    comes_back(bench, states[4])
    comes_back(bench, states[3], "--object", bench.sessions[3]["object"])
    code, _, said = bench.tcc("verify", "R1-000004", "R1-000005", "--plan", "plan.tc")
    assert code == 0, said
    shutil.rmtree(bench.folder / "state")
    comes_back(bench, states[4], "--from", bench.folder / "media/R1")
    shutil.rmtree(bench.folder / "media")
    shutil.move(bench.folder / "away", bench.folder / "media")
    comes_back(bench, states[4], "--from", bench.folder / "media")


def test_a_full_on_one_of_two_drives_of_a_pool_lets_nothing_go_until_the_other_has_it(bench: Any) -> None:
    states = nights(bench, "one")
    merge(bench, 3, "R1")
    assert "expired" not in {*status(bench, "R1").values(), *status(bench, "R2").values()}
    words = ("draft", "migrate", "R1", "--to", "R2", "--plan", "plan.tc", "-o", "more.tc")
    assert bench.tcc(*words)[0] == 0 and bench.tcc("run", "more.tc")[0] == 0
    expired = [n for d in ("R1", "R2") for n, its in status(bench, d).items() if its == "expired"]
    assert expired == [f"{d}-00000{n}" for d in ("R1", "R2") for n in (1, 2, 3)]
    recycle(bench, *expired)
    for other, here in (("R1", "R2"), ("R2", "R1")):
        (bench.folder / f"media/{other}").rename(bench.folder / "away")
        comes_back(bench, states[4])
        assert (bench.folder / f"media/{here}").exists()
        (bench.folder / "away").rename(bench.folder / f"media/{other}")


@pytest.mark.parametrize("spoil", ["away", "cut", "another"])
def test_nothing_goes_while_the_full_cannot_be_seen(bench: Any, spoil: str) -> None:
    nights(bench, "two")
    assert bench.tcc("volume", "label", "R1", "--plan", "plan.tc")[0] == 0
    merge(bench, 3, "R1")
    path = bench.folder / "media/R1/R1-000006.tar"
    content = path.read_bytes()
    path.unlink()
    if spoil == "cut":
        path.write_bytes(content[:20_000])
    if spoil == "another":
        path.write_bytes((bench.folder / "media/R1/R1-000005.tar").read_bytes())
    before = {p: p.read_bytes() for p in (bench.folder / "media").rglob("*.tar")}
    said = recycle(bench, "R1-000001", code=1)
    assert "was merged from" in said and "cannot be seen" in said and "safe:  nothing was changed" in said
    assert {p: p.read_bytes() for p in (bench.folder / "media").rglob("*.tar")} == before
    path.write_bytes(content)
    recycle(bench, "R1-000001")


def test_with_verify_a_full_is_read_before_its_parts_go(bench: Any) -> None:
    nights(bench, "two")
    assert bench.tcc("volume", "label", "R1", "--plan", "plan.tc")[0] == 0
    merge(bench, 3, "R1")
    path = bench.folder / "media/R1/R1-000006.tar"
    content = path.read_bytes()
    path.write_bytes(content[:20_000] + bytes([content[20_000] ^ 1]) + content[20_001:])
    before = {p: p.read_bytes() for p in (bench.folder / "media").rglob("*.tar")}
    code, _, said = bench.tcc("volume", "recycle", "R1-000001", "--plan", "plan.tc", "--yes", "--verify")
    assert code == 1
    assert "was merged from" in said and "its digest is wrong" in said and "safe:  nothing was changed" in said
    assert {p: p.read_bytes() for p in (bench.folder / "media").rglob("*.tar")} == before
    path.write_bytes(content)
    code, _, said = bench.tcc("volume", "recycle", "R1-000001", "--plan", "plan.tc", "--yes", "--verify")
    assert code == 0, said
    assert not (bench.folder / "media/R1/R1-000001.tar").exists()
