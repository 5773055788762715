"""What an editor can ask: each request to ``cli.language`` and back. ``serve`` is the whole life of a server."""

from __future__ import annotations

import functools
import os
import posixpath
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcException

from ...compiler.names import as_written
from ...dsl.diagnostics import Diagnostic
from ..console import harmless
from ..fmt import canonical
from ..language import mends
from ..language.book import Book
from ..language.complete import complete
from ..language.hover import hover
from ..language.occurrences import Occurrence
from ..language.positions import Text
from ..language.rename import Edit, Refusal, applied, refuse_other_meaning, rename, renamed_at, shape
from ..language.symbols import folds, outline
from ..language.tokens import MODIFIERS, TYPES, encoded, tokens
from . import wire
from .documents import Document
from .server import REQUEST_FAILED, PlanServer, Protocol, quiet_logs

P = TypeVar("P")
R = TypeVar("R")
Handler = Callable[[PlanServer, P], Awaitable[R]]


def serve(defines: Mapping[str, str], stdin: Any, stdout: Any) -> int:
    """Serve one editor over two binary streams until it leaves. 0 when it took its leave in order, else 1."""
    quiet_logs()
    server = PlanServer(defines)
    register(server)
    server.start_io(stdin, stdout)
    server.analyst.close()
    protocol = server.protocol
    return 0 if isinstance(protocol, Protocol) and protocol.was_shut_down else 1


def guarded(handler: Handler[P, R]) -> Handler[P, R]:
    """A refusal becomes the request's error; a fault of ours too, in words, and the server goes on."""

    @functools.wraps(handler)
    async def safe(ls: PlanServer, params: P) -> R:
        try:
            return await handler(ls, params)
        except JsonRpcException:
            raise
        except Refusal as refusal:
            raise JsonRpcException(harmless(str(refusal)), REQUEST_FAILED) from None
        except Exception as error:  # noqa: BLE001 - the editor is told, and the server goes on
            ls.report(error)
            raise JsonRpcException(f"internal error of tcc: {type(error).__name__}") from None

    return safe


def register(server: PlanServer) -> None:
    """Make *server* answer everything below."""
    server.feature(lsp.INITIALIZE)(_initialize)
    server.feature(lsp.INITIALIZED)(_initialized)
    server.feature(lsp.TEXT_DOCUMENT_DID_SAVE, lsp.SaveOptions(False))(_saved)
    server.feature(lsp.WORKSPACE_DID_CHANGE_WATCHED_FILES)(_watched)
    server.feature(lsp.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS)(_folders)
    triggers = lsp.CompletionOptions(trigger_characters=[".", "<", ">", "-", '"', "{", "="])
    for name, handler, options in (
        (lsp.TEXT_DOCUMENT_HOVER, _hover, None),
        (lsp.TEXT_DOCUMENT_COMPLETION, _completion, triggers),
        (lsp.TEXT_DOCUMENT_DEFINITION, _definition, None),
        (lsp.TEXT_DOCUMENT_REFERENCES, _references, None),
        (lsp.TEXT_DOCUMENT_DOCUMENT_HIGHLIGHT, _highlight, None),
        (lsp.TEXT_DOCUMENT_PREPARE_RENAME, _prepare_rename, None),
        (lsp.TEXT_DOCUMENT_RENAME, _rename, lsp.RenameOptions(prepare_provider=True)),
        (lsp.TEXT_DOCUMENT_DOCUMENT_SYMBOL, _symbols, None),
        (lsp.TEXT_DOCUMENT_FOLDING_RANGE, _folding, None),
        (lsp.TEXT_DOCUMENT_FORMATTING, _formatting, None),
        (lsp.TEXT_DOCUMENT_CODE_ACTION, _actions, lsp.CodeActionOptions([lsp.CodeActionKind.QuickFix])),
        (lsp.TEXT_DOCUMENT_SEMANTIC_TOKENS_FULL, _tokens, lsp.SemanticTokensLegend(TYPES, MODIFIERS)),
    ):
        server.feature(name, options)(guarded(handler))


# ---------------------------------------------------------------- life


def _initialize(ls: PlanServer, params: lsp.InitializeParams) -> None:
    ls.begin(params)


def _initialized(ls: PlanServer, params: lsp.InitializedParams) -> None:
    files = ls.client_capabilities.workspace and ls.client_capabilities.workspace.did_change_watched_files
    if files and files.dynamic_registration:
        watched = lsp.DidChangeWatchedFilesRegistrationOptions([lsp.FileSystemWatcher("**/*.tc")])
        registration = lsp.Registration("tcc-files", lsp.WORKSPACE_DID_CHANGE_WATCHED_FILES, watched)
        ls.client_register_capability(lsp.RegistrationParams([registration]))


def _saved(ls: PlanServer, params: lsp.DidSaveTextDocumentParams) -> None:
    ls.analyst.refresh()


def _watched(ls: PlanServer, params: lsp.DidChangeWatchedFilesParams) -> None:
    ls.analyst.refresh()


