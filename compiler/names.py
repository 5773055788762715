"""Names as messages show them, and the nearest name to one that is wrong."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

#: The statements' words, which are no names (language.md, "Lexical rules").
WORDS = frozenset(
    {"plan", "include", "param", "let", "for", "in", "host", "source", "drive", "pool", "target", "backup", "mirror"}
    | {"restore", "copy", "group", "of", "agent", "chain", "require", "true", "false", "all", "latest", "object"}
)

#: Beyond so many candidates a nearest name is not looked for: it would cost more than it helps.
_CANDIDATES_MAX = 20_000


def as_written(name: str) -> str:
    """The name as a plan writes it: bare where it may be, else as a string with its escapes."""
    if name.isascii() and name.isidentifier() and name not in WORDS:
        return name
    return quoted(name)


def quoted(text: str) -> str:
    """*text* as a string of the language."""
    escapes = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t"}
    return '"' + "".join(escapes.get(c, c) for c in text) + '"'


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate that *name* was probably meant to be, or None where none is near."""
    known = list(dict.fromkeys(candidates))
    if name in known:
        return name
    if not known or len(known) > _CANDIDATES_MAX:
        return None
    folded = [c for c in known if c.casefold() == name.casefold()]
    if folded:
        return folded[0]
    # One letter more, less or other in a short name (R1 for R2) is near too, yet below difflib's usual measure.
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6 if len(name) > 3 else 0.5)
    return near[0] if near else None


def near(name: str, candidates: Iterable[str]) -> list[str]:
    """All candidates that *name* may have been meant to be; empty where none is near or there are very many."""
    known = list(dict.fromkeys(candidates))
    if len(known) > _CANDIDATES_MAX:
        return []
    return difflib.get_close_matches(name, known, n=len(known) or 1, cutoff=0.5)


def listed(names: Iterable[str], conjunction: str = "and") -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    parts = list(names)
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} {conjunction} {parts[-1]}"


def with_article(kind: str) -> str:
    """``a source``, ``an agent``."""
    return f"an {kind}" if kind[:1] in "aeiou" else f"a {kind}"


def by_nearness(name: str, known: Iterable[str]) -> list[str]:
    """The *known* names, nearest to *name* first; equally near ones in their own order."""
    return sorted(known, key=lambda k: -difflib.SequenceMatcher(None, name.casefold(), k.casefold()).ratio())
