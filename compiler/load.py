"""Load: the files of a program, each parsed once, its includes put in their places."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from ..dsl.ast import (
    Comment,
    Declaration,
    For,
    Hole,
    Include,
    Let,
    Name,
    Param,
    Plan,
    Reference,
    Skipped,
    Statement,
    String,
    Value,
)
from ..dsl.diagnostics import Diagnostic
from ..dsl.parser import parse
from ..dsl.pieces import Memory
from ..dsl.spans import Span
from .loops import iterations
from .params import replaced
from .rules import include_fails
from .rules.declared_twice import twice
from .tree import is_broken
from .values import Scope, evaluate
from .world import World

#: A program of more files than this is not read on.
FILES_MAX = 10_000

#: Where one of these is in what the parser left out, a coupling may be.
_WORDS_OF_COUPLINGS = frozenset({"include", "for", "backup", "mirror", "restore", "copy", "agent", "chain"})

#: The heads of statements that hold no coupling, and the line of a promise.
_COUPLES_NOTHING = re.compile(r"(?:require|let|param|plan|host|pool)\b")
_REQUIRE = re.compile(r"\s*require\b")

#: The head of a declaration, or a coupling, that bears no name.
_NAMELESS = re.compile(
    r"(?P<kind>source|drive|host|pool|target)\s*\{|(?P<agent>agent)\s*(?:->|<-)|(?P<buffer><-)"
    r"|(?P<group>\w+\s+group)\s*(?:\{|of\s+\w+\s*\{)"
)


@dataclass(frozen=True, slots=True)
class Program:
    """All statements of a program in the order of the text, includes replaced by what they hold.

    ``folders`` gives for each file its folder relative to the main file's (``""`` for the same one); ``variables`` the
    ``let`` and ``param`` values, ``-D`` applied; ``lost`` says that statements may be missing (an include failed, the
    parser had to leave out more than attributes), ``lost_names`` the names that what is missing may have declared or
    given (None: any), ``lost_kinds`` the kinds of which a declaration that bears no name is missing.
    """

    main: str
    statements: tuple[Statement, ...]
    variables: Mapping[str, Value]
    texts: Mapping[str, str]
    folders: Mapping[str, str]
    comments: Mapping[str, tuple[Comment, ...]]
    diagnostics: tuple[Diagnostic, ...]
    lost: bool = False
    lost_names: frozenset[str] | None = frozenset()
    lost_kinds: frozenset[str] = frozenset()
    unused_defines: tuple[str, ...] = ()


def load(path: str, world: World, defines: Mapping[str, str], memory: Memory | None = None) -> Program:
    """Read and parse *path* and what it includes, of what *memory* knows nothing.

    Raises OSError when *path* itself cannot be read.
    """
    loader = _Loader(world, defines, memory)
    name = "<stdin>" if path == "-" else path
    content = world.read(path)
    statements = loader.add_file(name, path, "", content)
    loader.define_the_rest()
    return Program(
        main=name,
        statements=tuple(statements),
        variables=loader.variables,
        texts=loader.texts,
        folders=loader.folders,
        comments=loader.comments,
        diagnostics=tuple(loader.found),
        lost=loader.lost,
        lost_names=None if loader.lost_file else frozenset(loader.lost_names),
        lost_kinds=frozenset(loader.lost_kinds),
        unused_defines=tuple(d for d in defines if d not in loader.params),
    )


@dataclass(slots=True)
class _Frame:
    """A file that is being read: what is left of its statements, and the include that led to it."""

    file: str
    real: str
    rest: Iterator[Statement]
    include: Span | None


@dataclass(slots=True)
class _Loader:
    world: World
    defines: Mapping[str, str]
    memory: Memory | None = None
    variables: dict[str, Value] = field(default_factory=dict)
    declared: dict[str, Name] = field(default_factory=dict)
    params: set[str] = field(default_factory=set)
    undefined: list[Param] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    folders: dict[str, str] = field(default_factory=dict)
    comments: dict[str, tuple[Comment, ...]] = field(default_factory=dict)
    found: list[Diagnostic] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    unrolled: int = 0
    lost: bool = False
    lost_file: bool = False
    lost_names: set[str] = field(default_factory=set)
    lost_kinds: set[str] = field(default_factory=set)

    def add_file(self, name: str, path: str, folder: str, content: bytes) -> list[Statement]:
        """All statements of the file and, in their places, of its includes, which may nest deep."""
        out: list[Statement] = []
        stack = [self._open(name, path, folder, content, None)]
        while stack:
            frame = stack[-1]
            statement = next(frame.rest, None)
            if statement is None:
                stack.pop()
            elif isinstance(statement, Include):
                opened = self._include(statement, frame.file, stack)
                if opened is not None:
                    stack.append(opened)
            else:
                out.append(statement)
        return out

    def _open(self, name: str, path: str, folder: str, content: bytes, include: Span | None) -> _Frame:
        real = self.world.resolve(path)
        self.seen.add(real)
        self.folders[name] = folder
        self.texts[name] = content.decode("utf-8", "replace").removeprefix("\ufeff")
        file, problems = parse(content, name, self.memory)
        self.found += problems
        for skipped in file.skipped:
            self.lost = self.lost or not _couples_nothing(skipped, file.statements, self.texts[name])
            self.lost_names |= skipped.names
            self.lost_kinds |= _nameless(skipped, self.texts[name])
        if problems and not file.statements and not file.skipped:
            self.lost = self.lost_file = True
        self.comments[name] = file.comments
        self._declare(file.statements)
        return _Frame(name, real, iter(tuple(self._unrolled(file.statements))), include)

    def _declare(self, statements: Iterable[Statement]) -> None:
        for statement in statements:
            if not isinstance(statement, Let | Param):
                continue
            name = statement.name
            if name.text in self.declared:
                self.found.append(twice(name, "variable", self.declared[name.text].span))
                continue
            self.declared[name.text] = name
            self.variables[name.text] = statement.value
            if isinstance(statement, Param):
                self.params.add(name.text)
                if name.text in self.defines and isinstance(statement.value, Reference):
                    self.undefined.append(statement)
                elif name.text in self.defines:
                    self._define(statement)

    def _define(self, param: Param) -> None:
        name = param.name.text
        scope = Scope(self.variables, self.found)
        self.variables[name] = replaced(param, self.defines[name], scope)

    def define_the_rest(self) -> None:
        """Give ``-D`` values to params whose default is another variable: its type is known once all files are read."""
        for param in self.undefined:
            self._define(param)

    def _unrolled(self, statements: Iterable[Statement]) -> Iterator[Statement]:
        """The statements; a ``for`` that includes files is preceded by those includes, one for each iteration."""
        for statement in statements:
            if isinstance(statement, For) and _includes(statement):
                yield from self._includes_of(statement, Scope(self.variables, self.found))
            if not isinstance(statement, Let | Param):
                yield statement

    def _includes_of(self, loop: For, scope: Scope) -> Iterator[Include]:
        for value in iterations(evaluate(loop.values, scope), []) or ():
            if self.unrolled > FILES_MAX:
                return
            self.unrolled += 1
            if self.unrolled > FILES_MAX:
                self.found.append(include_fails.too_many(loop.values.span, FILES_MAX))
                self.lost = self.lost_file = True
                return
            inside = scope.inside(loop.variable.text, value)
            for item in loop.body:
                if isinstance(item, Include):
                    path = evaluate(item.path, inside)
                    assert isinstance(path, String)
                    yield Include(path, item.span)
                elif isinstance(item, For) and _includes(item):
                    yield from self._includes_of(item, inside)

    def _include(self, include: Include, including: str, stack: list[_Frame]) -> _Frame | None:
        value = include.path
        if any(isinstance(part, Hole) for part in value.parts):
            evaluated = evaluate(value, Scope(self.variables, self.found))
            assert isinstance(evaluated, String)
            value = evaluated
        if is_broken(value):
            self.lost = self.lost_file = True
            return None
        written = "".join(part for part in value.parts if isinstance(part, str))
        near = "" if including == "<stdin>" else posixpath.dirname(including)
        name = posixpath.normpath(posixpath.join(near, written))
        real = self.world.resolve(posixpath.join(near, written)) if written and "\0" not in written else ""
        files = [frame.real for frame in stack]
        if real in files:
            circle = stack[files.index(real) :]
            names = [*(frame.file for frame in circle), circle[0].file]
            places = [frame.include for frame in circle[1:] if frame.include is not None]
            self.found.append(include_fails.includes_itself(names, value.span, places))
            return None
        if real in self.seen:
            return None
        content = self._read(written, posixpath.join(near, written), value.span)
        if content is None:
            self.lost = self.lost_file = True
            return None
        folder = posixpath.join(self.folders[including], posixpath.dirname(written))
        return self._open(name, posixpath.join(near, written), folder, content, value.span)

    def _read(self, written: str, path: str, span: Span) -> bytes | None:
        reason = ""
        content = b""
        if not written or "\0" in written:
            reason = "this is no path"
        elif len(self.seen) >= FILES_MAX:
            reason = f"the program has {FILES_MAX} files already"
        else:
            try:
                content = self.world.read(path)
            except OSError as error:
                reason = error.strerror or str(error)
        if reason:
            self.found.append(include_fails.cannot_read(written, reason, span))
            return None
        return content


def _includes(loop: For) -> bool:
    return any(isinstance(item, Include) or (isinstance(item, For) and _includes(item)) for item in loop.body)


def _couples_nothing(skipped: Skipped, statements: Iterable[Statement], text: str) -> bool:
    """Whether what the parser left out holds no coupling: attributes, or (part of) a statement that couples nothing."""
    if skipped.names & _WORDS_OF_COUPLINGS:
        return False
    lines = text.split("\n")[skipped.span.line - 1 : skipped.span.end_line]
    lines[-1] = lines[-1][: skipped.span.end_column - 1]
    before, lines[0] = lines[0][: skipped.span.column - 1], lines[0][skipped.span.column - 1 :]
    arrows = any("->" in line or "<-" in line for line in lines)
    if not arrows and (_COUPLES_NOTHING.match(lines[0]) or _REQUIRE.match(before)):
        return True
    start, end = (skipped.span.line, skipped.span.column), (skipped.span.end_line, skipped.span.end_column)
    return any(
        isinstance(statement, Declaration | Plan)
        and (statement.span.line, statement.span.column) <= start
        and end <= (statement.span.end_line, statement.span.end_column)
        for statement in statements
    )


def _nameless(skipped: Skipped, text: str) -> frozenset[str]:
    """The kind of a declaration that was left out because it bears no name."""
    line = text.split("\n", skipped.span.line)[skipped.span.line - 1]
    match = _NAMELESS.match(line, skipped.span.column - 1)
    if match is None:
        return frozenset()
    if match["kind"]:
        return frozenset({match["kind"]})
    return frozenset({"group"} if match["group"] else {"buffer"} if match["buffer"] else {"agent", "buffer"})
