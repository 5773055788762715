"""Lark's parse table for ``grammar.lark``, as the quick parser (``quick.py``) wants it.

``grammar.lark`` is the one grammar. ``from_lark`` asks Lark for its LALR(1) table and, in each of its states, for what
its contextual lexer makes of each kind of token; ``tables.json`` holds the answer, so that a plan without syntax errors
is parsed without Lark (whose table takes longer to make than an everyday plan takes to check). ``tools/make-tables``
writes it, a test compares it, and a table that is not this grammar's is not used.

A token is looked up by its *key*: a word of the language or a sign by its text, all else by a word of ``KINDS``.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.resources
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

#: What stands for a token that is no word of the language: no token has such a text, for want of the blank.
NAME, STRING, NUMBER, SIZE, RATE, DURATION = "a name", "a string", "a number", "a size", "a rate", "a duration"
END = "the end"
#: key → a token of that kind
KINDS: Mapping[str, str] = {NAME: "x", STRING: '"x"', NUMBER: "1", SIZE: "1kB", RATE: "1kB/s", DURATION: "1s"}

#: How a shifted token becomes a value: as it is, a name, a string, a quantity; a name from a string, a variable.
RAW, A_NAME, A_STRING, A_QUANTITY, QUOTED, REFERENCE = range(6)
MAKERS = 8
#: What a rule does: pass its one part on, begin a list, lengthen it, or call the function of its name.
PASS, BEGIN, APPEND, CALL = range(4)

_MADE_AS = {
    "NAME": A_NAME,
    "LATEST": A_NAME,
    "OBJECT": A_NAME,
    "STRING": A_STRING,
    "NUMBER": A_QUANTITY,
    "SIZE": A_QUANTITY,
    "RATE": A_QUANTITY,
    "DURATION": A_QUANTITY,
}


@dataclass(frozen=True, slots=True)
class Rule:
    """One reduction: *length* parts become an *origin*; of ``lists`` (places, last first) the items are parts, too."""

    length: int
    origin: str
    does: int
    name: str
    lists: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Tables:
    """The automaton. ``actions[state][key]`` is a state to go to × ``MAKERS`` + how the token becomes a value, or the
    complement of the number of a rule; ``gotos[state][origin]`` the state behind a reduction, None where it lengthens
    the list that lies on the stack. ``words`` are all tokens that are their own keys; ``pattern`` is the lexer.
    """

    start: int
    actions: tuple[Mapping[str, int], ...]
    gotos: tuple[Mapping[str, int | None], ...]
    rules: tuple[Rule, ...]
    words: frozenset[str]
    pattern: str


def grammar_text() -> str:
    """The grammar as it is shipped with the package."""
    return importlib.resources.files("tapechain").joinpath("grammar.lark").read_text(encoding="utf-8")


@functools.cache
def digest() -> str:
    """The SHA-256 of the grammar, in hexadecimal digits: it names the table, and what was parsed with it."""
    return hashlib.sha256(grammar_text().encode()).hexdigest()


@functools.cache
def tables() -> Tables:
    """The table of the shipped grammar: as it was shipped too, or, where that is another grammar's, from Lark."""
    shipped = importlib.resources.files("tapechain").joinpath("dsl", "tables.json")
    try:
        document = json.loads(shipped.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        document = {}
    if document.get("grammar") != digest():
        document = from_lark(grammar_text())
    return Tables(
        document["start"],
        tuple(document["actions"]),
        tuple(document["gotos"]),
        tuple(
            Rule(length, origin, does, name, tuple(lists)) for length, origin, does, name, lists in document["rules"]
        ),
        frozenset(document["words"]),
        document["pattern"],
    )


# ---------------------------------------------------------------- from Lark


def from_lark(text: str) -> dict[str, Any]:
    """The content of ``tables.json`` for the grammar *text*."""
    from lark import Lark

    lark: Any = Lark(text, parser="lalr", lexer="contextual", maybe_placeholders=False)
    table = lark.parser.parser._parse_table
    patterns = {terminal.name: terminal.pattern for terminal in lark.terminals}
    words = sorted(filter(None, map(_text_of, lark.terminals)))
    rules = {rule: _rule(rule) for rule in lark.rules}
    numbers = {rule: number for number, rule in enumerate(rules)}
    samples = {word: word for word in words} | dict(KINDS)
    actions: list[dict[str, int]] = []
    for state, row in table.states.items():
        assert state == len(actions)
        actions.append({})
        for key, sample in samples.items():
            terminal = _lexed(lark, state, sample)
            if terminal is not None and terminal in row:
                actions[state][key] = _action(row[terminal], _MADE_AS.get(terminal, RAW), numbers)
        if "$END" in row and row["$END"][0].name == "Reduce":
            actions[state][END] = _action(row["$END"], RAW, numbers)
    gotos = [
        {symbol: entry[1] for symbol, entry in row.items() if not symbol.isupper() and symbol != "$END"}
        for row in table.states.values()
    ]
    _shorten(actions, gotos, tuple(rules.values()))
    literals = [name for name in patterns if _text_of_pattern(patterns[name]) is None and name not in {"WHITE", "NAME"}]
    signs = sorted((word for word in words if not word.isalpha()), key=len, reverse=True)
    by_sign = {_text_of(terminal): terminal.pattern.to_regexp() for terminal in lark.terminals}
    pieces = [
        # Every word of the language is shaped like a name, and so lexed like one.
        r"[A-Za-z_][A-Za-z0-9_]*\b",
        *(by_sign[sign] for sign in signs),
        *(patterns[name].to_regexp() for name in literals),
    ]
    start, actions, gotos, numbered = _canonical(table.start_states["start"], actions, gotos, tuple(rules.values()))
    return {
        "grammar": hashlib.sha256(text.encode()).hexdigest(),
        "start": start,
        "words": words,
        "pattern": "|".join(pieces),
        "rules": [[r.length, r.origin, r.does, r.name, r.lists] for r in numbered],
        "actions": actions,
        "gotos": gotos,
    }


def _text_of(terminal: Any) -> str | None:
    return _text_of_pattern(terminal.pattern)


def _text_of_pattern(pattern: Any) -> str | None:
    r"""The one text that a terminal matches (``plan\b``, ``=(?![=>])``), or None."""
    if pattern.type == "str":
        return str(pattern.value)
    bare = str(pattern.value).removesuffix(r"\b").partition("(?!")[0].replace("\\", "")
    return bare if bare.isalpha() or bare in {"=", "."} else None


def _lexed(lark: Any, state: int, sample: str) -> str | None:
    """The terminal that Lark's contextual lexer makes of *sample* in *state*, or None where that is an error."""
    from lark.exceptions import UnexpectedInput
    from lark.lexer import LexerState

    lexer = lark.parser.lexer.lexers[state]
    try:
        token = lexer.next_token(LexerState(_slice(sample)), None)
    except (UnexpectedInput, EOFError):
        return None
    return str(token.type) if token == sample else None


def _slice(text: str) -> Any:
    from lark.utils import TextSlice

    return TextSlice.cast_from(text)


def _rule(rule: Any) -> Rule:
    expansion = [symbol.name for symbol in rule.expansion]
    origin = str(rule.origin.name)
    lists = tuple(i for i in reversed(range(len(expansion))) if expansion[i].startswith("__"))
    name = str(rule.alias or origin)
    if origin.startswith("__"):
        return Rule(len(expansion), origin, APPEND if expansion[0] == origin else BEGIN, "", ())
    if len(expansion) == 1 and rule.options.expand1 and not rule.alias:
        return Rule(1, origin, PASS, "", ())
    return Rule(len(expansion), origin, CALL, name, lists)


def _action(entry: tuple[Any, Any], maker: int, numbers: Mapping[Any, int]) -> int:
    action, argument = entry
    return argument * MAKERS + maker if action.name == "Shift" else ~numbers[argument]


def _shorten(actions: list[dict[str, int]], gotos: list[dict[str, int | None]], rules: tuple[Rule, ...]) -> None:
    """Go past states in which there is one thing to do, whatever follows: to pass a part on, or to lengthen a list.

    What follows is then looked at a little later: that finds an error no less, before another token is shifted.
    """
    only = [_only_reduction(row, rules) for row in actions]
    for row in gotos:
        for origin in row:
            while (target := row[origin]) is not None and (rule := only[target]) is not None:
                if rule.does == PASS:
                    row[origin] = row[rule.origin]
                elif rule.does == APPEND and rule.length == 2:
                    row[origin] = None
                else:
                    break
    folded = {
        ("name", A_NAME): A_NAME,
        ("name", A_STRING): QUOTED,
        ("reference", A_NAME): REFERENCE,
    }
    for state, actions_row in enumerate(actions):
        for key, action in list(actions_row.items()):
            if action < 0:
                continue
            shifted, maker = divmod(action, MAKERS)
            found = only[shifted]
            if found is None or found.length != 1:
                continue
            name = "name" if found.name in {"group_name", "variable", "soft_name"} else found.name
            made = maker if found.does == PASS else folded.get((name, maker))
            behind = gotos[state].get(found.origin)
            if made is not None and behind is not None:
                actions_row[key] = behind * MAKERS + made


def _canonical(
    start: int, actions: list[dict[str, int]], gotos: list[dict[str, int | None]], rules: tuple[Rule, ...]
) -> tuple[int, list[dict[str, int]], list[dict[str, int | None]], list[Rule]]:
    """States that can be reached, in the order in which they are, and rules by name: Lark numbers them as sets fall."""
    order: dict[int, int] = {start: 0}
    for state in (queue := [start]):
        onward = [action // MAKERS for _, action in sorted(actions[state].items()) if action >= 0]
        onward += [target for _, target in sorted(gotos[state].items()) if target is not None]
        for target in onward:
            if target not in order:
                order[target] = len(order)
                queue.append(target)
    kept = sorted(set(rules), key=lambda rule: (rule.origin, rule.name, rule.length, rule.does, rule.lists))
    number = {rule: i for i, rule in enumerate(kept)}

    def renamed(action: int) -> int:
        if action < 0:
            return ~number[rules[~action]]
        return order[action // MAKERS] * MAKERS + action % MAKERS

    return (
        0,
        [{key: renamed(action) for key, action in actions[state].items()} for state in order],
        [{o: None if t is None else order[t] for o, t in gotos[state].items()} for state in order],
        kept,
    )


def _only_reduction(row: Mapping[str, int], rules: tuple[Rule, ...]) -> Rule | None:
    found = set(row.values())
    action = found.pop() if len(found) == 1 else 0
    return rules[~action] if action < 0 else None


def dumped(document: Mapping[str, Any]) -> str:
    """The text of ``tables.json``: a state a line, so that a change of the grammar can be read as a diff."""
    lines = [f"{json.dumps(key)}: {_lines(value)}" for key, value in document.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _lines(value: Any) -> str:
    if isinstance(value, list) and value and isinstance(value[0], dict | list):
        return "[\n" + ",\n".join(_compact(item) for item in value) + "\n]"
    return json.dumps(value)


def _compact(item: dict[str, Any] | Iterable[Any]) -> str:
    return json.dumps(item, sort_keys=True, separators=(",", ":"))
