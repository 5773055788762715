"""One mistake, one diagnostic, and all that is intact comes out of the same parse."""

from collections.abc import Iterator
from typing import Any

import pytest
from tapechain.dsl.ast import AgentDeclaration, Coupling, Declaration, Group
from tapechain.dsl.parser import parse
from tapechain.dsl.recovery import MOST_ERRORS
from tapechain.dsl.scan import Lexeme, Source

from .conftest import FIGURE_2, FIGURE_5


def lexemes(text: str) -> list[Lexeme]:
    return list(Source(text, "").all_lexemes())


def mistakes(text: str) -> Iterator[tuple[str, str]]:
    """The plan with each of its words and signs left out, written twice, or replaced by a sign that is none."""
    for piece in lexemes(text):
        before, after = text[: piece.start], text[piece.end :]
        yield f"without {piece.text} at {piece.start}", before + after
        yield f"{piece.text} twice at {piece.start}", f"{before}{piece.text} {piece.text}{after}"
        yield f"? for {piece.text} at {piece.start}", f"{before}?{after}"


@pytest.mark.parametrize("plan", [FIGURE_2, FIGURE_5], ids=["figure2", "figure5"])
def test_one_mistake_gives_at_most_one_diagnostic_and_costs_at_most_one_statement(plan: str) -> None:
    whole = parse(plan, "plan.tc")[0].statements
    for what, text in mistakes(plan):
        file, diagnostics = parse(text, "plan.tc")
        assert len(diagnostics) <= 1, what
        kept = sum(statement in file.statements for statement in whole)
        # A brace that is missing or too many may cost the statement behind it as well.
        assert kept >= len(whole) - 2, what
        assert len(file.statements) >= len(whole) - 2, what


def test_three_mistakes_at_three_levels_in_one_parse() -> None:
    text = """plan p {{ record = 1MiB }
source D1 { files : "/a" }
backup group g {
  agent A -> R1 {
    B1 <- D1
    B2 <- )
    B3 <- D3
  }
  agent B => R2 { B1 <- D1 }
}
drive R1 { volumes = "media/R1" }
"""
    file, diagnostics = parse(text, "plan.tc")
    assert [(d.code, d.span.line, d.span.column) for d in diagnostics] == [
        ("TC101", 1, 9),
        ("TC101", 2, 19),
        ("TC101", 6, 11),
        ("TC101", 9, 11),
    ]
    _, source, group, drive = file.statements
    assert isinstance(source, Declaration)
    assert [a.name.text for a in source.attributes] == ["files"]
    assert isinstance(drive, Declaration)
    assert isinstance(group, Group)
    first, second = group.body
    assert isinstance(first, AgentDeclaration)
    assert [item.buffer.text for item in first.body if isinstance(item, Coupling)] == ["B1", "B3"]
    assert isinstance(second, AgentDeclaration)
    assert second.arrow == "->"


def test_what_is_left_out_is_noted_with_its_names() -> None:
    text = 'source { files = "/a" }\nsource D2 { files = }\ndrive R {}\n'
    file, _ = parse(text, "plan.tc")
    assert [(s.span.line, s.span.column, s.span.end_line, s.span.end_column) for s in file.skipped] == [
        (1, 1, 1, 24),
        (2, 13, 2, 20),
    ]
    assert file.skipped[1].names == {"files"}
    assert parse("drive R {}", "plan.tc")[0].skipped == ()


def test_an_unreadable_number_stands_for_nothing_and_keeps_its_statement() -> None:
    file, diagnostics = parse("drive R { capacity = 1Gb  slot = 2 }", "plan.tc")
    assert [d.code for d in diagnostics] == ["TC103"]
    (drive,) = file.statements
    assert isinstance(drive, Declaration)
    assert [a.name.text for a in drive.attributes] == ["capacity", "slot"]


def test_comments_are_gathered_once_whatever_was_skipped_or_read_twice() -> None:
    text = "# one\nfor n in 1..2 { # two\n source s { # three\n files = }\n}\ndrive R { ] # four\n}\n# five"
    file, diagnostics = parse(text, "plan.tc")
    assert diagnostics
    assert [comment.text for comment in file.comments] == [" one", " two", " three", " four", " five"]


