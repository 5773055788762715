"""``tcc draft``: restore and copy plans from what the catalog knows, to be checked and run like any other."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..runtime.faults import EXIT_FAILED, UsageFault
from .console import say
from .options import Commands, catalog_option, define_option, examples, plan_option, state_option

if TYPE_CHECKING:
    from ..compiler.draft.outcome import Drafted
    from ..compiler.draft.text import Output
    from .drafting import Sighted

F = TypeVar("F", bound=Callable[..., Any])

EPILOG = """\b
Examples:
  tcc draft catch-up --plan night.tc -o catch-up.tc       what the last runs left missing, from the copies there are
  tcc draft refresh R1-000001 --to fresh=/vault/fresh     a whole volume onto new media
  tcc draft restore night/home --to /restored             a recovery plan, in one pass over the fewest volumes
  tcc draft compact --to R1b=/media/R1b --plan night.tc | tcc check -

\b
Exit codes: 0 drafted; 1 there is nothing to draft, or nothing of it can be read now; 2 bad usage; 3 drafted, but
something had to be left out."""


@click.group(cls=Commands, epilog=EPILOG)
def draft_command() -> None:
    """Write a plan from the catalog: to standard output, or -o FILE.

    The plan is checked, drawn, estimated and run like any other. Nothing is copied or removed by the draft itself.
    """


def _common(command: F) -> F:
    """The options that every kind of draft has."""
    for option in (
        define_option,
        state_option,
        catalog_option,
        plan_option,
        click.option("--force", is_flag=True, help="Replace the file of -o."),
        click.option("-o", "--output", metavar="FILE", help="Write the plan to FILE, else to standard output."),
    ):
        command = option(command)
    return command


_to_option = click.option(
    "--to",
    "to",
    metavar="[NAME=]FOLDER",
    multiple=True,
    required=True,
    help="The drive to write; repeat it for further copies, each fed by the one before.",
)


@draft_command.command("compact", epilog=examples("tcc draft compact --drive R1 --to R1b=/media/R1b --plan night.tc"))
@click.option("--drive", "drives", metavar="NAME", multiple=True, help="Only volumes of this drive.")
@click.option("--volume", "volumes", metavar="NAME", multiple=True, help="These volumes, whatever has expired.")
@_to_option
@_common
def compact_command(drives: tuple[str, ...], volumes: tuple[str, ...], to: tuple[str, ...], **common: Any) -> int:
    """Objects that are still kept, from mostly expired volumes to few."""

    def make(sighted: Sighted) -> Drafted:
        from ..compiler.draft.drafts import compact

        named = _volumes(volumes, sighted)
        _check_drives(drives, sighted)
        return compact(sighted.holdings, drives, named, _outputs(to, sighted))

    return _draft(make, **common)


@draft_command.command("refresh", epilog=examples("tcc draft refresh R1-000001 --to fresh=/vault/fresh -o refresh.tc"))
@click.argument("volumes", metavar="VOLUME...", nargs=-1, required=True)
@_to_option
@_common
def refresh_command(volumes: tuple[str, ...], to: tuple[str, ...], **common: Any) -> int:
    """Whole volumes onto new media."""

    def make(sighted: Sighted) -> Drafted:
        from ..compiler.draft.drafts import refresh

        return refresh(sighted.holdings, _volumes(volumes, sighted), _outputs(to, sighted))

    return _draft(make, **common)


@draft_command.command(
    "demultiplex", epilog=examples("tcc draft demultiplex --drive R1 --to single=/media/single --spool /var/tmp/spool")
)
@click.argument("sources", metavar="[SOURCE]...", nargs=-1)
@click.option("--drive", "drives", metavar="NAME", multiple=True, help="Read only this drive.")
@click.option("--spool", metavar="FOLDER", default="spool", show_default=True, help="Where records wait their turn.")
@_to_option
@_common
def demultiplex_command(
    sources: tuple[str, ...], drives: tuple[str, ...], spool: str, to: tuple[str, ...], **common: Any
) -> int:
    """Each object in one piece, one after another."""

    def make(sighted: Sighted) -> Drafted:
        from ..compiler.draft.drafts import demultiplex

        named = _sources(sources, sighted)
        _check_drives(drives, sighted)
        return demultiplex(sighted.holdings, drives, named, _outputs(to, sighted, spool))

    return _draft(make, **common)


@draft_command.command("chain", epilog=examples("tcc draft chain night/home --to chain=/media/chain -o chain.tc"))
@click.argument("source", metavar="SOURCE")
@click.option("--spool", metavar="FOLDER", default="spool", show_default=True, help="Where records wait their turn.")
@_to_option
@_common
def chain_command(source: str, spool: str, to: tuple[str, ...], **common: Any) -> int:
    """The newest full object and its incrementals, in restore order on one drive."""

    def make(sighted: Sighted) -> Drafted:
        from ..compiler.draft.drafts import chain

        return chain(sighted.holdings, _sources([source], sighted)[0], _outputs(to, sighted, spool))

    return _draft(make, **common)


@draft_command.command(
    "consolidate", epilog=examples("tcc draft consolidate night/home --to full=/vault/full -o full.tc")
)
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True)
@click.option("--as-of", metavar="TIME", help="As the newest session that began by then saw it (ISO, local time).")
@_to_option
@_common
def consolidate_command(sources: tuple[str, ...], as_of: str | None, to: tuple[str, ...], **common: Any) -> int:
    """A full made from a chain, a full and its incrementals, without reading the source."""

    def make(sighted: Sighted) -> Drafted:
        from ..compiler.draft.drafts import consolidate
        from ..runtime.restore.select import moment
        from .drafting import encoding_of

        return consolidate(
            sighted.holdings,
            _sources(sources, sighted),
            _outputs(to, sighted),
            as_of=None if as_of is None else moment(as_of),
            said=lambda held: encoding_of(held, sighted),
        )

    return _draft(make, **common)


@draft_command.command("migrate", epilog=examples("tcc draft migrate R1 R2 --to new=/new/store -o migrate.tc"))
@click.argument("drives", metavar="DRIVE...", nargs=-1, required=True)
@_to_option
@_common
def migrate_command(drives: tuple[str, ...], to: tuple[str, ...], **common: Any) -> int:
    """Everything of these drives to other drives, pools or media."""

    def make(sighted: Sighted) -> Drafted:
        from ..compiler.draft.drafts import migrate

        _check_drives(drives, sighted)
        return migrate(sighted.holdings, drives, _outputs(to, sighted))

    return _draft(make, **common)


@draft_command.command("catch-up", epilog=examples("tcc draft catch-up --plan night.tc -o catch-up.tc"))
@click.option("--session", metavar="SESSION", help="Only what this session left missing.")
@_common
def catch_up_command(session: str | None, **common: Any) -> int:
    """Copies that a degraded run left missing, from the surviving ones; no source is read again."""

    def make(sighted: Sighted) -> Drafted:
        from ..compiler.draft.drafts import catch_up

        return catch_up(sighted.holdings, session)

    return _draft(make, **common)


@draft_command.command("restore", epilog=examples("tcc draft restore night/home night/shop --to /restored -o back.tc"))
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True)
@click.option("--to", "folder", metavar="DIR", required=True, help="Where the data goes, as `tcc restore --to`.")
@_common
def restore_draft_command(sources: tuple[str, ...], folder: str, **common: Any) -> int:
    """A recovery plan for these sources: best copies, fewest volumes, one pass."""

    def make(sighted: Sighted) -> Drafted:
        from ..compiler.draft.drafts import restore

        return restore(sighted.holdings, _sources(sources, sighted), str(Path(folder).absolute()))

    return _draft(make, **common)


def _draft(
    make: Callable[[Sighted], Drafted],
    *,
    output: str | None,
    force: bool,
    plan_path: str | None,
    catalog: str | None,
    state: str | None,
    defines: dict[str, str],
) -> int:
    from ..compiler.draft.outcome import NothingToDraft
    from .drafting import put, say_what_brings_back, sight

    sighted = sight(plan_path, catalog, state, defines)
    try:
        drafted = make(sighted)
    except NothingToDraft as why:
        say(f"nothing to draft: {why}")
        say_what_brings_back(why.left)
        return EXIT_FAILED
    return put(drafted, sighted, how=["tcc", *sys.argv[1:]], output=output, force=force)


def _outputs(to: tuple[str, ...], sighted: Sighted, spool: str | None = None) -> list[Output]:
    from .drafting import output_of

    place = None if spool is None else str(Path(spool).absolute())
    return [output_of(text, sighted, place) for text in to]


def _sources(given: Sequence[str], sighted: Sighted) -> list[str]:
    """``PLAN/SOURCE`` of each, which may be given without its plan where one plan has it. Raises UsageFault."""
    from ..runtime.kinds import source_text
    from ..runtime.restore.select import one_source

    return [source_text(*one_source(sighted.sources, text, sighted.catalog)) for text in given]


def _volumes(given: Sequence[str], sighted: Sighted) -> list[str]:
    """Each volume as drafts call it, from its name or its UUID. Raises UsageFault."""
    _check(given, "volume", sighted.volumes, "`tcc volumes` lists them")
    for name in given:
        meant = sighted.volumes[name]
        if len(meant) > 1:
            raise UsageFault(
                f"{len(meant)} volumes are called {name}: {', '.join(meant)}",
                safe="nothing was drafted",
                todo="name one by its UUID (`tcc volumes` says where each lies)",
            )
    return [sighted.volumes[name][0] for name in given]


def _check_drives(given: Sequence[str], sighted: Sighted) -> None:
    _check(given, "drive", sighted.drives, "`tcc volumes` lists volumes with their drives")


def _check(given: Sequence[str], what: str, known: Collection[str], todo: str) -> None:
    """Refuse names that the catalog does not have: a slip, where nothing is to be drafted at all."""
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise UsageFault(f"the catalog knows no {what} {name}", todo=f"did you mean {near[0]}?" if near else todo)
