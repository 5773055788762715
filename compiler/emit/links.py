"""Hyperlinks of a picture: a template with ``{file}``, ``{line}`` and the like, filled in for each part.

A picture may be shown on a page that others trust, and the names in it may come from anybody. So a template has a
scheme of a short list, or none, and what is filled in is percent-encoded: it holds no ``:``, no quote and no blank.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

#: Web pages, files, and editors that open a file at a line.
SCHEMES: Final = ("http", "https", "file", "vscode", "vscode-insiders", "vscodium", "idea", "zed")
#: What a template may name. ``path`` is the file's absolute path without its first ``/``.
FIELDS: Final = ("file", "path", "line", "column", "name", "kind")
#: Those that only a plan in the language has.
PLACE_FIELDS: Final = frozenset({"file", "path", "line", "column"})

_FIELD: Final = re.compile(r"\{([^{}]*)\}")
_UNFIT: Final = re.compile(r"[^\x21-\x7e]|[\"'<>\\^`|]")
_URL_MOST: Final = 2000


@dataclass(frozen=True, slots=True)
class LinkTemplate:
    """A template that :func:`read_template` found sound."""

    text: str
    fields: frozenset[str]

    def url(self, values: Mapping[str, str]) -> str | None:
        """The link with *values* in it; None where it would be longer than browsers take."""
        url = _FIELD.sub(lambda m: quote(values[m[1]], safe="/", errors="replace"), self.text)
        return url if len(url) <= _URL_MOST else None


def read_template(text: str) -> LinkTemplate:
    """Raises ValueError, with the reason, for a template that links could not safely be made from."""
    unfit = _UNFIT.search(text)
    if unfit is not None:
        raise ValueError(f"a link cannot hold {unfit[0]!r}")
    fields = _FIELD.findall(text)
    unknown = [name for name in fields if name not in FIELDS]
    if unknown or set(_FIELD.sub("", text)) & set("{}"):
        wrong = f"{{{unknown[0]}}}" if unknown else "a single brace"
        raise ValueError(f"{wrong} is none of {', '.join(f'{{{f}}}' for f in FIELDS)}")
    scheme = re.match(r"([^:/?#]*):", text)
    if scheme is not None and scheme[1].casefold() not in SCHEMES:
        raise ValueError(f"the scheme {scheme[1]!r} is none of {', '.join(SCHEMES)}")
    if not text:
        raise ValueError("it is empty")
    return LinkTemplate(text, frozenset(fields))
