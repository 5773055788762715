"""Reading JSON that a medium holds, trusting nothing: every value is taken with its type and its bounds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ..faults import MediaFault, Place


class Bad(Exception):
    """A value is not what it must be; ``str()`` names the key."""


def load(data: bytes, what: str, place: Place) -> dict[str, Any]:
    """The JSON object in *data*. Raises :class:`MediaFault` where it is none."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        raise MediaFault(f"{what} is not readable JSON", place=place) from None
    if not isinstance(document, dict):
        raise MediaFault(f"{what} is not a JSON object", place=place)
    return document


def text(document: dict[str, Any], key: str, *, longest: int = 1024) -> str:
    """A string of at most *longest* characters."""
    value = document.get(key)
    if not isinstance(value, str) or len(value) > longest:
        raise Bad(f"{key} is not a text of at most {longest} characters")
    return value


def text_or_none(document: dict[str, Any], key: str, *, longest: int = 1024) -> str | None:
    """A string, or null, or nothing."""
    return None if document.get(key) is None else text(document, key, longest=longest)


def number(document: dict[str, Any], key: str, low: int, high: int) -> int:
    """A whole number from *low* to *high*, both included."""
    value = document.get(key)
    if type(value) is not int or not low <= value <= high:
        raise Bad(f"{key} is not a number from {low} to {high}")
    return value


def number_or_none(document: dict[str, Any], key: str, low: int, high: int) -> int | None:
    """A whole number, or null, or nothing."""
    return None if document.get(key) is None else number(document, key, low, high)


def flag(document: dict[str, Any], key: str) -> bool:
    """true or false."""
    value = document.get(key)
    if not isinstance(value, bool):
        raise Bad(f"{key} is neither true nor false")
    return value


def one_of(document: dict[str, Any], key: str, values: Sequence[str]) -> str:
    """One of *values*."""
    value = document.get(key)
    if not isinstance(value, str) or value not in values:
        raise Bad(f"{key} is none of {', '.join(values)}")
    return value


def texts(document: dict[str, Any], key: str, *, most: int, longest: int) -> tuple[str, ...]:
    """A list of at most *most* strings."""
    value = document.get(key)
    if not isinstance(value, list) or len(value) > most:
        raise Bad(f"{key} is not a list of at most {most} texts")
    if not all(isinstance(item, str) and len(item) <= longest for item in value):
        raise Bad(f"{key} holds something that is no text of at most {longest} characters")
    return tuple(value)
