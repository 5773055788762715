"""Syntax tree to canonical text: what ``print_file`` writes, ``parser.parse`` reads back as the same tree.

Two blanks a level. A block of attributes stands on its statement's line while that is at most ``WIDTH`` long, else one
attribute a line; so does the body of an agent that holds a single item. The blocks of plans, groups and ``for`` are
always open. A number with a unit is written as it was, or, in a tree that was not parsed, in the unit that fits best.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from . import ast, units
from .expected import RESERVED
from .strings import join, quote

WIDTH = 100
INDENT = "  "

_RESERVED_WORDS = frozenset(word.lower() for word in RESERVED)
_BARE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def print_file(file: ast.File) -> str:
    """The statements of *file* as canonical text, without comments; empty for a file that says nothing.

    Statements of one kind stand together, a blank line between kinds and around everything that has an open block.
    """
    out: list[str] = []
    before: ast.Statement | None = None
    for statement in file.statements:
        lines = print_item(statement)
        apart = before is not None and (_kind(before) != _kind(statement) or len(lines) > 1 or out[-1] == "}")
        if apart:
            out.append("")
        out += lines
        before = statement
    return "".join(line + "\n" for line in out)


def _kind(statement: ast.Statement) -> str:
    return statement.kind if isinstance(statement, ast.Declaration) else type(statement).__name__


# ---------------------------------------------------------------- statements and items, as lines without indentation


def print_item(item: ast.Statement | ast.AgentDeclaration | ast.AgentItem) -> list[str]:
    """The lines of one statement, agent, coupling or attribute, from the left margin."""
    match item:
        case ast.Plan(name, attributes):
            head = f"plan {print_name(name)}"
            return _open(head, map(print_attribute, attributes)) if attributes else [head]
        case ast.Declaration(kind, name, attributes):
            return _block(f"{kind} {print_name(name)}", attributes)
        case ast.Include(path):
            return [f"include {print_value(path)}"]
        case ast.Param(name, value):
            return [f"param {print_name(name)} = {print_value(value)}"]
        case ast.Let(name, value):
            return [f"let {print_name(name)} = {print_value(value)}"]
        case ast.Chain(places):
            return ["chain " + " -> ".join(map(print_endpoint, places))]
        case ast.Require():
            return [_require(item)]
        case ast.For():
            return _open(f"for {print_name(item.variable)} in {print_value(item.values)}", _lines(item.body))
        case ast.Group():
            of = f" of {print_name(item.of)}" if item.of else ""
            return _open(f"{item.kind} group {print_name(item.name)}{of}", _lines(item.body))
        case ast.AgentDeclaration():
            return _agent(item)
        case ast.Coupling(buffer, feed, attributes):
            return _coupling(f"{print_name(buffer)} <- {print_feed(feed)}", attributes)
        case ast.CoupleAll(agent, attributes):
            return _coupling(f"* <- {print_name(agent)}", attributes)
        case ast.Attribute():
            return [print_attribute(item)]


def _lines(items: Iterable[ast.Statement | ast.AgentDeclaration | ast.AgentItem]) -> Iterable[str]:
    return (line for item in items for line in print_item(item))


def _open(head: str, lines: Iterable[str]) -> list[str]:
    return [head + " {", *(INDENT + line for line in lines), "}"]


def _block(head: str, attributes: Sequence[ast.Attribute]) -> list[str]:
    if not attributes:
        return [head + " {}"]
    inside = [print_attribute(attribute) for attribute in attributes]
    line = f"{head} {{ {'  '.join(inside)} }}"
    return [line] if len(line) <= WIDTH else _open(head, inside)


def _coupling(head: str, attributes: Sequence[ast.Attribute]) -> list[str]:
    return _block(head, attributes) if attributes else [head]


def _agent(agent: ast.AgentDeclaration) -> list[str]:
    head = f"agent {print_name(agent.name)} {agent.arrow} {print_name(agent.drive)}"
    if not agent.body:
        return [head]
    lines = list(_lines(agent.body))
    line = f"{head} {{ {lines[0]} }}"
    if len(agent.body) == len(lines) == 1 and len(line) <= WIDTH:
        return [line]
    return _open(head, lines)


def _require(require: ast.Require) -> str:
    conditions = ", ".join(f"{print_name(c.metric)} {c.operator} {print_value(c.value)}" for c in require.conditions)
    of = " of " + ", ".join(map(print_name, require.of)) if require.of else ""
    return f"require {conditions}{of}"


# ---------------------------------------------------------------- names and values


def print_name(name: ast.Name) -> str:
    """Bare where it was and can be, else as a string."""
    bare = not name.quoted and _BARE.fullmatch(name.text) and name.text not in _RESERVED_WORDS
    return name.text if bare else quote(name.text)


def print_attribute(attribute: ast.Attribute) -> str:
    """``name = value``; the words of the language are bare here."""
    return f"{attribute.name.text} = {print_value(attribute.value)}"


def print_endpoint(endpoint: ast.Endpoint) -> str:
    """``D2`` or ``A124.B2``."""
    name = print_name(endpoint.name)
    return name if endpoint.buffer is None else f"{name}.{print_name(endpoint.buffer)}"


def print_feed(feed: ast.Feed) -> str:
    """An endpoint or a selector."""
    if isinstance(feed, ast.Endpoint):
        return print_endpoint(feed)
    return feed.function if feed.argument is None else f"{feed.function}({print_name(feed.argument)})"


def print_value(value: ast.Value) -> str:
    """A value as the language writes it."""
    match value:
        case ast.String(parts):
            return quote(join(parts))
        case ast.Number():
            return value.text or units.print_number(value.value)
        case ast.Size():
            return value.text or units.print_size(value.size_bytes)
        case ast.Rate():
            return value.text or units.print_rate(value.bytes_per_second)
        case ast.Duration():
            return value.text or units.print_duration(value.seconds)
        case ast.Boolean():
            return "true" if value.value else "false"
        case ast.Reference(name):
            return name.text
        case ast.ListValue(items):
            return f"[{', '.join(map(print_value, items))}]"
        case ast.Range(low, high):
            return f"{print_value(low)}..{print_value(high)}"
