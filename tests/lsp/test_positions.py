"""Places: editors' units and line ends against plans' own, in every encoding, whatever the text holds."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsprotocol import types as lsp
from tapechain.cli.language.positions import Place, Stretch, Text
from tapechain.dsl.spans import Span

ENCODINGS = ["utf-8", "utf-16", "utf-32"]
SIGNS = ["a", '"', "é", "€", "😀", "\n", "\r", "\r\n", "\f", "\u2028", "\x85", "\t", "\ufeff"]
TEXTS = st.lists(st.sampled_from(SIGNS), max_size=24).map("".join)


@pytest.mark.parametrize("encoding", ENCODINGS)
@given(text=TEXTS)
def test_every_offset_has_a_place_and_back(encoding: Any, text: str) -> None:
    whole = Text(text, encoding)
    for offset in range(len(text) + 1):
        if text[max(offset - 1, 0) : offset + 1] == "\r\n":
            continue  # between the two signs of one line end there is no place
        assert whole.offset(whole.place(offset)) == offset


@pytest.mark.parametrize("encoding", ENCODINGS)
@given(text=TEXTS)
def test_units_are_those_of_the_encoding(encoding: Any, text: str) -> None:
    whole = Text(text, encoding)
    width = {"utf-8": 1, "utf-16": 2, "utf-32": 4}[encoding]
    name = encoding if encoding == "utf-8" else f"{encoding}-le"
    for offset in range(len(text) + 1):
        line, character = whole.place(offset)
        if text[max(offset - 1, 0) : offset + 1] != "\r\n":
            assert line == len(text[:offset].replace("\r\n", "\n").replace("\r", "\n").split("\n")) - 1
            assert character == len(re.split("\r\n|\r|\n", text)[line].encode(name)[: character * width]) // width


@given(text=TEXTS, line=st.integers(-2, 9), character=st.integers(-2, 99), column=st.integers(-2, 99))
def test_no_place_is_out_of_the_text(text: str, line: int, character: int, column: int) -> None:
    whole = Text(text, "utf-16")
    assert 0 <= whole.offset(Place(line, character)) <= len(text)
    start, end = whole.offsets(Span("", line, column, line, column + 3))
    assert 0 <= start <= end <= len(text)
    swapped = Stretch(Place(line, character), Place(0, 0))
    assert whole.changed(swapped, "x").text.endswith(text[whole.offset(Place(line, character)) :])


@given(text=TEXTS, data=st.data())
def test_an_edit_is_what_an_editor_makes_of_it(text: str, data: st.DataObject) -> None:
    whole = Text(text, "utf-16")
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    if any(text[max(at - 1, 0) : at + 1] == "\r\n" for at in (start, end)):
        return
    assert whole.changed(whole.stretch(start, end), "new").text == text[:start] + "new" + text[end:]


@given(text=TEXTS)
def test_plans_count_lines_by_line_feeds_alone(text: str) -> None:
    whole = Text(text, "utf-16")
    for offset in range(len(text) + 1):
        line, column = text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)
        assert whole.offset_in_plan(line, column) == offset


@pytest.mark.parametrize(
    ("offered", "agreed", "characters"),
    [
        (None, "utf-16", (7, 16)),
        ([lsp.PositionEncodingKind.Utf8, lsp.PositionEncodingKind.Utf16], "utf-8", (7, 21)),
        ([lsp.PositionEncodingKind.Utf32], "utf-32", (7, 14)),
    ],
)
def test_client_and_server_agree_on_units(
    session: Any, tmp_path: Any, offered: Any, agreed: str, characters: tuple[int, int]
) -> None:
    text = '# \u2028 \f\nsource "😀é😀 x" { files = "/a" }  # 😀\r\n'

    async def talk(editor: Any) -> None:
        await editor.begin(tmp_path, encodings=offered)
        assert editor.capabilities.position_encoding == agreed
        uri = editor.open(tmp_path / "a.tc", text)
        (found,) = await editor.diagnostics(uri)
        start, end = found.range.start, found.range.end
        assert found.code == "TC901" and (start.line, end.line) == (1, 1)
        assert (start.character, end.character) == characters
        # An edit behind the name, counted in the units that were agreed on.
        editor.change(uri, ((1, end.character + 3), (1, end.character + 8), "stream"))
        assert [d.code for d in await editor.diagnostics(uri)] == ["TC901"]
        hover = await editor.within(
            editor.text_document_hover_async(lsp.HoverParams(**editor.at(uri, 1, end.character + 4)))
        )
        assert hover.range == lsp.Range(lsp.Position(1, end.character + 3), lsp.Position(1, end.character + 9))

    session(talk)
