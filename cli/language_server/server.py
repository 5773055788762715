"""The language server: the protocol's requests on the one side, ``cli.language`` and the analyst on the other."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from typing import Any, cast

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer
from pygls.protocol import LanguageServerProtocol
from pygls.protocol.language_server import lsp_method

from ... import __version__
from ..console import harmless
from ..language.positions import Encoding
from . import documents
from .analyst import Analyst, Round
from .documents import Document
from .publisher import Publisher
from .wire import stretch_of

_LOG = logging.getLogger("pygls.tcc")

#: LSP 3.17, "RequestFailed": the request was right, and cannot be met; the editor shows the message.
REQUEST_FAILED = -32803


class Protocol(LanguageServerProtocol):
    """pygls' protocol without its own store of documents, whose lines end where a plan's do not (form feeds, say)."""

    @lsp_method(lsp.TEXT_DOCUMENT_DID_OPEN)
    def lsp_text_document__did_open(self, params: lsp.DidOpenTextDocumentParams) -> None:
        """Hand a document over to the analyst."""
        item = params.text_document
        self.plans.open(item.uri, item.version, item.text)

    @lsp_method(lsp.TEXT_DOCUMENT_DID_CHANGE)
    def lsp_text_document__did_change(self, params: lsp.DidChangeTextDocumentParams) -> None:
        """Hand changes over to the analyst."""
        self.plans.change(params)

    @lsp_method(lsp.TEXT_DOCUMENT_DID_CLOSE)
    def lsp_text_document__did_close(self, params: lsp.DidCloseTextDocumentParams) -> None:
        """A document is the disk's again."""
        self.plans.analyst.drop(documents.key_of(params.text_document.uri))

    @property
    def plans(self) -> PlanServer:
        """The server that this protocol speaks for."""
        return cast(PlanServer, self._server)

    @property
    def was_shut_down(self) -> bool:
        """Whether the editor took its leave before it went."""
        return bool(self._shutdown)


class PlanServer(LanguageServer):
    """The server of one editor. *defines* are values for params, as with ``-D``."""

    def __init__(self, defines: Mapping[str, str]) -> None:
        super().__init__(
            "tcc",
            __version__,
            text_document_sync_kind=lsp.TextDocumentSyncKind.Incremental,
            protocol_cls=Protocol,
            max_workers=2,
        )
        self.publisher = Publisher(self.text_document_publish_diagnostics)
        self.analyst = Analyst(self._publish, self.report, dict(defines))

    # ------------------------------------------------------------ life

    def begin(self, params: lsp.InitializeParams) -> None:
        """What the editor told at the start: its folders, how it counts, and values for params."""
        agreed: Any = self.workspace.position_encoding  # of the enumeration, or the bare text that the client sent
        encoding = cast(Encoding, str(getattr(agreed, "value", agreed) or "utf-16"))
        self.analyst.encoding = self.publisher.encoding = encoding
        uris = [folder.uri for folder in params.workspace_folders or []] or [params.root_uri or ""]
        self.set_folders(uris)
        options: Any = params.initialization_options
        defines = options.get("defines") if isinstance(options, dict) else None
        if isinstance(defines, dict):
            given = {str(name): str(value) for name, value in defines.items()}
            self.analyst.defines = {**given, **self.analyst.defines}

    def set_folders(self, uris: list[str]) -> None:
        """The project's folders."""
        self.analyst.folders = tuple(dict.fromkeys(documents.key_of(uri) for uri in uris if documents.path_of(uri)))

    # ------------------------------------------------------------ documents

    def open(self, uri: str, version: int | None, text: str) -> None:
        """A document was opened."""
        if len(text) <= documents.CHARACTERS_MAX:
            self.analyst.put(documents.opened(uri, version, text, self.analyst.encoding))
        else:
            _LOG.warning("%s is larger than any plan: it is left alone", uri)

    def change(self, params: lsp.DidChangeTextDocumentParams) -> None:
        """A document was changed; one that is not open is left alone."""
        document = self.analyst.documents.get(documents.key_of(params.text_document.uri))
        if document is None:
            return
        changes = [
            (stretch_of(c.range) if isinstance(c, lsp.TextDocumentContentChangePartial) else None, c.text)
            for c in params.content_changes
        ]
        self.analyst.put(documents.changed(document, params.text_document.version, changes))

    def document(self, uri: str) -> Document:
        """The open document. Raises an error of the protocol where there is none."""
        document = self.analyst.documents.get(documents.key_of(uri))
        if document is None:
            raise JsonRpcException("the document is not open", REQUEST_FAILED)
        return document

    def uri(self, path: str) -> str:
        """By what the editor knows a path."""
        document = self.analyst.documents.get(path) or self.analyst.documents.get(documents.key_of_path(path))
        return document.uri if document is not None else documents.uri_of(path)

    # ------------------------------------------------------------ what is said

    def _publish(self, done: Round) -> None:
        for analysis in done.analyses:
            if analysis.trouble is not None and not isinstance(analysis.trouble, OSError):
                self.report(analysis.trouble)
        self.publisher.publish(self.analyst.analyses.values(), done.documents, self.analyst.documents)

    def report(self, error: Exception) -> None:
        """A fault of ours: said where the editor keeps its log, the traceback in a file."""
        from ..main import internal_error_words

        words = harmless("; ".join(internal_error_words(error)))
        self.window_log_message(lsp.LogMessageParams(lsp.MessageType.Error, words))

    def report_server_error(self, error: Exception, source: Any) -> None:
        """What pygls could not make sense of: said in the log, not in a window."""
        words = harmless(f"{type(error).__name__}: {error}")
        self.window_log_message(lsp.LogMessageParams(lsp.MessageType.Error, words))


def quiet_logs() -> None:
    """pygls' own remarks go to stderr, where editors keep a log: warnings and errors, in one line, no tracebacks."""

    class OneLine(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            return harmless(f"tcc lsp: {record.getMessage()}".replace("\n", " "))[:2000]

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLine())
    logger = logging.getLogger("pygls")
    logger.handlers = [handler]
    logger.propagate = False
    logger.setLevel(logging.WARNING)
