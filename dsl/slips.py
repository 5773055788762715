"""Slips of the pen that have one likely mend. Each function knows one and says how to go on, or gives None.

A mend is only offered where the parser accepts what follows it, so that it cannot make a second mistake out of one.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass

from lark import Token

from . import ast, units
from .expected import NAMES, RESERVED, SPELLING, found, in_words, shown, terminal
from .scan import Lexeme, Source
from .stack import Stack
from .strings import quote


@dataclass(frozen=True, slots=True)
class Mend:
    """What to say of the text between two offsets, and how to go on.

    ``pop`` values are taken from the stack, then the tokens of ``feed`` (type, text) are fed: they bear the place of
    that text if ``covers``, else none of their own. Parsing resumes at ``resume``. Without a message nothing is said.
    """

    message: str
    start: int
    end: int
    resume: int
    help: str = ""
    feed: tuple[tuple[str, str], ...] = ()
    pop: int = 0
    code: str = "TC101"
    covers: bool = False
    opener: Token | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """What a slip is recognised by: the parser's stack, what it expects, and the three lexemes at the error."""

    source: Source
    stack: Stack
    expected: frozenset[str]
    here: Lexeme
    after: Lexeme
    beyond: Lexeme
    unclosed: int
    """How many more `{` than `}` the file has."""

    def fits(self, *terminals: str, then: tuple[Lexeme, ...]) -> bool:
        """Whether the parser would take these terminals and then those lexemes."""
        following = [kind for lexeme in then if (kind := terminal(lexeme)) != "?"]
        if "$END" in following:
            following = following[: following.index("$END") + 1]
        return self.stack.accepts(*terminals, *following)


def find(look: Look) -> Mend | None:
    """The mend of the slip at ``look.here``, if it is one of those known."""
    return next((mend for slip in _SLIPS if (mend := slip(look)) is not None), None)


def advice(stack: Stack, expected: frozenset[str], here: Lexeme) -> str:
    """Help for what no mend is known for: where the thing found belongs. *stack* is settled, *expected* was before."""
    kind, block = terminal(here), stack.blocks()[-1].kind
    if here.text == "<-" and any(isinstance(v, Token) and v.type == "CHAIN" for v in stack.values):
        return "a chain is written the way the data flows: `chain SOURCE -> AGENT.BUFFER -> …`"
    if kind == "AGENT" and block == "statements":
        return "an agent stands inside a group: `backup group NAME { agent … }`"
    if kind in {"BACKUP", "MIRROR", "RESTORE", "COPY", "SOURCE", "DRIVE", "CHAIN"} and block == "agents":
        return "a group holds agents only"
    if kind in RESERVED and "NAME" in expected:
        return f"`{here.text}` is a word of the language; as a name write it in quotes: {quote(here.text)}"
    if block == "statements" and kind == "NAME" and "PLAN" in expected:
        return "a statement begins with one of its words: `source`, `drive`, `backup`, …"
    return ""


def _in_quotes(text: str) -> str:
    return f"write it in quotes: {shown(quote(text))}"


# ---------------------------------------------------------------- literals


def _string_without_end(look: Look) -> Mend | None:
    here = look.here
    if here.kind != "string" or terminal(here) == "STRING":
        return None
    in_name = "NUMBER" not in look.expected
    text = here.text.rstrip()
    tail = re.search(r"[\s{].*$" if in_name else r"\s*[\])}][\s\])}]*$", text[1:])
    if tail is not None and (in_name or len(re.sub(r"\s", "", tail.group())) <= look.stack.depth()):
        text = text[: tail.start() + 1]
    end = here.start + len(text)
    feed = (("STRING", quote(text[1:])),) if "STRING" in look.expected else ()
    help = 'close it with `"` on the same line; a line end inside is written `\\n`'
    resume = _end_on_next_line(look) or end
    return Mend("a string that does not end", here.start, end, resume, help, feed, code="TC102", covers=True)


