"""The rule book: one page a code, ``docs/rules/TCnnn.md``, shipped inside the package.

A page is Markdown: a title line ``# TC302: a drive with two writers``, what the rule finds, why it matters, a wrong
plan with its report, and a plan that mends it. The code blocks of the pages are the golden tests of the diagnostics.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from ..dsl.diagnostics import Severity

_TITLE = re.compile(r"# (TC\d{3}): (.+)")


@dataclass(frozen=True, slots=True)
class Page:
    """A code's page: its title in a few words, what it finds in one paragraph, and the whole text (Markdown)."""

    code: str
    title: str
    finds: str
    text: str

    @property
    def severity(self) -> Severity:
        """The family TC9xx warns, all others are errors (language.md)."""
        return "warning" if self.code.startswith("TC9") else "error"


def folder() -> Traversable:
    """Where the pages lie."""
    return files(__package__.partition(".")[0]) / "docs" / "rules"


@cache
def pages() -> tuple[Page, ...]:
    """All pages by code. Raises ValueError for a page without the title that its name promises (ours to mend)."""
    names = sorted(entry.name for entry in folder().iterdir() if entry.name.endswith(".md"))
    return tuple(parse(name.removesuffix(".md"), (folder() / name).read_text(encoding="utf-8")) for name in names)


def parse(code: str, text: str) -> Page:
    """The page of *code* from its Markdown. Raises ValueError where its first line is not its title."""
    first, _, rest = text.partition("\n")
    title = _TITLE.fullmatch(first)
    if title is None or title.group(1) != code:
        raise ValueError(f"docs/rules/{code}.md must begin with `# {code}: …`")
    finds = " ".join(rest.strip().partition("\n\n")[0].split())
    return Page(code, title.group(2), finds, text)
