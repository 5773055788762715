"""The nodes of which a plan has most, made in less than half of the time.

A frozen dataclass sets each of its fields by a call. A twin has the same slots and sets them as any object does, and is
an ``ast`` node from then on: its last act is to change its class. Who gets one cannot tell it from a node made by the
class itself. (In C it takes one pointer; Python allows it where both classes lay their slots out alike, which a test
holds them to.)
"""

# ruff: noqa: PLE0237

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from . import ast
from .spans import Span


class _Name:
    __slots__ = ("quoted", "span", "text")

    def __init__(self, text: str, span: Span, quoted: bool = False) -> None:
        self.text = text
        self.span = span
        self.quoted = quoted
        self.__class__ = ast.Name  # type: ignore[assignment]


class _String:
    __slots__ = ("parts", "span")

    def __init__(self, parts: tuple[Any, ...], span: Span) -> None:
        self.parts = parts
        self.span = span
        self.__class__ = ast.String  # type: ignore[assignment]


class _ListValue:
    __slots__ = ("items", "span")

    def __init__(self, items: tuple[Any, ...], span: Span) -> None:
        self.items = items
        self.span = span
        self.__class__ = ast.ListValue  # type: ignore[assignment]


class _Attribute:
    __slots__ = ("name", "span", "value")

    def __init__(self, name: ast.Name, value: Any, span: Span) -> None:
        self.name = name
        self.value = value
        self.span = span
        self.__class__ = ast.Attribute  # type: ignore[assignment]


class _Endpoint:
    __slots__ = ("buffer", "name", "span")

    def __init__(self, name: ast.Name, buffer: ast.Name | None, span: Span) -> None:
        self.name = name
        self.buffer = buffer
        self.span = span
        self.__class__ = ast.Endpoint  # type: ignore[assignment]


class _Coupling:
    __slots__ = ("attributes", "buffer", "feed", "span")

    def __init__(self, buffer: ast.Name, feed: Any, attributes: tuple[ast.Attribute, ...], span: Span) -> None:
        self.buffer = buffer
        self.feed = feed
        self.attributes = attributes
        self.span = span
        self.__class__ = ast.Coupling  # type: ignore[assignment]


class _Declaration:
    __slots__ = ("attributes", "kind", "name", "span")

    def __init__(self, kind: Any, name: ast.Name, attributes: tuple[ast.Attribute, ...], span: Span) -> None:
        self.kind = kind
        self.name = name
        self.attributes = attributes
        self.span = span
        self.__class__ = ast.Declaration  # type: ignore[assignment]


Name = cast("Callable[..., ast.Name]", _Name)
String = cast("Callable[..., ast.String]", _String)
ListValue = cast("Callable[..., ast.ListValue]", _ListValue)
Attribute = cast("Callable[..., ast.Attribute]", _Attribute)
Endpoint = cast("Callable[..., ast.Endpoint]", _Endpoint)
Coupling = cast("Callable[..., ast.Coupling]", _Coupling)
Declaration = cast("Callable[..., ast.Declaration]", _Declaration)

#: ``ast`` class → its twin
TWINS: Mapping[type, Callable[..., Any]] = {
    ast.Name: _Name,
    ast.String: _String,
    ast.ListValue: _ListValue,
    ast.Attribute: _Attribute,
    ast.Endpoint: _Endpoint,
    ast.Coupling: _Coupling,
    ast.Declaration: _Declaration,
}
