"""Slips in strings, numbers and names. Each function knows one and says how to mend it, or gives None."""

from __future__ import annotations

import difflib
import re

from . import ast, units
from .expected import NAMES, RESERVED, in_words, shown, terminal
from .mend import Look, Mend, reserved_on_top
from .spans import Span
from .strings import quote


def _in_quotes(text: str) -> str:
    return f"write it in quotes: {shown(quote(text))}"


# ---------------------------------------------------------------- literals


def string_without_end(look: Look) -> Mend | None:
    """``files = "/home`` and the line ends."""
    here = look.here
    if here.kind != "string" or terminal(here) == "STRING":
        return None
    in_name = "NUMBER" not in look.expected
    text = here.text.rstrip()
    # What closes the blocks behind a value, with a remark behind it, was not meant to be in the string.
    tail = re.search(r"([\s{]).*$" if in_name else r"(\s*[\])}][\s\])}]*)(\s#.*)?$", text[1:])
    if tail is not None and (in_name or len(re.sub(r"\s", "", tail[1])) <= look.stack.depth()):
        text = text[: tail.start() + 1]
    end = here.start + len(text)
    feed = (("STRING", quote(text[1:])),) if "STRING" in look.expected else ()
    help = 'close it with `"` on the same line; a line end inside is written `\\n`'
    resume = _end_on_next_line(look) or end
    return Mend("a string that does not end", here.start, end, resume, help, feed, code="TC102", covers=True)


def string_without_quote(look: Look) -> Mend | None:
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


def unreadable_quantity(look: Look) -> Mend | None:
    """``1Gb``, ``08``, ``1.2.3``: TC103, and 0 in its place."""
    here = look.here
    if here.kind != "quantity" or "NUMBER" not in look.expected:
        return None
    quantity = units.read(here.text)
    if not isinstance(quantity, units.Unreadable):
        return None
    feed = (("NUMBER", "0"),)
    return Mend(quantity.message, here.start, here.end, here.end, quantity.help, feed, code="TC103", covers=True)


_NUMBER_BEFORE = re.compile(r"(?<![\w.])((?:0|[1-9][0-9]*)(?:\.[0-9]+)?)[ \t]+$")
_UNIT = re.compile(r"[A-Za-z]+(?:/[A-Za-z]+)?(?![\w/])")


def unit_apart(look: Look) -> Mend | None:
    """``record = 1 MiB``: the unit has been taken for the next attribute's name, or stands where nothing may."""
    values = look.stack.values
    top = values[-1] if values else None
    name = top if isinstance(top, ast.Name) and "EQUAL" in look.expected else None
    start = look.source.offset(name.span.line, name.span.column) if name is not None else look.here.start
    source = look.source
    number = _NUMBER_BEFORE.search(source.text[source.line_start(source.line_of(start)) : start])
    unit = _UNIT.match(source.text, start)
    if number is None or unit is None:
        return None
    whole = number[1] + unit.group()
    quantity = units.read(whole)
    if isinstance(quantity, units.Unreadable):
        return None
    begin = start - len(number[0])
    message = f"`{shown(number[0] + unit.group())}` has a space before its unit"
    help = f"write `{shown(whole)}`"
    if name is not None:
        attribute = look.stack.last_attribute(len(values) - 1)
        if attribute is None or not isinstance(attribute.value, ast.Number):
            return None
        end = unit.end()
        value: ast.Value = _quantity(quantity, source.span(begin, end), whole)
        rest = _RANGE_BEHIND.match(source.text, end)
        high = units.read(rest[1] + rest[2]) if rest is not None else None
        if rest is not None and isinstance(high, units.Quantity):
            end = rest.end()
            value = ast.Range(
                value, _quantity(high, source.span(rest.start(1), end), rest[1] + rest[2]), source.span(begin, end)
            )
            message = f"`{shown(source.text[begin:end])}` has a space before a unit"
            help = f"write `{shown(f'{whole}..{rest[1]}{rest[2]}')}`"
        return Mend(message, begin, end, end, help, pop=1, code="TC103", value=value)
    kind = quantity.kind.upper()
    if not isinstance(top, ast.Number) or not look.stack.accepts(kind, height=len(values) - 1):
        return None
    return Mend(message, begin, unit.end(), unit.end(), help, ((kind, whole),), pop=1, code="TC103", covers=True)


_RANGE_BEHIND = re.compile(r"[ \t]*\.\.[ \t]*((?:0|[1-9][0-9]*)(?:\.[0-9]+)?)[ \t]*([A-Za-z]+(?:/[A-Za-z]+)?)(?![\w/])")


def _quantity(quantity: units.Quantity, span: Span, text: str) -> ast.Value:
    value = int(quantity.value)
    if quantity.kind == "size":
        return ast.Size(value, span, text)
    return ast.Rate(value, span, text) if quantity.kind == "rate" else ast.Duration(quantity.value, span, text)


_FOREIGN_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/|/\*[^\n]*", re.DOTALL)


def foreign_comment(look: Look) -> Mend | None:
    """``// …`` and ``/* … */``, where no value may stand."""
    match = _FOREIGN_COMMENT.match(look.source.text, look.here.start)
    if match is None or "NUMBER" in look.expected:
        return None
    end = match.start() + len(match.group().rstrip())
    first = match.start() + len(match.group().split("\n", 1)[0].rstrip())
    help = "a comment begins with `#` and ends with its line"
    return Mend(f"`{match.group()[:2]}` begins no comment", match.start(), first, end, help)


_FOREIGN_QUOTES = re.compile(r"'([^'\r\n]*)'|[“”„]([^“”\"\r\n]*)[“”\"]|‘([^‘’\r\n]*)’|`([^`\r\n]*)`")


def foreign_quotes(look: Look) -> Mend | None:
    """``'/home'``, and what word processors make of quotes."""
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


def unquoted_text(look: Look) -> Mend | None:
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


def name_that_wants_quotes(look: Look) -> Mend | None:
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


def word_as_name(look: Look) -> Mend | None:
    """``source host {…}``."""
    here = look.here
    if terminal(here) not in RESERVED or "STRING" not in look.expected or "PLAN" in look.expected:
        return None
    if look.after.text == "in" and look.fits("STRING", "IN", then=(look.beyond,)):
        return _quoted_word(here.text, here.start, here.end, 0)
    if not look.fits("STRING", then=(look.after,)):
        return None
    if "NUMBER" in look.expected and not look.fits("STRING", then=(look.after, look.beyond)):
        return None
    return _quoted_word(here.text, here.start, here.end, 0)


def misspelt(look: Look) -> Mend | None:
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


def word_as_buffer(look: Look) -> Mend | None:
    """``host <- D1``: the word has been taken for an attribute."""
    values = look.stack.values
    if look.here.text != "<-" or "LEFT" in look.expected or not reserved_on_top(look.stack):
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
