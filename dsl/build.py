"""The syntax tree, made while Lark parses: one function for each rule and terminal of ``grammar.lark``.

Lark calls a terminal's function when it shifts the token and a rule's when it reduces, with the list of what the parts
became; so no intermediate tree is ever held. The functions' names are the
grammar's, and their types say what they make.
"""

# ruff: noqa: D102, N802

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from . import ast, strings, units
from .diagnostics import Diagnostic
from .spans import Span

if TYPE_CHECKING:
    from lark import Token

MOST_NESTED = 64

Parts = list[Any]


class TooDeep(Exception):
    """Brackets are nested deeper than ``MOST_NESTED``: the functions that walk the tree would run out of stack."""

    def __init__(self, token: Token) -> None:
        super().__init__("too deep")
        self.token = token


class Builder:
    """Holds what one parse gathers. ``begin`` makes it ready for the next; it is not to be shared among threads."""

    def __init__(self) -> None:
        self.begin("", [])

    def begin(self, path: str, diagnostics: list[Diagnostic]) -> None:
        """Forget the last parse; *path* is the ``file`` of all spans from here on.

        *diagnostics* are those of decoding: they stay, and silence a second report of the same characters.
        """
        self.path = path
        self.depth = 0
        self.comments: list[ast.Comment] = []
        self.undecodable = bool(diagnostics)
        self.diagnostics = diagnostics

    def span(self, token: Token) -> Span:
        """The place of one token."""
        return Span(self.path, token.line or 1, token.column or 1, token.end_line or 1, token.end_column or 1)

    def text(self, token: Any) -> str:
        """The text of one token."""
        return str(token)

    def _range(self, first: Any, last: Any) -> Span:
        # Lark's tokens are texts, nodes are not.
        begin: Any = first if isinstance(first, str) else first.span
        end: Any = last if isinstance(last, str) else last.span
        return Span(self.path, begin.line, begin.column, end.end_line, end.end_column)

    # ------------------------------------------------------------ terminals

    def comment(self, token: Any) -> Any:
        """Gather a comment: the lexer skips it."""
        text = self.text(token)[1:]
        span = self.span(token)
        if text.endswith("\r"):
            text = text[:-1]
            span = Span(span.file, span.line, span.column, span.end_line, span.end_column - 1)
        self.comments.append(ast.Comment(text, span))
        return token

    def _open(self, token: Token) -> Token:
        self.depth += 1
        if self.depth > MOST_NESTED:
            raise TooDeep(token)
        return token

    def _close(self, token: Token) -> Token:
        self.depth -= 1
        return token

    LBRACE = LSQB = _open
    RBRACE = RSQB = _close

    def NAME(self, token: Token) -> ast.Name:
        return ast.Name(self.text(token), self.span(token))

    LATEST = OBJECT = NAME

    def STRING(self, token: Token) -> ast.String:
        return self.string(token, self.span(token))

    def string(self, text: str, span: Span) -> ast.String:
        """A string from its *text*, quotes included."""
        parts, found = strings.read(text[1:-1], span)
        self.diagnostics += found
        return ast.String(parts, span)

    def _quantity(self, token: Token) -> ast.Number | ast.Size | ast.Rate | ast.Duration:
        return self.quantity(str(token), self.span(token), token.type.lower())

    def quantity(self, text: str, span: Span, shape: str) -> ast.Number | ast.Size | ast.Rate | ast.Duration:
        """A number, size, rate or duration from its *text*; *shape* says which of them, should it be unreadable."""
        quantity = units.read(text)
        if isinstance(quantity, units.Unreadable):
            self.diagnostics.append(Diagnostic("TC103", "error", quantity.message, span, quantity.help))
            kind, value, text = cast(units.Kind, shape), 0, ""
        else:
            kind, value = quantity.kind, cast(int, quantity.value)
        if kind == "size":
            return ast.Size(value, span, text)
        if kind == "rate":
            return ast.Rate(value, span, text)
        if kind == "duration":
            return ast.Duration(value, span, text)
        return ast.Number(value, span, text)

    NUMBER = SIZE = RATE = DURATION = _quantity

    # ------------------------------------------------------------ values

    def name(self, parts: Parts) -> ast.Name:
        part = parts[0]
        if isinstance(part, ast.Name):
            return part
        return ast.Name(strings.join(part.parts), part.span, quoted=True)

    group_name = variable = soft_name = name

    def reference(self, parts: Parts) -> ast.Reference:
        return ast.Reference(parts[0], parts[0].span)

    def boolean(self, parts: Parts) -> ast.Boolean:
        return ast.Boolean(self.text(parts[0]) == "true", self.span(parts[0]))

    def range(self, parts: Parts) -> ast.Range:
        low, _, high = parts
        return ast.Range(low, high, self._range(low, high))

    def list(self, parts: Parts) -> ast.ListValue:
        return ast.ListValue(tuple(parts[1:-1:2]), self._range(parts[0], parts[-1]))

    def reserved(self, parts: Parts) -> ast.Name:
        return ast.Name(self.text(parts[0]), self.span(parts[0]))

    def attribute(self, parts: Parts) -> ast.Attribute:
        name, _, value = parts
        return ast.Attribute(name, value, self._range(name, value))

    # ------------------------------------------------------------ couplings and agents

    def endpoint(self, parts: Parts) -> ast.Endpoint:
        name = parts[0]
        if len(parts) == 1:
            return ast.Endpoint(name, None, name.span)
        return ast.Endpoint(name, parts[2], self._range(name, parts[2]))

    fed_endpoint = endpoint

    def all_endpoint(self, parts: Parts) -> ast.Endpoint:
        return self.endpoint([self.NAME(parts[0]), *parts[1:]])

    def selector(self, parts: Parts) -> ast.Selector:
        word = parts[0]
        text = word.text if isinstance(word, ast.Name) else self.text(word)
        argument = self.name([parts[2]]) if len(parts) > 1 else None
        return ast.Selector(cast(Any, text), argument, self._range(word, parts[-1]))

    def coupling(self, parts: Parts) -> ast.Coupling:
        return ast.Coupling(parts[0], parts[2], tuple(parts[4:-1]), self._range(parts[0], parts[-1]))

    def couple_all(self, parts: Parts) -> ast.CoupleAll:
        return ast.CoupleAll(parts[2], tuple(parts[4:-1]), self._range(parts[0], parts[-1]))

    def agent(self, parts: Parts) -> ast.AgentDeclaration:
        word, name, arrow, drive = parts[:4]
        return ast.AgentDeclaration(
            name, cast(Any, self.text(arrow)), self.span(arrow), drive, tuple(parts[5:-1]), self._range(word, parts[-1])
        )

    # ------------------------------------------------------------ statements

    def start(self, parts: Parts) -> tuple[ast.Statement, ...]:
        return tuple(parts)

    def plan(self, parts: Parts) -> ast.Plan:
        return ast.Plan(parts[1], tuple(parts[3:-1]), self._range(parts[0], parts[-1]))

    def include(self, parts: Parts) -> ast.Include:
        return ast.Include(parts[1], self._range(parts[0], parts[1]))

    def param(self, parts: Parts) -> ast.Param:
        return ast.Param(parts[1], parts[3], self._range(parts[0], parts[3]))

    def let(self, parts: Parts) -> ast.Let:
        return ast.Let(parts[1], parts[3], self._range(parts[0], parts[3]))

    def declaration(self, parts: Parts) -> ast.Declaration:
        word = parts[0]
        return ast.Declaration(cast(Any, self.text(word)), parts[1], tuple(parts[3:-1]), self._range(word, parts[-1]))

    def group(self, parts: Parts) -> ast.Group:
        kind = parts[0]
        of, body = (parts[4], parts[6:-1]) if len(parts) > 4 and not self._is_brace(parts[3]) else (None, parts[4:-1])
        return ast.Group(
            cast(Any, self.text(kind)), self.span(kind), parts[2], of, tuple(body), self._range(kind, parts[-1])
        )

    def _is_brace(self, token: Any) -> bool:
        return self.text(token) == "{"

    def _for(self, parts: Parts) -> ast.For:
        return ast.For(parts[1], parts[3], tuple(parts[5:-1]), self._range(parts[0], parts[-1]))

    for_statements = for_agents = for_couplings = _for

    def chain(self, parts: Parts) -> ast.Chain:
        return ast.Chain(tuple(parts[1::2]), self._range(parts[0], parts[-1]))

    def condition(self, parts: Parts) -> ast.Condition:
        metric, operator, value = parts
        return ast.Condition(metric, cast(Any, self.text(operator)), value, self._range(metric, value))

    def require(self, parts: Parts) -> ast.Require:
        conditions = tuple(part for part in parts if isinstance(part, ast.Condition))
        names = tuple(part for part in parts if isinstance(part, ast.Name))
        return ast.Require(conditions, names, self._range(parts[0], parts[-1]))
