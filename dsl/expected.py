"""What the grammar expects at a place, in the language's own words; and which terminal a piece of text would be."""

from __future__ import annotations

from collections.abc import Iterable

from .scan import Lexeme

STATEMENTS = frozenset(
    [
        "PLAN",
        "INCLUDE",
        "PARAM",
        "LET",
        "FOR",
        "HOST",
        "SOURCE",
        "DRIVE",
        "POOL",
        "TARGET",
        "BACKUP",
        "MIRROR",
        "RESTORE",
        "COPY",
        "CHAIN",
        "REQUIRE",
    ]
)
RESERVED = STATEMENTS | {"AGENT"}
GROUPS = frozenset({"BACKUP", "MIRROR", "RESTORE", "COPY"})
VALUES = frozenset(["STRING", "NUMBER", "SIZE", "RATE", "DURATION", "NAME", "TRUE", "FALSE", "LSQB"])
NAMES = frozenset({"NAME", "STRING"})
SELECTORS = frozenset({"ALL", "LATEST", "OBJECT"})

SIGNS = {
    "{": "LBRACE",
    "}": "RBRACE",
    "[": "LSQB",
    "]": "RSQB",
    "(": "LPAR",
    ")": "RPAR",
    "=": "EQUAL",
    ",": "COMMA",
    "..": "DOTS",
    ".": "DOT",
    "->": "RIGHT",
    "<-": "LEFT",
    ">=": "AT_LEAST",
    "<=": "AT_MOST",
    "==": "EXACTLY",
    "*": "STAR",
}
SPELLING = {terminal: f"`{sign}`" for sign, terminal in SIGNS.items()} | {"$END": "the end of the text"}
_ORDER = ["EQUAL", "LEFT", "RIGHT", "LBRACE", "COMMA", "DOT", "DOTS", "LPAR", "RPAR", "RSQB", "RBRACE", "$END"]
_LONGEST_SHOWN = 40


def in_words(expected: Iterable[str]) -> str:
    """``an attribute or `}` ``, ``a name``, ``a value``: a set of terminals as a reader of the language knows them."""
    rest = set(expected)
    said: list[str] = []
    if "PLAN" in rest:
        if "NAME" in rest:
            said += ["a coupling", "an attribute"] if "STAR" in rest else ["an attribute"]
            rest -= RESERVED | NAMES | {"STAR"}
        else:
            said.append("a statement")
            rest -= STATEMENTS | {"$END"}
    elif "NUMBER" in rest:
        said.append("a value")
        rest -= VALUES
    elif "LATEST" in rest:
        said.append("a feed (a source, `AGENT.BUFFER` or a selector)")
        rest -= NAMES | SELECTORS | {"CHAIN"}
    elif "NAME" in rest:
        said.append("a name")
        rest -= NAMES
    elif "STRING" in rest:
        said.append("a string")
        rest -= NAMES
    if {"AT_LEAST", "AT_MOST", "EXACTLY"} <= rest:
        said.append("`>=`, `<=` or `==`")
        rest -= {"AT_LEAST", "AT_MOST", "EXACTLY"}
    if said or len(rest) > 1:
        rest -= {"DOT", "DOTS"}
    words = sorted(rest - SPELLING.keys())
    said += [f"`{word.lower()}`" for word in words]
    said += [SPELLING[t] for t in sorted(rest & SPELLING.keys(), key=lambda t: _ORDER.index(t) if t in _ORDER else 99)]
    return said[0] if len(said) == 1 else ", ".join(said[:-1]) + " or " + said[-1] if said else "nothing more"


def shown(text: str) -> str:
    """*text*, cut where it is too long for a message."""
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 1] + "…"


def found(lexeme: Lexeme) -> str:
    """A piece of text as a message names it."""
    if lexeme.kind == "end":
        return "the end of the text"
    text = shown(lexeme.text)
    if len(text) == 1 and not text.isprintable():
        return f"the character U+{ord(text):04X}"
    if lexeme.kind == "string":
        return f"the string {text}"
    return f"`{text}`"


def terminal(lexeme: Lexeme) -> str:
    """The terminal that a lexeme would be where any terminal may stand; ``?`` for text that is none."""
    if lexeme.kind == "end":
        return "$END"
    if lexeme.kind == "string":
        return "STRING" if len(lexeme.text) > 1 and lexeme.text.endswith('"') else "?"
    if lexeme.kind == "quantity":
        return "NUMBER"
    if lexeme.kind == "word":
        upper = lexeme.text.upper()
        if upper in RESERVED and lexeme.text.islower():
            return upper
        return "NAME" if lexeme.text.isascii() else "?"
    return SIGNS.get(lexeme.text, "?")


def behind(before: str, lexeme: Lexeme) -> str:
    """The terminal that a lexeme would be behind the terminal *before*: `group` is a word only behind its kind."""
    return "GROUP" if before in GROUPS and lexeme.text == "group" else terminal(lexeme)
