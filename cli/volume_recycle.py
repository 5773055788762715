"""``tcc volume recycle``: give up what a volume holds, by name, when its retention has ended."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from ..runtime.faults import EXIT_FAILED, EXIT_OK, AmbiguousFault, Fault, UsageFault
from .console import harmless, print_fault, print_result, say
from .options import catalog_option, define_option, hang_option, plans_option, state_option

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..runtime.catalog.queries import CatalogVolume
    from ..runtime.catalog.store import Catalog
    from ..runtime.patience import Patience
    from ..runtime.plan import Pool
    from ..runtime.recycle import Judged

T = TypeVar("T")

EPILOG = """\b
Examples:
  tcc volume recycle R1-000001 --plan night.tc --dry-run     say whether it may go, and what is lost
  tcc volume recycle R1-000001 --plan night.tc               asks for the volume's name once more
  tcc volume recycle R1-000001 R1-000002 --plan night.tc --yes
  tcc volume recycle R1-000001 --verify --plan night.tc      what it was merged into is read before it goes
  tcc volume recycle R1-000001 --gone --plan night.tc        compacted, verified, taken away: the catalog forgets it
"""


@click.command("recycle", epilog=EPILOG)
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@click.option("--yes", is_flag=True, help="Ask nothing.")
@click.option("--dry-run", is_flag=True, help="Say whether it may be recycled and what is lost; recycle nothing.")
@click.option(
    "--verify",
    "read_fulls",
    is_flag=True,
    help="Read the merged fulls that are to stand for what goes, every digest, before anything goes.",
)
@click.option(
    "--give-up",
    "given_up",
    metavar="PLAN/SOURCE",
    multiple=True,
    help="A source that is no more: its newest objects are not kept beyond their retention.",
)
@click.option(
    "--gone",
    is_flag=True,
    help="NAME was taken away for good: forget it, where all whole objects that it held and are kept lie elsewhere.",
)
@hang_option("Leave a drive that does not answer for so long; what is on it is kept, and the others go on.")
@plans_option
@catalog_option
@state_option
@define_option
def recycle_command(
    *,
    names: tuple[str, ...],
    yes: bool,
    dry_run: bool,
    read_fulls: bool,
    given_up: tuple[str, ...],
    gone: bool,
    hang_after: float,
    plan_paths: tuple[str, ...],
    catalog: str | None,
    state: str | None,
    defines: dict[str, str],
) -> int:
    """Give up what the volume NAME (a name, a UUID, or a path) holds: its file goes, the catalog forgets its copies.

    Only where the pool's retention has ended for everything on it, as the volume itself and the plans that wrote on it
    say; what is not known is kept. Refuses while a run holds the drive. Ends with 1 where a volume is refused. With
    --gone the volume must have been taken away already; nothing on any medium is changed then.
    """
    from ..runtime.catalog.keeping import pools_of
    from ..runtime.patience import HangingFault, Patience
    from ..runtime.recycle import find_volume, judge, recycle
    from .state import catalog_and_plans

    # What hangs is told with the volume that it concerns.
    patience = Patience(hang_after)
    click.get_current_context().call_on_close(patience.close)

    known, plans, lists = catalog_and_plans(plan_paths, catalog, state, defines)
    code = EXIT_OK
    with known:
        pools = pools_of(plans)
        sources = _sources(known.source_names(), given_up)
        for name in dict.fromkeys(names):
            safe = "the volume is as it was"
            try:
                volume = find_volume(known, name)
                if gone:
                    code = max(code, _forget_gone(known, volume, pools, patience, yes=yes, dry_run=dry_run))
                    continue
                how = partial(
                    judge, known, volume.id, pools, given_up=sources, read_fulls=read_fulls, still=patience.go_on
                )
                judged = _asked(patience, volume, how)
                _tell(judged)
                if dry_run:
                    continue
                _refuse_without_somebody(judged.volume.name, yes=yes)
                if not yes and not _confirmed(judged.volume.name):
                    say(f"{judged.volume.name} is kept: its name was not typed")
                    code = EXIT_FAILED
                    continue
                safe = "the volume is there as it was, or its file is gone: the next run on the drive sees to it"
                done = _asked(
                    patience, volume, partial(recycle, known, volume.id, pools, given_up=sources, still=patience.go_on)
                )
            except HangingFault as fault:
                print_fault(HangingFault(fault.message, place=fault.place, safe=safe, todo=_LOOK))
                code = max(code, fault.exit_code)
                continue
            except Fault as fault:
                print_fault(fault, [f"--plan={path}" for path in plan_paths])
                code = max(code, fault.exit_code)
                continue
            _forget_lists(lists, done.judged)
            print_result(harmless(f"{judged.volume.name} is recycled: {_freed(done.freed_bytes)}"))
            if done.blank is not None:
                say(f"note: the next session begins on the empty volume {done.blank.stem}")
    return code


def _refuse_without_somebody(name: str, *, yes: bool) -> None:
    if not (yes or sys.stdin.isatty()):
        raise UsageFault(
            f"nobody is there to confirm that {name} may go",
            safe="the volume is as it was",
            todo="say --yes, or run it on a terminal",
        )


_LOOK = "look at the device, its cable and the kernel's log, and say it again when it answers"


def _asked(patience: Patience, volume: CatalogVolume, call: Callable[[], T]) -> T:
    """What *call*, which touches the volume, gives. Raises HangingFault, and what it raises."""
    if volume.location is None:
        return call()
    return patience.ask(Path(volume.location).parent, volume.drive, call)


def _forget_gone(
    known: Catalog,
    volume: CatalogVolume,
    pools: Mapping[tuple[str, str], Pool],
    patience: Patience,
    *,
    yes: bool,
    dry_run: bool,
) -> int:
    """Forget a volume that was taken away for good; the exit code."""
    from ..runtime.gone import forgettable

    count = _asked(patience, volume, partial(forgettable, known, volume, pools))
    say(f"{volume.name} is not there; of {count} object(s) on it all that is kept lies whole elsewhere")
    if dry_run:
        return EXIT_OK
    _refuse_without_somebody(volume.name, yes=yes)
    if not yes and not _confirmed(volume.name):
        say(f"{volume.name} is not forgotten: its name was not typed")
        return EXIT_FAILED
    known.forget_volume(volume.id)
    print_result(harmless(f"{volume.name} is forgotten; on the media nothing was changed"))
    return EXIT_OK


def _forget_lists(folder: Path, judged: Judged) -> None:
    """The member lists of objects that are nowhere any more."""
    from ..runtime.members.lists import ListFolder

    for item in judged.gone:
        try:
            ListFolder(folder).forget(item.id)
        except (OSError, ValueError) as error:
            say(f"note: the member list of {item.id} is left in {folder}: {error}")


def _sources(known: list[tuple[str, str]], given: tuple[str, ...]) -> set[tuple[str, str]]:
    from ..runtime.kinds import source_text, sources_named

    chosen = set()
    for text in given:
        found = [(plan, source) for plan, source in sources_named(known, text) if source != text]
        if not found:
            raise UsageFault(
                f"the catalog knows no source {text}", safe="nothing was changed", todo="write it as PLAN/SOURCE"
            )
        if len(found) > 1:
            each = [(f"source {source} of plan {plan}", source_text(plan, source)) for plan, source in found]
            raise AmbiguousFault(text, each, where="the catalog")
        chosen.add(found[0])
    return chosen


def _freed(size: int) -> str:
    from .table import size_text

    return f"{size_text(size)} are free" if size else "its file was not there; the catalog has forgotten it"


def _tell(judged: Judged) -> None:
    """What is given up, before anybody says yes."""
    volume = judged.volume
    place = volume.location if judged.there else f"not at {volume.location}" if volume.location else "no place known"
    say(f"{volume.name} has expired: {judged.objects} object(s) of {volume.sessions} session(s), {place}")
    for item in judged.gone[:_NAMED_MAX]:
        say(f"  no copy is left of {item.plan}/{item.source} of {item.started} ({item.id})")
    if len(judged.gone) > _NAMED_MAX:
        say(f"  nor of {len(judged.gone) - _NAMED_MAX} objects more")
    for plan, source in judged.sources:
        say(f"warning: NOTHING whole is left of {plan}/{source} then", style="1;33")


_NAMED_MAX = 20


def _confirmed(name: str) -> bool:
    sys.stderr.write(f"Type {harmless(name)} to recycle it: ")
    sys.stderr.flush()
    return sys.stdin.readline().strip() == name
