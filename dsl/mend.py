"""What recovery knows at an error, and what it can do about a slip."""

from __future__ import annotations

from dataclasses import dataclass

from lark import Token

from . import ast
from .expected import RESERVED, terminal
from .scan import Lexeme, Source
from .stack import Stack


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
    value: ast.Value | None = None
    """What the last attribute of the open block gets instead of its value."""


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


def reserved_on_top(stack: Stack) -> bool:
    """Whether the parser has just taken a word of the language for an attribute's name."""
    top = stack.values[-1] if stack.values else None
    return isinstance(top, Token) and top.type in RESERVED and "EQUAL" in stack.expected()
