"""``tcc check``: parse, resolve and validate plans; the report is the result and goes to stdout."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from ..runtime.faults import EXIT_FAILED, EXIT_OK, EXIT_UNUSABLE
from .console import say
from .ending import ends_with_this, hold
from .formats.findings import Checked, Findings
from .options import define_option
from .report import count, print_text

if TYPE_CHECKING:
    from ..compiler.recorded import Recorded

#: Format → module of ``formats`` whose ``render`` writes it; ``text`` is the report for people.
FORMATS = {
    "text": "",
    "json": "structured",
    "github": "github",
    "gitlab": "gitlab",
    "sarif": "sarif",
    "junit": "junit",
}

#: What spans call standard input.
STDIN = "<stdin>"

EPILOG = """\b
Examples:
  tcc check plan.tc                        silent when all is well
  tcc check --strict *.tc                  warnings fail too
  tcc check --format sarif plan.tc         for a code scanning service
  tcc check --catalog state/catalog.sqlite back.tc   selectors, too: is there what it would restore?
  tcc check -D site=vault plan.tc          with another value for a param
  generate-plan | tcc check -              from standard input

\b
Exit codes: 0 no errors, 1 errors (with --strict also warnings), 2 a file cannot be read, or bad usage.
`tcc explain CODE` says more about a diagnostic."""


@click.command("check", epilog=EPILOG)
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option(
    "--format",
    "form",
    type=click.Choice(list(FORMATS)),
    default="text",
    show_default=True,
    help="How the report is written.",
)
@click.option("--strict", is_flag=True, help="Warnings fail, too.")
@click.option("--catalog", metavar="URL", help="Check selectors against this catalog (a file, or a database's URL).")
@define_option
def check_command(files: tuple[str, ...], form: str, strict: bool, catalog: str | None, defines: dict[str, str]) -> int:
    """Parse, resolve and validate plans: each FILE with what it includes is one program; - is standard input."""
    ends_with_this()
    unused: list[set[str]] = []
    recorded = None
    if catalog is not None:
        from .recorded import recorded_in

        recorded = recorded_in(catalog)
    checked = tuple(_check(file, defines, unused, recorded) for file in dict.fromkeys(files))
    findings = Findings(checked, strict)
    # A name that no program knows is a mistyped one; several plans need not all have the same params.
    unknown = sorted(set.intersection(*unused)) if unused else []
    for name in unknown:
        say(f"error: -D {name}: no param of that name in {', '.join(findings.files)}", style="1;31")
    for one in checked:
        if one.unreadable:
            say(f"error: {one.file} cannot be read: {one.unreadable}", style="1;31")
    if form == "text":
        print_text(findings.diagnostics, findings.texts, sys.stdout, files=findings.files)
    else:
        _write_document(importlib.import_module(f".formats.{FORMATS[form]}", __package__).render(findings))
    if unknown or any(one.unreadable for one in checked):
        return EXIT_UNUSABLE
    errors, warnings = count(findings.diagnostics)
    return EXIT_FAILED if errors or (strict and warnings) else EXIT_OK


def _check(file: str, defines: Mapping[str, str], unused: list[set[str]], recorded: Recorded | None) -> Checked:
    """The program that *file* begins; the names of *defines* that it does not know are added to *unused*."""
    from ..compiler.program import compile_program
    from .world import RealWorld

    name = STDIN if file == "-" else file
    try:
        compilation = compile_program(file, RealWorld(recorded), defines, lowered=False)
    except OSError as error:
        return Checked(name, unreadable=error.strerror or str(error))
    hold(compilation)
    unused.append(set(compilation.unused_defines))
    return Checked(name, compilation.diagnostics, compilation.texts)


def _write_document(document: str) -> None:
    """*document* on stdout in UTF-8, whatever the locale: JSON is UTF-8 by its definition, the XML says that it is."""
    sys.stdout.flush()
    sys.stdout.buffer.write(document.encode("utf-8"))
    sys.stdout.buffer.flush()
