"""cli.md, "Exit codes" and the JSON results: each code of each command provoked on purpose, each key looked at."""

import json
from pathlib import Path
from typing import Any

import pytest
from tapechain.cli.main import _main

Capture = pytest.CaptureFixture[str]

PLAN = """
plan p { record = 64KiB  state = "state" }
source good { command = ["seq", "1", "30000"] }
source bad { command = ["false"] }
drive R1 { volumes = "R1" }
drive R2 { volumes = "R2" }
drive N { discard = true }
backup group b {
  agent a -> R1 {
    B1 <- good
    B2 <- bad
  }
}
mirror group m of b {
  agent c -> R2 { * <- a }
  agent d -> N { B1 <- a.B1 }
}
"""
COPY = {"drive", "agent", "volumes", "status"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TCC_STATE", raising=False)
    (tmp_path / "plan.tc").write_text(PLAN)
    (tmp_path / "good.tc").write_text(PLAN.replace('["false"]', '["true"]'))
    (tmp_path / "failing.tc").write_text(PLAN.replace('["seq", "1", "30000"]', '["false"]'))
    (tmp_path / "wrong.tc").write_text("source home {}\n")
    return tmp_path


def code(line: str) -> int:
    return _main(line.split())


def test_codes_of_commands_about_plans(folder: Path) -> None:
    for command in ("check", "compile -o out.json", "fmt"):
        words = command.split()
        assert code(f"{' '.join(words)} plan.tc") == 0, command
        assert code(f"{' '.join(words)} nothing.tc") == 2, command
        assert code(f"{words[0]} --no-such-option plan.tc") == 2, command
    assert code("check wrong.tc") == code("compile wrong.tc") == 1
    assert code("check --strict plan.tc") == 0
    (folder / "plan.tc").write_text(PLAN + "# a comment\n\n\n\n")
    assert code("fmt --check plan.tc") == code("fmt --diff plan.tc") == 1
    assert code("compile --check -o out.json good.tc") == 1
    assert code("compile --check -o out.json plan.tc") == 0
    assert code("compile --check -o - plan.tc") == 2, "there is nothing to compare with"
    assert code("diff plan.tc plan.tc") == 0
    assert code("diff plan.tc good.tc") == 1
    assert code("diff plan.tc wrong.tc") == 2


def test_codes_of_run_restore_and_verify(folder: Path) -> None:
    assert code("verify --plan plan.tc") == 2, "nothing was verified, so no damage was found"
    assert code("restore good --plan plan.tc --to back") != 0
    assert code("run wrong.tc") == 1
    assert code("run nothing.tc") == 2
    assert code("run failing.tc") == 1
    assert code("run good.tc") == 0
    assert code("run plan.tc") == 3
    assert code("restore good --plan plan.tc --to back") == 0
    assert code("restore good --plan plan.tc --to back") == 1, "not empty"
    assert code("restore nobody --plan plan.tc --to other") == 2
    assert code("verify --plan good.tc") == 0
    for volume in (folder / "R1" / "R1-000001.tar", folder / "R2" / "R2-000001.tar"):
        content = bytearray(volume.read_bytes())
        for at in [at for at in range(len(content)) if content.startswith(b"\n20000\n", at)]:
            content[at + 1 : at + 6] = b"lost!"
        volume.write_bytes(content)
    assert code("verify --plan plan.tc") == 1
    assert code("restore good --plan plan.tc --to partly") == 3
    (folder / "state" / "catalog.sqlite").write_bytes(b"no catalog")
    assert code("verify --plan plan.tc") == 2


def document(capsys: Capture, line: str) -> Any:
    capsys.readouterr()
    code(line)
    return json.loads(capsys.readouterr().out)


def test_keys_of_the_json_results(folder: Path, capsys: Capture) -> None:
    report = document(capsys, "run plan.tc --report -")
    assert {"version", "session", "plan", "status", "objects", "seconds"} <= report.keys()
    assert (report["version"], report["status"]) == (1, "degraded")
    for entry in report["objects"]:
        assert {"source", "object", "bytes", "records", "status", "warnings", "copies"} <= entry.keys()
        assert all({*COPY, "error"} <= copy.keys() for copy in entry["copies"])
    by_source = {entry["source"]: entry for entry in report["objects"]}
    assert [c["status"] for c in by_source["good"]["copies"]] == ["stored", "stored", "discarded"]
    assert (by_source["good"]["status"], by_source["bad"]["status"]) == ("whole", "failed")

    code("run good.tc")
    objects = document(capsys, "objects --json --plan plan.tc")
    assert [entry["session"] for entry in objects[2:]] == [report["session"]] * 2, "newest first"
    for entry in objects:
        keys = {"source", "object", "plan", "session", "started", "kind", "bytes", "records", "status", "copies"}
        assert keys <= entry.keys()
        assert all(copy.keys() >= COPY for copy in entry["copies"])
    volumes = document(capsys, "volumes --json --plan plan.tc")
    keys = {"name", "uuid", "drive", "pool", "location", "bytes", "objects", "sessions", "expires", "status"}
    assert all(keys <= volume.keys() for volume in volumes) and len(volumes) == 2
    assert {uuid for entry in objects for copy in entry["copies"] for uuid in copy["volumes"]} == {
        volume["uuid"] for volume in volumes
    }
    sessions = document(capsys, "sessions --json --plan plan.tc")
    assert all({"session", "plan", "started", "seconds", "status", "objects"} <= entry.keys() for entry in sessions)
    assert [entry["status"] for entry in sessions] == ["ok", "degraded"]

    found = document(capsys, "check --format json wrong.tc nothing.tc")
    assert (found["version"], found["summary"].keys() >= {"errors", "warnings", "files"}) == (1, True)
    places = {"message", "file", "line", "column", "end_line", "end_column"}
    for entry in found["diagnostics"]:
        assert {"code", "severity", "help", "related", *places} <= entry.keys()
        assert all(places <= related.keys() for related in entry["related"])

    plan = document(capsys, "compile plan.tc -o -")
    top = {"version", "plan", "fingerprint", "record", "memory", "sources", "rings", "agents", "drives", "targets"}
    assert top <= plan.keys()
    assert plan["memory"] == sum(ring["depth"] for ring in plan["rings"]) * plan["record"]
    assert all({"id", "depth", "feed", "buffers"} <= ring.keys() for ring in plan["rings"])
    for agent in plan["agents"]:
        assert {"name", "group", "role", "drive", "order", "buffers"} <= agent.keys()
        assert all({"name", "ring"} <= buffer.keys() for buffer in agent["buffers"])
