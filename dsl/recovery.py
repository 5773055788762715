"""After a syntax error: say what is wrong, once, and bring the parser to a place from which it can go on.

First the slips that have one likely mend (`:` for `=`, a missing comma, a name that wants quotes, …): they are
reported, and the parser is fed what was meant, so the statement around them stays whole. Everything else is reported
as what was expected and found; then the innermost item is dropped and text is skipped to the next item or statement.
A statement that begins where a block is still open closes that block (`}` was forgotten), and the surplus `}` that
this may leave is passed over in silence: one mistake, one diagnostic.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import Any, cast

from lark import Token
from lark.exceptions import UnexpectedCharacters, UnexpectedToken

from . import slips
from .ast import Group, Skipped, Statement
from .build import Builder
from .diagnostics import Diagnostic, Related
from .expected import RESERVED, STATEMENTS, behind, found, in_words, shown, terminal
from .mend import Look, Mend
from .scan import Lexeme, Source
from .spans import Span
from .stack import Block, Stack

MOST_ERRORS = 100
MOST_READ_AGAIN = 3

# What could not be decoded was reported by `decode`; with the rest of its word it is passed over.
_UNDECODABLE = re.compile("\ufffd[\\w\ufffd]*")


class Recovery:
    """Reports and mends the syntax errors of one parse."""

    def __init__(self, text: str, state: Any, lexer: Any, builder: Builder) -> None:
        """*state* and *lexer* are those of Lark's interactive parser, as they were when the error was raised."""
        self.source = source = Source(text, builder.path)
        self._state = state
        self._lexer = lexer
        self._stack = Stack(state)
        self._position = lexer.state.line_ctr
        self._builder = builder
        self._errors = 0
        self._closed_for_them = 0
        self._read_again = 0
        signs = [lexeme.text for lexeme in source.all_lexemes() if lexeme.kind == "sign"]
        self._unclosed = signs.count("{") - signs.count("}")
        self.skipped: list[Skipped] = []

    # ------------------------------------------------------------ the way through

    def parse_on(self, error: UnexpectedToken | UnexpectedCharacters) -> tuple[Statement, ...]:
        """Report and mend errors until the text ends; all statements that are intact. May raise TooDeep."""
        while self._errors < MOST_ERRORS:
            self._handle(error)
            try:
                for token in self._lexer.lex(self._state):
                    self._state.feed_token(token)
                return cast("tuple[Statement, ...]", self._stack.finish())
            except (UnexpectedToken, UnexpectedCharacters) as next_error:
                error = next_error
        here = self._position.char_pos
        self._say(f"more than {MOST_ERRORS} syntax errors", here, here, help="the rest is not read")
        self._stack.settle()
        self._stack.cut(self._stack.blocks()[0].height)
        return cast("tuple[Statement, ...]", self._stack.finish())

    def _handle(self, error: UnexpectedToken | UnexpectedCharacters) -> None:
        self._errors += 1
        offset = self._offset(error)
        here, after, beyond = islice(self.source.lexemes(offset), 3)
        if here.text == "\ufffd" and self._builder.undecodable:
            self._go_on(_UNDECODABLE.match(self.source.text, here.start).end())  # type: ignore[union-attr]
        elif here.text == "}" and self._closed_for_them and len(self._stack.blocks()) == 1:
            self._closed_for_them -= 1
            self._go_on(here.end)
        elif not (here.kind == "end" and self._closed_late()) and not self._mended(here, after, beyond):
            self._report_and_skip(here)
        self._builder.depth = self._stack.depth()

    def _offset(self, error: UnexpectedToken | UnexpectedCharacters) -> int:
        if isinstance(error, UnexpectedCharacters):
            return error.pos_in_stream or 0
        if error.token.type == "$END":
            return len(self.source.text)
        return error.token.start_pos or 0

    def _go_on(self, offset: int) -> None:
        line = self.source.line_of(offset)
        self._position.char_pos = offset
        self._position.line = line
        self._position.line_start_pos = self.source.line_start(line)
        self._position.column = offset - self._position.line_start_pos + 1

    def _say(
        self,
        message: str,
        start: int,
        end: int,
        *,
        help: str,
        related: tuple[Related, ...] = (),
        code: str = "TC101",
    ) -> None:
        if start == end:
            start = end = self.source.end_before(start)
        span = self.source.span(start, end)
        self._builder.diagnostics.append(Diagnostic(code, "error", message, span, help, related))

    def _token(self, kind: str, text: str, start: int, end: int) -> Token:
        span = self.source.span(start, end)
        return Token(kind, text, start, span.line, span.column, span.end_line, span.end_column, end)

    # ------------------------------------------------------------ slips with one likely mend

    def _mended(self, here: Lexeme, after: Lexeme, beyond: Lexeme) -> bool:
        expected = self._stack.expected()
        mend = slips.find(Look(self.source, self._stack, expected, here, after, beyond, self._unclosed))
        if mend is None:
            return False
        self._apply(mend)
        return True

    def _apply(self, mend: Mend) -> None:
        if mend.message:
            related: tuple[Related, ...] = ()
            if mend.opener is not None:
                text = f"this `{mend.opener}` is not closed"
                related = (Related(text, self._builder.span(mend.opener)),)
            self._say(mend.message, mend.start, mend.end, help=mend.help, related=related, code=mend.code)
        if mend.pop:
            height = len(self._stack.values) - mend.pop
            if not mend.feed and mend.value is None:
                self._note_skipped(self._start_of_dropped(height, mend.start), mend.start)
            self._stack.cut(height)
        if mend.value is not None:
            self._stack.amend(mend.value)
        closed = sum(kind == "RBRACE" for kind, _ in mend.feed)
        self._unclosed -= closed + (self.source.text[mend.start : mend.resume] == "{")
        if not mend.covers:
            self._closed_for_them += closed
        at = mend.start if mend.covers else self.source.end_before(mend.start)
        for kind, text in mend.feed:
            token = self._token(kind, text, at, mend.end if mend.covers else at)
            if kind in {"NUMBER", "STRING"}:
                self._quietly(token)
            else:
                self._stack.feed(token)
        self._go_on(mend.resume)

    def _quietly(self, token: Token) -> None:
        """Feed a literal that stands for a faulty one, without a second word about it."""
        before = len(self._builder.diagnostics)
        self._stack.feed(token)
        del self._builder.diagnostics[before:]

    # ------------------------------------------------------------ everything else

    def _report_and_skip(self, here: Lexeme) -> None:
        expected = self._stack.expected()
        self._stack.settle()
        blocks = self._stack.blocks()
        inner = blocks[-1]
        if self._report_unclosed(here, blocks):
            pass
        elif here.text == "}" and inner.brace is None and len(self._stack.values) == inner.height:
            help = "take it out, or look for a `{` that is missing"
            self._say("this `}` closes nothing", here.start, here.end, help=help)
        else:
            message = f"expected {in_words(expected)}, found {found(here)}"
            advice = slips.advice(self._stack, expected, here)
            self._say(message, here.start, here.end, help=advice, related=self._group_before(here, inner))
            if self._unclosed < 0 and here.kind in {"word", "string"} and len(self._stack.values) == inner.height:
                self._closed_for_them += 1  # a surplus `}` has ended the block that this belongs to
                self._unclosed += 1
        self._skip(here, blocks)

    def _group_before(self, here: Lexeme, inner: Block) -> tuple[Related, ...]:
        """The `}` that has ended a group too early, for an agent that stands behind it."""
        if terminal(here) != "AGENT" or inner.kind != "statements" or len(self._stack.values) != inner.height:
            return ()
        items = self._stack.items(inner) if inner.height else []
        if not items or not isinstance(items[-1], Group):
            return ()
        end = items[-1].span
        place = Span(end.file, end.end_line, end.end_column - 1, end.end_line, end.end_column)
        return (Related(f"the group `{shown(items[-1].name.text)}` ends here", place),)

    def _closed_late(self) -> bool:
        """A `for` of statements that runs to the end of the text: its `}` is missing where the indentation says so.

        The parser goes back to there, or all that follows would be taken for repeated. It does so no more than
        ``MOST_READ_AGAIN`` times, each of which may read the whole text again.
        """
        if self._read_again >= MOST_READ_AGAIN:
            return False
        self._stack.settle()
        block = self._stack.blocks()[-1]
        if block.kind != "statements" or block.brace is None:
            return False
        limit = self.source.indentation(block.brace.start_pos or 0)
        starts = [self.source.offset(i.span.line, i.span.column) for i in self._stack.items(block)]
        inside = [
            self.source.indentation(start) > limit or self.source.line_of(start) == block.brace.line for start in starts
        ]
        if all(inside):
            return False
        self._read_again += 1
        count = inside.index(False)
        start = starts[count]
        here = next(self.source.lexemes(start))
        related = (Related("this `{` is not closed", self._builder.span(block.brace)),)
        message = f"expected a statement or `}}`, found {found(here)}"
        help = "`}` is missing before it"
        self._say(message, here.start, here.end, help=help, related=related)
        self._stack.keep(block, count)
        end = self.source.end_before(start)
        self._stack.feed(self._token("RBRACE", "}", end, end))
        self._go_on(start)
        return True

    def _report_unclosed(self, here: Lexeme, blocks: list[Block]) -> bool:
        """Report a `}` that is missing before a statement of an outer block, or before the end of the text."""
        inner = blocks[-1]
        between_items = "RBRACE" in self._stack.expected() and inner.brace is not None
        if here.kind != "end" and self._misplaced(inner):
            return False
        if not between_items or not (here.kind == "end" or self._home(here, blocks) is not None):
            return False
        assert inner.brace is not None
        related = (Related("this `{` is not closed", self._builder.span(inner.brace)),)
        expected = in_words(self._stack.expected())
        self._say(
            f"expected {expected}, found {found(here)}",
            here.start,
            here.end,
            help="`}` is missing before it",
            related=related,
        )
        return True

    def _misplaced(self, inner: Block) -> bool:
        """Whether a statement in this block is out of place there: no `}` is missing in the file, so none is here."""
        return self._unclosed <= 0 and inner.kind in {"agents", "couplings"} and inner.brace is not None

    def _home(self, here: Lexeme, blocks: list[Block]) -> int | None:
        """The innermost block, by index, of which this lexeme begins an item by its word alone; None where none is."""
        kind = terminal(here)
        if kind not in RESERVED:
            return None
        for index in range(len(blocks) - 1, -1, -1):
            block = blocks[index].kind
            if block == "statements" and kind in STATEMENTS:
                return index
            if block == "agents" and kind in {"AGENT", "FOR"}:
                return index
            if block == "couplings" and kind == "FOR":
                return index
        return None

    def _skip(self, here: Lexeme, blocks: list[Block]) -> None:
        """Drop the item that is begun, skip to where another item or statement begins, and go on there."""
        inner = blocks[-1]
        begun = len(self._stack.values) > inner.height
        dropped_from = self._start_of_dropped(inner.height, here.start)
        nested = 0
        misplaced = self._misplaced(inner)
        lexemes = self.source.lexemes(here.start)
        current, following, third = next(lexemes), next(lexemes), next(lexemes)
        while True:
            if current.kind == "end":
                self._resume(blocks, 0, current, dropped_from)
                return
            home = self._home(current, blocks)
            if misplaced and home is not None and home < len(blocks) - 1 and current.start == here.start:
                home = None
            if home is not None and self._begins_statement((current, following, third), blocks, home, nested):
                self._resume(blocks, home, current, dropped_from)
                return
            if nested == 0 and (begun or current.start > here.start) and self._begins_item(current, following, inner):
                self._resume(blocks, len(blocks) - 1, current, dropped_from)
                return
            if current.text in {"{", "[", "("} and current.kind == "sign":
                nested += 1
            elif current.text in {"}", "]", ")"} and current.kind == "sign":
                if nested:
                    nested -= 1
                elif current.text == "}" and inner.brace is not None:
                    self._resume(blocks, len(blocks) - 1, current, dropped_from)
                    return
                elif current.text == "}" and self._closed_for_them:
                    self._closed_for_them -= 1
            current, following, third = following, third, next(lexemes)

    def _begins_statement(
        self, lexemes: tuple[Lexeme, Lexeme, Lexeme], blocks: list[Block], home: int, nested: int
    ) -> bool:
        """Whether a word that may begin a statement of an enclosing block is likely to do so here."""
        here, after, third = lexemes
        if after.text in {"=", "<-", "->", ",", "]", ")", "}"} and after.kind == "sign":
            return False
        if home == len(blocks) - 1 and nested == 0:
            return True
        opener = blocks[home + 1].brace if home + 1 < len(blocks) else None
        limit = self.source.indentation(opener.start_pos or 0) if opener is not None else 0
        first = self.source.is_first_on_line(here.start)
        if first and self.source.indentation(here.start) <= limit:
            return True
        kind = terminal(here)
        shape = (kind, behind(kind, after), terminal(third))
        shaped = self._stack.accepts(*shape, height=blocks[home].height)
        return nested == 0 and shaped

    def _begins_item(self, here: Lexeme, after: Lexeme, inner: Block) -> bool:
        if inner.kind not in {"attributes", "couplings"}:
            return False
        if here.kind == "word" and after.text == "=":
            return True
        return (
            inner.kind == "couplings" and after.text == "<-" and (here.kind in {"word", "string"} or here.text == "*")
        )

    def _resume(self, blocks: list[Block], home: int, at: Lexeme, dropped_from: int) -> None:
        inner = blocks[-1]
        self._note_skipped(dropped_from, at.start)
        self._stack.cut(inner.height)
        end = self.source.end_before(at.start)
        for _ in blocks[home + 1 :]:
            self._stack.feed(self._token("RBRACE", "}", end, end))
            if at.kind != "end":
                self._closed_for_them += 1
        self._go_on(at.start)

    def _start_of_dropped(self, height: int, otherwise: int) -> int:
        place = self._stack.start_of(height)
        if isinstance(place, Token):
            return place.start_pos or 0
        if isinstance(place, Span):
            return self.source.offset(place.line, place.column)
        return otherwise

    def _note_skipped(self, start: int, end: int) -> None:
        if start >= end:
            return
        names = []
        for lexeme in self.source.lexemes(start):
            if lexeme.start >= end:
                break
            if lexeme.kind == "word":
                names.append(lexeme.text)
            elif lexeme.kind == "string":
                names.append(lexeme.text.strip('"'))
        self.skipped.append(Skipped(frozenset(names), self.source.span(start, self.source.end_before(end))))
