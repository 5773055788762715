"""What may be written at the cursor: words, attributes, names of the right kind, units and values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, cast, get_args

from ...compiler.attributes import WHAT_IT_IS, attributes_of
from ...compiler.model import StatementKind
from ...compiler.names import as_written
from ...compiler.rules.wrong_of import FEEDS
from ...dsl import ast
from ...runtime.kinds import GroupKind
from . import attribute_words as words
from .book import Book
from .context import Context, context, name_of

CandidateKind = Literal["word", "attribute", "name", "variable", "unit", "value", "file"]

#: A list that no one reads through is not sent.
CANDIDATES_MAX = 1_000

_STATEMENTS = {
    "plan": "plan NAME { … }: record, depth, memory, window, …",
    "include": 'include "file.tc"',
    "param": "param NAME = value: -D NAME=value replaces it",
    "let": "let NAME = value",
    "for": "for NAME in 1..64 { … }",
    "host": 'host NAME { address = "…" }',
    "source": "source NAME { files = … }",
    "drive": "drive NAME { volumes = … }",
    "pool": "pool NAME { retention = … }",
    "target": "target NAME { files = … }",
    "backup": "backup group NAME { … }: agents fed by sources",
    "mirror": "mirror group NAME of GROUP { … }: one more mirroring stage",
    "restore": "restore group NAME { … }: agents that read drives",
    "copy": "copy group NAME of GROUP { … }: one more copying stage",
    "chain": "chain SOURCE -> AGENT.BUFFER -> …",
    "require": "require copies >= 2, sites >= 2",
}
_SELECTORS = {
    "latest": "latest(SOURCE): the newest object",
    "all": "all(SOURCE), or all: every object",
    "chain": "chain(SOURCE): the newest full object and its incrementals",
    "object": 'object("ID")',
}
_NUMBER = re.compile(r"[0-9][0-9.]*")


@dataclass(frozen=True, slots=True)
class Candidate:
    """One thing that may stand from ``start`` to the cursor."""

    label: str
    kind: CandidateKind
    start: int
    detail: str = ""
    text: str = ""
    documentation: str = ""

    @property
    def insert(self) -> str:
        """What is written."""
        return self.text or self.label


def complete(text: str, offset: int, book: Book, files: Sequence[str] = ()) -> tuple[Candidate, ...]:
    """The candidates at *offset* of *text*, a file of *book*; *files* are paths that an include may name."""
    here = context(text, offset)
    if here.place == "comment":
        found: Iterable[Candidate] = ()
    elif here.place == "string":
        found = _in_string(here, book, files)
    else:
        found = _in_code(here, book)
    folded = here.prefix.casefold()
    fitting = [c for c in found if here.place == "string" or c.kind == "unit" or c.label.casefold().startswith(folded)]
    return tuple(dict.fromkeys(fitting))[:CANDIDATES_MAX]


# ---------------------------------------------------------------- in code


def _in_code(here: Context, book: Book) -> Iterator[Candidate]:
    number = _NUMBER.fullmatch(here.prefix)
    if number:
        yield from _units(here, number[0])
        return
    block, item = here.frame.block, here.item
    if block == "top":
        yield from _statement(here, book)
    elif block == "group":
        if here.between or not item:
            yield from _words(here, {"agent": "agent NAME -> DRIVE { … }", "for": _STATEMENTS["for"]})
        elif item[0] == "agent" and len(item) == 2:
            yield from _words(here, {"<-" if here.frame.group_kind == "restore" else "->": "the agent's drive"})
        elif item[0] == "agent" and item[-1] in {"->", "<-"}:
            yield from _names(here, book, "drive")
        else:
            yield from _of_loop(here, book)
    elif block == "agent":
        yield from _agent_item(here, book)
    elif block != "unknown":
        yield from _attribute(here, book)


def _statement(here: Context, book: Book) -> Iterator[Candidate]:
    item = here.item
    head = item[0] if item else ""
    if here.between:
        yield from _words(here, _STATEMENTS)
    if head in {"backup", "mirror", "restore", "copy"}:
        if len(item) == 1:
            yield from _words(here, {"group": ""})
        elif len(item) == 3 and head in FEEDS:
            yield from _words(here, {"of": "the group that feeds it"})
        elif item[-1] == "of":
            kinds = FEEDS.get(cast(GroupKind, head), ())
            yield from _groups(here, book, kinds)
    elif head == "chain":
        if item[-1] == ".":
            yield from _buffers(here, book, name_of(item[-2]))
        elif item[-1] in {"chain", "->"}:
            yield from _names(here, book, *(["source"] if len(item) == 1 else ["target"]))
            yield from _agents(here, book)
    elif head == "require":
        yield from _requirement(here, book)
    elif head in {"let", "param"} and len(item) > 2 and not here.between:
        yield from _variables(here, book)
        yield from _words(here, {"true": "", "false": ""}, "value")
    else:
        yield from _of_loop(here, book)


def _of_loop(here: Context, book: Book) -> Iterator[Candidate]:
    item = here.item
    if item[:1] == ("for",):
        if len(item) == 2:
            yield from _words(here, {"in": ""})
        elif item[-1] in {"in", "..", "[", ","}:
            yield from _variables(here, book)


def _requirement(here: Context, book: Book) -> Iterator[Candidate]:
    item = here.item
    if "of" in item:
        if item[-1] in {"of", ","}:
            yield from _names(here, book, "source")
    elif item[-1] in {"require", ","}:
        for name, text in words.METRICS.items():
            yield Candidate(name, "value", here.start, text)
    elif item[-1] in words.METRICS:
        wanted = ("==",) if item[-1] == "encrypted" else (">=", "<=", "==")
        yield from _words(here, dict.fromkeys(wanted, ""))
    elif item[-1] in {">=", "<=", "=="}:
        yield from _variables(here, book)
        if item[-2] == "encrypted":
            yield from _words(here, {"true": ""}, "value")
    elif here.between:
        yield from _words(here, {"of": "these sources only"})


def _agent_item(here: Context, book: Book) -> Iterator[Candidate]:
    item, frame = here.item, here.frame
    if item[:1] == ("for",):
        yield from _of_loop(here, book)
        return
    if here.between:
        yield from _attribute_names(here, "agent")
        yield from _words(here, {"for": _STATEMENTS["for"]})
        if frame.group_kind in FEEDS:
            yield Candidate("* <- ", "word", here.start, "every buffer of an agent, under its own name")
        for name in book.buffers_of(frame.agent):
            yield Candidate(as_written(name), "name", here.start, "a buffer that is named elsewhere")
        return
    if item[-1] == ".":
        yield from _buffers(here, book, name_of(item[-2]))
    elif len(item) > 1 and item[1] == "<-":
        if item[-1] == "(":
            yield from _names(here, book, "source")
        elif item[-1] == "<-" and frame.group_kind == "restore":
            yield from _words(here, _SELECTORS)
            yield from _names(here, book, "source")
        elif item[-1] == "<-" and frame.group_kind in FEEDS:
            yield from _agents(here, book, of=frame.of, star=item[0] == "*")
        elif item[-1] == "<-":
            yield from _names(here, book, "source")
    else:
        yield from _attribute(here, book)


# ---------------------------------------------------------------- attributes


def _attribute(here: Context, book: Book) -> Iterator[Candidate]:
    if here.between:
        yield from _attribute_names(here, here.frame.block)
    elif len(here.item) > 1 and here.item[1] == "=":
        yield from _values(here, book, here.item[0])


def _attribute_names(here: Context, block: str) -> Iterator[Candidate]:
    kind = cast(StatementKind, block)
    exclusive = WHAT_IT_IS.get(kind, ())
    said = set(here.given) & set(exclusive)
    for name in attributes_of(kind, restore=here.frame.group_kind == "restore"):
        if name in here.given or (said and name in exclusive):
            continue
        yield Candidate(
            name,
            "attribute",
            here.start,
            words.takes(kind, name).replace("`", ""),
            f"{name} = ",
            words.described(kind, name),
        )


def _values(here: Context, book: Book, name: str) -> Iterator[Candidate]:
    kind = cast(StatementKind, here.frame.block)
    if name in {"host", "pool"}:
        yield from _names(here, book, name)
        return
    for value in words.values(kind, name):
        yield Candidate(value, "value", here.start)
    yield from _variables(here, book)


def _units(here: Context, number: str) -> Iterator[Candidate]:
    item, block = here.item, here.frame.block
    if block == "top" and item[:1] == ("require",) and len(item) > 2:
        metric = item[-2]
        units: Sequence[str] = words.SIZES if metric == "memory" else words.DURATIONS if metric == "duration" else ()
    elif block == "top" and item[:1] in {("let",), ("param",)}:
        units = [*words.SIZES, *words.DURATIONS, *(f"{size}/s" for size in words.SIZES)]
    elif len(item) > 1 and item[1] == "=" and block in get_args(StatementKind):
        units = words.units(cast(StatementKind, block), item[0])
    else:
        units = ()
    for unit in units:
        yield Candidate(number + unit, "unit", here.start)


# ---------------------------------------------------------------- names


def _names(here: Context, book: Book, *kinds: str) -> Iterator[Candidate]:
    for name in book.declared(*kinds):
        yield Candidate(as_written(name.key.name), "name", here.start, name.kind)


def _variables(here: Context, book: Book) -> Iterator[Candidate]:
    for variable in here.frame.variables:
        yield Candidate(variable, "variable", here.start, "for")
    for name in book.declared("let", "param"):
        yield Candidate(name.key.name, "variable", here.start, name.kind)


def _groups(here: Context, book: Book, kinds: Sequence[str]) -> Iterator[Candidate]:
    for group in _all_groups(book):
        if group.kind in kinds and group.name.text != name_of(here.item[2]):
            yield Candidate(as_written(group.name.text), "name", here.start, f"{group.kind} group")


def _agents(here: Context, book: Book, of: str = "", star: bool = False) -> Iterator[Candidate]:
    """Agents (of a group), and ``AGENT.BUFFER`` for each of their buffers."""
    for group in _all_groups(book):
        if of and group.name.text != of:
            continue
        for agent in _all_agents(group.body):
            name = as_written(agent.name.text)
            if star:
                yield Candidate(name, "name", here.start, f"agent of {group.name.text}")
                continue
            for buffer in book.buffers_of(agent.name.text):
                yield Candidate(f"{name}.{as_written(buffer)}", "name", here.start, f"buffer of {group.name.text}")


def _buffers(here: Context, book: Book, agent: str) -> Iterator[Candidate]:
    for buffer in book.buffers_of(agent):
        yield Candidate(as_written(buffer), "name", here.start, f"buffer of {as_written(agent)}")


def _all_groups(book: Book) -> Iterator[ast.Group]:
    ahead: list[object] = [s for page in book.pages.values() for s in page.file.statements]
    while ahead:
        item = ahead.pop(0)
        if isinstance(item, ast.Group):
            yield item
        elif isinstance(item, ast.For):
            ahead[:0] = item.body


def _all_agents(items: Iterable[object]) -> Iterator[ast.AgentDeclaration]:
    for item in items:
        if isinstance(item, ast.AgentDeclaration):
            yield item
        elif isinstance(item, ast.For):
            yield from _all_agents(item.body)


def _words(here: Context, choice: dict[str, str], kind: CandidateKind = "word") -> Iterator[Candidate]:
    for word, detail in choice.items():
        yield Candidate(word, kind, here.start, detail)


# ---------------------------------------------------------------- in strings


def _in_string(here: Context, book: Book, files: Sequence[str]) -> Iterator[Candidate]:
    hole = here.prefix.rfind("${")
    if hole >= 0 and "}" not in here.prefix[hole:]:
        start, begun = here.start + hole + 2, here.prefix[hole + 2 :]
        names = [*here.frame.variables, *(n.key.name for n in book.declared("let", "param"))]
        for name in names:
            if name.startswith(begun):
                yield Candidate(name, "variable", start, "", f"{name}}}")
        return
    item = here.item
    if item == ("include",):
        for file in files:
            if file.startswith(here.prefix):
                yield Candidate(file, "file", here.start)
    elif len(item) > 1 and item[1] == "=" and here.frame.block in get_args(StatementKind):
        kind = cast(StatementKind, here.frame.block)
        values = [v.strip('"') for v in words.values(kind, item[0]) if v.startswith('"')]
        if item[0] in {"host", "pool"}:
            values = [name.key.name for name in book.declared(item[0])]
        for value in values:
            if value.startswith(here.prefix):
                yield Candidate(value, "value", here.start)
