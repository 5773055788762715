"""The parser's stack, as recovery needs it: which blocks are open, what could be shifted next, how to step back.

A block is open where the stack holds its ``{``. In the state behind the ``{``, and behind each whole item after it, the
parser stands *between* items: that is where it can go on after a mistake. All of this is read off Lark's parse table.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from lark import Token
from lark.parsers.lalr_analysis import Shift
from lark.parsers.lalr_parser_state import ParserState

from . import ast
from .spans import Span

BlockKind = Literal["statements", "agents", "couplings", "attributes"]


@dataclass(frozen=True, slots=True)
class Block:
    """An open block: its kind, where on the stack its items end, and its ``{`` (None: the file itself)."""

    kind: BlockKind
    height: int
    brace: Token | None


class Stack:
    """A view of Lark's parser state. It changes the state only in ``feed``, ``settle``, ``finish`` and ``cut``."""

    def __init__(self, state: ParserState[int]) -> None:
        self._state = state
        self._states: dict[int, dict[str, tuple[Any, Any]]] = state.parse_conf.states

    @property
    def values(self) -> list[Any]:
        """What has been shifted and reduced: tokens, nodes, and Lark's lists of items."""
        return self._state.value_stack

    def expected(self, height: int | None = None) -> frozenset[str]:
        """The terminals that could really come next (the table's row alone holds more); *height* as in ``accepts``."""
        row = self._states[self._state.state_stack[-1 if height is None else height]]
        return frozenset(t for t in row if t.isupper() and self.accepts(t, height=height))

    def accepts(self, *terminals: str, height: int | None = None) -> bool:
        """Whether the terminals could come next, in this order; with *height*, after a cut to that height."""
        stack = list(self._state.state_stack if height is None else self._state.state_stack[: height + 1])
        return all(self._advance(stack, terminal) for terminal in terminals)

    def _advance(self, stack: list[int], terminal: str) -> bool:
        while True:
            entry = self._states[stack[-1]].get(terminal)
            if entry is None:
                return False
            action, argument = entry
            if action is Shift:
                stack.append(argument)
                return True
            size = len(argument.expansion)
            if size:
                del stack[-size:]
            target = self._states[stack[-1]][argument.origin.name][1]
            stack.append(target)
            if terminal == "$END" and target == self._state.parse_conf.end_state:
                return True

    def blocks(self) -> list[Block]:
        """The open blocks, outermost (the file) first."""
        found: list[Block] = []
        for height, state in enumerate(self._state.state_stack):
            kind = self._kind(state)
            if kind is None:
                continue
            before = self.values[height - 1] if height else None
            if height == 0:
                found.append(Block(kind, height, None))
            elif isinstance(before, Token) and before.type == "LBRACE":
                found.append(Block(kind, height, before))
            else:
                found[-1] = Block(kind, height, found[-1].brace)
        return found

    def _kind(self, state: int) -> BlockKind | None:
        row = self._states[state]

        def shifts(terminal: str) -> bool:
            return terminal in row and row[terminal][0] is Shift

        if shifts("STAR") and shifts("NAME"):
            return "couplings"
        if shifts("PLAN"):
            return "attributes" if shifts("NAME") else "statements"
        if shifts("AGENT"):
            return "agents"
        return None

    def feed(self, token: Token) -> None:
        """Let the parser take a token that it accepts."""
        self._state.feed_token(token)

    def settle(self) -> None:
        """Reduce what is whole: an item behind which its block could end is then behind us, not begun."""
        for terminal in ("RBRACE", "PLAN"):
            if self.accepts(terminal):
                self._reduce_before(terminal)
                return

    def _reduce_before(self, terminal: str) -> None:
        states, values = self._state.state_stack, self._state.value_stack
        while True:
            action, rule = self._states[states[-1]][terminal]
            if action is Shift:
                return
            size = len(rule.expansion)
            parts = values[len(values) - size :]
            del states[len(states) - size :], values[len(values) - size :]
            values.append(self._state.parse_conf.callbacks[rule](parts))
            states.append(self._states[states[-1]][rule.origin.name][1])

    def finish(self) -> Any:
        """Let the parser come to its end: what the start rule made."""
        return self._state.feed_token(Token("$END", ""), True)

    def cut(self, height: int) -> None:
        """Forget all above *height* values."""
        del self._state.state_stack[height + 1 :]
        del self._state.value_stack[height:]

    def items(self, block: Block) -> list[Any]:
        """The whole items of an open block."""
        value: Any = self.values[block.height - 1] if block.height else None
        return [] if value is block.brace else list(value.children)

    def keep(self, block: Block, count: int) -> None:
        """Forget all of an open block but its first *count* items."""
        if count == 0:
            self.cut(block.height if self.values[block.height - 1] is block.brace else block.height - 1)
        else:
            self.cut(block.height)
            del self.values[block.height - 1].children[count:]

    def last_attribute(self, height: int) -> ast.Attribute | None:
        """The attribute that ends at *height*, the last item of its block so far."""
        items = getattr(self.values[height - 1], "children", None) if height else None
        return items[-1] if items and isinstance(items[-1], ast.Attribute) else None

    def amend(self, value: ast.Value) -> None:
        """Give the last attribute, which is on top, another *value*."""
        items = self.values[-1].children
        items[-1] = replace(items[-1], value=value)

    def depth(self) -> int:
        """How many brackets are open."""
        return sum(isinstance(v, Token) and v.type in {"LBRACE", "LSQB"} for v in self.values)

    def opener(self, terminal: str) -> Token | None:
        """The innermost open bracket of a type."""
        return next((v for v in reversed(self.values) if isinstance(v, Token) and v.type == terminal), None)

    def start_of(self, height: int) -> Span | Token | None:
        """The place of the first value above *height*, where it has one."""
        value = self.values[height] if height < len(self.values) else None
        return value if isinstance(value, Token) else getattr(value, "span", None)
