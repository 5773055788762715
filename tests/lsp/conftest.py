"""A real editor's side: ``tcc lsp`` as a process, talked to over its standard streams by pygls' client.

Every wait has a deadline; none is a sleep.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types as lsp
from pygls.lsp.client import LanguageClient

DEADLINE_SECONDS = 60.0


class Editor(LanguageClient):
    """One editor with one server. Positions are (line, character) from 0, in the units that were agreed on."""

    def __init__(self) -> None:
        super().__init__("test-editor", "1")
        self.texts: dict[str, str] = {}
        self.versions: dict[str, int] = {}
        self.published: dict[str, lsp.PublishDiagnosticsParams] = {}
        self.logs: list[str] = []
        self.capabilities: Any = None
        self._news = asyncio.Condition()

        @self.feature(lsp.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
        async def _(params: lsp.PublishDiagnosticsParams) -> None:
            self.published[params.uri] = params
            async with self._news:
                self._news.notify_all()

        @self.feature(lsp.WINDOW_LOG_MESSAGE)
        def _(params: lsp.LogMessageParams) -> None:
            self.logs.append(params.message)

    async def begin(
        self,
        folder: Path | None,
        *arguments: str,
        encodings: list[lsp.PositionEncodingKind] | None = None,
        options: Any = None,
        document_changes: bool = False,
    ) -> None:
        await self.start_io("tcc", "lsp", *arguments)
        general = lsp.GeneralClientCapabilities(position_encodings=encodings) if encodings else None
        edits = lsp.WorkspaceEditClientCapabilities(document_changes=document_changes)
        answer = await self.within(
            self.initialize_async(
                lsp.InitializeParams(
                    lsp.ClientCapabilities(
                        general=general, workspace=lsp.WorkspaceClientCapabilities(workspace_edit=edits)
                    ),
                    root_uri=folder.as_uri() if folder else None,
                    initialization_options=options,
                )
            )
        )
        self.capabilities = answer.capabilities
        self.initialized(lsp.InitializedParams())

    async def within(self, work: Awaitable[Any], seconds: float = DEADLINE_SECONDS) -> Any:
        return await asyncio.wait_for(work, seconds)

    async def end(self) -> int | None:
        """Take leave; the server's exit code."""
        server = self._server
        assert server is not None
        if server.returncode is None:
            await self.within(self.shutdown_async(None))
            self.exit(None)
        await self.within(server.wait())
        await self.within(self.stop())
        return server.returncode

    # ------------------------------------------------------------ documents

    def open(self, uri: str | Path, text: str) -> str:
        name = uri.as_uri() if isinstance(uri, Path) else uri
        self.texts[name], self.versions[name] = text, 1
        self.text_document_did_open(lsp.DidOpenTextDocumentParams(lsp.TextDocumentItem(name, "tapechain", 1, text)))
        return name

    def change(self, uri: str, *edits: tuple[tuple[int, int], tuple[int, int], str], now: str | None = None) -> None:
        """Incremental edits one after the other; *now* is what the whole text is after them."""
        changes = [lsp.TextDocumentContentChangePartial(range_of(start, end), new) for start, end, new in edits]
        self._change(uri, changes, now)

    def write(self, uri: str, text: str) -> None:
        """The whole text anew."""
        self._change(uri, [lsp.TextDocumentContentChangeWholeDocument(text)], text)

    def _change(self, uri: str, changes: list[Any], now: str | None) -> None:
        self.versions[uri] += 1
        if now is not None:
            self.texts[uri] = now
        identifier = lsp.VersionedTextDocumentIdentifier(self.versions[uri], uri)
        self.text_document_did_change(lsp.DidChangeTextDocumentParams(identifier, changes))

    async def diagnostics(self, uri: str) -> list[lsp.Diagnostic]:
        """Those of the document's newest version, as soon as they are there."""
        return await self.until(lambda: self.published.get(uri), lambda p: p.version == self.versions.get(uri))

    async def until(self, get: Callable[[], Any], fits: Callable[[Any], bool]) -> Any:
        """The diagnostics that *get* finds, as soon as they fit."""

        async def wait() -> Any:
            async with self._news:
                await self._news.wait_for(lambda: get() is not None and fits(get()))
            return list(get().diagnostics)

        return await self.within(wait())

    # ------------------------------------------------------------ requests

    def at(self, uri: str, line: int, character: int) -> dict[str, Any]:
        return {"text_document": lsp.TextDocumentIdentifier(uri), "position": lsp.Position(line, character)}

    def here(self, uri: str, marked: str, nth: int = 0) -> dict[str, Any]:
        """The place of ``|`` in *marked*, a piece of the document's text (UTF-16 units)."""
        text, piece = self.texts[uri], marked.replace("|", "")
        start = -1
        for _ in range(nth + 1):
            start = text.index(piece, start + 1)
        before = text[: start + marked.index("|")]
        line = before.count("\n")
        return self.at(uri, line, len(before.rpartition("\n")[2].encode("utf-16-le")) // 2)


def range_of(start: tuple[int, int], end: tuple[int, int]) -> lsp.Range:
    return lsp.Range(lsp.Position(*start), lsp.Position(*end))


def apply(text: str, edits: list[Any], encoding: str = "utf-16-le") -> str:
    """What an editor makes of text edits."""
    width = {"utf-16-le": 2, "utf-8": 1}[encoding]
    lines = text.split("\n")

    def offset(position: lsp.Position) -> int:
        line = lines[position.line] if position.line < len(lines) else ""
        units = line.encode(encoding)[: position.character * width].decode(encoding)
        return sum(len(one) + 1 for one in lines[: position.line]) + len(units)

    for edit in sorted(edits, key=lambda e: (e.range.start.line, e.range.start.character), reverse=True):
        text = text[: offset(edit.range.start)] + edit.new_text + text[offset(edit.range.end) :]
    return text


@pytest.fixture
def session() -> Callable[[Callable[[Editor], Awaitable[None]]], None]:
    """``session(talk)``: run *talk* with a new editor; the server must survive it and leave with 0."""

    def run(talk: Callable[[Editor], Awaitable[None]]) -> None:
        async def whole() -> None:
            editor = Editor()
            try:
                await talk(editor)
                assert await editor.end() == 0
            finally:
                if editor._server is not None and editor._server.returncode is None:
                    editor._server.kill()

        asyncio.run(whole())

    return run


@pytest.fixture
def applied() -> Callable[..., str]:
    return apply
