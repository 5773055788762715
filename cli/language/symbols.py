"""The outline of a file, and what can be folded in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from ...dsl import ast
from ...dsl.inline import print_attribute, print_endpoint, print_feed, print_name, print_value
from ...dsl.spans import Span

Kind = Literal[
    "plan",
    "variable",
    "source",
    "drive",
    "pool",
    "target",
    "host",
    "group",
    "agent",
    "buffer",
    "loop",
    "chain",
    "requirement",
    "include",
]


@dataclass(frozen=True, slots=True)
class Symbol:
    """One entry of the outline: ``span`` is the whole statement, ``name_span`` what to go to."""

    kind: Kind
    name: str
    detail: str
    span: Span
    name_span: Span
    children: tuple[Symbol, ...] = ()


def outline(file: ast.File) -> tuple[Symbol, ...]:
    """The statements of a file; groups hold their agents, agents their buffers, loops what they repeat."""
    return tuple(_symbols(file.statements))


def _symbols(items: Iterable[ast.Statement | ast.AgentDeclaration | ast.AgentItem]) -> Iterator[Symbol]:
    for item in items:
        match item:
            case ast.Plan():
                yield Symbol("plan", item.name.text, "plan", item.span, item.name.span)
            case ast.Declaration():
                first = print_attribute(item.attributes[0]) if item.attributes else ""
                yield Symbol(item.kind, item.name.text, first or item.kind, item.span, item.name.span)
            case ast.Group():
                of = f" of {print_name(item.of)}" if item.of else ""
                children = tuple(_symbols(item.body))
                yield Symbol("group", item.name.text, f"{item.kind} group{of}", item.span, item.name.span, children)
            case ast.AgentDeclaration():
                detail = f"{item.arrow} {print_name(item.drive)}"
                yield Symbol("agent", item.name.text, detail, item.span, item.name.span, tuple(_symbols(item.body)))
            case ast.Coupling():
                yield Symbol("buffer", item.buffer.text, f"<- {print_feed(item.feed)}", item.span, item.buffer.span)
            case ast.CoupleAll():
                yield Symbol("buffer", "*", f"<- {print_name(item.agent)}", item.span, item.span)
            case ast.For():
                detail = f"in {print_value(item.values)}"
                children = tuple(_symbols(item.body))
                yield Symbol("loop", f"for {item.variable.text}", detail, item.span, item.variable.span, children)
            case ast.Let() | ast.Param():
                detail = f"= {print_value(item.value)}"
                yield Symbol("variable", item.name.text, detail, item.span, item.name.span)
            case ast.Chain():
                name = " -> ".join(map(print_endpoint, item.places))
                yield Symbol("chain", name, "chain", item.span, item.span)
            case ast.Require():
                name = ", ".join(f"{c.metric.text} {c.operator} {print_value(c.value)}" for c in item.conditions)
                yield Symbol("requirement", name, "require", item.span, item.span)
            case ast.Include():
                yield Symbol("include", print_value(item.path), "include", item.span, item.path.span)
            case ast.Attribute():
                pass


@dataclass(frozen=True, slots=True)
class Fold:
    """Lines (a plan's, from 1) that can be folded away behind the first."""

    first: int
    last: int
    kind: Literal["region", "comment", "imports"]


def folds(file: ast.File) -> tuple[Fold, ...]:
    """Blocks of more than one line, comments on lines that follow each other, includes that do."""
    found = list(_blocks(file.statements))
    code = {span.line for span in _all_spans(file.statements)}
    found += _runs((c.span.line for c in file.comments if c.span.line not in code), "comment")
    found += _runs((s.span.line for s in file.statements if isinstance(s, ast.Include)), "imports")
    return tuple(sorted(found, key=lambda fold: (fold.first, fold.last)))


def _blocks(items: Iterable[object]) -> Iterator[Fold]:
    for item in items:
        span = getattr(item, "span", None)
        if span is not None and span.end_line > span.line and not isinstance(item, ast.Let | ast.Param):
            yield Fold(span.line, span.end_line, "region")
        yield from _blocks(getattr(item, "body", ()))
        yield from _blocks(getattr(item, "attributes", ()))


def _all_spans(items: Iterable[object]) -> Iterator[Span]:
    for item in items:
        span = getattr(item, "span", None)
        if span is not None:
            yield span
        yield from _all_spans(getattr(item, "body", ()))
        yield from _all_spans(getattr(item, "attributes", ()))


def _runs(lines: Iterable[int], kind: Literal["comment", "imports"]) -> Iterator[Fold]:
    first = last = -1
    for line in lines:
        if line == last + 1:
            last = line
            continue
        if last > first:
            yield Fold(first, last, kind)
        first = last = line
    if last > first:
        yield Fold(first, last, kind)
