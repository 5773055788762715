"""``--format junit``: JUnit XML, which nearly every CI server shows as test results.

One test suite a FILE, one test case a diagnostic; a clean file is one case that passes. A warning passes too (its words
stand in ``system-out``), unless warnings fail.
"""

from __future__ import annotations

from xml.etree import ElementTree as ET

from ...dsl.diagnostics import Diagnostic
from ..console import harmless
from ..report import render_text
from .findings import Checked, Findings


def render(findings: Findings) -> str:
    """The XML document, UTF-8."""
    root = ET.Element("testsuites", name="tcc check")
    for one in findings.checked:
        root.append(_suite(one, strict=findings.strict))
    for key in ("tests", "failures", "errors"):
        root.set(key, str(sum(int(suite.get(key, "0")) for suite in root)))
    ET.indent(root, " ")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _suite(one: Checked, *, strict: bool) -> ET.Element:
    suite = ET.Element("testsuite", name=_text(one.file))
    if one.unreadable:
        case = _case(suite, one.file, "read")
        ET.SubElement(case, "error", message=_text(one.unreadable), type="unreadable").text = _text(one.unreadable)
    elif not one.diagnostics:
        _case(suite, one.file, "check")
    for d in one.diagnostics:
        _add(suite, d, one, failing=strict or d.severity == "error")
    suite.set("tests", str(len(suite)))
    suite.set("failures", str(len(suite.findall("testcase/failure"))))
    suite.set("errors", str(len(suite.findall("testcase/error"))))
    return suite


def _add(suite: ET.Element, d: Diagnostic, one: Checked, *, failing: bool) -> None:
    case = _case(suite, d.span.file, f"{d.code} {d.span.file}:{d.span.line}:{d.span.column}")
    report = _text(render_text([d], one.texts))
    if failing:
        ET.SubElement(case, "failure", message=_text(d.message), type=_text(d.code)).text = report
    else:
        ET.SubElement(case, "system-out").text = report


def _case(suite: ET.Element, file: str, name: str) -> ET.Element:
    return ET.SubElement(suite, "testcase", classname=_text(file), name=_text(name), time="0")


def _text(text: str) -> str:
    """*text* without the characters that XML cannot hold in any form: control characters, surrogates, U+FFFE."""
    return harmless(text)
