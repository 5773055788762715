"""``tcc diff``: what changes between two plans, in consequences."""

from __future__ import annotations

import dataclasses
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from ..runtime.faults import EXIT_FAILED, EXIT_OK, EXIT_UNUSABLE, UsageFault
from .console import harmless, paint, print_json
from .diagram import drawn, form_of
from .options import define_option
from .picturing import collapse_groups, collapse_option, theme_option
from .writing import write_whole

if TYPE_CHECKING:
    from ..compiler.differ_change import Change, Effect
    from ..compiler.emit.colours import ThemeName
    from ..compiler.program import Compilation
    from ..runtime.plan import CompiledPlan

VERSION = 1

#: Of changes that differ only in a name so many are shown, and the rest counted, where they are more than ALIKE_MAX.
ALIKE_SHOWN = 3
ALIKE_MAX = 10

_WORDS: Final[Mapping[Effect, str]] = {
    "worse": "for the worse",
    "better": "for the better",
    "neutral": "neither",
}
_MARKS: Final[Mapping[Effect, tuple[str, str]]] = {"worse": ("-", "31"), "better": ("+", "32"), "neutral": ("~", "33")}

EPILOG = """\b
Examples:
  tcc diff old.tc new.tc                           worst first: - is a loss, + a gain, ~ neither
  git show main:night.tc | tcc diff - night.tc     what this branch changes
  tcc diff night.plan.json night.tc --json         what the compiled plan does not know yet
  tcc diff old.tc new.tc -o changes.svg            also as a picture: + added, − removed, ~ changed

\b
Exit codes: 0 the plans come to the same, 1 they differ, 2 one of them cannot be read or has errors."""


@click.command("diff", epilog=EPILOG)
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
@click.option("--json", "as_json", is_flag=True, help="Print the changes as JSON.")
@click.option(
    "-o", "--output", metavar="FILE", help="Also draw both plans in one picture: .svg, .png, .pdf, .html, .dot or .mmd."
)
@collapse_option
@theme_option
@define_option
def diff_command(
    *,
    old: str,
    new: str,
    as_json: bool,
    output: str | None,
    collapse: tuple[str, ...],
    theme: ThemeName,
    defines: dict[str, str],
) -> int:
    """Say what changes from the plan OLD to the plan NEW: copies, sites, chains, requirements, sources, drives, memory.

    Each is a .tc or a compiled plan, one of them perhaps - (standard input). -D goes to each .tc that has a param of
    that name.
    """
    from ..compiler.differ import diff

    if old == new == "-":
        raise UsageFault("only one of the two plans can come from standard input")
    form = form_of(output) if output is not None else ""
    before, after = _plans(old, new, defines)
    changes = diff(before, after)
    if output is not None:
        from ..compiler.emit.compare import compared

        picture = collapse_groups(compared(before, after, changes), collapse)
        write_whole(Path(output), drawn(picture, form, theme))
    if as_json:
        print_json(_document(before, after, changes))
    else:
        for line in _lines(changes):
            sys.stdout.write(line + "\n")
    return EXIT_FAILED if changes else EXIT_OK


def _plans(old: str, new: str, defines: Mapping[str, str]) -> tuple[CompiledPlan, CompiledPlan]:
    """Both plans. Raises :class:`UsageFault`, or ``Exit(2)`` after diagnostics were shown."""
    from ..runtime.plan import loads
    from .report import print_text
    from .world import RealWorld

    plans, named, unused = [], [], []
    for path in (old, new):
        # Read once: OLD may be a pipe, as in `tcc diff <(git show main:night.tc) night.tc`.
        try:
            content = RealWorld().read(path)
        except OSError as error:
            raise UsageFault(f"{path} cannot be read: {error.strerror or error}") from None
        if content.lstrip()[:1] == b"{":
            plans.append(loads(content, name=path))
            named.append(True)
            unused.append(set(defines))
            continue
        compilation = _compile(path, content, defines)
        unused.append(set(compilation.unused_defines))
        named.append(compilation.graph.model.plan is not None)
        if compilation.plan is not None:
            plans.append(compilation.plan)
        errors = [d for d in compilation.diagnostics if d.severity == "error"]
        print_text(errors, compilation.texts, sys.stderr)
    if len(plans) < 2:
        raise click.exceptions.Exit(EXIT_UNUSABLE)
    unknown = sorted(unused[0] & unused[1])
    if unknown:
        raise UsageFault(f"-D {', '.join(unknown)}: neither {old} nor {new} is a plan with a param of that name")
    before, after = plans
    if not all(named):
        # A program without `plan` bears its file's name, and two files to be compared mostly have two.
        before = dataclasses.replace(before, plan=after.plan)
    return before, after


def _compile(path: str, content: bytes, defines: Mapping[str, str]) -> Compilation:
    from ..compiler.program import compile_program
    from .world import KnownWorld

    return compile_program(path, KnownWorld(path, content), defines)


def _lines(changes: tuple[Change, ...]) -> Iterator[str]:
    """The report for people: a line a change, and the numbers at the end."""
    alike = Counter((c.rank, c.alike) for c in changes if c.alike)
    seen: Counter[tuple[int, str]] = Counter()
    for change in changes:
        key = (change.rank, change.alike)
        seen[key] += 1
        many = alike[key] > ALIKE_MAX
        if many and seen[key] > ALIKE_SHOWN + 1:
            continue
        mark, style = _MARKS[change.effect]
        said = one_line(change.message)
        if many and seen[key] == ALIKE_SHOWN + 1:
            said = f"… and the same of {alike[key] - ALIKE_SHOWN} more (--json names them)"
        yield f"{paint(mark, style, stream=sys.stdout)} {said}"
    if changes:
        numbers = Counter(change.effect for change in changes)
        yield ", ".join(f"{numbers[effect]} {word}" for effect, word in _WORDS.items() if numbers[effect])


def one_line(text: str) -> str:
    """*text* as one harmless line: a name may hold a line end."""
    return harmless(text.replace("\n", "\\n").replace("\t", "\\t"))


def _document(old: CompiledPlan, new: CompiledPlan, changes: tuple[Change, ...]) -> dict[str, Any]:
    numbers = Counter(change.effect for change in changes)
    return {
        "version": VERSION,
        "old": {"plan": old.plan, "fingerprint": old.fingerprint},
        "new": {"plan": new.plan, "fingerprint": new.fingerprint},
        "same": not changes,
        "changes": [{"effect": c.effect, "kind": c.kind, "name": c.name, "message": c.message} for c in changes],
        "summary": {effect: numbers[effect] for effect in ("worse", "better", "neutral")},
    }
