"""Reports of every rule, held against what the formats' owners say that a report is."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import xmlschema
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tapechain.cli.formats import github, gitlab, junit, sarif
from tapechain.cli.formats.findings import Checked, Findings, fingerprints
from tapechain.cli.main import _main
from tapechain.compiler.program import compile_program
from tapechain.compiler.world import MemoryWorld
from tapechain.dsl.diagnostics import Diagnostic, Related
from tapechain.dsl.spans import Span

PAGES = sorted((Path(__file__).resolve().parents[2] / "docs" / "rules").glob("*.md"))
JUNIT = Path(__file__).with_name("junit.xsd")

#: GitLab's documentation of Code Quality, "Code Quality report format": these fields, all of them wanted.
CODE_QUALITY = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["description", "check_name", "fingerprint", "location", "severity"],
        "additionalProperties": False,
        "properties": {
            "description": {"type": "string", "minLength": 1},
            "check_name": {"type": "string", "pattern": "^TC[0-9]{3}$"},
            "fingerprint": {"type": "string", "minLength": 1},
            "severity": {"enum": ["info", "minor", "major", "critical", "blocker"]},
            "location": {
                "type": "object",
                "required": ["path", "lines"],
                "additionalProperties": False,
                "properties": {
                    "path": {"type": "string", "pattern": "^(?!\\./)."},
                    "lines": {
                        "type": "object",
                        "required": ["begin"],
                        "additionalProperties": False,
                        "properties": {"begin": {"type": "integer", "minimum": 1}, "end": {"type": "integer"}},
                    },
                },
            },
        },
    },
}


def plans_of(page: Path) -> dict[str, str]:
    """The wrong plan of a rule's page, by file name."""
    wrong = page.read_text().partition("\n## Wrong\n")[2].partition("\n## Mend\n")[0]
    blocks = re.findall(r"^```tc(?: file=(\S+))?\n(.*?)^```$", wrong, re.M | re.S)
    return {name or "plan.tc": text for name, text in blocks}


def findings_of(plans: dict[str, str], *, strict: bool = False) -> Findings:
    compilation = compile_program("plan.tc", MemoryWorld(files=plans))
    return Findings((Checked("plan.tc", compilation.diagnostics, compilation.texts),), strict)


EVERY_RULE = Findings(
    (
        *(one for page in PAGES for one in findings_of(plans_of(page)).checked),
        Checked("gone.tc", unreadable="No such file or directory"),
        Checked("clean.tc"),
    )
)


def hostile(text: str) -> Findings:
    span = Span(text or "p", 1, 1, 2, 2)
    return Findings(
        (
            Checked(text, (Diagnostic("TC201", "error", text, span, text, (Related(text, span),)),), {text: text}),
            Checked(text, unreadable=text),
        )
    )


ANY_TEXT = st.text(alphabet=st.characters(exclude_categories=()), max_size=30)
FAST = settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


# ---------------------------------------------------------------- sarif


def test_sarif_of_every_rule_meets_the_schema_of_oasis(public_schema: Any) -> None:
    document = json.loads(sarif.render(EVERY_RULE))
    jsonschema.Draft7Validator(public_schema("sarif")).validate(document)
    assert document["$schema"] == "https://json.schemastore.org/sarif-2.1.0.json"
    assert len(document["runs"][0]["results"]) > len(PAGES) - 5
    with pytest.raises(jsonschema.ValidationError):  # the schema is one that refuses
        jsonschema.Draft7Validator(public_schema("sarif")).validate(document | {"version": "2.0.0"})


@FAST
@given(ANY_TEXT)
def test_sarif_of_any_text_meets_the_schema_of_oasis(public_schema: Any, text: str) -> None:
    jsonschema.Draft7Validator(public_schema("sarif")).validate(json.loads(sarif.render(hostile(text))))


# ---------------------------------------------------------------- junit


def test_junit_of_every_rule_meets_the_schema_of_jenkins() -> None:
    schema = xmlschema.XMLSchema(JUNIT)
    schema.validate(junit.render(EVERY_RULE))
    schema.validate(junit.render(Findings(EVERY_RULE.checked, strict=True)))
    with pytest.raises(xmlschema.XMLSchemaValidationError):
        schema.validate(junit.render(EVERY_RULE).replace("<testcase ", "<case ").replace("</testcase>", "</case>"))


@FAST
@given(ANY_TEXT)
def test_junit_of_any_text_meets_the_schema_of_jenkins(text: str) -> None:
    xmlschema.XMLSchema(JUNIT).validate(junit.render(hostile(text)))


# ---------------------------------------------------------------- gitlab


