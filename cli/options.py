"""Options that several commands share: ``-D``, ``--plan``, ``--progress``, ``--state``, ``--catalog``.

Each is a decorator; the argument that it passes is named in its comment.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


def examples(*lines: str) -> str:
    """An epilog of examples, one a line as it is to be typed: never wrapped, whatever the terminal's width."""
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])


class Commands(click.Group):
    """A group whose list has the whole first sentence of each command: click cuts it off where a line ends."""

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        """Add *cmd*, its first sentence as its short help."""
        if cmd.help and not cmd.short_help:
            cmd.short_help = " ".join(cmd.help.partition("\n\n")[0].split())
        super().add_command(cmd, name)


_DEFINE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)


def _read_defines(ctx: click.Context, option: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    defines: dict[str, str] = {}
    for text in given:
        match = _DEFINE.fullmatch(text)
        if match is None:
            raise click.BadParameter(f"{text!r} is not NAME=VALUE", ctx=ctx, param=option)
        defines[match[1]] = match[2]
    return defines


_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)([smhd])")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def duration(ctx: click.Context, option: click.Parameter, given: str | None) -> float | None:
    """The seconds of a duration as plans write it (``36h``), as an option's callback."""
    if given is None:
        return None
    found = _DURATION.fullmatch(given)
    if found is None:
        raise click.BadParameter(f"{given!r} is not a duration: write 36h, 7d, 90m", ctx=ctx, param=option)
    return float(found[1]) * _SECONDS[found[2]]


#: ``defines: dict[str, str]``: values for the plan's ``param`` statements, as text; the last of one name counts.
define_option = click.option(
    "-D",
    "defines",
    metavar="NAME=VALUE",
    multiple=True,
    callback=_read_defines,
    help="Give the plan's param NAME another value (may be repeated).",
)

#: ``plan_path: str | None``: the plan (``.tc`` or compiled) whose state and catalog are meant.
plan_option = click.option(
    "--plan", "plan_path", metavar="FILE", help="The plan whose state folder and catalog are meant."
)

#: ``plan_paths: tuple[str, ...]``: as ``plan_option``; of several the first says where the catalog is.
plans_option = click.option(
    "--plan",
    "plan_paths",
    metavar="FILE",
    multiple=True,
    help="The plan whose state folder, catalog and pools are meant; more of them add their pools.",
)

#: ``progress: str``: one of the modes of ``cli.progress``.
progress_option = click.option(
    "--progress",
    type=click.Choice(["auto", "rich", "plain", "json", "none"]),
    default="auto",
    show_default=True,
    help="Live table, plain lines, JSON lines, or nothing, on stderr.",
)

#: ``state: str | None``: the state folder.
state_option = click.option(
    "--state",
    "state",
    metavar="DIR",
    help="State folder (else TCC_STATE, the plan's state, the user's state folder).",
)

#: ``catalog: str | None``: the catalog's URL.
catalog_option = click.option("--catalog", "catalog", metavar="URL", help="Catalog database, sqlite:///FILE say.")

#: ``identity: tuple[str, ...]``: files of age identities.
identity_option = click.option(
    "--identity",
    "identity",
    metavar="FILE",
    multiple=True,
    help="A file of age identities, or an ssh private key, for encrypted objects (repeatable; also TCC_IDENTITY).",
)


def hang_option(what: str, default: str = "15m") -> Callable[[Command], Command]:
    """``hang_after: float``: seconds; *what* is done with a drive that hangs."""
    return click.option(
        "--hang-after", metavar="DURATION", callback=duration, default=default, show_default=True, help=what
    )
