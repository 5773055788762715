"""``tcc lsp``: the language server on standard input and output. pygls is imported when it is started."""

from __future__ import annotations

import os

import click

from ..runtime.faults import UsageFault
from .console import say
from .options import define_option

EPILOG = """\b
Examples:
  tcc lsp                        an editor starts it, and talks to it over standard input and output
  tcc lsp -D site=vault          with another value for a param

docs/editors.md shows how VS Code, Neovim and Helix start it."""


@click.command("lsp", epilog=EPILOG)
@click.option("--stdio", is_flag=True, help="Standard input and output: the default, and the only way there is.")
@define_option
def lsp_command(stdio: bool, defines: dict[str, str]) -> int:
    """Serve an editor: diagnostics while typing, hover, completion, definitions, rename, outline, formatting, mends."""
    try:
        from .language_server.features import serve
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"pygls", "lsprotocol", "cattrs", "attrs", "attr"}:
            raise
        raise UsageFault(
            f"the language server needs the Python package {error.name}, which is not installed",
            todo="pip install pygls",
        ) from None
    if os.isatty(0):
        say("tcc lsp talks to editors, not to people: docs/editors.md says how one starts it (Ctrl-C ends it)")
    # The protocol gets descriptors of its own; what anything else prints must not come between its messages.
    stdin, stdout = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return serve(defines, stdin, stdout)
