"""`tcc estimate`: table and JSON, what it lacks, exit codes."""

import json
from pathlib import Path

import pytest
from tapechain.cli.main import _main

PLAN = """plan night { %s depth = 4 }
host far { }
source home { files = "/home" size = 1TB rate = 100MB/s }
source mail { files = "/mail" size = 100GB rate = 50MB/s }
drive R1 { volumes = "media/R1"  rate = 30MB/s..160MB/s }
drive R2 { volumes = "/mnt/R2"  rate = 160MB/s  host = far }
backup group nightly { agent A1 -> R1 { B1 <- home B2 <- mail } }
mirror group second of nightly { agent A2 -> R2 { host = far  * <- A1 } }
"""


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = tmp_path / "night.tc"
    path.write_text(PLAN % "")
    return path


def test_the_table(plan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _main(["estimate", str(plan)]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "night: a run takes about 2:46:40 to 10:11:07, and the source home sets the pace"
    rows = [line.split() for line in out]
    assert ["R1", "A1", "1.0", "TiB", "30MB/s..160MB/s", "150MB/s", "1:54:35", "69%"] in rows
    assert ["this", "machine", "2", "8.0", "MiB"] in rows
    assert ["far", "2", "8.0", "MiB"] in rows


def test_json(plan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _main(["estimate", "--json", str(plan)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["version"] == 1
    assert found["plan"] == "night"
    assert found["seconds"]["least"] == pytest.approx(10_000)
    assert found["seconds"]["most"] == pytest.approx(1.1e12 / 30e6)
    assert found["bottleneck"] == {"kind": "source", "name": "home"}
    assert found["exact"] is True
    assert found["memory"] == {
        "bytes": 16 << 20,
        "hosts": [{"host": None, "rings": 2, "bytes": 8 << 20}, {"host": "far", "rings": 2, "bytes": 8 << 20}],
    }
    assert [d["name"] for d in found["drives"]] == ["R1", "R2"]
    assert found["drives"][1]["bytes"] == 1_100_000_000_000
    assert found["drives"][1]["rate"] == [160_000_000, 160_000_000]
    assert found["drives"][1]["inflow"] == pytest.approx(150e6)
    assert found["drives"][1]["load"] == pytest.approx(0.6875)


def test_what_lacks_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bare.tc"
    path.write_text(
        'source home { files = "/home" }\ndrive R1 { volumes = "r1" }\nbackup group g { agent A -> R1 { X <- home } }'
    )
    assert _main(["estimate", str(path)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("bare: how long a run takes is not known\n")
    for line in ("home has no `size`", "home has no `rate`", "R1 has no `rate`"):
        assert f"  {line}\n" in out
    assert _main(["estimate", "--json", str(path)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["seconds"] == {"least": 0, "most": None}
    assert (found["exact"], found["bottleneck"], len(found["missing"])) == (False, None, 3)
    assert found["drives"][0]["bytes"] is found["drives"][0]["load"] is None


def test_many_missing_facts_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "many.tc"
    path.write_text(
        'for i in 1..30 { source "s${i}" { files = "/s${i}" } }\ndrive R { volumes = "r" }\n'
        'backup group g { agent A -> R { for i in 1..30 { "b${i}" <- "s${i}" } } }'
    )
    assert _main(["estimate", str(path)]) == 0
    assert "  … and 41 more (--json lists all)\n" in capsys.readouterr().out


def test_a_promise_that_is_not_kept_is_still_estimated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "late.tc"
    path.write_text(PLAN % "window = 1h ")
    assert _main(["estimate", str(path)]) == 1
    captured = capsys.readouterr()
    assert "error[TC502]" in captured.err
    assert "2:46:40" in captured.out


def test_any_other_error_leaves_nothing_to_estimate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "wrong.tc"
    path.write_text("backup group g { agent A -> R9 { X <- home } }")
    assert _main(["estimate", str(path)]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "error[TC201]" in captured.err


def test_a_compiled_plan_is_refused(tmp_path: Path, plan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    goal = tmp_path / "night.plan.json"
    assert _main(["compile", str(plan), "-o", str(goal)]) == 0
    assert _main(["estimate", str(goal)]) == 2
    assert "is a compiled plan" in capsys.readouterr().err


def test_the_document_of_the_docs_has_the_keys_of_the_command(plan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "estimate.md").read_text(encoding="utf-8")
    shown = json.loads(page.partition("```json\n")[2].partition("```")[0])
    assert _main(["estimate", "--json", str(plan)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert shown.keys() == found.keys()
    assert shown["drives"][0].keys() == found["drives"][0].keys()
    assert shown["memory"].keys() == found["memory"].keys()
