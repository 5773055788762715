"""Reports for machines: structure, escaping, and names that mean harm."""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tapechain.cli.formats import github, gitlab, junit, sarif, structured
from tapechain.cli.formats.findings import Checked, Findings, fingerprints
from tapechain.cli.rulebook import pages
from tapechain.dsl.diagnostics import Diagnostic, Related
from tapechain.dsl.spans import Span

HOSTILE = 'x"\x1b]0;owned\x07\n::error::forged\r%0A]]>&<a b="c">, \x00\x9b\u202e\ud800'

TWO_WRITERS = Diagnostic(
    "TC302",
    "error",
    "drive R1 has two writers",
    Span("plan.tc", 12, 9, 12, 11),
    "give A2 a drive of its own",
    (Related("first written here", Span("plan.tc", 7, 9, 7, 11)),),
)
UNUSED = Diagnostic("TC902", "warning", "nothing uses drive R3", Span("drives/all.tc", 3, 7, 3, 9))
NASTY = Diagnostic(
    "TC201", "error", HOSTILE, Span(HOSTILE, 1, 1, 2, 1), HOSTILE, (Related(HOSTILE, Span(HOSTILE, 2, 1, 2, 2)),)
)
TEXTS = {"plan.tc": "\n" * 6 + "  agent A1 -> R1\n" + "\n" * 4 + "  agent A2 -> R1\n"}


def findings(*diagnostics: Diagnostic, file: str = "plan.tc", strict: bool = False) -> Findings:
    return Findings((Checked(file, diagnostics, TEXTS | {HOSTILE: HOSTILE}),), strict)


ALL = findings(TWO_WRITERS, UNUSED, NASTY)
CLEAN = findings()
UNREADABLE = Findings((Checked("gone.tc", unreadable="No such file or directory"), Checked("plan.tc")))
RENDERERS = [structured.render, github.render, gitlab.render, sarif.render, junit.render]


@pytest.mark.parametrize("render", RENDERERS)
def test_no_format_prints_what_a_terminal_would_obey(render: Any) -> None:
    assert all(c.isprintable() or c == "\n" for c in render(ALL))
    render(ALL).encode("utf-8")


@pytest.mark.parametrize("render", RENDERERS)
@given(text=st.text(alphabet=st.characters(exclude_categories=()), max_size=40))
def test_any_text_gives_a_document_that_can_be_read(render: Any, text: str) -> None:
    document = render(findings(Diagnostic("TC201", "error", text, Span(text or "p", 1, 1, 1, 2), text)))
    if render is junit.render:
        ET.fromstring(document)
    elif render is github.render:
        assert document.count("\n") == 1
        assert document.startswith("::error file=")
    else:
        json.loads(document)


# ---------------------------------------------------------------- json


def test_json_is_exactly_the_document_of_the_contract() -> None:
    assert json.loads(structured.render(findings(TWO_WRITERS))) == {
        "version": 1,
        "diagnostics": [
            {
                "code": "TC302",
                "severity": "error",
                "message": "drive R1 has two writers",
                "help": "give A2 a drive of its own",
                "file": "plan.tc",
                "line": 12,
                "column": 9,
                "end_line": 12,
                "end_column": 11,
                "related": [
                    {
                        "message": "first written here",
                        "file": "plan.tc",
                        "line": 7,
                        "column": 9,
                        "end_line": 7,
                        "end_column": 11,
                    }
                ],
            }
        ],
        "summary": {"errors": 1, "warnings": 0, "files": 1},
    }


def test_json_of_a_clean_plan_and_of_an_unreadable_one() -> None:
    assert json.loads(structured.render(CLEAN)) == {
        "version": 1,
        "diagnostics": [],
        "summary": {"errors": 0, "warnings": 0, "files": 1},
    }
    assert json.loads(structured.render(UNREADABLE))["summary"]["files"] == 1


def test_json_gives_hostile_text_back_as_it_was() -> None:
    (found,) = json.loads(structured.render(findings(NASTY)))["diagnostics"]
    assert found["message"] == found["file"] == found["help"] == HOSTILE


