"""``tcc completion``: shell completion by click's own scripts, and what click cannot know of our arguments by itself.

A shell asks ``tcc`` itself for completions (``_TCC_COMPLETE=bash_complete``). The commands are listed without importing
any of them; only the command that stands on the line is loaded.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import click

from ..runtime.faults import EXIT_OK

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    _ParamType = click.ParamType[str]
else:
    _ParamType = click.ParamType  # generic only since click 8.2

SHELLS: Final = ("bash", "zsh", "fish")

#: Both names of the command.
PROGRAMS: Final = ("tcc", "tapechain")

EPILOG = """\b
Install, for example:
  bash   tcc completion bash > ~/.local/share/bash-completion/completions/tcc
  zsh    tcc completion zsh > ~/.zfunc/_tcc      (with fpath+=~/.zfunc before compinit in ~/.zshrc)
  fish   tcc completion fish > ~/.config/fish/completions/tcc.fish

\b
or, for the shell that runs:
  eval "$(tcc completion bash)"
  tcc completion fish | source

The script asks tcc itself, so it needs no renewal when tcc is updated. bash must be 4.4 or later."""


@click.command("completion", epilog=EPILOG)
@click.argument("shell", metavar="bash|zsh|fish", type=click.Choice(SHELLS))
def completion_command(shell: str) -> int:
    """Print the script that makes a shell complete the commands, options, files and codes of tcc and tapechain."""
    click.echo(script(shell), nl=False)
    return EXIT_OK


def script(shell: str) -> str:
    """The completion script of *shell* for both names of the command."""
    from click.shell_completion import ShellComplete, get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    asks = kind(click.Group(), {}, PROGRAMS[0], "_TCC_COMPLETE")
    # Not the class's own `source`: bash's starts a bash to learn its version, and the script may be for elsewhere.
    text = ShellComplete.source(asks)
    function, second = asks.func_name, PROGRAMS[1]
    if shell == "bash":
        return text.rstrip() + f"\ncomplete -o nosort -F {function} {second}\n"
    if shell == "zsh":
        text = text.replace(f"#compdef {PROGRAMS[0]}", f"#compdef {' '.join(PROGRAMS)}", 1)
        return text.replace(f"compdef {function} {PROGRAMS[0]}\n", f"compdef {function} {' '.join(PROGRAMS)}\n")
    return text.rstrip() + f'\ncomplete --no-files --command {second} --arguments "({function})";\n'


# ---------------------------------------------------------------- while a shell asks


class _Codes(_ParamType):
    """The codes that ``tcc explain`` knows, with their titles for shells that show them."""

    name = "code"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
        """The codes that begin so, whatever the case; ``3`` begins ``TC301``."""
        from click.shell_completion import CompletionItem

        from .rulebook import pages

        start = incomplete.upper()
        start = f"TC{start}" if start.isdecimal() else start
        given = ctx.params.get(param.name or "") or ()
        return [
            CompletionItem(page.code, help=page.title)
            for page in pages()
            if page.code.startswith(start) and page.code not in given
        ]


def _type_of(metavar: str) -> click.ParamType[Any] | None:
    """How an argument is completed, by the word that its help has for it."""
    words = re.findall("[A-Z]+", metavar)
    if "CODE" in words:
        return _Codes()
    if set(words) & {"FILE", "PATH", "VOLUME", "OLD", "NEW"}:
        return click.Path()
    if set(words) & {"DIR", "FOLDER"}:
        return click.Path(file_okay=False)
    return None


def teach(command: click.Command) -> click.Command:
    """*command* as a shell that asks for completions needs it: arguments that say FILE, DIR or CODE are of that type.

    Only where completions are asked for: a run takes its arguments as they are.
    """
    for parameter in command.params:
        if isinstance(parameter.type, click.types.StringParamType) and parameter.metavar:
            parameter.type = _type_of(parameter.metavar) or parameter.type
    for inner in getattr(command, "commands", {}).values():
        teach(inner)
    return command
