"""Parts of the tree as text on one line: names, values, feeds, the heads of statements."""

from __future__ import annotations

import re

from . import ast, units
from .expected import RESERVED
from .strings import join, quote

_RESERVED_WORDS = frozenset(word.lower() for word in RESERVED)
_BARE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


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


Item = ast.Statement | ast.AgentDeclaration | ast.AgentItem


def print_head(item: Item) -> str:
    """A statement or item up to its block; all of it, where it can have none."""
    match item:
        case ast.Plan(name):
            return f"plan {print_name(name)}"
        case ast.Declaration(kind, name):
            return f"{kind} {print_name(name)}"
        case ast.Group(kind, _, name, of):
            return f"{kind} group {print_name(name)}" + (f" of {print_name(of)}" if of else "")
        case ast.For(variable, values):
            return f"for {print_name(variable)} in {print_value(values)}"
        case ast.AgentDeclaration(name, arrow, _, drive):
            return f"agent {print_name(name)} {arrow} {print_name(drive)}"
        case ast.Coupling(buffer, feed):
            return f"{print_name(buffer)} <- {print_feed(feed)}"
        case ast.CoupleAll(agent):
            return f"* <- {print_name(agent)}"
        case ast.Attribute():
            return print_attribute(item)
        case ast.Include(path):
            return f"include {print_value(path)}"
        case ast.Param(name, value):
            return f"param {print_name(name)} = {print_value(value)}"
        case ast.Let(name, value):
            return f"let {print_name(name)} = {print_value(value)}"
        case ast.Chain(places):
            return "chain " + " -> ".join(map(print_endpoint, places))
        case ast.Require(conditions, of_names):
            said = ", ".join(f"{print_name(c.metric)} {c.operator} {print_value(c.value)}" for c in conditions)
            return f"require {said}" + (" of " + ", ".join(map(print_name, of_names)) if of_names else "")