def test_json_keeps_letters_of_any_language_readable() -> None:
    assert "Größe 日本" in structured.render(findings(Diagnostic("TC201", "error", "Größe 日本", UNUSED.span)))


# ---------------------------------------------------------------- github


def test_github_line() -> None:
    assert github.render(findings(TWO_WRITERS)) == (
        "::error file=plan.tc,line=12,col=9,endLine=12,endColumn=11,title=TC302::drive R1 has two writers"
        "%0Afirst written here: plan.tc:7:9%0Ahelp: give A2 a drive of its own\n"
    )
    assert github.render(findings(UNUSED)).startswith("::warning file=drives/all.tc,line=3,")
    assert github.render(CLEAN) == ""


def test_github_escapes_what_would_end_a_property_or_a_line() -> None:
    odd = Diagnostic("TC201", "error", "100%\r\nsure: a,b", Span("a,b:c%.tc", 1, 1, 1, 2))
    assert github.render(findings(odd)) == (
        "::error file=a%2Cb%3Ac%25.tc,line=1,col=1,endLine=1,endColumn=2,title=TC201::100%25%0D%0Asure: a,b\n"
    )


def test_github_a_name_forges_no_second_annotation() -> None:
    lines = github.render(findings(NASTY)).splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("::error file=x")


# ---------------------------------------------------------------- gitlab


def test_gitlab_report_has_the_fields_of_a_code_quality_report() -> None:
    report = json.loads(gitlab.render(ALL))
    assert len(report) == 3
    for one in report:
        assert set(one) == {"description", "check_name", "fingerprint", "severity", "location"}
        assert one["severity"] in {"info", "minor", "major", "critical", "blocker"}
        assert isinstance(one["location"]["lines"]["begin"], int)
        assert re.fullmatch("[0-9a-f]{64}", one["fingerprint"])
    assert {one["check_name"]: one["severity"] for one in report}["TC902"] == "minor"
    assert json.loads(gitlab.render(CLEAN)) == []


def test_gitlab_paths_are_relative_to_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    files = ["./plans/a.tc", str(tmp_path / "b.tc"), "/elsewhere/c.tc"]
    report = json.loads(
        gitlab.render(findings(*(Diagnostic("TC201", "error", "m", Span(f, 1, 1, 1, 2)) for f in files)))
    )
    assert {one["location"]["path"] for one in report} == {"plans/a.tc", "b.tc", "/elsewhere/c.tc"}


def test_fingerprints_hold_no_line_number_and_are_all_different() -> None:
    def at(*lines: int) -> tuple[Diagnostic, ...]:
        return tuple(Diagnostic("TC902", "warning", "nothing uses R3", Span("p.tc", n, 7, n, 9)) for n in lines)

    assert fingerprints(at(3, 9)) == fingerprints(at(40, 44))
    assert len(set(fingerprints(at(1, 2, 3)))) == 3
    assert fingerprints((UNUSED,)) != fingerprints((TWO_WRITERS,))


# ---------------------------------------------------------------- sarif


def test_sarif_has_what_version_2_1_0_requires() -> None:
    log = json.loads(sarif.render(ALL))
    assert log["version"] == "2.1.0"
    assert log["$schema"].endswith("sarif-2.1.0.json")
    (run,) = log["runs"]
    driver = run["tool"]["driver"]
    assert driver["name"] == "tapechain"
    assert run["columnKind"] == "unicodeCodePoints"
    assert run["invocations"] == [{"executionSuccessful": True}]
    rules = driver["rules"]
    assert [rule["id"] for rule in rules] == [page.code for page in pages()]
    for rule in rules:
        assert rule["shortDescription"]["text"]
        assert rule["fullDescription"]["text"]
        assert rule["help"]["markdown"].startswith("# TC")
        assert rule["defaultConfiguration"]["level"] in {"error", "warning"}
    assert len(run["results"]) == 3
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in {"none", "note", "warning", "error"}
        assert result["message"]["text"]
        for place in [*result["locations"], *result.get("relatedLocations", [])]:
            region = place["physicalLocation"]["region"]
            assert all(isinstance(region[k], int) and region[k] >= 1 for k in region)
            uri = place["physicalLocation"]["artifactLocation"]["uri"]
            assert re.fullmatch(r"[A-Za-z0-9_.~/%-]+", uri)
            assert not urlsplit(uri).scheme