def _string_without_quote(look: Look) -> Mend | None:
    """``["/srv/www, "/srv/mail"]``: the string has taken the next one's opening quote for its end."""
    values, start = look.stack.values, look.here.start
    if not values or not isinstance(values[-1], ast.String) or look.source.text[start - 1] != '"':
        return None
    span = values[-1].span
    line = look.source.text[look.source.line_start(span.line) :].split("\n", 1)[0]
    if line.replace('\\"', "").count('"') % 2 == 0:
        return None
    begin = look.source.offset(span.line, span.column)
    match = re.compile(r'"[^\s,\]})"]*').match(look.source.text, begin)
    if match is None or not look.stack.accepts("STRING", height=len(values) - 1):
        return None
    return Mend(
        "a string that does not end",
        begin,
        match.end(),
        match.end(),
        'close it with `"`',
        (("STRING", quote(match.group()[1:])),),
        pop=1,
        code="TC102",
        covers=True,
    )


def _end_on_next_line(look: Look) -> int | None:
    """Where a string that was broken over two lines ends: the second line has a quote too many."""
    line = re.compile(r"[^\n]*\n([^\n]*)").match(look.source.text, look.here.start)
    if line is None or line[1].replace('\\"', "").count('"') % 2 == 0:
        return None
    return look.source.text.index('"', line.start(1)) + 1


def _unreadable_quantity(look: Look) -> Mend | None:
    here = look.here
    if here.kind != "quantity" or "NUMBER" not in look.expected:
        return None
    quantity = units.read(here.text)
    if not isinstance(quantity, units.Unreadable):
        return None
    feed = (("NUMBER", "0"),)
    return Mend(quantity.message, here.start, here.end, here.end, quantity.help, feed, code="TC103", covers=True)


_FOREIGN_QUOTES = re.compile(r"'([^'\r\n]*)'|[“”„]([^“”\"\r\n]*)[“”\"]|‘([^‘’\r\n]*)’|`([^`\r\n]*)`")


def _foreign_quotes(look: Look) -> Mend | None:
    match = _FOREIGN_QUOTES.match(look.source.text, look.here.start)
    if match is None or "STRING" not in look.expected:
        return None
    text = quote(next(group for group in match.groups() if group is not None))
    return Mend(
        "a string stands in double quotes",
        match.start(),
        match.end(),
        match.end(),
        _in_quotes(text[1:-1]),
        (("STRING", text),),
        covers=True,
    )


_UNQUOTED = re.compile(r"[^\s\"#{}\[\](),=]+")
_PATH_STARTS = ("/", "~", ".", "@", "$", "%", "-", "+", "\\", ":")


def _unquoted_text(look: Look) -> Mend | None:
    """``files = /home``, ``source 3par``, ``source café``: text where a name or a value may stand."""
    here = look.here
    wants_name = bool(look.expected & NAMES)
    if not wants_name or "STRING" not in look.expected or here.kind in {"string", "end"}:
        return None
    path = here.kind == "sign" and here.text[0] in _PATH_STARTS and here.text not in {"->", "..", "-"}
    word = terminal(here) == "?" and here.kind == "word"
    if not (path or word or (here.kind == "quantity" and "NUMBER" not in look.expected)):
        return None
    match = _UNQUOTED.match(look.source.text, here.start)
    if match is None:
        return None
    text = quote(match.group())
    message = f"`{shown(match.group())}` is no {'value' if 'NUMBER' in look.expected else 'name'}"
    help = _in_quotes(match.group())
    return Mend(message, match.start(), match.end(), match.end(), help, (("STRING", text),), covers=True)


_REST_OF_NAME = re.compile(r"(?:(?!->|<-)[\w.@:/+-])+")


