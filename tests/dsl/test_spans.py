"""Places: lines and columns count from 1, columns in code points, ends are exclusive."""

from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import pytest
from tapechain.dsl.ast import AgentDeclaration, Declaration, File, Group, Hole, Let, String
from tapechain.dsl.parser import parse
from tapechain.dsl.spans import Span

Parsed = Callable[[str], File]


def cut(text: str, span: Span) -> str:
    """What a span covers."""
    lines = text.split("\n")[span.line - 1 : span.end_line]
    lines[-1] = lines[-1][: span.end_column - 1]
    lines[0] = lines[0][span.column - 1 :]
    return "\n".join(lines)


def nodes(value: Any) -> Iterator[Any]:
    if is_dataclass(value) and not isinstance(value, Span):
        yield value
        for f in fields(value):
            yield from nodes(getattr(value, f.name))
    elif isinstance(value, tuple):
        for part in value:
            yield from nodes(part)


def test_every_node_covers_its_own_text_and_lies_in_its_parent(parsed: Parsed, plan_text: str) -> None:
    file = parsed(plan_text)
    for statement in file.statements:
        again = parsed(cut(plan_text, statement.span))
        assert again.statements == (statement,)
        for node in nodes(statement):
            inside = cut(plan_text, node.span)
            assert inside == inside.strip() != ""
            for child in nodes(node):
                assert (node.span.line, node.span.column) <= (child.span.line, child.span.column)
                assert (child.span.end_line, child.span.end_column) <= (node.span.end_line, node.span.end_column)
    for comment in file.comments:
        assert cut(plan_text, comment.span) == "#" + comment.text


def test_columns_count_code_points(parsed: Parsed) -> None:
    text = '# 😀\nsource "日本😀" { files = "é" } drive R {}'
    file = parsed(text)
    source, drive = file.statements
    assert isinstance(source, Declaration)
    assert isinstance(drive, Declaration)
    assert source.name.span == Span("plan.tc", 2, 8, 2, 13)
    assert drive.span == Span("plan.tc", 2, 30, 2, 40)
    assert file.comments[0].span == Span("plan.tc", 1, 1, 1, 4)


def test_holes_have_exact_places_behind_escapes(parsed: Parsed) -> None:
    text = r'let x = "a\"\n${one}é${two}"'
    (let,) = parsed(text).statements
    assert isinstance(let, Let)
    assert isinstance(let.value, String)
    holes = [part for part in let.value.parts if isinstance(part, Hole)]
    assert [cut(text, hole.span) for hole in holes] == ["${one}", "${two}"]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_line_ends_of_both_kinds(figure_2: str, end: str) -> None:
    plain, _ = parse(figure_2, "plan.tc")
    file, diagnostics = parse(figure_2.replace("\n", end).encode(), "plan.tc")
    assert diagnostics == ()
    assert file == plain
    assert [s.span for s in file.statements] == [s.span for s in plain.statements]
    assert file.comments == plain.comments


def test_a_lone_carriage_return_is_white_space_and_ends_no_line(parsed: Parsed) -> None:
    (_, drive) = parsed("plan p\rdrive R {}").statements
    assert drive.span == Span("plan.tc", 1, 8, 1, 18)


def test_a_byte_order_mark_is_not_counted() -> None:
    file, diagnostics = parse("\ufeffplan p".encode(), "plan.tc")
    assert diagnostics == ()
    assert file.statements[0].span == Span("plan.tc", 1, 1, 1, 7)


def test_names_arrows_and_kinds_have_their_own_places(parsed: Parsed) -> None:
    text = "mirror group m of g {\n  agent A -> R\n}"
    (group,) = parsed(text).statements
    assert isinstance(group, Group)
    assert cut(text, group.kind_span) == "mirror"
    assert group.of is not None
    assert cut(text, group.of.span) == "g"
    (agent,) = group.body
    assert isinstance(agent, AgentDeclaration)
    assert cut(text, agent.arrow_span) == "->"
    assert cut(text, agent.span) == "agent A -> R"
