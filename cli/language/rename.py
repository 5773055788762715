"""Renaming: all places of a name across the files of its programs, or a reason why not.

A rename that would leave a place behind is worse than none: a source under half a new name is not backed up. So it is
refused while syntax errors may hide a place, where a name is put together from variables, and where the programs,
compiled with the new text, do not say the same as before.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from ...compiler.names import WORDS, as_written, quoted
from ...dsl.diagnostics import Diagnostic
from ...dsl.expected import RESERVED
from ...runtime.plan import CompiledPlan
from .book import Book, Page
from .occurrences import Key, Occurrence, patterns

_BARE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WORDS = WORDS | {word.lower() for word in RESERVED}
_RENAMED = frozenset({"entity", "buffer", "variable", "plan"})

#: A name longer than this is no name: no volume's label has room for it (docs/format.md).
NAME_CHARACTERS_MAX = 256


class Refusal(Exception):
    """Why something cannot be renamed, in words for the one who asked."""


@dataclass(frozen=True, slots=True)
class Edit:
    """*text* takes the place of what lies between two offsets of a file."""

    path: str
    start: int
    end: int
    text: str


def renamed_at(page: Page, offset: int, book: Book) -> Occurrence:
    """The name at *offset*, if it can be renamed at all. Raises :class:`Refusal`."""
    name = page.at(offset)
    if name is None or name.key.role not in _RENAMED:
        if name is not None and name.key.role == "recorded":
            raise Refusal(
                f"{as_written(name.key.name)} is the name that the volumes bear: the catalog knows it, not the plan"
            )
        raise Refusal("there is no name here that could be renamed")
    key = name.key
    if patterns(key.name) or patterns(key.owner):
        raise Refusal(f"{as_written(key.name)} is put together from variables: rename it by hand")
    if key.role != "plan" and not book.declarations(key):
        raise Refusal(f"{as_written(key.name)} is not declared")
    return name


def rename(name: Occurrence, new: str, book: Book) -> tuple[Edit, ...]:
    """The edits that give *name* (of :func:`renamed_at`) the name *new* everywhere. Raises :class:`Refusal`.

    *new* is the name itself; it is put in quotes where the language wants that. One that is given in quotes is taken
    out of them first.
    """
    wanted = _legal(name.key, new)
    key = name.key
    if wanted == key.name:
        return ()
    broken = [page.path for page in book.pages.values() if page.broken]
    if broken:
        raise Refusal(f"{broken[0]} has syntax errors, which may hide places of the name: mend them first")
    for one in book.family(key):
        _refuse_clash(one, wanted, book)
        for pattern in book.matching(one):
            span = book.by_key[pattern][0].span
            raise Refusal(
                f"{as_written(key.name)} may be meant by {quoted(pattern.name)} too ({span.file}:{span.line}): "
                "rename it by hand"
            )
    edits: dict[tuple[str, int, int], Edit] = {}
    for place in book.places(key):
        page = book.pages[place.span.file]
        start, end = page.text.offsets(place.span)
        edits[place.span.file, start, end] = Edit(place.span.file, start, end, _spelled(place, wanted))
    return tuple(edits.values())


def applied(edits: Iterable[Edit], texts: Mapping[str, str]) -> dict[str, str]:
    """The texts with the edits in them."""
    out = dict(texts)
    for edit in sorted(edits, key=lambda e: (e.path, e.start), reverse=True):
        text = out[edit.path]
        out[edit.path] = text[: edit.start] + edit.text + text[edit.end :]
    return out


def refuse_other_meaning(
    before: Iterable[Diagnostic], after: Iterable[Diagnostic], shown: Callable[[Diagnostic], str]
) -> None:
    """Raise :class:`Refusal` where the program has a kind of fault with the new name that it had not with the old."""
    known = Counter(d.code for d in before)
    for diagnostic in after:
        if known[diagnostic.code] == 0:
            raise Refusal(f"with the new name the plan would not hold: {shown(diagnostic)}")
        known[diagnostic.code] -= 1


def _legal(key: Key, new: str) -> str:
    wanted = new.strip()
    if len(wanted) > 1 and wanted[0] == wanted[-1] == '"':
        wanted = re.sub(r'\\(["\\])', r"\1", wanted[1:-1])
    if not wanted:
        raise Refusal("a name must not be empty")
    if len(wanted) > NAME_CHARACTERS_MAX:
        raise Refusal(f"a name of more than {NAME_CHARACTERS_MAX} characters is too long")
    if not wanted.isprintable():
        raise Refusal("a name must not hold control characters or line ends")
    if "${" in wanted:
        raise Refusal("`${` begins a variable: a name that holds it is put together when the plan is compiled")
    if key.role == "variable" and (not _BARE.fullmatch(wanted) or wanted in _WORDS):
        raise Refusal(
            f"{quoted(wanted)} is no name of a variable: letters, digits and _ only, no digit first, "
            "no word of the language"
        )
    return wanted


def _refuse_clash(key: Key, wanted: str, book: Book) -> None:
    if key.role == "entity":
        others = [n for n in book.by_key.get(Key("entity", wanted), ()) if n.declares]
        others += [n for k in book.matching(Key("entity", wanted)) for n in book.by_key[k] if n.declares]
    elif key.role == "buffer":
        taken = wanted in book.buffers_of(key.owner)
        others = list(book.declarations(key._replace(name=wanted))) if taken else []
        others += [n for k in book.matching(key._replace(name=wanted)) for n in book.by_key[k]]
    elif key.role == "variable":
        # A loop's variable hides one of the program: any other of that name, wherever it is, is one too many.
        others = [n for k, names in book.by_key.items() if k.role == "variable" and k.name == wanted for n in names]
    else:
        others = []
    if others:
        span = others[0].span
        raise Refusal(f"{as_written(wanted)} is taken: {span.file}:{span.line}:{span.column}")


def _spelled(place: Occurrence, wanted: str) -> str:
    if place.hole:
        return wanted
    needless = place.quoted and as_written(place.key.name) == place.key.name
    return quoted(wanted) if needless else as_written(wanted)


def shape(plan: CompiledPlan) -> object:
    """What a plan is, whatever its parts are called: a rename must not change it."""
    return (
        plan.record,
        plan.memory,
        [(ring.depth, len(ring.buffers)) for ring in plan.rings],
        [(agent.role, agent.order, [buffer.ring for buffer in agent.buffers]) for agent in plan.agents],
        [source.kind for source in plan.sources],
        [drive.kind for drive in plan.drives],
        len(plan.targets),
    )
