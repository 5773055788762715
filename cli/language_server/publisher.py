"""Diagnostics to the editor: for every file of every program what all its analyses say, sent when that changes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from lsprotocol import types as lsp

from ...dsl.diagnostics import Diagnostic, ordered
from ..language.positions import Encoding, Text
from . import wire
from .analyst import Analysis
from .documents import Document, uri_of


@dataclass
class Publisher:
    """Remembers what each file was last sent."""

    send: Callable[[lsp.PublishDiagnosticsParams], None]
    encoding: Encoding = "utf-16"
    _sent: dict[str, tuple[object, int | None]] = field(default_factory=dict)

    def publish(self, analyses: Iterable[Analysis], seen: Mapping[str, Document], now: Mapping[str, Document]) -> None:
        """Send what is new. *seen* are the documents as they were analysed, *now* as they are.

        A document that has changed since is left to the round that is under way: its places would be wrong.
        """
        found: dict[str, list[Diagnostic]] = {}
        texts: dict[str, Text] = {}
        for analysis in analyses:
            if analysis.compilation is None:
                continue
            for path, text in analysis.compilation.texts.items():
                uri = _uri(path, seen)
                found.setdefault(uri, [])
                if path not in texts:
                    document = seen.get(path)
                    texts[path] = document.text if document is not None else _Lazy(text, self.encoding)
            for diagnostic in analysis.compilation.diagnostics:
                found[_uri(diagnostic.span.file, seen)].append(diagnostic)
        open_now = {document.uri: document for document in now.values()}
        seen_by_uri = {document.uri: document for document in seen.values()}
        for uri, own in found.items():
            document = open_now.get(uri)
            if document is not None and document is not seen_by_uri.get(uri):
                continue
            version = document.version if document is not None else None
            diagnostics = ordered(own)
            if self._sent.get(uri) != (diagnostics, version):
                self._sent[uri] = (diagnostics, version)
                self._send(uri, diagnostics, texts, seen, version)
        for uri in [uri for uri in self._sent if uri not in found and uri not in open_now]:
            del self._sent[uri]
            self.send(lsp.PublishDiagnosticsParams(uri, []))

    def _send(
        self,
        uri: str,
        diagnostics: tuple[Diagnostic, ...],
        texts: Mapping[str, Text],
        seen: Mapping[str, Document],
        version: int | None,
    ) -> None:
        sent = wire.diagnostics(diagnostics, texts, lambda path: _uri(path, seen))
        self.send(lsp.PublishDiagnosticsParams(uri, sent, version))


class _Lazy(Text):
    """A text whose lines are counted when a place in it is asked for: most files have nothing wrong."""

    def __init__(self, text: str, encoding: Encoding) -> None:
        self._later = (text, encoding)

    def __getattr__(self, name: str) -> object:
        if name == "_later":
            raise AttributeError(name)
        super().__init__(*self._later)
        return self.__dict__[name]


def _uri(path: str, documents: Mapping[str, Document]) -> str:
    """The URI that the editor knows a file by."""
    document = documents.get(path)
    if document is None and path.startswith("/"):
        real = os.path.realpath(path)
        document = documents.get(real)
        if document is None:
            return uri_of(real)
    return document.uri if document is not None else uri_of(path)