def _folders(ls: PlanServer, params: lsp.DidChangeWorkspaceFoldersParams) -> None:
    ls.set_folders(list(ls.workspace.folders))
    ls.analyst.refresh()


# ---------------------------------------------------------------- reading


async def _asked(
    ls: PlanServer, params: Any, question: Callable[[Document, int, Book], R], *, alone: bool = False
) -> R:
    """Answer *question* about a document, an offset in it, and the book of its programs (*alone*: of itself)."""
    document = ls.document(params.text_document.uri)
    if not alone:
        await ls.analyst.known(document.key)
    snapshot = {**ls.analyst.documents, document.key: document}
    texts = {document.key: document.text.text} if alone else ls.analyst.texts(document.key, snapshot)
    position = getattr(params, "position", None)
    offset = document.text.offset(wire.place(position)) if position is not None else 0

    return await ls.analyst.ask(lambda: question(document, offset, ls.analyst.book(texts)))


async def _hover(ls: PlanServer, params: lsp.HoverParams) -> lsp.Hover | None:
    def question(document: Document, offset: int, book: Book) -> lsp.Hover | None:
        compilations = [a.compilation for a in ls.analyst.analyses_of(document.key) if a.compilation is not None]
        found = hover(book.pages[document.key], offset, book, compilations[0] if compilations else None)
        if found is None:
            return None
        said, span = found
        content = lsp.MarkupContent(lsp.MarkupKind.Markdown, said)
        return lsp.Hover(content, wire.range_of(document.text.of_span(span)))

    return await _asked(ls, params, question)


async def _completion(ls: PlanServer, params: lsp.CompletionParams) -> lsp.CompletionList:
    def question(document: Document, offset: int, book: Book) -> lsp.CompletionList:
        folder = posixpath.dirname(document.key)
        files = [os.path.relpath(path, folder) for path in ls.analyst.plans_near(document.key) if path != document.key]
        found = complete(document.text.text, offset, book, files)
        return lsp.CompletionList(False, wire.completion(found, document.text, offset))

    return await _asked(ls, params, question)


def _locations(ls: PlanServer, names: tuple[Occurrence, ...], book: Book) -> list[lsp.Location]:
    return [
        lsp.Location(ls.uri(name.span.file), wire.range_of(book.pages[name.span.file].text.of_span(name.span)))
        for name in names
    ]


async def _definition(ls: PlanServer, params: lsp.DefinitionParams) -> list[lsp.Location] | None:
    def question(document: Document, offset: int, book: Book) -> list[lsp.Location] | None:
        name = book.pages[document.key].at(offset)
        return _locations(ls, book.declarations(name.key), book) if name is not None else None

    return await _asked(ls, params, question)


async def _references(ls: PlanServer, params: lsp.ReferenceParams) -> list[lsp.Location] | None:
    def question(document: Document, offset: int, book: Book) -> list[lsp.Location] | None:
        name = book.pages[document.key].at(offset)
        if name is None:
            return None
        declared = params.context.include_declaration
        places = book.places(name.key) + tuple(p for key in book.matching(name.key) for p in book.by_key[key])
        return _locations(ls, tuple(p for p in places if declared or not p.declares), book)

    return await _asked(ls, params, question)


async def _highlight(ls: PlanServer, params: lsp.DocumentHighlightParams) -> list[lsp.DocumentHighlight] | None:
    def question(document: Document, offset: int, book: Book) -> list[lsp.DocumentHighlight] | None:
        name = book.pages[document.key].at(offset)
        if name is None:
            return None
        return [
            lsp.DocumentHighlight(
                wire.range_of(document.text.of_span(place.span)),
                lsp.DocumentHighlightKind.Write if place.declares else lsp.DocumentHighlightKind.Read,
            )
            for place in book.places(name.key)
            if place.span.file == document.key
        ]

    return await _asked(ls, params, question)


async def _symbols(ls: PlanServer, params: lsp.DocumentSymbolParams) -> list[lsp.DocumentSymbol]:
    def question(document: Document, offset: int, book: Book) -> list[lsp.DocumentSymbol]:
        return wire.symbols(outline(book.pages[document.key].file), document.text)

    return await _asked(ls, params, question)


async def _folding(ls: PlanServer, params: lsp.FoldingRangeParams) -> list[lsp.FoldingRange]:
    def question(document: Document, offset: int, book: Book) -> list[lsp.FoldingRange]:
        return wire.folding(folds(book.pages[document.key].file), document.text)

    return await _asked(ls, params, question)


async def _tokens(ls: PlanServer, params: lsp.SemanticTokensParams) -> lsp.SemanticTokens:
    def question(document: Document, offset: int, book: Book) -> lsp.SemanticTokens:
        return lsp.SemanticTokens(encoded(tokens(book.pages[document.key], book), document.text))

    return await _asked(ls, params, question)


# ---------------------------------------------------------------- changing


