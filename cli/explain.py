"""``tcc explain``: what a diagnostic's code means, why it matters, a wrong plan and its mend."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from ..runtime.faults import EXIT_OK, EXIT_UNUSABLE
from .console import paint, say
from .report import write
from .rulebook import Page, pages

#: Of what is given as a code no more than this is looked at or repeated.
LONGEST = 20

EPILOG = """\b
Examples:
  tcc explain            list all codes
  tcc explain TC302      what TC302 means, with a wrong plan and its mend
  tcc explain TC302 --format json
"""


@click.command("explain", epilog=EPILOG)
@click.argument("codes", metavar="[CODE]...", nargs=-1)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def explain_command(codes: tuple[str, ...], form: str) -> int:
    """Say what a diagnostic's code means; without a CODE, list them all."""
    book = {page.code: page for page in pages()}
    wanted = [_spelled(code) for code in codes]
    unknown = [(given, code) for given, code in zip(codes, wanted, strict=True) if code not in book]
    for given, code in unknown:
        near = ", ".join(nearest(code, list(book)))
        say(
            f"error: there is no code {given[:LONGEST]!r}; the nearest are {near} (`tcc explain` lists all)",
            style="1;31",
        )
    if unknown:
        return EXIT_UNUSABLE
    chosen = [book[code] for code in wanted]
    if form == "json":
        _print_json(chosen or list(book.values()), whole=bool(chosen))
    elif chosen:
        write(sys.stdout, "\n".join(_styled(page) for page in chosen))
    else:
        write(sys.stdout, "".join(f"{page.code}  {page.title}\n" for page in book.values()))
    return EXIT_OK


def nearest(code: str, known: Sequence[str]) -> list[str]:
    """The three *known* codes that are most like *code*: swapped digits first, then by spelling, then by number."""
    from difflib import SequenceMatcher

    spelled = code[:LONGEST]
    number = int("".join(c for c in spelled if c.isascii() and c.isdecimal()) or "0")

    def distance(one: str) -> tuple[bool, float, int]:
        alike = SequenceMatcher(None, spelled, one, autojunk=False).ratio()
        return (sorted(spelled) != sorted(one), -alike, abs(int(one[2:]) - number))

    return sorted(known, key=distance)[:3]


def _spelled(code: str) -> str:
    """*code* as the rule book spells it: ``tc302`` and ``302`` mean ``TC302``."""
    upper = code.strip().upper()
    return f"TC{upper}" if upper.isdecimal() else upper


def _styled(page: Page) -> str:
    """The page's text; headings stand out on a terminal."""
    return "".join(
        (paint(line.rstrip("\n"), "1", stream=sys.stdout) + "\n") if line.startswith("#") else line
        for line in page.text.splitlines(keepends=True)
    )


def _print_json(chosen: list[Page], *, whole: bool) -> None:
    from .formats.findings import dumps

    write(
        sys.stdout,
        dumps(
            [
                {"code": p.code, "title": p.title, "severity": p.severity} | ({"text": p.text} if whole else {})
                for p in chosen
            ]
        ),
    )