def test_after_many_errors_the_parser_stops_and_says_so() -> None:
    file, diagnostics = parse("source D { a : 1 }\n" * 1000 + "drive R {}", "plan.tc")
    assert len(diagnostics) == MOST_ERRORS + 1
    assert diagnostics[-1].message == f"more than {MOST_ERRORS} syntax errors"
    assert len(file.statements) >= MOST_ERRORS - 1


@pytest.mark.parametrize(
    ("content", "code", "message", "column"),
    [
        (b"plan p\n\xff\xfe\n", "TC101", "byte 0xFF is no UTF-8", 1),
        (b'plan p\nlet x = "\xe9"', "TC101", "byte 0xE9 is no UTF-8", 10),
        (b"plan p\n \0 \0", "TC101", "a NUL byte", 2),
        ("plan p\n\ud800", "TC101", "a character that is no UTF-8", 1),
    ],
)
def test_text_that_is_no_text_is_said_once(content: Any, code: str, message: str, column: int) -> None:
    file, diagnostics = parse(content, "plan.tc")
    assert [(d.code, d.message, d.span.line, d.span.column) for d in diagnostics] == [(code, message, 2, column)]
    assert len(file.statements) >= 1


def test_utf_16_is_named() -> None:
    file, diagnostics = parse("plan p".encode("utf-16"), "plan.tc")
    assert file.statements == ()
    assert [d.message for d in diagnostics] == ["the file is UTF-16, not UTF-8"]


@pytest.mark.parametrize(
    "opening", ['source D1 { files = "/a"', "plan p { depth = 8", "drive R {", "pool w { }\nhost h {"]
)
@pytest.mark.parametrize("group", ["backup group g", "mirror group g of h", 'restore group "g"', "copy group g of h"])
def test_a_group_behind_a_block_that_is_not_closed_is_kept(opening: str, group: str) -> None:
    arrow = "<-" if group.startswith("restore") else "->"
    file, diagnostics = parse(f"{opening}\n{group} {{ agent A {arrow} R {{ B1 <- D1 }} }}\n", "plan.tc")
    line = opening.count("\n") + 2
    assert [(d.code, d.span.line, d.span.column) for d in diagnostics] == [("TC101", line, 1)]
    assert diagnostics[0].help == "`}` is missing before it"
    kept = file.statements[-1]
    assert isinstance(kept, Group)
    assert len(kept.body) == 1


@pytest.mark.parametrize("tail", ["}", " }", " } # a remark", "]}  # tcc: ignore TC901", " } # of {braces}"])
def test_a_string_without_its_end_ends_before_what_closes_its_block(tail: str) -> None:
    opening = "[" if "]" in tail else ""
    file, diagnostics = parse(f'source D {{ files = {opening}"/a{tail}\ndrive R {{ }}', "plan.tc")
    start = 20 + len(opening)
    assert [(d.code, d.span.column, d.span.end_column) for d in diagnostics] == [("TC102", start, start + 3)]
    assert len(file.statements) == 2


@pytest.mark.parametrize(
    "statement",
    ["let x = 1", 'drive R9 { volumes = "x" }', "chain D1 -> A.B1", "require copies >= 2", 'include "x.tc"'],
)
def test_a_statement_inside_a_group_costs_itself_only(statement: str) -> None:
    text = f"backup group g {{\n  {statement}\n  agent A -> R1 {{ B1 <- D1 }}\n}}\ndrive R1 {{ }}"
    file, diagnostics = parse(text, "plan.tc")
    assert [(d.code, d.span.line, d.span.column) for d in diagnostics] == [("TC101", 2, 3)]
    assert diagnostics[0].help == "a group holds agents only: write it outside of the group"
    group, drive = file.statements
    assert isinstance(group, Group)
    assert len(group.body) == 1
    assert isinstance(drive, Declaration)


def test_a_statement_behind_a_group_that_is_not_closed_ends_it() -> None:
    file, diagnostics = parse("backup group g {\n  agent A -> R1 { B1 <- D1 }\nlet x = 1\nsource D1 { }", "plan.tc")
    assert [d.help for d in diagnostics] == ["`}` is missing before it"]
    assert len(file.statements) == 3
