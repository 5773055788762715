"""No text, no order of edits and no request ends the server; typing never queues up work."""

import random
from pathlib import Path
from typing import Any

from lsprotocol import types as lsp

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.tc"))
PIECES = [
    "", "{", "}", "[", '"', '"${', "}", "\n", "\r", "\f", "\u2028", "\0", "\x1b[31m", "😀", "\ud800", "#",
    "# tcc: ignore TC903",
    "include \"", 'include "night.tc"', "for i in 1..9 {", "for i in 1..1000000000 {", "agent ", " -> ", "<-", "* <- ",
    "let x = x\n", "depth = 8", "1MiB", "999999999999999999999TiB", "${x}", "source ", "chain ", "require ", "[" * 200,
    "\\", "ſ", "É", "source \"a\nb\" {}",
]  # fmt: skip


def mutated(text: str, chance: random.Random) -> tuple[int, int, str]:
    start = chance.randrange(len(text) + 1)
    end = min(len(text), start + chance.choice([0, 0, 1, 3, 20, 400]))
    piece = chance.choice(PIECES)
    if chance.random() < 0.2:
        piece = text[(other := chance.randrange(len(text) + 1)) : other + chance.randrange(60)]
    return start, end, piece


def place(text: str, offset: int) -> tuple[int, int]:
    from tapechain.cli.language.positions import Text

    return tuple(Text(text).place(offset))  # type: ignore[return-value]


async def ask_everything(editor: Any, uri: str, line: int, character: int) -> None:
    """Every request at one place; a refusal is an answer, a fault of ours is not."""
    identifier = lsp.TextDocumentIdentifier(uri)
    at = editor.at(uri, line, character)
    options = lsp.FormattingOptions(tab_size=2, insert_spaces=True)
    here = lsp.Range(lsp.Position(line, character), lsp.Position(line + 1, 0))
    for work in (
        editor.text_document_hover_async(lsp.HoverParams(**at)),
        editor.text_document_completion_async(lsp.CompletionParams(**at)),
        editor.text_document_definition_async(lsp.DefinitionParams(**at)),
        editor.text_document_references_async(lsp.ReferenceParams(lsp.ReferenceContext(True), **at)),
        editor.text_document_document_highlight_async(lsp.DocumentHighlightParams(**at)),
        editor.text_document_prepare_rename_async(lsp.PrepareRenameParams(**at)),
        editor.text_document_rename_async(lsp.RenameParams(new_name="renamed", **at)),
        editor.text_document_document_symbol_async(lsp.DocumentSymbolParams(identifier)),
        editor.text_document_folding_range_async(lsp.FoldingRangeParams(identifier)),
        editor.text_document_semantic_tokens_full_async(lsp.SemanticTokensParams(identifier)),
        editor.text_document_formatting_async(lsp.DocumentFormattingParams(identifier, options)),
        editor.text_document_code_action_async(lsp.CodeActionParams(identifier, here, lsp.CodeActionContext([]))),
    ):
        try:
            await editor.within(work)
        except Exception as error:  # noqa: BLE001 - judged in the next line
            assert "internal" not in str(error).lower() and getattr(error, "code", 0) == -32803, error


def torture(session: Any, folder: Path, seed: int, rounds: int) -> None:
    chance = random.Random(seed)

    async def talk(editor: Any) -> None:
        await editor.begin(folder)
        for example in EXAMPLES:
            text = example.read_bytes().decode()
            uri = editor.open(folder / example.name, text)
            for number in range(rounds):
                edits = []
                for _ in range(chance.randrange(1, 4)):
                    start, end, piece = mutated(text, chance)
                    edits.append((place(text, start), place(text, end), piece))
                    # What an editor would have: a stretch that begins inside of `\r\n` begins before it.
                    from tapechain.cli.language.positions import Place, Stretch, Text

                    text = Text(text).changed(Stretch(Place(*edits[-1][0]), Place(*edits[-1][1])), piece).text
                editor.change(uri, *edits, now=text)
                if number % 4 == 0:
                    await ask_everything(editor, uri, *place(text, chance.randrange(len(text) + 1)))
                if chance.random() < 0.1:
                    text = example.read_bytes().decode()
                    editor.write(uri, text)
            await editor.diagnostics(uri)
            editor.write(uri, example.read_bytes().decode())
            found = [d for d in await editor.diagnostics(uri) if d.severity == lsp.DiagnosticSeverity.Error]
            assert found == []  # nothing is left of what was wrong, and nothing was lost on the way
        assert not [line for line in editor.logs if "internal error" in line], editor.logs

    session(talk)


def test_random_edits_never_end_the_server(session: Any, tmp_path: Path) -> None:
    torture(session, tmp_path, seed=20261123, rounds=24)


def test_what_no_editor_would_send(session: Any, tmp_path: Path) -> None:
    async def talk(editor: Any) -> None:
        await editor.begin(tmp_path)
        uri = editor.open(tmp_path / "a.tc", "plan x\n")
        await editor.diagnostics(uri)
        editor.versions["file:///nowhere.tc"] = 0
        editor.write("file:///nowhere.tc", "source {")  # never opened
        editor.text_document_did_close(lsp.DidCloseTextDocumentParams(lsp.TextDocumentIdentifier("file:///never.tc")))
        for other in ("file:///nowhere.tc", "http://example.org/a.tc", "file:///%00", "not a uri", ""):
            await ask_everything(editor, other, 0, 0)
        await ask_everything(editor, uri, 999_999, 999_999)
        editor.change(uri, ((9, 9), (0, 0), "y"), ((0, 0), (0, 99), "plan z"))
        assert await editor.diagnostics(uri) == []
        for odd in ("%00", "file:///a%ZZ.tc", "file://host/a.tc", "untitled:x", "file:///tmp/%F0%9F%98%80.tc"):
            opened = editor.open(odd, "source a {")
            assert [d.code for d in await editor.diagnostics(opened)][:1] == ["TC101"], odd

    session(talk)


def test_typing_fast_analyses_the_newest_text_only(session: Any, tmp_path: Path) -> None:
    """A burst of 200 edits: far fewer rounds of diagnostics than edits, and the last of them is right."""
    text = "".join(f'source S{i} {{ files = "/{i}" }}\n' for i in range(300))

    async def talk(editor: Any) -> None:
        await editor.begin(tmp_path)
        uri = editor.open(tmp_path / "a.tc", text)
        await editor.diagnostics(uri)
        seen: list[int | None] = []

        async def count() -> None:
            while seen[-1:] != [editor.versions[uri]]:
                async with editor._news:
                    await editor._news.wait()
                seen.append(editor.published[uri].version)

        for i in range(200):
            editor.change(uri, ((0, 8), (0, 8), "x" if i % 2 else "y"))
        await editor.within(count())
        assert len(seen) < 50, seen
        assert any("S0" not in d.message and "xyxyxyxy" in d.message for d in editor.published[uri].diagnostics)

    session(talk)


def test_a_file_larger_than_any_plan_is_refused_in_words(session: Any, tmp_path: Path) -> None:
    async def talk(editor: Any) -> None:
        await editor.begin(tmp_path)
        uri = editor.open(tmp_path / "a.tc", "a" * (17 << 20))
        await ask_everything(editor, uri, 0, 0)  # left alone, said in the log
        other = editor.open(tmp_path / "b.tc", "[" * 100_000)
        assert [d.code for d in await editor.diagnostics(other)] == ["TC101"]
        await ask_everything(editor, other, 0, 50_000)

    session(talk)
