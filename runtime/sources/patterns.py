"""What a plan's ``exclude`` means: options of GNU tar, and what of the source's own paths it leaves out.

Names are those that tar is given behind ``-C /``: no slash before them, ``/.`` behind a link that is followed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

_WILD: Final = frozenset("*?[]\\")
#: Folders below a source's path that are looked into for a pattern that tar cannot be told of at any depth.
DEPTH_MAX: Final = 64


def is_below(inner: str, outer: str) -> bool:
    """Whether *inner* is *outer* or lies below it, both absolute."""
    return inner == outer or inner.startswith(outer.rstrip("/") + "/")


def literal(name: str) -> str:
    """*name* as a pattern that matches only itself."""
    return "".join(f"\\{c}" if c in _WILD else c for c in name)


def excludes(patterns: Iterable[str], names: Sequence[str]) -> list[str]:
    """Options of tar for a plan's ``exclude``.

    ``*.tmp`` and ``cache`` match at any depth; a slash at the end is dropped (tar would match nothing); ``*`` does not
    match ``/``. A slash at the start makes the pattern rooted: at the root of the file system where it begins with
    one of the source's own paths, else at each of the source's paths.

    A source's path itself is never left out by a pattern for any depth: of ``/var/cache/app`` without ``cache`` the
    folders of that name below it are meant, but GNU tar matches the whole name, and would store nothing.
    """
    anywhere, rooted, below = [], [], []
    for pattern in filter(None, (written.rstrip("/") for written in patterns)):
        if pattern.startswith("/"):
            rooted += _rooted(pattern, names)
        elif not any(_takes(pattern, _plain(name)) for name in names):
            anywhere.append(pattern)
        elif not _WILD & set(pattern.removeprefix("*")):
            # Here ``*`` may match ``/``, too: what stands before the first fixed letter is any path.
            star = pattern.startswith("*")
            below += [f"{literal(name)}/{pattern}" for name in names]
            below += [] if star else [f"{literal(name)}/*/{pattern}" for name in names]
        else:
            rooted += [f"{literal(name)}/{'*/' * depth}{pattern}" for name in names for depth in range(DEPTH_MAX)]
    options = []
    for slash, anchored, chosen in (("no-", "no-", anywhere), ("no-", "", rooted), ("", "", below)):
        if chosen:
            options += ["--wildcards", f"--{slash}wildcards-match-slash", f"--{anchored}anchored"]
            options += [f"--exclude={pattern}" for pattern in chosen]
    return options


def left_out(patterns: Iterable[str], names: Sequence[str], inside: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Paths of the source that its own ``exclude`` leaves out, each with the pattern that does.

    *names*: what tar is given; *inside*: paths that tar reaches through one of these.
    """
    for pattern in filter(None, (written.rstrip("/") for written in patterns)):
        for name in names if pattern.startswith("/") else ():
            if pattern == f"/{_plain(name)}":
                yield name, pattern
        for name in inside:
            if pattern.startswith("/"):
                found = any(_takes(whole, name, rooted=True) for whole in _rooted(pattern, names))
            else:
                outer = [_plain(n).rstrip(".") for n in names if is_below(f"/{name}", f"/{_plain(n).rstrip('.')}")]
                found = any(_takes(pattern, name[len(n) :].lstrip("/")) for n in outer)
            if found:
                yield name, pattern


def _plain(name: str) -> str:
    return name.removesuffix("/.")


def _rooted(pattern: str, names: Sequence[str]) -> list[str]:
    """*pattern*, which begins with a slash, as patterns that tar matches from the beginning of a name."""
    inside = [name for name in names if name != "." and is_below(pattern, f"/{_plain(name)}")]
    if inside:
        return [f"{literal(name)}{pattern[1 + len(_plain(name)) :]}" for name in inside]
    return [f"{literal(name)}{pattern}" for name in names]


def _takes(pattern: str, name: str, *, rooted: bool = False) -> bool:
    """Whether tar leaves out *name* for *pattern*: matched by it, or below what it matches. As fnmatch does it."""
    before = "" if rooted else "(?:.*/)?"
    whole = f"{before}{_expression(pattern)}(?:/.*)?".encode("latin-1")
    return re.fullmatch(whole, os.fsencode(name), re.DOTALL) is not None


def _expression(pattern: str) -> str:
    out, at = [], 0
    raw = os.fsencode(pattern).decode("latin-1")
    while at < len(raw):
        letter = raw[at]
        at += 1
        if letter in "*?":
            out.append("[^/]*" if letter == "*" else "[^/]")
        elif letter == "[" and (bracket := _BRACKET.match(raw, at)):
            out.append(f"(?!/)[{'^' * bool(bracket[1])}{_set(bracket[2])}]")
            at = bracket.end()
        else:
            if letter == "\\" and at < len(raw):
                letter = raw[at]
                at += 1
            out.append(re.escape(letter))
    return "".join(out)


#: Behind a bracket: whether what stands in it is negated, and that.
_BRACKET: Final = re.compile(r"([!^]?)(\]?(?:\[:[a-z]+:\]|[^\]])*)\]", re.DOTALL)
_CLASSES: Final = {
    "alpha": "a-zA-Z", "digit": "0-9", "alnum": "a-zA-Z0-9", "upper": "A-Z", "lower": "a-z", "xdigit": "0-9a-fA-F",
    "space": r"\s", "blank": r" \t", "cntrl": r"\x00-\x1f\x7f", "print": " -~", "graph": "!-~",
    "punct": r"!-/:-@\[-`{-~",
}  # fmt: skip


def _set(inside: str) -> str:
    """What stands in a bracket, in the words of regular expressions."""
    parts = re.split(r"\[:([a-z]+):\]", inside)
    words = [_CLASSES.get(p, "") if n % 2 else re.sub(r"([\\\]\[^&~|])", r"\\\1", p) for n, p in enumerate(parts)]
    return "".join(words) or r"\x00"