def _name_that_wants_quotes(look: Look) -> Mend | None:
    """``source web-01``: the parser has taken ``web`` for the name."""
    values, here = look.stack.values, look.here
    if not values or not isinstance(values[-1], ast.Name) or here.start == 0:
        return None
    before = look.source.text[here.start - 1]
    match = _REST_OF_NAME.match(look.source.text, here.start)
    if match is None or not (before.isalnum() or before == "_") or here.text in {".", ":"}:
        return None
    span = values[-1].span
    start = look.source.offset(span.line, span.column)
    whole = look.source.text[start : match.end()]
    if not look.stack.accepts("STRING", height=len(values) - 1):
        return None
    return Mend(
        f"`{shown(whole)}` is no name",
        start,
        match.end(),
        match.end(),
        _in_quotes(whole),
        (("STRING", quote(whole)),),
        pop=1,
        covers=True,
    )


# ---------------------------------------------------------------- words of the language as names


def _word_as_name(look: Look) -> Mend | None:
    here = look.here
    if terminal(here) not in RESERVED or "STRING" not in look.expected or "PLAN" in look.expected:
        return None
    if not look.fits("STRING", then=(look.after,)):
        return None
    if "NUMBER" in look.expected and not look.fits("STRING", then=(look.after, look.beyond)):
        return None
    return _quoted_word(here.text, here.start, here.end, 0)


def _misspelt(look: Look) -> Mend | None:
    """``sorce D1 {…}``, ``backup grup x {…}``."""
    here = look.here
    words = {kind.lower(): kind for kind in look.expected & (RESERVED | {"GROUP", "OF", "IN"})}
    if here.kind != "word" or not words or "NAME" in look.expected:
        return None
    near = difflib.get_close_matches(here.text.lower()[:20], sorted(words), n=1, cutoff=0.7)
    if not near or not look.fits(words[near[0]], then=(look.after, look.beyond)):
        return None
    return Mend(
        f"expected {in_words(look.expected)}, found `{here.text}`",
        here.start,
        here.end,
        here.end,
        f"did you mean `{near[0]}`?",
        ((words[near[0]], near[0]),),
        covers=True,
    )


def _word_as_buffer(look: Look) -> Mend | None:
    """``host <- D1``: the word has been taken for an attribute."""
    values = look.stack.values
    if look.here.text != "<-" or "LEFT" in look.expected or not _reserved_on_top(look.stack):
        return None
    if not look.stack.accepts("STRING", "LEFT", height=len(values) - 1):
        return None
    token = values[-1]
    return _quoted_word(str(token), token.start_pos or 0, token.end_pos or 0, 1)


def _quoted_word(word: str, start: int, end: int, pop: int) -> Mend:
    return Mend(
        f"`{word}` is a word of the language, not a name",
        start,
        end,
        end,
        f"write it in quotes: {quote(word)}",
        (("STRING", quote(word)),),
        pop=pop,
        covers=True,
    )


def _reserved_on_top(stack: Stack) -> bool:
    top = stack.values[-1] if stack.values else None
    return isinstance(top, Token) and top.type in RESERVED and "EQUAL" in stack.expected()


# ---------------------------------------------------------------- blocks and items


def _statement_taken_for_attribute(look: Look) -> Mend | None:
    """``source`` in a block whose ``}`` is missing looks like an attribute until the next word: go back to it."""
    if not _reserved_on_top(look.stack):
        return None
    token = look.stack.values[-1]
    begins = look.here.kind in {"word", "string"}
    if not begins or look.fits("EQUAL", then=(look.here, look.after, look.beyond)):
        return None
    height = len(look.stack.values) - 1
    block = look.stack.blocks()[-1]
    brace = block.brace
    start, end = token.start_pos or 0, token.end_pos or 0
    closing = _closing_braces(look, token)
    if brace is None or not closing:
        return None
    return Mend(
        f"expected {in_words(look.stack.expected(height))}, found `{token}`",
        start,
        end,
        start,
        "`}` is missing before it",
        closing,
        pop=1,
        opener=brace,
    )


