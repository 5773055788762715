"""``tcc fmt``: plans in canonical form, in place. A text that would say anything else is never written."""

from __future__ import annotations

import contextlib
import difflib
import os
import stat
import sys
from pathlib import Path
from typing import Literal

import click

from ..dsl.diagnostics import Diagnostic
from ..runtime.faults import EXIT_FAILED, EXIT_OK, EXIT_UNUSABLE, UsageFault
from .console import harmless, paint, print_fault, say
from .writing import put_in_place

#: What became of a file, or would.
Outcome = Literal["same", "changed", "wrong"]

EPILOG = """\b
Examples:
  tcc fmt plan.tc                silent; the file is written only where its text changes
  tcc fmt --check plans/         for CI: writes nothing, names what would change
  tcc fmt --diff plan.tc         shows what would change, writes nothing
  tcc fmt - < plan.tc            from standard input to standard output, for editors

\b
Exit codes: 0 all is well; 1 a file has syntax errors (it is left as it is), or, with --check or --diff, would change;
2 a file cannot be read or written, or bad usage."""


@click.command("fmt", epilog=EPILOG)
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option("--check", is_flag=True, help="Write nothing; exit 1 if a file would change.")
@click.option("--diff", is_flag=True, help="Write nothing; show what would change, exit 1 if anything would.")
def fmt_command(files: tuple[str, ...], check: bool, diff: bool) -> int:
    """Bring plans into canonical form, in place; - reads standard input and writes standard output.

    Of a folder all *.tc in it and below are meant, but for what is hidden. Comments, groups of lines set apart by a
    blank one, and the meaning of the plan are kept. Symbolic links to files are followed, a file's mode is kept.
    """
    code = EXIT_OK
    chosen: dict[str, None] = {}
    for given in files:
        try:
            chosen.update(dict.fromkeys(_files(given)))
        except UsageFault as fault:
            print_fault(fault)
            code = EXIT_UNUSABLE
    for file in chosen:
        try:
            outcome = _format(file, check=check, diff=diff)
        except UsageFault as fault:
            print_fault(fault)
            code = EXIT_UNUSABLE
            continue
        if outcome == "wrong" or (outcome == "changed" and (check or diff)):
            code = max(code, EXIT_FAILED)
    return code


def _files(given: str) -> list[str]:
    """*given*, or the plans in the folder that it is, sorted. Raises :class:`UsageFault` for a folder without any."""
    if given == "-" or not Path(given).is_dir():
        return [given]
    found: list[str] = []

    def stop(error: OSError) -> None:
        raise UsageFault(f"{error.filename} cannot be read: {error.strerror or error}", safe="nothing was written")

    for folder, below, names in os.walk(given, onerror=stop):  # links to folders are not followed
        below[:] = sorted(name for name in below if not name.startswith("."))
        found += [os.path.join(folder, n) for n in names if n.endswith(".tc") and not n.startswith(".")]  # noqa: PTH118
    if not found:
        raise UsageFault(f"the folder {given} holds no .tc file", todo="name a plan, or another folder")
    return sorted(found)


def canonical(content: bytes, name: str) -> tuple[bytes | None, tuple[Diagnostic, ...]]:
    """*content* in canonical form, in UTF-8; None and what is wrong where it has syntax errors.

    The new text is read back: were it to say anything else, or to lose a comment, that is an internal error.
    """
    from ..dsl.parser import parse
    from ..dsl.printer import print_file

    tree, problems = parse(content, name)
    if problems:
        return None, problems
    text = print_file(tree)
    again, trouble = parse(text, name)
    kept = [c.text.rstrip() for c in again.comments] == [c.text.rstrip() for c in tree.comments]
    if trouble or again != tree or not kept or print_file(again) != text:
        raise RuntimeError(f"{name} in canonical form would not be the same plan; it was left as it is")
    return text.encode("utf-8"), ()


def _format(file: str, *, check: bool, diff: bool) -> Outcome:
    """Format one file (``-``: standard input), or say what would change. Raises :class:`UsageFault`."""
    from .world import RealWorld

    name = "<stdin>" if file == "-" else file
    try:
        content = RealWorld().read(file)
    except OSError as error:
        raise UsageFault(f"{name} cannot be read: {error.strerror or error}") from None
    result, problems = canonical(content, name)
    if result is None:
        from .report import print_text

        print_text(problems, {name: content.decode("utf-8", "replace").removeprefix("\ufeff")}, sys.stderr)
        return "wrong"
    changed = result != content
    if diff and changed:
        _print_diff(content, result, name)
    if check and changed:
        say(f"would reformat: {name}")
    if file == "-" and not check and not diff:
        sys.stdout.flush()
        sys.stdout.buffer.write(result)  # as it is: it is the plan itself, for an editor or a file
        sys.stdout.buffer.flush()
    elif changed and not check and not diff:
        _rewrite(file, result)
    return "changed" if changed else "same"


def _rewrite(file: str, content: bytes) -> None:
    """Put *content* into the file that *file* really is, whole or not at all, with its mode (and owner, if allowed)."""
    real = Path(os.path.realpath(file))
    try:
        before = Path(file).stat()
        if not stat.S_ISREG(before.st_mode):
            raise UsageFault(f"{file} is no regular file", safe="nothing was written", todo="tcc fmt - < FILE")
        if not os.access(real, os.W_OK):
            raise UsageFault(f"{file} cannot be written: it is write-protected", safe="nothing was written")

        def dress(fd: int) -> None:
            with contextlib.suppress(OSError):
                os.fchown(fd, before.st_uid, before.st_gid)
            os.fchmod(fd, stat.S_IMODE(before.st_mode))

        put_in_place(real, content, dress)
    except OSError as error:
        raise UsageFault(f"{file} cannot be written: {error.strerror or error}", safe="it is as it was") from None


def _print_diff(before: bytes, after: bytes, name: str) -> None:
    """A unified diff on stdout; what would steer a terminal is shown as an escape."""
    from .report import write

    old, new = (_lines(text.decode("utf-8", "replace")) for text in (before, after))
    styles = {"-": "31", "+": "32", "@": "36"}
    for line in difflib.unified_diff(old, new, name, f"{name} (canonical)", n=3, lineterm=""):
        shown = harmless(line.replace("\n", "")) + ("\n\\ No newline at end of file" if line.endswith("\n") else "")
        write(sys.stdout, paint(shown, styles.get(line[:1], "0"), stream=sys.stdout) + "\n")


def _lines(text: str) -> list[str]:
    """The lines without their ends; one that lacks its end has one, so that it differs from one that has it."""
    if not text:
        return []
    *lines, last = text.split("\n")
    return [*lines, last + "\n"] if last else lines
