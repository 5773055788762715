"""What a shell is answered that asks for completions: what click cannot know of our arguments and options by itself.

A shell asks ``tcc`` itself (``_TCC_COMPLETE=bash_complete``). The commands are listed without importing any of them;
only the command that stands on the line is loaded.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    _ParamType = click.ParamType[str]
else:
    _ParamType = click.ParamType  # generic only since click 8.2


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


class _Emitters(_ParamType):
    """What ``tcc compile --emit`` takes, behind the commas that stand there already."""

    name = "emitters"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
        """The lists that *incomplete* can be made into by one word more."""
        from click.shell_completion import CompletionItem

        from .compile import EMITTERS

        before, comma, start = incomplete.rpartition(",")
        given = before.split(",")
        return [
            CompletionItem(before + comma + name) for name in EMITTERS if name.startswith(start) and name not in given
        ]


def prepare() -> None:
    """Before a shell is answered: ``--option=VALUE`` is understood in the way of each shell."""
    from click.shell_completion import BashComplete, CompletionItem, FishComplete, ShellComplete, ZshComplete
    from click.shell_completion import add_completion_class as add

    def with_option(answer: ShellComplete, args: list[str], incomplete: str) -> list[CompletionItem[str]]:
        """The answers, behind the option's name: zsh and fish have name and value as one word."""
        items = ShellComplete.get_completions(answer, args, incomplete)
        name, equals, _ = incomplete.partition("=")
        if not (name.startswith("--") and equals):
            return items
        return [
            CompletionItem(f"{name}={item.value}", help=item.help) if item.type == "plain" else item for item in items
        ]

    class Bash(BashComplete):
        def get_completion_args(self) -> tuple[list[str], str]:
            """The words before the cursor: bash has made three of ``--option=VALUE``."""
            args, incomplete = super().get_completion_args()
            kept = [word for before, word in zip(["", *args], args, strict=False) if word != "=" or before[:2] != "--"]
            return kept, incomplete

    class Zsh(ZshComplete):
        get_completions = with_option

    class Fish(FishComplete):
        get_completions = with_option

    add(Bash)
    add(Zsh)
    add(Fish)


def _type_of(metavar: str) -> click.ParamType[Any] | None:
    """How an argument is completed, by the word that its help has for it."""
    words = re.findall("[A-Z]+", metavar)
    if "CODE" in words:
        return _Codes()
    if "LIST" in words:
        return _Emitters()
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
