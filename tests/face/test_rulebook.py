"""The rule book: every code has its page, and what the pages show is what `tcc check` says.

The code blocks of docs/rules/*.md are the golden tests of the diagnostics. A page's wrong plan must give exactly the
report below it, its mend must be clean. `make accept` rewrites the reports.
"""

import importlib
import io
import json
import os
import pkgutil
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from tapechain.cli.report import print_text
from tapechain.cli.rulebook import Page, pages, parse
from tapechain.compiler import rules
from tapechain.compiler.program import Compilation, compile_program
from tapechain.compiler.recorded import Recorded, RecordedObject
from tapechain.compiler.rulebook import ALL
from tapechain.compiler.world import MemoryWorld

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "rules"
PLAN = "plan.tc"

#: The table of the plan language (language.md, "What the compiler refuses"). A code is never reused.
CODES = [
    *(f"TC10{n}" for n in range(1, 6)),
    *(f"TC20{n}" for n in range(1, 10)),
    *(f"TC3{n:02}" for n in range(1, 14)),
    *(f"TC40{n}" for n in range(1, 3)),
    *(f"TC50{n}" for n in range(1, 3)),
    *(f"TC90{n}" for n in range(1, 10)),
]

_BLOCK = re.compile(r"^```(?P<kind>\w+)(?: file=(?P<file>\S+))?\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Section:
    """The code blocks below one heading: plans by file name, and the report if there is one."""

    plans: dict[str, str]
    report: str | None
    catalog: Recorded | None = None


def section(page: Page, heading: str) -> Section:
    _, _, rest = page.text.partition(f"\n## {heading}\n")
    assert rest, f"docs/rules/{page.code}.md has no section {heading}"
    text = re.split(r"^## ", rest, maxsplit=1, flags=re.MULTILINE)[0]
    plans: dict[str, str] = {}
    report = catalog = None
    for block in _BLOCK.finditer(text):
        if block["kind"] == "tc":
            name = block["file"] or PLAN
            assert name not in plans
            plans[name] = block["text"]
        elif block["kind"] == "json":
            assert catalog is None
            catalog = recorded(block["text"])
        else:
            assert block["kind"] == "text"
            assert report is None
            report = block["text"]
    assert PLAN in plans, f"docs/rules/{page.code}.md: {heading} shows no plan"
    return Section(plans, report, catalog)


def recorded(text: str) -> Recorded:
    """The catalog that a page shows, as `tcc objects --json` prints it."""
    objects = []
    for item in json.loads(text):
        drives = {c["drive"]: c["status"] for c in item["copies"]}
        stored = frozenset(d for d, status in drives.items() if status == "stored")
        whole = item["status"] == "whole"
        level = item.get("level", "full")
        known = (item["object"], item["plan"], item["source"], item["started"])
        objects.append(RecordedObject(*known, whole, level, frozenset(drives), stored))
    return Recorded("catalog.sqlite", tuple(objects))


def checked(shown: Section) -> Compilation:
    return compile_program(PLAN, MemoryWorld(files=shown.plans, catalog=shown.catalog))


def report_of(compilation: Compilation) -> str:
    out = io.StringIO()
    print_text(compilation.diagnostics, compilation.texts, out, files=[PLAN])
    return out.getvalue()


BOOK = {page.code: page for page in pages()}


def test_every_code_of_the_language_has_a_page_and_no_page_is_without_a_code() -> None:
    assert sorted(BOOK) == sorted(CODES)
    assert sorted(BOOK) == sorted(path.stem for path in FOLDER.iterdir())


def test_every_rule_of_the_compiler_has_a_page_of_its_severity() -> None:
    assert {rule.code: rule.severity for rule in ALL} == {rule.code: BOOK[rule.code].severity for rule in ALL}


def test_no_code_bears_two_rules_and_every_rule_module_is_in_the_book() -> None:
    assert len({rule.code for rule in ALL}) == len(ALL)
    for module in pkgutil.iter_modules(rules.__path__):
        rule = getattr(importlib.import_module(f"{rules.__name__}.{module.name}"), "RULE", None)
        assert rule in ALL, module.name


def test_every_code_of_the_language_is_checked() -> None:
    assert set(CODES) == {rule.code for rule in ALL}


@pytest.mark.parametrize("code", CODES)
def test_a_page_says_what_why_wrong_and_mend_in_lines_that_fit(code: str) -> None:
    page = BOOK[code]
    assert page.title
    assert page.title[0].islower() or page.title[0] == "`"
    assert len(page.finds) > 40
    headings = re.findall(r"^## (.+)$", page.text, re.MULTILINE)
    assert headings[:3] == ["Why it matters", "Wrong", "Mend"]
    assert headings[3:] in ([], ["Note"])
    prose = _BLOCK.sub("", page.text)
    assert all(len(line) <= 120 for line in prose.splitlines())
    assert section(page, "Wrong").report is not None
    assert section(page, "Mend").report is None


@pytest.mark.parametrize("code", CODES)
def test_the_wrong_plan_gives_exactly_the_report_on_its_page(code: str) -> None:
    wrong = section(BOOK[code], "Wrong")
    compilation = checked(wrong)
    report = report_of(compilation)
    if os.environ.get("TCC_ACCEPT"):
        accept(code, report)
    else:
        assert report == wrong.report
    assert {d.code for d in compilation.diagnostics} == {code}
    assert (compilation.plan is None) == (BOOK[code].severity == "error")


@pytest.mark.parametrize("code", CODES)
def test_the_mend_is_clean(code: str) -> None:
    compilation = checked(section(BOOK[code], "Mend"))
    assert report_of(compilation) == ""
    assert compilation.plan is not None


def accept(code: str, report: str) -> None:
    path = FOLDER / f"{code}.md"
    text = path.read_text(encoding="utf-8")
    head, mark, rest = text.partition("\n## Wrong\n")
    rest = re.sub(
        r"^```text\n.*?^```$", lambda _: f"```text\n{report}```", rest, count=1, flags=re.MULTILINE | re.DOTALL
    )
    path.write_text(head + mark + rest, encoding="utf-8")


@pytest.mark.parametrize("text", ["", "TC101: no hash\n", "# TC102: another code\n", "# TC101\n"])
def test_a_page_without_its_title_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must begin with"):
        parse("TC101", text)