async def _formatting(ls: PlanServer, params: lsp.DocumentFormattingParams) -> list[lsp.TextEdit] | None:
    """As ``tcc fmt``: a text with syntax errors stays as it is. The edit holds the lines that change."""
    document = ls.document(params.text_document.uri)
    before = document.text.text

    def question() -> list[lsp.TextEdit] | None:
        result, _ = canonical(before.encode("utf-8", "replace"), document.key)
        if result is None:
            return None
        after = result.decode("utf-8")
        if after == before:
            return []
        start, end, new = _changed_lines(before, after)
        return [lsp.TextEdit(wire.range_of(document.text.stretch(start, end)), new)]

    return await ls.analyst.ask(question)


def _changed_lines(before: str, after: str) -> tuple[int, int, str]:
    """The stretch of *before* without the lines that both begin and end with, and what takes its place."""
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    head = 0
    while head < min(len(old), len(new)) and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < min(len(old), len(new)) - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    start = sum(map(len, old[:head]))
    return start, len(before) - sum(map(len, old[len(old) - tail :])), "".join(new[head : len(new) - tail])


async def _prepare_rename(ls: PlanServer, params: lsp.PrepareRenameParams) -> lsp.PrepareRenamePlaceholder:
    def question(document: Document, offset: int, book: Book) -> lsp.PrepareRenamePlaceholder:
        name = renamed_at(book.pages[document.key], offset, book)
        return lsp.PrepareRenamePlaceholder(wire.range_of(document.text.of_span(name.span)), name.key.name)

    return await _asked(ls, params, question)


async def _rename(ls: PlanServer, params: lsp.RenameParams) -> lsp.WorkspaceEdit:
    await ls.analyst.settled()

    def question(document: Document, offset: int, book: Book) -> lsp.WorkspaceEdit:
        edits = rename(renamed_at(book.pages[document.key], offset, book), params.new_name, book)
        _prove(ls, document, book, edits)
        return _workspace_edit(ls, edits, {path: page.text for path, page in book.pages.items()})

    return await _asked(ls, params, question)


def _prove(ls: PlanServer, document: Document, book: Book, edits: tuple[Edit, ...]) -> None:
    """Compile each program that the document belongs to with the old and the new texts; refuse what would change it."""
    texts = {path: page.text.text for path, page in book.pages.items()}
    for main in ls.analyst.mains.get(document.key, (document.key,)):
        before = ls.analyst.analysed(main, texts).compilation
        after = ls.analyst.analysed(main, applied(edits, texts)).compilation
        if before is None or after is None:
            raise Refusal(f"{as_written(main)} cannot be compiled: nothing was renamed")
        refuse_other_meaning(before.diagnostics, after.diagnostics, _in_words)
        if before.plan is not None and after.plan is not None and shape(before.plan) != shape(after.plan):
            raise Refusal("with the new name the plan would say something else: rename it by hand")


def _in_words(diagnostic: Diagnostic) -> str:
    span = diagnostic.span
    return f"{diagnostic.code} at {span.file}:{span.line}:{span.column}: {diagnostic.message}"


def _workspace_edit(ls: PlanServer, edits: tuple[Edit, ...], texts: Mapping[str, Text]) -> lsp.WorkspaceEdit:
    own: dict[str, list[lsp.TextEdit]] = {}
    for edit in edits:
        own.setdefault(edit.path, []).append(wire.text_edit(edit, texts[edit.path]))
    capabilities = ls.client_capabilities.workspace
    if capabilities is None or capabilities.workspace_edit is None or not capabilities.workspace_edit.document_changes:
        return lsp.WorkspaceEdit({ls.uri(path): found for path, found in own.items()})
    changes = []
    for path, found in own.items():
        document = ls.analyst.documents.get(path)
        version = document.version if document is not None else None
        identifier = lsp.OptionalVersionedTextDocumentIdentifier(ls.uri(path), version)
        changes.append(lsp.TextDocumentEdit(identifier, list(found)))
    return lsp.WorkspaceEdit(document_changes=list(changes))


async def _actions(ls: PlanServer, params: lsp.CodeActionParams) -> list[lsp.CodeAction]:
    document = ls.document(params.text_document.uri)
    await ls.analyst.settled(2.0)
    document = ls.document(params.text_document.uri)
    wanted = wire.stretch_of(params.range)
    start, end = document.text.offset(wanted.start), document.text.offset(wanted.end)
    actions = []
    for diagnostic in ls.analyst.diagnostics(document.key):
        first, last = document.text.offsets(diagnostic.span)
        if last < start or end < first:
            continue
        for mend in mends.mends(diagnostic, document.text):
            about = [d for d in params.context.diagnostics if d.code == diagnostic.code]
            edit = _workspace_edit(ls, (mend.edit,), {mend.edit.path: document.text})
            kind = lsp.CodeActionKind.QuickFix
            title = harmless(mend.title)
            actions.append(lsp.CodeAction(title, kind, about or None, is_preferred=mend.sure or None, edit=edit))
    return actions
