"""The files of a program with the names in them, and what one name means across all of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from ...dsl import ast
from ...dsl.parser import parse
from ...dsl.pieces import Memory
from ...dsl.strings import HOLE
from .occurrences import Key, Occurrence, occurrences, patterns
from .positions import Encoding, Text

#: Codes of the parser after which names may be missing from the tree.
_SYNTAX = frozenset({"TC101", "TC102"})


@dataclass(frozen=True)
class Page:
    """One file as it is now: its text, its tree, its names; ``broken`` says that syntax errors may hide some."""

    path: str
    text: Text
    file: ast.File
    broken: bool
    names: tuple[Occurrence, ...]

    @cached_property
    def _starts(self) -> list[tuple[int, int, Occurrence]]:
        """The names with their offsets, in the order of the text."""
        return sorted(((*self.text.offsets(name.span), name) for name in self.names), key=lambda entry: entry[:2])

    def at(self, offset: int) -> Occurrence | None:
        """The name that *offset* touches; the innermost, and of two that meet there the one that begins."""
        touching = [(end - start, -start, name) for start, end, name in self._starts if start <= offset <= end]
        return min(touching, key=lambda entry: entry[:2])[2] if touching else None

    @cached_property
    def stars(self) -> tuple[tuple[str, str], ...]:
        """For each ``* <- FEEDING`` the agent that it stands in, and FEEDING."""
        return tuple(_stars(self.file.statements, ""))


def page(path: str, text: str, encoding: Encoding = "utf-16", memory: Memory | None = None) -> Page:
    """Parse one file, of what *memory* knows nothing. Never raises for anything the text may hold."""
    file, problems = parse(text, path, memory)
    broken = bool(file.skipped) or any(problem.code in _SYNTAX for problem in problems)
    return Page(path, Text(text, encoding), file, broken, occurrences(file))


@dataclass(frozen=True)
class Book:
    """All files of a program, the main one first."""

    pages: Mapping[str, Page] = field(default_factory=dict)

    @cached_property
    def by_key(self) -> Mapping[Key, tuple[Occurrence, ...]]:
        """Every name's places."""
        found: dict[Key, list[Occurrence]] = {}
        for one in self.pages.values():
            for name in one.names:
                found.setdefault(name.key, []).append(name)
        return {key: tuple(names) for key, names in found.items()}

    @cached_property
    def _patterns(self) -> tuple[tuple[Key, re.Pattern[str], re.Pattern[str]], ...]:
        """The names with holes, and what they and their agents match."""
        keys = (key for key in self.by_key if key.role in {"entity", "buffer"})
        return tuple(
            (key, _matcher(key.name), _matcher(key.owner))
            for key in keys
            if patterns(key.name) or (key.role == "buffer" and patterns(key.owner))
        )

    @cached_property
    def _stars(self) -> tuple[Mapping[str, tuple[str, ...]], Mapping[str, tuple[str, ...]]]:
        feeding: dict[str, list[str]] = {}
        fed: dict[str, list[str]] = {}
        for one in self.pages.values():
            for agent, feeds in one.stars:
                feeding.setdefault(agent, []).append(feeds)
                fed.setdefault(feeds, []).append(agent)
        return {a: tuple(f) for a, f in feeding.items()}, {a: tuple(f) for a, f in fed.items()}

    def matching(self, key: Key) -> tuple[Key, ...]:
        """The keys with holes that may mean the same as *key*: ``"D${i}"`` for ``D1``."""
        return tuple(
            other
            for other, name, owner in self._patterns
            if other != key
            and other.role == key.role
            and name.fullmatch(key.name)
            and (key.role != "buffer" or owner.fullmatch(key.owner))
        )

    def has_buffer(self, agent: str, buffer: str, seen: frozenset[str] = frozenset()) -> bool:
        """Whether an agent has a buffer: of its own, or by a ``* <-``."""
        if agent in seen:
            return False
        if Key("buffer", buffer, agent) in self.by_key:
            return True
        feeding, _ = self._stars
        return any(self.has_buffer(other, buffer, seen | {agent}) for other in feeding.get(agent, ()))

    def family(self, key: Key) -> tuple[Key, ...]:
        """*key*, and of a buffer all those that bear its name because of ``* <- AGENT``."""
        if key.role != "buffer":
            return (key,)
        feeding, fed = self._stars
        found = {key.owner: None}
        ahead = [key.owner]
        while ahead:
            agent = ahead.pop()
            near = [*fed.get(agent, ()), *(f for f in feeding.get(agent, ()) if self.has_buffer(f, key.name))]
            for other in near:
                if other not in found:
                    found[other] = None
                    ahead.append(other)
        return tuple(key._replace(owner=agent) for agent in found)

    def places(self, key: Key) -> tuple[Occurrence, ...]:
        """All places of what *key* means, in its whole family."""
        return tuple(name for one in self.family(key) for name in self.by_key.get(one, ()))

    def declarations(self, key: Key) -> tuple[Occurrence, ...]:
        """Where it is declared: in so many words, by a name with holes that may mean it, or, for a buffer that only
        chains name or that comes by ``* <-``, where it is first named, or its agent is.
        """
        wanted = key._replace(role="entity") if key.role == "recorded" else key
        found = [name for name in self.by_key.get(wanted, ()) if name.declares]
        if not found:
            found = [n for other in self.matching(wanted) for n in self.by_key[other] if n.declares]
        if not found and wanted.role == "buffer":
            found = [name for name in self.places(wanted) if name.declares] or [*self.places(wanted)[:1]]
        return tuple(found)

    def declared(self, *kinds: str) -> Iterator[Occurrence]:
        """All declarations of these kinds, in the order of the files."""
        for one in self.pages.values():
            yield from (name for name in one.names if name.declares and name.kind in kinds)

    def buffers_of(self, agent: str) -> list[str]:
        """An agent's buffers, its own first, then those that come by ``* <-``."""
        feeding, _ = self._stars
        found: dict[str, None] = {}
        ahead, seen = [agent], set()
        while ahead:
            one = ahead.pop(0)
            if one in seen:
                continue
            seen.add(one)
            found |= dict.fromkeys(self._own_buffers.get(one, ()))
            ahead += feeding.get(one, ())
        return list(found)

    @cached_property
    def _own_buffers(self) -> Mapping[str, tuple[str, ...]]:
        own: dict[str, list[str]] = {}
        for key in self.by_key:
            if key.role == "buffer":
                own.setdefault(key.owner, []).append(key.name)
        return {agent: tuple(names) for agent, names in own.items()}


def book(pages: Iterable[Page]) -> Book:
    """The book of these files."""
    return Book({one.path: one for one in pages})


def _matcher(name: str) -> re.Pattern[str]:
    pieces = HOLE.split(name)  # text, hole, text, …
    return re.compile(".*".join(re.escape(piece) for piece in pieces[::2]), re.DOTALL)


def _stars(items: Iterable[object], agent: str) -> Iterator[tuple[str, str]]:
    for item in items:
        if isinstance(item, ast.CoupleAll):
            yield agent, item.agent.text
        elif isinstance(item, ast.AgentDeclaration):
            yield from _stars(item.body, item.name.text)
        elif isinstance(item, ast.Group | ast.For):
            yield from _stars(item.body, agent)
