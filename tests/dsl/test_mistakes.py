"""What the parser says of likely mistakes: ``golden/mistakes.txt``, rewritten by ``TCC_ACCEPT=1``, read as a diff.

A section is a title, a plan, and behind ``---`` each diagnostic in full and what is kept of the plan.
"""

import os
import re
from pathlib import Path
from typing import Any

import pytest
from tapechain.dsl.ast import Declaration, File, Group
from tapechain.dsl.parser import parse
from tapechain.dsl.spans import Span

GOLDEN = Path(__file__).parent / "golden" / "mistakes.txt"
_SECTION = re.compile(r"^=== (?P<title>.*)\n(?P<plan>(?:.*\n)*?)---\n(?P<report>(?:(?!===).*\n)*)", re.MULTILINE)


def sections() -> list[Any]:
    found = [(m["title"], m["plan"], m["report"].rstrip("\n")) for m in _SECTION.finditer(GOLDEN.read_text())]
    return [pytest.param(*section, id=section[0].replace(" ", "-")) for section in found]


def place(span: Span) -> str:
    return f"{span.line}:{span.column}-{span.end_line}:{span.end_column}"


def kept(file: File) -> str:
    said = []
    for s in file.statements:
        if isinstance(s, Declaration):
            said.append(f"{s.kind} {s.name.text} ({', '.join(a.name.text for a in s.attributes)})")
        elif isinstance(s, Group):
            inside = (getattr(getattr(i, "name", None), "text", "for") for i in s.body)
            said.append(f"{s.kind} group {s.name.text} ({', '.join(inside)})")
        else:
            said.append(type(s).__name__.lower())
    return "; ".join(said) or "nothing"


def report(plan: str) -> str:
    file, diagnostics = parse(plan, "plan.tc")
    lines = []
    for d in diagnostics:
        lines.append(f"{d.code} {d.severity} {place(d.span)} {d.message}")
        lines += [f"  help: {d.help}"] if d.help else []
        lines += [f"  related: {place(r.span)} {r.message}" for r in d.related]
    lines.append(f"kept: {kept(file)}")
    return "\n".join(lines)


@pytest.mark.parametrize(("title", "plan", "expected"), sections())
def test_says(title: str, plan: str, expected: str) -> None:
    if os.environ.get("TCC_ACCEPT"):
        pytest.skip("accepting: see test_golden_file_is_whole")
    assert report(plan) == expected


def test_golden_file_is_whole() -> None:
    if os.environ.get("TCC_ACCEPT"):
        text = _SECTION.sub(lambda m: f"=== {m['title']}\n{m['plan']}---\n{report(m['plan'])}\n\n", GOLDEN.read_text())
        GOLDEN.write_text(text.rstrip("\n") + "\n")
    text = GOLDEN.read_text()
    assert len(sections()) == text.count("=== ") >= 20
