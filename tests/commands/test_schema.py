"""``tcc schema``: real documents meet their schemas, and what the readers refuse does not."""

import copy
import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from tapechain.cli import schema
from tapechain.cli.main import _main
from tapechain.compiler.program import compile_program
from tapechain.compiler.world import MemoryWorld
from tapechain.runtime import model, plan
from tapechain.runtime.faults import UsageFault

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = [*sorted((ROOT / "examples").glob("*.tc")), *sorted((ROOT / "examples").glob("*/*.tc"))]

Capture = pytest.CaptureFixture[str]


def validator(name: str) -> Draft202012Validator:
    document = schema.SCHEMAS[name]()
    Draft202012Validator.check_schema(document)
    return Draft202012Validator(document)


PLAN = validator("plan")


def compiled(text: str) -> dict[str, Any]:
    result = compile_program("p.tc", MemoryWorld(files={"p.tc": text})).plan
    assert result is not None, text
    return json.loads(plan.dumps(result))


RICH = compiled(
    """plan rich { memory = 1GiB window = 6h schedule = "daily" state = "s" on_failure = "abort" }
host web { address = "web.example" } pool keep { retention = 30d sessions = 2 capacity = 1GiB }
source a { files = ["/a", "/b"] exclude = ["*.tmp"] host = web tags = ["x"] one_file_system = true }
source b { command = ["dump", "-x"] size = 1GiB rate = 30MB/s compress = "zstd" level = "incremental" }
source c { stream = "-" }
drive R1 { volumes = "m/1" site = "s" media = "disk" capacity = 1GiB rate = 30MB/s..160MB/s pool = keep }
drive R2 { tape = "/dev/nst0" changer = "/dev/sg1" slot = 3 } drive R3 { bucket = "s3://x/y" }
drive R4 { discard = true }
backup group g { agent A -> R1 { order = "object" spool = "sp" spool_size = 1GiB B1 <- a B2 <- b B3 <- c } }
mirror group m of g { agent B -> R2 { * <- A } agent C -> R3 { * <- A } agent D -> R4 { * <- A } }
require copies >= 2, encrypted == false of a
require memory <= 1GiB, drives >= 4
"""
)
RESTORE = compiled((ROOT / "examples" / "figure5.tc").read_text())


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_compiled_examples_meet_the_schema(path: Path, capsys: Capture) -> None:
    assert _main(["compile", str(path), "-o", "-"]) == 0
    PLAN.validate(json.loads(capsys.readouterr().out))


def test_rich_plans_meet_the_schema_and_are_read_back() -> None:
    for document in (RICH, RESTORE):
        PLAN.validate(document)
        assert json.loads(plan.dumps(plan.loads(json.dumps(document)))) == document