def _coupling_taken_for_attribute(look: Look) -> Mend | None:
    """``B1 <- D1 { depth = 2  B2 <- D2``: the ``}`` of the first coupling is missing."""
    values = look.stack.values
    brace = look.stack.blocks()[-1].brace
    if look.here.text != "<-" or brace is None or not values or not isinstance(values[-1], ast.Name):
        return None
    height = len(values) - 1
    if not look.stack.accepts("RBRACE", "NAME", "LEFT", height=height):
        return None
    name = values[-1]
    start = look.source.offset(name.span.line, name.span.column)
    return Mend(
        f"expected {in_words(look.stack.expected(height))}, found `{shown(name.text)}`",
        start,
        look.source.offset(name.span.end_line, name.span.end_column),
        start,
        "`}` is missing before it",
        (("RBRACE", "}"),),
        pop=1,
        opener=brace,
    )


def _closing_braces(look: Look, token: Token) -> tuple[tuple[str, str], ...]:
    """As many ``}`` as lead to a block in which the word begins a statement."""
    height = len(look.stack.values) - 1
    kinds = (token.type, terminal(look.here))
    for count in range(1, len(look.stack.blocks())):
        if look.stack.accepts(*["RBRACE"] * count, *kinds, height=height):
            return (("RBRACE", "}"),) * count
    return ()


def _value_missing(look: Look) -> Mend | None:
    """``files = exclude = […]``: the next attribute has been taken for the value."""
    values = look.stack.values
    if look.here.text != "=" or len(values) < 3:
        return None
    name, equal = values[-1], values[-2]
    if not isinstance(name, ast.Name) or not isinstance(equal, Token) or equal.type != "EQUAL":
        return None
    start = look.source.offset(name.span.line, name.span.column)
    if not look.source.is_first_on_line(start) or look.stack.blocks()[-1].height != len(values) - 3:
        return None
    message = f"expected a value, found the next attribute, `{shown(name.text)}`"
    return Mend(message, start, start + len(name.text), start, pop=3)


# ---------------------------------------------------------------- one sign for another, one too few, one too many

_ARROWS_RIGHT = frozenset({"=>", "-->", "→", "--->", ">", "-", "⇒", "➔"})
_ARROWS_LEFT = frozenset({"<=", "<--", "←", "<---", "<", "⇐"})
_EQUALS = frozenset({":", ":=", "==", "=>", "->"})
_OPERATORS = {"=": "EXACTLY", "=>": "AT_LEAST", "≥": "AT_LEAST", ">": "AT_LEAST"}
_OPERATORS |= {"=<": "AT_MOST", "≤": "AT_MOST", "<": "AT_MOST"}
_SPELLED = {"EQUAL": "=", "RIGHT": "->", "LEFT": "<-", "EXACTLY": "==", "AT_LEAST": ">=", "AT_MOST": "<=", "IN": "in"}


def _another_sign(look: Look) -> Mend | None:
    here = look.here
    meant = _meant_by(here.text, look.expected, look.stack)
    if here.kind not in {"sign", "word"} or not meant or not look.fits(meant, then=(look.after,)):
        return None
    sign = _SPELLED[meant]
    strict = here.text in {"<", ">"} and meant in {"AT_LEAST", "AT_MOST"}
    return Mend(
        f"expected {in_words(look.expected)}, found `{here.text}`",
        here.start,
        here.end,
        here.end,
        f"write `{sign}` with the next number" if strict else f"write `{sign}`",
        ((meant, sign),),
        covers=True,
    )


def _meant_by(text: str, expected: frozenset[str], stack: Stack) -> str:
    """The terminal that a sign was written for, or nothing."""
    if "AT_LEAST" in expected:
        return _OPERATORS.get(text, "")
    if "IN" in expected:
        return "IN" if text in {"=", ":", "of"} else ""
    if "RIGHT" in expected and text in _ARROWS_RIGHT:
        return "RIGHT"
    if "LEFT" in expected and (text in _ARROWS_LEFT or (text == "->" and "RIGHT" not in expected)):
        return "LEFT"
    if {"LEFT", "RIGHT"} <= expected and text in {"=", ":", ":="}:
        return _arrow_of_group(stack)
    return "EQUAL" if "EQUAL" in expected and (text in _EQUALS or text == "is") else ""


