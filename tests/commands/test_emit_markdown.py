"""``--emit markdown``: the page says what the plan does, and a plan's names are nothing but names on it."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tapechain.cli.main import _main
from tapechain.compiler.emit.markdown import PICTURE_BUFFERS_MAX, code, to_markdown
from tapechain.compiler.forecast import forecast
from tapechain.compiler.program import compile_program
from tapechain.compiler.world import MemoryWorld

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

NIGHT = """plan night { window = 6h  schedule = "daily" }
source home { files = "/home"  size = 10GB  rate = 100MB/s }
source shop { command = ["pg_dump", "shop"]  size = 1GB  rate = 100MB/s }
drive desk { volumes = "media/desk"  site = "office"  rate = 200MB/s  pool = daily }
drive vault { volumes = "media/vault"  site = "vault"  rate = 200MB/s }
drive spare { discard = true }
pool daily { retention = 30d }
backup group g { agent A -> desk {
  B1 <- home
  B2 <- shop
} }
mirror group m of g {
  agent B -> vault { * <- A }
  agent C -> spare { B1 <- A.B1 }
}
require copies >= 2, sites == 2 of home, shop
require memory <= 1GiB
"""


def page_of(text: str) -> str:
    compilation = compile_program("night.tc", MemoryWorld(files={"night.tc": text}))
    assert compilation.plan is not None, compilation.diagnostics
    return to_markdown(compilation.plan, forecast(compilation.graph, compilation.layout), compilation.diagnostics)


def rows(page: str, heading: str) -> list[list[str]]:
    part = page.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in part.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def test_the_page_says_where_each_source_goes_and_what_is_promised() -> None:
    page = page_of(NIGHT)
    assert page.startswith("# Backup plan `night`\n\n2 objects are read once each and written as 4 copies to 2 drives")
    assert rows(page, "What is backed up, and where to") == [
        ["`home`", "files `/home`", "2", "`desk`, `vault`, `spare` (discards)", "`office`, `vault`"],
        ["`shop`", "command `pg_dump shop`", "2", "`desk`, `vault`", "`office`, `vault`"],
    ]
    assert ["`desk`", "volumes `media/desk`", "`office`", "–", "`daily`, kept 30d"] in rows(page, "Drives")
    assert "- `copies >= 2` of `home`, `shop`\n- `sites == 2` of `home`, `shop`\n- `memory <= 1GiB`\n" in page
    assert "| window | 6:00:00 |" in page
    assert re.search(r"\| estimate \| `a run takes about 0:01:\d\d", page)
    assert "## Warnings" not in page
    assert page.count("```") == 2
    assert "\n```mermaid\nflowchart LR\n" in page


def test_warnings_stand_on_the_page_and_what_an_estimate_lacks_is_counted() -> None:
    page = page_of('source S { files = "/s" }\ndrive R { volumes = "m" }\nbackup group g { agent A -> R { B <- S } }\n')
    assert "- TC903, line 1: `the source S has a single copy, on the drive R`\n" in page
    assert "(3 facts are missing: `tcc estimate` names them)" in page


def test_a_restore_plan_says_what_is_read_and_where_it_goes() -> None:
    page = page_of((EXAMPLES / "figure5.tc").read_text())
    assert "What is backed up" not in page
    (row,) = [row for row in rows(page, "What is read from volumes, and where to") if row[0] == "`D6 from R2`"]
    assert row[-1] == "`T1`"


def test_a_large_plan_has_no_picture() -> None:
    loop = "\n".join(f'source S{i} {{ files = "/s{i}" }}' for i in range(PICTURE_BUFFERS_MAX + 1))
    buffers = "\n".join(f"B{i} <- S{i}" for i in range(PICTURE_BUFFERS_MAX + 1))
    page = page_of(f'{loop}\ndrive R {{ volumes = "m" }}\nbackup group g {{ agent A -> R {{\n{buffers}\n}} }}\n')
    assert "mermaid" not in page


HOSTILE = "`|[](<img>@u\n```\\"


def test_hostile_names_are_nothing_but_names() -> None:
    quoted = HOSTILE.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    text = NIGHT.replace("home", f'"{quoted}"').replace('files = "/"', 'files = "/home"').replace('"/"', '"/x"')
    text = re.sub(r"files = .*?  size", 'files = "/h|`"  size', text)
    page = page_of(text)
    before = page.partition("```mermaid")[0]
    assert "<img" not in before
    assert "@u" not in before
    assert page.count("\n```") == 2
    assert len(rows(page, "What is backed up, and where to")) == 2
    assert all(len(row) == 5 for row in rows(page, "What is backed up, and where to"))


@given(st.text(max_size=60))
def test_code_is_one_cell_that_holds_no_markup(text: str) -> None:
    said = code(text)
    if said.startswith("`"):
        assert not set(said[1:-1]) & set("`|\\\n\r")
        assert said[1:-1].strip() == said[1:-1] != ""
    else:
        inner = re.fullmatch(r"<code>(.*)</code>", said)
        assert inner is not None
        assert re.fullmatch(r"(?:\w| |[^\W]|&#\d+;)*", re.sub(r"[^\x00-\x7f]", "x", inner[1]))


def test_the_command_writes_several_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "night.tc").write_text(NIGHT)
    assert _main(["compile", "night.tc", "--emit", "json,markdown,mermaid,dot", "-o", "out"]) == 0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "night.dot", "night.md", "night.mmd", "night.plan.json",
    ]  # fmt: skip
    assert _main(["compile", "night.tc", "--emit", "markdown", "-o", "-"]) == 0
    assert capsys.readouterr().out == (tmp_path / "out/night.md").read_text() == page_of(NIGHT)
