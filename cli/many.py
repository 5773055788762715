"""An option that takes several values in a row: ``--from A B C`` as well as ``--from A --from B --from C``."""

from __future__ import annotations

import click

MANY = "--from"


class ManyVolumes(click.Command):
    """A command with one argument and an option ``--from VOLUME…``.

    What follows a ``--from VOLUME`` directly is one more volume; where nothing else can be the argument, the last such
    word is it (``restore --from *.tar home``).
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Write a ``--from`` before each further volume, then parse as ever."""
        return super().parse_args(ctx, self._spelled_out(args))

    def _spelled_out(self, args: list[str]) -> list[str]:
        takes_value = {
            name for p in self.params if isinstance(p, click.Option) and not p.is_flag for name in (*p.opts,)
        }
        further: list[int] = []  # words directly behind a volume
        has_argument = in_volumes = False
        value_of = ""
        for at, word in enumerate(args):
            if value_of:
                in_volumes, value_of = value_of == MANY, ""
            elif word == "--":
                has_argument = has_argument or at + 1 < len(args)
                break
            elif word.startswith("-") and word != "-":
                value_of = word if word in takes_value else ""
                in_volumes = word.startswith(f"{MANY}=")
            elif in_volumes:
                further.append(at)
            else:
                has_argument = True
        if further and not has_argument:
            further.pop()
        return [part for at, word in enumerate(args) for part in ((MANY, word) if at in further else (word,))]