def spots(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value in a document."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [*([path] if path else []), *(spot for key, inner in items for spot in spots(inner, (*path, key)))]


ODD = st.sampled_from([None, True, False, 0, -1, 7, 2.5, "", "files", "tape", [], ["x"], {}, "absent"])


@given(st.sampled_from([RICH, RESTORE]), st.data())
@settings(max_examples=300, deadline=None)
def test_what_the_reader_takes_meets_the_schema(good: dict[str, Any], data: st.DataObject) -> None:
    document = copy.deepcopy(good)
    *way, last = data.draw(st.sampled_from(spots(document)))
    parent: Any = document
    for key in way:
        parent = parent[key]
    odd = data.draw(ODD)
    if odd == "absent":
        del parent[last]
    else:
        parent[last] = odd
    try:
        plan.loads(json.dumps(document))
    except UsageFault:
        return
    PLAN.validate(document)


@pytest.mark.parametrize(
    "wrong",
    [
        {"version": 2},
        {"record": 1000},
        {"sources": [{"name": "D"}]},
        {"sources": [{"name": "D", "kind": "files", "stream": "x"}]},
        {"sources": [{"name": "D", "kind": "files", "files": []}]},
        {"drives": [{"name": "R", "kind": "tape", "volumes": "x"}]},
        {"drives": [{"name": "R", "kind": "volumes", "volumes": "x", "rate": [1]}]},
        {"rings": [{"id": 0, "depth": 1, "feed": "D", "buffers": []}]},
        {"agents": {}},
        {"memory": "48MiB"},
    ],
    ids=str,
)
def test_what_the_reader_refuses_for_its_shape_is_refused(wrong: dict[str, Any]) -> None:
    document = RICH | wrong
    with pytest.raises(UsageFault):
        plan.loads(json.dumps(document))
    assert not PLAN.is_valid(document)


@pytest.mark.parametrize("key", ["version", "plan", "fingerprint", "record", "memory", "sources", "rings", "agents"])
def test_keys_that_do_not_change_are_required(key: str) -> None:
    assert not PLAN.is_valid({k: v for k, v in RICH.items() if k != key})


def test_keys_may_be_added() -> None:
    later = RICH | {"later": 1, "sources": [source | {"later": 1} for source in RICH["sources"]]}
    PLAN.validate(later)
    plan.loads(json.dumps(later))


def test_every_field_of_the_plan_is_described() -> None:
    document = schema.plan_schema()
    parts = {"CompiledPlan": document, **document["$defs"]}
    classes = [c for c in vars(plan).values() if isinstance(c, type) and dataclasses.is_dataclass(c)]
    assert {c.__name__ for c in classes} == set(parts)
    for cls in classes:
        assert list(parts[cls.__name__]["properties"]) == [f.name for f in dataclasses.fields(cls)]


@pytest.mark.parametrize("table", [schema._LIMITS, schema._ALWAYS_REPORTED])
def test_what_is_said_beyond_types_is_about_fields_that_exist(table: Any) -> None:
    for name, fields in table.items():
        cls = getattr(plan, name, None) or getattr(model, name)
        assert set(fields) <= {f.name for f in dataclasses.fields(cls)}


# ---------------------------------------------------------------- reports


def test_the_report_of_a_real_run_meets_the_schema(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").write_text("x")
    (tmp_path / "p.tc").write_text(
        'plan p { state = "state" }\nsource good { stream = "data" }\nsource bad { command = ["false"] }\n'
        'drive R { volumes = "m" }\ndrive N { discard = true }\n'
        "backup group g { agent A -> R { B1 <- good B2 <- bad } agent B -> N { B1 <- good } }\n"
    )
    run = subprocess.run(
        [sys.executable, "-m", "tapechain", "run", "p.tc", "--report", "report.json", "--progress", "none"],
        capture_output=True,
        timeout=60,
    )
    assert run.returncode == 3, run.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    validator("report").validate(report)
    assert {copy["status"] for o in report["objects"] for copy in o["copies"]} == {"stored", "failed", "discarded"}
    for key in ("session", "status", "objects", "seconds"):
        assert not validator("report").is_valid({k: v for k, v in report.items() if k != key})
    broken = copy.deepcopy(report)
    del broken["objects"][0]["copies"][0]["error"]
    assert not validator("report").is_valid(broken)
    assert not validator("report").is_valid(report | {"status": "fine"})
    assert not validator("report").is_valid(report | {"version": 2})


def test_the_report_of_check_meets_the_schema(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.tc").write_text('drive R { volumes = "m" }\ndrive R { volumes = "n" }\nchain D -> "\\q"\n')
    for files, code in ((["p.tc"], 1), ([str(EXAMPLES[0])], 0)):
        assert _main(["check", "--format", "json", *files]) == code
        document = json.loads(capsys.readouterr().out)
        validator("check").validate(document)
    assert _main(["check", "--format", "json", "p.tc"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert any(d["related"] for d in document["diagnostics"])
    document["diagnostics"][0]["line"] = 0
    assert not validator("check").is_valid(document)


# ---------------------------------------------------------------- the command


def test_the_command_prints_each_schema_and_one_for_all(capsys: Capture) -> None:
    for name in schema.SCHEMAS:
        assert _main(["schema", name]) == 0
        assert json.loads(capsys.readouterr().out) == schema.SCHEMAS[name]()
    assert _main(["schema"]) == 0
    document = json.loads(capsys.readouterr().out)
    Draft202012Validator.check_schema(document)
    together = Draft202012Validator(document)
    together.validate(RICH)
    together.validate({"version": 1, "diagnostics": [], "summary": {"errors": 0, "warnings": 0, "files": 1}})
    together.validate(
        {"version": 1, "session": "s", "plan": "p", "status": "ok", "objects": [], "seconds": 0.1, "signal": None}
    )
    assert not together.is_valid({"version": 1})
    assert not together.is_valid(RICH | {"record": 1})
    assert _main(["schema", "nonsense"]) == 2