def test_gitlab_of_every_rule_is_a_code_quality_report() -> None:
    report = json.loads(gitlab.render(EVERY_RULE))
    jsonschema.validate(report, CODE_QUALITY)
    assert len({one["fingerprint"] for one in report}) == len(report)


# ---------------------------------------------------------------- github

#: The runner's own reading of a workflow command (actions/runner, ActionCommand): properties, then the message.
COMMAND = re.compile(r"::(?P<command>error|warning)(?: (?P<properties>[^:]*))?::(?P<message>.*)")
KNOWN = {"file", "line", "endLine", "col", "endColumn", "title"}


def read_back(line: str) -> tuple[str, dict[str, str], str]:
    match = COMMAND.fullmatch(line)
    assert match, line
    properties = dict(pair.split("=", 1) for pair in (match["properties"] or "").split(","))
    plain = {
        key: value.replace("%3A", ":").replace("%2C", ",").replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")
        for key, value in properties.items()
    }
    message = match["message"].replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")
    return match["command"], plain, message


def test_github_annotations_of_every_rule_are_read_back_as_they_were() -> None:
    lines = github.render(EVERY_RULE).splitlines()
    diagnostics = EVERY_RULE.diagnostics
    assert len(lines) == len(diagnostics)
    for line, d in zip(lines, diagnostics, strict=True):
        command, properties, message = read_back(line)
        assert properties.keys() <= KNOWN
        assert (command, properties["title"]) == (d.severity, d.code)
        assert (properties["file"], int(properties["line"])) == (d.span.file, d.span.line)
        assert message.startswith(d.message)
        assert int(properties["endLine"]) >= int(properties["line"])


def test_github_gets_columns_only_within_one_line() -> None:
    """The runner drops an annotation's columns, with a complaint, where its lines differ (IssueCommandExtension)."""
    across = Diagnostic("TC201", "error", "m", Span("p.tc", 3, 5, 4, 2))
    _, properties, _ = read_back(github.render(Findings((Checked("p.tc", (across,)),))).rstrip())
    assert properties == {"file": "p.tc", "line": "3", "endLine": "4", "title": "TC201"}


# ---------------------------------------------------------------- fingerprints


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_fingerprints_stay_when_lines_above_come_and_go(page: Path) -> None:
    before = findings_of(plans_of(page))
    moved = findings_of({name: "# one line\n\n# another\n" + text for name, text in plans_of(page).items()})
    assert [d.code for d in before.diagnostics] == [d.code for d in moved.diagnostics]
    if before.diagnostics:  # TC208 and TC209 need a catalog
        assert before.diagnostics[0].span.line + 3 == moved.diagnostics[0].span.line
    assert sorted(fingerprints(before.diagnostics)) == sorted(fingerprints(moved.diagnostics))
    assert [one["fingerprint"] for one in json.loads(gitlab.render(before))] == [
        one["fingerprint"] for one in json.loads(gitlab.render(moved))
    ]
    results = [json.loads(sarif.render(found))["runs"][0]["results"] for found in (before, moved)]
    assert [r["partialFingerprints"] for r in results[0]] == [r["partialFingerprints"] for r in results[1]]


def test_a_fingerprint_is_lost_when_its_fault_is_mended_and_no_other_one_is() -> None:
    wrong = 'source a { files = 1 }\nsource b { files = "/b"  exclude = 2 }\n'
    mended = 'source a { files = "/a" }\nsource b { files = "/b"  exclude = 2 }\n'
    before, after = (
        {f for f, d in zip(fingerprints(x), x, strict=True) if d.code == "TC206"}
        for x in (findings_of({"plan.tc": t}).diagnostics for t in (wrong, mended))
    )
    assert after < before
    assert len(before - after) == 1


# ---------------------------------------------------------------- --strict

WARNS = 'source s { files = "/s" }\ndrive R { volumes = "m" }\nbackup group g { agent A -> R { B <- s } }\n'


@pytest.mark.parametrize("form", ["text", "json", "github", "gitlab", "sarif", "junit"])
def test_strict_really_fails_and_nothing_else_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "warns.tc").write_text(WARNS)
    (tmp_path / "clean.tc").write_text(WARNS.replace("}\ndrive", "} # tcc: ignore TC903\ndrive"))
    assert _main(["check", "--format", form, "warns.tc"]) == 0
    lenient = capsys.readouterr().out
    assert _main(["check", "--format", form, "--strict", "warns.tc"]) == 1
    strict = capsys.readouterr().out
    assert ("<failure" in strict, "<failure" in lenient) == (form == "junit", False)
    assert _main(["check", "--format", form, "--strict", "clean.tc"]) == 0
    assert _main(["check", "--format", form, "--strict", "clean.tc", "warns.tc"]) == 1