def _arrow_of_group(stack: Stack) -> str:
    """The arrow that agents have in the group that is open."""
    return "LEFT" if any(isinstance(v, Token) and v.type == "RESTORE" for v in stack.values) else "RIGHT"


_INSERTED = ("EQUAL", "RIGHT", "LEFT", "COMMA", "GROUP", "IN", "LBRACE")


_CLOSING = (("RSQB", "]", "LSQB"), ("RPAR", ")", "LPAR"))


def _sign_missing(look: Look) -> Mend | None:
    """A sign was left out before *here*, or *here* is no sign of the language and stands in its place."""
    here = look.here
    unknown = here.kind == "sign" and terminal(here) == "?"
    then = (look.after, look.beyond) if unknown else (here, look.after, look.beyond)
    if here.kind == "end" or (terminal(here) == "?" and not unknown):
        return None
    for kind in _INSERTED:
        if kind == "LBRACE" and look.unclosed >= 0:
            continue
        if kind in look.expected and look.fits(kind, then=then):
            if kind == "RIGHT" and "LEFT" in look.expected:
                return _put_in(look, _arrow_of_group(look.stack))
            return _put_in(look, kind)
    for kind, _, opening in _CLOSING:
        if kind in look.expected and look.fits(kind, then=then[:2]):
            return _put_in(look, kind, look.stack.opener(opening))
    if unknown and look.unclosed > 0 and look.fits("RBRACE", then=then):
        return _put_in(look, "RBRACE")
    return None


def _put_in(look: Look, kind: str, opener: Token | None = None) -> Mend:
    here = look.here
    unknown = terminal(here) == "?"
    text = _SPELLED.get(kind) or SPELLING.get(kind, "").strip("`") or kind.lower()
    return Mend(
        f"expected {in_words(look.expected)}, found {found(here)}",
        here.start,
        here.end,
        here.end if unknown else here.start,
        f"write `{text}`" if unknown else f"`{text}` is missing before it",
        ((kind, text),),
        opener=opener,
        covers=unknown,
    )


def _round_list(look: Look) -> Mend | None:
    """``files = ("/a", "/b")``."""
    here = look.here
    if here.text == "(" and "LSQB" in look.expected:
        return Mend(
            f"expected {in_words(look.expected)}, found `(`",
            here.start,
            here.end,
            here.end,
            "a list stands in square brackets: `[a, b]`",
            (("LSQB", "("),),
            covers=True,
        )
    opener = look.stack.opener("LSQB")
    if here.text == ")" and "RSQB" in look.expected and opener is not None and opener == "(":
        return Mend("", here.start, here.end, here.end, "", (("RSQB", ")"),), covers=True)
    return None


def _sign_too_many(look: Look) -> Mend | None:
    """``,`` or ``;`` between attributes, ``= =``, a ``,`` at the head of a list."""
    here = look.here
    if here.kind != "sign" or here.text in {"}", "[", "]", "(", ")", "*"}:
        return None
    if here.text == "{" and look.unclosed <= 0:
        return None
    if terminal(look.after) == "?" or not look.fits(then=(look.after, look.beyond)):
        return None
    if here.text in {",", ";"} and "RSQB" not in look.expected:
        help = "nothing stands between attributes or statements: leave it out"
    else:
        help = "leave it out"
    return Mend(f"expected {in_words(look.expected)}, found {found(here)}", here.start, here.end, here.end, help)


_SLIPS: tuple[Callable[[Look], Mend | None], ...] = (
    _string_without_end,
    _string_without_quote,
    _unreadable_quantity,
    _name_that_wants_quotes,
    _foreign_quotes,
    _word_as_buffer,
    _statement_taken_for_attribute,
    _coupling_taken_for_attribute,
    _another_sign,
    _unquoted_text,
    _word_as_name,
    _misspelt,
    _value_missing,
    _round_list,
    _sign_missing,
    _sign_too_many,
)
