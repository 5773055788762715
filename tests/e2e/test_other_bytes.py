"""Folders, plans and sources with bytes in their names that are no UTF-8: all that a user does, below such a folder."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.timeout(120)

PLAN = """
param tree = "tree"
pool week { retention = 7d }
source s { files = tree  level = "incremental" }
drive R1 { volumes = "media/R1"  pool = week }
drive R2 { volumes = "media/R2" }
backup group g { agent a -> R1 { B1 <- s } }
mirror group m of g { agent b -> R2 { * <- a } }
"""


@pytest.fixture
def odd(bench: Any) -> Any:
    """A bench whose folder is no UTF-8, with a tree and a plan of which the same is true."""
    folder = Path(os.fsdecode(os.fsencode(bench.folder) + b"/b\xff"))
    (folder / "tree" / "d\udce9").mkdir(parents=True)
    (folder / "tree" / "d\udce9" / "f\udcfc.txt").write_text("one")
    (folder / "tree" / "plain").write_text("two")
    (folder / "p\udcff.tc").write_text(PLAN)
    return type(bench)(folder)


def test_everything_below_a_folder_that_is_no_utf_8(odd: Any, same_tree: Any) -> None:
    plan, here = "p\udcff.tc", odd.folder
    odd.ok("run", plan, "--report", "r\udcff.json")
    report = json.loads((here / "r\udcff.json").read_bytes().decode("utf-8"))
    assert (report["plan"], report["status"]) == ("p\udcff", "ok")
    (here / "tree" / "plain").write_text("two, later")
    odd.ok("run", plan, "-D", f"tree={here / 'tree'}")
    odd.ok("verify", "--plan", plan)
    known = odd.ok("volumes", "--plan", plan, "--json").json
    assert {v["location"] for v in known} == {f"{here}/media/{d}/{d}-000001.tar" for d in ("R1", "R2")}
    assert "b\\xff/media/R1/R1-000001.tar" in odd.ok("volumes", "--plan", plan).out
    assert odd.ok("objects", "--plan", plan, "--json").json[0]["plan"] == "p\udcff"
    names = {m["name"] for m in odd.ok("files", "s", "--plan", plan, "--json").json}
    assert f"{here}/tree/d\udce9/f\udcfc.txt".lstrip("/") in names
    odd.ok("restore", "s", "--plan", plan, "--to", "all")
    same_tree(here / "tree", Path(f"{here}/all{here}/tree"))
    odd.ok("restore", "p\udcff/s", "--plan", plan, "--path", "*/f\udcfc.txt", "--to", "single")
    assert Path(f"{here}/single{here}/tree/d\udce9/f\udcfc.txt").read_text() == "one"
    odd.ok("restore", "s", "--from", here / "media" / "R2", "--to", "media only")
    same_tree(here / "tree", Path(f"{here}/media only{here}/tree"))
    odd.ok("drill", plan)
    odd.ok("catalog", "rebuild", "--catalog", here / "anew\udcfe.sqlite", "media/R1", "media/R2")
    told = odd.ok("objects", "--catalog", here / "anew\udcfe.sqlite", "--json").json
    assert [o["object"] for o in told] == [o["object"] for o in odd.ok("objects", "--plan", plan, "--json").json]
    odd.ok("catalog", "rebuild", "--plan", plan)
    odd.ok("verify", "--plan", plan)


def test_a_compiled_plan_is_utf_8_and_runs(odd: Any) -> None:
    odd.ok("compile", "p\udcff.tc", "-D", f"tree={odd.folder / 'tree'}", "-o", "plan.json")
    document = json.loads((odd.folder / "plan.json").read_bytes().decode("utf-8"))
    assert document["sources"][0]["files"] == [str(odd.folder / "tree")]
    odd.ok("run", "plan.json")
    odd.ok("restore", "p\udcff/s", "--plan", "plan.json", "--to", "all")
    assert Path(f"{odd.folder}/all{odd.folder}/tree/plain").read_text() == "two"


def test_drafts_name_such_folders_from_beside_them_or_say_why_not(odd: Any) -> None:
    plan = "p\udcff.tc"
    odd.ok("run", plan)
    where = ("draft", "refresh", "R1-000001", "--plan", plan, "--to", "fresh=new/fresh")
    refused = odd.tcc(*where)
    assert refused.code == 2
    assert "plans are UTF-8" in refused.err
    assert "-o FILE" in refused.err
    odd.ok(*where, "-o", "draft.tc")
    (odd.folder / "draft.tc").read_bytes().decode("utf-8")
    odd.ok("run", "draft.tc")
    odd.ok("verify", "new/fresh")
