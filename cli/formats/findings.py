"""What a check found, as every format takes it, and what the machine formats share."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...dsl.diagnostics import Diagnostic, ordered


@dataclass(frozen=True, slots=True)
class Checked:
    """One FILE of the command line: the diagnostics of its program, and the texts of all its files.

    ``unreadable`` says why the file could not be read at all; it then has no diagnostics.
    """

    file: str
    diagnostics: tuple[Diagnostic, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    unreadable: str = ""


@dataclass(frozen=True, slots=True)
class Findings:
    """All of a check; ``strict`` says that warnings fail."""

    checked: tuple[Checked, ...]
    strict: bool = False

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """The diagnostics of all programs, sorted by place; what two programs include is named once."""
        return ordered(d for one in self.checked for d in one.diagnostics)

    @property
    def texts(self) -> dict[str, str]:
        """The texts of all files."""
        return {name: text for one in self.checked for name, text in one.texts.items()}

    @property
    def files(self) -> tuple[str, ...]:
        """The FILEs that were checked, without those that could not be read."""
        return tuple(dict.fromkeys(one.file for one in self.checked if not one.unreadable))


def fingerprints(diagnostics: tuple[Diagnostic, ...]) -> list[str]:
    """One fingerprint (hex) a diagnostic, each different, from file, code and message.

    It holds no line number, so that a report is known again when lines above it come and go; equal diagnostics of one
    file are told apart by their count.
    """
    seen: Counter[tuple[str, str, str]] = Counter()
    out = []
    for d in diagnostics:
        key = (d.span.file, d.code, d.message)
        words = "\0".join((*key, str(seen[key])))
        seen[key] += 1
        out.append(hashlib.sha256(words.encode("utf-8", "surrogatepass")).hexdigest())
    return out


def words(diagnostic: Diagnostic) -> str:
    """Message, other places and help in lines, for formats that have one field for all of it."""
    lines = [diagnostic.message]
    lines += [f"{r.message}: {r.span.file}:{r.span.line}:{r.span.column}" for r in diagnostic.related]
    if diagnostic.help:
        lines.append(f"help: {diagnostic.help}")
    return "\n".join(lines)


def dumps(value: Any) -> str:
    """*value* as JSON with a line end; what is not printable is escaped, so that it is safe on a terminal too."""
    text = json.dumps(value, indent=1, ensure_ascii=False)
    return _UNSAFE.sub(_escape, text) + "\n"


#: All outside printable ASCII and line ends; `_escape` keeps what is printable.
_UNSAFE = re.compile(r"[^\n -~]")


def _escape(match: re.Match[str]) -> str:
    character = match.group()
    return character if character.isprintable() else json.dumps(character)[1:-1] if ord(character) > 0x7F else "\\u007f"
