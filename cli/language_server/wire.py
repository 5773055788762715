"""Values of ``cli.language`` as the protocol's types."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path

from lsprotocol import types as lsp

from ...dsl.diagnostics import Diagnostic
from ..console import harmless
from ..language.complete import Candidate
from ..language.positions import Place, Stretch, Text
from ..language.rename import Edit
from ..language.symbols import Fold, Symbol
from ..rulebook import folder

#: A file gets no more diagnostics than this; the last says how many more there are.
DIAGNOSTICS_MAX = 500

_SEVERITY = {"error": lsp.DiagnosticSeverity.Error, "warning": lsp.DiagnosticSeverity.Warning}
#: Editors show these pale: nothing uses what is declared.
_UNNECESSARY = frozenset({"TC901", "TC902"})

_SYMBOLS = {
    "plan": lsp.SymbolKind.Package,
    "variable": lsp.SymbolKind.Constant,
    "source": lsp.SymbolKind.File,
    "drive": lsp.SymbolKind.Object,
    "pool": lsp.SymbolKind.Struct,
    "target": lsp.SymbolKind.Interface,
    "host": lsp.SymbolKind.Module,
    "group": lsp.SymbolKind.Namespace,
    "agent": lsp.SymbolKind.Class,
    "buffer": lsp.SymbolKind.Field,
    "loop": lsp.SymbolKind.Array,
    "chain": lsp.SymbolKind.Event,
    "requirement": lsp.SymbolKind.Boolean,
    "include": lsp.SymbolKind.Module,
}
_CANDIDATES = {
    "word": lsp.CompletionItemKind.Keyword,
    "attribute": lsp.CompletionItemKind.Property,
    "name": lsp.CompletionItemKind.Reference,
    "variable": lsp.CompletionItemKind.Variable,
    "unit": lsp.CompletionItemKind.Unit,
    "value": lsp.CompletionItemKind.EnumMember,
    "file": lsp.CompletionItemKind.File,
}


def place(lsp_position: lsp.Position) -> Place:
    """A place from the protocol's."""
    return Place(lsp_position.line, lsp_position.character)


def stretch_of(lsp_range: lsp.Range) -> Stretch:
    """A stretch from the protocol's range."""
    return Stretch(place(lsp_range.start), place(lsp_range.end))


def range_of(stretch: Stretch) -> lsp.Range:
    """The protocol's range."""
    return lsp.Range(lsp.Position(*stretch.start), lsp.Position(*stretch.end))


@cache
def page_uri(code: str) -> str | None:
    """The URI of a code's page in the rule book, where that is a file on this machine."""
    page = folder() / f"{code}.md"
    return page.as_uri() if isinstance(page, Path) and page.is_file() else None


def diagnostics(
    found: Sequence[Diagnostic], texts: Mapping[str, Text], uri: Callable[[str], str]
) -> list[lsp.Diagnostic]:
    """The diagnostics of one file. *texts* are the files' by path; *uri* says by what the editor knows a path."""
    out = [_diagnostic(d, texts, uri) for d in found[:DIAGNOSTICS_MAX]]
    if len(found) > DIAGNOSTICS_MAX:
        more = f"{len(found) - DIAGNOSTICS_MAX} more: `tcc check` shows all"
        first = found[DIAGNOSTICS_MAX].span
        where = range_of(texts[first.file].of_span(first))
        out.append(lsp.Diagnostic(where, more, severity=lsp.DiagnosticSeverity.Information, source="tcc"))
    return out


def _diagnostic(diagnostic: Diagnostic, texts: Mapping[str, Text], uri: Callable[[str], str]) -> lsp.Diagnostic:
    related = [
        lsp.DiagnosticRelatedInformation(
            lsp.Location(uri(other.span.file), range_of(texts[other.span.file].of_span(other.span))),
            harmless(other.message),
        )
        for other in diagnostic.related
        if other.span.file in texts
    ]
    page = page_uri(diagnostic.code)
    message = diagnostic.message + (f"\nhelp: {diagnostic.help}" if diagnostic.help else "")
    return lsp.Diagnostic(
        range=range_of(texts[diagnostic.span.file].of_span(diagnostic.span)),
        message=harmless(message),
        severity=_SEVERITY[diagnostic.severity],
        code=diagnostic.code,
        code_description=lsp.CodeDescription(page) if page else None,
        source="tcc",
        tags=[lsp.DiagnosticTag.Unnecessary] if diagnostic.code in _UNNECESSARY else None,
        related_information=related or None,
        data={"code": diagnostic.code, "explain": f"tcc explain {diagnostic.code}"},
    )


def completion(candidates: Iterable[Candidate], text: Text, offset: int) -> list[lsp.CompletionItem]:
    """The candidates, each with the edit that writes it over what was begun; in their order."""
    return [
        lsp.CompletionItem(
            label=harmless(c.label),
            kind=_CANDIDATES[c.kind],
            detail=harmless(c.detail) or None,
            documentation=lsp.MarkupContent(lsp.MarkupKind.Markdown, c.documentation) if c.documentation else None,
            sort_text=f"{number:04}",
            filter_text=c.label,
            text_edit=lsp.TextEdit(range_of(text.stretch(c.start, offset)), c.insert),
        )
        for number, c in enumerate(candidates)
    ]


def symbols(found: Iterable[Symbol], text: Text) -> list[lsp.DocumentSymbol]:
    """The outline."""
    return [
        lsp.DocumentSymbol(
            name=harmless(one.name) or " ",
            detail=harmless(one.detail)[:200],
            kind=_SYMBOLS[one.kind],
            range=range_of(text.of_span(one.span)),
            selection_range=range_of(text.of_span(one.name_span)),
            children=symbols(one.children, text),
        )
        for one in found
    ]


def folding(found: Iterable[Fold], text: Text) -> list[lsp.FoldingRange]:
    """The folds, in the editor's lines."""
    kinds = {"comment": lsp.FoldingRangeKind.Comment, "imports": lsp.FoldingRangeKind.Imports}
    return [
        lsp.FoldingRange(
            start_line=text.place(text.offset_in_plan(fold.first, 1)).line,
            end_line=text.place(text.offset_in_plan(fold.last, 1)).line,
            kind=kinds.get(fold.kind, lsp.FoldingRangeKind.Region),
        )
        for fold in found
    ]


def text_edit(edit: Edit, text: Text) -> lsp.TextEdit:
    """An edit of one file."""
    return lsp.TextEdit(range_of(text.stretch(edit.start, edit.end)), edit.text)