def test_sarif_region_and_other_places() -> None:
    (result,) = json.loads(sarif.render(findings(TWO_WRITERS)))["runs"][0]["results"]
    assert result["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "plan.tc"},
        "region": {"startLine": 12, "startColumn": 9, "endLine": 12, "endColumn": 11},
    }
    assert result["relatedLocations"][0]["message"] == {"text": "first written here"}
    assert result["relatedLocations"][0]["physicalLocation"]["region"]["startLine"] == 7


@pytest.mark.parametrize("file", ["a b/ü%.tc", "c:d.tc", "/srv/plans/x.tc", "<stdin>", "#1?.tc"])
def test_sarif_uris_lead_back_to_the_file(file: str) -> None:
    parts = urlsplit(sarif.uri(file))
    assert unquote(parts.path) == file
    assert parts.scheme == ("file" if file.startswith("/") else "")
    assert not parts.query
    assert not parts.fragment


def test_sarif_says_that_a_file_could_not_be_read() -> None:
    (invocation,) = json.loads(sarif.render(UNREADABLE))["runs"][0]["invocations"]
    assert invocation["executionSuccessful"] is False
    assert "gone.tc" in invocation["toolExecutionNotifications"][0]["message"]["text"]


def test_sarif_names_a_code_that_has_no_page_without_an_index() -> None:
    (result,) = json.loads(sarif.render(findings(Diagnostic("TC999", "error", "m", UNUSED.span))))["runs"][0]["results"]
    assert result["ruleId"] == "TC999"
    assert "ruleIndex" not in result


# ---------------------------------------------------------------- junit


def test_junit_counts_and_cases() -> None:
    root = ET.fromstring(junit.render(findings(TWO_WRITERS, UNUSED)))
    assert root.tag == "testsuites"
    (suite,) = root
    assert suite.attrib == {"name": "plan.tc", "tests": "2", "failures": "1", "errors": "0"}
    assert root.get("tests") == "2"
    failing, passing = suite
    assert failing.attrib == {"classname": "plan.tc", "name": "TC302 plan.tc:12:9", "time": "0"}
    failure = failing.find("failure")
    assert failure is not None
    assert failure.attrib == {"message": "drive R1 has two writers", "type": "TC302"}
    assert "12 |   agent A2 -> R1" in (failure.text or "")
    assert passing.find("failure") is None
    assert "TC902" in (passing.findtext("system-out") or "")


def test_junit_warnings_fail_when_they_are_to() -> None:
    assert ET.fromstring(junit.render(findings(UNUSED, strict=True))).get("failures") == "1"
    assert ET.fromstring(junit.render(findings(UNUSED))).get("failures") == "0"


def test_junit_clean_and_unreadable_files_are_cases_too() -> None:
    root = ET.fromstring(junit.render(UNREADABLE))
    assert root.attrib == {"name": "tcc check", "tests": "2", "failures": "0", "errors": "1"}
    assert [suite.get("name") for suite in root] == ["gone.tc", "plan.tc"]
    assert root.findtext("testsuite/testcase/error") == "No such file or directory"
    assert len(root[1]) == 1
    assert len(root[1][0]) == 0


def test_junit_holds_hostile_text_as_text() -> None:
    root = ET.fromstring(junit.render(findings(NASTY)))
    failure = root.find("testsuite/testcase/failure")
    assert failure is not None
    assert "]]>&<a b=" in (failure.get("message") or "")
    assert "]]>&<a b=" in (failure.text or "")
