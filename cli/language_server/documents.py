"""The documents that an editor has open, by what they really are."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ..language.positions import Encoding, Stretch, Text
from ..language.projects import includes

#: A document of more characters is not analysed (the parser refuses it too, beyond 16 MiB).
CHARACTERS_MAX = 16 << 20


@dataclass(frozen=True)
class Document:
    """One open document. ``key`` is its real path, or its URI where it is no file."""

    uri: str
    key: str
    version: int | None
    text: Text

    @cached_property
    def includes(self) -> tuple[str, ...]:
        """The paths that it includes, as written."""
        return includes(self.text.text)


def path_of(uri: str) -> str | None:
    """The path of a ``file:`` URI, or None."""
    try:
        parts = urlsplit(uri)
    except ValueError:
        return None
    if parts.scheme != "file" or parts.netloc not in {"", "localhost"}:
        return None
    path = unquote(parts.path, errors="surrogateescape")
    return path if path.startswith("/") and "\0" not in path else None


def uri_of(path: str) -> str:
    """The URI of an absolute path; what is none (a document that was never saved) is its own URI."""
    return Path(path).as_uri() if path.startswith("/") else path


def key_of(uri: str) -> str:
    """What a document is known by."""
    path = path_of(uri)
    return uri if path is None else os.path.realpath(path)


def key_of_path(path: str) -> str:
    """What the document at a path is known by."""
    return os.path.realpath(path) if path.startswith("/") else path


def opened(uri: str, version: int | None, text: str, encoding: Encoding) -> Document:
    """A document that was opened."""
    return Document(uri, key_of(uri), version, Text(text, encoding))


def changed(document: Document, version: int | None, changes: list[tuple[Stretch | None, str]]) -> Document:
    """The document after *changes*, each a stretch (None: everything) and what takes its place, one after the other."""
    text = document.text
    for stretch, new in changes:
        text = text.changed(stretch, new)
    return Document(document.uri, document.key, version, text)
