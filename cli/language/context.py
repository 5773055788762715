"""Where in a plan the cursor stands: read off the words before it, whole or not, so that it works while one types."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from ...dsl.expected import STATEMENTS

_TOKEN = re.compile(
    r'#[^\n]*|"(?:[^"\\\r\n]|\\[^\r\n])*"?|[A-Za-z_]\w*|<-|->|\.\.|[<>=]=|[0-9][\w.]*(?:/s?)?|\S', re.ASCII
)
_HEADS = frozenset(word.lower() for word in STATEMENTS)
_GROUPS = frozenset({"backup", "mirror", "restore", "copy"})
_DECLARATIONS = frozenset({"plan", "source", "drive", "pool", "target", "host"})
_NO_VALUE_END = frozenset({"=", "..", ",", "["})

Block = Literal["top", "group", "agent", "coupling", "plan", "source", "drive", "pool", "target", "host", "unknown"]


@dataclass(frozen=True, slots=True)
class Frame:
    """A block that is open: what it is, and what its head says."""

    block: Block
    group_kind: str = ""
    of: str = ""
    agent: str = ""
    variables: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Context:
    """What stands before the cursor.

    ``item`` are the words of the statement, attribute or coupling that is begun, without ``prefix``, the part of a word
    (or, in a string, of its text) that the cursor touches; it begins at the offset ``start``. ``given`` are the
    attributes that the block has before the cursor.
    """

    frame: Frame
    item: tuple[str, ...]
    prefix: str
    start: int
    place: Literal["code", "string", "comment"]
    given: tuple[str, ...] = ()

    @property
    def between(self) -> bool:
        """Whether a new attribute, coupling or statement may begin here."""
        item = self.item
        if not item:
            return True
        if len(item) > 1 and item[1] == "=":
            return _value_ends(item[2:])
        if len(item) > 1 and item[1] == "<-" and self.frame.block == "agent":
            return _feed_ends(item[2:])
        match item[0]:
            case "let" | "param":
                return len(item) > 3 and _value_ends(item[3:])
            case "plan" | "include":
                return len(item) == 2
            case "chain":
                return len(item) > 3 and item[-1] not in {"->", "."}
            case "require":
                return len(item) > 3 and item[-1] not in {",", "of", ">=", "<=", "=="}
        return False


def name_of(token: str) -> str:
    """The name that a word or string is."""
    if token.startswith('"'):
        return re.sub(r"\\(.)", r"\1", token[1:].removesuffix('"'))
    return token


def context(text: str, offset: int) -> Context:
    """Look at *text* up to *offset*. Time grows in proportion to it."""
    tokens = list(_TOKEN.finditer(text, 0, offset))
    prefix, start = "", offset
    place: Literal["code", "string", "comment"] = "code"
    if tokens and tokens[-1].end() == offset:
        last = tokens[-1].group()
        if last.startswith("#"):
            place, start = "comment", tokens.pop().start()
        elif last.startswith('"') and not _closed(last):
            place, prefix, start = "string", last[1:], tokens.pop().start() + 1
        elif last[0].isalnum() or last[0] == "_":
            prefix, start = last, tokens.pop().start()
    elif tokens and tokens[-1].group().startswith("#") and "\n" not in text[tokens[-1].end() : offset]:
        place = "comment"
    state = _State()
    for token in tokens:
        word = token.group()
        if not word.startswith("#"):
            state.feed(word)
    return Context(state.stack[-1], tuple(state.item), prefix, start, place, tuple(state.given[-1]))


def _closed(string: str) -> bool:
    return len(string) > 1 and string.endswith('"') and re.fullmatch(r'"(?:[^"\\]|\\.)*"', string) is not None


class _State:
    """The blocks that are open, the item that is begun."""

    def __init__(self) -> None:
        self.stack = [Frame("top")]
        self.given: list[list[str]] = [[]]
        self.item: list[str] = []
        self.brackets = 0

    def feed(self, word: str) -> None:
        if word == "{":
            self.stack.append(self._opened())
            self.given.append([])
            self.item, self.brackets = [], 0
        elif word == "}":
            if len(self.stack) > 1:
                self.stack.pop()
                self.given.pop()
            self.item, self.brackets = [], 0
        elif word in {"[", "]"}:
            self.brackets = max(self.brackets + (1 if word == "[" else -1), 0)
            self.item.append(word)
        elif self._begins(word):
            self.item, self.brackets = [word], 0
        elif word in {"=", "<-"} and self.item and self._has_attributes(word):
            self.item = [self.item[-1], word]
            if word == "=":
                self.given[-1].append(self.item[0])
        else:
            self.item.append(word)

    def _begins(self, word: str) -> bool:
        block = self.stack[-1].block
        if self.brackets:
            return False
        if block == "top":
            return word in _HEADS
        if block == "group":
            return word in {"agent", "for"}
        return block == "agent" and (word in {"for", "*"})

    def _has_attributes(self, word: str) -> bool:
        block = self.stack[-1].block
        if word == "<-":
            return block == "agent" and self.item[0] != "for"
        return block not in {"top", "group"} and not self.brackets

    def _opened(self) -> Frame:
        above, item = self.stack[-1], self.item
        head = item[0] if item else ""
        if head == "for" and len(item) > 1:
            return Frame(above.block, above.group_kind, above.of, above.agent, (name_of(item[1]), *above.variables))
        if above.block == "top" and head in _GROUPS:
            of = name_of(item[item.index("of") + 1]) if "of" in item[2:-1] else ""
            return Frame("group", head, of, "", above.variables)
        if above.block == "top" and head in _DECLARATIONS:
            return Frame(head, variables=above.variables)  # type: ignore[arg-type]
        if above.block == "group" and head == "agent" and len(item) > 1:
            return Frame("agent", above.group_kind, above.of, name_of(item[1]), above.variables)
        if above.block == "agent" and len(item) > 1 and item[1] == "<-":
            return Frame("coupling", above.group_kind, above.of, above.agent, above.variables)
        return Frame("unknown", variables=above.variables)


def _value_ends(words: tuple[str, ...]) -> bool:
    opened = words.count("[") - words.count("]")
    return bool(words) and opened <= 0 and words[-1] not in _NO_VALUE_END


def _feed_ends(words: tuple[str, ...]) -> bool:
    return bool(words) and words[-1] not in {".", "("} and words.count("(") == words.count(")")
